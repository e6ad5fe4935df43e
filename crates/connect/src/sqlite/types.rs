//! What a column is read as. In SQLite each value has a class of its own, whatever is declared: the contract's type decides which
//! classes are its values, and a value of another class comes as a cell that the gate refuses.

use arrow::datatypes::DataType;
use polder_contract::ColumnType;

use crate::sqlite::catalog::Declared;
use crate::typed::TypedField;

/// Most digits of a decimal in Arrow.
const PRECISION_MAX: u8 = 38;

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decode {
    /// INTEGER 0 and 1.
    Boolean,
    /// INTEGER.
    Integer,
    /// REAL, and INTEGER that a double holds exactly.
    Real,
    /// INTEGER, and REAL by the fewest digits that are read as the same double.
    Decimal { precision: u8, scale: u8 },
    /// TEXT.
    Text {
        /// And INTEGER and REAL in digits.
        numbers: bool,
        /// And BLOB, if it is UTF-8.
        bytes: bool,
    },
    /// BLOB.
    Bytes,
}

/// What the declared words make SQLite do to a value before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affinity {
    Integer,
    Real,
    Numeric,
    Text,
    /// Nothing.
    None,
}

impl Affinity {
    /// By SQLite's rules, which look for parts of words; `ANY` as it is meant in tables that are STRICT.
    fn of(declared: &str) -> Self {
        let upper = declared.to_ascii_uppercase();
        let has = |part: &str| upper.contains(part);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || matches!(upper.trim(), "" | "ANY") {
            Self::None
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }
}

/// How a column is read for a type of a contract; as it is declared where there is none.
pub(super) fn decode(column: &Declared, wanted: Option<ColumnType>) -> Decode {
    let declared = column.declared.as_deref().unwrap_or_default();
    let affinity = Affinity::of(declared);
    match wanted {
        None => natural(declared, affinity),
        Some(ColumnType::Boolean) => Decode::Boolean,
        Some(ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64) => Decode::Integer,
        Some(ColumnType::Float32 | ColumnType::Float64) => Decode::Real,
        Some(ColumnType::Decimal { precision, scale }) => Decode::Decimal { precision, scale },
        Some(ColumnType::String) => Decode::Text {
            numbers: matches!(affinity, Affinity::Integer | Affinity::Real | Affinity::Numeric),
            bytes: affinity == Affinity::None,
        },
        Some(ColumnType::Date | ColumnType::Timestamp { .. } | ColumnType::Time) => Decode::Text { numbers: false, bytes: false },
    }
}

fn natural(declared: &str, affinity: Affinity) -> Decode {
    let upper = declared.to_ascii_uppercase();
    let any = Decode::Text { numbers: false, bytes: true };
    match affinity {
        Affinity::Integer => Decode::Integer,
        Affinity::Real => Decode::Real,
        Affinity::Text => Decode::Text { numbers: false, bytes: false },
        Affinity::None if upper.contains("BLOB") => Decode::Bytes,
        Affinity::None => any,
        Affinity::Numeric if upper.trim().starts_with("BOOL") => Decode::Boolean,
        // Dates among them, which are texts or numbers as whoever writes them pleases.
        Affinity::Numeric => digits(&upper).unwrap_or(any),
    }
}

/// The digits of `DECIMAL(p,s)` and the like.
fn digits(upper: &str) -> Option<Decode> {
    let (word, rest) = upper.trim().split_once('(')?;
    if !matches!(word.trim(), "DECIMAL" | "NUMERIC" | "DEC" | "NUMBER") {
        return None;
    }
    let (precision, scale) = match rest.strip_suffix(')')?.split_once(',') {
        Some((precision, scale)) => (precision, scale.trim().parse().ok()?),
        None => (rest.strip_suffix(')')?, 0),
    };
    let precision: u8 = precision.trim().parse().ok()?;
    ((1..=PRECISION_MAX).contains(&precision) && scale <= precision).then_some(Decode::Decimal { precision, scale })
}

/// A column of a sample: the type in which it is read where nothing is wanted.
pub(super) fn field(column: &Declared) -> TypedField {
    let data_type = match decode(column, None) {
        Decode::Boolean => DataType::Boolean,
        Decode::Integer => DataType::Int64,
        Decode::Real => DataType::Float64,
        Decode::Decimal { precision, scale } => DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(0)),
        Decode::Text { .. } => DataType::Utf8,
        Decode::Bytes => DataType::Binary,
    };
    TypedField::new(&column.name, data_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn natural_of(declared: &str) -> Decode {
        decode(&Declared { name: "c".to_owned(), declared: Some(declared.to_owned()) }, None)
    }

    #[test]
    fn declared_words_say_what_is_expected() {
        const ANY: Decode = Decode::Text { numbers: false, bytes: true };
        const TEXT: Decode = Decode::Text { numbers: false, bytes: false };
        for (declared, expected) in [
            ("INTEGER", Decode::Integer),
            ("unsigned big int", Decode::Integer),
            // An old trap of SQLite's: the word holds INT.
            ("FLOATING POINT", Decode::Integer),
            ("varchar(20)", TEXT),
            ("CLOB", TEXT),
            ("", ANY),
            ("ANY", ANY),
            ("BLOB", Decode::Bytes),
            ("double precision", Decode::Real),
            ("boolean", Decode::Boolean),
            ("DATETIME", ANY),
            ("decimal(10, 2)", Decode::Decimal { precision: 10, scale: 2 }),
            ("NUMERIC(38)", Decode::Decimal { precision: 38, scale: 0 }),
            ("NUMERIC(39,2)", ANY),
            ("DECIMAL(2,3)", ANY),
            ("DECIMAL(a,b", ANY),
            ("DECIMAL", ANY),
        ] {
            assert_eq!(natural_of(declared), expected, "{declared}");
        }
    }

    #[test]
    fn a_contract_that_says_string_takes_digits_of_columns_of_numbers_alone() {
        let of = |declared: &str| decode(&Declared { name: "c".to_owned(), declared: Some(declared.to_owned()) }, Some(ColumnType::String));
        assert_eq!(of("INT"), Decode::Text { numbers: true, bytes: false });
        assert_eq!(of("TEXT"), Decode::Text { numbers: false, bytes: false });
        assert_eq!(of("BLOB"), Decode::Text { numbers: false, bytes: true });
        assert_eq!(of(""), Decode::Text { numbers: false, bytes: true });
    }
}
