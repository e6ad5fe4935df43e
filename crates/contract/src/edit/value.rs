//! Values as a person types them on a command line, and as they stand in a contract.

use std::fmt::Write;

use crate::edit::{EditError, tree};
use crate::yaml::Value;

/// Keys whose values are texts, whatever they look like.
const TEXTS: [&str; 12] = [
    "id",
    "name",
    "physicalName",
    "physicalType",
    "description",
    "businessName",
    "classification",
    "logicalType",
    "transformDescription",
    "logicalTypeOptions.pattern",
    "logicalTypeOptions.format",
    "logicalTypeOptions.defaultTimezone",
];

/// Words that YAML, or an older YAML, takes for something else than a text.
const WORDS: [&str; 12] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf", "infinity"];

/// Reads a value that was typed for a key.
pub(super) fn typed(key: &str, text: &str) -> Result<Value, EditError> {
    let wrong = || EditError::Value { key: key.to_owned() };
    if text.chars().any(char::is_control) {
        return Err(wrong());
    }
    if TEXTS.contains(&key) {
        return Ok(Value::Text(text.to_owned()));
    }
    match tree::parse(&format!("value: {text}\n"), key).map_err(|_| wrong())?.plain() {
        Value::Map(mut map) if map.len() == 1 => map.pop().map(|(_, node)| node.value).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// A value as it is written between brackets.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Text(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(|item| written(&item.value)).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, node)| format!("{}: {}", quoted(&key.name), written(&node.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A YAML text: a plain word as it is, anything else in double quotes, in which letters, digits, ASCII and the signs of Latin-1
/// stand as they are.
pub fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        let code = u32::from(c);
        // Writing to a String does not fail.
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            ' '..='~' => write!(quoted, "{c}"),
            c if c.is_alphanumeric() || matches!(c, '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' | '€' | '’') => write!(quoted, "{c}"),
            _ if code <= 0xffff => write!(quoted, "\\u{code:04x}"),
            _ => write!(quoted, "\\U{code:08x}"),
        };
    }
    quoted.push('"');
    quoted
}
