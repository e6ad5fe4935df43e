//! Keys of rows: packed exactly where they fit 16 bytes, hashed otherwise.

use std::ops::Range;

use arrow::array::cast::AsArray;
use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use siphasher::sip128::SipHasher13;

use crate::column::ColumnType;
use crate::contract::Contract;
use crate::error::Error;
use crate::unique::rank::Rank;

/// How the keys of one rule are made.
pub(crate) struct KeyPlan {
    columns: Vec<usize>,
    names: Vec<String>,
    types: Vec<DataType>,
    packed: bool,
    hasher: SipHasher13,
}

/// The keys of a batch's rows.
pub(crate) enum BatchKeys<R: Rank> {
    /// Packed, strictly increasing, one per row of `ordinals`. Only where places alone put rows in order.
    Sorted { keys: Vec<u128>, ordinals: Vec<Range<u64>> },
    /// Hashes with places in the run.
    Hashed(Vec<Entry<R>>),
}

/// A place that is none: of a row that the table holds.
pub(crate) const TABLE: u64 = 0;

/// A hash, a rank and a place in the run, and in the order of these. 24 bytes without a rank; `u128` would pad them to 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry<R: Rank> {
    pub high: u64,
    pub low: u64,
    pub rank: R,
    /// Place in the run plus one, or [`TABLE`].
    pub place: u64,
}

impl<R: Rank> Entry<R> {
    pub fn new(hash: u128, rank: R, place: u64) -> Self {
        let bytes = hash.to_be_bytes();
        let (high, low) = bytes.split_at(8);
        let word = |bytes: &[u8]| bytes.iter().fold(0u64, |word, byte| (word << 8) | u64::from(*byte));
        Self { high: word(high), low: word(low), rank, place }
    }

    /// Whether two rows have one key.
    pub fn same_key(&self, other: &Self) -> bool {
        (self.high, self.low) == (other.high, other.low)
    }
}

/// Rows of a batch, as keys are made of them.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// The stored columns of the contract; those that are in no key need not have these rows.
    pub columns: &'a [ArrayRef],
    /// How many.
    pub count: usize,
    /// Their places in the run.
    pub ordinals: &'a [Range<u64>],
}

/// Bits of a packed column; none for those that are not packed.
fn width(ty: ColumnType) -> Option<u32> {
    Some(match ty {
        ColumnType::Boolean | ColumnType::Int8 => 8,
        ColumnType::Int16 => 16,
        ColumnType::Int32 | ColumnType::Date => 32,
        ColumnType::Int64 | ColumnType::Timestamp { .. } => 64,
        ColumnType::Decimal { precision, .. } if precision <= 18 => 64,
        ColumnType::Decimal { .. } => 128,
        ColumnType::String | ColumnType::Time | ColumnType::Float32 | ColumnType::Float64 => return None,
    })
}

impl KeyPlan {
    pub fn new(contract: &Contract, columns: Vec<usize>, secret: [u8; 16]) -> Self {
        let chosen: Vec<_> = columns.iter().filter_map(|place| contract.columns.get(*place)).collect();
        let bits = chosen.iter().try_fold(0u32, |sum, column| width(column.stored()?).map(|bits| sum + bits));
        // A key that may be null is hashed: a null has no place in the order, and takes no part.
        let nullable = chosen.iter().any(|column| column.nullable());
        Self {
            names: chosen.iter().map(|column| column.name.clone()).collect(),
            types: chosen.iter().filter_map(|column| column.stored()).map(ColumnType::arrow).collect(),
            packed: bits.is_some_and(|bits| bits <= 128) && !nullable,
            hasher: SipHasher13::new_with_key(&secret),
            // Keys are compared as they are stored.
            columns: columns.into_iter().filter_map(|place| contract.stored_place(place)).collect(),
        }
    }

    /// The keys of rows, each with its rank.
    pub fn keys<R: Rank>(&self, rows: Rows<'_>, ranks: &[R]) -> BatchKeys<R> {
        let arrays: Vec<&ArrayRef> = self.columns.iter().filter_map(|place| rows.columns.get(*place)).collect();
        let places = rows.ordinals.iter().cloned().flatten().map(|place| place + 1);
        if self.packed {
            let keys = pack(&arrays, rows.count);
            if R::BYTES == 0 && keys.iter().zip(keys.iter().skip(1)).all(|(a, b)| a < b) {
                return BatchKeys::Sorted { keys, ordinals: rows.ordinals.to_vec() };
            }
            let ranked = keys.iter().zip(ranks).zip(places);
            return BatchKeys::Hashed(ranked.map(|((key, rank), place)| self.hash_packed(*key, *rank, place)).collect());
        }
        BatchKeys::Hashed(self.hash_rows(&arrays, ranks.iter().copied(), places))
    }

    /// The keys of rows that the table holds, by column names.
    pub fn keys_of_table(&self, batch: &RecordBatch) -> Result<TableKeys, Error> {
        let mut arrays = Vec::with_capacity(self.names.len());
        for (name, ty) in self.names.iter().zip(&self.types) {
            let wrong = || Error::LookupSchema { column: name.clone() };
            let array = batch.column_by_name(name).ok_or_else(wrong)?;
            // Readers give texts and encodings in forms of their own; the values are the same.
            let array = if array.data_type() == ty {
                array.clone()
            } else if matches!(
                (array.data_type(), ty),
                (DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(..), DataType::Utf8)
            ) {
                arrow::compute::cast(array, ty).map_err(|_| wrong())?
            } else {
                return Err(wrong());
            };
            // A packed key has no place for a null, which a key column of the table cannot hold.
            if self.packed && array.null_count() > 0 {
                return Err(wrong());
            }
            arrays.push(array);
        }
        let arrays: Vec<&ArrayRef> = arrays.iter().collect();
        Ok(if self.packed {
            TableKeys::Packed(pack(&arrays, batch.num_rows()))
        } else {
            TableKeys::Hashed(self.hash_rows(&arrays, std::iter::repeat_n((), batch.num_rows()), std::iter::repeat(TABLE)))
        })
    }

    /// The entry of a packed key.
    #[inline]
    pub fn hash_packed<R: Rank>(&self, key: u128, rank: R, place: u64) -> Entry<R> {
        Entry::new(self.hasher.hash(&key.to_le_bytes()).as_u128(), rank, place)
    }

    fn hash_rows<R: Rank>(
        &self,
        arrays: &[&ArrayRef],
        ranks: impl ExactSizeIterator<Item = R>,
        places: impl Iterator<Item = u64>,
    ) -> Vec<Entry<R>> {
        let columns: Vec<Column<'_>> = arrays.iter().filter_map(|array| Column::of(array)).collect();
        let mut entries = Vec::with_capacity(ranks.len());
        let mut bytes = Vec::new();
        for (row, (rank, place)) in ranks.zip(places).enumerate() {
            bytes.clear();
            if columns.iter().all(|column| column.write(row, &mut bytes)) {
                entries.push(Entry::new(self.hasher.hash(&bytes).as_u128(), rank, place));
            }
        }
        entries
    }
}

/// Keys of the table.
pub(crate) enum TableKeys {
    Packed(Vec<u128>),
    Hashed(Vec<Entry<()>>),
}

/// Packs columns of fixed width side by side, each so that it orders as its values do.
fn pack(arrays: &[&ArrayRef], rows: usize) -> Vec<u128> {
    let mut keys = vec![0u128; rows];
    for array in arrays {
        match array.data_type() {
            DataType::Int8 => push::<Int8Type>(&mut keys, array, 8, |value| i128::from(value) + (1 << 7)),
            DataType::Int16 => push::<Int16Type>(&mut keys, array, 16, |value| i128::from(value) + (1 << 15)),
            DataType::Int32 => push::<Int32Type>(&mut keys, array, 32, |value| i128::from(value) + (1 << 31)),
            DataType::Date32 => push::<Date32Type>(&mut keys, array, 32, |value| i128::from(value) + (1 << 31)),
            DataType::Int64 => push::<Int64Type>(&mut keys, array, 64, |value| i128::from(value) + (1 << 63)),
            DataType::Timestamp(..) => push::<TimestampMicrosecondType>(&mut keys, array, 64, |value| i128::from(value) + (1 << 63)),
            DataType::Decimal128(precision, _) if *precision <= 18 => {
                push::<Decimal128Type>(&mut keys, array, 64, |value| value + (1 << 63));
            }
            DataType::Decimal128(..) => push::<Decimal128Type>(&mut keys, array, 128, |value| value ^ i128::MIN),
            DataType::Boolean => {
                let values = array.as_boolean().values();
                keys.iter_mut().zip(values).for_each(|(key, value)| *key = (*key << 8) | u128::from(value));
            }
            // `width` packs nothing else.
            _ => {}
        }
    }
    keys
}

#[inline]
fn push<T: ArrowPrimitiveType>(keys: &mut [u128], array: &ArrayRef, bits: u32, order: impl Fn(T::Native) -> i128) {
    let values = array.as_primitive::<T>().values();
    for (key, value) in keys.iter_mut().zip(values.iter()) {
        // `order` gives a number of `bits` bits, whose 128 bits are taken as they are.
        let bytes = u128::from_le_bytes(order(*value).to_le_bytes());
        *key = key.checked_shl(bits).unwrap_or(0) | bytes;
    }
}

/// One column of a hashed key.
enum Column<'a> {
    Bytes(&'a arrow::array::StringArray),
    Bool(&'a arrow::array::BooleanArray),
    Fixed(&'a ArrayRef, usize, Vec<u8>),
}

impl<'a> Column<'a> {
    fn of(array: &'a ArrayRef) -> Option<Self> {
        fn little<T: ArrowPrimitiveType, const N: usize>(array: &ArrayRef, bytes: impl Fn(T::Native) -> [u8; N]) -> Vec<u8> {
            array.as_primitive::<T>().values().iter().flat_map(|value| bytes(*value)).collect()
        }
        Some(match array.data_type() {
            DataType::Utf8 => Self::Bytes(array.as_string::<i32>()),
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Int8 => Self::Fixed(array, 1, little::<Int8Type, 1>(array, i8::to_le_bytes)),
            DataType::Int16 => Self::Fixed(array, 2, little::<Int16Type, 2>(array, i16::to_le_bytes)),
            DataType::Int32 => Self::Fixed(array, 4, little::<Int32Type, 4>(array, i32::to_le_bytes)),
            DataType::Date32 => Self::Fixed(array, 4, little::<Date32Type, 4>(array, i32::to_le_bytes)),
            DataType::Int64 => Self::Fixed(array, 8, little::<Int64Type, 8>(array, i64::to_le_bytes)),
            DataType::Timestamp(..) => Self::Fixed(array, 8, little::<TimestampMicrosecondType, 8>(array, i64::to_le_bytes)),
            DataType::Decimal128(..) => Self::Fixed(array, 16, little::<Decimal128Type, 16>(array, i128::to_le_bytes)),
            // Zero has one key though it has two signs, and every NaN is one.
            DataType::Float32 => Self::Fixed(
                array,
                4,
                little::<Float32Type, 4>(array, |value| if value.is_nan() { f32::NAN } else { value + 0.0 }.to_le_bytes()),
            ),
            DataType::Float64 => Self::Fixed(
                array,
                8,
                little::<Float64Type, 8>(array, |value| if value.is_nan() { f64::NAN } else { value + 0.0 }.to_le_bytes()),
            ),
            _ => return None,
        })
    }

    /// Appends the value; false for a null, which equals nothing.
    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Bytes(array) => {
                if array.is_null(row) {
                    return false;
                }
                let text = array.value(row).as_bytes();
                // With its length, so that ("a", "bc") and ("ab", "c") differ.
                out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(text);
            }
            Self::Bool(array) => {
                if array.is_null(row) {
                    return false;
                }
                out.push(u8::from(array.value(row)));
            }
            Self::Fixed(array, width, bytes) => {
                if array.is_null(row) {
                    return false;
                }
                out.extend_from_slice(bytes.get(row * width..(row + 1) * width).unwrap_or_default());
            }
        }
        true
    }
}
