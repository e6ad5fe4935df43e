//! Integer arithmetic that fails where the engine's own would wrap round to another number and say nothing.

use std::sync::Arc;

use arrow::compute::kernels::numeric::{add, mul, neg, sub};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable as _, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::function_rewrite::ApplyFunctionRewrites;
use datafusion::physical_expr_common::datum::apply;

/// The rule that puts checked functions in the place of `+`, `-` and `*` of integers. It comes after those that settle types.
pub(crate) fn rule() -> Arc<dyn AnalyzerRule + Send + Sync> {
    Arc::new(ApplyFunctionRewrites::new(vec![Arc::new(Rewrite::new())]))
}

/// Whether a function is one of these. Their names alone prove nothing: no query can call them.
pub(crate) fn is_checked(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<Checked>().is_some()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Negate,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operation: Operation,
    signature: Signature,
}

#[derive(Debug)]
struct Rewrite {
    add: Arc<ScalarUDF>,
    subtract: Arc<ScalarUDF>,
    multiply: Arc<ScalarUDF>,
    negate: Arc<ScalarUDF>,
}

impl Rewrite {
    fn new() -> Self {
        let checked = |operation, arguments| {
            Arc::new(ScalarUDF::from(Checked { operation, signature: Signature::any(arguments, Volatility::Immutable) }))
        };
        Self {
            add: checked(Operation::Add, 2),
            subtract: checked(Operation::Subtract, 2),
            multiply: checked(Operation::Multiply, 2),
            negate: checked(Operation::Negate, 1),
        }
    }

    fn of(&self, operator: Operator) -> Option<&Arc<ScalarUDF>> {
        match operator {
            Operator::Plus => Some(&self.add),
            Operator::Minus => Some(&self.subtract),
            Operator::Multiply => Some(&self.multiply),
            _ => None,
        }
    }
}

impl FunctionRewrite for Rewrite {
    fn name(&self) -> &str {
        "checked_integer_arithmetic"
    }

    fn rewrite(&self, expression: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let call = |function: &Arc<ScalarUDF>, arguments| {
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), arguments))))
        };
        match expression {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match self.of(op) {
                Some(function) if left.get_type(schema)?.is_integer() && right.get_type(schema)?.is_integer() => {
                    call(function, vec![*left, *right])
                }
                _ => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
            },
            Expr::Negative(inner) if inner.get_type(schema)?.is_integer() => call(&self.negate, vec![*inner]),
            other => Ok(Transformed::no(other)),
        }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Add => "add",
            Operation::Subtract => "subtract",
            Operation::Multiply => "multiply",
            Operation::Negate => "negate",
        }
    }

    /// That of the operator, so that columns keep their names.
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let names: Vec<String> = arguments.iter().map(|argument| argument.schema_name().to_string()).collect();
        Ok(match self.operation {
            Operation::Add => names.join(" + "),
            Operation::Subtract => names.join(" - "),
            Operation::Multiply => names.join(" * "),
            Operation::Negate => format!("(- {})", names.join(" ")),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(|| missing(self.name()))
    }

    /// NULL comes of NULL alone, as with the operator.
    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        let first = arguments.arg_fields.first().ok_or_else(|| missing(self.name()))?;
        Ok(Arc::new(arrow::datatypes::Field::new(self.name(), first.data_type().clone(), nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match (self.operation, arguments.args.as_slice()) {
            (Operation::Add, [left, right]) => apply(left, right, add),
            (Operation::Subtract, [left, right]) => apply(left, right, sub),
            (Operation::Multiply, [left, right]) => apply(left, right, mul),
            (Operation::Negate, [ColumnarValue::Array(values)]) => Ok(ColumnarValue::Array(neg(values)?)),
            (Operation::Negate, [ColumnarValue::Scalar(value)]) => {
                let negated = neg(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&negated, 0)?))
            }
            _ => Err(missing(self.name())),
        }
    }
}

fn missing(name: &str) -> DataFusionError {
    DataFusionError::Internal(format!("{name} was called with another number of arguments"))
}
