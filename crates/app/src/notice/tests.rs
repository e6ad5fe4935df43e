//! Notices over real connections: listeners of this machine, in clear and with TLS, and real programs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::*;

const KEY: &str = "a key of more than twenty-four bytes";

fn notice() -> Notice {
    Notice {
        pipeline: "nightly".to_owned(),
        kind: NoticeKind::FreshnessMissed,
        run: None,
        at_ms: 951_782_400_000,
        text: "table pets is 2 days old".to_owned(),
        details: json!({ "tables": ["pets"] }),
    }
}

/// What a receiver was sent.
struct Request {
    first: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn read(from: &mut impl Read) -> Self {
        let mut from = BufReader::new(from);
        let mut line = || {
            let mut line = String::new();
            from.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let first = line();
        let mut headers = Vec::new();
        loop {
            let line = line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let mut request = Self { first, headers, body: String::new() };
        let mut body = vec![0; request.header("content-length").parse().unwrap()];
        from.read_exact(&mut body).unwrap();
        request.body = String::from_utf8(body).unwrap();
        request
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }
}

/// A receiver that answers one connection after the other with these, and then is gone.
struct Receiver {
    port: u16,
    thread: JoinHandle<Vec<Request>>,
}

impl Receiver {
    fn plain(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = move || {
            let one = |answer: &&str| {
                let (mut stream, _) = listener.accept().unwrap();
                let request = Request::read(&mut stream);
                stream.write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
                request
            };
            answers.iter().map(one).collect()
        };
        Self { port, thread: std::thread::spawn(serve) }
    }

    fn requests(self) -> Vec<Request> {
        self.thread.join().unwrap()
    }
}

/// A webhook, its secrets in files.
fn webhook(dir: &Path, url: &str) -> Channels {
    std::fs::write(dir.join("url"), format!("{url}\n")).unwrap();
    std::fs::write(dir.join("key"), KEY).unwrap();
    let webhook = Webhook { url: "file:url".to_owned(), secret: "file:key".to_owned(), ca: None, plain_loopback: true };
    Channels { webhook: Some(webhook), ..Channels::default() }
}

async fn one_failure(channels: &Channels, dir: &Path) -> Failure {
    let mut failures = send(&notice(), channels, dir).await;
    assert_eq!(failures.len(), 1, "{failures:?}");
    failures.remove(0)
}

#[tokio::test]
async fn a_post_is_an_event_whose_signature_holds() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::plain(&["204 No Content"]);
    let channels = webhook(dir.path(), &format!("http://localhost:{}/hooks/hunter2?x=1", receiver.port));
    assert!(send(&notice(), &channels, dir.path()).await.is_empty());
    let requests = receiver.requests();
    let request = &requests[0];
    assert_eq!(request.first, "POST /hooks/hunter2?x=1 HTTP/1.1");
    assert_eq!(request.header("content-type"), "application/cloudevents+json; charset=utf-8");
    let (id, at) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    let signature = STANDARD.decode(request.header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    hmac::verify(&key, format!("{id}.{at}.{}", request.body).as_bytes(), &signature).unwrap();
    assert!(hmac::verify(&key, format!("{id}.1{at}.{}", request.body).as_bytes(), &signature).is_err());
    let event: Value = serde_json::from_str(&request.body).unwrap();
    let known = json!({
        "specversion": "1.0", "id": id.strip_prefix("msg_").unwrap(), "source": "/pipelines/nightly", "subject": "nightly",
        "type": "io.polder.pipeline.freshness_missed", "time": "2000-02-29T00:00:00Z", "datacontenttype": "application/json",
        "data": {
            "pipeline": "nightly", "kind": "freshness_missed", "run": null, "at_ms": 951_782_400_000_i64,
            "text": "table pets is 2 days old", "details": { "tables": ["pets"] },
        },
    });
    assert_eq!(event, known);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_under_the_same_id_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::plain(&["503 Busy", "429 Too Many", "200 OK"]);
    let channels = webhook(dir.path(), &format!("http://127.0.0.1:{}/", receiver.port));
    assert!(send(&notice(), &channels, dir.path()).await.is_empty());
    let requests = receiver.requests();
    let ids: Vec<&str> = requests.iter().map(|request| request.header("webhook-id")).collect();
    assert!(ids.len() == 3 && !ids[0].is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // After these the receiver is gone: another try would say that there is no connection.
    for (answers, what) in [(&["401 Unauthorized"], "status 401"), (&["410 Gone"], "status 410")] {
        let receiver = Receiver::plain(answers);
        let channels = webhook(dir.path(), &format!("http://127.0.0.1:{}/", receiver.port));
        let failure = one_failure(&channels, dir.path()).await;
        assert!(failure.text().contains(what), "{failure}");
        receiver.requests();
    }
    let receiver = Receiver::plain(&["500 a", "500 b", "500 c"]);
    let channels = webhook(dir.path(), &format!("http://127.0.0.1:{}/", receiver.port));
    assert!(one_failure(&channels, dir.path()).await.text().contains("status 500"));
    assert_eq!(receiver.requests().len(), 3);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_url_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let answer = format!("307 Elsewhere\r\nLocation: http://{}/hunter3", elsewhere.local_addr().unwrap());
    let receiver = Receiver::plain(vec![&*answer.leak()].leak());
    let channels = webhook(dir.path(), &format!("http://127.0.0.1:{}/hunter2", receiver.port));
    let failure = one_failure(&channels, dir.path()).await;
    assert!(failure.text().contains("redirect (307)") && !failure.to_string().contains("hunter"), "{failure}");
    assert_eq!(receiver.requests().len(), 1);
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn nothing_goes_in_clear_to_another_machine_or_without_being_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let here = TcpListener::bind("127.0.0.1:0").unwrap();
    here.set_nonblocking(true).unwrap();
    let port = here.local_addr().unwrap().port();
    for (url, plain_loopback) in [
        (format!("http://127.0.0.1:{port}/hunter2"), false),
        (format!("http://localhost:{port}/hunter2"), false),
        ("http://hooks.example.org/hunter2".to_owned(), true),
        ("http://localhost.example.org/hunter2".to_owned(), true),
        ("http://192.0.2.1/hunter2".to_owned(), true),
        ("ftp://127.0.0.1/hunter2".to_owned(), true),
        ("hunter2".to_owned(), true),
    ] {
        let mut channels = webhook(dir.path(), &url);
        channels.webhook.iter_mut().for_each(|webhook| webhook.plain_loopback = plain_loopback);
        let failure = one_failure(&channels, dir.path()).await;
        assert!(failure.kind() == ErrorKind::Invalid && !failure.to_string().contains("hunter"), "{url}: {failure}");
    }
    assert_eq!(here.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    // Connections are made, and nobody takes them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hunter2", silent.local_addr().unwrap());
    let channels = webhook(dir.path(), &url);
    let post = webhook::Post::new(&notice(), channels.webhook.as_ref().unwrap(), dir.path()).unwrap();
    for (each, together) in [(50, 10_000), (10_000, 100)] {
        let failure = tries(&post, Duration::from_millis(each), Duration::from_millis(together)).await.unwrap_err();
        assert!(failure.text().contains("did not answer in time") && !failure.to_string().contains("hunter"), "{failure}");
    }
}

/// A receiver with a certificate for a name, of an authority that nobody knows; the authority's certificate.
fn receiver_with_tls(name: &str) -> (u16, String, JoinHandle<Option<Request>>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut tls = rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::new(config)).unwrap(), stream);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock).ok()?;
        }
        let request = Request::read(&mut tls);
        tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        tls.flush().unwrap();
        Some(request)
    });
    (port, made.cert.pem(), thread)
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_of_another_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, trusted) in [("other.example.org", true), ("localhost", false)] {
        let (port, ca, thread) = receiver_with_tls(name);
        std::fs::write(dir.path().join("ca.pem"), ca).unwrap();
        let mut channels = webhook(dir.path(), &format!("https://localhost:{port}/hunter2"));
        channels.webhook.iter_mut().for_each(|webhook| webhook.ca = trusted.then(|| "ca.pem".to_owned()));
        let failure = one_failure(&channels, dir.path()).await;
        assert!(failure.text().contains("certificate is not trusted") && !failure.to_string().contains("hunter"), "{name}: {failure}");
        assert!(thread.join().unwrap().is_none());
    }
    let (port, ca, thread) = receiver_with_tls("localhost");
    std::fs::write(dir.path().join("ca.pem"), ca).unwrap();
    let mut channels = webhook(dir.path(), &format!("https://localhost:{port}/hook"));
    channels.webhook.iter_mut().for_each(|webhook| webhook.ca = Some("ca.pem".to_owned()));
    assert!(send(&notice(), &channels, dir.path()).await.is_empty());
    assert_eq!(thread.join().unwrap().unwrap().first, "POST /hook HTTP/1.1");
    std::fs::write(dir.path().join("ca.pem"), "none\n").unwrap();
    let mut channels = webhook(dir.path(), "https://localhost:1/");
    channels.webhook.iter_mut().for_each(|webhook| webhook.ca = Some("ca.pem".to_owned()));
    assert!(one_failure(&channels, dir.path()).await.text().contains("holds no certificate"));
}

fn command(args: &[&str]) -> Channels {
    Channels { command: Some(args.iter().map(|arg| (*arg).to_owned()).collect()), ..Channels::default() }
}

#[tokio::test]
async fn a_program_has_the_notice_on_its_input_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let channels = command(&["/bin/sh", "-c", "cat > \"$0/in\"; env > \"$0/env\"; echo noise; exit 0", place, "; touch x"]);
    assert!(send(&notice(), &channels, Path::new("/")).await.is_empty());
    let told: Value = serde_json::from_str(&std::fs::read_to_string(dir.path().join("in")).unwrap()).unwrap();
    assert_eq!((&told, &told["data"]["kind"]), (&notice().event(), &json!("freshness_missed")));
    let variables = std::fs::read_to_string(dir.path().join("env")).unwrap();
    // A shell makes up some of its own.
    let known = ["PATH=", "LANG=", "PWD=", "OLDPWD=", "SHLVL=", "_="];
    assert!(variables.lines().all(|line| known.iter().any(|name| line.starts_with(name))), "{variables}");
}

#[tokio::test]
async fn a_program_that_fails_or_is_not_there_is_told_without_its_output() {
    let base = Path::new("/");
    let failure = one_failure(&command(&["/bin/sh", "-c", "echo hunter2; echo hunter2 >&2; exit 7"]), base).await;
    assert!(failure.text().contains("code 7") && !failure.to_string().contains("hunter2"), "{failure}");
    let failure = one_failure(&command(&["/bin/sh", "-c", "kill -9 $$"]), base).await;
    assert!(failure.text().contains("ended by a signal"), "{failure}");
    assert!(one_failure(&command(&["/nowhere/tell"]), base).await.text().contains("/nowhere/tell"));
    assert_eq!(one_failure(&command(&[]), base).await.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_all_that_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Ends when nobody is left who holds the other end.
    let held = fifo.clone();
    let reader = std::thread::spawn(move || std::fs::read_to_string(held).unwrap());
    let script = "exec 3>\"$0\"; echo begun >&3; sleep 1000 & wait";
    let args = ["/bin/sh", "-c", script, fifo.to_str().unwrap()].map(str::to_owned);
    let failure = super::command::run(&notice(), &args, Duration::from_secs(1)).await.unwrap_err();
    assert!(failure.text().contains("was killed"), "{failure}");
    assert_eq!(reader.join().unwrap(), "begun\n");
}

fn mail() -> Smtp {
    Smtp {
        server: "127.0.0.1".to_owned(),
        port: None,
        tls: SmtpTls::Starttls,
        ca: None,
        user: None,
        password: None,
        from: "Polder <polder@example.org>".to_owned(),
        to: vec!["ops@example.org".to_owned(), "Ann <ann@example.org>".to_owned()],
        plain_loopback: false,
    }
}

#[test]
fn no_text_of_a_notice_forges_a_header() {
    let evil = "a\r\nBcc: eve@example.org\r\n\r\nhello";
    let notice = Notice { pipeline: evil.to_owned(), text: evil.to_owned(), ..notice() };
    let message = smtp::formatted(&notice, &mail()).unwrap();
    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_lowercase().contains("\nbcc") && body.contains("hello"), "{message}");
    assert!(head.contains("To: ops@example.org, Ann <ann@example.org>") && head.contains("Date: Tue, 29 Feb 2000"), "{message}");
    for address in [evil, "ann@example.org\r\nBcc: eve@example.org", "ann@example.org, eve@example.org", "nobody", ""] {
        assert!(smtp::formatted(&notice, &Smtp { from: address.to_owned(), ..mail() }).is_err(), "{address}");
        assert!(smtp::formatted(&notice, &Smtp { to: vec![address.to_owned()], ..mail() }).is_err(), "{address}");
    }
}

#[tokio::test]
async fn a_mail_server_without_starttls_is_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 here\r\n").unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let Ok(line) = line else { break };
            said.push(line);
            let _ = stream.write_all(b"250-here\r\n250 AUTH PLAIN LOGIN\r\n");
        }
        said
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), "hunter2").unwrap();
    let (user, password) = (Some("ann".to_owned()), Some("file:password".to_owned()));
    let smtp = Smtp { port: Some(port), user, password, ..mail() };
    let failure = one_failure(&Channels { smtp: Some(smtp), ..Channels::default() }, dir.path()).await;
    assert!(failure.text().contains("STARTTLS") && !failure.to_string().contains("hunter2"), "{failure}");
    let said = server.join().unwrap();
    assert!(said.iter().all(|line| line.starts_with("EHLO ") || line == "QUIT"), "{said:?}");
}

#[tokio::test]
async fn mail_in_clear_or_with_half_a_login_is_refused() {
    for smtp in [
        Smtp { server: "mail.example.org".to_owned(), plain_loopback: true, ..mail() },
        Smtp { server: "192.0.2.1".to_owned(), plain_loopback: true, ..mail() },
        Smtp { user: Some("ann".to_owned()), ..mail() },
        Smtp { password: Some("file:password".to_owned()), ..mail() },
    ] {
        let channels = Channels { smtp: Some(smtp), ..Channels::default() };
        assert_eq!(one_failure(&channels, Path::new("/nowhere")).await.kind(), ErrorKind::Invalid, "{channels:?}");
    }
}

#[tokio::test]
async fn each_channel_that_fails_is_told_and_the_others_are_sent() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::plain(&["200 OK"]);
    let channels = Channels {
        smtp: Some(Smtp { server: "mail.example.org".to_owned(), plain_loopback: true, ..mail() }),
        command: Some(vec!["/bin/false".to_owned()]),
        ..webhook(dir.path(), &format!("http://127.0.0.1:{}/", receiver.port))
    };
    let failures = send(&notice(), &channels, dir.path()).await;
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert_eq!(receiver.requests().len(), 1);
}
