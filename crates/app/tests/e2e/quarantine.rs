//! Refused rows: kept, shown, and loaded once the contract admits them.

use crate::harness::{PEOPLE_CONTRACT, Project};

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
