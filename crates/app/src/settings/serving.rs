//! What of an environment is served: which ways in there are, whose certificate they show, and their limits.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use polder_serve::{Asked, Wire};

use super::providers::ProviderSettings;

/// What `polder serve` serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Serving {
    /// The ways in. Those that are not here are off.
    pub listeners: BTreeMap<Wire, ListenerSettings>,
    /// The certificate that someone else made; without it, the internal authority makes one.
    pub tls: Option<TlsFiles>,
    /// Names and addresses that the internal authority's certificates hold besides those that it knows by itself.
    pub names: Vec<String>,
    /// A file with the certificates of further authorities whose client certificates are taken, besides the internal one.
    pub client_ca: Option<String>,
    /// What limits it.
    pub limits: ServingLimits,
    /// The pipelines are not run by it when they are due.
    pub scheduler_off: bool,
    /// The identity providers through which one may sign in, by name.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// The origin by which browsers reach the REST listener, as `https://polder.example`; without it there are no pages and no passkeys.
    pub public_url: Option<String>,
}

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Where it listens. Port 0 is any that is free.
    pub address: SocketAddr,
    /// Takes TLS 1.2 too.
    pub tls12: bool,
    /// Whether it asks for client certificates.
    pub client_certificates: Option<Asked>,
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
    /// A grant lasts at most this many hours.
    pub grant_hours: u32,
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
            grant_hours: polder_policy::identity::GRANT_HOURS,
        }
    }
}

/// The ways in, and the keys of `listeners`.
pub const WIRES: [Wire; 4] = [Wire::Postgres, Wire::Flight, Wire::Rest, Wire::Metrics];
/// The keys of `listeners`.
pub const LISTENERS_KEYS: [&str; 4] = [Wire::Postgres.name(), Wire::Flight.name(), Wire::Rest.name(), Wire::Metrics.name()];
/// The keys of a listener. `public_url` is the REST listener's alone.
pub const LISTENER_KEYS: [&str; 4] = ["address", "tls12", "client_certificates", "public_url"];
/// The words of `client_certificates`.
pub const CLIENT_CERTIFICATES: [Asked; 2] = [Asked::Accepted, Asked::Required];
/// The keys of `tls`.
pub const TLS_KEYS: [&str; 4] = ["chain", "key", "names", "client_ca"];
/// The keys of `limits`, each with the most that it may say. The least is 1.
pub const LIMITS: [(&str, u32); 9] = [
    ("connections", 100_000),
    ("connections_per_address", 100_000),
    ("sign_in_seconds", 300),
    ("idle_minutes", 10_080),
    ("statement_seconds", 604_800),
    ("statements_per_principal", 10_000),
    ("memory_mib", 16_777_216),
    ("session_hours", 168),
    ("grant_hours", polder_policy::identity::GRANT_HOURS_MAX),
];
