//! The directory of ciphertext: the only place that touches the file system for data.

mod new_file;
mod read_file;
mod reserve;
mod survey;
mod walk;

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use polder_types::Rng;
use rustix::fs::{AtFlags, Mode};

use super::Options;
use crate::counters::Live;
use crate::error::Error;
use crate::fault::Operation;
use crate::layout::{KEYRING, LEASE, TMP};

pub(crate) use new_file::NewFile;
pub(crate) use read_file::{ReadFile, read_at};

/// A store's directory, or the part of one that sealed temporary files need beside a bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    root: OwnedFd,
    tmp: OwnedFd,
    options: Options,
    counters: Arc<Live>,
    /// Directories whose name was made durable by this process.
    durable: Mutex<HashSet<String>>,
    reserve: Mutex<()>,
}

impl Directory {
    /// Makes a store in a directory that does not exist or is empty, its reserve included.
    ///
    /// # Errors
    /// When something lies there, or the disk refuses or has no room.
    pub(super) fn create(dir: &Path, options: Options) -> Result<Self, Error> {
        let failed = |source| Error::Directory { step: "create", dir: dir.to_owned(), source };
        match std::fs::read_dir(dir) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(Error::NotEmpty { dir: dir.to_owned() });
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_private(dir).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        }
        rustix::fs::chmod(dir, Mode::RWXU).map_err(|errno| failed(errno.into()))?;
        let root = walk::open_root(dir).map_err(failed)?;
        for name in [KEYRING, LEASE, TMP] {
            walk::make(root.as_fd(), name).map_err(|errno| failed(errno.into()))?;
        }
        rustix::fs::fsync(&root).map_err(|errno| failed(errno.into()))?;
        if let Some(parent) = dir.canonicalize().map_err(failed)?.parent() {
            let parent = walk::open_root(parent).map_err(failed)?;
            rustix::fs::fsync(&parent).map_err(|errno| failed(errno.into()))?;
        }
        let directory = Self::open(dir, options)?;
        directory.restore_reserve()?;
        Ok(directory)
    }

    /// Opens a store.
    ///
    /// # Errors
    /// When there is none, or others may read or change its directory.
    pub(super) fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        let none = || Error::NoStore { dir: dir.to_owned() };
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => none(),
            _ => Error::Directory { step: "open", dir: dir.to_owned(), source },
        };
        let dir = dir.canonicalize().map_err(failed)?;
        let root = walk::open_root(&dir).map_err(failed)?;
        for name in [KEYRING, LEASE] {
            walk::open(root.as_fd(), name).map_err(|errno| match errno {
                rustix::io::Errno::NOENT => none(),
                errno => Error::errno("open", name, errno),
            })?;
        }
        let mode = std::fs::metadata(&dir).map_err(failed)?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(Error::Mode { dir, mode });
        }
        Self::over(dir, root, options, Arc::default())
    }

    /// The directory beside a bucket, where sealed temporary files lie; made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or others may read or change it.
    pub(super) fn scratch(dir: &Path, options: Options, counters: Arc<Live>) -> Result<Self, Error> {
        let failed = |source| Error::Directory { step: "keep temporary files beside", dir: dir.to_owned(), source };
        if !dir.exists() {
            make_private(dir).map_err(failed)?;
        }
        let root = walk::open_root(dir).map_err(failed)?;
        let metadata = rustix::fs::fstat(&root).map_err(|errno| failed(errno.into()))?;
        let mode = metadata.st_mode & 0o7777;
        // Whoever owns it may change its mode, and what lies in it.
        if mode & 0o077 != 0 || metadata.st_uid != rustix::process::geteuid().as_raw() {
            return Err(Error::Scratch { dir: dir.to_owned(), mode });
        }
        Self::over(dir.canonicalize().map_err(failed)?, root, options, counters)
    }

    fn over(dir: PathBuf, root: OwnedFd, options: Options, counters: Arc<Live>) -> Result<Self, Error> {
        let tmp = walk::make(root.as_fd(), TMP).map_err(|errno| Error::errno("open", TMP, errno))?;
        let durable = Mutex::new(HashSet::new());
        Ok(Self(Arc::new(Inner { dir, root, tmp, options, counters, durable, reserve: Mutex::new(()) })))
    }

    /// Where it lies.
    pub(crate) fn dir(&self) -> &Path {
        &self.0.dir
    }

    pub(crate) fn live(&self) -> &Live {
        &self.0.counters
    }

    fn root(&self) -> BorrowedFd<'_> {
        self.0.root.as_fd()
    }

    pub(super) fn tmp(&self) -> BorrowedFd<'_> {
        self.0.tmp.as_fd()
    }

    fn rng(&self) -> &dyn Rng {
        self.0.options.rng.as_ref()
    }

    /// The step's text, and the fault that a test planted there.
    fn step(&self, operation: Operation, path: &str) -> Result<(), Error> {
        self.0.options.faults.before(operation, path).map_err(|source| Error::io(super::step_text(operation), path, source))
    }

    /// Removes objects, durably. A directory is synced once, whatever was removed from it.
    pub(super) fn delete_all(&self, paths: &[String]) -> Vec<Result<(), Error>> {
        let deleted: Vec<Result<(), Error>> = paths.iter().map(|path| self.delete(path)).collect();
        let mut synced = HashSet::new();
        let mut durable = |path: &str| {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            if synced.contains(parent) {
                return Ok(());
            }
            self.sync_parent(path)?;
            synced.insert(parent.to_owned());
            Ok(())
        };
        deleted.into_iter().zip(paths).map(|(deleted, path)| deleted.and_then(|()| durable(path))).collect()
    }

    /// Removes an object. The name is gone for good once [`Directory::sync_parent`] returned.
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

/// Makes a directory that nobody else may look into, and those above it.
fn make_private(dir: &Path) -> std::io::Result<()> {
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent)?;
    }
    Ok(rustix::fs::mkdir(dir, Mode::RWXU)?)
}
