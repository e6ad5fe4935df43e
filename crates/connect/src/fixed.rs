//! Fixed width: each column at its place, as the layout says, in bytes or in characters.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use memchr::memchr;
use polder_contract::{CellKind, Malformed, TextColumnBuilder};
use polder_types::limit::RECORD_MAX_BYTES;

use crate::batch::BatchWriter;
use crate::block::{BlockReader, Pool, RecordCounter};
use crate::cells::Place;
use crate::connection::{Dataset, Encoding};
use crate::csv::dialect;
use crate::csv::header::{Header, Origin};
use crate::error::Error;
use crate::input::KnownFile;
use crate::layout::{Layout, LayoutColumn, Short, Trim, Unit};
use crate::ndjson::count::LineCounter;
use crate::output::{Message, Output, Stop};
use crate::stream::{Stage, Stream};
use crate::transcode::Transcode;

/// Reads one file to its end.
pub(crate) fn decode(
    file: &KnownFile,
    dataset: &Dataset,
    layout: &Layout,
    wanted: Option<&[String]>,
    pool: &Pool,
    place: &mut Place,
    out: &Output,
) -> Result<(), Stop> {
    let names = layout.columns.iter().map(|column| column.name.clone()).collect();
    let header = Header::new(&file.path, names, Origin::Schema, wanted)?;
    out.send(Message::LeftOut(header.left_out.clone()))?;
    if wanted.is_none() {
        out.send(Message::Names(header.names.clone()))?;
    }
    let columns: Vec<&LayoutColumn> = header.fields.iter().filter_map(|field| layout.columns.get(*field)).collect();
    let mut reader = open(file, dataset, layout, pool)?;
    let path = Arc::new(file.path.clone());
    let mut writer = BatchWriter::new(columns.len(), place, out);
    let splitter = Records { layout, columns, encoding: dataset.encoding, path };
    match layout.record_length {
        Some(length) => splitter.of_length(length, &mut reader, &mut writer)?,
        None => splitter.of_lines(&mut reader, &mut writer)?,
    }
    writer.flush()?;
    out.send(Message::FileEnd { counted: Some(reader.counted()), sha256: reader.sha256() })
}

/// With positions in characters the text is UTF-8 before it is cut; with positions in bytes only the cells are decoded.
fn open(file: &KnownFile, dataset: &Dataset, layout: &Layout, pool: &Pool) -> Result<BlockReader, Error> {
    let wide = matches!(dataset.encoding, Encoding::Other(encoding) if !encoding.is_ascii_compatible());
    if wide && layout.unit == Unit::Bytes {
        return Err(Error::Format {
            path: file.path.clone(),
            format: "fixed-width",
            problem: "positions in bytes do not fit its encoding, in which a line end takes more than one".to_owned(),
            advice: "write `unit: characters` in the layout",
        });
    }
    let mut stream = Stream::open(file, dataset.compression)?;
    stream = match layout.unit {
        Unit::Characters => stream.decoded(file, dataset.encoding)?,
        Unit::Bytes => stream.unmarked(file, dataset.encoding)?,
    };
    if let Some(skipping) = dialect::Dialect::new(dataset).filter(|_| layout.record_length.is_none()) {
        stream = stream.through(skipping);
    }
    let counter: Box<dyn RecordCounter> = match layout.record_length {
        Some(length) => Box::new(LengthCounter { length: length.max(1), bytes: 0 }),
        None => Box::<LineCounter>::default(),
    };
    Ok(BlockReader::new(stream, pool.clone(), counter, Arc::new(file.path.clone())))
}

/// Counts records by how many bytes there are.
struct LengthCounter {
    length: usize,
    bytes: usize,
}

impl RecordCounter for LengthCounter {
    fn feed(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len());
    }

    fn finish(&mut self) -> u64 {
        u64::try_from(self.bytes / self.length).unwrap_or(u64::MAX)
    }
}

struct Records<'a> {
    layout: &'a Layout,
    columns: Vec<&'a LayoutColumn>,
    encoding: Encoding,
    path: Arc<PathBuf>,
}

impl Records<'_> {
    fn of_lines(&self, reader: &mut BlockReader, writer: &mut BatchWriter<'_>) -> Result<(), Stop> {
        while let Some(mut block) = reader.read()? {
            let mut complete = memchr::memrchr(b'\n', block.bytes()).map_or(0, |at| at + 1);
            if block.last && complete < block.bytes().len() {
                block.push_line_end();
                complete = block.bytes().len();
            }
            let skip = block.bytes().len() - complete > RECORD_MAX_BYTES;
            let bytes = reader.share(block, complete, !skip);
            writer.begin(&bytes)?;
            let mut from = 0;
            while let Some(length) = bytes.get(from..).and_then(|rest| memchr(b'\n', rest)) {
                let line = bytes.get(from..from + length).unwrap_or_default();
                if line.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\r')) {
                    self.record(line.strip_suffix(b"\r").unwrap_or(line), from, writer)?;
                }
                from += length + 1;
            }
            writer.flush()?;
            if skip {
                self.skip_line(reader)?;
                writer.end_malformed(Malformed::TooLong)?;
            }
        }
        Ok(())
    }

    /// Drops the rest of a line that is too long.
    fn skip_line(&self, reader: &mut BlockReader) -> Result<(), Stop> {
        while let Some(block) = reader.read()? {
            let end = memchr(b'\n', block.bytes());
            let from = end.map_or(block.bytes().len(), |at| at + 1);
            reader.put_back(block, from);
            if end.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn of_length(&self, length: usize, reader: &mut BlockReader, writer: &mut BatchWriter<'_>) -> Result<(), Stop> {
        while let Some(block) = reader.read()? {
            let have = block.bytes().len();
            let complete = have - have % length;
            if block.last && complete < have {
                return Err(Error::Format {
                    path: self.path.to_path_buf(),
                    format: "fixed-width",
                    problem: format!("its last record has {} bytes instead of {length}", have - complete),
                    advice: "deliver the whole file, or correct `record_length` in the layout",
                }
                .into());
            }
            let bytes = reader.share(block, complete, true);
            writer.begin(&bytes)?;
            for (number, record) in bytes.chunks_exact(length).enumerate() {
                self.record(record, number * length, writer)?;
            }
            writer.flush()?;
        }
        Ok(())
    }

    fn record(&self, record: &[u8], start: usize, writer: &mut BatchWriter<'_>) -> Result<(), Stop> {
        if record.len() > RECORD_MAX_BYTES {
            return writer.end_malformed(Malformed::TooLong);
        }
        let text = if self.layout.unit == Unit::Bytes || record.is_ascii() {
            None
        } else {
            let Some(text) = Characters::new(record) else { return writer.end_malformed(Malformed::NotUtf8) };
            Some(text)
        };
        let width = text.as_ref().map_or(record.len(), Characters::len);
        if width < self.layout.width() && self.layout.short == Short::Refuse {
            return writer.end_malformed(Malformed::Ragged);
        }
        for (column, cells) in self.columns.iter().zip(writer.columns()) {
            let place = |at: usize| text.as_ref().map_or(at.min(record.len()), |text| text.offset(at));
            let cell = trimmed(record, place(column.start)..place(column.end), column.trim);
            self.cell(record, cell, start, cells);
        }
        writer.end_row(0)
    }

    fn cell(&self, record: &[u8], cell: Range<usize>, start: usize, cells: &mut TextColumnBuilder) {
        let bytes = record.get(cell.clone()).unwrap_or_default();
        let foreign = self.layout.unit == Unit::Bytes && !bytes.is_ascii();
        match Transcode::new(self.encoding).filter(|_| foreign) {
            None => cells.push_span(start + cell.start, start + cell.end, CellKind::Text),
            Some(mut decoder) => cells.push_with(CellKind::Text, |out| {
                // Neither ever fails.
                let _ = decoder.push(bytes, out).and_then(|()| decoder.finish(out));
            }),
        }
    }
}

/// A cell without the spaces that pad it.
fn trimmed(record: &[u8], cell: Range<usize>, trim: Trim) -> Range<usize> {
    let bytes = record.get(cell.clone()).unwrap_or_default();
    let left = if matches!(trim, Trim::Both | Trim::Left) { bytes.iter().take_while(|byte| **byte == b' ').count() } else { 0 };
    let rest = bytes.get(left..).unwrap_or_default();
    let right = if matches!(trim, Trim::Both | Trim::Right) { rest.iter().rev().take_while(|byte| **byte == b' ').count() } else { 0 };
    (cell.start + left)..(cell.start + bytes.len()).saturating_sub(right)
}

/// Where the characters of a record begin.
struct Characters {
    offsets: Vec<usize>,
    end: usize,
}

impl Characters {
    /// None where it is not UTF-8: then nobody knows where its characters are.
    fn new(record: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(record).ok()?;
        Some(Self { offsets: text.char_indices().map(|(at, _)| at).collect(), end: record.len() })
    }

    fn len(&self) -> usize {
        self.offsets.len()
    }

    fn offset(&self, character: usize) -> usize {
        self.offsets.get(character).copied().unwrap_or(self.end)
    }
}
