//! Which columns of tables a query compares for equality: conditions of joins, filters, subqueries.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};

use super::{ColumnRef, Origins, Result2, Walk};
use crate::door::Shut;
use crate::error::Error;

/// The columns that each side of a comparison is computed from; sides that no column has part in are left out.
pub(crate) type Compared = Vec<(BTreeSet<ColumnRef>, BTreeSet<ColumnRef>)>;

/// Every equality of a plan.
///
/// # Errors
/// When the plan holds a node whose columns cannot be followed, which the door never lets through.
pub(crate) fn compared(plan: &LogicalPlan) -> Result<Compared, Error> {
    let mut found = Compared::new();
    walk(&mut Walk::default(), plan, &mut found).map_err(|error| Error::plan(&error))?;
    Ok(found)
}

fn walk(state: &mut Walk, plan: &LogicalPlan, found: &mut Compared) -> Result2<()> {
    match plan {
        LogicalPlan::Join(join) => {
            let (left, right) = (state.plan(&join.left)?, state.plan(&join.right)?);
            for (one, other) in join.on.iter().filter(|(one, other)| is_bare(one) && is_bare(other)) {
                let one = state.expression(one, join.left.schema(), &left)?;
                let other = state.expression(other, join.right.schema(), &right)?;
                add(found, one, other);
            }
            if let Some(filter) = &join.filter {
                let schema = join.left.schema().join(join.right.schema())?;
                let origins: Origins = left.into_iter().chain(right).collect();
                equalities(state, filter, &schema, &origins, found)?;
            }
        }
        LogicalPlan::Filter(filter) => {
            let origins = state.plan(&filter.input)?;
            equalities(state, &filter.predicate, filter.input.schema(), &origins, found)?;
        }
        LogicalPlan::Projection(projection) => {
            let origins = state.plan(&projection.input)?;
            projection.expr.iter().try_for_each(|expression| equalities(state, expression, projection.input.schema(), &origins, found))?;
        }
        // A view that is a scan to its reader compares all the same.
        LogicalPlan::TableScan(scan) => {
            if let Some(view) = source_as_provider(&scan.source)?.downcast_ref::<Shut>() {
                return walk(state, view.plan(), found);
            }
        }
        // A work table has its origins only while its own query is followed; what it compares is not looked at.
        LogicalPlan::RecursiveQuery(_) => return Ok(()),
        _ => {}
    }
    plan.inputs().into_iter().try_for_each(|input| walk(state, input, found))
}

fn equality(operator: Operator) -> bool {
    matches!(operator, Operator::Eq | Operator::IsNotDistinctFrom)
}

/// Whether an expression is a column, or one in another type.
fn is_bare(expression: &Expr) -> bool {
    match expression {
        Expr::Column(_) | Expr::OuterReferenceColumn(..) => true,
        Expr::Alias(alias) => is_bare(&alias.expr),
        Expr::Cast(cast) => is_bare(&cast.expr),
        _ => false,
    }
}

fn add(found: &mut Compared, one: BTreeSet<ColumnRef>, other: BTreeSet<ColumnRef>) {
    if !one.is_empty() && !other.is_empty() {
        found.push((one, other));
    }
}

fn equalities(state: &mut Walk, expression: &Expr, schema: &DFSchema, origins: &Origins, found: &mut Compared) -> Result2<()> {
    let mut within: Vec<LogicalPlan> = Vec::new();
    expression.apply(|part| {
        match part {
            // What a function makes of a column may well be equal: lengths, parts.
            Expr::BinaryExpr(binary) if equality(binary.op) && is_bare(&binary.left) && is_bare(&binary.right) => {
                let one = state.expression(&binary.left, schema, origins)?;
                let other = state.expression(&binary.right, schema, origins)?;
                add(found, one, other);
            }
            Expr::InList(list) if is_bare(&list.expr) => {
                let one = state.expression(&list.expr, schema, origins)?;
                for item in list.list.iter().filter(|item| is_bare(item)) {
                    let other = state.expression(item, schema, origins)?;
                    add(found, one.clone(), other);
                }
            }
            Expr::InSubquery(subquery) if is_bare(&subquery.expr) => {
                let one = state.expression(&subquery.expr, schema, origins)?;
                let other = state.subquery(&subquery.subquery.subquery, schema, origins)?;
                add(found, one, other);
                within.push(subquery.subquery.subquery.as_ref().clone());
            }
            Expr::Exists(exists) => within.push(exists.subquery.subquery.as_ref().clone()),
            Expr::ScalarSubquery(scalar) => within.push(scalar.subquery.as_ref().clone()),
            _ => {}
        }
        Ok::<_, DataFusionError>(TreeNodeRecursion::Continue)
    })?;
    for plan in within {
        state.within(schema, origins, |state| walk(state, &plan, found))?;
    }
    Ok(())
}
