//! The schema of `polder.yaml`.

use polder_policy::identity::Signing;
use polder_serve::Asked;
use serde_json::{Value, json};

use crate::schema::pipeline::reference;
use crate::schema::{Kind, document, mapping, text};
use crate::settings::{
    APPROVALS_KEYS, CLIENT_CERTIFICATES, CUSTODIES, CUSTODY_KEYS, ENVIRONMENT_KEYS, KEYS, LIMITS, LISTENER_KEYS, LISTENERS_KEYS,
    PROVIDER_KEYS, STORE_KEYS, TELEMETRY_KEYS, TLS_KEYS,
};

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
        "listeners" => described(mapping(LISTENERS_KEYS, &[], listener), "ways in of `polder serve`; those that are not here are off"),
        "tls" => described(tls(), "the certificate that the listeners show; without it, the internal authority makes one"),
        "limits" => described(limits(), "limits of `polder serve`"),
        "scheduler" => described(json!({ "type": "boolean" }), "whether `polder serve` runs the pipelines when they are due"),
        "identity_providers" => identity_providers(),
        "temporary_mib" => described(json!({ "type": "integer", "minimum": 1 }), "the most that sealed temporary files take of the disk"),
        _ => json!(true),
    })
}

fn listener(wire: &str) -> Value {
    let address = json!({ "type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$" });
    let keys = LISTENER_KEYS.into_iter().filter(|key| *key != "public_url" || wire == "rest");
    let mut long = mapping(keys, &["address"], |key| match key {
        "client_certificates" => {
            described(json!({ "enum": CLIENT_CERTIFICATES.map(Asked::name) }), "whether services may, or must, show a client certificate")
        }
        "tls12" => described(json!({ "type": "boolean" }), "take TLS 1.2 too"),
        "public_url" => {
            let origin = json!({ "type": "string", "pattern": "^https://[0-9a-z]([0-9a-z.-]*[0-9a-z])?(:[0-9]{1,5})?$" });
            described(origin, "how browsers reach it, for the sign-in page and passkeys: https://HOST or https://HOST:PORT")
        }
        _ => address.clone(),
    });
    if let Some(long) = long.as_object_mut() {
        // TLS 1.2 shows a client's certificate to whoever listens in.
        let both = json!({ "required": ["client_certificates", "tls12"], "properties": { "tls12": { "const": true } } });
        long.insert("not".to_owned(), both);
    }
    json!({ "anyOf": [address, long] })
}

fn identity_providers() -> Value {
    let words = || json!({ "type": "array", "minItems": 1, "items": { "type": "string", "pattern": "^\\S+$" } });
    let provider = mapping(PROVIDER_KEYS, &["issuer", "client_id"], |key| match key {
        "issuer" => {
            described(json!({ "type": "string", "pattern": "^https://[^?#@\\s]+$" }), "who the provider says that it is, letter for letter")
        }
        "client_id" => described(text(), "who Polder is there"),
        "client_secret" => reference(),
        "audiences" => described(words(), "whom tokens may be for that come in place of a password; the client without it"),
        "scopes" => described(words(), "what is asked for; `openid` always is"),
        "algorithms" => {
            let names = Signing::ALL.map(Signing::name);
            described(json!({ "type": "array", "minItems": 1, "items": { "enum": names } }), "how it may sign; all of these without it")
        }
        "ca" => described(text(), "file with the certificates of the only authorities that are trusted"),
        _ => json!(true),
    });
    let names = json!({ "pattern": "^[a-z][a-z0-9-]{0,31}$", "not": { "const": "providers" } });
    let providers = json!({ "type": "object", "propertyNames": names, "additionalProperties": provider });
    described(providers, "identity providers (OpenID Connect) through which users sign in, by name")
}

fn tls() -> Value {
    let mut tls = mapping(TLS_KEYS, &[], |key| match key {
        "key" => reference(),
        "client_ca" => described(text(), "file with further authorities whose client certificates are taken"),
        "names" => {
            let name = json!({ "type": "string", "pattern": "^[0-9A-Za-z:]" });
            described(json!({ "type": "array", "items": name }), "names and addresses of this server, for the internal authority")
        }
        _ => text(),
    });
    if let Some(tls) = tls.as_object_mut() {
        // Both or none; names are for what is made here.
        tls.insert("dependentRequired".to_owned(), json!({ "chain": ["key"], "key": ["chain"] }));
        tls.insert("not".to_owned(), json!({ "required": ["chain", "names"] }));
    }
    tls
}

fn limits() -> Value {
    let most = |key: &str| LIMITS.into_iter().find(|(name, _)| *name == key).map(|(_, most)| most);
    mapping(LIMITS.map(|(key, _)| key), &[], |key| json!({ "type": "integer", "minimum": 1, "maximum": most(key) }))
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
