//! Casts of PostgreSQL. Names that stand for OIDs (`regclass` and its like) become functions; types that the engine does not have become
//! text or numbers.

use datafusion::sql::sqlparser::ast::{CharacterLength, DataType, ExactNumberInfo, Expr, TimezoneInfo, Value};

use super::build::{self, call};
use crate::catalog::CatalogError;
use crate::catalog::base_type;
use crate::catalog::cell::Kind;
use crate::catalog::function::array_literal;

/// The types whose values are OIDs that are written as names, each with its functions from and to a name.
const NAMED: [(&str, &str, &str); 5] = [
    ("regclass", "regclass_oid", "regclass_name"),
    ("regtype", "regtype_oid", "regtype_name"),
    ("regnamespace", "regnamespace_oid", "regnamespace_name"),
    ("regrole", "regrole_oid", "regrole_name"),
    ("regproc", "regproc_name", "regproc_name"),
];

/// A type's name in `pg_type`, as it is written in a cast.
fn type_name(data_type: &DataType) -> Option<&'static str> {
    let written = match data_type {
        // Quotes are no part of a name.
        DataType::Custom(name, modifiers) if modifiers.is_empty() => {
            let parts: Option<Vec<&str>> = name.0.iter().map(|part| Some(part.as_ident()?.value.as_str())).collect();
            parts.map_or_else(|| data_type.to_string(), |parts| parts.join("."))
        }
        _ => data_type.to_string(),
    };
    let plain = written.strip_prefix("pg_catalog.").unwrap_or(&written);
    if let Some(domain) = plain.strip_prefix("information_schema.") {
        return Some(if domain == "cardinal_number" { "int4" } else { "text" });
    }
    let plain = if plain == "regprocedure" { "regproc" } else { plain };
    base_type::by_name(plain).map(|base| base.name)
}

/// What values of a type are in the session that answers.
pub(in crate::catalog) fn kind(data_type: &DataType) -> Kind {
    type_name(data_type).map_or(Kind::Text, |name| if NAMED.iter().any(|(named, ..)| *named == name) { Kind::Text } else { Kind::of(name) })
}

/// Whether a cast is of a literal to a name for an OID: answered by itself it is written as a name.
pub(super) fn is_named_literal(expression: &Expr) -> bool {
    let Expr::Cast { expr, data_type, .. } = expression else { return false };
    build::text_of(expr).is_some() && type_name(data_type).is_some_and(|name| NAMED.iter().any(|(named, ..)| *named == name))
}

/// What a cast becomes. Its operand was rewritten before.
///
/// # Errors
/// SQLSTATE 42704 when there is no such type.
pub(super) fn rewrite(expression: Expr, data_type: DataType) -> Result<Expr, CatalogError> {
    let Some(name) = type_name(&data_type) else {
        return Err(CatalogError::unknown_object(format!("type \"{data_type}\" does not exist")));
    };
    if let Some((_, to_oid, to_name)) = NAMED.iter().find(|(named, ..)| *named == name) {
        return Ok(named(expression, to_oid, to_name));
    }
    Ok(match name {
        "oid" | "xid" | "cid" | "int8" | "int4" | "int2" => match name_of_oid(&expression) {
            Some(oid) => oid,
            None => build::cast(expression, integer(name)),
        },
        // What is an OID by now is written as the name that it was cast to.
        "text" | "name" | "varchar" | "bpchar" | "char" | "cstring" => {
            let text = match oid_of_name(&expression) {
                Some(to_name) => call(to_name, vec![expression]),
                None => build::cast(expression, DataType::Text),
            };
            match &data_type {
                // A cast to a length cuts off what is beyond.
                DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. }))
                | DataType::CharacterVarying(Some(CharacterLength::IntegerLength { length, .. })) => {
                    call("left", vec![text, build::number(i64::try_from(*length).unwrap_or(i64::MAX))])
                }
                _ => text,
            }
        }
        "bool" => build::cast(expression, DataType::Boolean),
        "float4" => build::cast(expression, DataType::Real),
        "float8" => build::cast(expression, DataType::DoublePrecision),
        "numeric" if !matches!(data_type, DataType::Numeric(_) | DataType::Decimal(_)) => {
            build::cast(expression, DataType::Numeric(ExactNumberInfo::None))
        }
        "date" => build::cast(expression, DataType::Date),
        "timestamp" => build::cast(expression, DataType::Timestamp(None, TimezoneInfo::None)),
        "timestamptz" => build::cast(expression, DataType::Timestamp(None, TimezoneInfo::WithTimeZone)),
        "numeric" | "bytea" | "interval" | "time" => build::cast(expression, data_type),
        name => match (Kind::of(name), elements(&expression)) {
            (Kind::Int2s | Kind::Int8s, _) => call("int_array", vec![expression]),
            (Kind::Texts | Kind::Float4s, _) => call("text_array", vec![expression]),
            _ => build::cast(expression, DataType::Text),
        },
    })
}

fn integer(name: &str) -> DataType {
    match name {
        "int2" => DataType::SmallInt(None),
        "int4" => DataType::Integer(None),
        _ => DataType::BigInt(None),
    }
}

fn named(expression: Expr, to_oid: &str, to_name: &str) -> Expr {
    match literal(&expression) {
        Some(Value::Null) => build::cast(build::null(), DataType::BigInt(None)),
        Some(Value::Number(..)) => call(to_name, vec![expression]),
        // Text, or a parameter.
        Some(_) => call(to_oid, vec![expression]),
        None if matches!(&expression, Expr::Function(function) if build::is_call(function, to_oid)) => expression,
        None => call(to_name, vec![expression]),
    }
}

/// The value of a literal, also of one that is cast to text.
fn literal(expression: &Expr) -> Option<&Value> {
    match expression {
        Expr::Nested(inner) | Expr::Cast { expr: inner, data_type: DataType::Text, .. } => literal(inner),
        Expr::Value(value) => Some(&value.value),
        _ => None,
    }
}

/// The OID that a call of `regclass_name` and its like was made of.
fn name_of_oid(expression: &Expr) -> Option<Expr> {
    let Expr::Function(function) = expression else { return None };
    if NAMED.iter().any(|(_, to_oid, to_name)| to_oid != to_name && build::is_call(function, to_oid)) {
        return Some(expression.clone());
    }
    let is_named = NAMED.iter().any(|(_, to_oid, to_name)| to_oid != to_name && build::is_call(function, to_name));
    if is_named { build::arguments(function).first().map(|argument| (*argument).clone()) } else { None }
}

/// The function that writes what a call of `regclass_oid` and its like gave.
fn oid_of_name(expression: &Expr) -> Option<&'static str> {
    let Expr::Function(function) = expression else { return None };
    NAMED.iter().find(|(_, to_oid, to_name)| to_oid != to_name && build::is_call(function, to_oid)).map(|(_, _, to_name)| *to_name)
}

/// The elements of an array that is written as a literal: `'{a,b}'`, `'{a,b}'::text[]`, `ARRAY['a','b']`.
pub(super) fn elements(expression: &Expr) -> Option<Vec<Expr>> {
    match expression {
        Expr::Nested(inner) => elements(inner),
        Expr::Array(array) => Some(array.elem.clone()),
        Expr::Cast { expr, data_type: DataType::Array(_), .. } => elements(expr),
        other => {
            let texts = array_literal(&build::text_of(other)?)?;
            Some(texts.into_iter().map(build::text).collect())
        }
    }
}
