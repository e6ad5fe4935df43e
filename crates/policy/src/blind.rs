//! Policies that forbid rows by columns, where nothing is known of a table's columns.

use cedar_policy::pst::{BinaryOp, Clause, Effect, Expr, Literal, Policy as Tree, Template, UnaryOp, Var};
use cedar_policy::{Policy, PolicyId, PolicySet};

use crate::action::Action;
use crate::asker::Boxed;
use crate::schema::UNKNOWN_ROW;

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
            let looks = body.clauses().iter().any(|(Clause::When(expr) | Clause::Unless(expr))| looks_at_columns(expr));
            let might = body.clauses().iter().all(|clause| match clause {
                Clause::When(expr) => outcomes(expr).holds,
                Clause::Unless(expr) => outcomes(expr).fails,
            });
            if !looks || !might {
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

/// What a condition can come to on a row of which no column is known.
struct Outcomes {
    holds: bool,
    fails: bool,
}

impl Outcomes {
    const ANY: Self = Self { holds: true, fails: true };

    const fn of(holds: bool) -> Self {
        Self { holds, fails: !holds }
    }
}

/// A condition that asks for rows of another table, for columns or for another action says nothing of such a row. What is not told apart here
/// can come to either.
fn outcomes(expr: &Expr) -> Outcomes {
    match expr {
        Expr::Literal(Literal::Bool(value)) => Outcomes::of(*value),
        Expr::UnaryOp { op: UnaryOp::Not, expr } => {
            let Outcomes { holds, fails } = outcomes(expr);
            Outcomes { holds: fails, fails: holds }
        }
        Expr::BinaryOp { op: BinaryOp::And, left, right } => {
            let (left, right) = (outcomes(left), outcomes(right));
            Outcomes { holds: left.holds && right.holds, fails: left.fails || right.fails }
        }
        Expr::BinaryOp { op: BinaryOp::Or, left, right } => {
            let (left, right) = (outcomes(left), outcomes(right));
            Outcomes { holds: left.holds || right.holds, fails: left.fails && right.fails }
        }
        Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::In, left, right } if matches!(**left, Expr::Var(Var::Action)) => {
            is_of_rows(right).map_or(Outcomes::ANY, Outcomes::of)
        }
        Expr::Is { expr, entity_type, in_expr } if matches!(**expr, Expr::Var(Var::Resource)) => {
            let is_unknown = entity_type.to_string() == UNKNOWN_ROW;
            if is_unknown && in_expr.is_some() { Outcomes::ANY } else { Outcomes::of(is_unknown) }
        }
        _ => Outcomes::ANY,
    }
}

/// Whether one of these actions is that of rows; none when they are not written out.
fn is_of_rows(actions: &Expr) -> Option<bool> {
    match actions {
        Expr::Literal(Literal::EntityUID(action)) => Some(action.eid.as_str() == Action::ReadRow.name()),
        Expr::Set(items) => items.iter().try_fold(false, |found, item| Some(is_of_rows(item)? || found)),
        _ => None,
    }
}
