//! The rows of the catalog's tables for one asker. What is not here is empty.

use std::collections::HashMap;

use super::KnownTable;
use super::PgType;
use super::base_type;
use super::cell::Cell;
use super::relation::{self, INFORMATION_SCHEMA, PG_CATALOG, Relation, Row};
use super::setting;
use super::world::{
    DATABASE, DATABASE_OID, HEAP_OID, INFORMATION_SCHEMA_OID, OWNER, OWNER_OID, PG_CATALOG_OID, PG_CLASS_OID, PUBLIC, PUBLIC_OID, Table,
    World, data_type, schema_oid,
};

/// Code of UTF-8 in PostgreSQL.
const UTF8: i64 = 6;
const LOCALE: &str = "C.UTF-8";
const TABLESPACE_OID: i64 = 1_663;
/// What PostgreSQL tells of the longest text of a type without a length, in bytes.
const TEXT_MAX_BYTES: i64 = 1 << 30;

/// Words that PostgreSQL keeps for itself beyond the standard.
const KEYWORDS: [&str; 14] = [
    "analyse",
    "analyze",
    "concurrently",
    "do",
    "freeze",
    "ilike",
    "isnull",
    "limit",
    "notnull",
    "placing",
    "returning",
    "variadic",
    "verbose",
    "window",
];

/// The relations that are never empty. All others are, whoever asks.
pub(super) fn is_filled(relation: &Relation) -> bool {
    match relation.schema {
        PG_CATALOG => matches!(
            relation.name,
            "pg_namespace"
                | "pg_class"
                | "pg_attribute"
                | "pg_type"
                | "pg_description"
                | "pg_database"
                | "pg_roles"
                | "pg_user"
                | "pg_group"
                | "pg_settings"
                | "pg_show_all_settings"
                | "pg_tables"
                | "pg_views"
                | "pg_am"
                | "pg_tablespace"
                | "pg_get_keywords"
                | "pg_stat_user_tables"
                | "pg_timezone_names"
        ),
        _ => matches!(
            relation.name,
            "schemata"
                | "tables"
                | "columns"
                | "views"
                | "character_sets"
                | "information_schema_catalog_name"
                | "enabled_roles"
                | "applicable_roles"
                | "table_privileges"
                | "role_table_grants"
        ),
    }
}

/// The rows of a relation.
pub(super) fn rows(relation: &Relation, world: &World, known: &[KnownTable]) -> Vec<Row> {
    let tables = world.tables(known);
    match (relation.schema, relation.name) {
        (PG_CATALOG, name) => match name {
            "pg_namespace" => namespaces(),
            "pg_class" => tables.iter().map(class).chain(relation::all().filter(|own| own.relkind != "f").map(own_class)).collect(),
            "pg_attribute" => tables
                .iter()
                .flat_map(attributes)
                .chain(relation::all().filter(|own| own.relkind != "f").flat_map(own_attributes))
                .collect(),
            "pg_type" => base_type::all().map(pg_type).collect(),
            "pg_description" => world.comments().map(description).collect(),
            "pg_database" => vec![database()],
            "pg_roles" => world.roles().iter().map(|(oid, name)| role(*oid, name, world)).collect(),
            "pg_user" => world.roles().iter().filter(|(_, name)| *name == world.who.name).map(|(oid, name)| user(*oid, name)).collect(),
            "pg_group" => {
                let groups = world.roles().iter().filter(|(_, name)| world.who.groups.contains(name));
                groups
                    .map(|(oid, name)| {
                        vec![("groname", Cell::text(name)), ("grosysid", Cell::Int(*oid)), ("grolist", Cell::Ints(vec![world.who_oid]))]
                    })
                    .collect()
            }
            "pg_settings" => setting::all().map(settings).collect(),
            "pg_show_all_settings" => {
                setting::all().map(|setting| vec![("name", Cell::text(setting.name)), ("setting", Cell::text(setting.value))]).collect()
            }
            "pg_tables" => tables.iter().filter(|table| !table.known.model).map(pg_table).collect(),
            "pg_views" => tables.iter().filter(|table| table.known.model).map(pg_view).collect(),
            "pg_am" => vec![am(HEAP_OID, "heap", "t"), am(403, "btree", "i"), am(405, "hash", "i")],
            "pg_tablespace" => {
                let space = |oid, name| vec![("oid", Cell::Int(oid)), ("spcname", Cell::text(name)), ("spcowner", Cell::Int(OWNER_OID))];
                vec![space(TABLESPACE_OID, "pg_default"), space(1_664, "pg_global")]
            }
            "pg_get_keywords" => KEYWORDS.iter().map(|word| vec![("word", Cell::text(*word)), ("catcode", Cell::text("R"))]).collect(),
            "pg_stat_user_tables" => {
                let stat = |table: &Table<'_>| {
                    vec![("relid", Cell::Int(table.oid)), ("schemaname", Cell::text(PUBLIC)), ("relname", Cell::text(&table.known.name))]
                };
                tables.iter().filter(|table| !table.known.model).map(stat).collect()
            }
            "pg_timezone_names" => {
                vec![vec![
                    ("name", Cell::text("UTC")),
                    ("abbrev", Cell::text("UTC")),
                    ("utc_offset", Cell::text("00:00:00")),
                    ("is_dst", Cell::Bool(false)),
                ]]
            }
            _ => Vec::new(),
        },
        (_, name) => match name {
            "schemata" => [PUBLIC, PG_CATALOG, INFORMATION_SCHEMA].into_iter().map(schema).collect(),
            "tables" => {
                let own = relation::all().filter(|own| own.relkind != "f");
                tables.iter().map(table).chain(own.map(own_table)).collect()
            }
            "columns" => {
                let own = relation::all().filter(|own| own.relkind != "f");
                tables.iter().flat_map(columns).chain(own.flat_map(own_columns)).collect()
            }
            "views" => tables.iter().filter(|table| table.known.model).map(view).collect(),
            "character_sets" => vec![vec![
                ("character_set_name", Cell::text("UTF8")),
                ("character_repertoire", Cell::text("UCS")),
                ("form_of_use", Cell::text("UTF8")),
                ("default_collate_catalog", Cell::text(DATABASE)),
            ]],
            "information_schema_catalog_name" => vec![vec![("catalog_name", Cell::text(DATABASE))]],
            "enabled_roles" => {
                let own = world.roles().iter().filter(|(oid, _)| *oid != OWNER_OID);
                own.map(|(_, name)| vec![("role_name", Cell::text(name))]).collect()
            }
            "applicable_roles" => {
                let role = |name: &String| {
                    vec![("grantee", Cell::text(&world.who.name)), ("role_name", Cell::text(name)), ("is_grantable", Cell::text("NO"))]
                };
                world.who.groups.iter().map(role).collect()
            }
            "table_privileges" | "role_table_grants" => tables.iter().map(|table| privilege(table, world)).collect(),
            _ => Vec::new(),
        },
    }
}

fn namespaces() -> Vec<Row> {
    let namespace = |oid, name| vec![("oid", Cell::Int(oid)), ("nspname", Cell::text(name)), ("nspowner", Cell::Int(OWNER_OID))];
    vec![namespace(PG_CATALOG_OID, PG_CATALOG), namespace(PUBLIC_OID, PUBLIC), namespace(INFORMATION_SCHEMA_OID, INFORMATION_SCHEMA)]
}

fn count(length: usize) -> Cell {
    Cell::Int(i64::try_from(length).unwrap_or(i64::MAX))
}

fn relation_row(oid: i64, name: &str, namespace: i64, relkind: &str, columns: usize) -> Row {
    let is_view = relkind == "v";
    vec![
        ("oid", Cell::Int(oid)),
        ("relname", Cell::text(name)),
        ("relnamespace", Cell::Int(namespace)),
        ("relowner", Cell::Int(OWNER_OID)),
        ("relam", Cell::Int(if is_view { 0 } else { HEAP_OID })),
        ("relfilenode", Cell::Int(if is_view { 0 } else { oid })),
        ("reltuples", Cell::Float(-1.0)),
        ("relpersistence", Cell::text("p")),
        ("relkind", Cell::text(relkind)),
        ("relnatts", count(columns)),
        ("relispopulated", Cell::Bool(true)),
        ("relreplident", Cell::text(if is_view { "n" } else { "d" })),
    ]
}

fn class(table: &Table<'_>) -> Row {
    relation_row(table.oid, &table.known.name, PUBLIC_OID, table.relkind(), table.known.columns.len())
}

fn own_class(relation: &Relation) -> Row {
    relation_row(relation.oid, relation.name, schema_oid(relation.schema).unwrap_or_default(), relation.relkind, relation.columns.len())
}

fn attribute(relation: i64, number: i64, name: &str, type_oid: i64, typmod: i64, not_null: bool) -> Row {
    let base = base_type::by_oid(type_oid);
    vec![
        ("attrelid", Cell::Int(relation)),
        ("attname", Cell::text(name)),
        ("atttypid", Cell::Int(type_oid)),
        ("attstattarget", Cell::Int(-1)),
        ("attlen", Cell::Int(base.map_or(-1, |base| base.len))),
        ("attnum", Cell::Int(number)),
        ("attndims", Cell::Int(i64::from(base.is_some_and(|base| base.category == "A")))),
        ("attcacheoff", Cell::Int(-1)),
        ("atttypmod", Cell::Int(typmod)),
        ("attbyval", Cell::Bool(base.is_some_and(|base| base.by_value))),
        ("attalign", Cell::of(base.map(|base| base.align))),
        ("attstorage", Cell::of(base.map(|base| base.storage))),
        ("attnotnull", Cell::Bool(not_null)),
        ("attislocal", Cell::Bool(true)),
    ]
}

fn attributes(table: &Table<'_>) -> Vec<Row> {
    let one = |(number, column, pg): (i64, &super::KnownColumn, PgType)| {
        attribute(table.oid, number, &column.name, i64::from(pg.oid), i64::from(pg.typmod), !column.nullable)
    };
    table.columns().map(one).collect()
}

fn own_attributes(relation: &Relation) -> Vec<Row> {
    let oid = |type_name: &str| base_type::all().find(|base| base.name == type_name).map_or(25, |base| base.oid);
    let mut oids: HashMap<&str, i64> = HashMap::new();
    (1_i64..)
        .zip(&relation.columns)
        .map(|(number, column)| {
            let type_oid = *oids.entry(column.type_name).or_insert_with(|| oid(column.type_name));
            attribute(relation.oid, number, column.name, type_oid, -1, column.not_null)
        })
        .collect()
}

fn pg_type(base: &base_type::BaseType) -> Row {
    let [input, output, receive, send] = base.functions;
    vec![
        ("oid", Cell::Int(base.oid)),
        ("typname", Cell::text(base.name)),
        ("typnamespace", Cell::Int(PG_CATALOG_OID)),
        ("typowner", Cell::Int(OWNER_OID)),
        ("typlen", Cell::Int(base.len)),
        ("typbyval", Cell::Bool(base.by_value)),
        ("typtype", Cell::text(base.typtype)),
        ("typcategory", Cell::text(base.category)),
        ("typispreferred", Cell::Bool(base.preferred)),
        ("typisdefined", Cell::Bool(true)),
        ("typdelim", Cell::text(base.delimiter)),
        ("typsubscript", Cell::text(base.subscript)),
        ("typelem", Cell::Int(base.element)),
        ("typarray", Cell::Int(base.array)),
        ("typinput", Cell::text(input)),
        ("typoutput", Cell::text(output)),
        ("typreceive", Cell::text(receive)),
        ("typsend", Cell::text(send)),
        ("typmodin", Cell::text("-")),
        ("typmodout", Cell::text("-")),
        ("typanalyze", Cell::text("-")),
        ("typalign", Cell::text(base.align)),
        ("typstorage", Cell::text(base.storage)),
        ("typtypmod", Cell::Int(-1)),
    ]
}

fn description((oid, column, text): (i64, i64, &str)) -> Row {
    vec![
        ("objoid", Cell::Int(oid)),
        ("classoid", Cell::Int(PG_CLASS_OID)),
        ("objsubid", Cell::Int(column)),
        ("description", Cell::text(text)),
    ]
}

fn database() -> Row {
    vec![
        ("oid", Cell::Int(DATABASE_OID)),
        ("datname", Cell::text(DATABASE)),
        ("datdba", Cell::Int(OWNER_OID)),
        ("encoding", Cell::Int(UTF8)),
        ("datlocprovider", Cell::text("c")),
        ("datallowconn", Cell::Bool(true)),
        ("datconnlimit", Cell::Int(-1)),
        ("dattablespace", Cell::Int(TABLESPACE_OID)),
        ("datcollate", Cell::text(LOCALE)),
        ("datctype", Cell::text(LOCALE)),
    ]
}

fn role(oid: i64, name: &str, world: &World) -> Row {
    vec![
        ("rolname", Cell::text(name)),
        ("rolsuper", Cell::Bool(false)),
        ("rolinherit", Cell::Bool(true)),
        ("rolcreaterole", Cell::Bool(false)),
        ("rolcreatedb", Cell::Bool(false)),
        ("rolcanlogin", Cell::Bool(name == world.who.name)),
        ("rolreplication", Cell::Bool(false)),
        ("rolconnlimit", Cell::Int(-1)),
        ("rolpassword", Cell::text("********")),
        ("rolbypassrls", Cell::Bool(false)),
        ("oid", Cell::Int(oid)),
    ]
}

fn user(oid: i64, name: &str) -> Row {
    vec![
        ("usename", Cell::text(name)),
        ("usesysid", Cell::Int(oid)),
        ("usecreatedb", Cell::Bool(false)),
        ("usesuper", Cell::Bool(false)),
        ("userepl", Cell::Bool(false)),
        ("usebypassrls", Cell::Bool(false)),
        ("passwd", Cell::text("********")),
    ]
}

fn settings(setting: &setting::Setting) -> Row {
    vec![
        ("name", Cell::text(setting.name)),
        ("setting", Cell::text(setting.value)),
        ("category", Cell::text("Client Connection Defaults")),
        ("context", Cell::text("user")),
        ("vartype", Cell::text("string")),
        ("source", Cell::text("default")),
        ("boot_val", Cell::text(setting.value)),
        ("reset_val", Cell::text(setting.value)),
        ("pending_restart", Cell::Bool(false)),
    ]
}

fn am(oid: i64, name: &str, what: &str) -> Row {
    vec![("oid", Cell::Int(oid)), ("amname", Cell::text(name)), ("amtype", Cell::text(what))]
}

fn pg_table(table: &Table<'_>) -> Row {
    vec![
        ("schemaname", Cell::text(PUBLIC)),
        ("tablename", Cell::text(&table.known.name)),
        ("tableowner", Cell::text(OWNER)),
        ("hasindexes", Cell::Bool(false)),
        ("hasrules", Cell::Bool(false)),
        ("hastriggers", Cell::Bool(false)),
        ("rowsecurity", Cell::Bool(false)),
    ]
}

fn pg_view(table: &Table<'_>) -> Row {
    // What a model is made of may be more than the asker may know.
    vec![
        ("schemaname", Cell::text(PUBLIC)),
        ("viewname", Cell::text(&table.known.name)),
        ("viewowner", Cell::text(OWNER)),
        ("definition", Cell::text("")),
    ]
}

fn schema(name: &'static str) -> Row {
    vec![("catalog_name", Cell::text(DATABASE)), ("schema_name", Cell::text(name)), ("schema_owner", Cell::text(OWNER))]
}

fn table_row(schema: &str, name: &str, is_view: bool) -> Row {
    vec![
        ("table_catalog", Cell::text(DATABASE)),
        ("table_schema", Cell::text(schema)),
        ("table_name", Cell::text(name)),
        ("table_type", Cell::text(if is_view { "VIEW" } else { "BASE TABLE" })),
        ("is_insertable_into", Cell::text("NO")),
        ("is_typed", Cell::text("NO")),
    ]
}

fn table(table: &Table<'_>) -> Row {
    table_row(PUBLIC, &table.known.name, table.known.model)
}

fn own_table(relation: &Relation) -> Row {
    table_row(relation.schema, relation.name, relation.relkind == "v")
}

fn view(table: &Table<'_>) -> Row {
    vec![
        ("table_catalog", Cell::text(DATABASE)),
        ("table_schema", Cell::text(PUBLIC)),
        ("table_name", Cell::text(&table.known.name)),
        ("check_option", Cell::text("NONE")),
        ("is_updatable", Cell::text("NO")),
        ("is_insertable_into", Cell::text("NO")),
        ("is_trigger_updatable", Cell::text("NO")),
        ("is_trigger_deletable", Cell::text("NO")),
        ("is_trigger_insertable_into", Cell::text("NO")),
    ]
}

/// Precision, its radix, and scale of a number.
fn precision(pg: PgType) -> Option<(i64, i64, Option<i64>)> {
    match pg.name {
        "int2" => Some((16, 2, Some(0))),
        "int4" => Some((32, 2, Some(0))),
        "int8" => Some((64, 2, Some(0))),
        "float4" => Some((24, 2, None)),
        "float8" => Some((53, 2, None)),
        "numeric" if pg.typmod >= 0 => {
            let packed = i64::from(pg.typmod) - 4;
            Some(((packed >> 16) & 0xffff, 10, Some(((packed & 0x7ff) ^ 0x400) - 0x400)))
        }
        _ => None,
    }
}

fn column_row(schema: &str, table: &str, name: &str, number: i64, nullable: bool, pg: PgType) -> Row {
    let mut row = vec![
        ("table_catalog", Cell::text(DATABASE)),
        ("table_schema", Cell::text(schema)),
        ("table_name", Cell::text(table)),
        ("column_name", Cell::text(name)),
        ("ordinal_position", Cell::Int(number)),
        ("is_nullable", Cell::text(if nullable { "YES" } else { "NO" })),
        ("data_type", Cell::text(data_type(pg))),
        ("udt_catalog", Cell::text(DATABASE)),
        ("udt_schema", Cell::text(PG_CATALOG)),
        ("udt_name", Cell::text(pg.name)),
        ("dtd_identifier", Cell::text(number.to_string())),
        ("is_self_referencing", Cell::text("NO")),
        ("is_identity", Cell::text("NO")),
        ("identity_cycle", Cell::text("NO")),
        ("is_generated", Cell::text("NEVER")),
        ("is_updatable", Cell::text("NO")),
    ];
    if let Some((precision, radix, scale)) = precision(pg) {
        row.push(("numeric_precision", Cell::Int(precision)));
        row.push(("numeric_precision_radix", Cell::Int(radix)));
        row.push(("numeric_scale", scale.map_or(Cell::Null, Cell::Int)));
    }
    match pg.name {
        "text" | "varchar" | "name" => row.push(("character_octet_length", Cell::Int(TEXT_MAX_BYTES))),
        "date" => row.push(("datetime_precision", Cell::Int(0))),
        "time" | "timestamp" | "timestamptz" | "interval" => row.push(("datetime_precision", Cell::Int(6))),
        _ => {}
    }
    row
}

fn columns(table: &Table<'_>) -> Vec<Row> {
    let one = |(number, column, pg): (i64, &super::KnownColumn, PgType)| {
        column_row(PUBLIC, &table.known.name, &column.name, number, column.nullable, pg)
    };
    table.columns().map(one).collect()
}

fn own_columns(relation: &Relation) -> Vec<Row> {
    (1_i64..)
        .zip(&relation.columns)
        .map(|(number, column)| {
            let oid = base_type::all().find(|base| base.name == column.type_name).map_or(25, |base| base.oid);
            let pg = PgType { oid: u32::try_from(oid).unwrap_or(25), name: column.type_name, len: -1, typmod: -1 };
            column_row(relation.schema, relation.name, column.name, number, !column.not_null, pg)
        })
        .collect()
}

fn privilege(table: &Table<'_>, world: &World) -> Row {
    vec![
        ("grantor", Cell::text(OWNER)),
        ("grantee", Cell::text(&world.who.name)),
        ("table_catalog", Cell::text(DATABASE)),
        ("table_schema", Cell::text(PUBLIC)),
        ("table_name", Cell::text(&table.known.name)),
        ("privilege_type", Cell::text("SELECT")),
        ("is_grantable", Cell::text("NO")),
        ("with_hierarchy", Cell::text("YES")),
    ]
}
