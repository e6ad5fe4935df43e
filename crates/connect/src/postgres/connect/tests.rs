use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream as Stream};
use std::thread::JoinHandle;

use polder_types::Secret;

use super::*;
use crate::connection::SourceType;
use crate::postgres::read::begin;

/// A server that does this with the one connection that it takes, and its port.
fn server(serve: impl FnOnce(Stream) + Send + 'static) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, std::thread::spawn(move || serve(listener.accept().unwrap().0)))
}

fn access(port: u16, plain_loopback: bool) -> Access {
    Access {
        source: "adt".to_owned(),
        source_type: SourceType::Postgres,
        url: Some(Secret::new(format!("postgres://ann:secret@127.0.0.1:{port}/wards"))),
        password: None,
        path: PathBuf::new(),
        ca: None,
        plain_loopback,
        timeout: crate::connection::database::TIMEOUT,
        driver: None::<(_, _, BTreeMap<_, _>)>,
    }
}

/// The version of the server, or why there is no connection.
fn connect(access: &Access) -> Result<u32, Error> {
    let server = Server::find(access)?;
    runtime()?.block_on(async { server.connect().await.map(|session| session.major) })
}

fn told(access: &Access) -> (ErrorKind, String) {
    let error = connect(access).unwrap_err();
    let text = error.to_string();
    assert!(!text.contains("secret"), "{text}");
    (error.kind(), text)
}

/// What a client sends first: its length and what it holds.
fn first(stream: &mut Stream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    stream.read_exact(&mut body).unwrap();
    body
}

const TLS_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();

#[test]
fn a_server_that_does_not_speak_tls_is_sent_nothing_more() {
    let (port, served) = server(|mut stream| {
        assert_eq!(first(&mut stream), TLS_REQUEST);
        stream.write_all(b"N").unwrap();
        // Neither a name nor a password follows in the clear.
        assert_eq!(stream.read(&mut [0; 64]).unwrap(), 0);
    });
    let (kind, text) = told(&access(port, false));
    let expected = "verify the server of source adt: 127.0.0.1 says that it does not speak TLS, or something between does; ";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(kind, ErrorKind::Denied);
    served.join().unwrap();
}

#[test]
fn what_is_no_tls_is_refused() {
    let (port, served) = server(|mut stream| {
        assert_eq!(first(&mut stream), TLS_REQUEST);
        stream.write_all(b"SHTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (kind, text) = told(&access(port, false));
    assert!(text.starts_with("verify the server of source adt: what 127.0.0.1 sends is not TLS as it should be; "), "{text}");
    assert_eq!(kind, ErrorKind::Denied);
    served.join().unwrap();
}

#[test]
fn where_nothing_listens_it_is_told() {
    let (port, served) = server(drop);
    drop(Stream::connect(("127.0.0.1", port)).unwrap());
    served.join().unwrap();
    for plain_loopback in [false, true] {
        let (kind, text) = told(&access(port, plain_loopback));
        assert_eq!(kind, ErrorKind::Unavailable);
        let expected = format!("connect to the server of source adt: 127.0.0.1:{port} cannot be reached (connection refused); ");
        assert!(text.starts_with(&expected), "{text}");
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

/// A server without TLS that lets everybody in, and is of that version.
fn of_version(version: &'static str) -> (u16, JoinHandle<()>) {
    server(move |mut stream| {
        let start = first(&mut stream);
        assert!(start.windows(4).any(|bytes| bytes == b"ann\0"));
        let parameter = format!("server_version\0{version}\0");
        let answer = [message(b'R', &[0; 4]), message(b'S', parameter.as_bytes()), message(b'Z', b"I")].concat();
        stream.write_all(&answer).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

#[test]
fn versions_that_are_too_old_are_refused() {
    let (port, served) = of_version("15.14 (Debian 15.14-0+deb12u1)");
    assert_eq!(connect(&access(port, true)).unwrap(), 15);
    served.join().unwrap();
    for version in ["9.6.24", "11.22", "8.0.2", "none"] {
        let (port, served) = of_version(version);
        let (kind, text) = told(&access(port, true));
        assert_eq!(kind, ErrorKind::Invalid);
        let expected = "connect to the server of source adt: 127.0.0.1 is no server of PostgreSQL 12 or newer; ";
        assert!(text.starts_with(expected), "{text}");
        served.join().unwrap();
    }
    assert_eq!(["18beta1", "12", ""].map(major), [18, 12, 0]);
}

#[test]
fn a_server_that_says_nothing_more_is_not_waited_for_without_end() {
    let (port, served) = of_version("15.4");
    let patient = Access { timeout: Duration::from_secs(2), ..access(port, true) };
    let server = Server::find(&patient).unwrap();
    let error = runtime().unwrap().block_on(async {
        let session = server.connect().await.unwrap();
        begin(&patient, &session).await.unwrap_err()
    });
    let expected = "begin a transaction of source adt: the server kept silent for 2 seconds, so nothing of it counts; run again; where a \
        statement takes longer before its first row, raise `timeout` in the source";
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Unavailable, expected.to_owned()));
    served.join().unwrap();
}

#[test]
fn what_a_server_says_is_repeated_where_it_cannot_hold_values() {
    let refuses = |fields: &'static str| {
        let (port, served) = server(move |mut stream| {
            first(&mut stream);
            // Each field ends with a zero byte, and so do all of them.
            let fields = format!("{fields}|").replace('|', "\0");
            stream.write_all(&message(b'E', fields.as_bytes())).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let told = told(&access(port, true));
        served.join().unwrap();
        told
    };
    let (kind, text) = refuses("SFATAL|VFATAL|C28P01|Mpassword authentication failed for user \"ann\"\u{1b}|");
    assert_eq!(kind, ErrorKind::Denied);
    let expected = "connect to the server of source adt: the server said FATAL 28P01: password authentication failed for user \
        \"ann\"\\u{1b}; check the user and the password, and what the server's pg_hba.conf lets in";
    assert_eq!(text, expected);
    let (kind, text) = refuses("SERROR|VERROR|C22P02|Minvalid input syntax for type integer: \"Dupont\"|");
    assert_eq!(kind, ErrorKind::Rejected);
    let expected = "connect to the server of source adt: the server said ERROR 22P02 (a value that the query cannot take); its words are \
        not repeated, since they may hold values; run the same SELECT at the server to see what it is";
    assert_eq!(text, expected);
    // A function raises what its author likes, under any code.
    let (_, text) = refuses("SERROR|VERROR|C42501|MDupont may not|WPL/pgSQL function f() line 1 at RAISE|");
    assert!(!text.contains("Dupont"), "{text}");
    let (kind, _) = refuses("SFATAL|VFATAL|C53300|Mtoo many connections|");
    assert_eq!(kind, ErrorKind::Unavailable);
}

#[test]
fn a_password_that_is_missing_is_told() {
    let (port, served) = server(|mut stream| {
        first(&mut stream);
        stream.write_all(&message(b'R', &3u32.to_be_bytes())).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let without = Access { url: Some(Secret::new(format!("postgres://ann@127.0.0.1:{port}/wards"))), ..access(port, true) };
    let (kind, text) = told(&without);
    assert_eq!(kind, ErrorKind::Denied);
    assert!(text.starts_with("connect to the server of source adt: 127.0.0.1 asks for a password, and there is none; "), "{text}");
    served.join().unwrap();
}
