//! Texts of a database that stores them as UTF-16.

/// The order of a unit's two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Utf16 {
    Little,
    Big,
}

impl Utf16 {
    /// What `PRAGMA encoding` says; none for UTF-8.
    pub(super) fn of_encoding(encoding: &str) -> Option<Self> {
        match encoding {
            "UTF-16le" => Some(Self::Little),
            "UTF-16be" => Some(Self::Big),
            _ => None,
        }
    }

    /// Appends the text as UTF-8. Half a character, and half a unit, become bytes that are no UTF-8, so that the gate refuses them.
    pub(super) fn write_utf8(self, stored: &[u8], out: &mut Vec<u8>) {
        let (units, odd) = stored.as_chunks::<2>();
        let units = units.iter().map(|unit| match self {
            Self::Little => u16::from_le_bytes(*unit),
            Self::Big => u16::from_be_bytes(*unit),
        });
        for character in char::decode_utf16(units) {
            match character {
                Ok(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(half) => {
                    // Three bytes, as UTF-8 would write the number if it were a character.
                    let number = half.unpaired_surrogate();
                    let [high, low] = number.to_be_bytes();
                    out.extend_from_slice(&[0xe0 | (high >> 4), 0x80 | ((high & 0xf) << 2) | (low >> 6), 0x80 | (low & 0x3f)]);
                }
            }
        }
        if !odd.is_empty() {
            out.push(0xff);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_whole_or_as_what_is_no_text() {
        let of = |order: Utf16, bytes: &[u8]| {
            let mut out = Vec::new();
            order.write_utf8(bytes, &mut out);
            out
        };
        let little: Vec<u8> = "zoë 🦆".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "zoë 🦆".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(of(Utf16::Little, &little), "zoë 🦆".as_bytes());
        assert_eq!(of(Utf16::Big, &big), "zoë 🦆".as_bytes());
        assert_eq!(of(Utf16::Big, &[0xd8, 0x3e, 0, b'a']), [0xed, 0xa0, 0xbe, b'a']);
        assert!(std::str::from_utf8(&of(Utf16::Big, &[0xd8, 0x3e, 0, b'a'])).is_err());
        assert!(std::str::from_utf8(&of(Utf16::Little, &[b'a', 0, b'b'])).is_err());
    }
}
