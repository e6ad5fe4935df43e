//! One row's cells as bytes.

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use std::sync::Arc;

use crate::contract::Contract;
use crate::raw::{CellKind, Cells};

/// Version of the encoding.
const VERSION: u8 = 1;
/// More cells than any row has.
const CELLS_MAX: u64 = 1 << 16;

/// A number in seven-bit groups, least significant first.
pub fn put_number(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let group = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            out.push(group);
            return;
        }
        out.push(group | 0x80);
    }
}

/// A number, and what follows it.
pub fn take_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (place, byte) in bytes.iter().enumerate().take(10) {
        let group = u64::from(byte & 0x7f);
        let shift = u32::try_from(place * 7).ok()?;
        if group.leading_zeros() < shift {
            return None;
        }
        number |= group << shift;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(place + 1..)?));
        }
    }
    None
}

/// A length and so many bytes.
pub fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_number(u64::try_from(bytes.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(bytes);
}

/// So many bytes as their length says, and what follows them.
pub fn take_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = take_number(bytes)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}

/// The cell of a row of a raw batch, as it came.
pub fn cell(cells: &Cells, row: usize) -> (CellKind, Vec<u8>) {
    match cells {
        Cells::Text(column) => match column.get(row) {
            Some(cell) => (cell.kind, cell.bytes.to_vec()),
            None => (CellKind::Null, Vec::new()),
        },
        Cells::Typed(array) => typed(array, row),
    }
}

/// The cell of a row of a masked column.
pub fn masked(array: &ArrayRef, row: usize) -> (CellKind, Vec<u8>) {
    match typed(array, row) {
        (CellKind::Null, none) => (CellKind::Null, none),
        (_, value) => (CellKind::Masked, value),
    }
}

/// Where a staged row holds a column of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagedAs {
    /// At a place, as it came.
    Plain(usize),
    /// At a place, masked.
    Masked(usize),
    /// Nowhere.
    Dropped,
}

/// Where staged rows hold the columns of a contract.
pub fn staged_as(contract: &Contract) -> Arc<[StagedAs]> {
    let places = contract.columns.iter().enumerate().map(|(place, column)| match (contract.stored_place(place), &column.mask) {
        (Some(place), None) => StagedAs::Plain(place),
        (Some(place), Some(_)) => StagedAs::Masked(place),
        (None, _) => StagedAs::Dropped,
    });
    places.collect()
}

/// The cells of a row of a checked batch.
pub fn encode_staged(layout: &[StagedAs], columns: &[ArrayRef], row: usize) -> Vec<u8> {
    let none = (CellKind::Null, Vec::new());
    let cells = layout.iter().map(|staged| match staged {
        StagedAs::Plain(place) => columns.get(*place).map_or_else(|| none.clone(), |array| typed(array, row)),
        StagedAs::Masked(place) => columns.get(*place).map_or_else(|| none.clone(), |array| masked(array, row)),
        // Its value, if there was one, held its rules.
        StagedAs::Dropped => (CellKind::Masked, Vec::new()),
    });
    encode(layout.len(), cells)
}

/// A row of cells.
pub fn encode(count: usize, cells: impl Iterator<Item = (CellKind, Vec<u8>)>) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_number(u64::try_from(count).unwrap_or(u64::MAX), &mut out);
    for (kind, bytes) in cells {
        out.push(kind.code());
        put_bytes(&bytes, &mut out);
    }
    out
}

/// The cells of an encoded row; none when the bytes are no such row.
pub fn decode(bytes: &[u8]) -> Option<Vec<(CellKind, Vec<u8>)>> {
    let (version, rest) = bytes.split_first()?;
    let (count, mut rest) = take_number(rest)?;
    if *version != VERSION || count > CELLS_MAX {
        return None;
    }
    let mut cells = Vec::new();
    for _ in 0..count {
        let (kind, after) = rest.split_first()?;
        let (cell, after) = take_bytes(after)?;
        cells.push((CellKind::from_code(u32::from(*kind))?, cell.to_vec()));
        rest = after;
    }
    rest.is_empty().then_some(cells)
}

/// A typed value as the cell that the gate would read back as the same value.
fn typed(array: &ArrayRef, row: usize) -> (CellKind, Vec<u8>) {
    if row >= array.len() || array.is_null(row) {
        return (CellKind::Null, Vec::new());
    }
    let kind = match array.data_type() {
        DataType::Utf8 => return (CellKind::String, array.as_string::<i32>().value(row).as_bytes().to_vec()),
        DataType::LargeUtf8 => return (CellKind::String, array.as_string::<i64>().value(row).as_bytes().to_vec()),
        DataType::Utf8View => return (CellKind::String, array.as_string_view().value(row).as_bytes().to_vec()),
        DataType::Binary => return (CellKind::String, array.as_binary::<i32>().value(row).to_vec()),
        DataType::LargeBinary => return (CellKind::String, array.as_binary::<i64>().value(row).to_vec()),
        DataType::BinaryView => return (CellKind::String, array.as_binary_view().value(row).to_vec()),
        DataType::Dictionary(..) => {
            let Some(dictionary) = array.as_any_dictionary_opt() else { return (CellKind::Nested, Vec::new()) };
            return match dictionary.normalized_keys().get(row) {
                Some(key) => typed(dictionary.values(), *key),
                None => (CellKind::Null, Vec::new()),
            };
        }
        DataType::Boolean => CellKind::Bool,
        ty if ty.is_numeric() => CellKind::Number,
        ty if ty.is_temporal() => CellKind::Native,
        _ => CellKind::Nested,
    };
    let text =
        ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default()).and_then(|formatter| formatter.value(row).try_to_string());
    (kind, text.unwrap_or_default().into_bytes())
}
