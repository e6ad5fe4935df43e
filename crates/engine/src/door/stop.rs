//! The end of a question before its answer: when it takes too long, or nobody waits for it any more. A query that is polled gives the thread back
//! after some batches, and can be dropped then. Two kinds of its nodes would not: joins make batches without end of a few that they hold, so each
//! counts what it gives ([`yield_after_joins`]); and one whose condition no pair of rows meets gives nothing for as long as it lasts, so its
//! condition looks whether it is to end ([`watched`]).

use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::unnest::UnnestExec;
use polder_types::ErrorKind;
use tokio::time::Instant;

use crate::error::Error;

/// Until when there must be an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// From now on; none where it lies further away than time can be counted.
    pub(crate) fn after(limit: Duration) -> Option<Self> {
        Some(Self { at: Instant::now().checked_add(limit)?, limit })
    }

    /// The result of work that is done in time.
    pub(crate) async fn within<T>(
        deadline: Option<Self>,
        work: impl Future<Output = std::result::Result<T, Error>>,
    ) -> std::result::Result<T, Error> {
        match deadline {
            None => work.await,
            // Work that is done at once would never be found late.
            Some(deadline) if deadline.has_passed() => Err(deadline.passed()),
            Some(deadline) => tokio::time::timeout_at(deadline.at, work).await.unwrap_or_else(|_| Err(deadline.passed())),
        }
    }

    /// The error of not being in time.
    pub(crate) fn passed(self) -> Error {
        Error::TooSlow { limit: self.limit }
    }

    pub(crate) fn has_passed(self) -> bool {
        Instant::now() >= self.at
    }
}

/// Tells the parts of a running query that they are to end.
#[derive(Debug)]
pub(crate) struct Stop {
    stopped: AtomicBool,
    deadline: Option<Deadline>,
}

impl Stop {
    pub(crate) fn new(deadline: Option<Deadline>) -> Arc<Self> {
        Arc::new(Self { stopped: AtomicBool::new(false), deadline })
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it is to end.
    fn is_due(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.deadline.is_some_and(Deadline::has_passed)
    }
}

/// The plan, with conditions of joins that look whether they are to go on. For a plan that is optimised: no rule knows what such a condition is.
pub(crate) fn watched(plan: LogicalPlan, stop: &Arc<Stop>) -> Result<LogicalPlan> {
    let signature = Signature::any(1, Volatility::Immutable);
    let function = Arc::new(ScalarUDF::from(Watched { stop: Arc::clone(stop), signature }));
    let watched = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(mut join) => match join.filter.take() {
            Some(condition) => {
                join.filter = Some(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&function), vec![condition])));
                Ok(Transformed::yes(LogicalPlan::Join(join)))
            }
            None => Ok(Transformed::no(LogicalPlan::Join(join))),
        },
        other => Ok(Transformed::no(other)),
    })?;
    Ok(watched.data)
}

/// Gives its argument back, or fails when the query is to end.
#[derive(Debug)]
struct Watched {
    stop: Arc<Stop>,
    signature: Signature,
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.stop, &other.stop)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.stop).hash(state);
    }
}

impl ScalarUDFImpl for Watched {
    fn name(&self) -> &str {
        "watched"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(missing)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.stop.is_due() {
            let stopped = Error::Execute { message: "it was stopped".to_owned(), kind: ErrorKind::Unavailable };
            return Err(DataFusionError::External(Box::new(stopped)));
        }
        arguments.args.into_iter().next().ok_or_else(missing)
    }
}

fn missing() -> DataFusionError {
    DataFusionError::Internal("a condition of a join was called without an argument".to_owned())
}

/// Puts the rule that makes joins give the thread back behind the engine's own, which does so for scans: no rule after it moves nodes.
pub(crate) fn yield_after_joins(rules: &mut Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>) {
    let own = rules.iter().position(|rule| rule.name() == "EnsureCooperative");
    rules.insert(own.map_or(rules.len(), |own| own.saturating_add(1)), Arc::new(YieldAfterJoins));
}

#[derive(Debug)]
struct YieldAfterJoins;

impl PhysicalOptimizerRule for YieldAfterJoins {
    fn name(&self) -> &str {
        "yield_after_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let yielding = plan.transform_up(|node| {
            let multiplies = node.downcast_ref::<CrossJoinExec>().is_some()
                || node.downcast_ref::<NestedLoopJoinExec>().is_some()
                || node.downcast_ref::<HashJoinExec>().is_some()
                || node.downcast_ref::<SortMergeJoinExec>().is_some()
                || node.downcast_ref::<UnnestExec>().is_some();
            if !multiplies {
                return Ok(Transformed::no(node));
            }
            Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>))
        })?;
        Ok(yielding.data)
    }
}
