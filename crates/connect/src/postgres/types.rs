//! PostgreSQL's types: what a column is fetched as, and how its bytes are read. A type is mapped so that every value keeps itself, or it is
//! fetched as the text in which the server writes it where the contract says string, or it is refused by its name.

use arrow::datatypes::{DataType, TimeUnit};
use polder_contract::ColumnType;

use crate::error::Error;
use crate::typed::TypedField;

/// Most digits of a decimal in Arrow.
const PRECISION_MAX: u8 = 38;
/// What the server writes as text.
const AS_TEXT: Option<&str> = Some("::text");
/// Money is counted in units that only the server knows, and written in the manner of its place.
const AS_NUMBER: Option<&str> = Some("::numeric");
const AS_NUMBER_AS_TEXT: Option<&str> = Some("::numeric::text");

/// What the server says of a column. A domain is given as its base type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerColumn {
    pub name: String,
    pub oid: u32,
    /// As `format_type` says it, for texts.
    pub type_name: String,
    /// `atttypmod`; -1 where there is none.
    pub modifier: i32,
    /// `pg_type.typtype`: b, e, c, r, m or p.
    pub typtype: u8,
    /// `pg_type.typelem` of an array; 0 for all others.
    pub element: u32,
}

/// How a column is fetched and decoded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fetch {
    pub name: String,
    /// What is appended to the column's name in the SELECT.
    pub select: Option<&'static str>,
    pub data_type: DataType,
    pub(super) decode: Decode,
}

/// How the bytes of a value are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decode {
    Boolean,
    Int16,
    Int32,
    Int64,
    UInt32,
    UInt64,
    Float32,
    Float64,
    /// Groups of four decimal digits.
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// Days since 2000-01-01.
    Date,
    /// Microseconds since midnight.
    Time,
    /// Microseconds since 2000-01-01.
    Timestamp {
        zone: bool,
    },
    /// A text as it comes.
    Text,
    /// A text of one byte, or of none.
    Char,
    Uuid,
    /// A version, and a text.
    Jsonb,
    Bytes,
    /// `inet` and `cidr`.
    Network,
    /// `macaddr` and `macaddr8`.
    Hardware,
}

/// What a type is to Arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Natural {
    /// Its values are those of an Arrow type.
    Typed(Decode),
    /// It is text by nature, or bytes.
    Text(Decode),
    /// A number, with the digits that it declares where Arrow has as many.
    Number(Option<Decode>),
    Money,
    /// The number of something in the catalog, which is shown by its name.
    Named,
    /// It has no counterpart but the text in which the server writes it.
    Written,
}

impl Decode {
    /// The Arrow type of what was read.
    fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 => DataType::UInt64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(0)),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp { zone } => DataType::Timestamp(TimeUnit::Microsecond, zone.then(|| "UTC".into())),
            Self::Bytes => DataType::Binary,
            Self::Text | Self::Char | Self::Uuid | Self::Jsonb | Self::Network | Self::Hardware => DataType::Utf8,
        }
    }
}

impl Natural {
    fn of(column: &ServerColumn) -> Self {
        if column.typtype == b'e' {
            return Self::Text(Decode::Text);
        }
        // The numbers of the catalog pg_type, which never change. Types of extensions have others in each database.
        match column.oid {
            16 => Self::Typed(Decode::Boolean),
            17 => Self::Text(Decode::Bytes),
            18 => Self::Text(Decode::Char),
            20 => Self::Typed(Decode::Int64),
            21 => Self::Typed(Decode::Int16),
            23 => Self::Typed(Decode::Int32),
            // oid, xid, cid
            26 | 28 | 29 => Self::Typed(Decode::UInt32),
            // xid8
            5069 => Self::Typed(Decode::UInt64),
            700 => Self::Typed(Decode::Float32),
            701 => Self::Typed(Decode::Float64),
            790 => Self::Money,
            1082 => Self::Typed(Decode::Date),
            1083 => Self::Typed(Decode::Time),
            1114 => Self::Typed(Decode::Timestamp { zone: false }),
            1184 => Self::Typed(Decode::Timestamp { zone: true }),
            1700 => Self::Number(declared(column.modifier)),
            // name, text, json, xml, unknown, bpchar, varchar, refcursor
            19 | 25 | 114 | 142 | 705 | 1042 | 1043 | 1790 => Self::Text(Decode::Text),
            650 | 869 => Self::Text(Decode::Network),
            774 | 829 => Self::Text(Decode::Hardware),
            2950 => Self::Text(Decode::Uuid),
            3802 => Self::Text(Decode::Jsonb),
            // regproc, regprocedure, regoper, regoperator, regclass, regtype, regconfig, regdictionary, regnamespace, regrole,
            // regcollation
            24 | 2202 | 2203 | 2204 | 2205 | 2206 | 3734 | 3769 | 4089 | 4096 | 4191 => Self::Named,
            _ => Self::Written,
        }
    }

    /// How it is fetched where no contract says what is wanted.
    fn unguided(self) -> (Option<&'static str>, Decode) {
        match self {
            Self::Typed(decode) | Self::Text(decode) | Self::Number(Some(decode)) => (None, decode),
            // The widest there is, with the two places of most currencies.
            Self::Money => (AS_NUMBER, Decode::Decimal { precision: 19, scale: 2 }),
            Self::Number(None) | Self::Named | Self::Written => (AS_TEXT, Decode::Text),
        }
    }
}

/// The digits that the modifier of a numeric declares, where a decimal of Arrow holds as many.
fn declared(modifier: i32) -> Option<Decode> {
    let told = u32::try_from(modifier.checked_sub(4)?).ok()?;
    let precision = told >> 16;
    // Eleven bits with a sign: digits left of the point may be rounded away, and zeros may follow it.
    let places = i32::try_from((told & 0x7ff) ^ 0x400).ok()? - 0x400;
    let scale = u32::try_from(places.max(0)).ok()?;
    let whole = places.min(0).unsigned_abs();
    let precision = u8::try_from((precision + whole).max(scale)).ok()?;
    (1..=PRECISION_MAX).contains(&precision).then_some(Decode::Decimal { precision, scale: u8::try_from(scale).ok()? })
}

/// How a column is fetched, given the type that the contract gives it.
///
/// # Errors
/// When values of the column cannot be those of the contract's type without being changed. None where nothing is wanted.
pub(crate) fn plan(column: &ServerColumn, wanted: Option<ColumnType>, dataset: &str) -> Result<Fetch, Error> {
    let natural = Natural::of(column);
    let Some(ty) = wanted else { return Ok(fetch(column, natural.unguided())) };
    let how = match (natural, ty) {
        (Natural::Text(decode), _) => (None, decode),
        (Natural::Money, ColumnType::String) => (AS_NUMBER_AS_TEXT, Decode::Text),
        (_, ColumnType::String) => (AS_TEXT, Decode::Text),
        (Natural::Typed(decode), _) => (None, decode),
        (Natural::Number(_), ty) => (None, exact(ty).ok_or_else(|| refused(column, ty, dataset))?),
        (Natural::Money, ty) => (AS_NUMBER, exact(ty).ok_or_else(|| refused(column, ty, dataset))?),
        (Natural::Named, ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64) => (None, Decode::UInt32),
        (Natural::Named | Natural::Written, _) => return Err(refused(column, ty, dataset)),
    };
    Ok(fetch(column, how))
}

/// A column of a sample: the type in which it is read where nothing is wanted.
pub(crate) fn field(column: &ServerColumn) -> TypedField {
    let fetch = fetch(column, Natural::of(column).unguided());
    TypedField::new(fetch.name, fetch.data_type)
}

fn fetch(column: &ServerColumn, (select, decode): (Option<&'static str>, Decode)) -> Fetch {
    Fetch { name: column.name.clone(), select, data_type: decode.data_type(), decode }
}

/// How a number is read for a contract's type: with its digits, whatever the column declares, so that what does not fit is told in one
/// way. None where it is no type of exact numbers.
fn exact(ty: ColumnType) -> Option<Decode> {
    match ty {
        ColumnType::Decimal { precision, scale } => Some(Decode::Decimal { precision, scale }),
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => {
            Some(Decode::Decimal { precision: PRECISION_MAX, scale: 0 })
        }
        _ => None,
    }
}

#[cold]
fn refused(column: &ServerColumn, ty: ColumnType, dataset: &str) -> Error {
    let name = &column.type_name;
    let number = matches!(column.oid, 790 | 1700);
    let what = match (column.typtype, column.element) {
        _ if number && matches!(ty, ColumnType::Float32 | ColumnType::Float64) => {
            format!("it is {name}, whose values {ty} would round")
        }
        _ if number => format!("it is {name}, and the contract says {ty}"),
        (b'c', _) => format!("it is {name}, a composite type, and the contract says {ty}"),
        (b'r' | b'm', _) => format!("it is {name}, a range, and the contract says {ty}"),
        (_, 1..) => format!("it is {name}, an array, and the contract says {ty}"),
        _ => format!("it is {name}, which has no exact counterpart but text, and the contract says {ty}"),
    };
    let advice = match number {
        true => {
            "say `logicalType: number` with `physicalType: decimal(p,s)` in the contract, or `logicalType: string` for the digits as text"
        }
        false => {
            "say `logicalType: string` in the contract for the text in which the server writes it, or cast it in a query of the source"
        }
    };
    Error::DatabaseColumn { dataset: dataset.to_owned(), column: column.name.clone(), problem: what, advice: advice.to_owned() }
}

#[cfg(test)]
pub(super) mod tests;
