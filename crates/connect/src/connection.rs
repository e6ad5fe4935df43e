//! A source file: `sources/<name>.yaml`. Described in `docs/format/source.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::{Error, suggest};

/// What the files of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceType {
    Csv,
    Ndjson,
    Parquet,
}

impl SourceType {
    /// The word in a source file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
        }
    }
}

/// How the bytes of text stand in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Encoding {
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "latin-1")]
    Latin1,
}

/// How a file is compressed. `Auto` looks at the first bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    #[default]
    Auto,
    None,
    Gzip,
    Zstd,
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

/// Files of one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Names, globs or directories under the connection's path. Empty: the path itself.
    pub files: Vec<String>,
    /// What stands for "no value" in an unquoted CSV cell. `[""]` unless the source file says otherwise.
    pub null_tokens: Vec<String>,
    /// CSV: one ASCII byte. `,` unless declared.
    pub delimiter: u8,
    /// CSV: one ASCII byte, or none. `"` unless declared.
    pub quote: Option<u8>,
    /// CSV: whether the first record holds the names. Without, columns are `column_1`, `column_2` and so on.
    pub header: bool,
    pub encoding: Encoding,
    pub compression: Compression,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionFile {
    #[serde(rename = "type")]
    source_type: SourceType,
    path: String,
    datasets: BTreeMap<String, serde_saphyr::Spanned<DatasetFile>>,
}

#[derive(Default)]
pub(crate) struct DatasetFile {
    file: Option<OneOrMany>,
    null_tokens: Option<Vec<String>>,
    delimiter: Option<String>,
    quote: Option<String>,
    header: Option<bool>,
    encoding: Option<Encoding>,
    compression: Option<Compression>,
}

pub(crate) const DATASET_KEYS: &[&str] = &["file", "null", "delimiter", "quote", "header", "encoding", "compression"];

/// A key of a mapping. YAML takes the plain word `null` for no value, where here it is a key.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
                Ok(Key(text.to_owned()))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Key, E> {
                Ok(Key("null".to_owned()))
            }
            fn visit_none<E: de::Error>(self) -> Result<Key, E> {
                Ok(Key("null".to_owned()))
            }
        }
        deserializer.deserialize_any(KeyVisitor)
    }
}

impl<'de> Deserialize<'de> for DatasetFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DatasetVisitor;
        impl<'de> Visitor<'de> for DatasetVisitor {
            type Value = DatasetFile;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a dataset's settings, such as {file: flights*.csv}")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DatasetFile, A::Error> {
                let mut dataset = DatasetFile::default();
                while let Some(Key(key)) = map.next_key()? {
                    match key.as_str() {
                        "file" => dataset.file = Some(map.next_value()?),
                        "null" => dataset.null_tokens = Some(map.next_value()?),
                        "delimiter" => dataset.delimiter = Some(map.next_value()?),
                        "quote" => dataset.quote = Some(map.next_value()?),
                        "header" => dataset.header = Some(map.next_value()?),
                        "encoding" => dataset.encoding = Some(map.next_value()?),
                        "compression" => dataset.compression = Some(map.next_value()?),
                        other => return Err(de::Error::unknown_field(other, DATASET_KEYS)),
                    }
                }
                Ok(dataset)
            }
        }
        deserializer.deserialize_map(DatasetVisitor)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
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
            let built = dataset_from(spanned.value, parsed.source_type).map_err(|(problem, advice)| Error::Connection {
                file: file.to_owned(),
                line,
                problem: format!("dataset {dataset}: {problem}"),
                advice: advice.to_owned(),
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

fn dataset_from(file: DatasetFile, source_type: SourceType) -> Result<Dataset, (String, &'static str)> {
    if source_type != SourceType::Csv {
        let foreign = [
            ("null", file.null_tokens.is_some()),
            ("delimiter", file.delimiter.is_some()),
            ("quote", file.quote.is_some()),
            ("header", file.header.is_some()),
            ("encoding", file.encoding == Some(Encoding::Latin1)),
        ];
        if let Some((key, _)) = foreign.iter().find(|(_, set)| *set) {
            return Err((format!("`{key}` has no meaning for type {}", source_type.as_str()), "remove it"));
        }
    }
    if source_type == SourceType::Parquet && !matches!(file.compression, None | Some(Compression::Auto | Compression::None)) {
        return Err(("`compression` has no meaning for type parquet, which compresses inside".to_owned(), "remove it"));
    }
    let byte = |key: &str, text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
        _ => Err((format!("`{key}` is not one ASCII character"), "give one character, such as \";\" or \"\\t\"")),
    };
    let delimiter = file.delimiter.as_deref().map_or(Ok(b','), |text| byte("delimiter", text))?;
    let quote = match file.quote.as_deref() {
        None => Some(b'"'),
        Some("") => None,
        Some(text) => Some(byte("quote", text)?),
    };
    if quote == Some(delimiter) {
        return Err(("`quote` and `delimiter` are the same character".to_owned(), "choose two different ones"));
    }
    let files = match file.file {
        None => Vec::new(),
        Some(OneOrMany::One(one)) => vec![one],
        Some(OneOrMany::Many(many)) if many.is_empty() => {
            return Err(("`file` is an empty list".to_owned(), "name at least one file, or remove `file` to read the path itself"));
        }
        Some(OneOrMany::Many(many)) => many,
    };
    for pattern in &files {
        if pattern.is_empty() || Path::new(pattern).is_absolute() || Path::new(pattern).components().any(|part| part.as_os_str() == "..") {
            return Err(("`file` is empty, absolute or climbs out of `path`".to_owned(), "name it relative to `path`, without `..`"));
        }
        if globset::Glob::new(pattern).is_err() {
            return Err(("`file` is not a glob".to_owned(), "use *, ?, [..], {a,b} and ** as in file names"));
        }
    }
    let null_tokens = file.null_tokens.unwrap_or_else(|| if source_type == SourceType::Csv { vec![String::new()] } else { Vec::new() });
    Ok(Dataset {
        files,
        null_tokens,
        delimiter,
        quote,
        header: file.header.unwrap_or(true),
        encoding: file.encoding.unwrap_or_default(),
        compression: file.compression.unwrap_or_default(),
    })
}

/// The first line on which a key stands, from 1.
fn line_of(yaml: &str, key: &str) -> u64 {
    let index = yaml.lines().position(|line| line.trim_start().starts_with(key)).unwrap_or(0);
    u64::try_from(index).unwrap_or(0).saturating_add(1)
}

fn yaml_error(file: &str, error: &serde_saphyr::Error) -> Error {
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
