//! One writer: who is refused, who takes over, and who may write no more.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use polder_types::{Clock, ErrorKind, ManualClock, SystemClock};

use super::fixture::options;
use crate::{Backend, Error, Holder, Lease, STALE_AFTER_MS};

const CHILD: &str = "POLDER_STORE_LEASE_CHILD";

fn store() -> (tempfile::TempDir, Backend) {
    let dir = tempfile::TempDir::new().unwrap();
    let backend = Backend::create_with(&dir.path().join("store"), options()).unwrap();
    (dir, backend)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(1_767_225_600_000))
}

fn lease_file(backend: &Backend, epoch: u64) -> std::path::PathBuf {
    backend.dir().unwrap().join(format!("lease/{epoch:020}"))
}

/// Makes the holder one of another host, whose lock is not seen here.
fn move_to_another_host(backend: &Backend, epoch: u64, beat_ms: i64) {
    let file = lease_file(backend, epoch);
    let holder = Holder { pid: 7, host: "00000000deadbeef".to_owned(), boot: "x".to_owned(), since_ms: beat_ms, beat_ms: None, lock: None };
    std::fs::write(&file, serde_json::to_vec(&holder).unwrap()).unwrap();
    let at = std::time::UNIX_EPOCH + Duration::from_millis(beat_ms as u64);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(at).unwrap();
}

#[tokio::test]
async fn one_holds_it_and_epochs_grow() {
    let (_dir, backend) = store();
    let first = Lease::acquire(&backend, clock(), None).await.unwrap();
    assert_eq!(first.epoch(), 1);
    first.check().await.unwrap();
    let busy = Lease::acquire(&Backend::open_with(backend.dir().unwrap(), options()).unwrap(), clock(), None).await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    let want = format!("process {} on this host holds it since 2026-01-01T00:00:00Z", std::process::id());
    assert!(busy.to_string().contains(&want) && busy.to_string().contains("--wait"), "{busy}");
    first.release().await.unwrap();
    let second = Lease::acquire(&backend, clock(), None).await.unwrap();
    assert_eq!(second.epoch(), 2);
    drop(second);
    assert_eq!(Lease::acquire(&backend, clock(), None).await.unwrap().epoch(), 3);
    assert!(!lease_file(&backend, 1).exists(), "only the newest is kept");
    assert!(lease_file(&backend, 3).exists());
}

#[tokio::test]
async fn who_holds_it_is_told_while_they_live() {
    let (_dir, backend) = store();
    assert_eq!(Lease::holder(&backend).unwrap(), None);
    let lease = Lease::acquire(&backend, clock(), None).await.unwrap();
    let holder = Lease::holder(&backend).unwrap().unwrap();
    assert_eq!((holder.pid, holder.since_ms, holder.is_here()), (std::process::id(), clock().now_ms(), true));
    lease.check().await.unwrap();
    // Asking takes nothing from anyone.
    assert_eq!(Lease::acquire(&backend, clock(), None).await.unwrap_err().kind(), ErrorKind::Busy);
    lease.release().await.unwrap();
    assert_eq!(Lease::holder(&backend).unwrap(), None);
    let again = Lease::acquire(&backend, clock(), None).await.unwrap();
    assert_eq!(again.epoch(), 2);
    // One that was killed left its file as it was, and no lock.
    drop(again);
    let file = lease_file(&backend, 2);
    std::fs::File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(9))
        .unwrap();
    assert_eq!(Lease::holder(&backend).unwrap(), None);
    move_to_another_host(&backend, 2, 5_000);
    let elsewhere = Lease::holder(&backend).unwrap().unwrap();
    assert_eq!((elsewhere.pid, elsewhere.is_here()), (7, false));
}

/// Whoever finds that `lease/` was rolled back takes no epoch, or enough tries would reach the one that was lost.
#[tokio::test]
async fn an_epoch_that_is_withdrawn_was_never_taken() {
    let (_dir, backend) = store();
    for _ in 0..3 {
        let lease = Lease::acquire(&backend, clock(), None).await.unwrap();
        assert_eq!(lease.epoch(), 1);
        lease.withdraw().await.unwrap();
        assert!(!lease_file(&backend, 1).exists());
    }
    std::fs::write(lease_file(&backend, 7), "").unwrap();
    let later = Arc::new(ManualClock::new(SystemClock.now_ms() + STALE_AFTER_MS + 1));
    assert_eq!(Lease::acquire(&backend, later, None).await.unwrap().epoch(), 8, "an empty file stands for its epoch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_ask_at_once_one_gets_it() {
    let (_dir, backend) = store();
    let asked = (0..8).map(|_| {
        let backend = Backend::open_with(backend.dir().unwrap(), options()).unwrap();
        tokio::spawn(async move { Lease::acquire(&backend, clock(), None).await })
    });
    let mut held = Vec::new();
    for result in futures::future::join_all(asked).await {
        match result.unwrap() {
            Ok(lease) => held.push(lease),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
        }
    }
    assert_eq!(held.len(), 1);
    held[0].check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_who_waits_gets_it_when_it_is_free() {
    let (_dir, backend) = store();
    let first = Lease::acquire(&backend, clock(), None).await.unwrap();
    let waiter = {
        let backend = Backend::open_with(backend.dir().unwrap(), options()).unwrap();
        tokio::spawn(async move { Lease::acquire(&backend, clock(), Some(Duration::from_secs(600))).await })
    };
    first.check().await.unwrap();
    first.release().await.unwrap();
    let second = waiter.await.unwrap().unwrap();
    assert_eq!(second.epoch(), 2);
    second.release().await.unwrap();

    let _held = Lease::acquire(&backend, clock(), Some(Duration::ZERO)).await.unwrap();
    let impatient = Lease::acquire(&backend, clock(), Some(Duration::ZERO)).await.unwrap_err();
    assert_eq!(impatient.kind(), ErrorKind::Busy);
}

#[tokio::test]
async fn a_holder_elsewhere_is_dead_after_three_missed_heartbeats() {
    let (_dir, backend) = store();
    let clock = clock();
    let paused = Lease::acquire(&backend, clock.clone(), None).await.unwrap();
    // As another host sees it: the lock does not count there, the heartbeat does.
    let beat_ms = clock.now_ms();
    drop(paused);
    move_to_another_host(&backend, 1, beat_ms);
    clock.advance(STALE_AFTER_MS - 1);
    let busy = Lease::acquire(&backend, clock.clone(), None).await.unwrap_err();
    assert!(busy.to_string().contains("process 7 on host 00000000deadbeef"), "{busy}");
    clock.advance(1);
    assert_eq!(Lease::acquire(&backend, clock.clone(), None).await.unwrap().epoch(), 2);
    // One who released is not waited for.
    move_to_another_host(&backend, 2, 0);
    assert_eq!(Lease::acquire(&backend, clock, None).await.unwrap().epoch(), 3);
}

#[tokio::test]
async fn a_paused_writer_that_wakes_after_a_take_over_is_refused() {
    let (_dir, backend) = store();
    let clock = clock();
    let paused = Lease::acquire(&backend, clock.clone(), None).await.unwrap();
    clock.advance(STALE_AFTER_MS);
    // A writer of another host took over: its epoch is there, and ours may be gone.
    std::fs::copy(lease_file(&backend, 1), lease_file(&backend, 2)).unwrap();
    for removed in [false, true] {
        if removed {
            std::fs::remove_file(lease_file(&backend, 1)).unwrap();
        }
        let lost = paused.check().await.unwrap_err();
        assert!(matches!(lost, Error::LeaseLost { epoch: 1, newest: 2 }), "{lost}");
        assert_eq!(lost.kind(), ErrorKind::Busy);
    }
    paused.release().await.unwrap();
}

#[tokio::test]
async fn a_check_that_comes_late_shows_life() {
    use std::os::unix::fs::MetadataExt;
    let (_dir, backend) = store();
    let clock = clock();
    let lease = Lease::acquire(&backend, clock.clone(), None).await.unwrap();
    let beat = || std::fs::metadata(lease_file(&backend, 1)).unwrap().mtime() * 1000;
    assert_eq!(beat(), clock.now_ms());
    clock.advance(29_000);
    lease.check().await.unwrap();
    assert_eq!(beat(), clock.now_ms() - 29_000);
    clock.advance(1_000);
    lease.check().await.unwrap();
    assert_eq!(beat(), clock.now_ms());
    clock.advance(5_000);
    lease.heartbeat().await.unwrap();
    assert_eq!(beat(), clock.now_ms());
}

/// Takes the lease in a process of its own and holds it until it is killed.
#[tokio::test]
async fn child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let backend = Backend::open_with(std::path::Path::new(&dir), options()).unwrap();
    let lease = Lease::acquire(&backend, Arc::new(SystemClock), None).await.unwrap();
    println!("\nheld {}", lease.epoch());
    std::future::pending::<()>().await;
}

fn holder(backend: &Backend) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::lease::child", "--nocapture"])
        .env(CHILD, backend.dir().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("held ")), "the child took no lease");
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_holder_is_followed_at_once() {
    let (_dir, backend) = store();
    let mut child = holder(&backend);
    let busy = Lease::acquire(&backend, Arc::new(SystemClock), None).await.unwrap_err();
    assert!(busy.to_string().contains(&format!("process {} on this host", child.id())), "{busy}");
    let waiter = {
        let backend = backend.clone();
        tokio::spawn(async move { Lease::acquire(&backend, Arc::new(SystemClock), Some(Duration::from_secs(600))).await })
    };
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert_eq!(waiter.await.unwrap().unwrap().epoch(), 2);
}
