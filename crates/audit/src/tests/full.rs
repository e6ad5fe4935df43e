//! A full disk: what must still be recorded is, from the reserve; everything else is refused.

use std::sync::Arc;

use polder_types::event::{KeyChange, Phase, RunResult};
use polder_types::{ErrorKind, NameId, Recorder, RunId};

use super::memory::MemoryShelf;
use super::*;

fn refusal() -> Event {
    Event::new(&actor(), EventKind::Refused { action: "run".to_owned(), error: "disk_full".to_owned() })
}

async fn filled(room_bytes: u64) -> (Arc<MemoryShelf>, Arc<Journal>) {
    let memory = MemoryShelf::new();
    *memory.reserve_bytes.lock() = 200_000;
    *memory.reserve_wanted_bytes.lock() = 200_000;
    let shelf: Arc<dyn Shelf> = Arc::clone(&memory) as _;
    let journal = create(&shelf, 1, None).await.unwrap();
    record(&journal, 0, 3).await;
    *memory.room_bytes.lock() = Some(room_bytes);
    (memory, journal)
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_still_records_refusals() {
    // Whatever is the first that does not fit: the side object or the group.
    for room_bytes in [0, 100, 300, 500, 700, 900, 1_100] {
        let (memory, journal) = filled(room_bytes).await;
        let error = loop {
            match journal.record(event(journal.size())).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        let size = journal.size();
        for _ in 0..20 {
            journal.record(refusal()).await.unwrap();
        }
        assert_eq!(journal.size(), size + 20);
        assert!(*memory.reserve_bytes.lock() < 200_000);
        // The room that the reserve gave back is not for others.
        assert_eq!(journal.record(event(size)).await.unwrap_err().kind, ErrorKind::Unavailable);
        let outcome = |result| EventKind::CommitOutcome {
            dataset: DATASET,
            operation: TableOperation::Append,
            sequence: 1,
            version: 1,
            log_hash: String::new(),
            result,
            counts: None,
        };
        let maintained = |operation, phase| EventKind::TableMaintained { dataset: DATASET, operation, phase, files: 1 };
        let keys = |change, phase| EventKind::KeysChanged { change, phase, dataset: None, key_version: None, keyring_version: 1 };
        let kinds = [
            EventKind::RunFinished { run: RunId([1; 16]), committed: 1, failed: 1 },
            outcome(CommitResult::Committed),
            maintained(TableOperation::Optimize, Phase::Outcome),
            keys(KeyChange::RootRotated, Phase::Aborted),
            keys(KeyChange::RootRotated, Phase::Outcome),
            EventKind::BatchFailed { run: RunId([1; 16]), dataset: DATASET, counts: None, error: "x".to_owned() },
            EventKind::StepFinished {
                run: RunId([1; 16]),
                step: NameId([1; 16]),
                dataset: None,
                status: "committed".to_owned(),
                counts: None,
                error: None,
                started_ms: 0,
            },
            EventKind::RunConcluded { run: RunId([1; 16]), pipeline: None, result: RunResult::Failed, error: None, again: false },
            EventKind::IntegrityFailed { object: "x".to_owned() },
            EventKind::LeaseTaken { epoch: 1 },
            outcome(CommitResult::Aborted),
            maintained(TableOperation::Vacuum, Phase::Intent),
            EventKind::CommitIntent {
                dataset: DATASET,
                operation: TableOperation::Fence,
                sequence: 1,
                version: 1,
                log_hash: String::new(),
                epoch: 1,
            },
        ];
        for kind in kinds {
            journal.record(Event::new(&actor(), kind)).await.unwrap();
        }
        let changes = [
            EventKind::RunFinished { run: RunId([1; 16]), committed: 1, failed: 0 },
            maintained(TableOperation::Optimize, Phase::Intent),
            keys(KeyChange::RootRotated, Phase::Intent),
            keys(KeyChange::ObjectKeyRevealed, Phase::Outcome),
            keys(KeyChange::ValuesRevealed, Phase::Outcome),
        ];
        for kind in changes {
            assert_eq!(journal.record(Event::new(&actor(), kind)).await.unwrap_err().kind, ErrorKind::Unavailable);
        }
        // Space comes back: the reserve is made whole first, then everything is recorded again.
        *memory.room_bytes.lock() = Some(10_000_000);
        let size = journal.size();
        journal.record(Event::new(&actor(), EventKind::RunStarted { run: RunId([2; 16]), batches: 1 })).await.unwrap();
        assert_eq!((journal.size(), *memory.reserve_bytes.lock()), (size + 1, 200_000));
        let verified = journal.verify().await.unwrap();
        assert!(verified.is_intact(), "{verified:?}");
        let shelf: Arc<dyn Shelf> = memory;
        assert_eq!(*open_read_only(&shelf, None).await.unwrap().state(), *journal.state());
    }
}

#[tokio::test]
async fn one_group_of_both_kinds_is_split() {
    let (_, journal) = filled(50).await;
    let (change, refused) = tokio::join!(journal.record(event(3)), journal.record(refusal()));
    assert_eq!(change.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(refused.unwrap().index, 3);
    assert_eq!(journal.size(), 4);
}

#[tokio::test]
async fn a_used_up_reserve_refuses_everything_and_loses_nothing() {
    let (memory, journal) = filled(0).await;
    let mut recorded = journal.size();
    let error = loop {
        match journal.record(refusal()).await {
            Ok(_) => recorded += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(*memory.reserve_bytes.lock(), 0);
    assert!(recorded > 40, "{recorded}");
    let shelf: Arc<dyn Shelf> = memory;
    let reader = open_read_only(&shelf, None).await.unwrap();
    assert!(reader.size() >= recorded);
    assert!(reader.verify().await.unwrap().is_intact());
}
