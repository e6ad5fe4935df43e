//! What can go wrong, without a row value in any text.

use polder_types::ErrorKind;

/// A failure of the gate or of what stands around it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The decoder's batch has not the shape that the contract asks for.
    #[error("check batch of {file:?}: it has {found} {what} where the contract asks for {wanted}; report this as a defect")]
    Shape { file: String, what: &'static str, found: usize, wanted: usize },
    /// Arrow refused to build an array, which the gate's own checks rule out.
    #[error("check batch of {file:?}: build column {column:?}; report this as a defect")]
    Build {
        file: String,
        column: String,
        #[source]
        source: arrow::error::ArrowError,
    },
    /// Sealed temporary space failed.
    #[error("check unique keys: {step} sealed temporary space; free disk space, or raise the quota or the memory for keys")]
    Spill {
        step: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// The table's own keys cannot be read.
    #[error("check unique keys: read the keys that the table holds: {message}; try again")]
    Lookup {
        message: String,
        kind: ErrorKind,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The table's key columns are not those of the contract.
    #[error("check unique keys: the table's key column {column:?} is missing or has another type; the contract does not fit the table")]
    LookupSchema { column: String },
    /// The key for hashing is too short.
    #[error("open gate: the key for hashing has fewer than 16 bytes; report this as a defect")]
    Key,
    /// A pattern or format that the contract's reader had accepted no longer compiles.
    #[error("open gate: column {column:?}: its {what} does not compile; run `polder contract check`")]
    Rule { column: String, what: &'static str },
    /// Rows of one key cannot be put in order.
    #[error(
        "open gate: rows of one key cannot be put in order by column {column:?}: {why}; name an integer, a decimal, a date or a timestamp"
    )]
    Order { column: String, why: String },
    /// The program gave no key of a domain.
    #[error("open gate: column {column:?}: there is no key of domain {domain}; report this as a defect")]
    FieldKey { column: String, domain: String },
    /// A column cannot be masked.
    #[error("check batch of {file:?}: mask column {column:?}")]
    Mask {
        file: String,
        column: String,
        #[source]
        source: polder_crypto::Error,
    },
    /// A quarantine object does not read.
    #[error("read quarantined rows: {what}; restore the object from a backup, or open it with the version of Polder that wrote it")]
    Quarantine { what: &'static str },
    /// The contract wants what the quarantine has not kept.
    #[error("replay quarantined rows: column {column:?} was not authorised when they were kept; load them from the source again")]
    NotKept { column: String },
    /// The contract masks a column otherwise than when its rows were kept.
    #[error(
        "replay quarantined rows: column {column:?} was masked otherwise, or held to other rules, when they were kept; load them from the source again"
    )]
    MaskedOtherwise { column: String },
    /// The counts of a load do not close.
    #[error(
        "close the counts: {read} rows read are not {loaded} loaded + {rejected} rejected + {quarantined} quarantined{}; nothing was committed: run the load again, and report this if it recurs",
        also_repeated(*repeated)
    )]
    Counts { read: u64, loaded: u64, rejected: u64, quarantined: u64, repeated: u64 },
    /// Not every row that a merge took became something.
    #[error(
        "close the counts: {loaded} rows taken are not {inserted} inserted + {updated} updated + {unchanged} unchanged + {superseded} superseded + {flagged} that say that a row is gone; nothing was committed: run the load again, and report this if it recurs"
    )]
    Merge { loaded: u64, inserted: u64, updated: u64, unchanged: u64, superseded: u64, flagged: u64 },
    /// A load was not what its contract says.
    #[error(
        "close the counts: the contract's polder.disposition is {says}, and the load was {was}; nothing was committed: report this as a defect"
    )]
    NotMerged { says: &'static str, was: &'static str },
    /// Rows were deleted though nothing said that they are gone.
    #[error(
        "close the counts: {deleted} rows of the table were deleted, and neither the contract's polder.deletes nor a row of the load says that any is gone; nothing was committed: report this as a defect"
    )]
    Deleted { deleted: u64 },
    /// Fewer or more rows went through the gate than the source holds, or than were written.
    #[error(
        "close the counts: the gate {what} {gate} rows where {counted} were {by}; nothing was committed: run the load again, and report this if it recurs"
    )]
    GateCount { what: &'static str, gate: u64, counted: u64, by: &'static str },
    /// A row broke a rule, and the contract lets none.
    #[error(
        "close the counts: {refused} of {read} rows broke the contract, whose polder.onViolation is fail; nothing was committed: correct the source, or let the contract quarantine or drop"
    )]
    Violation { refused: u64, read: u64 },
    /// More rows broke a rule than the contract lets.
    #[error(
        "close the counts: {refused} of {read} rows broke the contract, more than its polder.rejectLimit of {limit}; nothing was committed: correct the source or the contract"
    )]
    RejectLimit { refused: u64, read: u64, limit: f64 },
    /// A rule over the whole load does not hold.
    #[error(
        "close the counts: {metric}{of} is {count} of {rows} rows, and must be {wanted}; nothing was committed: correct the source or the contract"
    )]
    Quality { metric: &'static str, of: String, count: u64, rows: u64, wanted: String },
    /// Rows refer to what is not there.
    #[error(
        "check the table as the load would leave it: {label} does not hold for {rows} rows; nothing was committed: load what they refer to first, or correct the source"
    )]
    Relationship { label: String, rows: f64 },
    /// A rule in SQL does not hold.
    #[error(
        "check the table as the load would leave it: the answer to {label} is not what it must be, {wanted}; nothing was committed: correct the source or the contract"
    )]
    Question { label: String, wanted: String },
    /// Answers that are not to this contract's questions.
    #[error(
        "check the table as the load would leave it: the contract asks {asked} questions, and {answered} were answered; report this as a defect"
    )]
    Unanswered { asked: usize, answered: usize },
    /// All rows were refused.
    #[error("close the counts: none of {read} rows was loaded; nothing was committed: correct the source or the contract")]
    NothingLoaded { read: u64 },
    /// Rows went where the contract sends none.
    #[error("close the counts: the contract says {says}, but {rows} rows were {went}; nothing was committed: report this as a defect")]
    Disposal { says: &'static str, rows: u64, went: &'static str },
    /// Content inspection failed, which lets nothing through.
    #[error("inspect the content: {what}; nothing was committed: run the load again, and report this if it recurs")]
    Patterns { what: &'static str },
    /// A column holds personal data that it must not hold.
    #[error(
        "inspect the content: column {column:?} holds personal data ({kind}, because of {because}, in {percent}% of the values looked at), which its classification does not allow; nothing was committed: classify it as personal, name the kind in its polder.personal, or leave the column out"
    )]
    Personal { column: String, kind: &'static str, because: &'static str, percent: u64 },
    /// `finish` was called before.
    #[error("check batch: the gate is closed; report this as a defect")]
    Closed,
}

/// Rows that were left out, where there are any.
fn also_repeated(repeated: u64) -> String {
    if repeated == 0 { String::new() } else { format!(" + {repeated} repeated") }
}

impl Error {
    /// What the error means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Shape { .. }
            | Self::Build { .. }
            | Self::Key
            | Self::FieldKey { .. }
            | Self::Closed
            | Self::Patterns { .. }
            | Self::Unanswered { .. } => ErrorKind::Internal,
            Self::Mask { source, .. } => source.kind(),
            Self::Spill { .. } => ErrorKind::Unavailable,
            Self::Lookup { kind, .. } => *kind,
            Self::LookupSchema { .. } | Self::Order { .. } | Self::Rule { .. } | Self::NotKept { .. } | Self::MaskedOtherwise { .. } => {
                ErrorKind::Invalid
            }
            Self::Quarantine { .. } => ErrorKind::Corrupt,
            Self::Counts { .. }
            | Self::Merge { .. }
            | Self::NotMerged { .. }
            | Self::Deleted { .. }
            | Self::GateCount { .. }
            | Self::Violation { .. }
            | Self::RejectLimit { .. }
            | Self::NothingLoaded { .. }
            | Self::Personal { .. }
            | Self::Quality { .. }
            | Self::Relationship { .. }
            | Self::Question { .. }
            | Self::Disposal { .. } => ErrorKind::Rejected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts() {
        let io = || std::io::Error::other("quota");
        let errors = [
            Error::Shape { file: "a.csv".into(), what: "columns", found: 1, wanted: 2 },
            Error::Build { file: "a.csv".into(), column: "c".into(), source: arrow::error::ArrowError::DivideByZero },
            Error::Spill { step: "write to", source: io() },
            Error::Lookup { message: "the store is away".into(), kind: ErrorKind::Unavailable, source: None },
            Error::LookupSchema { column: "k".into() },
            Error::Key,
            Error::Rule { column: "c".into(), what: "pattern" },
            Error::Quarantine { what: "a row is cut" },
            Error::NotKept { column: "c".into() },
            Error::Personal { column: "c".into(), kind: "e-mail address", because: "its values", percent: 97 },
            Error::Patterns { what: "the search for patterns failed" },
            Error::FieldKey { column: "c".into(), domain: "people".into() },
            Error::Mask { file: "a.csv".into(), column: "c".into(), source: polder_crypto::Error::Cipher },
            Error::MaskedOtherwise { column: "c".into() },
            Error::Relationship { label: "the relationship of c to t.id".into(), rows: 3.0 },
            Error::Question { label: "quality rule 1 in SQL".into(), wanted: "more than 0".into() },
            Error::Unanswered { asked: 2, answered: 1 },
            Error::Order { column: "c".into(), why: "a string has no exact order".into() },
            Error::Counts { read: 9, loaded: 5, rejected: 1, quarantined: 1, repeated: 1 },
            Error::Merge { loaded: 9, inserted: 1, updated: 2, unchanged: 1, superseded: 3, flagged: 1 },
            Error::NotMerged { says: "merge", was: "not counted as one" },
            Error::Deleted { deleted: 3 },
            Error::Closed,
        ];
        let texts: Vec<String> = errors.iter().map(|error| format!("{} | {error}", error.kind().name())).collect();
        insta::assert_snapshot!(texts.join("\n"));
    }
}
