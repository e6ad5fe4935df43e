//! Sealed temporary files: for external sorts, indexes and spilling joins. Their key is random and lives in this process
//! alone, so after a crash nothing in them can be read by anyone.

mod file;
mod reader;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use polder_keys::DatasetKey;
use polder_types::{DatasetId, LineageId, Rng};

use crate::backend::Backend;
use crate::error::Error;

pub use file::{TempFile, TempWriter};
pub use reader::TempReader;

/// A quota of sealed temporary files under `tmp/`, or in a directory of this machine beside a bucket. Cheap to clone.
#[derive(Clone)]
pub struct TempSpace(Arc<Space>);

struct Space {
    backend: Backend,
    rng: Arc<dyn Rng>,
    key: DatasetKey,
    lineage: LineageId,
    quota_bytes: u64,
    used_bytes: AtomicU64,
}

impl TempSpace {
    /// A space with a new key, in locked memory. What dead processes left under `tmp/` is left alone: who holds the lease deletes
    /// it ([`Backend::sweep_temporaries`]), so that a look at a store changes nothing in it.
    ///
    /// # Errors
    /// When there is no randomness, or no memory can be locked.
    pub fn new(backend: Backend, rng: Arc<dyn Rng>, quota_bytes: u64) -> Result<Self, Error> {
        let key = DatasetKey::random(rng.as_ref()).map_err(|source| Error::Key { path: "tmp".to_owned(), source })?;
        let lineage = LineageId::random(rng.as_ref())?;
        Ok(Self(Arc::new(Space { backend, rng, key, lineage, quota_bytes, used_bytes: AtomicU64::new(0) })))
    }

    /// A new file, to be written now and read when [`TempWriter::finish`] returned it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(&self) -> Result<TempWriter, Error> {
        self.create_file()?.writer()
    }

    /// A new, empty file: its writer is asked for apart, and what the writer flushed can be read while it goes on writing.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create_file(&self) -> Result<TempFile, Error> {
        let dataset = DatasetId::random(self.0.rng.as_ref())?;
        TempFile::new(Arc::clone(&self.0), self.0.backend.scratch()?, dataset)
    }

    /// Sealed bytes that the files of this space take on the disk.
    pub fn used_bytes(&self) -> u64 {
        self.0.used_bytes.load(Ordering::Acquire)
    }

    /// Sealed bytes that they may take.
    pub fn quota_bytes(&self) -> u64 {
        self.0.quota_bytes
    }
}

impl Space {
    fn take(&self, bytes: u64) -> Result<(), Error> {
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.quota_bytes);
        match self.used_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, more) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Quota { quota_bytes: self.quota_bytes }),
        }
    }

    fn give_back(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

impl fmt::Debug for TempSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempSpace").field("quota_bytes", &self.0.quota_bytes).field("used_bytes", &self.used_bytes()).finish()
    }
}
