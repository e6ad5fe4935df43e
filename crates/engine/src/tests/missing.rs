//! A data file that is not there, or not what it was, is named.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use polder_types::ErrorKind;

use crate::Error;

const FILE: &str = "tables/cb484c09a50fc3b8439a0e5de31281c5/part-06eb83862fb51388f9e0df4af749eaf9.parquet";

/// The error of a query that reads the file as tables are read.
async fn reading(store: InMemory) -> Error {
    let session = SessionContext::new();
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let url = ObjectStoreUrl::parse("sealed://lake").unwrap();
    session.runtime_env().register_object_store(url.as_ref(), Arc::clone(&store));
    let cache = session.runtime_env().cache_manager.get_file_metadata_cache();
    let schema = Arc::new(Schema::new(vec![Field::new("name", DataType::Utf8, true)]));
    let factory = Arc::new(CachedParquetFileReaderFactory::new(store, cache));
    let source = ParquetSource::new(schema).with_parquet_file_reader_factory(factory);
    let config = FileScanConfigBuilder::new(url, Arc::new(source)).with_file(PartitionedFile::new(FILE, 4_096)).build();
    let error = collect(DataSourceExec::from_data_source(config), session.task_ctx()).await.unwrap_err();
    Error::execute(&error)
}

#[tokio::test]
async fn a_data_file_that_cannot_be_read_is_named() {
    let missing = reading(InMemory::new()).await;
    let wanted = format!("compute answer: the data file {FILE} is missing; `polder audit verify` says more");
    assert_eq!((missing.to_string(), missing.kind()), (wanted, ErrorKind::Corrupt));
    let changed = InMemory::new();
    changed.put(&Path::from(FILE), vec![b'7'; 4_096].into()).await.unwrap();
    let changed = reading(changed).await;
    let wanted = format!("compute answer: the data file {FILE} cannot be read, or was changed; `polder audit verify` says more");
    assert_eq!((changed.to_string(), changed.kind()), (wanted, ErrorKind::Corrupt));
}
