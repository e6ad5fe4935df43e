//! Arrow arrays on their way to the gate: which types it reads, and batches cut so that none holds too much.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use polder_contract::{Cells, RawBatch};

use crate::cells::Place;
use crate::csv::BATCH_ROWS;
use crate::output::{Message, Output, Stop};

/// Most bytes of text in one batch, unless one row holds more.
const BATCH_TEXT_BYTES: usize = 32 << 20;

/// A column of a file that says what its columns are, for a sample.
pub(crate) struct TypedField {
    pub name: String,
    pub data_type: DataType,
    /// Whether it holds INT96 timestamps of Parquet, which are not read.
    pub int96: bool,
}

impl TypedField {
    pub(crate) fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, int96: false }
    }
}

/// What a column is that the gate does not read; none where it does.
pub(crate) fn unreadable(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Struct(_) => "a struct",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) | DataType::ListView(_) | DataType::LargeListView(_) => {
            "a list"
        }
        DataType::Map(_, _) => "a map",
        DataType::Union(_, _) => "a union",
        DataType::RunEndEncoded(_, _) => "run-end encoded",
        DataType::Null => "of the type null",
        DataType::Interval(_) | DataType::Duration(_) => "a span of time",
        DataType::Dictionary(_, values) => return unreadable(values),
        DataType::Float16 => "a half-precision number",
        DataType::Decimal256(_, _) => "a decimal of more than 38 digits",
        _ => return None,
    })
}

/// Sends the columns of a batch, which are in the order in which they are wanted.
pub(crate) fn send(batch: &RecordBatch, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let weights = weights(batch);
    let (mut start, mut sum) = (0, 0usize);
    for row in 0..batch.num_rows() {
        let weight = weights.as_ref().and_then(|weights| weights.get(row)).copied().unwrap_or(0);
        if row > start && (row - start >= BATCH_ROWS || sum.saturating_add(weight) > BATCH_TEXT_BYTES) {
            piece(batch, start, row, place, out)?;
            (start, sum) = (row, 0);
        }
        sum = sum.saturating_add(weight);
    }
    if start < batch.num_rows() { piece(batch, start, batch.num_rows(), place, out) } else { Ok(()) }
}

fn piece(batch: &RecordBatch, from: usize, to: usize, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let rows = to - from;
    let columns = batch.columns().iter().map(|column| Cells::Typed(column.slice(from, rows))).collect();
    let raw = RawBatch {
        columns,
        rows,
        first_record: place.record,
        first_ordinal: place.ordinal,
        file: place.file.clone(),
        malformed: Vec::new(),
    };
    place.advance(rows);
    out.send(Message::Batch(raw))
}

/// Bytes of text in each row; none where there is no text.
fn weights(batch: &RecordBatch) -> Option<Vec<usize>> {
    let mut weights: Option<Vec<usize>> = None;
    for column in batch.columns() {
        if let Some(lengths) = lengths(column) {
            let sums = weights.get_or_insert_with(|| vec![0; batch.num_rows()]);
            sums.iter_mut().zip(lengths).for_each(|(sum, length)| *sum = sum.saturating_add(length));
        }
    }
    weights
}

fn lengths(column: &ArrayRef) -> Option<Vec<usize>> {
    let differences = |offsets: &mut dyn Iterator<Item = usize>| {
        let mut before = offsets.next().unwrap_or(0);
        let mut lengths = Vec::with_capacity(column.len());
        for offset in offsets {
            lengths.push(offset.saturating_sub(before));
            before = offset;
        }
        Some(lengths)
    };
    let small = |offset: &i32| usize::try_from(*offset).unwrap_or(0);
    let large = |offset: &i64| usize::try_from(*offset).unwrap_or(0);
    match column.data_type() {
        DataType::Utf8 => differences(&mut column.as_string::<i32>().value_offsets().iter().map(small)),
        DataType::LargeUtf8 => differences(&mut column.as_string::<i64>().value_offsets().iter().map(large)),
        DataType::Binary => differences(&mut column.as_binary::<i32>().value_offsets().iter().map(small)),
        DataType::LargeBinary => differences(&mut column.as_binary::<i64>().value_offsets().iter().map(large)),
        DataType::Utf8View => Some(column.as_string_view().lengths().map(|length| length as usize).collect()),
        DataType::BinaryView => Some(column.as_binary_view().lengths().map(|length| length as usize).collect()),
        DataType::Dictionary(_, _) => {
            // A long value that stands there once is unpacked for each row.
            let dictionary = column.as_any_dictionary_opt()?;
            let values = lengths(dictionary.values()).filter(|values| !values.is_empty())?;
            let keys = dictionary.normalized_keys();
            Some(keys.into_iter().map(|key| values.get(key).copied().unwrap_or(0)).collect())
        }
        _ => None,
    }
}
