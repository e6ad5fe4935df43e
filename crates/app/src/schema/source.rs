//! The schema of a source file.

use polder_connect::keys;
use serde_json::{Map, Value, json};

use crate::schema::{Kind, document, mapping, text};

pub(super) fn schema() -> Value {
    let reference = json!({ "type": "string", "pattern": "^(env|file|credential):." });
    let mut body = mapping(keys::source_keys().iter().copied(), &["type"], |key| match key {
        "type" => json!({ "enum": keys::source_types() }),
        "path" => json!({ "type": "string", "minLength": 1, "anyOf": [{ "not": { "pattern": "://" } }, { "pattern": IN_A_BUCKET }] }),
        "s3" => bucket(&reference),
        "url" | "password" => reference.clone(),
        "ca" | "driver" => text(),
        "plain_loopback" => json!({ "type": "boolean" }),
        "timeout" => json!({ "type": "string", "pattern": "^0*[1-9][0-9]*[smhd]$" }),
        "tables" => json!({ "type": "array", "items": text() }),
        "queries" => json!({ "type": "object", "propertyNames": { "minLength": 1 }, "additionalProperties": text() }),
        "driver_sha256" => json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" }),
        "options" => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        "datasets" => json!({ "type": "object", "minProperties": 1, "additionalProperties": dataset() }),
        _ => json!(true),
    });
    let of_types: Vec<Value> = keys::source_types().iter().copied().map(of_type).collect();
    if let Some(body) = body.as_object_mut() {
        body.insert("allOf".to_owned(), json!(of_types));
    }
    document(Kind::Source, "a source of Polder: sources/NAME.yaml", body)
}

/// The keys beside `type` and `datasets` that a type has, and those that it must have.
fn keys_of(source_type: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match source_type {
        "postgres" | "mysql" => (&["url", "password", "ca", "plain_loopback", "timeout", "tables", "queries"], &["url"]),
        "sqlite" => (&["path", "tables", "queries"], &["path"]),
        "adbc" => (&["url", "timeout", "tables", "queries", "driver", "driver_sha256", "options"], &["driver", "driver_sha256"]),
        "push" => (&[], &["datasets"]),
        _ => (&["path", "s3"], &["path", "datasets"]),
    }
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
    let (allowed, required) = keys_of(source_type);
    let mut all = Map::new();
    for key in keys::source_keys().iter().filter(|key| !["type", "datasets"].contains(key) && !allowed.contains(key)) {
        all.insert((*key).to_owned(), json!(false));
    }
    all.insert("datasets".to_owned(), json!({ "additionalProperties": dataset }));
    let mut then = json!({ "properties": all, "required": required });
    if let Some(then) = then.as_object_mut().filter(|_| allowed.contains(&"tables")) {
        // One of the two must be there, or nothing may be read.
        then.insert("anyOf".to_owned(), json!([{ "required": ["tables"] }, { "required": ["queries"] }]));
    }
    if let Some(then) = then.as_object_mut().filter(|_| allowed.contains(&"s3")) {
        // A path in a bucket goes with the keys to it, and no other path does.
        then.insert("if".to_owned(), json!({ "properties": { "path": { "pattern": "^s3://" } }, "required": ["path"] }));
        then.insert("then".to_owned(), json!({ "required": ["s3"] }));
        then.insert("else".to_owned(), json!({ "properties": { "s3": false } }));
    }
    if let Some(then) = then.get_mut("properties").and_then(Value::as_object_mut).filter(|_| source_type == "sqlite") {
        then.insert("path".to_owned(), json!({ "not": { "pattern": "://" } }));
    }
    json!({ "if": { "properties": { "type": { "const": source_type } } }, "then": then })
}

/// A bucket, and a prefix without wildcards.
const IN_A_BUCKET: &str = "^s3://[^/]+(/[^*?]*)?$";

fn bucket(reference: &Value) -> Value {
    let mut bucket = mapping(keys::bucket_keys().iter().copied(), &["access_key_id", "secret_access_key"], |key| match key {
        "endpoint" => json!({ "type": "string", "pattern": "^https?://" }),
        "region" => json!({ "type": "string", "pattern": "^[a-z0-9-]{1,32}$" }),
        "access_key_id" | "secret_access_key" | "session_token" => reference.clone(),
        "ca" => text(),
        "plain_loopback" => json!({ "type": "boolean" }),
        _ => json!(true),
    });
    if let Some(bucket) = bucket.as_object_mut() {
        bucket.insert("anyOf".to_owned(), json!([{ "required": ["endpoint"] }, { "required": ["region"] }]));
    }
    bucket
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
        "records" | "explode" | "record" | "layout" | "split" => text(),
        "format" => json!({ "anyOf": [
            { "enum": keys::push_formats() },
            { "type": "array", "minItems": 1, "items": { "enum": keys::push_formats() } },
        ] }),
        "max_bytes" => json!({ "type": "integer", "minimum": 1, "maximum": keys::push_bytes_max() }),
        "max_rows" => json!({ "type": "integer", "minimum": 1, "maximum": keys::push_rows_max() }),
        "cursor" => json!({ "anyOf": [text(), {
            "type": "object",
            "additionalProperties": false,
            "required": ["column"],
            "properties": {
                "column": text(),
                "initial": { "type": "string" },
                "lag": { "type": "string", "pattern": "^[0-9]+[smhd]$" },
                "nulls": { "enum": ["refuse", "include", "leave"] },
            },
        }] }),
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
