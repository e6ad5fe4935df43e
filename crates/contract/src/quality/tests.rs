use std::sync::Arc;

use crate::gate::{Gate, GateOptions};
use crate::reconcile::Reconciliation;
use crate::testing::{MemorySpill, approved, batch, contract, csv, options};
use crate::{Contract, Error};

const HEAD: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {property: polder.source, value: s}\n  - {property: polder.onViolation, value: drop}\n  - {property: polder.rejectLimit, value: 0.5}\n  - {property: polder.nullTokens, value: [NA]}\n";

fn parsed(table: &str, properties: &str) -> Result<Contract, crate::Problems> {
    Contract::parse(&format!("{HEAD}schema:\n  - name: t\n{table}    properties:\n{properties}"), "t.odcs.yaml")
}

fn with_rule(rule: &str) -> Contract {
    parsed("", &format!("      - {{name: v, logicalType: string, quality: [{{type: library, {rule}}}]}}\n"))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn with_rows(rule: &str) -> Contract {
    parsed(&format!("    quality: [{{type: library, metric: rowCount, {rule}}}]\n"), "      - {name: v, logicalType: string}\n").unwrap()
}

/// Loads the cells in two batches and closes the counts.
fn load(contract: Contract, cells: &[&str], options: GateOptions) -> Result<(), Error> {
    let gate = Gate::new(approved(contract), options).unwrap();
    let (first, second) = cells.split_at(cells.len() / 2);
    let mut rejected = 0;
    for (part, at) in [(first, 0), (second, first.len())] {
        rejected += gate.check(batch(vec![csv(part)], at as u64)).unwrap().rejections.len() as u64;
    }
    let duplicates = gate.finish().unwrap();
    rejected += duplicates.len() as u64;
    let read = cells.len() as u64;
    let counts = Reconciliation { read, independent: true, loaded: read - rejected, rejected, ..Reconciliation::default() };
    counts.check(gate.contract(), &duplicates).map(drop)
}

fn usual() -> GateOptions {
    options(Arc::new(MemorySpill::default()))
}

const CELLS: [&str; 8] = ["a", "NA", "b", "", "c", "NA", "d", "a"];

#[test]
fn counts_are_held_to_every_operator_in_rows_and_percent() {
    for (rule, holds) in [
        ("metric: nullValues, mustBe: 2", true),
        ("metric: nullValues, mustBe: 0", false),
        ("metric: nullValues, mustNotBe: 2", false),
        ("metric: nullValues, mustNotBe: 0", true),
        ("metric: nullValues, mustBeGreaterThan: 1", true),
        ("metric: nullValues, mustBeGreaterThan: 2", false),
        ("metric: nullValues, mustBeGreaterOrEqualTo: 2", true),
        ("metric: nullValues, mustBeGreaterOrEqualTo: 3", false),
        ("metric: nullValues, mustBeLessThan: 3", true),
        ("metric: nullValues, mustBeLessThan: 2", false),
        ("metric: nullValues, mustBeLessOrEqualTo: 2", true),
        ("metric: nullValues, mustBeLessOrEqualTo: 1", false),
        ("metric: nullValues, mustBeBetween: [2, 3]", true),
        ("metric: nullValues, mustBeBetween: [3, 9]", false),
        ("metric: nullValues, mustNotBeBetween: [3, 9]", true),
        ("metric: nullValues, mustNotBeBetween: [1, 2]", false),
        ("metric: nullValues, mustBe: 25, unit: percent", true),
        ("metric: nullValues, mustBeLessThan: 25, unit: percent", false),
        ("metric: nullValues, mustBeLessThan: 3, unit: rows", true),
        ("metric: missingValues, arguments: {missingValues: [null, '']}, mustBe: 3", true),
        ("metric: missingValues, arguments: {missingValues: ['']}, mustBe: 1", true),
        ("metric: missingValues, arguments: {missingValues: [null, '', a]}, mustBeLessThan: 50, unit: percent", false),
        ("metric: invalidValues, arguments: {validValues: [a, b]}, mustBeLessThan: 4", true),
        ("metric: invalidValues, arguments: {validValues: [a, b]}, mustBeLessOrEqualTo: 2", false),
        ("metric: invalidValues, arguments: {validValues: [a, b]}, mustBeLessThan: 38, unit: percent", true),
        ("metric: invalidValues, arguments: {validValues: [a, b]}, mustBeLessThan: 37, unit: percent", false),
        ("metric: invalidValues, arguments: {validValues: [a, b, c, d, '']}, mustBeLessThan: 1", true),
    ] {
        let outcome = load(with_rule(rule), &CELLS, usual());
        assert_eq!(outcome.is_ok(), holds, "{rule}: {outcome:?}");
        assert!(holds || matches!(outcome, Err(Error::Quality { .. })), "{rule}: {outcome:?}");
    }
}

#[test]
fn row_counts_are_those_of_the_load() {
    for (rule, holds) in [("mustBe: 8", true), ("mustBeGreaterThan: 8", false), ("mustBeBetween: [1, 8]", true)] {
        assert_eq!(load(with_rows(rule), &CELLS, usual()).is_ok(), holds, "{rule}");
    }
    // Of a replay, which is no whole load, the number of rows says nothing.
    let mut replay = usual();
    replay.whole_load = false;
    load(with_rows("mustBe: 9"), &CELLS, replay).unwrap();
}

#[test]
fn duplicates_that_must_not_be_are_refused_row_by_row() {
    let contract = with_rule("metric: duplicateValues, mustBe: 0");
    assert!(contract.columns[0].unique);
    load(contract, &CELLS, usual()).unwrap();
}

#[test]
fn a_broken_rule_tells_its_counts() {
    let error = load(with_rule("metric: nullValues, mustBeLessThan: 5, unit: percent"), &CELLS, usual()).unwrap_err();
    assert_eq!(error.kind(), polder_types::ErrorKind::Rejected);
    let rows = load(with_rows("mustBeGreaterThan: 100"), &CELLS, usual()).unwrap_err();
    insta::assert_snapshot!(format!("{error}\n{rows}"));
}

#[test]
fn an_approval_covers_the_rules() {
    let hashes: Vec<_> = ["mustBe: 0", "mustBe: 1", "mustBeLessThan: 1", "mustBe: 0, unit: percent"]
        .into_iter()
        .map(|rule| with_rule(&format!("metric: nullValues, {rule}")).semantic_hash())
        .collect();
    assert!(hashes.iter().enumerate().all(|(at, hash)| !hashes[at + 1..].contains(hash)));
    let described = with_rule("metric: nullValues, mustBe: 0, description: told only");
    assert_eq!(described.semantic_hash(), hashes[0]);
    assert_ne!(with_rows("mustBe: 1").semantic_hash(), with_rows("mustBe: 2").semantic_hash());
}

#[test]
fn error_texts() {
    let mut texts = String::new();
    for rule in [
        "metric: freshness, mustBe: 0",
        "type: text, mustBe: 0",
        "type: sql, mustBe: 0",
        "metric: nullValues, query: 'select 1', mustBe: 0",
        "metric: nullValues",
        "metric: nullValues, mustBe: 0, mustNotBe: 1",
        "metric: nullValues, mustBe: none",
        "metric: nullValues, mustBeBetween: [3, 1]",
        "metric: nullValues, mustBe: 0, unit: cells",
        "metric: nullValues, mustBe: 0, arguments: {validValues: [a]}",
        "metric: missingValues, mustBe: 0",
        "metric: missingValues, arguments: {missingValues: [1]}, mustBe: 0",
        "metric: duplicateValues, mustBeLessThan: 5",
        "metric: rowCount, mustBe: 1",
        "metric: invalidValues, arguments: {validValues: [a]}",
    ] {
        let problems = parsed("", &format!("      - {{name: v, logicalType: string, quality: [{{{rule}}}]}}\n")).expect_err(rule);
        texts.push_str(&format!("# {rule}\n{problems}\n\n"));
    }
    for (what, table, mask) in [
        ("of the table", "    quality: [{metric: nullValues, mustBe: 0}, {metric: rowCount, mustBe: 5, unit: percent}]\n", "{truncate: 3}"),
        ("of a masked column", "", "{pseudonymise: a}"),
        ("of a dropped column", "", "{drop: true}"),
    ] {
        let rule = "quality: [{metric: missingValues, arguments: {missingValues: ['', none]}, mustBe: 0}]";
        let property = format!(
            "      - {{name: v, logicalType: string, {rule}, customProperties: [{{property: polder.mask, value: {mask}}}]}}\n      - {{name: w, logicalType: string}}\n"
        );
        texts.push_str(&format!("# {what}\n{}\n\n", parsed(table, &property).expect_err(what)));
    }
    // What a mask keeps may be counted: a null stays a null.
    contract(&[
        "{name: v, logicalType: string, quality: [{metric: nullValues, mustBe: 0}], customProperties: [{property: polder.mask, value: {truncate: 3}}]}",
    ]);
    insta::assert_snapshot!(texts);
}
