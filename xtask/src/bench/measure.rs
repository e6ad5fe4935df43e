//! Runs contenders in turn and takes the kernel's figures for each.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use wait4::Wait4;

use super::goals::Goal;
use super::kept::{Cost, Kept, Size};
use crate::process::shown;

/// A command of which a fresh copy is made for each round.
pub type Step = Box<dyn Fn() -> Command>;

/// One program that does the job.
pub struct Contender {
    pub name: &'static str,
    /// Removed before each round.
    pub leaves: Vec<PathBuf>,
    /// Run before each round, not measured.
    pub before: Vec<Step>,
    pub measured: Step,
    /// Run after each round, not measured: fails when the work was not done right, which is counted and does not end the job.
    pub after: Vec<Step>,
    /// Where it keeps its rows, when what that costs is told.
    pub kept: Option<Kept>,
}

/// The same work done by several; the first is the one that the others are compared with.
pub struct Job {
    pub name: &'static str,
    pub what: String,
    /// Rounds that are counted at least, where differences are small.
    pub rounds_min: usize,
    pub contenders: Vec<Contender>,
    pub goals: Vec<Goal>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
}

/// What one round took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    pub cpu: Duration,
    pub wall: Duration,
    pub peak_bytes: u64,
}

/// All counted rounds of a contender.
pub struct Measured {
    pub name: &'static str,
    pub rounds: Vec<Round>,
    /// What was wrong after a round.
    pub wrong: Vec<String>,
    /// Rounds after which was looked, the one that is not counted among them.
    pub checked: usize,
    /// What each counted round cost where the rows are kept; nothing where that is not told.
    pub costs: Vec<Cost>,
    /// How long each counted answer took, of one who is asked again and again; then there are no rounds.
    pub latencies: Vec<Duration>,
}

impl Measured {
    /// One who is to be measured.
    pub fn new(name: &'static str) -> Self {
        Self { name, rounds: Vec::new(), wrong: Vec::new(), checked: 0, costs: Vec::new(), latencies: Vec::new() }
    }

    /// An answer came.
    pub fn took(&mut self, counted: bool, took: Duration) {
        if counted {
            self.latencies.push(took);
        }
    }
}

/// Of times in any order the one that this share of them does not pass; none of none.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among some thousand times is exact, and not negative"
)]
pub fn percentile(times: &[Duration], share: f64) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// All contenders of a job.
pub struct MeasuredJob {
    pub name: &'static str,
    pub what: String,
    pub rounds: usize,
    pub contenders: Vec<Measured>,
    pub goals: Vec<Goal>,
    pub missing: Vec<String>,
}

/// Rounds are interleaved, so that what disturbs the machine disturbs all alike. Round 0 warms up and is not counted.
pub fn job(job: &Job, rounds: usize) -> Result<MeasuredJob> {
    let rounds = rounds.max(job.rounds_min);
    let mut measured: Vec<Measured> = job.contenders.iter().map(|one| Measured::new(one.name)).collect();
    for round in 0..=rounds {
        for (contender, into) in job.contenders.iter().zip(&mut measured) {
            let (took, wrong, cost) = once(contender).with_context(|| format!("measure {} at {}", contender.name, job.name))?;
            eprintln!(
                "{} / {} / round {round}: {:.2} CPU-s, {:.2} s, {} MB",
                job.name,
                contender.name,
                took.cpu.as_secs_f64(),
                took.wall.as_secs_f64(),
                took.peak_bytes / 1_000_000
            );
            into.checked += 1;
            into.wrong.extend(wrong);
            if round > 0 {
                into.rounds.push(took);
                into.costs.extend(cost);
            }
        }
    }
    let (goals, missing) = (job.goals.clone(), job.missing.clone());
    Ok(MeasuredJob { name: job.name, what: job.what.clone(), rounds, contenders: measured, goals, missing })
}

/// What a round took, what was wrong with it, and what it cost where the rows are kept.
fn once(contender: &Contender) -> Result<(Round, Option<String>, Option<Cost>)> {
    for path in &contender.leaves {
        if path.is_dir() {
            std::fs::remove_dir_all(path).with_context(|| format!("remove {}", path.display()))?;
        } else if path.exists() {
            std::fs::remove_file(path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    for step in &contender.before {
        child(step())?;
    }
    let (took, cost) = match &contender.kept {
        None => (child((contender.measured)())?, None),
        Some(kept) => {
            let before = Size::of(&kept.rows)?;
            let took = timed((contender.measured)(), kept.output()?)?;
            // Before it is looked whether the work was done right, which may write too.
            (took, Some(kept.cost(before)?))
        }
    };
    let wrong = contender.after.iter().find_map(|step| child(step()).err()).map(|error| format!("{error:#}"));
    if let Some(wrong) = &wrong {
        eprintln!("{}: {wrong}", contender.name);
    }
    Ok((took, wrong, cost))
}

/// Runs a command to its end. CPU includes what its own children used.
pub fn child(command: Command) -> Result<Round> {
    timed(command, Stdio::null())
}

fn timed(mut command: Command, output: Stdio) -> Result<Round> {
    let line = shown(&command);
    #[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = std::time::Instant::now();
    let child = command.stdin(Stdio::null()).stdout(output).spawn().with_context(|| format!("start {line}"))?;
    let used = child.wait4().with_context(|| format!("wait for {line}"))?;
    if !used.status.success() {
        bail!("{line} ended with {}", used.status);
    }
    Ok(Round { cpu: used.rusage.utime + used.rusage.stime, wall: start.elapsed(), peak_bytes: used.rusage.maxrss })
}

/// The middle value; of an even number, the lower of the two in the middle.
pub fn median<T: PartialOrd + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut sorted: Vec<T> = values.collect();
    sorted.sort_by(|left, right| left.partial_cmp(right).unwrap_or(std::cmp::Ordering::Equal));
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_kernel_counts_what_a_child_used() {
        let idle = child(shell("exit 0")).unwrap();
        let busy = child(shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")).unwrap();
        assert!(busy.cpu > idle.cpu, "{busy:?} {idle:?}");
        assert!(idle.peak_bytes > 100_000);
    }

    #[test]
    fn a_failed_step_is_no_measurement() {
        assert!(child(shell("exit 3")).is_err());
    }

    #[test]
    fn rounds_start_clean_and_the_first_is_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made");
        let path = made.display().to_string();
        let contender = Contender {
            name: "shell",
            leaves: vec![made.clone()],
            before: vec![],
            measured: Box::new(move || shell(&format!("test ! -e {path} && mkdir {path}"))),
            after: vec![],
            kept: None,
        };
        let measured = job(&asked(contender, 0), 3).unwrap();
        assert_eq!((measured.rounds, measured.contenders[0].rounds.len(), measured.contenders[0].checked), (3, 3, 4));
    }

    fn asked(contender: Contender, rounds_min: usize) -> Job {
        Job { name: "a", what: String::new(), rounds_min, contenders: vec![contender], goals: vec![], missing: vec![] }
    }

    #[test]
    fn what_is_wrong_after_a_round_is_counted_and_ends_nothing() {
        let after: Vec<Step> = vec![Box::new(|| shell("exit 1"))];
        let contender =
            Contender { name: "shell", leaves: vec![], before: vec![], measured: Box::new(|| shell("exit 0")), after, kept: None };
        // A job that wants more rounds than were asked for gets them.
        let measured = job(&asked(contender, 2), 1).unwrap();
        assert_eq!((measured.rounds, measured.contenders[0].rounds.len(), measured.contenders[0].wrong.len()), (2, 2, 3));
        let broken =
            Contender { name: "shell", leaves: vec![], before: vec![], measured: Box::new(|| shell("exit 3")), after: vec![], kept: None };
        assert!(job(&asked(broken, 0), 1).is_err());
    }

    #[test]
    fn what_a_round_costs_is_what_lies_there_before_what_looks_at_it() {
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("rows");
        let at = rows.display().to_string();
        let fill = |mode: &str, bytes: usize| -> Step {
            let script = format!("head -c {bytes} /dev/zero {mode} {at}");
            Box::new(move || shell(&script))
        };
        let told = r#"{"store": {"gets": 5, "puts": 4, "lists": 3, "deletes": 2, "heads": 1, "bytes_read": 7, "bytes_written": 6}}"#;
        let at = rows.display().to_string();
        let contender = Contender {
            name: "shell",
            leaves: vec![rows.clone()],
            before: vec![fill(">", 100)],
            measured: Box::new(move || shell(&format!("head -c 20 /dev/zero >> {at}; echo '{told}'"))),
            after: vec![fill(">>", 7)],
            kept: Some(Kept { rows, said: folder.path().join("said") }),
        };
        let measured = job(&asked(contender, 0), 2).unwrap();
        let costs = &measured.contenders[0].costs;
        let sizes: Vec<(u64, u64)> = costs.iter().map(|cost| (cost.before.bytes, cost.after.bytes)).collect();
        assert_eq!(sizes, [(100, 120), (100, 120)]);
        assert_eq!(costs[0].asked.map(|asked| (asked.puts, asked.bytes_written)), Some((4, 6)));
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let ms = Duration::from_millis;
        let times: Vec<Duration> = (1..=200).rev().map(ms).collect();
        let of = |share| percentile(&times, share).unwrap();
        assert_eq!((of(0.5), of(0.99), of(1.0)), (ms(100), ms(198), ms(200)));
        assert_eq!((percentile(&times[..1], 0.99), percentile(&[], 0.5)), (Some(ms(200)), None));
    }

    #[test]
    fn the_median_is_a_measured_value() {
        assert_eq!(median([3, 1, 2].into_iter()), Some(2));
        assert_eq!(median([4, 1, 2, 3].into_iter()), Some(2));
        assert_eq!(median(std::iter::empty::<u8>()), None);
    }
}
