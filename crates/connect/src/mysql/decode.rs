//! Rows of prepared statements to columns. A value that no type here holds (a zero date, a time past a day, a decimal of more than 38
//! digits) makes the cells of its column in its batch texts: the gate refuses that row and no other.

mod moment;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, NullBufferBuilder, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;
use bytes::Bytes;
use polder_contract::{CellKind, Cells, Malformed, TextColumnBuilder};

use self::moment::{Clock, Moment};
use super::fault::Fault;
use super::types::{Fetch, Kind};
use super::wire::Fields;
use crate::csv::BATCH_ROWS;

/// Most bytes of rows in one batch, unless one row holds more.
const BATCH_BYTES: usize = 32 << 20;

const CUT: Fault = Fault::Damaged("a row ends too early");

/// A batch of rows.
pub(super) struct Decoded {
    pub columns: Vec<Cells>,
    pub rows: usize,
    pub malformed: Vec<(u32, Malformed)>,
}

/// The rows of a batch so far.
pub(super) struct Decoder {
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
    malformed: Vec<(u32, Malformed)>,
}

impl Decoder {
    pub(super) fn new(columns: &[Fetch]) -> Self {
        let columns = columns.iter().map(|column| Column::new(column.kind)).collect();
        Self { columns, rows: 0, bytes: 0, malformed: Vec::new() }
    }

    /// Whether the batch should be taken before more rows are put to it.
    pub(super) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes > BATCH_BYTES
    }

    /// Takes a row as it came. None stands for one that was too long.
    #[inline]
    pub(super) fn row(&mut self, packet: Option<&[u8]>) -> Result<(), Fault> {
        let Some(packet) = packet else {
            self.columns.iter_mut().for_each(Column::null);
            self.malformed.push((u32::try_from(self.rows).unwrap_or(u32::MAX), Malformed::TooLong));
            self.rows += 1;
            return Ok(());
        };
        self.bytes += packet.len();
        // A zero, a bit for each column that is null, from the third bit on, and the values.
        let mut fields = Fields(packet.get(1..).unwrap_or_default());
        let nulls = fields.take((self.columns.len() + 9) / 8).ok_or(CUT)?;
        for (place, column) in self.columns.iter_mut().enumerate() {
            let bit = place + 2;
            match nulls.get(bit / 8) {
                Some(byte) if (byte >> (bit % 8)) & 1 == 1 => column.null(),
                _ => column.value(&mut fields)?,
            }
        }
        match fields.0 {
            [] => {
                self.rows += 1;
                Ok(())
            }
            _ => Err(Fault::Damaged("a row is longer than its columns")),
        }
    }

    /// The rows so far; none where there are none.
    pub(super) fn take(&mut self) -> Result<Option<Decoded>, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(None);
        }
        self.bytes = 0;
        let columns = self.columns.iter_mut().map(|column| column.take(rows)).collect::<Result<_, _>>()?;
        Ok(Some(Decoded { columns, rows, malformed: std::mem::take(&mut self.malformed) }))
    }
}

/// The values of a column so far. Where there is a null, or one that no type holds, the place holds anything.
enum Values {
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    UInt8(Vec<u8>),
    UInt16(Vec<u16>),
    UInt32(Vec<u32>),
    UInt64(Vec<u64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Decimal(Vec<i128>),
    Boolean(Vec<bool>),
    /// Texts and bytes, and where each ends.
    Bytes(Vec<u8>, Vec<i32>),
}

struct Column {
    kind: Kind,
    values: Values,
    nulls: NullBufferBuilder,
    /// Values that no type holds, by their rows, ascending.
    odd: Vec<(usize, Vec<u8>)>,
}

fn texts() -> Values {
    let mut offsets = Vec::with_capacity(BATCH_ROWS + 1);
    offsets.push(0);
    Values::Bytes(Vec::new(), offsets)
}

impl Values {
    fn new(kind: Kind) -> Self {
        macro_rules! room {
            ($variant:ident) => {
                Self::$variant(Vec::with_capacity(BATCH_ROWS))
            };
        }
        match kind {
            Kind::Int8 => room!(Int8),
            Kind::Int16 => room!(Int16),
            Kind::Int32 | Kind::Date => room!(Int32),
            Kind::Int64 | Kind::Moment { .. } | Kind::Time { .. } => room!(Int64),
            Kind::UInt8 => room!(UInt8),
            Kind::UInt16 => room!(UInt16),
            Kind::UInt32 => room!(UInt32),
            Kind::UInt64 | Kind::Bits => room!(UInt64),
            Kind::Float32 => room!(Float32),
            Kind::Float64 => room!(Float64),
            Kind::Decimal { .. } => room!(Decimal),
            Kind::Boolean | Kind::Bit => room!(Boolean),
            Kind::Text | Kind::Binary | Kind::DateText | Kind::MomentText { .. } | Kind::TimeText { .. } => texts(),
        }
    }

    /// Holds a place.
    fn nothing(&mut self) {
        match self {
            Self::Int8(values) => values.push(0),
            Self::Int16(values) => values.push(0),
            Self::Int32(values) => values.push(0),
            Self::Int64(values) => values.push(0),
            Self::UInt8(values) => values.push(0),
            Self::UInt16(values) => values.push(0),
            Self::UInt32(values) => values.push(0),
            Self::UInt64(values) => values.push(0),
            Self::Float32(values) => values.push(0.0),
            Self::Float64(values) => values.push(0.0),
            Self::Decimal(values) => values.push(0),
            Self::Boolean(values) => values.push(false),
            Self::Bytes(bytes, ends) => ends.push(end(bytes)),
        }
    }
}

/// Where the last text ends. A batch holds 48 MiB at most.
fn end(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).unwrap_or(i32::MAX)
}

impl Column {
    fn new(kind: Kind) -> Self {
        Self { kind, values: Values::new(kind), nulls: NullBufferBuilder::new(BATCH_ROWS), odd: Vec::new() }
    }

    fn null(&mut self) {
        self.values.nothing();
        self.nulls.append_null();
    }

    /// A value that no type holds.
    #[cold]
    fn odd(&mut self, text: Vec<u8>) {
        self.odd.push((self.nulls.len(), text));
        self.values.nothing();
        self.nulls.append_non_null();
    }

    #[inline]
    fn value(&mut self, fields: &mut Fields<'_>) -> Result<(), Fault> {
        macro_rules! fixed {
            ($values:ident, $ty:ty) => {{
                let (chunk, rest) = fields.0.split_first_chunk().ok_or(CUT)?;
                fields.0 = rest;
                $values.push(<$ty>::from_le_bytes(*chunk));
            }};
        }
        match (&mut self.values, self.kind) {
            (Values::Bytes(bytes, ends), Kind::Text | Kind::Binary) => {
                bytes.extend_from_slice(fields.bytes().ok_or(CUT)?);
                ends.push(end(bytes));
            }
            (Values::Decimal(values), Kind::Decimal { precision, scale }) => {
                let text = fields.bytes().ok_or(CUT)?;
                match decimal(text, precision, scale) {
                    Some(value) => values.push(value),
                    None => {
                        self.odd(text.to_vec());
                        return Ok(());
                    }
                }
            }
            (Values::Int32(values), Kind::Date) => {
                let moment = Moment::read(fields).ok_or(CUT)?;
                match moment.days() {
                    Some(days) => values.push(days),
                    None => {
                        self.odd(moment.date_text());
                        return Ok(());
                    }
                }
            }
            (Values::Int64(values), Kind::Moment { decimals, zone }) => {
                let moment = Moment::read(fields).ok_or(CUT)?;
                match moment.micros() {
                    Some(micros) => values.push(micros),
                    None => {
                        self.odd(moment.text(decimals, zone));
                        return Ok(());
                    }
                }
            }
            (Values::Int64(values), Kind::Time { decimals }) => {
                let clock = Clock::read(fields).ok_or(CUT)?;
                match clock.micros_of_day() {
                    Some(micros) => values.push(micros),
                    None => {
                        self.odd(clock.text(decimals));
                        return Ok(());
                    }
                }
            }
            (Values::Bytes(bytes, ends), kind) => {
                match kind {
                    Kind::DateText => bytes.extend_from_slice(&Moment::read(fields).ok_or(CUT)?.date_text()),
                    Kind::MomentText { decimals, zone } => bytes.extend_from_slice(&Moment::read(fields).ok_or(CUT)?.text(decimals, zone)),
                    Kind::TimeText { decimals } => bytes.extend_from_slice(&Clock::read(fields).ok_or(CUT)?.text(decimals)),
                    _ => bytes.extend_from_slice(fields.bytes().ok_or(CUT)?),
                }
                ends.push(end(bytes));
            }
            (Values::Boolean(values), Kind::Boolean) => match fields.u8().ok_or(CUT)? {
                0 => values.push(false),
                1 => values.push(true),
                other => {
                    self.odd(i8::from_le_bytes([other]).to_string().into_bytes());
                    return Ok(());
                }
            },
            (Values::Boolean(values), _) => values.push(bits(fields.bytes().ok_or(CUT)?)? != 0),
            (Values::UInt64(values), Kind::Bits) => values.push(bits(fields.bytes().ok_or(CUT)?)?),
            (Values::Int8(values), _) => fixed!(values, i8),
            (Values::Int16(values), _) => fixed!(values, i16),
            (Values::Int32(values), _) => fixed!(values, i32),
            (Values::Int64(values), _) => fixed!(values, i64),
            (Values::UInt8(values), _) => fixed!(values, u8),
            (Values::UInt16(values), _) => fixed!(values, u16),
            (Values::UInt32(values), _) => fixed!(values, u32),
            (Values::UInt64(values), _) => fixed!(values, u64),
            (Values::Float32(values), _) => fixed!(values, f32),
            (Values::Float64(values), _) => fixed!(values, f64),
            (Values::Decimal(_), _) => return Err(Fault::Damaged("a decimal stands where none may")),
        }
        self.nulls.append_non_null();
        Ok(())
    }

    fn take(&mut self, rows: usize) -> Result<Cells, ArrowError> {
        let nulls = self.nulls.finish();
        let values = std::mem::replace(&mut self.values, Values::new(self.kind));
        let odd = std::mem::take(&mut self.odd);
        if !odd.is_empty() {
            return Ok(self.as_texts(&values, nulls.as_ref(), &odd, rows));
        }
        let array: ArrayRef = match values {
            Values::Int8(values) => Arc::new(Int8Array::try_new(values.into(), nulls)?),
            Values::Int16(values) => Arc::new(Int16Array::try_new(values.into(), nulls)?),
            Values::Int32(values) if self.kind == Kind::Date => Arc::new(Date32Array::try_new(values.into(), nulls)?),
            Values::Int32(values) => Arc::new(Int32Array::try_new(values.into(), nulls)?),
            Values::Int64(values) => match self.kind {
                Kind::Moment { zone, .. } => {
                    let array = TimestampMicrosecondArray::try_new(values.into(), nulls)?;
                    Arc::new(if zone { array.with_timezone("UTC") } else { array })
                }
                Kind::Time { .. } => Arc::new(Time64MicrosecondArray::try_new(values.into(), nulls)?),
                _ => Arc::new(Int64Array::try_new(values.into(), nulls)?),
            },
            Values::UInt8(values) => Arc::new(UInt8Array::try_new(values.into(), nulls)?),
            Values::UInt16(values) => Arc::new(UInt16Array::try_new(values.into(), nulls)?),
            Values::UInt32(values) => Arc::new(UInt32Array::try_new(values.into(), nulls)?),
            Values::UInt64(values) => Arc::new(UInt64Array::try_new(values.into(), nulls)?),
            Values::Float32(values) => Arc::new(Float32Array::try_new(values.into(), nulls)?),
            Values::Float64(values) => Arc::new(Float64Array::try_new(values.into(), nulls)?),
            Values::Decimal(values) => {
                let array = Decimal128Array::try_new(values.into(), nulls)?;
                match self.kind {
                    Kind::Decimal { precision, scale } => {
                        Arc::new(array.with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(0))?)
                    }
                    _ => Arc::new(array),
                }
            }
            Values::Boolean(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
            Values::Bytes(bytes, ends) => {
                let (offsets, bytes) = (OffsetBuffer::new(ScalarBuffer::from(ends)), Buffer::from_vec(bytes));
                if self.kind == Kind::Binary {
                    Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)
                } else {
                    match StringArray::try_new(offsets.clone(), bytes.clone(), nulls.clone()) {
                        Ok(array) => Arc::new(array),
                        // The server was told to send UTF-8. What is none, the gate finds and refuses.
                        Err(_) => Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?),
                    }
                }
            }
        };
        Ok(Cells::Typed(array))
    }

    /// The column as texts: where a value stands that its type does not hold.
    #[cold]
    fn as_texts(&self, values: &Values, nulls: Option<&NullBuffer>, odd: &[(usize, Vec<u8>)], rows: usize) -> Cells {
        let kind = match self.kind {
            Kind::Decimal { .. } => CellKind::Number,
            Kind::Boolean => CellKind::Bool,
            Kind::Date | Kind::Moment { .. } | Kind::Time { .. } => CellKind::Native,
            _ => CellKind::String,
        };
        let mut column = TextColumnBuilder::new(Bytes::new(), rows);
        let mut odd = odd.iter().peekable();
        for row in 0..rows {
            match odd.next_if(|(place, _)| *place == row) {
                // A number where a truth is wanted is of the wrong type, and nothing else.
                Some((_, text)) => column.push_bytes(text, if kind == CellKind::Bool { CellKind::Number } else { kind }),
                None if nulls.is_some_and(|nulls| nulls.is_null(row)) => column.push_null(),
                None => column.push_bytes(&self.text(values, row), kind),
            }
        }
        Cells::Text(column.finish())
    }

    /// A value that its type holds, as text.
    fn text(&self, values: &Values, row: usize) -> Vec<u8> {
        match (values, self.kind) {
            (Values::Int32(values), Kind::Date) => values.get(row).map(|days| Moment::of_days(*days).date_text()),
            (Values::Int64(values), Kind::Moment { zone, .. }) => values.get(row).map(|micros| Moment::of_micros(*micros).text(6, zone)),
            (Values::Int64(values), _) => values.get(row).map(|micros| Clock::of_micros(*micros).text(6)),
            (Values::Decimal(values), Kind::Decimal { scale, .. }) => values.get(row).map(|value| decimal_text(*value, scale)),
            (Values::Boolean(values), _) => values.get(row).map(|value| value.to_string().into_bytes()),
            _ => None,
        }
        .unwrap_or_default()
    }
}

/// Bits as a number.
fn bits(bytes: &[u8]) -> Result<u64, Fault> {
    match bytes.len() {
        0..=8 => Ok(bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte))),
        _ => Err(Fault::Damaged("there are more than 64 bits")),
    }
}

/// Digits that surely fit a `u64`.
const DIGITS_U64: usize = 19;

/// A decimal as whole number of its last place; none where it does not fit.
#[inline]
fn decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let places = usize::from(scale);
    let whole = if places == 0 { digits } else { digits.get(..digits.len().checked_sub(places + 1)?)? };
    let fraction = match digits.get(whole.len()..)? {
        [] if places == 0 => &[][..],
        [b'.', fraction @ ..] => fraction,
        _ => return None,
    };
    let value = if whole.len() + places <= DIGITS_U64 {
        let mut value: u64 = 0;
        for byte in whole.iter().chain(fraction) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        }
        i128::from(value)
    } else {
        let mut value: i128 = 0;
        for byte in whole.iter().chain(fraction) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        }
        value
    };
    let fits = 10i128.checked_pow(u32::from(precision)).is_some_and(|limit| value < limit);
    (fits && whole.len() + places > 0).then_some(if negative { -value } else { value })
}

/// The inverse of [`decimal`].
fn decimal_text(value: i128, scale: u8) -> Vec<u8> {
    let places = usize::from(scale);
    let digits = format!("{:0width$}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len().saturating_sub(places)).unwrap_or((&digits, ""));
    let sign = if value < 0 { "-" } else { "" };
    let point = if places > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}").into_bytes()
}

#[cfg(test)]
mod tests;
