//! Limits on everything that someone at the other end can make grow.

use std::time::Duration;

/// Limits of all listeners together, but for those that say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of a listener.
    pub connections: usize,
    /// Open connections of a listener from one address.
    pub connections_per_address: usize,
    /// From the first byte of a connection until someone is signed in.
    pub sign_in: Duration,
    /// Without a question.
    pub idle: Duration,
    /// A write that the other side does not take.
    pub stalled: Duration,
    /// A message, or the body of a request, in bytes.
    pub message_bytes: usize,
    /// Prepared statements, and portals, of a connection.
    pub prepared: usize,
    /// Requests at a time that send rows.
    pub pushes: usize,
    /// Memory of what they send, together, in bytes.
    pub pushed_bytes: usize,
    /// For answers that run when serving ends.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            connections_per_address: 200,
            sign_in: Duration::from_secs(15),
            idle: Duration::from_secs(3_600),
            stalled: Duration::from_secs(60),
            message_bytes: 4 << 20,
            prepared: 256,
            pushes: 64,
            pushed_bytes: 256 << 20,
            drain: Duration::from_secs(30),
        }
    }
}
