//! A long-lived writer into one table from one source: `write` any number of admitted batches, `finish`, `commit`; then
//! again for the next batch of the source.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use deltalake_core::kernel::{Action, Add, Remove, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parking_lot::Mutex;
use polder_contract::{Admitted, Duplicates, Reconciled};
use polder_policy::{Action as PermitAction, Permit};
use polder_types::event::{Counts, TableOperation};
use polder_types::{DatasetId, PrincipalId};

use crate::commit::Commit;
use crate::error::Error;
use crate::lake::Lake;
use crate::log_store::{SealedLogStore, relative};
use crate::merge::{History, Merged};
use crate::scan::ScanFile;
use crate::schema::{scan_schema, stored_schema, table_actions, to_stored};
use crate::snapshot::{DataFile, TableSnapshot};
use crate::stage::{Removed, Stage, StageContext, StagedFile, remove_rows};
use crate::storage::Storage;

/// What a commit does with the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// They stay.
    Append,
    /// The new rows take their place; the columns may change.
    Replace,
    /// Those whose key a new row has go, and those that are to be deleted; see [`TableWriter::match_rows`].
    Merge,
    /// As merge, and those that go stay as rows that were valid until then; see [`History`].
    Scd2,
    /// As replace, for what a model computed.
    Model,
}

impl WriteMode {
    fn operation(self) -> TableOperation {
        match self {
            Self::Append => TableOperation::Append,
            Self::Replace => TableOperation::Replace,
            Self::Merge => TableOperation::Merge,
            Self::Scd2 => TableOperation::Scd2,
            Self::Model => TableOperation::Model,
        }
    }

    /// Whether keys are matched.
    pub(crate) fn merges(self) -> bool {
        matches!(self, Self::Merge | Self::Scd2)
    }

    /// Whether rows that are there stay, or some of them.
    fn keeps_rows(self) -> bool {
        matches!(self, Self::Append | Self::Merge | Self::Scd2)
    }
}

/// Who writes what into which table.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The table.
    pub dataset: DatasetId,
    /// The source's id: with the run sequence it tells a resend from new rows.
    pub source: String,
    /// The columns of the batches.
    pub schema: SchemaRef,
    /// What becomes of the rows that are there.
    pub mode: WriteMode,
    /// The columns by which a merge tells rows apart, in any order. None of a row's may be NULL. Not used by other modes.
    pub keys: Vec<String>,
    /// The columns that a table with history has beside those of the batches. For `Scd2`, and for nothing else.
    pub history: Option<History>,
    /// Who asks.
    pub actor: PrincipalId,
}

/// Rows that lie in the store and are not visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    /// Rows, counted in the footers of the stored files: `loaded` of the reconciliation.
    pub rows: u64,
    /// Rows taken out as duplicates.
    pub removed: u64,
    /// Files.
    pub files: usize,
    /// Their plain size, in bytes.
    pub bytes: u64,
}

/// What a commit came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// The rows are visible in this version.
    Now {
        /// The Delta version.
        version: u64,
    },
    /// The sequence was committed before; the staged rows were dropped and nothing changed.
    Already {
        /// The last sequence of this source in the table.
        sequence: u64,
    },
}

/// See the module. Dropping it leaves files that no version names, for vacuum.
pub struct TableWriter {
    pub(crate) lake: Lake,
    pub(crate) request: WriteRequest,
    pub(crate) stored: SchemaRef,
    stage: Option<Stage>,
    pub(crate) staged: Option<Vec<StagedFile>>,
    pub(crate) merged: Option<Merged>,
    /// When the batch's rows begin to be valid, in microseconds since the epoch.
    begins_us: Option<i64>,
    storage: Option<Storage>,
    claimed: Arc<Mutex<Vec<Path>>>,
}

impl std::fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableWriter").field("request", &self.request).finish_non_exhaustive()
    }
}

impl Drop for TableWriter {
    fn drop(&mut self) {
        self.lake.inner.claims.release(self.claimed.lock().iter());
    }
}

impl Lake {
    /// Opens a writer. A table that does not exist is created by the first commit, so that a batch that fails leaves none.
    ///
    /// # Errors
    /// When the table does not verify, or has rows under other columns and the mode keeps them, or what the mode needs is not given.
    pub async fn writer(&self, mut request: WriteRequest) -> Result<TableWriter, Error> {
        let dataset = request.dataset;
        let misuse = |reason| Err(Error::Misuse { dataset, reason });
        if (request.mode == WriteMode::Scd2) != request.history.is_some() {
            return misuse("the mode scd2 needs the names of the columns that tell from when until when a row is valid, and no other does");
        }
        if request.mode.merges() && (request.keys.is_empty() || request.keys.iter().any(|key| request.schema.index_of(key).is_err())) {
            return misuse("a merge needs a key, of columns that the batches have");
        }
        if let Some(history) = &request.history {
            if history.from == history.to || [&history.from, &history.to].iter().any(|name| request.schema.index_of(name).is_ok()) {
                return misuse("the columns that tell from when until when a row is valid have names that are taken");
            }
            request.schema = history.table_schema(&request.schema);
        }
        let stored = stored_schema(&request.schema)?;
        drop(self.ready(dataset).await?);
        if self.exists(dataset) {
            let head = self.snapshot(dataset, None).await?;
            if request.mode.keeps_rows() && !appends_to(&head, &stored) {
                return Err(Error::SchemaMismatch { dataset });
            }
        }
        let (lake, claimed) = (self.clone(), Arc::default());
        Ok(TableWriter { lake, request, stored, stage: None, staged: None, merged: None, begins_us: None, storage: None, claimed })
    }

    pub(crate) async fn sequence_in(&self, snapshot: &TableSnapshot, source: &str) -> Result<Option<u64>, Error> {
        let dataset = snapshot.dataset;
        let reading = SealedLogStore::new(dataset, &self.log(dataset).await?, None)?;
        let version = snapshot.delta.transaction_version(reading.as_ref(), app_id(dataset, source)).await;
        let version = version.map_err(|source| Error::delta("read the last sequence", dataset, source))?;
        Ok(version.and_then(|version| u64::try_from(version).ok()))
    }
}

/// Whether rows of these columns can stand beside those that are there: columns may change while there are none.
pub(crate) fn appends_to(head: &TableSnapshot, stored: &Schema) -> bool {
    head.stored.fields() == stored.fields() || head.rows() == 0
}

fn app_id(dataset: DatasetId, source: &str) -> String {
    format!("{dataset}/{source}")
}

impl TableWriter {
    /// Hands a batch over; waits while the encoders are busy.
    ///
    /// # Errors
    /// When the batch does not have the columns, or encoding or storing failed.
    pub async fn write(&mut self, batch: Admitted) -> Result<(), Error> {
        let ordinals = batch.ordinals().to_vec();
        self.write_batch(batch.into_batch(), &ordinals).await
    }

    pub(crate) async fn write_batch(&mut self, batch: RecordBatch, ordinals: &[Range<u64>]) -> Result<(), Error> {
        let dataset = self.request.dataset;
        if self.staged.is_some() {
            return Err(Error::Misuse { dataset, reason: "commit or abort what was finished before writing more" });
        }
        let batch = match self.request.history.clone() {
            Some(history) => history.begin(&batch, self.begins_us(), dataset)?,
            None => batch,
        };
        let batch = to_stored(batch, &self.stored, dataset)?;
        let context = self.context();
        self.stage.get_or_insert_with(|| Stage::new(context)).write(batch, ordinals).await
    }

    /// Closes the files, reads their footers back from the store, and takes out the rows that the gate found to be duplicates.
    /// `removed` is told of each of these: its place in the run, and where it lies in a batch of the contract's columns; so
    /// that it can be quarantined.
    ///
    /// # Errors
    /// `RowsLost` (rejected) when the footers do not hold the rows that were handed over.
    pub async fn finish(
        &mut self,
        duplicates: &Duplicates,
        removed: &mut (dyn FnMut(u64, &RecordBatch, usize) + Send),
    ) -> Result<Staged, Error> {
        let mut ordinals: Vec<u64> = duplicates.ordinals().collect();
        ordinals.sort_unstable();
        ordinals.dedup();
        self.finish_without(ordinals, removed).await
    }

    pub(crate) async fn finish_without(&mut self, duplicates: Vec<u64>, removed: Removed<'_>) -> Result<Staged, Error> {
        let dataset = self.request.dataset;
        if self.staged.is_some() {
            return Err(Error::Misuse { dataset, reason: "it was finished already" });
        }
        let (files, written) = match self.stage.take() {
            Some(stage) => {
                let written = stage.rows();
                (stage.finish().await?, written)
            }
            None => (Vec::new(), 0),
        };
        let wanted = u64::try_from(duplicates.len()).unwrap_or(u64::MAX);
        let (files, removed) = remove_rows(&self.context(), files, duplicates, removed).await?;
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        let expected = written.saturating_sub(wanted);
        if rows != expected {
            return Err(Error::RowsLost { dataset, staged: rows, expected });
        }
        let staged = Staged { rows, removed, files: files.len(), bytes: files.iter().map(|file| file.size).sum() };
        self.staged = Some(files);
        self.lake.inner.failpoints.hit("lake.staged");
        Ok(staged)
    }

    /// The table as the commit would leave it, for rules that are asked before it. The permit is the loading one.
    ///
    /// # Errors
    /// When nothing is finished, the permit is another table's or for something else, or the table does not verify.
    pub async fn finished(&self, permit: &Permit) -> Result<Arc<dyn TableProvider>, Error> {
        let dataset = self.request.dataset;
        if permit.action() != PermitAction::Run || permit.table_id() != dataset {
            return Err(Error::WrongPermit { step: "check", dataset, wanted: "loading" });
        }
        let Some(staged) = &self.staged else {
            return Err(Error::Misuse { dataset, reason: "finish before checking" });
        };
        let mode = self.request.mode;
        let head = if mode.keeps_rows() && self.lake.exists(dataset) { Some(self.lake.snapshot(dataset, None).await?) } else { None };
        let mut files = match &head {
            head if mode.merges() => self.merged_files(head.as_deref()).await?,
            Some(head) => self.lake.scan_files(head, true).await?,
            None => Vec::new(),
        };
        let schema = scan_schema(&self.stored);
        files.extend(staged.iter().map(|file| {
            let (path, statistics) = (file.path.clone(), Arc::new(file.stats.to_planner(&schema, file.size)));
            ScanFile { file: DataFile { path, size: file.size, rows: file.rows, statistics, vector: None }, deleted: None }
        }));
        self.lake.staged(dataset, &self.stored, files)
    }

    /// When the batch's rows begin to be valid: when its first was written, and after the version before.
    pub(crate) fn begins_us(&mut self) -> i64 {
        let (inner, dataset) = (&self.lake.inner, self.request.dataset);
        *self.begins_us.get_or_insert_with(|| {
            let last_ms = inner.heads.versions(dataset).last().map_or(i64::MIN, |last| last.time_ms);
            inner.clock.now_ms().max(last_ms.saturating_add(1)).saturating_mul(1000)
        })
    }

    /// Makes the finished rows visible as run `sequence` of the source. The counts in `reconciled` have closed.
    ///
    /// # Errors
    /// When the lease is lost, the audit log refuses, or another commit came first. Nothing is visible then, or
    /// recovery finds the commit and adopts it.
    pub async fn commit(&mut self, sequence: u64, reconciled: Reconciled) -> Result<Committed, Error> {
        self.commit_counts(sequence, reconciled.counts()).await
    }

    pub(crate) async fn commit_counts(&mut self, sequence: u64, counts: Counts) -> Result<Committed, Error> {
        let dataset = self.request.dataset;
        let Some(files) = self.staged.take() else {
            return Err(Error::Misuse { dataset, reason: "finish before committing" });
        };
        let merged = self.merged.take();
        (self.begins_us, self.storage) = (None, None);
        let closed = self.counted(&counts, &files, merged.as_ref());
        if let Err(error) = closed {
            self.release();
            return Err(error);
        }
        if !self.lake.exists(dataset)
            && let Err(error) = self.lake.create(dataset, &self.request.schema, &self.request.actor).await
        {
            // Nothing names the rows yet: they go.
            self.staged = Some(files);
            let _ = self.abort().await;
            return Err(error);
        }
        let permit = self.lake.ready(dataset).await?;
        let head = self.lake.snapshot(dataset, None).await?;
        if let Some(last) = self.lake.sequence_in(&head, &self.request.source).await?
            && last >= sequence
        {
            self.delete(&files).await?;
            self.release();
            return Ok(Committed::Already { sequence: last });
        }
        if let Some(merged) = &merged
            && let Err(error) = self.meets(merged, Some(&head))
        {
            // What stays of the batch was decided by what is not there any more.
            self.staged = Some(files);
            let _ = self.abort().await;
            return Err(error);
        }
        let mut actions = self.actions(&head, &files, sequence)?;
        if let Some(merged) = &merged {
            actions.extend(self.merge_actions(&head, merged, self.lake.inner.clock.now_ms()).await?);
        }
        let save_mode = if self.request.mode == WriteMode::Append { SaveMode::Append } else { SaveMode::Overwrite };
        let delta = match &merged {
            Some(_) => Self::merge_operation(),
            None => DeltaOperation::Write { mode: save_mode, partition_by: None, predicate: None },
        };
        let commit = Commit {
            dataset,
            actor: &self.request.actor,
            operation: self.request.mode.operation(),
            sequence,
            counts: Some(counts),
            base: Some(head.as_ref()),
            actions,
            delta,
        };
        let storage = self.leaves(&head, &files, merged.as_ref());
        let version = self.lake.commit(commit, &permit).await?;
        self.storage = Some(storage);
        self.release();
        Ok(Committed::Now { version })
    }

    /// What the last commit made of the table in the store; none when it changed nothing.
    pub fn storage(&self) -> Option<Storage> {
        self.storage
    }

    /// What a commit makes of the table in the store.
    fn leaves(&self, head: &TableSnapshot, files: &[StagedFile], merged: Option<&Merged>) -> Storage {
        let mut storage = Storage::default();
        if self.request.mode.keeps_rows() && head.stored.fields() == self.stored.fields() {
            for (at, file) in head.files.iter().enumerate() {
                let gone = merged.map_or(0, |merged| merged.rows_gone(at));
                let deleted = file.deleted_rows().saturating_add(gone);
                // One of which no row is left is removed whole.
                if gone == 0 || deleted < file.rows {
                    storage.add(file.size, file.rows, deleted);
                }
            }
        }
        files.iter().for_each(|file| storage.add(file.size, file.rows, 0));
        storage
    }

    /// Law 5: what was counted on the way is what lies in the store. In a merge, rows of the batch that another one supersedes, and keys
    /// to be deleted, are loaded and not staged.
    fn counted(&self, counts: &Counts, files: &[StagedFile], merged: Option<&Merged>) -> Result<(), Error> {
        let dataset = self.request.dataset;
        let staged = match merged {
            Some(merged) => merged.matched.rows,
            None if self.request.mode.merges() => {
                return Err(Error::Misuse { dataset, reason: "match the batch's keys before committing" });
            }
            None => files.iter().map(|file| file.rows).sum(),
        };
        // In a merge, rows that another one of the batch came after were taken out here or as keys, and keys that were given to be deleted
        // are not staged.
        let whole = counts.staged() == staged && (merged.is_some() || counts.loaded == staged);
        if whole && counts.close() { Ok(()) } else { Err(Error::RowsLost { dataset, staged, expected: counts.loaded }) }
    }

    /// Drops what was written since the last commit and deletes its files.
    ///
    /// # Errors
    /// When a file cannot be deleted; vacuum will.
    pub async fn abort(&mut self) -> Result<(), Error> {
        let mut files = self.staged.take().unwrap_or_default();
        (self.merged, self.begins_us) = (None, None);
        if let Some(stage) = self.stage.take() {
            // What the encoders failed at does not matter any more: the files go.
            files.extend(stage.finish().await.unwrap_or_default());
        }
        self.delete(&files).await?;
        self.release();
        Ok(())
    }

    fn actions(&self, head: &TableSnapshot, files: &[StagedFile], sequence: u64) -> Result<Vec<Action>, Error> {
        let dataset = self.request.dataset;
        let now_ms = self.lake.inner.clock.now_ms();
        let internal = |step| Error::Internal { step, dataset };
        let mut actions = Vec::new();
        let version = i64::try_from(sequence).map_err(|_| internal("number the run"))?;
        actions.push(Action::Txn(Transaction::new_with_last_update(app_id(dataset, &self.request.source), version, Some(now_ms))));
        let keeps = self.request.mode.keeps_rows();
        if keeps && !appends_to(head, &self.stored) {
            return Err(Error::SchemaMismatch { dataset });
        }
        let columns_change = head.stored.fields() != self.stored.fields();
        if columns_change {
            let (protocol, metadata) = table_actions(&self.stored, dataset, now_ms, head.vectors)?;
            actions.push(Action::Protocol(protocol));
            actions.push(Action::Metadata(metadata));
        }
        if !keeps || columns_change {
            actions.extend(head.files.iter().map(|file| Action::Remove(remove(dataset, file, now_ms, true))));
        }
        for file in files {
            actions.push(Action::Add(add(dataset, file, now_ms, true)?));
        }
        Ok(actions)
    }

    pub(crate) fn context(&self) -> StageContext {
        self.lake.stage_context(self.request.dataset, Arc::clone(&self.stored), self.claim())
    }

    /// Keeps a file from a vacuum in this process until a commit names it.
    pub(crate) fn claim(&self) -> Arc<dyn Fn(&Path) + Send + Sync> {
        let (claims, claimed) = (self.lake.inner.claims.clone(), Arc::clone(&self.claimed));
        Arc::new(move |path: &Path| {
            claims.claim(path);
            claimed.lock().push(path.clone());
        })
    }

    async fn delete(&self, files: &[StagedFile]) -> Result<(), Error> {
        for file in files {
            self.lake.inner.store.delete(&file.path).await.map_err(|error| Error::store("delete", &file.path, error))?;
        }
        Ok(())
    }

    /// Leaves the files of a batch that is done with to vacuum: those that a version names, and those that none does.
    fn release(&self) {
        let claimed = std::mem::take(&mut *self.claimed.lock());
        self.lake.inner.claims.release(claimed.iter());
    }
}

impl Lake {
    pub(crate) fn stage_context(&self, dataset: DatasetId, schema: SchemaRef, claim: Arc<dyn Fn(&Path) + Send + Sync>) -> StageContext {
        let inner = &self.inner;
        StageContext {
            store: Arc::clone(&inner.store),
            dataset,
            schema,
            rng: Arc::clone(&inner.rng),
            faults: Arc::clone(&inner.faults),
            threads: inner.encode_threads,
            level: inner.zstd_level,
            row_group_rows: inner.row_group_rows,
            claim,
        }
    }
}

/// The action that makes a staged file visible.
pub(crate) fn add(dataset: DatasetId, file: &StagedFile, now_ms: i64, data_change: bool) -> Result<Add, Error> {
    let internal = || Error::Internal { step: "describe a file", dataset };
    Ok(Add {
        path: relative(dataset, &file.path),
        size: i64::try_from(file.size).map_err(|_| internal())?,
        modification_time: now_ms,
        data_change,
        stats: Some(serde_json::to_string(&file.stats).map_err(|_| internal())?),
        ..Add::default()
    })
}

/// The action that takes a file out of the visible version.
pub(crate) fn remove(dataset: DatasetId, file: &crate::snapshot::DataFile, now_ms: i64, data_change: bool) -> Remove {
    Remove {
        path: relative(dataset, &file.path),
        data_change,
        deletion_timestamp: Some(now_ms),
        extended_file_metadata: Some(true),
        partition_values: Some(std::collections::HashMap::new()),
        size: i64::try_from(file.size).ok(),
        deletion_vector: file.vector.as_ref().map(|vector| vector.descriptor.clone()),
        ..Remove::default()
    }
}
