use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use polder_contract::{CellKind, ColumnType};
use polder_types::limit::FIELD_MAX_BYTES;
use proptest::prelude::*;

use super::*;
use crate::postgres::types::plan;
use crate::postgres::types::tests::{Golden, TYPES, golden};
use crate::tests::cases;

mod damage;
mod gate;
mod numbers;

/// A cell as it came: its kind as text, or its type, and what it holds.
type Shown = Option<(String, String)>;

/// All rows that pieces of a stream gave, and how it ended.
fn decoded<'a>(columns: &[Fetch], pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<Shown>>, Result<u64, Error>) {
    let (batches, end) = batches(columns, pieces);
    let rows = batches.iter().flat_map(|(cells, rows)| (0..*rows).map(|row| cells.iter().map(|cells| shown(cells, row)).collect()));
    (rows.collect(), end)
}

type Batch = (Vec<Cells>, usize);

fn batches<'a>(columns: &[Fetch], pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Batch>, Result<u64, Error>) {
    let mut batches = Vec::new();
    let mut emit = |cells: Vec<Cells>, rows: usize| {
        assert!(cells.iter().all(|cells| cells.len() == rows) && cells.len() == columns.len() && rows > 0);
        batches.push((cells, rows));
        Ok(())
    };
    let mut decoder = CopyDecoder::new(columns, "shop", "orders");
    let pushed = pieces.into_iter().try_for_each(|piece| decoder.push(piece, &mut emit));
    let end = pushed.and_then(|()| decoder.finish(&mut emit)).map_err(|stop| match stop {
        Stop::Failed(error) => error,
        Stop::Closed => panic!("nobody closed it"),
    });
    (batches, end)
}

fn shown(cells: &Cells, row: usize) -> Shown {
    match cells {
        Cells::Text(texts) => {
            let cell = texts.get(row).unwrap();
            (cell.kind != CellKind::Null).then(|| (format!("{:?}", cell.kind), String::from_utf8_lossy(cell.bytes).into_owned()))
        }
        Cells::Typed(array) if array.is_null(row) => None,
        Cells::Typed(array) => Some((array.data_type().to_string(), as_server(array, row))),
    }
}

/// A value of an array as the server writes it.
fn as_server(array: &ArrayRef, row: usize) -> String {
    let text = || ArrayFormatter::try_new(array, &FormatOptions::default()).unwrap().value(row).try_to_string().unwrap();
    match array.data_type() {
        DataType::Boolean => if array.as_boolean().value(row) { "t" } else { "f" }.to_owned(),
        DataType::Binary => format!("\\x{}", hex::encode(array.as_binary::<i32>().value(row))),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => as_moment(text().trim_end_matches('Z'), zone.is_some()),
        DataType::Time64(_) => short(&text()),
        DataType::Decimal128(_, _) => short(&text()),
        _ => text(),
    }
}

/// Without zeros at the end of a fraction.
fn short(number: &str) -> String {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number.to_owned() }
}

fn as_moment(text: &str, zone: bool) -> String {
    format!("{}{}", short(&text.replace('T', " ")), if zone { "+00" } else { "" })
}

/// One field of a binary stream.
type Field = Option<Vec<u8>>;

/// The rows of a stream, by a reader of its own.
fn fields_of(stream: &[u8]) -> Vec<Vec<Field>> {
    let mut rest = &stream[HEADER_LEN..];
    let mut take = |len: usize| {
        let (taken, after) = rest.split_at(len);
        rest = after;
        taken.to_vec()
    };
    let mut rows = Vec::new();
    loop {
        let count = i16::from_be_bytes(take(2).try_into().unwrap());
        if count == -1 {
            return rows;
        }
        let field = |_| {
            let len = i32::from_be_bytes(take(4).try_into().unwrap());
            usize::try_from(len).ok().map(&mut take)
        };
        rows.push((0..count).map(field).collect());
    }
}

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// A whole stream of these rows.
fn stream(rows: &[Vec<Field>]) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    for row in rows {
        bytes.extend(i16::try_from(row.len()).unwrap().to_be_bytes());
        for field in row {
            bytes.extend(field.as_ref().map_or(-1, |field| i32::try_from(field.len()).unwrap()).to_be_bytes());
            bytes.extend(field.iter().flatten());
        }
    }
    bytes.extend((-1i16).to_be_bytes());
    bytes
}

/// A column of the corpus as it is fetched.
fn fetch(type_name: &str, wanted: Option<ColumnType>) -> Fetch {
    let all = golden();
    let golden = all.iter().find(|golden| golden.column.type_name == type_name).unwrap();
    plan(&golden.column, wanted, "orders").unwrap()
}

/// Columns of all types, and a stream of rows with every value of the corpus.
fn wide() -> (Vec<Fetch>, Vec<Vec<Field>>) {
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for golden in golden() {
        let fetch = plan(&golden.column, None, "orders").unwrap();
        values.push(fields_of(&golden.stream(fetch.select).bytes).concat());
        columns.push(fetch);
    }
    let longest = values.iter().map(Vec::len).max().unwrap();
    let rows = (0..longest).map(|row| values.iter().map(|values| values[row % values.len()].clone()).collect());
    (columns, rows.collect())
}

/// What the server sent is what is decoded: in the type of the column where that holds the value, else as the server writes it.
#[test]
fn values_of_every_type_are_those_that_the_server_writes() {
    let mut odd_ones = String::new();
    for Golden { column, streams } in golden() {
        for wanted in std::iter::once(None).chain(TYPES.map(Some)) {
            let Ok(fetch) = plan(&column, wanted, "orders") else { continue };
            let sent = streams.iter().find(|stream| stream.select.as_deref() == fetch.select).unwrap();
            let (rows, end) = decoded(std::slice::from_ref(&fetch), [sent.bytes.as_slice()]);
            assert_eq!(end.unwrap(), u64::try_from(sent.texts.len()).unwrap());
            for (row, text) in rows.iter().zip(&sent.texts) {
                let [cell] = row.as_slice() else { panic!() };
                let context = || format!("{} as {wanted:?}: {cell:?}, {text:?}", column.type_name);
                let (Some((kind, value)), Some(text)) = (cell, text) else {
                    assert!(cell.is_none() && text.is_none(), "{}", context());
                    continue;
                };
                let same = match &fetch.data_type {
                    DataType::Float32 => value.parse::<f32>().unwrap().to_bits() == text.parse::<f32>().unwrap().to_bits(),
                    DataType::Float64 => value.parse::<f64>().unwrap().to_bits() == text.parse::<f64>().unwrap().to_bits(),
                    DataType::Decimal128(_, _) => short(value) == short(text),
                    DataType::Timestamp(_, zone) if value.contains('T') => as_moment(value.trim_end_matches('Z'), zone.is_some()) == *text,
                    DataType::Time64(_) => short(value) == *text,
                    // What has a name is sent by its number.
                    DataType::UInt32 if column.type_name == "regclass" => value == "1259",
                    DataType::UInt32 if column.type_name == "regtype" => value == "23",
                    _ => value == text,
                };
                assert!(same, "{}", context());
                if *kind != fetch.data_type.to_string() && wanted.is_none() {
                    odd_ones.push_str(&format!("{} {kind} {value}\n", column.type_name));
                }
            }
        }
    }
    insta::assert_snapshot!(odd_ones);
}

#[test]
fn a_stream_cut_at_any_place_into_pieces_gives_the_same_rows() {
    let (columns, rows) = wide();
    let bytes = stream(&rows);
    let whole = decoded(&columns, [bytes.as_slice()]);
    assert_eq!((whole.0.len(), whole.1.unwrap()), (rows.len(), u64::try_from(rows.len()).unwrap()));
    assert_eq!(decoded(&columns, bytes.chunks(1)).0, whole.0);
    for cut in (0..bytes.len()).step_by(7) {
        let (before, after) = bytes.split_at(cut);
        let (rows, end) = decoded(&columns, [before, &[], after]);
        assert!(rows == whole.0 && end.is_ok(), "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn pieces_of_any_lengths_give_the_same_batches(lengths in prop::collection::vec(1usize..400, 1..40), repeat in 1usize..500) {
        let (columns, rows) = wide();
        let (columns, rows) = (&columns[..12], rows.into_iter().map(|mut row| { row.truncate(12); row }).collect::<Vec<_>>());
        let bytes = stream(&rows.iter().cycle().take(repeat).cloned().collect::<Vec<_>>());
        let (mut rest, mut pieces) = (bytes.as_slice(), Vec::new());
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let (whole, cut) = (batches(columns, [bytes.as_slice()]), batches(columns, pieces));
        prop_assert_eq!(whole.1.unwrap(), cut.1.unwrap());
        prop_assert_eq!(format!("{:?}", whole.0), format!("{:?}", cut.0));
    }
}

#[test]
fn batches_end_by_rows_and_by_bytes() {
    let integer = fetch("integer", None);
    let rows = |count: i32, field: &dyn Fn(i32) -> Vec<Field>| stream(&(0..count).map(field).collect::<Vec<_>>());
    let sizes = |columns: &[Fetch], bytes: &[u8]| batches(columns, [bytes]).0.iter().map(|(_, rows)| *rows).collect::<Vec<_>>();
    let numbers = rows(20_000, &|row| vec![Some(row.to_be_bytes().to_vec())]);
    assert_eq!(sizes(std::slice::from_ref(&integer), &numbers), [BATCH_ROWS, BATCH_ROWS, 20_000 - 2 * BATCH_ROWS]);
    let long = vec![b'x'; FIELD_MAX_BYTES];
    let texts = rows(70, &|_| vec![Some(long.clone())]);
    assert_eq!(sizes(&[fetch("text", None)], &texts), [32, 32, 6]);
    // Nulls take room, too; and a short number may stand for a long text.
    let nulls = rows(9_000, &|_| vec![None; 1_600]);
    assert_eq!(sizes(&vec![integer; 1_600], &nulls)[..2], [2_622, 2_622]);
    let great = [&[0, 1, 0x7f, 0xff, 0, 0, 0, 0][..], &[0, 1]].concat();
    let greats = rows(1_000, &|_| vec![Some(great.clone())]);
    let decimal = fetch("numeric", Some(ColumnType::Decimal { precision: 10, scale: 2 }));
    assert_eq!(sizes(&[decimal], &greats)[0], 256);
}

#[test]
fn a_relation_of_no_columns_has_rows_all_the_same() {
    let (batches, end) = batches(&[], [stream(&vec![Vec::new(); 9_000]).as_slice()]);
    assert_eq!(end.unwrap(), 9_000);
    assert_eq!(batches.iter().map(|(cells, rows)| (cells.len(), *rows)).collect::<Vec<_>>(), [(0, 8_192), (0, 808)]);
}

/// A long text is neither kept nor waited for, and its neighbours are what they are.
#[test]
fn a_text_that_is_too_long_costs_its_row_alone() {
    let long = |len: usize| Some(vec![b'x'; len]);
    let version = |field: Field| field.map(|text| [&[1], text.as_slice()].concat());
    for (type_name, form) in [("text", &(|field| field) as &dyn Fn(Field) -> Field), ("bytea", &|field| field), ("jsonb", &version)] {
        let columns = [fetch(type_name, None), fetch("integer", None)];
        let number = Some(7i32.to_be_bytes().to_vec());
        let rows = [Some(b"a".to_vec()), long(FIELD_MAX_BYTES + 1), None, long(FIELD_MAX_BYTES), Some(b"b".to_vec())];
        let rows: Vec<Vec<Field>> = rows.into_iter().map(|text| vec![form(text), number.clone()]).collect();
        let bytes = stream(&rows);
        for piece in [bytes.len(), 65_536, 1_000_003] {
            let mut decoder = CopyDecoder::new(&columns, "shop", "orders");
            let mut seen = Vec::new();
            let mut emit = |cells: Vec<Cells>, rows| {
                seen.extend((0..rows).map(|row| (shown(&cells[0], row), shown(&cells[1], row).unwrap().1)));
                Ok(())
            };
            for piece in bytes.chunks(piece) {
                assert!(decoder.push(piece, &mut emit).is_ok());
                assert!(decoder.pending.capacity() <= 2 * (FIELD_MAX_BYTES + 16));
            }
            assert_eq!(decoder.finish(&mut emit).ok(), Some(5));
            let kinds: Vec<_> = seen.iter().map(|(cell, _)| cell.as_ref().map(|(kind, text)| (kind.as_str(), text.len()))).collect();
            let string = |len: usize| Some(("String", len));
            assert_eq!(kinds, [string(1), Some(("TooLong", 0)), None, string(FIELD_MAX_BYTES), string(1)], "{type_name}");
            assert!(seen.iter().all(|(_, number)| number == "7"));
        }
    }
}

#[test]
fn a_text_that_is_not_utf8_comes_as_it_is() {
    let columns = [fetch("text", None), fetch("\"char\"", None)];
    let rows = [("é".as_bytes(), &b"a"[..]), (b"\xff\xfe", b"\xe9"), (b"", b"\0")];
    let rows: Vec<Vec<Field>> = rows.map(|(text, char)| vec![Some(text.to_vec()), Some(char.to_vec())]).to_vec();
    let (batches, end) = batches(&columns, [stream(&rows).as_slice()]);
    assert_eq!(end.unwrap(), 3);
    let Cells::Text(texts) = &batches[0].0[0] else { panic!() };
    assert_eq!(
        texts.iter().map(|cell| (cell.kind, cell.bytes)).collect::<Vec<_>>()[..2],
        [(CellKind::String, "é".as_bytes()), (CellKind::String, b"\xff\xfe")]
    );
    let Cells::Text(chars) = &batches[0].0[1] else { panic!() };
    assert_eq!(chars.iter().map(|cell| cell.bytes).collect::<Vec<_>>(), [&b"a"[..], b"\xe9", b""]);
}

/// The next batch begins anew: only the one with the odd value comes as text.
#[test]
fn a_batch_without_odd_values_comes_as_an_array() {
    let day = |days: i32| vec![Some(days.to_be_bytes().to_vec())];
    let mut rows = vec![day(1); 2 * BATCH_ROWS + 1];
    rows[5] = day(i32::MAX);
    rows[6] = vec![None];
    let (batches, end) = batches(&[fetch("date", Some(ColumnType::Date))], [stream(&rows).as_slice()]);
    assert_eq!(end.unwrap(), 16_385);
    let shown: Vec<_> = batches.iter().map(|(cells, rows)| (shown(&cells[0], 5.min(rows - 1)), shown(&cells[0], 0))).collect();
    let (text, typed) = (|text: &str| Some(("Native".to_owned(), text.to_owned())), Some(("Date32".to_owned(), "2000-01-02".to_owned())));
    assert_eq!(shown, [(text("infinity"), text("2000-01-02")), (typed.clone(), typed.clone()), (typed.clone(), typed)]);
    assert_eq!(super::tests::shown(&batches[0].0[0], 6), None);
}
