//! Writing an object of a bucket. A short one is one request; a long one goes in parts, a few at a time, and is completed by one request:
//! either way it is there whole, or not at all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;

use super::Bucket;
use super::client::{KNOWN_BY_BYTES, Known};
use super::door::{Condition, Put};
use super::trouble::Trouble;
use crate::backend::Stat;
use crate::counters::Live;
use crate::error::Error;
use crate::fault::Operation;

/// Length of a part, and from where on an object has parts. The storage wants 5 MiB at least.
const PART_BYTES: usize = 8 << 20;
/// Parts that are on their way at once. What an upload holds is these, and one that is being filled.
const PARTS_AT_ONCE: usize = 2;
/// Most parts that the storage takes: 78 GiB.
const PARTS_MAX: usize = 10_000;

/// How long the end of an upload that is given up is tried to be told.
const ABORT_WITHIN: Duration = Duration::from_secs(10);

/// Sealed bytes on their way into an object. Dropped before its end, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Upload {
    bucket: Bucket,
    path: String,
    key: Path,
    pending: Vec<u8>,
    head: Vec<u8>,
    len: u64,
    parts: Option<Parts>,
}

/// Parts of an upload that was begun.
#[derive(Debug)]
struct Parts {
    bucket: Bucket,
    key: Path,
    upload: String,
    tags: Vec<String>,
    sent: usize,
    coming: VecDeque<Coming>,
    completed: bool,
}

/// A part on its way.
#[derive(Debug)]
struct Coming {
    task: Option<tokio::task::JoinHandle<()>>,
    told: mpsc::Receiver<Result<String, Trouble>>,
}

impl Bucket {
    /// Begins an object. Nothing is sent yet.
    pub(crate) fn upload(&self, path: &str) -> Result<Upload, Error> {
        self.step(Operation::NewFile, path)?;
        let key = self.key(path)?;
        Ok(Upload { bucket: self.clone(), path: path.to_owned(), key, pending: Vec::new(), head: Vec::new(), len: 0, parts: None })
    }

    /// Writes a short object where there is none, or in place of one with a tag; its answer is settled, `within` a time if one is given.
    pub(crate) fn put(&self, path: &str, bytes: Bytes, before: Option<&str>, within: Option<Duration>) -> Result<Put, Error> {
        self.step(if before.is_some() { Operation::Replace } else { Operation::Link }, path)?;
        let (client, key, condition) = (Arc::clone(&self.0.client), self.key(path)?, condition(before));
        Live::add(&self.live().bytes_written, bytes.len() as u64);
        let put = self.0.io.wait(async move {
            let put = client.put(&key, &bytes, &condition);
            match within {
                Some(within) => tokio::time::timeout(within, put).await.unwrap_or(Err(Trouble::Timeout(within))),
                None => put.await,
            }
        });
        put.map_err(|trouble| Error::bucket("write", path, trouble))
    }

    /// Writes a short object under a condition that does not hold, to see that it is refused.
    pub(crate) fn put_to_be_refused(&self, path: &str, bytes: Bytes, before: Option<&str>) -> Result<Put, Error> {
        let (client, key, condition) = (Arc::clone(&self.0.client), self.key(path)?, condition(before));
        let put = self.0.io.wait(async move { client.ask_visible(|| client.put_once(&key, &bytes, &condition)).await });
        put.map_err(|trouble| Error::bucket("write", path, trouble))
    }
}

fn condition(before: Option<&str>) -> Condition {
    before.map_or(Condition::Absent, |tag| Condition::Tag(tag.to_owned()))
}

impl Upload {
    /// Appends sealed bytes.
    pub(crate) fn write_all(&mut self, sealed: &[u8]) -> Result<(), Error> {
        self.bucket.step(Operation::Write, &self.path)?;
        let known = KNOWN_BY_BYTES.saturating_sub(self.head.len()).min(sealed.len());
        self.head.extend_from_slice(sealed.get(..known).unwrap_or_default());
        self.len = self.len.saturating_add(sealed.len() as u64);
        let mut rest = sealed;
        while !rest.is_empty() {
            if self.pending.len() >= PART_BYTES {
                self.send_part()?;
            }
            let (now, later) = rest.split_at(PART_BYTES.saturating_sub(self.pending.len()).min(rest.len()));
            self.pending.extend_from_slice(now);
            rest = later;
        }
        Ok(())
    }

    /// Gives it a name that is free; returns its tag.
    pub(crate) fn create(self) -> Result<String, Error> {
        Live::add(&self.bucket.live().creates, 1);
        self.bucket.step(Operation::Link, &self.path)?;
        let path = self.path.clone();
        match self.publish(Condition::Absent)? {
            Some(e_tag) => Ok(e_tag),
            None => Err(Error::Exists { path }),
        }
    }

    /// Gives it the name of the object that was there as `before` says; returns its tag.
    pub(crate) fn replace(self, before: &Stat) -> Result<String, Error> {
        Live::add(&self.bucket.live().replaces, 1);
        self.bucket.step(Operation::Replace, &self.path)?;
        let path = self.path.clone();
        let changed = || Error::Changed { path: path.clone() };
        let tag = before.condition.clone().ok_or_else(changed)?;
        self.publish(Condition::Tag(tag))?.ok_or_else(changed)
    }

    /// None when the condition does not hold.
    fn publish(mut self, condition: Condition) -> Result<Option<String>, Error> {
        let len = self.len;
        let put = if self.parts.is_none() {
            let bytes = Bytes::from(std::mem::take(&mut self.pending));
            Live::add(&self.bucket.live().bytes_written, bytes.len() as u64);
            let (client, key) = (Arc::clone(&self.bucket.0.client), self.key.clone());
            self.bucket.0.io.wait(async move { client.put(&key, &bytes, &condition).await })
        } else {
            self.send_part()?;
            let known = Known { head: Bytes::from(std::mem::take(&mut self.head)), len };
            match &mut self.parts {
                Some(parts) => parts.complete(known, condition),
                None => Err(Trouble::Broken),
            }
        };
        match put.map_err(|trouble| Error::bucket("write", &self.path, trouble))? {
            Put::Done(tag) => Ok(Some(Stat::of_object(&tag, len, 0).e_tag())),
            Put::Refused => Ok(None),
        }
    }

    fn send_part(&mut self) -> Result<(), Error> {
        let failed = |trouble| Error::bucket("write", &self.path, trouble);
        let bytes = Bytes::from(std::mem::take(&mut self.pending));
        Live::add(&self.bucket.live().bytes_written, bytes.len() as u64);
        if self.parts.is_none() {
            let (client, key) = (Arc::clone(&self.bucket.0.client), self.key.clone());
            let upload = self.bucket.0.io.wait(async move { client.begin(key.as_ref()).await }).map_err(failed)?;
            let (bucket, key) = (self.bucket.clone(), self.key.clone());
            self.parts = Some(Parts { bucket, key, upload, tags: Vec::new(), sent: 0, coming: VecDeque::new(), completed: false });
        }
        let Some(parts) = &mut self.parts else { return Ok(()) };
        if parts.sent >= PARTS_MAX {
            return Err(Error::Unsupported { what: "write more than 78 GiB to", path: self.path.clone() });
        }
        parts.send(bytes).map_err(failed)
    }
}

impl Parts {
    /// Sends a part, when there is room for one more on its way.
    fn send(&mut self, bytes: Bytes) -> Result<(), Trouble> {
        while self.coming.len() >= PARTS_AT_ONCE {
            self.await_one()?;
        }
        let (tell, told) = mpsc::sync_channel(1);
        let (client, key, upload, number) = (Arc::clone(&self.bucket.0.client), self.key.clone(), self.upload.clone(), self.sent);
        let task = self.bucket.0.io.spawn(async move {
            // Nobody listens when the upload was given up.
            let _ = tell.send(client.part(&key, &upload, number, bytes).await);
        });
        self.sent += 1;
        self.coming.push_back(Coming { task, told });
        Ok(())
    }

    fn await_one(&mut self) -> Result<(), Trouble> {
        if let Some(coming) = self.coming.pop_front() {
            self.tags.push(coming.told.recv().unwrap_or(Err(Trouble::Broken))?);
        }
        Ok(())
    }

    fn complete(&mut self, known: Known, condition: Condition) -> Result<Put, Trouble> {
        while !self.coming.is_empty() {
            self.await_one()?;
        }
        let (client, key, upload, tags) =
            (Arc::clone(&self.bucket.0.client), self.key.clone(), self.upload.clone(), std::mem::take(&mut self.tags));
        let put = self.bucket.0.io.wait(async move { client.finish(&key, &upload, &tags, &known, &condition).await })?;
        self.completed = matches!(put, Put::Done(_));
        Ok(put)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if self.completed {
            return;
        }
        let (client, key, upload) = (Arc::clone(&self.bucket.0.client), self.key.clone(), self.upload.clone());
        let coming = std::mem::take(&mut self.coming);
        // What does not succeed here the next writer sweeps.
        let _ = self.bucket.0.io.wait(async move {
            for task in coming.into_iter().filter_map(|part| part.task) {
                // A part that arrives after the end would stay.
                task.abort();
                let _ = task.await;
            }
            let aborted = tokio::time::timeout(ABORT_WITHIN, client.abort(&key, &upload)).await;
            aborted.unwrap_or(Err(Trouble::Timeout(ABORT_WITHIN)))
        });
    }
}
