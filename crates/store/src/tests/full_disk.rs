//! A full disk: the refusal is recognisable, nothing half-written shows, and the reserve gives room to record it.

use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use polder_types::ErrorKind;

use super::fixture::{Fixture, RESERVE_BYTES, bytes};
use crate::{Effect, FaultAt, FileKind, Operation, is_no_space, kind_of};

const LIMITED: &str = "POLDER_STORE_LIMITED_CHILD";

#[tokio::test]
async fn no_space_at_any_step_is_told_and_leaves_nothing() {
    for operation in [Operation::NewFile, Operation::Write, Operation::SyncFile, Operation::MakeDirectory, Operation::Link] {
        let fixture = Fixture::new().await;
        let path = fixture.path("new/x");
        let store = fixture.with_faults(Arc::new(FaultAt::new(Some(operation), 1, Effect::NoSpace)));
        let error = store.create(&path, Bytes::from(bytes(300_000))).await.unwrap_err();
        assert_eq!(kind_of(&error), ErrorKind::Unavailable, "{operation:?}: {error}");
        assert!(is_no_space(&error));
        assert!(error.to_string().contains("no space"), "{error}");
        let files = store.backend().every_file().unwrap();
        assert!(files.iter().all(|file| !matches!(file.kind, FileKind::Temporary | FileKind::Object(..))), "{operation:?}");
    }
}

#[tokio::test]
async fn the_reserve_is_real_and_comes_back() {
    let fixture = Fixture::new().await;
    let backend = fixture.store.backend();
    let blocks = || {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(fixture.store_dir().join("reserve")).unwrap().blocks() * 512
    };
    assert_eq!(backend.reserve_bytes().unwrap(), RESERVE_BYTES);
    assert!(blocks() >= RESERVE_BYTES);
    assert_eq!(backend.release_reserve(RESERVE_BYTES / 4).unwrap(), RESERVE_BYTES / 4);
    assert_eq!(backend.reserve_bytes().unwrap(), RESERVE_BYTES / 4 * 3);
    assert!(blocks() < RESERVE_BYTES);
    assert_eq!(backend.release_reserve(RESERVE_BYTES).unwrap(), RESERVE_BYTES / 4 * 3);
    assert_eq!(backend.release_reserve(1).unwrap(), 0);
    backend.restore_reserve().unwrap();
    assert_eq!(backend.reserve_bytes().unwrap(), RESERVE_BYTES);
    assert!(blocks() >= RESERVE_BYTES);
    assert!(std::fs::read(fixture.store_dir().join("reserve")).unwrap().iter().all(|byte| *byte == 0));
}

/// In a process whose files may not grow past 1 MiB.
#[tokio::test]
async fn child() {
    if std::env::var(LIMITED).is_err() {
        return;
    }
    let fixture = Fixture::new().await;
    let path = fixture.path("x");
    fixture.store.create(&path, Bytes::from(bytes(500_000))).await.unwrap();
    let error = fixture.store.create(&fixture.path("y"), Bytes::from(bytes(4 << 20))).await.unwrap_err();
    assert!(is_no_space(&error), "{error:?}");
    let temp = crate::TempSpace::new(fixture.store.backend().clone(), super::fixture::rng(), 1 << 30).unwrap();
    let mut writer = temp.create().unwrap();
    let error = std::io::Write::write_all(&mut writer, &bytes(4 << 20)).unwrap_err();
    assert!(is_no_space(&error), "{error:?}");
    drop(writer);
    assert_eq!(temp.used_bytes(), 0);
    fixture.store.verify(&path).await.unwrap();
    assert_eq!(fixture.store.backend().sweep_temporaries().unwrap(), 0);
    assert!(fixture.store.backend().every_file().unwrap().iter().all(|file| file.kind != FileKind::Temporary));
    println!("refused as it must be");
}

#[test]
fn a_limit_on_file_sizes_is_a_full_disk() {
    // The shell's unit is 512 or 1,024 bytes: the reserve of 1 MiB fits either way.
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" --exact tests::full_disk::child --nocapture";
    let output = Command::new("sh").arg("-c").arg(script).arg(std::env::current_exe().unwrap()).env(LIMITED, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("refused as it must be"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

const FULL: &str = "POLDER_STORE_FULL_CHILD";

/// On a file system of 4 MiB, which the parent mounted for this process alone.
#[tokio::test]
async fn child_on_a_small_disk() {
    let Ok(dir) = std::env::var(FULL) else { return };
    let fixture = Fixture::new_in(tempfile::TempDir::new_in(dir).unwrap()).await;
    let mut created = 0;
    let error = loop {
        match fixture.store.create(&fixture.path(&format!("{created}")), Bytes::from(bytes(300_000))).await {
            Ok(()) => created += 1,
            Err(error) => break error,
        }
    };
    assert!(created > 1);
    assert!(is_no_space(&error), "{error:?}");
    for object in 0..created {
        fixture.store.verify(&fixture.path(&object.to_string())).await.unwrap();
    }
    let backend = fixture.store.backend();
    assert!(backend.every_file().unwrap().iter().all(|file| file.kind != FileKind::Temporary));
    // What must be recorded still can be.
    assert_eq!(backend.release_reserve(512 << 10).unwrap(), 512 << 10);
    fixture.store.create(&fixture.path("refusal"), Bytes::from(bytes(200_000))).await.unwrap();
    assert!(is_no_space(&backend.restore_reserve().unwrap_err()));
    println!("refused as it must be");
}

/// Where this user may mount (containers often may not), the disk is really full; elsewhere the same is simulated above.
#[test]
fn a_small_disk_fills_up() {
    let dir = tempfile::TempDir::new().unwrap();
    let mount = "mount -t tmpfs -o size=4m tmpfs \"$1\"";
    let run = |script: String| {
        Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .arg(std::env::current_exe().unwrap())
            .arg(dir.path())
            .env(FULL, dir.path())
            .output()
    };
    let may_mount = run(mount.to_owned()).is_ok_and(|output| output.status.success());
    if !may_mount {
        println!("this user may not mount: the full disk is simulated only");
        return;
    }
    let output = run(format!("{mount} && exec \"$0\" --exact tests::full_disk::child_on_a_small_disk --nocapture")).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("refused as it must be"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
