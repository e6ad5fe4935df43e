//! Refused rows: kept, shown, and loaded once the contract admits them.

use crate::harness::{PEOPLE_CONTRACT, Project};
use crate::hostile::bounded::{WALL, run_bounded};

fn counts(project: &Project, args: &[&str]) -> serde_json::Value {
    let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
    let report: serde_json::Value = serde_json::from_str(&project.run(&args).ok()).unwrap();
    report["batches"][0].clone()
}

#[test]
fn a_wider_contract_takes_refused_rows_up_again_once() {
    for disposition in ["append", "replace"] {
        let project = Project::new();
        project.people("1,Ann,41,s\n2,Bob,200,s\n3,Cid,300,s\n4,Dee,20,s\n5,Eve,1,s\n6,too,many,fields,s\n");
        let contract = |maximum: &str| {
            PEOPLE_CONTRACT
                .replace("value: 0.5}", &format!("value: 0.9}}\n  - {{property: polder.disposition, value: {disposition}}}"))
                .replace("maximum: 150", &format!("maximum: {maximum}"))
        };
        project.write("contracts/people.odcs.yaml", contract("150"));
        project.run(&["contract", "approve", "people", "--yes"]).ok();
        assert_eq!(counts(&project, &["run"])["counts"]["quarantined"], 3);
        let shown = project.run(&["quarantine", "show", "people"]).ok();
        assert!(shown.contains("Bob") && shown.contains("maximum"), "{shown}");
        // As the contract stands, nothing would change but the log.
        project.write("contracts/people.odcs.yaml", contract("250"));
        project.run(&["quarantine", "replay", "people"]).fails(3);
        project.run(&["contract", "approve", "people", "--yes"]).ok();
        let replayed = counts(&project, &["quarantine", "replay", "people"]);
        assert_eq!((&replayed["counts"]["read"], &replayed["counts"]["loaded"]), (&3.into(), &1.into()), "{replayed}");
        assert_eq!(replayed["counts"]["independent"], true);
        assert_eq!(replayed["counts"]["quarantined"], 2);
        assert_eq!(project.rows("select id, age from people order by id"), ["1,41", "2,200", "4,20", "5,1"]);
        project.write("contracts/people.odcs.yaml", contract("350"));
        project.run(&["contract", "approve", "people", "--yes"]).ok();
        assert_eq!(counts(&project, &["quarantine", "replay", "people"])["counts"]["loaded"], 1);
        assert_eq!(project.rows("select count(*) from people"), ["5"], "{disposition}");
        let listed = project.run(&["quarantine", "list", "people"]).ok();
        assert!(listed.contains("replayed"), "{listed}");
        if disposition == "append" {
            assert_eq!(counts(&project, &["run"])["status"], "unchanged");
        }
        project.run(&["audit", "verify"]).ok();
    }
}

#[test]
fn rows_of_a_failed_batch_are_not_those_of_the_next() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,200,s\n3,Cid,300,s\n");
    project.run(&["run"]).fails(3);
    let contract = |limit: &str, maximum: &str| PEOPLE_CONTRACT.replace("value: 0.5}", limit).replace("maximum: 150", maximum);
    project.write("contracts/people.odcs.yaml", contract("value: 0.9}", "maximum: 150"));
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    project.run(&["run"]).ok();
    let listed = project.run(&["quarantine", "list", "people", "--output", "json"]).ok();
    assert_eq!(listed.matches("\"not committed\"").count(), 1, "{listed}");
    project.write("contracts/people.odcs.yaml", contract("value: 0.9}", "maximum: 1500"));
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    assert_eq!(counts(&project, &["quarantine", "replay", "people"])["counts"]["loaded"], 2);
    assert_eq!(project.rows("select count(*) from people"), ["3"]);
}

/// Refused rows as JSON, by their ids.
fn shown(project: &Project) -> serde_json::Value {
    serde_json::from_str(&project.run(&["quarantine", "show", "people", "--output", "json"]).ok()).unwrap()
}

#[test]
fn null_is_not_an_empty_text_and_bytes_are_told_exactly() {
    let project = Project::new();
    project.people("");
    project.write("sources/files.yaml", "type: ndjson\npath: data\ndatasets:\n  people: {file: people.ndjson}\n");
    project.write(
        "data/people.ndjson",
        "{\"id\":1,\"name\":\"Ann\",\"age\":41}\n{\"id\":2,\"name\":\"Bob\",\"age\":42}\n{\"id\":3,\"name\":null,\"age\":999}\n\
         {\"id\":4,\"name\":\"\",\"age\":999}\n{\"id\":5,\"name\":\"NULL\",\"age\":999}\n{\"id\":6,\"name\":\"a age=5\",\"age\":999}\n",
    );
    project.write("contracts/people.odcs.yaml", PEOPLE_CONTRACT.replace("value: 0.5}", "value: 0.9}"));
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    project.run(&["run"]).ok();
    let names: Vec<serde_json::Value> = shown(&project).as_array().unwrap().iter().map(|row| row["row"]["name"].clone()).collect();
    assert_eq!(names, [serde_json::Value::Null, "".into(), "NULL".into(), "a age=5".into()]);
    let text = project.run(&["quarantine", "show", "people"]).ok();
    for cell in ["id=3 name=NULL age=999", "id=4 name=\"\" age=999", "id=5 name=\"NULL\" age=999", "id=6 name=\"a age=5\" age=999"] {
        assert!(text.contains(cell), "{cell}: {text}");
    }
    let project = Project::new();
    project.people("");
    project.write("data/people.csv", b"id,name,age\n1,Ann,41\n2,Bob,42\n3,caf\xe9\\,43\n4,caf\\xe9,999\n");
    project.run(&["run"]).ok();
    let names: Vec<serde_json::Value> = shown(&project).as_array().unwrap().iter().map(|row| row["row"]["name"].clone()).collect();
    assert_eq!(names, [serde_json::json!({ "not_utf8": "caf\\xe9\\\\" }), "caf\\xe9".into()]);
    let text = project.run(&["quarantine", "show", "people"]).ok();
    assert!(text.contains("name=\"caf\\xe9\\\\\"") && text.contains("name=\"caf\\\\xe9\"") && !text.contains('\u{fffd}'), "{text}");
}

#[test]
fn malformed_records_are_counted_apart_from_those_that_are_kept() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,200,s\n3,too,many,fields,s\n4,Dee,20,s\n5,too,few\n6,Eve,7,s\n");
    let out = project.run(&["run"]).ok();
    assert!(out.contains("6 read = 3 loaded + 3 quarantined, 2 of them malformed and not kept"), "{out}");
    let other = Project::new();
    other.people("1,Ann,41,s\n2,Bob,200,s\n3,too,many,fields,s\n4,Dee,20,s\n5,too,few\n6,Eve,7,s\n");
    let again = counts(&other, &["run", "--dry-run"]);
    assert_eq!((&again["counts"]["quarantined"], &again["not_kept"]), (&3.into(), &2.into()), "{again}");
    let kept = shown(&project);
    let rows = kept.as_array().unwrap();
    assert_eq!((rows.len(), rows.iter().filter(|row| row["row"] == serde_json::json!({})).count()), (3, 2), "{kept}");
    // Where rows are dropped none is kept, and none is told apart.
    let project = Project::new();
    project.people("1,Ann,41,s\n3,too,many,fields,s\n");
    project.write("contracts/people.odcs.yaml", PEOPLE_CONTRACT.replace("value: quarantine", "value: drop"));
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    let report = counts(&project, &["run"]);
    assert_eq!((&report["counts"]["rejected"], &report["not_kept"]), (&1.into(), &0.into()), "{report}");
}

/// 12,000 refused rows of a kilobyte, which make several objects, after some good ones.
fn many_refused(project: &Project, file: &str, good: std::ops::Range<u32>) {
    let long = "x".repeat(1_000);
    let good: String = good.map(|id| format!("{id},Name,1,s\n")).collect();
    let bad: String = (100_000..112_000).map(|id| format!("{id},{long},1,s\n")).collect();
    project.write(file, format!("id,name,age,secret\n{good}{bad}"));
}

fn limit(project: &Project, share: &str) {
    project.write("contracts/people.odcs.yaml", PEOPLE_CONTRACT.replace("value: 0.5}", &format!("value: {share}}}")));
    project.run(&["contract", "approve", "people", "--yes"]).ok();
}

/// Objects in quarantine, and their bytes.
fn kept(project: &Project) -> (usize, u64) {
    let files = project.store_files();
    let sizes = files.iter().filter(|file| file.starts_with(project.store().join("quarantine"))).map(|file| file.metadata().unwrap().len());
    let sizes: Vec<u64> = sizes.collect();
    (sizes.len(), sizes.iter().sum())
}

/// What `quarantine list` counts: (batch, rows), by batch.
fn listed(project: &Project) -> Vec<(String, u64)> {
    let listed: serde_json::Value = serde_json::from_str(&project.run(&["quarantine", "list", "people", "--output", "json"]).ok()).unwrap();
    let row = |row: &serde_json::Value| (row["batch"].as_str().unwrap().to_owned(), row["rows"].as_u64().unwrap());
    let mut rows: Vec<_> = listed.as_array().unwrap().iter().map(row).collect();
    rows.sort();
    rows
}

#[test]
fn a_load_that_fails_again_and_again_does_not_fill_the_disk() {
    let project = Project::new();
    project.people("");
    many_refused(&project, "data/people.csv", 1..10);
    for _ in 0..3 {
        let error = project.run(&["run"]).fails(3);
        assert!(error.contains("reject"), "{error}");
        // Why it failed is still seen: the first 1,000 rows of the newest failure.
        let (objects, bytes) = kept(&project);
        assert_eq!(objects, 1);
        assert!(bytes < 2 << 20, "{bytes} bytes");
        assert_eq!(listed(&project), [("not committed".to_owned(), 1_000)]);
        assert!(project.run(&["quarantine", "show", "people", "--limit", "1"]).ok().contains("maxLength"));
    }
    // A batch that is committed keeps all of its rows, whatever fails after it.
    limit(&project, "1.0");
    project.run(&["run"]).ok();
    assert_eq!(listed(&project), [("committed".to_owned(), 12_000), ("not committed".to_owned(), 1_000)]);
    let committed = kept(&project);
    limit(&project, "0.5");
    many_refused(&project, "data/people-2.csv", 10..20);
    for _ in 0..2 {
        project.run(&["run"]).fails(3);
        assert_eq!(listed(&project), [("committed".to_owned(), 12_000), ("not committed".to_owned(), 1_000)]);
        let now = kept(&project);
        assert!(now.0 == committed.0 && now.1.abs_diff(committed.1) < 1 << 16, "{committed:?} became {now:?}");
    }
    assert_eq!(project.rows("select count(*) from people"), ["9"]);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn what_a_killed_load_left_in_quarantine_goes_with_the_next_one() {
    for (point, objects) in [("quarantine-before", 2), ("quarantine-after", 3), ("offsets-written", 3)] {
        let project = Project::new();
        project.people("");
        limit(&project, "1.0");
        many_refused(&project, "data/people.csv", 1..10);
        for _ in 0..2 {
            project.run(&["run", "--kill-at", point]).killed();
            // What the first one left but its sample went when the second began, and that sample is gone when a third begins.
            assert!(kept(&project).0 >= objects && kept(&project).0 <= objects + 1, "{point}: {:?}", kept(&project));
        }
        project.run(&["run"]).ok();
        assert_eq!(listed(&project), [("committed".to_owned(), 12_000), ("not committed".to_owned(), 1_000)], "{point}");
        // The log says what became of the killed batches.
        let failed = project.run(&["audit", "show", "--type", "batch_failed", "--limit", "100"]).ok();
        assert!(failed.contains("batch_failed"), "{failed}");
        assert_eq!(counts(&project, &["run"])["status"], "unchanged");
        project.admit_ages(200);
        limit(&project, "1.0");
        project.run(&["audit", "verify"]).ok();
    }
}

#[test]
fn a_killed_commit_keeps_all_of_its_refused_rows() {
    for point in ["lake.after_commit#2", "lake.before_outcome#2", "lake.after_outcome#2"] {
        let project = Project::new();
        project.people("");
        limit(&project, "1.0");
        many_refused(&project, "data/people.csv", 1..10);
        project.run(&["run", "--kill-at", point]).killed();
        // The next load fails: its own leftovers go, those of the recovered batch stay.
        limit(&project, "0.5");
        many_refused(&project, "data/people-2.csv", 10..20);
        project.run(&["run"]).fails(3);
        assert_eq!(listed(&project), [("committed".to_owned(), 12_000), ("not committed".to_owned(), 1_000)], "{point}");
    }
}

#[test]
fn repeated_rows_are_gathered_in_bounded_memory() {
    let project = Project::new();
    project.people("");
    // Every second row has the key of the second row.
    let rows: String = (0..1_000_000u32).map(|row| format!("{},number {row},1,s\n", if row % 2 == 0 { 1 } else { row })).collect();
    project.write("data/people.csv", format!("id,name,age,secret\n{rows}"));
    drop(rows);
    let run = || run_bounded(project.command(&["run"]), &project.beside("printed"), WALL).check().unwrap();
    // More than the contract lets: the batch fails before any repeated row is gathered, and says where the first ones are.
    limit(&project, "0.1");
    let ended = run();
    ended.must_end_with(3).unwrap();
    assert!(ended.err.contains("more than its polder.rejectLimit"), "{ended}");
    assert_eq!(listed(&project), [("not committed".to_owned(), 1_000)]);
    let shown = project.run(&["quarantine", "show", "people", "--limit", "1"]).ok();
    assert!(shown.contains("primaryKey") && shown.contains("before its repeated rows were gathered"), "{shown}");
    // No more than it lets: each is kept, with its values.
    limit(&project, "0.6");
    let ended = run();
    ended.must_end_with(0).unwrap();
    assert!(ended.out.contains("1000000 read = 500000 loaded + 500000 quarantined"), "{ended}");
    assert_eq!(listed(&project), [("committed".to_owned(), 500_000), ("not committed".to_owned(), 1_000)]);
    let shown = project.run(&["quarantine", "show", "people", "--limit", "2000"]).ok();
    // Which run comes first, and which of its batches, is chance.
    let kept = shown.lines().filter(|line| line.contains("primaryKey") && line.contains("id=1 name=\"number ") && line.contains("age=1"));
    assert!(kept.count() >= 1_000, "{}", shown.lines().last().unwrap());
}

#[test]
fn a_replay_into_a_contract_that_gained_a_column_is_refused_and_names_it() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,200,s\n");
    project.run(&["run"]).ok();
    let file = "contracts/people.odcs.yaml";
    let contract = std::fs::read_to_string(project.dir().join(file)).unwrap();
    project.write(
        file,
        format!("{contract}      - {{name: secret, physicalName: secret, logicalType: string}}\n").replace("maximum: 150", "maximum: 300"),
    );
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    let err = project.run(&["quarantine", "replay", "people"]).fails(3);
    assert!(err.contains("column \"secret\" was not authorised when they were kept") && err.contains("table people"), "{err}");
    assert!(project.run(&["quarantine", "list", "people"]).ok().contains("maximum"));
    // Nor did the table change for it.
    let shown = project.run(&["table", "show", "people"]).ok();
    assert!(!shown.contains("secret") && shown.contains("name"), "{shown}");
    // Without the column they are taken up.
    project.write(file, contract.replace("maximum: 150", "maximum: 300"));
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    project.run(&["quarantine", "replay", "people"]).ok();
    assert_eq!(project.rows("select name from people order by name"), ["Ann", "Bob"]);
}

#[test]
fn what_a_refresh_read_again_is_replayed_once() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,200,s\n3,Cid,20,s\n");
    assert_eq!(counts(&project, &["run"])["counts"]["quarantined"], 1);
    // The row is read again, and refused again: it is kept twice, and is one row.
    assert_eq!(counts(&project, &["run", "--full-refresh"])["counts"]["quarantined"], 1);
    assert_eq!(listed(&project).len(), 2);
    project.admit_ages(250);
    let replayed = counts(&project, &["quarantine", "replay", "people"]);
    let counted = &replayed["counts"];
    assert_eq!((&counted["read"], &counted["loaded"], &counted["quarantined"]), (&1.into(), &1.into(), &0.into()), "{replayed}");
    assert_eq!(project.rows("select id, age from people order by id"), ["1,41", "2,200", "3,20"]);
    assert_eq!(counts(&project, &["quarantine", "replay", "people"])["status"], "unchanged");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn what_a_restored_table_gets_from_its_source_again_is_not_replayed_as_well() {
    for refused_again in [false, true] {
        let project = Project::new();
        project.people("1,Ann,41,s\n");
        let first = counts(&project, &["run"])["version"].to_string();
        project.write("data/people2.csv", "id,name,age,secret\n2,Bob,200,s\n3,Cid,20,s\n");
        assert_eq!(counts(&project, &["run"])["counts"]["quarantined"], 1);
        project.run(&["table", "restore", "people", "--version", &first, "--yes"]).ok();
        if refused_again {
            assert_eq!(counts(&project, &["run"])["counts"]["quarantined"], 1);
            project.admit_ages(250);
            // Of the two that are kept of it the newer one.
            let replayed = counts(&project, &["quarantine", "replay", "people"]);
            let counted = &replayed["counts"];
            assert_eq!((&counted["read"], &counted["loaded"], &counted["quarantined"]), (&1.into(), &1.into(), &0.into()), "{replayed}");
        } else {
            project.admit_ages(250);
            assert_eq!(counts(&project, &["quarantine", "replay", "people"])["status"], "unchanged");
            assert_eq!(project.rows("select id from people"), ["1"]);
            assert_eq!(counts(&project, &["run"])["counts"]["loaded"], 2);
        }
        assert_eq!(project.rows("select id, age from people order by id"), ["1,41", "2,200", "3,20"], "{refused_again}");
        assert_eq!(counts(&project, &["quarantine", "replay", "people"])["status"], "unchanged");
        project.run(&["audit", "verify"]).ok();
    }
}
