//! `bench`: Polder and its peers do the same work in turn, each in a process of its own, in one run on one machine.
//! CPU seconds and peak memory are the kernel's (`wait4`); figures and goals go to `docs/benchmarks.md` between two marks. A goal that
//! is missed is a failure, after the page is written.

mod databases;
mod goals;
mod jobs;
mod kept;
mod measure;
mod merges;
mod report;
mod served;
mod tpch;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

pub use jobs::build;
pub use measure::{child, percentile};
pub use report::machine;

use crate::page::{BENCHMARKS, Marks};
use crate::workspace;

/// What to measure.
#[derive(Args)]
pub struct BenchArguments {
    /// TPC-H scale factor: 1 is a lineitem.csv of 766 MB.
    #[arg(long, default_value = "1")]
    scale: String,
    /// Measured rounds per contender, after one that is not counted. Jobs whose differences are small take more.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only jobs whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Only the peers, without building Polder.
    #[arg(long)]
    peers_only: bool,
    /// Leave out the merges into 60 million rows, which take half an hour with all rounds, and 12 GB.
    #[arg(long)]
    no_large: bool,
    /// Where data is generated and loaded; it needs about 10 GB per scale factor.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Print the figures and leave docs/benchmarks.md alone.
    #[arg(long)]
    dry_run: bool,
}

impl BenchArguments {
    /// Every job at scale factor 1 but the large one, as the night runs them; the page is left alone.
    pub fn nightly(rounds: usize) -> Self {
        Self { scale: "1".to_owned(), rounds, only: None, peers_only: false, no_large: true, work: None, dry_run: true }
    }
}

/// The marks around what one scale factor's run writes.
pub fn marks(scale: &str) -> Marks {
    Marks::new(&format!("scale factor {scale}"), "bench")
}

/// Generates what is missing, runs every job, reports.
pub fn run(arguments: &BenchArguments) -> Result<()> {
    let work = match &arguments.work {
        Some(folder) => folder.clone(),
        None => workspace::cache()?.join("bench"),
    };
    std::fs::create_dir_all(&work).with_context(|| format!("create {}", work.display()))?;
    let bench = jobs::prepare(&work, &arguments.scale, arguments.peers_only)?;
    let asked = |name: &str| arguments.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let wanted = |name: &str| asked(name) && !(arguments.no_large && merges::LARGE.contains(&name));
    let mut measured = Vec::new();
    for job in jobs::all(&bench)?.iter().filter(|job| wanted(job.name)) {
        measured.push(measure::job(job, arguments.rounds)?);
    }
    for job in merges::jobs(&bench, wanted)? {
        measured.push(measure::job(&job, arguments.rounds)?);
    }
    if databases::JOBS.into_iter().any(wanted) {
        let (tpch, polder) = bench.parts();
        let databases = databases::Databases::start(tpch)?;
        for job in databases.jobs(tpch, polder).iter().filter(|job| wanted(job.name)) {
            measured.push(measure::job(job, arguments.rounds)?);
        }
    }
    // Last, since it is measured from this process, whose memory counts for each program that it starts.
    if wanted(served::JOB) {
        measured.push(served::measure(bench.parts().1, arguments.rounds)?);
    }
    let judged = goals::judge(&measured);
    let text = report::text(&measured, &judged, &arguments.scale)?;
    println!("{text}");
    if !arguments.dry_run {
        marks(&arguments.scale).write(&workspace::root().join(BENCHMARKS), &text)?;
    }
    for goals::Judged { job, goal, measured, verdict } in &judged {
        println!("{}: {job}: {goal}; measured {measured}", verdict.text());
    }
    match goals::unmet(&judged, arguments.peers_only) {
        0 => Ok(()),
        unmet => bail!("{unmet} of {} goals were not met; the lines above name them", judged.len()),
    }
}
