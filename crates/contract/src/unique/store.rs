//! The keys of one rule: sorted runs while the order holds, then hashes in memory, then hashes in sealed partitions.

use std::sync::Arc;

use crate::error::Error;
use crate::spill::SpillFiles;
use crate::unique::key::{BatchKeys, Entry, KeyPlan, TABLE, TableKeys};
use crate::unique::partition::Partitions;
use crate::unique::rank::Rank;
use crate::unique::sorted::SortedRun;

/// Entries of one block of hashes in memory: blocks never move, so growth takes no second copy.
const BLOCK_ENTRIES: usize = 64 << 10;

/// Which row of a key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The first one, unless the table holds the key.
    First,
    /// The last one, by rank and then by place, whatever the table holds.
    Last,
}

pub(crate) struct Store<R: Rank> {
    spill: Arc<dyn SpillFiles>,
    keep: Keep,
    /// Bytes after which keys leave memory. Half of the budget: the end needs as much again to sort.
    keep_bytes: usize,
    runs: Vec<SortedRun>,
    runs_bytes: usize,
    blocks: Vec<Vec<Entry<R>>>,
    entries: usize,
    partitions: Option<Partitions<R>>,
    /// For hashes in memory: which of them the table holds, found when its keys stream by.
    index: Option<Index<R>>,
}

/// Hashes of the load, sorted, with a mark for each that the table holds.
struct Index<R: Rank> {
    entries: Vec<Entry<R>>,
    in_table: Vec<bool>,
    /// For each value of the hash's leading bits, where its entries begin.
    starts: Vec<usize>,
    bits: u32,
}

impl<R: Rank> Store<R> {
    pub fn new(spill: Arc<dyn SpillFiles>, memory_bytes: usize, keep: Keep) -> Self {
        Self {
            spill,
            keep,
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
    pub fn add(&mut self, keys: BatchKeys<R>, first_ordinal: u64, plan: &KeyPlan) -> Result<(), Error> {
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
                    self.push(plan.hash_packed(key, R::default(), ordinal + 1))?;
                }
                Ok(())
            }
            BatchKeys::Hashed(entries) => {
                self.hash_runs(plan)?;
                entries.into_iter().try_for_each(|entry| self.push(entry))
            }
        }
    }

    /// Reports every row that is not kept: its place in the run, and whether the table holds its key.
    pub fn finish(&mut self, plan: &KeyPlan, report: &mut dyn FnMut(u64, bool)) -> Result<(), Error> {
        self.runs.sort_unstable_by_key(|run| run.first_ordinal);
        if !self.runs.is_empty() {
            if self.runs.iter().zip(self.runs.iter().skip(1)).all(|(a, b)| a.last < b.first) {
                self.runs.clear();
                return Ok(());
            }
            self.hash_runs(plan)?;
        }
        let keep = self.keep;
        if let Some(mut partitions) = self.partitions.take() {
            self.drain_into(&mut partitions)?;
            let report = std::cell::RefCell::new(report);
            return partitions.finish(
                self.keep_bytes / size_of::<Entry<R>>(),
                keep,
                &mut |entries| report_groups(entries, keep, &mut **report.borrow_mut()),
                &mut |entry, kept| {
                    if entry.place != TABLE && entry.place != kept {
                        report.borrow_mut()(entry.place - 1, kept == TABLE);
                    }
                },
            );
        }
        let index = self.take_index();
        match keep {
            Keep::First => {
                for (group, marks) in groups(&index.entries, &index.in_table) {
                    let in_table = marks.iter().any(|mark| *mark);
                    for entry in group.iter().skip(usize::from(!in_table)) {
                        report(entry.place - 1, in_table);
                    }
                }
            }
            Keep::Last => report_groups(&index.entries, keep, report),
        }
        Ok(())
    }

    /// Leaves the fast path: every run becomes hashes.
    fn hash_runs(&mut self, plan: &KeyPlan) -> Result<(), Error> {
        let runs = std::mem::take(&mut self.runs);
        let keys = runs.iter().map(SortedRun::len).sum::<u64>();
        let hashes = usize::try_from(keys).unwrap_or(usize::MAX).saturating_add(self.entries);
        if self.partitions.is_none() && hashes.saturating_mul(size_of::<Entry<R>>()) > self.keep_bytes {
            // They would fill memory first, and leave it all the same.
            self.partition()?;
        }
        for run in runs {
            run.visit(|key, ordinal| self.push(plan.hash_packed(key, R::default(), ordinal + 1)))?;
        }
        self.runs_bytes = 0;
        Ok(())
    }

    fn push(&mut self, entry: Entry<R>) -> Result<(), Error> {
        if let Some(partitions) = &mut self.partitions {
            return partitions.push(entry);
        }
        if self.blocks.last().is_none_or(|block| block.len() >= BLOCK_ENTRIES) {
            if (self.entries + BLOCK_ENTRIES) * size_of::<Entry<R>>() > self.keep_bytes {
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

    fn drain_into(&mut self, partitions: &mut Partitions<R>) -> Result<(), Error> {
        for block in std::mem::take(&mut self.blocks) {
            block.into_iter().try_for_each(|entry| partitions.push(entry))?;
        }
        self.entries = 0;
        Ok(())
    }

    fn take_index(&mut self) -> Index<R> {
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

/// Only what appends is held to the keys of the table, and it goes by places.
impl Store<()> {
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
                keys.into_iter().try_for_each(|key| self.push_table(plan.hash_packed(key, (), TABLE)))
            }
            TableKeys::Hashed(entries) => entries.into_iter().try_for_each(|entry| self.push_table(entry)),
        }
    }

    fn push_table(&mut self, entry: Entry<()>) -> Result<(), Error> {
        if let Some(partitions) = &mut self.partitions {
            return partitions.push(entry);
        }
        let mut index = self.index.take().unwrap_or_else(|| self.take_index());
        index.mark(entry);
        self.index = Some(index);
        Ok(())
    }
}

impl<R: Rank> Index<R> {
    fn new(entries: Vec<Entry<R>>) -> Self {
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
    fn mark(&mut self, wanted: Entry<R>) {
        let slot = slot_of(wanted.high, self.bits);
        let (Some(start), Some(end)) = (self.starts.get(slot).copied(), self.starts.get(slot + 1).copied()) else { return };
        let Some(candidates) = self.entries.get(start..end) else { return };
        let place = candidates.iter().position(|entry| entry.same_key(&wanted));
        if let Some(mark) = place.and_then(|place| self.in_table.get_mut(start + place)) {
            *mark = true;
        }
    }
}

fn slot_of(high: u64, bits: u32) -> usize {
    usize::try_from(high >> (64 - bits)).unwrap_or(usize::MAX)
}

/// Stretches of equal hashes, with what belongs to them.
fn groups<'a, R: Rank>(entries: &'a [Entry<R>], marks: &'a [bool]) -> impl Iterator<Item = (&'a [Entry<R>], &'a [bool])> {
    entries.chunk_by(Entry::same_key).scan(marks, |rest, group| {
        let (head, tail) = rest.split_at_checked(group.len())?;
        *rest = tail;
        Some((group, head))
    })
}

/// Reports what is not kept of sorted entries, where those of the table may stand among those of the load, before them.
fn report_groups<R: Rank>(entries: &[Entry<R>], keep: Keep, report: &mut dyn FnMut(u64, bool)) {
    for group in entries.chunk_by(Entry::same_key) {
        match keep {
            Keep::First => {
                let in_table = group.first().is_some_and(|entry| entry.place == TABLE);
                let mine = group.iter().filter(|entry| entry.place != TABLE);
                for entry in mine.skip(usize::from(!in_table)) {
                    report(entry.place - 1, in_table);
                }
            }
            Keep::Last => {
                for entry in group.iter().rev().skip(1) {
                    report(entry.place - 1, false);
                }
            }
        }
    }
}
