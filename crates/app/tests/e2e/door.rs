//! The SQL door, through the program: what is not a question about authorised tables is denied.

use crate::harness::Project;

#[test]
fn what_is_not_a_question_is_denied() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.run(&["run"]).ok();
    std::fs::write(project.beside("plain.csv"), "a\n1\n").unwrap();
    let plain = project.beside("plain.csv").display().to_string();
    let copy = project.beside("out.csv").display().to_string();
    for sql in [
        format!("COPY people TO '{copy}'"),
        format!("COPY (SELECT * FROM people) TO '{copy}' STORED AS CSV"),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{plain}'"),
        "INSERT INTO people VALUES (2, 'Bob', 3)".to_owned(),
        "DELETE FROM people".to_owned(),
        "DROP TABLE people".to_owned(),
        "CREATE TABLE t AS SELECT * FROM people".to_owned(),
        "SET datafusion.execution.target_partitions = 1".to_owned(),
        format!("SELECT * FROM '{plain}'"),
        format!("SELECT * FROM 'file://{plain}'"),
        "SELECT * FROM 's3://bucket/key.parquet'".to_owned(),
        "SELECT * FROM generate_series(1, 10)".to_owned(),
        format!("WITH t AS (SELECT * FROM '{plain}') SELECT * FROM t"),
        format!("EXPLAIN SELECT * FROM '{plain}'"),
        format!("EXPLAIN COPY people TO '{copy}'"),
        "SELECT 1; SELECT 2".to_owned(),
    ] {
        let ran = project.run(&["sql", &sql]);
        assert_eq!(ran.code, Some(7), "{sql}: {ran:?}");
        assert!(ran.out.is_empty(), "{sql}: {}", ran.out);
    }
    // What is no SQL at all.
    for sql in ["", "SELECT", "SELECT * FROM people WHERE", "SELECT 'open", "SELECT name FROM people FROM people"] {
        let ran = project.run(&["sql", sql]);
        assert_eq!(ran.code, Some(2), "{sql}: {ran:?}");
        assert!(ran.out.is_empty(), "{sql}: {}", ran.out);
    }
    assert!(!project.beside("out.csv").exists());
    assert_eq!(project.rows("select count(*) from people"), ["1"]);
}

#[test]
fn a_model_gets_no_further_through_the_door_than_a_question() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.run(&["run"]).ok();
    let copy = project.beside("out.csv").display().to_string();
    let header = "-- polder: materialized = table\n";
    // Refused when the file is read, so that no run begins.
    project.write("models/out.sql", format!("{header}COPY (SELECT * FROM people) TO '{copy}' STORED AS CSV\n"));
    let error = project.run(&["run"]).fails(2);
    assert!(error.contains("models/out.sql") && error.contains("COPY begins no query"), "{error}");
    // Refused when it is planned.
    project.write("models/out.sql", format!("{header}SELECT name, random() AS r FROM people\n"));
    let error = project.run(&["run"]).fails(7);
    assert!(error.contains("the function random does not exist, or is not allowed"), "{error}");
    assert!(!project.beside("out.csv").exists());
    project.run(&["sql", "select * from out"]).fails(2);
    // The control: a model in the same place that asks for rows.
    project.write("models/out.sql", format!("{header}SELECT name FROM people\n"));
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select name from out"), ["Ann"]);
}

#[test]
fn a_window_and_a_recursion_keep_to_their_limits() {
    let project = Project::new();
    let rows: String = (1..=500).map(|id| format!("{id},Ann,41,s\n")).collect();
    project.people(&rows);
    project.run(&["run"]).ok();
    let window = "select sum(n + id) as n from (select count(*) over () as n, a.id from people a cross join people b cross join (values (1), (2), (3), (4), (5), (6), (7), (8)) c)";
    let error = project.run(&["sql", window, "--memory-mib", "16"]).fails(2);
    assert!(error.contains("it needs more memory"), "{error}");
    assert_eq!(project.rows(window), ["4000501000000"]);
    let endless = "with recursive t as (select 1 as n union all select n from t) select count(*) as n from t";
    let error = project.run(&["sql", endless]).fails(2);
    assert!(error.contains("did not end in 10000 rounds"), "{error}");
    // In a model, it does not keep the lease.
    project.write("models/endless.sql", format!("-- polder: materialized = table\n{endless}\n"));
    project.run(&["run"]).fails(2);
    std::fs::remove_file(project.dir().join("models/endless.sql")).unwrap();
    project.run(&["run"]).ok();
}

#[test]
fn a_reader_without_a_permit_learns_nothing() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.run(&["run"]).ok();
    for entry in std::fs::read_dir(project.dir().join("policies")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let known = project.run(&["sql", "select * from people"]).fails(2);
    let unknown = project.run(&["sql", "select * from nothing"]).fails(2);
    assert_eq!(known.replace("people", "T"), unknown.replace("nothing", "T"));
}
