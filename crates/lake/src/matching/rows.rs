//! Reads rows of a version on several threads, a row group at a time: what is in memory is a row group of the columns that are read,
//! for each thread.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;
use futures::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection};
use tokio::sync::mpsc;

use super::bounds::Bounds;
use crate::error::Error;
use crate::file_reader::FileReader;
use crate::lake::Lake;
use crate::migrate::fitted;
use crate::snapshot::TableSnapshot;
use crate::vector::{Positions, chosen};

/// How many footers are read at once.
const READS_AT_ONCE: usize = 4;

/// Where the rows of a batch lie in their file.
pub(crate) enum Places<'a> {
    /// One after the other from here.
    From(u64),
    /// Here.
    Listed(&'a [u64]),
}

impl Places<'_> {
    /// Of a row of the batch.
    #[inline]
    pub(crate) fn at(&self, row: usize) -> Option<u64> {
        match self {
            Self::From(first) => first.checked_add(u64::try_from(row).ok()?),
            Self::Listed(places) => places.get(row).copied(),
        }
    }
}

/// Is shown a batch of a file, and adds positions to those of this file that are given back.
pub(crate) type Visit = dyn Fn(usize, &Places<'_>, &RecordBatch, &mut Positions) -> Result<(), Error> + Send + Sync;

/// A file to be read: its number in the version, and the rows that are wanted; none for all.
pub(crate) struct Wanted {
    pub file: usize,
    pub rows: Option<Arc<Positions>>,
}

/// A row group to be read.
struct Unit {
    file: usize,
    reader: FileReader,
    metadata: ArrowReaderMetadata,
    group: usize,
    /// The position of its first row.
    first: u64,
    chosen: Option<BooleanBuffer>,
}

/// See the module.
pub(crate) struct Rows<'a> {
    pub lake: &'a Lake,
    pub version: &'a TableSnapshot,
    /// Columns of the table that are read, in this order.
    pub columns: SchemaRef,
    /// Row groups without any of these keys are passed over.
    pub bounds: Bounds,
}

impl Rows<'_> {
    /// Shows the rows to `visit`. Gives, for each file of the version, the positions that it added.
    pub(crate) async fn visit(&self, wanted: Vec<Wanted>, visit: Arc<Visit>) -> Result<Vec<Positions>, Error> {
        let found: Arc<Mutex<Vec<Positions>>> = Arc::new(Mutex::new(vec![Positions::new(); self.version.files.len()]));
        let threads = self.lake.inner.encode_threads;
        let (queue, receiver) = mpsc::channel::<Unit>(threads);
        let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
        let dataset = self.version.dataset;
        let mut workers = Vec::with_capacity(threads);
        for _ in 0..threads {
            let (receiver, visit, found) = (Arc::clone(&receiver), Arc::clone(&visit), Arc::clone(&found));
            let (columns, runtime) = (Arc::clone(&self.columns), tokio::runtime::Handle::current());
            workers.push(tokio::task::spawn_blocking(move || {
                loop {
                    let next = receiver.blocking_lock().blocking_recv();
                    let Some(unit) = next else { return Ok(()) };
                    let file = unit.file;
                    match unit.read(&columns, dataset, visit.as_ref(), &runtime) {
                        Ok(positions) => {
                            if let Some(found) = found.lock().get_mut(file) {
                                *found |= positions;
                            }
                        }
                        Err(error) => {
                            // Whoever waits for room in the queue must not wait for ever.
                            receiver.blocking_lock().close();
                            return Err(error);
                        }
                    }
                }
            }));
        }
        drop(receiver);
        let listed = self.list(wanted, &queue).await;
        drop(queue);
        let mut failed = None;
        for worker in workers {
            match worker.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(_) => failed = failed.or(Some(Error::Internal { step: "read rows", dataset })),
            }
        }
        let result = match failed {
            Some(error) => Err(error),
            None => listed,
        };
        self.lake.close_on_integrity(dataset, result).await?;
        Ok(std::mem::take(&mut *found.lock()))
    }

    /// Puts the row groups that are wanted into the queue.
    async fn list(&self, wanted: Vec<Wanted>, queue: &mpsc::Sender<Unit>) -> Result<(), Error> {
        let names: Vec<String> = self.columns.fields().iter().map(|field| field.name().clone()).collect();
        let read = wanted.into_iter().filter_map(|Wanted { file: number, rows }| {
            let file = self.version.files.get(number)?;
            let none = rows.as_ref().is_some_and(|rows| rows.is_empty());
            if none || self.bounds.exclude_file(&self.version.scanned, &file.statistics) {
                return None;
            }
            Some((number, rows, FileReader::new(&self.lake.inner.store, &file.path, file.size).projecting(&names), file.rows))
        });
        // Owned, or the compiler does not see that the future can be sent to another thread.
        let read: Vec<_> = read.collect();
        let mut footers = futures::stream::iter(read)
            .map(|(number, rows, reader, expected)| async move {
                let metadata = reader.clone().metadata().await?;
                if crate::stats::rows(metadata.metadata()) != expected {
                    let finding = "the file does not hold the rows that the table log gives";
                    return Err(Error::Integrity { object: reader.path().to_string(), finding });
                }
                Ok((number, rows, reader, metadata))
            })
            .buffered(READS_AT_ONCE);
        while let Some((number, rows, reader, metadata)) = footers.try_next().await? {
            let mut first = 0u64;
            for (group, held) in metadata.metadata().row_groups().iter().enumerate() {
                let begin = first;
                first = first.saturating_add(u64::try_from(held.num_rows()).unwrap_or_default());
                let chosen = match &rows {
                    None => None,
                    Some(rows) => match chosen(rows, begin, usize::try_from(held.num_rows()).unwrap_or_default()) {
                        None => continue,
                        some => some,
                    },
                };
                if self.bounds.exclude_group(&metadata, group) {
                    continue;
                }
                let unit = Unit { file: number, reader: reader.clone(), metadata: metadata.clone(), group, first: begin, chosen };
                if queue.send(unit).await.is_err() {
                    // The error is that of the thread that closed the queue.
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Unit {
    fn read(
        self,
        columns: &SchemaRef,
        dataset: polder_types::DatasetId,
        visit: &Visit,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Positions, Error> {
        let path = self.reader.path().clone();
        let places: Option<Vec<u64>> = self.chosen.as_ref().map(|bits| {
            let position = |place| self.first.saturating_add(u64::try_from(place).unwrap_or(u64::MAX));
            bits.set_indices().map(position).collect()
        });
        let selected = self.chosen.map(RowSelection::from_boolean_buffer);
        let mut batches = self.reader.group(&self.metadata, self.group, selected)?;
        let mut found = Positions::new();
        let mut before = 0usize;
        while let Some(batch) = runtime.block_on(batches.try_next()).map_err(|error| Error::parquet("read", &path, error))? {
            let batch = fitted(batch, columns, dataset)?;
            let after = before.saturating_add(batch.num_rows());
            match &places {
                None => {
                    let first = self.first.saturating_add(u64::try_from(before).unwrap_or(u64::MAX));
                    visit(self.file, &Places::From(first), &batch, &mut found)?;
                }
                Some(places) => {
                    let of = places.get(before..after).ok_or(Error::Internal { step: "place the rows", dataset })?;
                    visit(self.file, &Places::Listed(of), &batch, &mut found)?;
                }
            }
            before = after;
        }
        Ok(found)
    }
}
