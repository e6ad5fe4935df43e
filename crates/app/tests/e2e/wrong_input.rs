//! Wrong words and wrong places: each is told clearly, with a code that says whether to try again, and harms nothing.

use std::process::Command;

use serde_json::Value;

use crate::harness::{PEOPLE_CONTRACT, Project};

/// Another table from another file of the source.
fn second_table(project: &Project, path: &str) {
    project.write("sources/other.yaml", format!("type: csv\npath: {path}\ndatasets:\n  pets: {{file: pets.csv}}\n"));
    let contract = PEOPLE_CONTRACT
        .replace("6f1c2f0e", "7a1c2f0e")
        .replace("value: files", "value: other")
        .replace("name: people\n    physicalName: people", "name: pets\n    physicalName: pets");
    project.write("contracts/pets.odcs.yaml", contract);
    project.run(&["contract", "approve", "pets", "--yes"]).ok();
}

#[test]
fn a_defect_tells_its_place_and_nothing_of_what_it_was_about() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    let ran = project.run(&["run", "--kill-at", "batch-started:panic"]);
    assert_eq!(ran.code, Some(101), "{ran:?}");
    // The message of this one is the point's name.
    assert!(ran.err.contains("defect: panicked at ") && ran.err.contains("failpoint.rs:"), "{}", ran.err);
    assert!(!ran.err.contains("batch-started") && !ran.out.contains("batch-started"), "{ran:?}");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["1"]);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn the_gravest_failure_of_a_run_is_its_exit_code_and_other_models_are_built() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,42,s\n");
    second_table(&project, "missing");
    project.write("models/all_people.sql", "-- polder: materialized = table\nselect count(*) as n from people\n");
    project.write("models/all_pets.sql", "-- polder: materialized = table\nselect count(*) as n from pets\n");
    let error = project.run(&["run"]).fails(4);
    assert!(error.contains("there is no directory") && error.contains("missing"), "{error}");
    // What does not need the table that failed was built.
    assert_eq!(project.rows("select n from all_people"), ["2"]);

    // Trying again cures the missing directory, but not rows that break the contract.
    project.write("data/people.csv", "id,name,age,secret\n1,Ann,999,s\n");
    let contract = PEOPLE_CONTRACT
        .replace("value: quarantine", "value: fail")
        .replace("value: 0.5}", "value: 0.5}\n  - {property: polder.disposition, value: replace}");
    project.write("contracts/people.odcs.yaml", contract);
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    let told = project.run(&["run"]);
    assert!(told.out.contains("there is no directory") && told.out.contains("breaks rule maximum"), "{}", told.out);
    let ran = project.run(&["run", "--output", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    ran.fails(3);
    let batch = |table: &str| {
        let found = report["batches"].as_array().unwrap().iter().find(|batch| batch["table"] == table);
        found.unwrap()["error"].clone()
    };
    assert_eq!((&batch("people")["kind"], &batch("people")["exit_code"]), (&"rejected".into(), &3.into()));
    assert_eq!((&batch("pets")["kind"], &batch("pets")["exit_code"]), (&"unavailable".into(), &4.into()));
    assert!(batch("all_people")["message"].as_str().unwrap().contains("since people failed"), "{report}");
    assert!(batch("pets")["causes"].as_array().unwrap().iter().any(|cause| cause.as_str().unwrap().contains("missing")));
    assert_eq!(project.rows("select count(*) from people"), ["2"], "the table is as it was");
}

#[test]
fn a_root_key_never_lies_in_the_project() {
    let project = Project::new();
    project.run(&["keys", "rotate", "--new-key-file", "new.key"]).fails(2);
    let kit = std::fs::read_dir(project.beside("root.recovery-kit")).unwrap();
    let shares: Vec<String> = kit.map(|share| share.unwrap().path().display().to_string()).collect();
    let error = project.run(&["keys", "recover", &shares[0], &shares[1], "--key-file", "store/../new.key"]).fails(2);
    assert!(error.contains("outside the project"), "{error}");
    assert!(!project.dir().join("new.key").exists());
    // Where polder.yaml names the file already, nothing is left to do.
    std::fs::remove_file(project.key_file()).unwrap();
    let key = project.key_file().display().to_string();
    let told = project.run(&["keys", "recover", &shares[0], &shares[1], "--key-file", &key]).ok();
    assert!(!told.contains("next:"), "{told}");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_passphrase_file_is_found_from_everywhere() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("words"), "correct horse battery staple\n").unwrap();
    std::fs::set_permissions(root.path().join("words"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let run = |dir: &str, args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_polder")).args(args).current_dir(root.path().join(dir)).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(".", &["init", "project", "--key-file", "root.key", "--passphrase", "file:words"]);
    run("project", &["audit", "verify"]);
    run("project/sources", &["audit", "verify"]);
    run(".", &["audit", "verify", "--project", "project"]);
}

#[test]
fn an_unknown_type_of_event_is_no_empty_log() {
    let project = Project::new();
    let error = project.run(&["audit", "show", "--type", "lease_take"]).fails(2);
    assert!(error.contains("lease_taken"), "{error}");
    assert!(project.run(&["audit", "show", "--type", "lease_taken"]).ok().contains("lease_taken"));
}

#[test]
fn the_test_of_an_older_kit_does_not_speak_for_the_newest() {
    let project = Project::new();
    let finding = || {
        let ran = project.run(&["doctor", "--output", "json"]);
        let checks: Value = serde_json::from_str(&ran.out).unwrap();
        let kit = checks.as_array().unwrap().iter().find(|check| check["check"] == "recovery kit").unwrap();
        kit["finding"].as_str().unwrap().to_owned()
    };
    let shares = |dir: &str| -> Vec<String> {
        std::fs::read_dir(project.beside(dir)).unwrap().map(|share| share.unwrap().path().display().to_string()).collect()
    };
    let test = |dir: &str| {
        let shares = shares(dir);
        project.run(&["keys", "recover", "--test", &shares[0], &shares[1]]).ok();
    };
    assert!(finding().contains("never tested"), "{}", finding());
    test("root.recovery-kit");
    assert!(finding().starts_with("tested "), "{}", finding());
    project.run(&["keys", "kit", "--to", &project.beside("newer").display().to_string()]).ok();
    assert!(finding().contains("never tested"), "{}", finding());
    test("newer");
    assert!(finding().starts_with("tested "), "{}", finding());
    let error = project.run(&["keys", "kit", "--to", &project.beside("many").display().to_string(), "--shares", "20"]).fails(2);
    assert!(error.contains("2 to 16"), "{error}");
}

#[test]
fn a_pipe_in_place_of_a_project_file_is_refused_at_once() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    let pipes =
        ["contracts/z.odcs.yaml", "contracts/people.odcs.approval", "policies/p.cedar", "sources/z.yaml", "models/z.sql", "polder.yaml"];
    for pipe in pipes {
        let path = project.dir().join(pipe);
        let held = std::fs::read(&path).ok();
        if held.is_some() {
            std::fs::remove_file(&path).unwrap();
        }
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        // `timeout` ends with 124 where the program waits for whoever writes into the pipe.
        let mut command = Command::new("timeout");
        command.args(["20", env!("CARGO_BIN_EXE_polder"), "run", "--project", "."]).current_dir(project.dir());
        let error = crate::harness::ran(command.output().unwrap()).fails(2);
        assert!(error.contains(pipe.rsplit('/').next().unwrap()) && error.contains("it is no file"), "{pipe}: {error}");
        std::fs::remove_file(&path).unwrap();
        if let Some(held) = held {
            std::fs::write(&path, held).unwrap();
        }
    }
    project.run(&["run"]).ok();
}

#[test]
fn keys_of_another_project_are_taken_only_when_asked_for() {
    let project = Project::new();
    let other = project.beside("other");
    let (dir, key) = (other.display().to_string(), project.key_file().display().to_string());
    let before = std::fs::read(project.key_file()).unwrap();
    let error = crate::harness::ran(project.command(&["init", &dir, "--key-file", &key]).output().unwrap()).fails(2);
    assert!(error.contains("root.key is there already") && error.contains("--share-keys"), "{error}");
    assert!(!other.exists(), "nothing was made");
    // The approver's key beside it too.
    let approver = project.beside("second.approver.key");
    std::fs::copy(project.beside("root.approver.key"), &approver).unwrap();
    let second = project.beside("second.key").display().to_string();
    let error = project.run(&["init", &dir, "--key-file", &second]).fails(2);
    assert!(error.contains("second.approver.key is there already"), "{error}");
    assert!(!other.exists() && !project.beside("second.key").exists());
    // Asked for, both serve both projects.
    project.run(&["init", &dir, "--key-file", &key, "--share-keys"]).ok();
    assert_eq!(std::fs::read(project.key_file()).unwrap(), before);
    project.run(&["audit", "verify", "--project", &dir]).ok();
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn json_is_one_document_of_every_command() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,42,s\n");
    let document = |args: &[&str]| -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        serde_json::from_str(&project.run(&args).ok()).unwrap()
    };
    assert!(document(&["run"]).is_object());
    assert_eq!(document(&["sql", "select id from people order by id"]), serde_json::json!([{"id": 1}, {"id": 2}]));
    assert_eq!(document(&["sql", "select id from people where id > 5"]), serde_json::json!([]));
    for args in [&["table", "list"][..], &["contract", "list"], &["source", "list"], &["quarantine", "list"], &["audit", "show"]] {
        assert!(document(args).is_array(), "{args:?}");
    }
    let help = project.run(&["sql", "--help"]).ok();
    assert!(help.contains("one array of objects"), "{help}");
}

#[test]
fn an_anchor_in_the_project_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let init = |anchor: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_polder"));
        command.args(["init", "project", "--key-file", "root.key", "--anchor", anchor]).current_dir(root.path());
        command.output().unwrap()
    };
    std::fs::create_dir(root.path().join("project")).unwrap();
    std::os::unix::fs::symlink(root.path().join("project"), root.path().join("elsewhere")).unwrap();
    for anchor in ["project/store/anchor", "project/anchor", "x/../project/anchor", "elsewhere/anchor"] {
        let output = init(anchor);
        assert_eq!(output.status.code(), Some(2), "{anchor}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("lies in the project"), "{anchor}");
        assert!(!root.path().join("root.key").exists() && !root.path().join("project/store").exists(), "{anchor}");
    }
    assert!(init("anchor").status.success());
    let settings = std::fs::read_to_string(root.path().join("project/polder.yaml")).unwrap();
    let anchor = root.path().join("anchor").display().to_string();
    std::fs::write(root.path().join("project/polder.yaml"), settings.replace(&anchor, "store/anchor")).unwrap();
    let mut status = Command::new(env!("CARGO_BIN_EXE_polder"));
    let output = status.args(["status", "--project", "project"]).current_dir(root.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("lies in the project"));
}
