//! Reading: one open, then reads at offsets, whichever kind of storage it is.

use super::bucket::RemoteFile;
use super::directory::ReadFile;
use super::{Backend, Kind, Stat};
use crate::error::Error;

/// An object, open for reading.
#[derive(Debug)]
pub(crate) enum ReadObject {
    File(ReadFile),
    Remote(RemoteFile),
}

impl Backend {
    /// Opens an object: one request of a directory, whatever is read of it; of a bucket, one for its head and one for each reading
    /// that the head does not answer.
    pub(crate) fn open_file(&self, path: &str) -> Result<ReadObject, Error> {
        match &self.0 {
            Kind::Directory(directory) => directory.open_file(path).map(ReadObject::File),
            Kind::Bucket(bucket) => bucket.open_file(path).map(ReadObject::Remote),
        }
    }

    /// What is known of an object without its bytes.
    pub(crate) fn stat(&self, path: &str) -> Result<Stat, Error> {
        match &self.0 {
            Kind::Directory(directory) => directory.stat(path),
            Kind::Bucket(bucket) => bucket.stat(path),
        }
    }

    /// A whole small file: a keyring, a lease.
    pub(crate) fn read_whole(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, Error> {
        let file = self.open_file(path)?;
        if file.stat().len > max_bytes {
            return Err(Error::NotPlain { path: path.to_owned() });
        }
        file.read_at(0, file.stat().len)
    }
}

impl ReadObject {
    /// Length, times and identity when it was opened.
    pub(crate) fn stat(&self) -> &Stat {
        match self {
            Self::File(file) => file.stat(),
            Self::Remote(file) => file.stat(),
        }
    }

    /// `len` bytes from `offset`; fewer only at the end of the object.
    pub(crate) fn read_at(&self, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
        match self {
            Self::File(file) => file.read_at(offset, len),
            Self::Remote(file) => file.read_at(offset, len),
        }
    }
}
