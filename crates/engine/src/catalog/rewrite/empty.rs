//! Most tables of the catalog are empty here, whoever asks. What reads one of them without an outer join has no rows, so it is answered before
//! it is planned: that is what makes most of what only PostgreSQL's planner can do needless.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, GroupByExpr, JoinOperator, ObjectName, Query, Select, SelectItem, SetExpr, SetOperator,
    TableFactor, TableWithJoins, Value, Visit, Visitor,
};

use super::kinds::{Scope, null_of};
use super::{build, naming};
use crate::catalog::cell::Kind;
use crate::catalog::{read, relation, rows};

/// Functions that give rows, and here never any.
const EMPTY_FUNCTIONS: [&str; 10] = [
    "aclexplode",
    "pg_available_extensions",
    "pg_event_trigger_ddl_commands",
    "pg_get_publication_tables",
    "pg_listening_channels",
    "pg_lock_status",
    "pg_options_to_table",
    "pg_partition_tree",
    "pg_prepared_statement",
    "pg_stat_get_activity",
];

/// Functions that make one row of many.
const AGGREGATES: [&str; 20] = [
    "any_value",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "first_value",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_object_agg",
    "last_value",
    "max",
    "min",
    "string_agg",
    "sum",
    "xmlagg",
];

/// Whether a query has no rows, whoever asks.
pub(super) fn is_empty(query: &Query, common: &BTreeSet<String>) -> bool {
    is_empty_body(&query.body, common)
}

fn is_empty_body(body: &SetExpr, common: &BTreeSet<String>) -> bool {
    match body {
        SetExpr::Select(select) => is_empty_select(select, common),
        SetExpr::Query(query) => is_empty(query, common),
        SetExpr::SetOperation { left, op, right, .. } => match op {
            SetOperator::Union => is_empty_body(left, common) && is_empty_body(right, common),
            SetOperator::Intersect => is_empty_body(left, common) || is_empty_body(right, common),
            SetOperator::Except | SetOperator::Minus => is_empty_body(left, common),
        },
        _ => false,
    }
}

fn is_empty_select(select: &Select, common: &BTreeSet<String>) -> bool {
    select.from.iter().any(|tables| is_empty_join(tables, common)) && (is_grouped(select) || !is_aggregate(select))
}

fn is_grouped(select: &Select) -> bool {
    match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(by, _) => !by.is_empty(),
    }
}

fn is_empty_join(tables: &TableWithJoins, common: &BTreeSet<String>) -> bool {
    tables.joins.iter().fold(is_empty_table(&tables.relation, common), |left, join| {
        let right = || is_empty_table(&join.relation, common);
        match &join.join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) | JoinOperator::StraightJoin(_) => left || right(),
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right(),
            JoinOperator::FullOuter(_) => left && right(),
            _ => left,
        }
    })
}

fn is_empty_table(factor: &TableFactor, common: &BTreeSet<String>) -> bool {
    match factor {
        TableFactor::Table { name, args: None, .. } => match read::table_name(name) {
            Some((None, name)) if common.contains(&name) => false,
            Some((schema, name)) => relation::find(schema.as_deref(), &name).is_some_and(|relation| !rows::is_filled(relation)),
            None => false,
        },
        TableFactor::Table { name, args: Some(args), .. } => is_empty_function(name, &args.args),
        TableFactor::Function { name, args, .. } => is_empty_function(name, args),
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter().all(is_empty_array),
        TableFactor::Derived { subquery, .. } => is_empty(subquery, common),
        TableFactor::NestedJoin { table_with_joins, .. } => is_empty_join(table_with_joins, common),
        _ => false,
    }
}

fn is_empty_function(name: &ObjectName, args: &[FunctionArg]) -> bool {
    match read::names(name).and_then(|mut names| names.pop()).as_deref() {
        Some("unnest") => {
            args.iter().all(|argument| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(array)) if is_empty_array(array)))
        }
        Some(name) => EMPTY_FUNCTIONS.contains(&name),
        None => false,
    }
}

/// Options, privileges and the like are never set, so that columns of arrays are NULL everywhere. A group has members.
fn is_empty_array(expression: &Expr) -> bool {
    let name = build::column_name(expression).filter(|name| name != "grolist");
    name.and_then(|name| relation::kind_of_column(&name)).is_some_and(|kind| matches!(kind, Kind::Int2s | Kind::Int8s | Kind::Texts))
}

/// Whether a query makes one row of all, whatever there is. What subqueries do is theirs.
pub(super) fn is_aggregate(select: &Select) -> bool {
    let mut look = Aggregates { depth: 0 };
    let in_projection = select.projection.iter().any(|item| item.visit(&mut look).is_break());
    look.depth = 0;
    in_projection || select.having.as_ref().is_some_and(|having| having.visit(&mut look).is_break())
}

struct Aggregates {
    depth: usize,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_add(1);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        let is = self.depth == 0
            && matches!(expression, Expr::Function(called) if called.over.is_none()
                && build::function_name(called).is_some_and(|name| AGGREGATES.contains(&name.as_str())));
        if is { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Makes a query that has no rows one that says so: its columns' names and types, and nothing to read.
pub(super) fn fold(query: &mut Query, common: &BTreeSet<String>) {
    fold_body(&mut query.body, common);
    if is_folded(&query.body) {
        query.order_by = None;
        query.limit_clause = None;
    }
}

fn fold_body(body: &mut SetExpr, common: &BTreeSet<String>) {
    match body {
        SetExpr::Select(select) => fold_select(select, common),
        SetExpr::SetOperation { left, right, .. } => {
            fold_body(left, common);
            fold_body(right, common);
        }
        _ => {}
    }
}

/// Whether all of a body was folded.
fn is_folded(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => {
            select.from.is_empty() && matches!(&select.selection, Some(Expr::Value(value)) if value.value == Value::Boolean(false))
        }
        SetExpr::SetOperation { left, right, .. } => is_folded(left) && is_folded(right),
        _ => false,
    }
}

fn fold_select(select: &mut Select, common: &BTreeSet<String>) {
    let is_plain = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if !select.projection.iter().all(is_plain) || !is_empty_select(select, common) {
        return;
    }
    let scope = Scope::of(select);
    for item in &mut select.projection {
        let (alias, expression) = match &*item {
            SelectItem::ExprWithAlias { expr, alias } => (alias.clone(), expr),
            SelectItem::UnnamedExpr(expr) => (build::quoted(naming::name(expr)), expr),
            _ => continue,
        };
        let expr = null_of(scope.kind(expression));
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
    select.distinct = None;
    select.from = Vec::new();
    select.selection = Some(build::boolean(false));
    select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
    select.having = None;
    select.qualify = None;
    select.named_window = Vec::new();
}
