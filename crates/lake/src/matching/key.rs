//! Keys of rows as numbers of 128 bits: the columns side by side where they fit, which is exact; else a SipHash-1-3 under a secret that
//! is drawn for one merge and then forgotten. Of a billion keys that are hashed two agree by chance less than twice in 10^21 times, and
//! who chooses keys cannot look for such a pair.

use arrow::array::cast::AsArray as _;
use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, SortField};
use polder_types::{DatasetId, Rng};
use siphasher::sip128::SipHasher13;

use crate::error::Error;

/// How the keys and the contents of rows become numbers. Of one merge alone.
pub(crate) struct KeyPlan {
    /// The key's columns, in its order, as they are stored.
    pub schema: SchemaRef,
    packed: bool,
    hasher: SipHasher13,
    /// For the index: who chooses keys does not know which of them meet in it.
    pub seeds: [u64; 2],
}

/// The keys of a batch.
pub(crate) struct Keys {
    pub keys: Vec<u128>,
    /// A row with NULL in its key has none, and equals no other.
    pub valid: Option<NullBuffer>,
}

/// Bits of a column that is packed.
fn width(ty: &DataType) -> Option<u32> {
    Some(match ty {
        DataType::Boolean | DataType::Int8 => 8,
        DataType::Int16 => 16,
        DataType::Int32 | DataType::Date32 => 32,
        DataType::Int64 | DataType::Timestamp(..) => 64,
        DataType::Decimal128(precision, _) if *precision <= 18 => 64,
        DataType::Decimal128(..) => 128,
        _ => return None,
    })
}

impl KeyPlan {
    /// Of columns of `stored`, in this order.
    pub(crate) fn new(stored: &SchemaRef, columns: &[String], dataset: DatasetId, rng: &dyn Rng) -> Result<Self, Error> {
        let missing = |_| Error::Misuse { dataset, reason: "the key names a column that the table does not have" };
        let places: Vec<usize> = columns.iter().map(|column| stored.index_of(column)).collect::<Result<_, _>>().map_err(missing)?;
        if places.is_empty() {
            return Err(Error::Misuse { dataset, reason: "a merge needs a key" });
        }
        let schema: SchemaRef = std::sync::Arc::new(stored.project(&places).map_err(missing)?);
        let bits = schema.fields().iter().try_fold(0u32, |sum, field| Some(sum.saturating_add(width(field.data_type())?)));
        let unknown = |_| Error::Internal { step: "draw a secret for the keys", dataset };
        let (mut secret, mut high, mut low) = ([0u8; 16], [0u8; 8], [0u8; 8]);
        rng.fill(&mut secret).and_then(|()| rng.fill(&mut high)).and_then(|()| rng.fill(&mut low)).map_err(unknown)?;
        Ok(Self {
            schema,
            packed: bits.is_some_and(|bits| bits <= 128),
            hasher: SipHasher13::new_with_key(&secret),
            seeds: [u64::from_le_bytes(high), u64::from_le_bytes(low)],
        })
    }

    /// The keys of a batch that has the plan's columns, in stored types.
    pub(crate) fn keys(&self, batch: &RecordBatch) -> Keys {
        let columns: Vec<&ArrayRef> = self.schema.fields().iter().filter_map(|field| batch.column_by_name(field.name())).collect();
        let valid = columns.iter().fold(None, |valid, column| NullBuffer::union(valid.as_ref(), column.nulls()));
        let keys = if self.packed { pack(&columns, batch.num_rows()) } else { self.hash(&columns, batch.num_rows()) };
        Keys { keys, valid }
    }

    fn hash(&self, columns: &[&ArrayRef], rows: usize) -> Vec<u128> {
        let columns: Vec<Column<'_>> = columns.iter().filter_map(|column| Column::of(column)).collect();
        let mut keys = Vec::with_capacity(rows);
        let mut bytes = Vec::new();
        for row in 0..rows {
            bytes.clear();
            columns.iter().for_each(|column| column.write(row, &mut bytes));
            keys.push(self.hasher.hash(&bytes).as_u128());
        }
        keys
    }

    /// What of rows is compared, of columns of `schema`.
    pub(crate) fn contents(&self, schema: &SchemaRef, dataset: DatasetId) -> Result<Contents, Error> {
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let rows = RowConverter::new(fields).map_err(|_| Error::Internal { step: "compare rows", dataset })?;
        Ok(Contents { rows, hasher: self.hasher })
    }
}

/// Makes numbers of the contents of whole rows, NULLs included.
pub(crate) struct Contents {
    rows: RowConverter,
    hasher: SipHasher13,
}

impl Contents {
    /// Of a batch of the columns that are compared.
    pub(crate) fn of(&self, columns: &[ArrayRef], dataset: DatasetId) -> Result<Vec<u128>, Error> {
        let rows = self.rows.convert_columns(columns).map_err(|_| Error::Internal { step: "compare rows", dataset })?;
        Ok(rows.iter().map(|row| self.hasher.hash(row.data()).as_u128()).collect())
    }
}

/// Puts columns of fixed width side by side.
fn pack(columns: &[&ArrayRef], rows: usize) -> Vec<u128> {
    let mut keys = vec![0u128; rows];
    for column in columns {
        match column.data_type() {
            DataType::Int8 => push::<Int8Type>(&mut keys, column, 8, i128::from),
            DataType::Int16 => push::<Int16Type>(&mut keys, column, 16, i128::from),
            DataType::Int32 => push::<Int32Type>(&mut keys, column, 32, i128::from),
            DataType::Date32 => push::<Date32Type>(&mut keys, column, 32, i128::from),
            DataType::Int64 => push::<Int64Type>(&mut keys, column, 64, i128::from),
            DataType::Timestamp(..) => push::<TimestampMicrosecondType>(&mut keys, column, 64, i128::from),
            DataType::Decimal128(precision, _) => {
                push::<Decimal128Type>(&mut keys, column, if *precision <= 18 { 64 } else { 128 }, |value| value);
            }
            DataType::Boolean => {
                let values = column.as_boolean().values();
                keys.iter_mut().zip(values).for_each(|(key, value)| *key = (*key << 8) | u128::from(value));
            }
            // `width` packs nothing else.
            _ => {}
        }
    }
    keys
}

#[inline]
fn push<T: ArrowPrimitiveType>(keys: &mut [u128], column: &ArrayRef, bits: u32, number: impl Fn(T::Native) -> i128) {
    // A negative number has ones in front, which belong to the column before.
    let mask = u128::MAX >> 128u32.saturating_sub(bits);
    let values = column.as_primitive::<T>().values();
    for (key, value) in keys.iter_mut().zip(values.iter()) {
        let value = u128::from_le_bytes(number(*value).to_le_bytes()) & mask;
        *key = key.checked_shl(bits).unwrap_or(0) | value;
    }
}

/// One column of a hashed key.
enum Column<'a> {
    Text(&'a arrow::array::StringArray),
    Bytes(&'a arrow::array::BinaryArray),
    Bool(&'a arrow::array::BooleanArray),
    Fixed(usize, Vec<u8>),
}

impl<'a> Column<'a> {
    fn of(array: &'a ArrayRef) -> Option<Self> {
        fn little<T: ArrowPrimitiveType, const N: usize>(array: &ArrayRef, bytes: impl Fn(T::Native) -> [u8; N]) -> Vec<u8> {
            array.as_primitive::<T>().values().iter().flat_map(|value| bytes(*value)).collect()
        }
        Some(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string::<i32>()),
            DataType::Binary => Self::Bytes(array.as_binary::<i32>()),
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Int8 => Self::Fixed(1, little::<Int8Type, 1>(array, i8::to_le_bytes)),
            DataType::Int16 => Self::Fixed(2, little::<Int16Type, 2>(array, i16::to_le_bytes)),
            DataType::Int32 => Self::Fixed(4, little::<Int32Type, 4>(array, i32::to_le_bytes)),
            DataType::Date32 => Self::Fixed(4, little::<Date32Type, 4>(array, i32::to_le_bytes)),
            DataType::Int64 => Self::Fixed(8, little::<Int64Type, 8>(array, i64::to_le_bytes)),
            DataType::Timestamp(..) => Self::Fixed(8, little::<TimestampMicrosecondType, 8>(array, i64::to_le_bytes)),
            DataType::Decimal128(..) => Self::Fixed(16, little::<Decimal128Type, 16>(array, i128::to_le_bytes)),
            // Zero has one key though it has two signs, and every NaN is one: as the gate sees them.
            DataType::Float32 => {
                Self::Fixed(4, little::<Float32Type, 4>(array, |value| if value.is_nan() { f32::NAN } else { value + 0.0 }.to_le_bytes()))
            }
            DataType::Float64 => {
                Self::Fixed(8, little::<Float64Type, 8>(array, |value| if value.is_nan() { f64::NAN } else { value + 0.0 }.to_le_bytes()))
            }
            _ => return None,
        })
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let bytes = match self {
            Self::Text(array) => array.value(row).as_bytes(),
            Self::Bytes(array) => array.value(row),
            Self::Bool(array) => return out.push(u8::from(array.value(row))),
            Self::Fixed(width, bytes) => {
                return out.extend_from_slice(bytes.get(row * width..(row + 1) * width).unwrap_or_default());
            }
        };
        // With its length, so that ("a", "bc") and ("ab", "c") differ.
        out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float64Array, Int8Array, Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use polder_types::SeededRng;
    use proptest::prelude::*;

    use super::*;
    use crate::tests::cases;

    fn plan(fields: &[(&str, DataType)]) -> KeyPlan {
        let schema = Arc::new(Schema::new(fields.iter().map(|(name, ty)| Field::new(*name, ty.clone(), true)).collect::<Vec<_>>()));
        let names: Vec<String> = fields.iter().map(|(name, _)| (*name).to_owned()).collect();
        KeyPlan::new(&schema, &names, DatasetId([1; 16]), &SeededRng::new(1)).unwrap()
    }

    fn keys(plan: &KeyPlan, columns: Vec<ArrayRef>) -> Keys {
        plan.keys(&RecordBatch::try_new(Arc::clone(&plan.schema), columns).unwrap())
    }

    #[test]
    fn columns_are_compared_whole() {
        let plan = plan(&[("a", DataType::Utf8), ("b", DataType::Utf8)]);
        let found =
            keys(&plan, vec![Arc::new(StringArray::from(vec!["a", "ab", "a"])), Arc::new(StringArray::from(vec!["bc", "c", "bc"]))]).keys;
        assert_ne!(found[0], found[1]);
        assert_eq!(found[0], found[2]);
    }

    #[test]
    fn a_null_has_no_key_and_zero_has_one() {
        let plan = plan(&[("a", DataType::Float64), ("b", DataType::Boolean)]);
        let numbers = Float64Array::from(vec![Some(0.0), Some(-0.0), Some(f64::NAN), Some(-f64::NAN), None, Some(1.0)]);
        let flags = BooleanArray::from(vec![Some(true), Some(true), Some(true), Some(true), Some(true), None]);
        let found = keys(&plan, vec![Arc::new(numbers), Arc::new(flags)]);
        assert_eq!((found.keys[0], found.keys[2]), (found.keys[1], found.keys[3]));
        let valid: Vec<bool> = found.valid.unwrap().iter().collect();
        assert_eq!(valid, [true, true, true, true, false, false]);
    }

    proptest! {
        #![proptest_config(cases(100))]

        #[test]
        fn two_keys_agree_when_their_values_do(rows in proptest::collection::vec((-3i8..3, -3i64..3, any::<bool>()), 2..40), wide in any::<bool>()) {
            let mut fields = vec![("a", DataType::Int8), ("b", DataType::Int64), ("c", DataType::Boolean)];
            if wide {
                fields.push(("d", DataType::Utf8));
            }
            let plan = plan(&fields);
            let mut columns: Vec<ArrayRef> = vec![
                Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int8Array>()),
                Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Int64Array>()),
                Arc::new(rows.iter().map(|row| Some(row.2)).collect::<BooleanArray>()),
            ];
            if wide {
                columns.push(Arc::new(rows.iter().map(|row| Some(row.1.to_string())).collect::<StringArray>()));
            }
            let found = keys(&plan, columns).keys;
            for (one, first) in rows.iter().zip(&found) {
                for (other, second) in rows.iter().zip(&found) {
                    prop_assert_eq!(one == other, first == second);
                }
            }
        }
    }
}
