//! Strict parsers of text cells. Each takes the whole cell or refuses it with a rule; none rounds, trims or guesses.

pub mod calendar;
mod decimal_text;
pub mod number;
pub mod pattern;
pub mod swar;
pub mod time_format;

use crate::admitted::Rule;

/// `true` or `false`, nothing else.
#[inline]
pub fn boolean(bytes: &[u8]) -> Result<bool, Rule> {
    match bytes {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err(Rule::Type),
    }
}

/// 8-4-4-4-12 hexadecimal digits.
pub fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests;
