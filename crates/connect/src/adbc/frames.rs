//! From one process to the other: frames of one kind each, with their lengths before them. A stream of Arrow is cut into as many as it
//! takes, so that a word about what went wrong can stand between any two.

use std::io::{self, Read, Write};

/// Most bytes of a frame.
const FRAME_MAX_BYTES: usize = 16 << 20;
/// Bytes of Arrow that go into one.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: there is a connection to the database.
    Connected,
    /// The names of a relation's columns, as JSON.
    Columns,
    /// A piece of an Arrow stream.
    Arrow,
    /// An outcome, as JSON, behind which nothing comes.
    Outcome,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Connected => b'C',
            Self::Columns => b'N',
            Self::Arrow => b'A',
            Self::Outcome => b'E',
        }
    }

    const fn of(code: u8) -> Option<Self> {
        Some(match code {
            b'C' => Self::Connected,
            b'N' => Self::Columns,
            b'A' => Self::Arrow,
            b'E' => Self::Outcome,
            _ => return None,
        })
    }
}

/// Writes a frame.
pub(super) fn write(out: &mut impl Write, kind: Kind, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= FRAME_MAX_BYTES);
    let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    out.write_all(&[kind.code()])?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(bytes)?;
    out.flush()
}

/// Reads a frame. Where the other end is closed, or sends something else, it is an error.
pub(super) fn read(input: &mut impl Read) -> io::Result<(Kind, Vec<u8>)> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let mut head = [0; 5];
    input.read_exact(&mut head)?;
    let [code, length @ ..] = head;
    let kind = Kind::of(code).ok_or_else(wrong)?;
    let length = usize::try_from(u32::from_be_bytes(length)).ok().filter(|length| *length <= FRAME_MAX_BYTES).ok_or_else(wrong)?;
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok((kind, bytes))
}

/// Writes what it is given as pieces of Arrow.
pub(super) struct Pieces<'a, W>(pub &'a mut W);

impl<W: Write> Write for Pieces<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = bytes.get(..PIECE_BYTES).unwrap_or(bytes);
        write(self.0, Kind::Arrow, piece)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_as_they_were_sent() {
        let mut sent = Vec::new();
        write(&mut sent, Kind::Connected, b"").unwrap();
        write(&mut sent, Kind::Columns, b"[]").unwrap();
        let long = vec![7; PIECE_BYTES + 1];
        Pieces(&mut sent).write_all(&long).unwrap();
        write(&mut sent, Kind::Outcome, b"{}").unwrap();
        let mut input = sent.as_slice();
        let got: Vec<(Kind, usize)> = std::iter::from_fn(|| read(&mut input).ok().map(|(kind, bytes)| (kind, bytes.len()))).collect();
        assert_eq!(got, [(Kind::Connected, 0), (Kind::Columns, 2), (Kind::Arrow, PIECE_BYTES), (Kind::Arrow, 1), (Kind::Outcome, 2)]);
    }

    #[test]
    fn what_is_cut_or_of_no_kind_is_none() {
        let mut sent = Vec::new();
        write(&mut sent, Kind::Columns, b"[1]").unwrap();
        for end in 0..sent.len() {
            assert!(read(&mut &sent[..end]).is_err(), "{end}");
        }
        assert!(read(&mut &b"X\0\0\0\0"[..]).is_err());
        // No memory is taken for what is only promised.
        assert_eq!(read(&mut &b"A\xff\xff\xff\xff"[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(write(&mut Vec::new(), Kind::Arrow, &vec![0; FRAME_MAX_BYTES + 1]).is_err());
    }
}
