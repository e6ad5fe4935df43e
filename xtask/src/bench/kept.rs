//! What rows take up where a contender keeps them, before a round and after it, and what it says that it asked of its store.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// Deletion vectors are objects of their own, by their names.
const VECTOR: &str = "deletion_vector_";

/// Where a contender keeps its rows.
#[derive(Debug, Clone)]
pub struct Kept {
    /// A file, or a directory and all below it.
    pub rows: PathBuf,
    /// Takes what the measured command prints.
    pub said: PathBuf,
}

/// What files take up, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// All of them.
    pub bytes: u64,
    /// Those that only say which rows of others are deleted.
    pub vectors_bytes: u64,
}

/// What a program asked of its store, as its own report tells it under `store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Asked {
    pub puts: u64,
    pub gets: u64,
    pub heads: u64,
    pub lists: u64,
    pub deletes: u64,
    pub bytes_written: u64,
    pub bytes_read: u64,
}

/// What a round cost where rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub before: Size,
    pub after: Size,
    /// None of a program whose report does not tell it.
    pub asked: Option<Asked>,
}

impl Size {
    /// Of a file, or of a directory and all below it; nothing when neither is there.
    pub fn of(path: &Path) -> Result<Self> {
        let look = || format!("look at {}", path.display());
        if path.is_dir() {
            let mut size = Self::default();
            for entry in std::fs::read_dir(path).with_context(look)? {
                let below = Self::of(&entry.with_context(look)?.path())?;
                size.bytes += below.bytes;
                size.vectors_bytes += below.vectors_bytes;
            }
            return Ok(size);
        }
        if !path.exists() {
            return Ok(Self::default());
        }
        let bytes = std::fs::metadata(path).with_context(look)?.len();
        let is_vector = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(VECTOR));
        Ok(Self { bytes, vectors_bytes: if is_vector { bytes } else { 0 } })
    }
}

impl Kept {
    /// Where the measured command's output goes.
    pub fn output(&self) -> Result<Stdio> {
        Ok(Stdio::from(File::create(&self.said).with_context(|| format!("create {}", self.said.display()))?))
    }

    /// What the round cost that has just ended. `before` is what was there when it began.
    pub fn cost(&self, before: Size) -> Result<Cost> {
        let said = std::fs::read_to_string(&self.said).with_context(|| format!("read {}", self.said.display()))?;
        Ok(Cost { before, after: Size::of(&self.rows)?, asked: asked(&said)? })
    }
}

/// What a report tells of the store. A program that prints no JSON, or nothing of a store, tells nothing.
fn asked(said: &str) -> Result<Option<Asked>> {
    let Ok(mut report) = serde_json::from_str::<Value>(said) else { return Ok(None) };
    match report.get_mut("store").map(Value::take) {
        None | Some(Value::Null) => Ok(None),
        Some(store) => serde_json::from_value(store).map(Some).context("read what the report tells of the store"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_of_the_store_or_nothing_but_never_half() {
        let store = r#""gets": 5, "puts": 4, "lists": 3, "deletes": 2, "heads": 1, "bytes_read": 7"#;
        let whole = asked(&format!(r#"{{"success": true, "store": {{{store}, "bytes_written": 6}}}}"#)).unwrap();
        assert_eq!(whole, Some(Asked { puts: 4, gets: 5, heads: 1, lists: 3, deletes: 2, bytes_written: 6, bytes_read: 7 }),);
        for silent in ["", "loaded", "[1]", r#"{"success": true}"#, r#"{"store": null}"#] {
            assert_eq!(asked(silent).unwrap(), None, "{silent}");
        }
        let error = asked(&format!(r#"{{"store": {{{store}}}}}"#)).unwrap_err();
        assert!(format!("{error:#}").contains("bytes_written"), "{error:#}");
    }

    #[test]
    fn sizes_are_of_all_below_and_of_the_vectors_among_it() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("tables/a");
        assert_eq!(Size::of(&table).unwrap(), Size::default());
        std::fs::create_dir_all(table.join("_delta_log")).unwrap();
        std::fs::write(table.join("part-0.parquet"), [0; 100]).unwrap();
        std::fs::write(table.join("deletion_vector_0.bin"), [0; 30]).unwrap();
        std::fs::write(table.join("_delta_log/0.json"), [0; 5]).unwrap();
        assert_eq!(Size::of(folder.path()).unwrap(), Size { bytes: 135, vectors_bytes: 30 });
        assert_eq!(Size::of(&table.join("part-0.parquet")).unwrap(), Size { bytes: 100, vectors_bytes: 0 });
    }
}
