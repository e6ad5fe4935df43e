//! What can go wrong, and how it travels through `object_store`'s error and back.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use polder_types::ErrorKind;

use crate::backend::Trouble;

/// What can go wrong in the store. Paths hold ids only; nothing here holds a value or a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{step} {path}: check that the store's disk is there and that this user may use it")]
    Io {
        /// What was being done.
        step: &'static str,
        /// To which file of the store.
        path: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The disk, the quota of the file system or the limit on file sizes is used up.
    #[error("{step} {path}: no space is left on the store's disk; free some, then try again")]
    NoSpace {
        /// What was being done.
        step: &'static str,
        /// To which file of the store.
        path: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// No such object.
    #[error("open {path}: the store holds no such object; check the name")]
    NotFound {
        /// The object.
        path: String,
    },
    /// Create-only, and it exists.
    #[error("create {path}: it exists already and was left as it was")]
    Exists {
        /// The object.
        path: String,
    },
    /// A symbolic link, a pipe or the like.
    #[error("open {path}: it is not a plain file or directory, and the store makes no other; remove it, then restore it from a backup")]
    NotPlain {
        /// The file.
        path: String,
    },
    /// Others may read or change the store's directory.
    #[error("open store {}: others may read or change it (mode {mode:04o}); run `chmod 700` on it", dir.display())]
    Mode {
        /// The store's directory.
        dir: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The directory beside a bucket is another's, or open to others.
    #[error(
        "keep temporary files in {}: it is another account's, or others may read or change it (mode {mode:04o}); run `chmod 700` on it, or name another directory in `temporary`",
        dir.display()
    )]
    Scratch {
        /// The directory.
        dir: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The storage of a bucket did not do it.
    #[error("{step} {path}: {}", source.advice())]
    Bucket {
        /// What was being done.
        step: &'static str,
        /// To which object of the store.
        path: String,
        /// Why.
        source: Trouble,
    },
    /// The storage of a bucket does what it was told not to do.
    #[error(
        "take the writer's lease in {place}: the storage wrote an object although its condition ({condition}) did not hold, so that two writers would not see each other; take storage that keeps conditional writes"
    )]
    Unconditional {
        /// The store.
        place: String,
        /// The header that it passed over.
        condition: &'static str,
    },
    /// An object changed while it was read.
    #[error("read {path}: it was replaced or removed while it was read; try again")]
    Moved {
        /// The object.
        path: String,
    },
    /// Something lies where the store is to be made.
    #[error("create store {place}: objects lie there already; name a prefix under which there is none")]
    PrefixNotEmpty {
        /// The bucket and prefix.
        place: String,
    },
    /// Not a store.
    #[error("open store {}: there is none; run `polder init`, or name the right place", dir.display())]
    NoStore {
        /// The directory.
        dir: PathBuf,
    },
    /// Something lies where the store is to be made.
    #[error("create store {}: the directory is not empty; name a new one", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
    },
    /// The store's directory itself cannot be used.
    #[error("{step} store {}: check the directory and its permissions", dir.display())]
    Directory {
        /// `create` or `open`.
        step: &'static str,
        /// The directory.
        dir: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A name that no object of the store has.
    #[error("name object {path}: {problem}; an object is <area>/<dataset id>/<rest>")]
    Name {
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The bytes are not those that were sealed under this name.
    #[error("open {path}: it is not as it was sealed; restore it from a backup")]
    Sealed {
        /// The object.
        path: String,
        /// Which part of it.
        source: polder_crypto::Error,
    },
    /// The bytes could not be sealed.
    #[error("seal {path}: nothing was written; try again")]
    Seal {
        /// The object.
        path: String,
        /// Why.
        source: polder_crypto::Error,
    },
    /// The header names another installation or dataset.
    #[error("open {path}: its header names another installation or dataset; restore the object from a backup")]
    Foreign {
        /// The object.
        path: String,
    },
    /// An older generation than was seen.
    #[error("open {path}: it is generation {found}, but generation {seen} was seen; it was rolled back, restore the newer one")]
    RolledBack {
        /// The object.
        path: String,
        /// What is there.
        found: u64,
        /// What was there before.
        seen: u64,
    },
    /// Under a key version that nothing of its dataset is under any more.
    #[error(
        "open {path}: it is sealed under version {key_version} of its key, but all that was had been sealed again under version {oldest} or newer; it was rolled back, restore the newer one"
    )]
    OlderKey {
        /// The object.
        path: String,
        /// The version that it is under.
        key_version: u32,
        /// The oldest that it may be under.
        oldest: u32,
    },
    /// The keyring does not know the key that the header names.
    #[error("open {path}: the keyring has no such key as its header names; restore the object or the keyring from a backup")]
    NoKey {
        /// The object.
        path: String,
        /// The keyring's answer.
        source: polder_keys::Error,
    },
    /// The header names a key version that was destroyed. Whether the object went with it, or was put there, the audit log knows.
    #[error(
        "open {path}: its header names version {key_version} of its key, which was destroyed; `polder audit verify` tells whether the object went with it, or was put there later"
    )]
    Destroyed {
        /// The object.
        path: String,
        /// The version that its header names.
        key_version: u32,
        /// The keyring's answer.
        source: polder_keys::Error,
    },
    /// The key cannot be had now.
    #[error("use the key of {path}: the keyring does not give it")]
    Key {
        /// The object.
        path: String,
        /// The keyring's answer.
        source: polder_keys::Error,
    },
    /// An object changed under a change.
    #[error("replace {path}: it was changed or removed meanwhile and was left as it is; try again")]
    Changed {
        /// The object.
        path: String,
    },
    /// A part of an upload failed, so the object cannot be completed.
    #[error("upload {path}: an earlier part failed or the upload has ended; nothing was created, start it anew")]
    Upload {
        /// The object.
        path: String,
    },
    /// What the sealed store does not do.
    #[error("{what} {path}: the sealed store does not do that; create a new object instead")]
    Unsupported {
        /// The request.
        what: &'static str,
        /// The object.
        path: String,
    },
    /// A range outside the object.
    #[error("read {path}: the range is empty, reversed or begins after the object's end; ask for a range inside it")]
    Range {
        /// The object.
        path: String,
    },
    /// The quota of temporary files.
    #[error("write temporary file: its quota of {quota_bytes} bytes is used up; raise the quota or make the work smaller")]
    Quota {
        /// The quota.
        quota_bytes: u64,
    },
    /// A temporary file has one writer at a time, and one life.
    #[error("write temporary file {path}: it has a writer already, or was finished; create another")]
    Writer {
        /// The file.
        path: String,
    },
    /// Another process writes.
    #[error("take the writer's lease: {holder}; wait for it with `--wait`, or stop that process")]
    Busy {
        /// Who.
        holder: String,
    },
    /// Another process took over.
    #[error("use the writer's lease of epoch {epoch}: epoch {newest} took over, so nothing more may be written; start again")]
    LeaseLost {
        /// Ours.
        epoch: u64,
        /// The newest.
        newest: u64,
    },
    /// No randomness.
    #[error("name a new file of the store: no randomness")]
    Random(#[from] polder_types::random::RandomError),
    /// A task was lost.
    #[error("{step} {path}: its task was cancelled; the program is ending")]
    Cancelled {
        /// What was being done.
        step: &'static str,
        /// To which file of the store.
        path: String,
    },
}

impl Error {
    /// Sorts an operating system's error.
    pub(crate) fn io(step: &'static str, path: &str, source: io::Error) -> Self {
        use rustix::io::Errno;
        let errno = Errno::from_io_error(&source);
        let path = path.to_owned();
        match errno {
            // EFBIG is the process's limit on file sizes: room that is not there, as on a full disk.
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Self::NoSpace { step, path, source },
            Some(Errno::LOOP | Errno::NOTDIR) => Self::NotPlain { path },
            Some(Errno::NOENT) => Self::NotFound { path },
            Some(Errno::EXIST) => Self::Exists { path },
            _ => Self::Io { step, path, source },
        }
    }

    pub(crate) fn errno(step: &'static str, path: &str, source: rustix::io::Errno) -> Self {
        Self::io(step, path, source.into())
    }

    /// Sorts what went wrong with a bucket.
    pub(crate) fn bucket(step: &'static str, path: &str, source: Trouble) -> Self {
        let path = path.to_owned();
        if source.is_no_space() {
            Self::NoSpace { step, path, source: io::Error::other(source) }
        } else {
            Self::Bucket { step, path, source }
        }
    }

    pub(crate) fn open(path: &str, source: polder_crypto::Error) -> Self {
        Self::Sealed { path: path.to_owned(), source }
    }

    pub(crate) fn seal(path: &str, source: polder_crypto::Error) -> Self {
        Self::Seal { path: path.to_owned(), source }
    }

    /// What the error means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } | Self::Directory { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                ErrorKind::Denied
            }
            Self::Io { .. }
            | Self::Directory { .. }
            | Self::NoSpace { .. }
            | Self::Quota { .. }
            | Self::Upload { .. }
            | Self::Bucket { .. }
            | Self::Unconditional { .. }
            | Self::Cancelled { .. }
            | Self::Random(_) => ErrorKind::Unavailable,
            Self::NotFound { .. } | Self::NoStore { .. } => ErrorKind::NotFound,
            Self::Exists { .. } | Self::Changed { .. } | Self::Moved { .. } => ErrorKind::Conflict,
            Self::NotPlain { .. }
            | Self::Foreign { .. }
            | Self::RolledBack { .. }
            | Self::OlderKey { .. }
            | Self::NoKey { .. }
            | Self::Destroyed { .. } => ErrorKind::Corrupt,
            Self::Mode { .. } | Self::Scratch { .. } => ErrorKind::Denied,
            Self::NotEmpty { .. } | Self::PrefixNotEmpty { .. } | Self::Name { .. } | Self::Unsupported { .. } | Self::Range { .. } => {
                ErrorKind::Invalid
            }
            Self::Sealed { source, .. } | Self::Seal { source, .. } => source.kind(),
            Self::Key { source, .. } => source.kind(),
            Self::Writer { .. } => ErrorKind::Internal,
            Self::Busy { .. } | Self::LeaseLost { .. } => ErrorKind::Busy,
        }
    }

    /// Whether the disk is full: what is in reserve may be released to record the refusal.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }
}

/// The name under which the sealed store's errors go in `object_store`'s.
pub(crate) const STORE: &str = "sealed";

impl From<Error> for object_store::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::NotFound { path } => Self::NotFound { path: path.clone(), source: Box::new(error) },
            Error::Exists { path } => Self::AlreadyExists { path: path.clone(), source: Box::new(error) },
            Error::Changed { path } | Error::Moved { path } => Self::Precondition { path: path.clone(), source: Box::new(error) },
            Error::Unsupported { .. } => Self::NotSupported { source: Box::new(error) },
            _ => Self::Generic { store: STORE, source: Box::new(error) },
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::NotFound { .. } => io::ErrorKind::NotFound,
            Error::Exists { .. } => io::ErrorKind::AlreadyExists,
            Error::NoSpace { .. } => io::ErrorKind::StorageFull,
            Error::Quota { .. } => io::ErrorKind::QuotaExceeded,
            error if error.kind() == ErrorKind::Corrupt => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// What an error of the sealed store means, found again in `object_store`'s error.
pub fn kind_of(error: &object_store::Error) -> ErrorKind {
    match kind_of_any(error) {
        Some(kind) => kind,
        None => kind_by_variant(error),
    }
}

/// The same for an error that wraps one of ours at any depth (Delta's, Parquet's, DataFusion's, `std::io`'s). `None` when
/// neither an error of this crate nor one of `object_store` is among its sources.
pub fn kind_of_any(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    find(error, &mut |at| at.downcast_ref::<Error>().map(Error::kind))
        .or_else(|| find(error, &mut |at| at.downcast_ref::<object_store::Error>().map(kind_by_variant)))
}

/// The object that cannot be opened because the version of its key that its header names was destroyed, and that version.
pub fn destroyed_in<'e>(error: &'e (dyn StdError + 'static)) -> Option<(&'e str, u32)> {
    find(error, &mut |at| match at.downcast_ref::<Error>() {
        Some(Error::Destroyed { path, key_version, .. }) => Some((path.as_str(), *key_version)),
        _ => None,
    })
}

/// Whether the cause is a full disk.
pub fn is_no_space(error: &(dyn StdError + 'static)) -> bool {
    find(error, &mut |at| at.downcast_ref::<Error>().filter(|error| error.is_no_space())).is_some()
}

fn kind_by_variant(error: &object_store::Error) -> ErrorKind {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => ErrorKind::NotFound,
        E::AlreadyExists { .. } | E::Precondition { .. } | E::NotModified { .. } => ErrorKind::Conflict,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => ErrorKind::Denied,
        E::InvalidPath { .. } | E::NotSupported { .. } | E::NotImplemented { .. } | E::UnknownConfigurationKey { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    }
}

/// `source()` skips the error inside an `io::Error` and an `Arc`; this does not.
pub(crate) fn find<'e, T>(
    error: &'e (dyn StdError + 'static),
    wanted: &mut impl FnMut(&'e (dyn StdError + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = Some(error);
    while let Some(at) = next {
        if let Some(found) = wanted(at) {
            return Some(found);
        }
        if let Some(inner) = at.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find(inner, wanted)
        {
            return Some(found);
        }
        if let Some(inner) = at.downcast_ref::<std::sync::Arc<object_store::Error>>()
            && let Some(found) = find(inner.as_ref(), wanted)
        {
            return Some(found);
        }
        next = at.source();
    }
    None
}
