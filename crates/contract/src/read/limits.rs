//! Limits on values, brought into the unit of the column's type.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use crate::column::{Bounds, ColumnType};
use crate::odcs::Place;
use crate::read::{Fields, Reader};
use crate::yaml::{Node, Value};

const NAMES: [&str; 4] = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"];

/// The bounds of a column of this type.
pub(crate) fn bounds(reader: &mut Reader, options: &Fields<'_>, ty: ColumnType) -> Bounds {
    let present: Vec<(&str, &Node)> = NAMES.iter().filter_map(|name| Some((*name, options.get(name)?))).collect();
    if present.is_empty() {
        return Bounds::None;
    }
    for pair in [["minimum", "exclusiveMinimum"], ["maximum", "exclusiveMaximum"]] {
        if pair.iter().all(|name| options.get(name).is_some()) {
            reader.wrong(options.line, format!("`{}` and `{}` stand together", pair[0], pair[1]), "keep one");
        }
    }
    match ty {
        ColumnType::Float32 | ColumnType::Float64 => floats(reader, &present),
        ColumnType::String | ColumnType::Boolean => {
            for (name, node) in present {
                reader.wrong(node.line, format!("`{name}` does not fit a {ty}"), format!("remove it from {}", Place::Options.name()));
            }
            Bounds::None
        }
        _ => wholes(reader, &present, ty),
    }
}

fn floats(reader: &mut Reader, present: &[(&str, &Node)]) -> Bounds {
    let (mut min, mut min_exclusive, mut max, mut max_exclusive) = (f64::NEG_INFINITY, false, f64::INFINITY, false);
    for (name, node) in present {
        #[allow(clippy::cast_precision_loss, reason = "checked: a limit that a double cannot hold is refused")]
        let value = match node.value {
            Value::Float(value) if value.is_finite() => value,
            Value::Int(value) if value.unsigned_abs() <= 1 << 53 => value as f64,
            _ => {
                reader.wrong(node.line, format!("`{name}` is not a number that a double holds exactly"), "correct it");
                continue;
            }
        };
        match *name {
            "minimum" => min = value,
            "exclusiveMinimum" => (min, min_exclusive) = (value, true),
            "maximum" => max = value,
            _ => (max, max_exclusive) = (value, true),
        }
    }
    if min > max {
        reader.wrong(present.first().map_or(1, |(_, node)| node.line), "the limits leave no value", "correct them");
    }
    Bounds::Float { min, min_exclusive, max, max_exclusive }
}

fn wholes(reader: &mut Reader, present: &[(&str, &Node)], ty: ColumnType) -> Bounds {
    let (mut min, mut max) = (i128::MIN, i128::MAX);
    for (name, node) in present {
        let Some(value) = whole(&node.value, ty) else {
            let advice = match ty {
                ColumnType::Date => "write a date in quotes, such as \"2013-01-01\"",
                ColumnType::Timestamp { zone: true } => "write a time in quotes with its zone, such as \"2013-01-01T00:00:00Z\"",
                ColumnType::Timestamp { zone: false } => "write a time in quotes without a zone, such as \"2013-01-01T00:00:00\"",
                ColumnType::Time => "write a time of day in quotes, such as \"23:59:59\"",
                _ => "write a number that the type holds exactly",
            };
            reader.wrong(node.line, format!("`{name}` is not a value of a {ty}"), advice);
            continue;
        };
        match *name {
            "minimum" => min = value,
            "exclusiveMinimum" => min = value.saturating_add(1),
            "maximum" => max = value,
            _ => max = value.saturating_sub(1),
        }
    }
    if min > max {
        reader.wrong(present.first().map_or(1, |(_, node)| node.line), "the limits leave no value", "correct them");
    }
    Bounds::Whole { min, max }
}

/// A value in the column's unit: the number, the unscaled decimal, days, microseconds.
pub(crate) fn whole(value: &Value, ty: ColumnType) -> Option<i128> {
    match (ty, value) {
        (ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64, Value::Int(number)) => Some(*number),
        (ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64, Value::Float(number))
            if number.fract() == 0.0 && number.abs() <= 9e15 =>
        {
            format!("{number:.0}").parse().ok()
        }
        (ColumnType::Decimal { scale, .. }, Value::Int(number)) => number.checked_mul(10i128.checked_pow(u32::from(scale))?),
        // The shortest text of a double is what was written in the file.
        (ColumnType::Decimal { scale, .. }, Value::Float(number)) => unscaled(&number.to_string(), scale),
        (ColumnType::Decimal { scale, .. }, Value::Text(text)) => unscaled(text, scale),
        (ColumnType::Date, Value::Text(text)) => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Some(i128::from(date.signed_duration_since(NaiveDate::default()).num_days()))
        }
        (ColumnType::Timestamp { zone: true }, Value::Text(text)) => {
            DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)).ok().map(|time| i128::from(time.timestamp_micros()))
        }
        (ColumnType::Timestamp { zone: false }, Value::Text(text)) => {
            NaiveDateTime::parse_from_str(&text.replacen(' ', "T", 1), "%Y-%m-%dT%H:%M:%S%.f")
                .ok()
                .map(|time| i128::from(time.and_utc().timestamp_micros()))
        }
        (ColumnType::Time, Value::Text(text)) => {
            let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
            Some(i128::from(time.num_seconds_from_midnight()) * 1_000_000 + i128::from(time.nanosecond() / 1000))
        }
        _ => None,
    }
}

/// A decimal text as a whole number of its last digit.
fn unscaled(text: &str, scale: u8) -> Option<i128> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let scale = usize::from(scale);
    if fraction.len() > scale || whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    Some(if negative { -number } else { number })
}
