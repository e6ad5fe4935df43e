//! What begins when: all pipelines on a clock that is passed in. Knows no process, no file and no time of its own: whoever drives it tells
//! it the time ([`Scheduler::tick`]) and what became of what it began ([`Scheduler::ended`]), and sleeps until [`Scheduler::next_wakeup`].
//!
//! A pipeline never runs twice at once, and no more run together than there are slots. Who waits longest since their last turn is next.

mod entry;

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_types::Rng;
use polder_types::event::SkipReason;

use self::entry::Entry;
use crate::pipeline::{CatchUp, Overlap, Pipeline, Retries};
use crate::schedule::Schedule;

/// Due times of one pipeline that may wait.
pub const QUEUE_MAX: usize = 100;
/// How late a due time may be seen and still be one of now, in milliseconds.
pub const LATE_MS: i64 = 60_000;
/// How long a run that has reached its timeout is left to see to that itself, in milliseconds: it measures from later on, and has to
/// record and to tell that it took too long. Whoever is asked to end before that is cancelled, which is told to nobody.
pub const TIMEOUT_GRACE_MS: i64 = 60_000;
/// How long whoever was asked to end is waited for, in milliseconds.
pub const KILL_AFTER_MS: i64 = 60_000;
/// What a clock may go back by before due times behind it are forgotten, in milliseconds.
const BACK_MS: i64 = 600_000;

/// What the scheduler goes by of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// When it is due.
    pub schedule: Schedule,
    /// What is tried again.
    pub retries: Retries,
    /// Longest run, in milliseconds.
    pub timeout_ms: Option<i64>,
    /// When it is due while it runs.
    pub overlap: Overlap,
    /// After a while without a scheduler.
    pub catch_up: CatchUp,
}

impl Plan {
    /// What there is to go by; none for a pipeline that is never due by itself.
    pub fn of(pipeline: &Pipeline) -> Option<Self> {
        let schedule = pipeline.schedule.clone()?;
        let Pipeline { retries, timeout_ms, overlap, catch_up, .. } = pipeline;
        Some(Self { schedule, retries: *retries, timeout_ms: *timeout_ms, overlap: *overlap, catch_up: *catch_up })
    }
}

/// What the log knows of a pipeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// The newest due time that was run or skipped, in milliseconds since the epoch.
    pub due_ms: Option<i64>,
    /// What was broken off, or waited for another attempt.
    pub resume: Option<Resume>,
}

/// What is still owed of a due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// The due time.
    pub due_ms: Option<i64>,
    /// The attempt that is next, from 2.
    pub attempt: u32,
}

/// Due times that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Why.
    pub reason: SkipReason,
    /// The first and the last of them, in milliseconds since the epoch.
    pub first_ms: i64,
    /// See `first_ms`.
    pub last_ms: i64,
    /// How many.
    pub times: u64,
}

/// A run to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The pipeline.
    pub pipeline: String,
    /// When it was due, in milliseconds since the epoch.
    pub due_ms: Option<i64>,
    /// From 1.
    pub attempt: u32,
    /// What passed since the last start.
    pub passed: Vec<Passed>,
}

/// Why a run is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It takes too long. It sees to that by itself; this is for one that does not.
    Timeout,
    /// A newer one takes its place.
    Overlap,
    /// The scheduler is shut down.
    Shutdown,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Begin a run.
    Start(Start),
    /// Ask a pipeline's run to end.
    Stop {
        /// The pipeline.
        pipeline: String,
        /// Why.
        why: Stop,
    },
    /// End it, since it did not.
    Kill {
        /// The pipeline.
        pipeline: String,
    },
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All is done.
    Succeeded,
    /// It failed; whether that may pass.
    Failed {
        /// Whether it may.
        passes: bool,
    },
    /// Someone ended it.
    Cancelled,
    /// It was told to end by something else than the scheduler, and nobody meant it to be left at that.
    Interrupted,
    /// Its process ended without a word.
    Lost,
}

/// What comes after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Another attempt, at this time, in milliseconds since the epoch.
    Retry {
        /// Which, from 2.
        attempt: u32,
        /// When.
        at_ms: i64,
    },
    /// Nothing, until it is due again.
    Done,
}

/// How a pipeline stands with the scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The pipeline.
    pub pipeline: String,
    /// What goes on, or waits.
    pub doing: Doing,
    /// When it is due next, in milliseconds since the epoch.
    pub next_due_ms: Option<i64>,
}

/// What a pipeline is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nothing, until it is due.
    Idle,
    /// An attempt waits: for its time, or for the run of another pipeline.
    Waiting {
        /// Which, from 1.
        attempt: u32,
        /// Not before, in milliseconds since the epoch.
        ready_ms: i64,
    },
    /// An attempt goes on.
    Running {
        /// Which, from 1.
        attempt: u32,
        /// Since when, in milliseconds since the epoch.
        since_ms: i64,
        /// It was asked to end.
        ending: bool,
    },
}

/// All pipelines.
pub struct Scheduler {
    entries: BTreeMap<String, Entry>,
    /// Runs that may go on together, and those that do.
    slots: usize,
    running: usize,
    rng: Arc<dyn Rng>,
    /// Nothing begins any more.
    closing: bool,
}

impl Scheduler {
    /// One without pipelines.
    pub fn new(slots: usize, rng: Arc<dyn Rng>) -> Self {
        Self { entries: BTreeMap::new(), slots: slots.max(1), running: 0, rng, closing: false }
    }

    /// Takes up a pipeline, or what changed of it: due times of another schedule count from now on.
    pub fn set(&mut self, name: &str, plan: Plan, known: Known, now_ms: i64) {
        match self.entries.get_mut(name) {
            Some(entry) => entry.change(plan, now_ms),
            None => {
                self.entries.insert(name.to_owned(), Entry::new(plan, known, now_ms));
            }
        }
    }

    /// Lets go of pipelines that are not among these. What runs is let run.
    pub fn keep(&mut self, names: &[&str]) {
        for (name, entry) in &mut self.entries {
            if !names.contains(&name.as_str()) {
                entry.remove();
            }
        }
        self.entries.retain(|_, entry| entry.running.is_some() || !entry.removed);
    }

    /// What is to be done now.
    pub fn tick(&mut self, now_ms: i64) -> Vec<Act> {
        let mut acts = Vec::new();
        for (name, entry) in &mut self.entries {
            if !self.closing {
                entry.take_due(now_ms);
            }
            acts.extend(entry.overdue(name, now_ms));
        }
        while let Some(start) = self.next_start(now_ms) {
            acts.push(Act::Start(start));
        }
        acts
    }

    /// The run whose turn it is, if a slot is free.
    fn next_start(&mut self, now_ms: i64) -> Option<Start> {
        if self.closing || self.running >= self.slots {
            return None;
        }
        let ready = self.entries.iter().filter_map(|(name, entry)| {
            let ready_ms = entry.ready_ms().filter(|ready_ms| *ready_ms <= now_ms)?;
            Some((entry.turn_ms, ready_ms, name))
        });
        let name = ready.min()?.2.clone();
        let start = self.entries.get_mut(&name)?.begin(name, now_ms)?;
        self.running = self.running.saturating_add(1);
        Some(start)
    }

    /// A run ended.
    pub fn ended(&mut self, pipeline: &str, ended: Ended, now_ms: i64) -> After {
        let Some(entry) = self.entries.get_mut(pipeline).filter(|entry| entry.running.is_some()) else { return After::Done };
        self.running = self.running.saturating_sub(1);
        let after = entry.ended(ended, now_ms, self.closing, self.rng.as_ref());
        if entry.removed {
            self.entries.remove(pipeline);
            return After::Done;
        }
        after
    }

    /// Asks all that runs to end, and begins nothing any more.
    pub fn close(&mut self, now_ms: i64) -> Vec<Act> {
        self.closing = true;
        self.entries.iter_mut().filter_map(|(name, entry)| entry.stop(name, Stop::Shutdown, now_ms)).collect()
    }

    /// The clock was set, by so much: what was measured with it before goes on as if it had not been. Due times are those of the new time.
    pub fn clock_set(&mut self, by_ms: i64) {
        self.entries.values_mut().for_each(|entry| entry.clock_set(by_ms));
    }

    /// When there is something to do next, in milliseconds since the epoch, if nothing ends before.
    pub fn next_wakeup(&self) -> Option<i64> {
        let free = !self.closing && self.running < self.slots;
        let times = self.entries.values().flat_map(|entry| {
            let due = entry.next_ms.filter(|_| !self.closing);
            [due, entry.ready_ms().filter(|_| free), entry.overdue_ms()]
        });
        times.flatten().min()
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How each pipeline stands, by name.
    pub fn standing(&self) -> Vec<Standing> {
        let standing =
            self.entries.iter().map(|(name, entry)| Standing { pipeline: name.clone(), doing: entry.doing(), next_due_ms: entry.next_ms });
        standing.collect()
    }

    /// When a pipeline is due next, in milliseconds since the epoch.
    pub fn next_due(&self, pipeline: &str) -> Option<i64> {
        self.entries.get(pipeline)?.next_ms
    }
}

#[cfg(test)]
mod tests;
