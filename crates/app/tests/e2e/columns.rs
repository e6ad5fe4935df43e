//! The columns of a table: no attempt fixes them before rows are there, and where rows are, the difference is told. What a run knows of a
//! source's columns is reported even when it fails.

use serde_json::json;

use crate::harness::{PEOPLE_CONTRACT, Project};

const NAME: &str = "{name: name, physicalName: name, logicalType: string, required: true, logicalTypeOptions: {minLength: 1, maxLength: 64}, customProperties: [{property: polder.personal, value: [person_name]}]}";

/// Another contract for people, approved.
fn contract(project: &Project, from: &str, to: &str) {
    let contract = PEOPLE_CONTRACT.replace(from, to);
    assert_ne!(contract, PEOPLE_CONTRACT);
    project.write("contracts/people.odcs.yaml", contract);
    project.run(&["contract", "approve", "people", "--yes"]).ok();
}

#[test]
fn a_contract_that_is_corrected_after_a_failed_first_run_is_good() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,20,s\n");
    contract(&project, NAME, "{name: name, physicalName: name, logicalType: integer, required: true}");
    let err = project.run(&["run"]).fails(3);
    assert!(err.contains("none of 2 rows was loaded"), "{err}");
    let log = project.run(&["audit", "show", "--limit", "1000"]).ok();
    assert!(!log.contains("commit_intent"), "{log}");
    project.run(&["table", "show", "people"]).fails(2);
    project.people("1,Ann,41,s\n2,Bob,20,s\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select name from people order by name"), ["Ann", "Bob"]);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_dry_run_leaves_nothing_behind() {
    let project = Project::new();
    let marks = |project: &Project| {
        let keys = project.run(&["keys", "show"]).ok().contains("table:people");
        let log = project.run(&["audit", "show", "--limit", "1000"]).ok();
        let recorded = ["table_classified", "batch_started", "commit_intent"].map(|event| log.contains(event));
        let stored = project.store_files().iter().any(|path| path.starts_with(project.store().join("tables")));
        (keys, recorded, stored)
    };
    project.people("1,Ann,41,s\n2,Bob,20,s\n2,Cid,30,s\n");
    let report = project.json(&["run", "--dry-run"]);
    let batch = &report["batches"][0];
    assert_eq!((&batch["status"], &batch["counts"]["loaded"], &batch["counts"]["quarantined"]), (&json!("checked"), &json!(2), &json!(1)));
    assert_eq!(marks(&project), (false, [false; 3], false));
    project.people("1,Ann,200,s\n2,Bob,200,s\n");
    let ran = project.run(&["run", "--dry-run"]);
    // A failed load says of no row that it was loaded.
    assert!(ran.out.contains("failed: 2 read, 0 admitted, 2 quarantined; none of them loaded"), "{ran:?}");
    ran.fails(3);
    assert_eq!(marks(&project), (false, [false; 3], false));
    // Nor does it stand in the way of another contract.
    contract(&project, NAME, "{name: name, physicalName: name, logicalType: string, classification: personal}");
    project.write("data/people.csv", "id,name,age,secret\n1,Ann,41,s\n");
    project.run(&["run"]).ok();
    assert_eq!(marks(&project), (true, [true; 3], true));
    assert_eq!(project.rows("select name from people"), ["Ann"]);
    // Beside rows that are there it compares keys with them, and changes nothing.
    project.write("data/people2.csv", "id,name,age,secret\n1,Dan,41,s\n2,Bob,20,s\n");
    let before = project.store_files().len();
    let report = project.json(&["run", "--dry-run"]);
    assert_eq!(report["batches"][0]["counts"]["loaded"], 1, "{report}");
    assert_eq!(project.rows("select name from people"), ["Ann"]);
    let tables = |project: &Project| project.store_files().iter().filter(|path| path.starts_with(project.store().join("tables"))).count();
    assert!(tables(&project) <= before);
}

#[test]
fn columns_that_differ_from_those_of_the_rows_are_told_by_name() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.run(&["run"]).ok();
    project.write("data/people2.csv", "id,name,age,secret\n2,Bob,20,s\n");
    contract(
        &project,
        "{name: age, physicalName: age, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 150}}",
        "{name: age, physicalName: age, logicalType: string}",
    );
    let err = project.run(&["run"]).fails(2);
    insta::assert_snapshot!(err);
    assert_eq!(project.rows("select age from people"), ["41"]);
    // One of the ways out.
    project.run(&["table", "drop", "people", "--yes"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select age from people order by age"), ["20", "41"]);
}

#[test]
fn a_run_that_fails_tells_of_new_columns_and_counts() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    contract(&project, "value: quarantine", "value: fail");
    project.write("data/people.csv", "id,name,age,secret,added\n1,Ann,41,s,a\n2,Bob,200,s,a\n");
    let ran = project.run(&["run", "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    ran.fails(3);
    let batch = &report["batches"][0];
    assert_eq!((&batch["status"], &batch["left_out"]), (&json!("failed"), &json!(["secret", "added"])));
    assert_eq!((&batch["counts"]["read"], &batch["counts"]["rejected"]), (&json!(2), &json!(1)));
    assert_eq!(batch["refused"][0]["column"], "age");
}
