//! All keys of a source, as the table stores them (`polder.deletes: key_snapshot`): what a table holds and they do not is gone.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::approval::Approved;
use crate::column::{Bounds, Column};
use crate::error::Error;
use crate::gate::faults::Faults;
use crate::gate::picked::Picked;
use crate::gate::plan::Plan;
use crate::gate::{GateOptions, build_failed, check_cells, comma};
use crate::mask::apply::{Failed, Masker};
use crate::raw::RawBatch;

/// Keys of a source, of one batch. Only [`SourceKeys`] makes them.
#[derive(Debug, Clone)]
pub struct SnapshotKeys {
    keys: RecordBatch,
    unreadable: u64,
}

impl SnapshotKeys {
    /// The columns of [`Contract::key_schema`](crate::Contract::key_schema).
    pub fn keys(&self) -> &RecordBatch {
        &self.keys
    }

    /// Rows without a key that a table could hold: null, or no value of the column's type.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

/// Reads the keys of a source.
///
/// They are held to the types of their columns and to none of their other rules. What no table of these types can hold is no key; but a key that
/// breaks a rule today may be of a row that was loaded before there was the rule, and that row is not gone.
pub struct SourceKeys {
    /// In the order of the key.
    columns: Vec<(Plan, Option<Masker>)>,
    schema: SchemaRef,
    decimal_comma: bool,
}

impl SourceKeys {
    /// For a contract; of the options those count that say how values are written and masked.
    ///
    /// # Errors
    /// When a domain has no key, or a format does not compile, which the contract's reader rules out.
    pub fn new(contract: &Approved, options: &GateOptions) -> Result<Self, Error> {
        let tokens: Vec<String> = options.null_tokens.iter().chain(&contract.null_tokens).cloned().collect();
        let key = contract.primary_key();
        let columns = key.into_iter().enumerate().filter_map(|(place, of)| Some((place, contract.columns.get(of)?)));
        let columns = columns.map(|(place, column)| {
            let bare = bare(column);
            Ok((Plan::new(place, &bare, &tokens)?, Masker::new(place, &bare, options.masking.as_ref())?))
        });
        Ok(Self {
            columns: columns.collect::<Result<Vec<_>, Error>>()?,
            schema: contract.key_schema(),
            decimal_comma: options.decimal_comma,
        })
    }

    /// The keys of a batch that holds the columns of the key in its order, and no others.
    ///
    /// # Errors
    /// When the batch has not that shape, or a column cannot be masked. Then nothing may be deleted: a key that was not read is none that
    /// is gone.
    pub fn read(&self, raw: &RawBatch) -> Result<SnapshotKeys, Error> {
        let (found, wanted) = (raw.columns.len(), self.columns.len());
        if found != wanted {
            return Err(Error::Shape { file: raw.file.to_string(), what: "columns", found, wanted });
        }
        if let Some(cells) = raw.columns.iter().find(|cells| cells.len() != raw.rows) {
            return Err(Error::Shape { file: raw.file.to_string(), what: "cells in a column", found: cells.len(), wanted: raw.rows });
        }
        let mut faults = Faults::new(raw.rows);
        for (row, malformed) in &raw.malformed {
            faults.add(usize::try_from(*row).unwrap_or(usize::MAX), None, crate::Rule::Malformed(*malformed));
        }
        let mut arrays = Vec::with_capacity(wanted);
        for ((plan, masker), cells) in self.columns.iter().zip(&raw.columns) {
            let pointed = self.decimal_comma.then(|| comma::pointed(plan, cells)).flatten();
            let cells = pointed.as_ref().unwrap_or(cells);
            match masker {
                None => arrays.push(check_cells(plan, cells, &mut faults).map_err(|source| build_failed(raw, source))?),
                Some(masker) => {
                    let masked = masker.apply(plan, cells, &mut faults).map_err(|failed| match failed {
                        Failed::Build(source) => build_failed(raw, source),
                        Failed::Mask(source) => Error::Mask { file: raw.file.to_string(), column: plan.column.name.clone(), source },
                    })?;
                    arrays.extend(masked.array);
                }
            }
        }
        let picked = if faults.is_empty() { Picked::all(raw) } else { Picked::of(raw, |row| !faults.has(row)) };
        let keys = arrays.iter().map(|array| picked.from(array)).collect::<Result<Vec<_>, _>>();
        let keys = keys.and_then(|keys| RecordBatch::try_new(SchemaRef::clone(&self.schema), keys));
        let unreadable = u64::try_from(raw.rows.saturating_sub(picked.rows)).unwrap_or(u64::MAX);
        Ok(SnapshotKeys { keys: keys.map_err(|source| build_failed(raw, source))?, unreadable })
    }
}

/// The column with its type, its mask and the way its values are written, and without the rules that a value of the type may break.
fn bare(column: &Column) -> Column {
    Column {
        bounds: Bounds::None,
        multiple_of: None,
        min_length: None,
        max_length: None,
        pattern: None,
        text_format: None,
        valid_values: None,
        ..column.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::util::display::array_value_to_string;

    use super::*;
    use crate::testing::{MemorySpill, approved, batch, contract_with, csv, options};
    use crate::{Gate, Malformed};

    const SETTINGS: &str = "  - {property: polder.disposition, value: merge}\n  - {property: polder.deletes, value: key_snapshot}\n";
    const PROPERTIES: [&str; 3] = [
        "{name: day, logicalType: date, primaryKey: true, primaryKeyPosition: 2, logicalTypeOptions: {format: dd.MM.yyyy, minimum: '2020-01-01'}}",
        "{name: v, logicalType: string, required: true}",
        "{name: code, logicalType: string, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {pattern: '[A-Z]+'}, customProperties: [{property: polder.nullTokens, value: [none]}]}",
    ];

    fn source_keys() -> SourceKeys {
        SourceKeys::new(&approved(contract_with(&PROPERTIES, SETTINGS)), &options(Arc::new(MemorySpill::default()))).unwrap()
    }

    #[test]
    fn keys_are_read_as_the_table_stores_them() {
        let mut raw = batch(
            vec![
                csv(&["A", "b", "none", "C", "D", "E"]),
                csv(&["01.02.2021", "31.12.1999", "01.01.2021", "30.02.2021", "01.01.2021", "2021-01-01"]),
            ],
            0,
        );
        raw.malformed = vec![(4, Malformed::Ragged)];
        let read = source_keys().read(&raw).unwrap();
        let shown: Vec<String> = (0..read.keys().num_rows())
            .map(|row| read.keys().columns().iter().map(|array| array_value_to_string(array, row).unwrap()).collect::<Vec<_>>().join(" "))
            .collect();
        // The second breaks a pattern and a minimum, and may have been loaded before there were any.
        assert_eq!((shown, read.unreadable()), (vec!["A 2021-02-01".to_owned(), "b 1999-12-31".to_owned()], 4));
        // A control: the gate refuses that row.
        let contract = approved(contract_with(&PROPERTIES, SETTINGS));
        assert_eq!(read.keys().schema(), contract.key_schema());
        let gate = Gate::new(contract, options(Arc::new(MemorySpill::default()))).unwrap();
        let rows = batch(vec![csv(&["01.02.2021", "31.12.1999"]), csv(&["x", "x"]), csv(&["A", "b"])], 0);
        let checked = gate.check(rows).unwrap();
        assert_eq!((checked.admitted.rows(), checked.rejections.len()), (1, 1));
        let admitted = checked.admitted.batch();
        assert_eq!(admitted.column(2).as_ref(), read.keys().column(0).slice(0, 1).as_ref());
        assert_eq!(admitted.column(0).as_ref(), read.keys().column(1).slice(0, 1).as_ref());
    }

    #[test]
    fn a_batch_of_another_shape_is_none_of_keys() {
        for columns in [vec![csv(&["A"])], vec![csv(&["A"]), csv(&["01.01.2021", "02.01.2021"])]] {
            let error = source_keys().read(&batch(columns, 0)).unwrap_err();
            assert!(matches!(error, Error::Shape { .. }));
        }
    }
}
