//! The columns of a batch while they are filled.

use std::sync::Arc;

use bytes::Bytes;
use polder_contract::{Cells, Malformed, RawBatch, Span, TextColumn};

/// What a cell is, as the contract crate encodes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Absent = 0,
    Text = 1,
    Number = 2,
    Bool = 3,
    Null = 4,
    Nested = 5,
    Quoted = 6,
}

#[derive(Debug, Default)]
struct Column {
    spans: Vec<Span>,
    side: Vec<u8>,
}

/// Columns of spans into a block or into a side buffer of each column.
#[derive(Debug)]
pub(crate) struct Columns {
    columns: Vec<Column>,
    rows: usize,
    malformed: Vec<(u32, Malformed)>,
}

impl Columns {
    pub(crate) fn new(width: usize, rows: usize) -> Self {
        let column = || Column { spans: Vec::with_capacity(rows), side: Vec::new() };
        Self { columns: std::iter::repeat_with(column).take(width).collect(), rows: 0, malformed: Vec::new() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn set_rows(&mut self, rows: usize) {
        self.rows = rows;
    }

    pub(crate) fn malformed(&mut self, row: usize, reason: Malformed) {
        self.malformed.push((u32::try_from(row).unwrap_or(u32::MAX), reason));
    }

    /// One row of nothing, with its reason.
    pub(crate) fn with_malformed(mut self, reason: Malformed) -> Self {
        for slot in 0..self.columns.len() {
            self.push_absent(slot);
        }
        self.malformed(0, reason);
        self.rows = 1;
        self
    }

    /// Adds plain cells of the block, given as start and end.
    pub(crate) fn extend_plain(&mut self, slot: usize, pairs: impl Iterator<Item = (u32, u32)>) {
        if let Some(column) = self.columns.get_mut(slot) {
            column.spans.extend(pairs.map(|(start, end)| Span { start, meta: (end - start) | (1 << 28) }));
        }
    }

    pub(crate) fn push(&mut self, slot: usize, start: u32, end: u32, kind: Kind) {
        if let Some(column) = self.columns.get_mut(slot) {
            column.spans.push(Span { start, meta: (end - start) | ((kind as u32) << 28) });
        }
    }

    pub(crate) fn push_absent(&mut self, slot: usize) {
        self.push(slot, 0, 0, Kind::Absent);
    }

    /// Makes every column that many rows long: what a row had so far goes, and it is absent.
    pub(crate) fn end_row_absent(&mut self, rows: usize) {
        for column in &mut self.columns {
            column.spans.truncate(rows - 1);
            column.spans.push(Span { start: 0, meta: 0 });
        }
    }

    /// Adds bytes that do not stand in the block as they are.
    pub(crate) fn push_side(&mut self, slot: usize, bytes: &[u8], kind: Kind) {
        if let Some(column) = self.columns.get_mut(slot) {
            let start = u32::try_from(column.side.len()).unwrap_or(u32::MAX);
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            column.side.extend_from_slice(bytes);
            column.spans.push(Span { start, meta: len | ((kind as u32) << 28) | 1 << 31 });
        }
    }

    pub(crate) fn into_batch(self, block: &Bytes, file: Arc<str>, first_record: u64) -> RawBatch {
        let columns = self
            .columns
            .into_iter()
            .map(|column| Cells::Text(TextColumn { block: block.clone(), side: Bytes::from(column.side), spans: column.spans }))
            .collect();
        RawBatch { columns, rows: self.rows, first_record, file, malformed: self.malformed }
    }
}
