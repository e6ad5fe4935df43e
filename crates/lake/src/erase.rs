//! Erasure: rows leave a table for good, and with them everything in which they could still be found. The files that hold them are written
//! anew, and so are those of which rows are deleted, since a deleted row still lies in its file. The commit names all that the table holds, so that
//! no commit file before it is needed any more: whatever the new version does not name is deleted, and of the older log nothing stays but empty
//! versions in the places where others who read Delta look for some.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array as _, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use deltalake_core::kernel::{Action, Transaction};
use deltalake_core::logstore::get_actions;
use deltalake_core::protocol::DeltaOperation;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use parking_lot::Mutex;
use polder_types::event::{Phase, TableOperation};
use polder_types::{DatasetId, ErrorKind, Event, EventKind, PrincipalId};

use crate::commit::Commit;
use crate::error::Error;
use crate::lake::Lake;
use crate::log::{ERASED, commit_path, commit_version, data_path, read_commit, table_path};
use crate::merge::named_again;
use crate::migrate::fitted;
use crate::schema::table_actions;
use crate::snapshot::{DataFile, TableSnapshot, file_stats};
use crate::stage::{Stage, StagedFile};
use crate::stats::FileStats;
use crate::writer::add;

/// Tells which rows of a table are to be erased.
pub trait Chooser: Send + Sync {
    /// The columns that it looks at; none for all.
    fn columns(&self) -> Vec<String>;
    /// Which rows of a batch of these columns are meant: true for those, and never null. A file that was written before a column came does not
    /// have it.
    ///
    /// # Errors
    /// When it cannot be told, with what that means to the caller.
    fn chosen(&self, batch: &RecordBatch) -> Result<BooleanArray, (ErrorKind, Box<dyn std::error::Error + Send + Sync>)>;
}

/// What an erasure did to a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// The version that it made.
    pub version: u64,
    /// Rows that are not in the table any more.
    pub rows: u64,
    /// Files that were written anew.
    pub files_before: usize,
    /// What they became.
    pub files_after: usize,
}

/// What is still there of what was to be erased.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Rows of the visible version that are meant.
    pub rows: u64,
    /// Objects in the table's folder that the visible version does not need.
    pub objects: Vec<String>,
}

impl Lake {
    /// Rows of the visible version that are meant, read from its files.
    ///
    /// # Errors
    /// When the table does not exist or does not verify, a file cannot be read, or a row cannot be judged.
    pub async fn count_chosen(&self, dataset: DatasetId, chooser: &dyn Chooser) -> Result<u64, Error> {
        let head = self.snapshot(dataset, None).await?;
        let mut rows = 0u64;
        for file in &head.files {
            rows = rows.saturating_add(self.chosen_in(dataset, file, chooser).await?);
        }
        Ok(rows)
    }

    async fn chosen_in(&self, dataset: DatasetId, file: &DataFile, chooser: &dyn Chooser) -> Result<u64, Error> {
        let columns = chooser.columns();
        let columns = (!columns.is_empty()).then_some(columns.as_slice());
        let mut batches = self.live_rows(dataset, file, columns).await?;
        let mut rows = 0u64;
        while let Some(batch) = batches.next().await? {
            rows = rows.saturating_add(count(&chosen(dataset, &batch, chooser)?));
        }
        Ok(rows)
    }

    /// Commits a version without the rows that are meant, from which alone the table is read from then on. Without a chooser its rows stay, and
    /// what was in it before does not. [`Lake::purge`] then deletes what the version does not need.
    ///
    /// # Errors
    /// When reading, judging, staging or committing fails: the table is then as it was, or recovery finds the commit and adopts it.
    pub async fn erase(&self, dataset: DatasetId, chooser: Option<&dyn Chooser>, actor: &PrincipalId) -> Result<Erased, Error> {
        let permit = self.ready(dataset).await?;
        let head = self.snapshot(dataset, None).await?;
        let mut anew: HashMap<Path, u64> = HashMap::new();
        for file in &head.files {
            let rows = match chooser {
                Some(chooser) => self.chosen_in(dataset, file, chooser).await?,
                None => 0,
            };
            if rows > 0 || file.vector.is_some() {
                anew.insert(file.path.clone(), rows);
            }
        }
        let claimed: Arc<Mutex<Vec<Path>>> = Arc::default();
        let staged = self.without(&head, &anew, chooser, &claimed).await;
        let committed = match staged {
            Ok(staged) => {
                self.inner.failpoints.hit("lake.erase_staged");
                self.commit_erased(&head, &anew, &staged, actor, &permit).await
            }
            Err(error) => Err(error),
        };
        self.inner.claims.release(claimed.lock().iter());
        // What is in memory of older versions is of no use any more.
        self.forget(dataset);
        committed
    }

    /// The rows that stay of the files that are written anew, staged.
    async fn without(
        &self,
        head: &TableSnapshot,
        anew: &HashMap<Path, u64>,
        chooser: Option<&dyn Chooser>,
        claimed: &Arc<Mutex<Vec<Path>>>,
    ) -> Result<Vec<StagedFile>, Error> {
        let dataset = head.dataset;
        let (claims, list) = (self.inner.claims.clone(), Arc::clone(claimed));
        let claim = move |path: &Path| {
            claims.claim(path);
            list.lock().push(path.clone());
        };
        let mut context = self.stage_context(dataset, Arc::clone(&head.stored), Arc::new(claim));
        // One encoder keeps the rows in the order of the files.
        context.threads = 1;
        let mut stage = Stage::new(context);
        let mut expected = 0u64;
        for file in head.files.iter().filter(|file| anew.contains_key(&file.path)) {
            expected = expected.saturating_add(file.live().saturating_sub(anew.get(&file.path).copied().unwrap_or_default()));
            let mut rows = self.live_rows(dataset, file, None).await?;
            while let Some(batch) = rows.next().await? {
                let batch = match chooser {
                    Some(chooser) => kept(&batch, &chosen(dataset, &batch, chooser)?, &file.path)?,
                    None => batch,
                };
                stage.append(fitted(batch, &head.stored, dataset)?).await?;
            }
        }
        let files = stage.finish().await?;
        let staged: u64 = files.iter().map(|file| file.rows).sum();
        if staged == expected { Ok(files) } else { Err(Error::RowsLost { dataset, staged, expected }) }
    }

    async fn commit_erased(
        &self,
        head: &TableSnapshot,
        anew: &HashMap<Path, u64>,
        staged: &[StagedFile],
        actor: &PrincipalId,
        permit: &crate::lake::CommitPermit,
    ) -> Result<Erased, Error> {
        let (dataset, now_ms) = (head.dataset, self.inner.clock.now_ms());
        let (protocol, metadata) = table_actions(&head.stored, dataset, now_ms, head.vectors)?;
        let mut actions = vec![Action::Protocol(protocol), Action::Metadata(metadata)];
        // How far each source was loaded is known from the log alone.
        actions.extend(self.transactions(dataset).await?.into_values().map(Action::Txn));
        let mut known: HashMap<Path, FileStats> = HashMap::new();
        for view in head.delta.log_data().iter() {
            known.insert(data_path(dataset, &view.path()), file_stats(dataset, &view)?);
        }
        for file in head.files.iter().filter(|file| !anew.contains_key(&file.path)) {
            let stats = known.get(&file.path).ok_or(Error::Internal { step: "describe a file", dataset })?;
            actions.push(Action::Add(named_again(dataset, file, stats, None, now_ms)?));
        }
        for file in staged {
            actions.push(Action::Add(add(dataset, file, now_ms, true)?));
        }
        let commit = Commit {
            dataset,
            actor,
            operation: TableOperation::Erase,
            sequence: self.inner.heads.head(dataset).map_or(0, |head| head.sequence),
            counts: None,
            // It stands on nothing: no file is taken out of a version that nobody can read afterwards.
            base: None,
            actions,
            // Of the predicate nothing is written where the table lies.
            delta: DeltaOperation::Delete { predicate: None },
        };
        let version = self.commit(commit, permit).await?;
        Ok(Erased { version, rows: anew.values().sum(), files_before: anew.len(), files_after: staged.len() })
    }

    /// The newest sequence of each source, as the log holds it.
    async fn transactions(&self, dataset: DatasetId) -> Result<BTreeMap<String, Transaction>, Error> {
        let log = self.log(dataset).await?;
        let files = log.files();
        let mut newest = BTreeMap::new();
        for version in log.first()..=log.head().unwrap_or_default() {
            let Some(bytes) = read_commit(files.as_ref(), dataset, version).await? else { continue };
            let actions = get_actions(version, &bytes).map_err(|source| Error::delta("read the log", dataset, source))?;
            for action in actions {
                if let Action::Txn(txn) = action {
                    newest.insert(txn.app_id.clone(), txn);
                }
            }
        }
        Ok(newest)
    }

    /// Deletes every object of the table that its visible version does not need, and empties the commit files before the version with which
    /// the log begins. Returns how many these were. It can be run again.
    ///
    /// # Errors
    /// When the lease is lost, the audit log refuses, or listing or deleting fails.
    pub async fn purge(&self, dataset: DatasetId, actor: &PrincipalId) -> Result<u64, Error> {
        let _permit = self.ready(dataset).await?;
        let gone: Vec<Path> = self.unneeded(dataset).await?.into_iter().filter(|path| !self.inner.claims.holds(path)).collect();
        let emptied = self.unemptied(dataset).await?;
        let files = u64::try_from(gone.len().saturating_add(emptied.len())).unwrap_or(u64::MAX);
        let event = |phase| EventKind::TableMaintained { dataset, operation: TableOperation::Erase, phase, files };
        self.inner.fence.check().await.map_err(|source| Error::Fenced { dataset, source })?;
        self.record(dataset, Event::new(actor, event(Phase::Intent))).await?;
        self.inner.failpoints.hit("lake.erase_purging");
        for path in &gone {
            // Whoever was taken for dead while they were paused deletes nothing more.
            self.inner.fence.check().await.map_err(|source| Error::Fenced { dataset, source })?;
            match self.inner.store.delete(path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::store("delete", path, error)),
            }
            self.inner.failpoints.hit("lake.erase_deleting");
        }
        for path in &emptied {
            self.inner.fence.check().await.map_err(|source| Error::Fenced { dataset, source })?;
            self.inner.store.put(path, ERASED.into()).await.map_err(|error| Error::store("empty", path, error))?;
            self.inner.failpoints.hit("lake.erase_emptying");
        }
        self.record(dataset, Event::new(actor, event(Phase::Outcome))).await?;
        self.forget(dataset);
        Ok(files)
    }

    /// What is still there: rows of the visible version that are meant, and objects that it does not need. The log is read anew.
    ///
    /// # Errors
    /// As [`Lake::count_chosen`], and when listing fails.
    pub async fn left(&self, dataset: DatasetId, chooser: Option<&dyn Chooser>) -> Result<Left, Error> {
        self.forget(dataset);
        let rows = match chooser {
            Some(chooser) => self.count_chosen(dataset, chooser).await?,
            None => 0,
        };
        let mut objects: Vec<String> = self.unneeded(dataset).await?.into_iter().map(|path| path.to_string()).collect();
        objects.extend(self.unemptied(dataset).await?.into_iter().map(|path| path.to_string()));
        if self.exists(dataset) {
            let head = self.snapshot(dataset, None).await?;
            // A file of which rows are deleted holds these rows.
            objects.extend(head.files.iter().filter(|file| file.vector.is_some()).map(|file| file.path.to_string()));
        }
        Ok(Left { rows, objects })
    }

    /// A commit file of before an erasure that says something: one that the erasure did not come to yet, or that was put back.
    ///
    /// # Errors
    /// When the table does not verify.
    pub async fn unerased_log(&self, dataset: DatasetId) -> Result<Option<String>, Error> {
        Ok(self.unemptied(dataset).await?.first().map(ToString::to_string))
    }

    async fn unemptied(&self, dataset: DatasetId) -> Result<Vec<Path>, Error> {
        let first = self.log(dataset).await?.first();
        let mut unemptied = Vec::new();
        for version in 0..first {
            match read_commit(self.inner.store.as_ref(), dataset, version).await {
                Ok(None) => {}
                Ok(Some(bytes)) if bytes == ERASED => {}
                // What does not open may open elsewhere.
                _ => unemptied.push(commit_path(dataset, version)),
            }
        }
        Ok(unemptied)
    }

    /// The objects in a table's folder that its visible version and its log do not need.
    async fn unneeded(&self, dataset: DatasetId) -> Result<Vec<Path>, Error> {
        // What a broken off load staged before there was a table is needed by none.
        let head = if self.exists(dataset) { Some(self.snapshot(dataset, None).await?) } else { None };
        let newest = self.log(dataset).await?.head();
        let needed: HashSet<&Path> = head.iter().flat_map(|head| head.files.iter()).flat_map(DataFile::objects).collect();
        let prefix = table_path(dataset);
        let listed: Vec<Path> = self
            .inner
            .store
            .list(Some(&prefix))
            .map_ok(|meta| meta.location)
            .try_collect()
            .await
            .map_err(|error| Error::store("list", &prefix, error))?;
        let in_log = |path: &Path| commit_version(path).is_some_and(|version| newest.is_some_and(|newest| version <= newest));
        Ok(listed.into_iter().filter(|path| !needed.contains(path) && !in_log(path)).collect())
    }
}

fn chosen(dataset: DatasetId, batch: &RecordBatch, chooser: &dyn Chooser) -> Result<BooleanArray, Error> {
    let chosen = chooser.chosen(batch).map_err(|(kind, source)| Error::Choose { dataset, kind, source })?;
    let whole = chosen.len() == batch.num_rows() && chosen.null_count() == 0;
    if whole { Ok(chosen) } else { Err(Error::Internal { step: "choose rows", dataset }) }
}

fn count(chosen: &BooleanArray) -> u64 {
    u64::try_from(chosen.true_count()).unwrap_or(u64::MAX)
}

/// The rows that stay.
fn kept(batch: &RecordBatch, chosen: &BooleanArray, path: &Path) -> Result<RecordBatch, Error> {
    let kept = not(chosen).and_then(|stays| filter_record_batch(batch, &stays));
    kept.map_err(|error| Error::parquet("filter", path, error.into()))
}
