//! A source file: `sources/<name>.yaml`. Described in `docs/format/source.md`.

mod dataset;
pub(crate) mod keys;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::keys::DatasetFile;
use crate::error::{Error, suggest};

pub use self::dataset::{Compression, Dataset, Encoding, SheetChoice};

/// What the files of a connection are.
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
        }
    }
}

/// A directory of files and the datasets in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The source file's name without directory and extension.
    pub name: String,
    /// The source file, for error texts.
    pub file: String,
    pub source_type: SourceType,
    /// A directory, or one file. Relative to the project.
    pub path: PathBuf,
    pub datasets: BTreeMap<String, Dataset>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionFile {
    #[serde(rename = "type")]
    source_type: SourceType,
    path: String,
    datasets: BTreeMap<String, serde_saphyr::Spanned<DatasetFile>>,
}

impl Connection {
    /// Reads a source file's text. `file` is its path, for the name and for error texts.
    ///
    /// # Errors
    /// A key that is not known, a value that does not fit, a key that does not belong to the type: with file, line and advice.
    pub fn parse(yaml: &str, file: &str) -> Result<Self, Error> {
        let parsed: ConnectionFile = serde_saphyr::from_str(yaml).map_err(|error| yaml_error(file, &error))?;
        let wrong = |line: u64, problem: &str, advice: &str| Error::Connection {
            file: file.to_owned(),
            line,
            problem: problem.to_owned(),
            advice: advice.to_owned(),
        };
        let name = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if parsed.path.is_empty() {
            return Err(wrong(line_of(yaml, "path:"), "`path` is empty", "name a directory or a file, relative to the project"));
        }
        if parsed.path.contains("://") {
            return Err(wrong(line_of(yaml, "path:"), "`path` is a URL", "name a directory or a file on this machine"));
        }
        if parsed.datasets.is_empty() {
            return Err(wrong(
                line_of(yaml, "datasets:"),
                "`datasets` is empty",
                "declare at least one, as in `flights: {file: flights*.csv}`",
            ));
        }
        let mut datasets = BTreeMap::new();
        for (dataset, spanned) in parsed.datasets {
            let line = spanned.referenced.line().max(1);
            let built = spanned.value.build(parsed.source_type).map_err(|(problem, advice)| Error::Connection {
                file: file.to_owned(),
                line,
                problem: format!("dataset {dataset}: {problem}"),
                advice: advice.into_owned(),
            })?;
            datasets.insert(dataset, built);
        }
        Ok(Self { name, file: file.to_owned(), source_type: parsed.source_type, path: PathBuf::from(parsed.path), datasets })
    }

    /// The dataset of that name.
    ///
    /// # Errors
    /// When it is not declared; the text names the nearest ones.
    pub fn dataset(&self, name: &str) -> Result<&Dataset, Error> {
        self.datasets.get(name).ok_or_else(|| Error::UnknownDataset {
            connection: self.name.clone(),
            dataset: name.to_owned(),
            advice: suggest(name, self.datasets.keys().map(String::as_str)),
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
