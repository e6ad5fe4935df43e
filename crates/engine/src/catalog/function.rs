//! The functions of PostgreSQL's catalog, row by row.

use super::CatalogError;
use super::base_type;
use super::cell::{Cell, Kind};
use super::relation::PG_CATALOG;
use super::setting;
use super::world::{DATABASE, PUBLIC, World, quoted, schema_name, schema_oid};

/// What a function makes of one row's arguments.
pub(super) type Body = fn(&World, &[Cell]) -> Result<Cell, CatalogError>;

/// A function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function {
    pub name: &'static str,
    pub answer: Kind,
    pub body: Body,
}

/// One by its name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter()
}

const fn function(name: &'static str, answer: Kind, body: Body) -> Function {
    Function { name, answer, body }
}

use Kind::{Bool, Int4, Int8, Int8s, Text, Texts, Time};

const FUNCTIONS: [Function; 128] = [
    // types and definitions
    function("format_type", Text, format_type),
    function("pg_get_expr", Text, null),
    function("pg_get_constraintdef", Text, null),
    function("pg_get_indexdef", Text, null),
    function("pg_get_viewdef", Text, null),
    function("pg_get_ruledef", Text, null),
    function("pg_get_triggerdef", Text, null),
    function("pg_get_functiondef", Text, null),
    function("pg_get_function_result", Text, null),
    function("pg_get_function_arguments", Text, null),
    function("pg_get_function_identity_arguments", Text, null),
    function("pg_get_function_arg_default", Text, null),
    function("pg_get_function_sqlbody", Text, null),
    function("pg_get_partkeydef", Text, null),
    function("pg_get_partition_constraintdef", Text, null),
    function("pg_get_serial_sequence", Text, null),
    function("pg_get_statisticsobjdef", Text, null),
    function("pg_get_statisticsobjdef_columns", Text, null),
    function("pg_get_replica_identity_index", Int8, null),
    function("pg_tablespace_location", Text, null),
    function("pg_relation_filepath", Text, null),
    function("pg_relation_filenode", Int8, null),
    // what is seen without its schema
    function("pg_table_is_visible", Bool, table_is_visible),
    function("pg_type_is_visible", Bool, yes_where_known),
    function("pg_function_is_visible", Bool, yes_where_known),
    function("pg_collation_is_visible", Bool, yes_where_known),
    function("pg_operator_is_visible", Bool, yes_where_known),
    function("pg_opclass_is_visible", Bool, yes_where_known),
    function("pg_opfamily_is_visible", Bool, yes_where_known),
    function("pg_conversion_is_visible", Bool, yes_where_known),
    function("pg_statistics_obj_is_visible", Bool, yes_where_known),
    function("pg_ts_config_is_visible", Bool, yes_where_known),
    function("pg_ts_dict_is_visible", Bool, yes_where_known),
    function("pg_ts_parser_is_visible", Bool, yes_where_known),
    function("pg_ts_template_is_visible", Bool, yes_where_known),
    // names and comments
    function("pg_get_userbyid", Text, get_userbyid),
    function("obj_description", Text, |world, args| Ok(Cell::of(oid(args, 0).and_then(|oid| world.comment(oid, 0))))),
    function("col_description", Text, |world, args| {
        Ok(Cell::of(oid(args, 0).zip(oid(args, 1)).and_then(|(oid, number)| world.comment(oid, number))))
    }),
    function("shobj_description", Text, null),
    // who may what: everything can be read that is seen, and nothing written
    function("has_table_privilege", Bool, has_table_privilege),
    function("has_any_column_privilege", Bool, has_table_privilege),
    function("has_column_privilege", Bool, has_privilege),
    function("has_schema_privilege", Bool, has_privilege),
    function("has_database_privilege", Bool, has_privilege),
    function("has_function_privilege", Bool, has_privilege),
    function("has_sequence_privilege", Bool, has_privilege),
    function("has_type_privilege", Bool, has_privilege),
    function("has_language_privilege", Bool, has_privilege),
    function("has_tablespace_privilege", Bool, no),
    function("has_server_privilege", Bool, no),
    function("has_foreign_data_wrapper_privilege", Bool, no),
    function("pg_has_role", Bool, has_role),
    function("row_security_active", Bool, no),
    // the connection
    function("current_schema", Text, |_, _| Ok(Cell::text(PUBLIC))),
    function("current_schemas", Texts, current_schemas),
    function("current_database", Text, |_, _| Ok(Cell::text(DATABASE))),
    function("current_catalog", Text, |_, _| Ok(Cell::text(DATABASE))),
    function("current_user", Text, |world, _| Ok(Cell::text(&world.who.name))),
    function("session_user", Text, |world, _| Ok(Cell::text(&world.who.name))),
    function("current_role", Text, |world, _| Ok(Cell::text(&world.who.name))),
    function("user", Text, |world, _| Ok(Cell::text(&world.who.name))),
    function("version", Text, |_, _| Ok(Cell::text(version()))),
    function("pg_backend_pid", Int4, |_, _| Ok(Cell::Int(0))),
    function("pg_is_in_recovery", Bool, no),
    function("pg_is_wal_replay_paused", Bool, no),
    function("pg_jit_available", Bool, no),
    function("pg_postmaster_start_time", Time, null),
    function("pg_conf_load_time", Time, null),
    function("txid_current", Int8, |_, _| Ok(Cell::Int(1))),
    function("pg_current_xact_id", Int8, |_, _| Ok(Cell::Int(1))),
    function("txid_current_if_assigned", Int8, null),
    function("pg_current_xact_id_if_assigned", Int8, null),
    function("pg_trigger_depth", Int4, |_, _| Ok(Cell::Int(0))),
    function("pg_my_temp_schema", Int8, |_, _| Ok(Cell::Int(0))),
    function("pg_is_other_temp_schema", Bool, no),
    function("pg_blocking_pids", Int8s, |_, _| Ok(Cell::Ints(Vec::new()))),
    function("pg_advisory_unlock_all", Text, null),
    function("inet_client_addr", Text, null),
    function("inet_client_port", Int4, null),
    function("inet_server_addr", Text, null),
    function("inet_server_port", Int4, null),
    function("current_setting", Text, current_setting),
    function("set_config", Text, set_config),
    function("pg_encoding_to_char", Text, |_, args| {
        Ok(oid(args, 0).map_or(Cell::Null, |code| Cell::text(if code == 6 { "UTF8" } else { "" })))
    }),
    function("pg_char_to_encoding", Int4, char_to_encoding),
    function("getdatabaseencoding", Text, |_, _| Ok(Cell::text("UTF8"))),
    function("pg_client_encoding", Text, |_, _| Ok(Cell::text("UTF8"))),
    // sizes are not told
    function("pg_total_relation_size", Int8, null),
    function("pg_relation_size", Int8, null),
    function("pg_table_size", Int8, null),
    function("pg_indexes_size", Int8, null),
    function("pg_database_size", Int8, null),
    function("pg_tablespace_size", Int8, null),
    function("pg_size_pretty", Text, size_pretty),
    function("pg_relation_is_publishable", Bool, no),
    function("pg_relation_is_updatable", Int4, |_, _| Ok(Cell::Int(0))),
    function("pg_column_is_updatable", Bool, no),
    function("pg_index_column_has_property", Bool, null),
    function("pg_indexam_has_property", Bool, null),
    function("pg_index_has_property", Bool, null),
    function("pg_stat_get_numscans", Int8, null),
    function("pg_stat_get_live_tuples", Int8, null),
    function("pg_stat_get_last_analyze_time", Time, null),
    // names that stand for OIDs: NULL where there is none
    function("to_regclass", Int8, |world, args| Ok(number(name(args).and_then(|name| world.relation(&name))))),
    function("to_regtype", Int8, |_, args| Ok(number(name(args).and_then(|name| base_type::by_name(&name)).map(|base| base.oid)))),
    function("to_regnamespace", Int8, |_, args| Ok(number(name(args).and_then(|name| schema_oid(&name))))),
    function("to_regrole", Int8, |world, args| Ok(number(name(args).and_then(|name| role_oid(world, &name))))),
    function("to_regproc", Int8, null),
    // what casts to regclass, regtype, regnamespace and regrole become; a name that is none fails
    function("regclass_oid", Int8, regclass_oid),
    function("regtype_oid", Int8, regtype_oid),
    function("regnamespace_oid", Int8, regnamespace_oid),
    function("regrole_oid", Int8, regrole_oid),
    function("regclass_name", Text, |world, args| Ok(written(args, |oid| world.relation_name(oid)))),
    function("regtype_name", Text, |_, args| Ok(written(args, |oid| Some(base_type::written(oid, None))))),
    function("regnamespace_name", Text, |_, args| Ok(written(args, |oid| schema_name(oid).map(str::to_owned)))),
    function("regrole_name", Text, |world, args| Ok(written(args, |oid| world.role_name(oid).map(quoted)))),
    function("regproc_name", Text, regproc_name),
    // texts and arrays
    function("quote_ident", Text, |_, args| Ok(text(args, 0).map_or(Cell::Null, |text| Cell::text(quoted(&text))))),
    function("quote_literal", Text, |_, args| Ok(text(args, 0).map_or(Cell::Null, |text| Cell::text(quote_literal(&text))))),
    function("quote_nullable", Text, |_, args| {
        Ok(Cell::text(text(args, 0).map_or_else(|| "NULL".to_owned(), |text| quote_literal(&text))))
    }),
    function("format", Text, format),
    function("array_to_string", Text, array_to_string),
    function("array_lower", Int4, |_, args| Ok(if length(args) > 0 { Cell::Int(1) } else { Cell::Null })),
    function("array_upper", Int4, |_, args| Ok(number(Some(length(args)).filter(|length| *length > 0)))),
    function("like_escape", Text, like_escape),
    function("series", Int8s, series),
    function("text_array", Texts, |_, args| Ok(array(args.first()).map_or(Cell::Null, Cell::Texts))),
    function("int_array", Int8s, |_, args| {
        Ok(array(args.first()).map_or(Cell::Null, |texts| Cell::Ints(texts.iter().filter_map(|text| text.trim().parse().ok()).collect())))
    }),
];

fn version() -> String {
    format!("PostgreSQL {} (Polder {})", setting::SERVER_VERSION, env!("CARGO_PKG_VERSION"))
}

fn null(_: &World, _: &[Cell]) -> Result<Cell, CatalogError> {
    Ok(Cell::Null)
}

fn no(_: &World, _: &[Cell]) -> Result<Cell, CatalogError> {
    Ok(Cell::Bool(false))
}

fn yes_where_known(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    Ok(oid(args, 0).map_or(Cell::Null, |_| Cell::Bool(true)))
}

fn oid(args: &[Cell], place: usize) -> Option<i64> {
    args.get(place)?.to_int()
}

fn text(args: &[Cell], place: usize) -> Option<String> {
    args.get(place)?.to_text()
}

fn name(args: &[Cell]) -> Option<String> {
    text(args, 0)
}

fn number(number: Option<i64>) -> Cell {
    number.map_or(Cell::Null, Cell::Int)
}

fn format_type(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    Ok(oid(args, 0).map_or(Cell::Null, |type_oid| Cell::text(base_type::written(type_oid, oid(args, 1)))))
}

fn table_is_visible(world: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    Ok(oid(args, 0).and_then(|oid| world.is_visible(oid)).map_or(Cell::Null, Cell::Bool))
}

fn get_userbyid(world: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let Some(oid) = oid(args, 0) else { return Ok(Cell::Null) };
    Ok(Cell::text(world.role_name(oid).map_or_else(|| format!("unknown (OID={oid})"), str::to_owned)))
}

/// The privileges that are asked for, the last argument.
fn may_read(args: &[Cell]) -> Option<bool> {
    let asked = args.last()?.to_text()?.to_uppercase();
    Some(asked.split(',').any(|one| matches!(one.trim(), "SELECT" | "USAGE" | "CONNECT" | "EXECUTE")))
}

fn has_privilege(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    Ok(may_read(args).map_or(Cell::Null, Cell::Bool))
}

fn has_table_privilege(world: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    // With a role before it, the table is the second of three.
    let table = match args {
        [_, table, _] | [table, _] => table,
        _ => return Ok(Cell::Null),
    };
    let found = match table {
        Cell::Text(name) => world.relation(name),
        other => other.to_int(),
    };
    match found {
        Some(oid) if world.is_visible(oid).is_some() => has_privilege(world, args),
        _ => Ok(Cell::Null),
    }
}

fn has_role(world: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let role = match args {
        [_, role, _] | [role, _] => role,
        _ => return Ok(Cell::Null),
    };
    let name = match role {
        Cell::Text(name) => Some(name.clone()),
        other => other.to_int().and_then(|oid| world.role_name(oid).map(str::to_owned)),
    };
    Ok(name.map_or(Cell::Null, |name| Cell::Bool(name == world.who.name || world.who.groups.contains(&name))))
}

fn current_schemas(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let own = matches!(args.first(), Some(Cell::Bool(true)));
    Ok(Cell::Texts(if own { vec![PG_CATALOG.to_owned(), PUBLIC.to_owned()] } else { vec![PUBLIC.to_owned()] }))
}

fn current_setting(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let Some(name) = name(args) else { return Ok(Cell::Null) };
    if matches!(args.get(1), Some(Cell::Bool(true))) {
        return Ok(Cell::of(setting::find(&name).map(|setting| setting.value)));
    }
    setting::named(&name).map(|setting| Cell::text(setting.value))
}

fn set_config(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let Some(name) = name(args) else { return Ok(Cell::Null) };
    let value = text(args, 1);
    setting::take(&name, value.as_deref())?;
    Ok(Cell::of(value.as_deref()))
}

fn char_to_encoding(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let Some(name) = name(args) else { return Ok(Cell::Null) };
    let name = name.to_lowercase();
    Ok(Cell::Int(if matches!(name.as_str(), "utf8" | "utf-8" | "unicode") { 6 } else { -1 }))
}

fn size_pretty(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let Some(bytes) = oid(args, 0) else { return Ok(Cell::Null) };
    let mut size = bytes;
    for unit in ["bytes", "kB", "MB", "GB", "TB"] {
        if size.unsigned_abs() < 10_240 || unit == "TB" {
            return Ok(Cell::text(format!("{size} {unit}")));
        }
        size /= 1_024;
    }
    Ok(Cell::Null)
}

fn role_oid(world: &World, name: &str) -> Option<i64> {
    world.roles().iter().find(|(_, role)| role == name).map(|(oid, _)| *oid)
}

/// A number stays what it is: an OID. A name is looked for, and must be found.
fn named(args: &[Cell], find: impl Fn(&str) -> Option<i64>, missing: impl Fn(&str) -> CatalogError) -> Result<Cell, CatalogError> {
    match args.first() {
        Some(Cell::Text(name)) if name == "-" => Ok(Cell::Int(0)),
        Some(Cell::Text(name)) => match name.trim().parse::<i64>() {
            Ok(oid) => Ok(Cell::Int(oid)),
            Err(_) => find(name).map(Cell::Int).ok_or_else(|| missing(name)),
        },
        Some(other) => Ok(number(other.to_int())),
        None => Ok(Cell::Null),
    }
}

fn regclass_oid(world: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    named(args, |name| world.relation(name), |name| CatalogError::unknown_relation(format!("relation \"{name}\" does not exist")))
}

fn regtype_oid(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let find = |name: &str| base_type::by_name(name).map(|base| base.oid);
    named(args, find, |name| CatalogError::unknown_object(format!("type \"{name}\" does not exist")))
}

fn regnamespace_oid(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    named(args, schema_oid, |name| CatalogError::new("3F000", format!("schema \"{name}\" does not exist")))
}

fn regrole_oid(world: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    named(args, |name| role_oid(world, name), |name| CatalogError::unknown_object(format!("role \"{name}\" does not exist")))
}

/// How an OID is written; as itself where nothing has it.
fn written(args: &[Cell], find: impl Fn(i64) -> Option<String>) -> Cell {
    match args.first() {
        Some(Cell::Int(0)) => Cell::text("-"),
        Some(cell) => cell.to_int().map_or(Cell::Null, |oid| Cell::text(find(oid).unwrap_or_else(|| oid.to_string()))),
        None => Cell::Null,
    }
}

fn regproc_name(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    Ok(text(args, 0).map_or(Cell::Null, |name| match name.strip_prefix("pg_catalog.").unwrap_or(&name) {
        "0" | "" => Cell::text("-"),
        name => Cell::text(name),
    }))
}

fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// `%s`, `%I` and `%L`, with a place as in `%1$s`, and `%%`.
fn format(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let Some(pattern) = text(args, 0) else { return Ok(Cell::Null) };
    let wrong = || CatalogError::wrong_value("format: its first argument takes %s, %I, %L and %%, and an argument for each");
    let mut out = String::new();
    let mut next = 1_usize;
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut digits = String::new();
        while let Some(digit) = letters.peek().copied().filter(char::is_ascii_digit) {
            digits.push(digit);
            letters.next();
        }
        let mut place = next;
        if !digits.is_empty() {
            if letters.next() != Some('$') {
                return Err(wrong());
            }
            place = digits.parse().map_err(|_| wrong())?;
        }
        let how = letters.next().ok_or_else(wrong)?;
        if how == '%' {
            out.push('%');
            continue;
        }
        next = place.saturating_add(1);
        let value = args.get(place).filter(|_| place > 0).ok_or_else(wrong)?.to_text();
        match (how, value) {
            ('s', value) => out.push_str(&value.unwrap_or_default()),
            ('I', Some(value)) => out.push_str(&quoted(&value)),
            ('L', value) => out.push_str(&value.map_or_else(|| "NULL".to_owned(), |value| quote_literal(&value))),
            _ => return Err(wrong()),
        }
    }
    Ok(Cell::text(out))
}

/// An array as its elements' texts: also one that is written as text, `{a,"b c"}`.
fn array(cell: Option<&Cell>) -> Option<Vec<String>> {
    match cell? {
        Cell::Texts(texts) => Some(texts.clone()),
        Cell::Ints(numbers) => Some(numbers.iter().map(i64::to_string).collect()),
        Cell::Text(text) => array_literal(text),
        Cell::Null | Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) => None,
    }
}

/// Takes `{a,"b, c"}` apart. NULLs among the elements are left out.
pub(super) fn array_literal(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    let mut element = String::new();
    let (mut quoted, mut was_quoted, mut any) = (false, false, false);
    let mut letters = inner.chars();
    let mut push = |element: &mut String, was_quoted: &mut bool| {
        let trimmed = if *was_quoted { element.clone() } else { element.trim().to_owned() };
        if *was_quoted || !trimmed.eq_ignore_ascii_case("null") {
            elements.push(trimmed);
        }
        element.clear();
        *was_quoted = false;
    };
    while let Some(letter) = letters.next() {
        any = true;
        match letter {
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            '\\' => element.extend(letters.next()),
            ',' if !quoted => push(&mut element, &mut was_quoted),
            letter => element.push(letter),
        }
    }
    if any && !inner.trim().is_empty() {
        push(&mut element, &mut was_quoted);
    }
    if quoted { None } else { Some(elements) }
}

fn length(args: &[Cell]) -> i64 {
    array(args.first()).map_or(0, |elements| i64::try_from(elements.len()).unwrap_or(i64::MAX))
}

fn array_to_string(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let Some(separator) = text(args, 1) else { return Ok(Cell::Null) };
    Ok(array(args.first()).map_or(Cell::Null, |elements| Cell::text(elements.join(&separator))))
}

/// Most numbers of a series: enough for the columns of a table, too few to fill the memory.
const SERIES_MAX: usize = 10_000;

fn series(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let (Some(first), Some(last)) = (oid(args, 0), oid(args, 1)) else { return Ok(Cell::Ints(Vec::new())) };
    let step = if args.len() > 2 { oid(args, 2).unwrap_or_default() } else { 1 };
    if step == 0 {
        return Err(CatalogError::wrong_value("step size cannot equal zero"));
    }
    let mut numbers = Vec::new();
    let mut next = Some(first);
    while let Some(number) = next.filter(|number| if step > 0 { *number <= last } else { *number >= last }) {
        if numbers.len() >= SERIES_MAX {
            return Err(CatalogError::limit(format!("generate_series gives at most {SERIES_MAX} rows here")));
        }
        numbers.push(number);
        next = number.checked_add(step);
    }
    Ok(Cell::Ints(numbers))
}

/// A pattern of LIKE with another escape than the backslash, written with that.
fn like_escape(_: &World, args: &[Cell]) -> Result<Cell, CatalogError> {
    let (Some(pattern), Some(escape)) = (text(args, 0), text(args, 1)) else { return Ok(Cell::Null) };
    let mut letters = escape.chars();
    let (escape, more) = (letters.next(), letters.next());
    if more.is_some() {
        return Err(CatalogError::new("22025", "invalid escape string: it is empty or one character"));
    }
    let mut out = String::new();
    let mut rest = pattern.chars();
    while let Some(letter) = rest.next() {
        if Some(letter) == escape {
            let Some(escaped) = rest.next() else {
                return Err(CatalogError::new("22025", "LIKE pattern must not end with escape character"));
            };
            if matches!(escaped, '%' | '_' | '\\') {
                out.push('\\');
            }
            out.push(escaped);
        } else {
            if letter == '\\' {
                out.push('\\');
            }
            out.push(letter);
        }
    }
    Ok(Cell::text(out))
}
