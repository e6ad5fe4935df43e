//! Reading an object of a bucket: its head first, which answers for short objects, then ranges of that same object.

use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectMeta;
use object_store::path::Path;
use polder_crypto::{PREFIX_LEN, SEGMENT_LEN};

use super::Bucket;
use super::client::READ_MAX_BYTES;
use super::door::Got;
use super::trouble::Trouble;
use crate::backend::Stat;
use crate::counters::Live;
use crate::error::Error;
use crate::fault::Operation;

/// What is read first: an object of one segment, whole.
const HEAD_BYTES: u64 = PREFIX_LEN as u64 + SEGMENT_LEN as u64;

/// An object, open for reading. What is read later is of the same object, or an error.
#[derive(Debug)]
pub(crate) struct RemoteFile {
    bucket: Bucket,
    path: String,
    key: Path,
    stat: Stat,
    head: Bytes,
}

fn stat_of(meta: ObjectMeta) -> Result<Stat, Trouble> {
    let tag = meta.e_tag.ok_or(Trouble::Odd("it names no tag"))?;
    Ok(Stat::of_object(&tag, meta.size, meta.last_modified.timestamp_millis()))
}

impl Bucket {
    /// Opens an object: one request.
    pub(crate) fn open_file(&self, path: &str) -> Result<RemoteFile, Error> {
        Live::add(&self.live().reads, 1);
        self.step(Operation::Open, path)?;
        let key = self.key(path)?;
        let (client, wanted) = (Arc::clone(&self.0.client), key.clone());
        let got = self.0.io.wait(async move {
            match client.get(&wanted, 0..HEAD_BYTES, None).await? {
                Got::Bytes(meta, head) => Ok(Some((stat_of(meta)?, head))),
                Got::Nothing | Got::Other => Ok(None),
            }
        });
        let opened = got.map_err(|trouble| Error::bucket("open", path, trouble))?;
        let (stat, head) = opened.ok_or_else(|| Error::NotFound { path: path.to_owned() })?;
        Live::add(&self.live().bytes_read, head.len() as u64);
        Ok(RemoteFile { bucket: self.clone(), path: path.to_owned(), key, stat, head })
    }

    /// What is known of an object without its bytes.
    pub(crate) fn stat(&self, path: &str) -> Result<Stat, Error> {
        Live::add(&self.live().heads, 1);
        self.step(Operation::Open, path)?;
        let (client, key) = (Arc::clone(&self.0.client), self.key(path)?);
        let got = self.0.io.wait(async move {
            match client.head(&key).await? {
                Got::Bytes(meta, _) => stat_of(meta).map(Some),
                Got::Nothing | Got::Other => Ok(None),
            }
        });
        got.map_err(|trouble| Error::bucket("open", path, trouble))?.ok_or_else(|| Error::NotFound { path: path.to_owned() })
    }
}

impl RemoteFile {
    /// Length, time and identity when it was opened.
    pub(crate) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// `len` bytes from `offset`; fewer only at the end of the object.
    pub(crate) fn read_at(&self, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
        self.bucket.step(Operation::Read, &self.path)?;
        let end = offset.saturating_add(len).min(self.stat.len);
        if offset >= end {
            return Ok(Vec::new());
        }
        let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(bytes) = self.head.get(at(offset)..at(end)) {
            return Ok(bytes.to_vec());
        }
        let too_long = |_| Error::Range { path: self.path.clone() };
        let mut bytes = Vec::with_capacity(usize::try_from(end - offset).map_err(too_long)?);
        let mut next = offset;
        while next < end {
            let piece = next..next.saturating_add(READ_MAX_BYTES).min(end);
            next = piece.end;
            let (client, key, tag) = (Arc::clone(&self.bucket.0.client), self.key.clone(), self.stat.condition.clone());
            let wanted = piece.end - piece.start;
            let got = self.bucket.0.io.wait(async move { client.get(&key, piece, tag.as_deref()).await });
            match got.map_err(|trouble| Error::bucket("read", &self.path, trouble))? {
                Got::Bytes(_, read) if read.len() as u64 == wanted => bytes.extend_from_slice(&read),
                _ => return Err(Error::Moved { path: self.path.clone() }),
            }
        }
        Live::add(&self.bucket.live().bytes_read, bytes.len() as u64);
        Ok(bytes)
    }
}
