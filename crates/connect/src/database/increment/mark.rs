//! Values of a cursor's column as something that has an order, and their texts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use polder_contract::{CellKind, Cells, ColumnType};

use crate::database::CursorKind;

/// A value: a number of what the column counts in, or bytes. Two of one column have the order that the database compares them in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Number(i128),
    Text(String),
}

/// What stands in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Null,
    /// A value that is none of the type, such as `infinity`: the gate refuses the row.
    Unreadable,
    Mark(Mark),
}

impl Found {
    pub fn mark(&self) -> Option<&Mark> {
        match self {
            Self::Mark(mark) => Some(mark),
            Self::Null | Self::Unreadable => None,
        }
    }

    pub fn into_mark(self) -> Option<Mark> {
        match self {
            Self::Mark(mark) => Some(mark),
            Self::Null | Self::Unreadable => None,
        }
    }
}

/// How a cursor's values are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    ty: ColumnType,
    kind: CursorKind,
}

const MICROS: i128 = 1_000_000;
const DAY_S: i128 = 86_400;

impl Scale {
    /// None where the type has no order to rely on.
    pub fn of(ty: ColumnType) -> Option<Self> {
        let kind = match ty {
            ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => CursorKind::Integer,
            ColumnType::Decimal { .. } => CursorKind::Decimal,
            ColumnType::Date => CursorKind::Date,
            ColumnType::Timestamp { zone: false } => CursorKind::Timestamp,
            ColumnType::Timestamp { zone: true } => CursorKind::Instant,
            ColumnType::String => CursorKind::Text,
            ColumnType::Boolean | ColumnType::Float32 | ColumnType::Float64 | ColumnType::Time => return None,
        };
        Some(Self { ty, kind })
    }

    pub fn kind(self) -> CursorKind {
        self.kind
    }

    /// The word that is written down for it.
    pub fn name(self) -> &'static str {
        match self.kind {
            CursorKind::Integer => "integer",
            CursorKind::Decimal => "decimal",
            CursorKind::Date => "date",
            CursorKind::Timestamp => "timestamp without zone",
            CursorKind::Instant => "timestamp",
            CursorKind::Text => "text",
        }
    }

    /// A span of seconds in the column's count; none where it counts no time.
    pub fn lag(self, seconds: u64) -> Option<i128> {
        match self.kind {
            CursorKind::Date => Some((i128::from(seconds) + DAY_S - 1) / DAY_S),
            CursorKind::Timestamp | CursorKind::Instant => Some(i128::from(seconds) * MICROS),
            CursorKind::Integer | CursorKind::Decimal | CursorKind::Text => None,
        }
    }

    /// A value and a span of seconds before it.
    pub fn less(self, mark: &Mark, seconds: u64) -> Mark {
        match (mark, self.lag(seconds)) {
            (Mark::Number(number), Some(lag)) => Mark::Number(number.saturating_sub(lag)),
            (mark, _) => mark.clone(),
        }
    }

    fn arrow(self) -> DataType {
        match self.kind {
            CursorKind::Integer => DataType::Int64,
            CursorKind::Text => DataType::Utf8,
            _ => self.ty.arrow(),
        }
    }

    /// Reads a value's text.
    pub fn parse(self, text: &str) -> Option<Mark> {
        let array: ArrayRef = Arc::new(StringArray::from_iter_values([text.trim()]));
        match self.values(&array).into_iter().next()? {
            Found::Mark(mark) => Some(mark),
            Found::Null | Found::Unreadable => None,
        }
    }

    /// Writes a value down, so that `parse` and the database read it.
    pub fn text(self, mark: &Mark) -> String {
        let number = match mark {
            Mark::Text(text) => return text.clone(),
            Mark::Number(number) => *number,
        };
        let shown = |array: ArrayRef| {
            let options = FormatOptions::new();
            ArrayFormatter::try_new(array.as_ref(), &options).map(|formatter| formatter.value(0).to_string()).unwrap_or_default()
        };
        let micros = || i64::try_from(number).unwrap_or(i64::MIN);
        match self.kind {
            CursorKind::Integer | CursorKind::Text => number.to_string(),
            CursorKind::Decimal => match self.ty {
                ColumnType::Decimal { precision, scale } => {
                    let array = arrow::array::Decimal128Array::from_value(number, 1);
                    let typed = array.with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(0));
                    typed.map(|array| shown(Arc::new(array))).unwrap_or_default()
                }
                _ => number.to_string(),
            },
            CursorKind::Date => shown(Arc::new(arrow::array::Date32Array::from_value(i32::try_from(number).unwrap_or(i32::MIN), 1))),
            CursorKind::Timestamp => shown(Arc::new(arrow::array::TimestampMicrosecondArray::from_value(micros(), 1))),
            CursorKind::Instant => shown(Arc::new(arrow::array::TimestampMicrosecondArray::from_value(micros(), 1).with_timezone("UTC"))),
        }
    }

    /// What stands in each row of the column.
    pub fn marks(self, cells: &Cells, rows: usize) -> Vec<Found> {
        let mut found = match cells {
            Cells::Typed(array) => self.values(array),
            Cells::Text(column) => {
                let texts: StringArray = column
                    .iter()
                    .map(|cell| if cell.kind == CellKind::Null { None } else { Some(String::from_utf8_lossy(cell.bytes).into_owned()) })
                    .collect();
                let texts: ArrayRef = Arc::new(texts);
                self.values(&texts)
            }
        };
        found.resize(rows, Found::Unreadable);
        found
    }

    fn values(self, array: &ArrayRef) -> Vec<Found> {
        let Ok(typed) = cast(array, &self.arrow()) else { return vec![Found::Unreadable; array.len()] };
        let number = |row: usize| -> Option<i128> {
            match self.kind {
                CursorKind::Integer => typed.as_primitive_opt::<Int64Type>().map(|array| i128::from(array.value(row))),
                CursorKind::Decimal => typed.as_primitive_opt::<Decimal128Type>().map(|array| array.value(row)),
                CursorKind::Date => typed.as_primitive_opt::<Date32Type>().map(|array| i128::from(array.value(row))),
                CursorKind::Timestamp | CursorKind::Instant => {
                    typed.as_primitive_opt::<TimestampMicrosecondType>().map(|array| i128::from(array.value(row)))
                }
                CursorKind::Text => None,
            }
        };
        let texts = typed.as_string_opt::<i32>().filter(|_| self.kind == CursorKind::Text);
        let nulls = array.logical_nulls();
        (0..typed.len())
            .map(|row| {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    return Found::Null;
                }
                if typed.is_null(row) {
                    return Found::Unreadable;
                }
                match (texts, number(row)) {
                    (Some(texts), _) => Found::Mark(Mark::Text(texts.value(row).to_owned())),
                    (None, Some(number)) => Found::Mark(Mark::Number(number)),
                    (None, None) => Found::Unreadable,
                }
            })
            .collect()
    }
}
