//! A proxy between the store and the storage. It passes requests on one at a time, since moto looks at a condition and writes in two steps;
//! and it loses, delays, cuts and answers wrongly what a plan says. It invents no answer that says yes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    /// It is passed on, and so is the answer.
    None,
    /// The connection ends; the storage hears nothing.
    LostRequest,
    /// The storage does it; the connection ends without an answer.
    LostAnswer,
    /// 500, and the storage hears nothing.
    Error,
    /// The storage does it, and 500 is answered.
    ErrorAfter,
    /// 503 SlowDown, and the storage hears nothing.
    SlowDown,
    /// The storage does it, and half the answer arrives.
    Cut,
    /// No answer comes until the client has given up; the storage hears nothing.
    Stall,
    /// No answer comes; when the client has given up, the storage hears it all the same, late.
    Late,
    /// The answer comes in small pieces, with pauses.
    Slow,
}

/// The request line and headers.
pub(super) struct Request<'a> {
    pub(super) head: &'a str,
}

impl Request<'_> {
    pub(super) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    pub(super) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(super) fn is_conditional_create(&self) -> bool {
        self.method() == "PUT" && self.header("if-none-match") == Some("*")
    }
}

type Plan = dyn Fn(&Request<'_>) -> Fault + Send + Sync;

pub(super) struct Proxy {
    pub(super) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    plan: Box<Plan>,
    upstream: u16,
    change: Box<dyn Fn(&str) -> String + Send + Sync>,
    lane: Mutex<()>,
    ended: AtomicBool,
    seen: Mutex<Vec<(String, Fault)>>,
}

impl Proxy {
    pub(super) fn new(upstream: u16, plan: impl Fn(&Request<'_>) -> Fault + Send + Sync + 'static) -> Self {
        Self::with(upstream, plan, str::to_owned)
    }

    fn with(
        upstream: u16,
        plan: impl Fn(&Request<'_>) -> Fault + Send + Sync + 'static,
        change: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (plan, change) = (Box::new(plan), Box::new(change));
        let shared =
            Arc::new(Shared { plan, upstream, change, lane: Mutex::default(), ended: AtomicBool::new(false), seen: Mutex::default() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || drop(shared.serve(client.unwrap())));
            }
        });
        Self { port, shared }
    }

    /// Passes all on, but for one header: what a storage does that does not know it.
    pub(super) fn without_header(upstream: u16, header: &'static str) -> Self {
        Self::with(
            upstream,
            |_| Fault::None,
            move |head| {
                let kept = |line: &&str| !line.split(':').next().unwrap().eq_ignore_ascii_case(header);
                head.split_inclusive("\r\n").filter(kept).collect()
            },
        )
    }

    /// Asks for short pages of listings, whatever the store asks for.
    pub(super) fn of_short_pages(upstream: u16) -> Self {
        Self::with(upstream, |_| Fault::None, |head| head.replace("max-keys=1000", "max-keys=7"))
    }

    /// What was asked so far, and what became of it: method and target of each.
    pub(super) fn seen(&self) -> Vec<(String, Fault)> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// One request, whole: its head and its body.
fn read_request(stream: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65_536];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    };
    let body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap();
    let len: usize = Request { head: &head }.header("content-length").map_or(0, |len| len.parse().unwrap());
    let mut body = body;
    while body.len() < len {
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => body.extend_from_slice(&buffer[..read]),
        }
    }
    Ok((head, body))
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let (head, body) = read_request(&mut client)?;
        let request = Request { head: &head };
        let fault = (self.plan)(&request);
        self.seen.lock().unwrap().push((format!("{} {}", request.method(), request.target()), fault));
        match fault {
            Fault::None => client.write_all(&self.pass_on(&head, &body)?)?,
            Fault::LostRequest => {}
            Fault::LostAnswer => drop(self.pass_on(&head, &body)?),
            Fault::Error => client.write_all(&refusal("500 Internal Server Error", "InternalError"))?,
            Fault::ErrorAfter => {
                self.pass_on(&head, &body)?;
                client.write_all(&refusal("500 Internal Server Error", "InternalError"))?;
            }
            Fault::SlowDown => client.write_all(&refusal("503 Slow Down", "SlowDown"))?,
            Fault::Cut => {
                let answer = self.pass_on(&head, &body)?;
                client.write_all(&answer[..answer.len() / 2])?;
            }
            Fault::Stall => wait_until_given_up(&mut client),
            Fault::Late => {
                wait_until_given_up(&mut client);
                self.pass_on(&head, &body)?;
            }
            Fault::Slow => {
                let answer = self.pass_on(&head, &body)?;
                client.set_read_timeout(Some(Duration::from_millis(2)))?;
                for piece in answer.chunks((answer.len() / 10).max(1)) {
                    client.write_all(piece)?;
                    // A pause, unless the client gives up.
                    if matches!(client.read(&mut [0]), Ok(0)) {
                        break;
                    }
                }
            }
        }
        client.shutdown(Shutdown::Both)
    }

    /// The storage's whole answer.
    fn pass_on(&self, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let _one_at_a_time = self.lane.lock().unwrap();
        let mut upstream = TcpStream::connect(("127.0.0.1", self.upstream))?;
        let head = (self.change)(head);
        let (line, headers) = head.split_once("\r\n").unwrap();
        upstream.write_all(format!("{line}\r\nConnection: close\r\n{headers}").as_bytes())?;
        upstream.write_all(body)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

fn wait_until_given_up(client: &mut TcpStream) {
    // No byte ever comes: this ends when the client closes.
    let _ = client.read(&mut [0]);
}

pub(super) fn refusal(status: &str, code: &str) -> Vec<u8> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>quotes wJalrXUtnFEMIsecret</Message></Error>");
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}
