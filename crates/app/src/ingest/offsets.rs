//! What the commits of a table have read, so that an append loads each file once: a copy of a file that was loaded, or one that was
//! merely touched, is known by its hash.

use std::collections::{BTreeMap, BTreeSet};

use polder_connect::{CursorState, FileList, FileSeen};
use polder_contract::{Anomaly, History, Statistics};
use polder_store::{Area, SealedStore};
use polder_types::{DatasetId, ErrorKind};
use serde::{Deserialize, Serialize};

use super::newest::Newest;
use super::push::Noted;
use super::{BatchReport, store_failure};
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;

/// What a sequence read: a create-only sealed object. Files of all sequences so far, so that an append knows what it has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offsets {
    /// The run.
    pub run: String,
    /// The contract under which it was read.
    pub contract_hash: String,
    /// What identifies the files that were read.
    pub source_identity: String,
    /// Every file that the table holds.
    pub files: Vec<LoadedFile>,
    /// Quarantine objects that were replayed into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replayed: Vec<String>,
    /// How far a database was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<CursorState>,
    /// Of the columns whose age the contract limits, the newest values of the table.
    #[serde(default, skip_serializing_if = "Newest::is_empty")]
    pub newest: Newest,
    /// Columns of the source that stayed outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Vec<String>>,
    /// What the loads were like.
    #[serde(default)]
    pub history: History,
    /// What was unusual about this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<Anomaly>,
    /// The request that sent the rows of this one; those of others stand beside their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Noted>,
}

/// A file that was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadedFile {
    path: String,
    size_bytes: u64,
    modified_ns: String,
    /// Of an object what its storage changes whenever its bytes change; none for a file on a disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// SHA-256 of its bytes, in hexadecimal; none where it was loaded before hashes were kept, or by a load that replaced the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl LoadedFile {
    /// Whether nothing speaks for a change since.
    fn is_as(&self, seen: &Self) -> bool {
        let same = match (&self.tag, &seen.tag) {
            // Times of objects may be whole seconds, in which much can change.
            (Some(tag), Some(seen)) => tag == seen,
            _ => self.modified_ns == seen.modified_ns,
        };
        same && (&self.path, self.size_bytes) == (&seen.path, seen.size_bytes)
    }
}

/// A file that holds what was loaded before, and is not loaded again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlreadyLoaded {
    /// The file.
    pub file: String,
    /// As what its bytes were loaded: another file, or itself before it was touched.
    pub loaded_as: String,
}

/// What an append makes of the files of its source.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Names of those to load.
    pub new: BTreeSet<String>,
    /// Those whose bytes were loaded under another name or date, or stand among the new ones already.
    pub already: Vec<AlreadyLoaded>,
    /// Whether one of those has a name that no commit has noted: it is noted by the next one, so that it is missed when it changes.
    pub unnoted: bool,
    copies: Vec<LoadedFile>,
}

impl From<&FileSeen> for LoadedFile {
    fn from(file: &FileSeen) -> Self {
        Self {
            path: file.path.clone(),
            size_bytes: file.size_bytes,
            modified_ns: file.modified_ns.to_string(),
            tag: file.tag.clone(),
            sha256: file.sha256.map(hex::encode),
        }
    }
}

impl Offsets {
    pub(crate) fn path(dataset: DatasetId, sequence: u64) -> object_store::path::Path {
        SealedStore::path(Area::Offsets, dataset, &format!("{sequence:020}"))
    }

    /// Those of a committed sequence; none before the first.
    pub(crate) async fn read(installation: &Installation, dataset: DatasetId, sequence: u64) -> Outcome<Option<Self>> {
        let path = Self::path(dataset, sequence);
        match installation.store.read(&path).await {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                Failure::because(ErrorKind::Corrupt, format!("read {path}: it is not what was written; restore it"), &error)
            }),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(installation.store_failure("read the offsets of the table", &error)),
        }
    }

    /// Those of the last commit; empty before the first one only.
    pub(super) async fn of_head(installation: &Installation, dataset: DatasetId, head: u64) -> Outcome<Self> {
        if head == 0 {
            return Ok(Self::default());
        }
        match Self::read(installation, dataset, head).await? {
            Some(offsets) => Ok(offsets),
            None => Err(Failure::new(
                ErrorKind::Corrupt,
                format!(
                    "read {}: it is gone, and without it nobody knows which files the table holds; restore it from a backup",
                    Self::path(dataset, head)
                ),
            )),
        }
    }

    pub(crate) async fn write(&self, store: &SealedStore, dataset: DatasetId, sequence: u64) -> Outcome {
        let bytes = serde_json::to_vec(self).map_err(|error| Failure::because(ErrorKind::Internal, "write offsets as JSON", &error))?;
        store.create(&Self::path(dataset, sequence), bytes.into()).await.map_err(|error| store_failure("write offsets", &error))
    }

    /// The next sequence: beyond the last commit, and beyond what a killed run had begun.
    pub(crate) async fn next_sequence(store: &SealedStore, dataset: DatasetId, head: u64) -> Outcome<u64> {
        use futures::TryStreamExt;
        use object_store::ObjectStore;
        let prefix = SealedStore::path(Area::Offsets, dataset, "");
        let mut last = head;
        let mut listed = store.list(Some(&prefix));
        while let Some(object) = listed.try_next().await.map_err(|error| store_failure("list offsets", &error))? {
            last = last.max(object.location.filename().and_then(|name| name.parse().ok()).unwrap_or(0));
        }
        Ok(last + 1)
    }

    /// Notes files that were read or found to be known, each under its name.
    pub(super) fn note(&mut self, files: Vec<LoadedFile>) {
        let names: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
        self.files.retain(|known| !names.contains(&known.path));
        self.files.extend(files);
    }

    /// Takes over what an append keeps: the files and replays of before, and the copies that were found of them.
    pub(super) fn extend(&mut self, before: Self, sorted: Sorted) {
        let new = std::mem::replace(&mut self.files, before.files);
        self.note(new);
        self.note(sorted.copies);
        self.replayed = before.replayed;
    }

    /// Remembers what a load was like, for those after it.
    pub(super) fn learn(&mut self, read: u64, statistics: &Statistics, report: &BatchReport) {
        self.history.follow(read, statistics, &report.anomalies);
        self.outside = Some(report.left_out.clone());
        self.anomalies.clone_from(&report.anomalies);
    }

    /// Which files of the source are to be appended. A file is read for its hash only where another one of its size was loaded.
    ///
    /// # Errors
    /// When a file that was loaded has changed and rows do not merge, or it cannot be read.
    pub(super) fn sort(&self, list: &mut FileList, merges: bool) -> Outcome<Sorted> {
        let by_path: BTreeMap<&str, &LoadedFile> = self.files.iter().map(|file| (file.path.as_str(), file)).collect();
        let hashed = self.files.iter().filter_map(|file| Some(((file.size_bytes, file.sha256.as_deref()?), file)));
        // Of several that hold the same, the first one is told.
        let by_hash: BTreeMap<(u64, &str), &LoadedFile> = hashed.rev().collect();
        let mut by_edges: BTreeMap<(u64, [u8; 32]), Vec<usize>> = BTreeMap::new();
        let mut sorted = Sorted::default();
        let seen: Vec<LoadedFile> = list.files().map(LoadedFile::from).collect();
        for (place, file) in seen.iter().enumerate() {
            let known = by_path.get(file.path.as_str()).copied();
            if known.is_some_and(|known| known.is_as(file)) {
                continue;
            }
            let mut same = None;
            if by_hash.range((file.size_bytes, "")..).next().is_some_and(|((size, _), _)| *size == file.size_bytes) {
                let hash = hex::encode(list.sha256(place)?);
                // Of a file that was touched nothing else need be said.
                let itself = known.filter(|known| known.sha256.as_ref() == Some(&hash));
                same = itself.or(by_hash.get(&(file.size_bytes, hash.as_str())).copied()).map(|other| other.path.clone());
            }
            // Rows of a file that changed take the place of those that it had, where rows have keys.
            if same.is_none() && known.is_some() && !merges {
                return Err(changed(&file.path));
            }
            if same.is_none() {
                // Size and both ends first: whole files are read only where these agree.
                let alike = by_edges.entry(list.edges(place)?).or_default();
                for other in alike.iter() {
                    if list.sha256(*other)? == list.sha256(place)? {
                        same = seen.get(*other).map(|other| other.path.clone());
                        break;
                    }
                }
                if same.is_none() {
                    alike.push(place);
                }
            }
            match same {
                Some(loaded_as) => {
                    let sha256 = Some(hex::encode(list.sha256(place)?));
                    sorted.unnoted |= known.is_none();
                    sorted.already.push(AlreadyLoaded { file: file.path.clone(), loaded_as });
                    sorted.copies.push(LoadedFile { sha256, ..file.clone() });
                }
                None => drop(sorted.new.insert(file.path.clone())),
            }
        }
        Ok(sorted)
    }
}

fn changed(path: &str) -> Failure {
    Failure::new(
        ErrorKind::Rejected,
        format!(
            "append {path}: it changed since it was loaded, and loading it again would double its rows; give the new rows a file of their own, or set polder.disposition to replace"
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use polder_connect::{Connection, ReadOptions};

    use super::*;

    fn list(dir: &Path) -> FileList {
        let connection = Connection::parse("type: csv\npath: .\ndatasets:\n  d: {file: '*.csv'}\n", "sources/s.yaml").unwrap();
        FileList::find(&connection, "d", ReadOptions::new(dir)).unwrap()
    }

    /// File, and as what it was loaded.
    type Loaded = Vec<(String, String)>;

    /// What is new, and what was loaded before.
    fn sort(offsets: &Offsets, dir: &Path) -> Outcome<(Vec<String>, Loaded)> {
        let sorted = offsets.sort(&mut list(dir), false)?;
        Ok((sorted.new.into_iter().collect(), sorted.already.into_iter().map(|known| (known.file, known.loaded_as)).collect()))
    }

    #[test]
    fn offsets_from_before_hashes_were_kept_know_files_by_name_size_and_date() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.csv"), "x\n1\n").unwrap();
        let seen = list(dir.path()).files().next().unwrap().clone();
        let older = format!(
            r#"{{"run": "r", "contract_hash": "c", "source_identity": "i", "files": [{{"path": "a.csv", "size_bytes": {}, "modified_ns": "{}"}}]}}"#,
            seen.size_bytes, seen.modified_ns
        );
        let older: Offsets = serde_json::from_str(&older).unwrap();
        assert_eq!(sort(&older, dir.path()).unwrap(), (vec![], vec![]));
        // What it was is not known any more: a copy is new, and one that was touched has changed.
        std::fs::copy(dir.path().join("a.csv"), dir.path().join("b.csv")).unwrap();
        assert_eq!(sort(&older, dir.path()).unwrap(), (vec!["b.csv".to_owned()], vec![]));
        std::fs::File::options().append(true).open(dir.path().join("a.csv")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(sort(&older, dir.path()).unwrap_err().kind(), ErrorKind::Rejected);
        // With its hash it is known by it.
        let mut newer = older;
        newer.files[0].sha256 = Some(hex::encode(list(dir.path()).sha256(0).unwrap()));
        let same = |file: &str| (file.to_owned(), "a.csv".to_owned());
        assert_eq!(sort(&newer, dir.path()).unwrap(), (vec![], vec![same("a.csv"), same("b.csv")]));
    }

    #[test]
    fn an_object_is_known_by_its_tag_and_not_by_its_time() {
        let object = |tag: &str, modified_ns: &str| LoadedFile {
            path: "a".to_owned(),
            size_bytes: 1,
            modified_ns: modified_ns.to_owned(),
            tag: Some(tag.to_owned()),
            sha256: None,
        };
        assert!(object("x", "1").is_as(&object("x", "2")), "it was put there again as it was");
        assert!(!object("x", "1").is_as(&object("y", "1")), "it changed within a second");
        let untold = LoadedFile { tag: None, ..object("x", "1") };
        assert!(untold.is_as(&object("x", "1")) && !untold.is_as(&object("x", "2")));
        let text = serde_json::to_string(&untold).unwrap();
        assert!(!text.contains("tag"), "{text}");
    }

    #[test]
    fn what_is_noted_takes_the_place_of_what_bore_its_name() {
        let file =
            |path: &str, size_bytes| LoadedFile { path: path.to_owned(), size_bytes, modified_ns: "0".to_owned(), tag: None, sha256: None };
        let mut offsets = Offsets { files: vec![file("a", 1), file("b", 1)], ..Offsets::default() };
        offsets.note(vec![file("b", 2), file("c", 3)]);
        assert_eq!(offsets.files, [file("a", 1), file("b", 2), file("c", 3)]);
    }
}
