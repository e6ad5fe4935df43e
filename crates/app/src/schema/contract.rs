//! The schema of a contract: the Open Data Contract Standard as far as Polder takes it. A key that is refused is not in it.

use polder_contract::odcs::{self, CONTRACT_SETTINGS, KEYS, PROPERTY_SETTINGS, Place, Use};
use polder_types::limit::COLUMNS_MAX;
use serde_json::{Map, Value, json};

use crate::schema::{Kind, document, text};

/// The types that columns have, and the options of each.
const TYPES: [(&str, &[&str]); 7] = [
    ("string", &["minLength", "maxLength", "pattern", "format"]),
    ("boolean", &[]),
    ("integer", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"]),
    ("number", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"]),
    ("date", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"]),
    ("time", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"]),
    ("timestamp", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format", "timezone", "defaultTimezone"]),
];

pub(super) fn schema() -> Value {
    let required = ["apiVersion", "kind", "id", "version", "status", "schema", "customProperties"];
    let mut body = at(Place::Contract, &required);
    let mut definitions = Map::new();
    for (name, schema) in [
        ("table", at(Place::Schema, &["name", "properties"])),
        ("column", column()),
        ("options", at(Place::Options, &[])),
        ("rule", at(Place::Quality, &[])),
        ("arguments", at(Place::QualityArguments, &[])),
        ("relationship", at(Place::Relationship, &["to"])),
        ("serviceLevel", at(Place::ServiceLevel, &["property", "value", "unit"])),
        ("contractSetting", setting(CONTRACT_SETTINGS)),
        ("columnSetting", setting(PROPERTY_SETTINGS)),
        ("ownSetting", setting(&[])),
    ] {
        definitions.insert(name.to_owned(), schema);
    }
    if let Some(body) = body.as_object_mut() {
        body.insert("$defs".to_owned(), Value::Object(definitions));
    }
    document(Kind::Contract, "a contract of Polder: contracts/NAME.odcs.yaml (Open Data Contract Standard 3.1)", body)
}

/// The mapping at a place: every key of the table but those that are refused.
fn at(place: Place, required: &[&str]) -> Value {
    let mut properties = Map::new();
    for (_, key, used, note) in KEYS.iter().filter(|(at, _, used, _)| *at == place && *used != Use::Refused) {
        let mut schema = if *used == Use::Told { json!({}) } else { value(place, key) };
        if let Some(schema) = schema.as_object_mut() {
            let told = if note.is_empty() { used.name().to_owned() } else { format!("{}: {note}", used.name()) };
            schema.insert("description".to_owned(), json!(told));
        }
        properties.insert((*key).to_owned(), schema);
    }
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

/// The values that a key takes, as far as a schema can say; any where nothing is known of it.
fn value(place: Place, key: &str) -> Value {
    let list = |of: &str| json!({ "type": "array", "items": { "$ref": format!("#/$defs/{of}") } });
    match (place, key) {
        (Place::Contract, "apiVersion") => {
            let versions: Vec<&str> = odcs::EARLIER_VERSIONS.into_iter().chain(["v3.1.0"]).collect();
            json!({ "enum": versions })
        }
        (Place::Contract, "kind") => json!({ "const": "DataContract" }),
        (Place::Contract, "status") => json!({ "const": "active" }),
        (Place::Contract, "slaProperties") => list("serviceLevel"),
        (Place::ServiceLevel, "property") => json!({ "enum": odcs::MEASURED_LEVELS }),
        (Place::ServiceLevel, "value") => json!({ "type": "number", "exclusiveMinimum": 0 }),
        (Place::ServiceLevel, "unit") => json!({ "enum": odcs::age_units() }),
        (Place::Contract, "schema") => json!({ "type": "array", "minItems": 1, "maxItems": 1, "items": { "$ref": "#/$defs/table" } }),
        (Place::Contract, "customProperties") => {
            let source = json!({ "properties": { "property": { "const": "polder.source" } }, "required": ["property"] });
            json!({ "type": "array", "items": { "$ref": "#/$defs/contractSetting" }, "contains": source })
        }
        (Place::Schema, "name") => json!({ "type": "string", "pattern": "^[a-z_][a-z0-9_]{0,62}$" }),
        (Place::Schema, "logicalType") => json!({ "const": "object" }),
        (Place::Schema, "properties") => {
            json!({ "type": "array", "minItems": 1, "maxItems": COLUMNS_MAX, "items": { "$ref": "#/$defs/column" } })
        }
        (Place::Schema, "customProperties") => list("ownSetting"),
        (Place::Schema, "quality") => {
            let counts = json!({ "anyOf": [
                { "properties": { "metric": { "const": "rowCount" } }, "required": ["metric"] },
                { "properties": { "type": { "const": "sql" } }, "required": ["type", "query"] },
            ] });
            json!({ "type": "array", "items": { "allOf": [{ "$ref": "#/$defs/rule" }, counts] } })
        }
        (Place::Property, "name") => json!({ "type": "string", "minLength": 1, "maxLength": 255 }),
        (Place::Property, "logicalType") => json!({ "enum": TYPES.map(|(name, _)| name) }),
        (Place::Property, "logicalTypeOptions") => json!({ "$ref": "#/$defs/options" }),
        (Place::Property, "required" | "unique" | "primaryKey") => json!({ "type": "boolean" }),
        (Place::Property, "primaryKeyPosition") => json!({ "type": "integer", "anyOf": [{ "const": -1 }, { "minimum": 1 }] }),
        (Place::Property, "quality") => list("rule"),
        (Place::Schema | Place::Property, "relationships") => list("relationship"),
        (Place::Relationship, "type") => json!({ "const": "foreignKey" }),
        (Place::Relationship, "from" | "to") => {
            let reference = json!({ "type": "string", "pattern": "^[a-z_][a-z0-9_]{0,62}\\..+$" });
            json!({ "anyOf": [reference, { "type": "array", "minItems": 1, "items": reference }] })
        }
        (Place::Property, "customProperties") => list("columnSetting"),
        (Place::Options, "minLength" | "maxLength") => json!({ "type": "integer", "minimum": 0 }),
        (Place::Options, "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf") => {
            json!({ "type": ["number", "string"] })
        }
        (Place::Options, "timezone") => json!({ "type": "boolean" }),
        (Place::Quality, "arguments") => json!({ "$ref": "#/$defs/arguments" }),
        (Place::Quality, "type" | "metric" | "query") => json!({ "type": "string" }),
        (Place::QualityArguments, "validValues") => {
            json!({ "type": "array", "minItems": 1, "items": { "type": ["string", "integer", "boolean"] } })
        }
        (Place::Contract, "id" | "version")
        | (Place::Schema, "physicalName")
        | (Place::Property, "physicalName" | "physicalType" | "classification")
        | (Place::ServiceLevel, "element")
        | (Place::Options, "pattern" | "format" | "defaultTimezone") => json!({ "type": "string" }),
        _ => json!({}),
    }
}

/// A column, whose type says which options it has.
fn column() -> Value {
    let mut column = at(Place::Property, &["name", "logicalType"]);
    let known = odcs::known(Place::Options);
    let each: Vec<Value> = TYPES
        .iter()
        .map(|(name, options)| {
            let others: Vec<&&str> = known.iter().filter(|option| !options.contains(*option)).collect();
            json!({
                "if": { "properties": { "logicalType": { "const": name } }, "required": ["logicalType"] },
                "then": { "properties": { "logicalTypeOptions": { "propertyNames": { "not": { "enum": others } } } } },
            })
        })
        .collect();
    if let Some(column) = column.as_object_mut() {
        column.insert("allOf".to_owned(), Value::Array(each));
    }
    column
}

/// A custom property: one of Polder's settings that belong there, or one that is not Polder's.
fn setting(settings: &[(&str, &str)]) -> Value {
    let mut property = at(Place::CustomProperty, &["property"]);
    let mut choices = vec![json!({ "properties": { "property": { "not": { "pattern": "^polder\\." } } } })];
    choices.extend(settings.iter().map(|(name, note)| {
        json!({ "description": note, "properties": { "property": { "const": name }, "value": setting_value(name) }, "required": ["value"] })
    }));
    if let Some(property) = property.as_object_mut() {
        property.insert("anyOf".to_owned(), Value::Array(choices));
        if let Some(name) = property.get_mut("properties").and_then(|properties| properties.get_mut("property")) {
            *name = json!({ "type": "string" });
        }
    }
    property
}

fn setting_value(name: &str) -> Value {
    match name {
        "polder.source" => text(),
        "polder.disposition" => json!({ "enum": ["append", "replace", "merge", "scd2"] }),
        "polder.deletes" => json!({ "anyOf": [{ "const": "key_snapshot" }, {
            "type": "object",
            "additionalProperties": false,
            "required": ["flag"],
            "properties": { "flag": { "type": "string" }, "value": { "type": ["string", "number", "boolean"] } },
        }] }),
        "polder.scd2" => {
            let name = json!({ "type": "string", "minLength": 1, "maxLength": 255 });
            json!({ "type": "object", "additionalProperties": false, "properties": { "from": name, "to": name } })
        }
        "polder.onViolation" => json!({ "enum": ["fail", "quarantine", "drop"] }),
        "polder.rejectLimit" => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        "polder.nullTokens" => json!({ "type": "array", "items": { "type": "string" } }),
        "polder.maxRowBytes" => json!({ "type": "integer", "minimum": 1, "maximum": 16_777_216 }),
        "polder.allowNan" | "polder.fromText" => json!({ "type": "boolean" }),
        _ => json!(true),
    }
}
