//! The one table from Arrow's types to PostgreSQL's, and the types of PostgreSQL that clients look up.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

/// A type of PostgreSQL, as a column has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PgType {
    /// Its OID, those of PostgreSQL itself.
    pub oid: u32,
    /// Its name in `pg_type`.
    pub name: &'static str,
    /// Bytes of a value; -1 where they vary.
    pub len: i16,
    /// Its modifier, as the precision and scale of a number; -1 where there is none.
    pub typmod: i32,
}

const fn plain(oid: u32, name: &'static str, len: i16) -> PgType {
    PgType { oid, name, len, typmod: -1 }
}

/// Digits of the largest unsigned number of 64 bits.
const UINT64_DIGITS: i32 = 20;
/// The number of `json`.
const JSON: u32 = 114;

/// The type of PostgreSQL that clients see for a type of Arrow.
pub fn type_of(data_type: &DataType) -> PgType {
    match data_type {
        DataType::Boolean => plain(16, "bool", 1),
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => plain(21, "int2", 2),
        DataType::UInt16 | DataType::Int32 => plain(23, "int4", 4),
        DataType::UInt32 | DataType::Int64 => plain(20, "int8", 8),
        DataType::UInt64 => PgType { typmod: numeric_typmod(UINT64_DIGITS, 0), ..plain(1700, "numeric", -1) },
        DataType::Float16 | DataType::Float32 => plain(700, "float4", 4),
        DataType::Float64 => plain(701, "float8", 8),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            PgType { typmod: numeric_typmod(i32::from(*precision), i32::from(*scale)), ..plain(1700, "numeric", -1) }
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => plain(17, "bytea", -1),
        DataType::Date32 | DataType::Date64 => plain(1082, "date", 4),
        DataType::Time32(_) | DataType::Time64(_) => plain(1083, "time", 8),
        DataType::Timestamp(_, None) => plain(1114, "timestamp", 8),
        DataType::Timestamp(_, Some(_)) => plain(1184, "timestamptz", 8),
        DataType::Duration(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond)
        | DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano) => plain(1186, "interval", 16),
        DataType::Dictionary(_, values) => type_of(values),
        DataType::RunEndEncoded(_, values) => type_of(values.data_type()),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => array_of(type_of(field.data_type())),
        DataType::Struct(_) | DataType::Map(_, _) | DataType::Union(_, _) => plain(JSON, "json", -1),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => plain(25, "text", -1),
    }
}

/// An array of arrays must be a rectangle, which lists of lists need not be; so they are sent as JSON, as lists of what JSON alone can tell.
fn array_of(element: PgType) -> PgType {
    if element.oid == JSON || element.name.starts_with('_') {
        return plain(JSON, "json", -1);
    }
    let (oid, name) = match element.oid {
        16 => (1000, "_bool"),
        17 => (1001, "_bytea"),
        20 => (1016, "_int8"),
        21 => (1005, "_int2"),
        23 => (1007, "_int4"),
        700 => (1021, "_float4"),
        701 => (1022, "_float8"),
        1082 => (1182, "_date"),
        1083 => (1183, "_time"),
        1114 => (1115, "_timestamp"),
        1184 => (1185, "_timestamptz"),
        1186 => (1187, "_interval"),
        1700 => (1231, "_numeric"),
        _ => (1009, "_text"),
    };
    PgType { oid, name, len: -1, typmod: element.typmod }
}

/// `((precision << 16) | scale) + 4`, as PostgreSQL packs it. A scale below zero takes eleven bits.
fn numeric_typmod(precision: i32, scale: i32) -> i32 {
    ((precision << 16) | (scale & 0x7ff)) + 4
}
