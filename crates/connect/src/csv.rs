//! CSV: an index of field ends, then a slice for each cell of the wanted columns. Fields nobody wants are stepped over.

pub(crate) mod count;
pub(crate) mod field;
pub(crate) mod header;
pub(crate) mod index;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use polder_contract::Malformed;
use polder_types::limit::{COLUMNS_MAX, RECORD_MAX_BYTES};

use self::count::CsvCounter;
use self::field::{Field, latin1, parse};
use self::header::Header;
use self::index::{Dialect, Index, State, skip_record};
use crate::block::{Block, BlockReader, Pool};
use crate::cells::{Columns, Kind};
use crate::connection::{Dataset, Encoding};
use crate::error::Error;
use crate::input::{Input, KnownFile};
use crate::output::{Message, Output, Stop};

/// Rows of a batch.
pub(crate) const BATCH_ROWS: usize = 8192;
/// Longest header.
const HEADER_MAX_BYTES: usize = 1 << 20;

/// Reads one file to its end.
pub(crate) fn decode(file: &KnownFile, dataset: &Dataset, wanted: Option<&[String]>, pool: &Pool, out: &Output) -> Result<(), Stop> {
    let dialect = Dialect { delimiter: dataset.delimiter, quote: dataset.quote };
    let input = Input::open(file, dataset.compression)?;
    let counter = Box::new(CsvCounter::new(dialect.delimiter, dialect.quote));
    let path = Arc::new(file.path.clone());
    let reader = BlockReader::new(input, pool.clone(), counter, path.clone());
    let name = Arc::from(file.seen.path.as_str());
    Decoder { dialect, dataset, wanted, reader, path, name, out, index: Index::default(), header: None, next_record: 1 }.run()
}

struct Decoder<'a> {
    dialect: Dialect,
    dataset: &'a Dataset,
    wanted: Option<&'a [String]>,
    reader: BlockReader,
    path: Arc<PathBuf>,
    name: Arc<str>,
    out: &'a Output,
    index: Index,
    header: Option<Header>,
    next_record: u64,
}

/// A row of the block: where its ends begin, or why it has none.
type Row = Result<usize, Malformed>;

impl Decoder<'_> {
    fn run(mut self) -> Result<(), Stop> {
        while let Some(mut block) = self.reader.read()? {
            let mut state = self.index.scan(block.bytes(), self.dialect);
            let complete = self.index.record_end(self.index.len());
            if block.last && complete < block.bytes().len() {
                if state == State::Quoted {
                    return Err(self.unclosed().into());
                }
                block.push_line_end();
                state = self.index.scan(block.bytes(), self.dialect);
            }
            let complete = self.index.record_end(self.index.len());
            let tail = block.bytes().len() - complete;
            let limit = if self.header.is_none() && self.index.len() == 0 { HEADER_MAX_BYTES } else { RECORD_MAX_BYTES };
            let skip = tail > limit;
            if skip && self.header.is_none() && self.index.len() == 0 {
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
        self.out.send(Message::FileEnd { counted: Some(counted) })
    }

    fn unclosed(&self) -> Error {
        let before = u64::try_from(self.index.len()).unwrap_or(0);
        let header = u64::from(self.header.is_none() && self.dataset.header && before > 0);
        Error::UnclosedQuote { path: self.path.to_path_buf(), record: self.next_record + before - header }
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
                    return Err(Error::UnclosedQuote { path: self.path.to_path_buf(), record: self.next_record }.into());
                }
                Err(next) => {
                    state = next;
                    let end = block.bytes().len();
                    self.reader.put_back(block, end);
                }
            }
        }
        let width = self.header.as_ref().map_or(0, |header| header.fields.len());
        let columns = Columns::new(width, 1).with_malformed(Malformed::TooLong);
        self.send(columns, &Bytes::new())
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
            if self.index.record_end(number + 1) - self.index.record_end(number) > HEADER_MAX_BYTES {
                return Err(Error::HeaderTooLong { path: self.path.to_path_buf(), max_bytes: HEADER_MAX_BYTES }.into());
            }
            if ends.len() > COLUMNS_MAX + 1 {
                return Err(Error::TooManyColumns { path: self.path.to_path_buf(), max: COLUMNS_MAX }.into());
            }
            let (names, first) = if self.dataset.header {
                (header::names(&self.path, bytes, ends, self.dialect, self.dataset.encoding)?, number + 1)
            } else {
                ((1..ends.len()).map(|column| format!("column_{column}")).collect(), number)
            };
            let header = Header::new(&self.path, names, self.wanted)?;
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
                self.send(columns, &bytes)?;
            }
        }
        self.header = Some(header);
        Ok(())
    }

    fn send(&mut self, columns: Columns, bytes: &Bytes) -> Result<(), Stop> {
        let rows = u64::try_from(columns.rows()).unwrap_or(u64::MAX);
        let batch = columns.into_batch(bytes, self.name.clone(), self.next_record);
        self.next_record = self.next_record.saturating_add(rows);
        self.out.send(Message::Batch(batch))
    }

    fn batch(&self, bytes: &Bytes, header: &Header, from: usize, to: usize) -> Columns {
        let width = header.names.len();
        let ends = self.index.ends(from, to);
        let uniform = u32::try_from(width).is_ok_and(|width| self.index.uniform(from, to, width));
        let long = bytes.len() > RECORD_MAX_BYTES;
        if uniform && width > 1 && !long && !self.index.quotes && self.dataset.encoding == Encoding::Utf8 {
            let mut columns = Columns::new(header.fields.len(), to - from);
            for (slot, field) in header.fields.iter().enumerate() {
                let before = ends.get(*field..).unwrap_or_default().iter().step_by(width);
                let after = ends.get(field + 1..).unwrap_or_default().iter().step_by(width);
                let pairs = before.zip(after).map(|(before, after)| (before.wrapping_add(1), *after));
                if field + 1 == width {
                    let spans = pairs.map(|(start, end)| match bytes.get(end.wrapping_sub(1) as usize) {
                        Some(b'\r') if end > start => (start, end - 1),
                        _ => (start, end),
                    });
                    columns.extend_plain(slot, spans);
                } else {
                    columns.extend_plain(slot, pairs);
                }
            }
            columns.set_rows(to - from);
            return columns;
        }
        self.careful(bytes, header, from, to, ends)
    }

    /// The way for quotes, ragged or empty lines, and Latin-1.
    fn careful(&self, bytes: &Bytes, header: &Header, from: usize, to: usize, ends: &[u32]) -> Columns {
        let width = header.names.len();
        let mut rows: Vec<Row> = Vec::with_capacity(to - from);
        let mut at = 0;
        for number in from..to {
            let own = self.index.ends(number, number + 1);
            let fields = own.len().saturating_sub(1);
            let length = self.index.record_end(number + 1) - self.index.record_end(number);
            if width == 1 || !is_blank(bytes, own) {
                rows.push(if length > RECORD_MAX_BYTES {
                    Err(Malformed::TooLong)
                } else if fields == width {
                    Ok(at)
                } else {
                    Err(Malformed::Ragged)
                });
            }
            at += fields;
        }
        let mut columns = Columns::new(header.fields.len(), rows.len());
        let mut scratch = Vec::new();
        for (slot, field) in header.fields.iter().enumerate() {
            for row in &mut rows {
                let cell = row.as_ref().ok().and_then(|at| match (ends.get(at + field), ends.get(at + field + 1)) {
                    (Some(before), Some(after)) => Some((before.wrapping_add(1), *after)),
                    _ => None,
                });
                let Some((start, mut end)) = cell else {
                    columns.push_absent(slot);
                    continue;
                };
                let mut raw = bytes.get(start as usize..end as usize).unwrap_or_default();
                if field + 1 == width && raw.last() == Some(&b'\r') {
                    end -= 1;
                    raw = raw.get(..raw.len() - 1).unwrap_or_default();
                }
                if !self.cell(&mut columns, slot, raw, (start, end), &mut scratch) {
                    columns.push_absent(slot);
                    *row = Err(Malformed::BadQuote);
                }
            }
        }
        columns.set_rows(rows.len());
        for (number, row) in rows.iter().enumerate() {
            if let Err(reason) = row {
                columns.malformed(number, *reason);
            }
        }
        columns
    }

    /// Adds a cell; false when its quotes are wrong.
    fn cell(&self, columns: &mut Columns, slot: usize, raw: &[u8], span: (u32, u32), scratch: &mut Vec<u8>) -> bool {
        scratch.clear();
        let (start, end) = span;
        let field = parse(raw, self.dialect.quote, scratch);
        if self.dataset.encoding == Encoding::Latin1 && !raw.is_ascii() {
            let (plain, kind): (&[u8], _) = match field {
                Field::Bad => return false,
                Field::Plain => (raw, Kind::Text),
                Field::Quoted => (raw.get(1..raw.len() - 1).unwrap_or_default(), Kind::Quoted),
                Field::Escaped => (scratch, Kind::Quoted),
            };
            let mut text = Vec::with_capacity(plain.len() * 2);
            latin1(plain, &mut text);
            columns.push_side(slot, &text, kind);
            return true;
        }
        match field {
            Field::Bad => return false,
            Field::Plain => columns.push(slot, start, end, Kind::Text),
            Field::Quoted => columns.push(slot, start + 1, end - 1, Kind::Quoted),
            Field::Escaped => columns.push_side(slot, scratch, Kind::Quoted),
        }
        true
    }
}

/// Whether a record is an empty line.
fn is_blank(bytes: &[u8], ends: &[u32]) -> bool {
    match ends {
        [before, end] => matches!(bytes.get(before.wrapping_add(1) as usize..*end as usize), Some([] | [b'\r'])),
        _ => false,
    }
}
