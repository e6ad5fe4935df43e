//! Text of any encoding as UTF-8. Nothing is replaced: what the encoding does not have becomes a byte that is never UTF-8, so that the
//! gate refuses the cell in which it stands and no other.

use std::path::Path;

use encoding_rs::{CoderResult, Decoder, DecoderResult, UTF_16BE, UTF_16LE};

use crate::connection::Encoding;
use crate::error::Error;
use crate::stream::Stage;

/// Stands for what cannot be decoded.
const NEVER_UTF8: u8 = 0xff;
/// Least room for what a decoder gives: more than any character takes.
const LEAST_ROOM_BYTES: usize = 16;
/// Longest byte-order mark.
pub(crate) const MARK_MAX_BYTES: usize = 3;

/// How long the byte-order mark is with which a text begins. One of another encoding than the declared one is an error.
pub(crate) fn mark_len(path: &Path, declared: Encoding, head: &[u8]) -> Result<usize, Error> {
    let (marked, found, len) = match head {
        [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, "utf-8", 3),
        [0xff, 0xfe, ..] => (Encoding::Other(UTF_16LE), "utf-16le", 2),
        [0xfe, 0xff, ..] => (Encoding::Other(UTF_16BE), "utf-16be", 2),
        _ => return Ok(0),
    };
    match (declared, marked) {
        _ if declared == marked => Ok(len),
        (Encoding::Utf8 | Encoding::Latin1, Encoding::Other(_)) => Err(Error::Utf16 { path: path.to_path_buf() }),
        _ => Err(Error::OtherEncoding { path: path.to_path_buf(), declared: declared.label(), found }),
    }
}

/// The stage that decodes.
pub(crate) enum Transcode {
    Latin1,
    Other(Box<Decoder>),
}

impl Transcode {
    /// None for what is UTF-8 as it stands.
    pub(crate) fn new(encoding: Encoding) -> Option<Self> {
        match encoding {
            Encoding::Utf8 => None,
            Encoding::Latin1 => Some(Self::Latin1),
            Encoding::Other(encoding) => Some(Self::Other(Box::new(encoding.new_decoder_with_bom_removal()))),
        }
    }
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    let mut at = out.len();
    // Room for all of it at once: to make it anew behind each byte that cannot be decoded would take the square of the time.
    out.resize(at + room(decoder, bytes.len()), 0);
    loop {
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, out.get_mut(at..).unwrap_or_default(), last);
        at += written;
        bytes = bytes.get(read..).unwrap_or_default();
        match result {
            DecoderResult::InputEmpty => break,
            DecoderResult::OutputFull => out.resize(out.len().max(at + room(decoder, bytes.len())) + LEAST_ROOM_BYTES, 0),
            DecoderResult::Malformed(_, _) => {
                match out.get_mut(at) {
                    Some(byte) => *byte = NEVER_UTF8,
                    None => out.push(NEVER_UTF8),
                }
                at += 1;
            }
        }
    }
    out.truncate(at);
}

/// How many bytes that many become at most.
fn room(decoder: &Decoder, bytes: usize) -> usize {
    decoder.max_utf8_buffer_length_without_replacement(bytes).unwrap_or(bytes).max(LEAST_ROOM_BYTES)
}

impl Stage for Transcode {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Latin1 => bytes.iter().for_each(|byte| match byte {
                0..=0x7f => out.push(*byte),
                _ => out.extend_from_slice(&[0xc0 | (byte >> 6), 0x80 | (byte & 0x3f)]),
            }),
            Self::Other(decoder) => decode(decoder, bytes, false, out),
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if let Self::Other(decoder) = self {
            decode(decoder, &[], true, out);
        }
        Ok(())
    }
}

/// Whether all bytes are text of that encoding, for a suggestion.
pub(crate) fn reads_as(encoding: &'static encoding_rs::Encoding, bytes: &[u8]) -> bool {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut out = vec![0u8; decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(0)];
    let (result, _, _, replaced) = decoder.decode_to_utf8(bytes, &mut out, false);
    result == CoderResult::InputEmpty && !replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(label: &str, bytes: &[u8], step: usize) -> Vec<u8> {
        let mut stage = Transcode::new(Encoding::of_label(label).unwrap()).unwrap();
        let mut out = Vec::new();
        bytes.chunks(step).for_each(|chunk| stage.push(chunk, &mut out).unwrap());
        stage.finish(&mut out).unwrap();
        out
    }

    #[test]
    fn text_is_the_same_however_it_is_cut() {
        let text = "œuvre;12 €\r\nŽižek;\u{1f600}\n";
        let le: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for step in [1, 2, 3, 7, 1000] {
            assert_eq!(all("utf-16le", &le, step.max(2)), text.as_bytes(), "{step}");
            assert_eq!(all("utf-16be", &be, step), text.as_bytes(), "{step}");
            assert_eq!(all("windows-1252", b"\x9cuvre \x80", step), "œuvre €".as_bytes());
            assert_eq!(all("iso-8859-15", b"\xbduvre \xa4", step), "œuvre €".as_bytes());
            assert_eq!(all("latin-1", b"caf\xe9 \x80", step), "café \u{80}".as_bytes());
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_marked_and_the_rest_stays() {
        let lone: Vec<u8> = [0x61u16, 0xd800, 0x62].into_iter().flat_map(u16::to_le_bytes).collect();
        assert_eq!(all("utf-16le", &lone, 2), b"a\xffb");
        assert_eq!(all("utf-16le", b"a\0b", 3), b"a\xff");
        assert_eq!(all("shift_jis", b"a\x81 b", 9), b"a\xff b");
    }

    #[test]
    fn bytes_that_cannot_be_decoded_take_no_more_time_than_others() {
        // With room made anew behind each of them this would not end.
        let lone = [0x00u8, 0xd8].repeat(1 << 18);
        assert!(all("utf-16le", &lone, lone.len()) == vec![0xff; 1 << 18]);
        let wrong = b"\x81\x20".repeat(1 << 18);
        assert!(all("shift_jis", &wrong, wrong.len()) == b"\xff\x20".repeat(1 << 18));
    }

    #[test]
    fn a_mark_that_says_otherwise_is_an_error() {
        let mark = |label, head: &[u8]| match mark_len(Path::new("f"), Encoding::of_label(label).unwrap(), head) {
            Ok(len) => len.to_string(),
            Err(Error::OtherEncoding { declared, found, .. }) => format!("{found} not {declared}"),
            Err(error) => error.to_string().split(';').next().unwrap_or_default().to_owned(),
        };
        let marks: [&[u8]; 4] = [b"\xef\xbb\xbfa", b"\xff\xfea\0", b"\xfe\xff\0a", b"abc"];
        for (label, told) in [
            ("utf-8", ["3", "decode f: it is UTF-16", "decode f: it is UTF-16", "0"]),
            ("latin-1", ["utf-8 not latin-1", "decode f: it is UTF-16", "decode f: it is UTF-16", "0"]),
            ("windows-1252", ["utf-8 not windows-1252", "utf-16le not windows-1252", "utf-16be not windows-1252", "0"]),
            ("utf-16", ["utf-8 not utf-16le", "2", "utf-16be not utf-16le", "0"]),
            ("utf-16be", ["utf-8 not utf-16be", "utf-16le not utf-16be", "2", "0"]),
        ] {
            assert_eq!(marks.map(|head| mark(label, head)), told, "{label}");
        }
        assert_eq!(mark("latin-1", b"\xef\xbb"), "0");
    }
}
