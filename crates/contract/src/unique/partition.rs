//! Hashes in sealed temporary files, split by their leading bits so that each part fits memory.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::Error;
use crate::spill::{SpillFiles, SpillSink, SpillSource};
use crate::unique::key::Entry;
use crate::unique::rank::Rank;
use crate::unique::store::Keep;

/// Bits of the hash that one level of partitions uses.
const BITS: u32 = 6;
const PARTS: usize = 1 << BITS;
/// After so many levels equal leading bits mean equal hashes, which no split separates, but for a chance that nobody meets.
const LEVELS_MAX: u32 = 8;
/// So many different hashes in a part that is too large mean that they repeat, and that splitting it would not help.
const FEW_HASHES: usize = 64;
/// Entries gathered before a partition's file sees them.
const BUFFER_ENTRIES: usize = 1024;

/// Of each hash the rank and place of the entry that is kept.
type Kept<R> = BTreeMap<(u64, u64), (R, u64)>;

/// Bytes of an entry in a file: the hash, the rank, the place.
const fn entry_bytes<R: Rank>() -> usize {
    24 + R::BYTES
}

/// Partitions being written.
pub(crate) struct Partitions<R: Rank> {
    spill: Arc<dyn SpillFiles>,
    level: u32,
    parts: Vec<Part>,
    ranked: PhantomData<R>,
}

#[derive(Default)]
struct Part {
    buffer: Vec<u8>,
    sink: Option<Box<dyn SpillSink>>,
    entries: u64,
}

/// A partition that can be read.
struct Written<R: Rank> {
    source: Box<dyn SpillSource>,
    entries: u64,
    ranked: PhantomData<R>,
}

fn failed(step: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Spill { step, source }
}

impl<R: Rank> Partitions<R> {
    /// None yet, split by the bits of a level, from 0.
    pub fn new(spill: Arc<dyn SpillFiles>, level: u32) -> Self {
        Self { spill, level, parts: (0..PARTS).map(|_| Part::default()).collect(), ranked: PhantomData }
    }

    /// Adds an entry to its partition.
    pub fn push(&mut self, entry: Entry<R>) -> Result<(), Error> {
        let bits = entry.high.rotate_left(BITS * (self.level + 1)) & (PARTS as u64 - 1);
        let Some(part) = usize::try_from(bits).ok().and_then(|bits| self.parts.get_mut(bits)) else { return Ok(()) };
        part.buffer.extend_from_slice(&entry.high.to_le_bytes());
        part.buffer.extend_from_slice(&entry.low.to_le_bytes());
        entry.rank.put(&mut part.buffer);
        part.buffer.extend_from_slice(&entry.place.to_le_bytes());
        part.entries += 1;
        if part.buffer.len() >= BUFFER_ENTRIES * entry_bytes::<R>() { part.flush(self.spill.as_ref()) } else { Ok(()) }
    }

    /// Calls `visit` with each group of entries that may hold equal hashes, sorted by hash and place, and `repeat` with each entry of a
    /// part that is too large for memory since few hashes stand in it again and again: with the place of the entry of its hash that is
    /// kept, which may be the table's.
    pub fn finish(
        mut self,
        entries_max: usize,
        keep: Keep,
        visit: &mut dyn FnMut(&[Entry<R>]),
        repeat: &mut dyn FnMut(Entry<R>, u64),
    ) -> Result<(), Error> {
        let mut written = Vec::new();
        for part in std::mem::take(&mut self.parts) {
            if part.entries > 0 {
                written.push(part.finish(self.spill.as_ref())?);
            }
        }
        for part in written {
            let fits = usize::try_from(part.entries).is_ok_and(|entries| entries <= entries_max);
            if fits {
                let mut entries = Vec::with_capacity(usize::try_from(part.entries).unwrap_or(0));
                part.read(&mut |entry| {
                    entries.push(entry);
                    Ok(true)
                })?;
                entries.sort_unstable();
                visit(&entries);
            } else if let Some(kept) = part.few_hashes(if self.level + 1 < LEVELS_MAX { FEW_HASHES } else { usize::MAX }, keep)? {
                part.read(&mut |entry| {
                    repeat(entry, kept.get(&(entry.high, entry.low)).map_or(entry.place, |(_, place)| *place));
                    Ok(true)
                })?;
            } else {
                let mut deeper = Self::new(Arc::clone(&self.spill), self.level + 1);
                part.read(&mut |entry| deeper.push(entry).map(|()| true))?;
                drop(part);
                deeper.finish(entries_max, keep, visit, repeat)?;
            }
        }
        Ok(())
    }
}

impl Part {
    fn flush(&mut self, spill: &dyn SpillFiles) -> Result<(), Error> {
        let sink = match &mut self.sink {
            Some(sink) => sink,
            None => self.sink.insert(spill.create().map_err(failed("create a file in"))?),
        };
        sink.write_all(&self.buffer).map_err(failed("write to"))?;
        self.buffer.clear();
        Ok(())
    }

    fn finish<R: Rank>(mut self, spill: &dyn SpillFiles) -> Result<Written<R>, Error> {
        self.flush(spill)?;
        let sink = self.sink.ok_or_else(|| failed("write to")(std::io::Error::other("no file")))?;
        Ok(Written { source: sink.finish().map_err(failed("finish a file in"))?, entries: self.entries, ranked: PhantomData })
    }
}

impl<R: Rank> Written<R> {
    /// What is kept of each hash, when there are no more than so many hashes.
    fn few_hashes(&self, max: usize, keep: Keep) -> Result<Option<Kept<R>>, Error> {
        let mut kept = Kept::new();
        self.read(&mut |entry| {
            let this = (entry.rank, entry.place);
            let best = kept.entry((entry.high, entry.low)).or_insert(this);
            *best = match keep {
                Keep::First => this.min(*best),
                Keep::Last => this.max(*best),
            };
            Ok(kept.len() <= max)
        })?;
        Ok((kept.len() <= max).then_some(kept))
    }

    /// Calls `visit` with every entry, until it says that it is enough.
    fn read(&self, visit: &mut dyn FnMut(Entry<R>) -> Result<bool, Error>) -> Result<(), Error> {
        let mut reader = self.source.open().map_err(failed("open a file in"))?;
        let entry_bytes = entry_bytes::<R>();
        let mut buffer = vec![0u8; BUFFER_ENTRIES * entry_bytes];
        let mut left = self.entries;
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER_ENTRIES);
            let chunk = buffer.get_mut(..count * entry_bytes).unwrap_or_default();
            reader.read_exact(chunk).map_err(failed("read from"))?;
            for bytes in chunk.chunks_exact(entry_bytes) {
                let word = |at: usize| bytes.get(at..at + 8).and_then(|word| <[u8; 8]>::try_from(word).ok()).map_or(0, u64::from_le_bytes);
                let rank = R::take(bytes.get(16..16 + R::BYTES).unwrap_or_default());
                if !visit(Entry { high: word(0), low: word(8), rank, place: word(16 + R::BYTES) })? {
                    return Ok(());
                }
            }
            left -= u64::try_from(count).unwrap_or(left);
        }
        // A file that goes on past what was written is not the one that was written.
        match reader.read(&mut [0u8; 1]).map_err(failed("read from"))? {
            0 => Ok(()),
            _ => Err(failed("read from")(std::io::Error::other("the file is longer than what was written"))),
        }
    }
}
