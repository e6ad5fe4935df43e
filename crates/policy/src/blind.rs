//! Policies that forbid rows by columns, where nothing is known of a table's columns.

use std::collections::BTreeSet;

use cedar_policy::pst::{ActionConstraint, Clause, Effect, Expr, Policy as Tree, Template, Var};
use cedar_policy::{Policy, PolicyId, PolicySet};

use crate::asker::Boxed;

/// What `Table` and `Column` have as attributes. A policy on every action that looks at these speaks of tables, as before there were rows.
const OF_TABLES: [&str; 5] = ["name", "table", "id", "classification", "model"];

/// Forbids on rows that look at columns. Cedar would say of a row without known columns that it has none, so that none of these forbids it;
/// Polder says that they might.
#[derive(Debug)]
pub(crate) struct Blind {
    /// These policies without their conditions: they forbid where the whole policy might.
    pub(crate) scopes: PolicySet,
}

impl Blind {
    pub(crate) fn new(of_rows: &PolicySet) -> Result<Self, Boxed> {
        let mut scopes = PolicySet::new();
        for policy in of_rows.policies().filter(|policy| policy.effect() == cedar_policy::Effect::Forbid) {
            let id = policy.id().to_string();
            let tree = policy.to_pst()?;
            let body = tree.body();
            let mut columns = BTreeSet::new();
            for Clause::When(expr) | Clause::Unless(expr) in body.clauses() {
                columns.extend(columns_of(expr));
            }
            let of_tables = body.action == ActionConstraint::Any && columns.iter().all(|column| OF_TABLES.contains(&column.as_str()));
            if columns.is_empty() || of_tables {
                continue;
            }
            let scope = Template::new(id.as_str(), Effect::Forbid, body.principal.clone(), body.action.clone(), body.resource.clone());
            scopes.add(Policy::from_pst(Tree::Static(scope.try_into()?))?.new_id(PolicyId::new(&id)))?;
        }
        Ok(Self { scopes })
    }
}

/// The attributes of `resource` that an expression looks at.
fn columns_of(expr: &Expr) -> BTreeSet<String> {
    let of_row = |of: &Expr| matches!(of, Expr::Var(Var::Resource));
    let column = |expr: &Expr| match expr {
        Expr::GetAttr { expr: of, attr } if of_row(of) => Some(BTreeSet::from([attr.to_string()])),
        Expr::HasAttr { expr: of, attrs } if of_row(of) => Some(BTreeSet::from([attrs.first().to_string()])),
        _ => None,
    };
    expr.reduce(&column, &|a, b| a.into_iter().chain(b).collect(), BTreeSet::new())
}
