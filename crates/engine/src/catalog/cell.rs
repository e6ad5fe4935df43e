//! A value of a catalog table or function, and columns made of them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, ListBuilder,
    PrimitiveBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Float32Type, Int16Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;

/// What a column or an answer of a function holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    /// `int8`, and `oid`, which clients read as a number too.
    Int8,
    Float4,
    Float8,
    Text,
    Bytes,
    Time,
    Int2s,
    /// `int8[]` and `oid[]`.
    Int8s,
    Float4s,
    Texts,
}

impl Kind {
    /// The kind that values of a type of PostgreSQL have, by its name in `pg_type`. What has no kind of its own is text.
    pub(super) fn of(type_name: &str) -> Self {
        match type_name {
            "bool" => Self::Bool,
            "int2" => Self::Int2,
            "int4" => Self::Int4,
            "int8" | "oid" | "xid" | "cid" => Self::Int8,
            "float4" => Self::Float4,
            "float8" | "numeric" => Self::Float8,
            "bytea" => Self::Bytes,
            "timestamptz" => Self::Time,
            "_int2" | "int2vector" => Self::Int2s,
            "_oid" | "_int4" | "_int8" | "oidvector" => Self::Int8s,
            "_float4" | "_float8" => Self::Float4s,
            name if name.starts_with('_') => Self::Texts,
            _ => Self::Text,
        }
    }

    pub(super) fn data_type(self) -> DataType {
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Int2s => list(DataType::Int16),
            Self::Int8s => list(DataType::Int64),
            Self::Float4s => list(DataType::Float32),
            Self::Texts => list(DataType::Utf8),
        }
    }

    /// What a column holds that is never NULL and of which nothing is known.
    pub(super) fn zero(self) -> Cell {
        match self {
            Self::Bool => Cell::Bool(false),
            Self::Int2 | Self::Int4 | Self::Int8 => Cell::Int(0),
            Self::Float4 | Self::Float8 => Cell::Float(0.0),
            Self::Text => Cell::Text(String::new()),
            Self::Int2s | Self::Int8s => Cell::Ints(Vec::new()),
            Self::Texts => Cell::Texts(Vec::new()),
            Self::Bytes | Self::Time | Self::Float4s => Cell::Null,
        }
    }
}

/// A value. Numbers are held wide, and fitted to their column's kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn of(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// As text, as PostgreSQL writes it.
    pub(super) fn to_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Bool(yes) => Some(if *yes { "true" } else { "false" }.to_owned()),
            Self::Int(number) => Some(number.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.clone()),
            Self::Ints(numbers) => Some(format!("{{{}}}", numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(","))),
            Self::Texts(texts) => Some(format!("{{{}}}", texts.join(","))),
        }
    }

    /// As a whole number, also where it is written as text.
    pub(super) fn to_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bool(yes) => Some(i64::from(*yes)),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Null | Self::Float(_) | Self::Ints(_) | Self::Texts(_) => None,
        }
    }
}

/// Makes a column.
pub(super) fn column(kind: Kind, cells: &[Cell]) -> ArrayRef {
    let int = |cell: &Cell| cell.to_int();
    let float = |cell: &Cell| match cell {
        Cell::Float(number) => Some(*number),
        _ => None,
    };
    match kind {
        Kind::Bool => Arc::new(BooleanArray::from_iter(cells.iter().map(|cell| match cell {
            Cell::Bool(yes) => Some(*yes),
            _ => None,
        }))),
        Kind::Int2 => Arc::new(Int16Array::from_iter(cells.iter().map(|cell| int(cell).and_then(|number| i16::try_from(number).ok())))),
        Kind::Int4 => Arc::new(Int32Array::from_iter(cells.iter().map(|cell| int(cell).and_then(|number| i32::try_from(number).ok())))),
        Kind::Int8 => Arc::new(Int64Array::from_iter(cells.iter().map(int))),
        Kind::Float8 => Arc::new(Float64Array::from_iter(cells.iter().map(float))),
        Kind::Float4 => {
            let wide: ArrayRef = Arc::new(Float64Array::from_iter(cells.iter().map(float)));
            // Between floats every value has a place, so this does not fail.
            cast(&wide, &DataType::Float32).unwrap_or_else(|_| Arc::new(Float32Array::new_null(cells.len())))
        }
        Kind::Text => Arc::new(StringArray::from_iter(cells.iter().map(Cell::to_text))),
        Kind::Bytes => Arc::new(BinaryArray::from_iter(cells.iter().map(|_| None::<&[u8]>))),
        Kind::Time => {
            let times = cells.iter().map(|cell| match cell {
                Cell::Int(micros) => Some(*micros),
                _ => None,
            });
            Arc::new(TimestampMicrosecondArray::from_iter(times).with_timezone("UTC"))
        }
        Kind::Int2s => numbers::<Int16Type>(cells, |number| i16::try_from(number).ok()),
        Kind::Int8s => numbers::<Int64Type>(cells, Some),
        Kind::Float4s => numbers::<Float32Type>(cells, |_| None),
        Kind::Texts => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for cell in cells {
                if let Cell::Texts(texts) = cell {
                    texts.iter().for_each(|text| lists.values().append_value(text));
                }
                lists.append(matches!(cell, Cell::Texts(_)));
            }
            Arc::new(lists.finish())
        }
    }
}

fn numbers<T: ArrowPrimitiveType>(cells: &[Cell], fit: fn(i64) -> Option<T::Native>) -> ArrayRef {
    let mut lists = ListBuilder::new(PrimitiveBuilder::<T>::new());
    for cell in cells {
        if let Cell::Ints(all) = cell {
            all.iter().for_each(|number| lists.values().append_option(fit(*number)));
        }
        lists.append(matches!(cell, Cell::Ints(_)));
    }
    Arc::new(lists.finish())
}

/// Takes a column of an argument apart.
///
/// # Errors
/// When its values are of a type that no function of the catalog takes.
pub(super) fn cells(array: &dyn Array) -> Result<Vec<Cell>, ArrowError> {
    let rows = array.len();
    match array.data_type() {
        DataType::Null => Ok(vec![Cell::Null; rows]),
        DataType::Boolean => {
            let array = arrow::array::AsArray::as_boolean(array);
            Ok(array.iter().map(|value| value.map_or(Cell::Null, Cell::Bool)).collect())
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let array = cast(array, &DataType::Float64)?;
            let array = arrow::array::AsArray::as_primitive::<arrow::datatypes::Float64Type>(&array);
            Ok(array.iter().map(|value| value.map_or(Cell::Null, Cell::Float)).collect())
        }
        data_type if data_type.is_integer() => {
            let array = cast(array, &DataType::Int64)?;
            let array = arrow::array::AsArray::as_primitive::<Int64Type>(&array);
            Ok(array.iter().map(|value| value.map_or(Cell::Null, Cell::Int)).collect())
        }
        DataType::List(item) | DataType::LargeList(item) => {
            let wanted = if item.data_type().is_integer() { Kind::Int8s } else { Kind::Texts };
            let array = cast(array, &wanted.data_type())?;
            let list = arrow::array::AsArray::as_list::<i32>(&array);
            list.iter().map(|values| values.map_or(Ok(Cell::Null), |values| list_cell(wanted, &values))).collect()
        }
        _ => {
            let array = cast(array, &DataType::Utf8)?;
            let array = arrow::array::AsArray::as_string::<i32>(&array);
            Ok(array.iter().map(Cell::of).collect())
        }
    }
}

fn list_cell(kind: Kind, values: &dyn Array) -> Result<Cell, ArrowError> {
    let inner = cells(values)?;
    Ok(match kind {
        Kind::Int8s => Cell::Ints(inner.iter().filter_map(Cell::to_int).collect()),
        _ => Cell::Texts(inner.iter().filter_map(Cell::to_text).collect()),
    })
}
