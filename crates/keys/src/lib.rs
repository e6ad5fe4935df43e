//! Duty: who may open what: custody of the root, the keyring and its lease, rotation, destruction, recovery, approver keys.
//! Never: stores an object's data, keeps the root of a key file in memory, logs or prints a key, or opens an older keyring
//! than the newest.
//! Enter at: [`Keys`] (the lease on an unwrapped keyring), [`Custody`] (who wraps it), `docs/format/keyring.md` (every byte).
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

pub mod approver;
pub mod custody;
mod destruction;
mod document;
mod envelope;
mod error;
mod keys;
mod locked;
pub mod recovery;
mod vault;

pub use custody::local::LocalCustody;
pub use custody::{Custody, CustodyInfo};
pub use destruction::{DestructionPlan, DestructionReport, Pending};
pub use document::KeyState;
pub use error::Error;
pub use keys::{DatasetInfo, KeyVersionInfo, Keys, LEASE_MS, LeaseState, RecoveryKitInfo};
pub use locked::DatasetKey;
pub use vault::KeyringVault;

/// The keyring's published format, for those who inspect a file without its keys (and for fuzzing).
pub mod format {
    pub use crate::document::Document;
    pub use crate::envelope::{Envelope, Wrap, WrapKind};
}

#[cfg(test)]
mod tests;
