//! Source files: what is read, and what is refused with file, line and advice.

use polder_types::ErrorKind;

use crate::{Compression, Connection, Encoding, SourceType};

const FULL: &str = "type: csv
path: ../data
datasets:
  flights:
    file: [flights*.csv, more/]
    null: [NA, -9, \"null\"]
    delimiter: \"\\t\"
    quote: \"'\"
    header: false
    encoding: latin-1
    compression: gzip
  planes: {}
";

#[test]
fn every_key_is_read() {
    let connection = Connection::parse(FULL, "sources/airport.yaml").unwrap();
    assert_eq!((connection.name.as_str(), connection.source_type), ("airport", SourceType::Csv));
    let flights = connection.dataset("flights").unwrap();
    assert_eq!(flights.files, ["flights*.csv", "more/"]);
    assert_eq!(flights.null_tokens, ["NA", "-9", "null"]);
    assert_eq!((flights.delimiter, flights.quote, flights.header), (b'\t', Some(b'\''), false));
    assert_eq!((flights.encoding, flights.compression), (Encoding::Latin1, Compression::Gzip));
    let planes = connection.dataset("planes").unwrap();
    assert_eq!(planes.null_tokens, [""]);
    assert_eq!((planes.delimiter, planes.quote, planes.header), (b',', Some(b'"'), true));
}

#[test]
fn the_least_that_the_plan_shows_is_enough() {
    let connection =
        Connection::parse("type: csv\npath: ../data\ndatasets:\n  flights: {file: flights*.csv, null: [NA]}\n", "sources/airport.yaml")
            .unwrap();
    assert_eq!(connection.dataset("flights").unwrap().null_tokens, ["NA"]);
    assert_eq!(connection.dataset("fligths").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_does_not_fit_is_refused_with_its_line() {
    let cases = [
        "type: csv\npath: d\ndatasets:\n  f:\n    fiel: x.csv\n",
        "type: csv\npath: d\npassword: hunter2\ndatasets: {f: {}}\n",
        "type: cvs\npath: d\ndatasets: {f: {}}\n",
        "path: d\ndatasets: {f: {}}\n",
        "type: csv\npath: \"\"\ndatasets: {f: {}}\n",
        "type: csv\npath: https://user:hunter2@host/x\ndatasets: {f: {}}\n",
        "type: csv\npath: d\ndatasets: {}\n",
        "type: csv\npath: d\ndatasets:\n  f: {file: ../x.csv}\n",
        "type: csv\npath: d\ndatasets:\n  f: {file: /etc/passwd}\n",
        "type: csv\npath: d\ndatasets:\n  f: {file: \"[\"}\n",
        "type: csv\npath: d\ndatasets:\n  f: {file: []}\n",
        "type: csv\npath: d\ndatasets:\n  f: {delimiter: \"::\"}\n",
        "type: csv\npath: d\ndatasets:\n  f: {delimiter: \"'\", quote: \"'\"}\n",
        "type: csv\npath: d\ndatasets:\n  f: {null: [null]}\n",
        "type: csv\npath: d\ndatasets:\n  f: {encoding: ebcdic}\n",
        "type: ndjson\npath: d\ndatasets:\n  f: {null: [NA]}\n",
        "type: parquet\npath: d\ndatasets:\n  f: {compression: gzip}\n",
        "type: csv\npath: d\ndatasets:\n  f: {encoding: auto}\n",
        "type: csv\npath: d\ndatasets:\n  f: {escape: \"\\\"\"}\n",
        "type: csv\npath: d\ndatasets:\n  f: {decimal: \"'\"}\n",
        "type: csv\npath: d\ndatasets:\n  f: {sheet: 1}\n",
        "type: json\npath: d\ndatasets:\n  f: {records: a..b}\n",
        "type: json\npath: d\ndatasets:\n  f: {parent: {a: b}}\n",
        "type: json\npath: d\ndatasets:\n  f: {record: a/b}\n",
        "type: xml\npath: d\ndatasets:\n  f: {}\n",
        "type: xml\npath: d\ndatasets:\n  f: {record: \"a[1]\"}\n",
        "type: excel\npath: d\ndatasets:\n  f: {sheet: 0}\n",
        "type: excel\npath: d\ndatasets:\n  f: {range: B3}\n",
        "type: fixed\npath: d\ndatasets:\n  f: {}\n",
        "type: fixed\npath: d\ndatasets:\n  f: {layout: ../l.yaml}\n",
        "type: avro\npath: d\ndatasets:\n  f: {compression: gzip}\n",
        "type: arrow\npath: d\ndatasets:\n  f: {header: true}\n",
        "type: csv\npath: d\npath: e\ndatasets: {f: {}}\n",
        "type: [csv\n",
        "",
    ];
    let texts: Vec<String> = cases
        .iter()
        .map(|yaml| {
            let error = Connection::parse(yaml, "sources/s.yaml").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{yaml}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
            error.to_string()
        })
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in ".{0,200}", cut in 0..FULL.len()) {
        let _ = Connection::parse(&text, "s.yaml");
        let _ = Connection::parse(&FULL[..cut], "s.yaml");
    }
}
