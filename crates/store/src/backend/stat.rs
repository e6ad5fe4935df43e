//! What is known of an object without its bytes, on either kind of storage.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use crate::layout::FileKind;

/// Which file or object it is, and in which state: another one under the same name differs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A file.
    File { device: u64, inode: u64, len: u64, modified: (i64, i64), changed: (i64, i64) },
    /// An object of a bucket, by the first bytes of its tag's hash.
    Object { tag: [u8; 16], len: u64 },
}

/// What is known of an object without opening it.
#[derive(Debug, Clone)]
pub(crate) struct Stat {
    pub(crate) identity: Identity,
    /// Bytes of the sealed object.
    pub(crate) len: u64,
    /// Milliseconds since the epoch.
    pub(crate) modified_ms: i64,
    /// The bucket's own tag, by which it compares; none for files.
    pub(crate) condition: Option<String>,
}

/// A file below the store's directory, or an object below its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysicalFile {
    /// Its path below the store's directory or prefix.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Its length there.
    pub bytes: u64,
}

/// One entry of a listing.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: String,
    /// Whether it is a file or object like others: no link, pipe or socket.
    pub(crate) plain: bool,
    /// Whether it is a socket.
    pub(crate) socket: bool,
    pub(crate) stat: Stat,
}

/// A bucket's tag as it is compared and sent. Some storage leaves out its quotes here or there.
pub(crate) fn quoted(tag: &str) -> String {
    if tag.starts_with("W/") { tag.to_owned() } else { format!("\"{}\"", tag.trim_matches('"')) }
}

impl Stat {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let identity = Identity::File {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        let modified_ms = metadata.mtime().saturating_mul(1000).saturating_add(metadata.mtime_nsec() / 1_000_000);
        Self { identity, len: metadata.len(), modified_ms, condition: None }
    }

    /// Of an object of a bucket.
    pub(crate) fn of_object(tag: &str, len: u64, modified_ms: i64) -> Self {
        let tag = quoted(tag);
        let hash = polder_crypto::sha256(tag.as_bytes());
        let identity = Identity::Object { tag: hash.first_chunk().copied().unwrap_or_default(), len };
        Self { identity, len, modified_ms, condition: Some(tag) }
    }

    /// A tag that changes when the object does.
    pub(crate) fn e_tag(&self) -> String {
        match self.identity {
            Identity::File { inode, len, modified: (seconds, nanos), .. } => format!("{inode:x}-{seconds:x}.{nanos:x}-{len:x}"),
            Identity::Object { tag, len } => format!("{}-{len:x}", hex::encode(tag)),
        }
    }
}
