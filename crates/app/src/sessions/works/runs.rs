//! Runs that sessions begin. Each works on a thread of its own and waits for its turn among all who change tables, as a command that is handed
//! over does. It acts for whoever began it, and goes on when their session ends.

mod follow;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use polder_audit::{Filter, Resolved, RunInfo, State, Triggered};
use polder_policy::Action;
use polder_serve::Fault;
use polder_serve::works::{Counts, Order, Run, Step};
use polder_types::event::{RunResult, Trigger};
use polder_types::{ErrorKind, EventKind, NameId, RunId};
use tokio::sync::watch;

use super::{allowed, failed, known, no_such_table, unreadable};
use crate::command::pipeline::attempt;
use crate::course::Course;
use crate::failure::Outcome;
use crate::history::{self, StepEnd};
use crate::installation::Installation;
use crate::name_id::Named;
use crate::pipeline::Pipeline;
use crate::print::{self, time};

pub(super) use follow::follow;

/// Runs that wait or go on at once.
const LIVE_MAX: usize = 64;
/// Bytes of a run's id that tell an order's key; the others tell the order.
const KEY_BYTES: usize = 8;

/// The runs that this process works on.
pub(in crate::sessions) struct Runs {
    memory_mib: u64,
    turn: Arc<tokio::sync::RwLock<()>>,
    /// One order after another is looked at, so that of two with one key the second finds what the first began.
    starting: tokio::sync::Mutex<()>,
    /// One approval after another.
    pub(super) approving: Arc<tokio::sync::Mutex<()>>,
    live: Mutex<BTreeMap<RunId, Arc<Live>>>,
    /// How many there are.
    count: watch::Sender<usize>,
    ending: AtomicBool,
    /// Who began a run, as the log tells; none of one whose beginning was erased.
    owners: Mutex<BTreeMap<RunId, Option<String>>>,
    /// Their ids, for whoever looks for runs that a killed process left.
    ordered: Arc<Mutex<BTreeSet<RunId>>>,
}

/// One of them.
struct Live {
    course: Course,
    cancelled: AtomicBool,
}

impl Runs {
    /// None so far. `memory_mib` is what each of them may compute with, `turn` that of all who change something.
    pub(in crate::sessions) fn new(memory_mib: u64, ordered: Arc<Mutex<BTreeSet<RunId>>>, turn: Arc<tokio::sync::RwLock<()>>) -> Self {
        Self {
            memory_mib,
            turn,
            starting: tokio::sync::Mutex::default(),
            approving: Arc::default(),
            live: Mutex::default(),
            count: watch::Sender::new(0),
            ending: AtomicBool::new(false),
            owners: Mutex::default(),
            ordered,
        }
    }

    /// Begins no more, and lets each finish the step that it is at.
    pub(in crate::sessions) async fn close(&self) {
        // Whoever is being let in now is in before, or is not.
        let _starting = self.starting.lock().await;
        self.ending.store(true, Ordering::Release);
        self.live.lock().values().for_each(|live| live.course.close());
    }

    /// The same, and waits until all have ended.
    pub(in crate::sessions) async fn end(&self) {
        self.close().await;
        let mut count = self.count.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    fn add(&self, run: RunId, live: &Arc<Live>) {
        self.ordered.lock().insert(run);
        let mut all = self.live.lock();
        all.insert(run, Arc::clone(live));
        self.count.send_replace(all.len());
    }

    fn remove(&self, run: RunId) {
        let mut all = self.live.lock();
        all.remove(&run);
        self.ordered.lock().remove(&run);
        self.count.send_replace(all.len());
    }
}

/// Records that runs of no pipeline, which a killed process left, ended with it. To be called before any begins.
///
/// # Errors
/// When it cannot be recorded.
pub(in crate::sessions) async fn settle(installation: &Installation) -> Outcome {
    let state = installation.journal.state();
    let dead = state
        .runs
        .iter()
        .filter(|(_, info)| info.concluded.is_none() && info.triggered.is_some_and(|triggered| triggered.pipeline.is_none()));
    for (run, _) in dead {
        let killed = EventKind::RunConcluded { run: *run, pipeline: None, result: RunResult::Killed, error: None, again: false };
        installation.record(killed).await?;
    }
    Ok(())
}

/// What an order comes to.
struct Plan {
    pipeline: Option<(Pipeline, NameId)>,
    /// Tables and models; all where there are none.
    select: Vec<String>,
}

pub(super) async fn start(runs: &Arc<Runs>, acting: Installation, order: Order, key: &str) -> Result<RunId, Fault> {
    let order = canonical(order);
    let plan = plan(&acting, &order).await?;
    let run = id_of(&acting, &order, key)?;
    // To its end, whoever hangs up: what is recorded as ordered is begun.
    let runs = Arc::clone(runs);
    finished(async move { begin(&runs, acting, plan, run).await }).await
}

/// Work that is not left in its midst when the one who asked for it is gone.
///
/// # Errors
/// Its own.
pub(super) async fn finished<T: Send + 'static>(work: impl Future<Output = Result<T, Fault>> + Send + 'static) -> Result<T, Fault> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => Err(Fault::new(ErrorKind::Internal, format!("do what was asked for: {error}; report this as a defect"))),
    }
}

async fn begin(runs: &Arc<Runs>, acting: Installation, plan: Plan, run: RunId) -> Result<RunId, Fault> {
    let _starting = runs.starting.lock().await;
    if let Some(before) = of_key(&acting.journal.state(), run) {
        return if before == run {
            Ok(run)
        } else {
            let text = "begin run: Idempotency-Key was given with another order before; choose a key for each order";
            Err(Fault::new(ErrorKind::Rejected, text))
        };
    }
    if runs.ending.load(Ordering::Acquire) {
        return Err(Fault::limit("begin run: serving ends; ask again when it has begun anew"));
    }
    if runs.live.lock().len() >= LIVE_MAX {
        return Err(Fault::limit(format!("begin run: {LIVE_MAX} wait or go on already, and no more may; ask again when one has ended")));
    }
    if let Some((pipeline, id)) = &plan.pipeline {
        let state = acting.journal.state();
        let going = |run: &RunId| state.runs.get(run).is_some_and(|info| info.triggered.is_some_and(|of| of.pipeline == Some(*id)));
        if runs.live.lock().keys().any(going) {
            let text = format!("begin run: pipeline {} runs already; ask again when that run has ended", pipeline.name);
            return Err(Fault::new(ErrorKind::Conflict, text));
        }
    }
    let triggered =
        Triggered { trigger: Trigger::Hand, pipeline: plan.pipeline.as_ref().map(|(_, id)| *id), attempt: 1, retry_of: None, due_ms: None };
    let pipeline = plan.pipeline.as_ref().map(|(pipeline, _)| pipeline);
    let failing = triggered.pipeline.is_some_and(|id| acting.journal.state().pipelines.get(&id).is_some_and(|info| info.failing.is_some()));
    let live = Arc::new(Live { course: Course::of(run), cancelled: AtomicBool::new(false) });
    // Before it is recorded, so that nobody takes it for one that a killed process left.
    runs.add(run, &live);
    if let Err(failure) = attempt::trigger(&acting, run, triggered, pipeline, Some(plan.select.as_slice())).await {
        runs.remove(run);
        return Err(failed(&failure));
    }
    runs.owners.lock().insert(run, Some(acting.actor.to_string()));
    work::begin(runs, acting, plan, live, failing).await?;
    Ok(run)
}

/// The same order is written in one way.
fn canonical(order: Order) -> Order {
    match order {
        Order::Tables(mut names) => {
            names.sort();
            names.dedup();
            Order::Tables(names)
        }
        order @ Order::Pipeline(_) => order,
    }
}

/// The id of the run that a principal's order under a key begins: the same whenever it is sent, so that the log itself tells that it was sent
/// before. Nobody without this installation's keys can tell whose it is.
fn id_of(acting: &Installation, order: &Order, key: &str) -> Result<RunId, Fault> {
    let secret = acting.keys.derive("orders of runs").map_err(|error| failed(&error.into()))?;
    let begin = format!("{}\n{key}\n", acting.actor);
    let ordered = match order {
        Order::Pipeline(name) => serde_json::json!({ "pipeline": name }),
        Order::Tables(names) => serde_json::json!({ "tables": names }),
    };
    let of_key = polder_crypto::hmac_sha256(secret.expose_secret(), begin.as_bytes());
    let of_order = polder_crypto::hmac_sha256(secret.expose_secret(), format!("{begin}{ordered}").as_bytes());
    let mut id = [0; 16];
    id.iter_mut().zip(of_key.iter().take(KEY_BYTES).chain(&of_order)).for_each(|(to, from)| *to = *from);
    Ok(RunId(id))
}

/// The run that was begun under the key of an id, for this order or another.
fn of_key(state: &State, run: RunId) -> Option<RunId> {
    state.runs.keys().find(|other| other.0.iter().take(KEY_BYTES).eq(run.0.iter().take(KEY_BYTES))).copied()
}

async fn plan(acting: &Installation, order: &Order) -> Result<Plan, Fault> {
    let known = known(acting)?;
    match order {
        Order::Tables(names) => {
            for name in names {
                if known.contains(name) {
                    acting.may(Action::Run, name).await.map_err(|denied| failed(&denied))?;
                } else {
                    refuse(acting).await?;
                    return Err(no_such_table(name));
                }
            }
            Ok(Plan { pipeline: None, select: names.clone() })
        }
        Order::Pipeline(name) => {
            let names = acting.project.pipeline_names().map_err(|failure| unreadable(&failure))?;
            let pipeline = names.contains(name).then(|| acting.project.pipeline(name)).transpose();
            // What a broken file would run is not known, and so not permitted.
            let pipeline = pipeline.unwrap_or_else(|failure| {
                print::warn("a pipeline could not be run, since its file cannot be used", &failure);
                None
            });
            let may = |pipeline: &Pipeline| {
                let selected = if pipeline.select.is_empty() { known.iter().collect() } else { pipeline.select.iter().collect::<Vec<_>>() };
                selected.into_iter().all(|step| allowed(acting, Action::Run, step))
            };
            match pipeline.filter(may) {
                Some(pipeline) => {
                    let id = acting.name_id(Named::Pipeline, name).map_err(|failure| failed(&failure))?;
                    // What it comes to now: a table that is added meanwhile was not decided about.
                    let select = if pipeline.select.is_empty() { known.into_iter().collect() } else { pipeline.select.clone() };
                    Ok(Plan { pipeline: Some((pipeline, id)), select })
                }
                None => {
                    refuse(acting).await?;
                    Err(Fault::new(ErrorKind::NotFound, format!("find pipeline {name}: there is none of this name that you may run")))
                }
            }
        }
    }
}

/// Records that something was not there, or was not to be known of.
async fn refuse(acting: &Installation) -> Result<(), Fault> {
    let kind = EventKind::Refused { action: Action::Run.name().to_owned(), error: ErrorKind::NotFound.name().to_owned() };
    acting.record(kind).await.map_err(|failure| failed(&failure))
}

fn no_such_run() -> Fault {
    Fault::new(ErrorKind::NotFound, "find run: there is none of this id that you may know of; GET /v1/runs lists those that you may")
}

/// Whether whoever acts may know of a run: those that they began, and all for who may read the log.
async fn visible(runs: &Runs, acting: &Installation, run: RunId, info: &RunInfo) -> Result<bool, Fault> {
    if acting.policies.decide_installation(&acting.actor, &acting.groups, Action::Audit).allowed {
        return Ok(true);
    }
    is_owner(runs, acting, run, info).await
}

/// Whether whoever acts ordered a run over REST.
async fn is_owner(runs: &Runs, acting: &Installation, run: RunId, info: &RunInfo) -> Result<bool, Fault> {
    // Nothing but an order of a session is triggered by hand and is somebody's of the register.
    if info.triggered.is_none_or(|triggered| triggered.trigger != Trigger::Hand) {
        return Ok(false);
    }
    let known = runs.owners.lock().get(&run).cloned();
    let owner = match known {
        Some(owner) => owner,
        None => {
            let filter = Filter { range: Some(info.index..info.index.saturating_add(1)), ..Filter::default() };
            let shown = acting.journal.show(&filter, 1).await.map_err(|error| failed(&error.into()))?;
            let owner = shown.into_iter().next().and_then(|entry| match entry.actor {
                Resolved::Value(actor) => Some(actor),
                Resolved::Erased => None,
            });
            runs.owners.lock().insert(run, owner.clone());
            owner
        }
    };
    Ok(owner.as_deref() == Some(acting.actor.as_str()))
}

/// A run that whoever acts may know of.
async fn find(runs: &Runs, acting: &Installation, run: RunId) -> Result<RunInfo, Fault> {
    let info = acting.journal.state().runs.get(&run).cloned();
    match info {
        Some(info) if visible(runs, acting, run, &info).await? => Ok(info),
        _ => Err(no_such_run()),
    }
}

pub(super) async fn list(runs: &Runs, acting: &Installation, before: Option<u64>, limit: usize) -> Result<Vec<Run>, Fault> {
    let state = acting.journal.state();
    runs.owners.lock().retain(|run, _| state.runs.contains_key(run));
    let mut all: Vec<(&RunId, &RunInfo)> = state.runs.iter().filter(|(_, info)| before.is_none_or(|before| info.index < before)).collect();
    all.sort_unstable_by_key(|(_, info)| std::cmp::Reverse(info.index));
    let names = history::pipeline_names(acting).map_err(|failure| unreadable(&failure))?;
    let mut listed = Vec::new();
    for (run, info) in all {
        if listed.len() >= limit {
            break;
        }
        if visible(runs, acting, *run, info).await? {
            listed.push(shown(*run, info, &names));
        }
    }
    Ok(listed)
}

fn shown(run: RunId, info: &RunInfo, names: &BTreeMap<NameId, String>) -> Run {
    let triggered = info.triggered;
    let ended_ms = info.concluded.as_ref().map(|end| end.time_ms).or_else(|| info.finished.map(|end| end.time_ms));
    let result = history::result(info);
    Run {
        id: run,
        place: info.index,
        pipeline: triggered.and_then(|triggered| names.get(&triggered.pipeline?).cloned()),
        trigger: triggered.map_or(Trigger::Hand, |triggered| triggered.trigger).name(),
        attempt: triggered.map_or(1, |triggered| triggered.attempt),
        started: time(info.started_ms),
        ended: ended_ms.filter(|_| result.is_some()).map(time),
        result: result.map(RunResult::name),
        error: info.concluded.as_ref().and_then(|end| end.error.clone()),
        committed: info.finished.map(|end| end.committed),
        failed: info.finished.map(|end| end.failed),
    }
}

fn step(end: StepEnd, names: &BTreeMap<NameId, String>) -> Step {
    let StepEnd { step, table, status, counts, error, started_ms, ended_ms } = end;
    Step {
        name: table.or_else(|| names.get(&step).cloned()),
        status,
        error,
        counts: counts.map(|counts| Counts {
            read: counts.read,
            loaded: counts.loaded,
            rejected: counts.rejected,
            quarantined: counts.quarantined,
        }),
        started: time(started_ms),
        ended: time(ended_ms),
    }
}

pub(super) async fn show(runs: &Runs, acting: &Installation, run: RunId) -> Result<(Run, Vec<Step>), Fault> {
    let info = find(runs, acting, run).await?;
    let pipelines = history::pipeline_names(acting).map_err(|failure| unreadable(&failure))?;
    let names = history::step_names(acting).map_err(|failure| unreadable(&failure))?;
    let steps = history::steps(acting, run).await.map_err(|failure| failed(&failure))?;
    Ok((shown(run, &info, &pipelines), steps.into_iter().map(|end| step(end, &names)).collect()))
}

pub(super) async fn cancel(runs: &Runs, acting: &Installation, run: RunId) -> Result<(), Fault> {
    let info = find(runs, acting, run).await?;
    // Who may read all of the log may see it, which is not to end it.
    if !is_owner(runs, acting, run, &info).await? {
        let refused = EventKind::Refused { action: "cancel_run".to_owned(), error: ErrorKind::Denied.name().to_owned() };
        acting.record(refused).await.map_err(|failure| failed(&failure))?;
        return Err(Fault::new(
            ErrorKind::Denied,
            format!("cancel run {run}: it was ordered by someone else; ask them, or whoever keeps the server"),
        ));
    }
    let live = runs.live.lock().get(&run).cloned();
    match (live, history::result(&info)) {
        (Some(live), None) => {
            live.cancelled.store(true, Ordering::Release);
            live.course.close();
            Ok(())
        }
        (_, Some(result)) => Err(Fault::new(ErrorKind::Conflict, format!("cancel run {run}: it has ended already: {}", result.name()))),
        (None, None) => {
            let text = format!(
                "cancel run {run}: it was not begun over REST, or nobody works on it any more; `polder runs` on the server's machine tells which"
            );
            Err(Fault::new(ErrorKind::Conflict, text))
        }
    }
}
