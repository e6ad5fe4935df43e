//! Parts of a long task: each runs, whatever became of the others; how long they took is printed and written to docs/benchmarks.md.
//! `times` measures what everyone runs: the tests and the demo.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::page::{BENCHMARKS, Marks};
use crate::process::{announce, command};
use crate::testing::Runner;
use crate::{bench, workspace};

/// The demo's goal on any machine that is worth the name.
const DEMO_SECONDS_MAX: u64 = 60;

/// What `times` takes.
#[derive(Args)]
pub struct TimesArguments {
    /// Print the times and leave docs/benchmarks.md alone.
    #[arg(long)]
    dry_run: bool,
}

/// What became of a part.
#[derive(Debug)]
pub struct Part {
    name: String,
    took: Duration,
    outcome: Result<()>,
}

/// The parts of a task, as they ran.
#[derive(Debug, Default)]
pub struct Parts(Vec<Part>);

/// The tests as every change runs them, and the demo.
pub fn run(arguments: &TimesArguments) -> Result<()> {
    let mut parts = Parts::default();
    // Built first, so that the times are those of what runs.
    let runner = Runner::prepare()?;
    announce(runner.command(None).arg("--no-run"))?;
    parts.run("tests", || announce(&mut runner.command(Some("ci"))));
    demo(&mut parts)?;
    parts.end("times", arguments.dry_run)
}

/// The release build's demo, from its start to its end, without the time of building it.
pub fn demo(parts: &mut Parts) -> Result<()> {
    let target = workspace::metadata()?.target_directory.into_std_path_buf();
    let folder = workspace::cache()?.join(format!("demo-{}", std::process::id()));
    let built = bench::build();
    parts.run(&format!("demo (at most {DEMO_SECONDS_MAX} s)"), || {
        built?;
        let mut program = command(target.join("release/polder"));
        program.arg("demo").arg("--dir").arg(&folder);
        let shown = bench::child(program);
        let swept = if folder.exists() { std::fs::remove_dir_all(&folder) } else { Ok(()) };
        let took = shown.context("run the demo")?.wall;
        swept.with_context(|| format!("remove {}", folder.display()))?;
        in_time(took, Duration::from_secs(DEMO_SECONDS_MAX))
    });
    Ok(())
}

fn in_time(took: Duration, most: Duration) -> Result<()> {
    if took > most {
        bail!("it took {:.1} s, more than {} s", took.as_secs_f64(), most.as_secs());
    }
    Ok(())
}

impl Parts {
    /// Runs a part. That it failed is said, and kept for the end.
    pub fn run(&mut self, name: &str, part: impl FnOnce() -> Result<()>) {
        eprintln!("== {name}");
        #[allow(clippy::disallowed_methods, reason = "a task measures real time")]
        let start = std::time::Instant::now();
        let outcome = part();
        if let Err(error) = &outcome {
            eprintln!("== {name} failed: {error:#}");
        }
        self.0.push(Part { name: name.to_owned(), took: start.elapsed(), outcome });
    }

    /// Prints the times, writes them where `task` has its place on the page, and fails when a part did.
    pub fn end(self, task: &str, dry_run: bool) -> Result<()> {
        let table = self.table()?;
        let text = format!("{}\n\n{table}", bench::machine()?);
        println!("{text}");
        let written = if dry_run { Ok(()) } else { self.write(task, &workspace::root().join(BENCHMARKS), &text) };
        self.failures()?;
        written
    }

    fn write(&self, task: &str, page: &Path, text: &str) -> Result<()> {
        marks(task).write(page, text)
    }

    fn table(&self) -> Result<String> {
        let mut table = "| part | seconds | |\n| --- | ---: | --- |\n".to_owned();
        for Part { name, took, outcome } in &self.0 {
            writeln!(table, "| {name} | {:.1} | {} |", took.as_secs_f64(), if outcome.is_ok() { "passed" } else { "FAILED" })?;
        }
        let all: Duration = self.0.iter().map(|part| part.took).sum();
        writeln!(table, "| all | {:.1} | |", all.as_secs_f64())?;
        Ok(table)
    }

    /// Every failure in one.
    fn failures(&self) -> Result<()> {
        let failed: Vec<String> =
            self.0.iter().filter_map(|part| part.outcome.as_ref().err().map(|error| format!("{}: {error:#}", part.name))).collect();
        if failed.is_empty() {
            return Ok(());
        }
        bail!("{} of {} parts failed:\n  {}", failed.len(), self.0.len(), failed.join("\n  "))
    }
}

/// The marks around the times of a task.
pub fn marks(task: &str) -> Marks {
    Marks::new(&format!("times of {task}"), task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_fails_does_not_keep_the_others_from_running() {
        let mut parts = Parts::default();
        let mut ran = Vec::new();
        parts.run("tests", || {
            ran.push(1);
            bail!("three failed")
        });
        parts.run("fuzz", || {
            ran.push(2);
            Ok(())
        });
        parts.run("demo", || bail!("too slow"));
        assert_eq!(ran, [1, 2]);
        let text = format!("{:#}", parts.failures().unwrap_err());
        assert_eq!(text, "2 of 3 parts failed:\n  tests: three failed\n  demo: too slow");
        let table = parts.table().unwrap();
        assert!(table.contains("| tests | 0.0 | FAILED |\n| fuzz | 0.0 | passed |\n"), "{table}");
        let mut fine = Parts::default();
        fine.run("tests", || Ok(()));
        assert!(fine.failures().is_ok());
    }

    #[test]
    fn the_demo_has_a_limit() {
        let most = Duration::from_secs(60);
        assert!(in_time(most, most).is_ok());
        assert_eq!(in_time(Duration::from_millis(60_100), most).unwrap_err().to_string(), "it took 60.1 s, more than 60 s");
    }

    #[test]
    fn times_go_where_their_task_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.md");
        let begin = "<!-- times of nightly: written by `cargo xtask nightly` from here -->";
        let end = "<!-- times of nightly: to here -->";
        std::fs::write(&page, format!("# Times\n{begin}\nold\n{end}\nkept\n")).unwrap();
        Parts::default().write("nightly", &page, "new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&page).unwrap(), format!("# Times\n{begin}\nnew\n{end}\nkept\n"));
    }
}
