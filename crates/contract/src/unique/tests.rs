use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, StringViewArray};
use polder_types::SeededRng;
use proptest::prelude::*;

use super::*;
use crate::gate::{Gate, GateOptions};
use crate::testing::{FullSpill, MemorySpill, TableKeys, approved, batch, cases, contract, csv, options};

mod memory;
mod merge;

const CURSOR: &str = "{name: c, logicalType: integer, logicalTypeOptions: {format: i64}}";
const WIDE: &str = "{name: k, logicalType: integer, primaryKey: true, logicalTypeOptions: {format: i64}}";

fn gate_of(properties: &[&str], options: GateOptions) -> Gate {
    Gate::new(approved(contract(properties)), options).unwrap()
}

fn load(gate: &Gate, keys: &[i64], batch_rows: usize) {
    for (at, chunk) in keys.chunks(batch_rows.max(1)).enumerate() {
        let texts: Vec<String> = chunk.iter().map(ToString::to_string).collect();
        let column = csv(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        gate.check(batch(vec![column], (at * batch_rows.max(1)) as u64)).unwrap();
    }
}

/// What a set says: every key but the first of its kind, and every one that the table holds.
fn expected(keys: &[i64], table: &[i64]) -> Vec<(u64, Rule)> {
    let table: HashSet<_> = table.iter().collect();
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let again = !seen.insert(key);
        if table.contains(key) {
            found.push((place as u64, Rule::PrimaryKeyInTable));
        } else if again {
            found.push((place as u64, Rule::PrimaryKey));
        }
    }
    found
}

fn table_of(keys: &[i64]) -> Option<Box<dyn KeyLookup>> {
    let batches = keys
        .chunks(7)
        .map(|chunk| RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from(chunk.to_vec())) as ArrayRef)]).unwrap())
        .collect();
    Some(Box::new(TableKeys(batches)))
}

fn found(keys: &[i64], table: &[i64], batch_rows: usize, memory_bytes: usize) -> (Vec<(u64, Rule)>, usize) {
    let spill = Arc::new(MemorySpill::default());
    let mut options = options(spill.clone());
    options.unique_memory_bytes = memory_bytes;
    options.existing = if table.is_empty() { None } else { table_of(table) };
    let gate = gate_of(&[WIDE], options);
    load(&gate, keys, batch_rows);
    let duplicates = gate.finish().unwrap();
    (duplicates.rows().iter().map(|row| (row.ordinal, row.rule)).collect(), spill.files.load(Ordering::SeqCst))
}

#[test]
fn memory_and_sealed_space_find_the_same() {
    let rng = SeededRng::new(11);
    let keys: Vec<i64> = (0..200_000).map(|_| rng.below(150_000) as i64).collect();
    let table: Vec<i64> = (0..20_000).map(|key| key * 5).collect();
    for table in [&[][..], &table] {
        let wanted = expected(&keys, table);
        let (in_memory, files) = found(&keys, table, 4_096, 64 << 20);
        assert_eq!((in_memory == wanted, files), (true, 0));
        let (spilled, files) = found(&keys, table, 4_096, 3 << 20);
        assert_eq!((spilled == wanted, files), (true, 64));
        // So little memory that partitions are split again.
        let (deep, files) = found(&keys, table, 4_096, 64 << 10);
        assert!(deep == wanted && files > 64 * 2);
    }
}

#[test]
fn a_load_in_key_order_needs_no_space_and_no_hashes() {
    let mut options = options(Arc::new(FullSpill));
    options.unique_memory_bytes = 2 << 20;
    let gate = gate_of(&[WIDE], options);
    let keys: Vec<i64> = (0..300_000).map(|key| key * 3).collect();
    load(&gate, &keys, 8_192);
    assert!(gate.finish().unwrap().is_empty());
}

#[test]
fn space_that_is_full_stops_the_load() {
    let mut options = options(Arc::new(FullSpill));
    options.unique_memory_bytes = 2 << 20;
    let gate = gate_of(&[WIDE], options);
    let texts: Vec<String> = (0..200_000).rev().map(|key| key.to_string()).collect();
    let column = csv(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let error = gate.check(batch(vec![column], 0)).unwrap_err();
    assert_eq!(error.kind(), polder_types::ErrorKind::Unavailable);
}

#[test]
fn the_order_of_checking_does_not_matter() {
    let rows: Vec<(u64, [i64; 2])> = vec![(0, [1, 2]), (2, [3, 4]), (4, [5, 2]), (6, [7, 8])];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let gate = gate_of(&[WIDE], options(Arc::new(MemorySpill::default())));
        for place in order {
            let (first, keys) = &rows[place];
            let texts: Vec<String> = keys.iter().map(ToString::to_string).collect();
            gate.check(batch(vec![csv(&[&texts[0], &texts[1]])], *first)).unwrap();
        }
        let duplicates = gate.finish().unwrap();
        let told: Vec<_> = duplicates.rows().iter().map(|row| (row.ordinal, row.record, row.columns.as_str())).collect();
        assert_eq!(told, [(5, 6, "k")], "{order:?}");
    }
}

#[test]
fn composite_and_text_keys_are_compared_whole() {
    let properties = [
        "{name: a, logicalType: string, primaryKey: true, primaryKeyPosition: 2}",
        "{name: b, logicalType: string, primaryKey: true, primaryKeyPosition: 1}",
        "{name: c, logicalType: number, unique: true}",
        "{name: d, logicalType: string, unique: true}",
    ];
    let mut options = options(Arc::new(MemorySpill::default()));
    options.null_tokens = vec!["NA".to_owned()];
    let gate = gate_of(&properties, options);
    let columns = vec![
        csv(&["a", "ab", "a", "x", "y", "z", "w"]),
        csv(&["bc", "c", "bc", "x", "y", "z", "w"]),
        csv(&["1", "2", "3", "NA", "NA", "-0", "0.0"]),
        csv(&["p", "q", "r", "NA", "NA", "s", "p"]),
    ];
    gate.check(batch(columns, 0)).unwrap();
    let duplicates = gate.finish().unwrap();
    let told: Vec<_> = duplicates.rows().iter().map(|row| (row.ordinal, row.columns.as_str(), row.rule)).collect();
    // ("a", "bc") and ("ab", "c") differ; two nulls do not repeat each other; the last row breaks two rules and is told once.
    assert_eq!(told, [(2, "b, a", Rule::PrimaryKey), (6, "c", Rule::Unique)]);
}

#[test]
fn rejected_rows_take_no_part() {
    let gate = gate_of(&[WIDE, "{name: v, logicalType: integer}"], options(Arc::new(MemorySpill::default())));
    gate.check(batch(vec![csv(&["1", "1", "2"]), csv(&["x", "5", "5"])], 0)).unwrap();
    assert!(gate.finish().unwrap().is_empty());
}

#[test]
fn the_tables_texts_may_come_in_another_encoding() {
    let gate_with = |array: ArrayRef| {
        let mut options = options(Arc::new(MemorySpill::default()));
        options.existing = Some(Box::new(TableKeys(vec![RecordBatch::try_from_iter([("k", array)]).unwrap()])));
        let gate = gate_of(&["{name: k, logicalType: string, unique: true}"], options);
        gate.check(batch(vec![csv(&["a", "b"])], 0)).unwrap();
        gate.finish()
    };
    let duplicates = gate_with(Arc::new(StringViewArray::from(vec![Some("b"), None]))).unwrap();
    assert_eq!(duplicates.rows()[0].rule, Rule::UniqueInTable);
    assert_eq!(duplicates.ordinals().collect::<Vec<_>>(), [1]);
    let wrong = gate_with(Arc::new(Int64Array::from(vec![1]))).unwrap_err();
    assert!(matches!(wrong, Error::LookupSchema { .. }));
    let missing = {
        let mut options = options(Arc::new(MemorySpill::default()));
        let other: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        options.existing = Some(Box::new(TableKeys(vec![RecordBatch::try_from_iter([("other", other)]).unwrap()])));
        let gate = gate_of(&["{name: k, logicalType: string, unique: true}"], options);
        gate.finish().unwrap_err()
    };
    assert!(matches!(missing, Error::LookupSchema { .. }));
}

#[test]
fn packed_keys_order_as_their_columns_do() {
    let properties = [
        "{name: a, logicalType: integer, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {format: i32}}",
        "{name: b, logicalType: date, primaryKey: true, primaryKeyPosition: 2}",
        "{name: c, logicalType: integer, primaryKey: true, primaryKeyPosition: 3, logicalTypeOptions: {format: i64}}",
    ];
    // In key order with every sign; full space would stop the load if the order were not seen.
    let mut options = options(Arc::new(FullSpill));
    options.unique_memory_bytes = 0;
    let gate = gate_of(&properties, options);
    let rows = [
        ("-2147483648", "0001-01-01", "-9223372036854775808"),
        ("-1", "1969-12-31", "-1"),
        ("-1", "1969-12-31", "0"),
        ("-1", "1970-01-01", "-5"),
        ("0", "1969-12-31", "9223372036854775807"),
        ("2147483647", "9999-12-31", "9223372036854775807"),
    ];
    let plan = KeyPlan::new(&contract(&properties), vec![0, 1, 2], [0; 16]);
    let columns = vec![csv(&rows.map(|row| row.0)), csv(&rows.map(|row| row.1)), csv(&rows.map(|row| row.2))];
    let big = gate_of(&properties, crate::testing::options(Arc::new(MemorySpill::default())));
    let checked = big.check(batch(columns, 0)).unwrap();
    let batch = checked.admitted.batch();
    let rows = Rows { columns: batch.columns(), count: batch.num_rows(), ordinals: checked.admitted.ordinals() };
    let keys = plan.keys(rows, &[(); 6]);
    assert!(matches!(keys, key::BatchKeys::Sorted { ref keys, .. } if keys.len() == 6));
    drop(gate);
}

#[test]
fn one_key_again_and_again_takes_little_memory() {
    // A row in a thousand has a key of its own; what does not fit goes to sealed space, and its one hash cannot be split.
    let rows = 1_000_000u64;
    let spill = Arc::new(MemorySpill::default());
    let mut options = options(spill.clone());
    options.unique_memory_bytes = 256 << 10;
    let gate = gate_of(&[WIDE], options);
    for first in (0..rows).step_by(1 << 14) {
        let keys: Int64Array = (first..(first + (1 << 14)).min(rows)).map(|row| if row % 1000 == 999 { row as i64 } else { -7 }).collect();
        let rows = keys.len();
        let columns = vec![crate::Cells::Typed(Arc::new(keys) as ArrayRef)];
        let file = Arc::from("f");
        gate.check(crate::RawBatch { columns, rows, first_record: first + 1, first_ordinal: first, file, malformed: Vec::new() }).unwrap();
    }
    let duplicates = gate.finish().unwrap();
    let kept = duplicates.memory_bytes();
    assert!(kept < 256 << 10, "{kept} bytes for 998,999 duplicates: not a bit for each row");
    assert!(spill.files.load(Ordering::SeqCst) <= 64, "the partition of one hash is not split again");
    assert_eq!(duplicates.len(), 998_999);
    assert!(duplicates.ordinals().eq((1..rows).filter(|row| row % 1000 != 999)));
}

#[test]
fn duplicates_are_told_one_by_one_by_rule_and_by_place() {
    let mut options = options(Arc::new(MemorySpill::default()));
    options.existing = table_of(&[5]);
    let gate = gate_of(&[WIDE], options);
    load(&gate, &[1, 5, 1, 2, 5, 2, 1], 3);
    let duplicates = gate.finish().unwrap();
    let told: Vec<_> = duplicates.iter().map(|row| (row.ordinal, row.record, row.rule)).collect();
    let wanted =
        [(1, Rule::PrimaryKeyInTable), (2, Rule::PrimaryKey), (4, Rule::PrimaryKeyInTable), (5, Rule::PrimaryKey), (6, Rule::PrimaryKey)];
    assert_eq!(told, wanted.map(|(place, rule)| (place, place + 1, rule)));
    assert_eq!((duplicates.len(), duplicates.iter().len(), duplicates.ordinals().len()), (5, 5, 5));
    assert!(duplicates.iter().eq(duplicates.rows().iter().cloned()));
    for row in 0..8 {
        assert_eq!(duplicates.find(row).map(|found| found.rule), wanted.iter().find(|(place, _)| *place == row).map(|(_, rule)| *rule));
    }
    let counts: Vec<_> = duplicates.by_rule().map(|count| (count.first.ordinal, count.first.rule, count.rows)).collect();
    assert_eq!(counts, [(2, Rule::PrimaryKey, 3), (1, Rule::PrimaryKeyInTable, 2)]);
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn places_are_a_set(inserted in proptest::collection::vec(prop_oneof![0u64..300, 65_500u64..65_600, any::<u64>()], 0..300), dense in 0u64..9_000, step in 1u64..20) {
        let all = inserted.into_iter().chain((0..dense).map(|at| (1 << 20) + at * step % 70_000));
        let (mut places, mut set) = (places::Places::default(), std::collections::BTreeSet::new());
        for place in all {
            prop_assert_eq!(places.insert(place), set.insert(place));
        }
        prop_assert_eq!(places.len(), set.len());
        prop_assert!(places.iter().eq(set.iter().copied()));
        prop_assert_eq!(places.iter().len(), set.len());
        prop_assert!(set.iter().all(|place| places.contains(*place)) && (0..400).all(|place| places.contains(place) == set.contains(&place)));
    }

    #[test]
    fn sorted_runs_come_back(mut keys in proptest::collection::btree_set(any::<u128>(), 1..200), near in proptest::collection::btree_set(0u128..1000, 0..200)) {
        keys.extend(near);
        let keys: Vec<u128> = keys.into_iter().collect();
        let ordinals: Vec<std::ops::Range<u64>> = (0..keys.len() as u64).map(|at| at * 2..at * 2 + 1).collect();
        let run = sorted::SortedRun::new(&keys, ordinals, 0).unwrap().unwrap();
        prop_assert_eq!(run.len(), keys.len() as u64);
        let mut back: Vec<(u128, u64)> = Vec::new();
        run.visit(|key, place| {
            back.push((key, place));
            Ok(())
        })
        .unwrap();
        let wanted: Vec<(u128, u64)> = keys.into_iter().zip((0..).map(|at| at * 2)).collect();
        prop_assert_eq!(back, wanted);
    }

    #[test]
    fn any_keys_in_any_batches_are_judged_as_a_set_judges_them(
        keys in proptest::collection::vec(-40i64..40, 0..120),
        table in proptest::collection::vec(-60i64..60, 0..20),
        sort in any::<bool>(),
        batch_rows in 1usize..50,
    ) {
        let mut keys = keys;
        if sort {
            keys.sort_unstable();
        }
        let wanted = expected(&keys, &table);
        prop_assert_eq!(found(&keys, &table, batch_rows, 64 << 20).0, wanted.clone());
        prop_assert_eq!(found(&keys, &table, batch_rows, 0).0, wanted);
    }

    #[test]
    fn any_text_keys_too(rows in proptest::collection::vec(("[ab]{0,2}", "[ab]{0,2}"), 0..60)) {
        let properties = [
            "{name: a, logicalType: string, primaryKey: true, primaryKeyPosition: 1}",
            "{name: b, logicalType: string, primaryKey: true, primaryKeyPosition: 2}",
        ];
        let gate = gate_of(&properties, options(Arc::new(MemorySpill::default())));
        let column = |side: fn(&(String, String)) -> &str| csv(&rows.iter().map(side).collect::<Vec<_>>());
        gate.check(batch(vec![column(|row| &row.0), column(|row| &row.1)], 0)).unwrap();
        let mut first = BTreeMap::new();
        let wanted: Vec<u64> = rows.iter().enumerate().filter(|(place, row)| *first.entry(*row).or_insert(*place) != *place).map(|(place, _)| place as u64).collect();
        prop_assert_eq!(gate.finish().unwrap().ordinals().collect::<Vec<_>>(), wanted);
    }
}
