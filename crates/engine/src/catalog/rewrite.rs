//! A question of the catalog as the query engine takes it: from PostgreSQL's names, casts, operators and subqueries to plain ones.

mod build;
mod cast;
mod empty;
mod kinds;
pub(super) mod naming;

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Distinct, Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, LimitClause,
    ObjectName, ObjectNamePart, OrderByExpr, OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
};

use super::CatalogError;
use super::cell::Kind;
use super::function;
use super::read;
use super::relation::{self, INFORMATION_SCHEMA, PG_CATALOG};
use super::world::{DATABASE, PUBLIC};

pub(super) use build::{call, cast as cast_to, number, text};
pub(super) use cast::kind as kind_of_type;
pub(super) use kinds::{kind, null_of};

/// Rewrites a question of the catalog. `common` are the names of its common table expressions. Gives the names of the relations that it reads,
/// as they are called in the session that answers.
///
/// # Errors
/// When it asks for what the catalog does not have.
pub(super) fn catalog(query: &mut Query, common: &BTreeSet<String>) -> Result<BTreeSet<String>, CatalogError> {
    let mut rewriter = Rewriter { common, depth: 0, relations: BTreeSet::new() };
    match VisitMut::visit(query, &mut rewriter) {
        ControlFlow::Continue(()) => Ok(rewriter.relations),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewriter<'a> {
    common: &'a BTreeSet<String>,
    depth: usize,
    relations: BTreeSet<String>,
}

type Flow = ControlFlow<CatalogError>;

fn flow(result: Result<(), CatalogError>) -> Flow {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = CatalogError;

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        self.depth = self.depth.saturating_add(1);
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return ControlFlow::Break(CatalogError::unsupported("WITH RECURSIVE is not supported in questions of the catalog"));
        }
        query.locks.clear();
        if let Some(fetch) = query.fetch.take() {
            let (None, Some(limit)) = (&query.limit_clause, fetch.quantity) else {
                return ControlFlow::Break(CatalogError::unsupported("FETCH is not supported here; write LIMIT"));
            };
            query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by: Vec::new() });
        }
        empty::fold(query, self.common);
        flow(Ok(()))
    }

    fn post_visit_query(&mut self, _: &mut Query) -> Flow {
        self.depth = self.depth.saturating_sub(1);
        flow(Ok(()))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        if select.into.is_some() {
            return ControlFlow::Break(CatalogError::unsupported("SELECT INTO is not supported: a question changes nothing"));
        }
        let mut taken = HashSet::new();
        for item in &mut select.projection {
            name_item(item, self.depth == 1, &mut taken);
        }
        flow(Ok(()))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> Flow {
        flow(self.table(factor))
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> Flow {
        flow(self.before(expression))
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> Flow {
        flow(after(expression))
    }
}

/// Gives a column the name that PostgreSQL gives it, and another where it has been given.
fn name_item(item: &mut SelectItem, outermost: bool, taken: &mut HashSet<String>) {
    let (mut expression, name, has_name) = match item {
        SelectItem::UnnamedExpr(expression) => {
            let has_name = matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) && !is_bare_function(expression);
            (expression.clone(), naming::name(expression), has_name)
        }
        SelectItem::ExprWithAlias { expr, alias } => {
            let name = if alias.quote_style.is_some() { alias.value.clone() } else { alias.value.to_lowercase() };
            (expr.clone(), name, false)
        }
        SelectItem::ExprWithAliases { .. } => return,
        SelectItem::QualifiedWildcard(kind, _) => {
            if let SelectItemQualifiedWildcardKind::ObjectName(name) = kind {
                name.0 = shortened(std::mem::take(&mut name.0));
            }
            return;
        }
        SelectItem::Wildcard(_) => return,
    };
    if outermost && cast::is_named_literal(&expression) {
        expression = build::cast(expression, datafusion::sql::sqlparser::ast::DataType::Text);
    }
    let _ = VisitMut::visit(&mut expression, &mut CountInsteadOfExists { depth: 0 });
    unnest_series(&mut expression);
    let is_first = taken.insert(name.clone());
    *item = if is_first && has_name {
        SelectItem::UnnamedExpr(expression)
    } else {
        let mut other = name.clone();
        let mut number = 2_usize;
        while !is_first && !taken.insert(other.clone()) {
            other = format!("{name}{}{number}", naming::SAME);
            number = number.saturating_add(1);
        }
        SelectItem::ExprWithAlias { expr: expression, alias: build::quoted(other) }
    };
}

/// `current_schema` and its like, which are written as columns are.
fn is_bare_function(expression: &Expr) -> bool {
    matches!(expression, Expr::Identifier(ident) if ident.quote_style.is_none() && bare_function(&ident.value).is_some())
}

fn bare_function(name: &str) -> Option<&'static str> {
    ["current_schema", "current_role", "current_user", "session_user", "current_catalog"]
        .into_iter()
        .find(|own| own.eq_ignore_ascii_case(name))
}

/// `EXISTS` stands only in conditions of a query: among its columns rows are counted. What is in subqueries is theirs.
struct CountInsteadOfExists {
    depth: usize,
}

impl VisitorMut for CountInsteadOfExists {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_add(1);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Exists { subquery, negated } = expression
            && let SetExpr::Select(select) = subquery.body.as_mut()
        {
            let op = if *negated { BinaryOperator::Eq } else { BinaryOperator::Gt };
            let count = call("count", vec![build::number(1)]);
            let found = Expr::BinaryOp { left: Box::new(count), op, right: Box::new(build::number(0)) };
            select.projection = vec![SelectItem::ExprWithAlias { expr: found, alias: build::quoted("exists") }];
            select.distinct = None;
            let mut query = std::mem::replace(subquery.as_mut(), nothing());
            query.order_by = None;
            query.limit_clause = None;
            *expression = Expr::Subquery(Box::new(query));
        }
        ControlFlow::Continue(())
    }
}

/// A query in place of one that was taken out.
fn nothing() -> Query {
    Query {
        with: None,
        body: Box::new(SetExpr::Values(datafusion::sql::sqlparser::ast::Values {
            explicit_row: false,
            value_keyword: false,
            rows: Vec::new(),
        })),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// A series among the columns gives a row for each of its numbers.
fn unnest_series(expression: &mut Expr) {
    if let Expr::Function(called) = &*expression
        && build::function_name(called).is_some_and(|name| name == "generate_series" || name == "generate_subscripts")
    {
        *expression = call("unnest", vec![expression.clone()]);
    }
}

/// A name without the database and the schema: in the session there is one of each.
fn shortened(mut parts: Vec<ObjectNamePart>) -> Vec<ObjectNamePart> {
    while parts.len() > 1 {
        match parts.first() {
            Some(ObjectNamePart::Identifier(ident)) if is_qualifier(ident) => {
                parts.remove(0);
            }
            _ => break,
        }
    }
    parts
}

fn is_qualifier(ident: &Ident) -> bool {
    let own = [DATABASE, PUBLIC, PG_CATALOG, INFORMATION_SCHEMA];
    own.iter().any(|own| if ident.quote_style.is_some() { ident.value == *own } else { ident.value.eq_ignore_ascii_case(own) })
}

impl Rewriter<'_> {
    /// Names of tables, and functions that give rows.
    fn table(&mut self, factor: &mut TableFactor) -> Result<(), CatalogError> {
        let (name, args, alias) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let Some((schema, table)) = read::table_name(name) else {
                    return Err(CatalogError::unsupported(format!("cross-database references are not implemented: {name}")));
                };
                if schema.is_none() && self.common.contains(&table) {
                    return Ok(());
                }
                let Some(found) = relation::find(schema.as_deref(), &table) else {
                    return Err(CatalogError::unknown_relation(format!("relation \"{name}\" does not exist")));
                };
                if alias.is_none() && found.session_name() != found.name {
                    *alias = Some(TableAlias { explicit: true, name: build::quoted(found.name), columns: Vec::new(), at: None });
                }
                *name = ObjectName(vec![ObjectNamePart::Identifier(build::quoted(found.session_name()))]);
                self.relations.insert(found.session_name());
                return Ok(());
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => (name.clone(), args.args.clone(), alias.take()),
            TableFactor::Function { name, alias, args, .. } => (name.clone(), args.clone(), alias.take()),
            TableFactor::UNNEST { alias, array_exprs, .. } => {
                let args = array_exprs.iter().map(|array| FunctionArg::Unnamed(FunctionArgExpr::Expr(array.clone()))).collect();
                (ObjectName(vec![ObjectNamePart::Identifier(Ident::new("unnest"))]), args, alias.take())
            }
            _ => return Ok(()),
        };
        let function = read::names(&name).and_then(|mut names| names.pop()).unwrap_or_default();
        if let (Some(found), true) = (relation::find(None, &function), args.is_empty()) {
            let alias =
                alias.or_else(|| Some(TableAlias { explicit: true, name: build::quoted(found.name), columns: Vec::new(), at: None }));
            self.relations.insert(found.session_name());
            *factor = table_named(&found.session_name(), alias);
            return Ok(());
        }
        let known = function == "unnest"
            || function == "generate_series"
            || function == "generate_subscripts"
            || function::find(&function).is_some();
        if !known {
            return Err(CatalogError::unknown_function(format!("function {function} gives no rows here, or does not exist")));
        }
        let column = match &alias {
            Some(TableAlias { name, columns, .. }) => columns.first().map_or_else(|| name.clone(), |column| column.name.clone()),
            None => build::quoted(function.as_str()),
        };
        let mut called = build::call(&function, Vec::new());
        if let Expr::Function(called) = &mut called {
            called.args = FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() });
        }
        let mut query = nothing();
        query.body = Box::new(SetExpr::Select(Box::new(select_of(SelectItem::ExprWithAlias { expr: called, alias: column })?)));
        let name = alias.map_or_else(|| build::quoted(function.as_str()), |alias| alias.name);
        let alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        *factor = TableFactor::Derived { lateral: false, subquery: Box::new(query), alias, sample: None };
        Ok(())
    }

    /// What must be seen before its parts are: subqueries, and what gives a literal its meaning.
    ///
    /// # Errors
    /// Only by a defect.
    fn before(&self, expression: &mut Expr) -> Result<(), CatalogError> {
        match expression {
            Expr::Collate { expr, .. } => {
                let inner = std::mem::replace(expr.as_mut(), build::null());
                *expression = inner;
                self.before(expression)?;
            }
            Expr::Subquery(query) => {
                if empty::is_empty(query, self.common) {
                    *expression = kinds::null_of(kinds::kind(expression));
                } else {
                    first_row(query);
                }
            }
            Expr::Exists { subquery, negated } if empty::is_empty(subquery, self.common) => *expression = build::boolean(*negated),
            Expr::InSubquery { subquery, negated, .. } if empty::is_empty(subquery, self.common) => *expression = build::boolean(*negated),
            Expr::Function(called) => {
                if let FunctionArguments::Subquery(query) = &mut called.args {
                    let mut query = std::mem::replace(query.as_mut(), nothing());
                    *expression = if empty::is_empty(&query, self.common) {
                        call("text_array", vec![build::text("{}")])
                    } else {
                        all_rows(&mut query)?;
                        call("coalesce", vec![Expr::Subquery(Box::new(query)), call("make_array", Vec::new())])
                    };
                } else if build::is_call(called, "coalesce") {
                    empty_arrays(&mut called.args);
                }
            }
            Expr::AnyOp { left, compare_op, right, .. } => {
                if let Some(other) = any(left, compare_op, right, false) {
                    *expression = other;
                }
            }
            Expr::AllOp { left, compare_op, right } => {
                if let Some(other) = any(left, compare_op, right, true) {
                    *expression = other;
                }
            }
            Expr::BinaryOp { left, op, right } => {
                operator(op);
                if matches!(op, BinaryOperator::Eq | BinaryOperator::NotEq) {
                    let (on_left, on_right) = (kinds::kind(left) == Kind::Bool, kinds::kind(right) == Kind::Bool);
                    if on_left {
                        truth(right);
                    } else if on_right {
                        truth(left);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn table_named(name: &str, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Table {
        name: ObjectName(vec![ObjectNamePart::Identifier(build::quoted(name))]),
        alias,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// `SELECT item`, made by the parser, which alone knows all fields of a SELECT.
fn select_of(item: SelectItem) -> Result<Select, CatalogError> {
    let tokens = read::tokens("SELECT 1")?;
    let query = read::query(tokens)?;
    match *query.body {
        SetExpr::Select(mut select) => {
            select.projection = vec![item];
            Ok(*select)
        }
        _ => Err(CatalogError::defect("a SELECT is no SELECT")),
    }
}

/// `'t'` beside what is true or false.
fn truth(expression: &mut Expr) {
    if let Some(text) = build::text_of(expression) {
        match text.to_lowercase().as_str() {
            "t" | "true" | "yes" | "on" | "1" => *expression = build::boolean(true),
            "f" | "false" | "no" | "off" | "0" => *expression = build::boolean(false),
            _ => {}
        }
    }
}

/// `'{}'` among the arguments of COALESCE is an empty array.
fn empty_arrays(arguments: &mut FunctionArguments) {
    let FunctionArguments::List(list) = arguments else { return };
    for argument in &mut list.args {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) = argument
            && build::text_of(expression).is_some_and(|text| text == "{}")
        {
            *expression = call("make_array", Vec::new());
        }
    }
}

/// `OPERATOR(pg_catalog.~)` is `~`.
pub(super) fn operator(op: &mut BinaryOperator) {
    let BinaryOperator::PGCustomBinaryOperator(parts) = &*op else { return };
    let plain = match parts.last().map(String::as_str) {
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("~*") => BinaryOperator::PGRegexIMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
        Some("~~") => BinaryOperator::PGLikeMatch,
        Some("!~~") => BinaryOperator::PGNotLikeMatch,
        Some("~~*") => BinaryOperator::PGILikeMatch,
        Some("!~~*") => BinaryOperator::PGNotILikeMatch,
        Some("=") => BinaryOperator::Eq,
        Some("<>" | "!=") => BinaryOperator::NotEq,
        Some("<") => BinaryOperator::Lt,
        Some("<=") => BinaryOperator::LtEq,
        Some(">") => BinaryOperator::Gt,
        Some(">=") => BinaryOperator::GtEq,
        Some("+") => BinaryOperator::Plus,
        Some("-") => BinaryOperator::Minus,
        Some("||") => BinaryOperator::StringConcat,
        _ => return,
    };
    *op = plain;
}

/// `= ANY (...)` and `<> ALL (...)` of elements that are written out become IN; of an array that comes as text, an array.
fn any(left: &Expr, op: &BinaryOperator, right: &mut Expr, all: bool) -> Option<Expr> {
    let negated = match (op, all) {
        (BinaryOperator::Eq, false) => false,
        (BinaryOperator::NotEq, true) => true,
        _ => return None,
    };
    if let Expr::Subquery(subquery) = right {
        let subquery = Box::new(std::mem::replace(subquery.as_mut(), nothing()));
        return Some(Expr::InSubquery { expr: Box::new(left.clone()), subquery, negated });
    }
    if let Some(other) = any_of_elements(left, op, right, all) {
        return Some(other);
    }
    if matches!(right, Expr::Value(value) if matches!(value.value, Value::Placeholder(_))) {
        let is_number = matches!(kinds::kind(left), Kind::Int2 | Kind::Int4 | Kind::Int8);
        *right = call(if is_number { "int_array" } else { "text_array" }, vec![right.clone()]);
    }
    None
}

/// `= ANY ('{a,b}')` and `<> ALL (ARRAY['a', 'b'])` as IN.
pub(super) fn any_of_elements(left: &Expr, op: &BinaryOperator, right: &Expr, all: bool) -> Option<Expr> {
    let negated = match (op, all) {
        (BinaryOperator::Eq, false) => false,
        (BinaryOperator::NotEq, true) => true,
        _ => return None,
    };
    let list = cast::elements(right)?;
    if list.is_empty() {
        return Some(build::boolean(negated));
    }
    Some(Expr::InList { expr: Box::new(left.clone()), list, negated })
}

/// The order of a query's rows, where it is told by expressions.
fn order_of(query: &mut Query, column: &Expr) -> Vec<OrderByExpr> {
    let Some(order) = query.order_by.take() else { return Vec::new() };
    let OrderByKind::Expressions(mut by) = order.kind else { return Vec::new() };
    for one in &mut by {
        // `ORDER BY 1`
        if matches!(&one.expr, Expr::Value(value) if matches!(value.value, Value::Number(..))) {
            one.expr = column.clone();
        }
    }
    by
}

/// The only column of a query that gives rows as they are.
fn only_column(query: &Query) -> Option<Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let grouped = !matches!(&select.group_by, datafusion::sql::sqlparser::ast::GroupByExpr::Expressions(by, _) if by.is_empty());
    if grouped || empty::is_aggregate(select) {
        return None;
    }
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => Some(expr.clone()),
        _ => None,
    }
}

fn replace_column(query: &mut Query, expression: Expr, name: String) {
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![SelectItem::ExprWithAlias { expr: expression, alias: build::quoted(name) }];
        select.distinct = None;
    }
    query.limit_clause = None;
}

/// A subquery in place of a value has one row at most. The engine wants to see that where it looks at columns from around it.
fn first_row(query: &mut Query) {
    let reads = matches!(query.body.as_ref(), SetExpr::Select(select) if !select.from.is_empty());
    if let (true, Some(column)) = (reads, only_column(query)) {
        let order = order_of(query, &column);
        let name = naming::name(&column);
        replace_column(query, build::ordered_call("first_value", vec![column], order), name);
    }
}

/// `ARRAY(SELECT ...)`: what its rows hold, in one.
///
/// # Errors
/// Only by a defect.
fn all_rows(query: &mut Query) -> Result<(), CatalogError> {
    let Some(column) = only_column(query) else { return around(query) };
    let is_distinct = matches!(query.body.as_ref(), SetExpr::Select(select) if matches!(select.distinct, Some(Distinct::Distinct)));
    if query.limit_clause.is_some() || is_distinct {
        return around(query);
    }
    let order = order_of(query, &column);
    replace_column(query, build::ordered_call("array_agg", vec![column], order), "array".to_owned());
    Ok(())
}

/// A query around one that groups, cuts off or puts together.
fn around(query: &mut Query) -> Result<(), CatalogError> {
    let name = build::quoted("array");
    let mut outer = nothing();
    let aggregate = build::call("array_agg", vec![Expr::Identifier(name.clone())]);
    let mut select = select_of(SelectItem::ExprWithAlias { expr: aggregate, alias: name.clone() })?;
    let inner = std::mem::replace(query, nothing());
    let alias = TableAlias { explicit: true, name: name.clone(), columns: vec![TableAliasColumnDef { name, data_type: None }], at: None };
    let relation = TableFactor::Derived { lateral: false, subquery: Box::new(inner), alias: Some(alias), sample: None };
    select.from = vec![TableWithJoins { relation, joins: Vec::new() }];
    outer.body = Box::new(SetExpr::Select(Box::new(select)));
    *query = outer;
    Ok(())
}

/// What is done when the parts are done: names, functions, casts, patterns.
fn after(expression: &mut Expr) -> Result<(), CatalogError> {
    match expression {
        Expr::Identifier(ident) if ident.quote_style.is_none() => {
            if let Some(name) = bare_function(&ident.value) {
                *expression = call(name, Vec::new());
            }
        }
        Expr::CompoundIdentifier(idents) => {
            while idents.len() > 2 && idents.first().is_some_and(is_qualifier) {
                idents.remove(0);
            }
        }
        // Fields of rows come only from functions that give none.
        Expr::CompoundFieldAccess { root, access_chain } if access_chain.iter().any(|access| matches!(access, AccessExpr::Dot(_))) => {
            return Err(CatalogError::unsupported(format!("a field of {root} is not supported")));
        }
        Expr::Function(called) => {
            let Some(name) = build::function_name(called) else { return Ok(()) };
            if matches!(called.args, FunctionArguments::None) && function::find(&name).is_some() {
                called.args =
                    FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args: Vec::new(), clauses: Vec::new() });
            }
            let name = match name.as_str() {
                "generate_series" => "series",
                "generate_subscripts" => {
                    let array = build::arguments(called).first().map_or_else(build::null, |array| (*array).clone());
                    *expression = call("series", vec![build::number(1), call("array_upper", vec![array, build::number(1)])]);
                    return Ok(());
                }
                other => other,
            };
            called.name = ObjectName(vec![ObjectNamePart::Identifier(build::quoted(name))]);
        }
        Expr::Cast { expr, data_type, .. } => {
            let inner = std::mem::replace(expr.as_mut(), build::null());
            let data_type = data_type.clone();
            *expression = cast::rewrite(inner, data_type)?;
        }
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            if let Some(escape) = escape_char.take() {
                let escape = Expr::Value(escape);
                let inner = std::mem::replace(pattern.as_mut(), build::null());
                **pattern = call("like_escape", vec![inner, escape]);
            }
        }
        _ => {}
    }
    Ok(())
}
