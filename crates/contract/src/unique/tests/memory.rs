//! How much memory unique keys take, measured as the system does: the peak of a process that does nothing else.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Result, Seek, SeekFrom, Write};
use std::process::Command;

use super::*;
use crate::testing::contract_with;
use crate::{Cells, RawBatch, SpillSink, SpillSource};

const BATCH_ROWS: u64 = 1 << 16;
const MIB: u64 = 1 << 20;

/// Temporary files on the disk, as the program's are, so that they take no memory here.
struct DiskSpill;

struct Sink(BufWriter<File>);

struct Source(File);

impl SpillFiles for DiskSpill {
    fn create(&self) -> Result<Box<dyn SpillSink>> {
        Ok(Box::new(Sink(BufWriter::with_capacity(4 << 10, tempfile::tempfile()?))))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

impl SpillSink for Sink {
    fn finish(self: Box<Self>) -> Result<Box<dyn SpillSource>> {
        Ok(Box::new(Source(self.0.into_inner().map_err(std::io::IntoInnerError::into_error)?)))
    }
}

impl SpillSource for Source {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        let mut file = self.0.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Box::new(BufReader::new(file)))
    }
}

/// A permutation of the 64-bit numbers, so that keys come in random order and no two are equal.
fn scatter(value: u64) -> u64 {
    let mut value = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    value ^= value >> 32;
    value.wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// What the first gate of a process takes, whatever it is for: most of it is code that is read from the disk, of YARA above all.
const FIRST_GATE_BYTES_MAX: u64 = 48 * MIB;
/// What keys may take beyond their memory, where that is small: a batch, its copies, and what spills.
const ROOM_BYTES: u64 = 6 * MIB;
/// The same where each key has the value of a cursor with it, and the batch another column.
const ROOM_WITH_CURSORS_BYTES: u64 = 12 * MIB;

/// A figure of this process's memory, in bytes: `VmRSS`, what is resident, or `VmHWM`, the most that was.
fn memory_bytes(figure: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).unwrap();
    value.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// What a load took, in bytes.
#[derive(Debug, Clone, Copy)]
struct Taken {
    /// The first gate, at its peak.
    first_gate: u64,
    /// All else, at its peak: above what the process held when it had that gate, not above the peak of building it, in which keys
    /// could hide.
    keys: u64,
}

/// Loads so many rows, or merges them by a cursor that falls. All have one key, or all but two have their own.
fn load_keys(rows: u64, memory: usize, one_key: bool, merges: bool) -> Taken {
    let bare = memory_bytes("VmRSS");
    // Kept to the end, so that keys take no place that it would give back.
    let first = gate_of(&[WIDE], options(Arc::new(DiskSpill)));
    let first_gate = memory_bytes("VmHWM").saturating_sub(bare);
    let before = memory_bytes("VmRSS");
    let mut options = options(Arc::new(DiskSpill));
    options.unique_memory_bytes = memory;
    options.order_by = merges.then_some(1);
    let merge = || contract_with(&[WIDE, CURSOR], "  - {property: polder.disposition, value: merge}\n");
    let gate = if merges { Gate::new(approved(merge()), options).unwrap() } else { gate_of(&[WIDE], options) };
    let repeats = |row: u64| one_key || row == rows / 2 || row + 1 == rows;
    for first in (0..rows).step_by(BATCH_ROWS as usize) {
        let places = first..(first + BATCH_ROWS).min(rows);
        let keys: Int64Array = places.map(|row| scatter(if repeats(row) { 0 } else { row }).cast_signed()).collect();
        let (rows, file) = (keys.len(), Arc::from("keys"));
        let cursors: Int64Array = (first..first + rows as u64).map(|row| -row.cast_signed()).collect();
        let mut columns = vec![Cells::Typed(Arc::new(keys) as ArrayRef)];
        columns.extend(merges.then(|| Cells::Typed(Arc::new(cursors) as ArrayRef)));
        gate.check(RawBatch { columns, rows, first_record: first + 1, first_ordinal: first, file, malformed: Vec::new() }).unwrap();
    }
    let duplicates = gate.finish().unwrap();
    let (refused, superseded) = (duplicates.len() as u64, duplicates.superseded());
    assert!(if merges { refused == 0 } else { superseded == 0 });
    if one_key {
        assert_eq!(refused + superseded, rows - 1);
        assert!(duplicates.ordinals().eq(1..rows));
    } else {
        assert!(duplicates.ordinals().eq([rows / 2, rows - 1]));
    }
    drop(first);
    Taken { first_gate, keys: memory_bytes("VmHWM").saturating_sub(before) }
}

/// [`load_keys`] in a process of its own; the first gate of each is held to what it may take.
fn taken(rows: u64, memory: u64, one_key: bool, merges: bool) -> u64 {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "unique::tests::memory::keys_are_loaded_and_measured", "--nocapture", "--test-threads", "1"])
        .env("POLDER_TEST_KEYS", format!("{rows} {memory} {one_key} {merges}"))
        .output()
        .unwrap();
    let told = String::from_utf8(child.stdout).unwrap();
    assert!(child.status.success(), "{told}{}", String::from_utf8_lossy(&child.stderr));
    let (_, figures) = told.lines().find_map(|line| line.split_once("taken in bytes: ")).unwrap_or_else(|| panic!("{told}"));
    let (first_gate, keys) = figures.split_once(' ').unwrap();
    let [first_gate, keys] = [first_gate, keys].map(|figure| figure.parse::<u64>().unwrap());
    println!("{rows} rows: the first gate took {} KiB, keys took {} KiB of {}", first_gate >> 10, keys >> 10, memory >> 10);
    assert!(first_gate <= FIRST_GATE_BYTES_MAX, "the first gate of a process took {} MiB", first_gate / MIB);
    // A control: what was not measured would be nothing.
    assert!(first_gate > MIB && keys > 0, "{first_gate} {keys}");
    keys
}

/// What the child does; without its variable, a few keys.
#[test]
fn keys_are_loaded_and_measured() {
    let asked = std::env::var("POLDER_TEST_KEYS").unwrap_or_else(|_| "10000 65536 false false".to_owned());
    let parts: Vec<&str> = asked.split(' ').collect();
    let Taken { first_gate, keys } =
        load_keys(parts[0].parse().unwrap(), parts[1].parse().unwrap(), parts[2] == "true", parts[3] == "true");
    println!("\ntaken in bytes: {first_gate} {keys}");
}

fn is_full() -> bool {
    std::env::var("POLDER_SEEDS").is_ok_and(|value| value == "full")
}

#[test]
fn keys_stay_within_their_memory() {
    // With POLDER_SEEDS=full what the plan promises: 50 million keys in 256 MB. Else as many as would break a small budget.
    let (rows, memory, room) = if is_full() { (50_000_000, 256 * MIB, 0) } else { (800_000, 4 * MIB, ROOM_BYTES) };
    let keys = taken(rows, memory, false, false);
    assert!(keys <= memory + room, "{rows} keys took {} MiB of {}", keys / MIB, memory / MIB);
    // A control: what all keys take where there is room for them shows.
    if !is_full() {
        let all = taken(rows, 1 << 30, false, false);
        assert!(all > memory + room, "{} MiB are no more than what spilling took", all / MIB);
    }
}

#[test]
fn rows_of_one_key_stay_within_their_memory() {
    let (rows, memory) = if is_full() { (20_000_000, 16 * MIB) } else { (1_000_000, 2 * MIB) };
    let keys = taken(rows, memory, true, false);
    assert!(keys <= memory + ROOM_BYTES, "{rows} rows of one key took {} MiB", keys / MIB);
}

#[test]
fn keys_of_a_merge_stay_within_their_memory() {
    let (rows, memory) = if is_full() { (20_000_000, 128 * MIB) } else { (800_000, 4 * MIB) };
    for one_key in [false, true] {
        let keys = taken(rows, memory, one_key, true);
        assert!(keys <= memory + ROOM_WITH_CURSORS_BYTES, "{rows} keys with cursors took {} MiB of {}", keys / MIB, memory / MIB);
    }
    if !is_full() {
        let all = taken(rows, 1 << 30, false, true);
        assert!(all > memory + ROOM_WITH_CURSORS_BYTES, "{} MiB are no more than what spilling took", all / MIB);
    }
}
