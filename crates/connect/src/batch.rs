//! Rows on their way into batches: cells are added to the current row, a row is ended, and a full batch is sent.

use bytes::Bytes;
use polder_contract::{Malformed, TextColumnBuilder};

use crate::cells::{Columns, Place};
use crate::csv::BATCH_ROWS;
use crate::output::{Message, Output, Stop};

/// Most bytes of text in one batch, unless one row holds more.
const BATCH_TEXT_BYTES: usize = 32 << 20;

/// Fills batches and sends them.
pub(crate) struct BatchWriter<'a> {
    bytes: Bytes,
    width: usize,
    columns: Columns,
    text_bytes: usize,
    pub place: &'a mut Place,
    pub out: &'a Output,
}

impl<'a> BatchWriter<'a> {
    pub(crate) fn new(width: usize, place: &'a mut Place, out: &'a Output) -> Self {
        let bytes = Bytes::new();
        Self { columns: Columns::new(&bytes, width, BATCH_ROWS), bytes, width, text_bytes: 0, place, out }
    }

    /// Before the first row: how many columns there are.
    pub(crate) fn widen(&mut self, width: usize) {
        self.width = width;
        self.columns = Columns::new(&self.bytes, width, BATCH_ROWS);
    }

    /// The next rows' cells are spans of these bytes. What was there before is sent.
    pub(crate) fn begin(&mut self, bytes: &Bytes) -> Result<(), Stop> {
        self.flush()?;
        self.bytes = bytes.clone();
        self.columns = Columns::new(&self.bytes, self.width, BATCH_ROWS);
        Ok(())
    }

    /// The columns, each of which takes one cell of the current row.
    pub(crate) fn columns(&mut self) -> impl Iterator<Item = &mut TextColumnBuilder> {
        self.columns.columns()
    }

    /// Counts bytes of text that the current row holds, however it ends.
    pub(crate) fn count(&mut self, text_bytes: usize) {
        self.text_bytes = self.text_bytes.saturating_add(text_bytes);
    }

    /// Ends a row in which stand that many bytes of text of its own.
    pub(crate) fn end_row(&mut self, text_bytes: usize) -> Result<(), Stop> {
        self.columns.set_rows(self.columns.rows() + 1);
        self.count(text_bytes);
        self.full()
    }

    /// Ends a row as malformed: what it had so far goes.
    pub(crate) fn end_malformed(&mut self, reason: Malformed) -> Result<(), Stop> {
        self.columns.end_malformed(reason);
        self.full()
    }

    fn full(&mut self) -> Result<(), Stop> {
        if self.columns.rows() >= BATCH_ROWS || self.text_bytes >= BATCH_TEXT_BYTES { self.flush() } else { Ok(()) }
    }

    /// Sends what there is.
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        let rows = self.columns.rows();
        self.text_bytes = 0;
        if rows == 0 {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.columns, Columns::new(&self.bytes, self.width, BATCH_ROWS));
        let batch = full.into_batch(self.place);
        self.place.advance(rows);
        self.out.send(Message::Batch(batch))
    }
}
