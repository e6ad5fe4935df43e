//! What went with a destroyed key: told as what it is, apart from damage, and in nobody's way.

use std::path::PathBuf;

use crate::harness::{Project, copy};

const PEOPLE: [&str; 2] = ["--table", "people"];

/// Two tables, refused rows in one of them, and two approvers.
fn loaded() -> (Project, [String; 2]) {
    let project = Project::new();
    project.people(&(0..200).map(|i| format!("{i},Name{i},{},s\n", i % 160)).collect::<String>());
    project.pets("cat\ndog\n");
    project.run(&["run"]).ok();
    let approvers = project.approvers();
    (project, approvers)
}

fn kit(project: &Project) -> String {
    let shown = project.run(&["keys", "show"]).ok();
    shown.lines().find_map(|line| line.strip_prefix("recovery kit ")).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn a_table_whose_key_was_destroyed_is_told_and_the_others_work() {
    let (project, approvers) = loaded();
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    let out = project.destroy(&approvers, PEOPLE, "1");
    assert!(out.contains("objects of the store can be read by nobody any more"), "{out}");

    let list = project.run(&["table", "list"]).ok();
    assert!(list.contains("its key version 1 was destroyed on 2"), "{list}");
    let list = project.json(&["table", "list"]);
    let row = |name: &str| list.as_array().unwrap().iter().find(|row| row["table"] == name).unwrap();
    assert!(row("people")["rows"].is_null() && row("people")["unreadable"].is_string(), "{list}");
    assert!(row("pets")["rows"] == 2 && row("pets")["unreadable"].is_null(), "{list}");

    for query in ["select count(*) from people", "select * from pets, people"] {
        let err = project.run(&["sql", query]).fails(3);
        assert!(err.contains("read table people") && err.contains("key version 1 was destroyed on 2"), "{err}");
        assert!(err.contains("polder table drop people"), "{err}");
    }
    assert_eq!(project.rows("select count(*) from pets"), ["2"]);
    project.write("data/pets2.csv", "pet\nfox\n");
    let both = project.run(&["run"]);
    assert!(both.out.contains("pets         committed"), "{both:?}");
    let err = both.fails(3);
    assert!(err.contains("load table people") && err.contains("polder table drop"), "{err}");
    project.run(&["run", "--select", "pets"]).ok();
    assert_eq!(project.rows("select count(*) from pets"), ["3"]);
    for args in [&["table", "show", "people"][..], &["table", "optimize", "people"], &["quarantine", "replay", "people"]] {
        let err = project.run(args).fails(3);
        assert!(err.contains("was destroyed on 2"), "{args:?}: {err}");
    }
    project.run(&["table", "history", "people"]).ok();
    project.run(&["quarantine", "list"]).ok();
    project.run(&["keys", "reencrypt"]).ok();

    let verified = project.run(&["audit", "verify"]).ok();
    assert!(verified.contains("destroyed by key destruction: version 1 of its key, recorded at entry "), "{verified}");
    let verified = project.json(&["audit", "verify"]);
    assert_eq!((&verified["intact"], &verified["failures"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(verified["destroyed"][0]["dataset"], "table:people");
    // Two versions of the table log, one data file at least, and the offsets.
    assert!(verified["destroyed"][0]["objects"].as_u64().unwrap() >= 4, "{verified}");

    project.run(&["table", "drop", "people", "--yes"]).ok();
    assert_eq!(project.json(&["audit", "verify"])["destroyed"], serde_json::json!([]));
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["191"]);
    project.run(&["audit", "verify"]).ok();
}

/// Broken off in the middle, a reencryption brings the table log along and not the rows: then the log says that rows are missing.
#[test]
fn a_table_of_which_only_the_rows_went_with_a_key_is_told_too() {
    let (project, approvers) = loaded();
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    project.run(&["keys", "reencrypt", "--table", "people", "--kill-at", "reencrypt#3"]).killed();
    let data = table_files(&project).iter().filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).count();
    let out = project.destroy(&approvers, PEOPLE, "1");
    assert!(out.contains("1 objects of the store can be read by nobody"), "{out}");
    assert_eq!(data, 2, "a data file of each table");
    let err = project.run(&["sql", "select count(*) from people"]).fails(3);
    assert!(err.contains("read table people") && err.contains("key version 1 was destroyed on 2"), "{err}");
    let err = project.run(&["run"]).fails(3);
    assert!(err.contains("polder table drop"), "{err}");
    assert!(project.run(&["table", "list"]).ok().contains("its key version 1 was destroyed on 2"));
    assert_eq!(project.rows("select count(*) from pets"), ["2"]);
    assert_eq!(project.json(&["audit", "verify"])["destroyed"][0]["objects"], 1);
    // What did not go is still looked after.
    for log in table_files(&project).into_iter().filter(|path| path.ends_with("_delta_log/00000000000000000001.json")) {
        let bytes = std::fs::read(&log).unwrap();
        std::fs::remove_file(&log).unwrap();
        project.run(&["audit", "verify"]).fails(6);
        std::fs::write(&log, bytes).unwrap();
    }
    project.run(&["audit", "verify"]).ok();
}

fn table_files(project: &Project) -> Vec<PathBuf> {
    let is_table = |path: &PathBuf| path.starts_with(project.store().join("tables"));
    project.store_files().into_iter().filter(is_table).collect()
}

/// The log knows what a destruction took along: anything else under that key version was put there.
#[test]
fn an_object_under_a_destroyed_key_that_no_record_names_is_damage() {
    let (project, approvers) = loaded();
    let older = project.beside("older");
    project.copy_store(&older);
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    project.run(&["keys", "reencrypt", "--table", "people"]).ok();
    let out = project.destroy(&approvers, PEOPLE, "1");
    assert!(out.contains("\n0 objects of the store"), "{out}");
    project.run(&["audit", "verify"]).ok();
    let kept = project.beside("kept");
    project.copy_store(&kept);
    let mut tried = 0;
    for file in table_files(&project) {
        let object = file.strip_prefix(project.store()).unwrap().to_owned();
        if std::fs::read(&file).unwrap() == std::fs::read(older.join(&object)).unwrap() {
            continue;
        }
        // The same object as it was under the first key version: what a rollback would put back.
        std::fs::copy(older.join(&object), &file).unwrap();
        let name = object.display().to_string();
        let err = project.run(&["audit", "verify"]).fails(6);
        assert!(err.contains(&name) && err.contains("which was destroyed"), "{err}");
        let err = project.run(&["sql", "select count(*), max(name) from people"]).fails(6);
        assert!(err.contains(&name) || err.contains("audit verify"), "{name}: {err}");
        if name.contains("_delta_log") {
            project.run(&["table", "list"]).fails(6);
        }
        assert_eq!(project.rows("select count(*) from pets"), ["2"]);
        project.restore_store(&kept);
        tried += 1;
    }
    assert!(tried >= 3, "{tried}");
}

/// A list that came to nothing does not count: what it named was sealed anew since.
#[test]
fn a_destruction_that_was_prepared_and_not_done_excuses_nothing() {
    let (project, approvers) = loaded();
    let older = project.beside("older");
    project.copy_store(&older);
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    let args = project.approved_destruction(&approvers, PEOPLE, "1");
    let killed: Vec<&str> = args.iter().map(String::as_str).chain(["--kill-at", "destruction-prepared"]).collect();
    project.run(&killed).killed();
    project.run(&["keys", "reencrypt", "--table", "people"]).ok();
    project.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    project.run(&["audit", "verify"]).ok();
    // What was sealed anew, as it was before: the list that came to nothing names it.
    let before = |file: &PathBuf| older.join(file.strip_prefix(project.store()).unwrap());
    let changed = |file: &PathBuf| std::fs::read(file).unwrap() != std::fs::read(before(file)).unwrap();
    let data = table_files(&project).into_iter().find(changed).unwrap();
    std::fs::copy(before(&data), &data).unwrap();
    project.run(&["audit", "verify"]).fails(6);
}

#[test]
fn a_killed_destruction_is_settled_and_nothing_counts_as_damage() {
    let (prepared, approvers) = loaded();
    prepared.run(&["keys", "rotate", "--table", "people"]).ok();
    let args = prepared.approved_destruction(&approvers, PEOPLE, "1");
    let points = [
        "record-before#2",
        "record-after#2",
        "destruction-prepared",
        "record-before#3",
        "keyring-intent",
        "keyring-written",
        "record-before#4",
        "record-after#4",
        "snapshot-before",
    ];
    let mut gone = 0;
    for point in points {
        let project = prepared.fork();
        let act: Vec<&str> = args.iter().map(String::as_str).collect();
        project.run(&[&act[..], &["--kill-at", point]].concat()).killed();
        project.run(&["audit", "verify"]).ok();
        let asked = project.run(&["sql", "select count(*) from people", "--output", "csv"]);
        match asked.code {
            Some(0) => {
                assert!(asked.out.contains("191"), "{point}: {asked:?}");
                project.run(&act).ok();
            }
            _ => {
                asked.fails(3);
                gone += 1;
                let err = project.run(&act).fails(2);
                assert!(err.contains("it was destroyed"), "{point}: {err}");
            }
        }
        project.run(&["sql", "select count(*) from people"]).fails(3);
        assert_eq!(project.rows("select count(*) from pets"), ["2"], "{point}");
        assert_eq!(project.json(&["audit", "verify"])["destroyed"][0]["key_version"], 1, "{point}");
    }
    assert!((2..points.len()).contains(&gone), "{gone}");
}

/// The end of a destruction is an event of its own, whichever command brings it about.
#[test]
fn the_end_of_a_pending_destruction_is_recorded_and_told() {
    for last in ["rotate", "retire"] {
        let (project, approvers) = loaded();
        project.run(&["keys", "rotate", "--table", "people"]).ok();
        project.run(&["keys", "reencrypt", "--table", "people"]).ok();
        let out = project.destroy(&approvers, PEOPLE, "1");
        assert!(out.contains("pending: the root key") && !out.contains("destroyed:"), "{out}");
        let ends = || {
            let shown = project.json(&["audit", "show", "--type", "keys_changed", "--limit", "100"]);
            let destroyed = shown.as_array().unwrap().iter().filter(|entry| entry["details"]["change"] == "destroyed").cloned();
            destroyed.collect::<Vec<_>>()
        };
        let state = || project.json(&["status"])["destructions"][0].clone();
        let (retire, rotate) = (["keys", "retire-kit", &kit(&project)], ["keys", "rotate"]);
        let (first, second) = if last == "rotate" { (&retire[..], &rotate[..]) } else { (&rotate[..], &retire[..]) };
        assert_eq!((state()["state"].clone(), state()["pending"].as_array().unwrap().len()), ("pending".into(), 2));
        let status = project.run(&["status"]).ok();
        assert!(status.contains("destruction of version 1 of the key of table people: pending: the root key"), "{status}");
        let out = project.run(first).ok();
        assert!(!out.contains("destroyed:"), "{out}");
        assert_eq!((state()["state"].clone(), state()["pending"].as_array().unwrap().len(), ends().len()), ("pending".into(), 1, 0));
        let out = project.run(second).ok();
        assert!(out.contains("destroyed: no copy of the keyring that can be opened holds version 1 of the key of table people"), "{out}");
        let ends = ends();
        assert_eq!((ends.len(), &ends[0]["details"]["key_version"], &ends[0]["details"]["phase"]), (1, &1.into(), &"outcome".into()));
        assert_eq!(state()["state"], "destroyed");
        let shown = project.run(&["keys", "show"]).ok();
        assert!(shown.contains("table people: done") && shown.contains("Z destroyed"), "{shown}");
        project.run(&["audit", "verify"]).ok();
    }
}

/// Killed after the keyring says that it is complete and before the log does: the next command that writes makes it good.
#[test]
fn an_end_that_a_kill_kept_from_the_log_is_recorded_by_the_next() {
    let (project, approvers) = loaded();
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    project.destroy(&approvers, PEOPLE, "1");
    project.run(&["keys", "rotate"]).ok();
    project.run(&["keys", "retire-kit", &kit(&project), "--kill-at", "keyring-written"]).killed();
    assert_eq!(project.json(&["status"])["destructions"][0]["state"], "destroyed");
    project.run(&["table", "list"]).ok();
    let shown = project.run(&["audit", "show", "--type", "keys_changed", "--output", "json"]).ok();
    assert!(shown.contains("\"destroyed\""), "{shown}");
    project.run(&["audit", "verify"]).ok();
}

/// Keys of refused rows and of the log itself: rotated, brought along, destroyed, as a table's are.
#[test]
fn the_keys_of_quarantine_and_of_the_log_are_rotated_reencrypted_and_destroyed() {
    let (project, approvers) = loaded();
    let quarantined = project.json(&["quarantine", "list", "people"]);
    let rows = project.rows("select * from people order by id");
    let names: Vec<String> =
        project.json(&["keys", "show"]).as_array().unwrap().iter().map(|row| row["dataset"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    project.run(&["keys", "rotate", "--dataset", "nothing"]).fails(2);
    for name in &names {
        project.run(&["keys", "rotate", "--dataset", name]).ok();
    }
    // The log cannot be destroyed under a key that still seals a part of it.
    let args = project.approved_destruction(&approvers, ["--dataset", "system:journal"], "1");
    let err = project.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).fails(2);
    assert!(err.contains("keys reencrypt --dataset system:journal"), "{err}");
    project.run(&["keys", "reencrypt", "--dataset", "quarantine:people"]).ok();
    project.run(&["keys", "reencrypt"]).ok();
    for name in &names {
        let out = project.destroy(&approvers, ["--dataset", name], "1");
        assert!(out.contains("\n0 objects of the store"), "{name}: {out}");
    }
    assert_eq!(project.rows("select * from people order by id"), rows);
    assert_eq!(project.json(&["quarantine", "list", "people"]), quarantined);
    let shown = project.run(&["audit", "show", "--limit", "1000"]).ok();
    assert!(shown.contains("installation_created") && !shown.contains("(erased)"), "{shown}");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn refused_rows_whose_key_was_destroyed_are_told_and_the_table_works() {
    let (project, approvers) = loaded();
    project.run(&["keys", "rotate", "--dataset", "quarantine:people"]).ok();
    project.destroy(&approvers, ["--dataset", "quarantine:people"], "1");
    let list = project.json(&["quarantine", "list", "people"]);
    assert_eq!((&list[0]["batch"], &list[0]["rows"]), (&"destroyed with its key".into(), &9.into()), "{list}");
    project.run(&["quarantine", "show", "people"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["191"]);
    project.write("data/people2.csv", "id,name,age,secret\n900,Zoe,41,s\n901,Yan,151,s\n");
    project.run(&["run"]).ok();
    let list = project.json(&["quarantine", "list", "people"]);
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    let shown = project.run(&["quarantine", "show", "people"]).ok();
    assert!(shown.contains("Yan"), "{shown}");
    assert_eq!(project.json(&["audit", "verify"])["destroyed"][0]["objects"], 1);
    project.run(&["table", "drop", "people", "--yes"]).ok();
    project.run(&["audit", "verify"]).ok();
    project.run(&["run"]).ok();
}

/// A root that was lost and is found opens nothing that lies in the store, and a keyring of it that is put back is told of.
#[test]
fn a_keyring_of_a_withdrawn_root_does_not_stay() {
    let project = Project::new();
    let keyrings = |project: &Project| {
        let mut names: Vec<String> = std::fs::read_dir(project.store().join("keyring"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let older = project.beside("older");
    copy(&project.store().join("keyring"), &older);
    let old = keyrings(&project);
    let shares: Vec<String> =
        std::fs::read_dir(project.beside("root.recovery-kit")).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    std::fs::rename(project.key_file(), project.beside("lost.key")).unwrap();
    project.run(&["keys", "recover", &shares[0], &shares[1], "--key-file", &project.key_file().display().to_string()]).ok();
    let now = keyrings(&project);
    assert!(!now.iter().any(|name| old.contains(name)), "{old:?} {now:?}");
    project.run(&["audit", "verify"]).ok();
    let planted = old.last().unwrap();
    std::fs::copy(older.join(planted), project.store().join("keyring").join(planted)).unwrap();
    let err = project.run(&["audit", "verify"]).fails(6);
    assert!(err.contains(&format!("keyring/{planted}: another root key")), "{err}");
    project.run(&["table", "list"]).ok();
    assert_eq!(keyrings(&project), now);
    project.run(&["audit", "verify"]).ok();
}
