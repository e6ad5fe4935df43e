//! Databases that are made here, and read as the program reads them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::DataType;
use polder_contract::{CellKind, Cells, ColumnType, RawBatch};
use polder_types::ErrorKind;
use rusqlite::Connection as Sqlite;
use tempfile::TempDir;

use super::*;
use crate::database::{CursorKind, CursorValue, Window};
use crate::reader::{FileReader, ReadOptions, SourceReader};
use crate::{Connection, datasets, open_table, sample};

/// A directory with a database `d.db`.
struct Fixture {
    dir: TempDir,
}

impl Fixture {
    fn new(sql: &str) -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        fixture.write(sql);
        fixture
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("d.db")
    }

    fn writer(&self) -> Sqlite {
        Sqlite::open(self.path()).unwrap()
    }

    fn write(&self, sql: &str) {
        self.writer().execute_batch(sql).unwrap();
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The whole of a dataset.
    fn read(&self, queries: &str, dataset: &str, wanted: &[WantedColumn]) -> Result<Read, Error> {
        let mut reader = open_table(&connection(queries), dataset, wanted, "reading", None, ReadOptions::new(self.root()))?;
        Read::all(&mut *reader)
    }

    fn table(&self, dataset: &str, wanted: &[WantedColumn]) -> Read {
        self.read("", dataset, wanted).unwrap()
    }

    /// The error of a query, of which one column `a` is wanted.
    fn refused(&self, query: &str) -> String {
        let queries = format!("queries: {{q: {}}}", serde_json::Value::from(query));
        self.read(&queries, "q", &[WantedColumn::new("a")]).map(|read| read.rows()).unwrap_err().to_string()
    }

    fn access(&self) -> Access {
        access(self.path())
    }
}

fn access(path: PathBuf) -> Access {
    Access {
        source: "s".to_owned(),
        source_type: crate::SourceType::Sqlite,
        url: None,
        password: None,
        path,
        ca: None,
        plain_loopback: false,
        timeout: crate::connection::database::TIMEOUT,
        driver: None,
    }
}

fn connection(queries: &str) -> Connection {
    Connection::parse(&format!("type: sqlite\npath: d.db\ntables: ['[!q]*']\n{queries}"), "sources/s.yaml").unwrap()
}

fn wanted(columns: &[(&str, ColumnType)]) -> Vec<WantedColumn> {
    columns.iter().map(|(name, ty)| WantedColumn::new(*name).of_type(*ty)).collect()
}

/// What a reader gave.
struct Read {
    batches: Vec<RawBatch>,
    left_out: Vec<String>,
    counted: Option<u64>,
}

impl Read {
    fn all(reader: &mut dyn SourceReader) -> Result<Self, Error> {
        let mut batches = Vec::new();
        while let Some(batch) = reader.next()? {
            batches.push(batch);
        }
        Ok(Self { batches, left_out: reader.left_out().to_vec(), counted: reader.counted() })
    }

    fn rows(&self) -> usize {
        self.batches.iter().map(|batch| batch.rows).sum()
    }

    fn array(&self, column: usize) -> &arrow::array::ArrayRef {
        match &self.batches[0].columns[column] {
            Cells::Typed(array) => array,
            Cells::Text(_) => panic!("cells of text"),
        }
    }

    fn texts(&self, column: usize) -> Vec<&str> {
        self.array(column).as_string::<i32>().iter().map(|text| text.unwrap_or("NULL")).collect()
    }

    fn cells(&self, column: usize) -> Vec<(CellKind, &[u8])> {
        match &self.batches[0].columns[column] {
            Cells::Text(cells) => cells.iter().map(|cell| (cell.kind, cell.bytes)).collect(),
            Cells::Typed(array) => panic!("an array of {}", array.data_type()),
        }
    }
}

#[test]
fn every_column_is_read_by_the_contracts_type_and_each_value_by_its_class() {
    let fixture = Fixture::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, price DECIMAL(8,2), ratio DOUBLE, ok BOOLEAN, day DATE, note TEXT, raw BLOB, zip NUMERIC, secret TEXT);
         INSERT INTO t VALUES (1, 12.30, 0.5, 1, '2026-01-31', 'é', x'6162', 75001, 's'), (2, 7, 3, 0, NULL, NULL, NULL, '2A004', 's');",
    );
    let read = fixture.table(
        "t",
        &wanted(&[
            ("id", ColumnType::Int32),
            ("price", ColumnType::Decimal { precision: 8, scale: 2 }),
            ("ratio", ColumnType::Float64),
            ("ok", ColumnType::Boolean),
            ("day", ColumnType::Date),
            ("note", ColumnType::String),
            ("raw", ColumnType::String),
            ("zip", ColumnType::String),
        ]),
    );
    let types: Vec<DataType> = (0..8).map(|column| read.array(column).data_type().clone()).collect();
    assert_eq!(
        types,
        [
            DataType::Int64,
            DataType::Decimal128(8, 2),
            DataType::Float64,
            DataType::Boolean,
            DataType::Utf8,
            DataType::Utf8,
            DataType::Utf8,
            DataType::Utf8
        ]
    );
    assert_eq!(read.array(1).as_primitive::<arrow::array::types::Decimal128Type>().values(), &[1230, 700]);
    assert_eq!(read.texts(4), ["2026-01-31", "NULL"]);
    assert_eq!(read.texts(6), ["ab", "NULL"]);
    assert_eq!(read.texts(7), ["75001", "2A004"]);
    assert_eq!((read.left_out, read.counted), (vec!["secret".to_owned()], Some(2)));
    assert_eq!((read.batches[0].first_record, read.batches[0].first_ordinal, &*read.batches[0].file), (1, 0, "t"));
}

#[test]
fn a_value_of_another_class_makes_cells_of_its_column_alone() {
    let fixture = Fixture::new(
        "CREATE TABLE t (n INTEGER, day DATE, note TEXT);
         INSERT INTO t VALUES (1, '2026-01-31', 'a'), ('many', 1769817600, CAST(x'ff' AS TEXT)), (2.5, 2461071.5, x'00');",
    );
    let read = fixture.table("t", &wanted(&[("n", ColumnType::Int64), ("day", ColumnType::Date), ("note", ColumnType::String)]));
    assert_eq!(read.cells(0), [(CellKind::Number, &b"1"[..]), (CellKind::String, b"many"), (CellKind::Number, b"2.5")]);
    // Seconds since 1970 and Julian days are numbers, which no date is read from.
    assert_eq!(
        read.cells(1),
        [(CellKind::String, &b"2026-01-31"[..]), (CellKind::Number, b"1769817600"), (CellKind::Number, b"2461071.5")]
    );
    assert_eq!(read.cells(2), [(CellKind::String, &b"a"[..]), (CellKind::String, &[0xff]), (CellKind::Nested, &[0])]);
    assert_eq!(read.counted, Some(3));
}

#[test]
fn tables_and_views_of_every_make_are_listed_and_read() {
    let fixture = Fixture::new(
        "CREATE TABLE plain (a INTEGER, b AS (a + 1), c INT GENERATED ALWAYS AS (a * 2) STORED);
         INSERT INTO plain (a) VALUES (1), (2);
         CREATE TABLE keyed (k TEXT PRIMARY KEY, v INTEGER) WITHOUT ROWID;
         INSERT INTO keyed VALUES ('b', 2), ('a', 1);
         CREATE TABLE strict_one (n INT, any ANY) STRICT;
         INSERT INTO strict_one VALUES (1, 'x'), (2, 7);
         CREATE VIEW doubled AS SELECT a * 2 AS twice, 'secret' AS hidden FROM plain;
         CREATE VIEW \"of a view\" AS WITH c AS (SELECT twice FROM doubled) SELECT count(*) AS \"n\"\"n\" FROM c;
         CREATE VIRTUAL TABLE words USING fts5(text);
         CREATE TABLE words_of_mine (a);
         CREATE INDEX i ON plain(a);",
    );
    let listed = datasets(&connection(""), None, ReadOptions::new(fixture.root())).unwrap();
    assert_eq!(listed, ["doubled", "keyed", "of a view", "plain", "strict_one", "words_of_mine"]);
    let plain = fixture.table("plain", &wanted(&[("c", ColumnType::Int64), ("b", ColumnType::Int64)]));
    assert_eq!(plain.array(0).as_primitive::<arrow::array::types::Int64Type>().values(), &[2, 4]);
    assert_eq!(plain.array(1).as_primitive::<arrow::array::types::Int64Type>().values(), &[2, 3]);
    let keyed = fixture.table("keyed", &wanted(&[("k", ColumnType::String)]));
    assert_eq!((keyed.texts(0), keyed.counted), (vec!["a", "b"], Some(2)));
    let strict = fixture.table("strict_one", &wanted(&[("any", ColumnType::String)]));
    assert_eq!(strict.cells(0), [(CellKind::String, &b"x"[..]), (CellKind::Number, b"7")]);
    let view = fixture.table("doubled", &wanted(&[("twice", ColumnType::Int64)]));
    assert_eq!((view.rows(), view.left_out), (2, vec!["hidden".to_owned()]));
    let view = fixture.table("of a view", &wanted(&[("n\"n", ColumnType::Int64)]));
    assert_eq!((view.rows(), view.counted), (1, Some(1)));
    let error = fixture.read("", "words", &[WantedColumn::new("text")]).map(|read| read.rows()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "find table words of source s: it is a virtual table, whose rows code makes; read the table that it is made from, or hand over a copy as a plain table"
    );
}

#[test]
fn no_column_at_all_is_rows_all_the_same() {
    let fixture = Fixture::new("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3);");
    let read = fixture.table("t", &[]);
    assert_eq!((read.rows(), read.counted, read.left_out), (3, Some(3), vec!["a".to_owned()]));
}

#[test]
fn names_that_are_not_there_are_refused_with_the_nearest() {
    let fixture = Fixture::new("CREATE TABLE stay (id, arrived);");
    let error = |dataset: &str, column: &str| fixture.read("", dataset, &[WantedColumn::new(column)]).map(|r| r.rows()).unwrap_err();
    // A name in quotes that is no column must not become a text.
    assert_eq!(
        error("stay", "arived").to_string(),
        "read column arived of stay: there is no such column; did you mean arrived? there are: arrived, id"
    );
    let none = error("stays", "id");
    assert_eq!(none.to_string(), "find table stays of source s: there is no such table or view; did you mean stay? there are: stay");
    assert_eq!(none.kind(), ErrorKind::NotFound);
}

#[test]
fn a_sample_takes_the_types_from_what_is_declared() {
    let fixture = Fixture::new(
        "CREATE TABLE t (id INTEGER, price NUMERIC(9,3), at DATETIME, raw BLOB, free);
         INSERT INTO t VALUES (1, 1.5, '2026-01-31T00:00:00Z', x'00ff', 'x'), (2, 2, '2026-01-31T00:00:01Z', NULL, 'y');",
    );
    let sample = sample(&connection(""), "t", ReadOptions::new(fixture.root())).unwrap();
    let types: Vec<_> = sample.columns.iter().map(|column| (column.name.as_str(), column.ty)).collect();
    assert_eq!(
        types,
        [
            ("id", Some(ColumnType::Int64)),
            ("price", Some(ColumnType::Decimal { precision: 9, scale: 3 })),
            ("at", Some(ColumnType::Timestamp { zone: true })),
            ("raw", None),
            ("free", Some(ColumnType::String))
        ]
    );
    assert!(sample.whole && sample.records == 2);
}

#[test]
fn a_snapshot_holds_while_others_write() {
    let fixture = Fixture::new(
        "PRAGMA journal_mode=WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO t SELECT i, 'before' FROM n;",
    );
    let writer = fixture.writer();
    let columns = wanted(&[("id", ColumnType::Int64), ("text", ColumnType::String)]);
    let mut reader = open_table(&connection(""), "t", &columns, "reading", None, ReadOptions::new(fixture.root())).unwrap();
    // The decoder is a few batches ahead, not at the end: what is written now stands in pages that it has not read yet.
    let first = reader.next().unwrap().unwrap();
    writer.execute_batch("UPDATE t SET text = 'after'; DELETE FROM t WHERE id > 90000; INSERT INTO t VALUES (200000, 'after');").unwrap();
    let mut read = Read::all(&mut *reader).unwrap();
    read.batches.insert(0, first);
    assert_eq!((read.rows(), read.counted), (100_000, Some(100_000)));
    for batch in &read.batches {
        let Cells::Typed(texts) = &batch.columns[1] else { panic!("cells of text") };
        assert!(texts.as_string::<i32>().iter().all(|text| text == Some("before")));
    }
    // The control: the next reading sees all of it, and the log is left where it was.
    let after = fixture.table("t", &columns);
    assert_eq!(after.rows(), 90_001);
    assert!(fixture.root().join("d.db-wal").metadata().unwrap().len() > 0);
}

#[test]
fn a_window_is_read_and_all_of_it_is_settled() {
    let fixture = Fixture::new("CREATE TABLE t (id INTEGER, at TEXT); INSERT INTO t VALUES (1, 'x'), (5, 'y'), (NULL, 'z'), (9, 'w');");
    let job = |column: &str, kind, text: &str| TableRead {
        dataset: "t".to_owned(),
        relation: Relation::Table("t".to_owned()),
        wanted: Some(wanted(&[("id", ColumnType::Int64)])),
        limit: None,
        window: Some(Window {
            column: column.to_owned(),
            from: Some(CursorValue { kind, text: text.to_owned() }),
            until: None,
            nulls: true,
        }),
        split: None,
    };
    let run = |job: TableRead| {
        let access = fixture.access();
        let mut reader = FileReader::start(Vec::new(), String::new(), move |out| {
            let mut place = Place { file: Arc::from("t"), record: 1, ordinal: 0 };
            read(&access, &job, &mut place, out).map(|()| Vec::new())
        })
        .unwrap();
        Read::all(&mut reader).map(|read| (read.rows(), read.counted, reader.settled().cloned()))
    };
    assert_eq!(run(job("id", CursorKind::Integer, "5")).unwrap(), (3, Some(3), Some(Settled::All)));
    assert_eq!(
        run(job("at", CursorKind::Timestamp, "2026-01-31T00:00:00")).unwrap_err().to_string(),
        "read column at of t: as a cursor of its type it must hold texts such as 2026-01-31 23:59:59.5, and some rows hold something else; correct these rows at the source, write the column in this form in a query, or read the dataset whole"
    );
    assert!(run(job("gone", CursorKind::Integer, "5")).unwrap_err().to_string().contains("there is no such column"));
}

#[test]
fn queries_compute_and_do_nothing_else() {
    let fixture = Fixture::new(
        "CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, '{\"x\": [1, 2]}'); CREATE VIRTUAL TABLE words USING fts5(text);",
    );
    let queries = "queries:\n  q: |\n    WITH x AS (SELECT a, upper(b) AS b FROM t) SELECT x.a AS n, datetime(x.a, 'unixepoch') AS at, e.value AS v FROM x, t, json_each(t.b, '$.x') e -- all\n";
    let read = fixture.read(queries, "q", &wanted(&[("at", ColumnType::String), ("v", ColumnType::Int64)])).unwrap();
    assert_eq!((read.rows(), read.counted, read.left_out.clone()), (2, Some(2), vec!["n".to_owned()]));
    assert_eq!(read.texts(0), ["1970-01-01 00:00:01"; 2]);
    assert_eq!(read.array(1).as_primitive::<arrow::array::types::Int64Type>().values(), &[1, 2]);
    let refusals: Vec<String> = [
        "SELECT random() AS a FROM t",
        "SELECT load_extension('x') AS a",
        "SELECT sql AS a FROM sqlite_schema",
        "SELECT name AS a FROM pragma_table_list",
        "SELECT name AS a FROM dbstat",
        "DELETE FROM t",
        "ATTACH 'other.db' AS a",
        "SELECT 1 AS a; SELECT 2 AS a",
        "SELECT ?1 AS a",
        "SELECT gone AS a FROM t",
        "SELECT \"gone\" AS a FROM t",
        "SELECT count(*) AS a FROM words",
        "SELECT count(*) AS a FROM sqlite_schema",
        "-- nothing",
        "SELECT 1 AS b",
    ]
    .iter()
    .map(|query| format!("{query}\n  {}", fixture.refused(query)))
    .collect();
    insta::assert_snapshot!(refusals.join("\n"));
    assert_eq!(fixture.table("t", &[]).rows(), 1);
}

#[test]
fn the_guard_lets_through_the_wanted_columns_and_no_other() {
    let fixture = Fixture::new("CREATE TABLE t (a, b, c AS (a || b)); CREATE TABLE u (a); CREATE VIEW v AS SELECT a, b FROM t;");
    let access = fixture.access();
    let mut snapshot = Snapshot::open(&access, None).unwrap();
    let mut guarded = |relation: &str, columns: &[&str], sql: &str| {
        let source = Source::find(&mut snapshot, &Relation::Table(relation.to_owned()), "d").unwrap();
        snapshot.admit(source.guard(columns.iter().copied())).unwrap();
        let prepared = snapshot.prepare("prepare", sql).is_ok();
        snapshot.connection.authorizer(None::<fn(rusqlite::hooks::AuthContext<'_>) -> rusqlite::hooks::Authorization>).unwrap();
        prepared
    };
    assert!(guarded("t", &["a"], "SELECT a FROM t"));
    assert!(guarded("t", &["a"], "SELECT COUNT(*) FROM t"));
    assert!(guarded("t", &["c"], "SELECT c FROM t"));
    assert!(guarded("v", &["a"], "SELECT a FROM v"));
    for sql in [
        "SELECT b FROM t",
        "SELECT a FROM t WHERE b = 1",
        "SELECT a FROM u",
        "SELECT COUNT(a) FROM u",
        "SELECT COUNT(*) FROM sqlite_schema",
        "SELECT rowid FROM t ORDER BY b",
    ] {
        assert!(!guarded("t", &["a"], sql), "{sql}");
    }
    assert!(!guarded("v", &["a"], "SELECT b FROM v") && !guarded("v", &["a"], "SELECT a FROM t"));
    for sql in ["BEGIN", "PRAGMA query_only = 0", "ATTACH ':memory:' AS m", "CREATE TEMP TABLE x (a)", "INSERT INTO t VALUES (1)"] {
        assert!(!guarded("t", &["a"], sql), "{sql}");
    }
}

#[test]
fn what_is_no_database_or_a_damaged_one_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| tables(&access(path.to_owned())).unwrap_err();
    assert!(matches!(error(&dir.path().join("none.db")), Error::Open { .. }));
    assert!(matches!(error(dir.path()), Error::NotAFile { .. }));
    let noise = dir.path().join("noise.db");
    for bytes in [&[0x5au8; 4096][..], &[0x5a; 2], &[0x5a], &[0]] {
        std::fs::write(&noise, bytes).unwrap();
        assert_eq!(
            error(&noise).to_string(),
            "open the database of source s: the file is no SQLite database, or it is encrypted; correct `path`, or hand over a copy in plain SQLite",
            "{} bytes",
            bytes.len()
        );
    }
    let empty = dir.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(tables(&access(empty)).unwrap(), Vec::<String>::new());

    let fixture = Fixture::new(
        "PRAGMA page_size=512; CREATE TABLE t (a INTEGER, b TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, 'some text' FROM n;",
    );
    let mut bytes = std::fs::read(fixture.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2048].fill(0xee);
    std::fs::write(fixture.path(), &bytes).unwrap();
    let error = fixture.read("", "t", &[WantedColumn::new("a")]).map(|read| read.rows()).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("the database is damaged")), (ErrorKind::Rejected, true), "{error}");
    // Cut off, with pages missing.
    std::fs::write(fixture.path(), &bytes[..middle]).unwrap();
    assert!(fixture.read("", "t", &[WantedColumn::new("a")]).is_err());
}

#[test]
fn rows_that_an_index_counts_otherwise_are_not_taken_for_all() {
    let fixture = Fixture::new("CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE INDEX i ON t(a);");
    // A row that the index does not know, as of a database that was damaged.
    fixture.write(
        "PRAGMA writable_schema=ON; DELETE FROM sqlite_schema WHERE name = 'i' AND type = 'table';
         UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(a) WHERE a < 2' WHERE name = 'i';",
    );
    fixture.write("REINDEX i; PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(a)' WHERE name = 'i';");
    let read = fixture.table("t", &[WantedColumn::new("b")]);
    assert_eq!((read.rows(), read.counted), (2, Some(1)));
}

#[test]
fn a_wal_that_cannot_be_opened_is_said_with_what_it_needs() {
    let fixture = Fixture::new("PRAGMA journal_mode=WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1);");
    // As in a directory in which nothing can be written; the tests may run as root, who can.
    std::os::unix::fs::symlink("nowhere", fixture.root().join("d.db-shm")).unwrap();
    let error = tables(&fixture.access()).unwrap_err();
    assert!(error.to_string().contains("a database in WAL mode needs a directory in which the account may also write"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[test]
fn a_writer_that_stopped_in_the_middle_is_said() {
    let fixture = Fixture::new("CREATE TABLE t (a); INSERT INTO t VALUES (1);");
    let before = std::fs::read(fixture.path()).unwrap();
    let writer = fixture.writer();
    writer.execute_batch("PRAGMA cache_size=0; BEGIN EXCLUSIVE; UPDATE t SET a = 2;").unwrap();
    writer.cache_flush().unwrap();
    let journal = std::fs::read(fixture.root().join("d.db-journal")).unwrap();
    let middle = std::fs::read(fixture.path()).unwrap();
    assert!(middle != before && !journal.is_empty());
    drop(writer);
    // As after a crash: what was written of the transaction, and the journal that undoes it.
    let crashed = Fixture { dir: tempfile::tempdir().unwrap() };
    std::fs::write(crashed.path(), middle).unwrap();
    std::fs::write(crashed.root().join("d.db-journal"), journal).unwrap();
    let error = tables(&crashed.access()).unwrap_err();
    assert!(error.to_string().contains("a writer stopped in the middle of a transaction"), "{error}");
}

#[test]
fn texts_in_utf16_are_read_and_half_characters_are_not() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let fixture = Fixture::new(&format!(
            "PRAGMA encoding='{encoding}'; CREATE TABLE t (a TEXT, n INTEGER); INSERT INTO t VALUES ('zoë 🦆', 1), ('', 2), (NULL, 3);"
        ));
        let read = fixture.table("t", &wanted(&[("a", ColumnType::String), ("n", ColumnType::Int64)]));
        assert_eq!(read.texts(0), ["zoë 🦆", "", "NULL"]);
        let half = if encoding == "UTF-16le" { "3ed86100" } else { "d83e0061" };
        fixture.write(&format!("INSERT INTO t VALUES (CAST(x'{half}' AS TEXT), 4)"));
        let read = fixture.table("t", &wanted(&[("a", ColumnType::String)]));
        let cells = read.cells(0);
        assert_eq!(cells[0], (CellKind::String, "zoë 🦆".as_bytes()));
        assert!(std::str::from_utf8(cells[3].1).is_err());
    }
}

#[test]
fn what_a_schema_computes_has_an_end() {
    // A view that never gives a row.
    let fixture = Fixture::new(
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS a FROM n WHERE i < 0;
         CREATE VIEW vast AS SELECT replace(hex(replace(hex(hex(hex('0123456789'))), '3', '0123456789')), '3', hex(hex(hex(hex('0123456789'))))) AS a;
         CREATE VIEW code AS SELECT load_extension('x') AS a;
         CREATE VIEW odd AS SELECT json_extract('{secret', '$.a') AS a;",
    );
    let reader = open_table(&connection(""), "endless", &[WantedColumn::new("a")], "r", None, ReadOptions::new(fixture.root())).unwrap();
    drop(reader);
    let error = |dataset: &str| fixture.read("", dataset, &[WantedColumn::new("a")]).map(|read| read.rows()).unwrap_err().to_string();
    assert!(error("code").contains("load_extension"), "{}", error("code"));
    assert_eq!(
        error("odd"),
        "read rows of source s: a function of the query or view cannot take what a row holds; correct the query, or the row at the source"
    );
    let long = Fixture::new("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(67108865)), ('x');");
    assert_eq!(
        long.read("", "t", &[WantedColumn::new("a")]).map(|read| read.rows()).unwrap_err().to_string(),
        "read rows of source s: a value or the statement is longer than may be: 64 MiB for a value; leave the column out of the contract, or shorten it in a query"
    );
    // A row that is too long for the gate, but no longer, is one row.
    let long = Fixture::new("CREATE TABLE t (a TEXT); INSERT INTO t VALUES (printf('%.*c', 2000000, 'x')), ('x');");
    let read = long.table("t", &wanted(&[("a", ColumnType::String)]));
    assert_eq!(read.cells(0), [(CellKind::TooLong, &b""[..]), (CellKind::String, b"x")]);
}

#[test]
fn batches_are_cut_by_rows_and_by_text() {
    let fixture = Fixture::new(
        "CREATE TABLE t (a TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT 'x' FROM n;
         CREATE TABLE u (a TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70) INSERT INTO u SELECT printf('%.*c', 1000000, 'x') FROM n;",
    );
    let rows = |table: &str| fixture.table(table, &[WantedColumn::new("a")]).batches.iter().map(|batch| batch.rows).collect::<Vec<_>>();
    assert_eq!(rows("t"), [BATCH_ROWS, BATCH_ROWS, 20_000 - 2 * BATCH_ROWS]);
    assert_eq!(rows("u"), [34, 34, 2]);
}

#[test]
fn nothing_that_is_sorted_lies_in_a_file() {
    let fixture = Fixture::new("CREATE TABLE t (a);");
    let access = fixture.access();
    let snapshot = Snapshot::open(&access, None).unwrap();
    let pragma = |name: &str| snapshot.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(["temp_store", "mmap_size", "query_only", "trusted_schema", "cell_size_check"].map(pragma), [2, 0, 1, 0, 1]);
    assert!(snapshot.connection.is_readonly("main").unwrap());
}
