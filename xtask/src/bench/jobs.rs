//! The jobs. Polder's side is the release program itself for loading, and the example `bench` of `app` for what the program must
//! not offer: a store without sealing, a load without content inspection, and many queries in one process. The example is called as
//!
//! ```text
//! bench load  --store sealed|plain [--uninspected] --csv FILE --contract FILE --into DIR
//! bench tpch  --project DIR --queries DIR --answers DIR [--reader]
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::goals::Goal;
use super::measure::{Contender, Job, Step};
use super::tpch::{self, Tpch};
use crate::process::{announce, command};
use crate::workspace;

const TABLES: [&str; 8] = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];

const POLARS: &str = "polars, dates left as text";
const DATAFUSION: &str = "datafusion, plain Parquet";
const POLDER: &str = "polder";
const POLDER_SMALL: &str = "polder, scale factor 1";
const POLDER_QUERIES: &str = "polder, sealed tables";
const POLDER_READER: &str = "polder, row filters and masks";
const PLAIN: &str = "plain store";
const SEALED: &str = "sealed store";
const INSPECTED: &str = "with content inspection";
const UNINSPECTED: &str = "without";

// From scale factor 1: what is smaller measures how programs start.
const LOAD_GOALS: [Goal; 2] =
    [Goal::CpuRatio { of: POLDER, to: POLARS, most: 1.4, aim: Some(1.0) }, Goal::PeakMegabytes { of: POLDER, most: 450 }];
const MEMORY_GOALS: [Goal; 1] = [Goal::PeakRatio { of: POLDER, to: POLDER_SMALL, most: 1.25 }];
const SEALED_GOALS: [Goal; 1] = [Goal::CpuRatio { of: SEALED, to: PLAIN, most: 1.03, aim: None }];
const INSPECTED_GOALS: [Goal; 1] = [Goal::CpuRatio { of: INSPECTED, to: UNINSPECTED, most: 1.15, aim: None }];
const QUERY_GOALS: [Goal; 5] = [
    Goal::CpuRatio { of: POLDER_QUERIES, to: DATAFUSION, most: 1.1, aim: None },
    Goal::CpuRatio { of: POLDER_READER, to: POLDER_QUERIES, most: 1.1, aim: None },
    Goal::Right { of: POLDER_QUERIES },
    Goal::Right { of: POLDER_READER },
    Goal::Right { of: DATAFUSION },
];
/// Sealing costs less than a machine varies by from round to round.
const SEALED_ROUNDS_MIN: usize = 21;

/// What jobs need.
pub struct Bench {
    pub(super) tpch: Tpch,
    /// The same at scale factor 1, when that is smaller.
    pub(super) small: Option<Tpch>,
    pub(super) factor: f64,
    pub(super) work: PathBuf,
    pub(super) polder: Option<Polder>,
    missing: Option<String>,
}

#[derive(Clone)]
pub(super) struct Polder {
    pub(super) program: PathBuf,
    example: PathBuf,
}

/// The program and the example, built for release: together, since what each alone makes of features would build DataFusion twice.
pub fn build() -> Result<()> {
    let what = ["--bin", "polder", "--example", "bench"];
    announce(command("cargo").current_dir(workspace::root()).args(["build", "--release", "--locked"]).args(what))
}

/// Data, peers, and Polder built for release.
pub fn prepare(work: &Path, scale: &str, peers_only: bool) -> Result<Bench> {
    let tpch = tpch::prepare(work, scale)?;
    let factor: f64 = scale.parse().context("read the scale factor")?;
    let small = if factor > 1.0 && !peers_only { Some(tpch::prepare(work, "1")?) } else { None };
    let work = work.join(format!("sf{scale}"));
    if peers_only {
        return Ok(Bench { tpch, small, factor, work, polder: None, missing: Some("Polder, since only the peers were asked for".into()) });
    }
    build()?;
    let target = workspace::metadata()?.target_directory.into_std_path_buf().join("release");
    let polder = Polder { program: target.join("polder"), example: target.join("examples/bench") };
    Ok(Bench { tpch, small, factor, work, polder: Some(polder), missing: None })
}

/// Every job, with those contenders that are there.
pub fn all(bench: &Bench) -> Result<Vec<Job>> {
    let mut jobs = vec![load(bench)?];
    jobs.extend(memory(bench)?);
    jobs.extend([sealed(bench), inspected(bench), queries(bench)?]);
    Ok(jobs)
}

impl Bench {
    /// TPC-H's data, and Polder's programs where they are measured.
    pub(super) fn parts(&self) -> (&Tpch, Option<&Polder>) {
        (&self.tpch, self.polder.as_ref())
    }

    /// None where the scale factor is too small for goals.
    pub(super) fn goals(&self, goals: &[Goal]) -> Vec<Goal> {
        if self.factor >= 1.0 { goals.to_vec() } else { Vec::new() }
    }

    pub(super) fn missing(&self) -> Vec<String> {
        self.missing.iter().cloned().collect()
    }
}

/// A step that makes the same command each time.
pub(super) fn step(program: PathBuf, arguments: Vec<String>) -> Step {
    Box::new(move || {
        let mut command: Command = command(&program);
        command.args(&arguments);
        command
    })
}

fn script(tpch: &Tpch, name: &str, arguments: &[&Path]) -> Step {
    let mut all = vec![tpch.scripts.join(name).display().to_string()];
    all.extend(arguments.iter().map(|path| path.display().to_string()));
    step(tpch.python.clone(), all)
}

/// A project with TPC-H's contracts, approved and empty: everything before `run`.
pub(super) fn project(tpch: &Tpch, polder: &Polder, folder: &Path, tables: &[&str]) -> Vec<Step> {
    let at = folder.display().to_string();
    // Keys of its own: the loads' are made anew each round.
    let keys = folder.with_extension("keys");
    let key = keys.join("root.key").display().to_string();
    let program = |arguments: &[&str]| step(polder.program.clone(), arguments.iter().map(|word| (*word).to_owned()).collect());
    let mut copy = vec![tpch.scripts.join("project.py").display().to_string(), at.clone(), tpch.csv.display().to_string()];
    copy.extend(tables.iter().map(|table| (*table).to_owned()));
    let mut steps = vec![
        step("rm".into(), vec!["-rf".into(), keys.display().to_string(), at.clone()]),
        program(&["init", &at, "--key-file", &key]),
        step(tpch.python.clone(), copy),
    ];
    steps.extend(tables.iter().map(|table| program(&["contract", "approve", table, "--yes", "--project", &at])));
    steps
}

/// The program loads `lineitem` into a new project.
fn loads(name: &'static str, tpch: &Tpch, polder: &Polder, folder: PathBuf) -> Contender {
    let at = folder.display().to_string();
    Contender {
        name,
        before: project(tpch, polder, &folder, &["lineitem"]),
        leaves: vec![folder],
        measured: step(polder.program.clone(), ["run", "--project", &at, "--output", "json"].map(str::to_owned).to_vec()),
        after: vec![],
        kept: None,
    }
}

fn load(bench: &Bench) -> Result<Job> {
    let csv = bench.tpch.csv.join("lineitem.csv");
    let size = std::fs::metadata(&csv).with_context(|| format!("look at {}", csv.display()))?.len();
    let out = bench.work.join("polars.parquet");
    let polars = |name, more: &[&Path]| Contender {
        name,
        leaves: vec![out.clone()],
        before: vec![],
        measured: script(&bench.tpch, "polars_load.py", &[&[csv.as_path(), out.as_path()], more].concat()),
        after: vec![],
        kept: None,
    };
    let mut contenders = vec![polars(POLARS, &[]), polars("polars, dates parsed", &[Path::new("dates")])];
    contenders.extend(bench.polder.as_ref().map(|polder| loads(POLDER, &bench.tpch, polder, bench.work.join("load"))));
    Ok(Job {
        name: "Load lineitem",
        what: format!(
            "`lineitem.csv` ({} MB): polars `scan_csv().sink_parquet(compression=\"zstd\")`; Polder through a contract in which every column is typed, required and ranged, two have patterns and two make the primary key, into a sealed table.",
            size / 1_000_000
        ),
        rounds_min: 0,
        contenders,
        goals: bench.goals(&LOAD_GOALS),
        missing: bench.missing(),
    })
}

/// Only above scale factor 1: the same load there and here.
fn memory(bench: &Bench) -> Result<Option<Job>> {
    let (Some(small), Some(polder)) = (&bench.small, &bench.polder) else { return Ok(None) };
    let megabytes = |tpch: &Tpch| -> Result<u64> {
        let csv = tpch.csv.join("lineitem.csv");
        Ok(std::fs::metadata(&csv).with_context(|| format!("look at {}", csv.display()))?.len() / 1_000_000)
    };
    Ok(Some(Job {
        name: "Load lineitem: memory",
        what: format!(
            "`lineitem.csv` of scale factor 1 ({} MB) and of this one ({} MB), loaded by Polder as above. The keys of both come sorted, and are held in memory as compressed differences.",
            megabytes(small)?,
            megabytes(&bench.tpch)?
        ),
        rounds_min: 0,
        contenders: vec![
            loads(POLDER_SMALL, small, polder, bench.work.join("load-small")),
            loads(POLDER, &bench.tpch, polder, bench.work.join("load-large")),
        ],
        goals: bench.goals(&MEMORY_GOALS),
        missing: vec![],
    }))
}

/// A load by the example, into a store of its own.
fn example_load(bench: &Bench, polder: &Polder, name: &'static str, store: &str, more: &[&str]) -> Contender {
    let folder = bench.work.join(format!("store-{}", name.replace(' ', "-")));
    let arguments = [
        ("--store", store.to_owned()),
        ("--csv", bench.tpch.csv.join("lineitem.csv").display().to_string()),
        ("--contract", bench.tpch.scripts.join("contracts/lineitem.odcs.yaml").display().to_string()),
        ("--into", folder.display().to_string()),
    ];
    let mut all = vec!["load".to_owned()];
    all.extend(arguments.into_iter().flat_map(|(key, value)| [key.to_owned(), value]));
    all.extend(more.iter().map(|word| (*word).to_owned()));
    Contender { name, leaves: vec![folder], before: vec![], measured: step(polder.example.clone(), all), after: vec![], kept: None }
}

fn sealed(bench: &Bench) -> Job {
    let stores = [(PLAIN, "plain"), (SEALED, "sealed")];
    let contenders = bench.polder.iter().flat_map(|polder| stores.map(|(name, store)| example_load(bench, polder, name, store, &[])));
    Job {
        name: "Sealed against plain",
        what: "`lineitem.csv` decoded, checked, encoded as the lake does and written, into the sealed store and into a plain one that keeps the same discipline with files. Only this harness can make the latter.".into(),
        rounds_min: SEALED_ROUNDS_MIN,
        contenders: contenders.collect(),
        goals: bench.goals(&SEALED_GOALS),
        missing: bench.missing(),
    }
}

fn inspected(bench: &Bench) -> Job {
    let ways = [(UNINSPECTED, &["--uninspected"][..]), (INSPECTED, &[])];
    let contenders = bench.polder.iter().flat_map(|polder| ways.map(|(name, more)| example_load(bench, polder, name, "sealed", more)));
    Job {
        name: "Inspected against not",
        what: "`lineitem.csv` as above into the sealed store, with and without content inspection. Only this harness can leave it out."
            .into(),
        rounds_min: 0,
        contenders: contenders.collect(),
        goals: bench.goals(&INSPECTED_GOALS),
        missing: bench.missing(),
    }
}

fn queries(bench: &Bench) -> Result<Job> {
    let answers = bench.work.join("answers-datafusion");
    let mut contenders = vec![Contender {
        name: DATAFUSION,
        leaves: vec![answers.clone()],
        before: vec![],
        measured: script(&bench.tpch, "datafusion_tpch.py", &[&bench.tpch.parquet, &bench.tpch.queries, &answers]),
        after: vec![script(&bench.tpch, "compare_answers.py", &[&answers, &bench.tpch.answers])],
        kept: None,
    }];
    if let Some(polder) = &bench.polder {
        let folder = bench.work.join("tpch");
        let at = folder.display().to_string();
        let first = project(&bench.tpch, polder, &folder, &TABLES);
        // Loaded once; one that was cut off is loaded again from the start.
        let done = bench.work.join("tpch.done");
        if !done.is_file() {
            for made in &first {
                announce(&mut made())?;
            }
            announce(&mut step(polder.program.clone(), ["run", "--project", &at].map(str::to_owned).to_vec())())?;
            std::fs::write(&done, "").with_context(|| format!("write {}", done.display()))?;
        }
        let policies = bench.tpch.scripts.join("policies/readers.cedar").display().to_string();
        for (name, answers, more) in [(POLDER_QUERIES, "answers-polder", None), (POLDER_READER, "answers-reader", Some("--reader"))] {
            let answers = bench.work.join(answers);
            let options = [("--project", &folder), ("--queries", &bench.tpch.queries), ("--answers", &answers)];
            let options = options.into_iter().flat_map(|(key, value)| [key.to_owned(), value.display().to_string()]);
            let arguments: Vec<String> = std::iter::once("tpch".to_owned()).chain(options).chain(more.map(str::to_owned)).collect();
            contenders.push(Contender {
                name,
                leaves: vec![answers.clone()],
                // Both read the same policies; of one of them they say less.
                before: vec![step("cp".into(), vec![policies.clone(), format!("{at}/policies/")])],
                measured: step(polder.example.clone(), arguments),
                after: vec![script(&bench.tpch, "compare_answers.py", &[&answers, &bench.tpch.answers])],
                kept: None,
            });
        }
    }
    Ok(Job {
        name: "TPC-H queries",
        what: "All 22 queries in one process; after each round the answers are compared with those of `xtask/peers/tpch_texts.py`. Asked by an owner, and by a reader whose policies (`xtask/peers/policies/readers.cedar`) have a condition on the rows of each table and masks on five columns.".into(),
        rounds_min: 0,
        contenders,
        goals: bench.goals(&QUERY_GOALS),
        missing: bench.missing(),
    })
}
