//! Rows of an increment: those whose value in the cursor's column lies between two others.
//!
//! SQLite compares by classes first, and texts byte by byte. So a column is a cursor only if all its values have the class that the
//! cursor has, and dates and times also one form: this is looked at in the snapshot, before anything is read.

use rusqlite::types::Value;

use crate::database::{CursorKind, CursorValue, Window};
use crate::error::Error;
use crate::sqlite::catalog::quoted;

/// How a day is written.
const DAY: &str = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]";
/// How a time is written, without what follows its seconds.
const TIME: &str = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9]";
/// Bytes of a day; of a moment to its seconds.
const DAY_LEN: usize = 10;
const MOMENT_LEN: usize = 19;

/// What stands behind FROM, for rows of a window.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Filter {
    /// With WHERE and a space before it; empty where all rows are read.
    pub sql: String,
    /// Its parameters.
    pub values: Vec<Value>,
    /// What no row may be.
    pub odd: Option<String>,
    /// What all rows must be.
    form: &'static str,
}

impl Filter {
    /// The rows of a window.
    ///
    /// # Errors
    /// When an end of the window is no value of its kind, or SQLite compares the column's values in another order.
    pub(super) fn new(window: &Window, utf16: bool, dataset: &str) -> Result<Self, Error> {
        let column = quoted(&window.column);
        let kind = window.from.as_ref().or(window.until.as_ref()).map(|value| value.kind);
        let Some(kind) = kind else {
            let sql = if window.nulls { String::new() } else { format!(" WHERE {column} IS NOT NULL") };
            return Ok(Self { sql, ..Self::default() });
        };
        let wrong = |problem: &str, advice: &str| Error::DatabaseColumn {
            dataset: dataset.to_owned(),
            column: window.column.clone(),
            problem: problem.to_owned(),
            advice: advice.to_owned(),
        };
        if utf16 && kind == CursorKind::Text {
            return Err(wrong(
                "it is a cursor of texts, which this database stores and compares as UTF-16",
                "take a column of numbers or times for `cursor`, or read the dataset whole",
            ));
        }
        let (odd, form) = odd(kind, &column);
        let compared = compared(kind, &column);
        let mut filter = Self { sql: String::new(), values: Vec::new(), odd: Some(odd), form };
        let mut terms = Vec::new();
        for (end, sign) in [(&window.from, ">="), (&window.until, "<")] {
            let Some(end) = end else { continue };
            let value = bound(end).filter(|_| end.kind == kind);
            let value = value.ok_or_else(|| wrong("the window's end is no value of its kind", "reset the dataset's state"))?;
            if sign == ">="
                && let (Value::Text(text), CursorKind::Timestamp | CursorKind::Instant) = (&value, kind)
                && let Some(day) = text.get(..DAY_LEN)
            {
                // Says nothing more, but an index may be used for it.
                filter.values.push(Value::Text(day.to_owned()));
                terms.push(format!("{column} COLLATE BINARY >= ?{}", filter.values.len()));
            }
            filter.values.push(value);
            terms.push(format!("{compared} {sign} ?{}", filter.values.len()));
        }
        let nulls = if window.nulls { format!(" OR {column} IS NULL") } else { String::new() };
        filter.sql = format!(" WHERE ({}){nulls}", terms.join(" AND "));
        Ok(filter)
    }

    /// The error for a column in which some rows hold something odd.
    pub(super) fn has_odd(&self, window: &Window, dataset: &str) -> Error {
        Error::DatabaseColumn {
            dataset: dataset.to_owned(),
            column: window.column.clone(),
            problem: format!("as a cursor of its type it must hold {}, and some rows hold something else", self.form),
            advice: "correct these rows at the source, write the column in this form in a query, or read the dataset whole".to_owned(),
        }
    }
}

/// What a row is whose value has no place in the cursor's order, and what it should be.
fn odd(kind: CursorKind, column: &str) -> (String, &'static str) {
    match kind {
        // Numbers come before texts, and these before bytes, so that an index tells.
        CursorKind::Integer | CursorKind::Decimal => (format!("{column} >= ''"), "numbers"),
        CursorKind::Text => (format!("{column} < '' OR {column} >= x''"), "texts"),
        CursorKind::Date => {
            let is = format!("typeof({column}) = 'text' AND {column} GLOB '{DAY}'");
            (format!("{column} IS NOT NULL AND NOT ({is})"), "texts such as 2026-01-31")
        }
        CursorKind::Timestamp => (not_moment(column, column), "texts such as 2026-01-31 23:59:59.5"),
        CursorKind::Instant => (not_moment(column, &in_utc(column)), "texts such as 2026-01-31 23:59:59.5Z, in UTC"),
    }
}

/// A moment of UTC without its mark; null without a mark of UTC.
fn in_utc(column: &str) -> String {
    let marks = [("Z", 1), ("+00:00", 6), ("+0000", 5), ("+00", 3)];
    let cases: String = marks
        .iter()
        .map(|(mark, len)| format!(" WHEN {column} GLOB '*{mark}' THEN substr({column}, 1, length({column}) - {len})"))
        .collect();
    format!("CASE{cases} END")
}

/// Whether a text, without its mark of a zone, is no moment.
fn not_moment(column: &str, text: &str) -> String {
    let rest = MOMENT_LEN + 1;
    let seconds = format!("substr({text}, 1, {MOMENT_LEN}) GLOB '{DAY}[ T]{TIME}'");
    let fraction = format!("substr({text}, {rest}) GLOB '.[0-9]*' AND substr({text}, {}) NOT GLOB '*[^0-9]*'", rest + 1);
    let is = format!("typeof({column}) = 'text' AND {seconds} AND (length({text}) = {MOMENT_LEN} OR {fraction})");
    format!("{column} IS NOT NULL AND NOT COALESCE({is}, FALSE)")
}

/// What is compared: of moments one way of writing each.
fn compared(kind: CursorKind, column: &str) -> String {
    let moment = |text: &str| {
        let fraction = format!("substr({text}, {})", MOMENT_LEN + 1);
        format!("substr({text}, 1, {DAY_LEN}) || ' ' || substr({text}, 12, 8) || rtrim(rtrim({fraction}, '0'), '.')")
    };
    match kind {
        CursorKind::Integer | CursorKind::Decimal => column.to_owned(),
        CursorKind::Text | CursorKind::Date => format!("{column} COLLATE BINARY"),
        CursorKind::Timestamp => format!("({})", moment(column)),
        CursorKind::Instant => format!("({})", moment(&format!("({})", in_utc(column)))),
    }
}

/// An end of a window as SQLite compares it; none where the text is no value of the kind.
fn bound(value: &CursorValue) -> Option<Value> {
    let text = value.text.as_str();
    match value.kind {
        CursorKind::Integer => text.parse().ok().map(Value::Integer),
        CursorKind::Decimal => {
            let number = text.parse().map(Value::Integer);
            number.ok().or_else(|| text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Real))
        }
        CursorKind::Date => (text.len() == DAY_LEN).then(|| Value::Text(text.to_owned())),
        CursorKind::Timestamp => moment(text).map(Value::Text),
        CursorKind::Instant => moment(text.strip_suffix('Z')?).map(Value::Text),
        CursorKind::Text => Some(Value::Text(text.to_owned())),
    }
}

/// A moment as [`compared`] writes it.
fn moment(text: &str) -> Option<String> {
    let (seconds, fraction) = text.split_at_checked(MOMENT_LEN)?;
    let (day, time) = seconds.split_once(['T', ' '])?;
    let fraction = match fraction.strip_prefix('.') {
        None => fraction,
        Some(_) => fraction.trim_end_matches('0').trim_end_matches('.'),
    };
    (day.len() == DAY_LEN).then(|| format!("{day} {time}{fraction}"))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn value(kind: CursorKind, text: &str) -> CursorValue {
        CursorValue { kind, text: text.to_owned() }
    }

    fn window(from: Option<CursorValue>, until: Option<CursorValue>, nulls: bool) -> Window {
        Window { column: "c\"x".to_owned(), from, until, nulls }
    }

    /// A table whose column holds these values, and nothing else.
    fn table(declared: &str, values: &[&str]) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("CREATE TABLE t (\"c\"\"x\" {declared})")).unwrap();
        for value in values {
            connection.execute(&format!("INSERT INTO t VALUES ({value})"), []).unwrap();
        }
        connection
    }

    fn found(connection: &Connection, filter: &Filter) -> Vec<i64> {
        let mut statement = connection.prepare(&format!("SELECT rowid FROM t{} ORDER BY rowid", filter.sql)).unwrap();
        let rows = statement.query_map(rusqlite::params_from_iter(&filter.values), |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn is_odd(connection: &Connection, filter: &Filter) -> bool {
        let sql = format!("SELECT EXISTS(SELECT 1 FROM t WHERE {})", filter.odd.as_ref().unwrap());
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    fn between(kind: CursorKind, from: &str, until: &str) -> Filter {
        Filter::new(&window(Some(value(kind, from)), Some(value(kind, until)), false), false, "d").unwrap()
    }

    #[test]
    fn rows_from_one_end_to_before_the_other_are_read() {
        let numbers = table("INTEGER", &["1", "2", "3", "NULL", "-5", "2.5"]);
        assert_eq!(found(&numbers, &between(CursorKind::Integer, "2", "3")), [2, 6]);
        assert_eq!(found(&numbers, &between(CursorKind::Decimal, "2.5", "3.0")), [6]);
        let open = Filter::new(&window(Some(value(CursorKind::Integer, "2")), None, true), false, "d").unwrap();
        assert_eq!(found(&numbers, &open), [2, 3, 4, 6]);
        let all = |nulls| Filter::new(&window(None, None, nulls), false, "d").unwrap();
        assert_eq!(found(&numbers, &all(false)), [1, 2, 3, 5, 6]);
        assert_eq!(all(true).sql, "");
        let days = table("DATE", &["'2026-01-31'", "'2026-02-01'", "'2025-12-31'"]);
        assert_eq!(found(&days, &between(CursorKind::Date, "2026-01-31", "2026-02-01")), [1]);
        let texts = table("TEXT COLLATE NOCASE", &["'a'", "'B'", "'b'", "'é'"]);
        assert_eq!(found(&texts, &between(CursorKind::Text, "B", "b")), [1, 2]);
    }

    #[test]
    fn moments_are_compared_by_what_they_say_and_not_by_how() {
        let written = [
            "'2026-01-31 23:59:59'",
            "'2026-01-31T23:59:59.000'",
            "'2026-01-31 23:59:59.5'",
            "'2026-01-31T23:59:59.50'",
            "'2026-02-01 00:00:00'",
            "'2026-01-31 23:59:58.999999'",
        ];
        let walls = table("DATETIME", &written);
        let ends = between(CursorKind::Timestamp, "2026-01-31T23:59:59.000000", "2026-01-31T23:59:59.500000");
        assert_eq!((found(&walls, &ends), is_odd(&walls, &ends)), (vec![1, 2], false));
        let ends = between(CursorKind::Timestamp, "2026-01-31T23:59:59.5", "2026-02-01T00:00:00");
        assert_eq!(found(&walls, &ends), [3, 4]);
        let instants =
            table("", &["'2026-01-31 23:59:59Z'", "'2026-01-31T23:59:59.0+00:00'", "'2026-01-31T23:59:59.1Z'", "'2026-02-01 00:00:00+00'"]);
        let ends = between(CursorKind::Instant, "2026-01-31T23:59:59Z", "2026-01-31T23:59:59.100000Z");
        assert_eq!((found(&instants, &ends), is_odd(&instants, &ends)), (vec![1, 2], false));
    }

    #[test]
    fn what_has_no_place_in_the_order_is_seen() {
        let day = "2026-01-31";
        let moment = "2026-01-31T00:00:00";
        let instant = "2026-01-31T00:00:00Z";
        for (kind, end, declared, fine, odd) in [
            (CursorKind::Integer, "1", "INTEGER", "5", "'x'"),
            (CursorKind::Integer, "1", "INTEGER", "5.5", "x'00'"),
            (CursorKind::Decimal, "1", "NUMERIC", "5", "''"),
            (CursorKind::Date, day, "DATE", "'2026-01-31'", "'31/01/2026'"),
            (CursorKind::Date, day, "DATE", "'2026-01-31'", "20260131"),
            (CursorKind::Date, day, "DATE", "'2026-01-31'", "x'323032362d30312d3331'"),
            (CursorKind::Timestamp, moment, "", "'2026-01-31 10:00:00.123'", "'2026-01-31 10:00'"),
            (CursorKind::Timestamp, moment, "", "'2026-01-31 10:00:00'", "'2026-01-31 10:00:00Z'"),
            (CursorKind::Timestamp, moment, "", "'2026-01-31 10:00:00'", "'2026-01-31 10:00:00.'"),
            (CursorKind::Timestamp, moment, "", "'2026-01-31 10:00:00'", "1769904000"),
            (CursorKind::Instant, instant, "", "'2026-01-31 10:00:00.5Z'", "'2026-01-31 10:00:00'"),
            (CursorKind::Instant, instant, "", "'2026-01-31 10:00:00+00'", "'2026-01-31 10:00:00+02:00'"),
            (CursorKind::Text, "a", "", "'b'", "5"),
            (CursorKind::Text, "a", "", "''", "x'62'"),
        ] {
            let filter = Filter::new(&window(Some(value(kind, end)), None, true), false, "d").unwrap();
            assert!(!is_odd(&table(declared, &[fine, "NULL"]), &filter), "{kind:?} {fine}");
            assert!(is_odd(&table(declared, &[fine, "NULL", odd]), &filter), "{kind:?} {odd}");
        }
    }

    #[test]
    fn an_end_that_is_no_value_of_its_kind_is_refused() {
        for (kind, text) in [
            (CursorKind::Integer, "1.5"),
            (CursorKind::Decimal, "1e999"),
            (CursorKind::Date, "2026"),
            (CursorKind::Timestamp, "2026-01-31"),
            (CursorKind::Instant, "2026-01-31T00:00:00"),
        ] {
            assert!(Filter::new(&window(Some(value(kind, text)), None, false), false, "d").is_err(), "{kind:?} {text}");
        }
        let mixed = window(Some(value(CursorKind::Integer, "1")), Some(value(CursorKind::Text, "1")), false);
        assert!(Filter::new(&mixed, false, "d").is_err());
        let text = window(Some(value(CursorKind::Text, "a")), None, false);
        assert!(Filter::new(&text, true, "d").is_err() && Filter::new(&text, false, "d").is_ok());
    }
}
