//! No success with a missing row, in any mode: whatever loses or doubles rows on their way, wherever that is, the load ends without success,
//! the table is what it was, its source is remembered as far as it was read before, and the next load brings all.

use polder_types::SeededRng;

use super::meddler::{Meddler, Meddles, Protocol};
use super::sources::{Adbc, Mode, Rollback, Shape, Source, Wal};
use super::{Column, column, contract, key};
use crate::harness::{Project, seeds};
use crate::servers::certificates::Tls;
use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;

/// More than a batch holds: a part of the rows can be lost.
const ROWS: u64 = 9_000;
/// Operations on the store's disk of such a load are about so many.
const STORE_OPERATIONS: u64 = 400;

/// Rows of which each load has some to bring.
trait Rows {
    /// Whether rows are counted beside the decoder.
    const COUNTS: bool;
    /// A source with [`ROWS`] rows, its contract approved.
    fn begin(project: &Project, mode: Mode) -> Self;
    /// All rows are other ones, or as many are new where the source only grows.
    fn change(&self, project: &Project, mode: Mode);
}

struct Database<S>(S);

impl<S: Source> Rows for Database<S> {
    const COUNTS: bool = S::COUNTS;

    fn begin(project: &Project, mode: Mode) -> Self {
        let source = S::begin(project);
        source.declare(project, mode, "");
        source.agree(project, mode, Shape::FIRST);
        source.run(&S::series(1, ROWS, 1));
        Self(source)
    }

    fn change(&self, _: &Project, mode: Mode) {
        self.0.run(&match mode {
            Mode::Append => S::series(ROWS + 1, 2 * ROWS, 2),
            _ => format!("update t set word = 'v', at = {};", S::moment(2)),
        });
    }
}

/// Deliveries of CSV.
struct Files;

impl Files {
    fn deliver(project: &Project, name: &str, rows: impl Iterator<Item = u64>, word: impl Fn(u64) -> String) {
        let rows = rows.map(|id| format!("{id},{},{id},2037-01-01T00:00:01Z,false,planted\n", word(id)));
        project.write(&format!("data/{name}.csv"), format!("id,word,beds,at,gone,secret\n{}", rows.collect::<String>()));
    }
}

impl Rows for Files {
    const COUNTS: bool = true;

    fn begin(project: &Project, mode: Mode) -> Self {
        Self::deliver(project, "t-1", 1..=ROWS, |id| format!("w{}", id % 9));
        project.write("sources/his.yaml", "type: csv\npath: data\ndatasets:\n  t: {file: 't-*.csv'}\n");
        let columns = [
            key("id", "logicalType: integer"),
            column("word", "logicalType: string"),
            column("beds", "logicalType: integer"),
            column("at", "logicalType: timestamp"),
            column("gone", "logicalType: boolean"),
        ];
        let settings = mode.settings("{flag: gone}");
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        project.contract("t", &contract("t", "his", "t", &columns, &settings));
        Self
    }

    fn change(&self, project: &Project, mode: Mode) {
        match mode {
            Mode::Append => Self::deliver(project, "t-2", ROWS + 1..=2 * ROWS, |id| format!("w{}", id % 9)),
            _ => Self::deliver(project, "t-1", 1..=ROWS, |_| "v".to_owned()),
        }
    }
}

/// What the table holds, how many rows it keeps in all, and how far its source was read.
fn seen(project: &Project, mode: Mode) -> (Vec<String>, Vec<String>, serde_json::Value) {
    let holding = project.rows(&format!("select count(*), count(distinct id), sum(id), min(word), max(word) from t {}", mode.holding()));
    let all = if mode == Mode::Scd2 { project.rows("select count(*) from t") } else { Vec::new() };
    (holding, all, project.json(&["state", "show", "t"]))
}

fn lost<R: Rows>(modes: &[Mode]) {
    let mut places = vec!["gate", "writer"];
    if R::COUNTS {
        places.push("reader");
    }
    for (number, mode) in modes.iter().copied().enumerate() {
        let project = Project::new();
        let rows = R::begin(&project, mode);
        project.run(&["run"]).ok();
        let before = seen(&project, mode);
        assert_eq!(before.0, [format!("{ROWS},{ROWS},{},w0,w8", ROWS * (ROWS + 1) / 2)], "{mode:?}");
        rows.change(&project, mode);
        let keys = (R::COUNTS && mode.reads_keys()).then_some("keys");
        for place in places.iter().copied().chain(keys) {
            // The second batch, and the first too in the night.
            for batch in (0..2).rev().take(seeds(1, 2) as usize) {
                let ran = project.run(&["run", "--drop-batch", &format!("{place}:{batch}")]);
                assert!(!ran.out.contains("committed, version"), "{mode:?}, {place}: {ran:?}");
                ran.fails(3);
                assert_eq!(seen(&project, mode), before, "{mode:?}, {place}");
            }
        }
        // The control, and the table as it should be.
        let after = match mode {
            Mode::Append => [format!("{},{},{},w0,w8", 2 * ROWS, 2 * ROWS, ROWS * (2 * ROWS + 1))],
            _ => [format!("{ROWS},{ROWS},{},v,v", ROWS * (ROWS + 1) / 2)],
        };
        let rng = SeededRng::new(number as u64);
        for _ in 0..seeds(1, 10) {
            store_fails(&project, mode, &rng, &before.0, &after);
        }
        project.run(&["run"]).ok();
        assert_eq!(seen(&project, mode).0, after, "{mode:?}");
        project.run(&["audit", "verify"]).ok();
    }
}

/// An operation on the store's disk fails: the load fails and leaves what was, or all that is new; or it had no need of what failed.
#[track_caller]
fn store_fails(project: &Project, mode: Mode, rng: &SeededRng, before: &[String], after: &[String]) {
    let point = format!("store#{}:fail", 1 + rng.below(STORE_OPERATIONS));
    let ran = project.run(&["run", "--kill-at", &point]);
    let holds = seen(project, mode).0;
    match ran.code {
        Some(0) => assert_eq!(holds, after, "{mode:?}, {point}: {ran:?}"),
        Some(_) => assert!(holds == before || holds == after, "{mode:?}, {point}: {holds:?}, {ran:?}"),
        None => panic!("{point}: {ran:?}"),
    }
}

const PLAIN: [Mode; 3] = [Mode::Append, Mode::Replace, Mode::Merge];
const BY_KEYS: [Mode; 3] = [Mode::MergeKeys, Mode::MergeWhole, Mode::Scd2];

#[test]
fn rows_of_files_that_are_lost_fail_the_load() {
    lost::<Files>(&PLAIN);
}

#[test]
fn rows_of_files_that_are_lost_fail_the_load_by_keys_and_in_versions() {
    // Files have no cursor.
    lost::<Files>(&[Mode::MergeKeys, Mode::Scd2]);
}

#[test]
fn rows_of_sqlite_that_are_lost_fail_the_load() {
    lost::<Database<Wal>>(&PLAIN);
}

#[test]
fn rows_of_sqlite_that_are_lost_fail_the_load_by_keys_and_in_versions() {
    lost::<Database<Rollback>>(&BY_KEYS);
}

#[test]
fn rows_of_postgres_that_are_lost_fail_the_load() {
    lost::<Database<Postgres>>(&PLAIN);
}

#[test]
fn rows_of_postgres_that_are_lost_fail_the_load_by_keys_and_in_versions() {
    lost::<Database<Postgres>>(&BY_KEYS);
}

#[test]
fn rows_of_mariadb_that_are_lost_fail_the_load() {
    lost::<Database<MariaDb>>(&PLAIN);
}

#[test]
fn rows_of_mariadb_that_are_lost_fail_the_load_by_keys_and_in_versions() {
    lost::<Database<MariaDb>>(&BY_KEYS);
}

#[test]
fn rows_through_an_adbc_driver_that_are_lost_fail_the_load() {
    lost::<Database<Adbc>>(&[Mode::Append, Mode::Merge, Mode::MergeWhole]);
}

/// The second count is SQLite's own, over its smallest index: where that is not the table's any more, nobody knows which of the two is right.
#[test]
fn an_index_of_sqlite_that_counts_otherwise_fails_the_load() {
    for mode in [Mode::Replace, Mode::MergeKeys, Mode::MergeWhole] {
        let project = Project::new();
        let rows: Database<Rollback> = Rows::begin(&project, mode);
        project.run(&["run"]).ok();
        let before = seen(&project, mode);
        rows.change(&project, mode);
        // It does not know the last row, as of a database that was damaged.
        let partial = format!("create index i on t (beds) where beds < {ROWS}");
        let says = |sql: &str| format!("pragma writable_schema = on; update sqlite_schema set sql = '{sql}' where name = 'i';");
        rows.0.run(&format!("create index i on t (beds); {}", says(&partial)));
        rows.0.run(&format!("reindex i; {}", says("create index i on t (beds)")));
        let ran = project.run(&["run"]);
        assert!(ran.out.contains(&(ROWS - 1).to_string()) && !ran.out.contains("committed, version"), "{mode:?}: {ran:?}");
        ran.fails(3);
        assert_eq!(seen(&project, mode), before, "{mode:?}");
        rows.0.run("reindex i;");
        project.run(&["run"]).ok();
        assert_eq!(project.rows("select count(*), min(word), max(word) from t"), [format!("{ROWS},v,v")], "{mode:?}");
    }
}

/// A row of this key vanishes on its way from the server. Numbers of messages of MySQL have one byte, so there are few rows.
const MARKED: &[u8] = b"k-0123";
const FEW: u32 = 200;

const KEYED: [Column; 4] = [
    key("id", "logicalType: string"),
    column("word", "logicalType: string"),
    column("at", "logicalType: timestamp"),
    column("gone", "logicalType: boolean"),
];

/// A server without TLS, whose rows somebody meddles with.
struct Plain<'a> {
    protocol: Protocol,
    of_type: &'a str,
    url: String,
    port: u16,
    dataset: &'a str,
    run: &'a dyn Fn(&str),
    /// Makes rows of a moment in the year 2037, whose words begin so.
    rows: &'a dyn Fn(&str, u32, u32, u32) -> String,
}

/// What the server counted and what came are not alike: one row less, one twice, or one key less.
fn meddled(server: &Plain<'_>) {
    for mode in [Mode::Append, Mode::Replace, Mode::Merge, Mode::MergeKeys, Mode::MergeWhole, Mode::Scd2] {
        (server.run)("drop table if exists t;");
        (server.run)(
            "create table t (id varchar(10) primary key, word varchar(20), at timestamp null, gone boolean not null default false);",
        );
        let project = Project::new();
        let cursor = format!("datasets:\n  {}: {{cursor: at}}\n", server.dataset);
        project.write(
            "sources/his.yaml",
            format!(
                "type: {}\nurl: file:url\nplain_loopback: true\ntables: ['{}']\n{}",
                server.of_type,
                server.dataset,
                if mode.has_cursor() { &cursor } else { "" }
            ),
        );
        let settings = mode.settings("{flag: gone}");
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        // What a wall clock showed is alike in both.
        let at = if server.protocol == Protocol::Postgres {
            "logicalType: timestamp, logicalTypeOptions: {timezone: false}"
        } else {
            KEYED[2].ty
        };
        let [id, word, _, gone] = KEYED;
        project.contract("t", &contract("t", "his", server.dataset, &[id, word, column("at", at), gone], &settings));
        project.write("url", &server.url);
        // The marked key is none of the first rows: before these other things stand.
        (server.run)(&(server.rows)("w", 1, if mode == Mode::Append { 100 } else { FEW }, 1));
        project.run(&["run"]).ok();
        let before = seen_few(&project, mode);
        (server.run)(&match mode {
            Mode::Append => (server.rows)("v", 101, FEW, 2),
            _ => "update t set word = 'v', at = '2037-01-01 00:00:02';".to_owned(),
        });
        let keys = mode.reads_keys().then_some((2, Meddles::Never));
        for (nth, meddles) in [(1, Meddles::Never), (1, Meddles::Twice)].into_iter().chain(keys) {
            let meddler = Meddler::before(server.port, server.protocol, MARKED, nth, meddles);
            project.write("url", server.url.replace(&format!(":{}/", server.port), &format!(":{}/", meddler.port)));
            let ran = project.run(&["run"]);
            assert!(meddler.met() >= nth && !ran.out.contains("committed, version"), "{mode:?}, {nth}, {meddles:?}: {ran:?}");
            ran.fails(3);
            assert_eq!(seen_few(&project, mode), before, "{mode:?}, {nth}, {meddles:?}");
        }
        // The control: one that looks and lets all pass.
        let meddler = Meddler::before(server.port, server.protocol, MARKED, usize::MAX, Meddles::Never);
        project.write("url", server.url.replace(&format!(":{}/", server.port), &format!(":{}/", meddler.port)));
        project.run(&["run"]).ok();
        assert!(meddler.met() > 0);
        let holding = project.rows(&format!("select count(*), count(*) filter (where word = 'v') from t {}", mode.holding()));
        // Those that were added have other words.
        let updated = if mode == Mode::Append { 0 } else { FEW };
        assert_eq!(holding, [format!("{FEW},{updated}")], "{mode:?}");
    }
}

fn seen_few(project: &Project, mode: Mode) -> Vec<String> {
    project.rows(&format!("select id, word, at from t {} order by id", mode.holding()))
}

#[test]
fn a_row_that_vanishes_between_postgres_and_us_is_missed_in_every_mode() {
    let server = Postgres::with(Tls::Off, &[]);
    meddled(&Plain {
        protocol: Protocol::Postgres,
        of_type: "postgres",
        url: server.url(),
        port: server.port(),
        dataset: "public.t",
        run: &|sql| drop(server.psql(sql)),
        rows: &|word, from, to, at| {
            format!(
                "insert into t (id, word, at) select 'k-' || lpad(i::text, 4, '0'), '{word}' || i % 9, timestamp '2037-01-01 00:00:0{at}' \
                 from generate_series({from}, {to}) i;"
            )
        },
    });
}

#[test]
fn a_row_that_vanishes_between_mariadb_and_us_is_missed_in_every_mode() {
    let server = MariaDb::with(Tls::Off, &[]);
    server.sql("grant process on *.* to polder@'%';");
    meddled(&Plain {
        protocol: Protocol::Mysql,
        of_type: "mysql",
        url: server.url(),
        port: server.port(),
        dataset: "t",
        run: &|sql| drop(server.sql(&format!("set time_zone = '+00:00'; {sql}"))),
        rows: &|word, from, to, at| {
            format!(
                "insert into t (id, word, at) select concat('k-', lpad(seq, 4, '0')), concat('{word}', seq % 9), '2037-01-01 00:00:0{at}' \
                 from seq_{from}_to_{to};"
            )
        },
    });
}
