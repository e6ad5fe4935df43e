//! Masks that keep a part of the value: prefixes, periods, steps.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, PrimitiveArray, StringArray};

use crate::column::ColumnType;
use crate::mask::Period;
use crate::parse::calendar::{MICROS_PER_DAY, civil};

/// The first characters of each text.
pub fn prefixes(array: &ArrayRef, characters: usize) -> ArrayRef {
    let cut = |text: &'_ str| text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let strings = array.as_string::<i32>();
    Arc::new(strings.iter().map(|text| text.and_then(|text| text.get(..cut(text)))).collect::<StringArray>())
}

/// Days since 1970-01-01 of the first day of a day's period.
fn first_day(days: i64, period: Period) -> i64 {
    let (_, month, day) = civil(days);
    let first_of_month = days - (day - 1);
    let months = match period {
        Period::Month => 0,
        Period::Quarter => (month - 1) % 3,
        Period::Year => month - 1,
    };
    // A month back at a time: the day before the first of a month lies in the month before.
    (0..months).fold(first_of_month, |first, _| first - civil(first - 1).2)
}

/// Each date or moment at the beginning of its period.
pub fn beginnings(array: &ArrayRef, ty: ColumnType, period: Period) -> ArrayRef {
    match ty {
        ColumnType::Date => {
            let first = |days: i32| i32::try_from(first_day(i64::from(days), period)).unwrap_or(days);
            Arc::new(array.as_primitive::<Date32Type>().unary::<_, Date32Type>(first))
        }
        _ => {
            let first = |micros: i64| first_day(micros.div_euclid(MICROS_PER_DAY), period) * MICROS_PER_DAY;
            let moments = array.as_primitive::<TimestampMicrosecondType>();
            Arc::new(moments.unary::<_, TimestampMicrosecondType>(first).with_data_type(moments.data_type().clone()))
        }
    }
}

/// The name of each date's or moment's period.
pub fn names(array: &ArrayRef, ty: ColumnType, period: Period) -> ArrayRef {
    let name = |days: i64| {
        let (year, month, _) = civil(days);
        match period {
            Period::Year => format!("{year:04}"),
            Period::Quarter => format!("{year:04}-Q{}", (month + 2) / 3),
            Period::Month => format!("{year:04}-{month:02}"),
        }
    };
    let names: StringArray = match ty {
        ColumnType::Date => array.as_primitive::<Date32Type>().iter().map(|days| days.map(|days| name(i64::from(days)))).collect(),
        _ => {
            let moments = array.as_primitive::<TimestampMicrosecondType>().iter();
            moments.map(|micros| micros.map(|micros| name(micros.div_euclid(MICROS_PER_DAY)))).collect()
        }
    };
    Arc::new(names)
}

/// Each whole number at the beginning of its step.
pub fn whole_steps(array: &ArrayRef, ty: ColumnType, step: i128) -> ArrayRef {
    fn steps<T: ArrowPrimitiveType>(array: &ArrayRef, step: i128) -> PrimitiveArray<T>
    where
        T::Native: Into<i128> + TryFrom<i128>,
    {
        let least = |value: i128| value.checked_sub(value.rem_euclid(step));
        // Below the least multiple that the type holds, the least number stands for its step.
        let floor =
            |value: T::Native| least(value.into()).and_then(|least| T::Native::try_from(least).ok()).unwrap_or(T::Native::MIN_TOTAL_ORDER);
        array.as_primitive::<T>().unary::<_, T>(floor)
    }
    match ty {
        ColumnType::Int8 => Arc::new(steps::<Int8Type>(array, step)),
        ColumnType::Int16 => Arc::new(steps::<Int16Type>(array, step)),
        ColumnType::Int32 => Arc::new(steps::<Int32Type>(array, step)),
        ColumnType::Int64 => Arc::new(steps::<Int64Type>(array, step)),
        ColumnType::Decimal { precision, .. } => {
            let least = -crate::parse::number::power_of_ten(precision) + 1;
            let floor = |value: i128| value.checked_sub(value.rem_euclid(step)).map_or(least, |floor| floor.max(least));
            let values = array.as_primitive::<Decimal128Type>();
            Arc::new(values.unary::<_, Decimal128Type>(floor).with_data_type(values.data_type().clone()))
        }
        // The contract's reader lets no other type through.
        _ => Arc::clone(array),
    }
}

/// Each float at the beginning of its step.
pub fn float_steps(array: &ArrayRef, ty: ColumnType, step: f64) -> ArrayRef {
    let floor = |value: f64| (value / step).floor() * step;
    match ty {
        #[allow(clippy::cast_possible_truncation, reason = "the beginning of a step is coarse on purpose")]
        ColumnType::Float32 => {
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(|value| floor(f64::from(value)) as f32))
        }
        _ => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(floor)),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Decimal128Array, Float64Array, Int8Array, Int64Array, TimestampMicrosecondArray};

    use super::*;
    use crate::parse::calendar::{DAYS, days, write_date};

    #[test]
    fn every_day_has_its_date_and_lies_in_its_period() {
        for day in DAYS.step_by(13).chain([*DAYS.start(), *DAYS.end()]) {
            let (year, month, date) = civil(day);
            let back = days(year as u32, month as u32, date as u32).unwrap();
            assert_eq!(i64::from(back), day);
            let first = |month: i64| i64::from(days(year as u32, month as u32, 1).unwrap());
            assert_eq!(first_day(day, Period::Month), first(month));
            assert_eq!(first_day(day, Period::Quarter), first((month - 1) / 3 * 3 + 1));
            assert_eq!(first_day(day, Period::Year), first(1));
        }
        let mut text = String::new();
        write_date(-719_162, &mut text);
        assert_eq!(text, "0001-01-01");
    }

    fn shown(array: &ArrayRef) -> Vec<String> {
        let format = arrow::util::display::FormatOptions::default().with_null("-");
        let formatter = arrow::util::display::ArrayFormatter::try_new(array.as_ref(), &format).unwrap();
        (0..array.len()).map(|row| formatter.value(row).to_string()).collect()
    }

    #[test]
    fn texts_dates_and_numbers_are_made_coarse() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("75011"), Some("é€x"), Some("7"), None]));
        assert_eq!(shown(&prefixes(&texts, 2)), ["75", "é€", "7", "-"]);
        let dates: ArrayRef = Arc::new(Date32Array::from(vec![Some(15_887), None, Some(-1)]));
        assert_eq!(shown(&beginnings(&dates, ColumnType::Date, Period::Month)), ["2013-07-01", "-", "1969-12-01"]);
        assert_eq!(shown(&beginnings(&dates, ColumnType::Date, Period::Year)), ["2013-01-01", "-", "1969-01-01"]);
        assert_eq!(shown(&names(&dates, ColumnType::Date, Period::Quarter)), ["2013-Q3", "-", "1969-Q4"]);
        assert_eq!(shown(&names(&dates, ColumnType::Date, Period::Month)), ["2013-07", "-", "1969-12"]);
        let moments: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), Some(1), None]).with_timezone("UTC"));
        let first = beginnings(&moments, ColumnType::Timestamp { zone: true }, Period::Year);
        assert_eq!(shown(&first), ["1969-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "-"]);
        assert_eq!(first.data_type(), moments.data_type());
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(41), Some(-1), None, Some(i64::MIN)]));
        assert_eq!(shown(&whole_steps(&whole, ColumnType::Int64, 10)), ["40", "-10", "-", "-9223372036854775808"]);
        let small: ArrayRef = Arc::new(Int8Array::from(vec![-128, 127]));
        assert_eq!(shown(&whole_steps(&small, ColumnType::Int8, 10)), ["-128", "120"]);
        let decimals: ArrayRef = Arc::new(Decimal128Array::from(vec![1_999, -1, -999]).with_precision_and_scale(4, 2).unwrap());
        let ty = ColumnType::Decimal { precision: 4, scale: 2 };
        assert_eq!(shown(&whole_steps(&decimals, ty, 500)), ["15.00", "-5.00", "-10.00"]);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![41.9, -0.5, f64::INFINITY]));
        assert_eq!(shown(&float_steps(&floats, ColumnType::Float64, 2.5)), ["40.0", "-2.5", "inf"]);
    }
}
