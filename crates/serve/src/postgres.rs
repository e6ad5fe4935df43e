//! The PostgreSQL wire, over TLS alone: versions 3.0 and 3.2 of the protocol, with simple and extended queries, cursors and COPY to the client.

mod binary;
mod cancel;
mod connection;
mod copy;
mod error;
mod extended;
mod json;
mod lexer;
mod line;
mod message;
mod moment;
mod parameters;
mod rows;
mod scram;
mod startup;
mod statement;
mod text;
mod types;
mod value;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::context::Context;
use crate::ports::{Origin, Wire};

pub use types::numbers as type_numbers;

/// A listener's side of the wire: made once, since one connection may ask to stop what another runs.
#[derive(Clone)]
pub struct Postgres {
    context: Arc<Context>,
    registry: cancel::Registry,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

impl Postgres {
    /// A listener's side.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context, registry: cancel::Registry::default() }
    }

    /// Serves a connection from its first byte to its end.
    pub async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let context = self.context.as_ref();
        // Answers are written when they are whole; to wait for more would only delay them.
        let _ = stream.set_nodelay(true);
        let mut origin = Origin { wire: Wire::Postgres, address: peer.ip(), client: None, certificate: None };
        let begun = tokio::select! {
            biased;
            begun = timeout(context.limits.sign_in, startup::begin(stream, context, &self.registry, &mut origin)) => begun,
            () = context.drain.begins() => return,
        };
        match begun {
            Ok(Ok(Some(signed))) => connection::serve(signed, context).await,
            Ok(Ok(None)) => {}
            Ok(Err(turned)) => {
                if let Some(reason) = turned.reason {
                    context.accounts.turned_away(&origin, reason).await;
                }
            }
            Err(_) => context.accounts.turned_away(&origin, "sign_in_timeout").await,
        }
    }
}

/// Reads bytes as a client's first packet, and as messages after it; for the fuzzer, which sees whether any panic.
#[doc(hidden)]
pub fn read_any(bytes: &[u8]) {
    let _ = message::first(bytes);
    let mut buffer = bytes::BytesMut::from(bytes);
    while let Ok(Some(message)) = message::take(&mut buffer, 1 << 20) {
        match message {
            message::Message::Password(body) => {
                if let Some((mechanism, data)) = message::sasl_initial(body.clone()) {
                    let _ = scram::client_first(&mechanism, &data, true);
                }
                let _ = message::password(body);
            }
            message::Message::Query(sql) => {
                for piece in lexer::statements(&sql) {
                    let _ = statement::command(piece.sql);
                }
            }
            _ => {}
        }
    }
}
