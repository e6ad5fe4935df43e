//! From the store to a view: a snapshot where one verifies, then the entries after it, up to the newest signed checkpoint.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use crate::batch::{self, BATCHES, Batch};
use crate::error::Error;
use crate::merkle::{leaf_hash, verify_consistency};
use crate::note::{Checkpoint, Verifier};
use crate::shelf::{Fault, Room, Shelf, list, read};
use crate::snapshot::{self, Base};
use crate::tile::{BUNDLES, TILE_LEAVES, TILE_WIDTH, bundle_path, parse_index};
use crate::view::{Parsed, View, read_bundle};

/// How often a reader begins anew because the writer moved objects under it.
const ATTEMPTS_MAX: usize = 64;
/// Bundles that are read at the same time.
const PARALLEL: usize = 8;

/// How the log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Entries in the log.
    pub size: u64,
    /// Entries that were replayed into the projection.
    pub replayed: u64,
    /// The size of the snapshot that was used.
    pub snapshot: Option<u64>,
    /// Snapshots that did not verify, and why. The projection was rebuilt from the log without them.
    pub refused: Vec<(String, String)>,
}

pub(crate) struct Loaded {
    pub(crate) view: View,
    pub(crate) opened: Opened,
    /// All batches that are in the store, with their first index.
    pub(crate) batches: Vec<u64>,
}

/// What the log must at least hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Floor {
    pub(crate) anchor: Option<Checkpoint>,
}

/// Whether an object was there when it was listed and is gone now: a writer has moved on.
fn moved(error: &Error) -> bool {
    matches!(error, Error::Corrupt { what: "it is missing", .. } | Error::RolledBack { .. })
}

/// Loads the log from its snapshot, or onward from `base`.
pub(crate) async fn load(shelf: &dyn Shelf, verifier: &Verifier, floor: &Floor, base: Option<Base>) -> Result<Loaded, Error> {
    let mut last = None;
    for _ in 0..ATTEMPTS_MAX {
        // The same error twice over the same objects is the store's state and no movement.
        let seen = list(shelf, Room::Journal, BATCHES).await?;
        match attempt(shelf, verifier, floor, base.clone(), &seen).await {
            Err(error) if moved(&error) => {
                if list(shelf, Room::Journal, BATCHES).await? == seen {
                    return Err(error);
                }
                last = Some(error);
            }
            loaded => return loaded,
        }
    }
    Err(last.map_or(Error::Moved, |_| Error::Moved))
}

async fn attempt(shelf: &dyn Shelf, verifier: &Verifier, floor: &Floor, base: Option<Base>, names: &[String]) -> Result<Loaded, Error> {
    let mut refused = Vec::new();
    let from_snapshot = base.is_none();
    let base = match base {
        Some(base) => base,
        None => newest_snapshot(shelf, verifier, &mut refused).await?,
    };
    let batches = firsts(shelf, names)?;
    let known = floor.anchor.as_ref().map_or(0, |anchor| anchor.head.size);
    let Some(newest) = batches.last() else {
        return Err(nothing(shelf, known, &base).await?);
    };
    let newest = read_batch(shelf, verifier, *newest).await?;
    let size = newest.end();
    if known > size {
        return Err(Error::RolledBack { size, known, evidence: "the anchor".to_owned() });
    }
    if base.edge.size() > size {
        let evidence = shelf.path(Room::State, &snapshot::path(base.edge.size()));
        return Err(Error::RolledBack { size, known: base.edge.size(), evidence });
    }
    let bundles = bundle_count(shelf).await?;
    if bundles.saturating_mul(TILE_LEAVES) > size {
        let evidence = shelf.path(Room::Journal, &bundle_path(bundles.saturating_sub(1), TILE_WIDTH));
        return Err(Error::RolledBack { size, known: bundles * TILE_LEAVES, evidence });
    }
    let start = base.edge.size();
    let replay = Replay { shelf, verifier, start, stored: bundles };
    let view = replay.run(base, &batches, newest).await?;
    check_anchor(shelf, &view, floor).await?;
    check_keyring(shelf, &view).await?;
    let opened = Opened { size, replayed: size - start, snapshot: (from_snapshot && start > 0).then_some(start), refused };
    Ok(Loaded { view, opened, batches })
}

/// Why a store without batches has no log: it never had one, or it was taken away.
async fn nothing(shelf: &dyn Shelf, known: u64, base: &Base) -> Result<Error, Error> {
    if known > 0 {
        return Ok(Error::RolledBack { size: 0, known, evidence: "the anchor".to_owned() });
    }
    if base.edge.size() > 0 {
        let evidence = shelf.path(Room::State, &snapshot::path(base.edge.size()));
        return Ok(Error::RolledBack { size: 0, known: base.edge.size(), evidence });
    }
    if let Some(name) = list(shelf, Room::Journal, "tile").await?.first() {
        return Ok(Error::RolledBack { size: 0, known: 1, evidence: shelf.path(Room::Journal, &format!("tile/{name}")) });
    }
    Ok(Error::NotCreated)
}

async fn newest_snapshot(shelf: &dyn Shelf, verifier: &Verifier, refused: &mut Vec<(String, String)>) -> Result<Base, Error> {
    for size in snapshot::sizes(shelf).await?.into_iter().rev() {
        let rest = snapshot::path(size);
        let problem = match shelf.read(Room::State, &rest).await {
            Ok(bytes) => match snapshot::decode(size, &bytes, verifier) {
                Ok(base) => return Ok(base),
                Err(what) => what.to_owned(),
            },
            // A writer replaced it by a newer one; without any, the log is replayed.
            Err(Fault::NotFound) => continue,
            Err(Fault::Corrupt(cause)) => cause.to_string(),
            Err(fault) => return Err(fault.at("read", shelf.path(Room::State, &rest))),
        };
        tracing::warn!(object = shelf.path(Room::State, &rest), problem, "a snapshot does not verify; the log is replayed without it");
        refused.push((shelf.path(Room::State, &rest), problem));
    }
    Ok(Base::nothing())
}

/// The first indexes of all batches, ascending.
pub(crate) fn firsts(shelf: &dyn Shelf, names: &[String]) -> Result<Vec<u64>, Error> {
    let first = |name: &String| {
        batch::parse_name(name)
            .ok_or_else(|| Error::corrupt(shelf.path(Room::Journal, &format!("{BATCHES}/{name}")), "it is not the name of a batch"))
    };
    names.iter().map(first).collect()
}

/// How many full bundles there are; a gap is an error.
pub(crate) async fn bundle_count(shelf: &dyn Shelf) -> Result<u64, Error> {
    let mut indexes = Vec::new();
    for name in list(shelf, Room::Journal, BUNDLES).await? {
        let object = || shelf.path(Room::Journal, &format!("{BUNDLES}/{name}"));
        indexes.push(parse_index(&name).ok_or_else(|| Error::corrupt(object(), "it is not the name of a bundle"))?);
    }
    indexes.sort_unstable();
    for (want, index) in (0..).zip(&indexes) {
        if want != *index {
            let rest = bundle_path(want, TILE_WIDTH);
            return Err(Fault::NotFound.at("read", shelf.path(Room::Journal, &rest)));
        }
    }
    Ok(indexes.len() as u64)
}

pub(crate) async fn read_batch(shelf: &dyn Shelf, verifier: &Verifier, first: u64) -> Result<Batch, Error> {
    let rest = batch::path(first);
    let bytes = read(shelf, Room::Journal, &rest).await?;
    Batch::decode(first, &bytes, verifier).map_err(|what| Error::corrupt(shelf.path(Room::Journal, &rest), what))
}

struct Replay<'a> {
    shelf: &'a dyn Shelf,
    verifier: &'a Verifier,
    /// Where replaying begins.
    start: u64,
    /// Full bundles.
    stored: u64,
}

impl Replay<'_> {
    async fn run(&self, base: Base, batches: &[u64], newest: Batch) -> Result<View, Error> {
        let Base { checkpoint, edge, state } = base;
        // Entries below the first that no bundle holds must not be the snapshot's: it was taken after they were stored.
        if self.stored < self.start / TILE_LEAVES {
            return Err(Fault::NotFound.at("read", self.shelf.path(Room::Journal, &bundle_path(self.stored, TILE_WIDTH))));
        }
        let newest_checkpoint = newest.checkpoint.clone();
        let mut before = checkpoint.map(|checkpoint| checkpoint.head);
        let mut view = View::empty(newest_checkpoint.clone());
        view.edge = Arc::new(edge);
        view.state = Arc::new(state);
        self.bundles(&mut view).await?;
        view.stored = self.stored;
        view.tail = Arc::default();
        view.pending = Arc::default();
        for batch in self.chain(batches, newest).await? {
            let object = || self.shelf.path(Room::Journal, &batch::path(batch.first));
            let head = batch.checkpoint.head;
            for (index, entry) in (batch.first..).zip(&batch.entries) {
                if index < view.tail_first() {
                    continue;
                }
                if index < view.size() {
                    // Known from the snapshot; the bytes are needed for the tile that they will be part of.
                    self.check_known(&view, index, entry)
                        .ok_or_else(|| Error::corrupt(object(), "an entry is not the one of the snapshot"))?;
                    Arc::make_mut(&mut view.tail).push(entry.clone());
                    continue;
                }
                view.push(Parsed::new(entry.clone()).map_err(|what| Error::corrupt(object(), what))?);
            }
            if view.size() == head.size && view.edge.root() != head.root {
                return Err(Error::corrupt(object(), "its signed root is not that of the entries"));
            }
            if before.is_some_and(|before| before.size <= head.size && (before.epoch > head.epoch || before.keyring > head.keyring)) {
                return Err(Error::corrupt(object(), "its epoch or keyring version goes back"));
            }
            before = Some(head);
        }
        let head = newest_checkpoint.head;
        if view.size() != head.size || view.edge.root() != head.root {
            return Err(Error::corrupt(self.shelf.path(Room::Journal, BATCHES), "the entries do not lead to the newest signed root"));
        }
        Ok(view)
    }

    /// An entry below the start, against the leaf hashes that the snapshot has of the tile at its edge.
    fn check_known(&self, view: &View, index: u64, entry: &Bytes) -> Option<()> {
        let tile = view.edge.tile(0, index / TILE_LEAVES);
        match tile {
            Some(tile) => {
                let position = usize::try_from(index % TILE_LEAVES).ok()?;
                (*tile.get(position)? == leaf_hash(entry)).then_some(())
            }
            // The tile became full after the snapshot: its hashes are in the pending tile.
            None => {
                let pending = view.pending.iter().find(|tile| tile.level == 0 && tile.index == index / TILE_LEAVES)?;
                let position = usize::try_from(index % TILE_LEAVES).ok()?;
                (*pending.hashes.get(position)? == leaf_hash(entry)).then_some(())
            }
        }
    }

    /// Replays what the bundles hold from the start on.
    async fn bundles(&self, view: &mut View) -> Result<(), Error> {
        let indexes = (self.start / TILE_LEAVES)..self.stored;
        let mut read = stream::iter(indexes)
            .map(|index| async move { read_bundle(self.shelf, index).await.map(|entries| (index, entries)) })
            .buffered(PARALLEL);
        while let Some((tile, entries)) = read.try_next().await? {
            let object = || self.shelf.path(Room::Journal, &bundle_path(tile, TILE_WIDTH));
            for (index, entry) in (tile * TILE_LEAVES..).zip(entries) {
                if index < self.start {
                    self.check_known(view, index, &entry)
                        .ok_or_else(|| Error::corrupt(object(), "an entry is not the one of the snapshot"))?;
                    continue;
                }
                view.push(Parsed::new(entry).map_err(|what| Error::corrupt(object(), what))?);
            }
            // The tail is for what no bundle holds.
            Arc::make_mut(&mut view.tail).clear();
            Arc::make_mut(&mut view.pending).clear();
        }
        Ok(())
    }

    /// The batches that hold what the bundles do not, each beginning where the one before ends. The newest is always among them.
    async fn chain(&self, batches: &[u64], newest: Batch) -> Result<Vec<Batch>, Error> {
        let from = self.stored * TILE_LEAVES;
        let first = batches.iter().rposition(|first| *first <= from).unwrap_or(0);
        let mut chain: Vec<Batch> = Vec::new();
        let newest = &newest;
        let mut read = stream::iter(batches.iter().skip(first).copied())
            .map(|first| async move {
                if first == newest.first { Ok(newest.clone()) } else { read_batch(self.shelf, self.verifier, first).await }
            })
            .buffered(PARALLEL);
        while let Some(batch) = read.try_next().await? {
            let missing = match chain.last() {
                None => (batch.first > from).then_some(from),
                Some(before) => (batch.first != before.end()).then(|| before.end()),
            };
            if let Some(missing) = missing {
                return Err(Fault::NotFound.at("read", self.shelf.path(Room::Journal, &batch::path(missing))));
            }
            chain.push(batch);
        }
        Ok(chain)
    }
}

/// The anchor's checkpoint must be a beginning of the log.
async fn check_anchor(shelf: &dyn Shelf, view: &View, floor: &Floor) -> Result<(), Error> {
    let Some(anchor) = &floor.anchor else { return Ok(()) };
    if is_beginning(shelf, view, anchor).await? { Ok(()) } else { Err(Error::Forked { size: anchor.head.size }) }
}

/// Whether a checkpoint is a beginning of the log, by a consistency proof against the newest root.
pub(crate) async fn is_beginning(shelf: &dyn Shelf, view: &View, old: &Checkpoint) -> Result<bool, Error> {
    let plan = crate::merkle::consistency_plan(old.head.size, view.size());
    let proof = view.spans(shelf, &plan).await?;
    Ok(verify_consistency(old.head.size, old.head.root, view.size(), view.edge.root(), &proof))
}

async fn check_keyring(shelf: &dyn Shelf, view: &View) -> Result<(), Error> {
    let known = view.checkpoint.head.keyring.max(view.state.keyring_version);
    let found = shelf.newest_keyring().await.map_err(|fault| fault.at("list", "keyring".to_owned()))?;
    if found < known { Err(Error::KeyringRolledBack { found, known }) } else { Ok(()) }
}
