use std::error::Error as StdError;
use std::time::Duration;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use polder_policy::Denied;
use polder_types::random::RandomError;
use polder_types::{ErrorKind, RecordError};

use crate::model::ModelError;
use crate::tables::TableError;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text asks for something that the door never lets through.
    #[error("answer query: {0}")]
    Refused(String),
    /// The text holds a clause that would be passed over: the answer would be to another question.
    #[error("answer query: {0}")]
    Unsupported(String),
    /// Policies say no, or there is no such table; which of the two is not told to who may not know.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The text is not SQL.
    #[error("parse query: {0}")]
    Parse(String),
    /// The text is SQL that fits no table, column or type.
    #[error("plan query: {0}")]
    Plan(String),
    /// The values that were given for the parameters of a question are not those that it takes. The text holds none of them.
    #[error("bind parameters: {0}")]
    Parameter(String),
    /// An answer took longer than it may.
    #[error("compute answer: it takes longer than {limit:?}; ask for less, or have the limit raised")]
    TooSlow {
        /// How long it may take.
        limit: Duration,
    },
    /// The text is no condition on a row of a table.
    #[error("read condition: {0}")]
    Predicate(String),
    /// The text is too long.
    #[error("parse query: it is longer than {max} {unit}; shorten it, or put parts of it into a model")]
    TooLong {
        /// The most that is taken.
        max: usize,
        /// Of what.
        unit: &'static str,
    },
    /// Queries may use less memory than any can work with.
    #[error("open the SQL door: queries need at least {mib_min} MiB of memory; give more with --memory-mib")]
    TooLittleMemory {
        /// The least, in MiB.
        mib_min: usize,
    },
    /// A table cannot be opened.
    #[error("open table {table}")]
    Table {
        /// Its name.
        table: String,
        /// Why not.
        #[source]
        source: TableError,
    },
    /// Policies decide about rows by a column that a table does not have as they were told. The text names none: the asker may not know of it.
    #[error(
        "read table {table}: policies decide its rows by a column that this version of it lacks, or does not have as its contract says (its type, or that it is required), so nothing of it is shown; read another version, or let whoever keeps policies/ and contracts/ make them fit the table"
    )]
    NoRowFilter {
        /// Its name.
        table: String,
    },
    /// Nothing of a table is shown.
    #[error("read table {table}: this version of it has none of the columns that policies let you see; read another version")]
    NoColumn {
        /// Its name.
        table: String,
    },
    /// Computing the answer failed; the text holds no value of a row.
    #[error("compute answer: {message}")]
    Execute {
        /// What went wrong.
        message: String,
        /// What it means.
        kind: ErrorKind,
    },
    /// An answer failed when a part of it was written.
    #[error("finish answer: it ends after {rows} rows, and what was written is not the whole of it")]
    Incomplete {
        /// Rows that were written.
        rows: u64,
        /// Why it failed.
        #[source]
        source: Box<Error>,
    },
    /// What happened cannot be recorded, so it does not happen.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A model file is wrong.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A view, which the asker may read, cannot be planned; its inputs may be unknown to the asker, so no more is said.
    #[error("plan query: the model {model} cannot be computed ({reason}); `polder model lineage {model}` says why to whoever may run it")]
    View {
        /// The model's name.
        model: String,
        /// A few words.
        reason: &'static str,
        /// What it means.
        kind: ErrorKind,
    },
    /// Nobody reads the answer any more, or its destination is full.
    #[error("write answer: {0}")]
    Write(#[source] std::io::Error),
    /// The answer cannot be written in this format.
    #[error("write answer: a column's type cannot be written as {format}; cast it, or use another format")]
    Format {
        /// The format's name.
        format: &'static str,
        /// What the writer said.
        #[source]
        source: ArrowError,
    },
    /// An object of JSON has each name once.
    #[error("write answer: two columns are called {name}, and an object of JSON has each name once; name them with AS")]
    SameName {
        /// The name.
        name: String,
    },
    /// No randomness for the request's id.
    #[error("begin request")]
    Random(#[from] RandomError),
    /// The query engine could not be set up.
    #[error("set up the query engine: {0}; report this as a defect")]
    SetUp(String),
}

impl Error {
    /// What the error means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(_) | Self::NoRowFilter { .. } | Self::NoColumn { .. } => ErrorKind::Denied,
            Self::Denied(denied) => denied.kind(),
            Self::Parse(_)
            | Self::Plan(_)
            | Self::Parameter(_)
            | Self::Predicate(_)
            | Self::Unsupported(_)
            | Self::TooLong { .. }
            | Self::TooLittleMemory { .. } => ErrorKind::Invalid,
            Self::Format { .. } | Self::SameName { .. } => ErrorKind::Invalid,
            Self::Table { source, .. } => source.kind,
            Self::Incomplete { source, .. } => source.kind(),
            Self::Execute { kind, .. } | Self::View { kind, .. } => *kind,
            Self::Record(error) => error.kind,
            Self::Model(error) => error.kind(),
            Self::Write(_) | Self::Random(_) | Self::TooSlow { .. } => ErrorKind::Unavailable,
            Self::SetUp(_) => ErrorKind::Internal,
        }
    }

    /// Turns an error of planning into ours. Its text names tables, columns and literals of the query alone.
    pub(crate) fn plan(error: &DataFusionError) -> Self {
        match find(error) {
            Found::Own(message, kind) => Self::Execute { message, kind },
            Found::Exhausted | Found::Nothing => Self::Plan(planning_text(error)),
        }
    }

    /// Turns an error of planning with the values of parameters into ours. The engine's text may quote such a value, so it is not used.
    pub(crate) fn bound(error: &DataFusionError) -> Self {
        match Self::execute(error) {
            Self::Execute { kind: ErrorKind::Internal, .. } => Self::Parameter(
                "with these values the question cannot be planned; give others, such as a limit that is not negative".to_owned(),
            ),
            error => error,
        }
    }

    /// Turns an error of execution into ours. The engine's own texts may quote a row's value, so they are not used.
    pub(crate) fn execute(error: &DataFusionError) -> Self {
        match find(error) {
            Found::Own(message, kind) => Self::Execute { message, kind },
            Found::Exhausted => Self::Execute {
                message: "it needs more memory, or more sealed temporary space, than it may use; ask for less, or raise the limits"
                    .to_owned(),
                // Asked again, it needs as much again.
                kind: ErrorKind::Invalid,
            },
            Found::Nothing => {
                if let Some(message) = unreadable_file(error) {
                    return Self::Execute { message, kind: ErrorKind::Corrupt };
                }
                let (message, kind) = value_free(error);
                Self::Execute { message: message.to_owned(), kind }
            }
        }
    }
}

pub(crate) fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(find(error), Found::Exhausted)
}

enum Found {
    /// An error of our own crates, whose text holds no value, with its causes.
    Own(String, ErrorKind),
    Exhausted,
    Nothing,
}

/// Looks through what the engine wrapped for an error that is ours.
fn find(error: &DataFusionError) -> Found {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        // It says by itself that an answer was computed.
        if let Some(Error::Execute { message, kind }) = error.downcast_ref() {
            return Found::Own(message.clone(), *kind);
        }
        if let Some(kind) = own_kind(error) {
            return Found::Own(chain(error), kind);
        }
        if let Some(DataFusionError::ResourcesExhausted(_)) = error.downcast_ref() {
            return Found::Exhausted;
        }
        next = inner(error);
    }
    Found::Nothing
}

fn own_kind(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    None.or_else(|| error.downcast_ref::<TableError>().map(|error| error.kind))
        .or_else(|| polder_store_kind(error))
        .or_else(|| error.downcast_ref::<Error>().map(Error::kind))
}

/// `object_store`'s own errors hold paths, which are ids; they stand for ours where they wrap one.
fn polder_store_kind(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    match error.downcast_ref::<polder_store::Error>() {
        Some(error) => Some(error.kind()),
        None => error.downcast_ref::<object_store::Error>().map(polder_store::kind_of),
    }
}

/// What an error wraps. Some wrappers hide their content from `source`.
fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return error.get_ref().map(|inner| inner as &(dyn StdError + 'static));
    }
    if let Some(error) = error.downcast_ref::<DataFusionError>() {
        match error {
            DataFusionError::Collection(errors) => return errors.first().map(|first| first as &(dyn StdError + 'static)),
            DataFusionError::Shared(shared) => return Some(shared.as_ref()),
            DataFusionError::External(external) => return Some(external.as_ref()),
            DataFusionError::Context(_, error) | DataFusionError::Diagnostic(_, error) => return Some(error.as_ref()),
            DataFusionError::ArrowError(error, _) => return Some(error.as_ref()),
            DataFusionError::ParquetError(error) => return Some(error.as_ref()),
            DataFusionError::ObjectStore(error) => return Some(error.as_ref()),
            DataFusionError::IoError(error) => return Some(error),
            _ => {}
        }
    }
    if let Some(ArrowError::ExternalError(external)) = error.downcast_ref() {
        return Some(external.as_ref());
    }
    if let Some(ArrowError::IoError(_, error)) = error.downcast_ref() {
        return Some(error);
    }
    error.source()
}

/// An error's text with those of its causes.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = error.source();
    }
    text
}

/// The engine's text in one line, without what it says about itself.
fn planning_text(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    if text.contains("Physical plan does not support logical expression") {
        return "a subquery, or its use of a column from around it, is not supported in this place; write it as a join".to_owned();
    }
    let call = text.split_once("No function matches the given name and argument types '").and_then(|(_, rest)| rest.split_once('\''));
    if let Some((call, _)) = call {
        return format!("no function takes the arguments of {call}; cast them to other types");
    }
    let text = text.rsplit("caused by\n").next().unwrap_or_default();
    let text = text.split("\nThis issue was likely caused by").next().unwrap_or_default();
    let text = [
        "Error during planning: ",
        "Schema error: ",
        "SQL error: ",
        "This feature is not implemented: ",
        "Invalid or Unsupported Configuration: ",
    ]
    .iter()
    .fold(text.to_owned(), |text, prefix| text.replace(prefix, ""));
    let lines = text.lines().map(|line| line.trim().trim_end_matches('.')).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

/// Which data file cannot be opened. The engine keeps of the store's error, which names the object, only a text, and the rest of
/// that text may quote what lies in the file. An object's name is made of random ids.
fn unreadable_file(error: &DataFusionError) -> Option<String> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(DataFusionError::ParquetError(error)) = error.downcast_ref() {
            let text = error.to_string();
            let (path, reason) = text.split_once("Failed to fetch metadata for file ")?.1.split_once(": ")?;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
            if !path.contains('/') || !path.chars().all(is_plain) {
                return None;
            }
            let what = if reason.contains("not found") { "is missing" } else { "cannot be read, or was changed" };
            return Some(format!("the data file {path} {what}; `polder audit verify` says more"));
        }
        next = inner(error);
    }
    None
}

/// The engine's error as a text that quotes no value.
fn value_free(error: &DataFusionError) -> (&'static str, ErrorKind) {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<ArrowError>() {
            match error {
                ArrowError::DivideByZero => return ("division by zero; guard the divisor with nullif(divisor, 0)", ErrorKind::Invalid),
                ArrowError::CastError(_) | ArrowError::ParseError(_) => {
                    return ("a value cannot be converted to the wanted type; use try_cast to get NULL instead", ErrorKind::Invalid);
                }
                ArrowError::ArithmeticOverflow(_) => {
                    return (
                        "a number is too large for its type; cast what is computed with to a wider one, such as decimal(38, 0)",
                        ErrorKind::Invalid,
                    );
                }
                ArrowError::ComputeError(_) | ArrowError::InvalidArgumentError(_) => {
                    return ("a function does not accept one of its values; guard it with CASE", ErrorKind::Invalid);
                }
                _ => {}
            }
        }
        match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::Execution(_)) => {
                return ("a function does not accept one of its values, or a subquery gave more than one row", ErrorKind::Invalid);
            }
            Some(DataFusionError::NotImplemented(_)) => return ("the query engine does not support this operation", ErrorKind::Invalid),
            Some(DataFusionError::ObjectStore(_) | DataFusionError::IoError(_)) => {
                return ("stored data cannot be read; see `polder doctor`", ErrorKind::Unavailable);
            }
            Some(DataFusionError::ParquetError(_)) => {
                return ("a stored data file is not valid Parquet; see `polder audit verify`", ErrorKind::Corrupt);
            }
            _ => {}
        }
        next = inner(error);
    }
    ("the query engine failed; report this as a defect", ErrorKind::Internal)
}
