//! Sums of integers are right, or fail: in groups, in several threads, and out of what was spilled.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};

use super::bed::{Bed, BedBuilder, owner};

const GROUPS: i64 = 60_000;

/// Four rows a group, all near the ends of the type: a group's sum fits, and many a part of it does not.
fn extremes() -> Vec<RecordBatch> {
    (0..4 * GROUPS / 4_000)
        .map(|batch| {
            let rows = batch * 4_000..(batch + 1) * 4_000;
            let group: Vec<i64> = rows.clone().map(|row| row * 7 % GROUPS).collect();
            let value = rows.clone().map(|row| match (row / GROUPS, row % 5) {
                (_, 0) => None,
                (0 | 1, _) => Some(i64::MAX - row),
                _ => Some(i64::MIN + row),
            });
            let unsigned = rows.map(|row| if row / GROUPS == 3 { u64::MAX - 4 * 300_000 } else { row as u64 });
            RecordBatch::try_from_iter([
                ("g", Arc::new(Int64Array::from(group)) as ArrayRef),
                ("x", Arc::new(value.collect::<Int64Array>())),
                ("u", Arc::new(unsigned.collect::<UInt64Array>())),
            ])
            .unwrap()
        })
        .collect()
}

fn bed(memory_bytes: usize, threads: usize) -> Bed {
    BedBuilder::new().table("t", extremes()).memory(memory_bytes, 1 << 30).threads(threads).build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grouped_sums_are_those_of_wider_numbers() {
    const CHECKED: &str =
        "select g, sum(x), sum(x) filter (where x > 0 and g % 3 = 0 and x < 100), sum(u), count(*) from t group by g order by g";
    let wide = CHECKED.replace("sum(x)", "sum(cast(x as decimal(38, 0)))").replace("sum(u)", "sum(cast(u as decimal(38, 0)))");
    for (memory_bytes, threads) in [(1 << 30, 1), (1 << 30, 4), (16 << 20, 1)] {
        let bed = bed(memory_bytes, threads);
        let rows = bed.rows(&owner(), CHECKED).await.unwrap_or_else(|error| panic!("{threads} threads, {memory_bytes} bytes: {error}"));
        assert_eq!(rows.len() as i64, GROUPS);
        assert!(rows == bed.rows(&owner(), &wide).await.unwrap(), "{threads} threads, {memory_bytes} bytes");
        assert_eq!(bed.door.spilled_bytes() > 0, memory_bytes < 1 << 30);
        // The control: parts of these sums do not fit.
        let error = bed.rows(&owner(), "select g, sum(x) from t where x > 0 group by g").await.unwrap_err();
        assert!(error.to_string().contains("too large for its type"), "{error}");
        let error = bed.rows(&owner(), "select sum(u) from t").await.unwrap_err();
        assert!(error.to_string().contains("too large for its type"), "{error}");
        assert_eq!(bed.rows(&owner(), "select sum(x) - sum(x) + sum(distinct g) from t where abs(x) > 0").await.unwrap().len(), 1);
    }
}
