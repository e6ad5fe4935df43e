//! CSV: an index of field ends, then a slice for each cell of the wanted columns. Fields nobody wants are stepped over.

pub(crate) mod count;
pub(crate) mod dialect;
pub(crate) mod field;
pub(crate) mod header;
pub(crate) mod index;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;
use polder_contract::{CellKind, Malformed, TextColumnBuilder};
use polder_types::limit::{COLUMNS_MAX, RECORD_MAX_BYTES};

use self::count::CsvCounter;
use self::field::{Field, parse, write_text};
use self::header::{Header, Origin};
use self::index::{Dialect, Index, State, skip_record};
use crate::block::{Block, BlockReader, Pool};
use crate::cells::{Columns, Place, csv_kind};
use crate::connection::{Dataset, Encoding};
use crate::error::Error;
use crate::input::KnownFile;
use crate::output::{Message, Output, Stop};
use crate::stream::Stream;

/// Rows of a batch.
pub(crate) const BATCH_ROWS: usize = 8192;
/// Rows whose cells are taken together.
const TILE_ROWS: usize = 256;
/// Longest header.
const HEADER_MAX_BYTES: usize = 1 << 20;

/// Reads one file to its end.
pub(crate) fn decode(
    file: &KnownFile,
    dataset: &Dataset,
    wanted: Option<&[String]>,
    pool: &Pool,
    place: &mut Place,
    out: &Output,
) -> Result<(), Stop> {
    let dialect = Dialect { delimiter: dataset.delimiter, quote: dialect::quote(dataset) };
    let mut stream = Stream::open(file, dataset.compression)?;
    stream = match dataset.encoding {
        Encoding::Other(_) => stream.decoded(file, dataset.encoding)?,
        // Latin-1 can be split as it stands, and only its wanted cells are decoded.
        Encoding::Utf8 | Encoding::Latin1 => stream.unmarked(file, dataset.encoding)?,
    };
    if let Some(rewritten) = dialect::Dialect::new(dataset) {
        stream = stream.through(rewritten);
    }
    let counter = Box::new(CsvCounter::new(dialect.delimiter, dialect.quote));
    let path = Arc::new(file.path.clone());
    let reader = BlockReader::new(stream, pool.clone(), counter, path.clone());
    Decoder { dialect, dataset, wanted, reader, path, place, out, index: Index::default(), header: None }.run()
}

struct Decoder<'a> {
    dialect: Dialect,
    dataset: &'a Dataset,
    wanted: Option<&'a [String]>,
    reader: BlockReader,
    path: Arc<PathBuf>,
    place: &'a mut Place,
    out: &'a Output,
    index: Index,
    header: Option<Header>,
}

impl Decoder<'_> {
    fn run(mut self) -> Result<(), Stop> {
        while let Some(mut block) = self.reader.read()? {
            let mut state = self.index.scan(block.bytes(), self.dialect);
            let complete = self.index.record_end(self.index.len());
            if block.last && complete < block.bytes().len() {
                if state == State::Quoted {
                    return Err(self.unclosed(&block).into());
                }
                block.push_line_end();
                state = self.index.scan(block.bytes(), self.dialect);
            }
            let complete = self.index.record_end(self.index.len());
            let tail = block.bytes().len() - complete;
            let limit = if self.header.is_none() && self.index.len() == 0 { HEADER_MAX_BYTES } else { RECORD_MAX_BYTES };
            let skip = tail > limit;
            if skip && self.header.is_none() && self.index.len() == 0 {
                if state != State::Quoted && memchr(b'\r', block.bytes()).is_some() {
                    return Err(Error::CarriageReturns { path: self.path.to_path_buf() }.into());
                }
                return Err(Error::HeaderTooLong { path: self.path.to_path_buf(), max_bytes: HEADER_MAX_BYTES }.into());
            }
            let first = self.take_header(&block)?;
            if skip {
                // The long record's bytes are dropped: only the scan's state goes on.
                self.block(block, first, complete, false)?;
                self.skip_long(state)?;
            } else {
                self.block(block, first, complete, true)?;
            }
        }
        if self.header.is_none() && self.dataset.header {
            return Err(Error::NoHeader { path: self.path.to_path_buf() }.into());
        }
        let counted = self.reader.counted().saturating_sub(u64::from(self.dataset.header));
        self.out.send(Message::FileEnd { counted: Some(counted), sha256: self.reader.sha256() })
    }

    /// The last record of a block opens a quote that never closes.
    fn unclosed(&self, block: &Block) -> Error {
        let path = self.path.to_path_buf();
        let awaits_header = self.header.is_none() && self.dataset.header;
        if awaits_header && (0..self.index.len()).all(|number| is_blank(block.bytes(), self.index.ends(number, number + 1))) {
            return Error::HeaderQuote { path };
        }
        let before = u64::try_from(self.index.len()).unwrap_or(0);
        Error::UnclosedQuote { path, record: self.place.record + before - u64::from(awaits_header) }
    }

    /// Drops the rest of a record that is too long, as one malformed row.
    fn skip_long(&mut self, mut state: State) -> Result<(), Stop> {
        while let Some(block) = self.reader.read()? {
            match skip_record(block.bytes(), self.dialect, state) {
                Ok(end) => {
                    self.reader.put_back(block, end);
                    break;
                }
                Err(next) if block.last && next == State::Quoted => {
                    return Err(Error::UnclosedQuote { path: self.path.to_path_buf(), record: self.place.record }.into());
                }
                Err(next) => {
                    state = next;
                    let end = block.bytes().len();
                    self.reader.put_back(block, end);
                }
            }
        }
        let width = self.header.as_ref().map_or(0, |header| header.fields.len());
        self.send(Columns::only_malformed(width, Malformed::TooLong))
    }

    /// Takes the header from the first record; says which record is the first of data.
    fn take_header(&mut self, block: &Block) -> Result<usize, Stop> {
        if self.header.is_some() {
            return Ok(0);
        }
        let bytes = block.bytes();
        for number in 0..self.index.len() {
            let ends = self.index.ends(number, number + 1);
            if is_blank(bytes, ends) {
                continue;
            }
            // Lines that end with a carriage return alone look like one long header, under which there are no rows.
            let alone = block.last && self.index.len() == number + 1;
            if (self.dataset.header || alone) && header::has_bare_return(bytes, ends, self.dialect) {
                return Err(Error::CarriageReturns { path: self.path.to_path_buf() }.into());
            }
            if self.index.record_end(number + 1) - self.index.record_end(number) > HEADER_MAX_BYTES {
                return Err(Error::HeaderTooLong { path: self.path.to_path_buf(), max_bytes: HEADER_MAX_BYTES }.into());
            }
            if ends.len() > COLUMNS_MAX + 1 {
                return Err(Error::TooManyColumns { path: self.path.to_path_buf(), max: COLUMNS_MAX }.into());
            }
            let (names, origin, first) = if self.dataset.header {
                let names = header::names(&self.path, bytes, ends, self.dialect, self.dataset.encoding)?;
                (names, Origin::FirstRecord, number + 1)
            } else {
                ((1..ends.len()).map(|column| format!("column_{column}")).collect(), Origin::Schema, number)
            };
            let header = Header::new(&self.path, names, origin, self.wanted)?;
            self.out.send(Message::LeftOut(header.left_out.clone()))?;
            if self.wanted.is_none() {
                self.out.send(Message::Names(header.names.clone()))?;
            }
            self.header = Some(header);
            return Ok(first);
        }
        Ok(self.index.len())
    }

    /// Sends the block's complete records from `first` on as batches.
    fn block(&mut self, block: Block, first: usize, complete: usize, carry: bool) -> Result<(), Stop> {
        let bytes = self.reader.share(block, complete, carry);
        let Some(header) = self.header.take() else { return Ok(()) };
        let mut from = first;
        while from < self.index.len() {
            let to = (from + BATCH_ROWS).min(self.index.len());
            let columns = self.batch(&bytes, &header, from, to);
            from = to;
            if columns.rows() > 0 {
                self.send(columns)?;
            }
        }
        self.header = Some(header);
        Ok(())
    }

    fn send(&mut self, columns: Columns) -> Result<(), Stop> {
        let rows = columns.rows();
        let batch = columns.into_batch(self.place);
        self.place.advance(rows);
        self.out.send(Message::Batch(batch))
    }

    fn batch(&self, bytes: &Bytes, header: &Header, from: usize, to: usize) -> Columns {
        let width = header.names.len();
        let fields = u32::try_from(width).unwrap_or(u32::MAX);
        let long = bytes.len() > RECORD_MAX_BYTES;
        if width > 1 && !long && self.dataset.encoding != Encoding::Latin1 && self.index.uniform(from, to, fields) {
            self.uniform(bytes, header, from, to)
        } else {
            self.careful(bytes, header, from, to)
        }
    }

    /// The way for records that all have their fields: column by column, a few rows at a time so that their ends stay in the fastest cache.
    fn uniform(&self, bytes: &Bytes, header: &Header, from: usize, to: usize) -> Columns {
        let width = header.names.len();
        let quoted = self.index.quoted_fields(from, to, u32::try_from(width).unwrap_or(u32::MAX));
        let mut columns = Columns::new(bytes, header.fields.len(), to - from);
        let mut good = true;
        let mut row = from;
        while row < to {
            let next = (row + TILE_ROWS).min(to);
            let ends = self.index.ends(row, next);
            for (column, field) in columns.columns().zip(&header.fields) {
                let before = ends.get(*field..).unwrap_or_default().iter().step_by(width);
                let after = ends.get(field + 1..).unwrap_or_default().iter().step_by(width);
                let pairs = before.zip(after).map(|(before, after)| (before.wrapping_add(1) as usize, *after as usize));
                let last = field + 1 == width;
                if quoted.get(*field) == Some(&true) {
                    for (start, end) in pairs {
                        let end = if last { before_return(bytes, start, end) } else { end };
                        good &= self.cell(column, bytes, start, end);
                    }
                } else if last {
                    pairs.for_each(|(start, end)| column.push_span(start, before_return(bytes, start, end), CellKind::Text));
                } else {
                    pairs.for_each(|(start, end)| column.push_span(start, end, CellKind::Text));
                }
            }
            row = next;
        }
        columns.set_rows(to - from);
        if good { columns } else { self.careful(bytes, header, from, to) }
    }

    /// The way for ragged or empty lines, wrong quotes and Latin-1: row by row.
    fn careful(&self, bytes: &Bytes, header: &Header, from: usize, to: usize) -> Columns {
        let width = header.names.len();
        let mut columns = Columns::new(bytes, header.fields.len(), to - from);
        for number in from..to {
            let ends = self.index.ends(number, number + 1);
            if width > 1 && is_blank(bytes, ends) {
                continue;
            }
            if self.index.record_end(number + 1) - self.index.record_end(number) > RECORD_MAX_BYTES {
                columns.end_malformed(Malformed::TooLong);
            } else if ends.len() != width + 1 {
                columns.end_malformed(Malformed::Ragged);
            } else if self.row(&mut columns, bytes, header, ends) {
                columns.set_rows(columns.rows() + 1);
            } else {
                columns.end_malformed(Malformed::BadQuote);
            }
        }
        columns
    }

    /// Adds the cells of one row; false when quotes are wrong.
    fn row(&self, columns: &mut Columns, bytes: &Bytes, header: &Header, ends: &[u32]) -> bool {
        for (column, field) in columns.columns().zip(&header.fields) {
            let (Some(before), Some(after)) = (ends.get(*field), ends.get(field + 1)) else { return false };
            let (start, mut end) = (before.wrapping_add(1) as usize, *after as usize);
            if field + 1 == header.names.len() {
                end = before_return(bytes, start, end);
            }
            if !self.cell(column, bytes, start, end) {
                return false;
            }
        }
        true
    }

    /// Adds a cell; false when its quotes are wrong.
    #[inline]
    fn cell(&self, column: &mut TextColumnBuilder, bytes: &Bytes, start: usize, end: usize) -> bool {
        let raw = bytes.get(start..end).unwrap_or_default();
        let field = parse(raw, self.dialect.quote);
        let foreign = self.dataset.encoding == Encoding::Latin1 && !raw.is_ascii();
        let kind = csv_kind(field != Field::Plain);
        let inner = if field == Field::Plain { start..end } else { start + 1..end.saturating_sub(1) };
        match field {
            Field::Bad => return false,
            Field::Plain | Field::Quoted if !foreign => column.push_span(inner.start, inner.end, kind),
            _ => {
                let text = bytes.get(inner).unwrap_or_default();
                let quote = self.dialect.quote.filter(|_| field == Field::Escaped);
                column.push_with(kind, |out| write_text(text, quote, foreign, out));
            }
        }
        true
    }
}

/// The end of a record's last field, without the carriage return before its line feed.
#[inline]
fn before_return(bytes: &[u8], start: usize, end: usize) -> usize {
    if end > start && bytes.get(end - 1) == Some(&b'\r') { end - 1 } else { end }
}

/// Whether a record is an empty line.
fn is_blank(bytes: &[u8], ends: &[u32]) -> bool {
    match ends {
        [before, end] => matches!(bytes.get(before.wrapping_add(1) as usize..*end as usize), Some([] | [b'\r'])),
        _ => false,
    }
}
