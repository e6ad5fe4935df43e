use std::sync::Arc;

use super::*;
use crate::Gate;
use crate::question::Answers;
use crate::testing::{MemorySpill, approved, batch, contract_with, csv, options};

fn settings(on_violation: &str, limit: &str) -> String {
    format!("  - {{property: polder.onViolation, value: {on_violation}}}\n  - {{property: polder.rejectLimit, value: {limit}}}\n")
}

/// Loads the cells and closes with the counts that the given change makes of the true ones.
fn close(settings: &str, cells: &[&str], change: fn(&mut Reconciliation)) -> Result<Reconciled, Error> {
    let contract = contract_with(&["{name: k, logicalType: integer, primaryKey: true}"], settings);
    let gate = Gate::new(approved(contract), options(Arc::new(MemorySpill::default()))).unwrap();
    let checked = gate.check(batch(vec![csv(cells)], 0)).unwrap();
    let duplicates = gate.finish().unwrap();
    let refused = (checked.rejections.len() + duplicates.len()) as u64;
    let kept = gate.contract().on_violation == OnViolation::Quarantine;
    let mut counts = Reconciliation {
        read: cells.len() as u64,
        independent: true,
        loaded: checked.admitted.rows() as u64 - duplicates.len() as u64,
        rejected: if kept { 0 } else { refused },
        quarantined: if kept { refused } else { 0 },
    };
    change(&mut counts);
    counts.close(gate.contract(), &duplicates, Answers::judge(gate.contract(), &[])?)
}

#[test]
fn counts_that_close_within_the_limit_are_proof() {
    let clean = close("", &["1", "2"], |_| {}).unwrap().counts();
    assert_eq!((clean.read, clean.loaded, clean.independent), (2, 2, true));
    let kept = close(&settings("quarantine", "0.5"), &["1", "x", "1", "2"], |_| {}).unwrap().counts();
    assert_eq!((kept.loaded, kept.quarantined, kept.rejected), (2, 2, 0));
    let dropped = close(&settings("drop", "0.5"), &["1", "x"], |_| {}).unwrap().counts();
    assert_eq!((dropped.loaded, dropped.rejected), (1, 1));
    close("", &[], |_| {}).unwrap();
}

#[test]
fn everything_else_fails_the_load() {
    let texts: Vec<String> = [
        close("", &["1", "2"], |counts| counts.loaded = 1),
        close("", &["1", "2"], |counts| counts.read = 3),
        close("", &["1", "2"], |counts| (counts.read, counts.loaded) = (3, 3)),
        close(&settings("drop", "1"), &["1", "2"], |counts| (counts.loaded, counts.rejected) = (1, 1)),
        close("", &["1", "x"], |_| {}),
        close("", &["1", "1"], |_| {}),
        close(&settings("drop", "0.4"), &["1", "x"], |_| {}),
        close(&settings("drop", "1"), &["x"], |_| {}),
        close(&settings("drop", "1"), &["1", "x"], |counts| (counts.rejected, counts.quarantined) = (0, 1)),
        close(&settings("quarantine", "1"), &["1", "x"], |counts| (counts.rejected, counts.quarantined) = (1, 0)),
        close("", &["1"], |counts| counts.rejected = u64::MAX),
    ]
    .into_iter()
    .map(|result| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), polder_types::ErrorKind::Rejected);
        error.to_string()
    })
    .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn the_limit_itself_is_within_the_limit() {
    let cells: Vec<String> = (0..100).map(|key| if key == 0 { "x".to_owned() } else { key.to_string() }).collect();
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    close(&settings("drop", "0.01"), &cells, |_| {}).unwrap();
    close(&settings("drop", "0.0099"), &cells, |_| {}).unwrap_err();
}
