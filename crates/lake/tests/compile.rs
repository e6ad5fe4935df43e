//! What must not compile, against the library as it was just built: no scan without a permit, no write without the gate.
//!
//! The compiler is called directly instead of through `trybuild`, which would check all of DataFusion once more. Each case
//! that fails differs in one line from the control, which compiles.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest build of the library beside this test.
fn library(deps: &Path) -> PathBuf {
    let built = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_str()?.to_owned();
        (name.starts_with("libpolder_lake-") && name.ends_with(".rlib")).then(|| (path.metadata().unwrap().modified().unwrap(), path))
    };
    std::fs::read_dir(deps).unwrap().filter_map(built).max().unwrap().1
}

/// The compiler's complaint; `None` when it has none.
fn complaint(case: &str) -> Option<String> {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--crate-name", "case"])
        .arg("--out-dir")
        .arg(out.path())
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .arg("--extern")
        .arg(format!("polder_lake={}", library(&deps).display()))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile").join(case))
        .output()
        .unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_scan_with_a_permit_and_a_write_of_admitted_rows_compile() {
    assert_eq!(complaint("control.rs"), None);
}

#[test]
fn nothing_else_compiles() {
    for (case, expected) in [
        ("scan_without_permit.rs", "this method takes 2 arguments but 1 argument was supplied"),
        ("scan_by_id.rs", "expected `&Permit`, found `&DatasetId`"),
        ("scan_inside.rs", "method `provider` is private"),
        ("snapshot_inside.rs", "method `snapshot` is private"),
        ("write_without_gate.rs", "expected `Admitted`, found `RecordBatch`"),
        ("write_inside.rs", "method `write_batch` is private"),
        ("admit.rs", "of struct `Admitted` are private"),
        ("commit_counts.rs", "method `commit_counts` is private"),
        ("delete_without_gate.rs", "expected `StandingKeys`, found `RecordBatch`"),
        ("delete_by_own_keys.rs", "of struct `StandingKeys` is private"),
        ("delete_inside.rs", "method `match_keys` is private"),
        ("match_by_id.rs", "expected `&Permit`, found `&DatasetId`"),
        ("keys_by_id.rs", "expected `&Permit`, found `&DatasetId`"),
        ("keys_outside_the_gate.rs", "this method takes 1 argument but 0 arguments were supplied"),
        ("keys_with_own_access.rs", "cannot initialize a tuple struct which contains private fields"),
        ("keys_inside.rs", "method `next_batch` is private"),
    ] {
        let Some(complaint) = complaint(case) else { panic!("{case} compiles") };
        assert!(complaint.contains(expected), "{case}: {complaint}");
    }
}
