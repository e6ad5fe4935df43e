//! Delta's door to a table's log. It reads verified bytes from memory, and writes a version as *intent (durable), then a
//! create-only put*; the caller records the outcome.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake_core::kernel::Version;
use deltalake_core::kernel::transaction::TransactionError;
use deltalake_core::logstore::{CommitOrBytes, LogStore, LogStoreConfig, StorageConfig};
use deltalake_core::{DeltaResult, DeltaTableError};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, PutMode, PutOptions};
use parking_lot::Mutex;
use polder_types::event::TableOperation;
use polder_types::{DatasetId, Event, EventKind, PrincipalId, Recorder};
use url::Url;
use uuid::Uuid;

use crate::error::Error;
use crate::log::{VerifiedLog, commit_path, read_commit, sha256, table_path};
use crate::ports::{Failpoints, Fence};

/// What a commit needs beyond its actions.
pub(crate) struct CommitContext {
    pub store: Arc<dyn ObjectStore>,
    pub recorder: Arc<dyn Recorder>,
    pub fence: Arc<dyn Fence>,
    pub failpoints: Arc<dyn Failpoints>,
    pub actor: PrincipalId,
    pub operation: TableOperation,
    pub sequence: u64,
}

/// The intent that was recorded, whatever became of the commit.
#[derive(Debug, Clone)]
pub(crate) struct Intended {
    pub version: u64,
    pub log_hash: String,
}

#[derive(Default)]
struct Progress {
    intended: Option<Intended>,
    error: Option<Error>,
}

/// See the module.
pub(crate) struct SealedLogStore {
    dataset: DatasetId,
    root: Arc<dyn ObjectStore>,
    table: Arc<dyn ObjectStore>,
    head: Option<u64>,
    config: LogStoreConfig,
    commit: Option<CommitContext>,
    progress: Mutex<Progress>,
}

/// `sealed://lake/tables/<dataset>/`: a name for Delta's use alone, which no session can resolve.
pub(crate) fn table_url(dataset: DatasetId) -> Result<Url, Error> {
    Url::parse(&format!("sealed://lake/{}/", table_path(dataset))).map_err(|_| Error::Internal { step: "name the location", dataset })
}

impl SealedLogStore {
    /// A log store that reads `log`, and commits only with a context.
    pub(crate) fn new(dataset: DatasetId, log: &VerifiedLog, commit: Option<CommitContext>) -> Result<Arc<Self>, Error> {
        let root = log.files();
        let table = Arc::new(PrefixStore::new(Arc::clone(&root), table_path(dataset)));
        let config = LogStoreConfig::new(&table_url(dataset)?, StorageConfig::default());
        Ok(Arc::new(Self { dataset, root, table, head: log.head(), config, commit, progress: Mutex::new(Progress::default()) }))
    }

    /// The intent that was recorded, if any.
    pub(crate) fn intended(&self) -> Option<Intended> {
        self.progress.lock().intended.clone()
    }

    /// The typed error behind what Delta reported, if the failure was ours.
    pub(crate) fn take_error(&self) -> Option<Error> {
        self.progress.lock().error.take()
    }

    /// Intent, then create-only put. On a put whose reply was lost, what stands in the store decides.
    pub(crate) async fn commit(&self, version: u64, bytes: Bytes) -> Result<(), Error> {
        let dataset = self.dataset;
        let Some(context) = &self.commit else {
            return Err(Error::Internal { step: "commit through a reading view", dataset });
        };
        context.fence.check().await.map_err(|source| Error::Fenced { dataset, source })?;
        let log_hash = sha256(&bytes);
        context.failpoints.hit("lake.before_intent");
        let intent = EventKind::CommitIntent {
            dataset,
            operation: context.operation,
            sequence: context.sequence,
            version,
            log_hash: log_hash.clone(),
            epoch: context.fence.epoch(),
        };
        context.recorder.record(Event::new(&context.actor, intent)).await.map_err(|source| Error::Record { dataset, source })?;
        self.progress.lock().intended = Some(Intended { version, log_hash: log_hash.clone() });
        context.failpoints.hit("lake.after_intent");
        let path = commit_path(dataset, version);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let written = context.store.put_opts(&path, bytes.into(), options).await;
        context.failpoints.hit("lake.after_commit");
        let Err(error) = written else { return Ok(()) };
        match read_commit(context.store.as_ref(), dataset, version).await? {
            Some(found) if sha256(&found) == log_hash => Ok(()),
            Some(_) => Err(Error::Conflict { dataset, version }),
            None => Err(Error::store("write the table log's object", &path, error)),
        }
    }
}

#[async_trait]
impl LogStore for SealedLogStore {
    /// Delta writes a temporary commit object for names that it does not know; this name makes it hand over the bytes.
    fn name(&self) -> String {
        "DefaultLogStore".into()
    }

    async fn read_commit_entry(&self, version: Version) -> DeltaResult<Option<Bytes>> {
        read_commit(self.root.as_ref(), self.dataset, version)
            .await
            .map_err(|error| DeltaTableError::GenericError { source: Box::new(error) })
    }

    async fn write_commit_entry(&self, version: Version, commit: CommitOrBytes, _operation_id: Uuid) -> Result<(), TransactionError> {
        let CommitOrBytes::LogBytes(bytes) = commit else {
            return Err(TransactionError::LogStoreError {
                msg: "a temporary commit object was offered".to_owned(),
                source: Box::new(Error::Internal { step: "commit", dataset: self.dataset }),
            });
        };
        match self.commit(version, bytes).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let shown = TransactionError::LogStoreError { msg: error.to_string(), source: "see the lake's error".into() };
                self.progress.lock().error = Some(error);
                Err(shown)
            }
        }
    }

    async fn abort_commit_entry(&self, _version: Version, _commit: CommitOrBytes, _operation_id: Uuid) -> Result<(), TransactionError> {
        Ok(())
    }

    /// The visible version is the latest for Delta: what lies beyond it is ours to judge, in `recover`.
    async fn get_latest_version(&self, _start: Version) -> DeltaResult<Version> {
        self.head.ok_or_else(|| DeltaTableError::NotATable("no visible version".to_owned()))
    }

    fn object_store(&self, _operation_id: Option<Uuid>) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.table)
    }

    fn root_object_store(&self, _operation_id: Option<Uuid>) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.root)
    }

    fn config(&self) -> &LogStoreConfig {
        &self.config
    }
}

/// The name of a data file inside its table, as the log holds it.
pub(crate) fn relative(dataset: DatasetId, path: &Path) -> String {
    let prefix = format!("{}/", table_path(dataset));
    path.as_ref().strip_prefix(prefix.as_str()).unwrap_or(path.as_ref()).to_owned()
}
