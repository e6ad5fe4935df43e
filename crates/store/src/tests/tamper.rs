//! What an attacker on the disk can do, from seeds: each attempt is found, as corrupt, and the object is named.

use std::os::unix::fs::symlink;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use polder_types::{ErrorKind, SeededRng};

use super::fixture::{Fixture, bytes};
use crate::{SealedStore, kind_of};

/// Every way to read an object must refuse it.
async fn refused(store: &SealedStore, path: &Path, attack: &str) {
    let whole = match store.get(path).await {
        Ok(result) => result.bytes().await.map(drop),
        Err(error) => Err(error),
    };
    let ranges = store.get_ranges(path, std::slice::from_ref(&(0..300_000))).await.map(drop);
    for error in [whole.unwrap_err(), ranges.unwrap_err(), store.verify(path).await.unwrap_err().into()] {
        assert_eq!(kind_of(&error), ErrorKind::Corrupt, "{attack}: {error}");
        assert!(error.to_string().contains(path.as_ref()), "{attack}: {error}");
    }
}

/// Seeds of this run; the nightly run takes them all.
fn seeds() -> u64 {
    if std::env::var("POLDER_SEEDS").is_ok_and(|seeds| seeds == "full") { 1_000 } else { 60 }
}

#[tokio::test]
async fn flips_cuts_swaps_and_renames_are_found() {
    let fixture = Fixture::new().await;
    let (path, other) = (fixture.path("a"), fixture.path("b"));
    for path in [&path, &other] {
        fixture.store.create(path, Bytes::from(bytes(300_000))).await.unwrap();
    }
    let good = std::fs::read(fixture.file(&path)).unwrap();
    let twin = std::fs::read(fixture.file(&other)).unwrap();
    let mut cases = 0;
    for seed in 0..seeds() {
        let rng = SeededRng::new(seed);
        let below = |bound: usize| rng.below(bound as u64) as usize;
        let mut bad = good.clone();
        let attack = match seed % 6 {
            0 => {
                bad[below(good.len())] ^= 1 << below(8);
                "flip"
            }
            1 => {
                bad[below(168)] ^= 1 << below(8);
                "flip in a header"
            }
            2 => {
                bad.truncate(below(good.len()));
                "cut"
            }
            3 => {
                bad.truncate(128 + 65_536 * (1 + below(4)));
                "cut at a segment"
            }
            4 => {
                bad = twin.clone();
                "another object's bytes"
            }
            _ => {
                let (a, b) = (1 + below(3), 128 + 65_536 * 2);
                let at = 128 + 65_536 * if a == 2 { 1 } else { a };
                let (first, second) = (bad[at..at + 65_536].to_vec(), bad[b..b + 65_536].to_vec());
                bad[at..at + 65_536].copy_from_slice(&second);
                bad[b..b + 65_536].copy_from_slice(&first);
                "swapped segments"
            }
        };
        if bad == good {
            continue;
        }
        std::fs::write(fixture.file(&path), &bad).unwrap();
        refused(&fixture.store, &path, attack).await;
        cases += 1;
    }
    assert!(cases * 2 > seeds());
    std::fs::write(fixture.file(&path), &good).unwrap();
    assert!(fixture.store.read(&path).await.unwrap() == bytes(300_000), "the control opens");
    std::fs::rename(fixture.file(&path), fixture.file(&fixture.path("c"))).unwrap();
    refused(&fixture.store, &fixture.path("c"), "renamed").await;
    let missing = fixture.store.get(&path).await.unwrap_err();
    assert_eq!(kind_of(&missing), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_cut_object_is_named_by_a_listing_when_no_sealer_writes_that_length() {
    let fixture = Fixture::new().await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from(bytes(1000))).await.unwrap();
    std::fs::write(fixture.file(&path), [0; 100]).unwrap();
    let error = fixture.store.list(None).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(kind_of(&error), ErrorKind::Corrupt);
    assert!(error.to_string().contains(path.as_ref()));
    assert_eq!(kind_of(&fixture.store.head(&path).await.unwrap_err()), ErrorKind::Corrupt);
}

#[tokio::test]
async fn an_older_generation_put_back_is_found() {
    let fixture = Fixture::new().await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from(bytes(300_000))).await.unwrap();
    let old = std::fs::read(fixture.file(&path)).unwrap();
    fixture.store.put(&path, PutPayload::from(bytes(300_000))).await.unwrap();
    let new = std::fs::read(fixture.file(&path)).unwrap();
    std::fs::write(fixture.file(&path), &old).unwrap();
    refused(&fixture.store, &path, "rollback").await;
    std::fs::write(fixture.file(&path), &new).unwrap();
    assert!(fixture.store.read(&path).await.unwrap() == bytes(300_000));
}

#[tokio::test]
async fn an_older_key_than_anything_is_under_is_found() {
    let fixture = Fixture::new().await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from(bytes(300_000))).await.unwrap();
    let old = std::fs::read(fixture.file(&path)).unwrap();
    fixture.keys.rotate_dataset(fixture.table).await.unwrap();
    assert!(fixture.store.reencrypt(&path).await.unwrap().changed);
    // A process that never saw the newer one does not know it from the older.
    let fresh = || SealedStore::new(fixture.store.backend().clone(), fixture.keys.clone(), std::sync::Arc::new(polder_types::SystemRng));
    std::fs::write(fixture.file(&path), &old).unwrap();
    let store = fresh();
    assert_eq!(store.verify(&path).await.unwrap().header.key_version, 1);
    store.refuse_older_keys(fixture.table, 2);
    // What was recorded later is never taken back.
    store.refuse_older_keys(fixture.table, 1);
    let error = store.verify(&path).await.unwrap_err();
    assert!(matches!(error, crate::Error::OlderKey { key_version: 1, oldest: 2, .. }), "{error}");
    refused(&store, &path, "an older key").await;
    fixture.store.delete(&path).await.unwrap();
    store.create(&path, Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(store.read(&path).await.unwrap(), "new");
}

#[tokio::test]
async fn an_object_of_another_dataset_or_installation_is_found() {
    let fixture = Fixture::new().await;
    let elsewhere = Fixture::new().await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from(bytes(300_000))).await.unwrap();
    let other = fixture.keys.add_dataset("table:other").await.unwrap();
    let moved = SealedStore::path(crate::Area::Tables, other, "a");
    std::fs::create_dir_all(fixture.file(&moved).parent().unwrap()).unwrap();
    std::fs::copy(fixture.file(&path), fixture.file(&moved)).unwrap();
    refused(&fixture.store, &moved, "moved to another dataset").await;
    let theirs = elsewhere.path("a");
    elsewhere.store.create(&theirs, Bytes::from(bytes(300_000))).await.unwrap();
    std::fs::copy(elsewhere.file(&theirs), fixture.file(&path)).unwrap();
    refused(&fixture.store, &path, "from another installation").await;
}

#[tokio::test]
async fn links_and_pipes_are_refused_wherever_they_lie() {
    let fixture = Fixture::new().await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from(bytes(300_000))).await.unwrap();
    let secret = fixture.dir.path().join("outside");
    std::fs::copy(fixture.file(&path), &secret).unwrap();
    std::fs::remove_file(fixture.file(&path)).unwrap();
    symlink(&secret, fixture.file(&path)).unwrap();
    refused(&fixture.store, &path, "link").await;
    assert_eq!(kind_of(&fixture.store.list(None).try_collect::<Vec<_>>().await.unwrap_err()), ErrorKind::Corrupt);
    let files = fixture.store.backend().every_file().unwrap();
    assert!(files.iter().any(|file| file.path == path.as_ref() && file.kind == crate::FileKind::Unknown));
    std::fs::remove_file(fixture.file(&path)).unwrap();

    assert!(std::process::Command::new("mkfifo").arg(fixture.file(&path)).status().unwrap().success());
    refused(&fixture.store, &path, "pipe").await;

    // A linked directory would let writes out of the store.
    let outside = fixture.dir.path().join("elsewhere");
    std::fs::create_dir(&outside).unwrap();
    symlink(&outside, fixture.file(&fixture.path("dir"))).unwrap();
    let error = fixture.store.create(&fixture.path("dir/x"), Bytes::new()).await.unwrap_err();
    assert_eq!(kind_of(&error), ErrorKind::Corrupt);
    assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
}
