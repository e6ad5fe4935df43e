//! Packets of the client/server protocol: frames over a stream, and a reader of their fields that takes no length on trust.

use std::io::{self, Read, Write};

use super::fault::{Fault, Refusal};

/// A frame of this length is not the last of its packet.
const FRAME_MAX: usize = 0xff_ffff;
/// Read from the stream at once, at most.
const BUFFER_BYTES: usize = 256 << 10;

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Whole,
    /// Longer than one frame, 16 MiB: it was read to its end, and nothing of it kept.
    TooLong,
}

/// A stream of packets.
pub(super) struct Link<S> {
    stream: S,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The number that the next frame has, of either side.
    sequence: u8,
}

impl<S: Read + Write> Link<S> {
    pub(super) fn new(stream: S, sequence: u8) -> Self {
        Self { stream, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, sequence }
    }

    /// The stream and the number of the next frame, for a link over another stream above it. Whatever came already and was not asked
    /// for would be taken for a part of what comes over that one.
    pub(super) fn into_stream(self) -> Result<(S, u8), Fault> {
        match self.start == self.end {
            true => Ok((self.stream, self.sequence)),
            false => Err(Fault::Damaged("bytes came before they were asked for")),
        }
    }

    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    /// Begins a command: its packets are numbered anew.
    pub(super) fn begin(&mut self) {
        self.sequence = 0;
    }

    pub(super) fn send(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() < FRAME_MAX);
        let Some([a, b, c, _]) = length.map(u32::to_le_bytes) else {
            return Err(Fault::Damaged("a command is too long"));
        };
        let mut frame = Vec::with_capacity(payload.len() + 4);
        frame.extend_from_slice(&[a, b, c, self.sequence]);
        frame.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(&frame)?;
        self.stream.flush()?;
        Ok(())
    }

    /// Puts the next packet behind what is in `into`.
    #[inline]
    pub(super) fn receive(&mut self, into: &mut Vec<u8>) -> Result<Length, Fault> {
        let length = self.header()?;
        if length == FRAME_MAX {
            self.skip(length)?;
            loop {
                let more = self.header()?;
                self.skip(more)?;
                if more < FRAME_MAX {
                    return Ok(Length::TooLong);
                }
            }
        }
        let here = self.buffer.get(self.start..self.end).unwrap_or_default();
        match here.get(..length) {
            Some(payload) => {
                into.extend_from_slice(payload);
                self.start += length;
            }
            None => {
                into.extend_from_slice(here);
                let mut missing = length - here.len();
                (self.start, self.end) = (0, 0);
                while missing > 0 {
                    self.fill(1)?;
                    let taken = missing.min(self.end);
                    into.extend_from_slice(self.buffer.get(..taken).unwrap_or_default());
                    self.start = taken;
                    missing -= taken;
                }
            }
        }
        Ok(Length::Whole)
    }

    /// A packet by itself, not a long one.
    pub(super) fn packet(&mut self) -> Result<Vec<u8>, Fault> {
        let mut packet = Vec::new();
        match self.receive(&mut packet)? {
            Length::Whole => Ok(packet),
            Length::TooLong => Err(Fault::Damaged("a packet is too long")),
        }
    }

    #[inline]
    fn header(&mut self) -> Result<usize, Fault> {
        self.fill(4)?;
        let Some([a, b, c, number]) = self.buffer.get(self.start..).and_then(|rest| rest.first_chunk::<4>()) else {
            return Err(Fault::Damaged("a frame has no head"));
        };
        if *number != self.sequence {
            return Err(Fault::Damaged("a frame is out of order"));
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.start += 4;
        usize::try_from(u32::from_le_bytes([*a, *b, *c, 0])).map_err(|_| Fault::Damaged("a frame is too long"))
    }

    /// Sees to it that so many bytes, which fit the buffer, are in it.
    #[inline]
    fn fill(&mut self, wanted: usize) -> Result<(), Fault> {
        if self.end - self.start >= wanted {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < wanted {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.stream.read(free) {
                Ok(0) => return Err(Fault::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => self.end += read.min(free.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn skip(&mut self, mut bytes: usize) -> Result<(), Fault> {
        while bytes > 0 {
            self.fill(1)?;
            let taken = bytes.min(self.end - self.start);
            self.start += taken;
            bytes -= taken;
        }
        Ok(())
    }
}

/// The fields of a packet, from its beginning. None where it ends too early.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.chunk::<1>().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    /// Up to a zero byte, which is stepped over, or to the end.
    pub(super) fn until_zero(&mut self) -> &'a [u8] {
        let length = memchr::memchr(0, self.0).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or((self.0, &[]));
        self.0 = rest.get(1..).unwrap_or_default();
        taken
    }

    /// A number of a length that it says itself. Where a null may stand, see [`Fields::text`].
    pub(super) fn number(&mut self) -> Option<u64> {
        Some(match self.u8()? {
            short @ 0..=0xfa => u64::from(short),
            0xfc => u64::from(self.u16()?),
            0xfd => {
                let [a, b, c] = self.chunk()?;
                u64::from(u32::from_le_bytes([a, b, c, 0]))
            }
            0xfe => u64::from_le_bytes(self.chunk()?),
            _ => return None,
        })
    }

    /// Bytes with their length before them.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// The same, or a null.
    pub(super) fn text(&mut self) -> Option<Option<&'a [u8]>> {
        match self.0 {
            [0xfb, rest @ ..] => {
                self.0 = rest;
                Some(None)
            }
            _ => self.bytes().map(Some),
        }
    }
}

/// The error in a packet that begins with 0xff.
pub(super) fn refusal(packet: &[u8]) -> Fault {
    let mut fields = Fields(packet);
    let number = fields.u8().and_then(|_| fields.u16()).unwrap_or(0);
    let (state, text) = match fields.0 {
        [b'#', rest @ ..] => rest.split_at_checked(5).unwrap_or((rest, &[])),
        rest => (&b"HY000"[..], rest),
    };
    let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Fault::Refused(Refusal { number, state: owned(state), text: owned(text) })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A server that says what is written down, whatever it is told.
    #[derive(Debug, Default)]
    pub(crate) struct Script {
        pub says: Vec<u8>,
        pub at: usize,
        /// Most bytes that one read gives.
        pub most: usize,
        pub told: Vec<u8>,
    }

    impl Script {
        pub(crate) fn of(packets: &[(u8, &[u8])]) -> Self {
            let mut says = Vec::new();
            for (number, payload) in packets {
                says.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes()[..3]);
                says.push(*number);
                says.extend_from_slice(payload);
            }
            Self { says, at: 0, most: usize::MAX, told: Vec::new() }
        }
    }

    impl Read for Script {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let rest = &self.says[self.at..];
            let taken = rest.len().min(into.len()).min(self.most.max(1));
            into[..taken].copy_from_slice(&rest[..taken]);
            self.at += taken;
            Ok(taken)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.told.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn packets_come_whole_however_the_stream_is_cut() {
        let long: Vec<u8> = (0..700_000u32).map(|at| (at % 251) as u8).collect();
        let packets: [(u8, &[u8]); 4] = [(0, b"abc"), (1, b""), (2, &long), (3, b"z")];
        for most in [1usize, 3, 4, 5, 1_000, 262_144, usize::MAX] {
            let mut link = Link::new(Script { most, ..Script::of(&packets) }, 0);
            let mut all = Vec::new();
            for (_, payload) in packets {
                all.clear();
                all.push(7);
                assert_eq!(link.receive(&mut all).unwrap(), Length::Whole);
                assert!(all[1..] == *payload, "{most}");
            }
            assert!(matches!(link.packet(), Err(Fault::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof));
        }
    }

    #[test]
    fn an_end_inside_a_packet_is_no_end() {
        let whole = Script::of(&[(0, b"abcdef")]);
        for cut in 0..whole.says.len() {
            let mut link = Link::new(Script { says: whole.says[..cut].to_vec(), most: usize::MAX, ..Script::default() }, 0);
            assert!(matches!(link.packet(), Err(Fault::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof), "{cut}");
        }
    }

    #[test]
    fn a_packet_that_is_too_long_is_read_to_its_end() {
        let frame = vec![5u8; FRAME_MAX];
        let mut link = Link::new(Script::of(&[(0, &frame), (1, &frame), (2, b""), (3, b"next")]), 0);
        let mut into = Vec::new();
        assert_eq!(link.receive(&mut into).unwrap(), Length::TooLong);
        assert!(into.is_empty());
        assert_eq!(link.packet().unwrap(), b"next");
        let mut link = Link::new(Script::of(&[(0, &frame), (1, b"")]), 0);
        assert!(matches!(link.packet(), Err(Fault::Damaged("a packet is too long"))));
    }

    #[test]
    fn a_frame_out_of_order_is_refused() {
        let mut link = Link::new(Script::of(&[(0, b"a"), (2, b"b")]), 0);
        assert_eq!(link.packet().unwrap(), b"a");
        assert!(matches!(link.packet(), Err(Fault::Damaged("a frame is out of order"))));
    }

    #[test]
    fn bytes_that_came_before_they_were_asked_for_are_refused() {
        let mut link = Link::new(Script::of(&[(0, b"greeting"), (1, b"more")]), 0);
        link.packet().unwrap();
        assert!(matches!(link.into_stream(), Err(Fault::Damaged("bytes came before they were asked for"))));
        let mut link = Link::new(Script::of(&[(0, b"greeting")]), 0);
        link.packet().unwrap();
        assert_eq!(link.into_stream().unwrap().1, 1);
    }

    #[test]
    fn no_length_is_taken_on_trust() {
        let mut fields = Fields(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(fields.bytes(), None);
        for cut in 0..4 {
            assert_eq!(Fields(&[0xfd, 1, 0, 0][..cut]).number(), None);
        }
        assert_eq!(Fields(&[0xfd, 1, 2, 3]).number(), Some(0x03_0201));
        assert_eq!(Fields(&[0xfc, 1, 2]).number(), Some(0x0201));
        assert_eq!(Fields(&[0xff]).number(), None);
        assert_eq!(Fields(&[0xfb]).number(), None);
        assert_eq!(Fields(&[0xfb]).text(), Some(None));
        assert_eq!(Fields(&[2, b'a', b'b']).text(), Some(Some(&b"ab"[..])));
        assert_eq!(Fields(&[3, b'a', b'b']).text(), None);
        let mut fields = Fields(b"ab\0c");
        assert_eq!((fields.until_zero(), fields.until_zero(), fields.until_zero()), (&b"ab"[..], &b"c"[..], &b""[..]));
    }

    #[test]
    fn an_error_is_read_however_short_it_is() {
        let whole = b"\xff\x15\x04#28000Access denied";
        for cut in 0..=whole.len() {
            assert!(matches!(refusal(&whole[..cut]), Fault::Refused(_)));
        }
        let Fault::Refused(read) = refusal(whole) else { panic!("no refusal") };
        assert_eq!((read.number, read.state.as_str(), read.text.as_str()), (1045, "28000", "Access denied"));
        let Fault::Refused(read) = refusal(b"\xff\x10\x04Too many connections") else { panic!("no refusal") };
        assert_eq!((read.number, read.state.as_str(), read.text.as_str()), (1040, "HY000", "Too many connections"));
    }
}
