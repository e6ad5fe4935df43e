//! What a load does to rows that are there: `polder.disposition`, and what belongs to the ways that go by a key.

use crate::column::{Column, ColumnType};
use crate::contract::{Deletes, Disposition, Gone, Validity};
use crate::mask::Mask;
use crate::odcs::DELETES_KEYS;
use crate::read::{Reader, limits};
use crate::yaml::{Key, Node, Value, suggest};

const VALIDITY_KEYS: [&str; 2] = ["from", "to"];

/// What a contract says besides the word.
pub(crate) struct Loads {
    pub deletes: Option<Deletes>,
    pub validity: Option<Validity>,
}

/// Reads what belongs to a disposition, once the columns are read. `line` is the table's.
pub(crate) fn read(reader: &mut Reader, line: u64, disposition: Disposition, settings: &[(&str, &Node)], columns: &[Column]) -> Loads {
    let setting = |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, node)| *node);
    let (deletes, validity) = (setting("polder.deletes"), setting("polder.scd2"));
    if disposition.merges() {
        has_key(reader, line, disposition, columns);
    } else if let Some(node) = deletes {
        let problem = format!("`polder.deletes` stands in a contract whose polder.disposition is {}", disposition.name());
        reader.wrong(node.line, problem, "set polder.disposition to merge or scd2, or remove it: other loads delete nothing");
    }
    if disposition != Disposition::Scd2
        && let Some(node) = validity
    {
        let problem = format!("`polder.scd2` stands in a contract whose polder.disposition is {}", disposition.name());
        reader.wrong(node.line, problem, "set polder.disposition to scd2, or remove it");
    }
    Loads {
        deletes: deletes.filter(|_| disposition.merges()).and_then(|node| read_deletes(reader, node, columns)),
        validity: (disposition == Disposition::Scd2).then(|| read_validity(reader, validity, columns)),
    }
}

/// Rows are found again by the primary key, by it alone, and by what is stored of it.
fn has_key(reader: &mut Reader, line: u64, disposition: Disposition, columns: &[Column]) {
    let word = disposition.name();
    let key: Vec<&Column> = columns.iter().filter(|column| column.primary_key.is_some()).collect();
    if key.is_empty() {
        reader.wrong(
            line,
            format!("polder.disposition is {word}, and no column is the primary key, by which rows are found again"),
            "set primaryKey: true on the column that tells rows apart (several columns: with primaryKeyPosition 1, 2 and so on), or append or replace; `unique` makes no key",
        );
    }
    for column in &key {
        if matches!(column.ty, ColumnType::Float32 | ColumnType::Float64) {
            reader.wrong(
                column.line,
                format!(
                    "column {} is part of the key by which polder.disposition {word} finds rows again, and a {} is no exact value",
                    column.name, column.ty
                ),
                "make it an integer, a string, or give it a physicalType decimal",
            );
        }
    }
    let is_key = |column: &Column| key.len() == 1 && column.primary_key.is_some();
    for column in columns.iter().filter(|column| column.unique && !key.is_empty() && !is_key(column)) {
        reader.wrong(
            column.line,
            format!("column {} is unique beside the key, which is not enforced while polder.disposition is {word}, so it is refused", column.name),
            "remove `unique` or duplicateValues, and ask it of the whole table: a quality rule of type sql, \"select count(${column}) - count(distinct ${column}) from ${table}\" with mustBe: 0",
        );
    }
}

fn read_deletes(reader: &mut Reader, node: &Node, columns: &[Column]) -> Option<Deletes> {
    let map = match &node.value {
        Value::Text(text) if text == "key_snapshot" => return Some(Deletes::KeySnapshot),
        Value::Map(map) => map,
        _ => {
            reader.wrong(
                node.line,
                "`polder.deletes` has a value that it cannot have",
                "write {flag: COLUMN}, {flag: COLUMN, value: X} or key_snapshot",
            );
            return None;
        }
    };
    known(reader, map, &DELETES_KEYS, "`polder.deletes`");
    let Some(flag) = get(map, "flag") else {
        reader.wrong(
            node.line,
            "`polder.deletes` names no `flag`",
            "name the column that says whether a row is gone, or write key_snapshot",
        );
        return None;
    };
    let Value::Text(name) = &flag.value else {
        reader.wrong(flag.line, format!("`flag` is {}, not text", flag.value.kind()), "name a column of the contract");
        return None;
    };
    let Some((place, column)) = columns.iter().enumerate().find(|(_, column)| column.name == *name) else {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let advice = format!("{} (one that the table is not to hold is authorised with polder.mask {{drop: true}})", suggest(name, &names));
        reader.wrong(flag.line, format!("`flag` names {name}, which is no column of the contract"), advice);
        return None;
    };
    if column.primary_key.is_some() {
        reader.wrong(
            flag.line,
            format!("`flag` names {name}, which is part of the key"),
            "name the column that says whether a row is gone",
        );
        return None;
    }
    if column.mask.as_ref().is_some_and(|mask| *mask != Mask::Drop) {
        reader.wrong(flag.line, format!("`flag` names {name}, of which a mask is stored"), "remove the mask, or let it be {drop: true}");
        return None;
    }
    let gone = gone(reader, flag.line, get(map, "value"), column)?;
    Some(Deletes::Flag { column: place, gone })
}

/// What the flag's column holds in a row that is gone.
fn gone(reader: &mut Reader, line: u64, value: Option<&Node>, column: &Column) -> Option<Gone> {
    let (name, ty) = (&column.name, column.ty);
    let value = value.filter(|node| node.value != Value::Null);
    match (value.map(|node| (node.line, &node.value)), ty) {
        (None, ColumnType::Boolean) => Some(Gone::Flag(true)),
        (None, ColumnType::Date | ColumnType::Timestamp { .. }) => Some(Gone::Any),
        (None, _) if has_values(ty) => {
            reader.wrong(
                line,
                format!("`polder.deletes` does not say what column {name}, a {ty}, holds in a row that is gone"),
                "add `value`; without it true of a boolean says so, and any value of a date or timestamp",
            );
            None
        }
        (Some((_, Value::Bool(flag))), ColumnType::Boolean) => Some(Gone::Flag(*flag)),
        (Some((_, Value::Text(text))), ColumnType::String) => Some(Gone::Text(text.clone())),
        (Some((line, value)), _) if has_values(ty) => match limits::whole(value, ty).filter(|_| is_whole(ty)) {
            Some(number) => Some(Gone::Whole(number)),
            None => {
                reader.wrong(line, format!("`value` is no value of column {name}, a {ty}"), "correct it; a text stands in quotes");
                None
            }
        },
        (Some((line, _)), ColumnType::Date | ColumnType::Timestamp { .. }) => {
            reader.wrong(
                line,
                format!("`value` stands beside a flag that is a {ty}"),
                "remove it: any value but null says that the row is gone",
            );
            None
        }
        _ => {
            reader.wrong(line, format!("a {ty} is no flag"), "name a boolean, string, integer, decimal, date or timestamp");
            None
        }
    }
}

/// Whether a flag of the type names the value that says that a row is gone.
fn has_values(ty: ColumnType) -> bool {
    matches!(ty, ColumnType::Boolean | ColumnType::String) || is_whole(ty)
}

/// Whether values of the type are whole numbers of a unit, other than times.
fn is_whole(ty: ColumnType) -> bool {
    match ty {
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 | ColumnType::Decimal { .. } => true,
        ColumnType::String | ColumnType::Boolean | ColumnType::Float32 | ColumnType::Float64 => false,
        ColumnType::Date | ColumnType::Timestamp { .. } | ColumnType::Time => false,
    }
}

fn read_validity(reader: &mut Reader, node: Option<&Node>, columns: &[Column]) -> Validity {
    let mut validity = Validity { from: Validity::FROM.to_owned(), to: Validity::TO.to_owned() };
    let line = node.map_or(1, |node| node.line);
    match node.map(|node| &node.value) {
        None => {}
        Some(Value::Map(map)) => {
            known(reader, map, &VALIDITY_KEYS, "`polder.scd2`");
            for (key, name) in [("from", &mut validity.from), ("to", &mut validity.to)] {
                match get(map, key).map(|node| (node.line, &node.value)) {
                    None => {}
                    Some((_, Value::Text(text))) if !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control) => {
                        name.clone_from(text);
                    }
                    Some((line, _)) => reader.wrong(line, format!("`{key}` is no name of a column"), "name the column that Polder adds"),
                }
            }
        }
        Some(other) => {
            reader.wrong(line, format!("`polder.scd2` is {}, not a mapping", other.kind()), "write {from: valid_from, to: valid_to}");
        }
    }
    if validity.from.eq_ignore_ascii_case(&validity.to) {
        reader.wrong(line, "`polder.scd2` gives both columns one name", "name them apart, such as valid_from and valid_to");
    }
    for name in [&validity.from, &validity.to] {
        if let Some(column) = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)) {
            reader.wrong(
                column.line,
                format!("column {} has the name of a column that polder.disposition scd2 adds", column.name),
                "rename it, or name the added ones otherwise with polder.scd2 {from: ..., to: ...}",
            );
        }
    }
    validity
}

fn get<'a>(map: &'a [(Key, Node)], name: &str) -> Option<&'a Node> {
    map.iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
}

fn known(reader: &mut Reader, map: &[(Key, Node)], names: &[&str], what: &str) {
    for (key, _) in map.iter().filter(|(key, _)| !names.contains(&key.name.as_str())) {
        reader.wrong(key.line, format!("`{}` does not belong to {what}", key.name), suggest(&key.name, names));
    }
}

#[cfg(test)]
mod tests;
