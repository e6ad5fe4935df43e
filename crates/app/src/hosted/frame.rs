//! What a command and the serving process say to each other: a kind, a length, bytes. Both are the same program.

use std::io::{self, Read, Write};

/// Longest frame, in bytes.
pub const FRAME_MAX_BYTES: usize = 1 << 20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command, as JSON: the first frame of the caller, and the only one unless it is asked.
    Command,
    /// For standard output.
    Output,
    /// For standard error.
    Note,
    /// The caller is to read standard input, at most so many bytes (eight, big endian), and send it.
    ReadInput,
    /// The caller is to ask a person, and send the line.
    Confirm,
    /// The same, and the terminal is not to show it.
    Hidden,
    /// The caller is to sign a request with its approver's key, and send the signature.
    Sign,
    /// What was read.
    Input,
    /// The last part of it.
    InputEnd,
    /// The end: the exit code, one byte.
    Exit,
    /// The caller was told to end: one byte, the number of the signal.
    Told,
}

const KINDS: [Kind; 11] = [
    Kind::Command,
    Kind::Output,
    Kind::Note,
    Kind::ReadInput,
    Kind::Confirm,
    Kind::Hidden,
    Kind::Sign,
    Kind::Input,
    Kind::InputEnd,
    Kind::Exit,
    Kind::Told,
];

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Command => 1,
            Self::Output => 2,
            Self::Note => 3,
            Self::ReadInput => 4,
            Self::Confirm => 5,
            Self::Input => 6,
            Self::InputEnd => 7,
            Self::Exit => 8,
            Self::Hidden => 9,
            Self::Sign => 10,
            Self::Told => 11,
        }
    }
}

/// Writes one frame.
///
/// # Errors
/// When the other side is gone, or the frame is too long.
pub fn write(to: &mut impl Write, kind: Kind, bytes: &[u8]) -> io::Result<()> {
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a frame is longer than 1 MiB");
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= FRAME_MAX_BYTES).ok_or_else(too_long)?;
    let mut frame = Vec::with_capacity(bytes.len().saturating_add(5));
    frame.push(kind.byte());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(bytes);
    to.write_all(&frame)
}

/// Reads one frame; none when the other side closed between two.
///
/// # Errors
/// When it is cut off, too long or of no known kind.
pub fn read(from: &mut impl Read) -> io::Result<Option<(Kind, Vec<u8>)>> {
    let mut kind = [0u8; 1];
    if from.read(&mut kind)? == 0 {
        return Ok(None);
    }
    let wrong = |text| io::Error::new(io::ErrorKind::InvalidData, text);
    let [kind] = kind;
    let kind = KINDS.into_iter().find(|known| known.byte() == kind).ok_or_else(|| wrong("a frame is of no known kind"))?;
    let mut length = [0u8; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_MAX_BYTES {
        return Err(wrong("a frame is longer than 1 MiB"));
    }
    let mut bytes = vec![0u8; length];
    from.read_exact(&mut bytes)?;
    Ok(Some((kind, bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_written_and_others_are_refused() {
        let mut wire = Vec::new();
        for kind in KINDS {
            write(&mut wire, kind, &[kind.byte(); 3]).unwrap();
        }
        let mut from = wire.as_slice();
        for kind in KINDS {
            assert_eq!(read(&mut from).unwrap().unwrap(), (kind, vec![kind.byte(); 3]));
        }
        assert!(read(&mut from).unwrap().is_none());
        for cut in 1..8 {
            assert!(read(&mut &wire[..cut]).is_err(), "{cut}");
        }
        assert!(read(&mut [200u8, 0, 0, 0, 0].as_slice()).is_err());
        assert!(read(&mut [2u8, 0, 0x20, 0, 0].as_slice()).is_err(), "2 MiB");
        assert!(write(&mut Vec::new(), Kind::Output, &vec![0; FRAME_MAX_BYTES + 1]).is_err());
    }
}
