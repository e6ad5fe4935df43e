//! Where admitted rows go: a micro-batching interface, which lives as long as its source does. A batch load is its bounded case, one
//! micro-batch; a stream is its unbounded one. The program implements it over the tables that it writes.
//!
//! A micro-batch is `write` any number of times, `finish`, `commit`; or `abort` at any time. Then the next one begins.

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use polder_contract::{Admitted, Duplicates, Reconciled};
use polder_types::ErrorKind;

use crate::input::FileSeen;

/// How far the source was read when a micro-batch ends: what a restart needs so that no row is loaded twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offsets {
    /// Number of the run within the table, which rises with each commit.
    pub sequence: u64,
    /// [`SourceReader::source_identity`](crate::SourceReader::source_identity) of what was read.
    pub source_identity: String,
    /// The files that were read.
    pub files: Vec<FileSeen>,
}

/// Rows of a micro-batch that are stored and not visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    /// Rows by the sink's own count of what it stored: `loaded` of the [`Reconciliation`](polder_contract::Reconciliation), but for rows that a
    /// merge takes and does not store.
    pub rows: u64,
    /// Rows that were taken out, as duplicates or as superseded ones.
    pub removed: u64,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// The rows are visible in this version of the table.
    Now {
        /// The table's new version.
        version: u64,
    },
    /// The sequence was committed before: the staged rows were dropped, and nothing changed.
    Already {
        /// The last sequence of this source in the table.
        sequence: u64,
    },
}

/// A sink that failed; nothing of the micro-batch is visible.
#[derive(Debug, thiserror::Error)]
#[error("{step}; nothing of this batch became visible")]
pub struct SinkError {
    /// What the caller can do about it.
    pub kind: ErrorKind,
    /// The failed step and its object, in lower case.
    pub step: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Is told of each row that is taken out as a duplicate: its place in the run, and where it lies in a batch of the contract's columns.
pub type Removed<'a> = dyn FnMut(u64, &RecordBatch, usize) + Send + 'a;

/// A table being written. Only rows that the gate admitted get in, and only counts that closed make them visible.
#[async_trait]
pub trait TableSink: Send {
    /// Stages rows. They are not visible.
    ///
    /// # Errors
    /// When they cannot be staged: the micro-batch must be aborted.
    async fn write(&mut self, batch: Admitted) -> Result<(), SinkError>;
    /// Ends the rows of the micro-batch, takes out those that the gate found to repeat a key or to be superseded, and counts what is stored.
    ///
    /// # Errors
    /// When what is stored is not what was written: the micro-batch must be aborted.
    async fn finish(&mut self, duplicates: &Duplicates, removed: &mut Removed<'_>) -> Result<Staged, SinkError>;
    /// Makes the finished rows visible at once, together with the offsets.
    ///
    /// # Errors
    /// When nothing was finished, `reconciled` counts other rows than are stored, or the commit fails: then nothing is visible.
    async fn commit(&mut self, offsets: Offsets, reconciled: Reconciled) -> Result<Committed, SinkError>;
    /// Forgets what was staged since the last commit.
    ///
    /// # Errors
    /// When staged bytes could not be removed; they are not visible all the same.
    async fn abort(&mut self) -> Result<(), SinkError>;
}
