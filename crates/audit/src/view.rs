//! The log as one moment saw it: what appending, proofs and readers start from. Cheap to clone.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use bytes::Bytes;
use polder_types::event::EventKind;

use crate::error::Error;
use crate::leaf::Leaf;
use crate::merkle::{Hash, Span, cover, empty_root, fold_cover, leaf_hash};
use crate::note::Checkpoint;
use crate::shelf::{Room, Shelf, read};
use crate::state::State;
use crate::tile::{Edge, FullTile, Place, TILE_LEAVES, TILE_WIDTH, bundle_path, decode_bundle, decode_hashes, hash_tile_path};

#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) checkpoint: Arc<Checkpoint>,
    pub(crate) edge: Arc<Edge>,
    pub(crate) state: Arc<State>,
    /// Full entry bundles in the store. Entries from here on are in `tail`.
    pub(crate) stored: u64,
    pub(crate) tail: Arc<Vec<Bytes>>,
    /// Full hash tiles that are not in the store yet.
    pub(crate) pending: Arc<Vec<FullTile>>,
}

/// An entry with what the projection needs of it.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    pub(crate) entry: Bytes,
    pub(crate) time: i64,
    pub(crate) event: EventKind,
}

impl Parsed {
    pub(crate) fn new(entry: Bytes) -> Result<Self, &'static str> {
        let leaf = Leaf::parse(&entry)?;
        Ok(Self { time: leaf.time, event: leaf.event().clone(), entry })
    }
}

impl View {
    pub(crate) fn empty(checkpoint: Checkpoint) -> Self {
        Self {
            checkpoint: Arc::new(checkpoint),
            edge: Arc::default(),
            state: Arc::default(),
            stored: 0,
            tail: Arc::default(),
            pending: Arc::default(),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The first entry of the tail.
    pub(crate) fn tail_first(&self) -> u64 {
        self.stored * TILE_LEAVES
    }

    /// Takes the next entry; the checkpoint follows with the group's last.
    pub(crate) fn push(&mut self, parsed: Parsed) {
        Arc::make_mut(&mut self.state).apply(self.edge.size(), parsed.time, &parsed.event);
        self.push_entry(parsed.entry);
    }

    /// As [`Self::push`] without the projection, which is dear to copy while someone else holds it.
    pub(crate) fn push_entry(&mut self, entry: Bytes) {
        let full = Arc::make_mut(&mut self.edge).push(leaf_hash(&entry));
        Arc::make_mut(&mut self.tail).push(entry);
        if !full.is_empty() {
            Arc::make_mut(&mut self.pending).extend(full);
        }
    }

    /// Forgets what the store now has in tiles.
    pub(crate) fn stored_up_to(&mut self, bundles: u64) {
        let gone = usize::try_from(bundles.saturating_sub(self.stored).saturating_mul(TILE_LEAVES)).unwrap_or(usize::MAX);
        let tail = Arc::make_mut(&mut self.tail);
        tail.drain(..gone.min(tail.len()));
        self.stored = self.stored.max(bundles);
    }

    /// Entries of one bundle (full or at the edge) from the store or the tail.
    pub(crate) async fn bundle(&self, shelf: &dyn Shelf, index: u64) -> Result<Vec<Bytes>, Error> {
        if index >= self.stored {
            let skip = usize::try_from((index - self.stored).saturating_mul(TILE_LEAVES)).unwrap_or(usize::MAX);
            return Ok(self.tail.iter().skip(skip).take(TILE_WIDTH).cloned().collect());
        }
        read_bundle(shelf, index).await
    }

    /// The hashes of some spans, from the edge and the stored tiles. What comes out is only as good as the tiles: compare with a
    /// signed root.
    pub(crate) async fn spans(&self, shelf: &dyn Shelf, spans: &[Span]) -> Result<Vec<Hash>, Error> {
        let mut tiles: HashMap<(u8, u64), Vec<Hash>> = HashMap::new();
        let mut out = Vec::with_capacity(spans.len());
        for span in spans {
            let mut hashes = Vec::new();
            for node in cover(*span) {
                let hash = if let Some(hash) = self.edge.node(node) {
                    Some(hash)
                } else {
                    let place = Place::of(node);
                    let tile = match tiles.entry((place.level, place.index)) {
                        Slot::Occupied(slot) => slot.into_mut(),
                        Slot::Vacant(slot) => slot.insert(self.hash_tile(shelf, place.level, place.index).await?),
                    };
                    place.hash(tile)
                };
                hashes.push(hash.ok_or(Error::OutOfRange { index: span.end, size: self.size() })?);
            }
            out.push(fold_cover(&hashes).unwrap_or_else(empty_root));
        }
        Ok(out)
    }

    /// A full hash tile.
    pub(crate) async fn hash_tile(&self, shelf: &dyn Shelf, level: u8, index: u64) -> Result<Vec<Hash>, Error> {
        if let Some(tile) = self.pending.iter().find(|tile| tile.level == level && tile.index == index) {
            return Ok(tile.hashes.clone());
        }
        let rest = hash_tile_path(level, index, TILE_WIDTH);
        let bytes = read(shelf, Room::Journal, &rest).await?;
        let hashes = decode_hashes(&bytes).filter(|hashes| hashes.len() == TILE_WIDTH);
        hashes.ok_or_else(|| Error::corrupt(shelf.path(Room::Journal, &rest), "it is not a tile of 256 hashes"))
    }
}

/// A full entry bundle from the store.
pub(crate) async fn read_bundle(shelf: &dyn Shelf, index: u64) -> Result<Vec<Bytes>, Error> {
    let rest = bundle_path(index, TILE_WIDTH);
    let bytes = read(shelf, Room::Journal, &rest).await?;
    let entries = decode_bundle(&bytes).filter(|entries| entries.len() == TILE_WIDTH);
    entries.ok_or_else(|| Error::corrupt(shelf.path(Room::Journal, &rest), "it is not a bundle of 256 entries"))
}
