//! `nightly`: what is too long for every change. Same tests, all seeds, many more random cases, the answers of TPC-H, then fuzzing.

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{announce, capture, command, which};
use crate::{judges, workspace};

/// How long.
#[derive(Args)]
pub struct NightlyArguments {
    /// Random cases per property.
    #[arg(long, default_value_t = 2048)]
    cases: u32,
    /// Seconds of fuzzing per target.
    #[arg(long, default_value_t = 600)]
    fuzz_seconds: u32,
    /// Leave fuzzing out.
    #[arg(long)]
    no_fuzz: bool,
    /// Leave the benchmarks at scale factor 1 out, which also compare the answers of TPC-H's queries.
    #[arg(long)]
    no_bench: bool,
}

/// Runs the tests with full seeds, the benchmarks at scale factor 1, then each fuzz target.
pub fn run(arguments: &NightlyArguments) -> Result<()> {
    let mut tests = command("cargo");
    tests.current_dir(workspace::root()).args(["nextest", "run", "--workspace", "--locked", "--profile", "nightly"]);
    tests.env("POLDER_SEEDS", "full").env("PROPTEST_CASES", arguments.cases.to_string());
    for judge in &judges::JUDGES {
        tests.env(judge.variable, judge.prepare()?);
    }
    announce(&mut tests)?;
    if !arguments.no_bench {
        announce(command("cargo").current_dir(workspace::root()).args(["xtask", "bench", "--rounds", "1", "--dry-run"]))?;
    }
    if arguments.no_fuzz { Ok(()) } else { fuzz(arguments.fuzz_seconds) }
}

/// Coverage-guided fuzzing without a sanitizer, which the pinned compiler can do; the code under test has no unsafe of its own.
fn fuzz(seconds: u32) -> Result<()> {
    let folder = workspace::root().join("fuzz");
    if !folder.join("Cargo.toml").is_file() {
        bail!("there is no fuzz/Cargo.toml; pass --no-fuzz to run the rest alone");
    }
    if which("cargo-fuzz").is_none() {
        announce(command("cargo").args(["install", "cargo-fuzz", "--locked"])).context("install cargo-fuzz")?;
    }
    let listed = capture(command("cargo").current_dir(workspace::root()).args(["fuzz", "list"]), "list the fuzz targets")?;
    let time = format!("-max_total_time={seconds}");
    for target in listed.lines().map(str::trim).filter(|target| !target.is_empty()) {
        announce(command("cargo").current_dir(workspace::root()).args(["fuzz", "run", "--sanitizer", "none", target, "--", &time]))
            .with_context(|| format!("fuzz {target}: the input that broke it lies in fuzz/artifacts"))?;
    }
    Ok(())
}
