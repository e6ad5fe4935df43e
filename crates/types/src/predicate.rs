//! What a policy leaves to decide of a row, as a tree that whoever filters rows evaluates exactly.
//!
//! It has two values: a comparison that meets NULL is false, so that `Not` of it is true. Nothing in it can fail.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

/// A constant of a policy, in the units of the column that it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text, compared byte by byte.
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// What is true of two values exactly when this is false.
    #[must_use]
    pub const fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// The same with its sides exchanged.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// Whether it is true of two values in this order.
    #[must_use]
    pub const fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// One part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PatternPart {
    /// This character, and no other.
    Literal(char),
    /// Any number of any characters, line breaks among them.
    Any,
}

/// A condition on a row. Two-valued: what compares with NULL is false.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Predicate {
    /// The same for every row.
    Constant(bool),
    /// The column's value is NULL.
    IsNull(String),
    /// The column's value compares so with a constant of its own type.
    Compare {
        /// The column's name.
        column: String,
        /// How it is compared; the column stands left.
        comparison: Comparison,
        /// With what.
        value: Value,
    },
    /// Two columns of one type compare so.
    Columns {
        /// The name of the column that stands left.
        left: String,
        /// How they are compared.
        comparison: Comparison,
        /// The name of the column that stands right.
        right: String,
    },
    /// The column's value is one of these, all of its own type.
    OneOf {
        /// The column's name.
        column: String,
        /// The values, sorted, each once, at least one.
        values: Vec<Value>,
    },
    /// The whole of the column's text fits the pattern.
    Like {
        /// The column's name.
        column: String,
        /// The pattern.
        pattern: Vec<PatternPart>,
    },
    /// The inner condition is false; true where a comparison inside met NULL.
    Not(Box<Self>),
    /// All are true; of none it is true.
    And(Vec<Self>),
    /// At least one is true; of none it is false.
    Or(Vec<Self>),
}

impl Predicate {
    /// True of every row.
    pub const TRUE: Self = Self::Constant(true);
    /// False of every row.
    pub const FALSE: Self = Self::Constant(false);

    /// The column's value is not NULL.
    #[must_use]
    pub fn is_not_null(column: &str) -> Self {
        Self::Not(Box::new(Self::IsNull(column.to_owned())))
    }

    /// The column's value compares so with a constant of its own type.
    #[must_use]
    pub fn compare(column: &str, comparison: Comparison, value: Value) -> Self {
        Self::Compare { column: column.to_owned(), comparison, value }
    }

    /// All of these, without what says nothing: constants, repetitions, `IS NOT NULL` beside a comparison of the same column; constantly
    /// false when two parts contradict each other.
    #[must_use]
    pub fn and(parts: impl IntoIterator<Item = Self>) -> Self {
        let Some(parts) = flat(parts, true) else { return Self::FALSE };
        // Where a column is not NULL, the opposite of a comparison is the opposite comparison.
        let valued: BTreeSet<String> = parts.iter().flat_map(Self::requires).map(str::to_owned).collect();
        let Some(parts) = flat(parts.into_iter().map(|part| part.of_valued(&valued)), true) else { return Self::FALSE };
        let set: HashSet<&Self> = parts.iter().collect();
        let compared: HashSet<&str> = parts.iter().filter(|part| part.tested_not_null().is_none()).flat_map(Self::requires).collect();
        let contradicts = |part: &Self| match part {
            Self::Not(inner) => set.contains(inner.as_ref()),
            Self::IsNull(column) => compared.contains(column.as_str()),
            _ => false,
        };
        if parts.iter().any(|part| contradicts(part) || part.opposite_comparison().is_some_and(|opposite| set.contains(&opposite))) {
            return Self::FALSE;
        }
        // An alternative that stands beside its Or makes it say nothing. Only what is left then can imply that a column is not NULL: that
        // test may be the very alternative.
        let absorbed =
            |part: &Self| matches!(part, Self::Or(alternatives) if alternatives.iter().any(|alternative| set.contains(alternative)));
        let left: Vec<Self> = parts.iter().filter(|part| !absorbed(part)).cloned().collect();
        let compared: HashSet<&str> = left.iter().filter(|part| part.tested_not_null().is_none()).flat_map(Self::requires).collect();
        let implied = |part: &Self| part.tested_not_null().is_some_and(|column| compared.contains(column));
        single(left.iter().filter(|part| !implied(part)).cloned().collect(), Self::And, Self::TRUE)
    }

    /// Any of these, without what says nothing: constants, repetitions; constantly true when two parts are each other's opposite.
    #[must_use]
    pub fn or(parts: impl IntoIterator<Item = Self>) -> Self {
        let Some(parts) = flat(parts, false) else { return Self::TRUE };
        let set: HashSet<&Self> = parts.iter().collect();
        if parts.iter().any(|part| matches!(part, Self::Not(inner) if set.contains(inner.as_ref()))) {
            return Self::TRUE;
        }
        single(parts, Self::Or, Self::FALSE)
    }

    /// The opposite of this, with `Not` moved inwards past `And` and `Or`, and never two in a row.
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "stands beside and() and or(), which no operator can give")]
    pub fn not(self) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(!value),
            Self::Not(inner) => *inner,
            Self::And(parts) => Self::or(parts.into_iter().map(Self::not)),
            Self::Or(parts) => Self::and(parts.into_iter().map(Self::not)),
            other => Self::Not(Box::new(other)),
        }
    }

    /// The names of all columns that it looks at.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        self.collect(&mut found);
        found
    }

    /// Names of columns that are not NULL wherever this is true. There may be more than these.
    #[must_use]
    pub fn requires(&self) -> BTreeSet<&str> {
        match self {
            Self::Compare { column, .. } | Self::OneOf { column, .. } | Self::Like { column, .. } => BTreeSet::from([column.as_str()]),
            Self::Columns { left, right, .. } => BTreeSet::from([left.as_str(), right.as_str()]),
            Self::Not(_) => self.tested_not_null().into_iter().collect(),
            Self::And(parts) => parts.iter().flat_map(Self::requires).collect(),
            Self::Or(parts) => {
                let each = parts.iter().map(Self::requires);
                each.reduce(|all, these| all.intersection(&these).copied().collect()).unwrap_or_default()
            }
            Self::Constant(_) | Self::IsNull(_) => BTreeSet::new(),
        }
    }

    /// How many nodes the tree has.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Not(inner) => inner.size() + 1,
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::size).sum::<usize>() + 1,
            Self::OneOf { values, .. } => values.len() + 1,
            Self::Like { pattern, .. } => pattern.len() + 1,
            _ => 1,
        }
    }

    fn collect<'a>(&'a self, found: &mut BTreeSet<&'a str>) {
        match self {
            Self::Constant(_) => {}
            Self::Columns { left, right, .. } => found.extend([left.as_str(), right.as_str()]),
            Self::IsNull(column) | Self::Compare { column, .. } | Self::OneOf { column, .. } | Self::Like { column, .. } => {
                found.insert(column);
            }
            Self::Not(inner) => inner.collect(found),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.collect(found)),
        }
    }

    /// The same where these columns are not NULL.
    fn of_valued(self, valued: &BTreeSet<String>) -> Self {
        let inner = match self {
            Self::Not(inner) => inner,
            Self::Or(parts) => return Self::or(parts.into_iter().map(|part| part.of_valued(valued))),
            other => return other,
        };
        if inner.requires().into_iter().all(|column| valued.contains(column)) {
            inner.opposite_comparison().unwrap_or(Self::Not(inner))
        } else {
            Self::Not(inner)
        }
    }

    /// The comparison that is true exactly where this one is false and meets no NULL.
    fn opposite_comparison(&self) -> Option<Self> {
        match self {
            Self::Compare { column, comparison, value } => Some(Self::compare(column, comparison.negated(), value.clone())),
            Self::Columns { left, comparison, right } => {
                Some(Self::Columns { left: left.clone(), comparison: comparison.negated(), right: right.clone() })
            }
            _ => None,
        }
    }

    fn tested_not_null(&self) -> Option<&str> {
        match self {
            Self::Not(inner) => match inner.as_ref() {
                Self::IsNull(column) => Some(column),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The parts, with those of inner trees of the same kind, each once; none when one of them decides the whole.
fn flat(parts: impl IntoIterator<Item = Predicate>, and: bool) -> Option<Vec<Predicate>> {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    let mut add = |part: Predicate| match part {
        Predicate::Constant(value) => value == and,
        part => {
            if seen.insert(part.clone()) {
                kept.push(part);
            }
            true
        }
    };
    for part in parts {
        let decided = match part {
            Predicate::And(inner) if and => !inner.into_iter().all(&mut add),
            Predicate::Or(inner) if !and => !inner.into_iter().all(&mut add),
            other => !add(other),
        };
        if decided {
            return None;
        }
    }
    Some(kept)
}

fn single(mut parts: Vec<Predicate>, of_many: impl Fn(Vec<Predicate>) -> Predicate, of_none: Predicate) -> Predicate {
    match parts.pop() {
        None => of_none,
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            of_many(parts)
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "'{}'", value.replace('\'', "''")),
            Self::Date(days) => write!(f, "day {days}"),
            Self::Timestamp(micros) => write!(f, "microsecond {micros}"),
        }
    }
}

fn quoted(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}

/// For people, in the manner of SQL: `"region" = 'eu' AND NOT "vip" = true`.
impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            parts.iter().enumerate().try_for_each(|(place, part)| {
                let between = if place == 0 { "" } else { word };
                match part {
                    Self::And(_) | Self::Or(_) => write!(f, "{between}({part})"),
                    _ => write!(f, "{between}{part}"),
                }
            })
        };
        match self {
            Self::Constant(value) => write!(f, "{value}"),
            Self::IsNull(column) => write!(f, "{} IS NULL", quoted(column)),
            Self::Compare { column, comparison, value } => write!(f, "{} {comparison} {value}", quoted(column)),
            Self::Columns { left, comparison, right } => write!(f, "{} {comparison} {}", quoted(left), quoted(right)),
            Self::OneOf { column, values } => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "{} IN ({})", quoted(column), values.join(", "))
            }
            Self::Like { column, pattern } => {
                let pattern: String = pattern.iter().fold(String::new(), |mut text, part| {
                    match part {
                        PatternPart::Any => text.push('%'),
                        PatternPart::Literal(c @ ('%' | '_' | '\\')) => text.extend(['\\', *c]),
                        PatternPart::Literal(c) => text.push(*c),
                    }
                    text
                });
                write!(f, "{} LIKE {}", quoted(column), Value::Text(pattern))
            }
            Self::Not(inner) => match inner.as_ref() {
                Self::IsNull(column) => write!(f, "{} IS NOT NULL", quoted(column)),
                Self::And(_) | Self::Or(_) => write!(f, "NOT ({inner})"),
                _ => write!(f, "NOT {inner}"),
            },
            Self::And(parts) => list(f, parts, " AND "),
            Self::Or(parts) => list(f, parts, " OR "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eu() -> Predicate {
        Predicate::compare("region", Comparison::Equal, Value::Text("eu".to_owned()))
    }

    fn vip() -> Predicate {
        Predicate::compare("vip", Comparison::Equal, Value::Boolean(true))
    }

    #[test]
    fn and_drops_what_says_nothing() {
        assert_eq!(Predicate::and([]), Predicate::TRUE);
        assert_eq!(Predicate::and([eu(), Predicate::TRUE, eu()]), eu());
        assert_eq!(Predicate::and([eu(), Predicate::FALSE]), Predicate::FALSE);
        assert_eq!(Predicate::and([Predicate::is_not_null("region"), eu()]), eu());
        assert_eq!(Predicate::and([Predicate::is_not_null("other"), eu()]), Predicate::And(vec![Predicate::is_not_null("other"), eu()]));
        assert_eq!(Predicate::and([Predicate::and([eu(), vip()]), eu()]), Predicate::And(vec![eu(), vip()]));
        let us = Predicate::compare("region", Comparison::Equal, Value::Text("us".to_owned()));
        let either = Predicate::or([eu(), us]);
        assert_eq!(Predicate::and([either.clone(), Predicate::is_not_null("region")]), either);
        assert_eq!(Predicate::and([either, Predicate::IsNull("region".to_owned())]), Predicate::FALSE);
    }

    #[test]
    fn and_of_opposites_is_false() {
        assert_eq!(Predicate::and([Predicate::IsNull("region".to_owned()), eu()]), Predicate::FALSE);
        assert_eq!(Predicate::and([Predicate::IsNull("region".to_owned()), vip(), Predicate::is_not_null("region")]), Predicate::FALSE);
        assert_eq!(Predicate::and([eu().not(), eu()]), Predicate::FALSE);
        let not_eu = Predicate::compare("region", Comparison::NotEqual, Value::Text("eu".to_owned()));
        assert_eq!(Predicate::and([not_eu.clone(), vip(), eu()]), Predicate::FALSE);
        assert_eq!(Predicate::and([Predicate::or([not_eu.clone().not(), vip()]), eu()]), eu());
        let null_or = |part| Predicate::Or(vec![Predicate::is_not_null("region"), part]);
        assert_eq!(Predicate::and([Predicate::is_not_null("region"), null_or(eu())]), Predicate::is_not_null("region"));
        // Beside what tells that the column is not NULL, and only there, NOT = is <>.
        assert_eq!(Predicate::and([Predicate::is_not_null("region"), eu().not()]), not_eu);
        assert_eq!(Predicate::and([vip(), eu().not()]), Predicate::And(vec![vip(), eu().not()]));
    }

    #[test]
    fn or_of_opposites_is_true_and_of_none_false() {
        assert_eq!(Predicate::or([]), Predicate::FALSE);
        assert_eq!(Predicate::or([eu(), eu().not()]), Predicate::TRUE);
        assert_eq!(Predicate::or([eu(), Predicate::FALSE, Predicate::or([vip(), eu()])]), Predicate::Or(vec![eu(), vip()]));
        assert_eq!(Predicate::or([eu(), Predicate::TRUE]), Predicate::TRUE);
    }

    #[test]
    fn not_moves_inwards_but_never_into_a_comparison() {
        // In two values the opposite of `region = 'eu'` is true of NULL, and `region <> 'eu'` is not.
        assert_eq!(eu().not(), Predicate::Not(Box::new(eu())));
        assert_eq!(eu().not().not(), eu());
        assert_eq!(Predicate::and([eu(), vip()]).not(), Predicate::Or(vec![eu().not(), vip().not()]));
        assert_eq!(Predicate::or([eu(), vip()]).not(), Predicate::And(vec![eu().not(), vip().not()]));
    }

    #[test]
    fn columns_are_all_that_it_looks_at() {
        let both = Predicate::Columns { left: "a".to_owned(), comparison: Comparison::Less, right: "b".to_owned() };
        let like = Predicate::Like { column: "c".to_owned(), pattern: vec![PatternPart::Any] };
        let one = Predicate::OneOf { column: "d".to_owned(), values: vec![Value::Integer(1)] };
        let tree = Predicate::or([both, Predicate::and([like.not(), one, Predicate::is_not_null("e")]), eu()]);
        assert_eq!(tree.columns().into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "region"]);
    }

    #[test]
    fn it_reads_as_sql_does() {
        let like = Predicate::Like {
            column: "x\"y".to_owned(),
            pattern: vec![PatternPart::Literal('5'), PatternPart::Literal('%'), PatternPart::Any],
        };
        let tree = Predicate::and([eu(), Predicate::or([vip().not(), Predicate::is_not_null("it's"), like])]);
        assert_eq!(tree.to_string(), r#""region" = 'eu' AND (NOT "vip" = true OR "it's" IS NOT NULL OR "x""y" LIKE '5\%%')"#);
    }

    #[test]
    fn a_comparison_and_its_opposite_never_agree() {
        use Comparison as C;
        use std::cmp::Ordering::{Equal, Greater, Less};
        for comparison in [C::Equal, C::NotEqual, C::Less, C::LessOrEqual, C::Greater, C::GreaterOrEqual] {
            for order in [Less, Equal, Greater] {
                assert_ne!(comparison.holds(order), comparison.negated().holds(order), "{comparison}");
                assert_eq!(comparison.holds(order), comparison.reversed().holds(order.reverse()), "{comparison}");
            }
        }
    }
}
