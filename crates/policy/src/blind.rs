//! Policies that forbid rows by columns, where nothing is known of a table's columns.

use cedar_policy::pst::{Clause, Effect, Expr, Policy as Tree, Template, Var};
use cedar_policy::{Policy, PolicyId, PolicySet};

use crate::asker::Boxed;

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
            if !body.clauses().iter().any(|(Clause::When(expr) | Clause::Unless(expr))| looks_at_columns(expr)) {
                continue;
            }
            let scope = Template::new(id.as_str(), Effect::Forbid, body.principal.clone(), body.action.clone(), body.resource.clone());
            scopes.add(Policy::from_pst(Tree::Static(scope.try_into()?))?.new_id(PolicyId::new(&id)))?;
        }
        Ok(Self { scopes })
    }
}

/// Whether an expression looks at attributes of anything but the principal and the context: of `resource`, under whatever guise.
fn looks_at_columns(expr: &Expr) -> bool {
    let is_known = |of: &Expr| matches!(of, Expr::Var(Var::Principal | Var::Action | Var::Context));
    let looks = |expr: &Expr| match expr {
        Expr::GetAttr { expr: of, .. } | Expr::HasAttr { expr: of, .. } if !is_known(of) => Some(true),
        _ => None,
    };
    expr.reduce(&looks, &|one, other| one || other, false)
}
