//! The databases that every mode is tried with: each has one table `t` of the same columns, which are called the same wherever they lie,
//! and a column that no contract authorises.

use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::Connection;

use super::session::Session;
use super::{column, contract, key};
use crate::harness::Project;
use crate::servers::adbc_driver;
use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;

/// How a source is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Replace,
    /// Of a source that only grows.
    Append,
    /// By a cursor, with a flag on rows that are gone.
    Merge,
    /// By a cursor, and by the keys of all rows.
    MergeKeys,
    /// Whole each time.
    MergeWhole,
    Scd2,
}

impl Mode {
    /// Lines of a contract; `by_flag` says how a row says that it is gone.
    pub fn settings(self, by_flag: &str) -> Vec<String> {
        let disposition = match self {
            Self::Replace => "replace",
            Self::Append => "append",
            Self::Scd2 => "scd2",
            Self::Merge | Self::MergeKeys | Self::MergeWhole => "merge",
        };
        let mut settings = vec![format!("{{property: polder.disposition, value: {disposition}}}")];
        match self {
            Self::Merge | Self::Scd2 => settings.push(format!("{{property: polder.deletes, value: {by_flag}}}")),
            Self::MergeKeys | Self::MergeWhole => settings.push("{property: polder.deletes, value: key_snapshot}".to_owned()),
            Self::Replace | Self::Append => {}
        }
        settings
    }

    pub fn has_cursor(self) -> bool {
        !matches!(self, Self::Replace | Self::MergeWhole)
    }

    /// Whether a row is deleted by a flag, not taken away.
    pub fn flags(self) -> bool {
        matches!(self, Self::Merge | Self::Scd2)
    }

    /// Whether the keys of all rows are read beside the rows.
    pub fn reads_keys(self) -> bool {
        matches!(self, Self::MergeKeys | Self::MergeWhole)
    }

    /// Of a table of versions, those that hold.
    pub fn holding(self) -> &'static str {
        if self == Self::Scd2 { "where valid_to is null" } else { "" }
    }
}

/// What the columns are by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The column of words, at the source.
    pub word: &'static str,
    /// Whether beds are more than 32 bits hold, and there is a column more.
    pub wide: bool,
}

impl Shape {
    pub const FIRST: Self = Self { word: "word", wide: false };
    pub const LATER: Self = Self { word: "label", wide: true };

    /// What is compared, as the table calls it.
    pub fn columns(self) -> &'static str {
        if self.wide { "id, word, beds, at, more" } else { "id, word, beds, at" }
    }
}

/// A database with the table.
pub trait Source: Sized {
    /// The table, as the database lists it.
    const DATASET: &'static str;
    /// Whether one transaction at a time may write.
    const ONE_WRITER: bool = false;
    /// Whether there is a count of rows that is not the decoder's.
    const COUNTS: bool = true;
    /// The types of a contract's columns.
    const CURSOR: &'static str = "logicalType: timestamp";
    const FLAG: &'static str = "logicalType: boolean";
    /// How a row says that it is gone.
    const BY_FLAG: &'static str = "{flag: gone}";
    /// What makes the words longer and the beds more, once words are called labels. Nothing where columns have no sizes.
    const WIDENS: &'static str = "";

    /// Makes the table. What a source file refers to is written into the project.
    fn begin(project: &Project) -> Self;
    /// A source file's lines, but for those on datasets.
    fn lines(&self) -> String;
    /// Runs statements, each by itself.
    fn run(&self, sql: &str);
    /// Begins a transaction with these statements, which stays open.
    fn late(&self, sql: &str) -> Late;
    /// A moment of an hour that is yet to come, as a literal: what an open transaction may yet bring lies below none of them.
    fn moment(at_s: u64) -> String;
    /// A statement that adds rows of these ids, all of one moment.
    fn series(from: u64, to: u64, at_s: u64) -> String;
    /// The rows as the program prints them, in the order of their ids.
    fn rows(&self, shape: Shape, of: &str) -> Vec<String>;
    /// The port of a server, where it is one.
    fn port(&self) -> Option<u16> {
        None
    }

    /// Writes the source file; `more` are lines of it.
    fn declare(&self, project: &Project, mode: Mode, more: &str) {
        let (lines, dataset) = (self.lines(), Self::DATASET);
        let datasets = match mode.has_cursor() {
            true => format!("datasets:\n  {dataset}: {{cursor: {{column: at, nulls: include}}}}\n"),
            false => String::new(),
        };
        project.write("sources/his.yaml", format!("{lines}{more}tables: ['{dataset}']\n{datasets}"));
    }

    /// Writes the contract, and approves it.
    #[track_caller]
    fn agree(&self, project: &Project, mode: Mode, shape: Shape) {
        let beds = match shape.wide {
            true => "logicalType: integer, logicalTypeOptions: {format: i64}",
            false => "logicalType: integer, logicalTypeOptions: {format: i32}",
        };
        let mut columns = vec![
            key("id", "logicalType: integer"),
            column("word", "logicalType: string"),
            column("beds", beds),
            column("at", Self::CURSOR),
            column("gone", Self::FLAG),
        ];
        if shape.wide {
            columns.push(column("more", "logicalType: string"));
        }
        let settings = mode.settings(Self::BY_FLAG);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let text = contract("t", "his", Self::DATASET, &columns, &settings);
        project.contract("t", &text.replace("physicalName: word,", &format!("physicalName: {},", shape.word)));
    }
}

/// A transaction that is open. Dropped, it is undone.
pub enum Late {
    Client(Session),
    File(Connection),
}

impl Late {
    pub fn commit(self) {
        match self {
            Self::Client(mut session) => session.run("commit;"),
            Self::File(writer) => writer.execute_batch("commit;").unwrap(),
        }
    }
}

/// Minutes and seconds.
fn clock(at_s: u64) -> String {
    format!("{:02}:{:02}", at_s / 60, at_s % 60)
}

impl Source for Postgres {
    const DATASET: &'static str = "public.t";
    const WIDENS: &'static str = "alter table t alter column label type varchar(200), alter column beds type bigint;";

    fn begin(project: &Project) -> Self {
        let server = Self::start();
        server.psql(
            "create table t (id int primary key, word varchar(20), beds int not null, at timestamptz, gone boolean not null default false,
             secret text default 'planted');",
        );
        project.write("url", server.url());
        server
    }

    fn lines(&self) -> String {
        format!("type: postgres\nurl: file:url\nca: {}\n", self.ca_file().display())
    }

    fn run(&self, sql: &str) {
        self.psql(sql);
    }

    fn late(&self, sql: &str) -> Late {
        let mut session = Session::of_postgres(self);
        session.run(&format!("begin; {sql}"));
        Late::Client(session)
    }

    fn moment(at_s: u64) -> String {
        format!("timestamptz '2037-01-01 00:{}+00:00'", clock(at_s))
    }

    fn series(from: u64, to: u64, at_s: u64) -> String {
        let moment = Self::moment(at_s);
        format!("insert into t (id, word, beds, at) select i, 'w' || i % 9, i, {moment} from generate_series({from}, {to}) i;")
    }

    fn rows(&self, shape: Shape, of: &str) -> Vec<String> {
        let more = if shape.wide { " || ',' || coalesce(more, '')" } else { "" };
        let sql = format!(
            "set timezone = 'UTC'; select id || ',' || coalesce({}, '') || ',' || beds || ',' || \
             coalesce(to_char(at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), ''){more} from t {of} order by id",
            shape.word
        );
        self.psql(&sql).lines().map(str::to_owned).collect()
    }

    fn port(&self) -> Option<u16> {
        Some(Self::port(self))
    }
}

impl Source for MariaDb {
    const DATASET: &'static str = "t";
    const WIDENS: &'static str = "alter table t modify label varchar(200), modify beds bigint not null;";

    fn begin(project: &Project) -> Self {
        let server = Self::start();
        // Transactions of others are told to who may see them.
        server.sql(
            "grant process on *.* to polder@'%';
             create table t (id int primary key, word varchar(20), beds int not null, at timestamp(6) null, gone boolean not null default false,
             secret text default 'planted');",
        );
        project.write("url", server.url());
        server
    }

    fn lines(&self) -> String {
        format!("type: mysql\nurl: file:url\nca: {}\n", self.ca_file().display())
    }

    fn run(&self, sql: &str) {
        self.sql(&format!("set time_zone = '+00:00'; {sql}"));
    }

    fn late(&self, sql: &str) -> Late {
        let mut session = Session::of_mariadb(self);
        session.run(&format!("set time_zone = '+00:00'; begin; {sql}"));
        Late::Client(session)
    }

    fn moment(at_s: u64) -> String {
        format!("'2037-01-01 00:{}'", clock(at_s))
    }

    fn series(from: u64, to: u64, at_s: u64) -> String {
        let moment = Self::moment(at_s);
        format!("insert into t (id, word, beds, at) select seq, concat('w', seq % 9), seq, {moment} from seq_{from}_to_{to};")
    }

    fn rows(&self, shape: Shape, of: &str) -> Vec<String> {
        let more = if shape.wide { ", ',', coalesce(more, '')" } else { "" };
        let sql = format!(
            "set time_zone = '+00:00'; select concat(id, ',', coalesce({}, ''), ',', beds, ',', \
             coalesce(date_format(at, '%Y-%m-%dT%H:%i:%sZ'), ''){more}) from t {of} order by id",
            shape.word
        );
        self.sql(&sql).lines().map(str::to_owned).collect()
    }

    fn port(&self) -> Option<u16> {
        Some(Self::port(self))
    }
}

/// A file in WAL mode, or with a rollback journal; its writer is another process than the one that reads it.
pub struct Sqlite<const WAL: bool> {
    file: PathBuf,
}

pub type Wal = Sqlite<true>;
pub type Rollback = Sqlite<false>;

const SQLITE_FILE: &str = "data/clinic.db";

impl<const WAL: bool> Sqlite<WAL> {
    pub fn writer(&self) -> Connection {
        Connection::open(&self.file).unwrap()
    }

    /// The table, whose cursor is declared as this.
    fn made(project: &Project, cursor: &str) -> Self {
        std::fs::create_dir_all(project.dir().join("data")).unwrap();
        let source = Self { file: project.dir().join(SQLITE_FILE) };
        let journal = if WAL { "wal" } else { "delete" };
        let sql = format!(
            "pragma journal_mode = {journal};
             create table t (id integer primary key, word text, beds integer not null, at {cursor}, gone integer not null default 0,
             secret text default 'planted');"
        );
        source.writer().execute_batch(&sql).unwrap();
        source
    }

    /// The one column of a statement's rows, with what a cursor is printed as.
    fn printed(&self, shape: Shape, cursor: &str, of: &str) -> Vec<String> {
        let more = if shape.wide { " || ',' || coalesce(more, '')" } else { "" };
        let sql = format!(
            "select id || ',' || coalesce({}, '') || ',' || beds || ',' || coalesce({cursor}, ''){more} from t {of} order by id",
            shape.word
        );
        let writer = self.writer();
        let mut statement = writer.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn added(from: u64, to: u64, moment: &str) -> String {
        format!(
            "with recursive n(i) as (values ({from}) union all select i + 1 from n where i < {to})
             insert into t (id, word, beds, at) select i, 'w' || (i % 9), i, {moment} from n;"
        )
    }
}

impl<const WAL: bool> Source for Sqlite<WAL> {
    const DATASET: &'static str = "t";
    const ONE_WRITER: bool = true;

    fn begin(project: &Project) -> Self {
        Self::made(project, "text")
    }

    fn lines(&self) -> String {
        format!("type: sqlite\npath: {SQLITE_FILE}\n")
    }

    fn run(&self, sql: &str) {
        self.writer().execute_batch(sql).unwrap();
    }

    fn late(&self, sql: &str) -> Late {
        let writer = self.writer();
        writer.execute_batch(&format!("begin immediate; {sql}")).unwrap();
        Late::File(writer)
    }

    fn moment(at_s: u64) -> String {
        format!("'2037-01-01 00:{}Z'", clock(at_s))
    }

    fn series(from: u64, to: u64, at_s: u64) -> String {
        Self::added(from, to, &Self::moment(at_s))
    }

    fn rows(&self, shape: Shape, of: &str) -> Vec<String> {
        self.printed(shape, "replace(at, ' ', 'T')", of)
    }
}

/// The same file through an ADBC driver, which can open none in WAL mode, since it may write nothing.
pub struct Adbc {
    database: Rollback,
    sha256: String,
}

const ADBC_DRIVER: &str = "drivers/libadbc_driver_sqlite.so";

impl Source for Adbc {
    const DATASET: &'static str = "t";
    const ONE_WRITER: bool = true;
    const COUNTS: bool = false;
    // The driver knows whole numbers and texts, and neither moments nor booleans.
    const CURSOR: &'static str = "logicalType: integer";
    const FLAG: &'static str = "logicalType: integer";
    const BY_FLAG: &'static str = "{flag: gone, value: 1}";

    fn begin(project: &Project) -> Self {
        let library = std::fs::read(adbc_driver("adbc_driver_sqlite")).unwrap();
        project.write(ADBC_DRIVER, &library);
        let database = Rollback::made(project, "integer");
        project.write("url", database.file.display().to_string());
        Self { database, sha256: hex::encode(digest(&SHA256, &library)) }
    }

    fn lines(&self) -> String {
        format!("type: adbc\ndriver: {ADBC_DRIVER}\ndriver_sha256: \"{}\"\nurl: file:url\n", self.sha256)
    }

    fn run(&self, sql: &str) {
        self.database.run(sql);
    }

    fn late(&self, sql: &str) -> Late {
        self.database.late(sql)
    }

    fn moment(at_s: u64) -> String {
        at_s.to_string()
    }

    fn series(from: u64, to: u64, at_s: u64) -> String {
        Rollback::added(from, to, &Self::moment(at_s))
    }

    fn rows(&self, shape: Shape, of: &str) -> Vec<String> {
        self.database.printed(shape, "at", of)
    }
}
