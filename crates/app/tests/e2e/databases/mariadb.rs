//! MariaDB: what is read of it, what is refused, and what becomes of a load that is disturbed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use serde_json::json;

use super::proxy::{Proxy, listen};
use super::{Column, column, contract, key};
use crate::harness::Project;
use crate::servers::PASSWORD;
use crate::servers::certificates::Tls;
use crate::servers::mariadb::MariaDb;

const REPLACE: &str = "{property: polder.disposition, value: replace}";
const STAYS: [Column; 3] =
    [key("id", "logicalType: integer"), column("ward", "logicalType: string"), column("entered", "logicalType: timestamp")];

fn bed(url: &str, keys: &str) -> Project {
    let project = Project::new();
    project.write("url", url);
    project.write("sources/his.yaml", format!("type: mysql\nurl: file:url\n{keys}tables: ['*']\n"));
    project
}

/// Of a server that is to be trusted.
fn trusting(server: &MariaDb) -> Project {
    bed(&server.url(), &ca(server))
}

fn ca(server: &MariaDb) -> String {
    format!("ca: {}\n", server.ca_file().display())
}

fn stays(server: &MariaDb, rows: u32) {
    server.sql(&format!(
        "set time_zone = '+00:00';
         create table stays (id bigint primary key, ward varchar(20), entered timestamp(6) null, secret text);
         insert into stays select seq, concat('ward ', seq % 7), timestamp '2026-01-01 00:00:00' + interval seq minute, concat('planted-', seq)
         from seq_1_to_{rows};"
    ));
}

#[test]
fn a_table_of_mariadb_is_read_counted_apart_and_without_what_no_contract_authorises() {
    let server = MariaDb::start();
    stays(&server, 20_000);
    let project = trusting(&server);
    project.contract("stays", &contract("stays", "his", "stays", &STAYS, &[REPLACE]));
    let counts = json!({"read": 20_000, "independent": true, "loaded": 20_000, "rejected": 0, "quarantined": 0});
    let report = project.batch(&["run"]);
    assert_eq!((&report["counts"], &report["left_out"]), (&counts, &json!(["secret"])), "{report}");
    // The account cannot read the column any more, even if the program asked for it: that would fail.
    server.sql(
        "revoke select on db.* from polder@'%'; grant select (id, ward, entered) on db.stays to polder@'%';
         update stays set ward = 'ward 8' where id > 19000;",
    );
    let report = project.batch(&["run"]);
    assert_eq!((&report["status"], &report["counts"]), (&json!("committed"), &counts), "{report}");
    let ours = project.rows("select id, ward, entered from stays order by id");
    let theirs = server.sql(
        "set time_zone = '+00:00';
         select concat(id, ',', ward, ',', date_format(entered, '%Y-%m-%dT%H:%i:%sZ')) from stays order by id",
    );
    assert_eq!(ours, theirs.lines().collect::<Vec<_>>());
    // What is gone at the source is gone in the table, for it replaces what it holds.
    server.sql("delete from stays where id > 3");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select id from stays order by id"), ["1", "2", "3"]);
    // And a contract for the column gets nothing of it.
    let columns = [key("id", "logicalType: integer"), column("secret", "logicalType: string")];
    project.contract("stays_closed", &contract("stays_closed", "his", "stays", &columns, &[REPLACE]));
    let ran = project.run(&["run", "--select", "stays_closed"]);
    let says = "there is no such column that this account may read";
    assert!((ran.out.contains(says) || ran.err.contains(says)) && !ran.out.contains("planted"), "{ran:?}");
    ran.fails(3);
}

#[test]
fn a_connection_to_mariadb_that_breaks_in_the_middle_is_no_end() {
    let server = MariaDb::start();
    stays(&server, 50_000);
    let project = trusting(&server);
    project.contract("stays", &contract("stays", "his", "stays", &STAYS, &[REPLACE]));
    // The control tells how much there is to pass.
    let whole = Proxy::cutting(server.port(), u64::MAX);
    let by = |port: u16| server.url().replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    project.write("url", by(whole.port()));
    project.run(&["run"]).ok();
    let all = whole.passed();
    assert!(all > 1_000_000, "{all}");
    assert_eq!(project.rows("select count(*) from stays"), ["50000"]);
    server.sql("update stays set ward = 'new'");
    for part in [1, 30, 60, 80] {
        let proxy = Proxy::cutting(server.port(), all * part / 100);
        project.write("url", by(proxy.port()));
        let ran = project.run(&["run"]);
        assert!(ran.out.contains("failed"), "{part}: {ran:?}");
        ran.fails(4);
        assert_eq!(project.rows("select count(*), count(distinct ward) from stays"), ["50000,7"], "{part}");
    }
    project.write("url", server.url());
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*), min(ward), max(ward) from stays"), ["50000,new,new"]);
}

#[test]
fn values_of_mariadb_are_kept_exactly_or_refused_with_their_row() {
    let server = MariaDb::start();
    server.sql(
        "set time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES';
         create table odd (id int primary key, due date, seen datetime(6), at timestamp(6) null, price decimal(12,3), doc json,
             kind enum('new', 'old'), flag tinyint(1), huge bigint unsigned, ratio float);
         insert into odd values (1, '2026-01-31', '2026-01-31 23:59:59.123456', '2026-01-31 23:59:59.654321', -123456789.125, '{\"a\": 1}',
             'old', 1, 18446744073709551615, 0.1);
         insert into odd (id, due) values (2, '0000-00-00'), (3, '2026-02-30'), (4, null), (5, '9999-12-31');
         insert into odd (id, seen) values (6, '0000-00-00 00:00:00');
         insert into odd (id, at) values (7, '0000-00-00 00:00:00');",
    );
    let columns = [
        key("id", "logicalType: integer"),
        column("due", "logicalType: date"),
        column("seen", "logicalType: timestamp, logicalTypeOptions: {timezone: false}"),
        column("at", "logicalType: timestamp"),
        column("price", "logicalType: number, physicalType: \"decimal(12,3)\""),
        column("doc", "logicalType: string"),
        column("kind", "logicalType: string"),
        column("flag", "logicalType: boolean"),
        column("huge", "logicalType: number, physicalType: \"decimal(20,0)\""),
        column("ratio", "logicalType: number, logicalTypeOptions: {format: f32}"),
    ];
    let settings = [REPLACE, "{property: polder.onViolation, value: quarantine}", "{property: polder.rejectLimit, value: 0.9}"];
    let project = trusting(&server);
    project.contract("odd", &contract("odd", "his", "odd", &columns, &settings));
    let report = project.batch(&["run"]);
    let counts = &report["counts"];
    assert_eq!([&counts["read"], &counts["loaded"], &counts["quarantined"]], [&json!(7), &json!(3), &json!(4)], "{report}");
    assert_eq!(counts["independent"], json!(true));
    let refused = report["refused"].as_array().unwrap();
    let mut refused: Vec<(&str, u64)> = refused.iter().map(|by| (by["column"].as_str().unwrap(), by["rows"].as_u64().unwrap())).collect();
    refused.sort_unstable();
    assert_eq!(refused, [("at", 1), ("due", 2), ("seen", 1)], "{report}");
    let ours = project.rows("select id, due, seen, at, price, doc, kind, flag, huge, ratio from odd order by id");
    let first = "1,2026-01-31,2026-01-31T23:59:59.123456,2026-01-31T23:59:59.654321Z,-123456789.125,\"{\"\"a\"\": 1}\",old,true,18446744073709551615,0.1";
    assert_eq!(ours, [first, "4,,,,,,,,,", "5,9999-12-31,,,,,,,,"]);
    // What was refused is kept as the server had it.
    let shown = project.json(&["quarantine", "show", "odd"]);
    let mut kept: Vec<&str> =
        shown.as_array().unwrap().iter().flat_map(|row| ["due", "seen"].map(|column| row["row"][column].as_str())).flatten().collect();
    kept.sort_unstable();
    assert_eq!(kept, ["0000-00-00", "0000-00-00 00:00:00.000000", "2026-02-30"], "{shown}");
}

const BEDS: &str = "create table beds (bed text); insert into beds values ('b1'), ('b2');";

/// A project for one table whose values look like nothing else.
fn beds(url: &str, keys: &str) -> Project {
    let project = bed(url, keys);
    project.contract("beds", &contract("beds", "his", "beds", &[column("bed", "logicalType: string")], &[REPLACE]));
    project
}

/// Nothing came in, and the error tells what is wrong without the password.
#[track_caller]
fn refused(project: &Project, code: i32, says: &str) {
    let ran = project.run(&["run"]);
    assert!(ran.out.contains(says) || ran.err.contains(says), "{says}: {ran:?}");
    assert!(!ran.out.contains(PASSWORD) && !ran.err.contains(PASSWORD), "{ran:?}");
    ran.fails(code);
    project.run(&["sql", "select count(*) from beds"]).fails(2);
}

#[test]
fn mariadb_certificates_that_do_not_fit_are_refused() {
    for (tls, says) in
        [(Tls::OtherHost, "its certificate is not for localhost"), (Tls::Expired, "expired"), (Tls::SelfSigned, "is signed by none of")]
    {
        let server = MariaDb::with(tls, &[]);
        server.sql(BEDS);
        refused(&beds(&server.url(), &ca(&server)), 7, says);
    }
    // Of an authority that the system does not know, neither.
    let server = MariaDb::start();
    server.sql(BEDS);
    refused(&beds(&server.url(), ""), 7, "is signed by no authority");
    // The control: with its authority it is read.
    let project = beds(&server.url(), &ca(&server));
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select bed from beds order by bed"), ["b1", "b2"]);
}

#[test]
fn mariadb_without_tls_is_read_on_this_machine_alone_and_where_that_is_spelt_out() {
    let server = MariaDb::with(Tls::Off, &[]);
    server.sql(BEDS);
    refused(&beds(&server.url(), ""), 7, "does not offer TLS");
    refused(&beds(&server.url(), "plain_loopback: false\n"), 7, "does not offer TLS");
    // No other machine, whatever the file says; it is not even asked.
    let elsewhere = server.url().replace("localhost", "192.0.2.1");
    refused(&beds(&elsewhere, "plain_loopback: true\n"), 2, "plain_loopback");
    // A mode that would fall back is refused, not ignored, where TLS may be left out as well.
    for keys in ["", "plain_loopback: true\n"] {
        refused(&beds(&format!("{}?ssl-mode=PREFERRED", server.url()), keys), 2, "ssl-mode");
    }
    let project = beds(&server.url(), "plain_loopback: true\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select bed from beds order by bed"), ["b1", "b2"]);
}

/// Before a server: takes the offer of TLS out of its greeting, and passes on all else. For each connection that ended it tells whether
/// there was such an offer, and how many bytes the client sent.
fn without_offer(server: u16) -> (u16, Receiver<(bool, u64)>) {
    /// CLIENT_SSL, 0x0800, in the second byte of the flags.
    const OFFERS_TLS: u8 = 0x08;
    let (tell, told) = channel();
    let port = listen(move |mut client| {
        let mut upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
        let mut head = [0; 4];
        upstream.read_exact(&mut head).unwrap();
        let mut greeting = vec![0; usize::from(head[0]) + (usize::from(head[1]) << 8)];
        upstream.read_exact(&mut greeting).unwrap();
        let version = greeting[1..].iter().position(|byte| *byte == 0).unwrap();
        // Before the flags: the version of the protocol, that of the server with its zero, the connection's number, a part of the
        // challenge, a zero.
        let flags = &mut greeting[1 + version + 1 + 4 + 8 + 1 + 1];
        let offered = *flags & OFFERS_TLS != 0;
        *flags &= !OFFERS_TLS;
        client.write_all(&[&head[..], &greeting[..]].concat()).unwrap();
        let (mut from_server, mut to_client) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from_server, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Both);
        });
        let mut sent = 0;
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            sent += read as u64;
            if upstream.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = upstream.shutdown(Shutdown::Both);
        let _ = tell.send((offered, sent));
    });
    (port, told)
}

#[test]
fn a_proxy_that_says_mariadb_has_no_tls_learns_nothing() {
    let server = MariaDb::start();
    server.sql(BEDS);
    let (port, told) = without_offer(server.port());
    let url = server.url().replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    refused(&beds(&url, &ca(&server)), 7, "does not offer TLS");
    let told: Vec<(bool, u64)> = told.recv().into_iter().chain(told.try_iter()).collect();
    assert!(told.iter().all(|ended| *ended == (true, 0)) && !told.is_empty(), "a name, a password or more went out in the clear: {told:?}");
    // The control: a client that was told to go without sends what such a proxy is after, and only the server keeps it out.
    let (port, told) = without_offer(server.port());
    let url = server.url().replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    let ran = beds(&url, "plain_loopback: true\n").run(&["run"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    let (offered, sent) = told.recv().unwrap();
    assert!(offered && sent > 0, "{ran:?}");
}
