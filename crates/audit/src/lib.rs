//! Duty: the audit log, which is also the journal of what happened: a Merkle log of sealed events with signed checkpoints,
//! the projection of state from it, proofs, and an export that others can verify.
//! Never: acknowledges an event that is not durable, writes a value into a leaf, or goes on after it was overtaken.
//! Enter at: [`Journal`] (record, state, verify, export), [`State`] (what the log says is so), `docs/format/audit-log.md`.
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

mod anchor;
mod batch;
mod error;
mod export;
mod fold;
mod journal;
mod leaf;
mod load;
mod merkle;
mod note;
mod open;
mod shelf;
mod show;
mod side;
mod snapshot;
mod state;
mod tile;
mod verify;
mod view;
mod writer;

pub use anchor::Anchor;
pub use error::{Cause, Error};
pub use export::ExportReport;
pub use journal::{ConsistencyProof, Entry, InclusionProof, Journal};
pub use leaf::Commitments;
pub use load::Opened;
pub use merkle::{Hash, empty_root, leaf_hash, node_hash, verify_consistency, verify_inclusion};
pub use note::{Signer, Verifier};
pub use show::{Filter, Resolved, Shown};
pub use state::{
    BreakGlassOpen, CertificateHead, Concluded, Destruction, ErasedCounters, IdentityHead, InspectedCounters, IntegrityFailure,
    NoticeCounters, OpenErasure, OpenIdentityChange, OpenIntent, OpenKeyChange, OpenMaintenance, PipelineInfo, ProfileObject,
    QuarantineObject, ReadCounters, Recorded, RunEnd, RunInfo, SessionTokenCounters, SignInCounters, State, TableHead, Triggered,
    VersionInfo,
};
pub use verify::{AnchorStatus, Failure, Verification};

#[cfg(test)]
mod tests;
