//! How a plan uses memory: from fast to frugal. A query that needs more than it may use, and gave no row yet, begins again with
//! a plan that needs less. The last one runs in one thread, where nothing is exchanged and every join and sort spills, so it
//! needs no more than a share for each of them.

use std::sync::Arc;
use std::time::Duration;

use arrow::compute::SortOptions;
use datafusion::catalog::Session;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};

use super::memory::SharedMemory;
use super::stop::{Stop, watched};
use super::{held, recursion, trim};
use crate::error::Error;

/// With less than this for each thread, what goes into a sort is trimmed.
const THREAD_BYTES_ROOMY: usize = 128 << 20;
/// The batches that go into a sort are at most this part of its thread's memory, so that several joins and sorts at a time
/// still merge several runs each.
const BATCHES_A_THREAD: usize = 256;

/// What a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thrift {
    /// Joins hold one side in memory.
    Hashing,
    /// Joins sort both sides, and spill.
    Sorting,
    /// The same in one thread, which has all the memory and exchanges nothing with others.
    OneThread,
}

impl Thrift {
    /// The next, and the session for it.
    pub(crate) fn more(self, state: &SessionState) -> Option<(Self, SessionState)> {
        let mut state = state.clone();
        let threads = state.config().target_partitions();
        let options = state.config_mut().options_mut();
        let next = match self {
            Self::Hashing if threads > 1 => Self::Sorting,
            Self::Hashing | Self::Sorting => Self::OneThread,
            Self::OneThread => return None,
        };
        options.optimizer.prefer_hash_join = false;
        if next == Self::OneThread {
            options.execution.target_partitions = 1;
            // Batches that a sort puts together may take more than its share.
            options.execution.sort_in_place_threshold_bytes = 0;
        }
        Some((next, state))
    }
}

/// Waits until the tasks of a plan that was dropped have let go of their memory; not long, since other queries may hold some.
pub(crate) async fn until_idle(state: &SessionState) {
    const WAIT_MAX: Duration = Duration::from_secs(1);
    if let Some(memory) = state.runtime_env().memory_pool.downcast_ref::<SharedMemory>() {
        // Not idle in time only means that there is less memory to begin again with.
        let _ = tokio::time::timeout(WAIT_MAX, memory.idle()).await;
    }
}

/// Plans and starts a query, which ends when `stop` says so. `planning` tells what an error of planning is.
pub(crate) async fn start(
    state: &SessionState,
    plan: &LogicalPlan,
    thrift: Thrift,
    stop: &Arc<Stop>,
    planning: fn(&DataFusionError) -> Error,
) -> std::result::Result<SendableRecordBatchStream, Error> {
    let optimized = state.optimize(plan).and_then(|plan| watched(plan, stop)).map_err(|error| planning(&error))?;
    let physical = state.query_planner().create_physical_plan(&optimized, state).await.map_err(|error| planning(&error))?;
    let physical = fitted(state, physical, thrift == Thrift::OneThread).map_err(|error| planning(&error))?;
    execute_stream(physical, state.task_ctx()).map_err(|error| Error::execute(&error))
}

/// A plan with what keeps it within its memory, where the engine's own nodes would not.
pub(crate) fn fitted(session: &dyn Session, mut physical: Arc<dyn ExecutionPlan>, one_thread: bool) -> Result<Arc<dyn ExecutionPlan>> {
    if let MemoryLimit::Finite(bytes) = session.runtime_env().memory_pool.memory_limit() {
        let thread_bytes = bytes / session.config().target_partitions().max(1);
        if thread_bytes < THREAD_BYTES_ROOMY || one_thread {
            let bytes_max = (thread_bytes / BATCHES_A_THREAD).min(1 << 20);
            physical = trim::below_sorts(physical, bytes_max)?;
        }
    }
    held::around_windows(physical).and_then(recursion::limited)
}

/// The rule that makes joins sort in one thread too, where the engine would only ever hold one side in memory.
pub(crate) fn rule() -> Arc<dyn PhysicalOptimizerRule + Send + Sync> {
    Arc::new(SortingJoins)
}

#[derive(Debug)]
struct SortingJoins;

impl PhysicalOptimizerRule for SortingJoins {
    fn name(&self) -> &str {
        "sorting_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        if config.optimizer.prefer_hash_join || config.execution.target_partitions > 1 {
            return Ok(plan);
        }
        let sorting = plan.transform_up(|node| {
            // `NOT IN` with its rules for NULL has no other join.
            let Some(join) = node.downcast_ref::<HashJoinExec>().filter(|join| !join.null_aware && !join.contains_projection()) else {
                return Ok(Transformed::no(node));
            };
            let by = vec![SortOptions::default(); join.on().len()];
            let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
            let filter = join.filter().cloned();
            let join = SortMergeJoinExec::try_new(left, right, join.on().to_vec(), filter, *join.join_type(), by, join.null_equality())?;
            Ok(Transformed::yes(Arc::new(join)))
        })?;
        Ok(sorting.data)
    }
}
