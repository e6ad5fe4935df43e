//! `audit verify`: everything again from the stored bytes, trusting nothing that this process remembers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::anchor::off_thread;
use crate::batch::{self, BATCHES, Batch};
use crate::error::Error;
use crate::journal::{Journal, floor};
use crate::leaf::Leaf;
use crate::load::{load, read_batch};
use crate::merkle::{Hash, leaf_hash};
use crate::shelf::{Room, Shelf, list};
use crate::show::Sides;
use crate::snapshot::{self, Base};
use crate::state::State;
use crate::tile::{BUNDLES, Edge, FullTile, TILE_LEAVES, TILE_WIDTH, bundle_path, hash_tile_path, parse_index};
use crate::view::View;

/// Most failures that are listed.
const FAILURES_MAX: usize = 1000;

/// What verifying found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Entries whose hash, form and place in the tree were recomputed.
    pub entries: u64,
    /// The recomputed root, hexadecimal.
    pub root: String,
    /// Signed checkpoints that were verified, against the recomputed tree.
    pub checkpoints: u64,
    /// Stored hash tiles that were compared.
    pub tiles: u64,
    /// Stored entry bundles that were read.
    pub bundles: u64,
    /// Side objects that were opened.
    pub sides: u64,
    /// Commitments whose value was found and fits.
    pub commitments: u64,
    /// Entries whose private values were erased.
    pub erased: u64,
    /// Side objects that no entry names: what a crash left.
    pub orphans: u64,
    /// Batches of a writer that was replaced before it could acknowledge them.
    pub fenced: u64,
    /// Snapshots that were compared with the replayed log.
    pub snapshots: u64,
    /// How the whole installation's rollback shows.
    pub anchor: AnchorStatus,
    /// What is not as it must be, object by object. Empty means that all is well.
    pub failures: Vec<Failure>,
}

/// What the anchor says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AnchorStatus {
    /// There is none: a rollback of the whole installation to an older state cannot be detected.
    #[default]
    None,
    /// Its checkpoint is a beginning of the log.
    Consistent {
        /// Entries that it covers.
        size: u64,
    },
    /// It is missing, damaged, or tells another story: see the failures.
    Failed,
}

/// An object that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub object: String,
    pub what: String,
}

impl Verification {
    /// Whether everything that could be checked is as it must be.
    pub fn is_intact(&self) -> bool {
        self.failures.is_empty()
    }

    /// What verifying cannot know, for the report; `None` with an anchor.
    pub fn limit(&self) -> Option<&'static str> {
        matches!(self.anchor, AnchorStatus::None)
            .then_some("no anchor is configured: a rollback of the whole installation to an older state cannot be detected")
    }

    fn fail(&mut self, object: String, what: impl Into<String>) {
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(Failure { object, what: what.into() });
        }
    }

    /// Notes what is wrong with an object; what cannot be read now is no finding and ends the verification.
    fn note(&mut self, error: Error) -> Result<(), Error> {
        match error {
            Error::Corrupt { object, what, source, .. } => {
                let what = source.map_or_else(|| what.to_owned(), |source| format!("{what}: {source}"));
                self.fail(object, what);
                Ok(())
            }
            Error::RolledBack { .. } | Error::Forked { .. } | Error::KeyringRolledBack { .. } | Error::NotCreated => {
                self.fail("the log".to_owned(), error.to_string());
                Ok(())
            }
            error => Err(error),
        }
    }
}

impl Journal {
    /// Recomputes every leaf hash, tile, root and projection from the stored objects; checks every signature, every commitment
    /// whose side object is there, every snapshot, and the anchor. What is wrong is listed by object, not returned as an error.
    ///
    /// # Errors
    /// When the store, or the anchor's file system, cannot be read now.
    pub async fn verify(&self) -> Result<Verification, Error> {
        let mut report = Verification::default();
        let shelf = self.core.shelf.as_ref();
        let floor = match floor(self.core.anchor.as_ref(), &self.core.verifier).await {
            Ok(floor) => floor,
            Err(error @ (Error::AnchorMissing { .. } | Error::AnchorCorrupt { .. })) => {
                report.anchor = AnchorStatus::Failed;
                report.fail(
                    self.core.anchor.as_ref().map(|anchor| anchor.path().display().to_string()).unwrap_or_default(),
                    error.to_string(),
                );
                crate::load::Floor::default()
            }
            Err(error) => return Err(error),
        };
        // Listed before the log is read: whatever is listed is part of what is read, or older than it.
        let listed =
            async { Ok((list(shelf, Room::Journal, "").await?, list(shelf, Room::Private, "").await?, snapshot::sizes(shelf).await?)) };
        let (names, sides, snapshots) = match listed.await {
            Ok(listed) => listed,
            Err(error) => {
                report.note(error)?;
                return Ok(report);
            }
        };
        let memory_size = self.size();
        let loaded = match load(shelf, &self.core.verifier, &floor, Some(Base::nothing())).await {
            Ok(loaded) => loaded,
            Err(error) => {
                report.note(error)?;
                return Ok(report);
            }
        };
        if let Some(anchor) = &floor.anchor {
            report.anchor = AnchorStatus::Consistent { size: anchor.head.size };
        }
        let mut pass = Pass { journal: self, shelf, report, edge: Edge::default(), state: State::default(), sides: Sides::default() };
        let batches = pass.batches(&names, &loaded.view).await?;
        let wanted: BTreeSet<u64> = batches.iter().map(Batch::end).chain(snapshots.iter().copied()).chain([memory_size]).collect();
        // Of the projection a copy is kept only where something is compared with it: it may be large.
        let states: BTreeSet<u64> = snapshots.iter().copied().chain([memory_size]).collect();
        let seen = pass.entries(&loaded.view, &wanted, &states).await?;
        pass.compare_batches(&batches, &seen, &loaded.view);
        pass.compare_snapshots(&snapshots, &seen).await?;
        pass.compare_names(&names, &loaded.view);
        pass.compare_sides(&sides, &seen).await?;
        pass.compare_memory(&seen);
        let mut report = pass.report;
        report.root = pass.edge.root().to_string();
        if let Some(anchor) = self.core.anchor.clone() {
            // The log that was read must still be no older than what the anchor says by now.
            let verifier = self.core.verifier.clone();
            let now = off_thread(move || anchor.read(&verifier)).await;
            if now.is_err() {
                report.anchor = AnchorStatus::Failed;
            }
        }
        Ok(report)
    }
}

/// What replaying saw.
struct Seen {
    /// Roots at the sizes that something else speaks of.
    roots: BTreeMap<u64, Hash>,
    /// Projections at the sizes of snapshots.
    states: BTreeMap<u64, State>,
    leaf_hashes: BTreeMap<u64, Hash>,
    side_names: BTreeSet<String>,
}

struct Pass<'a> {
    journal: &'a Journal,
    shelf: &'a dyn Shelf,
    report: Verification,
    edge: Edge,
    state: State,
    sides: Sides,
}

impl Pass<'_> {
    /// All batches that are still in the store and speak of entries that were read.
    async fn batches(&mut self, names: &[String], view: &View) -> Result<Vec<Batch>, Error> {
        let mut batches = Vec::new();
        for first in names.iter().filter_map(|name| batch::parse_name(name.strip_prefix(BATCHES)?.strip_prefix('/')?)) {
            match read_batch(self.shelf, &self.journal.core.verifier, first).await {
                Ok(batch) if batch.end() <= view.size() => batches.push(batch),
                // Appended after the log was read.
                Ok(_) => {}
                // Folded into a tile meanwhile; loading proved that nothing is missing.
                Err(Error::Corrupt { what: "it is missing", .. }) => {}
                Err(error) => self.report.note(error)?,
            }
        }
        Ok(batches)
    }

    /// Replays all entries, tile by tile.
    async fn entries(&mut self, view: &View, wanted: &BTreeSet<u64>, states: &BTreeSet<u64>) -> Result<Seen, Error> {
        let mut seen = Seen { roots: BTreeMap::new(), states: BTreeMap::new(), leaf_hashes: BTreeMap::new(), side_names: BTreeSet::new() };
        let keep_from = wanted.first().copied().unwrap_or(0).saturating_sub(crate::writer::GROUP_MAX as u64);
        for tile in 0..view.size().div_ceil(TILE_LEAVES) {
            let entries = view.bundle(self.shelf, tile).await?;
            self.report.bundles += u64::from(tile < view.stored);
            for (index, entry) in (tile * TILE_LEAVES..).zip(entries) {
                let object = if tile < view.stored { bundle_path(tile, TILE_WIDTH) } else { format!("{BATCHES} of entry {index}") };
                let hash = leaf_hash(&entry);
                if index >= keep_from {
                    seen.leaf_hashes.insert(index, hash);
                }
                for full in self.edge.push(hash) {
                    self.compare_tile(view, &full).await?;
                }
                self.entry(index, &entry, object, &mut seen).await?;
                if wanted.contains(&(index + 1)) {
                    seen.roots.insert(index + 1, self.edge.root());
                }
                if states.contains(&(index + 1)) {
                    seen.states.insert(index + 1, self.state.clone());
                }
            }
        }
        if self.edge.root() != view.checkpoint.head.root || self.edge.size() != view.size() {
            self.report.fail(self.shelf.path(Room::Journal, BUNDLES), "its entries do not lead to the signed root");
        }
        Ok(seen)
    }

    async fn entry(&mut self, index: u64, entry: &Bytes, object: String, seen: &mut Seen) -> Result<(), Error> {
        self.report.entries += 1;
        let leaf = match Leaf::parse_canonical(entry) {
            Ok(leaf) => leaf,
            Err(what) => {
                self.report.fail(self.shelf.path(Room::Journal, &object), what);
                return Ok(());
            }
        };
        self.state.apply(index, leaf.time, leaf.event());
        let new = seen.side_names.insert(leaf.side().to_owned());
        match self.sides.get(self.shelf, leaf.side()).await {
            Ok(Some(side)) => {
                self.report.sides += u64::from(new);
                let opened = side.entry(index).is_some_and(|opened| opened.commitments() == *leaf.commitments());
                if opened {
                    self.report.commitments += 1 + leaf.commitments().values.len() as u64;
                } else {
                    let rest = crate::side::path(leaf.side()).unwrap_or_default();
                    self.report.fail(self.shelf.path(Room::Private, &rest), "its values are not those that the log commits to");
                }
            }
            Ok(None) => self.report.erased += 1,
            Err(error) if new => self.report.note(error)?,
            Err(_) => {}
        }
        Ok(())
    }

    async fn compare_tile(&mut self, view: &View, full: &FullTile) -> Result<(), Error> {
        // A tile that became full after the last bundle was stored is not in the store yet.
        let leaves_end = (full.index + 1).checked_shl(8 * (u32::from(full.level) + 1)).unwrap_or(u64::MAX);
        if leaves_end > view.tail_first() {
            return Ok(());
        }
        match view.hash_tile(self.shelf, full.level, full.index).await {
            Ok(stored) if stored == full.hashes => self.report.tiles += 1,
            Ok(_) => {
                let rest = hash_tile_path(full.level, full.index, TILE_WIDTH);
                self.report.fail(self.shelf.path(Room::Journal, &rest), "its hashes are not those of the entries");
            }
            Err(error) => self.report.note(error)?,
        }
        Ok(())
    }

    fn compare_batches(&mut self, batches: &[Batch], seen: &Seen, view: &View) {
        for batch in batches {
            let head = batch.checkpoint.head;
            let same_root = seen.roots.get(&batch.end()).is_some_and(|root| *root == head.root);
            let same_entries =
                (batch.first..).zip(&batch.entries).all(|(index, entry)| seen.leaf_hashes.get(&index) == Some(&leaf_hash(entry)));
            if same_root && same_entries {
                self.report.checkpoints += 1;
            } else if head.epoch < view.checkpoint.head.epoch && batch.first < view.tail_first() {
                self.report.fenced += 1;
            } else {
                let object = self.shelf.path(Room::Journal, &batch::path(batch.first));
                self.report.fail(object, "it tells another story than the log");
            }
        }
    }

    async fn compare_snapshots(&mut self, sizes: &[u64], seen: &Seen) -> Result<(), Error> {
        for size in sizes {
            let (Some(root), Some(state)) = (seen.roots.get(size), seen.states.get(size)) else { continue };
            let rest = snapshot::path(*size);
            let object = self.shelf.path(Room::State, &rest);
            let decoded = match self.shelf.read(Room::State, &rest).await {
                Ok(bytes) => snapshot::decode(*size, &bytes, &self.journal.core.verifier),
                // Replaced by a newer one meanwhile.
                Err(crate::shelf::Fault::NotFound) => continue,
                Err(fault) => {
                    self.report.note(fault.at("read", object))?;
                    continue;
                }
            };
            match decoded {
                Ok(base) if base.edge.root() == *root && base.state == *state => self.report.snapshots += 1,
                Ok(_) => self.report.fail(object, "it is not what the log leads to"),
                Err(what) => self.report.fail(object, what),
            }
        }
        Ok(())
    }

    /// Every object of the journal must be a batch or a tile that the log has.
    fn compare_names(&mut self, names: &[String], view: &View) {
        for name in names {
            if !expected(name, view.size()) {
                self.report.fail(self.shelf.path(Room::Journal, name), "it belongs to no part of the log");
            }
        }
    }

    /// What no entry names may be what a crash left, but then it opens.
    async fn compare_sides(&mut self, names: &[String], seen: &Seen) -> Result<(), Error> {
        for rest in names {
            let name = rest.rsplit_once('/').map_or("", |(_, name)| name);
            if crate::side::path(name).as_ref() != Some(rest) {
                self.report.fail(self.shelf.path(Room::Private, rest), "it is not the name of a side object");
            } else if !seen.side_names.contains(name) {
                match self.sides.get(self.shelf, name).await {
                    Ok(Some(_)) => self.report.orphans += 1,
                    // The writer removed it meanwhile.
                    Ok(None) => {}
                    Err(error) => self.report.note(error)?,
                }
            }
        }
        Ok(())
    }

    /// What this process believes must be what the store says.
    fn compare_memory(&mut self, seen: &Seen) {
        let memory = self.journal.core.view();
        if let Some(state) = seen.states.get(&memory.size())
            && *state != *memory.state
        {
            self.report.fail("the projection in memory".to_owned(), "it is not what the log leads to");
        }
    }
}

fn expected(name: &str, size: u64) -> bool {
    if let Some(first) = name.strip_prefix("batch/") {
        return batch::parse_name(first).is_some();
    }
    let Some((level, index)) = name.strip_prefix("tile/").and_then(|tile| tile.split_once('/')) else { return false };
    let Some(index) = parse_index(index) else { return false };
    let level = if level == "entries" { Some(0) } else { level.parse::<u8>().ok().filter(|number| number.to_string() == level) };
    // One level more may just have been written by a writer beside us: it is full of entries that were not read yet.
    level.is_some_and(|level| index <= size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0))
}
