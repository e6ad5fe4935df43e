//! NDJSON: one object a line. Values of wanted top-level keys become cells; the others are stepped over.

pub(crate) mod count;
pub(crate) mod scan;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;
use polder_contract::Malformed;
use polder_types::limit::{COLUMNS_MAX, RECORD_MAX_BYTES};

use self::count::LineCounter;
use self::scan::{Fault, Scanner, Token, TokenKind, unescape};
use crate::block::{BlockReader, Pool};
use crate::cells::{Columns, Kind};
use crate::connection::Dataset;
use crate::csv::BATCH_ROWS;
use crate::error::Error;
use crate::input::{Input, KnownFile};
use crate::output::{Message, Output, Stop};

/// Longest key that is named in a report.
const KEY_NAME_MAX_BYTES: usize = 256;

/// Reads one file to its end. Returns the wanted keys that no record held.
pub(crate) fn decode(file: &KnownFile, dataset: &Dataset, wanted: &[String], pool: &Pool, out: &Output) -> Result<Vec<String>, Stop> {
    let input = Input::open(file, dataset.compression)?;
    let path = Arc::new(file.path.clone());
    let mut reader = BlockReader::new(input, pool.clone(), Box::new(LineCounter::default()), path.clone());
    let mut decoder = Decoder::new(wanted, path, Arc::from(file.seen.path.as_str()), out);
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
    out.send(Message::FileEnd { counted: Some(reader.counted()) })?;
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
    scratch: Vec<u8>,
    path: Arc<PathBuf>,
    name: Arc<str>,
    out: &'a Output,
    started: bool,
    next_record: u64,
}

impl<'a> Decoder<'a> {
    fn new(wanted: &'a [String], path: Arc<PathBuf>, name: Arc<str>, out: &'a Output) -> Self {
        Self {
            wanted,
            slots: wanted.iter().enumerate().map(|(slot, name)| (name.as_bytes(), slot)).collect(),
            guesses: Vec::new(),
            found: vec![None; wanted.len()],
            seen: vec![false; wanted.len()],
            left_out: BTreeSet::new(),
            scratch: Vec::new(),
            path,
            name,
            out,
            started: false,
            next_record: 1,
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
        let mut columns = Columns::new(self.wanted.len(), BATCH_ROWS);
        let mut from = 0;
        while let Some(length) = bytes.get(from..).and_then(|rest| memchr(b'\n', rest)) {
            let line = bytes.get(from..from + length).unwrap_or_default();
            let start = from;
            from += length + 1;
            if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                continue;
            }
            let result = if length > RECORD_MAX_BYTES { Err(Malformed::TooLong) } else { self.line(line).map_err(malformed) };
            let row = columns.rows();
            match result.and_then(|()| self.cells(&mut columns, line, start)) {
                Ok(()) => {}
                Err(reason) => {
                    columns.end_row_absent(row + 1);
                    columns.malformed(row, reason);
                }
            }
            columns.set_rows(row + 1);
            if columns.rows() == BATCH_ROWS {
                let full = std::mem::replace(&mut columns, Columns::new(self.wanted.len(), BATCH_ROWS));
                self.send(full, bytes)?;
            }
        }
        if columns.rows() > 0 { self.send(columns, bytes) } else { Ok(()) }
    }

    fn too_long(&mut self) -> Result<(), Stop> {
        let columns = Columns::new(self.wanted.len(), 1).with_malformed(Malformed::TooLong);
        self.send(columns, &Bytes::new())
    }

    fn send(&mut self, columns: Columns, bytes: &Bytes) -> Result<(), Stop> {
        let rows = u64::try_from(columns.rows()).unwrap_or(u64::MAX);
        let batch = columns.into_batch(bytes, self.name.clone(), self.next_record);
        self.next_record = self.next_record.saturating_add(rows);
        self.out.send(Message::Batch(batch))
    }

    /// Finds the wanted values of one line.
    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.found.fill(None);
        let mut scanner = Scanner::new(line);
        scanner.space();
        if !scanner.eat(b'{') {
            return Err(Fault::Invalid);
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
        let offset = |at: usize| u32::try_from(start + at).unwrap_or(u32::MAX);
        for (slot, found) in self.found.iter().enumerate() {
            let Some(token) = found else {
                columns.push_absent(slot);
                continue;
            };
            if let Some(seen) = self.seen.get_mut(slot) {
                *seen = true;
            }
            let kind = match token.kind {
                TokenKind::Text => Kind::Text,
                TokenKind::Number => Kind::Number,
                TokenKind::Bool => Kind::Bool,
                TokenKind::Null => Kind::Null,
                TokenKind::Nested => Kind::Nested,
                TokenKind::Escaped => {
                    self.scratch.clear();
                    unescape(line.get(token.start..token.end).unwrap_or_default(), &mut self.scratch).map_err(malformed)?;
                    columns.push_side(slot, &self.scratch, Kind::Text);
                    continue;
                }
            };
            columns.push(slot, offset(token.start), offset(token.end), kind);
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
        Fault::Invalid | Fault::TooDeep | Fault::DuplicateKey | Fault::LoneSurrogate => Malformed::InvalidJson,
    }
}
