//! `polder contract set` and `admit`: changes of a contract's file in place, read and checked before the file is replaced.

use std::path::PathBuf;

use polder_contract::Contract;
use polder_contract::edit::{self, EditError};
use polder_contract::yaml::suggest;
use polder_types::ErrorKind;

use crate::failure::{Failure, Outcome};
use crate::print::text;
use crate::project::Project;
use crate::project_file;

/// The file of the contract for a table, which may hold no column yet.
struct Found {
    path: PathBuf,
    shown: String,
    text: String,
}

fn find(project: &Project, table: &str) -> Outcome<Found> {
    let mut tables = Vec::new();
    let mut found = Vec::new();
    for (path, text) in project.contract_texts()? {
        let shown = project.shown(&path);
        let Some(own) = edit::outline(&text, &shown)?.table else { continue };
        if own == table {
            found.push(Found { path, shown, text });
        } else {
            tables.push(own);
        }
    }
    match found.len() {
        0 => {
            let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
            let advice = if tables.is_empty() {
                "there is none yet; `polder contract propose SOURCE --write` writes one".to_owned()
            } else {
                suggest(table, &tables)
            };
            Err(Failure::new(ErrorKind::Invalid, format!("find the contract for table {table}: contracts/ holds none; {advice}")))
        }
        1 => found.pop().ok_or_else(|| Failure::new(ErrorKind::Internal, format!("find the contract for table {table}"))),
        _ => {
            let files: Vec<String> = found.into_iter().map(|found| found.shown).collect();
            Err(Failure::new(
                ErrorKind::Invalid,
                format!("find the contract for table {table}: {} are; a table has one contract: merge them", files.join(" and ")),
            ))
        }
    }
}

/// `TABLE.COLUMN`: a table's name holds no point, a column's may.
fn place(name: &str) -> Outcome<(&str, &str)> {
    name.split_once('.')
        .filter(|(table, column)| !table.is_empty() && !column.is_empty())
        .ok_or_else(|| Failure::new(ErrorKind::Invalid, format!("change column {name}: name it as TABLE.COLUMN")))
}

/// Sets keys of a column.
///
/// # Errors
/// When there is no such contract, column or key, or the contract would not be one any more.
pub fn set(project: &Project, column: &str, changes: &[String]) -> Outcome {
    let (table, name) = place(column)?;
    let mut pairs = Vec::new();
    for change in changes {
        let pair = change.split_once('=').filter(|(key, _)| !key.is_empty());
        pairs.push(pair.ok_or_else(|| Failure::new(ErrorKind::Invalid, format!("change column {column}: `{change}` is not KEY=VALUE")))?);
    }
    let found = find(project, table)?;
    let changed = edit::set(&found.text, &found.shown, name, &pairs)?;
    finish(table, &found, &changed, &format!("set {} of {column} in {}", keys(&pairs), found.shown))
}

fn keys(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ")
}

/// Authorises columns that stand in their contracts as comments.
///
/// # Errors
/// When there is no such column, or the contract would not be one any more: then no file is changed.
pub fn admit(project: &Project, columns: &[String]) -> Outcome {
    let mut edited: Vec<(String, Found, String, Vec<String>)> = Vec::new();
    for column in columns {
        let (table, name) = place(column)?;
        let at = match edited.iter().position(|(known, ..)| known == table) {
            Some(at) => at,
            None => {
                let found = find(project, table)?;
                let text = found.text.clone();
                edited.push((table.to_owned(), found, text, Vec::new()));
                edited.len() - 1
            }
        };
        if let Some((_, found, text, names)) = edited.get_mut(at) {
            *text = edit::admit(text, &found.shown, name).map_err(|error| admitting(error, name))?;
            names.push(name.to_owned());
        }
    }
    for (table, found, changed, names) in edited {
        finish(&table, &found, &changed, &format!("admitted {} in {}", names.join(", "), found.shown))?;
    }
    Ok(())
}

fn admitting(error: EditError, name: &str) -> Failure {
    let unread = matches!(error, EditError::Problems(_));
    let failure = Failure::from(error);
    if unread {
        failure.during(format!("admit column {name}: with it the file would be no contract, so it stays as it is"))
    } else {
        failure
    }
}

/// Puts the new text in the file's place, and says whether it has to be approved again.
fn finish(table: &str, found: &Found, changed: &str, done: &str) -> Outcome {
    let meaning = |text: &str| Contract::parse(text, &found.shown).map(|contract| contract.semantic_hash()).ok();
    if changed == found.text {
        return text(&format!("{}: nothing changes", found.shown));
    }
    project_file::replace(&found.path, changed)?;
    let approval = Project::approval_path(&found.path).exists();
    let next = match meaning(&found.text) == meaning(changed) {
        true => "what it means is the same, so an approval still holds".to_owned(),
        false if approval => format!("it means something else now, so its approval holds no more: polder contract approve {table}"),
        false => format!("next: polder contract approve {table}"),
    };
    text(&format!("{done}\n{next}"))
}
