//! `kill -9`, a real one: a child process appends and is killed before its n-th change of the disk, for every n.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use polder_store::{Effect, FaultAt, Operation};
use polder_types::Recorder;
use tempfile::TempDir;

use super::sealed::{Installation, copy_dir};
use super::*;

const DIR: &str = "POLDER_AUDIT_KILL_DIR";
const AT: &str = "POLDER_AUDIT_KILL_AT";
const KINDS: [Operation; 8] = [
    Operation::NewFile,
    Operation::Write,
    Operation::SyncFile,
    Operation::MakeDirectory,
    Operation::SyncDirectory,
    Operation::Link,
    Operation::Unlink,
    Operation::Delete,
];

/// What the child does: appends a few events one by one, then some at once, then a snapshot; says what was acknowledged.
async fn child(dir: PathBuf, at: &str) {
    let (kind, nth) = at.split_once(':').unwrap();
    let kind = KINDS.into_iter().find(|known| format!("{known:?}") == kind).unwrap();
    let faults = Arc::new(FaultAt::new(Some(kind), nth.parse().unwrap(), Effect::Kill));
    let installation = Installation::open(&dir).await;
    let journal = installation.journal_with(faults, Some(installation.anchor())).await.unwrap();
    let size = journal.size();
    let say = |index: u64| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {index}").and_then(|()| out.flush()).unwrap();
    };
    for n in size..size + 2 {
        say(journal.record(event(n)).await.unwrap().index);
    }
    let group: Vec<_> = (size + 2..size + 6).map(|n| journal.record(event(n))).collect();
    for done in futures::future::join_all(group).await {
        say(done.unwrap().index);
    }
    journal.snapshot().await.unwrap();
    println!("ended");
}

/// Runs this very test in a child process.
fn run_child(test: &str, dir: &Path, at: &str) -> (Vec<u64>, bool) {
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("tests::kill::{test}"), "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(AT, at)
        .output()
        .unwrap();
    let out = String::from_utf8(run.stdout).unwrap();
    let acknowledged = out.lines().filter_map(|line| line.split("acknowledged ").nth(1)).map(|index| index.parse().unwrap()).collect();
    let ended = out.lines().any(|line| line.ends_with("ended"));
    if ended {
        assert!(run.status.success(), "{at}: {out}");
    } else {
        assert_eq!(run.status.signal(), Some(9), "{at}: {out} {}", String::from_utf8_lossy(&run.stderr));
    }
    (acknowledged, ended)
}

async fn at_every_step(test: &str, start: u64) {
    if let Some(dir) = std::env::var_os(DIR) {
        return child(dir.into(), &std::env::var(AT).unwrap()).await;
    }
    let base = TempDir::new().unwrap();
    let installation = Installation::create(base.path()).await;
    let journal = installation.new_journal(Some(installation.anchor())).await;
    record_grouped(&journal, 0, start).await;
    journal.snapshot().await.unwrap();
    drop(journal);
    let mut killed = 0;
    for kind in KINDS {
        for nth in 1.. {
            let dir = TempDir::new().unwrap();
            copy_dir(base.path(), dir.path());
            let at = format!("{kind:?}:{nth}");
            let (acknowledged, ended) = run_child(test, dir.path(), &at);
            let installation = Installation::open(dir.path()).await;
            let journal = installation.journal(Some(installation.anchor())).await.unwrap();
            let size = journal.size();
            let known = acknowledged.iter().max().map_or(start, |index| index + 1);
            assert!(size >= known && size <= start + 6, "{at}: {size} entries, {acknowledged:?} were acknowledged");
            check(&journal, size).await;
            record(&journal, size, size + 1).await;
            let report = journal.verify().await.unwrap();
            assert!(report.is_intact() && report.orphans == 0, "{at}: {report:?}");
            // Only the group that was in flight may lack its side object.
            assert!(report.erased <= 4, "{at}: {report:?}");
            for shown in journal.show(&crate::Filter { range: Some(start..known), ..crate::Filter::default() }, 100).await.unwrap() {
                assert_eq!(shown.actor, crate::Resolved::Value("user:ann".to_owned()), "{at}: an acknowledged entry lost its values");
            }
            if ended {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed > 20, "{killed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_is_killed_at_every_step_of_appending() {
    at_every_step("a_child_is_killed_at_every_step_of_appending", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_is_killed_at_every_step_around_a_full_tile() {
    at_every_step("a_child_is_killed_at_every_step_around_a_full_tile", 254).await;
}
