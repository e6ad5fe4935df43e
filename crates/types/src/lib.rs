//! Duty: the words that every crate shares: ids, limits, error kinds, events, and the ports `Clock`, `Rng`, `Recorder`.
//! Never: reads a disk, a network or the environment, or knows how anything is stored.
//! Enter at: [`event::Event`] (what is recorded), [`error::ErrorKind`] (what an error means to its caller), [`id`].
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")
)]

pub mod clock;
pub mod error;
pub mod event;
pub mod id;
pub mod limit;
pub mod predicate;
pub mod printable;
pub mod random;
pub mod secret;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::ErrorKind;
pub use event::{Event, EventKind, Private, RecordError, RecordRef, Recorder};
pub use id::{DatasetId, LineageId, NameId, PrincipalId, RequestId, RunId, SessionId, TableName, TicketId};
pub use predicate::Predicate;
pub use printable::{printable, printable_json, printable_lines};
pub use random::{Rng, SeededRng, SystemRng};
pub use secret::Secret;
