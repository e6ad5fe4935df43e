//! Files that stand still: those of a source that were the same in two looks. A file that is still being written is left for later.

use std::collections::{BTreeMap, BTreeSet};

use polder_connect::{Connection, FileList, FileSeen, ReadOptions};

use crate::failure::Outcome;
use crate::project::Project;

/// A file as a look found it: name, size and time of its last change.
type Stamp = (String, u64, i128);

fn stamp(file: &FileSeen) -> Stamp {
    (file.path.clone(), file.size_bytes, file.modified_ns)
}

/// The files of datasets, by source and dataset, at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look(BTreeMap<(String, String), BTreeSet<Stamp>>);

impl Look {
    /// Looks at the files of the datasets that contracts name. Where there is none, or none that can be looked at, there is nothing
    /// to load yet.
    ///
    /// # Errors
    /// When the project's own files are wrong.
    pub fn new(project: &Project, datasets: impl Iterator<Item = (String, String)>) -> Outcome<Self> {
        let mut look = BTreeMap::new();
        for (source, dataset) in datasets {
            let connection = project.source(&source)?;
            connection.dataset(&dataset)?;
            look.insert((source, dataset.clone()), files(&connection, &dataset, project));
        }
        Ok(Self(look))
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// What is as it was before.
    pub fn settled_since(&self, before: &Self) -> Settled {
        let datasets = self.0.iter().map(|(key, now)| {
            let settled = before.0.get(key).map(|before| now.intersection(before).cloned().collect()).unwrap_or_default();
            let whole = before.0.get(key) == Some(now);
            (key.clone(), Files { settled, whole })
        });
        Settled(datasets.collect())
    }
}

fn files(connection: &Connection, dataset: &str, project: &Project) -> BTreeSet<Stamp> {
    let found = FileList::find(connection, dataset, ReadOptions::new(project.dir()));
    found.map(|list| list.files().map(stamp).collect()).unwrap_or_default()
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Files {
    settled: BTreeSet<Stamp>,
    /// Whether nothing of the dataset moved.
    whole: bool,
}

/// What may be loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled(BTreeMap<(String, String), Files>);

impl Settled {
    /// Whether there is a file to load.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|files| files.settled.is_empty())
    }

    /// The settled files of a dataset; none where there is nothing to load. A load that replaces its table reads all files or none.
    pub(super) fn find(
        &self,
        connection: &Connection,
        dataset: &str,
        append: bool,
        options: ReadOptions<'_>,
    ) -> Result<Option<FileList>, polder_connect::Error> {
        let key = (connection.name.clone(), dataset.to_owned());
        let Some(files) = self.0.get(&key).filter(|files| !files.settled.is_empty()) else { return Ok(None) };
        let mut list = FileList::find(connection, dataset, options)?;
        let now: BTreeSet<Stamp> = list.files().map(stamp).collect();
        if !append {
            return Ok((files.whole && now == files.settled).then_some(list));
        }
        let keep: BTreeSet<String> = now.intersection(&files.settled).map(|(path, _, _)| path.clone()).collect();
        list.keep(&keep);
        Ok((!keep.is_empty()).then_some(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(files: &[(&str, u64, i128)]) -> Look {
        let stamps = files.iter().map(|(name, size, time)| ((*name).to_owned(), *size, *time)).collect();
        Look(BTreeMap::from([(("s".to_owned(), "d".to_owned()), stamps)]))
    }

    #[test]
    fn a_file_that_grew_or_came_between_two_looks_has_not_settled() {
        let before = look(&[("a", 1, 1), ("b", 1, 1), ("gone", 1, 1)]);
        let now = look(&[("a", 1, 1), ("b", 2, 1), ("new", 1, 1)]);
        let settled = now.settled_since(&before);
        let files = &settled.0[&("s".to_owned(), "d".to_owned())];
        assert_eq!(files.settled, BTreeSet::from([("a".to_owned(), 1, 1)]));
        assert!(!files.whole && !settled.is_empty() && now.files() == 3);
        assert!(now.settled_since(&now).0[&("s".to_owned(), "d".to_owned())].whole);
        assert!(now.settled_since(&Look::default()).is_empty());
    }
}
