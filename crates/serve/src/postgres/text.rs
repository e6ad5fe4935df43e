//! Values as text, in exactly the form that PostgreSQL prints with its usual settings.

use std::io::Write;

use crate::fault::Fault;
use crate::postgres::error::defect;
use crate::postgres::value::{DAY_MICROS, Value, value};

/// Writes a value; of NULL nothing.
///
/// # Errors
/// When an item of an array has no form.
pub fn write(value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let written = match value {
        Value::Null => Ok(()),
        Value::Bool(value) => out.write_all(if *value { b"t" } else { b"f" }),
        Value::Int2(value) => write!(out, "{value}"),
        Value::Int4(value) => write!(out, "{value}"),
        Value::Int8(value) => write!(out, "{value}"),
        Value::Float4(value) => out.write_all(float(&format!("{value:e}"), 6).as_bytes()),
        Value::Float8(value) => out.write_all(float(&format!("{value:e}"), 15).as_bytes()),
        Value::Numeric(digits, scale) => out.write_all(numeric(digits, *scale).as_bytes()),
        Value::Text(text) => out.write_all(text.as_bytes()),
        Value::Bytes(bytes) => {
            out.extend_from_slice(b"\\x");
            out.write_all(hex::encode(bytes).as_bytes())
        }
        Value::Date(days) => out.write_all(date(*days).as_bytes()),
        Value::Time(micros) => out.write_all(time(*micros).as_bytes()),
        Value::Timestamp { micros, zoned } => out.write_all(timestamp(*micros, *zoned).as_bytes()),
        Value::Interval { months, days, micros } => out.write_all(interval(*months, *days, *micros).as_bytes()),
        Value::Json(text) => out.write_all(text.as_bytes()),
        Value::Array(items) => return array(items.as_ref(), out),
    };
    written.map_err(|_| defect("memory took no bytes"))
}

/// From the shortest digits that read back as the same number, as `1.25e-7`: fixed where the exponent is from -4 to below `fixed_below`.
fn float(shortest: &str, fixed_below: i32) -> String {
    let (sign, rest) = shortest.strip_prefix('-').map_or(("", shortest), |rest| ("-", rest));
    let (mantissa, exponent) = match rest {
        "NaN" => return "NaN".to_owned(),
        "inf" => return format!("{sign}Infinity"),
        rest => rest.split_once('e').unwrap_or((rest, "0")),
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    if !(-4..fixed_below).contains(&exponent) {
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{mark}{:02}", exponent.unsigned_abs());
    }
    let scale = i32::try_from(digits.len()).unwrap_or(i32::MAX).saturating_sub(1).saturating_sub(exponent);
    format!("{sign}{}", decimals(&digits, scale))
}

/// Digits with a point before the last `scale` of them (negative: zeros after them).
fn decimals(digits: &str, scale: i32) -> String {
    let count = usize::try_from(scale.unsigned_abs()).unwrap_or(0);
    if scale <= 0 {
        let zeros = if digits.bytes().all(|digit| digit == b'0') { 0 } else { count };
        return format!("{digits}{}", "0".repeat(zeros));
    }
    let padded = format!("{digits:0>width$}", width = count + 1);
    let (whole, fraction) = padded.split_at(padded.len() - count);
    format!("{whole}.{fraction}")
}

/// A number with decimals, from its digits.
pub fn numeric(digits: &str, scale: i8) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    format!("{sign}{}", decimals(digits, scale.into()))
}

/// Year, month and day of a day from 1970-01-01, in the Gregorian calendar also before there was one.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The day, and what comes after all of it where the year is before Christ.
fn day(days: i64) -> (String, &'static str) {
    let (year, month, day) = civil(days);
    // There is no year 0: the one before 1 is 1 BC.
    let (year, era) = if year <= 0 { (1 - year, " BC") } else { (year, "") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

fn date(days: i64) -> String {
    if days == i64::from(i32::MAX) {
        return "infinity".to_owned();
    }
    if days == i64::from(i32::MIN) {
        return "-infinity".to_owned();
    }
    let (day, era) = day(days);
    format!("{day}{era}")
}

/// Seconds with as many decimals as they need.
fn fraction(micros: i64) -> String {
    if micros == 0 {
        return String::new();
    }
    format!(".{}", format!("{micros:06}").trim_end_matches('0'))
}

fn time(micros: i64) -> String {
    let seconds = micros.div_euclid(1_000_000);
    let rest = fraction(micros.rem_euclid(1_000_000));
    format!("{:02}:{:02}:{:02}{rest}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn timestamp(micros: i64, zoned: bool) -> String {
    match micros {
        i64::MAX => return "infinity".to_owned(),
        i64::MIN => return "-infinity".to_owned(),
        _ => {}
    }
    let (day, era) = day(micros.div_euclid(DAY_MICROS));
    format!("{day} {}{}{era}", time(micros.rem_euclid(DAY_MICROS)), if zoned { "+00" } else { "" })
}

fn interval(months: i32, days: i32, micros: i64) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut before_was_negative = false;
    for (count, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if count != 0 {
            let plus = if before_was_negative && count > 0 { "+" } else { "" };
            parts.push(format!("{plus}{count} {unit}{}", if count == 1 { "" } else { "s" }));
            before_was_negative = count < 0;
        }
    }
    if parts.is_empty() || micros != 0 {
        let sign = if micros < 0 {
            "-"
        } else if before_was_negative {
            "+"
        } else {
            ""
        };
        let absolute = micros.unsigned_abs();
        let seconds = absolute / 1_000_000;
        let rest = fraction(i64::try_from(absolute % 1_000_000).unwrap_or(0));
        parts.push(format!("{sign}{:02}:{:02}:{:02}{rest}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
    }
    parts.join(" ")
}

fn array(items: &dyn arrow::array::Array, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.push(b'{');
    let mut item = Vec::new();
    for row in 0..items.len() {
        if row > 0 {
            out.push(b',');
        }
        let value = value(items, row)?;
        if matches!(value, Value::Null) {
            out.extend_from_slice(b"NULL");
            continue;
        }
        item.clear();
        write(&value, &mut item)?;
        let special = |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\' | b' ' | b'\t'..=b'\r');
        if item.is_empty() || item.eq_ignore_ascii_case(b"null") || item.iter().any(special) {
            out.push(b'"');
            for &byte in &item {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            out.push(b'"');
        } else {
            out.extend_from_slice(&item);
        }
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        write(value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    // What PostgreSQL 15 prints for the same values.
    #[test]
    fn floats_are_the_shortest_that_read_back() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e14, "100000000000000"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e+15"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-1.25e-7, "-1.25e-07"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(text(&Value::Float8(value)), expected);
        }
        for (value, expected) in [(1.1, "1.1"), (123_456.0, "123456"), (1e6, "1e+06"), (16_777_216.0, "1.6777216e+07"), (0.1, "0.1")] {
            assert_eq!(text(&Value::Float4(value)), expected);
        }
    }

    #[test]
    fn numbers_keep_their_scale() {
        for (digits, scale, expected) in [
            ("12345", 2, "123.45"),
            ("-5", 3, "-0.005"),
            ("0", 2, "0.00"),
            ("12", 0, "12"),
            ("12", -3, "12000"),
            ("0", -3, "0"),
            ("18446744073709551615", 0, "18446744073709551615"),
        ] {
            assert_eq!(text(&Value::Numeric(digits.to_owned(), scale)), expected);
        }
    }

    #[test]
    fn days_and_times_are_iso_with_bc_and_infinity() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (10_957, "2000-01-01"),
            (11_016, "2000-02-29"),
            (-719_162, "0001-01-01"),
            (-719_163, "0001-12-31 BC"),
            (-2_440_588, "4714-11-24 BC"),
            (2_145_042_905, "5874897-12-31"),
            (i64::from(i32::MAX), "infinity"),
            (i64::from(i32::MIN), "-infinity"),
        ] {
            assert_eq!(text(&Value::Date(days)), expected);
        }
        let at = |micros, zoned| text(&Value::Timestamp { micros, zoned });
        assert_eq!(at(1_767_323_045_000_006, true), "2026-01-02 03:04:05.000006+00");
        assert_eq!(at(1_767_323_045_500_000, false), "2026-01-02 03:04:05.5");
        assert_eq!(at(-1, false), "1969-12-31 23:59:59.999999");
        assert_eq!(at(-719_163 * DAY_MICROS, true), "0001-12-31 00:00:00+00 BC");
        assert_eq!(at(i64::MAX, true), "infinity");
        assert_eq!(text(&Value::Time(DAY_MICROS - 1)), "23:59:59.999999");
        assert_eq!(text(&Value::Time(0)), "00:00:00");
    }

    #[test]
    fn intervals_are_those_of_the_style_postgres() {
        for (months, days, micros, expected) in [
            (0, 0, 0, "00:00:00"),
            (14, 3, 14_706_000_789, "1 year 2 mons 3 days 04:05:06.000789"),
            (-14, 3, 1, "-1 years -2 mons +3 days 00:00:00.000001"),
            (0, -1, 3_600_000_000, "-1 days +01:00:00"),
            (0, 1, -500_000, "1 day -00:00:00.5"),
            (12, 0, 0, "1 year"),
            (0, 0, 360_000_000_000, "100:00:00"),
        ] {
            assert_eq!(text(&Value::Interval { months, days, micros }), expected);
        }
    }

    #[test]
    fn arrays_are_quoted_where_they_must_be() {
        let items =
            arrow::array::StringArray::from(vec![Some("a"), None, Some(""), Some("NULL"), Some("a b"), Some("q\"\\"), Some("{x,y}")]);
        assert_eq!(text(&Value::Array(std::sync::Arc::new(items))), r#"{a,NULL,"","NULL","a b","q\"\\","{x,y}"}"#);
        assert_eq!(text(&Value::Array(std::sync::Arc::new(arrow::array::Int32Array::from(Vec::<i32>::new())))), "{}");
        assert_eq!(text(&Value::Bytes(&[0, 255])), "\\x00ff");
        assert_eq!((text(&Value::Bool(true)), text(&Value::Bool(false))), ("t".to_owned(), "f".to_owned()));
    }
}
