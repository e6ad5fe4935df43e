//! Maintenance: small files become large ones, and files that no retained version names are deleted.

use std::collections::HashSet;
use std::sync::Arc;

use deltalake_core::kernel::Action;
use deltalake_core::protocol::DeltaOperation;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parking_lot::Mutex;
use polder_types::event::{Phase, TableOperation};
use polder_types::{DatasetId, Event, EventKind, PrincipalId};

use crate::commit::Commit;
use crate::error::Error;
use crate::lake::Lake;
use crate::log::table_path;
use crate::migrate::fitted;
use crate::snapshot::{DataFile, TableSnapshot};
use crate::stage::Stage;
use crate::storage;
use crate::vector::holds_vectors;
use crate::writer::{add, remove};

/// Files smaller than this are put together.
pub const SMALL_FILE_BYTES: u64 = 64 << 20;
/// About the size of the files that they become.
const TARGET_FILE_BYTES: i64 = 512 << 20;

/// What an optimisation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Optimized {
    /// The new version, when there was something to do.
    pub version: Option<u64>,
    /// Files that were put together, or written anew without their deleted rows.
    pub files_before: usize,
    /// Files that they became.
    pub files_after: usize,
}

/// What a vacuum did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vacuumed {
    /// Files deleted.
    pub files: u64,
    /// The oldest version that can still be read.
    pub oldest_version: u64,
}

impl Lake {
    /// Puts the small files of the visible version together, and writes those anew of which many rows are deleted. Its rows stay the
    /// same.
    ///
    /// # Errors
    /// When reading, staging or committing fails; the table is then as it was.
    pub async fn optimize(&self, dataset: DatasetId, actor: &PrincipalId) -> Result<Optimized, Error> {
        let permit = self.ready(dataset).await?;
        let head = self.snapshot(dataset, None).await?;
        let small: Vec<&DataFile> = head.files.iter().filter(|file| file.size < SMALL_FILE_BYTES || thin(file)).collect();
        if small.len() < 2 && !small.iter().any(|file| thin(file)) {
            return Ok(Optimized::default());
        }
        let claimed: Arc<Mutex<Vec<Path>>> = Arc::default();
        let result = self.optimize_files(&head, &small, actor, &claimed, &permit).await;
        self.inner.claims.release(claimed.lock().iter());
        result
    }

    async fn optimize_files(
        &self,
        head: &TableSnapshot,
        small: &[&DataFile],
        actor: &PrincipalId,
        claimed: &Arc<Mutex<Vec<Path>>>,
        permit: &crate::lake::CommitPermit,
    ) -> Result<Optimized, Error> {
        let dataset = head.dataset;
        let claims = self.inner.claims.clone();
        let list = Arc::clone(claimed);
        let claim = move |path: &Path| {
            claims.claim(path);
            list.lock().push(path.clone());
        };
        let mut context = self.stage_context(dataset, Arc::clone(&head.stored), Arc::new(claim));
        // One encoder keeps the rows in the order of the files.
        context.threads = 1;
        let mut stage = Stage::new(context);
        for file in small {
            let mut rows = self.live_rows(dataset, file, None).await?;
            while let Some(batch) = rows.next().await? {
                let batch = fitted(batch, &head.stored, dataset)?;
                stage.append(batch).await?;
            }
        }
        let files = stage.finish().await?;
        let expected: u64 = small.iter().map(|file| file.live()).sum();
        let staged: u64 = files.iter().map(|file| file.rows).sum();
        if staged != expected {
            return Err(Error::RowsLost { dataset, staged, expected });
        }
        self.inner.failpoints.hit("lake.optimize_staged");
        let now_ms = self.inner.clock.now_ms();
        let mut actions: Vec<Action> = small.iter().map(|file| Action::Remove(remove(dataset, file, now_ms, false))).collect();
        for file in &files {
            actions.push(Action::Add(add(dataset, file, now_ms, false)?));
        }
        let commit = Commit {
            dataset,
            actor,
            operation: TableOperation::Optimize,
            sequence: self.inner.heads.head(dataset).map_or(0, |head| head.sequence),
            counts: None,
            base: Some(head),
            actions,
            delta: DeltaOperation::Optimize { predicate: None, target_size: TARGET_FILE_BYTES },
        };
        let version = self.commit(commit, permit).await?;
        Ok(Optimized { version: Some(version), files_before: small.len(), files_after: files.len() })
    }

    /// Deletes the files and deletion vectors that no retained version names. The visible version is always retained, and so is every version
    /// that was visible within the last `retention_ms` milliseconds.
    ///
    /// # Errors
    /// When the audit log refuses, or listing or deleting fails; a vacuum can be run again.
    pub async fn vacuum(&self, dataset: DatasetId, retention_ms: u64, actor: &PrincipalId) -> Result<Vacuumed, Error> {
        let permit = self.ready(dataset).await?;
        // A first load that was broken off leaves files of a table that was not made.
        let none = (HashSet::new(), 0);
        let (kept, oldest_version) = if self.exists(dataset) { self.retained(dataset, retention_ms).await? } else { none };
        let prefix = table_path(dataset);
        let listed: Vec<Path> = self
            .inner
            .store
            .list(Some(&prefix))
            .map_ok(|meta| meta.location)
            .try_collect()
            .await
            .map_err(|error| Error::store("list", &prefix, error))?;
        let gone: Vec<Path> = listed
            .into_iter()
            .filter(|path| path.parts().count() == 3)
            .filter(|path| path.extension() == Some("parquet") || path.filename().is_some_and(holds_vectors))
            .filter(|path| !kept.contains(path) && !self.inner.claims.holds(path))
            .collect();
        let files = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        let event = |phase| EventKind::TableMaintained { dataset, operation: TableOperation::Vacuum, phase, files };
        self.inner.fence.check().await.map_err(|source| Error::Fenced { dataset, source })?;
        self.record(dataset, Event::new(actor, event(Phase::Intent))).await?;
        self.inner.failpoints.hit("lake.vacuum_intent");
        for path in &gone {
            // Whoever was taken for dead while they were paused deletes nothing more.
            self.inner.fence.check().await.map_err(|source| Error::Fenced { dataset, source })?;
            match self.inner.store.delete(path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::store("delete", path, error)),
            }
        }
        self.inner.failpoints.hit("lake.vacuum_deleted");
        self.record(dataset, Event::new(actor, event(Phase::Outcome))).await?;
        drop(permit);
        Ok(Vacuumed { files, oldest_version })
    }

    /// The files of the retained versions, and the oldest of these versions.
    async fn retained(&self, dataset: DatasetId, retention_ms: u64) -> Result<(HashSet<Path>, u64), Error> {
        let versions = self.history(dataset)?;
        let head = self.snapshot(dataset, None).await?;
        let since_ms = self.inner.clock.now_ms().saturating_sub(i64::try_from(retention_ms).unwrap_or(i64::MAX));
        let mut kept: HashSet<Path> = head.files.iter().flat_map(DataFile::objects).cloned().collect();
        let mut oldest = head.version;
        // A version stopped being visible when the next one came.
        for (version, next) in versions.iter().zip(versions.iter().skip(1)).rev() {
            if next.time_ms < since_ms {
                break;
            }
            match self.snapshot(dataset, Some(version.version)).await {
                Ok(snapshot) => kept.extend(snapshot.files.iter().flat_map(DataFile::objects).cloned()),
                Err(Error::NoVersion { .. } | Error::Destroyed { .. }) => break,
                Err(error) => return Err(error),
            }
            oldest = version.version;
        }
        Ok((kept, oldest))
    }
}

/// Whether so many rows of a file are deleted that it is written anew.
fn thin(file: &DataFile) -> bool {
    storage::thin(file.rows, file.deleted_rows())
}
