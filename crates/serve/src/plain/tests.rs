use std::sync::Arc;

use arrow::array::builder::{FixedSizeBinaryBuilder, ListBuilder, MapBuilder, StringBuilder};
use arrow::array::{
    BinaryViewArray, DictionaryArray, Int32Array, Int64Array, LargeStringArray, ListArray, StringArray, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::compute::nullif;
use arrow::datatypes::Int32Type;
use arrow::ipc::writer::StreamWriter;
use proptest::prelude::*;

use super::*;

/// A word that must not be sent, long enough not to be in a view itself.
const HIDDEN: &str = "hidden-from-everyone, and long";

fn sent(column: &ArrayRef) -> (Vec<u8>, RecordBatch) {
    let seen = RecordBatch::try_from_iter_with_nullable([("c", Arc::clone(column), true)]).unwrap();
    let schema = schema(&seen.schema()).unwrap();
    let parts = Parts::new(Arc::clone(&schema), seen, 1 << 20).collect::<Result<Vec<_>, _>>().unwrap();
    let batch = arrow::compute::concat_batches(&schema, &parts).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    parts.iter().for_each(|part| writer.write(part).unwrap());
    (writer.into_inner().unwrap(), batch)
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// The second row of three made NULL as a kernel may: in the bitmap alone.
fn second_null(column: &dyn Array) -> ArrayRef {
    let nulls = NullBuffer::from(vec![true, false, true]);
    make_array(column.to_data().into_builder().nulls(Some(nulls)).build().unwrap())
}

#[test]
fn nothing_is_sent_of_what_lies_below_a_null() {
    let words = ["seen-one-that-is-long", HIDDEN, "seen-two-that-is-long"];
    let texts: ArrayRef = Arc::new(StringArray::from(words.to_vec()));
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut fixed = FixedSizeBinaryBuilder::new(30);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for word in words {
        lists.append_value([Some(word)]);
        fixed.append_value(format!("{word:<30}")).unwrap();
        maps.keys().append_value("k");
        maps.values().append_value(word);
        maps.append(true).unwrap();
    }
    let of = |name: &str, column: &ArrayRef| (Arc::new(Field::new(name, column.data_type().clone(), false)), Arc::clone(column));
    let structs: ArrayRef = Arc::new(StructArray::from(vec![of("member", &texts)]));
    let nested: ArrayRef = Arc::new(StructArray::from(vec![of("outer", &structs)]));
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let fixed_lists: ArrayRef = Arc::new(FixedSizeListArray::new(item, 1, Arc::clone(&texts), None));
    let columns: [ArrayRef; 9] = [
        Arc::clone(&texts),
        Arc::new(LargeStringArray::from(words.to_vec())),
        Arc::new(StringViewArray::from(words.to_vec())),
        Arc::new(lists.finish()),
        Arc::new(fixed.finish()),
        Arc::new(maps.finish()),
        structs,
        nested,
        fixed_lists,
    ];
    for column in columns {
        let kind = column.data_type().clone();
        let (bytes, _) = sent(&column);
        assert!(holds(&bytes, HIDDEN.as_bytes()), "the control: {kind}");
        let masked = second_null(&column);
        let (bytes, batch) = sent(&masked);
        assert!(!holds(&bytes, HIDDEN.as_bytes()), "{kind} sends what is below its NULL");
        assert!(holds(&bytes, b"seen-one-that-is-long") && holds(&bytes, b"seen-two-that-is-long"), "{kind}");
        assert!(batch.column(0).is_null(1) && batch.column(0).is_valid(0), "{kind}");
    }
}

#[test]
fn numbers_below_a_null_are_not_sent() {
    let secret = 0x1122_3344_5566_7788_i64;
    let numbers = TimestampMicrosecondArray::from(vec![1, secret, 3]).with_timezone("UTC");
    let masked = nullif(&numbers, &vec![false, true, false].into()).unwrap();
    assert_eq!(masked.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().values()[1], secret, "the kernel keeps it");
    let column: ArrayRef = Arc::new(numbers);
    assert!(holds(&sent(&column).0, &secret.to_le_bytes()), "the control");
    let (bytes, batch) = sent(&masked);
    assert!(!holds(&bytes, &secret.to_le_bytes()));
    assert_eq!(batch.column(0).data_type(), column.data_type());
    assert_eq!(batch.column(0).to_data(), masked.to_data());
}

#[test]
fn nothing_is_sent_of_rows_that_were_filtered_or_sliced_away() {
    let words = vec![Some("seen-one-that-is-long"), Some(HIDDEN), None];
    let keys: DictionaryArray<Int32Type> = words.clone().into_iter().collect();
    let bytes: Vec<Option<&[u8]>> = words.iter().map(|word| word.map(str::as_bytes)).collect();
    let columns: [ArrayRef; 4] = [
        Arc::new(StringViewArray::from(words.clone())),
        Arc::new(BinaryViewArray::from(bytes)),
        Arc::new(keys),
        Arc::new(StringArray::from(words)),
    ];
    for column in columns {
        let kind = column.data_type().clone();
        assert!(holds(&sent(&column).0, HIDDEN.as_bytes()), "the control: {kind}");
        let filtered = arrow::compute::filter(&column, &vec![true, false, true].into()).unwrap();
        for part in [filtered, column.slice(0, 1)] {
            let (bytes, batch) = sent(&part);
            assert!(!holds(&bytes, HIDDEN.as_bytes()), "{kind}");
            assert!(holds(&bytes, b"seen-one-that-is-long"), "{kind}");
            assert_eq!(batch.num_rows(), part.len());
        }
    }
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), Some(vec![Some(0x0bad_cafe)]), None]);
    let lists: ArrayRef = Arc::new(lists);
    assert!(holds(&sent(&lists).0, &0x0bad_cafe_i32.to_le_bytes()), "the control");
    assert!(!holds(&sent(&lists.slice(0, 1)).0, &0x0bad_cafe_i32.to_le_bytes()));
    assert_eq!(sent(&lists.slice(1, 2)).1.column(0).as_list::<i32>().value(0).as_primitive::<Int32Type>().value(0), 0x0bad_cafe);
}

#[test]
fn a_union_is_not_sent() {
    let members = [(0, Arc::new(Field::new("a", DataType::Int64, true)))].into_iter().collect();
    let union = DataType::Union(members, arrow::datatypes::UnionMode::Dense);
    let within = DataType::List(Arc::new(Field::new_list_field(union.clone(), true)));
    assert!(data_type(&union).is_err() && data_type(&within).is_err());
}

#[test]
fn rows_without_columns_are_counted() {
    let options = RecordBatchOptions::new().with_row_count(Some(10_000));
    let empty = Arc::new(Schema::empty());
    let batch = RecordBatch::try_new_with_options(Arc::clone(&empty), Vec::new(), &options).unwrap();
    let parts: Vec<_> = Parts::new(empty, batch, 1).map(|part| part.unwrap().num_rows()).collect();
    assert_eq!(parts.iter().sum::<usize>(), 10_000);
}

proptest! {
    #[test]
    fn parts_are_bounded_and_are_all_rows_in_order(
        lengths in prop::collection::vec(prop::option::of(0usize..3_000), 0..200),
        bytes_max in 100usize..10_000,
    ) {
        let text = |row: usize, length: usize| format!("{row}{}", "x".repeat(length));
        let texts: Vec<Option<String>> = lengths.iter().enumerate().map(|(row, length)| length.map(|length| text(row, length))).collect();
        let numbers: Int64Array = (0..texts.len() as i64).map(|row| (row % 3 != 0).then_some(row)).collect();
        let keys: Int32Array = (0..texts.len() as i32).map(Some).collect();
        let views: ArrayRef = Arc::new(StringViewArray::from_iter(&texts));
        let dictionary: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::clone(&views)));
        let numbers: ArrayRef = Arc::new(numbers);
        let columns = [("v", views, true), ("d", dictionary, true), ("n", Arc::clone(&numbers), true)];
        let seen = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let plain = schema(&seen.schema()).unwrap();
        let parts = Parts::new(Arc::clone(&plain), seen, bytes_max).collect::<Result<Vec<_>, _>>().unwrap();
        for part in &parts {
            prop_assert!(part.num_rows() == 1 || batch_bytes(part) <= bytes_max);
            prop_assert!(part.num_rows() > 0);
        }
        let all = arrow::compute::concat_batches(&plain, &parts).unwrap();
        let expected: ArrayRef = Arc::new(StringArray::from(texts));
        prop_assert_eq!(all.column(0).to_data(), expected.to_data());
        prop_assert_eq!(all.column(1).to_data(), expected.to_data());
        prop_assert_eq!(all.column(2).to_data(), numbers.to_data());
    }
}
