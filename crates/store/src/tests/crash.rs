//! A real SIGKILL before each step of a create, a replace, a multipart upload and a reencryption: what was whole stays
//! whole, what was not begun or not finished does not show, and doing it again succeeds.

use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutPayload};
use polder_keys::{Keys, LocalCustody};
use polder_types::{LineageId, SystemClock, SystemRng};
use std::os::unix::process::ExitStatusExt;

use super::fixture::{Fixture, bytes, options, rng};
use crate::{Area, Backend, Effect, FaultAt, Faults, FileKind, Operation, Options, SealedStore};

const CHILD: &str = "POLDER_STORE_CRASH_CHILD";
const OLD: usize = 100_000;
const NEW: usize = 1_500_000;

#[derive(Clone, Copy, Debug)]
enum Act {
    Create,
    Replace,
    Upload,
    Reencrypt,
}

impl Act {
    const ALL: [Self; 4] = [Self::Create, Self::Replace, Self::Upload, Self::Reencrypt];

    async fn run(self, store: &SealedStore, fixture_path: &object_store::path::Path) -> object_store::Result<()> {
        match self {
            Self::Create => store.create(fixture_path, Bytes::from(bytes(NEW))).await,
            Self::Replace => store.put(fixture_path, PutPayload::from(bytes(NEW))).await.map(drop),
            Self::Upload => {
                let mut upload = store.put_multipart(fixture_path).await?;
                for part in bytes(NEW).chunks(400_000) {
                    upload.put_part(PutPayload::from(part.to_vec())).await?;
                }
                upload.complete().await.map(drop)
            }
            Self::Reencrypt => store.reencrypt(fixture_path).await.map(drop).map_err(Into::into),
        }
    }
}

fn reopen(dir: &std::path::Path, faults: Arc<dyn Faults>) -> (Backend, std::path::PathBuf) {
    let backend = Backend::open_with(&dir.join("store"), Options { faults, ..options() }).unwrap();
    (backend, dir.join("key"))
}

/// Runs in a process of its own and is killed there; in this one it has nothing to do.
#[tokio::test]
async fn child() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let mut order = order.splitn(3, ':');
    let act = Act::ALL[order.next().unwrap().parse::<usize>().unwrap()];
    let nth = order.next().unwrap().parse().unwrap();
    let dir = std::path::PathBuf::from(order.next().unwrap());
    let (quiet, key) = reopen(&dir, Arc::new(crate::NoFaults));
    let custody = Arc::new(LocalCustody::open_key_file(&key).unwrap());
    let keys = Keys::open(custody, Arc::new(quiet), Arc::new(SystemClock), rng()).await.unwrap();
    let table = keys.find("table:flights").unwrap();
    let (backend, _) = reopen(&dir, Arc::new(FaultAt::new(None, nth, Effect::Kill)));
    let store = SealedStore::new(backend, keys, rng());
    act.run(&store, &SealedStore::path(Area::Tables, table, "a/b")).await.unwrap();
    std::fs::write(dir.join("done"), "").unwrap();
}

async fn killed_at(act: usize, nth: u64) -> bool {
    let fixture = Fixture::new().await;
    let path = fixture.path("a/b");
    let old = !matches!(Act::ALL[act], Act::Create | Act::Upload);
    if old {
        fixture.store.create(&path, Bytes::from(bytes(OLD))).await.unwrap();
    }
    if matches!(Act::ALL[act], Act::Reencrypt) {
        fixture.keys.rotate_dataset(fixture.table).await.unwrap();
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::crash::child", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{act}:{nth}:{}", fixture.dir.path().display()))
        .output()
        .unwrap();
    let killed = status.status.signal() == Some(9);
    assert_ne!(killed, status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    assert_ne!(killed, fixture.dir.path().join("done").exists());

    let before = fixture.store.backend().every_file().unwrap();
    let temporaries = before.iter().filter(|file| file.kind == FileKind::Temporary).count() as u64;
    let new_len = if matches!(Act::ALL[act], Act::Reencrypt) { OLD } else { NEW };
    let store = fixture.with_faults(Arc::new(crate::NoFaults));
    match store.verify(&path).await {
        Ok(verified) if verified.header.generation == 1 && old => assert_eq!(verified.plain_bytes, OLD as u64),
        Ok(verified) => assert_eq!(verified.plain_bytes, new_len as u64),
        Err(crate::Error::NotFound { .. }) => assert!(killed && !old, "{act} at {nth}: an object is gone"),
        Err(error) => panic!("{act} at {nth}: {error}"),
    }
    assert_eq!(store.backend().sweep_temporaries().unwrap(), temporaries);
    let files = store.backend().every_file().unwrap();
    assert!(files.iter().all(|file| !matches!(file.kind, FileKind::Temporary | FileKind::Unknown)), "{files:?}");
    match Act::ALL[act].run(&store, &path).await {
        Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => {}
        Err(error) => panic!("{act} at {nth}, again: {error}"),
    }
    assert!(store.read(&path).await.unwrap() == bytes(new_len));
    killed
}

async fn kill_everywhere(act: usize) {
    let mut steps = 0;
    while killed_at(act, steps + 1).await {
        steps += 1;
    }
    // New file, writes, sync, directories, name, sync of the directory, and the temporary name.
    assert!(steps >= 6, "{steps}");
}

#[tokio::test]
async fn killed_while_creating() {
    kill_everywhere(0).await;
}

#[tokio::test]
async fn killed_while_replacing() {
    kill_everywhere(1).await;
}

#[tokio::test]
async fn killed_while_uploading() {
    kill_everywhere(2).await;
}

#[tokio::test]
async fn killed_while_reencrypting() {
    kill_everywhere(3).await;
}

#[tokio::test]
async fn an_error_at_any_step_leaves_the_old_object_or_the_new() {
    for nth in 1.. {
        let fixture = Fixture::new().await;
        let path = fixture.path("a/b");
        fixture.store.create(&path, Bytes::from(bytes(OLD))).await.unwrap();
        let fault = Arc::new(FaultAt::new(None, nth, Effect::Fail));
        let failed = fixture.with_faults(fault.clone()).put(&path, PutPayload::from(bytes(NEW))).await.is_err();
        let len = fixture.store.verify(&path).await.unwrap().plain_bytes;
        assert!(len == OLD as u64 || len == NEW as u64);
        assert_eq!(failed, fault.seen() >= nth);
        assert!(fixture.store.backend().every_file().unwrap().iter().all(|file| file.kind != FileKind::Temporary));
        if !failed {
            assert!(nth > 6);
            break;
        }
    }
}

/// Writes down what is done, in order.
#[derive(Debug, Default)]
struct Diary(std::sync::Mutex<Vec<Operation>>);

impl Faults for Diary {
    fn before(&self, operation: Operation, _: &str) -> std::io::Result<()> {
        self.0.lock().unwrap().push(operation);
        Ok(())
    }
}

#[tokio::test]
async fn bytes_are_durable_before_the_name_and_the_name_before_success() {
    use Operation::{Link, MakeDirectory, NewFile, Open, Replace, SyncDirectory, SyncFile, Unlink, Write};
    let fixture = Fixture::new().await;
    let diary = Arc::new(Diary::default());
    let store = fixture.with_faults(diary.clone());
    let done = || std::mem::take(&mut *diary.0.lock().unwrap());
    let path = fixture.path("log/1");
    store.create(&path, Bytes::from_static(b"x")).await.unwrap();
    // `tables`, the dataset and `log` are new: each is synced in its parent before the object has a name in it.
    let directory = [MakeDirectory, SyncDirectory];
    let mut want = vec![NewFile, Write, SyncFile];
    want.extend(directory.repeat(3));
    want.extend([Link, SyncDirectory, Unlink]);
    assert_eq!(done(), want);
    store.create(&fixture.path("log/2"), Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(done(), [NewFile, Write, SyncFile, Link, SyncDirectory, Unlink]);
    store.put(&path, PutPayload::from_static(b"y")).await.unwrap();
    let replaced: Vec<_> = done().into_iter().filter(|operation| !matches!(operation, Open | Operation::Read)).collect();
    assert_eq!(replaced, [NewFile, Write, SyncFile, Replace, SyncDirectory, Unlink]);
    store.delete(&path).await.unwrap();
    assert_eq!(done(), [Operation::Delete, SyncDirectory]);
    // Another process knows nothing of what this one made durable, and syncs the directories once more.
    let diary = Arc::new(Diary::default());
    fixture.with_faults(diary.clone()).create(&path, Bytes::new()).await.unwrap();
    let want = [NewFile, Write, SyncFile, SyncDirectory, SyncDirectory, SyncDirectory, Link, SyncDirectory, Unlink];
    assert_eq!(*diary.0.lock().unwrap(), want);
}

#[tokio::test]
async fn a_living_writer_is_not_swept() {
    let fixture = Fixture::new().await;
    let mut upload = fixture.store.put_multipart(&fixture.path("x")).await.unwrap();
    upload.put_part(PutPayload::from(bytes(NEW))).await.unwrap();
    let other = fixture.with_faults(Arc::new(crate::NoFaults));
    assert_eq!(other.backend().sweep_temporaries().unwrap(), 0);
    upload.complete().await.unwrap();
    assert!(other.read(&fixture.path("x")).await.unwrap() == bytes(NEW));
    // What no process holds goes.
    let name = fixture.store_dir().join("tmp").join("0".repeat(32));
    std::fs::write(name, "left over").unwrap();
    assert_eq!(other.backend().sweep_temporaries().unwrap(), 1);
}

#[tokio::test]
async fn a_store_is_made_once_and_only_where_there_is_room_and_privacy() {
    use polder_types::ErrorKind;
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new().await;
    let dir = fixture.store_dir();
    assert_eq!(Backend::create(&dir).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(Backend::open(&fixture.dir.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(Backend::open(fixture.dir.path()).unwrap_err().kind(), ErrorKind::NotFound);
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o750)).unwrap();
    assert_eq!(Backend::open(&dir).unwrap_err().kind(), ErrorKind::Denied);
    let custody = Arc::new(LocalCustody::create_key_file(&fixture.dir.path().join("other"), rng()).unwrap());
    let twice = Keys::create(
        LineageId::random(&SystemRng).unwrap(),
        custody,
        Arc::new(fixture.store.backend().clone()),
        Arc::new(SystemClock),
        rng(),
    );
    assert!(twice.await.is_err(), "a second keyring over the first");
}
