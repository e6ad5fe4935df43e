//! `polder table storage`: what tables take in the store.

use polder_lake::{Lake, Storage};
use polder_policy::Action;
use polder_types::{DatasetId, TableName};
use serde_json::{Value, json};

use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::ingest::advice;
use crate::installation::Installation;
use crate::print::{self, Listing};
use crate::tables::Unreadable;

/// What one table takes.
struct Taken {
    table: String,
    /// None when the table cannot be read.
    storage: Option<Storage>,
    /// All objects below the table's folder: older versions, deletion vectors, log, and what nothing names any more.
    objects: u64,
    stored_bytes: u64,
    /// What is advised, or why it cannot be read.
    says: Option<String>,
}

/// Shows one table, or all that the actor may describe. Each is listed in the store for it.
///
/// # Errors
/// When it is not permitted, a table is not as it must be, or the store cannot be listed.
pub async fn show(installation: &Installation, lake: &Lake, name: Option<&str>, output: Output) -> Outcome {
    let mut taken = Vec::new();
    match name {
        Some(name) => {
            let dataset = installation.permit(Action::Describe, name).await?.table_id();
            let table = TableName::new(name).map_err(|error| Failure::of(polder_types::ErrorKind::Invalid, &error))?;
            taken.push(take(installation, lake, &table, dataset).await?);
        }
        None => {
            let state = installation.journal.state();
            for table in installation.tables() {
                let described = installation.policies.decide(&installation.actor, &installation.groups, Action::Describe, &table).allowed;
                if described && state.tables.get(&table.id).is_some_and(|head| head.sequence > 0) {
                    taken.push(take(installation, lake, &table.name, table.id).await?);
                }
            }
        }
    }
    let people = output == Output::Table;
    let bytes = |bytes: u64| if people { json!(print::bytes(bytes)) } else { json!(bytes) };
    let mut listing = Listing::new(&[
        "table",
        "files",
        "rows",
        "deleted_rows",
        "vectors",
        "live_bytes",
        "table_bytes",
        "stored_bytes",
        "objects",
        "overhead",
        "advice",
    ]);
    for Taken { table, storage, objects, stored_bytes, says } in taken {
        let of = |get: fn(&Storage) -> u64| storage.as_ref().map_or(Value::Null, |storage| json!(get(storage)));
        let bytes_of = |get: fn(&Storage) -> u64| storage.as_ref().map_or(Value::Null, |storage| bytes(get(storage)));
        listing.row([
            json!(table),
            of(|storage| storage.files),
            of(|storage| storage.stored_rows.saturating_sub(storage.deleted_rows)),
            of(|storage| storage.deleted_rows),
            of(|storage| storage.vectors),
            bytes_of(|storage| storage.live_bytes),
            bytes_of(|storage| storage.table_bytes),
            bytes(stored_bytes),
            json!(objects),
            json!(storage.and_then(|storage| overhead(stored_bytes, storage.live_bytes))),
            json!(says),
        ]);
    }
    listing.print(output)
}

async fn take(installation: &Installation, lake: &Lake, table: &TableName, dataset: DatasetId) -> Outcome<Taken> {
    let (storage, says) = match lake.storage(dataset).await {
        Ok(storage) => (Some(storage), advice(table.as_str(), &storage)),
        Err(error) => (None, Some(format!("unreadable: {}", Unreadable::of(table, error)?.brief()))),
    };
    let (objects, stored_bytes) = installation.store.backend().stored_below(&Lake::folder(dataset))?;
    Ok(Taken { table: table.to_string(), storage, objects, stored_bytes, says })
}

/// How often the rows' bytes lie in the store, to two places. None where there are no rows.
fn overhead(stored_bytes: u64, live_bytes: u64) -> Option<f64> {
    let hundredths = u128::from(stored_bytes).saturating_mul(100).checked_div(u128::from(live_bytes))?;
    Some(f64::from(u32::try_from(hundredths).unwrap_or(u32::MAX)) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::overhead;

    #[test]
    fn overhead_is_stored_by_live() {
        assert_eq!(overhead(170, 100), Some(1.7));
        assert_eq!(overhead(1_000, 999), Some(1.0));
        assert_eq!(overhead(100, 300), Some(0.33));
        assert_eq!((overhead(5, 0), overhead(0, 5)), (None, Some(0.0)));
    }
}
