//! Goals as data: a bound on what was measured, and whether it was kept.

use std::time::Duration;

use super::measure::{Measured, MeasuredJob, Round, median, percentile};

/// A bound on one contender of a job. Names are those of the job's contenders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// The median of its CPU seconds by that of another. `aim` is where it should come to one day.
    CpuRatio { of: &'static str, to: &'static str, most: f64, aim: Option<f64> },
    /// The median of its time by the clock by that of another.
    WallRatio { of: &'static str, to: &'static str, most: f64, aim: Option<f64> },
    /// Its peak memory in any round.
    PeakMegabytes { of: &'static str, most: u64 },
    /// Its highest peak memory by that of another.
    PeakRatio { of: &'static str, to: &'static str, most: f64 },
    /// Of a hundred answers, all but the slowest come at most so much later than those of another.
    AddedP99 { of: &'static str, to: &'static str, most: Duration },
    /// What is checked after each round was right, or each answer.
    Right { of: &'static str },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Met,
    Missed,
    /// The contender, or the one it is compared with, was not there.
    NotMeasured,
}

/// A goal beside what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub job: &'static str,
    pub goal: String,
    pub measured: String,
    pub verdict: Verdict,
}

impl Verdict {
    pub fn text(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotMeasured => "not measured",
        }
    }
}

/// Every goal of every job.
pub fn judge(jobs: &[MeasuredJob]) -> Vec<Judged> {
    jobs.iter().flat_map(|job| job.goals.iter().map(|goal| one(job, goal))).collect()
}

/// How many goals stand in the way of success. What was not measured does, unless only the peers were asked for.
pub fn unmet(judged: &[Judged], peers_only: bool) -> usize {
    let counts = |verdict| match verdict {
        Verdict::Met => false,
        Verdict::Missed => true,
        Verdict::NotMeasured => !peers_only,
    };
    judged.iter().filter(|judged| counts(judged.verdict)).count()
}

fn one(job: &MeasuredJob, goal: &Goal) -> Judged {
    let is_measured = |one: &Measured| !(one.rounds.is_empty() && one.latencies.is_empty());
    let measured = |name: &str| job.contenders.iter().find(|one| one.name == name && is_measured(one));
    let (text, found) = match *goal {
        Goal::CpuRatio { of, to, most, aim } => {
            let aim = aim.map_or(String::new(), |aim| format!(" (aim {aim:.2})"));
            let found = measured(of).zip(measured(to)).and_then(|(of, to)| ratio(of, to, |round| round.cpu.as_secs_f64()));
            let found = found.map(|Spread { middle, least, most: highest }| {
                (format!("{middle:.2} (by round {least:.2}..{highest:.2})"), middle <= most)
            });
            (format!("CPU of {of}, by {to}: at most {most:.2}{aim}"), found)
        }
        Goal::WallRatio { of, to, most, aim } => {
            let aim = aim.map_or(String::new(), |aim| format!(" (aim {aim:.2})"));
            let found = measured(of).zip(measured(to)).and_then(|(of, to)| ratio(of, to, |round| round.wall.as_secs_f64()));
            let found = found.map(|Spread { middle, least, most: highest }| {
                (format!("{middle:.2} (by round {least:.2}..{highest:.2})"), middle <= most)
            });
            (format!("time of {of}, by {to}: at most {most:.2}{aim}"), found)
        }
        Goal::PeakMegabytes { of, most } => {
            let found = measured(of).and_then(peak).map(|bytes| (format!("{} MB", bytes / 1_000_000), bytes <= most * 1_000_000));
            (format!("peak memory of {of}, in any round: at most {most} MB"), found)
        }
        Goal::PeakRatio { of, to, most } => {
            let found = measured(of).zip(measured(to)).and_then(|(of, to)| {
                let ratio = megabytes(peak(of)?) / megabytes(peak(to)?).max(0.001);
                Some((format!("{ratio:.2}"), ratio <= most))
            });
            (format!("peak memory of {of}, by {to}: at most {most:.2}"), found)
        }
        Goal::AddedP99 { of, to, most } => {
            let found = measured(of).zip(measured(to)).and_then(|(of, to)| {
                let (of, to) = (percentile(&of.latencies, 0.99)?, percentile(&to.latencies, 0.99)?);
                let told = format!("{:.1} ms ({:.1} and {:.1})", milliseconds(of) - milliseconds(to), milliseconds(of), milliseconds(to));
                Some((told, of <= to.saturating_add(most)))
            });
            (format!("p99 of {of}: at most that of {to} and {:.0} ms", milliseconds(most)), found)
        }
        Goal::Right { of } => {
            let found = measured(of).map(|one| {
                let (checked, what) = (one.checked, if one.latencies.is_empty() { "rounds" } else { "answers" });
                match one.wrong.len() {
                    0 => (format!("right in {checked} of {checked} {what}"), true),
                    wrong => (format!("wrong in {wrong} of {checked} {what}"), false),
                }
            });
            let each = if job.contenders.iter().any(|one| !one.latencies.is_empty()) { "each time" } else { "in each round" };
            (format!("answers of {of}: as expected, {each}"), found)
        }
    };
    let (measured, verdict) = match found {
        Some((measured, true)) => (measured, Verdict::Met),
        Some((measured, false)) => (measured, Verdict::Missed),
        None => ("nothing".to_owned(), Verdict::NotMeasured),
    };
    Judged { job: job.name, goal: text, measured, verdict }
}

/// The middle of some figures and their ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread<T> {
    pub middle: T,
    pub least: T,
    pub most: T,
}

/// The spread of figures; none of none.
pub fn spread<T: PartialOrd + Copy>(values: impl Iterator<Item = T> + Clone) -> Option<Spread<T>> {
    let end = |wanted: std::cmp::Ordering| {
        values.clone().reduce(|best, value| if value.partial_cmp(&best) == Some(wanted) { value } else { best })
    };
    let (least, most) = (end(std::cmp::Ordering::Less)?, end(std::cmp::Ordering::Greater)?);
    Some(Spread { middle: median(values)?, least, most })
}

/// The ratio of the medians; its ends are those of the ratios round by round, since rounds take turns.
fn ratio(of: &Measured, to: &Measured, seconds: impl Fn(&Round) -> f64) -> Option<Spread<f64>> {
    let middle = |one: &Measured| median(one.rounds.iter().map(&seconds));
    let by_round = of.rounds.iter().zip(&to.rounds).map(|(of, to)| seconds(of) / seconds(to).max(0.001));
    let by_round: Vec<f64> = by_round.collect();
    Some(Spread { middle: middle(of)? / middle(to)?.max(0.001), ..spread(by_round.into_iter())? })
}

fn peak(one: &Measured) -> Option<u64> {
    one.rounds.iter().map(|round| round.peak_bytes).max()
}

/// A time in milliseconds, to be shown.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Bytes as millions of them, to be shown or divided.
#[allow(clippy::cast_precision_loss, reason = "a ratio of sizes is shown with two digits")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &'static str, rounds: &[(u64, u64)]) -> Measured {
        let rounds: Vec<Round> = rounds
            .iter()
            .map(|(milliseconds, megabytes)| Round {
                cpu: Duration::from_millis(*milliseconds),
                wall: Duration::from_secs(1),
                peak_bytes: megabytes * 1_000_000,
            })
            .collect();
        let checked = rounds.len();
        Measured { rounds, checked, ..Measured::new(name) }
    }

    fn verdict(goal: Goal, contenders: Vec<Measured>) -> (String, Verdict) {
        let job = MeasuredJob { name: "job", what: String::new(), rounds: 3, contenders, goals: vec![goal], missing: vec![] };
        let judged = judge(&[job]).pop().unwrap();
        (judged.measured, judged.verdict)
    }

    #[test]
    fn a_ratio_is_that_of_the_medians_and_its_bound_is_met_to_the_last() {
        let goal = |most| Goal::CpuRatio { of: "polder", to: "peer", most, aim: Some(1.0) };
        let contenders =
            || vec![contender("peer", &[(1000, 1), (2000, 1), (4000, 1)]), contender("polder", &[(2000, 1), (2000, 1), (3000, 1)])];
        // Medians 2 and 2; round by round 2, 1 and 0.75.
        assert_eq!(verdict(goal(1.0), contenders()), ("1.00 (by round 0.75..2.00)".to_owned(), Verdict::Met));
        assert_eq!(verdict(goal(0.99), contenders()).1, Verdict::Missed);
    }

    #[test]
    fn time_by_the_clock_is_judged_apart_from_the_processors() {
        let goal = |most| Goal::WallRatio { of: "polder", to: "peer", most, aim: None };
        let contenders = || vec![contender("peer", &[(1000, 1)]), contender("polder", &[(9000, 1)])];
        assert_eq!(verdict(goal(1.0), contenders()), ("1.00 (by round 1.00..1.00)".to_owned(), Verdict::Met));
        assert_eq!(verdict(goal(0.9), contenders()).1, Verdict::Missed);
    }

    #[test]
    fn peak_memory_is_the_highest_of_all_rounds() {
        let goal = |most| Goal::PeakMegabytes { of: "polder", most };
        let contenders = || vec![contender("polder", &[(1, 100), (1, 460), (1, 100)])];
        assert_eq!(verdict(goal(460), contenders()), ("460 MB".to_owned(), Verdict::Met));
        assert_eq!(verdict(goal(459), contenders()).1, Verdict::Missed);
        let goal = |most| Goal::PeakRatio { of: "large", to: "small", most };
        let contenders = || vec![contender("small", &[(1, 180), (1, 200)]), contender("large", &[(1, 250), (1, 100)])];
        assert_eq!(verdict(goal(1.25), contenders()), ("1.25".to_owned(), Verdict::Met));
        assert_eq!(verdict(goal(1.24), contenders()).1, Verdict::Missed);
    }

    #[test]
    fn an_addition_is_to_the_others_slowest_but_one_of_a_hundred() {
        let answers = |name, slow: u64| {
            let times = (1..=100).map(|number| Duration::from_millis(if number > 98 { slow } else { 1 }));
            Measured { latencies: times.collect(), ..Measured::new(name) }
        };
        let goal = |most| Goal::AddedP99 { of: "polder", to: "peer", most: Duration::from_millis(most) };
        let both = || vec![answers("peer", 3), answers("polder", 18)];
        assert_eq!(verdict(goal(15), both()), ("15.0 ms (18.0 and 3.0)".to_owned(), Verdict::Met));
        assert_eq!(verdict(goal(14), both()).1, Verdict::Missed);
        assert_eq!(verdict(goal(15), vec![answers("peer", 3), Measured::new("polder")]).1, Verdict::NotMeasured);
        let mut wrong = answers("polder", 1);
        (wrong.checked, wrong.wrong) = (120, vec!["key 5".to_owned()]);
        assert_eq!(verdict(Goal::Right { of: "polder" }, vec![wrong]), ("wrong in 1 of 120 answers".to_owned(), Verdict::Missed));
    }

    #[test]
    fn one_wrong_answer_misses_the_goal() {
        let goal = Goal::Right { of: "polder" };
        assert_eq!(verdict(goal, vec![contender("polder", &[(1, 1), (1, 1)])]), ("right in 2 of 2 rounds".to_owned(), Verdict::Met));
        let mut wrong = contender("polder", &[(1, 1), (1, 1)]);
        wrong.wrong.push("q01 differs".into());
        assert_eq!(verdict(goal, vec![wrong]), ("wrong in 1 of 2 rounds".to_owned(), Verdict::Missed));
    }

    #[test]
    fn what_was_not_measured_is_no_success_but_for_peers_alone() {
        let goal = Goal::CpuRatio { of: "polder", to: "peer", most: 1.0, aim: None };
        for contenders in [vec![contender("peer", &[(1, 1)])], vec![contender("peer", &[(1, 1)]), contender("polder", &[])]] {
            assert_eq!(verdict(goal, contenders).1, Verdict::NotMeasured);
        }
        let judged = |verdict| Judged { job: "job", goal: String::new(), measured: String::new(), verdict };
        let all = [judged(Verdict::Met), judged(Verdict::Missed), judged(Verdict::NotMeasured)];
        assert_eq!((unmet(&all, false), unmet(&all, true), unmet(&all[..1], false)), (2, 1, 0));
    }

    #[test]
    fn a_spread_has_a_middle_and_two_ends() {
        assert_eq!(spread([3, 1, 2].into_iter()), Some(Spread { middle: 2, least: 1, most: 3 }));
        assert_eq!(spread(std::iter::empty::<u8>()), None);
    }
}
