//! One column of a batch while it is filled.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use arrow::array::types::{ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, BooleanBufferBuilder, NullBufferBuilder, PrimitiveArray, StringArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use bytes::Bytes;
use polder_contract::{CellKind, Cells, TextColumnBuilder};
use polder_types::limit::FIELD_MAX_BYTES;
use rusqlite::types::ValueRef;

use crate::csv::BATCH_ROWS;
use crate::sqlite::types::Decode;

/// Largest whole number below which every one is a double.
const EXACT_F64: u64 = 1 << 53;
/// From here on doubles are written with an exponent: digits before it would say more than the double does.
const PLAIN_MAX: f64 = 1e15;
const PLAIN_MIN: f64 = 1e-5;

/// A column.
pub(super) struct Column {
    decode: Decode,
    values: Values,
    nulls: NullBufferBuilder,
    odd: Odd,
    /// A number on its way from one form into another.
    digits: String,
}

/// The values so far; a null has one that means nothing.
enum Values {
    Boolean(BooleanBufferBuilder),
    Integer(Vec<i64>),
    Real(Vec<f64>),
    Decimal(Vec<i128>),
    Bytes { bytes: Vec<u8>, ends: Vec<i32> },
}

/// Values of another class than the column's, as cells. With one of them the column comes as cells, so that the gate refuses its row and
/// no other.
#[derive(Default)]
struct Odd {
    text: Vec<u8>,
    /// Their rows, ascending, and where each text ends. One that was too long has none.
    cells: Vec<(usize, CellKind, usize)>,
}

impl Odd {
    /// The text so far is that of the row.
    fn end(&mut self, row: usize, kind: CellKind) {
        self.cells.push((row, kind, self.text.len()));
    }
}

impl Column {
    pub(super) fn new(decode: Decode) -> Self {
        Self { decode, values: Values::new(decode), nulls: NullBufferBuilder::new(BATCH_ROWS), odd: Odd::default(), digits: String::new() }
    }

    /// Takes the value of a row of the batch, and says how many bytes of text it takes.
    #[inline]
    pub(super) fn take(&mut self, row: usize, value: ValueRef<'_>) -> usize {
        let taken = match (&mut self.values, value) {
            (values, ValueRef::Null) => {
                self.nulls.append_null();
                values.skip();
                return 0;
            }
            (Values::Integer(values), ValueRef::Integer(number)) => {
                values.push(number);
                Some(0)
            }
            (Values::Bytes { bytes, ends }, value) => push_bytes(self.decode, bytes, ends, value),
            (Values::Real(values), ValueRef::Real(number)) => {
                values.push(number);
                Some(0)
            }
            (Values::Real(values), ValueRef::Integer(number)) if number.unsigned_abs() <= EXACT_F64 => {
                #[allow(clippy::cast_precision_loss, reason = "so small a number is exact")]
                values.push(number as f64);
                Some(0)
            }
            (Values::Decimal(values), value @ (ValueRef::Integer(_) | ValueRef::Real(_))) => {
                self.digits.clear();
                // Writing to a text does not fail. A double has the fewest digits by which it is told from others.
                let _ = match value {
                    ValueRef::Integer(number) => write!(self.digits, "{number}"),
                    ValueRef::Real(number) => write!(self.digits, "{number}"),
                    _ => Ok(()),
                };
                unscaled(&self.digits, self.decode).map(|number| {
                    values.push(number);
                    0
                })
            }
            (Values::Boolean(values), ValueRef::Integer(number @ (0 | 1))) => {
                values.append(number == 1);
                Some(0)
            }
            _ => None,
        };
        self.nulls.append_non_null();
        taken.unwrap_or_else(|| self.odd(row, value))
    }

    /// Keeps a value of another class.
    #[cold]
    fn odd(&mut self, row: usize, value: ValueRef<'_>) -> usize {
        self.values.skip();
        let before = self.odd.text.len();
        let text = &mut self.odd.text;
        let kind = match value {
            // Writing to a Vec does not fail.
            ValueRef::Integer(number) => {
                let _ = write!(text, "{number}");
                CellKind::Number
            }
            ValueRef::Real(number) if matches!(self.decode, Decode::Decimal { .. }) => {
                let _ = write!(text, "{number}");
                CellKind::Number
            }
            ValueRef::Real(number) => {
                write_double(number, text);
                CellKind::Number
            }
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) if bytes.len() > FIELD_MAX_BYTES => CellKind::TooLong,
            ValueRef::Text(bytes) => {
                text.extend_from_slice(bytes);
                CellKind::String
            }
            // Bytes are no text, even where they could be read as one.
            ValueRef::Blob(bytes) => {
                text.extend_from_slice(bytes);
                CellKind::Nested
            }
            ValueRef::Null => CellKind::Null,
        };
        self.odd.end(row, kind);
        self.odd.text.len() - before
    }

    /// The cells of the rows so far; the next rows are those of another batch.
    ///
    /// # Errors
    /// When Arrow refuses to build the array, which the checks of each value rule out.
    pub(super) fn finish(&mut self, rows: usize) -> Result<Cells, ArrowError> {
        let values = std::mem::replace(&mut self.values, Values::new(self.decode));
        let nulls = std::mem::replace(&mut self.nulls, NullBufferBuilder::new(rows)).finish();
        let odd = std::mem::take(&mut self.odd);
        Ok(match values.build(self.decode, nulls)? {
            Built::Array(array) if odd.cells.is_empty() => Cells::Typed(array),
            Built::Array(array) => texts(self.decode, &array, &odd),
            Built::NotUtf8(array) => texts(self.decode, &(Arc::new(array) as ArrayRef), &odd),
        })
    }
}

/// A value of a column of texts or bytes; none where it has another class, or is too long.
#[inline]
fn push_bytes(decode: Decode, bytes: &mut Vec<u8>, ends: &mut Vec<i32>, value: ValueRef<'_>) -> Option<usize> {
    let before = bytes.len();
    match (value, decode) {
        (ValueRef::Text(text), Decode::Text { .. }) if text.len() <= FIELD_MAX_BYTES => bytes.extend_from_slice(text),
        (ValueRef::Blob(blob), Decode::Text { bytes: true, .. } | Decode::Bytes) if blob.len() <= FIELD_MAX_BYTES => {
            bytes.extend_from_slice(blob);
        }
        (ValueRef::Integer(number), Decode::Text { numbers: true, .. }) => drop(write!(bytes, "{number}")),
        (ValueRef::Real(number), Decode::Text { numbers: true, .. }) => drop(write!(bytes, "{number:?}")),
        _ => return None,
    }
    // A batch ends long before its texts reach 2 GiB.
    ends.push(i32::try_from(bytes.len()).ok()?);
    Some(bytes.len() - before)
}

/// A double as the gate reads it: the fewest digits that are read as the same one.
fn write_double(number: f64, out: &mut Vec<u8>) {
    let size = number.abs();
    let plain = size == 0.0 || (PLAIN_MIN..PLAIN_MAX).contains(&size) || !size.is_finite();
    let _ = if plain { write!(out, "{number}") } else { write!(out, "{number:e}") };
}

/// The whole number of the last places of a decimal; none where it has more places, or more digits, than the column.
fn unscaled(digits: &str, decode: Decode) -> Option<i128> {
    let Decode::Decimal { precision, scale } = decode else { return None };
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let missing = usize::from(scale).checked_sub(fraction.len())?;
    let mut number: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', missing)) {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number = number.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    let fits = number < 10i128.checked_pow(u32::from(precision))?;
    fits.then_some(if negative { -number } else { number })
}

/// Writes what [`unscaled`] reads.
fn write_unscaled(number: i128, scale: u8, out: &mut Vec<u8>) {
    let sign = if number < 0 { "-" } else { "" };
    let digits = number.unsigned_abs();
    let _ = match 10u128.checked_pow(u32::from(scale)) {
        Some(one) if scale > 0 => write!(out, "{sign}{}.{:0width$}", digits / one, digits % one, width = usize::from(scale)),
        _ => write!(out, "{sign}{digits}"),
    };
}

/// The values as cells that the gate reads as it reads the array, and among them the odd ones.
fn texts(decode: Decode, array: &ArrayRef, odd: &Odd) -> Cells {
    let mut cells = TextColumnBuilder::new(Bytes::new(), array.len());
    let kind = match decode {
        Decode::Boolean => CellKind::Bool,
        Decode::Integer | Decode::Real | Decode::Decimal { .. } => CellKind::Number,
        Decode::Text { .. } | Decode::Bytes => CellKind::String,
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
            cells.push_with(kind, |out| write_value(decode, array, row, out));
        }
    }
    Cells::Text(cells.finish())
}

/// Writes a value of an array as the gate reads it.
fn write_value(decode: Decode, array: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    fn of<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> T::Native {
        array.as_primitive_opt::<T>().and_then(|array| array.values().get(row)).copied().unwrap_or_default()
    }
    match decode {
        Decode::Boolean => {
            let is = array.as_boolean_opt().is_some_and(|array| row < array.len() && array.value(row));
            out.extend_from_slice(if is { b"true" } else { b"false" });
        }
        Decode::Integer => drop(write!(out, "{}", of::<Int64Type>(array, row))),
        Decode::Real => write_double(of::<Float64Type>(array, row), out),
        Decode::Decimal { scale, .. } => write_unscaled(of::<Decimal128Type>(array, row), scale, out),
        Decode::Text { .. } | Decode::Bytes => out.extend_from_slice(match array.data_type() {
            _ if row >= array.len() => &[],
            DataType::Utf8 => array.as_string_opt::<i32>().map(|array| array.value(row).as_bytes()).unwrap_or_default(),
            _ => array.as_binary_opt::<i32>().map(|array| array.value(row)).unwrap_or_default(),
        }),
    }
}

/// What became of a column's values.
enum Built {
    Array(ArrayRef),
    /// Texts among which is one that is not UTF-8: SQLite checks nothing.
    NotUtf8(BinaryArray),
}

impl Values {
    fn new(decode: Decode) -> Self {
        match decode {
            Decode::Boolean => Self::Boolean(BooleanBufferBuilder::new(BATCH_ROWS)),
            Decode::Integer => Self::Integer(Vec::with_capacity(BATCH_ROWS)),
            Decode::Real => Self::Real(Vec::with_capacity(BATCH_ROWS)),
            Decode::Decimal { .. } => Self::Decimal(Vec::with_capacity(BATCH_ROWS)),
            Decode::Text { .. } | Decode::Bytes => {
                let mut ends = Vec::with_capacity(BATCH_ROWS + 1);
                ends.push(0);
                Self::Bytes { bytes: Vec::new(), ends }
            }
        }
    }

    /// A value that means nothing.
    #[inline]
    fn skip(&mut self) {
        match self {
            Self::Boolean(values) => values.append(false),
            Self::Integer(values) => values.push(0),
            Self::Real(values) => values.push(0.0),
            Self::Decimal(values) => values.push(0),
            Self::Bytes { ends, .. } => {
                let last = ends.last().copied().unwrap_or(0);
                ends.push(last);
            }
        }
    }

    fn build(self, decode: Decode, nulls: Option<NullBuffer>) -> Result<Built, ArrowError> {
        fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> Result<PrimitiveArray<T>, ArrowError> {
            PrimitiveArray::try_new(ScalarBuffer::from(values), nulls)
        }
        Ok(Built::Array(match self {
            Self::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Self::Integer(values) => Arc::new(primitive::<Int64Type>(values, nulls)?),
            Self::Real(values) => Arc::new(primitive::<Float64Type>(values, nulls)?),
            Self::Decimal(values) => {
                let array = primitive::<Decimal128Type>(values, nulls)?;
                match decode {
                    Decode::Decimal { precision, scale } => {
                        Arc::new(array.with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(0))?)
                    }
                    _ => Arc::new(array),
                }
            }
            Self::Bytes { bytes, ends } => {
                let (bytes, ends) = (Buffer::from_vec(bytes), OffsetBuffer::new(ScalarBuffer::from(ends)));
                if decode == Decode::Bytes {
                    return Ok(Built::Array(Arc::new(BinaryArray::try_new(ends, bytes, nulls)?)));
                }
                match StringArray::try_new(ends.clone(), bytes.clone(), nulls.clone()) {
                    Ok(array) => Arc::new(array),
                    Err(_) => return Ok(Built::NotUtf8(BinaryArray::try_new(ends, bytes, nulls)?)),
                }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRICE: Decode = Decode::Decimal { precision: 6, scale: 2 };

    fn cells(decode: Decode, values: &[ValueRef<'_>]) -> Cells {
        let mut column = Column::new(decode);
        for (row, value) in values.iter().enumerate() {
            column.take(row, *value);
        }
        column.finish(values.len()).unwrap()
    }

    /// What the gate sees: each cell's kind and text.
    fn seen(decode: Decode, values: &[ValueRef<'_>]) -> Vec<(CellKind, String)> {
        match cells(decode, values) {
            Cells::Text(column) => column.iter().map(|cell| (cell.kind, String::from_utf8_lossy(cell.bytes).into_owned())).collect(),
            Cells::Typed(array) => panic!("an array of {}", array.data_type()),
        }
    }

    #[test]
    fn values_of_the_columns_class_make_an_array() {
        let typed = |decode, values: &[ValueRef<'_>]| match cells(decode, values) {
            Cells::Typed(array) => array,
            Cells::Text(_) => panic!("cells of text"),
        };
        let array = typed(Decode::Integer, &[ValueRef::Integer(i64::MIN), ValueRef::Null]);
        assert_eq!(array.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(i64::MIN), None]);
        let array = typed(Decode::Real, &[ValueRef::Real(0.5), ValueRef::Integer(1 << 53)]);
        assert_eq!(array.as_primitive::<Float64Type>().values(), &[0.5, 9_007_199_254_740_992.0]);
        let array = typed(PRICE, &[ValueRef::Real(12.3), ValueRef::Integer(-4), ValueRef::Real(-0.0), ValueRef::Real(9999.99)]);
        assert_eq!(array.as_primitive::<Decimal128Type>().values(), &[1230, -400, 0, 999_999]);
        assert_eq!(array.data_type(), &DataType::Decimal128(6, 2));
        let array = typed(Decode::Boolean, &[ValueRef::Integer(1), ValueRef::Integer(0), ValueRef::Null]);
        assert_eq!(array.as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
        let text = Decode::Text { numbers: true, bytes: true };
        let array = typed(text, &[ValueRef::Text("é".as_bytes()), ValueRef::Integer(7), ValueRef::Real(1.0), ValueRef::Blob(b"b")]);
        assert_eq!(array.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["é", "7", "1.0", "b"]);
        let array = typed(Decode::Bytes, &[ValueRef::Blob(&[0xff])]);
        assert_eq!(array.as_binary::<i32>().value(0), [0xff]);
    }

    #[test]
    fn a_value_of_another_class_comes_as_a_cell_of_its_own_among_the_others() {
        use CellKind::{Bool, Nested, Null, Number, String, TooLong};
        let text = |text: &str| text.to_owned();
        assert_eq!(
            seen(Decode::Integer, &[ValueRef::Integer(1), ValueRef::Text(b"2"), ValueRef::Null, ValueRef::Real(3.0), ValueRef::Blob(b"4")]),
            [(Number, text("1")), (String, text("2")), (Null, text("")), (Number, text("3")), (Nested, text("4"))]
        );
        assert_eq!(
            seen(
                Decode::Real,
                &[ValueRef::Real(1e300), ValueRef::Integer((1 << 53) + 1), ValueRef::Real(0.1), ValueRef::Real(f64::INFINITY)]
            ),
            [(Number, text("1e300")), (Number, text("9007199254740993")), (Number, text("0.1")), (Number, text("inf"))]
        );
        assert_eq!(
            seen(
                PRICE,
                &[ValueRef::Real(-0.05), ValueRef::Real(0.125), ValueRef::Integer(10_000), ValueRef::Real(1e20), ValueRef::Text(b"1")]
            ),
            [
                (Number, text("-0.05")),
                (Number, text("0.125")),
                (Number, text("10000")),
                (Number, text("100000000000000000000")),
                (String, text("1"))
            ]
        );
        assert_eq!(
            seen(Decode::Boolean, &[ValueRef::Integer(1), ValueRef::Integer(2), ValueRef::Text(b"true")]),
            [(Bool, text("true")), (Number, text("2")), (String, text("true"))]
        );
        let long = vec![b'x'; FIELD_MAX_BYTES + 1];
        let plain = Decode::Text { numbers: false, bytes: false };
        assert_eq!(
            seen(plain, &[ValueRef::Text(b"a"), ValueRef::Integer(1), ValueRef::Blob(b"b"), ValueRef::Text(&long)]),
            [(String, text("a")), (Number, text("1")), (Nested, text("b")), (TooLong, text(""))]
        );
        // Without any of them, but not UTF-8.
        assert_eq!(seen(plain, &[ValueRef::Text(b"a"), ValueRef::Text(&[0xff])]), [(String, text("a")), (String, text("\u{fffd}"))]);
    }

    #[test]
    fn a_batch_leaves_nothing_to_the_next() {
        let mut column = Column::new(Decode::Integer);
        column.take(0, ValueRef::Text(b"x"));
        assert!(matches!(column.finish(1), Ok(Cells::Text(_))));
        column.take(0, ValueRef::Integer(5));
        let Ok(Cells::Typed(array)) = column.finish(1) else { panic!("no array") };
        assert_eq!(array.as_primitive::<Int64Type>().values(), &[5]);
    }

    proptest! {
        #[test]
        fn a_double_is_read_again_as_it_was(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let mut text = Vec::new();
            write_double(number, &mut text);
            prop_assert!(polder_contract::ColumnType::Float64.holds(&text), "{number:e}");
            prop_assert_eq!(String::from_utf8(text).unwrap().parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn a_decimal_of_fifteen_digits_survives_its_time_as_a_double(number in -999_999_999_999_999i64..1_000_000_000_000_000, scale in 0u8..10) {
            let decode = Decode::Decimal { precision: 38, scale };
            let mut text = Vec::new();
            write_unscaled(number.into(), scale, &mut text);
            let stored: f64 = String::from_utf8(text).unwrap().parse().unwrap();
            let Cells::Typed(array) = cells(decode, &[ValueRef::Real(stored)]) else { panic!("a cell of text") };
            prop_assert_eq!(array.as_primitive::<Decimal128Type>().value(0), i128::from(number));
        }
    }
}
