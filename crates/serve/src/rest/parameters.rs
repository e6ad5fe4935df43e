//! Values of JSON as the one row that a question's parameters are.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, Float64Array, Int64Array, NullArray, RecordBatch,
    RecordBatchOptions, StringArray, UInt64Array, new_null_array,
};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, i256};
use arrow::util::display::FormatOptions;
use polder_types::ErrorKind;
use serde_json::value::RawValue;

use super::problem::Problem;
use crate::fault::Fault;

/// Most digits of a whole number.
const DIGITS_MAX: usize = 76;

/// A value, its number as it was written: no digit is lost before its type is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
}

impl Value {
    /// None for lists and objects.
    pub(super) fn read(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        match text.bytes().next()? {
            b'n' => Some(Self::Null),
            b't' => Some(Self::Boolean(true)),
            b'f' => Some(Self::Boolean(false)),
            b'"' => serde_json::from_str(text).ok().map(Self::Text),
            b'-' | b'0'..=b'9' => Some(Self::Number(text.to_owned())),
            _ => None,
        }
    }

    /// As one row of the type that the question expects. None where the value has no place in it, or would become another one.
    fn of_type(&self, expected: &DataType) -> Option<ArrayRef> {
        if matches!(expected, DataType::Null) {
            return self.as_it_is();
        }
        match self {
            Self::Null => Some(new_null_array(expected, 1)),
            Self::Boolean(value) => matches!(expected, DataType::Boolean).then(|| Arc::new(BooleanArray::from(vec![*value])) as ArrayRef),
            Self::Number(text) => {
                let exact = match expected {
                    DataType::Float16 | DataType::Float32 | DataType::Float64 => text.parse::<f64>().is_ok_and(f64::is_finite),
                    _ if expected.is_integer() => true,
                    _ if expected.is_decimal() => decimals_fit(text, expected),
                    _ => false,
                };
                exact.then(|| cast(Arc::new(StringArray::from(vec![text.as_str()])), expected)).flatten().filter(is_finite)
            }
            Self::Text(text) => match expected {
                DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                    let bytes = hex::decode(text).ok()?;
                    cast(Arc::new(BinaryArray::from(vec![bytes.as_slice()])), expected)
                }
                _ if expected.is_decimal() && !decimals_fit(text, expected) => None,
                _ => cast(Arc::new(StringArray::from(vec![text.as_str()])), expected),
            },
        }
    }

    /// As one row of the type that the value has by itself.
    fn as_it_is(&self) -> Option<ArrayRef> {
        Some(match self {
            Self::Null => Arc::new(NullArray::new(1)),
            Self::Boolean(value) => Arc::new(BooleanArray::from(vec![*value])),
            Self::Text(text) => Arc::new(StringArray::from(vec![text.as_str()])),
            Self::Number(text) if text.contains(['.', 'e', 'E']) => {
                Arc::new(Float64Array::from(vec![text.parse::<f64>().ok().filter(|value| value.is_finite())?]))
            }
            Self::Number(text) => return whole(text),
        })
    }
}

/// A whole number in the narrowest of the wide types.
fn whole(text: &str) -> Option<ArrayRef> {
    if let Ok(value) = text.parse::<i64>() {
        return Some(Arc::new(Int64Array::from(vec![value])));
    }
    if let Ok(value) = text.parse::<u64>() {
        return Some(Arc::new(UInt64Array::from(vec![value])));
    }
    let digits = text.trim_start_matches('-').len();
    if digits <= 38 {
        let array = Decimal128Array::from(vec![text.parse::<i128>().ok()?]).with_precision_and_scale(38, 0).ok()?;
        return Some(Arc::new(array));
    }
    let value = (digits <= DIGITS_MAX).then(|| i256::from_string(text)).flatten()?;
    let array = Decimal256Array::from(vec![value]).with_precision_and_scale(76, 0).ok()?;
    Some(Arc::new(array))
}

/// Whether a number has a place in a decimal type without being rounded. One with an exponent is not looked into: a short one may mean a
/// million digits.
fn decimals_fit(text: &str, expected: &DataType) -> bool {
    let (DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale)) =
        expected
    else {
        return false;
    };
    let decimals = text.split_once('.').map_or("", |(_, decimals)| decimals).trim_end_matches('0').len();
    !text.contains(['e', 'E']) && *scale >= 0 && usize::try_from(*scale).is_ok_and(|scale| decimals <= scale)
}

fn cast(array: ArrayRef, to: &DataType) -> Option<ArrayRef> {
    const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };
    if !can_cast_types(array.data_type(), to) {
        return None;
    }
    cast_with_options(&array, to, &STRICT).ok().filter(|cast| cast.null_count() == 0)
}

/// A number that is too large for a narrow float became infinite.
fn is_finite(array: &ArrayRef) -> bool {
    if !array.data_type().is_floating() {
        return true;
    }
    let wide = cast(Arc::clone(array), &DataType::Float64);
    wide.is_some_and(|wide| wide.as_any().downcast_ref::<Float64Array>().is_some_and(|wide| wide.iter().flatten().all(f64::is_finite)))
}

/// The row of a question's parameters, of the types that the question expects.
///
/// # Errors
/// When there are more or fewer than expected, or one has no place in its type. The text says which, and not what was given.
pub(super) fn row(values: &[Value], expected: &[DataType]) -> Result<RecordBatch, Problem> {
    if values.len() != expected.len() {
        let detail = format!("bind parameters: the question has {} and {} were given; give a value for each", expected.len(), values.len());
        return Err(Problem::unprocessable(detail));
    }
    let mut fields = Vec::with_capacity(values.len());
    let mut columns = Vec::with_capacity(values.len());
    for (index, (value, expected)) in values.iter().zip(expected).enumerate() {
        let number = index + 1;
        let column = value.of_type(expected).ok_or_else(|| {
            Problem::unprocessable(format!("bind parameters: the value of ${number} cannot be taken as {expected}; give one that can"))
        })?;
        fields.push(Field::new(format!("${number}"), column.data_type().clone(), true));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|_| Fault::new(ErrorKind::Internal, "bind parameters: they make no row; this is a defect of the program").into())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array as _, AsArray as _};
    use arrow::datatypes::{Decimal128Type, Int64Type, TimeUnit};
    use arrow::util::display::array_value_to_string;

    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(text.to_owned())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    /// The type and the value that come of it.
    fn taken(value: &Value, expected: &DataType) -> Option<(DataType, String)> {
        let batch = row(std::slice::from_ref(value), std::slice::from_ref(expected)).ok()?;
        assert_eq!((batch.num_rows(), batch.schema().field(0).name().as_str()), (1, "$1"));
        let column = batch.column(0);
        let shown = if column.is_null(0) { "NULL".to_owned() } else { array_value_to_string(column, 0).unwrap() };
        Some((column.data_type().clone(), shown))
    }

    #[test]
    fn without_an_expected_type_a_value_has_its_own() {
        let expect = |value: &Value, kind: DataType, shown: &str| {
            assert_eq!(taken(value, &DataType::Null), Some((kind, shown.to_owned())), "{value:?}");
        };
        expect(&Value::Boolean(true), DataType::Boolean, "true");
        expect(&text("a"), DataType::Utf8, "a");
        expect(&number("9223372036854775807"), DataType::Int64, "9223372036854775807");
        expect(&number("-9223372036854775808"), DataType::Int64, "-9223372036854775808");
        expect(&number("9223372036854775808"), DataType::UInt64, "9223372036854775808");
        expect(&number("18446744073709551616"), DataType::Decimal128(38, 0), "18446744073709551616");
        expect(&number(&"9".repeat(39)), DataType::Decimal256(76, 0), &"9".repeat(39));
        expect(&number(&format!("-{}", "9".repeat(76))), DataType::Decimal256(76, 0), &format!("-{}", "9".repeat(76)));
        expect(&number("0.5"), DataType::Float64, "0.5");
        expect(&number("1e2"), DataType::Float64, "100.0");
        assert_eq!(taken(&Value::Null, &DataType::Null).unwrap().0, DataType::Null);
        for none in [&"9".repeat(77), "1e400", "-1e400"] {
            assert_eq!(taken(&number(none), &DataType::Null), None, "{none}");
        }
    }

    #[test]
    fn a_value_becomes_what_is_expected_and_never_another_value() {
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let taken_as = [
            (number("12"), DataType::Int16, "12"),
            (number("12.30"), DataType::Decimal128(10, 2), "12.30"),
            (number("12.3000"), DataType::Decimal128(10, 2), "12.30"),
            (text("12.34"), DataType::Decimal128(10, 2), "12.34"),
            (number("0.1"), DataType::Float32, "0.1"),
            (text("2013-07-01"), DataType::Date32, "2013-07-01"),
            (text("2013-07-01T12:00:00Z"), timestamp.clone(), "2013-07-01T12:00:00Z"),
            (text("00ff"), DataType::Binary, "00ff"),
            (text("ü"), DataType::Utf8View, "ü"),
            (Value::Null, DataType::Date32, "NULL"),
            (Value::Boolean(false), DataType::Boolean, "false"),
        ];
        for (value, expected, shown) in taken_as {
            assert_eq!(taken(&value, &expected), Some((expected.clone(), shown.to_owned())), "{value:?} as {expected}");
        }
        let refused = [
            (number("1.5"), DataType::Int64),
            (number("128"), DataType::Int8),
            (number("-1"), DataType::UInt8),
            (number("12.345"), DataType::Decimal128(10, 2)),
            (text("12.345"), DataType::Decimal128(10, 2)),
            (number("1e9999999"), DataType::Decimal128(10, 2)),
            (number("123456789"), DataType::Decimal128(10, 2)),
            (number("1e39"), DataType::Float32),
            (number("1e400"), DataType::Float64),
            (number("5"), DataType::Utf8),
            (number("5"), DataType::Date32),
            (number("1"), DataType::Boolean),
            (Value::Boolean(true), DataType::Int64),
            (text("yesterday"), DataType::Date32),
            (text("0g"), DataType::Binary),
            (text("00"), DataType::FixedSizeBinary(2)),
            (text("12 "), timestamp),
        ];
        for (value, expected) in refused {
            assert_eq!(taken(&value, &expected), None, "{value:?} as {expected}");
        }
    }

    #[test]
    fn there_are_as_many_as_are_expected() {
        let two = row(&[number("1"), number("2.5")], &[DataType::Int64, DataType::Decimal128(3, 1)]).unwrap();
        assert_eq!(two.column(0).as_primitive::<Int64Type>().value(0), 1);
        assert_eq!(two.column(1).as_primitive::<Decimal128Type>().value(0), 25);
        assert!(row(&[number("1")], &[]).is_err());
        assert!(row(&[], &[DataType::Int64]).is_err());
        assert_eq!(row(&[], &[]).unwrap().num_rows(), 1);
    }
}
