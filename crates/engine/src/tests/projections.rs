//! Queries within queries that look alike are each computed.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::bed::{Bed, BedBuilder, owner};

fn bed() -> BedBuilder {
    let batch = RecordBatch::try_from_iter([
        ("a", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
        ("b", Arc::new(Int64Array::from(vec![10, 20]))),
        ("t", Arc::new(StringArray::from(vec!["x", "y"]))),
    ])
    .unwrap();
    BedBuilder::new().table("t", vec![batch])
}

fn nested(levels: usize, query: &str) -> String {
    (1..levels).fold(format!("select {query} from (select a, b, t from t)"), |inner, _| format!("select {query} from ({inner})"))
}

async fn sums(bed: &Bed, query: &str, levels: usize) -> String {
    let sql = format!("select sum(a), min(t) from ({})", nested(levels, query));
    bed.rows(&owner(), &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).join("|")
}

#[tokio::test]
async fn alike_projections_are_all_computed() {
    let bed = bed().model("v", "-- polder: materialized = view\nselect a + 1 as a from (select a + 1 as a from t)\n").build();
    for levels in 1..=7u32 {
        let times = 3i64.pow(levels);
        assert_eq!(sums(&bed, "a * 3 as a, t", levels as usize).await, format!("{} x", 3 * times), "{levels}");
        assert_eq!(sums(&bed, "a + b as a, b, t", levels as usize).await, format!("{} x", 3 + 30 * i64::from(levels)), "{levels}");
        assert_eq!(sums(&bed, "cast(a as double) * 3 as a, t", levels as usize).await, format!("{}.0 x", 3 * times), "{levels}");
        let texts = sums(&bed, "a, b, t || t as t", levels as usize).await;
        assert_eq!(texts, format!("3 {}", "x".repeat(1 << levels)), "{levels}");
        // Swapping is its own inverse; dropping one of two would show.
        let swapped = sums(&bed, "b as a, a as b, t", levels as usize).await;
        assert_eq!(swapped, if levels % 2 == 0 { "3 x" } else { "30 x" }, "{levels}");
        // One more column, which nobody reads, comes off on the way.
        assert_eq!(sums(&bed, "a * 3 as a, b * 3 as b, t", levels as usize).await, format!("{} x", 3 * times), "{levels}");
    }
    assert_eq!(bed.rows(&owner(), "select sum(a) from v").await.unwrap(), ["7"]);
    assert_eq!(bed.rows(&owner(), "select a + 1 as a from (select a + 1 as a from v) order by a").await.unwrap(), ["5", "6"]);
}
