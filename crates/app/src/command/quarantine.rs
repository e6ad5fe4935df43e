//! `polder quarantine`: count, show, replay.

use std::collections::BTreeMap;

use polder_contract::quarantine::{Kept, Reader};
use polder_contract::{CellKind, Patterns, Rule, inspect};
use polder_policy::Action;
use polder_types::printable::steers;
use polder_types::{EventKind, RequestId};
use serde_json::{Value, json};

use crate::cli::{Output, QuarantineCommand};
use crate::course::Course;
use crate::failure::Outcome;
use crate::ingest::{self, Offsets};
use crate::installation::Installation;
use crate::print::Listing;
use crate::quarantine::{Object, committed_runs, gone, objects};

/// Runs a verb.
///
/// # Errors
/// When it is not permitted, or an object is not as it was written.
pub async fn run(installation: &Installation, command: &QuarantineCommand, output: Output) -> Outcome {
    match command {
        QuarantineCommand::List { table } => list(installation, table.as_deref(), output).await,
        QuarantineCommand::Show { table, limit, unmasked } => show(installation, table, *limit, *unmasked, output).await,
        QuarantineCommand::Replay { table } => replay(installation, table, output).await,
    }
}

async fn read(installation: &Installation, object: &Object) -> Outcome<bytes::Bytes> {
    installation.store.read(&object.path).await.map_err(|error| installation.store_failure("read refused rows", &error))
}

/// Objects that the table's loads took up again.
async fn replayed(installation: &Installation, table: &str) -> Outcome<Vec<String>> {
    let Some(dataset) = installation.keys.find(&format!("table:{table}")) else { return Ok(Vec::new()) };
    let head = installation.journal.state().tables.get(&dataset).map_or(0, |head| head.sequence);
    if gone(installation, dataset).contains(Offsets::path(dataset, head).as_ref()) {
        return Ok(Vec::new());
    }
    Ok(Offsets::read(installation, dataset, head).await?.unwrap_or_default().replayed)
}

async fn list(installation: &Installation, only: Option<&str>, output: Output) -> Outcome {
    let tables: Vec<String> = match only {
        Some(table) => vec![installation.permit(Action::Quarantine, table).await?.table().to_string()],
        None => {
            let all = installation.tables();
            let allowed = |table: &polder_policy::TableRef| {
                installation.policies.decide(&installation.actor, &installation.groups, Action::Quarantine, table).allowed
            };
            all.into_iter().filter(allowed).map(|table| table.name.to_string()).collect()
        }
    };
    let mut listing = Listing::new(&["table", "sequence", "run", "batch", "rule", "column", "rows"]);
    for table in tables {
        let mut counts: BTreeMap<(u64, String, &str, String, Option<String>), u64> = BTreeMap::new();
        let replayed = replayed(installation, &table).await?;
        let runs = committed_runs(installation, &table).await?;
        let state = installation.journal.state();
        let recorded = installation.table(&table).and_then(|table| state.quarantine.get(&table.id));
        for object in objects(installation, &table).await? {
            if object.gone {
                let rows = recorded.and_then(|recorded| recorded.get(object.path.as_ref())).map(|kept| kept.rows);
                let batch = "destroyed with its key";
                listing.row([json!(table), json!(object.sequence), json!(object.run), json!(batch), Value::Null, Value::Null, json!(rows)]);
                continue;
            }
            let bytes = read(installation, &object).await?;
            let batch = match runs.get(&object.sequence) == Some(&object.run) {
                true if replayed.contains(&object.path.to_string()) => "replayed",
                true => "committed",
                false => "not committed",
            };
            for kept in Reader::open(&bytes)? {
                let kept = kept?;
                *counts.entry((object.sequence, object.run.clone(), batch, kept.rule.name().to_owned(), kept.column)).or_default() += 1;
            }
        }
        for ((sequence, run, batch, rule, column), rows) in counts {
            listing.row([json!(table), json!(sequence), json!(run), json!(batch), json!(rule), json!(column), json!(rows)]);
        }
    }
    listing.print(output)
}

async fn show(installation: &Installation, table: &str, limit: u64, unmasked: bool, output: Output) -> Outcome {
    let permit = installation.permit(Action::Quarantine, table).await?;
    let datasets: Vec<_> = installation.keys.find(&format!("quarantine:{table}")).into_iter().collect();
    let (request, policies): (RequestId, Vec<String>) = (permit.request(), permit.policies().to_vec());
    installation.record(EventKind::ReadDecided { request, datasets, allowed: true, policies, session: None, grants: Vec::new() }).await?;
    let mut listing = Listing::new(&["file", "record", "rule", "column", "row"]);
    let mut shown = 0;
    // A rule that does not compile must not keep anyone from looking: Polder's own do.
    let patterns = match installation.project.patterns() {
        Ok(patterns) => patterns,
        Err(_) => Patterns::builtin()?,
    };
    'objects: for object in objects(installation, table).await?.into_iter().filter(|object| !object.gone) {
        let bytes = read(installation, &object).await?;
        let reader = Reader::open(&bytes)?;
        let columns = reader.head().columns.clone();
        for kept in reader {
            if shown == limit {
                break 'objects;
            }
            let kept = kept?;
            shown += 1;
            // Whatever it was refused for: what is shown may be opened by a spreadsheet or a browser.
            let masks = kept.cells.iter().map(|(_, bytes)| if unmasked { Ok(None) } else { inspect::mask_of_risk(patterns, bytes) });
            let masks: Vec<Option<String>> = masks.collect::<Result<_, _>>()?;
            let row = if output == Output::Json { row_json(&columns, &kept, &masks) } else { json!(row_text(&columns, &kept, &masks)) };
            listing.row([json!(kept.file), json!(kept.record), json!(kept.rule.name()), json!(kept.column), row]);
        }
    }
    listing.print(output)?;
    installation.record(EventKind::ReadFinished { request, rows: shown, complete: true, bytes: None }).await
}

async fn replay(installation: &Installation, table: &str, output: Output) -> Outcome {
    let (path, contract) = installation.project.contract(table)?;
    let approved = installation.project.approved(&path, contract)?;
    let course = Course::new(installation.rng.as_ref())?;
    let run = course.run();
    course.start(installation, &[table], false).await?;
    course.begins(installation, table);
    let lake = installation.lake(None)?;
    let mut report = ingest::replay(installation, &lake, approved, run).await?;
    course.ended(installation, &mut report).await;
    let failed = u32::from(report.failure.is_some());
    let shown = crate::command::run::show(std::slice::from_ref(&report), run, installation.store.backend().asked(), output);
    let finished = EventKind::RunFinished { run, committed: u32::from(report.status == "committed"), failed };
    match report.failure {
        None => installation.record(finished).await.and(shown),
        Some(mut failure) => {
            installation.record_failure(&mut failure, finished).await;
            Err(failure)
        }
    }
}

/// A row for machines: null is null, a text is as the source wrote it, and of a value that is a risk the shape is told.
fn row_json(columns: &[String], kept: &Kept, masks: &[Option<String>]) -> Value {
    let cell = |((kind, bytes), mask): (&(CellKind, Vec<u8>), &Option<String>)| match (kind, std::str::from_utf8(bytes)) {
        (CellKind::Null, _) => Value::Null,
        _ if mask.is_some() => json!({ "masked": mask }),
        (CellKind::TooLong, _) => json!({ "not_kept": "too_long" }),
        (CellKind::Withheld, _) | (CellKind::Masked, Ok("")) => json!({ "not_kept": "masked" }),
        (_, Ok(text)) => json!(text),
        (_, Err(_)) => json!({ "not_utf8": escaped(bytes) }),
    };
    Value::Object(columns.iter().zip(kept.cells.iter().zip(masks)).map(|(column, held)| (column.clone(), cell(held))).collect())
}

/// A row for people: null is NULL; a text that would not be clear as it stands is in quotes.
fn row_text(columns: &[String], kept: &Kept, masks: &[Option<String>]) -> String {
    if kept.cells.is_empty() {
        return match kept.rule {
            Rule::Malformed(_) => "(not kept: the record could not be split)".to_owned(),
            _ => "(not kept: the batch failed before its repeated rows were gathered)".to_owned(),
        };
    }
    let cell = |((kind, bytes), mask): (&(CellKind, Vec<u8>), &Option<String>)| match (kind, std::str::from_utf8(bytes)) {
        (CellKind::Null, _) => "NULL".to_owned(),
        _ if mask.is_some() => format!("(masked: {})", mask.as_deref().unwrap_or_default()),
        (CellKind::TooLong, _) => "(too long to keep)".to_owned(),
        (CellKind::Withheld, _) | (CellKind::Masked, Ok("")) => "(masked: not kept)".to_owned(),
        (_, Ok(text)) if !text.is_empty() && text != "NULL" && !text.starts_with('(') && text.chars().all(plain) => text.to_owned(),
        _ => format!("\"{}\"", escaped(bytes)),
    };
    let cells = columns.iter().zip(kept.cells.iter().zip(masks));
    cells.map(|(column, held)| format!("{column}={}", cell(held))).collect::<Vec<_>>().join(" ")
}

/// Whether a character needs no quotes around its text.
fn plain(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '"' | '\\' | '=') && !steers(c)
}

/// Bytes as a text: what is not UTF-8 as `\xHH`, quotes and backslashes after a backslash, what steers a terminal as escapes.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if matches!(c, '"' | '\\') || steers(c) { text.extend(c.escape_default()) } else { text.push(c) }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_apart_from_what_looks_like_them() {
        assert_eq!(escaped(b"caf\xe9 \\xe9 \"\n"), "caf\\xe9 \\\\xe9 \\\"\\n");
        assert_eq!(escaped("naïve".as_bytes()), "naïve");
    }
}
