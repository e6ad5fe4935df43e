//! `polder scheduler`: runs the pipelines of a project when they are due, until it is told to end. It decides on a clock and begins a
//! process for each run; it opens the store for reading only, and holds no lease, so that people can work beside it. `polder serve` does the same
//! with runs inside its own process.

mod child;
mod daemon;
pub(crate) mod inside;
mod processes;
pub(crate) mod readiness;
pub mod standing;
mod steady;

use std::collections::BTreeMap;

use polder_audit::State;
use polder_types::event::{RunResult, Trigger};
use polder_types::{ErrorKind, NameId};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::process::Signal;

use self::daemon::Daemon;
use self::processes::Processes;
use self::readiness::Readiness;
use crate::cli::{Global, Output, SchedulerArgs, SchedulerCommand};
use crate::command::pipeline::attempt::unsettled;
use crate::failure::{Failure, Outcome};
use crate::freshness;
use crate::installation::Installation;
use crate::name_id::Named;
use crate::pipeline::{CatchUp, Pipeline};
use crate::print;
use crate::project::Project;
use crate::scheduler::{Known, Resume};
use crate::settings::Store;
use crate::signals::Ends;

/// How long a run waits for another writer, in seconds, unless the command line says otherwise.
const WAIT_S: u64 = 3600;

/// Ends a process that the scheduler began when the scheduler is gone: nobody would count it.
///
/// # Errors
/// When it is gone already.
pub fn of_parent(parent: Option<i32>) -> Outcome {
    let Some(parent) = parent else { return Ok(()) };
    let gone = || Failure::new(ErrorKind::Unavailable, "run for the scheduler: it is gone; it begins what is due once it runs again");
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).map_err(|_| gone())?;
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if now == Some(parent) { Ok(()) } else { Err(gone()) }
}

/// `polder scheduler` and its verb.
///
/// # Errors
/// As [`live`] and [`standing::show`].
pub async fn run(global: &Global, args: &SchedulerArgs, output: Output) -> Outcome {
    match args.command {
        None => live(global).await,
        Some(SchedulerCommand::Status) => standing::show(&Project::find(global.project.as_deref(), &global.env)?, output),
    }
}

/// Runs what is due until a signal ends it.
///
/// # Errors
/// When files or store cannot be read as it begins, or another scheduler runs. Later it says so and goes on.
async fn live(global: &Global) -> Outcome {
    let ends = Ends::new()?;
    let project = Project::find(global.project.as_deref(), &global.env)?;
    let _alone = alone(&project)?;
    let workers = Processes::new(global.clone())?;
    let mut daemon = Daemon::new(project, workers, Readiness::from_environment());
    let scheduling = daemon.take_up_all().await?;
    print::note(&format!("{scheduling}; SIGTERM or Ctrl-C ends it"));
    daemon.live(ends).await;
    Ok(())
}

/// Two schedulers of one installation would each run everything.
pub(crate) fn alone(project: &Project) -> Outcome<rustix::fd::OwnedFd> {
    let dir = match &project.environment().store {
        Store::Directory(directory) => project.path(directory),
        // A bucket has no directory here; the project has.
        Store::S3(_) => project.dir().to_path_buf(),
    };
    let failed = |error: rustix::io::Errno| Failure::because(ErrorKind::Unavailable, format!("open {}", dir.display()), &error);
    let lock = rustix::fs::open(&dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(Failure::new(ErrorKind::Busy, "run the scheduler: another one runs for this store on this host; end it first"))
        }
        Err(error) => Err(failed(error)),
    }
}

/// What the log knows of a pipeline, and when it is to be looked at: when the first of its tables is too old.
type Looked = BTreeMap<String, (Known, Option<i64>)>;

/// Reads the log beside whoever writes it.
async fn look(installation: &Installation, pipelines: &[Pipeline]) -> Outcome<Looked> {
    let (state, now_ms) = (installation.journal.state(), installation.clock.now_ms());
    let mut looked = Looked::new();
    for pipeline in pipelines {
        let id = installation.name_id(Named::Pipeline, &pipeline.name)?;
        let judged = freshness::judge(installation, pipeline, now_ms).await?;
        // What was not told yet is looked at at once.
        let news = judged.iter().any(freshness::Judged::is_news) || unsettled(&state, pipeline, id, now_ms);
        let look_ms = news.then_some(now_ms).or_else(|| freshness::next_stale_ms(&judged));
        looked.insert(pipeline.name.clone(), (known(&state, id, pipeline), look_ms));
    }
    Ok(looked)
}

/// Where the log says that a pipeline stands.
fn known(state: &State, id: NameId, pipeline: &Pipeline) -> Known {
    let Some(info) = state.pipelines.get(&id) else { return Known::default() };
    let last = info.last.and_then(|run| state.runs.get(&run));
    let resume = last.and_then(|last| {
        // What a person or another scheduler asked for is theirs to ask for again.
        let triggered = last.triggered.filter(|triggered| triggered.trigger != Trigger::Hand && triggered.due_ms.is_some())?;
        let attempt = triggered.attempt.saturating_add(1);
        let owed = match &last.concluded {
            Some(end) if end.result == RunResult::Interrupted => true,
            Some(end) => end.again,
            // Its process was killed, perhaps by what it did: not without end.
            None => triggered.attempt <= pipeline.retries.max.max(1),
        };
        owed.then_some(Resume { due_ms: triggered.due_ms, attempt })
    });
    Known { due_ms: info.due_ms, resume: resume.filter(|_| pipeline.catch_up != CatchUp::None) }
}

#[cfg(test)]
mod tests {
    use polder_audit::{Concluded, PipelineInfo, RunInfo, Triggered};
    use polder_types::RunId;

    use super::daemon::{result_of, silent};
    use super::*;
    use crate::scheduler::Ended;

    const ID: NameId = NameId([1; 16]);
    const RUN: RunId = RunId([2; 16]);

    fn state(trigger: Trigger, attempt: u32, result: Option<(RunResult, bool)>) -> State {
        let mut state = State::default();
        let due_ms = (trigger != Trigger::Hand).then_some(500);
        let triggered = Triggered { trigger, pipeline: Some(ID), attempt, retry_of: None, due_ms };
        let concluded = result.map(|(result, again)| Concluded { time_ms: 9, index: 9, result, error: None, again });
        state.runs.insert(RUN, RunInfo { triggered: Some(triggered), concluded, ..RunInfo::default() });
        state.pipelines.insert(ID, PipelineInfo { due_ms: Some(500), last: Some(RUN), ..PipelineInfo::default() });
        state
    }

    #[test]
    fn what_was_broken_off_is_owed_and_nothing_else() {
        let pipeline = Pipeline::parse("schedule: {every: 1h}\nretries: {max: 2}\n", "pipelines/p.yaml").unwrap();
        let resume = |state: &State, pipeline: &Pipeline| known(state, ID, pipeline).resume.map(|resume| resume.attempt);
        assert_eq!(known(&State::default(), ID, &pipeline), Known::default());
        for (result, again, wanted) in [
            (RunResult::Succeeded, false, None),
            (RunResult::Failed, false, None),
            (RunResult::Failed, true, Some(2)),
            (RunResult::TimedOut, false, None),
            (RunResult::Cancelled, false, None),
            (RunResult::Interrupted, false, Some(2)),
        ] {
            let state = state(Trigger::Schedule, 1, Some((result, again)));
            assert_eq!(resume(&state, &pipeline), wanted, "{result:?}");
            assert_eq!(known(&state, ID, &pipeline).due_ms, Some(500));
        }
        // Killed: as often as it is tried again, and once where it is not.
        assert_eq!(resume(&state(Trigger::Schedule, 1, None), &pipeline), Some(2));
        assert_eq!(resume(&state(Trigger::Retry, 2, None), &pipeline), Some(3));
        assert_eq!(resume(&state(Trigger::Retry, 3, None), &pipeline), None);
        let once = Pipeline::parse("schedule: {every: 1h}\n", "pipelines/p.yaml").unwrap();
        assert_eq!(resume(&state(Trigger::Schedule, 1, None), &once), Some(2));
        assert_eq!(resume(&state(Trigger::Retry, 2, None), &once), None);
        // What a person asked for is theirs, and what must not be caught up with is not.
        assert_eq!(resume(&state(Trigger::Hand, 1, None), &pipeline), None);
        let none = Pipeline::parse("schedule: {every: 1h}\ncatch_up: none\n", "pipelines/p.yaml").unwrap();
        assert_eq!(resume(&state(Trigger::Schedule, 1, Some((RunResult::Interrupted, false))), &none), None);
    }

    #[test]
    fn a_run_that_says_nothing_is_known_by_its_exit_code() {
        for (code, passes) in [(1, false), (2, false), (3, false), (4, true), (5, true), (6, false), (7, false)] {
            assert_eq!(silent(Some(code)).0, Ended::Failed { passes }, "{code}");
        }
        // A crash, or a signal.
        for code in [Some(101), Some(134), Some(0), None] {
            assert_eq!(silent(code).0, Ended::Lost, "{code:?}");
        }
    }

    #[test]
    fn what_a_run_says_of_itself_is_understood() {
        let said = |text: &str| result_of(&serde_json::from_str(text).unwrap()).map(|(ended, _)| ended);
        assert_eq!(said(r#"{"result":"succeeded"}"#), Some(Ended::Succeeded));
        assert_eq!(said(r#"{"result":"failed","passes":true}"#), Some(Ended::Failed { passes: true }));
        assert_eq!(said(r#"{"result":"failed"}"#), Some(Ended::Failed { passes: false }));
        assert_eq!(said(r#"{"result":"timed_out","passes":true}"#), Some(Ended::Failed { passes: false }));
        assert_eq!(said(r#"{"result":"cancelled"}"#), Some(Ended::Cancelled));
        assert_eq!(said(r#"{"result":"interrupted"}"#), Some(Ended::Interrupted));
        for nothing in ["{}", r#"{"result":"else"}"#, "[]"] {
            assert_eq!(said(nothing), None);
        }
    }
}
