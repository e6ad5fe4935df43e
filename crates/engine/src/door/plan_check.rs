//! The last word on a plan: only nodes, functions and tables of the allow-lists, in every subquery, whatever the text was.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion, TreeNodeVisitor};
use datafusion::datasource::source_as_provider;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, WindowFunctionDefinition};

use super::checked::is_checked;
use super::functions::Allowed;
use super::growth::{CONSTANT_BYTES_MAX, is_joined};
use crate::error::Error;

/// What a plan may hold.
pub(crate) struct PlanRules<'a> {
    pub functions: &'a Allowed,
    /// The tables that a permit was given for, for this request.
    pub tables: &'a [Arc<dyn TableProvider>],
}

/// Most levels of a plan: its nodes on the longest way down, views included, and for each the depth of its expressions,
/// since optimising may put the expressions of all of them into one.
pub(crate) const LEVELS_MAX: usize = 1_000;

/// The levels of a plan.
fn levels(plan: &LogicalPlan) -> Result<usize> {
    let mut deepest = Expressions::default();
    plan.apply_expressions(|expression| expression.visit(&mut deepest))?;
    let mut below = 0;
    for input in plan.inputs() {
        below = below.max(levels(input)?);
    }
    Ok(below.saturating_add(deepest.levels).saturating_add(1))
}

#[derive(Default)]
struct Expressions {
    now: usize,
    levels: usize,
}

impl<'n> TreeNodeVisitor<'n> for Expressions {
    type Node = Expr;

    fn f_down(&mut self, expression: &'n Expr) -> Result<TreeNodeRecursion> {
        self.now = self.now.saturating_add(1);
        let within = match expression {
            Expr::ScalarSubquery(subquery) => levels(&subquery.subquery)?,
            Expr::Exists(exists) => levels(&exists.subquery.subquery)?,
            Expr::InSubquery(within) => levels(&within.subquery.subquery)?,
            Expr::SetComparison(compared) => levels(&compared.subquery.subquery)?,
            _ => 0,
        };
        self.levels = self.levels.max(self.now.saturating_add(within));
        Ok(TreeNodeRecursion::Continue)
    }

    fn f_up(&mut self, _expression: &'n Expr) -> Result<TreeNodeRecursion> {
        self.now = self.now.saturating_sub(1);
        Ok(TreeNodeRecursion::Continue)
    }
}

impl PlanRules<'_> {
    /// Refuses a plan with anything that is not on the lists.
    ///
    /// # Errors
    /// [`Error::Refused`], naming the first thing that is not allowed.
    pub(crate) fn check(&self, plan: &LogicalPlan) -> std::result::Result<(), Error> {
        if levels(plan).map_err(|error| Error::plan(&error))? > LEVELS_MAX {
            return Err(Error::TooLong { max: LEVELS_MAX, unit: "levels, those of views included" });
        }
        let mut work_tables = Vec::new();
        let mut finding = None;
        let walked = plan.apply_with_subqueries(|node| {
            if let LogicalPlan::RecursiveQuery(recursive) = node {
                work_tables.push(recursive.name.clone());
            }
            if let Err(what) = self.node(node, &work_tables) {
                finding = Some(what);
                return Ok(TreeNodeRecursion::Stop);
            }
            node.apply_expressions(|expression| {
                expression.apply(|part| match self.expression(part) {
                    Ok(()) => Ok(TreeNodeRecursion::Continue),
                    Err(what) => {
                        finding = Some(what);
                        Ok(TreeNodeRecursion::Stop)
                    }
                })
            })
        });
        match (finding, walked) {
            (Some(what), _) => Err(Error::Refused(format!("{what}; see docs/format/model.md for what a query may hold"))),
            (None, Err(error)) => Err(Error::plan(&error)),
            (None, Ok(_)) => Ok(()),
        }
    }

    fn node(&self, node: &LogicalPlan, work_tables: &[String]) -> std::result::Result<(), String> {
        match node {
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Unnest(_)
            | LogicalPlan::RecursiveQuery(_) => Ok(()),
            LogicalPlan::TableScan(scan) => self.scan(scan, work_tables).map_err(|_| "a table that no permit was given for".to_owned()),
            LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Extension(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_) => Err("an operation that is no query".to_owned()),
        }
    }

    fn scan(&self, scan: &TableScan, work_tables: &[String]) -> Result<()> {
        let provider = source_as_provider(&scan.source)?;
        let known = self.tables.iter().any(|table| std::ptr::addr_eq(Arc::as_ptr(table), Arc::as_ptr(&provider)));
        // The work table of a recursive query is the query's own rows.
        let own = work_tables.iter().any(|name| name == scan.table_name.table())
            && provider.downcast_ref::<datafusion::datasource::cte_worktable::CteWorkTable>().is_some();
        if known || own { Ok(()) } else { Err(DataFusionError::Plan(String::new())) }
    }

    fn expression(&self, expression: &Expr) -> std::result::Result<(), String> {
        let no = |name: &str| Err(format!("the function {name} is not allowed"));
        match expression {
            Expr::ScalarFunction(function)
                if !self.functions.scalar(function.name()) && !is_checked(&function.func) && !is_joined(&function.func) =>
            {
                no(function.name())
            }
            Expr::AggregateFunction(function) if !self.functions.aggregate(function.func.name()) => no(function.func.name()),
            Expr::WindowFunction(function) => match &function.fun {
                WindowFunctionDefinition::AggregateUDF(inner) if !self.functions.aggregate(inner.name()) => no(inner.name()),
                WindowFunctionDefinition::WindowUDF(inner) if !self.functions.window(inner.name()) => no(inner.name()),
                _ => Ok(()),
            },
            // A constant stands in every row of a batch.
            Expr::Literal(value, _) if value.size() > CONSTANT_BYTES_MAX => {
                Err(format!("a constant of more than {} KiB is not taken; put it into a table", CONSTANT_BYTES_MAX >> 10))
            }
            Expr::HigherOrderFunction(function) => no(function.name()),
            Expr::Placeholder(_) => Err("a parameter without a value".to_owned()),
            Expr::ScalarVariable(..) => Err("a variable of the session".to_owned()),
            _ => Ok(()),
        }
    }
}
