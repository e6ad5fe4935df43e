//! Texts for booleans: PostgreSQL takes a literal for what it is compared with, and its clients write `urgent = '1'`.

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable as _, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Reads a literal text that is compared with a boolean as one. Another text stays what it is, and the comparison is refused.
#[derive(Debug)]
pub(super) struct BooleanTexts;

impl ExprPlanner for BooleanTexts {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        let (left, right) = if matches!(op, BinaryOperator::Eq | BinaryOperator::NotEq) {
            let read = |text: &Expr, other: &Expr| boolean(text).filter(|_| is_boolean(other, schema));
            match (read(&left, &right), read(&right, &left)) {
                (Some(value), _) => (lit(value), right),
                (None, Some(value)) => (left, lit(value)),
                (None, None) => (left, right),
            }
        } else {
            (left, right)
        };
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

fn is_boolean(expression: &Expr, schema: &DFSchema) -> bool {
    expression.get_type(schema).is_ok_and(|data_type| data_type == arrow::datatypes::DataType::Boolean)
}

/// What PostgreSQL reads a text as: `true`, `yes`, `on`, `1` and their opposites, in any case, and what begins one of the words alone.
fn boolean(expression: &Expr) -> Option<bool> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) = expression else { return None };
    let text = text.trim().to_ascii_lowercase();
    match text.as_str() {
        "1" | "on" => Some(true),
        "0" | "of" | "off" => Some(false),
        "" => None,
        text if ["true", "yes"].iter().any(|word| word.starts_with(text)) => Some(true),
        text if ["false", "no"].iter().any(|word| word.starts_with(text)) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_postgresql_reads_them() {
        for (text, value) in [
            ("1", Some(true)),
            ("t", Some(true)),
            ("TRUE", Some(true)),
            (" yes ", Some(true)),
            ("on", Some(true)),
            ("0", Some(false)),
            ("f", Some(false)),
            ("no", Some(false)),
            ("off", Some(false)),
            ("of", Some(false)),
            ("o", None),
            ("", None),
            ("2", None),
            ("truely", None),
        ] {
            assert_eq!(boolean(&lit(text)), value, "{text:?}");
        }
        assert_eq!(boolean(&lit(1i64)), None);
    }
}
