//! The records of a binary part (.xlsb): each must lie in its part, so that no length is more than a promise.

/// Longest record of such a part.
const RECORD_MAX: usize = 1 << 20;
/// Most shared strings.
const STRINGS_MAX: u64 = super::package::HELD_MAX;
const STRING_ITEM: u32 = 19;

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Type,
    /// After the first byte of a type of two.
    TypeMore(u8),
    /// In a length: what was read of it, and how many bytes of it.
    Length(usize, u32),
    Body(usize),
}

/// Follows the records as their bytes come.
#[derive(Debug, Default)]
pub(super) struct Records {
    state: State,
    kind: u32,
    strings: u64,
}

impl Records {
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while let Some((byte, rest)) = bytes.split_first() {
            if let State::Body(left) = self.state {
                let count = left.min(bytes.len());
                bytes = bytes.get(count..).unwrap_or_default();
                self.state = if left == count { State::Type } else { State::Body(left - count) };
                continue;
            }
            bytes = rest;
            self.step(*byte)?;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), &'static str> {
        self.state = match self.state {
            State::Type if byte & 0x80 != 0 => State::TypeMore(byte),
            State::Type => self.of_kind(u32::from(byte))?,
            State::TypeMore(low) => self.of_kind(u32::from(low & 0x7f) | (u32::from(byte & 0x7f) << 7))?,
            State::Length(length, place) => {
                let length = length | (usize::from(byte & 0x7f) << (7 * place));
                match (byte & 0x80 != 0, place) {
                    (true, 3) => return Err("a record of it has a length of too many bytes"),
                    (true, _) => State::Length(length, place + 1),
                    (false, _) if length > RECORD_MAX => return Err("a record of it says that it is longer than 1 MiB"),
                    (false, _) if length == 0 => State::Type,
                    (false, _) => State::Body(length),
                }
            }
            State::Body(left) => State::Body(left),
        };
        Ok(())
    }

    fn of_kind(&mut self, kind: u32) -> Result<State, &'static str> {
        self.kind = kind;
        self.strings += u64::from(kind == STRING_ITEM);
        if self.strings > STRINGS_MAX { Err("it has more than 2097152 shared strings") } else { Ok(State::Length(0, 0)) }
    }

    pub(super) fn finish(&self) -> Result<(), &'static str> {
        match self.state {
            State::Type => Ok(()),
            _ => Err("a part of its package ends in the middle of a record"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_must_lie_in_their_part() {
        let check = |bytes: &[u8], step: usize| {
            let mut records = Records::default();
            bytes.chunks(step).try_for_each(|chunk| records.feed(chunk)).and_then(|()| records.finish())
        };
        for step in [1, 2, 100] {
            assert!(check(&[0x81, 0x01, 0x00, 0x13, 0x02, 9, 9, 0x94, 0x01, 0x01, 7], step).is_ok());
            assert!(check(&[0x13, 0x02, 9], step).is_err());
            assert!(check(&[0x13, 0xff, 0xff, 0xff, 0x7f, 0], step).unwrap_err().contains("1 MiB"));
            assert!(check(&[0x13, 0xff, 0xff, 0xff, 0xff, 0], step).unwrap_err().contains("too many"));
        }
    }
}
