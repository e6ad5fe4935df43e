//! What the types of MySQL and MariaDB are here: read without loss, or refused by name.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use polder_contract::ColumnType;

use crate::database::CursorKind;
use crate::error::Error;

/// A column as the server describes it with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerColumn {
    pub name: String,
    pub type_code: u8,
    pub flags: u16,
    /// The set of characters, with its order; 63 is none at all: bytes.
    pub characters: u16,
    /// Most characters of a value as text, or bits.
    pub length: u32,
    /// Digits behind the point, of numbers and of seconds; 31 where there is no such limit.
    pub decimals: u8,
}

const UNSIGNED: u16 = 1 << 5;
const ENUM: u16 = 1 << 8;
const SET: u16 = 1 << 11;
const NO_CHARACTERS: u16 = 63;
/// Digits of the longest decimal that Arrow holds in 128 bits.
const PRECISION_MAX: u32 = 38;

/// Numbers of the types, as the protocol has them.
mod code {
    pub const DECIMAL: u8 = 0;
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const NEWDATE: u8 = 14;
    pub const VARCHAR: u8 = 15;
    pub const BIT: u8 = 16;
    pub const VECTOR: u8 = 242;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const ENUM: u8 = 247;
    pub const SET: u8 = 248;
    pub const TINY_BLOB: u8 = 249;
    pub const BLOB: u8 = 252;
    pub const VAR_STRING: u8 = 253;
    pub const STRING: u8 = 254;
    pub const GEOMETRY: u8 = 255;
}

/// How a value is read from a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float32,
    Float64,
    /// What does not fit, of the longer decimals of the server, comes as text.
    Decimal {
        precision: u8,
        scale: u8,
    },
    Date,
    /// `zone`: a point in time; the session's zone is UTC.
    Moment {
        decimals: u8,
        zone: bool,
    },
    Time {
        decimals: u8,
    },
    /// A TINYINT of which the contract says that it holds 0 and 1.
    Boolean,
    /// One bit.
    Bit,
    /// Several bits, the highest first.
    Bits,
    Text,
    Binary,
    /// Days, moments and times as text: also those that no calendar has.
    DateText,
    MomentText {
        decimals: u8,
        zone: bool,
    },
    TimeText {
        decimals: u8,
    },
}

/// How a column is fetched and read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fetch {
    pub name: String,
    pub kind: Kind,
    pub data_type: DataType,
}

impl ServerColumn {
    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Whether values of it are shapes on a plane, which come as text or not at all.
    pub(super) fn is_geometry(&self) -> bool {
        self.type_code == code::GEOMETRY
    }

    /// The type's name, for texts.
    pub(super) fn type_name(&self) -> String {
        let unsigned = if self.has(UNSIGNED) { " unsigned" } else { "" };
        let bytes = self.characters == NO_CHARACTERS;
        match self.type_code {
            code::DECIMAL | code::NEWDECIMAL => {
                let (precision, scale) = self.digits();
                format!("decimal({precision},{scale}){unsigned}")
            }
            code::TINY => format!("tinyint{unsigned}"),
            code::SHORT => format!("smallint{unsigned}"),
            code::INT24 => format!("mediumint{unsigned}"),
            code::LONG => format!("int{unsigned}"),
            code::LONGLONG => format!("bigint{unsigned}"),
            code::FLOAT => "float".to_owned(),
            code::DOUBLE => "double".to_owned(),
            code::NULL => "null".to_owned(),
            code::TIMESTAMP => "timestamp".to_owned(),
            code::DATE | code::NEWDATE => "date".to_owned(),
            code::TIME => "time".to_owned(),
            code::DATETIME => "datetime".to_owned(),
            code::YEAR => "year".to_owned(),
            code::BIT => format!("bit({})", self.length),
            code::VECTOR => "vector".to_owned(),
            code::JSON => "json".to_owned(),
            code::GEOMETRY => "geometry".to_owned(),
            _ if self.is_enum() => "enum".to_owned(),
            _ if self.is_set() => "set".to_owned(),
            code::VARCHAR | code::VAR_STRING | code::STRING if bytes => "binary".to_owned(),
            code::VARCHAR | code::VAR_STRING | code::STRING => "char".to_owned(),
            code::TINY_BLOB..=code::BLOB if bytes => "blob".to_owned(),
            code::TINY_BLOB..=code::BLOB => "text".to_owned(),
            other => format!("number {other}"),
        }
    }

    fn is_enum(&self) -> bool {
        self.type_code == code::ENUM || self.has(ENUM)
    }

    fn is_set(&self) -> bool {
        self.type_code == code::SET || self.has(SET)
    }

    /// Precision and scale of a decimal, from the length of its longest text: digits, a point, a sign.
    fn digits(&self) -> (u32, u8) {
        let signs = u32::from(self.decimals > 0) + u32::from(!self.has(UNSIGNED));
        (self.length.saturating_sub(signs).max(1), self.decimals)
    }

    /// How values of it are compared as a cursor; none where they are not.
    pub(super) fn cursor(&self) -> Option<CursorKind> {
        Some(match self.type_code {
            code::TINY | code::SHORT | code::INT24 | code::LONG | code::LONGLONG | code::YEAR => CursorKind::Integer,
            code::DECIMAL | code::NEWDECIMAL => CursorKind::Decimal,
            code::DATE | code::NEWDATE => CursorKind::Date,
            code::DATETIME => CursorKind::Timestamp,
            code::TIMESTAMP => CursorKind::Instant,
            code::VARCHAR | code::VAR_STRING | code::STRING if self.is_enum() || self.is_set() => return None,
            code::VARCHAR | code::VAR_STRING | code::STRING | code::TINY_BLOB..=code::BLOB => {
                // Bytes have no type in a contract.
                if self.characters == NO_CHARACTERS {
                    return None;
                }
                CursorKind::Text
            }
            _ => return None,
        })
    }
}

/// How a column is read into a column of the contract's type; without one into the type that is nearest to the server's.
///
/// # Errors
/// Of a type that is not known here: by its name.
pub(super) fn plan(column: &ServerColumn, wanted: Option<ColumnType>, dataset: &str) -> Result<Fetch, Error> {
    let unsigned = column.has(UNSIGNED);
    let text = wanted == Some(ColumnType::String);
    let seconds = column.decimals.min(6);
    let kind = match column.type_code {
        code::TINY if wanted == Some(ColumnType::Boolean) && column.length == 1 => Kind::Boolean,
        code::TINY if unsigned => Kind::UInt8,
        code::TINY => Kind::Int8,
        code::SHORT if unsigned => Kind::UInt16,
        code::SHORT => Kind::Int16,
        code::YEAR => Kind::UInt16,
        code::LONG | code::INT24 if unsigned => Kind::UInt32,
        code::LONG | code::INT24 => Kind::Int32,
        code::LONGLONG if unsigned => Kind::UInt64,
        code::LONGLONG => Kind::Int64,
        code::FLOAT => Kind::Float32,
        code::DOUBLE => Kind::Float64,
        code::DECIMAL | code::NEWDECIMAL => {
            let (precision, scale) = column.digits();
            match u8::try_from(precision.min(PRECISION_MAX)) {
                Ok(_) if precision > PRECISION_MAX && text => Kind::Text,
                Ok(precision) if scale <= precision => Kind::Decimal { precision, scale },
                _ => Kind::Text,
            }
        }
        code::DATE | code::NEWDATE if text => Kind::DateText,
        code::DATE | code::NEWDATE => Kind::Date,
        code::DATETIME | code::TIMESTAMP => {
            let zone = column.type_code == code::TIMESTAMP;
            if text { Kind::MomentText { decimals: seconds, zone } } else { Kind::Moment { decimals: seconds, zone } }
        }
        code::TIME if text => Kind::TimeText { decimals: seconds },
        code::TIME => Kind::Time { decimals: seconds },
        code::BIT if column.length == 1 && matches!(wanted, None | Some(ColumnType::Boolean)) => Kind::Bit,
        code::BIT => Kind::Bits,
        code::VECTOR => Kind::Binary,
        code::VARCHAR | code::VAR_STRING | code::STRING | code::ENUM | code::SET | code::TINY_BLOB..=code::BLOB => {
            if column.characters == NO_CHARACTERS { Kind::Binary } else { Kind::Text }
        }
        code::JSON | code::NULL => Kind::Text,
        code::GEOMETRY => {
            return Err(Error::DatabaseColumn {
                dataset: dataset.to_owned(),
                column: column.name.clone(),
                problem: "its type is geometry, which is read as text only".to_owned(),
                advice: "let the contract say string, which gives the shape in words (ST_AsText), or leave it out".to_owned(),
            });
        }
        _ => {
            return Err(Error::DatabaseColumn {
                dataset: dataset.to_owned(),
                column: column.name.clone(),
                problem: format!("its type ({}) is not known here", column.type_name()),
                advice: "cast it in a query of the source, or leave it out".to_owned(),
            });
        }
    };
    Ok(Fetch { name: column.name.clone(), kind, data_type: kind.data_type() })
}

impl Kind {
    /// The Arrow type of its columns.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::UInt8 => DataType::UInt8,
            Self::UInt16 => DataType::UInt16,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 | Self::Bits => DataType::UInt64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(0)),
            Self::Date => DataType::Date32,
            Self::Moment { zone, .. } => DataType::Timestamp(TimeUnit::Microsecond, zone.then(|| Arc::from("UTC"))),
            Self::Time { .. } => DataType::Time64(TimeUnit::Microsecond),
            Self::Boolean | Self::Bit => DataType::Boolean,
            Self::Binary => DataType::Binary,
            Self::Text | Self::DateText | Self::MomentText { .. } | Self::TimeText { .. } => DataType::Utf8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(type_code: u8, length: u32, decimals: u8, flags: u16, characters: u16) -> ServerColumn {
        ServerColumn { name: "c".to_owned(), type_code, flags, characters, length, decimals }
    }

    fn kind(column: &ServerColumn, wanted: Option<ColumnType>) -> Kind {
        plan(column, wanted, "d").unwrap().kind
    }

    #[test]
    fn every_type_has_its_place() {
        let decimal = |precision, scale| Kind::Decimal { precision, scale };
        for (found, expected) in [
            (column(code::TINY, 4, 0, 0, 63), Kind::Int8),
            (column(code::TINY, 1, 0, 0, 63), Kind::Int8),
            (column(code::TINY, 3, 0, UNSIGNED, 63), Kind::UInt8),
            (column(code::SHORT, 6, 0, 0, 63), Kind::Int16),
            (column(code::SHORT, 5, 0, UNSIGNED, 63), Kind::UInt16),
            (column(code::INT24, 9, 0, 0, 63), Kind::Int32),
            (column(code::LONG, 10, 0, UNSIGNED, 63), Kind::UInt32),
            (column(code::LONGLONG, 20, 0, 0, 63), Kind::Int64),
            (column(code::LONGLONG, 20, 0, UNSIGNED, 63), Kind::UInt64),
            (column(code::FLOAT, 12, 31, 0, 63), Kind::Float32),
            (column(code::DOUBLE, 22, 31, 0, 63), Kind::Float64),
            (column(code::NEWDECIMAL, 14, 2, 0, 63), decimal(12, 2)),
            (column(code::NEWDECIMAL, 13, 2, UNSIGNED, 63), decimal(12, 2)),
            (column(code::NEWDECIMAL, 11, 0, 0, 63), decimal(10, 0)),
            (column(code::NEWDECIMAL, 40, 10, 0, 63), decimal(38, 10)),
            (column(code::NEWDECIMAL, 67, 30, 0, 63), decimal(38, 30)),
            (column(code::NEWDECIMAL, 40, 38, 0, 63), decimal(38, 38)),
            (column(code::DATE, 10, 0, 0, 63), Kind::Date),
            (column(code::DATETIME, 26, 6, 0, 63), Kind::Moment { decimals: 6, zone: false }),
            (column(code::TIMESTAMP, 19, 0, 0, 63), Kind::Moment { decimals: 0, zone: true }),
            (column(code::TIME, 14, 3, 0, 63), Kind::Time { decimals: 3 }),
            (column(code::YEAR, 4, 0, UNSIGNED, 63), Kind::UInt16),
            (column(code::BIT, 1, 0, UNSIGNED, 63), Kind::Bit),
            (column(code::BIT, 12, 0, UNSIGNED, 63), Kind::Bits),
            (column(code::JSON, u32::MAX, 0, 144, 63), Kind::Text),
            (column(code::VAR_STRING, 40, 0, 0, 45), Kind::Text),
            (column(code::VAR_STRING, 40, 0, 128, 63), Kind::Binary),
            (column(code::STRING, 40, 0, ENUM, 45), Kind::Text),
            (column(code::STRING, 40, 0, SET, 45), Kind::Text),
            (column(code::BLOB, 65_535, 0, 144, 63), Kind::Binary),
            (column(code::BLOB, 65_535, 0, 16, 45), Kind::Text),
            (column(code::NULL, 0, 0, 128, 63), Kind::Text),
        ] {
            assert_eq!(kind(&found, None), expected, "{}", found.type_name());
        }
    }

    #[test]
    fn the_contract_says_what_is_a_boolean_and_what_is_text() {
        let boolean = Some(ColumnType::Boolean);
        let string = Some(ColumnType::String);
        assert_eq!(kind(&column(code::TINY, 1, 0, 0, 63), boolean), Kind::Boolean);
        assert_eq!(kind(&column(code::TINY, 4, 0, 0, 63), boolean), Kind::Int8);
        assert_eq!(kind(&column(code::BIT, 1, 0, UNSIGNED, 63), boolean), Kind::Bit);
        assert_eq!(kind(&column(code::BIT, 1, 0, UNSIGNED, 63), Some(ColumnType::Int32)), Kind::Bits);
        assert_eq!(kind(&column(code::DATE, 10, 0, 0, 63), string), Kind::DateText);
        assert_eq!(kind(&column(code::DATETIME, 19, 0, 0, 63), string), Kind::MomentText { decimals: 0, zone: false });
        assert_eq!(kind(&column(code::TIME, 10, 0, 0, 63), string), Kind::TimeText { decimals: 0 });
        assert_eq!(kind(&column(code::NEWDECIMAL, 67, 30, 0, 63), string), Kind::Text);
        // A decimal that has a type of its own is not a text by chance.
        assert_eq!(kind(&column(code::NEWDECIMAL, 14, 2, 0, 63), string), Kind::Decimal { precision: 12, scale: 2 });
    }

    #[test]
    fn what_is_not_read_is_refused_by_name() {
        let geometry = plan(&column(code::GEOMETRY, 0, 0, 0, 63), Some(ColumnType::Int64), "shop.places").unwrap_err();
        assert_eq!(
            geometry.to_string(),
            "read column c of shop.places: its type is geometry, which is read as text only; let the contract say string, which gives the shape in words (ST_AsText), or leave it out"
        );
        let unknown = plan(&column(200, 0, 0, 0, 63), None, "shop.places").unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "read column c of shop.places: its type (number 200) is not known here; cast it in a query of the source, or leave it out"
        );
    }

    #[test]
    fn cursors_are_of_types_with_an_order() {
        for (found, expected) in [
            (column(code::LONGLONG, 20, 0, UNSIGNED, 63), Some(CursorKind::Integer)),
            (column(code::NEWDECIMAL, 14, 2, 0, 63), Some(CursorKind::Decimal)),
            (column(code::DATE, 10, 0, 0, 63), Some(CursorKind::Date)),
            (column(code::DATETIME, 19, 0, 0, 63), Some(CursorKind::Timestamp)),
            (column(code::TIMESTAMP, 19, 0, 0, 63), Some(CursorKind::Instant)),
            (column(code::VAR_STRING, 40, 0, 0, 45), Some(CursorKind::Text)),
            (column(code::STRING, 40, 0, ENUM, 45), None),
            (column(code::DOUBLE, 22, 31, 0, 63), None),
            (column(code::TIME, 10, 0, 0, 63), None),
            (column(code::BIT, 8, 0, 0, 63), None),
            (column(code::JSON, 8, 0, 0, 63), None),
        ] {
            assert_eq!(found.cursor(), expected, "{}", found.type_name());
        }
    }
}
