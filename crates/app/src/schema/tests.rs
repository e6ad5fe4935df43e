use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use polder_contract::Contract;
use polder_contract::odcs::{CONTRACT_SETTINGS, KEYS, PROPERTY_SETTINGS, Place, Use};
use polder_policy::{ColumnKind, ColumnRef, TableRef};
use polder_types::{DatasetId, TableName};

use super::*;
use crate::pipeline::{self, Pipeline};
use crate::settings::Settings;

fn parsed(kind: Kind) -> Value {
    serde_json::from_str(&kind.text()).unwrap()
}

fn keys(schema: &Value) -> BTreeSet<&str> {
    schema["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// Every key that the reader of contracts knows is in the schema, those that it refuses are not, and there is no other.
#[test]
fn the_keys_of_contracts_are_those_of_the_table() {
    let schema = parsed(Kind::Contract);
    let definition = |name: &str| &schema["$defs"][name];
    for (place, at) in [
        (Place::Contract, &schema),
        (Place::Schema, definition("table")),
        (Place::Property, definition("column")),
        (Place::Options, definition("options")),
        (Place::Quality, definition("rule")),
        (Place::QualityArguments, definition("arguments")),
        (Place::Relationship, definition("relationship")),
        (Place::CustomProperty, definition("columnSetting")),
    ] {
        let wanted: BTreeSet<&str> =
            KEYS.iter().filter(|(of, _, used, _)| *of == place && *used != Use::Refused).map(|(_, key, ..)| *key).collect();
        assert_eq!(keys(at), wanted, "{}", place.name());
        assert_eq!(at["additionalProperties"], false, "{}", place.name());
    }
    for (name, settings) in [("contractSetting", CONTRACT_SETTINGS), ("columnSetting", PROPERTY_SETTINGS), ("ownSetting", &[])] {
        let choices = definition(name)["anyOf"].as_array().unwrap();
        let named: BTreeSet<&str> = choices.iter().filter_map(|choice| choice["properties"]["property"]["const"].as_str()).collect();
        assert_eq!(named, settings.iter().map(|(name, _)| *name).collect(), "{name}");
    }
}

#[test]
fn the_keys_of_settings_and_sources_are_those_of_their_readers() {
    let schema = parsed(Kind::Project);
    let environment = &schema["properties"]["environments"]["additionalProperties"];
    assert_eq!(keys(environment), crate::settings::ENVIRONMENT_KEYS.into());
    assert_eq!(keys(&environment["properties"]["keys"]), crate::settings::CUSTODY_KEYS.into());
    assert_eq!(keys(&environment["properties"]["store"]["anyOf"][1]), crate::settings::STORE_KEYS.into());
    assert_eq!(keys(&environment["properties"]["telemetry"]), crate::settings::TELEMETRY_KEYS.into());
    assert_eq!(keys(&environment["properties"]["approvals"]), crate::settings::APPROVALS_KEYS.into());
    let long = &environment["properties"]["listeners"]["properties"]["rest"]["anyOf"][1];
    assert_eq!(keys(&environment["properties"]["listeners"]), crate::settings::LISTENERS_KEYS.into());
    assert_eq!(keys(long), crate::settings::LISTENER_KEYS.into());
    assert_eq!(keys(&environment["properties"]["tls"]), crate::settings::TLS_KEYS.into());
    assert_eq!(keys(&environment["properties"]["limits"]), crate::settings::LIMITS.map(|(key, _)| key).into());
    let provider = &environment["properties"]["identity_providers"]["additionalProperties"];
    assert_eq!(keys(provider), crate::settings::PROVIDER_KEYS.into());
    // The reader knows each of them, and says of any other that it does not.
    for (key, known) in crate::settings::ENVIRONMENT_KEYS.into_iter().map(|key| (key, true)).chain([("stroe", false)]) {
        let problems = Settings::parse(&format!("environments: {{e: {{{key}: 1}}}}\n"), "polder.yaml").unwrap_err().to_string();
        assert_eq!(!problems.contains("is not a key of"), known, "{key}: {problems}");
    }
    let schema = parsed(Kind::Source);
    assert_eq!(keys(&schema), polder_connect::keys::source_keys().iter().copied().collect());
    assert_eq!(keys(&schema["properties"]["s3"]), polder_connect::keys::bucket_keys().iter().copied().collect());
    let dataset = &schema["properties"]["datasets"]["additionalProperties"];
    assert_eq!(keys(dataset), polder_connect::keys::dataset_keys().iter().copied().collect());
    let every = polder_connect::keys::dataset_keys().iter().filter(|key| dataset["properties"][**key] == true);
    assert_eq!(every.count(), 0, "each key says what it takes");
    let schema = parsed(Kind::Pipeline);
    assert_eq!(keys(&schema), pipeline::KEYS.into());
    for (key, known) in [
        ("schedule", pipeline::SCHEDULE_KEYS.as_slice()),
        ("retries", pipeline::RETRIES_KEYS.as_slice()),
        ("notify", pipeline::NOTIFY_KEYS.as_slice()),
    ] {
        assert_eq!(keys(&schema["properties"][key]), known.iter().copied().collect(), "{key}");
    }
    let schema = parsed(Kind::PolicyTest);
    assert_eq!(keys(&schema), crate::policy_test::KEYS.into());
    let case = &schema["properties"]["cases"]["items"];
    assert_eq!(keys(case), crate::policy_test::CASE_KEYS.into());
    assert_eq!(keys(&case["properties"]["rows"]["items"]), crate::policy_test::ROW_KEYS.into());
    let masks = polder_policy::Mask::ALL.map(polder_policy::Mask::name);
    assert_eq!(BTreeSet::from(crate::policy_test::SIGHTS), masks.into_iter().chain(["clear", "hidden"]).collect());
    let schema = parsed(Kind::Layout);
    assert_eq!(keys(&schema), polder_connect::keys::layout_keys().iter().copied().collect());
    let column = &schema["properties"]["columns"]["items"];
    assert_eq!(keys(column), polder_connect::keys::layout_column_keys().iter().copied().collect());
}

/// A file, and whether it is a good one.
type Case = (Kind, String, bool);

const ENVIRONMENT: &str = "store: store, keys: {custody: key-file, path: k}";

fn project_cases(cases: &mut Vec<Case>) {
    let mut case = |rest: &str, good: bool| cases.push((Kind::Project, format!("environments: {{default: {{{rest}}}}}\n"), good));
    case(ENVIRONMENT, true);
    case(&format!("{ENVIRONMENT}, anchor: a, temporary_mib: 5, groups: {{owners: ['user:ann']}}"), true);
    case(&format!("{ENVIRONMENT}, approvers: ['ann+1b934331+ATdtmK7b5P+UTadYlrjWkEuZQ5Ocn+tiuxhsy777X5jF']"), true);
    case(&format!("{ENVIRONMENT}, approvals: {{other_than_author: true, git: {{ann: [ann@example.org]}}}}"), true);
    case("store: s, keys: {custody: passphrase, path: k, passphrase: 'env:P'}", true);
    case("store: s, keys: {custody: passphrase, path: k, passphrase: written-out}", false);
    case("store: s, keys: {custody: passphrase, path: k}", false);
    case("store: s, keys: {custody: key-file, path: k, passphrase: 'env:P'}", false);
    case("store: s, keys: {custody: vault, path: k}", false);
    case("store: s", false);
    case("store: '', keys: {custody: key-file, path: k}", false);
    let telemetry = "telemetry: {endpoint: 'https://c:4318', headers: {A: 'env:B'}, ca: c.pem, plain_loopback: true}";
    case(&format!("{ENVIRONMENT}, {telemetry}"), true);
    for wrong in ["{}", "x", "{endpoint: e, header: {}}", "{endpoint: e, headers: {A: written-out}}", "{endpoint: e, plain_loopback: 1}"] {
        case(&format!("{ENVIRONMENT}, telemetry: {wrong}"), false);
    }
    for wrong in ["temporary_mib: 0", "stroe: x", "approvers: ann", "approvers: [ann]", "groups: {owners: [ann]}", "anchor: 5"] {
        case(&format!("{ENVIRONMENT}, {wrong}"), false);
    }
    for wrong in ["{other_than_author: 1}", "{git: {ann: [nowhere]}}", "{git: [ann]}", "{by: two}"] {
        case(&format!("{ENVIRONMENT}, approvals: {wrong}"), false);
    }
    serving_cases(&mut case);
    let mut bucket = |rest: &str, good: bool| {
        let text = format!("environments: {{default: {{store: {{{rest}}}, keys: {{custody: key-file, path: k}}}}}}\n");
        cases.push((Kind::Project, text, good));
    };
    let keys = "access_key_id: 'env:A', secret_access_key: 'file:b'";
    bucket(&format!("s3: data/polder, region: eu-west-3, {keys}"), true);
    bucket(&format!("s3: data, endpoint: 'https://minio.example:9000', {keys}, session_token: 'env:T', ca: ca.pem, temporary: t"), true);
    bucket(&format!("s3: data/x, endpoint: 'http://127.0.0.1:9000', plain_loopback: true, {keys}"), true);
    bucket("s3: data/polder, region: eu-west-3", false);
    bucket("s3: data/polder, region: eu-west-3, access_key_id: AKIA, secret_access_key: 'file:b'", false);
    for wrong in [
        "s3: data/polder",
        "region: eu-west-3",
        "s3: data/x, region: EU",
        "s3: 5, region: eu-west-3",
        "s3: data, region: r, plain_loopback: 1",
        "s3: data, region: r, bucket: x",
        "s3: data, endpoint: minio.example",
    ] {
        bucket(&format!("{wrong}, {keys}"), false);
    }
    cases.push((
        Kind::Project,
        "environments: {default: {store: 's3://data/polder', keys: {custody: key-file, path: k}}}\n".to_owned(),
        false,
    ));
    cases.push((Kind::Project, "environment: {}\n".to_owned(), false));
}

fn serving_cases(case: &mut impl FnMut(&str, bool)) {
    for good in [
        "listeners: {}",
        "listeners: {postgres: '127.0.0.1:5432', flight: '[::1]:0', rest: {address: '0.0.0.0:8443'}}",
        "listeners: {postgres: {address: '10.0.0.7:5432', tls12: true}}",
        "listeners: {metrics: '127.0.0.1:9464', rest: {address: '127.0.0.1:8443', client_certificates: required}}",
        "listeners: {rest: {address: '127.0.0.1:8443', tls12: false, client_certificates: accepted}}",
        "tls: {client_ca: clients.pem}",
        "listeners: {rest: {address: '10.0.0.7:8443', public_url: 'https://polder.example:8443'}}",
        "listeners: {rest: {address: '10.0.0.7:8443', public_url: 'https://polder.example', tls12: true}}",
        "tls: {chain: tls/server.pem, key: 'file:tls/server.key'}",
        "tls: {names: [data.example.org, 192.0.2.7]}",
        "limits: {connections: 10, connections_per_address: 1, sign_in_seconds: 300, idle_minutes: 1, statement_seconds: 1}",
        "limits: {statements_per_principal: 1, memory_mib: 64, session_hours: 168}",
        "scheduler: true",
        "scheduler: false",
    ] {
        case(&format!("{ENVIRONMENT}, {good}"), true);
    }
    for wrong in [
        "listeners: [rest]",
        "listeners: {pg: '127.0.0.1:5432'}",
        "listeners: {rest: 8443}",
        "listeners: {rest: '127.0.0.1'}",
        "listeners: {rest: 'localhost:8443'}",
        "listeners: {rest: {tls12: true}}",
        "listeners: {rest: {address: '127.0.0.1:8443', client_certificates: always}}",
        "listeners: {rest: {address: '127.0.0.1:8443', client_certificates: required, tls12: true}}",
        "tls: {client_ca: 3}",
        "listeners: {rest: {address: '127.0.0.1:8443', public_url: 'http://polder.example'}}",
        "listeners: {rest: {address: '127.0.0.1:8443', public_url: 'https://polder.example/'}}",
        "listeners: {rest: {address: '127.0.0.1:8443', public_url: 'https://Polder.example'}}",
        "listeners: {rest: {address: '127.0.0.1:8443', public_url: 'https://[::1]:8443'}}",
        "listeners: {rest: {address: '127.0.0.1:8443', public_url: 8443}}",
        "listeners: {postgres: {address: '127.0.0.1:5432', public_url: 'https://polder.example'}}",
        "listeners: {rest: {address: '127.0.0.1:8443', tls12: sometimes}}",
        "listeners: {rest: {address: '127.0.0.1:8443', tls: false}}",
        "tls: {chain: tls/server.pem}",
        "tls: {key: 'file:tls/server.key'}",
        "tls: {chain: tls/server.pem, key: written-out}",
        "tls: {chain: tls/server.pem, key: 'file:k', names: [a.example]}",
        "tls: {names: ['*.example.org']}",
        "limits: {connections: 0}",
        "limits: {session_hours: 169}",
        "limits: {connection: 5}",
        "limits: {idle_minutes: '5'}",
        "scheduler: sometimes",
        "scheduler: 1",
        "scheduler: {every: 5s}",
    ] {
        case(&format!("{ENVIRONMENT}, {wrong}"), false);
    }
}

fn source_cases(cases: &mut Vec<Case>) {
    let mut case = |text: &str, good: bool| cases.push((Kind::Source, format!("{text}\n"), good));
    case("{type: csv, path: data, datasets: {a: {}}}", true);
    case(
        r#"{type: csv, path: data, datasets: {a: {file: "a*.csv", "null": [NA, ""], delimiter: ";", quote: "", header: false, encoding: latin-1, compression: gzip}}}"#,
        true,
    );
    case("{type: ndjson, path: data, datasets: {a: {file: [a.ndjson, b.ndjson], compression: zstd}}}", true);
    case("{type: parquet, path: data, datasets: {a: {compression: none}}}", true);
    for good in [
        r#"{type: csv, path: data, datasets: {a: {quote: "'", escape: '\', comment: '#', trailing_delimiter: true, skip_rows: 2, decimal: ',', encoding: utf-16}}}"#,
        r#"{type: fixed, path: data, datasets: {a: {layout: layouts/a.yaml, "null": [x], decimal: ',', skip_rows: 1, encoding: cp1252, compression: gzip}}}"#,
        "{type: json, path: data, datasets: {a: {records: result.items, explode: lines, parent: {id: order.id}, encoding: utf-8}}}",
        "{type: ndjson, path: data, datasets: {a: {explode: lines, parent: {id: id}}}}",
        r#"{type: xml, path: data, datasets: {a: {record: a/b, "null": [x], decimal: '.', compression: zstd}}}"#,
        r#"{type: excel, path: data, datasets: {a: {sheet: 1, range: 'B3:F200', header: false, skip_rows: 0, "null": [x], compression: auto}, b: {sheet: People, range: 'B:F'}}}"#,
        "{type: avro, path: data, datasets: {a: {file: a.avro}}}",
        "{type: arrow, path: data, datasets: {a: {}}}",
        "{type: postgres, url: 'env:U', tables: [a], timeout: 90s}",
        "{type: mysql, url: 'env:U', queries: {a: select 1}, timeout: 7d}",
        "{type: push, datasets: {a: {}}}",
        r#"{type: push, datasets: {a: {format: [ndjson, csv], max_bytes: 1, max_rows: 10, "null": [NA], delimiter: ';', quote: ""}, b: {format: cloudevents}}}"#,
    ] {
        case(good, true);
    }
    for wrong in [
        "{type: jpeg, path: data, datasets: {a: {}}}",
        "{type: csv, path: data, datasets: {}}",
        "{type: csv, path: '', datasets: {a: {}}}",
        "{type: csv, path: 'https://x', datasets: {a: {}}}",
        "{type: csv, datasets: {a: {}}}",
        "{type: csv, path: data}",
        "{type: csv, path: data, dataset: {a: {}}}",
        "{type: csv, path: data, datasets: {a: {fiel: x}}}",
        "{type: csv, path: data, datasets: {a: {delimiter: ';;'}}}",
        "{type: csv, path: data, datasets: {a: {encoding: auto}}}",
        "{type: csv, path: data, datasets: {a: {escape: xx}}}",
        "{type: csv, path: data, datasets: {a: {decimal: ;}}}",
        "{type: csv, path: data, datasets: {a: {skip_rows: -1}}}",
        "{type: csv, path: data, datasets: {a: {sheet: 1}}}",
        "{type: csv, path: data, datasets: {a: {trailing_delimiter: 1}}}",
        "{type: fixed, path: data, datasets: {a: {}}}",
        "{type: xml, path: data, datasets: {a: {}}}",
        "{type: xml, path: data, datasets: {a: {record: r, encoding: latin-1}}}",
        "{type: excel, path: data, datasets: {a: {sheet: 0}}}",
        "{type: excel, path: data, datasets: {a: {range: B3}}}",
        "{type: excel, path: data, datasets: {a: {decimal: ','}}}",
        "{type: json, path: data, datasets: {a: {parent: {id: id}}}}",
        "{type: ndjson, path: data, datasets: {a: {records: items}}}",
        "{type: ndjson, path: data, datasets: {a: {explode: lines, parent: {'': id}}}}",
        "{type: avro, path: data, datasets: {a: {compression: gzip}}}",
        "{type: arrow, path: data, datasets: {a: {header: true}}}",
        "{type: csv, path: data, datasets: {a: {file: []}}}",
        "{type: ndjson, path: data, datasets: {a: {delimiter: ';'}}}",
        "{type: ndjson, path: data, datasets: {a: {encoding: latin-1}}}",
        "{type: parquet, path: data, datasets: {a: {compression: gzip}}}",
        "{type: csv, path: data, timeout: 5s, datasets: {a: {}}}",
        "{type: sqlite, path: a.db, tables: [a], timeout: 5s}",
        "{type: postgres, url: 'env:U', tables: [a], timeout: 0s}",
        "{type: postgres, url: 'env:U', tables: [a], timeout: 5}",
        "{type: mysql, url: 'env:U', tables: [a], timeout: soon}",
        "{type: push}",
        "{type: push, path: data, datasets: {a: {}}}",
        "{type: push, datasets: {a: {file: x.csv}}}",
        "{type: push, datasets: {a: {format: xml}}}",
        "{type: push, datasets: {a: {format: []}}}",
        "{type: push, datasets: {a: {max_bytes: 0}}}",
        "{type: push, datasets: {a: {max_rows: 10000001}}}",
        "{type: csv, path: data, datasets: {a: {max_rows: 1}}}",
    ] {
        case(wrong, false);
    }
}

fn bucket_cases(cases: &mut Vec<Case>) {
    let keys = "access_key_id: 'env:A', secret_access_key: 'file:b'";
    let mut case = |path: &str, s3: &str, good: bool| {
        cases.push((Kind::Source, format!("{{type: parquet, path: '{path}', {s3}datasets: {{a: {{file: '*.parquet'}}}}}}\n"), good));
    };
    case("s3://lake/in", &format!("s3: {{region: eu-west-3, {keys}}}, "), true);
    case("s3://lake", &format!("s3: {{endpoint: 'https://minio.example', {keys}, session_token: 'env:T', ca: ca.pem}}, "), true);
    case("s3://lake/My Exports/", &format!("s3: {{endpoint: 'http://127.0.0.1:9000', plain_loopback: true, {keys}}}, "), true);
    case("s3://lake/in", "", false);
    case("data", &format!("s3: {{region: eu-west-3, {keys}}}, "), false);
    case("gs://lake/in", &format!("s3: {{region: eu-west-3, {keys}}}, "), false);
    case("s3://lake/in/*.parquet", &format!("s3: {{region: eu-west-3, {keys}}}, "), false);
    for wrong in [
        keys.to_owned(),
        "region: eu-west-3".to_owned(),
        "region: eu-west-3, access_key_id: AKIA, secret_access_key: 'file:b'".to_owned(),
        format!("region: EU, {keys}"),
        format!("endpoint: minio.example, {keys}"),
        format!("region: eu-west-3, {keys}, plain_loopback: 1"),
        format!("region: eu-west-3, {keys}, temporary: t"),
    ] {
        case("s3://lake/in", &format!("s3: {{{wrong}}}, "), false);
    }
    cases.push((Kind::Source, format!("{{type: sqlite, path: a.db, s3: {{region: eu-west-3, {keys}}}, tables: [a]}}\n"), false));
    cases.push((Kind::Source, "{type: sqlite, path: 's3://lake/a.db', tables: [a]}\n".to_owned(), false));
}

fn layout_cases(cases: &mut Vec<Case>) {
    let mut case = |text: &str, good: bool| cases.push((Kind::Layout, format!("{text}\n"), good));
    case("{unit: bytes, record_length: 12, columns: [{name: a, start: 1, length: 4}, {name: b, start: 5, end: 9, trim: right}]}", true);
    case("{unit: characters, short_lines: pad, columns: [{name: a, start: 1, end: 4}]}", true);
    for wrong in [
        "{columns: [{name: a, start: 1, length: 4}]}",
        "{unit: bites, columns: [{name: a, start: 1, length: 4}]}",
        "{unit: bytes, columns: []}",
        "{unit: bytes, colums: []}",
        "{unit: bytes, short_lines: cut, columns: [{name: a, start: 1, length: 4}]}",
        "{unit: characters, record_length: 12, columns: [{name: a, start: 1, length: 4}]}",
        "{unit: bytes, columns: [{name: '', start: 1, length: 4}]}",
        "{unit: bytes, columns: [{name: a, start: 0, length: 4}]}",
        "{unit: bytes, columns: [{name: a, start: 1}]}",
        "{unit: bytes, columns: [{name: a, start: 1, length: 4, end: 4}]}",
        "{unit: bytes, columns: [{name: a, start: 1, length: 0}]}",
        "{unit: bytes, columns: [{name: a, start: 1, length: 4, trim: all}]}",
    ] {
        case(wrong, false);
    }
}

fn pipeline_cases(cases: &mut Vec<Case>) {
    let mut case = |text: &str, good: bool| cases.push((Kind::Pipeline, format!("{text}\n"), good));
    for good in [
        "{}",
        "{select: [stays, patients], schedule: {cron: '30 2 * * mon-fri', timezone: Europe/Paris}, timeout: 2h}",
        "{schedule: {every: 1h30m}, overlap: queue, catch_up: none, freshness: none}",
        "{schedule: {cron: '@daily'}, retries: {max: 0, backoff: 1s, factor: 10, max_backoff: 1d}}",
        "{retries: {}}",
        "{maintain: true}",
        "{notify: {command: [/bin/true, -v]}}",
        "{notify: {on: [failure, recovery, success, retry, freshness_missed], webhook: {url: 'env:U', secret: 'file:s', ca: ca.pem, plain_loopback: true}}}",
        "{notify: {smtp: {server: s, port: 587, tls: tls, ca: c, user: u, password: 'credential:p', from: a@b.example, to: [c@d.example], plain_loopback: false}}}",
    ] {
        case(good, true);
    }
    for wrong in [
        "{selct: [a]}",
        "{select: []}",
        "{select: [a, a]}",
        "{select: [A]}",
        "{schedule: {}}",
        "{schedule: {every: 15}}",
        "{schedule: {every: 15x}}",
        "{schedule: {every: 1h, timezone: UTC}}",
        "{schedule: {every: 1h, cron: '0 0 * * *'}}",
        "{schedule: {cron: '0 0 * *'}}",
        "{retries: {max: 101}}",
        "{retries: {factor: 0}}",
        "{timeout: soon}",
        "{overlap: queue}",
        "{schedule: {every: 1h}, overlap: wait}",
        "{catch_up: all}",
        "{freshness: always}",
        "{maintain: often}",
        "{notify: {}}",
        "{notify: {on: [failure]}}",
        "{notify: {on: [], command: [/bin/true]}}",
        "{notify: {on: [defeat], command: [/bin/true]}}",
        "{notify: {command: [true]}}",
        "{notify: {command: []}}",
        "{notify: {webhook: {url: 'https://example.org', secret: 'env:S'}}}",
        "{notify: {webhook: {url: 'env:U'}}}",
        "{notify: {smtp: {server: s, from: a, to: []}}}",
        "{notify: {smtp: {server: s, from: a, to: [b], tls: none}}}",
    ] {
        case(wrong, false);
    }
}

fn policy_test_cases(cases: &mut Vec<Case>) {
    let mut case = |text: &str, good: bool| cases.push((Kind::PolicyTest, format!("{{cases: [{text}]}}\n"), good));
    for good in [
        "{as: 'user:ann', table: t, denied: true}",
        "{name: one, as: 'model:m', groups: [], purpose: care, at: '2026-01-31T08:00:00Z', table: t, columns: {a: last4, n: clear}}",
        "{as: 'service:s', groups: [g, h], at: '2026-01-31T08:00:00.5+01:00', table: t, rows: [{visible: true, row: {a: x, n: 1}}]}",
        "{as: 'user:ann', table: t, rows: [{visible: false, row: {}}, {visible: true, row: {a: null}}], columns: {a: null, n: 'null'}}",
    ] {
        case(good, true);
    }
    for wrong in [
        "{table: t, denied: true}",
        "{as: 'user:ann', denied: true}",
        "{as: 'user:ann', table: t}",
        "{as: ann, table: t, denied: true}",
        "{as: 'robot:r', table: t, denied: true}",
        "{as: 'user:', table: t, denied: true}",
        "{as: 'user:ann', table: T, denied: true}",
        "{as: 'user:ann', table: t, denied: false}",
        "{as: 'user:ann', table: t, denied: true, columns: {a: clear}}",
        "{as: 'user:ann', table: t, columns: {}}",
        "{as: 'user:ann', table: t, columns: [a]}",
        "{as: 'user:ann', table: t, columns: {a: shown}}",
        "{as: 'user:ann', table: t, columns: {a: true}}",
        "{as: 'user:ann', table: t, rows: []}",
        "{as: 'user:ann', table: t, rows: [{row: {a: x}}]}",
        "{as: 'user:ann', table: t, rows: [{visible: true}]}",
        "{as: 'user:ann', table: t, rows: [{visible: 1, row: {a: x}}]}",
        "{as: 'user:ann', table: t, rows: [{visible: true, row: {a: [x]}}]}",
        "{as: 'user:ann', table: t, rows: [{visible: true, row: {a: x}, note: y}]}",
        "{as: 'user:ann', table: t, denied: true, group: [g]}",
        "{as: 'user:ann', table: t, denied: true, groups: g}",
        "{as: 'user:ann', table: t, denied: true, purpose: ''}",
        "{as: 'user:ann', table: t, denied: true, at: tomorrow}",
        "",
    ] {
        case(wrong, false);
    }
    cases.push((Kind::PolicyTest, "{case: []}\n".to_owned(), false));
}

fn contract_cases(cases: &mut Vec<Case>) {
    let document = |head: &str, column: &str| {
        format!("{head}\ncustomProperties: [{{property: polder.source, value: s}}]\nschema: [{{name: t, properties: [{column}]}}]\n")
    };
    let head = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active";
    let mut case = |text: String, good: bool| cases.push((Kind::Contract, text, good));
    let plain = "{name: a, logicalType: string}";
    case(document(head, plain), true);
    case(
        document(
            &format!("{head}\ndescription: {{purpose: any}}\ntags: [x]"),
            "{name: a, logicalType: date, description: d, examples: [1]}",
        ),
        true,
    );
    for good in [
        "logicalType: string, logicalTypeOptions: {minLength: 1, maxLength: 2, pattern: x, format: uuid}",
        "logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {minimum: 1, multipleOf: 2}",
        "logicalType: number, physicalType: 'decimal(9,2)', classification: internal",
        "logicalType: timestamp, logicalTypeOptions: {timezone: true, defaultTimezone: Europe/Paris}",
        "logicalType: time, logicalTypeOptions: {maximum: '12:00:00'}",
        "logicalType: boolean, customProperties: [{property: polder.fromText, value: true}, {property: mine, value: 5}]",
        "logicalType: string, customProperties: [{property: polder.nullTokens, value: [NA]}]",
        "logicalType: string, quality: [{type: library, metric: invalidValues, mustBe: 0, arguments: {validValues: [A, 1]}}]",
    ] {
        case(document(head, &format!("{{name: a, {good}}}")), true);
    }
    for wrong in [
        "{logicalType: string}",
        "{name: a}",
        "{name: a, logicalType: text}",
        "{name: a, logicalType: string, requierd: true}",
        "{name: a, logicalType: string, required: 'yes'}",
        "{name: a, logicalType: string, partitioned: true}",
        "{name: a, logicalType: string, encryptedName: x}",
        "{name: a, logicalType: string, primaryKey: true, primaryKeyPosition: 0}",
        "{name: a, logicalType: integer, logicalTypeOptions: {maxLength: 5}}",
        "{name: a, logicalType: boolean, logicalTypeOptions: {minimum: 1}}",
        "{name: a, logicalType: date, logicalTypeOptions: {timezone: true}}",
        "{name: a, logicalType: string, logicalTypeOptions: {minLength: -1}}",
        "{name: a, logicalType: string, customProperties: [{property: polder.nullToken, value: [x]}]}",
        "{name: a, logicalType: string, customProperties: [{property: polder.source, value: x}]}",
        "{name: a, logicalType: string, customProperties: [{property: polder.nullTokens}]}",
        "{name: a, logicalType: string, customProperties: [{value: x}]}",
        "{name: a, logicalType: string, quality: [{type: library, metric: invalidValues, mustBe: 0, arguments: {validValues: []}}]}",
    ] {
        case(document(head, wrong), false);
    }
    for (from, to) in [
        ("v3.1.0", "v2.0.0"),
        ("status: active", "status: draft"),
        ("id: c\n", ""),
        ("kind: DataContract", "kind: Contract"),
        ("status: active", "status: active\nservers: []"),
        ("status: active", "status: active\nowner: me"),
    ] {
        case(document(&head.replace(from, to), plain), false);
    }
    let whole = document(head, plain);
    for (from, to) in [
        ("polder.source, value: s", "polder.sorce, value: s"),
        ("[{property: polder.source, value: s}]", "[]"),
        ("value: s}]", "value: s}, {property: polder.onViolation, value: ignore}]"),
        ("value: s}]", "value: s}, {property: polder.rejectLimit, value: 5}]"),
        ("name: t", "name: Bad Name"),
        ("properties: [{name: a, logicalType: string}]", "properties: []"),
        ("name: t,", "name: t, quality: [{metric: nullValues, mustBe: 0}],"),
    ] {
        assert!(whole.contains(from), "{from}");
        case(whole.replace(from, to), false);
    }
    case(whole.replace("name: t,", "name: t, quality: [{metric: rowCount, mustBeGreaterThan: 10}],"), true);
    let keyed = whole
        .replace("{name: a, logicalType: string}", "{name: a, logicalType: string, primaryKey: true}, {name: gone, logicalType: boolean}");
    assert_ne!(keyed, whole);
    let (merge, deletes) = ("property: polder.disposition, value: merge", "property: polder.deletes, value");
    let scd2 = "property: polder.disposition, value: scd2";
    for (settings, good) in [
        (format!("{{{merge}}}"), true),
        (format!("{{{scd2}}}"), true),
        (format!("{{{merge}}}, {{{deletes}: key_snapshot}}"), true),
        (format!("{{{merge}}}, {{{deletes}: {{flag: gone}}}}"), true),
        (format!("{{{merge}}}, {{{deletes}: {{flag: gone, value: false}}}}"), true),
        (format!("{{{scd2}}}, {{property: polder.scd2, value: {{from: since, to: until}}}}"), true),
        (format!("{{{merge}}}, {{{deletes}: keys}}"), false),
        (format!("{{{merge}}}, {{{deletes}: {{value: true}}}}"), false),
        (format!("{{{merge}}}, {{{deletes}: {{flag: gone, val: true}}}}"), false),
        (format!("{{{scd2}}}, {{property: polder.scd2, value: [since, until]}}"), false),
        (format!("{{{scd2}}}, {{property: polder.scd2, value: {{since: a}}}}"), false),
        ("{property: polder.disposition, value: upsert}".to_owned(), false),
    ] {
        case(keyed.replace("value: s}]", &format!("value: s}}, {settings}]")), good);
    }
    for (level, good) in [
        ("{property: freshness, value: 26, unit: h}", true),
        ("{property: latency, value: 1.5, unit: days, description: d, driver: operational}", true),
        ("{property: freshness, value: 26}", false),
        ("{property: freshness, unit: h}", false),
        ("{property: retention, value: 3, unit: d}", false),
        ("{property: freshness, value: 1, unit: y}", false),
        ("{property: freshness, value: 0, unit: h}", false),
        ("{property: freshness, value: 1, unit: h, schedule: daily}", false),
    ] {
        case(document(&format!("{head}\nslaProperties: [{level}]"), plain), good);
    }
    for setting in ["disposition, value: replace", "onViolation, value: drop", "rejectLimit, value: 0.5", "nullTokens, value: [NA]"] {
        case(whole.replace("value: s}]", &format!("value: s}}, {{property: polder.{setting}}}]")), true);
    }
}

fn read(kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::Project => Settings::parse(text, "polder.yaml").map(drop).map_err(|error| error.to_string()),
        Kind::Source => crate::bucket_source::parse(text, "sources/s.yaml").map(drop).map_err(|error| error.to_string()),
        Kind::Layout => polder_connect::check_layout(text, "layouts/l.yaml").map_err(|error| error.to_string()),
        Kind::Pipeline => Pipeline::parse(text, "pipelines/p.yaml").map(drop).map_err(|error| error.to_string()),
        Kind::Contract => Contract::parse(text, "contracts/t.odcs.yaml").map(drop).map_err(|error| error.to_string()),
        Kind::PolicyTest => {
            let columns = vec![ColumnRef::new("a", ColumnKind::Text), ColumnRef::new("n", ColumnKind::Integer).required()];
            let table = TableRef::new(TableName::new("t").unwrap(), DatasetId([0; 16])).with_columns(columns);
            crate::policy_test::parse(text, "policies/tests/t.yaml", &[table]).map(drop).map_err(|error| error.to_string())
        }
        Kind::Policy => unreachable!(),
    }
}

const PROGRAM: &str = r#"
import json, sys
from jsonschema import Draft202012Validator
given = json.load(sys.stdin)
validators = {}
for kind, schema in given["schemas"].items():
    Draft202012Validator.check_schema(schema)
    validators[kind] = Draft202012Validator(schema)
for case in given["cases"]:
    print("good" if validators[case["kind"]].is_valid(case["document"]) else "bad")
"#;

/// PyPI `jsonschema` judges good and bad files as the readers do. It shares no code with us.
#[test]
fn readers_and_schemas_agree() {
    let mut cases = Vec::new();
    project_cases(&mut cases);
    source_cases(&mut cases);
    bucket_cases(&mut cases);
    layout_cases(&mut cases);
    contract_cases(&mut cases);
    pipeline_cases(&mut cases);
    policy_test_cases(&mut cases);
    assert!(cases.len() >= 80, "{}", cases.len());
    for (kind, text, good) in &cases {
        let read = read(*kind, text);
        assert_eq!(read.is_ok(), *good, "the reader of {}: {text}\n{read:?}", kind.files());
    }
    // What stands in the repository is good too, and was written by nobody who thought of schemas.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (folder, kind) in [("demo/project/contracts", Kind::Contract), ("demo/project/sources", Kind::Source)] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                cases.push((kind, std::fs::read_to_string(path).unwrap(), true));
            }
        }
    }
    let schemas: Map<String, Value> = [Kind::Project, Kind::Source, Kind::Layout, Kind::Contract, Kind::Pipeline, Kind::PolicyTest]
        .into_iter()
        .map(|kind| (kind.name().to_owned(), parsed(kind)))
        .collect();
    let documents: Vec<Value> = cases
        .iter()
        .map(|(kind, text, _)| json!({ "kind": kind.name(), "document": as_json(&polder_contract::yaml::parse(text, "f").unwrap()) }))
        .collect();
    let judged = ask(&json!({ "schemas": schemas, "cases": documents }));
    assert_eq!(judged.len(), cases.len());
    for ((kind, text, good), judged) in cases.iter().zip(judged) {
        assert_eq!(judged == "good", *good, "the schema of {}: {text}", kind.files());
    }
}

fn as_json(node: &polder_contract::yaml::Node) -> Value {
    use polder_contract::yaml::Value as Yaml;
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => json!(flag),
        Yaml::Int(number) => json!(i64::try_from(*number).unwrap()),
        Yaml::Float(number) => json!(number),
        Yaml::Text(text) => json!(text),
        Yaml::List(items) => Value::Array(items.iter().map(as_json).collect()),
        Yaml::Map(map) => Value::Object(map.iter().map(|(key, value)| (key.name.clone(), as_json(value))).collect()),
    }
}

fn ask(question: &Value) -> Vec<String> {
    let python = std::env::var_os("POLDER_JUDGE_JSONSCHEMA_PYTHON")
        .expect("POLDER_JUDGE_JSONSCHEMA_PYTHON names a Python with jsonschema 4.26.0; `cargo xtask test` sets it up and sets it");
    let mut judge = Command::new(python).args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    judge.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
