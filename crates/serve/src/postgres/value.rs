//! One value of a column, as PostgreSQL understands it.

use arrow::array::{Array, ArrayRef, AsArray, RunArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use polder_types::ErrorKind;

use crate::fault::Fault;
use crate::postgres::error::defect;
use crate::postgres::json;
use crate::postgres::types::PgType;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL begins to count.
pub const EPOCH_DAYS: i64 = 10_957;
/// Microseconds of a day.
pub const DAY_MICROS: i64 = 86_400_000_000;
/// The first and the last day that PostgreSQL knows: 4714-11-24 BC and 5874897-12-31, from 1970-01-01.
pub const DATES: std::ops::RangeInclusive<i64> = -2_440_588..=2_145_042_905;
/// The first microsecond that PostgreSQL knows, from 1970-01-01. Its last is after the last of Arrow's.
const FIRST_MICROS: i64 = -2_440_588 * DAY_MICROS;

/// A value.
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Float4(f32),
    Float8(f64),
    /// The digits with their sign, and how many of them are decimals (negative: zeros that follow).
    Numeric(String, i8),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Days from 1970-01-01; the greatest and the least of 32 bits are infinity.
    Date(i64),
    /// Microseconds from midnight.
    Time(i64),
    /// Microseconds from 1970-01-01; the greatest and the least of 64 bits are infinity.
    Timestamp {
        micros: i64,
        zoned: bool,
    },
    Interval {
        months: i32,
        days: i32,
        micros: i64,
    },
    Array(ArrayRef),
    Json(String),
}

fn get<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> Result<T::Native, Fault> {
    // `row` is one of the array's: whoever calls asked for its NULL before.
    array.as_primitive_opt::<T>().map(|array| array.value(row)).ok_or_else(|| defect("a column is of another type than its own"))
}

fn out_of_range(what: &str) -> Fault {
    Fault::new(ErrorKind::Invalid, format!("write the answer: a {what} is outside of what the PostgreSQL wire can carry; cast it to text"))
        .with_sqlstate("22008")
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// The same in microseconds, less what is below one.
fn micros(count: i64, unit: TimeUnit, what: &str) -> Result<i64, Fault> {
    let scale = per_second(unit);
    if scale <= 1_000_000 {
        count.checked_mul(1_000_000 / scale).ok_or_else(|| out_of_range(what))
    } else {
        Ok(count.div_euclid(scale / 1_000_000))
    }
}

fn timestamp(array: &dyn Array, row: usize, unit: TimeUnit, zoned: bool) -> Result<Value<'static>, Fault> {
    let count = match unit {
        TimeUnit::Second => get::<TimestampSecondType>(array, row)?,
        TimeUnit::Millisecond => get::<TimestampMillisecondType>(array, row)?,
        TimeUnit::Microsecond => get::<TimestampMicrosecondType>(array, row)?,
        TimeUnit::Nanosecond => get::<TimestampNanosecondType>(array, row)?,
    };
    if unit == TimeUnit::Microsecond && (count == i64::MAX || count == i64::MIN) {
        return Ok(Value::Timestamp { micros: count, zoned });
    }
    let micros = micros(count, unit, "time stamp")?;
    if micros >= FIRST_MICROS { Ok(Value::Timestamp { micros, zoned }) } else { Err(out_of_range("time stamp")) }
}

fn date(days: i64) -> Result<Value<'static>, Fault> {
    let infinite = days == i64::from(i32::MAX) || days == i64::from(i32::MIN);
    if infinite || DATES.contains(&days) { Ok(Value::Date(days)) } else { Err(out_of_range("date")) }
}

/// The value of a run or of a key, which stands in another array.
fn behind(array: &dyn Array, row: usize) -> Result<Value<'_>, Fault> {
    macro_rules! look {
        ($($key:ty),*; $($end:ty),*) => {
            $(if let Some(dictionary) = array.as_dictionary_opt::<$key>() {
                return dictionary.key(row).map_or(Ok(Value::Null), |key| value(dictionary.values().as_ref(), key));
            })*
            $(if let Some(runs) = array.as_any().downcast_ref::<RunArray<$end>>() {
                return value(runs.values().as_ref(), runs.get_physical_index(row));
            })*
        };
    }
    look!(Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type; Int16Type, Int32Type, Int64Type);
    Err(defect("a column has keys of an unknown type"))
}

/// A column without keys and runs, which cost more value by value.
///
/// # Errors
/// When it cannot be laid out.
pub fn plain(array: &ArrayRef) -> Result<ArrayRef, Fault> {
    let values = match array.data_type() {
        DataType::Dictionary(_, values) => values.as_ref(),
        DataType::RunEndEncoded(_, values) => values.data_type(),
        _ => return Ok(ArrayRef::clone(array)),
    };
    let laid = arrow::compute::cast(array, values).map_err(|_| defect("a column of keys cannot be laid out"))?;
    plain(&laid)
}

/// The value of a row.
///
/// # Errors
/// When PostgreSQL has no such value: dates and times out of its range.
pub fn value(array: &dyn Array, row: usize) -> Result<Value<'_>, Fault> {
    if row >= array.len() || array.is_null(row) {
        return Ok(Value::Null);
    }
    let lost = || defect("a column is of another type than its own");
    Ok(match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(array.as_boolean_opt().ok_or_else(lost)?.value(row)),
        DataType::Int8 => Value::Int2(get::<Int8Type>(array, row)?.into()),
        DataType::UInt8 => Value::Int2(get::<UInt8Type>(array, row)?.into()),
        DataType::Int16 => Value::Int2(get::<Int16Type>(array, row)?),
        DataType::UInt16 => Value::Int4(get::<UInt16Type>(array, row)?.into()),
        DataType::Int32 => Value::Int4(get::<Int32Type>(array, row)?),
        DataType::UInt32 => Value::Int8(get::<UInt32Type>(array, row)?.into()),
        DataType::Int64 => Value::Int8(get::<Int64Type>(array, row)?),
        DataType::UInt64 => Value::Numeric(get::<UInt64Type>(array, row)?.to_string(), 0),
        DataType::Float16 => Value::Float4(get::<Float16Type>(array, row)?.to_f32()),
        DataType::Float32 => Value::Float4(get::<Float32Type>(array, row)?),
        DataType::Float64 => Value::Float8(get::<Float64Type>(array, row)?),
        DataType::Decimal32(_, scale) => Value::Numeric(get::<Decimal32Type>(array, row)?.to_string(), *scale),
        DataType::Decimal64(_, scale) => Value::Numeric(get::<Decimal64Type>(array, row)?.to_string(), *scale),
        DataType::Decimal128(_, scale) => Value::Numeric(get::<Decimal128Type>(array, row)?.to_string(), *scale),
        DataType::Decimal256(_, scale) => Value::Numeric(get::<Decimal256Type>(array, row)?.to_string(), *scale),
        DataType::Utf8 => Value::Text(array.as_string_opt::<i32>().ok_or_else(lost)?.value(row)),
        DataType::LargeUtf8 => Value::Text(array.as_string_opt::<i64>().ok_or_else(lost)?.value(row)),
        DataType::Utf8View => Value::Text(array.as_string_view_opt().ok_or_else(lost)?.value(row)),
        DataType::Binary => Value::Bytes(array.as_binary_opt::<i32>().ok_or_else(lost)?.value(row)),
        DataType::LargeBinary => Value::Bytes(array.as_binary_opt::<i64>().ok_or_else(lost)?.value(row)),
        DataType::BinaryView => Value::Bytes(array.as_binary_view_opt().ok_or_else(lost)?.value(row)),
        DataType::FixedSizeBinary(_) => Value::Bytes(array.as_fixed_size_binary_opt().ok_or_else(lost)?.value(row)),
        DataType::Date32 => date(get::<Date32Type>(array, row)?.into())?,
        DataType::Date64 => date(get::<Date64Type>(array, row)?.div_euclid(86_400_000))?,
        DataType::Time32(TimeUnit::Second) => Value::Time(i64::from(get::<Time32SecondType>(array, row)?) * 1_000_000),
        DataType::Time32(_) => Value::Time(i64::from(get::<Time32MillisecondType>(array, row)?) * 1_000),
        DataType::Time64(TimeUnit::Microsecond) => Value::Time(get::<Time64MicrosecondType>(array, row)?),
        DataType::Time64(_) => Value::Time(get::<Time64NanosecondType>(array, row)?.div_euclid(1_000)),
        DataType::Timestamp(unit, zone) => timestamp(array, row, *unit, zone.is_some())?,
        DataType::Interval(IntervalUnit::YearMonth) => {
            Value::Interval { months: get::<IntervalYearMonthType>(array, row)?, days: 0, micros: 0 }
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            let interval = get::<IntervalDayTimeType>(array, row)?;
            Value::Interval { months: 0, days: interval.days, micros: i64::from(interval.milliseconds) * 1_000 }
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let interval = get::<IntervalMonthDayNanoType>(array, row)?;
            Value::Interval { months: interval.months, days: interval.days, micros: interval.nanoseconds / 1_000 }
        }
        DataType::Duration(unit) => {
            let count = match unit {
                TimeUnit::Second => get::<DurationSecondType>(array, row)?,
                TimeUnit::Millisecond => get::<DurationMillisecondType>(array, row)?,
                TimeUnit::Microsecond => get::<DurationMicrosecondType>(array, row)?,
                TimeUnit::Nanosecond => get::<DurationNanosecondType>(array, row)?,
            };
            Value::Interval { months: 0, days: 0, micros: micros(count, *unit, "duration")? }
        }
        DataType::Dictionary(..) | DataType::RunEndEncoded(..) => behind(array, row)?,
        data_type if PgType::of(data_type).array => Value::Array(items(array, row).ok_or_else(lost)?),
        _ => Value::Json(json::of(array, row)?),
    })
}

/// The items of a list's row.
pub fn items(array: &dyn Array, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list_opt::<i32>()?.value(row)),
        DataType::LargeList(_) => Some(array.as_list_opt::<i64>()?.value(row)),
        DataType::ListView(_) => Some(array.as_list_view_opt::<i32>()?.value(row)),
        DataType::LargeListView(_) => Some(array.as_list_view_opt::<i64>()?.value(row)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list_opt()?.value(row)),
        _ => None,
    }
}
