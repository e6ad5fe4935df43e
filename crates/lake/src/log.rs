//! A table's log as the journal knows it: every commit file is read once, its SHA-256 compared with the journal's, and
//! only verified bytes are shown to Delta, from memory. A file that the journal does not know is never parsed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use polder_types::DatasetId;
use polder_types::event::TableOperation;

use crate::error::Error;
use crate::ports::KnownVersion;

/// How many commit files are read at once.
const READS_AT_ONCE: usize = 8;

/// The folder of a table in the store.
pub(crate) fn table_path(dataset: DatasetId) -> Path {
    Path::from_iter(["tables", dataset.to_string().as_str()])
}

/// The path of a data file of a table.
pub(crate) fn data_path(dataset: DatasetId, name: &str) -> Path {
    Path::from_iter(["tables", dataset.to_string().as_str(), name])
}

/// The folder of a table's log.
pub(crate) fn log_path(dataset: DatasetId) -> Path {
    Path::from_iter(["tables", dataset.to_string().as_str(), "_delta_log"])
}

/// The path of a version's commit file.
pub(crate) fn commit_path(dataset: DatasetId, version: u64) -> Path {
    Path::from_iter(["tables", dataset.to_string().as_str(), "_delta_log", format!("{version:020}.json").as_str()])
}

/// The version of a commit file's path, if it is one.
pub(crate) fn commit_version(path: &Path) -> Option<u64> {
    let name = path.filename()?.strip_suffix(".json")?;
    if name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit()) { name.parse().ok() } else { None }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

/// Reads a commit file whole.
pub(crate) async fn read_commit(store: &dyn ObjectStore, dataset: DatasetId, version: u64) -> Result<Option<Bytes>, Error> {
    let path = commit_path(dataset, version);
    let step = "read the table log's object";
    match store.get(&path).await {
        Ok(found) => found.bytes().await.map(Some).map_err(|error| Error::store(step, &path, error)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::store(step, &path, error)),
    }
}

/// What stands for each commit file before an erasure. Delta wants the log from version 0 on; that of the erasure says all by itself.
pub(crate) const ERASED: &[u8] = br#"{"commitInfo":{"operation":"ERASED"}}"#;

/// The version with which the log begins: the newest erasure, or 0.
pub(crate) fn begins(known: &[KnownVersion]) -> u64 {
    known.iter().rev().find(|entry| entry.operation == TableOperation::Erase).map_or(0, |entry| entry.version)
}

/// The verified commit files of a table, from the version with which its log begins to `head`.
#[derive(Debug, Clone)]
pub(crate) struct VerifiedLog {
    /// Holds the verified commit files under their logical paths, and nothing else but what stands for those that were erased.
    files: Arc<InMemory>,
    hashes: BTreeMap<u64, String>,
    first: u64,
}

impl VerifiedLog {
    /// Reads and verifies the versions that `known` names and `before` does not hold yet.
    ///
    /// # Errors
    /// `Integrity` naming the object when a version is missing, was replaced, or does not authenticate.
    pub(crate) async fn load(
        store: &Arc<dyn ObjectStore>,
        dataset: DatasetId,
        known: &[KnownVersion],
        before: Option<&Self>,
    ) -> Result<Self, Error> {
        let first = begins(known);
        let (files, mut hashes) = match before {
            Some(before) if before.agrees(known) => (Arc::clone(&before.files), before.hashes.clone()),
            _ => (Arc::new(InMemory::new()), BTreeMap::new()),
        };
        for (want, entry) in (0u64..).zip(known) {
            if entry.version != want {
                return Err(Error::Integrity {
                    object: commit_path(dataset, want).to_string(),
                    finding: "the journal names no outcome for this version",
                });
            }
        }
        if hashes.is_empty() {
            for version in 0..first {
                let path = commit_path(dataset, version);
                files.put(&path, ERASED.into()).await.map_err(|error| Error::store("keep in memory", &path, error))?;
            }
        }
        // Owned, or the compiler does not see that the future can be sent to another thread.
        let missing: Vec<KnownVersion> =
            known.iter().filter(|entry| entry.version >= first && !hashes.contains_key(&entry.version)).cloned().collect();
        let read: Vec<(u64, String, Bytes)> = futures::stream::iter(missing)
            .map(|entry: KnownVersion| {
                let store = Arc::clone(store);
                async move {
                    let bytes = read_verified(store.as_ref(), dataset, &entry).await?;
                    Ok::<_, Error>((entry.version, entry.log_hash, bytes))
                }
            })
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        for (version, hash, bytes) in read {
            let path = commit_path(dataset, version);
            files.put(&path, bytes.into()).await.map_err(|error| Error::store("keep in memory", &path, error))?;
            hashes.insert(version, hash);
        }
        Ok(Self { files, hashes, first })
    }

    /// Whether what is held is a beginning of what the journal names and can be read.
    fn agrees(&self, known: &[KnownVersion]) -> bool {
        let mut readable = known.iter().filter(|entry| entry.version >= self.first);
        self.first == begins(known)
            && self
                .hashes
                .iter()
                .all(|(version, hash)| readable.next().is_some_and(|entry| *version == entry.version && *hash == entry.log_hash))
    }

    /// Whether what is held is exactly what the journal names and can be read.
    pub(crate) fn covers(&self, known: &[KnownVersion]) -> bool {
        self.agrees(known) && self.hashes.len() == known.iter().filter(|entry| entry.version >= self.first).count()
    }

    /// The version with which it begins.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The newest version held.
    pub(crate) fn head(&self) -> Option<u64> {
        self.hashes.last_key_value().map(|(version, _)| *version)
    }

    /// The verified files, as an object store of their own.
    pub(crate) fn files(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.files) as Arc<dyn ObjectStore>
    }
}

/// Reads a version's commit file and compares it with the journal.
pub(crate) async fn read_verified(store: &dyn ObjectStore, dataset: DatasetId, entry: &KnownVersion) -> Result<Bytes, Error> {
    let object = || commit_path(dataset, entry.version).to_string();
    let Some(bytes) = read_commit(store, dataset, entry.version).await? else {
        return Err(Error::Integrity { object: object(), finding: "the journal names this version, and its object is gone" });
    };
    if sha256(&bytes) != entry.log_hash {
        return Err(Error::Integrity { object: object(), finding: "the object is not the one that the journal recorded" });
    }
    Ok(bytes)
}

/// The versions of a table's log as the store lists them, unverified.
pub(crate) async fn listed_versions(store: &dyn ObjectStore, dataset: DatasetId) -> Result<Vec<u64>, Error> {
    let prefix = log_path(dataset);
    let mut versions: Vec<u64> = store
        .list(Some(&prefix))
        .try_filter_map(|meta| futures::future::ready(Ok(commit_version(&meta.location))))
        .try_collect()
        .await
        .map_err(|error| Error::store("list the table log", &prefix, error))?;
    versions.sort_unstable();
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_types::event::TableOperation;

    const DATASET: DatasetId = DatasetId([7; 16]);

    fn known(version: u64, bytes: &[u8]) -> KnownVersion {
        KnownVersion { version, log_hash: sha256(bytes), operation: TableOperation::Append, time_ms: 0, index: version }
    }

    async fn store_with(files: &[(u64, &'static [u8])]) -> Arc<dyn ObjectStore> {
        let store = InMemory::new();
        for (version, bytes) in files {
            store.put(&commit_path(DATASET, *version), Bytes::from_static(bytes).into()).await.unwrap();
        }
        Arc::new(store)
    }

    #[tokio::test]
    async fn only_what_the_journal_knows_is_shown() {
        let store = store_with(&[(0, b"zero"), (1, b"one"), (2, b"foreign")]).await;
        let log = VerifiedLog::load(&store, DATASET, &[known(0, b"zero"), known(1, b"one")], None).await.unwrap();
        assert_eq!(log.head(), Some(1));
        assert_eq!(listed_versions(log.files().as_ref(), DATASET).await.unwrap(), vec![0, 1]);
        assert_eq!(read_commit(log.files().as_ref(), DATASET, 2).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_replaced_or_missing_version_is_named() {
        let store = store_with(&[(0, b"zero"), (1, b"other")]).await;
        for versions in [vec![known(0, b"zero"), known(1, b"one")], vec![known(0, b"zero"), known(1, b"other"), known(2, b"two")]] {
            let error = VerifiedLog::load(&store, DATASET, &versions, None).await.unwrap_err();
            assert_eq!(error.kind(), polder_types::ErrorKind::Corrupt);
            let last = versions.last().unwrap().version;
            assert!(error.to_string().contains(&format!("{last:020}.json")), "{error}");
        }
    }

    #[tokio::test]
    async fn what_was_verified_is_not_read_again_unless_the_journal_changed_its_mind() {
        let store = store_with(&[(0, b"zero"), (1, b"one")]).await;
        let first = VerifiedLog::load(&store, DATASET, &[known(0, b"zero")], None).await.unwrap();
        store.delete(&commit_path(DATASET, 0)).await.unwrap();
        let both = [known(0, b"zero"), known(1, b"one")];
        assert_eq!(VerifiedLog::load(&store, DATASET, &both, Some(&first)).await.unwrap().head(), Some(1));
        let changed = [known(0, b"nought"), known(1, b"one")];
        assert!(VerifiedLog::load(&store, DATASET, &changed, Some(&first)).await.is_err());
    }

    #[tokio::test]
    async fn the_log_begins_with_the_newest_erasure() {
        let store = store_with(&[(2, b"two"), (3, b"three")]).await;
        let erased = KnownVersion { operation: TableOperation::Erase, ..known(2, b"two") };
        let versions = [known(0, b"zero"), known(1, b"one"), erased, known(3, b"three")];
        let log = VerifiedLog::load(&store, DATASET, &versions, None).await.unwrap();
        assert_eq!((log.first(), log.head(), log.covers(&versions)), (2, Some(3), true));
        // Delta finds a version in each place, and nothing of what was there.
        assert_eq!(listed_versions(log.files().as_ref(), DATASET).await.unwrap(), vec![0, 1, 2, 3]);
        for version in [0, 1] {
            assert_eq!(read_commit(log.files().as_ref(), DATASET, version).await.unwrap().unwrap(), ERASED);
        }
        // What was held before the erasure is held no longer.
        let store = store_with(&[(0, b"zero"), (1, b"one"), (2, b"two")]).await;
        let before = VerifiedLog::load(&store, DATASET, &versions[..2], None).await.unwrap();
        assert!(!before.covers(&versions[..3]));
        let after = VerifiedLog::load(&store, DATASET, &versions[..3], Some(&before)).await.unwrap();
        assert_eq!(read_commit(after.files().as_ref(), DATASET, 0).await.unwrap().unwrap(), ERASED);
        // A version after it must be there as ever.
        store.delete(&commit_path(DATASET, 2)).await.unwrap();
        assert!(VerifiedLog::load(&store, DATASET, &versions[..3], None).await.is_err());
    }

    #[test]
    fn only_commit_files_are_versions() {
        assert_eq!(commit_version(&commit_path(DATASET, 12)), Some(12));
        for other in ["_last_checkpoint", "00000000000000000001.checkpoint.parquet", "1.json", "+0000000000000000001.json"] {
            assert_eq!(commit_version(&Path::from(format!("tables/x/_delta_log/{other}"))), None, "{other}");
        }
    }
}
