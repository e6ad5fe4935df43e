//! `polder scheduler` as a process. Nothing here waits for a time: what it prints says when to go on.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::Project;
use crate::writers::Stopped;

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
        let stopped = Stopped::start(self, &args, "batch-started");
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

/// A program that gathers what it is told, and the file that it gathers it in.
fn telling(project: &Project) -> (String, std::path::PathBuf) {
    let heard = project.beside("heard");
    let tell = format!("cat >> {}", heard.display());
    (format!("notify: {{on: [failure, retry], command: [/bin/sh, -c, {tell:?}]}}\n"), heard)
}

fn heard(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.map(|event| event["data"]["text"].as_str().unwrap().to_owned()).collect()
}

/// It sees to its timeout by itself, later than the scheduler would by its own count: a run that the scheduler ends is one that nobody is
/// told of.
#[test]
fn a_run_that_takes_too_long_says_so_and_is_told() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    let (notify, to) = telling(&project);
    project.write("pipelines/p.yaml", format!("schedule: {{every: 1s}}\ntimeout: 1s\n{notify}"));
    // Another holds the lease, so no run comes to its end.
    let first = Stopped::start(&project, &["run"], "batch-started");
    let mut scheduler = Scheduler::start(&project);
    scheduler.says("p begins: due ");
    scheduler.says("p took too long");
    let told = heard(&to);
    assert!(!told.is_empty() && told.iter().all(|text| text.contains("pipeline p took too long")), "{told:?}");
    assert_eq!(scheduler.end(), Some(0));
    first.wake().ok();
}

/// Its file is wrong, so that nobody but the scheduler knows whom it tells. That is nothing that trying again cures.
#[test]
fn a_run_that_cannot_begin_is_told_by_the_scheduler() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    let (notify, to) = telling(&project);
    let good = format!("schedule: {{every: 1s}}\nretries: {{max: 9, backoff: 1h, max_backoff: 1h}}\n{notify}");
    // In place at once: a file that is half written is another pipeline.
    let put = |text: &str| {
        std::fs::write(project.beside("next"), text).unwrap();
        std::fs::create_dir_all(project.dir().join("pipelines")).unwrap();
        std::fs::rename(project.beside("next"), project.dir().join("pipelines/p.yaml")).unwrap();
    };
    put(&good);
    let mut scheduler = Scheduler::start(&project);
    scheduler.says("p succeeded");
    assert!(heard(&to).is_empty());
    put("selct: [people]\n");
    let line = scheduler.says("p could not begin");
    assert!(line.contains("exit status: 2"), "{line}");
    scheduler.says("p: that its run could not begin");
    let told = heard(&to);
    assert!(told[0].contains("a run of pipeline p could not begin") && told[0].contains("not tried again"), "{told:?}");
    // What was there before goes on: once the file is mended, by itself.
    put(&good);
    scheduler.says("p succeeded");
    assert_eq!(scheduler.end(), Some(0));
}

/// What a process holds: open files, threads and processes that it began.
fn held(scheduler: &Scheduler) -> (usize, usize, usize) {
    let proc = std::path::PathBuf::from(format!("/proc/{}", scheduler.child.id()));
    // Nobody but root may look at the files of a process that guards its memory.
    let files = std::fs::read_dir(proc.join("fd")).map_or(0, Iterator::count);
    let tasks: Vec<_> = std::fs::read_dir(proc.join("task")).unwrap().map(|task| task.unwrap().path()).collect();
    // A task may end between being listed and being looked at.
    let children = tasks.iter().map(|task| std::fs::read_to_string(task.join("children")).unwrap_or_default().split_whitespace().count());
    (files, tasks.len(), children.sum())
}

#[test]
fn a_scheduler_holds_no_more_after_many_runs_than_after_the_first() {
    let project = Project::new();
    project.pets("cat\n");
    project.write("pipelines/often.yaml", "select: [pets]\nschedule: {every: 1s}\n");
    let mut scheduler = Scheduler::start(&project);
    let mut after = |runs: usize| {
        (0..runs).for_each(|_| {
            scheduler.says("often succeeded");
        });
        held(&scheduler)
    };
    let (files, threads, _) = after(2);
    let (files_then, threads_then, children) = after(12);
    // The next run may have begun: a process, what it prints, and the thread that waits for it.
    assert!(files_then <= files + 2, "{files} open files became {files_then}");
    assert!(threads_then <= threads + 6, "{threads} threads became {threads_then}");
    assert!(children <= 1, "{children} processes, of which one may run");
    assert_eq!(scheduler.end(), Some(0));
    // And what is remembered of runs is what the log keeps: each once.
    assert!(runs(&project).len() >= 14);
}
