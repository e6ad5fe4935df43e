//! Runs as the log tells of them: which there were, what their steps came to, and what is left to do of one.

use std::collections::BTreeMap;

use polder_audit::{Filter, Resolved, RunInfo, Shown, State};
use polder_contract::yaml;
use polder_types::event::{Counts, RunResult};
use polder_types::{ErrorKind, EventKind, NameId, RunId};

use crate::course::{STEPS, STOPPED};
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::name_id::Named;
use crate::project::Project;

/// Entries that are read at once.
const CHUNK: u64 = 4096;
/// Entries behind a run's end among which its notices are.
const TOLD_AFTER: u64 = 256;
/// Most attempts that one run can be the last of.
const CHAIN_MAX: usize = 200;
/// Fewest letters that a run may be called by.
const PREFIX_MIN: usize = 4;

/// What one step of a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct StepEnd {
    /// What stands for its name.
    pub step: NameId,
    /// Its table's name, where that has keys.
    pub table: Option<String>,
    /// A fixed word.
    pub status: String,
    /// The counts.
    pub counts: Option<Counts>,
    /// The word of the failure's kind.
    pub error: Option<String>,
    /// When it began and ended, in milliseconds since the epoch.
    pub started_ms: i64,
    /// See `started_ms`.
    pub ended_ms: i64,
}

/// What is left to do of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Tables and models; none where nobody knows, for it never came to that.
    pub steps: Option<Vec<String>>,
    /// Those that failed for what no trying again cures, and the words of their failures' kinds.
    pub beyond: Vec<(String, String)>,
}

/// The run of an id, or of letters that an id begins with.
///
/// # Errors
/// When there is no such run, or more than one.
pub fn find(state: &State, text: &str) -> Outcome<RunId> {
    let named: Vec<RunId> = match text.parse::<RunId>() {
        Ok(run) => state.runs.contains_key(&run).then_some(run).into_iter().collect(),
        Err(_) if text.len() >= PREFIX_MIN => state.runs.keys().filter(|run| run.to_string().starts_with(text)).copied().collect(),
        Err(_) => Vec::new(),
    };
    let advice = "`polder runs list` shows the newest";
    match named.as_slice() {
        [run] => Ok(*run),
        [] => Err(Failure::new(
            ErrorKind::NotFound,
            format!("find run {text}: the log tells of none whose id that is or begins with; {advice}"),
        )),
        _ => Err(Failure::new(
            ErrorKind::Invalid,
            format!("find run {text}: the ids of {} runs begin with that; write more of it", named.len()),
        )),
    }
}

/// How a run ended, as far as it did: none while it goes on, or when its process was killed and nobody has noticed yet.
pub fn result(info: &RunInfo) -> Option<RunResult> {
    match (&info.concluded, &info.finished) {
        (Some(concluded), _) => Some(concluded.result),
        // Of a triggered run the conclusion counts.
        (None, Some(end)) if info.triggered.is_none() => Some(if end.failed == 0 { RunResult::Succeeded } else { RunResult::Failed }),
        _ => None,
    }
}

/// The entries of the log among which those of a run are.
fn range(installation: &Installation, info: &RunInfo) -> std::ops::Range<u64> {
    let last = info.concluded.as_ref().map(|end| end.index).into_iter().chain(info.finished.map(|end| end.index)).max();
    // One that nothing was told of the end of may still go on.
    let end = match last {
        Some(last) if last > 0 && (info.concluded.is_some() || info.triggered.is_none()) => last.saturating_add(1),
        _ => installation.journal.size(),
    };
    info.index..end.max(info.index)
}

/// What the steps of a run came to, in the order in which they ended.
///
/// # Errors
/// When the run is not remembered, or the log cannot be read.
pub async fn steps(installation: &Installation, run: RunId) -> Outcome<Vec<StepEnd>> {
    let state = installation.journal.state();
    let Some(info) = state.runs.get(&run) else { return Ok(Vec::new()) };
    let names: BTreeMap<_, _> = installation.keys.datasets().into_iter().map(|dataset| (dataset.id, dataset.name)).collect();
    let range = range(installation, info);
    let mut steps = Vec::new();
    let mut from = range.start;
    while from < range.end {
        let to = from.saturating_add(CHUNK).min(range.end);
        for entry in installation.journal.entries(from..to).await? {
            if let EventKind::StepFinished { run: of, step, dataset, status, counts, error, started_ms } = entry.event
                && of == run
            {
                let table = dataset.and_then(|dataset| names.get(&dataset)?.strip_prefix("table:").map(str::to_owned));
                steps.push(StepEnd { step, table, status, counts, error, started_ms, ended_ms: entry.time_ms });
            }
        }
        from = to;
    }
    Ok(steps)
}

/// The entries of a run with their private values: to be read by those alone who may read the log, and recorded.
///
/// # Errors
/// When the log cannot be read.
pub async fn entries(installation: &Installation, run: RunId, kinds: &[&str]) -> Outcome<Vec<Shown>> {
    let state = installation.journal.state();
    let Some(info) = state.runs.get(&run) else { return Ok(Vec::new()) };
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let range = range(installation, info);
    // What was told of it stands behind its end.
    let range = range.start..range.end.saturating_add(TOLD_AFTER).min(installation.journal.size()).max(range.start);
    let filter = Filter { range: Some(range), kinds, run: Some(run), ..Filter::default() };
    Ok(installation.journal.show(&filter, usize::MAX).await?)
}

/// What a run was to do: none where it never came to that.
///
/// # Errors
/// When the log cannot be read, or what it was to do was erased.
async fn planned(installation: &Installation, run: RunId) -> Outcome<Option<Vec<String>>> {
    let Some(shown) = entries(installation, run, &["run_started"]).await?.into_iter().next() else { return Ok(None) };
    match shown.private.get(STEPS) {
        Some(Resolved::Value(text)) => {
            let names = serde_json::from_str(text);
            names.map(Some).map_err(|error| Failure::because(ErrorKind::Internal, "read what a run was to do", &error))
        }
        Some(Resolved::Erased) => {
            Err(Failure::new(ErrorKind::Rejected, format!("repeat run {run}: what it was to do was erased; run the tables by name")))
        }
        None => Err(Failure::new(
            ErrorKind::Invalid,
            format!("repeat run {run}: it is none of loads and models that can be repeated; do what was done once more"),
        )),
    }
}

/// What is left to do of a run and of those that it repeats: steps that failed, were broken off, or were never begun. `passing`: without
/// those that failed for what no trying again cures, and models that read them.
///
/// # Errors
/// When the log cannot be read, or what was to be done was erased.
pub async fn left(installation: &Installation, run: RunId, passing: bool) -> Outcome<Left> {
    let state = installation.journal.state();
    let mut chain = vec![run];
    while let Some(before) = chain.last().and_then(|run| state.runs.get(run)?.triggered?.retry_of)
        && chain.len() < CHAIN_MAX
        && !chain.contains(&before)
    {
        chain.push(before);
    }
    let (mut planned_first, mut newest) = (None, BTreeMap::new());
    for run in chain.into_iter().rev() {
        if planned_first.is_none() {
            planned_first = planned(installation, run).await?;
        }
        for step in steps(installation, run).await? {
            let error = if step.status == STOPPED { Some(STOPPED.to_owned()) } else { step.error };
            newest.insert(step.step, error);
        }
    }
    let Some(planned) = planned_first else { return Ok(Left::default()) };
    let mut left = Left { steps: Some(Vec::new()), beyond: Vec::new() };
    for name in planned {
        match newest.get(&installation.name_id(Named::Step, &name)?) {
            Some(None) => {}
            Some(Some(kind)) if passing && !may_pass(kind) => left.beyond.push((name, kind.clone())),
            Some(Some(_)) | None => left.steps.get_or_insert_default().push(name),
        }
    }
    Ok(left)
}

/// Whether a failure of this kind may pass without anybody's doing, or was none.
fn may_pass(kind: &str) -> bool {
    let passing = [ErrorKind::Unavailable, ErrorKind::Conflict, ErrorKind::Busy];
    kind == STOPPED || passing.iter().any(|passing| passing.name() == kind)
}

/// The names of pipelines that have a file, by what stands for them in the log.
///
/// # Errors
/// When the folder cannot be read, or the keys are unavailable. What stands in the files does not matter.
pub fn pipeline_names(installation: &Installation) -> Outcome<BTreeMap<NameId, String>> {
    let names = installation.project.pipeline_names()?;
    names.into_iter().map(|name| Ok((installation.name_id(Named::Pipeline, &name)?, name))).collect()
}

/// The names of tables and models that have a file, by what stands for them in the log.
///
/// # Errors
/// When the keys are unavailable. Files that are wrong have no names.
pub fn step_names(installation: &Installation) -> Outcome<BTreeMap<NameId, String>> {
    let project: &Project = &installation.project;
    let contracts = project.contracts().unwrap_or_default().into_iter().map(|(_, contract)| contract.table.to_string());
    let models = project.models().unwrap_or_default().into_iter().map(|(name, _)| name);
    contracts.chain(models).map(|name| Ok((installation.name_id(Named::Step, &name)?, name))).collect()
}

/// The id of a pipeline that was named, which may have no file any more.
///
/// # Errors
/// When no run of a pipeline of that name is remembered, and no file has its name.
pub fn pipeline_id(installation: &Installation, name: &str) -> Outcome<NameId> {
    let id = installation.name_id(Named::Pipeline, name)?;
    if installation.journal.state().pipelines.contains_key(&id) {
        return Ok(id);
    }
    let names = pipeline_names(installation)?;
    if names.contains_key(&id) {
        return Ok(id);
    }
    let names: Vec<&str> = names.values().map(String::as_str).collect();
    let advice = if names.is_empty() { "pipelines/ holds no file".to_owned() } else { yaml::suggest(name, &names) };
    Err(Failure::new(ErrorKind::Invalid, format!("find pipeline {name}: it has no file and no run; {advice}")))
}

#[cfg(test)]
mod tests {
    use polder_audit::{Concluded, RunEnd, Triggered};
    use polder_types::event::Trigger;

    use super::*;

    #[test]
    fn a_run_is_found_by_letters_that_only_its_id_begins_with() {
        let mut state = State::default();
        for byte in [0xab, 0xac, 0xcd] {
            state.runs.insert(RunId([byte; 16]), RunInfo::default());
        }
        let mut twin = [0xab; 16];
        twin[15] = 0;
        state.runs.insert(RunId(twin), RunInfo::default());
        assert_eq!(find(&state, &RunId([0xab; 16]).to_string()).unwrap(), RunId([0xab; 16]));
        assert_eq!(find(&state, "acac").unwrap(), RunId([0xac; 16]));
        assert_eq!(find(&state, "abab").unwrap_err().kind(), ErrorKind::Invalid);
        for unknown in ["", "cd", "ffff", &RunId([9; 16]).to_string()] {
            assert_eq!(find(&state, unknown).unwrap_err().kind(), ErrorKind::NotFound, "{unknown}");
        }
    }

    #[test]
    fn what_a_triggered_run_came_to_is_its_conclusion() {
        let end = |failed| Some(RunEnd { time_ms: 1, committed: 1, failed, index: 5 });
        let plain = |finished| RunInfo { finished, ..RunInfo::default() };
        assert_eq!(result(&plain(None)), None);
        assert_eq!(result(&plain(end(0))), Some(RunResult::Succeeded));
        assert_eq!(result(&plain(end(2))), Some(RunResult::Failed));
        let triggered = Triggered { trigger: Trigger::Hand, pipeline: None, attempt: 1, retry_of: None, due_ms: None };
        let mut run = RunInfo { triggered: Some(triggered), ..plain(end(0)) };
        assert_eq!(result(&run), None, "killed before it was concluded");
        run.concluded = Some(Concluded { time_ms: 1, index: 6, result: RunResult::TimedOut, error: None, again: false });
        assert_eq!(result(&run), Some(RunResult::TimedOut));
    }

    #[test]
    fn what_was_stopped_or_may_pass_is_tried_again() {
        for passes in ["stopped", "unavailable", "conflict", "busy"] {
            assert!(may_pass(passes));
        }
        for stays in ["rejected", "invalid", "denied", "corrupt", "internal", "not_found", ""] {
            assert!(!may_pass(stays));
        }
    }
}
