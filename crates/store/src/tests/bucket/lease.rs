//! One writer of a bucket: who is refused, who takes over, and who may write no more.

use std::sync::Arc;
use std::time::Duration;

use polder_types::{Clock, ErrorKind, ManualClock};

use super::fixture::{Fixture, options};
use super::moto;
use super::proxy::{Fault, Proxy};
use crate::{Backend, Error, HEARTBEAT_MS, Holder, Lease, STALE_AFTER_MS};

const START_MS: i64 = 1_767_225_600_000;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(START_MS))
}

fn object(epoch: u64) -> String {
    format!("lease/{epoch:020}")
}

fn holder(fixture: &Fixture, epoch: u64) -> Option<Holder> {
    let raw = fixture.raw(&object(epoch));
    raw.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(raw.split_once("\r\n\r\n").unwrap().1).unwrap())
}

/// As another machine sees it: its files are not those of this one.
fn elsewhere(fixture: &Fixture) -> Backend {
    let mut place = fixture.place(moto::shared().port);
    place.temporary = fixture.dir.path().join("another machine");
    Backend::open_s3(place, options()).unwrap()
}

#[tokio::test]
async fn one_holds_it_and_epochs_grow() {
    let fixture = Fixture::new().await;
    let here = || fixture.open(moto::shared().port, options()).unwrap();
    let first = Lease::acquire(&here(), clock(), None).await.unwrap();
    assert_eq!(first.epoch(), 1);
    first.check().await.unwrap();
    for other in [here(), elsewhere(&fixture)] {
        let busy = Lease::acquire(&other, clock(), None).await.unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::Busy);
        assert!(
            busy.to_string().contains(&format!("process {} on this host holds it since 2026-01-01T00:00:00Z", std::process::id())),
            "{busy}"
        );
    }
    for other in [here(), elsewhere(&fixture)] {
        let known = Lease::holder(&other).unwrap().unwrap();
        assert_eq!((known.pid, known.since_ms, known.is_here()), (std::process::id(), START_MS, true));
    }
    first.release().await.unwrap();
    assert_eq!(Lease::holder(&here()).unwrap(), None);
    assert_eq!(holder(&fixture, 1).unwrap().beat_ms, Some(0));
    let second = Lease::acquire(&elsewhere(&fixture), clock(), None).await.unwrap();
    assert_eq!(second.epoch(), 2);
    drop(second);
    assert_eq!(Lease::acquire(&here(), clock(), None).await.unwrap().epoch(), 3);
    assert!(holder(&fixture, 1).is_none() && holder(&fixture, 2).is_none(), "only the newest is kept");
    let kept = holder(&fixture, 3).unwrap();
    assert_eq!((kept.pid, kept.lock.unwrap().len()), (std::process::id(), 32));
}

#[tokio::test]
async fn an_epoch_that_is_withdrawn_was_never_taken_and_an_empty_object_stands_for_its_epoch() {
    let fixture = Fixture::new().await;
    for _ in 0..2 {
        let lease = Lease::acquire(fixture.store.backend(), clock(), None).await.unwrap();
        assert_eq!(lease.epoch(), 1);
        lease.withdraw().await.unwrap();
        assert!(holder(&fixture, 1).is_none());
    }
    fixture.plant(&object(7), b"");
    let busy = Lease::acquire(fixture.store.backend(), Arc::new(polder_types::SystemClock), None).await.unwrap_err();
    assert!(busy.to_string().contains("an unknown process holds epoch 7"), "{busy}");
    let later = Arc::new(ManualClock::new(polder_types::SystemClock.now_ms() + STALE_AFTER_MS + 1));
    assert_eq!(Lease::acquire(fixture.store.backend(), later, None).await.unwrap().epoch(), 8);
}

#[tokio::test]
async fn a_holder_elsewhere_is_dead_after_three_missed_heartbeats() {
    let fixture = Fixture::new().await;
    let clock = clock();
    let holder = Lease::acquire(fixture.store.backend(), clock.clone(), None).await.unwrap();
    let other = elsewhere(&fixture);
    clock.advance(STALE_AFTER_MS - 1);
    assert_eq!(Lease::acquire(&other, clock.clone(), None).await.unwrap_err().kind(), ErrorKind::Busy);
    holder.heartbeat().await.unwrap();
    clock.advance(STALE_AFTER_MS - 1);
    assert_eq!(Lease::acquire(&other, clock.clone(), None).await.unwrap_err().kind(), ErrorKind::Busy);
    clock.advance(1);
    let next = Lease::acquire(&other, clock.clone(), None).await.unwrap();
    assert_eq!(next.epoch(), 2);
    // It wakes, and may do nothing more; nor does its end disturb the one that took over.
    let lost = holder.check().await.unwrap_err();
    assert!(matches!(lost, Error::LeaseLost { epoch: 1, newest: 2 }), "{lost}");
    assert_eq!(holder.heartbeat().await.unwrap_err().kind(), ErrorKind::Busy);
    holder.release().await.unwrap();
    next.check().await.unwrap();
}

/// On one machine the lock tells, whatever the time: a holder that is killed is followed at once, one that lives is never taken over.
#[tokio::test]
async fn on_one_machine_the_lock_tells() {
    let fixture = Fixture::new().await;
    let clock = clock();
    let here = || fixture.open(moto::shared().port, options()).unwrap();
    let lives = Lease::acquire(&here(), clock.clone(), None).await.unwrap();
    clock.advance(10 * STALE_AFTER_MS);
    assert_eq!(Lease::acquire(&here(), clock.clone(), None).await.unwrap_err().kind(), ErrorKind::Busy);
    // What a kill leaves: the object as it is, and a file that nobody has locked.
    lives.heartbeat().await.unwrap();
    let lock = holder(&fixture, 1).unwrap().lock.unwrap();
    let killed = fixture.raw(&object(1)).split_once("\r\n\r\n").unwrap().1.to_owned();
    lives.release().await.unwrap();
    fixture.plant(&object(1), killed.as_bytes());
    assert_eq!(Lease::acquire(&here(), clock.clone(), None).await.unwrap_err().kind(), ErrorKind::Busy, "without a file nothing is known");
    let beside = fixture.dir.path().join("beside");
    let scratch = std::fs::read_dir(beside).unwrap().next().unwrap().unwrap().path();
    std::fs::write(scratch.join("lock").join(&lock), "").unwrap();
    assert_eq!(Lease::acquire(&elsewhere(&fixture), clock.clone(), None).await.unwrap_err().kind(), ErrorKind::Busy);
    let next = Lease::acquire(&here(), clock, None).await.unwrap();
    assert_eq!(next.epoch(), 2);
    assert!(!scratch.join("lock").join(&lock).exists(), "what a dead holder left goes");
    drop(next);
    assert_eq!(std::fs::read_dir(scratch.join("lock")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_who_waits_gets_it_when_it_is_free() {
    let fixture = Fixture::new().await;
    let first = Lease::acquire(fixture.store.backend(), clock(), None).await.unwrap();
    let waiter = {
        let backend = fixture.open(moto::shared().port, options()).unwrap();
        tokio::spawn(async move { Lease::acquire(&backend, clock(), Some(Duration::from_secs(600))).await })
    };
    first.check().await.unwrap();
    first.release().await.unwrap();
    assert_eq!(waiter.await.unwrap().unwrap().epoch(), 2);
    let _held = Lease::acquire(fixture.store.backend(), clock(), None).await.unwrap();
    let impatient = Lease::acquire(fixture.store.backend(), clock(), Some(Duration::ZERO)).await.unwrap_err();
    assert_eq!(impatient.kind(), ErrorKind::Busy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_ask_at_once_one_gets_it() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::new(moto::shared().port, |_| Fault::None);
    let asked = (0..6).map(|_| {
        let backend = fixture.open(proxy.port, options()).unwrap();
        tokio::spawn(async move { Lease::acquire(&backend, clock(), None).await })
    });
    let mut held = Vec::new();
    for result in futures::future::join_all(asked).await {
        match result.unwrap() {
            Ok(lease) => held.push(lease),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
        }
    }
    assert_eq!(held.len(), 1);
    held[0].check().await.unwrap();
}

#[tokio::test]
async fn a_check_that_comes_late_shows_life() {
    let fixture = Fixture::new().await;
    let clock = clock();
    let lease = Lease::acquire(fixture.store.backend(), clock.clone(), None).await.unwrap();
    let beat = || holder(&fixture, 1).unwrap().beat_ms.unwrap();
    assert_eq!(beat(), START_MS);
    clock.advance(HEARTBEAT_MS - 1);
    lease.check().await.unwrap();
    assert_eq!(beat(), START_MS);
    clock.advance(1);
    lease.check().await.unwrap();
    assert_eq!(beat(), START_MS + HEARTBEAT_MS);
}

/// Between the look at a holder that seems dead and the take-over, the holder shows life: it stays the holder.
#[tokio::test]
async fn a_sign_of_life_in_the_last_moment_counts() {
    let fixture = Fixture::new().await;
    let clock = clock();
    let lives = Arc::new(Lease::acquire(fixture.store.backend(), clock.clone(), None).await.unwrap());
    clock.advance(STALE_AFTER_MS);
    let beaten = std::sync::Mutex::new(Some(Arc::clone(&lives)));
    let runtime = tokio::runtime::Handle::current();
    let proxy = Proxy::new(moto::shared().port, move |request| {
        // The first write of who takes over.
        if request.method() == "PUT"
            && let Some(lives) = beaten.lock().unwrap().take()
        {
            runtime.block_on(lives.heartbeat()).unwrap();
        }
        Fault::None
    });
    let mut place = fixture.place(proxy.port);
    place.temporary = fixture.dir.path().join("another machine");
    let other = Backend::open_s3(place, options()).unwrap();
    let asked = tokio::spawn(async move { Lease::acquire(&other, clock, None).await });
    assert_eq!(asked.await.unwrap().unwrap_err().kind(), ErrorKind::Busy);
    lives.check().await.unwrap();
    let puts = proxy.seen().into_iter().filter(|(asked, _)| asked.starts_with("PUT")).count();
    assert_eq!(puts, 1, "the write under a condition that held no more");
}

/// What a storage that passes over conditions would do: the proxy takes them out of the request.
#[tokio::test]
async fn a_storage_that_keeps_no_conditions_is_refused() {
    for header in ["If-None-Match", "If-Match"] {
        let fixture = Fixture::new().await;
        let proxy = Proxy::without_header(moto::shared().port, header);
        let backend = fixture.open(proxy.port, options()).unwrap();
        let refused = Lease::acquire(&backend, clock(), None).await.unwrap_err();
        assert!(matches!(refused, Error::Unconditional { condition, .. } if condition == header), "{refused}");
        assert!(holder(&fixture, 1).is_none(), "nothing stays of it");
    }
}
