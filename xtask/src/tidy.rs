//! `tidy`: what no compiler checks. Every finding names a file and says what to do.

mod docs;
mod imports;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Every cure that this page claims names the test that shows it.
const THREATS: &str = "docs/threats.md";

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    file: String,
    line: usize,
    text: String,
}

impl Finding {
    fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { write!(f, "{}: {}", self.file, self.text) } else { write!(f, "{}:{}: {}", self.file, self.line, self.text) }
    }
}

/// Runs every check over the project's files.
pub fn run() -> Result<()> {
    let root = workspace::root();
    let files = workspace::files()?;
    let mut findings = imports::check(&workspace::metadata()?, &read("ARCHITECTURE.md")?);
    findings.extend(imports::one_version(&read("Cargo.lock")?));
    let mut tests = BTreeSet::new();
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        let place = docs::place(file);
        tests.extend(source::tests(&read(file)?).into_iter().map(|test| (place.to_owned(), test)));
    }
    findings.extend(docs::tests_named(THREATS, &read(THREATS)?, &tests));
    for file in &files {
        findings.extend(source::name(file));
        if file.ends_with("Cargo.toml") && file != "Cargo.toml" {
            findings.extend(imports::features(file, &read(file)?));
        } else if file.ends_with(".rs") {
            findings.extend(source::check(file, &read(file)?));
        } else if file.ends_with(".md") {
            findings.extend(docs::check(file, &read(file)?, |path| root.join(path).exists()));
        }
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings; each line above says what to change", findings.len());
    }
    println!("tidy: {} files checked, nothing found", files.len());
    Ok(())
}

fn read(file: &str) -> Result<String> {
    std::fs::read_to_string(workspace::root().join(file)).with_context(|| format!("read {file}"))
}
