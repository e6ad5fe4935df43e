//! Walking down from the store's directory, one segment at a time, so that no symbolic link is ever followed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Directory;
use crate::error::Error;
use crate::fault::Operation;

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

pub(super) fn open_root(dir: &Path) -> std::io::Result<OwnedFd> {
    Ok(rustix::fs::open(dir, FLAGS, Mode::empty())?)
}

pub(super) fn open(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(parent, name, FLAGS.union(OFlags::NOFOLLOW), Mode::empty())
}

/// Makes a directory, or takes the one that is there.
pub(super) fn make(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => open(parent, name),
        Err(errno) => Err(errno),
    }
}

impl Directory {
    /// The directory of a path (`None`: the store's own) and the name in it. With `create`, missing directories are made, and
    /// the name of each is durable when this returns: one that another process has just made is synced all the same.
    pub(super) fn parent<'p>(&self, path: &'p str, create: bool) -> Result<(Option<OwnedFd>, &'p str), Error> {
        let Some((directories, leaf)) = path.rsplit_once('/') else { return Ok((None, path)) };
        let mut at: Option<OwnedFd> = None;
        let mut end = 0;
        for name in directories.split('/') {
            end += name.len();
            let prefix = directories.get(..end).unwrap_or(directories);
            end += 1;
            let parent = at.as_ref().map_or(self.root(), AsFd::as_fd);
            let next = match open(parent, name) {
                Err(Errno::NOENT) if create => {
                    self.step(Operation::MakeDirectory, prefix)?;
                    self.0.durable.lock().remove(prefix);
                    make(parent, name).map_err(|errno| Error::errno("make the directory", prefix, errno))?
                }
                Err(Errno::NOENT) => return Err(Error::NotFound { path: path.to_owned() }),
                opened => opened.map_err(|errno| Error::errno("open the directory", prefix, errno))?,
            };
            if create && !self.0.durable.lock().contains(prefix) {
                self.sync_directory(parent, prefix)?;
                self.0.durable.lock().insert(prefix.to_owned());
            }
            at = Some(next);
        }
        Ok((at, leaf))
    }
}
