//! What a window or a recursion holds counts against the memory limit, and neither goes on for ever.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use polder_types::ErrorKind;

use super::bed::{Bed, BedBuilder, owner};

const ROWS: i64 = 8_192;
/// Two tables crossed: 32 MiB of keys in each column, which lie in memory only where something keeps them.
const TIMES: i64 = 512;

fn bed(memory_bytes: usize) -> Bed {
    let keys = |rows: i64| vec![RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef)]).unwrap()];
    BedBuilder::new().table("a", keys(ROWS)).table("b", keys(TIMES)).memory(memory_bytes, 1 << 30).build()
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Windows that keep all of their input, those of a few rows, and those that need none of it again.
const KEEP: [&str; 3] = [
    "select sum(c + x + y) from (select a.k as x, b.k as y, count(*) over () as c from a cross join b)",
    "select sum(c + x) from (select a.k as x, last_value(b.k) over (rows between current row and unbounded following) as c from a cross join b)",
    "select sum(c) from (select lag(a.k, 3000000) over () as c from a cross join b)",
];
const PASS: [(&str, &str); 3] = [
    ("select max(c) from (select row_number() over () as c from a cross join b)", "4194304"),
    ("select sum(c) - sum(x) from (select b.k as x, lag(b.k, 5, 0) over () as c from a cross join b)", "-2545"),
    ("select max(c) from (select count(*) over (rows between 9 preceding and current row) as c from a cross join b)", "10"),
];

#[tokio::test]
async fn a_window_keeps_to_the_memory_limit() {
    let tight = bed(32 << 20);
    let before = peak_bytes();
    for sql in KEEP {
        let error = tight.rows(&owner(), sql).await.expect_err(sql);
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("it needs more memory"), "{sql}: {error}");
        assert_eq!(tight.door.reserved_bytes(), 0, "{sql}");
    }
    let grown = peak_bytes().saturating_sub(before);
    // Where other tests run in this process, its peak is theirs too.
    assert!(std::env::var_os("NEXTEST").is_none() || grown < 96 << 20, "{grown} bytes more");
    for (sql, wanted) in PASS {
        assert_eq!(tight.rows(&owner(), sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")), [wanted], "{sql}");
    }
    // The control: with memory, the same are answered.
    let roomy = bed(1 << 30);
    for sql in KEEP {
        let rows = roomy.rows(&owner(), sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(rows.len(), 1, "{sql}");
    }
    let sum = ROWS * TIMES * ROWS * TIMES + ROWS * (ROWS - 1) / 2 * TIMES + TIMES * (TIMES - 1) / 2 * ROWS;
    assert_eq!(roomy.rows(&owner(), KEEP[0]).await.unwrap(), [sum.to_string()]);
    assert_eq!(roomy.door.reserved_bytes(), 0);
}

#[tokio::test]
async fn a_recursion_that_does_not_end_is_ended() {
    let bed = bed(32 << 20);
    for sql in [
        "with recursive t as (select 1 as n union all select n from t) select count(*) from t",
        "with recursive t as (select 1 as n union select n + 1 from t) select count(*) from t",
        "with recursive t as (select 1 as n union all select n + row_number() over () - 1 from t) select count(*) from t",
    ] {
        let error = bed.rows(&owner(), sql).await.expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error}");
        let wanted =
            "compute answer: the recursion of t did not end in 10000 rounds; end it with a condition, or with UNION where rows come again";
        assert_eq!(error.to_string(), wanted, "{sql}");
        assert_eq!(bed.door.reserved_bytes(), 0, "{sql}");
    }
    let error =
        bed.rows(&owner(), "with recursive t as (select 1 as n union all select n from t, b) select count(*) from t").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("it needs more memory"), "{error}");
    // The controls: recursions that end, in as many rounds as there may be, and one within another that begins often.
    let long = "with recursive t as (select 1 as n union all select n + 1 from t where n < 10000) select count(*), max(n) from t";
    assert_eq!(bed.rows(&owner(), long).await.unwrap(), ["10000 10000"]);
    let cycle = "with recursive t as (select 1 as n union select n % 7 + 1 from t) select count(*) from t";
    assert_eq!(bed.rows(&owner(), cycle).await.unwrap(), ["7"]);
    let nested = "with recursive t as (select 1 as n union all select n + (with recursive u as (select 1 as m union all select m + 1 from u where m < 50) select min(m) from u) from t where n < 300) select count(*) from t";
    assert_eq!(bed.rows(&owner(), nested).await.unwrap(), ["300"]);
}
