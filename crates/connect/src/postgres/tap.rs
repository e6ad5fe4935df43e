//! Between the connection's bytes and the client that speaks the protocol. Rows of a COPY are taken out here, in large pieces and without
//! the frame around each; the client sees all else. And what the server says that it sent, the `COPY n` that ends each COPY, is read here:
//! the client drops it, and it is a count that the decoder has no part in.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures::Stream;
use futures::task::AtomicWaker;
use polder_types::limit::RECORD_MAX_BYTES;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::CopyOutStream;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;
/// Bytes of rows that wait for the decoder, about.
const AHEAD_BYTES: usize = 512 << 10;
/// Longest tag of a statement: that of a COPY is `COPY ` and a number.
const TAG_MAX_BYTES: usize = 64;

/// What of a connection is read beside the client.
#[derive(Debug, Default)]
pub(crate) struct Tapped {
    rows: Mutex<Rows>,
    reader: AtomicWaker,
    connection: AtomicWaker,
}

#[derive(Debug, Default)]
struct Rows {
    /// Bytes of rows that were not taken yet.
    bytes: Vec<u8>,
    /// Rows that the server said it sent.
    counted: u64,
}

impl Tapped {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        // Nothing panics while it is held.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows of all COPYs of the connection, as the server counted them: of those whose end the client has seen.
    pub(crate) fn counted(&self) -> u64 {
        self.rows().counted
    }

    /// Drops what may be left, before a COPY begins.
    pub(crate) fn clear(&self) {
        self.rows().bytes.clear();
    }

    /// Takes what waits, if anything does.
    fn take(&self, piece: &mut Vec<u8>) -> bool {
        let mut rows = self.rows();
        if rows.bytes.is_empty() {
            return false;
        }
        std::mem::swap(&mut rows.bytes, piece);
        rows.bytes.clear();
        drop(rows);
        self.connection.wake();
        true
    }
}

/// The rows of a COPY that has begun.
pub(crate) struct Copying<'a> {
    tapped: &'a Tapped,
    stream: Pin<Box<CopyOutStream>>,
    ended: bool,
}

impl<'a> Copying<'a> {
    pub(crate) fn new(tapped: &'a Tapped, stream: CopyOutStream) -> Self {
        Self { tapped, stream: Box::pin(stream), ended: false }
    }

    /// The next piece of the rows, into `piece`, whose old bytes are dropped; false at the end of the COPY.
    ///
    /// # Errors
    /// When the connection ends before the COPY does, or the server gives it up.
    pub(crate) async fn next(&mut self, piece: &mut Vec<u8>) -> Result<bool, tokio_postgres::Error> {
        std::future::poll_fn(|context| self.poll(piece, context)).await
    }

    fn poll(&mut self, piece: &mut Vec<u8>, context: &mut Context<'_>) -> Poll<Result<bool, tokio_postgres::Error>> {
        self.tapped.reader.register(context.waker());
        if self.tapped.take(piece) {
            return Poll::Ready(Ok(true));
        }
        if self.ended {
            return Poll::Ready(Ok(false));
        }
        match ready!(self.stream.as_mut().poll_next(context)) {
            None => {
                self.ended = true;
                // All rows stand before the end of the COPY, so they were read before it was.
                Poll::Ready(Ok(self.tapped.take(piece)))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            // The tap lets no row through.
            Some(Ok(bytes)) => {
                piece.clear();
                piece.extend_from_slice(&bytes);
                Poll::Ready(Ok(true))
            }
        }
    }
}

/// A stream from which rows are taken out.
pub(crate) struct Tap<S> {
    stream: S,
    tapped: Arc<Tapped>,
    frames: Frames,
    raw: Box<[u8]>,
    /// What the client did not read yet.
    forward: BytesMut,
}

impl<S> Tap<S> {
    pub(crate) fn new(stream: S, tapped: Arc<Tapped>) -> Self {
        let raw = vec![0; READ_BYTES].into_boxed_slice();
        Self { stream, tapped, frames: Frames::Head { have: 0, bytes: [0; 5] }, raw, forward: BytesMut::new() }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.forward.is_empty() {
                let most = out.remaining().min(this.forward.len());
                out.put_slice(&this.forward.split_to(most));
                return Poll::Ready(Ok(()));
            }
            this.tapped.connection.register(context.waker());
            if this.tapped.rows().bytes.len() >= AHEAD_BYTES {
                this.tapped.reader.wake();
                return Poll::Pending;
            }
            let mut read = ReadBuf::new(&mut this.raw);
            match Pin::new(&mut this.stream).poll_read(context, &mut read) {
                Poll::Pending => {
                    this.tapped.reader.wake();
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // The end. The client tells whether it may be there.
                Poll::Ready(Ok(())) if read.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {
                    let mut rows = this.tapped.rows();
                    this.frames.take(read.filled(), &mut rows, &mut this.forward)?;
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Where in the server's messages a stream is. Each has a byte that says what it is and its length, which counts itself.
#[derive(Debug)]
enum Frames {
    Head {
        have: usize,
        bytes: [u8; 5],
    },
    /// In bytes of a row.
    Row {
        left: usize,
    },
    /// In another message.
    Other {
        left: usize,
    },
    /// In the end of a statement, with its tag so far.
    Complete {
        left: usize,
        tag: Vec<u8>,
    },
}

impl Frames {
    fn take(&mut self, mut bytes: &[u8], rows: &mut Rows, forward: &mut BytesMut) -> io::Result<()> {
        loop {
            match self {
                Self::Head { have, bytes: head } => {
                    let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
                    if let Some(place) = head.get_mut(*have) {
                        *place = *byte;
                    }
                    *have += 1;
                    bytes = rest;
                    if *have == head.len() {
                        *self = Self::begin(*head, forward)?;
                    }
                }
                Self::Row { left: 0 } | Self::Other { left: 0 } => *self = Self::Head { have: 0, bytes: [0; 5] },
                Self::Complete { left: 0, tag } => {
                    if let Some(count) = copied(tag) {
                        rows.counted = rows.counted.checked_add(count).ok_or_else(|| damaged("a count that is too large"))?;
                    }
                    *self = Self::Head { have: 0, bytes: [0; 5] };
                }
                _ if bytes.is_empty() => return Ok(()),
                Self::Row { left } => rows.bytes.extend_from_slice(cut(&mut bytes, left)),
                Self::Other { left } => forward.extend_from_slice(cut(&mut bytes, left)),
                Self::Complete { left, tag } => {
                    let piece = cut(&mut bytes, left);
                    tag.extend(piece.iter().take(TAG_MAX_BYTES.saturating_sub(tag.len())));
                    forward.extend_from_slice(piece);
                }
            }
        }
    }

    fn begin(head: [u8; 5], forward: &mut BytesMut) -> io::Result<Self> {
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length);
        let left = length.checked_sub(4).and_then(|left| usize::try_from(left).ok());
        let left = left.filter(|_| length <= u32::MAX / 2).ok_or_else(|| damaged("a length that none can have"))?;
        if kind == b'd' {
            return Ok(Self::Row { left });
        }
        if left > RECORD_MAX_BYTES {
            return Err(damaged("a message that is too long"));
        }
        forward.extend_from_slice(&head);
        Ok(if kind == b'C' { Self::Complete { left, tag: Vec::new() } } else { Self::Other { left } })
    }
}

/// As many bytes as there are, and are left of a message.
fn cut<'a>(bytes: &mut &'a [u8], left: &mut usize) -> &'a [u8] {
    let (piece, rest) = bytes.split_at_checked(*left).unwrap_or((bytes, &[]));
    *bytes = rest;
    *left -= piece.len();
    piece
}

/// The rows that the tag of a COPY counts: `COPY 12`, with a zero byte behind it.
fn copied(tag: &[u8]) -> Option<u64> {
    let tag = std::str::from_utf8(tag.strip_suffix(&[0])?).ok()?;
    tag.strip_prefix("COPY ")?.parse().ok()
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the server sent {what}"))
}

#[cfg(test)]
mod tests;
