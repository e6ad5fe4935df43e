//! Loading: what comes in, what is refused and why, and what the counts say.

use crate::harness::Project;

#[test]
fn a_file_goes_through_its_contract_into_a_table() {
    let project = Project::new();
    project.people("1,Ann,41,s1\n2,Bob,NA,s2\n3,,30,s3\n4,Cid,151,s4\n4,Dee,20,s5\n5,Eve,\"12\",s6\n");
    let report: serde_json::Value = serde_json::from_str(&project.run(&["run", "--output", "json"]).ok()).unwrap();
    let batch = &report["batches"][0];
    assert_eq!(batch["table"], "people");
    assert_eq!(batch["status"], "committed");
    assert_eq!(batch["counts"]["read"], 6);
    assert_eq!(batch["counts"]["loaded"], 4);
    assert_eq!(batch["counts"]["quarantined"], 2);
    assert_eq!(batch["left_out"][0], "secret");
    assert_eq!(project.rows("select id, name, age from people order by id"), ["1,Ann,41", "2,Bob,", "4,Dee,20", "5,Eve,12"]);
}

#[test]
fn without_an_approval_nothing_comes_in() {
    let project = Project::new();
    project.people("1,Ann,41,s1\n");
    std::fs::remove_file(project.dir().join("contracts/people.odcs.approval")).unwrap();
    let err = project.run(&["run"]).fails(3);
    assert!(err.contains("contract approve people"), "{err}");
    assert!(project.run(&["table", "list"]).ok().lines().count() <= 1);
}

#[test]
fn a_contract_changed_after_its_approval_is_refused() {
    let project = Project::new();
    project.people("1,Ann,41,s1\n");
    project.write("contracts/people.odcs.yaml", crate::harness::PEOPLE_CONTRACT.replace("maximum: 150", "maximum: 1500"));
    let err = project.run(&["run"]).fails(3);
    assert!(err.contains("approve"), "{err}");
}

#[test]
fn an_unauthorised_column_is_neither_decoded_nor_stored() {
    let project = Project::new();
    project.people("1,Ann,41,s1\n");
    let mut bytes = b"id,name,age,secret,added\n".to_vec();
    bytes.extend_from_slice(b"1,Ann,41,\xff\xfe\x80,\xc3\x28\n");
    std::fs::write(project.dir().join("data/people.csv"), bytes).unwrap();
    let report: serde_json::Value = serde_json::from_str(&project.run(&["run", "--output", "json"]).ok()).unwrap();
    assert_eq!(report["batches"][0]["left_out"], serde_json::json!(["secret", "added"]));
    assert_eq!(project.rows("select * from people"), ["1,Ann,41"]);
}

#[test]
fn more_refusals_than_the_limit_and_nothing_becomes_visible() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,200,s\n3,Cid,200,s\n");
    let err = project.run(&["run"]).fails(3);
    assert!(err.contains("rejectLimit"), "{err}");
    project.run(&["sql", "select * from people"]).fails(2);
}

#[test]
fn a_second_run_on_unchanged_files_loads_nothing() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,20,s\n");
    project.run(&["run"]).ok();
    let report: serde_json::Value = serde_json::from_str(&project.run(&["run", "--output", "json"]).ok()).unwrap();
    assert_eq!(report["batches"][0]["status"], "unchanged");
    assert_eq!(project.rows("select count(*) from people"), ["2"]);
}

#[test]
fn a_batch_lost_inside_the_program_makes_the_run_fail() {
    for place in ["gate", "writer"] {
        let project = Project::new();
        let rows: String = (0..50_000).map(|i| format!("{i},Name{i},{},s\n", i % 100)).collect();
        project.people(&rows);
        for seed in 0..crate::harness::seeds(3, 30) {
            let err = project.run(&["run", "--drop-batch", &format!("{place}:{seed}")]).fails(3);
            assert!(err.contains(if place == "gate" { "close the counts" } else { "count the rows staged" }), "{err}");
            project.run(&["sql", "select count(*) from people"]).fails(2);
        }
        project.run(&["run"]).ok();
        assert_eq!(project.rows("select count(*) from people"), ["50000"]);
    }
}

#[test]
fn an_approval_that_cannot_be_written_is_not_recorded() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    let approvals = || project.json(&["audit", "show", "--type", "contract_approved", "--limit", "100"]).as_array().unwrap().len();
    let before = approvals();
    // As a directory that is full or may not be written: no file can be made beside the approval, or none can take its place.
    for obstacle in ["contracts/people.odcs.approval.new", "contracts/people.odcs.approval"] {
        let obstacle = project.dir().join(obstacle);
        let _ = std::fs::remove_file(&obstacle);
        std::fs::create_dir(&obstacle).unwrap();
        let err = project.run(&["contract", "approve", "people", "--yes"]).fails(4);
        assert!(err.contains("people.odcs.approval"), "{err}");
        assert_eq!(approvals(), before);
        std::fs::remove_dir(&obstacle).unwrap();
    }
    project.run(&["run"]).fails(3);
    // What a killed program left beside it is in nobody's way.
    project.write("contracts/people.odcs.approval.new", "half of");
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    assert_eq!(approvals(), before + 1);
    assert!(!project.dir().join("contracts/people.odcs.approval.new").exists());
    project.run(&["run"]).ok();
}
