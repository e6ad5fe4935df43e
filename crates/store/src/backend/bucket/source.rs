//! A bucket that is not the store's: its objects are listed and read as others left them, in the clear, and nothing is written there.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;

use super::client::{Client, READ_MAX_BYTES};
use super::door::Got;
use super::io::Io;
use super::place::S3Place;
use super::trouble::Trouble;
use super::wire::Proxies;
use crate::backend::{Options, quoted};

/// Most objects of one listing.
const LISTED_MAX: usize = 1_000_000;

/// A bucket of a source, open for reading. Its keys are those of the bucket, whatever the prefix of its address. Its functions block.
#[derive(Debug)]
pub struct SourceBucket {
    client: Arc<Client>,
    io: Io,
}

/// An object as a listing showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceObject {
    /// Its whole key.
    pub key: String,
    /// What changes whenever its bytes do.
    pub tag: String,
    /// Bytes.
    pub len: u64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
}

impl SourceBucket {
    /// Longest range that one reading gives.
    pub const READ_MAX_BYTES: u64 = READ_MAX_BYTES;

    /// Nothing is asked yet. No proxy that the environment names is used, and no place for temporary files.
    ///
    /// # Errors
    /// When the authorities that are trusted cannot be read, or no thread can be started.
    pub fn open(place: S3Place, options: Options) -> Result<Self, Trouble> {
        let io = Io::new().map_err(|_| Trouble::Odd("no thread can be started that speaks to it"))?;
        let client = Client::new(place, options.patience, options.rng, Arc::default(), Proxies::Never)?;
        Ok(Self { client: Arc::new(client), io })
    }

    /// The objects whose keys begin with a text, sorted, at most 1,000,000.
    ///
    /// # Errors
    /// When the storage does not give a whole listing, or one of more objects.
    pub fn list(&self, prefix: &str) -> Result<Vec<SourceObject>, Trouble> {
        self.list_up_to(prefix, LISTED_MAX)
    }

    pub(crate) fn list_up_to(&self, prefix: &str, most: usize) -> Result<Vec<SourceObject>, Trouble> {
        let (client, prefix) = (Arc::clone(&self.client), prefix.to_owned());
        let listed = self.io.wait(async move { client.list_at_most(&prefix, most).await })?;
        let object = |listed: super::request::Listed| match listed.tag.as_str() {
            "" => Err(Trouble::Odd("it names no tag")),
            tag => Ok(SourceObject { tag: quoted(tag), key: listed.key, len: listed.len, modified_ms: listed.modified_ms }),
        };
        listed.into_iter().map(object).collect()
    }

    /// A range of an object, cut at its end and after 8 MiB; none when the object is not there any more as it was listed. That is asked
    /// of the storage (`If-Match`), and looked at in its answer too.
    ///
    /// # Errors
    /// When the storage does not give the whole range.
    pub fn read(&self, object: &SourceObject, range: Range<u64>) -> Result<Option<Bytes>, Trouble> {
        let end = range.end.min(object.len).min(range.start.saturating_add(READ_MAX_BYTES));
        if range.start >= end {
            return Ok(Some(Bytes::new()));
        }
        // Another key than the listed one is not asked for: parsing drops slashes at both ends.
        let key = Path::parse(&object.key).ok().filter(|key| key.as_ref() == object.key);
        let key = key.ok_or(Trouble::Odd("a key that is not a path"))?;
        let (client, tag, start) = (Arc::clone(&self.client), object.tag.clone(), range.start);
        let got = self.io.wait(async move { client.get(&key, start..end, Some(&tag)).await })?;
        match got {
            Got::Bytes(meta, bytes) => {
                let same = meta.size == object.len && meta.e_tag.as_deref().map(quoted).as_ref() == Some(&object.tag);
                match same {
                    true if bytes.len() as u64 == end - start => Ok(Some(bytes)),
                    true => Err(Trouble::Odd("it is another range than was asked for")),
                    false => Ok(None),
                }
            }
            Got::Nothing | Got::Other => Ok(None),
        }
    }
}
