//! A real store over a directory of its own, under a real keyring.

use std::sync::Arc;

use object_store::path::Path;
use polder_keys::{Keys, LocalCustody};
use polder_types::{Clock, DatasetId, LineageId, Rng, SystemClock, SystemRng};
use tempfile::TempDir;

use crate::{Area, Backend, Faults, Options, SealedStore};

/// Small, so that a test does not wait for the disk.
pub(super) const RESERVE_BYTES: u64 = 1 << 20;

pub(super) struct Fixture {
    pub(super) dir: TempDir,
    pub(super) keys: Keys,
    pub(super) store: SealedStore,
    pub(super) table: DatasetId,
}

pub(super) fn rng() -> Arc<dyn Rng> {
    Arc::new(SystemRng)
}

pub(super) fn options() -> Options {
    Options { reserve_bytes: RESERVE_BYTES, ..Options::default() }
}

pub(super) fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) ^ (i >> 8)) as u8).collect()
}

impl Fixture {
    pub(super) async fn new() -> Self {
        Self::new_in(TempDir::new().unwrap()).await
    }

    pub(super) async fn new_in(dir: TempDir) -> Self {
        Self::with_clock(dir, Arc::new(SystemClock)).await
    }

    pub(super) async fn with_clock(dir: TempDir, clock: Arc<dyn Clock>) -> Self {
        let backend = Backend::create_with(&dir.path().join("store"), options()).unwrap();
        let custody = Arc::new(LocalCustody::create_key_file(&dir.path().join("key"), rng()).unwrap());
        let lineage = LineageId::random(&SystemRng).unwrap();
        let keys = Keys::create(lineage, custody, Arc::new(backend.clone()), clock, rng()).await.unwrap();
        let table = keys.add_dataset("table:flights").await.unwrap();
        let store = SealedStore::new(backend, keys.clone(), rng());
        Self { dir, keys, store, table }
    }

    pub(super) fn path(&self, rest: &str) -> Path {
        SealedStore::path(Area::Tables, self.table, rest)
    }

    pub(super) fn store_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("store")
    }

    pub(super) fn file(&self, path: &Path) -> std::path::PathBuf {
        self.store_dir().join(path.as_ref())
    }

    /// The same directory and keys, as another process would open them, with faults.
    pub(super) fn with_faults(&self, faults: Arc<dyn Faults>) -> SealedStore {
        let backend = Backend::open_with(&self.store_dir(), Options { faults, ..options() }).unwrap();
        SealedStore::new(backend, self.keys.clone(), rng())
    }
}
