//! A file that is being written under `tmp/`. It gets its name when it is whole and durable, or never.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::Directory;
use crate::counters::Live;
use crate::error::Error;
use crate::fault::Operation;
use crate::layout::{TMP, is_temporary_name};

/// A file under `tmp/`, removed on drop. It is locked as long as it is open, which tells [`Directory::sweep_temporaries`] of
/// this or another process that its writer lives.
#[derive(Debug)]
pub(crate) struct NewFile {
    directory: Directory,
    name: String,
    path: String,
    file: Option<File>,
    written: u64,
}

impl Directory {
    /// A new file under `tmp/` with a random name.
    pub(crate) fn new_file(&self) -> Result<NewFile, Error> {
        loop {
            let mut random = [0u8; 16];
            self.rng().fill(&mut random)?;
            let name = hex::encode(random);
            let path = format!("{TMP}/{name}");
            self.step(Operation::NewFile, &path)?;
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = match rustix::fs::openat(self.tmp(), &name, flags, Mode::RUSR | Mode::WUSR) {
                Err(Errno::EXIST) => continue,
                opened => opened.map_err(|errno| Error::errno("create", &path, errno))?,
            };
            // A sweep may have come between: then the lock is not free, or the name is gone.
            let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
            let links = rustix::fs::fstat(&file).map_err(|errno| Error::errno("create", &path, errno))?.st_nlink;
            match locked {
                Ok(()) if links == 1 => {
                    return Ok(NewFile { directory: self.clone(), name, path, file: Some(File::from(file)), written: 0 });
                }
                Ok(()) | Err(Errno::WOULDBLOCK) => {}
                Err(errno) => return Err(Error::errno("lock", &path, errno)),
            }
        }
    }

    /// Removes what dead processes left under `tmp/`; files whose writer lives are locked and stay. Returns how many went.
    ///
    /// # Errors
    /// When the directory cannot be listed or a file cannot be removed.
    pub(crate) fn sweep_temporaries(&self) -> Result<u64, Error> {
        let mut swept = 0;
        for name in self.names(TMP)? {
            let path = format!("{TMP}/{name}");
            if !is_temporary_name(&name) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = match rustix::fs::openat(self.tmp(), &name, flags, Mode::empty()) {
                Err(Errno::NOENT) => continue,
                opened => opened.map_err(|errno| Error::errno("open", &path, errno))?,
            };
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => continue,
                locked => locked.map_err(|errno| Error::errno("lock", &path, errno))?,
            }
            match rustix::fs::unlinkat(self.tmp(), &name, AtFlags::empty()) {
                Ok(()) => swept += 1,
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(Error::errno("delete", &path, errno)),
            }
        }
        Ok(swept)
    }
}

impl NewFile {
    /// Its path under the store's directory.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The open file, to read back what was written.
    pub(crate) fn file(&self) -> Result<&File, Error> {
        self.file.as_ref().ok_or_else(|| Error::NotFound { path: self.path.clone() })
    }

    /// Appends sealed bytes.
    pub(crate) fn write_all(&mut self, sealed: &[u8]) -> Result<(), Error> {
        self.directory.step(Operation::Write, &self.path)?;
        self.file()?.write_all(sealed).map_err(|source| Error::io("write", &self.path, source))?;
        self.written = self.written.saturating_add(sealed.len() as u64);
        Ok(())
    }

    /// Gives it a name that is free, durably.
    pub(crate) fn create(self, path: &str) -> Result<(), Error> {
        self.create_locked(path).map(drop)
    }

    /// The same; the lock on the file is held on.
    pub(crate) fn create_locked(self, path: &str) -> Result<File, Error> {
        Live::add(&self.directory.live().creates, 1);
        self.publish(path, |new, parent, leaf| {
            new.directory.step(Operation::Link, path)?;
            rustix::fs::linkat(new.directory.tmp(), &new.name, parent, leaf, AtFlags::empty())
                .map_err(|errno| Error::errno("create", path, errno))
        })
    }

    /// Gives it the name of another file, which is gone then, durably.
    pub(crate) fn replace(self, path: &str) -> Result<(), Error> {
        Live::add(&self.directory.live().replaces, 1);
        self.publish(path, |new, parent, leaf| {
            new.directory.step(Operation::Replace, path)?;
            rustix::fs::renameat(new.directory.tmp(), &new.name, parent, leaf).map_err(|errno| Error::errno("replace", path, errno))
        })
        .map(drop)
    }

    fn publish(
        mut self,
        path: &str,
        name: impl FnOnce(&Self, std::os::fd::BorrowedFd<'_>, &str) -> Result<(), Error>,
    ) -> Result<File, Error> {
        self.directory.step(Operation::SyncFile, path)?;
        self.file()?.sync_all().map_err(|source| Error::io("make durable", path, source))?;
        let directory = self.directory.clone();
        let (parent, leaf) = directory.parent(path, true)?;
        let parent = parent.as_ref().map_or(directory.root(), AsFd::as_fd);
        name(&self, parent, leaf)?;
        Live::add(&self.directory.live().bytes_written, self.written);
        directory.sync_directory(parent, path)?;
        // What is left to do, drop does: the name under `tmp/`, if there is one still. A crash before that leaves a second
        // name of a whole object, which the next sweep removes.
        directory.step(Operation::Unlink, path)?;
        self.file.take().ok_or_else(|| Error::NotFound { path: path.to_owned() })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Gone already after a replace; anything else is swept at the next start.
        let _ = rustix::fs::unlinkat(self.directory.tmp(), &self.name, AtFlags::empty());
    }
}
