//! How old tables are, beside how old their contracts let them be.

use polder_audit::State;
use polder_contract::Contract;
use polder_types::event::TableOperation;
use polder_types::{DatasetId, ErrorKind, NameId};

use crate::failure::Outcome;
use crate::ingest::{Newest, Offsets, judged_columns};
use crate::installation::Installation;
use crate::name_id::Named;
use crate::pipeline::{FreshnessFrom, Pipeline};

/// How far the newest value of a column may lie ahead and still tell how old it is, in milliseconds: clocks differ, and days begin at
/// different times.
const AHEAD_MS: i64 = 86_400_000;

/// A table as it was judged, by its newest load or by the newest value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its name.
    pub table: String,
    /// The column whose newest value is judged; none where it is the newest load.
    pub column: Option<String>,
    /// What stands for it in the log.
    pub id: NameId,
    /// How old it may be, in seconds.
    pub max_age_seconds: u64,
    /// When it was last loaded, in milliseconds since the epoch. None where a column is judged, too: its newest value is one of a row, which
    /// stands in no log and no notice.
    pub newest_ms: Option<i64>,
    /// Why a column has no newest value that could be judged.
    pub why: Option<&'static str>,
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

    /// The table, or its column.
    pub fn name(&self) -> String {
        match &self.column {
            None => self.table.clone(),
            Some(column) => format!("{}.{column}", self.table),
        }
    }
}

/// The oldest that the newest load of a contract's table may be, in seconds; none when the contract does not say.
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

/// The tables of a pipeline that may not be older than something. One that was never loaded counts from when the pipeline first ran. What
/// the newest values of columns are, each load has written down.
///
/// # Errors
/// When a contract is wrong, or the keys or the store are unavailable.
pub async fn judge(installation: &Installation, pipeline: &Pipeline, now_ms: i64) -> Outcome<Vec<Judged>> {
    if pipeline.freshness == FreshnessFrom::None {
        return Ok(Vec::new());
    }
    let state = installation.journal.state();
    let info = state.pipelines.get(&installation.name_id(Named::Pipeline, &pipeline.name)?);
    let first_ms = info.map(|info| info.first_ms);
    let mut judged = Vec::new();
    for (_, contract) in installation.project.contracts()? {
        let table = contract.table.to_string();
        if contract.freshness.is_empty() || !pipeline.selects(&table) {
            continue;
        }
        let dataset = installation.keys.find(&format!("table:{table}"));
        let newest_ms = dataset.and_then(|dataset| newest_load_ms(&state, dataset));
        let Some(since_ms) = newest_ms.or(first_ms) else { continue };
        if let Some(max_age_seconds) = max_age_seconds(&contract) {
            let id = installation.name_id(Named::Step, &table)?;
            let stale_at_ms = stale_at_ms(since_ms, max_age_seconds);
            // What was told of an older load is another miss.
            let told = info.and_then(|info| info.stale.get(&id)).is_some_and(|told_ms| *told_ms == newest_ms || stale_at_ms > now_ms);
            let missed = stale_at_ms <= now_ms;
            let (table, column, why) = (table.clone(), None, None);
            judged.push(Judged { table, column, id, max_age_seconds, newest_ms, why, stale_at_ms, missed, told });
        }
        let newest = match dataset.filter(|_| newest_ms.is_some()) {
            Some(dataset) if judged_columns(&contract).next().is_some() => Some(newest_values(installation, &state, dataset).await?),
            _ => None,
        };
        for (column, max_age_seconds) in judged_columns(&contract) {
            // No table has a name with a point in it.
            let id = installation.name_id(Named::Step, &format!("{table}.{}", column.name))?;
            let newest = newest.as_ref().map(|newest| newest.get(&column.name));
            let (stale_at_ms, why) = column_stale_at_ms(newest, since_ms, max_age_seconds, now_ms);
            // Told once, until it is young enough: loads that bring nothing newer are no news.
            let told = info.is_some_and(|info| info.stale.contains_key(&id));
            let (table, column, missed) = (table.clone(), Some(column.name.clone()), stale_at_ms <= now_ms);
            judged.push(Judged { table, column, id, max_age_seconds, newest_ms: None, why, stale_at_ms, missed, told });
        }
    }
    Ok(judged)
}

/// When a column is too old by what its table's newest version knows of it, and why it has no age. `newest` is none before the first load.
fn column_stale_at_ms(
    newest: Option<Option<&Option<i64>>>,
    since_ms: i64,
    max_age_seconds: u64,
    now_ms: i64,
) -> (i64, Option<&'static str>) {
    match newest {
        None => (stale_at_ms(since_ms, max_age_seconds), Some("the table was never loaded")),
        // On doubt it is too old. One row of the year 9999 would keep it young for ever.
        Some(Some(Some(newest_ms))) if *newest_ms > now_ms.saturating_add(AHEAD_MS) => {
            (since_ms.min(now_ms), Some("its newest value lies more than a day ahead, so it does not tell how old the rest is"))
        }
        Some(Some(Some(newest_ms))) => (stale_at_ms(*newest_ms, max_age_seconds), None),
        Some(Some(None)) => (since_ms.min(now_ms), Some("it holds no value")),
        Some(None) => (since_ms.min(now_ms), Some("its newest value is not known before the next load")),
    }
}

/// What the newest version of a table knows of its columns.
async fn newest_values(installation: &Installation, state: &State, dataset: DatasetId) -> Outcome<Newest> {
    let sequence = state.tables.get(&dataset).map_or(0, |head| head.sequence);
    match Offsets::read(installation, dataset, sequence).await {
        Ok(offsets) => Ok(offsets.unwrap_or_default().newest),
        // It went with its key, as the table did.
        Err(failure) if failure.kind() == ErrorKind::Rejected => Ok(Newest::new()),
        Err(failure) => Err(failure),
    }
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
            table: "t".to_owned(),
            column: None,
            id: NameId([0; 16]),
            max_age_seconds: 60,
            newest_ms: None,
            why: None,
            stale_at_ms,
            missed,
            told: false,
        };
        assert_eq!(next_stale_ms(&[judged(5, true), judged(9, false), judged(7, false)]), Some(7));
        assert_eq!(next_stale_ms(&[judged(5, true)]), None);
        assert!(judged(5, true).is_news() && !judged(9, false).is_news());
        let column = Judged { column: Some("at".to_owned()), ..judged(5, true) };
        assert_eq!((judged(5, true).name(), column.name()), ("t".to_owned(), "t.at".to_owned()));
    }

    #[test]
    fn a_column_without_a_value_is_too_old_whatever_the_time_is() {
        let at = |newest: Option<Option<&Option<i64>>>| column_stale_at_ms(newest, 1_000, 60, 500_000);
        assert_eq!(at(Some(Some(&Some(100_000)))), (160_001, None));
        // A value that lies a little ahead is young, and one that lies far ahead says nothing.
        assert_eq!(at(Some(Some(&Some(900_000)))), (960_001, None));
        assert_eq!(at(Some(Some(&Some(500_000 + AHEAD_MS)))), (560_001 + AHEAD_MS, None));
        for far in [500_001 + AHEAD_MS, 253_402_300_799_000, i64::MAX] {
            let (stale_at_ms, why) = at(Some(Some(&Some(far))));
            assert!(stale_at_ms <= 500_000 && why.unwrap().contains("more than a day ahead"), "{far}");
        }
        assert_eq!(at(Some(Some(&None))), (1_000, Some("it holds no value")));
        assert!(at(Some(None)).0 <= 500_000);
        // One that is not loaded yet has its time.
        assert_eq!(at(None), (61_001, Some("the table was never loaded")));
        // Clocks that differ excuse nothing.
        assert_eq!(column_stale_at_ms(Some(Some(&None)), 900_000, 60, 500_000).0, 500_000);
    }
}
