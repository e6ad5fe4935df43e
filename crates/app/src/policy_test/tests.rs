use polder_policy::{ColumnKind, ColumnRef};
use polder_types::DatasetId;

use super::*;

fn patients() -> TableRef {
    let columns = vec![
        ColumnRef::new("id", ColumnKind::Integer).required(),
        ColumnRef::new("ward", ColumnKind::Text).required(),
        ColumnRef::new("name", ColumnKind::Text),
        ColumnRef::new("born", ColumnKind::Date),
        ColumnRef::new("seen", ColumnKind::Timestamp),
        ColumnRef::new("open", ColumnKind::Boolean),
        ColumnRef::new("paid", ColumnKind::Other),
    ];
    TableRef::new(TableName::new("patients").unwrap(), DatasetId([0; 16])).with_columns(columns)
}

fn model() -> TableRef {
    TableRef::new(TableName::new("counted").unwrap(), DatasetId([0; 16])).of_model()
}

fn read(text: &str) -> Result<Vec<Case>, Problems> {
    parse(text, "policies/tests/a.yaml", &[patients(), model()])
}

const POLICIES: &str = r#"@id("nurses-see-their-ward")
permit (principal in Group::"nurses", action == Action::"ReadRow", resource is Row::patients)
when { resource.ward == "north" && context has purpose && context.purpose == "care" };
@id("nurses-read-names")
permit (principal in Group::"nurses", action == Action::"ReadColumn", resource in Table::"patients")
when { ["ward", "name"].contains(resource.name) };
@id("nurses-see-years")
@mask("year")
permit (principal in Group::"nurses", action == Action::"ReadMasked", resource == Column::"patients.born");
"#;

fn run(text: &str) -> Vec<Miss> {
    let tables = [patients(), model()];
    let policies = Policies::load(&[("policies/a.cedar".to_owned(), POLICIES.to_owned())], &[patients()]).unwrap();
    let cases = read(text).unwrap();
    cases.iter().flat_map(|case| case.run(&policies, &tables, &["nurses".to_owned()], 0)).collect()
}

#[test]
fn values_are_read_as_their_columns_have_them() {
    let text = "cases:\n  - as: user:bob\n    at: 1970-01-01T00:00:01.5Z\n    groups: []\n    table: patients\n    rows:\n      - visible: true\n        row: {id: -5, ward: 'n', born: 1970-01-11, seen: '1970-01-01T01:00:00+01:00', open: false, name: ~, paid: 12.5}\n      - {visible: false, row: {seen: '1969-12-31T23:59:59.999999'}}\n";
    let [case] = <[Case; 1]>::try_from(read(text).unwrap()).unwrap();
    assert_eq!((case.line, case.name.as_str(), case.at_micros), (2, "user:bob and patients", Some(1_500_000)));
    assert_eq!(case.groups, Some(Vec::new()));
    let Expected::Reads { rows, columns } = case.expected else { panic!() };
    let value = |name: &str| rows[0].values.get(name).cloned();
    assert_eq!(value("id"), Some(Some(Value::Integer(-5))));
    assert_eq!(value("ward"), Some(Some(Value::Text("n".to_owned()))));
    assert_eq!(value("born"), Some(Some(Value::Date(10))));
    assert_eq!(value("seen"), Some(Some(Value::Timestamp(0))));
    assert_eq!(value("open"), Some(Some(Value::Boolean(false))));
    assert_eq!(value("name"), Some(None));
    // Whether there is one is all that can be asked of a decimal.
    assert!(value("paid").unwrap().is_some());
    assert_eq!((rows[1].visible, rows[1].values.get("seen")), (false, Some(&Some(Value::Timestamp(-1)))));
    assert!(columns.is_empty());
}

#[test]
fn each_problem_has_its_line_and_a_cure() {
    let text = "cases:
  - {as: bob, table: patient, denied: true}
  - as: user:bob
    table: patients
    purpos: care
    rows:
      - {visible: true, row: {wrd: x}}
      - visible: true
        row: {ward: 5, id: 99999999999999999999, born: 31/01/2026, paid: [1]}
      - {visible: maybe, row: {ward: ~}}
    columns:
      name: shown
      ssn: clear
  - {as: 'user:bob', table: counted, columns: {n: clear}}
";
    let problems = read(text).unwrap_err().to_string();
    for (line, said) in [
        (2, "`bob` is no principal; write one of user:NAME"),
        (2, "no contract or model for table patient; did you mean patients?"),
        (5, "`purpos` is not a key of a case; did you mean purpose?"),
        (7, "table patients has no column wrd; did you mean ward?"),
        (9, "column ward takes text, and this is none; put it into quotes"),
        (9, "column id takes a whole number of 64 bits"),
        (9, "column born takes a date, and this is none; write one such as 2026-01-31"),
        (9, "column paid takes a value, and this is none; write a number or a text"),
        (10, "`visible` is text; write true or false"),
        (10, "column ward is nothing; give it a value"),
        (12, "`shown` is nothing that can be expected of a column"),
        (13, "table patients has no column ssn"),
        (14, "table counted has no column n; only tables with contracts"),
    ] {
        let found =
            problems.lines().any(|problem| problem.starts_with(&format!("policies/tests/a.yaml, line {line}: ")) && problem.contains(said));
        assert!(found, "{line}: {said}\n{problems}");
    }
    assert_eq!(problems.lines().count(), 13, "{problems}");
    let twice = "cases:\n  - {as: 'user:bob', table: patients, denied: true}\n  - {as: 'user:bob', table: patients, denied: true}\n";
    let problems = read(twice).unwrap_err().to_string();
    assert!(problems.contains("line 3: an earlier case of the file has the name"), "{problems}");
}

#[test]
fn what_is_as_expected_is_no_miss() {
    let text = "cases:
  - as: user:bob
    purpose: care
    table: patients
    rows:
      - {visible: true, row: {ward: north}}
      - {visible: false, row: {ward: south}}
    columns: {ward: clear, name: clear, born: year, seen: hidden, id: hidden}
  - {name: no purpose, as: 'user:bob', table: patients, denied: true}
  - {name: no group, as: 'user:bob', groups: [], purpose: care, table: patients, denied: true}
";
    assert_eq!(run(text), []);
}

#[test]
fn a_miss_tells_what_came_and_by_which_policy() {
    let text = "cases:
  - as: user:bob
    purpose: care
    table: patients
    rows:
      - {visible: false, row: {ward: north}}
      - {visible: true, row: {ward: south}}
      - {visible: true, row: {name: Ada}}
    columns: {name: last4, born: clear, id: clear}
  - {name: denied, as: 'user:bob', purpose: care, table: patients, denied: true}
  - {name: not denied, as: 'user:bob', groups: [others], purpose: care, table: patients, columns: {ward: clear}}
";
    let misses = run(text);
    let seen: Vec<(u64, &str, &str, &str)> =
        misses.iter().map(|miss| (miss.line, miss.what.as_str(), miss.expected.as_str(), miss.got.as_str())).collect();
    let wanted = [
        (6, "row 1", "hidden", "visible"),
        (7, "row 2", "visible", "hidden"),
        (8, "row 3", "visible", "no answer: policies look at column ward, which the row does not give and the contract requires"),
        (9, "column name", "last4", "clear"),
        (9, "column born", "clear", "year"),
        (9, "column id", "clear", "hidden"),
    ];
    assert_eq!(seen.iter().take(6).copied().collect::<Vec<_>>(), wanted);
    assert_eq!(misses[0].policies, ["nurses-see-their-ward"]);
    assert_eq!(misses[3].policies, ["nurses-read-names"]);
    assert_eq!(misses[4].policies, ["nurses-see-years"]);
    assert_eq!((seen[6].1, seen[6].2), ("table patients", "denied"));
    assert!(seen[6].3.starts_with("rows where \"ward\" = 'north'; "), "{}", seen[6].3);
    assert!(misses[6].policies.contains(&"nurses-see-their-ward".to_owned()));
    assert_eq!(seen[7], (11, "table patients", "something of it may be read", "denied"));
    assert_eq!(seen.len(), 8);
}
