//! Sums of integers and durations that are right or fail, where the engine's own would wrap round to another number and say
//! nothing. They are added up in 128 bits, so neither the order of rows nor what threads hold in between makes a difference: a
//! sum fails when the sum itself does not fit its type, and only then. The type stays that of the engine, so that columns of
//! models keep theirs; `sum(cast(n as decimal(38, 0)))` has room for more.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, AsArray, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Field, FieldRef, Int64Type, TimeUnit, UInt64Type,
};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, Expr, GroupsAccumulator, Operator, ReversedUDAF, SetMonotonicity,
    Signature, StatisticsArgs,
};
use datafusion::physical_expr::NullState;

/// The function in the place of the engine's `sum`.
pub(crate) fn checked(sum: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(CheckedSum(sum)))
}

/// A type whose values fit 128 bits with room for as many of them as there can be.
trait Narrow: ArrowPrimitiveType<Native: Into<i128> + TryFrom<i128> + ArrowNativeTypeOp + Hash + Eq> + Debug + Send + Sync {}

impl<T> Narrow for T where T: ArrowPrimitiveType<Native: Into<i128> + TryFrom<i128> + ArrowNativeTypeOp + Hash + Eq> + Debug + Send + Sync {}

/// What sums are held in between, in rows that threads and spills pass on.
const STATE: DataType = DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0);

/// Runs a function with the type that a sum adds up, or something else for types that do not wrap round.
macro_rules! narrow {
    ($of:expr, $function:ident($($argument:expr),*), $other:expr) => {
        match $of {
            DataType::Int64 => $function::<Int64Type>($($argument),*),
            DataType::UInt64 => $function::<UInt64Type>($($argument),*),
            DataType::Duration(TimeUnit::Second) => $function::<DurationSecondType>($($argument),*),
            DataType::Duration(TimeUnit::Millisecond) => $function::<DurationMillisecondType>($($argument),*),
            DataType::Duration(TimeUnit::Microsecond) => $function::<DurationMicrosecondType>($($argument),*),
            DataType::Duration(TimeUnit::Nanosecond) => $function::<DurationNanosecondType>($($argument),*),
            _ => $other,
        }
    };
}

fn is_narrow(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int64 | DataType::UInt64 | DataType::Duration(_))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum(Arc<AggregateUDF>);

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let of = args.return_field.data_type().clone();
        if args.is_distinct && is_narrow(&of) {
            return Ok(Box::new(DistinctSum { distinct: self.0.accumulator(args)?, of }));
        }
        narrow!(&of, running(&of), self.0.accumulator(args))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if args.is_distinct || !is_narrow(args.return_field.data_type()) {
            return self.0.state_fields(args);
        }
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "sum"), STATE, true))])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.0.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let of = args.return_field.data_type().clone();
        narrow!(&of, grouped(&of), self.0.create_groups_accumulator(args))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let of = args.return_field.data_type().clone();
        if args.is_distinct {
            return narrow!(&of, sliding_distinct(&of), self.0.create_sliding_accumulator(args));
        }
        narrow!(&of, running(&of), self.0.create_sliding_accumulator(args))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.0.inner().set_monotonicity(data_type)
    }

    /// `sum(a + 1)` as `sum(a) + 1 * count(a)` would multiply unchecked.
    fn simplify_expr_op_literal(
        &self,
        function: &AggregateFunction,
        argument: &Expr,
        operator: Operator,
        literal: &Expr,
        argument_is_left: bool,
    ) -> Result<Option<Expr>> {
        match literal {
            Expr::Literal(value, _) if value.data_type().is_floating() => {
                self.0.inner().simplify_expr_op_literal(function, argument, operator, literal, argument_is_left)
            }
            _ => Ok(None),
        }
    }

    /// Sums in statistics may have wrapped round.
    fn value_from_stats(&self, args: &StatisticsArgs) -> Option<ScalarValue> {
        if is_narrow(args.return_type) { None } else { self.0.value_from_stats(args) }
    }
}

fn overflow() -> DataFusionError {
    ArrowError::ArithmeticOverflow("sum".to_owned()).into()
}

fn scalar<T: Narrow>(sum: Option<i128>, of: &DataType) -> Result<ScalarValue> {
    let sum = sum.map(|sum| T::Native::try_from(sum).map_err(|_| overflow())).transpose()?;
    ScalarValue::new_primitive::<T>(sum, of)
}

/// How many values are there, and their sum.
fn add_up<T: Narrow>(values: &PrimitiveArray<T>) -> (usize, i128) {
    let all = values.values();
    let sum = match values.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => all.iter().fold(0i128, |sum, value| sum.wrapping_add((*value).into())),
        Some(nulls) => nulls.valid_indices().filter_map(|index| all.get(index)).fold(0i128, |sum, value| sum.wrapping_add((*value).into())),
    };
    (values.len() - values.null_count(), sum)
}

fn first(arrays: &[ArrayRef]) -> Result<&ArrayRef> {
    arrays.first().ok_or_else(|| DataFusionError::Internal("sum was called without an argument".to_owned()))
}

/// One sum; also of a window that slides.
#[derive(Debug)]
struct RunningSum<T> {
    sum: i128,
    count: u64,
    of: DataType,
    narrow: std::marker::PhantomData<T>,
}

fn running<T: Narrow>(of: &DataType) -> Result<Box<dyn Accumulator>> {
    Ok(Box::new(RunningSum::<T> { sum: 0, count: 0, of: of.clone(), narrow: std::marker::PhantomData }))
}

impl<T: Narrow> Accumulator for RunningSum<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (count, sum) = add_up(first(values)?.as_primitive::<T>());
        self.sum = self.sum.wrapping_add(sum);
        self.count += count as u64;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (count, sum) = add_up(first(values)?.as_primitive::<T>());
        self.sum = self.sum.wrapping_sub(sum);
        self.count = self.count.saturating_sub(count as u64);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for sum in first(states)?.as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum = self.sum.wrapping_add(sum);
            self.count += 1;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128((self.count > 0).then_some(self.sum), DECIMAL128_MAX_PRECISION, 0)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        scalar::<T>((self.count > 0).then_some(self.sum), &self.of)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The sum of values that the engine's own accumulator finds to be distinct.
#[derive(Debug)]
struct DistinctSum {
    distinct: Box<dyn Accumulator>,
    of: DataType,
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.distinct.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.distinct.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.distinct.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let missing = || DataFusionError::Internal("the distinct values of a sum are no list".to_owned());
        let values = match self.distinct.state()?.first() {
            Some(ScalarValue::List(lists)) => Arc::clone(lists.values()),
            _ => return Err(missing()),
        };
        narrow!(&self.of, all_of(&values, &self.of), Err(missing()))
    }

    fn size(&self) -> usize {
        self.distinct.size().saturating_add(size_of_val(self))
    }
}

fn all_of<T: Narrow>(values: &ArrayRef, of: &DataType) -> Result<ScalarValue> {
    let (count, sum) = add_up(values.as_primitive::<T>());
    scalar::<T>((count > 0).then_some(sum), of)
}

/// The sum of distinct values of a window that slides.
#[derive(Debug)]
struct SlidingDistinct<T: ArrowPrimitiveType> {
    seen: HashMap<T::Native, u64>,
    sum: i128,
    of: DataType,
}

fn sliding_distinct<T: Narrow>(of: &DataType) -> Result<Box<dyn Accumulator>> {
    Ok(Box::new(SlidingDistinct::<T> { seen: HashMap::new(), sum: 0, of: of.clone() }))
}

impl<T: Narrow> Accumulator for SlidingDistinct<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in first(values)?.as_primitive::<T>().iter().flatten() {
            let times = self.seen.entry(value).or_default();
            if *times == 0 {
                self.sum = self.sum.wrapping_add(value.into());
            }
            *times += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in first(values)?.as_primitive::<T>().iter().flatten() {
            let Some(times) = self.seen.get_mut(&value) else { continue };
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.seen.remove(&value);
                self.sum = self.sum.wrapping_sub(value.into());
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        Err(DataFusionError::Internal("windows are not merged".to_owned()))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Err(DataFusionError::Internal("windows are not merged".to_owned()))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        scalar::<T>((!self.seen.is_empty()).then_some(self.sum), &self.of)
    }

    fn size(&self) -> usize {
        size_of_val(self).saturating_add(self.seen.capacity().saturating_mul(size_of::<(T::Native, u64)>()))
    }
}

/// A sum for each group. What does not fit the type is held apart, since that is seldom.
#[derive(Debug)]
struct GroupedSums<T: ArrowPrimitiveType> {
    sums: Vec<T::Native>,
    apart: HashMap<usize, i128>,
    nulls: NullState,
    of: DataType,
}

fn grouped<T: Narrow>(of: &DataType) -> Result<Box<dyn GroupsAccumulator>> {
    Ok(Box::new(GroupedSums::<T> { sums: Vec::new(), apart: HashMap::new(), nulls: NullState::new(), of: of.clone() }))
}

/// Adds a value to the sum of its group.
fn add<T: Narrow>(sums: &mut [T::Native], apart: &mut HashMap<usize, i128>, group: usize, value: T::Native) {
    // Every group has its place: `resize` made it.
    let Some(sum) = sums.get_mut(group) else { return };
    match sum.add_checked(value) {
        Ok(more) => *sum = more,
        Err(_) => {
            let apart = apart.entry(group).or_default();
            *apart = apart.wrapping_add((*sum).into()).wrapping_add(value.into());
            *sum = T::Native::ZERO;
        }
    }
}

impl<T: Narrow> GroupedSums<T> {
    /// The sums of the groups that go, and where there are none.
    fn take(&mut self, emit: EmitTo) -> (Vec<i128>, Option<NullBuffer>) {
        let sums = emit.take_needed(&mut self.sums);
        let mut gone = std::mem::take(&mut self.apart);
        if let EmitTo::First(count) = emit {
            self.apart = gone.extract_if(|group, _| *group >= count).map(|(group, sum)| (group - count, sum)).collect();
        }
        let whole = |(group, sum): (usize, T::Native)| {
            let apart = if gone.is_empty() { 0 } else { gone.get(&group).copied().unwrap_or_default() };
            apart.wrapping_add(sum.into())
        };
        (sums.into_iter().enumerate().map(whole).collect(), self.nulls.build(emit))
    }
}

fn states(sums: Vec<i128>, nulls: Option<NullBuffer>) -> Vec<ArrayRef> {
    vec![Arc::new(Decimal128Array::new(sums.into(), nulls).with_data_type(STATE))]
}

impl<T: Narrow> GroupsAccumulator for GroupedSums<T> {
    fn update_batch(&mut self, values: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>, count: usize) -> Result<()> {
        self.sums.resize(count, T::Native::ZERO);
        let (sums, apart) = (&mut self.sums, &mut self.apart);
        let values = first(values)?.as_primitive::<T>();
        self.nulls.accumulate(groups, values, filter, count, |group, value| add::<T>(sums, apart, group, value));
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.sums.resize(count, T::Native::ZERO);
        let (sums, apart) = (&mut self.sums, &mut self.apart);
        let values = first(values)?.as_primitive::<Decimal128Type>();
        self.nulls.accumulate(groups, values, None, count, |group, value| match T::Native::try_from(value) {
            Ok(value) => add::<T>(sums, apart, group, value),
            Err(_) => {
                let apart = apart.entry(group).or_default();
                *apart = apart.wrapping_add(value);
            }
        });
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let (sums, nulls) = self.take(emit);
        let sums: Result<Vec<T::Native>> = sums.into_iter().map(|sum| T::Native::try_from(sum).map_err(|_| overflow())).collect();
        Ok(Arc::new(PrimitiveArray::<T>::new(sums?.into(), nulls).with_data_type(self.of.clone())))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, nulls) = self.take(emit);
        Ok(states(sums, nulls))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = first(values)?.as_primitive::<T>();
        // NULL in a filter is no.
        let kept = filter.map(|filter| match filter.nulls() {
            Some(nulls) => NullBuffer::new(filter.values() & nulls.inner()),
            None => NullBuffer::new(filter.values().clone()),
        });
        let nulls = NullBuffer::union(values.nulls(), kept.as_ref());
        Ok(states(values.values().iter().map(|value| (*value).into()).collect(), nulls))
    }

    fn size(&self) -> usize {
        let sums = self.sums.capacity().saturating_mul(size_of::<T::Native>());
        let apart = self.apart.capacity().saturating_mul(size_of::<(usize, i128)>());
        sums.saturating_add(apart).saturating_add(self.nulls.size())
    }
}
