//! One attempt at a pipeline: taken up, run as far as it comes, recorded and told.

use std::pin::Pin;
use std::time::Duration;

use polder_audit::{State, Triggered};
use polder_store::Asked as StoreAsked;
use polder_types::event::{RunResult, Trigger};
use polder_types::{Clock, ErrorKind, EventKind, NameId, Private, RunId, SystemClock};

use super::tell;
use crate::cli::{Global, RunArgs};
use crate::command::run::{self, any_passes, gravest, passes};
use crate::course::{Course, STEPS};
use crate::failure::{Failure, Outcome};
use crate::freshness::{self, Judged};
use crate::history;
use crate::hosted;
use crate::ingest::BatchReport;
use crate::installation::Installation;
use crate::name_id::Named;
use crate::notice::NoticeKind;
use crate::pipeline::Pipeline;
use crate::print;
use crate::project::Project;
use crate::scheduler::Passed;
use crate::signals::{Ends, Told};
use crate::telemetry::{self, RunTold};
use crate::wiring::Loss;
use crate::writing::Writing;

/// How long a step that goes on is let go on once the run is asked to end.
pub const GRACE: Duration = Duration::from_secs(20);
/// The exit code of a run that a signal ended: 128 and the signal's number, as shells tell it.
const EXIT_INTERRUPTED: u8 = 143;
const EXIT_CANCELLED: u8 = 130;

/// How long it is tried to tell of a failure of which nobody could be told when it came, in milliseconds.
const TELL_FOR_MS: i64 = 86_400_000;

/// What a process ends with that was told to end.
pub const fn exit_of(told: Told) -> u8 {
    match told {
        Told::Terminate => EXIT_INTERRUPTED,
        Told::Interrupt => EXIT_CANCELLED,
    }
}

/// What is asked for.
pub struct Asked<'a> {
    /// None: the run of no pipeline is repeated.
    pub pipeline: Option<&'a Pipeline>,
    /// Why.
    pub trigger: Trigger,
    /// From 1.
    pub attempt: u32,
    /// When it was due, in milliseconds since the epoch.
    pub due_ms: Option<i64>,
    /// The run that is repeated, where someone named it.
    pub retry_of: Option<RunId>,
    /// The run of the attempt before, where this process made it.
    pub previous: Option<RunId>,
    /// Due times that passed since the last run.
    pub passed: Vec<Passed>,
    /// Whether someone sees to the attempt after this one. Where nobody does, none is announced.
    pub followed: bool,
}

impl Asked<'_> {
    fn retries(&self) -> crate::pipeline::Retries {
        self.pipeline.filter(|_| self.followed).map_or(crate::pipeline::Retries::NONE, |pipeline| pipeline.retries)
    }

    fn what(&self) -> String {
        self.pipeline.map_or_else(|| "run again".to_owned(), |pipeline| format!("run pipeline {}", pipeline.name))
    }
}

/// What came of it.
pub struct Attempt {
    /// Which run it was; none when it could not begin.
    pub run: Option<RunId>,
    /// What became of its steps.
    pub reports: Vec<BatchReport>,
    /// How it ended.
    pub result: RunResult,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// Whether what failed may pass.
    pub passes: bool,
    /// Whether it is tried again by itself.
    pub again: bool,
    /// When the first of its tables becomes too old, in milliseconds since the epoch.
    pub stale_at_ms: Option<i64>,
    /// What it asked of the store; none when that could not be opened.
    pub store: Option<StoreAsked>,
    /// It failed, and nobody could be told of that.
    pub untold: bool,
}

impl Attempt {
    pub(crate) fn of(result: RunResult, failure: Option<Failure>) -> Self {
        let passes = result == RunResult::Failed && failure.as_ref().is_some_and(passes);
        Self { run: None, reports: Vec::new(), result, failure, passes, again: false, stale_at_ms: None, store: None, untold: false }
    }

    pub(crate) fn failed(failure: Failure) -> Self {
        Self::of(RunResult::Failed, Some(failure))
    }
}

/// The end of the time that a run may take, if there is one.
type Deadline = Pin<Box<dyn Future<Output = ()> + Send>>;

fn deadline(pipeline: Option<&Pipeline>) -> Deadline {
    match pipeline.and_then(|pipeline| pipeline.timeout_ms) {
        Some(ms) => Box::pin(tokio::time::sleep(Duration::from_millis(ms.unsigned_abs()))),
        None => Box::pin(std::future::pending()),
    }
}

/// Makes an attempt. Whatever comes of it is in what is returned, recorded as far as it can be, and told to whom it concerns.
pub async fn attempt(project: &Project, global: &Global, loss: Option<Loss>, asked: &Asked<'_>, ends: &mut Ends) -> Attempt {
    let mut deadline = deadline(asked.pipeline);
    let opened = tokio::select! {
        // One that takes too long and is asked to end for it, however late it gets to see that, took too long: that is told, and being
        // cancelled is not.
        biased;
        opened = Writing::open(project, global.wait) => opened.map_err(|failure| (RunResult::Failed, failure.during(asked.what()))),
        () = &mut deadline => Err((RunResult::TimedOut, stopped(RunResult::TimedOut, asked, None))),
        told = ends.told() => Err((told.result(), stopped(told.result(), asked, None))),
    };
    let writing = match opened {
        Ok(writing) => writing,
        Err((result, failure)) => return untold(project, asked, Attempt::of(result, Some(failure))).await,
    };
    let installation = &writing.installation;
    // Of a process of its own, opening the store counts too; inside, others ask the store for theirs.
    let before = if writing.is_inside() { installation.store.backend().asked() } else { StoreAsked::default() };
    let mut attempt = match begun(installation, global, loss, asked, ends, &mut deadline).await {
        Ok(attempt) => attempt,
        Err(failure) => untold(project, asked, Attempt::failed(failure.during(asked.what()))).await,
    };
    attempt.store = Some(installation.store.backend().asked().since(before));
    let failed = attempt.failure.clone().map_or(Ok(()), Err);
    if let Err(failure) = writing.close_after(failed).await {
        if attempt.failure.is_none() {
            attempt.result = RunResult::Failed;
        }
        attempt.failure = Some(failure);
    }
    attempt
}

/// Nothing could be recorded, since the installation could not be opened or its log takes nothing: it is told all the same, for whoever
/// watches the log alone would see a quiet night.
async fn untold(project: &Project, asked: &Asked<'_>, mut attempt: Attempt) -> Attempt {
    attempt.again = attempt.passes && asked.retries().follows(asked.attempt);
    if let Some(pipeline) = asked.pipeline {
        for notice in tell::of_attempt(pipeline, asked, &attempt, false, SystemClock.now_ms()) {
            tell::send(project, pipeline, &notice).await;
        }
    }
    attempt
}

async fn begun(
    installation: &Installation,
    global: &Global,
    loss: Option<Loss>,
    asked: &Asked<'_>,
    ends: &mut Ends,
    deadline: &mut Deadline,
) -> Outcome<Attempt> {
    let id = asked.pipeline.map(|pipeline| installation.name_id(Named::Pipeline, &pipeline.name)).transpose()?;
    if let (Some(pipeline), Some(id)) = (asked.pipeline, id) {
        bury(installation, pipeline, id, asked.attempt > 1).await?;
        for passed in &asked.passed {
            let Passed { reason, first_ms, last_ms, times } = *passed;
            installation.record(EventKind::DueSkipped { pipeline: id, reason, first_ms, last_ms, times }).await?;
        }
    }
    let state = installation.journal.state();
    let before = id.and_then(|id| state.pipelines.get(&id)).cloned().unwrap_or_default();
    // A retry does what its run left undone; one that a person asks for also what only a person can have mended.
    let of_due = |run: &RunId| {
        let triggered = state.runs.get(run).and_then(|info| info.triggered);
        asked.due_ms.is_some() && triggered.is_some_and(|triggered| triggered.due_ms == asked.due_ms)
    };
    let previous = asked.previous.or_else(|| before.last.filter(of_due)).filter(|_| asked.attempt > 1);
    let retry_of = asked.retry_of.or(previous);
    let left = match retry_of {
        Some(run) => history::left(installation, run, asked.retry_of.is_none()).await?,
        None => history::Left::default(),
    };
    let left = reading_what_failed(installation, left)?;
    let course = Course::new(installation.rng.as_ref())?;
    let _at = hosted::current().map(|host| host.at(course.run()));
    let (run, begun_ms) = (course.run(), installation.clock.now_ms());
    let triggered = Triggered { trigger: asked.trigger, pipeline: id, attempt: asked.attempt, retry_of, due_ms: asked.due_ms };
    trigger(installation, run, triggered, asked.pipeline, left.steps.as_deref()).await?;
    let select = match &left.steps {
        Some(steps) => steps.clone(),
        None => asked.pipeline.map(|pipeline| pipeline.select.clone()).unwrap_or_default(),
    };
    let nothing_left = left.steps.as_ref().is_some_and(Vec::is_empty);
    let mut attempt = if nothing_left {
        Attempt::of(RunResult::Succeeded, None)
    } else {
        let maintain = asked.pipeline.is_some_and(|pipeline| pipeline.maintain);
        let args = RunArgs { select, maintain, ..RunArgs::default() };
        worked(installation, global, loss, &args, asked, &course, ends, deadline).await
    };
    if let (RunResult::Succeeded, false) = (attempt.result, left.beyond.is_empty()) {
        let names: Vec<&str> = left.beyond.iter().map(|(name, _)| name.as_str()).collect();
        let text =
            format!("what failed in an attempt before and no trying again cures: {}; `polder runs list` shows its run", names.join(", "));
        attempt.result = RunResult::Failed;
        attempt.failure = Some(Failure::new(ErrorKind::Rejected, text));
    }
    attempt.run = Some(run);
    attempt.again = attempt.result == RunResult::Failed && attempt.passes && asked.retries().follows(asked.attempt);
    conclude(installation, run, id, &course, &mut attempt).await;
    let told = RunTold {
        run,
        pipeline: asked.pipeline.map(|pipeline| pipeline.name.clone()),
        result: attempt.result.name().to_owned(),
        failed: attempt.result != RunResult::Succeeded,
        attempt: asked.attempt,
        begun_ms,
        ended_ms: installation.clock.now_ms(),
        batches: course.told(),
    };
    telemetry::push(installation, &told).await;
    if let (Some(pipeline), Some(id)) = (asked.pipeline, id) {
        let now_ms = installation.clock.now_ms();
        for notice in tell::of_attempt(pipeline, asked, &attempt, before.failing.is_some(), now_ms) {
            tell::tell(installation, pipeline, id, &notice).await;
        }
        attempt.untold = untold_failure(&installation.journal.state(), pipeline, id, now_ms).is_some();
        match judged(installation, pipeline, id).await {
            Ok(judged) => attempt.stale_at_ms = freshness::next_stale_ms(&judged),
            Err(failure) => print::warn("how old the tables are could not be judged", &failure),
        }
    }
    Ok(attempt)
}

/// What reads a step that stays failed is not built on what was there before it.
fn reading_what_failed(installation: &Installation, mut left: history::Left) -> Outcome<history::Left> {
    let Some(steps) = left.steps.as_mut().filter(|_| !left.beyond.is_empty()) else { return Ok(left) };
    let needed = run::needs(&installation.loaded_models()?);
    let beyond = &mut left.beyond;
    let failed: Vec<(String, String)> = beyond.clone();
    steps.retain(|step| {
        let reads = |name: &str| needed.get(step).is_some_and(|needed| needed.contains(name));
        let below = failed.iter().find(|(name, _)| reads(name));
        beyond.extend(below.map(|(_, kind)| (step.clone(), kind.clone())));
        below.is_none()
    });
    Ok(left)
}

/// Records who asks for a run, and for what.
///
/// # Errors
/// When it cannot be recorded: then it may not begin.
pub(crate) async fn trigger(
    installation: &Installation,
    run: RunId,
    triggered: Triggered,
    pipeline: Option<&Pipeline>,
    steps: Option<&[String]>,
) -> Outcome {
    let Triggered { trigger, pipeline: id, attempt, retry_of, due_ms } = triggered;
    let mut private = Private::default();
    if let Some(pipeline) = pipeline {
        private = private.with("pipeline", pipeline.name.clone());
    }
    if let Some(steps) = steps {
        private = private.with(STEPS, serde_json::json!(steps).to_string());
    }
    let kind = EventKind::RunTriggered { run, trigger, pipeline: id, attempt, retry_of, due_ms };
    installation.record_with(kind, private).await
}

/// Runs the steps, until they are done, or someone or the clock ends it.
#[allow(clippy::too_many_arguments, reason = "they are what a run goes by, and what ends it")]
async fn worked(
    installation: &Installation,
    global: &Global,
    loss: Option<Loss>,
    args: &RunArgs,
    asked: &Asked<'_>,
    course: &Course,
    ends: &mut Ends,
    deadline: &mut Deadline,
) -> Attempt {
    let mut cut = None;
    let done: Option<Outcome<Vec<BatchReport>>> = {
        let work = run::batches(installation, args, global.memory_mib, loss, None, course);
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => Some(done),
            () = deadline => {
                cut = Some(RunResult::TimedOut);
                None
            }
            told = ends.told() => {
                cut = Some(told.result());
                course.close();
                // What it has begun it may finish, for a while. What is dropped then is as if the process had been killed there.
                tokio::select! {
                    biased;
                    done = &mut work => Some(done),
                    () = tokio::time::sleep(GRACE) => None,
                    () = ends.at_once() => None,
                }
            }
        }
    };
    let reports = match done {
        // Nothing was left out: it came to its end while it was being asked to.
        Some(Ok(reports)) if !course.cut() => return came_to_its_end(reports),
        Some(Err(failure)) if cut.is_none() => {
            let reports = course.reports();
            return Attempt { reports, ..Attempt::failed(failure) };
        }
        Some(Ok(reports)) => reports,
        Some(Err(_)) | None => {
            settle(installation).await;
            course.reports()
        }
    };
    let step = match course.broken_off(installation).await {
        Ok(step) => step,
        Err(failure) => {
            print::warn("that a step was broken off could not be recorded", &failure);
            None
        }
    };
    let result = cut.unwrap_or(RunResult::Interrupted);
    Attempt { reports, ..Attempt::of(result, Some(stopped(result, asked, step.as_deref()))) }
}

/// Inside the process that serves, nobody opens the installation after what was broken off: it is settled here as it is there.
pub async fn settle(installation: &Installation) {
    if hosted::current().is_none() {
        return;
    }
    if let Err(failure) = installation.settle_tables().await {
        print::warn("what was broken off could not be settled, and the next load of the table tries again", &failure);
    }
}

/// What a run came to of which no step was left out.
pub(crate) fn came_to_its_end(reports: Vec<BatchReport>) -> Attempt {
    let passes = any_passes(&reports);
    let failed = reports.iter().filter(|report| report.failure.is_some()).count();
    let failure = gravest(reports.clone()).map(|gravest| {
        gravest.during(match failed {
            1 => "1 of the run's batches failed; the others are as reported".to_owned(),
            failed => format!("{failed} of the run's batches failed, the gravest for this; the others are as reported"),
        })
    });
    let result = if failure.is_none() { RunResult::Succeeded } else { RunResult::Failed };
    Attempt { reports, passes, ..Attempt::of(result, failure) }
}

/// The failure of a run that was ended.
pub(crate) fn stopped(result: RunResult, asked: &Asked<'_>, step: Option<&str>) -> Failure {
    let at = step.map(|step| format!(" while it loaded {step}")).unwrap_or_default();
    let what = asked.what();
    let text = match result {
        RunResult::TimedOut => {
            format!("{what}: it took longer than its timeout{at}; what was committed stands, and `polder runs retry` does the rest")
        }
        RunResult::Cancelled => format!("{what}: it was cancelled{at}; what was committed stands, and `polder runs retry` does the rest"),
        _ => format!("{what}: it was told to end{at}; what was committed stands, and the scheduler, or `polder runs retry`, does the rest"),
    };
    let failure = Failure::new(ErrorKind::Unavailable, text);
    match result {
        RunResult::Cancelled => failure.exiting(EXIT_CANCELLED),
        RunResult::TimedOut => failure,
        _ => failure.exiting(EXIT_INTERRUPTED),
    }
}

/// Records how it ended. What was committed stands, whatever can be recorded.
pub(crate) async fn conclude(installation: &Installation, run: RunId, pipeline: Option<NameId>, course: &Course, attempt: &mut Attempt) {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    if course.started() {
        let committed = count(attempt.reports.iter().filter(|report| matches!(report.status, "committed" | "migrated")).count());
        let failed = count(attempt.reports.iter().filter(|report| report.failure.is_some()).count());
        // One that was ended is no success, though none of its steps failed.
        let failed = if attempt.failure.is_some() { failed.max(1) } else { failed };
        record(installation, EventKind::RunFinished { run, committed, failed }, Private::default(), attempt).await;
    }
    let error = attempt.failure.as_ref().map(|failure| failure.kind().name().to_owned());
    let private = attempt.failure.as_ref().map(|failure| Private::default().with("error", failure.to_string())).unwrap_or_default();
    let concluded = EventKind::RunConcluded { run, pipeline, result: attempt.result, error, again: attempt.again };
    record(installation, concluded, private, attempt).await;
}

async fn record(installation: &Installation, kind: EventKind, private: Private, attempt: &mut Attempt) {
    let Err(unrecorded) = installation.record_with(kind, private).await else { return };
    match &attempt.failure {
        Some(_) => print::warn("how the run ended could not be recorded", &unrecorded),
        None => {
            attempt.result = RunResult::Failed;
            attempt.failure = Some(unrecorded.during("record that the run has ended; its batches are as reported"));
        }
    }
}

/// The newest run of the pipeline, if it failed and nobody could be told of that so far, nor for so long that it is of no use any more.
pub fn untold_failure(state: &State, pipeline: &Pipeline, id: NameId, now_ms: i64) -> Option<RunId> {
    let run = state.pipelines.get(&id)?.untold.filter(|_| pipeline.tells(NoticeKind::Failure).is_some())?;
    let ended_ms = state.runs.get(&run)?.concluded.as_ref()?.time_ms;
    (now_ms.saturating_sub(ended_ms) <= TELL_FOR_MS).then_some(run)
}

/// Whether there is something for [`bury`] to do: a run that nobody concluded, or a failure that nobody was told of.
pub fn unsettled(state: &State, pipeline: &Pipeline, id: NameId, now_ms: i64) -> bool {
    untold_failure(state, pipeline, id, now_ms).is_some()
        || state
            .runs
            .values()
            .any(|info| info.concluded.is_none() && info.triggered.is_some_and(|triggered| triggered.pipeline == Some(id)))
}

/// Runs of the pipeline that nobody concluded are dead: whoever holds the lease is the only one. That is recorded and told, and so is the
/// failure of the newest one where it was recorded and nobody was told. A notice of which it is not recorded what became of it may have been sent,
/// and is sent once more: twice is better than not at all. How many there were.
///
/// # Errors
/// When it cannot be recorded.
pub async fn bury(installation: &Installation, pipeline: &Pipeline, id: NameId, again: bool) -> Outcome<usize> {
    let state = installation.journal.state();
    let ordered = installation.ordered.lock().clone();
    let dead = state.runs.iter().filter(|(run, info)| {
        info.concluded.is_none() && info.triggered.is_some_and(|triggered| triggered.pipeline == Some(id)) && !ordered.contains(run)
    });
    let mut dead: Vec<(u64, RunId)> = dead.map(|(run, info)| (info.index, *run)).collect();
    dead.sort_unstable();
    // Its process ended between recording that it failed and telling that, or nobody who is told was there.
    let untold = untold_failure(&state, pipeline, id, installation.clock.now_ms());
    if let Some(run) = untold {
        tell::tell(installation, pipeline, id, &tell::of_untold(pipeline, run, installation.clock.now_ms())).await;
    }
    for (_, run) in &dead {
        // Of several the newest is the one that is tried again.
        let again = again && dead.last().is_some_and(|(_, last)| last == run);
        let killed = EventKind::RunConcluded { run: *run, pipeline: Some(id), result: RunResult::Killed, error: None, again };
        installation.record(killed).await?;
        tell::tell(installation, pipeline, id, &tell::of_killed(pipeline, *run, again, installation.clock.now_ms())).await;
    }
    Ok(dead.len().saturating_add(usize::from(untold.is_some())))
}

/// Judges how old the pipeline's tables are; what changed is recorded and told.
///
/// # Errors
/// When a contract is wrong, or it cannot be recorded.
pub async fn judged(installation: &Installation, pipeline: &Pipeline, id: NameId) -> Outcome<Vec<Judged>> {
    let now_ms = installation.clock.now_ms();
    let judged = freshness::judge(installation, pipeline, now_ms).await?;
    for missed in [true, false] {
        let news: Vec<&Judged> = judged.iter().filter(|table| table.is_news() && table.missed == missed).collect();
        for table in &news {
            let Judged { id: of, newest_ms, max_age_seconds, .. } = **table;
            let event = EventKind::FreshnessJudged { pipeline: id, table: of, missed, newest_ms, max_age_seconds };
            installation.record(event).await?;
        }
        if let Some(notice) = tell::of_freshness(pipeline, &news, missed, now_ms) {
            tell::tell(installation, pipeline, id, &notice).await;
        }
    }
    Ok(judged)
}
