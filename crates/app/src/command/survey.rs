//! `polder source propose`: source files for what lies in a directory. What is read by them is for the reader of the proposal to say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use polder_connect::{Bucket, Connection, FolderFile, Recognised, RecognisedDataset, SourceType, files_of, folder, folder_in_bucket};
use polder_contract::edit::quoted;
use polder_policy::Action;
use polder_types::{ErrorKind, TableName, printable};

use crate::bucket_source;
use crate::cli::SourceBucketArgs;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::print::{note, text};
use crate::project::Project;
use crate::project_file;
use crate::sampling::{table_for, table_with_ending};
use crate::schema::{Kind, header};

/// Most columns of which it is told that they hold lists.
const LISTS_SHOWN: usize = 5;
/// More datasets than a directory may give.
const DRAFTS_MAX: usize = 200_000;

/// A dataset that is to be.
struct Draft {
    source_type: SourceType,
    name: String,
    /// Its files under the directory.
    files: Vec<String>,
    /// One pattern for them, where it meets no other file.
    pattern: Option<String>,
    seen: RecognisedDataset,
    /// The names of its columns, as far as they are known without its layout.
    columns: Vec<String>,
    nested: Vec<String>,
}

/// Looks at the files of a directory, or the objects below a prefix of a bucket, and proposes sources for those that none reads.
///
/// # Errors
/// When the look is not permitted, the directory cannot be listed, or a file cannot be written.
pub async fn propose(installation: &Installation, dir: &Path, bucket: &SourceBucketArgs, name: Option<&str>, write: bool) -> Outcome {
    let project = &installation.project;
    let place = match dir.to_str().filter(|dir| dir.starts_with("s3://")) {
        Some(location) => Place::in_bucket(location, bucket)?,
        None if settings_of(bucket).is_empty() => Place::of(project, dir)?,
        None => {
            let text = format!("look at {}: it is not in a bucket, and keys to one are named; write s3://BUCKET/PREFIX", dir.display());
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
    };
    let name = match name {
        Some(name) => table_for(name)?.to_string(),
        None => table_for(&place.name)?.to_string(),
    };
    let sources = project.sources()?;
    // A bucket is not asked for the sake of a directory.
    let beside =
        sources.iter().filter(|source| source.bucket.as_ref().map(|bucket| &bucket.name) == place.bucket.as_ref().map(|of| &of.name));
    let known: Vec<(&Connection, BTreeSet<PathBuf>)> = beside.map(|source| (source, files_of(source, project.read_options()))).collect();
    let (files, failed) = match &place.bucket {
        Some(bucket) => folder_in_bucket(bucket, project.read_options())?,
        None => folder(&place.full)?,
    };
    for error in failed {
        tell(&format!("  not read: {}", Failure::from(error).text()));
    }
    let files: Vec<FolderFile> = files.into_iter().filter(|file| place.file.as_ref().is_none_or(|only| only == file.name())).collect();
    let mut drafts = Vec::new();
    let mut read_already = 0;
    for file in &files {
        let real = file.real();
        if known.iter().any(|(_, files)| real.as_ref().is_some_and(|real| files.contains(real))) {
            read_already += 1;
            continue;
        }
        look(installation, &place, file, &mut drafts).await?;
    }
    if read_already > 0 {
        tell(&format!("{read_already} of {} files are read by a source already", files.len()));
    }
    if drafts.is_empty() {
        return text(&format!("no file in {} is for a new source", place.shown));
    }
    let names: Vec<&str> = files.iter().map(FolderFile::name).collect();
    let mut drafts = grouped(drafts, &names)?;
    distinct(&mut drafts, &sources, |name| project.path(&layout_path(name)).exists());
    for draft in &drafts {
        // Under the name that it has now it was not asked for, where another had its own.
        drop(installation.may(Action::Sample, table_for(&draft.name)?.as_str()).await?);
    }
    let written = sources_for(project, &place, &name, &drafts, &sources);
    for (place, file) in written.iter().enumerate() {
        if write {
            let path = project.path(&file.path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)
                    .map_err(|error| Failure::because(ErrorKind::Unavailable, format!("make {}", parent.display()), &error))?;
            }
            project_file::replace(&path, &file.text)?;
            text(&format!("wrote {}{}", file.path, file.done))?;
        } else {
            note(&format!("{} would hold:", file.path));
            if place > 0 {
                text("---")?;
            }
            text(file.text.trim_end_matches('\n'))?;
        }
    }
    if write {
        text("next: read and correct them, then polder contract propose --write")
    } else {
        note("nothing was written; --write writes it");
        Ok(())
    }
}

/// A directory, or a file in one, of which sources are proposed.
struct Place {
    full: PathBuf,
    /// As a source file says it.
    path: String,
    shown: String,
    /// Its last name.
    name: String,
    /// The only file that is looked at.
    file: Option<String>,
    bucket: Option<Bucket>,
    /// What a source file says of the bucket, as YAML.
    s3: String,
}

/// What a source file says of a bucket, key by key.
fn settings_of(bucket: &SourceBucketArgs) -> Vec<(&'static str, String)> {
    let texts = [
        ("endpoint", &bucket.endpoint),
        ("region", &bucket.region),
        ("access_key_id", &bucket.access_key_id),
        ("secret_access_key", &bucket.secret_access_key),
        ("session_token", &bucket.session_token),
        ("ca", &bucket.ca),
    ];
    let said = texts.into_iter().filter_map(|(key, text)| Some((key, quoted(text.as_ref()?))));
    said.chain(bucket.plain_loopback.then(|| ("plain_loopback", "true".to_owned()))).collect()
}

impl Place {
    fn in_bucket(location: &str, args: &SourceBucketArgs) -> Outcome<Self> {
        let settings = settings_of(args);
        let s3 = match settings.is_empty() {
            true => String::new(),
            false => "s3:\n".to_owned() + &settings.iter().map(|(key, value)| format!("  {key}: {value}\n")).collect::<String>(),
        };
        // As the source file will be read: what is wrong is told of the words of the command.
        let text = format!("type: csv\npath: {}\n{s3}datasets: {{all: {{}}}}\n", quoted(location));
        let connection = bucket_source::parse(&text, "s3.yaml").map_err(|error| match error {
            polder_connect::Error::Connection { problem, advice, .. } => {
                // What is no place in a bucket is not repeated: keys may stand in it.
                Failure::new(ErrorKind::Invalid, format!("look at the objects of a bucket: {problem}; {advice}"))
            }
            error => error.into(),
        })?;
        let Some(bucket) = connection.bucket else {
            return Err(Failure::new(ErrorKind::Internal, "look at a bucket that is none; report this as a defect"));
        };
        let path = bucket.location();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self { full: PathBuf::from(&path), shown: path.clone(), path, name, file: None, bucket: Some(bucket), s3 })
    }

    fn of(project: &Project, dir: &Path) -> Outcome<Self> {
        let unavailable = |error| Failure::because(ErrorKind::Unavailable, format!("look at {}", dir.display()), &error);
        let real = dir.canonicalize().map_err(unavailable)?;
        let root = project.dir().canonicalize().map_err(unavailable)?;
        let (full, file) = if real.is_dir() {
            (real, None)
        } else {
            let name = real.file_name().map(|name| name.to_string_lossy().into_owned());
            (real.parent().map(Path::to_path_buf).unwrap_or_default(), name)
        };
        if root.starts_with(&full)
            || ["sources", "contracts", "models", "policies", "layouts", "rules"].iter().any(|own| full.starts_with(root.join(own)))
        {
            let text = format!("look at {}: it holds the project's own files; name a directory of data", dir.display());
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
        let path = full.strip_prefix(&root).unwrap_or(&full);
        let Some(path) = path.to_str().map(str::to_owned) else {
            return Err(Failure::new(ErrorKind::Invalid, format!("look at {}: its name is not UTF-8; rename it", dir.display())));
        };
        let name = full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { shown: dir.display().to_string(), path, name, full, file, bucket: None, s3: String::new() })
    }
}

/// Adds what a file is to the drafts; tells why where it is nothing.
async fn look(installation: &Installation, place: &Place, file: &FolderFile, drafts: &mut Vec<Draft>) -> Outcome {
    let stem = stem(file.name());
    let Ok(table) = table_for(stem) else {
        tell(&format!("  not read: {}: no table can have its name; rename it", file.name()));
        return Ok(());
    };
    let recognised = match installation.recognise(file, &table, &place.path).await? {
        Ok(Recognised::As(source_type, datasets)) => (source_type, datasets),
        Ok(Recognised::Nothing(why)) => {
            tell(&format!("  not read: {}: {why}", file.name()));
            return Ok(());
        }
        Err(failure) => {
            tell(&format!("  not read: {}: {}", file.name(), failure.text()));
            return Ok(());
        }
    };
    let (source_type, datasets) = recognised;
    for seen in datasets {
        let name = match &seen.part {
            Some(part) => match table_for(&format!("{stem}_{part}")) {
                Ok(name) => name,
                Err(_) => {
                    tell(&format!("  not read: {}, sheet {part}: no table can have their name; rename one of them", file.name()));
                    continue;
                }
            },
            None => table.clone(),
        };
        let files = vec![file.name().to_owned()];
        let mut draft = Draft { source_type, name: name.to_string(), files, pattern: None, seen, columns: Vec::new(), nested: Vec::new() };
        // Where its columns are stands in a layout that is not yet.
        if source_type != SourceType::Fixed
            && let Err(failure) = columns(installation, place, &mut draft, &name).await?
        {
            tell(&format!("  not read: {}: {}", file.name(), failure.text()));
            continue;
        }
        drafts.push(draft);
    }
    Ok(())
}

/// Finds the columns of a draft by reading it as it is proposed; the inner error is the source's.
async fn columns(installation: &Installation, place: &Place, draft: &mut Draft, table: &TableName) -> Outcome<Outcome> {
    for _ in 0..2 {
        let text = source_text("", place, draft.source_type, &[&*draft]);
        let connection = match Connection::parse(&text, &format!("{}.yaml", draft.name)) {
            Ok(connection) => connection,
            Err(error) => return Ok(Err(error.into())),
        };
        let sample = match installation.sample(&connection, &draft.name, std::slice::from_ref(table), None).await {
            Ok(sample) => sample,
            // What is wrong with the file is told of it; that nobody may look ends everything.
            Err(failure) if matches!(failure.kind(), ErrorKind::Rejected | ErrorKind::Unavailable) => return Ok(Err(failure)),
            Err(failure) => return Err(failure),
        };
        if sample.is_named_by_values() {
            draft.seen.keys.push("header: false".to_owned());
            continue;
        }
        let nested = |column: &&polder_connect::SampledColumn| column.kind == polder_connect::InferredKind::Nested;
        draft.nested =
            sample.columns.iter().filter(nested).filter(|column| !column.names_somebody()).map(|column| column.name.clone()).collect();
        draft.columns = sample.columns.into_iter().map(|column| column.name).collect();
        break;
    }
    Ok(Ok(()))
}

/// A file's name without directories and endings.
fn stem(name: &str) -> &str {
    let base = name.rsplit('/').next().unwrap_or(name);
    let lower = base.to_lowercase();
    let packed = [".gz", ".zst"].iter().find(|ending| lower.ends_with(**ending)).map_or(0, |ending| ending.len());
    let base = base.get(..base.len() - packed).unwrap_or(base);
    base.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map_or(base, |(stem, _)| stem)
}

/// What a file's name begins with before a number or a date at its end, and what follows that.
fn series(name: &str) -> Option<(&str, &str)> {
    let stem = stem(name);
    let start = name.len() - name.rsplit('/').next()?.len();
    let prefix = stem.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | ' '));
    if prefix.is_empty() || prefix.len() == stem.len() || !stem.get(prefix.len()..)?.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // Signs before the number belong to the files' common beginning.
    let number = stem.get(prefix.len()..)?.find(|c: char| c.is_ascii_digit())?;
    Some((name.get(..start + prefix.len() + number)?, name.get(start + stem.len()..)?))
}

/// Makes one dataset of files whose names differ by a number or a date at their end and that are alike in everything else.
fn grouped(drafts: Vec<Draft>, names: &[&str]) -> Outcome<Vec<Draft>> {
    let mut grouped: Vec<Draft> = Vec::new();
    let mut series_of: BTreeMap<(String, String), usize> = BTreeMap::new();
    for draft in drafts {
        let own = draft.files.first().and_then(|name| series(name)).filter(|_| draft.seen.part.is_none() && draft.seen.layout.is_none());
        let Some((prefix, ending)) = own else {
            grouped.push(draft);
            continue;
        };
        let key = (prefix.to_owned(), ending.to_owned());
        let place = series_of.get(&key).copied();
        match place.and_then(|place| grouped.get_mut(place)) {
            Some(known) if known.source_type == draft.source_type && known.seen == draft.seen && known.columns == draft.columns => {
                known.files.extend(draft.files);
            }
            Some(_) => grouped.push(draft),
            None => {
                series_of.insert(key, grouped.len());
                grouped.push(draft);
            }
        }
    }
    for ((prefix, ending), place) in &series_of {
        let Some(draft) = grouped.get_mut(*place).filter(|draft| draft.files.len() > 1) else { continue };
        let base = prefix.rsplit('/').next().unwrap_or(prefix);
        draft.name = table_for(base.trim_end_matches(['-', '_', '.', ' ']))?.to_string();
        let meets = |name: &&&str| {
            name.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_suffix(ending.as_str())).is_some_and(|rest| !rest.contains('/'))
        };
        let is_plain = !prefix.contains(['*', '?', '[', ']', '{', '}', '\\', '!']);
        if is_plain && names.iter().filter(meets).count() == draft.files.len() {
            draft.pattern = Some(format!("{prefix}*{ending}"));
        }
    }
    Ok(grouped)
}

/// Gives each dataset a name that no other has, since tables are called by it.
fn distinct(drafts: &mut [Draft], sources: &[Connection], has_layout: impl Fn(&str) -> bool) {
    let mut taken: BTreeSet<String> = sources.iter().flat_map(|source| source.datasets.keys().cloned()).collect();
    for draft in drafts {
        // A layout that is there is somebody's.
        let is_free = |name: &TableName| !taken.contains(name.as_str()) && (draft.seen.layout.is_none() || !has_layout(name.as_str()));
        let directory = draft.files.first().and_then(|file| file.rsplit_once('/'));
        let beside = directory.and_then(|(dirs, _)| table_with_ending(dirs, &format!("_{}", draft.name)).ok());
        let ty = draft.source_type.as_str();
        let endings = std::iter::once(format!("_{ty}")).chain((2..=DRAFTS_MAX).map(|number| format!("_{ty}_{number}")));
        let typed = endings.filter_map(|ending| table_with_ending(&draft.name, &ending).ok());
        let found = table_for(&draft.name).ok().into_iter().chain(beside).chain(typed).find(is_free);
        if let Some(name) = found {
            draft.name = name.to_string();
        }
        taken.insert(draft.name.clone());
    }
}

/// A file that is written.
struct Written {
    /// Under the project.
    path: String,
    text: String,
    done: String,
}

/// One source for each type, and the layouts.
fn sources_for(project: &Project, place: &Place, name: &str, drafts: &[Draft], sources: &[Connection]) -> Vec<Written> {
    let mut by_type: BTreeMap<&str, Vec<&Draft>> = BTreeMap::new();
    for draft in drafts {
        by_type.entry(draft.source_type.as_str()).or_default().push(draft);
    }
    let alone = by_type.len() == 1;
    let head = header(project.dir(), Kind::Source, "../");
    let mut written = Vec::new();
    for (ty, drafts) in &by_type {
        let Some(source_type) = drafts.first().map(|draft| draft.source_type) else { continue };
        let base = if alone { name.to_owned() } else { format!("{name}_{ty}") };
        let free =
            |name: &String| !sources.iter().any(|source| source.name == *name) && !project.path(&format!("sources/{name}.yaml")).exists();
        let numbered = (2..=DRAFTS_MAX).map(|number| format!("{base}_{number}"));
        let Some(source) = std::iter::once(base.clone()).chain(numbered).find(free) else { continue };
        for draft in drafts {
            describe(&source, draft);
            if let Some(layout) = &draft.seen.layout {
                let text = header(project.dir(), Kind::Layout, "../") + layout;
                written.push(Written { path: layout_path(&draft.name), text, done: format!(" for {source}.{}", draft.name) });
            }
        }
        let done = match drafts.len() {
            1 => ": 1 dataset".to_owned(),
            many => format!(": {many} datasets"),
        };
        let text = source_text(&head, place, source_type, drafts);
        written.push(Written { path: format!("sources/{source}.yaml"), text, done });
    }
    written
}

fn layout_path(name: &str) -> String {
    format!("layouts/{name}.yaml")
}

fn source_text(head: &str, place: &Place, source_type: SourceType, drafts: &[&Draft]) -> String {
    let mut text = format!("{head}type: {}\npath: {}\n{}datasets:\n", source_type.as_str(), quoted(&place.path), place.s3);
    for draft in drafts {
        let files = match (&draft.pattern, draft.files.as_slice()) {
            (Some(pattern), _) => quoted(pattern),
            (None, [file]) => quoted(file),
            (None, files) => format!("[{}]", files.iter().map(|file| quoted(file)).collect::<Vec<_>>().join(", ")),
        };
        let layout = draft.seen.layout.as_ref().map(|_| format!("layout: {}", quoted(&layout_path(&draft.name))));
        let keys: Vec<&str> = draft.seen.keys.iter().chain(&layout).map(String::as_str).collect();
        let keys = if keys.is_empty() { String::new() } else { format!(", {}", keys.join(", ")) };
        text += &format!("  {}: {{file: {files}{keys}}}\n", quoted(&draft.name));
    }
    text
}

/// What was found, for whoever reads the proposal.
fn describe(source: &str, draft: &Draft) {
    let files = match draft.files.as_slice() {
        [file] => file.clone(),
        files => format!("{} files", files.len()),
    };
    let keys = if draft.seen.keys.is_empty() { String::new() } else { format!(" ({})", draft.seen.keys.join(", ")) };
    tell(&format!("{source}.{}: {files}{keys}", draft.name));
    if let Some(note) = draft.seen.note {
        tell(&format!("  {note}: {}", layout_path(&draft.name)));
    }
    if !draft.nested.is_empty() && matches!(draft.source_type, SourceType::Json | SourceType::Ndjson) {
        let shown: Vec<&str> = draft.nested.iter().take(LISTS_SHOWN).map(String::as_str).collect();
        tell(&format!("  hold lists or objects: {}; `explode` makes a row of each element", shown.join(", ")));
    }
}

/// One line on standard error, whatever a name holds.
fn tell(line: &str) {
    note(&printable(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_endings_and_series_their_numbers() {
        for (name, wanted) in [("a.csv", "a"), ("d/a.b.csv.gz", "a.b"), (".x", ".x"), ("x", "x"), ("d/é.CSV.ZST", "é")] {
            assert_eq!(stem(name), wanted, "{name}");
        }
        for (name, wanted) in [
            ("sales_2024-01.csv", Some(("sales_", ".csv"))),
            ("d/sales 7.csv.gz", Some(("d/sales ", ".csv.gz"))),
            ("d7/sales.csv", None),
            ("2024.csv", None),
            ("sales_.csv", None),
            ("s3.csv", Some(("s", ".csv"))),
        ] {
            assert_eq!(series(name), wanted, "{name}");
        }
    }

    fn draft(file: &str, columns: &[&str]) -> Draft {
        Draft {
            source_type: SourceType::Csv,
            name: table_for(stem(file)).unwrap().to_string(),
            files: vec![file.to_owned()],
            pattern: None,
            seen: RecognisedDataset::default(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            nested: Vec::new(),
        }
    }

    #[test]
    fn files_of_one_series_are_one_dataset_only_where_they_are_alike() {
        let names = ["sales_01.csv", "sales_02.csv", "sales_03.csv", "stock_1.csv", "stock_2.csv", "stock_old.csv"];
        let drafts = vec![
            draft("sales_01.csv", &["a", "b"]),
            draft("sales_02.csv", &["a", "b"]),
            draft("sales_03.csv", &["a", "c"]),
            draft("stock_1.csv", &["a"]),
            draft("stock_2.csv", &["a"]),
            draft("stock_old.csv", &["z"]),
        ];
        let mut drafts = grouped(drafts, &names).unwrap();
        distinct(&mut drafts, &[], |_| false);
        let drafts: Vec<&Draft> = drafts.iter().collect();
        let text = source_text("", &place("data", ""), SourceType::Csv, &drafts);
        // A pattern that met the third file of sales would read it with the wrong columns.
        assert_eq!(
            text,
            "type: csv\npath: data\ndatasets:\n  sales: {file: [sales_01.csv, sales_02.csv]}\n  sales_03: {file: sales_03.csv}\n  \
             stock: {file: [stock_1.csv, stock_2.csv]}\n  stock_old: {file: stock_old.csv}\n"
        );
        let connection = Connection::parse(&text, "s.yaml").unwrap();
        assert_eq!(connection.datasets.len(), 4);
    }

    fn place(path: &str, s3: &str) -> Place {
        let (path, s3) = (path.to_owned(), s3.to_owned());
        Place { full: PathBuf::from(&path), shown: path.clone(), name: path.clone(), path, file: None, bucket: None, s3 }
    }

    #[test]
    fn a_source_of_a_bucket_says_how_it_is_reached() {
        let args = SourceBucketArgs {
            endpoint: Some("https://minio.example:9000".to_owned()),
            access_key_id: Some("env:ID".to_owned()),
            secret_access_key: Some("file:key".to_owned()),
            ..SourceBucketArgs::default()
        };
        let place = Place::in_bucket("s3://lake/in/2026/", &args).unwrap();
        assert_eq!((place.path.as_str(), place.name.as_str()), ("s3://lake/in/2026", "2026"));
        let text = source_text("", &place, SourceType::Csv, &[&draft("a.csv", &[])]);
        let source = bucket_source::parse(&text, "sources/a.yaml").unwrap();
        assert_eq!(source.bucket, place.bucket);
        let wrong = |args: &SourceBucketArgs| Place::in_bucket("s3://lake/in", args).err().unwrap().to_string();
        let secret = SourceBucketArgs { access_key_id: Some("env:ID".to_owned()), secret_access_key: Some("geheim".to_owned()), ..args };
        let text = wrong(&secret);
        assert!(text.contains("`secret_access_key` is not a reference") && !text.contains("geheim"), "{text}");
        assert!(wrong(&SourceBucketArgs::default()).contains("`s3` with the keys to it is missing"));
    }

    #[test]
    fn a_layout_that_is_there_stays_whose_it_is() {
        let mut prices = draft("prices.txt", &[]);
        prices.seen.layout = Some("unit: bytes\n".to_owned());
        let mut drafts = vec![prices];
        distinct(&mut drafts, &[], |name| name == "prices");
        assert_eq!(layout_path(&drafts[0].name), "layouts/prices_csv.yaml");
    }

    #[test]
    fn a_series_without_others_between_is_a_pattern_and_equal_names_are_told_apart() {
        let mut drafts = grouped(
            vec![draft("x/sales-01.csv", &[]), draft("x/sales-02.csv", &[]), draft("y/sales.csv", &[])],
            &["x/sales-01.csv", "x/sales-02.csv", "y/sales.csv"],
        )
        .unwrap();
        distinct(&mut drafts, &[], |_| false);
        let named: Vec<(&str, Option<&str>)> = drafts.iter().map(|draft| (draft.name.as_str(), draft.pattern.as_deref())).collect();
        assert_eq!(named, [("sales", Some("x/sales-*.csv")), ("y_sales", None)]);
    }

    #[test]
    fn names_that_are_told_apart_are_tables_names_still() {
        let long = "a".repeat(63);
        let file = |dir: &str| format!("{dir}/{long}.csv");
        // No directory has room beside a name of this length; of one that is shorter it has its beginning.
        let mut drafts: Vec<Draft> = ["x", "y", "z"].map(|dir| draft(&file(dir), &[])).into();
        let shorter = &long[..60];
        drafts.extend(["x", "yes"].map(|dir| draft(&format!("{dir}/{shorter}.csv"), &[])));
        distinct(&mut drafts, &[], |_| false);
        let names: Vec<&str> = drafts.iter().map(|draft| draft.name.as_str()).collect();
        let cut = |room: usize, ending: &str| long[..room].to_owned() + ending;
        assert_eq!(names, [long.as_str(), &cut(59, "_csv"), &cut(57, "_csv_2"), shorter, &format!("ye_{shorter}")]);
        assert!(names.iter().all(|name| TableName::new(name).is_ok()));
    }
}
