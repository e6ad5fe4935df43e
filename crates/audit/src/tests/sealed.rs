//! The journal on the real sealed store: a directory, a keyring in custody, real fsyncs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_keys::{Keys, LocalCustody};
use polder_store::{Backend, NoFaults, Options, SealedStore};
use polder_types::{SystemClock, SystemRng};
use tempfile::TempDir;

use super::*;
use crate::AnchorStatus;

/// An installation in a directory: `store`, `key`, and `anchor` beside them.
pub(crate) struct Installation {
    pub(crate) dir: PathBuf,
    keys: Keys,
}

fn options(faults: Arc<dyn polder_store::Faults>) -> Options {
    Options { faults, reserve_bytes: 1 << 20, ..Options::default() }
}

impl Installation {
    pub(crate) async fn create(dir: &Path) -> Self {
        let backend = Backend::create_with(&dir.join("store"), options(Arc::new(NoFaults))).unwrap();
        let custody = Arc::new(LocalCustody::create_key_file(&dir.join("key"), Arc::new(SystemRng)).unwrap());
        let lineage = LineageId::random(&SystemRng).unwrap();
        let keys = Keys::create(lineage, custody, Arc::new(backend), Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap();
        keys.add_datasets(&["system:journal", "system:private", "system:state"]).await.unwrap();
        Self { dir: dir.to_owned(), keys }
    }

    pub(crate) async fn open(dir: &Path) -> Self {
        let backend = Backend::open_with(&dir.join("store"), options(Arc::new(NoFaults))).unwrap();
        let custody = Arc::new(LocalCustody::open_key_file(&dir.join("key")).unwrap());
        let keys = Keys::open(custody, Arc::new(backend), Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap();
        Self { dir: dir.to_owned(), keys }
    }

    pub(crate) fn store(&self, faults: Arc<dyn polder_store::Faults>) -> SealedStore {
        let backend = Backend::open_with(&self.dir.join("store"), options(faults)).unwrap();
        SealedStore::new(backend, self.keys.clone(), Arc::new(SystemRng))
    }

    pub(crate) fn anchor(&self) -> Anchor {
        Anchor::file(self.dir.join("anchor"))
    }

    pub(crate) async fn new_journal(&self, anchor: Option<Anchor>) -> Arc<Journal> {
        let store = self.store(Arc::new(NoFaults));
        Journal::create(store, signer(), Arc::new(SystemClock), Arc::new(SystemRng), anchor).await.unwrap()
    }

    pub(crate) async fn journal(&self, anchor: Option<Anchor>) -> Result<Arc<Journal>, Error> {
        self.journal_with(Arc::new(NoFaults), anchor).await
    }

    pub(crate) async fn journal_with(&self, faults: Arc<dyn polder_store::Faults>, anchor: Option<Anchor>) -> Result<Arc<Journal>, Error> {
        Journal::open(self.store(faults), signer(), Arc::new(SystemClock), Arc::new(SystemRng), anchor).await
    }

    pub(crate) async fn reader(&self, anchor: Option<Anchor>) -> Result<Arc<Journal>, Error> {
        let store = self.store(Arc::new(NoFaults));
        Journal::open_read_only(store, signer(), Arc::new(SystemClock), Arc::new(SystemRng), anchor).await
    }
}

/// Every file below a directory, relative to it, sorted.
pub(crate) fn files_below(dir: &Path) -> Vec<String> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, dir, &mut found);
    found.sort();
    found
}

/// A copy with all directories, the empty ones too, and their modes, which the store insists on.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sealed_store_keeps_the_log_and_shows_nothing_of_it() {
    let dir = TempDir::new().unwrap();
    let installation = Installation::create(dir.path()).await;
    let journal = installation.new_journal(Some(installation.anchor())).await;
    record(&journal, 0, 3).await;
    record_grouped(&journal, 3, 600).await;
    journal.snapshot().await.unwrap();
    drop(journal);
    for name in files_below(&dir.path().join("store")) {
        let bytes = fs::read(dir.path().join("store").join(&name)).unwrap();
        for planted in [b"select 2".as_slice(), b"user:ann", b"commit_intent", b"epoch 0", b"polder/0011"] {
            assert!(!bytes.windows(planted.len()).any(|window| window == planted), "{name}");
        }
    }
    let anchored = fs::read_to_string(dir.path().join("anchor")).unwrap();
    assert!(anchored.starts_with(&format!("{ORIGIN}\n600\n")));
    let journal = Installation::open(dir.path()).await.journal(Some(installation.anchor())).await.unwrap();
    assert_eq!((journal.opened().snapshot, journal.checkpoint()), (Some(600), anchored));
    check(&journal, 600).await;
    let report = journal.verify().await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.tiles, report.bundles, report.commitments, report.snapshots), (2, 2, 1200, 1));
    assert_eq!((report.anchor.clone(), report.limit()), (AnchorStatus::Consistent { size: 600 }, None));
    let reader = installation.reader(Some(installation.anchor())).await.unwrap();
    record(&journal, 600, 603).await;
    assert_eq!(reader.refresh().await.unwrap(), 3);
    check(&reader, 603).await;
}

#[tokio::test]
async fn a_keyring_without_the_logs_datasets_is_refused() {
    let dir = TempDir::new().unwrap();
    let backend = Backend::create_with(&dir.path().join("store"), options(Arc::new(NoFaults))).unwrap();
    let custody = Arc::new(LocalCustody::create_key_file(&dir.path().join("key"), Arc::new(SystemRng)).unwrap());
    let lineage = LineageId::random(&SystemRng).unwrap();
    let keys = Keys::create(lineage, custody, Arc::new(backend.clone()), Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap();
    let store = SealedStore::new(backend, keys, Arc::new(SystemRng));
    let created = Journal::create(store, signer(), Arc::new(SystemClock), Arc::new(SystemRng), None).await;
    assert!(matches!(created, Err(Error::NoDataset { name: "system:journal" })));
}

/// A keyring put back to an older version while the log is as it was.
#[tokio::test]
async fn a_keyring_that_was_rolled_back_is_seen() {
    let dir = TempDir::new().unwrap();
    let installation = Installation::create(dir.path()).await;
    let journal = installation.new_journal(None).await;
    record(&journal, 0, 1).await;
    let before: Vec<String> = files_below(&dir.path().join("store/keyring"));
    let kept: Vec<Vec<u8>> = before.iter().map(|name| fs::read(dir.path().join("store/keyring").join(name)).unwrap()).collect();
    installation.keys.add_dataset("table:later").await.unwrap();
    record(&journal, 1, 2).await;
    drop(journal);
    for name in files_below(&dir.path().join("store/keyring")) {
        fs::remove_file(dir.path().join("store/keyring").join(name)).unwrap();
    }
    for (name, bytes) in before.iter().zip(kept) {
        fs::write(dir.path().join("store/keyring").join(name), bytes).unwrap();
    }
    let error = Installation::open(dir.path()).await.reader(None).await.err().unwrap();
    assert!(matches!(error, Error::KeyringRolledBack { .. }), "{error}");
}
