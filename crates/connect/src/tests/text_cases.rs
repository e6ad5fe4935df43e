//! Fixed width and XML that would be read as something else than they say.

use polder_contract::{CellKind, Malformed};

use super::{Read, Row, read};
use crate::Error;

fn fixed(text: &[u8], keys: &str, unit: &str) -> Result<Read, Error> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.txt"), text).unwrap();
    let layout = format!("unit: {unit}\nshort_lines: pad\ncolumns:\n  - {{name: a, start: 1, length: 4}}\n");
    std::fs::write(dir.path().join("l.yaml"), layout).unwrap();
    read(dir.path(), &format!("type: fixed\npath: .\ndatasets: {{d: {{file: f.txt, layout: l.yaml, {keys}}}}}\n"), &["a"])
}

#[test]
fn fixed_width_looks_at_its_mark_too() {
    for unit in ["bytes", "characters"] {
        for encoding in ["latin-1", "windows-1252"] {
            let keys = format!("encoding: {encoding}");
            let error = fixed(b"\xef\xbb\xbfRen\xc3\xa9\n", &keys, unit).unwrap_err();
            assert!(error.to_string().contains("its first bytes say that it is utf-8"), "{unit}, {encoding}: {error}");
            assert_eq!(fixed(b"Ren\xe9\n", &keys, unit).unwrap().texts(), [["René"]], "{unit}, {encoding}");
        }
    }
    assert_eq!(fixed(b"\xef\xbb\xbfRen\xc3\xa9\n", "encoding: utf-8", "characters").unwrap().texts(), [["René"]]);
    // Further on the same bytes are text.
    assert_eq!(fixed(b"a\n\xef\xbb\xbf\n", "encoding: windows-1252", "bytes").unwrap().texts(), [["a"], ["ï»¿"]]);
}

/// The rows of a document whose records, `i`, hold `v`.
fn xml(records: &str) -> Vec<Row> {
    let dir = tempfile::tempdir().unwrap();
    let xsi = "http://www.w3.org/2001/XMLSchema-instance";
    std::fs::write(dir.path().join("f.xml"), format!("<r xmlns:xsi=\"{xsi}\" xmlns:app=\"urn:app\">{records}</r>")).unwrap();
    read(dir.path(), "type: xml\npath: .\ndatasets: {d: {file: f.xml, record: r/i}}\n", &["v"]).unwrap().rows
}

#[test]
fn only_a_nil_of_xml_schema_takes_a_value_away() {
    let cell = |kind, text: &[u8]| Ok(vec![(kind, text.to_vec())]);
    for (record, row) in [
        (r#"<v nil="1">7.4</v>"#, cell(CellKind::Text, b"7.4")),
        (r#"<v app:nil="true">7.4</v>"#, cell(CellKind::Text, b"7.4")),
        (r#"<v xsi:nil="false">7.4</v>"#, cell(CellKind::Text, b"7.4")),
        (r#"<v xsi:nil="true"/>"#, cell(CellKind::Null, b"")),
        (r#"<v xsi:nil="1"> <!-- none --> </v>"#, cell(CellKind::Null, b"")),
        (r#"<v xsi:nil="true">7.4</v>"#, cell(CellKind::Nested, b"")),
        (r#"<v xsi:nil="true"><w>7.4</w></v>"#, cell(CellKind::Nested, b"")),
        (r#"<v xsi:nil="true"/><v>5</v>"#, Err(Malformed::DuplicateKey)),
        (r#"<v>5</v><v xsi:nil="true"/>"#, Err(Malformed::DuplicateKey)),
        (r#"<v xsi:nil="true"/><v xsi:nil="true"/>"#, Err(Malformed::DuplicateKey)),
    ] {
        assert_eq!(xml(&format!("<i>{record}</i>")), [row], "{record}");
    }
    // What a record says of itself says nothing of the next one.
    let rows = xml(r#"<i><v xsi:nil="true"/></i><i><v>5</v></i>"#);
    assert_eq!(rows, [cell(CellKind::Null, b""), cell(CellKind::Text, b"5")]);
}
