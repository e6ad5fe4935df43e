use std::error::Error as StdError;
use std::path::PathBuf;

use polder_types::ErrorKind;

/// A boxed cause.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// What can go wrong with the audit log. Nothing here holds a recorded value or a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store has no such journal.
    #[error("open the audit log: the store holds none; run `polder init`, or check that this is the right store")]
    NotCreated,
    /// The keyring lacks a dataset of the log's.
    #[error("open the audit log: the keyring has no dataset {name}; run `polder init`, or check that this is the right keyring")]
    NoDataset { name: &'static str },
    /// `create` on a store that has one.
    #[error("create the audit log: the store already holds one; open it instead")]
    Exists,
    /// `create` or a new anchor where an anchor file is already.
    #[error("create the audit log: the anchor {path} already holds a checkpoint; name another file, or open the log it belongs to")]
    AnchorInUse { path: PathBuf },
    /// The signer's name cannot stand in a signed note.
    #[error("open the audit log: the signer's name cannot name a log; it must not be empty or hold white space, control characters or '+'")]
    SignerName,
    /// An event that does not fit a leaf.
    #[error("record the event: {what}; shorten it, or move the text into a private value")]
    EventTooLarge { what: &'static str },
    /// An event with a number that RFC 8785 cannot hold.
    #[error("record the event: it holds a number above 9007199254740991, which JSON cannot hold exactly")]
    NumberTooLarge,
    /// An event that does not become JSON.
    #[error("record the event: encode its leaf; report this as a defect")]
    Encode(#[source] serde_json::Error),
    /// No randomness for a commitment.
    #[error("record the event: no randomness to hide its private values with")]
    Random(#[from] polder_types::random::RandomError),
    /// The signer failed.
    #[error("sign the checkpoint of {size} entries; check that the keys can be reached")]
    Sign {
        size: u64,
        #[source]
        source: Cause,
    },
    /// The store failed.
    #[error("{step} {object} of the audit log; check the store")]
    Store {
        step: &'static str,
        object: String,
        #[source]
        source: Cause,
    },
    /// The disk is full.
    #[error(
        "write {object} of the audit log: the disk is full; only refusals, failures and vacuum are recorded until space is freed \
         (`polder table vacuum`)"
    )]
    Full {
        object: String,
        #[source]
        source: Option<Cause>,
    },
    /// Another writer came with a larger epoch, or with the same.
    #[error(
        "append to the audit log at entry {index}: a writer with epoch {theirs} has taken over from epoch {ours}; stop, and open it again"
    )]
    Fenced { index: u64, ours: u64, theirs: u64 },
    /// A journal that was opened for reading only.
    #[error("append to the audit log: it is open for reading only; open it as the writer")]
    ReadOnly,
    /// The writer has stopped.
    #[error("append to the audit log: its writer has stopped after an earlier error or was closed; open the log again")]
    Stopped,
    /// Whether a group was written is unknown.
    #[error("write {object} of the audit log: whether it was written is unknown; stop, and open the log again")]
    Unknown {
        object: String,
        #[source]
        source: Option<Cause>,
    },
    /// The group was written but something that belongs to it was not.
    #[error("record the event: {what} could not be written; nothing may follow from the event, open the log again")]
    Incomplete {
        what: &'static str,
        #[source]
        source: Box<Error>,
    },
    /// An object that is not what it must be.
    #[error("{step} {object} of the audit log: {what}; restore it from a backup and run `polder audit verify`")]
    Corrupt {
        step: &'static str,
        object: String,
        what: &'static str,
        #[source]
        source: Option<Cause>,
    },
    /// The log ends before what is known to have been in it.
    #[error(
        "open the audit log: it was rolled back: it has {size} entries, {evidence} names {known}; restore the newest backup, \
         and find out who replaced it"
    )]
    RolledBack { size: u64, known: u64, evidence: String },
    /// The log and the anchor tell two stories.
    #[error(
        "open the audit log: it is not a continuation of the anchor's checkpoint of {size} entries; it was rolled back and written \
         anew, or belongs to another installation"
    )]
    Forked { size: u64 },
    /// The keyring is older than the log says it was.
    #[error("open the audit log: the keyring is version {found}, the log was written with version {known}: the keyring was rolled back")]
    KeyringRolledBack { found: u64, known: u64 },
    /// No anchor where one is configured.
    #[error("read the anchor {path}: it is missing; restore it; if there never was one, `polder audit anchor --init` begins it")]
    AnchorMissing { path: PathBuf },
    /// The anchor is not a checkpoint of this log.
    #[error("read the anchor {path}: {what}; restore it, or name the file of this installation")]
    AnchorCorrupt { path: PathBuf, what: &'static str },
    /// The anchor's file system failed.
    #[error("{step} the anchor {path}; check its file system, nothing is recorded without it")]
    AnchorIo {
        step: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// An index beyond the log.
    #[error("read the audit log: entry {index} does not exist, it has {size} entries")]
    OutOfRange { index: u64, size: u64 },
    /// The directory of an export.
    #[error("export the audit log: {path} is not empty; name a directory that does not exist yet")]
    ExportNotEmpty { path: PathBuf },
    /// The export cannot be written.
    #[error("export the audit log: write {path}")]
    ExportIo {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// An error that several callers share.
    #[error(transparent)]
    Shared(#[from] std::sync::Arc<Error>),
    /// The writer changed the log under a reader again and again.
    #[error("read the audit log: it changed while it was read; try again")]
    Moved,
}

impl Error {
    /// What the error means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Shared(error) => error.kind(),
            Self::NotCreated | Self::NoDataset { .. } | Self::OutOfRange { .. } => ErrorKind::NotFound,
            Self::Exists | Self::AnchorInUse { .. } | Self::Moved => ErrorKind::Conflict,
            Self::SignerName | Self::EventTooLarge { .. } | Self::NumberTooLarge | Self::ExportNotEmpty { .. } => ErrorKind::Invalid,
            Self::Encode(_) | Self::ReadOnly => ErrorKind::Internal,
            Self::Random(_)
            | Self::Sign { .. }
            | Self::Store { .. }
            | Self::Full { .. }
            | Self::Stopped
            | Self::AnchorIo { .. }
            | Self::Incomplete { .. }
            | Self::Unknown { .. }
            | Self::ExportIo { .. } => ErrorKind::Unavailable,
            Self::Fenced { .. } => ErrorKind::Busy,
            Self::Corrupt { .. }
            | Self::RolledBack { .. }
            | Self::Forked { .. }
            | Self::KeyringRolledBack { .. }
            | Self::AnchorMissing { .. }
            | Self::AnchorCorrupt { .. } => ErrorKind::Corrupt,
        }
    }

    pub(crate) fn corrupt(object: impl Into<String>, what: &'static str) -> Self {
        Self::Corrupt { step: "verify", object: object.into(), what, source: None }
    }
}
