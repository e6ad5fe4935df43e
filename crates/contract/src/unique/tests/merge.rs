//! Loads that merge: of several rows of a key the last one stays, and no row is refused for its key.

use arrow::array::{Decimal128Array, TimestampMicrosecondArray};

use super::*;
use crate::testing::contract_with;
use crate::{Cells, Duplicates, RawBatch};

const MERGE: &str = "  - {property: polder.disposition, value: merge}\n";

/// A key, and the value of a cursor.
type Row = (i64, Option<i64>);

struct Load {
    batch_rows: usize,
    memory_bytes: usize,
    ordered: bool,
    backwards: bool,
}

impl Load {
    const PLAIN: Self = Self { batch_rows: 4_096, memory_bytes: 64 << 20, ordered: false, backwards: false };

    fn gate(&self, spill: Arc<dyn SpillFiles>) -> Gate {
        let mut options = options(spill);
        options.unique_memory_bytes = self.memory_bytes;
        options.order_by = self.ordered.then_some(1);
        Gate::new(approved(contract_with(&[WIDE, CURSOR], MERGE)), options).unwrap()
    }

    /// What is superseded, and how many files were spilled.
    fn superseded(&self, rows: &[Row]) -> (Vec<u64>, usize) {
        let spill = Arc::new(MemorySpill::default());
        let duplicates = self.run(&self.gate(spill.clone()), rows);
        assert!(duplicates.is_empty() && duplicates.iter().len() == 0);
        let found: Vec<u64> = duplicates.ordinals().collect();
        let superseded = found.len() as u64;
        assert_eq!((duplicates.superseded(), duplicates.flagged(), duplicates.ordinals().len()), (superseded, 0, found.len()));
        assert_eq!((duplicates.rows_admitted(), duplicates.rows_left()), (rows.len() as u64, rows.len() as u64 - superseded));
        (found, spill.files.load(Ordering::SeqCst))
    }

    fn run(&self, gate: &Gate, rows: &[Row]) -> Duplicates {
        let mut batches: Vec<(usize, &[Row])> = rows.chunks(self.batch_rows.max(1)).enumerate().collect();
        if self.backwards {
            batches.reverse();
        }
        for (at, rows) in batches {
            let keys: Int64Array = rows.iter().map(|(key, _)| *key).collect();
            let cursors: Int64Array = rows.iter().map(|(_, cursor)| *cursor).collect();
            let columns = vec![Cells::Typed(Arc::new(keys) as ArrayRef), Cells::Typed(Arc::new(cursors))];
            let first_ordinal = (at * self.batch_rows.max(1)) as u64;
            let raw = RawBatch { first_ordinal, ..batch(columns, first_ordinal) };
            assert_eq!(gate.check(raw).unwrap().rejections, []);
        }
        gate.finish().unwrap()
    }
}

/// What a map says: every row but the last of its key.
fn expected(rows: &[Row], ordered: bool) -> Vec<u64> {
    let mut last: BTreeMap<i64, (Option<i64>, usize)> = BTreeMap::new();
    for (place, (key, cursor)) in rows.iter().enumerate() {
        let this = (cursor.filter(|_| ordered), place);
        last.entry(*key).and_modify(|best| *best = this.max(*best)).or_insert(this);
    }
    rows.iter().enumerate().filter(|(place, (key, _))| last[key].1 != *place).map(|(place, _)| place as u64).collect()
}

fn random(rows: usize, keys: u64) -> Vec<Row> {
    let rng = SeededRng::new(23);
    let cursor = |rng: &SeededRng| (rng.below(10) > 0).then(|| rng.below(1_000) as i64 - 500);
    (0..rows).map(|_| (rng.below(keys) as i64, cursor(&rng))).collect()
}

#[test]
fn the_last_row_of_a_key_stays_in_memory_and_in_sealed_space() {
    let rows = random(200_000, 60_000);
    for ordered in [false, true] {
        let wanted = expected(&rows, ordered);
        assert!(wanted.len() > 100_000);
        for (memory_bytes, spills) in [(64 << 20, false), (3 << 20, true), (64 << 10, true)] {
            let (found, files) = Load { memory_bytes, ordered, ..Load::PLAIN }.superseded(&rows);
            assert_eq!((found == wanted, files > 0), (true, spills), "{memory_bytes} {ordered}");
        }
    }
    // A control: what the cursor decides, places do not.
    assert_ne!(expected(&rows, false), expected(&rows, true));
}

#[test]
fn rows_in_key_order_take_no_space_where_their_places_put_them_in_order() {
    let gate = Load { memory_bytes: 2 << 20, ..Load::PLAIN }.gate(Arc::new(FullSpill));
    let rows: Vec<Row> = (0..300_000).map(|key| (key * 3, None)).collect();
    assert_eq!(Load::PLAIN.run(&gate, &rows).superseded(), 0);
}

#[test]
fn one_key_again_and_again_leaves_its_last_row_in_little_memory() {
    let rows: Vec<Row> = (0..400_000i64).map(|row| (if row % 1000 == 999 { row } else { -7 }, Some(row * 7919 % 400_009))).collect();
    for ordered in [false, true] {
        let load = Load { batch_rows: 1 << 14, memory_bytes: 256 << 10, ordered, ..Load::PLAIN };
        let spill = Arc::new(MemorySpill::default());
        let duplicates = load.run(&load.gate(spill.clone()), &rows);
        assert!(duplicates.ordinals().eq(expected(&rows, ordered)));
        assert!((1..=64).contains(&spill.files.load(Ordering::SeqCst)), "the partition of one hash is not split again");
        let kept = duplicates.memory_bytes();
        assert!(kept < 128 << 10, "{kept} bytes for {} rows: not a bit for each", duplicates.superseded());
    }
}

#[test]
fn a_merge_does_not_ask_for_the_tables_keys() {
    let mut options = options(Arc::new(MemorySpill::default()));
    options.existing = table_of(&[1, 2]);
    let gate = Gate::new(approved(contract_with(&[WIDE], MERGE)), options).unwrap();
    load(&gate, &[1, 2, 3, 1], 2);
    let duplicates = gate.finish().unwrap();
    assert_eq!((duplicates.len(), duplicates.ordinals().collect::<Vec<_>>()), (0, vec![0]));
}

#[test]
fn a_row_that_is_refused_supersedes_none() {
    let gate =
        Gate::new(approved(contract_with(&[WIDE, "{name: v, logicalType: integer}"], MERGE)), options(Arc::new(MemorySpill::default())));
    let gate = gate.unwrap();
    let checked = gate.check(batch(vec![csv(&["1", "1", "2"]), csv(&["5", "x", "5"])], 0)).unwrap();
    assert_eq!(checked.rejections.len(), 1);
    assert_eq!(gate.finish().unwrap().superseded(), 0);
}

#[test]
fn rows_are_put_in_order_by_exact_values_alone() {
    let of = |property: &str, order_by: usize| {
        let mut options = options(Arc::new(MemorySpill::default()));
        options.order_by = Some(order_by);
        Gate::new(approved(contract_with(&[WIDE, property], MERGE)), options).map(drop)
    };
    for good in [
        "{name: c, logicalType: integer}",
        "{name: c, logicalType: number, physicalType: 'decimal(38,9)'}",
        "{name: c, logicalType: date}",
        "{name: c, logicalType: timestamp, logicalTypeOptions: {timezone: false}}",
        "{name: c, logicalType: timestamp, customProperties: [{property: polder.mask, value: {drop: true}}]}",
    ] {
        of(good, 1).unwrap();
    }
    for wrong in [
        "{name: c, logicalType: string}",
        "{name: c, logicalType: number}",
        "{name: c, logicalType: boolean}",
        "{name: c, logicalType: date, customProperties: [{property: polder.mask, value: {truncate: year}}]}",
    ] {
        let error = of(wrong, 1).unwrap_err();
        assert!(matches!(&error, Error::Order { column, .. } if column == "c"), "{wrong}: {error}");
        assert_eq!(error.kind(), polder_types::ErrorKind::Invalid);
    }
    assert!(matches!(of("{name: c, logicalType: integer}", 2).unwrap_err(), Error::Order { .. }));
    // What appends is in no order but that of places.
    let mut options = options(Arc::new(MemorySpill::default()));
    options.order_by = Some(0);
    gate_of(&["{name: s, logicalType: string}"], options);
}

#[test]
fn cursors_of_every_type_decide() {
    let cursors: [(&str, ArrayRef); 3] = [
        ("logicalType: timestamp", Arc::new(TimestampMicrosecondArray::from(vec![-5, 9, 7]).with_timezone("UTC"))),
        (
            "logicalType: number, physicalType: 'decimal(38,2)'",
            Arc::new(Decimal128Array::from(vec![-5, 10i128.pow(37), 7]).with_precision_and_scale(38, 2).unwrap()),
        ),
        ("logicalType: integer, logicalTypeOptions: {format: i8}", Arc::new(arrow::array::Int8Array::from(vec![-128, 127, 7]))),
    ];
    for (property, cursor) in cursors {
        // What puts rows in order need not be stored.
        for mask in ["", ", customProperties: [{property: polder.mask, value: {drop: true}}]"] {
            let mut options = options(Arc::new(MemorySpill::default()));
            options.order_by = Some(1);
            let contract = contract_with(&[WIDE, &format!("{{name: c, {property}{mask}}}")], MERGE);
            let gate = Gate::new(approved(contract), options).unwrap();
            let keys: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 1]));
            gate.check(batch(vec![Cells::Typed(keys), Cells::Typed(Arc::clone(&cursor))], 0)).unwrap();
            assert_eq!(gate.finish().unwrap().ordinals().collect::<Vec<_>>(), [0, 2], "{property}{mask}");
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_rows_in_any_batches_leave_what_a_map_leaves(
        rows in proptest::collection::vec((-20i64..20, proptest::option::of(-4i64..4)), 0..150),
        sort in any::<bool>(),
        batch_rows in 1usize..60,
        backwards in any::<bool>(),
    ) {
        let mut rows = rows;
        if sort {
            rows.sort_unstable();
        }
        for ordered in [false, true] {
            let wanted = expected(&rows, ordered);
            for memory_bytes in [64 << 20, 0] {
                let load = Load { batch_rows, memory_bytes, ordered, backwards };
                prop_assert_eq!(&load.superseded(&rows).0, &wanted);
            }
        }
    }
}
