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
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use polder_policy::{Action, Permit};
use polder_types::DatasetId;

use crate::error::Error;
use crate::lake::Lake;
use crate::log::table_path;
use crate::schema::scan_schema;
use crate::snapshot::{DataFile, TableSnapshot};
use crate::stats::thinned;
use crate::vector::{Positions, VACUUMED, kept};
use crate::watched::Watched;

/// The only address that scans use. A session must register [`Closed`] (or nothing else) for it.
pub(crate) const SESSION_URL: &str = "sealed://lake/";

/// A footer and its page index usually fit: one request instead of two.
const FOOTER_GUESS_BYTES: usize = 512 << 10;

/// How many small objects of a table are read at once.
const READS_AT_ONCE: usize = 8;
/// A data file with the positions of its rows that are not in the table.
#[derive(Clone)]
pub(crate) struct ScanFile {
    pub file: DataFile,
    pub deleted: Option<Arc<Positions>>,
}

impl ScanFile {
    fn statistics(&self) -> Arc<Statistics> {
        match &self.deleted {
            Some(deleted) => Arc::new(thinned(&self.file.statistics, deleted.len())),
            None => Arc::clone(&self.file.statistics),
        }
    }

    fn whole(&self) -> PartitionedFile {
        let meta = ObjectMeta {
            location: self.file.path.clone(),
            // A data file's path is never written twice, so its path and size name its content in the cache of footers.
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: self.file.size,
            e_tag: None,
            version: None,
        };
        PartitionedFile::new_from_meta(meta).with_statistics(self.statistics())
    }

    /// The file whole, or in parts where rows of it are deleted.
    async fn planned(&self, readers: &dyn ParquetFileReaderFactory, part_rows: usize) -> PlanResult<Vec<PartitionedFile>> {
        let Some(deleted) = &self.deleted else { return Ok(vec![self.whole()]) };
        let metrics = ExecutionPlanMetricsSet::new();
        let mut reader = readers.create_reader(0, self.whole(), Some(FOOTER_GUESS_BYTES), &metrics)?;
        self.parts(reader.get_metadata(None).await?.as_ref(), deleted, part_rows)
    }

    /// The file, in parts of about so many rows, which are read by what is left of each row group. While a part is read each stretch of
    /// rows that are left costs some bytes, so parts bound the memory.
    fn parts(&self, footer: &ParquetMetaData, deleted: &Positions, part_rows: usize) -> PlanResult<Vec<PartitionedFile>> {
        if crate::stats::rows(footer) != self.file.rows {
            let finding = "the file does not hold the rows that the table log gives";
            let error = crate::Error::Integrity { object: self.file.path.to_string(), finding };
            return Err(DataFusionError::External(Box::new(error)));
        }
        let access = ParquetAccessPlan::new(left(footer, deleted));
        let end = i64::try_from(self.file.size).unwrap_or(i64::MAX);
        let mut starts = vec![0];
        let mut rows = 0usize;
        for group in footer.row_groups() {
            let more = usize::try_from(group.num_rows()).unwrap_or_default();
            if rows > 0 && rows.saturating_add(more) > part_rows {
                starts.extend(start(group));
                rows = 0;
            }
            rows = rows.saturating_add(more);
        }
        let ends = starts.iter().skip(1).copied().chain(std::iter::once(end));
        let part = |(start, end)| self.whole().with_range(start, end).with_extension(access.clone());
        Ok(starts.iter().copied().zip(ends).map(part).collect())
    }
}

/// Where a row group begins, as DataFusion sees it when it reads a range of a file.
fn start(group: &RowGroupMetaData) -> Option<i64> {
    let first = group.columns().first()?;
    Some(first.dictionary_page_offset().unwrap_or_else(|| first.data_page_offset()))
}

/// What is left of each row group.
fn left(footer: &ParquetMetaData, deleted: &Positions) -> Vec<RowGroupAccess> {
    let mut first = 0u64;
    let mut groups = Vec::with_capacity(footer.num_row_groups());
    for group in footer.row_groups() {
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        groups.push(match kept(deleted, first, rows) {
            None => RowGroupAccess::Scan,
            Some(kept) if kept.count_set_bits() == 0 => RowGroupAccess::Skip,
            Some(kept) => RowGroupAccess::Selection(RowSelection::from_boolean_buffer(kept)),
        });
        first = first.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
    }
    groups
}

/// One version of one table, for a session to scan.
pub(crate) struct LakeTable {
    dataset: DatasetId,
    schema: SchemaRef,
    files: Vec<ScanFile>,
    store: Arc<dyn ObjectStore>,
    url: ObjectStoreUrl,
    /// Rows of a part of a file with deleted rows, about.
    part_rows: usize,
}

impl std::fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LakeTable").field("dataset", &self.dataset).finish_non_exhaustive()
    }
}

impl LakeTable {
    /// The files, those with deleted rows in parts.
    async fn files(&self, readers: &dyn ParquetFileReaderFactory) -> PlanResult<Vec<PartitionedFile>> {
        let each: Vec<_> = self.files.iter().map(|file| file.planned(readers, self.part_rows)).collect();
        let parts: Vec<Vec<PartitionedFile>> = futures::stream::iter(each).buffered(READS_AT_ONCE).try_collect().await?;
        Ok(parts.into_iter().flatten().collect())
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
        let each: Vec<Arc<Statistics>> = self.files.iter().map(ScanFile::statistics).collect();
        Statistics::try_merge_iter(each.iter().map(AsRef::as_ref), &self.schema).ok()
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
        let options = state.table_options().parquet.clone();
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let readers = Arc::new(CachedParquetFileReaderFactory::new(Arc::clone(&self.store), cache));
        let groups: Vec<FileGroup> = FileGroup::new(self.files(readers.as_ref()).await?).split_files(target);
        let source = ParquetSource::new(Arc::clone(schema))
            .with_table_parquet_options(options)
            .with_metadata_size_hint(FOOTER_GUESS_BYTES)
            .with_parquet_file_reader_factory(readers);
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
        let files = self.scan_files(&snapshot, newest).await?;
        Ok(self.table_of(dataset, Arc::clone(&snapshot.scanned), files, url, newest))
    }

    /// The files of a version, which is the visible one or not, with what is deleted in them.
    pub(crate) async fn scan_files(&self, snapshot: &TableSnapshot, newest: bool) -> Result<Vec<ScanFile>, Error> {
        let (dataset, version) = (snapshot.dataset, snapshot.version);
        // Owned, or the compiler does not see that the future can be sent to another thread.
        futures::stream::iter(snapshot.files.clone())
            .map(|file| async move {
                let deleted = match newest {
                    true => self.deleted(dataset, &file).await?,
                    false => self.deleted_then(dataset, version, &file).await?,
                };
                Ok(ScanFile { file, deleted })
            })
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await
    }

    fn table_of(
        &self,
        dataset: DatasetId,
        schema: SchemaRef,
        files: Vec<ScanFile>,
        url: ObjectStoreUrl,
        newest: bool,
    ) -> Arc<dyn TableProvider> {
        Arc::new(LakeTable {
            dataset,
            schema,
            files,
            store: Arc::new(Watched::new(self, dataset, newest)),
            url,
            part_rows: self.inner.row_group_rows,
        })
    }

    /// Files that no version names yet as a table, for rules that are asked before the commit.
    pub(crate) fn staged(&self, dataset: DatasetId, stored: &SchemaRef, files: Vec<ScanFile>) -> Result<Arc<dyn TableProvider>, Error> {
        let url = ObjectStoreUrl::parse(SESSION_URL).map_err(|_| Error::Internal { step: "name the location", dataset })?;
        Ok(self.table_of(dataset, scan_schema(stored), files, url, true))
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
        if snapshot.files.iter().flat_map(DataFile::objects).all(|object| listed.contains(object)) {
            return Ok(());
        }
        Err(Error::NoVersion { dataset: snapshot.dataset, version: snapshot.version, reason: VACUUMED })
    }
}
