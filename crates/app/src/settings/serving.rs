//! What of an environment is served: which ways in there are, whose certificate they show, and their limits.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use polder_serve::Wire;

/// What `polder serve` serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Serving {
    /// The ways in. Those that are not here are off.
    pub listeners: BTreeMap<Wire, ListenerSettings>,
    /// The certificate that someone else made; without it, the internal authority makes one.
    pub tls: Option<TlsFiles>,
    /// Names and addresses that the internal authority's certificates hold besides those that it knows by itself.
    pub names: Vec<String>,
    /// What limits it.
    pub limits: ServingLimits,
}

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Where it listens. Port 0 is any that is free.
    pub address: SocketAddr,
    /// Takes TLS 1.2 too.
    pub tls12: bool,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// A file in PEM: the server's certificate first, then those that signed it.
    pub chain: String,
    /// A reference to its key in PEM.
    pub key: String,
}

/// Limits of serving, as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServingLimits {
    /// Open connections of a listener.
    pub connections: usize,
    /// Open connections of a listener from one address.
    pub connections_per_address: usize,
    /// From the first byte of a connection until someone is signed in, in seconds.
    pub sign_in_seconds: u64,
    /// Without a question, in minutes.
    pub idle_minutes: u64,
    /// An answer may take this many seconds.
    pub statement_seconds: u64,
    /// Answers of one principal that run at once.
    pub statements_per_principal: usize,
    /// Memory of all answers together, in MiB.
    pub memory_mib: u64,
    /// A session holds this many hours.
    pub session_hours: u64,
}

impl Default for ServingLimits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            connections_per_address: 200,
            sign_in_seconds: 15,
            idle_minutes: 60,
            statement_seconds: 600,
            statements_per_principal: 16,
            memory_mib: 1_024,
            session_hours: 12,
        }
    }
}

/// The ways in, and the keys of `listeners`.
pub const WIRES: [Wire; 3] = [Wire::Postgres, Wire::Flight, Wire::Rest];
/// The keys of `listeners`.
pub const LISTENERS_KEYS: [&str; 3] = [Wire::Postgres.name(), Wire::Flight.name(), Wire::Rest.name()];
/// The keys of a listener.
pub const LISTENER_KEYS: [&str; 2] = ["address", "tls12"];
/// The keys of `tls`.
pub const TLS_KEYS: [&str; 3] = ["chain", "key", "names"];
/// The keys of `limits`, each with the most that it may say. The least is 1.
pub const LIMITS: [(&str, u32); 8] = [
    ("connections", 100_000),
    ("connections_per_address", 100_000),
    ("sign_in_seconds", 300),
    ("idle_minutes", 10_080),
    ("statement_seconds", 604_800),
    ("statements_per_principal", 10_000),
    ("memory_mib", 16_777_216),
    ("session_hours", 168),
];
