//! Reads a stored Parquet file whose size is known: no request is made only to learn it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::error::Error;

/// Bytes that the first request takes from the end: the footer of most files.
const FOOTER_GUESS_BYTES: usize = 64 << 10;
/// Rows of a batch that is read back.
const BATCH_ROWS: usize = 8192;

#[derive(Debug, Clone)]
pub(crate) struct FileReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

impl FileReader {
    pub(crate) fn new(store: &Arc<dyn ObjectStore>, path: &Path, size: u64) -> Self {
        Self { store: Arc::clone(store), path: path.clone(), size }
    }

    /// The footer, with page indexes where the file has them.
    pub(crate) async fn footer(mut self) -> Result<Arc<ParquetMetaData>, Error> {
        let path = self.path.clone();
        self.get_metadata(None).await.map_err(|error| Error::parquet("read back the footer of", &path, error))
    }

    /// The rows, in order: of all columns, or of those named.
    pub(crate) async fn batches(self, columns: Option<&[String]>) -> Result<ParquetRecordBatchStream<Self>, Error> {
        let path = self.path.clone();
        let fail = |error| Error::parquet("read", &path, error);
        let mut builder = ParquetRecordBatchStreamBuilder::new(self).await.map_err(fail)?.with_batch_size(BATCH_ROWS);
        if let Some(columns) = columns {
            let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().map(String::as_str));
            builder = builder.with_projection(mask);
        }
        builder.build().map_err(fail)
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
