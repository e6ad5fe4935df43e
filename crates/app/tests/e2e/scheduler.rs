//! `polder scheduler` as a process. Nothing here waits for a time: what it prints says when to go on.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::Project;

/// A scheduler that runs, and what it says.
struct Scheduler {
    child: Child,
    err: BufReader<ChildStderr>,
}

impl Scheduler {
    fn start(project: &Project) -> Self {
        Self::start_with(project, &[])
    }

    fn start_with(project: &Project, variables: &[(&str, &str)]) -> Self {
        let mut command = project.command(&["scheduler"]);
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        let mut scheduler = Self { child, err };
        scheduler.says("scheduling ");
        scheduler
    }

    /// Reads what it says up to a line that holds a text.
    fn says(&mut self, text: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert!(self.err.read_line(&mut line).unwrap() > 0, "it ended without saying {text}:\n{all}");
            if line.contains(text) {
                return line;
            }
            all += &line;
        }
    }

    fn end(self) -> Option<i32> {
        let Self { mut child, err } = self;
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        // What it says until then is read, so that it need not wait for that.
        for line in err.lines() {
            assert!(!line.unwrap().contains("panicked"));
        }
        child.wait().unwrap().code()
    }
}

/// The process of a run that has just begun: `NAME begins: due ..., attempt N, process P`.
fn process(line: &str) -> Pid {
    Pid::from_raw(line.rsplit_once("process ").unwrap().1.trim().parse().unwrap()).unwrap()
}

fn runs(project: &Project) -> Vec<Value> {
    project.json(&["runs", "list", "--limit", "100"]).as_array().unwrap().clone()
}

#[test]
fn pipelines_run_when_they_are_due_and_people_work_in_between() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.write("pipelines/often.yaml", "select: [people]\nschedule: {every: 1s}\n");
    project.write("pipelines/by-hand.yaml", "select: [people]\n");
    let mut scheduler = Scheduler::start(&project);
    for _ in 0..2 {
        scheduler.says("often begins: due ");
        scheduler.says("often succeeded");
    }
    let counted = project.run(&["sql", "select count(*) from people", "--output", "csv", "--wait", "60"]).ok();
    assert_eq!(counted, "count(*)\n1\n");
    // There is one scheduler.
    assert!(project.run(&["scheduler"]).fails(5).contains("another one runs"));
    // Files that change are taken up, and one that is wrong changes nothing.
    project.write("pipelines/late.yaml", "schedule: {every: 1s}\n");
    scheduler.says("pipelines/ changed: there are 3 now");
    scheduler.says("late succeeded");
    project.write("pipelines/late.yaml", "schedule: {every: 1x}\n");
    scheduler.says("cannot be used");
    scheduler.says("often succeeded");
    // Once it is mended it goes on.
    project.write("pipelines/late.yaml", "schedule: {every: 1s}\n");
    scheduler.says("late succeeded");
    assert_eq!(scheduler.end(), Some(0));
    let runs = runs(&project);
    let scheduled: Vec<&Value> = runs.iter().filter(|run| run["trigger"] == "schedule").collect();
    // The last one may have been told to end with the scheduler.
    let well = |run: &&&Value| run["result"] == "succeeded";
    assert!(scheduled.iter().filter(well).count() >= 4, "{runs:?}");
    assert!(scheduled.iter().all(|run| run["result"] == "succeeded" || run["result"] == "interrupted"), "{runs:?}");
    assert!(runs.iter().all(|run| run["pipeline"] != "by-hand"));
    let due: Vec<Value> = project.json(&["audit", "show", "--type", "run_triggered", "--limit", "500"]).as_array().unwrap().clone();
    assert!(due.iter().all(|event| event["details"]["due_ms"].as_i64().unwrap() % 1000 == 0), "due times do not drift: {due:?}");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_run_that_is_killed_is_tried_again() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.write("pipelines/p.yaml", "schedule: {every: 5s}\nretries: {max: 3, backoff: 1s, factor: 1, max_backoff: 1s}\n");
    let mut scheduler = Scheduler::start(&project);
    let line = scheduler.says("p begins: due ");
    assert!(line.contains("attempt 1"), "{line}");
    kill_process(process(&line), Signal::KILL).unwrap();
    let line = scheduler.says("was broken off");
    assert!(line.contains("attempt 2 begins in"), "{line}");
    let line = scheduler.says("p begins: due ");
    assert!(line.contains("attempt 2"), "{line}");
    scheduler.says("p succeeded");
    assert_eq!(scheduler.end(), Some(0));
    assert_eq!(project.rows("select count(*) from people"), ["1"]);
    let second = runs(&project).into_iter().find(|run| run["attempt"] == 2).unwrap();
    assert_eq!((second["trigger"].as_str(), second["result"].as_str()), (Some("retry"), Some("succeeded")));
}

/// The scheduler goes down while a run goes on: the run ends its step, and the next scheduler does the rest.
#[test]
fn a_run_that_was_interrupted_goes_on_with_the_next_scheduler() {
    let project = Project::new();
    project.people(&(0..20_000).map(|id| format!("{id},Name{id},{},s\n", id % 90)).collect::<String>());
    project.pets("cat\n");
    project.write("pipelines/p.yaml", "schedule: {every: 366d}\n");
    // Nothing is due for long; what is owed is.
    let due = project.write_owed();
    let mut scheduler = Scheduler::start(&project);
    let line = scheduler.says("p begins: due ");
    assert!(line.contains("attempt 2") && line.contains(&due), "{line}");
    scheduler.says("p succeeded");
    assert_eq!(scheduler.end(), Some(0));
    assert_eq!(project.rows("select count(*) from people"), ["20000"]);
    assert_eq!(project.rows("select count(*) from pets"), ["1"]);
}

impl Project {
    /// A run that a scheduler began and that was told to end before it was done; when it was due, as it is shown.
    fn write_owed(&self) -> String {
        let parent = std::process::id().to_string();
        let args = ["pipeline", "run", "p", "--attempt", "1", "--due-ms", "1774353600000", "--parent", &parent];
        let stopped = crate::writers::Stopped::start(self, &args, "batch-started");
        kill_process(stopped.pid(), Signal::TERM).unwrap();
        let ran = stopped.wake();
        assert_eq!(ran.code, Some(143), "{ran:?}");
        let said: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(said["result"], "interrupted");
        "2026-03-24T12:00:00Z".to_owned()
    }
}

#[test]
fn a_service_manager_is_told() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.write("pipelines/p.yaml", "schedule: {every: 1h}\n");
    let path = project.beside("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let heard = || {
        let mut bytes = [0; 512];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let path = path.to_str().unwrap().to_owned();
    let scheduler = Scheduler::start_with(&project, &[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", "2000000")]);
    assert_eq!(heard(), "READY=1");
    let alive = heard();
    assert!(alive.starts_with("STATUS=p is due at ") && alive.ends_with("\nWATCHDOG=1"), "{alive}");
    assert_eq!(scheduler.end(), Some(0));
    assert!(std::iter::repeat_with(heard).any(|told| told == "STOPPING=1"));
}

#[test]
fn a_run_without_its_scheduler_does_not_begin() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.write("pipelines/p.yaml", "");
    // Process 1 began none of these.
    project.run(&["pipeline", "run", "p", "--attempt", "1", "--parent", "1"]).fails(4);
    project.run(&["pipeline", "run", "p", "--attempt", "1"]).fails(2);
    assert!(runs(&project).is_empty());
}
