//! Seeded histories of a source: inserts, updates, deletes, transactions that end late, ties and no values at the cursor, columns that are
//! renamed, widened, added and dropped; loads in between that are killed, meet a network that fails in each of its ways, or go well. The
//! table equals the source, row for row, and N increments equal one full refresh.

use polder_types::SeededRng;

use super::proxy::{Fault, Proxy};
use super::sources::{Adbc, Late, Mode, Rollback, Shape, Source, Wal};
use crate::harness::{Project, seeds};
use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;
use crate::works::visible;

/// Where a load is killed; those of a migration are passed after the contract changed.
const POINTS: [&str; 13] = [
    "batch-started",
    "lake.staged",
    "lake.matched",
    "quarantine-after",
    "offsets-written",
    "lake.after_intent",
    "lake.after_commit",
    "lake.before_outcome",
    "lake.after_outcome",
    "migration-before",
    "lake.migration_staged",
    "migration-after",
    "snapshot-before",
];
/// Operations on the store's disk of a small load are about so many.
const STORE_OPERATIONS: u64 = 300;
/// How long a server that says nothing any more is waited for.
const IMPATIENT: &str = "timeout: 2s\n";

struct History<S> {
    source: S,
    project: Project,
    mode: Mode,
    shape: Shape,
    rng: SeededRng,
    /// The source's clock, in seconds.
    now: u64,
    next: u64,
    late: Option<Late>,
    late_id: u64,
    may_be_late: bool,
    /// Statements that are to run.
    pending: String,
}

impl<S: Source> History<S> {
    fn new(mode: Mode, seed: u64) -> Self {
        let project = Project::new();
        let source = S::begin(&project);
        source.declare(&project, mode, "");
        source.agree(&project, mode, Shape::FIRST);
        Self {
            source,
            project,
            mode,
            shape: Shape::FIRST,
            rng: SeededRng::new(seed),
            now: 0,
            next: 1,
            late: None,
            late_id: 0,
            may_be_late: false,
            pending: String::new(),
        }
    }

    fn word(&self, begins: &str) -> String {
        let word = format!("{begins}{}", self.rng.below(5));
        // Longer than words could be at first.
        if self.shape.wide && self.rng.below(2) == 0 { word + &"-".repeat(60) } else { word }
    }

    fn insert(&mut self, moment: &str) -> String {
        let id = self.next;
        self.next += 1;
        let (word, beds) = (self.word("w"), self.rng.below(100));
        match self.shape.wide {
            false => format!("insert into t (id, word, beds, at) values ({id}, '{word}', {beds}, {moment});"),
            true => format!(
                "insert into t (id, {}, beds, at, more) values ({id}, '{word}', {}, {moment}, 'm{beds}');",
                self.shape.word,
                3_000_000_000 + beds
            ),
        }
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
                let (id, word) = (self.settled_id(), self.word("u"));
                self.pending += &format!("update t set {} = '{word}', at = {moment} where id = {id};", self.shape.word);
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
                self.late = Some(self.source.late(&sql));
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

    /// What was to happen happens, each statement by itself; where one may write at a time, not while another one does.
    fn happen(&mut self) {
        if S::ONE_WRITER && self.late.is_some() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.source.run(&pending);
        }
    }

    fn end_late(&mut self) {
        self.happen();
        if let Some(late) = self.late.take() {
            late.commit();
        }
        self.happen();
    }

    /// A load that is killed, meets a fault of the network, or goes well.
    fn load(&mut self) {
        match (self.rng.below(6), self.source.port()) {
            (0, _) => self.killed(POINTS[usize::try_from(self.rng.below(POINTS.len() as u64)).unwrap()]),
            (1, _) | (2, None) => self.killed(&format!("store#{}", 1 + self.rng.below(STORE_OPERATIONS))),
            (2 | 3, Some(port)) => self.disturbed(port),
            _ => drop(self.project.run(&["run"]).ok()),
        }
    }

    fn killed(&self, point: &str) {
        let ran = self.project.run(&["run", "--kill-at", point]);
        assert!(ran.signal == Some(9) || ran.code == Some(0), "{point}: {ran:?}");
    }

    /// No success with a row less is what the next comparison shows.
    fn disturbed(&self, port: u16) {
        let place = 2_000 + self.rng.below(30_000);
        let fault = match self.rng.below(6) {
            0 => Fault::Cut(place),
            1 => Fault::Truncate(place),
            2 => Fault::Reset(place),
            3 => Fault::Stall(place),
            4 => Fault::Flip(place),
            _ => Fault::Pieces(1 + usize::try_from(place % 1_500).unwrap()),
        };
        let proxy = Proxy::new(port, fault);
        let url = std::fs::read_to_string(self.project.dir().join("url")).unwrap();
        self.project.write("url", url.replace(&format!(":{port}/"), &format!(":{}/", proxy.port())));
        // Where a length is another one, what would have to follow never comes.
        if matches!(fault, Fault::Stall(_) | Fault::Flip(_)) {
            self.source.declare(&self.project, self.mode, IMPATIENT);
        }
        let ran = self.project.run(&["run"]);
        let may_be = match fault {
            Fault::Pieces(_) => [0, 0, 0],
            // A bit of the handshake, or of the certificate, is another one.
            Fault::Flip(_) => [0, 4, 7],
            _ => [0, 4, 4],
        };
        assert!(ran.code.is_some_and(|code| may_be.contains(&code)), "{fault:?}: {ran:?}");
        self.project.write("url", url);
        self.source.declare(&self.project, self.mode, "");
    }

    /// The source's columns change: nothing comes in until the contract follows, and then all does.
    fn change(&mut self) {
        let before = self.visible();
        let renamed = format!("alter table t rename column word to {};", Shape::LATER.word);
        // What nobody authorised comes and goes without a word.
        self.source.run(&format!("{renamed} {} alter table t drop column secret; alter table t add column more text;", S::WIDENS));
        let ran = self.project.run(&["run"]);
        assert!(ran.out.contains("no such column"), "{ran:?}");
        ran.fails(3);
        assert_eq!(self.visible(), before, "{:?}", self.mode);
        self.shape = Shape::LATER;
        self.source.agree(&self.project, self.mode, self.shape);
        if self.mode == Mode::Append {
            // Rows that come again are told by what they held: where that is something else now, nothing is added on a guess.
            let ran = self.project.run(&["run"]);
            if ran.code != Some(0) {
                assert!(ran.out.contains("the contract's columns changed since the last increment"), "{ran:?}");
                ran.fails(2);
                self.project.run(&["run", "--full-refresh"]).ok();
            }
        }
    }

    fn query(&self, shape: Shape) -> String {
        format!("select {} from t {} order by id", shape.columns(), self.mode.holding())
    }

    /// The columns that were there from the beginning; none before the first load that went well.
    fn visible(&self) -> Option<Vec<String>> {
        visible(&self.project, &self.query(Shape::FIRST))
    }

    /// The table is what the source is.
    fn check(&self, what: &str) -> Vec<String> {
        let wanted = self.source.rows(self.shape, if self.mode.flags() { "where not gone" } else { "" });
        let current = self.project.rows(&self.query(self.shape));
        assert_eq!(current, wanted, "{what}: {:?}", self.mode);
        current
    }
}

fn follow<S: Source>(mode: Mode, seed: u64) {
    let mut history: History<S> = History::new(mode, seed);
    for round in 0..4 {
        if round == 2 {
            history.change();
        }
        history.may_be_late = round == 1;
        for _ in 0..10 {
            history.act();
        }
        history.happen();
        history.load();
        history.end_late();
    }
    history.project.run(&["run"]).ok();
    let incremental = history.check(&format!("seed {seed}, increments"));
    history.project.run(&["audit", "verify"]).ok();
    history.project.run(&["run", "--full-refresh"]).ok();
    assert_eq!(history.check(&format!("seed {seed}, full refresh")), incremental);
}

const ALL: [Mode; 6] = [Mode::Replace, Mode::Append, Mode::Merge, Mode::MergeKeys, Mode::MergeWhole, Mode::Scd2];

/// One seed of some modes, by their places; or many, of which each takes the next modes.
fn all<S: Source>(modes: std::ops::Range<usize>, first: u64) {
    for seed in 0..seeds(1, 12) {
        for place in modes.clone() {
            let mode = ALL[(place + seed as usize) % ALL.len()];
            follow::<S>(mode, first + seed * 100 + place as u64);
        }
    }
}

#[test]
fn histories_of_postgres_come_out_row_for_row_replaced_and_appended() {
    all::<Postgres>(0..2, 1_000);
}

#[test]
fn histories_of_postgres_come_out_row_for_row_merged() {
    all::<Postgres>(2..4, 1_000);
}

#[test]
fn histories_of_postgres_come_out_row_for_row_merged_whole_and_in_versions() {
    all::<Postgres>(4..6, 1_000);
}

#[test]
fn histories_of_mariadb_come_out_row_for_row_replaced_and_appended() {
    all::<MariaDb>(0..2, 3_000);
}

#[test]
fn histories_of_mariadb_come_out_row_for_row_merged() {
    all::<MariaDb>(2..4, 3_000);
}

#[test]
fn histories_of_mariadb_come_out_row_for_row_merged_whole_and_in_versions() {
    all::<MariaDb>(4..6, 3_000);
}

#[test]
fn histories_of_sqlite_with_a_log_come_out_row_for_row() {
    all::<Wal>(1..4, 5_000);
}

#[test]
fn histories_of_sqlite_with_a_log_come_out_row_for_row_replaced_merged_whole_and_in_versions() {
    all::<Wal>(4..7, 5_000);
}

#[test]
fn histories_of_sqlite_with_a_journal_come_out_row_for_row() {
    all::<Rollback>(0..3, 7_000);
}

#[test]
fn histories_of_sqlite_with_a_journal_come_out_row_for_row_by_keys_and_in_versions() {
    all::<Rollback>(3..6, 7_000);
}

#[test]
fn histories_through_an_adbc_driver_come_out_row_for_row() {
    all::<Adbc>(0..3, 9_000);
}

#[test]
fn histories_through_an_adbc_driver_come_out_row_for_row_by_keys_and_in_versions() {
    all::<Adbc>(3..6, 9_000);
}

/// More rows have one value of the cursor than one batch holds, and more come with it, and one goes.
fn ties<S: Source>(mode: Mode) {
    let project = Project::new();
    let source = S::begin(&project);
    source.declare(&project, mode, "");
    source.agree(&project, mode, Shape::FIRST);
    let same = |what: &str| {
        let wanted = source.rows(Shape::FIRST, if mode.flags() { "where not gone" } else { "" });
        let ours = project.rows(&format!("select {} from t {} order by id", Shape::FIRST.columns(), mode.holding()));
        assert!(ours == wanted, "{what}, {mode:?}: {} rows, {} at the source", ours.len(), wanted.len());
    };
    source.run(&S::series(1, 10, 1));
    source.run(&S::series(11, 10_000, 2));
    project.run(&["run"]).ok();
    same("the first increment");
    source.run(&S::series(10_001, 10_007, 2));
    match mode {
        Mode::Append => {}
        Mode::MergeKeys => source.run("delete from t where id in (5, 9999);"),
        _ => source.run(&format!("update t set gone = true, at = {} where id in (5, 9999);", S::moment(2))),
    }
    let report = project.batch(&["run"]);
    same("what came with the last value");
    if mode == Mode::Append {
        assert_eq!(report["counts"]["loaded"], serde_json::json!(7), "{report}");
    }
    source.run(&S::series(10_008, 10_009, 3));
    project.run(&["run"]).ok();
    same("what came after it");
}

#[test]
fn more_rows_than_a_batch_holds_may_have_one_value_of_the_cursor() {
    ties::<Postgres>(Mode::Append);
    ties::<Wal>(Mode::MergeKeys);
    ties::<Rollback>(Mode::Scd2);
    ties::<Adbc>(Mode::Merge);
}
