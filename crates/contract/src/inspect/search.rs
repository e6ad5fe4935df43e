//! The search for patterns over many values at once. A column's bytes are searched for literals as they lie; values with one are put one
//! after the other, each ended by a line feed, so that a match knows where a value begins and ends, and searched for the rules' strings;
//! where a string begins, the value is judged alone.

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
    /// Gathers the values in which a rule may hold.
    fn add(&mut self, column: usize, array: &'a StringArray) -> Result<(), Error> {
        let Some(literals) = self.patterns.literals() else {
            return (0..array.len()).try_for_each(|row| self.add_row(column, array, row));
        };
        let (offsets, data) = (array.value_offsets(), array.value_data());
        let place = |row: usize| offsets.get(row).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(usize::MAX);
        let (mut row, mut from, behind) = (0, place(0), place(array.len()));
        while let Some(found) = data.get(from..behind).and_then(|rest| literals.find(rest)) {
            let (start, end) = (from + found.start(), from + found.end());
            // The last row that begins at or before the place.
            let later = offsets.get(row + 1..).unwrap_or_default();
            row += later.partition_point(|offset| usize::try_from(*offset).is_ok_and(|offset| offset <= start));
            if end <= place(row + 1) {
                self.add_row(column, array, row)?;
                from = place(row + 1);
            } else {
                // It lies across the end of a value.
                from = start + 1;
            }
        }
        Ok(())
    }

    fn add_row(&mut self, column: usize, array: &'a StringArray, row: usize) -> Result<(), Error> {
        let start = self.text.len();
        match self.pieces.last_mut() {
            Some(last) if last.column == column && last.to == row => last.to = row + 1,
            _ => self.pieces.push(Piece { column, array, from: row, to: row + 1, start }),
        }
        let offsets = array.value_offsets();
        let (Some(begin), Some(end)) = (offsets.get(row), offsets.get(row + 1)) else { return Ok(()) };
        self.text.extend_from_slice(slice(array.value_data(), *begin, *end));
        self.text.push(b'\n');
        if self.text.len() >= JOINED_BYTES { self.flush() } else { Ok(()) }
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
