//! What a decoder hands to the gate: one batch of records, column by column, nothing parsed yet.
//!
//! A text column is a list of spans over bytes that all columns share, so that a decoder copies no cell but those it had to unescape.

use std::sync::Arc;

use arrow::array::ArrayRef;
use bytes::Bytes;

/// Bits of a span's length; the other bits of the word hold the kind. A cell is never longer: records end at 16 MiB.
const LEN_BITS: u32 = 28;
const LEN_MAX: usize = (1 << LEN_BITS) - 1;
const LEN_MASK: u32 = (1 << LEN_BITS) - 1;
/// Set in a span's start when the bytes lie in the column's side buffer.
const SIDE: u32 = 1 << 31;
const START_MAX: usize = (1 << 31) - 1;

/// One batch of records as the decoder saw them. It cannot become a row of a table: only the gate makes `Admitted`.
#[derive(Debug, Clone)]
pub struct RawBatch {
    /// In the order of the contract's properties, each with `rows` cells.
    pub columns: Vec<Cells>,
    /// Records in the batch, malformed ones included.
    pub rows: usize,
    /// Number of the batch's first record in its file, counted from 1; a CSV header is not a record.
    pub first_record: u64,
    /// How many records of the whole source came before this batch, over all files: gives every row one place in the run.
    pub first_ordinal: u64,
    /// The file as the user knows it.
    pub file: Arc<str>,
    /// Rows that could not be split into cells, by their place in the batch, ascending. Their cells are [`CellKind::Null`].
    pub malformed: Vec<(u32, Malformed)>,
}

/// The cells of one column.
#[derive(Debug, Clone)]
pub enum Cells {
    /// As text: CSV, JSON.
    Text(TextColumn),
    /// As an Arrow array: Parquet, Arrow, a database.
    Typed(ArrayRef),
}

impl Cells {
    /// Cells in the column.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(column) => column.len(),
            Self::Typed(array) => array.len(),
        }
    }

    /// Whether the column has no cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the source's syntax says of a cell, before any type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CellKind {
    /// A CSV field without quotes. The only kind that a null token can match.
    Text = 0,
    /// A CSV field in quotes: never a null token, otherwise as [`CellKind::Text`].
    Quoted = 1,
    /// A JSON string: never a null token, and a number, boolean only where the contract says so.
    String = 2,
    /// A JSON number token, as written.
    Number = 3,
    /// A JSON `true` or `false`.
    Bool = 4,
    /// A JSON `null`, or a key that is not there.
    Null = 5,
    /// A JSON object or array, as written.
    Nested = 6,
    /// A cell too long to keep; it has no bytes and is rejected.
    TooLong = 7,
    /// A value of a masked column as it was masked before it was kept. No decoder makes one, only `quarantine::replay`.
    Masked = 8,
    /// A value of a masked column that broke a rule and was not kept; it has no bytes and is rejected.
    Withheld = 9,
    /// A day, time or moment that the source holds as one, in the text of ISO 8601 that stands for it: the contract's `format`, which is of
    /// the source's own texts, is not of it. Otherwise as [`CellKind::String`].
    Native = 10,
}

impl CellKind {
    /// The kind that `code` stands for in a span or a quarantine record.
    pub const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Text,
            1 => Self::Quoted,
            2 => Self::String,
            3 => Self::Number,
            4 => Self::Bool,
            5 => Self::Null,
            6 => Self::Nested,
            7 => Self::TooLong,
            8 => Self::Masked,
            9 => Self::Withheld,
            10 => Self::Native,
            _ => return None,
        })
    }

    /// The number that stands for the kind in a span or a quarantine record.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// One cell: its bytes, unescaped and not checked to be UTF-8, and its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell<'a> {
    pub bytes: &'a [u8],
    pub kind: CellKind,
}

/// Why a decoder could not split a record. The record is rejected and counted; its bytes are not kept, because they may hold columns
/// that no contract authorises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// More or fewer fields than the header has.
    Ragged,
    /// Longer than a record may be.
    TooLong,
    /// A quote where none may stand, or one that never closes.
    BadQuote,
    /// Not JSON.
    InvalidJson,
    /// JSON, but not an object.
    NotAnObject,
    /// A JSON object with one key twice.
    DuplicateKey,
    /// JSON nested deeper than the limit.
    TooDeep,
    /// Bytes that are not UTF-8 where the format demands it.
    NotUtf8,
    /// Something other than a list where the dataset takes a row from each element of one.
    NotAList,
    /// A spreadsheet's error, such as `#N/A`, in a column that is wanted.
    CellError,
}

impl Malformed {
    /// A short name for reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ragged => "malformed:ragged",
            Self::TooLong => "malformed:too_long",
            Self::BadQuote => "malformed:bad_quote",
            Self::InvalidJson => "malformed:invalid_json",
            Self::NotAnObject => "malformed:not_an_object",
            Self::DuplicateKey => "malformed:duplicate_key",
            Self::TooDeep => "malformed:too_deep",
            Self::NotUtf8 => "malformed:not_utf8",
            Self::NotAList => "malformed:not_a_list",
            Self::CellError => "malformed:cell_error",
        }
    }

    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Ragged,
        Self::TooLong,
        Self::BadQuote,
        Self::InvalidJson,
        Self::NotAnObject,
        Self::DuplicateKey,
        Self::TooDeep,
        Self::NotUtf8,
        Self::NotAList,
        Self::CellError,
    ];
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    len_and_kind: u32,
}

/// One column of text cells: spans over shared bytes, and a side buffer for cells that had to be unescaped.
#[derive(Debug, Clone)]
pub struct TextColumn {
    bytes: Bytes,
    side: Bytes,
    spans: Vec<Span>,
}

impl TextColumn {
    /// Cells in the column.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether the column has no cell.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The cell of a row; none past the end.
    pub fn get(&self, row: usize) -> Option<Cell<'_>> {
        self.spans.get(row).map(|span| self.resolve(*span))
    }

    /// All cells in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Cell<'_>> {
        self.spans.iter().map(|span| self.resolve(*span))
    }

    /// All cells in order, each with its last eight bytes (`parse::swar`), for parsers that take several digits at once.
    #[inline]
    pub(crate) fn iter_with_tails(&self) -> impl ExactSizeIterator<Item = (Cell<'_>, u64)> {
        self.spans.iter().map(|span| {
            let cell = self.resolve(*span);
            let bytes = if span.start & SIDE == 0 { &self.bytes } else { &self.side };
            let end = ((span.start & !SIDE) as usize).wrapping_add(cell.bytes.len());
            let word = end.checked_sub(8).and_then(|start| bytes.get(start..end)).and_then(|word| word.first_chunk::<8>());
            (cell, word.map_or_else(|| crate::parse::swar::tail_of(cell.bytes), |word| u64::from_le_bytes(*word)))
        })
    }

    /// All cells in order, each with the thirty-two bytes that begin where it does, where there are so many.
    #[inline]
    pub(crate) fn iter_with_chunks(&self) -> impl ExactSizeIterator<Item = (Cell<'_>, Option<&[u8; 32]>)> {
        self.spans.iter().map(|span| {
            let bytes = if span.start & SIDE == 0 { &self.bytes } else { &self.side };
            let start = (span.start & !SIDE) as usize;
            (self.resolve(*span), bytes.get(start..).and_then(|rest| rest.first_chunk::<32>()))
        })
    }

    /// Sum of all cells' lengths, in bytes.
    pub fn content_len(&self) -> usize {
        self.spans.iter().map(|span| (span.len_and_kind & LEN_MASK) as usize).sum()
    }

    #[inline]
    fn resolve(&self, span: Span) -> Cell<'_> {
        let bytes = if span.start & SIDE == 0 { &self.bytes } else { &self.side };
        let start = (span.start & !SIDE) as usize;
        let len = (span.len_and_kind & LEN_MASK) as usize;
        match (bytes.get(start..start.wrapping_add(len)), CellKind::from_code(span.len_and_kind >> LEN_BITS)) {
            (Some(bytes), Some(kind)) => Cell { bytes, kind },
            // The builder writes no such span; should one appear, the gate rejects the row.
            _ => Cell { bytes: &[], kind: CellKind::TooLong },
        }
    }
}

/// Builds a [`TextColumn`]. Nothing here fails: what cannot be held becomes [`CellKind::TooLong`], which the gate rejects.
#[derive(Debug)]
pub struct TextColumnBuilder {
    bytes: Bytes,
    side: Vec<u8>,
    spans: Vec<Span>,
}

impl TextColumnBuilder {
    /// A column over `bytes` (cheap to clone, so every column of a batch shares them), with room for `rows` cells.
    pub fn new(bytes: Bytes, rows: usize) -> Self {
        Self { bytes, side: Vec::new(), spans: Vec::with_capacity(rows) }
    }

    /// The next cell is `start..end` of the shared bytes.
    #[inline]
    pub fn push_span(&mut self, start: usize, end: usize, kind: CellKind) {
        let fits = start <= end && end <= self.bytes.len();
        self.push(start, end.wrapping_sub(start), kind, fits, 0);
    }

    /// The next cell is `cell`, copied aside: for cells that had to be unescaped.
    pub fn push_bytes(&mut self, cell: &[u8], kind: CellKind) {
        let start = self.side.len();
        let fits = cell.len() <= LEN_MAX && start <= START_MAX;
        if fits {
            self.side.extend_from_slice(cell);
        }
        self.push(start, cell.len(), kind, fits, SIDE);
    }

    /// The next cell is unescaped by `write`, straight into the side buffer.
    pub fn push_with(&mut self, kind: CellKind, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.side.len();
        write(&mut self.side);
        let len = self.side.len().saturating_sub(start);
        self.push(start, len, kind, true, SIDE);
    }

    /// The next cell is null or absent.
    #[inline]
    pub fn push_null(&mut self) {
        self.push(0, 0, CellKind::Null, true, 0);
    }

    /// The next cell was too long to keep.
    pub fn push_too_long(&mut self) {
        self.push(0, 0, CellKind::TooLong, true, 0);
    }

    /// Takes the last cells away, down to `rows`: for a record found malformed half way.
    pub fn truncate(&mut self, rows: usize) {
        self.spans.truncate(rows);
    }

    /// Cells so far.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no cell yet.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The column.
    pub fn finish(self) -> TextColumn {
        TextColumn { bytes: self.bytes, side: Bytes::from(self.side), spans: self.spans }
    }

    #[inline]
    fn push(&mut self, start: usize, len: usize, kind: CellKind, fits: bool, side: u32) {
        let span = match (u32::try_from(start), u32::try_from(len)) {
            (Ok(start), Ok(len)) if fits && start < SIDE && len <= LEN_MASK => {
                Span { start: start | side, len_and_kind: len | (u32::from(kind.code()) << LEN_BITS) }
            }
            _ => Span { start: 0, len_and_kind: u32::from(CellKind::TooLong.code()) << LEN_BITS },
        };
        self.spans.push(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_as_pushed() {
        let bytes = Bytes::from_static(b"one,two,\"a\"\"b\"");
        let mut builder = TextColumnBuilder::new(bytes, 4);
        builder.push_span(0, 3, CellKind::Text);
        builder.push_span(4, 7, CellKind::Quoted);
        builder.push_bytes(b"a\"b", CellKind::Quoted);
        builder.push_with(CellKind::String, |out| out.extend_from_slice(b"xyz"));
        builder.push_null();
        let column = builder.finish();
        let cells: Vec<_> = column.iter().map(|cell| (cell.bytes, cell.kind)).collect();
        assert_eq!(
            cells,
            [
                (&b"one"[..], CellKind::Text),
                (b"two", CellKind::Quoted),
                (b"a\"b", CellKind::Quoted),
                (b"xyz", CellKind::String),
                (b"", CellKind::Null)
            ]
        );
        assert_eq!(column.get(5), None);
        assert_eq!(column.content_len(), 12);
    }

    #[test]
    fn a_span_that_cannot_be_is_marked_and_never_read() {
        let mut builder = TextColumnBuilder::new(Bytes::from_static(b"abc"), 3);
        builder.push_span(2, 9, CellKind::Text);
        builder.push_span(3, 2, CellKind::Text);
        builder.push_too_long();
        let column = builder.finish();
        assert!(column.iter().all(|cell| cell.kind == CellKind::TooLong && cell.bytes.is_empty()));
    }

    #[test]
    fn every_kind_has_its_code() {
        for code in 0..11 {
            assert_eq!(u32::from(CellKind::from_code(code).unwrap().code()), code);
        }
        assert_eq!(CellKind::from_code(11), None);
    }
}
