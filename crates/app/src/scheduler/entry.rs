//! One pipeline of the scheduler.

use std::collections::VecDeque;

use polder_types::Rng;
use polder_types::event::SkipReason;

use super::{Act, After, BACK_MS, Doing, Ended, KILL_AFTER_MS, Known, LATE_MS, Passed, Plan, QUEUE_MAX, Start, Stop, TIMEOUT_GRACE_MS};
use crate::pipeline::{CatchUp, Overlap};

/// A run that waits for its turn.
#[derive(Debug, Clone, Copy)]
struct Wait {
    due_ms: Option<i64>,
    attempt: u32,
    /// Not before.
    ready_ms: i64,
}

/// A run that goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    wait: Wait,
    started_ms: i64,
    /// Since when it is asked to end, and why.
    stop: Option<(Stop, i64)>,
    killed: bool,
}

pub(super) struct Entry {
    plan: Plan,
    /// All due times up to this one are behind.
    handled_ms: i64,
    /// The first one after it.
    pub(super) next_ms: Option<i64>,
    waiting: VecDeque<Wait>,
    pub(super) running: Option<Running>,
    /// When it last had its turn.
    pub(super) turn_ms: i64,
    passed: Vec<Passed>,
    /// It is to go once nothing of it runs.
    pub(super) removed: bool,
}

impl Entry {
    pub(super) fn new(plan: Plan, known: Known, now_ms: i64) -> Self {
        let mut entry = Self {
            plan,
            handled_ms: 0,
            next_ms: None,
            waiting: VecDeque::new(),
            running: None,
            turn_ms: i64::MIN,
            passed: Vec::new(),
            removed: false,
        };
        // One that never ran owes nothing.
        entry.handle(known.due_ms.unwrap_or(now_ms));
        if let Some(resume) = known.resume {
            entry.waiting.push_back(Wait { due_ms: resume.due_ms, attempt: resume.attempt, ready_ms: now_ms });
        }
        entry
    }

    pub(super) fn change(&mut self, plan: Plan, now_ms: i64) {
        self.removed = false;
        let other = plan.schedule != self.plan.schedule;
        self.plan = plan;
        if other {
            self.handle(now_ms);
        }
    }

    pub(super) fn remove(&mut self) {
        self.removed = true;
        self.next_ms = None;
        self.waiting.clear();
    }

    fn handle(&mut self, due_ms: i64) {
        self.handled_ms = due_ms;
        self.next_ms = self.plan.schedule.next_after(due_ms);
    }

    /// Moves what was measured by the clock with it: neither a run's timeout nor a wait passes in no time, or stands still.
    pub(super) fn clock_set(&mut self, by_ms: i64) {
        for wait in &mut self.waiting {
            wait.ready_ms = wait.ready_ms.saturating_add(by_ms);
        }
        if self.turn_ms > i64::MIN {
            self.turn_ms = self.turn_ms.saturating_add(by_ms);
        }
        if let Some(running) = &mut self.running {
            running.started_ms = running.started_ms.saturating_add(by_ms);
            if let Some((_, since_ms)) = &mut running.stop {
                *since_ms = since_ms.saturating_add(by_ms);
            }
        }
    }

    /// Takes up what became due.
    pub(super) fn take_due(&mut self, now_ms: i64) {
        if self.removed {
            return;
        }
        if self.handled_ms > now_ms.saturating_add(BACK_MS) {
            // A clock that had run ahead must not silence a pipeline until it is caught up with.
            self.handle(now_ms);
        }
        if self.next_ms.is_none_or(|next| next > now_ms) {
            return;
        }
        let due = self.plan.schedule.due(self.handled_ms, now_ms, QUEUE_MAX);
        let Some(newest) = due.newest.back().copied() else { return };
        (self.handled_ms, self.next_ms) = (newest, due.next);
        let (mut first, mut last, mut missed) = (due.first, due.last_before, due.before);
        let mut kept = due.newest;
        let pass = match self.plan.catch_up {
            CatchUp::All => 0,
            CatchUp::Latest => kept.len() - 1,
            CatchUp::None if now_ms.saturating_sub(newest) <= LATE_MS => kept.len() - 1,
            CatchUp::None => kept.len(),
        };
        for passed in kept.drain(..pass) {
            first.get_or_insert(passed);
            last = Some(passed);
            missed += 1;
        }
        if let (Some(first_ms), Some(last_ms), 1..) = (first, last, missed) {
            self.pass(Passed { reason: SkipReason::Missed, first_ms, last_ms, times: missed });
        }
        let several = kept.len() > 1;
        for due_ms in kept {
            self.offer(due_ms, several, now_ms);
        }
    }

    /// What is due now, or is owed from a while without a scheduler, by what the pipeline says of runs that meet.
    fn offer(&mut self, due_ms: i64, owed: bool, now_ms: i64) {
        let wait = Wait { due_ms: Some(due_ms), attempt: 1, ready_ms: now_ms };
        let passed = |reason, at: i64| Passed { reason, first_ms: at, last_ms: at, times: 1 };
        let busy = self.running.is_some() || !self.waiting.is_empty();
        if owed || !busy || self.plan.overlap == Overlap::Queue {
            // One that waits for another attempt takes no other's place.
            if self.waiting.iter().filter(|wait| wait.attempt == 1).count() < QUEUE_MAX {
                self.waiting.push_back(wait);
            } else {
                self.pass(passed(SkipReason::QueueFull, due_ms));
            }
        } else if self.plan.overlap == Overlap::Skip {
            self.pass(passed(SkipReason::Overlap, due_ms));
        } else {
            // What has run once and waits for another attempt was no skipped due time.
            let replaced: Vec<i64> = self.waiting.drain(..).filter(|wait| wait.attempt == 1).filter_map(|wait| wait.due_ms).collect();
            for at in replaced {
                self.pass(passed(SkipReason::Replaced, at));
            }
            self.waiting.push_back(wait);
        }
    }

    /// Notes due times that passed, together with those before them for the same reason.
    fn pass(&mut self, passed: Passed) {
        match self.passed.iter_mut().find(|before| before.reason == passed.reason) {
            Some(before) => {
                before.first_ms = before.first_ms.min(passed.first_ms);
                before.last_ms = before.last_ms.max(passed.last_ms);
                before.times = before.times.saturating_add(passed.times);
            }
            None => self.passed.push(passed),
        }
    }

    /// When what waits may begin.
    pub(super) fn ready_ms(&self) -> Option<i64> {
        if self.running.is_some() { None } else { self.waiting.front().map(|wait| wait.ready_ms) }
    }

    pub(super) fn begin(&mut self, pipeline: String, now_ms: i64) -> Option<Start> {
        let wait = self.waiting.pop_front()?;
        self.running = Some(Running { wait, started_ms: now_ms, stop: None, killed: false });
        self.turn_ms = now_ms;
        Some(Start { pipeline, due_ms: wait.due_ms, attempt: wait.attempt, passed: std::mem::take(&mut self.passed) })
    }

    /// Asks what runs to end, once.
    pub(super) fn stop(&mut self, name: &str, why: Stop, now_ms: i64) -> Option<Act> {
        let running = self.running.as_mut().filter(|running| running.stop.is_none())?;
        running.stop = Some((why, now_ms));
        Some(Act::Stop { pipeline: name.to_owned(), why })
    }

    /// When what runs has to be asked to end, or was asked for too long.
    pub(super) fn overdue_ms(&self) -> Option<i64> {
        let running = self.running?;
        match running.stop {
            None => {
                // What takes its place waits.
                let replaced = self.plan.overlap == Overlap::CancelRunning && !self.waiting.is_empty();
                let now = replaced.then_some(running.started_ms);
                let timeout = self.plan.timeout_ms.map(|timeout| timeout.saturating_add(TIMEOUT_GRACE_MS));
                let timeout = timeout.map(|timeout| running.started_ms.saturating_add(timeout));
                [now, timeout].into_iter().flatten().min()
            }
            Some(_) if running.killed => None,
            Some((_, since)) => Some(since.saturating_add(KILL_AFTER_MS)),
        }
    }

    /// What must end.
    pub(super) fn overdue(&mut self, name: &str, now_ms: i64) -> Option<Act> {
        if self.overdue_ms().is_none_or(|at| at > now_ms) {
            return None;
        }
        let replaced = self.plan.overlap == Overlap::CancelRunning && !self.waiting.is_empty();
        let running = self.running.as_mut()?;
        if running.stop.is_none() {
            return self.stop(name, if replaced { Stop::Overlap } else { Stop::Timeout }, now_ms);
        }
        running.killed = true;
        Some(Act::Kill { pipeline: name.to_owned() })
    }

    pub(super) fn doing(&self) -> Doing {
        match (&self.running, self.waiting.front()) {
            (Some(running), _) => {
                let (attempt, since_ms) = (running.wait.attempt, running.started_ms);
                Doing::Running { attempt, since_ms, ending: running.stop.is_some() }
            }
            (None, Some(wait)) => Doing::Waiting { attempt: wait.attempt, ready_ms: wait.ready_ms },
            (None, None) => Doing::Idle,
        }
    }

    /// First attempts that wait, and due times that passed and were not told yet.
    #[cfg(test)]
    pub(super) fn untold(&self) -> (usize, u64) {
        let first = self.waiting.iter().filter(|wait| wait.attempt == 1).count();
        assert!(first <= QUEUE_MAX && self.waiting.len() <= first + 1 && self.passed.len() <= 4);
        (first, self.passed.iter().map(|passed| passed.times).sum())
    }

    pub(super) fn ended(&mut self, ended: Ended, now_ms: i64, closing: bool, rng: &dyn Rng) -> After {
        let Some(running) = self.running.take() else { return After::Done };
        let passes = match ended {
            Ended::Succeeded | Ended::Cancelled => false,
            Ended::Failed { passes } => passes,
            Ended::Interrupted | Ended::Lost => true,
        };
        let attempt = running.wait.attempt;
        // As the next scheduler would do with it.
        let follows = self.plan.retries.follows(attempt) || (ended == Ended::Interrupted && attempt == 1);
        // Whoever was asked to end is not begun again, whatever it says of itself.
        let again = passes && running.stop.is_none() && !closing && !self.removed && follows;
        // What is newer and waits to take its place needs no older one.
        let replaced = self.plan.overlap == Overlap::CancelRunning && !self.waiting.is_empty();
        if !again || replaced {
            return After::Done;
        }
        let at_ms = now_ms.saturating_add(self.plan.retries.wait_ms(attempt, rng));
        let attempt = attempt.saturating_add(1);
        self.waiting.push_front(Wait { due_ms: running.wait.due_ms, attempt, ready_ms: at_ms });
        After::Retry { attempt, at_ms }
    }
}
