//! A look at a source for `source show` and for a contract's draft: names and kinds, never rows. Its type cannot become a raw batch.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use polder_contract::{CellKind, Cells, ColumnType};

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
    /// The narrowest type that holds every value of the sample; none where no type does.
    pub ty: Option<ColumnType>,
    /// Words of the usual ones that stood for "no value" in the sample and that the dataset does not declare.
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
    let known = KnownFile::look(first)?;
    if connection.source_type == SourceType::Parquet {
        let fields = parquet_file::fields(&known)?;
        let column = |(name, data_type): (String, DataType)| {
            let ty = of_type(&data_type);
            let nested = if data_type.is_nested() { InferredKind::Nested } else { InferredKind::Text };
            SampledColumn { name, kind: ty.map_or(nested, kind_of), ty, null_tokens: Vec::new(), always_present: false }
        };
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
                    Some(cell) => look.take(cell.bytes, cell.kind, &declared.null_tokens),
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

/// The types that a column of texts may have, the narrowest first.
const CANDIDATES: [ColumnType; 8] = [
    ColumnType::Boolean,
    ColumnType::Int32,
    ColumnType::Int64,
    ColumnType::Float64,
    ColumnType::Date,
    ColumnType::Timestamp { zone: true },
    ColumnType::Timestamp { zone: false },
    ColumnType::String,
];

/// Which types hold every value so far.
#[derive(Debug)]
struct Look {
    held: [bool; CANDIDATES.len()],
    seen: bool,
    nested: bool,
    nulls: BTreeSet<&'static str>,
    absent: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { held: [true; CANDIDATES.len()], seen: false, nested: false, nulls: BTreeSet::new(), absent: false }
    }
}

impl Look {
    /// Takes a cell; `declared` are the dataset's words for "no value".
    fn take(&mut self, bytes: &[u8], kind: CellKind, declared: &[String]) {
        if kind == CellKind::Null || (kind == CellKind::Text && declared.iter().any(|word| word.as_bytes() == bytes)) {
            self.absent = true;
            return;
        }
        if kind == CellKind::Text
            && let Some(word) = USUAL_NULLS.iter().find(|word| word.as_bytes() == bytes)
        {
            self.nulls.insert(word);
            self.absent = true;
            return;
        }
        self.seen = true;
        self.nested |= kind == CellKind::Nested;
        for (held, ty) in self.held.iter_mut().zip(CANDIDATES) {
            *held = *held && comes_as(kind, ty) && ty.holds(bytes);
        }
    }

    fn finish(self, name: String) -> SampledColumn {
        let ty = CANDIDATES.into_iter().zip(self.held).find(|(_, held)| *held).map(|(ty, _)| ty);
        let (kind, ty) = match (self.seen, self.nested) {
            (false, _) => (InferredKind::Unknown, Some(ColumnType::String)),
            (true, true) => (InferredKind::Nested, None),
            (true, false) => (ty.map_or(InferredKind::Text, kind_of), ty),
        };
        SampledColumn { name, kind, ty, null_tokens: self.nulls.into_iter().collect(), always_present: self.seen && !self.absent }
    }
}

/// Whether the gate reads values of the type from such cells.
fn comes_as(kind: CellKind, ty: ColumnType) -> bool {
    match kind {
        CellKind::Text | CellKind::Quoted => true,
        CellKind::Bool => ty == ColumnType::Boolean,
        CellKind::Number => matches!(ty, ColumnType::Int32 | ColumnType::Int64 | ColumnType::Float64),
        // A JSON string that looks like a number was meant as text.
        CellKind::String => matches!(ty, ColumnType::Date | ColumnType::Timestamp { .. } | ColumnType::String),
        CellKind::Null | CellKind::Nested | CellKind::TooLong => false,
    }
}

fn kind_of(ty: ColumnType) -> InferredKind {
    match ty {
        ColumnType::Boolean => InferredKind::Boolean,
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => InferredKind::Integer,
        ColumnType::Float32 | ColumnType::Float64 | ColumnType::Decimal { .. } => InferredKind::Number,
        ColumnType::Date => InferredKind::Date,
        ColumnType::Timestamp { .. } => InferredKind::Timestamp,
        ColumnType::Time | ColumnType::String => InferredKind::Text,
    }
}

/// The type of a Parquet column; none for what the gate does not read.
fn of_type(data_type: &DataType) -> Option<ColumnType> {
    Some(match data_type {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => ColumnType::Int32,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => ColumnType::Int64,
        DataType::Float32 | DataType::Float64 => ColumnType::Float64,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) | DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
        }
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Timestamp(_, zone) => ColumnType::Timestamp { zone: zone.is_some() },
        DataType::Time32(_) | DataType::Time64(_) => ColumnType::Time,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            ColumnType::String
        }
        DataType::Dictionary(_, values) => return of_type(values),
        _ => return None,
    })
}
