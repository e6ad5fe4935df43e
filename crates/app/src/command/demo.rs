//! `polder demo`: the main job on real data, by the same commands that a person types, each run as a process of its own.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use polder_types::{Clock, ErrorKind, SystemClock};

use crate::cli::DemoArgs;
use crate::failure::{Failure, Outcome};
use crate::print::text;
use crate::search::Search;

/// A file of the demo, by its path in the demo's directory.
type Shipped = (&'static str, &'static [u8]);

macro_rules! shipped {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/", $path)).as_slice())),+]
    };
}

/// The New York flights of 2013 and what belongs to them (`demo/data/README.md` tells where they come from).
static FILES: [Shipped; 14] = shipped![
    "data/flights.csv.zst",
    "data/weather.ndjson.gz",
    "data/airlines.parquet",
    "data/airports.parquet",
    "data/planes.parquet",
    "project/sources/nyc_csv.yaml",
    "project/sources/nyc_ndjson.yaml",
    "project/sources/nyc_parquet.yaml",
    "project/contracts/flights.odcs.yaml",
    "project/contracts/weather.odcs.yaml",
    "project/contracts/airlines.odcs.yaml",
    "project/contracts/airports.odcs.yaml",
    "project/contracts/planes.odcs.yaml",
    "project/models/delays.sql",
];

/// Values that stand in the demo's files and must not be found in its store.
const PLANTED: [&str; 3] = ["ExpressJet Airlines Inc.", "George Bush Intercontinental", "Lansdowne Airport"];

const BY_WIND: &str = "select wind, sum(flights) as flights, round(sum(dep_delay_minutes) * 1.0 / sum(departed), 1) as mean_departure_delay \
from delays group by wind order by wind";
const BY_AGE: &str = "select aircraft_age, sum(flights) as flights, round(sum(arr_delay_minutes) * 1.0 / sum(arrived), 1) as mean_arrival_delay \
from delays group by aircraft_age order by aircraft_age";
const BY_AIRLINE: &str = "select airline, sum(flights) as flights, round(sum(arr_delay_minutes) * 1.0 / sum(arrived), 1) as mean_arrival_delay \
from delays group by airline order by mean_arrival_delay desc limit 5";
const FOUND: &str =
    "select sum(flights) as flights, sum(found_aircraft) as found_their_aircraft, sum(found_weather) as found_their_weather from delays";

/// The signal that no process can catch.
const SIGKILL: i32 = 9;

struct Demo {
    program: PathBuf,
    project: PathBuf,
    began_ms: i64,
    step: u32,
}

/// Runs the demo.
///
/// # Errors
/// When any step does not do what it is to show.
pub fn run(args: &DemoArgs) -> Outcome {
    let base = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("polder-demo-{}", std::process::id())),
    };
    if base.exists() {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!("make the demo in {}: it exists; name a new directory with --dir", base.display()),
        ));
    }
    if let Some(file) = &args.flights {
        std::fs::File::open(file)
            .map_err(|error| Failure::because(ErrorKind::Invalid, format!("read {}; check that it exists", file.display()), &error))?;
    }
    let program = std::env::current_exe().map_err(|error| Failure::because(ErrorKind::Internal, "find this program's file", &error))?;
    let mut demo = Demo { program, project: base.join("project"), began_ms: SystemClock.now_ms(), step: 0 };
    demo.prepare(&base, args.flights.as_deref())?;
    demo.load()?;
    demo.ask()?;
    demo.tamper()?;
    demo.prove(&base)?;
    demo.end(&base)
}

impl Demo {
    fn heading(&mut self, title: &str) -> Outcome {
        self.step += 1;
        let seconds = (SystemClock.now_ms() - self.began_ms) / 1000;
        text(&format!("\n── {}. {title}  ({seconds} s)", self.step))
    }

    /// Shows a command and runs it; its output is shown as it comes.
    fn show(&self, args: &[&str]) -> Outcome {
        let status = self.shown(args)?.status().map_err(|error| started(&error))?;
        match status.code() {
            Some(0) => Ok(()),
            // Whoever reads this closed it; the demo runs on to its end, quietly.
            Some(code) if code == i32::from(crate::print::EXIT_CLOSED) => Ok(()),
            _ => Err(failed(args, status)),
        }
    }

    /// Shows a command that must be killed while it runs; its progress is shown as it comes.
    fn killed(&self, args: &[&str]) -> Outcome<ExitStatus> {
        let status = self.shown(args)?.status().map_err(|error| started(&error))?;
        if status.signal() == Some(SIGKILL) { Ok(status) } else { Err(failed(args, status)) }
    }

    /// Shows a command that must not succeed, and returns what it left.
    fn fails(&self, args: &[&str]) -> Outcome<Output> {
        let output = self.shown(args)?.stdout(Stdio::piped()).stderr(Stdio::piped()).output().map_err(|error| started(&error))?;
        if output.status.success() {
            return Err(Failure::new(ErrorKind::Corrupt, format!("show that `polder {}` refuses: it did not", args.join(" "))));
        }
        Ok(output)
    }

    fn shown(&self, args: &[&str]) -> Outcome<Command> {
        let quoted: Vec<String> = args.iter().map(|arg| if arg.contains(' ') { format!("\"{arg}\"") } else { (*arg).to_owned() }).collect();
        text(&format!("$ polder {}", quoted.join(" ")))?;
        std::io::stdout().flush().or_else(|error| crate::print::unwritten(error).map_or(Ok(()), Err))?;
        Ok(self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).stdin(Stdio::null());
        if self.project.is_dir() {
            command.current_dir(&self.project);
        }
        command
    }

    fn prepare(&mut self, base: &Path, flights: Option<&Path>) -> Outcome {
        self.heading("a project: a store whose every file is encrypted, keys apart from it, a contract for each source")?;
        let project = self.project.display().to_string();
        let (key, anchor) = (base.join("keys/root.key").display().to_string(), base.join("elsewhere/checkpoint").display().to_string());
        make_dir(&base.join("elsewhere"))?;
        self.show(&["init", &project, "--key-file", &key, "--anchor", &anchor])?;
        for (path, bytes) in FILES {
            if path == "data/flights.csv.zst" && flights.is_some() {
                continue;
            }
            put(&base.join(path), bytes)?;
        }
        if let Some(file) = flights {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let ending = name.split_once('.').map_or("csv", |(_, ending)| ending);
            let target = base.join("data").join(format!("flights.{ending}"));
            std::fs::copy(file, &target).map_err(|error| {
                Failure::because(ErrorKind::Unavailable, format!("copy {}; check that it exists", file.display()), &error)
            })?;
            let source = self.project.join("sources/nyc_csv.yaml");
            let text = std::fs::read_to_string(&source).unwrap_or_default().replace("flights.csv.zst", &format!("flights.{ending}"));
            put(&source, text.as_bytes())?;
        }
        for table in ["airlines", "airports", "planes", "weather", "flights"] {
            let args = ["contract", "approve", table, "--yes"];
            let output = self.shown(&args)?.output().map_err(|error| started(&error))?;
            if !output.status.success() {
                return Err(failed(&args, output.status).during(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ")));
            }
        }
        self.show(&["contract", "check"])
    }

    fn load(&mut self) -> Outcome {
        self.heading("a load, killed with SIGKILL between the intent and the commit, then gone on with")?;
        let killed = self.killed(&["run", "--select", "flights", "--kill-at", "lake.after_intent#2"])?;
        text(&format!("(the process ended with {killed}; what of the batch is visible?)"))?;
        self.shows_nothing("flights")?;
        self.show(&["run"])?;
        self.show(&["table", "list"])?;
        self.heading("what was refused, and why")?;
        self.show(&["quarantine", "list"])
    }

    /// Asks which tables can be read, and shows the answer: this one is not among them, or holds no row.
    fn shows_nothing(&self, table: &str) -> Outcome {
        let args = ["table", "list", "--output", "json"];
        let output = self.shown(&args)?.stdout(Stdio::piped()).output().map_err(|error| started(&error))?;
        if !output.status.success() {
            return Err(failed(&args, output.status));
        }
        let answer = String::from_utf8_lossy(&output.stdout);
        text(answer.trim_end())?;
        let tables: serde_json::Value = serde_json::from_str(&answer)
            .map_err(|error| Failure::because(ErrorKind::Internal, "read the list of tables: it is no JSON", &error))?;
        let rows =
            tables.as_array().into_iter().flatten().filter(|listed| listed["table"] == table).find_map(|listed| listed["rows"].as_u64());
        match rows {
            None => text(&format!("(nothing: {table} is not among the tables that can be read)")),
            Some(0) => text(&format!("(nothing: {table} has no row)")),
            Some(rows) => {
                Err(Failure::new(ErrorKind::Corrupt, format!("show that nothing of a killed load is visible: {table} has {rows} rows")))
            }
        }
    }

    fn ask(&mut self) -> Outcome {
        self.heading("questions that join the sets: flights, weather, aircraft, airlines")?;
        for sql in [BY_WIND, BY_AGE, BY_AIRLINE, FOUND] {
            self.show(&["sql", sql])?;
        }
        Ok(())
    }

    fn tamper(&mut self) -> Outcome {
        self.heading("one bit of a sealed file is flipped behind Polder's back")?;
        let store = self.project.join("store/tables");
        let victim = largest(&store)?.ok_or_else(|| Failure::new(ErrorKind::Internal, "find a sealed file: the store holds none"))?;
        let failed = |error: &std::io::Error| Failure::because(ErrorKind::Unavailable, format!("change {}", victim.display()), error);
        let mut bytes = std::fs::read(&victim).map_err(|error| failed(&error))?;
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        std::fs::write(&victim, &bytes).map_err(|error| failed(&error))?;
        text(&format!("(flipped a bit of byte {middle} of {})", victim.strip_prefix(&self.project).unwrap_or(&victim).display()))?;
        let refused = self.fails(&["audit", "verify"])?;
        let said = String::from_utf8_lossy(&refused.stderr).trim().to_owned();
        text(&said)?;
        let named = victim.strip_prefix(self.project.join("store")).unwrap_or(&victim).display().to_string();
        if refused.status.code() != Some(6) || !said.contains(&named) {
            return Err(Failure::new(ErrorKind::Corrupt, "detect the flipped bit: the refusal does not name the file"));
        }
        text(&format!("(exit code {}; the bit is flipped back)", refused.status.code().unwrap_or(-1)))?;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        std::fs::write(&victim, &bytes).map_err(|error| failed(&error))
    }

    fn prove(&mut self, base: &Path) -> Outcome {
        self.heading("the proof")?;
        self.show(&["table", "history", "flights"])?;
        self.show(&["audit", "verify"])?;
        let search = Search::new(&PLANTED).map_err(|rule| Failure::new(ErrorKind::Internal, rule))?;
        let look = |dir: &Path| {
            search.directory(dir).map_err(|error| Failure::because(ErrorKind::Unavailable, format!("search {}", dir.display()), &error))
        };
        let sealed = look(&self.project.join("store"))?;
        let plain = look(&base.join("data"))?;
        text(&format!(
            "searched the store's {} files ({} MB) for {} values, raw, UTF-16, base64, hexadecimal and inside gzip, zstd, snappy and Parquet: {} found",
            sealed.files,
            sealed.bytes / 1_000_000,
            PLANTED.len(),
            sealed.findings.len()
        ))?;
        text(&format!("control: the same search over the plain source files found them {} times", plain.findings.len()))?;
        for finding in plain.findings.iter().take(3) {
            text(&format!(
                "  {} in {} ({})",
                finding.value,
                finding.path.strip_prefix(base).unwrap_or(&finding.path).display(),
                finding.form
            ))?;
        }
        let all = PLANTED.iter().all(|value| plain.findings.iter().any(|finding| finding.value == *value));
        if !sealed.findings.is_empty() || !all {
            return Err(Failure::new(
                ErrorKind::Corrupt,
                "prove that nothing lies in the clear: the search found a value in the store, or its control found none",
            ));
        }
        Ok(())
    }

    fn end(&self, base: &Path) -> Outcome {
        let seconds = (SystemClock.now_ms() - self.began_ms) / 1000;
        text(&format!(
            "\ndone in {seconds} s. The project is in {}; delete {} when you are through with it.",
            self.project.display(),
            base.display()
        ))?;
        text("try next:")?;
        let (polder, project) = (typed(&self.program), self.project.display());
        text(&format!(
            "  {polder} sql \"select dest, count(*) as flights from flights group by dest order by flights desc limit 5\" --project {project}"
        ))?;
        text(&format!("  {polder} audit show --project {project}"))?;
        text(&format!("  {polder} init my-project"))
    }
}

/// What a person types to start this program: its name where the shell finds it, its path elsewhere.
fn typed(program: &Path) -> String {
    let same = |found: &Path| found.canonicalize().is_ok_and(|found| program.canonicalize().is_ok_and(|program| program == found));
    let path = std::env::var_os("PATH").unwrap_or_default();
    // The shell takes the first one that it may start.
    let executable = |file: &PathBuf| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file();
    match std::env::split_paths(&path).map(|dir| dir.join("polder")).find(executable) {
        Some(found) if same(&found) => "polder".to_owned(),
        _ => quoted(&program.display().to_string()),
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    if word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c)) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn started(error: &std::io::Error) -> Failure {
    Failure::because(ErrorKind::Internal, "start this program again", error)
}

/// A step that failed for a reason of its own ends the demo with the same exit code.
fn failed(args: &[&str], status: ExitStatus) -> Failure {
    let kinds = [ErrorKind::Invalid, ErrorKind::Rejected, ErrorKind::Unavailable, ErrorKind::Corrupt, ErrorKind::Denied];
    let kind = kinds.into_iter().find(|kind| status.code() == Some(i32::from(kind.exit_code()))).unwrap_or(ErrorKind::Internal);
    Failure::new(kind, format!("show `polder {}`: it failed with {status}", args.join(" ")))
}

fn make_dir(dir: &Path) -> Outcome {
    std::fs::create_dir_all(dir)
        .map_err(|error| Failure::because(ErrorKind::Unavailable, format!("make the directory {}", dir.display()), &error))
}

fn put(path: &Path, bytes: &[u8]) -> Outcome {
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    std::fs::write(path, bytes).map_err(|error| Failure::because(ErrorKind::Unavailable, format!("write {}", path.display()), &error))
}

/// The largest file below a directory.
fn largest(dir: &Path) -> Outcome<Option<PathBuf>> {
    let failed = |error: &std::io::Error| Failure::because(ErrorKind::Unavailable, format!("list {}", dir.display()), error);
    let mut best: Option<(u64, PathBuf)> = None;
    let mut todo = vec![dir.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let metadata = entry.metadata().map_err(|error| failed(&error))?;
            if metadata.is_dir() {
                todo.push(entry.path());
            } else if best.as_ref().is_none_or(|(size, _)| metadata.len() > *size) {
                best = Some((metadata.len(), entry.path()));
            }
        }
    }
    Ok(best.map(|(_, path)| path))
}
