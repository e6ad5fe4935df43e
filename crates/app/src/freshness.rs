//! How old tables are, beside how old their contracts let them be.

use polder_audit::State;
use polder_contract::Contract;
use polder_types::event::TableOperation;
use polder_types::{DatasetId, NameId};

use crate::failure::Outcome;
use crate::installation::Installation;
use crate::name_id::Named;
use crate::pipeline::{FreshnessFrom, Pipeline};

/// A table as it was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its name.
    pub table: String,
    /// What stands for it in the log.
    pub id: NameId,
    /// How old it may be, in seconds.
    pub max_age_seconds: u64,
    /// When it was last loaded, in milliseconds since the epoch.
    pub newest_ms: Option<i64>,
    /// When it is too old, in milliseconds since the epoch, unless it is loaded before.
    pub stale_at_ms: i64,
    /// Whether it is now.
    pub missed: bool,
    /// Whether the log says that it is.
    pub told: bool,
}

impl Judged {
    /// Whether something is to be told that the log does not say yet.
    pub fn is_news(&self) -> bool {
        self.missed != self.told
    }
}

/// The oldest that the newest load of a contract's table may be, in seconds; none when the contract does not say. What it says of the
/// newest value of a column is not judged here.
pub fn max_age_seconds(contract: &Contract) -> Option<u64> {
    contract.freshness.iter().filter(|freshness| freshness.column.is_none()).map(|freshness| freshness.max_age_seconds).min()
}

/// When a table was last loaded, in milliseconds since the epoch: rows came, or all that there was to come was there.
pub fn newest_load_ms(state: &State, dataset: DatasetId) -> Option<i64> {
    let loads = state.tables.get(&dataset)?.versions.iter().rev();
    let mut loads = loads.filter(|version| version.operation.loads() || version.operation == TableOperation::Model);
    loads.next().map(|version| version.time_ms)
}

/// When what was newest at a moment becomes too old, in milliseconds since the epoch.
pub fn stale_at_ms(newest_ms: i64, max_age_seconds: u64) -> i64 {
    let most = i64::try_from(max_age_seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    newest_ms.saturating_add(most).saturating_add(1)
}

/// The tables of a pipeline that may not be older than something. One that was never loaded counts from when the pipeline first ran.
///
/// # Errors
/// When a contract is wrong, or the keys are unavailable.
pub fn judge(installation: &Installation, pipeline: &Pipeline, now_ms: i64) -> Outcome<Vec<Judged>> {
    if pipeline.freshness == FreshnessFrom::None {
        return Ok(Vec::new());
    }
    let state = installation.journal.state();
    let info = state.pipelines.get(&installation.name_id(Named::Pipeline, &pipeline.name)?);
    let mut judged = Vec::new();
    for (_, contract) in installation.project.contracts()? {
        let table = contract.table.to_string();
        let Some(max_age_seconds) = max_age_seconds(&contract).filter(|_| pipeline.selects(&table)) else { continue };
        let newest_ms = installation.keys.find(&format!("table:{table}")).and_then(|dataset| newest_load_ms(&state, dataset));
        let Some(since_ms) = newest_ms.or_else(|| info.map(|info| info.first_ms)) else { continue };
        let id = installation.name_id(Named::Step, &table)?;
        let stale_at_ms = stale_at_ms(since_ms, max_age_seconds);
        // What was told of an older load is another miss.
        let told = info.and_then(|info| info.stale.get(&id)).is_some_and(|told_ms| *told_ms == newest_ms || stale_at_ms > now_ms);
        judged.push(Judged { table, id, max_age_seconds, newest_ms, stale_at_ms, missed: stale_at_ms <= now_ms, told });
    }
    Ok(judged)
}

/// When the first of the tables that are not too old yet is.
pub fn next_stale_ms(judged: &[Judged]) -> Option<i64> {
    judged.iter().filter(|table| !table.missed).map(|table| table.stale_at_ms).min()
}

#[cfg(test)]
mod tests {
    use polder_audit::{TableHead, VersionInfo};

    use super::*;

    #[test]
    fn what_moves_rows_about_makes_no_table_newer() {
        let version = |version, operation| VersionInfo {
            version,
            log_hash: String::new(),
            operation,
            sequence: version,
            index: version,
            time_ms: i64::try_from(version).unwrap() * 1000,
            counts: None,
            recovered: false,
        };
        let dataset = DatasetId([1; 16]);
        let mut state = State::default();
        assert_eq!(newest_load_ms(&state, dataset), None);
        let mut head = TableHead { versions: vec![version(1, TableOperation::Create)], ..TableHead::default() };
        state.tables.insert(dataset, head.clone());
        assert_eq!(newest_load_ms(&state, dataset), None);
        for (number, load) in [(2, TableOperation::Append), (5, TableOperation::Replace), (8, TableOperation::Model)] {
            head.versions.push(version(number, load));
            head.versions.push(version(number + 1, TableOperation::Optimize));
            head.versions.push(version(number + 2, TableOperation::Fence));
            state.tables.insert(dataset, head.clone());
            assert_eq!(newest_load_ms(&state, dataset), Some(i64::try_from(number).unwrap() * 1000));
        }
    }

    #[test]
    fn a_table_is_too_old_once_it_is_older_than_it_may_be() {
        assert_eq!(stale_at_ms(1_000, 60), 61_001);
        assert_eq!(stale_at_ms(1_000, u64::MAX), i64::MAX);
        let judged = |stale_at_ms, missed| Judged {
            table: String::new(),
            id: NameId([0; 16]),
            max_age_seconds: 60,
            newest_ms: None,
            stale_at_ms,
            missed,
            told: false,
        };
        assert_eq!(next_stale_ms(&[judged(5, true), judged(9, false), judged(7, false)]), Some(7));
        assert_eq!(next_stale_ms(&[judged(5, true)]), None);
        assert!(judged(5, true).is_news() && !judged(9, false).is_news());
    }
}
