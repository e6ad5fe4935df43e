//! `test`: prepares what tests need from outside, says so, and runs all of them, after a minute of load. The runner's
//! own closing line comes last.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::judges::{JUDGES, NODE, NODE_OIDC};
use crate::process::{announce, command, which};
use crate::{debian, load, workspace};

/// The version that the settings in `.config/nextest.toml` were written for, installed where none is found.
const NEXTEST: &str = "0.9.143";

/// All that the tests need is there.
pub struct Runner {
    nextest: bool,
    judges: Vec<(&'static str, PathBuf)>,
}

/// Prepares and runs. `rest` goes to the runner; whoever gives it something wants some tests alone.
pub fn run(rest: &[String]) -> Result<()> {
    let profile = std::env::var_os("CI").map(|_| "ci");
    let runner = Runner::prepare()?;
    if rest.is_empty() {
        // The program that is loaded is the one that the tests run.
        announce(runner.command(profile).arg("--no-run"))?;
        load::minute()?;
    }
    announce(runner.command(profile).args(rest))
}

impl Runner {
    /// Installs what is missing: Debian packages, the judges, the runner.
    pub fn prepare() -> Result<Self> {
        debian::install(&debian::TESTS)?;
        let mut judges = Vec::new();
        for judge in &JUDGES {
            let python = judge.prepare()?;
            eprintln!("{}={}", judge.variable, python.display());
            judges.push((judge.variable, python));
        }
        for judge in [&NODE, &NODE_OIDC] {
            let node = judge.prepare()?;
            eprintln!("{}={}", judge.variable, node.display());
            judges.push((judge.variable, node));
        }
        Ok(Self { nextest: nextest(), judges })
    }

    /// Every test of the workspace. A profile of `.config/nextest.toml` holds where nextest runs them.
    pub fn command(&self, profile: Option<&str>) -> Command {
        let mut tests = command("cargo");
        if self.nextest {
            tests.args(["nextest", "run", "--workspace", "--locked"]);
            if let Some(profile) = profile {
                tests.args(["--profile", profile]);
            }
        } else {
            eprintln!("cargo-nextest cannot be installed here: the tests run under cargo test");
            tests.args(["test", "--workspace", "--locked"]);
        }
        tests.current_dir(workspace::root()).envs(self.judges.iter().map(|(variable, python)| (variable, python)));
        tests
    }
}

/// Whether cargo-nextest is there, after an attempt to install it.
fn nextest() -> bool {
    if which("cargo-nextest").is_some() {
        return true;
    }
    eprintln!("cargo-nextest is missing; it runs each test in its own process (building it takes some minutes, once)");
    let installed = announce(command("cargo").args(["install", "cargo-nextest", "--locked", "--version", NEXTEST]));
    if let Err(error) = installed {
        eprintln!("{error:#}");
    }
    which("cargo-nextest").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::shown;

    #[test]
    fn each_runner_gets_its_words_and_every_judge() {
        let runner = |nextest| Runner { nextest, judges: vec![("JUDGE", PathBuf::from("/judge/python"))] };
        let nightly = runner(true).command(Some("nightly"));
        assert_eq!(shown(&nightly), "cargo nextest run --workspace --locked --profile nightly");
        // cargo test knows no profiles of nextest.
        assert_eq!(shown(&runner(false).command(Some("nightly"))), "cargo test --workspace --locked");
        assert!(nightly.get_envs().any(|(name, value)| name == "JUDGE" && value.is_some_and(|path| path == "/judge/python")));
    }
}
