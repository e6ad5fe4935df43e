//! Reads a stored Parquet file whose size is known: no request is made only to learn it.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use polder_types::DatasetId;

use crate::error::Error;
use crate::lake::Lake;
use crate::snapshot::DataFile;
use crate::vector::{Positions, kept};

/// Bytes that the first request takes from the end: the footer of most files.
const FOOTER_GUESS_BYTES: usize = 64 << 10;
/// Rows of a batch that is read back.
const BATCH_ROWS: usize = 8192;

#[derive(Debug, Clone)]
pub(crate) struct FileReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    /// The columns that are read; none for all.
    columns: Option<Arc<[String]>>,
}

impl FileReader {
    pub(crate) fn new(store: &Arc<dyn ObjectStore>, path: &Path, size: u64) -> Self {
        Self { store: Arc::clone(store), path: path.clone(), size, columns: None }
    }

    /// Reads these columns alone.
    pub(crate) fn projecting(self, columns: &[String]) -> Self {
        Self { columns: Some(columns.into()), ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The footer, with page indexes where the file has them.
    pub(crate) async fn footer(mut self) -> Result<Arc<ParquetMetaData>, Error> {
        let path = self.path.clone();
        self.get_metadata(None).await.map_err(|error| Error::parquet("read back the footer of", &path, error))
    }

    /// The footer for [`Self::group`], without page indexes: whole row groups are read by it.
    pub(crate) async fn metadata(mut self) -> Result<ArrowReaderMetadata, Error> {
        let path = self.path.clone();
        ArrowReaderMetadata::load_async(&mut self, ArrowReaderOptions::new())
            .await
            .map_err(|error| Error::parquet("read back the footer of", &path, error))
    }

    /// The rows of one row group, in order: those selected.
    pub(crate) fn group(
        self,
        metadata: &ArrowReaderMetadata,
        group: usize,
        selected: Option<RowSelection>,
    ) -> Result<ParquetRecordBatchStream<Self>, Error> {
        let path = self.path.clone();
        let columns = self.columns.clone();
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(self, metadata.clone()).with_row_groups(vec![group]);
        if let Some(selected) = selected {
            builder = builder.with_row_selection(selected);
        }
        projected(builder, columns).build().map_err(|error| Error::parquet("read", &path, error))
    }

    /// The rows, in order.
    pub(crate) async fn batches(self) -> Result<ParquetRecordBatchStream<Self>, Error> {
        self.stretch(0, None).await
    }

    /// The rows from the `first` on, `rows` of them, in order. None: to the end.
    pub(crate) async fn stretch(self, first: usize, rows: Option<usize>) -> Result<ParquetRecordBatchStream<Self>, Error> {
        let path = self.path.clone();
        let columns = self.columns.clone();
        let fail = |error| Error::parquet("read", &path, error);
        let mut builder = ParquetRecordBatchStreamBuilder::new(self).await.map_err(fail)?;
        if first > 0 {
            builder = builder.with_offset(first);
        }
        if let Some(rows) = rows {
            builder = builder.with_limit(rows);
        }
        projected(builder, columns).build().map_err(fail)
    }
}

fn projected(
    builder: ParquetRecordBatchStreamBuilder<FileReader>,
    columns: Option<Arc<[String]>>,
) -> ParquetRecordBatchStreamBuilder<FileReader> {
    let builder = builder.with_batch_size(BATCH_ROWS);
    let Some(columns) = columns else { return builder };
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().map(String::as_str));
    builder.with_projection(mask)
}

/// The rows of a data file that are in the table, in order.
pub(crate) struct LiveRows {
    batches: ParquetRecordBatchStream<FileReader>,
    deleted: Option<Arc<Positions>>,
    position: u64,
    path: Path,
}

impl LiveRows {
    /// The next of them; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        while let Some(batch) = self.batches.try_next().await.map_err(|error| Error::parquet("read", &self.path, error))? {
            let first = self.position;
            self.position = first.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
            let kept = self.deleted.as_ref().and_then(|deleted| kept(deleted, first, batch.num_rows()));
            let Some(kept) = kept else { return Ok(Some(batch)) };
            let batch = filter_record_batch(&batch, &BooleanArray::new(kept, None))
                .map_err(|error| Error::parquet("filter", &self.path, error.into()))?;
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

impl Lake {
    /// The rows of a data file that are in the table: of all columns, or of those named.
    pub(crate) async fn live_rows(&self, dataset: DatasetId, file: &DataFile, columns: Option<&[String]>) -> Result<LiveRows, Error> {
        let deleted = self.deleted(dataset, file).await?;
        let reader = FileReader::new(&self.inner.store, &file.path, file.size);
        let reader = match columns {
            Some(columns) => reader.projecting(columns),
            None => reader,
        };
        let batches = reader.batches().await?;
        Ok(LiveRows { batches, deleted, position: 0, path: file.path.clone() })
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move { self.store.get_range(&self.path, range).map_err(external).await }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(&'a mut self, options: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let size = self.size;
        async move {
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options).with_prefetch_hint(Some(FOOTER_GUESS_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}
