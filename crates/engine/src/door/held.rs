//! Rows on their way into a window, counted against the memory limit. The engine's window operators keep what they were given,
//! all of it where the frame reaches to the end, and count none of it. So one operator below takes memory from the pool for each
//! batch that goes in, and one above gives it back when the window no longer needs its rows.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PlanProperties};
use futures::{StreamExt as _, TryStreamExt as _};

use super::growth::value_bytes;
use super::trim::copied;

/// What a window adds to each row for each of its functions, a text's bytes aside.
const RESULT_BYTES: usize = 16;
/// All rows until the end.
const ALL: usize = usize::MAX;

/// Puts [`Held`] around every window of a plan.
pub(crate) fn around_windows(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let counted = plan.transform_up(|node| {
        let (functions, rows_after) = if let Some(window) = node.downcast_ref::<WindowAggExec>() {
            (window.window_expr().len(), ALL)
        } else if let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() {
            let after = match window.input_order_mode {
                InputOrderMode::Linear => ALL,
                InputOrderMode::Sorted | InputOrderMode::PartiallySorted(_) => {
                    window.window_expr().iter().map(|window| rows_after(window.as_ref())).max().unwrap_or(ALL)
                }
            };
            (window.window_expr().len(), after)
        } else {
            return Ok(Transformed::no(node));
        };
        let accounts = Arc::new(Accounts { functions, rows_after, open: Mutex::default() });
        let below = |input: &Arc<dyn ExecutionPlan>| {
            Arc::new(Held { input: Arc::clone(input), accounts: Arc::clone(&accounts), side: Side::Below }) as Arc<dyn ExecutionPlan>
        };
        let inputs = node.children().into_iter().map(below).collect();
        let window = node.replace_children(inputs, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))?;
        Ok(Transformed::yes(Arc::new(Held { input: window, accounts: Arc::clone(&accounts), side: Side::Above })))
    })?;
    Ok(counted.data)
}

/// Rows that a window keeps after it gave them out.
fn rows_after(window: &dyn WindowExpr) -> usize {
    if let Some(function) = window.as_any().downcast_ref::<StandardWindowExpr>() {
        let Some(function) = function.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>() else { return ALL };
        // Its own word is private, and what else may hold these words only makes it count more.
        let skips_nulls = format!("{function:?}").contains("ignore_nulls: true");
        return match function.fun().name() {
            "row_number" | "rank" | "dense_rank" | "first_value" => 0,
            "lead" | "last_value" if !skips_nulls => 0,
            "lag" if !skips_nulls => function.args().get(1).map_or(1, rows),
            _ => ALL,
        };
    }
    let frame = window.get_window_frame();
    match &frame.start_bound {
        WindowFrameBound::CurrentRow | WindowFrameBound::Following(_) => 0,
        // What grows from the first row on is added up, and its rows are let go.
        WindowFrameBound::Preceding(bound) if bound.is_null() => 0,
        WindowFrameBound::Preceding(bound) if frame.units == WindowFrameUnits::Rows => count(bound),
        WindowFrameBound::Preceding(_) => ALL,
    }
}

fn rows(argument: &Arc<dyn PhysicalExpr>) -> usize {
    argument.downcast_ref::<Literal>().map_or(ALL, |literal| count(literal.value()))
}

/// A constant as a number of rows.
fn count(value: &ScalarValue) -> usize {
    match value.cast_to(&arrow::datatypes::DataType::Int64) {
        // `lag(x, -1)` looks ahead.
        Ok(ScalarValue::Int64(Some(rows))) => usize::try_from(rows).unwrap_or(0),
        _ => ALL,
    }
}

/// What the windows of one operator hold, by partition.
#[derive(Debug)]
struct Accounts {
    functions: usize,
    rows_after: usize,
    /// Each lives as long as the streams of its partition.
    open: Mutex<HashMap<usize, Weak<Mutex<Account>>>>,
}

#[derive(Debug)]
struct Account {
    reservation: MemoryReservation,
    /// Batches that the window still holds: their rows and bytes.
    held: VecDeque<(usize, usize)>,
    /// Rows of batches that it let go.
    let_go: usize,
    given_out: usize,
    rows_after: usize,
}

/// Sums stay true even when a thread panicked beside them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Accounts {
    fn begin(&self, partition: usize, context: &TaskContext) -> Arc<Mutex<Account>> {
        let reservation = MemoryConsumer::new(format!("Window[{partition}]")).register(context.memory_pool());
        let account = Account { reservation, held: VecDeque::new(), let_go: 0, given_out: 0, rows_after: self.rows_after };
        let account = Arc::new(Mutex::new(account));
        locked(&self.open).insert(partition, Arc::downgrade(&account));
        account
    }

    fn of(&self, partition: usize) -> Result<Arc<Mutex<Account>>> {
        let open = locked(&self.open).get(&partition).and_then(Weak::upgrade);
        open.ok_or_else(|| DataFusionError::Internal("a window's input began before the window".to_owned()))
    }

    /// What a batch takes: it is put together with others, so it is there twice for a while.
    fn bytes(&self, batch: &RecordBatch) -> usize {
        let results = batch.num_rows().saturating_mul(self.functions).saturating_mul(RESULT_BYTES);
        batch.get_array_memory_size().saturating_mul(2).saturating_add(results)
    }
}

impl Account {
    fn take(&mut self, rows: usize, bytes: usize) -> Result<()> {
        self.reservation.try_grow(bytes)?;
        self.held.push_back((rows, bytes));
        Ok(())
    }

    /// Rows come out in the order in which they went in.
    fn give_back(&mut self, rows: usize) {
        self.given_out = self.given_out.saturating_add(rows);
        while let Some((rows, bytes)) = self.held.front().copied() {
            let end = self.let_go.saturating_add(rows);
            if end.saturating_add(self.rows_after) > self.given_out {
                return;
            }
            self.let_go = end;
            self.reservation.shrink(bytes);
            self.held.pop_front();
        }
    }

    fn end(&mut self) {
        self.held.clear();
        self.reservation.free();
    }
}

/// A batch that keeps little else in memory than its rows: the window would hold it all.
fn compact(batch: RecordBatch) -> Result<RecordBatch> {
    let needed = batch.columns().iter().map(value_bytes).fold(4_096, usize::saturating_add);
    if batch.get_array_memory_size() / 2 <= needed { Ok(batch) } else { copied(&batch, 0, batch.num_rows()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Below the window: takes memory.
    Below,
    /// Above it: gives memory back.
    Above,
}

#[derive(Debug)]
struct Held {
    input: Arc<dyn ExecutionPlan>,
    accounts: Arc<Accounts>,
    side: Side,
}

impl DisplayAs for Held {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held: {:?}", self.side)
    }
}

impl ExecutionPlan for Held {
    fn name(&self) -> &str {
        "Held"
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
            Ok([input]) => Ok(Arc::new(Self { input, accounts: Arc::clone(&self.accounts), side: self.side })),
            Err(_) => Err(DataFusionError::Internal("Held has one input".to_owned())),
        }
    }

    /// The engine asks for this by its newer name too.
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let accounts = Arc::clone(&self.accounts);
        let account = match self.side {
            Side::Above => accounts.begin(partition, &context),
            Side::Below => accounts.of(partition)?,
        };
        let input = self.input.execute(partition, context)?;
        let schema = input.schema();
        let counted = match self.side {
            Side::Below => input
                .and_then(move |batch| {
                    let counted = compact(batch).and_then(|batch| {
                        locked(&account).take(batch.num_rows(), accounts.bytes(&batch))?;
                        Ok(batch)
                    });
                    futures::future::ready(counted)
                })
                .boxed(),
            Side::Above => {
                let ended = Arc::clone(&account);
                let end = futures::stream::poll_fn(move |_| {
                    locked(&ended).end();
                    Poll::Ready(None)
                });
                input.inspect_ok(move |batch| locked(&account).give_back(batch.num_rows())).chain(end).boxed()
            }
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, counted)))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};

    use super::*;

    #[test]
    fn batches_are_let_go_in_their_order_when_no_row_of_them_is_needed() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100));
        let account = |rows_after| Account {
            reservation: MemoryConsumer::new("Window[0]").register(&pool),
            held: VecDeque::new(),
            let_go: 0,
            given_out: 0,
            rows_after,
        };
        let mut one = account(5);
        one.take(10, 40).unwrap();
        one.take(10, 40).unwrap();
        assert!(one.take(10, 40).is_err());
        one.give_back(14);
        assert_eq!(pool.reserved(), 80);
        one.give_back(1);
        assert_eq!(pool.reserved(), 40);
        one.take(1, 60).unwrap();
        one.give_back(6);
        assert_eq!(pool.reserved(), 100);
        one.end();
        assert_eq!(pool.reserved(), 0);
        let mut all = account(ALL);
        all.take(10, 40).unwrap();
        all.give_back(10);
        assert_eq!(pool.reserved(), 40);
        drop(all);
        assert_eq!(pool.reserved(), 0);
    }
}
