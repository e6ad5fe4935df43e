//! Days and timestamps: `datetime` in Cedar, which counts milliseconds. A row's value is floored to the millisecond, so each comparison with
//! a constant is one with the edge of a millisecond, or of a day.

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};
use polder_types::predicate::{Comparison, Predicate, Value};

use super::Verdict;
use crate::table::ColumnKind;

const MILLIS_A_DAY: i128 = 86_400_000;

/// The milliseconds since 1970 of a `datetime` that is left of a condition: `datetime("1970-01-01").offset(duration("...ms"))`, whatever it
/// was written as.
pub(super) fn constant(expr: &Expr) -> Option<i64> {
    let Expr::BinaryOp { op: BinaryOp::Offset, left, right } = expr else { return None };
    let text = |expr: &Expr, wanted: UnaryOp| match expr {
        Expr::UnaryOp { op, expr } if *op == wanted => match expr.as_ref() {
            Expr::Literal(Literal::String(text)) => Some(text.to_string()),
            _ => None,
        },
        _ => None,
    };
    if text(left, UnaryOp::Datetime)? != "1970-01-01" {
        return None;
    }
    text(right, UnaryOp::Duration)?.strip_suffix("ms")?.parse().ok()
}

/// A column of days or timestamps, compared with a moment in milliseconds since 1970.
pub(super) fn compare(column: &str, kind: ColumnKind, comparison: Comparison, millis: i64) -> Verdict {
    // In the column's unit: the first value that is not before the moment, and the first that is after it.
    let millis = i128::from(millis);
    let (first, after) = match kind {
        ColumnKind::Date => {
            let days = millis.div_euclid(MILLIS_A_DAY);
            (if millis.rem_euclid(MILLIS_A_DAY) == 0 { days } else { days + 1 }, days + 1)
        }
        _ => (millis * 1000, (millis + 1) * 1000),
    };
    let below = |edge| edge_of(column, kind, Comparison::Less, edge);
    let from = |edge| edge_of(column, kind, Comparison::GreaterOrEqual, edge);
    let (equal, unequal) = if first < after {
        (Predicate::and([from(first), below(after)]), Predicate::or([below(first), from(after)]))
    } else {
        (Predicate::FALSE, Predicate::is_not_null(column))
    };
    let (holds, fails) = match comparison {
        Comparison::Equal => (equal, unequal),
        Comparison::NotEqual => (unequal, equal),
        Comparison::Less => (below(first), from(first)),
        Comparison::GreaterOrEqual => (from(first), below(first)),
        Comparison::LessOrEqual => (below(after), from(after)),
        Comparison::Greater => (from(after), below(after)),
    };
    Verdict::of_column(column, holds, fails)
}

/// Less than, or at least, an edge that may lie outside what the column can hold.
fn edge_of(column: &str, kind: ColumnKind, comparison: Comparison, edge: i128) -> Predicate {
    let value = match kind {
        ColumnKind::Date => i32::try_from(edge).ok().map(Value::Date),
        _ => i64::try_from(edge).ok().map(Value::Timestamp),
    };
    match value {
        Some(value) => Predicate::compare(column, comparison, value),
        None if (edge > 0) == (comparison == Comparison::Less) => Predicate::is_not_null(column),
        None => Predicate::FALSE,
    }
}
