//! The `csv` crate judges the decoder, and the counter, on generated and damaged input.

use polder_contract::{CellKind, Malformed};
use proptest::prelude::*;

use super::{Read, cases, read_bytes};

/// What the judge makes of the same bytes.
fn judge(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    reader.byte_records().map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
}

/// Whether the input lies where the judge and the format's description say the same: no lone carriage return, and no text after a
/// closing quote (the judge joins it to the field, which changes a value in silence).
fn comparable(bytes: &[u8]) -> bool {
    let lone = bytes.iter().enumerate().any(|(at, byte)| *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    !lone && !bytes.starts_with(b"\xef\xbb\xbf")
}

fn compare(read: &Read, bytes: &[u8], width: usize) {
    let mut records = judge(bytes);
    records.remove(0);
    assert_eq!(read.rows.len(), records.len(), "{:?}", String::from_utf8_lossy(bytes));
    for (row, record) in read.rows.iter().zip(records) {
        match row {
            Ok(cells) => {
                let cells: Vec<Vec<u8>> = cells.iter().map(|(_, bytes)| bytes.clone()).collect();
                assert_eq!(cells, record, "{:?}", String::from_utf8_lossy(bytes));
            }
            Err(Malformed::Ragged) => assert_ne!(record.len(), width),
            Err(Malformed::BadQuote) => assert_eq!(record.len(), width),
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9 .;é-]{0,12}",
        "[a-z]{60,70}",
        // Quoted as it should be, with everything inside.
        "[a-z,\n\" ]{0,20}".prop_map(|text| format!("\"{}\"", text.replace('"', "\"\""))),
        "[a-z]{1,3}\"[a-z]{0,3}",
    ]
}

fn file(fields: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let row = prop::collection::vec(fields, 3);
    let ends = prop::sample::select(vec!["\n", "\r\n", "\n\n"]);
    let rows = prop::collection::vec((row, ends), 0..40);
    (rows, any::<bool>()).prop_map(|(rows, ended)| {
        let mut text = String::from("a,b,c\n");
        for (row, end) in rows {
            text.push_str(&row.join(","));
            text.push_str(end);
        }
        if !ended {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        text
    })
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn well_formed_files_read_as_the_judge_reads_them(text in file(field())) {
        let read = read_bytes("f.csv", text.as_bytes(), "", &["a", "b", "c"]).unwrap();
        prop_assert!(read.rows.iter().all(Result::is_ok));
        compare(&read, text.as_bytes(), 3);
    }

    #[test]
    fn damaged_files_read_as_the_judge_reads_them(text in file(field()), at in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"\",\n\rx\xff".to_vec())), 1..6)) {
        let mut bytes = text.into_bytes();
        for (index, byte) in at {
            // The header stays, so that there are columns to ask for.
            let place = 6 + index.index(bytes.len());
            if let Some(slot) = bytes.get_mut(place) {
                *slot = byte;
            }
        }
        prop_assume!(comparable(&bytes));
        match read_bytes("f.csv", &bytes, "", &["a", "b", "c"]) {
            Ok(read) => compare(&read, &bytes, 3),
            Err(error) => prop_assert!(matches!(error, crate::Error::UnclosedQuote { .. }), "{error}"),
        }
    }

    #[test]
    fn projection_gives_the_same_cells(text in file(field())) {
        let all = read_bytes("f.csv", text.as_bytes(), "", &["a", "b", "c"]).unwrap();
        let some = read_bytes("f.csv", text.as_bytes(), "", &["c", "a"]).unwrap();
        let projected: Vec<_> = all.rows.iter().map(|row| row.clone().map(|cells| vec![cells[2].clone(), cells[0].clone()])).collect();
        prop_assert_eq!(some.rows, projected);
        prop_assert_eq!(some.left_out, vec!["b".to_owned()]);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_counts_always_agree(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\",\n\r".to_vec())], 0..400), latin in any::<bool>()) {
        let keys = if latin { "header: false, encoding: latin-1" } else { "header: false" };
        // `read` itself compares the independent count with the rows.
        let _ = read_bytes("f.csv", &bytes, keys, &["column_1"]);
    }
}

#[test]
fn quoted_cells_say_so_and_plain_ones_do_not() {
    let read = read_bytes("f.csv", b"a,b\nNA,\"NA\"\n", "", &["a", "b"]).unwrap();
    assert_eq!(read.rows, [Ok(vec![(CellKind::Text, b"NA".to_vec()), (CellKind::Quoted, b"NA".to_vec())])]);
}

#[test]
fn many_blocks_read_as_one() {
    // Rows of uneven length over several blocks, some with quotes that hold line ends.
    let mut text = String::from("a,b,c\n");
    for number in 0..120_000u32 {
        let filler = "x".repeat((number % 97) as usize);
        match number % 11 {
            0 => text.push_str(&format!("{number},\"{filler}\n\"\"{number}\"\"\",{filler}\r\n")),
            1 => text.push_str(&format!("{number},{filler}\n")),
            _ => text.push_str(&format!("{number},{filler},{filler}{number}\n")),
        }
    }
    assert!(text.len() > 3 * crate::block::BLOCK_BYTES);
    let read = read_bytes("f.csv", text.as_bytes(), "", &["a", "b", "c"]).unwrap();
    compare(&read, text.as_bytes(), 3);
    assert!(read.largest_batch <= 8192);
}
