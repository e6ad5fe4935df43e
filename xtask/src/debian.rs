//! What tests and benchmarks need from the operating system: probed by what is used of it, installed on Debian and its kin.

use anyhow::{Context, Result, bail};

use crate::process::{announce, capture, command, which};

/// A Debian package, and what shows that it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    name: &'static str,
    probe: Probe,
    why: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// A program on PATH.
    Program(&'static str),
    /// Modules that the system's `python3` can load. Debian ships it without them: a program of that name says nothing of `ensurepip`.
    Modules(&'static str),
}

/// For the tests.
pub const TESTS: [Package; 9] = [
    program("strace", "strace", "shows which files the program opens for writing"),
    program("bsdutils", "script", "gives the shell a terminal"),
    program("util-linux", "unshare", "gives a test a disk or a network of its own"),
    program("util-linux", "nsenter", "runs the program on such a disk"),
    program("util-linux", "taskset", "runs the program on one core"),
    program("mount", "mount", "makes a small disk"),
    program("coreutils", "timeout", "ends what hangs"),
    program("coreutils", "mkfifo", "makes a pipe where a file belongs"),
    PYTHON,
];

/// For whatever runs in a virtual environment.
pub const PYTHON: Package =
    Package { name: "python3-venv", probe: Probe::Modules("ensurepip, venv"), why: "makes the environments of the independent judges" };

/// For the fuzzer's own library, besides.
pub const CXX: Package = program("g++", "c++", "compiles libFuzzer");

const fn program(name: &'static str, program: &'static str, why: &'static str) -> Package {
    Package { name, probe: Probe::Program(program), why }
}

impl Package {
    fn missing(&self) -> bool {
        match self.probe {
            Probe::Program(program) => which(program).is_none(),
            Probe::Modules(modules) => {
                capture(command("python3").args(["-c", &format!("import {modules}")]), "ask python3 for its modules").is_err()
            }
        }
    }
}

/// Installs what is missing, as root or through sudo.
pub fn install(packages: &[Package]) -> Result<()> {
    let missing: Vec<&Package> = packages.iter().filter(|package| package.missing()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        eprintln!("the Debian package {} is missing; it {}", package.name, package.why);
    }
    let names = names(&missing);
    if which("apt-get").is_none() {
        bail!("this is no Debian: install what the packages {} bring by hand, then try again", names.join(", "));
    }
    let root = capture(command("id").arg("-u"), "ask for the user id")?.trim() == "0";
    if !root && which("sudo").is_none() {
        bail!("install {} as root, since there is no sudo, then try again", names.join(", "));
    }
    let apt = |arguments: &[&str]| {
        let mut apt = command(if root { "apt-get" } else { "sudo" });
        if !root {
            apt.arg("apt-get");
        }
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        apt
    };
    // A fresh system has no lists of packages, or old ones that name files which are gone.
    announce(&mut apt(&["update"])).context("fetch the lists of Debian packages")?;
    announce(apt(&["install", "--yes", "--no-install-recommends"]).args(&names)).context("install Debian packages")?;
    let left: Vec<&Package> = missing.into_iter().filter(|package| package.missing()).collect();
    if let Some(package) = left.first() {
        bail!("{} was installed, but what it {} is not there; look at PATH, then try again", package.name, package.why);
    }
    Ok(())
}

/// Each name once.
fn names(packages: &[&Package]) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = packages.iter().map(|package| package.name).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_missing_when_what_is_used_of_it_is() {
        assert!(!program("dash", "sh", "").missing());
        assert!(program("dash", "no-such-program", "").missing());
        // A python3 is there, and a module is not: the program's name alone would say that all is well.
        let python = |modules| Package { probe: Probe::Modules(modules), ..PYTHON };
        assert!(!python("sys").missing());
        assert!(python("sys, no_such_module").missing());
    }

    #[test]
    fn a_package_is_asked_for_once() {
        let all: Vec<&Package> = TESTS.iter().collect();
        assert_eq!(names(&all), ["strace", "bsdutils", "util-linux", "mount", "coreutils", "python3-venv"]);
    }
}
