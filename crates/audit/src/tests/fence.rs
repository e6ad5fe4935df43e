//! Two writers: the one with the larger epoch wins, and whoever lost is told before anything follows from its event.

use std::sync::Arc;

use polder_types::{ErrorKind, Recorder};

use super::memory::MemoryShelf;
use super::*;

async fn two(first_epoch: u64, second_epoch: u64) -> (Arc<MemoryShelf>, Arc<Journal>, Arc<Journal>) {
    let memory = MemoryShelf::new();
    let shelf: Arc<dyn Shelf> = Arc::clone(&memory) as _;
    let old = create(&shelf, 1, None).await.unwrap();
    old.set_epoch(first_epoch);
    record(&old, 0, 3).await;
    let new = open(&shelf, 2, None).await.unwrap();
    new.set_epoch(second_epoch);
    (memory, old, new)
}

#[tokio::test]
async fn a_replaced_writer_is_refused_at_the_next_index() {
    let (memory, old, new) = two(1, 2).await;
    record(&new, 3, 4).await;
    let error = old.record(event(3)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy, "{error}");
    // And stays refused: it does not read on and try again.
    assert_eq!(old.record(event(4)).await.unwrap_err().kind, ErrorKind::Busy);
    assert!(old.snapshot().await.is_err());
    record(&new, 4, 6).await;
    check(&new, 6).await;
    let report = new.verify().await.unwrap();
    assert!(report.is_intact() && report.orphans == 0, "{report:?}");
    assert_eq!(memory.names("private", "").len(), 6);
}

#[tokio::test]
async fn a_late_group_of_the_old_writer_is_read_on_by_the_new_one() {
    let (_, old, new) = two(1, 2).await;
    // The new writer has opened, and the old one still gets one in: it was acknowledged, so it must stay.
    record(&old, 3, 5).await;
    record(&new, 5, 6).await;
    check(&new, 6).await;
    assert_eq!(old.record(event(6)).await.unwrap_err().kind, ErrorKind::Busy);
    assert!(new.verify().await.unwrap().is_intact());
}

#[tokio::test]
async fn a_writer_of_the_same_epoch_does_not_mix_with_another() {
    let (_, old, new) = two(4, 4).await;
    record(&new, 3, 4).await;
    assert_eq!(old.record(event(3)).await.unwrap_err().kind, ErrorKind::Busy);
    check(&new, 4).await;
}

#[tokio::test]
async fn a_smaller_epoch_than_the_logs_is_refused_before_anything_is_written() {
    let (memory, old, _) = two(5, 5).await;
    drop(old);
    let shelf: Arc<dyn Shelf> = memory.copy();
    let late = open(&shelf, 3, None).await.unwrap();
    late.core.epoch.store(4, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(late.record(event(3)).await.unwrap_err().kind, ErrorKind::Busy);
}

/// The name of the next group is free again when a later writer has folded that group into a tile and removed it.
#[tokio::test]
async fn a_replaced_writer_is_refused_even_where_its_next_name_is_free_again() {
    let (memory, old, new) = two(1, 2).await;
    record_grouped(&new, 3, 600).await;
    new.snapshot().await.unwrap();
    assert!(!memory.names("journal", "batch/").contains(&"batch/00000000000000000003".to_owned()));
    let error = old.record(event(3)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy, "{error}");
    check(&new, 600).await;
    assert!(!memory.names("journal", "batch/").contains(&"batch/00000000000000000003".to_owned()));
    assert!(new.verify().await.unwrap().is_intact());
}

/// As above, and the old writer dies between creating its group and looking whether it was replaced.
#[tokio::test]
async fn what_a_replaced_writer_leaves_behind_is_told_from_the_log_and_removed() {
    let (memory, old, new) = two(1, 2).await;
    record_grouped(&new, 3, 600).await;
    new.snapshot().await.unwrap();
    memory.fail("exists", 0, super::memory::Outcome::FailsBefore);
    assert_eq!(old.record(event(3)).await.unwrap_err().kind, ErrorKind::Unavailable);
    memory.heal();
    assert!(memory.names("journal", "batch/").contains(&"batch/00000000000000000003".to_owned()));
    let shelf: Arc<dyn Shelf> = Arc::clone(&memory) as _;
    let report = open_read_only(&shelf, None).await.unwrap().verify().await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.fenced, report.orphans), (1, 1));
    drop(new);
    let next = open(&shelf, 3, None).await.unwrap();
    next.set_epoch(3);
    check(&next, 600).await;
    record(&next, 600, 601).await;
    assert!(!memory.names("journal", "batch/").contains(&"batch/00000000000000000003".to_owned()));
}

#[tokio::test]
async fn a_keyring_older_than_the_logs_is_refused() {
    let (memory, _, new) = two(1, 2).await;
    *memory.keyring.lock() = 7;
    record(&new, 3, 4).await;
    let shelf: Arc<dyn Shelf> = Arc::clone(&memory) as _;
    assert!(open_read_only(&shelf, None).await.is_ok());
    *memory.keyring.lock() = 6;
    let error = open_read_only(&shelf, None).await.err().unwrap();
    assert!(matches!(error, Error::KeyringRolledBack { found: 6, known: 7 }), "{error}");
}
