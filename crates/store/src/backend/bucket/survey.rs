//! Listing: objects under a prefix, and everything under the store's with its kind.

use std::sync::Arc;

use super::Bucket;
use super::request::{Listed, Listing};
use crate::backend::{Entry, PhysicalFile, Stat};
use crate::counters::Live;
use crate::error::Error;
use crate::fault::Operation;
use crate::layout::FileKind;

impl Bucket {
    /// Whether nothing lies under a directory (the store's own when it is empty).
    pub(crate) fn is_empty(&self, directory: &str) -> Result<bool, Error> {
        let listing = self.listed(directory, false, Some(2))?;
        Ok(listing.objects.iter().all(|object| self.path(&object.key).is_empty()))
    }

    /// Every object, sorted by path.
    pub(crate) fn every_file(&self) -> Result<Vec<PhysicalFile>, Error> {
        let listing = self.listed("", false, None)?;
        let files = listing.objects.into_iter().map(|object| {
            let path = self.path(&object.key).to_owned();
            let kind = match FileKind::of(&path) {
                // Neither is ever made in a bucket.
                FileKind::Temporary | FileKind::Reserve => FileKind::Unknown,
                kind => kind,
            };
            PhysicalFile { kind, path, bytes: object.len }
        });
        // What a console makes to show the prefix as a folder is no file of the store, and in nobody's way.
        Ok(files.filter(|file| !file.path.is_empty()).collect())
    }

    /// All below a directory, sorted by path.
    pub(crate) fn list_below(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        Live::add(&self.live().lists, 1);
        Ok(self.listed(prefix, false, None)?.objects.into_iter().filter_map(|object| self.entry(object)).collect())
    }

    /// What lies in one directory, sorted by path; what has more below it has a `/` at its end.
    pub(crate) fn list_one(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        Live::add(&self.live().lists, 1);
        let listing = self.listed(prefix, true, None)?;
        let folder = |key: String| Entry { path: self.path(&key).to_owned(), plain: false, socket: false, stat: Stat::of_object("", 0, 0) };
        let mut entries: Vec<Entry> = listing.prefixes.into_iter().map(folder).collect();
        entries.extend(listing.objects.into_iter().filter_map(|object| self.entry(object)));
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn listed(&self, directory: &str, one_level: bool, first: Option<usize>) -> Result<Listing, Error> {
        self.step(Operation::List, directory)?;
        let client = Arc::clone(&self.0.client);
        let slash = if directory.is_empty() { "" } else { "/" };
        let prefix = client.place.address.key(&format!("{directory}{slash}"));
        let listed = self.0.io.wait(async move { client.list(&prefix, one_level, first).await });
        let named = if directory.is_empty() { "the store" } else { directory };
        listed.map_err(|trouble| Error::bucket("list", named, trouble))
    }

    /// None for what stands for a folder alone.
    fn entry(&self, object: Listed) -> Option<Entry> {
        let path = self.path(&object.key);
        if path.is_empty() || (path.ends_with('/') && object.len == 0) {
            return None;
        }
        Some(Entry {
            path: path.to_owned(),
            plain: true,
            socket: false,
            stat: Stat::of_object(&object.tag, object.len, object.modified_ms),
        })
    }

    /// The path of a key that was listed under the store's prefix.
    fn path<'k>(&self, key: &'k str) -> &'k str {
        key.strip_prefix(&self.0.client.place.address.key("")).unwrap_or(key)
    }
}
