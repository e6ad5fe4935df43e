//! Bodies on their way: what arrives must go on arriving, and what leaves is watched.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
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

/// What of a body nobody reads is taken all the same, in bytes.
const REST_MAX_BYTES: usize = 64 << 10;
/// And for how long.
const REST_TIME: Duration = Duration::from_secs(1);

/// The body of a request, of which something must come within a time.
///
/// Who answers before all of it has come drops it. What is on its way then is taken for a moment all the same: over HTTP/2 the request would be broken
/// off, and some clients take that for the end of the answer too.
pub(super) struct Arriving<B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static> {
    /// None after its end.
    body: Option<B>,
    stalled: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static> Arriving<B> {
    pub(super) fn new(body: B, stalled: Duration) -> Self {
        Self { body: Some(body), stalled, timer: None }
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static> Drop for Arriving<B> {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        if body.is_end_stream() || body.size_hint().lower() > REST_MAX_BYTES as u64 {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let rest = Limited::new(body, REST_MAX_BYTES).collect();
            let _ = tokio::time::timeout(REST_TIME, rest).await;
        });
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static> Body for Arriving<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            self.timer = None;
            if !matches!(frame, Some(Ok(_))) {
                self.body = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        let stalled = self.stalled;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(stalled)));
        timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Stopped(stalled.as_secs()))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
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

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::*;

    /// A body of so many parts that come one by one, and what hears that it was taken to its end.
    fn parts(
        count: usize,
        bytes: usize,
    ) -> (tokio::sync::mpsc::Sender<Bytes>, impl Body<Data = Bytes, Error = hyper::Error> + Send + Unpin) {
        let (sender, receiver) = tokio::sync::mpsc::channel(count);
        for _ in 0..count {
            sender.try_send(Bytes::from(vec![0; bytes])).unwrap();
        }
        let frames = futures::stream::unfold(receiver, async |mut receiver: tokio::sync::mpsc::Receiver<Bytes>| {
            let bytes = receiver.recv().await?;
            Some((Ok(Frame::data(bytes)), receiver))
        });
        (sender, StreamBody::new(Box::pin(frames)))
    }

    #[tokio::test]
    async fn what_nobody_reads_is_taken_to_its_end_or_to_a_limit() {
        let (sender, body) = parts(3, 1_000);
        drop(Arriving::new(body, Duration::from_secs(60)));
        sender.send(Bytes::from_static(b"the rest")).await.unwrap();
        assert_eq!(sender.reserve_many(sender.max_capacity()).await.unwrap().len(), 3, "all of it was taken, and more would be");
        let (sender, body) = parts(3, REST_MAX_BYTES);
        drop(Arriving::new(body, Duration::from_secs(60)));
        sender.closed().await;
        // What was read to its end is over.
        let (sender, body) = parts(1, 10);
        let mut arriving = Arriving::new(body, Duration::from_secs(60));
        drop(sender);
        assert_eq!(arriving.frame().await.unwrap().unwrap().into_data().unwrap().len(), 10);
        assert!(arriving.frame().await.is_none() && arriving.is_end_stream());
    }
}
