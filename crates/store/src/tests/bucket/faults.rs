//! What a network and a storage in trouble do: nothing that was acknowledged is lost, nothing that is create-only is overwritten, and no
//! two writers hold the lease in one epoch.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutPayload};
use polder_types::{ErrorKind, ManualClock, SeededRng};

use super::fixture::{Fixture, KEY_ID, SECRET, options, patience};
use super::moto;
use super::proxy::{Fault, Proxy};
use crate::tests::fixture::bytes;
use crate::{Backend, Error, Lease, Options, Patience, STALE_AFTER_MS, SealedStore, kind_of};

/// Answers are waited for so long that those which come do come.
pub(super) fn impatient() -> Options {
    let patience = Patience { request: Duration::from_millis(400), ..patience() };
    Options { patience, ..options() }
}

/// The whole text of an error, causes and all.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(" / {cause}"));
        next = cause.source();
    }
    text
}

/// A fault for the first `times` requests of a sort.
pub(super) fn first(
    times: u32,
    fault: Fault,
    sort: fn(&super::proxy::Request<'_>) -> bool,
) -> impl Fn(&super::proxy::Request<'_>) -> Fault + Send + Sync {
    let left = AtomicU32::new(times);
    move |request| {
        let hit = sort(request) && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if hit { fault } else { Fault::None }
    }
}

/// The storage did it, and nobody heard: one's own object is known again, and taken for what it is.
#[tokio::test]
async fn a_create_whose_answer_is_lost_is_a_success_and_another_ones_object_is_not() {
    for fault in [Fault::LostAnswer, Fault::ErrorAfter, Fault::Cut, Fault::Late] {
        let fixture = Fixture::new().await;
        for (times, len) in [(1, 10), (3, 10), (1, 200_000)] {
            let path = fixture.path(&format!("a-{times}-{len}"));
            let proxy = Proxy::new(moto::shared().port, first(times, fault, |request| request.is_conditional_create()));
            let store = fixture.by_way_of(proxy.port, impatient());
            store.create(&path, Bytes::from(bytes(len))).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            assert!(proxy.seen().iter().any(|(_, seen)| *seen == fault));
            assert!(fixture.store.read(&path).await.unwrap() == bytes(len));

            // The control: what is there is another's, and the first answer is lost all the same.
            let proxy = Proxy::new(moto::shared().port, first(times, fault, |request| request.is_conditional_create()));
            let store = fixture.by_way_of(proxy.port, impatient());
            let exists = store.create(&path, Bytes::from(bytes(len))).await.unwrap_err();
            assert!(matches!(exists, object_store::Error::AlreadyExists { .. }), "{fault:?}: {exists}");
            assert_eq!(fixture.store.inspect(&path).await.unwrap().generation, 1);
        }
    }
}

#[tokio::test]
async fn a_replacement_whose_answer_is_lost_is_a_success() {
    for fault in [Fault::LostAnswer, Fault::ErrorAfter, Fault::Late] {
        let fixture = Fixture::new().await;
        let path = fixture.path("a");
        fixture.store.create(&path, Bytes::from_static(b"one")).await.unwrap();
        let proxy =
            Proxy::new(moto::shared().port, first(2, fault, |request| request.header("if-match").is_some() && request.method() == "PUT"));
        fixture.by_way_of(proxy.port, impatient()).put(&path, PutPayload::from_static(b"two")).await.unwrap();
        assert_eq!(fixture.store.read(&path).await.unwrap(), "two");
        assert_eq!(fixture.store.inspect(&path).await.unwrap().generation, 2, "{fault:?}");
    }
}

#[tokio::test]
async fn an_upload_in_parts_survives_what_happens_to_any_of_its_requests() {
    for fault in [Fault::LostAnswer, Fault::LostRequest, Fault::Error, Fault::ErrorAfter, Fault::SlowDown, Fault::Cut] {
        let fixture = Fixture::new().await;
        let path = fixture.path("long");
        let proxy = Proxy::new(moto::shared().port, first(4, fault, |request| request.target().contains("upload")));
        let store = fixture.by_way_of(proxy.port, options());
        store.create(&path, Bytes::from(bytes(20 << 20))).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert!(fixture.store.read(&path).await.unwrap() == bytes(20 << 20));
        // One whose begin was not heard stays, until the next writer sweeps.
        fixture.store.backend().sweep_temporaries().unwrap();
        assert_eq!(fixture.open_uploads(), 0);
    }
}

#[tokio::test]
async fn slow_and_broken_answers_are_read_to_their_end_or_again() {
    let fixture = Fixture::new().await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from(bytes(300_000))).await.unwrap();
    for fault in [Fault::Slow, Fault::Cut, Fault::LostAnswer, Fault::Error, Fault::SlowDown, Fault::Stall] {
        let proxy = Proxy::new(moto::shared().port, first(3, fault, |request| request.method() == "GET"));
        let backend = fixture.open(proxy.port, impatient()).unwrap();
        let store = SealedStore::new(backend, fixture.keys.clone(), crate::tests::fixture::rng());
        assert!(store.read(&path).await.unwrap() == bytes(300_000), "{fault:?}");
    }
}

/// Each says what is wrong and what to do, is worth another try, and repeats nothing of what the storage wrote.
#[tokio::test]
async fn trouble_that_stays_is_told_with_advice_and_without_a_secret() {
    let fixture = Fixture::new().await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from(bytes(10))).await.unwrap();
    let cases = [
        (Fault::Error, "the storage is in trouble or overloaded", "500 (InternalError)"),
        (Fault::SlowDown, "fewer requests at a time", "503 (SlowDown)"),
        (Fault::LostAnswer, "cannot be reached now", "ended before its answer did"),
        (Fault::Stall, "cannot be reached now", "did not answer within"),
    ];
    for (fault, advice, cause) in cases {
        let quick = Patience { request: Duration::from_millis(100), attempts: 3, ..patience() };
        let proxy = Proxy::new(moto::shared().port, move |request| if request.target().contains("tables") { fault } else { Fault::None });
        let store = fixture.by_way_of(proxy.port, Options { patience: quick, ..options() });
        for error in [store.read(&path).await.unwrap_err(), store.create(&fixture.path("b"), Bytes::new()).await.unwrap_err()] {
            assert_eq!(kind_of(&error), ErrorKind::Unavailable, "{fault:?}");
            let text = told(&error);
            assert!(text.contains(advice) && text.contains(cause), "{fault:?}: {text}");
            for secret in [SECRET, KEY_ID, "token-secret", "Signature", "127.0.0.1", "quotes"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
    }
    // Nobody listens there.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let quick = Patience { attempts: 2, ..patience() };
    let error = fixture.open(port, Options { patience: quick, ..options() }).unwrap_err();
    assert!(matches!(&error, Error::Bucket { .. }) && told(&error).contains("Connection refused"), "{}", told(&error));
}

/// Patience has an end, whatever happens: who holds a lease must not still be writing when it is stale.
#[tokio::test]
async fn patience_for_what_others_see_ends_before_a_lease_is_stale() {
    let usual = Patience::default();
    let stale = Duration::from_millis(u64::try_from(STALE_AFTER_MS - crate::HEARTBEAT_MS).unwrap());
    assert!(usual.visible <= stale && usual.request <= usual.visible);
    let fixture = Fixture::new().await;
    let short = Patience { visible: Duration::from_millis(150), attempts: 1_000_000, ..patience() };
    let proxy = Proxy::new(moto::shared().port, |request| if request.method() == "PUT" { Fault::Error } else { Fault::None });
    let store = fixture.by_way_of(proxy.port, Options { patience: short, ..options() });
    let error = store.create(&fixture.path("a"), Bytes::new()).await.unwrap_err();
    assert!(told(&error).contains("500 (InternalError)"), "{}", told(&error));
}

fn seeds() -> u64 {
    if std::env::var("POLDER_SEEDS").is_ok_and(|seeds| seeds == "full") { 100 } else { 4 }
}

/// A third of the requests meet with something.
fn misfortune(seed: u64) -> impl Fn(&super::proxy::Request<'_>) -> Fault + Send + Sync {
    let rng = SeededRng::new(seed);
    move |_| match rng.below(27) {
        0 => Fault::LostRequest,
        1 | 2 => Fault::LostAnswer,
        3 => Fault::Error,
        4 => Fault::ErrorAfter,
        5 => Fault::SlowDown,
        6 => Fault::Cut,
        7 => Fault::Stall,
        8 => Fault::Late,
        9 => Fault::Slow,
        _ => Fault::None,
    }
}

/// Two writers, which do not know of each other, create and replace the same few objects.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_and_nothing_create_only_is_overwritten() {
    for seed in 0..seeds() {
        let fixture = Fixture::new().await;
        let replaced = fixture.path("replaced");
        fixture.store.create(&replaced, Bytes::from_static(b"first")).await.unwrap();
        let proxy = Arc::new(Proxy::new(moto::shared().port, misfortune(seed)));
        let few = Patience { request: Duration::from_millis(150), attempts: 4, ..patience() };
        let writers = (0..2u64).map(|who| {
            let backend = loop {
                // Opening asks too, and may be unlucky.
                if let Ok(backend) = fixture.open(proxy.port, Options { patience: few.clone(), ..options() }) {
                    break backend;
                }
            };
            let store = SealedStore::new(backend, fixture.keys.clone(), crate::tests::fixture::rng());
            let (paths, replaced) = ((0..6).map(|name| fixture.path(&format!("once-{name}"))).collect::<Vec<_>>(), replaced.clone());
            tokio::spawn(async move {
                let rng = SeededRng::new(seed << 8 | who);
                let (mut created, mut attempted, mut replacements) = (HashMap::new(), HashMap::new(), 0u64);
                for round in 0..12u64 {
                    let at = usize::try_from(rng.below(6)).unwrap();
                    let content = format!("{who}-{round}-{}", "x".repeat(usize::try_from(rng.below(3)).unwrap() * 70_000));
                    attempted.entry(at).or_insert_with(Vec::new).push(content.clone());
                    if store.create(&paths[at], Bytes::from(content.clone())).await.is_ok() {
                        assert_eq!(created.insert(at, content), None, "seed {seed}: created twice by one");
                    }
                    if store.put(&replaced, PutPayload::from(format!("{who}-{round}"))).await.is_ok() {
                        replacements += 1;
                    }
                }
                (created, attempted, replacements)
            })
        });
        let writers: Vec<_> = writers.collect();
        let (mut created, mut attempted, mut replacements) = (HashMap::new(), HashMap::<usize, Vec<String>>::new(), 0);
        for writer in writers {
            let (ours, tried, count) = writer.await.unwrap();
            for (at, content) in ours {
                assert_eq!(created.insert(at, content), None, "seed {seed}: both were told that they created object {at}");
            }
            tried.into_iter().for_each(|(at, contents)| attempted.entry(at).or_default().extend(contents));
            replacements += count;
        }
        for at in 0..6 {
            let there =
                fixture.store.read(&fixture.path(&format!("once-{at}"))).await.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            match (created.get(&at), there) {
                (Some(acknowledged), there) => assert!(there.unwrap() == *acknowledged, "seed {seed}: object {at}"),
                // Nobody was told that it is there: it may be all the same, whole.
                (None, Ok(there)) => assert!(attempted[&at].contains(&there), "seed {seed}: object {at}"),
                (None, Err(error)) => assert!(matches!(error, object_store::Error::NotFound { .. }), "seed {seed}: {error}"),
            }
        }
        // Each replacement that was acknowledged is a generation of its own: none was made of a state that another had replaced.
        let generation = fixture.store.inspect(&replaced).await.unwrap().generation;
        assert!(generation > replacements, "seed {seed}: generation {generation} after {replacements} replacements");
    }
}

/// Writers on two machines whose clocks differ take, hold, lose and give back the lease, in an order that a seed chooses.
#[tokio::test]
async fn no_two_writers_hold_the_lease_in_one_epoch() {
    for seed in 0..seeds() {
        let fixture = Fixture::new().await;
        let proxy = Proxy::new(moto::shared().port, misfortune(seed ^ 0xabcd));
        let rng = SeededRng::new(seed);
        let few = Patience { request: Duration::from_millis(150), attempts: 4, ..patience() };
        let machines: Vec<(Backend, Arc<ManualClock>)> = (0..2i64)
            .map(|machine| {
                let mut place = fixture.place(proxy.port);
                place.temporary = fixture.dir.path().join(format!("machine {machine}"));
                let backend = loop {
                    if let Ok(backend) = Backend::open_s3(place.clone(), Options { patience: few.clone(), ..options() }) {
                        break backend;
                    }
                };
                (backend, Arc::new(ManualClock::new(1_767_225_600_000 + machine * 40_000)))
            })
            .collect();
        let mut held: Vec<Option<Lease>> = vec![None, None];
        let mut newest = 0;
        for step in 0..40 {
            let machine = usize::try_from(rng.below(2)).unwrap();
            let (backend, clock) = &machines[machine];
            clock.advance(i64::try_from(rng.below(u64::try_from(STALE_AFTER_MS).unwrap())).unwrap());
            match (held[machine].take(), rng.below(5)) {
                (None, _) => {
                    if let Ok(lease) = Lease::acquire(backend, clock.clone(), None).await {
                        assert!(lease.epoch() > newest, "seed {seed}, step {step}: epoch {} after {newest}", lease.epoch());
                        newest = lease.epoch();
                        held[machine] = Some(lease);
                    }
                }
                (Some(lease), 0) => drop(lease.release().await),
                // A process that dies says nothing, and another machine does not see that its lock is gone.
                (Some(lease), 1) => std::mem::forget(lease),
                (Some(lease), 2) => {
                    let _ = lease.heartbeat().await;
                    held[machine] = Some(lease);
                }
                (Some(lease), _) => {
                    let may_write = lease.check().await.is_ok();
                    assert!(
                        !may_write || lease.epoch() == newest,
                        "seed {seed}, step {step}: epoch {} may write after {newest}",
                        lease.epoch()
                    );
                    held[machine] = Some(lease);
                }
            }
        }
        assert!(newest > 1, "seed {seed}: nobody got it");
        drop(held);
    }
}
