//! One message of the Arrow IPC format, looked at before anything is allocated for what it promises.

use std::path::Path;

use arrow::ipc::{CompressionType, Message, MessageHeader, RecordBatch as Described, root_as_message};
use polder_types::limit::DECOMPRESSION_RATIO_MAX;

use crate::error::Error;
use crate::input::BOMB_FREE_BYTES;

/// Longest description of a message.
pub(crate) const METADATA_MAX_BYTES: usize = 16 << 20;
/// Longest body of a message.
pub(super) const BODY_MAX_BYTES: u64 = 512 << 20;
/// What a message's buffers may take when they are decompressed.
const GROWN_MAX_BYTES: u64 = 512 << 20;
/// How much more than it promises a frame of LZ4 may look as if it held: its last block may be nearly empty.
const LZ4_SLACK_BYTES: u64 = 8 << 20;

pub(super) fn wrong(path: &Path, problem: impl Into<String>) -> Error {
    Error::Format { path: path.to_path_buf(), format: "Arrow", problem: problem.into(), advice: "deliver the file again" }
}

/// Reads a description, which the format's verifier has gone over.
pub(crate) fn described<'a>(path: &Path, metadata: &'a [u8]) -> Result<Message<'a>, Error> {
    root_as_message(metadata).map_err(|_| wrong(path, "a message of it is damaged"))
}

/// How long a message's body is.
pub(crate) fn body_length(path: &Path, message: &Message<'_>) -> Result<usize, Error> {
    let length = u64::try_from(message.bodyLength()).unwrap_or(u64::MAX);
    if length > BODY_MAX_BYTES {
        return Err(wrong(
            path,
            format!("a message of it says that it is {length} bytes long, more than the {BODY_MAX_BYTES} that are read"),
        ));
    }
    usize::try_from(length).map_err(|_| wrong(path, "a message of it is too long"))
}

/// The rows or values that a message describes; none where it has no body to decode.
pub(crate) fn batch<'a>(path: &Path, message: &Message<'a>) -> Result<Option<Described<'a>>, Error> {
    let header = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()),
        _ => return Ok(None),
    };
    header.map(Some).ok_or_else(|| wrong(path, "a message of it is damaged"))
}

/// Checks that what a message promises lies in its body, and does not grow beyond what may be held. Returns its rows.
pub(crate) fn check(path: &Path, batch: &Described<'_>, body: &[u8]) -> Result<u64, Error> {
    let (compressed, lz4) = match batch.compression().map(|how| how.codec()) {
        None => (false, false),
        Some(CompressionType::LZ4_FRAME) => (true, true),
        Some(CompressionType::ZSTD) => (true, false),
        Some(_) => return Err(wrong(path, "its compression is not known")),
    };
    let mut grown = 0u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let (Ok(start), Ok(length)) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length())) else {
            return Err(wrong(path, "a buffer of it lies at a negative place"));
        };
        let bytes = start.checked_add(length).and_then(|end| body.get(start..end));
        let bytes = bytes.ok_or_else(|| wrong(path, "a buffer of it ends behind its message"))?;
        grown = grown.saturating_add(if compressed { promised(path, bytes, lz4)? } else { u64::try_from(length).unwrap_or(u64::MAX) });
    }
    let packed = u64::try_from(body.len()).unwrap_or(u64::MAX);
    if grown > BOMB_FREE_BYTES && grown > packed.saturating_mul(DECOMPRESSION_RATIO_MAX) {
        return Err(Error::Bomb { path: path.to_path_buf(), ratio_max: DECOMPRESSION_RATIO_MAX });
    }
    if grown > GROWN_MAX_BYTES {
        return Err(wrong(path, format!("a message of it grows to {grown} bytes, more than the {GROWN_MAX_BYTES} that are held")));
    }
    let rows = u64::try_from(batch.length()).map_err(|_| wrong(path, "it promises a negative number of rows"))?;
    // A bit is the least that a row takes.
    if rows > grown.saturating_mul(8) {
        return Err(wrong(path, format!("it promises {rows} rows, more than its bytes can hold")));
    }
    for node in batch.nodes().into_iter().flatten() {
        if node.length() < 0 || node.null_count() < 0 || node.null_count() > node.length() {
            return Err(wrong(path, "a column of it has an impossible length"));
        }
    }
    Ok(rows)
}

/// What a compressed buffer says that it grows to.
fn promised(path: &Path, buffer: &[u8], lz4: bool) -> Result<u64, Error> {
    let damaged = || wrong(path, "a compressed buffer of it is damaged");
    if buffer.is_empty() {
        return Ok(0);
    }
    let (prefix, packed) = buffer.split_first_chunk::<8>().ok_or_else(damaged)?;
    match i64::from_le_bytes(*prefix) {
        // It stands there as it is.
        -1 => Ok(u64::try_from(packed.len()).unwrap_or(u64::MAX)),
        length => {
            let length = u64::try_from(length).map_err(|_| damaged())?;
            // The decoder of zstd stops at what is promised, that of LZ4 does not.
            let most = if lz4 && length > 0 { lz4_most(packed).ok_or_else(damaged)? } else { length };
            if most > length.saturating_mul(2).saturating_add(LZ4_SLACK_BYTES) {
                return Err(wrong(path, "a compressed buffer of it grows beyond what it promises"));
            }
            Ok(length)
        }
    }
}

/// The most that an LZ4 frame can grow to: as many blocks as it has, of the size that it names.
fn lz4_most(frame: &[u8]) -> Option<u64> {
    let rest = frame.strip_prefix(&[0x04, 0x22, 0x4d, 0x18])?;
    let (flags, rest) = rest.split_first()?;
    let (size, rest) = rest.split_first()?;
    let block = 1u64 << (8 + 2 * u32::from((size >> 4) & 7));
    let fields = if flags & 8 != 0 { 8 } else { 0 } + if flags & 1 != 0 { 4 } else { 0 };
    // Behind those stands a checksum of the header.
    let mut rest = rest.get(fields + 1..)?;
    let checksum = if flags & 16 != 0 { 4 } else { 0 };
    let mut blocks = 0u64;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) & 0x7fff_ffff;
        if length == 0 {
            return blocks.checked_mul(block);
        }
        blocks += 1;
        rest = after.get(usize::try_from(length).ok()?.checked_add(checksum)?..)?;
    }
}
