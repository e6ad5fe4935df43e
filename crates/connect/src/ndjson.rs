//! NDJSON: one object a line. Values of wanted top-level keys become cells; the others are stepped over.

pub(crate) mod count;
pub(crate) mod scan;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;
use polder_contract::{CellKind, Malformed};
use polder_types::limit::{COLUMNS_MAX, RECORD_MAX_BYTES};

use self::count::LineCounter;
use self::scan::{Fault, Scanner, Token, TokenKind, unescape};
use crate::block::{BlockReader, Pool};
use crate::cells::{Columns, Place};
use crate::connection::Dataset;
use crate::csv::BATCH_ROWS;
use crate::error::Error;
use crate::input::{Input, KnownFile};
use crate::output::{Message, Output, Stop};

/// Longest key that is named in a report.
const KEY_NAME_MAX_BYTES: usize = 256;

/// Reads one file to its end. Returns the wanted keys that no record held.
pub(crate) fn decode(
    file: &KnownFile,
    dataset: &Dataset,
    wanted: &[String],
    pool: &Pool,
    place: &mut Place,
    out: &Output,
) -> Result<Vec<String>, Stop> {
    let input = Input::open(file, dataset.compression)?;
    let path = Arc::new(file.path.clone());
    let mut reader = BlockReader::new(input, pool.clone(), Box::new(LineCounter::default()), path.clone());
    let mut decoder = Decoder::new(wanted, path, place, out);
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
            decoder.too_long()?;
        }
    }
    let (missing, left_out) = decoder.finish();
    out.send(Message::LeftOut(left_out))?;
    out.send(Message::FileEnd { counted: Some(reader.counted()), sha256: reader.sha256() })?;
    Ok(missing)
}

/// The top-level keys of a file's first block, in the order in which they first appear. At most `COLUMNS_MAX`, of the first `records` records.
pub(crate) fn first_keys(file: &KnownFile, dataset: &Dataset, records: u64) -> Result<Vec<String>, Error> {
    let input = Input::open(file, dataset.compression)?;
    let mut reader = BlockReader::new(input, Pool::new(), Box::new(LineCounter::default()), Arc::new(file.path.clone()));
    let mut keys = Vec::new();
    let mut seen = BTreeSet::new();
    let Some(block) = reader.read()? else { return Ok(keys) };
    for line in block.bytes().split(|byte| *byte == b'\n').take(usize::try_from(records).unwrap_or(usize::MAX)) {
        // A line that is no object has no keys to offer; the reader reports it.
        let _ = each_key(line, |name| {
            if keys.len() < COLUMNS_MAX && seen.insert(name.clone()) {
                keys.push(name);
            }
        });
    }
    Ok(keys)
}

fn each_key(line: &[u8], mut take: impl FnMut(String)) -> Result<(), Fault> {
    let mut scanner = Scanner::new(line);
    scanner.space();
    if !scanner.eat(b'{') {
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
        scanner.skip()?;
        take(String::from_utf8_lossy(&name).into_owned());
        if !scanner.eat(b',') {
            return Ok(());
        }
    }
}

/// What a key at some place of a line meant last time: most lines have the same keys in the same order.
struct Guess {
    raw: Vec<u8>,
    slot: Option<usize>,
}

struct Decoder<'a> {
    wanted: &'a [String],
    slots: HashMap<&'a [u8], usize>,
    guesses: Vec<Guess>,
    found: Vec<Option<Token>>,
    seen: Vec<bool>,
    left_out: BTreeSet<String>,
    path: Arc<PathBuf>,
    place: &'a mut Place,
    out: &'a Output,
    started: bool,
}

impl<'a> Decoder<'a> {
    fn new(wanted: &'a [String], path: Arc<PathBuf>, place: &'a mut Place, out: &'a Output) -> Self {
        Self {
            wanted,
            slots: wanted.iter().enumerate().map(|(slot, name)| (name.as_bytes(), slot)).collect(),
            guesses: Vec::new(),
            found: vec![None; wanted.len()],
            seen: vec![false; wanted.len()],
            left_out: BTreeSet::new(),
            path,
            place,
            out,
            started: false,
        }
    }

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
        let fresh = |width| Columns::new(bytes, width, BATCH_ROWS);
        let mut columns = fresh(self.wanted.len());
        let mut from = 0;
        while let Some(length) = bytes.get(from..).and_then(|rest| memchr(b'\n', rest)) {
            let line = bytes.get(from..from + length).unwrap_or_default();
            let start = from;
            from += length + 1;
            if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                continue;
            }
            let result = if length > RECORD_MAX_BYTES { Err(Malformed::TooLong) } else { self.line(line).map_err(malformed) };
            match result.and_then(|()| self.cells(&mut columns, line, start)) {
                Ok(()) => columns.set_rows(columns.rows() + 1),
                Err(reason) => columns.end_malformed(reason),
            }
            if columns.rows() == BATCH_ROWS {
                let full = std::mem::replace(&mut columns, fresh(self.wanted.len()));
                self.send(full)?;
            }
        }
        if columns.rows() > 0 { self.send(columns) } else { Ok(()) }
    }

    fn too_long(&mut self) -> Result<(), Stop> {
        self.send(Columns::only_malformed(self.wanted.len(), Malformed::TooLong))
    }

    fn send(&mut self, columns: Columns) -> Result<(), Stop> {
        let rows = columns.rows();
        let batch = columns.into_batch(self.place);
        self.place.advance(rows);
        self.out.send(Message::Batch(batch))
    }

    /// Finds the wanted values of one line.
    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.found.fill(None);
        let mut scanner = Scanner::new(line);
        scanner.space();
        if !scanner.eat(b'{') {
            return Err(scanner.not_an_object());
        }
        scanner.space();
        let mut place = 0;
        if !scanner.eat(b'}') {
            loop {
                scanner.space();
                if !scanner.eat(b'"') {
                    return Err(Fault::Invalid);
                }
                let key = scanner.string()?;
                let slot = self.slot(place, scanner.slice(key), key.kind == TokenKind::Escaped)?;
                place += 1;
                scanner.space();
                if !scanner.eat(b':') {
                    return Err(Fault::Invalid);
                }
                scanner.space();
                match slot.and_then(|slot| self.found.get_mut(slot)) {
                    None => scanner.skip()?,
                    Some(Some(_)) => return Err(Fault::DuplicateKey),
                    Some(found) => *found = Some(scanner.value()?),
                }
                scanner.space();
                if scanner.eat(b',') {
                    continue;
                }
                if scanner.eat(b'}') {
                    break;
                }
                return Err(Fault::Invalid);
            }
        }
        scanner.space();
        if scanner.at_end() { Ok(()) } else { Err(Fault::Invalid) }
    }

    /// Which wanted column a key names.
    fn slot(&mut self, place: usize, raw: &[u8], escaped: bool) -> Result<Option<usize>, Fault> {
        if let Some(guess) = self.guesses.get(place)
            && guess.raw == raw
        {
            return Ok(guess.slot);
        }
        let mut text = Vec::new();
        let name: &[u8] = if escaped {
            unescape(raw, &mut text)?;
            &text
        } else {
            raw
        };
        let slot = self.slots.get(name).copied();
        if slot.is_none() && self.left_out.len() < COLUMNS_MAX {
            let shown = name.get(..KEY_NAME_MAX_BYTES).unwrap_or(name);
            self.left_out.insert(String::from_utf8_lossy(shown).into_owned());
        }
        if raw.len() <= KEY_NAME_MAX_BYTES {
            let guess = Guess { raw: raw.to_vec(), slot };
            if let Some(old) = self.guesses.get_mut(place) {
                *old = guess;
            } else if place == self.guesses.len() && place < COLUMNS_MAX {
                self.guesses.push(guess);
            }
        }
        Ok(slot)
    }

    /// Adds the line's values as a row.
    fn cells(&mut self, columns: &mut Columns, line: &[u8], start: usize) -> Result<(), Malformed> {
        for ((column, found), seen) in columns.columns().zip(&self.found).zip(&mut self.seen) {
            let Some(token) = found else {
                column.push_null();
                continue;
            };
            *seen = true;
            let kind = match token.kind {
                TokenKind::Text => CellKind::String,
                TokenKind::Number => CellKind::Number,
                TokenKind::Bool => CellKind::Bool,
                TokenKind::Null => CellKind::Null,
                TokenKind::Nested => CellKind::Nested,
                TokenKind::Escaped => {
                    let raw = line.get(token.start..token.end).unwrap_or_default();
                    let mut result = Ok(());
                    column.push_with(CellKind::String, |out| result = unescape(raw, out));
                    result.map_err(malformed)?;
                    continue;
                }
            };
            if kind == CellKind::Null {
                column.push_null();
            } else {
                column.push_span(start + token.start, start + token.end, kind);
            }
        }
        Ok(())
    }

    fn finish(self) -> (Vec<String>, Vec<String>) {
        let missing = self.wanted.iter().zip(&self.seen).filter(|(_, seen)| !**seen).map(|(name, _)| name.clone()).collect();
        (missing, self.left_out.into_iter().collect())
    }
}

fn malformed(fault: Fault) -> Malformed {
    match fault {
        Fault::Invalid | Fault::LoneSurrogate => Malformed::InvalidJson,
        Fault::NotAnObject => Malformed::NotAnObject,
        Fault::TooDeep => Malformed::TooDeep,
        Fault::DuplicateKey => Malformed::DuplicateKey,
    }
}
