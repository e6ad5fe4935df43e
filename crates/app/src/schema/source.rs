//! The schema of a source file.

use polder_connect::keys;
use serde_json::{Value, json};

use crate::schema::{Kind, document, mapping, text};

/// Keys of a dataset that belong to text in columns.
const OF_CSV: [&str; 4] = ["null", "delimiter", "quote", "header"];

pub(super) fn schema() -> Value {
    let mut body = mapping(keys::source_keys().iter().copied(), &["type", "path", "datasets"], |key| match key {
        "type" => json!({ "enum": keys::source_types() }),
        "path" => json!({ "type": "string", "minLength": 1, "not": { "pattern": "://" } }),
        "datasets" => json!({ "type": "object", "minProperties": 1, "additionalProperties": dataset() }),
        _ => json!(true),
    });
    let without =
        json!({ "propertyNames": { "not": { "enum": OF_CSV } }, "properties": { "encoding": { "not": { "const": "latin-1" } } } });
    let inside = json!({ "properties": { "compression": { "enum": ["auto", "none"] } } });
    if let Some(body) = body.as_object_mut() {
        body.insert("allOf".to_owned(), json!([of_types(&["ndjson", "parquet"], &without), of_types(&["parquet"], &inside)]));
    }
    document(Kind::Source, "a source of Polder: sources/NAME.yaml", body)
}

/// What datasets of these types are besides.
fn of_types(types: &[&str], dataset: &Value) -> Value {
    json!({
        "if": { "properties": { "type": { "enum": types } } },
        "then": { "properties": { "datasets": { "additionalProperties": dataset } } },
    })
}

fn dataset() -> Value {
    let one_byte = json!({ "type": "string", "pattern": "^[\\u0001-\\u0009\\u000b\\u000c\\u000e-\\u007f]$" });
    mapping(keys::dataset_keys().iter().copied(), &[], |key| match key {
        "file" => json!({ "anyOf": [text(), { "type": "array", "minItems": 1, "items": text() }] }),
        "null" => json!({ "type": "array", "items": { "type": "string" } }),
        "delimiter" => one_byte.clone(),
        "quote" => json!({ "anyOf": [one_byte, { "const": "" }] }),
        "header" => json!({ "type": "boolean" }),
        "encoding" => json!({ "enum": keys::encodings() }),
        "compression" => json!({ "enum": keys::compressions() }),
        _ => json!(true),
    })
}
