//! A proxy between the program and a storage. It passes requests on one at a time, and loses, cuts, slows down and answers wrongly what a
//! test says. It invents no answer that says yes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is passed on, and so is the answer.
    None,
    /// The connection ends; the storage hears nothing.
    LostRequest,
    /// The storage does it; the connection ends without an answer.
    LostAnswer,
    /// 500 InternalError, and the storage hears nothing.
    Error,
    /// 503 SlowDown, and the storage hears nothing.
    SlowDown,
    /// Half the answer arrives.
    Cut,
    /// The answer comes in small pieces, with pauses.
    Slow,
    /// 403 with this code.
    Forbidden(&'static str),
}

type Plan = dyn FnMut(&str) -> Fault + Send;

/// Ends when it is dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: u16,
    plan: Mutex<Box<Plan>>,
    lane: Mutex<()>,
    ended: AtomicBool,
    seen: Mutex<Vec<(String, Fault)>>,
}

impl Proxy {
    /// Before a storage on this machine. `plan` is asked with the request line and headers of each request.
    pub fn new(upstream: u16, plan: impl FnMut(&str) -> Fault + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan: Mutex<Box<Plan>> = Mutex::new(Box::new(plan));
        let shared = Arc::new(Shared { upstream, plan, lane: Mutex::default(), ended: AtomicBool::new(false), seen: Mutex::default() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A client that has gone is its own affair.
                std::thread::spawn(move || drop(client.and_then(|client| shared.serve(client))));
            }
        });
        Self { port, shared }
    }

    /// `http://localhost:PORT`
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// What was asked so far, and what became of it: method and target of each.
    pub fn seen(&self) -> Vec<(String, Fault)> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// The head of a request without a body, which is all that reading asks by.
fn read_head(client: &mut TcpStream) -> std::io::Result<String> {
    let (mut head, mut buffer) = (Vec::new(), [0; 65_536]);
    while !head.ends_with(b"\r\n\r\n") {
        match client.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(String::from_utf8(head).unwrap())
}

fn refusal(status: &str, code: &str) -> Vec<u8> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>quotes planted-secret-key</Message></Error>");
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let head = read_head(&mut client)?;
        let asked = head.lines().next().unwrap_or_default().rsplit_once(' ').map(|(asked, _)| asked.to_owned()).unwrap_or_default();
        let fault = (self.plan.lock().unwrap())(&head);
        self.seen.lock().unwrap().push((asked, fault));
        match fault {
            Fault::None => client.write_all(&self.pass_on(&head)?)?,
            Fault::LostRequest => {}
            Fault::LostAnswer => drop(self.pass_on(&head)?),
            Fault::Error => client.write_all(&refusal("500 Internal Server Error", "InternalError"))?,
            Fault::SlowDown => client.write_all(&refusal("503 Slow Down", "SlowDown"))?,
            Fault::Forbidden(code) => client.write_all(&refusal("403 Forbidden", code))?,
            Fault::Cut => {
                let answer = self.pass_on(&head)?;
                client.write_all(&answer[..answer.len() / 2])?;
            }
            Fault::Slow => {
                let answer = self.pass_on(&head)?;
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
    fn pass_on(&self, head: &str) -> std::io::Result<Vec<u8>> {
        let _one_at_a_time = self.lane.lock().unwrap();
        let mut upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.upstream))?;
        let (line, headers) = head.split_once("\r\n").unwrap();
        upstream.write_all(format!("{line}\r\nConnection: close\r\n{headers}").as_bytes())?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}
