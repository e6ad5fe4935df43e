//! The keys of one rule: sorted runs while the order holds, then hashes in memory, then hashes in sealed partitions.

use std::sync::Arc;

use crate::error::Error;
use crate::spill::SpillFiles;
use crate::unique::key::{BatchKeys, Entry, KeyPlan, TableKeys};
use crate::unique::partition::Partitions;
use crate::unique::sorted::SortedRun;

/// Entries of one block of hashes in memory: blocks never move, so growth takes no second copy.
const BLOCK_ENTRIES: usize = 64 << 10;

pub(crate) struct Store {
    spill: Arc<dyn SpillFiles>,
    /// Bytes after which keys leave memory. Half of the budget: the end needs as much again to sort.
    keep_bytes: usize,
    runs: Vec<SortedRun>,
    runs_bytes: usize,
    blocks: Vec<Vec<Entry>>,
    entries: usize,
    partitions: Option<Partitions>,
    /// For hashes in memory: which of them the table holds, found when its keys stream by.
    index: Option<Index>,
}

/// Hashes of the load, sorted, with a mark for each that the table holds.
struct Index {
    entries: Vec<Entry>,
    in_table: Vec<bool>,
    /// For each value of the hash's leading bits, where its entries begin.
    starts: Vec<usize>,
    bits: u32,
}

impl Store {
    pub fn new(spill: Arc<dyn SpillFiles>, memory_bytes: usize) -> Self {
        Self {
            spill,
            keep_bytes: memory_bytes / 2,
            runs: Vec::new(),
            runs_bytes: 0,
            blocks: Vec::new(),
            entries: 0,
            partitions: None,
            index: None,
        }
    }

    /// Takes a batch's keys.
    pub fn add(&mut self, keys: BatchKeys, first_ordinal: u64, plan: &KeyPlan) -> Result<(), Error> {
        match keys {
            BatchKeys::Sorted { keys, ordinals } if self.entries == 0 && self.partitions.is_none() => {
                if let Some(run) = SortedRun::new(&keys, ordinals, first_ordinal)? {
                    self.runs_bytes += run.memory_bytes();
                    self.runs.push(run);
                }
                if self.runs_bytes > self.keep_bytes { self.hash_runs(plan) } else { Ok(()) }
            }
            BatchKeys::Sorted { keys, ordinals } => {
                for (key, ordinal) in keys.into_iter().zip(ordinals.into_iter().flatten()) {
                    self.push(plan.hash_packed(key, ordinal + 1))?;
                }
                Ok(())
            }
            BatchKeys::Hashed(entries) => {
                self.hash_runs(plan)?;
                entries.into_iter().try_for_each(|entry| self.push(entry))
            }
        }
    }

    /// Takes keys that the table holds; called after the last `add`.
    pub fn add_table(&mut self, keys: TableKeys, plan: &KeyPlan) -> Result<(), Error> {
        match keys {
            TableKeys::Packed(keys) => {
                // Loads often bring keys beyond those of the table: then the runs stay as they are.
                if !self.runs.is_empty() {
                    let low = self.runs.iter().map(|run| run.first).min().unwrap_or(u128::MAX);
                    let high = self.runs.iter().map(|run| run.last).max().unwrap_or(0);
                    if keys.iter().all(|key| *key < low || *key > high) {
                        return Ok(());
                    }
                    self.hash_runs(plan)?;
                }
                keys.into_iter().try_for_each(|key| self.push_table(plan.hash_packed(key, Entry::TABLE)))
            }
            TableKeys::Hashed(entries) => entries.into_iter().try_for_each(|entry| self.push_table(entry)),
        }
    }

    /// Reports every repeated key: the place in the run, and whether the table holds the key.
    pub fn finish(&mut self, plan: &KeyPlan, report: &mut dyn FnMut(u64, bool)) -> Result<(), Error> {
        self.runs.sort_unstable_by_key(|run| run.first_ordinal);
        if !self.runs.is_empty() {
            if self.runs.iter().zip(self.runs.iter().skip(1)).all(|(a, b)| a.last < b.first) {
                self.runs.clear();
                return Ok(());
            }
            self.hash_runs(plan)?;
        }
        if let Some(mut partitions) = self.partitions.take() {
            self.drain_into(&mut partitions)?;
            let report = std::cell::RefCell::new(report);
            return partitions.finish(
                self.keep_bytes / size_of::<Entry>(),
                &mut |entries| report_group(entries, &mut **report.borrow_mut()),
                &mut |entry, first| {
                    if entry.place != Entry::TABLE && entry.place != first {
                        report.borrow_mut()(entry.place - 1, first == Entry::TABLE);
                    }
                },
            );
        }
        let index = self.take_index();
        for (group, marks) in groups(&index.entries, &index.in_table) {
            let in_table = marks.iter().any(|mark| *mark);
            for entry in group.iter().skip(usize::from(!in_table)) {
                report(entry.place - 1, in_table);
            }
        }
        Ok(())
    }

    /// Leaves the fast path: every run becomes hashes.
    fn hash_runs(&mut self, plan: &KeyPlan) -> Result<(), Error> {
        let runs = std::mem::take(&mut self.runs);
        let keys = runs.iter().map(SortedRun::len).sum::<u64>();
        let hashes = usize::try_from(keys).unwrap_or(usize::MAX).saturating_add(self.entries);
        if self.partitions.is_none() && hashes.saturating_mul(size_of::<Entry>()) > self.keep_bytes {
            // They would fill memory first, and leave it all the same.
            self.partition()?;
        }
        for run in runs {
            run.visit(|key, ordinal| self.push(plan.hash_packed(key, ordinal + 1)))?;
        }
        self.runs_bytes = 0;
        Ok(())
    }

    fn push(&mut self, entry: Entry) -> Result<(), Error> {
        if let Some(partitions) = &mut self.partitions {
            return partitions.push(entry);
        }
        if self.blocks.last().is_none_or(|block| block.len() >= BLOCK_ENTRIES) {
            if (self.entries + BLOCK_ENTRIES) * size_of::<Entry>() > self.keep_bytes {
                self.partition()?;
                return self.push(entry);
            }
            self.blocks.push(Vec::with_capacity(BLOCK_ENTRIES));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(entry);
            self.entries += 1;
        }
        Ok(())
    }

    /// Moves all hashes from memory into partitions.
    fn partition(&mut self) -> Result<(), Error> {
        let mut partitions = Partitions::new(Arc::clone(&self.spill), 0);
        self.drain_into(&mut partitions)?;
        self.partitions = Some(partitions);
        Ok(())
    }

    fn drain_into(&mut self, partitions: &mut Partitions) -> Result<(), Error> {
        for block in std::mem::take(&mut self.blocks) {
            block.into_iter().try_for_each(|entry| partitions.push(entry))?;
        }
        self.entries = 0;
        Ok(())
    }

    fn push_table(&mut self, entry: Entry) -> Result<(), Error> {
        if let Some(partitions) = &mut self.partitions {
            return partitions.push(entry);
        }
        let mut index = self.index.take().unwrap_or_else(|| self.take_index());
        index.mark(entry);
        self.index = Some(index);
        Ok(())
    }

    fn take_index(&mut self) -> Index {
        if let Some(index) = self.index.take() {
            return index;
        }
        let mut entries = Vec::with_capacity(self.entries);
        for block in std::mem::take(&mut self.blocks) {
            entries.extend(block);
        }
        self.entries = 0;
        entries.sort_unstable();
        Index::new(entries)
    }
}

impl Index {
    fn new(entries: Vec<Entry>) -> Self {
        // About four entries to a slot, so that a look-up compares a handful.
        let bits = entries.len().max(1).ilog2().saturating_sub(2).clamp(1, 24);
        let slots = 1usize << bits;
        let mut starts = Vec::with_capacity(slots + 1);
        let mut at = 0usize;
        for slot in 0..=slots {
            while entries.get(at).is_some_and(|entry| slot_of(entry.high, bits) < slot) {
                at += 1;
            }
            starts.push(at);
        }
        Self { in_table: vec![false; entries.len()], entries, starts, bits }
    }

    /// Marks the first entry with the hash.
    fn mark(&mut self, wanted: Entry) {
        let slot = slot_of(wanted.high, self.bits);
        let (Some(start), Some(end)) = (self.starts.get(slot).copied(), self.starts.get(slot + 1).copied()) else { return };
        let Some(candidates) = self.entries.get(start..end) else { return };
        let place = candidates.iter().position(|entry| entry.high == wanted.high && entry.low == wanted.low);
        if let Some(mark) = place.and_then(|place| self.in_table.get_mut(start + place)) {
            *mark = true;
        }
    }
}

fn slot_of(high: u64, bits: u32) -> usize {
    usize::try_from(high >> (64 - bits)).unwrap_or(usize::MAX)
}

/// Stretches of equal hashes, with what belongs to them.
fn groups<'a>(entries: &'a [Entry], marks: &'a [bool]) -> impl Iterator<Item = (&'a [Entry], &'a [bool])> {
    entries.chunk_by(|a, b| (a.high, a.low) == (b.high, b.low)).scan(marks, |rest, group| {
        let (head, tail) = rest.split_at_checked(group.len())?;
        *rest = tail;
        Some((group, head))
    })
}

/// The same for a partition, where entries of the table stand among those of the load.
fn report_group(entries: &[Entry], report: &mut dyn FnMut(u64, bool)) {
    for group in entries.chunk_by(|a, b| (a.high, a.low) == (b.high, b.low)) {
        let in_table = group.first().is_some_and(|entry| entry.place == Entry::TABLE);
        let mine = group.iter().filter(|entry| entry.place != Entry::TABLE);
        for entry in mine.skip(usize::from(!in_table)) {
            report(entry.place - 1, in_table);
        }
    }
}
