//! The process ends, or a step fails, at every single step of a series of appends: what was acknowledged is there afterwards.

use std::sync::Arc;

use polder_types::Recorder;

use super::memory::{MemoryShelf, Outcome};
use super::*;

/// Appends up to `to` while the plan lets it; returns how many were acknowledged in a row from the start.
async fn append_until_failure(journal: &Arc<Journal>, from: u64, to: u64) -> u64 {
    let mut acknowledged = from;
    // Lone records around the border of a tile, then groups.
    for n in from..to {
        match journal.record(event(n)).await {
            Ok(at) => {
                assert_eq!(at.index, n);
                acknowledged = n + 1;
            }
            Err(_) => break,
        }
    }
    acknowledged
}

/// Everything that happens from the given step on fails, as after `kill -9`; then the log is opened on what is left.
#[tokio::test]
async fn the_process_ends_at_every_step() {
    let start = MemoryShelf::new();
    let shelf: Arc<dyn Shelf> = Arc::clone(&start) as _;
    let journal = create(&shelf, 1, None).await.unwrap();
    record(&journal, 0, 3).await;
    record_grouped(&journal, 3, 253).await;
    journal.snapshot().await.unwrap();
    for outcome in [Outcome::FailsBefore, Outcome::FailsAfter] {
        for nth in 0.. {
            let memory = start.copy();
            let shelf: Arc<dyn Shelf> = Arc::clone(&memory) as _;
            let journal = open(&shelf, nth, None).await.unwrap();
            let mut seen = 0;
            memory.plan(move |step| {
                // Reads change nothing; what counts is after how many changes the process ends.
                if step.starts_with("create") || step.starts_with("delete") {
                    seen += 1;
                }
                match seen {
                    at if at <= nth => Outcome::Works,
                    at if at == nth + 1 && !step.starts_with("read") => outcome,
                    _ => Outcome::FailsBefore,
                }
            });
            let acknowledged = append_until_failure(&journal, 253, 262).await;
            let ended = journal.snapshot().await.is_err() || acknowledged < 262;
            drop(journal);
            let left: Arc<dyn Shelf> = memory.copy();
            let again = open(&left, 1_000 + nth, None).await.unwrap();
            let size = again.size();
            assert!(size == acknowledged || size == acknowledged + 1, "step {nth}: {size} of {acknowledged}");
            check(&again, size).await;
            // And it goes on from there, and cleans up.
            record_grouped(&again, size, 290).await;
            again.snapshot().await.unwrap();
            check(&again, 290).await;
            let report = again.verify().await.unwrap();
            assert!(report.is_intact(), "step {nth}: {report:?}");
            assert_eq!(report.orphans, 0, "step {nth}");
            assert!(report.erased <= 1, "only what was never acknowledged may lack its side object");
            if !ended {
                assert!(nth > 20, "the series has that many steps");
                break;
            }
        }
    }
}

/// One step fails and the store works again: nothing is acknowledged that is not there, and nothing is there twice.
#[tokio::test]
async fn one_step_fails_and_the_journal_goes_on_or_stops() {
    for prefix in ["create journal/batch", "create private", "create journal/tile", "delete", "exists", "list", "read", "create state"] {
        for outcome in [Outcome::FailsBefore, Outcome::FailsAfter] {
            for nth in 0..6 {
                let memory = MemoryShelf::new();
                let shelf: Arc<dyn Shelf> = Arc::clone(&memory) as _;
                let journal = create(&shelf, 1, None).await.unwrap();
                record_grouped(&journal, 0, 253).await;
                memory.fail(prefix, nth, outcome);
                let mut acknowledged = Vec::new();
                for n in 253..260 {
                    if let Ok(at) = journal.record(event(n)).await {
                        acknowledged.push((at.index, n));
                    }
                }
                // Reading back is allowed to fail once where the fault has not struck yet.
                drop(journal.snapshot().await);
                drop(journal);
                memory.heal();
                let again = open(&shelf, 2, None).await.unwrap();
                let entries = again.entries(0..again.size()).await.unwrap();
                for (index, n) in acknowledged {
                    assert_eq!(entries[usize::try_from(index).unwrap()].event, event(n).kind, "{prefix} {outcome:?} {nth}");
                }
                let report = again.verify().await.unwrap();
                assert!(report.is_intact(), "{prefix} {outcome:?} {nth}: {report:?}");
                assert!(report.erased <= 1, "{prefix} {outcome:?} {nth}: {report:?}");
            }
        }
    }
}

/// A group whose side object failed is in the log but not acknowledged; its values follow with the next group.
#[tokio::test]
async fn an_owed_side_object_is_written_before_the_next_group() {
    let memory = MemoryShelf::new();
    let shelf: Arc<dyn Shelf> = Arc::clone(&memory) as _;
    let journal = create(&shelf, 1, None).await.unwrap();
    record(&journal, 0, 2).await;
    memory.fail("create private", 0, Outcome::FailsBefore);
    let error = journal.record(event(2)).await.unwrap_err();
    assert!(error.message.contains("side object"), "{error}");
    assert_eq!(journal.verify().await.unwrap().erased, 1);
    assert_eq!(journal.record(event(3)).await.unwrap().index, 3);
    let report = journal.verify().await.unwrap();
    assert_eq!((report.erased, report.commitments, report.is_intact()), (0, 8, true));
}
