//! A file that is open for reading, wherever it lies: on a disk, or as an object of a bucket, of which ranges are asked for as they are
//! read and held as long as there is room. What fails with an object is kept beside it: decoders put errors into words of their own.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::Error;
use crate::objects::{ObjectSeen, Objects};

/// What is asked for first; each range that follows on one is twice as long.
const ASKED_MIN_BYTES: u64 = 1 << 20;
/// Most bytes of an object that are held.
const HELD_MAX_BYTES: u64 = 32 << 20;

/// An object that was found, and the first thing that went wrong with it.
#[derive(Debug)]
pub(crate) struct KnownObject {
    objects: Arc<dyn Objects>,
    pub seen: ObjectSeen,
    /// `s3://bucket/key`
    path: PathBuf,
    failed: Mutex<Option<Error>>,
}

impl KnownObject {
    pub(crate) fn new(objects: Arc<dyn Objects>, seen: ObjectSeen, path: PathBuf) -> Self {
        Self { objects, seen, path, failed: Mutex::new(None) }
    }

    /// What went wrong, if anything did and nobody asked yet.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A range that lies in the object, whole.
    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        let error = match self.objects.read(&self.seen, range) {
            Ok(Some(bytes)) if u64::try_from(bytes.len()).is_ok_and(|len| len == wanted) => return Ok(bytes),
            // The port promises the whole range: what is shorter is no such object.
            Ok(_) => Error::Changed { path: self.path.clone() },
            Err(fault) => Error::bucket("read", self.path.display().to_string(), fault),
        };
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        Err(io::Error::other("the object cannot be read"))
    }
}

/// A file or an object. Clones of an object have places of their own.
#[derive(Debug)]
pub(crate) enum OpenedFile {
    Disk(File),
    Object(ObjectReader),
}

impl OpenedFile {
    pub(crate) fn of_object(object: Arc<KnownObject>) -> Self {
        Self::Object(ObjectReader { object, held: Arc::default(), at: 0 })
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Disk(file) => Self::Disk(file.try_clone()?),
            Self::Object(reader) => Self::Object(reader.clone()),
        })
    }

    /// Nothing of an object is asked for beyond the end of the range in which a reading begins: what lies between these ranges is nobody's
    /// to read. They are read beside each other.
    pub(crate) fn within(&self, ranges: Vec<Range<u64>>, at_once: usize) {
        if let Self::Object(reader) = self {
            let mut held = reader.held();
            held.asked_max = HELD_MAX_BYTES / u64::try_from(at_once).unwrap_or(u64::MAX).max(1) / 2;
            held.within = ranges;
        }
    }

    /// All of it may be asked for.
    pub(crate) fn freely(&self) {
        self.within(Vec::new(), 1);
    }
}

impl Read for OpenedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Disk(file) => file.read(buffer),
            Self::Object(reader) => reader.read(buffer),
        }
    }
}

impl Seek for OpenedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Disk(file) => file.seek(to),
            Self::Object(reader) => reader.seek(to),
        }
    }
}

impl Length for OpenedFile {
    fn len(&self) -> u64 {
        match self {
            Self::Disk(file) => file.len(),
            Self::Object(reader) => reader.object.seen.size_bytes,
        }
    }
}

impl ChunkReader for OpenedFile {
    type T = BufReader<Self>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let mut reader = self.try_clone()?;
        reader.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(reader))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut reader = self.try_clone()?;
        reader.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        // As it comes: what the file says may be more than there is.
        let read = reader.take(u64::try_from(length).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
        if read == length { Ok(bytes.into()) } else { Err(ParquetError::EOF("the file ends in the middle of a page".to_owned())) }
    }
}

/// A place in an object.
#[derive(Debug, Clone)]
pub(crate) struct ObjectReader {
    object: Arc<KnownObject>,
    held: Arc<Mutex<Held>>,
    at: u64,
}

/// What was read of an object, the longest unused first.
#[derive(Debug, Default)]
struct Held {
    pieces: Vec<Piece>,
    within: Vec<Range<u64>>,
    /// Longest range that is asked for; 0 for what the storage gives at once.
    asked_max: u64,
}

#[derive(Debug, Clone)]
struct Piece {
    start: u64,
    bytes: Bytes,
}

impl Piece {
    fn len(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.len())
    }
}

impl Held {
    /// The piece in which a place lies.
    fn find(&mut self, at: u64) -> Option<Piece> {
        let place = self.pieces.iter().position(|piece| piece.start <= at && at < piece.end())?;
        let piece = self.pieces.remove(place);
        self.pieces.push(piece.clone());
        Some(piece)
    }

    /// The range that is asked for where a place is in no piece.
    fn wanted(&self, at: u64, size: u64, read_max: u64) -> Range<u64> {
        let most = if self.asked_max == 0 { read_max } else { self.asked_max.min(read_max) }.max(ASKED_MIN_BYTES.min(read_max)).max(1);
        // Who steps over less than was read before goes on reading.
        let follows = |piece: &&Piece| piece.end() <= at && at - piece.end() <= piece.len();
        let before = self.pieces.iter().filter(follows).map(Piece::len).max();
        let length = before.map_or(ASKED_MIN_BYTES, |before| before.saturating_mul(2)).clamp(1, most).max(ASKED_MIN_BYTES.min(most));
        let bound = self.within.iter().filter(|range| range.contains(&at)).map(|range| range.end).min().unwrap_or(size);
        at..at.saturating_add(length).min(bound).min(size)
    }

    fn hold(&mut self, piece: Piece) {
        self.pieces.push(piece);
        let mut sum: u64 = self.pieces.iter().map(Piece::len).sum();
        while sum > HELD_MAX_BYTES && self.pieces.len() > 1 {
            sum -= self.pieces.remove(0).len();
        }
    }
}

impl ObjectReader {
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn piece(&self) -> io::Result<Piece> {
        let mut held = self.held();
        if let Some(piece) = held.find(self.at) {
            return Ok(piece);
        }
        let range = held.wanted(self.at, self.object.seen.size_bytes, self.object.objects.read_max_bytes());
        let piece = Piece { start: range.start, bytes: self.object.read(range)? };
        held.hold(piece.clone());
        Ok(piece)
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.object.seen.size_bytes || buffer.is_empty() {
            return Ok(0);
        }
        let piece = self.piece()?;
        let skip = usize::try_from(self.at.saturating_sub(piece.start)).unwrap_or(usize::MAX);
        let rest = piece.bytes.get(skip..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let moved = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.object.seen.size_bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = moved.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
