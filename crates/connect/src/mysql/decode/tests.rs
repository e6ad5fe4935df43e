use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Decimal128Type, Float32Type, Int32Type, Time64MicrosecondType, TimestampMicrosecondType, UInt64Type};
use polder_contract::TextColumn;
use proptest::prelude::*;

use super::*;
use crate::tests::cases;

fn fetch(kind: Kind) -> Fetch {
    Fetch { name: "c".to_owned(), kind, data_type: kind.data_type() }
}

/// A row of one column.
fn one(value: Option<&[u8]>) -> Vec<u8> {
    match value {
        None => vec![0, 0b100],
        Some(value) => [&[0, 0], value].concat(),
    }
}

fn text(value: &str) -> Vec<u8> {
    [&[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat()
}

/// The cells of a column of these values.
fn cells(kind: Kind, values: &[Option<Vec<u8>>]) -> Cells {
    let mut decoder = Decoder::new(&[fetch(kind)]);
    for value in values {
        decoder.row(Some(&one(value.as_deref()))).unwrap();
    }
    let decoded = decoder.take().unwrap().unwrap();
    assert_eq!((decoded.rows, decoded.columns.len(), decoded.malformed.len()), (values.len(), 1, 0));
    decoded.columns.into_iter().next().unwrap()
}

fn array(kind: Kind, values: &[Option<Vec<u8>>]) -> ArrayRef {
    match cells(kind, values) {
        Cells::Typed(array) => {
            assert_eq!(*array.data_type(), kind.data_type());
            array
        }
        Cells::Text(_) => panic!("texts"),
    }
}

fn shown(column: &TextColumn) -> Vec<(String, CellKind)> {
    column.iter().map(|cell| (String::from_utf8(cell.bytes.to_vec()).unwrap(), cell.kind)).collect()
}

fn texts(kind: Kind, values: &[Option<Vec<u8>>]) -> Vec<(String, CellKind)> {
    match cells(kind, values) {
        Cells::Text(column) => shown(&column),
        Cells::Typed(_) => panic!("an array"),
    }
}

#[test]
fn numbers_are_read_as_they_are_kept() {
    let ints = array(Kind::Int32, &[Some(7i32.to_le_bytes().to_vec()), None, Some(i32::MIN.to_le_bytes().to_vec())]);
    assert_eq!(ints.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(7), None, Some(i32::MIN)]);
    let longs = array(Kind::UInt64, &[Some(u64::MAX.to_le_bytes().to_vec())]);
    assert_eq!(longs.as_primitive::<UInt64Type>().value(0), u64::MAX);
    // The text of this float would be 0.1.
    let floats = array(Kind::Float32, &[Some(0.1f32.to_le_bytes().to_vec()), Some((-0.0f32).to_le_bytes().to_vec())]);
    let floats = floats.as_primitive::<Float32Type>();
    assert_eq!((floats.value(0).to_bits(), floats.value(1).to_bits()), (0.1f32.to_bits(), (-0.0f32).to_bits()));
    let bits = array(Kind::Bits, &[Some(vec![2, 1, 5]), Some(vec![0]), None]);
    assert_eq!(bits.as_primitive::<UInt64Type>().iter().collect::<Vec<_>>(), [Some(0x105), Some(0), None]);
    let bit = array(Kind::Bit, &[Some(vec![1, 1]), Some(vec![1, 0]), None]);
    assert_eq!(bit.as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
}

#[test]
fn decimals_keep_each_digit() {
    let kind = Kind::Decimal { precision: 12, scale: 2 };
    let values = ["21168.23", "-0.04", "0.00", "9999999999.99", "-9999999999.99", ".50"].map(|value| Some(text(value)));
    let read = array(kind, &values);
    let read: Vec<i128> = read.as_primitive::<Decimal128Type>().values().to_vec();
    assert_eq!(read, [2_116_823, -4, 0, 999_999_999_999, -999_999_999_999, 50]);
    // A zerofilled one.
    assert_eq!(decimal(b"000012.30", 12, 2), Some(1230));
    // 38 digits, and what does not fit: in its batch all are texts.
    let long = Kind::Decimal { precision: 38, scale: 30 };
    let digits = "12345678.123456789012345678901234567890";
    assert_eq!(decimal(digits.as_bytes(), 38, 30), Some(12_345_678_123_456_789_012_345_678_901_234_567_890));
    let too_long = "1234567890123.123456789012345678901234567890";
    let found = texts(long, &[Some(text(digits)), None, Some(text(too_long)), Some(text(&format!("-{digits}")))]);
    let number = |text: &str| (text.to_owned(), CellKind::Number);
    assert_eq!(found, [number(digits), (String::new(), CellKind::Null), number(too_long), number(&format!("-{digits}"))]);
    for wrong in ["", "-", ".", "1", "1.2", "1.234", "1,23", "+1.23", "1.2e", "12.3 ", "10000000000.00"] {
        assert_eq!(decimal(wrong.as_bytes(), 12, 2), None, "{wrong}");
    }
}

#[test]
fn days_that_no_calendar_has_are_texts_and_so_are_their_neighbours() {
    let day = |year: u16, month: u8, day: u8| Some([&[4][..], &year.to_le_bytes(), &[month, day]].concat());
    let read = array(Kind::Date, &[day(1970, 1, 1), day(2026, 2, 28), None, day(9999, 12, 31), day(1, 1, 1)]);
    let read: Vec<_> = read.as_primitive::<Date32Type>().iter().collect();
    assert_eq!(read, [Some(0), Some(20_512), None, Some(2_932_896), Some(-719_162)]);
    for (odd, shown) in
        [(Some(vec![0]), "0000-00-00"), (day(2026, 0, 0), "2026-00-00"), (day(2026, 2, 30), "2026-02-30"), (day(0, 1, 1), "0000-01-01")]
    {
        let found = texts(Kind::Date, &[day(2026, 2, 28), odd, None]);
        let native = |text: &str| (text.to_owned(), CellKind::Native);
        assert_eq!(found, [native("2026-02-28"), native(shown), (String::new(), CellKind::Null)]);
    }
    let found = array(Kind::DateText, &[day(2026, 2, 28), Some(vec![0])]);
    assert_eq!(found.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["2026-02-28", "0000-00-00"]);
}

#[test]
fn moments_are_read_to_the_microsecond() {
    let (wall, point) = (Kind::Moment { decimals: 6, zone: false }, Kind::Moment { decimals: 6, zone: true });
    let full = [&[11][..], &2026u16.to_le_bytes(), &[1, 31, 23, 59, 58], &123_456u32.to_le_bytes()].concat();
    let short = [&[7][..], &1969u16.to_le_bytes(), &[12, 31, 23, 59, 59]].concat();
    let midnight = [&[4][..], &1970u16.to_le_bytes(), &[1, 2]].concat();
    let values = [Some(full), Some(short), Some(midnight)];
    for kind in [wall, point] {
        let read = array(kind, &values);
        let read: Vec<i64> = read.as_primitive::<TimestampMicrosecondType>().values().to_vec();
        assert_eq!(read, [1_769_903_998_123_456, -1_000_000, 86_400_000_000]);
    }
    let odd = [&values[..], &[Some(vec![0])]].concat();
    let native = |text: &str| (text.to_owned(), CellKind::Native);
    let found = texts(wall, &odd);
    let shown = ["2026-01-31 23:59:58.123456", "1969-12-31 23:59:59.000000", "1970-01-02 00:00:00.000000", "0000-00-00 00:00:00.000000"];
    assert_eq!(found, shown.map(native));
    let found = texts(point, &odd);
    assert_eq!(found, shown.map(|text| native(&format!("{text}Z"))));
    let found = array(Kind::MomentText { decimals: 0, zone: true }, &odd[3..]);
    assert_eq!(found.as_string::<i32>().value(0), "0000-00-00 00:00:00Z");
}

#[test]
fn times_past_a_day_are_texts() {
    let kind = Kind::Time { decimals: 3 };
    let time = |negative: u8, days: u32, hour: u8, micros: Option<u32>| {
        let length = if micros.is_some() { 12 } else { 8 };
        let micros = micros.map(|micros| micros.to_le_bytes().to_vec()).unwrap_or_default();
        Some([&[length, negative][..], &days.to_le_bytes(), &[hour, 59, 58], &micros].concat())
    };
    let read = array(kind, &[time(0, 0, 23, Some(500_000)), Some(vec![0]), time(0, 0, 1, None)]);
    let read: Vec<i64> = read.as_primitive::<Time64MicrosecondType>().values().to_vec();
    assert_eq!(read, [86_398_500_000, 0, 7_198_000_000]);
    let found = texts(kind, &[time(0, 0, 1, Some(500_000)), time(1, 34, 22, None), time(0, 1, 0, None)]);
    let shown: Vec<&str> = found.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(shown, ["01:59:58.500000", "-838:59:58.000", "24:59:58.000"]);
    let found = array(Kind::TimeText { decimals: 0 }, &[time(1, 34, 22, None)]);
    assert_eq!(found.as_string::<i32>().value(0), "-838:59:58");
}

#[test]
fn a_truth_is_zero_or_one() {
    let read = array(Kind::Boolean, &[Some(vec![1]), Some(vec![0]), None]);
    assert_eq!(read.as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
    let found = texts(Kind::Boolean, &[Some(vec![1]), Some(vec![0xff]), None, Some(vec![0])]);
    let cell = |text: &str, kind| (text.to_owned(), kind);
    assert_eq!(
        found,
        [cell("true", CellKind::Bool), cell("-1", CellKind::Number), cell("", CellKind::Null), cell("false", CellKind::Bool)]
    );
}

#[test]
fn texts_that_are_no_utf8_reach_the_gate_as_bytes() {
    let read = array(Kind::Text, &[Some(text("né")), None, Some(text(""))]);
    assert_eq!(read.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("né"), None, Some("")]);
    let Cells::Typed(read) = cells(Kind::Text, &[Some(text("ab")), Some(vec![1, 0xff])]) else { panic!("texts") };
    assert_eq!(read.as_binary::<i32>().iter().collect::<Vec<_>>(), [Some(&b"ab"[..]), Some(&b"\xff"[..])]);
    let read = array(Kind::Binary, &[Some(vec![2, 0, 0xff])]);
    assert_eq!(read.as_binary::<i32>().value(0), b"\0\xff");
}

#[test]
fn a_row_that_is_too_long_keeps_its_place() {
    let mut decoder = Decoder::new(&[fetch(Kind::Int32), fetch(Kind::Text)]);
    let row = [&[0, 0][..], &5i32.to_le_bytes(), &text("x")].concat();
    decoder.row(Some(&row)).unwrap();
    decoder.row(None).unwrap();
    decoder.row(Some(&row)).unwrap();
    let decoded = decoder.take().unwrap().unwrap();
    assert_eq!((decoded.rows, decoded.malformed), (3, vec![(1, Malformed::TooLong)]));
    let [Cells::Typed(ints), Cells::Typed(texts)] = &decoded.columns[..] else { panic!("texts") };
    assert!(ints.is_null(1) && texts.is_null(1) && ints.is_valid(2));
    assert!(decoder.take().unwrap().is_none());
}

#[test]
fn batches_are_cut_by_rows_and_by_bytes() {
    let mut decoder = Decoder::new(&[fetch(Kind::Int32)]);
    let row = one(Some(&5i32.to_le_bytes()));
    for rows in 0..BATCH_ROWS {
        assert!(!decoder.is_full(), "{rows}");
        decoder.row(Some(&row)).unwrap();
    }
    assert!(decoder.is_full());
    decoder.take().unwrap();
    assert!(!decoder.is_full());
    let mut decoder = Decoder::new(&[fetch(Kind::Binary)]);
    let long = vec![7u8; 12 << 20];
    let row = one(Some(&[&[0xfd, 0, 0, 0xc0][..], &long].concat()));
    for full in [false, false, true] {
        decoder.row(Some(&row)).unwrap();
        assert_eq!(decoder.is_full(), full);
    }
}

#[test]
fn nulls_are_found_past_the_first_byte_of_their_bits() {
    let columns: Vec<Fetch> = (0..20).map(|_| fetch(Kind::UInt8)).collect();
    for null in 0..20usize {
        let mut row = vec![0; 4];
        row[1 + (null + 2) / 8] = 1 << ((null + 2) % 8);
        row.extend_from_slice(&[9; 19]);
        let mut decoder = Decoder::new(&columns);
        decoder.row(Some(&row)).unwrap();
        let decoded = decoder.take().unwrap().unwrap();
        for (place, cells) in decoded.columns.iter().enumerate() {
            let Cells::Typed(array) = cells else { panic!("texts") };
            assert_eq!(array.is_null(0), place == null);
        }
    }
}

const KINDS: [Kind; 14] = [
    Kind::Int8,
    Kind::Int64,
    Kind::UInt16,
    Kind::Float64,
    Kind::Decimal { precision: 12, scale: 2 },
    Kind::Date,
    Kind::Moment { decimals: 6, zone: true },
    Kind::Time { decimals: 0 },
    Kind::Boolean,
    Kind::Bits,
    Kind::Text,
    Kind::Binary,
    Kind::MomentText { decimals: 3, zone: false },
    Kind::TimeText { decimals: 0 },
];

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn arbitrary_bytes_are_a_row_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..120), nulls in any::<[u8; 2]>()) {
        let columns: Vec<Fetch> = KINDS.map(fetch).to_vec();
        let mut decoder = Decoder::new(&columns);
        let row = [&[0][..], &nulls, &bytes].concat();
        if decoder.row(Some(&row)).is_ok() {
            let decoded = decoder.take().unwrap().unwrap();
            prop_assert_eq!(decoded.rows, 1);
            prop_assert!(decoded.columns.iter().all(|cells| cells.len() == 1));
        }
    }

    #[test]
    fn a_row_cut_or_lengthened_is_an_error(
        number in any::<i64>(), words in "[a-zé]{0,20}", cents in -999_999_999i64..999_999_999, cut in any::<prop::sample::Index>(),
    ) {
        let columns = [fetch(Kind::Int64), fetch(Kind::Text), fetch(Kind::Decimal { precision: 12, scale: 2 })];
        let digits = String::from_utf8(decimal_text(cents.into(), 2)).unwrap();
        let row = [&[0, 0][..], &number.to_le_bytes(), &text(&words), &text(&digits)].concat();
        let mut decoder = Decoder::new(&columns);
        prop_assert!(decoder.row(Some(&row)).is_ok());
        prop_assert!(Decoder::new(&columns).row(Some(&row[..cut.index(row.len())])).is_err());
        prop_assert!(Decoder::new(&columns).row(Some(&[&row[..], &[0]].concat())).is_err());
    }

    #[test]
    fn decimals_agree_with_their_texts(value in any::<i128>(), scale in 0u8..=38) {
        let value = value % 10i128.pow(38);
        prop_assert_eq!(decimal(&decimal_text(value, scale), 38, scale), Some(value));
    }

    #[test]
    fn moments_agree_with_their_texts(micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
        let moment = Moment::of_micros(micros);
        prop_assert_eq!(moment.micros(), Some(micros));
        let text = String::from_utf8(moment.text(6, false)).unwrap();
        let parsed = chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.6f").unwrap();
        prop_assert_eq!(parsed.and_utc().timestamp_micros(), micros);
    }
}
