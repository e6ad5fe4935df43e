//! A proxy before a server, for one connection after the other or several at once: it passes bytes on, and does what a test says to them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Listens until it is dropped; what it accepted goes on until an end closes.
pub struct Proxy {
    port: u16,
    passed: Arc<AtomicU64>,
}

impl Proxy {
    /// Before a server on this machine. Of what the server sends, `limit` bytes go through over all connections, then all are cut.
    pub fn cutting(server: u16, limit: u64) -> Self {
        let passed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&passed);
        let port = listen(move |client| {
            let upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Write);
            });
            let (mut from_server, mut to_client) = (upstream, client);
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from_server.read(&mut buffer) {
                let before = count.fetch_add(read as u64, Ordering::SeqCst);
                if before + read as u64 > limit || to_client.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            let _ = from_server.shutdown(Shutdown::Both);
            let _ = to_client.shutdown(Shutdown::Both);
        });
        Self { port, passed }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes that the server sent so far.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }
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
