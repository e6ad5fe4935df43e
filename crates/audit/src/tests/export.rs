//! The export, judged by the crates `signed_note` and `tlog_tiles` and by a Python package that neither of us wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{HashReader, Tile, TileHashReader, TileReader};

use super::memory::MemoryShelf;
use super::*;
use crate::tile::{bundle_path, decode_bundle};

async fn exported(size: u64, dir: &Path) -> crate::ExportReport {
    let shelf: Arc<dyn Shelf> = MemoryShelf::new();
    let journal = create(&shelf, 1, None).await.unwrap();
    record_grouped(&journal, 0, size).await;
    let report = journal.export(dir).await.unwrap();
    assert_eq!((report.size, report.vkey.clone()), (size, journal.vkey()));
    assert!(matches!(journal.export(dir).await, Err(Error::ExportNotEmpty { .. })));
    report
}

/// Reads tiles as the specification names them, without the height in the path.
struct Files<'a>(&'a Path);

impl TileReader for Files<'_> {
    fn height(&self) -> u8 {
        8
    }
    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read =
            |tile: &Tile| fs::read(self.0.join(tile.path().replacen("tile/8/", "tile/", 1))).map_err(|_| tlog_tiles::Error::InvalidTile);
        tiles.iter().map(read).collect()
    }
    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// Whether the two crates accept every file of an export, given the key from elsewhere.
fn crates_accept(dir: &Path, vkey: &str) -> Result<u64, String> {
    let text = |error: &dyn std::fmt::Debug| format!("{error:?}");
    if fs::read_to_string(dir.join("vkey")).map_err(|error| text(&error))?.trim_end() != vkey {
        return Err("another key".to_owned());
    }
    let note = Note::from_bytes(&fs::read(dir.join("checkpoint")).map_err(|error| text(&error))?).map_err(|error| text(&error))?;
    let judge = VerifierList::new(vec![Box::new(StandardVerifier::new(vkey).map_err(|error| text(&error))?)]);
    note.verify(&judge).map_err(|error| text(&error))?;
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).map_err(|error| text(&error))?;
    let size = checkpoint.size();
    let files = Files(dir);
    let hashes = TileHashReader::new(size, *checkpoint.hash(), &files);
    for tile in 0..size.div_ceil(256) {
        let width = usize::try_from((size - tile * 256).min(256)).unwrap();
        let bundle = fs::read(dir.join(bundle_path(tile, width))).map_err(|error| text(&error))?;
        let entries = decode_bundle(&bundle.into()).filter(|entries| entries.len() == width).ok_or("a bundle")?;
        let indexes: Vec<u64> = (tile * 256..).take(width).map(|index| tlog_tiles::stored_hash_index(0, index)).collect();
        let proven = hashes.read_hashes(&indexes).map_err(|error| text(&error))?;
        for (entry, hash) in entries.iter().zip(proven) {
            if tlog_tiles::record_hash(entry) != hash {
                return Err("an entry".to_owned());
            }
        }
    }
    Ok(size)
}

fn files(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

#[tokio::test]
async fn other_crates_accept_the_export_of_every_size() {
    for size in [1, 2, 255, 256, 257, 300, 512, 777] {
        let dir = tempfile::tempdir().unwrap();
        let report = exported(size, dir.path()).await;
        assert_eq!(crates_accept(dir.path(), &report.vkey), Ok(size));
        let mut all = Vec::new();
        files(dir.path(), &mut all);
        assert_eq!(all.len() as u64, report.files);
    }
}

#[tokio::test]
async fn other_crates_reject_the_export_after_one_flipped_byte_in_any_file() {
    let dir = tempfile::tempdir().unwrap();
    let report = exported(300, dir.path()).await;
    let mut all = Vec::new();
    files(dir.path(), &mut all);
    assert!(dir.path().join("tile/0/001.p/44").is_file() && dir.path().join("tile/1/000.p/1").is_file());
    for file in all {
        let good = fs::read(&file).unwrap();
        // The line end of `vkey` carries nothing.
        let end = if file.ends_with("vkey") { good.len() - 1 } else { good.len() };
        for position in (0..end).step_by(1 + end / 40) {
            let mut bad = good.clone();
            bad[position] ^= 1;
            fs::write(&file, &bad).unwrap();
            assert!(crates_accept(dir.path(), &report.vkey).is_err(), "{} at {position}", file.display());
        }
        fs::write(&file, &good).unwrap();
    }
    assert_eq!(crates_accept(dir.path(), &report.vkey), Ok(300));
}

/// `tests/judge_tlog.py` runs the command line of PyPI `aics-tlog` and its audit of all tiles and entries, on the export and on
/// a copy for each file of it with one byte flipped.
#[tokio::test]
async fn the_python_judge_accepts_the_export_and_rejects_one_flipped_byte_in_any_file() {
    let python = std::env::var_os("POLDER_JUDGE_TLOG_PYTHON")
        .expect("POLDER_JUDGE_TLOG_PYTHON names a Python 3.12 with aics-tlog 0.2.1; `cargo xtask test` sets it up and sets it");
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("export");
    let report = exported(777, &export).await;
    // The key comes to the judge by another way than the export.
    let vkey = dir.path().join("known.vkey");
    fs::write(&vkey, format!("{}\n", report.vkey)).unwrap();
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge_tlog.py");
    let run = Command::new(&python).arg(&judge).arg(&export).arg(&vkey).arg(&report.origin).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}{err}");
    let expected = format!("accepted 777 entries; rejected {} of {} changed files", report.files, report.files);
    assert_eq!(out.trim_end(), expected, "{err}");
}
