//! What is left of a policy's condition once principal and circumstances are known, as predicates on a row.
//!
//! Each Boolean expression becomes three predicates: where it holds, where it does not, and where it errs. They follow Cedar's short
//! circuits. What is not listed here errs on every row that reaches it.

use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, EntityUID, Expr, Literal, PatternElem, UnaryOp, Var};
use polder_types::predicate::{Comparison, PatternPart, Predicate, Value};

use crate::table::{ColumnKind, TableRef};

mod moment;

/// The most nodes of a predicate. A condition that tests conditions inside conditions doubles with each.
pub(crate) const NODES_MAX: usize = 20_000;
/// The deepest nesting. Chains of `&&` and `||` count once.
const DEPTH_MAX: usize = 100;

/// A condition on rows. Where it errs, whether it holds says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) holds: Predicate,
    pub(crate) errs: Predicate,
    /// Why it errs where it does on account of what cannot be made a predicate of.
    pub(crate) doubt: Option<String>,
}

impl Condition {
    /// The same for every row.
    pub(crate) fn constant(holds: bool) -> Self {
        Self { holds: Predicate::Constant(holds), errs: Predicate::FALSE, doubt: None }
    }

    /// Errs on every row.
    pub(crate) fn errs(doubt: &str) -> Self {
        Self { holds: Predicate::FALSE, errs: Predicate::TRUE, doubt: Some(doubt.to_owned()) }
    }

    /// Whether it errs on rows that are as the contract wants them.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubt.is_some() || !is_null_alone(&self.errs)
    }

    /// The condition that is left of a policy on a row of `table`.
    pub(crate) fn of(residual: &Expr, table: &TableRef) -> Self {
        let mut compiler = Compiler { table, depth: 0, doubts: BTreeSet::new() };
        match compiler.verdict(residual) {
            Ok(Verdict { holds, errs, .. }) => {
                let doubts: Vec<String> = compiler.doubts.into_iter().collect();
                Self { holds, errs, doubt: (!doubts.is_empty()).then(|| doubts.join("; ")) }
            }
            Err(TooLarge) => Self::errs("the condition is too large or too deeply nested to filter rows by"),
        }
    }
}

/// An error's condition, of rows that have a value where the contract lets none be missing.
pub(crate) fn of_whole_rows(errs: Predicate, table: &TableRef) -> Predicate {
    match errs {
        Predicate::IsNull(column) if table.column(&column).is_some_and(|column| !column.nullable) => Predicate::FALSE,
        Predicate::Not(inner) => of_whole_rows(*inner, table).not(),
        Predicate::And(parts) => Predicate::and(parts.into_iter().map(|part| of_whole_rows(part, table))),
        Predicate::Or(parts) => Predicate::or(parts.into_iter().map(|part| of_whole_rows(part, table))),
        other => other,
    }
}

/// Whether it errs only where a column is NULL that the contract does not let be NULL: of rows from before it did, Cedar sees no attribute.
fn is_null_alone(errs: &Predicate) -> bool {
    match errs {
        Predicate::IsNull(_) | Predicate::Constant(false) => true,
        Predicate::Or(parts) => parts.iter().all(is_null_alone),
        _ => false,
    }
}

struct TooLarge;

type Outcome<T> = Result<T, TooLarge>;

/// Where a Boolean expression is true, where false, and where it errs. Where it does not err, exactly one of the first two is true; where it
/// errs, they say nothing, since whatever holds it errs there too or does not reach it.
#[derive(Debug, Clone)]
struct Verdict {
    holds: Predicate,
    fails: Predicate,
    errs: Predicate,
}

impl Verdict {
    const fn constant(holds: bool) -> Self {
        Self { holds: Predicate::Constant(holds), fails: Predicate::Constant(!holds), errs: Predicate::FALSE }
    }

    const ERRS: Self = Self { holds: Predicate::FALSE, fails: Predicate::FALSE, errs: Predicate::TRUE };

    /// Of a column, which errs where that is NULL: Cedar sees no attribute there.
    fn of_column(column: &str, holds: Predicate, fails: Predicate) -> Self {
        Self { holds, fails, errs: Predicate::IsNull(column.to_owned()) }
    }

    fn negated(self) -> Self {
        Self { holds: self.fails, fails: self.holds, errs: self.errs }
    }

    fn within_limit(self) -> Outcome<Self> {
        let size = [&self.holds, &self.fails, &self.errs].into_iter().map(Predicate::size).sum::<usize>();
        if size > NODES_MAX { Err(TooLarge) } else { Ok(self) }
    }

    /// `self && right`, and so on: what stands right is reached only where all before it holds.
    ///
    /// Where none errs, the chain fails where any part fails, reached or not: so the result grows with the chain and not with its square.
    fn all(chain: impl IntoIterator<Item = Self>) -> Outcome<Self> {
        let (mut held, mut failed, mut erred) = (Vec::new(), Vec::new(), Vec::new());
        let mut required: BTreeSet<String> = BTreeSet::new();
        let mut size = 0;
        for Self { holds, fails, errs } in chain {
            let unreachable = matches!(&errs, Predicate::IsNull(column) if required.contains(column));
            if !unreachable && errs != Predicate::FALSE {
                let reached = Predicate::and(held.iter().cloned().chain([errs]));
                // Where each link may err by itself, this grows with the square of the chain: it ends here, and not in memory.
                size += reached.size();
                if size > NODES_MAX {
                    return Err(TooLarge);
                }
                erred.push(reached);
            }
            required.extend(holds.requires().into_iter().map(str::to_owned));
            held.push(holds);
            failed.push(fails);
        }
        Self { holds: Predicate::and(held), fails: Predicate::or(failed), errs: Predicate::or(erred) }.within_limit()
    }

    /// `self || right`, and so on.
    fn any(chain: impl IntoIterator<Item = Self>) -> Outcome<Self> {
        Ok(Self::all(chain.into_iter().map(Self::negated))?.negated())
    }

    /// `if self then yes else no`
    fn choose(self, yes: Self, no: Self) -> Outcome<Self> {
        let pick = |yes, no| Predicate::or([Predicate::and([self.holds.clone(), yes]), Predicate::and([self.fails.clone(), no])]);
        Self {
            holds: pick(yes.holds, no.holds),
            fails: pick(yes.fails, no.fails),
            errs: Predicate::or([self.errs.clone(), pick(yes.errs, no.errs)]),
        }
        .within_limit()
    }

    /// `self == other`, where both sides are evaluated whatever the first is.
    fn equals(self, other: Self) -> Outcome<Self> {
        Self {
            holds: Predicate::or([
                Predicate::and([self.holds.clone(), other.holds.clone()]),
                Predicate::and([self.fails.clone(), other.fails.clone()]),
            ]),
            fails: Predicate::or([Predicate::and([self.holds, other.fails]), Predicate::and([self.fails, other.holds])]),
            errs: Predicate::or([self.errs, other.errs]),
        }
        .within_limit()
    }
}

/// A value that is no Boolean, or a Boolean column.
enum Term<'a> {
    Constant(Value),
    /// A `datetime` in milliseconds since 1970.
    Moment(i64),
    Column(&'a str, ColumnKind),
    Choice(Box<Verdict>, Box<Self>, Box<Self>),
    Errs,
}

struct Compiler<'a> {
    table: &'a TableRef,
    depth: usize,
    doubts: BTreeSet<String>,
}

impl<'a> Compiler<'a> {
    fn doubt(&mut self, why: impl Into<String>) -> Verdict {
        self.doubts.insert(why.into());
        Verdict::ERRS
    }

    fn verdict(&mut self, expr: &Expr) -> Outcome<Verdict> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(TooLarge);
        }
        let verdict = self.verdict_at_depth(expr);
        self.depth -= 1;
        verdict
    }

    fn verdict_at_depth(&mut self, expr: &Expr) -> Outcome<Verdict> {
        Ok(match expr {
            Expr::Literal(Literal::Bool(value)) => Verdict::constant(*value),
            Expr::GetAttr { .. } => match self.term(expr)? {
                Term::Column(column, ColumnKind::Boolean) => {
                    let is = |value| Predicate::compare(column, Comparison::Equal, Value::Boolean(value));
                    Verdict::of_column(column, is(true), is(false))
                }
                Term::Errs => Verdict::ERRS,
                _ => self.doubt("a condition is a column that is no Boolean"),
            },
            Expr::HasAttr { expr: of, attrs } if attrs.len() == 1 && is_row(of) => match self.column(attrs.first()) {
                Some((column, _)) => {
                    Verdict { holds: Predicate::is_not_null(column), fails: Predicate::IsNull(column.to_owned()), errs: Predicate::FALSE }
                }
                None => Verdict::ERRS,
            },
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.verdict(expr)?.negated(),
            Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), .. } => self.chain(*op, expr)?,
            Expr::BinaryOp { op, left, right } => match comparison(*op) {
                Some(comparison) => self.comparison(comparison, left, right)?,
                None if *op == BinaryOp::Contains => self.contains(left, right)?,
                None if *op == BinaryOp::In && is_row(left) => self.member(right),
                None => self.doubt(format!("it uses {op}, which rows cannot be filtered by")),
            },
            Expr::Like { expr, pattern } => {
                let text = self.term(expr)?;
                self.like(text, pattern)?
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                let (cond, yes, no) = (self.verdict(cond)?, self.verdict(then_expr)?, self.verdict(else_expr)?);
                cond.choose(yes, no)?
            }
            Expr::ResidualError => Verdict::ERRS,
            _ => self.doubt("it uses an expression that rows cannot be filtered by"),
        })
    }

    /// A chain of one operator, which the parser nests to the left: thousands of alternatives are no deeper than two.
    fn chain(&mut self, op: BinaryOp, expr: &Expr) -> Outcome<Verdict> {
        let mut parts = Vec::new();
        let mut rest = expr;
        while let Expr::BinaryOp { op: inner, left, right } = rest {
            if *inner != op {
                break;
            }
            parts.push(right.as_ref());
            rest = left.as_ref();
        }
        parts.push(rest);
        let verdicts = parts.into_iter().rev().map(|part| self.verdict(part)).collect::<Outcome<Vec<_>>>()?;
        if op == BinaryOp::And { Verdict::all(verdicts) } else { Verdict::any(verdicts) }
    }

    fn comparison(&mut self, comparison: Comparison, left: &Expr, right: &Expr) -> Outcome<Verdict> {
        if matches!(comparison, Comparison::Equal | Comparison::NotEqual) && (self.is_boolean(left) || self.is_boolean(right)) {
            let equal = self.verdict(left)?.equals(self.verdict(right)?)?;
            return Ok(if comparison == Comparison::Equal { equal } else { equal.negated() });
        }
        let (left, right) = (self.term(left)?, self.term(right)?);
        self.compare(&left, comparison, &right)
    }

    fn compare(&mut self, left: &Term<'_>, comparison: Comparison, right: &Term<'_>) -> Outcome<Verdict> {
        use ColumnKind as Kind;
        let ordered = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        Ok(match (left, right) {
            (Term::Choice(condition, yes, no), other) => {
                let (yes, no) = (self.compare(yes, comparison, other)?, self.compare(no, comparison, other)?);
                condition.as_ref().clone().choose(yes, no)?
            }
            (other, Term::Choice(condition, yes, no)) => {
                let (yes, no) = (self.compare(other, comparison, yes)?, self.compare(other, comparison, no)?);
                condition.as_ref().clone().choose(yes, no)?
            }
            (Term::Errs, _) | (_, Term::Errs) => Verdict::ERRS,
            (Term::Moment(left), Term::Moment(right)) => Verdict::constant(comparison.holds(left.cmp(right))),
            (Term::Constant(Value::Integer(left)), Term::Constant(Value::Integer(right))) => {
                Verdict::constant(comparison.holds(left.cmp(right)))
            }
            (Term::Constant(Value::Text(left)), Term::Constant(Value::Text(right))) if !ordered => {
                Verdict::constant(comparison.holds(left.cmp(right)))
            }
            (Term::Column(..), Term::Constant(_) | Term::Moment(_)) => self.against_constant(left, comparison, right),
            (Term::Constant(_) | Term::Moment(_), Term::Column(..)) => self.against_constant(right, comparison.reversed(), left),
            (Term::Column(left, kind), Term::Column(right, other))
                if kind == other && (matches!(kind, Kind::Integer | Kind::Date) || (*kind == Kind::Text && !ordered)) =>
            {
                let compared = |comparison| Predicate::Columns { left: (*left).to_owned(), comparison, right: (*right).to_owned() };
                Verdict {
                    holds: compared(comparison),
                    fails: compared(comparison.negated()),
                    errs: Predicate::or([Predicate::IsNull((*left).to_owned()), Predicate::IsNull((*right).to_owned())]),
                }
            }
            _ => self.doubt("it compares what rows cannot be filtered by: values of different types, or two timestamps of one row"),
        })
    }

    fn against_constant(&mut self, column: &Term<'_>, comparison: Comparison, constant: &Term<'_>) -> Verdict {
        let Term::Column(name, kind) = column else { return self.doubt("it compares no column") };
        match (kind, constant) {
            (ColumnKind::Date | ColumnKind::Timestamp, Term::Moment(millis)) => moment::compare(name, *kind, comparison, *millis),
            (ColumnKind::Integer, Term::Constant(value @ Value::Integer(_)))
            | (ColumnKind::Text, Term::Constant(value @ Value::Text(_))) => {
                let compared = |comparison| Predicate::compare(name, comparison, value.clone());
                Verdict::of_column(name, compared(comparison), compared(comparison.negated()))
            }
            _ => self.doubt(format!("it compares column {name:?} with a value of another type than the contract gives it")),
        }
    }

    fn contains(&mut self, set: &Expr, item: &Expr) -> Outcome<Verdict> {
        let Expr::Set(items) = set else {
            return Ok(self.doubt("it uses contains of something else than a list of constants"));
        };
        let items = items.iter().map(|item| self.term(item)).collect::<Outcome<Vec<_>>>()?;
        let item = self.term(item)?;
        self.one_of(&items, &item)
    }

    fn one_of(&mut self, items: &[Term<'_>], item: &Term<'_>) -> Outcome<Verdict> {
        match item {
            Term::Choice(condition, yes, no) => {
                let (yes, no) = (self.one_of(items, yes)?, self.one_of(items, no)?);
                condition.as_ref().clone().choose(yes, no)
            }
            Term::Errs => Ok(Verdict::ERRS),
            Term::Column(name, kind @ (ColumnKind::Boolean | ColumnKind::Integer | ColumnKind::Text)) => {
                let mut values = BTreeSet::new();
                for item in items {
                    match (kind, item) {
                        (ColumnKind::Boolean, Term::Constant(value @ Value::Boolean(_)))
                        | (ColumnKind::Integer, Term::Constant(value @ Value::Integer(_)))
                        | (ColumnKind::Text, Term::Constant(value @ Value::Text(_))) => {
                            values.insert(value.clone());
                        }
                        _ => {
                            return Ok(
                                self.doubt(format!("it looks for column {name:?} in a list of other values than constants of its type"))
                            );
                        }
                    }
                }
                if values.is_empty() {
                    return Ok(Verdict::of_column(name, Predicate::FALSE, Predicate::is_not_null(name)));
                }
                let holds = Predicate::OneOf { column: (*name).to_owned(), values: values.into_iter().collect() };
                let fails = Predicate::and([Predicate::is_not_null(name), holds.clone().not()]);
                Verdict::of_column(name, holds, fails).within_limit()
            }
            // Unlike `||`, all of a list is evaluated: what stands in it must not err.
            _ if items.iter().all(|item| matches!(item, Term::Constant(_) | Term::Moment(_))) => {
                let equal = items.iter().map(|one| self.compare(one, Comparison::Equal, item)).collect::<Outcome<Vec<_>>>()?;
                Verdict::any(equal)
            }
            _ => Ok(self.doubt("it uses contains of a list that has columns in it")),
        }
    }

    fn like(&mut self, text: Term<'_>, pattern: &[PatternElem]) -> Outcome<Verdict> {
        match text {
            Term::Column(column, ColumnKind::Text) => {
                let pattern = pattern.iter().map(|part| match part {
                    PatternElem::Char(c) => PatternPart::Literal(*c),
                    PatternElem::Wildcard => PatternPart::Any,
                });
                let holds = Predicate::Like { column: column.to_owned(), pattern: pattern.collect() };
                let fails = Predicate::and([Predicate::is_not_null(column), holds.clone().not()]);
                Verdict::of_column(column, holds, fails).within_limit()
            }
            Term::Errs => Ok(Verdict::ERRS),
            _ => Ok(self.doubt("it uses like on something else than a column of text")),
        }
    }

    /// `resource in Table::"flights"`: a row is in its table and in nothing else.
    fn member(&mut self, of: &Expr) -> Verdict {
        let is_own = |uid: &EntityUID| {
            uid.ty.0.namespace.is_empty() && uid.ty.0.id.as_str() == "Table" && uid.eid.as_str() == self.table.name.as_str()
        };
        match of {
            Expr::Literal(Literal::EntityUID(uid)) => Verdict::constant(is_own(uid)),
            Expr::Set(items) if items.iter().all(|item| matches!(item.as_ref(), Expr::Literal(Literal::EntityUID(_)))) => {
                Verdict::constant(items.iter().any(|item| matches!(item.as_ref(), Expr::Literal(Literal::EntityUID(uid)) if is_own(uid))))
            }
            _ => self.doubt("it uses in of something else than tables"),
        }
    }

    fn column(&mut self, name: &str) -> Option<(&'a str, ColumnKind)> {
        let found = self.table.columns.iter().find(|column| column.name == name);
        if found.is_none() {
            self.doubts.insert(format!("the table has no column {name:?}"));
        }
        found.map(|column| (column.name.as_str(), column.kind))
    }

    fn term(&mut self, expr: &Expr) -> Outcome<Term<'a>> {
        Ok(match expr {
            Expr::Literal(Literal::Bool(value)) => Term::Constant(Value::Boolean(*value)),
            Expr::Literal(Literal::Long(value)) => Term::Constant(Value::Integer(*value)),
            Expr::Literal(Literal::String(value)) => Term::Constant(Value::Text(value.to_string())),
            Expr::GetAttr { expr, attr } if is_row(expr) => match self.column(attr) {
                Some((name, ColumnKind::Other)) => {
                    self.doubts.insert(format!("it compares column {name:?}, whose type Cedar does not have"));
                    Term::Errs
                }
                Some((name, kind)) => Term::Column(name, kind),
                None => Term::Errs,
            },
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(TooLarge);
                }
                let choice = Term::Choice(Box::new(self.verdict(cond)?), Box::new(self.term(then_expr)?), Box::new(self.term(else_expr)?));
                self.depth -= 1;
                choice
            }
            Expr::ResidualError => Term::Errs,
            other => match moment::constant(other) {
                Some(millis) => Term::Moment(millis),
                None => {
                    self.doubts.insert("it computes with columns, or uses functions, which rows cannot be filtered by".to_owned());
                    Term::Errs
                }
            },
        })
    }

    /// Whether an expression gives a Boolean, as far as its form and the columns tell.
    fn is_boolean(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Literal(Literal::Bool(_)) | Expr::HasAttr { .. } | Expr::Like { .. } | Expr::Is { .. } => true,
            Expr::UnaryOp { op: UnaryOp::Not, .. } => true,
            Expr::BinaryOp { op, .. } => {
                comparison(*op).is_some() || matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::In | BinaryOp::Contains)
            }
            Expr::GetAttr { expr, attr } => {
                is_row(expr) && self.table.columns.iter().any(|column| column.name == attr.as_str() && column.kind == ColumnKind::Boolean)
            }
            // One of the two may be left as an error alone.
            Expr::IfThenElse { then_expr, else_expr, .. } => self.is_boolean(then_expr) || self.is_boolean(else_expr),
            _ => false,
        }
    }
}

fn is_row(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(Var::Resource))
}

fn comparison(op: BinaryOp) -> Option<Comparison> {
    Some(match op {
        BinaryOp::Eq => Comparison::Equal,
        BinaryOp::NotEq => Comparison::NotEqual,
        BinaryOp::Less => Comparison::Less,
        BinaryOp::LessEq => Comparison::LessOrEqual,
        BinaryOp::Greater => Comparison::Greater,
        BinaryOp::GreaterEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_whose_every_link_may_err_ends_before_it_grows_with_its_square() {
        fn chain(length: usize) -> (bool, usize) {
            let mut links = 0;
            let all = Verdict::all((0..length).map(|number| {
                links += 1;
                let column = format!("c{number}");
                let is = |comparison| Predicate::compare(&column, comparison, Value::Integer(1));
                Verdict::of_column(&column, is(Comparison::Equal), is(Comparison::NotEqual))
            }));
            (all.is_ok(), links)
        }
        assert_eq!(chain(100), (true, 100));
        let (fits, looked_at) = chain(5_000);
        assert!(!fits && looked_at < 300, "{looked_at}");
    }
}
