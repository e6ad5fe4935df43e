//! The compound file in which an old workbook (.xls) lies: chains of sectors that must end, and records that must lie in their stream.
//! The decoder follows both on trust, so they are followed here first.

use std::io::{Read as _, Seek as _, SeekFrom};

use super::package::{HELD_MAX, TEXT_MAX_BYTES, TOO_MUCH_TEXT};
use super::wrong;
use crate::error::Error;
use crate::input::KnownFile;
use crate::opened::OpenedFile;

/// Largest file of this kind: all of it is held.
const FILE_MAX_BYTES: u64 = 64 << 20;
/// Most records that are walked over, and most sheets.
const RECORDS_MAX: u64 = 20_000_000;
const SHEETS_MAX: usize = 1024;
const END_OF_CHAIN: u32 = 0xffff_fffe;
/// Above this, sector numbers have a meaning of their own.
const RESERVED: u32 = 0xffff_fffa;
const DIRECTORY_ENTRY_BYTES: usize = 128;
/// Streams shorter than this lie in the small sectors.
const SMALL_STREAM_BYTES: u64 = 4096;
const SMALL_SECTOR_BYTES: usize = 64;

type Wrong = &'static str;
const DAMAGED: Wrong = "its compound file is damaged";
const CYCLE: Wrong = "a chain of sectors in it never ends";

/// All bytes of a file, checked.
pub(super) fn read(file: &KnownFile, opened: &mut OpenedFile) -> Result<Vec<u8>, Error> {
    let path = &file.path;
    if file.size() > FILE_MAX_BYTES {
        let problem = format!("it is {} bytes; of .xls at most {FILE_MAX_BYTES} are read", file.size());
        return Err(wrong(path, problem, "save it as .xlsx"));
    }
    let read_error = |source| Error::Read { path: path.clone(), source };
    opened.seek(SeekFrom::Start(0)).map_err(read_error)?;
    let mut bytes = Vec::new();
    opened.take(FILE_MAX_BYTES).read_to_end(&mut bytes).map_err(read_error)?;
    check(&bytes).map_err(|problem| wrong(path, problem, "save it as .xlsx"))?;
    Ok(bytes)
}

/// Checks a file from its first byte to its last.
fn check(bytes: &[u8]) -> Result<(), Wrong> {
    let file = Compound::read(bytes)?;
    let stream = file.workbook()?;
    Records { stream: &stream, walked: 0, cells: 0 }.check()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|value| u16::from_le_bytes(*value))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|value| u32::from_le_bytes(*value))
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|value| u32::from_le_bytes(*value))
}

struct Compound<'a> {
    bytes: &'a [u8],
    sector: usize,
    table: Vec<u32>,
    directory: Vec<u8>,
    small_table: Vec<u32>,
    small: Vec<u8>,
}

impl<'a> Compound<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Wrong> {
        let sector = match u16_at(bytes, 30) {
            Some(9) => 512,
            Some(12) => 4096,
            _ => return Err(DAMAGED),
        };
        let mut file = Self { bytes, sector, table: Vec::new(), directory: Vec::new(), small_table: Vec::new(), small: Vec::new() };
        let mut tables: Vec<u32> = numbers(bytes.get(76..512).ok_or(DAMAGED)?).collect();
        let mut next = u32_at(bytes, 68).ok_or(DAMAGED)?;
        let mut seen = 0;
        while next < RESERVED {
            seen += 1;
            if seen > file.sectors() {
                return Err(CYCLE);
            }
            let more = numbers(file.at(next)?).collect::<Vec<_>>();
            let (last, more) = more.split_last().ok_or(DAMAGED)?;
            tables.extend(more);
            next = *last;
        }
        let tables: Vec<u32> = tables.into_iter().filter(|id| *id < RESERVED).collect();
        if tables.len() > file.sectors() {
            return Err(DAMAGED);
        }
        for id in tables {
            let entries: Vec<u32> = numbers(file.at(id)?).collect();
            file.table.extend(entries);
        }
        file.directory = file.chain(u32_at(bytes, 48).ok_or(DAMAGED)?)?;
        let root = file.directory.get(..DIRECTORY_ENTRY_BYTES).ok_or(DAMAGED)?;
        let (start, _) = entry(root);
        if u32_at(bytes, 64).unwrap_or(0) > 0 {
            let small_table = file.chain(u32_at(bytes, 60).ok_or(DAMAGED)?)?;
            file.small_table = numbers(&small_table).collect();
            file.small = file.chain(start)?;
        }
        Ok(file)
    }

    /// How many sectors the file can have.
    fn sectors(&self) -> usize {
        self.bytes.len() / self.sector + 1
    }

    fn at(&self, id: u32) -> Result<&'a [u8], Wrong> {
        let start = usize::try_from(id).ok().and_then(|id| id.checked_add(1)).and_then(|id| id.checked_mul(self.sector)).ok_or(DAMAGED)?;
        let end = start.saturating_add(self.sector).min(self.bytes.len());
        self.bytes.get(start..end).ok_or("a sector of it lies behind its end")
    }

    /// The sectors of a chain, which must end.
    fn chain(&self, mut id: u32) -> Result<Vec<u8>, Wrong> {
        let mut bytes = Vec::new();
        let mut seen = 0;
        while id != END_OF_CHAIN {
            seen += 1;
            if seen > self.sectors() {
                return Err(CYCLE);
            }
            bytes.extend_from_slice(self.at(id)?);
            id = usize::try_from(id).ok().and_then(|id| self.table.get(id)).copied().ok_or(DAMAGED)?;
        }
        Ok(bytes)
    }

    fn small_chain(&self, mut id: u32) -> Result<Vec<u8>, Wrong> {
        let mut bytes = Vec::new();
        let mut seen = 0;
        while id != END_OF_CHAIN {
            seen += 1;
            if seen > self.small_table.len() + 1 {
                return Err(CYCLE);
            }
            let place = usize::try_from(id).map_err(|_| DAMAGED)?;
            let start = place.checked_mul(SMALL_SECTOR_BYTES).ok_or(DAMAGED)?;
            bytes.extend_from_slice(self.small.get(start..start.saturating_add(SMALL_SECTOR_BYTES)).ok_or(DAMAGED)?);
            id = *self.small_table.get(place).ok_or(DAMAGED)?;
        }
        Ok(bytes)
    }

    /// The stream of the workbook.
    fn workbook(&self) -> Result<Vec<u8>, Wrong> {
        let entries = || self.directory.chunks_exact(DIRECTORY_ENTRY_BYTES);
        let found = ["workbook", "book"].iter().find_map(|wanted| entries().find(|entry| name(entry) == *wanted));
        let (start, len) = entry(found.ok_or("it holds no workbook")?);
        if len > u64::try_from(self.bytes.len()).unwrap_or(u64::MAX) {
            return Err("its workbook says that it is longer than the file");
        }
        let mut stream = if len < SMALL_STREAM_BYTES { self.small_chain(start)? } else { self.chain(start)? };
        stream.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(stream)
    }
}

/// Where a stream begins, and how long it says it is.
fn entry(entry: &[u8]) -> (u32, u64) {
    (u32_at(entry, 116).unwrap_or(END_OF_CHAIN), u64::from(u32_at(entry, 120).unwrap_or(0)))
}

fn name(entry: &[u8]) -> String {
    let units = entry.get(..64).unwrap_or_default().as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
    char::decode_utf16(units.take_while(|unit| *unit != 0)).map(|letter| letter.unwrap_or('\u{fffd}').to_ascii_lowercase()).collect()
}

/// The records of a workbook's stream.
struct Records<'a> {
    stream: &'a [u8],
    walked: u64,
    cells: u64,
}

/// Where the cells of a sheet are.
#[derive(Default)]
struct Extent {
    rows: Option<(u16, u16)>,
    columns: Option<(u16, u16)>,
}

impl Extent {
    fn add(&mut self, row: u16, first: u16, last: u16) {
        let wider =
            |range: Option<(u16, u16)>, low: u16, high: u16| Some(range.map_or((low, high), |(from, to)| (from.min(low), to.max(high))));
        self.rows = wider(self.rows, row, row);
        self.columns = wider(self.columns, first, last);
    }

    fn cells(&self) -> u64 {
        let span = |range: Option<(u16, u16)>| range.map_or(0, |(from, to)| u64::from(to.saturating_sub(from)) + 1);
        span(self.rows) * span(self.columns)
    }
}

impl<'a> Records<'a> {
    fn check(&mut self) -> Result<(), Wrong> {
        let mut sheets = Vec::new();
        // The table of shared strings, and whether what comes may continue it.
        let (mut table, mut in_table) = (Vec::new(), false);
        self.walk(0, false, |kind, data| {
            match kind {
                0x85 => sheets.push(u32_at(data, 0).unwrap_or(u32::MAX)),
                0xfc => table = vec![data],
                0x3c if in_table => table.push(data),
                _ => {}
            }
            in_table = kind == 0xfc || (in_table && kind == 0x3c);
            Ok(())
        })?;
        let strings = SharedStrings::lengths(table)?;
        let mut held = 0u64;
        if sheets.len() > SHEETS_MAX {
            return Err("it has more than 1024 sheets");
        }
        for start in sheets {
            let mut extent = Extent::default();
            let mut cells = self.cells;
            self.walk(usize::try_from(start).unwrap_or(usize::MAX), true, |kind, data| {
                let row = u16_at(data, 0).unwrap_or(0);
                let first = u16_at(data, 2).unwrap_or(0);
                if kind == 0xfd {
                    let string = u32_at(data, 6).and_then(|at| usize::try_from(at).ok()).and_then(|at| strings.get(at));
                    held = held.saturating_add(string.map_or(0, |bytes| u64::from(*bytes)));
                    if held > TEXT_MAX_BYTES {
                        return Err(TOO_MUCH_TEXT);
                    }
                }
                match kind {
                    0x200 if data.len() >= 14 && u32_at(data, 4).unwrap_or(0) > 1 << 16 => {
                        return Err("a sheet of it says that it has more rows than there can be");
                    }
                    0x6 | 0xd6 | 0xfd | 0x203 | 0x204 | 0x205 | 0x207 | 0x27e => {
                        extent.add(row, first, first);
                        cells += 2;
                    }
                    0xbd => {
                        let last = data.len().checked_sub(2).and_then(|at| u16_at(data, at)).unwrap_or(0);
                        extent.add(row, first, last.max(first));
                        cells += u64::try_from(data.len() / 6).unwrap_or(u64::MAX);
                    }
                    _ => {}
                }
                if cells > 2 * HELD_MAX { Err(TOO_MANY) } else { Ok(()) }
            })?;
            self.cells = cells.saturating_add(extent.cells());
            if extent.cells() > HELD_MAX || self.cells > 3 * HELD_MAX {
                return Err(TOO_MANY);
            }
        }
        Ok(())
    }

    /// Tells each record from a place up to the end of its part. Of a sheet what is nested in it is stepped over; of the workbook the
    /// decoder does not know of nesting.
    fn walk(&mut self, start: usize, nests: bool, mut tell: impl FnMut(u16, &'a [u8]) -> Result<(), Wrong>) -> Result<(), Wrong> {
        let mut rest = self.stream.get(start..).ok_or("a sheet of it begins behind its end")?;
        let mut depth = 0usize;
        while !rest.is_empty() {
            self.walked += 1;
            if self.walked > RECORDS_MAX {
                return Err("it has more than 20000000 records");
            }
            let (kind, length) = (u16_at(rest, 0).ok_or(ENDS)?, u16_at(rest, 2).ok_or(ENDS)?);
            let data = rest.get(4..4 + usize::from(length)).ok_or(ENDS)?;
            rest = rest.get(4 + usize::from(length)..).unwrap_or_default();
            match kind {
                0x809 if nests => depth += 1,
                0xa if depth <= 1 => return Ok(()),
                0xa => depth -= 1,
                // What is inside a chart looks like cells.
                _ if depth > 1 => {}
                _ => tell(kind, data)?,
            }
        }
        Ok(())
    }
}

/// The table of shared strings as it is read: a record, and those that continue it.
struct SharedStrings<'a> {
    data: &'a [u8],
    more: std::vec::IntoIter<&'a [u8]>,
}

impl<'a> SharedStrings<'a> {
    /// How many bytes each string takes. A damaged table is one for the decoder too.
    fn lengths(table: Vec<&'a [u8]>) -> Result<Vec<u32>, Wrong> {
        let mut more = table.into_iter();
        let data = more.next().and_then(|data| data.get(8..)).unwrap_or_default();
        let (mut strings, mut lengths) = (Self { data, more }, Vec::new());
        let most = usize::try_from(HELD_MAX).unwrap_or(usize::MAX);
        while !strings.data.is_empty() || strings.turn() {
            lengths.push(strings.string().ok_or("its table of shared strings is damaged")?);
            if lengths.len() > most {
                return Err("it has more than 2097152 shared strings");
            }
        }
        Ok(lengths)
    }

    /// Goes on to the next record; false at the end.
    fn turn(&mut self) -> bool {
        let next = self.more.next();
        self.data = next.unwrap_or_default();
        next.is_some()
    }

    fn string(&mut self) -> Option<u32> {
        if self.data.is_empty() {
            return Some(0);
        }
        let mut left = usize::from(u16_at(self.data, 0)?);
        let flags = *self.data.get(2)?;
        self.data = self.data.get(3..)?;
        let (mut wide, mut bytes, mut behind) = (flags & 1 != 0, 0usize, 0usize);
        if flags & 8 != 0 {
            behind = 4 * usize::from(u16_at(self.data, 0)?);
            self.data = self.data.get(2..)?;
        }
        if flags & 4 != 0 {
            behind = behind.saturating_add(usize::try_from(u32_at(self.data, 0)?).unwrap_or(usize::MAX));
            self.data = self.data.get(4..)?;
        }
        loop {
            let width = if wide { 2 } else { 1 };
            let count = left.min(self.data.len() / width);
            self.data = self.data.get(count * width..)?;
            bytes += count * width;
            left -= count;
            if left == 0 {
                break;
            }
            // Each record that continues a string says anew how wide its letters are.
            if !self.turn() {
                return None;
            }
            let (flags, data) = self.data.split_first()?;
            (wide, self.data) = (flags & 1 != 0, data);
        }
        while behind > 0 {
            if self.data.is_empty() && !self.turn() {
                return None;
            }
            let count = behind.min(self.data.len());
            self.data = self.data.get(count..)?;
            behind -= count;
        }
        u32::try_from(bytes).ok()
    }
}

const ENDS: Wrong = "a record of it ends behind its stream";
const TOO_MANY: Wrong = "its sheets hold more than 2097152 cells, the empty ones between others counted";

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a directory that holds a stream of one sector after the other, whose table the caller may spoil.
    fn file(stream: &[u8], spoil: impl Fn(&mut Vec<u32>)) -> Vec<u8> {
        let sectors = stream.len().div_ceil(512).max(8);
        let mut table: Vec<u32> = vec![0xffff_fffd, END_OF_CHAIN];
        table.extend((0..sectors).map(|place| if place + 1 == sectors { END_OF_CHAIN } else { u32::try_from(place).unwrap() + 3 }));
        spoil(&mut table);
        table.resize(128, 0xffff_ffff);
        let mut head = vec![0u8; 512];
        head[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
        head[30..32].copy_from_slice(&9u16.to_le_bytes());
        head[32..34].copy_from_slice(&6u16.to_le_bytes());
        head[48..52].copy_from_slice(&1u32.to_le_bytes());
        head[68..72].copy_from_slice(&END_OF_CHAIN.to_le_bytes());
        head[76..512].fill(0xff);
        head[76..80].copy_from_slice(&0u32.to_le_bytes());
        let mut directory = vec![0u8; 512];
        let mut put = |at: usize, name: &str, start: u32, len: usize| {
            let entry = &mut directory[at * 128..(at + 1) * 128];
            for (place, unit) in name.encode_utf16().enumerate() {
                entry[place * 2..place * 2 + 2].copy_from_slice(&unit.to_le_bytes());
            }
            entry[116..120].copy_from_slice(&start.to_le_bytes());
            entry[120..124].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
        };
        put(0, "Root Entry", END_OF_CHAIN, 0);
        put(1, "Workbook", 2, sectors * 512);
        let mut padded = stream.to_vec();
        padded.resize(sectors * 512, 0);
        [head, table.into_iter().flat_map(u32::to_le_bytes).collect(), directory, padded].concat()
    }

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &u16::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
    }

    fn cell(row: u16, column: u16) -> Vec<u8> {
        record(0x203, &[&row.to_le_bytes()[..], &column.to_le_bytes(), &[0; 10]].concat())
    }

    fn workbook(cells: &[Vec<u8>]) -> Vec<u8> {
        let head = [record(0x809, &[0, 6, 5, 0]), record(0x85, &[0; 8]), record(0xa, &[])].concat();
        let start = u32::try_from(head.len()).unwrap().to_le_bytes();
        let mut stream = head;
        stream[12..16].copy_from_slice(&start);
        [stream, record(0x809, &[0, 6, 0x10, 0]), cells.concat(), record(0xa, &[])].concat()
    }

    #[test]
    fn chains_that_never_end_and_cells_far_apart_are_refused() {
        let few = workbook(&[cell(0, 0), cell(9, 9)]);
        assert_eq!(check(&file(&few, |_| {})), Ok(()));
        assert_eq!(check(&file(&few, |table| table[1] = 1)), Err(CYCLE));
        assert_eq!(check(&file(&few, |table| table[4] = 3)), Err(CYCLE));
        assert_eq!(check(&file(&few, |table| table[4] = 90)), Err("a sector of it lies behind its end"));
        assert_eq!(check(&file(&workbook(&[cell(0, 0), cell(65_535, 255)]), |_| {})), Err(TOO_MANY));
        assert_eq!(check(&file(&workbook(&[vec![3, 2, 0xff, 0xff]]), |_| {})), Err(ENDS));
        assert_eq!(check(&few), Err(DAMAGED));
    }

    #[test]
    fn shared_strings_are_counted_as_often_as_they_are_named() {
        let text = "x".repeat(8000);
        // One string in letters of one byte, goes on in a record with letters of two, and has formats behind it.
        let first = [&[0u8; 8][..], &8004u16.to_le_bytes(), &[8], &1u16.to_le_bytes(), text.as_bytes()].concat();
        let next = [&[1u8][..], b"y\0y\0y\0y\0", &[0; 4], &2u16.to_le_bytes(), &[0], b"ab"].concat();
        assert_eq!(SharedStrings::lengths(vec![first.as_slice(), next.as_slice()]), Ok(vec![8008, 2]));
        assert!(SharedStrings::lengths(vec![first.as_slice()]).is_err());
        assert_eq!(SharedStrings::lengths(Vec::new()), Ok(Vec::new()));
        let book = |index: u32, cells: u16, nested: bool| {
            let bof = if nested { record(0x809, &[0, 6, 5, 0]) } else { Vec::new() };
            let table = [record(0xfc, &first), record(0x3c, &next)].concat();
            let mut head = [record(0x809, &[0, 6, 5, 0]), bof, record(0x85, &[0; 8]), table, record(0xa, &[])].concat();
            let (at, start) = (if nested { 20 } else { 12 }, u32::try_from(head.len()).unwrap());
            head[at..at + 4].copy_from_slice(&start.to_le_bytes());
            let named = (0..cells).map(|row| record(0xfd, &[&row.to_le_bytes()[..], &[0; 4], &index.to_le_bytes()].concat()));
            [head, record(0x809, &[0, 6, 0x10, 0]), named.collect::<Vec<_>>().concat(), record(0xa, &[])].concat()
        };
        let check = |stream: &[u8]| Records { stream, walked: 0, cells: 0 }.check();
        assert_eq!(check(&book(0, 30_000, false)), Ok(()));
        assert_eq!(check(&book(0, 40_000, false)), Err(TOO_MUCH_TEXT));
        assert_eq!(check(&book(1, 40_000, false)), Ok(()));
        // What begins anew inside the workbook's own records is read all the same.
        assert_eq!(check(&book(0, 40_000, true)), Err(TOO_MUCH_TEXT));
    }
}
