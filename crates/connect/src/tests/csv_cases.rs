//! Bad CSV: each case gets a clear error or a counted rejection.

use super::{Read, read_bytes};
use crate::Error;

fn csv(text: &[u8], keys: &str, columns: &[&str]) -> Result<Read, Error> {
    read_bytes("f.csv", text, keys, columns)
}

fn texts(text: &[u8], keys: &str, columns: &[&str]) -> Vec<Vec<String>> {
    csv(text, keys, columns).unwrap().texts()
}

#[test]
fn line_ends_may_be_mixed_and_the_last_may_be_missing() {
    assert_eq!(texts(b"a,b\r\n1,2\n3,4\r\n5,6", "", &["a", "b"]), [["1", "2"], ["3", "4"], ["5", "6"]]);
    assert_eq!(texts(b"a,b\n1,\"2\"\r\n\r\n\n3,4\r\n\r", "", &["a", "b"]), [["1", "2"], ["3", "4"]]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    assert_eq!(texts(b"\xef\xbb\xbfa,b\n1,2\n", "", &["a"]), [["1"]]);
    assert!(matches!(csv(b"\xff\xfea\0,\0", "", &["a"]), Err(Error::Utf16 { .. })));
    assert!(matches!(csv(b"a\0,\0b\0\n\0", "", &["a"]), Err(Error::Utf16 { .. })));
}

#[test]
fn a_byte_order_mark_is_taken_off_before_anything_else() {
    assert_eq!(texts(b"\xef\xbb\xbf# made by x\na,b\n1,2\n", "comment: \"#\"", &["a", "b"]), [["1", "2"]]);
    assert_eq!(texts(b"\xef\xbb\xbf\"a\\\"b\",c\n1,2\n", r#"escape: "\\""#, &["a\"b", "c"]), [["1", "2"]]);
    // Only the first one is a mark.
    assert_eq!(texts(b"\xef\xbb\xbf\xef\xbb\xbfa,b\n1,2\n", "", &["\u{feff}a", "b"]), [["1", "2"]]);
    // The way past a mark is the same however many blocks the file has.
    let line = format!("1,{}\n", "x".repeat(1000));
    let text = format!("\u{feff}a,b\n{}", line.repeat(9_000));
    let rows = texts(text.as_bytes(), "", &["a", "b"]);
    assert!(rows.len() == 9_000 && rows.iter().all(|row| row[0] == "1" && row[1].len() == 1000));
}

#[test]
fn a_byte_order_mark_of_another_encoding_is_an_error() {
    for keys in ["encoding: latin-1", "encoding: windows-1252", "encoding: utf-16le", "encoding: latin-1, comment: \"#\""] {
        let error = csv(b"\xef\xbb\xbfname\nRen\xc3\xa9\n", keys, &["name"]).unwrap_err();
        assert!(error.to_string().contains("its first bytes say that it is utf-8"), "{keys}: {error}");
    }
    let error = csv(b"\xff\xfea\0\n\0", "encoding: windows-1252", &["a"]).unwrap_err();
    assert!(error.to_string().contains("its first bytes say that it is utf-16le"), "{error}");
}

#[test]
fn ragged_rows_are_malformed_and_counted() {
    let rows = texts(b"a,b\n1\n1,2\n1,2,3\n,\n", "", &["a", "b"]);
    assert_eq!(rows, [vec!["!malformed:ragged"], vec!["1", "2"], vec!["!malformed:ragged"], vec!["", ""]]);
}

#[test]
fn text_after_a_closing_quote_makes_the_row_malformed() {
    let rows = texts(b"a,b\n\"x\"y,2\n\"\"\"x\"\"\",2\nx\"y\",2\n", "", &["a", "b"]);
    assert_eq!(rows, [vec!["!malformed:bad_quote"], vec!["\"x\"", "2"], vec!["x\"y\"", "2"]]);
}

#[test]
fn an_escape_behind_a_closing_quote_hides_no_end() {
    let escape = r#"escape: "\\""#;
    let bad = vec!["!malformed:bad_quote"];
    assert_eq!(texts(b"a,b\n\"a\"\\,b\n1,2\n", escape, &["a", "b"]), [bad.clone(), vec!["1", "2"]]);
    assert_eq!(texts(b"a,b\n1,\"a\"\\\nb,2\n", escape, &["a", "b"]), [bad, vec!["b", "2"]]);
    assert_eq!(texts(b"a,b\r\n1,x\\,y\r\n", escape, &["a", "b"]), [["1", "x,y"]]);
}

#[test]
fn an_escaped_line_end_in_a_record_that_is_too_long_is_part_of_it() {
    for length in [17 << 20, 33 << 20] {
        let text = format!("a,b\n1,{}\\\n3,4\\\n{}\n5,6\n", "x".repeat(length), "y,\\\n".repeat(9));
        let rows = texts(text.as_bytes(), r#"escape: "\\""#, &["a", "b"]);
        assert_eq!(rows, [vec!["!malformed:too_long"], vec!["5", "6"]]);
    }
}

#[test]
fn a_quote_that_never_closes_fails_the_file() {
    let error = csv(b"a,b\n1,2\n\"x,2\n3,4\n", "", &["a"]).unwrap_err();
    assert!(matches!(error, Error::UnclosedQuote { record: 2, .. }), "{error}");
    for header in ["a,\"b\n1,2\n", "\n\r\na,\"b\n1,2\n"] {
        let error = csv(header.as_bytes(), "", &["a"]).unwrap_err();
        assert!(matches!(error, Error::HeaderQuote { .. }), "{error}");
    }
}

#[test]
fn columns_that_nobody_wants_are_not_decoded() {
    let mut text = b"a,b,c\n1,\xff\xfe\x00\x80,x\n2,\"\xff\"\"\n\xfe\",y\n3,\"z\"w,v\n".to_vec();
    text.extend_from_slice(b"4,,u\n");
    let read = csv(&text, "", &["a", "c"]).unwrap();
    assert_eq!(read.texts(), [["1", "x"], ["2", "y"], ["3", "v"], ["4", "u"]]);
    assert_eq!(read.left_out, ["b"]);
    // A control: the same bytes are there for who is authorised.
    assert_eq!(csv(&text, "", &["b"]).unwrap().rows[0].as_ref().unwrap()[0].1, b"\xff\xfe\x00\x80");
}

#[test]
fn names_must_be_there_and_be_there_once() {
    assert!(matches!(csv(b"a,b,a\n1,2,3\n", "", &["b"]), Err(Error::DuplicateColumn { .. })));
    assert!(matches!(csv(b"", "", &["a"]), Err(Error::NoHeader { .. })));
    assert!(matches!(csv(b"\n\r\n", "", &["a"]), Err(Error::NoHeader { .. })));
    assert!(matches!(csv(b"a,\"b\"x\n", "", &["a"]), Err(Error::HeaderQuote { .. })));
    assert!(matches!(csv(",".repeat(5000).as_bytes(), "", &["a"]), Err(Error::TooManyColumns { .. })));
    assert!(matches!(csv("x".repeat(2 << 20).as_bytes(), "", &["a"]), Err(Error::HeaderTooLong { .. })));
    assert_eq!(csv(b"a,b\n", "", &["a"]).unwrap().counted, Some(0));
}

#[test]
fn what_the_first_record_holds_is_never_told() {
    // Whatever stands there may be a row: names are told only when the contract has them too.
    let told = |text: &str, keys: &str, columns: &[&str]| {
        let error = csv(text.as_bytes(), keys, columns).unwrap_err();
        let mut told = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            told = format!("{told}: {inner}");
            cause = inner.source();
        }
        // The file's own directory may be called anything.
        let (_, told) = told.rsplit_once("f.csv: ").unwrap();
        for secret in ["Ada", "Lovelace", "1815", "ada@", "36"] {
            assert!(!told.contains(secret), "{told}");
        }
        told.to_owned()
    };
    let row = "36,Ada Lovelace,1815,ada@example.org\n";
    let missing = told(row, "", &["id"]);
    assert!(missing.contains("its first record has 4 columns") && missing.contains("`header: false`"), "{missing}");
    let missing = told("36;Ada Lovelace\n", "", &["id", "name"]);
    assert!(missing.contains("its first record has 1 column;") && missing.contains("`delimiter`"), "{missing}");
    // A position says enough to find a name that is nearly right.
    let near = told("36,Ada Lovelace\n", "", &["ada_lovelase"]);
    assert!(near.contains("column 2 has a similar name"), "{near}");
    let near = told(" ID ,name,1815\n", "", &["id"]);
    assert!(near.contains("column 1 differs in case or spaces only"), "{near}");
    let twice = told("36,Ada Lovelace,36\n", "", &["id"]);
    assert!(twice.contains("columns 1 and 3 have the same name"), "{twice}");
    // The contract's own name is no secret.
    assert!(told("id,name,id\n36,Ada,1815\n", "", &["id"]).contains("column id stands there more than once"));
    // Numbered columns are names of ours.
    assert!(told(row, "header: false", &["id"]).contains("there are: column_1, column_2, column_3, column_4"));
}

#[test]
fn lines_that_end_with_a_carriage_return_alone_are_told_as_such() {
    let alone = |text: &str, keys: &str, columns: &[&str]| {
        let error = csv(text.as_bytes(), keys, columns).unwrap_err();
        assert!(matches!(error, Error::CarriageReturns { .. }), "{error}");
    };
    alone("id,s1\ra2,Ada\rb,Bob\r", "", &["id"]);
    // All wanted columns stand in it, so it would pass for a file without rows.
    alone("id,s1\ra2,Ada\rb,Bob\r", "", &["id", "Ada\rb"]);
    alone("\"id\",\"s1\"\r\"a2\",\"Ada\"\r", "", &["id"]);
    alone("a2,Ada\rb,Bob", "header: false", &["column_1"]);
    alone(&"id,s1\r".repeat(5_000), "", &["id"]);
    alone(&"id,s1\r".repeat(400_000), "", &["id"]);
    alone(&"id,s1\r".repeat(1_000_000), "header: false", &["column_1"]);
    // Within quotes, or in a row of many, it is a part of a value.
    assert_eq!(texts(b"\"i\rd\",b\n1\r2,3\n", "", &["i\rd"]), [["1\r2"]]);
    assert_eq!(texts(b"1\r2,3\n4,5\n", "header: false", &["column_1"]), [["1\r2"], ["4"]]);
}

#[test]
fn one_column_keeps_its_empty_lines() {
    assert_eq!(texts(b"a\n1\n\n2\n", "", &["a"]), [["1"], [""], ["2"]]);
    assert_eq!(texts(b"a\r\n1\r\n\r\n2", "", &["a"]), [["1"], [""], ["2"]]);
}

#[test]
fn without_a_header_columns_have_numbers() {
    assert_eq!(texts(b"1;2\n3;4\n", "header: false, delimiter: \";\"", &["column_2"]), [["2"], ["4"]]);
}

#[test]
fn latin_1_is_read_where_it_is_declared() {
    let rows = texts(b"n\xe9,b\nJos\xe9,\"\xfc\"\"\"\n", "encoding: latin-1", &["n\u{e9}", "b"]);
    assert_eq!(rows, [["Jos\u{e9}", "\u{fc}\""]]);
    // Not declared: the bytes go on as they are, for the gate to refuse.
    assert_eq!(csv(b"a\nJos\xe9\n", "", &["a"]).unwrap().rows[0].as_ref().unwrap()[0].1, b"Jos\xe9");
}

#[test]
fn quotes_can_be_another_byte_or_none() {
    assert_eq!(texts(b"a,b\n'x,y',2\n", "quote: \"'\"", &["a"]), [["x,y"]]);
    assert_eq!(texts(b"a,b\n\"x,2\n", "quote: \"\"", &["a"]), [["\"x"]]);
}

#[test]
fn a_nul_byte_is_a_byte_of_its_cell() {
    assert_eq!(csv(b"a,b\nx\0y,2\n", "", &["a"]).unwrap().rows[0].as_ref().unwrap()[0].1, b"x\0y");
}

#[test]
fn a_record_that_is_too_long_is_malformed_wherever_it_stands() {
    let long = "x".repeat(17 << 20);
    for text in [format!("a,b\n1,2\n{long},3\n4,5\n"), format!("a,b\n1,2\n\"{long}\n\",3\n4,5\n"), format!("a,b\n1,2\n{long},3\n4,5")] {
        let rows = texts(text.as_bytes(), "", &["a", "b"]);
        assert_eq!(rows, [vec!["1", "2"], vec!["!malformed:too_long"], vec!["4", "5"]]);
    }
    let rows = texts(format!("a,b\n1,2\n{long},3").as_bytes(), "", &["a", "b"]);
    assert_eq!(rows, [vec!["1", "2"], vec!["!malformed:too_long"]]);
    let error = csv(format!("a,b\n1,2\n\"{long}").as_bytes(), "", &["a", "b"]).unwrap_err();
    assert!(matches!(error, Error::UnclosedQuote { record: 2, .. }), "{error}");
}
