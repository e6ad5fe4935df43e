//! Reading: a version of a table as a DataFusion table. The plan is a list of Parquet files, so it can travel to another
//! machine; the files are read through the lake's own store, so a session needs no store that holds tables.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result as PlanResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use polder_policy::{Action, Permit};
use polder_types::DatasetId;

use crate::error::Error;
use crate::lake::Lake;
use crate::log::table_path;
use crate::schema::scan_schema;
use crate::snapshot::{DataFile, TableSnapshot};
use crate::stage::StagedFile;
use crate::watched::Watched;

/// The only address that scans use. A session must register [`Closed`] (or nothing else) for it.
pub(crate) const SESSION_URL: &str = "sealed://lake/";

/// A footer and its page index usually fit: one request instead of two.
const FOOTER_GUESS_BYTES: usize = 512 << 10;

/// One version of one table, for a session to scan.
pub(crate) struct LakeTable {
    dataset: DatasetId,
    schema: SchemaRef,
    files: Vec<DataFile>,
    store: Arc<dyn ObjectStore>,
    url: ObjectStoreUrl,
}

impl std::fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LakeTable").field("dataset", &self.dataset).finish_non_exhaustive()
    }
}

impl LakeTable {
    fn files(&self) -> Vec<PartitionedFile> {
        self.files
            .iter()
            .map(|file| {
                let meta = ObjectMeta {
                    location: file.path.clone(),
                    // A data file's path is never written twice, so its path and size name its content in the cache of footers.
                    last_modified: chrono::DateTime::UNIX_EPOCH,
                    size: file.size,
                    e_tag: None,
                    version: None,
                };
                PartitionedFile::new_from_meta(meta).with_statistics(Arc::clone(&file.statistics))
            })
            .collect()
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        // Parquet prunes with the filters and may evaluate them while decoding; the plan keeps them all the same.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        let each = self.files.iter().map(|file| file.statistics.as_ref());
        Statistics::try_merge_iter(each, &self.schema).ok()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let schema = &self.schema;
        if self.files.is_empty() {
            let projected = match projection {
                Some(columns) => Arc::new(schema.project(columns)?),
                None => Arc::clone(schema),
            };
            return Ok(Arc::new(EmptyExec::new(projected)));
        }
        let target = state.config().target_partitions().max(1);
        let groups: Vec<FileGroup> = FileGroup::new(self.files()).split_files(target);
        let options = state.table_options().parquet.clone();
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let source = ParquetSource::new(Arc::clone(schema))
            .with_table_parquet_options(options)
            .with_metadata_size_hint(FOOTER_GUESS_BYTES)
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(Arc::clone(&self.store), cache)));
        let statistics = self.statistics().unwrap_or_else(|| Statistics::new_unknown(schema));
        let config = FileScanConfigBuilder::new(self.url.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// An object store that opens nothing. A session registers it for `sealed://`, so that no path in a query, whatever got
/// it past the SQL door, leads to an object.
#[derive(Debug, Default, Clone, Copy)]
pub struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed")
    }
}

fn closed(path: &Path) -> object_store::Error {
    object_store::Error::PermissionDenied { path: path.to_string(), source: "objects are not read by path; name the table instead".into() }
}

#[async_trait]
impl ObjectStore for Closed {
    async fn put_opts(
        &self,
        location: &Path,
        _payload: object_store::PutPayload,
        _options: object_store::PutOptions,
    ) -> object_store::Result<object_store::PutResult> {
        Err(closed(location))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: object_store::PutMultipartOptions,
    ) -> object_store::Result<Box<dyn object_store::MultipartUpload>> {
        Err(closed(location))
    }

    async fn get_opts(&self, location: &Path, _options: object_store::GetOptions) -> object_store::Result<object_store::GetResult> {
        Err(closed(location))
    }

    fn delete_stream(
        &self,
        locations: futures::stream::BoxStream<'static, object_store::Result<Path>>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<Path>> {
        use futures::StreamExt as _;
        locations.map(|location| Err(closed(&location?))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> futures::stream::BoxStream<'static, object_store::Result<ObjectMeta>> {
        use futures::StreamExt as _;
        let denied = closed(prefix.unwrap_or(&Path::ROOT));
        futures::stream::once(futures::future::ready(Err(denied))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<object_store::ListResult> {
        Err(closed(prefix.unwrap_or(&Path::ROOT)))
    }

    async fn copy_opts(&self, from: &Path, _to: &Path, _options: object_store::CopyOptions) -> object_store::Result<()> {
        Err(closed(from))
    }
}

impl Lake {
    /// Lets a runtime run scans of this lake: its sessions resolve `sealed://lake/` to [`Closed`].
    pub fn prepare(&self, runtime: &RuntimeEnv) {
        let url = ObjectStoreUrl::parse(SESSION_URL);
        if let Ok(url) = url {
            runtime.register_object_store(url.as_ref(), Arc::new(Closed));
        }
    }

    /// The permitted table, for a session to scan: the visible version when none is named.
    ///
    /// # Errors
    /// When the permit is not for reading, or the version does not exist, does not verify, or was vacuumed.
    pub async fn scan(&self, permit: &Permit, version: Option<u64>) -> Result<Arc<dyn TableProvider>, Error> {
        if permit.action() != Action::Read {
            return Err(Error::WrongPermit { step: "scan", dataset: permit.table_id(), wanted: "reading" });
        }
        self.provider(permit.table_id(), version).await
    }

    async fn provider(&self, dataset: DatasetId, version: Option<u64>) -> Result<Arc<dyn TableProvider>, Error> {
        let snapshot = self.snapshot(dataset, version).await?;
        let url = ObjectStoreUrl::parse(SESSION_URL).map_err(|_| Error::Internal { step: "name the location", dataset })?;
        let head = self.inner.heads.head(dataset).map(|head| head.version);
        if head != Some(snapshot.version) {
            self.check_files(&snapshot).await?;
        }
        let newest = head == Some(snapshot.version);
        let (schema, files) = (Arc::clone(&snapshot.scanned), snapshot.files.clone());
        Ok(Arc::new(LakeTable { dataset, schema, files, store: Arc::new(Watched::new(self, dataset, newest)), url }))
    }

    /// A table as a writer that was finished would leave it: for rules over the whole table, which are asked before the commit.
    pub(crate) async fn staged(
        &self,
        dataset: DatasetId,
        stored: &SchemaRef,
        staged: &[StagedFile],
        keeps_rows: bool,
    ) -> Result<Arc<dyn TableProvider>, Error> {
        let url = ObjectStoreUrl::parse(SESSION_URL).map_err(|_| Error::Internal { step: "name the location", dataset })?;
        let schema = scan_schema(stored);
        let mut files = Vec::new();
        if keeps_rows && self.exists(dataset) {
            files.clone_from(&self.snapshot(dataset, None).await?.files);
        }
        files.extend(staged.iter().map(|file| DataFile {
            path: file.path.clone(),
            size: file.size,
            rows: file.rows,
            statistics: Arc::new(file.stats.to_planner(&schema, file.size)),
        }));
        Ok(Arc::new(LakeTable { dataset, schema, files, store: Arc::new(Watched::new(self, dataset, true)), url }))
    }

    /// Whether vacuum left the files of an older version: better said now than in the middle of a scan.
    async fn check_files(&self, snapshot: &TableSnapshot) -> Result<(), Error> {
        let prefix = table_path(snapshot.dataset);
        let listed: HashSet<Path> = self
            .inner
            .store
            .list(Some(&prefix))
            .map_ok(|meta| meta.location)
            .try_collect()
            .await
            .map_err(|error| Error::store("list", &prefix, error))?;
        if snapshot.files.iter().all(|file| listed.contains(&file.path)) {
            return Ok(());
        }
        Err(Error::NoVersion { dataset: snapshot.dataset, version: snapshot.version, reason: "vacuum has deleted its files" })
    }
}
