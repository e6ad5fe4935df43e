//! The keys of a dataset: which there are, for which types, and what they may hold.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::SourceType::{self, Adbc, Arrow, Avro, Csv, Excel, Fixed, Json, Mysql, Ndjson, Parquet, Postgres, Push, Sqlite, Xml};
use super::database::CursorFile;
use super::dataset::{CellRange, Compression, Dataset, Encoding, PushFormat, PushLimits, SheetChoice};
use crate::error::suggest;
use crate::json::path::JsonPath;
use crate::xml::path::RecordPath;

/// What is wrong with a key, and what to do.
pub(super) type Wrong = (String, Cow<'static, str>);

/// Encodings that are offered when another word stands there.
pub(crate) const ENCODINGS: [&str; 7] = ["utf-8", "latin-1", "windows-1252", "iso-8859-15", "utf-16le", "utf-16be", "macintosh"];

/// Each key and the types for which it means something.
pub(crate) const KEYS: &[(&str, &[SourceType])] = &[
    ("file", &[Csv, Fixed, Ndjson, Json, Xml, Excel, Parquet, Avro, Arrow]),
    ("null", &[Csv, Fixed, Xml, Excel, Push]),
    ("decimal", &[Csv, Fixed, Xml]),
    ("delimiter", &[Csv, Push]),
    ("quote", &[Csv, Push]),
    ("escape", &[Csv]),
    ("comment", &[Csv]),
    ("trailing_delimiter", &[Csv]),
    ("header", &[Csv, Excel]),
    ("skip_rows", &[Csv, Fixed, Excel]),
    ("encoding", &[Csv, Fixed]),
    ("compression", &[Csv, Fixed, Ndjson, Json, Xml]),
    ("sheet", &[Excel]),
    ("range", &[Excel]),
    ("records", &[Json]),
    ("explode", &[Json, Ndjson]),
    ("parent", &[Json, Ndjson]),
    ("record", &[Xml]),
    ("layout", &[Fixed]),
    ("cursor", &[Postgres, Mysql, Sqlite, Adbc]),
    ("split", &[Postgres]),
    ("format", &[Push]),
    ("max_bytes", &[Push]),
    ("max_rows", &[Push]),
];

pub(crate) const DATASET_KEYS: &[&str] = &[
    "file",
    "null",
    "decimal",
    "delimiter",
    "quote",
    "escape",
    "comment",
    "trailing_delimiter",
    "header",
    "skip_rows",
    "encoding",
    "compression",
    "sheet",
    "range",
    "records",
    "explode",
    "parent",
    "record",
    "layout",
    "cursor",
    "split",
    "format",
    "max_bytes",
    "max_rows",
];

/// A dataset as it is written.
#[derive(Default)]
pub(crate) struct DatasetFile {
    present: Vec<&'static str>,
    file: Option<OneOrMany>,
    null_tokens: Option<Vec<String>>,
    decimal: Option<String>,
    delimiter: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    comment: Option<String>,
    trailing_delimiter: Option<bool>,
    header: Option<bool>,
    skip_rows: Option<u32>,
    encoding: Option<String>,
    compression: Option<Compression>,
    sheet: Option<NumberOrName>,
    range: Option<String>,
    records: Option<String>,
    explode: Option<String>,
    parent: Option<BTreeMap<String, String>>,
    record: Option<String>,
    layout: Option<String>,
    cursor: Option<CursorFile>,
    split: Option<String>,
    format: Option<FormatFile>,
    max_bytes: Option<usize>,
    max_rows: Option<u64>,
}

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
                    let known = DATASET_KEYS.iter().copied().find(|known| *known == key);
                    match key.as_str() {
                        "file" => dataset.file = Some(map.next_value()?),
                        "null" => dataset.null_tokens = Some(map.next_value()?),
                        "decimal" => dataset.decimal = Some(map.next_value()?),
                        "delimiter" => dataset.delimiter = Some(map.next_value()?),
                        "quote" => dataset.quote = Some(map.next_value()?),
                        "escape" => dataset.escape = Some(map.next_value()?),
                        "comment" => dataset.comment = Some(map.next_value()?),
                        "trailing_delimiter" => dataset.trailing_delimiter = Some(map.next_value()?),
                        "header" => dataset.header = Some(map.next_value()?),
                        "skip_rows" => dataset.skip_rows = Some(map.next_value()?),
                        "encoding" => dataset.encoding = Some(map.next_value()?),
                        "compression" => dataset.compression = Some(map.next_value()?),
                        "sheet" => dataset.sheet = Some(map.next_value()?),
                        "range" => dataset.range = Some(map.next_value()?),
                        "records" => dataset.records = Some(map.next_value()?),
                        "explode" => dataset.explode = Some(map.next_value()?),
                        "parent" => dataset.parent = Some(map.next_value()?),
                        "record" => dataset.record = Some(map.next_value()?),
                        "layout" => dataset.layout = Some(map.next_value()?),
                        "cursor" => dataset.cursor = Some(map.next_value()?),
                        "split" => dataset.split = Some(map.next_value()?),
                        "format" => dataset.format = Some(map.next_value()?),
                        "max_bytes" => dataset.max_bytes = Some(map.next_value()?),
                        "max_rows" => dataset.max_rows = Some(map.next_value()?),
                        other => return Err(de::Error::unknown_field(other, DATASET_KEYS)),
                    }
                    dataset.present.extend(known);
                }
                Ok(dataset)
            }
        }
        deserializer.deserialize_map(DatasetVisitor)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrName {
    Number(usize),
    Name(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FormatFile {
    One(PushFormat),
    Many(Vec<PushFormat>),
}

pub(super) fn wrong<T>(problem: impl Into<String>, advice: &'static str) -> Result<T, Wrong> {
    Err((problem.into(), Cow::Borrowed(advice)))
}

impl DatasetFile {
    /// The dataset of a connection of that type.
    pub(super) fn build(self, source_type: SourceType) -> Result<Dataset, Wrong> {
        self.check_meaning(source_type)?;
        let quote = match self.quote.as_deref() {
            None => Some(b'"'),
            Some("") => None,
            Some(text) => Some(byte("quote", text)?),
        };
        let delimiter = self.delimiter.as_deref().map_or(Ok(b','), |text| byte("delimiter", text))?;
        let escape = self.escape.as_deref().map(|text| byte("escape", text)).transpose()?;
        let comment = self.comment.as_deref().map(|text| byte("comment", text)).transpose()?;
        differ(delimiter, quote, escape, comment)?;
        let text_cells = matches!(source_type, Csv | Fixed | Xml | Excel | Push);
        let null_tokens = self.null_tokens.unwrap_or_else(|| if text_cells { vec![String::new()] } else { Vec::new() });
        Ok(Dataset {
            files: files(self.file)?,
            null_tokens,
            decimal_comma: decimal_comma(self.decimal.as_deref())?,
            delimiter,
            quote,
            escape,
            comment,
            trailing_delimiter: self.trailing_delimiter.unwrap_or(false),
            header: self.header.unwrap_or(true),
            skip_rows: self.skip_rows.unwrap_or(0),
            encoding: encoding(self.encoding.as_deref())?,
            // What is sent is what it is announced as.
            compression: if source_type == Push { Compression::None } else { self.compression.unwrap_or_default() },
            sheet: sheet(self.sheet)?,
            range: range(self.range.as_deref())?,
            records: json_path("records", self.records.as_deref())?.unwrap_or_default(),
            parent: parent(self.parent, self.explode.is_some())?,
            explode: json_path("explode", self.explode.as_deref())?,
            record: record(self.record.as_deref(), source_type)?,
            layout: layout(self.layout.as_deref(), source_type)?,
            cursor: self.cursor.map(CursorFile::build).transpose()?,
            split: self.split,
            push: push(self.format, self.max_bytes, self.max_rows)?,
        })
    }

    /// A key without meaning for the type would be ignored, so it is refused.
    fn check_meaning(&self, source_type: SourceType) -> Result<(), Wrong> {
        for (key, types) in KEYS.iter().filter(|(key, _)| self.present.contains(key)) {
            // What says the only thing that can be is no error.
            let harmless = match *key {
                "encoding" => self.encoding.as_deref() == Some("utf-8"),
                "compression" => matches!(self.compression, Some(Compression::Auto | Compression::None)),
                _ => false,
            };
            if types.contains(&source_type) || harmless {
                continue;
            }
            let inside = if *key == "compression" { ", which compresses inside" } else { "" };
            return wrong(format!("`{key}` has no meaning for type {}{inside}", source_type.as_str()), "remove it");
        }
        Ok(())
    }
}

fn byte(key: &str, text: &str) -> Result<u8, Wrong> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
        _ => wrong(format!("`{key}` is not one ASCII character"), "give one character, such as \";\" or \"\\t\""),
    }
}

fn differ(delimiter: u8, quote: Option<u8>, escape: Option<u8>, comment: Option<u8>) -> Result<(), Wrong> {
    let meanings = [("quote", quote), ("escape", escape), ("comment", comment), ("delimiter", Some(delimiter))];
    for (place, (key, byte)) in meanings.iter().enumerate() {
        if let Some((other, _)) = meanings.iter().skip(place + 1).find(|(_, other)| byte.is_some() && other == byte) {
            return wrong(format!("`{key}` and `{other}` are the same character"), "choose two different ones");
        }
    }
    Ok(())
}

fn files(file: Option<OneOrMany>) -> Result<Vec<String>, Wrong> {
    let files = match file {
        None => Vec::new(),
        Some(OneOrMany::One(one)) => vec![one],
        Some(OneOrMany::Many(many)) if many.is_empty() => {
            return wrong("`file` is an empty list", "name at least one file, or remove `file` to read the path itself");
        }
        Some(OneOrMany::Many(many)) => many,
    };
    for pattern in &files {
        if climbs_out(pattern) {
            return wrong("`file` is empty, absolute or climbs out of `path`", "name it relative to `path`, without `..`");
        }
        if globset::Glob::new(pattern).is_err() {
            return wrong("`file` is not a glob", "use *, ?, [..], {a,b} and ** as in file names");
        }
    }
    Ok(files)
}

fn climbs_out(path: &str) -> bool {
    path.is_empty() || Path::new(path).is_absolute() || Path::new(path).components().any(|part| part.as_os_str() == "..")
}

fn decimal_comma(decimal: Option<&str>) -> Result<bool, Wrong> {
    match decimal {
        None | Some(".") => Ok(false),
        Some(",") => Ok(true),
        Some(_) => wrong("`decimal` is neither \".\" nor \",\"", "write the character that stands before a number's fraction"),
    }
}

fn encoding(label: Option<&str>) -> Result<Encoding, Wrong> {
    let Some(label) = label else { return Ok(Encoding::Utf8) };
    if label.eq_ignore_ascii_case("auto") {
        return wrong(
            "`encoding` cannot be auto, since a guess may be wrong for the next file",
            "write what `polder source check` suggests",
        );
    }
    match Encoding::of_label(label) {
        Some(encoding) => Ok(encoding),
        None => Err((format!("unknown encoding `{label}`"), Cow::Owned(suggest(label, ENCODINGS.into_iter())))),
    }
}

fn sheet(sheet: Option<NumberOrName>) -> Result<SheetChoice, Wrong> {
    match sheet {
        None => Ok(SheetChoice::Only),
        Some(NumberOrName::Number(0)) => wrong("`sheet` is 0", "count sheets from 1, or write the sheet's name"),
        Some(NumberOrName::Number(number)) => Ok(SheetChoice::Number(number)),
        Some(NumberOrName::Name(name)) => Ok(SheetChoice::Name(name)),
    }
}

fn range(text: Option<&str>) -> Result<CellRange, Wrong> {
    let Some(text) = text else { return Ok(CellRange::ALL) };
    CellRange::parse(text)
        .map_or_else(|| wrong("`range` is no range of cells", "write one such as B3:F200, B:F or 3:200, with the header in it"), Ok)
}

fn json_path(key: &str, text: Option<&str>) -> Result<Option<JsonPath>, Wrong> {
    let Some(text) = text else { return Ok(None) };
    match JsonPath::parse(text) {
        Some(path) => Ok(Some(path)),
        None => wrong(format!("`{key}` is no path"), "write keys with points between them, such as result.items; a point in a key is \\."),
    }
}

fn parent(parent: Option<BTreeMap<String, String>>, explode: bool) -> Result<Vec<(String, JsonPath)>, Wrong> {
    let Some(parent) = parent else { return Ok(Vec::new()) };
    if !explode {
        return wrong("`parent` stands without `explode`", "add `explode`, or remove `parent`");
    }
    let mut columns = Vec::new();
    for (name, path) in parent {
        match json_path("parent", Some(&path))? {
            Some(path) if !name.is_empty() => columns.push((name, path)),
            _ => return wrong("a name in `parent` is empty", "write the column's name and its path, as in `order_id: id`"),
        }
    }
    Ok(columns)
}

/// Body of a push, in bytes: where nothing is said, and at most.
pub(crate) const PUSH_BYTES: (usize, usize) = (16 << 20, 128 << 20);
/// Rows of a push, in the same way.
pub(crate) const PUSH_ROWS: (u64, u64) = (1_000_000, 10_000_000);

fn push(format: Option<FormatFile>, bytes: Option<usize>, rows: Option<u64>) -> Result<PushLimits, Wrong> {
    let formats = match format {
        None => PushFormat::ALL.to_vec(),
        Some(FormatFile::One(one)) => vec![one],
        Some(FormatFile::Many(many)) if many.is_empty() => {
            return wrong("`format` is an empty list", "name at least one, or remove `format` to take all");
        }
        Some(FormatFile::Many(many)) => many,
    };
    let bytes_max = bytes.unwrap_or(PUSH_BYTES.0);
    if !(1..=PUSH_BYTES.1).contains(&bytes_max) {
        return wrong("`max_bytes` does not fit", "write a number of bytes from 1 to 134217728");
    }
    let rows_max = rows.unwrap_or(PUSH_ROWS.0);
    if !(1..=PUSH_ROWS.1).contains(&rows_max) {
        return wrong("`max_rows` does not fit", "write a number of rows from 1 to 10000000");
    }
    Ok(PushLimits { formats, bytes_max, rows_max })
}

fn record(text: Option<&str>, source_type: SourceType) -> Result<RecordPath, Wrong> {
    match text {
        None if source_type == Xml => {
            wrong("`record` is missing", "write the path of a record from the root element, such as catalog/book")
        }
        None => Ok(RecordPath::default()),
        Some(text) => RecordPath::parse(text).map_or_else(
            || wrong("`record` is no path of elements", "write names from the root element with / between, such as catalog/book"),
            Ok,
        ),
    }
}

fn layout(text: Option<&str>, source_type: SourceType) -> Result<Option<PathBuf>, Wrong> {
    match text {
        None if source_type == Fixed => {
            wrong("`layout` is missing", "name the file that says where the columns are, such as layouts/people.yaml")
        }
        None => Ok(None),
        Some(text) if climbs_out(text) => {
            wrong("`layout` is empty, absolute or climbs out of the project", "name it relative to the project, without `..`")
        }
        Some(text) => Ok(Some(PathBuf::from(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_the_types_for_which_it_means_something() {
        assert_eq!(KEYS.iter().map(|(key, _)| *key).collect::<Vec<_>>(), DATASET_KEYS);
    }
}
