//! A look at a source for `source show` and for a contract's draft: names and kinds, never rows. Its type cannot become a raw batch.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use polder_contract::{CellKind, Cells};

use crate::connection::{Connection, SourceType};
use crate::error::Error;
use crate::files;
use crate::input::KnownFile;
use crate::ndjson;
use crate::parquet_file;
use crate::reader::{FileReader, ReadOptions, SourceReader};

/// Records looked at, at most.
const RECORDS_MAX: u64 = 10_000;

/// Words that usually stand for "no value".
const USUAL_NULLS: [&str; 11] = ["", "NA", "N/A", "n/a", "NULL", "null", "None", "nan", "NaN", "-", "\\N"];

/// What the values of a column look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InferredKind {
    /// No value was seen.
    Unknown,
    Boolean,
    Integer,
    Number,
    Date,
    Timestamp,
    Text,
    /// An object, a list or another type that is not read.
    Nested,
}

impl InferredKind {
    /// The ODCS logical type, where there is one.
    pub const fn logical_type(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Nested => "object",
            Self::Unknown | Self::Text => "string",
        }
    }
}

/// One column of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampledColumn {
    pub name: String,
    pub kind: InferredKind,
    /// Words of the usual ones that stood for "no value" in the sample.
    pub null_tokens: Vec<&'static str>,
    /// Whether each record of the sample held a value.
    pub always_present: bool,
}

/// What a look at a dataset's first file showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub columns: Vec<SampledColumn>,
    /// Records looked at.
    pub records: u64,
    /// Files that the dataset consists of.
    pub files: usize,
}

/// Looks at the first records of a dataset's first file. Reading columns that no contract authorises needs a privilege and a
/// record of its own, which the caller sees to.
///
/// # Errors
/// As when the dataset is read.
pub fn sample(connection: &Connection, dataset: &str, options: ReadOptions<'_>) -> Result<Sample, Error> {
    let declared = connection.dataset(dataset)?;
    let found = files::find(connection, dataset, declared, options.root)?;
    let Some(first) = found.first() else { return Err(Error::Internal { step: "find the first file" }) };
    let known = KnownFile::look(first, false)?;
    if connection.source_type == SourceType::Parquet {
        let fields = parquet_file::fields(&known)?;
        let column = |(name, data_type)| SampledColumn { name, kind: of_type(&data_type), null_tokens: Vec::new(), always_present: false };
        return Ok(Sample { columns: fields.into_iter().map(column).collect(), records: 0, files: found.len() });
    }
    let names = match connection.source_type {
        SourceType::Ndjson => Some(ndjson::first_keys(&known, declared, RECORDS_MAX)?),
        _ => None,
    };
    let mut reader = FileReader::open_files(connection, dataset, names.clone(), vec![known], options)?;
    let mut looks: Vec<Look> = Vec::new();
    let mut records = 0u64;
    while records < RECORDS_MAX
        && let Some(batch) = reader.next()?
    {
        looks.resize_with(batch.columns.len(), Look::default);
        let refused: BTreeSet<usize> = batch.malformed.iter().filter_map(|(row, _)| usize::try_from(*row).ok()).collect();
        let rows = batch.rows.min(usize::try_from(RECORDS_MAX - records).unwrap_or(usize::MAX));
        for (look, cells) in looks.iter_mut().zip(&batch.columns) {
            let Cells::Text(texts) = cells else { continue };
            for row in (0..rows).filter(|row| !refused.contains(row)) {
                match texts.get(row) {
                    Some(cell) => look.take(cell.bytes, cell.kind),
                    None => look.absent = true,
                }
            }
        }
        records += u64::try_from(rows).unwrap_or(0);
    }
    let names = names.unwrap_or_else(|| reader.column_names().to_vec());
    looks.resize_with(names.len(), Look::default);
    let columns = names.into_iter().zip(looks).map(|(name, look)| look.finish(name)).collect();
    Ok(Sample { columns, records, files: found.len() })
}

#[derive(Debug, Default)]
struct Look {
    kinds: BTreeSet<InferredKind>,
    nulls: BTreeSet<&'static str>,
    absent: bool,
}

impl Look {
    fn take(&mut self, bytes: &[u8], kind: CellKind) {
        let kind = match kind {
            CellKind::Null => {
                self.absent = true;
                return;
            }
            CellKind::Bool => InferredKind::Boolean,
            CellKind::Nested => InferredKind::Nested,
            CellKind::Number if bytes.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => InferredKind::Number,
            CellKind::Number => InferredKind::Integer,
            CellKind::TooLong => InferredKind::Text,
            // A JSON string that looks like a number was meant as text.
            CellKind::String => match of_text(bytes) {
                kind @ (InferredKind::Date | InferredKind::Timestamp) => kind,
                _ => InferredKind::Text,
            },
            CellKind::Text | CellKind::Quoted => {
                if kind == CellKind::Text
                    && let Some(word) = USUAL_NULLS.iter().find(|word| word.as_bytes() == bytes)
                {
                    self.nulls.insert(word);
                    self.absent = true;
                    return;
                }
                of_text(bytes)
            }
        };
        self.kinds.insert(kind);
    }

    fn finish(self, name: String) -> SampledColumn {
        let kinds: Vec<InferredKind> = self.kinds.into_iter().collect();
        let kind = match kinds.as_slice() {
            [] => InferredKind::Unknown,
            [one] => *one,
            [InferredKind::Integer, InferredKind::Number] => InferredKind::Number,
            [InferredKind::Date, InferredKind::Timestamp] => InferredKind::Timestamp,
            many if many.contains(&InferredKind::Nested) => InferredKind::Nested,
            _ => InferredKind::Text,
        };
        SampledColumn { name, kind, null_tokens: self.nulls.into_iter().collect(), always_present: !self.absent }
    }
}

fn digits(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit)
}

fn of_text(bytes: &[u8]) -> InferredKind {
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    if matches!(bytes, b"true" | b"false" | b"TRUE" | b"FALSE" | b"True" | b"False") {
        return InferredKind::Boolean;
    }
    if digits(unsigned) {
        // A leading zero is an identifier's: as a number it would be lost.
        let identifier = unsigned.len() > 1 && unsigned.first() == Some(&b'0');
        return if identifier || unsigned.len() > 18 { InferredKind::Text } else { InferredKind::Integer };
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let numeric = unsigned.first().is_some_and(u8::is_ascii_digit)
        && bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if numeric && text.parse::<f64>().is_ok() {
        return InferredKind::Number;
    }
    match bytes {
        [y @ .., b'-', m1, m2, b'-', d1, d2] if y.len() == 4 && digits(y) && digits(&[*m1, *m2, *d1, *d2]) => InferredKind::Date,
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b' ', h1, h2, b':', ..] if digits(&[*h1, *h2]) => InferredKind::Timestamp,
        _ => InferredKind::Text,
    }
}

fn of_type(data_type: &DataType) -> InferredKind {
    match data_type {
        DataType::Boolean => InferredKind::Boolean,
        DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => {
            InferredKind::Number
        }
        DataType::Date32 | DataType::Date64 => InferredKind::Date,
        DataType::Timestamp(_, _) => InferredKind::Timestamp,
        other if other.is_integer() => InferredKind::Integer,
        other if other.is_nested() => InferredKind::Nested,
        _ => InferredKind::Text,
    }
}
