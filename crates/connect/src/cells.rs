//! The columns of a batch while they are filled.

use std::sync::Arc;

use bytes::Bytes;
use polder_contract::{CellKind, Cells, Malformed, RawBatch, TextColumnBuilder};

/// Where a batch's first record stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub file: Arc<str>,
    /// In its file, from 1.
    pub record: u64,
    /// Over all files, from 0.
    pub ordinal: u64,
}

impl Place {
    /// Goes on by that many records.
    pub(crate) fn advance(&mut self, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.record = self.record.saturating_add(rows);
        self.ordinal = self.ordinal.saturating_add(rows);
    }
}

/// Columns over one block.
#[derive(Debug)]
pub(crate) struct Columns {
    columns: Vec<TextColumnBuilder>,
    rows: usize,
    malformed: Vec<(u32, Malformed)>,
}

impl Columns {
    pub(crate) fn new(block: &Bytes, width: usize, rows: usize) -> Self {
        let column = || TextColumnBuilder::new(block.clone(), rows);
        Self { columns: std::iter::repeat_with(column).take(width).collect(), rows: 0, malformed: Vec::new() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn set_rows(&mut self, rows: usize) {
        self.rows = rows;
    }

    pub(crate) fn columns(&mut self) -> impl Iterator<Item = &mut TextColumnBuilder> {
        self.columns.iter_mut()
    }

    /// Says why a row, whose cells are null, could not be split. Rows come in ascending order.
    pub(crate) fn malformed(&mut self, row: usize, reason: Malformed) {
        self.malformed.push((u32::try_from(row).unwrap_or(u32::MAX), reason));
    }

    /// Ends a row as malformed: what it had so far goes.
    pub(crate) fn end_malformed(&mut self, reason: Malformed) {
        for column in &mut self.columns {
            column.truncate(self.rows);
            column.push_null();
        }
        self.malformed(self.rows, reason);
        self.rows += 1;
    }

    /// One row that is malformed.
    pub(crate) fn only_malformed(width: usize, reason: Malformed) -> Self {
        let mut columns = Self::new(&Bytes::new(), width, 1);
        columns.end_malformed(reason);
        columns
    }

    pub(crate) fn into_batch(self, place: &Place) -> RawBatch {
        RawBatch {
            columns: self.columns.into_iter().map(|column| Cells::Text(column.finish())).collect(),
            rows: self.rows,
            first_record: place.record,
            first_ordinal: place.ordinal,
            file: place.file.clone(),
            malformed: self.malformed,
        }
    }
}

/// The kind of an unquoted or quoted CSV field.
pub(crate) const fn csv_kind(quoted: bool) -> CellKind {
    if quoted { CellKind::Quoted } else { CellKind::Text }
}
