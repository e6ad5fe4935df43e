//! Seeded histories of a source: inserts, updates, deletes, transactions that end late, ties and no values at the cursor, a column more;
//! loads in between that are killed, cut off by the network, or go well. The table equals the source, row for row, and N increments equal
//! one full refresh.

use polder_types::SeededRng;

use super::proxy::Proxy;
use super::session::Session;
use super::{Column, column, contract, key};
use crate::harness::{Project, seeds};
use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;

/// A server whose table has a history.
trait Server {
    const TYPE: &'static str;
    const DATASET: &'static str;
    fn begin() -> Self;
    fn run(&self, sql: &str) -> String;
    /// A moment of the first hour of a day, as a literal.
    fn moment(at_s: u64) -> String;
    fn session(&self) -> Session;
    fn address(&self) -> (String, u16);
    fn authority(&self) -> String;
    /// The table's rows as the program prints them: id, word and cursor, in the order of the ids.
    fn rows(&self, of: &str) -> Vec<String>;
}

impl Server for Postgres {
    const TYPE: &'static str = "postgres";
    const DATASET: &'static str = "public.t";

    fn begin() -> Self {
        let server = Self::start();
        server.psql("create table t (id int primary key, word text, at timestamptz, gone boolean not null default false, secret text default 'planted');");
        server
    }

    fn run(&self, sql: &str) -> String {
        self.psql(sql)
    }

    fn moment(at_s: u64) -> String {
        format!("timestamptz '2026-01-01 00:{:02}:{:02}+00:00'", at_s / 60, at_s % 60)
    }

    fn session(&self) -> Session {
        Session::of_postgres(self)
    }

    fn address(&self) -> (String, u16) {
        (self.url(), self.port())
    }

    fn authority(&self) -> String {
        self.ca_file().display().to_string()
    }

    fn rows(&self, of: &str) -> Vec<String> {
        let sql = format!(
            "set timezone = 'UTC'; select id || ',' || coalesce(word, '') || ',' || coalesce(to_char(at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '') from t {of} order by id"
        );
        self.psql(&sql).lines().map(str::to_owned).collect()
    }
}

impl Server for MariaDb {
    const TYPE: &'static str = "mysql";
    const DATASET: &'static str = "t";

    fn begin() -> Self {
        let server = Self::start();
        // Transactions of others are told to who may see them.
        server.sql("grant process on *.* to polder@'%'; create table t (id int primary key, word text, at timestamp(6) null, gone boolean not null default false, secret text default 'planted');");
        server
    }

    fn run(&self, sql: &str) -> String {
        self.sql(&format!("set time_zone = '+00:00'; {sql}"))
    }

    fn moment(at_s: u64) -> String {
        format!("'2026-01-01 00:{:02}:{:02}'", at_s / 60, at_s % 60)
    }

    fn session(&self) -> Session {
        let mut session = Session::of_mariadb(self);
        session.run("set time_zone = '+00:00';");
        session
    }

    fn address(&self) -> (String, u16) {
        (self.url(), self.port())
    }

    fn authority(&self) -> String {
        self.ca_file().display().to_string()
    }

    fn rows(&self, of: &str) -> Vec<String> {
        let sql = format!(
            "set time_zone = '+00:00'; select concat(id, ',', coalesce(word, ''), ',', coalesce(date_format(at, '%Y-%m-%dT%H:%i:%sZ'), '')) from t {of} order by id"
        );
        self.sql(&sql).lines().map(str::to_owned).collect()
    }
}

/// How the source is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
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
    fn settings(self) -> Vec<String> {
        let disposition = match self {
            Self::Replace => "replace",
            Self::Append => "append",
            Self::Scd2 => "scd2",
            Self::Merge | Self::MergeKeys | Self::MergeWhole => "merge",
        };
        let mut settings = vec![format!("{{property: polder.disposition, value: {disposition}}}")];
        match self {
            Self::Merge | Self::Scd2 => settings.push("{property: polder.deletes, value: {flag: gone}}".to_owned()),
            Self::MergeKeys | Self::MergeWhole => settings.push("{property: polder.deletes, value: key_snapshot}".to_owned()),
            Self::Replace | Self::Append => {}
        }
        settings
    }

    fn has_cursor(self) -> bool {
        !matches!(self, Self::Replace | Self::MergeWhole)
    }

    /// Whether a row is deleted by a flag, not taken away.
    fn flags(self) -> bool {
        matches!(self, Self::Merge | Self::Scd2)
    }
}

const COLUMNS: [Column; 4] = [
    key("id", "logicalType: integer"),
    column("word", "logicalType: string"),
    column("at", "logicalType: timestamp"),
    column("gone", "logicalType: boolean"),
];
/// Where a load is killed.
const POINTS: [&str; 9] = [
    "batch-started",
    "lake.staged",
    "lake.matched",
    "quarantine-after",
    "offsets-written",
    "lake.after_intent",
    "lake.after_commit",
    "lake.before_outcome",
    "lake.after_outcome",
];

struct History<S> {
    server: S,
    project: Project,
    mode: Mode,
    rng: SeededRng,
    /// The source's clock, in seconds.
    now: u64,
    next: u64,
    late: Option<Session>,
    late_id: u64,
    may_be_late: bool,
    /// Statements that are to run.
    pending: String,
}

impl<S: Server> History<S> {
    fn new(mode: Mode, seed: u64) -> Self {
        let server = S::begin();
        let project = Project::new();
        let datasets = match mode.has_cursor() {
            true => format!("datasets:\n  {}: {{cursor: {{column: at, nulls: include}}}}\n", S::DATASET),
            false => String::new(),
        };
        let source = format!("type: {}\nurl: file:url\nca: {}\ntables: ['{}']\n{datasets}", S::TYPE, server.authority(), S::DATASET);
        project.write("sources/his.yaml", source);
        project.write("url", server.address().0);
        let history = Self {
            server,
            project,
            mode,
            rng: SeededRng::new(seed),
            now: 0,
            next: 1,
            late: None,
            late_id: 0,
            may_be_late: false,
            pending: String::new(),
        };
        let settings = mode.settings();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        history.project.contract("t", &contract("t", "his", S::DATASET, &COLUMNS, &settings));
        history
    }

    fn insert(&mut self, moment: &str) -> String {
        let id = self.next;
        self.next += 1;
        format!("insert into t (id, word, at) values ({id}, 'w{}', {moment});", self.rng.below(5))
    }

    /// Something happens at the source.
    fn act(&mut self) {
        // Several things happen in one moment now and then.
        self.now += self.rng.below(2);
        let moment = S::moment(self.now);
        let grows = self.mode == Mode::Append;
        match self.rng.below(12) {
            0..4 => {
                let sql = self.insert(&moment);
                self.pending += &sql;
            }
            4 => {
                let sql = self.insert("null");
                self.pending += &sql;
            }
            5..8 if !grows => {
                let id = self.settled_id();
                let word = self.rng.below(5);
                self.pending += &format!("update t set word = 'u{word}', at = {moment} where id = {id};");
            }
            8 | 9 if !grows => {
                let id = self.settled_id();
                self.pending += &match self.mode.flags() {
                    true => format!("update t set gone = true, at = {moment} where id = {id};"),
                    false => format!("delete from t where id = {id};"),
                };
            }
            // A load waits for a while for what is open, so only one meets it.
            10 if self.late.is_none() && self.may_be_late => {
                self.happen();
                self.late_id = self.next;
                let sql = self.insert(&moment);
                let mut session = self.server.session();
                session.run(&format!("begin; {sql}"));
                self.late = Some(session);
            }
            11 => self.end_late(),
            _ => {}
        }
    }

    /// A row that no open transaction holds: whoever asks for one that is held waits for it.
    fn settled_id(&self) -> u64 {
        let id = self.rng.below(self.next);
        if self.late.is_some() && id == self.late_id { 0 } else { id }
    }

    /// What was to happen happens, each statement by itself.
    fn happen(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.server.run(&pending);
        }
    }

    fn end_late(&mut self) {
        self.happen();
        if let Some(mut session) = self.late.take() {
            session.run("commit;");
        }
    }

    /// A load that is killed, cut off, or goes well.
    fn load(&mut self) {
        let (url, port) = self.server.address();
        match self.rng.below(4) {
            0 => {
                let point = POINTS[usize::try_from(self.rng.below(POINTS.len() as u64)).unwrap()];
                let ran = self.project.run(&["run", "--kill-at", point]);
                assert!(ran.signal == Some(9) || ran.code == Some(0), "{point}: {ran:?}");
            }
            1 => {
                let proxy = Proxy::cutting(port, 2_000 + self.rng.below(30_000));
                self.project.write("url", url.replace(&format!(":{port}/"), &format!(":{}/", proxy.port())));
                let ran = self.project.run(&["run"]);
                assert!(matches!(ran.code, Some(0 | 4)), "{ran:?}");
                // No success with a row less is what the next comparison shows.
                self.project.write("url", url);
            }
            _ => drop(self.project.run(&["run"]).ok()),
        }
    }

    fn current(&self) -> Vec<String> {
        let filter = match self.mode {
            Mode::Scd2 => "where valid_to is null",
            _ => "",
        };
        self.project.rows(&format!("select id, word, at from t {filter} order by id"))
    }

    /// The table is what the source is, as far as a load that went well shows.
    fn check(&self, what: &str) {
        let wanted = self.server.rows(if self.mode.flags() { "where not gone" } else { "" });
        assert_eq!(self.current(), wanted, "{what}: {:?}", self.mode);
    }
}

fn follow<S: Server>(mode: Mode, seed: u64) {
    let mut history: History<S> = History::new(mode, seed);
    for round in 0..4 {
        history.may_be_late = round == 1;
        for _ in 0..10 {
            history.act();
        }
        history.happen();
        if round == 2 {
            // What nobody authorised stays outside.
            history.server.run("alter table t add column more text;");
        }
        history.load();
        history.end_late();
    }
    history.project.run(&["run"]).ok();
    history.check(&format!("seed {seed}, increments"));
    let incremental = history.current();
    history.project.run(&["audit", "verify"]).ok();
    history.project.run(&["run", "--full-refresh"]).ok();
    history.check(&format!("seed {seed}, full refresh"));
    assert_eq!(history.current(), incremental);
}

/// One seed of each mode, or many.
fn all<S: Server>(modes: &[Mode], first: u64) {
    for seed in 0..seeds(1, 12) {
        for (place, mode) in modes.iter().enumerate() {
            follow::<S>(*mode, first + seed * 100 + place as u64);
        }
    }
}

#[test]
fn histories_of_postgres_come_out_row_for_row() {
    all::<Postgres>(&[Mode::Replace, Mode::Append, Mode::Merge], 1_000);
}

#[test]
fn histories_of_postgres_come_out_row_for_row_by_keys_and_in_versions() {
    all::<Postgres>(&[Mode::MergeKeys, Mode::MergeWhole, Mode::Scd2], 1_500);
}

#[test]
fn histories_of_mariadb_come_out_row_for_row() {
    all::<MariaDb>(&[Mode::Replace, Mode::Append, Mode::Merge], 2_000);
}

#[test]
fn histories_of_mariadb_come_out_row_for_row_by_keys_and_in_versions() {
    all::<MariaDb>(&[Mode::MergeKeys, Mode::MergeWhole, Mode::Scd2], 2_500);
}
