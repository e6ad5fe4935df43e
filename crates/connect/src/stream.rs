//! A file's bytes on their way to a decoder: decompressed, then through stages that rewrite them.

use std::io;

use crate::connection::{Compression, Encoding};
use crate::error::Error;
use crate::input::{Input, KnownFile};
use crate::transcode::{MARK_MAX_BYTES, Transcode, mark_len};

/// How much is rewritten at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Rewrites bytes as they pass.
pub(crate) trait Stage: Send {
    /// Takes the next bytes, and gives what can be said of them.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error>;
    /// The stream ended.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Error>;
}

/// A file being read from its beginning to its end.
pub(crate) struct Stream {
    input: Input,
    stages: Vec<Box<dyn Stage>>,
    /// What was looked at before it was read.
    ahead: Vec<u8>,
    /// What came out of the last stage, and how much of it was taken.
    ready: Vec<u8>,
    at: usize,
    ended: bool,
    /// Whether a byte-order mark was looked for.
    unmarked: bool,
}

impl Stream {
    pub(crate) fn open(file: &KnownFile, compression: Compression) -> Result<Self, Error> {
        let input = Input::open(file, compression)?;
        Ok(Self { input, stages: Vec::new(), ahead: Vec::new(), ready: Vec::new(), at: 0, ended: false, unmarked: false })
    }

    /// Puts a stage behind those that are there.
    pub(crate) fn through(mut self, stage: impl Stage + 'static) -> Self {
        self.stages.push(Box::new(stage));
        self
    }

    /// Takes a byte-order mark off the text before any stage sees it; one of another encoding than the declared one is an error.
    pub(crate) fn unmarked(mut self, file: &KnownFile, encoding: Encoding) -> Result<Self, Error> {
        let mark = mark_len(&file.path, encoding, self.peek(MARK_MAX_BYTES)?)?;
        self.ahead.drain(..mark);
        self.unmarked = true;
        Ok(self)
    }

    /// Whether what looks like a byte-order mark may be one.
    pub(crate) fn may_be_marked(&self) -> bool {
        !self.unmarked
    }

    /// Turns the text into UTF-8, its byte-order mark taken off.
    pub(crate) fn decoded(self, file: &KnownFile, encoding: Encoding) -> Result<Self, Error> {
        let unmarked = self.unmarked(file, encoding)?;
        Ok(match Transcode::new(encoding) {
            Some(stage) => unmarked.through(stage),
            None => unmarked,
        })
    }

    /// The first bytes as they lie in the file, before any stage; fewer only when there are no more.
    pub(crate) fn peek(&mut self, len: usize) -> Result<&[u8], Error> {
        let have = self.ahead.len();
        if have < len {
            self.ahead.resize(len, 0);
            let count = self.input.fill(self.ahead.get_mut(have..).unwrap_or_default())?;
            self.ahead.truncate(have + count);
        }
        Ok(&self.ahead)
    }

    /// Fills `buffer` as far as the stream goes; fewer bytes than asked mean the end, and the file was the same to its end.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.stages.is_empty() {
            let count = self.ahead.len().min(buffer.len());
            for (to, from) in buffer.iter_mut().zip(self.ahead.drain(..count)) {
                *to = from;
            }
            let rest = buffer.get_mut(count..).unwrap_or_default();
            return Ok(count + self.input.fill(rest)?);
        }
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..)
            && !rest.is_empty()
        {
            let ready = self.ready.get(self.at..).unwrap_or_default();
            if ready.is_empty() {
                if self.ended {
                    break;
                }
                self.advance()?;
                continue;
            }
            let count = ready.len().min(rest.len());
            for (to, from) in rest.iter_mut().zip(ready) {
                *to = *from;
            }
            self.at += count;
            filled += count;
        }
        Ok(filled)
    }

    /// Takes a chunk through all stages.
    fn advance(&mut self) -> Result<(), Error> {
        let mut chunk = std::mem::take(&mut self.ahead);
        let have = chunk.len();
        let wanted = have.max(CHUNK_BYTES);
        chunk.resize(wanted, 0);
        let count = self.input.fill(chunk.get_mut(have..).unwrap_or_default())?;
        chunk.truncate(have + count);
        self.ended = have + count < wanted;
        for stage in &mut self.stages {
            let mut out = Vec::with_capacity(chunk.len() + chunk.len() / 2);
            stage.push(&chunk, &mut out)?;
            if self.ended {
                stage.finish(&mut out)?;
            }
            chunk = out;
        }
        self.ready = chunk;
        self.at = 0;
        Ok(())
    }

    /// [`Input::sha256`].
    pub(crate) fn sha256(&self) -> Option<[u8; 32]> {
        self.input.sha256()
    }

    /// Reads what is left, so that the file is known to be what it was to its end.
    pub(crate) fn drain(&mut self) -> Result<u64, Error> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut sum = 0u64;
        loop {
            let count = self.fill(&mut buffer)?;
            sum = sum.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            if count < buffer.len() {
                return Ok(sum);
            }
        }
    }
}

/// A stream as the standard library's readers are. What fails is kept, since an `io::Error` would lose what it was.
pub(crate) struct AsRead<'a> {
    pub stream: &'a mut Stream,
    pub failed: &'a mut Option<Error>,
}

impl io::Read for AsRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.fill(buffer).map_err(|error| {
            *self.failed = Some(error);
            io::Error::other("the source cannot be read")
        })
    }
}
