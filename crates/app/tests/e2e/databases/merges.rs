//! Loads that merge: rows take the place of those that have their keys, and what is gone at the source goes.

use serde_json::json;

use super::{Column, column, contract, key};
use crate::harness::Project;
use crate::servers::postgres::Postgres;

const STAYS: [Column; 4] = [
    key("id", "logicalType: integer"),
    column("ward", "logicalType: string"),
    column("changed", "logicalType: timestamp"),
    column("gone", "logicalType: boolean"),
];
const MERGE: &str = "{property: polder.disposition, value: merge}";
const SCD2: &str = "{property: polder.disposition, value: scd2}";
const BY_FLAG: &str = "{property: polder.deletes, value: {flag: gone}}";
const BY_KEYS: &str = "{property: polder.deletes, value: key_snapshot}";

fn bed(server: &Postgres, cursor: &str, settings: &[&str]) -> Project {
    server.psql("create table stays (id int primary key, ward text, changed timestamptz not null, gone boolean not null default false);");
    let project = Project::new();
    project.write("url", server.url());
    let datasets = if cursor.is_empty() { String::new() } else { format!("datasets:\n  public.stays: {{cursor: {cursor}}}\n") };
    project.write(
        "sources/his.yaml",
        format!("type: postgres\nurl: file:url\nca: {}\ntables: [public.*]\n{datasets}", server.ca_file().display()),
    );
    project.contract("stays", &contract("stays", "his", "public.stays", &STAYS, settings));
    project
}

fn rows(project: &Project) -> Vec<String> {
    project.rows("select id, ward from stays order by id")
}

#[test]
fn changed_rows_take_the_place_of_what_was_there_and_flagged_ones_go() {
    let server = Postgres::start();
    let project = bed(&server, "changed", &[MERGE, BY_FLAG]);
    server.psql("insert into stays values (1, 'a', '2026-01-01'), (2, 'b', '2026-01-01'), (3, 'c', '2026-01-02');");
    let first = project.batch(&["run"]);
    assert_eq!((&first["counts"]["read"], &first["counts"]["inserted"]), (&json!(3), &json!(3)), "{first}");
    server.psql(
        "update stays set ward = 'B', changed = '2026-01-03' where id = 2;
         update stays set gone = true, changed = '2026-01-03' where id = 1;
         insert into stays values (4, 'd', '2026-01-03');",
    );
    let second = project.batch(&["run"]);
    let counts = &second["counts"];
    // The last row of the increment before is read again, and is the same.
    assert_eq!(
        [&counts["read"], &counts["inserted"], &counts["updated"], &counts["unchanged"], &counts["flagged"], &counts["deleted"]],
        [&json!(4), &json!(1), &json!(1), &json!(1), &json!(1), &json!(1)],
        "{second}"
    );
    assert_eq!(counts["independent"], json!(true));
    assert_eq!(rows(&project), ["2,B", "3,c", "4,d"]);
    // An older version is what it was.
    let version = first["version"].as_u64().unwrap();
    let at = ["sql", "select id, ward from stays order by id", "--at", &format!("stays={version}"), "--output", "csv"];
    assert_eq!(project.run(&at).ok(), "id,ward\n1,a\n2,b\n3,c\n");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn rows_that_the_source_does_not_hold_any_more_go_by_their_keys() {
    for cursor in ["", "changed"] {
        let server = Postgres::start();
        let project = bed(&server, cursor, &[MERGE, BY_KEYS]);
        server.psql("insert into stays select i, 'w' || i, timestamptz '2026-01-01' + i * interval '1 s' from generate_series(1, 500) i;");
        project.run(&["run"]).ok();
        server.psql("delete from stays where id % 5 = 0; update stays set ward = 'new', changed = '2026-02-01' where id = 7;");
        let report = project.batch(&["run"]);
        assert_eq!(report["counts"]["deleted"], json!(100), "{report}");
        assert_eq!(project.rows("select count(*), count(*) filter (where id % 5 = 0), max(ward) from stays"), ["400,0,w99"]);
        assert_eq!(project.rows("select ward from stays where id = 7"), ["new"]);
        let ours = project.rows("select id, ward from stays order by id");
        let theirs = server.psql("select id || ',' || ward from stays order by id");
        assert_eq!(ours, theirs.lines().collect::<Vec<_>>(), "{cursor}");
    }
}

#[test]
fn versions_are_kept_with_the_time_from_which_and_until_which_they_held() {
    let server = Postgres::start();
    let project = bed(&server, "changed", &[SCD2, BY_FLAG]);
    server.psql("insert into stays values (1, 'a', '2026-01-01'), (2, 'b', '2026-01-01');");
    project.run(&["run"]).ok();
    server.psql("update stays set ward = 'A', changed = '2026-01-03' where id = 1;");
    project.run(&["run"]).ok();
    server.psql("update stays set gone = true, changed = '2026-01-04' where id = 2;");
    project.run(&["run"]).ok();
    let versions = "select id, ward, valid_to is null from stays order by id, valid_from";
    assert_eq!(project.rows(versions), ["1,a,false", "1,A,true", "2,b,false"]);
    // One ends where the next begins.
    let joined = "select count(*) from stays one join stays other on one.id = other.id and one.valid_to = other.valid_from";
    assert_eq!(project.rows(joined), ["1"]);
    // What is read again and is the same makes no version.
    project.run(&["run"]).ok();
    assert_eq!(project.rows(versions).len(), 3);
    // A contract that would take its history away is refused.
    for settings in [[MERGE, BY_FLAG].as_slice(), &[SCD2, BY_FLAG, "{property: polder.scd2, value: {from: since, to: until}}"]] {
        project.contract("stays", &contract("stays", "his", "public.stays", &STAYS, settings));
        let ran = project.run(&["run"]);
        assert!(ran.out.contains("it keeps versions of its rows"), "{ran:?}");
        ran.fails(2);
        assert_eq!(project.rows(versions).len(), 3);
    }
}

#[test]
fn a_full_refresh_makes_the_table_what_the_source_is_and_writes_no_row_that_is_the_same() {
    let server = Postgres::start();
    let project = bed(&server, "changed", &[MERGE]);
    server.psql("insert into stays select i, 'w', timestamptz '2026-01-01' + i * interval '1 s' from generate_series(1, 300) i;");
    project.run(&["run"]).ok();
    // Nothing tells the increments of these.
    server.psql("delete from stays where id > 290; update stays set ward = 'silent' where id = 1;");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from stays"), ["300"]);
    let report = project.batch(&["run", "--full-refresh"]);
    let counts = &report["counts"];
    assert_eq!([&counts["updated"], &counts["unchanged"], &counts["deleted"]], [&json!(1), &json!(289), &json!(10)], "{report}");
    assert_eq!(project.rows("select count(*), count(*) filter (where ward = 'silent') from stays"), ["290,1"]);
}

#[test]
fn a_restored_table_remembers_how_far_its_source_was_read_then() {
    let server = Postgres::start();
    let project = bed(&server, "changed", &[MERGE]);
    project.write("models/wards.sql", "-- polder: materialized = table\nselect ward, count(*) as stays from stays group by ward\n");
    server.psql("insert into stays values (1, 'a', '2026-01-01'), (2, 'b', '2026-01-01');");
    let first = project.json(&["run", "--select", "stays"])["batches"][0].clone();
    let version = first["version"].to_string();
    project.run(&["run"]).ok();
    server.psql("insert into stays values (3, 'c', '2026-01-02'); update stays set ward = 'A', changed = '2026-01-03' where id = 1;");
    project.run(&["run"]).ok();
    assert_eq!(rows(&project), ["1,A", "2,b", "3,c"]);
    assert_eq!(project.json(&["state", "show", "stays"])[0]["reached"], json!("2026-01-03T00:00:00Z"));
    let told = project.run(&["table", "restore", "stays", "--version", &version, "--yes"]).ok();
    assert!(told.contains("stale, until the next run builds them: wards"), "{told}");
    assert_eq!(rows(&project), ["1,a", "2,b"]);
    assert_eq!(project.json(&["state", "show", "stays"])[0]["reached"], json!("2026-01-01T00:00:00Z"));
    // What came since comes again.
    project.run(&["run"]).ok();
    assert_eq!(rows(&project), ["1,A", "2,b", "3,c"]);
    assert_eq!(project.rows("select ward from wards order by ward"), ["A", "b", "c"]);
    project.run(&["audit", "verify"]).ok();
    // The cursor can be set, and forgotten.
    project.run(&["state", "set", "stays", "--cursor", "2026-01-02"]).ok();
    let report = project.json(&["run", "--select", "stays"])["batches"][0].clone();
    assert_eq!(report["counts"]["read"], json!(2), "{report}");
    project.run(&["state", "reset", "stays", "--yes"]).ok();
    let report = project.json(&["run", "--select", "stays"])["batches"][0].clone();
    assert_eq!(report["counts"]["read"], json!(3), "{report}");
    let err = project.run(&["table", "restore", "stays", "--version", "99", "--yes"]).fails(2);
    assert!(err.contains("has no version 99"), "{err}");
    let err = project.run(&["state", "set", "stays", "--cursor", "yesterday"]).fails(2);
    assert!(err.contains("the value is none of column changed"), "{err}");
}

#[test]
fn a_window_is_read_again_as_often_as_one_likes_and_moves_no_cursor() {
    let server = Postgres::start();
    let project = bed(&server, "changed", &[MERGE]);
    server.psql("insert into stays select i, 'w', timestamptz '2026-01-01' + i * interval '1 day' from generate_series(0, 30) i;");
    project.run(&["run"]).ok();
    let reached = project.json(&["state", "show", "stays"])[0]["reached"].clone();
    // Corrected at the source, and its cursor was not.
    server.psql("update stays set ward = 'corrected' where id between 10 and 12;");
    for updated in [3, 0] {
        let report = project.batch(&["run", "--select", "stays", "--from", "2026-01-05", "--to", "2026-01-20"]);
        let counts = &report["counts"];
        assert_eq!(counts["read"], json!(15), "{report}");
        assert_eq!(counts["updated"].as_u64().unwrap_or(0), updated, "{report}");
        assert_eq!(project.rows("select count(*), count(*) filter (where ward = 'corrected') from stays"), ["31,3"]);
        assert_eq!(project.json(&["state", "show", "stays"])[0]["reached"], reached);
    }
    project.run(&["run", "--from", "2026-01-05", "--to", "2026-01-20"]).fails(2);
    let err = project.run(&["run", "--select", "stays", "--from", "soon", "--to", "2026-01-20"]);
    assert!(err.out.contains("is no value of the type timestamp"), "{err:?}");
    err.fails(2);
}
