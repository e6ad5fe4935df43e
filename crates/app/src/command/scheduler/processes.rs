//! Runs and looks as processes of their own, of this same program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use polder_types::ErrorKind;
use rustix::process::Signal;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::WAIT_S;
use super::child::{self, Child};
use super::daemon::{Exited, Job, Patience, Task, Workers};
use crate::cli::Global;
use crate::command::pipeline::write_passed;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::project::Project;
use crate::scheduler::Start;
use crate::signals::Told;

/// How long runs have to end when the scheduler is told to: longer than a step of one is let go on.
const STOP: Duration = Duration::from_secs(75);

/// The processes that live, or were not waited for yet.
pub struct Processes {
    global: Global,
    program: PathBuf,
    children: BTreeMap<Job, Child>,
    told: UnboundedSender<child::Exited>,
    exited: UnboundedReceiver<child::Exited>,
}

impl Processes {
    /// None yet. Each takes what this one was given on its command line.
    ///
    /// # Errors
    /// When this program does not find itself.
    pub fn new(global: Global) -> Outcome<Self> {
        let program = std::env::current_exe().map_err(|error| Failure::because(ErrorKind::Internal, "find this program", &error))?;
        let (told, exited) = unbounded_channel();
        Ok(Self { global, program, children: BTreeMap::new(), told, exited })
    }

    /// The arguments that every process takes, before those of its own.
    fn args(&self, verb: &str, pipeline: &str) -> Vec<OsString> {
        let global = &self.global;
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

    fn args_of(&self, task: &Task) -> Vec<OsString> {
        let Start { pipeline, due_ms, attempt, passed } = match task {
            Task::Run(start) => start,
            Task::Check(pipeline) => return self.args("check", pipeline),
        };
        let mut args = self.args("run", pipeline);
        args.extend([OsString::from("--attempt"), attempt.to_string().into()]);
        if let Some(due_ms) = due_ms {
            args.extend([OsString::from("--due-ms"), due_ms.to_string().into()]);
        }
        for passed in passed {
            args.extend([OsString::from("--passed"), write_passed(passed).into()]);
        }
        args
    }
}

impl Workers for Processes {
    fn begin(&mut self, task: Task) -> Outcome<Option<String>> {
        let job = task.job();
        let child = Child::begin(&self.program, &self.args_of(&task), job.clone(), &self.told)?;
        let id = child.id();
        self.children.insert(job, child);
        Ok(Some(format!("process {id}")))
    }

    fn ask(&mut self, job: &Job, told: Told) {
        if let Some(child) = self.children.get(job) {
            child.signal(match told {
                Told::Interrupt => Signal::INT,
                Told::Terminate => Signal::TERM,
            });
        }
    }

    fn force(&mut self, job: &Job) -> bool {
        if let Some(child) = self.children.get_mut(job) {
            child.kill();
        }
        true
    }

    async fn ended(&mut self) -> Exited {
        loop {
            // This one's own sender keeps it open.
            let child::Exited { job, output } = match self.exited.recv().await {
                Some(exited) => exited,
                None => std::future::pending().await,
            };
            let Some(child) = self.children.remove(&job) else { continue };
            let (code, how) = match child.reap() {
                Ok(status) => (status.code(), status.to_string()),
                Err(error) => (None, error.to_string()),
            };
            return Exited { job, said: serde_json::from_slice(&output).ok(), code, how };
        }
    }

    async fn reader(&self, project: &Project) -> Outcome<Installation> {
        Installation::open_read_only(project.clone()).await
    }

    fn patience(&self) -> Patience {
        Patience { goes_on: Duration::ZERO, ends: STOP }
    }
}
