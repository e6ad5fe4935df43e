//! `polder serve` and `polder cert` as processes: how it starts, whom its certificate convinces, and how it ends. What is asked and answered
//! over the wires is tested with real clients elsewhere. Nothing here waits for a time: what it prints says when to go on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::harness::Project;

const ALL: &str = "{postgres: '127.0.0.1:0', flight: '127.0.0.1:0', rest: '127.0.0.1:0'}";

/// A server that runs, and what it says.
struct Server {
    child: Child,
    err: BufReader<ChildStderr>,
    /// What it said before it was ready.
    begun: String,
    ready: Value,
}

impl Server {
    fn start(project: &Project) -> Self {
        let mut command = project.command(&["serve", "--output", "json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let begun = says(&mut err, "ready");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, err, begun, ready: serde_json::from_str(&line).unwrap() }
    }

    fn address(&self, wire: &str) -> SocketAddr {
        self.ready["listening"][wire].as_str().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code, once it ended; and what it said until then.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.err.read_to_string(&mut said).unwrap();
        assert!(!said.contains("panicked"), "{said}");
        (self.child.wait().unwrap().code(), said)
    }
}

/// Everything up to the line that is a text, and that line.
fn says(err: &mut BufReader<ChildStderr>, text: &str) -> String {
    let mut all = String::new();
    loop {
        let mut line = String::new();
        assert!(err.read_line(&mut line).unwrap() > 0, "it ended without saying {text}:\n{all}");
        all += &line;
        if line.trim_end() == text || line.contains(&format!("{text}:")) {
            return all;
        }
    }
}

/// Adds keys to the environment.
fn settings(project: &Project, keys: &str) {
    let text = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    project.write("polder.yaml", text + keys);
}

fn serving(listeners: &str) -> Project {
    let project = Project::new();
    settings(&project, &format!("    listeners: {listeners}\n"));
    project
}

/// The certificate that is shown to a client that trusts this one alone.
fn connect(address: SocketAddr, trusted: &str) -> Result<CertificateDer<'static>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    // Who closes without TLS's own goodbye has answered before.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
    Ok(stream.conn.peer_certificates().unwrap()[0].clone())
}

fn recorded(project: &Project) -> Vec<(String, String)> {
    let events = project.json(&["audit", "show", "--type", "service_changed"]);
    let mut events: Vec<(String, String)> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let word = |key: &str| event["details"][key].as_str().unwrap().to_owned();
            (word("phase"), word("reason"))
        })
        .collect();
    events.sort();
    events
}

#[test]
fn it_listens_where_it_says_is_the_writer_and_ends_when_it_is_told_to() {
    let project = serving(ALL);
    for (signal, reason) in [(Signal::TERM, "terminated"), (Signal::INT, "interrupted")] {
        let server = Server::start(&project);
        for wire in ["postgres", "flight", "rest"] {
            let address = server.address(wire);
            assert!(address.port() > 0 && server.begun.contains(&format!("listening: {wire} on {address}\n")), "{}", server.begun);
            TcpStream::connect(address).unwrap();
        }
        assert!(server.begun.contains("sandbox: "), "{}", server.begun);
        assert!(["full", "partial", "none"].map(Value::from).contains(&server.ready["sandbox"]["files"]), "{}", server.ready);
        // There is one writer: it runs commands of others, but for those that it does not take. Who only reads can.
        project.run(&["sql", "select 1"]).ok();
        project.run(&["keys", "kit", "--to", &project.beside("kit").display().to_string()]).fails(5);
        project.run(&["status"]).ok();
        server.signal(signal);
        let (code, said) = server.ended();
        assert_eq!(code, Some(0), "{said}");
        assert!(recorded(&project).contains(&("outcome".to_owned(), reason.to_owned())));
    }
    assert_eq!(recorded(&project).iter().filter(|(phase, reason)| phase == "intent" && reason == "started").count(), 2);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn its_certificate_convinces_who_trusts_the_authority_and_nobody_else() {
    let (project, other) = (serving(ALL), serving(ALL));
    // It is made by whoever needs it first.
    let trusted = project.run(&["cert", "trust"]).ok();
    let server = Server::start(&project);
    let shown = connect(server.address("rest"), &trusted).unwrap();
    // While it serves it is there to be read.
    assert_eq!(project.run(&["cert", "trust"]).ok(), trusted);
    let foreign = other.run(&["cert", "trust"]).ok();
    assert!(connect(server.address("rest"), &foreign).is_err());
    // Another certificate of the same authority, at once and without a new start.
    let mut server = server;
    server.signal(Signal::HUP);
    says(&mut server.err, "another certificate is shown from now on, for SIGHUP");
    let renewed = connect(server.address("rest"), &trusted).unwrap();
    assert_ne!(renewed, shown);
    // So does a command, which it runs itself: what is shown is what that made.
    project.run(&["cert", "rotate"]).ok();
    says(&mut server.err, "another certificate is shown from now on, for a command");
    let rotated = connect(server.address("rest"), &trusted).unwrap();
    assert_ne!(rotated, renewed);
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0, Some(0));
    let file = project.beside("authority.pem");
    project.run(&["cert", "trust", "--out", file.to_str().unwrap()]).ok();
    assert_eq!(std::fs::read_to_string(file).unwrap(), trusted);
}

#[test]
fn one_that_was_killed_starts_again_with_the_same_authority() {
    let project = serving(ALL);
    let mut server = Server::start(&project);
    let shown = project.json(&["cert", "show"]);
    server.child.kill().unwrap();
    server.ended();
    let again = Server::start(&project);
    assert_eq!(project.json(&["cert", "show"]), shown);
    again.signal(Signal::TERM);
    assert_eq!(again.ended().0, Some(0));
    // That it began twice and ended once is in the log.
    let phases: Vec<String> = recorded(&project).into_iter().map(|(phase, _)| phase).collect();
    assert_eq!(phases, ["intent", "intent", "outcome"]);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn what_is_not_written_or_written_wrong_is_told_before_anything_begins() {
    let project = Project::new();
    let said = project.run(&["serve"]).fails(2);
    assert!(said.contains("has no listeners") && said.contains("listeners: {postgres: 127.0.0.1:5432"), "{said}");
    settings(&project, "    listeners: {postgress: '127.0.0.1:0'}\n");
    let said = project.run(&["serve"]).fails(2);
    assert!(said.contains("`postgress` is not a key of listeners; did you mean postgres?"), "{said}");
    assert!(
        said.contains(&format!("line {}", std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap().lines().count())),
        "{said}"
    );
}

#[test]
fn an_address_that_is_taken_is_told_and_recorded() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let project = serving(&format!("{{postgres: '{address}'}}"));
    let said = project.run(&["serve"]).fails(4);
    assert!(said.contains(&format!("listen for postgres on {address}: another program listens there")), "{said}");
    assert!(!said.contains("ready"), "{said}");
    assert_eq!(recorded(&project), [("aborted".to_owned(), "not_listening".to_owned()), ("intent".to_owned(), "started".to_owned())]);
}

/// A certificate and a key that fit, in PEM.
fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn a_certificate_of_ones_own_is_shown_and_taken_anew_and_a_wrong_one_is_told() {
    let project = serving(ALL);
    settings(&project, "    tls: {chain: server.pem, key: 'file:server.key'}\n");
    let said = project.run(&["serve"]).fails(2);
    assert!(said.contains("server.pem"), "{said}");
    let ((first, key), (second, second_key)) = (pair(), pair());
    project.write("server.pem", &first);
    project.write("server.key", &second_key);
    let said = project.run(&["serve"]).fails(2);
    assert!(said.contains("its key does not fit it") && !said.contains(second_key.lines().nth(1).unwrap()), "{said}");
    project.write("server.key", &key);
    let mut server = Server::start(&project);
    connect(server.address("rest"), &first).unwrap();
    // Half of a change is no change.
    project.write("server.pem", &second);
    server.signal(Signal::HUP);
    says(&mut server.err, "the certificate stays as it is");
    connect(server.address("rest"), &first).unwrap();
    project.write("server.key", &second_key);
    server.signal(Signal::HUP);
    says(&mut server.err, "another certificate is shown from now on, for SIGHUP");
    connect(server.address("rest"), &second).unwrap();
    assert!(connect(server.address("rest"), &first).is_err());
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0, Some(0));
}

#[test]
fn rotation_gives_a_new_certificate_and_where_it_is_asked_for_a_new_authority() {
    let project = serving(ALL);
    let before = project.run(&["cert", "trust"]).ok();
    let sha256 = || -> Vec<String> {
        let shown = project.json(&["cert", "show"]);
        shown.as_array().unwrap().iter().map(|one| one["sha256"].as_str().unwrap().to_owned()).collect()
    };
    let first = sha256();
    project.run(&["cert", "rotate"]).ok();
    let second = sha256();
    assert_eq!(first[0], second[0]);
    assert_ne!(first[1], second[1]);
    project.run(&["cert", "rotate", "--authority"]).ok();
    assert_ne!(sha256()[0], first[0]);
    assert_ne!(project.run(&["cert", "trust"]).ok(), before);
    // Of all of them only the newest is kept.
    let kept = |project: &Project| -> Vec<std::path::PathBuf> {
        project.store_files().into_iter().filter(|file| file.starts_with(project.store().join("authority"))).collect()
    };
    assert_eq!(kept(&project).len(), 1);
    project.run(&["audit", "verify"]).ok();
    // One that is put in its place, or taken away, is missed.
    std::fs::remove_file(&kept(&project)[0]).unwrap();
    let said = project.run(&["audit", "verify"]).fails(6);
    assert!(said.contains("authority/"), "{said}");
    let said = project.run(&["serve"]).fails(6);
    assert!(said.contains("is gone, which the log names"), "{said}");
}

#[test]
fn what_other_machines_may_reach_is_said() {
    let project = serving("{postgres: '0.0.0.0:5432', rest: '127.0.0.1:8443'}");
    let said = project.run(&["status"]).ok();
    assert!(said.contains("postgres on 0.0.0.0:5432, TLS 1.3, WARNING: other machines may reach it"), "{said}");
    assert!(said.contains("rest on 127.0.0.1:8443, TLS 1.3, from this machine alone"), "{said}");
    assert_eq!(project.json(&["status"])["listeners"][0]["reachable"], true);
    let said = project.run(&["doctor"]);
    assert!(said.out.contains("WARNING: other machines may reach it"), "{}", said.out);
    // Only looking at it makes nothing.
    assert!(!project.store().join("authority").exists());
}
