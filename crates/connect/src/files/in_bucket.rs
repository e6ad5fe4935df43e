//! The objects of a bucket that a dataset consists of: what would be its files if the prefix were a directory, each `/` in a key one too.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};

use super::{At, FILES_MAX, Fails, FoundFile, has_extension};
use crate::connection::{Bucket, Connection, Dataset, SourceType};
use crate::error::Error;
use crate::objects::{Fault, ObjectSeen, Objects};
use crate::reader::ReadOptions;

/// Patterns for each of which a listing is asked; where there are more, one listing has to do for all.
const LISTINGS_MAX: usize = 16;
/// Signs with which a pattern stops to say what names begin with.
const WILD: [char; 6] = ['*', '?', '[', ']', '{', '\\'];

/// Opens the bucket of a source.
pub(crate) fn opened(bucket: &Bucket, options: ReadOptions<'_>) -> Result<Arc<dyn Objects>, Error> {
    options.buckets.open(bucket).map_err(|fault| Error::bucket("open", bucket.location(), fault))
}

/// Objects by their names under the bucket's prefix.
type Hits = BTreeMap<String, ObjectSeen>;

/// The objects of a dataset, sorted by name, each once; `fails` hears of what cannot be listed, or matches nothing, and decides.
pub(super) fn find(
    connection: &Connection,
    bucket: &Bucket,
    name: &str,
    dataset: &Dataset,
    options: ReadOptions<'_>,
    fails: Fails<'_>,
) -> Result<Vec<FoundFile>, Error> {
    let mut listings = Listings { objects: opened(bucket, options)?, bucket, known: BTreeMap::new() };
    let no_files = |pattern: &str| Error::NoFiles { dataset: name.to_owned(), pattern: pattern.to_owned(), path: bucket.location().into() };
    let patterns: Vec<Pattern> = match dataset.files.as_slice() {
        [] => vec![Pattern::whole(&bucket.prefix)],
        files => files.iter().map(|file| Pattern::new(&bucket.prefix, file)).collect(),
    };
    let together = (patterns.len() > LISTINGS_MAX).then(|| common(patterns.iter().map(|pattern| pattern.begins.as_str())));
    let mut found = Hits::new();
    for pattern in &patterns {
        let asked = together.iter().map(String::as_str).chain(pattern.asked().filter(|_| together.is_none()));
        match listings.hits(pattern, asked, connection.source_type) {
            Ok(hits) if hits.is_empty() => fails(no_files(&pattern.text))?,
            Ok(hits) => found.extend(hits),
            Err(error) => fails(error)?,
        }
    }
    if found.len() > FILES_MAX {
        return Err(Error::TooManyFiles { dataset: name.to_owned(), max: FILES_MAX });
    }
    let mut files = Vec::with_capacity(found.len());
    for (name, object) in found {
        match file(bucket, &listings.objects, name, object) {
            Ok(file) => files.push(file),
            Err(error) => fails(error)?,
        }
    }
    Ok(files)
}

/// All objects below a prefix, by their names under it.
pub(crate) fn below(bucket: &Bucket, objects: &Arc<dyn Objects>) -> Result<(Vec<FoundFile>, Vec<Error>), Error> {
    let directory = if bucket.prefix.is_empty() { String::new() } else { format!("{}/", bucket.prefix) };
    let list = |begins: &str| objects.list(begins).map_err(|fault| Error::bucket("list", bucket.location(), fault));
    let mut listed = list(&directory)?;
    if listed.is_empty() && !bucket.prefix.is_empty() {
        listed = list(&bucket.prefix)?;
    }
    if listed.iter().any(|object| object.key == bucket.prefix) {
        let (problem, advice) =
            ("it is an object, and not a directory of them".to_owned(), "name the directory in which it lies".to_owned());
        return Err(Error::bucket("list", bucket.location(), Fault { problem, advice, kind: polder_types::ErrorKind::Invalid }));
    }
    let (mut files, mut failed) = (Vec::new(), Vec::new());
    for object in listed {
        let Some(name) = object.key.strip_prefix(&directory).filter(|name| is_shown(name)).map(str::to_owned) else { continue };
        match file(bucket, objects, name, object) {
            Ok(file) => files.push(file),
            Err(error) => failed.push(error),
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files.dedup_by(|a, b| a.name == b.name);
    Ok((files, failed))
}

fn file(bucket: &Bucket, objects: &Arc<dyn Objects>, name: String, object: ObjectSeen) -> Result<FoundFile, Error> {
    let path = bucket.shown(&object.key);
    if object.key.split('/').any(|part| matches!(part, "" | "." | "..")) || object.key.chars().any(char::is_control) {
        let problem = "its key has an empty part, `.`, `..` or a control character, which is not read".to_owned();
        let fault = Fault { problem, advice: "give it another key".to_owned(), kind: polder_types::ErrorKind::Rejected };
        return Err(Error::bucket("open", path.display().to_string(), fault));
    }
    Ok(FoundFile { path, name, at: At::Bucket(Arc::clone(objects), object) })
}

/// Whether a name under a directory is that of data: no part of it begins with `.` or `_`, and it is not what stands for a folder alone.
fn is_shown(name: &str) -> bool {
    !name.is_empty() && !name.ends_with('/') && !name.split('/').any(|part| part.starts_with(['.', '_']))
}

/// Listings of one look.
struct Listings<'a> {
    objects: Arc<dyn Objects>,
    bucket: &'a Bucket,
    known: BTreeMap<String, Arc<Vec<ObjectSeen>>>,
}

impl Listings<'_> {
    /// What a pattern means, by the first of the listings that shows anything of it.
    fn hits<'b>(&mut self, pattern: &Pattern, asked: impl Iterator<Item = &'b str>, source_type: SourceType) -> Result<Hits, Error> {
        for begins in asked {
            let hits = pattern.hits(&self.bucket.prefix, &self.list(begins)?, source_type);
            if !hits.is_empty() {
                return Ok(hits);
            }
        }
        Ok(Hits::new())
    }

    fn list(&mut self, begins: &str) -> Result<Arc<Vec<ObjectSeen>>, Error> {
        if let Some(known) = self.known.get(begins) {
            return Ok(Arc::clone(known));
        }
        let listed = self.objects.list(begins);
        let listed = listed.map_err(|fault| Error::bucket("list", self.bucket.shown(begins).display().to_string(), fault))?;
        let listed = Arc::new(listed);
        self.known.insert(begins.to_owned(), Arc::clone(&listed));
        Ok(listed)
    }
}

/// What all of them begin with.
fn common<'a>(mut texts: impl Iterator<Item = &'a str>) -> String {
    let first = texts.next().unwrap_or_default();
    let length = texts.fold(first.len(), |length, text| {
        let same = first.char_indices().zip(text.chars()).take_while(|((at, one), other)| *at < length && one == other);
        same.map(|((at, one), _)| at + one.len_utf8()).last().unwrap_or(0)
    });
    first.get(..length).unwrap_or_default().to_owned()
}

/// An entry of `file`, or the whole prefix.
struct Pattern {
    /// As it is written, for errors.
    text: String,
    /// The key that it means where it holds no wildcard.
    plain: String,
    /// What keys begin with that it may mean.
    begins: String,
    /// The same for objects below a directory, which is asked first: beside it much else may begin so.
    below: Option<String>,
    /// With the directory that it names without a wildcard, below which names count as hidden.
    glob: Option<(GlobMatcher, String)>,
}

impl Pattern {
    fn whole(prefix: &str) -> Self {
        let below = (!prefix.is_empty()).then(|| format!("{prefix}/"));
        Self { text: "a file".to_owned(), plain: prefix.to_owned(), begins: prefix.to_owned(), below, glob: None }
    }

    fn new(prefix: &str, text: &str) -> Self {
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let name = parts.join("/");
        let keyed = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let literal = name.split_once(WILD).map_or(name.as_str(), |(literal, _)| literal);
        let directory = literal.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
        let glob = GlobBuilder::new(&name).literal_separator(true).build().ok();
        Self {
            text: text.to_owned(),
            plain: keyed(&name),
            begins: keyed(literal),
            below: None,
            glob: glob.map(|glob| (glob.compile_matcher(), directory)),
        }
    }

    /// What is asked for, in turn.
    fn asked(&self) -> impl Iterator<Item = &str> {
        self.below.iter().chain(std::iter::once(&self.begins)).map(String::as_str)
    }

    /// The objects that it means: the one of that key, and those below it that have the type's extension; or those that the glob meets.
    fn hits(&self, prefix: &str, listed: &[ObjectSeen], source_type: SourceType) -> Hits {
        let under = |key: &str| {
            let rest = if prefix.is_empty() { Some(key) } else { key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) };
            rest.unwrap_or_else(|| key.rsplit('/').next().unwrap_or(key)).to_owned()
        };
        let itself = listed.iter().find(|object| object.key == self.plain && !self.plain.is_empty());
        let directory = if self.plain.is_empty() { String::new() } else { format!("{}/", self.plain) };
        let below = listed.iter().filter_map(|object| Some((object, object.key.strip_prefix(&directory)?)));
        let mut below = below.peekable();
        if below.peek().is_some() {
            let data = below.filter(|(_, name)| is_shown(name) && has_extension(name, source_type)).map(|(object, _)| object);
            // On a disk a name is either; here it may be both, and an object without a byte that is both stands for the directory alone.
            let itself = itself.filter(|object| object.size_bytes > 0);
            return itself.into_iter().chain(data).map(|object| (under(&object.key), object.clone())).collect();
        }
        if let Some(object) = itself {
            return Hits::from([(under(&object.key), object.clone())]);
        }
        let Some((glob, directory)) = &self.glob else { return Hits::new() };
        let mut hits = Hits::new();
        for object in listed {
            let name = match prefix.is_empty() {
                true => Some(object.key.as_str()),
                false => object.key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')),
            };
            if let Some(name) = name.filter(|name| name.strip_prefix(directory.as_str()).is_some_and(is_shown) && glob.is_match(name)) {
                hits.insert(name.to_owned(), object.clone());
            }
        }
        hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(prefix: &str, file: Option<&str>, keys: &[&str]) -> (String, Vec<String>) {
        let object = |key: &&str| ObjectSeen { key: (*key).to_owned(), tag: "\"t\"".to_owned(), size_bytes: 1, modified_ms: 0 };
        let pattern = file.map_or_else(|| Pattern::whole(prefix), |file| Pattern::new(prefix, file));
        let listed = |begins: &str| keys.iter().map(object).filter(|object| object.key.starts_with(begins)).collect::<Vec<_>>();
        let found = pattern.asked().map(|begins| pattern.hits(prefix, &listed(begins), SourceType::Csv)).find(|hits| !hits.is_empty());
        (pattern.asked().next().unwrap().to_owned(), found.unwrap_or_default().into_keys().collect())
    }

    #[test]
    fn keys_are_met_as_files_of_a_directory_are() {
        let keys = [
            "in/a.csv",
            "in/a.csv.gz",
            "in/a.json",
            "in/_tmp.csv",
            "in/.x.csv",
            "in/_delta/b.csv",
            "in/d/",
            "in/d/b.csv",
            "in/d/_c.csv",
            "in/d/e/c.TXT",
            "in/x[1].csv",
            "in2/z.csv",
            "in-a.csv",
        ];
        for (prefix, file, begins, wanted) in [
            ("in", None, "in/", &["a.csv", "a.csv.gz", "d/b.csv", "d/e/c.TXT", "x[1].csv"][..]),
            ("in", Some("*.csv"), "in/", &["a.csv", "x[1].csv"]),
            ("in", Some("a*"), "in/a", &["a.csv", "a.csv.gz", "a.json"]),
            ("in", Some("**/*.csv"), "in/", &["a.csv", "d/b.csv", "x[1].csv"]),
            ("in", Some("./d"), "in/d", &["d/b.csv", "d/e/c.TXT"]),
            ("in", Some("d/"), "in/d", &["d/b.csv", "d/e/c.TXT"]),
            ("in", Some("d/*.csv"), "in/d/", &["d/b.csv"]),
            ("in", Some("_delta/*.csv"), "in/_delta/", &["_delta/b.csv"]),
            ("in", Some("x[1].csv"), "in/x", &["x[1].csv"]),
            ("in", Some("a.json"), "in/a.json", &["a.json"]),
            ("in", Some("in2/z.csv"), "in/in2/z.csv", &[]),
            ("in/a.csv", None, "in/a.csv/", &["a.csv"]),
            ("", Some("in2/*"), "in2/", &["in2/z.csv"]),
            ("nowhere", None, "nowhere/", &[]),
        ] {
            let (asked, found) = hits(prefix, file, &keys);
            assert_eq!((asked.as_str(), found), (begins, wanted.iter().map(|name| (*name).to_owned()).collect()), "{prefix} {file:?}");
        }
        let (_, whole) = hits("", None, &keys);
        assert_eq!(whole.len(), 7, "{whole:?}");
    }

    #[test]
    fn a_key_that_is_a_directory_too_hides_nothing_below_it() {
        let object = |key: &str, size_bytes| ObjectSeen { key: key.to_owned(), tag: "\"t\"".to_owned(), size_bytes, modified_ms: 0 };
        let names = |size| {
            let listed = [object("in/d", size), object("in/d/a.csv", 1), object("in/d/b.csv", 1), object("in/d.csv", 1)];
            Pattern::new("in", "d").hits("in", &listed, SourceType::Csv).into_keys().collect::<Vec<_>>()
        };
        assert_eq!(names(0), ["d/a.csv", "d/b.csv"]);
        assert_eq!(names(5), ["d", "d/a.csv", "d/b.csv"]);
        let alone = Pattern::new("in", "d").hits("in", &[object("in/d", 0)], SourceType::Csv);
        assert_eq!(alone.into_keys().collect::<Vec<_>>(), ["d"]);
    }

    #[test]
    fn what_many_patterns_begin_with_is_listed_once() {
        assert_eq!(common(["in/a1", "in/a2", "in/ab"].into_iter()), "in/a");
        assert_eq!(common(["in/é1", "in/è"].into_iter()), "in/");
        assert_eq!(common(["x", "y"].into_iter()), "");
        assert_eq!(common(["x"].into_iter()), "x");
    }
}
