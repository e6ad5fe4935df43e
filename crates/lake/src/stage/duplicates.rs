//! Duplicates, and rows that the table has already, are known at the end of a load only: they are taken out of the staged files, and
//! only files that hold one are written anew.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;

use super::{Stage, StageContext, StagedFile};
use crate::error::Error;
use crate::file_reader::FileReader;
use crate::vector::{Positions, kept};

/// Is told of each row that is taken out: its place in the run, and where it lies in a batch.
pub(crate) type Removed<'a> = &'a mut (dyn FnMut(u64, &RecordBatch, usize) + Send);

/// Takes the rows with these ordinals (ascending) out of the staged files: only files that hold one are written anew.
/// Gives the files that stand and the number of rows taken out.
pub(crate) async fn remove_rows(
    context: &StageContext,
    files: Vec<StagedFile>,
    ordinals: Vec<u64>,
    removed: Removed<'_>,
) -> Result<(Vec<StagedFile>, u64), Error> {
    let mut stand = Vec::with_capacity(files.len());
    let mut count = 0u64;
    for file in files {
        let gone = file.positions(&ordinals);
        if gone.is_empty() {
            stand.push(file);
            continue;
        }
        stand.extend(rewritten(context, &file, &mut |batch, first| kept_rows(batch, first, &gone, removed)).await?);
        count = count.saturating_add(u64::try_from(gone.len()).unwrap_or(u64::MAX));
    }
    Ok((stand, count))
}

/// Takes the rows at these positions, a set for each file, out of the staged files.
pub(crate) async fn remove_positions(context: &StageContext, files: Vec<StagedFile>, gone: &[Positions]) -> Result<Vec<StagedFile>, Error> {
    let mut stand = Vec::with_capacity(files.len());
    for (file, gone) in files.into_iter().zip(gone) {
        if gone.is_empty() {
            stand.push(file);
        } else if gone.len() == file.rows {
            delete(context, &file).await?;
        } else {
            let mut keep = |batch: &RecordBatch, first: u64| {
                let rows = batch.num_rows();
                kept(gone, first, rows).map_or_else(|| BooleanArray::from(vec![true; rows]), |kept| BooleanArray::new(kept, None))
            };
            stand.extend(rewritten(context, &file, &mut keep).await?);
        }
    }
    Ok(stand)
}

/// The rows of a file that `keep` says stay (it is given a batch and the position of its first row), in other files; the file goes.
async fn rewritten(
    context: &StageContext,
    file: &StagedFile,
    keep: &mut (dyn FnMut(&RecordBatch, u64) -> BooleanArray + Send),
) -> Result<Vec<StagedFile>, Error> {
    let mut stage = Stage::new(StageContext { threads: 1, faults: Arc::new(crate::ports::Undisturbed), ..context.clone() });
    let mut position = 0u64;
    let mut batches = FileReader::new(&context.store, &file.path, file.size).batches().await?;
    while let Some(batch) = batches.try_next().await.map_err(|error| Error::parquet("read", &file.path, error))? {
        let keep = keep(&batch, position);
        position = position.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
        let batch = filter_record_batch(&batch, &keep).map_err(|error| Error::parquet("filter", &file.path, error.into()))?;
        // The places of the rows that stay are not asked for again.
        stage.append(batch).await?;
    }
    let files = stage.finish().await?;
    delete(context, file).await?;
    Ok(files)
}

async fn delete(context: &StageContext, file: &StagedFile) -> Result<(), Error> {
    context.store.delete(&file.path).await.map_err(|error| Error::store("delete", &file.path, error))
}

/// Which rows of a batch stay; `gone` holds (position in the file, place in the run), ascending.
fn kept_rows(batch: &RecordBatch, first: u64, gone: &[(u64, u64)], removed: Removed<'_>) -> BooleanArray {
    let mut keep = Vec::with_capacity(batch.num_rows());
    let mut next = gone.partition_point(|(position, _)| *position < first);
    for (row, position) in (0..batch.num_rows()).zip(first..) {
        match gone.get(next) {
            Some((wanted, ordinal)) if *wanted == position => {
                removed(*ordinal, batch, row);
                next += 1;
                keep.push(false);
            }
            _ => keep.push(true),
        }
    }
    BooleanArray::from(keep)
}

impl StagedFile {
    /// The rows of this file among those with these ordinals (ascending): (position in the file, ordinal), by position.
    fn positions(&self, wanted: &[u64]) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let mut before = 0u64;
        for run in &self.ordinals {
            let start = wanted.partition_point(|ordinal| *ordinal < run.start);
            let end = wanted.partition_point(|ordinal| *ordinal < run.end);
            let among = wanted.get(start..end).unwrap_or_default();
            found.extend(among.iter().map(|ordinal| (before.saturating_add(ordinal.saturating_sub(run.start)), *ordinal)));
            before = before.saturating_add(run.end.saturating_sub(run.start));
        }
        found
    }
}
