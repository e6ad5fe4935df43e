//! Two writers: the second is refused at once, and a paused one that was taken for dead writes nothing when it wakes.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::harness::{Project, Ran, ran};

/// A process that stopped itself at a named point.
pub struct Stopped(Child);

impl Stopped {
    pub fn start(project: &Project, args: &[&str], point: &str) -> Self {
        let mut command = project.command(args);
        command.arg("--kill-at").arg(format!("{point}:stop"));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stopped = Self(child);
        let (_, status) = waitpid(Some(stopped.pid()), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "it did not stop at {point}: {status:?}");
        stopped
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Lets it go on to its end.
    pub fn wake(self) -> Ran {
        kill_process(self.pid(), Signal::CONT).unwrap();
        // It waits for the end of its standard input, which this closes.
        ran(self.0.wait_with_output().unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn rows(from: u64, to: u64) -> String {
    (from..to).map(|i| format!("{i},Name{i},{},s\n", i % 100)).collect()
}

fn lease_file(project: &Project) -> PathBuf {
    let lease = project.store().join("lease");
    std::fs::read_dir(lease).unwrap().map(|entry| entry.unwrap().path()).max().unwrap()
}

/// What a file server does that forgot its locks: the newest lease looks as if its holder had gone.
fn lose_lock(project: &Project) {
    let lease = lease_file(project);
    let bytes = std::fs::read(&lease).unwrap();
    std::fs::remove_file(&lease).unwrap();
    std::fs::File::create(lease).unwrap().write_all(&bytes).unwrap();
}

#[test]
fn the_second_writer_is_refused_at_once_and_readers_are_not() {
    let project = Project::new();
    project.people(&rows(0, 500));
    let first = Stopped::start(&project, &["run"], "batch-started");
    for args in [&["run"][..], &["sql", "select 1"], &["keys", "rotate"], &["table", "list"], &["audit", "show"]] {
        let err = project.run(args).fails(5);
        assert!(err.contains(&format!("process {} on this host holds it since", first.pid().as_raw_nonzero())), "{args:?}: {err}");
        assert!(err.contains("--wait"), "{args:?}: {err}");
    }
    project.run(&["status"]).ok();
    project.run(&["audit", "verify"]).ok();
    // Who waits gets it as soon as the first has ended.
    let mut waiting = project.command(&["run", "--wait", "300"]);
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    first.wake().ok();
    let waited = ran(waiting.wait_with_output().unwrap()).ok();
    assert!(waited.contains("unchanged"), "{waited}");
    assert_eq!(project.rows("select count(*) from people"), ["500"]);
}

#[test]
fn a_writer_that_is_killed_while_paused_leaves_its_lease_to_the_next() {
    let project = Project::new();
    project.people(&rows(0, 500));
    Stopped::start(&project, &["run"], "lake.after_intent#2").kill();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["500"]);
    project.run(&["audit", "verify"]).ok();
}

/// Paused between intent and commit, and before the lease is asked; taken for dead; woken.
#[test]
fn a_paused_writer_that_wakes_after_a_take_over_writes_nothing() {
    for point in ["batch-started", "pause#2", "lake.before_intent#2", "lake.after_intent#2", "lake.after_commit#2", "snapshot-before"] {
        let project = Project::new();
        project.people_by(&rows(0, 500), "replace");
        let paused = Stopped::start(&project, &["run"], point);
        lose_lock(&project);
        project.write("data/people.csv", format!("id,name,age,secret\n{}", rows(100, 900)));
        project.run(&["run"]).ok();
        let second = project.rows("select * from people order by id");
        assert_eq!(second.len(), 800, "{point}");
        let history = project.run(&["table", "history", "people", "--output", "csv"]).ok();
        let log = entries(&project);
        let woken = paused.wake();
        if point == "snapshot-before" {
            // All that it had to say was said before; it only ends.
            assert!(matches!(woken.code, Some(0 | 5)), "{woken:?}");
        } else {
            let err = woken.fails(5);
            assert!(err.contains("took over") || err.contains("epoch"), "{point}: {err}");
        }
        assert_eq!(entries(&project), log, "{point}: the woken process wrote into the log");
        assert_eq!(project.rows("select * from people order by id"), second, "{point}");
        assert_eq!(project.run(&["table", "history", "people", "--output", "csv"]).ok(), history, "{point}");
        project.run(&["audit", "verify"]).ok();
    }
}

/// Paused between what it announced and what it does, or in the midst of that; taken for dead; woken. Keys, tables and the log are
/// as the next writer left them.
fn wakes_to_nothing(act: &[&str], point: &str) {
    let project = Project::new();
    project.people(&rows(0, 300));
    project.run(&["run"]).ok();
    project.write("data/people2.csv", format!("id,name,age,secret\n{}", rows(300, 500)));
    project.run(&["run"]).ok();
    match act {
        ["keys", "reencrypt"] => drop(project.run(&["keys", "rotate", "--table", "people"]).ok()),
        ["table", "vacuum", ..] => drop(project.run(&["table", "optimize", "people"]).ok()),
        _ => {}
    }
    let paused = Stopped::start(&project, act, point);
    lose_lock(&project);
    project.write("data/people3.csv", format!("id,name,age,secret\n{}", rows(500, 700)));
    project.run(&["run"]).ok();
    let before = left_by(&project);
    let left = left_by(&project);
    assert_eq!(left.rows.len(), 700, "{act:?} {point}");
    // What asking writes itself.
    let asking = left.entries - before.entries;
    let err = paused.wake().fails(5);
    assert!(err.contains("took over") || err.contains("taken over") || err.contains("epoch"), "{act:?} {point}: {err}");
    let after = left_by(&project);
    assert_eq!(after, Left { entries: left.entries + asking, ..left }, "{act:?} {point}");
    project.run(&["audit", "verify"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["700"], "{act:?} {point}");
}

/// What a writer leaves that may not change behind its back.
#[derive(Debug, PartialEq)]
struct Left {
    keyring: Vec<(PathBuf, Vec<u8>)>,
    keys: String,
    entries: u64,
    history: String,
    rows: Vec<String>,
}

fn left_by(project: &Project) -> Left {
    let rows = project.rows("select * from people order by id");
    let history = project.run(&["table", "history", "people", "--output", "csv"]).ok();
    let keys = project.run(&["keys", "show"]).ok();
    let keyring = project.store_files().into_iter().filter(|file| file.starts_with(project.store().join("keyring")));
    let keyring = keyring.map(|file| (file.clone(), std::fs::read(file).unwrap())).collect();
    Left { keyring, keys, entries: entries(project), history, rows }
}

#[test]
fn a_paused_change_of_keys_that_wakes_after_a_take_over_changes_none() {
    wakes_to_nothing(&["keys", "rotate"], "keyring-intent");
    wakes_to_nothing(&["keys", "rotate", "--table", "people"], "keyring-intent");
    wakes_to_nothing(&["keys", "kit", "--to", "../kit"], "keyring-intent");
    wakes_to_nothing(&["keys", "reencrypt"], "reencrypt");
    wakes_to_nothing(&["keys", "reencrypt"], "reencrypt#4");
}

#[test]
fn a_paused_maintenance_that_wakes_after_a_take_over_changes_no_table() {
    for point in ["lake.optimize_staged", "lake.before_intent", "lake.after_intent", "lake.after_commit", "lake.before_outcome"] {
        wakes_to_nothing(&["table", "optimize", "people"], point);
    }
    for point in ["lake.vacuum_intent", "lake.vacuum_deleted"] {
        wakes_to_nothing(&["table", "vacuum", "people", "--keep-hours", "0"], point);
    }
    for point in ["drop-intent", "drop-deleting", "drop-deleted"] {
        wakes_to_nothing(&["table", "drop", "people", "--yes"], point);
    }
}

fn entries(project: &Project) -> u64 {
    let status: serde_json::Value = serde_json::from_str(&project.run(&["status", "--output", "json"]).ok()).unwrap();
    status["log_entries"].as_u64().unwrap()
}

/// The local disk is gone: the store and the key are all that is needed, with the project's texts from its repository.
#[test]
fn a_run_goes_on_with_an_empty_local_disk() {
    let project = Project::new();
    project.people(&rows(0, 500));
    project.run(&["run", "--kill-at", "lake.after_intent#2"]).killed();
    let elsewhere = project.fork();
    drop(project);
    // Temporary files were on the lost disk.
    let tmp = elsewhere.store().join("tmp");
    std::fs::remove_dir_all(&tmp).unwrap();
    let ran =
        Command::new(env!("CARGO_BIN_EXE_polder")).arg("--project").arg(elsewhere.dir()).arg("run").env_clear().current_dir("/").output();
    crate::harness::ran(ran.unwrap()).ok();
    assert_eq!(elsewhere.rows("select count(*) from people"), ["500"]);
    elsewhere.run(&["audit", "verify"]).ok();
}
