//! What a policy forbids ends with exit code 7 and leaves a record, whichever command asks; what it permits is recorded too.

use crate::harness::Project;

fn loaded() -> Project {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,200,s\n");
    project.run(&["run"]).ok();
    project
}

/// The action of each recorded refusal, oldest first.
fn refusals(project: &Project) -> Vec<String> {
    let shown = project.json(&["audit", "show", "--type", "refused", "--limit", "1000"]);
    let entries = shown.as_array().unwrap().iter();
    entries.map(|entry| entry["details"]["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_a_policy_forbids_is_refused_with_a_record() {
    let project = loaded();
    let export = project.beside("export").display().to_string();
    let commands: [(&str, &[&[&str]]); 10] = [
        ("Run", &[&["run"], &["run", "--again"], &["quarantine", "replay", "people"]]),
        ("Approve", &[&["contract", "approve", "people", "--yes"]]),
        (
            "Sample",
            &[
                &["source", "check", "files"],
                &["source", "check", "files.people"],
                &["contract", "propose", "files.people"],
                &["contract", "profile", "people"],
            ],
        ),
        ("Audit", &[&["audit", "show"], &["audit", "verify"], &["audit", "export", "--to", &export], &["audit", "proof", "0"]]),
        ("Maintain", &[&["table", "optimize", "people"], &["table", "vacuum", "people"]]),
        ("Erase", &[&["table", "erase", "people", "--where", "id = 1", "--yes"]]),
        ("Drop", &[&["table", "drop", "people", "--yes"]]),
        ("Quarantine", &[&["quarantine", "list", "people"], &["quarantine", "show", "people"]]),
        ("ManageKeys", &[&["keys", "show"], &["keys", "rotate"]]),
        ("ManageIdentities", &[&["user", "list"], &["group", "add", "analysts"], &["token", "list"], &["service", "list"]]),
    ];
    let mut before = refusals(&project);
    for (action, commands) in commands {
        for command in commands {
            project
                .write("policies/forbid.cedar", format!("@id(\"never\") forbid (principal, action == Action::\"{action}\", resource);\n"));
            let ran = project.run(command);
            assert_eq!((ran.code, ran.out.contains("Ann")), (Some(7), false), "{command:?}: {ran:?}");
            // Without it the same command works, or at least is not denied.
            std::fs::remove_file(project.dir().join("policies/forbid.cedar")).unwrap();
            let after = refusals(&project);
            let new = after.get(before.len()..).unwrap();
            assert_eq!(new, [action], "{command:?}");
            before = after;
        }
    }
    assert!(!project.beside("export").exists(), "nothing was written");
    for (action, commands) in commands {
        for command in commands.iter().filter(|_| action != "Drop") {
            let ran = project.run(command);
            assert_ne!(ran.code, Some(7), "control: {command:?}: {ran:?}");
        }
    }
    assert_eq!(refusals(&project), before);
    project.run(&["audit", "verify"]).ok();
}

/// A sample passes the gate by, so it is decided and recorded as a read is.
#[test]
fn a_sample_is_recorded_as_a_read() {
    let project = loaded();
    project.write("data/zoo.csv", "animal,age\ncat,3\ndog,4\nfox,5\n");
    project.write("sources/zoo.yaml", "type: csv\npath: data\ndatasets:\n  animals: {file: zoo.csv}\n");
    for (command, rows, known) in [
        (&["source", "check", "files"][..], 2, true),
        (&["source", "check", "zoo"], 3, false),
        (&["contract", "propose", "zoo.animals"], 3, false),
    ] {
        project.run(command).ok();
        let decided = project.json(&["audit", "show", "--type", "read_decided", "--limit", "2"]);
        // The newest is the showing of the log itself.
        let decided = &decided[0];
        assert_eq!(decided["details"]["policies"], serde_json::json!(["owners-may-do-everything"]), "{command:?}: {decided}");
        assert_eq!(decided["details"]["datasets"].as_array().unwrap().len(), usize::from(known), "{command:?}: {decided}");
        assert_eq!(decided["private"]["sample"], if known { "files.people" } else { "zoo.animals" }, "{command:?}: {decided}");
        let finished = project.json(&["audit", "show", "--type", "read_finished", "--limit", "100"]);
        let of = |entry: &&serde_json::Value| entry["details"]["request"] == decided["details"]["request"];
        let finished = finished.as_array().unwrap().iter().find(of).unwrap();
        assert_eq!((&finished["details"]["rows"], &finished["details"]["complete"]), (&rows.into(), &true.into()), "{command:?}");
    }
}

/// An anchor that comes later is begun by a command, with a record, and only where there is none.
#[test]
fn an_anchor_is_begun_later_and_recorded() {
    let project = loaded();
    let err = project.run(&["audit", "anchor", "--init"]).fails(2);
    assert!(err.contains("polder.yaml names none"), "{err}");
    let settings = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    let anchor = project.beside("late.checkpoint");
    let anchored = settings.replacen("    approvers:\n", &format!("    anchor: \"{}\"\n    approvers:\n", anchor.display()), 1);
    assert_ne!(anchored, settings);
    project.write("polder.yaml", &anchored);
    let err = project.run(&["run"]).fails(6);
    assert!(err.contains("polder audit anchor --init"), "{err}");
    // Killed in between, it is begun again.
    project.run(&["audit", "anchor", "--init", "--kill-at", "anchor-intent"]).killed();
    assert!(!anchor.exists());
    let policy = "@id(\"never\") forbid (principal, action == Action::\"Audit\", resource);\n";
    project.write("policies/forbid.cedar", policy);
    project.run(&["audit", "anchor", "--init"]).fails(7);
    assert!(!anchor.exists(), "who may not, writes none");
    std::fs::remove_file(project.dir().join("policies/forbid.cedar")).unwrap();
    let begun = project.run(&["audit", "anchor", "--init"]);
    assert!(begun.err.contains("warning: the log had an anchor before"), "{begun:?}");
    begun.ok();
    let first = std::fs::read_to_string(&anchor).unwrap();
    project.run(&["audit", "verify"]).ok();
    assert!(!project.run(&["status"]).ok().contains("none: a rollback"));
    let shown = project.json(&["audit", "show", "--type", "anchor_begun"]);
    let phases: Vec<&str> = shown.as_array().unwrap().iter().map(|entry| entry["details"]["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["intent", "intent", "outcome"]);
    let err = project.run(&["audit", "anchor", "--init"]).fails(2);
    assert!(err.contains("it exists already"), "{err}");
    assert_ne!(std::fs::read_to_string(&anchor).unwrap(), first, "it moved on with the log, and not with the refusal");
    // It does what an anchor is for.
    let older = project.beside("older");
    project.copy_store(&older);
    project.write("data/people2.csv", "id,name,age,secret\n9,Zoe,9,s\n");
    project.run(&["run"]).ok();
    project.restore_store(&older);
    project.run(&["audit", "verify"]).fails(6);
}
