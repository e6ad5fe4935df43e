//! `bench`: Polder and its peers do the same work in turn, each in a process of its own, in one run on one machine.
//! CPU seconds and peak memory are the kernel's (`wait4`); the figures go to `docs/benchmarks.md` between two marks.

mod jobs;
mod measure;
mod report;
mod tpch;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace;

/// What to measure.
#[derive(Args)]
pub struct BenchArguments {
    /// TPC-H scale factor: 1 is a lineitem.csv of 766 MB.
    #[arg(long, default_value = "1")]
    scale: String,
    /// Measured rounds per contender, after one that is not counted.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only jobs whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Only the peers, without building Polder.
    #[arg(long)]
    peers_only: bool,
    /// Where data is generated and loaded; it needs about 10 GB per scale factor.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Print the figures and leave docs/benchmarks.md alone.
    #[arg(long)]
    dry_run: bool,
}

/// Generates what is missing, runs every job, reports.
pub fn run(arguments: &BenchArguments) -> Result<()> {
    let work = match &arguments.work {
        Some(folder) => folder.clone(),
        None => workspace::cache()?.join("bench"),
    };
    std::fs::create_dir_all(&work).with_context(|| format!("create {}", work.display()))?;
    let bench = jobs::prepare(&work, &arguments.scale, arguments.peers_only)?;
    let mut measured = Vec::new();
    for job in jobs::all(&bench)? {
        if arguments.only.as_ref().is_some_and(|only| !job.name.contains(only.as_str())) {
            continue;
        }
        measured.push(measure::job(&job, arguments.rounds)?);
    }
    let text = report::text(&measured, &arguments.scale, arguments.rounds)?;
    println!("{text}");
    if arguments.dry_run { Ok(()) } else { report::write(&workspace::root().join("docs/benchmarks.md"), &arguments.scale, &text) }
}
