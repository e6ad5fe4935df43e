//! A look at a source for `source check` and for what a contract may say of it: what columns hold, never rows. Values are seen one by
//! one and kept in memory only, as far as a profile keeps them. Its type cannot become a raw batch.

mod look;

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use polder_contract::discover::{Profile, Profiler};
use polder_contract::{CellKind, Cells, ColumnType, RawBatch};

use crate::connection::{Connection, Dataset, SourceType};
use crate::error::Error;
use crate::files;
use crate::input::KnownFile;
use crate::json::path::JsonPath;
use crate::reader::{FileReader, ReadOptions, SourceReader, WantedColumn};
use crate::relations::{Distinct, SampleKey, unique_pairs};
use crate::sample::look::{Look, Words, kind_of, of_type};
use crate::typed::TypedField;
use crate::{arrow_file, avro, database, json, parquet_file, xml};

/// Records looked at, at most.
pub const RECORDS_MAX: u64 = 10_000;

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
    Time,
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
            Self::Time => "time",
            Self::Nested => "object",
            Self::Unknown | Self::Text => "string",
        }
    }
}

/// One column of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct SampledColumn {
    pub name: String,
    /// What a table calls it: its name, but where that is a path a word that SQL takes.
    pub(crate) called: String,
    pub kind: InferredKind,
    /// The narrowest type that holds every value of the sample; none where no type does.
    pub ty: Option<ColumnType>,
    /// Words of the usual ones that stood for "no value" in the sample and that the dataset does not declare.
    pub null_tokens: Vec<&'static str>,
    /// Whether each record of the sample held a value.
    pub always_present: bool,
    /// What its values are like.
    pub profile: Profile,
    /// Its different values, each as a number that says nothing without the sample's key.
    pub(crate) distinct: Distinct,
    /// Why it was not looked at.
    pub(crate) unread: Option<&'static str>,
}

/// What a look at a dataset's first file showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub columns: Vec<SampledColumn>,
    /// Records looked at.
    pub records: u64,
    /// Files that the dataset consists of.
    pub files: usize,
    /// Whether these are all records of the dataset.
    pub whole: bool,
    /// Whether the columns' names come from the first record of a file, which may be a row of values.
    pub(crate) named_by_record: bool,
    /// Two columns, by their places, of which each record holds another pair.
    pub(crate) pairs: Vec<(usize, usize)>,
    pub(crate) origin: Origin,
}

/// What a sample was taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Files,
    /// A table or a query of a database; whether it has a cursor, which tells what is new in it.
    Database {
        cursor: bool,
    },
}

/// Looks at the first records of a dataset's first file. Reading columns that no contract authorises needs a privilege and a
/// record of its own, which the caller sees to.
///
/// # Errors
/// As when the dataset is read.
pub fn sample(connection: &Connection, dataset: &str, options: ReadOptions<'_>) -> Result<Sample, Error> {
    look(connection, dataset, options, None)
}

/// The same, and keeps hashes of the values under a key: keys are found in the sample, and joins with others under the same key.
///
/// # Errors
/// As when the dataset is read.
pub fn sample_compared(connection: &Connection, dataset: &str, options: ReadOptions<'_>, key: SampleKey) -> Result<Sample, Error> {
    look(connection, dataset, options, Some(key))
}

fn look(connection: &Connection, dataset: &str, options: ReadOptions<'_>, key: Option<SampleKey>) -> Result<Sample, Error> {
    let declared = connection.dataset(dataset)?;
    let (fields, names, mut reader, files) = opened(connection, dataset, declared, options)?;
    let words = Words {
        null_tokens: &declared.null_tokens,
        decimal_comma: declared.decimal_comma,
        midnights_as_dates: connection.source_type == SourceType::Excel,
    };
    let mut taken = Taken { looks: Vec::new(), records: 0, cut: false, words, key };
    let mut ended = false;
    while taken.records < RECORDS_MAX && !ended {
        match reader.next()? {
            Some(batch) => taken.take(&batch, names.as_deref().unwrap_or(reader.column_names())),
            None => ended = true,
        }
    }
    // The last record may be the last of the file, too. What is wrong behind it is not looked at.
    let ended = ended || (!taken.cut && matches!(reader.next(), Ok(None)));
    let names = names.unwrap_or_else(|| reader.column_names().to_vec());
    taken.widen(&names);
    let pairs = unique_pairs(&names, taken.looks.iter().map(|look| &look.rows));
    let read = taken.looks.into_iter().map(Look::finish).collect();
    let (mut columns, pairs) = match fields {
        Some(fields) => in_order(fields, read, &pairs),
        None => (read, pairs),
    };
    call(&mut columns, connection.source_type);
    Ok(Sample {
        columns,
        records: taken.records,
        files,
        whole: ended && files == 1,
        named_by_record: matches!(connection.source_type, SourceType::Csv | SourceType::Excel) && declared.header,
        pairs,
        origin: match connection.source_type.is_database() {
            true => Origin::Database { cursor: declared.cursor.is_some() },
            false => Origin::Files,
        },
    })
}

/// What a look begins with: the columns where the source says what they are, their names where they are known, a reader of the first
/// file or of the table, and how many files there are.
type Opened = (Option<Vec<TypedField>>, Option<Vec<String>>, FileReader, usize);

fn opened(connection: &Connection, dataset: &str, declared: &Dataset, options: ReadOptions<'_>) -> Result<Opened, Error> {
    let readable = |fields: &[TypedField]| fields.iter().filter(|field| field.unread().is_none()).map(|field| field.name.clone()).collect();
    if connection.source_type.is_database() {
        // One more than is looked at shows whether that was all.
        let (fields, reader) = database::sample(connection, dataset, options, RECORDS_MAX + 1)?;
        let names = readable(&fields);
        return Ok((Some(fields), Some(names), reader, 1));
    }
    let found = files::find(connection, dataset, declared, options)?;
    let Some(first) = found.first() else { return Err(Error::Internal { step: "find the first file" }) };
    let known = KnownFile::look(first)?;
    let told = |error| known.explained(error);
    let fields = match connection.source_type {
        SourceType::Parquet => Some(parquet_file::fields(&known).map_err(told)?),
        SourceType::Avro => Some(avro::fields(&known).map_err(told)?),
        SourceType::Arrow => Some(arrow_file::fields(&known).map_err(told)?),
        _ => None,
    };
    let names: Option<Vec<String>> = match (&fields, connection.source_type) {
        (Some(fields), _) => Some(readable(fields)),
        (None, SourceType::Ndjson | SourceType::Json) => {
            Some(json::first_names(&known, declared, connection.source_type, RECORDS_MAX).map_err(told)?)
        }
        (None, SourceType::Xml) => Some(xml::first_names(&known, declared, RECORDS_MAX).map_err(told)?),
        (None, _) => None,
    };
    let wanted = names.as_ref().map(|names| names.iter().map(WantedColumn::new).collect());
    let reader = FileReader::open_files(connection, dataset, wanted, vec![known], options)?;
    Ok((fields, names, reader, found.len()))
}

/// Gives columns whose names are paths names of their own, where no other column has them.
fn call(columns: &mut [SampledColumn], source_type: SourceType) {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for column in columns {
        let words: Vec<String> = match source_type {
            SourceType::Json | SourceType::Ndjson => JsonPath::of_name(&column.name).keys().to_vec(),
            SourceType::Xml => {
                let steps = column.name.split('/').map(|step| step.rsplit(['@', ':']).next().unwrap_or(step));
                steps.map(|step| if step == "." { "value".to_owned() } else { step.to_owned() }).collect()
            }
            _ => vec![column.name.clone()],
        };
        let called = words.join("_");
        column.called = if called.is_empty() || taken.contains(&called.to_lowercase()) { column.name.clone() } else { called };
        taken.insert(column.called.to_lowercase());
    }
}

/// What of a sample was seen so far.
struct Taken<'a> {
    looks: Vec<Look>,
    records: u64,
    /// Whether a batch held more records than were taken.
    cut: bool,
    words: Words<'a>,
    key: Option<SampleKey>,
}

impl Taken<'_> {
    /// A look for each column.
    fn widen(&mut self, names: &[String]) {
        let known = self.looks.len();
        self.looks.extend(names.iter().enumerate().skip(known).map(|(place, name)| Look::new(name, place, self.key, self.words)));
    }

    fn take(&mut self, batch: &RawBatch, names: &[String]) {
        self.widen(names);
        let refused: BTreeSet<usize> = batch.malformed.iter().filter_map(|(row, _)| usize::try_from(*row).ok()).collect();
        let rows = batch.rows.min(usize::try_from(RECORDS_MAX - self.records).unwrap_or(usize::MAX));
        self.cut = rows < batch.rows;
        for (look, cells) in self.looks.iter_mut().zip(&batch.columns) {
            match cells {
                Cells::Text(texts) => {
                    for row in (0..rows).filter(|row| !refused.contains(row)) {
                        match texts.get(row) {
                            Some(cell) => look.take(cell.bytes, cell.kind, self.words),
                            None => look.take(b"", CellKind::Null, self.words),
                        }
                    }
                }
                Cells::Typed(array) => typed(look, array, rows),
            }
        }
        self.records += u64::try_from(rows).unwrap_or(0);
    }
}

/// Values of a typed source, as texts.
fn typed(look: &mut Look, array: &ArrayRef, rows: usize) {
    look.is_typed(array.data_type());
    let unpacked = match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values).ok(),
        _ => None,
    };
    let array = unpacked.as_ref().unwrap_or(array);
    let options = FormatOptions::new().with_display_error(true);
    let formatter = ArrayFormatter::try_new(array, &options).ok();
    let nulls = array.logical_nulls();
    for row in 0..rows.min(array.len()) {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            look.take(b"", CellKind::Null, Words::NONE);
            continue;
        }
        match (bytes_of(array, row), &formatter) {
            (Some(bytes), _) => look.take(bytes, CellKind::String, Words::NONE),
            (None, Some(formatter)) => look.take(formatter.value(row).to_string().as_bytes(), CellKind::String, Words::NONE),
            (None, None) => look.take(b"", CellKind::TooLong, Words::NONE),
        }
    }
}

/// The bytes of a row; none where the array holds no bytes.
fn bytes_of(array: &ArrayRef, row: usize) -> Option<&[u8]> {
    match array.data_type() {
        DataType::Binary => array.as_binary_opt::<i32>().map(|bytes| bytes.value(row)),
        DataType::LargeBinary => array.as_binary_opt::<i64>().map(|bytes| bytes.value(row)),
        DataType::BinaryView => array.as_binary_view_opt().map(|bytes| bytes.value(row)),
        _ => None,
    }
}

/// Columns that were read among those that were not, in the order of the file.
fn in_order(fields: Vec<TypedField>, read: Vec<SampledColumn>, pairs: &[(usize, usize)]) -> (Vec<SampledColumn>, Vec<(usize, usize)>) {
    let mut read = read.into_iter();
    let mut places = Vec::new();
    let mut columns = Vec::new();
    for (place, field) in fields.into_iter().enumerate() {
        columns.push(match field.unread() {
            Some(why) => unread(&field, why),
            None => {
                places.push(place);
                match read.next() {
                    Some(column) => column,
                    None => unread(&field, "it was not read"),
                }
            }
        });
    }
    let place = |at: usize| places.get(at).copied();
    let pairs = pairs.iter().filter_map(|(one, other)| Some((place(*one)?, place(*other)?))).collect();
    (columns, pairs)
}

fn unread(field: &TypedField, why: &'static str) -> SampledColumn {
    let kind =
        if field.data_type.is_nested() { InferredKind::Nested } else { of_type(&field.data_type).map_or(InferredKind::Text, kind_of) };
    SampledColumn {
        kind,
        ty: None,
        null_tokens: Vec::new(),
        always_present: false,
        profile: Profiler::new(&field.name).finish(),
        distinct: Distinct::default(),
        unread: Some(why),
        called: field.name.clone(),
        name: field.name.clone(),
    }
}

impl TypedField {
    /// Why its values are not read, where they are not.
    pub(crate) fn unread(&self) -> Option<&'static str> {
        match &self.data_type {
            data_type if data_type.is_nested() => Some("it is nested; flatten it at the source"),
            DataType::Timestamp(..) if self.int96 => {
                Some("it holds INT96 timestamps, which wrap round outside the years 1678 to 2261; write it as TIMESTAMP_MICROS")
            }
            data_type if of_type(data_type).is_none() => Some("no type holds all of its values; correct it at the source"),
            _ => None,
        }
    }
}
