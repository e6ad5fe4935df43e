//! An end of every recursion. The engine computes a common table expression that reads itself for as long as it gives rows, which
//! may be for ever; the work goes on with whatever the query holds, such as the writer's lease.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use polder_types::ErrorKind;

use crate::error::Error;

/// Most times that a query reads the rows that it gave the time before.
pub(crate) const ROUNDS_MAX: usize = 10_000;

/// Puts [`Rounds`] into every recursive query of a plan.
pub(crate) fn limited(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let limited = plan.transform_up(|node| {
        let Some(query) = node.downcast_ref::<RecursiveQueryExec>() else { return Ok(Transformed::no(node)) };
        let rounds = Arc::new(AtomicUsize::new(0));
        let part = |input: &Arc<dyn ExecutionPlan>, begins| -> Arc<dyn ExecutionPlan> {
            Arc::new(Rounds { input: Arc::clone(input), name: query.name().to_owned(), rounds: Arc::clone(&rounds), begins })
        };
        let parts = vec![part(query.static_term(), true), part(query.recursive_term(), false)];
        Ok(Transformed::yes(node.replace_children(parts, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))?))
    })?;
    Ok(limited.data)
}

/// Counts how often a part of a recursive query is begun.
#[derive(Debug)]
struct Rounds {
    input: Arc<dyn ExecutionPlan>,
    name: String,
    rounds: Arc<AtomicUsize>,
    /// Whether it is the part that the recursion begins with: one recursion may lie within another, and begin often.
    begins: bool,
}

impl DisplayAs for Rounds {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rounds: max={ROUNDS_MAX}")
    }
}

impl ExecutionPlan for Rounds {
    fn name(&self) -> &str {
        "Rounds"
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
        let Ok([input]) = <[_; 1]>::try_from(children) else {
            return Err(DataFusionError::Internal("Rounds has one input".to_owned()));
        };
        Ok(Arc::new(Self { input, name: self.name.clone(), rounds: Arc::clone(&self.rounds), begins: self.begins }))
    }

    /// The engine asks for this by its newer name too.
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if self.begins {
            self.rounds.store(0, Ordering::Relaxed);
        } else if self.rounds.fetch_add(1, Ordering::Relaxed) >= ROUNDS_MAX {
            let message = format!(
                "the recursion of {} did not end in {ROUNDS_MAX} rounds; end it with a condition, or with UNION where rows come again",
                self.name
            );
            return Err(DataFusionError::External(Box::new(Error::Execute { message, kind: ErrorKind::Invalid })));
        }
        self.input.execute(partition, context)
    }
}
