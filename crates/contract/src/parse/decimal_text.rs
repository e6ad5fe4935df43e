//! A decimal text taken apart: its digits and the place of its last one. Nothing is multiplied out, so no exponent costs memory.

use std::borrow::Cow;

use crate::admitted::Rule;

/// Exponents that the standard library reads as they are; it cuts longer ones off.
const EXPONENT_MAX: u64 = 9_999;
/// Beyond so many places before the point every float is infinite, and beyond so many behind it zero.
const PLACES_MAX: i64 = 1_000;

/// `[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?` as digits times a power of ten.
#[derive(Debug, Clone, Copy)]
pub struct DecimalText<'a> {
    /// The digits, in two pieces, without zeros at either end.
    head: &'a [u8],
    tail: &'a [u8],
    /// The last digit stands for so many times this power of ten.
    power: i64,
    exponent: i64,
    scientific: bool,
}

impl<'a> DecimalText<'a> {
    /// Checks the grammar. Leading zeros are refused, for they mark an identifier.
    pub fn parse(text: &'a [u8]) -> Result<Self, Rule> {
        let mark = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = match mark {
            Some(at) => (text.get(..at).unwrap_or_default(), signed(text.get(at + 1..).unwrap_or_default())?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
            Some(at) => (mantissa.get(..at).unwrap_or_default(), digits(mantissa.get(at + 1..).unwrap_or_default())?),
            None => (mantissa, &[][..]),
        };
        if let [b'0', _, ..] = digits(whole)? {
            return Err(Rule::Type);
        }
        let mut power = exponent.saturating_sub(length(fraction));
        let (mut head, mut tail) = (whole, fraction);
        for piece in [&mut tail, &mut head] {
            let kept = piece.iter().rposition(|byte| *byte != b'0').map_or(0, |at| at + 1);
            let (keep, zeros) = piece.split_at_checked(kept).ok_or(Rule::Type)?;
            (*piece, power) = (keep, power.saturating_add(length(zeros)));
            if !keep.is_empty() {
                break;
            }
        }
        if head == b"0" {
            head = &[];
        }
        if head.is_empty() {
            let zeros = tail.iter().take_while(|byte| **byte == b'0').count();
            tail = tail.get(zeros..).unwrap_or_default();
        }
        Ok(Self { head, tail, power, exponent, scientific: mark.is_some() })
    }

    pub fn is_zero(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// Whether the number has no fraction, the exponent reckoned in.
    pub fn is_whole(&self) -> bool {
        self.is_zero() || self.power >= 0
    }

    /// Places before the point: 3 for 123.4, -2 for 0.001.
    fn places(&self) -> i64 {
        self.power.saturating_add(length(self.head)).saturating_add(length(self.tail))
    }

    /// Whether these are the digits of the number, which is whole.
    pub fn is(&self, digits: &[u8]) -> bool {
        let rest = digits.strip_prefix(self.head).and_then(|rest| rest.strip_prefix(self.tail));
        rest.is_some_and(|zeros| length(zeros) == self.power && zeros.iter().all(|byte| *byte == b'0'))
    }

    /// Whether the text has an exponent, which says that its digits are the significant ones.
    pub fn is_scientific(&self) -> bool {
        self.scientific
    }

    /// How many digits the text has between its zeros.
    pub fn significant(&self) -> usize {
        self.head.len().saturating_add(self.tail.len())
    }

    /// Whether the number is what the standard library wrote as `d.ddde±n`.
    pub fn is_written_as(&self, shown: &str) -> bool {
        let Some((mantissa, exponent)) = shown.trim_start_matches('-').split_once('e') else { return false };
        let digits = mantissa.bytes().filter(|byte| *byte != b'.');
        exponent.parse() == Ok(self.places().saturating_sub(1)) && digits.eq(self.head.iter().chain(self.tail).copied())
    }

    /// What the standard library parses rightly: the whole `text`, sign and all, but where its exponent is too long.
    pub fn parseable<'b>(&self, text: &'b [u8], negative: bool) -> Result<Cow<'b, str>, Rule> {
        if self.exponent.unsigned_abs() <= EXPONENT_MAX {
            return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| Rule::Type);
        }
        if self.is_zero() {
            return Ok(if negative { "-0" } else { "0" }.into());
        }
        let places = self.places();
        if places.abs() > PLACES_MAX {
            return Err(Rule::TypeRange);
        }
        let ascii = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(format!("{}0.{}{}e{places}", if negative { "-" } else { "" }, ascii(self.head), ascii(self.tail)).into())
    }
}

fn length(digits: &[u8]) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

/// One digit at least, and nothing else.
fn digits(text: &[u8]) -> Result<&[u8], Rule> {
    if !text.is_empty() && text.iter().all(u8::is_ascii_digit) { Ok(text) } else { Err(Rule::Type) }
}

/// An exponent; a long one becomes the largest.
fn signed(text: &[u8]) -> Result<i64, Rule> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let value = digits(rest)?.iter().fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(*digit - b'0')));
    Ok(if negative { -value } else { value })
}
