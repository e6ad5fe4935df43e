//! `polder run --watch`: looks again and again at the files of the sources, and loads those that stand still.

use std::time::Duration;

use crate::cli::{Output, RunArgs};
use crate::command::run::{self, any_passes, passes};
use crate::course::Course;
use crate::failure::Outcome;
use crate::ingest::{Look, Settled};
use crate::installation::Installation;
use crate::print;
use crate::signals::Ends;
use crate::wiring::Loss;

/// Shortest time for which a file stands still before it is loaded, however often it is looked at.
const STILL_MIN: Duration = Duration::from_secs(2);
/// Longest time until what failed, and may pass, is tried again, unless looks are further apart.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// Runs whenever files settled, until the process is told to end. A run that was begun is ended.
///
/// # Errors
/// What the last run met, or that nothing could begin.
pub async fn watch(
    installation: &Installation,
    args: &RunArgs,
    seconds: u64,
    memory_mib: u64,
    loss: Option<Loss>,
    output: Output,
) -> Outcome {
    let mut ends = Ends::new()?;
    let between = Duration::from_secs(seconds);
    let still = between.saturating_mul(2).max(STILL_MIN);
    let mut before = look(installation, args)?;
    print::note(&format!("watching {}; looking again every {seconds} s; SIGTERM or Ctrl-C ends it", counted(before.files())));
    warn_of(&before, &Look::default());
    let mut last: Outcome = Ok(());
    let mut tries = Tries::new(Settled::default());
    // What the last look failed for, which is said once.
    let mut blind: Option<String> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(between) => {}
            _ = ends.told() => return last,
        }
        tries.look();
        let now = match look(installation, args) {
            Ok(now) => now,
            Err(failure) => {
                // A file of the project that is half saved, or wrong until someone mends it.
                let text = failure.to_string();
                if blind.as_ref() != Some(&text) {
                    print::warn("this look failed, and the next one tries again", &failure);
                }
                blind = Some(text);
                continue;
            }
        };
        blind = None;
        warn_of(&now, &before);
        let settled = now.settled_since(&before, still);
        let declared = now.declares_as(&before);
        before = now;
        if !declared || settled.is_empty() || !tries.is_due(&settled) {
            continue;
        }
        let (ended, again) = run_once(installation, args, memory_mib, loss, output, &settled).await;
        let wait = tries.ended(settled, again, between);
        if let Err(failure) = &ended {
            print::warn(&failed(wait), failure);
        }
        last = ended;
    }
}

/// What is said of a run that failed, by how long the next try waits.
fn failed(wait: Option<Duration>) -> String {
    match wait {
        Some(wait) => format!("this run failed, next try in {} s or when files change", wait.as_secs()),
        None => "this run failed, and the next one tries again when files change".to_owned(),
    }
}

/// When something is tried: at once where it differs from what was tried last. The same is tried again only where what failed may pass, and
/// after each failure in a row it waits twice as long. The looks are counted, so no clock is asked.
struct Tries<T> {
    last: T,
    /// How often the last failed in a row.
    failures: u32,
    /// Looks until the last is tried again; none where it is not.
    looks: Option<u32>,
}

impl<T: PartialEq> Tries<T> {
    fn new(last: T) -> Self {
        Self { last, failures: 0, looks: None }
    }

    /// A look begins.
    fn look(&mut self) {
        self.looks = self.looks.map(|looks| looks.saturating_sub(1));
    }

    fn is_due(&self, found: &T) -> bool {
        *found != self.last || self.looks == Some(0)
    }

    /// A run of this ended, and another one may cure what failed in it, or not: how long it waits for that.
    fn ended(&mut self, tried: T, again: bool, between: Duration) -> Option<Duration> {
        let before = if tried == self.last { self.failures } else { 0 };
        self.failures = if again { before.saturating_add(1) } else { 0 };
        self.last = tried;
        self.looks = again.then(|| looks_to_wait(self.failures, between));
        self.looks.map(|looks| between.saturating_mul(looks))
    }
}

/// After so many failures in a row the same is tried again that many looks later: 1, 2, 4, and so on, up to what [`WAIT_MAX`] holds.
fn looks_to_wait(failures: u32, between: Duration) -> u32 {
    let most = WAIT_MAX.as_secs().checked_div(between.as_secs()).unwrap_or(1);
    let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
    1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(most)
}

/// A run of what settled, and whether another one may cure something that failed in it: not only the gravest failure says so.
async fn run_once(
    installation: &Installation,
    args: &RunArgs,
    memory_mib: u64,
    loss: Option<Loss>,
    output: Output,
    settled: &Settled,
) -> (Outcome, bool) {
    let refused = |failure| {
        let again = passes(&failure);
        (Err(failure), again)
    };
    let course = match Course::new(installation.rng.as_ref()) {
        Ok(course) => course,
        Err(failure) => return refused(failure),
    };
    let before = installation.store.backend().asked();
    let reports = match run::batches(installation, args, memory_mib, loss, Some(settled), &course).await {
        Ok(reports) => reports,
        Err(failure) => return refused(failure),
    };
    let again = any_passes(&reports);
    let ended = run::end(installation, course.run(), reports, None, before, output).await;
    let again = again || ended.as_ref().is_err_and(passes);
    (ended, again)
}

/// Says what this look found wrong and the one before did not.
fn warn_of(now: &Look, before: &Look) {
    now.problems_since(before).iter().for_each(|problem| print::note(&format!("warning: {problem}")));
}

fn counted(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

/// The files of the datasets whose contracts are run.
fn look(installation: &Installation, args: &RunArgs) -> Outcome<Look> {
    let contracts = installation.project.contracts()?;
    let chosen = |name: &str| args.select.is_empty() || args.select.iter().any(|selected| selected == name);
    let chosen = contracts.into_iter().filter(|(_, contract)| chosen(contract.table.as_str()));
    let datasets = chosen.map(|(_, contract)| (contract.source, contract.dataset));
    Look::new(&installation.project, datasets, installation.clock.now_ms())
}

#[cfg(test)]
mod tests {
    use polder_types::ErrorKind;

    use super::*;
    use crate::failure::Failure;
    use crate::ingest::BatchReport;

    #[test]
    fn what_may_pass_is_tried_again_whatever_else_failed() {
        let failed = |kinds: &[ErrorKind]| -> Vec<BatchReport> {
            kinds.iter().map(|kind| BatchReport::refused("t".to_owned(), Failure::new(*kind, "load t"))).collect()
        };
        for kind in [ErrorKind::Unavailable, ErrorKind::Conflict, ErrorKind::Busy] {
            assert!(any_passes(&failed(&[ErrorKind::Rejected, kind, ErrorKind::Denied])));
        }
        assert!(!any_passes(&failed(&[ErrorKind::Rejected, ErrorKind::Invalid, ErrorKind::Corrupt])));
        assert!(!any_passes(&[]));
    }

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn what_fails_is_tried_again_later_and_later_up_to_a_limit() {
        let waits = |seconds: u64| -> Vec<u64> {
            let between = Duration::from_secs(seconds);
            (1..=8).map(|failures| u64::from(looks_to_wait(failures, between)) * seconds).collect()
        };
        assert_eq!(waits(10), [10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(waits(7), [7, 14, 28, 56, 112, 224, 448, 595]);
        assert_eq!(waits(400), [400; 8]);
        // Looks that are further apart than the limit are all that there is.
        assert_eq!(waits(3600), [3600; 8]);
        assert_eq!((looks_to_wait(u32::MAX, TEN), looks_to_wait(u32::MAX, Duration::ZERO)), (60, 1));
        // The looks at which a run begins, when all of them fail.
        let mut tries = Tries::new("");
        let mut tried = Vec::new();
        for look in 1..=200 {
            tries.look();
            if tries.is_due(&"a") {
                tried.push(look);
                assert!(tries.ended("a", true, TEN).is_some());
            }
        }
        assert_eq!(tried, [1, 2, 4, 8, 16, 32, 64, 124, 184]);
    }

    #[test]
    fn success_and_other_files_begin_the_wait_anew() {
        let mut tries = Tries::new("");
        for wait in [10, 20, 40] {
            assert_eq!(tries.ended("a", true, TEN), Some(Duration::from_secs(wait)));
        }
        tries.look();
        assert!(!tries.is_due(&"a") && tries.is_due(&"ab"));
        assert_eq!(tries.ended("ab", true, TEN), Some(TEN));
        assert_eq!(tries.ended("ab", true, TEN), Some(TEN * 2));
        // What went well, or cannot pass, is not tried again.
        assert_eq!(tries.ended("ab", false, TEN), None);
        tries.look();
        assert!(!tries.is_due(&"ab") && tries.is_due(&"a"));
        assert_eq!(tries.ended("ab", true, TEN), Some(TEN));
        assert_eq!(failed(Some(TEN * 4)), "this run failed, next try in 40 s or when files change");
    }
}
