//! `polder run --watch`: looks again and again at the files of the sources, and loads those that stand still.

use std::time::Duration;

use polder_types::ErrorKind;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Output, RunArgs};
use crate::command::run;
use crate::failure::{Failure, Outcome};
use crate::ingest::{Look, Settled};
use crate::installation::Installation;
use crate::print;
use crate::wiring::Loss;

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
    let mut before = look(installation, args)?;
    print::note(&format!("watching {}; looking again every {seconds} s; SIGTERM or Ctrl-C ends it", counted(before.files())));
    let mut last: Outcome = Ok(());
    let mut done = Settled::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
            () = ends.told() => return last,
        }
        let now = look(installation, args)?;
        let settled = now.settled_since(&before);
        before = now;
        let again = last.as_ref().is_err_and(|failure| matches!(failure.kind(), ErrorKind::Unavailable | ErrorKind::Busy));
        if settled.is_empty() || (settled == done && !again) {
            continue;
        }
        last = run::run_settled(installation, args, memory_mib, loss, output, Some(&settled)).await;
        if let Err(failure) = &last {
            print::warn("this run failed, and the next one tries again when files change", failure);
        }
        done = settled;
    }
}

fn counted(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

/// The files of the datasets whose contracts are run.
fn look(installation: &Installation, args: &RunArgs) -> Outcome<Look> {
    let contracts = installation.project.contracts()?;
    let chosen = |name: &str| args.select.is_empty() || args.select.iter().any(|selected| selected == name);
    let chosen = contracts.into_iter().filter(|(_, contract)| chosen(contract.table.as_str()));
    Look::new(&installation.project, chosen.map(|(_, contract)| (contract.source, contract.dataset)))
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
