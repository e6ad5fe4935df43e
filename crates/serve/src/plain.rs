//! Rows as they are sent: in types that every client knows, in messages of bounded size, and with nothing in their buffers but the values that
//! the answer shows. An Arrow array may be a view of a larger one: the text of a row that a filter took out, or of a value that became NULL,
//! stays in its buffers, and Arrow's IPC format sends buffers whole.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::types::{ArrowPrimitiveType, ByteArrayType};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, GenericByteArray, GenericListArray, MapArray,
    OffsetSizeTrait, PrimitiveArray, RecordBatch, RecordBatchOptions, StructArray, UInt64Array, downcast_primitive_array, make_array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;

/// Rows of an answer that are made plain at a time.
const ROWS_MAX: usize = 8_192;

/// A type that every client knows, with the same values: no views, no dictionaries.
///
/// # Errors
/// For unions, which hold values that their rows do not show.
pub(crate) fn data_type(seen: &DataType) -> Result<DataType, ArrowError> {
    Ok(match seen {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => data_type(values)?,
        DataType::RunEndEncoded(_, values) => data_type(values.data_type())?,
        DataType::List(item) | DataType::ListView(item) => DataType::List(field(item)?),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(field(item)?),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item)?, *size),
        DataType::Struct(members) => DataType::Struct(fields(members)?),
        DataType::Map(entries, sorted) => DataType::Map(field(entries)?, *sorted),
        DataType::Union(..) => return Err(ArrowError::NotYetImplemented("send a union".to_owned())),
        other => other.clone(),
    })
}

fn field(seen: &FieldRef) -> Result<FieldRef, ArrowError> {
    // Not `with_data_type` of the same field: what says that it is a dictionary must not stay.
    let plain = Field::new(seen.name(), data_type(seen.data_type())?, seen.is_nullable());
    Ok(Arc::new(plain.with_metadata(seen.metadata().clone())))
}

fn fields(seen: &Fields) -> Result<Fields, ArrowError> {
    seen.iter().map(field).collect()
}

/// The columns of an answer as they are sent.
///
/// # Errors
/// As [`data_type`].
pub(crate) fn schema(seen: &Schema) -> Result<SchemaRef, ArrowError> {
    Ok(Arc::new(Schema::new_with_metadata(fields(seen.fields())?, seen.metadata().clone())))
}

/// Cuts a batch into parts of `bytes_max` at most, or of one row, and makes each plain when it is asked for.
#[derive(Debug)]
pub(crate) struct Parts {
    schema: SchemaRef,
    rest: RecordBatch,
    plain: Option<RecordBatch>,
    bytes_max: usize,
}

impl Parts {
    /// The parts of a batch under the plain schema of its answer.
    pub(crate) fn new(schema: SchemaRef, batch: RecordBatch, bytes_max: usize) -> Self {
        Self { schema, rest: batch, plain: None, bytes_max }
    }
}

impl Iterator for Parts {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.plain.is_none() {
            let rows = self.rest.num_rows().min(ROWS_MAX);
            if rows == 0 {
                return None;
            }
            let head = self.rest.slice(0, rows);
            self.rest = self.rest.slice(rows, self.rest.num_rows() - rows);
            match batch(&self.schema, &head) {
                Ok(plain) => self.plain = Some(plain),
                Err(error) => {
                    self.rest = self.rest.slice(0, 0);
                    return Some(Err(error));
                }
            }
        }
        let plain = self.plain.take()?;
        // Halved until it fits, so that rows of very different lengths fit too.
        let mut rows = plain.num_rows();
        while rows > 1 && batch_bytes(&plain.slice(0, rows)) > self.bytes_max {
            rows = rows.div_ceil(2);
        }
        if rows < plain.num_rows() {
            self.plain = Some(plain.slice(rows, plain.num_rows() - rows));
        }
        Some(Ok(plain.slice(0, rows)))
    }
}

/// Bytes that the values of a batch take, not its buffers.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| bytes(column)).sum()
}

fn bytes(array: &dyn Array) -> usize {
    let nulls = array.nulls().map_or(0, |nulls| nulls.len().div_ceil(8));
    nulls
        + match array.data_type() {
            DataType::List(_) => list_bytes(array.as_list::<i32>()),
            DataType::LargeList(_) => list_bytes(array.as_list::<i64>()),
            DataType::Map(..) => {
                let map = array.as_map();
                let range = spanned(map.offsets());
                map.offsets().len() * 4 + bytes(&map.entries().slice(range.start, range.len()))
            }
            DataType::FixedSizeList(_, size) => {
                let list = array.as_fixed_size_list();
                let size = usize::try_from(*size).unwrap_or(0);
                bytes(&list.values().slice(usize::try_from(list.value_offset(0)).unwrap_or(0), list.len() * size))
            }
            DataType::Struct(_) => array.as_struct().columns().iter().map(|column| bytes(column)).sum(),
            _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
        }
}

fn list_bytes<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> usize {
    let range = spanned(list.offsets());
    list.offsets().len() * size_of::<O>() + bytes(&list.values().slice(range.start, range.len()))
}

/// The part of a list's items that its offsets cover.
fn spanned<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> Range<usize> {
    let first = offsets.first().map_or(0, |offset| offset.as_usize());
    first..offsets.last().map_or(first, |offset| offset.as_usize())
}

/// A batch with plain columns.
fn batch(schema: &SchemaRef, seen: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = seen.columns().iter().map(|column| plain(column, None)).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(seen.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// One column. `above` says which of its rows are shown at all, where it is a part of another column.
fn plain(array: &ArrayRef, above: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let seen = array.data_type();
    let base = match seen {
        DataType::ListView(item) => DataType::List(Arc::clone(item)),
        DataType::LargeListView(item) => DataType::LargeList(Arc::clone(item)),
        DataType::Utf8View | DataType::BinaryView | DataType::Dictionary(..) | DataType::RunEndEncoded(..) => data_type(seen)?,
        _ => return owned(array, above),
    };
    owned(&cast_with_options(array, &base, &CastOptions { safe: false, ..CastOptions::default() })?, above)
}

/// A column without views, with nothing below its NULLs.
fn owned(array: &ArrayRef, above: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let own = array.logical_nulls();
    let shown = NullBuffer::union(own.as_ref(), above);
    let nulls = array.nulls().cloned();
    Ok(match array.data_type() {
        DataType::Boolean => match &shown {
            Some(shown) => Arc::new(BooleanArray::new(array.as_boolean().values() & shown.inner(), nulls)),
            None => Arc::clone(array),
        },
        DataType::Utf8 => texts(array.as_string::<i32>(), shown.as_ref())?,
        DataType::LargeUtf8 => texts(array.as_string::<i64>(), shown.as_ref())?,
        DataType::Binary => texts(array.as_binary::<i32>(), shown.as_ref())?,
        DataType::LargeBinary => texts(array.as_binary::<i64>(), shown.as_ref())?,
        DataType::FixedSizeBinary(size) => match &shown {
            Some(shown) => {
                let array = array.as_fixed_size_binary();
                let empty = vec![0; usize::try_from(*size).unwrap_or(0)];
                let mut values = Vec::with_capacity(array.len() * empty.len());
                for row in 0..array.len() {
                    values.extend_from_slice(if shown.is_valid(row) { array.value(row) } else { &empty });
                }
                Arc::new(FixedSizeBinaryArray::try_new(*size, values.into(), nulls)?)
            }
            None => Arc::clone(array),
        },
        DataType::List(item) => list(array.as_list::<i32>(), item, shown.as_ref())?,
        DataType::LargeList(item) => list(array.as_list::<i64>(), item, shown.as_ref())?,
        DataType::Map(entries, sorted) => {
            let map = array.as_map();
            let of: ArrayRef = Arc::new(map.entries().clone());
            let (offsets, of) = items(map.offsets(), &of, shown.as_ref())?;
            Arc::new(MapArray::try_new(field(entries)?, offsets, plain(&of, None)?.as_struct().clone(), nulls, *sorted)?)
        }
        DataType::FixedSizeList(item, size) => {
            let list = array.as_fixed_size_list();
            let width = usize::try_from(*size).unwrap_or(0);
            let start = if list.is_empty() { 0 } else { usize::try_from(list.value_offset(0)).unwrap_or(0) };
            let values = list.values().slice(start, list.len() * width);
            let values = plain(&values, shown.map(|shown| shown.expand(width)).as_ref())?;
            let field = field(item)?;
            if width == 0 { Arc::clone(array) } else { Arc::new(FixedSizeListArray::try_new(field, *size, values, nulls)?) }
        }
        DataType::Struct(members) => {
            let columns = array.as_struct().columns().iter().map(|column| plain(column, shown.as_ref()));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            Arc::new(StructArray::try_new_with_length(fields(members)?, columns, nulls, array.len())?)
        }
        DataType::Null => Arc::clone(array),
        _ => match &shown {
            Some(shown) => numbers(array, shown)?,
            None => Arc::clone(array),
        },
    })
}

fn numbers(array: &ArrayRef, shown: &NullBuffer) -> Result<ArrayRef, ArrowError> {
    fn blank<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, shown: &NullBuffer) -> ArrayRef {
        let values = array.values().iter().zip(shown.iter());
        let values: Vec<T::Native> = values.map(|(value, shown)| if shown { *value } else { T::default_value() }).collect();
        let blank = PrimitiveArray::<T>::new(values.into(), array.nulls().cloned());
        Arc::new(blank.with_data_type(array.data_type().clone()))
    }
    let array: &dyn Array = array.as_ref();
    downcast_primitive_array!(
        array => Ok(blank(array, shown)),
        other => Err(ArrowError::NotYetImplemented(format!("send {other}")))
    )
}

/// Texts and bytes are always written anew when some are not shown; else their offsets bound what is sent.
fn texts<T: ByteArrayType>(array: &GenericByteArray<T>, shown: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let Some(shown) = shown else {
        return Ok(make_array(array.to_data()));
    };
    let mut values = Vec::new();
    let mut lengths = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        let value: &[u8] = if shown.is_valid(row) { array.value(row).as_ref() } else { &[] };
        values.extend_from_slice(value);
        lengths.push(value.len());
    }
    let offsets = OffsetBuffer::<T::Offset>::from_lengths(lengths);
    Ok(Arc::new(GenericByteArray::<T>::try_new(offsets, Buffer::from_vec(values), array.nulls().cloned())?))
}

fn list<O: OffsetSizeTrait>(array: &GenericListArray<O>, item: &FieldRef, shown: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let (offsets, values) = items(array.offsets(), array.values(), shown)?;
    Ok(Arc::new(GenericListArray::<O>::try_new(field(item)?, offsets, plain(&values, None)?, array.nulls().cloned())?))
}

/// The items of the lists that are shown, and of no other, with offsets from 0.
fn items<O: OffsetSizeTrait>(
    offsets: &OffsetBuffer<O>,
    values: &ArrayRef,
    shown: Option<&NullBuffer>,
) -> Result<(OffsetBuffer<O>, ArrayRef), ArrowError> {
    let ends = || offsets.iter().zip(offsets.iter().skip(1)).map(|(from, to)| from.as_usize()..to.as_usize());
    let is_shown = |row: usize| shown.is_none_or(|shown| shown.is_valid(row));
    let lengths: Vec<usize> = ends().enumerate().map(|(row, range)| if is_shown(row) { range.len() } else { 0 }).collect();
    let range = spanned(offsets);
    let values = if lengths.iter().sum::<usize>() == range.len() {
        values.slice(range.start, range.len())
    } else {
        let kept = ends().enumerate().filter(|(row, _)| is_shown(*row)).flat_map(|(_, range)| range);
        let kept: UInt64Array = kept.map(|index| index as u64).collect();
        take(values, &kept, None)?
    };
    Ok((OffsetBuffer::from_lengths(lengths), values))
}

#[cfg(test)]
mod tests;
