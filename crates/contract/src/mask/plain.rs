//! The text of a value, the same whatever its source: what pseudonyms and encryption work on.

use std::fmt::Write;

use arrow::array::cast::AsArray;
use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow::array::{Array, ArrayRef};

use crate::column::ColumnType;
use crate::parse::calendar::{MICROS_PER_DAY, write_date, write_time};

/// Calls `visit` with the text of each value of an array that the gate checked; nulls are passed over.
pub fn each_text<E>(array: &ArrayRef, ty: ColumnType, mut visit: impl FnMut(usize, &str) -> Result<(), E>) -> Result<(), E> {
    let mut text = String::new();
    let mut with = |row: usize, write: &dyn Fn(&mut String)| {
        text.clear();
        write(&mut text);
        visit(row, &text)
    };
    // Writing to a text does not fail.
    macro_rules! numbers {
        ($ty:ty) => {
            each::<$ty, E>(array, |row, value| {
                with(row, &|out| {
                    let _ = write!(out, "{value}");
                })
            })
        };
    }
    match ty {
        ColumnType::String | ColumnType::Time => {
            let strings = array.as_string::<i32>();
            (0..strings.len()).filter(|row| strings.is_valid(*row)).try_for_each(|row| visit(row, strings.value(row)))
        }
        ColumnType::Boolean => {
            let flags = array.as_boolean();
            (0..flags.len())
                .filter(|row| flags.is_valid(*row))
                .try_for_each(|row| visit(row, if flags.value(row) { "true" } else { "false" }))
        }
        ColumnType::Int8 => numbers!(Int8Type),
        ColumnType::Int16 => numbers!(Int16Type),
        ColumnType::Int32 => numbers!(Int32Type),
        ColumnType::Int64 => numbers!(Int64Type),
        ColumnType::Float32 => numbers!(Float32Type),
        ColumnType::Float64 => numbers!(Float64Type),
        ColumnType::Decimal { scale, .. } => each::<Decimal128Type, E>(array, |row, value| with(row, &|out| decimal(value, scale, out))),
        ColumnType::Date => each::<Date32Type, E>(array, |row, days| with(row, &|out| write_date(i64::from(days), out))),
        ColumnType::Timestamp { zone } => {
            each::<TimestampMicrosecondType, E>(array, |row, micros| with(row, &|out| moment(micros, zone, out)))
        }
    }
}

fn each<T: ArrowPrimitiveType, E>(array: &ArrayRef, mut visit: impl FnMut(usize, T::Native) -> Result<(), E>) -> Result<(), E> {
    let values = array.as_primitive::<T>();
    values.iter().enumerate().try_for_each(|(row, value)| value.map_or(Ok(()), |value| visit(row, value)))
}

/// Digits, with decimals only where they are not all zeros.
fn decimal(unscaled: i128, scale: u8, out: &mut String) {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(usize::from(scale)));
    if unscaled < 0 {
        out.push('-');
    }
    out.push_str(whole);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
}

fn moment(micros: i64, zone: bool, out: &mut String) {
    write_date(micros.div_euclid(MICROS_PER_DAY), out);
    out.push('T');
    let mut clock = Vec::new();
    write_time(micros.rem_euclid(MICROS_PER_DAY), &mut clock);
    out.push_str(std::str::from_utf8(&clock).unwrap_or_default());
    if zone {
        out.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    };

    use super::*;

    fn texts(array: ArrayRef, ty: ColumnType) -> Vec<String> {
        let mut texts = Vec::new();
        let Ok(()) = each_text::<Infallible>(&array, ty, |row, text| {
            texts.push(format!("{row}:{text}"));
            Ok(())
        });
        texts
    }

    #[test]
    fn each_type_has_one_text() {
        assert_eq!(texts(Arc::new(StringArray::from(vec![Some(" a"), None, Some("")])), ColumnType::String), ["0: a", "2:"]);
        assert_eq!(texts(Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(7)])), ColumnType::Int64)[1], "2:7");
        assert_eq!(texts(Arc::new(Int8Array::from(vec![-1])), ColumnType::Int8), ["0:-1"]);
        assert_eq!(texts(Arc::new(BooleanArray::from(vec![Some(true), None])), ColumnType::Boolean), ["0:true"]);
        let decimals = Decimal128Array::from(vec![12_300, -5, 0, 100]).with_precision_and_scale(20, 2).unwrap();
        assert_eq!(texts(Arc::new(decimals), ColumnType::Decimal { precision: 20, scale: 2 }), ["0:123", "1:-0.05", "2:0", "3:1"]);
        let identifiers = Decimal128Array::from(vec![42]).with_precision_and_scale(20, 0).unwrap();
        assert_eq!(texts(Arc::new(identifiers), ColumnType::Decimal { precision: 20, scale: 0 }), ["0:42"]);
        assert_eq!(texts(Arc::new(Float64Array::from(vec![0.1, 1e21, -0.0])), ColumnType::Float64)[1], "1:1000000000000000000000");
        assert_eq!(texts(Arc::new(Float32Array::from(vec![0.1])), ColumnType::Float32), ["0:0.1"]);
        assert_eq!(
            texts(Arc::new(Date32Array::from(vec![-719_162, 0, 11_016])), ColumnType::Date),
            ["0:0001-01-01", "1:1970-01-01", "2:2000-02-29"]
        );
        let moments = TimestampMicrosecondArray::from(vec![-1, 0, 1_500_000]);
        assert_eq!(
            texts(Arc::new(moments), ColumnType::Timestamp { zone: false }),
            ["0:1969-12-31T23:59:59.999999", "1:1970-01-01T00:00:00", "2:1970-01-01T00:00:01.500000"]
        );
        let moments = TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC");
        assert_eq!(texts(Arc::new(moments), ColumnType::Timestamp { zone: true }), ["0:1970-01-01T00:00:00Z"]);
    }
}
