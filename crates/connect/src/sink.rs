//! Where admitted rows go: a micro-batching interface. A batch load is its bounded case, a stream its unbounded one.

use async_trait::async_trait;
use polder_contract::Admitted;
use polder_types::ErrorKind;
use polder_types::event::Counts;

use crate::input::FileSeen;

/// How far the source was read when a micro-batch ends: what a restart needs so that no row is loaded twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offsets {
    /// Number of the run within the table, which rises by one with each commit.
    pub sequence: u64,
    /// [`SourceReader::source_identity`](crate::SourceReader::source_identity) of what was read.
    pub source_identity: String,
    /// The files that were read.
    pub files: Vec<FileSeen>,
}

/// What a commit made visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The table's new version.
    pub version: u64,
    /// The counts, which closed before the commit.
    pub counts: Counts,
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

/// A table being written: `write` any number of times, then `commit`, again and again.
#[async_trait]
pub trait TableSink: Send {
    /// Stages rows. They are not visible.
    ///
    /// # Errors
    /// When they cannot be staged: the micro-batch must be aborted.
    async fn write(&mut self, batch: Admitted) -> Result<(), SinkError>;
    /// Makes everything staged since the last commit visible at once, together with the offsets. `read`, `rejected` and
    /// `quarantined` of `counts` are given; the sink sets `loaded` from what it staged, and refuses counts that do not close.
    ///
    /// # Errors
    /// When the counts do not close or the commit fails: then nothing is visible.
    async fn commit(&mut self, counts: Counts, offsets: Offsets) -> Result<Committed, SinkError>;
    /// Forgets what was staged since the last commit.
    ///
    /// # Errors
    /// When staged bytes could not be removed; they are not visible all the same.
    async fn abort(&mut self) -> Result<(), SinkError>;
}
