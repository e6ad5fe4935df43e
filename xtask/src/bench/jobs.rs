//! The jobs. Polder's side is the release program itself for loading, and the example `bench` of `app` for what the program must
//! not offer: a store without sealing, and many queries in one process. The example is called as
//!
//! ```text
//! bench load  --store sealed|plain --csv FILE --contract FILE --into DIR
//! bench tpch  --project DIR --queries DIR --answers DIR
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::measure::{Contender, Job, Step};
use super::tpch::{self, Tpch};
use crate::process::{announce, command};
use crate::workspace;

const TABLES: [&str; 8] = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];

/// What jobs need.
pub struct Bench {
    tpch: Tpch,
    work: PathBuf,
    polder: Option<Polder>,
    missing: Option<String>,
}

#[derive(Clone)]
struct Polder {
    program: PathBuf,
    example: PathBuf,
}

/// Data, peers, and Polder built for release.
pub fn prepare(work: &Path, scale: &str, peers_only: bool) -> Result<Bench> {
    let tpch = tpch::prepare(work, scale)?;
    let work = work.join(format!("sf{scale}"));
    if peers_only {
        return Ok(Bench { tpch, work, polder: None, missing: Some("Polder, since only the peers were asked for".into()) });
    }
    if !workspace::root().join("crates/app/examples/bench.rs").is_file() {
        return Ok(Bench { tpch, work, polder: None, missing: Some("Polder, since its example `bench` is not built here".into()) });
    }
    announce(command("cargo").current_dir(workspace::root()).args([
        "build",
        "--release",
        "--locked",
        "--bin",
        "polder",
        "--example",
        "bench",
    ]))?;
    let target = workspace::metadata()?.target_directory.into_std_path_buf().join("release");
    let polder = Polder { program: target.join("polder"), example: target.join("examples/bench") };
    Ok(Bench { tpch, work, polder: Some(polder), missing: None })
}

/// Every job, with those contenders that are there.
pub fn all(bench: &Bench) -> Result<Vec<Job>> {
    Ok(vec![load(bench)?, sealed(bench), queries(bench)?])
}

/// A step that makes the same command each time.
fn step(program: PathBuf, arguments: Vec<String>) -> Step {
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
fn project(bench: &Bench, polder: &Polder, folder: &Path, tables: &[&str]) -> Result<Vec<Step>> {
    let at = folder.display().to_string();
    // Keys of its own: the loads' are made anew each round.
    let keys = folder.with_extension("keys");
    let key = keys.join("root.key").display().to_string();
    let program = |arguments: &[&str]| step(polder.program.clone(), arguments.iter().map(|word| (*word).to_owned()).collect());
    let mut copy = vec![bench.tpch.scripts.join("project.py").display().to_string(), at.clone(), bench.tpch.csv.display().to_string()];
    copy.extend(tables.iter().map(|table| (*table).to_owned()));
    let mut steps = vec![
        step("rm".into(), vec!["-rf".into(), keys.display().to_string(), at.clone()]),
        program(&["init", &at, "--key-file", &key]),
        step(bench.tpch.python.clone(), copy),
    ];
    steps.extend(tables.iter().map(|table| program(&["contract", "approve", table, "--yes", "--project", &at])));
    Ok(steps)
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
    };
    let mut contenders = vec![polars("polars, dates left as text", &[]), polars("polars, dates parsed", &[Path::new("dates")])];
    if let Some(polder) = &bench.polder {
        let folder = bench.work.join("load");
        let at = folder.display().to_string();
        contenders.push(Contender {
            name: "polder",
            leaves: vec![folder.clone()],
            before: project(bench, polder, &folder, &["lineitem"])?,
            measured: step(polder.program.clone(), ["run", "--project", &at, "--output", "json"].map(str::to_owned).to_vec()),
            after: vec![],
        });
    }
    Ok(Job {
        name: "Load lineitem",
        what: format!(
            "`lineitem.csv` ({} MB): polars `scan_csv().sink_parquet(compression=\"zstd\")`; Polder through a contract in which every column is typed, required and ranged, two have patterns and two make the primary key, into a sealed table.",
            size / 1_000_000
        ),
        contenders,
        missing: bench.missing.iter().cloned().collect(),
    })
}

fn sealed(bench: &Bench) -> Job {
    let mut contenders = Vec::new();
    if let Some(polder) = &bench.polder {
        for (name, store) in [("plain store", "plain"), ("sealed store", "sealed")] {
            let folder = bench.work.join(format!("store-{store}"));
            let arguments = [
                ("--store", store.to_owned()),
                ("--csv", bench.tpch.csv.join("lineitem.csv").display().to_string()),
                ("--contract", bench.tpch.scripts.join("contracts/lineitem.odcs.yaml").display().to_string()),
                ("--into", folder.display().to_string()),
            ];
            let mut all = vec!["load".to_owned()];
            all.extend(arguments.into_iter().flat_map(|(key, value)| [key.to_owned(), value]));
            contenders.push(Contender {
                name,
                leaves: vec![folder],
                before: vec![],
                measured: step(polder.example.clone(), all),
                after: vec![],
            });
        }
    }
    Job {
        name: "Sealed against plain",
        what: "The same load into a store that seals and into one that does not. Only this harness can make the latter.".into(),
        contenders,
        missing: bench.missing.iter().cloned().collect(),
    }
}

fn queries(bench: &Bench) -> Result<Job> {
    let answers = bench.work.join("answers-datafusion");
    let mut contenders = vec![Contender {
        name: "datafusion, plain Parquet",
        leaves: vec![answers.clone()],
        before: vec![],
        measured: script(&bench.tpch, "datafusion_tpch.py", &[&bench.tpch.parquet, &bench.tpch.queries, &answers]),
        after: vec![script(&bench.tpch, "compare_answers.py", &[&answers, &bench.tpch.answers])],
    }];
    if let Some(polder) = &bench.polder {
        let folder = bench.work.join("tpch");
        let at = folder.display().to_string();
        let answers = bench.work.join("answers-polder");
        let first = project(bench, polder, &folder, &TABLES)?;
        // Loaded once; one that was cut off is loaded again from the start.
        let done = bench.work.join("tpch.done");
        if !done.is_file() {
            for made in &first {
                announce(&mut made())?;
            }
            announce(&mut step(polder.program.clone(), ["run", "--project", &at].map(str::to_owned).to_vec())())?;
            std::fs::write(&done, "").with_context(|| format!("write {}", done.display()))?;
        }
        let arguments = [
            "tpch".to_owned(),
            "--project".to_owned(),
            at,
            "--queries".to_owned(),
            bench.tpch.queries.display().to_string(),
            "--answers".to_owned(),
            answers.display().to_string(),
        ];
        contenders.push(Contender {
            name: "polder, sealed tables",
            leaves: vec![answers.clone()],
            before: vec![],
            measured: step(polder.example.clone(), arguments.to_vec()),
            after: vec![script(&bench.tpch, "compare_answers.py", &[&answers, &bench.tpch.answers])],
        });
    }
    Ok(Job {
        name: "TPC-H queries",
        what: "All 22 queries in one process; after each round the answers are compared with those of `xtask/peers/tpch_texts.py`.".into(),
        contenders,
        missing: bench.missing.iter().cloned().collect(),
    })
}
