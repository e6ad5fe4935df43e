//! Where the workspace lies and what is in it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

use crate::process;

/// The workspace's folder. `cargo run` says where this package lies; a program started by hand falls back to where it was built.
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// What cargo knows of the workspace and all its dependencies, from the lock file as it stands.
pub fn metadata() -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(["--locked".to_owned()])
        .exec()
        .context("read the workspace with cargo metadata")
}

/// The files of the project, relative to its folder: those in git, and those that are new and not ignored.
pub fn files() -> Result<Vec<String>> {
    let listed = process::capture(
        process::command("git").current_dir(root()).args(["ls-files", "--cached", "--others", "--exclude-standard"]),
        "list the project's files with git",
    )?;
    let mut files: Vec<String> = listed.lines().map(str::to_owned).filter(|file| root().join(file).is_file()).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// A folder for what the tasks keep between runs, outside the clone: `$XDG_CACHE_HOME/polder` or `~/.cache/polder`.
pub fn cache() -> Result<PathBuf> {
    if let Some(cache) = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(cache).join("polder"));
    }
    let home = std::env::var_os("HOME").context("find a cache folder: neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/polder"))
}
