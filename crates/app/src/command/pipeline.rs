//! `polder pipeline`: run one as it says, list them, look after what nobody told.

pub mod attempt;
pub mod tell;

use std::collections::BTreeSet;

use polder_audit::State;
use polder_types::event::{RunResult, Trigger};
use polder_types::{ErrorKind, SystemRng};
use serde_json::{Value, json};

use self::attempt::{Asked, Attempt};
use crate::cli::{Global, Output, PipelineCommand, PipelineRunArgs};
use crate::duration::Shown;
use crate::failure::{Failure, Outcome};
use crate::freshness::{self, Judged};
use crate::history;
use crate::ingest;
use crate::installation::Installation;
use crate::name_id::Named;
use crate::pipeline::Pipeline;
use crate::print::{self, Listing, time};
use crate::project::Project;
use crate::scheduler::{Passed, Start};
use crate::signals::Ends;
use crate::wiring::Loss;
use crate::writing::{Writing, reader};

/// How long a look at freshness waits for another writer before it tells what it found, in seconds.
const CHECK_WAIT_S: u64 = 60;
/// How long it then waits to record that, in seconds.
const RECORD_WAIT_S: u64 = 6 * 3600;

/// Runs a verb.
///
/// # Errors
/// When the pipeline is wrong, or what the run met.
pub async fn run(global: &Global, command: &PipelineCommand, output: Output) -> Outcome {
    let project = Project::find(global.project.as_deref(), &global.env)?;
    match command {
        PipelineCommand::Run(args) => run_one(&project, global, args, output).await,
        PipelineCommand::List => list(&project, output).await,
        PipelineCommand::Check { name, parent } => {
            crate::command::scheduler::of_parent(*parent)?;
            let pipelines = match name {
                Some(name) => vec![project.pipeline(name)?],
                None => project.pipelines()?,
            };
            let looked = look(&project, global.wait, &pipelines).await?;
            match parent {
                // What the scheduler sleeps by.
                Some(_) => print::json(&looked.document())?,
                None => looked.listing.print(output)?,
            }
            looked.judged()
        }
    }
}

/// Makes the attempt that the scheduler begins inside this process, as a process of its own would; what the scheduler hears of it.
///
/// # Errors
/// When the pipeline is wrong.
pub async fn supervised(project: &Project, global: &Global, start: Start, ends: &mut Ends) -> Outcome<Value> {
    let Start { pipeline, due_ms, attempt: number, passed } = start;
    let pipeline = project.pipeline(&pipeline)?;
    let trigger = if number <= 1 { Trigger::Schedule } else { Trigger::Retry };
    let asked = Asked {
        pipeline: Some(&pipeline),
        trigger,
        attempt: number.max(1),
        due_ms,
        retry_of: None,
        previous: None,
        passed,
        followed: true,
    };
    let attempt = attempt::attempt(project, global, None, &asked, ends).await;
    lines(&attempt).iter().for_each(|line| print::note(line));
    if let Some(failure) = &attempt.failure {
        print::warn(&format!("pipeline {}", pipeline.name), failure);
    }
    let attempts = vec![document(&attempt, asked.attempt)];
    Ok(summary(&pipeline, &attempt, attempts))
}

/// Looks, inside this process, at what nobody told of a pipeline; what the scheduler hears of it.
///
/// # Errors
/// When the pipeline or its log cannot be looked at.
pub async fn checked(project: &Project, pipeline: &str) -> Outcome<Value> {
    let pipeline = project.pipeline(pipeline)?;
    Ok(look(project, None, std::slice::from_ref(&pipeline)).await?.document())
}

fn summary(pipeline: &Pipeline, last: &Attempt, attempts: Vec<Value>) -> Value {
    json!({
        "pipeline": pipeline.name, "success": last.failure.is_none(), "result": last.result.name(), "passes": last.passes,
        "stale_at_ms": last.stale_at_ms, "untold": last.untold, "attempts": attempts,
    })
}

/// Runs a pipeline once: with its retries, unless the scheduler sees to these.
async fn run_one(project: &Project, global: &Global, args: &PipelineRunArgs, output: Output) -> Outcome {
    crate::command::scheduler::of_parent(args.parent)?;
    let loss = global.drop_batch.as_deref().map(Loss::parse).transpose()?;
    let pipeline = project.pipeline(&args.name)?;
    let passed = args.passed.iter().map(|text| parse_passed(text)).collect::<Outcome<Vec<Passed>>>()?;
    let mut ends = Ends::new()?;
    let supervised = args.attempt.is_some();
    let mut asked = Asked {
        pipeline: Some(&pipeline),
        trigger: match args.attempt {
            None => Trigger::Hand,
            Some(1) => Trigger::Schedule,
            Some(_) => Trigger::Retry,
        },
        attempt: args.attempt.unwrap_or(1).max(1),
        due_ms: args.due_ms,
        retry_of: None,
        previous: None,
        passed,
        followed: true,
    };
    let mut attempts = Vec::new();
    let last = loop {
        let mut attempt = attempt::attempt(project, global, loss, &asked, &mut ends).await;
        match output {
            // Standard output is the scheduler's: what is for people goes where its own words go.
            _ if supervised => lines(&attempt).iter().for_each(|line| print::note(line)),
            Output::Json => {}
            _ => show(&attempt)?,
        }
        attempts.push(document(&attempt, asked.attempt));
        if supervised || !attempt.again {
            break attempt;
        }
        let wait_ms = pipeline.retries.wait_ms(asked.attempt, &SystemRng);
        let wait = std::time::Duration::from_millis(wait_ms.unsigned_abs());
        if let Some(failure) = &attempt.failure {
            print::warn(&format!("attempt {} failed, and the next begins in {}", asked.attempt, Shown(wait.as_secs())), failure);
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            told = ends.told() => {
                let text = format!("run pipeline {}: it was told to end before attempt {}", pipeline.name, asked.attempt.saturating_add(1));
                let ended = attempt.failure.take().map(|failure| failure.during(text).exiting(attempt::exit_of(told)));
                attempt.failure = ended;
                break attempt;
            }
        }
        asked.previous = attempt.run.or(asked.previous);
        (asked.attempt, asked.trigger) = (asked.attempt.saturating_add(1), Trigger::Retry);
        asked.passed.clear();
    };
    if supervised || output == Output::Json {
        print::json(&summary(&pipeline, &last, attempts))?;
    }
    last.failure.map_or(Ok(()), Err)
}

/// Repeats what a run left undone.
///
/// # Errors
/// When there is nothing left, or what the run met.
pub async fn retry(project: &Project, global: &Global, text: &str, output: Output) -> Outcome {
    let writing = Writing::open(project, global.wait).await?;
    let looked = to_repeat(&writing.installation, text);
    let closed = writing.close_after(looked.as_ref().map(|_| ()).map_err(Clone::clone)).await;
    let (run, attempt, due_ms, pipeline) = looked?;
    closed?;
    let mut ends = Ends::new()?;
    let asked = Asked {
        pipeline: pipeline.as_ref(),
        trigger: Trigger::Retry,
        attempt,
        due_ms,
        retry_of: Some(run),
        previous: None,
        passed: Vec::new(),
        followed: false,
    };
    let attempt = attempt::attempt(project, global, None, &asked, &mut ends).await;
    match output {
        Output::Json => print::json(&document(&attempt, asked.attempt))?,
        _ => show(&attempt)?,
    }
    attempt.failure.map_or(Ok(()), Err)
}

type ToRepeat = (polder_types::RunId, u32, Option<i64>, Option<Pipeline>);

fn to_repeat(installation: &Installation, text: &str) -> Outcome<ToRepeat> {
    let state = installation.journal.state();
    let run = history::find(&state, text)?;
    let info = state.runs.get(&run).cloned().unwrap_or_default();
    if history::result(&info) == Some(RunResult::Succeeded) {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!("repeat run {run}: it succeeded, and left nothing undone; `polder run` begins anew"),
        ));
    }
    let Some(triggered) = info.triggered else { return Ok((run, 2, None, None)) };
    let pipeline = match triggered.pipeline {
        None => None,
        Some(id) => {
            let named = installation.project.pipelines()?.into_iter().map(|pipeline| {
                let of = installation.name_id(Named::Pipeline, &pipeline.name)?;
                Ok((of, pipeline))
            });
            named.collect::<Outcome<Vec<_>>>()?.into_iter().find(|(of, _)| *of == id).map(|(_, pipeline)| pipeline)
        }
    };
    Ok((run, triggered.attempt.saturating_add(1), triggered.due_ms, pipeline))
}

/// What became of each step, and of all.
fn lines(attempt: &Attempt) -> Vec<String> {
    let steps = attempt.reports.iter().flat_map(ingest::lines).chain(attempt.store.map(ingest::store_line));
    steps.chain(attempt.run.map(|run| format!("run {run} {}", attempt.result.name()))).collect()
}

fn show(attempt: &Attempt) -> Outcome {
    lines(attempt).iter().try_for_each(|line| print::line(line))
}

fn document(attempt: &Attempt, number: u32) -> Value {
    let batches: Vec<_> = attempt.reports.iter().map(ingest::to_json).collect();
    json!({
        "run": attempt.run.map(|run| run.to_string()), "attempt": number, "success": attempt.failure.is_none(),
        "result": attempt.result.name(), "error": attempt.failure.as_ref().map(|failure| failure.to_json().get_mut("error").map(Value::take)),
        "batches": batches, "store": attempt.store,
    })
}

/// `REASON:FIRST:LAST:TIMES`, as the scheduler writes it.
fn parse_passed(text: &str) -> Outcome<Passed> {
    let parsed = || {
        let mut parts = text.split(':');
        let reason = serde_json::from_value(json!(parts.next()?)).ok()?;
        let (first_ms, last_ms) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let times = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Passed { reason, first_ms, last_ms, times })
    };
    parsed().ok_or_else(|| Failure::new(ErrorKind::Invalid, "read what passed: write REASON:FIRST:LAST:TIMES"))
}

/// As [`parse_passed`] reads it.
pub fn write_passed(passed: &Passed) -> String {
    format!("{}:{}:{}:{}", passed.reason.name(), passed.first_ms, passed.last_ms, passed.times)
}

/// `pipeline list`: when each is due, and how it stands.
async fn list(project: &Project, output: Output) -> Outcome {
    let pipelines = project.pipelines()?;
    let installation = reader(project).await?;
    let (state, now_ms) = (installation.journal.state(), installation.clock.now_ms());
    let mut listing = Listing::new(&["pipeline", "schedule", "timezone", "next_due", "last_result", "last_success", "too_old"]);
    for pipeline in &pipelines {
        let id = installation.name_id(Named::Pipeline, &pipeline.name)?;
        let info = state.pipelines.get(&id);
        let schedule = pipeline.schedule.as_ref();
        let judged = freshness::judge(&installation, pipeline, now_ms).await?;
        let too_old: Vec<String> = judged.iter().filter(|table| table.missed).map(Judged::name).collect();
        listing.row([
            json!(pipeline.name),
            json!(schedule.map_or_else(|| "by hand".to_owned(), ToString::to_string)),
            json!(schedule.and_then(|schedule| schedule.zone())),
            json!(schedule.and_then(|schedule| schedule.next_after(now_ms)).map(time)),
            json!(info.and_then(|info| info.last).map(|run| standing(&state, run))),
            json!(info.and_then(|info| info.succeeded).map(|(_, at)| time(at))),
            json!(too_old),
        ]);
    }
    listing.print(output)
}

/// How a run stands: its result, or that it is not known yet.
pub fn standing(state: &State, run: polder_types::RunId) -> &'static str {
    state.runs.get(&run).and_then(history::result).map_or("unfinished", RunResult::name)
}

/// What looks at pipelines came to.
struct Look {
    listing: Listing,
    /// Tables that are too old.
    missed: usize,
    /// When the first of the others is.
    stale_at_ms: Option<i64>,
    buried: usize,
    unsettled: bool,
    untold: bool,
}

impl Look {
    fn document(&self) -> Value {
        let Self { missed, stale_at_ms, buried, unsettled, untold, .. } = self;
        json!({ "missed": missed, "stale_at_ms": stale_at_ms, "buried": buried, "unsettled": unsettled, "untold": untold })
    }

    fn judged(&self) -> Outcome {
        match self.missed {
            0 => Ok(()),
            1 => Err(Failure::new(
                ErrorKind::Rejected,
                "1 table is older than its contract lets it be; see why its pipeline did not load it, or its source brings nothing newer",
            )),
            many => Err(Failure::new(
                ErrorKind::Rejected,
                format!(
                    "{many} tables are older than their contracts let them be; see why their pipelines did not load them, or their sources bring nothing newer"
                ),
            )),
        }
    }
}

/// `pipeline check`: tables that are too old, and runs that ended without a word. What is new is told and recorded.
async fn look(project: &Project, wait_s: Option<u64>, pipelines: &[Pipeline]) -> Outcome<Look> {
    let mut listing = Listing::new(&["pipeline", "table", "column", "newest_load", "max_age", "too_old", "why"]);
    let (mut old, mut stale_at_ms) = (BTreeSet::new(), None::<i64>);
    let (mut buried, mut unsettled, mut untold) = (0usize, false, false);
    for pipeline in pipelines {
        let looked = looked_after(project, wait_s, pipeline).await?;
        buried = buried.saturating_add(looked.buried);
        unsettled |= looked.unsettled;
        untold |= looked.untold;
        for table in looked.judged {
            if table.missed {
                old.insert((pipeline.name.clone(), table.table.clone()));
            } else {
                stale_at_ms = Some(stale_at_ms.map_or(table.stale_at_ms, |before| before.min(table.stale_at_ms)));
            }
            listing.row([
                json!(pipeline.name),
                json!(table.table),
                json!(table.column),
                json!(table.newest_ms.map(time)),
                json!(Shown(table.max_age_seconds).to_string()),
                json!(table.missed),
                json!(table.why),
            ]);
        }
    }
    Ok(Look { listing, missed: old.len(), stale_at_ms, buried, unsettled, untold })
}

/// What a look at a pipeline came to.
struct Looked {
    judged: Vec<Judged>,
    /// Runs of which it was told that they are dead.
    buried: usize,
    /// Runs may be dead, and could not be told from one that goes on.
    unsettled: bool,
    /// A run failed, and nobody could be told of that.
    untold: bool,
}

impl Looked {
    fn of(judged: Vec<Judged>) -> Self {
        Self { judged, buried: 0, unsettled: false, untold: false }
    }
}

/// Looks at one pipeline beside whoever writes. Only news needs the lease; when another holds it for long, they are told first and
/// recorded after: an alarm does not wait for the load that it is about.
async fn looked_after(project: &Project, wait_s: Option<u64>, pipeline: &Pipeline) -> Outcome<Looked> {
    let reader = reader(project).await?;
    let id = reader.name_id(Named::Pipeline, &pipeline.name)?;
    let now_ms = reader.clock.now_ms();
    let judged = freshness::judge(&reader, pipeline, now_ms).await?;
    let unsettled = attempt::unsettled(&reader.journal.state(), pipeline, id, now_ms);
    drop(reader);
    if !unsettled && !judged.iter().any(Judged::is_news) {
        return Ok(Looked::of(judged));
    }
    let wait = Some(wait_s.unwrap_or(CHECK_WAIT_S));
    let opened = match Writing::open(project, wait).await {
        Err(failure) if failure.kind() == ErrorKind::Busy => {
            if !judged.iter().any(Judged::is_news) {
                // Whoever holds the lease may well be the run that is not concluded yet.
                return Ok(Looked { unsettled, ..Looked::of(judged) });
            }
            for missed in [true, false] {
                let news: Vec<&Judged> = judged.iter().filter(|table| table.is_news() && table.missed == missed).collect();
                if let Some(notice) = tell::of_freshness(pipeline, &news, missed, now_ms) {
                    tell::send(project, pipeline, &notice).await;
                }
            }
            let opened = Writing::open(project, Some(RECORD_WAIT_S)).await?;
            let installation = &opened.installation;
            let quiet = Pipeline { notify: None, ..pipeline.clone() };
            let recorded = async {
                let buried = attempt::bury(installation, pipeline, id, false).await?;
                let untold = attempt::untold_failure(&installation.journal.state(), pipeline, id, now_ms).is_some();
                Ok(Looked { buried, untold, ..Looked::of(attempt::judged(installation, &quiet, id).await?) })
            };
            let recorded = recorded.await;
            return closed(opened, recorded).await;
        }
        opened => opened?,
    };
    let looked = async {
        let installation = &opened.installation;
        let buried = attempt::bury(installation, pipeline, id, false).await?;
        let untold = attempt::untold_failure(&installation.journal.state(), pipeline, id, now_ms).is_some();
        Ok(Looked { buried, untold, ..Looked::of(attempt::judged(installation, pipeline, id).await?) })
    };
    let looked = looked.await;
    closed(opened, looked).await
}

async fn closed(opened: Writing, looked: Outcome<Looked>) -> Outcome<Looked> {
    let ended = opened.close_after(looked.as_ref().map(|_| ()).map_err(Clone::clone)).await;
    let looked = looked?;
    ended?;
    Ok(looked)
}

#[cfg(test)]
mod tests {
    use polder_types::event::SkipReason;

    use super::*;

    #[test]
    fn what_passed_reads_back_as_it_was_written() {
        for reason in [SkipReason::Overlap, SkipReason::QueueFull, SkipReason::Replaced, SkipReason::Missed] {
            let passed = Passed { reason, first_ms: 1_774_353_600_000, last_ms: 1_774_353_900_000, times: 3 };
            assert_eq!(parse_passed(&write_passed(&passed)).unwrap(), passed);
        }
        for wrong in ["", "overlap", "overlap:1:2", "overlap:1:2:3:4", "other:1:2:3", "overlap:a:2:3"] {
            assert!(parse_passed(wrong).is_err(), "{wrong}");
        }
    }
}
