//! `polder contract diff`: what the contracts say now beside what they said at a commit.

use std::collections::BTreeSet;
use std::path::Path;

use polder_contract::yaml::suggest;
use polder_contract::{Change, Problems};
use polder_types::ErrorKind;
use serde_json::{Value, json};

use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::git::Repository;
use crate::print::{self, Listing};
use crate::review::contracts::changes;
use crate::review::snapshot::{Snapshot, Tree};
use crate::review::text::change_lines;

/// The changes of one table's contract.
struct Changed {
    table: String,
    file: String,
    changes: Vec<Change>,
}

/// Prints every change of the contracts, or of one.
///
/// # Errors
/// When a contract is wrong, there is no such contract, or git cannot be asked.
pub fn run(dir: &Path, name: Option<&str>, base: &str, output: Output) -> Outcome {
    let repository = Repository::open(dir)?;
    let revision = repository.revision(base)?;
    let (old, new) = (Snapshot::contracts_of(&Tree::Revision(&repository, &revision))?, Snapshot::contracts_of(&Tree::Work(dir))?);
    if !new.problems.is_empty() {
        return Err(Problems(new.problems).into());
    }
    let tables: BTreeSet<&str> = old.contracts.iter().chain(&new.contracts).map(|file| file.contract.table.as_str()).collect();
    if let Some(name) = name.filter(|name| !tables.contains(name)) {
        let known: Vec<&str> = tables.iter().copied().collect();
        let text = format!("compare contract {name}: there is none for it, now or at {base}; {}", suggest(name, &known));
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let mut changed = Vec::new();
    for table in tables.iter().filter(|table| name.is_none_or(|name| name == **table)) {
        let (before, after) = (old.contract(table), new.contract(table));
        let changes = changes(before.map(|file| &file.contract), after.map(|file| &file.contract));
        let file = after.or(before).map(|file| file.file.clone()).unwrap_or_default();
        if !changes.is_empty() {
            changed.push(Changed { table: (*table).to_owned(), file, changes });
        }
    }
    show(&changed, base, revision.short(), output)
}

fn show(changed: &[Changed], base: &str, commit: &str, output: Output) -> Outcome {
    match output {
        Output::Table => {
            if changed.is_empty() {
                return print::line(&format!("the contracts mean what they meant at {base} ({commit})"));
            }
            for Changed { table, file, changes } in changed {
                print::line(&format!("table {table} in {file}, compared with {base} ({commit}):"))?;
                changes.iter().flat_map(change_lines).try_for_each(|line| print::line(&line))?;
            }
            Ok(())
        }
        Output::Json => {
            let tables = changed.iter().map(|Changed { table, file, changes }| {
                let changes: Vec<Value> = changes.iter().map(change_json).collect();
                json!({ "table": table, "file": file, "changes": changes })
            });
            print::json(&Value::Array(tables.collect()))
        }
        other => {
            let mut listing = Listing::new(&["table", "line", "change", "column", "what", "lets_in", "keeps_out", "breaks", "migration"]);
            for (Changed { table, .. }, change) in
                changed.iter().flat_map(|changed| changed.changes.iter().map(move |change| (changed, change)))
            {
                listing.row([
                    json!(table),
                    json!(change.line),
                    json!(change.kind.name()),
                    json!(change.column),
                    json!(change.what),
                    json!(change.lets_in),
                    json!(change.keeps_out),
                    json!(change.breaks),
                    json!(change.migration.text),
                ]);
            }
            listing.print(other)
        }
    }
}

/// A change for machines.
pub(super) fn change_json(change: &Change) -> Value {
    json!({
        "change": change.kind.name(), "column": change.column, "before": change.before, "line": change.line, "what": change.what,
        "widens": change.widens(), "lets_in": change.lets_in, "keeps_out": change.keeps_out, "breaks": change.breaks,
        "migration": { "step": change.migration.step.name(), "text": change.migration.text },
    })
}
