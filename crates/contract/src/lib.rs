//! Duty: contracts (ODCS 3.1) and their approvals; the gate that turns raw batches into admitted ones; content inspection; unique keys; closing the counts.
//! Never: reads a file, a network or a clock, lets a column in that no contract authorises, changes a value in silence, or puts a row
//! value into an error.
//! Enter at: [`Contract`] (what may come in), [`RawBatch`] (what a decoder gives), [`Admitted`] (what a sink takes).
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        reason = "tests fail by panicking, and their numbers are small"
    )
)]

pub mod admitted;
pub mod approval;
pub mod change;
pub mod column;
pub mod contract;
pub mod discover;
pub mod domains;
pub mod drift;
pub mod edit;
pub mod enrolment;
pub mod error;
pub mod gate;
pub mod inspect;
pub mod mask;
pub mod odcs;
mod parse;
pub mod quality;
pub mod quarantine;
pub mod question;
pub mod raw;
mod read;
pub mod reconcile;
pub mod spill;
pub mod statistics;
#[cfg(test)]
mod testing;
mod time;
mod unique;
pub mod yaml;

pub use admitted::{Admitted, Checked, DeletedKeys, Finding, Rejection, Rule, StandingKeys};
pub use approval::{ApprovalError, Approved, ApproverPublic};
pub use change::{Change, ChangeKind};
pub use column::{Bounds, Column, ColumnType, TextFormat};
pub use contract::{Contract, Deletes, Disposition, Freshness, Gone, Note, OnViolation, Validity};
pub use drift::{Anomaly, History};
pub use error::Error;
pub use gate::source_keys::{SnapshotKeys, SourceKeys};
pub use gate::{Gate, GateFaults, GateOptions};
pub use inspect::waiver::Waiver;
pub use inspect::{Kind, Patterns, RuleFile, Waived};
pub use mask::Mask;
pub use mask::apply::{FieldKeys, Masking};
pub use raw::{Cell, CellKind, Cells, Malformed, RawBatch, TextColumn, TextColumnBuilder};
pub use reconcile::{Merged, Reconciled, Reconciliation};
pub use spill::{KeyAccess, KeyLookup, SpillFiles, SpillSink, SpillSource};
pub use statistics::Statistics;
pub use unique::duplicates::{Duplicate, DuplicateCount, Duplicates};
pub use yaml::{Problem, Problems};
