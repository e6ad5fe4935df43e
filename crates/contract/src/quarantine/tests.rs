use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use proptest::prelude::*;

use super::*;
use crate::Gate;
use crate::testing::{MemorySpill, approved, batch, contract, csv, options, text_column};

fn one_of_each() -> (Contract, Vec<u8>) {
    let contract = contract(&[
        "{name: a, physicalName: A, logicalType: integer}",
        "{name: b, logicalType: string, logicalTypeOptions: {maxLength: 2}}",
    ]);
    let gate = Gate::new(approved(contract.clone()), options(Arc::new(MemorySpill::default()))).unwrap();
    let mut raw = batch(
        vec![
            csv(&["x", "1", "2", "3"]),
            text_column(&[
                (CellKind::Quoted, b"ok".to_vec()),
                (CellKind::Text, b"\xff".to_vec()),
                (CellKind::Null, Vec::new()),
                (CellKind::String, "é€x".into()),
            ]),
        ],
        10,
    );
    raw.malformed = vec![(2, crate::Malformed::BadQuote)];
    let mut writer = Writer::new(&contract);
    gate.check(raw).unwrap().rejections.iter().for_each(|rejection| writer.push(rejection));
    assert_eq!(writer.rows(), 4);
    (contract, writer.finish())
}

#[test]
fn rows_come_back_with_their_reasons() {
    let (contract, bytes) = one_of_each();
    let reader = Reader::open(&bytes).unwrap();
    assert_eq!(reader.head().columns, ["A", "b"]);
    assert_eq!(reader.head().contract, hex::encode(contract.semantic_hash()));
    let kept: Vec<Kept> = reader.map(Result::unwrap).collect();
    let told: Vec<_> =
        kept.iter().map(|row| (row.file.as_str(), row.record, row.ordinal, row.column.as_deref(), row.rule.name())).collect();
    assert_eq!(
        told,
        [
            ("a.csv", 11, 10, Some("a"), "type"),
            ("a.csv", 12, 11, Some("b"), "not_utf8"),
            ("a.csv", 13, 12, None, "malformed:bad_quote"),
            ("a.csv", 14, 13, Some("b"), "maxLength")
        ]
    );
    assert_eq!(kept[1].cells, [(CellKind::Text, b"1".to_vec()), (CellKind::Text, b"\xff".to_vec())]);
    assert!(kept[2].cells.is_empty());
    assert!(!format!("{kept:?}").contains("€"));
}

#[test]
fn the_format_has_golden_bytes() {
    insta::assert_snapshot!(hex::encode(one_of_each().1));
}

#[test]
fn a_replay_passes_a_wider_contract() {
    let (_, bytes) = one_of_each();
    let wider = contract(&[
        "{name: b, logicalType: string, logicalTypeOptions: {maxLength: 9}}",
        "{name: a, physicalName: A, logicalType: string}",
    ]);
    let replay = replay(&bytes, &wider, Arc::from("quarantine"), 0).unwrap();
    assert_eq!((replay.batch.rows, replay.batch.malformed.len()), (4, 1));
    let gate = Gate::new(approved(wider), options(Arc::new(MemorySpill::default()))).unwrap();
    let checked = gate.check(replay.batch).unwrap();
    assert_eq!((checked.admitted.rows(), checked.rejections.len()), (2, 2));
    let more = contract(&["{name: c, logicalType: string}"]);
    assert!(matches!(super::replay(&bytes, &more, Arc::from("q"), 0), Err(Error::NotKept { .. })));
}

#[test]
fn typed_values_survive_quarantine_and_replay() {
    let properties = [
        "{name: i, logicalType: integer, logicalTypeOptions: {format: i64}}",
        "{name: f, logicalType: number, customProperties: [{property: polder.allowNan, value: true}]}",
        "{name: d, logicalType: number, physicalType: 'decimal(20,3)'}",
        "{name: b, logicalType: boolean}",
        "{name: s, logicalType: string}",
        "{name: w, logicalType: date, logicalTypeOptions: {format: dd.MM.yyyy}}",
        "{name: z, logicalType: timestamp}",
        "{name: l, logicalType: timestamp, logicalTypeOptions: {timezone: false}}",
    ];
    let contract = contract(&properties);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(9_007_199_254_740_993), None])),
        Arc::new(Float64Array::from(vec![0.1 + 0.2, f64::NAN, -f64::INFINITY])),
        Arc::new(Decimal128Array::from(vec![Some(-1), Some(12_345_678_901_234_567_890), None]).with_precision_and_scale(20, 3).unwrap()),
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        Arc::new(StringArray::from(vec![Some("NA"), Some(""), None])),
        Arc::new(Date32Array::from(vec![Some(-719_162), Some(0), None])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(1), Some(-1), None]).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500_000), Some(-62_135_596_800_000_000), None])),
    ];
    let staged = RecordBatch::try_new(contract.arrow_schema(), columns).unwrap();
    let gate = Gate::new(approved(contract.clone()), options(Arc::new(MemorySpill::default()))).unwrap();
    let mut writer = Writer::new(&contract);
    for row in 0..3 {
        let duplicate = crate::Duplicate {
            ordinal: row as u64,
            file: Arc::from("f"),
            record: row as u64 + 1,
            columns: "i".to_owned(),
            rule: Rule::PrimaryKey,
            layout: row::staged_as(&contract),
        };
        writer.push(&duplicate.into_rejection(&staged, row));
    }
    let replay = replay(&writer.finish(), &contract, Arc::from("q"), 0).unwrap();
    let checked = gate.check(replay.batch).unwrap();
    assert_eq!(checked.rejections, []);
    assert_eq!(format!("{:?}", checked.admitted.batch()), format!("{staged:?}"));
}

#[test]
fn other_typed_cells_keep_their_bytes() {
    let binary: ArrayRef = Arc::new(BinaryArray::from(vec![&b"\xff\x00"[..]]));
    let dictionary: DictionaryArray<arrow::array::types::Int8Type> = vec!["q", "w"].into_iter().collect();
    let cells =
        row::decode(&row::encode_staged(&[row::StagedAs::Plain(0), row::StagedAs::Plain(1)], &[binary, Arc::new(dictionary)], 0)).unwrap();
    assert_eq!(cells, [(CellKind::String, b"\xff\x00".to_vec()), (CellKind::String, b"q".to_vec())]);
}

proptest! {
    #[test]
    fn any_number_comes_back(number: u64, rest: Vec<u8>) {
        let mut bytes = Vec::new();
        row::put_number(number, &mut bytes);
        bytes.extend_from_slice(&rest);
        prop_assert_eq!(row::take_number(&bytes), Some((number, rest.as_slice())));
    }

    #[test]
    fn no_bytes_panic_the_reader(at in 0usize..400, value: u8, cut in 0usize..400) {
        let (contract, mut bytes) = one_of_each();
        let len = bytes.len();
        bytes[at % len] = value;
        bytes.truncate(len - cut % len);
        if let Ok(reader) = Reader::open(&bytes) {
            let _ = reader.collect::<Vec<_>>();
        }
        let _ = replay(&bytes, &contract, Arc::from("q"), 0);
    }

    #[test]
    fn no_soup_panics_the_row_decoder(bytes: Vec<u8>) {
        let _ = row::decode(&bytes);
    }
}
