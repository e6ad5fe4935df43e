//! The base types of PostgreSQL, by OID and by name, and how they are written.

use std::collections::HashMap;
use std::sync::LazyLock;

const LIST: &str = include_str!("types.txt");

/// A row of `pg_type`, as `types.txt` has it.
#[derive(Debug, Clone)]
pub(super) struct BaseType {
    pub oid: i64,
    pub name: &'static str,
    pub len: i64,
    pub by_value: bool,
    pub typtype: &'static str,
    pub category: &'static str,
    pub preferred: bool,
    pub delimiter: &'static str,
    pub element: i64,
    pub array: i64,
    /// Input, output, receive and send.
    pub functions: [&'static str; 4],
    pub align: &'static str,
    pub storage: &'static str,
    pub subscript: &'static str,
}

static ALL: LazyLock<Vec<BaseType>> = LazyLock::new(|| LIST.lines().filter_map(read).collect());
static BY_OID: LazyLock<HashMap<i64, &'static BaseType>> = LazyLock::new(|| ALL.iter().map(|base| (base.oid, base)).collect());
static BY_NAME: LazyLock<HashMap<&'static str, &'static BaseType>> = LazyLock::new(|| ALL.iter().map(|base| (base.name, base)).collect());

fn read(line: &'static str) -> Option<BaseType> {
    let mut fields = line.split('|').filter(|_| !line.starts_with('#'));
    let mut next = || fields.next();
    Some(BaseType {
        oid: next()?.parse().ok()?,
        name: next()?,
        len: next()?.parse().ok()?,
        by_value: next()? == "t",
        typtype: next()?,
        category: next()?,
        preferred: next()? == "t",
        delimiter: next()?,
        element: next()?.parse().ok()?,
        array: next()?.parse().ok()?,
        functions: [next()?, next()?, next()?, next()?],
        align: next()?,
        storage: next()?,
        // Past the collation, of which none is told.
        subscript: fields.nth(1)?,
    })
}

pub(super) fn all() -> impl Iterator<Item = &'static BaseType> {
    ALL.iter()
}

pub(super) fn by_oid(oid: i64) -> Option<&'static BaseType> {
    BY_OID.get(&oid).copied()
}

/// Finds a type by any of its names: `int4`, `integer`, `timestamp with time zone`, `text[]`, `pg_catalog.int8`.
pub(super) fn by_name(name: &str) -> Option<&'static BaseType> {
    let name = name.trim();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    if let Some(element) = name.strip_suffix("[]") {
        return by_oid(by_name(element)?.array);
    }
    if let Some(quoted) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        return BY_NAME.get(quoted).copied();
    }
    let lower = name.to_lowercase();
    let plain = lower.split('(').next().unwrap_or_default().trim();
    let own = match plain {
        "boolean" => "bool",
        "smallint" => "int2",
        "integer" | "int" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" | "float" => "float8",
        "decimal" | "dec" => "numeric",
        "character varying" => "varchar",
        "character" | "char" => "bpchar",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "bit varying" => "varbit",
        other => other,
    };
    BY_NAME.get(own).copied()
}

/// How a type is written, as `format_type` does: `character varying(10)`, `numeric(8,2)`, `bigint[]`.
pub(super) fn written(oid: i64, typmod: Option<i64>) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    let Some(base) = by_oid(oid) else { return "???".to_owned() };
    let is_array = base.element != 0 && base.subscript == "array_subscript_handler";
    if is_array {
        return format!("{}[]", written(base.element, typmod));
    }
    let typmod = typmod.filter(|typmod| *typmod >= 0);
    let modifier = match (base.name, typmod) {
        ("numeric", Some(typmod)) => {
            let packed = typmod - 4;
            let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
            format!("({},{scale})", (packed >> 16) & 0xffff)
        }
        ("varchar" | "bpchar", Some(typmod)) => format!("({})", typmod - 4),
        ("time" | "timetz" | "timestamp" | "timestamptz" | "bit" | "varbit" | "interval", Some(typmod)) => format!("({typmod})"),
        _ => String::new(),
    };
    match base.name {
        "bool" => "boolean".to_owned(),
        "char" => "\"char\"".to_owned(),
        "int2" => "smallint".to_owned(),
        "int4" => "integer".to_owned(),
        "int8" => "bigint".to_owned(),
        "float4" => "real".to_owned(),
        "float8" => "double precision".to_owned(),
        "varchar" => format!("character varying{modifier}"),
        "bpchar" if typmod.is_none() => "bpchar".to_owned(),
        "bpchar" => format!("character{modifier}"),
        "varbit" => format!("bit varying{modifier}"),
        "time" => format!("time{modifier} without time zone"),
        "timetz" => format!("time{modifier} with time zone"),
        "timestamp" => format!("timestamp{modifier} without time zone"),
        "timestamptz" => format!("timestamp{modifier} with time zone"),
        name => format!("{name}{modifier}"),
    }
}
