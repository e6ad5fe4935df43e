//! Clauses that the parser takes and the query engine's planner passes over without a word, so that the answer would be another
//! one than was asked for. Each is refused by its name. Structures are taken apart field by field: a field that a later version
//! brings does not compile until it is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use datafusion::execution::SessionStateDefaults;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, Cte, DataType, DuplicateTreatment, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause,
    NamedWindowDefinition, NamedWindowExpr, ObjectName, ObjectNamePart, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectFlavor,
    SelectItem, SetExpr, SetOperator, SetQuantifier, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, TypedString, Values,
    WildcardAdditionalOptions, WindowSpec, WindowType, With,
};

use super::{refused, table_name};
use crate::error::Error;

type Checked = Result<(), Error>;

/// Fails when a clause is there.
fn none(present: bool, clause: &str, instead: &str) -> Checked {
    if present { Err(passed_over(clause, instead)) } else { Ok(()) }
}

fn passed_over(clause: &str, instead: &str) -> Error {
    Error::Unsupported(format!("{clause} is not supported; {instead}"))
}

pub(super) fn query(query: &Query) -> Checked {
    let Query { with, body, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } = query;
    if !locks.is_empty() {
        return Err(refused("FOR UPDATE or FOR SHARE"));
    }
    if for_clause.is_some() || settings.is_some() || format_clause.is_some() {
        return Err(refused("FOR, SETTINGS or FORMAT"));
    }
    none(fetch.is_some(), "FETCH", "write LIMIT")?;
    none(!pipe_operators.is_empty(), "|>", "write a query around the query")?;
    if let Some(LimitClause::LimitOffset { limit: _, offset: _, limit_by }) = limit_clause {
        none(!limit_by.is_empty(), "LIMIT BY", "number the rows with row_number() and use QUALIFY")?;
    }
    if let Some(OrderBy { kind, interpolate }) = order_by {
        none(interpolate.is_some(), "INTERPOLATE", "leave it out")?;
        match kind {
            OrderByKind::All(_) => return Err(passed_over("ORDER BY ALL", "name the columns, or give their numbers")),
            OrderByKind::Expressions(by) => order(by)?,
        }
    }
    if let Some(With { with_token: _, recursive, cte_tables }) = with {
        for table in cte_tables {
            common_table(table, *recursive)?;
        }
    }
    set_expr(body)
}

fn common_table(table: &Cte, recursive: bool) -> Checked {
    let Cte { alias: name, query, from, materialized, closing_paren_token: _ } = table;
    none(from.is_some(), "FROM after a common table expression", "put it into the query")?;
    none(materialized.is_some(), "MATERIALIZED", "leave it out")?;
    alias(Some(name))?;
    let Query { with, body, order_by, limit_clause, .. } = query.as_ref();
    let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left: _, right: _ } = body.as_ref() else { return Ok(()) };
    if !recursive {
        return Ok(());
    }
    // The planner takes the two sides of the UNION out and leaves the rest.
    let around = "write it in the query that reads the common table expression, or leave RECURSIVE out";
    none(with.is_some(), "WITH inside WITH RECURSIVE", "name all common table expressions in one WITH")?;
    none(order_by.is_some(), "ORDER BY inside WITH RECURSIVE", around)?;
    none(limit_clause.is_some(), "LIMIT or OFFSET inside WITH RECURSIVE", around)?;
    match set_quantifier {
        SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => Ok(()),
        SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
            Err(passed_over("UNION BY NAME inside WITH RECURSIVE", "put the columns in the same order"))
        }
    }
}

fn set_expr(body: &SetExpr) -> Checked {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) => Ok(()),
        SetExpr::Values(Values { explicit_row: _, value_keyword, rows: _ }) => none(*value_keyword, "VALUE", "write VALUES"),
        SetExpr::SetOperation { left, op: _, set_quantifier: _, right } => {
            set_expr(left)?;
            set_expr(right)
        }
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) | SetExpr::Table(_) => {
            Err(refused("a statement that is no query inside a query"))
        }
    }
}

pub(super) fn select(select: &Select) -> Checked {
    let Select {
        select_token: _,
        optimizer_hints,
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window,
        qualify: _,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    if into.is_some() {
        return Err(refused("SELECT INTO"));
    }
    none(!optimizer_hints.is_empty(), "a hint", "leave it out")?;
    none(select_modifiers.is_some(), "a modifier of SELECT such as STRAIGHT_JOIN", "leave it out")?;
    none(top.is_some(), "TOP", "write LIMIT")?;
    none(exclude.is_some(), "EXCLUDE after the list of columns", "write it after the `*`")?;
    none(!lateral_views.is_empty(), "LATERAL VIEW", "write unnest(...)")?;
    none(prewhere.is_some(), "PREWHERE", "write WHERE")?;
    none(!connect_by.is_empty(), "CONNECT BY", "write WITH RECURSIVE")?;
    none(!cluster_by.is_empty(), "CLUSTER BY", "write ORDER BY")?;
    none(!distribute_by.is_empty(), "DISTRIBUTE BY", "leave it out")?;
    none(!sort_by.is_empty(), "SORT BY", "write ORDER BY")?;
    none(value_table_mode.is_some(), "AS STRUCT or AS VALUE after SELECT", "write named_struct('name', value, ...)")?;
    match flavor {
        SelectFlavor::Standard | SelectFlavor::FromFirst => {}
        SelectFlavor::FromFirstNoSelect => return Err(passed_over("FROM without SELECT", "write SELECT * FROM")),
    }
    let modifiers = match group_by {
        GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => modifiers,
    };
    let instead = "write GROUP BY ROLLUP (...), CUBE (...) or GROUPING SETS (...)";
    none(!modifiers.is_empty(), "WITH ROLLUP, WITH CUBE, WITH TOTALS or GROUPING SETS after the list of GROUP BY", instead)?;
    for NamedWindowDefinition(_, definition) in named_window {
        match definition {
            NamedWindowExpr::WindowSpec(spec) => window(spec)?,
            NamedWindowExpr::NamedWindow(_) => return Err(base_window()),
        }
    }
    projection.iter().try_for_each(item)?;
    from.iter().try_for_each(tables)
}

fn item(item: &SelectItem) -> Checked {
    match item {
        SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { expr: _, alias: _ } => Ok(()),
        SelectItem::ExprWithAliases { expr: _, aliases: _ } => Err(passed_over("more than one name for a column", "give it one")),
        SelectItem::QualifiedWildcard(_, options) | SelectItem::Wildcard(options) => {
            let WildcardAdditionalOptions {
                wildcard_token: _,
                opt_ilike,
                opt_exclude: _,
                opt_except: _,
                opt_replace: _,
                opt_rename,
                opt_alias,
            } = options;
            none(opt_ilike.is_some(), "ILIKE after `*`", "name the columns, or write EXCLUDE")?;
            none(opt_rename.is_some(), "RENAME after `*`", "name the columns with AS")?;
            none(opt_alias.is_some(), "AS after `*`", "name the columns with AS")
        }
    }
}

fn tables(tables: &TableWithJoins) -> Checked {
    // What is joined is visited by itself.
    let TableWithJoins { relation: _, joins } = tables;
    for Join { relation: _, global, join_operator } in joins {
        none(*global, "GLOBAL", "leave it out")?;
        let natural = match join_operator {
            // Without a column of the same name, the planner forgets which join it is.
            JoinOperator::Left(by) | JoinOperator::LeftOuter(by) | JoinOperator::Right(by) | JoinOperator::RightOuter(by) => by,
            JoinOperator::FullOuter(by) | JoinOperator::Semi(by) | JoinOperator::Anti(by) => by,
            JoinOperator::LeftSemi(by) | JoinOperator::RightSemi(by) | JoinOperator::LeftAnti(by) | JoinOperator::RightAnti(by) => by,
            _ => continue,
        };
        none(matches!(natural, JoinConstraint::Natural), "NATURAL with this join", "write USING (...) or ON")?;
    }
    Ok(())
}

pub(super) fn table_factor(factor: &TableFactor) -> Checked {
    match factor {
        TableFactor::Table {
            name,
            alias: called,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            if args.is_some() {
                return Err(refused("a table function"));
            }
            let plain = with_hints.is_empty()
                && version.is_none()
                && partitions.is_empty()
                && json_path.is_none()
                && sample.is_none()
                && index_hints.is_empty()
                && !with_ordinality;
            if !plain {
                return Err(refused("a table with options"));
            }
            alias(called.as_ref())?;
            table_name(name)
        }
        TableFactor::Derived { lateral: _, subquery: _, alias: called, sample } => {
            if sample.is_some() {
                return Err(refused("a sample"));
            }
            alias(called.as_ref())
        }
        TableFactor::NestedJoin { table_with_joins, alias: called } => {
            tables(table_with_joins)?;
            alias(called.as_ref())
        }
        TableFactor::UNNEST { alias: called, array_exprs: _, with_offset, with_offset_alias, with_ordinality } => {
            none(*with_offset || with_offset_alias.is_some(), "WITH OFFSET", "number the rows with row_number()")?;
            none(*with_ordinality, "WITH ORDINALITY", "number the rows with row_number()")?;
            alias(called.as_ref())
        }
        _ => Err(refused("a table function")),
    }
}

fn alias(alias: Option<&TableAlias>) -> Checked {
    let Some(TableAlias { explicit: _, name: _, columns, at }) = alias else { return Ok(()) };
    none(at.is_some(), "AT after the name of a table", "leave it out")?;
    for TableAliasColumnDef { name: _, data_type } in columns {
        none(data_type.is_some(), "a type in a list of columns' names", "cast the column in the query")?;
    }
    Ok(())
}

fn order(by: &[OrderByExpr]) -> Checked {
    for OrderByExpr { expr: _, options: _, with_fill } in by {
        none(with_fill.is_some(), "WITH FILL", "join the rows that are missing")?;
    }
    Ok(())
}

fn base_window() -> Error {
    passed_over("a window made of another window", "write PARTITION BY, ORDER BY and the frame out")
}

fn window(spec: &WindowSpec) -> Checked {
    let WindowSpec { window_name, partition_by: _, order_by, window_frame: _ } = spec;
    if window_name.is_some() {
        return Err(base_window());
    }
    order(order_by)
}

pub(super) fn expression(expression: &Expr) -> Checked {
    match expression {
        Expr::Function(called) => function(called),
        Expr::Cast { kind: _, expr: _, data_type: to, array: _, format } => {
            none(format.is_some(), "CAST with FORMAT", "write to_date, to_timestamp or to_char")?;
            data_type(to)
        }
        Expr::TypedString(TypedString { data_type: to, value: _, uses_odbc_syntax: _ }) => data_type(to),
        Expr::Trim { trim_characters: Some(characters), .. } if characters.len() > 1 => {
            Err(passed_over("TRIM with several texts", "put the characters into one text"))
        }
        _ => Ok(()),
    }
}

/// The planner forgets a text's length, a number's width and a float's precision.
fn data_type(to: &DataType) -> Checked {
    let text = match to {
        DataType::Varchar(length) | DataType::Char(length) => length.is_some(),
        DataType::String(length) => length.is_some(),
        _ => false,
    };
    none(text, "a length of a text type", "write varchar, and left(text, length) where it may be longer")?;
    none(matches!(to, DataType::Float(precision) if *precision != ExactNumberInfo::None), "a precision of FLOAT", "write real or double")?;
    let width = match to {
        DataType::TinyInt(width) | DataType::SmallInt(width) | DataType::Int2(width) | DataType::Int(width) | DataType::Integer(width) => {
            width
        }
        DataType::Int4(width) | DataType::BigInt(width) | DataType::Int8(width) | DataType::TinyIntUnsigned(width) => width,
        DataType::SmallIntUnsigned(width) | DataType::Int2Unsigned(width) | DataType::IntUnsigned(width) => width,
        DataType::IntegerUnsigned(width) | DataType::Int4Unsigned(width) | DataType::BigIntUnsigned(width) => width,
        DataType::Int8Unsigned(width) => width,
        DataType::Array(ArrayElemTypeDef::AngleBracket(of) | ArrayElemTypeDef::SquareBracket(of, _)) => return data_type(of),
        DataType::Struct(fields, _) => return fields.iter().try_for_each(|field| data_type(&field.field_type)),
        _ => &None,
    };
    none(width.is_some(), "a width of an integer type", "leave it out")
}

/// The engine's functions, as the planner finds them: the first list that has a name decides.
struct Functions {
    /// Which take arguments and nothing else.
    scalar: BTreeSet<String>,
    /// By each of their names, their own.
    aggregate: BTreeMap<String, String>,
}

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let mut scalar: BTreeSet<String> = ["unnest", "unnest_outer", "map", "make_map"].map(str::to_owned).into();
    for function in SessionStateDefaults::default_scalar_functions() {
        scalar.insert(function.name().to_owned());
        scalar.extend(function.aliases().iter().cloned());
    }
    let mut aggregate = BTreeMap::new();
    for function in SessionStateDefaults::default_aggregate_functions() {
        for name in function.aliases().iter().map(String::as_str).chain([function.name()]) {
            aggregate.insert(name.to_owned(), function.name().to_owned());
        }
    }
    Functions { scalar, aggregate }
});

/// Aggregates that look at each value once where DISTINCT asks for it, fail where they cannot, or answer the same either way.
const DISTINCT: [&str; 20] = [
    "any_value",
    "approx_distinct",
    "approx_median",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    "max",
    "median",
    "min",
    "percentile_cont",
    "stddev",
    "stddev_pop",
    "string_agg",
    "sum",
    "var",
];
/// Which are computed over a window as functions of their own: they look at neither FILTER nor DISTINCT.
const WINDOW_ONLY: [&str; 11] =
    ["cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile", "percent_rank", "rank", "row_number"];
/// Which of them heed IGNORE NULLS.
const WINDOW_NULLS: [&str; 5] = ["first_value", "lag", "last_value", "lead", "nth_value"];
/// Aggregates that take ORDER BY among the arguments for the argument itself.
const ORDERED_SET: [&str; 3] = ["approx_percentile_cont", "approx_percentile_cont_with_weight", "percentile_cont"];

/// The name as the planner looks it up.
pub(super) fn normalized(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

fn function(called: &Function) -> Checked {
    let Function { name, uses_odbc_syntax: _, parameters, args, filter, null_treatment, over, within_group } = called;
    none(!matches!(parameters, FunctionArguments::None), "a function with two lists of arguments", "write one")?;
    order(within_group)?;
    let (mut distinct, mut decided, mut ordered, mut nulls) = (false, false, false, null_treatment.is_some());
    match args {
        FunctionArguments::None => {}
        FunctionArguments::Subquery(_) => {
            return Err(passed_over("a query in place of a function's arguments", "put it into parentheses of its own"));
        }
        FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) => {
            decided = duplicate_treatment.is_some();
            distinct = matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct));
            // The planner counts rows, whatever the columns are.
            let all = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
            none(distinct && (args.is_empty() || args.iter().any(all)), "DISTINCT with `*`", "count the rows of SELECT DISTINCT")?;
            let table = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_)));
            none(args.iter().any(table), "a table's `*` as an argument", "name a column, or write count(*)")?;
            for clause in clauses {
                match clause {
                    FunctionArgumentClause::IgnoreOrRespectNulls(_) => nulls = true,
                    FunctionArgumentClause::OrderBy(by) => {
                        ordered = true;
                        order(by)?;
                    }
                    FunctionArgumentClause::Separator(_) => return Err(passed_over("SEPARATOR", "write string_agg(text, separator)")),
                    FunctionArgumentClause::Limit(_)
                    | FunctionArgumentClause::OnOverflow(_)
                    | FunctionArgumentClause::Having(_)
                    | FunctionArgumentClause::JsonNullClause(_)
                    | FunctionArgumentClause::JsonReturningClause(_) => {
                        return Err(passed_over("LIMIT, HAVING, ON OVERFLOW or a JSON clause among arguments", "leave it out"));
                    }
                }
            }
        }
    }
    if let Some(WindowType::WindowSpec(spec)) = over {
        window(spec)?;
    }
    let ObjectName(parts) = name;
    let [ObjectNamePart::Identifier(name)] = parts.as_slice() else { return Ok(()) };
    let name = normalized(name);
    let of = |clause: &str| format!("{clause} with the function {name}");
    if FUNCTIONS.scalar.contains(&name) {
        let instead = "it is computed for each row by itself; leave it out, or use CASE";
        none(filter.is_some(), &of("FILTER"), instead)?;
        none(over.is_some(), &of("OVER"), instead)?;
        none(decided, &of("DISTINCT or ALL"), instead)?;
        none(ordered, &of("ORDER BY"), instead)?;
        none(!within_group.is_empty(), &of("WITHIN GROUP"), instead)?;
        return none(nulls, &of("IGNORE NULLS or RESPECT NULLS"), instead);
    }
    let instead = "choose the rows in a subquery";
    if over.is_some() {
        let alone = WINDOW_ONLY.contains(&name.as_str());
        none(alone && filter.is_some(), &of("FILTER"), instead)?;
        none(alone && decided, &of("DISTINCT or ALL"), instead)?;
        none(nulls && !WINDOW_NULLS.contains(&name.as_str()), &of("IGNORE NULLS or RESPECT NULLS over a window"), "use FILTER")?;
    }
    let Some(aggregate) = FUNCTIONS.aggregate.get(&name) else { return Ok(()) };
    none(distinct && !DISTINCT.contains(&aggregate.as_str()), &of("DISTINCT"), instead)?;
    none(ordered && ORDERED_SET.contains(&aggregate.as_str()), &of("ORDER BY among the arguments"), "write WITHIN GROUP (ORDER BY ...)")
}
