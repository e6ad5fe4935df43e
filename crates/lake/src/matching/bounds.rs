//! Which files and row groups cannot hold a key of a part of a batch, by what their statistics say of the key's columns.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{ScalarValue, Statistics};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator as _;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

/// So many values of a column are kept one by one; of more only the least and the greatest are.
const VALUES_MAX: usize = 1 << 14;

/// See the module.
#[derive(Default)]
pub(crate) struct Bounds(Vec<Column>);

struct Column {
    name: String,
    ty: DataType,
    min: ScalarValue,
    max: ScalarValue,
    /// Sorted once all are there; none when they are too many.
    values: Option<Vec<ScalarValue>>,
}

impl Bounds {
    /// Of no key yet.
    pub(crate) fn new(schema: &SchemaRef) -> Self {
        let columns = schema.fields().iter().filter_map(|field| {
            // Floats have zeros of two signs and numbers that are none, of which statistics say nothing.
            if matches!(field.data_type(), DataType::Float32 | DataType::Float64 | DataType::Binary | DataType::Boolean) {
                return None;
            }
            let none = ScalarValue::try_from(field.data_type()).ok()?;
            let ty = field.data_type().clone();
            Some(Column { name: field.name().clone(), ty, min: none.clone(), max: none, values: Some(Vec::new()) })
        });
        Self(columns.collect())
    }

    /// Takes the keys of a batch.
    pub(crate) fn take(&mut self, batch: &RecordBatch) {
        // A column of which the bounds are not known excludes nothing.
        self.0.retain_mut(|column| column.take(batch).is_some());
    }

    /// Makes it ready to be asked.
    pub(crate) fn finish(mut self) -> Self {
        for values in self.0.iter_mut().filter_map(|column| column.values.as_mut()) {
            values.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
            values.dedup();
        }
        self
    }

    /// Whether no row of a file can have one of the keys. `scanned` is the schema of the statistics.
    pub(crate) fn exclude_file(&self, scanned: &SchemaRef, statistics: &Statistics) -> bool {
        self.0.iter().any(|column| {
            let of = scanned.index_of(&column.name).ok().and_then(|place| statistics.column_statistics.get(place));
            // A scan gives text in another form.
            let stored = |value: &ScalarValue| value.cast_to(&column.ty).ok();
            let bounds = of.and_then(|of| stored(of.min_value.get_value()?).zip(stored(of.max_value.get_value()?)));
            bounds.is_some_and(|(min, max)| column.excludes(&min, &max))
        })
    }

    /// Whether no row of a row group can have one of the keys.
    pub(crate) fn exclude_group(&self, metadata: &ArrowReaderMetadata, group: usize) -> bool {
        let Some(group) = metadata.metadata().row_groups().get(group) else { return false };
        self.0.iter().any(|column| {
            let bounds = || {
                let converter = StatisticsConverter::try_new(&column.name, metadata.schema(), metadata.parquet_schema()).ok()?;
                let min = converter.row_group_mins(std::iter::once(group)).ok()?;
                let max = converter.row_group_maxes(std::iter::once(group)).ok()?;
                Some((ScalarValue::try_from_array(&min, 0).ok()?, ScalarValue::try_from_array(&max, 0).ok()?))
            };
            bounds().is_some_and(|(min, max)| column.excludes(&min, &max))
        })
    }
}

impl Column {
    fn take(&mut self, batch: &RecordBatch) -> Option<()> {
        let array = batch.column_by_name(&self.name).filter(|array| array.data_type() == &self.ty)?;
        let mut least = MinAccumulator::try_new(&self.ty).ok()?;
        let mut greatest = MaxAccumulator::try_new(&self.ty).ok()?;
        least.update_batch(std::slice::from_ref(array)).ok()?;
        greatest.update_batch(std::slice::from_ref(array)).ok()?;
        let (least, greatest) = (least.evaluate().ok()?, greatest.evaluate().ok()?);
        if !least.is_null() && (self.min.is_null() || least < self.min) {
            self.min = least;
        }
        if !greatest.is_null() && (self.max.is_null() || greatest > self.max) {
            self.max = greatest;
        }
        if let Some(mut values) = self.values.take()
            && values.len().saturating_add(array.len()) <= VALUES_MAX
        {
            for row in 0..array.len() {
                values.push(ScalarValue::try_from_array(array, row).ok()?);
            }
            self.values = Some(values);
        }
        Some(())
    }

    /// Whether no key lies between these.
    fn excludes(&self, min: &ScalarValue, max: &ScalarValue) -> bool {
        if min.is_null() || max.is_null() || self.min.is_null() {
            return false;
        }
        if max < &self.min || min > &self.max {
            return true;
        }
        let Some(values) = &self.values else { return false };
        let first = values.partition_point(|value| value < min);
        values.get(first).is_none_or(|value| value > max)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::*;

    fn of(batches: Vec<RecordBatch>) -> Bounds {
        let mut bounds = Bounds::new(&batches[0].schema());
        batches.iter().for_each(|batch| bounds.take(batch));
        bounds.finish()
    }

    fn numbers(values: Vec<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(values)) as ArrayRef)]).unwrap()
    }

    fn excludes(bounds: &Bounds, min: i64, max: i64) -> bool {
        bounds.0.iter().any(|column| column.excludes(&ScalarValue::from(min), &ScalarValue::from(max)))
    }

    #[test]
    fn gaps_between_a_few_values_exclude_and_those_between_many_do_not() {
        let few = of(vec![numbers(vec![500, 5]), numbers(vec![100])]);
        for (min, max, excluded) in [
            (0, 4, true),
            (0, 5, false),
            (6, 99, true),
            (6, 100, false),
            (100, 100, false),
            (101, 499, true),
            (501, 900, true),
            (0, 900, false),
        ] {
            assert_eq!(excludes(&few, min, max), excluded, "{min} to {max}");
        }
        let many = of(vec![numbers((0..20_000).map(|value| value * 100).collect())]);
        assert!(!excludes(&many, 1, 2) && excludes(&many, -9, -1) && excludes(&many, 2_000_000, 2_000_001));
    }

    #[test]
    fn what_has_no_order_excludes_nothing() {
        let floats = RecordBatch::try_from_iter([("n", Arc::new(Float64Array::from(vec![1.0])) as ArrayRef)]).unwrap();
        assert!(of(vec![floats]).0.is_empty());
        let text = RecordBatch::try_from_iter([("n", Arc::new(StringArray::from(vec!["m"])) as ArrayRef)]).unwrap();
        let bounds = of(vec![text]);
        let column = &bounds.0[0];
        assert!(column.excludes(&ScalarValue::from("a"), &ScalarValue::from("l")));
        assert!(!column.excludes(&ScalarValue::from("a"), &ScalarValue::from("n")));
        // Types that differ say nothing.
        assert!(!column.excludes(&ScalarValue::from(1i64), &ScalarValue::from(2i64)));
        assert!(!column.excludes(&ScalarValue::Utf8(None), &ScalarValue::Utf8(None)));
    }
}
