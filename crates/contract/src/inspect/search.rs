//! The search for patterns over many values at once: values one after the other, each ended by a line feed, so that a match knows where a
//! value begins and ends; where a string of a rule begins, the value is judged alone.

use arrow::array::{Array, StringArray};

use super::{Inspected, Patterns, slice};
use crate::error::Error;

/// Bytes that are searched at once: they stay in the processor's cache.
const JOINED_BYTES: usize = 256 << 10;

/// A value that a rule holds for.
pub struct Hit {
    /// Place among the inspected columns.
    pub column: usize,
    pub row: usize,
    pub rule: &'static str,
}

/// Values of one column, one after the other.
struct Piece<'a> {
    column: usize,
    array: &'a StringArray,
    /// The first row.
    from: usize,
    /// Behind the last row.
    to: usize,
    /// Where the first begins in what is searched.
    start: usize,
}

impl Piece<'_> {
    /// Where a row begins in what is searched.
    fn place(&self, row: usize) -> usize {
        let offsets = self.array.value_offsets();
        let at = |row: usize| offsets.get(row).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
        self.start + at(row).saturating_sub(at(self.from)) + row.saturating_sub(self.from)
    }

    /// The row in which a place lies.
    fn row(&self, place: usize) -> usize {
        let (mut low, mut high) = (self.from, self.to);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if self.place(middle) <= place { low = middle } else { high = middle }
        }
        low
    }
}

/// Every value of the columns for which a rule holds, by column and row.
pub fn hits(patterns: Patterns, columns: &[Inspected<'_>]) -> Result<Vec<Hit>, Error> {
    let mut search = Search { patterns, text: Vec::new(), pieces: Vec::new(), hits: Vec::new() };
    for (column, inspected) in columns.iter().enumerate() {
        search.add(column, inspected.array)?;
    }
    search.flush()?;
    Ok(search.hits)
}

struct Search<'a> {
    patterns: Patterns,
    text: Vec<u8>,
    pieces: Vec<Piece<'a>>,
    hits: Vec<Hit>,
}

impl<'a> Search<'a> {
    fn add(&mut self, column: usize, array: &'a StringArray) -> Result<(), Error> {
        let (offsets, data) = (array.value_offsets(), array.value_data());
        let rows = array.len();
        let mut from = 0;
        let mut start = self.text.len();
        for (row, (begin, end)) in offsets.iter().zip(offsets.iter().skip(1)).enumerate() {
            self.text.extend_from_slice(slice(data, *begin, *end));
            self.text.push(b'\n');
            if self.text.len() >= JOINED_BYTES {
                self.pieces.push(Piece { column, array, from, to: row + 1, start });
                self.flush()?;
                (from, start) = (row + 1, 0);
            }
        }
        if from < rows {
            self.pieces.push(Piece { column, array, from, to: rows, start });
        }
        Ok(())
    }

    /// Searches what was gathered.
    fn flush(&mut self) -> Result<(), Error> {
        let mut rows: Vec<(usize, usize)> = Vec::new();
        let pieces = &self.pieces;
        if self.text.is_empty() {
            return Ok(());
        }
        let told = self.patterns.find(&self.text, |place| {
            let at = pieces.partition_point(|piece| piece.start <= place).saturating_sub(1);
            if let Some(piece) = pieces.get(at) {
                rows.push((at, piece.row(place)));
            }
        })?;
        if !told {
            rows = pieces.iter().enumerate().flat_map(|(at, piece)| (piece.from..piece.to).map(move |row| (at, row))).collect();
        }
        rows.sort_unstable();
        rows.dedup();
        for (at, row) in rows {
            let Some(piece) = pieces.get(at).filter(|piece| piece.array.is_valid(row)) else { continue };
            if let Some(rule) = self.patterns.judge(piece.array.value(row).as_bytes())? {
                self.hits.push(Hit { column: piece.column, row, rule });
            }
        }
        self.text.clear();
        self.pieces.clear();
        Ok(())
    }
}
