//! Writes answers: as a table for people, as CSV, JSON or an Arrow IPC stream for programs. All but the table format hold
//! one batch at a time. Numbers are written exactly: decimals with their digits, floats in the shortest form that reads
//! back the same.

mod csv;
mod json;
mod table;

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::util::display::{ArrayFormatter, DurationFormat, FormatOptions};
use futures::{Stream, StreamExt as _};

use crate::error::Error;

pub use table::TABLE_BUFFER_ROWS;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for a terminal.
    Table,
    /// RFC 4180 with a header; NULL is an empty field, the empty string is `""`.
    Csv,
    /// One array of objects. NaN and the infinities, which JSON has no number for, are the texts `NaN`, `Infinity` and `-Infinity`.
    Json,
    /// An Arrow IPC stream.
    Arrow,
}

impl Format {
    /// The name that the command line uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Arrow => "arrow",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Self::Table, Self::Csv, Self::Json, Self::Arrow];
        all.into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| Error::Parse(format!("the format {text} is not known; write table, csv, json or arrow")))
    }
}

/// Writes a stream of batches and returns how many rows it held. What was written before an error stays written, and the error
/// says that it is not the whole; an answer that fails before its first row leaves nothing at all.
///
/// # Errors
/// The stream's first error, one of the writer, a type that the format cannot hold, or a name that it holds once only.
pub async fn write_batches(
    schema: SchemaRef,
    mut batches: impl Stream<Item = Result<RecordBatch, Error>> + Unpin,
    format: Format,
    to: &mut (dyn Write + Send),
) -> Result<u64, Error> {
    if format == Format::Json {
        json::names_once(schema.fields())?;
    }
    // Awaited before the writer is made: some write a head at once.
    let mut next = batches.next().await.transpose()?;
    let mut writer: Box<dyn BatchWriter + '_> = match format {
        Format::Table => Box::new(table::TableWriter::new(schema, to)),
        Format::Csv => Box::new(csv::CsvWriter::new(&schema, to)?),
        Format::Json => Box::new(json::JsonWriter::new(to)),
        Format::Arrow => Box::new(ArrowWriter(StreamWriter::try_new(to, &schema).map_err(unwritable(Format::Arrow))?)),
    };
    let mut rows = 0u64;
    while let Some(batch) = next {
        rows += batch.num_rows() as u64;
        writer.write(&batch)?;
        next = match batches.next().await.transpose() {
            Err(error) if writer.wrote() => return Err(Error::Incomplete { rows, source: Box::new(error) }),
            next => next?,
        };
    }
    writer.finish()?;
    Ok(rows)
}

trait BatchWriter: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error>;
    fn finish(&mut self) -> Result<(), Error>;

    /// Whether anything was written yet, rather than held.
    fn wrote(&self) -> bool {
        true
    }
}

struct ArrowWriter<'a>(StreamWriter<&'a mut (dyn Write + Send)>);

impl BatchWriter for ArrowWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.0.write(batch).map_err(unwritable(Format::Arrow))
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.0.finish().map_err(unwritable(Format::Arrow))
    }
}

fn unwritable(format: Format) -> impl Fn(ArrowError) -> Error {
    move |source| match source {
        ArrowError::IoError(_, error) => Error::Write(error),
        source => Error::Format { format: format.name(), source },
    }
}

/// One formatter a column. ISO 8601 dates and times, no locale.
fn formatters<'a>(batch: &'a RecordBatch, format: Format, null: &'static str) -> Result<Vec<ArrayFormatter<'a>>, Error> {
    const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_duration_format(DurationFormat::ISO8601);
    let options = OPTIONS.with_null(null);
    batch
        .columns()
        .iter()
        // The options outlive the batch: they hold nothing but constants.
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).map_err(unwritable(format)))
        .collect()
}

#[cfg(test)]
mod tests;
