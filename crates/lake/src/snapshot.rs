//! A version of a table, read from the verified log: its schema and its data files.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoArrow as _;
use deltalake_core::kernel::{EagerSnapshot, LogicalFileView};
use object_store::path::Path;
use polder_types::DatasetId;

use crate::error::Error;
use crate::log::{VerifiedLog, data_path};
use crate::log_store::SealedLogStore;
use crate::schema::{has_vectors, scan_schema, stored_schema};
use crate::stats::FileStats;
use crate::vector::Vector;

/// A data file of a version.
#[derive(Clone)]
pub(crate) struct DataFile {
    pub path: Path,
    /// Size of the plain file, in bytes.
    pub size: u64,
    /// Rows in the file's footer: also those that are not in the table any more.
    pub rows: u64,
    /// Of the file as it lies, for the planner, in the scan's schema.
    pub statistics: Arc<Statistics>,
    /// Which of its rows are not in the table.
    pub vector: Option<Vector>,
}

impl DataFile {
    /// Rows that are in the table.
    pub(crate) fn live(&self) -> u64 {
        self.rows.saturating_sub(self.vector.as_ref().map_or(0, |vector| vector.rows))
    }

    /// The objects that reading it takes.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.path).chain(self.vector.as_ref().and_then(|vector| vector.object.as_ref()))
    }
}

impl std::fmt::Debug for TableSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableSnapshot").field("dataset", &self.dataset).field("version", &self.version).finish_non_exhaustive()
    }
}

/// A version of a table.
pub(crate) struct TableSnapshot {
    pub dataset: DatasetId,
    pub version: u64,
    /// Types as the files store them.
    pub stored: SchemaRef,
    /// Types as a scan gives them.
    pub scanned: SchemaRef,
    pub files: Vec<DataFile>,
    /// Whether its protocol has deletion vectors.
    pub vectors: bool,
    pub delta: EagerSnapshot,
}

impl TableSnapshot {
    /// Replays the verified log up to `version`.
    pub(crate) async fn load(dataset: DatasetId, log: &VerifiedLog, version: u64) -> Result<Self, Error> {
        let reading = SealedLogStore::new(dataset, log, None)?;
        let delta = EagerSnapshot::try_new(reading.as_ref(), Some(version))
            .await
            .map_err(|source| Error::delta("replay the log", dataset, source))?;
        let schema: arrow::datatypes::Schema =
            delta.schema().as_ref().try_into_arrow().map_err(|_| Error::Internal { step: "read the schema", dataset })?;
        let stored = stored_schema(&schema)?;
        let scanned = scan_schema(&stored);
        let mut files = Vec::new();
        for view in delta.log_data().iter() {
            files.push(data_file(dataset, &view, &scanned)?);
        }
        // The order of files is the order of rows in a scan without ORDER BY: keep it the same from run to run.
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let vectors = has_vectors(delta.protocol());
        Ok(Self { dataset, version, stored, scanned, files, vectors, delta })
    }

    /// Rows of the version.
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(DataFile::live).sum()
    }
}

fn data_file(dataset: DatasetId, view: &LogicalFileView, scanned: &SchemaRef) -> Result<DataFile, Error> {
    let foreign = |finding| Error::Integrity { object: data_path(dataset, &view.path()).to_string(), finding };
    let stats = file_stats(dataset, view)?;
    let size = u64::try_from(view.size()).map_err(|_| foreign("the table log gives this file a negative size"))?;
    let statistics = Arc::new(stats.to_planner(scanned, size));
    let path = data_path(dataset, &view.path());
    let vector = view.deletion_vector_descriptor().map(|descriptor| Vector::new(dataset, &path, descriptor)).transpose()?;
    if vector.as_ref().is_some_and(|vector| vector.rows > stats.num_records) {
        return Err(foreign("the table log takes more rows out of this file than it has"));
    }
    Ok(DataFile { path, size, rows: stats.num_records, statistics, vector })
}

/// The statistics of a file as the log holds them.
pub(crate) fn file_stats(dataset: DatasetId, view: &LogicalFileView) -> Result<FileStats, Error> {
    let foreign = |finding| Error::Integrity { object: data_path(dataset, &view.path()).to_string(), finding };
    let stats = view.stats().ok_or_else(|| foreign("the table log holds no statistics of this file"))?;
    serde_json::from_str(&stats).map_err(|_| foreign("the table log's statistics of this file cannot be read"))
}
