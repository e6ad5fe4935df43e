//! Text of any encoding as UTF-8. Nothing is replaced: what the encoding does not have becomes a byte that is never UTF-8, so that the
//! gate refuses the cell in which it stands and no other.

use std::path::{Path, PathBuf};

use encoding_rs::{CoderResult, Decoder, DecoderResult, UTF_16BE, UTF_16LE};

use crate::connection::Encoding;
use crate::error::Error;
use crate::stream::Stage;

/// Stands for what cannot be decoded.
const NEVER_UTF8: u8 = 0xff;

/// The stage that decodes.
pub(crate) enum Transcode {
    Latin1,
    Other { decoder: Box<Decoder>, encoding: &'static encoding_rs::Encoding, path: PathBuf, first: bool },
}

impl Transcode {
    /// None for what is UTF-8 as it stands.
    pub(crate) fn new(path: &Path, encoding: Encoding) -> Option<Self> {
        match encoding {
            Encoding::Utf8 => None,
            Encoding::Latin1 => Some(Self::Latin1),
            Encoding::Other(encoding) => Some(Self::Other {
                decoder: Box::new(encoding.new_decoder_with_bom_removal()),
                encoding,
                path: path.to_path_buf(),
                first: true,
            }),
        }
    }
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    loop {
        let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len());
        let start = out.len();
        out.resize(start + room.max(16), 0);
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, out.get_mut(start..).unwrap_or_default(), last);
        out.truncate(start + written);
        bytes = bytes.get(read..).unwrap_or_default();
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(_, _) => out.push(NEVER_UTF8),
        }
    }
}

impl Stage for Transcode {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Latin1 => bytes.iter().for_each(|byte| match byte {
                0..=0x7f => out.push(*byte),
                _ => out.extend_from_slice(&[0xc0 | (byte >> 6), 0x80 | (byte & 0x3f)]),
            }),
            Self::Other { decoder, encoding, path, first } => {
                if std::mem::take(first) {
                    let other = match bytes {
                        [0xfe, 0xff, ..] if *encoding == UTF_16LE => Some("utf-16be"),
                        [0xff, 0xfe, ..] if *encoding == UTF_16BE => Some("utf-16le"),
                        [0xef, 0xbb, 0xbf, ..] => Some("utf-8"),
                        _ => None,
                    };
                    if let Some(other) = other {
                        return Err(Error::OtherEncoding {
                            path: path.clone(),
                            declared: encoding.name().to_ascii_lowercase(),
                            found: other,
                        });
                    }
                }
                decode(decoder, bytes, false, out);
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if let Self::Other { decoder, .. } = self {
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
        let mut stage = Transcode::new(Path::new("f"), Encoding::of_label(label).unwrap()).unwrap();
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
    fn a_mark_that_says_otherwise_is_an_error() {
        let mut stage = Transcode::new(Path::new("f"), Encoding::of_label("utf-16").unwrap()).unwrap();
        assert!(matches!(stage.push(b"\xfe\xff\0a", &mut Vec::new()), Err(Error::OtherEncoding { found: "utf-16be", .. })));
    }
}
