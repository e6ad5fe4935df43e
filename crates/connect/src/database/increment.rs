//! Reading in increments: from where the last one ended, without the rows that it had already, and no further than the database says
//! that nothing below can come any more.

mod mark;
mod plan;
mod row_hash;

use std::collections::HashMap;

use arrow::array::BooleanArray;
use arrow::compute::filter;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use polder_contract::{CellKind, Cells, ColumnType, RawBatch, TextColumnBuilder};
use polder_types::ErrorKind;
use serde::{Deserialize, Serialize};

use crate::connection::{Cursor, NullCursors};
use crate::database::Settled;
use crate::error::Error;
use crate::input::FileSeen;
use crate::reader::{FileReader, SourceReader};

use self::mark::{Found, Mark, Scale};
pub(super) use self::plan::Plan;
use self::row_hash::RowHashes;

/// Most rows of an increment that the next one must know again: 16 bytes each are written down with every commit.
pub const KNOWN_MAX: usize = 1 << 20;

/// What is remembered of a dataset that is read in increments. It is written down, sealed, with the table's other offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CursorState {
    /// The source and its dataset; empty where the state was set by hand.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// The cursor's column.
    pub column: String,
    /// What it holds.
    pub kind: String,
    /// Nothing below this value can come any more: the next increment begins here, less the lag. None before the first row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<String>,
    /// The greatest value that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<String>,
    /// From which value on rows are known again; all of them where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_from: Option<String>,
    /// Keyed hashes of the rows from there on, 16 bytes each, sorted, in Base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub known: String,
    /// The columns over which the hashes are, with their types.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

impl CursorState {
    /// The state in which the next increment begins at a value, and takes all rows from there on for new; none where the value is none of
    /// the column.
    pub fn at(cursor: &Cursor, ty: Option<ColumnType>, value: &str) -> Option<Self> {
        let scale = Scale::of(ty?)?;
        let reached = Some(scale.text(&scale.parse(value)?));
        Some(Self { column: cursor.column.clone(), kind: scale.name().to_owned(), known_from: reached.clone(), reached, ..Self::default() })
    }

    /// Rows that the next increment knows again.
    pub fn known_rows(&self) -> usize {
        // Four letters stand for three bytes.
        self.known.len() / 4 * 3 / 16
    }
}

/// What an increment came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Increment {
    /// For the next one.
    pub state: CursorState,
    /// Rows that were read again and had been loaded before: they were left out.
    pub repeated: u64,
    /// Rows without a value in the cursor's column that were left at the source, as the source file says.
    pub left: u64,
    /// What the database could not tell, or what holds the cursor back.
    pub note: Option<&'static str>,
}

/// How an increment is to be read.
pub struct IncrementOptions {
    /// Where the last one ended.
    pub state: Option<CursorState>,
    /// Whether rows that come again are to be told from those that were loaded: where they would be doubled, not merged.
    pub known_again: bool,
    /// The key of the hashes by which they are told.
    pub key: [u8; 16],
    /// Instead of going on, read from here (included), and leave the state as it is.
    pub from: Option<String>,
    /// Read up to here (not included), and leave the state as it is.
    pub until: Option<String>,
}

impl std::fmt::Debug for IncrementOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IncrementOptions").field("state", &self.state).field("known_again", &self.known_again).finish_non_exhaustive()
    }
}

/// Reads an increment: takes out rows that are known, and notes what the next one needs.
pub(super) struct IncrementReader {
    inner: FileReader,
    plan: Plan,
    /// Where the last increment ended.
    before: CursorState,
    reached_before: Option<Mark>,
    /// The greatest value that an increment before this one had read.
    highest_before: Option<Mark>,
    /// Hashes of rows that were loaded before and may come again, with their number.
    known: HashMap<u128, u32>,
    /// What the database said of open transactions, as values.
    bound: Bound,
    /// Rows that the next increment may meet again; those without a usable value in the cursor's column always.
    kept: Vec<(Option<Mark>, u128)>,
    prune_at: usize,
    max: Option<Mark>,
    ordinal: u64,
    repeated: u64,
    left: u64,
    ended: bool,
}

/// Up to where an increment is complete.
enum Bound {
    /// It was not told yet.
    Untold,
    /// Exactly up to this value; to where the last one was, where it is none.
    Upto(Option<Mark>),
    /// Up to what was read, but not beyond this.
    Before(Mark),
    /// Up to what was read.
    Read,
}

impl IncrementReader {
    pub fn new(inner: FileReader, mut plan: Plan) -> Self {
        let before = plan.options.state.take().unwrap_or_default();
        let parse = |text: &Option<String>| text.as_deref().and_then(|text| plan.scale.parse(text));
        let mut known: HashMap<u128, u32> = HashMap::new();
        if plan.options.known_again {
            let bytes = BASE64_STANDARD_NO_PAD.decode(&before.known).unwrap_or_default();
            for hash in bytes.chunks_exact(16).filter_map(|chunk| chunk.first_chunk::<16>()) {
                *known.entry(u128::from_be_bytes(*hash)).or_default() += 1;
            }
        }
        Self {
            reached_before: parse(&before.reached),
            highest_before: parse(&before.highest),
            inner,
            plan,
            before,
            known,
            bound: Bound::Untold,
            kept: Vec::new(),
            prune_at: 4096,
            max: None,
            ordinal: 0,
            repeated: 0,
            left: 0,
            ended: false,
        }
    }

    /// Takes note of what the database said, which comes before the first batch.
    fn hear(&mut self) {
        let parse = |text: &str| self.plan.scale.parse(text);
        self.bound = match self.inner.settled() {
            None => Bound::Untold,
            Some(Settled::Upto(value)) => Bound::Upto(value.as_ref().and_then(|value| parse(&value.text))),
            Some(Settled::Before(value)) => match parse(&value.text) {
                Some(mark) => Bound::Before(mark),
                None => Bound::Upto(None),
            },
            Some(Settled::Open) => Bound::Upto(None),
            Some(Settled::Unknown(_) | Settled::All) => Bound::Read,
        };
    }

    /// Up to where nothing can come any more, by what was read so far.
    fn reached(&self) -> Option<&Mark> {
        let read = self.max.as_ref().max(self.reached_before.as_ref());
        match &self.bound {
            Bound::Upto(Some(mark)) => Some(mark),
            Bound::Untold | Bound::Upto(None) => self.reached_before.as_ref(),
            Bound::Before(mark) => read.map(|read| read.min(mark)),
            Bound::Read => read,
        }
    }

    /// The value from which on the next increment reads.
    fn threshold(&self) -> Option<Mark> {
        self.reached().map(|reached| self.plan.scale.less(reached, self.plan.cursor.lag_s))
    }

    fn prune(&mut self) -> Result<(), Error> {
        if let Some(threshold) = self.threshold() {
            self.kept.retain(|(mark, _)| mark.as_ref().is_none_or(|mark| *mark >= threshold));
        }
        self.prune_at = (self.kept.len() * 2).max(4096);
        if self.kept.len() > KNOWN_MAX {
            let problem = format!("more than {KNOWN_MAX} rows would have to be known again by the next increment");
            let advice = "set polder.disposition to merge, choose a cursor with fewer equal values or a shorter `lag`, or wait until open transactions end";
            return Err(self.plan.failed(problem, advice, ErrorKind::Rejected));
        }
        Ok(())
    }

    /// What of a batch is new.
    fn take(&mut self, batch: RawBatch) -> Result<RawBatch, Error> {
        let cells = batch.columns.get(self.plan.place).ok_or(Error::Internal { step: "find the cursor's column in a batch" })?;
        let marks = self.plan.scale.marks(cells, batch.rows);
        let known_again = self.plan.options.known_again && !self.plan.is_window();
        let greatest = marks.iter().filter_map(Found::mark).max();
        self.max = self.max.take().max(greatest.cloned());
        let threshold = self.threshold();
        let mut hashes: Option<RowHashes> = None;
        let mut keep = vec![true; batch.rows];
        for ((row, keep), found) in keep.iter_mut().enumerate().zip(marks) {
            if found == Found::Null {
                match self.plan.cursor.nulls {
                    NullCursors::Include => {}
                    NullCursors::Leave => {
                        (*keep, self.left) = (false, self.left + 1);
                        continue;
                    }
                    NullCursors::Refuse => {
                        let problem = "a row has no value in the column, so it belongs to no increment".to_owned();
                        let advice = "correct it at the source, or let `cursor: {nulls: include}` read such rows each time, or `leave` leave them out";
                        return Err(self.plan.failed(problem, advice, ErrorKind::Rejected));
                    }
                }
            }
            if !known_again {
                continue;
            }
            let mark = found.into_mark();
            let may_be_known = !self.known.is_empty() && (mark.is_none() || mark <= self.highest_before);
            let may_come_again = mark.is_none() || threshold.is_none() || mark >= threshold;
            if !may_be_known && !may_come_again {
                continue;
            }
            let hash = hashes.get_or_insert_with(|| RowHashes::new(&batch, &self.plan.columns, self.plan.options.key)).row(row);
            if may_be_known && let Some(left) = self.known.get_mut(&hash).filter(|left| **left > 0) {
                *left -= 1;
                self.repeated += 1;
                *keep = false;
            }
            if may_come_again {
                self.kept.push((mark, hash));
            }
        }
        if self.kept.len() >= self.prune_at {
            self.prune()?;
        }
        let mut batch = without(batch, keep)?;
        batch.first_ordinal = self.ordinal;
        self.ordinal = self.ordinal.saturating_add(u64::try_from(batch.rows).unwrap_or(u64::MAX));
        Ok(batch)
    }

    fn state(&self) -> CursorState {
        if self.plan.is_window() {
            return self.before.clone();
        }
        let text = |mark: &Mark| self.plan.scale.text(mark);
        let mut hashes: Vec<u128> = self.kept.iter().map(|(_, hash)| *hash).collect();
        hashes.sort_unstable();
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect();
        CursorState {
            of: self.plan.of(),
            column: self.plan.cursor.column.clone(),
            kind: self.plan.scale.name().to_owned(),
            reached: self.reached().map(text),
            highest: self.max.as_ref().max(self.highest_before.as_ref()).map(text),
            // Nothing is known of rows below what was read this time.
            known_from: self.threshold().max(self.plan.from.clone()).filter(|_| self.plan.options.known_again).as_ref().map(text),
            columns: if hashes.is_empty() { Vec::new() } else { self.plan.described() },
            known: BASE64_STANDARD_NO_PAD.encode(bytes),
        }
    }
}

impl SourceReader for IncrementReader {
    fn next(&mut self) -> Result<Option<RawBatch>, Error> {
        loop {
            let batch = self.inner.next()?;
            if matches!(self.bound, Bound::Untold) {
                self.hear();
            }
            let Some(batch) = batch else {
                self.prune()?;
                self.ended = true;
                return Ok(None);
            };
            let batch = self.take(batch)?;
            if batch.rows > 0 {
                return Ok(Some(batch));
            }
        }
    }

    fn left_out(&self) -> &[String] {
        self.inner.left_out()
    }

    fn never_seen(&self) -> &[String] {
        self.inner.never_seen()
    }

    fn counted(&self) -> Option<u64> {
        // Rows that the source file leaves at the source are none that were to be read.
        self.inner.counted().map(|counted| counted.saturating_sub(self.left))
    }

    fn files(&self) -> Vec<FileSeen> {
        Vec::new()
    }

    fn source_identity(&self) -> &str {
        self.inner.source_identity()
    }

    fn increment(&self) -> Option<Increment> {
        if !self.ended {
            return None;
        }
        let note = match self.inner.settled() {
            Some(Settled::Unknown(why)) => Some(*why),
            Some(Settled::Open) => {
                Some("a transaction is open that may yet bring rows below what was read: the next increment begins where this one did")
            }
            Some(Settled::Before(_)) => {
                Some("a transaction is open that may yet bring rows below what was read: the next increment begins where it did")
            }
            _ => None,
        };
        Some(Increment { state: self.state(), repeated: self.repeated, left: self.left, note })
    }
}

/// A batch without some of its rows.
fn without(batch: RawBatch, keep: Vec<bool>) -> Result<RawBatch, Error> {
    let rows = keep.iter().filter(|keep| **keep).count();
    if rows == batch.rows {
        return Ok(batch);
    }
    if !batch.malformed.is_empty() {
        return Err(Error::Internal { step: "leave out rows of a batch that holds malformed ones" });
    }
    let mask = BooleanArray::from(keep.clone());
    let column = |cells: &Cells| match cells {
        Cells::Typed(array) => match filter(array, &mask) {
            Ok(array) => Ok(Cells::Typed(array)),
            Err(_) => Err(Error::Internal { step: "leave out rows of a batch" }),
        },
        Cells::Text(column) => {
            let mut builder = TextColumnBuilder::new(bytes::Bytes::new(), rows);
            for (cell, _) in column.iter().zip(&keep).filter(|(_, keep)| **keep) {
                match cell.kind {
                    CellKind::Null => builder.push_null(),
                    CellKind::TooLong => builder.push_too_long(),
                    kind => builder.push_bytes(cell.bytes, kind),
                }
            }
            Ok(Cells::Text(builder.finish()))
        }
    };
    let columns = batch.columns.iter().map(column).collect::<Result<_, _>>()?;
    Ok(RawBatch { columns, rows, ..batch })
}

#[cfg(test)]
mod tests;
