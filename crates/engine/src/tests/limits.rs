//! Questions that are stopped: by the time that they may take, and by whoever asked.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use futures::StreamExt as _;
use polder_types::{ErrorKind, EventKind};
use tokio::time::Instant;

use super::bed::{Bed, BedBuilder, owner};
use crate::{Error, QueryOptions};

/// Each would take minutes: the first makes rows without end of a few, the second and the third none at all.
const ENDLESS: [&str; 3] = [
    "select sum((x.k + y.k + z.k) % 7) from small x cross join small y cross join small z",
    "select count(*) from large x join large y on x.k * y.k < 0",
    "select count(*) from large x join large y on x.one = y.one and x.k * y.k < 0",
];

fn bed() -> Bed {
    let table = |rows: i64| {
        let columns = [
            ("k", Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef),
            ("one", Arc::new(Int64Array::from_iter_values((0..rows).map(|_| 1)))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let large = (0..20).map(|part| table(200_000).slice(part * 10_000, 10_000)).collect();
    BedBuilder::new().table("small", vec![table(1_500)]).table("large", large).build()
}

fn within(limit: Duration) -> QueryOptions {
    QueryOptions { limit: Some(limit), ..QueryOptions::default() }
}

/// Waits until what was stopped has ended, at its next batch. What does not end keeps the test waiting until the runner ends it.
async fn ended(bed: &Bed) {
    while bed.door.reserved_bytes() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_takes_too_long_is_stopped() {
    let bed = bed();
    for sql in ENDLESS {
        bed.ledger.take();
        let begun = Instant::now();
        let answer = bed.door.query(&owner(), sql, &within(Duration::from_millis(300))).await.unwrap();
        let error = answer.collect().await.unwrap_err();
        assert!(matches!(error, Error::TooSlow { .. }) && error.kind() == ErrorKind::Unavailable, "{sql}: {error}");
        assert_eq!(error.to_string(), "compute answer: it takes longer than 300ms; ask for less, or have the limit raised");
        ended(&bed).await;
        // With much to spare for a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(20), "{sql}: {:?}", begun.elapsed());
        let last = bed.ledger.take().pop().unwrap();
        assert!(matches!(last.kind, EventKind::ReadFinished { rows: 0, complete: false, bytes: Some(0), .. }), "{sql}: {last:?}");
    }
    // The control: what is done in time is answered.
    let answer = bed.door.query(&owner(), "select count(*) from large", &within(Duration::from_secs(600))).await.unwrap();
    assert_eq!(answer.collect().await.unwrap()[0].num_rows(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_away_stops_the_answer() {
    let bed = bed();
    for sql in ENDLESS {
        bed.ledger.take();
        let begun = Instant::now();
        let mut answer = bed.door.query(&owner(), sql, &QueryOptions::default()).await.unwrap();
        // It is being computed, and whoever waits for it is free to do something else.
        assert!(tokio::time::timeout(Duration::from_millis(300), answer.next()).await.is_err(), "{sql}");
        drop(answer);
        ended(&bed).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{sql}: {:?}", begun.elapsed());
        while bed.ledger.kinds().len() < 2 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(bed.ledger.kinds()[1], EventKind::ReadFinished { rows: 0, complete: false, .. }), "{sql}");
    }
}

#[tokio::test]
async fn time_for_nothing_is_too_little() {
    let bed = bed();
    let options = within(Duration::ZERO);
    for error in [
        bed.door.query(&owner(), "select count(*) from small", &options).await.map(|_| ()).unwrap_err(),
        bed.door.describe(&owner(), "select count(*) from small", &options).await.map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(error, Error::TooSlow { .. }), "{error}");
    }
    let kinds = bed.ledger.kinds();
    let ends = kinds.iter().filter(|kind| matches!(kind, EventKind::ReadFinished { rows: 0, complete: false, .. })).count();
    assert_eq!((kinds.len(), ends), (4, 2));
}
