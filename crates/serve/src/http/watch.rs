//! Whether a connection is used: who opens one and asks nothing, or asks and does not take the answer, holds memory for nothing.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::limits::Limits;

/// The write of the connection itself, beside those of its answers.
const SOCKET: u64 = 0;

/// What is to be done about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Busy,
    /// Nothing was asked on it yet, for longer than that may take.
    Silent,
    /// Nothing is asked any more.
    Idle,
    /// An answer is not taken.
    Stalled,
}

/// What is seen of one connection.
pub(super) struct Watch(Mutex<Seen>);

struct Seen {
    asked: bool,
    running: usize,
    /// Since when nothing is being answered, where nothing is.
    quiet: Instant,
    next: u64,
    /// What was given and is not taken, and since when.
    waiting: BTreeMap<u64, Instant>,
}

impl Watch {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Seen { asked: false, running: 0, quiet: now, next: SOCKET + 1, waiting: BTreeMap::new() }))
    }

    /// A request came.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        let mut seen = self.0.lock();
        seen.asked = true;
        seen.running += 1;
        let key = seen.next;
        seen.next = seen.next.wrapping_add(1).max(SOCKET + 1);
        Running { watch: Arc::clone(self), key }
    }

    pub(super) fn look(&self, now: Instant, limits: &Limits) -> Standing {
        let seen = self.0.lock();
        let quiet = now.saturating_duration_since(seen.quiet);
        if seen.waiting.values().any(|since| now.saturating_duration_since(*since) >= limits.stalled) {
            Standing::Stalled
        } else if !seen.asked && quiet >= limits.sign_in {
            Standing::Silent
        } else if seen.running == 0 && quiet >= limits.idle {
            Standing::Idle
        } else {
            Standing::Busy
        }
    }

    fn given(&self, key: u64) {
        self.0.lock().waiting.entry(key).or_insert_with(Instant::now);
    }

    fn taken(&self, key: u64) {
        self.0.lock().waiting.remove(&key);
    }
}

/// A request that is being answered, until it is dropped.
pub(super) struct Running {
    watch: Arc<Watch>,
    key: u64,
}

impl Running {
    /// A part of its answer was given.
    pub(super) fn given(&self) {
        self.watch.given(self.key);
    }

    /// More of its answer is asked for, so that the client took what there was.
    pub(super) fn taken(&self) {
        self.watch.taken(self.key);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut seen = self.watch.0.lock();
        seen.waiting.remove(&self.key);
        seen.running = seen.running.saturating_sub(1);
        seen.quiet = Instant::now();
    }
}

/// A stream whose writes are watched.
pub(super) struct Watched<S> {
    stream: S,
    watch: Arc<Watch>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, watch: Arc<Watch>) -> Self {
        Self { stream, watch }
    }

    fn seen<T>(&self, polled: Poll<T>) -> Poll<T> {
        match &polled {
            Poll::Pending => self.watch.given(SOCKET),
            Poll::Ready(_) => self.watch.taken(SOCKET),
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.seen(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.seen(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.seen(polled)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.seen(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> Limits {
        let seconds = Duration::from_secs;
        Limits { sign_in: seconds(15), idle: seconds(100), stalled: seconds(60), ..Limits::default() }
    }

    #[tokio::test]
    async fn a_connection_that_is_not_used_is_seen_by_its_kind() {
        let (begun, limits) = (Instant::now(), limits());
        let watch = Arc::new(Watch::new(begun));
        let after = |seconds: u64| begun + Duration::from_secs(seconds);
        assert_eq!(watch.look(after(14), &limits), Standing::Busy);
        assert_eq!(watch.look(after(15), &limits), Standing::Silent);
        let running = watch.begin();
        // It may compute for as long as it is let elsewhere.
        assert_eq!(watch.look(after(100_000), &limits), Standing::Busy);
        running.given();
        assert_eq!(watch.look(after(59), &limits), Standing::Busy);
        assert_eq!(watch.look(after(61), &limits), Standing::Stalled);
        running.taken();
        assert_eq!(watch.look(after(61), &limits), Standing::Busy);
        running.given();
        drop(running);
        assert_eq!(watch.look(after(99), &limits), Standing::Busy);
        assert_eq!(watch.look(after(101), &limits), Standing::Idle);
        // One that is asked again is not idle.
        let again = watch.begin();
        assert_eq!(watch.look(after(101), &limits), Standing::Busy);
        drop(again);
    }

    #[tokio::test]
    async fn a_socket_that_takes_nothing_is_stalled_until_it_does() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (begun, limits) = (Instant::now(), limits());
        let watch = Arc::new(Watch::new(begun));
        let _running = watch.begin();
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = Watched::new(ours, Arc::clone(&watch));
        let later = begun + Duration::from_secs(61);
        ours.write_all(b"12345678").await.unwrap();
        assert_eq!(watch.look(later, &limits), Standing::Busy);
        assert!(futures::poll!(std::pin::pin!(ours.write(b"9"))).is_pending());
        assert_eq!(watch.look(later, &limits), Standing::Stalled);
        theirs.read_exact(&mut [0; 8]).await.unwrap();
        ours.write_all(b"9").await.unwrap();
        assert_eq!(watch.look(later, &limits), Standing::Busy);
    }
}
