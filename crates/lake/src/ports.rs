//! What the lake needs to know from others: which versions stand, whether it may still write, and where a test may break in.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use polder_types::DatasetId;
use polder_types::event::TableOperation;

pub use crate::error::FenceError;

/// The visible version of a table: the one that the newest outcome names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The Delta version.
    pub version: u64,
    /// SHA-256 of its commit file, hexadecimal.
    pub log_hash: String,
    /// The last committed run sequence.
    pub sequence: u64,
}

/// One version that the journal knows by an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownVersion {
    /// The Delta version.
    pub version: u64,
    /// SHA-256 of its commit file, hexadecimal.
    pub log_hash: String,
    /// What made it.
    pub operation: TableOperation,
    /// When its outcome was recorded, in milliseconds since the epoch.
    pub time_ms: i64,
    /// Index of the outcome in the audit log.
    pub index: u64,
}

/// An intent without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIntent {
    /// What was intended.
    pub operation: TableOperation,
    /// The run sequence.
    pub sequence: u64,
    /// The Delta version that the commit would make.
    pub version: u64,
    /// SHA-256 of the commit's bytes, hexadecimal.
    pub log_hash: String,
    /// The fencing epoch of the writer.
    pub epoch: u64,
}

/// What made an object unreadable for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestroyedKey {
    /// The version of the table's key that the object was sealed under.
    pub key_version: u32,
    /// When its destruction was recorded, in milliseconds since the epoch.
    pub time_ms: i64,
}

/// The journal's projection of the tables. What was recorded is seen by the next call.
pub trait Heads: Debug + Send + Sync {
    /// The visible version; `None` when the table has none.
    fn head(&self, dataset: DatasetId) -> Option<Head>;
    /// Every version from 0 to the head, in order.
    fn versions(&self, dataset: DatasetId) -> Vec<KnownVersion>;
    /// The intents that have no outcome yet.
    fn open_intents(&self, dataset: DatasetId) -> Vec<OpenIntent>;
    /// The objects of the table that a recorded destruction of its key made unreadable, by path. Any other object under a
    /// destroyed key version is damage.
    fn destroyed(&self, _dataset: DatasetId) -> BTreeMap<String, DestroyedKey> {
        BTreeMap::new()
    }
}

/// The writer's lease.
#[async_trait]
pub trait Fence: Debug + Send + Sync {
    /// The fencing epoch: grows with every holder.
    fn epoch(&self) -> u64;
    /// Whether the lease still holds.
    ///
    /// # Errors
    /// When another writer holds it, or it cannot be checked.
    async fn check(&self) -> Result<(), FenceError>;
}

/// Named points where a test ends the process. The names are those of [`POINTS`].
pub trait Failpoints: Debug + Send + Sync {
    /// Called when the program passes the point.
    fn hit(&self, name: &str);
}

/// Every point, in the order in which a load passes them; then those of maintenance.
pub const POINTS: [&str; 17] = [
    "lake.staged",
    "lake.matched",
    "lake.vectors_stored",
    "lake.before_intent",
    "lake.after_intent",
    "lake.after_commit",
    "lake.before_outcome",
    "lake.after_outcome",
    "lake.optimize_staged",
    "lake.recover_intent",
    "lake.fence_written",
    "lake.vacuum_intent",
    "lake.vacuum_deleted",
    "lake.erase_staged",
    "lake.erase_purging",
    "lake.erase_deleting",
    "lake.erase_emptying",
];

/// Faults that a seeded test injects into the writer.
pub trait Faults: Debug + Send + Sync {
    /// Whether the writer loses its batch number `batch` (from 0).
    fn lose_batch(&self, batch: u64) -> bool;
}

/// No point ends the process and no batch is lost.
#[derive(Debug, Default, Clone, Copy)]
pub struct Undisturbed;

impl Failpoints for Undisturbed {
    fn hit(&self, _name: &str) {}
}

impl Faults for Undisturbed {
    fn lose_batch(&self, _batch: u64) -> bool {
        false
    }
}
