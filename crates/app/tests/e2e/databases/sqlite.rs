//! SQLite: a file that others write to while it is read.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Column, column, contract, key};
use crate::harness::Project;

const REPLACE: &str = "{property: polder.disposition, value: replace}";
const FILE: &str = "data/clinic.db";

/// A project for a database, and who writes to that.
fn bed(datasets: &str) -> (Project, Connection) {
    let project = Project::new();
    std::fs::create_dir_all(project.dir().join("data")).unwrap();
    project.write("sources/his.yaml", format!("type: sqlite\npath: {FILE}\ntables: ['*']\n{datasets}"));
    let writer = Connection::open(project.dir().join(FILE)).unwrap();
    (project, writer)
}

/// The one column of a statement's rows.
fn texts(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_table_of_sqlite_is_read_whole_while_a_writer_is_at_it() {
    const COLUMNS: [Column; 3] = [
        key("id", "logicalType: integer"),
        column("ward", "logicalType: string"),
        column("entered", "logicalType: timestamp, logicalTypeOptions: {timezone: false}"),
    ];
    let (project, writer) = bed("");
    writer
        .execute_batch(
            "pragma journal_mode = wal;
             create table stays (id integer primary key, ward text, entered text, secret text);
             with recursive n(i) as (values (1) union all select i + 1 from n where i < 20000)
             insert into stays select i, 'ward ' || (i % 7), datetime('2026-01-01', '+' || i || ' minutes'), 'planted-' || i from n;",
        )
        .unwrap();
    assert_eq!(texts(&writer, "pragma journal_mode"), ["wal"]);
    project.contract("stays", &contract("stays", "his", "stays", &COLUMNS, &[REPLACE]));
    let theirs = texts(&writer, "select id || ',' || ward || ',' || replace(entered, ' ', 'T') from stays order by id");
    // A transaction that holds the only right to write, and is not done.
    writer.execute_batch("begin immediate; delete from stays where id > 3; update stays set ward = 'new';").unwrap();
    let report = project.batch(&["run"]);
    assert_eq!(
        report["counts"],
        json!({"read": 20_000, "independent": true, "loaded": 20_000, "rejected": 0, "quarantined": 0}),
        "{report}"
    );
    assert_eq!(report["left_out"], json!(["secret"]));
    let ours = "select id, ward, entered from stays order by id";
    assert_eq!(project.rows(ours), theirs);
    // It went on as if nobody had read.
    writer.execute_batch("commit;").unwrap();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select id, ward from stays order by id"), ["1,new", "2,new", "3,new"]);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_table_of_sqlite_is_merged_by_a_cursor_and_what_is_gone_goes_by_its_keys() {
    const COLUMNS: [Column; 3] =
        [key("id", "logicalType: integer"), column("ward", "logicalType: string"), column("changed", "logicalType: integer")];
    let (project, writer) = bed("datasets:\n  stays: {cursor: changed}\n");
    writer
        .execute_batch(
            "pragma journal_mode = wal;
             create table stays (id integer primary key, ward text, changed integer not null);
             with recursive n(i) as (values (1) union all select i + 1 from n where i < 500)
             insert into stays select i, 'w' || i, i from n;",
        )
        .unwrap();
    let settings = ["{property: polder.disposition, value: merge}", "{property: polder.deletes, value: key_snapshot}"];
    project.contract("stays", &contract("stays", "his", "stays", &COLUMNS, &settings));
    let same = |what: &str| {
        let theirs = texts(&writer, "select id || ',' || ward || ',' || changed from stays order by id");
        assert_eq!(project.rows("select id, ward, changed from stays order by id"), theirs, "{what}");
    };
    let report = project.batch(&["run"]);
    assert_eq!(report["counts"]["inserted"], json!(500), "{report}");
    same("the first increment");
    writer.execute_batch("delete from stays where id % 5 = 0; update stays set ward = 'new', changed = 501 where id = 7;").unwrap();
    beside_a_writer(&project, &writer);
    same("the third increment");
    // A full refresh finds nothing that the increments had not brought.
    let report = project.batch(&["run", "--full-refresh"]);
    assert_eq!(report["counts"]["unchanged"], json!(399), "{report}");
    same("the full refresh");
}

/// An increment while a writer is at it shows what was there before that, the next one the rest.
fn beside_a_writer(project: &Project, writer: &Connection) {
    writer
        .execute_batch("begin immediate; delete from stays where id = 1; update stays set ward = 'late', changed = 502 where id = 2;")
        .unwrap();
    let report = project.batch(&["run"]);
    let counts = &report["counts"];
    // Of the rows from the last value on one is left; the deleted ones are told by their keys.
    assert_eq!([&counts["read"], &counts["updated"], &counts["deleted"]], [&json!(1), &json!(1), &json!(100)], "{report}");
    assert_eq!(project.rows("select ward from stays where id in (1, 2, 7) order by id"), ["w1", "w2", "new"]);
    writer.execute_batch("commit;").unwrap();
    let report = project.batch(&["run"]);
    let counts = &report["counts"];
    assert_eq!([&counts["updated"], &counts["deleted"]], [&json!(1), &json!(1)], "{report}");
}

const MERGE: &str = "{property: polder.disposition, value: merge}";
const BY_KEYS: &str = "{property: polder.deletes, value: key_snapshot}";

#[test]
fn no_row_goes_by_its_key_where_a_key_of_the_source_cannot_be_read() {
    let columns = [key("id", "logicalType: integer"), column("ward", "logicalType: string, logicalTypeOptions: {maxLength: 10}")];
    let settings = [MERGE, BY_KEYS, "{property: polder.onViolation, value: quarantine}", "{property: polder.rejectLimit, value: 0.9}"];
    let (project, writer) = bed("");
    let database = "create table stays (id integer, ward text); insert into stays values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');";
    writer.execute_batch(database).unwrap();
    project.contract("stays", &contract("stays", "his", "stays", &columns, &settings));
    assert_eq!(project.batch(&["run"])["counts"]["inserted"], json!(4));
    let rows = || project.rows("select id, ward from stays order by id");
    let whole = ["1,a", "2,b", "3,c", "4,d"];
    writer.execute_batch("delete from stays where id = 1").unwrap();
    // The second row is there, and its key is none: by the others it would be gone, as the first is.
    for odd in ["'two'", "null"] {
        writer.execute_batch(&format!("update stays set id = {odd} where ward = 'b'")).unwrap();
        let ran = project.run(&["run"]);
        assert!(ran.out.contains("1 rows have none that the table could hold; nothing was committed"), "{odd}: {ran:?}");
        ran.fails(3);
        assert_eq!(rows(), whole, "{odd}");
    }
    // A row that is refused for another of its values has its key, and stays what it was in the table.
    writer.execute_batch("update stays set id = 2 where ward = 'b'; update stays set ward = 'much too long' where id = 3;").unwrap();
    let report = project.batch(&["run"]);
    let counts = &report["counts"];
    assert_eq!([&counts["read"], &counts["quarantined"], &counts["deleted"]], [&json!(3), &json!(1), &json!(1)], "{report}");
    assert_eq!(rows(), ["2,b", "3,c", "4,d"]);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn how_far_another_dataset_was_read_or_rows_were_merged_tells_nothing_of_rows_that_are_added() {
    const COLUMNS: [Column; 2] = [key("id", "logicalType: integer"), column("ward", "logicalType: string")];
    let (project, writer) = bed("datasets:\n  stays: {cursor: id}\n  others: {cursor: id}\n");
    writer
        .execute_batch(
            "create table stays (id integer primary key, ward text); insert into stays values (1, 'a'), (2, 'b');
             create table others (id integer primary key, ward text); insert into others values (1, 'x'), (3, 'y');",
        )
        .unwrap();
    let of = |dataset: &str, settings: &[&str]| project.contract("stays", &contract("stays", "his", dataset, &COLUMNS, settings));
    let refused = |says: &str| {
        let ran = project.run(&["run"]);
        assert!(ran.out.contains(says) && ran.out.contains("polder state reset"), "{says}: {ran:?}");
        ran.fails(2);
        assert_eq!(project.rows("select id, ward from stays order by id"), ["1,a", "2,b"], "{says}");
    };
    of("stays", &[MERGE]);
    project.run(&["run"]).ok();
    of("others", &[MERGE]);
    refused("the last increment was read from his.stays");
    of("stays", &[]);
    refused("the last increment was merged, and its rows cannot be told from new ones where rows are added");
    // All anew, and from then on rows are added.
    project.run(&["run", "--full-refresh"]).ok();
    writer.execute_batch("insert into stays values (3, 'c')").unwrap();
    assert_eq!(project.batch(&["run"])["counts"]["loaded"], json!(1));
    assert_eq!(project.rows("select id, ward from stays order by id"), ["1,a", "2,b", "3,c"]);
}

#[test]
fn a_table_that_each_load_replaces_has_no_cursor_to_set() {
    const COLUMNS: [Column; 2] = [key("id", "logicalType: integer"), column("ward", "logicalType: string")];
    let (project, writer) = bed("datasets:\n  stays: {cursor: id}\n");
    writer.execute_batch("create table stays (id integer primary key, ward text); insert into stays values (1, 'a'), (2, 'b');").unwrap();
    project.contract("stays", &contract("stays", "his", "stays", &COLUMNS, &[REPLACE]));
    project.run(&["run"]).ok();
    let err = project.run(&["state", "set", "stays", "--cursor", "2"]).fails(2);
    assert!(err.contains("each load replaces the table (polder.disposition: replace)") && err.contains("append, merge or scd2"), "{err}");
    assert_eq!(project.json(&["state", "show", "stays"])[0]["reached"], json!(null));
    // A control: with rows that stay it has one.
    project.contract("stays", &contract("stays", "his", "stays", &COLUMNS, &[MERGE]));
    project.run(&["state", "set", "stays", "--cursor", "2"]).ok();
    assert_eq!(project.batch(&["run"])["counts"]["read"], json!(1));
}

#[test]
fn a_value_of_another_class_is_refused_with_its_row() {
    let columns = [
        key("id", "logicalType: integer"),
        column("age", "logicalType: integer"),
        column("weight", "logicalType: number"),
        column("note", "logicalType: string"),
    ];
    let settings = [REPLACE, "{property: polder.onViolation, value: quarantine}", "{property: polder.rejectLimit, value: 0.9}"];
    let (project, writer) = bed("");
    // SQLite stores them all, each in its own class.
    writer
        .execute_batch(
            "create table odd (id integer primary key, age integer, weight real, note text);
             insert into odd values (1, 41, 3.5, 'a'), (2, 'old', 4.5, 'b'), (3, 43, 'heavy', 'c'), (4, 44, 6.5, x'616263'), (5, null, 7.5, null),
                 (6, 4.25, 8.5, 'f');",
        )
        .unwrap();
    assert_eq!(
        texts(&writer, "select typeof(age) || ' ' || typeof(weight) || ' ' || typeof(note) from odd where id in (2, 3, 4) order by id"),
        ["text real text", "integer text text", "integer real blob"]
    );
    project.contract("odd", &contract("odd", "his", "odd", &columns, &settings));
    let report = project.batch(&["run"]);
    let counts = &report["counts"];
    assert_eq!([&counts["read"], &counts["loaded"], &counts["quarantined"]], [&json!(6), &json!(2), &json!(4)], "{report}");
    let mut refused: Vec<(&str, u64)> = report["refused"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|by| by["rule"] == "type")
        .map(|by| (by["column"].as_str().unwrap(), by["rows"].as_u64().unwrap()))
        .collect();
    refused.sort_unstable();
    assert_eq!(refused, [("age", 2), ("note", 1), ("weight", 1)], "{report}");
    assert_eq!(project.rows("select id, age, weight, note from odd order by id"), ["1,41,3.5,a", "5,,7.5,"]);
    let shown: Value = project.json(&["quarantine", "show", "odd"]);
    assert!(shown.to_string().contains("\"old\"") && shown.to_string().contains("\"heavy\""), "{shown}");
}

#[test]
fn what_is_no_whole_database_is_told_and_changes_nothing() {
    let columns = [key("id", "logicalType: integer"), column("ward", "logicalType: string")];
    let (project, writer) = bed("");
    writer
        .execute_batch(
            "create table stays (id integer primary key, ward text);
             with recursive n(i) as (values (1) union all select i + 1 from n where i < 5000) insert into stays select i, 'ward ' || (i % 7) from n;",
        )
        .unwrap();
    writer.close().unwrap();
    project.contract("stays", &contract("stays", "his", "stays", &columns, &[REPLACE]));
    project.run(&["run"]).ok();
    let file = project.dir().join(FILE);
    let whole = std::fs::read(&file).unwrap();
    let page = (usize::from(whole[16]) << 8) + usize::from(whole[17]);
    assert!(whole.len() > 8 * page, "{page}");
    // All but the page on which the tables stand; and one page of rows in the middle.
    let (mut without_rows, mut with_a_hole) = (whole.clone(), whole.clone());
    without_rows[page..].fill(0x5a);
    with_a_hole[5 * page..6 * page].fill(0x5a);
    let cut = whole[..whole.len() / page / 2 * page].to_vec();
    for (bytes, code, says) in [
        (without_rows, 3, "the database is damaged"),
        (with_a_hole, 3, "the database is damaged"),
        (cut, 3, "the database is damaged"),
        (b"id,ward\n".repeat(1000), 3, "the file is no SQLite database"),
        (b"id".to_vec(), 3, "the file is no SQLite database"),
        (b"i".to_vec(), 3, "the file is no SQLite database"),
        (Vec::new(), 2, "there is no such table or view"),
    ] {
        project.write(FILE, bytes);
        let ran = project.run(&["run"]);
        assert!(ran.out.contains(says) || ran.err.contains(says), "{says}: {ran:?}");
        ran.fails(code);
        assert_eq!(project.rows("select count(*) from stays"), ["5000"], "{says}");
    }
    let unread = |what: &str| {
        let ran = project.run(&["run"]);
        assert!(ran.out.contains("clinic.db") || ran.err.contains("clinic.db"), "{what}: {ran:?}");
        ran.fails(4);
    };
    std::fs::remove_file(&file).unwrap();
    unread("there is no such file");
    std::fs::create_dir(&file).unwrap();
    unread("it is a directory");
    std::fs::remove_dir(&file).unwrap();
    project.write(FILE, &whole);
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from stays"), ["5000"]);
}
