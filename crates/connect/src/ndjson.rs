//! NDJSON: one object a line. Values of wanted keys become cells; the others are stepped over.

pub(crate) mod count;
pub(crate) mod scan;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;
use polder_contract::Malformed;
use polder_types::limit::{JSON_DEPTH_MAX, RECORD_MAX_BYTES};

use self::count::LineCounter;
use self::scan::{Fault, Scanner, unescape};
use crate::batch::BatchWriter;
use crate::block::{BlockReader, Pool};
use crate::cells::Place;
use crate::connection::Dataset;
use crate::error::Error;
use crate::input::KnownFile;
use crate::json::path::escaped;
use crate::json::shape::Shape;
use crate::output::{Message, Output, Stop};
use crate::stream::Stream;

/// Reads one file to its end. Returns the wanted values that no record held.
pub(crate) fn decode(
    file: &KnownFile,
    dataset: &Dataset,
    wanted: &[String],
    pool: &Pool,
    place: &mut Place,
    out: &Output,
) -> Result<Vec<String>, Stop> {
    let mut reader = lines(file, dataset, pool)?;
    let writer = BatchWriter::new(wanted.len(), place, out);
    let mut decoder = Decoder { shape: Shape::new(wanted, dataset), writer, path: Arc::new(file.path.clone()), started: false };
    while let Some(mut block) = reader.read()? {
        let mut complete = memchr::memrchr(b'\n', block.bytes()).map_or(0, |at| at + 1);
        if block.last && complete < block.bytes().len() {
            block.push_line_end();
            complete = block.bytes().len();
        }
        let skip = block.bytes().len() - complete > RECORD_MAX_BYTES;
        decoder.refuse_array(block.bytes())?;
        let bytes = reader.share(block, complete, !skip);
        decoder.block(&bytes)?;
        drop(bytes);
        if skip {
            while let Some(block) = reader.read()? {
                let end = memchr(b'\n', block.bytes());
                let from = end.map_or(block.bytes().len(), |at| at + 1);
                reader.put_back(block, from);
                if end.is_some() {
                    break;
                }
            }
            decoder.writer.end_malformed(Malformed::TooLong)?;
        }
    }
    decoder.writer.flush()?;
    let counted = (!decoder.shape.explodes()).then(|| reader.counted());
    let (missing, left_out) = decoder.shape.finish();
    out.send(Message::LeftOut(left_out))?;
    out.send(Message::FileEnd { counted, sha256: reader.sha256() })?;
    Ok(missing)
}

/// The file's lines, counted as they pass.
pub(crate) fn lines(file: &KnownFile, dataset: &Dataset, pool: &Pool) -> Result<BlockReader, Error> {
    let stream = Stream::open(file, dataset.compression)?;
    Ok(BlockReader::new(stream, pool.clone(), Box::<LineCounter>::default(), Arc::new(file.path.clone())))
}

/// Tells the path of each value of a record that is no object itself; `prefix` are the keys that lead to it.
pub(crate) fn each_key(record: &[u8], prefix: &mut Vec<String>, take: &mut dyn FnMut(String)) -> Result<(), Fault> {
    let mut scanner = Scanner::new(record);
    scanner.space();
    if !scanner.eat(b'{') || prefix.len() >= JSON_DEPTH_MAX - 2 {
        return Err(Fault::Invalid);
    }
    loop {
        scanner.space();
        if !scanner.eat(b'"') {
            return Ok(());
        }
        let key = scanner.string()?;
        let mut name = Vec::new();
        unescape(scanner.slice(key), &mut name)?;
        scanner.space();
        if !scanner.eat(b':') {
            return Err(Fault::Invalid);
        }
        scanner.space();
        prefix.push(escaped(&String::from_utf8_lossy(&name)));
        let value = scanner.value()?;
        let inside = scanner.slice(value);
        if inside.first() == Some(&b'{') && value.kind == scan::TokenKind::Nested {
            each_key(inside, prefix, take)?;
        } else {
            take(prefix.join("."));
        }
        prefix.pop();
        scanner.space();
        if !scanner.eat(b',') {
            return Ok(());
        }
    }
}

struct Decoder<'a> {
    shape: Shape<'a>,
    writer: BatchWriter<'a>,
    path: Arc<PathBuf>,
    started: bool,
}

impl Decoder<'_> {
    fn refuse_array(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.started {
            return Ok(());
        }
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => Err(Error::JsonArray { path: self.path.to_path_buf() }),
            first => {
                self.started = first.is_some();
                Ok(())
            }
        }
    }

    fn block(&mut self, bytes: &Bytes) -> Result<(), Stop> {
        self.writer.begin(bytes)?;
        let mut from = 0;
        while let Some(length) = bytes.get(from..).and_then(|rest| memchr(b'\n', rest)) {
            let line = bytes.get(from..from + length).unwrap_or_default();
            let start = from;
            from += length + 1;
            if !line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                self.shape.record(&mut self.writer, line, start)?;
            }
        }
        self.writer.flush()
    }
}
