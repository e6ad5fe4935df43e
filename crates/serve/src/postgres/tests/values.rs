//! Values of all types, judged by the types that clients of Rust use, and by reading back what was written.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DictionaryArray,
    DurationMillisecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, ListArray, RecordBatch, StringArray, StringViewArray, StructArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int8Type, Int32Type, IntervalMonthDayNano, i256};
use postgres_types::{FromSql, Type};
use proptest::prelude::*;

use super::rig::row_of;
use crate::postgres::parameters::{Raw, column};
use crate::postgres::types::PgType;
use crate::postgres::value::{plain, value};
use crate::postgres::{binary, text};

/// One row with a column of each kind.
pub fn types_batch() -> RecordBatch {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None, Some(3)])]);
    let nested = StructArray::from(vec![
        (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![7])) as ArrayRef),
        (Arc::new(Field::new("b \"", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x\ny"])) as ArrayRef),
    ]);
    let dictionary: DictionaryArray<Int8Type> = vec!["key"].into_iter().collect();
    row_of(vec![
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(Int8Array::from(vec![-8])),
        Arc::new(Int16Array::from(vec![-16])),
        Arc::new(Int32Array::from(vec![-32])),
        Arc::new(Int64Array::from(vec![i64::MIN])),
        Arc::new(UInt64Array::from(vec![u64::MAX])),
        Arc::new(Float32Array::from(vec![1.5])),
        Arc::new(Float64Array::from(vec![1e300])),
        Arc::new(Decimal128Array::from(vec![-12_345]).with_precision_and_scale(10, 2).unwrap()),
        Arc::new(StringArray::from(vec!["té"])),
        Arc::new(StringViewArray::from(vec!["a text that is too long to lie in a view itself"])),
        Arc::new(dictionary),
        Arc::new(BinaryArray::from(vec![&[0_u8, 255][..]])),
        Arc::new(BinaryViewArray::from(vec![&b"view"[..]])),
        Arc::new(FixedSizeBinaryArray::try_from_iter([[1_u8, 2]].into_iter()).unwrap()),
        Arc::new(Date32Array::from(vec![20_455])),
        Arc::new(Time64MicrosecondArray::from(vec![11_045_000_006])),
        Arc::new(TimestampMicrosecondArray::from(vec![1_767_323_045_000_006])),
        Arc::new(TimestampNanosecondArray::from(vec![1_767_323_045_000_006_999]).with_timezone("Europe/Paris")),
        Arc::new(IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(14, 3, 14_706_000_000_000)])),
        Arc::new(DurationMillisecondArray::from(vec![90_061_500])),
        Arc::new(list),
        Arc::new(nested),
        Arc::new(Int64Array::from(vec![None])),
    ])
}

/// The text forms of those, as PostgreSQL 15 prints the same values.
pub const TYPES_TEXT: [Option<&str>; 24] = [
    Some("t"),
    Some("-8"),
    Some("-16"),
    Some("-32"),
    Some("-9223372036854775808"),
    Some("18446744073709551615"),
    Some("1.5"),
    Some("1e+300"),
    Some("-123.45"),
    Some("té"),
    Some("a text that is too long to lie in a view itself"),
    Some("key"),
    Some("\\x00ff"),
    Some("\\x76696577"),
    Some("\\x0102"),
    Some("2026-01-02"),
    Some("03:04:05.000006"),
    Some("2026-01-02 03:04:05.000006"),
    Some("2026-01-02 03:04:05.000006+00"),
    Some("1 year 2 mons 3 days 04:05:06"),
    Some("25:01:01.5"),
    Some("{1,NULL,3}"),
    Some("{\"a\":7,\"b \\\"\":\"x\\ny\"}"),
    None,
];

fn binary_of(array: &ArrayRef) -> Vec<u8> {
    let array = plain(array).unwrap();
    let mut out = Vec::new();
    binary::write(&value(array.as_ref(), 0).unwrap(), &mut out).unwrap();
    out
}

fn text_of(array: &ArrayRef) -> String {
    let array = plain(array).unwrap();
    let mut out = Vec::new();
    text::write(&value(array.as_ref(), 0).unwrap(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn judged<T: for<'a> FromSql<'a>>(array: ArrayRef) -> T {
    let known = Type::from_oid(PgType::of(array.data_type()).oid()).unwrap();
    assert!(T::accepts(&known), "{known}");
    let bytes = binary_of(&array);
    T::from_sql(&known, &bytes).unwrap()
}

#[test]
fn binary_forms_are_those_that_clients_read() {
    use std::time::{Duration, UNIX_EPOCH};
    assert!(judged::<bool>(Arc::new(BooleanArray::from(vec![true]))));
    assert_eq!(judged::<i16>(Arc::new(Int8Array::from(vec![-8]))), -8);
    assert_eq!(judged::<i32>(Arc::new(Int32Array::from(vec![i32::MIN]))), i32::MIN);
    assert_eq!(judged::<i64>(Arc::new(Int64Array::from(vec![i64::MAX]))), i64::MAX);
    assert_eq!(judged::<f32>(Arc::new(Float32Array::from(vec![f32::MIN_POSITIVE]))), f32::MIN_POSITIVE);
    assert!(judged::<f64>(Arc::new(Float64Array::from(vec![f64::NAN]))).is_nan());
    assert_eq!(judged::<String>(Arc::new(StringViewArray::from(vec!["té"]))), "té");
    assert_eq!(judged::<Vec<u8>>(Arc::new(BinaryArray::from(vec![&[0_u8, 9][..]]))), [0, 9]);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None, Some(3)])]);
    assert_eq!(judged::<Vec<Option<i32>>>(Arc::new(list)), [Some(1), None, Some(3)]);
    let empty = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(Vec::<Option<i32>>::new())]);
    assert_eq!(judged::<Vec<i32>>(Arc::new(empty)), Vec::<i32>::new());
    let at = UNIX_EPOCH + Duration::from_micros(1_767_323_045_000_006);
    assert_eq!(judged::<std::time::SystemTime>(Arc::new(TimestampMicrosecondArray::from(vec![1_767_323_045_000_006]))), at);
    let zoned = TimestampMicrosecondArray::from(vec![1_767_323_045_000_006]).with_timezone("UTC");
    assert_eq!(judged::<std::time::SystemTime>(Arc::new(zoned)), at);
}

// The bytes that PostgreSQL 15 sends for these numbers.
#[test]
fn numbers_in_binary_are_those_of_postgresql() {
    let numeric = |digits: i128, scale: i8| {
        binary_of(&(Arc::new(Decimal128Array::from(vec![digits]).with_precision_and_scale(38, scale).unwrap()) as ArrayRef))
    };
    for (digits, scale, words) in [
        (0, 2, vec![0, 0, 0, 2]),
        (1, 0, vec![1, 0, 0, 0, 1]),
        (-12_345, 2, vec![2, 0, 0x4000, 2, 123, 4_500]),
        (1, 4, vec![1, 0xffff, 0, 4, 1]),
        (1, 5, vec![1, 0xfffe, 0, 5, 1_000]),
        (100_000_000, 0, vec![1, 2, 0, 0, 1]),
        (100_000_001, 0, vec![3, 2, 0, 0, 1, 0, 1]),
        (123_456_789, 3, vec![3, 1, 0, 3, 12, 3_456, 7_890]),
    ] {
        let bytes: Vec<u8> = words.into_iter().flat_map(|word: u16| word.to_be_bytes()).collect();
        assert_eq!(numeric(digits, scale), bytes, "{digits} {scale}");
    }
}

#[test]
fn each_type_has_its_text() {
    for (array, expected) in types_batch().columns().iter().zip(TYPES_TEXT) {
        assert_eq!(text_of(array), expected.unwrap_or(""), "{}", array.data_type());
    }
}

#[test]
fn what_postgresql_cannot_hold_is_refused_and_not_changed() {
    let seconds = arrow::array::TimestampSecondArray::from(vec![i64::MAX]);
    assert_eq!(value(&seconds, 0).err().unwrap().sqlstate(), "22008");
    assert_eq!(value(&Date32Array::from(vec![i32::MIN + 1]), 0).err().unwrap().sqlstate(), "22008");
    assert_eq!(text_of(&(Arc::new(Date32Array::from(vec![i32::MAX])) as ArrayRef)), "infinity");
    let before = TimestampNanosecondArray::from(vec![-1]);
    assert_eq!(text_of(&(Arc::new(before) as ArrayRef)), "1969-12-31 23:59:59.999999");
}

/// What is written in both forms reads back as the same value.
fn returns(array: &ArrayRef) {
    let pg = PgType::of(array.data_type());
    for (binary, bytes) in [(true, binary_of(array)), (false, text_of(array).into_bytes())] {
        let back = column(pg, Raw { bytes: Some(&bytes), binary }).unwrap();
        assert_eq!(text_of(&back), text_of(array), "{} binary: {binary}", array.data_type());
        assert_eq!(binary_of(&back), binary_of(array), "{} binary: {binary}", array.data_type());
    }
    let null = column(pg, Raw { bytes: None, binary: true }).unwrap();
    assert!(null.is_null(0) && null.len() == 1);
}

#[test]
fn all_types_read_back_as_parameters() {
    for array in types_batch().columns().iter().filter(|array| !array.is_null(0)) {
        returns(array);
    }
    let words = ListArray::new(
        Field::new_list_field(DataType::Utf8, true).into(),
        arrow::buffer::OffsetBuffer::from_lengths([4]),
        Arc::new(StringArray::from(vec![Some("a\"b\\"), None, Some(""), Some(" x,{y} ")])),
        None,
    );
    returns(&(Arc::new(words) as ArrayRef));
    let large = i256::from_string(&"9".repeat(60)).unwrap();
    returns(&(Arc::new(Decimal256Array::from(vec![large]).with_precision_and_scale(76, 5).unwrap()) as ArrayRef));
}

proptest! {
    #[test]
    fn numbers_read_back(digits in -10_i128.pow(37)..10_i128.pow(37), scale in 0_i8..30, int: i64, float: f64) {
        returns(&(Arc::new(Decimal128Array::from(vec![digits]).with_precision_and_scale(38, scale).unwrap()) as ArrayRef));
        returns(&(Arc::new(Int64Array::from(vec![int])) as ArrayRef));
        if float.is_finite() {
            returns(&(Arc::new(Float64Array::from(vec![float])) as ArrayRef));
        }
    }

    #[test]
    fn texts_in_arrays_read_back(items in prop::collection::vec(prop::option::of("[^\0]{0,8}"), 0..6)) {
        let count = items.len();
        let list = ListArray::new(
            Field::new_list_field(DataType::Utf8, true).into(),
            arrow::buffer::OffsetBuffer::from_lengths([count]),
            Arc::new(StringArray::from(items)),
            None,
        );
        returns(&(Arc::new(list) as ArrayRef));
    }

    #[test]
    fn no_bytes_break_the_reading_of_a_parameter(oid in prop::sample::select(vec![
        16_u32, 17, 20, 21, 23, 25, 26, 114, 700, 701, 1082, 1083, 1114, 1184, 1186, 1700, 2950, 3802, 1007, 1009, 1231, 1115, 2951,
    ]), bytes in prop::collection::vec(any::<u8>(), 0..40), binary: bool) {
        let pg = PgType::from_oid(oid).unwrap();
        if let Ok(array) = column(pg, Raw { bytes: Some(&bytes), binary }) {
            prop_assert_eq!(array.len(), 1);
        }
    }
}

#[test]
fn parameters_that_are_none_are_refused_with_their_code() {
    for (oid, bytes, binary, code) in [
        (23_u32, &b"x"[..], false, "22P02"),
        (23, b"99999999999", false, "22003"),
        (23, b"\0\0\0", true, "22P03"),
        (16, b"\x02", true, "22P03"),
        (25, b"\xff", false, "22P02"),
        (25, b"a\0", true, "22P03"),
        (1082, b"2026-02-30", false, "22007"),
        (1700, b"NaN", false, "22P02"),
        (1700, b"\0\x01\0\0\0\0\0\0\x27\x10", true, "22P03"),
        (1007, b"{1,", false, "22P02"),
        (1007, b"{{1}}", false, "22P02"),
        (1007, b"\0\0\0\x02\0\0\0\0\0\0\0\x17", true, "0A000"),
        (1007, b"\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\0\0\0\0\x01", true, "22P03"),
        (2950, b"1234", false, "22P02"),
        (114, b"{", false, "22P02"),
    ] {
        let refused = column(PgType::from_oid(oid).unwrap(), Raw { bytes: Some(bytes), binary }).unwrap_err();
        assert_eq!(refused.sqlstate(), code, "{oid} {bytes:?}");
        assert!(!refused.message().contains("99999"), "an error holds no value");
    }
    let read = |oid, bytes: &[u8]| text_of(&column(PgType::from_oid(oid).unwrap(), Raw { bytes: Some(bytes), binary: false }).unwrap());
    assert_eq!(read(1700, b"-1.50e-3"), "-0.00150");
    assert_eq!(read(1700, b"12e3"), "12000");
    assert_eq!(read(17, b"a\\\\\\001"), "\\x615c01");
    assert_eq!(read(2950, b"{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
}
