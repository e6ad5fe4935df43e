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
        assert!(matches!(ran.code, Some(2 | 7)), "{sql}: {ran:?}");
        assert!(ran.out.is_empty(), "{sql}: {}", ran.out);
    }
    assert!(!project.beside("out.csv").exists());
    assert_eq!(project.rows("select count(*) from people"), ["1"]);
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
