//! Functions that make long text or long lists out of short ones: how much one call makes of a batch is bounded before it is made.
//!
//! The memory limit counts what sorts, joins and groupings hold, not what a function is about to return. So each such function is
//! replaced by one that looks at its arguments first, and fails when the result would be too large.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, GenericListArray, OffsetSizeTrait};
use arrow::buffer::NullBuffer;
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::string::concat;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable as _, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::function_rewrite::ApplyFunctionRewrites;
use polder_types::ErrorKind;

use crate::error::Error;

/// Most bytes that constants alone may become: they stand in every row.
pub(crate) const CONSTANT_BYTES_MAX: usize = 16 << 10;

/// The rule that replaces them. It comes after those that settle types.
pub(crate) fn rule(memory_bytes: usize) -> Arc<dyn AnalyzerRule + Send + Sync> {
    // With the default of 1 GiB this is 16 KiB a row of a full batch.
    let bytes_max = (memory_bytes / 8).clamp(4 << 20, 256 << 20);
    Arc::new(ApplyFunctionRewrites::new(vec![Arc::new(Rewrite { bytes_max })]))
}

/// Whether a function stands for the operator `||`. Its name alone proves nothing: no query can call it.
pub(crate) fn is_joined(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<Joined>().is_some()
}

/// How the result's size follows from the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// At most all arguments together, constants once for every row.
    Sum,
    /// So many times that.
    Times(usize),
    /// The first argument stands between all the others.
    Separated,
    /// Each character becomes another one, which may be longer.
    Translate,
    /// As many characters as the second argument says.
    Pad,
    /// Each piece of the first argument becomes the third.
    Replace,
    /// Each match becomes the third argument, in which groups can be named.
    ReplaceMatches,
    /// Items of a list become the third argument, as many as there are.
    ReplaceItems,
    /// The second argument stands between the items of the first as texts, the third in the place of its NULLs.
    Join,
}

impl Growth {
    fn of(function: &str) -> Option<Self> {
        Some(match function {
            "lpad" | "rpad" => Self::Pad,
            "replace" => Self::Replace,
            "regexp_replace" => Self::ReplaceMatches,
            "array_to_string" => Self::Join,
            "array_replace_all" | "array_replace_n" => Self::ReplaceItems,
            "concat_ws" => Self::Separated,
            "translate" => Self::Translate,
            // Two digits a byte; a part of the text twice, with a negative length.
            "encode" | "overlay" => Self::Times(2),
            // `%+` becomes up to 35 bytes.
            "to_char" => Self::Times(18),
            "concat" | "greatest" | "least" | "make_array" | "array_append" | "array_concat" | "array_prepend" | "array_replace"
            | "array_union" | "struct" | "named_struct" | "row" | "map" => Self::Sum,
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Rewrite {
    bytes_max: usize,
}

impl FunctionRewrite for Rewrite {
    fn name(&self) -> &str {
        "bounded_growth"
    }

    fn rewrite(&self, expression: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        Ok(match expression {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
                if joined(&left).is_some() || is_text(&left.get_type(schema)?) {
                    Transformed::yes(self.join(*left, *right))
                } else {
                    Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }))
                }
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) => match Growth::of(func.name()) {
                Some(growth) if func.inner().downcast_ref::<Bounded>().is_none() => {
                    let bounded = Bounded { inner: func, limit: Limit { growth, bytes_max: self.bytes_max } };
                    Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(bounded)), args)))
                }
                _ => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
            },
            other => Transformed::no(other),
        })
    }
}

impl Rewrite {
    /// `a || b || c` becomes one call with three arguments: calls within calls would ask for each other's types over and over.
    fn join(&self, left: Expr, right: Expr) -> Expr {
        let arguments = match left {
            Expr::ScalarFunction(function) if is_joined(&function.func) => function.args.into_iter().chain([right]).collect(),
            left => vec![left, right],
        };
        let limit = Limit { growth: Growth::Sum, bytes_max: self.bytes_max };
        let signature = Signature::any(arguments.len(), Volatility::Immutable);
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(Joined { limit, signature })), arguments))
    }
}

fn joined(expression: &Expr) -> Option<&Joined> {
    match expression {
        Expr::ScalarFunction(function) => function.func.inner().downcast_ref::<Joined>(),
        _ => None,
    }
}

fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// What a call may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Limit {
    growth: Growth,
    bytes_max: usize,
}

impl Limit {
    /// Fails when a call would make more.
    fn check(self, function: &str, arguments: &ScalarFunctionArgs) -> Result<()> {
        let constant = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let (rows, bytes_max) = if constant { (1, CONSTANT_BYTES_MAX) } else { (arguments.number_rows, self.bytes_max) };
        if bound(self.growth, &arguments.args, rows)? <= bytes_max {
            return Ok(());
        }
        let what = if constant { "of constants, which stand in every row" } else { "of one batch of rows" };
        let message = format!("{function} would make more than {} KiB {what}; let it make less, or raise --memory-mib", bytes_max >> 10);
        // Asked again, it would make as much again.
        Err(DataFusionError::External(Box::new(Error::Execute { message, kind: ErrorKind::Invalid })))
    }
}

/// A function behind its limit. What it would simplify itself to is not asked for: that would be without the limit.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    limit: Limit,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        self.inner.schema_name(arguments)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.limit.check(self.inner.name(), &arguments)?;
        self.inner.invoke_with_args(arguments)
    }
}

/// The operator `||` over texts: NULL when any of them is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined {
    limit: Limit,
    signature: Signature,
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &str {
        "joined[||]"
    }

    /// That of the operators, so that columns keep their names.
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(arguments.iter().map(|argument| argument.schema_name().to_string()).collect::<Vec<_>>().join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(missing)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        let first = arguments.arg_fields.first().ok_or_else(missing)?;
        Ok(Arc::new(Field::new(self.name(), first.data_type().clone(), nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.limit.check("||", &arguments)?;
        let ty = arguments.args.first().ok_or_else(missing)?.data_type();
        let mut nulls: Option<NullBuffer> = None;
        for argument in &arguments.args {
            match argument {
                ColumnarValue::Scalar(value) if value.is_null() => return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(&ty)?)),
                ColumnarValue::Scalar(_) => {}
                ColumnarValue::Array(values) => nulls = NullBuffer::union(nulls.as_ref(), values.logical_nulls().as_ref()),
            }
        }
        let joined = concat().invoke_with_args(arguments)?.cast_to(&ty, None)?;
        match (joined, nulls) {
            (ColumnarValue::Array(joined), Some(nulls)) => {
                let absent = BooleanArray::new(!nulls.inner(), None);
                Ok(ColumnarValue::Array(nullif(&joined, &absent)?))
            }
            (joined, _) => Ok(joined),
        }
    }
}

/// Bytes that a call makes at most of its arguments.
fn bound(growth: Growth, arguments: &[ColumnarValue], rows: usize) -> Result<usize> {
    let total = |at: usize| arguments.get(at).map_or(Ok(0), |argument| bytes(argument, rows));
    let longest = |at: usize| arguments.get(at).map_or(Ok((0, 0)), extremes);
    let all = || (0..arguments.len()).try_fold(0usize, |sum, at| Ok::<_, DataFusionError>(sum.saturating_add(total(at)?)));
    Ok(match growth {
        Growth::Sum => all()?,
        Growth::Times(times) => all()?.saturating_mul(times),
        Growth::Separated => all()?.saturating_add(total(0)?.saturating_mul(arguments.len().saturating_sub(2))),
        // Four bytes a character at most.
        Growth::Translate => total(0)?.saturating_mul(if arguments.get(2).map_or(Ok(true), is_ascii)? { 1 } else { 4 }),
        Growth::Pad => {
            // Four bytes a character at most.
            let characters = arguments.get(1).map_or(Ok(0), |length| characters(length, rows))?;
            total(0)?.max(characters.saturating_mul(4))
        }
        Growth::Replace => {
            let (text, (shortest, _), (_, most)) = (total(0)?, longest(1)?, longest(2)?);
            text.saturating_add((text / shortest.max(1)).saturating_add(rows).saturating_mul(most))
        }
        Growth::ReplaceMatches => {
            let (text, (_, most)) = (total(0)?, longest(2)?);
            // Groups of matches, which do not overlap, are together no longer than the text.
            text.saturating_mul(2 + most / 2).saturating_add(text.saturating_add(rows).saturating_mul(most))
        }
        Growth::ReplaceItems => {
            let items = arguments.first().map_or(Ok(0), |lists| items(lists, rows))?;
            let each = arguments.get(2).map_or(Ok(0), longest_value)?;
            all()?.saturating_add(items.saturating_mul(each))
        }
        Growth::Join => {
            let leaves = arguments.first().map_or(Ok(Leaves::default()), |lists| leaves(lists, rows))?;
            let between = longest(1)?.1.max(longest(2)?.1);
            leaves.bytes.saturating_add(leaves.items.saturating_add(rows).saturating_mul(between))
        }
    })
}

/// One array, of one value where the argument is a constant.
fn array(argument: &ColumnarValue) -> Result<ArrayRef> {
    Ok(match argument {
        ColumnarValue::Scalar(value) => value.to_array()?,
        ColumnarValue::Array(values) => Arc::clone(values),
    })
}

/// How often its values stand in so many rows.
fn times(argument: &ColumnarValue, rows: usize) -> usize {
    if matches!(argument, ColumnarValue::Scalar(_)) { rows } else { 1 }
}

/// The items of lists that rows show, without what else lies in the buffers.
fn shown(lists: &ArrayRef) -> Option<ArrayRef> {
    fn between<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> ArrayRef {
        let offsets = lists.value_offsets();
        let at = |offset: Option<&O>| offset.map_or(0, |offset| offset.as_usize());
        let (first, last) = (at(offsets.first()), at(offsets.last()));
        lists.values().slice(first, last.saturating_sub(first))
    }
    match lists.data_type() {
        DataType::List(_) => Some(between(lists.as_list::<i32>())),
        DataType::LargeList(_) => Some(between(lists.as_list::<i64>())),
        // Its values are cut with it.
        DataType::FixedSizeList(_, _) => Some(Arc::clone(lists.as_fixed_size_list().values())),
        _ => None,
    }
}

/// Items of lists in all rows.
fn items(lists: &ColumnarValue, rows: usize) -> Result<usize> {
    let shown = shown(&array(lists)?).map_or(0, |items| items.len());
    Ok(shown.saturating_mul(times(lists, rows)))
}

/// The innermost items of lists.
#[derive(Debug, Default)]
struct Leaves {
    items: usize,
    /// Of all of them as texts.
    bytes: usize,
}

/// A number, a date or a time as a text is no longer; a float may have all its digits.
const TEXT_BYTES_MAX: usize = 80;
const FLOAT_TEXT_BYTES_MAX: usize = 350;

fn leaves(lists: &ColumnarValue, rows: usize) -> Result<Leaves> {
    let mut values = array(lists)?;
    while let Some(within) = shown(&values) {
        values = within;
    }
    let items = values.len();
    let bytes = match values.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => value_bytes(&values),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => items.saturating_mul(FLOAT_TEXT_BYTES_MAX),
        _ => items.saturating_mul(TEXT_BYTES_MAX).saturating_add(value_bytes(&values)),
    };
    let times = times(lists, rows);
    Ok(Leaves { items: items.saturating_mul(times), bytes: bytes.saturating_mul(times) })
}

/// Bytes of the longest value of any type.
fn longest_value(argument: &ColumnarValue) -> Result<usize> {
    let values = array(argument)?;
    Ok(match values.data_type().primitive_width() {
        Some(width) => width,
        // Beside its bytes, a view or an offset.
        None if is_text(values.data_type()) => extremes(argument)?.1.saturating_add(16),
        None => value_bytes(&values),
    })
}

fn is_ascii(argument: &ColumnarValue) -> Result<bool> {
    let values = array(argument)?;
    Ok(match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().iter().flatten().all(str::is_ascii),
        DataType::LargeUtf8 => values.as_string::<i64>().iter().flatten().all(str::is_ascii),
        DataType::Utf8View => values.as_string_view().iter().flatten().all(str::is_ascii),
        _ => false,
    })
}

/// Bytes of an argument's values in all rows.
fn bytes(argument: &ColumnarValue, rows: usize) -> Result<usize> {
    Ok(match argument {
        ColumnarValue::Scalar(value) => value_bytes(&value.to_array()?).saturating_mul(rows),
        ColumnarValue::Array(values) => value_bytes(values),
    })
}

/// Bytes of the values that an array shows, not of buffers that it shares.
pub(crate) fn value_bytes(values: &ArrayRef) -> usize {
    match values.data_type() {
        DataType::Utf8View => values.as_string_view().iter().flatten().map(str::len).fold(0, usize::saturating_add),
        DataType::BinaryView => values.as_binary_view().iter().flatten().map(<[u8]>::len).fold(0, usize::saturating_add),
        _ => values.to_data().get_slice_memory_size().unwrap_or(usize::MAX),
    }
}

/// Bytes of the shortest and of the longest value.
fn extremes(argument: &ColumnarValue) -> Result<(usize, usize)> {
    let values = array(argument)?;
    fn of<'a>(values: impl Iterator<Item = Option<&'a str>>) -> (usize, usize) {
        let (mut shortest, mut longest) = (usize::MAX, 0);
        for length in values.flatten().map(str::len) {
            (shortest, longest) = (shortest.min(length), longest.max(length));
        }
        (if shortest == usize::MAX { 0 } else { shortest }, longest)
    }
    Ok(match values.data_type() {
        DataType::Utf8 => of(values.as_string::<i32>().iter()),
        DataType::LargeUtf8 => of(values.as_string::<i64>().iter()),
        DataType::Utf8View => of(values.as_string_view().iter()),
        DataType::Null => (0, 0),
        _ => (0, values.get_buffer_memory_size()),
    })
}

/// The sum of lengths that are asked for.
fn characters(argument: &ColumnarValue, rows: usize) -> Result<usize> {
    let length = |value: i64| usize::try_from(value).unwrap_or(0);
    Ok(match argument {
        ColumnarValue::Scalar(ScalarValue::Int64(value)) => length(value.unwrap_or(0)).saturating_mul(rows),
        ColumnarValue::Scalar(value) => match value.cast_to(&DataType::Int64)? {
            ScalarValue::Int64(value) => length(value.unwrap_or(0)).saturating_mul(rows),
            _ => usize::MAX,
        },
        ColumnarValue::Array(values) => {
            let values = arrow::compute::cast(values, &DataType::Int64)?;
            values.as_primitive::<Int64Type>().iter().flatten().map(length).fold(0, usize::saturating_add)
        }
    })
}

fn missing() -> DataFusionError {
    DataFusionError::Internal("`||` was called without an argument".to_owned())
}
