//! What the values of an expression are, as far as it can be told before it is planned.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArguments, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins,
    TimezoneInfo, Value,
};

use super::build::{self, call};
use super::{cast, naming};
use crate::catalog::cell::Kind;
use crate::catalog::{function, read, relation};

/// A NULL of a kind.
pub(in crate::catalog) fn null_of(kind: Kind) -> Expr {
    let data_type = match kind {
        Kind::Bool => DataType::Boolean,
        Kind::Int2 => DataType::SmallInt(None),
        Kind::Int4 => DataType::Integer(None),
        Kind::Int8 => DataType::BigInt(None),
        Kind::Float4 => DataType::Real,
        Kind::Float8 => DataType::DoublePrecision,
        Kind::Text => DataType::Text,
        Kind::Bytes => DataType::Bytea,
        Kind::Time => DataType::Timestamp(None, TimezoneInfo::WithTimeZone),
        Kind::Int2s | Kind::Int8s => return call("int_array", vec![build::null()]),
        Kind::Texts | Kind::Float4s => return call("text_array", vec![build::null()]),
    };
    build::cast(build::null(), data_type)
}

/// What an expression's values are, as far as it can be told without planning it.
pub(in crate::catalog) fn kind(expression: &Expr) -> Kind {
    Scope::default().kind(expression)
}

/// The columns that subqueries and functions among a query's tables give.
#[derive(Default)]
pub(super) struct Scope {
    kinds: HashMap<String, Kind>,
}

impl Scope {
    pub(super) fn of(select: &Select) -> Self {
        let mut scope = Self::default();
        for tables in &select.from {
            scope.join(tables);
        }
        scope
    }

    fn join(&mut self, tables: &TableWithJoins) {
        self.table(&tables.relation);
        for join in &tables.joins {
            self.table(&join.relation);
        }
    }

    fn table(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Derived { subquery, .. } => {
                let SetExpr::Select(select) = subquery.body.as_ref() else { return };
                let within = Self::of(select);
                for item in &select.projection {
                    match item {
                        SelectItem::UnnamedExpr(expr) => self.kinds.insert(naming::name(expr), within.kind(expr)),
                        SelectItem::ExprWithAlias { expr, alias } => {
                            let name = if alias.quote_style.is_some() { alias.value.clone() } else { alias.value.to_lowercase() };
                            self.kinds.insert(name, within.kind(expr))
                        }
                        _ => None,
                    };
                }
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.join(table_with_joins),
            TableFactor::Table { name, args: Some(_), alias: Some(alias), .. } | TableFactor::Function { name, alias: Some(alias), .. } => {
                let is_series = read::names(name).and_then(|mut names| names.pop()).is_some_and(|name| name.starts_with("generate_s"));
                if is_series {
                    let column = alias.columns.first().map_or(&alias.name, |column| &column.name);
                    self.kinds.insert(column.value.to_lowercase(), Kind::Int4);
                }
            }
            _ => {}
        }
    }

    pub(super) fn kind(&self, expression: &Expr) -> Kind {
        match expression {
            Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => self.kind(inner),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.column(expression),
            Expr::Cast { data_type, .. } => cast::kind(data_type),
            Expr::Function(called) => self.function(called),
            Expr::Value(value) => match &value.value {
                Value::Boolean(_) => Kind::Bool,
                Value::Number(digits, _) if digits.contains(['.', 'e', 'E']) => Kind::Float8,
                Value::Number(..) => Kind::Int4,
                _ => Kind::Text,
            },
            Expr::Case { conditions, else_result, .. } => {
                let known = |expression: &Expr| !matches!(expression, Expr::Value(value) if value.value == Value::Null);
                let mut results = conditions.iter().map(|when| &when.result).chain(else_result.as_deref());
                results.find(|result| known(result)).map_or(Kind::Text, |found| self.kind(found))
            }
            Expr::BinaryOp { left, op, right } => match op {
                BinaryOperator::StringConcat => Kind::Text,
                BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo => {
                    if self.kind(left) == Kind::Text {
                        self.kind(right)
                    } else {
                        self.kind(left)
                    }
                }
                BinaryOperator::BitwiseAnd | BinaryOperator::BitwiseOr | BinaryOperator::BitwiseXor => self.kind(left),
                _ => Kind::Bool,
            },
            Expr::UnaryOp { expr, .. } => match self.kind(expr) {
                Kind::Text => Kind::Bool,
                other => other,
            },
            Expr::CompoundFieldAccess { root, access_chain } => match (self.kind(root), access_chain.last()) {
                (Kind::Int2s, _) => Kind::Int2,
                (Kind::Int8s, _) => Kind::Int8,
                (Kind::Texts, _) | (_, None) => Kind::Text,
                // `(information_schema._pg_expandarray(...)).n`
                (_, Some(_)) => Kind::Int4,
            },
            Expr::Subquery(query) => subquery_kind(query).unwrap_or(Kind::Text),
            Expr::Array(array) => match array.elem.first().map(|item| self.kind(item)) {
                Some(Kind::Int2 | Kind::Int4 | Kind::Int8) => Kind::Int8s,
                _ => Kind::Texts,
            },
            Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. }
            | Expr::Exists { .. } => Kind::Bool,
            _ => Kind::Text,
        }
    }

    /// Of what a subquery gives, or the catalog's own: there, names of columns begin with their table's.
    fn column(&self, expression: &Expr) -> Kind {
        let Some(name) = build::column_name(expression) else { return Kind::Text };
        self.kinds.get(&name).copied().or_else(|| relation::kind_of_column(&name)).unwrap_or(Kind::Text)
    }

    fn function(&self, called: &Function) -> Kind {
        let Some(name) = build::function_name(called) else { return Kind::Text };
        if let Some(found) = function::find(&name) {
            return found.answer;
        }
        let first = || build::arguments(called).first().map_or(Kind::Text, |argument| self.kind(argument));
        match name.as_str() {
            "count" | "row_number" | "rank" | "dense_rank" | "sum" => Kind::Int8,
            "generate_series"
            | "generate_subscripts"
            | "length"
            | "char_length"
            | "strpos"
            | "position"
            | "array_length"
            | "cardinality" => Kind::Int4,
            "bool_and" | "bool_or" | "every" => Kind::Bool,
            "avg" => Kind::Float8,
            "max" | "min" | "coalesce" | "nullif" | "greatest" | "least" | "any_value" | "first_value" => first(),
            "array_agg" => list_of(first()),
            "array" => match &called.args {
                FunctionArguments::Subquery(query) => list_of(subquery_kind(query).unwrap_or(Kind::Text)),
                _ => Kind::Texts,
            },
            "array_remove" | "array_append" | "array_cat" | "array_concat" => first(),
            "unnest" => match first() {
                Kind::Int2s => Kind::Int2,
                Kind::Int8s => Kind::Int8,
                _ => Kind::Text,
            },
            "now" | "current_timestamp" => Kind::Time,
            _ => Kind::Text,
        }
    }
}

fn subquery_kind(query: &Query) -> Option<Kind> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let scope = Scope::of(select);
    match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(scope.kind(expr)),
        _ => None,
    }
}

fn list_of(item: Kind) -> Kind {
    match item {
        Kind::Int2 | Kind::Int4 | Kind::Int8 => Kind::Int8s,
        _ => Kind::Texts,
    }
}
