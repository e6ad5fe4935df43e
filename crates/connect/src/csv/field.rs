//! One field of a record: plain, quoted, or not closed as it should be.

use memchr::memchr;

/// What the bytes between two ends are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// The bytes as they stand.
    Plain,
    /// The bytes without the first and the last.
    Quoted,
    /// As `Quoted`, and each two quotes inside stand for one.
    Escaped,
    /// Text follows the closing quote.
    Bad,
}

/// Tells what a field is.
#[inline]
pub(crate) fn parse(raw: &[u8], quote: Option<u8>) -> Field {
    let (Some(quote), Some((first, rest))) = (quote, raw.split_first()) else { return Field::Plain };
    if *first != quote {
        return Field::Plain;
    }
    let Some((last, mut inner)) = rest.split_last() else { return Field::Bad };
    if *last != quote {
        return Field::Bad;
    }
    let mut field = Field::Quoted;
    while let Some(at) = memchr(quote, inner) {
        if inner.get(at + 1) != Some(&quote) {
            return Field::Bad;
        }
        inner = inner.get(at + 2..).unwrap_or_default();
        field = Field::Escaped;
    }
    field
}

/// Writes a field's text: each two quotes as one (when `quote` is given), Latin-1 as UTF-8 (when `latin1`).
pub(crate) fn write_text(text: &[u8], quote: Option<u8>, latin1: bool, out: &mut Vec<u8>) {
    let mut second = false;
    for byte in text {
        if quote == Some(*byte) && !second {
            second = true;
            continue;
        }
        second = false;
        if latin1 && !byte.is_ascii() {
            out.extend_from_slice(&[0xc0 | (byte >> 6), 0x80 | (byte & 0x3f)]);
        } else {
            out.push(*byte);
        }
    }
}
