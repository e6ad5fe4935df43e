//! What the journal does not know is not a version; what it knows must be there, unchanged. Each finding names the object.

use bytes::Bytes;
use object_store::{ObjectStoreExt as _, PutPayload};
use polder_types::event::{CommitResult, TableOperation};
use polder_types::{ErrorKind, EventKind};

use super::bed::{Bed, LeaseFence, load_into, operations};
use crate::log::commit_path;
use crate::{Committed, Error, LakeOptions, WriteMode};

fn findings(bed: &Bed) -> Vec<String> {
    let finding = |event| if let EventKind::IntegrityFailed { object } = event { Some(object) } else { None };
    bed.journal.events().into_iter().filter_map(finding).collect()
}

async fn closed(bed: &Bed, object: &str) {
    let error = bed.lake.rows(bed.table, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains(object), "{error}");
    // It stays closed, for writers as well, and is recorded once.
    assert!(bed.lake.recover(bed.table).await.is_err());
    assert_eq!(findings(bed), [object.to_owned()]);
}

async fn loaded() -> Bed {
    let bed = Bed::new().await;
    bed.create().await;
    bed.load(WriteMode::Append, 1, 0, 10).await.unwrap();
    bed.load(WriteMode::Append, 2, 10, 20).await.unwrap();
    bed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_version_closes_the_table() {
    let bed = loaded().await;
    // A well-formed version, sealed under the right key, that no intent announced.
    let path = commit_path(bed.table, 3);
    bed.store.create(&path, bed.commit_bytes(2).await).await.unwrap();
    let again = bed.reopen().await;
    closed(&again, path.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_version_stops_a_running_writer() {
    let bed = loaded().await;
    let mut writer = bed.writer(WriteMode::Append).await;
    bed.store.create(&commit_path(bed.table, 3), Bytes::from_static(b"{}")).await.unwrap();
    let error = load_into(&mut writer, 3, 20, 30).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(operations(&bed.journal).last(), Some(&(TableOperation::Append, CommitResult::Aborted)));
    let again = bed.reopen().await;
    closed(&again, commit_path(bed.table, 3).as_ref()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_beyond_a_gap_closes_the_table() {
    let bed = loaded().await;
    bed.store.create(&commit_path(bed.table, 7), bed.commit_bytes(2).await).await.unwrap();
    let again = bed.reopen().await;
    closed(&again, commit_path(bed.table, 7).as_ref()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_version_closes_the_table() {
    let bed = loaded().await;
    // Sealed anew with other content: it authenticates, and is not what was committed.
    let changed = String::from_utf8(bed.commit_bytes(1).await.to_vec()).unwrap().replace("\"numRecords\\\":10", "\"numRecords\\\":11");
    assert_ne!(changed.as_bytes(), bed.commit_bytes(1).await);
    let path = commit_path(bed.table, 1);
    bed.store.put(&path, PutPayload::from(changed.into_bytes())).await.unwrap();
    let again = bed.reopen().await;
    closed(&again, path.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolled_back_log_closes_the_table() {
    let bed = loaded().await;
    let path = commit_path(bed.table, 2);
    bed.store.delete(&path).await.unwrap();
    let again = bed.reopen().await;
    closed(&again, path.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolled_back_journal_makes_its_versions_foreign() {
    let bed = loaded().await;
    let events = bed.journal.events().len();
    bed.journal.truncate(events - 2);
    let again = bed.reopen().await;
    closed(&again, commit_path(bed.table, 2).as_ref()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_is_named() {
    for version in [0, 2] {
        let bed = loaded().await;
        let path = commit_path(bed.table, version);
        let file = bed.dir.join("store").join(path.as_ref());
        let mut sealed = std::fs::read(&file).unwrap();
        let middle = sealed.len() / 2;
        sealed[middle] ^= 1;
        std::fs::write(&file, sealed).unwrap();
        let again = bed.reopen().await;
        closed(&again, path.as_ref()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_data_file_is_named_by_verify() {
    for change in ["flip", "cut", "remove"] {
        let bed = loaded().await;
        let snapshot = bed.lake.snapshot(bed.table, None).await.unwrap();
        let path = snapshot.files[0].path.clone();
        let file = bed.dir.join("store").join(path.as_ref());
        let mut sealed = std::fs::read(&file).unwrap();
        match change {
            "flip" => {
                let middle = sealed.len() / 2;
                sealed[middle] ^= 1;
                std::fs::write(&file, sealed).unwrap();
            }
            "cut" => std::fs::write(&file, &sealed[..sealed.len() - 40]).unwrap(),
            _ => std::fs::remove_file(&file).unwrap(),
        }
        let again = bed.reopen().await;
        let error = again.lake.verify(again.table).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{change}: {error}");
        assert!(error.to_string().contains(path.as_ref()), "{change}: {error}");
        assert_eq!(findings(&again), [path.to_string()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_deletion_vector_is_named_wherever_rows_are_read() {
    use super::merges::{in_batches, merge};
    for change in ["flip", "cut", "remove", "swap"] {
        let bed = Bed::new().await;
        bed.create().await;
        let gone = |every: i64| (0..2000).filter(move |id| id % every == 0).collect::<Vec<i64>>();
        bed.load(WriteMode::Append, 1, 0, 2000).await.unwrap();
        merge(&bed, 2, &[], crate::matching::Going::Listed(in_batches(&gone(3)))).await.unwrap();
        let first = bed.lake.snapshot(bed.table, None).await.unwrap().files[0].vector.clone().unwrap().object.unwrap();
        merge(&bed, 3, &[], crate::matching::Going::Listed(in_batches(&gone(5)))).await.unwrap();
        let path = bed.lake.snapshot(bed.table, None).await.unwrap().files[0].vector.clone().unwrap().object.unwrap();
        assert_ne!(first, path);
        let file = |path: &object_store::path::Path| bed.dir.join("store").join(path.as_ref());
        let mut sealed = std::fs::read(file(&path)).unwrap();
        match change {
            "flip" => {
                let middle = sealed.len() / 2;
                sealed[middle] ^= 1;
                std::fs::write(file(&path), sealed).unwrap();
            }
            "cut" => std::fs::write(file(&path), &sealed[..sealed.len() - 40]).unwrap(),
            "remove" => std::fs::remove_file(file(&path)).unwrap(),
            // A whole vector, of the version before.
            _ => drop(std::fs::copy(file(&first), file(&path)).unwrap()),
        }
        let again = bed.reopen().await;
        // How many rows there are is known without it.
        assert_eq!(again.lake.rows(again.table, None).await.unwrap(), 1067);
        let error = again.lake.scan(&again.permit(polder_policy::Action::Read), None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{change}: {error}");
        assert!(error.to_string().contains(path.as_ref()), "{change}: {error}");
        assert_eq!(findings(&again), [path.to_string()]);
        let again = again.reopen().await;
        assert!(again.lake.verify(again.table).await.unwrap_err().to_string().contains(path.as_ref()), "{change}");
    }
}

/// The first writer stops between its intent and its commit; the lease goes to a second one; the first wakes up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_writer_cannot_commit_after_a_take_over() {
    use std::sync::{Arc, mpsc};
    #[derive(Debug)]
    struct Pause(std::sync::Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>);
    impl crate::ports::Failpoints for Pause {
        fn hit(&self, name: &str) {
            if name == "lake.after_intent"
                && let Some((reached, go)) = self.0.lock().unwrap().take()
            {
                reached.send(()).unwrap();
                go.recv().unwrap();
            }
        }
    }
    let bed = loaded().await;
    let (reached, at_pause) = mpsc::channel();
    let (wake, go) = mpsc::channel();
    let pause = Arc::new(Pause(std::sync::Mutex::new(Some((reached, go)))));
    // It checked its lease before it was paused, and will not ask again.
    let old = Arc::new(LeaseFence(parking_lot::Mutex::new(None), bed.fence.1));
    let paused = Bed::open_as(&bed.dir, LakeOptions { failpoints: pause, ..LakeOptions::default() }, old).await;
    let first = tokio::spawn(async move { paused.load(WriteMode::Append, 3, 20, 30).await });
    tokio::task::spawn_blocking(move || at_pause.recv().unwrap()).await.unwrap();

    let second = bed.reopen().await;
    let recovery = second.lake.recover(second.table).await.unwrap();
    assert_eq!((recovery.fenced, recovery.aborted, recovery.recovered), (vec![3], 1, vec![]));
    wake.send(()).unwrap();
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(second.load(WriteMode::Append, 3, 20, 30).await.unwrap(), Committed::Now { version: 4 });
    assert_eq!(second.rows(None).await.len(), 30);
}

#[derive(Debug)]
struct Lost;

#[async_trait::async_trait]
impl crate::ports::Fence for Lost {
    fn epoch(&self) -> u64 {
        1
    }
    async fn check(&self) -> Result<(), crate::ports::FenceError> {
        Err(crate::ports::FenceError { kind: ErrorKind::Busy, message: "epoch 2 is newer than 1".into() })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_lost_its_lease_announces_nothing() {
    let bed = loaded().await;
    let events = bed.journal.events().len();
    let lake = bed.over(std::sync::Arc::new(Lost), LakeOptions::default());
    let mut writer = lake.writer(bed.request(WriteMode::Append)).await.unwrap();
    assert_eq!(load_into(&mut writer, 3, 20, 30).await.unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(bed.journal.events().len(), events);
    assert_eq!(crate::log::listed_versions(&bed.store, bed.table).await.unwrap(), [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_does_not_exist_says_so() {
    let bed = Bed::new().await;
    assert!(matches!(bed.lake.rows(bed.table, None).await, Err(Error::NoTable { .. })));
    bed.create().await;
    assert!(matches!(bed.lake.create(bed.table, &super::bed::schema(), &super::bed::actor()).await, Err(Error::TableExists { .. })));
}
