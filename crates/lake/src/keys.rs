//! The keys that a table holds already, for the gate's check of uniqueness: the key columns alone, streamed, for nobody's
//! eyes. They leave the lake only as what the gate hashes.

use std::sync::Arc;
use std::sync::mpsc;

use arrow::array::RecordBatch;
use polder_contract::{KeyAccess, KeyLookup};
use polder_policy::{Action, Permit};
use polder_types::DatasetId;

use crate::error::Error;
use crate::lake::Lake;
use crate::migrate::fitted;
use crate::snapshot::TableSnapshot;

/// Batches that wait for the gate.
const BATCHES_WAITING_MAX: usize = 2;

/// A batch of keys, or none at the end. A thread that dies says neither.
type Sent = Result<Option<RecordBatch>, Error>;

/// See the module. Reads ahead on a thread of its own, so that the gate may wait for it from any thread.
pub struct TableKeys {
    dataset: DatasetId,
    batches: mpsc::Receiver<Sent>,
    ended: bool,
}

impl std::fmt::Debug for TableKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableKeys").finish_non_exhaustive()
    }
}

impl Lake {
    /// Streams the key columns of the visible version of the permit's table, in the order in which they are named.
    ///
    /// # Errors
    /// When the permit is not for loading, or the table does not exist, does not verify, or does not have the columns.
    pub async fn keys(&self, permit: &Permit, columns: &[String]) -> Result<TableKeys, Error> {
        let dataset = permit.table_id();
        if permit.action() != Action::Run {
            return Err(Error::WrongPermit { step: "compare keys with", dataset, wanted: "loading" });
        }
        let snapshot = self.snapshot(dataset, None).await?;
        if columns.is_empty() || columns.iter().any(|column| snapshot.stored.index_of(column).is_err()) {
            return Err(Error::SchemaMismatch { dataset });
        }
        let (lake, columns) = (self.clone(), columns.to_vec());
        let runtime =
            tokio::runtime::Builder::new_current_thread().build().map_err(|_| Error::Internal { step: "read the keys", dataset })?;
        TableKeys::reading(dataset, move |sender| runtime.block_on(lake.send_keys(&snapshot, &columns, sender)))
    }

    async fn send_keys(&self, snapshot: &Arc<TableSnapshot>, columns: &[String], sender: &mpsc::SyncSender<Sent>) -> Result<(), Error> {
        let internal = |_| Error::Internal { step: "read the keys", dataset: snapshot.dataset };
        let order: Vec<usize> =
            columns.iter().map(|column| snapshot.stored.index_of(column)).collect::<Result<_, _>>().map_err(internal)?;
        let stored = Arc::new(snapshot.stored.project(&order).map_err(internal)?);
        for file in &snapshot.files {
            let mut rows = self.live_rows(snapshot.dataset, file, Some(columns)).await?;
            while let Some(batch) = rows.next().await? {
                // A file that was written before a column came holds NULL in it.
                let batch = fitted(batch, &stored, snapshot.dataset)?;
                if sender.send(Ok(Some(batch))).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl TableKeys {
    fn reading(
        dataset: DatasetId,
        read: impl FnOnce(&mpsc::SyncSender<Sent>) -> Result<(), Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (sender, batches) = mpsc::sync_channel(BATCHES_WAITING_MAX);
        let read = move || {
            let last = read(&sender).map(|()| None);
            // Nobody listens any more when this fails.
            drop(sender.send(last));
        };
        let started = std::thread::Builder::new().name("table-keys".to_owned()).spawn(read);
        started.map_err(|_| Error::Internal { step: "read the keys", dataset })?;
        Ok(Self { dataset, batches, ended: false })
    }

    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        if self.ended {
            return Ok(None);
        }
        // A channel that closes without a last word: the reading thread died, and which keys follow is not known.
        let next = self.batches.recv().unwrap_or(Err(Error::Internal { step: "read the keys to their end", dataset: self.dataset }))?;
        self.ended = next.is_none();
        Ok(next)
    }
}

impl KeyLookup for TableKeys {
    fn next_keys(&mut self, _: &KeyAccess) -> Result<Option<RecordBatch>, polder_contract::Error> {
        self.next_batch().map_err(|error| polder_contract::Error::Lookup {
            message: error.to_string(),
            kind: error.kind(),
            source: Some(Box::new(error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};
    use polder_types::ErrorKind;

    use super::*;

    fn keys() -> RecordBatch {
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap()
    }

    #[test]
    fn keys_end_where_the_reading_thread_says_so() {
        let mut whole = TableKeys::reading(DatasetId([1; 16]), |sender| {
            sender.send(Ok(Some(keys()))).unwrap();
            Ok(())
        })
        .unwrap();
        assert_eq!(whole.next_batch().unwrap(), Some(keys()));
        assert_eq!(whole.next_batch().unwrap(), None);
        assert_eq!(whole.next_batch().unwrap(), None);
    }

    #[test]
    fn a_reading_thread_that_dies_is_no_end_of_the_keys() {
        let mut cut = TableKeys::reading(DatasetId([1; 16]), |sender| {
            sender.send(Ok(Some(keys()))).unwrap();
            panic!("as a decoder might");
        })
        .unwrap();
        assert_eq!(cut.next_batch().unwrap(), Some(keys()));
        for _ in 0..2 {
            assert_eq!(cut.next_batch().unwrap_err().kind(), ErrorKind::Internal);
        }
    }
}
