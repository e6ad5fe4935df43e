//! Runs and pipelines, as the log tells of them.

use std::collections::BTreeMap;

use polder_types::event::{EventKind, Phase, RunResult, Trigger};
use polder_types::{NameId, RunId};
use serde::{Deserialize, Serialize};

use super::State;

/// Finished runs that are remembered, the newest, and runs that have not finished: of these most were killed, and nobody came to say so.
const RUNS_MAX: usize = 1000;

/// A run as far as it has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// The entry of its start.
    pub index: u64,
    pub started_ms: i64,
    pub batches: u32,
    pub batches_started: u32,
    pub batches_failed: u32,
    pub rows_quarantined: u64,
    /// Set by `RunFinished`.
    pub finished: Option<RunEnd>,
    /// Steps of which it is told that they ended, and how many of them failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_finished: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_failed: u32,
    /// Who asked for it; none of a run that nobody asks for by a pipeline, and that repeats no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered: Option<Triggered>,
    /// How it ended, of a run that was triggered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concluded: Option<Concluded>,
}

/// How a run's batches ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEnd {
    pub time_ms: i64,
    pub committed: u32,
    pub failed: u32,
    /// The entry that says so.
    #[serde(default)]
    pub index: u64,
}

/// What a run was asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triggered {
    pub trigger: Trigger,
    pub pipeline: Option<NameId>,
    /// From 1.
    pub attempt: u32,
    pub retry_of: Option<RunId>,
    /// When it was to begin, in milliseconds since the epoch.
    pub due_ms: Option<i64>,
}

/// How a triggered run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concluded {
    pub time_ms: i64,
    /// The entry that says so.
    pub index: u64,
    pub result: RunResult,
    /// The word of the gravest failure's kind.
    pub error: Option<String>,
    /// Whether another attempt follows.
    pub again: bool,
}

/// A pipeline as its runs left it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineInfo {
    /// When its first run began, or its first due time was skipped.
    pub first_ms: i64,
    /// The newest due time that was run or skipped.
    pub due_ms: Option<i64>,
    /// The newest run.
    pub last: Option<RunId>,
    /// The newest run that succeeded, and when it did.
    pub succeeded: Option<(RunId, i64)>,
    /// The first of the runs that ended otherwise since, with no attempt to follow, and when it did.
    pub failing: Option<(RunId, i64)>,
    /// The newest run that failed with no attempt to follow, until it is recorded that someone was told of it, or another succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold: Option<RunId>,
    /// Tables that are older than they may be, each with the time of its newest load when that was told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stale: BTreeMap<NameId, Option<i64>>,
}

/// What became of notices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeCounters {
    /// Those that were announced.
    pub begun: u64,
    /// Receivers that were told, and receivers that could not be.
    pub delivered: u64,
    pub failed: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl State {
    /// Takes an event of runs, pipelines and notices.
    pub(super) fn apply_run(&mut self, index: u64, time_ms: i64, event: &EventKind) {
        match event {
            EventKind::RunTriggered { run, trigger, pipeline, attempt, retry_of, due_ms } => {
                let triggered =
                    Triggered { trigger: *trigger, pipeline: *pipeline, attempt: *attempt, retry_of: *retry_of, due_ms: *due_ms };
                self.runs.insert(*run, RunInfo { index, started_ms: time_ms, triggered: Some(triggered), ..RunInfo::default() });
                if let Some(pipeline) = pipeline {
                    let info = self.pipeline(*pipeline, time_ms);
                    info.last = Some(*run);
                    info.due_ms = info.due_ms.max(*due_ms);
                }
                self.forget_old_runs(false);
            }
            EventKind::RunStarted { run, batches } => {
                // One that was triggered has begun already.
                let started = || RunInfo { index, started_ms: time_ms, ..RunInfo::default() };
                self.runs.entry(*run).or_insert_with(started).batches = *batches;
                self.forget_old_runs(false);
            }
            EventKind::StepFinished { run, error, .. } => self.in_run(run, |info| {
                info.steps_finished = info.steps_finished.saturating_add(1);
                info.steps_failed = info.steps_failed.saturating_add(u32::from(error.is_some()));
            }),
            EventKind::RunFinished { run, committed, failed } => {
                let end = RunEnd { time_ms, committed: *committed, failed: *failed, index };
                self.in_run(run, |info| info.finished = Some(end));
                self.forget_old_runs(true);
            }
            EventKind::RunConcluded { run, pipeline, result, error, again } => {
                let concluded = Concluded { time_ms, index, result: *result, error: error.clone(), again: *again };
                self.in_run(run, |info| {
                    let (committed, failed) = (info.steps_finished.saturating_sub(info.steps_failed), info.steps_failed);
                    // One that could not begin, or was killed, has no end of its own.
                    info.finished.get_or_insert(RunEnd { time_ms, committed, failed, index });
                    info.concluded = Some(concluded);
                });
                if let Some(pipeline) = pipeline {
                    let info = self.pipeline(*pipeline, time_ms);
                    if *result == RunResult::Succeeded {
                        (info.succeeded, info.failing, info.untold) = (Some((*run, time_ms)), None, None);
                    } else if !again {
                        info.failing.get_or_insert((*run, time_ms));
                        // That one was ended is told to nobody.
                        if !matches!(result, RunResult::Cancelled | RunResult::Interrupted) {
                            info.untold = Some(*run);
                        }
                    }
                }
                self.forget_old_runs(true);
            }
            EventKind::DueSkipped { pipeline, last_ms, .. } => {
                let info = self.pipeline(*pipeline, time_ms);
                info.due_ms = info.due_ms.max(Some(*last_ms));
            }
            EventKind::FreshnessJudged { pipeline, table, missed, newest_ms, .. } => {
                let stale = &mut self.pipeline(*pipeline, time_ms).stale;
                if *missed {
                    stale.insert(*table, *newest_ms);
                } else {
                    stale.remove(table);
                }
            }
            EventKind::NoticeSent { pipeline, run, phase, receivers, failed, .. } => match phase {
                Phase::Intent => self.notices.begun = self.notices.begun.saturating_add(1),
                Phase::Outcome | Phase::Aborted => {
                    // Where nobody could be told, nobody was.
                    if let Some(info) = self.pipelines.get_mut(pipeline).filter(|_| failed < receivers) {
                        info.untold = info.untold.filter(|untold| Some(untold) != run.as_ref());
                    }
                    self.notices.delivered = self.notices.delivered.saturating_add(u64::from(receivers.saturating_sub(*failed)));
                    self.notices.failed = self.notices.failed.saturating_add(u64::from(*failed));
                }
            },
            _ => {}
        }
    }

    fn pipeline(&mut self, pipeline: NameId, time_ms: i64) -> &mut PipelineInfo {
        self.pipelines.entry(pipeline).or_insert_with(|| PipelineInfo { first_ms: time_ms, ..PipelineInfo::default() })
    }

    pub(super) fn in_run(&mut self, run: &RunId, change: impl FnOnce(&mut RunInfo)) {
        if let Some(info) = self.runs.get_mut(run) {
            change(info);
        }
    }

    /// Of those that are finished, or of those that are not. Of the finished ones those that somebody ordered, or that were due, are counted apart
    /// from others, of which each request of a program that sends rows is one.
    fn forget_old_runs(&mut self, finished: bool) {
        if self.runs.len() <= RUNS_MAX {
            return;
        }
        let sorts: &[Option<bool>] = if finished { &[Some(false), Some(true)] } else { &[None] };
        for triggered in sorts {
            let alike = self.runs.iter().filter(|(_, info)| {
                info.finished.is_some() == finished && triggered.is_none_or(|triggered| info.triggered.is_some() == triggered)
            });
            let mut alike: Vec<(u64, RunId)> = alike.map(|(run, info)| (info.index, *run)).collect();
            let surplus = alike.len().saturating_sub(RUNS_MAX);
            alike.sort_unstable();
            for (_, run) in alike.into_iter().take(surplus) {
                self.runs.remove(&run);
            }
        }
    }
}
