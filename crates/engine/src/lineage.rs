//! Which columns of tables each column of a query is computed from, read off its plan.
//!
//! Values count, conditions do not: a column that only a filter, a join condition or an ordering uses is no input. The
//! branches and conditions of a CASE are values, and so is all that a subquery inside an expression gives.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::source_as_provider;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};
use serde::Serialize;

use crate::door::Shut;
use crate::error::Error;

mod compared;

pub(crate) use compared::compared;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ColumnRef {
    /// The table's name.
    pub table: String,
    /// The column's name.
    pub column: String,
}

/// A column that a model gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Its Arrow type, one that a table can store.
    pub data_type: DataType,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// The strictest classification of its inputs.
    pub classification: Option<String>,
    /// What it is computed from; empty for constants and counts of rows.
    pub inputs: BTreeSet<ColumnRef>,
}

type Origins = Vec<BTreeSet<ColumnRef>>;

/// For each output column of a plan, the columns that it is computed from.
///
/// # Errors
/// When the plan holds a node whose columns cannot be followed, which the door never lets through.
pub(crate) fn of_plan(plan: &LogicalPlan) -> Result<Origins, Error> {
    Walk::default().plan(plan).map_err(|error| Error::plan(&error))
}

type Result2<T> = Result<T, DataFusionError>;

/// The columns of the query around a correlated subquery.
#[derive(Clone)]
struct Outer {
    schema: DFSchema,
    origins: Origins,
}

#[derive(Default)]
struct Walk {
    outer: Vec<Outer>,
    /// Work tables of recursive queries.
    work_tables: BTreeMap<String, Origins>,
}

impl Walk {
    fn plan(&mut self, plan: &LogicalPlan) -> Result2<Origins> {
        Ok(match plan {
            LogicalPlan::TableScan(scan) => {
                let table = scan.table_name.table();
                let provider = source_as_provider(&scan.source)?;
                // By its kind too: a view may read a table that is called as a recursion around the view is.
                if provider.downcast_ref::<CteWorkTable>().is_some()
                    && let Some(origins) = self.work_tables.get(table)
                {
                    return project(origins, scan.projection.as_deref());
                }
                if let Some(view) = provider.downcast_ref::<Shut>() {
                    return project(&self.plan(view.plan())?, scan.projection.as_deref());
                }
                let table = crate::door::table_of(table).to_owned();
                let names = scan.projected_schema.fields().iter();
                names.map(|field| BTreeSet::from([ColumnRef { table: table.clone(), column: field.name().clone() }])).collect()
            }
            LogicalPlan::Projection(projection) => self.expressions(&projection.input, &projection.expr)?,
            LogicalPlan::Filter(filter) => self.plan(&filter.input)?,
            LogicalPlan::Sort(sort) => self.plan(&sort.input)?,
            LogicalPlan::Limit(limit) => self.plan(&limit.input)?,
            LogicalPlan::Repartition(repartition) => self.plan(&repartition.input)?,
            LogicalPlan::SubqueryAlias(alias) => self.plan(&alias.input)?,
            LogicalPlan::Subquery(subquery) => self.plan(&subquery.subquery)?,
            LogicalPlan::Distinct(Distinct::All(input)) => self.plan(input)?,
            LogicalPlan::Distinct(Distinct::On(on)) => self.expressions(&on.input, &on.select_expr)?,
            LogicalPlan::Window(window) => {
                let mut origins = self.plan(&window.input)?;
                origins.extend(self.expressions(&window.input, &window.window_expr)?);
                origins
            }
            LogicalPlan::Aggregate(aggregate) => {
                let groups: Vec<Expr> = grouping_set_to_exprlist(&aggregate.group_expr)?.into_iter().cloned().collect();
                let mut origins = self.expressions(&aggregate.input, &groups)?;
                // Grouping sets add a column that numbers the set: it holds no value of the input.
                let numbered = plan.schema().fields().len() - aggregate.aggr_expr.len();
                origins.resize(numbered, BTreeSet::new());
                origins.extend(self.expressions(&aggregate.input, &aggregate.aggr_expr)?);
                origins
            }
            LogicalPlan::Join(join) => {
                let (left, right) = (self.plan(&join.left)?, self.plan(&join.right)?);
                match join.join_type {
                    JoinType::LeftSemi | JoinType::LeftAnti => left,
                    JoinType::RightSemi | JoinType::RightAnti => right,
                    JoinType::LeftMark => left.into_iter().chain([right.into_iter().flatten().collect()]).collect(),
                    JoinType::RightMark => right.into_iter().chain([left.into_iter().flatten().collect()]).collect(),
                    JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => left.into_iter().chain(right).collect(),
                }
            }
            LogicalPlan::Union(union) => {
                let mut merged: Origins = vec![BTreeSet::new(); plan.schema().fields().len()];
                for input in &union.inputs {
                    merge(&mut merged, self.plan(input)?);
                }
                merged
            }
            LogicalPlan::EmptyRelation(empty) => vec![BTreeSet::new(); empty.schema.fields().len()],
            LogicalPlan::Values(values) => vec![BTreeSet::new(); values.schema.fields().len()],
            LogicalPlan::Unnest(unnest) => project(&self.plan(&unnest.input)?, Some(&unnest.dependency_indices))?,
            LogicalPlan::RecursiveQuery(recursive) => {
                let mut origins = self.plan(&recursive.static_term)?;
                // Each pass may bring columns round through the work table; it ends because origins only grow.
                loop {
                    self.work_tables.insert(recursive.name.clone(), origins.clone());
                    let mut next = origins.clone();
                    merge(&mut next, self.plan(&recursive.recursive_term)?);
                    if next == origins {
                        break;
                    }
                    origins = next;
                }
                self.work_tables.remove(&recursive.name);
                origins
            }
            other => return Err(DataFusionError::Plan(format!("the origin of columns cannot be followed through {}", node_name(other)))),
        })
    }

    fn expressions(&mut self, input: &LogicalPlan, expressions: &[Expr]) -> Result2<Origins> {
        let origins = self.plan(input)?;
        expressions.iter().map(|expression| self.expression(expression, input.schema(), &origins)).collect()
    }

    fn expression(&mut self, expression: &Expr, schema: &DFSchema, origins: &Origins) -> Result2<BTreeSet<ColumnRef>> {
        let mut found = BTreeSet::new();
        expression.apply(|part| {
            match part {
                Expr::Column(column) => found.extend(lookup(column, schema, origins).ok_or_else(|| unknown(column))?),
                Expr::OuterReferenceColumn(_, column) => {
                    let inputs = self.outer.iter().rev().find_map(|outer| lookup(column, &outer.schema, &outer.origins));
                    found.extend(inputs.ok_or_else(|| unknown(column))?);
                }
                Expr::ScalarSubquery(subquery) => found.extend(self.subquery(&subquery.subquery, schema, origins)?),
                Expr::Exists(exists) => found.extend(self.subquery(&exists.subquery.subquery, schema, origins)?),
                Expr::InSubquery(within) => found.extend(self.subquery(&within.subquery.subquery, schema, origins)?),
                Expr::SetComparison(compared) => found.extend(self.subquery(&compared.subquery.subquery, schema, origins)?),
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(found)
    }

    fn subquery(&mut self, plan: &LogicalPlan, schema: &DFSchema, origins: &Origins) -> Result2<BTreeSet<ColumnRef>> {
        let inner = self.within(schema, origins, |walk| walk.plan(plan));
        Ok(inner?.into_iter().flatten().collect())
    }

    /// Follows something inside a query, whose columns it may use.
    fn within<T>(&mut self, schema: &DFSchema, origins: &Origins, follow: impl FnOnce(&mut Self) -> T) -> T {
        self.outer.push(Outer { schema: schema.clone(), origins: origins.clone() });
        let followed = follow(self);
        self.outer.pop();
        followed
    }
}

fn lookup(column: &Column, schema: &DFSchema, origins: &Origins) -> Option<BTreeSet<ColumnRef>> {
    origins.get(schema.maybe_index_of_column(column)?).cloned()
}

fn unknown(column: &Column) -> DataFusionError {
    DataFusionError::Plan(format!("the origin of the column {column} cannot be found"))
}

fn project(origins: &Origins, indices: Option<&[usize]>) -> Result2<Origins> {
    let Some(indices) = indices else { return Ok(origins.clone()) };
    let missing = || DataFusionError::Plan("the origin of a projected column cannot be found".to_owned());
    indices.iter().map(|index| origins.get(*index).cloned().ok_or_else(missing)).collect()
}

fn merge(into: &mut Origins, from: Origins) {
    for (to, from) in into.iter_mut().zip(from) {
        to.extend(from);
    }
}

fn node_name(plan: &LogicalPlan) -> String {
    plan.display().to_string().split([':', ' ']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
