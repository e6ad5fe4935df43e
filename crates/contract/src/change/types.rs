//! Which type holds every value of another, unchanged.

use arrow::datatypes::{DataType, TimeUnit};

use crate::column::ColumnType;

/// Whether every value of the first type is, cast, the same value of the second one: what a table's files can be written anew with.
pub fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Float32, Float64};
    match (from, to) {
        (from, to) if whole_bits(from).zip(whole_bits(to)).is_some_and(|(from, to)| from < to) => true,
        (Float32, Float64) => true,
        // As many bits as the mantissa holds.
        (DataType::Int8 | DataType::Int16, Float32 | Float64) | (DataType::Int32, Float64) => true,
        (from, Decimal128(precision, scale)) if whole_bits(from).is_some() => i16::from(*precision) - i16::from(*scale) >= digits(from),
        (Decimal128(precision, scale), Decimal128(wider, finer)) => {
            (precision, scale) != (wider, finer)
                && finer >= scale
                && i16::from(*wider) - i16::from(*finer) >= i16::from(*precision) - i16::from(*scale)
        }
        _ => false,
    }
}

fn whole_bits(ty: &DataType) -> Option<u32> {
    match ty {
        DataType::Int8 => Some(8),
        DataType::Int16 => Some(16),
        DataType::Int32 => Some(32),
        DataType::Int64 => Some(64),
        _ => None,
    }
}

/// Decimal digits that hold every value of a whole number's type.
fn digits(ty: &DataType) -> i16 {
    match ty {
        DataType::Int8 => 3,
        DataType::Int16 => 5,
        DataType::Int32 => 10,
        _ => 19,
    }
}

/// How one column type lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift {
    Same,
    Wider,
    Narrower,
    Both,
}

impl Shift {
    pub(crate) fn of(wider: bool, narrower: bool) -> Self {
        match (wider, narrower) {
            (false, false) => Self::Same,
            (true, false) => Self::Wider,
            (false, true) => Self::Narrower,
            (true, true) => Self::Both,
        }
    }
}

/// How the values that a column takes change with its type alone.
pub(crate) fn shift(old: ColumnType, new: ColumnType) -> Shift {
    if old == new {
        return Shift::Same;
    }
    let (from, to) = (old.arrow(), new.arrow());
    if widens(&from, &to) {
        Shift::Wider
    } else if widens(&to, &from) {
        Shift::Narrower
    } else {
        Shift::Both
    }
}

/// Whether a table would hold the column in the same form, so that nothing has to be written anew.
pub(crate) fn stored_alike(old: ColumnType, new: ColumnType) -> bool {
    old.arrow() == new.arrow()
}

/// The whole numbers that a type holds, in the column's unit; none for types without bounds of their own.
pub(crate) fn natural(ty: ColumnType) -> Option<(i128, i128)> {
    Some(match ty.arrow() {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 => (i64::MIN.into(), i64::MAX.into()),
        DataType::Decimal128(precision, _) => {
            let most = 10i128.checked_pow(u32::from(precision)).map_or(i128::MAX, |end| end - 1);
            (-most, most)
        }
        DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _) => (i128::MIN, i128::MAX),
        _ if ty == ColumnType::Time => (0, 86_399_999_999),
        _ => return None,
    })
}
