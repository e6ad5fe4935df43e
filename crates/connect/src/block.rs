//! Blocks of plain bytes: a fixed size, reused, each ending at the end of a record.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};

use crate::error::Error;
use crate::stream::Stream;

/// How much is read at once.
pub(crate) const BLOCK_BYTES: usize = 4 << 20;
/// Blocks kept for reuse.
const SPARE_BLOCKS: usize = 4;

/// Buffers that come back when the last batch that shares them is dropped.
#[derive(Clone)]
pub(crate) struct Pool {
    back: Sender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
}

impl Pool {
    pub(crate) fn new() -> Self {
        let (back, spare) = crossbeam_channel::bounded(SPARE_BLOCKS);
        Self { back, spare }
    }

    fn take(&self, len: usize) -> Vec<u8> {
        // A little more than a block, for the piece of a record that is carried over.
        let mut buffer = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(len + (64 << 10)));
        buffer.resize(len, 0);
        buffer
    }

    fn freeze(&self, buffer: Vec<u8>, len: usize) -> Bytes {
        Bytes::from_owner(Pooled { buffer, len, back: self.back.clone() })
    }
}

struct Pooled {
    buffer: Vec<u8>,
    len: usize,
    back: Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        // Blocks that grew for one long record are given back to the system.
        if self.buffer.len() <= 2 * BLOCK_BYTES {
            let _ = self.back.try_send(std::mem::take(&mut self.buffer));
        }
    }
}

/// Counts records by a means that is not the decoder.
pub(crate) trait RecordCounter: Send {
    /// The next bytes of the stream.
    fn feed(&mut self, bytes: &[u8]);
    /// The stream ended: how many records it held.
    fn finish(&mut self) -> u64;
}

/// Reads a stream as blocks; the caller says where the last complete record of a block ends.
pub(crate) struct BlockReader {
    stream: Stream,
    pool: Pool,
    carry: Vec<u8>,
    counter: Box<dyn RecordCounter>,
    first: bool,
    may_be_marked: bool,
    ended: bool,
    path: Arc<PathBuf>,
}

/// Bytes read but not yet split.
pub(crate) struct Block {
    buffer: Vec<u8>,
    len: usize,
    /// Whether the stream ends with this block.
    pub last: bool,
}

impl Block {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// Ends the stream's last record when it has no line end of its own.
    pub(crate) fn push_line_end(&mut self) {
        self.buffer.truncate(self.len);
        self.buffer.push(b'\n');
        self.len += 1;
    }
}

impl BlockReader {
    pub(crate) fn new(stream: Stream, pool: Pool, counter: Box<dyn RecordCounter>, path: Arc<PathBuf>) -> Self {
        let may_be_marked = stream.may_be_marked();
        Self { stream, pool, carry: Vec::new(), counter, first: true, may_be_marked, ended: false, path }
    }

    /// The next block: what was carried over, then new bytes. `None` after the last.
    pub(crate) fn read(&mut self) -> Result<Option<Block>, Error> {
        if self.ended {
            // What stood behind a record that was skipped in the last block.
            let rest = std::mem::take(&mut self.carry);
            let len = rest.len();
            return Ok((len > 0).then_some(Block { buffer: rest, len, last: true }));
        }
        let start = self.carry.len();
        let mut buffer = self.pool.take(start + BLOCK_BYTES);
        if let Some(head) = buffer.get_mut(..start) {
            head.copy_from_slice(&self.carry);
        }
        self.carry.clear();
        let room = buffer.get_mut(start..).unwrap_or_default();
        let count = self.stream.fill(room)?;
        let mut fresh = room.get(..count).unwrap_or_default();
        let mut len = start + count;
        self.ended = count < BLOCK_BYTES;
        if std::mem::take(&mut self.first) {
            let marked = self.may_be_marked && matches!(fresh, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
            if marked || matches!(fresh, [0, _, ..] | [_, 0, _, 0, ..]) {
                return Err(Error::Utf16 { path: self.path.to_path_buf() });
            }
            if self.may_be_marked
                && let Some(rest) = fresh.strip_prefix(b"\xef\xbb\xbf")
            {
                fresh = rest;
                self.counter.feed(fresh);
                len -= 3;
                buffer.copy_within(3.., 0);
                return Ok(Some(Block { buffer, len, last: self.ended }));
            }
        }
        self.counter.feed(fresh);
        Ok(Some(Block { buffer, len, last: self.ended }))
    }

    /// Shares the block's first `used` bytes, and carries the rest over to the next block or forgets it.
    pub(crate) fn share(&mut self, block: Block, used: usize, carry: bool) -> Bytes {
        if carry {
            self.carry.extend_from_slice(block.bytes().get(used..).unwrap_or_default());
        }
        self.pool.freeze(block.buffer, used)
    }

    /// Takes the block's buffer back, and carries its bytes from `from` on over to the next block.
    pub(crate) fn put_back(&mut self, block: Block, from: usize) {
        self.carry.extend_from_slice(block.bytes().get(from..).unwrap_or_default());
        drop(self.pool.freeze(block.buffer, 0));
    }

    /// [`Input::sha256`].
    pub(crate) fn sha256(&self) -> Option<[u8; 32]> {
        self.stream.sha256()
    }

    /// The independent count of the whole stream.
    pub(crate) fn counted(&mut self) -> u64 {
        self.counter.finish()
    }
}
