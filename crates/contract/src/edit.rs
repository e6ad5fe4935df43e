//! Changes to a contract's text in place: whoever keeps the file finds every comment, every line and its order as they were.
//!
//! The text is changed, and the change is believed only when the new text, read anew, is the old document with this change and no
//! other. A text that is written so that this fails is left as it is.

mod block;
mod tree;
mod value;

use crate::contract::Contract;
use crate::edit::block::{Block, blocks};
use crate::edit::tree::{Kind, Tree};
use crate::edit::value::{typed, written};
use crate::odcs::{self, Place, Use};
use crate::yaml::{Key, Node, Problems, Value, suggest};

pub use value::quoted;

/// Why a contract's text was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("{0}")]
    Problems(#[from] Problems),
    #[error("find column {column} in {file}: no such column is authorised there; {advice}")]
    NoColumn { file: String, column: String, advice: String },
    #[error("admit column {column}: {file} authorises it already; change it with `polder contract set`")]
    Admitted { file: String, column: String },
    #[error("set {key}: a property has no such key; {advice}")]
    UnknownKey { key: String, advice: String },
    #[error("set {key}: it is not enforced, so it is refused: {why}")]
    Refused { key: String, why: &'static str },
    #[error(
        "set {key}: the value is none that YAML reads on one line; put a text with special characters into quotes twice, as in '\"...\"'"
    )]
    Value { key: String },
    #[error("change {file}: it is written in a way that cannot be changed in place without losing something; change it by hand")]
    ByHand { file: String },
}

/// What a contract's file says of itself, whether or not it can be used as a contract yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// `schema[0].name`
    pub table: Option<String>,
    /// `polder.source`
    pub source: Option<String>,
    /// `schema[0].physicalName`, or the table's name.
    pub dataset: Option<String>,
    pub columns: Vec<OutlineColumn>,
}

/// A column of an [`Outline`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineColumn {
    pub name: String,
    /// Its name in the source.
    pub physical_name: String,
    /// Whether the file authorises it; otherwise it stands there as a comment.
    pub authorised: bool,
    /// Whether it has a classification, or comes in masked.
    pub classified: bool,
}

/// Reads the outline of a contract's text.
///
/// # Errors
/// When it is no YAML.
pub fn outline(text: &str, file: &str) -> Result<Outline, Problems> {
    let document = tree::parse(text, file)?;
    let own = |tree: &Tree, key: &str| tree.get(key).and_then(Tree::text).map(str::to_owned);
    let setting = |tree: &Tree, name: &str| {
        let found = tree
            .get("customProperties")
            .map(Tree::items)
            .unwrap_or_default()
            .iter()
            .find(|item| item.get("property").and_then(Tree::text) == Some(name));
        found.and_then(|item| item.get("value")).cloned()
    };
    let mut outline =
        Outline { source: setting(&document, "polder.source").and_then(|value| value.text().map(str::to_owned)), ..Outline::default() };
    let Some(table) = document.get("schema").and_then(|schema| schema.items().first()) else { return Ok(outline) };
    outline.table = own(table, "name");
    outline.dataset = own(table, "physicalName").or_else(|| outline.table.clone());
    for item in table.get("properties").map(Tree::items).unwrap_or_default() {
        let Some(name) = own(item, "name") else { continue };
        let physical_name = own(item, "physicalName").unwrap_or_else(|| name.clone());
        let classified = own(item, "classification").is_some() || setting(item, "polder.mask").is_some();
        outline.columns.push(OutlineColumn { name, physical_name, authorised: true, classified });
    }
    for block in blocks(text) {
        outline.columns.push(OutlineColumn { name: block.name, physical_name: block.physical_name, authorised: false, classified: true });
    }
    Ok(outline)
}

/// Sets keys of one column: a key of a property, `logicalTypeOptions.KEY`, or a setting `polder.*`. Values are YAML.
///
/// # Errors
/// When the column, a key or a value cannot be, or the contract would not be one any more.
pub fn set(text: &str, file: &str, column: &str, changes: &[(&str, &str)]) -> Result<String, EditError> {
    let mut text = text.to_owned();
    for (key, value) in changes {
        let target = target(key)?;
        let value = typed(key, value)?;
        let document = tree::parse(&text, file)?;
        let (place, property) = properties(&document)
            .iter()
            .enumerate()
            .find(|(_, item)| item.get("name").and_then(Tree::text) == Some(column))
            .ok_or_else(|| no_column(&text, &document, file, column))?;
        let changed = target.change(&text, property, &value).ok_or_else(|| EditError::ByHand { file: file.to_owned() })?;
        let mut wanted = document.plain();
        let held = property_of(&mut wanted, place).map(|property| target.apply(property, &value));
        let read = tree::parse(&changed, file).map(|tree| tree.plain());
        if held.is_none() || read.ok() != Some(wanted) {
            return Err(EditError::ByHand { file: file.to_owned() });
        }
        text = changed;
    }
    Contract::parse(&text, file)?;
    Ok(text)
}

/// Authorises a column that stands in the text as a comment.
///
/// # Errors
/// When there is none, or the contract would not be one any more.
pub fn admit(text: &str, file: &str, column: &str) -> Result<String, EditError> {
    let document = tree::parse(text, file)?;
    let authorised = properties(&document);
    if authorised.iter().any(|item| item.get("name").and_then(Tree::text) == Some(column)) {
        return Err(EditError::Admitted { file: file.to_owned(), column: column.to_owned() });
    }
    let block = blocks(text).into_iter().find(|block| block.name == column).ok_or_else(|| no_column(text, &document, file, column))?;
    let by_hand = || EditError::ByHand { file: file.to_owned() };
    let indent = list_indent(text, &document).ok_or_else(by_hand)?;
    let changed = uncommented(text, &block, indent);
    let read = tree::parse(&changed, file).map_err(|_| by_hand())?;
    let others = properties(&read).iter().filter(|item| item.get("name").and_then(Tree::text) != Some(column));
    let same = others.map(Tree::plain).eq(authorised.iter().map(Tree::plain));
    let one_more = properties(&read).len() == authorised.len() + 1;
    if !same || !one_more || without_properties(read.plain()) != without_properties(document.plain()) {
        return Err(by_hand());
    }
    Contract::parse(&changed, file)?;
    Ok(changed)
}

/// Adds proposed columns at the end of the others, as comments: what the contract means stays as it is. Each is the lines of a
/// comment without indentation.
///
/// # Errors
/// When the text cannot take them.
pub fn add_proposals(text: &str, file: &str, proposals: &[Vec<String>]) -> Result<String, EditError> {
    let by_hand = || EditError::ByHand { file: file.to_owned() };
    let document = tree::parse(text, file)?;
    let indent = list_indent(text, &document).ok_or_else(by_hand)?;
    let mut line = last_line(text, &document).ok_or_else(by_hand)?;
    // Those that stand there already stay before the new ones.
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let comment = |line: &str| line.trim_start_matches(' ').starts_with('#') && line.len() - line.trim_start_matches(' ').len() >= indent;
    while lines.get(line + 1).is_some_and(|line| comment(line)) {
        line += 1;
    }
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut changed: String = lines.iter().take(line + 1).copied().collect();
    if !changed.ends_with('\n') {
        changed.push_str(end);
    }
    for proposed in proposals.iter().flatten() {
        changed.push_str(&format!("{}{proposed}{end}", " ".repeat(indent)));
    }
    changed.extend(lines.iter().skip(line + 1).copied());
    let read = tree::parse(&changed, file).map_err(|_| by_hand())?;
    if read.plain() == document.plain() { Ok(changed) } else { Err(by_hand()) }
}

/// The authorised columns.
fn properties(document: &Tree) -> &[Tree] {
    document
        .get("schema")
        .and_then(|schema| schema.items().first())
        .and_then(|table| table.get("properties"))
        .map(Tree::items)
        .unwrap_or_default()
}

fn no_column(text: &str, document: &Tree, file: &str, column: &str) -> EditError {
    let names: Vec<&str> = properties(document).iter().filter_map(|item| item.get("name").and_then(Tree::text)).collect();
    let advice = if blocks(text).iter().any(|block| block.name == column) {
        "it is left out; `polder contract admit` authorises it".to_owned()
    } else if names.is_empty() {
        "it authorises none".to_owned()
    } else {
        suggest(column, &names)
    };
    EditError::NoColumn { file: file.to_owned(), column: column.to_owned(), advice }
}

/// Where the dashes of the list of columns stand; none when they are not on lines of their own.
fn list_indent(text: &str, document: &Tree) -> Option<usize> {
    let table = document.get("schema")?.items().first()?;
    let (name, list) = table.entry("properties")?;
    match list.items().first() {
        Some(first) => {
            let before = text.get(..first.start)?;
            let dash = before.rfind('-')?;
            let line = before.get(..dash)?.rsplit('\n').next()?;
            (!list.is_flow(text) && line.bytes().all(|byte| byte == b' ')).then_some(line.len())
        }
        None if list.is_null() => Some(column_of(text, name.start) + 2),
        None => None,
    }
}

/// The line, from 0, on which the list of columns ends.
fn last_line(text: &str, document: &Tree) -> Option<usize> {
    let table = document.get("schema")?.items().first()?;
    let (name, list) = table.entry("properties")?;
    let end = if list.is_null() { name.end } else { list.end(text) };
    Some(text.get(..end)?.matches('\n').count())
}

/// How far a place is from the beginning of its line.
fn column_of(text: &str, at: usize) -> usize {
    text.get(..at).map_or(0, |before| at - before.rfind('\n').map_or(0, |line| line + 1))
}

/// The text with a proposed column in force, and without the line that says why it was not.
fn uncommented(text: &str, block: &Block, indent: usize) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut changed = String::with_capacity(text.len());
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if number == block.first {
            changed.extend(block.lines.iter().map(|line| format!("{}{line}{end}", " ".repeat(indent))));
        }
        if !(block.first..=block.last).contains(&number) {
            changed.push_str(line);
        }
    }
    changed
}

/// A document without its columns.
fn without_properties(mut document: Value) -> Value {
    if let Some(table) = table_of(&mut document)
        && let Value::Map(entries) = table
    {
        entries.retain(|(key, _)| key.name != "properties");
    }
    document
}

fn under<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    let Value::Map(entries) = value else { return None };
    entries.iter_mut().find(|(name, _)| name.name == key).map(|(_, node)| &mut node.value)
}

fn nth(value: &mut Value, place: usize) -> Option<&mut Value> {
    let Value::List(items) = value else { return None };
    items.get_mut(place).map(|node| &mut node.value)
}

fn table_of(document: &mut Value) -> Option<&mut Value> {
    nth(under(document, "schema")?, 0)
}

fn property_of(document: &mut Value, place: usize) -> Option<&mut Value> {
    nth(under(table_of(document)?, "properties")?, place)
}

/// What of a property is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target<'a> {
    Key(&'a str),
    Option(&'a str),
    Setting(&'a str),
}

const OPTIONS: &str = "logicalTypeOptions";

fn target(key: &str) -> Result<Target<'_>, EditError> {
    if odcs::PROPERTY_SETTINGS.iter().any(|(name, _)| *name == key) {
        return Ok(Target::Setting(key));
    }
    let (place, name, target) = match key.split_once('.') {
        Some((OPTIONS, option)) => (Place::Options, option, Target::Option(option)),
        _ => (Place::Property, key, Target::Key(key)),
    };
    match odcs::lookup(place, name) {
        Some((Use::Refused, why)) => Err(EditError::Refused { key: key.to_owned(), why }),
        Some(_) => Ok(target),
        None => {
            let allowed = |place: Place| odcs::KEYS.iter().filter(move |(at, _, used, _)| *at == place && *used != Use::Refused);
            let mut known: Vec<String> = allowed(Place::Property).map(|(_, name, ..)| (*name).to_owned()).collect();
            known.extend(allowed(Place::Options).map(|(_, name, ..)| format!("{OPTIONS}.{name}")));
            known.extend(odcs::PROPERTY_SETTINGS.iter().map(|(name, _)| (*name).to_owned()));
            // Of an option, its last word is what people remember.
            let option = allowed(Place::Options).find(|(_, name, ..)| *name == key);
            let advice = match option {
                Some((_, name, ..)) => format!("did you mean {OPTIONS}.{name}?"),
                None => suggest(key, &known.iter().map(String::as_str).collect::<Vec<_>>()),
            };
            Err(EditError::UnknownKey { key: key.to_owned(), advice })
        }
    }
}

impl Target<'_> {
    /// The text with this change; none where it would lose a comment or does not fit.
    fn change(self, text: &str, property: &Tree, value: &Value) -> Option<String> {
        let new = written(value);
        match self {
            Self::Key(key) => put(text, property, key, &new),
            Self::Option(key) => match property.entry(OPTIONS) {
                Some((_, options)) if matches!(options.kind, Kind::Map(_)) => put(text, options, key, &new),
                _ => put(text, property, OPTIONS, &format!("{{{key}: {new}}}")),
            },
            Self::Setting(name) => {
                let item = format!("{{property: {name}, value: {new}}}");
                match property.entry("customProperties") {
                    Some((_, list)) if matches!(list.kind, Kind::List(_)) => {
                        match list.items().iter().find(|item| item.get("property").and_then(Tree::text) == Some(name)) {
                            Some(found) => put(text, found, "value", &new),
                            None => push(text, list, &item),
                        }
                    }
                    _ => put(text, property, "customProperties", &format!("[{item}]")),
                }
            }
        }
    }

    /// The same on the document.
    fn apply(self, property: &mut Value, value: &Value) {
        match self {
            Self::Key(key) => assign(property, key, value.clone()),
            Self::Option(key) => {
                if !matches!(under(property, OPTIONS), Some(Value::Map(_))) {
                    assign(property, OPTIONS, Value::Map(Vec::new()));
                }
                if let Some(options) = under(property, OPTIONS) {
                    assign(options, key, value.clone());
                }
            }
            Self::Setting(name) => {
                if !matches!(under(property, "customProperties"), Some(Value::List(_))) {
                    assign(property, "customProperties", Value::List(Vec::new()));
                }
                let Some(Value::List(items)) = under(property, "customProperties") else { return };
                let named = |item: &mut Value| matches!(under(item, "property"), Some(Value::Text(text)) if text == name);
                match items.iter_mut().find_map(|node| named(&mut node.value).then_some(&mut node.value)) {
                    Some(item) => assign(item, "value", value.clone()),
                    None => {
                        let mut item = Value::Map(Vec::new());
                        assign(&mut item, "property", Value::Text(name.to_owned()));
                        assign(&mut item, "value", value.clone());
                        items.push(Node { line: 0, value: item });
                    }
                }
            }
        }
    }
}

fn assign(map: &mut Value, key: &str, value: Value) {
    match under(map, key) {
        Some(old) => *old = value,
        None => {
            if let Value::Map(entries) = map {
                entries.push((Key { line: 0, name: key.to_owned() }, Node { line: 0, value }));
            }
        }
    }
}

/// Puts a value under a key of a mapping in the text.
fn put(text: &str, map: &Tree, key: &str, value: &str) -> Option<String> {
    let Kind::Map(entries) = &map.kind else { return None };
    match map.entry(key) {
        Some((name, old)) => {
            // Between the key and its value nothing stands but the colon, and spaces or a line end.
            let colon = name.end + text.get(name.end..)?.find(':')? + 1;
            let nothing = old.is_null() && old.end(text) == old.start;
            let end = if nothing { colon } else { old.end(text).max(colon) };
            let lost = text.get(colon..end)?;
            let scalar = matches!(old.kind, Kind::Scalar(_)) && !lost.contains('\n');
            if !scalar && lost.contains('#') {
                return None;
            }
            replaced(text, colon, end, &format!(" {value}"))
        }
        None if map.is_flow(text) => {
            let close = map.end(text).checked_sub(1)?;
            let last = entries.last().map(|(name, value)| name.end.max(if value.is_null() { 0 } else { value.end(text) }));
            match last {
                Some(last) => replaced(text, last, last, &format!(", {key}: {value}")),
                None => replaced(text, close, close, &format!("{key}: {value}")),
            }
        }
        None => {
            let (first, _) = entries.first()?;
            after_line(text, map.end(text), &format!("{}{key}: {value}", " ".repeat(column_of(text, first.start))))
        }
    }
}

/// Adds an item to a list in the text.
fn push(text: &str, list: &Tree, item: &str) -> Option<String> {
    let last = list.items().last();
    if list.is_flow(text) {
        let close = list.end(text).checked_sub(1)?;
        return match last {
            Some(last) => replaced(text, last.end(text), last.end(text), &format!(", {item}")),
            None => replaced(text, close, close, item),
        };
    }
    let first = list.items().first()?;
    let dash = text.get(..first.start)?.rfind('-')?;
    after_line(text, list.end(text), &format!("{}- {item}", " ".repeat(column_of(text, dash))))
}

fn replaced(text: &str, start: usize, end: usize, new: &str) -> Option<String> {
    Some([text.get(..start)?, new, text.get(end..)?].concat())
}

/// A new line after the one on which a place stands.
fn after_line(text: &str, at: usize, line: &str) -> Option<String> {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    match text.get(at..)?.find('\n') {
        Some(found) => replaced(text, at + found + 1, at + found + 1, &format!("{line}{end}")),
        None => Some(format!("{text}{end}{line}{end}")),
    }
}

#[cfg(test)]
mod tests;
