//! Joins and sorts that need more memory than they may use spill, sealed, and answer the same.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, StringViewArray};
use futures::StreamExt as _;
use polder_types::ErrorKind;

use super::bed::{Bed, BedBuilder, owner, texts};
use crate::QueryOptions;

const ROWS: i64 = 200_000;
/// Sorting one table takes about 30 MiB.
const TIGHT_BYTES: usize = 24 << 20;
/// Stands in every row; a spill file in the clear would hold it.
const NEEDLE: &str = "planted-needle-in-the-clear";

fn wide(salt: i64) -> Vec<RecordBatch> {
    (0..ROWS / 4_000)
        .map(|batch| {
            let keys = batch * 4_000..(batch + 1) * 4_000;
            // Multiplying by an odd number below 2^20 shuffles the keys, so that sorting has work to do.
            let mixed: Vec<i64> = keys.map(|key| (key * 65_537 + salt) % ROWS).collect();
            let text: Vec<String> = mixed.iter().map(|key| format!("{NEEDLE}-{salt}-{key:09}-{}", "x".repeat(20))).collect();
            RecordBatch::try_from_iter([
                ("k", Arc::new(Int64Array::from(mixed)) as ArrayRef),
                ("v", Arc::new(StringArray::from(text)) as ArrayRef),
            ])
            .unwrap()
        })
        .collect()
}

fn bed(memory_bytes: usize, quota_bytes: u64) -> Bed {
    BedBuilder::new().table("a", wide(0)).table("b", wide(7)).memory(memory_bytes, quota_bytes).build()
}

const QUERIES: [&str; 3] = [
    "select v, k from a order by v desc, k",
    "select a.k, a.v as x, b.v as y from a join b on a.k = b.k order by a.k",
    "select v, count(*) as n, max(k) as m from (select * from a union all select * from b) group by v order by v",
];

/// Waits for the tasks of an ended query, which are dropped when they next run, to let go of their files. A file that stays
/// keeps the test waiting until the runner ends it.
async fn gone(bed: &Bed) {
    while !bed.temporaries().is_empty() {
        tokio::task::yield_now().await;
    }
}

fn holds_needle(bytes: &[u8]) -> bool {
    bytes.windows(NEEDLE.len()).any(|window| window == NEEDLE.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_spills_is_sealed_and_the_answer_is_the_same() {
    let roomy = bed(1 << 30, 1 << 30);
    roomy.batches(&owner(), QUERIES[0]).await.unwrap();
    roomy.batches(&owner(), QUERIES[1]).await.unwrap();
    // The control: with room, neither sort nor join spills. (What comes out of a grouping counts as larger than it is.)
    assert_eq!(roomy.door.spilled_bytes(), 0);
    let tight = bed(TIGHT_BYTES, 1 << 30);
    for sql in QUERIES {
        let wanted = texts(&roomy.batches(&owner(), sql).await.unwrap());
        let before = tight.door.spilled_bytes();
        let mut answer = tight.door.query(&owner(), sql, &QueryOptions::default()).await.unwrap();
        let first = answer.next().await.unwrap().unwrap_or_else(|error| panic!("{sql}: {error}"));
        // Rows come while the spilled ones still lie in their files.
        let spilled = tight.door.spilled_bytes() - before;
        assert!(spilled > 1 << 20, "{sql}: spilled {spilled}");
        // Some are read to their end, and gone, while we look.
        let files: Vec<_> = tight.temporaries().iter().filter_map(|file| std::fs::read(file).ok()).collect();
        assert!(files.iter().any(|file| !file.is_empty()), "{sql}");
        assert!(!files.iter().any(|file| holds_needle(file)), "{sql}");
        let mut batches = vec![first];
        batches.extend(answer.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}")));
        assert_eq!(texts(&batches), wanted, "{sql}");
        gone(&tight).await;
    }
    // The control: the rows in the clear do hold what was searched for.
    let mut clear = Vec::new();
    let schema = wide(0)[0].schema();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut clear, &schema).unwrap();
    writer.write(&wide(0)[0]).unwrap();
    drop(writer);
    assert!(holds_needle(&clear));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quota_ends_a_query_and_leaves_nothing() {
    let bed = bed(TIGHT_BYTES, 1 << 20);
    let error = bed.batches(&owner(), QUERIES[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(!error.to_string().contains(NEEDLE));
    gone(&bed).await;
    // The door goes on answering.
    assert_eq!(bed.rows(&owner(), "select count(*) from a").await.unwrap(), [ROWS.to_string()]);
}

/// Rows as they come from files: texts that point into pages which many batches share.
fn paged(salt: i64) -> Vec<RecordBatch> {
    const PAGE: i64 = 20_000;
    (0..ROWS / PAGE)
        .flat_map(|page| {
            let mixed: Vec<i64> = (page * PAGE..(page + 1) * PAGE).map(|key| (key * 65_537 + salt) % ROWS).collect();
            let text = mixed.iter().map(|key| format!("{NEEDLE}-{key:09}-{}", "x".repeat(20)));
            let text = StringViewArray::from_iter_values(text);
            let page =
                RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from(mixed)) as ArrayRef), ("v", Arc::new(text) as ArrayRef)])
                    .unwrap();
            (0..20).map(move |slice| page.slice(slice * 1_000, 1_000))
        })
        .collect()
}

const LITTLE: [&str; 6] = [
    "select v, k from a order by v desc, k",
    "select a.k, a.v as x, b.v as y from a join b on a.k = b.k order by b.v desc, a.k",
    "select v, count(*) as n, max(k) as m from (select * from a union all select * from b) group by v order by v",
    "select a.k, c.v from a join b on a.k = b.k join a c on c.k = b.k + 1 where a.v <> c.v order by c.v, a.k",
    "select k, v, sum(k) over (partition by k % 1000 order by v) as s from a order by s, k",
    "select distinct a.v from a left join b on a.v = b.v and b.k > 100000 order by a.v",
];

/// The same number for the same rows in the same order.
fn hashed(batches: &[RecordBatch]) -> (usize, u64) {
    let rows = texts(batches);
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&rows, &mut hasher);
    (rows.len(), std::hash::Hasher::finish(&hasher))
}

/// Each of these once waited for ever, or failed: several sorts and merges at a time, in one thread and in two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_in_little_memory_end_and_answer_the_same() {
    let bed =
        |memory_bytes: usize| BedBuilder::new().table("a", paged(0)).table("b", paged(7)).memory(memory_bytes, 1 << 30).threads(2).build();
    let (roomy, beds) = (bed(4 << 30), [(16, 1), (64, 2)].map(|(mib, rounds)| (mib, rounds, bed(mib << 20))));
    let asker = owner();
    for sql in LITTLE {
        let wanted = hashed(&roomy.batches(&asker, sql).await.unwrap());
        for (mib, rounds, tight) in &beds {
            let before = tight.door.spilled_bytes();
            for round in 0..*rounds {
                let answer = tokio::time::timeout(Duration::from_secs(120), tight.batches(&asker, sql));
                let batches = answer.await.unwrap_or_else(|_| panic!("{mib} MiB, round {round}: no end: {sql}"));
                let batches = batches.unwrap_or_else(|error| panic!("{mib} MiB, round {round}: {error}: {sql}"));
                assert!(hashed(&batches) == wanted, "{mib} MiB, round {round}: another answer: {sql}");
            }
            // The control: it did not fit.
            assert!(tight.door.spilled_bytes() - before > 1 << 20, "{mib} MiB: {sql}");
        }
    }
}
