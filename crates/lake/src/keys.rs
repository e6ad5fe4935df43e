//! The keys that a table holds already, for the gate's check of uniqueness: the key columns alone, streamed, for nobody's
//! eyes. They leave the lake only as what the gate hashes.

use std::sync::Arc;
use std::sync::mpsc;

use arrow::array::RecordBatch;
use futures::TryStreamExt as _;
use polder_contract::KeyLookup;
use polder_types::DatasetId;

use crate::error::Error;
use crate::file_reader::FileReader;
use crate::lake::Lake;
use crate::snapshot::TableSnapshot;

/// Batches that wait for the gate.
const BATCHES_WAITING_MAX: usize = 2;

/// See the module. Reads ahead on a thread of its own, so that the gate may wait for it from any thread.
pub struct TableKeys {
    batches: mpsc::Receiver<Result<RecordBatch, Error>>,
}

impl std::fmt::Debug for TableKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableKeys").finish_non_exhaustive()
    }
}

impl Lake {
    /// Streams the key columns of the visible version, in the order in which they are named.
    ///
    /// # Errors
    /// When the table does not exist, does not verify, or does not have the columns.
    pub async fn keys(&self, dataset: DatasetId, columns: &[String]) -> Result<TableKeys, Error> {
        let snapshot = self.snapshot(dataset, None).await?;
        if columns.is_empty() || columns.iter().any(|column| snapshot.stored.index_of(column).is_err()) {
            return Err(Error::SchemaMismatch { dataset });
        }
        let (sender, batches) = mpsc::sync_channel(BATCHES_WAITING_MAX);
        let (lake, columns) = (self.clone(), columns.to_vec());
        let internal = |_| Error::Internal { step: "read the keys", dataset };
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(internal)?;
        let read = move || {
            if let Err(error) = runtime.block_on(lake.send_keys(&snapshot, &columns, &sender)) {
                // Nobody listens any more when this fails.
                drop(sender.send(Err(error)));
            }
        };
        std::thread::Builder::new().name("table-keys".to_owned()).spawn(read).map_err(internal)?;
        Ok(TableKeys { batches })
    }

    async fn send_keys(
        &self,
        snapshot: &Arc<TableSnapshot>,
        columns: &[String],
        sender: &mpsc::SyncSender<Result<RecordBatch, Error>>,
    ) -> Result<(), Error> {
        let internal = |_| Error::Internal { step: "read the keys", dataset: snapshot.dataset };
        for file in &snapshot.files {
            let mut batches = FileReader::new(&self.inner.store, &file.path, file.size).batches(Some(columns)).await?;
            while let Some(batch) = batches.try_next().await.map_err(|error| Error::parquet("read", &file.path, error))? {
                let order: Vec<usize> =
                    columns.iter().map(|column| batch.schema_ref().index_of(column)).collect::<Result<_, _>>().map_err(internal)?;
                let batch = batch.project(&order).map_err(internal)?;
                if sender.send(Ok(batch)).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl KeyLookup for TableKeys {
    fn next_keys(&mut self) -> Result<Option<RecordBatch>, polder_contract::Error> {
        match self.batches.recv() {
            Ok(Ok(batch)) => Ok(Some(batch)),
            Ok(Err(error)) => {
                Err(polder_contract::Error::Lookup { message: error.to_string(), kind: error.kind(), source: Some(Box::new(error)) })
            }
            // The reading thread ended after the last file.
            Err(mpsc::RecvError) => Ok(None),
        }
    }
}
