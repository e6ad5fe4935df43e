//! Who stands between us and the server: no certificate that does not fit is taken, and nothing goes without TLS.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::proxy::listen;
use super::{column, contract};
use crate::harness::Project;
use crate::servers::PASSWORD;
use crate::servers::certificates::Tls;
use crate::servers::postgres::Postgres;

const TABLE: &str = "create table stays (bed text); insert into stays values ('b1'), ('b2');";

fn project(url: &str, keys: &str) -> Project {
    let project = Project::new();
    project.write("url", url);
    project.write("sources/his.yaml", format!("type: postgres\nurl: file:url\n{keys}tables: [public.*]\n"));
    let more = ["{property: polder.disposition, value: replace}"];
    project.contract("stays", &contract("stays", "his", "public.stays", &[column("bed", "logicalType: string")], &more));
    project
}

/// Nothing came in, and the error tells what is wrong without the password.
#[track_caller]
fn refused(project: &Project, code: i32, says: &str) {
    let ran = project.run(&["run"]);
    assert!(ran.out.contains(says) || ran.err.contains(says), "{says}: {ran:?}");
    assert!(!ran.out.contains(PASSWORD) && !ran.err.contains(PASSWORD), "{ran:?}");
    ran.fails(code);
    project.run(&["sql", "select count(*) from stays"]).fails(2);
}

#[test]
fn postgres_certificates_that_do_not_fit_are_refused() {
    for (tls, says) in
        [(Tls::OtherHost, "its certificate is not for localhost"), (Tls::Expired, "expired"), (Tls::SelfSigned, "certificate")]
    {
        let server = Postgres::with(tls, &[]);
        server.psql(TABLE);
        let project = project(&server.url(), &format!("ca: {}\n", server.ca_file().display()));
        refused(&project, 7, says);
        // The loopback exception lets no false certificate in.
        let source = std::fs::read_to_string(project.dir().join("sources/his.yaml")).unwrap();
        project.write("sources/his.yaml", source.replace("tables:", "plain_loopback: false\ntables:"));
        refused(&project, 7, says);
    }
    // Of an authority that the system does not know, neither.
    let server = Postgres::start();
    server.psql(TABLE);
    refused(&project(&server.url(), ""), 7, "certificate");
    // The control: with its authority it is read.
    let project = project(&server.url(), &format!("ca: {}\n", server.ca_file().display()));
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select bed from stays order by bed"), ["b1", "b2"]);
}

#[test]
fn postgres_without_tls_is_read_on_this_machine_alone_and_where_that_is_spelt_out() {
    let server = Postgres::with(Tls::Off, &[]);
    server.psql(TABLE);
    refused(&project(&server.url(), ""), 7, "TLS");
    // No other machine, whatever the file says; it is not even asked.
    let elsewhere = server.url().replace("localhost", "192.0.2.1");
    refused(&project(&elsewhere, "plain_loopback: true\n"), 2, "plain_loopback");
    // A mode that would fall back is refused, not ignored.
    refused(&project(&format!("{}?sslmode=prefer", server.url()), ""), 2, "sslmode");
    let project = project(&server.url(), "plain_loopback: true\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select bed from stays order by bed"), ["b1", "b2"]);
}

#[test]
fn a_proxy_that_says_postgres_has_no_tls_learns_nothing() {
    let server = Postgres::with(Tls::Off, &[]);
    server.psql(TABLE);
    let target = server.port();
    let startup = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&startup);
    // It answers the request for TLS with no, and passes on what comes then.
    let port = listen(move |mut client| {
        let mut request = [0; 8];
        if client.read_exact(&mut request).is_err() || request[4..] != [4, 210, 22, 47] {
            return;
        }
        let _ = client.write_all(b"N");
        let mut rest = [0; 1];
        if client.read(&mut rest).is_ok_and(|read| read > 0) {
            seen.store(true, Ordering::SeqCst);
            let mut upstream = std::net::TcpStream::connect(("127.0.0.1", target)).unwrap();
            let _ = upstream.write_all(&rest);
            let (mut from_server, mut to_client) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
            let _ = std::io::copy(&mut client, &mut upstream);
        }
    });
    let url = server.url().replace(&format!(":{target}/"), &format!(":{port}/"));
    refused(&project(&url, ""), 7, "TLS");
    assert!(!startup.load(Ordering::SeqCst), "the name of the user or more went out in the clear");
}
