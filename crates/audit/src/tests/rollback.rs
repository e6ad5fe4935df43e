//! Rollback of everything, which only the anchor can show, and what may happen to the anchor itself.

use std::fs;
use std::path::Path;

use polder_types::{ErrorKind, Recorder};
use tempfile::TempDir;

use super::sealed::{Installation, copy_dir};
use super::*;
use crate::AnchorStatus;

/// An installation with an anchor at 300 entries, and a copy of its store as it was with 200.
async fn grown(dir: &Path) -> TempDir {
    let installation = Installation::create(dir).await;
    let journal = installation.new_journal(Some(installation.anchor())).await;
    record_grouped(&journal, 0, 200).await;
    journal.snapshot().await.unwrap();
    let old = TempDir::new().unwrap();
    copy_dir(&dir.join("store"), &old.path().join("store"));
    record_grouped(&journal, 200, 300).await;
    journal.snapshot().await.unwrap();
    old
}

fn put_back(old: &Path, dir: &Path) {
    fs::remove_dir_all(dir.join("store")).unwrap();
    copy_dir(&old.join("store"), &dir.join("store"));
}

#[tokio::test]
async fn a_rollback_of_everything_is_caught_by_the_anchor_and_by_nothing_else() {
    let dir = TempDir::new().unwrap();
    let old = grown(dir.path()).await;
    put_back(old.path(), dir.path());
    let installation = Installation::open(dir.path()).await;
    for opened in [installation.journal(Some(installation.anchor())).await, installation.reader(Some(installation.anchor())).await] {
        let error = opened.err().unwrap();
        assert!(matches!(error, Error::RolledBack { size: 200, known: 300, .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    // The control: without the anchor it opens and verifies, and says what it cannot know.
    let journal = installation.journal(None).await.unwrap();
    let report = journal.verify().await.unwrap();
    assert!(report.is_intact());
    assert_eq!(report.anchor, AnchorStatus::None);
    assert!(report.limit().unwrap().contains("cannot be detected"));
}

#[tokio::test]
async fn a_log_that_was_rolled_back_and_written_anew_is_caught_by_the_anchor() {
    let dir = TempDir::new().unwrap();
    let old = grown(dir.path()).await;
    put_back(old.path(), dir.path());
    let installation = Installation::open(dir.path()).await;
    // Another history of more entries than the anchor knows, then one of exactly as many.
    let journal = installation.journal(None).await.unwrap();
    for n in 200..300 {
        journal.record(event(n + 2)).await.unwrap();
    }
    for size in [300, 301] {
        if size == 301 {
            journal.record(event(7)).await.unwrap();
        }
        let error = installation.reader(Some(installation.anchor())).await.err().unwrap();
        assert!(matches!(error, Error::Forked { size: 300 }), "{error}");
    }
}

#[tokio::test]
async fn the_anchor_grows_with_the_log_and_never_goes_back() {
    let dir = TempDir::new().unwrap();
    let installation = Installation::create(dir.path()).await;
    let anchor = installation.anchor();
    let journal = installation.new_journal(Some(anchor.clone())).await;
    for n in 0..5 {
        record(&journal, n, n + 1).await;
        assert_eq!(fs::read_to_string(anchor.path()).unwrap(), journal.checkpoint());
    }
    let older = crate::note::Checkpoint::sign(
        crate::note::Head { size: 1, root: crate::empty_root(), epoch: 0, keyring: 0 },
        &signer().verifier(),
        signer().as_ref(),
    )
    .unwrap();
    anchor.advance(&older, &signer().verifier()).unwrap();
    assert_eq!(fs::read_to_string(anchor.path()).unwrap(), journal.checkpoint());
    // Nothing but the anchor lies beside it.
    assert!(!dir.path().join("anchor.new").exists());
}

#[tokio::test]
async fn nothing_is_acknowledged_without_the_anchor() {
    let dir = TempDir::new().unwrap();
    let installation = Installation::create(dir.path()).await;
    fs::create_dir(dir.path().join("outside")).unwrap();
    let anchor = Anchor::file(dir.path().join("outside/anchor"));
    let journal = installation.new_journal(Some(anchor.clone())).await;
    record(&journal, 0, 1).await;
    fs::rename(dir.path().join("outside"), dir.path().join("gone")).unwrap();
    let error = journal.record(event(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("the anchor"), "{error}");
    fs::rename(dir.path().join("gone"), dir.path().join("outside")).unwrap();
    assert_eq!(journal.record(event(2)).await.unwrap().index, 2);
    assert_eq!(fs::read_to_string(anchor.path()).unwrap(), journal.checkpoint());
}

#[tokio::test]
async fn an_anchor_that_is_missing_or_damaged_or_of_another_log_is_refused() {
    let dir = TempDir::new().unwrap();
    let installation = Installation::create(dir.path()).await;
    let anchor = installation.anchor();
    record(&*installation.new_journal(Some(anchor.clone())).await, 0, 3).await;
    let good = fs::read_to_string(anchor.path()).unwrap();
    let refused = |text: Option<&str>| {
        match text {
            Some(text) => fs::write(anchor.path(), text).unwrap(),
            None => fs::remove_file(anchor.path()).unwrap(),
        }
        installation.journal(Some(anchor.clone()))
    };
    assert!(matches!(refused(None).await, Err(Error::AnchorMissing { .. })));
    for bad in ["", "x", &good[..good.len() - 9], &good.replacen("\n3\n", "\n2\n", 1), &format!("{good}{good}")] {
        assert!(matches!(refused(Some(bad)).await, Err(Error::AnchorCorrupt { .. })), "{bad:?}");
    }
    // A reader that is open already finds it when it verifies.
    fs::write(anchor.path(), &good).unwrap();
    let reader = installation.reader(Some(anchor.clone())).await.unwrap();
    fs::remove_file(anchor.path()).unwrap();
    let report = reader.verify().await.unwrap();
    assert_eq!((report.anchor.clone(), report.is_intact()), (AnchorStatus::Failed, false));
    // A new anchor is made on purpose only, and then holds the log as it is.
    let new = Anchor::new_file(anchor.path());
    let journal = installation.journal(Some(new)).await.unwrap();
    assert_eq!(fs::read_to_string(anchor.path()).unwrap(), journal.checkpoint());
    let other = TempDir::new().unwrap();
    let error = {
        let other = Installation::create(other.path()).await;
        let store = other.store(std::sync::Arc::new(polder_store::NoFaults));
        let (clock, rng) = (std::sync::Arc::new(polder_types::SystemClock), std::sync::Arc::new(polder_types::SystemRng));
        Journal::create(store, signer(), clock, rng, Some(anchor.clone())).await.err().unwrap()
    };
    assert!(matches!(error, Error::AnchorInUse { .. }), "{error}");
}
