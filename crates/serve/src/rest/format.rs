//! How rows are written. Each writer gives bytes as rows come and holds as little as its format allows; what it has given before the end
//! never looks whole where the format can tell.

mod binary;
mod json;
mod text;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, DurationFormat, FormatOptions};
use http::HeaderMap;
use parquet::errors::ParquetError;
use polder_types::RequestId;

use super::accept;
use super::problem::Problem;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One object: columns, rows as lists, and their number at the end.
    Json,
    /// An object a line.
    Ndjson,
    /// RFC 4180 with a header; NULL is an empty field, the empty text is `""`.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
}

/// A value has no place in the format. The text is not told: it may hold the value.
#[derive(Debug)]
pub(super) struct Unwritable;

impl From<ArrowError> for Unwritable {
    fn from(_: ArrowError) -> Self {
        Self
    }
}

impl From<ParquetError> for Unwritable {
    fn from(_: ParquetError) -> Self {
        Self
    }
}

/// Writes one answer.
pub(super) trait Writer: Send {
    /// Rows that are written at once, at most.
    fn rows_max(&self) -> usize {
        1_024
    }

    /// Writes rows and gives the bytes that are ready.
    fn write(&mut self, rows: &RecordBatch) -> Result<Vec<u8>, Unwritable>;

    /// Gives the last bytes, without which the answer is not whole.
    fn finish(&mut self, rows: u64) -> Result<Vec<u8>, Unwritable>;
}

impl Format {
    pub(super) const ALL: [Self; 5] = [Self::Json, Self::Ndjson, Self::Csv, Self::Arrow, Self::Parquet];

    /// The media type by which it is asked for.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// What the answer says it is.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            _ => self.media_type(),
        }
    }

    /// The one that a client would rather have.
    ///
    /// # Errors
    /// When it takes none of them.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let index = accept::choose(headers, &Self::ALL.map(Self::media_type))?;
        Ok(Self::ALL.get(index).copied().unwrap_or(Self::Json))
    }

    /// A writer for rows of these columns.
    ///
    /// # Errors
    /// When the format cannot hold such columns.
    pub(super) fn writer(self, request: RequestId, schema: &SchemaRef) -> Result<Box<dyn Writer>, Problem> {
        let made = match self {
            Self::Json => json::Whole::new(request, schema).map(boxed),
            Self::Ndjson => json::Lines::new(schema).map(boxed),
            Self::Csv => text::Csv::new(schema).map(boxed),
            Self::Arrow => binary::Arrow::new(schema).map(boxed),
            Self::Parquet => binary::Parquet::new(schema).map(boxed),
        };
        made.map_err(|Unwritable| {
            let kind = self.media_type();
            Problem::not_acceptable(format!(
                "write answer: {kind} cannot hold its columns, by their types or because two have one name; name columns with AS, cast them, \
                 or ask for another format"
            ))
        })
    }
}

fn boxed<W: Writer + 'static>(writer: W) -> Box<dyn Writer> {
    Box::new(writer)
}

/// One formatter a column. ISO 8601 dates and times, no locale.
fn formatters(rows: &RecordBatch) -> Result<Vec<ArrayFormatter<'_>>, Unwritable> {
    const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(false).with_duration_format(DurationFormat::ISO8601);
    rows.columns().iter().map(|column| Ok(ArrayFormatter::try_new(column.as_ref(), &OPTIONS)?)).collect()
}
