//! Bodies on their way: what arrives must go on arriving, and what leaves is watched.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::http::watch::Running;

/// Why the body of a request is not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// Nothing of it came for too long.
    #[error("read the request: nothing of it came for {0} s; send it again without a pause")]
    Stopped(u64),
    /// The connection broke.
    #[error("read the request: the connection broke")]
    Broken(#[source] hyper::Error),
}

/// The body of a request, of which something must come within a time.
pub(super) struct Arriving<B> {
    body: B,
    stalled: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Arriving<B> {
    pub(super) fn new(body: B, stalled: Duration) -> Self {
        Self { body, stalled, timer: None }
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for Arriving<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        let stalled = self.stalled;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(stalled)));
        timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Stopped(stalled.as_secs()))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, which keeps its request running until it is given or given up.
pub(super) struct Leaving<B> {
    body: B,
    running: Running,
}

impl<B> Leaving<B> {
    pub(super) fn new(body: B, running: Running) -> Self {
        Self { body, running }
    }
}

impl<B: Body + Unpin> Body for Leaving<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.running.taken();
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            self.running.given();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
