//! What a network does to a load, one after the other: it ends in the middle of a row, is reset, falls silent, or flips a bit. Each is an
//! error that may pass, and the table is what it was.

use super::proxy::{Fault, Proxy};
use super::sources::{Mode, Shape, Source};
use super::{column, contract, key};
use crate::harness::Project;
use crate::servers::adbc_driver;
use crate::servers::certificates::Tls;
use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;

const ROWS: u64 = 20_000;
const COUNTED: &str = "select count(*), count(distinct id), max(word) from t";

/// The URL by which a server is reached through a port.
fn through(url: &str, server: u16, port: u16) -> String {
    let changed = url.replace(&format!(":{server}/"), &format!(":{port}/"));
    assert_ne!(changed, url);
    changed
}

fn is_survived<S: Source>() {
    let project = Project::new();
    let source = S::begin(&project);
    source.declare(&project, Mode::Replace, "");
    source.agree(&project, Mode::Replace, Shape::FIRST);
    source.run(&S::series(1, ROWS, 1));
    let (server, url) = (source.port().unwrap(), std::fs::read_to_string(project.dir().join("url")).unwrap());
    let whole = Proxy::new(server, Fault::Pieces(1_000));
    project.write("url", through(&url, server, whole.port()));
    project.run(&["run"]).ok();
    let (all, before) = (whole.passed(), project.rows(COUNTED));
    assert_eq!(before, [format!("{ROWS},{ROWS},w8")]);
    source.run("update t set word = 'z';");
    for (fault, more) in [
        (Fault::Truncate(all / 2), ""),
        (Fault::Truncate(all * 4 / 5 + 1), ""),
        (Fault::Reset(all / 2 + 7), ""),
        // A length may be another one, and what would have to follow never comes.
        (Fault::Flip(all / 2 + 3), "timeout: 3s\n"),
        (Fault::Stall(all / 2), "timeout: 3s\n"),
    ] {
        let proxy = Proxy::new(server, fault);
        project.write("url", through(&url, server, proxy.port()));
        source.declare(&project, Mode::Replace, more);
        let ran = project.run(&["run"]);
        assert!(ran.out.contains("failed"), "{fault:?}: {ran:?}");
        if matches!(fault, Fault::Stall(_)) {
            assert!(ran.out.contains("kept silent") && ran.out.contains("raise `timeout` in the source"), "{ran:?}");
        }
        ran.fails(4);
        assert_eq!(project.rows(COUNTED), before, "{fault:?}");
    }
    project.write("url", url);
    project.run(&["run"]).ok();
    assert_eq!(project.rows(COUNTED), [format!("{ROWS},{ROWS},z")]);
}

#[test]
fn a_load_from_postgres_survives_whatever_the_network_does() {
    is_survived::<Postgres>();
}

#[test]
fn a_load_from_mariadb_survives_whatever_the_network_does() {
    is_survived::<MariaDb>();
}

/// Without TLS there is nothing but the protocol to tell that a message is not whole.
#[test]
fn an_end_in_the_middle_of_a_row_is_no_end_without_tls_either() {
    let postgres = Postgres::with(Tls::Off, &[]);
    postgres.psql("create table t (id int primary key, word text); insert into t select i, 'w' || i % 9 from generate_series(1, 20000) i;");
    let mariadb = MariaDb::with(Tls::Off, &[]);
    mariadb.sql("create table t (id int primary key, word text); insert into t select seq, concat('w', seq % 9) from seq_1_to_20000;");
    let of_postgres = ("postgres", postgres.url(), postgres.port(), "public.t");
    let of_mariadb = ("mysql", mariadb.url(), mariadb.port(), "t");
    for (of_type, url, server, dataset) in [of_postgres, of_mariadb] {
        let project = Project::new();
        project.write("sources/his.yaml", format!("type: {of_type}\nurl: file:url\nplain_loopback: true\ntables: ['{dataset}']\n"));
        let columns = [key("id", "logicalType: integer"), column("word", "logicalType: string")];
        project.contract("t", &contract("t", "his", dataset, &columns, &["{property: polder.disposition, value: replace}"]));
        let whole = Proxy::new(server, Fault::Pieces(700));
        project.write("url", through(&url, server, whole.port()));
        project.run(&["run"]).ok();
        assert_eq!(project.rows(COUNTED), ["20000,20000,w8"]);
        // A row is some twenty bytes: one place after the other lies in another part of one.
        for more in 0..6 {
            let proxy = Proxy::new(server, Fault::Truncate(whole.passed() / 2 + more * 3));
            project.write("url", through(&url, server, proxy.port()));
            project.run(&["run"]).fails(4);
            assert_eq!(project.rows(COUNTED), ["20000,20000,w8"], "{of_type}, {more}");
        }
    }
}

#[test]
fn a_statement_may_take_as_long_as_the_source_says_and_no_longer() {
    let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
    let of_postgres = ("postgres", postgres.url(), postgres.ca_file(), "select 1 as id from pg_sleep(6)");
    let of_mariadb = ("mysql", mariadb.url(), mariadb.ca_file(), "select sleep(6) + 1 as id");
    for (of_type, url, ca, query) in [of_postgres, of_mariadb] {
        let project = Project::new();
        project.write("url", url);
        let declare = |timeout: &str| {
            let ca = ca.display();
            let source = format!("type: {of_type}\nurl: file:url\nca: {ca}\n{timeout}queries: {{slow: \"{query}\"}}\n");
            project.write("sources/his.yaml", source);
        };
        declare("timeout: 2s\n");
        let columns = [column("id", "logicalType: integer")];
        project.contract("slow", &contract("slow", "his", "slow", &columns, &["{property: polder.disposition, value: replace}"]));
        let ran = project.run(&["run"]);
        assert!(ran.out.contains("kept silent"), "{ran:?}");
        ran.fails(4);
        project.run(&["sql", "select * from slow"]).fails(2);
        declare("");
        project.run(&["run"]).ok();
        assert_eq!(project.rows("select id from slow"), ["1"]);
    }
}

#[test]
fn a_driver_whose_server_falls_silent_is_ended() {
    let server = Postgres::with(Tls::Off, &[]);
    server.psql("create table t (id int primary key, word text); insert into t select i, 'w' || i % 9 from generate_series(1, 200000) i;");
    let project = Project::new();
    let library = std::fs::read(adbc_driver("adbc_driver_postgresql")).unwrap();
    project.write("drivers/libadbc_driver_postgresql.so", &library);
    let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &library));
    let url = format!("{}?sslmode=disable", server.url());
    let declare = |timeout: &str| {
        let source = format!(
            "type: adbc\ndriver: drivers/libadbc_driver_postgresql.so\ndriver_sha256: \"{sha256}\"\nurl: file:url\n{timeout}tables: [public.t]\n"
        );
        project.write("sources/his.yaml", source);
    };
    declare("");
    let columns = [key("id", "logicalType: integer"), column("word", "logicalType: string")];
    project.contract("t", &contract("t", "his", "public.t", &columns, &["{property: polder.disposition, value: replace}"]));
    let whole = Proxy::new(server.port(), Fault::Pieces(4_096));
    project.write("url", through(&url, server.port(), whole.port()));
    project.run(&["run"]).ok();
    assert_eq!(project.rows(COUNTED), ["200000,200000,w8"]);
    let stalled = Proxy::new(server.port(), Fault::Stall(whole.passed() / 2));
    project.write("url", through(&url, server.port(), stalled.port()));
    declare("timeout: 5s\n");
    let ran = project.run(&["run"]);
    assert!(ran.out.contains("it kept silent for too long") && ran.out.contains("raise `timeout` in the source"), "{ran:?}");
    ran.fails(4);
    assert_eq!(project.rows(COUNTED), ["200000,200000,w8"]);
}
