//! Files that stand still: those of a source that were the same in two looks and have not changed for a while. A file that is still
//! being written is left for later.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use polder_connect::{Connection, Error, FileList, FileSeen, ReadOptions, SourceType};

use crate::failure::{Failure, Outcome};
use crate::project::Project;

/// Directories of a project whose files say what is loaded, and how.
const DECLARING: [&str; 3] = ["contracts", "sources", "layouts"];
/// What is said at most of one dataset: what is wrong with many files is mostly one thing.
const PROBLEMS_MAX: usize = 10;
const NS_PER_MS: i128 = 1_000_000;
const NS_PER_S: i128 = 1_000_000_000;

/// A file as a look found it: name, size and time of its last change.
type Stamp = (String, u64, i128);

fn stamp(file: &FileSeen) -> Stamp {
    (file.path.clone(), file.size_bytes, file.modified_ns)
}

/// The files of datasets, by source and dataset, at one time.
#[derive(Debug, Clone, Default)]
pub struct Look {
    datasets: BTreeMap<(String, String), Found>,
    /// The files that say what is loaded.
    declared: BTreeSet<Stamp>,
    /// When it was, in nanoseconds since the epoch.
    at_ns: i128,
}

/// The files of one dataset.
#[derive(Debug, Clone, Default)]
struct Found {
    files: BTreeSet<Stamp>,
    /// Whether these are all of them.
    complete: bool,
    /// What could not be looked at, and why.
    problems: BTreeSet<String>,
}

impl Look {
    /// Looks at the files of the datasets that contracts name. What cannot be looked at is left out, and is a problem of this look.
    ///
    /// # Errors
    /// When the project's own files are wrong.
    pub fn new(project: &Project, datasets: impl Iterator<Item = (String, String)>, now_ms: i64) -> Outcome<Self> {
        let declared = declared(project.dir());
        let mut found = BTreeMap::new();
        for (source, dataset) in datasets {
            let connection = project.source(&source)?;
            connection.dataset(&dataset)?;
            found.insert((source, dataset.clone()), Found::new(&connection, &dataset, project));
        }
        Ok(Self { datasets: found, declared, at_ns: i128::from(now_ms) * NS_PER_MS })
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.datasets.values().map(|found| found.files.len()).sum()
    }

    /// What could not be looked at, and could before, or was not looked at: which dataset, and why.
    pub fn problems_since(&self, before: &Self) -> Vec<String> {
        let mut said = Vec::new();
        for (key, now) in &self.datasets {
            let known = before.datasets.get(key).map(|before| &before.problems);
            let new = now.problems.iter().filter(|problem| known.is_none_or(|known| !known.contains(*problem)));
            let (source, dataset) = key;
            said.extend(new.map(|problem| format!("{source}.{dataset} is looked at without what fails: {problem}")));
        }
        said
    }

    /// Whether the files that say what is loaded are as they were before: one that is half saved is wrong for a moment.
    pub fn declares_as(&self, before: &Self) -> bool {
        self.declared == before.declared
    }

    /// What is as it was before, and has been for that long.
    pub fn settled_since(&self, before: &Self, still: Duration) -> Settled {
        let datasets = self.datasets.iter().map(|(key, now)| {
            let before = before.datasets.get(key);
            // A time that lies far ahead is that of another clock, and tells no age.
            let old = |modified_ns: i128| self.at_ns.abs_diff(modified_ns) >= still.as_nanos();
            let same = before.into_iter().flat_map(|before| now.files.intersection(&before.files));
            let settled: BTreeSet<Stamp> = same.filter(|(_, _, modified_ns)| old(*modified_ns)).cloned().collect();
            let complete = now.complete && before.is_some_and(|before| before.complete && before.files == now.files);
            let whole = complete && settled == now.files;
            (key.clone(), Files { settled, whole })
        });
        Settled { datasets: datasets.collect(), declared: self.declared.clone() }
    }
}

impl Found {
    fn new(connection: &Connection, dataset: &str, project: &Project) -> Self {
        if connection.source_type == SourceType::Push {
            return Self { complete: true, ..Self::default() };
        }
        let (list, left_out) = match FileList::look(connection, dataset, project.read_options()) {
            Ok((list, left_out)) => (Some(list), left_out),
            Err(error) => (None, vec![error]),
        };
        let complete = left_out.is_empty();
        // A file that is being written is no problem: the next look finds it.
        let problems = left_out.into_iter().filter(|error| !matches!(error, Error::Changed { .. }));
        let problems = problems.take(PROBLEMS_MAX).map(|error| Failure::from(error).to_string()).collect();
        Self { files: list.iter().flat_map(FileList::files).map(stamp).collect(), complete, problems }
    }
}

/// The files that say what is loaded. Those that cannot be looked at are told of by whoever reads them.
fn declared(dir: &Path) -> BTreeSet<Stamp> {
    let entries = DECLARING.iter().filter_map(|name| std::fs::read_dir(dir.join(name)).ok()).flatten();
    let stamps = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        // An editor's own files lie hidden beside what it edits.
        let hidden = path.file_name()?.as_encoded_bytes().first() == Some(&b'.');
        let metadata = std::fs::metadata(&path).ok().filter(|metadata| metadata.is_file() && !hidden)?;
        let modified_ns = i128::from(metadata.mtime()) * NS_PER_S + i128::from(metadata.mtime_nsec());
        Some((path.display().to_string(), metadata.len(), modified_ns))
    });
    stamps.collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Files {
    settled: BTreeSet<Stamp>,
    /// Whether nothing of the dataset moved.
    whole: bool,
}

/// What may be loaded, and what says how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    datasets: BTreeMap<(String, String), Files>,
    declared: BTreeSet<Stamp>,
}

impl Settled {
    /// Whether there is a file to load.
    pub fn is_empty(&self) -> bool {
        self.datasets.values().all(|files| files.settled.is_empty())
    }

    /// The settled files of a dataset; none where there is nothing to load. A load that replaces its table reads all files or none.
    pub(super) fn find(
        &self,
        connection: &Connection,
        dataset: &str,
        append: bool,
        options: ReadOptions<'_>,
    ) -> Result<Option<FileList>, Error> {
        let key = (connection.name.clone(), dataset.to_owned());
        let Some(files) = self.datasets.get(&key).filter(|files| !files.settled.is_empty()) else { return Ok(None) };
        let (mut list, left_out) = FileList::look(connection, dataset, options)?;
        let now: BTreeSet<Stamp> = list.files().map(stamp).collect();
        if !append {
            return Ok((files.whole && left_out.is_empty() && now == files.settled).then_some(list));
        }
        let keep: BTreeSet<String> = now.intersection(&files.settled).map(|(path, _, _)| path.clone()).collect();
        list.keep(&keep);
        Ok((!keep.is_empty()).then_some(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key() -> (String, String) {
        ("s".to_owned(), "d".to_owned())
    }

    fn look(files: &[(&str, u64, i128)]) -> Look {
        let files = files.iter().map(|(name, size, time)| ((*name).to_owned(), *size, *time)).collect();
        let found = Found { files, complete: true, problems: BTreeSet::new() };
        Look { datasets: BTreeMap::from([(key(), found)]), declared: BTreeSet::new(), at_ns: 10 * NS_PER_S }
    }

    #[test]
    fn a_file_that_grew_or_came_between_two_looks_has_not_settled() {
        let before = look(&[("a", 1, 1), ("b", 1, 1), ("gone", 1, 1)]);
        let now = look(&[("a", 1, 1), ("b", 2, 1), ("new", 1, 1)]);
        let settled = now.settled_since(&before, SECOND);
        let files = &settled.datasets[&key()];
        assert_eq!(files.settled, BTreeSet::from([("a".to_owned(), 1, 1)]));
        assert!(!files.whole && !settled.is_empty() && now.files() == 3);
        assert!(now.settled_since(&now, SECOND).datasets[&key()].whole);
        assert!(now.settled_since(&Look::default(), SECOND).is_empty());
    }

    #[test]
    fn a_file_that_changed_a_moment_ago_has_not_settled() {
        let now = look(&[("old", 1, 1), ("young", 1, 9 * NS_PER_S + 1), ("other clock", 1, 90 * NS_PER_S)]);
        let files = &now.settled_since(&now, SECOND).datasets[&key()];
        let names: Vec<&str> = files.settled.iter().map(|(name, _, _)| name.as_str()).collect();
        assert_eq!(names, ["old", "other clock"]);
        assert!(!files.whole);
    }

    #[test]
    fn what_could_not_be_looked_at_is_told_once_and_keeps_a_table_from_being_replaced() {
        let before = look(&[("a", 1, 1)]);
        let mut now = before.clone();
        let found = now.datasets.get_mut(&key()).unwrap();
        found.complete = false;
        found.problems.insert("open b".to_owned());
        assert_eq!(now.problems_since(&before), ["s.d is looked at without what fails: open b"]);
        assert_eq!(now.problems_since(&Look::default()).len(), 1);
        assert!(now.problems_since(&now).is_empty() && before.problems_since(&now).is_empty());
        for settled in [now.settled_since(&before, SECOND), before.settled_since(&now, SECOND)] {
            assert!(!settled.is_empty() && !settled.datasets[&key()].whole);
        }
    }

    #[test]
    fn another_contract_is_something_to_do_once_it_is_saved() {
        let dir = tempfile::tempdir().unwrap();
        assert!(declared(dir.path()).is_empty());
        std::fs::create_dir(dir.path().join("contracts")).unwrap();
        std::fs::write(dir.path().join("contracts/.people.swp"), "x").unwrap();
        std::fs::write(dir.path().join("contracts/people.approval"), "x").unwrap();
        let before = look(&[("a", 1, 1)]);
        let now = Look { declared: declared(dir.path()), ..before.clone() };
        assert_eq!(now.declared.len(), 1);
        assert!(!now.declares_as(&before) && now.declares_as(&now));
        assert_ne!(now.settled_since(&before, SECOND), before.settled_since(&before, SECOND));
    }
}
