//! Every file of the log, changed in every way: it is detected, and the object is named.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::sealed::{Installation, copy_dir, files_below};
use super::*;

/// What opening and verifying say: error texts, failed objects, refused snapshots. Empty when all is well.
async fn findings(dir: &Path) -> Vec<String> {
    let reader = match Installation::open(dir).await.reader(None).await {
        Ok(reader) => reader,
        Err(error) => {
            assert_eq!(error.kind(), polder_types::ErrorKind::Corrupt, "{error}");
            return vec![chain(&error)];
        }
    };
    let mut found: Vec<String> = reader.opened().refused.into_iter().map(|(object, _)| object).collect();
    let report = reader.verify().await.unwrap();
    found.extend(report.failures.iter().map(|failure| format!("{}: {}", failure.object, failure.what)));
    found.extend((report.erased > 0).then(|| "erased".to_owned()));
    found
}

/// Whether every pair and every place is tried, as in the nightly run, or some of each.
fn full() -> bool {
    std::env::var("POLDER_SEEDS").is_ok_and(|value| value == "full")
}

/// An error with its causes, as the command line prints it.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

/// A log with a full tile, lone and grouped batches, side objects and a snapshot at its end.
async fn log() -> (TempDir, Vec<String>) {
    let dir = TempDir::new().unwrap();
    let installation = Installation::create(dir.path()).await;
    let journal = installation.new_journal(None).await;
    record_grouped(&journal, 0, 200).await;
    record_grouped(&journal, 200, 262).await;
    record(&journal, 262, 264).await;
    journal.snapshot().await.unwrap();
    drop(journal);
    assert_eq!(findings(dir.path()).await, Vec::<String>::new(), "the control");
    let files: Vec<String> = files_below(&dir.path().join("store"))
        .into_iter()
        .filter(|name| ["journal/", "private/", "state/"].iter().any(|area| name.starts_with(area)))
        .collect();
    for part in ["/batch/", "/tile/0/", "/tile/entries/", "private/", "state/"] {
        assert!(files.iter().any(|name| name.contains(part)), "{part}: {files:?}");
    }
    (dir, files)
}

/// Runs one change in place, expects one of the names to be found, and takes the change back.
async fn expect(store: &Path, names: &[&str], what: &str, touched: &[&str], change: impl FnOnce()) {
    let before: Vec<Vec<u8>> = touched.iter().map(|name| fs::read(store.join(name)).unwrap()).collect();
    change();
    let found = findings(store.parent().unwrap()).await;
    let named = found.iter().any(|text| names.iter().any(|name| text.contains(name)));
    assert!(named, "{what} of {names:?} gave {found:?}");
    for (name, bytes) in touched.iter().zip(before) {
        fs::write(store.join(name), bytes).unwrap();
    }
}

#[tokio::test]
async fn a_flipped_bit_is_detected_and_the_object_named() {
    let (dir, files) = log().await;
    let store = dir.path().join("store");
    for name in &files {
        let good = fs::read(store.join(name)).unwrap();
        // Header, Tink's header, body, tag.
        let all = [0, 20, 40, 48, 60, 100, 127, 128, 140, 165, 168, good.len() / 2, good.len() - 17, good.len() - 1];
        for position in all.into_iter().skip(if full() { 0 } else { 9 }) {
            expect(&store, &[name], &format!("a flip at {position}"), &[name], || {
                let mut bytes = good.clone();
                bytes[position] ^= 1 << (position % 8);
                fs::write(store.join(name), bytes).unwrap();
            })
            .await;
        }
    }
    assert_eq!(findings(dir.path()).await, Vec::<String>::new(), "all changes were taken back");
}

#[tokio::test]
async fn a_cut_or_extended_object_is_detected_and_named() {
    let (dir, files) = log().await;
    let store = dir.path().join("store");
    for name in &files {
        let good = fs::read(store.join(name)).unwrap();
        for length in [0, 1, 127, 168, 200, good.len() / 2, good.len() - 1] {
            expect(&store, &[name], "a cut", &[name], || fs::write(store.join(name), &good[..length]).unwrap()).await;
        }
        let longer = [good.as_slice(), &[0; 16]].concat();
        expect(&store, &[name], "an extension", &[name], || fs::write(store.join(name), longer).unwrap()).await;
    }
    assert_eq!(findings(dir.path()).await, Vec::<String>::new(), "all changes were taken back");
}

#[tokio::test]
async fn objects_that_change_places_are_detected_and_named() {
    let (dir, files) = log().await;
    let store = dir.path().join("store");
    for (n, one) in files.iter().enumerate() {
        for other in files.iter().skip(n + 1).take(if full() { usize::MAX } else { 2 }) {
            expect(&store, &[one, other], "a swap", &[one, other], || {
                let (first, second) = (fs::read(store.join(one)).unwrap(), fs::read(store.join(other)).unwrap());
                fs::write(store.join(one), second).unwrap();
                fs::write(store.join(other), first).unwrap();
            })
            .await;
        }
    }
    assert_eq!(findings(dir.path()).await, Vec::<String>::new(), "all changes were taken back");
}

/// A renamed object is missing under its name and wrong under the other; one that is only missing is rolled back by itself.
#[tokio::test]
async fn an_object_that_is_renamed_or_taken_away_is_detected_and_named() {
    let (dir, files) = log().await;
    let store = dir.path().join("store");
    let aside = dir.path().join("aside");
    for name in &files {
        let (parent, leaf) = name.rsplit_once('/').unwrap();
        // Another name of the same form that no object has.
        let renamed = (b'0'..=b'9')
            .map(|digit| format!("{parent}/{}{}", &leaf[..leaf.len() - 1], char::from(digit)))
            .find(|other| !files.contains(other))
            .unwrap();
        // The snapshot knows of more entries than a log without its newest batch.
        let newest = name.ends_with("batch/00000000000000000263");
        let gone = if newest { "rolled back: it has 263 entries" } else { name.as_str() };
        expect(&store, &[name, &renamed, gone], "a rename", &[], || fs::rename(store.join(name), store.join(&renamed)).unwrap()).await;
        fs::rename(store.join(&renamed), store.join(name)).unwrap();
        let names: &[&str] = match name {
            // Erasure is allowed, and reported.
            name if name.starts_with("private/") => &["erased"],
            // A snapshot is derived from the log: without it nothing is lost, see below.
            name if name.starts_with("state/") => continue,
            _ if newest => &[gone],
            // This batch begins in the full tile, which still has its first entries: missing is what follows the tile.
            name if name.ends_with("batch/00000000000000000200") => &["batch/00000000000000000256 of the audit log: it is missing"],
            name => &[name.as_str()],
        };
        expect(&store, names, "a removal", &[], || fs::rename(store.join(name), &aside).unwrap()).await;
        fs::rename(&aside, store.join(name)).unwrap();
    }
    assert_eq!(findings(dir.path()).await, Vec::<String>::new(), "all changes were taken back");
    let state = files.iter().find(|name| name.starts_with("state/")).unwrap();
    fs::remove_file(store.join(state)).unwrap();
    let journal = Installation::open(dir.path()).await.journal(None).await.unwrap();
    check(&journal, 264).await;
}

/// Whole parts of the log at once, without an anchor.
#[tokio::test]
async fn a_log_of_which_a_whole_part_is_gone_is_not_opened() {
    let (dir, files) = log().await;
    for part in ["/batch/", "/tile/entries/", "/tile/0/", "journal/"] {
        let copy = TempDir::new().unwrap();
        copy_dir(dir.path(), copy.path());
        for name in files.iter().filter(|name| name.contains(part)) {
            fs::remove_file(copy.path().join("store").join(name)).unwrap();
        }
        let found = findings(copy.path()).await;
        let named = ["rolled back", "missing"].iter().any(|wanted| found.iter().any(|text| text.contains(wanted)));
        assert!(named, "{part}: {found:?}");
    }
}
