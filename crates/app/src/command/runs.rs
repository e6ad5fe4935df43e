//! `polder runs`: which there were, what became of each, and doing or ending one.

use polder_audit::{Resolved, RunInfo, State};
use polder_policy::Action;
use polder_store::{Holder, Lease};
use polder_types::event::{RunResult, Trigger};
use polder_types::{ErrorKind, EventKind, RequestId, RunId};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::{Value, json};

use crate::cli::Output;
use crate::course::{REPORT, STEP};
use crate::failure::{Failure, Outcome};
use crate::history::{self, StepEnd};
use crate::hosted::Host;
use crate::installation::Installation;
use crate::print::{self, Listing, time};
use crate::project::Project;
use crate::storage;

/// Kinds of entries that say something of a run in words.
const TELLING: [&str; 6] = ["run_triggered", "step_finished", "run_concluded", "run_finished", "notice_sent", "batch_failed"];

/// `runs list`, beside a writer.
///
/// # Errors
/// When the log cannot be read, or there is no such pipeline.
pub fn list(installation: &Installation, pipeline: Option<&str>, limit: usize, output: Output) -> Outcome {
    let wanted = pipeline.map(|name| history::pipeline_id(installation, name)).transpose()?;
    let names = history::pipeline_names(installation)?;
    let state = installation.journal.state();
    let mut runs: Vec<(&RunId, &RunInfo)> = state
        .runs
        .iter()
        .filter(|(_, info)| wanted.is_none() || info.triggered.and_then(|triggered| triggered.pipeline) == wanted)
        .collect();
    runs.sort_unstable_by_key(|(_, info)| std::cmp::Reverse(info.index));
    let mut listing =
        Listing::new(&["run", "pipeline", "trigger", "attempt", "started", "seconds", "result", "committed", "failed", "error"]);
    for (run, info) in runs.into_iter().take(limit) {
        let of = info.triggered.and_then(|triggered| triggered.pipeline);
        listing.row([
            json!(run.to_string()),
            json!(of.map(|id| names.get(&id).cloned().unwrap_or_else(|| format!("(no file: {id})")))),
            json!(info.triggered.map_or("hand", |triggered| triggered.trigger.name())),
            json!(info.triggered.map_or(1, |triggered| triggered.attempt)),
            json!(time(info.started_ms)),
            json!(ended_ms(info).map(|ended| seconds(info.started_ms, ended))),
            json!(history::result(info).map_or("unfinished", RunResult::name)),
            json!(info.finished.map(|end| end.committed)),
            json!(info.finished.map(|end| end.failed)),
            json!(info.concluded.as_ref().and_then(|end| end.error.clone())),
        ]);
    }
    listing.print(output)
}

fn ended_ms(info: &RunInfo) -> Option<i64> {
    info.concluded.as_ref().map(|end| end.time_ms).or_else(|| info.finished.map(|end| end.time_ms))
}

fn seconds(from_ms: i64, to_ms: i64) -> i64 {
    to_ms.saturating_sub(from_ms).max(0) / 1000
}

/// `runs show`, beside a writer: ids, counts and times.
///
/// # Errors
/// When there is no such run, or the log cannot be read.
pub async fn show(installation: &Installation, text: &str, output: Output) -> Outcome {
    let state = installation.journal.state();
    let run = history::find(&state, text)?;
    let info = state.runs.get(&run).cloned().unwrap_or_default();
    let (pipelines, names) = (history::pipeline_names(installation)?, history::step_names(installation)?);
    let named = |step: &StepEnd| {
        step.table.clone().or_else(|| names.get(&step.step).cloned()).unwrap_or_else(|| format!("(no file: {})", step.step))
    };
    let steps = history::steps(installation, run).await?;
    let result = history::result(&info).map_or("unfinished", RunResult::name);
    let triggered = info.triggered;
    let pipeline = triggered
        .and_then(|triggered| triggered.pipeline)
        .map(|id| pipelines.get(&id).cloned().unwrap_or_else(|| format!("(no file: {id})")));
    let trigger = triggered.map_or(Trigger::Hand, |triggered| triggered.trigger).name();
    if output == Output::Json {
        let steps: Vec<Value> = steps
            .iter()
            .map(|step| {
                json!({
                    "step": named(step), "status": step.status, "counts": step.counts, "error": step.error,
                    "started": time(step.started_ms), "ended": time(step.ended_ms),
                })
            })
            .collect();
        return print::json(&json!({
            "run": run.to_string(), "pipeline": pipeline, "trigger": trigger, "attempt": triggered.map_or(1, |triggered| triggered.attempt),
            "retry_of": triggered.and_then(|triggered| triggered.retry_of).map(|run| run.to_string()),
            "due": triggered.and_then(|triggered| triggered.due_ms).map(time), "started": time(info.started_ms),
            "ended": ended_ms(&info).map(time), "result": result, "again": info.concluded.as_ref().is_some_and(|end| end.again),
            "error": info.concluded.as_ref().and_then(|end| end.error.clone()), "steps": steps,
        }));
    }
    print::line(&format!("run       {run}"))?;
    if let Some(pipeline) = pipeline {
        print::line(&format!("pipeline  {pipeline}"))?;
    }
    if let Some(triggered) = triggered {
        let due = triggered.due_ms.map(|due| format!(", due {}", time(due))).unwrap_or_default();
        let of = triggered.retry_of.map(|of| format!(", repeats {of}")).unwrap_or_default();
        print::line(&format!("asked by  {trigger}, attempt {}{due}{of}", triggered.attempt))?;
    }
    let ended = ended_ms(&info).map(|ended| format!(" to {}, {} s", time(ended), seconds(info.started_ms, ended))).unwrap_or_default();
    print::line(&format!("from      {}{ended}", time(info.started_ms)))?;
    let again = if info.concluded.as_ref().is_some_and(|end| end.again) { ", and tried again" } else { "" };
    let error = info.concluded.as_ref().and_then(|end| end.error.as_ref()).map(|kind| format!(" ({kind})")).unwrap_or_default();
    print::line(&format!("result    {result}{error}{again}"))?;
    let mut listing = Listing::new(&["step", "status", "seconds", "read", "loaded", "rejected", "quarantined", "error"]);
    for step in &steps {
        listing.row([
            json!(named(step)),
            json!(step.status),
            json!(seconds(step.started_ms, step.ended_ms)),
            json!(step.counts.map(|counts| counts.read)),
            json!(step.counts.map(|counts| counts.loaded)),
            json!(step.counts.map(|counts| counts.rejected)),
            json!(step.counts.map(|counts| counts.quarantined)),
            json!(step.error),
        ]);
    }
    listing.print(output)
}

/// `runs logs`: what was reported of a run and its steps, and what was told of it: a recorded read.
///
/// # Errors
/// When it is not permitted, there is no such run, or the log cannot be read.
pub async fn logs(installation: &Installation, text: &str, output: Output) -> Outcome {
    installation.require(Action::Audit).await?;
    let run = history::find(&installation.journal.state(), text)?;
    let request = RequestId::random(installation.rng.as_ref())?;
    let policies = vec!["Audit".to_owned()];
    installation
        .record(EventKind::ReadDecided { request, datasets: Vec::new(), allowed: true, policies, session: None, grants: Vec::new() })
        .await?;
    let entries = history::entries(installation, run, &TELLING).await?;
    let mut listing = Listing::new(&["time", "event", "step", "says"]);
    for entry in &entries {
        let event = serde_json::to_value(&entry.entry.event).unwrap_or_default();
        let value = |word: &str| match entry.private.get(word) {
            Some(Resolved::Value(text)) => Some(text.clone()),
            Some(Resolved::Erased) => Some("(erased)".to_owned()),
            None => None,
        };
        let says: Vec<String> = [REPORT, "error", "notice", "failures"].into_iter().filter_map(value).collect();
        let kind = event.get("type").cloned().unwrap_or_default();
        let (when, step, says) = (time(entry.entry.time_ms), value(STEP).or_else(|| value("pipeline")), says.join("\n"));
        if output == Output::Table {
            let kind = kind.as_str().unwrap_or_default();
            print::line(&format!("{when}  {kind}{}", step.map(|step| format!("  {step}")).unwrap_or_default()))?;
            says.lines().try_for_each(|line| print::line(&format!("    {line}")))?;
        } else {
            listing.row([json!(when), kind, json!(step), json!(says)]);
        }
    }
    if output != Output::Table {
        listing.print(output)?;
    }
    let rows = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    installation.record(EventKind::ReadFinished { request, rows, complete: true, bytes: None }).await
}

/// `runs cancel` inside the process that serves, where no signal may be sent: all that goes on there would end. None where the run is none of
/// its own that goes on.
pub fn cancel_inside(host: &Host, state: &State, text: &str, output: Output) -> Option<Outcome> {
    let run = match history::find(state, text) {
        Ok(run) => run,
        Err(failure) => return Some(Err(failure)),
    };
    let result = state.runs.get(&run).and_then(history::result);
    if result.is_none() && !host.inside().cancel(run) {
        return Some(Err(Failure::new(
            ErrorKind::Conflict,
            format!(
                "cancel run {run}: `polder serve` holds the lease and does not work on it; it was broken off, and `polder runs retry {run}` does the rest"
            ),
        )));
    }
    if result.is_some() {
        return None;
    }
    Some(match output {
        Output::Json => print::json(&json!({ "run": run.to_string(), "process": std::process::id(), "asked": true })),
        _ => print::line(&format!("run {run}: it was asked to end; `polder runs show {run}` tells when it has")),
    })
}

/// `runs cancel`: asks the process of a run to end it. Whether that may be, the operating system decides: only the account that the process
/// runs under, and root, can.
///
/// # Errors
/// When the run does not go on, goes on elsewhere, or its process belongs to somebody else.
pub fn cancel(project: &Project, state: &State, text: &str, output: Output) -> Outcome {
    let run = history::find(state, text)?;
    let info = state.runs.get(&run).cloned().unwrap_or_default();
    if let Some(result) = history::result(&info) {
        return Err(Failure::new(ErrorKind::Conflict, format!("cancel run {run}: it has ended already: {}", result.name())));
    }
    let backend = storage::backend(project)?;
    let holder = Lease::holder(&backend)?.filter(|holder| holder.since_ms <= info.started_ms);
    let Some(holder) = holder else {
        return Err(Failure::new(
            ErrorKind::Conflict,
            format!("cancel run {run}: no process works on it; it was broken off, and `polder runs retry {run}` does the rest"),
        ));
    };
    if !holder.is_here() {
        return Err(Failure::new(
            ErrorKind::Conflict,
            format!("cancel run {run}: its process runs on another host, or in another container; cancel it there"),
        ));
    }
    signal(run, &holder, || Ok(Lease::holder(&backend)?))?;
    if output == Output::Json {
        return print::json(&json!({ "run": run.to_string(), "process": holder.pid, "asked": true }));
    }
    print::line(&format!("run {run}: process {} was asked to end it; `polder runs show {run}` tells when it has", holder.pid))
}

/// Signals the process itself, not whoever gets its number after it: it is held by a descriptor before it is seen to live still.
fn signal(run: RunId, holder: &Holder, now: impl FnOnce() -> Outcome<Option<Holder>>) -> Outcome {
    let gone =
        || Failure::new(ErrorKind::Conflict, format!("cancel run {run}: its process has just ended; `polder runs show {run}` tells how"));
    let pid = i32::try_from(holder.pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
    if now()?.as_ref() != Some(holder) {
        return Err(gone());
    }
    pidfd_send_signal(&process, Signal::INT).map_err(|error| match error {
        rustix::io::Errno::PERM => Failure::new(
            ErrorKind::Denied,
            format!("cancel run {run}: process {} belongs to another account; only that account and root can end it", holder.pid),
        ),
        rustix::io::Errno::SRCH => gone(),
        other => Failure::because(ErrorKind::Unavailable, format!("cancel run {run}"), &other),
    })
}
