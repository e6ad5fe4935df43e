//! Values of `numeric` as the server sends them: groups of four decimal digits, the place of the first, the sign, and how many digits
//! behind the point are shown.

use super::Damaged;

/// What a group of four digits counts to.
const GROUP: u64 = 10_000;
/// Digits of a group.
const GROUP_DIGITS: i32 = 4;
/// Groups of which four fit 64 bits.
const FEW_GROUPS: usize = 4;
/// Most digits behind the point.
const SHOWN_MAX: u16 = 0x3fff;
const SIGN_PLUS: u16 = 0x0000;
const SIGN_MINUS: u16 = 0x4000;
const SIGN_NAN: u16 = 0xc000;
const SIGN_INFINITY: u16 = 0xd000;
const SIGN_MINUS_INFINITY: u16 = 0xf000;

/// A value taken apart.
struct Parts<'a> {
    /// Pairs of bytes, the most significant group first.
    groups: &'a [[u8; 2]],
    /// The first group counts this power of 10,000.
    weight: i32,
    sign: u16,
    /// Digits behind the point that are shown.
    shown: u16,
}

impl<'a> Parts<'a> {
    #[inline]
    fn of(value: &'a [u8]) -> Result<Self, Damaged> {
        let (head, rest) = value.split_first_chunk::<8>().ok_or(Damaged)?;
        let [n1, n2, w1, w2, s1, s2, d1, d2] = *head;
        let (groups, odd) = rest.as_chunks::<2>();
        let sign = u16::from_be_bytes([s1, s2]);
        let shown = u16::from_be_bytes([d1, d2]);
        let fits = odd.is_empty() && groups.len() == usize::from(u16::from_be_bytes([n1, n2])) && shown <= SHOWN_MAX;
        let known = match sign {
            SIGN_PLUS | SIGN_MINUS => true,
            SIGN_NAN | SIGN_INFINITY | SIGN_MINUS_INFINITY => groups.is_empty(),
            _ => false,
        };
        if !fits || !known {
            return Err(Damaged);
        }
        Ok(Self { groups, weight: i32::from(i16::from_be_bytes([w1, w2])), sign, shown })
    }

    /// The text that stands for what is no number.
    fn no_number(&self) -> Option<&'static str> {
        match self.sign {
            SIGN_NAN => Some("NaN"),
            SIGN_INFINITY => Some("Infinity"),
            SIGN_MINUS_INFINITY => Some("-Infinity"),
            _ => None,
        }
    }
}

/// The digits of a group.
#[inline]
fn group(bytes: [u8; 2]) -> Result<u64, Damaged> {
    let group = u64::from(u16::from_be_bytes(bytes));
    if group < GROUP { Ok(group) } else { Err(Damaged) }
}

/// Ten to this power, where 128 bits hold it.
fn power(exponent: u32) -> Option<u128> {
    10u128.checked_pow(exponent)
}

/// Powers of ten that 64 bits hold.
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut exponent = 1;
    while let Some((known, [next, ..])) = powers.split_at_mut_checked(exponent) {
        if let Some(last) = known.last() {
            *next = *last * 10;
        }
        exponent += 1;
    }
    powers
};

/// A decimal with so many digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits {
    scale: i32,
    /// What no unscaled value reaches.
    end: u128,
}

impl Digits {
    /// Of at most 38 digits in all, `scale` of them behind the point.
    pub(super) fn new(precision: u8, scale: u8) -> Self {
        Self { scale: i32::from(scale), end: power(u32::from(precision)).unwrap_or(0) }
    }

    /// The value times ten to the power of the scale; none where that is no whole number of so many digits.
    #[inline]
    pub(super) fn unscaled(self, value: &[u8]) -> Result<Option<i128>, Damaged> {
        let parts = Parts::of(value)?;
        if parts.no_number().is_some() {
            return Ok(None);
        }
        let count = i32::try_from(parts.groups.len()).map_err(|_| Damaged)?;
        // What one of the last group counts, as a power of ten.
        let exponent = GROUP_DIGITS * (parts.weight - count + 1) + self.scale;
        let magnitude = if parts.groups.len() <= FEW_GROUPS { few(parts.groups, exponent)? } else { many(parts.groups, exponent)? };
        let whole = magnitude.filter(|magnitude| *magnitude < self.end).and_then(|magnitude| i128::try_from(magnitude).ok());
        Ok(whole.map(|whole| if parts.sign == SIGN_MINUS { -whole } else { whole }))
    }
}

/// Of groups that fit 64 bits together.
#[inline]
fn few(groups: &[[u8; 2]], exponent: i32) -> Result<Option<u128>, Damaged> {
    let mut number = 0u64;
    for bytes in groups {
        number = number * GROUP + group(*bytes)?;
    }
    let steps = exponent.unsigned_abs();
    let small = usize::try_from(steps).ok().and_then(|steps| POWERS.get(steps)).copied();
    Ok(match small {
        Some(power) if exponent >= 0 => Some(u128::from(number) * u128::from(power)),
        Some(power) if number.is_multiple_of(power) => Some(u128::from(number / power)),
        _ if number == 0 => Some(0),
        None if exponent > 0 => power(steps).and_then(|power| u128::from(number).checked_mul(power)),
        _ => None,
    })
}

/// Of any groups.
fn many(groups: &[[u8; 2]], exponent: i32) -> Result<Option<u128>, Damaged> {
    let (mut groups, mut exponent) = (groups, exponent);
    while let [before @ .., [0, 0]] = groups {
        (groups, exponent) = (before, exponent + GROUP_DIGITS);
    }
    let Some((last, groups)) = groups.split_last() else { return Ok(Some(0)) };
    let last = group(*last)?;
    // How many of the last group's digits count, and how many zeros follow them.
    let (kept, zeros) = match exponent {
        0.. => (4, exponent.unsigned_abs()),
        -3..0 => (4 - exponent.unsigned_abs(), 0),
        _ => return Ok(None),
    };
    let cut = 10u64.pow(4 - kept);
    if !last.is_multiple_of(cut) {
        return Ok(None);
    }
    let mut number = Some(0u128);
    for bytes in groups {
        let digits = group(*bytes)?;
        number = number.and_then(|number| number.checked_mul(u128::from(GROUP))?.checked_add(u128::from(digits)));
    }
    let number = number.and_then(|number| number.checked_mul(power(kept)?)?.checked_add(u128::from(last / cut)));
    Ok(number.and_then(|number| number.checked_mul(power(zeros)?)))
}

/// Writes the value as the server does.
pub(super) fn write(value: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    let parts = Parts::of(value)?;
    if let Some(text) = parts.no_number() {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let groups = parts.groups.iter().map(|bytes| group(*bytes)).collect::<Result<Vec<_>, _>>()?;
    let at = |place: i32| usize::try_from(place).ok().and_then(|place| groups.get(place)).copied().unwrap_or(0);
    if parts.sign == SIGN_MINUS {
        out.push(b'-');
    }
    let start = out.len();
    for place in 0..=parts.weight {
        write_group(at(place), 4, out);
    }
    // Zeros at the front say nothing.
    let zeros = out.iter().skip(start).take_while(|digit| **digit == b'0').count();
    out.drain(start..start + zeros);
    if out.len() == start {
        out.push(b'0');
    }
    if parts.shown > 0 {
        out.push(b'.');
    }
    let mut left = usize::from(parts.shown);
    let mut place = parts.weight + 1;
    while left > 0 {
        write_group(at(place), left.min(4), out);
        left = left.saturating_sub(4);
        place += 1;
    }
    // No server hides digits.
    let shown = i32::from(parts.shown);
    let hidden = groups.iter().zip(0i32..).any(|(group, place)| {
        let behind = GROUP_DIGITS * (place - parts.weight);
        *group > 0 && behind > shown && (behind - shown >= 4 || !group.is_multiple_of(10u64.pow((behind - shown).unsigned_abs())))
    });
    if hidden { Err(Damaged) } else { Ok(()) }
}

/// The first of a group's four digits.
fn write_group(group: u64, digits: usize, out: &mut Vec<u8>) {
    let mut one = GROUP / 10;
    for _ in 0..digits {
        out.push(b'0' + u8::try_from(group / one % 10).unwrap_or(0));
        one /= 10;
    }
}

/// Writes an unscaled value, without zeros at the end of its fraction: so an integer is one.
pub(super) fn write_unscaled(value: i128, scale: u8, out: &mut Vec<u8>) {
    let digits = value.unsigned_abs().to_string();
    let places = usize::from(scale);
    // One digit stands before the point at least.
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at_checked(padded.len() - places).unwrap_or((&padded, ""));
    let fraction = fraction.trim_end_matches('0');
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(whole.as_bytes());
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}
