//! A real SIGKILL at every failpoint of every change to a table; then the same change again. The table equals the
//! undisturbed one, row for row, and every intent has an outcome.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::Arc;

use super::bed::{Bed, actor};
use super::erase::Ids;
use super::history::history;
use super::merges::{in_batches, merge};
use crate::matching::Going;
use crate::ports::{Failpoints, Heads as _, POINTS};
use crate::{LakeOptions, WriteMode};

const CHILD: &str = "POLDER_LAKE_CRASH_CHILD";

#[derive(Debug)]
struct KillAt(String);

impl Failpoints for KillAt {
    fn hit(&self, name: &str) {
        if name == self.0 {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
            // Nothing runs between the signal and the end of the process.
            loop {
                std::thread::park();
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Create,
    Append,
    Replace,
    /// Rows take the place of others, and others go: of a file with vectors, of one without, and one whole.
    Merge,
    Scd2,
    Optimize,
    Vacuum,
    /// Rows of files of which others are deleted already.
    Erase,
    /// Opens a table that another process left between intent and outcome.
    Recover,
}

impl Act {
    const ALL: [Self; 9] =
        [Self::Create, Self::Append, Self::Replace, Self::Merge, Self::Scd2, Self::Optimize, Self::Vacuum, Self::Erase, Self::Recover];

    /// What the table is before the act.
    async fn prepare(self, bed: &Bed) {
        if self == Self::Create {
            return;
        }
        if self == Self::Scd2 {
            history(bed, 1, &(0..500).map(|id| (id, id)).collect::<Vec<_>>(), Going::None).await.unwrap();
            return;
        }
        bed.create().await;
        bed.load(WriteMode::Append, 1, 0, 1500).await.unwrap();
        bed.load(WriteMode::Append, 2, 1500, 1600).await.unwrap();
        if matches!(self, Self::Merge | Self::Optimize | Self::Erase) {
            // More than the log holds, and less.
            let gone: Vec<i64> = (0..1500).filter(|id| id % 7 < 4).chain([1500]).collect();
            merge(bed, 3, &[(1, 1)], Going::Listed(in_batches(&gone))).await.unwrap();
        }
        if self == Self::Vacuum {
            bed.load(WriteMode::Replace, 3, 100, 200).await.unwrap();
        }
    }

    /// The act, which may be done again.
    async fn run(self, bed: &Bed) -> Result<(), crate::Error> {
        match self {
            Self::Create if bed.lake.exists(bed.table) => Ok(()),
            Self::Create => bed.lake.create(bed.table, &super::bed::schema(), &actor()).await.map(drop),
            Self::Append | Self::Recover => bed.load(WriteMode::Append, 3, 1600, 3000).await.map(drop),
            Self::Replace => bed.load(WriteMode::Replace, 3, 5, 50).await.map(drop),
            Self::Merge => {
                let batch: Vec<(i64, i64)> = (1..1600).step_by(2).map(|id| (id, id + 1)).collect();
                let gone: Vec<i64> = (1500..1600).collect();
                merge(bed, 4, &batch, Going::Listed(in_batches(&gone))).await.map(drop)
            }
            Self::Scd2 => {
                let batch: Vec<(i64, i64)> = (1..600).step_by(2).map(|id| (id, id + id % 3)).collect();
                history(bed, 2, &batch, Going::Listed(in_batches(&[2, 4]))).await.map(drop)
            }
            Self::Optimize => bed.lake.optimize(bed.table, &actor()).await.map(drop),
            Self::Vacuum => bed.lake.vacuum(bed.table, 0, &actor()).await.map(drop),
            Self::Erase => {
                bed.lake.erase(bed.table, Some(&Ids(vec![6, 1550])), &actor()).await?;
                bed.lake.purge(bed.table, &actor()).await.map(drop)
            }
        }
    }
}

/// Runs in a process of its own and is killed there; in this one it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let mut order = order.splitn(3, ':');
    let act = Act::ALL[order.next().unwrap().parse::<usize>().unwrap()];
    let point = order.next().unwrap().to_owned();
    let dir = std::path::PathBuf::from(order.next().unwrap());
    let options = LakeOptions { encode_threads: 2, failpoints: Arc::new(KillAt(point)), ..LakeOptions::default() };
    let bed = Bed::open(&dir, options).await;
    act.run(&bed).await.unwrap();
    std::fs::write(dir.join("done"), "").unwrap();
}

/// Whether the child was killed; false when it never passed the point.
fn killed(bed: &Bed, act: usize, point: &str) -> bool {
    let done = bed.dir.join("done");
    drop(std::fs::remove_file(&done));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::crash::child", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{act}:{point}:{}", bed.dir.display()))
        .output()
        .unwrap();
    let killed = output.status.signal() == Some(9);
    assert_ne!(killed, output.status.success(), "{point}: {}", String::from_utf8_lossy(&output.stderr));
    assert_ne!(killed, done.exists());
    killed
}

async fn undisturbed(act: Act) -> Vec<String> {
    let bed = Bed::new().await;
    act.prepare(&bed).await;
    act.run(&bed).await.unwrap();
    rows(&bed, act).await
}

/// What the table holds; the instants of a history differ from run to run, so of these only whether they are there.
async fn rows(bed: &Bed, act: Act) -> Vec<String> {
    if act == Act::Scd2 { super::history::versions(bed).await } else { bed.rows(None).await }
}

async fn matrix(act: Act, wanted: &[&str]) {
    let expected = undisturbed(act).await;
    let number = Act::ALL.iter().position(|other| *other == act).unwrap();
    for point in POINTS {
        let bed = Bed::new().await;
        act.prepare(&bed).await;
        drop(bed.fence.0.lock().take());
        if act == Act::Recover {
            // First a process that dies between its commit and its outcome, or between its intent and its commit.
            let first = if point == "lake.fence_written" { "lake.after_intent" } else { "lake.after_commit" };
            assert!(killed(&bed, number, first));
        }
        assert_eq!(killed(&bed, number, point), wanted.contains(&point), "{act:?} at {point}");
        let again = bed.reopen().await;
        again.lake.recover(again.table).await.unwrap();
        act.run(&again).await.unwrap();
        assert_eq!(rows(&again, act).await, expected, "{act:?} at {point}");
        assert!(again.journal.open_intents(again.table).is_empty(), "{act:?} at {point}");
        again.lake.verify(again.table).await.unwrap();
        // What the dead process staged is all that vacuum finds, and a second vacuum finds nothing.
        again.lake.vacuum(again.table, 0, &actor()).await.unwrap();
        assert_eq!(again.lake.vacuum(again.table, 0, &actor()).await.unwrap().files, 0);
        assert_eq!(rows(&again, act).await, expected, "{act:?} at {point}");
    }
}

const COMMIT: [&str; 5] = ["lake.before_intent", "lake.after_intent", "lake.after_commit", "lake.before_outcome", "lake.after_outcome"];

fn commit_and<'a>(more: &[&'a str]) -> Vec<&'a str> {
    COMMIT.iter().chain(more).copied().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creation() {
    matrix(Act::Create, &COMMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn append() {
    matrix(Act::Append, &commit_and(&["lake.staged"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replace() {
    matrix(Act::Replace, &commit_and(&["lake.staged"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merges() {
    matrix(Act::Merge, &commit_and(&["lake.staged", "lake.matched", "lake.vectors_stored"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories() {
    matrix(Act::Scd2, &commit_and(&["lake.staged", "lake.matched", "lake.vectors_stored"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn optimize() {
    matrix(Act::Optimize, &commit_and(&["lake.optimize_staged"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vacuum() {
    matrix(Act::Vacuum, &["lake.vacuum_intent", "lake.vacuum_deleted"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasure() {
    matrix(Act::Erase, &commit_and(&["lake.erase_staged", "lake.erase_purging", "lake.erase_deleting", "lake.erase_emptying"])).await;
}

/// A second crash, in recovery itself. With the first one after the commit, the load finds its sequence committed, so it
/// passes no point of a commit of its own; with the first one after the intent, it is fenced and commits anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery() {
    matrix(Act::Recover, &["lake.recover_intent", "lake.fence_written", "lake.staged"]).await;
}
