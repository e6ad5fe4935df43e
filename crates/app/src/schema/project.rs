//! The schema of `polder.yaml`.

use serde_json::{Value, json};

use crate::schema::pipeline::reference;
use crate::schema::{Kind, document, mapping, text};
use crate::settings::{APPROVALS_KEYS, CUSTODIES, CUSTODY_KEYS, ENVIRONMENT_KEYS, KEYS, STORE_KEYS, TELEMETRY_KEYS};

pub(super) fn schema() -> Value {
    let body = mapping(KEYS, &KEYS, |_| json!({ "type": "object", "additionalProperties": environment() }));
    document(Kind::Project, "polder.yaml", body)
}

fn environment() -> Value {
    mapping(ENVIRONMENT_KEYS, &["store", "keys"], |key| match key {
        "store" => {
            let directory = json!({ "type": "string", "minLength": 1, "not": { "pattern": "^s3:" } });
            described(json!({ "anyOf": [directory, bucket()] }), "directory of the sealed store, or a bucket on S3-compatible storage")
        }
        "keys" => described(custody(), "custody of the root key"),
        "anchor" => described(text(), "file to which the newest checkpoint of the audit log is also written"),
        "approver_key" => described(text(), "the private key file that `contract approve` takes without --key"),
        "approvers" => {
            let key = json!({ "type": "string", "pattern": "^[^+\\s]+\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]+=*$" });
            described(
                json!({ "type": "array", "items": key }),
                "public keys of those who may approve, as `polder keys approver` prints them",
            )
        }
        "approvals" => described(approvals(), "what is asked of approvals in a review"),
        "groups" => {
            let members = json!({ "type": "array", "items": { "type": "string", "pattern": "^user:" } });
            described(json!({ "type": "object", "additionalProperties": members }), "group name to members, each `user:NAME`")
        }
        "telemetry" => described(telemetry(), "where what runs came to is pushed: a collector of OpenTelemetry"),
        "temporary_mib" => described(json!({ "type": "integer", "minimum": 1 }), "the most that sealed temporary files take of the disk"),
        _ => json!(true),
    })
}

fn bucket() -> Value {
    let required = ["s3", "access_key_id", "secret_access_key"];
    let mut bucket = mapping(STORE_KEYS, &required, |key| match key {
        "s3" => described(text(), "bucket/prefix"),
        "endpoint" => described(json!({ "type": "string", "pattern": "^https?://" }), "https://HOST; without it, Amazon's of the region"),
        "region" => described(json!({ "type": "string", "pattern": "^[a-z0-9-]{1,32}$" }), "the provider's name of the region"),
        "access_key_id" | "secret_access_key" | "session_token" => {
            described(json!({ "type": "string", "pattern": "^(env|file):." }), "env:NAME or file:PATH, never the secret itself")
        }
        "ca" => described(text(), "file with the certificates of the only authorities that are trusted"),
        "plain_loopback" => described(json!({ "type": "boolean" }), "take plain HTTP from a storage on this machine itself"),
        "temporary" => described(text(), "directory of this machine for sealed temporary files"),
        _ => json!(true),
    });
    if let Some(bucket) = bucket.as_object_mut() {
        bucket.insert("anyOf".to_owned(), json!([{ "required": ["endpoint"] }, { "required": ["region"] }]));
    }
    bucket
}

fn approvals() -> Value {
    mapping(APPROVALS_KEYS, &[], |key| match key {
        "other_than_author" => json!({ "type": "boolean" }),
        "git" => json!({
            "type": "object",
            "additionalProperties": { "type": "array", "items": { "type": "string", "pattern": "@" } },
        }),
        _ => json!(true),
    })
}

fn telemetry() -> Value {
    mapping(TELEMETRY_KEYS, &["endpoint"], |key| match key {
        "headers" => json!({ "type": "object", "additionalProperties": reference() }),
        "plain_loopback" => json!({ "type": "boolean" }),
        _ => text(),
    })
}

fn custody() -> Value {
    let mut custody = mapping(CUSTODY_KEYS, &["custody", "path"], |key| match key {
        "custody" => json!({ "enum": CUSTODIES }),
        "passphrase" => reference(),
        _ => text(),
    });
    if let Some(custody) = custody.as_object_mut() {
        custody.insert("if".to_owned(), json!({ "properties": { "custody": { "const": "passphrase" } }, "required": ["custody"] }));
        custody.insert("then".to_owned(), json!({ "required": ["passphrase"] }));
        custody.insert("else".to_owned(), json!({ "properties": { "passphrase": false } }));
    }
    custody
}

fn described(mut schema: Value, text: &str) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(text));
    }
    schema
}
