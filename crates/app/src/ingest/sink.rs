//! The sinks of a load: a lake's writer with the offsets that stand beside each of its commits; and for a dry run one that counts.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use polder_connect::{Committed, Removed, SinkError, Staged, TableSink};
use polder_contract::{Admitted, Duplicates, Reconciled};
use polder_lake::{Deletes, Matched, Storage, TableWriter};
use polder_policy::Permit;
use polder_store::SealedStore;
use polder_types::{DatasetId, ErrorKind};

use super::offsets::{LoadedFile, Offsets};
use crate::failpoint;
use crate::failure::Failure;

/// See the module. `record` is what the next commit writes down: everything that the table will hold.
pub(super) struct LakeSink<'a> {
    writer: TableWriter,
    store: &'a SealedStore,
    dataset: DatasetId,
    record: Offsets,
}

impl<'a> LakeSink<'a> {
    pub fn new(writer: TableWriter, store: &'a SealedStore, dataset: DatasetId, record: Offsets) -> Self {
        Self { writer, store, dataset, record }
    }

    /// The table as the commit would leave it.
    pub async fn finished(&self, permit: &Permit) -> Result<Arc<dyn TableProvider>, SinkError> {
        self.writer.finished(permit).await.map_err(failed)
    }

    /// Finds what the finished rows meet in the table.
    pub async fn match_rows(&mut self, permit: &Permit, deletes: Deletes<'_>) -> Result<Matched, polder_lake::Error> {
        self.writer.match_rows(permit, deletes).await
    }

    /// What the last commit made of the table in the store.
    pub fn storage(&self) -> Option<Storage> {
        self.writer.storage()
    }

    /// What the next commit writes down.
    pub fn record(&mut self) -> &mut Offsets {
        &mut self.record
    }
}

fn failed(error: polder_lake::Error) -> SinkError {
    SinkError { kind: error.kind(), step: error.to_string(), source: Some(Box::new(error)) }
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        let SinkError { kind, step, source } = error;
        match source.map(|source| source.downcast::<polder_lake::Error>()) {
            // The lake's own words say all that there is.
            Some(Ok(lake)) => Self::from(*lake),
            Some(Err(other)) => Self::because(kind, step, &*other),
            None => Self::new(kind, step),
        }
    }
}

#[async_trait]
impl TableSink for LakeSink<'_> {
    async fn write(&mut self, batch: Admitted) -> Result<(), SinkError> {
        self.writer.write(batch).await.map_err(failed)
    }

    async fn finish(&mut self, duplicates: &Duplicates, removed: &mut Removed<'_>) -> Result<Staged, SinkError> {
        let staged = self.writer.finish(duplicates, removed).await.map_err(failed)?;
        Ok(Staged { rows: staged.rows, removed: staged.removed })
    }

    async fn commit(&mut self, offsets: polder_connect::Offsets, reconciled: Reconciled) -> Result<Committed, SinkError> {
        let polder_connect::Offsets { sequence, source_identity, files } = offsets;
        self.record.source_identity = source_identity;
        self.record.note(files.iter().map(LoadedFile::from).collect());
        let written = self.record.write(self.store, self.dataset, sequence).await;
        written.map_err(|failure| SinkError { kind: failure.kind(), step: failure.to_string(), source: None })?;
        failpoint::hit("offsets-written");
        Ok(match self.writer.commit(sequence, reconciled).await.map_err(failed)? {
            polder_lake::Committed::Now { version } => Committed::Now { version },
            polder_lake::Committed::Already { sequence } => Committed::Already { sequence },
        })
    }

    async fn abort(&mut self) -> Result<(), SinkError> {
        self.writer.abort().await.map_err(failed)
    }
}

/// Counts rows and stores none.
#[derive(Default)]
pub(super) struct Counter {
    rows: u64,
}

#[async_trait]
impl TableSink for Counter {
    async fn write(&mut self, batch: Admitted) -> Result<(), SinkError> {
        self.rows += batch.rows() as u64;
        Ok(())
    }

    async fn finish(&mut self, duplicates: &Duplicates, _: &mut Removed<'_>) -> Result<Staged, SinkError> {
        let removed = duplicates.ordinals().len() as u64;
        self.rows = self.rows.saturating_sub(removed);
        Ok(Staged { rows: self.rows, removed })
    }

    async fn commit(&mut self, _: polder_connect::Offsets, _: Reconciled) -> Result<Committed, SinkError> {
        Err(SinkError { kind: ErrorKind::Internal, step: "commit a dry run; report this as a defect".to_owned(), source: None })
    }

    async fn abort(&mut self) -> Result<(), SinkError> {
        self.rows = 0;
        Ok(())
    }
}
