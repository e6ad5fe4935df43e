//! What a signed-in principal does and sees beside questions, as the program wires it in: runs, contracts and the log. Each call asks first
//! whether the session still holds, decides by the policies of now, and records what changes something before it does.

use std::pin::Pin;

use async_trait::async_trait;
use futures::Stream;
use polder_types::RunId;

use crate::fault::Fault;

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// A pipeline, once, as its file says.
    Pipeline(String),
    /// These tables and models.
    Tables(Vec<String>),
}

/// A run, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Larger than that of each run that began before.
    pub place: u64,
    /// Its pipeline; none where it has none, or one without a file.
    pub pipeline: Option<String>,
    /// `hand`, `schedule` or `retry`.
    pub trigger: &'static str,
    /// From 1.
    pub attempt: u32,
    /// When it began, as RFC 3339 has it.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// How it ended, in one word; none as long as nothing says so.
    pub result: Option<&'static str>,
    /// The word of the gravest failure's kind.
    pub error: Option<String>,
    /// Batches that were committed, and that failed, of a run that has ended.
    pub committed: Option<u32>,
    /// See `committed`.
    pub failed: Option<u32>,
}

/// What one step of a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The table or model; none where it has no file any more.
    pub name: Option<String>,
    /// A fixed word.
    pub status: String,
    /// The word of the failure's kind.
    pub error: Option<String>,
    /// Rows, where they were counted.
    pub counts: Option<Counts>,
    /// When it began, as RFC 3339 has it.
    pub started: String,
    /// When it ended.
    pub ended: String,
}

/// Rows of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// That the source holds.
    pub read: u64,
    /// That were taken.
    pub loaded: u64,
    /// That were refused and dropped.
    pub rejected: u64,
    /// That were refused and kept.
    pub quarantined: u64,
}

/// Something that became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// It began, with so many steps.
    Started(u32),
    /// A step ended.
    Step(Step),
    /// It ended; nothing comes after.
    Ended(Run),
}

/// What becomes of a run, each with its number from 1, in the order of the log; it ends after [`Happening::Ended`].
pub type Happenings = Pin<Box<dyn Stream<Item = Result<(u64, Happening), Fault>> + Send>>;

/// A contract, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractHead {
    /// The table.
    pub name: String,
    /// The file, from the project's directory.
    pub file: String,
    /// The source.
    pub source: String,
    /// Its dataset.
    pub dataset: String,
    /// What it says it is.
    pub version: String,
    /// Columns that it authorises.
    pub columns: usize,
    /// SHA-256 of what it means, hexadecimal.
    pub semantic_hash: String,
    /// The approver by whose signature it counts as it stands; none: it lets nothing in.
    pub approved_by: Option<String>,
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractFile {
    /// In short.
    pub head: ContractHead,
    /// The file's text.
    pub text: String,
    /// What an approver signs, to the byte.
    pub approval_text: String,
}

/// A difference between two readings of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractChange {
    /// What sort it is, as `polder contract diff` calls it.
    pub change: &'static str,
    /// The column, where it is about one.
    pub column: Option<String>,
    /// Its name before, where it was renamed.
    pub before: Option<String>,
    /// A line of the proposed text, or of the contract for what is gone; from 1.
    pub line: u64,
    /// What changed.
    pub what: String,
    /// What comes in then and does not now.
    pub lets_in: Option<String>,
    /// What stays outside then and comes in now.
    pub keeps_out: Option<String>,
    /// What readers would no longer find as they know it.
    pub breaks: Option<String>,
    /// What becomes of stored rows: a word, and a sentence.
    pub migration: (&'static str, String),
}

/// What a proposed text would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// SHA-256 of what it means, hexadecimal.
    pub semantic_hash: String,
    /// The changes; none where it means the same.
    pub changes: Vec<ContractChange>,
}

/// Whether a contract is what someone has seen.
pub type Unchanged<'a> = &'a (dyn Fn(&ContractFile) -> bool + Send + Sync);

/// What became of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// It was recorded, and stands beside the contract, which is this now.
    Taken(Box<ContractFile>),
    /// The contract is another one than was seen; nothing was written.
    Changed,
}

/// An entry of the log, without private values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place.
    pub index: u64,
    /// When it was recorded, as RFC 3339 has it.
    pub time: String,
    /// The leaf, to the byte.
    pub leaf: String,
    /// SHA-256 of a zero byte and the leaf, hexadecimal.
    pub leaf_hash: String,
}

/// That an entry is in the log. Hashes are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// Its place.
    pub index: u64,
    /// Its hash.
    pub leaf_hash: String,
    /// Entries of the log.
    pub size: u64,
    /// The root.
    pub root: String,
    /// The hashes beside the way to the root.
    pub path: Vec<String>,
    /// The signed note with size and root.
    pub checkpoint: String,
}

/// That the log as it was is the beginning of the log as it is. Hashes are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// Entries of the log as it was.
    pub old_size: u64,
    /// Its root.
    pub old_root: String,
    /// Entries of the log.
    pub size: u64,
    /// Its root.
    pub root: String,
    /// The hashes that lead to both.
    pub path: Vec<String>,
    /// The signed note with size and root.
    pub checkpoint: String,
}

/// Runs, contracts and the log, for the principal of a session. What they may not know of answers as if it did not exist.
#[async_trait]
pub trait Works: Send + Sync {
    /// Begins a run, recorded as the principal's. The same order under the same key begins nothing, and gives the run that it began.
    ///
    /// # Errors
    /// When a table, model or pipeline is not there or may not be run, the key was another order's, or it cannot be recorded.
    async fn start(&self, order: Order, key: &str) -> Result<RunId, Fault>;

    /// Runs that one may know of, the newest first: those before a place, at most so many.
    ///
    /// # Errors
    /// When the log cannot be read.
    async fn runs(&self, before: Option<u64>, limit: usize) -> Result<Vec<Run>, Fault>;

    /// One run, and what its steps came to so far.
    ///
    /// # Errors
    /// When there is none that one may know of, or the log cannot be read.
    async fn run(&self, id: RunId) -> Result<(Run, Vec<Step>), Fault>;

    /// Asks a run that this process works on to end: the step that goes on is finished, and no other begins.
    ///
    /// # Errors
    /// When there is none that one may know of, or it is not this process's to end.
    async fn cancel(&self, id: RunId) -> Result<(), Fault>;

    /// What became and becomes of a run, after a number. None: all of it has been told.
    ///
    /// # Errors
    /// When there is none that one may know of, or the log cannot be read.
    async fn follow(&self, id: RunId, after: u64) -> Result<Option<Happenings>, Fault>;

    /// Contracts that one may run or approve, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn contracts(&self) -> Result<Vec<ContractHead>, Fault>;

    /// One of them.
    ///
    /// # Errors
    /// When there is none that one may know of, or it cannot be read.
    async fn contract(&self, name: &str) -> Result<ContractFile, Fault>;

    /// What a proposed text would change. Nothing is kept of it.
    ///
    /// # Errors
    /// When there is none that one may know of, or the text is no contract for its table.
    async fn compare(&self, name: &str, text: &str) -> Result<Comparison, Fault>;

    /// Takes an approval that was signed elsewhere: records it, and writes it beside the contract, if that is what the approver saw.
    ///
    /// # Errors
    /// When there is none that one may know of, approving is not permitted, or no enrolled approver signed the contract as it stands.
    async fn approve(&self, name: &str, note: &str, unchanged: Unchanged<'_>) -> Result<Approval, Fault>;

    /// The newest checkpoint, a signed note.
    ///
    /// # Errors
    /// When reading the log is not permitted.
    async fn checkpoint(&self) -> Result<String, Fault>;

    /// Entries from an index on, in order, at most so many.
    ///
    /// # Errors
    /// When reading the log is not permitted, or an object of it is not as it must be.
    async fn entries(&self, from: u64, limit: usize) -> Result<Vec<LogEntry>, Fault>;

    /// That an entry is in the log.
    ///
    /// # Errors
    /// As [`Works::entries`], and when there is no such entry.
    async fn inclusion(&self, index: u64) -> Result<Inclusion, Fault>;

    /// That the log of so many entries is the beginning of this one.
    ///
    /// # Errors
    /// As [`Works::entries`], and when the log was never that long.
    async fn consistency(&self, from: u64) -> Result<Consistency, Fault>;
}
