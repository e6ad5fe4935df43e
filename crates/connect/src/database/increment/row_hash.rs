//! Keyed hashes of rows over their values, in a form that does not depend on how a batch holds them.

use std::hash::Hasher as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use polder_contract::{CellKind, Cells, ColumnType, RawBatch, TextColumn};
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::reader::WantedColumn;

/// Of the rows of one batch.
pub(super) struct RowHashes {
    columns: Vec<StringArray>,
    key: [u8; 16],
}

impl RowHashes {
    pub fn new(batch: &RawBatch, wanted: &[WantedColumn], key: [u8; 16]) -> Self {
        let columns = batch.columns.iter().zip(wanted).map(|(cells, wanted)| match cells {
            Cells::Typed(array) => of_array(array, wanted.ty),
            Cells::Text(column) => of_texts(column, wanted.ty),
        });
        Self { columns: columns.collect(), key }
    }

    /// Rows with the same values have the same one.
    pub fn row(&self, row: usize) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        for column in &self.columns {
            let text = if row < column.len() && column.is_valid(row) { Some(column.value(row).as_bytes()) } else { None };
            // The length comes first, so that no two rows have the same bytes; no value is a length that none has.
            hasher.write_u64(text.map_or(u64::MAX, |text| u64::try_from(text.len()).unwrap_or(u64::MAX - 1)));
            hasher.write(text.unwrap_or_default());
        }
        hasher.finish128().as_u128()
    }
}

/// The same text for the same value under the contract's type, whatever type the source has.
fn of_array(array: &ArrayRef, ty: Option<ColumnType>) -> StringArray {
    let target = ty.map(ColumnType::arrow).filter(|target| target != array.data_type());
    let typed = match target.map(|target| cast(array, &target)) {
        Some(Ok(typed)) if typed.null_count() == array.null_count() => typed,
        _ => Arc::clone(array),
    };
    if matches!(typed.data_type(), DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
        && let Ok(bytes) = cast(&typed, &DataType::Binary)
    {
        let hex = |value: &[u8]| value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        return bytes.as_binary::<i32>().iter().map(|value| value.map(hex)).collect();
    }
    let options = FormatOptions::new();
    match ArrayFormatter::try_new(&typed, &options) {
        Ok(formatter) => (0..typed.len()).map(|row| typed.is_valid(row).then(|| formatter.value(row).to_string())).collect(),
        Err(_) => StringArray::new_null(typed.len()),
    }
}

/// Texts that stand for values of the type get the value's text; those that do not stay as they came.
fn of_texts(column: &TextColumn, ty: Option<ColumnType>) -> StringArray {
    let raw = |cell: polder_contract::Cell<'_>| (cell.kind != CellKind::Null).then(|| String::from_utf8_lossy(cell.bytes).into_owned());
    let raw: StringArray = column.iter().map(raw).collect();
    let array: ArrayRef = Arc::new(raw.clone());
    let Some(Ok(typed)) = ty.map(|ty| cast(&array, &ty.arrow())) else { return raw };
    let canonical = of_array(&typed, ty);
    canonical.iter().zip(raw.iter()).map(|(canonical, raw)| raw.map(|raw| canonical.unwrap_or(raw).to_owned())).collect()
}
