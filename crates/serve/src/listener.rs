//! One way in: an accept loop of our own, which counts whom it lets in and sees to it that all of them end.

mod counts;

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::context::Context;
use crate::listener::counts::{Counts, Full};
use crate::ports::Wire;

/// How long nobody is let in when the operating system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(250);
/// How often it is said that connections were closed unheard, or that there is no room.
const SAY: Duration = Duration::from_secs(1);

/// What becomes of a connection.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Speaks with whoever connected until they are done.
    async fn handle(&self, stream: TcpStream, peer: SocketAddr, context: Arc<Context>);
}

/// Why nobody can come in.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program listens there.
    #[error("listen for {wire} on {address}: another program listens there; end it, or give the listener another port in polder.yaml")]
    Taken {
        /// The way in.
        wire: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// The operating system does not let it.
    #[error("listen for {wire} on {address}; check that this machine has the address and that this account may use the port")]
    Refused {
        /// The way in.
        wire: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The open connections of a listener.
#[derive(Clone)]
pub struct Connections(Arc<Counts>);

impl Connections {
    /// How many there are now.
    pub fn open(&self) -> usize {
        self.0.all()
    }
}

/// How a listener ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that ended by themselves after the end began.
    pub ended: usize,
    /// Connections that were broken off, since they took longer than they may.
    pub aborted: usize,
}

/// An address on which connections of one wire are taken.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    wire: Wire,
    context: Arc<Context>,
    handler: Arc<dyn Handler>,
    counts: Arc<Counts>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("wire", &self.wire).field("address", &self.address).finish_non_exhaustive()
    }
}

impl Listener {
    /// Listens; nobody is let in before [`Listener::run`]. Port 0 takes any that is free.
    ///
    /// # Errors
    /// When another program listens there, or the operating system does not let it.
    pub async fn bind(address: SocketAddr, wire: Wire, context: Arc<Context>, handler: Arc<dyn Handler>) -> Result<Self, ListenError> {
        let failed = |source: io::Error| {
            let wire = wire.name();
            match source.kind() {
                io::ErrorKind::AddrInUse => ListenError::Taken { wire, address },
                _ => ListenError::Refused { wire, address, source },
            }
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let counts = Arc::new(Counts::new(context.limits.connections, context.limits.connections_per_address));
        Ok(Self { listener, address, wire, context, handler, counts })
    }

    /// Where it listens: the port that was taken, where any was asked for.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open, as long as this is asked.
    pub fn connections(&self) -> Connections {
        Connections(Arc::clone(&self.counts))
    }

    /// The way in.
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// Lets connections in until serving ends, and waits for those that are in as long as they may take then.
    pub async fn run(self) -> Drained {
        let mut connections = JoinSet::new();
        let mut closed = Sayer::new(self.wire);
        loop {
            tokio::select! {
                biased;
                () = self.context.drain.begins() => break,
                // Those that ended are forgotten at once: their number is bounded by the limit alone.
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.let_in(stream, peer, &mut connections, &mut closed),
                    // It went before it was let in: no trouble of ours.
                    Err(error) if is_theirs(&error) => {}
                    Err(error) => {
                        closed.say(|more| format!("no connection can be taken ({error}){more}"));
                        // Without a pause the loop would take all of a core until there is room again.
                        tokio::select! {
                            () = self.context.drain.begins() => {}
                            () = tokio::time::sleep(PAUSE) => {}
                        }
                    }
                },
            }
        }
        // Who connects from here on is refused by the operating system.
        drop(self.listener);
        drain(connections, self.context.limits.drain).await
    }

    fn let_in(&self, stream: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>, closed: &mut Sayer) {
        let place = match self.counts.take(peer.ip()) {
            Ok(place) => place,
            Err(full) => {
                // Nothing is said to whoever is one too many: it would cost more than to close.
                closed.say(|more| match full {
                    Full::All => format!("there are as many connections as there may be, so one was closed{more}"),
                    Full::Address => format!("{} has as many connections as it may have, so one was closed{more}", peer.ip()),
                });
                return;
            }
        };
        let (handler, context, wire) = (Arc::clone(&self.handler), Arc::clone(&self.context), self.wire.name());
        // What is small and last must not wait for more to come.
        let _ = stream.set_nodelay(true);
        connections.spawn(async move {
            let _place = place;
            if AssertUnwindSafe(handler.handle(stream, peer, context)).catch_unwind().await.is_err() {
                // What it was about may be a value, so it is not repeated; the hook for panics says where it was.
                tracing::error!(wire, "a connection ended by a defect");
            }
        });
    }
}

async fn drain(mut connections: JoinSet<()>, patience: Duration) -> Drained {
    let mut drained = Drained::default();
    let by = Instant::now() + patience;
    while !connections.is_empty() {
        match tokio::time::timeout_at(by, connections.join_next()).await {
            Ok(Some(_)) => drained.ended += 1,
            Ok(None) => break,
            Err(_) => {
                drained.aborted = connections.len();
                connections.shutdown().await;
            }
        }
    }
    drained
}

/// An error of accepting that is about the one connection and not about this process.
fn is_theirs(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Says the same at most once a second, and how often it was left unsaid: whoever connects in a loop must not fill the log.
struct Sayer {
    wire: Wire,
    said: Option<Instant>,
    unsaid: u64,
}

impl Sayer {
    fn new(wire: Wire) -> Self {
        Self { wire, said: None, unsaid: 0 }
    }

    fn say(&mut self, text: impl FnOnce(String) -> String) {
        let now = Instant::now();
        if self.said.is_some_and(|said| now.duration_since(said) < SAY) {
            self.unsaid = self.unsaid.saturating_add(1);
            return;
        }
        let more = match std::mem::take(&mut self.unsaid) {
            0 => String::new(),
            unsaid => format!("; {unsaid} more since that was last said"),
        };
        self.said = Some(now);
        tracing::warn!(wire = self.wire.name(), "{}", text(more));
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
