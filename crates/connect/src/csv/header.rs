//! Which fields of a record are wanted.

use std::collections::BTreeMap;
use std::path::Path;

use memchr::memchr;
use polder_types::limit::COLUMNS_MAX;

use super::field::{Field, parse, write_text};
use super::index::Dialect;
use crate::connection::Encoding;
use crate::error::{Error, suggest};

/// The columns of one file and where the wanted ones stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub names: Vec<String>,
    /// For each wanted column, its field's number, from 0.
    pub fields: Vec<usize>,
    /// Names of the columns that nobody wants.
    pub left_out: Vec<String>,
}

/// Where the names of columns come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A schema, or numbers: an error may tell them.
    Schema,
    /// The first record of a file, which may be a row of values: an error tells only what the contract calls a column.
    FirstRecord,
}

impl Header {
    /// Resolves the wanted columns. `wanted` is `None` when all are.
    pub(crate) fn new(path: &Path, names: Vec<String>, origin: Origin, wanted: Option<&[String]>) -> Result<Self, Error> {
        if names.len() > COLUMNS_MAX {
            return Err(Error::TooManyColumns { path: path.to_path_buf(), max: COLUMNS_MAX });
        }
        let mut seen = BTreeMap::new();
        for (place, name) in names.iter().enumerate() {
            if let Some(first) = seen.insert(name.as_str(), place) {
                return Err(twice(path, name, first, place, origin, wanted));
            }
        }
        let Some(wanted) = wanted else {
            return Ok(Self { fields: (0..names.len()).collect(), names, left_out: Vec::new() });
        };
        let mut fields = Vec::with_capacity(wanted.len());
        for name in wanted {
            let field = seen.get(name.as_str()).copied().ok_or_else(|| Error::MissingColumn {
                path: path.to_path_buf(),
                name: name.clone(),
                advice: match origin {
                    Origin::Schema => suggest(name, names.iter().map(String::as_str)),
                    Origin::FirstRecord => hint(name, &names),
                },
            })?;
            fields.push(field);
        }
        let left_out = names.iter().filter(|name| !wanted.contains(name)).cloned().collect();
        Ok(Self { names, fields, left_out })
    }
}

/// Two columns have one name. It is told when it is known to be one.
fn twice(path: &Path, name: &String, first: usize, second: usize, origin: Origin, wanted: Option<&[String]>) -> Error {
    let path = path.to_path_buf();
    let known = origin == Origin::Schema || wanted.is_some_and(|wanted| wanted.contains(name));
    let what = if known {
        format!("column {name} stands there more than once")
    } else {
        format!("columns {} and {} have the same name", first + 1, second + 1)
    };
    let advice = match origin {
        Origin::Schema => "rename one of them at the source",
        Origin::FirstRecord => "rename one of them at the source, or set `header: false` when the file has no header",
    };
    Error::DuplicateColumn { path, what, advice }
}

/// What may be wrong when the first record does not hold a name, without telling what it holds.
fn hint(name: &str, names: &[String]) -> String {
    let columns = match names.len() {
        1 => "its first record has 1 column".to_owned(),
        count => format!("its first record has {count} columns"),
    };
    let plain = |text: &str| text.trim().to_lowercase();
    let wanted = plain(name);
    let scores = names.iter().map(|candidate| strsim::jaro_winkler(&wanted, &plain(candidate)));
    let near = scores.enumerate().filter(|(_, score)| *score > 0.8).max_by(|left, right| left.1.total_cmp(&right.1));
    match near {
        Some((place, score)) if score >= 1.0 => {
            format!("{columns}, of which column {} differs in case or spaces only; correct `physicalName` in the contract", place + 1)
        }
        Some((place, _)) => format!("{columns}, of which column {} has a similar name; correct `physicalName` in the contract", place + 1),
        None => format!(
            "{columns}; set another `delimiter` if that is not their number, `header: false` if that record is no header, or correct `physicalName` in the contract"
        ),
    }
}

/// Whether a record holds a carriage return that neither stands in quotes nor ends its line: of lines that end so, only one was found.
pub(crate) fn has_bare_return(bytes: &[u8], ends: &[u32], dialect: Dialect) -> bool {
    let count = ends.len().saturating_sub(1);
    ends.iter().zip(ends.iter().skip(1)).enumerate().any(|(number, (before, end))| {
        let mut raw = bytes.get(before.wrapping_add(1) as usize..*end as usize).unwrap_or_default();
        if number + 1 == count {
            raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        }
        memchr(b'\r', raw).is_some() && matches!(parse(raw, dialect.quote), Field::Plain | Field::Bad)
    })
}

/// The names in a header record. Bytes that are not UTF-8 become replacement characters, which no contract can name.
pub(crate) fn names(path: &Path, bytes: &[u8], ends: &[u32], dialect: Dialect, encoding: Encoding) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let count = ends.len().saturating_sub(1);
    for (number, (before, end)) in ends.iter().zip(ends.iter().skip(1)).enumerate() {
        let mut raw = bytes.get(before.wrapping_add(1) as usize..*end as usize).unwrap_or_default();
        if number + 1 == count {
            raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        }
        let field = parse(raw, dialect.quote);
        let inner = match field {
            Field::Plain => raw,
            Field::Quoted | Field::Escaped => raw.get(1..raw.len() - 1).unwrap_or_default(),
            Field::Bad => return Err(Error::HeaderQuote { path: path.to_path_buf() }),
        };
        let mut text = Vec::with_capacity(inner.len());
        write_text(inner, dialect.quote.filter(|_| field == Field::Escaped), encoding == Encoding::Latin1, &mut text);
        let name = String::from_utf8_lossy(&text).into_owned();
        names.push(name);
    }
    Ok(names)
}
