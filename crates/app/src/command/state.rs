//! `polder state`: what is remembered of how far sources were read. It changes by a version of the table, like all that happens to it.

use polder_connect::CursorState;
use polder_policy::Action;
use polder_types::{DatasetId, ErrorKind};
use serde_json::json;

use crate::cli::{Output, StateCommand};
use crate::command::contract::confirmed;
use crate::failure::{Failure, Outcome};
use crate::ingest::Offsets;
use crate::installation::Installation;
use crate::print::{Listing, text};

/// Runs a verb.
///
/// # Errors
/// When it is not permitted, there is no such table, or nothing is remembered of it.
pub async fn run(installation: &Installation, command: &StateCommand, output: Output) -> Outcome {
    match command {
        StateCommand::Show { name } => show(installation, name.as_deref(), output).await,
        StateCommand::Set { name, cursor } => {
            let (dataset, mut offsets) = remembered(installation, name).await?;
            let (_, contract) = installation.project.contract(name)?;
            if !contract.disposition.keeps_rows() {
                let text = format!(
                    "set the cursor of table {name}: each load replaces the table (polder.disposition: replace) and reads its source from the beginning, so no cursor tells where it begins; set polder.disposition to append, merge or scd2 to load increments"
                );
                return Err(Failure::new(ErrorKind::Invalid, text));
            }
            let source = installation.project.source(&contract.source)?;
            let declared = source.dataset(&contract.dataset)?.cursor.clone();
            let Some(declared) = declared else {
                let text = format!("set the cursor of table {name}: dataset {} of source {} has none", contract.dataset, contract.source);
                return Err(Failure::new(ErrorKind::Invalid, text));
            };
            let ty = contract.columns.iter().find(|column| column.physical_name == declared.column).map(|column| column.ty);
            let state = CursorState::at(&declared, ty, cursor).ok_or_else(|| {
                let text = format!(
                    "set the cursor of table {name}: the value is none of column {}; write one such as 42 or 2026-01-31T12:00:00Z",
                    declared.column
                );
                Failure::new(ErrorKind::Invalid, text)
            })?;
            offsets.cursor = Some(state);
            let version = change(installation, dataset, offsets).await?;
            text(&format!(
                "set the cursor of {name} to {cursor}, version {version}: the next load begins there, and takes rows from there on for new"
            ))
        }
        StateCommand::Reset { name, yes } => {
            let (dataset, offsets) = remembered(installation, name).await?;
            let ask = format!(
                "forget how far the source of table {name} was read? The next load reads it from the beginning, and a table that keeps its rows gets them again [y/N] "
            );
            if !yes && !confirmed(&ask)? {
                return Err(Failure::new(ErrorKind::Invalid, format!("reset the state of table {name}: not confirmed; give --yes")));
            }
            let offsets = Offsets { cursor: None, files: Vec::new(), source_identity: String::new(), push: None, ..offsets };
            let version = change(installation, dataset, offsets).await?;
            text(&format!("forgot how far the source of {name} was read, version {version}"))
        }
    }
}

/// What is remembered of a table that may be changed.
async fn remembered(installation: &Installation, name: &str) -> Outcome<(DatasetId, Offsets)> {
    let dataset = installation.permit(Action::Maintain, name).await?.table_id();
    let head = installation.journal.state().tables.get(&dataset).map_or(0, |head| head.sequence);
    match Offsets::read(installation, dataset, head).await? {
        Some(offsets) => Ok((dataset, offsets)),
        None => Err(Failure::new(ErrorKind::NotFound, format!("look at the state of table {name}: no source was loaded into it"))),
    }
}

/// Writes the offsets down and makes them those of the table.
pub async fn change(installation: &Installation, dataset: DatasetId, offsets: Offsets) -> Outcome<u64> {
    let lake = installation.lake(None)?;
    let head = installation.journal.state().tables.get(&dataset).map_or(0, |head| head.sequence);
    let sequence = Offsets::next_sequence(&installation.store, dataset, head).await?;
    offsets.write(&installation.store, dataset, sequence).await?;
    Ok(lake.remember(dataset, sequence, &installation.actor).await?)
}

async fn show(installation: &Installation, name: Option<&str>, output: Output) -> Outcome {
    let state = installation.journal.state();
    let tables = match name {
        Some(name) => vec![(name.to_owned(), installation.permit(Action::Describe, name).await?.table_id())],
        None => {
            let may = |table: &polder_policy::TableRef| {
                installation.policies.decide(&installation.actor, &installation.groups, Action::Describe, table).allowed
            };
            installation.tables().into_iter().filter(may).map(|table| (table.name.to_string(), table.id)).collect()
        }
    };
    let mut listing = Listing::new(&["table", "sequence", "cursor", "reached", "highest", "known_again", "files", "replayed"]);
    for (table, dataset) in tables {
        let Some(head) = state.tables.get(&dataset).filter(|head| head.sequence > 0) else { continue };
        let Some(offsets) = Offsets::read(installation, dataset, head.sequence).await? else { continue };
        let cursor = offsets.cursor.as_ref();
        listing.row([
            json!(table),
            json!(head.sequence),
            json!(cursor.map(|cursor| &cursor.column)),
            json!(cursor.and_then(|cursor| cursor.reached.as_ref())),
            json!(cursor.and_then(|cursor| cursor.highest.as_ref())),
            json!(cursor.map(CursorState::known_rows)),
            json!(offsets.files.len()),
            json!(offsets.replayed.len()),
        ]);
    }
    listing.print(output)
}
