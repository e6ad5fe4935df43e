//! Uploads in parts. Parts are sealed in the order in which they were handed over, whichever is awaited first, and what is
//! sealed is written at once: an upload of any size holds the parts that wait, one batch and two segments.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::{MultipartUpload, PutPayload, PutResult, UploadPart};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use super::seal::Sealing;
use super::{SealedStore, blocking};
use crate::error::Error;

pub(super) struct Upload {
    path: String,
    shared: Arc<Shared>,
    next: u64,
}

struct Shared {
    store: SealedStore,
    path: String,
    waiting: Mutex<VecDeque<(u64, PutPayload)>>,
    writer: Arc<AsyncMutex<Writer>>,
}

/// `sealing` is `None` once the upload has failed or ended.
struct Writer {
    sealing: Option<(Sealing, Buffer)>,
    done: u64,
}

/// Counts what is held of one object, as long as it is being sealed.
struct Buffer {
    store: SealedStore,
    held_bytes: u64,
}

impl Buffer {
    fn count(&mut self, held_bytes: u64) {
        let live = self.store.backend().live();
        live.release_upload(self.held_bytes);
        live.hold_upload(held_bytes);
        self.held_bytes = held_bytes;
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.store.backend().live().release_upload(self.held_bytes);
    }
}

impl Upload {
    pub(super) fn new(store: SealedStore, path: &str, sealing: Sealing) -> Self {
        let sealing = Some((sealing, Buffer { store: store.clone(), held_bytes: 0 }));
        let writer = Arc::new(AsyncMutex::new(Writer { sealing, done: 0 }));
        let shared = Shared { store, path: path.to_owned(), waiting: Mutex::default(), writer };
        Self { path: path.to_owned(), shared: Arc::new(shared), next: 0 }
    }

    fn ended(&self) -> Error {
        Error::Upload { path: self.path.clone() }
    }
}

impl Shared {
    /// Seals waiting parts up to and with part `last`.
    fn write_until(&self, writer: &mut Writer, last: u64) -> Result<(), Error> {
        while writer.done <= last {
            let ended = || Error::Upload { path: self.path.clone() };
            let (sealing, buffer) = writer.sealing.as_mut().ok_or_else(ended)?;
            let (part, payload) = self.waiting.lock().pop_front().ok_or_else(ended)?;
            let sealed = payload.iter().try_for_each(|bytes| sealing.write(bytes));
            buffer.count(sealing.held_bytes());
            self.store.backend().live().release_upload(payload.content_length() as u64);
            if let Err(error) = sealed {
                writer.sealing = None; // removes the file under `tmp/`
                return Err(error);
            }
            writer.done = part + 1;
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let waiting: u64 = self.waiting.get_mut().iter().map(|(_, payload)| payload.content_length() as u64).sum();
        self.store.backend().live().release_upload(waiting);
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.next;
        self.next += 1;
        let shared = Arc::clone(&self.shared);
        shared.store.backend().live().hold_upload(data.content_length() as u64);
        shared.waiting.lock().push_back((part, data));
        Box::pin(async move {
            let mut writer = Arc::clone(&shared.writer).lock_owned().await;
            let path = shared.path.clone();
            blocking("upload", &path, move || shared.write_until(&mut writer, part)).await
        })
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        let mut writer = Arc::clone(&self.shared.writer).lock_owned().await;
        let (sealing, buffer) = writer.sealing.take().ok_or_else(|| self.ended())?;
        if writer.done != self.next {
            return Err(self.ended().into());
        }
        let shared = Arc::clone(&self.shared);
        let publish = move || {
            let _until_the_end = buffer;
            shared.store.0.publish(sealing)
        };
        let e_tag = blocking::<_, object_store::Error>("upload", &self.path, publish).await?;
        Ok(PutResult { e_tag: Some(e_tag), version: None })
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        let mut writer = Arc::clone(&self.shared.writer).lock_owned().await;
        writer.sealing.take().map(drop).ok_or_else(|| self.ended().into())
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("path", &self.path).field("parts", &self.next).finish_non_exhaustive()
    }
}
