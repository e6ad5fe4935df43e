//! Rows that say that the row of their key is gone at the source. Of these only the key is held to its rules, and only it comes out.

use arrow::array::cast::AsArray;
use arrow::array::types::{ArrowPrimitiveType, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, SchemaRef};

use crate::contract::{Contract, Deletes, Gone};

/// How a contract's rows say it.
pub(crate) struct Flag {
    /// The column's place in the contract.
    pub column: usize,
    gone: Gone,
    /// Places among the stored columns of those of the key, in its order.
    pub keys: Vec<usize>,
    pub key_schema: SchemaRef,
    /// Places in the contract of those columns whose rules hold for such a row too.
    stands: Vec<usize>,
}

impl Flag {
    /// None for a contract without one. `order` is the place of the column that puts rows in order.
    pub fn of(contract: &Contract, order: Option<usize>) -> Option<Self> {
        let Some(Deletes::Flag { column, gone }) = &contract.deletes else { return None };
        let key = contract.primary_key();
        Some(Self {
            column: *column,
            gone: gone.clone(),
            keys: key.iter().filter_map(|place| contract.stored_place(*place)).collect(),
            key_schema: contract.key_schema(),
            stands: key.into_iter().chain([*column]).chain(order).collect(),
        })
    }

    /// Whether a rule of a column holds for such a row too.
    pub fn stands(&self, place: usize) -> bool {
        self.stands.contains(&place)
    }

    /// The rows of which the flag's column says so; none when it says it of none.
    pub fn rows(&self, array: &ArrayRef) -> Option<BooleanBuffer> {
        let valid = |row: usize| array.is_valid(row);
        let rows = match &self.gone {
            Gone::Any => BooleanBuffer::collect_bool(array.len(), valid),
            Gone::Flag(gone) => {
                let flags = array.as_boolean_opt()?;
                BooleanBuffer::collect_bool(array.len(), |row| valid(row) && flags.value(row) == *gone)
            }
            Gone::Text(gone) => {
                let texts = array.as_string_opt::<i32>()?;
                BooleanBuffer::collect_bool(array.len(), |row| valid(row) && texts.value(row) == gone)
            }
            Gone::Whole(gone) => match array.data_type() {
                DataType::Int8 => whole::<Int8Type>(array, *gone),
                DataType::Int16 => whole::<Int16Type>(array, *gone),
                DataType::Int32 => whole::<Int32Type>(array, *gone),
                DataType::Int64 => whole::<Int64Type>(array, *gone),
                DataType::Decimal128(..) => whole::<Decimal128Type>(array, *gone),
                // The contract's reader lets no other column hold a whole number that says so.
                _ => return None,
            },
        };
        (rows.count_set_bits() > 0).then_some(rows)
    }
}

fn whole<T: ArrowPrimitiveType>(array: &ArrayRef, gone: i128) -> BooleanBuffer
where
    i128: From<T::Native>,
{
    let values = array.as_primitive::<T>();
    BooleanBuffer::collect_bool(array.len(), |row| values.is_valid(row) && i128::from(values.value(row)) == gone)
}
