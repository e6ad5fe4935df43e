//! Arrow arrays from typed sources: taken as they are, or cast where no value changes; every other value is a fault.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, PrimitiveArray,
    StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;
use bytes::Bytes;
use polder_types::limit::FIELD_MAX_BYTES;

use crate::admitted::Rule;
use crate::column::ColumnType;
use crate::gate::faults::Faults;
use crate::gate::plan::Plan;
use crate::gate::text::{self, Limits};
use crate::parse::calendar::{self, MICROS_PER_DAY};
use crate::parse::number::power_of_ten;
use crate::raw::{CellKind, TextColumn, TextColumnBuilder};

const MILLIS_PER_DAY: i64 = 86_400_000;
/// Largest whole number below which every one is a double.
const EXACT_F64: i128 = 1 << 53;
/// The same for single precision.
const EXACT_F32: i128 = 1 << 24;

/// Checks a column that comes as an Arrow array.
///
/// # Errors
/// When Arrow refuses to build the array, which these checks rule out.
pub fn check(plan: &Plan, array: &ArrayRef, faults: &mut Faults) -> Result<ArrayRef, ArrowError> {
    // Encodings are unpacked first; they hold the same values.
    let array = match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values)?,
        DataType::LargeUtf8 | DataType::Utf8View => cast(array, &DataType::Utf8)?,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => cast(array, &DataType::Binary)?,
        _ => Arc::clone(array),
    };
    match (array.data_type(), plan.column.ty) {
        (DataType::Utf8, ColumnType::String) => own_strings(plan, &array, faults),
        (DataType::Utf8 | DataType::Binary, _) => text::check(plan, &as_text(&array), faults),
        (DataType::Boolean, ColumnType::Boolean) => {
            nulls(plan, &array, faults);
            Ok(array)
        }
        (DataType::Float64, ColumnType::Float64) => {
            let values = array.as_primitive::<Float64Type>();
            nulls(plan, &array, faults);
            each(values, |row, value| fault(plan, row, plan.check_float(value), faults));
            Ok(array)
        }
        (DataType::Float32, ColumnType::Float32) => {
            let values = array.as_primitive::<Float32Type>();
            nulls(plan, &array, faults);
            each(values, |row, value| fault(plan, row, plan.check_float(f64::from(value)), faults));
            Ok(array)
        }
        (DataType::Float32, ColumnType::Float64) => {
            let wide = Float64Array::from_iter(array.as_primitive::<Float32Type>().iter().map(|value| value.map(f64::from)));
            check(plan, &(Arc::new(wide) as ArrayRef), faults)
        }
        (DataType::Float64, ColumnType::Float32) => narrow_floats(plan, &array, faults),
        (_, ColumnType::String | ColumnType::Boolean) => Ok(refuse(plan, &array, faults)),
        _ => whole(plan, &array, faults),
    }
}

/// Calls `visit` for every value that is there.
#[inline]
fn each<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, mut visit: impl FnMut(usize, T::Native)) {
    match values.nulls() {
        None => values.values().iter().enumerate().for_each(|(row, value)| visit(row, *value)),
        Some(_) => values.iter().enumerate().for_each(|(row, value)| {
            if let Some(value) = value {
                visit(row, value);
            }
        }),
    }
}

#[inline]
fn fault(plan: &Plan, row: usize, checked: Result<(), Rule>, faults: &mut Faults) {
    if let Err(rule) = checked {
        faults.add(row, Some(plan.place), rule);
    }
}

/// Marks nulls where the column takes none.
fn nulls(plan: &Plan, array: &ArrayRef, faults: &mut Faults) {
    if plan.null_rule.is_some()
        && array.null_count() > 0
        && let Some(mask) = array.logical_nulls()
    {
        (0..array.len()).filter(|row| mask.is_null(*row)).for_each(|row| text::null(plan, row, faults));
    }
}

/// No value of this type fits the column.
fn refuse(plan: &Plan, array: &ArrayRef, faults: &mut Faults) -> ArrayRef {
    nulls(plan, array, faults);
    let mask = array.logical_nulls();
    for row in 0..array.len() {
        if mask.as_ref().is_none_or(|mask| mask.is_valid(row)) {
            faults.add(row, Some(plan.place), Rule::Type);
        }
    }
    arrow::array::new_null_array(&plan.column.ty.arrow(), array.len())
}

fn own_strings(plan: &Plan, array: &ArrayRef, faults: &mut Faults) -> Result<ArrayRef, ArrowError> {
    let strings = array.as_string::<i32>();
    nulls(plan, array, faults);
    let too_long = |row: usize| usize::try_from(strings.value_length(row)).is_ok_and(|len| len > FIELD_MAX_BYTES);
    if strings.value_data().len() > FIELD_MAX_BYTES {
        (0..strings.len()).filter(|row| too_long(*row)).for_each(|row| faults.add(row, Some(plan.place), Rule::TooLong));
    }
    text::check_strings(plan, strings, faults);
    Ok(Arc::clone(array))
}

/// Texts and bytes of a typed source, as cells: they hold a number or a date only where the contract says so, and UTF-8 is checked.
fn as_text(array: &ArrayRef) -> TextColumn {
    let rows = array.len();
    let mut builder = TextColumnBuilder::new(Bytes::new(), rows);
    let mut push = |value: Option<&[u8]>| match value {
        Some(bytes) if bytes.len() <= FIELD_MAX_BYTES => builder.push_bytes(bytes, CellKind::String),
        Some(_) => builder.push_too_long(),
        None => builder.push_null(),
    };
    if let Some(strings) = array.as_string_opt::<i32>() {
        strings.iter().for_each(|value| push(value.map(str::as_bytes)));
    } else if let Some(binary) = array.as_binary_opt::<i32>() {
        binary.iter().for_each(push);
    }
    builder.finish()
}

fn narrow_floats(plan: &Plan, array: &ArrayRef, faults: &mut Faults) -> Result<ArrayRef, ArrowError> {
    nulls(plan, array, faults);
    let mut narrow = Vec::with_capacity(array.len());
    for (row, value) in array.as_primitive::<Float64Type>().iter().enumerate() {
        #[allow(clippy::cast_possible_truncation, reason = "the next line refuses what this changed")]
        let single = value.map(|value| value as f32);
        if let (Some(value), Some(single)) = (value, single) {
            let same = f64::from(single) == value || (single.is_nan() && value.is_nan());
            let checked = if same { plan.check_float(value) } else { Err(Rule::Precision) };
            fault(plan, row, checked, faults);
        }
        narrow.push(single);
    }
    Ok(Arc::new(Float32Array::from(narrow)))
}

/// Everything whose values are whole numbers of a unit: integers, decimals, dates, times. One value at a time through 128 bits; the
/// commonest cases, where source and column have one type, keep the array.
fn whole(plan: &Plan, array: &ArrayRef, faults: &mut Faults) -> Result<ArrayRef, ArrowError> {
    let ty = plan.column.ty;
    let Some(source) = Source::of(array.data_type(), ty, plan) else { return Ok(refuse(plan, array, faults)) };
    nulls(plan, array, faults);
    let (min, max) = plan.whole_bounds();
    let limits = Limits::<i128>::new(min, max, plan.column.multiple_of);
    let same = *array.data_type() == ty.arrow();
    let mut values: Vec<Option<i128>> = if same { Vec::new() } else { vec![None; array.len()] };
    let mut visit = |row: usize, value: i128| match source.convert(value, plan).and_then(|value| {
        type_range(ty, value)?;
        plan.check_valid(limits.check(value)?)
    }) {
        Ok(value) => {
            if let Some(slot) = values.get_mut(row) {
                *slot = Some(value);
            }
        }
        Err(rule) => faults.add(row, Some(plan.place), rule),
    };
    visit_whole(array, &mut visit);
    if same {
        return Ok(Arc::clone(array));
    }
    build(ty, &values)
}

/// How a source's whole numbers become the column's.
#[derive(Debug, Clone, Copy)]
enum Source {
    Same,
    /// Multiply by ten to this power.
    Up(u8),
    /// Divide by ten to this power, without remainder.
    Down(u8),
    /// Days from milliseconds.
    Days,
    /// Multiply.
    Times(i128),
    /// Divide, without remainder.
    Over(i128),
    /// A wall clock that the contract's default zone makes a moment, after scaling.
    Clock {
        times: i128,
        over: i128,
    },
}

impl Source {
    /// None where the types have nothing in common.
    fn of(from: &DataType, to: ColumnType, plan: &Plan) -> Option<Self> {
        let scale_of = |scale: i8, wanted: u8| {
            let wanted = i16::from(wanted);
            let steps = wanted - i16::from(scale);
            u8::try_from(steps.unsigned_abs()).ok().map(|steps_up| if steps >= 0 { Self::Up(steps_up) } else { Self::Down(steps_up) })
        };
        let integer = from.is_integer();
        match (from, to) {
            (_, ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64) if integer => Some(Self::Same),
            (_, ColumnType::Float32 | ColumnType::Float64) if integer => Some(Self::Same),
            (_, ColumnType::Decimal { scale, .. }) if integer => Some(Self::Up(scale)),
            (DataType::Decimal32(_, s) | DataType::Decimal64(_, s) | DataType::Decimal128(_, s), ColumnType::Decimal { scale, .. }) => {
                scale_of(*s, scale)
            }
            // Integers of some databases come as decimals without places.
            (
                DataType::Decimal32(_, s) | DataType::Decimal64(_, s) | DataType::Decimal128(_, s),
                ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64,
            ) => scale_of(*s, 0),
            (DataType::Date32, ColumnType::Date) => Some(Self::Same),
            (DataType::Date64, ColumnType::Date) => Some(Self::Days),
            (DataType::Timestamp(unit, source_zone), ColumnType::Timestamp { zone }) => {
                let (times, over) = match unit {
                    TimeUnit::Second => (1_000_000, 1),
                    TimeUnit::Millisecond => (1_000, 1),
                    TimeUnit::Microsecond => (1, 1),
                    TimeUnit::Nanosecond => (1, 1_000),
                };
                match (source_zone.is_some(), zone) {
                    (true, true) | (false, false) if over > 1 => Some(Self::Over(over)),
                    (true, true) | (false, false) => Some(Self::Times(times)),
                    (false, true) if plan.time.as_ref().is_some_and(crate::time::TimeReader::has_default_zone) => {
                        Some(Self::Clock { times, over })
                    }
                    _ => None,
                }
            }
            (DataType::Time32(TimeUnit::Second), ColumnType::Time) => Some(Self::Times(1_000_000)),
            (DataType::Time32(TimeUnit::Millisecond), ColumnType::Time) => Some(Self::Times(1_000)),
            (DataType::Time64(TimeUnit::Microsecond), ColumnType::Time) => Some(Self::Same),
            (DataType::Time64(TimeUnit::Nanosecond), ColumnType::Time) => Some(Self::Over(1_000)),
            _ => None,
        }
    }

    #[inline]
    fn convert(self, value: i128, plan: &Plan) -> Result<i128, Rule> {
        let exactly = |value: i128, over: i128| if value % over == 0 { Ok(value / over) } else { Err(Rule::Precision) };
        match self {
            Self::Same => Ok(value),
            Self::Up(steps) => value.checked_mul(power_of_ten(steps)).ok_or(Rule::TypeRange),
            Self::Down(steps) => exactly(value, power_of_ten(steps)),
            Self::Days => exactly(value, i128::from(MILLIS_PER_DAY)),
            Self::Times(by) => value.checked_mul(by).ok_or(Rule::TypeRange),
            Self::Over(by) => exactly(value, by),
            Self::Clock { times, over } => {
                let local = exactly(value.checked_mul(times).ok_or(Rule::TypeRange)?, over)?;
                let reader = plan.time.as_ref().ok_or(Rule::Zone)?;
                reader.in_default_zone(i64::try_from(local).map_err(|_| Rule::TypeRange)?).map(i128::from)
            }
        }
    }
}

/// Whether the column's type holds a whole number.
#[inline]
fn type_range(ty: ColumnType, value: i128) -> Result<(), Rule> {
    let (fits, rule) = match ty {
        ColumnType::Int8 => (i8::try_from(value).is_ok(), Rule::TypeRange),
        ColumnType::Int16 => (i16::try_from(value).is_ok(), Rule::TypeRange),
        ColumnType::Int32 => (i32::try_from(value).is_ok(), Rule::TypeRange),
        ColumnType::Int64 => (i64::try_from(value).is_ok(), Rule::TypeRange),
        ColumnType::Date => (i64::try_from(value).is_ok_and(|days| calendar::DAYS.contains(&days)), Rule::TypeRange),
        ColumnType::Timestamp { .. } => (i64::try_from(value).is_ok_and(|micros| calendar::in_range(micros).is_ok()), Rule::TypeRange),
        ColumnType::Decimal { precision, .. } => (value.unsigned_abs() < power_of_ten(precision).unsigned_abs(), Rule::TypeRange),
        ColumnType::Float64 => (value.unsigned_abs() <= EXACT_F64.unsigned_abs(), Rule::Precision),
        ColumnType::Float32 => (value.unsigned_abs() <= EXACT_F32.unsigned_abs(), Rule::Precision),
        ColumnType::Time => ((0..i128::from(MICROS_PER_DAY)).contains(&value), Rule::TypeRange),
        ColumnType::String | ColumnType::Boolean => (false, Rule::Type),
    };
    if fits { Ok(()) } else { Err(rule) }
}

fn visit_whole(array: &ArrayRef, visit: &mut impl FnMut(usize, i128)) {
    macro_rules! each_of {
        ($ty:ty) => {
            each(array.as_primitive::<$ty>(), |row, value| visit(row, i128::from(value)))
        };
    }
    match array.data_type() {
        DataType::Int8 => each_of!(Int8Type),
        DataType::Int16 => each_of!(Int16Type),
        DataType::Int32 => each_of!(Int32Type),
        DataType::Int64 => each_of!(Int64Type),
        DataType::UInt8 => each_of!(UInt8Type),
        DataType::UInt16 => each_of!(UInt16Type),
        DataType::UInt32 => each_of!(UInt32Type),
        DataType::UInt64 => each_of!(UInt64Type),
        DataType::Decimal32(..) => each_of!(Decimal32Type),
        DataType::Decimal64(..) => each_of!(Decimal64Type),
        DataType::Decimal128(..) => each_of!(Decimal128Type),
        DataType::Date32 => each_of!(Date32Type),
        DataType::Date64 => each_of!(Date64Type),
        DataType::Timestamp(TimeUnit::Second, _) => each_of!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => each_of!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => each_of!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => each_of!(TimestampNanosecondType),
        DataType::Time32(TimeUnit::Second) => each_of!(Time32SecondType),
        DataType::Time32(_) => each_of!(Time32MillisecondType),
        DataType::Time64(TimeUnit::Microsecond) => each_of!(Time64MicrosecondType),
        DataType::Time64(_) => each_of!(Time64NanosecondType),
        // `Source::of` lets nothing else through.
        _ => {}
    }
}

/// Checked values in the column's Arrow type.
fn build(ty: ColumnType, values: &[Option<i128>]) -> Result<ArrayRef, ArrowError> {
    fn narrow<T: TryFrom<i128>>(values: &[Option<i128>]) -> impl Iterator<Item = Option<T>> + '_ {
        values.iter().map(|value| value.and_then(|value| T::try_from(value).ok()))
    }
    Ok(match ty {
        ColumnType::Int8 => Arc::new(PrimitiveArray::<Int8Type>::from_iter(narrow::<i8>(values))),
        ColumnType::Int16 => Arc::new(PrimitiveArray::<Int16Type>::from_iter(narrow::<i16>(values))),
        ColumnType::Int32 => Arc::new(PrimitiveArray::<Int32Type>::from_iter(narrow::<i32>(values))),
        ColumnType::Int64 => Arc::new(PrimitiveArray::<Int64Type>::from_iter(narrow::<i64>(values))),
        ColumnType::Decimal { precision, scale } => {
            let array = Decimal128Array::from_iter(values.iter().copied());
            Arc::new(array.with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(0))?)
        }
        ColumnType::Date => Arc::new(Date32Array::from_iter(narrow::<i32>(values))),
        ColumnType::Timestamp { zone } => {
            let array = TimestampMicrosecondArray::from_iter(narrow::<i64>(values));
            if zone { Arc::new(array.with_timezone("UTC")) } else { Arc::new(array) }
        }
        ColumnType::Time => {
            let micros: Vec<i64> = narrow::<i64>(values).map(Option::unwrap_or_default).collect();
            let mask = arrow::buffer::NullBuffer::from_iter(values.iter().map(Option::is_some));
            Arc::new(text::times(&micros, Some(mask))?)
        }
        #[allow(clippy::cast_precision_loss, reason = "type_range let only exact values through")]
        ColumnType::Float64 => Arc::new(Float64Array::from_iter(values.iter().map(|value| value.map(|value| value as f64)))),
        #[allow(clippy::cast_precision_loss, reason = "type_range let only exact values through")]
        ColumnType::Float32 => Arc::new(Float32Array::from_iter(values.iter().map(|value| value.map(|value| value as f32)))),
        // `whole` is not called for these.
        ColumnType::String => Arc::new(StringArray::new_null(values.len())),
        ColumnType::Boolean => Arc::new(BooleanArray::new_null(values.len())),
    })
}
