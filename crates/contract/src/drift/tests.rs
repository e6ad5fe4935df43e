use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};

use super::*;

/// A generator whose numbers are the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

struct Shape {
    rows: usize,
    factor: f64,
    nulls: f64,
    words: &'static [&'static str],
}

const USUAL: Shape = Shape { rows: 4_000, factor: 1.0, nulls: 0.02, words: &["open", "open", "open", "late", "shut"] };

fn load(seed: u64, shape: &Shape) -> Statistics {
    let mut dice = Dice(seed);
    let mut statistics = Statistics::default();
    for _ in 0..4 {
        let rows = shape.rows / 4;
        let amount: Float64Array =
            (0..rows).map(|_| (dice.next() >= shape.nulls).then(|| shape.factor * (50.0 + 100.0 * dice.next()))).collect();
        let state: StringArray = (0..rows).map(|_| Some(shape.words[(dice.next() * shape.words.len() as f64) as usize])).collect();
        let paid: BooleanArray = (0..rows).map(|_| Some(dice.next() < 0.7)).collect();
        let columns: Vec<(&str, ArrayRef)> = vec![("amount", Arc::new(amount)), ("state", Arc::new(state)), ("paid", Arc::new(paid))];
        statistics.take(&RecordBatch::try_from_iter(columns).unwrap());
    }
    statistics
}

fn history(loads: u64) -> History {
    let mut history = History::default();
    for seed in 0..loads {
        let rows = 4_000 + (seed % 5) * 40;
        history.follow(rows, &load(seed + 1, &USUAL), &[]);
    }
    history
}

#[test]
fn loads_that_are_alike_are_not_unusual() {
    for loads in [5, 20, 60] {
        let history = history(loads);
        for seed in 100..130 {
            assert_eq!(history.judge(4_080, &load(seed, &USUAL)), [], "{loads} {seed}");
        }
    }
    assert_eq!(history(60).loads.len(), LOADS_MAX);
}

#[test]
fn each_way_of_being_unusual_is_named_alone() {
    let history = history(10);
    let found = |shape: Shape| -> Vec<String> {
        let kind = |anomaly: Anomaly| match anomaly {
            Anomaly::Volume { .. } => "volume".to_owned(),
            Anomaly::Nulls { column, .. } => format!("nulls {column}"),
            Anomaly::Distribution { column, of, .. } => format!("{of:?} {column}"),
        };
        history.judge(shape.rows as u64, &load(500, &shape)).into_iter().map(kind).collect()
    };
    assert_eq!(found(Shape { rows: 400, ..USUAL }), ["volume"]);
    assert_eq!(found(Shape { rows: 12_000, ..USUAL }), ["volume"]);
    assert_eq!(found(Shape { nulls: 0.12, ..USUAL }), ["nulls amount"]);
    // Ten times as much, as when a unit changed.
    assert_eq!(found(Shape { factor: 10.0, ..USUAL }), ["Sizes amount"]);
    assert_eq!(found(Shape { factor: -1.0, ..USUAL }), ["Sizes amount"]);
    // Words of the same lengths and others of them.
    assert_eq!(found(Shape { words: &["late", "shut", "shut", "shut", "late"], ..USUAL }), ["Values state"]);
}

#[test]
fn nothing_is_judged_before_five_loads_nor_of_a_column_that_is_new() {
    let strange = load(7, &Shape { rows: 400, factor: 10.0, nulls: 0.9, words: &["x"] });
    assert_eq!(history(4).judge(400, &strange), []);
    assert_ne!(history(5).judge(400, &strange), []);
    let mut history = history(10);
    let mut newer = load(8, &USUAL);
    let moved = newer.columns.remove("amount").unwrap();
    newer.columns.insert("sum".to_owned(), moved);
    for _ in 0..4 {
        assert_eq!(history.judge(4_080, &newer), []);
        history.follow(4_080, &newer, &[]);
    }
}

#[test]
fn what_is_kept_holds_no_value_and_comes_back() {
    let mut history = history(6);
    let mut statistics = Statistics::default();
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["planted-value-4711"; 2_000]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![8_675_309; 2_000]));
    statistics.take(&RecordBatch::try_from_iter([("t", texts), ("n", numbers)]).unwrap());
    history.follow(2_000, &statistics, &[]);
    let text = serde_json::to_string(&history).unwrap();
    assert!(!text.contains("planted") && !text.contains("4711") && !text.contains("8675309"), "{text}");
    assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
    let found = self::history(6).judge(1, &load(3, &Shape { rows: 4_000, factor: 10.0, nulls: 0.5, words: &["x"] }));
    assert!(found.len() >= 4, "{found:?}");
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Anomaly>>(&text).unwrap(), found, "{text}");
}

#[test]
fn keys_and_dates_have_nulls_only() {
    let contract = crate::testing::contract(&[
        "{name: id, logicalType: integer, logicalTypeOptions: {format: i64}, primaryKey: true, required: true}",
        "{name: sum, logicalType: number}",
    ]);
    let mut statistics = Statistics::of(&contract);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2_000));
    let numbers: ArrayRef = Arc::new(Float64Array::from_iter_values((0..2_000).map(f64::from)));
    let days: ArrayRef = Arc::new(arrow::array::Date32Array::from_iter((0..2_000).map(|day| (day % 2 == 0).then_some(day))));
    assert_eq!(days.null_count(), 1_000);
    statistics.take(&RecordBatch::try_from_iter([("id", ids), ("sum", numbers), ("d", days)]).unwrap());
    assert!(statistics.columns["id"].sizes.is_empty());
    assert!(statistics.columns["d"].sizes.is_empty());
    assert_eq!((statistics.columns["d"].rows, statistics.columns["d"].nulls), (2_000, 1_000));
    // One row in eight of a large batch, each for eight.
    assert_eq!(statistics.columns["sum"].sizes.values().sum::<f64>(), 2_000.0);
}

#[test]
fn a_table_is_stale_after_three_times_its_usual_pause() {
    let hour = 3_600_000;
    let times: Vec<i64> = (0..8).map(|load| load * hour).collect();
    assert_eq!(stale(&times, 7 * hour + 3 * hour), None);
    assert_eq!(stale(&times, 7 * hour + 3 * hour + 1), Some((3 * hour + 1, hour)));
    assert_eq!(stale(&times[..4], 100 * hour), None);
    assert_eq!(stale(&[], hour), None);
}

#[test]
fn after_three_loads_that_moved_alike_they_are_what_is_usual() {
    let mut history = history(10);
    let moved = |seed| load(seed, &Shape { factor: 10.0, ..USUAL });
    for seed in 200..203 {
        // In between a load as before is as usual as ever.
        assert_eq!(history.judge(4_080, &load(seed, &USUAL)), []);
        let found = history.judge(4_080, &moved(seed));
        assert_eq!(found.len(), 1, "{seed} {found:?}");
        history.follow(4_080, &moved(seed), &found);
    }
    assert_eq!(history.judge(4_080, &moved(300)), []);
    assert_eq!(history.judge(4_080, &load(301, &USUAL)).len(), 1);
}
