//! The parameters of a question: `$1`, `$2` and so on. Their values are put into the plan as constants before it is analysed, so what checks a
//! plan, what stands between a table and its reader, and the optimizer see constants and nothing else. They never become text of a question.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{FormatOptions, array_value_to_string};
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, Values};

use super::open::Opened;
use super::parse::Parsed;
use super::plan_check::PlanRules;
use super::{Door, Prepared, checked_plan, draft};
use crate::answer::described;
use crate::error::Error;

/// Most parameters of a question.
pub(crate) const PARAMETERS_MAX: usize = 32_767;
/// Most of their values that is recorded.
const TOLD_BYTES_MAX: usize = 64 << 10;
/// A number with all the digits that may decide whether a text is exactly another one.
const WIDE: DataType = DataType::Decimal256(76, 38);

/// A question with parameters that passed the door.
pub(crate) struct WithParameters {
    /// Their types.
    pub types: Vec<DataType>,
    /// The columns of the answer, whatever the values are.
    pub schema: SchemaRef,
    /// The plan with the values, or with NULL for each.
    pub prepared: Prepared,
}

impl Door {
    /// Plans a question over opened tables, with NULL for each parameter, and then with the values, if there are any. What the answer looks like
    /// is told by the first: it is known before the values are.
    pub(crate) async fn with_parameters(
        &self,
        parsed: &Parsed,
        opened: &Opened,
        said: &[Option<DataType>],
        given: Option<&RecordBatch>,
    ) -> std::result::Result<WithParameters, Error> {
        let count = count(&parsed.placeholders)?.max(said.len());
        let (state, draft) = draft(&self.session, &parsed.statement, opened).await?;
        let rules = PlanRules { functions: &self.allowed, tables: &opened.permitted };
        let types = types(&draft, count, said).map_err(|error| Error::plan(&error))?;
        let nulls = types.iter().map(ScalarValue::try_new_null).collect::<Result<Vec<_>>>().map_err(|error| Error::plan(&error))?;
        let unbound = bound(draft.clone(), &nulls).map_err(|error| Error::plan(&error))?;
        let unbound = checked_plan(&state, &rules, unbound, Error::plan)?;
        let schema = described(&unbound);
        let Some(given) = given else {
            return Ok(WithParameters { types, schema, prepared: Prepared { state, plan: unbound, bound: false } });
        };
        let values = values(given, &types)?;
        if values.is_empty() {
            return Ok(WithParameters { types, schema, prepared: Prepared { state, plan: unbound, bound: false } });
        }
        let plan = bound(draft, &values).map_err(|error| Error::bound(&error))?;
        let plan = checked_plan(&state, &rules, plan, Error::bound)?;
        same_types(&schema, &described(&plan))?;
        Ok(WithParameters { types, schema, prepared: Prepared { state, plan, bound: true } })
    }
}

/// How many parameters a question has: the highest number.
fn count(placeholders: &[String]) -> std::result::Result<usize, Error> {
    placeholders.iter().try_fold(0, |most: usize, name| match place(name) {
        Some(place) if place < PARAMETERS_MAX => Ok(most.max(place.saturating_add(1))),
        Some(_) => Err(Error::TooLong { max: PARAMETERS_MAX, unit: "parameters" }),
        None => Err(Error::Refused(format!("{name} is no parameter; parameters are $1, $2 and so on"))),
    })
}

/// The place of `$1`, from 0. Written in one way alone: what else the engine would read as a number is none.
fn place(name: &str) -> Option<usize> {
    let digits = name.strip_prefix('$')?;
    let plain = digits.starts_with(|first: char| matches!(first, '1'..='9')) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse::<usize>().ok()?.checked_sub(1) } else { None }
}

/// The types that are said; else those that the places ask for where they stand, the first of several; else text.
fn types(plan: &LogicalPlan, count: usize, said: &[Option<DataType>]) -> Result<Vec<DataType>> {
    let mut found = BTreeMap::new();
    let mut note = |placeholder: &Placeholder, data_type: &DataType| {
        if let (Some(place), false) = (place(&placeholder.id), data_type.is_null()) {
            found.entry(place).or_insert_with(|| plain(data_type));
        }
    };
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for rows in limit.skip.iter().chain(&limit.fetch) {
                if let Expr::Placeholder(placeholder) = rows.as_ref() {
                    note(placeholder, &DataType::Int64);
                }
            }
        }
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                match part {
                    Expr::Placeholder(placeholder) => {
                        if let Some(field) = &placeholder.field {
                            note(placeholder, field.data_type());
                        }
                    }
                    Expr::Cast(cast) => {
                        if let Expr::Placeholder(placeholder) = cast.expr.as_ref() {
                            note(placeholder, cast.field.data_type());
                        }
                    }
                    Expr::TryCast(cast) => {
                        if let Expr::Placeholder(placeholder) = cast.expr.as_ref() {
                            // What cannot be converted is NULL there, so a text must get so far.
                            note(placeholder, &DataType::Utf8);
                        }
                    }
                    Expr::ScalarFunction(function) => arguments(function, &schema, &mut note),
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    let worked_out = |place: usize| found.get(&place).cloned().unwrap_or(DataType::Utf8);
    Ok((0..count).map(|place| said.get(place).cloned().flatten().unwrap_or_else(|| worked_out(place))).collect())
}

/// The types that a function takes its parameters in, beside its other arguments.
fn arguments(function: &ScalarFunction, schema: &DFSchema, note: &mut impl FnMut(&Placeholder, &DataType)) {
    if !function.args.iter().any(|argument| matches!(argument, Expr::Placeholder(_))) {
        return;
    }
    let fields = function.args.iter().map(|argument| argument.to_field(schema).map(|(_, field)| field)).collect::<Result<Vec<_>>>();
    // What it does not take at all, the planner says.
    let Ok(fields) = fields.and_then(|fields| fields_with_udf(&fields, function.func.as_ref())) else { return };
    for (argument, field) in function.args.iter().zip(fields) {
        if let Expr::Placeholder(placeholder) = argument {
            note(placeholder, field.data_type());
        }
    }
}

/// The type as clients know it: how a table happens to hold its texts is none of theirs.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => plain(values),
        other => other.clone(),
    }
}

/// The plan with values in the place of parameters, which it may be computed to other types by. Columns keep their names.
fn bound(plan: LogicalPlan, values: &[ScalarValue]) -> Result<LogicalPlan> {
    if values.is_empty() {
        return Ok(plan);
    }
    let bound = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expression| {
            if !expression.exists(|part| Ok(matches!(part, Expr::Placeholder(_))))? {
                return Ok(Transformed::no(expression));
            }
            let name = names.save(&expression);
            let bound = expression.transform_up(|part| Ok(constant(part, values)))?;
            Ok(bound.update_data(|bound| name.restore(bound)))
        })?;
        node.map_data(|node| match node {
            LogicalPlan::Values(Values { values, schema: _ }) => LogicalPlanBuilder::values(values)?.build(),
            node => node.recompute_schema(),
        })
    })?;
    Ok(bound.data)
}

fn constant(part: Expr, values: &[ScalarValue]) -> Transformed<Expr> {
    match part {
        Expr::Placeholder(placeholder) => match place(&placeholder.id).and_then(|place| values.get(place)) {
            Some(value) => Transformed::yes(Expr::Literal(value.clone(), None)),
            // The plan is refused with it.
            None => Transformed::no(Expr::Placeholder(placeholder)),
        },
        other => Transformed::no(other),
    }
}

/// Fails where a value decides about the type of a column, which was told before.
fn same_types(described: &SchemaRef, bound: &SchemaRef) -> std::result::Result<(), Error> {
    let changed = described.fields().iter().zip(bound.fields()).find(|(told, is)| told.data_type() != is.data_type());
    match changed {
        Some((told, _)) => Err(Error::Plan(format!(
            "the type of column {} depends on the value of a parameter; cast the column, or write the value into the question",
            told.name()
        ))),
        None => Ok(()),
    }
}

/// The values, in the types of the parameters.
fn values(given: &RecordBatch, types: &[DataType]) -> std::result::Result<Vec<ScalarValue>, Error> {
    if given.num_columns() != types.len() {
        return Err(Error::Parameter(format!(
            "the question has {} and {} were given; give one for each of $1, $2 and so on",
            match types.len() {
                1 => "1 parameter".to_owned(),
                count => format!("{count} parameters"),
            },
            given.num_columns()
        )));
    }
    if given.num_rows() != 1 && !types.is_empty() {
        return Err(Error::Parameter(format!("{} rows of values were given; give one", given.num_rows())));
    }
    given.columns().iter().zip(types).enumerate().map(|(place, (column, wanted))| value(place, column, wanted)).collect()
}

fn value(place: usize, column: &ArrayRef, wanted: &DataType) -> std::result::Result<ScalarValue, Error> {
    let number = place.saturating_add(1);
    let unfit = || {
        Error::Parameter(format!(
            "the value of ${number} is not exactly one of type {wanted}; give one that is, or cast the parameter, as in cast(${number} as text)"
        ))
    };
    if column.data_type().is_null() || column.is_null(0) {
        return ScalarValue::try_new_null(wanted).map_err(|_| unfit());
    }
    let value = exactly(column, wanted).ok_or_else(unfit)?;
    ScalarValue::try_from_array(&value, 0).map_err(|_| unfit())
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The same value in another type; none where it would become another value.
fn exactly(column: &ArrayRef, wanted: &DataType) -> Option<ArrayRef> {
    let from = column.data_type();
    if from == wanted {
        return Some(Arc::clone(column));
    }
    // A number is no time and no truth, whatever it could be taken for.
    let kind = |data_type: &DataType| (data_type.is_temporal(), *data_type == DataType::Boolean);
    if !can_cast_types(from, wanted) || (kind(from) != kind(wanted) && !is_text(from) && !is_text(wanted)) {
        return None;
    }
    let strict = CastOptions { safe: false, format_options: FormatOptions::default() };
    let cast = |values: &ArrayRef, to: &DataType| cast_with_options(values, to, &strict).ok();
    let value = cast(column, wanted)?;
    let same = match (is_text(from), wanted) {
        (true, DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..)) => {
            // Else a text would be rounded to the digits that the type has.
            cast(column, &WIDE)?.to_data() == cast(&value, &WIDE)?.to_data()
        }
        (true, _) => true,
        (false, _) => cast(&value, from)?.to_data() == column.to_data(),
    };
    same.then_some(value)
}

/// The values as a text for the record: who asked with which is part of what was asked.
pub(crate) fn told(values: &RecordBatch) -> String {
    let mut told = String::new();
    for (place, column) in values.columns().iter().enumerate() {
        let value = match column.is_empty() || column.data_type().is_null() || column.is_null(0) {
            true => "NULL".to_owned(),
            false => array_value_to_string(column, 0).unwrap_or_else(|_| "a value that has no text".to_owned()),
        };
        let before = if place == 0 { "" } else { ", " };
        told.push_str(&format!("{before}${} = {value}", place.saturating_add(1)));
        if told.len() > TOLD_BYTES_MAX {
            let end = (0..=TOLD_BYTES_MAX).rev().find(|end| told.is_char_boundary(*end)).unwrap_or(0);
            told.truncate(end);
            told.push_str(" (and more)");
            break;
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Float64Array, Int64Array, StringArray, TimestampNanosecondArray};
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn a_parameter_is_a_dollar_and_a_number() {
        assert_eq!((place("$1"), place("$32767")), (Some(0), Some(32_766)));
        for wrong in ["$0", "$01", "$+1", "$", "$a", "$1a", "?", "?1", ":a", "1", "$99999999999999999999"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
        let names = |names: &[&str]| count(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!((names(&[]).unwrap(), names(&["$2", "$1", "$2"]).unwrap(), names(&["$7"]).unwrap()), (0, 2, 7));
        assert!(matches!(names(&["$1", "$from"]), Err(Error::Refused(_))));
        assert!(matches!(names(&["$32768"]), Err(Error::TooLong { .. })));
    }

    #[test]
    fn a_value_is_taken_in_another_type_where_it_stays_the_same() {
        let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
        let cents = DataType::Decimal128(10, 2);
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let taken: [(ArrayRef, &DataType); 13] = [
            (text("12"), &DataType::Int64),
            (text("1.5"), &DataType::Float64),
            (text("12.50"), &cents),
            (text("12.500"), &cents),
            (text("2013-01-01"), &DataType::Date32),
            (text("2013-01-01T10:00:00"), &micros),
            (text("true"), &DataType::Boolean),
            (text("x"), &DataType::Utf8View),
            (Arc::new(Int64Array::from(vec![127])), &DataType::Int8),
            (Arc::new(Int64Array::from(vec![12])), &DataType::Utf8),
            (Arc::new(Float64Array::from(vec![3.0])), &DataType::Int64),
            (Arc::new(Float64Array::from(vec![0.25])), &cents),
            (Arc::new(TimestampNanosecondArray::from(vec![1_000])), &micros),
        ];
        for (column, wanted) in taken {
            assert!(exactly(&column, wanted).is_some_and(|value| value.data_type() == wanted), "{column:?} {wanted}");
        }
        let refused: [(ArrayRef, &DataType); 11] = [
            (text("zugspitze"), &DataType::Int64),
            (text("1.5"), &DataType::Int64),
            (text("12.345"), &cents),
            (text("99999999999"), &cents),
            (text("2013-13-01"), &DataType::Date32),
            (Arc::new(Int64Array::from(vec![128])), &DataType::Int8),
            (Arc::new(Int64Array::from(vec![1])), &micros),
            (Arc::new(Int64Array::from(vec![1])), &DataType::Boolean),
            (Arc::new(BooleanArray::from(vec![true])), &DataType::Int64),
            (Arc::new(Float64Array::from(vec![1.5])), &DataType::Int64),
            (Arc::new(TimestampNanosecondArray::from(vec![1_001])), &micros),
        ];
        for (column, wanted) in refused {
            let error = value(6, &column, wanted).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("bind parameters: the value of $7 is not exactly one of type {wanted};")),
                "{error}"
            );
        }
    }

    #[test]
    fn values_are_told_in_short() {
        let batch = |text: &str| {
            let columns =
                [("a", Arc::new(Int64Array::from(vec![None, Some(1)])) as ArrayRef), ("b", Arc::new(StringArray::from(vec![text, ""])))];
            RecordBatch::try_from_iter(columns).unwrap().slice(0, 1)
        };
        assert_eq!(told(&batch("it's")), "$1 = NULL, $2 = it's");
        let long = told(&batch(&"ü".repeat(TOLD_BYTES_MAX)));
        assert!(long.ends_with(" (and more)") && long.len() < TOLD_BYTES_MAX + 20);
    }
}
