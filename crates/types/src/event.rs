//! What is recorded: every change as intent and outcome, every read as a decision and an outcome.
//!
//! An event's kind holds ids, counts and hashes only: it becomes a leaf of the audit log, which third parties see.
//! Names, SQL text and messages go into [`Private`]; the log stores them in a sealed side object and keeps a hiding
//! commitment to each in the leaf, so that erasing the side object leaves every proof standing.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::id::{DatasetId, LineageId, NameId, PrincipalId, RequestId, RunId, SessionId, TicketId};

/// The counts of one batch of one source into one table. They close before a commit, or nothing is committed.
///
/// The first five are in every entry of the log. The others are left out where they are zero, so that entries of loads that know none of
/// them keep their bytes, and entries that were written before there were any are read as they were meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that the source holds, by a means that is not the decoder where there is one.
    pub read: u64,
    /// Whether `read` comes from such independent means.
    pub independent: bool,
    /// Rows that were taken. Of a load that appends or replaces, those in the staged files' footers. Of one that merges, every row that
    /// was neither refused nor left out, whatever became of it: see [`Counts::close`].
    pub loaded: u64,
    /// Rows refused and dropped, as the contract said.
    pub rejected: u64,
    /// Rows refused and kept, sealed, with the reason.
    pub quarantined: u64,
    /// Rows that an increment read again at its boundary, and left out since they were loaded before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeated: u64,
    /// Of the loaded rows, those whose key the table did not hold.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub inserted: u64,
    /// Of the loaded rows, those that took the place of the row of their key, or became its newest version.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub updated: u64,
    /// Of the loaded rows, those that the table holds as they are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unchanged: u64,
    /// Of the loaded rows, those after which the same batch brought another of their key. They are not stored.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub superseded: u64,
    /// Of the loaded rows, those that said that the row of their key is gone, and after which the batch brought no other of their key. They
    /// are not stored, whether the table held their key or not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flagged: u64,
    /// Rows of the table that the load deleted, or closed without a newer version: of the keys of flagged rows, or of keys that are not at
    /// the source any more. Not rows of the batch, so that no sum holds it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deleted: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Counts {
    /// Law 5: rows read = loaded + rejected + quarantined + repeated. For merges also loaded = inserted + updated + unchanged + superseded
    /// + flagged: each row that was taken became one of these.
    ///
    /// Counts are a merge's when any of these five or `deleted` is there. Those of a merge that took no row have none but perhaps `deleted`.
    /// Whether a load had to be a merge the contract says, and `polder_contract::Reconciliation` checks.
    pub fn close(&self) -> bool {
        sum(&[self.loaded, self.rejected, self.quarantined, self.repeated]) == Some(self.read)
            && (self.partition() == Some(self.loaded) || (self.partition() == Some(0) && self.deleted == 0))
    }

    /// What became of the rows that a merge took, together.
    fn partition(&self) -> Option<u64> {
        sum(&[self.inserted, self.updated, self.unchanged, self.superseded, self.flagged])
    }

    /// Of the loaded rows, those that are for the table: what the staged files' footers hold once superseded rows are taken out. All of a
    /// load that appends or replaces; the inserted, updated and unchanged ones of a merge.
    pub fn staged(&self) -> u64 {
        self.loaded.saturating_sub(self.superseded).saturating_sub(self.flagged)
    }
}

/// None when it is more than can be counted.
fn sum(counts: &[u64]) -> Option<u64> {
    counts.iter().try_fold(0u64, |sum, count| sum.checked_add(*count))
}

/// What a change to a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableOperation {
    Create,
    Append,
    Replace,
    /// Rows take the place of those that have their keys.
    Merge,
    /// As merge, and the rows that were there stay as what was valid before.
    Scd2,
    Model,
    /// Rows stay and columns change.
    Migrate,
    /// Rows stay; how far the source was read is remembered otherwise.
    State,
    /// The table is what it was in an older version, with what was remembered then.
    Restore,
    Optimize,
    Vacuum,
    /// An empty version, which stops a writer that lost its lease from committing what it had begun.
    Fence,
    /// The table and all that belongs to it is removed.
    Drop,
    /// Rows are removed for good. The version says by itself what the table holds, and no version before it can be read any more.
    Erase,
}

impl TableOperation {
    /// Whether it brings a source's rows in: then its sequence is one of that source, and has offsets.
    pub fn loads(self) -> bool {
        matches!(self, Self::Append | Self::Replace | Self::Merge | Self::Scd2)
    }

    /// Whether its sequence has offsets: what is remembered of how far the source was read.
    pub fn remembers(self) -> bool {
        self.loads() || matches!(self, Self::State | Self::Restore)
    }
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

/// What happened to the accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityChange {
    AccountAdded,
    AccountRemoved,
    AccountDisabled,
    AccountEnabled,
    PasswordSet,
    TokenMade,
    TokenRevoked,
    SessionsRevoked,
    GroupAdded,
    GroupRemoved,
    MemberAdded,
    MemberRemoved,
    /// That someone be in a group for some time was asked for.
    GrantRequested,
    GrantApproved,
    GrantDenied,
    GrantRevoked,
    /// The account for emergencies was made, or sealed again.
    BreakGlassSealed,
    /// That it be opened was asked for.
    BreakGlassRequested,
    BreakGlassApproved,
    BreakGlassOpened,
    CertificateAdded,
    CertificateRevoked,
    /// An account is someone at an identity provider.
    ProviderLinked,
    ProviderUnlinked,
    TotpEnrolled,
    TotpRemoved,
    RecoveryCodeUsed,
    PasskeyAdded,
    PasskeyRemoved,
}

/// The grant, or the opening of the account for emergencies, that a change of the accounts is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantInfo {
    /// Its id; none where the account is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Stands for the group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<NameId>,
    /// When it ends, in milliseconds since the epoch, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
}

/// Why a run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// It was due.
    Schedule,
    /// Someone, or another scheduler, asked for it.
    Hand,
    /// The one before it failed or was broken off.
    Retry,
}

impl Trigger {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Hand => "hand",
            Self::Retry => "retry",
        }
    }
}

/// How a run of a pipeline ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    Succeeded,
    Failed,
    /// It took longer than its pipeline lets it.
    TimedOut,
    /// Someone ended it, or a newer one took its place.
    Cancelled,
    /// The scheduler or the host was shut down.
    Interrupted,
    /// Its process ended without a word.
    Killed,
}

impl RunResult {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
        }
    }
}

/// Why a pipeline was due and did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The run before it was going on.
    Overlap,
    /// As many due times as may wait were waiting.
    QueueFull,
    /// It waited, and a newer due time took its place.
    Replaced,
    /// No scheduler ran.
    Missed,
}

impl SkipReason {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overlap => "overlap",
            Self::QueueFull => "queue_full",
            Self::Replaced => "replaced",
            Self::Missed => "missed",
        }
    }
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
    /// Whoever asks for a run that has a pipeline, or repeats another run: recorded before anything of it begins. `attempt` counts from 1;
    /// `due_ms` is when it was to begin, in milliseconds since the epoch.
    RunTriggered {
        run: RunId,
        trigger: Trigger,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pipeline: Option<NameId>,
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_of: Option<RunId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_ms: Option<i64>,
    },
    /// What became of one table or model of a run; `status` and `error` are fixed words. It began at `started_ms`, in milliseconds since
    /// the epoch, and the entry's own time is its end.
    StepFinished {
        run: RunId,
        step: NameId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dataset: Option<DatasetId>,
        status: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counts: Option<Counts>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        started_ms: i64,
    },
    /// How a run that was triggered ended, and whether another attempt follows it. `error` is the word of the gravest failure's kind.
    RunConcluded {
        run: RunId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pipeline: Option<NameId>,
        result: RunResult,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        again: bool,
    },
    /// Due times from the first to the last of these at which a pipeline did not run, in milliseconds since the epoch.
    DueSkipped {
        pipeline: NameId,
        reason: SkipReason,
        first_ms: i64,
        last_ms: i64,
        times: u64,
    },
    /// Whether a table of a pipeline is older than its contract lets it be: recorded when that changes. `newest_ms` is when it was last
    /// loaded; none where the newest value of a column is judged, which stands in no log.
    FreshnessJudged {
        pipeline: NameId,
        table: NameId,
        missed: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        newest_ms: Option<i64>,
        max_age_seconds: u64,
    },
    /// A pipeline tells so many receivers something, and so many of them could not be told: `aborted` where any did. `notice` is a fixed
    /// word.
    NoticeSent {
        pipeline: NameId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        notice: String,
        phase: Phase,
        receivers: u32,
        failed: u32,
    },
    ReadDecided {
        request: RequestId,
        datasets: Vec<DatasetId>,
        allowed: bool,
        policies: Vec<String>,
        /// Of whom a listener let in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
        /// Ids of the grants that were in force for who asked, sorted; or of the opening of the account for emergencies.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        grants: Vec<String>,
    },
    /// `bytes` are those of the rows in memory, where someone counted.
    ReadFinished {
        request: RequestId,
        rows: u64,
        complete: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    },
    /// A session may send rows into a table: recorded before any of them is read. `dataset` is none where nothing was loaded yet; what comes of
    /// it stands under the run.
    PushDecided {
        run: RunId,
        dataset: Option<DatasetId>,
        policies: Vec<String>,
        session: SessionId,
    },
    /// `polder serve` listens, or stopped; `reason` is a fixed word.
    ServiceChanged {
        phase: Phase,
        listeners: u32,
        reason: String,
    },
    /// The internal certificate authority was made, or a certificate of the server that it signed. From the outcome on both are what version
    /// `version` of a sealed object says, whose plaintext has `hash` as its SHA-256, in hexadecimal; `authority` and `server` are those of the
    /// certificates, which are public.
    CertificateChanged {
        phase: Phase,
        version: u64,
        hash: String,
        authority: String,
        server: String,
    },
    /// The accounts changed, and are from the outcome on what version `version` of the register says: a sealed object whose plaintext has
    /// `hash` as its SHA-256, in hexadecimal. `subject` stands for the name of the account or group.
    IdentityChanged {
        change: IdentityChange,
        phase: Phase,
        subject: NameId,
        version: u64,
        hash: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<GrantInfo>,
    },
    /// Someone was let in. `wire` and `method` are fixed words.
    SignedIn {
        session: SessionId,
        subject: NameId,
        wire: String,
        method: String,
    },
    /// Someone was sent away. `wire` and `reason` are fixed words; `subject` is there where a name was given, whether an account has it or not.
    SignInRefused {
        wire: String,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<NameId>,
    },
    /// A session is over; `reason` is a fixed word.
    SessionEnded {
        session: SessionId,
        reason: String,
    },
    /// Whoever signed in is given a session token, which ends by itself at `expires_ms`, in milliseconds since the epoch. `session` is the one
    /// in which it was asked for, where there is one; `wire` is a fixed word.
    SessionTokenMade {
        ticket: TicketId,
        subject: NameId,
        wire: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
        expires_ms: i64,
    },
    /// A session token was ended before its time; `reason` is a fixed word.
    SessionTokenEnded {
        ticket: TicketId,
        reason: String,
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
    /// Rows of a table are removed for good: from it with its older versions, from its refused rows, and from what models computed of it. Which
    /// rows these are is a private value. An intent tells what there is before, an outcome what was done; it is recorded only after the predicate
    /// was asked again and the store was looked through. A second intent of a table takes the place of the first.
    RowsErased {
        dataset: DatasetId,
        phase: Phase,
        /// Rows of the table's newest version.
        rows: u64,
        /// Refused rows that were kept.
        refused: u64,
        /// Refused rows of which nobody can tell whether they are meant: those that stay, where it is an outcome.
        undecided: u64,
        /// Rows of each model that is stored: before, or as computed anew.
        models: BTreeMap<DatasetId, u64>,
        /// The table's newest version; of an outcome the only one that can be read.
        version: u64,
        /// Objects in the store of the table, its models and its refused rows.
        objects: u64,
    },
    /// So many refused rows are taken out of an object, and so many stay in it. With none left the object goes. Told before it is done.
    QuarantineErased {
        dataset: DatasetId,
        object: String,
        rows: u64,
        left: u64,
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
mod tests;
