//! Duty: the project's own tasks: what a change must pass, what is measured, what ships.
//! Never: is part of the program, or is needed to use it.
//! Enter at: [`Task`], one file per task.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")
)]

mod audit_deps;
mod bench;
mod debian;
mod judges;
mod load;
mod nightly;
mod page;
mod pentest;
mod process;
mod sbom;
mod serving;
mod testing;
mod tidy;
mod times;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of the Polder workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check what no compiler checks: who imports whom, file lengths, paths named in the docs, forbidden words.
    Tidy,
    /// Prepare the independent judges, ask what is served for a minute, and run every test.
    Test {
        /// Passed on to the test runner, such as a filter.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Check licences, advisories and sources of all dependencies, off-line.
    AuditDeps {
        /// A copy of the RustSec advisory database. Without one, only licences and sources are checked.
        #[arg(long, value_name = "DIR")]
        db: Option<PathBuf>,
    },
    /// Write the bill of materials of the program as CycloneDX JSON.
    Sbom {
        /// Where to write it; standard output when left out.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Measure Polder beside its peers in one run, and write docs/benchmarks.md.
    Bench(bench::BenchArguments),
    /// Ask `polder serve` over 500 connections, and hold each answer, its memory and its log against what is right.
    Load(load::LoadArguments),
    /// Run what is too long for every change: full seeds, more random cases, the demo against the clock, benchmarks, load, attacks, fuzzing.
    Nightly(nightly::NightlyArguments),
    /// Attack a served project from outside, with the tools that others use for it.
    Pentest(pentest::PentestArguments),
    /// Measure how long the tests and the demo take, and write it to docs/benchmarks.md.
    Times(times::TimesArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Tidy => tidy::run(),
        Task::Test { rest } => testing::run(&rest),
        Task::AuditDeps { db } => audit_deps::run(db.as_deref()),
        Task::Sbom { output } => sbom::run(output.as_deref()),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Load(arguments) => load::run(&arguments),
        Task::Nightly(arguments) => nightly::run(&arguments),
        Task::Pentest(arguments) => pentest::run(&arguments),
        Task::Times(arguments) => times::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
