//! The lake: tables by dataset id, their verified logs and snapshots in memory, one commit at a time per table.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use deltalake_core::kernel::Action;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use object_store::ObjectStore;
use parking_lot::Mutex;
use parquet::basic::ZstdLevel;
use polder_store::SealedStore;
use polder_types::event::TableOperation;
use polder_types::{Clock, DatasetId, Event, EventKind, PrincipalId, Recorder, Rng};

use crate::commit::Commit;
use crate::encode::ROW_GROUP_ROWS_MAX;
use crate::error::Error;
use crate::log::{VerifiedLog, commit_path, listed_versions, read_commit, sha256};
use crate::log_store::table_url;
use crate::ports::{Failpoints, Faults, Fence, Heads, KnownVersion, Undisturbed};
use crate::schema::{stored_schema, table_actions};
use crate::snapshot::{DataFile, TableSnapshot};
use crate::stage::Claims;

/// Why a version before an erasure cannot be read.
const ERASED: &str = "rows were erased from the table since, and with them every older version";
/// How many versions of a table stay in memory.
const SNAPSHOTS_MAX: usize = 8;

/// What may differ between installations and tests.
#[derive(Debug, Clone)]
pub struct LakeOptions {
    /// Encoder threads of a writer; each holds one row group of encoded bytes at most.
    pub encode_threads: usize,
    /// zstd level of data files, 1 to 3.
    pub zstd_level: i32,
    /// Rows of a row group of a data file at most.
    pub row_group_rows: usize,
    /// Bytes that the keys of a merge take in memory; what is more is matched with the table in several passes.
    pub merge_memory_bytes: usize,
    /// Where a test ends the process.
    pub failpoints: Arc<dyn Failpoints>,
    /// What a test makes the writer lose.
    pub faults: Arc<dyn Faults>,
}

impl Default for LakeOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            encode_threads: cores.clamp(1, 4),
            zstd_level: 1,
            row_group_rows: ROW_GROUP_ROWS_MAX,
            merge_memory_bytes: 128 << 20,
            failpoints: Arc::new(Undisturbed),
            faults: Arc::new(Undisturbed),
        }
    }
}

pub(crate) struct Inner {
    pub store: Arc<dyn ObjectStore>,
    pub recorder: Arc<dyn Recorder>,
    pub heads: Arc<dyn Heads>,
    pub fence: Arc<dyn Fence>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub failpoints: Arc<dyn Failpoints>,
    pub faults: Arc<dyn Faults>,
    pub encode_threads: usize,
    pub zstd_level: ZstdLevel,
    pub row_group_rows: usize,
    pub merge_memory_bytes: usize,
    /// Who acts where nobody asked: recovery, closing a table.
    pub service: PrincipalId,
    pub claims: Claims,
    tables: Mutex<HashMap<DatasetId, Arc<Table>>>,
}

#[derive(Default)]
struct Table {
    commit: Arc<tokio::sync::Mutex<()>>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    log: Option<VerifiedLog>,
    snapshots: BTreeMap<u64, Arc<TableSnapshot>>,
    /// The object and the finding that closed the table.
    closed: Option<(String, &'static str)>,
    recovered: bool,
}

/// Proof that the table's commit lock is held.
pub(crate) struct CommitPermit(#[allow(dead_code, reason = "held until it is dropped")] tokio::sync::OwnedMutexGuard<()>);

/// The tables of one store. Cheap to clone.
#[derive(Clone)]
pub struct Lake {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Lake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lake").finish_non_exhaustive()
    }
}

/// What a lake is wired from, besides its store.
#[derive(Clone)]
pub struct LakePorts {
    /// The audit log: intents and outcomes.
    pub recorder: Arc<dyn Recorder>,
    /// The journal's projection.
    pub heads: Arc<dyn Heads>,
    /// The writer's lease.
    pub fence: Arc<dyn Fence>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness: names of files.
    pub rng: Arc<dyn Rng>,
    /// Who acts where nobody asked, such as in recovery: `service:lake`.
    pub service: PrincipalId,
}

/// A table's version as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The Delta version.
    pub version: u64,
    /// What made it.
    pub operation: TableOperation,
    /// When its outcome was recorded, in milliseconds since the epoch.
    pub time_ms: i64,
    /// Index of the outcome in the audit log.
    pub index: u64,
    /// SHA-256 of its commit file, hexadecimal.
    pub log_hash: String,
}

impl Lake {
    /// The lake of a sealed store.
    pub fn new(store: SealedStore, ports: LakePorts, options: LakeOptions) -> Self {
        Self::over(Arc::new(store), ports, options)
    }

    pub(crate) fn over(store: Arc<dyn ObjectStore>, ports: LakePorts, options: LakeOptions) -> Self {
        let LakePorts { recorder, heads, fence, clock, rng, service } = ports;
        let LakeOptions { encode_threads, zstd_level, row_group_rows, merge_memory_bytes, failpoints, faults } = options;
        let inner = Inner {
            store,
            recorder,
            heads,
            fence,
            clock,
            rng,
            failpoints,
            faults,
            encode_threads: encode_threads.max(1),
            zstd_level: ZstdLevel::try_new(zstd_level.clamp(1, 3)).unwrap_or_default(),
            row_group_rows: row_group_rows.max(1),
            merge_memory_bytes,
            service,
            claims: Claims::default(),
            tables: Mutex::new(HashMap::new()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether the table has a schema, that is, was created.
    pub fn exists(&self, dataset: DatasetId) -> bool {
        self.inner.heads.versions(dataset).iter().any(|version| version.operation == TableOperation::Create)
    }

    /// Creates a table with the columns of `schema` and no rows.
    ///
    /// # Errors
    /// When it exists, when a type is not held by the format, or when the commit fails.
    pub async fn create(&self, dataset: DatasetId, schema: &Schema, actor: &PrincipalId) -> Result<u64, Error> {
        let stored = stored_schema(schema)?;
        let permit = self.ready(dataset).await?;
        if self.exists(dataset) {
            return Err(Error::TableExists { dataset });
        }
        let (protocol, metadata) = table_actions(&stored, dataset, self.inner.clock.now_ms(), false)?;
        let commit = Commit {
            dataset,
            actor,
            operation: TableOperation::Create,
            sequence: 0,
            counts: None,
            base: None,
            actions: vec![Action::Protocol(protocol.clone()), Action::Metadata(metadata.clone())],
            delta: DeltaOperation::Create { mode: SaveMode::ErrorIfExists, location: table_url(dataset)?, protocol, metadata },
        };
        self.commit(commit, &permit).await
    }

    /// The columns of a version, in the types that a scan gives. Needs no permit: it holds no rows.
    ///
    /// # Errors
    /// When the table or version does not exist or does not verify.
    pub async fn schema(&self, dataset: DatasetId, version: Option<u64>) -> Result<SchemaRef, Error> {
        Ok(Arc::clone(&self.snapshot(dataset, version).await?.scanned))
    }

    /// Rows of a version.
    ///
    /// # Errors
    /// When the table or version does not exist or does not verify.
    pub async fn rows(&self, dataset: DatasetId, version: Option<u64>) -> Result<u64, Error> {
        Ok(self.snapshot(dataset, version).await?.rows())
    }

    /// Every version that the journal knows, oldest first.
    ///
    /// # Errors
    /// When the table does not exist.
    pub fn history(&self, dataset: DatasetId) -> Result<Vec<Version>, Error> {
        if !self.exists(dataset) {
            return Err(Error::NoTable { dataset });
        }
        let known = self.inner.heads.versions(dataset).into_iter();
        Ok(known
            .map(|KnownVersion { version, log_hash, operation, time_ms, index }| Version { version, operation, time_ms, index, log_hash })
            .collect())
    }

    /// The last sequence that a source committed into a table.
    ///
    /// # Errors
    /// When the table does not exist or does not verify.
    pub async fn committed_sequence(&self, dataset: DatasetId, source: &str) -> Result<Option<u64>, Error> {
        let snapshot = self.snapshot(dataset, None).await?;
        self.sequence_in(&snapshot, source).await
    }

    /// Reads every object of a table's visible version again, past every cache, and compares it with the journal.
    ///
    /// # Errors
    /// `Integrity` naming the first object that is not what it must be; `Destroyed` when all others are, and some went with
    /// their key.
    pub async fn verify(&self, dataset: DatasetId) -> Result<(), Error> {
        self.forget(dataset);
        if !self.exists(dataset) && !self.inner.heads.versions(dataset).is_empty() {
            // A creation that was broken off and fenced left a log, and no table yet.
            return self.verify_commits(dataset).await;
        }
        let snapshot = match self.load_snapshot(dataset, None).await {
            Err(gone @ Error::Destroyed { .. }) => {
                self.verify_commits(dataset).await?;
                return Err(gone);
            }
            loaded => loaded?,
        };
        let mut gone = None;
        for file in &snapshot.files {
            let checked = match self.verify_file(file).await {
                Ok(()) => self.deleted(dataset, file).await.map(drop),
                broken => broken,
            };
            match self.close_on_integrity(dataset, checked).await {
                Err(error @ Error::Destroyed { .. }) => gone = Some(error),
                checked => checked?,
            }
        }
        gone.map_or(Ok(()), Err)
    }

    /// A log of which some commit files went with their key: the others must be there, and no further ones.
    async fn verify_commits(&self, dataset: DatasetId) -> Result<(), Error> {
        let known = self.inner.heads.versions(dataset);
        let first = crate::log::begins(&known);
        for entry in known.iter().filter(|entry| entry.version >= first) {
            let read = crate::log::read_verified(self.inner.store.as_ref(), dataset, entry).await;
            match self.close_on_integrity(dataset, read).await {
                Ok(_) | Err(Error::Destroyed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let first_unknown = known.last().map_or(0, |head| head.version.saturating_add(1));
        let checked = self.all_announced(dataset, first_unknown).await;
        self.close_on_integrity(dataset, checked).await
    }

    async fn verify_file(&self, file: &DataFile) -> Result<(), Error> {
        use futures::TryStreamExt as _;
        let object = || file.path.to_string();
        let found = match object_store::ObjectStoreExt::get(self.inner.store.as_ref(), &file.path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::Integrity { object: object(), finding: "the table log names this file, and it is gone" });
            }
            Err(error) => return Err(Error::store("read", &file.path, error)),
        };
        let mut size = 0u64;
        let mut bytes = found.into_stream();
        while let Some(part) = bytes.try_next().await.map_err(|error| Error::store("read", &file.path, error))? {
            size = size.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        }
        if size != file.size {
            return Err(Error::Integrity { object: object(), finding: "the file does not have the size that the table log gives" });
        }
        let footer = crate::file_reader::FileReader::new(&self.inner.store, &file.path, size).footer().await?;
        if crate::stats::rows(&footer) != file.rows {
            return Err(Error::Integrity { object: object(), finding: "the file does not hold the rows that the table log gives" });
        }
        Ok(())
    }

    fn table(&self, dataset: DatasetId) -> Arc<Table> {
        Arc::clone(self.inner.tables.lock().entry(dataset).or_default())
    }

    /// Reads the table anew the next time that it is asked for.
    pub(crate) fn forget(&self, dataset: DatasetId) {
        let table = self.table(dataset);
        let mut cache = table.cache.lock();
        cache.log = None;
        cache.snapshots.clear();
    }

    pub(crate) async fn lock(&self, dataset: DatasetId) -> CommitPermit {
        CommitPermit(Arc::clone(&self.table(dataset).commit).lock_owned().await)
    }

    /// The commit lock of a table whose open intents are closed.
    pub(crate) async fn ready(&self, dataset: DatasetId) -> Result<CommitPermit, Error> {
        let permit = self.lock(dataset).await;
        let recovered = self.table(dataset).cache.lock().recovered;
        if !recovered || !self.inner.heads.open_intents(dataset).is_empty() {
            self.recover_locked(dataset, &permit).await?;
        }
        Ok(permit)
    }

    pub(crate) fn mark_recovered(&self, dataset: DatasetId) {
        self.table(dataset).cache.lock().recovered = true;
    }

    /// The verified log up to the visible version.
    pub(crate) async fn log(&self, dataset: DatasetId) -> Result<VerifiedLog, Error> {
        let table = self.table(dataset);
        let before = {
            let cache = table.cache.lock();
            if let Some((object, finding)) = &cache.closed {
                return Err(Error::Integrity { object: object.clone(), finding });
            }
            cache.log.clone()
        };
        let known = self.inner.heads.versions(dataset);
        if let Some(before) = &before
            && before.covers(&known)
        {
            return Ok(before.clone());
        }
        let loaded = self.load_log(dataset, &known, before.as_ref()).await;
        let log = self.close_on_integrity(dataset, loaded).await?;
        table.cache.lock().log = Some(log.clone());
        Ok(log)
    }

    async fn load_log(&self, dataset: DatasetId, known: &[KnownVersion], before: Option<&VerifiedLog>) -> Result<VerifiedLog, Error> {
        let log = VerifiedLog::load(&self.inner.store, dataset, known, before).await?;
        self.all_announced(dataset, log.head().map_or(0, |head| head.saturating_add(1))).await?;
        Ok(log)
    }

    /// Whether every version beyond the visible one is one that this journal announced.
    async fn all_announced(&self, dataset: DatasetId, first_unknown: u64) -> Result<(), Error> {
        for version in listed_versions(self.inner.store.as_ref(), dataset).await? {
            if version >= first_unknown && !self.announced(dataset, version).await? {
                return Err(Error::Integrity {
                    object: commit_path(dataset, version).to_string(),
                    finding: "no intent in the journal announced this version",
                });
            }
        }
        Ok(())
    }

    /// Whether a version beyond the head is one that this journal announced. The intents are read before the head: a
    /// commit that finishes meanwhile leaves the intents and reaches the head, never the other way round.
    async fn announced(&self, dataset: DatasetId, version: u64) -> Result<bool, Error> {
        let Some(bytes) = read_commit(self.inner.store.as_ref(), dataset, version).await? else { return Ok(true) };
        let hash = sha256(&bytes);
        let open = self.inner.heads.open_intents(dataset);
        if open.iter().any(|intent| intent.version == version && intent.log_hash == hash) {
            return Ok(true);
        }
        let known = self.inner.heads.versions(dataset);
        Ok(known.iter().any(|entry| entry.version == version && entry.log_hash == hash))
    }

    /// A version of a table; the visible one when none is named. One of which a file went with its key cannot be read.
    pub(crate) async fn snapshot(&self, dataset: DatasetId, version: Option<u64>) -> Result<Arc<TableSnapshot>, Error> {
        let snapshot = self.load_snapshot(dataset, version).await?;
        let gone = self.inner.heads.destroyed(dataset);
        let hit = match gone.is_empty() {
            true => None,
            false => snapshot.files.iter().flat_map(DataFile::objects).find_map(|object| gone.get(object.as_ref()).copied()),
        };
        hit.map_or(Ok(snapshot), |key| Err(Error::destroyed(dataset, key)))
    }

    async fn load_snapshot(&self, dataset: DatasetId, version: Option<u64>) -> Result<Arc<TableSnapshot>, Error> {
        if !self.exists(dataset) {
            return Err(Error::NoTable { dataset });
        }
        let log = self.log(dataset).await?;
        let head = log.head().ok_or(Error::NoTable { dataset })?;
        let version = version.unwrap_or(head);
        if version > head {
            return Err(Error::NoVersion { dataset, version, reason: "the journal does not know it" });
        }
        if version < log.first() {
            return Err(Error::NoVersion { dataset, version, reason: ERASED });
        }
        let created = self.inner.heads.versions(dataset).iter().find(|known| known.operation == TableOperation::Create).map(|v| v.version);
        if created.is_none_or(|created| version < created) {
            return Err(Error::NoVersion { dataset, version, reason: "the table was created after it" });
        }
        let table = self.table(dataset);
        if let Some(found) = table.cache.lock().snapshots.get(&version) {
            return Ok(Arc::clone(found));
        }
        let snapshot = Arc::new(TableSnapshot::load(dataset, &log, version).await?);
        let mut cache = table.cache.lock();
        while cache.snapshots.len() >= SNAPSHOTS_MAX {
            cache.snapshots.pop_first();
        }
        cache.snapshots.insert(version, Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// What the journal says of an object that does not open because the version of its key was destroyed: that it went with
    /// it. None when the journal does not say so: then it is damage like any other.
    fn gone_with_its_key(&self, dataset: DatasetId, error: &Error) -> Option<Error> {
        let (object, key_version) = polder_store::destroyed_in(error)?;
        let key = self.inner.heads.destroyed(dataset).get(object).copied().filter(|key| key.key_version == key_version)?;
        Some(Error::destroyed(dataset, key))
    }

    /// Passes a result through; on an integrity error the table is closed and the finding recorded, once. An object that went
    /// with its key is no such error.
    pub(crate) async fn close_on_integrity<T>(&self, dataset: DatasetId, result: Result<T, Error>) -> Result<T, Error> {
        let Err(error) = &result else { return result };
        if let Some(gone) = self.gone_with_its_key(dataset, error) {
            return Err(gone);
        }
        let object = match error {
            Error::Integrity { object, finding } => Some((object.clone(), *finding)),
            Error::Store { object, .. } | Error::Parquet { object, .. } if error.kind() == polder_types::ErrorKind::Corrupt => {
                Some((object.clone(), "the object does not authenticate"))
            }
            _ => None,
        };
        if let Some((object, finding)) = object {
            self.close(dataset, object, finding).await;
        }
        result
    }

    /// As [`Self::close_on_integrity`] for a request of a scan, whose error goes on to the query engine.
    pub(crate) async fn close_on_damage(&self, dataset: DatasetId, path: &object_store::path::Path, error: &object_store::Error) {
        let gone = polder_store::destroyed_in(error).is_some_and(|(object, key_version)| {
            self.inner.heads.destroyed(dataset).get(object).is_some_and(|key| key.key_version == key_version)
        });
        if !gone && crate::error::store_kind(error) == polder_types::ErrorKind::Corrupt {
            self.close(dataset, path.to_string(), "the object does not authenticate").await;
        }
    }

    async fn close(&self, dataset: DatasetId, object: String, finding: &'static str) {
        let fresh = {
            let table = self.table(dataset);
            let mut cache = table.cache.lock();
            let fresh = cache.closed.is_none();
            cache.closed.get_or_insert((object.clone(), finding));
            fresh
        };
        // A reader records nothing: it tells who asked.
        if fresh && self.inner.fence.epoch() > 0 {
            let event = Event::new(&self.inner.service, EventKind::IntegrityFailed { object });
            // The finding is reported whether or not it could be recorded.
            if let Err(unrecorded) = self.record(dataset, event).await {
                tracing::error!(%dataset, error = %unrecorded, "the failed integrity check could not be recorded");
            }
        }
    }

    /// The sealed store.
    pub(crate) fn objects(&self) -> &dyn ObjectStore {
        self.inner.store.as_ref()
    }
}
