//! One bucket, asked until it answers. What was written is settled: when an answer was lost, what lies there tells whether it is ours.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use polder_types::Rng;

use super::door::{Condition, Door, Got, Put};
use super::patience::Patience;
use super::place::S3Place;
use super::trouble::Trouble;
use super::wire::{Proxies, Wire};
use crate::backend::quoted;
use crate::counters::Live;

/// How much of an object is compared to know it again, besides its length. Sealed objects begin with random bytes.
pub(super) const KNOWN_BY_BYTES: usize = 64 << 10;
/// Longest range that is read by one request.
pub(super) const READ_MAX_BYTES: u64 = 8 << 20;

/// A client of one bucket.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) place: Arc<S3Place>,
    pub(super) wire: Arc<Wire>,
    door: Door,
    patience: Patience,
    rng: Arc<dyn Rng>,
}

/// By what an object is known again: its length, and how it begins.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) head: Bytes,
    pub(super) len: u64,
}

impl Known {
    pub(super) fn of(bytes: &Bytes) -> Self {
        Self { head: bytes.slice(..bytes.len().min(KNOWN_BY_BYTES)), len: bytes.len() as u64 }
    }
}

impl Client {
    pub(super) fn new(place: S3Place, patience: Patience, rng: Arc<dyn Rng>, live: Arc<Live>, proxies: Proxies) -> Result<Self, Trouble> {
        let wire = Arc::new(Wire::new(&place, patience.clone(), live, proxies)?);
        let door = Door::new(&place, &wire)?;
        Ok(Self { place: Arc::new(place), wire, door, patience, rng })
    }

    /// Asks for what nobody sees yet.
    pub(super) async fn ask_rest<T, F: Future<Output = Result<T, Trouble>>>(&self, attempt: impl FnMut() -> F) -> Result<T, Trouble> {
        self.patience.ask(self.patience.rest, self.rng.as_ref(), attempt).await
    }

    /// Asks for what others see when it is done.
    pub(super) async fn ask_visible<T, F: Future<Output = Result<T, Trouble>>>(&self, attempt: impl FnMut() -> F) -> Result<T, Trouble> {
        self.patience.ask(self.patience.visible, self.rng.as_ref(), attempt).await
    }

    /// Reads a range, cut at the object's end.
    pub(super) async fn get(&self, key: &Path, range: Range<u64>, tag: Option<&str>) -> Result<Got, Trouble> {
        self.ask_rest(|| self.door.get(key, range.clone(), tag)).await
    }

    /// What is known of an object.
    pub(super) async fn head(&self, key: &Path) -> Result<Got, Trouble> {
        self.ask_rest(|| self.door.head(key)).await
    }

    /// Uploads a part; returns its tag.
    pub(super) async fn part(&self, key: &Path, upload: &str, number: usize, bytes: Bytes) -> Result<String, Trouble> {
        let part = self.ask_rest(|| self.door.part(key, upload, number, bytes.clone())).await?;
        Ok(part.content_id)
    }

    /// Ends an upload without an object.
    pub(super) async fn abort(&self, key: &Path, upload: &str) -> Result<(), Trouble> {
        self.ask_rest(|| self.door.abort(key, upload)).await
    }

    /// Writes an object under a condition, once, and does not ask what lies there: for who wants to see a refusal.
    pub(super) async fn put_once(&self, key: &Path, bytes: &Bytes, condition: &Condition) -> Result<Put, Trouble> {
        self.door.put(key, bytes.clone(), condition).await
    }

    /// Writes an object under a condition. [`Put::Refused`] means that another one lies there, or none that the condition asks for.
    ///
    /// # Errors
    /// When it is not known whether it was written.
    pub(super) async fn put(&self, key: &Path, bytes: &Bytes, condition: &Condition) -> Result<Put, Trouble> {
        let put = self.ask_visible(|| self.door.put(key, bytes.clone(), condition)).await;
        self.settle(key, &Known::of(bytes), put).await
    }

    /// Makes an object of an upload's parts under a condition; see [`Client::put`].
    pub(super) async fn finish(
        &self,
        key: &Path,
        upload: &str,
        tags: &[String],
        known: &Known,
        condition: &Condition,
    ) -> Result<Put, Trouble> {
        // Not every storage looks at the condition here. What lies there before is looked at in any case; for what comes there in the
        // meantime the name of a large object, which is random, must do where the condition is not looked at.
        match (self.head(key).await?, condition) {
            (Got::Bytes(..), Condition::Absent) | (Got::Nothing, Condition::Tag(_)) => {
                return self.settle(key, known, Ok(Put::Refused)).await;
            }
            (Got::Bytes(meta, _), Condition::Tag(tag)) if meta.e_tag.as_deref().map(quoted).as_ref() != Some(tag) => {
                return self.settle(key, known, Ok(Put::Refused)).await;
            }
            _ => {}
        }
        let put = self.ask_visible(|| self.complete(key.as_ref(), upload, tags, condition)).await;
        self.settle(key, known, put).await
    }

    /// What became of a write. Refused may be an own success whose answer was lost: by one's own attempt, or by a machine on the way
    /// that tried again. An error may be one too.
    async fn settle(&self, key: &Path, known: &Known, put: Result<Put, Trouble>) -> Result<Put, Trouble> {
        let trouble = match put {
            Ok(Put::Refused) => None,
            Err(trouble) if trouble.bars_looking() => return Err(trouble),
            Err(trouble) => Some(trouble),
            done => return done,
        };
        match (self.ours(key, known).await, trouble) {
            (Ok(Some(tag)), _) => Ok(Put::Done(tag)),
            (Ok(None), None) => Ok(Put::Refused),
            (_, Some(trouble)) | (Err(trouble), None) => Err(trouble),
        }
    }

    /// The tag of what lies there, if that is what we wrote.
    async fn ours(&self, key: &Path, known: &Known) -> Result<Option<String>, Trouble> {
        let range = 0..(known.head.len() as u64).max(1);
        match self.get(key, range, None).await? {
            Got::Bytes(meta, head) if meta.size == known.len && head == known.head => {
                meta.e_tag.map(|tag| Some(quoted(&tag))).ok_or(Trouble::Odd("it names no tag"))
            }
            _ => Ok(None),
        }
    }
}
