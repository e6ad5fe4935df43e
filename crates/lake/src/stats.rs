//! Statistics of data files: taken from the footers of the stored files, kept in the table log, given to the planner.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, Schema, TimeUnit};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The `stats` of a Delta `add`, for flat columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileStats {
    pub num_records: u64,
    /// False when a bound is not a value of the column (long text is cut).
    #[serde(default)]
    pub tight_bounds: bool,
    #[serde(default)]
    pub min_values: Map<String, Value>,
    #[serde(default)]
    pub max_values: Map<String, Value>,
    #[serde(default)]
    pub null_count: Map<String, Value>,
}

impl FileStats {
    /// The statistics that a stored file's footer holds.
    pub(crate) fn from_footer(schema: &Schema, footer: &ParquetMetaData) -> parquet::errors::Result<Self> {
        let mut stats = Self { num_records: rows(footer), tight_bounds: true, ..Self::default() };
        let parquet_schema = footer.file_metadata().schema_descr();
        for field in schema.fields() {
            let converter = StatisticsConverter::try_new(field.name(), schema, parquet_schema)?;
            let groups = || footer.row_groups().iter();
            let nulls = converter.row_group_null_counts(groups())?;
            if nulls.null_count() == 0 {
                stats.null_count.insert(field.name().clone(), Value::from(nulls.values().iter().sum::<u64>()));
            }
            let mins = converter.row_group_mins(groups())?;
            let maxes = converter.row_group_maxes(groups())?;
            let all_null = converter.row_group_null_counts(groups())?;
            let Some((min, max)) = bounds(&mins, &maxes, &all_null, footer) else { continue };
            if is_text(field.data_type()) {
                let exact = |exact: BooleanArray| exact.iter().all(|flag| flag != Some(false));
                let tight =
                    exact(converter.row_group_is_min_value_exact(groups())?) && exact(converter.row_group_is_max_value_exact(groups())?);
                stats.tight_bounds &= tight;
            }
            if let (Some(min), Some(max)) = (to_json(&min), to_json(&max)) {
                stats.min_values.insert(field.name().clone(), min);
                stats.max_values.insert(field.name().clone(), max);
            }
        }
        Ok(stats)
    }

    /// What the planner is told about a file of `schema` (the scan's schema).
    pub(crate) fn to_planner(&self, schema: &Schema, bytes: u64) -> Statistics {
        let rows = usize::try_from(self.num_records).unwrap_or(usize::MAX);
        let columns: Vec<ColumnStatistics> = schema
            .fields()
            .iter()
            .map(|field| {
                let value = |map: &Map<String, Value>| {
                    let bound = map.get(field.name()).and_then(|value| from_json(value, field.data_type()));
                    match bound {
                        // A cut text bounds the column and is not in it.
                        Some(bound) if is_text(field.data_type()) => Precision::Inexact(bound),
                        Some(bound) => Precision::Exact(bound),
                        None => Precision::Absent,
                    }
                };
                let nulls = self.null_count.get(field.name()).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
                let mut column = ColumnStatistics::new_unknown();
                column.null_count = nulls.map_or(Precision::Absent, Precision::Exact);
                column.min_value = value(&self.min_values);
                column.max_value = value(&self.max_values);
                if let Some(width) = field.data_type().primitive_width() {
                    column.byte_size = Precision::Exact(rows.saturating_mul(width));
                }
                column
            })
            .collect();
        let width: usize = schema.fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(TEXT_WIDTH_BYTES)).sum();
        let stored = usize::try_from(bytes).unwrap_or(usize::MAX);
        Statistics {
            num_rows: Precision::Exact(rows),
            total_byte_size: Precision::Inexact(rows.saturating_mul(width).max(stored)),
            column_statistics: columns,
        }
    }
}

/// What the planner is told about a file of which `deleted` rows are not in the table: bounds stay bounds, and need not be values any
/// more. How many of the rows that are left hold NULL is known where none did, or all.
pub(crate) fn thinned(whole: &Statistics, deleted: u64) -> Statistics {
    let (Some(rows), Ok(deleted)) = (whole.num_rows.get_value().copied(), usize::try_from(deleted)) else {
        return whole.clone().to_inexact();
    };
    let left = rows.saturating_sub(deleted);
    let column = |column: &ColumnStatistics| {
        let mut known = ColumnStatistics::new_unknown();
        known.min_value = column.min_value.clone().to_inexact();
        known.max_value = column.max_value.clone().to_inexact();
        known.null_count = match column.null_count {
            Precision::Exact(0) => Precision::Exact(0),
            Precision::Exact(nulls) if nulls == rows => Precision::Exact(left),
            _ => Precision::Absent,
        };
        known.byte_size = match column.byte_size {
            // Of columns of fixed width.
            Precision::Exact(bytes) => {
                bytes.checked_div(rows).map_or(Precision::Absent, |width| Precision::Exact(width.saturating_mul(left)))
            }
            _ => Precision::Absent,
        };
        known
    };
    let bytes = whole.total_byte_size.get_value().copied().unwrap_or_default();
    Statistics {
        num_rows: Precision::Exact(left),
        total_byte_size: Precision::Inexact((bytes / rows.max(1)).saturating_mul(left)),
        column_statistics: whole.column_statistics.iter().map(column).collect(),
    }
}

/// A guess at the memory that a text takes in a batch.
const TEXT_WIDTH_BYTES: usize = 32;

/// Rows of a file, summed over its row groups.
pub(crate) fn rows(footer: &ParquetMetaData) -> u64 {
    footer.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).sum()
}

fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::Utf8View | DataType::Binary | DataType::BinaryView)
}

/// The least and greatest value over the row groups; `None` unless every row group with a value gives both bounds.
fn bounds(
    mins: &ArrayRef,
    maxes: &ArrayRef,
    nulls: &arrow::array::UInt64Array,
    footer: &ParquetMetaData,
) -> Option<(ScalarValue, ScalarValue)> {
    let mut found: Option<(ScalarValue, ScalarValue)> = None;
    for (index, group) in footer.row_groups().iter().enumerate() {
        let only_nulls = nulls.is_valid(index) && i64::try_from(nulls.value(index)).ok() == Some(group.num_rows());
        if only_nulls {
            continue;
        }
        if mins.is_null(index) || maxes.is_null(index) {
            return None;
        }
        let min = ScalarValue::try_from_array(mins, index).ok()?;
        let max = ScalarValue::try_from_array(maxes, index).ok()?;
        found = Some(match found {
            None => (min, max),
            Some((least, greatest)) => (
                if min.partial_cmp(&least)?.is_lt() { min } else { least },
                if max.partial_cmp(&greatest)?.is_gt() { max } else { greatest },
            ),
        });
    }
    found
}

/// A bound as the Delta protocol writes it; `None` for what JSON cannot hold exactly.
fn to_json(value: &ScalarValue) -> Option<Value> {
    Some(match value {
        ScalarValue::Boolean(_) | ScalarValue::Binary(_) => return None,
        ScalarValue::Int8(Some(number)) => Value::from(*number),
        ScalarValue::Int16(Some(number)) => Value::from(*number),
        ScalarValue::Int32(Some(number)) => Value::from(*number),
        ScalarValue::Int64(Some(number)) => Value::from(*number),
        // Not a number has no order, and the sign of zero is lost: no bound is better than a wrong one.
        ScalarValue::Float32(Some(number)) if number.is_finite() && *number != 0.0 => number.to_string().parse().ok().map(Value::Number)?,
        ScalarValue::Float64(Some(number)) if number.is_finite() && *number != 0.0 => number.to_string().parse().ok().map(Value::Number)?,
        ScalarValue::Utf8(Some(text)) => Value::from(text.as_str()),
        ScalarValue::Date32(Some(days)) => Value::from(date(*days)?.to_string()),
        ScalarValue::TimestampMicrosecond(Some(micros), zone) => {
            let at = DateTime::from_timestamp_micros(*micros)?;
            let text = at.to_rfc3339_opts(SecondsFormat::Micros, true);
            Value::from(if zone.is_some() { text } else { text.trim_end_matches('Z').to_owned() })
        }
        ScalarValue::Decimal128(Some(unscaled), _, scale) => Value::Number(decimal_text(*unscaled, *scale)?.parse().ok()?),
        _ => return None,
    })
}

fn date(days: i32) -> Option<NaiveDate> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    let date = epoch.checked_add_signed(chrono::TimeDelta::days(i64::from(days)))?;
    // Years beyond four digits are written with a sign that other readers do not take.
    (0..=9999).contains(&chrono::Datelike::year(&date)).then_some(date)
}

fn decimal_text(unscaled: i128, scale: i8) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale.checked_add(1)?);
    let (whole, part) = digits.split_at(digits.len().checked_sub(scale)?);
    let sign = if unscaled < 0 { "-" } else { "" };
    Some(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") })
}

fn from_json(value: &Value, ty: &DataType) -> Option<ScalarValue> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    Some(match ty {
        DataType::Int8 => ScalarValue::Int8(Some(text.parse().ok()?)),
        DataType::Int16 => ScalarValue::Int16(Some(text.parse().ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(text.parse().ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(text.parse().ok()?)),
        DataType::Float32 => ScalarValue::Float32(Some(text.parse().ok()?)),
        DataType::Float64 => ScalarValue::Float64(Some(text.parse().ok()?)),
        DataType::Utf8 => ScalarValue::Utf8(Some(text)),
        DataType::Utf8View => ScalarValue::Utf8View(Some(text)),
        DataType::Date32 => {
            let date: NaiveDate = text.parse().ok()?;
            let days = date.signed_duration_since(NaiveDate::from_ymd_opt(1970, 1, 1)?).num_days();
            ScalarValue::Date32(Some(i32::try_from(days).ok()?))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let text = if text.ends_with('Z') { text } else { format!("{text}Z") };
            let at = DateTime::parse_from_rfc3339(&text).ok()?;
            ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), zone.clone())
        }
        DataType::Decimal128(precision, scale) => ScalarValue::Decimal128(Some(decimal_value(&text, *scale)?), *precision, *scale),
        _ => return None,
    })
}

fn decimal_value(text: &str, scale: i8) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if part.len() > scale {
        return None;
    }
    let unscaled: i128 = format!("{whole}{part:0<scale$}").parse().ok()?;
    Some(if negative { -unscaled } else { unscaled })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn back(value: &ScalarValue) -> Option<ScalarValue> {
        // Through text, as the table log keeps it.
        let text = serde_json::to_string(&to_json(value)?).unwrap();
        from_json(&serde_json::from_str(&text).unwrap(), &value.data_type())
    }

    fn value() -> impl Strategy<Value = ScalarValue> {
        let unscaled = -(10i128.pow(37))..10i128.pow(37);
        prop_oneof![
            any::<i64>().prop_map(|number| ScalarValue::Int64(Some(number))),
            any::<i32>().prop_map(|number| ScalarValue::Int32(Some(number))),
            any::<i8>().prop_map(|number| ScalarValue::Int8(Some(number))),
            any::<f64>().prop_map(|number| ScalarValue::Float64(Some(number))),
            any::<f32>().prop_map(|number| ScalarValue::Float32(Some(number))),
            (-719_000..2_900_000i32).prop_map(|days| ScalarValue::Date32(Some(days))),
            (-62_000_000_000_000_000..250_000_000_000_000_000i64).prop_map(|at| ScalarValue::TimestampMicrosecond(Some(at), None)),
            any::<i32>().prop_map(|at| ScalarValue::TimestampMicrosecond(Some(i64::from(at)), Some("UTC".into()))),
            (unscaled, 0i8..38).prop_map(|(number, scale)| ScalarValue::Decimal128(Some(number), 38, scale)),
            any::<String>().prop_map(|text| ScalarValue::Utf8(Some(text))),
        ]
    }

    proptest! {
        #[test]
        fn a_bound_comes_back_exactly_or_not_at_all(value in value()) {
            if let Some(back) = back(&value) {
                prop_assert_eq!(back, value);
            } else {
                let unkept = matches!(value, ScalarValue::Float64(_) | ScalarValue::Float32(_));
                prop_assert!(unkept, "{:?}", value);
            }
        }
    }

    #[test]
    fn what_json_does_not_hold_is_no_bound() {
        for value in [f64::NAN, f64::INFINITY, -0.0, 0.0] {
            assert_eq!(to_json(&ScalarValue::Float64(Some(value))), None, "{value}");
        }
        assert_eq!(to_json(&ScalarValue::Date32(Some(i32::MAX))), None);
        assert_eq!(decimal_value("1.234", 2), None);
        assert_eq!(decimal_text(-5, 2).unwrap(), "-0.05");
    }
}
