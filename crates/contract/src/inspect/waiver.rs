//! `polder.waive`: one kind of finding is let through in one column, with a reason and the name of who answers for it.

use super::Kind;
use crate::read::Reader;
use crate::yaml::{Node, Value, suggest};

/// Words that a reason has at least.
const REASON_WORDS_MIN: usize = 3;
/// The longest reason or name, in characters.
const TEXT_MAX: usize = 500;

/// A finding that a contract lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// What is let through.
    pub kind: Kind,
    /// Why.
    pub reason: String,
    /// Who answers for it. The contract's approval covers the waiver.
    pub approver: String,
}

/// Reads the list of a column's waivers.
pub(crate) fn read(reader: &mut Reader, node: &Node, column: &str) -> Vec<Waiver> {
    let Value::List(items) = &node.value else {
        reader.wrong(node.line, "`polder.waive` is not a list", "write [{kind: ..., reason: ..., approver: ...}]");
        return Vec::new();
    };
    let mut waivers: Vec<Waiver> = Vec::new();
    for item in items {
        let Some(waiver) = one(reader, item, column) else { continue };
        if waivers.iter().any(|other| other.kind == waiver.kind) {
            reader.wrong(item.line, format!("`polder.waive` of column {column} names {} twice", waiver.kind), "keep one");
        }
        waivers.push(waiver);
    }
    waivers
}

fn one(reader: &mut Reader, item: &Node, column: &str) -> Option<Waiver> {
    const KEYS: [&str; 3] = ["kind", "reason", "approver"];
    let Value::Map(entries) = &item.value else {
        reader.wrong(
            item.line,
            format!("an item of `polder.waive` of column {column} is {}", item.value.kind()),
            "write kind, reason, approver",
        );
        return None;
    };
    let mut texts = [None, None, None];
    for (key, value) in entries {
        let Some(place) = KEYS.iter().position(|known| *known == key.name) else {
            reader.wrong(key.line, format!("`{}` is not a key of a waiver", key.name), suggest(&key.name, &KEYS));
            continue;
        };
        match (&value.value, texts.get_mut(place)) {
            (Value::Text(text), Some(slot)) if !text.trim().is_empty() && text.chars().count() <= TEXT_MAX => *slot = Some(text.trim()),
            _ => reader.wrong(value.line, format!("`{}` of a waiver is no text of 1 to {TEXT_MAX} characters", key.name), "correct it"),
        }
    }
    for (name, text) in KEYS.iter().zip(&texts) {
        if text.is_none() && !entries.iter().any(|(key, _)| key.name == *name) {
            reader.wrong(item.line, format!("a waiver of column {column} has no `{name}`"), "write kind, reason and approver");
        }
    }
    let [Some(word), Some(reason), Some(approver)] = texts else { return None };
    let kind = kind(reader, item.line, word)?;
    if reason.split_whitespace().count() < REASON_WORDS_MIN {
        let what = format!("the reason to waive {kind} in column {column} has fewer than {REASON_WORDS_MIN} words");
        reader.wrong(item.line, what, "say why such values are no risk there");
        return None;
    }
    if approver.chars().any(char::is_control) || !approver.chars().any(char::is_alphabetic) {
        reader.wrong(item.line, format!("the approver of a waiver of column {column} is no name"), "name who answers for it");
        return None;
    }
    Some(Waiver { kind, reason: reason.to_owned(), approver: approver.to_owned() })
}

fn kind(reader: &mut Reader, line: u64, word: &str) -> Option<Kind> {
    match Kind::from_name(word) {
        Some(Kind::Oversized) => {
            reader.wrong(line, "`oversized` is not waived in a column: a row is too long", "set polder.maxRowBytes of the contract");
            None
        }
        Some(kind) => Some(kind),
        None => {
            let names: Vec<&str> = Kind::ALL.iter().filter(|kind| **kind != Kind::Oversized).map(|kind| kind.name()).collect();
            reader.wrong(line, format!("`{word}` is not a kind of finding"), suggest(word, &names));
            None
        }
    }
}
