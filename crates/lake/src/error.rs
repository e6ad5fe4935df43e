//! What can go wrong with a table, by what the caller does about it.

use polder_types::{DatasetId, ErrorKind, RecordError};

use crate::ports::DestroyedKey;

/// An error of the lake. Texts name the failed step and the object, never a row's value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal knows no such table.
    #[error("open table {dataset}: it does not exist; create it by running its contract")]
    NoTable {
        /// The table.
        dataset: DatasetId,
    },
    /// The table was created before.
    #[error("create table {dataset}: it exists already; write to it instead")]
    TableExists {
        /// The table.
        dataset: DatasetId,
    },
    /// The journal knows no such version, or its files are gone.
    #[error("open version {version} of table {dataset}: {reason}; see `polder table history` for the versions that can be read")]
    NoVersion {
        /// The table.
        dataset: DatasetId,
        /// The wanted version.
        version: u64,
        /// Why it cannot be read.
        reason: &'static str,
    },
    /// The permit is for something else.
    #[error("{step} table {dataset}: the permit is for another action than {wanted}; ask for a decision about {wanted}")]
    WrongPermit {
        /// What was tried.
        step: &'static str,
        /// The table.
        dataset: DatasetId,
        /// What the permit must be for.
        wanted: &'static str,
    },
    /// A column has a type that the table format does not hold.
    #[error("column {column}: the table format does not hold the type {ty}; declare another logical type in the contract")]
    UnsupportedType {
        /// The column.
        column: String,
        /// The Arrow type.
        ty: String,
    },
    /// A batch does not have the table's columns.
    #[error(
        "write to table {dataset}: the batch's columns are not the table's; replace the table, or give the contract the table's columns"
    )]
    SchemaMismatch {
        /// The table.
        dataset: DatasetId,
    },
    /// A file of an old version was deleted by a vacuum.
    #[error("restore version {version} of table {dataset}: files of it were deleted by a vacuum; choose a newer version")]
    Vacuumed {
        /// The table.
        dataset: DatasetId,
        /// The version.
        version: u64,
    },
    /// The writer was used out of order.
    #[error("write to table {dataset}: {reason}")]
    Misuse {
        /// The table.
        dataset: DatasetId,
        /// What was wrong.
        reason: &'static str,
    },
    /// Law 5: the rows in the staged files are not those that were handed over.
    #[error(
        "count the rows staged for table {dataset}: {staged} stand in the footers of the stored files, {expected} were handed over; nothing was committed, run the load again"
    )]
    RowsLost {
        /// The table.
        dataset: DatasetId,
        /// Rows in the footers, read back.
        staged: u64,
        /// Rows handed over less those removed.
        expected: u64,
    },
    /// The keys that are to be deleted could not be read.
    #[error("read the keys that are to be deleted from table {dataset}")]
    Keys {
        /// The table.
        dataset: DatasetId,
        /// Why.
        #[source]
        source: Box<polder_contract::Error>,
    },
    /// Which rows are to be erased could not be told.
    #[error("erase rows of table {dataset}")]
    Choose {
        /// The table.
        dataset: DatasetId,
        /// What it means.
        kind: ErrorKind,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The table changed between the matching of a batch's keys and its commit.
    #[error("merge into table {dataset}: another commit came between the matching of the batch's keys and its own; run the load again")]
    Moved {
        /// The table.
        dataset: DatasetId,
    },
    /// Another commit took the version.
    #[error("commit version {version} of table {dataset}: another commit came first; run the load again")]
    Conflict {
        /// The table.
        dataset: DatasetId,
        /// The version that was wanted.
        version: u64,
    },
    /// The lease was lost, or could not be checked.
    #[error("commit to table {dataset}: the writer's lease does not hold; wait for the other writer, then run again")]
    Fenced {
        /// The table.
        dataset: DatasetId,
        /// What the lease said.
        #[source]
        source: FenceError,
    },
    /// The audit log did not take the record.
    #[error("commit to table {dataset}")]
    Record {
        /// The table.
        dataset: DatasetId,
        /// What the audit log said.
        #[source]
        source: RecordError,
    },
    /// What the table is made of went with its key, which was destroyed on purpose.
    #[error(
        "open table {dataset}: version {key_version} of its key was destroyed on {on}, and what it sealed is gone for good; `polder table drop` removes what is left, then the table can be made anew"
    )]
    Destroyed {
        /// The table.
        dataset: DatasetId,
        /// The version of its key.
        key_version: u32,
        /// When that was recorded.
        on: String,
    },
    /// Stored bytes are not what the journal says. The object is named.
    #[error("verify {object}: {finding}; the table is closed, compare it with a backup and see `polder audit verify`")]
    Integrity {
        /// The object's path.
        object: String,
        /// What was found.
        finding: &'static str,
    },
    /// A store request failed.
    #[error("{step} {object}")]
    Store {
        /// What was tried.
        step: &'static str,
        /// The object's path.
        object: String,
        /// The store's error.
        #[source]
        source: object_store::Error,
    },
    /// Encoding or decoding Parquet failed.
    #[error("{step} {object}")]
    Parquet {
        /// What was tried.
        step: &'static str,
        /// The object's path.
        object: String,
        /// Parquet's error.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// The table log could not be read or written.
    #[error("{step} of table {dataset}")]
    Delta {
        /// What was tried.
        step: &'static str,
        /// The table.
        dataset: DatasetId,
        /// Delta's error.
        #[source]
        source: Box<deltalake_core::DeltaTableError>,
    },
    /// A defect of the program.
    #[error("{step} of table {dataset}: internal error; please report it")]
    Internal {
        /// What was tried.
        step: &'static str,
        /// The table.
        dataset: DatasetId,
    },
}

/// Why the lease does not let a commit through.
#[derive(Debug, thiserror::Error)]
#[error("check the writer's lease: {message}")]
pub struct FenceError {
    /// `Busy` when another writer holds it, else why it could not be checked.
    pub kind: ErrorKind,
    /// What the lease said.
    pub message: String,
}

impl Error {
    /// What the caller does about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoTable { .. } | Self::NoVersion { .. } | Self::Vacuumed { .. } => ErrorKind::NotFound,
            Self::TableExists { .. } | Self::Conflict { .. } | Self::Moved { .. } => ErrorKind::Conflict,
            Self::WrongPermit { .. } => ErrorKind::Denied,
            Self::UnsupportedType { .. } | Self::SchemaMismatch { .. } => ErrorKind::Invalid,
            // For good: trying again does not help.
            Self::RowsLost { .. } | Self::Destroyed { .. } => ErrorKind::Rejected,
            Self::Keys { source, .. } => source.kind(),
            Self::Choose { kind, .. } => *kind,
            Self::Fenced { source, .. } => source.kind,
            Self::Record { source, .. } => source.kind,
            Self::Integrity { .. } => ErrorKind::Corrupt,
            Self::Store { source, .. } => store_kind(source),
            Self::Parquet { source, .. } => parquet_kind(source),
            Self::Delta { source, .. } => delta_kind(source),
            Self::Misuse { .. } | Self::Internal { .. } => ErrorKind::Internal,
        }
    }

    /// The object that the error is about, where it is about one.
    pub fn object(&self) -> Option<&str> {
        match self {
            Self::Integrity { object, .. } | Self::Store { object, .. } | Self::Parquet { object, .. } => Some(object),
            _ => None,
        }
    }

    pub(crate) fn destroyed(dataset: DatasetId, key: DestroyedKey) -> Self {
        let on = chrono::DateTime::from_timestamp_millis(key.time_ms)
            .map_or_else(|| key.time_ms.to_string(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        Self::Destroyed { dataset, key_version: key.key_version, on }
    }

    pub(crate) fn store(step: &'static str, object: &object_store::path::Path, source: object_store::Error) -> Self {
        Self::Store { step, object: object.to_string(), source }
    }

    pub(crate) fn parquet(step: &'static str, object: &object_store::path::Path, source: parquet::errors::ParquetError) -> Self {
        Self::Parquet { step, object: object.to_string(), source }
    }

    pub(crate) fn delta(step: &'static str, dataset: DatasetId, source: deltalake_core::DeltaTableError) -> Self {
        Self::Delta { step, dataset, source: Box::new(source) }
    }
}

/// A sealed object that is gone or does not authenticate is integrity, not a search without result.
pub(crate) fn store_kind(error: &object_store::Error) -> ErrorKind {
    match error {
        object_store::Error::NotFound { .. } => ErrorKind::Corrupt,
        object_store::Error::AlreadyExists { .. } => ErrorKind::Conflict,
        other => polder_store::kind_of(other),
    }
}

fn parquet_kind(error: &parquet::errors::ParquetError) -> ErrorKind {
    polder_store::kind_of_any(error).unwrap_or(ErrorKind::Corrupt)
}

fn delta_kind(error: &deltalake_core::DeltaTableError) -> ErrorKind {
    polder_store::kind_of_any(error).unwrap_or(ErrorKind::Internal)
}
