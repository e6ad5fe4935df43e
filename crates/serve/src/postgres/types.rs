//! One table of types: PostgreSQL's numbers, and what Arrow has for them.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use pgwire::messages::data::FieldDescription;

/// Digits of the largest number of 64 bits without a sign.
const UINT64_DIGITS: i32 = 20;

/// A type of PostgreSQL that this wire speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scalar {
    Bool,
    Bytea,
    Name,
    Int8,
    Int2,
    Int4,
    Text,
    Oid,
    Json,
    Jsonb,
    Float4,
    Float8,
    Unknown,
    Bpchar,
    Varchar,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Numeric,
    Uuid,
}

/// Each type, its number, the number of arrays of it, and its size in bytes (negative where it varies).
const TABLE: &[(Scalar, u32, u32, i16)] = &[
    (Scalar::Bool, 16, 1000, 1),
    (Scalar::Bytea, 17, 1001, -1),
    (Scalar::Name, 19, 1003, 64),
    (Scalar::Int8, 20, 1016, 8),
    (Scalar::Int2, 21, 1005, 2),
    (Scalar::Int4, 23, 1007, 4),
    (Scalar::Text, 25, 1009, -1),
    (Scalar::Oid, 26, 1028, 4),
    (Scalar::Json, 114, 199, -1),
    (Scalar::Float4, 700, 1021, 4),
    (Scalar::Float8, 701, 1022, 8),
    (Scalar::Unknown, 705, 705, -2),
    (Scalar::Bpchar, 1042, 1014, -1),
    (Scalar::Varchar, 1043, 1015, -1),
    (Scalar::Date, 1082, 1182, 4),
    (Scalar::Time, 1083, 1183, 8),
    (Scalar::Timestamp, 1114, 1115, 8),
    (Scalar::Timestamptz, 1184, 1185, 8),
    (Scalar::Interval, 1186, 1187, 16),
    (Scalar::Numeric, 1700, 1231, -1),
    (Scalar::Uuid, 2950, 2951, 16),
    (Scalar::Jsonb, 3802, 3807, -1),
];

/// A type, or arrays of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgType {
    /// The type.
    pub scalar: Scalar,
    /// Whether it is an array of that.
    pub array: bool,
}

impl PgType {
    const fn one(scalar: Scalar) -> Self {
        Self { scalar, array: false }
    }

    /// The type of a number; none where this wire does not speak it.
    pub fn from_oid(oid: u32) -> Option<Self> {
        TABLE.iter().find_map(
            |&(scalar, own, array, _)| {
                if own == oid { Some(Self::one(scalar)) } else { (array == oid).then_some(Self { scalar, array: true }) }
            },
        )
    }

    /// The type as which values of an Arrow type are sent.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::RunEndEncoded(_, values) => Self::of(values.data_type()),
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _) => match Self::of(item.data_type()) {
                // An array of arrays must be a rectangle, which these need not be.
                Self { array: true, .. } | Self { scalar: Scalar::Json, .. } => Self::one(Scalar::Json),
                Self { scalar, .. } => Self { scalar, array: true },
            },
            other => Self::one(scalar(other)),
        }
    }

    /// Its number.
    pub fn oid(self) -> u32 {
        TABLE.iter().find(|row| row.0 == self.scalar).map_or(0, |row| if self.array { row.2 } else { row.1 })
    }

    /// Its size in bytes, negative where it varies.
    pub fn size(self) -> i16 {
        if self.array { -1 } else { TABLE.iter().find(|row| row.0 == self.scalar).map_or(-1, |row| row.3) }
    }

    /// The Arrow type in which a parameter of it is handed on. A number with decimals keeps those it came with, so its type is known with its value
    /// alone.
    pub fn arrow(self) -> Option<DataType> {
        let one = match self.scalar {
            Scalar::Bool => DataType::Boolean,
            Scalar::Bytea => DataType::Binary,
            Scalar::Int2 => DataType::Int16,
            Scalar::Int4 => DataType::Int32,
            Scalar::Int8 | Scalar::Oid => DataType::Int64,
            Scalar::Float4 => DataType::Float32,
            Scalar::Float8 => DataType::Float64,
            Scalar::Date => DataType::Date32,
            Scalar::Time => DataType::Time64(TimeUnit::Microsecond),
            Scalar::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Scalar::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Scalar::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Scalar::Name | Scalar::Text | Scalar::Bpchar | Scalar::Varchar | Scalar::Json | Scalar::Jsonb | Scalar::Uuid => DataType::Utf8,
            Scalar::Numeric | Scalar::Unknown => return None,
        };
        Some(if self.array { DataType::List(Field::new_list_field(one, true).into()) } else { one })
    }
}

fn scalar(data_type: &DataType) -> Scalar {
    match data_type {
        DataType::Boolean => Scalar::Bool,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Scalar::Int2,
        DataType::UInt16 | DataType::Int32 => Scalar::Int4,
        DataType::UInt32 | DataType::Int64 => Scalar::Int8,
        DataType::UInt64 | DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Scalar::Numeric
        }
        DataType::Float16 | DataType::Float32 => Scalar::Float4,
        DataType::Float64 => Scalar::Float8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Scalar::Bytea,
        DataType::Date32 | DataType::Date64 => Scalar::Date,
        DataType::Time32(_) | DataType::Time64(_) => Scalar::Time,
        DataType::Timestamp(_, None) => Scalar::Timestamp,
        DataType::Timestamp(_, Some(_)) => Scalar::Timestamptz,
        DataType::Interval(_) | DataType::Duration(_) => Scalar::Interval,
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => Scalar::Json,
        _ => Scalar::Text,
    }
}

/// The modifier of a type, or of what an array is of: precision and scale of a number, as PostgreSQL packs them. A scale below zero takes eleven
/// bits.
fn modifier(data_type: &DataType) -> i32 {
    let packed = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
    match data_type {
        DataType::UInt64 => packed(UINT64_DIGITS, 0),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => packed(i32::from(*precision), i32::from(*scale)),
        DataType::Dictionary(_, values) => modifier(values),
        DataType::RunEndEncoded(_, values) => modifier(values.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
            if PgType::of(data_type).array =>
        {
            modifier(item.data_type())
        }
        _ => -1,
    }
}

/// What a column of a type is described as: the number of its type, its size and its modifier.
pub fn numbers(data_type: &DataType) -> (u32, i16, i32) {
    let pg = PgType::of(data_type);
    (pg.oid(), pg.size(), modifier(data_type))
}

/// A column, as it is described.
pub fn describe(field: &Field, format: i16) -> FieldDescription {
    let (oid, size, modifier) = numbers(field.data_type());
    // A NUL would end the name, and what comes after it would be read as numbers.
    let name = field.name().replace('\0', "\u{fffd}");
    FieldDescription::new(name, 0, 0, oid, size, modifier, format)
}

#[cfg(test)]
mod tests {
    use postgres_types::{Kind, Type};

    use super::*;

    #[test]
    fn numbers_are_those_of_postgresql() {
        for &(scalar, oid, array, _) in TABLE {
            let known = Type::from_oid(oid).unwrap();
            assert_eq!(known.name(), format!("{scalar:?}").to_lowercase());
            assert_eq!(PgType::from_oid(oid), Some(PgType::one(scalar)));
            if scalar != Scalar::Unknown {
                let known = Type::from_oid(array).unwrap();
                assert!(matches!(known.kind(), Kind::Array(item) if item.oid() == oid), "{scalar:?}");
                assert_eq!(PgType::from_oid(array), Some(PgType { scalar, array: true }));
            }
        }
        assert_eq!(PgType::from_oid(1), None);
    }

    #[test]
    fn lists_of_lists_and_of_structs_are_json() {
        let list = |item: DataType| DataType::List(Field::new_list_field(item, true).into());
        assert_eq!(PgType::of(&list(DataType::Int32)).oid(), 1007);
        assert_eq!(PgType::of(&list(list(DataType::Int32))).oid(), 114);
        assert_eq!(PgType::of(&list(DataType::Struct(vec![Field::new("a", DataType::Int8, true)].into()))).oid(), 114);
        let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Decimal128(12, 2)));
        let described = describe(&Field::new("x\0y", dictionary, true), 1);
        assert_eq!((described.type_id, described.type_modifier, described.name.as_str()), (1700, (12 << 16) + 6, "x\u{fffd}y"));
    }
}
