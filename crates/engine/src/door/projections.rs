//! A cure for a defect of the query engine: of two projections, one over the other, that look alike, its optimizer drops one, so that
//! `select a * 3 as a from (select a * 3 as a from t)` would multiply once. Mended upstream by apache/datafusion#24686, in no release
//! yet: when the engine is updated, the test `alike_projections_are_all_computed` says whether this can go.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::optimizer::{ApplyOrder, Optimizer, OptimizerConfig, OptimizerRule};

/// The optimizer's rules, with this one before each that would drop a projection.
pub(crate) fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let rules = Optimizer::new().rules.into_iter();
    rules
        .flat_map(|rule| {
            let first: Option<Arc<dyn OptimizerRule + Send + Sync>> =
                (rule.name() == "optimize_projections").then(|| Arc::new(TellApart) as Arc<dyn OptimizerRule + Send + Sync>);
            first.into_iter().chain([rule])
        })
        .collect()
}

/// Gives the lower of two projections that look alike other names.
#[derive(Debug)]
struct TellApart;

impl OptimizerRule for TellApart {
    fn name(&self) -> &str {
        "tell_projections_apart"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(upper) = &plan else { return Ok(Transformed::no(plan)) };
        let LogicalPlan::Projection(lower) = upper.input.as_ref() else { return Ok(Transformed::no(plan)) };
        if upper.expr != lower.expr || upper.expr.iter().all(|expression| matches!(expression, Expr::Column(_))) {
            return Ok(Transformed::no(plan));
        }
        let mut renamed = BTreeMap::new();
        let mut expressions = Vec::with_capacity(lower.expr.len());
        for ((qualifier, field), expression) in lower.schema.iter().zip(&lower.expr) {
            if matches!(expression, Expr::Column(_)) {
                expressions.push(expression.clone());
                continue;
            }
            let mut name = format!("{} below", field.name());
            while lower.schema.has_column_with_unqualified_name(&name) {
                name.push_str(" below");
            }
            renamed.insert(Column::new(qualifier.cloned(), field.name()), Column::new_unqualified(name.clone()));
            expressions.push(expression.clone().unalias().alias(name));
        }
        let lower = Projection::try_new(expressions, Arc::clone(&lower.input))?;
        let mut above = Vec::with_capacity(upper.expr.len());
        for ((qualifier, field), expression) in upper.schema.iter().zip(&upper.expr) {
            let expression = expression.clone().transform(|part| match part {
                Expr::Column(column) => Ok(match renamed.get(&column) {
                    Some(new) => Transformed::yes(Expr::Column(new.clone())),
                    None => Transformed::no(Expr::Column(column)),
                }),
                part => Ok(Transformed::no(part)),
            })?;
            above.push(if expression.transformed {
                expression.data.unalias().alias_qualified(qualifier.cloned(), field.name())
            } else {
                expression.data
            });
        }
        let upper = Projection::try_new_with_schema(above, Arc::new(LogicalPlan::Projection(lower)), Arc::clone(&upper.schema))?;
        Ok(Transformed::yes(LogicalPlan::Projection(upper)))
    }
}
