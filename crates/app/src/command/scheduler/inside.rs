//! Runs and looks within the process that serves: each on a thread of its own, in its turn among the commands of others. One that panics ends
//! alone. None can be killed: one that is asked to end and does not is told, and goes with the process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use polder_types::ErrorKind;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::WAIT_S;
use super::daemon::{Daemon, Exited, Job, Patience, Task, Workers};
use super::readiness::Readiness;
use crate::cli::Global;
use crate::command::pipeline::attempt::GRACE;
use crate::command::pipeline::{checked, supervised};
use crate::failure::{Failure, Outcome};
use crate::hosted::inside::Inside;
use crate::installation::Installation;
use crate::print;
use crate::project::Project;
use crate::scheduler::Standing;
use crate::signals::{StopHandle, Told};

/// What a run has beyond its step's time, to record and to tell how it ended.
const TELLS: Duration = Duration::from_secs(15);

/// The scheduler of a process that serves.
pub struct Within {
    stop: StopHandle,
    task: JoinHandle<()>,
}

impl Within {
    /// Nothing begins any more; runs that go on have their time to end.
    pub fn end(&self) {
        self.stop.ask(Told::Terminate);
    }

    /// They have none.
    pub fn at_once(&self) {
        self.stop.at_once(Told::Terminate);
    }

    /// Waits until all has ended.
    pub async fn ended(&mut self) {
        // That it panicked was said where it did.
        let _ = (&mut self.task).await;
    }

    /// Ends it where it is: this process is no writer any more.
    pub fn abandon(&self) {
        self.task.abort();
    }
}

/// Begins to run what is due. Files that are wrong keep nothing else from being served: they are told, and taken up once they are mended.
/// `goes_on`: so long a run goes on when the process is told to end.
pub async fn begin(inside: &Arc<Inside>, global: &Global, goes_on: Duration) -> Outcome<Within> {
    inside.stands(Some(Vec::new()));
    let (told, exited) = unbounded_channel();
    let project = inside.installation()?.project;
    let global = Global { wait: Some(global.wait.unwrap_or(WAIT_S)), ..global.clone() };
    let goes_on = goes_on.saturating_sub(GRACE);
    let workers = Threads { inside: Arc::clone(inside), global, going: BTreeMap::new(), told, exited, goes_on };
    let mut daemon = Daemon::new(project, workers, Readiness::silent());
    match daemon.take_up_all().await {
        Ok(scheduling) => print::note(&scheduling),
        Err(failure) => print::warn("pipelines/ cannot be used, so nothing is scheduled until it is mended", &failure),
    }
    let stop = StopHandle::default();
    let task = tokio::spawn(daemon.live(stop.ends()));
    Ok(Within { stop, task })
}

/// What goes on within this process.
struct Threads {
    inside: Arc<Inside>,
    global: Global,
    going: BTreeMap<Job, StopHandle>,
    told: UnboundedSender<(Job, Came)>,
    exited: UnboundedReceiver<(Job, Came)>,
    goes_on: Duration,
}

/// What came of a thread: none where it panicked.
type Came = Option<Outcome<Value>>;

impl Workers for Threads {
    fn begin(&mut self, task: Task) -> Outcome<Option<String>> {
        let (job, stop, told) = (task.job(), StopHandle::default(), self.told.clone());
        let (project, global, mut ends) = (self.inside.installation()?.project, self.global.clone(), stop.ends());
        let (of, inside) = (job.clone(), Arc::clone(&self.inside));
        let work = move |runtime: &tokio::runtime::Handle| {
            runtime.block_on(async {
                match task {
                    Task::Run(start) => supervised(&project, &global, start, &mut ends).await,
                    Task::Check(pipeline) => {
                        tokio::select! {
                            looked = checked(&project, &pipeline) => looked,
                            _ = ends.told() => Err(Failure::new(ErrorKind::Unavailable, "look at a pipeline: it was told to end")),
                        }
                    }
                }
            })
        };
        let runtime = tokio::runtime::Handle::current();
        let done = move |came: Came| {
            if came.is_none() {
                runtime.spawn(settle(inside));
            }
            // Nobody may be left to hear it.
            let _ = told.send((of, came));
        };
        self.inside
            .begin(stop.clone(), work, done)
            .map_err(|error| Failure::because(ErrorKind::Unavailable, format!("begin a thread for pipeline {}", job.pipeline()), &error))?;
        self.going.insert(job, stop);
        Ok(None)
    }

    fn ask(&mut self, job: &Job, told: Told) {
        if let Some(stop) = self.going.get(job) {
            stop.ask(told);
        }
    }

    fn force(&mut self, job: &Job) -> bool {
        if let Some(stop) = self.going.get(job) {
            stop.at_once(Told::Terminate);
        }
        false
    }

    async fn ended(&mut self) -> Exited {
        // This one's own sender keeps it open.
        let (job, came) = match self.exited.recv().await {
            Some(exited) => exited,
            None => std::future::pending().await,
        };
        self.going.remove(&job);
        match came {
            Some(Ok(said)) => Exited { job, said: Some(said), code: Some(0), how: "it said so".to_owned() },
            Some(Err(failure)) => {
                print::warn(&format!("pipeline {}", job.pipeline()), &failure);
                let code = failure.exit_code();
                Exited { job, said: None, code: Some(i32::from(code)), how: format!("exit code {code}") }
            }
            None => Exited { job, said: None, code: None, how: "by a defect of the program".to_owned() },
        }
    }

    async fn reader(&self, _project: &Project) -> Outcome<Installation> {
        self.inside.installation()
    }

    fn patience(&self) -> Patience {
        Patience { goes_on: self.goes_on, ends: GRACE.saturating_add(TELLS) }
    }

    fn stand(&self, standing: Vec<Standing>) {
        self.inside.stands(Some(standing));
    }
}

/// What a thread left half done as it panicked is settled as whoever opens the installation next would.
async fn settle(inside: Arc<Inside>) {
    let settled = async {
        let _turn = inside.turn(None).await?;
        inside.installation()?.settle_tables().await
    };
    if let Err(failure) = settled.await {
        print::warn("what was broken off could not be settled, and the next load of the table tries again", &failure);
    }
}
