//! Reading: one open, then reads at offsets.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};

use super::Directory;
use crate::backend::Stat;
use crate::counters::Live;
use crate::error::Error;
use crate::fault::Operation;

/// An object, open for reading.
#[derive(Debug)]
pub(crate) struct ReadFile {
    directory: Directory,
    path: String,
    file: File,
    stat: Stat,
}

impl Directory {
    /// Opens an object: one request, whatever is read of it.
    pub(crate) fn open_file(&self, path: &str) -> Result<ReadFile, Error> {
        Live::add(&self.live().reads, 1);
        let (file, stat) = self.open_plain(path, OFlags::RDONLY)?;
        Ok(ReadFile { directory: self.clone(), path: path.to_owned(), file, stat })
    }

    /// What is known of an object from its directory.
    pub(crate) fn stat(&self, path: &str) -> Result<Stat, Error> {
        Live::add(&self.live().heads, 1);
        self.open_plain(path, OFlags::RDONLY).map(|(_, stat)| stat)
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

    /// `len` bytes from `offset`; fewer only at the end of the file.
    pub(crate) fn read_at(&self, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
        self.directory.step(Operation::Read, &self.path)?;
        let bytes = read_at(&self.file, &self.path, offset, len)?;
        Live::add(&self.directory.live().bytes_read, bytes.len() as u64);
        Ok(bytes)
    }
}

/// Reads `len` bytes from `offset`, which nobody counts; fewer only at the end of the file.
pub(crate) fn read_at(file: &File, path: &str, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
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
    Ok(bytes)
}
