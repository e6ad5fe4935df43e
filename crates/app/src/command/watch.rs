//! `polder run --watch`: looks again and again at the files of the sources, and loads those that stand still.

use std::time::Duration;

use polder_types::ErrorKind;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Output, RunArgs};
use crate::command::run;
use crate::failure::{Failure, Outcome};
use crate::ingest::{BatchReport, Look, Settled};
use crate::installation::Installation;
use crate::print;
use crate::wiring::Loss;

/// Shortest time for which a file stands still before it is loaded, however often it is looked at.
const STILL_MIN: Duration = Duration::from_secs(2);

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
    let mut again = false;
    let mut done = Settled::default();
    // What the last look failed for, which is said once.
    let mut blind: Option<String> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(between) => {}
            () = ends.told() => return last,
        }
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
        if !declared || settled.is_empty() || (settled == done && !again) {
            continue;
        }
        (last, again) = run_once(installation, args, memory_mib, loss, output, &settled).await;
        if let Err(failure) = &last {
            print::warn(if again { TRIES_AGAIN } else { WAITS }, failure);
        }
        done = settled;
    }
}

const TRIES_AGAIN: &str = "this run failed, and the next look tries again";
const WAITS: &str = "this run failed, and the next one tries again when files change";

/// A run of what settled, and whether another one may cure something that failed in it: not only the gravest failure says so.
async fn run_once(
    installation: &Installation,
    args: &RunArgs,
    memory_mib: u64,
    loss: Option<Loss>,
    output: Output,
    settled: &Settled,
) -> (Outcome, bool) {
    let (run, reports) = match run::batches(installation, args, memory_mib, loss, Some(settled)).await {
        Ok(batches) => batches,
        Err(failure) => {
            let again = passes(&failure);
            return (Err(failure), again);
        }
    };
    let again = any_passes(&reports);
    let ended = run::end(installation, run, reports, output).await;
    let again = again || ended.as_ref().is_err_and(passes);
    (ended, again)
}

fn any_passes(reports: &[BatchReport]) -> bool {
    reports.iter().filter_map(|report| report.failure.as_ref()).any(passes)
}

/// Whether a failure may pass without anybody's doing.
fn passes(failure: &Failure) -> bool {
    matches!(failure.kind(), ErrorKind::Unavailable | ErrorKind::Conflict | ErrorKind::Busy)
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

/// The signals that end it.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn new() -> Outcome<Self> {
        let listen = |kind| signal(kind).map_err(|error| Failure::because(ErrorKind::Internal, "listen for signals", &error));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for one; one that came during a run is not lost.
    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
