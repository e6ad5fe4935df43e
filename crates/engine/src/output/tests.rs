use std::sync::Arc;

use arrow::array::{
    Array as _, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int64Array, ListArray, StringArray,
    StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::ipc::reader::StreamReader;

use super::*;

fn sample() -> RecordBatch {
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), Some(-1), None])) as arrow::array::ArrayRef),
        ("sum", Arc::new(Decimal128Array::from(vec![Some(12_345), Some(-5), None]).with_precision_and_scale(10, 2).unwrap())),
        ("ratio", Arc::new(Float64Array::from(vec![Some(0.1), Some(1e300), None]))),
        ("note", Arc::new(StringArray::from(vec![Some("a, \"b\"\nc"), Some(""), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(15_706), Some(0), None]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(1), Some(1_356_998_400_000_000), None]).with_timezone("UTC"))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("raw", Arc::new(BinaryArray::from_opt_vec(vec![Some(&b"\x00\xff"[..]), Some(&b""[..]), None]))),
    ])
    .unwrap()
}

async fn written(batches: Vec<RecordBatch>, format: Format) -> (Vec<u8>, u64) {
    let schema = batches[0].schema();
    let mut out = Vec::new();
    let rows = write_batches(schema, futures::stream::iter(batches.into_iter().map(Ok)), format, &mut out).await.unwrap();
    (out, rows)
}

#[tokio::test]
async fn each_format_writes_every_value_exactly() {
    let mut texts = Vec::new();
    for format in [Format::Table, Format::Csv, Format::Json] {
        let (out, rows) = written(vec![sample(), sample().slice(1, 1)], format).await;
        assert_eq!(rows, 4);
        texts.push(format!("{}\n{}", format.name(), String::from_utf8(out).unwrap()));
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[tokio::test]
async fn arrow_reads_back_the_same() {
    let (out, _) = written(vec![sample(), sample()], Format::Arrow).await;
    let back: Vec<_> = StreamReader::try_new(out.as_slice(), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(back, [sample(), sample()]);
}

#[tokio::test]
async fn an_empty_answer_has_its_head() {
    let empty = sample().slice(0, 0);
    assert_eq!(String::from_utf8(written(vec![empty.clone()], Format::Csv).await.0).unwrap(), "id,sum,ratio,note,day,at,ok,raw\n");
    assert_eq!(String::from_utf8(written(vec![empty.clone()], Format::Json).await.0).unwrap().trim(), "[]");
    assert!(String::from_utf8(written(vec![empty], Format::Table).await.0).unwrap().ends_with("(0 rows)\n"));
}

#[tokio::test]
async fn a_long_table_is_not_held() {
    let rows = TABLE_BUFFER_ROWS as i64 * 3;
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(0..rows)) as arrow::array::ArrayRef)]).unwrap();
    let (out, _) = written(vec![batch], Format::Table).await;
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count() as i64, rows + 3);
    assert_eq!(text.lines().nth(2).unwrap(), "  0");
    assert_eq!(text.lines().rev().nth(1).unwrap(), "2999");
}

#[tokio::test]
async fn an_answer_that_fails_does_not_look_whole() {
    let failure = || Error::Execute { message: "the disk is gone".to_owned(), kind: polder_types::ErrorKind::Unavailable };
    let failing = async |rows: Vec<RecordBatch>, format: Format| {
        let mut out = Vec::new();
        let batches = futures::stream::iter(rows.into_iter().map(Ok).chain([Err(failure())]));
        let error = write_batches(sample().schema(), batches, format, &mut out).await.unwrap_err();
        assert_eq!(error.kind(), polder_types::ErrorKind::Unavailable);
        (String::from_utf8_lossy(&out).into_owned(), crate::tests::bed::chained(&error))
    };
    for format in [Format::Table, Format::Csv, Format::Json, Format::Arrow] {
        // Before the first row, nothing is written.
        assert_eq!(failing(Vec::new(), format).await, (String::new(), "compute answer: the disk is gone".to_owned()), "{}", format.name());
    }
    for format in [Format::Csv, Format::Json, Format::Arrow] {
        let (out, error) = failing(vec![sample(), sample()], format).await;
        assert!(!out.is_empty());
        assert_eq!(
            error,
            "finish answer: it ends after 6 rows, and what was written is not the whole of it: compute answer: the disk is gone",
            "{}",
            format.name()
        );
    }
    // A table is held until its columns' widths are known, so a short one is not written at all, and a long one has no last line.
    assert_eq!(failing(vec![sample()], Format::Table).await, (String::new(), "compute answer: the disk is gone".to_owned()));
    let (out, error) = failing(vec![sample(); TABLE_BUFFER_ROWS], Format::Table).await;
    assert!(out.lines().count() > TABLE_BUFFER_ROWS && !out.ends_with("rows)\n"));
    assert!(error.starts_with("finish answer: it ends after 3000 rows"), "{error}");
}

#[tokio::test]
async fn no_value_steers_the_terminal() {
    let batch =
        RecordBatch::try_from_iter([("\u{1b}]0;x\u{7}", Arc::new(StringArray::from(vec!["\u{1b}[31mred\r"])) as arrow::array::ArrayRef)])
            .unwrap();
    let (out, _) = written(vec![batch], Format::Table).await;
    assert!(!out.contains(&0x1b) && !out.contains(&b'\r') && !out.contains(&7));
    // What turns a line round, or ends it, is text too.
    let hostile = "a\u{202e}b\u{9b}31m\u{2028}c\u{7f}";
    let batch = RecordBatch::try_from_iter([(hostile, Arc::new(StringArray::from(vec![hostile])) as arrow::array::ArrayRef)]).unwrap();
    let (out, _) = written(vec![batch.clone()], Format::Table).await;
    let text = String::from_utf8(out).unwrap();
    assert!(!text.chars().any(|c| c != '\n' && polder_types::printable::steers(c)), "{text:?}");
    let (out, _) = written(vec![batch], Format::Json).await;
    let text = String::from_utf8(out).unwrap();
    assert!(!text.chars().any(|c| c != '\n' && polder_types::printable::steers(c)), "{text:?}");
    assert_eq!(text.matches("a\\u202eb\\u009b31m\\u2028c\\u007f").count(), 2, "{text}");
}

#[tokio::test]
async fn json_keeps_every_float_wherever_it_lies() {
    let odd = || Float64Array::from(vec![Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY), Some(-0.5), None]);
    let field = |name: &str, ty: &DataType| Arc::new(Field::new(name, ty.clone(), true));
    let nested = StructArray::from(vec![(field("x", &DataType::Float64), Arc::new(odd()) as arrow::array::ArrayRef)]);
    let offsets = OffsetBuffer::from_lengths([2, 0, 1, 1, 1]);
    let list = ListArray::new(field("item", &DataType::Float64), offsets, Arc::new(odd()), None);
    let single: Float32Array = [Some(f32::NAN), Some(f32::INFINITY), Some(f32::NEG_INFINITY), Some(0.1), None].into_iter().collect();
    let batch = RecordBatch::try_from_iter([
        ("f", Arc::new(odd()) as arrow::array::ArrayRef),
        ("s", Arc::new(single)),
        ("o", Arc::new(nested)),
        ("l", Arc::new(list)),
    ])
    .unwrap();
    let (out, _) = written(vec![batch], Format::Json).await;
    let wanted = r#"[{"f":"NaN","s":"NaN","o":{"x":"NaN"},"l":["NaN","Infinity"]},
{"f":"Infinity","s":"Infinity","o":{"x":"Infinity"},"l":[]},
{"f":"-Infinity","s":"-Infinity","o":{"x":"-Infinity"},"l":["-Infinity"]},
{"f":-0.5,"s":0.1,"o":{"x":-0.5},"l":[-0.5]},
{"f":null,"s":null,"o":{"x":null},"l":[null]}]
"#;
    assert_eq!(String::from_utf8(out).unwrap().replace("},{", "},\n{"), wanted);
}

#[tokio::test]
async fn json_has_each_name_once() {
    let ones = || Arc::new(Int64Array::from(vec![1])) as arrow::array::ArrayRef;
    let field = |name: &str| Arc::new(Field::new(name, DataType::Int64, true));
    let twice = StructArray::from(vec![(field("x"), ones()), (field("x"), ones())]);
    let item = Arc::new(Field::new("item", twice.data_type().clone(), true));
    let list = ListArray::new(item, OffsetBuffer::from_lengths([1]), Arc::new(twice.clone()), None);
    let flat = RecordBatch::try_from_iter([("x", ones()), ("x", ones())]).unwrap();
    let nested = RecordBatch::try_from_iter([("o", Arc::new(twice) as arrow::array::ArrayRef)]).unwrap();
    let listed = RecordBatch::try_from_iter([("l", Arc::new(list) as arrow::array::ArrayRef)]).unwrap();
    for batch in [flat.clone(), nested, listed] {
        let mut out = Vec::new();
        let rows = futures::stream::iter([Ok(batch.clone())]);
        let error = write_batches(batch.schema(), rows, Format::Json, &mut out).await.unwrap_err();
        assert_eq!(error.kind(), polder_types::ErrorKind::Invalid);
        let wanted = "write answer: two columns are called x, and an object of JSON has each name once; name them with AS";
        assert_eq!((error.to_string().as_str(), out.len()), (wanted, 0));
    }
    // The controls: other formats go by place, and the same name in another object is another one.
    assert_eq!(String::from_utf8(written(vec![flat], Format::Csv).await.0).unwrap(), "x,x\n1,1\n");
    let outer = StructArray::from(vec![(field("x"), ones())]);
    let batch = RecordBatch::try_from_iter([("x", Arc::new(outer) as arrow::array::ArrayRef)]).unwrap();
    assert_eq!(String::from_utf8(written(vec![batch], Format::Json).await.0).unwrap().trim(), r#"[{"x":{"x":1}}]"#);
}
