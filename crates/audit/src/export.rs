//! The log as plain files in the layout of C2SP tlog-tiles, for verifiers that are not ours. It holds leaves only: ids, counts,
//! hashes and commitments.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::journal::Journal;
use crate::merkle::leaf_hash;
use crate::shelf::Room;
use crate::tile::{BUNDLES, Edge, TILE_LEAVES, TILE_WIDTH, bundle_path, encode_bundle, encode_hashes, hash_tile_path};

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReport {
    /// Entries.
    pub size: u64,
    /// The signed root, hexadecimal.
    pub root: String,
    /// The log's origin.
    pub origin: String,
    /// The public key, as in the file `vkey`. A verifier must have it by another way than with the export.
    pub vkey: String,
    pub files: u64,
    pub bytes: u64,
}

struct Target {
    dir: PathBuf,
    files: u64,
    bytes: u64,
}

impl Target {
    fn write(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.dir.join(name);
        let write = || -> io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(|source| Error::ExportIo { path: path.clone(), source })?;
        self.files += 1;
        self.bytes += content.len() as u64;
        Ok(())
    }
}

impl Journal {
    /// Writes `checkpoint`, `vkey`, `tile/<level>/<index>` and `tile/entries/<index>` into a directory that is new or empty.
    ///
    /// # Errors
    /// When the directory is not empty or cannot be written, or an object of the log is missing or changed.
    pub async fn export(&self, dir: &Path) -> Result<ExportReport, Error> {
        let view = self.core.view();
        let shelf = self.core.shelf.as_ref();
        prepare(dir)?;
        let mut target = Target { dir: dir.to_owned(), files: 0, bytes: 0 };
        let size = view.size();
        // The hash tiles come from the entries and not from the store: what is exported leads to the signed root, or fails here.
        let mut edge = Edge::default();
        for index in 0..size.div_ceil(TILE_LEAVES) {
            let entries = view.bundle(shelf, index).await?;
            let bundle = encode_bundle(&entries).ok_or_else(|| Error::corrupt(bundle_path(index, TILE_WIDTH), "an entry is too long"))?;
            target.write(&bundle_path(index, entries.len()), &bundle)?;
            for tile in entries.iter().flat_map(|entry| edge.push(leaf_hash(entry))) {
                target.write(&hash_tile_path(tile.level, tile.index, TILE_WIDTH), &encode_hashes(&tile.hashes))?;
            }
        }
        if edge.size() != size || edge.root() != view.checkpoint.head.root {
            return Err(Error::corrupt(shelf.path(Room::Journal, BUNDLES), "its entries do not lead to the signed root"));
        }
        for (level, hashes) in (0..).zip(edge.levels()).filter(|(_, hashes)| !hashes.is_empty()) {
            let index = size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
            target.write(&hash_tile_path(level, index, hashes.len()), &encode_hashes(hashes))?;
        }
        let vkey = self.vkey();
        target.write("vkey", format!("{vkey}\n").as_bytes())?;
        target.write("checkpoint", view.checkpoint.note.as_bytes())?;
        let origin = self.core.verifier.name().to_owned();
        Ok(ExportReport { size, root: view.checkpoint.head.root.to_string(), origin, vkey, files: target.files, bytes: target.bytes })
    }
}

fn prepare(dir: &Path) -> Result<(), Error> {
    let failed = |source| Error::ExportIo { path: dir.to_owned(), source };
    fs::create_dir_all(dir).map_err(failed)?;
    if fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(Error::ExportNotEmpty { path: dir.to_owned() });
    }
    Ok(())
}
