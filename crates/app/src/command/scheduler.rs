//! `polder scheduler`: runs the pipelines of a project when they are due, until it is told to end. It decides on a clock and begins a
//! process for each run; it opens the store for reading only, and holds no lease, so that people can work beside it.

mod child;
pub(crate) mod readiness;
mod steady;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use polder_audit::State;
use polder_types::event::{RunResult, Trigger};
use polder_types::{Clock, ErrorKind, NameId, SystemClock, SystemRng};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use self::child::{Child, Exited, Job};
use self::readiness::Readiness;
use self::steady::Steady;
use crate::cli::Global;
use crate::command::pipeline::attempt::unsettled;
use crate::command::pipeline::{tell, write_passed};
use crate::duration::Shown;
use crate::failure::{Failure, Outcome};
use crate::freshness;
use crate::installation::Installation;
use crate::name_id::Named;
use crate::pipeline::{CatchUp, Pipeline};
use crate::print::{self, time};
use crate::project::Project;
use crate::scheduler::{Act, After, Ended, Known, Plan, Resume, Scheduler, Start, Stop};
use crate::settings::Store;
use crate::signals::Ends;

/// Runs that go on together: there is one lease, so a second one would only wait for the first.
const SLOTS: usize = 1;
/// How often the files are looked at, and the clock, which may have been set.
const LOOK: Duration = Duration::from_secs(5);
/// How long runs have to end when the scheduler is told to: longer than a step of one is let go on.
const STOP: Duration = Duration::from_secs(75);
/// How long a run waits for another writer, in seconds, unless the command line says otherwise.
const WAIT_S: u64 = 3600;
/// Looks that go on together: one may wait for the lease for long, and the tables of others must not wait for it.
const CHECKS: usize = 4;
/// When a look that failed is done again, in milliseconds.
const CHECK_AGAIN_MS: i64 = 300_000;
/// When a look at what became of a run that was lost is done again, while another writer holds the lease, in milliseconds.
const LOST_AGAIN_MS: i64 = 60_000;
/// How long a look at what became of a run that was lost may come to nothing before that is told without it, in milliseconds.
const LOST_MS: i64 = 900_000;

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

/// Runs what is due until a signal ends it.
///
/// # Errors
/// When files or store cannot be read as it begins, or another scheduler runs. Later it says so and goes on.
pub async fn run(global: &Global) -> Outcome {
    let mut ends = Ends::new()?;
    let project = Project::find(global.project.as_deref(), &global.env)?;
    let _alone = alone(&project)?;
    let program = std::env::current_exe().map_err(|error| Failure::because(ErrorKind::Internal, "find this program", &error))?;
    let pipelines = project.pipelines()?;
    let (told, exited) = unbounded_channel();
    let mut daemon = Daemon {
        global,
        project: project.clone(),
        program,
        scheduler: Scheduler::new(SLOTS, Arc::new(SystemRng)),
        children: BTreeMap::new(),
        stale_at: BTreeMap::new(),
        lost: BTreeMap::new(),
        telling: JoinSet::new(),
        pipelines: Vec::new(),
        wrong: None,
        told,
        readiness: Readiness::from_environment(),
    };
    let known = look(&project, &pipelines).await?;
    daemon.take_up(pipelines, &known);
    let scheduled = daemon.pipelines.iter().filter(|pipeline| pipeline.schedule.is_some()).count();
    print::note(&format!("scheduling {scheduled} of {} pipelines; SIGTERM or Ctrl-C ends it", daemon.pipelines.len()));
    daemon.readiness.ready();
    daemon.live(&project, &mut ends, exited).await;
    Ok(())
}

/// Two schedulers of one installation would each run everything.
fn alone(project: &Project) -> Outcome<rustix::fd::OwnedFd> {
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
async fn look(project: &Project, pipelines: &[Pipeline]) -> Outcome<Looked> {
    let installation = Installation::open_read_only(project.clone()).await?;
    let (state, now_ms) = (installation.journal.state(), installation.clock.now_ms());
    let mut looked = Looked::new();
    for pipeline in pipelines {
        let id = installation.name_id(Named::Pipeline, &pipeline.name)?;
        let judged = freshness::judge(&installation, pipeline, now_ms).await?;
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

struct Daemon<'a> {
    global: &'a Global,
    project: Project,
    program: PathBuf,
    scheduler: Scheduler,
    children: BTreeMap<Job, Child>,
    /// When a pipeline is to be looked at: the first of its tables is too old, or something was not told. In milliseconds since the epoch.
    stale_at: BTreeMap<String, i64>,
    /// Runs that ended without a word and are not tried again: how, and when. The log may know nothing of them.
    lost: BTreeMap<String, (String, i64)>,
    /// Notices on their way.
    telling: JoinSet<()>,
    /// The files as they were taken up last.
    pipelines: Vec<Pipeline>,
    /// What the last look at them failed for, which is said once.
    wrong: Option<String>,
    told: UnboundedSender<Exited>,
    readiness: Readiness,
}

impl Daemon<'_> {
    fn take_up(&mut self, pipelines: Vec<Pipeline>, known: &Looked) {
        let now_ms = SystemClock.now_ms();
        for pipeline in &pipelines {
            let (of_log, stale_at) = known.get(&pipeline.name).copied().unwrap_or_default();
            if let Some(plan) = Plan::of(pipeline) {
                self.scheduler.set(&pipeline.name, plan, of_log, now_ms);
            }
            if let Some(stale_at) = stale_at {
                self.stale_at.insert(pipeline.name.clone(), stale_at);
            }
        }
        let kept: Vec<&str> =
            pipelines.iter().filter(|pipeline| pipeline.schedule.is_some()).map(|pipeline| pipeline.name.as_str()).collect();
        self.scheduler.keep(&kept);
        self.stale_at.retain(|name, _| pipelines.iter().any(|pipeline| pipeline.name == *name));
        self.pipelines = pipelines;
    }

    /// Takes up files that changed. What is wrong leaves everything as it was, until someone mends it.
    async fn reread(&mut self, project: &Project) {
        let reread = async {
            let pipelines = project.pipelines()?;
            if pipelines == self.pipelines {
                return Ok(None);
            }
            let known = look(project, &pipelines).await?;
            Ok(Some((pipelines, known)))
        };
        match reread.await {
            Ok(changed) => {
                self.wrong = None;
                if let Some((pipelines, known)) = changed {
                    print::note(&format!("pipelines/ changed: there are {} now", pipelines.len()));
                    self.take_up(pipelines, &known);
                }
            }
            Err(failure) => {
                let failure: Failure = failure;
                let text = failure.to_string();
                if self.wrong.as_ref() != Some(&text) {
                    print::warn("pipelines/ changed and cannot be used, so what was there before goes on", &failure);
                }
                self.wrong = Some(text);
            }
        }
    }

    async fn live(&mut self, project: &Project, ends: &mut Ends, mut exited: UnboundedReceiver<Exited>) {
        let mut steady = Steady::new(SystemClock.now_ms());
        // On its own: where one run follows the other there is never a while in which nothing happens.
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now_ms = SystemClock.now_ms();
            if let Some(by_ms) = steady.set_by(now_ms) {
                print::note(&format!("the clock was set by {} s", by_ms / 1000));
                self.scheduler.clock_set(by_ms);
            }
            while self.telling.try_join_next().is_some() {}
            for act in self.scheduler.tick(now_ms) {
                self.act(act);
            }
            self.look_after(now_ms);
            self.readiness.alive(&self.status());
            let soon =
                self.scheduler.next_wakeup().map(|at| Duration::from_millis(at.saturating_sub(SystemClock.now_ms()).max(0).unsigned_abs()));
            let rest = [soon, self.readiness.every()].into_iter().flatten().fold(LOOK, Duration::min);
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                _ = looks.tick() => self.reread(project).await,
                Some(end) = exited.recv() => self.ended(end),
                _ = ends.told() => break,
            }
        }
        self.close(ends, exited).await;
    }

    /// Ends everything: what runs may end what it has begun, for a while.
    async fn close(&mut self, ends: &mut Ends, mut exited: UnboundedReceiver<Exited>) {
        self.readiness.stopping();
        let acts = self.scheduler.close(SystemClock.now_ms());
        if !self.children.is_empty() {
            print::note(&format!("ending {}; once more ends them at once", counted(self.children.len(), "process", "processes")));
        }
        acts.into_iter().for_each(|act| self.act(act));
        let checks = self.children.iter().filter(|(job, _)| matches!(job, Job::Check(_)));
        checks.for_each(|(_, child)| child.signal(Signal::TERM));
        let patience = tokio::time::sleep(STOP);
        tokio::pin!(patience);
        let mut killed = false;
        while !self.children.is_empty() {
            tokio::select! {
                Some(end) = exited.recv() => self.ended(end),
                () = &mut patience, if !killed => killed = true,
                _ = ends.told(), if !killed => killed = true,
            }
            if killed {
                self.children.values_mut().for_each(Child::kill);
            }
        }
        // Each of them ends by itself soon.
        while self.telling.join_next().await.is_some() {}
    }

    fn status(&self) -> String {
        let running: Vec<&str> = self.children.keys().filter(|job| matches!(job, Job::Run(_))).map(Job::pipeline).collect();
        let next = self.pipelines.iter().filter_map(|pipeline| Some((self.scheduler.next_due(&pipeline.name)?, &pipeline.name))).min();
        let next = next.map_or_else(|| "nothing is due".to_owned(), |(at, name)| format!("{name} is due at {}", time(at)));
        if running.is_empty() { next } else { format!("running {}; {next}", running.join(", ")) }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Start(start) => self.start(start),
            Act::Stop { pipeline, why } => {
                let (signal, text) = match why {
                    // It sees to its timeout by itself; one that does not is cancelled.
                    Stop::Timeout => (Signal::INT, "takes too long"),
                    Stop::Overlap => (Signal::INT, "is due again"),
                    Stop::Shutdown => (Signal::TERM, "has to end"),
                };
                print::note(&format!("{pipeline} {text}: its run is asked to end"));
                if let Some(child) = self.children.get(&Job::Run(pipeline)) {
                    child.signal(signal);
                }
            }
            Act::Kill { pipeline } => {
                print::note(&format!("{pipeline} does not end: its process is killed; what it committed stands"));
                if let Some(child) = self.children.get_mut(&Job::Run(pipeline)) {
                    child.kill();
                }
            }
        }
    }

    fn start(&mut self, start: Start) {
        let Start { pipeline, due_ms, attempt, passed } = start;
        let mut args = self.args("run", &pipeline);
        args.extend([OsString::from("--attempt"), attempt.to_string().into()]);
        if let Some(due_ms) = due_ms {
            args.extend([OsString::from("--due-ms"), due_ms.to_string().into()]);
        }
        for passed in &passed {
            let times = counted(usize::try_from(passed.times).unwrap_or(usize::MAX), "due time", "due times");
            print::note(&format!("{pipeline}: {times} up to {} passed ({})", time(passed.last_ms), passed.reason.name()));
            args.extend([OsString::from("--passed"), write_passed(passed).into()]);
        }
        let due = due_ms.map(|due| format!("due {}, ", time(due))).unwrap_or_default();
        match self.begin(Job::Run(pipeline.clone()), &args) {
            Some(id) => print::note(&format!("{pipeline} begins: {due}attempt {attempt}, process {id}")),
            None => self.after(&pipeline, Ended::Lost, "could not begin", false),
        }
    }

    /// The arguments that every process takes, before those of its own.
    fn args(&self, verb: &str, pipeline: &str) -> Vec<OsString> {
        let global = self.global;
        let mut args: Vec<OsString> = ["pipeline", verb, pipeline, "--env", &global.env].map(OsString::from).into();
        if let Some(project) = &global.project {
            args.extend([OsString::from("--project"), project.clone().into_os_string()]);
        }
        if verb == "run" {
            args.extend([OsString::from("--wait"), global.wait.unwrap_or(WAIT_S).to_string().into()]);
            args.extend([OsString::from("--memory-mib"), global.memory_mib.to_string().into()]);
        }
        args.extend([OsString::from("--parent"), std::process::id().to_string().into()]);
        args.extend((0..global.verbose).map(|_| OsString::from("-v")));
        args
    }

    fn begin(&mut self, job: Job, args: &[OsString]) -> Option<u32> {
        match Child::begin(&self.program, args, job.clone(), &self.told) {
            Ok(child) => {
                let id = child.id();
                self.children.insert(job, child);
                Some(id)
            }
            Err(failure) => {
                print::warn("a process could not be begun", &failure);
                None
            }
        }
    }

    /// Looks at tables that have become too old, and at what became of runs that were lost.
    fn look_after(&mut self, now_ms: i64) {
        let looking = |job: &&Job| matches!(job, Job::Check(_));
        let due = self.stale_at.iter().filter(|(name, at)| **at <= now_ms && !self.children.contains_key(&Job::Check((*name).clone())));
        let free = CHECKS.saturating_sub(self.children.keys().filter(looking).count());
        let due: Vec<String> = due.take(free).map(|(name, _)| name.clone()).collect();
        for pipeline in due {
            self.stale_at.remove(&pipeline);
            let args = self.args("check", &pipeline);
            if self.begin(Job::Check(pipeline.clone()), &args).is_none() {
                self.looked(&pipeline, None);
            }
        }
    }

    /// Looks at a pipeline after a while, or before that where it is to be looked at anyhow.
    fn look_again(&mut self, pipeline: &str, after_ms: i64) {
        // One whose file is gone has nothing to look at.
        if self.pipelines.iter().any(|known| known.name == pipeline) {
            let again_ms = SystemClock.now_ms().saturating_add(after_ms);
            let at_ms = self.stale_at.entry(pipeline.to_owned()).or_insert(again_ms);
            *at_ms = again_ms.min(*at_ms);
        }
    }

    /// A look ended. One that came to nothing is done again; a run that was lost, of which it found nothing to tell, is told here.
    fn looked(&mut self, pipeline: &str, said: Option<&Value>) {
        let now_ms = SystemClock.now_ms();
        let lost_ms = self.lost.get(pipeline).map(|(_, at_ms)| *at_ms);
        let flag = |key| said.and_then(|said| said.get(key)).and_then(Value::as_bool).unwrap_or_default();
        let unsettled = flag("unsettled");
        if said.is_none() || flag("untold") {
            self.look_again(pipeline, CHECK_AGAIN_MS);
        }
        if unsettled && lost_ms.is_some() {
            self.look_again(pipeline, LOST_AGAIN_MS);
        }
        // Another holds the lease: what became of the run is told once that has ended, unless it takes too long.
        if lost_ms.is_none_or(|at_ms| unsettled && now_ms.saturating_sub(at_ms) < LOST_MS) {
            return;
        }
        let Some((how, _)) = self.lost.remove(pipeline) else { return };
        let told = said.and_then(|said| said.get("buried")).and_then(Value::as_u64).is_some_and(|buried| buried > 0);
        let known = self.pipelines.iter().find(|known| known.name == pipeline).filter(|_| !told).cloned();
        if let Some(pipeline) = known {
            let (project, notice) = (self.project.clone(), tell::of_lost(&pipeline, &how, now_ms));
            self.telling.spawn(async move {
                if pipeline.tells(notice.kind).is_some() && tell::send(&project, &pipeline, &notice).await.is_empty() {
                    print::note(&format!("{}: that its run {how} was told", pipeline.name));
                }
            });
        }
    }

    fn ended(&mut self, exited: Exited) {
        let Exited { job, output } = exited;
        let Some(child) = self.children.remove(&job) else { return };
        let (status, how) = match child.reap() {
            Ok(status) => (status.code(), status.to_string()),
            Err(error) => (None, error.to_string()),
        };
        let said: Option<Value> = serde_json::from_slice(&output).ok();
        let pipeline = job.pipeline().to_owned();
        let untold = said.as_ref().and_then(|said| said.get("untold")).and_then(Value::as_bool).unwrap_or_default();
        if let Some(at) = said.as_ref().and_then(|said| said.get("stale_at_ms")).and_then(Value::as_i64) {
            self.stale_at.insert(pipeline.clone(), at);
        }
        if matches!(job, Job::Check(_)) {
            self.looked(&pipeline, said.as_ref());
            return;
        }
        if untold {
            self.look_again(&pipeline, CHECK_AGAIN_MS);
        }
        match said.as_ref().and_then(result_of) {
            // One that is told to end tells nobody, for it goes on.
            Some((ended, text)) => self.after(&pipeline, ended, text, ended != Ended::Interrupted),
            None => {
                let (ended, text) = silent(status);
                self.after(&pipeline, ended, &format!("{text} ({how})"), false);
            }
        }
    }

    /// `told`: it has told itself what was to be told.
    fn after(&mut self, pipeline: &str, ended: Ended, text: &str, told: bool) {
        let now_ms = SystemClock.now_ms();
        match self.scheduler.ended(pipeline, ended, now_ms) {
            After::Retry { attempt, at_ms } => {
                let wait = Shown(u64::try_from(at_ms.saturating_sub(now_ms) / 1000).unwrap_or_default());
                print::note(&format!("{pipeline} {text}; attempt {attempt} begins in {wait}"));
            }
            After::Done => {
                print::note(&format!("{pipeline} {text}"));
                // Nobody has told it: the process that would have is gone.
                if !told {
                    self.lost.insert(pipeline.to_owned(), (text.to_owned(), now_ms));
                    self.stale_at.insert(pipeline.to_owned(), now_ms);
                }
            }
        }
    }
}

/// What a run says of itself.
fn result_of(said: &Value) -> Option<(Ended, &'static str)> {
    let passes = said.get("passes").and_then(Value::as_bool).unwrap_or_default();
    Some(match said.get("result")?.as_str()? {
        "succeeded" => (Ended::Succeeded, "succeeded"),
        "failed" => (Ended::Failed { passes }, "failed"),
        "timed_out" => (Ended::Failed { passes: false }, "took too long"),
        "cancelled" => (Ended::Cancelled, "was cancelled"),
        // Not by the scheduler, which begins nothing any more then.
        "interrupted" => (Ended::Interrupted, "was interrupted"),
        _ => return None,
    })
}

/// What a run's process says by its exit code alone, where it came to say nothing else.
fn silent(code: Option<i32>) -> (Ended, &'static str) {
    let of = |kind: ErrorKind| i32::from(kind.exit_code());
    let passing = [ErrorKind::Unavailable, ErrorKind::Busy];
    let lasting = [ErrorKind::Internal, ErrorKind::Invalid, ErrorKind::Rejected, ErrorKind::Corrupt, ErrorKind::Denied];
    match code {
        Some(code) if passing.into_iter().any(|kind| of(kind) == code) => (Ended::Failed { passes: true }, "could not begin"),
        // Such as a file that is wrong: trying again does not mend it.
        Some(code) if lasting.into_iter().any(|kind| of(kind) == code) => (Ended::Failed { passes: false }, "could not begin"),
        _ => (Ended::Lost, "was broken off"),
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    use polder_audit::{Concluded, PipelineInfo, RunInfo, Triggered};
    use polder_types::RunId;

    use super::*;

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
