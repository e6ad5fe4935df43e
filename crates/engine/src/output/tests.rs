use std::sync::Arc;

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
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
