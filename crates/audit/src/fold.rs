//! Full tiles in place of the batches that hold the same, and now and then a snapshot: of one moment of the log, while it goes on. Nothing
//! that is done here, half of it, or nothing, loses an entry.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;

use crate::batch;
use crate::error::Error;
use crate::shelf::{Room, Shelf, create_same};
use crate::snapshot;
use crate::tile::{TILE_LEAVES, TILE_WIDTH, bundle_path, encode_bundle, encode_hashes, hash_tile_path};
use crate::view::View;

/// What is to be done.
pub(crate) struct Fold {
    shelf: Arc<dyn Shelf>,
    view: View,
    /// First entries of the batches that tiles hold, or will hold when this is done.
    covered: Vec<u64>,
    snapshot: bool,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Folded {
    bundles: u64,
    hash_tiles: usize,
    /// First entries of the batches that are gone.
    gone: Vec<u64>,
    snapshot_size: u64,
}

impl Fold {
    /// Of the log as it is. `batches` are the first and the end of each that the store has.
    pub(crate) fn new(shelf: Arc<dyn Shelf>, mut view: View, batches: &[(u64, u64)], snapshot: bool) -> Self {
        let tiled = view.size() / TILE_LEAVES * TILE_LEAVES;
        // The newest batch stays in any case: it holds the newest checkpoint.
        let covered = batches.iter().filter(|(_, end)| *end <= tiled && *end < view.size()).map(|(first, _)| *first).collect();
        if !snapshot {
            // The next group would have to copy it while it is held here.
            view.state = Arc::default();
        }
        Self { shelf, view, covered, snapshot }
    }

    pub(crate) fn has_work(&self) -> bool {
        self.snapshot || !self.covered.is_empty() || self.view.stored < self.view.size() / TILE_LEAVES
    }

    /// Writes full tiles: hashes first, then entries, and only then are the batches removed that hold the same.
    pub(crate) async fn run(mut self) -> Result<Folded, Error> {
        let bundles = self.view.size() / TILE_LEAVES;
        let hash_tiles = self.view.pending.len();
        if self.view.stored < bundles {
            self.write_tiles(bundles).await?;
        }
        let shelf = self.shelf.as_ref();
        if !self.covered.is_empty() {
            let gone = self.covered.iter().map(|first| batch::path(*first)).collect();
            shelf.delete(Room::Journal, gone).await.map_err(|fault| fault.at("remove", shelf.path(Room::Journal, batch::BATCHES)))?;
        }
        let mut folded = Folded { bundles, hash_tiles, gone: self.covered, snapshot_size: 0 };
        if self.snapshot {
            folded.forget_in(&mut self.view);
            snapshot::write(shelf, &self.view).await?;
            folded.snapshot_size = self.view.size();
        }
        Ok(folded)
    }

    async fn write_tiles(&self, bundles: u64) -> Result<(), Error> {
        let (shelf, view) = (self.shelf.as_ref(), &self.view);
        try_join_all(view.pending.iter().map(|tile| async move {
            let rest = hash_tile_path(tile.level, tile.index, TILE_WIDTH);
            create_same(shelf, Room::Journal, &rest, Bytes::from(encode_hashes(&tile.hashes))).await
        }))
        .await?;
        // In order, because a gap among the bundles is an error to whoever opens the log.
        for (index, entries) in (view.stored..bundles).zip(view.tail.chunks(TILE_WIDTH)) {
            let rest = bundle_path(index, TILE_WIDTH);
            let bundle = encode_bundle(entries).ok_or_else(|| Error::corrupt(shelf.path(Room::Journal, &rest), "an entry is too long"))?;
            create_same(shelf, Room::Journal, &rest, Bytes::from(bundle)).await?;
        }
        Ok(())
    }
}

impl Folded {
    /// Forgets what the store has in tiles now, of the log as it was then or is by now: what came since stays.
    pub(crate) fn forget_in(&self, view: &mut View) {
        if view.stored < self.bundles {
            view.stored_up_to(self.bundles);
            let pending = Arc::make_mut(&mut view.pending);
            pending.drain(..self.hash_tiles.min(pending.len()));
        }
    }

    pub(crate) fn removed(&self, first: u64) -> bool {
        self.gone.binary_search(&first).is_ok()
    }

    /// Entries of the log of which a snapshot was written, or 0.
    pub(crate) fn snapshot_size(&self) -> u64 {
        self.snapshot_size
    }
}
