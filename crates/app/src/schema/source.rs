//! The schema of a source file.

use polder_connect::keys;
use serde_json::{Map, Value, json};

use crate::schema::{Kind, document, mapping, text};

pub(super) fn schema() -> Value {
    let mut body = mapping(keys::source_keys().iter().copied(), &["type", "path", "datasets"], |key| match key {
        "type" => json!({ "enum": keys::source_types() }),
        "path" => json!({ "type": "string", "minLength": 1, "not": { "pattern": "://" } }),
        "datasets" => json!({ "type": "object", "minProperties": 1, "additionalProperties": dataset() }),
        _ => json!(true),
    });
    let of_types: Vec<Value> = keys::source_types().iter().copied().map(of_type).collect();
    if let Some(body) = body.as_object_mut() {
        body.insert("allOf".to_owned(), json!(of_types));
    }
    document(Kind::Source, "a source of Polder: sources/NAME.yaml", body)
}

/// What datasets of a type are besides: the keys that mean nothing there may not stand there, but for words that say what is so anyway.
fn of_type(source_type: &str) -> Value {
    let without = keys::keys_without_meaning(source_type);
    let mut properties = Map::new();
    for key in &without {
        let only = match *key {
            "encoding" => json!({ "const": "utf-8" }),
            "compression" => json!({ "enum": ["auto", "none"] }),
            _ => json!(false),
        };
        properties.insert((*key).to_owned(), only);
    }
    let needed: &[&str] = match source_type {
        "xml" => &["record"],
        "fixed" => &["layout"],
        _ => &[],
    };
    let dataset = json!({ "properties": properties, "required": needed });
    json!({
        "if": { "properties": { "type": { "const": source_type } } },
        "then": { "properties": { "datasets": { "additionalProperties": dataset } } },
    })
}

fn dataset() -> Value {
    let one_byte = json!({ "type": "string", "pattern": "^[\\u0001-\\u0009\\u000b\\u000c\\u000e-\\u007f]$" });
    let mut dataset = mapping(keys::dataset_keys().iter().copied(), &[], |key| match key {
        "file" => json!({ "anyOf": [text(), { "type": "array", "minItems": 1, "items": text() }] }),
        "null" => json!({ "type": "array", "items": { "type": "string" } }),
        "decimal" => json!({ "enum": [".", ","] }),
        "delimiter" | "escape" | "comment" => one_byte.clone(),
        "quote" => json!({ "anyOf": [one_byte, { "const": "" }] }),
        "trailing_delimiter" | "header" => json!({ "type": "boolean" }),
        "skip_rows" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        "encoding" => encoding(),
        "compression" => json!({ "enum": keys::compressions() }),
        "sheet" => json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string" }] }),
        "range" => json!({ "type": "string", "pattern": RANGE }),
        "parent" => json!({ "type": "object", "propertyNames": { "minLength": 1 }, "additionalProperties": text() }),
        "records" | "explode" | "record" | "layout" => text(),
        _ => json!(true),
    });
    if let Some(dataset) = dataset.as_object_mut() {
        dataset.insert("dependentRequired".to_owned(), json!({ "parent": ["explode"] }));
    }
    dataset
}

/// Corners of a rectangle of cells, or columns, or rows.
const RANGE: &str = "^([A-Za-z]{1,3}[0-9]{1,7}:[A-Za-z]{1,3}[0-9]{1,7}|[A-Za-z]{1,3}:[A-Za-z]{1,3}|[0-9]{1,7}:[0-9]{1,7})$";

/// More labels are read than are listed here, so others are left to the reader.
fn encoding() -> Value {
    json!({ "type": "string", "minLength": 1, "examples": keys::encodings(), "not": { "pattern": "^[Aa][Uu][Tt][Oo]$" } })
}
