//! Each format, read by a reader that is not its writer.

use arrow::array::{Array as _, RecordBatch};
use arrow::compute::concat_batches;
use arrow::ipc::reader::StreamReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::bed::{Bed, LOGGED, sample};

fn whole() -> RecordBatch {
    concat_batches(&sample().schema(), &[sample(), sample().slice(1, 1)]).unwrap()
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";
const ARROW: &str = "application/vnd.apache.arrow.stream";
const PARQUET: &str = "application/vnd.apache.parquet";

#[tokio::test]
async fn json_holds_columns_rows_their_number_and_the_id_in_the_log() {
    let bed = Bed::new();
    let got = bed.ask(r#"{"sql":"sample"}"#, JSON).await;
    assert_eq!((got.status.as_u16(), got.header("content-type")), (200, JSON));
    assert_eq!(got.header("polder-request"), LOGGED.to_string());
    assert!(got.text().contains("\\u202e"), "nothing steers a terminal");
    let answer = got.json();
    assert_eq!(answer["request"], LOGGED.to_string());
    assert_eq!(answer["row_count"], 4);
    assert_eq!(answer["columns"][1], json!({"name": "sum", "type": "Decimal128(10, 2)", "nullable": true}));
    let rows: Vec<Value> = answer["rows"].as_array().unwrap().clone();
    assert_eq!(
        rows[0].to_string().replace('\u{202e}', "~"),
        r#"[9007199254740993,123.45,0.1,"a, \"b\"\nc~","2013-01-01","1970-01-01T00:00:00.000001Z",true,"00ff"]"#
    );
    assert_eq!(rows[1].to_string(), r#"[-1,-0.05,"NaN","","1970-01-01","2013-01-01T00:00:00Z",false,""]"#);
    assert_eq!(rows[2], Value::from(vec![Value::Null; 8]));
    assert_eq!(rows[3], rows[1]);
    let nothing = bed.ask(r#"{"sql":"nothing"}"#, JSON).await.json();
    assert_eq!((nothing["rows"].clone(), nothing["row_count"].clone()), (json!([]), json!(0)));
    assert_eq!(nothing["columns"].as_array().unwrap().len(), 8);
    // Lists have places where objects have names, so that two columns may have one name.
    assert_eq!(bed.ask(r#"{"sql":"twins"}"#, JSON).await.json()["rows"], json!([[1, 1]]));
}

#[tokio::test]
async fn ndjson_is_an_object_a_line() {
    let bed = Bed::new();
    let got = bed.ask(r#"{"sql":"sample"}"#, NDJSON).await;
    assert_eq!((got.status.as_u16(), got.header("content-type")), (200, NDJSON));
    assert!(got.text().ends_with("}\n"));
    let lines: Vec<Value> = got.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["id"].to_string(), "9007199254740993");
    assert_eq!(lines[1]["ratio"], "NaN");
    assert_eq!(lines[2]["note"], Value::Null);
    assert_eq!(bed.ask(r#"{"sql":"nothing"}"#, NDJSON).await.text(), "");
    bed.ask(r#"{"sql":"twins"}"#, NDJSON).await.problem(406);
}

#[tokio::test]
async fn csv_tells_null_and_the_empty_text_apart() {
    let bed = Bed::new();
    let got = bed.ask(r#"{"sql":"sample"}"#, CSV).await;
    assert_eq!((got.status.as_u16(), got.header("content-type")), (200, "text/csv; charset=utf-8; header=present"));
    let mut reader = csv::ReaderBuilder::new().from_reader(got.body.as_ref());
    assert_eq!(reader.headers().unwrap(), vec!["id", "sum", "ratio", "note", "day", "at", "ok", "raw"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(
        rows[0],
        vec!["9007199254740993", "123.45", "0.1", "a, \"b\"\nc\u{202e}", "2013-01-01", "1970-01-01T00:00:00.000001Z", "true", "00ff"]
    );
    assert_eq!(rows[2], vec![""; 8]);
    assert!(got.text().contains("\r\n-1,-0.05,NaN,\"\",1970-01-01,2013-01-01T00:00:00Z,false,\"\"\r\n,,,,,,,\r\n"), "{}", got.text());
    assert_eq!(bed.ask(r#"{"sql":"nothing"}"#, CSV).await.text(), "id,sum,ratio,note,day,at,ok,raw\r\n");
}

#[tokio::test]
async fn arrow_and_parquet_read_back_the_same() {
    let bed = Bed::new();
    for (sql, rows) in [("sample", 4), ("nothing", 0)] {
        let got = bed.ask(format!("{{\"sql\":\"{sql}\"}}"), ARROW).await;
        assert_eq!((got.status.as_u16(), got.header("content-type")), (200, ARROW));
        let reader = StreamReader::try_new(got.body.as_ref(), None).unwrap();
        let (schema, back): (_, Vec<RecordBatch>) = (reader.schema(), reader.map(Result::unwrap).collect());
        let back = concat_batches(&schema, &back).unwrap();
        assert_eq!(shown(&back), shown(&whole().slice(0, rows)));

        let got = bed.ask(format!("{{\"sql\":\"{sql}\"}}"), PARQUET).await;
        assert_eq!((got.status.as_u16(), got.header("content-type")), (200, PARQUET));
        let builder = ParquetRecordBatchReaderBuilder::try_new(got.body).unwrap();
        let schema = builder.schema().clone();
        let back: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        assert_eq!(shown(&concat_batches(&schema, &back).unwrap()), shown(&whole().slice(0, rows)));
    }
}

/// NaN is not equal to itself, so that texts are compared, and types beside them.
fn shown(rows: &RecordBatch) -> String {
    let types: Vec<String> = rows.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    let nulls: Vec<usize> = rows.columns().iter().map(|column| column.null_count()).collect();
    format!("{types:?} {nulls:?}\n{}", arrow::util::pretty::pretty_format_batches(std::slice::from_ref(rows)).unwrap())
}

#[tokio::test]
async fn an_answer_of_many_pieces_is_whole_in_each_format() {
    let bed = Bed::new();
    let rows = 5_000 * 64;
    let ask = async |format: &str| bed.ask(r#"{"sql":"many"}"#, format).await;
    let json = ask(JSON).await.json();
    assert_eq!((json["row_count"].as_u64(), json["rows"].as_array().unwrap().len()), (Some(rows as u64), rows));
    assert_eq!(ask(NDJSON).await.text().lines().count(), rows);
    assert_eq!(ask(CSV).await.text().lines().count(), rows + 1);
    let arrow = ask(ARROW).await.body;
    assert_eq!(StreamReader::try_new(arrow.as_ref(), None).unwrap().map(|batch| batch.unwrap().num_rows()).sum::<usize>(), rows);
    let parquet = ParquetRecordBatchReaderBuilder::try_new(ask(PARQUET).await.body).unwrap();
    assert!(parquet.metadata().num_row_groups() > 1, "row groups are not held until the end");
    assert_eq!(parquet.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum::<usize>(), rows);
}

#[tokio::test]
async fn parameters_become_the_types_that_the_question_expects() {
    let bed = Bed::new();
    let got = bed.ask(r#"{"sql":"echo $1 $2 $3 $4","parameters":[1,18446744073709551615,"x",null]}"#, JSON).await.json();
    assert_eq!(got["rows"][0].to_string(), r#"[1,18446744073709551615,"x",null]"#);
    assert_eq!(got["columns"][1]["name"], "$2");
    assert_eq!(got["columns"][1]["type"], "UInt64");
    let got = bed.ask(r#"{"sql":"echo as Date32 Int16","parameters":["2013-07-01",7]}"#, JSON).await.json();
    assert_eq!(got["rows"][0], json!(["2013-07-01", 7]));
    assert_eq!(got["columns"][0]["type"], "Date32");
    bed.ask(r#"{"sql":"echo as Int16","parameters":[70000]}"#, JSON).await.problem(422);
    bed.ask(r#"{"sql":"echo as Int16","parameters":[1,2]}"#, JSON).await.problem(422);
    let secret = bed.ask(r#"{"sql":"echo as Int16","parameters":["hunter2"]}"#, JSON).await.problem(422);
    assert!(!secret.to_string().contains("hunter2"));
}
