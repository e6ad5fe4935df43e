//! The way of an encoder's bytes into the store: parts of a few MiB, of which few wait, so that memory is bounded.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::sync::mpsc;

/// Bytes of one part of an upload.
const PART_BYTES: usize = 4 << 20;
/// Parts that wait for the store, per file.
const PARTS_WAITING_MAX: usize = 2;

/// The end of the upload that the encoder writes to.
pub(super) struct Parts {
    parts: mpsc::Sender<Part>,
    buffer: BytesMut,
    pub(super) sent: u64,
}

/// A part, or the word that the file is whole. Without it the upload is abandoned.
pub(super) enum Part {
    Bytes(Bytes),
    Last(Bytes),
}

impl Parts {
    pub(super) fn new() -> (Self, mpsc::Receiver<Part>) {
        let (parts, waiting) = mpsc::channel(PARTS_WAITING_MAX);
        (Self { parts, buffer: BytesMut::with_capacity(PART_BYTES), sent: 0 }, waiting)
    }

    fn send(&mut self, part: Part) -> io::Result<()> {
        self.parts.blocking_send(part).map_err(|_| io::Error::other("the upload stopped"))
    }

    pub(super) fn send_rest(&mut self) -> io::Result<()> {
        let rest = self.buffer.split().freeze();
        self.send(Part::Last(rest))
    }
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PART_BYTES - self.buffer.len().min(PART_BYTES);
        let (now, _) = bytes.split_at(room.min(bytes.len()));
        self.buffer.extend_from_slice(now);
        self.sent += u64::try_from(now.len()).map_err(io::Error::other)?;
        if self.buffer.len() >= PART_BYTES {
            let full = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(PART_BYTES)).freeze();
            self.send(Part::Bytes(full))?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) async fn upload(store: Arc<dyn ObjectStore>, path: Path, mut waiting: mpsc::Receiver<Part>) -> Result<(), object_store::Error> {
    let mut upload = store.put_multipart(&path).await?;
    loop {
        let put = match waiting.recv().await {
            Some(Part::Bytes(bytes)) => upload.put_part(bytes.into()).await,
            Some(Part::Last(bytes)) => {
                if !bytes.is_empty() {
                    upload.put_part(bytes.into()).await?;
                }
                upload.complete().await?;
                return Ok(());
            }
            None => {
                upload.abort().await?;
                return Err(object_store::Error::Generic { store: "lake", source: "the encoder stopped before the file was whole".into() });
            }
        };
        if let Err(error) = put {
            // The first error is the one to report.
            drop(upload.abort().await);
            return Err(error);
        }
    }
}
