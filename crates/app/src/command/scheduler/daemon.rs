//! The scheduler at work: it asks the rules what is to be done, lets whoever carries that out begin and end it, and tells them what became of it.
//! It is one and the same, whether each run is a process of its own ([`super::processes`]) or all are within the process that serves
//! ([`super::inside`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use polder_types::{Clock as _, ErrorKind, SystemClock, SystemRng};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::readiness::Readiness;
use super::steady::Steady;
use super::{Looked, look};
use crate::command::pipeline::tell;
use crate::duration::Shown;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::notice::Notice;
use crate::pipeline::Pipeline;
use crate::print::{self, time};
use crate::project::Project;
use crate::scheduler::{Act, After, Ended, Plan, Scheduler, Standing, Start, Stop};
use crate::signals::{Ends, Told};

/// Runs that go on together: there is one lease, so a second one would only wait for the first.
const SLOTS: usize = 1;
/// How often the files are looked at, and the clock, which may have been set.
const LOOK: Duration = Duration::from_secs(5);
/// Looks that go on together: one may wait for the lease for long, and the tables of others must not wait for it.
const CHECKS: usize = 4;
/// When a look that failed is done again, in milliseconds.
const CHECK_AGAIN_MS: i64 = 300_000;
/// When a look at what became of a run that was lost is done again, while another writer holds the lease, in milliseconds.
const LOST_AGAIN_MS: i64 = 60_000;
/// How long a look at what became of a run that was lost may come to nothing before that is told without it, in milliseconds.
const LOST_MS: i64 = 900_000;
/// How long what was ended by force is waited for.
const FORCED: Duration = Duration::from_secs(10);

/// What is to be carried out. There is one of each at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// A run of the pipeline.
    Run(String),
    /// A look at what nobody told of it.
    Check(String),
}

impl Job {
    /// The pipeline.
    pub fn pipeline(&self) -> &str {
        match self {
            Self::Run(pipeline) | Self::Check(pipeline) => pipeline,
        }
    }
}

/// What is begun.
pub enum Task {
    /// A run.
    Run(Start),
    /// A look.
    Check(String),
}

impl Task {
    /// What it is known by.
    pub fn job(&self) -> Job {
        match self {
            Self::Run(start) => Job::Run(start.pipeline.clone()),
            Self::Check(pipeline) => Job::Check(pipeline.clone()),
        }
    }
}

/// What ended.
pub struct Exited {
    /// What it was.
    pub job: Job,
    /// What it says of itself; nothing, where it did not come to that.
    pub said: Option<Value>,
    /// The exit code, as that of a process.
    pub code: Option<i32>,
    /// The same for people.
    pub how: String,
}

/// How what runs is brought to its end when the scheduler goes down.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// So long it goes on as if nothing were.
    pub goes_on: Duration,
    /// So long it has then, once it is asked to end.
    pub ends: Duration,
}

/// Who carries out what is due.
pub trait Workers: Send + Sync {
    /// Begins something; where it goes on, for people, if that is to be said.
    ///
    /// # Errors
    /// When it cannot be begun.
    fn begin(&mut self, task: Task) -> Outcome<Option<String>>;

    /// Asks it to end. What has ended already does not hear it.
    fn ask(&mut self, job: &Job, told: Told);

    /// Ends it, since it did not. False: it cannot be ended by anybody, and goes on until it does.
    fn force(&mut self, job: &Job) -> bool;

    /// Waits for the next one that ended. May be given up and begun again.
    fn ended(&mut self) -> impl Future<Output = Exited> + Send;

    /// The installation for looking at its log.
    fn reader(&self, project: &Project) -> impl Future<Output = Outcome<Installation>> + Send;

    /// How the scheduler goes down.
    fn patience(&self) -> Patience;

    /// How the pipelines stand now, for whoever asks.
    fn stand(&self, _standing: Vec<Standing>) {}
}

/// A scheduler that goes on until it is told to end.
pub struct Daemon<W> {
    project: Project,
    workers: W,
    scheduler: Scheduler,
    /// What goes on.
    going: BTreeSet<Job>,
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
    readiness: Readiness,
}

impl<W: Workers> Daemon<W> {
    /// One that has taken up nothing yet.
    pub fn new(project: Project, workers: W, readiness: Readiness) -> Self {
        Self {
            project,
            workers,
            scheduler: Scheduler::new(SLOTS, Arc::new(SystemRng)),
            going: BTreeSet::new(),
            stale_at: BTreeMap::new(),
            lost: BTreeMap::new(),
            telling: JoinSet::new(),
            pipelines: Vec::new(),
            wrong: None,
            readiness,
        }
    }

    /// Takes up the pipelines as their files are, and what the log knows of them; how many there are, for people.
    ///
    /// # Errors
    /// When a file is wrong, or the log cannot be read.
    pub async fn take_up_all(&mut self) -> Outcome<String> {
        let pipelines = self.project.pipelines()?;
        let known = look(&self.workers.reader(&self.project).await?, &pipelines).await?;
        self.take_up(pipelines, &known);
        let scheduled = self.pipelines.iter().filter(|pipeline| pipeline.schedule.is_some()).count();
        Ok(format!("scheduling {scheduled} of {} pipelines", self.pipelines.len()))
    }

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
    async fn reread(&mut self) {
        let reread = async {
            let pipelines = self.project.pipelines()?;
            if pipelines == self.pipelines {
                return Ok(None);
            }
            let known = look(&self.workers.reader(&self.project).await?, &pipelines).await?;
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

    /// Runs what is due until it is told to end.
    pub async fn live(mut self, mut ends: Ends) {
        self.readiness.ready();
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
            self.workers.stand(self.scheduler.standing());
            let soon =
                self.scheduler.next_wakeup().map(|at| Duration::from_millis(at.saturating_sub(SystemClock.now_ms()).max(0).unsigned_abs()));
            let rest = [soon, self.readiness.every()].into_iter().flatten().fold(LOOK, Duration::min);
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                _ = looks.tick() => self.reread().await,
                end = self.workers.ended() => self.ended(end),
                _ = ends.told() => break,
            }
        }
        self.close(&mut ends).await;
    }

    /// Ends everything: what runs may end what it has begun, for a while.
    async fn close(&mut self, ends: &mut Ends) {
        self.readiness.stopping();
        let Patience { goes_on, ends: ending } = self.workers.patience();
        let mut acts = Some(self.scheduler.close(SystemClock.now_ms()));
        if !self.going.is_empty() {
            let within = if goes_on.is_zero() { String::new() } else { format!(" within {} s", goes_on.as_secs()) };
            print::note(&format!("ending {}{within}; once more ends them at once", self.counted()));
        }
        let ask = tokio::time::sleep(goes_on);
        let force = tokio::time::sleep(goes_on.saturating_add(ending));
        let leave = tokio::time::sleep(goes_on.saturating_add(ending).saturating_add(FORCED));
        tokio::pin!(ask, force, leave);
        let mut forced = false;
        while !self.going.is_empty() {
            let mut now = false;
            tokio::select! {
                end = self.workers.ended() => self.ended(end),
                () = &mut ask, if acts.is_some() => {}
                () = &mut force, if !forced => now = true,
                () = ends.again(), if !forced => {
                    now = true;
                    leave.as_mut().reset(tokio::time::Instant::now() + FORCED);
                }
                () = &mut leave => {
                    print::note(&format!("{} does not end; it is broken off with this process, and the next scheduler takes it up", self.counted()));
                    break;
                }
            }
            if (now || ask.is_elapsed())
                && let Some(acts) = acts.take()
            {
                acts.into_iter().for_each(|act| self.act(act));
                let checks: Vec<Job> = self.going.iter().filter(|job| matches!(job, Job::Check(_))).cloned().collect();
                checks.iter().for_each(|job| self.workers.ask(job, Told::Terminate));
            }
            if now {
                forced = true;
                let going: Vec<Job> = self.going.iter().cloned().collect();
                for job in &going {
                    self.workers.force(job);
                }
            }
        }
        // Each of them ends by itself soon.
        while self.telling.join_next().await.is_some() {}
    }

    fn counted(&self) -> String {
        counted(self.going.len(), "run or look", "runs and looks")
    }

    fn status(&self) -> String {
        let running: Vec<&str> = self.going.iter().filter(|job| matches!(job, Job::Run(_))).map(Job::pipeline).collect();
        let next = self.pipelines.iter().filter_map(|pipeline| Some((self.scheduler.next_due(&pipeline.name)?, &pipeline.name))).min();
        let next = next.map_or_else(|| "nothing is due".to_owned(), |(at, name)| format!("{name} is due at {}", time(at)));
        if running.is_empty() { next } else { format!("running {}; {next}", running.join(", ")) }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Start(start) => self.start(start),
            Act::Stop { pipeline, why } => {
                let (told, text) = match why {
                    // It sees to its timeout by itself; one that does not is cancelled.
                    Stop::Timeout => (Told::Interrupt, "takes too long"),
                    Stop::Overlap => (Told::Interrupt, "is due again"),
                    Stop::Shutdown => (Told::Terminate, "has to end"),
                };
                let job = Job::Run(pipeline);
                if self.going.contains(&job) {
                    print::note(&format!("{} {text}: its run is asked to end", job.pipeline()));
                    self.workers.ask(&job, told);
                }
            }
            Act::Kill { pipeline } => {
                let job = Job::Run(pipeline);
                if self.workers.force(&job) {
                    print::note(&format!("{} does not end: its process is killed; what it committed stands", job.pipeline()));
                } else {
                    self.stuck(job.pipeline());
                }
            }
        }
    }

    fn start(&mut self, start: Start) {
        let (pipeline, due_ms, attempt) = (start.pipeline.clone(), start.due_ms, start.attempt);
        for passed in &start.passed {
            let times = counted(usize::try_from(passed.times).unwrap_or(usize::MAX), "due time", "due times");
            print::note(&format!("{pipeline}: {times} up to {} passed ({})", time(passed.last_ms), passed.reason.name()));
        }
        let due = due_ms.map(|due| format!("due {}, ", time(due))).unwrap_or_default();
        match self.begin(Task::Run(start)) {
            Some(place) => {
                let place = place.map(|place| format!(", {place}")).unwrap_or_default();
                print::note(&format!("{pipeline} begins: {due}attempt {attempt}{place}"));
            }
            None => self.after(&pipeline, Ended::Lost, "could not begin", false),
        }
    }

    fn begin(&mut self, task: Task) -> Option<Option<String>> {
        let job = task.job();
        match self.workers.begin(task) {
            Ok(place) => {
                self.going.insert(job);
                Some(place)
            }
            Err(failure) => {
                print::warn("a run or a look could not be begun", &failure);
                None
            }
        }
    }

    /// A run goes on though it was asked to end, and nothing can end it but the end of this process.
    fn stuck(&mut self, pipeline: &str) {
        print::note(&format!(
            "{pipeline} does not end: nothing else loads until it does; what it committed stands, and a new start of this process ends it"
        ));
        if let Some(pipeline) = self.pipelines.iter().find(|known| known.name == pipeline).cloned() {
            let notice = tell::of_stuck(&pipeline, SystemClock.now_ms());
            self.tell(pipeline, notice, "that its run does not end was told".to_owned());
        }
    }

    /// Tells something that the log says nothing of.
    fn tell(&mut self, pipeline: Pipeline, notice: Notice, said: String) {
        let project = self.project.clone();
        self.telling.spawn(async move {
            if pipeline.tells(notice.kind).is_some() && tell::send(&project, &pipeline, &notice).await.is_empty() {
                print::note(&format!("{}: {said}", pipeline.name));
            }
        });
    }

    /// Looks at tables that have become too old, and at what became of runs that were lost.
    fn look_after(&mut self, now_ms: i64) {
        let looking = |job: &&Job| matches!(job, Job::Check(_));
        let due = self.stale_at.iter().filter(|(name, at)| **at <= now_ms && !self.going.contains(&Job::Check((*name).clone())));
        let free = CHECKS.saturating_sub(self.going.iter().filter(looking).count());
        let due: Vec<String> = due.take(free).map(|(name, _)| name.clone()).collect();
        for pipeline in due {
            self.stale_at.remove(&pipeline);
            if self.begin(Task::Check(pipeline.clone())).is_none() {
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
            let notice = tell::of_lost(&pipeline, &how, now_ms);
            self.tell(pipeline, notice, format!("that its run {how} was told"));
        }
    }

    fn ended(&mut self, exited: Exited) {
        let Exited { job, said, code, how } = exited;
        if !self.going.remove(&job) {
            return;
        }
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
                let (ended, text) = silent(code);
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
pub(super) fn result_of(said: &Value) -> Option<(Ended, &'static str)> {
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
pub(super) fn silent(code: Option<i32>) -> (Ended, &'static str) {
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
