//! The names that PostgreSQL gives to columns without one.

use datafusion::sql::sqlparser::ast::{AccessExpr, DataType, Expr, SelectItem, SetExpr, TrimWhereField};

use super::build;
use crate::catalog::base_type;

/// What stands between a name and a number that makes it another, for columns of the same name. It is cut off of what is answered.
pub(in crate::catalog) const SAME: char = '\u{1}';

/// The name of a column that a query does not name.
pub(super) fn name(expression: &Expr) -> String {
    match figure(expression) {
        Some((name, _)) => name,
        None => "?column?".to_owned(),
    }
}

/// A name, and whether it is that of what is computed: a cast or a CASE around it gives another only where it is not.
fn figure(expression: &Expr) -> Option<(String, bool)> {
    let sure = |name: &str| Some((name.to_owned(), true));
    match expression {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => build::column_name(expression).map(|name| (name, true)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::Function(function) => build::function_name(function).map(|name| (name, true)),
        Expr::Cast { expr, data_type, .. } => figure(expr).filter(|(_, sure)| *sure).or_else(|| Some((type_name(data_type), false))),
        Expr::Case { else_result, .. } => {
            else_result.as_deref().and_then(figure).filter(|(_, sure)| *sure).or_else(|| Some(("case".to_owned(), false)))
        }
        Expr::Exists { .. } => sure("exists"),
        Expr::Array(_) => sure("array"),
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.first()? {
                SelectItem::UnnamedExpr(expr) => figure(expr).map(|(name, _)| (name, true)),
                SelectItem::ExprWithAlias { alias, .. } => {
                    sure(&if alias.quote_style.is_some() { alias.value.clone() } else { alias.value.to_lowercase() })
                }
                _ => None,
            },
            _ => None,
        },
        Expr::Substring { .. } => sure("substring"),
        Expr::Trim { trim_where, .. } => sure(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Position { .. } => sure("position"),
        Expr::Extract { .. } => sure("extract"),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(field)) => figure(field),
            _ => figure(root),
        },
        _ => None,
    }
}

fn type_name(data_type: &DataType) -> String {
    let written = data_type.to_string().to_lowercase();
    let plain = written.strip_prefix("pg_catalog.").unwrap_or(&written);
    let plain = plain.split(['(', '[']).next().unwrap_or_default().trim();
    base_type::by_name(plain).map_or_else(|| plain.trim_matches('"').to_owned(), |base| base.name.to_owned())
}
