//! Figures as a page: goals, medians with their spread, ratios to the first contender, the machine, the versions.

use std::fmt::{Display, Write as _};

use anyhow::Result;

use super::goals::{Judged, Spread, spread};
use super::measure::{Measured, MeasuredJob};
use crate::process::{capture, command};
use crate::workspace;

struct Line {
    cpu: Spread<f64>,
    wall: Spread<f64>,
    peak_megabytes: Spread<u64>,
}

fn line(measured: &Measured) -> Option<Line> {
    Some(Line {
        cpu: spread(measured.rounds.iter().map(|round| round.cpu.as_secs_f64()))?,
        wall: spread(measured.rounds.iter().map(|round| round.wall.as_secs_f64()))?,
        peak_megabytes: spread(measured.rounds.iter().map(|round| round.peak_bytes / 1_000_000))?,
    })
}

/// `median (least..most)`.
fn cell<T: Display + Copy>(spread: Spread<T>, digits: usize) -> String {
    let Spread { middle, least, most } = spread;
    format!("{middle:.digits$} ({least:.digits$}..{most:.digits$})")
}

/// The page's measured part.
pub fn text(jobs: &[MeasuredJob], judged: &[Judged], scale: &str) -> Result<String> {
    let mut page = format!("Scale factor {scale}; medians, in brackets the least and the most of all counted rounds. {}\n", machine()?);
    if !judged.is_empty() {
        page.push_str("\n### Goals\n\n| job | goal | measured | |\n| --- | --- | --- | --- |\n");
        for Judged { job, goal, measured, verdict } in judged {
            writeln!(page, "| {job} | {goal} | {measured} | {} |", verdict.text())?;
        }
    }
    for job in jobs {
        write!(page, "\n### {}\n\n{} Counted rounds: {}.\n", job.name, job.what, job.rounds)?;
        if !job.contenders.is_empty() {
            page.push_str("\n| who | CPU seconds | ratio | seconds | peak MB |\n| --- | ---: | ---: | ---: | ---: |\n");
        }
        let first = job.contenders.first().and_then(line).map(|line| line.cpu.middle);
        for contender in &job.contenders {
            if let (Some(line), Some(first)) = (line(contender), first) {
                let ratio = line.cpu.middle / first.max(0.001);
                let (cpu, wall, peak) = (cell(line.cpu, 2), cell(line.wall, 2), cell(line.peak_megabytes, 0));
                writeln!(page, "| {} | {cpu} | {ratio:.2} | {wall} | {peak} |", contender.name)?;
            }
        }
        for contender in &job.contenders {
            if let Some(wrong) = contender.wrong.first() {
                write!(page, "\nWrong: {} in {} of {} rounds; first: {wrong}\n", contender.name, contender.wrong.len(), contender.checked)?;
            }
        }
        for missing in &job.missing {
            write!(page, "\nNot measured: {missing}.\n")?;
        }
    }
    Ok(page)
}

/// The machine, the commit and the day, in one line.
pub fn machine() -> Result<String> {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processor.lines().find_map(|line| line.strip_prefix("model name")).map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes: u64 =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    let commit = capture(command("git").current_dir(workspace::root()).args(["rev-parse", "--short", "HEAD"]), "ask git for the commit")?;
    let day = capture(command("date").args(["-u", "+%Y-%m-%d"]), "ask for the day")?;
    Ok(format!("{cores} cores of {model}, {} GB; commit {}, {}.", kilobytes / 1_000_000, commit.trim(), day.trim()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::goals::Verdict;
    use super::super::measure::Round;
    use super::*;

    #[test]
    fn each_job_has_its_rounds_medians_with_their_spread_and_ratios_to_the_first() {
        let round = |seconds: u64, megabytes: u64| Round {
            cpu: Duration::from_secs(seconds),
            wall: Duration::from_secs(1),
            peak_bytes: megabytes * 1_000_000,
        };
        let measured = |name, rounds: Vec<Round>, wrong: Vec<String>| Measured { name, checked: rounds.len(), rounds, wrong };
        let job = MeasuredJob {
            name: "load",
            what: "Work.".into(),
            rounds: 3,
            contenders: vec![
                measured("peer", vec![round(4, 5), round(2, 7), round(3, 6)], vec![]),
                measured("polder", vec![round(6, 5)], vec!["q01 differs".into()]),
            ],
            goals: vec![],
            missing: vec!["something, because".into()],
        };
        let judged = Judged { job: "load", goal: "at most 1.40".into(), measured: "2.00".into(), verdict: Verdict::Missed };
        let text = text(&[job], &[judged], "1").unwrap();
        assert!(text.contains("\n### Goals\n"), "{text}");
        assert!(text.contains("| load | at most 1.40 | 2.00 | MISSED |"), "{text}");
        assert!(text.contains("Work. Counted rounds: 3."), "{text}");
        assert!(text.contains("| peer | 3.00 (2.00..4.00) | 1.00 | 1.00 (1.00..1.00) | 6 (5..7) |"), "{text}");
        assert!(text.contains("| polder | 6.00 (6.00..6.00) | 2.00 | 1.00 (1.00..1.00) | 5 (5..5) |"), "{text}");
        assert!(text.contains("Wrong: polder in 1 of 1 rounds; first: q01 differs"), "{text}");
        assert!(text.contains("Not measured: something, because."), "{text}");
    }
}
