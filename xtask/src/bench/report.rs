//! Figures as a page: medians, ratios to the first contender, the machine, the versions.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::measure::{Measured, MeasuredJob, median};
use crate::process::{capture, command};
use crate::workspace;

/// The marks around what one scale factor's run writes.
fn marks(scale: &str) -> (String, String) {
    (format!("<!-- scale factor {scale}: written by `cargo xtask bench` from here -->"), format!("<!-- scale factor {scale}: to here -->"))
}

struct Line {
    cpu: f64,
    wall: f64,
    peak_megabytes: u64,
}

fn line(measured: &Measured) -> Option<Line> {
    Some(Line {
        cpu: median(measured.rounds.iter().map(|round| round.cpu.as_secs_f64()))?,
        wall: median(measured.rounds.iter().map(|round| round.wall.as_secs_f64()))?,
        peak_megabytes: median(measured.rounds.iter().map(|round| round.peak_bytes))? / 1_000_000,
    })
}

/// The page's measured part.
pub fn text(jobs: &[MeasuredJob], scale: &str, rounds: usize) -> Result<String> {
    let mut page = format!("Scale factor {scale}, {rounds} counted rounds, medians. {}\n", machine()?);
    for job in jobs {
        write!(page, "\n### {}\n\n{}\n", job.name, job.what)?;
        if !job.contenders.is_empty() {
            page.push_str("\n| who | CPU seconds | ratio | seconds | peak MB |\n| --- | ---: | ---: | ---: | ---: |\n");
        }
        let first = job.contenders.first().and_then(line).map(|line| line.cpu);
        for contender in &job.contenders {
            if let (Some(line), Some(first)) = (line(contender), first) {
                let ratio = line.cpu / first.max(0.001);
                writeln!(page, "| {} | {:.2} | {ratio:.2} | {:.2} | {} |", contender.name, line.cpu, line.wall, line.peak_megabytes)?;
            }
        }
        for missing in &job.missing {
            write!(page, "\nNot measured: {missing}.\n")?;
        }
    }
    Ok(page)
}

fn machine() -> Result<String> {
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

/// Puts the measured part between the marks and leaves the rest of the page as it is.
pub fn write(page: &Path, scale: &str, text: &str) -> Result<()> {
    let old = std::fs::read_to_string(page).with_context(|| format!("read {}", page.display()))?;
    let new = placed(&old, scale, text)?;
    std::fs::write(page, new).with_context(|| format!("write {}", page.display()))
}

fn placed(old: &str, scale: &str, text: &str) -> Result<String> {
    let (begin, end) = marks(scale);
    let (Some((before, rest)), true) = (old.split_once(&begin), old.contains(&end)) else {
        bail!("docs/benchmarks.md has no marks `{begin}` and `{end}`; put them where the figures of this scale factor belong");
    };
    let Some((_, after)) = rest.split_once(&end) else {
        bail!("docs/benchmarks.md holds its marks in the wrong order");
    };
    Ok(format!("{before}{begin}\n{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::measure::Round;
    use super::*;

    #[test]
    fn figures_go_between_the_marks() {
        let (begin, end) = marks("1");
        let (other, last) = marks("3");
        let page = format!("# Head\n{begin}\nold\n{end}\n{other}\nkept\n{last}\ntail\n");
        let wanted = format!("# Head\n{begin}\nnew\n{end}\n{other}\nkept\n{last}\ntail\n");
        assert_eq!(placed(&page, "1", "new\n").unwrap(), wanted);
        assert!(placed(&page, "10", "new").is_err());
        assert!(placed("# Head\n", "1", "new").is_err());
    }

    #[test]
    fn ratios_are_to_the_first_and_what_is_missing_is_said() {
        let round = |seconds| Round { cpu: Duration::from_secs(seconds), wall: Duration::from_secs(1), peak_bytes: 5_000_000 };
        let job = MeasuredJob {
            name: "load",
            what: "Work.".into(),
            contenders: vec![
                Measured { name: "peer", rounds: vec![round(4), round(2), round(3)] },
                Measured { name: "polder", rounds: vec![round(6)] },
            ],
            missing: vec!["something, because".into()],
        };
        let text = text(&[job], "1", 3).unwrap();
        assert!(text.contains("| peer | 3.00 | 1.00 | 1.00 | 5 |"), "{text}");
        assert!(text.contains("| polder | 6.00 | 2.00 | 1.00 | 5 |"), "{text}");
        assert!(text.contains("Not measured: something, because."), "{text}");
    }
}
