//! The newest value of each column of which a contract says how old it may become: asked through the SQL door, by whoever loads, of the
//! table as the load leaves it, and written down with its offsets, sealed. So a version that is restored has its own, and whoever looks
//! at how old tables are reads no row. No row is kept out for it, and no load fails.

use std::collections::BTreeMap;

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use futures::TryStreamExt as _;
use polder_contract::question::quoted;
use polder_contract::{Approved, Column, Contract};
use polder_engine::{Door, QueryOptions};
use polder_lake::Lake;
use polder_policy::Action;
use polder_types::{DatasetId, ErrorKind};

use super::offsets::Offsets;
use super::questions::{MEMORY_MIB, own};
use super::sink::LakeSink;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::print;

/// By column: its newest value, in milliseconds since the epoch; none where it holds no value.
pub type Newest = BTreeMap<String, Option<i64>>;

/// The columns of which a contract says how old their newest value may become, each with the greatest age in seconds.
pub fn judged_columns(contract: &Contract) -> impl Iterator<Item = (&Column, u64)> {
    let of = |place: usize| contract.columns.get(place);
    contract.freshness.iter().filter_map(move |level| Some((of(level.column?)?, level.max_age_seconds)))
}

/// Asks what was staged. Where that fails nothing is known of the new version, and it is said.
pub(super) async fn ask(installation: &Installation, lake: &Lake, approved: &Approved, sink: &LakeSink<'_>) -> Newest {
    if judged_columns(approved).next().is_none() {
        return Newest::new();
    }
    let asked = async {
        // Asked anew: a table that is loaded for the first time had no id when the load was permitted.
        let permit = installation.may(Action::Run, approved.table.as_str()).await?;
        let door = installation.door_over(lake, MEMORY_MIB, own(installation, approved)?, sink.finished(&permit).await?)?;
        answer(installation, approved, &door).await
    };
    asked.await.unwrap_or_else(|failure| unknown(approved, &failure))
}

/// Asks what is visible, where the contract names a column of which the newest load knew nothing: there is nothing new to be loaded, and
/// how old the table is would stay unknown.
///
/// # Errors
/// When the store or the log fails.
pub(super) async fn catch_up(installation: &Installation, lake: &Lake, approved: &Approved, dataset: DatasetId, head: u64) -> Outcome {
    if judged_columns(approved).next().is_none() {
        return Ok(());
    }
    let offsets = Offsets::of_head(installation, dataset, head).await?;
    if judged_columns(approved).all(|(column, _)| offsets.newest.contains_key(&column.name)) {
        return Ok(());
    }
    let asked = async { answer(installation, approved, &installation.door(lake, MEMORY_MIB)?).await };
    let newest = match asked.await {
        Ok(newest) => newest,
        Err(failure) => {
            unknown(approved, &failure);
            return Ok(());
        }
    };
    let sequence = Offsets::next_sequence(&installation.store, dataset, head).await?;
    Offsets { newest, push: None, ..offsets }.write(&installation.store, dataset, sequence).await?;
    lake.remember(dataset, sequence, &installation.actor).await?;
    Ok(())
}

fn unknown(approved: &Approved, failure: &Failure) -> Newest {
    print::warn(&format!("how old the newest values of table {} are is not known, and counts as too old", approved.table), failure);
    Newest::new()
}

async fn answer(installation: &Installation, approved: &Approved, door: &Door) -> Outcome<Newest> {
    let names: Vec<&String> = judged_columns(approved).map(|(column, _)| &column.name).collect();
    let greatest: Vec<String> = names.iter().map(|name| format!("max({})", quoted(name))).collect();
    let sql = format!("select {} from {}", greatest.join(", "), quoted(approved.table.as_str()));
    let mut answer = door.query(&installation.asker(), &sql, &QueryOptions { whole: true, ..QueryOptions::default() }).await?;
    let mut newest = Newest::new();
    while let Some(batch) = answer.try_next().await? {
        for (name, column) in names.iter().zip(batch.columns()).filter(|_| batch.num_rows() > 0) {
            newest.insert((*name).clone(), moment(column)?);
        }
    }
    match newest.len() == names.len() {
        true => Ok(newest),
        false => Err(Failure::new(
            ErrorKind::Internal,
            "ask for the newest values of columns: there is not one of each; report this as a defect",
        )),
    }
}

/// The first value of a column: a day from its midnight in UTC on, a moment rounded down.
fn moment(column: &ArrayRef) -> Outcome<Option<i64>> {
    if column.is_empty() || column.is_null(0) {
        return Ok(None);
    }
    let ms = match column.data_type() {
        DataType::Date32 => column.as_primitive_opt::<Date32Type>().map(|days| i64::from(days.value(0)).saturating_mul(86_400_000)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive_opt::<TimestampMicrosecondType>().map(|micros| micros.value(0).div_euclid(1000))
        }
        _ => None,
    };
    let wrong = || {
        Failure::new(ErrorKind::Internal, format!("read the newest value: it is of type {}; report this as a defect", column.data_type()))
    };
    ms.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Int64Array, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn days_count_from_midnight_and_moments_are_rounded_down() {
        let of = |array: ArrayRef| moment(&array);
        assert_eq!(of(Arc::new(Date32Array::from(vec![20_000]))).unwrap(), Some(1_728_000_000_000));
        let moments = |micros: Option<i64>| Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC")) as ArrayRef;
        assert_eq!(of(moments(Some(1_999))).unwrap(), Some(1));
        assert_eq!(of(moments(Some(-1))).unwrap(), Some(-1));
        assert_eq!(of(moments(None)).unwrap(), None);
        assert_eq!(of(Arc::new(Int64Array::from(vec![1]))).unwrap_err().kind(), ErrorKind::Internal);
    }
}
