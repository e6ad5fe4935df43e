//! PostgreSQL: what is read of it, and what becomes of a load that is disturbed.

use serde_json::json;

use super::proxy::Proxy;
use super::{Column, column, contract, key};
use crate::harness::Project;
use crate::servers::postgres::Postgres;

const REPLACE: &str = "{property: polder.disposition, value: replace}";

fn bed(server: &Postgres, more: &str) -> Project {
    let project = Project::new();
    project.write("url", server.url());
    project
        .write("sources/his.yaml", format!("type: postgres\nurl: file:url\nca: {}\ntables: [adt.*]\n{more}", server.ca_file().display()));
    project
}

const STAYS: [Column; 3] =
    [key("id", "logicalType: integer"), column("ward", "logicalType: string"), column("entered", "logicalType: timestamp")];

fn stays(server: &Postgres, rows: u32) {
    server.psql(&format!(
        "create schema adt;
         create table adt.stays (id bigint primary key, ward text, entered timestamptz, secret text);
         insert into adt.stays select i, 'ward ' || i % 7, timestamptz '2026-01-01 00:00:00+00' + i * interval '1 minute', 'planted-' || i
         from generate_series(1, {rows}) i;"
    ));
}

#[test]
fn a_table_is_read_counted_apart_and_without_what_no_contract_authorises() {
    let server = Postgres::start();
    stays(&server, 20_000);
    // The account could not read the column even if the program asked for it: it would fail.
    server.psql("revoke pg_read_all_data from polder; grant usage on schema adt to polder; grant select (id, ward, entered) on adt.stays to polder;");
    let project = bed(&server, "");
    project.contract("stays", &contract("stays", "his", "adt.stays", &STAYS, &[REPLACE]));
    let report = project.batch(&["run"]);
    assert_eq!(
        report["counts"],
        json!({"read": 20_000, "independent": true, "loaded": 20_000, "rejected": 0, "quarantined": 0}),
        "{report}"
    );
    assert_eq!(report["left_out"], json!(["secret"]));
    let ours = project.rows("select id, ward, entered from stays order by id");
    let theirs = server.psql(
        "set timezone = 'UTC'; select id || ',' || ward || ',' || to_char(entered, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from adt.stays order by id",
    );
    assert_eq!(ours, theirs.lines().collect::<Vec<_>>());
    // What is gone at the source is gone in the table, for it replaces what it holds.
    server.psql("delete from adt.stays where id > 3");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select id from stays order by id"), ["1", "2", "3"]);
}

#[test]
fn a_connection_that_breaks_in_the_middle_is_no_end() {
    let server = Postgres::start();
    stays(&server, 50_000);
    let project = bed(&server, "");
    project.contract("stays", &contract("stays", "his", "adt.stays", &STAYS, &[REPLACE]));
    // The control tells how much there is to pass.
    let whole = Proxy::cutting(server.port(), u64::MAX);
    let by = |proxy: &Proxy| server.url().replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port()));
    project.write("url", by(&whole));
    project.run(&["run"]).ok();
    let all = whole.passed();
    assert!(all > 1_000_000, "{all}");
    assert_eq!(project.rows("select count(*) from stays"), ["50000"]);
    server.psql("update adt.stays set ward = 'new'");
    for part in [1, 30, 60, 80] {
        let proxy = Proxy::cutting(server.port(), all * part / 100);
        project.write("url", by(&proxy));
        let err = project.run(&["run"]);
        assert!(err.out.contains("failed"), "{part}: {err:?}");
        err.fails(4);
        assert_eq!(project.rows("select count(*), count(distinct ward) from stays"), ["50000,7"], "{part}");
    }
    project.write("url", server.url());
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*), min(ward), max(ward) from stays"), ["50000,new,new"]);
}

#[test]
fn tables_and_queries_are_proposed_and_only_what_is_declared() {
    let server = Postgres::start();
    stays(&server, 100);
    server.psql(
        "create table adt.wards (code text primary key, beds int); insert into adt.wards values ('a', 3), ('b', 4);
         create schema pay; create table pay.wages (name text); insert into pay.wages values ('planted');",
    );
    let project = bed(&server, "queries: {busy: \"select ward, count(*) as stays from adt.stays group by ward\"}\n");
    let listed = project.run(&["source", "check", "his"]).ok();
    for name in ["adt.stays", "adt.wards", "busy"] {
        assert!(listed.contains(name), "{listed}");
    }
    assert!(!listed.contains("wages"), "{listed}");
    project.run(&["contract", "propose", "his", "--write"]).ok();
    let mut contracts: Vec<String> = std::fs::read_dir(project.dir().join("contracts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    contracts.sort();
    assert_eq!(contracts, ["adt_stays.odcs.yaml", "adt_wards.odcs.yaml", "busy.odcs.yaml"]);
    let err = project.run(&["source", "check", "his.pay.wages"]).fails(2);
    assert!(err.contains("it is not declared there"), "{err}");
    // A query is a dataset like another.
    let columns = [column("ward", "logicalType: string"), column("stays", "logicalType: integer")];
    std::fs::remove_dir_all(project.dir().join("contracts")).unwrap();
    project.contract("busy", &contract("busy", "his", "busy", &columns, &[REPLACE]));
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select ward, stays from busy order by ward limit 1"), ["ward 0,14"]);
}

#[test]
fn appending_a_table_without_a_cursor_is_refused_before_anything_is_read() {
    let server = Postgres::start();
    stays(&server, 3);
    let project = bed(&server, "");
    project.contract("stays", &contract("stays", "his", "adt.stays", &STAYS, &[]));
    let ran = project.run(&["run"]);
    assert!(ran.out.contains("it has no cursor"), "{ran:?}");
    ran.fails(2);
}
