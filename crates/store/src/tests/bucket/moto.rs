//! moto's S3 server, one for all tests of a process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const PYTHON: &str = "POLDER_JUDGE_MOTO_PYTHON";

/// It ends when its standard input does, which is with this process, however that ends.
const PROGRAM: &str = "
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
from moto.server import main
main(sys.argv[1:])
";

/// A running server.
pub(super) struct Moto {
    _child: Child,
    pub(super) port: u16,
}

/// Starts a server; with a certificate and its key it speaks TLS.
pub(super) fn start(tls: Option<(&std::path::Path, &std::path::Path)>) -> Moto {
    let python = std::env::var_os(PYTHON)
        .expect("POLDER_JUDGE_MOTO_PYTHON names a Python with moto[server,s3] 5.2; `cargo xtask test` sets it up and sets it");
    let mut command = Command::new(python);
    command.args(["-c", PROGRAM, "-H", "127.0.0.1", "-p", "0"]);
    if let Some((certificate, key)) = tls {
        command.arg("-c").arg(certificate).arg("-k").arg(key);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).env("PYTHONUNBUFFERED", "1").env_remove("MOTO_PORT");
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut lines = String::new();
    let port = loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "moto ended: {lines}");
        if let Some((_, port)) = line.rsplit_once("127.0.0.1:")
            && line.contains("Running on")
        {
            break port.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap();
        }
        lines.push_str(&line);
    };
    // It writes a line for each request, and would stop when nobody reads them.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    Moto { _child: child, port }
}

/// The server of this process.
pub(super) fn shared() -> &'static Moto {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    MOTO.get_or_init(|| start(None))
}

/// moto looks whether there is a signature, and at nothing in it.
const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// Sends a request; returns the whole answer.
pub(super) fn ask(port: u16, method: &str, target: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{SIGNED}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A new bucket.
pub(super) fn bucket(port: u16) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("polder-{}", NEXT.fetch_add(1, Ordering::SeqCst));
    let answer = ask(port, "PUT", &format!("/{name}"), b"");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    name
}
