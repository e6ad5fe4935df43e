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
    /// `finish` was called before.
    #[error("check batch: the gate is closed; report this as a defect")]
    Closed,
}

impl Error {
    /// What the error means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Shape { .. } | Self::Build { .. } | Self::Key | Self::Closed => ErrorKind::Internal,
            Self::Spill { .. } => ErrorKind::Unavailable,
            Self::Lookup { kind, .. } => *kind,
            Self::LookupSchema { .. } | Self::Rule { .. } => ErrorKind::Invalid,
        }
    }
}
