//! A question of data as PostgreSQL's clients write it, for the SQL door. Only what the door would not take is written anew; the door parses
//! and checks the result like any other text, so nothing here lets anything through.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CharacterLength, DataType, ExactNumberInfo, Expr, Function, LimitClause, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, TableFactor, VisitMut, VisitorMut,
};

use super::relation::PG_CATALOG;
use super::rewrite;
use super::world::{DATABASE, PUBLIC};

/// The text for the door. None: the text that came will do.
pub(super) fn rewrite(mut query: Query) -> Option<String> {
    let mut rewriter = Rewriter { changed: false };
    let _ = VisitMut::visit(&mut query, &mut rewriter);
    rewriter.changed.then(|| query.to_string())
}

struct Rewriter {
    changed: bool,
}

impl Rewriter {
    /// Drops these from the front of a name, never its last part.
    fn shorten(&mut self, parts: &mut Vec<ObjectNamePart>, schemas: &[&str]) {
        let is = |part: Option<&ObjectNamePart>, names: &[&str]| match part {
            Some(ObjectNamePart::Identifier(ident)) => names.iter().any(|name| match ident.quote_style {
                Some(_) => ident.value == *name,
                None => ident.value.eq_ignore_ascii_case(name),
            }),
            _ => false,
        };
        if parts.len() > 2 && is(parts.first(), &[DATABASE]) && is(parts.get(1), schemas) {
            parts.remove(0);
        }
        if parts.len() > 1 && is(parts.first(), schemas) {
            parts.remove(0);
            self.changed = true;
        }
    }

    fn cast(&mut self, expression: &mut Box<Expr>, data_type: &mut DataType) {
        let length = match &*data_type {
            DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => *length,
            DataType::Custom(name, modifiers) if modifiers.is_empty() => {
                let mut parts = name.0.clone();
                let before = self.changed;
                self.shorten(&mut parts, &[PG_CATALOG]);
                self.changed = before;
                let [ObjectNamePart::Identifier(ident)] = parts.as_slice() else { return };
                let plain = match ident.value.to_lowercase().as_str() {
                    "text" | "name" | "varchar" => DataType::Varchar(None),
                    "bool" => DataType::Boolean,
                    "int2" => DataType::SmallInt(None),
                    "int4" => DataType::Integer(None),
                    "int8" | "oid" => DataType::BigInt(None),
                    "float4" => DataType::Real,
                    "float8" => DataType::DoublePrecision,
                    "numeric" => DataType::Numeric(ExactNumberInfo::None),
                    "date" => DataType::Date,
                    _ => return,
                };
                *data_type = plain;
                self.changed = true;
                return;
            }
            _ => return,
        };
        let is_plain = matches!(data_type, DataType::Varchar(None));
        *data_type = DataType::Varchar(None);
        // A cast to a length cuts off what is beyond.
        if let Some(CharacterLength::IntegerLength { length, .. }) = length {
            let inner = std::mem::replace(expression.as_mut(), rewrite::text(""));
            let whole = rewrite::cast_to(inner, DataType::Varchar(None));
            **expression = rewrite::call("left", vec![whole, rewrite::number(i64::try_from(length).unwrap_or(i64::MAX))]);
        }
        self.changed |= !is_plain;
    }
}

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let is_plain = query.limit_clause.as_ref().is_none_or(|clause| matches!(clause, LimitClause::LimitOffset { limit: None, .. }));
        let rows = query.fetch.as_ref().is_some_and(|fetch| !fetch.with_ties && !fetch.percent);
        if is_plain
            && rows
            && let Some(fetch) = query.fetch.take()
        {
            let limit = Some(fetch.quantity.unwrap_or_else(|| rewrite::number(1)));
            query.limit_clause = Some(match query.limit_clause.take() {
                Some(LimitClause::LimitOffset { offset, limit_by, .. }) => LimitClause::LimitOffset { limit, offset, limit_by },
                _ => LimitClause::LimitOffset { limit, offset: None, limit_by: Vec::new() },
            });
            self.changed = true;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item {
                self.shorten(&mut name.0, &[PUBLIC]);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name: ObjectName(parts), args: None, .. } = factor {
            self.shorten(parts, &[PUBLIC]);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        match expression {
            Expr::CompoundIdentifier(idents) if idents.len() > 2 => {
                let mut parts: Vec<ObjectNamePart> = std::mem::take(idents).into_iter().map(ObjectNamePart::Identifier).collect();
                self.shorten(&mut parts, &[PUBLIC]);
                *idents = parts
                    .into_iter()
                    .filter_map(|part| if let ObjectNamePart::Identifier(ident) = part { Some(ident) } else { None })
                    .collect();
            }
            Expr::Function(Function { name: ObjectName(parts), .. }) => self.shorten(parts, &[PG_CATALOG]),
            Expr::Collate { expr, collation } if is_plain_collation(collation) => {
                *expression = std::mem::replace(expr.as_mut(), rewrite::text(""));
                self.changed = true;
            }
            Expr::BinaryOp { op, .. } => {
                if matches!(op, BinaryOperator::PGCustomBinaryOperator(_)) {
                    rewrite::operator(op);
                    self.changed |= !matches!(op, BinaryOperator::PGCustomBinaryOperator(_));
                }
            }
            Expr::AnyOp { left, compare_op, right, .. } => {
                if let Some(other) = rewrite::any_of_elements(left, compare_op, right, false) {
                    *expression = other;
                    self.changed = true;
                }
            }
            Expr::AllOp { left, compare_op, right } => {
                if let Some(other) = rewrite::any_of_elements(left, compare_op, right, true) {
                    *expression = other;
                    self.changed = true;
                }
            }
            Expr::Cast { expr, data_type, .. } => self.cast(expr, data_type),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Whether a collation orders texts as is done anyway.
fn is_plain_collation(collation: &ObjectName) -> bool {
    matches!(collation.0.last(), Some(ObjectNamePart::Identifier(ident)) if matches!(ident.value.as_str(), "default" | "C" | "POSIX" | "ucs_basic" | "C.UTF-8" | "C.utf8"))
}
