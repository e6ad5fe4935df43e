//! Merges: 1% of changes, deletes among them, into a table that is there. Beside Polder stands DuckDB, in the two ways in which its users
//! write this, on a plain table of a database file. Each round begins with the same table: a copy of what was loaded once.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::goals::Goal;
use super::jobs::{Bench, Polder, step};
use super::kept::Kept;
use super::measure::{Contender, Job, Step};
use super::tpch::{PEERS, Tpch, mark};
use crate::process::announce;

/// The jobs that take longest by far.
pub const LARGE: [&str; 2] = [ORDERED, SCATTERED];
const ORDERED: &str = "Merge 1%, integer key";
const SCATTERED: &str = "Merge 1%, scattered integer key";
const COMPOSITE: &str = "Merge 1%, composite key";
const FIRST: &str = "Load to merge, composite key";

const DELETE_INSERT: &str = "duckdb, DELETE and INSERT";
const MERGE_INTO: &str = "duckdb, MERGE INTO";
const POLDER: &str = "polder";

/// The quicker of DuckDB's ways is the one to be compared with.
const LARGE_GOALS: [Goal; 5] = [
    Goal::WallRatio { of: POLDER, to: DELETE_INSERT, most: 2.0, aim: None },
    Goal::PeakMegabytes { of: POLDER, most: 1000 },
    Goal::Right { of: POLDER },
    Goal::Right { of: DELETE_INSERT },
    Goal::Right { of: MERGE_INTO },
];
const COMPOSITE_GOALS: [Goal; 4] = [
    Goal::PeakMegabytes { of: POLDER, most: 450 },
    Goal::Right { of: POLDER },
    Goal::Right { of: DELETE_INSERT },
    Goal::Right { of: MERGE_INTO },
];
const FIRST_GOALS: [Goal; 2] = [Goal::PeakMegabytes { of: POLDER, most: 450 }, Goal::Right { of: POLDER }];

/// Millions of rows of the large table, at scale factors from 1.
const MILLIONS: f64 = 60.0;

/// What decides how a table lies in its folder: when it changes, the table is made anew.
const MADE_BY: [&str; 5] = ["merge_data.py", "merge_tables.py", "merge_duckdb.py", "merge_project.py", "../../crates/lake/src/encode.rs"];

/// The jobs that are wanted. What they begin with is made when it is not there yet, which for the large one takes minutes.
pub fn jobs(bench: &Bench, wanted: impl Fn(&str) -> bool) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for (name, table, key) in [
        (ORDERED, "readings", "an integer key, in the key's order"),
        (SCATTERED, "scattered", "an integer key of 62 bits, in no order of the keys"),
    ] {
        if !wanted(name) {
            continue;
        }
        let millions = MILLIONS * bench.factor.min(1.0);
        let table = Table::prepare(table, &format!("{:.0}", millions * 1e6), &bench.work, &bench.tpch)?;
        jobs.push(merge(bench, &table, name, &format!("{millions} million rows of eight columns with {key},"), &LARGE_GOALS)?);
    }
    if wanted(COMPOSITE) || wanted(FIRST) {
        let (tpch, factor) = bench.small.as_ref().map_or((&bench.tpch, bench.factor), |small| (small, 1.0));
        let table = Table::prepare("lineitem", &tpch.parquet.join("lineitem.parquet").display().to_string(), &bench.work, tpch)?;
        let rows = format!("`lineitem` (scale factor {factor}) with its key of two columns");
        if wanted(FIRST) {
            jobs.push(first(bench, &table, &rows));
        }
        if wanted(COMPOSITE) {
            jobs.push(merge(bench, &table, COMPOSITE, &rows, &COMPOSITE_GOALS)?);
        }
    }
    Ok(jobs)
}

fn merge(bench: &Bench, table: &Table<'_>, name: &'static str, rows: &str, goals: &[Goal]) -> Result<Job> {
    let mut contenders = vec![table.duckdb(DELETE_INSERT, "delete-insert"), table.duckdb(MERGE_INTO, "merge-into")];
    if let Some(polder) = &bench.polder {
        table.load_once(polder)?;
        contenders.push(table.merge(polder));
    }
    Ok(Job {
        name,
        what: format!(
            "Into {rows} goes a Parquet file of 1% as many, in no order: of ten rows seven are updates all over the table, two have new keys, one is deleted by a flag. DuckDB: a plain table without an index in a database file, one transaction and a checkpoint. Polder: a contract that merges, into a sealed table. After each round sums over the table's columns are compared with those computed without a merge."
        ),
        rounds_min: 0,
        contenders,
        goals: bench.goals(goals),
        missing: bench.missing(),
    })
}

fn first(bench: &Bench, table: &Table<'_>, rows: &str) -> Job {
    Job {
        name: FIRST,
        what: format!("The first load of {rows} under the contract that merges, from a Parquet file into a new project."),
        rounds_min: 0,
        contenders: bench.polder.iter().map(|polder| table.first(polder)).collect(),
        goals: bench.goals(&FIRST_GOALS),
        missing: bench.missing(),
    }
}

/// A table with its changes, and the folder in which all contenders have it.
struct Table<'a> {
    name: &'static str,
    folder: PathBuf,
    tpch: &'a Tpch,
}

impl<'a> Table<'a> {
    /// Makes the data and DuckDB's table when they are not there. `of` is what the script of the data is told.
    fn prepare(name: &'static str, of: &str, work: &Path, tpch: &'a Tpch) -> Result<Self> {
        let prefix = format!("merge-{name}-");
        let wanted = format!("{prefix}{}", fingerprint(name, of, tpch)?);
        let table = Self { name, folder: work.join(&wanted), tpch };
        // What was made otherwise is of no use any more, and large.
        for entry in std::fs::read_dir(work).with_context(|| format!("look into {}", work.display()))? {
            let entry = entry.with_context(|| format!("look into {}", work.display()))?;
            let found = entry.file_name().to_string_lossy().into_owned();
            if found.starts_with(&prefix) && found != wanted {
                std::fs::remove_dir_all(entry.path()).with_context(|| format!("remove {}", entry.path().display()))?;
            }
        }
        std::fs::create_dir_all(&table.folder).with_context(|| format!("create {}", table.folder.display()))?;
        table.once("data", &[table.script("merge_data.py", &[of])])?;
        table.once("duckdb", &[table.remove(&["base.duckdb", "base.duckdb.wal"]), table.script("merge_duckdb.py", &["base"])])?;
        Ok(table)
    }

    /// Polder's table, from which each round begins.
    fn load_once(&self, polder: &Polder) -> Result<()> {
        let mut steps = self.empty(polder, "base");
        steps.push(run(polder, &self.folder.join("base")));
        self.once("base", &steps).with_context(|| format!("load the table from which rounds begin, into {}", self.folder.display()))
    }

    /// Does what is marked when it is done, so that what was cut off is done again.
    fn once(&self, what: &str, steps: &[Step]) -> Result<()> {
        let done = self.folder.join(format!("{what}.done"));
        if done.is_file() {
            return Ok(());
        }
        steps.iter().try_for_each(|made| announce(&mut made()))?;
        mark(&done)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn remove(&self, names: &[&str]) -> Step {
        step("rm".into(), ["-rf".to_owned()].into_iter().chain(names.iter().map(|name| self.path(name))).collect())
    }

    /// A script with the table and its folder behind what else it is told.
    fn script(&self, script: &str, words: &[&str]) -> Step {
        // The scripts import one of them, and nothing is to be left in the clone.
        let mut arguments = vec!["-B".to_owned(), self.tpch.scripts.join(script).display().to_string()];
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        arguments.extend([self.name.to_owned(), self.folder.display().to_string()]);
        step(self.tpch.python.clone(), arguments)
    }

    /// A new project with the base as its source and an approved contract: everything before `run`.
    fn empty(&self, polder: &Polder, project: &str) -> Vec<Step> {
        let keys = format!("{project}.keys");
        let at = self.path(project);
        let key = self.folder.join(&keys).join("root.key").display().to_string();
        let program = |arguments: &[&str]| step(polder.program.clone(), arguments.iter().map(|word| (*word).to_owned()).collect());
        vec![
            self.remove(&[project, &keys]),
            program(&["init", &at, "--key-file", &key]),
            self.script("merge_project.py", &["fill", &at]),
            program(&["contract", "approve", self.name, "--yes", "--project", &at]),
        ]
    }

    fn kept(&self, rows: &str) -> Option<Kept> {
        Some(Kept { rows: self.folder.join(rows), said: self.folder.join("said") })
    }

    fn check(&self, polder: &Polder, project: &str, expected: &str) -> Step {
        let program = polder.program.display().to_string();
        self.script("merge_project.py", &["check", &program, &self.path(project), expected])
    }

    fn duckdb(&self, name: &'static str, way: &str) -> Contender {
        Contender {
            name,
            leaves: vec![self.folder.join("round.duckdb"), self.folder.join("round.duckdb.wal")],
            before: vec![self.script("merge_duckdb.py", &["copy"])],
            measured: self.script("merge_duckdb.py", &[way]),
            after: vec![self.script("merge_duckdb.py", &["check"])],
            kept: self.kept("round.duckdb"),
        }
    }

    fn merge(&self, polder: &Polder) -> Contender {
        let round = self.folder.join("round");
        Contender {
            name: POLDER,
            before: vec![self.script("merge_project.py", &["copy", &self.path("base"), &self.path("round")])],
            measured: run(polder, &round),
            leaves: vec![round],
            after: vec![self.check(polder, "round", "merged")],
            kept: self.kept("round/store/tables"),
        }
    }

    fn first(&self, polder: &Polder) -> Contender {
        let first = self.folder.join("first");
        Contender {
            name: POLDER,
            before: self.empty(polder, "first"),
            measured: run(polder, &first),
            leaves: vec![first],
            after: vec![self.check(polder, "first", "base")],
            kept: self.kept("first/store/tables"),
        }
    }
}

fn run(polder: &Polder, project: &Path) -> Step {
    step(polder.program.clone(), ["run", "--project", &project.display().to_string(), "--output", "json"].map(str::to_owned).to_vec())
}

/// 16 hexadecimal digits for all that decides how the table lies in its folder.
fn fingerprint(table: &str, of: &str, tpch: &Tpch) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    (of, PEERS).hash(&mut hasher);
    let contract = format!("contracts/{}.odcs.yaml", if table == "scattered" { "readings" } else { table });
    for file in MADE_BY.into_iter().chain([contract.as_str()]) {
        let path = tpch.scripts.join(file);
        std::fs::read(&path).with_context(|| format!("read {}", path.display()))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    fn tpch() -> Tpch {
        let scripts = workspace::root().join("xtask/peers");
        let [csv, parquet, queries, answers] = ["csv", "parquet", "queries", "answers"].map(PathBuf::from);
        Tpch { python: "python3".into(), csv, parquet, queries, answers, scripts }
    }

    #[test]
    fn a_table_is_another_when_anything_differs_that_it_is_made_of() {
        let [readings, fewer, lineitem] =
            [("readings", "600"), ("readings", "500"), ("lineitem", "600")].map(|(table, of)| fingerprint(table, of, &tpch()).unwrap());
        assert_eq!(readings.len(), 16);
        assert_eq!(readings, fingerprint("readings", "600", &tpch()).unwrap());
        assert!(readings != fewer && readings != lineitem && fewer != lineitem);
        assert!(fingerprint("nothing", "600", &tpch()).is_err());
    }

    #[test]
    fn what_was_made_otherwise_goes_and_what_is_done_is_not_done_again() {
        let work = tempfile::tempdir().unwrap();
        let tpch = tpch();
        let folder = work.path().join(format!("merge-readings-{}", fingerprint("readings", "600", &tpch).unwrap()));
        let [old, other] = ["merge-readings-0", "merge-lineitem-0"].map(|name| work.path().join(name));
        for folder in [&folder, &old, &other] {
            std::fs::create_dir(folder).unwrap();
        }
        for done in ["data", "duckdb"] {
            std::fs::write(folder.join(format!("{done}.done")), "").unwrap();
        }
        // No step is run: there is no DuckDB in the Python of this test.
        let table = Table::prepare("readings", "600", work.path(), &tpch).unwrap();
        assert_eq!((table.folder.clone(), old.exists(), other.exists()), (folder, false, true));
        let fails: [Step; 1] = [step("false".into(), vec![])];
        assert!(table.once("more", &fails).is_err());
        assert!(table.once("more", &fails).is_err());
        table.once("more", &[step("true".into(), vec![])]).unwrap();
        table.once("more", &fails).unwrap();
    }
}
