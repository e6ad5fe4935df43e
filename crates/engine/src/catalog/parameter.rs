//! Parameters of a question of the catalog. They are written into it before it is planned, since the types of few of its functions' arguments
//! could be told from a parameter.

use std::ops::ControlFlow;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Value, Visit, VisitMut, Visitor,
    VisitorMut,
};

use super::CatalogError;
use super::cell::{Cell, Kind, cells};
use super::rewrite;

/// The types of `count` parameters: those that the client said, those that can be told from where they stand, and text for all others.
pub(super) fn types(query: &Query, count: usize, said: &[Option<DataType>]) -> Vec<DataType> {
    let mut look = Look { kinds: vec![None; count] };
    let _ = query.visit(&mut look);
    let kinds = look.kinds.into_iter().map(|kind| kind.unwrap_or(Kind::Text).data_type());
    kinds.enumerate().map(|(place, found)| said.get(place).cloned().flatten().unwrap_or(found)).collect()
}

/// The place of a parameter, from 0.
fn place(expression: &Expr) -> Option<usize> {
    match expression {
        Expr::Nested(inner) => place(inner),
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1),
            _ => None,
        },
        _ => None,
    }
}

struct Look {
    kinds: Vec<Option<Kind>>,
}

impl Look {
    fn is(&mut self, expression: &Expr, kind: Kind) {
        if let Some(slot) = place(expression).and_then(|place| self.kinds.get_mut(place)) {
            slot.get_or_insert(kind);
        }
    }
}

impl Visitor for Look {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::BinaryOp { left, right, .. } => {
                self.is(left, rewrite::kind(right));
                self.is(right, rewrite::kind(left));
            }
            Expr::Cast { expr, data_type, .. } => self.is(expr, rewrite::kind_of_type(data_type)),
            Expr::InList { expr, list, .. } => list.iter().for_each(|item| self.is(item, rewrite::kind(expr))),
            Expr::Between { expr, low, high, .. } => {
                self.is(low, rewrite::kind(expr));
                self.is(high, rewrite::kind(expr));
            }
            Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
                let list = match rewrite::kind(left) {
                    Kind::Int2 | Kind::Int4 | Kind::Int8 => Kind::Int8s,
                    _ => Kind::Texts,
                };
                self.is(right, list);
            }
            Expr::Function(Function { args: FunctionArguments::List(list), .. }) => {
                // A name or an OID: PostgreSQL would ask which.
                for argument in &list.args {
                    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument {
                        self.is(argument, Kind::Text);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Writes values into a question.
///
/// # Errors
/// When there are fewer values than parameters, or one is of a type that the catalog does not take.
pub(super) fn write(query: &mut Query, count: usize, row: Option<&RecordBatch>) -> Result<(), CatalogError> {
    let mut values = Vec::with_capacity(count);
    for number in 0..count {
        let column = row
            .filter(|row| row.num_rows() > 0)
            .and_then(|row| row.columns().get(number))
            .ok_or_else(|| CatalogError::new("08P01", format!("the statement has {count} parameters, and a value is missing")))?;
        values.push(literal(column)?);
    }
    put(query, values)
}

/// Writes NULLs of these types into a question.
///
/// # Errors
/// When one is of a type that the catalog does not take.
pub(super) fn write_nulls(query: &mut Query, types: &[DataType]) -> Result<(), CatalogError> {
    put(query, types.iter().map(null).collect())
}

fn null(data_type: &DataType) -> Expr {
    let kind = match data_type {
        DataType::Boolean => Kind::Bool,
        data_type if data_type.is_integer() => Kind::Int8,
        data_type if data_type.is_floating() => Kind::Float8,
        DataType::List(item) | DataType::LargeList(item) if item.data_type().is_integer() => Kind::Int8s,
        DataType::List(_) | DataType::LargeList(_) => Kind::Texts,
        _ => Kind::Text,
    };
    rewrite::null_of(kind)
}

fn literal(column: &dyn Array) -> Result<Expr, CatalogError> {
    let wrong = |error: arrow::error::ArrowError| CatalogError::wrong_value(format!("a parameter cannot be taken: {error}"));
    let value = |value: Value| Expr::Value(value.with_empty_span());
    let all = cells(&column.slice(0, 1)).map_err(wrong)?;
    Ok(match all.into_iter().next() {
        None | Some(Cell::Null) => null(column.data_type()),
        Some(Cell::Bool(yes)) => value(Value::Boolean(yes)),
        Some(Cell::Int(number)) if number < 0 => {
            rewrite::cast_to(value(Value::SingleQuotedString(number.to_string())), SqlType::BigInt(None))
        }
        Some(Cell::Int(number)) => value(Value::Number(number.to_string(), false)),
        Some(Cell::Float(number)) => rewrite::cast_to(value(Value::SingleQuotedString(number.to_string())), SqlType::DoublePrecision),
        Some(Cell::Text(text)) => value(Value::SingleQuotedString(text)),
        Some(Cell::Ints(numbers)) => value(Value::SingleQuotedString(Cell::Ints(numbers).to_text().unwrap_or_default())),
        Some(Cell::Texts(texts)) => {
            let quoted: Vec<String> = texts.iter().map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))).collect();
            value(Value::SingleQuotedString(format!("{{{}}}", quoted.join(","))))
        }
    })
}

fn put(query: &mut Query, values: Vec<Expr>) -> Result<(), CatalogError> {
    match VisitMut::visit(query, &mut Put { values }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Put {
    values: Vec<Expr>,
}

impl VisitorMut for Put {
    type Break = CatalogError;

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<CatalogError> {
        if matches!(expression, Expr::Value(value) if matches!(value.value, Value::Placeholder(_))) {
            match place(expression).and_then(|place| self.values.get(place)) {
                Some(value) => *expression = value.clone(),
                None => return ControlFlow::Break(CatalogError::new("42P02", format!("there is no parameter {expression}"))),
            }
        }
        ControlFlow::Continue(())
    }
}
