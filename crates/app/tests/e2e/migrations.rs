//! Contracts change, and rows that are there stay: what a run does to them, what it says of that, and what it refuses.

use serde_json::json;

use crate::harness::{PEOPLE_CONTRACT, Project};

const AGE: &str = "      - {name: age, physicalName: age, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 150}}\n";
const SECRET: &str = "      - {name: secret, physicalName: secret, logicalType: string}\n";

/// Another contract for people, approved.
fn contract(project: &Project, text: &str) {
    project.write("contracts/people.odcs.yaml", text);
    project.run(&["contract", "approve", "people", "--yes"]).ok();
}

fn loaded() -> Project {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,20,t\n");
    project.run(&["run"]).ok();
    project
}

#[test]
fn an_added_column_is_null_in_old_rows_and_the_run_says_so() {
    let project = loaded();
    contract(&project, &format!("{PEOPLE_CONTRACT}{SECRET}"));
    let dry = project.run(&["run", "--dry-run"]).ok();
    assert!(dry.contains("would be migrated: added column secret; old rows NULL"), "{dry}");
    let out = project.run(&["run"]).ok();
    assert!(out.contains("people       migrated, version 2\n") && out.contains("migrated: added column secret; old rows NULL"), "{out}");
    assert_eq!(project.rows("select id, secret from people order by id"), ["1,", "2,"]);
    project.write("data/people2.csv", "id,name,age,secret\n3,Cid,30,u\n");
    assert_eq!(project.json(&["run"])["batches"][0]["migrated"], json!([]));
    assert_eq!(project.rows("select id, secret from people order by id"), ["1,", "2,", "3,u"]);
    assert_eq!(project.rows("select id from people where secret is null order by id"), ["1", "2"]);
    // Who repeats a key of before is found, though its file lacks the column.
    project.write("data/people3.csv", "id,name,age,secret\n1,Eve,30,v\n4,Dan,30,w\n");
    assert_eq!(project.json(&["run"])["batches"][0]["counts"]["quarantined"], 1);
    // The version before is as it was, and the log knows what happened.
    let before = project.run(&["sql", "select * from people order by id", "--at", "people=1", "--output", "csv"]).ok();
    assert_eq!(before, "id,name,age\n1,Ann,41\n2,Bob,20\n");
    let history = project.run(&["table", "history", "people", "--output", "csv"]).ok();
    assert!(history.contains(",migrate,"), "{history}");
    project.run(&["table", "optimize", "people"]).ok();
    assert_eq!(project.rows("select count(*) as n, count(secret) as s from people"), ["4,2"]);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_migration_and_a_load_are_one_run_and_a_dry_run_changes_nothing() {
    let project = loaded();
    let wider = PEOPLE_CONTRACT.replace("logicalTypeOptions: {minimum: 0, maximum: 150}", "logicalTypeOptions: {format: i64, minimum: 0}");
    contract(&project, &format!("{wider}{SECRET}"));
    project.write("data/people2.csv", "id,name,age,secret\n3,Cid,3000000000,u\n");
    let steps = json!(["widened column age from Int32 to Int64; files written anew", "added column secret; old rows NULL"]);
    let dry = project.json(&["run", "--dry-run"]);
    assert_eq!((&dry["batches"][0]["status"], &dry["batches"][0]["migrated"]), (&json!("checked"), &steps), "{dry}");
    assert_eq!(project.rows("select * from people order by id"), ["1,Ann,41", "2,Bob,20"]);
    let done = project.json(&["run"]);
    let batch = &done["batches"][0];
    assert_eq!((&batch["status"], &batch["migrated"], &batch["version"]), (&json!("committed"), &steps, &json!(3)), "{done}");
    assert_eq!(project.rows("select * from people order by id"), ["1,Ann,41,", "2,Bob,20,", "3,Cid,3000000000,u"]);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_column_that_goes_is_gone_after_a_vacuum() {
    let project = loaded();
    contract(&project, &PEOPLE_CONTRACT.replace(AGE, ""));
    let out = project.run(&["run"]).ok();
    assert!(out.contains("migrated: removed column age; files written anew, older versions hold it until a vacuum"), "{out}");
    assert_eq!(project.rows("select * from people order by id"), ["1,Ann", "2,Bob"]);
    // Until then an older version holds it.
    let older = ["sql", "select age from people order by id", "--at", "people=1", "--output", "csv"];
    assert_eq!(project.run(&older).ok(), "age\n41\n20\n");
    project.run(&["table", "vacuum", "people", "--keep-hours", "0"]).ok();
    project.run(&older).fails(2);
    assert_eq!(project.rows("select * from people order by id"), ["1,Ann", "2,Bob"]);
    // What was done stands in the log, for a proof.
    let log = project.json(&["audit", "show", "--limit", "1000"]).to_string();
    assert!(log.contains("\"migrate\"") && log.contains("\"vacuum\""), "{log}");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn what_could_lose_or_invent_a_value_is_refused() {
    let project = loaded();
    for (other, told) in [
        (PEOPLE_CONTRACT.replace("{name: age, ", "{name: years, "), "may be one column under another name"),
        (format!("{PEOPLE_CONTRACT}{}", SECRET.replace("string}", "string, required: true}")), "is required without a default"),
        (
            PEOPLE_CONTRACT.replace("logicalTypeOptions: {minimum: 0, maximum: 150}", "required: true"),
            "column age may be missing in the table",
        ),
    ] {
        assert_ne!(other, PEOPLE_CONTRACT);
        contract(&project, &other);
        let err = project.run(&["run"]).fails(2);
        assert!(err.contains(told) && err.contains("`polder table drop people`"), "{err}");
    }
    contract(&project, PEOPLE_CONTRACT);
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select * from people order by id"), ["1,Ann,41", "2,Bob,20"]);
    assert_eq!(project.run(&["table", "history", "people", "--output", "csv"]).ok().lines().count(), 3);
}
