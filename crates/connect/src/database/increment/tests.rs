use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use polder_contract::ColumnType;
use proptest::prelude::*;

use super::*;
use crate::cells::Place;
use crate::database::{CursorKind, CursorValue, Window};
use crate::output::Message;
use crate::reader::WantedColumn;
use crate::tests::cases;
use crate::{Connection, typed};

/// A row of a source that is simulated: its cursor in seconds (none is possible) and a word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    at_s: Option<i64>,
    word: String,
}

fn row(at_s: i64, word: &str) -> Row {
    Row { at_s: Some(at_s), word: word.to_owned() }
}

fn connection(cursor: &str) -> Connection {
    let yaml = format!("type: postgres\nurl: env:NONE\ntables: [s.t]\ndatasets:\n  s.t: {{cursor: {cursor}}}\n");
    Connection::parse(&yaml, "sources/p.yaml").unwrap()
}

fn columns() -> Vec<WantedColumn> {
    vec![WantedColumn::new("word").of_type(ColumnType::String), WantedColumn::new("at").of_type(ColumnType::Timestamp { zone: true })]
}

fn options(state: Option<CursorState>) -> IncrementOptions {
    IncrementOptions { state, known_again: true, key: [7; 16], from: None, until: None }
}

fn micros(value: &CursorValue) -> i64 {
    assert_eq!(value.kind, CursorKind::Instant);
    chrono::DateTime::parse_from_rfc3339(&value.text).unwrap().timestamp_micros()
}

/// The rows of a window, as a database selects them.
fn selected(rows: &[Row], window: &Window) -> Vec<Row> {
    let within = |row: &&Row| match row.at_s {
        None => window.nulls,
        Some(at) => {
            window.from.as_ref().is_none_or(|from| at * 1_000_000 >= micros(from))
                && window.until.as_ref().is_none_or(|until| at * 1_000_000 < micros(until))
        }
    };
    rows.iter().filter(within).cloned().collect()
}

fn instant(at_s: i64) -> CursorValue {
    let text = chrono::DateTime::from_timestamp(at_s, 0).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    CursorValue { kind: CursorKind::Instant, text }
}

/// Reads one increment of what is visible; the rows that are new, and what it came to.
fn increment(
    connection: &Connection,
    visible: &[Row],
    settled: Settled,
    options: IncrementOptions,
) -> Result<(Vec<Row>, Increment), Error> {
    let cursor = connection.dataset("s.t")?.cursor.clone().unwrap();
    let plan = Plan::new(connection, "s.t", &cursor, &columns(), options)?;
    let rows = selected(visible, &plan.window());
    let inner = FileReader::start(Vec::new(), "r".to_owned(), move |out| {
        out.send(Message::Settled(settled))?;
        let mut place = Place { file: "s.t".into(), record: 1, ordinal: 0 };
        // Small batches, so that rows of one increment stand in several.
        for piece in rows.chunks(3) {
            let words: ArrayRef = Arc::new(piece.iter().map(|row| Some(row.word.as_str())).collect::<StringArray>());
            let moments: TimestampMicrosecondArray = piece.iter().map(|row| row.at_s.map(|at| at * 1_000_000)).collect();
            let batch = RecordBatch::try_from_iter([("word", words), ("at", Arc::new(moments.with_timezone("UTC")) as ArrayRef)]).unwrap();
            typed::send(&batch, &mut place, out)?;
        }
        out.send(Message::FileEnd { counted: Some(rows.len() as u64), sha256: None })?;
        Ok(Vec::new())
    })?;
    let mut reader = IncrementReader::new(inner, plan);
    let (mut new, mut ordinal) = (Vec::new(), 0);
    while let Some(batch) = reader.next()? {
        assert_eq!(batch.first_ordinal, ordinal);
        ordinal += batch.rows as u64;
        let (Some(Cells::Typed(words)), Some(Cells::Typed(moments))) = (batch.columns.first(), batch.columns.get(1)) else { panic!() };
        let words = words.as_any().downcast_ref::<StringArray>().unwrap();
        let moments = moments.as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
        new.extend(words.iter().zip(moments).map(|(word, at)| Row { at_s: at.map(|at| at / 1_000_000), word: word.unwrap().to_owned() }));
    }
    let told = reader.increment().unwrap();
    assert_eq!(reader.counted(), Some(new.len() as u64 + told.repeated));
    Ok((new, told))
}

#[test]
fn rows_at_the_boundary_are_read_again_and_left_out_each_as_often_as_it_was_loaded() {
    let connection = connection("at");
    let mut rows = vec![row(10, "a"), row(20, "b"), row(20, "b")];
    let (new, first) = increment(&connection, &rows, Settled::All, options(None)).unwrap();
    assert_eq!((new, first.repeated), (rows.clone(), 0));
    assert_eq!(first.state.reached.as_deref(), Some("1970-01-01T00:00:20Z"));
    // The same row once more is a third one, not a repetition.
    rows.extend([row(20, "b"), row(20, "c"), row(30, "d")]);
    let (new, second) = increment(&connection, &rows, Settled::All, options(Some(first.state))).unwrap();
    assert_eq!((new, second.repeated), (vec![row(20, "b"), row(20, "c"), row(30, "d")], 2));
    let (new, third) = increment(&connection, &rows, Settled::All, options(Some(second.state.clone()))).unwrap();
    assert_eq!((new, third.repeated, third.state), (vec![], 1, second.state));
}

#[test]
fn a_lag_finds_rows_that_come_late_and_no_row_twice() {
    let connection = connection("{column: at, lag: 1m}");
    let mut rows = vec![row(1000, "a"), row(1050, "b")];
    let (_, first) = increment(&connection, &rows, Settled::Unknown("why"), options(None)).unwrap();
    assert_eq!(first.note, Some("why"));
    rows.push(row(995, "late"));
    rows.push(row(980, "too late"));
    let (new, second) = increment(&connection, &rows, Settled::Unknown("why"), options(Some(first.state))).unwrap();
    assert_eq!((new, second.repeated), (vec![row(995, "late")], 2));
    // A longer lag reaches rows of which nothing is known: it holds from the next increment on.
    let longer = self::connection("{column: at, lag: 1h}");
    let (new, third) = increment(&longer, &rows, Settled::Unknown("why"), options(Some(second.state))).unwrap();
    assert_eq!((new, third.repeated), (vec![], 3));
}

#[test]
fn an_open_transaction_holds_the_cursor_back() {
    let connection = connection("at");
    let rows = vec![row(10, "a"), row(20, "b")];
    let (new, first) = increment(&connection, &rows, Settled::Before(instant(15)), options(None)).unwrap();
    assert_eq!((new.len(), first.state.reached.as_deref()), (2, Some("1970-01-01T00:00:15Z")));
    // What it brings is found, although it lies below what was read.
    let more = vec![row(10, "a"), row(16, "late"), row(20, "b")];
    let (new, second) = increment(&connection, &more, Settled::Upto(Some(instant(20))), options(Some(first.state))).unwrap();
    assert_eq!((new, second.repeated, second.note), (vec![row(16, "late")], 1, None));
    assert_eq!(second.state.reached.as_deref(), Some("1970-01-01T00:00:20Z"));
    // Where nothing says how far it reaches, the next increment begins where this one did.
    let (_, open) = increment(&connection, &rows, Settled::Open, options(None)).unwrap();
    assert_eq!((open.state.reached.as_deref(), open.state.highest.as_deref()), (None, Some("1970-01-01T00:00:20Z")));
    let (new, _) = increment(&connection, &more, Settled::All, options(Some(open.state))).unwrap();
    assert_eq!(new, [row(16, "late")]);
}

#[test]
fn rows_without_a_value_go_by_their_rule() {
    let rows = vec![Row { at_s: None, word: "n".to_owned() }, row(10, "a")];
    let refused = increment(&connection("at"), &rows, Settled::All, options(None)).unwrap_err();
    assert!(refused.to_string().contains("has no value in the column"), "{refused}");
    let (new, left) = increment(&connection("{column: at, nulls: leave}"), &rows, Settled::All, options(None)).unwrap_or_else(|_| panic!());
    assert_eq!((new, left.left), (vec![row(10, "a")], 1));
    let include = connection("{column: at, nulls: include}");
    let (new, first) = increment(&include, &rows, Settled::All, options(None)).unwrap();
    assert_eq!(new, rows);
    let (new, second) = increment(&include, &rows, Settled::All, options(Some(first.state))).unwrap();
    assert_eq!((new, second.repeated), (vec![], 2));
}

#[test]
fn a_window_is_read_as_asked_and_moves_nothing() {
    let connection = connection("at");
    let rows = vec![row(10, "a"), row(20, "b"), row(30, "c")];
    let (_, first) = increment(&connection, &rows, Settled::All, options(None)).unwrap();
    let asked = |from: &str, until: &str| IncrementOptions {
        from: Some(from.to_owned()),
        until: Some(until.to_owned()),
        ..options(Some(first.state.clone()))
    };
    let (new, window) = increment(&connection, &rows, Settled::All, asked("1970-01-01T00:00:10Z", "1970-01-01T00:00:30Z")).unwrap();
    assert_eq!((new, window.state, window.repeated), (vec![row(10, "a"), row(20, "b")], first.state.clone(), 0));
    for (from, until) in [("1970-01-02T00:00:00Z", "1970-01-01T00:00:00Z"), ("yesterday", "1970-01-01T00:00:00Z")] {
        assert!(increment(&connection, &rows, Settled::All, asked(from, until)).is_err(), "{from}");
    }
}

#[test]
fn what_is_remembered_must_fit_what_is_asked() {
    let by_word =
        Connection::parse("type: postgres\nurl: env:N\ntables: [s.t]\ndatasets: {s.t: {cursor: word}}\n", "sources/p.yaml").unwrap();
    let rows = vec![row(10, "a")];
    let (_, first) = increment(&connection("at"), &rows, Settled::All, options(None)).unwrap();
    let cursor = by_word.dataset("s.t").unwrap().cursor.clone().unwrap();
    let other = Plan::new(&by_word, "s.t", &cursor, &columns(), options(Some(first.state.clone()))).map(drop).unwrap_err();
    assert!(other.to_string().contains("the last increment went by at, of type timestamp"), "{other}");
    let declared = connection("at").dataset("s.t").unwrap().cursor.clone().unwrap();
    let fewer = &columns()[1..];
    let changed = Plan::new(&connection("at"), "s.t", &declared, fewer, options(Some(first.state))).map(drop).unwrap_err();
    assert!(changed.to_string().contains("columns changed since the last increment"), "{changed}");
    // What was read of another dataset tells nothing of this one; what was set by hand is of any.
    let (_, first) = increment(&connection("at"), &rows, Settled::All, options(None)).unwrap();
    assert_eq!(first.state.of, "p.s.t");
    let fits = |state: CursorState, known_again: bool| {
        let options = IncrementOptions { known_again, ..options(Some(state)) };
        Plan::new(&connection("at"), "s.t", &declared, &columns(), options).map(drop).map_err(|error| error.to_string())
    };
    let of = |of: &str| CursorState { of: of.to_owned(), ..first.state.clone() };
    for known_again in [true, false] {
        let elsewhere = fits(of("p.s.u"), known_again).unwrap_err();
        assert!(elsewhere.contains("the last increment was read from p.s.u; forget it with `polder state reset`"), "{elsewhere}");
        assert_eq!((fits(of("p.s.t"), known_again), fits(of(""), known_again)), (Ok(()), Ok(())));
    }
    // Rows of which none was noted can be merged again, and not added.
    let merged = CursorState { known: String::new(), known_from: None, columns: Vec::new(), ..first.state.clone() };
    let added = fits(merged.clone(), true).unwrap_err();
    assert!(added.contains("the last increment was merged, and its rows cannot be told from new ones where rows are added"), "{added}");
    assert_eq!(fits(merged.clone(), false), Ok(()));
    assert_eq!(fits(CursorState { reached: None, highest: None, ..merged }, true), Ok(()), "before the first row");
    let unauthorised = Plan::new(&connection("at"), "s.t", &declared, &columns()[..1], options(None)).map(drop).unwrap_err();
    assert!(unauthorised.to_string().contains("does not authorise the column"), "{unauthorised}");
    for (cursor, said) in [("{column: word, lag: 5m}", "counts none"), ("{column: at, initial: soon}", "is no value of the type")] {
        let connection = connection(cursor);
        let cursor = connection.dataset("s.t").unwrap().cursor.clone().unwrap();
        let error = Plan::new(&connection, "s.t", &cursor, &columns(), options(None)).map(drop).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_row_is_known_whatever_form_its_batch_has() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
    let mut texts = TextColumnBuilder::new(bytes::Bytes::new(), 2);
    texts.push_bytes(b"7", CellKind::String);
    texts.push_null();
    let batch = |cells| RawBatch { columns: vec![cells], rows: 2, first_record: 1, first_ordinal: 0, file: "f".into(), malformed: vec![] };
    let wanted = [WantedColumn::new("n").of_type(ColumnType::Decimal { precision: 9, scale: 2 })];
    let hashes = |batch: RawBatch| {
        let hashes = RowHashes::new(&batch, &wanted, [1; 16]);
        [hashes.row(0), hashes.row(1)]
    };
    let typed = hashes(batch(Cells::Typed(numbers)));
    assert_eq!(typed, hashes(batch(Cells::Text(texts.finish()))));
    assert_ne!(typed[0], typed[1]);
}

/// What happens at the source between two increments.
#[derive(Debug, Clone)]
enum Act {
    /// A transaction begins.
    Begin,
    /// An open one writes a row; its cursor is the moment at which the transaction began, as `now()` is.
    Write(usize, u8),
    /// An open one ends.
    Commit(usize),
    /// An increment is read, and is loaded or fails.
    Load { fails: bool },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        2 => Just(Act::Begin),
        5 => (0usize..4, 0u8..3).prop_map(|(which, word)| Act::Write(which, word)),
        3 => (0usize..4).prop_map(Act::Commit),
        2 => any::<bool>().prop_map(|fails| Act::Load { fails }),
    ];
    proptest::collection::vec(act, 0..60)
}

proptest! {
    #![proptest_config(cases(256))]
    #[test]
    fn increments_together_are_one_full_load_whatever_is_open(acts in acts()) {
        let connection = connection("at");
        let (mut now, mut visible, mut loaded): (i64, Vec<Row>, Vec<Row>) = (0, Vec::new(), Vec::new());
        let mut open: Vec<(i64, Vec<Row>)> = Vec::new();
        let mut state: Option<CursorState> = None;
        let mut load = |visible: &[Row], open: &[(i64, Vec<Row>)], fails: bool| {
            let settled = match open.iter().map(|(began, _)| *began).min() {
                None => Settled::Upto(visible.iter().filter_map(|row| row.at_s).max().map(instant)),
                Some(oldest) => Settled::Before(instant(oldest)),
            };
            let (new, told) = increment(&connection, visible, settled, options(state.clone())).unwrap();
            if !fails {
                loaded.extend(new);
                state = Some(told.state);
            }
            let mut sorted = loaded.clone();
            sorted.sort();
            sorted
        };
        for act in acts {
            now += 1;
            match act {
                Act::Begin if open.len() < 4 => open.push((now, Vec::new())),
                // Some begin in the same moment: ties at the cursor.
                Act::Begin => now -= 1,
                Act::Write(which, word) => if let Some((began, rows)) = open.get_mut(which) {
                    rows.push(row(*began, &word.to_string()));
                },
                Act::Commit(which) => if which < open.len() {
                    visible.extend(open.remove(which).1);
                },
                Act::Load { fails } => {
                    let loaded = load(&visible, &open, fails);
                    // Every row that is loaded is there, and none more often than it is there.
                    let mut rest = visible.clone();
                    for row in loaded {
                        let at = rest.iter().position(|other| *other == row);
                        prop_assert!(at.is_some());
                        rest.remove(at.unwrap());
                    }
                    prop_assert!(fails || rest.is_empty());
                }
            }
        }
        visible.extend(open.drain(..).flat_map(|(_, rows)| rows));
        visible.sort();
        prop_assert_eq!(load(&visible, &[], false), visible);
    }
}
