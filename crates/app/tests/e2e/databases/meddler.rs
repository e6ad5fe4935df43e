//! Whoever stands between us and a server that goes without TLS, and changes what it says: a message that holds a row vanishes, or comes
//! twice. All else passes as it is, and each message is whole, so that nothing but a count can tell.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::proxy::listen;

/// How the server frames its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Postgres,
    Mysql,
}

/// How often the message comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meddles {
    Never,
    Twice,
}

/// A meddler, until the process ends.
pub struct Meddler {
    pub port: u16,
    met: Arc<AtomicUsize>,
}

impl Meddler {
    /// Of the messages of rows in which these bytes stand, the `nth` (from 1) is meddled with.
    pub fn before(server: u16, protocol: Protocol, marker: &'static [u8], nth: usize, meddles: Meddles) -> Self {
        let met = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&met);
        let port = listen(move |client| {
            let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Write);
            });
            // Either end may go at any time.
            let _ = pass(&server, &client, protocol, &|message: &[u8]| {
                let holds = message.windows(marker.len()).any(|bytes| bytes == marker);
                (holds && count.fetch_add(1, Ordering::SeqCst) + 1 == nth).then_some(meddles)
            });
            let _ = server.shutdown(Shutdown::Both);
            let _ = client.shutdown(Shutdown::Both);
        });
        Self { port, met }
    }

    /// How many messages held the bytes.
    pub fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

fn pass(
    mut server: &TcpStream,
    mut client: &TcpStream,
    protocol: Protocol,
    meddles: &dyn Fn(&[u8]) -> Option<Meddles>,
) -> std::io::Result<()> {
    // Of MySQL: what is added to the number of each message of an answer.
    let mut shift = 0u8;
    loop {
        let (mut head, rest) = match protocol {
            Protocol::Postgres => {
                let mut head = vec![0; 5];
                server.read_exact(&mut head)?;
                let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
                (head, length as usize - 4)
            }
            Protocol::Mysql => {
                let mut head = vec![0; 4];
                server.read_exact(&mut head)?;
                let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
                (head, length as usize)
            }
        };
        let mut body = vec![0; rest];
        server.read_exact(&mut body)?;
        let is_row = match protocol {
            Protocol::Postgres => head[0] == b'd',
            Protocol::Mysql => body.first() == Some(&0),
        };
        if protocol == Protocol::Mysql && head[3] == 1 {
            shift = 0;
        }
        let times = match is_row.then(|| meddles(&body)).flatten() {
            None => 1,
            Some(Meddles::Never) => 0,
            Some(Meddles::Twice) => 2,
        };
        for time in 0..times {
            if protocol == Protocol::Mysql {
                if time > 0 {
                    shift = shift.wrapping_add(1);
                    head[3] = head[3].wrapping_add(1);
                } else {
                    head[3] = head[3].wrapping_add(shift);
                }
            }
            client.write_all(&head)?;
            client.write_all(&body)?;
        }
        if times == 0 {
            shift = shift.wrapping_sub(1);
        }
    }
}
