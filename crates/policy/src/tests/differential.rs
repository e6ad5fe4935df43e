//! Row filters against Cedar's own decision on each row. The oracle is `Authorizer::is_authorized` on the row as an entity, where any error
//! denies; what is tested is the predicate that partial evaluation leaves, evaluated by a few lines of this file.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cedar_policy::{Authorizer, Context, Decision as Verdict, Entities, Entity, Request, RestrictedExpression};
use polder_types::predicate::{PatternPart, Predicate, Value};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::*;
use crate::asker::{moment, uid};

type Row = BTreeMap<String, Option<Value>>;

const ROWS_A_SET: usize = 60;
const DAY: i64 = 86_400_000;
/// 2024-02-29T12:34:56.789Z.
const NOW_MILLIS: i64 = 1_709_210_096_789;

fn tested() -> TableRef {
    use ColumnKind as Kind;
    let columns = [
        ("flag", Kind::Boolean),
        ("n", Kind::Integer),
        ("m", Kind::Integer),
        ("t", Kind::Text),
        ("in", Kind::Text),
        ("d", Kind::Date),
        ("ts", Kind::Timestamp),
        ("blob", Kind::Other),
    ];
    let required =
        [("req_flag", Kind::Boolean), ("req_n", Kind::Integer), ("req_t", Kind::Text), ("req_d", Kind::Date), ("req_ts", Kind::Timestamp)];
    let columns = columns.into_iter().map(|(name, kind)| ColumnRef::new(name, kind));
    let required = required.into_iter().map(|(name, kind)| ColumnRef::new(name, kind).required());
    table("tested", None).with_columns(columns.chain(required).collect())
}

/// Choices made from bytes, so that a failure shrinks to few and small ones.
struct Dice<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// Whether conditions may have what no filter can be made of.
    foreign: bool,
}

impl Dice<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % sides
    }

    fn pick<'b>(&mut self, of: &[&'b str]) -> &'b str {
        of[self.roll(of.len())]
    }

    fn integer(&mut self) -> i64 {
        [0, 1, -1, 2, 4_294_967_295, i64::MAX, i64::MIN, i64::MIN + 1][self.roll(8)]
    }

    fn text(&mut self) -> String {
        const TEXTS: [&str; 14] = ["a", "", "ann", "ab", "a*b", "axb", "é", "%", "_", "'", "\"", "\\", "\u{0}line\nbreak", "a\u{1F600}b"];
        self.pick(&TEXTS).to_owned()
    }

    fn moment(&mut self) -> &'static str {
        self.pick(&[
            r#"datetime("1970-01-01")"#,
            r#"datetime("2024-02-29")"#,
            r#"datetime("2024-02-29T12:34:56.789Z")"#,
            r#"datetime("1969-12-31T23:59:59.999Z")"#,
            r#"datetime("1970-01-01").offset(duration("1d"))"#,
            r#"datetime("1970-01-01").offset(duration("9223372036854775807ms"))"#,
            r#"datetime("1970-01-01").offset(duration("-9223372036854775808ms"))"#,
            r#"datetime("1970-01-01").offset(duration("-185542587187200000ms"))"#,
            "context.now",
        ])
    }

    /// A Boolean expression that strict validation takes. `sure` are the optional columns that a test around it found.
    fn boolean(&mut self, depth: usize, sure: &BTreeSet<&'static str>) -> String {
        if depth == 0 {
            return self.atom(sure);
        }
        let inner = depth - 1;
        match self.roll(11) {
            0 | 1 => self.atom(sure),
            2 => format!("({} && {})", self.boolean(inner, sure), self.boolean(inner, sure)),
            3 => format!("({} || {})", self.boolean(inner, sure), self.boolean(inner, sure)),
            4 => format!("!({})", self.boolean(inner, sure)),
            5 => format!("(if {} then {} else {})", self.boolean(inner, sure), self.boolean(inner, sure), self.boolean(inner, sure)),
            6 => format!("(({}) == ({}))", self.boolean(inner, sure), self.boolean(inner, sure)),
            7 | 8 => {
                let column = self.pick(&["flag", "n", "m", "t", "in", "d", "ts"]);
                let with: BTreeSet<&'static str> = sure.iter().copied().chain([column]).collect();
                if self.roll(2) == 0 {
                    format!("({} && {})", has(column), self.boolean(inner, &with))
                } else {
                    format!("(if {} then {} else {})", has(column), self.boolean(inner, &with), self.boolean(inner, sure))
                }
            }
            9 => format!("(({} || {}) && {})", self.atom(sure), self.boolean(inner, sure), self.atom(sure)),
            _ => format!("(!({}) != ({}))", self.boolean(inner, sure), self.atom(sure)),
        }
    }

    fn of(&mut self, sure: &BTreeSet<&'static str>, columns: &[&'static str]) -> String {
        let able: Vec<&str> = columns.iter().copied().filter(|column| column.starts_with("req_") || sure.contains(column)).collect();
        let column = self.pick(&able);
        if column == "in" { r#"resource["in"]"#.to_owned() } else { format!("resource.{column}") }
    }

    fn atom(&mut self, sure: &BTreeSet<&'static str>) -> String {
        let op = self.pick(&["==", "!=", "<", "<=", ">", ">="]);
        let equality = self.pick(&["==", "!="]);
        let integer = self.of(sure, &["req_n", "n", "m"]);
        let text = self.of(sure, &["req_t", "t", "in"]);
        let day = self.of(sure, &["req_d", "d"]);
        let stamp = self.of(sure, &["req_ts", "ts"]);
        let flag = self.of(sure, &["req_flag", "flag"]);
        match self.roll(if self.foreign { 26 } else { 23 }) {
            0 => flag,
            1 => format!("{integer} {op} {}", self.integer()),
            2 => format!("{} {op} {integer}", self.integer()),
            3 => format!("{text} {equality} {}", cedar(&self.text())),
            4 => format!("{day} {op} {}", self.moment()),
            5 => format!("{stamp} {op} {}", self.moment()),
            6 => format!("{} {op} {stamp}", self.moment()),
            7 => has(self.pick(&["flag", "n", "m", "t", "in", "d", "ts", "req_t", "absent", "blob"])),
            8 => format!("{flag} {equality} {}", self.pick(&["true", "false", "resource.req_flag"])),
            9 => format!("{integer} {op} {}", self.of(sure, &["req_n", "n", "m"])),
            10 => format!("{text} {equality} {}", self.of(sure, &["req_t", "t", "in"])),
            11 => format!("{day} {op} {}", self.of(sure, &["req_d", "d"])),
            12 => format!("[{}, {}, {}].contains({integer})", self.integer(), self.integer(), self.integer()),
            13 => format!("[{}, {}, principal.name].contains({text})", cedar(&self.text()), cedar(&self.text())),
            14 => format!("[{}, {}].contains({})", self.moment(), self.moment(), if self.roll(2) == 0 { day } else { stamp }),
            15 => format!("{text} like \"{}\"", self.pick(&["a*", "*", "", "a\\*b", "*b", "*a*", "\\\\", "a*b*", "é", "%", "*\\n*"])),
            16 => format!("{text} == principal.name"),
            17 => {
                let test = self.boolean(0, sure);
                format!("(if {test} then {integer} else {}) {op} {}", self.integer(), self.of(sure, &["req_n", "n", "m"]))
            }
            18 => {
                let test = has("t");
                format!("(if {test} then resource.t else {text}) {equality} {}", cedar(&self.text()))
            }
            // Errs wherever it is reached.
            19 => self.pick(&["9223372036854775807 + 1 > 0", "-9223372036854775808 - 1 < 0", "9223372036854775807 * 2 == 0"]).to_owned(),
            20 => self
                .pick(&["principal.name == \"ann\"", "principal in Group::\"g\"", "principal is Model", "action == Action::\"ReadRow\""])
                .to_owned(),
            21 => self
                .pick(&[
                    "(context has purpose && context.purpose == \"billing\")",
                    "context.hour < 13",
                    "context.weekday == 4",
                    "true",
                    "false",
                ])
                .to_owned(),
            22 => self.pick(&["resource in Table::\"tested\"", "resource in Table::\"other\"", "resource is Row::tested"]).to_owned(),
            23 => format!("{integer} + 1 {op} {}", self.integer()),
            24 => format!("{stamp}.toDate() == {}", self.moment()),
            _ => format!("{stamp} {op} {}", self.of(sure, &["req_ts", "ts"])),
        }
    }

    fn policies(&mut self) -> String {
        let mut text = "permit (principal, action == Action::\"ReadColumn\", resource);\n".to_owned();
        if self.roll(4) == 3 {
            text.push_str("permit (principal, action == Action::\"Read\", resource);\n");
        }
        for number in 0..=self.roll(4) {
            let effect = self.pick(&["permit", "permit", "forbid"]);
            let principal = self.pick(&["principal", "principal in Group::\"g\"", "principal is User", "principal is Model"]);
            let action = self.pick(&["action == Action::\"ReadRow\"", "action in [Action::\"ReadRow\", Action::\"Describe\"]"]);
            let word = self.pick(&["when", "unless"]);
            let condition = self.boolean(3, &BTreeSet::new());
            text.push_str(&format!(
                "@id(\"p{number}\")\n{effect} ({principal}, {action}, resource is Row::tested) {word} {{ {condition} }};\n"
            ));
        }
        text
    }

    fn row(&mut self, of: &TableRef, whole: bool) -> Row {
        let mut row = Row::new();
        for column in &of.columns {
            let null = match column.nullable {
                true => self.roll(4) == 0,
                // Rows from before the contract demanded a value.
                false => !whole && self.roll(24) == 23,
            };
            let value = match column.kind {
                ColumnKind::Boolean => Value::Boolean(self.roll(2) == 1),
                ColumnKind::Integer => Value::Integer(self.integer()),
                ColumnKind::Text => Value::Text(self.text()),
                ColumnKind::Date => Value::Date([0, -1, 1, 19_782, i32::MAX, i32::MIN, -2_147_483_647][self.roll(7)]),
                ColumnKind::Timestamp => {
                    let now = NOW_MILLIS * 1000;
                    let micros = [0, -1, 1, 999, 1000, now, now + 1, now + 999, now + 1000, now - 1, i64::MAX, i64::MIN, DAY * 1000];
                    Value::Timestamp(micros[self.roll(13)])
                }
                // Only whether it is there can be told.
                ColumnKind::Other => Value::Boolean(true),
            };
            row.insert(column.name.clone(), (!null).then_some(value));
        }
        row
    }
}

fn has(column: &str) -> String {
    if column == "in" { "resource has \"in\"".to_owned() } else { format!("resource has {column}") }
}

fn cedar(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
}

fn is_extreme(value: &Value) -> bool {
    match value {
        Value::Integer(value) => matches!(*value, i64::MAX | i64::MIN) || *value == i64::MIN + 1,
        Value::Timestamp(value) => matches!(*value, i64::MAX | i64::MIN),
        Value::Date(value) => matches!(*value, i32::MAX | i32::MIN),
        Value::Text(text) => text.is_empty() || text.contains('\0'),
        Value::Boolean(_) => false,
    }
}

/// What a predicate means, in as few words as possible.
pub(super) fn holds(predicate: &Predicate, row: &Row) -> bool {
    let value = |column: &str| row.get(column).unwrap_or_else(|| panic!("no column {column}")).clone();
    let order = |left: &Value, right: &Value| {
        assert_eq!(std::mem::discriminant(left), std::mem::discriminant(right), "a comparison of two types");
        left.cmp(right)
    };
    match predicate {
        Predicate::Constant(constant) => *constant,
        Predicate::IsNull(column) => value(column).is_none(),
        Predicate::Compare { column, comparison, value: with } => value(column).is_some_and(|value| comparison.holds(order(&value, with))),
        Predicate::Columns { left, comparison, right } => match (value(left), value(right)) {
            (Some(left), Some(right)) => comparison.holds(order(&left, &right)),
            _ => false,
        },
        Predicate::OneOf { column, values } => value(column).is_some_and(|value| values.iter().any(|one| order(&value, one).is_eq())),
        Predicate::Like { column, pattern } => match value(column) {
            Some(Value::Text(text)) => fits(&text.chars().collect::<Vec<_>>(), pattern),
            Some(_) => panic!("like on something else than text"),
            None => false,
        },
        Predicate::Not(inner) => !holds(inner, row),
        Predicate::And(parts) => parts.iter().all(|part| holds(part, row)),
        Predicate::Or(parts) => parts.iter().any(|part| holds(part, row)),
    }
}

fn fits(text: &[char], pattern: &[PatternPart]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((PatternPart::Any, rest)) => (0..=text.len()).any(|skipped| fits(&text[skipped..], rest)),
        Some((PatternPart::Literal(c), rest)) => text.first() == Some(c) && fits(&text[1..], rest),
    }
}

/// What Cedar says of one row.
struct Oracle {
    permits: bool,
    forbids: bool,
    errs: bool,
}

/// The values of `datetime` that rows have are few, and their syntax is slow to parse.
struct Moments(HashMap<i64, RestrictedExpression>);

impl Moments {
    fn get(&mut self, millis: i64) -> RestrictedExpression {
        self.0.entry(millis).or_insert_with(|| moment(millis).unwrap()).clone()
    }
}

fn oracle(policies: &Policies, row: &Row, circumstances: &Circumstances, moments: &mut Moments) -> Oracle {
    let name = |name: &str| HashMap::from([("name".to_owned(), RestrictedExpression::new_string(name.to_owned()))]);
    let group = uid("Group", "g").unwrap();
    let attributes = row.iter().filter_map(|(column, value)| {
        let value = match value.as_ref()? {
            _ if column == "blob" => RestrictedExpression::new_entity_uid(uid("Row::Incomparable", "any").unwrap()),
            Value::Boolean(value) => RestrictedExpression::new_bool(*value),
            Value::Integer(value) => RestrictedExpression::new_long(*value),
            Value::Text(value) => RestrictedExpression::new_string(value.clone()),
            Value::Date(days) => moments.get(i64::from(*days) * DAY),
            Value::Timestamp(micros) => moments.get(micros.div_euclid(1000)),
        };
        Some((column.clone(), value))
    });
    let attributes: HashMap<String, RestrictedExpression> = attributes.collect();
    let id = uid("Row::tested", "row").unwrap();
    let ann = uid("User", "ann").unwrap();
    let entities = Entities::from_entities(
        [
            Entity::new_no_attrs(group.clone(), HashSet::new()),
            Entity::new_no_attrs(uid("Table", "tested").unwrap(), HashSet::new()),
            Entity::new(ann.clone(), name("ann"), HashSet::from([group])).unwrap(),
            Entity::new(id.clone(), attributes, HashSet::from([uid("Table", "tested").unwrap()])).unwrap(),
        ],
        None,
    )
    .unwrap();
    let context = Context::from_pairs([
        ("now".to_owned(), moments.get(NOW_MILLIS)),
        ("hour".to_owned(), RestrictedExpression::new_long(12)),
        ("weekday".to_owned(), RestrictedExpression::new_long(4)),
        ("purpose".to_owned(), RestrictedExpression::new_string(circumstances.purpose.clone().unwrap())),
    ])
    .unwrap();
    let request = Request::new(ann, uid("Action", "ReadRow").unwrap(), id, context, None).unwrap();
    let response = Authorizer::new().is_authorized(&request, &policies.set, &entities);
    Oracle {
        permits: response.decision() == Verdict::Allow,
        forbids: response.decision() == Verdict::Deny && response.diagnostics().reason().next().is_some(),
        errs: response.diagnostics().errors().next().is_some(),
    }
}

#[derive(Debug, Default)]
struct Counts {
    sets: usize,
    pairs: usize,
    visible: usize,
    permits: usize,
    forbids: usize,
    errs: usize,
    constant: usize,
    whole: usize,
    values: usize,
    nulls: usize,
    extremes: usize,
}

/// `PROPTEST_CASES`, where it is set, and else as many as usual.
fn cases(usual: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(usual),
    }
}

/// Runs `sets` policy sets, each on [`ROWS_A_SET`] rows. With `foreign`, what cannot be filtered by keeps rows back that Cedar would show;
/// without, both say the same of each row.
fn compare(sets: u32, foreign: bool) -> Counts {
    let sets = cases(sets).cases;
    let counts = std::cell::RefCell::new(Counts::default());
    // Each set takes a few hundred choices, and each row about forty.
    let bytes = proptest::collection::vec(any::<u8>(), 400..1600);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(sets) });
    let moments = std::cell::RefCell::new(Moments(HashMap::new()));
    let of = tested();
    let circumstances = Circumstances::at(NOW_MILLIS * 1000 + 7).with_purpose(Some("billing".to_owned()));
    let outcome = runner.run(&bytes, |bytes| {
        let mut dice = Dice { bytes: bytes.iter(), foreign };
        let text = dice.policies();
        let policies = Policies::load(&[("p".to_owned(), text.clone())], std::slice::from_ref(&of))
            .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let groups = ["g".to_owned()];
        let access = policies.access(&who("user", "ann"), &groups, &of, &circumstances, RequestId([3; 16]));
        let again = policies.access(&who("user", "ann"), &groups, &of, &circumstances, RequestId([3; 16]));
        prop_assert_eq!(&access, &again, "two answers to one question");
        let whole = text.contains("Action::\"Read\"");
        let mut counts = counts.borrow_mut();
        counts.sets += 1;
        counts.whole += usize::from(whole);
        counts.constant += usize::from(!matches!(&access, Ok(access) if access.rows().is_some()));
        // Rows come of other bytes than the policies, so that a set's length does not make them alike.
        let mut rows = Dice { bytes: bytes.iter(), foreign };
        let _ = rows.roll(2);
        for number in 0..ROWS_A_SET {
            let row = if number % 2 == 0 { rows.row(&of, whole) } else { dice.row(&of, whole) };
            let truth = oracle(&policies, &row, &circumstances, &mut moments.borrow_mut());
            let expected = !truth.errs && !truth.forbids && (whole || truth.permits);
            let shown = access.as_ref().is_ok_and(|access| access.rows().is_none_or(|filter| holds(filter, &row)));
            if foreign {
                prop_assert!(expected || !shown, "{}\n{:?}\n{:?}", text, row, access);
            } else {
                prop_assert_eq!(expected, shown, "{}\n{:?}\n{:?}", text, row, access);
            }
            counts.pairs += 1;
            counts.visible += usize::from(shown);
            counts.permits += usize::from(truth.permits);
            counts.forbids += usize::from(truth.forbids);
            counts.errs += usize::from(truth.errs);
            counts.values += row.len();
            counts.nulls += row.values().filter(|value| value.is_none()).count();
            counts.extremes += row.values().flatten().filter(|value| is_extreme(value)).count();
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    counts.into_inner()
}

#[test]
fn a_filter_shows_the_rows_that_cedar_would_decide_to_show() {
    let counts = compare(180, false);
    println!("{counts:?}");
    // More where PROPTEST_CASES asks for more; fewer for who asks for fewer.
    assert!(counts.pairs >= 10_000 || std::env::var_os("PROPTEST_CASES").is_some(), "{counts:?}");
    // None of these can be empty, or the comparison would be one of a few constants.
    for class in [counts.visible, counts.pairs - counts.visible, counts.permits, counts.forbids, counts.errs] {
        assert!(class >= counts.pairs / 50, "{counts:?}");
    }
    assert!(counts.constant <= counts.sets * 3 / 4, "{counts:?}");
    assert!(counts.whole >= counts.sets / 20, "{counts:?}");
    assert!((counts.nulls + counts.extremes) * 5 >= counts.values, "{counts:?}");
}

#[test]
fn what_no_filter_can_be_made_of_shows_no_more_rows() {
    let counts = compare(40, true);
    assert!(counts.visible >= counts.pairs / 50, "{counts:?}");
}

/// A tree as it is written, and what the simplifying constructors make of it.
fn tree(dice: &mut Dice<'_>, depth: usize) -> (Predicate, Predicate) {
    use polder_types::predicate::Comparison as C;
    let column = dice.pick(&["a", "b"]);
    let comparison = [C::Equal, C::NotEqual, C::Less, C::LessOrEqual, C::Greater, C::GreaterOrEqual][dice.roll(6)];
    let value = |number: usize| Value::Integer(i64::try_from(number).unwrap());
    let twice = |predicate: Predicate| (predicate.clone(), predicate);
    let many = |dice: &mut Dice<'_>| (0..[2, 3, 1, 0, 4][dice.roll(5)]).map(|_| tree(dice, depth - 1)).unzip::<_, _, Vec<_>, Vec<_>>();
    let kind = if depth == 0 || dice.roll(5) == 4 { dice.roll(6) } else { 6 + dice.roll(5) };
    match kind {
        0 => twice(Predicate::IsNull(column.to_owned())),
        1 => twice(Predicate::is_not_null(column)),
        2 => twice(Predicate::compare(column, comparison, value(dice.roll(2)))),
        3 => twice(Predicate::Columns { left: "a".to_owned(), comparison, right: "b".to_owned() }),
        4 => twice(Predicate::OneOf { column: column.to_owned(), values: vec![value(dice.roll(2))] }),
        5 if dice.roll(8) == 7 => twice(Predicate::Constant(dice.roll(2) == 0)),
        5 => twice(Predicate::IsNull(column.to_owned()).not()),
        6 | 7 => {
            let (written, simple) = many(dice);
            (Predicate::And(written), Predicate::and(simple))
        }
        8 | 9 => {
            let (written, simple) = many(dice);
            (Predicate::Or(written), Predicate::or(simple))
        }
        _ => {
            let (written, simple) = tree(dice, depth - 1);
            (Predicate::Not(Box::new(written)), simple.not())
        }
    }
}

#[test]
fn what_is_simplified_says_the_same() {
    let sizes = std::cell::Cell::new((0, 0));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..cases(8_000) });
    let outcome = runner.run(&proptest::collection::vec(any::<u8>(), 20..400), |bytes| {
        let (written, simple) = tree(&mut Dice { bytes: bytes.iter(), foreign: false }, 4);
        let (before, after) = sizes.get();
        sizes.set((before + written.size(), after + simple.size()));
        for a in [None, Some(0), Some(1)] {
            for b in [None, Some(0), Some(1)] {
                let row = Row::from([("a".to_owned(), a.map(Value::Integer)), ("b".to_owned(), b.map(Value::Integer))]);
                prop_assert_eq!(holds(&written, &row), holds(&simple, &row), "{} became {} at {:?}", written, simple, row);
            }
        }
        // What a tree requires is not NULL wherever it is true.
        for column in simple.requires() {
            for other in [None, Some(0), Some(1)] {
                let rest = if column == "a" { "b" } else { "a" };
                let row = Row::from([(column.to_owned(), None), (rest.to_owned(), other.map(Value::Integer))]);
                prop_assert!(!holds(&simple, &row), "{} does not need {}", simple, column);
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (before, after) = sizes.get();
    assert!(after * 2 < before, "{before} {after}");
}
