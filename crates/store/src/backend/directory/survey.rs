//! Listing: objects under a prefix, and every physical file with its kind.

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::Directory;
use crate::backend::{Entry, PhysicalFile, Stat};
use crate::counters::Live;
use crate::error::Error;
use crate::fault::Operation;
use crate::layout::{FileKind, SOCKET};

impl Directory {
    /// Every physical file, sorted by path. Links, pipes and sockets are [`FileKind::Unknown`] wherever they lie, but for
    /// the one socket that the serving process has.
    ///
    /// # Errors
    /// When a directory cannot be listed.
    pub(crate) fn every_file(&self) -> Result<Vec<PhysicalFile>, Error> {
        Live::add(&self.live().lists, 1);
        let mut files = Vec::new();
        self.walk("", &mut |entry| {
            let kind = match entry.plain {
                true => FileKind::of(&entry.path),
                false if entry.socket && entry.path == SOCKET => FileKind::Socket,
                false => FileKind::Unknown,
            };
            files.push(PhysicalFile { path: entry.path, kind, bytes: entry.stat.len });
            Ok(())
        })?;
        Ok(files)
    }

    /// All below `prefix` that is not a directory, sorted by path. Nothing when there is no such directory.
    pub(crate) fn list_below(&self, prefix: &str, found: &mut dyn FnMut(Entry) -> Result<(), Error>) -> Result<(), Error> {
        Live::add(&self.live().lists, 1);
        match self.walk(prefix, found) {
            Err(Error::NotFound { .. }) => Ok(()),
            walked => walked,
        }
    }

    /// The entries of one directory, sorted by path; directories have a `/` at their end.
    pub(crate) fn list_one(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        Live::add(&self.live().lists, 1);
        match self.entries(prefix) {
            Err(Error::NotFound { .. }) => Ok(Vec::new()),
            entries => entries,
        }
    }

    /// The names in a directory, sorted.
    pub(crate) fn names(&self, directory: &str) -> Result<Vec<String>, Error> {
        Live::add(&self.live().lists, 1);
        let entries = self.entries(directory)?;
        Ok(entries.into_iter().filter_map(|entry| entry.path.rsplit('/').next().map(str::to_owned)).collect())
    }

    fn walk(&self, prefix: &str, found: &mut dyn FnMut(Entry) -> Result<(), Error>) -> Result<(), Error> {
        for entry in self.entries(prefix)? {
            match entry.path.strip_suffix('/') {
                Some(directory) => match self.walk(directory, found) {
                    Err(Error::NotFound { .. }) => {} // removed since its parent was read
                    walked => walked?,
                },
                None => found(entry)?,
            }
        }
        Ok(())
    }

    /// Names are compared with the `/` of directories at their end, so that a walk yields paths in their order as text.
    fn entries(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        self.step(Operation::List, prefix)?;
        let failed = |source| Error::io("list", if prefix.is_empty() { "the store" } else { prefix }, source);
        if !prefix.is_empty() {
            self.parent(&format!("{prefix}/x"), false)?; // refuses links on the way
        }
        let directory = self.dir().join(Path::new(prefix));
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(Error::NotPlain { path: format!("{prefix}/{}", name.to_string_lossy()) });
            };
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                metadata => metadata.map_err(failed)?,
            };
            let slash = if metadata.is_dir() { "/" } else { "" };
            let path = if prefix.is_empty() { format!("{name}{slash}") } else { format!("{prefix}/{name}{slash}") };
            let socket = metadata.file_type().is_socket();
            entries.push(Entry { path, plain: metadata.is_file(), socket, stat: Stat::of(&metadata) });
        }
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }
}
