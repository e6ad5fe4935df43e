//! How old tables are by the newest value of a column, as their contracts say: loads may succeed every night and bring nothing newer.

use polder_types::{Clock as _, SystemClock};
use serde_json::Value;

use crate::harness::Project;

const LOADS: &str = "  - {property: freshness, value: 1, unit: h}\n";
const COLUMN: &str = "  - {property: latency, value: 1, unit: h, element: visits.at}\n";
const OLD: &str = "2020-01-01T00:00:00Z";

fn contract(levels: &[&str]) -> String {
    let levels = if levels.is_empty() { String::new() } else { format!("slaProperties:\n{}", levels.concat()) };
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: 6f1c2f0e-58f1-4c0e-9a38-0d4b6d1f7a31\nversion: 1.0.0\nstatus: active\n{levels}\
         customProperties:\n  - {{property: polder.source, value: clinic}}\nschema:\n  - name: visits\n    physicalName: visits\n    properties:\n      \
         - {{name: id, physicalName: id, logicalType: integer, required: true}}\n      \
         - {{name: at, physicalName: at, logicalType: timestamp}}\n"
    )
}

/// A project with one file, and a pipeline that tells of the tables' age.
fn bed(levels: &[&str], at: &str) -> Project {
    let project = Project::new();
    project.write("sources/clinic.yaml", "type: csv\npath: data\ndatasets:\n  visits: {file: visits*.csv, null: [NA]}\n");
    visit(&project, 1, at);
    project.contract("visits", &contract(levels));
    let heard = project.beside("heard").display().to_string();
    let tell = format!("cat >> {heard}; echo >> {heard}");
    let notify = format!("notify:\n  on: [freshness_missed, recovery]\n  command: [/bin/sh, -c, {tell:?}]\n");
    project.write("pipelines/nightly.yaml", format!("freshness: contracts\n{notify}"));
    project
}

/// A file of one row.
fn visit(project: &Project, id: u32, at: &str) {
    project.write(&format!("data/visits{id}.csv"), format!("id,at\n{id},{at}\n"));
}

fn heard(project: &Project) -> String {
    std::fs::read_to_string(project.beside("heard")).unwrap_or_default()
}

fn load(project: &Project) -> String {
    project.run(&["pipeline", "run", "nightly"]).ok()
}

/// What the check says of the loads, or of the column: whether it is too old, and why it has no age.
#[track_caller]
fn checked(project: &Project, column: Option<&str>) -> (bool, Value) {
    let ran = project.run(&["pipeline", "check", "--output", "json"]);
    let listed: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let any = listed.as_array().unwrap().iter().any(|row| row["too_old"] == true);
    assert_eq!(ran.code, Some(if any { 3 } else { 0 }), "{ran:?}");
    let row = listed.as_array().unwrap().iter().find(|row| row["column"].as_str() == column).unwrap_or_else(|| panic!("{ran:?}"));
    (row["too_old"].as_bool().unwrap(), row["why"].clone())
}

#[test]
fn a_column_that_lags_is_told_once_while_loads_succeed() {
    let project = bed(&[LOADS, COLUMN], OLD);
    load(&project);
    let missed = "pipeline nightly misses its freshness: the newest value of column at of table visits is more than 1h old";
    assert_eq!(heard(&project).matches(missed).count(), 1, "{}", heard(&project));
    assert_eq!((checked(&project, Some("at")), checked(&project, None)), ((true, Value::Null), (false, Value::Null)));
    let status = project.run(&["status"]).ok();
    assert!(status.contains("too old: visits.at") && !status.contains("too old: visits,"), "{status}");
    assert_eq!(project.json(&["pipeline", "list"])[0]["too_old"], serde_json::json!(["visits.at"]));
    // Another load that brings something newer, and nothing new enough, is no news.
    visit(&project, 2, "2021-01-01T00:00:00Z");
    load(&project);
    assert_eq!(project.rows("select count(*) from visits"), ["2"]);
    assert_eq!(heard(&project).matches("misses its freshness").count(), 1, "{}", heard(&project));
    // It was asked as every question is; what it is stands in no notice and no entry of the log.
    let judged = project.json(&["audit", "show", "--type", "freshness_judged"]);
    assert_eq!((judged.as_array().unwrap().len(), &judged[0]["details"]["newest_ms"]), (1, &Value::Null), "{judged}");
    assert!(!heard(&project).contains("2020-01-01") && !heard(&project).contains("2021-01-01"), "{}", heard(&project));
    let reads = project.json(&["audit", "show", "--type", "read_decided", "--limit", "50"]);
    assert!(reads.to_string().contains("max("), "{reads}");
    // Once it is young enough all is well, until the table is what it was.
    let now = chrono::DateTime::from_timestamp_millis(SystemClock.now_ms()).unwrap();
    visit(&project, 3, &now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    load(&project);
    let fresh = "pipeline nightly is fresh again: the newest value of column at of table visits is not older than 1h";
    assert_eq!(heard(&project).matches(fresh).count(), 1, "{}", heard(&project));
    assert_eq!(checked(&project, Some("at")), (false, Value::Null));
    assert!(!project.run(&["status"]).ok().contains("too old"));
    let history = project.json(&["table", "history", "visits"]);
    let first = history.as_array().unwrap().iter().find(|version| version["operation"] == "append").unwrap()["version"].to_string();
    project.run(&["table", "restore", "visits", "--version", &first, "--yes"]).ok();
    assert_eq!((checked(&project, Some("at")), checked(&project, None)), ((true, Value::Null), (false, Value::Null)));
    assert_eq!(heard(&project).matches(missed).count(), 2, "{}", heard(&project));
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_column_without_a_value_is_too_old_and_is_known_as_soon_as_a_contract_names_it() {
    let project = bed(&[LOADS], "NA");
    load(&project);
    assert_eq!(checked(&project, None), (false, Value::Null));
    assert_eq!(heard(&project), "");
    // There is nothing to load, and it is judged all the same.
    project.contract("visits", &contract(&[LOADS, COLUMN]));
    assert!(load(&project).contains("unchanged"));
    assert_eq!(checked(&project, Some("at")), (true, Value::from("it holds no value")));
    let told = "column at of table visits may be 1h old, and it holds no value";
    assert_eq!(heard(&project).matches(told).count(), 1, "{}", heard(&project));
    let versions = |project: &Project| project.json(&["table", "history", "visits"]).as_array().unwrap().len();
    let before = versions(&project);
    assert!(load(&project).contains("unchanged"));
    assert_eq!(versions(&project), before, "it is asked once");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn whoever_may_not_read_a_table_loads_it_and_its_age_counts_as_too_great() {
    let project = bed(&[COLUMN], OLD);
    project.write("policies/forbid.cedar", "@id(\"never\") forbid (principal, action == Action::\"Read\", resource);\n");
    let ran = project.run(&["pipeline", "run", "nightly"]);
    assert!(ran.err.contains("how old the newest values of table visits are is not known, and counts as too old"), "{ran:?}");
    assert!(ran.ok().contains("1 read = 1 loaded"));
    assert_eq!(checked(&project, Some("at")), (true, Value::from("its newest value is not known before the next load")));
    // Who may, finds it when there is nothing to load.
    std::fs::remove_file(project.dir().join("policies/forbid.cedar")).unwrap();
    load(&project);
    assert_eq!(checked(&project, Some("at")), (true, Value::Null));
}
