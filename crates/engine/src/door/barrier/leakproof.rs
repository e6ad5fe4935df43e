//! Which conditions of a question may be looked at before the row filter. They tell nothing of a row that it hides: they cannot fail, and take as
//! long for any value. What is pruned by them is pruned by what the lake knows of whole files.

use arrow::datatypes::{DataType, Schema};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::masks::is_text;

/// Whether a condition compares columns, each by itself, with constants of their own types. `is_clear` says of a column whether it is shown as
/// it is.
pub(super) fn is_leakproof(condition: &Expr, schema: &Schema, is_clear: &impl Fn(&str) -> bool) -> bool {
    let again = |part: &Expr| is_leakproof(part, schema, is_clear);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => again(left) && again(right),
        Expr::Not(inner) => again(inner),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
            same_type(left, right, schema, is_clear) || same_type(right, left, schema, is_clear)
        }
        Expr::IsNull(column) | Expr::IsNotNull(column) => clear_type(column, schema, is_clear).is_some(),
        // A list of nothing says nothing of what is looked for in it.
        Expr::InList(list) => {
            clear_type(&list.expr, schema, is_clear).is_some()
                && list.list.iter().all(|constant| same_type(&list.expr, constant, schema, is_clear))
        }
        _ => false,
    }
}

const fn compares(operator: Operator) -> bool {
    matches!(operator, Operator::Eq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

fn same_type(column: &Expr, constant: &Expr, schema: &Schema, is_clear: &impl Fn(&str) -> bool) -> bool {
    let Expr::Literal(constant, _) = constant else { return false };
    clear_type(column, schema, is_clear).is_some_and(|data_type| *data_type == constant.data_type())
}

/// The type of a column that is shown as it is; of no other expression, and of nothing that holds values within values.
fn clear_type<'a>(column: &Expr, schema: &'a Schema, is_clear: &impl Fn(&str) -> bool) -> Option<&'a DataType> {
    let Expr::Column(column) = column else { return None };
    let data_type = schema.field_with_name(&column.name).ok()?.data_type();
    let plain = data_type.is_primitive() || *data_type == DataType::Boolean || is_text(data_type);
    (plain && is_clear(&column.name)).then_some(data_type)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn a_list_makes_nothing_leakproof_that_is_looked_for_in_it() {
        let schema = Schema::new(vec![Field::new("salary", DataType::Int64, true), Field::new("ssn", DataType::Utf8, true)]);
        let is_taken = |condition: &Expr| is_leakproof(condition, &schema, &|name: &str| name == "salary");
        for list in [vec![], vec![lit(1i64)], vec![lit(1i64), lit(100i64)]] {
            for negated in [false, true] {
                assert!(is_taken(&col("salary").in_list(list.clone(), negated)), "{list:?}");
                let fails = lit(1i64) / (col("salary") - lit(100i64));
                assert!(!is_taken(&fails.in_list(list.clone(), negated)), "{list:?}");
                assert!(!is_taken(&col("ssn").in_list(list.clone(), negated)), "{list:?}");
            }
        }
        assert!(!is_taken(&col("salary").in_list(vec![lit(1i64), lit("1")], false)));
        assert!(!is_taken(&col("salary").in_list(vec![col("salary")], false)));
    }
}
