//! ADBC: a driver that others wrote, in a process of its own, and only the one that is meant.

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::Connection;
use serde_json::json;

use super::{Column, column, contract, key};
use crate::harness::Project;
use crate::servers::adbc_driver;

const REPLACE: &str = "{property: polder.disposition, value: replace}";
const DRIVER: &str = "drivers/libadbc_driver_sqlite.so";
const STAYS: [Column; 3] =
    [key("id", "logicalType: integer"), column("ward", "logicalType: string"), column("weight", "logicalType: number")];

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

/// A project with a copy of the driver for SQLite, and the database that this is to read.
fn bed() -> (Project, Connection, Vec<u8>) {
    let project = Project::new();
    let library = std::fs::read(adbc_driver("adbc_driver_sqlite")).unwrap();
    project.write(DRIVER, &library);
    let file = project.beside("clinic.db");
    let writer = Connection::open(&file).unwrap();
    writer
        .execute_batch(
            "create table stays (id integer primary key, ward text, weight real, secret text);
             with recursive n(i) as (values (1) union all select i + 1 from n where i < 20000)
             insert into stays select i, iif(i % 10 = 0, null, 'ward ' || (i % 7)), i + 0.5, 'planted-' || i from n;",
        )
        .unwrap();
    project.write("url", file.display().to_string());
    declare(&project, DRIVER, &sha256(&library));
    project.contract("stays", &contract("stays", "his", "stays", &STAYS, &[REPLACE]));
    (project, writer, library)
}

fn declare(project: &Project, driver: &str, sha256: &str) {
    let source = format!("type: adbc\ndriver: {driver}\ndriver_sha256: \"{sha256}\"\nurl: file:url\ntables: [stays]\n");
    project.write("sources/his.yaml", source);
}

fn theirs(database: &Connection) -> Vec<String> {
    let sql = "select id || ',' || coalesce(ward, '') || ',' || weight from stays order by id";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_table_is_read_through_a_driver_without_what_no_contract_authorises() {
    let (project, writer, _) = bed();
    let listed = project.run(&["source", "check", "his"]).ok();
    assert!(listed.contains("stays"), "{listed}");
    let report = project.batch(&["run"]);
    // This driver has no snapshot in which both could be asked, so nobody counts beside it.
    assert_eq!(
        report["counts"],
        json!({"read": 20_000, "independent": false, "loaded": 20_000, "rejected": 0, "quarantined": 0}),
        "{report}"
    );
    assert_eq!(report["left_out"], json!(["secret"]));
    let ours = "select id, ward, weight from stays order by id";
    assert_eq!(project.rows(ours), theirs(&writer));
    writer.execute_batch("delete from stays where id > 15; update stays set ward = 'new' where id = 1;").unwrap();
    project.run(&["run"]).ok();
    assert_eq!(project.rows(ours), theirs(&writer));
    project.run(&["audit", "verify"]).ok();
}

/// The load fails with this code and these words, and the table is as it was.
#[track_caller]
fn refused(project: &Project, code: i32, says: &str) {
    let ran = project.run(&["run"]);
    assert!(ran.out.contains(says) || ran.err.contains(says), "{says}: {ran:?}");
    ran.fails(code);
    assert_eq!(project.rows("select count(*) from stays"), ["20000"], "{says}");
}

#[test]
fn no_other_library_than_the_one_that_is_meant_is_loaded() {
    const ANOTHER: &str = "the library is another one than the source names by `driver_sha256`";
    let (project, writer, library) = bed();
    project.run(&["run"]).ok();
    writer.execute_batch("delete from stays where id > 3;").unwrap();
    // Somebody put another one in its place, which would load just as well.
    let mut other = library.clone();
    other.push(0);
    project.write(DRIVER, &other);
    refused(&project, 6, ANOTHER);
    // Of what is no library that is said, too: nothing of it is looked at before it is known to be the one.
    project.write(DRIVER, "no library");
    refused(&project, 6, ANOTHER);
    declare(&project, DRIVER, &sha256(b"no library"));
    refused(&project, 2, "the library is no ADBC driver");
    declare(&project, "drivers/none.so", &sha256(b"no library"));
    refused(&project, 4, "none.so");
    // What is no SHA-256 is told by its line, before anything is opened.
    declare(&project, DRIVER, "abc");
    let err = project.run(&["source", "check", "his"]).fails(2);
    assert!(err.contains("his.yaml, line 3: `driver_sha256`"), "{err}");
    // The control: the other one, once it is the one that is meant.
    project.write(DRIVER, &other);
    declare(&project, DRIVER, &sha256(&other));
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from stays"), ["3"]);
}

#[test]
fn what_a_driver_says_goes_no_further_than_its_class() {
    let (project, _, _) = bed();
    project.run(&["run"]).ok();
    // Its words name the file, and may quote a row.
    project.write("url", project.beside("planted-elsewhere/clinic.db").display().to_string());
    let ran = project.run(&["run"]);
    let says = "the driver says that the database cannot be reached";
    assert!(ran.out.contains(says) || ran.err.contains(says), "{ran:?}");
    assert!(!ran.out.contains("planted") && !ran.err.contains("planted"), "{ran:?}");
    ran.fails(4);
    assert_eq!(project.rows("select count(*) from stays"), ["20000"]);
}
