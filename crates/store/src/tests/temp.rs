//! Temporary files: sealed, within a quota, readable while they are written, gone afterwards.

use std::io::{Read, Write};

use futures::TryStreamExt;
use polder_types::ErrorKind;
use proptest::prelude::*;

use super::fixture::{Fixture, bytes, rng};
use crate::{FileKind, TempSpace, kind_of_any};

fn read(file: &crate::TempFile) -> Vec<u8> {
    let mut out = Vec::new();
    file.reader().read_to_end(&mut out).unwrap();
    out
}

async fn space(quota_bytes: u64) -> (Fixture, TempSpace) {
    let fixture = Fixture::new().await;
    let space = TempSpace::new(fixture.store.backend().clone(), rng(), quota_bytes).unwrap();
    (fixture, space)
}

fn temporaries(fixture: &Fixture) -> Vec<String> {
    let files = fixture.store.backend().every_file().unwrap();
    files.into_iter().filter(|file| file.kind == FileKind::Temporary).map(|file| file.path).collect()
}

#[tokio::test]
async fn what_was_written_is_read_back_and_is_not_on_the_disk() {
    let (fixture, space) = space(64 << 20).await;
    let plain = bytes(3_000_000);
    let mut writer = space.create().unwrap();
    plain.chunks(70_001).for_each(|chunk| writer.write_all(chunk).unwrap());
    let file = writer.finish().unwrap();
    assert_eq!(file.len(), 3_000_000);
    assert!(read(&file) == plain);
    let stream: Vec<bytes::Bytes> = file.stream().try_collect().await.unwrap();
    assert!(stream.concat() == plain);
    for range in [0..1, 262_143..262_145, 1_000_000..2_500_000, 2_999_999..9_000_000, 5..5] {
        let want = &plain[range.start.min(plain.len())..range.end.min(plain.len())];
        assert!(file.read_range(range.start as u64..range.end as u64).unwrap() == want, "{range:?}");
    }
    let on_disk = std::fs::read(fixture.store_dir().join(file.path())).unwrap();
    assert_eq!(on_disk.len() as u64, space.used_bytes());
    assert!(!on_disk.windows(64).any(|window| window == &plain[..64]));
    let threads: Vec<_> = (0..4).map(|_| file.clone()).map(|file| std::thread::spawn(move || read(&file))).collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == plain));
    let reader = file.reader();
    drop(file);
    assert_eq!(temporaries(&fixture).len(), 1, "a reader keeps it");
    drop(reader);
    assert!(temporaries(&fixture).is_empty());
    assert_eq!(space.used_bytes(), 0);
}

#[tokio::test]
async fn what_was_flushed_can_be_read_while_more_is_written() {
    let (_fixture, space) = space(64 << 20).await;
    let file = space.create_file().unwrap();
    let mut writer = file.writer().unwrap();
    assert!(file.writer().is_err(), "two writers");
    let mut reader = file.reader();
    let mut want = Vec::new();
    let mut got = Vec::new();
    for round in 0..10 {
        let piece = bytes(round * 40_000 + 1);
        writer.write_all(&piece).unwrap();
        writer.flush().unwrap();
        want.extend_from_slice(&piece);
        reader.read_to_end(&mut got).unwrap();
        assert!(got == want);
    }
    writer.close().unwrap();
    assert!(writer.write_all(b"more").and_then(|()| writer.flush()).is_err());
    drop(writer);
    assert!(file.writer().is_err(), "finished");
    assert!(read(&file) == want);
}

#[tokio::test]
async fn the_quota_holds_and_is_given_back() {
    let (fixture, space) = space(1 << 20).await;
    let mut first = space.create().unwrap();
    first.write_all(&bytes(600_000)).unwrap();
    let first = first.finish().unwrap();
    let mut second = space.create().unwrap();
    let error = second.write_all(&bytes(600_000)).and_then(|()| second.flush()).unwrap_err();
    assert_eq!(kind_of_any(&error), Some(ErrorKind::Unavailable));
    assert!(error.to_string().contains("quota of 1048576 bytes"), "{error}");
    assert!(space.used_bytes() <= 1 << 20);
    assert!(read(&first) == bytes(600_000));
    drop((first, second));
    assert_eq!(space.used_bytes(), 0);
    assert!(temporaries(&fixture).is_empty());
    let mut third = space.create().unwrap();
    third.write_all(&bytes(900_000)).unwrap();
    assert!(read(&third.finish().unwrap()) == bytes(900_000));
}

#[tokio::test]
async fn a_changed_temporary_is_refused_and_leftovers_are_deleted() {
    let (fixture, space) = space(64 << 20).await;
    let mut writer = space.create().unwrap();
    writer.write_all(&bytes(700_000)).unwrap();
    let file = writer.finish().unwrap();
    let on_disk = fixture.store_dir().join(file.path());
    let good = std::fs::read(&on_disk).unwrap();
    let part = good.len() - (700_000 - 2 * 262_144) - 184 - 16 * 3;
    for attack in 0..4 {
        let mut bad = good.clone();
        match attack {
            0 => bad[400_000] ^= 1,
            1 => bad.truncate(good.len() - 1),
            2 => bad[..part / 2].rotate_left(7),
            _ => {
                // Two parts of the same length change places.
                let half = polder_crypto::sealed_len(262_144) as usize;
                let (a, b) = bad[..2 * half].split_at_mut(half);
                a.swap_with_slice(b);
            }
        }
        std::fs::write(&on_disk, &bad).unwrap();
        let mut out = Vec::new();
        let error = file.reader().read_to_end(&mut out).unwrap_err();
        assert_eq!(kind_of_any(&error), Some(ErrorKind::Corrupt), "{attack}");
    }
    std::fs::write(&on_disk, &good).unwrap();
    assert!(read(&file) == bytes(700_000));

    let left = fixture.store_dir().join("tmp").join("f".repeat(32));
    std::fs::write(&left, "left over").unwrap();
    let _other = TempSpace::new(fixture.store.backend().clone(), rng(), 1).unwrap();
    assert!(left.exists(), "whoever only looks deletes nothing");
    assert_eq!(fixture.store.backend().sweep_temporaries().unwrap(), 1);
    assert!(!left.exists());
    assert!(on_disk.exists(), "a living process's file is not a leftover");
}

proptest! {
    #![proptest_config(crate::tests::cases(24))]

    #[test]
    fn any_writes_and_flushes_read_back(pieces in proptest::collection::vec((0usize..400_000, any::<bool>()), 0..8), a in 0u64..1_500_000, b in 0u64..1_500_000) {
        let dir = tempfile::TempDir::new().unwrap();
        let backend = crate::Backend::create_with(&dir.path().join("s"), super::fixture::options()).unwrap();
        let space = TempSpace::new(backend, rng(), u64::MAX).unwrap();
        let mut writer = space.create().unwrap();
        let mut want = Vec::new();
        for (len, flush) in pieces {
            writer.write_all(&bytes(len)).unwrap();
            want.extend_from_slice(&bytes(len));
            if flush {
                writer.flush().unwrap();
            }
        }
        let file = writer.finish().unwrap();
        prop_assert!(read(&file) == want);
        let range = a.min(b)..a.max(b);
        let cut = |at: u64| (at as usize).min(want.len());
        prop_assert!(file.read_range(range.clone()).unwrap() == want[cut(range.start)..cut(range.end)]);
    }
}
