//! Duty: tables. Delta tables in the sealed store: staged writes, commits with intent and outcome, versions, scans,
//! maintenance.
//! Never: lets a row in that the gate did not admit, shows a row without a permit, trusts a log file that the journal does
//! not know, or writes outside the store it was given.
//! Enter at: [`Lake`] (open, scan, maintain), [`TableWriter`] (write), [`ports`] (what a lake is wired to).
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

mod commit;
mod encode;
mod erase;
mod error;
mod file_reader;
mod keys;
mod lake;
mod log;
mod log_store;
mod maintain;
mod matching;
mod merge;
mod migrate;
pub mod ports;
mod recover;
mod restate;
mod scan;
mod schema;
mod snapshot;
mod stage;
mod stats;
mod storage;
mod vector;
mod watched;
mod writer;

pub use erase::{Chooser, Erased, Left};
pub use error::Error;
pub use keys::TableKeys;
pub use lake::{Lake, LakeOptions, LakePorts, Version};
pub use maintain::{Optimized, SMALL_FILE_BYTES, Vacuumed};
pub use matching::{Deletes, SourceKeyBatches};
pub use merge::{History, Matched};
pub use migrate::{Migrated, MigrationStep, Planned};
pub use recover::Recovery;
pub use scan::Closed;
pub use storage::{DELETED_PERCENT_MAX, SMALL_FILES_MANY, Storage};
// What the doors take, so that callers need not name their crates.
pub use polder_contract::{Admitted, KeyAccess, KeyLookup, SnapshotKeys, StandingKeys};
pub use polder_policy::Permit;
pub use polder_types::DatasetId;

pub use writer::{Committed, Staged, TableWriter, WriteMode, WriteRequest};

#[cfg(test)]
mod tests;
