//! What puts rows of one key in order before their places do: the value of a cursor column, or nothing.

use arrow::array::cast::AsArray;
use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;

use crate::column::ColumnType;

/// An order of rows, as it stands in an entry: in memory, and in a partition's file.
pub(crate) trait Rank: Copy + Ord + Default + Send {
    /// In a file.
    const BYTES: usize;

    fn put(self, out: &mut Vec<u8>);

    /// From so many bytes.
    fn take(bytes: &[u8]) -> Self;
}

/// Places alone decide.
impl Rank for () {
    const BYTES: usize = 0;

    fn put(self, _: &mut Vec<u8>) {}

    fn take(_: &[u8]) -> Self {}
}

/// A cursor's value, of which the greater one came later; null before all values. 16 bytes in two words, since `u128` would pad an
/// entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Cursor {
    high: u64,
    low: u64,
}

impl Rank for Cursor {
    const BYTES: usize = 16;

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.high.to_le_bytes());
        out.extend_from_slice(&self.low.to_le_bytes());
    }

    fn take(bytes: &[u8]) -> Self {
        let word = |at: usize| bytes.get(at..at + 8).and_then(|word| <[u8; 8]>::try_from(word).ok()).map_or(0, u64::from_le_bytes);
        Self { high: word(0), low: word(8) }
    }
}

impl Cursor {
    fn of(value: i128) -> Self {
        // Decimals have 38 digits at most, so that what follows the sign's shift is no end of the range, and null stays below.
        let shifted = u128::from_be_bytes((value ^ i128::MIN).to_be_bytes()).saturating_add(1);
        let bytes = shifted.to_be_bytes();
        let (high, low) = bytes.split_at(8);
        let word = |bytes: &[u8]| bytes.iter().fold(0u64, |word, byte| (word << 8) | u64::from(*byte));
        Self { high: word(high), low: word(low) }
    }
}

/// Whether rows can be put in order by a column of the type: one whose values have one order that is exact.
pub(crate) fn can_order(ty: ColumnType) -> bool {
    match ty {
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => true,
        ColumnType::Decimal { .. } | ColumnType::Date | ColumnType::Timestamp { .. } => true,
        ColumnType::String | ColumnType::Boolean | ColumnType::Float32 | ColumnType::Float64 | ColumnType::Time => false,
    }
}

/// The ranks of a column's values.
pub(crate) fn cursors(array: &ArrayRef) -> Vec<Cursor> {
    fn of<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<Cursor>
    where
        i128: From<T::Native>,
    {
        let values = array.as_primitive::<T>();
        values.iter().map(|value| value.map_or_else(Cursor::default, |value| Cursor::of(i128::from(value)))).collect()
    }
    match array.data_type() {
        DataType::Int8 => of::<Int8Type>(array),
        DataType::Int16 => of::<Int16Type>(array),
        DataType::Int32 => of::<Int32Type>(array),
        DataType::Int64 => of::<Int64Type>(array),
        DataType::Date32 => of::<Date32Type>(array),
        DataType::Timestamp(..) => of::<TimestampMicrosecondType>(array),
        DataType::Decimal128(..) => of::<Decimal128Type>(array),
        // `can_order` lets nothing else through.
        _ => vec![Cursor::default(); array.len()],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Int64Array};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    #[test]
    fn the_ends_of_a_range_are_in_order_and_null_is_before_them() {
        let most = 10i128.pow(38) - 1;
        let array = Decimal128Array::from(vec![None, Some(-most), Some(-1), Some(0), Some(1), Some(most)]);
        let ranks = cursors(&(Arc::new(array.with_precision_and_scale(38, 0).unwrap()) as ArrayRef));
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    }

    proptest! {
        #![proptest_config(cases(200))]

        #[test]
        fn ranks_are_in_the_order_of_values_and_come_back(values in proptest::collection::vec(proptest::option::of(any::<i64>()), 0..50)) {
            let ranks = cursors(&(Arc::new(Int64Array::from(values.clone())) as ArrayRef));
            for (a, left) in values.iter().zip(&ranks) {
                let mut bytes = Vec::new();
                left.put(&mut bytes);
                prop_assert_eq!((bytes.len(), Cursor::take(&bytes)), (Cursor::BYTES, *left));
                for (b, right) in values.iter().zip(&ranks) {
                    prop_assert_eq!(a.cmp(b), left.cmp(right));
                }
            }
        }
    }
}
