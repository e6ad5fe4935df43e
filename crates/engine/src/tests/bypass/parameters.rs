//! Attempts with parameters in the place of their constants.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, OrderByKind, Query, Select, Value, VisitMut as _, VisitorMut};
use sqllogictest::Record;

use super::Attempt;
use crate::door::parse::parse;

/// Attempts that there are at least with a constant which a parameter can stand for.
pub(super) const ATTEMPTS_MIN: usize = 150;

/// The attempt with parameters; none where it has no constant that one can stand for.
pub(super) fn of(attempt: &Attempt) -> Option<Attempt> {
    let mut parsed = parse(&attempt.sql).ok()?;
    let mut replace = Replace { values: Vec::new(), kept: HashSet::new(), within: 0 };
    let _ = parsed.statement.visit(&mut replace);
    if replace.values.is_empty() {
        return None;
    }
    let asked = format!("{}{}", if parsed.explain { "explain " } else { "" }, parsed.statement);
    assert!(parse(&asked).is_ok(), "{} is no query any more as {asked}", attempt.place());
    let types = replace.values.iter().map(|value| Some(value.data_type().clone())).collect();
    let named = replace.values.into_iter().enumerate().map(|(place, value)| (format!("${}", place + 1), value));
    let mut attempt = attempt.clone();
    let Record::Query { sql, .. } = &mut attempt.record else { panic!("an attempt is a query") };
    *sql = asked;
    attempt.parameters = Some((RecordBatch::try_from_iter(named).unwrap(), types));
    Some(attempt)
}

struct Replace {
    values: Vec<ArrayRef>,
    /// Numbers that stand for columns.
    kept: HashSet<*const Expr>,
    /// How many intervals there are around.
    within: usize,
}

impl Replace {
    fn keep(&mut self, expression: &Expr) {
        self.kept.insert(std::ptr::from_ref(expression));
    }
}

impl VisitorMut for Replace {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(OrderByKind::Expressions(by)) = query.order_by.as_ref().map(|order| &order.kind) {
            by.iter().for_each(|by| self.keep(&by.expr));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if let GroupByExpr::Expressions(by, _) = &select.group_by {
            by.iter().for_each(|by| self.keep(by));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if matches!(expression, Expr::Interval(_)) {
            self.within += 1;
        }
        let free = self.within == 0 && !self.kept.contains(&std::ptr::from_ref(&*expression));
        if let (true, Expr::Value(value)) = (free, expression) {
            let array: ArrayRef = match &value.value {
                // A negative number that only fits with its sign stays as it is.
                Value::Number(digits, false) => match digits.parse::<i64>() {
                    Ok(number) => Arc::new(Int64Array::from(vec![number])),
                    Err(_) => return ControlFlow::Continue(()),
                },
                Value::SingleQuotedString(text) => Arc::new(StringArray::from(vec![text.as_str()])),
                _ => return ControlFlow::Continue(()),
            };
            self.values.push(array);
            value.value = Value::Placeholder(format!("${}", self.values.len()));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if matches!(expression, Expr::Interval(_)) {
            self.within -= 1;
        }
        ControlFlow::Continue(())
    }
}
