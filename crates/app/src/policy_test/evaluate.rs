//! A predicate over the values of one row.

use std::collections::BTreeMap;

use polder_types::predicate::{PatternPart, Predicate, Value};

/// Whether a predicate is true of a row. A column that has no value is NULL, and what compares with NULL is false, as it is where rows are
/// filtered.
pub(super) fn holds(predicate: &Predicate, row: &BTreeMap<String, Option<Value>>) -> bool {
    let value = |column: &str| row.get(column).and_then(Option::as_ref);
    match predicate {
        Predicate::Constant(constant) => *constant,
        Predicate::IsNull(column) => value(column).is_none(),
        // Values of one column are of one type, and within a type their order is that of its numbers or bytes.
        Predicate::Compare { column, comparison, value: constant } => {
            value(column).is_some_and(|value| comparison.holds(value.cmp(constant)))
        }
        Predicate::Columns { left, comparison, right } => match (value(left), value(right)) {
            (Some(left), Some(right)) => comparison.holds(left.cmp(right)),
            _ => false,
        },
        Predicate::OneOf { column, values } => value(column).is_some_and(|value| values.contains(value)),
        Predicate::Like { column, pattern } => matches!(value(column), Some(Value::Text(text)) if fits(text, pattern)),
        Predicate::Not(inner) => !holds(inner, row),
        Predicate::And(parts) => parts.iter().all(|part| holds(part, row)),
        Predicate::Or(parts) => parts.iter().any(|part| holds(part, row)),
    }
}

/// Whether the whole of a text fits a pattern. The places in the text that the pattern so far leads to are kept, so that it takes at most
/// as many steps as text and pattern have characters together multiplied.
fn fits(text: &str, pattern: &[PatternPart]) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![true];
    reached.resize(text.len() + 1, false);
    for part in pattern {
        match part {
            PatternPart::Any => {
                let mut before = false;
                for place in &mut reached {
                    before |= *place;
                    *place = before;
                }
            }
            PatternPart::Literal(c) => {
                let mut next = vec![false];
                next.extend(reached.iter().zip(&text).map(|(reached, at)| *reached && at == c));
                reached = next;
            }
        }
    }
    reached.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use polder_types::predicate::Comparison;

    use super::*;

    fn pattern(text: &str) -> Vec<PatternPart> {
        text.chars().map(|c| if c == '*' { PatternPart::Any } else { PatternPart::Literal(c) }).collect()
    }

    #[test]
    fn the_whole_text_fits_or_does_not() {
        for (text, like, wanted) in [
            ("", "", true),
            ("", "*", true),
            ("a", "", false),
            ("north", "north", true),
            ("north", "nor", false),
            ("north", "nor*", true),
            ("north", "*th", true),
            ("north", "n*t*h", true),
            ("north", "n*x*h", false),
            ("aaab", "*ab", true),
            ("é\nü", "é*ü", true),
            ("ab", "a**b*", true),
            ("ab", "abc", false),
        ] {
            assert_eq!(fits(text, &pattern(like)), wanted, "{text:?} like {like:?}");
        }
        // Backtracking would take ages.
        assert!(!fits(&"a".repeat(2_000), &pattern(&("*a".repeat(200) + "b"))));
    }

    #[test]
    fn what_compares_with_null_is_false() {
        let row = BTreeMap::from([
            ("ward".to_owned(), Some(Value::Text("north".to_owned()))),
            ("age".to_owned(), Some(Value::Integer(5))),
            ("owner".to_owned(), None),
        ]);
        let age = |comparison, number| Predicate::compare("age", comparison, Value::Integer(number));
        let owner = Predicate::compare("owner", Comparison::NotEqual, Value::Text("ann".to_owned()));
        for (predicate, wanted) in [
            (Predicate::TRUE, true),
            (Predicate::FALSE, false),
            (age(Comparison::Less, 6), true),
            (age(Comparison::Less, 5), false),
            (age(Comparison::GreaterOrEqual, 5), true),
            (age(Comparison::NotEqual, -5), true),
            (owner.clone(), false),
            (Predicate::Not(Box::new(owner)), true),
            (Predicate::IsNull("owner".to_owned()), true),
            (Predicate::IsNull("missing".to_owned()), true),
            (Predicate::is_not_null("ward"), true),
            (Predicate::Columns { left: "ward".to_owned(), comparison: Comparison::Equal, right: "ward".to_owned() }, true),
            (Predicate::Columns { left: "ward".to_owned(), comparison: Comparison::NotEqual, right: "owner".to_owned() }, false),
            (Predicate::OneOf { column: "age".to_owned(), values: vec![Value::Integer(4), Value::Integer(5)] }, true),
            (Predicate::OneOf { column: "owner".to_owned(), values: vec![Value::Text(String::new())] }, false),
            (Predicate::Like { column: "ward".to_owned(), pattern: pattern("n*") }, true),
            (Predicate::Like { column: "owner".to_owned(), pattern: pattern("*") }, false),
            (Predicate::And(Vec::new()), true),
            (Predicate::Or(Vec::new()), false),
        ] {
            assert_eq!(holds(&predicate, &row), wanted, "{predicate}");
        }
    }
}
