//! A source file: `sources/<name>.yaml`. Described in `docs/format/source.md`.

mod bucket;
pub(crate) mod database;
mod dataset;
pub(crate) mod keys;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub(crate) use self::bucket::BucketFile;
use self::keys::DatasetFile;
use crate::error::{Error, suggest};

pub use self::bucket::Bucket;
pub(crate) use self::database::is_reference;
pub use self::database::{Cursor, Database, Driver, NullCursors};
pub use self::dataset::{Compression, Dataset, Encoding, PushFormat, PushLimits, SheetChoice};

/// What a connection reads: files of a format, or a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceType {
    Csv,
    Fixed,
    Ndjson,
    Json,
    Xml,
    Excel,
    Parquet,
    Avro,
    Arrow,
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    Sqlite,
    /// Whatever an ADBC driver reads.
    Adbc,
    /// Nothing is read: programs send rows to it.
    Push,
}

impl SourceType {
    /// The word in a source file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Fixed => "fixed",
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Excel => "excel",
            Self::Parquet => "parquet",
            Self::Avro => "avro",
            Self::Arrow => "arrow",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
            Self::Adbc => "adbc",
            Self::Push => "push",
        }
    }

    /// Whether it is a database, not files of a format.
    pub const fn is_database(self) -> bool {
        matches!(self, Self::Postgres | Self::Mysql | Self::Sqlite | Self::Adbc)
    }
}

/// A directory of files, or a database, and the datasets in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The source file's name without directory and extension.
    pub name: String,
    /// The source file, for error texts.
    pub file: String,
    pub source_type: SourceType,
    /// A directory, or one file. Relative to the project. Empty for a database that is no file; of a bucket only what is shown.
    pub path: PathBuf,
    /// The bucket, where files lie in one.
    pub bucket: Option<Bucket>,
    /// Of a database those alone of which something is said.
    pub datasets: BTreeMap<String, Dataset>,
    /// What is said of a database.
    pub database: Option<Database>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionFile {
    #[serde(rename = "type")]
    source_type: SourceType,
    path: Option<String>,
    s3: Option<BucketFile>,
    url: Option<String>,
    password: Option<String>,
    ca: Option<String>,
    plain_loopback: Option<bool>,
    timeout: Option<String>,
    tables: Option<Vec<String>>,
    queries: Option<BTreeMap<String, String>>,
    driver: Option<String>,
    driver_sha256: Option<String>,
    options: Option<BTreeMap<String, String>>,
    datasets: Option<BTreeMap<String, serde_saphyr::Spanned<DatasetFile>>>,
}

impl Connection {
    /// Reads a source file's text. `file` is its path, for the name and for error texts.
    ///
    /// # Errors
    /// A key that is not known, a value that does not fit, a key that does not belong to the type: with file, line and advice.
    pub fn parse(yaml: &str, file: &str) -> Result<Self, Error> {
        let mut parsed: ConnectionFile = serde_saphyr::from_str(yaml).map_err(|error| yaml_error(file, &error))?;
        let wrong = |line: u64, problem: String, advice: Cow<'static, str>| Error::Connection {
            file: file.to_owned(),
            line,
            problem,
            advice: advice.into_owned(),
        };
        let at = |key: &str| line_of(yaml, &format!("{key}:"));
        let source_type = parsed.source_type;
        let name = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let declared = parsed.datasets.take();
        let (path, bucket, database) = match source_type.is_database() {
            _ if source_type == SourceType::Push => {
                parsed.pushed(declared.is_some()).map_err(|(key, (problem, advice))| wrong(at(key), problem, advice))?;
                (PathBuf::new(), None, None)
            }
            true => {
                let (path, database) = parsed.database().map_err(|(key, (problem, advice))| wrong(at(key), problem, advice))?;
                (path, None, database)
            }
            false => {
                let (path, bucket) =
                    parsed.files(declared.is_some()).map_err(|(key, (problem, advice))| wrong(at(key), problem, advice))?;
                (path, bucket, None)
            }
        };
        if declared.as_ref().is_some_and(BTreeMap::is_empty) {
            let advice = match source_type.is_database() {
                true => "remove it, or say something of one, as in `adt.stay: {cursor: updated_at}`",
                false if source_type == SourceType::Push => "declare at least one, as in `orders: {}`",
                false => "declare at least one, as in `flights: {file: flights*.csv}`",
            };
            return Err(wrong(at("datasets"), "`datasets` is empty".to_owned(), advice.into()));
        }
        let mut datasets = BTreeMap::new();
        for (dataset, spanned) in declared.unwrap_or_default() {
            let line = spanned.referenced.line().max(1);
            if database.as_ref().is_some_and(|database| !database.declares(&dataset)) {
                let problem = format!("dataset {dataset}: neither `tables` nor `queries` holds it");
                return Err(wrong(line, problem, "write it as the database lists it, such as adt.stay, and let `tables` match it".into()));
            }
            let built = spanned
                .value
                .build(source_type)
                .map_err(|(problem, advice)| wrong(line, format!("dataset {dataset}: {problem}"), advice))?;
            datasets.insert(dataset, built);
        }
        Ok(Self { name, file: file.to_owned(), source_type, path, bucket, datasets, database })
    }

    /// Names and patterns of what the file declares, without a look at the source: of a database its queries and the patterns of its
    /// tables.
    pub fn declared(&self) -> Vec<&str> {
        match &self.database {
            None => self.datasets.keys().map(String::as_str).collect(),
            Some(database) => database.queries.keys().map(String::as_str).chain(database.tables.iter().map(String::as_str)).collect(),
        }
    }

    /// Whether a pattern of a database's tables stands for a dataset.
    pub fn tables_match(&self, pattern: &str, dataset: &str) -> bool {
        globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(dataset))
    }

    /// The dataset of that name.
    ///
    /// # Errors
    /// When it is not declared; the text names the nearest ones.
    pub fn dataset(&self, name: &str) -> Result<&Dataset, Error> {
        // Of a table about which nothing is said there is nothing to know.
        let plain = self.database.as_ref().filter(|database| database.declares(name)).map(|database| &database.plain);
        self.datasets.get(name).or(plain).ok_or_else(|| Error::UnknownDataset {
            connection: self.name.clone(),
            dataset: name.to_owned(),
            advice: suggest(name, self.declared().into_iter()),
        })
    }
}

/// The first line on which a key stands, from 1.
fn line_of(yaml: &str, key: &str) -> u64 {
    let index = yaml.lines().position(|line| line.trim_start().starts_with(key)).unwrap_or(0);
    u64::try_from(index).unwrap_or(0).saturating_add(1)
}

pub(crate) fn yaml_error(file: &str, error: &serde_saphyr::Error) -> Error {
    let line = error.location().map_or(1, |location| location.line().max(1));
    let error = error.without_snippet();
    let (problem, advice) = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key `{field}`"), suggest(field, expected.iter().copied()))
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => (format!("`{field}` is missing"), format!("add `{field}`")),
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown word `{variant}`"), suggest(variant, expected.iter().copied()))
        }
        serde_saphyr::Error::NullIntoString { .. } => (
            "a text is missing, or is the plain word null".to_owned(),
            "write a text; quote it to mean the word itself, as in \"null\"".to_owned(),
        ),
        serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
            (format!("key `{}` stands there twice", key.as_deref().unwrap_or_default()), "remove one of them".to_owned())
        }
        // What stands there instead is not repeated: it may be a secret.
        serde_saphyr::Error::SerdeInvalidType { expected, .. } | serde_saphyr::Error::SerdeInvalidValue { expected, .. } => {
            ("the YAML does not fit".to_owned(), format!("correct it: expected {expected}"))
        }
        _ => match first_line(&error.to_string()) {
            // In the parser's own words this is a debug text.
            what if what.starts_with("budget breached") => {
                ("the document unfolds to more than a project file may hold".to_owned(), "write it shorter, and without aliases".to_owned())
            }
            what => ("the YAML does not fit".to_owned(), format!("correct it: {what}")),
        },
    };
    Error::Connection { file: file.to_owned(), line, problem, advice }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
