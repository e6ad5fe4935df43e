//! `table drop`: the table and all that belongs to it is gone, at once for whoever asks, whenever the program is killed.

use crate::harness::{Project, copy, seeds};

fn loaded() -> Project {
    let project = Project::new();
    project.people(&(0..200).map(|i| format!("{i},Name{i},{},s\n", i % 160)).collect::<String>());
    project.pets("cat\ndog\n");
    project.run(&["run"]).ok();
    project
}

/// Names of the files below an area of the store.
fn below(project: &Project, area: &str) -> Vec<String> {
    let store = project.store();
    let names = project.store_files().into_iter().map(|path| path.strip_prefix(&store).unwrap().display().to_string());
    names.filter(|name| name.starts_with(area)).collect()
}

fn id(project: &Project, name: &str) -> String {
    let shown = project.json(&["keys", "show"]);
    let row = shown.as_array().unwrap().iter().find(|row| row["dataset"] == name).unwrap();
    row["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_dropped_table_is_gone_with_all_that_belongs_to_it() {
    let project = loaded();
    let (table, quarantine, pets) = (id(&project, "table:people"), id(&project, "quarantine:people"), id(&project, "table:pets"));
    let others = below(&project, &format!("tables/{pets}"));
    assert!(!below(&project, &format!("quarantine/{quarantine}")).is_empty());
    let err = project.run(&["table", "drop", "people"]).fails(2);
    assert!(err.contains("--yes"), "{err}");
    assert_eq!(project.rows("select count(*) from people"), ["191"]);
    project.run(&["table", "drop", "nothing", "--yes"]).fails(2);
    let out = project.run(&["table", "drop", "people", "--yes"]).ok();
    assert!(out.starts_with("dropped people: "), "{out}");
    for area in ["tables", "offsets", "quarantine"] {
        for dataset in [&table, &quarantine] {
            assert!(below(&project, &format!("{area}/{dataset}")).is_empty(), "{area}");
        }
    }
    assert_eq!(below(&project, &format!("tables/{pets}")), others);
    let missing = project.run(&["sql", "select * from people"]).fails(2);
    assert_eq!(missing.replace("people", "T"), project.run(&["sql", "select * from nothing"]).fails(2).replace("nothing", "T"));
    for args in [
        &["table", "show", "people"][..],
        &["table", "history", "people"],
        &["quarantine", "show", "people"],
        &["table", "drop", "people", "--yes"],
    ] {
        project.run(args).fails(2);
    }
    assert!(!project.run(&["table", "list"]).ok().contains("people"));
    assert!(!project.run(&["status"]).ok().contains("people"));
    project.run(&["audit", "verify"]).ok();
    let shown = project.json(&["audit", "show", "--type", "table_maintained"]);
    let phases: Vec<&str> = shown.as_array().unwrap().iter().map(|entry| entry["details"]["phase"].as_str().unwrap()).collect();
    assert_eq!((phases, &shown[0]["details"]["operation"]), (vec!["intent", "outcome"], &"drop".into()));

    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["191"]);
    assert_ne!(id(&project, "table:people"), table, "another table under the same name");
    assert_eq!(project.json(&["table", "history", "people"]).as_array().unwrap().len(), 2);
    assert_eq!(project.json(&["quarantine", "list", "people"])[0]["rows"], 9);
    project.run(&["table", "drop", "people", "--yes"]).ok();
    project.run(&["run"]).ok();
    project.run(&["audit", "verify"]).ok();
}

/// What a thief of backups puts back is no part of the table that stands now, and is told of.
#[test]
fn objects_of_a_dropped_table_that_are_put_back_are_found() {
    let project = loaded();
    let table = id(&project, "table:people");
    let older = project.beside("older");
    project.copy_store(&older);
    project.run(&["table", "drop", "people", "--yes"]).ok();
    project.run(&["run"]).ok();
    copy(&older.join("tables").join(&table), &project.store().join("tables").join(&table));
    let err = project.run(&["audit", "verify"]).fails(6);
    assert!(err.contains(&format!("tables/{table}/")) && err.contains("it belongs to a table that was dropped"), "{err}");
    assert_eq!(project.rows("select count(*) from people"), ["191"]);
}

/// A damaged table can be dropped too: nothing of it is read.
#[test]
fn a_damaged_table_can_be_dropped_and_loaded_anew() {
    for damage in ["flip", "remove", "cut"] {
        let project = loaded();
        let folder = format!("tables/{}", id(&project, "table:people"));
        for name in below(&project, &folder) {
            let path = project.store().join(name);
            let mut bytes = std::fs::read(&path).unwrap();
            match damage {
                "flip" => {
                    bytes[200] ^= 1;
                    std::fs::write(&path, bytes).unwrap();
                }
                "cut" => std::fs::write(&path, &bytes[..100]).unwrap(),
                _ => std::fs::remove_file(&path).unwrap(),
            }
        }
        project.run(&["sql", "select count(*) from people"]).fails(6);
        project.run(&["table", "drop", "people", "--yes"]).ok();
        project.run(&["run"]).ok();
        assert_eq!(project.rows("select count(*) from people"), ["191"], "{damage}");
        project.run(&["audit", "verify"]).ok();
    }
}

#[test]
fn a_table_that_a_model_computes_can_be_dropped() {
    let project = loaded();
    project.write("models/ages.sql", "-- polder: materialized = table\nselect age, count(*) as n from people group by age\n");
    project.run(&["run"]).ok();
    let rows = project.rows("select * from ages order by age");
    project.write("models/old.sql", "-- polder: materialized = view\nselect * from people where age > 60\n");
    project.run(&["model", "run"]).ok();
    let err = project.run(&["table", "drop", "old", "--yes"]).fails(2);
    assert!(err.contains("nothing of it is stored"), "{err}");
    project.run(&["sql", "select count(*) from old"]).ok();
    project.run(&["table", "drop", "ages", "--yes"]).ok();
    project.run(&["audit", "verify"]).ok();
    project.run(&["model", "run"]).ok();
    assert_eq!(project.rows("select * from ages order by age"), rows);
}

#[test]
fn a_killed_drop_leaves_the_table_whole_or_gone() {
    let prepared = loaded();
    let points = [
        "record-before#2",
        "record-after#2",
        "drop-intent",
        "drop-deleting#1",
        "drop-deleting#3",
        "drop-deleted",
        "record-before#3",
        "keyring-intent",
        "keyring-written",
        "record-before#4",
        "record-before#5",
        "record-after#5",
        "snapshot-before",
    ];
    let drop = ["table", "drop", "people", "--yes"];
    let (mut whole, mut gone) = (0, 0);
    for seed in 0..seeds(points.len() as u64, points.len() as u64 * 3) {
        let point = points[(seed % points.len() as u64) as usize];
        let project = prepared.fork();
        project.run(&[&drop[..], &["--kill-at", point]].concat()).killed();
        // Beside any writer, and before one has finished what was begun.
        project.run(&["audit", "verify"]).ok();
        project.run(&["status"]).ok();
        // Killed again while it is finished.
        if seed % 3 == 0 {
            let again = project.run(&["table", "list", "--kill-at", "drop-deleted"]);
            assert!(again.code.is_none() || again.code == Some(0), "{point}: {again:?}");
            project.run(&["audit", "verify"]).ok();
        }
        let asked = project.run(&["sql", "select count(*) from people", "--output", "csv"]);
        if asked.code == Some(0) {
            assert!(asked.out.contains("191"), "{point}: {asked:?}");
            whole += 1;
            project.run(&drop).ok();
        } else {
            asked.fails(2);
            gone += 1;
        }
        assert_eq!(project.rows("select count(*) from pets"), ["2"], "{point}");
        project.run(&["run"]).ok();
        assert_eq!(project.rows("select count(*) from people"), ["191"], "{point}");
        project.run(&["audit", "verify"]).ok();
    }
    assert!(whole >= 1 && gone >= 8, "{whole} {gone}");
}
