//! The schema of a layout file of fixed-width text.

use polder_connect::keys;
use polder_types::limit::{COLUMNS_MAX, RECORD_MAX_BYTES};
use serde_json::{Value, json};

use crate::schema::{Kind, document, mapping, text};

pub(super) fn schema() -> Value {
    let mut body = mapping(keys::layout_keys().iter().copied(), &["unit", "columns"], |key| match key {
        "unit" => json!({ "enum": keys::layout_units() }),
        "record_length" => json!({ "type": "integer", "minimum": 1, "maximum": RECORD_MAX_BYTES }),
        "short_lines" => json!({ "enum": keys::layout_short_lines() }),
        "columns" => json!({ "type": "array", "minItems": 1, "maxItems": COLUMNS_MAX, "items": column() }),
        _ => json!(true),
    });
    if let Some(body) = body.as_object_mut() {
        body.insert("if".to_owned(), json!({ "required": ["record_length"] }));
        body.insert("then".to_owned(), json!({ "properties": { "unit": { "const": "bytes" } } }));
    }
    document(Kind::Layout, "a layout file of Polder: where the columns of fixed-width text are", body)
}

fn column() -> Value {
    let position = json!({ "type": "integer", "minimum": 1, "maximum": RECORD_MAX_BYTES });
    let mut column = mapping(keys::layout_column_keys().iter().copied(), &["name", "start"], |key| match key {
        "name" => text(),
        "start" | "length" | "end" => position.clone(),
        "trim" => json!({ "enum": keys::layout_trims() }),
        _ => json!(true),
    });
    if let Some(column) = column.as_object_mut() {
        column.insert("oneOf".to_owned(), json!([{ "required": ["length"] }, { "required": ["end"] }]));
    }
    column
}
