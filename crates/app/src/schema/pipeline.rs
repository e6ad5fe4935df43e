//! The schema of a pipeline's file.

use polder_types::limit::TABLE_NAME_MAX_BYTES;
use serde_json::{Value, json};

use crate::duration;
use crate::pipeline::{CatchUp, FACTOR_MAX, FreshnessFrom, KEYS, NOTICES, NOTIFY_KEYS, Overlap, RETRIES_KEYS, RETRIES_MAX, SCHEDULE_KEYS};
use crate::schema::{Kind, document, mapping, text};

/// The keys of `webhook` and `smtp`, as their reader has them.
const WEBHOOK_KEYS: [&str; 4] = ["url", "secret", "ca", "plain_loopback"];
const SMTP_KEYS: [&str; 9] = ["server", "port", "tls", "ca", "user", "password", "from", "to", "plain_loopback"];

pub(super) fn schema() -> Value {
    let mut body = mapping(KEYS, &[], |key| match key {
        "select" => {
            let name = json!({ "type": "string", "pattern": "^[a-z_][a-z0-9_]*$", "maxLength": TABLE_NAME_MAX_BYTES });
            described(
                json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": name }),
                "tables and models; all when it is left out",
            )
        }
        "schedule" => described(schedule(), "when it is due; by hand only when it is left out"),
        "retries" => described(retries(), "what is tried again when its failure may pass"),
        "timeout" => described(length(), "longest run"),
        "overlap" => described(json!({ "enum": Overlap::WORDS }), "when it is due while its run before goes on"),
        "freshness" => {
            described(json!({ "enum": FreshnessFrom::WORDS }), "whether tables that are older than their contracts let them be are told")
        }
        "notify" => described(notify(), "who is told of what"),
        "catch_up" => described(json!({ "enum": CatchUp::WORDS }), "what becomes of due times at which no scheduler ran"),
        "maintain" => described(json!({ "type": "boolean" }), "whether tables are optimised after their load where that is worth it"),
        _ => json!(true),
    });
    if let Some(body) = body.as_object_mut() {
        body.insert("dependentRequired".to_owned(), json!({ "overlap": ["schedule"], "catch_up": ["schedule"] }));
    }
    document(Kind::Pipeline, "a pipeline of Polder: pipelines/NAME.yaml", body)
}

fn schedule() -> Value {
    let mut schedule = mapping(SCHEDULE_KEYS, &[], |key| match key {
        "cron" => json!({ "type": "string", "pattern": "^\\s*(@[A-Za-z]+|\\S+(\\s+\\S+){4})\\s*$" }),
        "timezone" => text(),
        "every" => length(),
        _ => json!(true),
    });
    if let Some(schedule) = schedule.as_object_mut() {
        schedule
            .insert("oneOf".to_owned(), json!([{ "required": ["cron"], "properties": { "every": false } }, { "required": ["every"], "properties": { "cron": false, "timezone": false } }]));
    }
    schedule
}

fn retries() -> Value {
    mapping(RETRIES_KEYS, &[], |key| match key {
        "max" => json!({ "type": "integer", "minimum": 0, "maximum": RETRIES_MAX }),
        "factor" => json!({ "type": "integer", "minimum": 1, "maximum": FACTOR_MAX }),
        "backoff" | "max_backoff" => length(),
        _ => json!(true),
    })
}

fn notify() -> Value {
    let mut notify = mapping(NOTIFY_KEYS, &[], |key| match key {
        "on" => json!({ "type": "array", "minItems": 1, "items": { "enum": NOTICES.map(crate::notice::NoticeKind::name) } }),
        "webhook" => mapping(WEBHOOK_KEYS, &["url", "secret"], |key| match key {
            "url" | "secret" => reference(),
            "plain_loopback" => json!({ "type": "boolean" }),
            _ => text(),
        }),
        "smtp" => mapping(SMTP_KEYS, &["server", "from", "to"], |key| match key {
            "port" => json!({ "type": "integer", "minimum": 0, "maximum": u16::MAX }),
            "tls" => json!({ "enum": ["starttls", "tls"] }),
            "password" => reference(),
            "to" => json!({ "type": "array", "minItems": 1, "items": text() }),
            "plain_loopback" => json!({ "type": "boolean" }),
            _ => text(),
        }),
        "command" => json!({
            "type": "array", "minItems": 1, "items": { "type": "string" }, "prefixItems": [{ "type": "string", "pattern": "^/" }],
        }),
        _ => json!(true),
    });
    if let Some(notify) = notify.as_object_mut() {
        notify.insert("anyOf".to_owned(), json!([{ "required": ["webhook"] }, { "required": ["smtp"] }, { "required": ["command"] }]));
    }
    notify
}

fn length() -> Value {
    json!({ "type": "string", "pattern": duration::PATTERN })
}

pub(super) fn reference() -> Value {
    json!({ "type": "string", "pattern": "^(env|file|credential):." })
}

fn described(mut schema: Value, text: &str) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(text));
    }
    schema
}
