//! The port through which objects of a bucket come. The program opens buckets; this crate asks for listings and for ranges of objects, and
//! for nothing else.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use polder_types::ErrorKind;

use crate::connection::Bucket;

/// Opens buckets, by the keys that a source's references name.
pub trait Buckets: Send + Sync {
    /// The bucket of a source. Nothing need be asked of it yet.
    ///
    /// # Errors
    /// When its settings are wrong, or what they name cannot be read.
    fn open(&self, bucket: &Bucket) -> Result<Arc<dyn Objects>, Fault>;
}

/// Objects of one bucket. Its functions block.
pub trait Objects: Debug + Send + Sync {
    /// All objects whose keys begin with a text, however many pages that takes.
    ///
    /// # Errors
    /// When the storage does not give all of them.
    fn list(&self, prefix: &str) -> Result<Vec<ObjectSeen>, Fault>;

    /// A range of an object as it was listed, which lies in it: all of its bytes, or none when another object bears its key by now, or none
    /// does.
    ///
    /// # Errors
    /// When the storage does not give all of the range.
    fn read(&self, object: &ObjectSeen, range: Range<u64>) -> Result<Option<Bytes>, Fault>;

    /// Longest range that is read at once, in bytes.
    fn read_max_bytes(&self) -> u64;
}

/// An object as a listing showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSeen {
    /// Its whole key in the bucket.
    pub key: String,
    /// What changes whenever its bytes do (`ETag`).
    pub tag: String,
    pub size_bytes: u64,
    /// Last change, in milliseconds since the epoch.
    pub modified_ms: i64,
}

/// Why a storage did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong. Never a secret.
    pub problem: String,
    /// What to do.
    pub advice: String,
    pub kind: ErrorKind,
}

/// For who reads no bucket.
#[derive(Debug)]
pub(crate) struct NoBuckets;

impl Buckets for NoBuckets {
    fn open(&self, _: &Bucket) -> Result<Arc<dyn Objects>, Fault> {
        let (problem, advice) = ("nothing opens buckets here".to_owned(), "report this as a defect".to_owned());
        Err(Fault { problem, advice, kind: ErrorKind::Internal })
    }
}
