//! The two directions of a connection: what is read is bounded, what is written goes no faster than the other side takes it.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures::future::{BoxFuture, Shared};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::fault::Fault;
use crate::ports::Ended;
use crate::postgres::error::Stop;
use crate::postgres::message::{self, Message};

/// What is read ahead while something is answered.
const AHEAD_BYTES: usize = 64 << 10;
/// What is gathered before it is written.
const WRITE_BYTES: usize = 64 << 10;
/// What a buffer keeps of its room when it is empty.
const KEPT_BYTES: usize = 1 << 20;
/// For a last word to one who may not be listening.
const LAST_WORD: Duration = Duration::from_secs(2);

/// A side that is read.
pub type Input = Box<dyn AsyncRead + Send + Unpin>;
/// A side that is written.
pub type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// What comes in.
pub struct Reader {
    input: Input,
    buffer: BytesMut,
}

impl Reader {
    pub fn new(input: Input) -> Self {
        Self { input, buffer: BytesMut::new() }
    }

    /// Takes more bytes. Whoever drops it before its end loses none.
    async fn fill(&mut self) -> Result<(), Stop> {
        self.buffer.reserve(8 << 10);
        match self.input.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Err(Stop::Gone),
            Ok(_) => Ok(()),
        }
    }

    /// The next message, of at most `longest` bytes. Whoever drops it before its end loses none.
    ///
    /// # Errors
    /// When the other side is gone, or the message is refused.
    pub async fn next(&mut self, longest: usize) -> Result<Message, Stop> {
        loop {
            if let Some(message) = message::take(&mut self.buffer, longest)? {
                if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BYTES {
                    self.buffer = BytesMut::new();
                }
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    /// Exactly so many bytes; for packets without a kind.
    ///
    /// # Errors
    /// When the other side is gone.
    pub async fn exactly(&mut self, count: usize) -> Result<BytesMut, Stop> {
        while self.buffer.len() < count {
            self.fill().await?;
        }
        Ok(self.buffer.split_to(count))
    }
}

/// What goes out.
pub struct Writer {
    output: Output,
    /// What is to be written: whole messages, but for the first while it is being written.
    pub buffer: BytesMut,
    cut: bool,
    stalled: Duration,
}

impl Writer {
    pub fn new(output: Output, stalled: Duration) -> Self {
        Self { output, buffer: BytesMut::new(), cut: false, stalled }
    }

    /// Whether enough is gathered.
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= WRITE_BYTES
    }

    /// Writes all that is gathered.
    ///
    /// # Errors
    /// When the other side is gone, or takes nothing for too long.
    pub async fn flush(&mut self) -> Result<(), Stop> {
        while !self.buffer.is_empty() {
            let written = timeout(self.stalled, self.output.write(&self.buffer)).await;
            match written {
                Ok(Ok(count)) if count > 0 => {
                    self.buffer.advance(count);
                    self.cut = !self.buffer.is_empty();
                }
                _ => return Err(Stop::Gone),
            }
        }
        if self.buffer.capacity() > KEPT_BYTES {
            self.buffer = BytesMut::new();
        }
        match timeout(self.stalled, self.output.flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Stop::Gone),
        }
    }

    /// Says a last word and closes. What was gathered and not begun to be written is dropped: it may be rows of a session that is over.
    pub async fn close(&mut self, word: Option<&Fault>) {
        if let Some(fault) = word
            && !self.cut
        {
            self.buffer.clear();
            crate::postgres::error::error(&mut self.buffer, fault, true, 0);
            let _ = timeout(LAST_WORD, self.flush()).await;
        }
        let _ = timeout(LAST_WORD, self.output.shutdown()).await;
    }
}

/// What may interrupt an answer.
pub struct Watch {
    /// What comes in.
    pub reader: Reader,
    /// Resolves when the session is over.
    pub ended: Shared<BoxFuture<'static, Ended>>,
    /// Changes when someone with the key asks that the statement be stopped.
    pub cancel: watch::Receiver<u64>,
}

impl Watch {
    /// A statement begins: what was asked to be stopped before it is none of its business.
    pub fn begin(&mut self) {
        self.cancel.mark_unchanged();
    }

    /// Waits for work, and gives it up when the session ends, the statement is to be stopped, or the other side is gone.
    ///
    /// # Errors
    /// Why it was given up.
    pub async fn over<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = std::pin::pin!(work);
        loop {
            let room = self.reader.buffer.len() < AHEAD_BYTES;
            tokio::select! {
                biased;
                ended = self.ended.clone() => return Err(ended.into()),
                Ok(()) = self.cancel.changed() => return Err(Stop::Failed(cancelled())),
                done = &mut work => return Ok(done),
                read = self.reader.fill(), if room => read?,
            }
        }
    }

    /// The same for writing, which a stopped statement does not break off: what is begun of a message must end.
    ///
    /// # Errors
    /// When the session ends or the other side is gone.
    pub async fn flush(&mut self, writer: &mut Writer) -> Result<(), Stop> {
        tokio::select! {
            biased;
            ended = self.ended.clone() => Err(ended.into()),
            written = writer.flush() => written,
        }
    }
}

fn cancelled() -> Fault {
    Fault::too_long("the statement was stopped, as its asker wished")
}
