//! An answer on its way: rows are asked for as fast as the other side takes them. What breaks off is never ended as if it were whole: the body
//! fails, upon which HTTP/1.1 closes the connection without the last chunk, and HTTP/2 resets the stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arrow::array::RecordBatch;
use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::format::{Unwritable, Writer};
use super::sessions::Signed;
use crate::fault::Fault;
use crate::ports::{Holds, Rows};

/// What an answer is made of, and what it holds while it is on its way.
pub(super) struct Sending {
    pub(super) signed: Arc<Signed>,
    pub(super) place: OwnedSemaphorePermit,
    pub(super) writer: Box<dyn Writer>,
    /// The rows that came before the answer began.
    pub(super) first: Option<RecordBatch>,
    pub(super) rows: Rows,
    pub(super) holds: Holds,
    /// For a piece that the other side does not take.
    pub(super) stalled: Duration,
}

/// A part of an answer on its way.
pub(super) enum Piece {
    Bytes(Bytes),
    /// All was sent, and its outcome recorded.
    End,
}

/// The answer did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
struct Broken;

/// Why an answer did not come to its end.
pub(super) enum Stop {
    Fault,
    Unwritable,
    Stalled,
}

impl From<Fault> for Stop {
    fn from(_: Fault) -> Self {
        Self::Fault
    }
}

impl From<Unwritable> for Stop {
    fn from(_: Unwritable) -> Self {
        Self::Unwritable
    }
}

impl Sending {
    /// Sends on in a task of its own, so that an answer which nobody takes ends all the same.
    pub(super) fn begin(self) -> Body {
        let (to, pieces) = mpsc::channel(1);
        tokio::spawn(self.send(to));
        body(pieces)
    }

    async fn send(self, to: mpsc::Sender<Piece>) {
        let Self { signed, place, writer, first, rows, holds, stalled } = self;
        let stopped = tokio::select! {
            biased;
            _ = signed.session().ended() => "session ended",
            () = to.closed() => "client left",
            sent = pieces(writer, first, (rows, &holds), &to, stalled) => match sent {
                Ok(()) => "complete",
                Err(Stop::Fault) => "failed",
                Err(Stop::Unwritable) => "unwritable",
                Err(Stop::Stalled) => "stalled",
            },
        };
        tracing::debug!(session = %signed.session().id(), stopped, "answer over REST");
        drop(place);
    }
}

/// The body that is made of pieces: without [`Piece::End`] it fails.
pub(super) fn body(pieces: mpsc::Receiver<Piece>) -> Body {
    Body::from_stream(Pieces { pieces, ended: false })
}

async fn pieces(
    mut writer: Box<dyn Writer>,
    first: Option<RecordBatch>,
    (mut rows, holds): (Rows, &Holds),
    to: &mpsc::Sender<Piece>,
    stalled: Duration,
) -> Result<(), Stop> {
    let mut count = 0u64;
    let mut next = first;
    while let Some(batch) = next {
        let step = writer.rows_max();
        let mut from = 0;
        while from < batch.num_rows() {
            let part = batch.slice(from, step.min(batch.num_rows() - from));
            from += part.num_rows();
            count += part.num_rows() as u64;
            holds.ask()?;
            give(to, writer.write(&part)?, stalled).await?;
        }
        next = rows.next().await.transpose()?;
    }
    // The stream has ended, so the outcome is recorded.
    give(to, writer.finish(count)?, stalled).await?;
    hand(to, Piece::End, stalled).await
}

async fn give(to: &mpsc::Sender<Piece>, bytes: Vec<u8>, stalled: Duration) -> Result<(), Stop> {
    // An empty piece says nothing, and one of HTTP/1.1 would be the last.
    if bytes.is_empty() { Ok(()) } else { hand(to, Piece::Bytes(bytes.into()), stalled).await }
}

/// Hands a piece on, within the time that the other side has to take the one before.
pub(super) async fn hand(to: &mpsc::Sender<Piece>, piece: Piece, stalled: Duration) -> Result<(), Stop> {
    match tokio::time::timeout(stalled, to.send(piece)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Stop::Stalled),
    }
}

struct Pieces {
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
}

impl Stream for Pieces {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = ready!(self.pieces.poll_recv(context));
        self.ended = !matches!(piece, Some(Piece::Bytes(_)));
        Poll::Ready(match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Piece::End) => None,
            // Whoever sent is gone without having said that this is all.
            None => Some(Err(Broken)),
        })
    }
}
