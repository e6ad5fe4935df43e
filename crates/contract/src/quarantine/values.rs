//! Values of kept rows as a table would hold them, as far as they are values at all: for who must find rows among them. Nothing that is made
//! here can be written into a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use bytes::Bytes;

use super::{Head, Kept, MAGIC, Reader, masks, row};
use crate::column::Column;
use crate::contract::Contract;
use crate::error::Error;
use crate::gate::faults::Faults;
use crate::gate::plan::Plan;
use crate::gate::{check_cells, comma};
use crate::raw::{CellKind, Cells, TextColumnBuilder};

/// Some columns of the rows of a quarantine object.
#[derive(Debug)]
pub struct Values {
    /// The columns, by their names in the table; NULL also where a value cannot be read.
    pub rows: RecordBatch,
    /// Of which rows each of these columns can be read.
    pub known: Vec<bool>,
    /// Of which rows anything was kept. Of a record that could not be split nothing was.
    pub kept: Vec<bool>,
}

/// How a source writes its cells.
#[derive(Debug, Clone, Default)]
pub struct Writing {
    /// The dataset's null tokens; the contract's are added.
    pub null_tokens: Vec<String>,
    /// Whether its numbers have a comma before their fraction.
    pub decimal_comma: bool,
}

/// The values that rows of an object have in some columns of a contract, by their types alone: no other rule is asked. A column that was not
/// kept, is not the contract's, or is masked otherwise now, can be read of no row.
///
/// # Errors
/// When the bytes are no such object, or Arrow refuses to build a column.
pub fn values(bytes: &[u8], contract: &Contract, columns: &[String], writing: &Writing) -> Result<Values, Error> {
    let reader = Reader::open(bytes)?;
    let head = reader.head().clone();
    let rows = reader.collect::<Result<Vec<Kept>, Error>>()?;
    let kept = rows.iter().map(|row| !row.cells.is_empty()).collect();
    let mut known = vec![true; rows.len()];
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for name in columns {
        let found = contract.columns.iter().find(|column| column.name == *name);
        let Some((column, place)) = found.and_then(|column| Some((column, place(&head, contract, column)?))) else {
            known.fill(false);
            continue;
        };
        let mut faults = Faults::new(rows.len());
        let Some((field, array)) = read(column, place, &rows, writing, contract, &mut faults)? else {
            known.fill(false);
            continue;
        };
        known.iter_mut().enumerate().filter(|(row, _)| faults.has(*row)).for_each(|(_, known)| *known = false);
        fields.push(field);
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    Ok(Values { rows: batch.map_err(|source| build(String::new(), source))?, known, kept })
}

/// Where the rows hold a column; none when they do not, or when they hold it under another mask.
fn place(head: &Head, contract: &Contract, column: &Column) -> Option<usize> {
    let now = masks(contract);
    if head.masks.get(&column.physical_name) != now.get(&column.physical_name) {
        return None;
    }
    head.columns.iter().position(|name| *name == column.physical_name)
}

fn build(column: String, source: arrow::error::ArrowError) -> Error {
    Error::Build { file: String::new(), column, source }
}

/// A column as the table stores it; none when it stores nothing of it.
fn read(
    column: &Column,
    place: usize,
    rows: &[Kept],
    writing: &Writing,
    contract: &Contract,
    faults: &mut Faults,
) -> Result<Option<(Field, ArrayRef)>, Error> {
    let Some(stored) = column.stored() else { return Ok(None) };
    let masked = column.mask.is_some();
    let mut bare = Column::new(&column.name, stored);
    bare.allow_nan = true;
    if !masked {
        bare.format.clone_from(&column.format);
        bare.default_zone.clone_from(&column.default_zone);
        bare.null_tokens.clone_from(&column.null_tokens);
        bare.from_text = column.from_text;
    }
    let tokens: Vec<String> = match masked {
        true => Vec::new(),
        false => writing.null_tokens.iter().chain(&contract.null_tokens).cloned().collect(),
    };
    let plan = Plan::new(0, &bare, &tokens)?;
    let mut builder = TextColumnBuilder::new(Bytes::new(), rows.len());
    for row in rows {
        match row.cells.get(place) {
            // What was masked before it was kept is what the table would hold; what was not is not kept.
            Some((CellKind::Masked, cell)) if masked => builder.push_bytes(cell, CellKind::Quoted),
            Some((CellKind::Null, _)) | None => builder.push_null(),
            Some(_) if masked => builder.push_too_long(),
            Some((kind, cell)) => builder.push_bytes(cell, *kind),
        }
    }
    let cells = Cells::Text(builder.finish());
    let pointed = (writing.decimal_comma && !masked).then(|| comma::pointed(&plan, &cells)).flatten();
    let array = check_cells(&plan, pointed.as_ref().unwrap_or(&cells), faults).map_err(|source| build(column.name.clone(), source))?;
    Ok(Some((Field::new(&column.name, array.data_type().clone(), true), array)))
}

/// The object without the rows that `gone` names by their place; and how many are left.
///
/// # Errors
/// When the bytes are no such object.
pub fn without(bytes: &[u8], gone: &[bool]) -> Result<(Vec<u8>, u64), Error> {
    let cut = || Error::Quarantine { what: "a row is cut" };
    // Each row is read, so that nothing is written back that does not read.
    let rows = Reader::open(bytes)?.collect::<Result<Vec<Kept>, Error>>()?.len();
    let (head, mut rest) = row::take_bytes(bytes.strip_prefix(MAGIC).ok_or_else(cut)?).ok_or_else(cut)?;
    let mut left = MAGIC.to_vec();
    row::put_bytes(head, &mut left);
    let mut count = 0u64;
    for place in 0..rows {
        let (record, after) = row::take_bytes(rest).ok_or_else(cut)?;
        rest = after;
        if !gone.get(place).copied().unwrap_or_default() {
            row::put_bytes(record, &mut left);
            count += 1;
        }
    }
    Ok((left, count))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array as _, AsArray as _};
    use arrow::datatypes::Int64Type;

    use super::*;
    use crate::Gate;
    use crate::testing::{MemorySpill, approved, batch, contract, csv, options};

    /// Ids with an age that is refused, and one record that could not be split.
    fn object() -> (Contract, Vec<u8>) {
        let contract = contract(&[
            "{name: id, physicalName: ID, logicalType: integer, logicalTypeOptions: {format: i64}}",
            "{name: age, logicalType: integer, logicalTypeOptions: {maximum: 9}}",
        ]);
        let gate = Gate::new(approved(contract.clone()), options(Arc::new(MemorySpill::default()))).unwrap();
        let mut raw = batch(vec![csv(&["1", "x", "3", "NA"]), csv(&["10", "11", "12", "13"])], 0);
        raw.malformed = vec![(2, crate::Malformed::BadQuote)];
        let mut writer = super::super::Writer::new(&contract);
        gate.check(raw).unwrap().rejections.iter().for_each(|rejection| writer.push(rejection));
        assert_eq!(writer.rows(), 4);
        (contract, writer.finish())
    }

    fn ids(values: &Values) -> Vec<Option<i64>> {
        values.rows.column_by_name("id").unwrap().as_primitive::<Int64Type>().iter().collect()
    }

    #[test]
    fn what_can_be_read_is_told_apart_from_what_cannot_and_from_nothing() {
        let (contract, bytes) = object();
        let words = Writing { null_tokens: vec!["NA".to_owned()], decimal_comma: false };
        let read = values(&bytes, &contract, &["id".to_owned()], &words).unwrap();
        assert_eq!(ids(&read), [Some(1), None, None, None]);
        assert_eq!((read.known, read.kept), (vec![true, false, true, true], vec![true, true, false, true]));
        // Without the source's word for null it is a text, and no number.
        let read = values(&bytes, &contract, &["id".to_owned()], &Writing::default()).unwrap();
        assert_eq!(read.known, [true, false, true, false]);
        // A rule that is no type's does not matter: it is why the row is here.
        let read = values(&bytes, &contract, &["age".to_owned()], &words).unwrap();
        assert_eq!((read.known, read.rows.column(0).null_count()), (vec![true; 4], 1));
        for column in ["valid_from", "ID"] {
            let read = values(&bytes, &contract, &[column.to_owned()], &words).unwrap();
            assert_eq!((read.known, read.rows.num_columns()), (vec![false; 4], 0), "{column}");
        }
        let read = values(&bytes, &contract, &[], &words).unwrap();
        assert_eq!((read.known, read.rows.num_rows()), (vec![true; 4], 4));
    }

    #[test]
    fn rows_are_taken_out_and_the_others_stay_as_they_were() {
        let (_, bytes) = object();
        let before: Vec<Kept> = Reader::open(&bytes).unwrap().map(Result::unwrap).collect();
        let (left, count) = without(&bytes, &[true, false, false, true]).unwrap();
        let after: Vec<Kept> = Reader::open(&left).unwrap().map(Result::unwrap).collect();
        assert_eq!((count, after.as_slice()), (2, &before[1..3]));
        assert_eq!(without(&bytes, &[false; 4]).unwrap(), (bytes.clone(), 4));
        assert_eq!(without(&bytes, &[true; 4]).unwrap().1, 0);
        assert!(without(&bytes[..bytes.len() - 1], &[]).is_err() && without(b"POLDERQ2", &[]).is_err());
    }
}
