//! Lengths of time as a project's files write them: `30s`, `15m`, `2h`, `1d`, `1h30m`.

use std::fmt;

/// Units, largest first: what stands for one, and its seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
/// The longest length of time that a file may name, in seconds: a leap year.
pub const MAX_SECONDS: u64 = 366 * 86_400;
/// What such a text looks like, as a regular expression that JSON Schema takes.
pub const PATTERN: &str = "^(?=[0-9])([0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$";

/// The seconds that a text names, at least one.
///
/// # Errors
/// What is wrong with the text.
pub fn seconds(text: &str) -> Result<u64, &'static str> {
    let mut rest = text;
    let mut seconds = 0u64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let unit = after.chars().next().ok_or("has a number without a unit")?;
        let (_, of_unit) = units.find(|(letter, _)| *letter == unit).ok_or("is no length of time")?;
        let number: u64 = number.parse().map_err(|_| "is no length of time")?;
        seconds = number.checked_mul(*of_unit).and_then(|more| seconds.checked_add(more)).ok_or("is too long")?;
        rest = after.get(unit.len_utf8()..).unwrap_or_default();
    }
    match seconds {
        0 => Err("is no length of time"),
        1..=MAX_SECONDS => Ok(seconds),
        _ => Err("is longer than 366 days"),
    }
}

/// A length of time as a file would write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown(pub u64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (letter, of_unit) in UNITS {
            let number = rest / of_unit;
            rest %= of_unit;
            if number > 0 {
                write!(f, "{number}{letter}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_written_alike() {
        for (text, wanted) in [("30s", 30), ("15m", 900), ("2h", 7_200), ("1d", 86_400), ("1h30m", 5_400), ("1d2h3m4s", 93_784)] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
            assert_eq!(Shown(wanted).to_string(), text);
        }
        assert_eq!(seconds("90m"), Ok(5_400));
        assert_eq!(Shown(0).to_string(), "0s");
        for wrong in
            ["", "0s", "15", "m", "1.5h", "15min", "1m2h", "1h1h", "-5m", "5 m", "1w", "367d", "99999999999999999999s", "1h 5m", "5µ"]
        {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
