//! Numbers as text: integers and decimals exactly, floats correctly rounded.

use std::fmt::LowerExp;

use crate::admitted::Rule;
use crate::parse::decimal_text::DecimalText;
use crate::parse::swar::{self, Tail};

/// Digits that surely fit a `u64`.
const DIGITS_U64: usize = 19;

/// An integer: `-?(0|[1-9][0-9]*)`. Leading zeros are refused, for they mark an identifier, which a number would lose.
#[inline]
pub fn integer(bytes: &[u8]) -> Result<i64, Rule> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    match digits {
        [] => return Err(Rule::Type),
        [b'0', _, ..] => return Err(Rule::Type),
        _ => {}
    }
    if digits.len() > DIGITS_U64 {
        return if digits.iter().all(u8::is_ascii_digit) { Err(Rule::TypeRange) } else { Err(Rule::Type) };
    }
    let mut value: u64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(Rule::Type);
        }
        // 19 digits are below 10^19, which is below 2^64.
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    if negative { 0i64.checked_sub_unsigned(value).ok_or(Rule::TypeRange) } else { i64::try_from(value).map_err(|_| Rule::TypeRange) }
}

/// [`integer`], given the cell's last bytes: up to eight digits at once.
#[inline]
pub fn integer_of(bytes: &[u8], tail: Tail) -> Result<i64, Rule> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let padded = matches!(digits, [b'0', _, ..]);
    if digits.is_empty() || digits.len() > 8 || padded {
        return integer(bytes);
    }
    let value = swar::eight_digits(swar::keep(tail, digits.len())).ok_or(Rule::Type)?.cast_signed();
    Ok(if negative { -value } else { value })
}

/// [`decimal`], given the cell's last bytes: digits with exactly `scale` places, the last seven at once. Up to 18 digits of
/// precision, so that the value fits 64 bits.
#[inline]
pub fn decimal_of(bytes: &[u8], tail: Tail, precision: u8, scale: u8) -> Result<i64, Rule> {
    let slow = || decimal(bytes, precision, scale).and_then(|value| i64::try_from(value).map_err(|_| Rule::TypeRange));
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let places = usize::from(scale);
    if places == 0 || places > 6 || digits.len() < places + 2 || digits.len() > usize::from(precision) + 1 || digits.len() > 9 {
        return slow();
    }
    let point = u32::from(8 * (7 - scale));
    if matches!(digits, [b'0', b'0'..=b'9', ..]) || (tail >> point) & 0xff != u64::from(b'.') {
        return slow();
    }
    // Everything before the point moves up by one byte, over it.
    let fraction = u64::MAX << (point + 8);
    let joined = swar::keep((tail & fraction) | ((tail << 8) & !fraction), (digits.len() - 1).min(7));
    let Some(low) = swar::eight_digits(joined) else { return slow() };
    let value = match digits {
        [first @ b'0'..=b'9', _, _, _, _, _, _, _, _] => u64::from(*first - b'0') * 10_000_000 + low,
        [_, _, _, _, _, _, _, _, _] => return slow(),
        _ => low,
    }
    .cast_signed();
    Ok(if negative { -value } else { value })
}

/// A decimal without exponent, as its unscaled value: `12.30` at scale 2 is 1230. Places beyond the scale must be zeros.
#[inline]
pub fn decimal(bytes: &[u8], precision: u8, scale: u8) -> Result<i128, Rule> {
    let (negative, rest) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if let Some(fast) = short_decimal(rest, precision, scale) {
        return Ok(if negative { -fast } else { fast });
    }
    let value = long_decimal(rest, precision, scale)?;
    Ok(if negative { -value } else { value })
}

/// At most 18 digits with exactly the right places after the point: what files mostly hold.
#[inline]
fn short_decimal(digits: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let places = usize::from(scale);
    if digits.len() > 18 || places == 0 || digits.len() < places + 2 {
        return None;
    }
    let (whole, fraction) = digits.split_at_checked(digits.len() - places - 1)?;
    if let [b'0', _, ..] = whole {
        return None;
    }
    let [b'.', fraction @ ..] = fraction else { return None };
    if whole.len() + places > usize::from(precision) {
        return None;
    }
    let mut value: u64 = 0;
    for byte in whole.iter().chain(fraction) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Some(i128::from(value))
}

#[cold]
fn long_decimal(digits: &[u8], precision: u8, scale: u8) -> Result<i128, Rule> {
    let point = digits.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (digits.get(..at).unwrap_or_default(), digits.get(at + 1..).unwrap_or_default()),
        None => (digits, &[][..]),
    };
    let point_alone = point.is_some() && fraction.is_empty();
    if whole.is_empty() || point_alone || matches!(whole, [b'0', _, ..]) || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(Rule::Type);
    }
    let mut value: i128 = 0;
    let kept = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(usize::from(scale));
    for byte in whole.iter().copied().chain(kept) {
        value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(byte - b'0'))).ok_or(Rule::TypeRange)?;
    }
    if fraction.get(usize::from(scale)..).unwrap_or_default().iter().any(|byte| *byte != b'0') {
        return Err(Rule::Precision);
    }
    if value >= power_of_ten(precision) { Err(Rule::TypeRange) } else { Ok(value) }
}

/// 10^exponent, for exponents up to 38.
pub fn power_of_ten(exponent: u8) -> i128 {
    10i128.checked_pow(u32::from(exponent)).unwrap_or(i128::MAX)
}

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// A double: `-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?`, correctly rounded. Refused are a whole number that a double does not hold exactly
/// (with an exponent: that is not the double rounded to as many digits), a fraction at 2^52 and beyond, where a double has none, and
/// what would become zero or infinite.
#[inline]
pub fn double(bytes: &[u8]) -> Result<f64, Rule> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if matches!(digits, [b'0', b'0'..=b'9', ..]) {
        return Err(Rule::Type);
    }
    let mut mantissa: u64 = 0;
    let mut count = 0usize;
    let mut places: Option<usize> = None;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            if count == 15 {
                return slow_double(bytes, digits);
            }
            mantissa = mantissa * 10 + u64::from(digit);
            count += 1;
            if let Some(places) = &mut places {
                *places += 1;
            }
        } else if *byte == b'.' && places.is_none() && count > 0 {
            places = Some(0);
        } else {
            return slow_double(bytes, digits);
        }
    }
    // Below 10^15 and a power of ten up to 10^22 are both exact, so one division rounds once, and rightly.
    match (count, places) {
        (0, _) | (_, Some(0)) => Err(Rule::Type),
        (_, places) => {
            let power = EXACT_POWERS.get(places.unwrap_or(0)).ok_or(Rule::Type)?;
            let value = exact(mantissa) / power;
            Ok(if negative { -value } else { value })
        }
    }
}

/// Exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "callers pass numbers below 2^53")]
fn exact(value: u64) -> f64 {
    value as f64
}

/// Largest double that may have a fraction, and the same for single precision.
const FRACTION_MAX_F64: f64 = 4_503_599_627_370_496.0;
const FRACTION_MAX_F32: f64 = 8_388_608.0;

/// Checks the grammar, lets the standard library round, and refuses what rounding would change.
#[cold]
fn slow_double(bytes: &[u8], digits: &[u8]) -> Result<f64, Rule> {
    let text = DecimalText::parse(digits)?;
    let value: f64 = text.parseable(bytes, bytes.len() > digits.len())?.parse().map_err(|_| Rule::Type)?;
    kept(&text, value, FRACTION_MAX_F64).map(|()| value)
}

/// A single-precision float, by the grammar and the rules of [`double`], rounded once from the text.
pub fn single(bytes: &[u8]) -> Result<f32, Rule> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let text = DecimalText::parse(digits)?;
    let value: f32 = text.parseable(bytes, bytes.len() > digits.len())?.parse().map_err(|_| Rule::Type)?;
    kept(&text, value, FRACTION_MAX_F32).map(|()| value)
}

/// Digits that tell every double from its neighbours.
const DIGITS_F64: usize = 17;

/// Whether a float says what its text says: nothing as zero that is not, a fraction rounded but not lost, and a whole number exactly.
/// Programs write large doubles with as many digits as tell them apart and an exponent: such a text is what the double is, rounded to
/// the text's digits.
fn kept<F: Into<f64> + LowerExp + Copy>(text: &DecimalText<'_>, float: F, fraction_max: f64) -> Result<(), Rule> {
    let value: f64 = float.into();
    if text.is_zero() {
        return Ok(());
    }
    if !value.is_finite() || value == 0.0 {
        return Err(Rule::TypeRange);
    }
    let rounds_back = |digits: usize| {
        text.is_scientific()
            && (1..=DIGITS_F64).contains(&digits)
            && (text.is_written_as(&format!("{value:.*e}", digits - 1)) || text.is_written_as(&format!("{float:e}")))
    };
    let same = if text.is_whole() {
        text.is(format!("{:.0}", value.abs()).as_bytes()) || rounds_back(text.significant())
    } else {
        value.abs() < fraction_max
    };
    if same { Ok(()) } else { Err(Rule::Precision) }
}

/// The spellings of what is not finite, for columns that allow it.
pub fn not_finite(bytes: &[u8]) -> Option<f64> {
    let (negative, word) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if word.eq_ignore_ascii_case(b"nan") {
        Some(f64::NAN)
    } else if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") {
        Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY })
    } else {
        None
    }
}
