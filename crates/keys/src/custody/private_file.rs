//! Files that only their owner may read: keys, shares, approver keys. They are the user's, and lie outside the store.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::Error;

/// Longest private file, in bytes: more is not one of ours and is not read.
const LEN_MAX: u64 = 4096;

/// Whether something is there, without following it.
pub(crate) fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Reads a private file after checking, on the opened file, that nobody else may.
///
/// # Errors
/// When it cannot be opened, others may read it, or it is too long.
pub(crate) fn read(path: &Path, what: &'static str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |source| Error::FileRead { what, path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > LEN_MAX {
        return Err(Error::FileDamaged { what, path: path.to_owned() });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::FileMode { what, path: path.to_owned(), mode });
    }
    let owner = metadata.uid();
    if owner != rustix::process::geteuid().as_raw() && owner != 0 {
        return Err(Error::FileOwner { what, path: path.to_owned() });
    }
    // Room for all that is taken, so that the vector never moves and leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LEN_MAX).unwrap_or(4096) + 64));
    file.take(LEN_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes a new private file, mode 0600, durable when this returns. What exists is never overwritten.
///
/// # Errors
/// When it exists or cannot be written.
pub(crate) fn create(path: &Path, what: &'static str, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::FileWrite { what, path: path.to_owned(), source };
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::FileExists { what, path: path.to_owned() },
        _ => failed(source),
    })?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_directory(path));
    if let Err(source) = written {
        // Half a key file would look like a damaged one.
        if let Err(second) = std::fs::remove_file(path) {
            tracing::warn!(%what, error = %second, "a file that could not be written is left behind");
        }
        return Err(failed(source));
    }
    Ok(())
}

/// Puts one private file in another's place, durable when this returns.
///
/// # Errors
/// When it cannot be moved.
pub(crate) fn replace(from: &Path, to: &Path, what: &'static str) -> Result<(), Error> {
    let failed = |source| Error::FileWrite { what, path: to.to_owned(), source };
    std::fs::rename(from, to).and_then(|()| sync_directory(to)).map_err(failed)
}

/// Removes a private file; one that is gone is no error.
///
/// # Errors
/// When it is still there.
pub(crate) fn remove(path: &Path, what: &'static str) -> Result<(), Error> {
    match std::fs::remove_file(path).and_then(|()| sync_directory(path)) {
        Ok(()) => Ok(()),
        Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::FileWrite { what, path: path.to_owned(), source }),
    }
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    std::fs::File::open(parent)?.sync_all()
}
