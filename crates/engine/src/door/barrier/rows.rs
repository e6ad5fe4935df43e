//! The row filter of policies as an expression over the columns of a table. It is true or false and never NULL, and fails for no value: each
//! comparison stands behind `IS NOT NULL` of what it compares, and constants take the column's type, so that no value is converted.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, NotExpr, cast, in_list, is_not_null, is_null, like, lit};
use polder_types::Predicate;
use polder_types::predicate::{Comparison, PatternPart, Value};

use super::masks::is_text;

/// Why a predicate is no filter of a table.
#[derive(Debug)]
pub(super) enum NoFilter {
    /// The table lacks a column, or has it with another type than policies were told.
    Misfit,
    /// The engine does not take it.
    Engine(DataFusionError),
}

impl From<DataFusionError> for NoFilter {
    fn from(error: DataFusionError) -> Self {
        Self::Engine(error)
    }
}

type Filter = Result<Arc<dyn PhysicalExpr>, NoFilter>;

/// The expression of a predicate over rows of these columns.
pub(super) fn filter(predicate: &Predicate, schema: &Schema) -> Filter {
    match predicate {
        Predicate::Constant(value) => Ok(lit(*value)),
        Predicate::IsNull(column) => {
            let column = Operand::of(column, schema)?;
            Ok(if column.nullable { is_null(column.expression)? } else { lit(false) })
        }
        Predicate::Compare { column, comparison, value } => compare(&Operand::of(column, schema)?, *comparison, value),
        Predicate::Columns { left, comparison, right } => {
            columns(Operand::of(left, schema)?, *comparison, Operand::of(right, schema)?, schema)
        }
        Predicate::OneOf { column, values } => one_of(&Operand::of(column, schema)?, values, schema),
        Predicate::Like { column, pattern } => {
            let column = Operand::of(column, schema)?;
            let pattern = text(&column.data_type, escaped(pattern)).ok_or(NoFilter::Misfit)?;
            let fits = like(false, false, Arc::clone(&column.expression), lit(pattern), schema)?;
            column.guarding(fits)
        }
        Predicate::Not(inner) => Ok(Arc::new(NotExpr::new(filter(inner, schema)?))),
        Predicate::And(parts) => joined(parts, Operator::And, schema),
        Predicate::Or(parts) => joined(parts, Operator::Or, schema),
    }
}

/// As a balanced tree: many policies make many parts, and each level takes stack.
fn joined(parts: &[Predicate], operator: Operator, schema: &Schema) -> Filter {
    match parts {
        [] => Ok(lit(operator == Operator::And)),
        [only] => filter(only, schema),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            Ok(Arc::new(BinaryExpr::new(joined(left, operator, schema)?, operator, joined(right, operator, schema)?)))
        }
    }
}

/// A column that is looked at.
struct Operand {
    expression: Arc<dyn PhysicalExpr>,
    data_type: DataType,
    nullable: bool,
}

impl Operand {
    fn of(name: &str, schema: &Schema) -> Result<Self, NoFilter> {
        let (place, field) = schema.column_with_name(name).ok_or(NoFilter::Misfit)?;
        let expression: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, place));
        Ok(Self { expression, data_type: field.data_type().clone(), nullable: field.is_nullable() })
    }

    /// `test`, which is NULL only where the column is, as one that is false there.
    fn guarding(&self, test: Arc<dyn PhysicalExpr>) -> Filter {
        if !self.nullable {
            return Ok(test);
        }
        Ok(Arc::new(BinaryExpr::new(is_not_null(Arc::clone(&self.expression))?, Operator::And, test)))
    }

    fn compared(&self, comparison: Comparison, constant: ScalarValue) -> Filter {
        self.guarding(Arc::new(BinaryExpr::new(Arc::clone(&self.expression), operator(comparison), lit(constant))))
    }
}

const fn operator(comparison: Comparison) -> Operator {
    match comparison {
        Comparison::Equal => Operator::Eq,
        Comparison::NotEqual => Operator::NotEq,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::LtEq,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::GtEq,
    }
}

/// A comparison with a constant of the column's own type.
enum Constant {
    Compared(Comparison, ScalarValue),
    /// The constant lies between two values of the type, or outside all of them: every value but NULL answers the same.
    Same(bool),
}

fn compare(column: &Operand, comparison: Comparison, value: &Value) -> Filter {
    match constant(&column.data_type, comparison, value).ok_or(NoFilter::Misfit)? {
        Constant::Compared(comparison, constant) => column.compared(comparison, constant),
        Constant::Same(answer) => column.guarding(lit(answer)),
    }
}

/// `None` where a column of the type holds no such values.
fn constant(data_type: &DataType, comparison: Comparison, value: &Value) -> Option<Constant> {
    match (value, data_type) {
        (Value::Boolean(value), DataType::Boolean) => Some(Constant::Compared(comparison, ScalarValue::Boolean(Some(*value)))),
        (Value::Text(value), _) => Some(Constant::Compared(comparison, text(data_type, value.clone())?)),
        (Value::Integer(value), data_type) if data_type.is_integer() => Some(whole(data_type, comparison, (*value).into())),
        (Value::Date(days), DataType::Date32) => Some(Constant::Compared(comparison, ScalarValue::Date32(Some(*days)))),
        (Value::Timestamp(micros), DataType::Timestamp(unit, _)) => {
            let micros = i128::from(*micros);
            let (coarse, fine) = match unit {
                TimeUnit::Second => (1_000_000, 1),
                TimeUnit::Millisecond => (1_000, 1),
                TimeUnit::Microsecond => (1, 1),
                TimeUnit::Nanosecond => (1, 1_000),
            };
            let below = micros.div_euclid(coarse) * fine;
            if micros.rem_euclid(coarse) == 0 {
                return Some(whole(data_type, comparison, below));
            }
            // Between two values of the column: what is less than the constant is at most the lower of them.
            Some(match comparison {
                Comparison::Equal => Constant::Same(false),
                Comparison::NotEqual => Constant::Same(true),
                Comparison::Less | Comparison::LessOrEqual => whole(data_type, Comparison::LessOrEqual, below),
                Comparison::Greater | Comparison::GreaterOrEqual => whole(data_type, Comparison::Greater, below),
            })
        }
        _ => None,
    }
}

/// A comparison with a whole number in the column's unit. Zero is a value of every type, so what does not fit lies above or below by its sign.
fn whole(data_type: &DataType, comparison: Comparison, number: i128) -> Constant {
    match scalar(data_type, number) {
        Some(constant) => Constant::Compared(comparison, constant),
        None => Constant::Same(match comparison {
            Comparison::Equal => false,
            Comparison::NotEqual => true,
            Comparison::Less | Comparison::LessOrEqual => number > 0,
            Comparison::Greater | Comparison::GreaterOrEqual => number < 0,
        }),
    }
}

fn scalar(data_type: &DataType, number: i128) -> Option<ScalarValue> {
    Some(match data_type {
        DataType::Int8 => ScalarValue::Int8(Some(number.try_into().ok()?)),
        DataType::Int16 => ScalarValue::Int16(Some(number.try_into().ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(number.try_into().ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(number.try_into().ok()?)),
        DataType::UInt8 => ScalarValue::UInt8(Some(number.try_into().ok()?)),
        DataType::UInt16 => ScalarValue::UInt16(Some(number.try_into().ok()?)),
        DataType::UInt32 => ScalarValue::UInt32(Some(number.try_into().ok()?)),
        DataType::UInt64 => ScalarValue::UInt64(Some(number.try_into().ok()?)),
        DataType::Timestamp(unit, zone) => {
            let (value, zone) = (Some(i64::try_from(number).ok()?), zone.clone());
            match unit {
                TimeUnit::Second => ScalarValue::TimestampSecond(value, zone),
                TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(value, zone),
                TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(value, zone),
                TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(value, zone),
            }
        }
        _ => return None,
    })
}

fn text(data_type: &DataType, value: String) -> Option<ScalarValue> {
    Some(match data_type {
        DataType::Utf8 => ScalarValue::Utf8(Some(value)),
        DataType::LargeUtf8 => ScalarValue::LargeUtf8(Some(value)),
        DataType::Utf8View => ScalarValue::Utf8View(Some(value)),
        _ => return None,
    })
}

fn one_of(column: &Operand, values: &[Value], schema: &Schema) -> Filter {
    let mut wanted = Vec::with_capacity(values.len());
    for value in values {
        match constant(&column.data_type, Comparison::Equal, value).ok_or(NoFilter::Misfit)? {
            Constant::Compared(_, constant) => wanted.push(constant),
            // No value of the column is this one.
            Constant::Same(_) => {}
        }
    }
    match <[ScalarValue; 1]>::try_from(wanted) {
        Ok([only]) => column.compared(Comparison::Equal, only),
        Err(wanted) if wanted.is_empty() => Ok(lit(false)),
        Err(wanted) => {
            let found = in_list(Arc::clone(&column.expression), wanted.into_iter().map(lit).collect(), &false, schema)?;
            column.guarding(found)
        }
    }
}

/// Two columns. What differs in width alone is widened, which changes no value; all else that differs is no comparison that policies made.
fn columns(left: Operand, comparison: Comparison, right: Operand, schema: &Schema) -> Filter {
    let narrow = |ty: &DataType| ty.is_integer() && *ty != DataType::UInt64;
    let comparable =
        |ty: &DataType| is_text(ty) || ty.is_integer() || matches!(ty, DataType::Boolean | DataType::Date32 | DataType::Timestamp(..));
    let common = match (&left.data_type, &right.data_type) {
        (left, right) if left == right && comparable(left) => left.clone(),
        (left, right) if narrow(left) && narrow(right) => DataType::Int64,
        (left, right) if is_text(left) && is_text(right) => DataType::Utf8View,
        _ => return Err(NoFilter::Misfit),
    };
    let (a, b) = (cast(Arc::clone(&left.expression), schema, common.clone())?, cast(Arc::clone(&right.expression), schema, common)?);
    let test = Arc::new(BinaryExpr::new(a, operator(comparison), b));
    left.guarding(right.guarding(test)?)
}

/// As `LIKE` takes a pattern.
fn escaped(pattern: &[PatternPart]) -> String {
    let mut text = String::new();
    for part in pattern {
        match part {
            PatternPart::Any => text.push('%'),
            PatternPart::Literal(c @ ('%' | '_' | '\\')) => text.extend(['\\', *c]),
            PatternPart::Literal(c) => text.push(*c),
        }
    }
    text
}

#[cfg(test)]
mod tests;
