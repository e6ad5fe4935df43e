//! The object store's contract: creates, ranges, lists, deletes, and how many requests they cost.

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use polder_types::ErrorKind;
use proptest::prelude::*;

use super::fixture::{Fixture, bytes};
use crate::{Area, FileKind, SealedStore, kind_of};

/// Around the boundaries of the first, second and last segments.
const LENGTHS: [usize; 9] = [0, 1, 65_479, 65_480, 65_481, 131_000, 131_001, 300_000, 5 << 20];

#[tokio::test]
async fn what_was_put_comes_back_and_is_not_on_the_disk() {
    let fixture = Fixture::new().await;
    for len in LENGTHS {
        let path = fixture.path(&format!("part-{len}"));
        let plain = bytes(len);
        fixture.store.create(&path, Bytes::from(plain.clone())).await.unwrap();
        assert_eq!(fixture.store.get(&path).await.unwrap().bytes().await.unwrap(), plain, "{len}");
        assert_eq!(fixture.store.read(&path).await.unwrap(), plain, "{len}");
        let head = fixture.store.head(&path).await.unwrap();
        assert_eq!(head.size, len as u64);
        let on_disk = std::fs::read(fixture.file(&path)).unwrap();
        assert_eq!(on_disk.len() as u64, polder_crypto::sealed_len(len as u64));
        if len >= 64 {
            assert!(!on_disk.windows(64).any(|window| window == &plain[..64]));
        }
    }
    let verified = fixture.store.verify(&fixture.path("part-300000")).await.unwrap();
    assert_eq!((verified.plain_bytes, verified.header.generation, verified.header.dataset), (300_000, 1, fixture.table));
    assert_eq!(fixture.store.inspect(&fixture.path("part-1")).await.unwrap().lineage, fixture.keys.lineage());
}

#[tokio::test]
async fn a_name_is_created_once_and_overwritten_under_the_next_generation() {
    let fixture = Fixture::new().await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from_static(b"one")).await.unwrap();
    let again = fixture.store.create(&path, Bytes::from_static(b"two")).await.unwrap_err();
    assert!(matches!(again, object_store::Error::AlreadyExists { .. }), "{again}");
    assert_eq!(kind_of(&again), ErrorKind::Conflict);
    assert_eq!(fixture.store.read(&path).await.unwrap(), "one");
    for generation in 2..5 {
        fixture.store.put(&path, PutPayload::from(vec![generation; 10])).await.unwrap();
        assert_eq!(fixture.store.inspect(&path).await.unwrap().generation, u64::from(generation));
        assert_eq!(fixture.store.read(&path).await.unwrap(), vec![generation; 10]);
    }
    let update = PutMode::Update(object_store::UpdateVersion { e_tag: None, version: None });
    let refused = fixture.store.put_opts(&path, PutPayload::new(), PutOptions::from(update)).await.unwrap_err();
    assert_eq!(kind_of(&refused), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_create_one_name_one_wins() {
    let fixture = Fixture::new().await;
    for round in 0..8 {
        let path = fixture.path(&format!("race-{round}"));
        let contestants = (0..6u8).map(|who| {
            let (store, path) = (fixture.store.clone(), path.clone());
            tokio::spawn(async move { store.create(&path, Bytes::from(vec![who; 70_000])).await.map(|()| who) })
        });
        let mut winners = Vec::new();
        for result in futures::future::join_all(contestants).await {
            match result.unwrap() {
                Ok(who) => winners.push(who),
                Err(error) => assert!(matches!(error, object_store::Error::AlreadyExists { .. }), "{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(fixture.store.read(&path).await.unwrap(), vec![winners[0]; 70_000]);
    }
    assert!(fixture.store.backend().every_file().unwrap().iter().all(|file| file.kind != FileKind::Temporary));
}

#[tokio::test]
async fn a_range_is_one_request_whatever_it_covers() {
    let fixture = Fixture::new().await;
    let path = fixture.path("big");
    let plain = bytes(9 << 20);
    fixture.store.create(&path, Bytes::from(plain.clone())).await.unwrap();
    let backend = fixture.store.backend();
    let before = backend.counters();
    assert_eq!(fixture.store.get_range(&path, 1_000_000..1_000_010).await.unwrap(), &plain[1_000_000..1_000_010]);
    let first = backend.counters();
    assert_eq!((first.reads - before.reads, first.heads - before.heads, first.lists - before.lists), (1, 0, 0));
    // The prefix, the segment, and once the last segment.
    assert!(first.bytes_read - before.bytes_read <= 168 + 2 * 65_536, "{}", first.bytes_read - before.bytes_read);
    fixture.store.get_range(&path, 2_000_000..2_000_010).await.unwrap();
    let second = backend.counters();
    assert_eq!(second.bytes_read - first.bytes_read, 168 + 65_536);

    // Near ranges are read once, far ones apart, in the order asked for; long ones in parallel. All of it is one request.
    for ranges in [vec![5_000_000..5_000_100, 10..20, 5_000_200..5_000_300, 7..7], vec![8_000_000..9_000_000, 0..8_500_000, 3..4]] {
        let before = backend.counters();
        let got = fixture.store.get_ranges(&path, &ranges).await.unwrap();
        for (range, got) in ranges.iter().zip(&got) {
            assert!(got == &plain[range.start as usize..range.end as usize], "{range:?}");
        }
        assert_eq!(backend.counters().reads - before.reads, 1);
    }
    let before = backend.counters();
    assert!(fixture.store.get(&path).await.unwrap().bytes().await.unwrap() == plain);
    assert_eq!(backend.counters().reads - before.reads, 1);
    fixture.store.head(&path).await.unwrap();
    assert_eq!(backend.counters().heads - before.heads, 1);
    assert_eq!(kind_of(&fixture.store.get_range(&path, (9 << 20)..(9 << 20) + 1).await.unwrap_err()), ErrorKind::Invalid);
    assert_eq!(
        kind_of(&fixture.store.get_ranges(&path, std::slice::from_ref(&((9 << 20)..(9 << 20) + 1))).await.unwrap_err()),
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn other_kinds_of_get() {
    let fixture = Fixture::new().await;
    let path = fixture.path("x");
    fixture.store.create(&path, Bytes::from(bytes(100_000))).await.unwrap();
    let meta = fixture.store.head(&path).await.unwrap();
    for (range, want) in [
        (GetRange::Suffix(10), 99_990..100_000),
        (GetRange::Offset(65_000), 65_000..100_000),
        (GetRange::Bounded(5..1_000_000), 5..100_000),
    ] {
        let options = GetOptions { range: Some(range), if_match: meta.e_tag.clone(), ..GetOptions::default() };
        let result = fixture.store.get_opts(&path, options).await.unwrap();
        assert_eq!((result.range.start, result.range.end), (want.start as u64, want.end as u64));
        assert_eq!(result.bytes().await.unwrap(), &bytes(100_000)[want]);
    }
    let other = GetOptions { if_match: Some("other".to_owned()), ..GetOptions::default() };
    assert!(matches!(fixture.store.get_opts(&path, other).await.unwrap_err(), object_store::Error::Precondition { .. }));
    let same = GetOptions { if_none_match: meta.e_tag, ..GetOptions::default() };
    assert!(matches!(fixture.store.get_opts(&path, same).await.unwrap_err(), object_store::Error::NotModified { .. }));
    let none = fixture.store.get(&fixture.path("none")).await.unwrap_err();
    assert!(matches!(none, object_store::Error::NotFound { .. }));
    for path in ["lease/00000000000000000001", "keyring/00000000000000000001", "tables/x/y", "reserve"] {
        let error = fixture.store.get(&Path::from(path)).await.unwrap_err();
        assert_eq!(kind_of(&error), ErrorKind::Invalid, "{path}");
        let error = fixture.store.delete(&Path::from(path)).await.unwrap_err();
        assert_eq!(kind_of(&error), ErrorKind::Invalid, "{path}");
    }
}

#[tokio::test]
async fn lists_are_sorted_and_sized_as_plaintext() {
    let fixture = Fixture::new().await;
    let names = ["b", "a/2", "a/10", "a-b", "a.b/c", "_delta_log/00000000000000000001.json", "_delta_log/00000000000000000000.json"];
    for (at, name) in names.iter().enumerate() {
        fixture.store.create(&fixture.path(name), Bytes::from(bytes(at * 40_000))).await.unwrap();
    }
    let journal = SealedStore::path(Area::Journal, fixture.table, "0");
    fixture.store.create(&journal, Bytes::new()).await.unwrap();
    let all: Vec<_> = fixture.store.list(None).try_collect().await.unwrap();
    let locations: Vec<&str> = all.iter().map(|meta| meta.location.as_ref()).collect();
    assert!(locations.is_sorted(), "{locations:?}");
    assert_eq!(locations.len(), names.len() + 1);
    for (at, name) in names.iter().enumerate() {
        let meta = all.iter().find(|meta| meta.location == fixture.path(name)).unwrap();
        assert_eq!(meta.size, at as u64 * 40_000);
    }
    let log = fixture.path("_delta_log");
    let below: Vec<_> = fixture.store.list(Some(&log)).try_collect().await.unwrap();
    assert_eq!(below.len(), 2);
    let offset = fixture.path("_delta_log/00000000000000000000.json");
    let after: Vec<_> = fixture.store.list_with_offset(Some(&log), &offset).try_collect().await.unwrap();
    assert_eq!(after.len(), 1);
    let root = fixture.store.list_with_delimiter(Some(&fixture.path(""))).await.unwrap();
    assert_eq!(root.objects.len(), 2);
    assert_eq!(root.common_prefixes, vec![fixture.path("_delta_log"), fixture.path("a"), fixture.path("a.b")]);
    let areas = fixture.store.list_with_delimiter(None).await.unwrap();
    assert_eq!(areas.common_prefixes, vec![Path::from("journal"), Path::from("tables")]);
    assert!(areas.objects.is_empty());
    let none: Vec<_> = fixture.store.list(Some(&Path::from("keyring"))).try_collect().await.unwrap();
    assert!(none.is_empty());
    let none: Vec<_> = fixture.store.list(Some(&fixture.path("nothing"))).try_collect().await.unwrap();
    assert!(none.is_empty());

    fixture.store.delete(&fixture.path("a/2")).await.unwrap();
    let gone = fixture.store.delete(&fixture.path("a/2")).await.unwrap_err();
    assert!(matches!(gone, object_store::Error::NotFound { .. }), "{gone}");
    assert_eq!(fixture.store.list(None).try_collect::<Vec<_>>().await.unwrap().len(), names.len());
}

#[tokio::test]
async fn a_copy_is_sealed_under_its_own_name() {
    let fixture = Fixture::new().await;
    let (from, to) = (fixture.path("from"), fixture.path("to"));
    fixture.store.create(&from, Bytes::from(bytes(3 << 20))).await.unwrap();
    fixture.store.copy(&from, &to).await.unwrap();
    assert!(fixture.store.read(&to).await.unwrap() == bytes(3 << 20));
    let exists = fixture.store.copy_if_not_exists(&from, &to).await.unwrap_err();
    assert!(matches!(exists, object_store::Error::AlreadyExists { .. }));
    fixture.store.rename(&from, &fixture.path("moved")).await.unwrap();
    assert!(fixture.store.get(&from).await.is_err());
    fixture.store.verify(&fixture.path("moved")).await.unwrap();
}

#[tokio::test]
async fn reencryption_brings_objects_to_the_current_key_and_can_be_repeated() {
    let fixture = Fixture::new().await;
    let path = fixture.path("old");
    fixture.store.create(&path, Bytes::from(bytes(5 << 20))).await.unwrap();
    assert!(!fixture.store.reencrypt(&path).await.unwrap().changed);
    let version = fixture.keys.rotate_dataset(fixture.table).await.unwrap();
    let done = fixture.store.reencrypt(&path).await.unwrap();
    assert!(done.changed);
    assert_eq!((done.key_version, done.generation, done.plain_bytes), (version, 2, 5 << 20));
    assert!(!fixture.store.reencrypt(&path).await.unwrap().changed);
    assert_eq!(fixture.store.inspect(&path).await.unwrap().key_version, version);
    assert!(fixture.store.read(&path).await.unwrap() == bytes(5 << 20));
}

#[tokio::test]
async fn keys_that_are_gone_open_nothing_that_was_open_before() {
    let clock = std::sync::Arc::new(polder_types::ManualClock::new(1_000_000));
    let fixture = Fixture::with_clock(tempfile::TempDir::new().unwrap(), clock.clone()).await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from(bytes(300_000))).await.unwrap();
    fixture.store.get_range(&path, 0..10).await.unwrap();
    clock.advance(polder_keys::LEASE_MS + 1);
    assert_eq!(kind_of(&fixture.store.get_range(&path, 0..10).await.unwrap_err()), ErrorKind::Unavailable);
    assert_eq!(kind_of(&fixture.store.create(&fixture.path("b"), Bytes::new()).await.unwrap_err()), ErrorKind::Unavailable);
    fixture.keys.renew().await.unwrap();
    fixture.store.get_range(&path, 0..10).await.unwrap();
}

#[tokio::test]
async fn every_file_is_of_a_known_kind_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new().await;
    fixture.store.create(&fixture.path("a/b/c"), Bytes::new()).await.unwrap();
    let lease = crate::Lease::acquire(fixture.store.backend(), std::sync::Arc::new(polder_types::SystemClock), None).await.unwrap();
    let temp = crate::TempSpace::new(fixture.store.backend().clone(), super::fixture::rng(), 1 << 20).unwrap().create().unwrap();
    let files = fixture.store.backend().every_file().unwrap();
    let count = |wanted: fn(&FileKind) -> bool| files.iter().filter(|file| wanted(&file.kind)).count();
    assert!(count(|kind| matches!(kind, FileKind::Keyring(_))) >= 1);
    assert_eq!(count(|kind| *kind == FileKind::Lease(1)), 1);
    assert_eq!(count(|kind| matches!(kind, FileKind::Object(Area::Tables, _))), 1);
    assert_eq!(count(|kind| *kind == FileKind::Temporary), 1);
    assert_eq!(count(|kind| *kind == FileKind::Reserve), 1);
    assert_eq!(count(|kind| *kind == FileKind::Unknown), 0, "{files:?}");
    for file in &files {
        let mut at = fixture.store_dir().join(&file.path);
        assert_eq!(std::fs::metadata(&at).unwrap().permissions().mode() & 0o7777, 0o600, "{}", file.path);
        while at.pop() && at.starts_with(fixture.store_dir()) {
            assert_eq!(std::fs::metadata(&at).unwrap().permissions().mode() & 0o7777, 0o700, "{at:?}");
        }
    }
    std::fs::write(fixture.store_dir().join("tables/notes.txt"), "x").unwrap();
    let unknown = fixture.store.backend().every_file().unwrap();
    assert_eq!(unknown.iter().filter(|file| file.kind == FileKind::Unknown).count(), 1);
    drop((lease, temp));
}

/// One store for all cases: making one takes longer than a case.
fn shared() -> &'static (tokio::runtime::Runtime, Fixture, Path, Vec<u8>) {
    static SHARED: std::sync::OnceLock<(tokio::runtime::Runtime, Fixture, Path, Vec<u8>)> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let fixture = runtime.block_on(Fixture::new());
        let path = fixture.path("ranges");
        let plain = bytes(700_000);
        runtime.block_on(fixture.store.create(&path, Bytes::from(plain.clone()))).unwrap();
        (runtime, fixture, path, plain)
    })
}

proptest! {
    #![proptest_config(crate::tests::cases(64))]

    #[test]
    fn ranges_are_those_of_the_plaintext(cuts in proptest::collection::vec((0u64..700_000, 0u64..200_000), 1..8)) {
        let (runtime, fixture, path, plain) = shared();
        let ranges: Vec<_> = cuts.into_iter().map(|(start, len)| start..(start + len).min(700_000)).collect();
        let got = runtime.block_on(fixture.store.get_ranges(path, &ranges)).unwrap();
        for (range, got) in ranges.iter().zip(got) {
            let want = &plain[range.start as usize..range.end as usize];
            prop_assert!(got == want);
            if !want.is_empty() {
                let one = runtime.block_on(fixture.store.get_range(path, range.clone())).unwrap();
                prop_assert!(one == want);
            }
        }
    }
}

/// A stray file among the keyrings or leases is told of, and stops nobody.
#[tokio::test]
async fn a_stray_file_is_told_of_and_stops_nobody() {
    use polder_keys::KeyringVault as _;
    let fixture = Fixture::new().await;
    let backend = fixture.store.backend();
    let versions = backend.versions().await.unwrap();
    for stray in ["keyring/notes.txt", "keyring/7", "lease/.nfs0001"] {
        std::fs::write(fixture.store_dir().join(stray), "x").unwrap();
    }
    assert_eq!(backend.versions().await.unwrap(), versions);
    let clock = || std::sync::Arc::new(polder_types::SystemClock);
    drop(crate::Lease::acquire(backend, clock(), None).await.unwrap());
    assert_eq!(crate::Lease::acquire(backend, clock(), None).await.unwrap().epoch(), 2);
    let unknown: Vec<String> =
        backend.every_file().unwrap().into_iter().filter(|file| file.kind == FileKind::Unknown).map(|file| file.path).collect();
    assert_eq!(unknown, ["keyring/7", "keyring/notes.txt", "lease/.nfs0001"]);
}
