//! The directory of ciphertext: the only place that touches the file system for data.

mod directory;
mod new_file;
mod read_file;
mod reserve;
mod survey;
mod vault;

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use polder_types::limit::AUDIT_RESERVE_BYTES;
use polder_types::{Rng, SystemRng};
use rustix::fs::{AtFlags, Mode};

use crate::counters::{Counters, Live};
use crate::error::Error;
use crate::fault::{Faults, NoFaults, Operation};
use crate::layout::{KEYRING, LEASE, TMP};

pub(crate) use new_file::NewFile;
pub(crate) use read_file::{Identity, ReadFile, Stat, read_at};
pub(crate) use survey::Entry;
pub use survey::PhysicalFile;

/// What differs from the program's usual backend: tests and small stores.
#[derive(Debug, Clone)]
pub struct Options {
    /// Faults to inject.
    pub faults: Arc<dyn Faults>,
    /// Size of the reserve that [`Backend::create`] makes and [`Backend::restore_reserve`] restores.
    pub reserve_bytes: u64,
    /// Where the names of files under `tmp/` come from.
    pub rng: Arc<dyn Rng>,
}

impl Default for Options {
    fn default() -> Self {
        Self { faults: Arc::new(NoFaults), reserve_bytes: AUDIT_RESERVE_BYTES, rng: Arc::new(SystemRng) }
    }
}

/// A store's directory. Cheap to clone. All that it is given is ciphertext already, but for the lease's process number.
///
/// Its functions block; [`crate::SealedStore`] calls them from blocking tasks.
#[derive(Debug, Clone)]
pub struct Backend(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    root: OwnedFd,
    tmp: OwnedFd,
    options: Options,
    counters: Live,
    /// Directories whose name was made durable by this process.
    durable: Mutex<HashSet<String>>,
    reserve: Mutex<()>,
}

impl Backend {
    /// Makes a store in a directory that does not exist or is empty, its reserve included.
    ///
    /// # Errors
    /// When something lies there, or the disk refuses or has no room.
    pub fn create(dir: &Path) -> Result<Self, Error> {
        Self::create_with(dir, Options::default())
    }

    /// [`Backend::create`] with options.
    ///
    /// # Errors
    /// As [`Backend::create`].
    pub fn create_with(dir: &Path, options: Options) -> Result<Self, Error> {
        let failed = |source| Error::Directory { step: "create", dir: dir.to_owned(), source };
        match std::fs::read_dir(dir) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(Error::NotEmpty { dir: dir.to_owned() });
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if let Some(parent) = dir.parent() {
                    std::fs::create_dir_all(parent).map_err(failed)?;
                }
                rustix::fs::mkdir(dir, Mode::RWXU).map_err(|errno| failed(errno.into()))?;
            }
            Err(error) => return Err(failed(error)),
        }
        rustix::fs::chmod(dir, Mode::RWXU).map_err(|errno| failed(errno.into()))?;
        let root = directory::open_root(dir).map_err(failed)?;
        for name in [KEYRING, LEASE, TMP] {
            directory::make(root.as_fd(), name).map_err(|errno| failed(errno.into()))?;
        }
        rustix::fs::fsync(&root).map_err(|errno| failed(errno.into()))?;
        if let Some(parent) = dir.canonicalize().map_err(failed)?.parent() {
            let parent = directory::open_root(parent).map_err(failed)?;
            rustix::fs::fsync(&parent).map_err(|errno| failed(errno.into()))?;
        }
        let backend = Self::open_with(dir, options)?;
        backend.restore_reserve()?;
        Ok(backend)
    }

    /// Opens a store.
    ///
    /// # Errors
    /// When there is none, or others may read or change its directory.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::open_with(dir, Options::default())
    }

    /// Opens a store whose operations can fail.
    ///
    /// # Errors
    /// As [`Backend::open`].
    pub fn with_faults(dir: &Path, faults: Arc<dyn Faults>) -> Result<Self, Error> {
        Self::open_with(dir, Options { faults, ..Options::default() })
    }

    /// [`Backend::open`] with options.
    ///
    /// # Errors
    /// As [`Backend::open`].
    pub fn open_with(dir: &Path, options: Options) -> Result<Self, Error> {
        let none = || Error::NoStore { dir: dir.to_owned() };
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => none(),
            _ => Error::Directory { step: "open", dir: dir.to_owned(), source },
        };
        let dir = dir.canonicalize().map_err(failed)?;
        let mode = std::fs::metadata(&dir).map_err(failed)?.mode() & 0o7777;
        let root = directory::open_root(&dir).map_err(failed)?;
        for name in [KEYRING, LEASE] {
            directory::open(root.as_fd(), name).map_err(|errno| match errno {
                rustix::io::Errno::NOENT => none(),
                errno => Error::errno("open", name, errno),
            })?;
        }
        if mode & 0o077 != 0 {
            return Err(Error::Mode { dir, mode });
        }
        let tmp = directory::make(root.as_fd(), TMP).map_err(|errno| Error::errno("open", TMP, errno))?;
        let durable = Mutex::new(HashSet::new());
        Ok(Self(Arc::new(Inner { dir, root, tmp, options, counters: Live::default(), durable, reserve: Mutex::new(()) })))
    }

    /// The store's directory.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// What was asked of the disk since this backend was opened.
    pub fn counters(&self) -> Counters {
        self.0.counters.snapshot()
    }

    pub(crate) fn live(&self) -> &Live {
        &self.0.counters
    }

    fn root(&self) -> BorrowedFd<'_> {
        self.0.root.as_fd()
    }

    fn tmp(&self) -> BorrowedFd<'_> {
        self.0.tmp.as_fd()
    }

    fn rng(&self) -> &dyn Rng {
        self.0.options.rng.as_ref()
    }

    /// The step's text, and the fault that a test planted there.
    fn step(&self, operation: Operation, path: &str) -> Result<(), Error> {
        self.0.options.faults.before(operation, path).map_err(|source| Error::io(step_text(operation), path, source))
    }

    /// Removes an object. The name is gone for good once [`Backend::sync_parent`] returned.
    pub(crate) fn delete(&self, path: &str) -> Result<(), Error> {
        Live::add(&self.0.counters.deletes, 1);
        self.step(Operation::Delete, path)?;
        let (parent, leaf) = self.parent(path, false)?;
        let parent = parent.as_ref().map_or(self.root(), AsFd::as_fd);
        rustix::fs::unlinkat(parent, leaf, AtFlags::empty()).map_err(|errno| Error::errno("delete", path, errno))
    }

    /// Makes the entries of an object's directory durable.
    pub(crate) fn sync_parent(&self, path: &str) -> Result<(), Error> {
        let (parent, _) = self.parent(path, false)?;
        self.sync_directory(parent.as_ref().map_or(self.root(), AsFd::as_fd), path)
    }

    fn sync_directory(&self, directory: BorrowedFd<'_>, path: &str) -> Result<(), Error> {
        self.step(Operation::SyncDirectory, path)?;
        rustix::fs::fsync(directory).map_err(|errno| Error::errno("make durable the directory of", path, errno))
    }
}

fn step_text(operation: Operation) -> &'static str {
    match operation {
        Operation::NewFile => "create",
        Operation::Write => "write",
        Operation::SyncFile => "make durable",
        Operation::MakeDirectory => "make the directory of",
        Operation::SyncDirectory => "make durable the directory of",
        Operation::Link => "name",
        Operation::Replace => "replace",
        Operation::Unlink => "remove the temporary name of",
        Operation::Delete => "delete",
        Operation::Open => "open",
        Operation::Read => "read",
        Operation::List => "list",
        Operation::Reserve => "change the size of",
    }
}
