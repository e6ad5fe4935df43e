//! Dates, times and intervals, read from text as ISO 8601 and PostgreSQL write them.

use crate::postgres::value::{DATES, DAY_MICROS};

/// Days from 1970-01-01 of a Gregorian date that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    DATES.contains(&days).then_some(days)
}

fn number(text: &str, most: usize) -> Option<i64> {
    (!text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Takes ` BC` from the end.
fn era(text: &str) -> (&str, bool) {
    let text = text.trim();
    for mark in [" BC", " bc"] {
        if let Some(rest) = text.strip_suffix(mark) {
            return (rest.trim_end(), true);
        }
    }
    (text.strip_suffix(" AD").unwrap_or(text), false)
}

fn day(text: &str, bc: bool) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (number(parts.next()?, 7)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some() || year == 0 {
        return None;
    }
    days(if bc { 1 - year } else { year }, month, day)
}

/// `2026-01-02`, with ` BC`, or `infinity`: days from 1970-01-01. A time and an offset behind it are read and passed over, as PostgreSQL does:
/// its driver for Java sends `2026-01-02 +01`.
pub fn date(text: &str) -> Option<i32> {
    match text.trim() {
        "infinity" => return Some(i32::MAX),
        "-infinity" => return Some(i32::MIN),
        _ => {}
    }
    let (whole, bc) = era(text);
    let (text, rest) = whole.split_once([' ', 'T']).unwrap_or((whole, ""));
    let rest = rest.trim();
    if !rest.is_empty() {
        // What stands behind the day must be what it may be.
        let timed = if rest.starts_with(['+', '-']) { format!("{text} 00:00{rest}") } else { whole.to_owned() };
        timestamp(&timed, false)?;
    }
    i32::try_from(day(text, bc)?).ok()
}

/// Microseconds of `.5`, to 6 places; more are cut.
fn fraction(text: &str) -> Option<i64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{:0<6}", text.get(..text.len().min(6))?).parse().ok()
}

/// `03:04:05.000006` or `03:04`: microseconds.
fn clock(text: &str, hours_most: usize) -> Option<i64> {
    let mut parts = text.split(':');
    let (hours, minutes) = (number(parts.next()?, hours_most)?, number(parts.next()?, 2)?);
    let (seconds, rest) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (seconds, rest) = seconds.split_once('.').unwrap_or((seconds, ""));
            (number(seconds, 2)?, fraction(rest)?)
        }
    };
    if parts.next().is_some() || minutes > 59 || seconds > 60 {
        return None;
    }
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + rest)
}

/// A time of day, in microseconds.
pub fn time(text: &str) -> Option<i64> {
    let micros = clock(text.trim(), 2)?;
    // 24:00:00 is a time too.
    (micros <= DAY_MICROS).then_some(micros)
}

/// A moment in microseconds from 1970-01-01. An offset counts where `zoned`, and is passed over elsewhere, as PostgreSQL does; without one it is UTC.
pub fn timestamp(text: &str, zoned: bool) -> Option<i64> {
    match text.trim() {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let (text, bc) = era(text);
    let (date, rest) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let rest = rest.trim();
    let (clock_text, offset) = match rest.find(['+', '-', 'Z', 'z']) {
        Some(at) => (rest.get(..at)?.trim_end(), rest.get(at..)?),
        None => (rest.strip_suffix("UTC").unwrap_or(rest).trim_end(), ""),
    };
    let offset = match offset {
        "" | "Z" | "z" => 0,
        offset => {
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let digits = offset.get(1..)?;
            let micros = match digits.len() {
                1 | 2 => number(digits, 2)? * 3_600_000_000,
                4 if !digits.contains(':') => clock(&format!("{}:{}", digits.get(..2)?, digits.get(2..)?), 2)?,
                _ => clock(digits, 2)?,
            };
            if micros >= DAY_MICROS {
                return None;
            }
            sign * micros
        }
    };
    let local = day(date, bc)?.checked_mul(DAY_MICROS)?.checked_add(time(clock_text)?)?;
    local.checked_sub(if zoned { offset } else { 0 })
}

/// `1 year 2 mons -3 days 04:05:06.7` or `P1Y2M3DT4H5M6.7S`: months, days and microseconds.
pub fn interval(text: &str) -> Option<(i32, i32, i64)> {
    let text = text.trim();
    let mut sums = (0_i64, 0_i64, 0_i64);
    if let Some(iso) = text.strip_prefix('P') {
        let (date, clock) = iso.split_once('T').unwrap_or((iso, ""));
        for (part, in_clock) in [(date, false), (clock, true)] {
            let mut rest = part;
            while !rest.is_empty() {
                let at = rest.find(|c: char| c.is_ascii_alphabetic())?;
                let (count, unit) = (rest.get(..at)?, rest.get(at..at + 1)?);
                let unit = match (unit, in_clock) {
                    ("Y", false) => "year",
                    ("M", false) => "mon",
                    ("W", false) => "week",
                    ("D", false) => "day",
                    ("H", true) => "hour",
                    ("M", true) => "min",
                    ("S", true) => "sec",
                    _ => return None,
                };
                add(&mut sums, count, unit)?;
                rest = rest.get(at + 1..)?;
            }
        }
    } else {
        let mut words = text.trim_start_matches('@').split_whitespace();
        if text.is_empty() {
            return None;
        }
        while let Some(word) = words.next() {
            if word.contains(':') {
                let (sign, clock_text) = match word.strip_prefix('-') {
                    Some(rest) => (-1, rest),
                    None => (1, word.strip_prefix('+').unwrap_or(word)),
                };
                sums.2 = sums.2.checked_add(sign * clock(clock_text, 9)?)?;
            } else if word == "ago" {
                sums = (-sums.0, -sums.1, -sums.2);
            } else {
                add(&mut sums, word, words.next().unwrap_or("sec"))?;
            }
        }
    }
    Some((i32::try_from(sums.0).ok()?, i32::try_from(sums.1).ok()?, sums.2))
}

fn add(sums: &mut (i64, i64, i64), count: &str, unit: &str) -> Option<()> {
    let (whole, rest) = count.split_once('.').unwrap_or((count, ""));
    let negative = whole.starts_with('-');
    let digits = whole.trim_start_matches(['-', '+']);
    let whole = if digits.is_empty() { 0 } else { number(digits, 15)? };
    let (whole, rest) = if negative { (-whole, -fraction(rest)?) } else { (whole, fraction(rest)?) };
    let unit = unit.to_ascii_lowercase();
    let micros = |of_one: i64| whole.checked_mul(of_one)?.checked_add(rest.checked_mul(of_one / 1_000_000)?);
    let unit = unit.strip_suffix('s').filter(|unit| unit.len() > 1).unwrap_or(&unit);
    match unit {
        "sec" | "second" | "s" => sums.2 = sums.2.checked_add(micros(1_000_000)?)?,
        "min" | "minute" | "m" => sums.2 = sums.2.checked_add(micros(60_000_000)?)?,
        "hour" | "hr" | "h" => sums.2 = sums.2.checked_add(micros(3_600_000_000)?)?,
        _ if rest != 0 => return None,
        "day" | "d" => sums.1 = sums.1.checked_add(whole)?,
        "week" | "w" => sums.1 = sums.1.checked_add(whole.checked_mul(7)?)?,
        "mon" | "month" => sums.0 = sums.0.checked_add(whole)?,
        "year" | "yr" | "y" => sums.0 = sums.0.checked_add(whole.checked_mul(12)?)?,
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::postgres::text;
    use crate::postgres::value::Value;

    #[test]
    fn moments_are_read_as_they_are_written() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("0001-12-31 BC"), Some(-719_163));
        assert_eq!(date("infinity"), Some(i32::MAX));
        for passed_over in ["1970-01-02 +01", "1970-01-02 -12:30", "1970-01-02 03:04:05+00", "1970-01-02T23:59:59"] {
            assert_eq!(date(passed_over), Some(1), "{passed_over}");
        }
        for wrong in ["1970-01-02 x", "1970-01-02 +99", "1970-01-02 +", "1970-01-02 25:00"] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
        for wrong in ["2026-02-29", "2026-13-01", "2026-00-01", "0000-01-01", "x", "", "2026-1", "99999999-01-01"] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
        assert_eq!(time("24:00"), Some(DAY_MICROS));
        assert_eq!((time("24:00:01"), time("1:60"), time("-1:00")), (None, None, None));
        let at = 1_767_323_045_000_006;
        for same in [
            "2026-01-02 03:04:05.000006+00",
            "2026-01-02T04:34:05.000006+01:30",
            "2026-01-02 03:04:05.0000069Z",
            "2026-01-01 22:04:05.000006-0500",
        ] {
            assert_eq!(timestamp(same, true), Some(at), "{same}");
        }
        assert_eq!(timestamp("2026-01-02 03:04:05.000006+09", false), Some(at));
        assert_eq!(timestamp("-infinity", true), Some(i64::MIN));
        assert_eq!(timestamp("2026-01-02 25:00", true), None);
        assert_eq!(interval("1 year 2 mons -3 days 04:05:06.7"), Some((14, -3, 14_706_700_000)));
        assert_eq!(interval("P1Y2M3DT4H5M6.7S"), Some((14, 3, 14_706_700_000)));
        assert_eq!(interval("-1.5 hours"), Some((0, 0, -5_400_000_000)));
        assert_eq!(interval("1 day ago"), Some((0, -1, 0)));
        assert_eq!((interval(""), interval("1 parsec"), interval("P1X")), (None, None, None));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(day in DATES, micros in 0..DAY_MICROS, months: i32, days: i32, span in -1_000_000_000_000_000_i64..1_000_000_000_000_000) {
            let print = |value: Value<'_>| { let mut out = Vec::new(); text::write(&value, &mut out).unwrap(); String::from_utf8(out).unwrap() };
            prop_assert_eq!(date(&print(Value::Date(day))), i32::try_from(day).ok());
            if let Some(at) = day.checked_mul(DAY_MICROS).and_then(|day| day.checked_add(micros)) {
                prop_assert_eq!(timestamp(&print(Value::Timestamp { micros: at, zoned: true }), true), Some(at));
            }
            prop_assert_eq!(interval(&print(Value::Interval { months, days, micros: span })), Some((months, days, span)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in r"[0-9:.TZPYMDHS \-+a-z]{0,30}") {
            let _ = (date(&text), time(&text), timestamp(&text, true), interval(&text));
        }
    }
}
