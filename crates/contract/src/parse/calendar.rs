//! Dates and times: the proleptic Gregorian calendar, years 1 to 9999, no leap seconds, microseconds.

use crate::admitted::Rule;
use crate::parse::swar::{self, Tail};

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const SECONDS_PER_DAY: i64 = 86_400;
pub const MICROS_PER_DAY: i64 = MICROS_PER_SECOND * SECONDS_PER_DAY;
/// Days since 1970-01-01 of 0001-01-01 and of 9999-12-31.
pub const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;
/// Largest offset from UTC, in seconds.
const OFFSET_MAX_SECONDS: i32 = 18 * 3600;

/// Two digits as a number; over 99 when one is not a digit.
#[inline]
pub(super) fn two(a: u8, b: u8) -> u32 {
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    if a > 9 || b > 9 { 1000 } else { u32::from(a) * 10 + u32::from(b) }
}

#[inline]
fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Days since 1970-01-01 of a day that exists.
#[inline]
pub fn days(year: u32, month: u32, day: u32) -> Result<i32, Rule> {
    let in_every_month = day.wrapping_sub(1) < 28 && month.wrapping_sub(1) < 12;
    if year == 0 || year > 9999 || day == 0 || (!in_every_month && day > days_in_month(year, month)) {
        return Err(Rule::Type);
    }
    // Howard Hinnant's days_from_civil: years begin in March, so that the leap day is their last. All terms are small and positive.
    let (year, shifted) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let total = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
    i32::try_from(i64::from(total) - 719_468).map_err(|_| Rule::Type)
}

/// A point in time that lies in the years 1 to 9999, where an offset from UTC may have moved it out of them.
#[inline]
pub fn in_range(micros: i64) -> Result<i64, Rule> {
    const FIRST: i64 = *DAYS.start() * MICROS_PER_DAY;
    const END: i64 = (*DAYS.end() + 1) * MICROS_PER_DAY;
    if (FIRST..END).contains(&micros) { Ok(micros) } else { Err(Rule::TypeRange) }
}

/// `yyyy-MM-dd`.
#[inline]
pub fn date(bytes: &[u8]) -> Result<i32, Rule> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else { return Err(Rule::Type) };
    let (century, year, month, day) = (two(*y1, *y2), two(*y3, *y4), two(*m1, *m2), two(*d1, *d2));
    if century > 99 || year > 99 || month > 99 || day > 99 {
        return Err(Rule::Type);
    }
    days(century * 100 + year, month, day)
}

/// [`date`], given the cell's last eight bytes, `yy-MM-dd`.
#[inline]
pub fn date_of(bytes: &[u8], tail: Tail) -> Result<i32, Rule> {
    let [y1, y2, _, _, _, _, _, _, _, _] = bytes else { return Err(Rule::Type) };
    const DASHES: u64 = 0x0000_ff00_00ff_0000;
    let digits = (tail & !DASHES) | (swar::ZEROS & DASHES);
    if tail & DASHES != 0x2d2d_2d2d_2d2d_2d2d & DASHES || !swar::all_digits(digits) {
        return Err(Rule::Type);
    }
    let pairs = digits.wrapping_sub(swar::ZEROS);
    let pairs = pairs.wrapping_mul(10).wrapping_add(pairs >> 8);
    let byte = |at: u32| u32::try_from((pairs >> at) & 0xff).unwrap_or(u32::MAX);
    let century = two(*y1, *y2);
    if century > 99 {
        return Err(Rule::Type);
    }
    days(century * 100 + byte(0), byte(24), byte(48))
}

/// Microseconds since midnight of `HH:mm:ss`, with up to nine decimals (those beyond six must be zeros). The rest is given back.
#[inline]
fn clock(bytes: &[u8]) -> Result<(i64, &[u8]), Rule> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = bytes else { return Err(Rule::Type) };
    let seconds = seconds(two(*h1, *h2), two(*m1, *m2), two(*s1, *s2))?;
    let (micros, rest) = match rest {
        [b'.', rest @ ..] => fraction(rest)?,
        rest => (0, rest),
    };
    Ok((seconds * MICROS_PER_SECOND + micros, rest))
}

/// Seconds since midnight of a time that exists.
#[inline]
pub(super) fn seconds(hour: u32, minute: u32, second: u32) -> Result<i64, Rule> {
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Rule::Type);
    }
    Ok(i64::from(hour * 3600 + minute * 60 + second))
}

/// Decimals of a second as microseconds, and what follows them.
pub(super) fn fraction(bytes: &[u8]) -> Result<(i64, &[u8]), Rule> {
    let len = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at_checked(len).ok_or(Rule::Type)?;
    if digits.is_empty() || digits.len() > 9 {
        return Err(Rule::Type);
    }
    let mut nanos: i64 = 0;
    for byte in digits.iter().copied().chain(std::iter::repeat(b'0')).take(9) {
        nanos = nanos * 10 + i64::from(byte - b'0');
    }
    if nanos % 1000 != 0 {
        return Err(Rule::Precision);
    }
    Ok((nanos / 1000, rest))
}

/// `Z`, `+hh`, `+hhmm` or `+hh:mm`, in seconds east of UTC, and what follows.
pub(super) fn offset(bytes: &[u8]) -> Result<(i32, &[u8]), Rule> {
    let (sign, rest) = match bytes {
        [b'Z', rest @ ..] => return Ok((0, rest)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return Err(Rule::Zone),
    };
    let (hour, minute, rest) = match rest {
        [h1, h2, b':', m1, m2, rest @ ..] => (two(*h1, *h2), two(*m1, *m2), rest),
        [h1, h2, m1 @ b'0'..=b'9', m2, rest @ ..] => (two(*h1, *h2), two(*m1, *m2), rest),
        [h1, h2, rest @ ..] => (two(*h1, *h2), 0, rest),
        _ => return Err(Rule::Type),
    };
    if hour > 18 || minute > 59 {
        return Err(Rule::Type);
    }
    let seconds = i32::try_from(hour * 3600 + minute * 60).map_err(|_| Rule::Type)?;
    if seconds > OFFSET_MAX_SECONDS { Err(Rule::Type) } else { Ok((sign * seconds, rest)) }
}

/// `yyyy-MM-dd`, `T` or a space, `HH:mm:ss` with decimals, and maybe a zone: microseconds of the wall clock since 1970-01-01T00:00:00,
/// and the offset in seconds where there is one.
#[inline]
pub fn timestamp(bytes: &[u8]) -> Result<(i64, Option<i32>), Rule> {
    let (day, rest) = bytes.split_at_checked(10).ok_or(Rule::Type)?;
    let [b'T' | b' ', rest @ ..] = rest else { return Err(Rule::Type) };
    let day = date(day)?;
    let (micros, rest) = clock(rest)?;
    let local = i64::from(day) * MICROS_PER_DAY + micros;
    if rest.is_empty() {
        return Ok((local, None));
    }
    let (zone, rest) = offset(rest).map_err(|_| Rule::Type)?;
    if rest.is_empty() { Ok((local, Some(zone))) } else { Err(Rule::Type) }
}

/// `HH:mm:ss` with decimals: microseconds since midnight.
pub fn time(bytes: &[u8]) -> Result<i64, Rule> {
    match clock(bytes)? {
        (micros, []) => Ok(micros),
        (_, rest) if offset(rest).is_ok() => Err(Rule::Zone),
        _ => Err(Rule::Type),
    }
}

/// Writes a time of day as it is kept: `HH:mm:ss`, with six decimals where there are any.
pub fn write_time(micros: i64, out: &mut Vec<u8>) {
    use std::io::Write;
    let seconds = micros / MICROS_PER_SECOND;
    let (hour, minute, second, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60, micros % MICROS_PER_SECOND);
    // Writing to a Vec does not fail.
    let _ = if rest == 0 {
        write!(out, "{hour:02}:{minute:02}:{second:02}")
    } else {
        write!(out, "{hour:02}:{minute:02}:{second:02}.{rest:06}")
    };
}

/// Year, month and day of a number of days since 1970-01-01 in the years 1 to 9999: the inverse of [`days`].
pub fn civil(days: i64) -> (i64, i64, i64) {
    // Howard Hinnant's civil_from_days, whose years begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Writes a day: `yyyy-MM-dd`.
pub fn write_date(days: i64, out: &mut String) {
    use std::fmt::Write;
    let (year, month, day) = civil(days);
    // Writing to a text does not fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
}
