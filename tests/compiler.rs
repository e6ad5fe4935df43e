//! Whether a crate of the workspace lets a case compile: for proofs that must not be made outside of it. A test includes this file by its path.
//!
//! The compiler is called directly, on the library as it was just built. `trybuild` would check everything that the library is made of once
//! more, in minutes; so what a case names beside the library comes from there or is a `loop {}`, which is of any type.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest build of a library beside this test.
fn library(deps: &Path, name: &str) -> PathBuf {
    let built = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let file = path.file_name()?.to_str()?.to_owned();
        (file.starts_with(&format!("lib{name}-")) && file.ends_with(".rlib")).then(|| (path.metadata().unwrap().modified().unwrap(), path))
    };
    std::fs::read_dir(deps).unwrap().filter_map(built).max().unwrap().1
}

/// The compiler's complaint about a case; `None` when it has none.
fn complaint(name: &str, case: &Path) -> Option<String> {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--crate-name", "case"])
        .arg("--out-dir")
        .arg(out.path())
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .arg("--extern")
        .arg(format!("{name}={}", library(&deps, name).display()))
        .arg(case)
        .output()
        .unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Asserts that `control.rs` in a folder compiles against a library and that each other case there does not, for the reason that is given.
/// A case differs from the control in what it tries alone.
pub fn refuses(name: &str, folder: &Path, cases: &[(&str, &str)]) {
    assert_eq!(complaint(name, &folder.join("control.rs")), None);
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect();
    files.retain(|file| file != "control.rs");
    let mut named: Vec<&str> = cases.iter().map(|(case, _)| *case).collect();
    files.sort();
    named.sort_unstable();
    assert_eq!(files, named, "each case is judged");
    for (case, expected) in cases {
        let Some(complaint) = complaint(name, &folder.join(case)) else { panic!("{case} compiles") };
        // One complaint, so that a case says no for the reason given and for no other.
        assert!(complaint.contains(expected) && complaint.contains("aborting due to 1 previous error"), "{case}: {complaint}");
    }
}
