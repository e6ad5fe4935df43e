//! Each mask on each type: NULL, empty, short and long texts, letters of several bytes, values at the edges.

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array, ListArray, NullArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow::compute::{DatePart, date_part};
use arrow::datatypes::{Int32Type, Int64Type};

use super::*;
use crate::tests::bed::Scrambled;

const TEXTS: [Option<&str>; 9] = [
    None,
    Some(""),
    Some("a"),
    Some("1234567"),
    Some("12345678"),
    Some("4711-0815-2222"),
    Some("ÄÖÜäöüß!"),
    Some("🦀🦀🦀🦀🦀🦀🦀🦀🦀"),
    Some("👩‍👩‍👧‍👦"),
];

fn forms(texts: &[Option<&str>]) -> [ArrayRef; 3] {
    [
        Arc::new(StringArray::from(texts.to_vec())),
        Arc::new(LargeStringArray::from(texts.to_vec())),
        Arc::new(StringViewArray::from(texts.to_vec())),
    ]
}

/// Everything that a table can hold and more.
fn others() -> Vec<ArrayRef> {
    let dictionary: DictionaryArray<Int32Type> = [Some("a text in a dictionary"), None].into_iter().collect();
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None]), None]);
    vec![
        Arc::new(BooleanArray::from(vec![Some(true), None])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None])),
        Arc::new(Float64Array::from(vec![Some(f64::NAN), None])),
        Arc::new(Decimal128Array::from(vec![Some(i128::from(i64::MAX)), None]).with_precision_and_scale(38, 4).unwrap()),
        Arc::new(Date32Array::from(vec![Some(i32::MAX), None])),
        Arc::new(Date64Array::from(vec![Some(i64::MIN), None])),
        Arc::new(TimestampSecondArray::from(vec![Some(i64::MAX), None])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(i64::MIN), None]).with_timezone("+02:00")),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(i64::MIN), None]).with_timezone("UTC")),
        Arc::new(TimestampNanosecondArray::from(vec![Some(i64::MAX), None])),
        Arc::new(BinaryArray::from(vec![Some(&[0u8, 255][..]), None])),
        Arc::new(dictionary),
        Arc::new(list),
        Arc::new(NullArray::new(2)),
    ]
}

fn shown(mask: Mask, data_type: &DataType) -> Shown {
    Shown::of(mask, data_type, || Ok::<_, ()>(Arc::new(Scrambled("key".to_owned())) as Arc<dyn KeyedMask>)).unwrap()
}

/// A column through a mask, held to what its field promises.
fn masked(mask: Mask, values: &ArrayRef) -> ArrayRef {
    let shown = shown(mask, values.data_type());
    let field = shown.field(&Field::new("x", values.data_type().clone(), false));
    let given = shown.looks().then_some(values);
    let array = shown.apply(given, field.data_type(), values.len());
    assert_eq!((array.data_type(), array.len()), (field.data_type(), values.len()), "{mask} of {}", values.data_type());
    assert!(field.is_nullable() || array.logical_null_count() == 0, "{mask} of {}", values.data_type());
    array
}

fn listed(values: &ArrayRef) -> Vec<Option<String>> {
    each(values, |text| Some(text.to_owned()))
}

#[test]
fn a_text_shows_at_most_half_of_itself() {
    let wanted = |texts: [Option<&str>; 9]| texts.map(|text| text.map(str::to_owned)).to_vec();
    let stars = Some("***");
    let first = [None, stars, stars, stars, Some("1234***"), Some("4711***"), Some("ÄÖÜä***"), Some("🦀🦀🦀🦀***"), stars];
    let last = [None, stars, stars, stars, Some("***5678"), Some("***2222"), Some("***öüß!"), Some("***🦀🦀🦀🦀"), stars];
    for values in forms(&TEXTS) {
        assert_eq!(listed(&masked(Mask::First4, &values)), wanted(first));
        assert_eq!(listed(&masked(Mask::Last4, &values)), wanted(last));
        assert_eq!(masked(Mask::First4, &values).data_type(), values.data_type());
    }
}

#[test]
fn a_redacted_text_is_stars_even_where_it_is_null() {
    for values in forms(&TEXTS) {
        assert_eq!(listed(&masked(Mask::Redact, &values)), vec![Some("***".to_owned()); TEXTS.len()]);
    }
    for values in others() {
        let redacted = masked(Mask::Redact, &values);
        assert_eq!((redacted.logical_null_count(), redacted.data_type()), (2, values.data_type()));
    }
}

#[test]
fn null_keeps_the_type_and_nothing_else() {
    for values in forms(&TEXTS).into_iter().chain(others()) {
        let nulls = masked(Mask::Null, &values);
        assert_eq!((nulls.logical_null_count(), nulls.data_type()), (values.len(), values.data_type()));
    }
}

#[test]
fn a_hash_is_that_of_the_text_whatever_the_form() {
    let key = Scrambled("key".to_owned());
    let wanted: Vec<_> = TEXTS.iter().map(|text| key.masked((*text)?)).collect();
    for values in forms(&TEXTS) {
        assert_eq!(listed(&masked(Mask::Hash, &values)), wanted);
        assert_eq!(listed(&masked(Mask::Tokenise, &values)), wanted);
    }
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(4711), None]));
    assert_eq!(listed(&masked(Mask::Hash, &numbers)), [key.masked("4711"), None]);
    let days: ArrayRef = Arc::new(Date32Array::from(vec![15_706]));
    assert_eq!(listed(&masked(Mask::Hash, &days)), [key.masked("2013-01-01")]);
}

#[test]
fn no_mask_fails_for_a_value_and_null_stays_null() {
    for mask in Mask::ALL {
        for values in others() {
            let masked = masked(mask, &values);
            assert!(masked.logical_nulls().is_some_and(|nulls| nulls.is_null(1)), "{mask} of {}", values.data_type());
        }
    }
    // What has no text shows nothing.
    let past_the_calendar: ArrayRef = Arc::new(Date32Array::from(vec![i32::MAX]));
    assert_eq!(listed(&masked(Mask::Hash, &past_the_calendar)), [None]);
    let long_number: ArrayRef = Arc::new(Int64Array::from(vec![1_234_567_890]));
    assert_eq!(listed(&masked(Mask::First4, &long_number)), [Some("1234***".to_owned())]);
}

#[test]
fn the_first_day_of_a_year_is_in_it_and_the_day_before_is_not() {
    let years = |days: &[i64]| -> Vec<i32> {
        let days: ArrayRef = Arc::new(Date32Array::from_iter_values(days.iter().map(|days| i32::try_from(*days).unwrap())));
        date_part(&days, DatePart::Year).unwrap().as_primitive::<Int32Type>().values().to_vec()
    };
    // Four hundred years on either side of 1970, each day; then steps to the ends of the calendar that the judge knows.
    let days: Vec<i64> = (-146_097..=146_097).chain((-90_000_000..=90_000_000).step_by(12_345)).collect();
    let first: Vec<i64> = days.iter().map(|days| first_of_year(*days)).collect();
    let before: Vec<i64> = first.iter().map(|first| first - 1).collect();
    let (year, year_of_first, year_before) = (years(&days), years(&first), years(&before));
    for (row, days) in days.iter().enumerate() {
        assert!(first[row] <= *days && year_of_first[row] == year[row] && year_before[row] == year[row] - 1, "{days}");
    }
}

#[test]
fn years_keep_the_type_and_the_unit() {
    // 2013-01-01, 1969-12-31 and 0000-02-29; one that begins before the type does.
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(15_706 + 364), Some(-1), Some(-719_469), None, Some(i32::MIN)]));
    let wanted: ArrayRef = Arc::new(Date32Array::from(vec![Some(15_706), Some(-365), Some(-719_528), None, None]));
    assert_eq!(&masked(Mask::Year, &days), &wanted);
    let day = 86_400i64;
    let seconds = [Some(15_706 * day + 5), Some(-1), None];
    let first = [Some(15_706 * day), Some(-365 * day), None];
    let times = |values: [Option<i64>; 3], by: i64| values.map(|value| value.map(|value| value * by)).to_vec();
    let pairs: [(ArrayRef, ArrayRef); 5] = [
        (Arc::new(TimestampSecondArray::from(times(seconds, 1))), Arc::new(TimestampSecondArray::from(times(first, 1)))),
        (Arc::new(TimestampMillisecondArray::from(times(seconds, 1_000))), Arc::new(TimestampMillisecondArray::from(times(first, 1_000)))),
        (
            Arc::new(TimestampMicrosecondArray::from(times(seconds, 1_000_000)).with_timezone("UTC")),
            Arc::new(TimestampMicrosecondArray::from(times(first, 1_000_000)).with_timezone("UTC")),
        ),
        (
            Arc::new(TimestampNanosecondArray::from(times(seconds, 1_000_000_000))),
            Arc::new(TimestampNanosecondArray::from(times(first, 1_000_000_000))),
        ),
        (Arc::new(Date64Array::from(times(seconds, 1_000))), Arc::new(Date64Array::from(times(first, 1_000)))),
    ];
    for (values, wanted) in pairs {
        assert_eq!(&masked(Mask::Year, &values), &wanted);
    }
    for values in forms(&TEXTS) {
        assert_eq!(masked(Mask::Year, &values).logical_null_count(), TEXTS.len());
    }
}
