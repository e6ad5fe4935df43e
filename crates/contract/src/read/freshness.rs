//! `slaProperties`: how old a table may become. Nothing else that the standard names there is measured.

use crate::column::{Column, ColumnType};
use crate::contract::Freshness;
use crate::odcs::{self, Place};
use crate::read::{Fields, Reader};
use crate::yaml::{Node, Value, suggest};

/// Units of fixed length, in seconds, by their spellings.
const UNITS: [(&[&str], u32); 5] = [
    (&["s", "sec", "second", "seconds"], 1),
    (&["min", "minute", "minutes"], 60),
    (&["h", "hr", "hour", "hours"], 3_600),
    (&["d", "day", "days"], 86_400),
    (&["w", "wk", "week", "weeks"], 604_800),
];

/// The first spelling of each unit.
pub(crate) fn units() -> impl Iterator<Item = &'static str> {
    UNITS.iter().flat_map(|(names, _)| names.iter().copied())
}

/// Reads the list, once the columns are read.
pub(crate) fn read(reader: &mut Reader, contract: &Fields<'_>, table: &str, columns: &[Column]) -> Vec<Freshness> {
    let Some(node) = contract.get("slaProperties") else { return Vec::new() };
    let Value::List(items) = &node.value else {
        reader.wrong(node.line, "`slaProperties` is not a list", "write a list of {property: freshness, value: 1, unit: d}");
        return Vec::new();
    };
    let mut all: Vec<Freshness> = Vec::new();
    for item in items {
        let Some(one) = read_one(reader, item, table, columns) else { continue };
        if all.iter().any(|other| other.column == one.column) {
            reader.wrong(one.line, "`slaProperties` says twice how old the same may become", "keep one");
        } else {
            all.push(one);
        }
    }
    all
}

fn read_one(reader: &mut Reader, item: &Node, table: &str, columns: &[Column]) -> Option<Freshness> {
    let fields = reader.fields(item, Place::ServiceLevel);
    if !matches!(item.value, Value::Map(_)) {
        return None;
    }
    let known: Vec<&str> = odcs::MEASURED_LEVELS.to_vec();
    match reader.text(&fields, "property") {
        Some(property) if known.contains(&property) => {}
        Some(property) => {
            let line = fields.get("property").map_or(fields.line, |node| node.line);
            let advice = match odcs::UNMEASURED_LEVELS.contains(&property) {
                true => format!("remove it: of service levels {} alone are measured", known.join(" and ")),
                false => suggest(property, &known),
            };
            reader.wrong(line, format!("the service level `{property}` is not measured, so it is refused"), advice);
            return None;
        }
        None => {
            if fields.get("property").is_none() {
                reader.wrong(fields.line, "a service level has no `property`", "write freshness, with value and unit");
            }
            return None;
        }
    }
    let (seconds, column) = (max_age(reader, &fields), element(reader, &fields, table, columns));
    Some(Freshness { max_age_seconds: seconds?, column: column?, line: fields.line })
}

fn max_age(reader: &mut Reader, fields: &Fields<'_>) -> Option<u64> {
    let Some(unit) = reader.text(fields, "unit") else {
        if fields.get("unit").is_none() {
            reader.wrong(fields.line, "a service level has no `unit`", "write s, min, h, d or w");
        }
        return None;
    };
    let each = UNITS.iter().find(|(names, _)| names.contains(&unit)).map(|(_, seconds)| *seconds);
    let Some(each) = each else {
        let line = fields.get("unit").map_or(fields.line, |node| node.line);
        reader.wrong(line, format!("`unit` {unit} is no span of one length"), "write s, min, h, d or w; months and years as days");
        return None;
    };
    let Some(node) = fields.get("value") else {
        reader.wrong(fields.line, "a service level has no `value`", "write how many units old the table may become");
        return None;
    };
    let seconds = match node.value {
        Value::Int(value) => value.checked_mul(i128::from(each)).and_then(|seconds| u64::try_from(seconds).ok()),
        Value::Float(value) => whole_seconds(value * f64::from(each)),
        _ => None,
    };
    // A century: what is more is a slip.
    let seconds = seconds.filter(|seconds| (1..=3_155_760_000).contains(seconds));
    if seconds.is_none() {
        let problem = "`value` is no age: a number that with its unit is a whole number of seconds, up to a hundred years";
        reader.wrong(node.line, problem, "correct it");
    }
    seconds
}

/// A number of seconds without a fraction.
fn whole_seconds(seconds: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number between 0 and 10^10")]
    let whole = seconds as u64;
    (seconds.fract() == 0.0 && (0.0..1e10).contains(&seconds)).then_some(whole)
}

/// What is as old as that: outer none when it is wrong, inner none for the table itself.
fn element(reader: &mut Reader, fields: &Fields<'_>, table: &str, columns: &[Column]) -> Option<Option<usize>> {
    let Some(node) = fields.get("element") else { return Some(None) };
    let Value::Text(element) = &node.value else {
        reader.wrong(node.line, format!("`element` is {}, not text", node.value.kind()), "name a column, or leave it out");
        return None;
    };
    if element == table {
        return Some(None);
    }
    if element.contains(',') {
        reader.wrong(node.line, "`element` names several columns", "write an entry for each");
        return None;
    }
    let name = element.split_once('.').filter(|(of, _)| *of == table).map_or(element.as_str(), |(_, name)| name);
    let Some((place, column)) = columns.iter().enumerate().find(|(_, column)| column.name == name) else {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        reader.wrong(node.line, format!("`element` names {name}, which is no column of the contract"), suggest(name, &names));
        return None;
    };
    let wrong = match (column.ty, &column.mask) {
        (_, Some(mask)) => format!("`element` names {name}, of which a mask is stored ({mask}), so its age is not known"),
        (ColumnType::Date | ColumnType::Timestamp { zone: true }, None) => return Some(Some(place)),
        (ColumnType::Timestamp { zone: false }, None) => {
            format!("`element` names {name}, a timestamp without zone, so its age is not known")
        }
        (ty, None) => format!("`element` names {name}, a {ty}, which has no age"),
    };
    reader.wrong(node.line, wrong, "name a date or a timestamp with zone, or leave it out: then the newest load counts");
    None
}

#[cfg(test)]
mod tests;
