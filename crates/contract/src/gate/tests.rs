use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::array::{
    Array, ArrayRef, BinaryArray, Date32Array, Date64Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int64Array,
    StringArray, StringViewArray, StructArray, Time64NanosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field};
use arrow::util::display::array_value_to_string;

use super::*;
use crate::admitted::Rule;
use crate::raw::{CellKind, Malformed};
use crate::testing::{FullSpill, approved, batch, contract, csv, gate, options, text_column};

mod deletes;
mod model;

/// What became of each cell of a single column: its value as text, or the rule it broke.
fn fate(property: &str, null_tokens: &[&str], cells: Cells) -> Vec<String> {
    let gate = gate(&[property], null_tokens);
    let checked = gate.check(batch(vec![cells], 0)).unwrap();
    let mut fates = vec![String::new(); checked.admitted.rows() + checked.rejections.len()];
    let places = checked.admitted.ordinals().iter().cloned().flatten();
    for (row, place) in places.enumerate() {
        let column = checked.admitted.batch().column(0);
        let text = if column.is_null(row) { "null".to_owned() } else { array_value_to_string(column, row).unwrap() };
        fates[usize::try_from(place).unwrap()] = text;
    }
    for rejection in &checked.rejections {
        assert_eq!(rejection.record, rejection.ordinal + 1);
        fates[usize::try_from(rejection.ordinal).unwrap()] = format!("! {}", rejection.rule);
    }
    fates
}

fn fates(property: &str, cells: &[&str]) -> String {
    let fates = fate(property, &["NA"], csv(cells));
    let lines: Vec<String> = cells.iter().zip(fates).map(|(cell, fate)| format!("{cell:?} -> {fate}")).collect();
    format!("{property}\n{}\n", lines.join("\n"))
}

#[test]
fn hostile_texts_are_taken_exactly_or_refused() {
    let mut report = String::new();
    for (property, cells) in [
        (
            "{name: a, logicalType: integer, logicalTypeOptions: {format: i64}}",
            &[
                "1",
                "-1",
                "0",
                "-0",
                "007",
                "+1",
                " 1",
                "1 ",
                "",
                "-",
                "1.0",
                "1e3",
                "1,234",
                "1_000",
                "0x10",
                "１２",
                "9007199254740993",
                "9223372036854775807",
                "9223372036854775808",
                "-9223372036854775808",
                "-9223372036854775809",
                "99999999999999999999999",
                "NA",
                "NaN",
                "null",
                "1\0",
                "١",
            ][..],
        ),
        (
            "{name: a, logicalType: integer, logicalTypeOptions: {format: i8, minimum: -100}}",
            &["127", "128", "-100", "-101", "-128", "-129"],
        ),
        ("{name: a, logicalType: integer, logicalTypeOptions: {format: u16}}", &["0", "65535", "65536", "-1"]),
        ("{name: a, logicalType: integer, logicalTypeOptions: {multipleOf: 5, exclusiveMaximum: 20}}", &["0", "-5", "15", "16", "20"]),
        (
            "{name: a, logicalType: number, physicalType: 'decimal(5,2)', logicalTypeOptions: {minimum: -10.5}}",
            &[
                "1",
                "1.5",
                "1.50",
                "1.500",
                "1.501",
                "999.99",
                "1000",
                "1000.00",
                "-10.50",
                "-10.51",
                ".5",
                "5.",
                "00.5",
                "0.5",
                "-0.00",
                "1e2",
                "1,5",
                "",
                "-",
                ".",
                "1.2.3",
                "99999999999999999999999999999999999999999999",
            ],
        ),
        (
            "{name: a, logicalType: number}",
            &[
                "1",
                "0.1",
                "-0",
                "1e5",
                "1E-5",
                "1e400",
                "-1e400",
                "1e-400",
                ".5",
                "5.",
                "1.e5",
                "e5",
                "0x10",
                "NaN",
                "inf",
                "-Infinity",
                "1,234",
                "9007199254740992",
                "9007199254740993",
                "12345678901234567890",
                "0.30000000000000004",
                "00.5",
                "",
                "1_0",
            ],
        ),
        ("{name: a, logicalType: number, logicalTypeOptions: {format: f32, maximum: 10}}", &["0.1", "16777217", "10", "10.1", "1e39"]),
        (
            "{name: a, logicalType: number, customProperties: [{property: polder.allowNan, value: true}]}",
            &["NaN", "nan", "inf", "-inf", "Infinity", "+inf", "nano"],
        ),
        (
            "{name: a, logicalType: date, logicalTypeOptions: {minimum: \"1900-01-01\"}}",
            &[
                "2013-02-28",
                "2013-02-29",
                "2013-02-30",
                "2012-02-29",
                "1900-02-29",
                "2000-02-29",
                "2013-13-01",
                "2013-00-01",
                "2013-01-00",
                "2013-1-1",
                "13-01-01",
                "2013-01-01T00:00:00",
                "20130101",
                "01/02/2013",
                "0000-01-01",
                "1899-12-31",
                "9999-12-31",
                "10000-01-01",
                "",
            ],
        ),
        (
            "{name: a, logicalType: date, logicalTypeOptions: {format: d/M/yyyy}}",
            &["1/2/2013", "31/4/2013", "2013-01-01", "01/02/13", "1/2/2013 "],
        ),
        (
            "{name: a, logicalType: timestamp, logicalTypeOptions: {timezone: true}}",
            &[
                "2013-01-01T10:00:00Z",
                "2013-01-01 10:00:00+02:00",
                "2013-01-01T10:00:00+0200",
                "2013-01-01T10:00:00+02",
                "2013-01-01T10:00:00",
                "2013-01-01T10:00:00.123456Z",
                "2013-01-01T10:00:00.1234567Z",
                "2013-01-01T10:00:00.1234560Z",
                "2013-01-01T24:00:00Z",
                "2013-01-01T10:60:00Z",
                "2013-01-01T23:59:60Z",
                "2013-01-01T10:00:00+25:00",
                "2013-01-01T10:00:00+18:01",
                "2013-01-01T10:00:00z",
                "2013-01-01T10:00:00 UTC",
                "2013-01-01",
                "2013-01-01T10:00Z",
                "2013-02-30T10:00:00Z",
            ],
        ),
        (
            "{name: a, logicalType: timestamp, logicalTypeOptions: {timezone: true, defaultTimezone: Europe/Amsterdam}}",
            &["2013-07-01T12:00:00", "2013-01-01T12:00:00", "2013-03-31T02:30:00", "2013-10-27T02:30:00", "2013-10-27T02:30:00+01:00"],
        ),
        (
            "{name: a, logicalType: timestamp, logicalTypeOptions: {timezone: false}}",
            &["2013-03-31T02:30:00", "2013-03-31 02:30:00.5", "2013-03-31T02:30:00Z", "2013-03-31T02:30:00+02:00"],
        ),
        (
            "{name: a, logicalType: timestamp, logicalTypeOptions: {timezone: true, format: \"yyyyMMdd'T'HHmmssXXX\"}}",
            &["20130101T100000+01:00", "20130101T100000Z", "20130101T100000", "2013-01-01T10:00:00Z", "20130230T100000Z"],
        ),
        (
            "{name: a, logicalType: time, logicalTypeOptions: {maximum: \"22:00:00\"}}",
            &["00:00:00", "21:59:59.999999", "22:00:00.000001", "24:00:00", "12:00", "12:00:00Z", "12:00:00.5", "12:00:60"],
        ),
        ("{name: a, logicalType: boolean}", &["true", "false", "True", "yes", "1", "0", "", "NA"]),
        ("{name: a, logicalType: string}", &["007", "NA", "", " x ", "1,234", "naïve", "e\u{301}"]),
        (
            "{name: a, logicalType: string, logicalTypeOptions: {minLength: 2, maxLength: 3}}",
            &["a", "ab", "abc", "abcd", "é", "éé", "ééé", "éééé", "日本", "日本語文", "👩‍👩‍👧"],
        ),
        ("{name: a, logicalType: string, logicalTypeOptions: {pattern: \"[A-Z]{2}\"}}", &["AB", "ABC", "xABx", "AB\n", "ab", ""]),
        ("{name: a, logicalType: string, logicalTypeOptions: {pattern: \"a|bc\"}}", &["a", "bc", "ac", "abc", "xbc"]),
        (
            "{name: a, logicalType: string, logicalTypeOptions: {format: uuid}}",
            &["53581432-6c55-4ba2-a65f-72344a91553a", "535814326c554ba2a65f72344a91553a", "53581432-6c55-4ba2-a65f-72344a91553g"],
        ),
        ("{name: a, logicalType: string, logicalTypeOptions: {format: ipv4}}", &["127.0.0.1", "127.0.0.256", "127.0.0.01", "::1"]),
        ("{name: a, logicalType: string, logicalTypeOptions: {format: ipv6}}", &["::1", "127.0.0.1", "::g"]),
        (
            "{name: a, logicalType: string, quality: [{type: library, metric: invalidValues, mustBe: 0, arguments: {validValues: [b, a]}}]}",
            &["a", "b", "c", "ab", ""],
        ),
        (
            "{name: a, logicalType: integer, quality: [{type: library, metric: invalidValues, mustBe: 0, arguments: {validValues: [3, 1]}}]}",
            &["1", "2", "3", "03"],
        ),
        ("{name: a, logicalType: string, required: true}", &["x", "NA", ""]),
        ("{name: a, logicalType: string, primaryKey: true}", &["x", "NA"]),
    ] {
        report.push_str(&fates(property, cells));
    }
    insta::assert_snapshot!(report);
}

#[test]
fn json_kinds_are_strict() {
    let cells = [
        (CellKind::Number, "1"),
        (CellKind::String, "1"),
        (CellKind::String, "2013-01-01"),
        (CellKind::Bool, "true"),
        (CellKind::String, "true"),
        (CellKind::Null, ""),
        (CellKind::Nested, "[1]"),
        (CellKind::String, "NA"),
        (CellKind::Quoted, "NA"),
        (CellKind::Text, "NA"),
        (CellKind::TooLong, ""),
    ];
    let mut report = String::new();
    for property in [
        "{name: a, logicalType: integer}",
        "{name: a, logicalType: integer, customProperties: [{property: polder.fromText, value: true}]}",
        "{name: a, logicalType: boolean}",
        "{name: a, logicalType: boolean, customProperties: [{property: polder.fromText, value: true}]}",
        "{name: a, logicalType: date}",
        "{name: a, logicalType: string}",
    ] {
        let column = text_column(&cells.iter().map(|(kind, text)| (*kind, text.as_bytes().to_vec())).collect::<Vec<_>>());
        report.push_str(&format!("{property}\n"));
        for ((kind, text), fate) in cells.iter().zip(fate(property, &["NA"], column)) {
            report.push_str(&format!("{kind:?} {text:?} -> {fate}\n"));
        }
    }
    insta::assert_snapshot!(report);
}

#[test]
fn typed_values_are_kept_exactly_or_refused() {
    let mut report = String::new();
    let wide = "{name: a, logicalType: number, physicalType: 'decimal(38,2)'}";
    let dictionary: DictionaryArray<arrow::array::types::Int32Type> = vec![Some("1"), None, Some("x")].into_iter().collect();
    let nested =
        StructArray::from(vec![(Arc::new(Field::new("x", DataType::Int64, true)), Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]);
    let cases: Vec<(&str, ArrayRef)> = vec![
        (
            "{name: a, logicalType: integer, logicalTypeOptions: {format: i32, minimum: 0}}",
            Arc::new(Int64Array::from(vec![Some(1), Some(1 << 40), Some(-1), None])),
        ),
        ("{name: a, logicalType: integer, logicalTypeOptions: {format: i64}}", Arc::new(UInt64Array::from(vec![1, u64::MAX]))),
        ("{name: a, logicalType: integer}", Arc::new(Float64Array::from(vec![1.0]))),
        ("{name: a, logicalType: integer}", Arc::new(Decimal128Array::from(vec![100, 150]).with_precision_and_scale(5, 2).unwrap())),
        ("{name: a, logicalType: number}", Arc::new(Int64Array::from(vec![9_007_199_254_740_992, 9_007_199_254_740_993]))),
        ("{name: a, logicalType: number}", Arc::new(Float32Array::from(vec![0.5, 0.1]))),
        ("{name: a, logicalType: number, logicalTypeOptions: {format: f32}}", Arc::new(Float64Array::from(vec![0.5, 0.1, f64::NAN]))),
        (
            "{name: a, logicalType: number, logicalTypeOptions: {minimum: 0, exclusiveMaximum: 1}}",
            Arc::new(Float64Array::from(vec![Some(0.0), Some(1.0), Some(-0.1), Some(f64::INFINITY), None])),
        ),
        (wide, Arc::new(Int64Array::from(vec![i64::MAX]))),
        (
            "{name: a, logicalType: number, physicalType: 'decimal(5,2)'}",
            Arc::new(Decimal128Array::from(vec![12_345_678, 12_345_000]).with_precision_and_scale(10, 4).unwrap()),
        ),
        ("{name: a, logicalType: string}", Arc::new(StringViewArray::from(vec![Some("x"), None]))),
        ("{name: a, logicalType: string, logicalTypeOptions: {maxLength: 1}}", Arc::new(dictionary.clone())),
        ("{name: a, logicalType: integer}", Arc::new(dictionary.clone())),
        ("{name: a, logicalType: integer, customProperties: [{property: polder.fromText, value: true}]}", Arc::new(dictionary)),
        ("{name: a, logicalType: string}", Arc::new(BinaryArray::from(vec![&b"ok"[..], b"\xff\xfe"]))),
        ("{name: a, logicalType: string}", Arc::new(nested.clone())),
        ("{name: a, logicalType: integer}", Arc::new(nested)),
        ("{name: a, logicalType: date}", Arc::new(Date64Array::from(vec![86_400_000, 86_400_001]))),
        ("{name: a, logicalType: timestamp}", Arc::new(TimestampNanosecondArray::from(vec![1_000, 1_001]).with_timezone("Europe/Paris"))),
        ("{name: a, logicalType: timestamp}", Arc::new(TimestampMillisecondArray::from(vec![1]))),
        (
            "{name: a, logicalType: timestamp, logicalTypeOptions: {timezone: false}}",
            Arc::new(TimestampMillisecondArray::from(vec![1, i64::MAX])),
        ),
        (
            "{name: a, logicalType: timestamp, logicalTypeOptions: {timezone: false}}",
            Arc::new(TimestampMillisecondArray::from(vec![1]).with_timezone("UTC")),
        ),
        (
            "{name: a, logicalType: timestamp, logicalTypeOptions: {defaultTimezone: Europe/Amsterdam}}",
            Arc::new(TimestampMillisecondArray::from(vec![1_372_680_000_000, 1_364_697_000_000])),
        ),
        ("{name: a, logicalType: time}", Arc::new(Time64NanosecondArray::from(vec![Some(3_600_000_000_000), Some(1), Some(-1_000), None]))),
        ("{name: a, logicalType: date}", Arc::new(TimestampMillisecondArray::from(vec![0]))),
        ("{name: a, logicalType: boolean}", Arc::new(Int64Array::from(vec![0, 1]))),
    ];
    for (property, array) in cases {
        let kind = array.data_type().clone();
        report.push_str(&format!("{property} from {kind}\n  {}\n", fate(property, &[], Cells::Typed(array)).join(" | ")));
    }
    insta::assert_snapshot!(report);
}

#[test]
fn no_offset_leads_out_of_the_years_that_are_read() {
    let zoned = "{name: a, logicalType: timestamp}";
    let texts = ["0001-01-01T00:00:00+14:00", "0001-01-01T14:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T09:59:59.999999-14:00"];
    let wanted = ["! type:range", "0001-01-01T00:00:00Z", "! type:range", "9999-12-31T23:59:59.999999Z"];
    assert_eq!(fate(zoned, &[], csv(&texts)), wanted);
    let default = "{name: a, logicalType: timestamp, logicalTypeOptions: {defaultTimezone: \"+14:00\"}}";
    assert_eq!(fate(default, &[], csv(&["0001-01-01T00:00:00", "0001-01-01T14:00:00"])), ["! type:range", "0001-01-01T00:00:00Z"]);
    let format = "{name: a, logicalType: timestamp, logicalTypeOptions: {format: \"dd/MM/yyyy HH:mm XXX\"}}";
    assert_eq!(fate(format, &[], csv(&["01/01/0001 00:00 +01:00", "31/12/9999 23:59 -00:01"])), ["! type:range", "! type:range"]);

    // Typed sources hold other years too.
    let (first, end) = (-62_135_596_800_000_000, 253_402_300_800_000_000i64);
    let moments = TimestampMicrosecondArray::from(vec![first - 1, first, end - 1, end]);
    let wanted = ["! type:range", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "! type:range"];
    assert_eq!(fate(zoned, &[], Cells::Typed(Arc::new(moments.clone().with_timezone("UTC")))), wanted);
    let local = "{name: a, logicalType: timestamp, logicalTypeOptions: {timezone: false}}";
    assert_eq!(fate(local, &[], Cells::Typed(Arc::new(moments))), wanted.map(|fate| fate.trim_end_matches('Z').to_owned()));
    let days = Date32Array::from(vec![-719_163, -719_162, 2_932_896, 2_932_897]);
    let wanted = ["! type:range", "0001-01-01", "9999-12-31", "! type:range"];
    assert_eq!(fate("{name: a, logicalType: date}", &[], Cells::Typed(Arc::new(days))), wanted);
}

#[test]
fn an_array_of_the_columns_own_type_is_not_copied() {
    let gate = gate(&["{name: a, logicalType: integer, logicalTypeOptions: {format: i64, minimum: 0}}"], &[]);
    let array = Int64Array::from(vec![1, 2, 3]);
    let before = array.values().as_ptr();
    let checked = gate.check(batch(vec![Cells::Typed(Arc::new(array))], 0)).unwrap();
    assert_eq!(checked.admitted.batch().column(0).as_primitive::<Int64Type>().values().as_ptr(), before);
}

#[test]
fn bytes_that_are_not_utf8_are_refused_and_spoil_no_neighbour() {
    let cells: Vec<_> = [&b"caf\xc3\xa9"[..], b"caf\xe9", b"\xa9x", b"ok", b"\xc3", b"\xed\xa0\x80"]
        .iter()
        .map(|cell| (CellKind::Text, cell.to_vec()))
        .collect();
    let fates = fate("{name: a, logicalType: string}", &[], text_column(&cells));
    // Bytes that are only valid together with the next cell's are refused all the same.
    assert_eq!(fates, ["café", "! not_utf8", "! not_utf8", "ok", "! not_utf8", "! not_utf8"]);
    let split: Vec<_> = [&b"a\xc3"[..], b"\xa9b"].iter().map(|cell| (CellKind::Text, cell.to_vec())).collect();
    assert_eq!(fate("{name: a, logicalType: string}", &[], text_column(&split)), ["! not_utf8", "! not_utf8"]);
}

#[test]
fn a_field_over_the_limit_is_refused() {
    let limit = polder_types::limit::FIELD_MAX_BYTES;
    let cells = vec![(CellKind::Text, vec![b'x'; limit]), (CellKind::Text, vec![b'x'; limit + 1])];
    let gate = gate(&["{name: a, logicalType: string}"], &[]);
    let checked = gate.check(batch(vec![text_column(&cells)], 0)).unwrap();
    assert_eq!((checked.admitted.rows(), checked.rejections[0].rule), (1, Rule::TooLong));
    let typed = StringArray::from(vec!["x".repeat(limit), "x".repeat(limit + 1)]);
    let checked = gate.check(batch(vec![Cells::Typed(Arc::new(typed))], 2)).unwrap();
    assert_eq!((checked.admitted.rows(), checked.rejections[0].rule), (1, Rule::TooLong));
}

#[test]
fn the_first_rule_in_column_order_is_told_and_rows_keep_their_places() {
    let gate = gate(
        &["{name: a, logicalType: integer, required: true}", "{name: b, logicalType: integer, logicalTypeOptions: {maximum: 5}}"],
        &[""],
    );
    let mut raw = batch(vec![csv(&["1", "x", "", "4", "5", ""]), csv(&["1", "9", "y", "9", "5", "z"])], 100);
    raw.malformed = vec![(5, Malformed::Ragged)];
    let checked = gate.check(raw).unwrap();
    let told: Vec<_> = checked.rejections.iter().map(|r| (r.record, r.ordinal, r.column.as_deref(), r.rule)).collect();
    assert_eq!(
        told,
        [
            (102, 101, Some("a"), Rule::Type),
            (103, 102, Some("a"), Rule::Required),
            (104, 103, Some("b"), Rule::Maximum),
            (106, 105, None, Rule::Malformed(Malformed::Ragged))
        ]
    );
    assert!(checked.rejections[3].row_bytes().is_empty());
    assert_eq!(checked.admitted.ordinals(), [100..101, 104..105]);
    assert_eq!(checked.admitted.batch().column(1).as_primitive::<Int32Type>().values(), &[1, 5]);
    assert_eq!(gate.finish().unwrap().rows_checked(), 6);
}

#[test]
fn a_batch_of_another_shape_is_an_error() {
    let gate = gate(&["{name: a, logicalType: integer}", "{name: b, logicalType: integer}"], &[]);
    for raw in [batch(vec![csv(&["1"])], 0), batch(vec![csv(&["1"]), csv(&["1", "2"])], 0)] {
        assert!(matches!(gate.check(raw), Err(Error::Shape { .. })));
    }
    gate.finish().unwrap();
    assert!(matches!(gate.finish(), Err(Error::Closed)));
    assert!(matches!(gate.check(batch(vec![csv(&["1"]), csv(&["1"])], 0)), Err(Error::Closed)));
}

#[test]
fn a_short_key_is_refused() {
    let mut options = options(Arc::new(FullSpill));
    options.key = Secret::new(vec![1; 15]);
    assert!(matches!(Gate::new(approved(contract(&["{name: a, logicalType: integer}"])), options), Err(Error::Key)));
}

#[test]
fn an_empty_batch_is_admitted_empty() {
    let gate = gate(&["{name: a, logicalType: integer, primaryKey: true}"], &[]);
    let checked = gate.check(batch(vec![csv(&[])], 0)).unwrap();
    assert_eq!((checked.admitted.rows(), checked.admitted.ordinals().len(), checked.rejections.len()), (0, 0, 0));
    assert!(gate.finish().unwrap().is_empty());
}

#[test]
fn many_threads_find_what_one_finds() {
    let properties = ["{name: a, logicalType: integer, primaryKey: true}", "{name: b, logicalType: number}"];
    let batches = || {
        (0..64u64).map(|at| {
            let keys: Vec<String> = (0..50).map(|row| ((at * 37 + row * 11) % 2000).to_string()).collect();
            let values: Vec<String> = (0..50).map(|row| if row == 7 { "x".to_owned() } else { format!("{row}.5") }).collect();
            let texts = |values: &[String]| csv(&values.iter().map(String::as_str).collect::<Vec<_>>());
            batch(vec![texts(&keys), texts(&values)], at * 50)
        })
    };
    let one = gate(&properties, &[]);
    let alone: usize = batches().map(|raw| one.check(raw).unwrap().rejections.len()).sum();
    let many = gate(&properties, &[]);
    let queue = parking_lot::Mutex::new(batches().collect::<Vec<_>>());
    let together: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut rejected = 0;
                    loop {
                        let Some(raw) = queue.lock().pop() else { return rejected };
                        rejected += many.check(raw).unwrap().rejections.len();
                    }
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let (first, second) = (one.finish().unwrap(), many.finish().unwrap());
    assert_eq!((alone, first.rows()), (together, second.rows()));
    assert!(!first.is_empty() && alone == 64);
}

#[test]
fn the_schema_is_the_contracts() {
    let gate = gate(
        &[
            "{name: k, logicalType: integer, primaryKey: true, logicalTypeOptions: {format: i64}}",
            "{name: f, logicalType: number}",
            "{name: t, logicalType: timestamp}",
        ],
        &[],
    );
    let checked = gate.check(batch(vec![csv(&["1"]), csv(&["2.5"]), csv(&["1970-01-01T00:00:01Z"])], 0)).unwrap();
    let batch = checked.admitted.into_batch();
    assert_eq!(batch.schema(), gate.contract().arrow_schema());
    assert_eq!(batch.column(1).as_primitive::<Float64Type>().value(0), 2.5);
    assert_eq!(batch.column(2).as_primitive::<TimestampMicrosecondType>().value(0), 1_000_000);
}
