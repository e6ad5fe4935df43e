//! A full disk: the load fails and says so, nothing of it is visible, the log says that it failed, and a larger disk goes on.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use polder_types::SeededRng;

use crate::harness::{Project, Ran, ran, seeds};
use crate::works::{Undisturbed, Work};
use crate::writers::Stopped;

/// A small disk under a project's store, in a mount namespace of its own that lives as long as this does.
struct SmallDisk<'p> {
    project: &'p Project,
    keeper: Child,
    says: BufReader<ChildStdout>,
    as_root: bool,
}

impl<'p> SmallDisk<'p> {
    /// Moves the store to a disk that has `free_kib` left.
    fn under(project: &'p Project, free_kib: u64) -> Self {
        let as_root = rustix::process::geteuid().is_root();
        let mut keeper = Command::new("unshare");
        keeper.arg("--mount");
        if !as_root {
            keeper.args(["--user", "--map-current-user", "--keep-caps"]);
        }
        // What lies below the mount point would be hidden: it is copied from beside.
        let beside = project.beside("store.beside");
        std::fs::rename(project.store(), &beside).unwrap();
        std::fs::create_dir(project.store()).unwrap();
        let script = r#"set -eu
mount -t tmpfs -o mode=700,size=256m none "$1"
cp -a --sparse=never "$2/." "$1"
used=$(df --output=used -k "$1" | tail -n 1)
mount -o "remount,size=$((used + $3))k" "$1"
echo ready
read -r _ || exit 0
mount -o remount,size=256m "$1"
echo grown
read -r _ || exit 0"#;
        keeper.args(["sh", "-c", script, "sh"]).arg(project.store()).arg(beside).arg(free_kib.to_string());
        let spawned = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut keeper = spawned.expect("`unshare` and `nsenter` of util-linux are needed for a small disk; install util-linux");
        let mut says = BufReader::new(keeper.stdout.take().unwrap());
        if next_line(&mut says) != "ready\n" {
            let output = keeper.wait_with_output().unwrap();
            panic!(
                "no small disk could be mounted in a namespace; run the tests as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0): {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Self { project, keeper, says, as_root }
    }

    fn inside(&self, program: &Path, args: &[&str]) -> Ran {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.keeper.id().to_string(), "--mount"]);
        if !self.as_root {
            command.args(["--user", "--preserve-credentials"]);
        }
        // Entering the namespace leaves the working directory behind.
        command.args(["--", "env", "-C"]).arg(self.project.dir());
        ran(command.arg(program).args(args).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs `polder` where the small disk is seen.
    fn run(&self, args: &[&str]) -> Ran {
        let dir = self.project.dir();
        let args: Vec<&str> = ["--project", dir.to_str().unwrap()].into_iter().chain(args.iter().copied()).collect();
        self.inside(Path::new(env!("CARGO_BIN_EXE_polder")), &args)
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        self.run(&["sql", sql, "--output", "csv"]).ok().lines().skip(1).map(str::to_owned).collect()
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        serde_json::from_str(&self.run(&args).ok()).unwrap()
    }

    /// Someone gives the store room.
    fn grow(&mut self) {
        self.keeper.stdin.as_mut().unwrap().write_all(b"grow\n").unwrap();
        assert_eq!(next_line(&mut self.says), "grown\n");
    }

    fn free_kib(&self) -> u64 {
        let store = self.project.store();
        let out = self.inside(Path::new("df"), &["--output=avail", "-k", store.to_str().unwrap()]).ok();
        out.lines().last().unwrap().trim().parse().unwrap()
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn next_line(says: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    says.read_line(&mut line).unwrap();
    line
}

fn rows(from: u64, to: u64) -> String {
    (from..to).map(|i| format!("{i},Name{}{i},{},s\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15), i % 160)).collect()
}

const ALL: &str = "select id, name, age from people order by id";

/// One file loaded, a second one to be loaded: about 2 MiB in the store.
fn second_file_waits() -> Project {
    let project = Project::new();
    project.people(&rows(0, 1_000));
    project.run(&["run"]).ok();
    project.write("data/people2.csv", format!("id,name,age,secret\n{}", rows(1_000, 60_000)));
    project
}

#[test]
fn a_load_on_a_full_disk_fails_in_plain_words_and_goes_on_after_room_was_made() {
    let prepared = second_file_waits();
    let undisturbed = prepared.fork();
    let before = undisturbed.rows(ALL);
    undisturbed.run(&["run"]).ok();
    let after = undisturbed.rows(ALL);
    assert!(after.len() > before.len());
    let project = prepared.fork();
    let mut disk = SmallDisk::under(&project, 700);
    let failed = disk.run(&["run"]);
    let err = failed.fails(4);
    assert!(err.contains("no space is left on the store's disk") && err.contains("free some"), "{err}");
    // Nothing of the batch is visible, and who may read goes on reading without room.
    assert!(disk.free_kib() < 64 << 10, "{}", disk.free_kib());
    disk.run(&["status"]).ok();
    disk.run(&["audit", "verify"]).ok();
    let history = disk.run(&["status", "--output", "json"]).ok();
    let status: serde_json::Value = serde_json::from_str(&history).unwrap();
    assert_eq!(status["open_intents"], 0, "{status}");
    // The log says that it failed, though the disk was full.
    disk.grow();
    let recorded = disk.run(&["audit", "show", "--type", "batch_failed", "--output", "json"]).ok();
    assert!(recorded.contains("unavailable"), "{recorded}");
    assert_eq!(disk.rows(ALL), before);
    disk.run(&["run"]).ok();
    assert_eq!(disk.rows(ALL), after);
    disk.run(&["audit", "verify"]).ok();
}

/// The disk becomes full at whatever step: of the log, the keyring, the staged rows, the commit.
#[test]
fn whatever_step_fills_the_disk_nothing_is_half_done() {
    let prepared = Project::new();
    prepared.people(&rows(0, 1_500));
    let undisturbed = prepared.fork();
    undisturbed.run(&["run"]).ok();
    let after = undisturbed.rows(ALL);
    let (mut failed, mut done) = (0, 0);
    let most = seeds(8, 80);
    for seed in 0..most {
        let project = prepared.fork();
        let free_kib = seed * 320 / most;
        let mut disk = SmallDisk::under(&project, free_kib);
        let first = disk.run(&["run"]);
        let place = format!("{free_kib} KiB free");
        if first.code == Some(0) {
            done += 1;
        } else {
            let err = first.fails(4);
            assert!(err.contains("space"), "{place}: {err}");
            failed += 1;
        }
        disk.run(&["audit", "verify"]).ok();
        disk.grow();
        disk.run(&["run"]).ok();
        assert_eq!(disk.rows(ALL), after, "{place}");
        disk.run(&["audit", "verify"]).ok();
    }
    assert!(failed > most / 4 && done > 0, "{failed} of {most} failed: the sizes no longer fit what a load needs");
}

/// Vacuum is the program's own way to make room: a full disk does not keep it out.
#[test]
fn vacuum_makes_room_on_a_full_disk() {
    let project = Project::new();
    project.people_by(&rows(0, 25_000), "replace");
    project.run(&["run"]).ok();
    for version in 1..5 {
        project.write("data/people.csv", format!("id,name,age,secret\n{}", rows(0, 25_000 + version)));
        project.run(&["run"]).ok();
    }
    project.write("data/people.csv", format!("id,name,age,secret\n{}", rows(0, 25_100)));
    let disk = SmallDisk::under(&project, 200);
    disk.run(&["run"]).fails(4);
    let before = disk.free_kib();
    disk.run(&["table", "vacuum", "people", "--keep-hours", "0"]).ok();
    assert!(disk.free_kib() > before, "{} KiB, {before} before", disk.free_kib());
    disk.run(&["run"]).ok();
    assert_eq!(disk.rows("select max(id) from people"), ["25099"]);
    disk.run(&["audit", "verify"]).ok();
}

/// The work on disks with more and more room, from none to what it needs: it is done or says that there is no space, the log is
/// whole, and with room it is done to the same rows.
fn goes_on_with_room(name: &str) {
    let work = Work::named(name);
    let undisturbed = Undisturbed::new(work, 0);
    let needed_kib = {
        let project = undisturbed.fork(work, 0);
        let disk = SmallDisk::under(&project, 64 << 10);
        let free_kib = disk.free_kib();
        disk.run(work.act).ok();
        // Temporary files come and go meanwhile.
        free_kib.saturating_sub(disk.free_kib()) + 64
    };
    let most = seeds(2, 18);
    let mut failed = 0;
    for seed in 0..most {
        // With nothing free, and then anywhere between that and what is needed.
        let free_kib = if seed == 0 { 0 } else { (seed * needed_kib + SeededRng::new(seed).below(needed_kib)) / most };
        let place = format!("{name}, {free_kib} of {needed_kib} KiB free");
        let project = undisturbed.fork(work, 0);
        let mut disk = SmallDisk::under(&project, free_kib);
        let first = disk.run(work.act);
        if first.code != Some(0) {
            assert_eq!(first.code, Some(4), "{place}: {first:?}");
            assert!(first.err.contains("space") || first.err.contains("full"), "{place}: {first:?}");
            failed += 1;
        }
        let verify = |disk: &SmallDisk<'_>| {
            let verified = disk.run(&["audit", "verify"]);
            assert_eq!(verified.code, Some(0), "{place}: {verified:?}");
        };
        verify(&disk);
        // The way to make room stays open.
        let vacuumed = disk.run(&["table", "vacuum", "people"]);
        let none = name == "first load" && vacuumed.code == Some(2);
        assert!(none || vacuumed.code == Some(0), "{place}: {vacuumed:?}, after {first:?}");
        verify(&disk);
        disk.grow();
        for act in [work.act, &["run"]] {
            let again = disk.run(act);
            assert_eq!(again.code, Some(0), "{place}: {act:?}: {again:?}");
        }
        assert_eq!(disk.rows(work.query), undisturbed.after, "{place}");
        verify(&disk);
    }
    match name {
        // It makes room.
        "vacuum" => assert_eq!(failed, 0),
        _ => assert!(failed > 0, "{name}: no size of {needed_kib} KiB and less is too small"),
    }
}

#[test]
fn a_first_load_on_a_full_disk_goes_on_with_room() {
    goes_on_with_room("first load");
}

#[test]
fn a_reload_on_a_full_disk_goes_on_with_room() {
    goes_on_with_room("replace");
    goes_on_with_room("append");
}

#[test]
fn a_model_on_a_full_disk_goes_on_with_room() {
    goes_on_with_room("model");
}

#[test]
fn a_replay_on_a_full_disk_goes_on_with_room() {
    goes_on_with_room("replay");
}

#[test]
fn maintenance_on_a_full_disk_goes_on_with_room() {
    goes_on_with_room("optimise");
    goes_on_with_room("vacuum");
}

#[test]
fn work_on_keys_on_a_full_disk_goes_on_with_room() {
    for name in ["rotate", "rotate the root", "kit", "reencrypt"] {
        goes_on_with_room(name);
    }
}

/// What a killed process announced is fenced from the reserve: the way to make room stays open.
#[test]
fn a_full_disk_does_not_keep_out_who_ends_what_was_killed() {
    let prepared = second_file_waits();
    prepared.run(&["run"]).ok();
    let before = prepared.rows(ALL);
    prepared.run(&["table", "optimize", "people", "--kill-at", "lake.after_intent"]).killed();
    for free_kib in [0, 8, 16, 24, 32] {
        let project = prepared.fork();
        let mut disk = SmallDisk::under(&project, free_kib);
        let vacuumed = disk.run(&["table", "vacuum", "people", "--keep-hours", "0"]);
        assert_eq!(vacuumed.code, Some(0), "{free_kib} KiB free: {vacuumed:?}");
        disk.run(&["audit", "verify"]).ok();
        disk.grow();
        assert_eq!(disk.rows(ALL), before);
        disk.run(&["table", "optimize", "people"]).ok();
        assert_eq!(disk.rows(ALL), before);
        disk.run(&["audit", "verify"]).ok();
    }
}

/// Of two batches the second fills the disk: the report names the first, which stands, and the lease goes back.
#[test]
fn what_was_committed_before_the_disk_was_full_is_reported() {
    let project = Project::new();
    project.people(&rows(0, 100));
    project.pets(&(0..200_000_u64).map(|i| format!("{:016x}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect::<String>());
    let mut disk = SmallDisk::under(&project, 700);
    let ran = disk.run(&["run"]);
    assert!(ran.out.lines().any(|line| line.starts_with("people") && line.contains("committed, version")), "{ran:?}");
    assert!(ran.out.lines().any(|line| line.starts_with("pets") && line.contains("failed")), "{ran:?}");
    let err = ran.fails(4);
    assert!(err.contains("1 of the run's batches failed") && err.contains("no space is left"), "{err}");
    let lease = project.store().join("lease");
    let beaten = disk.inside(Path::new("sh"), &["-c", "stat -c %Y \"$0\"/*", lease.to_str().unwrap()]).ok();
    assert_eq!(beaten.trim(), "0", "the lease was given back");
    disk.grow();
    let finished = disk.json(&["audit", "show", "--type", "run_finished"]).to_string();
    assert!(finished.contains(r#""committed":1"#) && finished.contains(r#""failed":1"#), "{finished}");
    assert_eq!(disk.rows("select count(*) from people"), ["100"]);
    disk.run(&["run"]).ok();
    assert_eq!(disk.rows("select count(*) from pets"), ["200000"]);
    disk.run(&["audit", "verify"]).ok();
}

/// Trying again cures no contract: where the disk has just room to begin the run, that is what is said.
#[test]
fn a_refused_contract_on_a_full_disk_is_not_told_as_a_full_disk() {
    let prepared = Project::new();
    prepared.people(&rows(0, 100));
    prepared.run(&["run"]).ok();
    let contract = std::fs::read_to_string(prepared.dir().join("contracts/people.odcs.yaml")).unwrap();
    prepared.write("contracts/people.odcs.yaml", contract.replace("maximum: 150", "maximum: 151"));
    let code = prepared.fork().run(&["run"]).code.unwrap();
    assert!(![0, 4].contains(&code), "{code}");
    let (mut begun, mut full) = (0, 0);
    for free_kib in (0..80).step_by(4) {
        let project = prepared.fork();
        let mut disk = SmallDisk::under(&project, free_kib);
        let ran = disk.run(&["run"]);
        disk.grow();
        let started = disk.json(&["audit", "show", "--type", "run_started"]);
        if started.as_array().unwrap().len() == 2 {
            assert_eq!(ran.code, Some(code), "{free_kib} KiB free: {ran:?}");
            begun += 1;
            full += u64::from(ran.err.contains("no snapshot"));
        } else {
            assert_eq!(ran.code, Some(4), "{free_kib} KiB free: {ran:?}");
        }
    }
    assert!(begun > full && full > 0, "{begun} {full}: the sizes no longer fit");
}

/// What cannot be recorded does not hide why a batch failed.
#[test]
fn a_failure_that_cannot_be_recorded_is_told_all_the_same() {
    let project = Project::anchored();
    project.people(&rows(0, 200));
    let contract = std::fs::read_to_string(project.dir().join("contracts/people.odcs.yaml")).unwrap();
    project.write("contracts/people.odcs.yaml", contract.replace("value: quarantine", "value: fail"));
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    let paused = Stopped::start(&project, &["run"], "batch-started");
    let (anchor, aside) = (project.beside("anchor.checkpoint"), project.beside("aside"));
    std::fs::rename(&anchor, &aside).unwrap();
    std::fs::create_dir(&anchor).unwrap();
    let ran = paused.wake();
    assert!(ran.out.contains("breaks rule"), "{ran:?}");
    let err = ran.fails(3);
    assert!(err.contains("breaks rule") && err.contains("could not be recorded"), "{err}");
    std::fs::remove_dir(&anchor).unwrap();
    std::fs::rename(&aside, &anchor).unwrap();
    project.run(&["run"]).fails(3);
    project.run(&["audit", "verify"]).ok();
}
