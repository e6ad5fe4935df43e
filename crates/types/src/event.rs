//! What is recorded: every change as intent and outcome, every read as a decision and an outcome.
//!
//! An event's kind holds ids, counts and hashes only: it becomes a leaf of the audit log, which third parties see.
//! Names, SQL text and messages go into [`Private`]; the log stores them in a sealed side object and keeps a hiding
//! commitment to each in the leaf, so that erasing the side object leaves every proof standing.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::id::{DatasetId, LineageId, PrincipalId, RequestId, RunId};

/// The counts of one batch of one source into one table. They close before a commit, or nothing is committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that the source holds, by a means that is not the decoder where there is one.
    pub read: u64,
    /// Whether `read` comes from such independent means.
    pub independent: bool,
    /// Rows in the staged files' footers.
    pub loaded: u64,
    /// Rows refused and dropped, as the contract said.
    pub rejected: u64,
    /// Rows refused and kept, sealed, with the reason.
    pub quarantined: u64,
}

impl Counts {
    /// Law 5: rows read = loaded + rejected + quarantined.
    pub fn close(&self) -> bool {
        self.loaded.checked_add(self.rejected).and_then(|sum| sum.checked_add(self.quarantined)) == Some(self.read)
    }
}

/// What a change to a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableOperation {
    Create,
    Append,
    Replace,
    Model,
    /// Rows stay and columns change.
    Migrate,
    Optimize,
    Vacuum,
    /// An empty version, which stops a writer that lost its lease from committing what it had begun.
    Fence,
    /// The table and all that belongs to it is removed.
    Drop,
}

/// How an intent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitResult {
    Committed,
    /// Found after a crash: the commit had happened, its outcome had not been written.
    Recovered,
    Aborted,
}

/// Before or after an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Intent,
    Outcome,
    Aborted,
}

/// What happened to keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyChange {
    DatasetAdded,
    /// A dropped table's datasets gave their names back.
    DatasetDropped,
    RootRotated,
    /// A recovery kit gave the keyring a new root key.
    RootRecovered,
    DatasetRotated,
    Reencrypted,
    DestructionPending,
    Destroyed,
    RecoveryKitWritten,
    RecoveryKitTested,
    RecoveryKitRetired,
    ObjectKeyRevealed,
    /// Encrypted values of a domain were shown in the clear.
    ValuesRevealed,
}

/// What happened, in ids, counts and hashes. `log_hash` and `contract_hash` are SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum EventKind {
    InstallationCreated {
        lineage: LineageId,
    },
    LeaseTaken {
        epoch: u64,
    },
    ContractApproved {
        dataset: Option<DatasetId>,
        contract_hash: String,
    },
    RunStarted {
        run: RunId,
        batches: u32,
    },
    BatchStarted {
        run: RunId,
        dataset: DatasetId,
        sequence: u64,
        contract_hash: String,
    },
    /// How sensitive a table is from now on: the strictest classification of the columns of an approved contract, or of what a
    /// model reads. Recorded before the first row, and whenever it changes: policies go by it.
    TableClassified {
        dataset: DatasetId,
        classification: Option<String>,
        contract_hash: String,
    },
    /// The last thing recorded before a table version is created. The version is visible only once an outcome names it.
    CommitIntent {
        dataset: DatasetId,
        operation: TableOperation,
        sequence: u64,
        version: u64,
        log_hash: String,
        epoch: u64,
    },
    CommitOutcome {
        dataset: DatasetId,
        operation: TableOperation,
        sequence: u64,
        version: u64,
        log_hash: String,
        result: CommitResult,
        counts: Option<Counts>,
    },
    BatchFailed {
        run: RunId,
        dataset: DatasetId,
        counts: Option<Counts>,
        error: String,
    },
    /// `object` is the object's path, which holds ids only; `rows` are those in it.
    QuarantineWritten {
        run: RunId,
        dataset: DatasetId,
        sequence: u64,
        rows: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object: Option<String>,
    },
    /// What the columns of a source's dataset are like. `object` is the object's path, which holds ids only; `records` are those that
    /// were looked at.
    ProfileWritten {
        dataset: DatasetId,
        object: String,
        records: u64,
    },
    /// What content inspection found in a batch: rows refused and rows let through by a waiver, by the kind's word. Personal data
    /// counts columns.
    ContentInspected {
        run: RunId,
        dataset: DatasetId,
        found: BTreeMap<String, u64>,
        waived: BTreeMap<String, u64>,
    },
    RunFinished {
        run: RunId,
        committed: u32,
        failed: u32,
    },
    ReadDecided {
        request: RequestId,
        datasets: Vec<DatasetId>,
        allowed: bool,
        policies: Vec<String>,
    },
    ReadFinished {
        request: RequestId,
        rows: u64,
        complete: bool,
    },
    KeysChanged {
        change: KeyChange,
        phase: Phase,
        dataset: Option<DatasetId>,
        /// Of the dataset's key, where the change is one of a version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key_version: Option<u32>,
        keyring_version: u64,
    },
    /// The objects that nobody can read once this version of their dataset's key is destroyed: told before it is, in parts from
    /// 0. Any other object under that version is damage.
    DestructionPrepared {
        dataset: DatasetId,
        key_version: u32,
        part: u32,
        objects: Vec<String>,
    },
    /// An anchor is put beside a log that had none.
    AnchorBegun {
        phase: Phase,
    },
    TableMaintained {
        dataset: DatasetId,
        operation: TableOperation,
        phase: Phase,
        files: u64,
    },
    /// `object` is the object's path, which holds ids only.
    IntegrityFailed {
        object: String,
    },
    /// Everything was verified and was as it must be: what failed before was restored.
    IntegrityVerified {
        entries: u64,
        files: u64,
    },
    Refused {
        action: String,
        error: String,
    },
}

/// Values that only the sealed side object holds: names, SQL text, messages. Keys are fixed words of the program.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private(pub BTreeMap<String, String>);

impl Private {
    /// Adds a value under a fixed word.
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }
}

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One event to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    pub actor: PrincipalId,
    pub private: Private,
}

impl Event {
    /// An event without private values.
    pub fn new(actor: &PrincipalId, kind: EventKind) -> Self {
        Self { kind, actor: actor.clone(), private: Private::default() }
    }

    /// Adds a private value under a fixed word.
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.private = self.private.with(key, value);
        self
    }
}

/// Where a recorded event stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordRef {
    /// Index of the leaf, from 0.
    pub index: u64,
}

/// The event could not be recorded, so what it announces must not happen.
#[derive(Debug, thiserror::Error)]
#[error("record the event in the audit log: {message}; nothing happens without a record")]
pub struct RecordError {
    pub kind: ErrorKind,
    pub message: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The door to the audit log. When `record` returns, the event is durable.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// Records one event.
    ///
    /// # Errors
    /// When the event is not durable: the caller must not go on with what the event announces.
    async fn record(&self, event: Event) -> Result<RecordRef, RecordError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_close_only_when_nothing_is_missing_or_doubled() {
        let counts = Counts { read: 10, independent: true, loaded: 7, rejected: 2, quarantined: 1 };
        assert!(counts.close());
        assert!(!Counts { loaded: 6, ..counts }.close());
        assert!(!Counts { loaded: 8, ..counts }.close());
        assert!(!Counts { loaded: u64::MAX, rejected: 1, ..counts }.close());
    }

    #[test]
    fn private_values_do_not_show_in_debug() {
        let event =
            Event::new(&PrincipalId::new("user", "ann").unwrap(), EventKind::LeaseTaken { epoch: 1 }).with("sql", "select 'secret-value'");
        assert!(!format!("{event:?}").contains("secret-value"));
    }
}
