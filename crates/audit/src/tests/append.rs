use std::sync::Arc;

use bytes::Bytes;
use polder_types::{ErrorKind, Recorder};
use tokio::sync::Semaphore;

use super::memory::MemoryShelf;
use super::*;
use crate::merkle::{verify_consistency, verify_inclusion};
use crate::{AnchorStatus, Filter, Resolved};

fn shelf() -> (Arc<MemoryShelf>, Arc<dyn Shelf>) {
    let memory = MemoryShelf::new();
    (Arc::clone(&memory), memory)
}

#[tokio::test]
async fn what_is_recorded_is_there_when_it_is_opened_again() {
    let (memory, shelf) = shelf();
    let journal = create(&shelf, 1, None).await.unwrap();
    assert_eq!(journal.size(), 0);
    record(&journal, 0, 5).await;
    check(&journal, 5).await;
    assert_eq!(journal.state().lineage, Some(LineageId([7; 16])));
    // One object of entries and one of private values a group, and nothing else.
    assert_eq!(memory.names("journal", "batch/").len(), 5);
    assert_eq!((memory.names("private", "").len(), memory.names("state", "").len(), memory.names("journal", "tile").len()), (5, 0, 0));
    drop(journal);
    let journal = open(&shelf, 2, None).await.unwrap();
    assert_eq!(journal.opened().replayed, 5);
    check(&journal, 5).await;
    record(&journal, 5, 8).await;
    check(&open_read_only(&shelf, None).await.unwrap(), 8).await;
    assert_eq!(create(&shelf, 3, None).await.err().unwrap().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn nothing_is_a_log_before_the_first_event() {
    let (_, shelf) = shelf();
    drop(create(&shelf, 1, None).await.unwrap());
    assert!(matches!(open(&shelf, 1, None).await, Err(Error::NotCreated)));
}

#[tokio::test]
async fn whoever_is_queued_while_a_group_is_written_goes_into_the_next() {
    let (memory, shelf) = shelf();
    let gate = Arc::new(Semaphore::new(0));
    *memory.gate.lock() = Some(("batch/", Arc::clone(&gate)));
    let journal = create(&shelf, 1, None).await.unwrap();
    let mut first = Box::pin(journal.record(event(0)));
    assert!(futures::poll!(first.as_mut()).is_pending());
    while !memory.steps.lock().iter().any(|step| step.starts_with("create private/")) {
        tokio::task::yield_now().await;
    }
    // The first group is in flight: the batch waits at the gate.
    let mut rest: Vec<_> = (1..65).map(|n| Box::pin(journal.record(event(n)))).collect();
    for call in &mut rest {
        assert!(futures::poll!(call.as_mut()).is_pending());
    }
    assert_eq!(memory.names("journal", "").len(), 0, "nothing is acknowledged before it is stored");
    gate.add_permits(2);
    assert_eq!(first.await.unwrap().index, 0);
    for (n, call) in (1..).zip(rest) {
        assert_eq!(call.await.unwrap().index, n);
    }
    assert_eq!(memory.names("journal", "batch/"), ["batch/00000000000000000000", "batch/00000000000000000001"]);
    check(&journal, 65).await;
}

/// What is tidied is tidied beside the log: a disk that is slow with tiles holds up nobody who records.
#[tokio::test]
async fn nobody_waits_for_a_tile() {
    let (memory, shelf) = shelf();
    let gate = Arc::new(Semaphore::new(0));
    *memory.gate.lock() = Some(("tile/", Arc::clone(&gate)));
    let journal = create(&shelf, 1, None).await.unwrap();
    record(&journal, 0, 600).await;
    assert_eq!(memory.names("journal", "tile/").len(), 0, "no tile could be written, and 600 entries were acknowledged");
    check(&journal, 600).await;
    let waiting = memory.copy() as Arc<dyn Shelf>;
    check(&open(&waiting, 2, None).await.unwrap(), 600).await;
    gate.add_permits(Semaphore::MAX_PERMITS / 2);
    journal.snapshot().await.unwrap();
    assert_eq!(memory.names("journal", "tile/entries/").len(), 2);
    assert_eq!(memory.names("journal", "batch/").len(), 600 - 512);
    check(&journal, 600).await;
    record(&journal, 600, 601).await;
    assert!(journal.verify().await.unwrap().is_intact());
}

/// Every size around the tiles' borders, with lone and grouped records, with and without a snapshot.
#[tokio::test]
async fn every_size_opens_again_and_verifies() {
    for (lone, size) in [(0, 1), (3, 255), (255, 256), (1, 257), (250, 300), (0, 511), (300, 512), (5, 513), (2, 770), (0, 1025)] {
        let (memory, shelf) = shelf();
        let journal = create(&shelf, size, None).await.unwrap();
        record(&journal, 0, lone).await;
        record_grouped(&journal, lone, size).await;
        check(&journal, size).await;
        // Through the writer's queue, so that its tidying is over.
        if size % 2 == 0 {
            journal.snapshot().await.unwrap();
            assert_eq!(memory.names("state", ""), [format!("snapshot/{size:020}")]);
        }
        drop(journal);
        let copy: Arc<dyn Shelf> = memory.copy();
        for shelf in [shelf, copy] {
            let journal = open(&shelf, 77, None).await.unwrap();
            check(&journal, size).await;
            assert_eq!(journal.opened().replayed, if size % 2 == 0 { 0 } else { size });
            let report = journal.verify().await.unwrap();
            assert!(report.is_intact(), "{size}: {report:?}");
            assert_eq!((report.entries, report.commitments, report.erased, report.orphans), (size, size * 2, 0, 0));
            assert_eq!(report.snapshots, u64::from(size % 2 == 0));
            assert_eq!((report.anchor.clone(), report.limit().is_some()), (AnchorStatus::None, true));
            record(&journal, size, size + 3).await;
            check(&journal, size + 3).await;
        }
        let tiles = memory.names("journal", "tile/entries/").len() as u64;
        assert_eq!(tiles, (size + 3) / 256);
        let batches = memory.names("journal", "batch/");
        assert!(batches.iter().all(|name| crate::batch::parse_name(&name[6..]).unwrap() + 512 >= size / 256 * 256), "{batches:?}");
    }
}

#[tokio::test]
async fn a_snapshot_in_the_middle_of_a_tile_saves_replaying_only() {
    for (at, size) in [(100, 200), (100, 256), (100, 300), (256, 300), (300, 301), (300, 800), (700, 768)] {
        let (memory, shelf) = shelf();
        let journal = create(&shelf, 1, None).await.unwrap();
        record_grouped(&journal, 0, at).await;
        journal.snapshot().await.unwrap();
        record_grouped(&journal, at, size).await;
        drop(journal);
        let journal = open(&shelf, 2, None).await.unwrap();
        assert_eq!((journal.opened().snapshot, journal.opened().replayed), (Some(at), size - at));
        check(&journal, size).await;
        assert!(journal.verify().await.unwrap().is_intact());
        record(&journal, size, size + 1).await;
        drop(journal);
        // Without the snapshot, and with a damaged one, the log is replayed from its beginning.
        memory.objects.lock().insert(("state", format!("snapshot/{at:020}")), Bytes::from_static(b"{}"));
        let journal = open(&shelf, 3, None).await.unwrap();
        assert_eq!((journal.opened().snapshot, journal.opened().refused.len()), (None, 1));
        check(&journal, size + 1).await;
        let report = journal.verify().await.unwrap();
        assert_eq!(report.failures.len(), 1);
        assert!(report.failures[0].object.starts_with("state/snapshot/"));
        memory.objects.lock().retain(|(room, _), _| *room != "state");
        check(&open(&shelf, 4, None).await.unwrap(), size + 1).await;
    }
}

#[tokio::test]
async fn proofs_of_a_journal_hold_against_its_checkpoint() {
    let (_, shelf) = shelf();
    let journal = create(&shelf, 1, None).await.unwrap();
    let mut old = Vec::new();
    for (from, to) in [(0, 1), (1, 255), (255, 256), (256, 300), (300, 700), (700, 771)] {
        record_grouped(&journal, from, to).await;
        old.push((to, journal.core.view().edge.root()));
    }
    let verifier = signer().verifier();
    for index in (0..771).step_by(7).chain([255, 256, 511, 512, 770]) {
        let proof = journal.inclusion_proof(index).await.unwrap();
        assert_eq!(proof.leaf_hash, journal.entries(index..index + 1).await.unwrap()[0].leaf_hash);
        assert!(verify_inclusion(proof.leaf_hash, index, 771, &proof.path, proof.root));
        let head = crate::note::Checkpoint::parse(&proof.checkpoint, &verifier).unwrap().head;
        assert_eq!((head.size, head.root), (proof.size, proof.root));
    }
    for (size, root) in old.into_iter().chain([(0, crate::empty_root())]) {
        let proof = journal.consistency_proof(size).await.unwrap();
        assert_eq!((proof.old_root, proof.size), (root, 771));
        assert!(verify_consistency(size, root, 771, proof.root, &proof.path));
    }
    assert_eq!(journal.inclusion_proof(771).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(journal.consistency_proof(772).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn private_values_are_shown_until_they_are_erased_and_the_proofs_still_hold() {
    let (memory, shelf) = shelf();
    let journal = create(&shelf, 1, None).await.unwrap();
    record(&journal, 0, 4).await;
    let all = journal.show(&Filter::default(), 10).await.unwrap();
    assert_eq!(all.iter().map(|shown| shown.entry.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(all[2].private["sql"], Resolved::Value("select 2".to_owned()));
    assert_eq!(all[2].actor, Resolved::Value("user:ann".to_owned()));
    for (room, bytes) in memory.objects.lock().iter().map(|((room, _), bytes)| (*room, String::from_utf8_lossy(bytes).into_owned())) {
        assert_eq!(bytes.contains("select 2") || bytes.contains("user:ann"), room == "private" && bytes.contains("user:ann"));
    }
    let side = memory.names("private", "").into_iter().find(|name| name.contains("00000000000000000002-")).unwrap();
    memory.objects.lock().remove(&("private", side)).unwrap();
    let all = journal.show(&Filter::default(), 10).await.unwrap();
    assert_eq!((all[2].private["sql"].clone(), all[2].actor.clone()), (Resolved::Erased, Resolved::Erased));
    assert_eq!(all[3].private["sql"], Resolved::Value("select 3".to_owned()));
    let report = journal.verify().await.unwrap();
    assert!(report.is_intact());
    assert_eq!((report.erased, report.commitments), (1, 6));
    // Filters narrow, and the newest come first into the limit.
    let kinds = Filter { kinds: vec!["commit_intent".to_owned()], ..Filter::default() };
    assert_eq!(journal.show(&kinds, 10).await.unwrap().iter().map(|shown| shown.entry.index).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(journal.show(&kinds, 1).await.unwrap()[0].entry.index, 3);
    let of = |dataset| Filter { dataset: Some(dataset), ..Filter::default() };
    assert_eq!(journal.show(&of(DATASET), 10).await.unwrap().len(), 3);
    assert_eq!(journal.show(&of(DatasetId([9; 16])), 10).await.unwrap().len(), 0);
    let actor = Filter { actor: Some("user:ann".to_owned()), ..Filter::default() };
    assert_eq!(journal.show(&actor, 10).await.unwrap().len(), 3);
    let range = Filter { range: Some(1..3), ..Filter::default() };
    assert_eq!(journal.show(&range, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn readers_follow_the_writer_and_cannot_append() {
    let (_, shelf) = shelf();
    let journal = create(&shelf, 1, None).await.unwrap();
    record(&journal, 0, 3).await;
    let readers = [open_read_only(&shelf, None).await.unwrap(), open_read_only(&shelf, None).await.unwrap()];
    let mut size = 3;
    for more in [1, 252, 1, 300, 500] {
        record_grouped(&journal, size, size + more).await;
        size += more;
        for reader in &readers {
            assert_eq!(reader.refresh().await.unwrap(), more);
            check(reader, size).await;
        }
    }
    let error = readers[0].record(event(size)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Internal);
    assert!(readers[0].snapshot().await.is_err());
    assert_eq!(journal.refresh().await.unwrap(), 0);
}

/// Readers open while the writer appends, folds and removes; none may see anything but a beginning of the series.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_beside_a_busy_writer_always_see_a_whole_log() {
    let (_, shelf) = shelf();
    let journal = create(&shelf, 1, None).await.unwrap();
    record(&journal, 0, 1).await;
    let writing = {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move { record_grouped(&journal, 1, 2_500).await })
    };
    let mut opened = 0;
    while !writing.is_finished() {
        let reader = open_read_only(&shelf, None).await.unwrap();
        check(&reader, reader.size()).await;
        opened += 1;
    }
    writing.await.unwrap();
    assert!(opened > 0);
    check(&open_read_only(&shelf, None).await.unwrap(), 2_500).await;
}

#[tokio::test]
async fn an_event_that_does_not_fit_is_refused_alone() {
    let (_, shelf) = shelf();
    let journal = create(&shelf, 1, None).await.unwrap();
    let long = Event::new(&actor(), EventKind::Refused { action: "x".repeat(70_000), error: String::new() });
    let (refused, recorded) = tokio::join!(journal.record(long), journal.record(event(0)));
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(recorded.unwrap().index, 0);
}
