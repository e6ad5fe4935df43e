//! `test`: prepares what tests need from outside, says so, and runs all of them. The runner's own closing line comes last.

use anyhow::{Context, Result, bail};

use crate::judges::JUDGES;
use crate::process::{announce, capture, command, which};
use crate::workspace;

/// The version that the settings in `.config/nextest.toml` were written for, installed where none is found.
const NEXTEST: &str = "0.9.143";

/// A Debian package, and the program by which its presence is seen.
struct Debian {
    package: &'static str,
    program: &'static str,
    why: &'static str,
}

const DEBIAN: [Debian; 2] = [
    Debian { package: "strace", program: "strace", why: "shows which files the program opens for writing" },
    Debian { package: "python3-venv", program: "python3", why: "runs the independent judges" },
];

/// Prepares and runs. `rest` goes to the runner.
pub fn run(rest: &[String]) -> Result<()> {
    debian()?;
    let mut judges = Vec::new();
    for judge in &JUDGES {
        let python = judge.prepare()?;
        eprintln!("{}={}", judge.variable, python.display());
        judges.push((judge.variable, python));
    }
    let mut tests = command("cargo");
    if nextest()? {
        tests.args(["nextest", "run", "--workspace", "--locked"]);
        if std::env::var_os("CI").is_some() {
            tests.args(["--profile", "ci"]);
        }
    } else {
        eprintln!("cargo-nextest cannot be installed here: the tests run under cargo test");
        tests.args(["test", "--workspace", "--locked"]);
    }
    tests.current_dir(workspace::root()).args(rest).envs(judges);
    announce(&mut tests)
}

/// Installs the Debian packages that are missing, as root or through sudo.
fn debian() -> Result<()> {
    let missing: Vec<&Debian> = DEBIAN.iter().filter(|debian| which(debian.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for debian in &missing {
        eprintln!("the Debian package {} is missing; it {}", debian.package, debian.why);
    }
    let names: Vec<&str> = missing.iter().map(|debian| debian.package).collect();
    if which("apt-get").is_none() {
        bail!("this is no Debian: install {} by hand, then try again", names.join(", "));
    }
    let root = capture(command("id").arg("-u"), "ask for the user id")?.trim() == "0";
    let mut install = command(if root { "apt-get" } else { "sudo" });
    if !root {
        install.arg("apt-get");
    }
    announce(install.args(["install", "--yes", "--no-install-recommends"]).args(&names)).context("install Debian packages")
}

/// Whether cargo-nextest is there, after an attempt to install it.
fn nextest() -> Result<bool> {
    if which("cargo-nextest").is_some() {
        return Ok(true);
    }
    eprintln!("cargo-nextest is missing; it runs each test in its own process (building it takes some minutes, once)");
    let installed = announce(command("cargo").args(["install", "cargo-nextest", "--locked", "--version", NEXTEST]));
    if let Err(error) = installed {
        eprintln!("{error:#}");
    }
    Ok(which("cargo-nextest").is_some())
}
