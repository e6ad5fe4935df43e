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
        ..Reconciliation::default()
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
        close("", &["1", "2"], |counts| counts.repeated = 1),
        close("", &["1", "2"], |counts| (counts.loaded, counts.repeated) = (1, 1)),
        close("", &["1", "2"], |counts| counts.superseded = 1),
        close("", &["1", "2"], |counts| counts.flagged = 1),
        close("", &["1", "2"], |counts| counts.merged = Some(Merged { inserted: 2, ..Merged::default() })),
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

const MERGE: &str = "  - {property: polder.disposition, value: merge}\n";
const FLAG: &str = "  - {property: polder.deletes, value: {flag: gone}}\n";

/// Merges keys, of which some are flagged, and closes with the counts that the given change makes of the true ones.
fn merge(settings: &str, cells: &[(&str, &str)], merged: Merged, change: fn(&mut Reconciliation)) -> Result<Counts, Error> {
    let properties = ["{name: k, logicalType: integer, primaryKey: true}", "{name: gone, logicalType: boolean}"];
    let gate = Gate::new(approved(contract_with(&properties, settings)), options(Arc::new(MemorySpill::default()))).unwrap();
    let (keys, flags): (Vec<&str>, Vec<&str>) = cells.iter().copied().unzip();
    let checked = gate.check(batch(vec![csv(&keys), csv(&flags)], 0)).unwrap();
    let duplicates = gate.finish().unwrap();
    let standing = checked.deleted.as_ref().map_or(0, |deleted| deleted.standing(&duplicates).unwrap().rows());
    let told = checked.deleted.as_ref().map_or(0, crate::DeletedKeys::rows);
    let taken_out = duplicates.ordinals().len() - duplicates.len();
    let mut counts = Reconciliation {
        read: cells.len() as u64,
        independent: true,
        loaded: (checked.admitted.rows() + told) as u64,
        rejected: checked.rejections.len() as u64,
        superseded: (taken_out + told - standing) as u64,
        flagged: standing as u64,
        merged: Some(merged),
        ..Reconciliation::default()
    };
    change(&mut counts);
    Ok(counts.close(gate.contract(), &duplicates, Answers::judge(gate.contract(), &[])?)?.counts())
}

/// Eight rows: two of key 1, one of key 2, two of key 3 of which the last is flagged, one flagged of key 4, two of key 5 of which the first
/// is.
const ROWS: [(&str, &str); 8] =
    [("1", "false"), ("2", "false"), ("3", "false"), ("1", "false"), ("3", "true"), ("4", "true"), ("5", "true"), ("5", "false")];
/// The table held 1, 2 and 3, and 2 as it is.
const MERGED: Merged = Merged { inserted: 1, updated: 1, unchanged: 1, deleted: 1 };

#[test]
fn counts_of_a_merge_close_when_each_row_became_something() {
    let settings = format!("{MERGE}{FLAG}");
    let counts = merge(&settings, &ROWS, MERGED, |_| {}).unwrap();
    let wanted = Counts {
        read: 8,
        independent: true,
        loaded: 8,
        inserted: 1,
        updated: 1,
        unchanged: 1,
        superseded: 3,
        flagged: 2,
        deleted: 1,
        ..Counts::default()
    };
    assert_eq!((counts, counts.close(), counts.staged()), (wanted, true, 3));
    let boundary = merge(&settings, &ROWS, MERGED, |counts| (counts.read, counts.repeated) = (10, 2)).unwrap();
    assert_eq!((boundary.read, boundary.repeated, boundary.loaded), (10, 2, 8));
    // Nothing but what was loaded before, and nothing at all.
    let none = Merged::default();
    assert_eq!(merge(MERGE, &[], none, |counts| (counts.read, counts.repeated) = (3, 3)).unwrap().repeated, 3);
    merge(MERGE, &[], none, |_| {}).unwrap();
    // All rows of the source may be gone.
    let all = merge(&settings, &[("1", "true"), ("2", "true")], Merged { deleted: 2, ..none }, |_| {}).unwrap();
    assert_eq!((all.flagged, all.deleted, all.staged()), (2, 2, 0));
    let snapshot = format!("{MERGE}  - {{property: polder.deletes, value: key_snapshot}}\n");
    assert_eq!(merge(&snapshot, &[], Merged { deleted: 7, ..none }, |_| {}).unwrap().deleted, 7);
}

#[test]
fn everything_else_fails_the_merge() {
    let settings = format!("{MERGE}{FLAG}");
    let one = [("1", "false")];
    let inserted = Merged { inserted: 1, ..Merged::default() };
    let texts: Vec<String> = [
        merge(&settings, &ROWS, Merged { inserted: 2, ..MERGED }, |_| {}),
        merge(&settings, &ROWS, Merged { unchanged: 0, ..MERGED }, |_| {}),
        merge(&settings, &ROWS, Merged { updated: u64::MAX, ..MERGED }, |_| {}),
        merge(&settings, &ROWS, MERGED, |counts| counts.superseded = 2),
        merge(&settings, &ROWS, MERGED, |counts| (counts.superseded, counts.flagged) = (4, 1)),
        merge(&settings, &ROWS, MERGED, |counts| counts.flagged = 1),
        merge(&settings, &ROWS, MERGED, |counts| (counts.read, counts.loaded) = (7, 7)),
        merge(&settings, &ROWS, MERGED, |counts| counts.merged = None),
        // Rows of the table are not deleted by nothing.
        merge(&settings, &one, Merged { deleted: 1, ..inserted }, |_| {}),
        merge(MERGE, &one, Merged { deleted: 1, ..inserted }, |_| {}),
        // Nor is a load of any other kind counted as a merge.
        merge("", &one, inserted, |_| {}),
    ]
    .into_iter()
    .map(|result| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), polder_types::ErrorKind::Rejected);
        error.to_string()
    })
    .collect();
    insta::assert_snapshot!(texts.join("\n"));
    // Controls: the same loads with true counts close.
    merge(MERGE, &one, inserted, |_| {}).unwrap();
    merge("", &one, inserted, |counts| counts.merged = None).unwrap();
}

#[test]
fn what_was_loaded_before_is_no_part_of_the_share_that_is_refused() {
    let settings = settings("drop", "0.5");
    close(&settings, &["1", "x"], |_| {}).unwrap();
    // Of three rows that were read two were judged, one of them wrong.
    close(&settings, &["1", "x"], |counts| (counts.read, counts.repeated) = (3, 1)).unwrap();
    close(&self::settings("drop", "0.4"), &["1", "x"], |counts| (counts.read, counts.repeated) = (3, 1)).unwrap_err();
}
