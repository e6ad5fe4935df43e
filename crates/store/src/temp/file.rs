//! One temporary file: a row of small sealed objects ("parts"), so that what was flushed can be read while more is written.
//! Where each part lies is known to this process alone; the disk is not asked.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use parking_lot::Mutex;
use polder_crypto::{Label, ObjectParams, Opener, PREFIX_LEN, sealed_len};
use polder_types::DatasetId;
use zeroize::Zeroizing;

use super::{Space, TempReader};
use crate::backend::{Directory, NewFile, read_at};
use crate::counters::Live;
use crate::error::Error;
use crate::sealed::blocking;

/// Plaintext of one part, and what a writer or a reader holds.
pub(super) const PART_BYTES: usize = 256 << 10;

/// A sealed temporary file. Cheap to clone, usable from several threads; removed when the last clone, reader and writer is
/// dropped.
#[derive(Clone)]
pub struct TempFile(Arc<Inner>);

struct Inner {
    space: Arc<Space>,
    directory: Directory,
    path: String,
    dataset: DatasetId,
    /// For reading at offsets; the same file that `writing` appends to.
    file: File,
    writing: Mutex<NewFile>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    parts: Vec<Part>,
    has_writer: bool,
    finished: bool,
}

/// Where one part lies, and which plaintext it holds.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    sealed_end: u64,
    plain_end: u64,
}

/// Appends to a [`TempFile`]. Plaintext waits in memory until 256 KiB are full or it is flushed.
pub struct TempWriter {
    file: TempFile,
    pending: Zeroizing<Vec<u8>>,
}

impl TempFile {
    pub(super) fn new(space: Arc<Space>, directory: Directory, dataset: DatasetId) -> Result<Self, Error> {
        let new = directory.new_file()?;
        let path = new.path().to_owned();
        let file = new.file()?.try_clone().map_err(|source| Error::io("open", &path, source))?;
        Ok(Self(Arc::new(Inner { space, directory, path, dataset, file, writing: Mutex::new(new), state: Mutex::default() })))
    }

    /// Plaintext bytes that were flushed.
    pub fn len(&self) -> u64 {
        self.0.state.lock().parts.last().map_or(0, |part| part.plain_end)
    }

    /// Whether nothing was flushed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its path under the store's directory, or that beside a bucket.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The file's writer: one at a time, until one of them finished.
    ///
    /// # Errors
    /// When it has a writer, or was finished.
    pub fn writer(&self) -> Result<TempWriter, Error> {
        let mut state = self.0.state.lock();
        if state.has_writer || state.finished {
            return Err(Error::Writer { path: self.0.path.clone() });
        }
        state.has_writer = true;
        drop(state);
        Ok(TempWriter { file: self.clone(), pending: Zeroizing::new(Vec::new()) })
    }

    /// Reads from the beginning what was flushed, up to what is flushed when the reader comes to the end.
    pub fn reader(&self) -> TempReader {
        TempReader::new(self.clone())
    }

    /// A range of what was flushed, cut at its end. Opens the parts that cover it (256 KiB each, at most).
    ///
    /// # Errors
    /// When the file was changed on the disk, or cannot be read.
    pub fn read_range(&self, plain: Range<u64>) -> Result<Bytes, Error> {
        let (first, end) = {
            let parts = &self.0.state.lock().parts;
            let first = parts.partition_point(|part| part.plain_end <= plain.start);
            let end = parts.partition_point(|part| part.plain_end < plain.end).saturating_add(1).min(parts.len());
            (first, end)
        };
        if plain.start >= plain.end || first >= end {
            return Ok(Bytes::new());
        }
        let (start, bytes) = self.open_parts(first..end)?;
        let at = |offset: u64| usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes.slice(at(plain.start)..at(plain.end)))
    }

    /// The contents as a stream, for asynchronous readers: blocking work runs on blocking tasks.
    pub fn stream(&self) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        let path = self.0.path.clone();
        futures::stream::try_unfold((self.clone(), 0), move |(file, next)| {
            let path = path.clone();
            async move {
                let step = move || Ok(file.next_parts(next)?.map(|(bytes, next)| (bytes, (file, next))));
                blocking::<_, Error>("read", &path, step).await
            }
        })
    }

    /// The parts from `first` on, as many as fill 256 KiB, and the one after them. `None` at the end.
    pub(super) fn next_parts(&self, first: usize) -> Result<Option<(Bytes, usize)>, Error> {
        let end = {
            let parts = &self.0.state.lock().parts;
            if first >= parts.len() {
                return Ok(None);
            }
            let start = first.checked_sub(1).and_then(|before| parts.get(before)).map_or(0, |part| part.plain_end);
            let most = start.saturating_add(PART_BYTES as u64);
            parts.partition_point(|part| part.plain_end <= most).max(first + 1)
        };
        Ok(Some((self.open_parts(first..end)?.1, end)))
    }

    /// Opens adjacent parts; also tells at which plaintext offset they begin.
    fn open_parts(&self, wanted: Range<usize>) -> Result<(u64, Bytes), Error> {
        let (before, parts) = {
            let state = self.0.state.lock();
            let before = wanted.start.checked_sub(1).and_then(|before| state.parts.get(before)).copied().unwrap_or_default();
            (before, state.parts.get(wanted.clone()).map(<[Part]>::to_vec).unwrap_or_default())
        };
        let Some(last) = parts.last() else { return Ok((before.plain_end, Bytes::new())) };
        let sealed_total = last.sealed_end - before.sealed_end;
        let sealed = read_at(&self.0.file, &self.0.path, before.sealed_end, sealed_total)?;
        Live::add(&self.0.directory.live().temporary_bytes_read, sealed.len() as u64);
        let mut rest = sealed.as_slice();
        let mut plaintext = Vec::with_capacity(usize::try_from(last.plain_end - before.plain_end).unwrap_or_default());
        let mut at = before.sealed_end;
        for (index, part) in wanted.zip(&parts) {
            let failed = |source| Error::open(&self.0.path, source);
            let len = usize::try_from(part.sealed_end - at).unwrap_or(usize::MAX);
            let (sealed, more) = rest.split_at_checked(len).ok_or_else(|| failed(polder_crypto::Error::Length))?;
            let name = self.part_name(index);
            let opener = Opener::new(self.0.space.key.expose(), Label::Temporary, &name, sealed, sealed.len() as u64).map_err(failed)?;
            let body = sealed.get(PREFIX_LEN..).unwrap_or_default();
            opener.open_segments(0..opener.segment_count(), body, &mut plaintext).map_err(failed)?;
            (rest, at) = (more, part.sealed_end);
        }
        Ok((before.plain_end, Bytes::from(plaintext)))
    }

    /// A part is bound to its file and its place in it.
    fn part_name(&self, index: usize) -> String {
        format!("{}/{index}", self.0.path)
    }

    fn append(&self, plaintext: &[u8]) -> Result<(), Error> {
        let space = &self.0.space;
        let last = { self.0.state.lock().parts.last().copied().unwrap_or_default() };
        let index = self.0.state.lock().parts.len();
        let name = self.part_name(index);
        let params = ObjectParams {
            label: Label::Temporary,
            lineage: space.lineage,
            dataset: self.0.dataset,
            key_version: 0,
            generation: 1,
            path: &name,
        };
        let bytes = sealed_len(plaintext.len() as u64);
        space.take(bytes)?;
        let sealed = polder_crypto::seal(space.key.expose(), &params, space.rng.as_ref(), plaintext);
        let written =
            sealed.map_err(|source| Error::seal(&self.0.path, source)).and_then(|sealed| self.0.writing.lock().write_all(&sealed));
        if let Err(error) = written {
            // How much reached the file is unknown, so nothing may be appended after it.
            self.0.state.lock().finished = true;
            space.give_back(bytes);
            return Err(error);
        }
        Live::add(&self.0.directory.live().temporary_bytes_written, bytes);
        let part = Part { sealed_end: last.sealed_end + bytes, plain_end: last.plain_end + plaintext.len() as u64 };
        self.0.state.lock().parts.push(part);
        Ok(())
    }
}

impl TempWriter {
    /// The file that is written: what was flushed can be read from it.
    pub fn file(&self) -> &TempFile {
        &self.file
    }

    /// Flushes; after that the file takes no more.
    ///
    /// # Errors
    /// When the quota or the disk has no room.
    pub fn close(&mut self) -> Result<(), Error> {
        self.seal_pending()?;
        self.file.0.state.lock().finished = true;
        Ok(())
    }

    /// Flushes and returns the file for reading.
    ///
    /// # Errors
    /// When the quota or the disk has no room.
    pub fn finish(mut self) -> Result<TempFile, Error> {
        self.close()?;
        Ok(self.file.clone())
    }

    fn seal_pending(&mut self) -> Result<(), Error> {
        if self.file.0.state.lock().finished && !self.pending.is_empty() {
            return Err(Error::Writer { path: self.file.0.path.clone() });
        }
        if !self.pending.is_empty() {
            self.file.append(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

impl Write for TempWriter {
    fn write(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        if self.pending.is_empty() && plaintext.len() >= PART_BYTES {
            // A whole part needs no copy.
            if self.file.0.state.lock().finished {
                return Err(Error::Writer { path: self.file.0.path.clone() }.into());
            }
            let part = plaintext.get(..PART_BYTES).unwrap_or(plaintext);
            self.file.append(part)?;
            return Ok(part.len());
        }
        if self.pending.capacity() < PART_BYTES {
            // Grown once: a vector that grows by itself leaves unwiped plaintext in freed memory.
            let mut grown = Zeroizing::new(Vec::with_capacity(PART_BYTES));
            grown.extend_from_slice(&self.pending);
            self.pending = grown;
        }
        let room = PART_BYTES.saturating_sub(self.pending.len());
        let taken = plaintext.get(..room.min(plaintext.len())).unwrap_or_default();
        self.pending.extend_from_slice(taken);
        if self.pending.len() >= PART_BYTES {
            self.seal_pending()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.seal_pending().map_err(io::Error::from)
    }
}

impl Drop for TempWriter {
    fn drop(&mut self) {
        self.file.0.state.lock().has_writer = false;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // `writing` removes the file.
        self.space.give_back(self.state.get_mut().parts.last().map_or(0, |part| part.sealed_end));
    }
}

impl fmt::Debug for TempFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempFile").field("path", &self.0.path).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for TempWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempWriter").field("file", &self.file).finish_non_exhaustive()
    }
}
