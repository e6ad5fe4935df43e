//! One field of a record: plain, quoted, or not closed as it should be.

use memchr::memchr;

/// What the bytes between two ends are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// The bytes as they stand.
    Plain,
    /// The bytes without the first and the last.
    Quoted,
    /// What was appended to the side buffer.
    Escaped,
    /// Text follows the closing quote.
    Bad,
}

/// Tells what a field is; two quotes inside quotes become one in `side`.
pub(crate) fn parse(raw: &[u8], quote: Option<u8>, side: &mut Vec<u8>) -> Field {
    let (Some(quote), Some((first, rest))) = (quote, raw.split_first()) else { return Field::Plain };
    if *first != quote {
        return Field::Plain;
    }
    let Some(inner) = rest.strip_suffix(&[quote]) else { return Field::Bad };
    if memchr(quote, inner).is_none() {
        return Field::Quoted;
    }
    let start = side.len();
    let mut left = inner;
    while let Some(at) = memchr(quote, left) {
        let (Some(text), Some(after)) = (left.get(..=at), left.get(at + 1..)) else { return Field::Bad };
        let Some((next, after)) = after.split_first() else {
            side.truncate(start);
            return Field::Bad;
        };
        if *next != quote {
            side.truncate(start);
            return Field::Bad;
        }
        side.extend_from_slice(text);
        left = after;
    }
    side.extend_from_slice(left);
    Field::Escaped
}

/// Appends Latin-1 bytes as UTF-8.
pub(crate) fn latin1(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        if byte.is_ascii() {
            out.push(*byte);
        } else {
            out.extend_from_slice(&[0xc0 | (byte >> 6), 0x80 | (byte & 0x3f)]);
        }
    }
}
