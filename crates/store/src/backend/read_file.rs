//! Reading: one open, then reads at offsets.

use std::fs::{File, Metadata};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{Mode, OFlags};

use super::Backend;
use crate::counters::Live;
use crate::error::Error;
use crate::fault::Operation;

/// Which file it is, and in which state: another one under the same name differs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What is known of an object without opening it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    pub(crate) identity: Identity,
    /// Bytes of the sealed object.
    pub(crate) len: u64,
    /// Milliseconds since the epoch.
    pub(crate) modified_ms: i64,
}

impl Stat {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let identity = Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        let modified_ms = metadata.mtime().saturating_mul(1000).saturating_add(metadata.mtime_nsec() / 1_000_000);
        Self { identity, len: metadata.len(), modified_ms }
    }

    /// A tag that changes when the object does.
    pub(crate) fn e_tag(&self) -> String {
        let Identity { inode, len, modified: (seconds, nanos), .. } = self.identity;
        format!("{inode:x}-{seconds:x}.{nanos:x}-{len:x}")
    }
}

/// An object, open for reading.
#[derive(Debug)]
pub(crate) struct ReadFile {
    backend: Backend,
    path: String,
    file: File,
    stat: Stat,
}

impl Backend {
    /// Opens an object: one request, whatever is read of it.
    pub(crate) fn open_file(&self, path: &str) -> Result<ReadFile, Error> {
        Live::add(&self.live().reads, 1);
        let (file, stat) = self.open_plain(path, OFlags::RDONLY)?;
        Ok(ReadFile { backend: self.clone(), path: path.to_owned(), file, stat })
    }

    /// What is known of an object from its directory.
    pub(crate) fn stat(&self, path: &str) -> Result<Stat, Error> {
        Live::add(&self.live().heads, 1);
        self.open_plain(path, OFlags::RDONLY).map(|(_, stat)| stat)
    }

    /// A whole small file: a keyring, a lease.
    pub(crate) fn read_whole(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, Error> {
        let file = self.open_file(path)?;
        if file.stat().len > max_bytes {
            return Err(Error::NotPlain { path: path.to_owned() });
        }
        file.read_at(0, file.stat().len)
    }

    pub(crate) fn open_plain(&self, path: &str, access: OFlags) -> Result<(File, Stat), Error> {
        self.step(Operation::Open, path)?;
        let (parent, leaf) = self.parent(path, false)?;
        let parent = parent.as_ref().map_or(self.root(), AsFd::as_fd);
        // Without NONBLOCK, opening a pipe that someone planted would wait for ever.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(parent, leaf, flags, Mode::empty()).map_err(|errno| Error::errno("open", path, errno))?);
        let metadata = file.metadata().map_err(|source| Error::io("open", path, source))?;
        if !metadata.is_file() {
            return Err(Error::NotPlain { path: path.to_owned() });
        }
        Ok((file, Stat::of(&metadata)))
    }
}

impl ReadFile {
    /// Length, times and identity when it was opened.
    pub(crate) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Its path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// `len` bytes from `offset`; fewer only at the end of the file.
    pub(crate) fn read_at(&self, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
        self.backend.step(Operation::Read, &self.path)?;
        read_at(&self.backend, &self.file, &self.path, offset, len)
    }
}

/// Reads `len` bytes from `offset`; fewer only at the end of the file.
pub(crate) fn read_at(backend: &Backend, file: &File, path: &str, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
    let too_long = || Error::Range { path: path.to_owned() };
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| too_long())?];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Error::io("read", path, source)),
        }
    }
    bytes.truncate(filled);
    Live::add(&backend.live().bytes_read, filled as u64);
    Ok(bytes)
}
