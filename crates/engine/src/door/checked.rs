//! Integer arithmetic that fails where the engine's own would wrap round to another number and say nothing.

use std::sync::Arc;

use arrow::compute::kernels::numeric::{add, mul, neg, sub};
use arrow::datatypes::{DataType, Field, FieldRef};
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
    Arc::new(ApplyFunctionRewrites::new(vec![Arc::new(Rewrite)]))
}

/// Whether a function is one of these. Their names alone prove nothing: no query can call them.
pub(crate) fn is_checked(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<Checked>().is_some()
}

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
}

impl Operation {
    fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            _ => None,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
        }
    }
}

/// `((a + b) * c) - d` as one call with four arguments, worked off from the left: calls within calls would ask for each
/// other's types over and over. Without operations it negates its one argument.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    name: String,
    operations: Vec<Operation>,
    signature: Signature,
}

impl Checked {
    fn new(operations: Vec<Operation>) -> Self {
        let signs: Vec<&str> = operations.iter().map(|operation| operation.sign()).collect();
        let name = if signs.is_empty() { "checked[-]".to_owned() } else { format!("checked[a {} b]", signs.join(" b ")) };
        let signature = Signature::any(operations.len().saturating_add(1), Volatility::Immutable);
        Self { name, operations, signature }
    }
}

#[derive(Debug)]
struct Rewrite;

impl FunctionRewrite for Rewrite {
    fn name(&self) -> &str {
        "checked_integer_arithmetic"
    }

    fn rewrite(&self, expression: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        match expression {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match Operation::of(op) {
                Some(operation) if is_integer(&left, schema)? && is_integer(&right, schema)? => {
                    Ok(Transformed::yes(append(*left, operation, *right)))
                }
                _ => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
            },
            Expr::Negative(inner) if is_integer(&inner, schema)? => Ok(Transformed::yes(call(Vec::new(), vec![*inner]))),
            other => Ok(Transformed::no(other)),
        }
    }
}

fn checked(expression: &Expr) -> Option<&Checked> {
    match expression {
        Expr::ScalarFunction(function) => function.func.inner().downcast_ref::<Checked>(),
        _ => None,
    }
}

fn is_integer(expression: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(checked(expression).is_some() || expression.get_type(schema)?.is_integer())
}

fn call(operations: Vec<Operation>, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(Checked::new(operations))), arguments))
}

fn append(left: Expr, operation: Operation, right: Expr) -> Expr {
    let before = checked(&left).map(|checked| checked.operations.clone()).filter(|operations| !operations.is_empty());
    match (before, left) {
        (Some(mut operations), Expr::ScalarFunction(ScalarFunction { mut args, .. })) => {
            operations.push(operation);
            args.push(right);
            call(operations, args)
        }
        (_, left) => call(vec![operation], vec![left, right]),
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        &self.name
    }

    /// That of the operators, so that columns keep their names.
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let mut names = arguments.iter().map(|argument| argument.schema_name().to_string());
        let first = names.next().ok_or_else(|| missing(&self.name))?;
        if self.operations.is_empty() {
            return Ok(format!("(- {first})"));
        }
        Ok(self.operations.iter().zip(names).fold(first, |before, (operation, name)| format!("{before} {} {name}", operation.sign())))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(|| missing(&self.name))
    }

    /// NULL comes of NULL alone, as with the operators.
    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        let first = arguments.arg_fields.first().ok_or_else(|| missing(&self.name))?;
        Ok(Arc::new(Field::new(&self.name, first.data_type().clone(), nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut operands = arguments.args.into_iter();
        let first = operands.next().ok_or_else(|| missing(&self.name))?;
        if self.operations.is_empty() {
            return negate(first);
        }
        self.operations.iter().zip(operands).try_fold(first, |before, (operation, operand)| match operation {
            Operation::Add => apply(&before, &operand, add),
            Operation::Subtract => apply(&before, &operand, sub),
            Operation::Multiply => apply(&before, &operand, mul),
        })
    }
}

fn negate(value: ColumnarValue) -> Result<ColumnarValue> {
    Ok(match value {
        ColumnarValue::Array(values) => ColumnarValue::Array(neg(&values)?),
        ColumnarValue::Scalar(value) => ColumnarValue::Scalar(ScalarValue::try_from_array(&neg(&value.to_array()?)?, 0)?),
    })
}

fn missing(name: &str) -> DataFusionError {
    DataFusionError::Internal(format!("{name} was called with another number of arguments"))
}
