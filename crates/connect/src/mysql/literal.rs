//! Names and values in the text of statements. No value stands in quotes: texts and bytes are written as their hexadecimal digits, and
//! of everything else only the signs that it consists of are let through.

use crate::database::{CursorKind, CursorValue, Window};

/// A name of a database, a table or a column.
pub(super) fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text.
pub(super) fn text(text: &str) -> String {
    format!("_utf8mb4 X'{}'", hexadecimal(text.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
        text
    })
}

/// A value of a cursor; none where its text is no value of its kind.
pub(super) fn value(value: &CursorValue) -> Option<String> {
    let text = value.text.as_str();
    match value.kind {
        CursorKind::Integer => is_number(text, false).then(|| text.to_owned()),
        CursorKind::Decimal => is_number(text, true).then(|| text.to_owned()),
        CursorKind::Date => is_day(text).then(|| format!("DATE'{text}'")),
        CursorKind::Timestamp => moment(text),
        CursorKind::Instant => moment(text.strip_suffix('Z')?),
        CursorKind::Text => Some(self::text(text)),
    }
}

fn is_number(text: &str, point: bool) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if point => (whole, Some(fraction)),
        Some(_) => return false,
        None => (digits, None),
    };
    let all = |text: &str| !text.is_empty() && text.len() <= 80 && text.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && fraction.is_none_or(all)
}

/// Whether a text has the shape, in which `d` stands for a digit.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, shape)| if shape == b'd' { byte.is_ascii_digit() } else { byte == shape })
}

fn is_day(text: &str) -> bool {
    has_shape(text, "dddd-dd-dd")
}

fn moment(text: &str) -> Option<String> {
    let (day, time) = text.split_once('T')?;
    let (clock, fraction) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (time, None),
    };
    let digits = |text: &str| (1..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = is_day(day) && has_shape(clock, "dd:dd:dd") && fraction.is_none_or(digits);
    fits.then(|| format!("TIMESTAMP'{day} {time}'"))
}

/// The condition of a window, with a space before it; nothing where all rows are read. None where a value is none of its kind.
pub(super) fn condition(window: &Window) -> Option<String> {
    let column = name(&window.column);
    let from = window.from.as_ref().map(|from| Some(format!("{column} >= {}", value(from)?)));
    let until = window.until.as_ref().map(|until| Some(format!("{column} < {}", value(until)?)));
    let bounds = match (from, until) {
        (None, None) if window.nulls => return Some(String::new()),
        (None, None) => format!("{column} IS NOT NULL"),
        (Some(from), Some(until)) => format!("{} AND {}", from?, until?),
        (Some(bound), None) | (None, Some(bound)) => bound?,
    };
    Some(if window.nulls { format!(" WHERE ({bounds}) OR {column} IS NULL") } else { format!(" WHERE {bounds}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: CursorKind, text: &str) -> CursorValue {
        CursorValue { kind, text: text.to_owned() }
    }

    #[test]
    fn names_keep_their_quotes_to_themselves() {
        assert_eq!(name("order"), "`order`");
        assert_eq!(name("a`; drop table b; -- "), "`a``; drop table b; -- `");
        assert_eq!(name("``"), "``````");
    }

    #[test]
    fn values_are_what_they_are_called_or_nothing() {
        for (kind, text, expected) in [
            (CursorKind::Integer, "-12", Some("-12")),
            (CursorKind::Integer, "18446744073709551615", Some("18446744073709551615")),
            (CursorKind::Integer, "1.5", None),
            (CursorKind::Integer, "1 OR 1=1", None),
            (CursorKind::Integer, "", None),
            (CursorKind::Integer, "-", None),
            (CursorKind::Decimal, "12.50", Some("12.50")),
            (CursorKind::Decimal, "1e9", None),
            (CursorKind::Decimal, "1.", None),
            (CursorKind::Date, "2026-01-31", Some("DATE'2026-01-31'")),
            (CursorKind::Date, "2026-01-31'", None),
            (CursorKind::Date, "2026-1-31", None),
            (CursorKind::Timestamp, "2026-01-31T23:59:59.123456", Some("TIMESTAMP'2026-01-31 23:59:59.123456'")),
            (CursorKind::Timestamp, "2026-01-31T23:59:59", Some("TIMESTAMP'2026-01-31 23:59:59'")),
            (CursorKind::Timestamp, "2026-01-31T23:59:59Z", None),
            (CursorKind::Timestamp, "2026-01-31T23:59:59.' OR '", None),
            (CursorKind::Instant, "2026-01-31T23:59:59.5Z", Some("TIMESTAMP'2026-01-31 23:59:59.5'")),
            (CursorKind::Instant, "2026-01-31T23:59:59.5", None),
            (CursorKind::Text, "é' OR 1=1 -- \\", Some("_utf8mb4 X'c3a927204f5220313d31202d2d205c'")),
            (CursorKind::Text, "", Some("_utf8mb4 X''")),
        ] {
            assert_eq!(value(&of(kind, text)).as_deref(), expected, "{kind:?} {text}");
        }
    }

    #[test]
    fn windows_become_conditions() {
        let window = |from: Option<&str>, until: Option<&str>, nulls| Window {
            column: "id".to_owned(),
            from: from.map(|text| of(CursorKind::Integer, text)),
            until: until.map(|text| of(CursorKind::Integer, text)),
            nulls,
        };
        for (window, expected) in [
            (window(None, None, true), Some("")),
            (window(None, None, false), Some(" WHERE `id` IS NOT NULL")),
            (window(Some("1"), None, false), Some(" WHERE `id` >= 1")),
            (window(None, Some("9"), true), Some(" WHERE (`id` < 9) OR `id` IS NULL")),
            (window(Some("1"), Some("9"), true), Some(" WHERE (`id` >= 1 AND `id` < 9) OR `id` IS NULL")),
            (window(Some("1"), Some("x"), false), None),
        ] {
            assert_eq!(condition(&window).as_deref(), expected);
        }
    }
}
