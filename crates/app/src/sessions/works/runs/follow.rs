//! What becomes of a run, out of the log: read as far as it has come, in pieces, and looked at again as long as the run goes on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use polder_serve::Fault;
use polder_serve::works::{Happening, Happenings};
use polder_types::{EventKind, NameId, RunId};

use super::{Runs, failed, find, shown, step, unreadable};
use crate::history::{self, StepEnd};
use crate::installation::Installation;
use crate::sessions::session::Doing;

/// How often it is looked whether something more is in the log.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Entries that are read at once.
const CHUNK: u64 = 1_024;

struct Following {
    acting: Installation,
    run: RunId,
    /// The entry that is read next.
    next: u64,
    /// What has happened so far.
    number: u64,
    /// What was told before.
    after: u64,
    steps: BTreeMap<NameId, String>,
    pipelines: BTreeMap<NameId, String>,
    pending: VecDeque<(u64, Happening)>,
    over: bool,
    /// Who follows is not idle, and takes a place among their questions.
    doing: Doing,
}

pub(in crate::sessions) async fn follow(
    runs: &Runs,
    acting: Installation,
    run: RunId,
    after: u64,
    doing: Doing,
) -> Result<Option<Happenings>, Fault> {
    let info = find(runs, &acting, run).await?;
    let steps = history::step_names(&acting).map_err(|failure| unreadable(&failure))?;
    let pipelines = history::pipeline_names(&acting).map_err(|failure| unreadable(&failure))?;
    let mut following =
        Following { run, next: info.index, number: 0, after, steps, pipelines, pending: VecDeque::new(), over: false, doing, acting };
    // Of a run that has ended it is known whether anything is left to tell.
    if history::result(&info).is_some() {
        while following.pending.is_empty() && !following.over && following.look().await? {}
        if following.pending.is_empty() {
            return Ok(None);
        }
    }
    Ok(Some(Box::pin(futures::stream::unfold(Some(following), |following| async move {
        let mut following = following?;
        match following.told().await {
            Ok(Some(next)) => Some((Ok(next), Some(following))),
            Ok(None) => None,
            Err(fault) => Some((Err(fault), None)),
        }
    }))))
}

impl Following {
    /// What comes next; none after the end.
    async fn told(&mut self) -> Result<Option<(u64, Happening)>, Fault> {
        loop {
            self.doing.may_go_on()?;
            if let Some(next) = self.pending.pop_front() {
                return Ok(Some(next));
            }
            if self.over {
                return Ok(None);
            }
            if !self.look().await? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Reads a piece of the log. False: there is nothing more for now.
    async fn look(&mut self) -> Result<bool, Fault> {
        let end = self.next.saturating_add(CHUNK).min(self.acting.journal.size());
        if self.next >= end {
            return Ok(false);
        }
        for entry in self.acting.journal.entries(self.next..end).await.map_err(|error| failed(&error.into()))? {
            if let Some(happening) = self.happening(entry.event, entry.time_ms) {
                self.number = self.number.saturating_add(1);
                if self.number > self.after {
                    self.pending.push_back((self.number, happening));
                }
            }
            if self.over {
                break;
            }
        }
        self.next = end;
        Ok(true)
    }

    fn happening(&mut self, event: EventKind, time_ms: i64) -> Option<Happening> {
        match event {
            EventKind::RunStarted { run, batches } if run == self.run => Some(Happening::Started(batches)),
            EventKind::StepFinished { run, step: of, dataset: _, status, counts, error, started_ms } if run == self.run => {
                let end = StepEnd { step: of, table: None, status, counts, error, started_ms, ended_ms: time_ms };
                Some(Happening::Step(step(end, &self.steps)))
            }
            EventKind::RunFinished { run, .. } | EventKind::RunConcluded { run, .. } if run == self.run => {
                // Of a triggered run the conclusion is the end.
                let state = self.acting.journal.state();
                let info = state.runs.get(&run)?;
                if matches!(event, EventKind::RunFinished { .. }) && info.triggered.is_some() {
                    return None;
                }
                self.over = true;
                Some(Happening::Ended(shown(run, info, &self.pipelines)))
            }
            _ => None,
        }
    }
}
