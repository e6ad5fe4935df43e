//! The schema of a file of policies' test cases.

use polder_types::limit::TABLE_NAME_MAX_BYTES;
use serde_json::{Value, json};

use crate::policy_test::{CASE_KEYS, KEYS, PRINCIPAL_KINDS, ROW_KEYS, SIGHTS};
use crate::schema::{Kind, document, mapping, text};

pub(super) fn schema() -> Value {
    let body = mapping(KEYS, &KEYS, |_| json!({ "type": "array", "minItems": 1, "items": case() }));
    document(Kind::PolicyTest, "test cases of policies: policies/tests/NAME.yaml", body)
}

fn case() -> Value {
    let mut case = mapping(CASE_KEYS, &["as", "table"], |key| match key {
        "as" => json!({ "type": "string", "pattern": format!("^({}):[!-~]+$", PRINCIPAL_KINDS.join("|")) }),
        "groups" => {
            json!({ "type": "array", "items": text(), "description": "their groups and no others; without it, those of polder.yaml" })
        }
        "at" => json!({ "type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}[Tt ]\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?([Zz]|[+-]\\d{2}:\\d{2})$" }),
        "table" => json!({ "type": "string", "pattern": "^[a-z_][a-z0-9_]*$", "maxLength": TABLE_NAME_MAX_BYTES }),
        "denied" => json!({ "const": true, "description": "nothing may be read" }),
        "rows" => json!({ "type": "array", "minItems": 1, "items": row() }),
        "columns" => {
            // `null` without quotes is the mask of that name too.
            let sights: Vec<Value> = SIGHTS.iter().map(|sight| json!(sight)).chain([Value::Null]).collect();
            json!({ "type": "object", "minProperties": 1, "additionalProperties": { "enum": sights } })
        }
        _ => text(),
    });
    if let Some(case) = case.as_object_mut() {
        let others = json!({ "rows": false, "columns": false });
        case.insert(
            "oneOf".to_owned(),
            json!([
                { "required": ["denied"], "properties": others },
                { "properties": { "denied": false }, "anyOf": [{ "required": ["rows"] }, { "required": ["columns"] }] },
            ]),
        );
    }
    case
}

fn row() -> Value {
    mapping(ROW_KEYS, &ROW_KEYS, |key| match key {
        "visible" => json!({ "type": "boolean" }),
        _ => json!({
            "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
            "description": "columns and their values; what is left out is NULL",
        }),
    })
}
