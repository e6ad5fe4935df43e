//! A proxy before a server, for one connection after the other or several at once: it passes bytes on, and does what a test says to them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// What becomes of what the server sends, counted over all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// So many bytes go through in whole pieces, then each connection ends in good order.
    Cut(u64),
    /// Exactly so many bytes go through, and then the same: the end comes in the middle of a message.
    Truncate(u64),
    /// Exactly so many bytes go through, then each connection is reset.
    Reset(u64),
    /// Exactly so many bytes go through, and then nothing does, and nothing ends.
    Stall(u64),
    /// One bit of the byte at this place is another one.
    Flip(u64),
    /// All go through, so few at a time.
    Pieces(usize),
}

/// Listens until it is dropped; what it accepted goes on until an end closes.
pub struct Proxy {
    port: u16,
    passed: Arc<AtomicU64>,
}

impl Proxy {
    /// Before a server on this machine.
    pub fn new(server: u16, fault: Fault) -> Self {
        let passed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&passed);
        let port = listen(move |client| pass(client, TcpStream::connect(("127.0.0.1", server)).unwrap(), fault, &count));
        Self { port, passed }
    }

    /// Of what the server sends, `limit` bytes go through over all connections, then all are cut.
    pub fn cutting(server: u16, limit: u64) -> Self {
        Self::new(server, Fault::Cut(limit))
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes that the server sent so far.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }
}

fn pass(mut client: TcpStream, mut server: TcpStream, fault: Fault, count: &AtomicU64) {
    client.set_nodelay(true).unwrap();
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let upwards = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = server.read(&mut buffer) {
        let before = count.fetch_add(read as u64, Ordering::SeqCst);
        let passes = |limit: u64| read.min(usize::try_from(limit.saturating_sub(before)).unwrap_or(usize::MAX));
        let passing = match fault {
            Fault::Cut(limit) => {
                if passes(limit) == read {
                    read
                } else {
                    0
                }
            }
            Fault::Truncate(limit) | Fault::Reset(limit) | Fault::Stall(limit) => passes(limit),
            Fault::Flip(place) => {
                if (before..before + read as u64).contains(&place) {
                    buffer[usize::try_from(place - before).unwrap()] ^= 0x10;
                }
                read
            }
            Fault::Pieces(_) => read,
        };
        let size = if let Fault::Pieces(size) = fault { size } else { buffer.len() };
        if buffer[..passing].chunks(size).any(|piece| client.write_all(piece).is_err()) {
            break;
        }
        if passing < read {
            match fault {
                Fault::Reset(_) => return reset(client, upwards),
                // It lasts until the client does not wait any longer.
                Fault::Stall(_) => drop(upwards.join()),
                _ => {}
            }
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}

/// Ends a connection without a word of its end, as whoever stands between does that forgot it.
fn reset(client: TcpStream, upwards: JoinHandle<()>) {
    let _ = client.shutdown(Shutdown::Read);
    let _ = upwards.join();
    // The standard library has no way to it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _entered = runtime.enter();
    client.set_nonblocking(true).unwrap();
    let client = tokio::net::TcpStream::from_std(client).unwrap();
    client.set_zero_linger().unwrap();
}

/// Serves each connection on a thread of its own; the port.
pub fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(client));
        }
    });
    port
}
