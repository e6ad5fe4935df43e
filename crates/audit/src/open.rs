//! Opening a journal on the sealed store.

use std::sync::Arc;

use polder_store::SealedStore;
use polder_types::{Clock, Rng};

use crate::anchor::Anchor;
use crate::error::Error;
use crate::journal::Journal;
use crate::note::Signer;
use crate::shelf::sealed::SealedShelf;

impl Journal {
    /// Begins a log in a store that has none. Nothing is stored before the first event.
    ///
    /// # Errors
    /// When the store has a log or traces of one, the anchor holds a checkpoint, or the keyring lacks a dataset
    /// (`system:journal`, `system:private`, `system:state`).
    pub async fn create(
        store: SealedStore,
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        anchor: Option<Anchor>,
    ) -> Result<Arc<Self>, Error> {
        Self::create_on(Arc::new(SealedShelf::new(store)?), signer, clock, rng, anchor).await
    }

    /// Opens a log as its writer: verifies the tree against the newest signed checkpoint, the anchor and the keyring's version,
    /// and replays what the newest snapshot does not hold into the projection. The caller holds the store's lease, and tells its
    /// epoch with [`Journal::set_epoch`].
    ///
    /// # Errors
    /// When there is no log, something of it is missing or changed, or it was rolled back.
    pub async fn open(
        store: SealedStore,
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        anchor: Option<Anchor>,
    ) -> Result<Arc<Self>, Error> {
        Self::open_on(Arc::new(SealedShelf::new(store)?), signer, clock, rng, anchor).await
    }

    /// Opens a log for reading, beside its writer and other readers.
    ///
    /// # Errors
    /// As [`Journal::open`]; a missing anchor file is made by the writer only.
    pub async fn open_read_only(
        store: SealedStore,
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        anchor: Option<Anchor>,
    ) -> Result<Arc<Self>, Error> {
        Self::open_read_only_on(Arc::new(SealedShelf::new(store)?), signer.as_ref(), clock, rng, anchor).await
    }
}
