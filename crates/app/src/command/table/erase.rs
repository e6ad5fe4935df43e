//! `polder table erase`: what a request for erasure asks for, told before and after.

use std::path::Path;

use polder_contract::{Column, ColumnType};
use polder_lake::Lake;
use polder_types::ErrorKind;
use serde_json::{Value, json};

use crate::cli::Output;
use crate::command::contract::confirmed;
use crate::erasure::{self, Beyond, Done, Planned, Undecided};
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::print::{self, text};

/// Keys in a file at most: as many as one condition takes.
const KEYS_MAX: usize = 10_000;

/// What was asked for.
pub(super) struct Asked<'a> {
    pub name: &'a str,
    pub condition: Option<&'a str>,
    pub keys: Option<&'a Path>,
    pub resume: bool,
    pub undecided: Option<Undecided>,
    pub dry_run: bool,
    pub yes: bool,
}

/// Erases, or goes on with it.
pub(super) async fn run(installation: &Installation, lake: &Lake, asked: &Asked<'_>, memory_mib: u64, output: Output) -> Outcome {
    let name = asked.name;
    let permit = installation.permit(polder_policy::Action::Erase, name).await?;
    let beyond = Beyond::of(installation, name)?;
    let is_open = installation.journal.state().open_erasures.contains_key(&permit.table_id());
    if asked.resume && !is_open {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!("erase rows of table {name}: no erasure of it is unfinished; say which rows with --where"),
        ));
    }
    if is_open && !asked.dry_run {
        match erasure::is_known(installation, lake, permit.table_id()).await {
            // Nobody could ever end it: its condition is erased from the log, or names a column that is gone. The next intent takes its place.
            Err(failure) if !asked.resume => {
                print::note(&format!(
                    "the erasure from {name} that was broken off cannot be finished, and this one takes its place: {failure}"
                ));
            }
            known => {
                known?;
                let done = erasure::finish(installation, lake, permit.table_id(), memory_mib).await?;
                if asked.resume {
                    return told(name, &done, &beyond, output);
                }
                print::note(&format!("finished the erasure from {name} that was broken off"));
            }
        }
    }
    let condition = match (asked.condition, asked.keys) {
        (Some(condition), _) => condition.to_owned(),
        (None, Some(file)) => of_keys(installation, name, file)?,
        (None, None) => return Err(Failure::new(ErrorKind::Invalid, format!("erase rows of table {name}: say which with --where"))),
    };
    let planned = erasure::plan(installation, lake, name, &condition, memory_mib).await?;
    if asked.dry_run {
        return would(name, &planned, &beyond, output);
    }
    if !asked.yes {
        would_lines(name, &planned).iter().for_each(|line| print::note(line));
        if !confirmed("erase these for good? [y/N] ")? {
            return Err(Failure::new(ErrorKind::Invalid, format!("erase rows of table {name}: not confirmed; give --yes")));
        }
    }
    let done = erasure::erase(installation, lake, &planned, asked.undecided, memory_mib).await?;
    told(name, &done, &beyond, output)
}

fn rows(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn would_lines(name: &str, planned: &Planned) -> Vec<String> {
    let all = if planned.rows == planned.total && planned.total > 0 { ", which is every row of it" } else { "" };
    let mut lines = vec![format!("table {name}: {} of {}{all}, and every version before this", planned.rows, rows(planned.total, "row"))];
    if planned.kept > 0 {
        let undecided = match planned.undecided {
            0 => String::new(),
            undecided => format!("; {undecided} cannot be judged (--undecided remove or keep)"),
        };
        lines.push(format!("refused rows of {name}: {} of {}{undecided}", planned.refused, planned.kept));
    }
    lines.extend(
        planned.models.iter().map(|(model, count)| format!("model {model}: computed anew ({} now), without its past", rows(*count, "row"))),
    );
    lines
}

fn would(name: &str, planned: &Planned, beyond: &Beyond, output: Output) -> Outcome {
    if output == Output::Json {
        let models = planned.models.iter().map(|(model, count)| json!({"model": model.as_str(), "rows_before": count}));
        return print::json(&json!({
            "table": name, "dry_run": true, "rows": planned.rows, "rows_before": planned.total, "refused_rows": planned.refused,
            "refused_rows_before": planned.kept, "undecided_rows": planned.undecided, "models": models.collect::<Vec<Value>>(),
            "version": planned.version, "objects_before": planned.objects, "loads_again": beyond.loads, "referring": beyond.referring,
        }));
    }
    would_lines(name, planned).iter().try_for_each(|line| text(line))?;
    text("nothing was erased: a dry run")
}

fn told(name: &str, done: &Done, beyond: &Beyond, output: Output) -> Outcome {
    if output == Output::Json {
        let models = done.models.iter().map(
            |(model, before, after, asked)| json!({"model": model.as_str(), "rows_before": before, "rows_after": after, "asked": asked}),
        );
        return print::json(&json!({
            "table": name, "dry_run": false, "rows": done.rows, "refused_rows": done.refused, "undecided_rows": done.undecided,
            "models": models.collect::<Vec<Value>>(), "version": done.version, "rows_left": 0,
            "objects_before": done.objects_before, "objects": done.objects, "loads_again": beyond.loads, "referring": beyond.referring,
        }));
    }
    let refused = match done.refused {
        0 => String::new(),
        refused => format!(" and {}", rows(refused, "refused row")),
    };
    text(&format!("erased from {name}: {}{refused}; version {} is the only one that can be read", rows(done.rows, "row"), done.version))?;
    for (model, before, after, asked) in &done.models {
        let how = if *asked { "asked again, it has none" } else { "it cannot be asked, since it has not the condition's columns" };
        text(&format!("computed anew: {model}, {before} rows before and {after} now; {how}"))?;
    }
    if done.undecided > 0 {
        text(&format!("kept: {}, which cannot be judged", rows(done.undecided, "refused row")))?;
    }
    text(&format!(
        "asked again, no such row is left; {} in the store, each of which the newest version needs",
        rows(done.objects, "object")
    ))?;
    if beyond.loads {
        text(&format!("the source of {name} may hold these rows still, and a load that reads them brings them back: remove them there"))?;
    }
    if !beyond.referring.is_empty() {
        text(&format!("not searched, though they refer to {name}: {}", beyond.referring.join(", ")))?;
    }
    text("not reached: exports, and backups and older copies of the store")
}

/// The condition that is true for the rows of these keys.
fn of_keys(installation: &Installation, name: &str, file: &Path) -> Outcome<String> {
    let invalid = |what: String| Failure::new(ErrorKind::Invalid, format!("read the keys of table {name} in {}: {what}", file.display()));
    let (_, contract) = installation.project.contract(name)?;
    let keys: Vec<&Column> = contract.key_columns().into_iter().filter_map(|place| contract.columns.get(place)).collect();
    let [key] = keys.as_slice() else {
        return Err(invalid("its contract has no primary key of one column; say which rows with --where".to_owned()));
    };
    let read =
        std::fs::read_to_string(file).map_err(|error| Failure::because(ErrorKind::Invalid, format!("read {}", file.display()), &error))?;
    // Spreadsheets begin a file with it, and the first key would be found in no row.
    let read = read.trim_start_matches('\u{feff}');
    let lines: Vec<(usize, &str)> = (1..).zip(read.lines().map(str::trim)).filter(|(_, line)| !line.is_empty()).collect();
    if lines.is_empty() || lines.len() > KEYS_MAX {
        return Err(invalid(format!("it has {} lines; 1 to {KEYS_MAX} are taken at a time", lines.len())));
    }
    let literals: Vec<String> = lines
        .iter()
        .map(|(line, value)| literal(key, value).ok_or_else(|| invalid(format!("line {line} is no value of {}, a {}", key.name, key.ty))))
        .collect::<Outcome<_>>()?;
    Ok(format!("\"{}\" in ({})", key.name, literals.join(", ")))
}

/// A value of a key as SQL writes it; a masked key is compared as it is stored.
fn literal(key: &Column, value: &str) -> Option<String> {
    let ty = key.stored()?;
    let number = matches!(ty, ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 | ColumnType::Decimal { .. });
    match number {
        true => ty.holds(value.as_bytes()).then(|| value.to_owned()),
        false => Some(format!("'{}'", value.replace('\'', "''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_one_value() {
        let text = Column::new("id", ColumnType::String);
        assert_eq!(literal(&text, "O'Hara') or (1 = 1").as_deref(), Some("'O''Hara'') or (1 = 1'"));
        let number = Column::new("id", ColumnType::Int32);
        assert_eq!(literal(&number, "-7").as_deref(), Some("-7"));
        for wrong in ["7 or 1 = 1", "x", "", "3000000000", "7.5"] {
            assert_eq!(literal(&number, wrong), None, "{wrong}");
        }
    }
}
