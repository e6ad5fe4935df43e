//! Figures as a page: goals, medians with their spread, ratios to the first contender, the machine, the versions.

use std::fmt::{Display, Write as _};

use anyhow::Result;

use super::goals::{Judged, Spread, megabytes, milliseconds, spread};
use super::kept::{Asked, Cost};
use super::measure::{Measured, MeasuredJob, median, percentile};
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
        if job.contenders.iter().any(|one| !one.rounds.is_empty()) {
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
        page.push_str(&kept(job));
        page.push_str(&latencies(job)?);
        for contender in &job.contenders {
            if let Some(wrong) = contender.wrong.first() {
                let what = if contender.latencies.is_empty() { "rounds" } else { "answers" };
                let (name, times, checked) = (contender.name, contender.wrong.len(), contender.checked);
                write!(page, "\nWrong: {name} in {times} of {checked} {what}; first: {wrong}\n")?;
            }
        }
        for missing in &job.missing {
            write!(page, "\nNot measured: {missing}.\n")?;
        }
    }
    Ok(page)
}

/// How long answers took, of those who were asked again and again.
fn latencies(job: &MeasuredJob) -> Result<String> {
    let mut lines = String::new();
    for one in job.contenders.iter().filter(|one| !one.latencies.is_empty()) {
        if lines.is_empty() {
            lines.push_str("\n| who | answers | p50 ms | p90 ms | p99 ms | most ms |\n| --- | ---: | ---: | ---: | ---: | ---: |\n");
        }
        write!(lines, "| {} | {}", one.name, one.latencies.len())?;
        for share in [0.5, 0.9, 0.99, 1.0] {
            write!(lines, " | {:.2}", percentile(&one.latencies, share).map_or(0.0, milliseconds))?;
        }
        lines.push_str(" |\n");
    }
    Ok(lines)
}

/// What rounds cost where rows are kept: what lies there, and of those whose reports tell it what they asked of their store.
fn kept(job: &MeasuredJob) -> String {
    let costs = || job.contenders.iter().filter(|one| !one.costs.is_empty());
    if costs().next().is_none() {
        return String::new();
    }
    let told = costs().any(|one| one.costs.iter().any(|cost| cost.asked.is_some()));
    let mut heads = vec!["where rows are kept, medians", "MB before", "MB after", "by before", "deletion vectors, KB"];
    if told {
        heads.extend(["puts", "gets", "heads", "lists", "deletes", "MB written", "MB read"]);
    }
    let mut lines = vec![heads.iter().map(|head| (*head).to_owned()).collect(), ruler(heads.len())];
    lines.extend(costs().map(|one| cost_cells(one, told)));
    let lines = lines.iter().map(|cells: &Vec<String>| format!("| {} |\n", cells.join(" | ")));
    std::iter::once("\n".to_owned()).chain(lines).collect()
}

/// The line under a table's head, whose columns but the first hold numbers.
fn ruler(columns: usize) -> Vec<String> {
    (0..columns).map(|column| if column == 0 { "---" } else { "---:" }.to_owned()).collect()
}

fn cost_cells(one: &Measured, told: bool) -> Vec<String> {
    let middle = |figure: fn(&Cost) -> u64| median(one.costs.iter().map(figure)).unwrap_or_default();
    let (before, after) = (megabytes(middle(|cost| cost.before.bytes)), megabytes(middle(|cost| cost.after.bytes)));
    let ratio = if before > 0.0 { format!("{:.3}", after / before) } else { "–".to_owned() };
    let vectors = middle(|cost| cost.after.vectors_bytes) / 1000;
    let mut cells = vec![one.name.to_owned(), format!("{before:.1}"), format!("{after:.1}"), ratio, vectors.to_string()];
    if told {
        let asked = |figure: fn(&Asked) -> u64| {
            let figures: Vec<u64> = one.costs.iter().filter_map(|cost| cost.asked.as_ref()).map(figure).collect();
            median(figures.into_iter())
        };
        let requests: [fn(&Asked) -> u64; 5] =
            [|asked| asked.puts, |asked| asked.gets, |asked| asked.heads, |asked| asked.lists, |asked| asked.deletes];
        cells.extend(requests.map(|kind| asked(kind).map_or_else(|| "–".to_owned(), |requests| requests.to_string())));
        let bytes: [fn(&Asked) -> u64; 2] = [|asked| asked.bytes_written, |asked| asked.bytes_read];
        cells.extend(bytes.map(|kind| asked(kind).map_or_else(|| "–".to_owned(), |bytes| format!("{:.1}", megabytes(bytes)))));
    }
    cells
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
    use super::super::kept::Size;
    use super::super::measure::Round;
    use super::*;

    fn round(seconds: u64, megabytes: u64) -> Round {
        Round { cpu: Duration::from_secs(seconds), wall: Duration::from_secs(1), peak_bytes: megabytes * 1_000_000 }
    }

    #[test]
    fn what_rounds_cost_where_rows_are_kept_is_told_and_only_that() {
        let size = |bytes, vectors_bytes| Size { bytes, vectors_bytes };
        let asked = Asked { puts: 12, gets: 345, heads: 0, lists: 3, deletes: 1, bytes_written: 14_560_000, bytes_read: 99_000_000 };
        let cost = |after, asked| Cost { before: size(800_000_000, 0), after: size(after, 1_234_567), asked };
        let one = |name, costs: Vec<Cost>| Measured { checked: 1, rounds: vec![round(1, 1)], costs, ..Measured::new(name) };
        let told = |contenders| {
            let job = MeasuredJob { name: "merge", what: "Work.".into(), rounds: 1, contenders, goals: vec![], missing: vec![] };
            text(&[job], &[], "1").unwrap()
        };
        let page = told(vec![
            one("file", vec![Cost { before: size(0, 0), after: size(5_000_000, 0), asked: None }]),
            one("polder", vec![cost(808_000_000, Some(asked)), cost(900_000_000, Some(asked)), cost(816_000_000, Some(asked))]),
        ]);
        let head = "\n| where rows are kept, medians | MB before | MB after | by before | deletion vectors, KB | puts | gets | heads | lists | deletes | MB written | MB read |\n| --- | ---: | ---: |";
        assert!(page.contains(head), "{page}");
        assert!(page.contains("\n| file | 0.0 | 5.0 | – | 0 | – | – | – | – | – | – | – |\n"), "{page}");
        assert!(page.contains("\n| polder | 800.0 | 816.0 | 1.020 | 1234 | 12 | 345 | 0 | 3 | 1 | 14.6 | 99.0 |\n"), "{page}");
        // A report that tells nothing of its store makes no columns.
        let page = told(vec![one("polder", vec![cost(808_000_000, None)])]);
        assert!(page.contains("\n| polder | 800.0 | 808.0 | 1.010 | 1234 |\n") && !page.contains("puts"), "{page}");
        assert!(!told(vec![one("polder", vec![])]).contains("where rows are kept"));
    }

    #[test]
    fn one_who_is_asked_again_and_again_has_percentiles_in_place_of_rounds() {
        let latencies = (1..=1_000).map(Duration::from_micros).collect();
        let one = Measured { latencies, checked: 1_100, wrong: vec!["key 5".into()], ..Measured::new("polder") };
        let contenders = vec![one, Measured::new("not asked")];
        let job = MeasuredJob { name: "served", what: "Work.".into(), rounds: 5, contenders, goals: vec![], missing: vec![] };
        let page = text(&[job], &[], "1").unwrap();
        assert!(page.contains("Counted rounds: 5.\n\n| who | answers | p50 ms | p90 ms | p99 ms | most ms |\n| --- | ---: |"), "{page}");
        assert!(page.contains("\n| polder | 1000 | 0.50 | 0.90 | 0.99 | 1.00 |\n"), "{page}");
        assert!(page.contains("Wrong: polder in 1 of 1100 answers; first: key 5"), "{page}");
        assert!(!page.contains("CPU seconds") && !page.contains("not asked"), "{page}");
    }

    #[test]
    fn each_job_has_its_rounds_medians_with_their_spread_and_ratios_to_the_first() {
        let measured =
            |name, rounds: Vec<Round>, wrong: Vec<String>| Measured { checked: rounds.len(), rounds, wrong, ..Measured::new(name) };
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
