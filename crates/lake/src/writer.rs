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
use crate::schema::{stored_schema, table_actions, to_stored};
use crate::snapshot::TableSnapshot;
use crate::stage::{Removed, Stage, StageContext, StagedFile, remove_rows};

/// What a commit does with the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// They stay.
    Append,
    /// The new rows take their place; the columns may change.
    Replace,
    /// As replace, for what a model computed.
    Model,
}

impl WriteMode {
    fn operation(self) -> TableOperation {
        match self {
            Self::Append => TableOperation::Append,
            Self::Replace => TableOperation::Replace,
            Self::Model => TableOperation::Model,
        }
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
    lake: Lake,
    request: WriteRequest,
    stored: SchemaRef,
    stage: Option<Stage>,
    staged: Option<Vec<StagedFile>>,
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
    /// When the table does not verify, or has rows under other columns and the mode is append.
    pub async fn writer(&self, request: WriteRequest) -> Result<TableWriter, Error> {
        let stored = stored_schema(&request.schema)?;
        drop(self.ready(request.dataset).await?);
        if self.exists(request.dataset) {
            let head = self.snapshot(request.dataset, None).await?;
            if request.mode == WriteMode::Append && !appends_to(&head, &stored) {
                return Err(Error::SchemaMismatch { dataset: request.dataset });
            }
        }
        Ok(TableWriter { lake: self.clone(), request, stored, stage: None, staged: None, claimed: Arc::default() })
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
        let batch = to_stored(batch, &self.stored, self.request.dataset)?;
        if self.staged.is_some() {
            return Err(Error::Misuse { dataset: self.request.dataset, reason: "commit or abort what was finished before writing more" });
        }
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
        let Some(files) = &self.staged else {
            return Err(Error::Misuse { dataset, reason: "finish before checking" });
        };
        self.lake.staged(dataset, &self.stored, files, self.request.mode == WriteMode::Append).await
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
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        if counts.loaded != rows || !counts.close() {
            return Err(Error::RowsLost { dataset, staged: rows, expected: counts.loaded });
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
            self.release(&files);
            return Ok(Committed::Already { sequence: last });
        }
        let actions = self.actions(&head, &files, sequence)?;
        let save_mode = if self.request.mode == WriteMode::Append { SaveMode::Append } else { SaveMode::Overwrite };
        let commit = Commit {
            dataset,
            actor: &self.request.actor,
            operation: self.request.mode.operation(),
            sequence,
            counts: Some(counts),
            base: Some(head.as_ref()),
            actions,
            delta: DeltaOperation::Write { mode: save_mode, partition_by: None, predicate: None },
        };
        let version = self.lake.commit(commit, &permit).await?;
        self.release(&files);
        Ok(Committed::Now { version })
    }

    /// Drops what was written since the last commit and deletes its files.
    ///
    /// # Errors
    /// When a file cannot be deleted; vacuum will.
    pub async fn abort(&mut self) -> Result<(), Error> {
        let mut files = self.staged.take().unwrap_or_default();
        if let Some(stage) = self.stage.take() {
            // What the encoders failed at does not matter any more: the files go.
            files.extend(stage.finish().await.unwrap_or_default());
        }
        self.delete(&files).await?;
        self.release(&files);
        Ok(())
    }

    fn actions(&self, head: &TableSnapshot, files: &[StagedFile], sequence: u64) -> Result<Vec<Action>, Error> {
        let dataset = self.request.dataset;
        let now_ms = self.lake.inner.clock.now_ms();
        let internal = |step| Error::Internal { step, dataset };
        let mut actions = Vec::new();
        let version = i64::try_from(sequence).map_err(|_| internal("number the run"))?;
        actions.push(Action::Txn(Transaction::new_with_last_update(app_id(dataset, &self.request.source), version, Some(now_ms))));
        let append = self.request.mode == WriteMode::Append;
        if append && !appends_to(head, &self.stored) {
            return Err(Error::SchemaMismatch { dataset });
        }
        let columns_change = head.stored.fields() != self.stored.fields();
        if columns_change {
            let (protocol, metadata) = table_actions(&self.stored, dataset, now_ms)?;
            actions.push(Action::Protocol(protocol));
            actions.push(Action::Metadata(metadata));
        }
        if !append || columns_change {
            actions.extend(head.files.iter().map(|file| Action::Remove(remove(dataset, file, now_ms, true))));
        }
        for file in files {
            actions.push(Action::Add(add(dataset, file, now_ms, true)?));
        }
        Ok(actions)
    }

    fn context(&self) -> StageContext {
        let claims = self.lake.inner.claims.clone();
        let claimed = Arc::clone(&self.claimed);
        let claim = move |path: &Path| {
            claims.claim(path);
            claimed.lock().push(path.clone());
        };
        self.lake.stage_context(self.request.dataset, Arc::clone(&self.stored), Arc::new(claim))
    }

    async fn delete(&self, files: &[StagedFile]) -> Result<(), Error> {
        for file in files {
            self.lake.inner.store.delete(&file.path).await.map_err(|error| Error::store("delete", &file.path, error))?;
        }
        Ok(())
    }

    fn release(&self, files: &[StagedFile]) {
        self.lake.inner.claims.release(files.iter().map(|file| &file.path));
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
        ..Remove::default()
    }
}
