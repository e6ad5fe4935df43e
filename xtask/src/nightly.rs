//! `nightly`: what is too long for every change. Same tests, all seeds, many more random cases, the demo against the clock, the
//! benchmarks with the answers of TPC-H, ten minutes of load, attacks from outside, then fuzzing. Every part runs, whatever became of the others.

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::bench::BenchArguments;
use crate::load::LoadArguments;
use crate::process::{announce, capture, command};
use crate::testing::Runner;
use crate::times::{self, Parts};
use crate::{bench, debian, load, pentest, workspace};

/// The fuzzer's front end; another version is replaced by this one.
const CARGO_FUZZ: &str = "0.13.2";

/// How long.
#[derive(Args)]
pub struct NightlyArguments {
    /// Random cases per property.
    #[arg(long, default_value_t = 2048)]
    cases: u32,
    /// Seconds of fuzzing per target.
    #[arg(long, default_value_t = 120)]
    fuzz_seconds: u32,
    /// Counted rounds of the benchmarks.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..))]
    rounds: u8,
    /// Leave fuzzing out.
    #[arg(long)]
    no_fuzz: bool,
    /// Leave the benchmarks at scale factor 1 out, which also compare the answers of TPC-H's queries.
    #[arg(long)]
    no_bench: bool,
    /// Leave the ten minutes of load out.
    #[arg(long)]
    no_load: bool,
    /// Print the times and leave docs/benchmarks.md alone.
    #[arg(long)]
    dry_run: bool,
}

/// Runs all parts and sums up what failed.
pub fn run(arguments: &NightlyArguments) -> Result<()> {
    let mut parts = Parts::default();
    parts.run("tests", || {
        let mut tests = Runner::prepare()?.command(Some("nightly"));
        announce(tests.env("POLDER_SEEDS", "full").env("PROPTEST_CASES", arguments.cases.to_string()))
    });
    times::demo(&mut parts)?;
    if !arguments.no_bench {
        parts.run("benchmarks", || bench::run(&BenchArguments::nightly(arguments.rounds.into())));
    }
    if !arguments.no_load {
        let load = LoadArguments::nightly();
        parts.run("load", || load::run(&load));
    }
    parts.run("attacks", pentest::whole);
    if !arguments.no_fuzz {
        parts.run("fuzzing", || fuzz(arguments.fuzz_seconds));
    }
    parts.end("nightly", arguments.dry_run)
}

/// Coverage-guided fuzzing without a sanitizer, which the pinned compiler can do; the code under test has no unsafe of its own.
fn fuzz(seconds: u32) -> Result<()> {
    let folder = workspace::root().join("fuzz");
    if !folder.join("Cargo.toml").is_file() {
        bail!("there is no fuzz/Cargo.toml; pass --no-fuzz to run the rest alone");
    }
    debian::install(&[debian::CXX])?;
    let version = capture(command("cargo").args(["fuzz", "--version"]), "ask cargo-fuzz for its version");
    if !version.is_ok_and(|version| is_pinned(&version)) {
        announce(command("cargo").args(["install", "cargo-fuzz", "--locked", "--force", "--version", CARGO_FUZZ]))
            .context("install cargo-fuzz")?;
    }
    let listed = capture(command("cargo").current_dir(workspace::root()).args(["fuzz", "list"]), "list the fuzz targets")?;
    let time = format!("-max_total_time={seconds}");
    let mut broken = Vec::new();
    for target in listed.lines().map(str::trim).filter(|target| !target.is_empty()) {
        let mut run = command("cargo");
        run.current_dir(workspace::root()).args(["fuzz", "run", "--sanitizer", "none", target, "--", &time]);
        if let Err(error) = announce(&mut run) {
            eprintln!("{error:#}");
            broken.push(target.to_owned());
        }
    }
    if !broken.is_empty() {
        bail!("{} did not hold; what broke each lies in fuzz/artifacts", broken.join(", "));
    }
    Ok(())
}

/// Whether `cargo fuzz --version` names the pinned version.
fn is_pinned(version: &str) -> bool {
    version.split_whitespace().eq(["cargo-fuzz", CARGO_FUZZ])
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        nightly: NightlyArguments,
    }

    #[test]
    fn a_night_has_three_rounds_at_least_and_two_minutes_a_target() {
        let Line { nightly } = Line::try_parse_from(["nightly"]).unwrap();
        assert_eq!((nightly.rounds, nightly.fuzz_seconds, nightly.dry_run), (3, 120, false));
        assert!(Line::try_parse_from(["nightly", "--rounds", "2"]).is_err());
        assert!(Line::try_parse_from(["nightly", "--rounds", "5"]).is_ok());
    }

    #[test]
    fn another_version_of_the_fuzzer_is_not_the_pinned_one() {
        assert!(is_pinned(&format!("cargo-fuzz {CARGO_FUZZ}\n")));
        assert!(!is_pinned("cargo-fuzz 0.12.0\n"));
        assert!(!is_pinned(&format!("cargo-fuzz {CARGO_FUZZ}0\n")));
    }
}
