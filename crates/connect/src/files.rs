//! Which files a dataset consists of: names, globs and directories under the connection's path, sorted.

pub(crate) mod in_bucket;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobBuilder;

use crate::connection::{Connection, Dataset, SourceType};
use crate::error::Error;
use crate::objects::{ObjectSeen, Objects};
use crate::reader::ReadOptions;

/// Most files of one dataset.
pub(crate) const FILES_MAX: usize = 100_000;

/// A file of a dataset.
#[derive(Debug, Clone)]
pub(crate) struct FoundFile {
    /// Where it is opened; of an object what is shown.
    pub path: PathBuf,
    /// Its name under the connection's path, which identifies it in reports.
    pub name: String,
    pub at: At,
}

/// Where a file lies.
#[derive(Debug, Clone)]
pub(crate) enum At {
    Disk,
    Bucket(Arc<dyn Objects>, ObjectSeen),
}

impl FoundFile {
    pub(crate) fn on_disk(path: PathBuf, name: String) -> Self {
        Self { path, name, at: At::Disk }
    }

    /// Where it lies, links followed; none when it is gone. Of an object what is shown.
    pub(crate) fn real(&self) -> Option<PathBuf> {
        match self.at {
            At::Disk => self.path.canonicalize().ok(),
            At::Bucket(..) => Some(self.path.clone()),
        }
    }
}

/// Whether what cannot be listed fails all of it, or is left out.
type Fails<'a> = &'a mut dyn FnMut(Error) -> Result<(), Error>;

/// Lists the files of a dataset, sorted by name, each once.
pub(crate) fn find(connection: &Connection, name: &str, dataset: &Dataset, options: ReadOptions<'_>) -> Result<Vec<FoundFile>, Error> {
    find_but(connection, name, dataset, options, &mut Err::<(), Error>)
}

/// The same; `fails` hears of what cannot be listed, or matches nothing, and decides.
pub(crate) fn find_but(
    connection: &Connection,
    name: &str,
    dataset: &Dataset,
    options: ReadOptions<'_>,
    fails: Fails<'_>,
) -> Result<Vec<FoundFile>, Error> {
    if connection.source_type == SourceType::Push {
        return Err(Error::Pushed { connection: connection.name.clone(), dataset: name.to_owned() });
    }
    if let Some(bucket) = &connection.bucket {
        return in_bucket::find(connection, bucket, name, dataset, options, fails);
    }
    let base = options.root.join(&connection.path);
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    if dataset.files.is_empty() {
        collect(&base, &base, connection.source_type, &mut found, fails)?;
        if found.is_empty() {
            fails(no_files(name, "a file", &base))?;
        }
    }
    for pattern in &dataset.files {
        let mut hits = BTreeMap::new();
        let plain = base.join(pattern);
        if plain.exists() {
            collect(&base, &plain, connection.source_type, &mut hits, fails)?;
        } else if let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() {
            let matcher = glob.compile_matcher();
            let start = base.join(literal_prefix(pattern));
            if start.is_dir() {
                let mut take = |file: String, path: PathBuf| {
                    if matcher.is_match(&file) {
                        hits.insert(file, path);
                    }
                };
                walk_but(&base, &start, &mut BTreeSet::new(), &mut take, fails)?;
            }
        }
        if hits.is_empty() {
            fails(no_files(name, pattern, &base))?;
        }
        found.extend(hits);
    }
    if found.len() > FILES_MAX {
        return Err(Error::TooManyFiles { dataset: name.to_owned(), max: FILES_MAX });
    }
    // Two names of one file (a link and its target) would load its rows twice.
    let mut seen = BTreeSet::new();
    let mut files = Vec::with_capacity(found.len());
    for (name, path) in found {
        let real = match fs::canonicalize(&path) {
            Ok(real) => real,
            Err(source) => {
                fails(Error::Open { path, source })?;
                continue;
            }
        };
        if seen.insert(real) {
            files.push(FoundFile::on_disk(path, name));
        }
    }
    Ok(files)
}

fn no_files(dataset: &str, pattern: &str, base: &Path) -> Error {
    let dataset = dataset.to_owned();
    if base.is_dir() {
        Error::NoFiles { dataset, pattern: pattern.to_owned(), path: base.to_path_buf() }
    } else {
        Error::NoDirectory { dataset, path: base.to_path_buf() }
    }
}

/// The directories of a glob that hold no wildcard, so that only they are walked.
fn literal_prefix(pattern: &str) -> PathBuf {
    let mut prefix = PathBuf::new();
    let mut parts = pattern.split('/').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() || part.contains(['*', '?', '[', ']', '{', '}', '\\']) {
            break;
        }
        prefix.push(part);
    }
    prefix
}

/// A file as it is, or the files of a directory that have the type's extension.
fn collect(
    base: &Path,
    path: &Path,
    source_type: SourceType,
    found: &mut BTreeMap<String, PathBuf>,
    fails: Fails<'_>,
) -> Result<(), Error> {
    if path.is_dir() {
        let mut take = |name: String, path: PathBuf| {
            if has_extension(&name, source_type) {
                found.insert(name, path);
            }
        };
        return walk_but(base, path, &mut BTreeSet::new(), &mut take, fails);
    }
    if path.exists() {
        found.insert(relative(base, path), path.to_path_buf());
    }
    Ok(())
}

fn has_extension(name: &str, source_type: SourceType) -> bool {
    let lower = name.to_lowercase();
    let plain = lower.strip_suffix(".gz").or_else(|| lower.strip_suffix(".zst")).unwrap_or(&lower);
    let extensions: &[&str] = match source_type {
        SourceType::Csv => &[".csv", ".tsv", ".txt"],
        SourceType::Ndjson => &[".ndjson", ".jsonl", ".json"],
        SourceType::Json => &[".json"],
        SourceType::Xml => &[".xml"],
        SourceType::Fixed => &[".txt", ".dat", ".fwf", ".prn"],
        SourceType::Excel => &[".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"],
        SourceType::Parquet => &[".parquet"],
        SourceType::Avro => &[".avro"],
        SourceType::Arrow => &[".arrow", ".arrows", ".feather", ".ipc"],
        SourceType::Postgres | SourceType::Mysql | SourceType::Sqlite | SourceType::Adbc | SourceType::Push => &[],
    };
    extensions.iter().any(|extension| plain.ends_with(extension))
}

fn relative(base: &Path, path: &Path) -> String {
    match path.strip_prefix(base) {
        Ok(rest) if !rest.as_os_str().is_empty() => rest.to_string_lossy().into_owned(),
        _ => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
    }
}

/// Walks a directory. Names that begin with `.` or `_` are skipped, as writers of many files mark what is not data so.
pub(crate) fn walk_but(
    base: &Path,
    dir: &Path,
    above: &mut BTreeSet<PathBuf>,
    take: &mut dyn FnMut(String, PathBuf),
    fails: Fails<'_>,
) -> Result<(), Error> {
    let list_error = |source| Error::List { path: dir.to_path_buf(), source };
    let real = match fs::canonicalize(dir) {
        Ok(real) => real,
        Err(source) => return fails(list_error(source)),
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(source) => return fails(list_error(source)),
    };
    if !above.insert(real.clone()) {
        return fails(Error::LinkLoop { path: base.to_path_buf(), link: dir.to_path_buf() });
    }
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(source) => {
                fails(list_error(source))?;
                break;
            }
        };
        let name = entry.file_name();
        if name.as_encoded_bytes().first().is_some_and(|byte| matches!(byte, b'.' | b'_')) {
            continue;
        }
        let path = entry.path();
        // Follows links: a dangling one is an error, not an absent file.
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => walk_but(base, &path, above, take, fails)?,
            Ok(metadata) if metadata.is_file() => take(relative(base, &path), path),
            Ok(_) => {}
            Err(source) => fails(Error::Open { path, source })?,
        }
    }
    above.remove(&real);
    Ok(())
}
