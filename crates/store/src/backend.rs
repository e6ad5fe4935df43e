//! Where ciphertext lies: a directory, or a prefix of a bucket on S3-compatible storage.

mod bucket;
mod directory;
mod draft;
mod object;
mod socket;
mod stat;
mod vault;

use std::path::Path;
use std::sync::Arc;

use polder_types::limit::AUDIT_RESERVE_BYTES;
use polder_types::{Rng, SystemRng};

use crate::counters::{Asked, Counters, Live};
use crate::error::Error;
use crate::fault::{Faults, NoFaults, Operation};

pub(crate) use bucket::{Bucket, Put};
pub use bucket::{Credentials, Patience, S3Address, S3Credentials, S3Place, SourceBucket, SourceObject, Trouble, WrongAddress};
pub(crate) use directory::{Directory, NewFile, read_at};
pub(crate) use draft::Draft;
pub(crate) use object::ReadObject;
pub use stat::PhysicalFile;
pub(crate) use stat::{Entry, Identity, Stat, quoted};

/// What differs from the program's usual backend: tests and small stores.
#[derive(Debug, Clone)]
pub struct Options {
    /// Faults to inject.
    pub faults: Arc<dyn Faults>,
    /// Size of the reserve that [`Backend::create`] makes and [`Backend::restore_reserve`] restores. A bucket has none.
    pub reserve_bytes: u64,
    /// Where the names of files under `tmp/` come from.
    pub rng: Arc<dyn Rng>,
    /// How long a bucket is waited for.
    pub patience: Patience,
}

impl Default for Options {
    fn default() -> Self {
        let patience = Patience::default();
        Self { faults: Arc::new(NoFaults), reserve_bytes: AUDIT_RESERVE_BYTES, rng: Arc::new(SystemRng), patience }
    }
}

/// Where a store lies. Cheap to clone. All that it is given is ciphertext already, but for the lease's process number.
///
/// Its functions block; [`crate::SealedStore`] calls them from blocking tasks.
#[derive(Debug, Clone)]
pub struct Backend(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Directory(Directory),
    Bucket(Bucket),
}

/// The two kinds, for what they do in different ways.
pub(crate) enum Which<'a> {
    Directory(&'a Directory),
    Bucket(&'a Bucket),
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
        Directory::create(dir, options).map(Kind::Directory).map(Self)
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
        Directory::open(dir, options).map(Kind::Directory).map(Self)
    }

    /// Begins a store under a prefix of a bucket that holds nothing yet. Nothing is written.
    ///
    /// # Errors
    /// When an object lies there already, or the bucket cannot be reached.
    pub fn create_s3(place: S3Place, options: Options) -> Result<Self, Error> {
        let bucket = Bucket::new(place, options)?;
        if bucket.is_empty("")? { Ok(Self(Kind::Bucket(bucket))) } else { Err(Error::PrefixNotEmpty { place: bucket.name() }) }
    }

    /// Opens a store under a prefix of a bucket.
    ///
    /// # Errors
    /// When there is none, or the bucket cannot be reached.
    pub fn open_s3(place: S3Place, options: Options) -> Result<Self, Error> {
        let bucket = Bucket::new(place, options)?;
        if bucket.is_empty(crate::layout::KEYRING)? {
            return Err(Error::NoStore { dir: bucket.name().into() });
        }
        Ok(Self(Kind::Bucket(bucket)))
    }

    pub(crate) fn which(&self) -> Which<'_> {
        match &self.0 {
            Kind::Directory(directory) => Which::Directory(directory),
            Kind::Bucket(bucket) => Which::Bucket(bucket),
        }
    }

    /// The store's directory, or `s3://bucket/prefix`.
    pub fn name(&self) -> String {
        match &self.0 {
            Kind::Directory(directory) => directory.dir().display().to_string(),
            Kind::Bucket(bucket) => bucket.name(),
        }
    }

    /// The store's directory; none for a bucket.
    pub fn dir(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Directory(directory) => Some(directory.dir()),
            Kind::Bucket(_) => None,
        }
    }

    /// Whether what is replaced or deleted stays in older versions that the storage keeps, as far as its answers told until now. Then a key
    /// that was destroyed is still in an older keyring.
    pub fn keeps_versions(&self) -> bool {
        match &self.0 {
            Kind::Directory(_) => false,
            Kind::Bucket(bucket) => bucket.keeps_versions(),
        }
    }

    /// Where sealed temporary files go: always a disk of this machine.
    pub(crate) fn scratch(&self) -> Result<Directory, Error> {
        match &self.0 {
            Kind::Directory(directory) => Ok(directory.clone()),
            Kind::Bucket(bucket) => bucket.scratch(),
        }
    }

    /// What was asked of the storage since this backend was opened.
    pub fn counters(&self) -> Counters {
        self.live().snapshot()
    }

    /// What was asked of the storage since this backend was opened, as whoever pays for it counts.
    pub fn asked(&self) -> Asked {
        match &self.0 {
            Kind::Directory(directory) => directory.live().snapshot().of_files(),
            Kind::Bucket(bucket) => bucket.live().snapshot().of_requests(),
        }
    }

    /// How many objects lie below a path such as `tables/ID`, and how many bytes they take there.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn stored_below(&self, prefix: &str) -> Result<(u64, u64), Error> {
        let (mut objects, mut bytes) = (0u64, 0u64);
        self.list_below(prefix, &mut |entry| {
            objects = objects.saturating_add(1);
            bytes = bytes.saturating_add(entry.stat.len);
            Ok(())
        })?;
        Ok((objects, bytes))
    }

    pub(crate) fn live(&self) -> &Live {
        match &self.0 {
            Kind::Directory(directory) => directory.live(),
            Kind::Bucket(bucket) => bucket.live(),
        }
    }

    /// Every physical file or object, sorted by path. Links, pipes and sockets are [`crate::FileKind::Unknown`] wherever they lie, but
    /// for the one that [`Backend::listen`] makes.
    ///
    /// # Errors
    /// When a directory or the bucket cannot be listed.
    pub fn every_file(&self) -> Result<Vec<PhysicalFile>, Error> {
        match &self.0 {
            Kind::Directory(directory) => directory.every_file(),
            Kind::Bucket(bucket) => bucket.every_file(),
        }
    }

    /// Removes what dead processes left: files under `tmp/`, and uploads to a bucket that were never completed. Files whose writer
    /// lives are locked and stay; uploads all go, so that only who holds the lease may call this. Returns how many went.
    ///
    /// # Errors
    /// When what is there cannot be listed, or a file or upload cannot be removed.
    pub fn sweep_temporaries(&self) -> Result<u64, Error> {
        match &self.0 {
            Kind::Directory(directory) => directory.sweep_temporaries(),
            Kind::Bucket(bucket) => bucket.sweep(),
        }
    }

    /// Bytes that are in reserve now. A bucket has no reserve: it is not this machine's disk that fills.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reserve_bytes(&self) -> Result<u64, Error> {
        match &self.0 {
            Kind::Directory(directory) => directory.reserve_bytes(),
            Kind::Bucket(_) => Ok(0),
        }
    }

    /// Gives `bytes` of the reserve back to the disk; returns how many it really were (fewer when fewer are left).
    ///
    /// # Errors
    /// When the file cannot be shrunk.
    pub fn release_reserve(&self, bytes: u64) -> Result<u64, Error> {
        match &self.0 {
            Kind::Directory(directory) => directory.release_reserve(bytes),
            Kind::Bucket(_) => Ok(0),
        }
    }

    /// Makes the reserve, or makes it whole again.
    ///
    /// # Errors
    /// When there is no room for it; what could be had is kept.
    pub fn restore_reserve(&self) -> Result<(), Error> {
        match &self.0 {
            Kind::Directory(directory) => directory.restore_reserve(),
            Kind::Bucket(_) => Ok(()),
        }
    }

    /// Removes objects, for good when this returns.
    pub(crate) fn delete_all(&self, paths: &[String]) -> Vec<Result<(), Error>> {
        match &self.0 {
            Kind::Directory(directory) => directory.delete_all(paths),
            Kind::Bucket(bucket) => bucket.delete_all(paths),
        }
    }

    /// Removes one object, for good when this returns. A bucket does not tell whether it was there.
    pub(crate) fn delete(&self, path: &str) -> Result<(), Error> {
        self.delete_all(&[path.to_owned()]).into_iter().collect()
    }

    /// All below `prefix` that is not a directory, sorted by path. Nothing when there is no such directory.
    pub(crate) fn list_below(&self, prefix: &str, found: &mut dyn FnMut(Entry) -> Result<(), Error>) -> Result<(), Error> {
        match &self.0 {
            Kind::Directory(directory) => directory.list_below(prefix, found),
            Kind::Bucket(bucket) => bucket.list_below(prefix)?.into_iter().try_for_each(found),
        }
    }

    /// The entries of one directory, sorted by path; directories have a `/` at their end.
    pub(crate) fn list_one(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        match &self.0 {
            Kind::Directory(directory) => directory.list_one(prefix),
            Kind::Bucket(bucket) => bucket.list_one(prefix),
        }
    }

    /// The names in a directory, sorted.
    pub(crate) fn names(&self, directory: &str) -> Result<Vec<String>, Error> {
        match &self.0 {
            Kind::Directory(on_disk) => on_disk.names(directory),
            Kind::Bucket(bucket) => {
                let entries = bucket.list_one(directory)?;
                Ok(entries.into_iter().filter_map(|entry| entry.path.rsplit('/').next().map(str::to_owned)).collect())
            }
        }
    }
}

/// The text of a step that a fault was planted at.
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
