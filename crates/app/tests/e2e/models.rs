//! Models, through the program: their order, and what they may not take the place of.

use crate::harness::Project;

#[test]
fn models_are_built_in_the_order_of_their_inputs() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    // By name the reader would come first.
    project.write("models/a_reader.sql", "-- polder: materialized = table\nselect n + 1 as n from z_counted\n");
    project.write("models/z_counted.sql", "-- polder: materialized = table\nselect count(*) as n from people\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select n from a_reader"), ["2"]);
    project.write("data/people2.csv", "id,name,age,secret\n2,Bob,30,s\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select n from a_reader"), ["3"]);
}

#[test]
fn a_model_does_not_take_the_place_of_a_contracts_table() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.run(&["run"]).ok();
    project.write("models/people.sql", "-- polder: materialized = table\nselect 1 as x\n");
    let err = project.run(&["run"]).fails(2);
    assert!(err.contains("models/people.sql"), "{err}");
    std::fs::remove_file(project.dir().join("models/people.sql")).unwrap();
    assert_eq!(project.rows("select name from people"), ["Ann"]);
}

#[test]
fn a_root_key_inside_the_project_is_refused_whatever_its_path_looks_like() {
    let project = Project::new();
    let other = project.beside("other");
    let (dir, key) = (other.display().to_string(), other.join("../other/in.key").display().to_string());
    project.run(&["init", &dir, "--key-file", &key]).fails(2);
    std::fs::create_dir_all(&other).unwrap();
    std::os::unix::fs::symlink(&other, project.beside("link")).unwrap();
    let key = project.beside("link").join("in.key").display().to_string();
    project.run(&["init", &dir, "--key-file", &key]).fails(2);
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 0);
}

#[test]
fn a_model_keeps_to_the_memory_that_it_is_given() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,42,s\n");
    project
        .write("models/long.sql", "-- polder: materialized = table\nselect id, length(lpad(name, id * 1000000, 'x')) as n from people\n");
    let error = project.run(&["run", "--memory-mib", "64"]).fails(2);
    assert!(error.contains("would make more than"), "{error}");
    project.run(&["model", "run", "long", "--memory-mib", "64"]).fails(2);
    project.run(&["model", "run", "long", "--memory-mib", "1024"]).ok();
    assert_eq!(project.rows("select n from long order by id"), ["1000000", "2000000"]);
}

/// Entries of a type in the log.
fn recorded(project: &Project, event: &str) -> usize {
    project.json(&["audit", "show", "--type", event, "--limit", "1000"]).as_array().unwrap().len()
}

#[test]
fn a_model_that_fails_leaves_no_rows_in_the_store_and_its_run_has_an_end() {
    let project = Project::new();
    project.people(&(0..60_000).map(|i| format!("{i},Name{i},41,s\n")).collect::<String>());
    project.run(&["run"]).ok();
    // The division fails among the last rows, when many were staged.
    let model = |at: &str| format!("-- polder: materialized = table\nselect id, name, 100 / (id - {at}) as x from people\n");
    project.write("models/broken.sql", model("59990"));
    project.write("models/later.sql", "-- polder: materialized = table\nselect count(*) as n from broken\n");
    let stored = |project: &Project| {
        let files = project.store_files();
        files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).count()
    };
    let (files, ends) = (stored(&project), recorded(&project, "run_finished"));
    for round in 1..=2 {
        let ran = project.run(&["model", "run", "--output", "json"]);
        assert_ne!(ran.code, Some(0), "{ran:?}");
        let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((&report["success"], &report["batches"][0]["status"]), (&false.into(), &"failed".into()), "{report}");
        assert!(report["batches"][1]["error"]["message"].as_str().unwrap().contains("not begun, since broken failed"), "{report}");
        assert_eq!((stored(&project), recorded(&project, "run_finished")), (files, ends + round));
    }
    // One that may not even begin ends too.
    project
        .write("policies/forbid.cedar", "@id(\"never\") forbid (principal, action == Action::\"Run\", resource == Table::\"broken\");\n");
    project.run(&["model", "run", "broken"]).fails(7);
    assert_eq!(recorded(&project, "run_finished"), ends + 3);
    assert_eq!(recorded(&project, "run_started"), recorded(&project, "run_finished"));
    std::fs::remove_file(project.dir().join("policies/forbid.cedar")).unwrap();
    // The control.
    project.write("models/broken.sql", model("70000"));
    let report = project.json(&["model", "run"]);
    assert_eq!((&report["success"], &report["batches"][1]["status"]), (&true.into(), &"committed".into()), "{report}");
    assert!(stored(&project) > files);
    assert_eq!(project.rows("select n from later"), ["60000"]);
}
