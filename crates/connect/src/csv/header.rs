//! Which fields of a record are wanted.

use std::collections::BTreeSet;
use std::path::Path;

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

impl Header {
    /// Resolves the wanted columns. `wanted` is `None` when all are.
    pub(crate) fn new(path: &Path, names: Vec<String>, wanted: Option<&[String]>) -> Result<Self, Error> {
        if names.len() > COLUMNS_MAX {
            return Err(Error::TooManyColumns { path: path.to_path_buf(), max: COLUMNS_MAX });
        }
        let mut seen = BTreeSet::new();
        if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(Error::DuplicateColumn { path: path.to_path_buf(), name: name.clone() });
        }
        let Some(wanted) = wanted else {
            return Ok(Self { fields: (0..names.len()).collect(), names, left_out: Vec::new() });
        };
        let mut fields = Vec::with_capacity(wanted.len());
        for name in wanted {
            let field = names.iter().position(|candidate| candidate == name).ok_or_else(|| Error::MissingColumn {
                path: path.to_path_buf(),
                name: name.clone(),
                advice: suggest(name, names.iter().map(String::as_str)),
            })?;
            fields.push(field);
        }
        let left_out = names.iter().filter(|name| !wanted.contains(name)).cloned().collect();
        Ok(Self { names, fields, left_out })
    }
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
