//! One column of a batch while it is filled.

use std::sync::Arc;

use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType, UInt32Type, UInt64Type,
};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, BooleanBufferBuilder, NullBufferBuilder, PrimitiveArray, StringArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use bytes::Bytes;
use polder_contract::{CellKind, Cells, TextColumnBuilder};
use polder_types::limit::FIELD_MAX_BYTES;

use super::numeric::{self, Digits};
use super::{Damaged, text};
use crate::postgres::types::{Decode, Fetch};

/// Longest numeric: its head, and as many groups as it counts.
const NUMERIC_MAX_BYTES: usize = 8 + 2 * 0xffff;
/// The only version of `jsonb` on the wire.
const JSONB_VERSION: u8 = 1;

/// A column.
pub(super) struct Column {
    pub name: String,
    decode: Decode,
    values: Values,
    nulls: NullBufferBuilder,
    odd: Odd,
    /// Rows of the batch before, for which there is room.
    rows_before: usize,
    bytes_before: usize,
}

/// The values so far; a null has one that means nothing.
enum Values {
    Boolean(BooleanBufferBuilder),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    UInt32(Vec<u32>),
    UInt64(Vec<u64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Decimal(Vec<i128>, Digits),
    Bytes { bytes: Vec<u8>, ends: Vec<i32> },
}

/// Values that the column's Arrow type, or any contract, cannot hold, as texts. With one of them the column comes as cells of text,
/// so that the gate refuses its row and no other.
#[derive(Default)]
struct Odd {
    text: Vec<u8>,
    /// Their rows, ascending, and where each text ends. One that was too long has none.
    cells: Vec<(usize, CellKind, usize)>,
}

impl Odd {
    fn push(&mut self, row: usize, kind: CellKind) {
        self.cells.push((row, kind, self.text.len()));
    }
}

/// Rows for which a first batch has room.
const ROWS_FIRST: usize = 256;

impl Column {
    pub(super) fn new(fetch: &Fetch) -> Self {
        Self {
            name: fetch.name.clone(),
            decode: fetch.decode,
            values: Values::new(fetch.decode, ROWS_FIRST, 0),
            nulls: NullBufferBuilder::new(ROWS_FIRST),
            odd: Odd::default(),
            rows_before: ROWS_FIRST,
            bytes_before: 0,
        }
    }

    /// What is at most sent of a value in bytes; more is damage, or too long a text.
    pub(super) fn most(&self) -> usize {
        match self.decode {
            Decode::Text | Decode::Bytes => FIELD_MAX_BYTES,
            // The version is not kept.
            Decode::Jsonb => FIELD_MAX_BYTES + 1,
            Decode::Decimal { .. } => NUMERIC_MAX_BYTES,
            _ => 32,
        }
    }

    /// Whether a value may be longer than is kept.
    pub(super) fn may_be_longer(&self) -> bool {
        matches!(self.decode, Decode::Text | Decode::Bytes | Decode::Jsonb)
    }

    /// A null is the value of the row.
    #[inline]
    pub(super) fn null(&mut self) {
        self.nulls.append_null();
        self.values.skip();
    }

    /// The value of the row was too long to be kept.
    pub(super) fn too_long(&mut self, row: usize) {
        self.odd.push(row, CellKind::TooLong);
        self.nulls.append_non_null();
        self.values.skip();
    }

    /// Takes the value of the row, and says how many bytes of text it takes beside its array.
    #[inline]
    pub(super) fn take(&mut self, row: usize, value: &[u8]) -> Result<usize, Damaged> {
        let odd_before = self.odd.text.len();
        match &mut self.values {
            Values::Int32(values) => {
                let number = i32::from_be_bytes(exactly(value)?);
                values.push(match self.decode {
                    Decode::Date => text::known_day(number).unwrap_or_else(|| {
                        text::write_any_date(number, &mut self.odd.text);
                        self.odd.push(row, CellKind::Native);
                        0
                    }),
                    _ => number,
                });
            }
            Values::Int64(values) => {
                let number = i64::from_be_bytes(exactly(value)?);
                values.push(match self.decode {
                    Decode::Timestamp { zone } => text::known_moment(number).unwrap_or_else(|| {
                        text::write_any_timestamp(number, zone, &mut self.odd.text);
                        self.odd.push(row, CellKind::Native);
                        0
                    }),
                    Decode::Time => match number {
                        0..text::MICROS_PER_DAY => number,
                        text::MICROS_PER_DAY => {
                            self.odd.text.extend_from_slice(b"24:00:00");
                            self.odd.push(row, CellKind::Native);
                            0
                        }
                        _ => return Err(Damaged),
                    },
                    _ => number,
                });
            }
            Values::Decimal(values, digits) => {
                values.push(match digits.unscaled(value)? {
                    Some(number) => number,
                    None => {
                        numeric::write(value, &mut self.odd.text)?;
                        self.odd.push(row, CellKind::Number);
                        0
                    }
                });
            }
            Values::Bytes { bytes, ends } => {
                match self.decode {
                    Decode::Text | Decode::Bytes => bytes.extend_from_slice(value),
                    Decode::Jsonb => match value {
                        [JSONB_VERSION, text @ ..] => bytes.extend_from_slice(text),
                        _ => return Err(Damaged),
                    },
                    Decode::Char => match value {
                        [0] => {}
                        [byte] => bytes.push(*byte),
                        _ => return Err(Damaged),
                    },
                    Decode::Uuid => text::write_uuid(value, bytes)?,
                    Decode::Hardware => text::write_hardware(value, bytes)?,
                    Decode::Network => text::write_network(value, bytes)?,
                    _ => return Err(Damaged),
                }
                ends.push(end(bytes)?);
            }
            Values::Boolean(values) => values.append(match exactly(value)? {
                [0] => false,
                [1] => true,
                _ => return Err(Damaged),
            }),
            Values::Int16(values) => values.push(i16::from_be_bytes(exactly(value)?)),
            Values::UInt32(values) => values.push(u32::from_be_bytes(exactly(value)?)),
            Values::UInt64(values) => values.push(u64::from_be_bytes(exactly(value)?)),
            Values::Float32(values) => values.push(f32::from_be_bytes(exactly(value)?)),
            Values::Float64(values) => values.push(f64::from_be_bytes(exactly(value)?)),
        }
        self.nulls.append_non_null();
        Ok(self.odd.text.len() - odd_before)
    }

    /// The cells of the rows so far; the next rows are those of another batch.
    ///
    /// # Errors
    /// When Arrow refuses to build the array, which the checks of each value rule out.
    pub(super) fn finish(&mut self, rows: usize) -> Result<Cells, ArrowError> {
        let bytes = self.values.bytes();
        // A row of great length is none to expect again and again.
        (self.rows_before, self.bytes_before) = (rows, bytes.saturating_add(bytes / 8).min(BYTES_AHEAD_MAX));
        let values = std::mem::replace(&mut self.values, Values::new(self.decode, self.rows_before, self.bytes_before));
        let nulls = std::mem::replace(&mut self.nulls, NullBufferBuilder::new(rows)).finish();
        let odd = std::mem::take(&mut self.odd);
        let built = values.build(self.decode, nulls)?;
        Ok(match built {
            Built::Array(array) if odd.cells.is_empty() => Cells::Typed(array),
            Built::Array(array) => self.texts(&array, &odd),
            // A database in SQL_ASCII checks nothing.
            Built::NotUtf8(array) => self.texts(&(Arc::new(array) as ArrayRef), &odd),
        })
    }

    /// The values as cells that the gate reads as it reads the array, and among them the odd ones.
    fn texts(&self, array: &ArrayRef, odd: &Odd) -> Cells {
        let mut cells = TextColumnBuilder::new(Bytes::new(), array.len());
        let kind = match self.decode {
            Decode::Decimal { .. } => CellKind::Number,
            Decode::Date | Decode::Time | Decode::Timestamp { .. } => CellKind::Native,
            _ => CellKind::String,
        };
        let mut start = 0;
        let mut rest = odd.cells.iter().peekable();
        for row in 0..array.len() {
            if let Some((_, kind, end)) = rest.next_if(|(place, _, _)| *place == row) {
                match kind {
                    CellKind::TooLong => cells.push_too_long(),
                    kind => cells.push_bytes(odd.text.get(start..*end).unwrap_or_default(), *kind),
                }
                start = *end;
            } else if array.is_null(row) {
                cells.push_null();
            } else {
                cells.push_with(kind, |out| write(self.decode, array, row, out));
            }
        }
        Cells::Text(cells.finish())
    }
}

/// Most bytes for which a column has room before they come.
const BYTES_AHEAD_MAX: usize = 4 << 20;

/// So many bytes as the type has.
#[inline]
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], Damaged> {
    <[u8; N]>::try_from(value).map_err(|_| Damaged)
}

/// Where the text ends that was added last. A batch ends long before its texts reach 2 GiB.
#[inline]
fn end(bytes: &[u8]) -> Result<i32, Damaged> {
    i32::try_from(bytes.len()).map_err(|_| Damaged)
}

/// Writes a value of an array as the gate reads it.
fn write(decode: Decode, array: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    fn of<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> Option<T::Native> {
        array.as_primitive_opt::<T>().and_then(|array| array.values().get(row)).copied()
    }
    let bytes = match array.data_type() {
        DataType::Utf8 => array.as_string_opt::<i32>().filter(|array| row < array.len()).map(|array| array.value(row).as_bytes()),
        _ => array.as_binary_opt::<i32>().filter(|array| row < array.len()).map(|array| array.value(row)),
    };
    match decode {
        Decode::Decimal { scale, .. } => numeric::write_unscaled(of::<Decimal128Type>(array, row).unwrap_or_default(), scale, out),
        Decode::Date => text::write_date(of::<Date32Type>(array, row).unwrap_or_default(), out),
        Decode::Time => text::write_time(of::<Time64MicrosecondType>(array, row).unwrap_or_default(), out),
        Decode::Timestamp { zone } => {
            text::write_timestamp(of::<TimestampMicrosecondType>(array, row).unwrap_or_default(), zone, out);
        }
        // Of the others only texts have odd ones among them.
        _ => out.extend_from_slice(bytes.unwrap_or_default()),
    }
}

/// What became of a column's values.
enum Built {
    Array(ArrayRef),
    /// Texts among which is one that is not UTF-8.
    NotUtf8(BinaryArray),
}

impl Values {
    fn new(decode: Decode, rows: usize, bytes: usize) -> Self {
        match decode {
            Decode::Boolean => Self::Boolean(BooleanBufferBuilder::new(rows)),
            Decode::Int16 => Self::Int16(Vec::with_capacity(rows)),
            Decode::Int32 | Decode::Date => Self::Int32(Vec::with_capacity(rows)),
            Decode::Int64 | Decode::Time | Decode::Timestamp { .. } => Self::Int64(Vec::with_capacity(rows)),
            Decode::UInt32 => Self::UInt32(Vec::with_capacity(rows)),
            Decode::UInt64 => Self::UInt64(Vec::with_capacity(rows)),
            Decode::Float32 => Self::Float32(Vec::with_capacity(rows)),
            Decode::Float64 => Self::Float64(Vec::with_capacity(rows)),
            Decode::Decimal { precision, scale } => Self::Decimal(Vec::with_capacity(rows), Digits::new(precision, scale)),
            Decode::Text | Decode::Char | Decode::Uuid | Decode::Jsonb | Decode::Bytes | Decode::Network | Decode::Hardware => {
                let mut ends = Vec::with_capacity(rows.saturating_add(1));
                ends.push(0);
                Self::Bytes { bytes: Vec::with_capacity(bytes), ends }
            }
        }
    }

    /// A value that means nothing.
    #[inline]
    fn skip(&mut self) {
        match self {
            Self::Boolean(values) => values.append(false),
            Self::Int16(values) => values.push(0),
            Self::Int32(values) => values.push(0),
            Self::Int64(values) => values.push(0),
            Self::UInt32(values) => values.push(0),
            Self::UInt64(values) => values.push(0),
            Self::Float32(values) => values.push(0.0),
            Self::Float64(values) => values.push(0.0),
            Self::Decimal(values, _) => values.push(0),
            Self::Bytes { ends, .. } => {
                let last = ends.last().copied().unwrap_or(0);
                ends.push(last);
            }
        }
    }

    /// Bytes of texts.
    fn bytes(&self) -> usize {
        if let Self::Bytes { bytes, .. } = self { bytes.len() } else { 0 }
    }

    fn build(self, decode: Decode, nulls: Option<NullBuffer>) -> Result<Built, ArrowError> {
        fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> Result<PrimitiveArray<T>, ArrowError> {
            PrimitiveArray::try_new(ScalarBuffer::from(values), nulls)
        }
        Ok(Built::Array(match (self, decode) {
            (Self::Boolean(mut values), _) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            (Self::Int16(values), _) => Arc::new(primitive::<Int16Type>(values, nulls)?),
            (Self::Int32(values), Decode::Date) => Arc::new(primitive::<Date32Type>(values, nulls)?),
            (Self::Int32(values), _) => Arc::new(primitive::<Int32Type>(values, nulls)?),
            (Self::Int64(values), Decode::Time) => Arc::new(primitive::<Time64MicrosecondType>(values, nulls)?),
            (Self::Int64(values), Decode::Timestamp { zone }) => {
                let array = primitive::<TimestampMicrosecondType>(values, nulls)?;
                Arc::new(if zone { array.with_timezone("UTC") } else { array })
            }
            (Self::Int64(values), _) => Arc::new(primitive::<Int64Type>(values, nulls)?),
            (Self::UInt32(values), _) => Arc::new(primitive::<UInt32Type>(values, nulls)?),
            (Self::UInt64(values), _) => Arc::new(primitive::<UInt64Type>(values, nulls)?),
            (Self::Float32(values), _) => Arc::new(primitive::<Float32Type>(values, nulls)?),
            (Self::Float64(values), _) => Arc::new(primitive::<Float64Type>(values, nulls)?),
            (Self::Decimal(values, _), Decode::Decimal { precision, scale }) => {
                let array = primitive::<Decimal128Type>(values, nulls)?;
                Arc::new(array.with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(0))?)
            }
            (Self::Decimal(values, _), _) => Arc::new(primitive::<Decimal128Type>(values, nulls)?),
            (Self::Bytes { bytes, ends }, decode) => {
                let (bytes, ends) = (Buffer::from_vec(bytes), OffsetBuffer::new(ScalarBuffer::from(ends)));
                if decode != Decode::Bytes {
                    match StringArray::try_new(ends.clone(), bytes.clone(), nulls.clone()) {
                        Ok(array) => return Ok(Built::Array(Arc::new(array))),
                        Err(_) => return Ok(Built::NotUtf8(BinaryArray::try_new(ends, bytes, nulls)?)),
                    }
                }
                Arc::new(BinaryArray::try_new(ends, bytes, nulls)?)
            }
        }))
    }
}
