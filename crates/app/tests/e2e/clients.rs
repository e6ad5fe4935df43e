//! The usual clients, each as a program of its own, against a clinic that is served: types, parameters, metadata, and an answer that is
//! larger than the server's memory. The scripts print what they saw as one JSON object, and pass against PostgreSQL itself as well.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::ran;
use crate::served::{BIG, CLEO, Clinic, ENDLESS, Served, VISITS};
use crate::servers::judge;

/// What a contract says of keys stays with the gate: the catalog that is served knows of none.
const KEY: [&str; 0] = [];

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/clients").join(name)
}

/// What a client prints that is told host, port, authority and name. Of this machine it sees nothing else.
fn told(served: &Served, wire: &str, mut client: Command) -> Value {
    client.args(["localhost", &served.port(wire).to_string()]).arg(served.ca()).arg(CLEO.name);
    client.env_clear().env("PATH", "/usr/bin:/bin").env("TZ", "UTC").env("HOME", "/nonexistent").env("PGPASSWORD", CLEO.password);
    if let Some(folder) = std::env::var_os("POLDER_JUDGE_NODE_PG") {
        client.env("POLDER_JUDGE_NODE_PG", folder);
    }
    let out = ran(client.stdin(Stdio::null()).output().unwrap()).ok();
    level(&serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}")))
}

fn python(name: &str) -> Command {
    let mut python = Command::new(judge("POLDER_JUDGE_CLIENTS_PYTHON"));
    python.arg("-I").arg(script(name));
    python
}

/// Numbers as one kind: whether a client writes `0` or `0.0` is its own affair.
fn level(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(level).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), level(value))).collect(),
        other => other.clone(),
    }
}

/// All that a client told is as it must be, and it told nothing else.
#[track_caller]
fn assert_told(told: &Value, expected: &Value) {
    let expected = level(expected);
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(told.get(key), Some(value), "{key} of {told:#}");
    }
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(told), keys(&expected));
}

/// The rows of visits, with ids and moments as a client writes them.
fn visits(id: impl Fn(i64) -> Value, seen: impl Fn(&str) -> String) -> Value {
    let rows = VISITS.iter().map(|row| {
        json!([
            id(row[0].unwrap().parse().unwrap()),
            row[1],
            row[2],
            row[3],
            row[4],
            row[5].map(&seen),
            row[6].map(|text| text == "true"),
            row[7].map(|text| text.parse::<f64>().unwrap()),
            row[8],
        ])
    });
    rows.collect()
}

fn number(id: i64) -> Value {
    json!(id)
}

/// Of [`BIG`]: how many rows, the bytes of their labels, and the sums of both ids.
fn big() -> Value {
    json!({"rows": 163_840, "bytes": 83_886_080, "left": 52_510_720, "right": 21_053_440})
}

fn types() -> Value {
    json!({"id": "int8", "patient": "text", "region": "text", "born": "date", "amount": "numeric", "seen": "timestamptz", "urgent": "bool",
        "weight": "float8", "note": "text"})
}

// SQLSTATEs, as PostgreSQL has them.
const MISSING: &str = "42P01";
/// Nothing is changed over a wire: there is no such statement here.
const READ_ONLY: &str = "42501";
const CANCELLED: &str = "57014";
const WRONG: &str = "28P01";
const NO_TLS: &str = "28000";

#[test]
fn psycopg_asks() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let mut told = told(&served, "postgres", python("psycopg.py"));
    let words = told.as_object_mut().unwrap().remove("wrong_password").unwrap();
    assert!(words.as_str().unwrap().contains("sign in: "), "{words}");
    let notes: Vec<Value> = VISITS.iter().map(|row| json!([row[0], row[8]])).collect();
    assert_told(
        &told,
        &json!({
            "tls": true, "user": "cleo", "database": "polder", "version": true,
            "types": types(), "rows": visits(number, |seen| seen.replace('Z', "+00:00")), "binary": true,
            "parameters": [1], "binary_parameters": [1], "null": true, "prepared": [1, 3, 6, 6],
            "cursor": big(), "stream": big(),
            "copy": notes, "copy_csv": ["1,north", "2,south", "3,north", "4,south", "5,north", "6,south", "id,region"],
            "pipeline": [6, 4, 2],
            "cancelled": CANCELLED, "afterwards": 1,
            "syntax": "42601", "missing": MISSING, "written": READ_ONLY, "in_transaction": [MISSING, "25P02"], "rolled_back": 1,
            "without_binding": 6,
        }),
    );
    served.stop();
}

#[test]
fn asyncpg_asks() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let told = told(&served, "postgres", python("asyncpg.py"));
    assert_told(
        &told,
        &json!({
            "version": true,
            "types": types(), "rows": visits(number, |seen| seen.replace('Z', "+00:00")),
            "parameter_types": ["text", "numeric", "date", "timestamptz", "bool", "float8", "int8"],
            "parameters": [1], "again": [1, 3, 6, 6], "null": true,
            "cursor": big(), "copy": ["COPY 3", "1\tnorth\n2\tsouth\n3\tnorth\n"],
            "codec": "120.50", "cancelled": true, "afterwards": 1, "missing": MISSING,
            "pool": [6, 5, 4, 3, 2, 1], "wrong_password": WRONG,
        }),
    );
    served.stop();
}

#[test]
fn sqlalchemy_reflects_and_pandas_reads() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let told = told(&served, "postgres", python("sqlalchemy.py"));
    let seen: Vec<Option<String>> = VISITS.iter().map(|row| row[5].map(|text| text.replace('Z', "+00:00"))).collect();
    assert_told(
        &told,
        &json!({
            "schema": "public", "tables": ["samples", "visits"], "has": [true, false],
            "columns": {
                "id": ["BIGINT", false], "patient": ["TEXT", false], "region": ["TEXT", false], "born": ["DATE", true],
                "amount": ["NUMERIC(12, 2)", true], "seen": ["TIMESTAMP", true], "urgent": ["BOOLEAN", true],
                "weight": ["DOUBLE PRECISION", true], "note": ["TEXT", true],
            },
            "key": KEY, "foreign_keys": [], "views": false, "reflected": ["samples", "visits"],
            "select": [[3, "Alan Turing"], [5, "Barbara Liskov"]], "sums": [["north", "115.26"], ["south", "113.10"]],
            "like": [5], "in": [2, 4], "page": [3, 4], "stream": big(),
            "frame": {
                "id": "i", "patient": "O", "region": "O", "born": "O", "amount": "f", "seen": "M", "urgent": "O", "weight": "f", "note": "O",
            },
            "ids": [1, 2, 3, 4, 5, 6], "seen": seen,
            "nulls": {"id": 0, "patient": 0, "region": 0, "born": 1, "amount": 0, "seen": 1, "urgent": 1, "weight": 1, "note": 1},
            "weights": 131.65, "asked": [3],
            "chunks": {"rows": 163_840, "left": 52_510_720, "bytes": 83_886_080}, "chunked": 9,
        }),
    );
    served.stop();
}

#[test]
fn odbc_asks() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let told = told(&served, "postgres", python("odbc.py"));
    assert_told(
        &told,
        &json!({
            "server": "PostgreSQL", "user": "cleo",
            "tables": [["public", "samples", "TABLE"], ["public", "visits", "TABLE"]],
            "columns": [
                ["id", "int8", 0], ["patient", "text", 0], ["region", "text", 0], ["born", "date", 1], ["amount", "numeric", 1],
                ["seen", "timestamptz", 1], ["urgent", "bool", 1], ["weight", "float8", 1], ["note", "text", 1],
            ],
            "key": KEY,
            "types": {
                "id": "int", "patient": "str", "region": "str", "born": "date", "amount": "Decimal", "seen": "datetime", "urgent": "bool",
                "weight": "float", "note": "str",
            },
            // It knows of no zones.
            "rows": visits(number, |seen| seen.replace('Z', "")),
            "parameters": [1], "again": [1, 3, 6, 6], "stream": big(), "missing": MISSING, "afterwards": 1,
            // So it says whatever the server's reason was.
            "wrong_password": "08001",
        }),
    );
    served.stop();
}

#[test]
fn jdbc_asks() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let mut java = Command::new("java");
    java.args(["-cp", "/usr/share/java/postgresql.jar"]).arg(script("Jdbc.java"));
    let told = told(&served, "postgres", java);
    // Its moments name their seconds and parts of them only where there are any.
    let seen = |text: &str| text.replace(":00Z", "Z");
    assert_told(
        &told,
        &json!({
            "product": "PostgreSQL", "user": "cleo", "schemas": true,
            "tables": [["public", "samples", "TABLE"], ["public", "visits", "TABLE"]],
            "columns": [
                ["id", "int8", "NO"], ["patient", "text", "NO"], ["region", "text", "NO"], ["born", "date", "YES"], ["amount", "numeric", "YES"],
                ["seen", "timestamptz", "YES"], ["urgent", "bool", "YES"], ["weight", "float8", "YES"], ["note", "text", "YES"],
            ],
            "key": KEY, "types": types(), "rows": visits(number, seen),
            "parameters": [1, 1, 1, 1, 0, 0, 0, 0], "parameter_count": 2, "counted": 2, "cursor": big(),
            "copied": 3, "copy": "1,north\n2,south\n3,north\n",
            "cancelled_copy": CANCELLED, "after_copy": 6, "cancelled": CANCELLED, "after_cancel": 6,
            "missing": MISSING, "written": READ_ONLY, "afterwards": 6, "wrong_password": WRONG, "without_tls": NO_TLS,
        }),
    );
    served.stop();
}

#[test]
fn node_postgres_asks() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    assert!(judge("POLDER_JUDGE_NODE_PG").is_dir());
    let mut node = Command::new("node");
    node.arg(script("node_pg.mjs"));
    let told = told(&served, "postgres", node);
    // Whole numbers of 64 bits are texts to it, and moments have milliseconds.
    let seen = |text: &str| {
        let (moment, part) = text.trim_end_matches('Z').split_once('.').unwrap_or((text.trim_end_matches('Z'), "000"));
        format!("{moment}.{}Z", &part[..3])
    };
    assert_told(
        &told,
        &json!({
            "types": {
                "id": 20, "patient": 25, "region": 25, "born": 1082, "amount": 1700, "seen": 1184, "urgent": 16, "weight": 701, "note": 25,
            },
            "rows": visits(|id| json!(id.to_string()), seen), "command": ["SELECT", 6],
            "parameters": ["1"], "again": ["1", "3", "6", "6"], "null": true, "several": [1, 6], "stream": big(),
            "missing": MISSING, "written": READ_ONLY, "afterwards": 1, "pool": ["6", "5", "4", "3", "2", "1"],
            "wrong_password": WRONG, "without_tls": NO_TLS,
        }),
    );
    served.stop();
}

#[test]
fn adbc_asks() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let told = told(&served, "flight", python("adbc.py"));
    let columns = ["id", "patient", "region", "born", "amount", "seen", "urgent", "weight", "note"];
    let ids: Vec<i64> = (1..=6).collect();
    assert_told(
        &told,
        &json!({
            "types": {
                "id": "int64", "patient": "string", "region": "string", "born": "date32[day]", "amount": "decimal128(12, 2)",
                "seen": "timestamp[us, tz=UTC]", "urgent": "bool", "weight": "double", "note": "string",
            },
            "rows": visits(number, |seen| seen.replace('Z', "+00:00")),
            "parameters": [1], "again": [1, 3, 6, 6], "prepared": 1, "stream": big(),
            "table": columns, "kinds": true, "objects": {"samples": ["id", "label"], "visits": columns},
            "frame": [ids, VISITS.iter().map(|row| row[4]).collect::<Vec<_>>()],
            "cancelled": true, "afterwards": 6, "missing": true, "wrong_password": true,
        }),
    );
    served.stop();
}

const DESCRIBED: [&str; 9] = [
    "id|bigint||not null|",
    "patient|text||not null|",
    "region|text||not null|",
    "born|date|||",
    "amount|numeric(12,2)|||",
    "seen|timestamp with time zone|||",
    "urgent|boolean|||",
    "weight|double precision|||",
    "note|text|||",
];

#[test]
fn psql_asks() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let file = clinic.project.beside("copied.csv");
    // What lists things tells their owners, which are none of this test's.
    let listed = |command: &str| {
        let rows = served.rows(CLEO, command).into_iter();
        rows.map(|row| row.split('|').take(3).collect::<Vec<_>>().join("|")).collect::<Vec<_>>()
    };
    assert_eq!(listed("\\d"), ["public|samples|table", "public|visits|table"]);
    assert_eq!(listed("\\dt"), ["public|samples|table", "public|visits|table"]);
    assert_eq!(listed("\\dn").iter().map(|row| row.split('|').next().unwrap()).collect::<Vec<_>>(), ["public"]);
    assert_eq!(served.rows(CLEO, "\\d visits"), DESCRIBED);
    let missing = served.asked(CLEO, "\\d nothing_here");
    assert!(missing.err.contains("Did not find any relation named \"nothing_here\"."), "{missing:?}");
    assert!(served.asked(CLEO, "\\conninfo").ok().contains("SSL connection (protocol: TLSv1.3"));

    let script = format!(
        "\\set least 3
select id, region from visits where id >= :least order by id;
\\set who 'north'
select count(*) from visits where region = :'who';
begin;
declare few cursor for select id from visits order by id;
fetch 2 from few;
fetch forward 3 from few;
fetch all from few;
close few;
commit;
\\copy (select id, note from visits order by id) to '{}' with (format csv, header)
\\set FETCH_COUNT 1000
\\o /dev/null
{};
\\o
\\echo :ROW_COUNT
select 'ready' as word, 2 as two \\gset
\\echo :word :two
",
        file.display(),
        BIG
    );
    clinic.project.write("script.sql", script);
    let path = clinic.project.dir().join("script.sql").display().to_string();
    let answered = ran(served.psql(CLEO).args(["--file", &path]).output().unwrap()).ok();
    let lines: Vec<&str> = answered.lines().collect();
    let begin = ["3|north", "4|south", "5|north", "6|south", "3", "BEGIN", "DECLARE CURSOR", "1", "2", "3", "4", "5", "6", "CLOSE CURSOR"];
    assert_eq!(lines[..14], begin, "{answered}");
    assert_eq!(lines[14..], ["COMMIT", "COPY 6", "163840", "ready 2"], "{answered}");
    let copied =
        "id,note\n1,\"said \"\"well\"\", then left\"\n2,\"ça va, naïve 🌷\"\n3,\n4,it's; -- no comment\n5,\"back\\slash, 100%\"\n6,\"\"\n";
    assert_eq!(std::fs::read_to_string(&file).unwrap(), copied);

    // Ctrl-C, while rows are coming.
    let mut psql = served.psql(CLEO);
    psql.args(["--command", &format!("copy ({ENDLESS}) to stdout")]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = psql.spawn().unwrap();
    let mut rows = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut rows, &mut first).unwrap();
    assert!(first.starts_with("sample "), "{first}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    std::io::copy(&mut rows, &mut std::io::sink()).unwrap();
    let err = ran(child.wait_with_output().unwrap()).fails(1);
    assert!(err.contains("Cancel request sent") && err.contains("ERROR:"), "{err}");
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["6"]);
    served.stop();
    // A question that was cancelled has an end, and it is not the whole.
    let finished = clinic.log_of("read_finished", "user:cleo");
    assert!(finished.iter().any(|entry| entry["details"]["complete"] == false), "{finished:#?}");
}
