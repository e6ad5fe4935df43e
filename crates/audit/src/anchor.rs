//! The anchor: the newest checkpoint in a file outside the store, so that a rollback of the whole store shows.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::note::{Checkpoint, Verifier};

/// Longest anchor file that is read, in bytes.
const ANCHOR_MAX_BYTES: u64 = 65_536;

/// Where the newest checkpoint is kept outside the store. The file holds ids, a count and hashes only.
#[derive(Debug, Clone)]
pub struct Anchor {
    path: PathBuf,
    may_be_new: bool,
}

impl Anchor {
    /// An anchor that exists, or is about to be made with the log. Opening a log fails when the file is missing: whoever rolled
    /// the store back may have removed it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), may_be_new: false }
    }

    /// An anchor that is configured for a log that had none: a missing file is made from the log as it is now.
    pub fn new_file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), may_be_new: true }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The checkpoint in the file; `None` when there is no file.
    pub(crate) fn read(&self, verifier: &Verifier) -> Result<Option<Checkpoint>, Error> {
        let text = match self.read_text() {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::AnchorIo { step: "read", path: self.path.clone(), source }),
        };
        let text = String::from_utf8(text).map_err(|_| self.corrupt("its checkpoint is not text"))?;
        Checkpoint::parse(&text, verifier).map(Some).map_err(|what| self.corrupt(what))
    }

    /// As [`Self::read`], and a missing file is an error unless the anchor may be new.
    pub(crate) fn require(&self, verifier: &Verifier) -> Result<Option<Checkpoint>, Error> {
        match self.read(verifier)? {
            None if !self.may_be_new => Err(Error::AnchorMissing { path: self.path.clone() }),
            found => Ok(found),
        }
    }

    /// Puts a checkpoint in place of an older one: whole or not at all, and durable on return. A newer one stays.
    pub(crate) fn advance(&self, checkpoint: &Checkpoint, verifier: &Verifier) -> Result<(), Error> {
        if self.read(verifier)?.is_some_and(|known| known.head.size > checkpoint.head.size) {
            return Ok(());
        }
        self.replace(checkpoint.note.as_bytes()).map_err(|source| Error::AnchorIo { step: "write", path: self.path.clone(), source })
    }

    fn replace(&self, note: &[u8]) -> io::Result<()> {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut name = self.path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?.to_owned();
        name.push(".new");
        let new = directory.join(name);
        let mut file = File::create(&new)?;
        file.write_all(note)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(directory)?.sync_all()
    }

    fn read_text(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(&self.path)?.take(ANCHOR_MAX_BYTES).read_to_end(&mut text)?;
        Ok(text)
    }

    fn corrupt(&self, what: &'static str) -> Error {
        Error::AnchorCorrupt { path: self.path.clone(), what }
    }
}

/// Runs a step with the anchor's file off the runtime's threads.
pub(crate) async fn off_thread<T: Send + 'static>(step: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(step).await.unwrap_or(Err(Error::Stopped))
}
