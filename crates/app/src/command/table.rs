//! `polder table`: what there is, its versions, and its care.

mod erase;
mod storage;

use polder_audit::VersionInfo;
use polder_lake::Lake;
use polder_policy::Action;
use polder_types::ErrorKind;
use polder_types::event::{Counts, TableOperation};
use serde_json::{Value, json};

use crate::cli::{Output, TableCommand};
use crate::command::contract::confirmed;
use crate::erasure::reads;
use crate::failure::{Failure, Outcome};
use crate::ingest::{self, Offsets};
use crate::installation::Installation;
use crate::print::{self, Listing, text, time};
use crate::removal::drop_table;
use crate::tables::Unreadable;

/// Runs a verb.
///
/// # Errors
/// When it is not permitted, or the table is not as it must be.
pub async fn run(installation: &Installation, command: &TableCommand, memory_mib: u64, output: Output) -> Outcome {
    let lake = installation.lake(None)?;
    match command {
        TableCommand::List => {
            let state = installation.journal.state();
            let mut rows_of: Vec<[Value; 5]> = Vec::new();
            for table in installation.tables() {
                if !installation.policies.decide(&installation.actor, &installation.groups, Action::Describe, &table).allowed {
                    continue;
                }
                let Some(head) = state.tables.get(&table.id).filter(|head| head.sequence > 0) else { continue };
                let (rows, unreadable) = match lake.rows(table.id, None).await {
                    Ok(rows) => (Some(rows), None),
                    Err(error) => (None, Some(Unreadable::of(&table.name, error)?.brief())),
                };
                let changed = head.versions.last().map(|version| time(version.time_ms));
                rows_of.push([json!(table.name.to_string()), json!(head.version), json!(rows), json!(changed), json!(unreadable)]);
            }
            // People see the column where it says something.
            let columns: &[&'static str] = &["table", "version", "rows", "changed", "unreadable"];
            let all = output != Output::Table || rows_of.iter().any(|row| row.last().is_some_and(|unreadable| !unreadable.is_null()));
            let shown = if all { columns.len() } else { columns.len() - 1 };
            let mut listing = Listing::new(columns.get(..shown).unwrap_or(columns));
            rows_of.into_iter().for_each(|row| listing.row(row.into_iter().take(shown)));
            listing.print(output)
        }
        TableCommand::Show { name } => {
            let permit = installation.permit(Action::Describe, name).await?;
            let schema = lake.schema(permit.table_id(), None).await?;
            let contract = installation.project.contract(name).ok().map(|(_, contract)| contract);
            let mut listing = Listing::new(&["column", "type", "required", "classification"]);
            for field in schema.fields() {
                let declared = contract.as_ref().and_then(|contract| contract.columns.iter().find(|column| column.name == *field.name()));
                let shown =
                    declared.map_or_else(|| field.data_type().to_string(), |column| column.stored().unwrap_or(column.ty).to_string());
                let classification = declared.and_then(|column| column.classification.clone());
                listing.row([json!(field.name()), json!(shown), json!(!field.is_nullable()), json!(classification)]);
            }
            if output == Output::Table {
                let rows = lake.rows(permit.table_id(), None).await?;
                text(&format!("{name}: {rows} {}", if rows == 1 { "row" } else { "rows" }))?;
            }
            listing.print(output)
        }
        TableCommand::History { name } => {
            let permit = installation.permit(Action::Describe, name).await?;
            let state = installation.journal.state();
            let versions = state.tables.get(&permit.table_id()).map(|head| head.versions.as_slice()).unwrap_or_default();
            history(versions, output)
        }
        TableCommand::Storage { name } => storage::show(installation, &lake, name.as_deref(), output).await,
        TableCommand::Restore { name, version, yes } => {
            let ask = format!("make table {name} what it was in version {version}, and forget what its source brought since? [y/N] ");
            if !yes && !confirmed(&ask)? {
                return Err(Failure::new(ErrorKind::Invalid, format!("restore table {name}: not confirmed; give --yes")));
            }
            restore(installation, &lake, name, *version).await
        }
        TableCommand::Drop { name, yes } => {
            if !yes && !confirmed(&format!("remove table {name} with its rows, versions and refused rows, for good? [y/N] "))? {
                return Err(Failure::new(ErrorKind::Invalid, format!("drop table {name}: not confirmed; give --yes")));
            }
            let objects = drop_table(installation, name).await?;
            text(&format!("dropped {name}: {objects} objects removed; its entries in the log stay"))
        }
        TableCommand::Erase { name, condition, keys, resume, undecided, dry_run, yes } => {
            let asked = erase::Asked {
                name,
                condition: condition.as_deref(),
                keys: keys.as_deref(),
                resume: *resume,
                undecided: *undecided,
                dry_run: *dry_run,
                yes: *yes,
            };
            erase::run(installation, &lake, &asked, memory_mib, output).await
        }
        TableCommand::Optimize { name } => {
            let permit = installation.permit(Action::Maintain, name).await?;
            let done = lake.optimize(permit.table_id(), &installation.actor).await?;
            let asked = installation.store.backend().asked();
            if output == Output::Json {
                return print::json(&json!({
                    "table": name, "version": done.version, "files_before": done.files_before, "files_after": done.files_after, "store": asked,
                }));
            }
            match done.version {
                Some(version) => {
                    text(&format!("optimised {name}: {} files became {}, version {version}", done.files_before, done.files_after))?;
                }
                None => text(&format!("optimised {name}: nothing to do"))?,
            }
            text(&ingest::store_line(asked))
        }
        TableCommand::Vacuum { name, keep_hours } => {
            let permit = installation.permit(Action::Maintain, name).await?;
            let retention_ms =
                keep_hours.checked_mul(3_600_000).ok_or_else(|| Failure::new(ErrorKind::Invalid, "vacuum: --keep-hours is too large"))?;
            let done = lake.vacuum(permit.table_id(), retention_ms, &installation.actor).await?;
            text(&format!("vacuumed {name}: {} files deleted; the oldest version that can be read is {}", done.files, done.oldest_version))
        }
    }
}

/// Makes a table what it was. What was remembered of its source then is remembered again, so that the next load brings what came since.
async fn restore(installation: &Installation, lake: &Lake, name: &str, version: u64) -> Outcome {
    let permit = installation.permit(Action::Maintain, name).await?;
    let dataset = permit.table_id();
    let state = installation.journal.state();
    let versions = state.tables.get(&dataset).map(|head| head.versions.as_slice()).unwrap_or_default();
    let Some(wanted) = versions.iter().find(|known| known.version == version) else {
        let text = format!("restore table {name}: it has no version {version}; `polder table history {name}` shows those that it has");
        return Err(Failure::new(ErrorKind::NotFound, text));
    };
    if state.tables.get(&dataset).is_some_and(|head| version < head.oldest_readable()) {
        let text = format!(
            "restore table {name}: rows were erased from it since version {version}, and with them every older version; `polder table history {name}` shows since when"
        );
        return Err(Failure::new(ErrorKind::NotFound, text));
    }
    let head = state.tables.get(&dataset).map_or(0, |head| head.sequence);
    let built = versions.iter().any(|known| known.operation == TableOperation::Model);
    let mut offsets = match Offsets::read(installation, dataset, wanted.sequence).await? {
        _ if built => {
            let text = format!("restore table {name}: it is computed by a model; build it again with `polder model run {name}`");
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
        Some(offsets) => offsets,
        // A version from before the first load.
        None => Offsets::default(),
    };
    // What was refused since comes again from the source, and is refused again: replayed as well it would be there twice.
    let since = crate::quarantine::objects(installation, name).await?.into_iter().filter(|object| object.sequence > wanted.sequence);
    offsets.replayed.extend(since.map(|object| object.path.to_string()));
    let sequence = Offsets::next_sequence(&installation.store, dataset, head).await?;
    offsets.write(&installation.store, dataset, sequence).await?;
    let now = lake.restore(dataset, version, sequence, &installation.actor).await?;
    text(&format!("restored {name} to version {version}, as version {now}: the next load brings what came since"))?;
    let models = installation.loaded_models()?;
    let stale: Vec<String> = models.in_order().filter(|model| reads(&models, model, name)).map(|model| model.name.to_string()).collect();
    if !stale.is_empty() {
        text(&format!("stale, until the next run builds them: {}", stale.join(", ")))?;
    }
    text(&ingest::store_line(installation.store.backend().asked()))
}

/// One of the counts.
type Count = fn(&Counts) -> u64;

/// What merges count beside what every load does.
const MERGE_COUNTS: [(&str, Count); 6] = [
    ("inserted", |counts| counts.inserted),
    ("updated", |counts| counts.updated),
    ("unchanged", |counts| counts.unchanged),
    ("superseded", |counts| counts.superseded),
    ("flagged", |counts| counts.flagged),
    ("deleted", |counts| counts.deleted),
];

/// A table's versions. People see the counts of merges where there are any.
fn history(versions: &[VersionInfo], output: Output) -> Outcome {
    let merges = |version: &VersionInfo| matches!(version.operation, TableOperation::Merge | TableOperation::Scd2);
    let of_merges = if output != Output::Table || versions.iter().any(merges) { MERGE_COUNTS.as_slice() } else { &[] };
    let mut columns = vec!["version", "time", "operation", "sequence", "read", "loaded", "quarantined", "rejected"];
    columns.extend(of_merges.iter().map(|(name, _)| *name));
    columns.extend(["recovered", "log_entry"]);
    let mut listing = Listing::new(&columns);
    for version in versions {
        let count = |get: Count| version.counts.as_ref().map_or(Value::Null, |counts| json!(get(counts)));
        let mut row = vec![
            json!(version.version),
            json!(time(version.time_ms)),
            serde_json::to_value(version.operation).unwrap_or_default(),
            json!(version.sequence),
            count(|counts| counts.read),
            count(|counts| counts.loaded),
            count(|counts| counts.quarantined),
            count(|counts| counts.rejected),
        ];
        row.extend(of_merges.iter().map(|(_, get)| if merges(version) { count(*get) } else { Value::Null }));
        row.extend([json!(version.recovered), json!(version.index)]);
        listing.row(row);
    }
    listing.print(output)
}
