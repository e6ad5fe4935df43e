//! The messages of a file (found through its footer) or of a stream (one behind the other).

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use arrow::buffer::{Buffer, MutableBuffer};
use arrow::ipc::{Block, root_as_footer};

use super::message::{METADATA_MAX_BYTES, body_length, described, wrong};
use crate::error::Error;
use crate::input::KnownFile;
use crate::opened::OpenedFile;

const MAGIC: &[u8; 6] = b"ARROW1";
/// The magic and two bytes that pad it.
const HEAD_BYTES: u64 = 8;
/// The footer's length and the magic.
const TAIL_BYTES: u64 = 10;
/// What lies between messages is read in pieces of this size.
/// Padding of a file's first bytes, at most, behind the first eight.
const HEAD_MAX_BYTES: usize = 56;
const PADDING_BUFFER_BYTES: usize = 64 << 10;

/// A message: its description and its body.
pub(super) struct Framed {
    pub metadata: Vec<u8>,
    pub body: Buffer,
}

/// Where the messages of a file lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: u64,
    metadata: u64,
    body: u64,
}

impl Place {
    fn end(self) -> u64 {
        self.start.saturating_add(self.metadata).saturating_add(self.body)
    }
}

/// Messages in their order.
pub(super) struct Messages {
    file: OpenedFile,
    /// Those that the footer lists, dictionaries first, last one first; none for a stream.
    listed: Option<Vec<Place>>,
    pub is_file: bool,
    /// Where a file's footer begins, or a stream ends.
    until: u64,
    size: u64,
    at: u64,
    schema_read: bool,
}

impl Messages {
    pub(super) fn open(known: &KnownFile) -> Result<Self, Error> {
        let path = &known.path;
        let mut file = known.open()?;
        let mut head = [0; 8];
        let have = read_up_to(path, &mut file, &mut head)?;
        let size = known.size();
        let is_file = head.starts_with(MAGIC);
        if head.starts_with(b"FEA1") {
            return Err(Error::Format {
                path: path.clone(),
                format: "Arrow",
                problem: "it is of the first version of Feather".to_owned(),
                advice: "write it as Arrow IPC (Feather version 2)",
            });
        }
        if !is_file && (have < 8 || !head.starts_with(&[0xff; 4])) {
            return Err(Error::Format {
                path: path.clone(),
                format: "Arrow",
                problem: "it is neither an Arrow IPC file nor a stream".to_owned(),
                advice: "deliver one, or correct `type` in the source",
            });
        }
        // Some writers pad the magic further than to 8 bytes.
        let mut begin = 0;
        if is_file {
            let mut padding = [0; HEAD_MAX_BYTES];
            let have = read_up_to(path, &mut file, &mut padding)?;
            let zeros = padding.iter().take(have).take_while(|byte| **byte == 0).count();
            begin = HEAD_BYTES + u64::try_from(zeros & !7).unwrap_or(0);
        }
        let (listed, until) = if is_file { footer(path, &mut file, size).map(|(places, at)| (Some(places), at))? } else { (None, size) };
        Ok(Self { file, listed, is_file, until, size, at: begin, schema_read: false })
    }

    pub(super) fn file(&mut self) -> &mut OpenedFile {
        &mut self.file
    }

    /// The next message; none after the last.
    pub(super) fn next(&mut self, path: &Path) -> Result<Option<Framed>, Error> {
        let Some(listed) = &mut self.listed else { return self.read_at(path, None) };
        // The schema comes first, and the footer does not list it.
        if !std::mem::replace(&mut self.schema_read, true) {
            let schema = self.read_at(path, None)?;
            self.nothing_unlisted(path)?;
            return Ok(schema);
        }
        match listed.pop() {
            None => Ok(None),
            Some(place) => {
                self.at = place.start;
                self.read_at(path, Some(place))
            }
        }
    }

    /// Between the schema and the footer is nothing but what the footer lists, padding and the end mark. A footer that has lost some of
    /// its list would lose rows otherwise, and the count of what it lists would agree.
    fn nothing_unlisted(&mut self, path: &Path) -> Result<(), Error> {
        let mut places = self.listed.clone().unwrap_or_default();
        places.sort_by_key(|place| place.start);
        let mut at = self.at;
        for place in places {
            if place.start < at {
                return Err(wrong(path, "its footer lists messages that overlap or lie outside the file"));
            }
            self.padding(path, at, place.start)?;
            at = place.end();
        }
        self.padding(path, at, self.until)
    }

    /// Checks that no message stands from one place to another: one has other bytes than those of padding and of end marks.
    fn padding(&mut self, path: &Path, from: u64, to: u64) -> Result<(), Error> {
        let mut left = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(from)).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
        let mut buffer = vec![0; left.min(PADDING_BUFFER_BYTES)];
        while left > 0 {
            let part = buffer.get_mut(..left.min(PADDING_BUFFER_BYTES)).unwrap_or_default();
            if read_up_to(path, &mut self.file, part)? < part.len() {
                return Err(wrong(path, "it ends in the middle of a message"));
            }
            if part.iter().any(|byte| !matches!(*byte, 0 | 0xff)) {
                return Err(wrong(path, "it holds something that its footer does not list"));
            }
            left -= part.len();
        }
        Ok(())
    }

    fn read_at(&mut self, path: &Path, place: Option<Place>) -> Result<Option<Framed>, Error> {
        let ends = || wrong(path, "it ends in the middle of a message");
        self.file.seek(SeekFrom::Start(self.at)).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
        let mut prefix = [0; 8];
        let have = read_up_to(path, &mut self.file, &mut prefix)?;
        if place.is_none() && !self.is_file {
            match prefix.get(..have) {
                // The format lets a stream end so; a file that was cut off between two messages looks the same.
                Some([]) => {
                    return Err(Error::Format {
                        path: path.to_path_buf(),
                        format: "Arrow",
                        problem: "it ends without its end mark, so rows may be missing".to_owned(),
                        advice: "deliver the whole file",
                    });
                }
                // The end mark of old writers.
                Some([0, 0, 0, 0]) => return Ok(None),
                _ => {}
            }
        }
        let (Some([0xff, 0xff, 0xff, 0xff]), Some(length)) = (prefix.first_chunk::<4>(), prefix.last_chunk::<4>()) else {
            return Err(wrong(path, "a message of it does not begin where it should"));
        };
        if have < 8 {
            return Err(ends());
        }
        let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| wrong(path, "a message of it has a negative length"))?;
        if length == 0 {
            return if place.is_none() && !self.is_file { self.end(path) } else { Err(wrong(path, "a message of it is empty")) };
        }
        if length > METADATA_MAX_BYTES {
            return Err(wrong(
                path,
                format!("a description in it says that it is {length} bytes long, more than the {METADATA_MAX_BYTES} that are read"),
            ));
        }
        let left = self.size.saturating_sub(self.at).saturating_sub(8);
        if u64::try_from(length).unwrap_or(u64::MAX) > left {
            return Err(ends());
        }
        let mut metadata = vec![0; length];
        if read_up_to(path, &mut self.file, &mut metadata)? < length {
            return Err(ends());
        }
        let message = described(path, &metadata)?;
        let body_len = body_length(path, &message)?;
        let taken = u64::try_from(length.saturating_add(body_len)).unwrap_or(u64::MAX);
        if taken > left {
            return Err(ends());
        }
        if place.is_some_and(|place| place.metadata.saturating_add(place.body) != taken.saturating_add(8)) {
            return Err(wrong(path, "its footer and a message do not agree how long that is"));
        }
        let mut body = MutableBuffer::from_len_zeroed(body_len);
        if read_up_to(path, &mut self.file, &mut body)? < body_len {
            return Err(ends());
        }
        self.at = self.at.saturating_add(8).saturating_add(taken);
        Ok(Some(Framed { metadata, body: body.into() }))
    }

    /// Behind a stream's end mark there is nothing.
    fn end(&mut self, path: &Path) -> Result<Option<Framed>, Error> {
        if self.at.saturating_add(8) == self.size {
            self.at = self.size;
            Ok(None)
        } else {
            Err(wrong(path, "something stands behind its end mark"))
        }
    }
}

/// The places of dictionaries and batches, in the order in which they are popped, and where the footer begins.
fn footer(path: &Path, file: &mut OpenedFile, size: u64) -> Result<(Vec<Place>, u64), Error> {
    let read_error = |source| Error::Read { path: path.to_path_buf(), source };
    let cut = || wrong(path, "its footer is missing or damaged");
    let tail_at = size.checked_sub(TAIL_BYTES).filter(|at| *at >= HEAD_BYTES).ok_or_else(cut)?;
    file.seek(SeekFrom::Start(tail_at)).map_err(read_error)?;
    let mut tail = [0; 10];
    if read_up_to(path, file, &mut tail)? < tail.len() || !tail.ends_with(MAGIC) {
        return Err(cut());
    }
    let length = tail.first_chunk::<4>().map_or(-1, |length| i32::from_le_bytes(*length));
    let length = usize::try_from(length).ok().filter(|length| *length > 0 && *length <= METADATA_MAX_BYTES).ok_or_else(cut)?;
    let start = tail_at.checked_sub(u64::try_from(length).unwrap_or(u64::MAX)).filter(|at| *at >= HEAD_BYTES).ok_or_else(cut)?;
    file.seek(SeekFrom::Start(start)).map_err(read_error)?;
    let mut bytes = vec![0; length];
    if read_up_to(path, file, &mut bytes)? < length {
        return Err(cut());
    }
    let footer = root_as_footer(&bytes).map_err(|_| cut())?;
    let place = |block: &Block| {
        let part = |value: i64| u64::try_from(value).map_err(|_| cut());
        Ok(Place { start: part(block.offset())?, metadata: part(i64::from(block.metaDataLength()))?, body: part(block.bodyLength())? })
    };
    let dictionaries = footer.dictionaries().into_iter().flatten().map(place).collect::<Result<Vec<_>, Error>>()?;
    let batches = footer.recordBatches().into_iter().flatten().map(place).collect::<Result<Vec<_>, Error>>()?;
    let mut places: Vec<Place> = dictionaries.into_iter().chain(batches).collect();
    let mut sorted = places.clone();
    sorted.sort_by_key(|place| place.start);
    let outside = |place: &Place| place.start < HEAD_BYTES || place.end() > start || place.metadata < 8;
    let overlap = sorted.iter().zip(sorted.iter().skip(1)).any(|(one, next)| one.end() > next.start);
    if overlap || sorted.iter().any(outside) {
        return Err(wrong(path, "its footer lists messages that overlap or lie outside the file"));
    }
    places.reverse();
    Ok((places, start))
}

fn read_up_to(path: &Path, file: &mut OpenedFile, buffer: &mut [u8]) -> Result<usize, Error> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..)
        && !rest.is_empty()
    {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Error::Read { path: path.to_path_buf(), source }),
        }
    }
    Ok(filled)
}
