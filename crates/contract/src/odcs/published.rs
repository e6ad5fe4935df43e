//! The examples that the standard publishes: each of their keys is enforced, used, told, or refused by its name.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::Contract as DataContract;
use crate::yaml::Problem;

const TYPES: &str = include_str!("../../tests/odcs/all-data-types.odcs.yaml");
const COMPLETENESS: &str = include_str!("../../tests/odcs/column-completeness.odcs.yaml");
const ADVENTURE_WORKS: &str = include_str!("../../tests/odcs/postgresql-adventureworks-contract.odcs.yaml");

fn problems(text: &str) -> Vec<Problem> {
    DataContract::parse(text, "t.odcs.yaml").map_or_else(|problems| problems.0, |_| Vec::new())
}

/// Every key of a document, with its place.
fn keys(place: Place, value: &Value, found: &mut BTreeSet<(&'static str, String)>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| keys(place, one, found)),
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert((place.name(), key.clone()));
                let below = match (place, key.as_str()) {
                    (Contract, "schema") => Schema,
                    (Schema, "properties") => Property,
                    (Schema | Property, "quality") => Quality,
                    (Property, "logicalTypeOptions") => Options,
                    (Contract | Schema | Property, "customProperties") => CustomProperty,
                    _ => continue,
                };
                keys(below, value, found);
            }
        }
        _ => {}
    }
}

/// Reads a document; how many keys it has, and how many of them are refused, each by its name.
fn read(text: &str) -> (usize, usize) {
    let (told, mut found) = (problems(text), BTreeSet::new());
    keys(Contract, &serde_saphyr::from_str(text).unwrap(), &mut found);
    let mut refused = 0;
    for (place, key) in &found {
        let row = KEYS.iter().find(|row| row.0.name() == *place && row.1 == key);
        let (_, _, used, _) = row.unwrap_or_else(|| panic!("{place} {key} has no row"));
        if *used == Refused {
            refused += 1;
            assert!(told.iter().any(|problem| problem.problem.contains(&format!("`{key}` is not enforced"))), "{key}: {told:?}");
        }
    }
    // None is a key that the standard does not have.
    assert!(!told.iter().any(|problem| problem.problem.contains("is not a key of")), "{told:?}");
    (found.len(), refused)
}

#[test]
fn keys_of_the_example_with_all_types_are_read_or_refused_by_name() {
    let (all, refused) = read(TYPES);
    assert_eq!((all, refused), (32, 5));
    let told: Vec<(u64, String)> = problems(TYPES).into_iter().map(|problem| (problem.line, problem.problem)).collect();
    let lines: Vec<u64> = told.iter().map(|(line, _)| *line).collect();
    // No source; bounds of a timestamp as no ISO 8601; the zone of a time; a list and an object with what belongs to them.
    assert_eq!(lines, [1, 32, 33, 51, 68, 72, 73, 74, 75, 79, 82], "{told:?}");
}

#[test]
fn keys_of_the_example_with_a_rule_are_read_or_refused_by_name() {
    let (all, refused) = read(COMPLETENESS);
    assert_eq!((all, refused), (29, 3));
    let lines: Vec<u64> = problems(COMPLETENESS).iter().map(|problem| problem.line).collect();
    // No source; a table's name in capitals; severity, scheduler and schedule.
    assert_eq!(lines, [1, 8, 28, 30, 31]);
}

#[test]
fn keys_of_the_example_of_a_whole_database_are_read_or_refused_by_name() {
    // A contract is for one table, which the whole says first.
    let whole = problems(ADVENTURE_WORKS);
    assert!(whole.iter().any(|problem| problem.problem == "`schema` is not a list of exactly one table"), "{whole:?}");
    let (head, rest) = ADVENTURE_WORKS.split_once("schema:\n").unwrap();
    let (tables, tail) = rest.split_at(rest.rfind("\ncontractCreatedTs").unwrap() + 1);
    let tables: Vec<&str> = tables.split("\n  - name: ").map(|table| table.trim_start_matches("  - name: ").trim_end()).collect();
    assert_eq!(tables.len(), 68);
    let source = "customProperties: [{property: polder.source, value: s}]\n";
    let mut whole = 0;
    for table in tables {
        let text = format!("{head}{tail}{source}schema:\n  - name: {table}\n");
        let (_, refused) = read(&text);
        assert_eq!(refused, usize::from(table.contains("partitioned:")), "{table}");
        // What is refused is named; without it a table of plain columns is a contract.
        let text: String =
            text.lines().filter(|line| !line.trim_start().starts_with("partitioned:")).map(|line| format!("{line}\n")).collect();
        let told = problems(&text);
        let named = ["is an object", "is an array", "this decimal cannot be held", "primaryKeyPosition", "has an unknown type"];
        assert!(told.iter().all(|problem| named.iter().any(|name| problem.problem.contains(name))), "{told:?}");
        whole += usize::from(told.is_empty());
    }
    assert_eq!(whole, 11, "tables whose columns are all of types that are read");
}
