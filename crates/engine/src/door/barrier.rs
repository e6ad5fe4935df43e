//! What stands between a table and whoever may read some of it: rows that policies hide go, columns that they mask are masked, and nothing of a
//! question is computed before that.
//!
//! ```text
//! question's filters, joins, sorts, groups, limits, projections
//! Barrier         no rule of the optimizer sees what is below; no statistics, no order, no metrics
//!   masks         column by column; none fails
//!   FilterExec    the policies' rows, exact and never NULL; with it the question's leakproof conditions
//!     inner scan  of the columns that are shown or that the row filter looks at
//! ```
//!
//! How each way below of DataFusion 55.2 is closed:
//! - Conditions of a question reach a provider only as far as `supports_filters_pushdown` lets them (`PushDownFilter`), and stay in the plan
//!   above all the same. [`Governed`] takes those of [`is_leakproof`] and no others; `1 / (salary - 100)`, casts and regular expressions are
//!   computed above, on rows that are shown. Masked columns are masked below every condition.
//! - A projection comes in as places of columns (`OptimizeProjections`, `PushDownLeafProjections`), never as an expression. Physical
//!   projections are swapped only with nodes that offer it (`try_swapping_with_projection`); [`Barrier`] does not.
//! - A limit (`PushDownLimit`) goes on to the inner scan only where each of its rows is shown: without a row filter, and without a condition
//!   beside it. Physical limits stop at nodes without `supports_limit_pushdown` and `with_fetch` (`LimitPushdown`).
//! - Dynamic filters of TopK, joins, MIN and MAX go down by `gather_filters_for_pushdown` (`FilterPushdown`, both phases); sorts by
//!   `try_pushdown_sort` (`PushdownSort`). [`Barrier`] has no children to hand them to and answers each with no.
//! - COUNT, MIN and MAX are answered from exact statistics (`AggregateStatistics`), and the sides of joins chosen by any (`JoinSelection`).
//!   Counts and extremes of a scan are those of hidden rows too, so [`Governed`] has none, and [`Barrier`] says of the table, whatever is asked
//!   of it, how large it is about ([`size_class`]): an estimate, never exact, that changes when the table becomes four times as large.
//! - What a scan knows of its rows (order, constants, keys) removes sorts, groups and joins, and would tell of the row filter. [`Barrier`]
//!   starts from nothing, and `constraints` are none.
//! - Any other rule walks `children`, and there are none. So what is wanted of rules below is done here by hand: large files are read in
//!   parts, by all threads, and the filter is handed to Parquet for pruning.

mod leakproof;
mod masks;
mod rows;
mod shut;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, Statistics};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule as _;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, ExecutionPlanProperties as _, ReplaceChildrenOptions, reset_plan_states,
};
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt as _;
use polder_policy::{Access, ColumnKind, ColumnRef, Mask, Sight};
use polder_types::Predicate;

use crate::error::Error;
use crate::tables::{Keyed, Tables};

use leakproof::is_leakproof;
use masks::{Shown, is_text};
use rows::NoFilter;

pub(crate) use shut::Shut;

/// The table as `access` lets it be read: itself where that is the whole. `known` are the columns that policies decided about.
///
/// # Errors
/// When no column is left to show, the row filter looks at a column that the table does not have so, or a mask has no key.
pub(crate) fn governed(
    access: &Access,
    known: &[ColumnRef],
    provider: Arc<dyn TableProvider>,
    tables: &dyn Tables,
) -> std::result::Result<Arc<dyn TableProvider>, Error> {
    if access.is_whole() {
        return Ok(provider);
    }
    let table = access.permit().table();
    let stored = provider.schema();
    if let Some(predicate) = access.rows() {
        let misfit = || Error::NoRowFilter { table: table.to_string() };
        let fits = |name: &str| {
            let known = known.iter().find(|column| column.name == name);
            known.zip(stored.field_with_name(name).ok()).is_some_and(|(known, field)| is_as_known(known, field))
        };
        if !predicate.columns().into_iter().all(fits) {
            return Err(misfit());
        }
        // It is made again for the columns of each scan; here for the answer to whoever asks.
        rows::filter(predicate, &stored).map_err(|error| match error {
            NoFilter::Misfit => misfit(),
            NoFilter::Engine(error) => Error::SetUp(error.strip_backtrace()),
        })?;
    }
    let mut columns = Vec::new();
    for (place, field) in stored.fields().iter().enumerate() {
        let shown = match access.column(field.name()) {
            Sight::Hidden => continue,
            Sight::Clear => Shown::Clear,
            Sight::Masked(mask) => {
                let keyed = || {
                    let way = if mask == Mask::Tokenise { Keyed::Token } else { Keyed::Hash };
                    let failed = |source| Error::Table { table: table.to_string(), source };
                    tables.keyed(table, field.name(), way).map_err(failed)
                };
                Shown::of(mask, field.data_type(), keyed)?
            }
        };
        columns.push(Column { from: shown.looks().then_some(place), field: Arc::new(shown.field(field)), shown });
    }
    if columns.is_empty() {
        return Err(Error::NoColumn { table: table.to_string() });
    }
    let schema = Arc::new(Schema::new(columns.iter().map(|column| Arc::clone(&column.field)).collect::<Vec<_>>()));
    Ok(Arc::new(Governed { inner: provider, schema, columns, rows: access.rows().cloned() }))
}

/// Whether a column is what policies took it for. One that may be NULL where its contract says that it never is would pass a condition that
/// was made without a thought of NULL.
fn is_as_known(known: &ColumnRef, field: &Field) -> bool {
    let is_kind = match known.kind {
        ColumnKind::Boolean => *field.data_type() == DataType::Boolean,
        ColumnKind::Integer => field.data_type().is_integer() && *field.data_type() != DataType::UInt64,
        ColumnKind::Text => is_text(field.data_type()),
        ColumnKind::Date => *field.data_type() == DataType::Date32,
        ColumnKind::Timestamp => matches!(field.data_type(), DataType::Timestamp(..)),
        // Policies can ask no more of it than whether there is a value.
        ColumnKind::Other => true,
    };
    is_kind && (known.nullable || !field.is_nullable())
}

/// A column that is shown.
#[derive(Debug, Clone)]
struct Column {
    /// Its place in what it is taken from; none where its values are not looked at.
    from: Option<usize>,
    shown: Shown,
    field: Arc<Field>,
}

/// Tables of fewer rows are told apart by nothing.
const SIZE_CLASS_MIN: usize = 64;
/// How often a value stands in a column, as far as a plan is told: a number for all columns, of whatever they hold. With it a join of a table with
/// one that refers to it is taken for about as large as the larger, and not as the smaller.
const ROWS_A_VALUE: usize = 4;

/// A table of which not everything may be read.
struct Governed {
    inner: Arc<dyn TableProvider>,
    /// What is shown, as it is shown. What is hidden has no name here, so no error and no listing can tell it.
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: Option<Predicate>,
}

impl fmt::Debug for Governed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governed").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Governed {
    fn is_clear(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.field.name() == name && matches!(column.shown, Shown::Clear))
    }

    fn is_leakproof(&self, condition: &Expr) -> bool {
        is_leakproof(condition, &self.schema, &|name| self.is_clear(name))
    }

    /// The row filter and the question's leakproof conditions over what the inner scan gives.
    fn filter(&self, state: &dyn Session, conditions: &[Expr], scanned: &SchemaRef) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let mut all = Vec::with_capacity(conditions.len().saturating_add(1));
        if let Some(predicate) = &self.rows {
            all.push(rows::filter(predicate, scanned).map_err(|error| match error {
                NoFilter::Engine(error) => error,
                NoFilter::Misfit => DataFusionError::Internal("the inner scan gives other columns than the table".to_owned()),
            })?);
        }
        let columns = DFSchema::try_from(Arc::clone(scanned))?;
        for condition in conditions {
            all.push(state.create_physical_expr(condition.clone(), &columns)?);
        }
        let both = |left, right| Arc::new(BinaryExpr::new(left, Operator::And, right)) as Arc<dyn PhysicalExpr>;
        Ok(all.into_iter().reduce(both))
    }

    /// Places in the stored table.
    fn places<'a>(&'a self, names: impl IntoIterator<Item = &'a str>) -> Result<BTreeSet<usize>> {
        let stored = self.inner.schema();
        names.into_iter().map(|name| Ok(stored.index_of(name)?)).collect()
    }
}

#[async_trait]
impl TableProvider for Governed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match self.is_leakproof(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        None
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wrong = || DataFusionError::Internal("a scan of columns that the table does not have".to_owned());
        let shown: Vec<Column> = match projection {
            None => self.columns.clone(),
            Some(places) => places.iter().map(|place| self.columns.get(*place).cloned().ok_or_else(wrong)).collect::<Result<Vec<_>>>()?,
        };
        // Whatever got here: what is not leakproof is not looked at below. The plan has it above.
        let conditions: Vec<Expr> = filters.iter().filter(|filter| self.is_leakproof(filter)).cloned().collect();
        let taken: BTreeSet<usize> = shown.iter().filter_map(|column| column.from).collect();
        let looked_at = self.places(self.rows.iter().flat_map(Predicate::columns))?;
        let compared = self.places(conditions.iter().flat_map(Expr::column_refs).map(|column| column.name.as_str()))?;
        let needed: Vec<usize> = taken.iter().chain(&looked_at).chain(&compared).copied().collect::<BTreeSet<_>>().into_iter().collect();
        let hints: Vec<&Expr> = conditions.iter().collect();
        let supports = self.inner.supports_filters_pushdown(&hints)?;
        let hints: Vec<Expr> = hints
            .into_iter()
            .zip(supports)
            .filter(|(_, support)| *support != TableProviderFilterPushDown::Unsupported)
            .map(|(hint, _)| hint.clone())
            .collect();
        // Rows that a limit counts below must all be shown.
        let limit = limit.filter(|_| self.rows.is_none() && filters.is_empty());
        let size = size_class(self.inner.statistics().as_ref());
        let scan = self.inner.scan(state, Some(&needed), &hints, limit).await?;
        let scan = spread(scan, state)?;
        let filtered = match self.filter(state, &conditions, &scan.schema())? {
            None => scan,
            Some(filter) => {
                let kept = taken.iter().filter_map(|place| needed.binary_search(place).ok()).collect();
                let batch_size = state.config().batch_size();
                let filter = FilterExecBuilder::new(filter, scan).with_batch_size(batch_size).apply_projection(Some(kept))?.build()?;
                FilterPushdown::new().optimize(Arc::new(filter), state.config_options())?
            }
        };
        // What is left below are the taken columns, in their order.
        let taken: Vec<usize> = taken.into_iter().collect();
        let place = |from: usize| taken.binary_search(&from).map_err(|_| wrong());
        let shown = shown.into_iter().map(|column| Ok(Column { from: column.from.map(place).transpose()?, ..column }));
        Ok(Arc::new(Barrier::new(filtered, shown.collect::<Result<_>>()?, size)))
    }
}

/// About how many rows a table has: the least power of four that is no less, and at least [`SIZE_CLASS_MIN`]. It is what decides which side of a
/// join is held in memory, and all that a plan tells of hidden rows. None when the table does not know.
fn size_class(statistics: Option<&Statistics>) -> Option<usize> {
    let rows = *statistics?.num_rows.get_value()?;
    let exponent = rows.max(SIZE_CLASS_MIN).checked_next_power_of_two()?.trailing_zeros();
    1_usize.checked_shl(exponent.next_multiple_of(2))
}

/// A scan with large files in parts, so that every thread has some: what the optimizer does to scans that it sees.
fn spread(scan: Arc<dyn ExecutionPlan>, state: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
    let (threads, options) = (state.config().target_partitions(), state.config_options());
    if threads < 2 || !options.optimizer.repartition_file_scans {
        return Ok(scan);
    }
    Ok(scan.repartitioned(threads, options)?.unwrap_or(scan))
}

/// Gives the masked rows, and shows nothing of where they come from.
struct Barrier {
    /// Not among the children, so that whoever walks a plan ends here.
    input: Arc<dyn ExecutionPlan>,
    columns: Arc<Vec<Column>>,
    properties: Arc<PlanProperties>,
    /// About how many rows the whole table has.
    size: Option<usize>,
}

impl Barrier {
    fn new(input: Arc<dyn ExecutionPlan>, columns: Vec<Column>, size: Option<usize>) -> Self {
        let schema = Arc::new(Schema::new(columns.iter().map(|column| Arc::clone(&column.field)).collect::<Vec<_>>()));
        let partitions = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { input, columns: Arc::new(columns), properties: Arc::new(properties), size }
    }

    /// What is below, for tests of what reaches it.
    #[cfg(test)]
    fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }
}

/// One batch as it is shown.
fn masked(batch: &RecordBatch, columns: &[Column], schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let values = |column: &Column| {
        let data_type: &DataType = column.field.data_type();
        column.shown.apply(column.from.and_then(|from| batch.columns().get(from)), data_type, rows)
    };
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns.iter().map(values).collect(), &options)?)
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Barrier")
    }
}

impl DisplayAs for Barrier {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Barrier")
    }
}

impl ExecutionPlan for Barrier {
    fn name(&self) -> &str {
        "Barrier"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    /// The row filter is nobody's to see or to change.
    fn apply_expressions(&self, _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { Err(DataFusionError::Internal("Barrier has no inputs".to_owned())) }
    }

    /// The engine asks for this by its newer name too.
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    /// A recursion begins its parts again: a scan that is below must give its rows again, and nobody else gets to it.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = reset_plan_states(Arc::clone(&self.input))?;
        Ok(Arc::new(Self { input, columns: Arc::clone(&self.columns), properties: Arc::clone(&self.properties), size: self.size }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (schema, columns) = (self.schema(), Arc::clone(&self.columns));
        let given = Arc::clone(&schema);
        let shown = input.map(move |batch| masked(&batch?, &columns, &schema));
        Ok(Box::pin(RecordBatchStreamAdapter::new(given, shown)))
    }

    /// Of the whole table, whatever the scan leaves out: what it leaves out depends on hidden rows.
    fn statistics_from_inputs(&self, _input_stats: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        let parts = if args.partition().is_some() { self.properties.output_partitioning().partition_count().max(1) } else { 1 };
        if let Some(rows) = self.size {
            let rows = (rows / parts).max(1);
            statistics.num_rows = Precision::Inexact(rows);
            for column in &mut statistics.column_statistics {
                column.distinct_count = Precision::Inexact((rows / ROWS_A_VALUE).max(1));
            }
        }
        Ok(Arc::new(statistics))
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn with_fetch(&self, _limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        None
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        Ok(FilterDescription::all_unsupported(&parent_filters, &self.children()))
    }

    /// Said outright: a filter that were taken for handled here would be left out above.
    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::all_unsupported(child_pushdown_result))
    }
}

#[cfg(test)]
mod tests;
