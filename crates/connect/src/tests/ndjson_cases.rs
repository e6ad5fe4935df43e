//! NDJSON: `serde_json` judges the scan; bad lines are malformed and counted.

use polder_contract::{CellKind, Malformed};
use proptest::prelude::*;

use super::{Read, cases, read_bytes};
use crate::{Connection, Error, ReadOptions, WantedColumn, open};

fn json(text: &[u8], columns: &[&str]) -> Result<Read, Error> {
    read_bytes("f.ndjson", text, "", columns)
}

fn texts(text: &[u8], columns: &[&str]) -> Vec<Vec<String>> {
    json(text, columns).unwrap().texts()
}

#[test]
fn values_come_as_tokens_of_their_kind() {
    let read = json(
        b"{\"a\": 9007199254740993, \"b\": \"x\\u00e9\\n\", \"c\": true, \"d\": null, \"e\": [1, {\"f\": 2}]}\n{}\n",
        &["a", "b", "c", "d", "e"],
    )
    .unwrap();
    let expected = [
        (CellKind::Number, "9007199254740993"),
        (CellKind::String, "x\u{e9}\n"),
        (CellKind::Bool, "true"),
        (CellKind::Null, ""),
        (CellKind::Nested, "[1, {\"f\": 2}]"),
    ];
    assert_eq!(read.rows[0].as_ref().unwrap(), &expected.map(|(kind, text)| (kind, text.as_bytes().to_vec())));
    assert_eq!(read.rows[1].as_ref().unwrap(), &vec![(CellKind::Null, Vec::new()); 5]);
}

#[test]
fn bad_lines_have_their_reason() {
    let deep = format!("{{\"a\": {}1{}}}", "[".repeat(70), "]".repeat(70));
    let deep_unwanted = deep.replace("\"a\"", "\"z\"");
    for (line, reason) in [
        ("{\"a\": 1", "invalid_json"),
        ("{\"a\": 01}", "invalid_json"),
        ("{\"a\": 1.}", "invalid_json"),
        ("{\"a\": NaN}", "invalid_json"),
        ("{\"a\": 1} x", "invalid_json"),
        ("{\"a\": 1,}", "invalid_json"),
        ("{a: 1}", "invalid_json"),
        ("{\"a\": \"\\ud800\"}", "invalid_json"),
        ("{\"a\": \"\\udc00x\"}", "invalid_json"),
        ("{\"a\": \"\\x\"}", "invalid_json"),
        ("{\"a\": \"\t\"}", "invalid_json"),
        ("{\"a\": [\"\\ud800\"]}", "invalid_json"),
        ("{\"a\": [1 2]}", "invalid_json"),
        ("{\"z\": [1}", "invalid_json"),
        ("{\"z\": }", "invalid_json"),
        ("12", "not_an_object"),
        ("\"x\"", "not_an_object"),
        ("{\"a\": 1, \"a\": 2}", "duplicate_key"),
        ("{\"a\": 1, \"\\u0061\": 2}", "duplicate_key"),
        (deep.as_str(), "too_deep"),
        (deep_unwanted.as_str(), "too_deep"),
    ] {
        let text = format!("{{\"a\": 0}}\n{line}\n{{\"a\": 3}}\n");
        assert_eq!(
            texts(text.as_bytes(), &["a"]),
            [vec!["0".to_owned()], vec![format!("!malformed:{reason}")], vec!["3".to_owned()]],
            "{line}"
        );
    }
}

#[test]
fn keys_that_nobody_wants_are_not_decoded() {
    let read = json(b"{\"z\": \"\xff\xfe\", \"a\": 1}\n{\"a\": 2, \"y\": {\"a\": [\"}\\\"\"]}, \"z\": bogus}\n", &["a"]).unwrap();
    assert_eq!(read.texts(), [["1"], ["2"]]);
    assert_eq!(read.left_out, ["y", "z"]);
}

#[test]
fn empty_lines_are_no_records_and_marks_are_no_bytes() {
    let read = json(b"\xef\xbb\xbf{\"a\":1}\r\n\r\n  \n{\"a\":2}", &["a", "b"]).unwrap();
    assert_eq!(read.texts(), [["1", ""], ["2", ""]]);
    assert_eq!(read.never_seen, ["b"]);
    assert!(matches!(json(b" \n[{\"a\":1},\n{\"a\":2}]\n", &["a"]), Err(Error::JsonArray { .. })));
    assert_eq!(json(b"", &["a"]).unwrap().counted, Some(0));
}

#[test]
fn a_line_that_is_too_long_is_malformed() {
    let long = "x".repeat(17 << 20);
    for end in ["\n{\"a\":3}\n", "\n{\"a\":3}"] {
        let text = format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}{end}");
        assert_eq!(texts(text.as_bytes(), &["a"]), [["1"], ["!malformed:too_long"], ["3"]]);
    }
    assert_eq!(texts(format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}").as_bytes(), &["a"]), [["1"], ["!malformed:too_long"]]);
}

/// Rows of the first record of a file whose records are exploded, batch by batch, and those of them that are malformed.
fn exploded(parent: &str, element: &str, elements: usize) -> (Vec<usize>, Vec<Malformed>) {
    let dir = tempfile::tempdir().unwrap();
    let list = vec![element; elements].join(",");
    std::fs::write(dir.path().join("f.ndjson"), format!("{{\"p\": \"\\n{parent}\", \"l\": [{list}]}}\n")).unwrap();
    let yaml = "type: ndjson\npath: .\ndatasets: {d: {file: f.ndjson, explode: l, parent: {p: p}}}\n";
    let connection = Connection::parse(yaml, "sources/s.yaml").unwrap();
    let columns = ["p", "x"].map(WantedColumn::new);
    let mut reader = open(&connection, "d", &columns, ReadOptions::new(dir.path())).unwrap();
    let (mut rows, mut malformed) = (Vec::new(), Vec::new());
    while let Some(batch) = reader.next().unwrap() {
        rows.push(batch.rows);
        malformed.extend(batch.malformed.iter().map(|(_, reason)| *reason));
    }
    (rows, malformed)
}

#[test]
fn what_is_repeated_beside_each_element_fills_batches() {
    let half = "y".repeat(1 << 19);
    let (rows, malformed) = exploded(&half, "{}", 150);
    assert!(rows.iter().sum::<usize>() == 150 && rows.iter().all(|rows| *rows <= 64), "rows of half a MiB in batches: {rows:?}");
    assert!(malformed.is_empty());
    // What the parent's cell holds before it is found malformed is copied for each element too.
    let (rows, malformed) = exploded(&format!("{half}\\ud800"), "{}", 150);
    assert!(rows.iter().sum::<usize>() == 150 && rows.iter().all(|rows| *rows <= 64), "rows of half a MiB in batches: {rows:?}");
    assert_eq!(malformed, [Malformed::InvalidJson; 150]);
    // What no column takes is not repeated; its length is that of the text, not of its escapes.
    assert_eq!(exploded(&"y".repeat(1 << 20), "{}", 3), (vec![1], vec![Malformed::TooLong]));
    assert_eq!(exploded(&"\\u0041".repeat(1 << 18), "{}", 3), (vec![3], Vec::new()));
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_filter("JSON has finite numbers", |number| number.is_finite()).prop_map(serde_json::Value::from),
        ".{0,12}".prop_map(serde_json::Value::from),
        "[a\\\\\"\n\u{1}\u{10000}]{0,8}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4).prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What the judge says of a line: its cells for `a`, `b`, `c`, or that it is no record.
fn judge(line: &[u8]) -> Option<Vec<(CellKind, Option<String>)>> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).ok()?;
    let cell = |name: &str| match object.get(name) {
        None | Some(serde_json::Value::Null) => (CellKind::Null, None),
        Some(serde_json::Value::Bool(flag)) => (CellKind::Bool, Some(flag.to_string())),
        Some(serde_json::Value::Number(number)) => (CellKind::Number, Some(number.to_string())),
        Some(serde_json::Value::String(text)) => (CellKind::String, Some(text.clone())),
        Some(_) => (CellKind::Nested, None),
    };
    Some(["a", "b", "c"].map(cell).to_vec())
}

fn agree(line: &[u8]) -> Result<(), TestCaseError> {
    let read = json(line, &["a", "b", "c"]);
    let blank = line.iter().all(|byte| byte.is_ascii_whitespace());
    // The judge sees a duplicate key's last value, and reads one document where we read lines.
    prop_assume!(!blank && !line.contains(&b'\n') && std::str::from_utf8(line).is_ok());
    let read = match read {
        Ok(read) => read,
        Err(error) => {
            prop_assert!(matches!(error, Error::JsonArray { .. } | Error::Utf16 { .. }), "{error}");
            return Ok(());
        }
    };
    prop_assert_eq!(read.rows.len(), 1);
    match (&read.rows[0], judge(line)) {
        (Ok(cells), Some(expected)) => {
            for ((kind, bytes), (judged, text)) in cells.iter().zip(expected) {
                prop_assert_eq!(*kind, judged);
                match text {
                    Some(text) if judged != CellKind::Number => prop_assert_eq!(std::str::from_utf8(bytes).unwrap(), text),
                    Some(text) => prop_assert_eq!(
                        std::str::from_utf8(bytes).unwrap().to_lowercase().replace('+', ""),
                        text.to_lowercase().replace('+', "")
                    ),
                    None if judged == CellKind::Nested => prop_assert!(serde_json::from_slice::<serde_json::Value>(bytes).is_ok()),
                    None => {}
                }
            }
        }
        (Err(polder_contract::Malformed::DuplicateKey), _) => {}
        (Err(_), None) => {}
        // A value that nobody wants is stepped over, so the judge may find more to refuse there.
        (Ok(_), None) => {
            prop_assert!(read.left_out.iter().any(|name| !["a", "b", "c"].contains(&name.as_str())), "{:?}", String::from_utf8_lossy(line))
        }
        (Err(reason), Some(_)) => prop_assert!(false, "{reason:?} for {:?}", String::from_utf8_lossy(line)),
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn lines_read_as_the_judge_reads_them(a in value(), b in value(), c in value(), pretty in any::<bool>()) {
        let object = serde_json::json!({"b": b, "a": a, "c": c});
        let line = if pretty { serde_json::to_string_pretty(&object).unwrap().replace('\n', " ") } else { object.to_string() };
        agree(line.as_bytes())?;
    }

    #[test]
    fn damaged_lines_are_refused_when_the_judge_refuses_them(a in value(), b in value(), at in any::<prop::sample::Index>(), byte in prop::sample::select(b"\"\\{}[],:0-x \x01".to_vec())) {
        let mut line = serde_json::json!({"a": a, "b": b}).to_string().into_bytes();
        let place = at.index(line.len());
        line[place] = byte;
        agree(&line)?;
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_counts_always_agree(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\"\\{}[],:a\n\r ".to_vec())], 0..300)) {
        let _ = json(&bytes, &["a"]);
    }
}
