//! What a column's values may lie between, compared and told.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};

use crate::change::types::{Shift, natural};
use crate::column::{Bounds, Column, ColumnType};

/// How the bounds of one reading lie to those of another, and the new ones in words. None when the units cannot be compared.
pub(crate) fn shift(old: &Column, new: &Column) -> Option<Shift> {
    match (old.bounds, new.bounds) {
        (Bounds::Float { .. }, _) | (_, Bounds::Float { .. }) => floats(old, new),
        _ => {
            if !same_unit(old.ty, new.ty) {
                return None;
            }
            let ((least, most), (low, high)) = (whole(old)?, whole(new)?);
            Some(Shift::of(low < least || high > most, low > least || high < most))
        }
    }
}

fn same_unit(old: ColumnType, new: ColumnType) -> bool {
    use ColumnType::{Decimal, Int8, Int16, Int32, Int64};
    let number = |ty| matches!(ty, Int8 | Int16 | Int32 | Int64);
    match (old, new) {
        (Decimal { scale, .. }, Decimal { scale: other, .. }) => scale == other,
        (old, new) => old == new || (number(old) && number(new)),
    }
}

/// The bounds within those of the type.
fn whole(column: &Column) -> Option<(i128, i128)> {
    let (least, most) = natural(column.ty)?;
    match column.bounds {
        Bounds::Whole { min, max } => Some((min.max(least), max.min(most))),
        _ => Some((least, most)),
    }
}

fn floats(old: &Column, new: &Column) -> Option<Shift> {
    let float = |ty| matches!(ty, ColumnType::Float32 | ColumnType::Float64);
    if !float(old.ty) || !float(new.ty) {
        return None;
    }
    // An end that is excluded lies just within one that is not.
    let ends = |column: &Column| match column.bounds {
        Bounds::Float { min, min_exclusive, max, max_exclusive } => ((min, min_exclusive), (max, !max_exclusive)),
        _ => ((f64::NEG_INFINITY, false), (f64::INFINITY, true)),
    };
    let ((least, most), (low, high)) = (ends(old), ends(new));
    Some(Shift::of(low < least || high > most, low > least || high < most))
}

/// The bounds in words.
pub(crate) fn told(column: &Column) -> String {
    let text = match column.bounds {
        Bounds::None => return "any".to_owned(),
        Bounds::Whole { min, max } => (
            if min == i128::MIN { None } else { Some(value(column.ty, min)) },
            if max == i128::MAX { None } else { Some(value(column.ty, max)) },
        ),
        Bounds::Float { min, min_exclusive, max, max_exclusive } => {
            let end = |end: f64, exclusive: bool, word: &str| {
                end.is_finite().then(|| if exclusive { format!("{word} {end}") } else { end.to_string() })
            };
            (end(min, min_exclusive, "more than"), end(max, max_exclusive, "less than"))
        }
    };
    match text {
        (None, None) => "any".to_owned(),
        (Some(min), None) => format!("from {min}"),
        (None, Some(max)) => format!("up to {max}"),
        (Some(min), Some(max)) => format!("{min} to {max}"),
    }
}

/// A bound in the column's unit as it is written in a contract.
fn value(ty: ColumnType, bound: i128) -> String {
    let told = match ty {
        ColumnType::Date => i64::try_from(bound)
            .ok()
            .and_then(|days| NaiveDate::default().checked_add_signed(TimeDelta::try_days(days)?))
            .map(|day| day.to_string()),
        ColumnType::Timestamp { zone } => i64::try_from(bound).ok().and_then(DateTime::from_timestamp_micros).map(|at| {
            let text = at.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string();
            if zone { text + "Z" } else { text }
        }),
        ColumnType::Time => u64::try_from(bound).ok().and_then(|micros| {
            let (seconds, rest) = (u32::try_from(micros / 1_000_000).ok()?, u32::try_from(micros % 1_000_000).ok()?);
            Some(NaiveTime::from_num_seconds_from_midnight_opt(seconds, rest * 1_000)?.format("%H:%M:%S%.f").to_string())
        }),
        ColumnType::Decimal { scale, .. } => Some(decimal(bound, scale)),
        _ => None,
    };
    told.unwrap_or_else(|| bound.to_string())
}

pub(crate) fn decimal(unscaled: i128, scale: u8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    match digits.len().checked_sub(scale).and_then(|at| digits.split_at_checked(at)) {
        Some((whole, part)) if scale > 0 => format!("{sign}{whole}.{part}"),
        _ => format!("{sign}{digits}"),
    }
}
