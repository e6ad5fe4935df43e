//! Text cells to Arrow arrays, one column at a time, without an allocation per cell.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, NullBufferBuilder, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;
use polder_types::limit::FIELD_MAX_BYTES;

use crate::admitted::Rule;
use crate::column::ColumnType;
use crate::gate::faults::Faults;
use crate::gate::plan::Plan;
use crate::parse::swar::Tail;
use crate::parse::{self, calendar, number};
use crate::raw::{Cell, CellKind, TextColumn};

/// Bytes of a short text that are copied at once.
const CHUNK: usize = 32;

/// What the column wants of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Text,
    Number,
    Bool,
}

/// A cell before its type.
enum Seen<'a> {
    Value(&'a [u8]),
    Null,
    Fault(Rule),
}

/// Checks a column of text cells. Rows that broke a rule hold a null or a default, and are marked.
///
/// # Errors
/// When Arrow refuses to build the array, which these checks rule out.
pub fn check(plan: &Plan, cells: &TextColumn, faults: &mut Faults) -> Result<ArrayRef, ArrowError> {
    let (min, max) = plan.whole_bounds();
    // The bounds of the type itself come first, so that a narrower integer is told apart from a contract's limit.
    match plan.column.ty {
        ColumnType::String => strings(plan, cells, faults),
        ColumnType::Boolean => Ok(booleans(plan, cells, faults)),
        ColumnType::Int64 => {
            let limits = Limits::<i64>::new(min, max, plan.column.multiple_of);
            let (values, nulls) =
                fixed(plan, cells, faults, Family::Number, |bytes, tail| valid(plan, limits.check(number::integer_of(bytes, tail)?)?));
            Ok(Arc::new(Int64Array::try_new(values.into(), nulls)?))
        }
        ColumnType::Int32 => {
            let limits = Limits::<i64>::new(min, max, plan.column.multiple_of);
            let (values, nulls) = fixed(plan, cells, faults, Family::Number, |bytes, tail| {
                let value = number::integer_of(bytes, tail)?;
                let narrow = i32::try_from(value).map_err(|_| Rule::TypeRange)?;
                valid(plan, limits.check(value)?).map(|_| narrow)
            });
            Ok(Arc::new(Int32Array::try_new(values.into(), nulls)?))
        }
        ColumnType::Int16 => {
            let limits = Limits::<i64>::new(min, max, plan.column.multiple_of);
            let (values, nulls) = fixed(plan, cells, faults, Family::Number, |bytes, tail| {
                let value = number::integer_of(bytes, tail)?;
                let narrow = i16::try_from(value).map_err(|_| Rule::TypeRange)?;
                valid(plan, limits.check(value)?).map(|_| narrow)
            });
            Ok(Arc::new(Int16Array::try_new(values.into(), nulls)?))
        }
        ColumnType::Int8 => {
            let limits = Limits::<i64>::new(min, max, plan.column.multiple_of);
            let (values, nulls) = fixed(plan, cells, faults, Family::Number, |bytes, tail| {
                let value = number::integer_of(bytes, tail)?;
                let narrow = i8::try_from(value).map_err(|_| Rule::TypeRange)?;
                valid(plan, limits.check(value)?).map(|_| narrow)
            });
            Ok(Arc::new(Int8Array::try_new(values.into(), nulls)?))
        }
        ColumnType::Decimal { precision, scale } if precision <= 18 => {
            let limits = Limits::<i64>::new(min, max, plan.column.multiple_of);
            let (values, nulls) = fixed(plan, cells, faults, Family::Number, |bytes, tail| {
                valid(plan, limits.check(number::decimal_of(bytes, tail, precision, scale)?)?).map(i128::from)
            });
            let array = Decimal128Array::try_new(values.into(), nulls)?;
            Ok(Arc::new(array.with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(0))?))
        }
        ColumnType::Decimal { precision, scale } => {
            let limits = Limits::<i128>::new(min, max, plan.column.multiple_of);
            let (values, nulls) = fixed(plan, cells, faults, Family::Number, |bytes, _| {
                plan.check_valid(limits.check(number::decimal(bytes, precision, scale)?)?)
            });
            let array = Decimal128Array::try_new(values.into(), nulls)?;
            Ok(Arc::new(array.with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(0))?))
        }
        ColumnType::Float64 => {
            let (values, nulls) = fixed(plan, cells, faults, Family::Number, |bytes, _| {
                let value = number::double(bytes).or_else(|rule| number::not_finite(bytes).ok_or(rule))?;
                plan.check_float(value).map(|()| value)
            });
            Ok(Arc::new(Float64Array::try_new(values.into(), nulls)?))
        }
        ColumnType::Float32 => {
            let (values, nulls) = fixed(plan, cells, faults, Family::Number, |bytes, _| {
                let value = match number::single(bytes) {
                    Ok(value) => value,
                    Err(rule) => narrow_non_finite(number::not_finite(bytes).ok_or(rule)?),
                };
                plan.check_float(f64::from(value)).map(|()| value)
            });
            Ok(Arc::new(Float32Array::try_new(values.into(), nulls)?))
        }
        ColumnType::Date => {
            let limits = Limits::<i64>::new(min, max, None);
            let plain = plan.column.format.is_none();
            let (values, nulls) = by_kind(plan, cells, faults, Family::Text, |bytes, tail, kind| {
                let days = if plain || kind == CellKind::Native {
                    calendar::date_of(bytes, tail)?
                } else {
                    i32::try_from(time(plan, bytes, kind)?).map_err(|_| Rule::TypeRange)?
                };
                limits.check(i64::from(days)).map(|_| days)
            });
            Ok(Arc::new(Date32Array::try_new(values.into(), nulls)?))
        }
        ColumnType::Timestamp { zone } => {
            let limits = Limits::<i64>::new(min, max, None);
            let (values, nulls) = by_kind(plan, cells, faults, Family::Text, |bytes, _, kind| limits.check(time(plan, bytes, kind)?));
            let array = TimestampMicrosecondArray::try_new(values.into(), nulls)?;
            Ok(Arc::new(if zone { array.with_timezone("UTC") } else { array }))
        }
        ColumnType::Time => {
            let limits = Limits::<i64>::new(min, max, None);
            let (values, nulls) = by_kind(plan, cells, faults, Family::Text, |bytes, _, kind| limits.check(time(plan, bytes, kind)?));
            Ok(Arc::new(times(&values, nulls)?))
        }
    }
}

/// Holds an integer to `validValues`.
#[inline]
fn valid(plan: &Plan, value: i64) -> Result<i64, Rule> {
    if plan.has_valid_whole() { plan.check_valid(i128::from(value)).map(|_| value) } else { Ok(value) }
}

/// Times of day in the text they are kept in.
pub fn times(micros: &[i64], nulls: Option<NullBuffer>) -> Result<StringArray, ArrowError> {
    let mut text = Vec::with_capacity(micros.len() * 8);
    let mut offsets = Vec::with_capacity(micros.len() + 1);
    offsets.push(0i32);
    for (row, value) in micros.iter().enumerate() {
        if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            calendar::write_time(*value, &mut text);
        }
        offsets.push(i32::try_from(text.len()).map_err(|_| ArrowError::OffsetOverflowError(text.len()))?);
    }
    StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(text), nulls)
}

/// Infinity and NaN keep their kind in single precision.
fn narrow_non_finite(value: f64) -> f32 {
    if value.is_nan() {
        f32::NAN
    } else if value > 0.0 {
        f32::INFINITY
    } else {
        f32::NEG_INFINITY
    }
}

#[inline]
fn time(plan: &Plan, bytes: &[u8], kind: CellKind) -> Result<i64, Rule> {
    plan.time.as_ref().map_or(Err(Rule::Type), |reader| match kind {
        CellKind::Native => reader.whole_of_native(bytes),
        _ => reader.whole(bytes),
    })
}

/// Bounds in the type that is compared.
#[derive(Debug, Clone, Copy)]
pub struct Limits<T> {
    min: T,
    max: T,
    multiple_of: Option<T>,
}

macro_rules! limits {
    ($ty:ty) => {
        impl Limits<$ty> {
            /// Bounds and multiple; a bound beyond the type bounds nothing, or everything.
            pub fn new(min: i128, max: i128, multiple_of: Option<i128>) -> Self {
                let clamp = |value: i128| <$ty>::try_from(value).unwrap_or(if value < 0 { <$ty>::MIN } else { <$ty>::MAX });
                Self { min: clamp(min), max: clamp(max), multiple_of: multiple_of.map(clamp) }
            }

            /// Holds a value to the bounds.
            #[inline]
            pub fn check(&self, value: $ty) -> Result<$ty, Rule> {
                if value < self.min {
                    return Err(Rule::Minimum);
                }
                if value > self.max {
                    return Err(Rule::Maximum);
                }
                match self.multiple_of {
                    Some(step) if value.checked_rem(step) != Some(0) => Err(Rule::MultipleOf),
                    _ => Ok(value),
                }
            }
        }
    };
}
limits!(i64);
limits!(i128);

/// What a cell is for a column of a family.
#[inline]
fn see<'a>(plan: &Plan, cell: Cell<'a>, family: Family) -> Seen<'a> {
    match cell.kind {
        CellKind::Text if plan.is_null_token(cell.bytes) => Seen::Null,
        CellKind::Text | CellKind::Quoted => Seen::Value(cell.bytes),
        other => see_json(plan, cell.bytes, other, family),
    }
}

fn see_json<'a>(plan: &Plan, bytes: &'a [u8], kind: CellKind, family: Family) -> Seen<'a> {
    match (kind, family) {
        (CellKind::Null, _) => Seen::Null,
        (CellKind::TooLong, _) => Seen::Fault(Rule::TooLong),
        (CellKind::Withheld, _) => Seen::Fault(Rule::Withheld),
        (CellKind::Number, Family::Number) | (CellKind::Bool, Family::Bool) | (CellKind::String | CellKind::Native, Family::Text) => {
            Seen::Value(bytes)
        }
        (CellKind::String, _) if plan.column.from_text => Seen::Value(bytes),
        _ => Seen::Fault(Rule::Type),
    }
}

/// A null, or the rule that it breaks.
#[inline]
pub fn null(plan: &Plan, row: usize, faults: &mut Faults) {
    if let Some(rule) = plan.null_rule {
        faults.add(row, Some(plan.place), rule);
    }
}

/// A column of values of fixed width. `parse` is given a cell and its last eight bytes.
#[inline]
fn fixed<T: Copy + Default>(
    plan: &Plan,
    cells: &TextColumn,
    faults: &mut Faults,
    family: Family,
    parse: impl Fn(&[u8], Tail) -> Result<T, Rule>,
) -> (Vec<T>, Option<NullBuffer>) {
    by_kind(plan, cells, faults, family, |bytes, tail, _| parse(bytes, tail))
}

/// As [`fixed`], where it also matters of which kind a cell is.
#[inline]
fn by_kind<T: Copy + Default>(
    plan: &Plan,
    cells: &TextColumn,
    faults: &mut Faults,
    family: Family,
    parse: impl Fn(&[u8], Tail, CellKind) -> Result<T, Rule>,
) -> (Vec<T>, Option<NullBuffer>) {
    let mut values = vec![T::default(); cells.len()];
    let mut nulls = Nulls::new(cells.len());
    for (row, (slot, (cell, tail))) in values.iter_mut().zip(cells.iter_with_tails()).enumerate() {
        let rule = match see(plan, cell, family) {
            Seen::Value(bytes) => match parse(bytes, tail, cell.kind) {
                Ok(value) => {
                    *slot = value;
                    nulls.valid();
                    continue;
                }
                Err(rule) => Some(rule),
            },
            Seen::Null => None,
            Seen::Fault(rule) => Some(rule),
        };
        match rule {
            Some(rule) => faults.add(row, Some(plan.place), rule),
            None => null(plan, row, faults),
        }
        nulls.null(row);
    }
    (values, nulls.finish())
}

/// A null mask that costs nothing until the first null.
struct Nulls {
    rows: usize,
    builder: Option<NullBufferBuilder>,
}

impl Nulls {
    fn new(rows: usize) -> Self {
        Self { rows, builder: None }
    }

    #[inline]
    fn valid(&mut self) {
        if let Some(builder) = &mut self.builder {
            builder.append_non_null();
        }
    }

    fn null(&mut self, row: usize) {
        let rows = self.rows;
        let builder = self.builder.get_or_insert_with(|| {
            let mut builder = NullBufferBuilder::new(rows);
            builder.append_n_non_nulls(row);
            builder
        });
        builder.append_null();
    }

    fn finish(self) -> Option<NullBuffer> {
        self.builder.and_then(|mut builder| builder.finish())
    }
}

fn booleans(plan: &Plan, cells: &TextColumn, faults: &mut Faults) -> ArrayRef {
    let (values, nulls) = fixed(plan, cells, faults, Family::Bool, |bytes, _| parse::boolean(bytes));
    let mut bits = BooleanBufferBuilder::new(values.len());
    bits.append_slice(&values);
    Arc::new(BooleanArray::new(bits.finish(), nulls))
}

fn strings(plan: &Plan, cells: &TextColumn, faults: &mut Faults) -> Result<ArrayRef, ArrowError> {
    let mut text: Vec<u8> = Vec::with_capacity(cells.content_len().saturating_add(CHUNK));
    let mut offsets: Vec<i32> = Vec::with_capacity(cells.len() + 1);
    let mut nulls = Nulls::new(cells.len());
    offsets.push(0);
    let overflow = |len: usize| ArrowError::OffsetOverflowError(len);
    for (row, (cell, chunk)) in cells.iter_with_chunks().enumerate() {
        match see(plan, cell, Family::Text) {
            Seen::Value(bytes) if bytes.len() <= FIELD_MAX_BYTES => {
                match chunk {
                    // A copy of fixed length needs no call; what is too much is taken back.
                    Some(chunk) if bytes.len() <= CHUNK => {
                        let end = text.len().wrapping_add(bytes.len());
                        text.extend_from_slice(chunk);
                        text.truncate(end);
                    }
                    _ => text.extend_from_slice(bytes),
                }
                nulls.valid();
            }
            Seen::Value(_) => {
                faults.add(row, Some(plan.place), Rule::TooLong);
                nulls.null(row);
            }
            Seen::Null => {
                null(plan, row, faults);
                nulls.null(row);
            }
            Seen::Fault(rule) => {
                faults.add(row, Some(plan.place), rule);
                nulls.null(row);
            }
        }
        offsets.push(i32::try_from(text.len()).map_err(|_| overflow(text.len()))?);
    }
    let nulls = nulls.finish();
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let text = Buffer::from_vec(text);
    // One validation of the whole column; only when it fails is the cell looked for.
    let array = match StringArray::try_new(offsets.clone(), text.clone(), nulls.clone()) {
        Ok(array) => array,
        Err(_) => repair(plan, &offsets, &text, nulls, faults)?,
    };
    check_strings(plan, &array, faults);
    Ok(Arc::new(array))
}

/// Marks the cells that are not UTF-8 and leaves them empty.
#[cold]
fn repair(
    plan: &Plan,
    offsets: &OffsetBuffer<i32>,
    text: &Buffer,
    nulls: Option<NullBuffer>,
    faults: &mut Faults,
) -> Result<StringArray, ArrowError> {
    let mut valid: Vec<u8> = Vec::with_capacity(text.len());
    let mut ends: Vec<i32> = vec![0];
    for (row, (start, end)) in offsets.iter().zip(offsets.iter().skip(1)).enumerate() {
        let bytes = slice(text, *start, *end);
        if std::str::from_utf8(bytes).is_ok() {
            valid.extend_from_slice(bytes);
        } else {
            faults.add(row, Some(plan.place), Rule::NotUtf8);
        }
        ends.push(i32::try_from(valid.len()).map_err(|_| ArrowError::OffsetOverflowError(valid.len()))?);
    }
    StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(ends)), Buffer::from_vec(valid), nulls)
}

#[inline]
fn slice(text: &[u8], start: i32, end: i32) -> &[u8] {
    let (start, end) = (usize::try_from(start).unwrap_or(0), usize::try_from(end).unwrap_or(0));
    text.get(start..end).unwrap_or_default()
}

/// Holds valid texts to the column's rules.
pub fn check_strings(plan: &Plan, array: &StringArray, faults: &mut Faults) {
    use arrow::array::Array;
    if plan.text.is_empty() {
        return;
    }
    let (offsets, text) = (array.value_offsets(), array.value_data());
    let nulls = array.nulls();
    for (row, (start, end)) in offsets.iter().zip(offsets.iter().skip(1)).enumerate() {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            continue;
        }
        if let Err(rule) = plan.text.check(slice(text, *start, *end)) {
            faults.add(row, Some(plan.place), rule);
        }
    }
}
