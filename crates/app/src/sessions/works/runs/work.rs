//! A run on its thread, from its turn to its conclusion.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use polder_serve::Fault;
use polder_types::event::{RunResult, Trigger};
use polder_types::{ErrorKind, EventKind, RunId};
use tokio::runtime::Handle;

use super::{Live, Plan, Runs};
use crate::cli::RunArgs;
use crate::command::pipeline::attempt::{self, Asked, Attempt};
use crate::command::pipeline::tell;
use crate::command::run;
use crate::installation::Installation;
use crate::pipeline::Pipeline;
use crate::print;
use crate::telemetry::{self, RunTold};

/// Of the thread of a run: plans are deep.
const STACK_BYTES: usize = 16 << 20;

/// Takes a run from those that are worked on, however its thread ends.
struct Ends {
    runs: Arc<Runs>,
    run: RunId,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.runs.remove(self.run);
    }
}

/// Works on a run that is recorded as triggered.
///
/// # Errors
/// When there is no thread for it; then it is recorded that it failed.
pub(super) async fn begin(runs: &Arc<Runs>, acting: Installation, plan: Plan, live: Arc<Live>, failing: bool) -> Result<(), Fault> {
    let (runtime, run) = (Handle::current(), live.course.run());
    let ends = Ends { runs: Arc::clone(runs), run };
    let (acting, pipeline) = (Arc::new(acting), plan.pipeline.as_ref().map(|(_, id)| *id));
    let own = Arc::clone(&acting);
    let work = move || {
        let worked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(worked(&ends.runs, &own, &plan, &live, failing))));
        if worked.is_err() {
            // A defect of the program ends this run, and not the server.
            let killed = EventKind::RunConcluded { run, pipeline, result: RunResult::Killed, error: None, again: false };
            if let Err(unrecorded) = runtime.block_on(own.record(killed)) {
                print::warn("that a run was broken off could not be recorded", &unrecorded);
            }
        }
        drop(ends);
    };
    let Err(error) = std::thread::Builder::new().name("run".to_owned()).stack_size(STACK_BYTES).spawn(work) else { return Ok(()) };
    let error_kind = ErrorKind::Unavailable.name().to_owned();
    let failed = EventKind::RunConcluded { run, pipeline, result: RunResult::Failed, error: Some(error_kind), again: false };
    acting.record(failed).await.map_err(|failure| super::failed(&failure))?;
    Err(Fault::new(ErrorKind::Unavailable, format!("begin run: there is no thread for it ({error}); try again under another key")))
}

async fn worked(runs: &Runs, installation: &Installation, plan: &Plan, live: &Live, failing: bool) {
    let Plan { pipeline, select } = plan;
    let (pipeline, id) = pipeline.as_ref().map_or((None, None), |(pipeline, id)| (Some(pipeline), Some(*id)));
    let (course, begun_ms) = (&live.course, installation.clock.now_ms());
    let asked = Asked {
        pipeline,
        trigger: Trigger::Hand,
        attempt: 1,
        due_ms: None,
        retry_of: None,
        previous: None,
        passed: Vec::new(),
        followed: false,
    };
    let mut attempt = {
        let _turn = runs.turn.write().await;
        stepped(runs, installation, &asked, select, live).await
    };
    attempt.run = Some(course.run());
    attempt::conclude(installation, course.run(), id, course, &mut attempt).await;
    let told = RunTold {
        run: course.run(),
        pipeline: pipeline.map(|pipeline| pipeline.name.clone()),
        result: attempt.result.name().to_owned(),
        failed: attempt.result != RunResult::Succeeded,
        attempt: 1,
        begun_ms,
        ended_ms: installation.clock.now_ms(),
        batches: course.told(),
    };
    telemetry::push(installation, &told).await;
    let (Some(pipeline), Some(id)) = (pipeline, id) else { return };
    for notice in tell::of_attempt(pipeline, &asked, &attempt, failing, installation.clock.now_ms()) {
        tell::tell(installation, pipeline, id, &notice).await;
    }
    if let Err(failure) = attempt::judged(installation, pipeline, id).await {
        print::warn("how old the tables are could not be judged", &failure);
    }
}

/// The end of the time that a run may take, if there is one.
fn deadline(pipeline: Option<&Pipeline>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match pipeline.and_then(|pipeline| pipeline.timeout_ms) {
        Some(ms) => Box::pin(tokio::time::sleep(Duration::from_millis(ms.unsigned_abs()))),
        None => Box::pin(std::future::pending()),
    }
}

/// Does the steps. None is dropped in its midst, for this process works on: one that goes on is finished, whoever wants an end.
async fn stepped(runs: &Runs, installation: &Installation, asked: &Asked<'_>, select: &[String], live: &Live) -> Attempt {
    let course = &live.course;
    let maintain = asked.pipeline.is_some_and(|pipeline| pipeline.maintain);
    let args = RunArgs { select: select.to_vec(), maintain, ..RunArgs::default() };
    let (mut deadline, mut late) = (deadline(asked.pipeline), false);
    let done = {
        let work = run::batches(installation, &args, runs.memory_mib, None, None, course);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => break done,
                () = &mut deadline, if !late => {
                    late = true;
                    course.close();
                }
            }
        }
    };
    let reports = match done {
        Ok(reports) if !course.cut() => return attempt::came_to_its_end(reports),
        Ok(reports) => reports,
        Err(failure) => return Attempt { reports: course.reports(), ..Attempt::failed(failure) },
    };
    let result = match (late, live.cancelled.load(Ordering::Acquire)) {
        (_, true) => RunResult::Cancelled,
        (true, false) => RunResult::TimedOut,
        (false, false) => RunResult::Interrupted,
    };
    Attempt { reports, ..Attempt::of(result, Some(attempt::stopped(result, asked, None))) }
}
