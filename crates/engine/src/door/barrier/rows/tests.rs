//! Each predicate on each type against a judge that knows no Arrow: two values, NULL among the data, constants at and past every edge.

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Date32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    LargeStringArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::Field;

use super::*;

const COMPARISONS: [Comparison; 6] =
    [Comparison::Equal, Comparison::NotEqual, Comparison::Less, Comparison::LessOrEqual, Comparison::Greater, Comparison::GreaterOrEqual];

/// One column `x`, which may be NULL, and a `y` beside it.
fn batch(x: ArrayRef) -> RecordBatch {
    let y: ArrayRef = Arc::new(Int64Array::from_iter((0..x.len() as i64).map(|row| (row % 3 != 1).then_some(row))));
    let field = |name: &str, values: &ArrayRef| Field::new(name, values.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field("x", &x), field("y", &y)]));
    RecordBatch::try_new(schema, vec![x, y]).unwrap()
}

/// The answer for each row, which is never NULL.
fn answers(predicate: &Predicate, batch: &RecordBatch) -> Vec<bool> {
    let filter = filter(predicate, batch.schema_ref()).unwrap_or_else(|error| panic!("{predicate:?}: {error:?}"));
    let values = filter.evaluate(batch).unwrap().into_array(batch.num_rows()).unwrap();
    assert_eq!(values.null_count(), 0, "{predicate:?} is NULL for a row");
    values.as_boolean().values().iter().collect()
}

/// A predicate and its opposite.
fn check(predicate: &Predicate, batch: &RecordBatch, wanted: &[bool]) {
    assert_eq!(answers(predicate, batch), wanted, "{predicate:?} of {:?}", batch.column(0));
    let opposite: Vec<bool> = wanted.iter().map(|answer| !answer).collect();
    assert_eq!(answers(&Predicate::Not(Box::new(predicate.clone())), batch), opposite, "not {predicate:?} of {:?}", batch.column(0));
}

fn compared(comparison: Comparison, value: Value) -> Predicate {
    Predicate::Compare { column: "x".to_owned(), comparison, value }
}

fn one_of(values: Vec<Value>) -> Predicate {
    Predicate::OneOf { column: "x".to_owned(), values }
}

/// Values in a unit of which the constants have `per` to theirs.
fn whole_numbers(x: ArrayRef, values: &[Option<i128>], constants: &[i64], scale: (i128, i128), wrap: impl Fn(i64) -> Value) {
    let batch = batch(x);
    let (value_scale, constant_scale) = scale;
    for constant in constants {
        let exact = i128::from(*constant) * constant_scale;
        for comparison in COMPARISONS {
            let of = |value: &Option<i128>| value.is_some_and(|value| comparison.holds((value * value_scale).cmp(&exact)));
            check(&compared(comparison, wrap(*constant)), &batch, &values.iter().map(of).collect::<Vec<_>>());
        }
    }
    let of = |value: &Option<i128>| {
        value.is_some_and(|value| constants.iter().any(|constant| value * value_scale == i128::from(*constant) * constant_scale))
    };
    check(&one_of(constants.iter().copied().map(wrap).collect()), &batch, &values.iter().map(of).collect::<Vec<_>>());
}

#[test]
fn integers_of_every_width_compare_with_every_constant() {
    let constants = [
        i64::MIN,
        -2_147_483_649,
        -32_769,
        -129,
        -128,
        -1,
        0,
        5,
        127,
        128,
        255,
        256,
        65_535,
        65_536,
        2_147_483_647,
        4_294_967_295,
        4_294_967_296,
        i64::MAX,
    ];
    macro_rules! width {
        ($array:ty, $native:ty) => {{
            let values = [Some(<$native>::MIN), Some(5), None, Some(0), Some(127), Some(<$native>::MAX), None];
            let wide: Vec<Option<i128>> = values.iter().map(|value| value.map(i128::from)).collect();
            whole_numbers(Arc::new(<$array>::from(values.to_vec())), &wide, &constants, (1, 1), Value::Integer);
        }};
    }
    width!(Int8Array, i8);
    width!(Int16Array, i16);
    width!(Int32Array, i32);
    width!(Int64Array, i64);
    width!(UInt8Array, u8);
    width!(UInt16Array, u16);
    width!(UInt32Array, u32);
    width!(UInt64Array, u64);
}

#[test]
fn days_compare_with_days() {
    let values = [Some(i32::MIN), Some(-1), None, Some(0), Some(15_706), Some(i32::MAX)];
    let wide: Vec<Option<i128>> = values.iter().map(|value| value.map(i128::from)).collect();
    let days = |constant: i64| Value::Date(constant as i32);
    whole_numbers(Arc::new(Date32Array::from(values.to_vec())), &wide, &[i32::MIN.into(), -1, 0, 15_706, i32::MAX.into()], (1, 1), days);
}

#[test]
fn moments_of_every_unit_compare_with_microseconds() {
    let constants = [i64::MIN, -1_000_001, -1_000_000, -999_999, -1, 0, 1, 999, 1_000, 1_001, 1_500_000, 2_000_000, i64::MAX];
    let values = [Some(i64::MIN), Some(-2), Some(-1), None, Some(0), Some(1), Some(2), Some(1_000), Some(1_500_000), Some(i64::MAX)];
    let wide: Vec<Option<i128>> = values.iter().map(|value| value.map(i128::from)).collect();
    let values = values.to_vec();
    let units: [(ArrayRef, (i128, i128)); 6] = [
        (Arc::new(TimestampSecondArray::from(values.clone())), (1_000_000, 1)),
        (Arc::new(TimestampMillisecondArray::from(values.clone())), (1_000, 1)),
        (Arc::new(TimestampMicrosecondArray::from(values.clone())), (1, 1)),
        (Arc::new(TimestampMicrosecondArray::from(values.clone()).with_timezone("UTC")), (1, 1)),
        (Arc::new(TimestampMillisecondArray::from(values.clone()).with_timezone("+02:00")), (1_000, 1)),
        (Arc::new(TimestampNanosecondArray::from(values)), (1, 1_000)),
    ];
    for (x, scale) in units {
        whole_numbers(x, &wide, &constants, scale, Value::Timestamp);
    }
}

#[test]
fn texts_of_every_form_compare_by_their_bytes() {
    let values =
        [Some(""), Some("a"), None, Some("A"), Some("a%_\\"), Some("é"), Some("🦀 and a text of more than twelve bytes"), Some("a\nb")];
    let forms: [ArrayRef; 3] = [
        Arc::new(StringArray::from(values.to_vec())),
        Arc::new(LargeStringArray::from(values.to_vec())),
        Arc::new(StringViewArray::from(values.to_vec())),
    ];
    for x in forms {
        let batch = batch(x);
        let rows = |test: &dyn Fn(&str) -> bool| values.iter().map(|value| value.is_some_and(test)).collect::<Vec<_>>();
        for constant in ["", "a", "a%_\\", "é", "nobody"] {
            for comparison in COMPARISONS {
                let wanted = rows(&|value| comparison.holds(value.as_bytes().cmp(constant.as_bytes())));
                check(&compared(comparison, Value::Text(constant.to_owned())), &batch, &wanted);
            }
        }
        let among = one_of(["a", "é", "nobody"].map(|text| Value::Text(text.to_owned())).to_vec());
        check(&among, &batch, &rows(&|value| matches!(value, "a" | "é")));
        let literal = |text: &str| text.chars().map(PatternPart::Literal).collect::<Vec<_>>();
        let any = || vec![PatternPart::Any];
        let like = |parts: &[Vec<PatternPart>]| Predicate::Like { column: "x".to_owned(), pattern: parts.concat() };
        check(&like(&[any()]), &batch, &rows(&|_| true));
        check(&like(&[]), &batch, &rows(&str::is_empty));
        check(&like(&[literal("a"), any()]), &batch, &rows(&|value| value.starts_with('a')));
        check(&like(&[any(), literal("b")]), &batch, &rows(&|value| value.ends_with('b')));
        check(&like(&[literal("a"), any(), literal("b")]), &batch, &rows(&|value| value == "a\nb"));
        check(&like(&[literal("🦀"), any(), literal("twelve"), any()]), &batch, &rows(&|value| value.starts_with('🦀')));
        // What `LIKE` takes for more than itself is itself.
        check(&like(&[literal("a%_\\")]), &batch, &rows(&|value| value == "a%_\\"));
        check(&like(&[literal("%"), any()]), &batch, &rows(&|value| value.starts_with('%')));
        check(&like(&[literal("_")]), &batch, &rows(&|value| value == "_"));
    }
}

#[test]
fn truth_values_and_null() {
    let batch = batch(Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])));
    check(&compared(Comparison::Equal, Value::Boolean(true)), &batch, &[true, false, false]);
    check(&compared(Comparison::NotEqual, Value::Boolean(true)), &batch, &[false, false, true]);
    check(&one_of(vec![Value::Boolean(true), Value::Boolean(false)]), &batch, &[true, false, true]);
    check(&Predicate::IsNull("x".to_owned()), &batch, &[false, true, false]);
    check(&Predicate::Constant(true), &batch, &[true; 3]);
    check(&Predicate::And(Vec::new()), &batch, &[true; 3]);
    check(&Predicate::Or(Vec::new()), &batch, &[false; 3]);
    check(&one_of(Vec::new()), &batch, &[false; 3]);
}

#[test]
fn conditions_are_put_together() {
    let batch = batch(Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(4)])));
    // y is 0, NULL, 2, 3.
    let x = |comparison, value| compared(comparison, Value::Integer(value));
    let y_is_null = || Predicate::IsNull("y".to_owned());
    check(&Predicate::And(vec![x(Comparison::Greater, 1), y_is_null()]), &batch, &[false, true, false, false]);
    check(&Predicate::Or(vec![x(Comparison::Equal, 4), y_is_null()]), &batch, &[false, true, false, true]);
    let many = |count: i64| (0..count).map(|value| x(Comparison::Equal, value)).collect::<Vec<_>>();
    check(&Predicate::Or(many(5)), &batch, &[true, true, false, true]);
    check(&Predicate::And(many(5)), &batch, &[false; 4]);
    check(&Predicate::Or(many(3_000)), &batch, &[true, true, false, true]);
}

#[test]
fn two_columns_compare_where_policies_can_compare_them() {
    let between = |comparison| Predicate::Columns { left: "x".to_owned(), comparison, right: "y".to_owned() };
    let x: [Option<i64>; 4] = [Some(0), Some(1), Some(3), None];
    let y = [Some(0), None, Some(2), Some(3)];
    let forms: [ArrayRef; 3] = [
        Arc::new(Int64Array::from(x.to_vec())),
        Arc::new(Int8Array::from_iter(x.iter().map(|value| value.map(|value| value as i8)))),
        Arc::new(UInt32Array::from_iter(x.iter().map(|value| value.map(|value| value as u32)))),
    ];
    for form in forms {
        let batch = batch(form);
        for comparison in COMPARISONS {
            let wanted = x.iter().zip(y).map(|(x, y)| x.zip(y).is_some_and(|(x, y)| comparison.holds(x.cmp(&y))));
            check(&between(comparison), &batch, &wanted.collect::<Vec<_>>());
        }
    }
    for other in [
        Arc::new(UInt64Array::from(vec![1])) as ArrayRef,
        Arc::new(StringArray::from(vec!["1"])),
        Arc::new(Date32Array::from(vec![1])),
        Arc::new(Float64Array::from(vec![1.0])),
    ] {
        assert!(matches!(filter(&between(Comparison::Equal), batch(other).schema_ref()), Err(NoFilter::Misfit)));
    }
    let texts = RecordBatch::try_from_iter([
        ("x", Arc::new(StringArray::from(vec![Some("a"), None, Some("b")])) as ArrayRef),
        ("y", Arc::new(StringViewArray::from(vec![Some("a"), Some("b"), Some("a")]))),
    ])
    .unwrap();
    check(&between(Comparison::Equal), &texts, &[true, false, false]);
}

#[test]
fn what_the_table_does_not_have_so_is_no_filter() {
    let number = batch(Arc::new(Int64Array::from(vec![1])));
    let text = batch(Arc::new(StringArray::from(vec!["1"])));
    let gone = Predicate::IsNull("z".to_owned());
    let like = Predicate::Like { column: "x".to_owned(), pattern: vec![PatternPart::Any] };
    for (predicate, batch) in [
        (&gone, &number),
        (&Predicate::And(vec![Predicate::Constant(true), gone.clone()]), &number),
        (&like, &number),
        (&compared(Comparison::Equal, Value::Text("1".to_owned())), &number),
        (&compared(Comparison::Equal, Value::Timestamp(1)), &number),
        (&compared(Comparison::Equal, Value::Integer(1)), &text),
        (&compared(Comparison::Equal, Value::Boolean(true)), &text),
        (&one_of(vec![Value::Text("1".to_owned()), Value::Date(1)]), &text),
    ] {
        assert!(matches!(filter(predicate, batch.schema_ref()), Err(NoFilter::Misfit)), "{predicate:?}");
    }
}
