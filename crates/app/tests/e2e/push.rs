//! Rows that programs send over REST: each form into the table, what is refused told row by row, and nothing loaded twice.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::StreamWriter;
use serde_json::{Value, json};

use crate::harness::{Project, Ran};
use crate::served::{Served, serve_in};

const CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 6f1c2f0e-58f1-4c0e-9a38-0d4b6d1f7a71
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: shop}
  - {property: polder.onViolation, value: quarantine}
  - {property: polder.rejectLimit, value: 0.5}
schema:
  - name: orders
    physicalName: orders
    properties:
      - {name: id, physicalName: id, logicalType: integer, required: true, logicalTypeOptions: {format: i64}}
      - {name: item, physicalName: item, logicalType: string, required: true, logicalTypeOptions: {maxLength: 40}}
      - {name: amount, physicalName: amount, logicalType: number, logicalTypeOptions: {minimum: 0, maximum: 1000}}
"#;

/// Columns of events are paths in them.
const EVENTS: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 6f1c2f0e-58f1-4c0e-9a38-0d4b6d1f7a72
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: shop}
  - {property: polder.onViolation, value: quarantine}
  - {property: polder.rejectLimit, value: 0.5}
schema:
  - name: made
    physicalName: made
    properties:
      - {name: id, physicalName: id, logicalType: string, required: true}
      - {name: kind, physicalName: type, logicalType: string, required: true}
      - {name: item, physicalName: data.item, logicalType: string}
      - {name: amount, physicalName: data.amount, logicalType: number}
"#;

const SOURCE: &str = "type: push
datasets:
  orders: {format: [ndjson, csv, arrow], max_bytes: 100000, max_rows: 500}
  made: {format: cloudevents}
";

const POLICIES: &str = r#"@id("till-sends-orders")
permit (principal == Service::"till", action == Action::"Run", resource == Table::"orders");

@id("till-sends-events")
permit (principal == Service::"till", action == Action::"Run", resource == Table::"made");
"#;

struct Shop {
    project: Project,
    /// Of the one who may send.
    till: String,
    /// Of one who may not.
    other: String,
}

impl Shop {
    fn new() -> Self {
        let project = Project::new();
        project.write("sources/shop.yaml", SOURCE);
        project.write("contracts/orders.odcs.yaml", CONTRACT);
        project.write("contracts/made.odcs.yaml", EVENTS);
        project.write("policies/shop.cedar", POLICIES);
        let polder = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
        project.write("polder.yaml", format!("{polder}    listeners: {{rest: \"127.0.0.1:0\"}}\n"));
        project.run(&["contract", "approve", "--all", "--yes"]).ok();
        let [till, other] = ["till", "other"].map(|name| {
            project.run(&["service", "add", name]).ok();
            project.run(&["token", "create", name]).ok().trim().to_owned()
        });
        Self { project, till, other }
    }

    /// A file beside the project, which curl sends.
    fn body(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.project.beside(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn send(&self, served: &Served, sent: &Sent<'_>) -> Answer {
        let body = self.body(&format!("body-{}", sent.key.replace('/', "_")), sent.body);
        let (data, token) = (format!("@{}", body.display()), format!("Authorization: Bearer {}", sent.token));
        let (kind, key) = (format!("Content-Type: {}", sent.kind), format!("Idempotency-Key: {}", sent.key));
        let mut args = vec!["--request", "POST", "--write-out", "\n%{http_code} %header{polder-replayed}", "--data-binary", &data];
        for header in [&token, &kind, &key] {
            args.extend(["--header", header.as_str()]);
        }
        for header in sent.headers {
            args.extend(["--header", header]);
        }
        Answer::of(served.curl(sent.path, &args))
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        self.project.rows(sql)
    }
}

/// What is sent.
#[derive(Clone, Copy)]
struct Sent<'a> {
    path: &'a str,
    token: &'a str,
    kind: &'a str,
    key: &'a str,
    body: &'a [u8],
    headers: &'a [&'a str],
}

impl<'a> Sent<'a> {
    fn orders(shop: &'a Shop, kind: &'a str, key: &'a str, body: &'a [u8]) -> Self {
        Self { path: "/v1/ingest/shop/orders", token: &shop.till, kind, key, body, headers: &[] }
    }

    fn made(shop: &'a Shop, kind: &'a str, key: &'a str, body: &'a [u8]) -> Self {
        Self { path: "/v1/ingest/shop/made", ..Self::orders(shop, kind, key, body) }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    replayed: bool,
    body: Value,
}

impl Answer {
    fn of(ran: Ran) -> Self {
        let out = ran.ok();
        let (body, last) = out.rsplit_once('\n').unwrap();
        let (status, replayed) = last.split_once(' ').unwrap();
        Self { status: status.parse().unwrap(), replayed: replayed == "true", body: serde_json::from_str(body).unwrap() }
    }

    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.body
    }

    /// The problem without what names this one occurrence.
    #[track_caller]
    fn problem(mut self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body.as_object_mut().unwrap().remove("instance");
        self.body
    }
}

#[track_caller]
fn counts(answer: &Value) -> [u64; 4] {
    ["read", "loaded", "rejected", "quarantined"].map(|name| answer[name].as_u64().unwrap_or_else(|| panic!("{answer:#}")))
}

const NDJSON: &str = "application/x-ndjson";

fn lines(ids: std::ops::Range<u32>) -> String {
    ids.map(|id| format!("{{\"id\": {id}, \"item\": \"tea\", \"amount\": {id}.5, \"note\": \"outside\"}}\n")).collect()
}

fn stream() -> Vec<u8> {
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![20, 21])) as ArrayRef),
        ("item", Arc::new(StringArray::from(vec!["cup", "pot"]))),
        ("amount", Arc::new(Float64Array::from(vec![Some(3.5), None]))),
    ])
    .unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn event(id: &str, amount: u32) -> String {
    json!({
        "specversion": "1.0", "id": id, "source": "/till/1", "type": "order.made", "time": "2026-11-28T12:00:00Z",
        "data": {"item": "tea", "amount": amount},
    })
    .to_string()
}

#[test]
fn each_form_comes_into_the_table_and_the_log_tells_who_sent_it() {
    let shop = Shop::new();
    let served = serve_in(&shop.project);
    let first = shop.send(&served, &Sent::orders(&shop, NDJSON, "a", lines(1..3).as_bytes())).ok();
    assert_eq!((counts(&first), &first["verdicts"]), ([2, 2, 0, 0], &json!([])));
    let second = shop.send(&served, &Sent::orders(&shop, "text/csv", "b", b"amount,id,item,other\n1.5,10,\"a, b\",x\n,11,milk,y\n")).ok();
    assert_eq!(counts(&second), [2, 2, 0, 0]);
    assert!(second["batch"].as_u64() > first["batch"].as_u64(), "{second:#}");
    let third = shop.send(&served, &Sent::orders(&shop, "application/vnd.apache.arrow.stream", "c", &stream())).ok();
    assert_eq!(counts(&third), [2, 2, 0, 0]);
    assert_eq!(
        shop.rows("select id, item, amount from orders order by id"),
        ["1,tea,1.5", "2,tea,2.5", "10,\"a, b\",1.5", "11,milk,", "20,cup,3.5", "21,pot,"]
    );
    // Events: one, several, and one whose attributes are headers.
    let one = event("1", 5);
    assert_eq!(counts(&shop.send(&served, &Sent::made(&shop, "application/cloudevents+json", "d", one.as_bytes())).ok()), [1, 1, 0, 0]);
    let batch = format!("[{},\n{}]", event("2", 6), event("3", 7));
    let kind = "application/cloudevents-batch+json; charset=utf-8";
    assert_eq!(counts(&shop.send(&served, &Sent::made(&shop, kind, "e", batch.as_bytes())).ok()), [2, 2, 0, 0]);
    let headers = ["ce-specversion: 1.0", "ce-id: caf%C3%A9", "ce-source: /till/2", "ce-type: order.made"];
    let binary = Sent { headers: &headers, ..Sent::made(&shop, "application/json", "f", br#"{"item": "jam", "amount": 8}"#) };
    assert_eq!(counts(&shop.send(&served, &binary).ok()), [1, 1, 0, 0]);
    assert_eq!(
        shop.rows("select id, kind, item, cast(amount as bigint) as amount from made order by amount"),
        ["1,order.made,tea,5", "2,order.made,tea,6", "3,order.made,tea,7", "café,order.made,jam,8"]
    );
    // A dataset takes the forms that its source names.
    shop.send(&served, &Sent::made(&shop, NDJSON, "g", b"{}")).problem(415);
    // `polder run` has nothing to read there, and says so.
    let run = shop.project.run(&["run"]).ok();
    assert!(run.contains("orders       pushed") && run.contains("POST /v1/ingest/"), "{run}");
    let refused = shop.project.run(&["run", "--select", "orders", "--full-refresh"]);
    assert!(refused.code != Some(0) && format!("{}{}", refused.out, refused.err).contains("it is pushed to"), "{refused:?}");
    served.stop();

    let shown = shop.project.json(&["audit", "show", "--type", "push_decided", "--limit", "100"]);
    let decided = shown.as_array().unwrap();
    assert_eq!(decided.len(), 7, "{shown:#}");
    for entry in decided {
        assert_eq!((&entry["actor"], &entry["private"]["source"]), (&json!("service:till"), &json!("shop")), "{entry:#}");
        let policy = if entry["private"]["dataset"] == "orders" { "till-sends-orders" } else { "till-sends-events" };
        assert_eq!(entry["details"]["policies"], json!([policy]), "{entry:#}");
    }
    let runs: BTreeSet<&str> = decided.iter().map(|entry| entry["details"]["run"].as_str().unwrap()).collect();
    assert!([&first, &second, &third].iter().all(|answer| runs.contains(answer["run"].as_str().unwrap())));
    shop.project.run(&["audit", "verify"]).ok();
}

#[test]
fn rows_that_break_the_contract_are_told_one_by_one_and_no_value_is() {
    let shop = Shop::new();
    let served = serve_in(&shop.project);
    let body = concat!(
        "{\"id\": 1, \"item\": \"tea\", \"amount\": 1}\n",
        "{\"id\": 2, \"item\": \"secret-value\", \"amount\": 100000}\n",
        "{\"id\": 3, \"item\": \"tea\", \"id\": 4}\n",
        "{\"id\": 5, \"item\": \"tea\"}\n",
        "{\"id\": 6, \"item\": \"tea\", \"amount\": \"secret-value\"}\n",
        "{\"id\": 7, \"item\": \"tea\"}\n",
        "{\"id\": 8, \"item\": \"tea\"}\n",
    );
    let answer = shop.send(&served, &Sent::orders(&shop, NDJSON, "a", body.as_bytes())).ok();
    assert_eq!(counts(&answer), [7, 4, 0, 3]);
    let told: Vec<(u64, &str, &str)> = answer["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|verdict| {
            assert!(!verdict["reason"].as_str().unwrap().is_empty() && verdict["verdict"] == "quarantined", "{verdict:#}");
            (verdict["row"].as_u64().unwrap(), verdict["column"].as_str().unwrap_or_default(), verdict["rule"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, [(2, "amount", "maximum"), (3, "", "malformed:duplicate_key"), (5, "amount", "type")]);
    assert_eq!(answer["verdicts_truncated"], false);
    assert!(!answer.to_string().contains("secret-value"));
    assert_eq!(shop.rows("select count(*) from orders"), ["4"]);
    // More than the contract lets: nothing comes in, and the rows are told all the same.
    let bad = "{\"id\": 1, \"item\": \"tea\", \"amount\": -1}\n".repeat(3) + "{\"id\": 9, \"item\": \"tea\"}\n";
    let problem = shop.send(&served, &Sent::orders(&shop, NDJSON, "b", bad.as_bytes())).problem(422);
    assert_eq!((counts(&problem["load"]), &problem["load"]["batch"]), ([4, 0, 3, 0], &Value::Null));
    assert_eq!(problem["load"]["verdicts"].as_array().unwrap().len(), 3, "{problem:#}");
    assert_eq!(shop.rows("select count(*) from orders"), ["4"]);
    // What was not loaded is not remembered: the same key may send what is right.
    assert_eq!(counts(&shop.send(&served, &Sent::orders(&shop, NDJSON, "b", lines(9..10).as_bytes())).ok()), [1, 1, 0, 0]);
    // More rows, and more bytes, than the dataset takes.
    shop.send(&served, &Sent::orders(&shop, NDJSON, "c", lines(0..501).as_bytes())).problem(422);
    shop.send(&served, &Sent::orders(&shop, NDJSON, "d", &[b' '; 100_001])).problem(413);
    assert_eq!(shop.rows("select count(*) from orders"), ["5"]);
    served.stop();
}

#[test]
fn a_request_that_is_sent_again_is_answered_again_and_loaded_once() {
    let shop = Shop::new();
    let served = serve_in(&shop.project);
    let body = lines(1..4) + "{\"id\": 4, \"item\": \"tea\", \"amount\": -1}\n";
    let first = shop.send(&served, &Sent::orders(&shop, NDJSON, "k", body.as_bytes()));
    assert!(!first.replayed);
    let first = first.ok();
    for _ in 0..2 {
        let again = shop.send(&served, &Sent::orders(&shop, NDJSON, "k", body.as_bytes()));
        assert!(again.replayed);
        assert_eq!(again.ok(), first);
    }
    // Another body, or the same in another form, is not what the key stands for.
    let other = shop.send(&served, &Sent::orders(&shop, NDJSON, "k", lines(1..4).as_bytes())).problem(422);
    assert_eq!(other["type"], "urn:polder:problem:other_body");
    shop.send(&served, &Sent::orders(&shop, "text/csv", "k", body.as_bytes())).problem(422);
    assert_eq!(shop.rows("select count(*) from orders"), ["3"]);
    served.stop();
    // It is known after a restart, too; and a key of one account is none of another's.
    shop.project.write("policies/other.cedar", POLICIES.replace("till", "other"));
    let served = serve_in(&shop.project);
    let again = shop.send(&served, &Sent::orders(&shop, NDJSON, "k", body.as_bytes()));
    assert!(again.replayed);
    assert_eq!(again.ok(), first);
    let theirs = Sent { token: &shop.other, ..Sent::orders(&shop, NDJSON, "k", body.as_bytes()) };
    let theirs = shop.send(&served, &theirs);
    assert!(!theirs.replayed);
    assert_ne!(theirs.ok()["run"], first["run"]);
    assert_eq!(shop.rows("select count(*) from orders"), ["6"]);
    served.stop();
}

/// `polder serve` that a real signal ends at a named point. The port on which it listens, and the process.
fn serve_until(project: &Project, point: &str) -> (u16, std::process::Child) {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_polder"), "serve", "--output", "json", "--kill-at", point]);
    command.current_dir(project.dir()).env_remove("RUST_BACKTRACE").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap_or_else(|_| panic!("it does not serve: {ready}"));
    let address = ready["listening"]["rest"].as_str().unwrap().to_owned();
    (address.rsplit_once(':').unwrap().1.parse().unwrap(), child)
}

#[test]
fn killed_before_it_answers_it_has_loaded_once_when_the_request_comes_again() {
    let shop = Shop::new();
    let body = lines(1..4);
    // Before the commit, between it and the record that it happened, and when all is done but the answer.
    for (number, (point, loaded_before)) in
        [("offsets-written", false), ("lake.before_outcome", true), ("push-answer", true)].into_iter().enumerate()
    {
        // Made once, so that the certificate's authority is there.
        serve_in(&shop.project).stop();
        let (port, mut child) = serve_until(&shop.project, point);
        let path = shop.body("killed", body.as_bytes());
        let key = format!("killed-{number}");
        let mut curl = Command::new("curl");
        curl.args(["--disable", "--silent", "--show-error", "--tlsv1.3", "--max-time", "120", "--cacert"])
            .arg(shop.project.beside("ca.pem"));
        curl.args(["--header", &format!("Authorization: Bearer {}", shop.till), "--header", &format!("Content-Type: {NDJSON}")]);
        curl.args(["--header", &format!("Idempotency-Key: {key}"), "--data-binary", &format!("@{}", path.display())]);
        let answered = curl.arg(format!("https://localhost:{port}/v1/ingest/shop/orders")).output().unwrap();
        assert!(!answered.status.success(), "{point}: {}", String::from_utf8_lossy(&answered.stdout));
        assert_eq!(child.wait().unwrap().signal(), Some(9), "{point}");
        let served = serve_in(&shop.project);
        let again = shop.send(&served, &Sent::orders(&shop, NDJSON, &key, body.as_bytes()));
        assert_eq!(again.replayed, loaded_before, "{point}");
        assert_eq!(counts(&again.ok()), [3, 3, 0, 0]);
        let once = shop.send(&served, &Sent::orders(&shop, NDJSON, &key, body.as_bytes()));
        assert!(once.replayed);
        assert_eq!(shop.rows("select count(*) from orders"), [(3 * (number + 1)).to_string()], "{point}");
        served.stop();
    }
    shop.project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_dataset_that_one_may_not_send_into_is_as_one_that_is_not_there() {
    let shop = Shop::new();
    shop.project.write("data/files.csv", "id\n1\n");
    shop.project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  files: {file: files.csv}\n");
    let files = CONTRACT.replace("value: shop", "value: files").replace("orders", "files").replace("0d4b6d1f7a71", "0d4b6d1f7a73");
    shop.project.write("contracts/files.odcs.yaml", files);
    shop.project.run(&["contract", "approve", "--all", "--yes"]).ok();
    let served = serve_in(&shop.project);
    let body = lines(1..2);
    let sent = Sent::orders(&shop, NDJSON, "k", body.as_bytes());
    // May not; is not there; is none that is pushed to.
    let mut told = BTreeSet::new();
    for sent in [
        Sent { token: &shop.other, ..sent },
        Sent { path: "/v1/ingest/shop/none", ..sent },
        Sent { path: "/v1/ingest/none/orders", ..sent },
        Sent { path: "/v1/ingest/files/files", ..sent },
        Sent { path: "/v1/ingest/..%2fsources%2fshop/orders", ..sent },
        // Of one that is there, a form that it does not take tells nothing either.
        Sent { token: &shop.other, kind: "application/cloudevents+json", ..sent },
    ] {
        told.insert(shop.send(&served, &sent).problem(404).to_string());
    }
    assert_eq!(told.len(), 1, "{told:#?}");
    // The control.
    assert_eq!(counts(&shop.send(&served, &sent).ok()), [1, 1, 0, 0]);
    served.stop();
    let refused = shop.project.json(&["audit", "show", "--type", "refused", "--limit", "100"]);
    let by = |actor: &str| refused.as_array().unwrap().iter().filter(|entry| entry["actor"] == actor).count();
    assert_eq!((by("service:other"), by("service:till")), (2, 4), "{refused:#}");
}

#[test]
fn sixteen_at_once_load_each_row_once() {
    let shop = Shop::new();
    let served = serve_in(&shop.project);
    std::thread::scope(|scope| {
        for worker in 0..16u32 {
            let (shop, served) = (&shop, &served);
            scope.spawn(move || {
                for turn in 0..2u32 {
                    let id = worker * 10 + turn;
                    let (key, event) = (format!("{worker}-{turn}"), event(&format!("{id}"), id));
                    // Half of them into another table, and everything twice.
                    for _ in 0..2 {
                        let body = lines(id..id + 1);
                        let sent = match worker % 2 {
                            0 => Sent::orders(shop, NDJSON, &key, body.as_bytes()),
                            _ => Sent::made(shop, "application/cloudevents+json", &key, event.as_bytes()),
                        };
                        assert_eq!(counts(&shop.send(served, &sent).ok()), [1, 1, 0, 0]);
                    }
                }
            });
        }
    });
    assert_eq!(shop.rows("select count(*), count(distinct id) from orders"), ["16,16"]);
    assert_eq!(shop.rows("select count(*), count(distinct id) from made"), ["16,16"]);
    served.stop();
    shop.project.run(&["audit", "verify"]).ok();
}

#[test]
fn no_body_however_broken_is_a_defect_of_the_program() {
    let shop = Shop::new();
    let served = serve_in(&shop.project);
    let arrow = stream();
    let (half, cut) = (&arrow[..arrow.len() / 2], &arrow[..arrow.len() - 9]);
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3];
    let deep = "{\"a\":".repeat(5000);
    let bodies: [&[u8]; 13] = [
        b"",
        b"\n\n",
        b"[1]",
        b"{",
        b"\xff\xfe{\x00}\x00",
        b"\x00\x01\x02",
        b"id,item\n\"1,a",
        b"id\rid\r",
        b"id,id\n1,2\n",
        half,
        cut,
        &gzip,
        deep.as_bytes(),
    ];
    let mut statuses = BTreeSet::new();
    for (number, body) in bodies.iter().enumerate() {
        for kind in [NDJSON, "text/csv", "application/vnd.apache.arrow.stream"] {
            let key = format!("{number}-{}", kind.replace('/', "-"));
            let answer = shop.send(&served, &Sent::orders(&shop, kind, &key, body));
            assert!(matches!(answer.status, 200 | 400 | 422), "{number} as {kind}: {answer:?}");
            statuses.insert(answer.status);
        }
        let key = format!("{number}-event");
        let answer = shop.send(&served, &Sent::made(&shop, "application/cloudevents+json", &key, body));
        assert!(matches!(answer.status, 400 | 422), "{number} as an event: {answer:?}");
    }
    assert!(statuses.contains(&422), "{statuses:?}");
    // It goes on as before.
    assert_eq!(counts(&shop.send(&served, &Sent::orders(&shop, NDJSON, "fine", lines(1..2).as_bytes())).ok()), [1, 1, 0, 0]);
    let said = served.stop();
    assert!(!said.contains("panicked"), "{said}");
}
