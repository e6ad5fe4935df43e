//! How sensitive a table is: recorded under an approved contract, inherited by models, and lowered by an approval alone.

use crate::harness::{PEOPLE_CONTRACT, Project};

const CAREFUL: &str = r#"@id("all-but-reads")
permit (principal in Group::"owners", action, resource) unless { action == Action::"Read" || action == Action::"Describe" || action == Action::"Quarantine" };
@id("reads-of-what-is-open")
permit (principal in Group::"owners", action, resource) when { resource has classification && resource.classification != "confidential" };
"#;

fn contract(classification: &str) -> String {
    PEOPLE_CONTRACT
        .replace("logicalType: string, required: true,", &format!("logicalType: string, required: true, classification: {classification},"))
}

fn approve(project: &Project, classification: &str) {
    project.write("contracts/people.odcs.yaml", contract(classification));
    project.run(&["contract", "approve", "people", "--yes"]).ok();
}

/// A confidential table with three models over it, loaded by a policy that lets owners read what is not confidential.
fn loaded() -> Project {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,420,s\n");
    approve(&project, "confidential");
    project.write("models/copied.sql", "-- polder: materialized = table\nselect id, name from people\n");
    project.write("models/deeper.sql", "-- polder: materialized = table\nselect name from copied\n");
    project.write("models/seen.sql", "-- polder: materialized = view\nselect name from copied\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select name from deeper"), ["Ann"]);
    project.write("policies/owners.cedar", CAREFUL);
    project
}

const TABLES: [&str; 4] = ["people", "copied", "deeper", "seen"];

#[track_caller]
fn all_closed(project: &Project) {
    for table in TABLES {
        let ran = project.run(&["sql", &format!("select name from {table}"), "--output", "csv"]);
        assert!(ran.code != Some(0) && !ran.out.contains("Ann") && !ran.err.contains("Ann"), "{table}: {ran:?}");
    }
    let ran = project.run(&["quarantine", "show", "people"]);
    assert!(ran.code != Some(0) && !ran.out.contains("Bob"), "{ran:?}");
}

#[test]
fn what_a_model_computes_is_as_sensitive_as_what_it_reads() {
    let project = loaded();
    all_closed(&project);
    // Nor when the model's file is gone, and only its table is left.
    for model in ["copied", "deeper"] {
        std::fs::remove_file(project.dir().join(format!("models/{model}.sql"))).unwrap();
    }
    std::fs::remove_file(project.dir().join("models/seen.sql")).unwrap();
    all_closed(&project);
}

#[test]
fn a_file_that_nobody_approved_lowers_nothing() {
    let project = loaded();
    project.write("contracts/people.odcs.yaml", contract("public"));
    all_closed(&project);
    std::fs::remove_file(project.dir().join("contracts/people.odcs.yaml")).unwrap();
    all_closed(&project);
    project.write("contracts/people.odcs.yaml", contract("confidential"));
    project.write("contracts/broken.odcs.yaml", "kind: [\n");
    all_closed(&project);
}

#[test]
fn a_column_stays_hidden_whatever_a_file_says_that_nobody_approved() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    approve(&project, "confidential");
    project.run(&["run"]).ok();
    let hides = "forbid (principal, action == Action::\"ReadColumn\", resource)\nwhen { [\"confidential\", \"restricted\"].contains(resource.classification) };\n";
    project.write("policies/columns.cedar", hides);
    assert_eq!(project.rows("select id from people"), ["1"]);
    let hidden = || {
        for sql in ["select name from people", "select * from people", "select id from people where name = 'Ann'"] {
            let ran = project.run(&["sql", sql, "--output", "csv"]);
            assert!(!ran.out.contains("Ann") && (ran.code != Some(0) || sql.contains('*')), "{sql}: {ran:?}");
        }
    };
    hidden();
    project.write("contracts/people.odcs.yaml", contract("public"));
    hidden();
    // Without its contract nobody knows which of its columns is as sensitive as the table.
    std::fs::remove_file(project.dir().join("contracts/people.odcs.yaml")).unwrap();
    hidden();
    approve(&project, "public");
    assert_eq!(project.rows("select name from people"), ["Ann"]);
}

#[test]
fn a_classification_is_raised_at_once_and_lowered_by_an_approval() {
    let project = loaded();
    approve(&project, "public");
    all_closed(&project);
    project.run(&["run"]).ok();
    for table in TABLES {
        assert_eq!(project.rows(&format!("select name from {table}")), ["Ann"], "{table}");
    }
    let log = project.run(&["audit", "show", "--type", "table_classified", "--output", "json"]).ok();
    assert_eq!(log.matches("\"confidential\"").count(), 3, "{log}");
    assert_eq!(log.matches("\"public\"").count(), 3, "{log}");
    project.write("contracts/people.odcs.yaml", contract("confidential"));
    all_closed(&project);
}

#[test]
fn a_classification_is_the_same_in_capitals() {
    for classification in ["restricted", "Restricted", "RESTRICTED"] {
        let project = Project::new();
        project.people("1,Ann,41,s\n");
        approve(&project, classification);
        project.write("models/copied.sql", "-- polder: materialized = table\nselect id, name from people\n");
        let ran = project.run(&["run"]);
        assert_ne!(ran.code, Some(0), "{classification}: a model read a restricted table: {ran:?}");
        let ran = project.run(&["sql", "select name from copied", "--output", "csv"]);
        assert!(ran.code != Some(0) && !ran.out.contains("Ann") && !ran.err.contains("Ann"), "{classification}: {ran:?}");
        let log = project.run(&["audit", "show", "--type", "table_classified", "--output", "json"]).ok();
        assert!(log.contains("\"restricted\""), "{log}");
    }
    // The control: what is not restricted is copied.
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    approve(&project, "Internal");
    project.write("models/copied.sql", "-- polder: materialized = table\nselect id, name from people\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select name from copied"), ["Ann"]);
}
