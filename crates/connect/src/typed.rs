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
    let mut start = 0;
    while start < batch.num_rows() {
        // Only as many rows are weighed as may be sent: a few bytes may stand for a great many rows.
        let most = BATCH_ROWS.min(batch.num_rows() - start);
        let rows = weights(batch, start, most).map_or(most, |weights| fitting(&weights));
        piece(batch, start, start + rows, place, out)?;
        start += rows;
    }
    Ok(())
}

/// How many rows go into one batch, one at least.
fn fitting(weights: &[usize]) -> usize {
    let mut sum = 0usize;
    let over = weights.iter().position(|weight| {
        sum = sum.saturating_add(*weight);
        sum > BATCH_TEXT_BYTES
    });
    over.map_or(weights.len(), |over| over.max(1))
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

/// Bytes of text in each of some rows; none where there is no text.
fn weights(batch: &RecordBatch, start: usize, rows: usize) -> Option<Vec<usize>> {
    let mut weights: Option<Vec<usize>> = None;
    for column in batch.columns() {
        if let Some(lengths) = lengths(&column.slice(start, rows)) {
            let sums = weights.get_or_insert_with(|| vec![0; rows]);
            sums.iter_mut().zip(lengths).for_each(|(sum, length)| *sum = sum.saturating_add(length));
        }
    }
    weights
}

fn lengths(column: &ArrayRef) -> Option<Vec<usize>> {
    let Some(dictionary) = column.as_any_dictionary_opt() else {
        return Some((0..column.len()).map(length(column)?).collect());
    };
    // A long value that stands there once is unpacked for each row. Only those that rows name are looked at: there may be many.
    let length = length(dictionary.values()).filter(|_| !dictionary.values().is_empty())?;
    Some(dictionary.normalized_keys().into_iter().map(length).collect())
}

/// Tells how many bytes of text stand in a row of a column; none where it holds no text.
fn length(column: &ArrayRef) -> Option<Box<dyn Fn(usize) -> usize + '_>> {
    Some(match column.data_type() {
        DataType::Utf8 => between(column.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => between(column.as_string::<i64>().value_offsets()),
        DataType::Binary => between(column.as_binary::<i32>().value_offsets()),
        DataType::LargeBinary => between(column.as_binary::<i64>().value_offsets()),
        DataType::Utf8View => viewed(column.as_string_view().views()),
        DataType::BinaryView => viewed(column.as_binary_view().views()),
        DataType::Dictionary(_, _) => {
            Box::new(move |row: usize| lengths(&column.slice(row, 1)).and_then(|lengths| lengths.first().copied()).unwrap_or(0))
        }
        _ => return None,
    })
}

/// From offsets, which are one more than there are rows.
fn between<T: Copy>(offsets: &[T]) -> Box<dyn Fn(usize) -> usize + '_>
where
    usize: TryFrom<T>,
{
    let at = move |row: usize| offsets.get(row).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    Box::new(move |row: usize| at(row + 1).saturating_sub(at(row)))
}

/// From views, whose lowest 32 bits are the length.
fn viewed(views: &[u128]) -> Box<dyn Fn(usize) -> usize + '_> {
    Box::new(move |row: usize| views.get(row).and_then(|view| usize::try_from(view & 0xffff_ffff).ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BinaryViewArray, DictionaryArray, Int8Array, Int64Array, LargeStringArray, StringArray, StringViewArray};

    use super::*;

    /// The rows of each batch that is sent.
    fn sent(columns: Vec<ArrayRef>) -> Vec<usize> {
        let named = columns.into_iter().enumerate().map(|(place, column)| (format!("c{place}"), column));
        let batch = RecordBatch::try_from_iter(named).unwrap();
        let (sender, receiver) = crossbeam_channel::unbounded();
        let mut place = Place { file: "f".into(), record: 1, ordinal: 0 };
        assert!(send(&batch, &mut place, &Output { sender }).is_ok());
        assert_eq!(place.ordinal, u64::try_from(batch.num_rows()).unwrap());
        let batches = receiver.iter().map(|message| match message {
            Message::Batch(batch) => batch.rows,
            _ => panic!("no batch"),
        });
        batches.collect()
    }

    #[test]
    fn batches_are_cut_by_rows_and_by_text() {
        let numbers = |rows: i64| Arc::new((0..rows).collect::<Int64Array>()) as ArrayRef;
        assert_eq!(sent(vec![numbers(0)]), [0usize; 0]);
        assert_eq!(sent(vec![numbers(20_000)]), [BATCH_ROWS, BATCH_ROWS, 20_000 - 2 * BATCH_ROWS]);
        let long = "x".repeat(BATCH_TEXT_BYTES / 2);
        let longer = format!("{long}{long}x");
        let texts: [&str; 7] = [&long, &long, &long, "", &longer, "", "y"];
        let cut = [2, 2, 1, 2];
        assert_eq!(sent(vec![Arc::new(StringArray::from_iter_values(texts))]), cut);
        assert_eq!(sent(vec![Arc::new(LargeStringArray::from_iter_values(texts)), numbers(7)]), cut);
        assert_eq!(sent(vec![Arc::new(StringViewArray::from_iter_values(texts))]), cut);
        assert_eq!(sent(vec![Arc::new(BinaryViewArray::from_iter_values(texts))]), cut);
        // Two columns are weighed together; texts before the slice are not weighed.
        let more: ArrayRef = Arc::new(StringArray::from_iter_values([longer.as_str()].into_iter().chain(texts)));
        assert_eq!(sent(vec![more.slice(1, 7), more.slice(1, 7)]), [1, 1, 2, 1, 2]);
    }

    #[test]
    fn values_of_dictionaries_are_weighed_for_each_row() {
        let long = "x".repeat(BATCH_TEXT_BYTES / 4);
        let values: ArrayRef = Arc::new(StringArray::from_iter_values(["", long.as_str()]));
        // Every hundredth row is long, so the batches are cut in every fourth hundred.
        let keys: Int8Array = (0..1_000).map(|row| Some(i8::from(row % 100 == 0))).collect();
        let coded: ArrayRef = Arc::new(DictionaryArray::new(keys, values));
        assert_eq!(sent(vec![coded]), [400, 400, 200]);
        // Far more rows than are weighed at once, none of which has a text.
        let none: ArrayRef = Arc::new(DictionaryArray::new(Int8Array::new_null(20_000), Arc::new(StringArray::new_null(0)) as ArrayRef));
        assert_eq!(sent(vec![none]), [BATCH_ROWS, BATCH_ROWS, 20_000 - 2 * BATCH_ROWS]);
    }

    #[test]
    fn only_the_rows_of_one_batch_are_weighed() {
        let values: ArrayRef = Arc::new(StringArray::from_iter_values(["a", "bc"]));
        let keys: Int8Array = (0..100_000).map(|row| Some(i8::from(row % 2 == 1))).collect();
        let batch = RecordBatch::try_from_iter([("c", Arc::new(DictionaryArray::new(keys, values)) as ArrayRef)]).unwrap();
        assert_eq!(weights(&batch, 99_997, 3).unwrap(), [2, 1, 2]);
    }
}
