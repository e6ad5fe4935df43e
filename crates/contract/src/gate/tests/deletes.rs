//! Rows that say that the row of their key is gone.

use std::collections::BTreeMap;

use polder_crypto::FieldKey;
use polder_types::SeededRng;
use proptest::prelude::*;

use super::*;
use crate::gate::GateFaults;
use crate::mask::apply::FieldKeys;
use crate::testing::{MemorySpill, cases, contract_with};
use crate::{DeletedKeys, Duplicates};

const MERGE: &str = "  - {property: polder.disposition, value: merge}\n  - {property: polder.onViolation, value: quarantine}\n";
const KEY: &str = "{name: k, logicalType: integer, primaryKey: true, logicalTypeOptions: {minimum: 0, maximum: 99}}";
const VALUE: &str = "{name: v, logicalType: string, required: true, logicalTypeOptions: {maxLength: 3}}";

fn flagged_by(deletes: &str) -> String {
    format!("{MERGE}  - {{property: polder.deletes, value: {deletes}}}\n  - {{property: polder.nullTokens, value: [NA]}}\n")
}

fn gate_by(properties: &[&str], deletes: &str) -> Gate {
    Gate::new(approved(contract_with(properties, &flagged_by(deletes))), options(Arc::new(MemorySpill::default()))).unwrap()
}

/// The rejections as text: record and rule.
fn refused(checked: &Checked) -> Vec<String> {
    checked.rejections.iter().map(|one| format!("{} {} {}", one.record, one.column.as_deref().unwrap_or("-"), one.rule)).collect()
}

fn places(ordinals: &[std::ops::Range<u64>]) -> Vec<u64> {
    ordinals.iter().cloned().flatten().collect()
}

/// The first column of keys.
fn keys(batch: &RecordBatch) -> Vec<String> {
    (0..batch.num_rows()).map(|row| array_value_to_string(batch.column(0), row).unwrap()).collect()
}

#[test]
fn a_flagged_row_is_held_to_the_rules_of_its_key_alone() {
    let gate = gate_by(&[KEY, VALUE, "{name: gone, logicalType: boolean}"], "{flag: gone}");
    let columns = vec![
        csv(&["1", "2", "3", "NA", "100", "x", "7", "8", "9"]),
        // Missing, too long, a formula: nobody looks at it, but where the row stays.
        csv(&["a", "NA", "long", "b", "c", "d", "NA", "=1+1", "=1+1"]),
        csv(&["false", "true", "true", "true", "true", "true", "false", "true", "false"]),
    ];
    let checked = gate.check(batch(columns, 40)).unwrap();
    assert_eq!(
        refused(&checked),
        ["44 k primaryKey:null", "45 k maximum", "46 k type", "47 v required", "49 v content:formula"],
        "a key breaks its rules in a flagged row too"
    );
    assert_eq!((keys(checked.admitted.batch()), places(checked.admitted.ordinals())), (vec!["1".to_owned()], vec![40]));
    let deleted = checked.deleted.unwrap();
    assert_eq!((deleted.rows(), places(deleted.ordinals())), (3, vec![41, 42, 47]));
    assert!(deleted.memory_bytes() > 0);
    let duplicates = gate.finish().unwrap();
    let standing = deleted.standing(&duplicates).unwrap();
    assert_eq!(standing.rows(), 3);
    let standing = standing.keys();
    assert_eq!((keys(standing), standing.schema()), (vec!["2".to_owned(), "3".to_owned(), "8".to_owned()], gate.contract().key_schema()));
    assert_eq!((duplicates.rows_checked(), duplicates.rows_admitted(), duplicates.flagged(), duplicates.superseded()), (9, 1, 3, 0));
}

#[test]
fn every_form_of_a_flag_tells() {
    for (property, deletes, cells, gone) in [
        ("logicalType: boolean", "{flag: f}", ["true", "false", "NA"], [true, false, false]),
        ("logicalType: boolean, required: true", "{flag: f, value: false}", ["true", "false", "true"], [false, true, false]),
        ("logicalType: date", "{flag: f}", ["2013-01-01", "NA", "NA"], [true, false, false]),
        ("logicalType: timestamp", "{flag: f}", ["NA", "2013-01-01T00:00:00Z", "NA"], [false, true, false]),
        ("logicalType: string", "{flag: f, value: D}", ["D", "d", "NA"], [true, false, false]),
        ("logicalType: integer, logicalTypeOptions: {format: i8}", "{flag: f, value: -1}", ["1", "-1", "NA"], [false, true, false]),
        ("logicalType: integer, logicalTypeOptions: {format: i64}", "{flag: f, value: 1}", ["1", "-1", "NA"], [true, false, false]),
        ("logicalType: number, physicalType: 'decimal(4,2)'", "{flag: f, value: 1.5}", ["1.50", "1.51", "NA"], [true, false, false]),
    ] {
        // The flag's column is stored, or dropped: that makes no difference to what it tells.
        for mask in ["", ", customProperties: [{property: polder.mask, value: {drop: true}}]"] {
            let gate = gate_by(&[&format!("{{name: f, {property}{mask}}}"), KEY], deletes);
            let checked = gate.check(batch(vec![csv(&cells), csv(&["0", "1", "2"])], 0)).unwrap();
            let stays: Vec<u64> = (0..3).filter(|row| !gone[*row as usize]).collect();
            let goes: Vec<u64> = (0..3).filter(|row| gone[*row as usize]).collect();
            assert_eq!(checked.rejections, [], "{property}");
            assert_eq!(places(checked.admitted.ordinals()), stays, "{property}");
            assert_eq!(checked.deleted.as_ref().map(|deleted| places(deleted.ordinals())), Some(goes), "{property}");
            let columns = if mask.is_empty() { 2 } else { 1 };
            assert_eq!((checked.admitted.batch().num_columns(), checked.admitted.batch().schema()), (columns, Arc::clone(gate.schema())));
        }
    }
}

#[test]
fn a_flag_that_does_not_read_refuses_its_row() {
    let gate = gate_by(&[KEY, "{name: gone, logicalType: boolean, required: true}"], "{flag: gone, value: false}");
    let mut raw = batch(vec![csv(&["1", "2", "3", "4"]), csv(&["yes", "NA", "false", "true"])], 0);
    let checked = gate.check(raw.clone()).unwrap();
    assert_eq!(refused(&checked), ["1 gone type", "2 gone required"]);
    assert_eq!((checked.deleted.unwrap().rows(), checked.admitted.rows()), (1, 1));
    // A record that could not be split is told as that, whatever its cells are taken for.
    raw.malformed = vec![(2, Malformed::Ragged)];
    let gate = gate_by(&[KEY, "{name: gone, logicalType: boolean, required: true}"], "{flag: gone, value: false}");
    let checked = gate.check(raw).unwrap();
    assert_eq!(refused(&checked), ["1 gone type", "2 gone required", "3 - malformed:ragged"]);
    assert!(checked.rejections[2].row_bytes().is_empty() && checked.deleted.is_none());
}

struct Named;

impl FieldKeys for Named {
    fn field_key(&self, domain: &str) -> Option<Arc<FieldKey>> {
        Some(Arc::new(FieldKey::derive(&polder_crypto::sha256(domain.as_bytes()))))
    }
}

fn masked_gate(properties: &[&str], deletes: &str) -> Gate {
    let mut options = options(Arc::new(MemorySpill::default()));
    options.masking = Some(Masking { keys: Arc::new(Named), rng: Arc::new(SeededRng::new(3)) });
    Gate::new(approved(contract_with(properties, &flagged_by(deletes))), options).unwrap()
}

#[test]
fn keys_come_out_as_they_are_stored_and_in_the_order_of_the_key() {
    let masked = "{name: a, logicalType: string, primaryKey: true, primaryKeyPosition: 2, customProperties: [{property: polder.mask, value: {pseudonymise: people}}]}";
    let plain = "{name: b, logicalType: integer, primaryKey: true, primaryKeyPosition: 1}";
    let dropped = "{name: gone, logicalType: boolean, customProperties: [{property: polder.mask, value: {drop: true}}]}";
    let gate = masked_gate(&[dropped, masked, VALUE, plain], "{flag: gone}");
    let columns = vec![csv(&["true", "false"]), csv(&["ann", "ann"]), csv(&["NA", "x"]), csv(&["5", "6"])];
    let checked = gate.check(batch(columns, 0)).unwrap();
    let deleted = checked.deleted.unwrap().standing(&gate.finish().unwrap()).unwrap();
    let deleted = deleted.keys();
    let pseudonym = checked.admitted.batch().column_by_name("a").unwrap().as_string::<i32>().value(0).to_owned();
    assert!(pseudonym.len() == 32 && !pseudonym.contains("ann"), "{pseudonym}");
    let names: Vec<String> = deleted.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!((names, keys(deleted)), (vec!["b".to_owned(), "a".to_owned()], vec!["5".to_owned()]));
    assert_eq!(deleted.column(1).as_string::<i32>().value(0), pseudonym, "the key of the table, not of the source");
}

#[test]
fn a_replayed_row_whose_flag_was_not_kept_is_not_taken_for_one_that_stays() {
    let dropped = "{name: gone, logicalType: boolean, customProperties: [{property: polder.mask, value: {drop: true}}]}";
    let stored = "{name: gone, logicalType: boolean}";
    for (property, fate) in [(dropped, vec!["1 gone mask:not_kept".to_owned()]), (stored, Vec::new())] {
        let contract = contract_with(&[KEY, VALUE, property], &flagged_by("{flag: gone}"));
        let gate = |contract| Gate::new(approved(contract), options(Arc::new(MemorySpill::default()))).unwrap();
        let first = gate(contract.clone()).check(batch(vec![csv(&["1"]), csv(&["long"]), csv(&["false"])], 0)).unwrap();
        assert_eq!(refused(&first), ["1 v maxLength"]);
        let mut writer = quarantine::Writer::new(&contract);
        writer.push(&first.rejections[0]);
        let looser = contract_with(&[KEY, &VALUE.replace('3', "9"), property], &flagged_by("{flag: gone}"));
        let replay = quarantine::replay(&writer.finish(), &looser, Arc::from("q"), 0).unwrap();
        let again = gate(looser).check(replay.batch).unwrap();
        assert_eq!((refused(&again), again.deleted.is_some()), (fate, false), "{property}");
    }
}

#[test]
fn a_batch_that_is_lost_loses_its_deletes_and_the_gate_knows() {
    struct Second;
    impl GateFaults for Second {
        fn lose_batch(&self, batch: u64) -> bool {
            batch == 1
        }
    }
    let mut options = options(Arc::new(MemorySpill::default()));
    options.faults = Some(Arc::new(Second));
    let contract = contract_with(&[KEY, "{name: gone, logicalType: boolean}"], &flagged_by("{flag: gone}"));
    let gate = Gate::new(approved(contract), options).unwrap();
    for first in [0, 2] {
        let checked = gate.check(batch(vec![csv(&["1", "2"]), csv(&["true", "false"])], first)).unwrap();
        assert_eq!((checked.deleted.is_some(), checked.admitted.rows()), (first == 0, usize::from(first == 0)));
    }
    let duplicates = gate.finish().unwrap();
    assert_eq!((duplicates.rows_checked(), duplicates.rows_left(), duplicates.flagged(), duplicates.superseded()), (4, 1, 1, 0));
}

/// A row of the model: a key, a cursor, whether it is flagged, whether its value holds its rule.
#[derive(Debug, Clone)]
struct Row {
    key: Option<i32>,
    cursor: Option<i32>,
    gone: bool,
    valid: bool,
}

fn row() -> impl Strategy<Value = Row> {
    let key = prop_oneof![12 => (0..12i32).prop_map(Some), 1 => Just(None), 1 => Just(Some(100))];
    let cursor = prop_oneof![6 => (0..5i32).prop_map(Some), 1 => Just(None)];
    (key, cursor, proptest::bool::weighted(0.3), proptest::bool::weighted(0.85)).prop_map(|(key, cursor, gone, valid)| Row {
        key,
        cursor,
        gone,
        valid,
    })
}

fn cells(rows: &[Row], show: impl Fn(&Row) -> String) -> Cells {
    csv(&rows.iter().map(show).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>())
}

/// What a load of rows leads to, as a table of pairs would have it.
struct Model {
    refused: Vec<u64>,
    /// By key: the place of the row that won, and whether it is flagged.
    winners: BTreeMap<i32, (u64, bool)>,
    taken: u64,
}

impl Model {
    fn of(rows: &[Row], ordered: bool) -> Self {
        let mut model = Self { refused: Vec::new(), winners: BTreeMap::new(), taken: 0 };
        let mut ranks: BTreeMap<i32, Option<i32>> = BTreeMap::new();
        for (place, row) in (0u64..).zip(rows) {
            let key = row.key.filter(|key| *key <= 99);
            let Some(key) = key.filter(|_| row.gone || row.valid) else {
                model.refused.push(place);
                continue;
            };
            model.taken += 1;
            let rank = row.cursor.filter(|_| ordered);
            if ranks.get(&key).is_none_or(|best| rank >= *best) {
                ranks.insert(key, rank);
                model.winners.insert(key, (place, row.gone));
            }
        }
        model
    }

    fn places(&self, gone: bool) -> Vec<u64> {
        let mut places: Vec<u64> = self.winners.values().filter(|winner| winner.1 == gone).map(|winner| winner.0).collect();
        places.sort_unstable();
        places
    }
}

fn merged(rows: &[Row], batch_rows: usize, memory_bytes: usize, ordered: bool, backwards: bool) -> (Vec<Checked>, Duplicates) {
    let properties = [VALUE, KEY, "{name: c, logicalType: integer}", "{name: gone, logicalType: boolean}"];
    let mut options = options(Arc::new(MemorySpill::default()));
    options.unique_memory_bytes = memory_bytes;
    options.order_by = ordered.then_some(2);
    let gate = Gate::new(approved(contract_with(&properties, &flagged_by("{flag: gone}"))), options).unwrap();
    let number = |number: Option<i32>| number.map_or("NA".to_owned(), |number| number.to_string());
    let mut batches: Vec<(usize, &[Row])> = rows.chunks(batch_rows).enumerate().collect();
    if backwards {
        batches.reverse();
    }
    let check = |(at, rows): (usize, &[Row])| {
        let columns = vec![
            cells(rows, |row| if row.valid { "abc" } else { "long" }.to_owned()),
            cells(rows, |row| number(row.key)),
            cells(rows, |row| number(row.cursor)),
            cells(rows, |row| row.gone.to_string()),
        ];
        gate.check(batch(columns, (at * batch_rows) as u64)).unwrap()
    };
    let checked = batches.into_iter().map(check).collect();
    (checked, gate.finish().unwrap())
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn the_last_row_of_a_key_wins_whether_it_stays_or_goes(
        rows in proptest::collection::vec(row(), 0..80),
        batch_rows in 1usize..30,
        spills in any::<bool>(),
        ordered in any::<bool>(),
        backwards in any::<bool>(),
    ) {
        let model = Model::of(&rows, ordered);
        let (checked, duplicates) = merged(&rows, batch_rows, if spills { 0 } else { 64 << 20 }, ordered, backwards);
        let mut refused: Vec<u64> = checked.iter().flat_map(|one| &one.rejections).map(|rejection| rejection.ordinal).collect();
        refused.sort_unstable();
        prop_assert_eq!(refused, &model.refused[..]);
        // What is left of the staged rows, as a sink takes the others out.
        let out: Vec<u64> = duplicates.ordinals().collect();
        let staged = checked.iter().flat_map(|one| places(one.admitted.ordinals()));
        let mut left: Vec<u64> = staged.filter(|place| out.binary_search(place).is_err()).collect();
        left.sort_unstable();
        prop_assert_eq!(left.len() as u64, duplicates.rows_left());
        prop_assert_eq!(left, model.places(false));
        // The keys that stand, each once, with none of a row that stays.
        let deleted: Vec<&DeletedKeys> = checked.iter().filter_map(|one| one.deleted.as_ref()).collect();
        let mut standing: Vec<i32> = Vec::new();
        for one in &deleted {
            standing.extend(one.standing(&duplicates).unwrap().keys().column(0).as_primitive::<Int32Type>().values());
        }
        standing.sort_unstable();
        let wanted: Vec<i32> = model.winners.iter().filter(|(_, winner)| winner.1).map(|(key, _)| *key).collect();
        prop_assert_eq!(standing.len() as u64, duplicates.flagged());
        prop_assert_eq!(standing, wanted);
        // Every row that was taken won or is superseded.
        prop_assert_eq!(duplicates.superseded() + model.winners.len() as u64, model.taken);
        prop_assert_eq!(duplicates.len(), 0);
    }
}
