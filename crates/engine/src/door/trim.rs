//! Rows on their way into a sort or a join of sorted rows, cut into batches of a size in bytes and copied out of what they were read from. A sort
//! counts, for each batch, all that it keeps in memory: a few hundred texts that point into a page of a file count as the whole
//! page, again for every batch, and then a sort with little memory spills after a handful of them, or fails.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::SortMergeJoinExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt as _, TryStreamExt as _};

/// Puts [`Trim`] below every sort of a plan, and below every join by sorting, which holds the rows of a key. `bytes_max` is the
/// size of a batch.
pub(crate) fn below_sorts(plan: Arc<dyn ExecutionPlan>, bytes_max: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let trimmed = plan.transform_up(|node| {
        // A sort that keeps the first rows only holds no more than those.
        let sorts = node.downcast_ref::<SortExec>().is_some_and(|sort| sort.fetch().is_none());
        if !sorts && node.downcast_ref::<SortMergeJoinExec>().is_none() {
            return Ok(Transformed::no(node));
        }
        let below = |input: &Arc<dyn ExecutionPlan>| Arc::new(Trim { input: Arc::clone(input), bytes_max }) as Arc<dyn ExecutionPlan>;
        let inputs = node.children().into_iter().map(below).collect();
        let again = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        Ok(Transformed::yes(node.replace_children(inputs, again)?))
    })?;
    Ok(trimmed.data)
}

#[derive(Debug)]
struct Trim {
    input: Arc<dyn ExecutionPlan>,
    bytes_max: usize,
}

impl DisplayAs for Trim {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trim: bytes_max={}", self.bytes_max)
    }
}

impl ExecutionPlan for Trim {
    fn name(&self) -> &str {
        "Trim"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(&self, _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(Self { input, bytes_max: self.bytes_max })),
            Err(_) => Err(DataFusionError::Internal("Trim has one input".to_owned())),
        }
    }

    /// The engine asks for this by its newer name too.
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (schema, bytes_max) = (input.schema(), self.bytes_max);
        let trimmed = input.map_ok(move |batch| futures::stream::iter(Pieces { batch, bytes_max, next: 0 })).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, trimmed.boxed())))
    }
}

/// The pieces of one batch, made one after the other.
struct Pieces {
    batch: RecordBatch,
    bytes_max: usize,
    next: usize,
}

impl Iterator for Pieces {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.batch.num_rows().checked_sub(self.next).filter(|left| *left > 0)?;
        let piece = self.piece(left);
        if let Ok(piece) = &piece {
            self.next += piece.num_rows();
        } else {
            self.next = self.batch.num_rows();
        }
        Some(piece)
    }
}

impl Pieces {
    /// The next rows, at most `most`. Halved until they fit; one row is never too large to be sorted with others.
    fn piece(&self, most: usize) -> Result<RecordBatch> {
        let mut rows = most;
        loop {
            let piece = copied(&self.batch, self.next, rows)?;
            let bytes = piece.get_array_memory_size();
            if bytes <= self.bytes_max || rows == 1 {
                return Ok(piece);
            }
            // As many as fit if all are alike.
            let fitting = rows.saturating_mul(self.bytes_max).checked_div(bytes).unwrap_or(1);
            rows = fitting.clamp(1, rows / 2);
        }
    }
}

/// Rows as a batch that keeps nothing else in memory.
pub(crate) fn copied(batch: &RecordBatch, from: usize, rows: usize) -> Result<RecordBatch> {
    let end = from.saturating_add(rows);
    let wanted = || -> Option<UInt32Array> { Some(UInt32Array::from_iter_values(u32::try_from(from).ok()?..u32::try_from(end).ok()?)) };
    let wanted = wanted().ok_or_else(|| DataFusionError::Internal("a batch has more than 2^32 rows".to_owned()))?;
    let columns: Result<Vec<ArrayRef>> = batch
        .columns()
        .iter()
        .map(|column| {
            Ok(match column.data_type() {
                DataType::Utf8View => Arc::new(column.as_string_view().slice(from, rows).gc()) as ArrayRef,
                DataType::BinaryView => Arc::new(column.as_binary_view().slice(from, rows).gc()),
                _ => take(column, &wanted, None)?,
            })
        })
        .collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns?, &options)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};

    use super::*;

    #[test]
    fn pieces_hold_the_same_rows_and_nothing_else() {
        let texts: Vec<String> = (0..4_000).map(|row| format!("a text of more than twelve bytes {row:06}")).collect();
        let all = RecordBatch::try_from_iter([
            ("k", Arc::new(Int64Array::from_iter_values(0..4_000)) as ArrayRef),
            ("v", Arc::new(StringViewArray::from_iter_values(&texts))),
        ])
        .unwrap();
        let batch = all.slice(1_000, 500);
        // The control: as it comes, it counts as all of its texts.
        assert!(batch.get_array_memory_size() > 150_000);
        let pieces: Result<Vec<RecordBatch>> = Pieces { batch: batch.clone(), bytes_max: 8_192, next: 0 }.collect();
        let pieces = pieces.unwrap();
        assert!(pieces.len() > 2 && pieces.len() < 12, "{}", pieces.len());
        assert!(pieces.iter().all(|piece| piece.get_array_memory_size() <= 8_192 && piece.num_rows() > 0));
        assert_eq!(arrow::compute::concat_batches(&batch.schema(), &pieces).unwrap(), batch);
        // A row that is larger than a batch may be stays whole.
        let rows: Vec<_> = Pieces { batch: batch.slice(0, 3), bytes_max: 1, next: 0 }.map(|piece| piece.unwrap().num_rows()).collect();
        assert_eq!(rows, [1, 1, 1]);
    }
}
