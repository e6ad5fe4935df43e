//! Merges: rows take the place of those that have their keys, and rows are deleted by key. What goes is noted in deletion vectors, so that
//! a merge writes the batch's rows and a few bits for each row that goes, however large the files are that hold them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel::{Action, Add, DeletionVectorDescriptor};
use deltalake_core::protocol::DeltaOperation;
use futures::TryStreamExt as _;
use parquet::arrow::arrow_reader::RowSelection;
use polder_policy::{Action as PermitAction, Permit};
use polder_types::DatasetId;

use crate::error::Error;
use crate::file_reader::FileReader;
use crate::log::data_path;
use crate::log_store::relative;
use crate::matching::{Deletes, Going, KeyBatches, Matching};
use crate::migrate::fitted;
use crate::scan::ScanFile;
use crate::schema::table_actions;
use crate::snapshot::{DataFile, TableSnapshot, file_stats};
use crate::stage::{Stage, StagedFile, remove_positions};
use crate::stats::FileStats;
use crate::vector::{Positions, chosen, store_vectors};
use crate::writer::{TableWriter, appends_to, remove};

/// The columns in which a table with history says from when until when a row was valid. They are added to the batches' columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// From when on, inclusive.
    pub from: String,
    /// Until when, exclusive; NULL in the row that is valid.
    pub to: String,
}

impl History {
    /// The columns of the table of batches with these columns: what `Lake::migrate` is asked for.
    pub fn table_schema(&self, schema: &Schema) -> SchemaRef {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(&self.from, instant.clone(), true)));
        fields.push(Arc::new(Field::new(&self.to, instant, true)));
        Arc::new(Schema::new(fields))
    }

    /// A batch of the table of rows that are valid from an instant on, in microseconds.
    pub(crate) fn begin(&self, batch: &RecordBatch, at_us: i64, dataset: DatasetId) -> Result<RecordBatch, Error> {
        let schema = self.table_schema(batch.schema_ref());
        let mut columns = batch.columns().to_vec();
        columns.push(instants(Some(at_us), batch.num_rows()));
        columns.push(instants(None, batch.num_rows()));
        RecordBatch::try_new(schema, columns).map_err(|_| Error::SchemaMismatch { dataset })
    }

    /// Rows of the table that are valid until an instant, in microseconds.
    fn end(&self, batch: &RecordBatch, at_us: i64, dataset: DatasetId) -> Result<RecordBatch, Error> {
        let internal = |_| Error::Internal { step: "end rows", dataset };
        let mut columns = batch.columns().to_vec();
        let place = batch.schema_ref().index_of(&self.to).map_err(internal)?;
        if let Some(column) = columns.get_mut(place) {
            *column = instants(Some(at_us), batch.num_rows());
        }
        RecordBatch::try_new(batch.schema(), columns).map_err(internal)
    }
}

fn instants(at_us: Option<i64>, rows: usize) -> ArrayRef {
    Arc::new(std::iter::repeat_n(at_us, rows).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

/// What a finished batch meets in the table. Of its rows each is inserted, updated or unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Matched {
    /// The batch's rows: inserted, updated and unchanged ones.
    pub rows: u64,
    /// Rows whose key the table does not have.
    pub inserted: u64,
    /// Rows whose key the table has: they take its row's place, or in a table with history end its row and begin the next. Also rows
    /// that are equal to the table's, where they were not compared with it.
    pub updated: u64,
    /// Rows that the table has already, in every column: neither is its row removed nor theirs added. In a table with history all are
    /// compared; else those that meet rows of files of which the batch matches a tenth at least, when these are a tenth of the batch at
    /// least. So a source that is always read whole does not write the table anew, and a batch that meets a row here and there does not
    /// read the table whole.
    pub unchanged: u64,
    /// Keys that were given to be deleted, or to stay where all but these are.
    pub listed: u64,
    /// Rows of the table that are deleted without another in their place, or end where it has history.
    pub deleted: u64,
    /// Rows of the table that go, or end where it has history. More than `updated` and `deleted` when the table has a key of the batch twice.
    pub gone: u64,
}

/// What the commit of a merge does to the files of the version that it was matched with.
pub(crate) struct Merged {
    /// None when there was no table.
    version: Option<u64>,
    /// By the file's number in the version.
    gone: Vec<Positions>,
    pub matched: Matched,
}

impl Merged {
    /// How many rows of a file of the version go.
    pub(crate) fn rows_gone(&self, file: usize) -> u64 {
        self.gone.get(file).map_or(0, Positions::len)
    }
}

impl TableWriter {
    /// Finds the rows of the table that the finished batch takes the place of, and those to be deleted; before `finished` and `commit`.
    /// The permit is the loading one. Keys and at most the columns of rows that are compared are read, of the version that is visible
    /// now: when another commit comes between this and the batch's, the batch's is refused.
    ///
    /// # Errors
    /// When the mode is no merge, nothing is finished, the permit is another table's or for something else, or reading or writing fails.
    pub async fn match_rows(&mut self, permit: &Permit, deletes: Deletes<'_>) -> Result<Matched, Error> {
        self.match_keys(permit, deletes.into()).await
    }

    pub(crate) async fn match_keys(&mut self, permit: &Permit, going: Going<'_>) -> Result<Matched, Error> {
        let dataset = self.request.dataset;
        if permit.action() != PermitAction::Run || permit.table_id() != dataset {
            return Err(Error::WrongPermit { step: "compare keys with", dataset, wanted: "loading" });
        }
        if !self.request.mode.merges() {
            return Err(Error::Misuse { dataset, reason: "only a merge has keys to match" });
        }
        let Some(staged) = &self.staged else {
            return Err(Error::Misuse { dataset, reason: "finish before matching" });
        };
        if self.merged.is_some() {
            return Err(Error::Misuse { dataset, reason: "it was matched already" });
        }
        let rows = staged.iter().map(|file| file.rows).sum();
        let head = if self.lake.exists(dataset) { Some(self.lake.snapshot(dataset, None).await?) } else { None };
        if head.as_ref().is_some_and(|head| !appends_to(head, &self.stored)) {
            return Err(Error::SchemaMismatch { dataset });
        }
        let version = head.as_ref().map(|head| head.version);
        let merged = match head.filter(|head| head.rows() > 0) {
            None => {
                let matched = Matched { rows, inserted: rows, listed: count(going, dataset)?, ..Matched::default() };
                Merged { version, gone: Vec::new(), matched }
            }
            Some(head) => self.meet(&head, rows, going).await?,
        };
        let matched = merged.matched;
        self.merged = Some(merged);
        self.lake.inner.failpoints.hit("lake.matched");
        Ok(matched)
    }

    async fn meet(&mut self, head: &TableSnapshot, rows: u64, going: Going<'_>) -> Result<Merged, Error> {
        let history = self.request.history.clone();
        let ignored: Vec<&str> = history.iter().flat_map(|history| [history.from.as_str(), history.to.as_str()]).collect();
        let matching = Matching {
            lake: &self.lake,
            version: head,
            staged: self.staged.as_deref().unwrap_or_default(),
            keys: &self.request.keys,
            current: history.as_ref().map(|history| history.to.as_str()),
            ignored: &ignored,
            compare_all: history.is_some(),
            memory_bytes: self.lake.inner.merge_memory_bytes,
        };
        let found = matching.run(going).await?;
        let unchanged = found.unchanged.iter().map(Positions::len).sum();
        let gone = found.gone.iter().map(Positions::len).sum();
        let matched = Matched {
            rows,
            inserted: rows.saturating_sub(found.matched),
            updated: found.matched.saturating_sub(unchanged),
            unchanged,
            listed: found.listed,
            deleted: found.deleted,
            gone,
        };
        if let Some(files) = self.staged.take() {
            self.staged = Some(remove_positions(&self.context(), files, &found.unchanged).await?);
        }
        if let Some(history) = &history {
            let ended = self.ended(head, &found.gone, history).await?;
            self.staged.get_or_insert_default().extend(ended);
        }
        let staged: u64 = self.staged.iter().flatten().map(|file| file.rows).sum();
        let expected = rows.saturating_sub(unchanged).saturating_add(if history.is_some() { gone } else { 0 });
        if staged != expected {
            return Err(Error::RowsLost { dataset: head.dataset, staged, expected });
        }
        Ok(Merged { version: Some(head.version), gone: found.gone, matched })
    }

    /// The rows that go, as rows that ended when the batch began, staged.
    async fn ended(&mut self, head: &TableSnapshot, gone: &[Positions], history: &History) -> Result<Vec<StagedFile>, Error> {
        let (dataset, at_us) = (head.dataset, self.begins_us());
        let mut stage = Stage::new(self.context());
        for (file, gone) in head.files.iter().zip(gone).filter(|(_, gone)| !gone.is_empty()) {
            let reader = FileReader::new(&self.lake.inner.store, &file.path, file.size);
            let metadata = reader.clone().metadata().await?;
            let mut first = 0u64;
            for (group, held) in metadata.metadata().row_groups().iter().enumerate() {
                let chosen = chosen(gone, first, usize::try_from(held.num_rows()).unwrap_or_default());
                first = first.saturating_add(u64::try_from(held.num_rows()).unwrap_or_default());
                let Some(chosen) = chosen else { continue };
                let mut batches = reader.clone().group(&metadata, group, Some(RowSelection::from_boolean_buffer(chosen)))?;
                while let Some(batch) = batches.try_next().await.map_err(|error| Error::parquet("read", &file.path, error))? {
                    stage.append(history.end(&fitted(batch, &self.stored, dataset)?, at_us, dataset)?).await?;
                }
            }
        }
        stage.finish().await
    }

    /// The files of a version as the commit would leave them.
    pub(crate) async fn merged_files(&self, head: Option<&TableSnapshot>) -> Result<Vec<ScanFile>, Error> {
        let dataset = self.request.dataset;
        let Some(merged) = &self.merged else {
            return Err(Error::Misuse { dataset, reason: "match the batch's keys before checking" });
        };
        self.meets(merged, head)?;
        let Some(head) = head else { return Ok(Vec::new()) };
        let mut files = self.lake.scan_files(head, true).await?;
        for (file, gone) in files.iter_mut().zip(&merged.gone).filter(|(_, gone)| !gone.is_empty()) {
            file.deleted = Some(Arc::new(union(file.deleted.as_deref(), gone, dataset)?));
        }
        files.retain(|file| file.deleted.as_ref().is_none_or(|deleted| deleted.len() < file.file.rows));
        Ok(files)
    }

    /// Whether the table is still what the batch was matched with.
    pub(crate) fn meets(&self, merged: &Merged, head: Option<&TableSnapshot>) -> Result<(), Error> {
        let same = merged.version == head.map(|head| head.version);
        // The commit itself makes the table.
        let made = merged.version.is_none() && head.is_some_and(|head| head.files.is_empty());
        if same || made { Ok(()) } else { Err(Error::Moved { dataset: self.request.dataset }) }
    }

    /// What the commit does to the files of `head`: each that has rows that go is named anew with its vector, or goes.
    pub(crate) async fn merge_actions(&self, head: &TableSnapshot, merged: &Merged, now_ms: i64) -> Result<Vec<Action>, Error> {
        let dataset = head.dataset;
        let mut vectors: Vec<(&DataFile, Positions)> = Vec::new();
        let mut actions = Vec::new();
        for (file, gone) in head.files.iter().zip(&merged.gone).filter(|(_, gone)| !gone.is_empty()) {
            let deleted = self.lake.deleted(dataset, file).await?;
            let deleted = union(deleted.as_deref(), gone, dataset)?;
            actions.push(Action::Remove(remove(dataset, file, now_ms, true)));
            if deleted.len() < file.rows {
                vectors.push((file, deleted));
            }
        }
        if vectors.is_empty() {
            return Ok(actions);
        }
        if !head.vectors {
            let (protocol, metadata) = table_actions(&head.stored, dataset, now_ms, true)?;
            actions.push(Action::Protocol(protocol));
            actions.push(Action::Metadata(metadata));
        }
        let claim = self.claim();
        let wanted: Vec<&Positions> = vectors.iter().map(|(_, positions)| positions).collect();
        let (store, rng) = (self.lake.objects(), self.lake.inner.rng.as_ref());
        let stored = store_vectors(store, rng, dataset, claim.as_ref(), &wanted).await?;
        self.lake.inner.failpoints.hit("lake.vectors_stored");
        let mut statistics: HashMap<String, FileStats> = HashMap::new();
        for view in head.delta.log_data().iter() {
            let path = data_path(dataset, &view.path());
            if vectors.iter().any(|(file, _)| file.path == path) {
                statistics.insert(path.to_string(), file_stats(dataset, &view)?);
            }
        }
        for ((file, _), vector) in vectors.iter().zip(stored) {
            let known = statistics.remove(file.path.as_ref()).ok_or(Error::Internal { step: "describe a file", dataset })?;
            actions.push(Action::Add(add_again(dataset, file, known, vector, now_ms)?));
        }
        Ok(actions)
    }

    /// Delta's name of a merge.
    pub(crate) fn merge_operation() -> DeltaOperation {
        DeltaOperation::Merge {
            predicate: None,
            merge_predicate: None,
            matched_predicates: Vec::new(),
            not_matched_predicates: Vec::new(),
            not_matched_by_source_predicates: Vec::new(),
        }
    }
}

/// How many keys were given.
fn count(going: Going<'_>, dataset: DatasetId) -> Result<u64, Error> {
    let keys: KeyBatches<'_> = match going {
        Going::None => return Ok(0),
        Going::Listed(keys) | Going::AllBut(keys) => keys,
    };
    keys.map(|batch| match batch {
        Ok(batch) => Ok(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX)),
        Err(source) => Err(Error::Keys { dataset, source: Box::new(source) }),
    })
    .sum()
}

/// The rows of a file that are not in the table any more once those that go are gone, which are others.
fn union(deleted: Option<&Positions>, gone: &Positions, dataset: DatasetId) -> Result<Positions, Error> {
    let Some(deleted) = deleted else { return Ok(gone.clone()) };
    let both = deleted | gone;
    let others = both.len() == deleted.len().saturating_add(gone.len());
    if others { Ok(both) } else { Err(Error::Internal { step: "take out rows twice", dataset }) }
}

/// The action that names a file anew, with a vector. Its bounds need not be values any more.
fn add_again(dataset: DatasetId, file: &DataFile, known: FileStats, vector: DeletionVectorDescriptor, now_ms: i64) -> Result<Add, Error> {
    named_again(dataset, file, &FileStats { tight_bounds: false, ..known }, Some(vector), now_ms)
}

/// The action that names a file that lies there already.
pub(crate) fn named_again(
    dataset: DatasetId,
    file: &DataFile,
    known: &FileStats,
    vector: Option<DeletionVectorDescriptor>,
    now_ms: i64,
) -> Result<Add, Error> {
    let internal = || Error::Internal { step: "describe a file", dataset };
    Ok(Add {
        path: relative(dataset, &file.path),
        size: i64::try_from(file.size).map_err(|_| internal())?,
        modification_time: now_ms,
        data_change: true,
        stats: Some(serde_json::to_string(known).map_err(|_| internal())?),
        deletion_vector: vector,
        ..Add::default()
    })
}
