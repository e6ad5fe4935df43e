//! A layout file: where the columns of a fixed-width file are. Described in `docs/format/source.md`.

use std::path::Path;

use polder_types::limit::{COLUMNS_MAX, PROJECT_FILE_MAX_BYTES, RECORD_MAX_BYTES};
use serde::Deserialize;

use crate::connection::yaml_error;
use crate::error::Error;

/// What positions count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    Bytes,
    Characters,
}

/// Which spaces of a cell are padding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trim {
    #[default]
    Both,
    Left,
    Right,
    None,
}

/// What becomes of a line that ends before its last column does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Short {
    #[default]
    Refuse,
    Pad,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LayoutFile {
    unit: Unit,
    #[serde(default)]
    record_length: Option<usize>,
    #[serde(default)]
    short_lines: Short,
    columns: Vec<serde_saphyr::Spanned<ColumnFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnFile {
    name: String,
    start: usize,
    #[serde(default)]
    length: Option<usize>,
    #[serde(default)]
    end: Option<usize>,
    #[serde(default)]
    trim: Trim,
}

/// A column, in units from 0, the end not included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayoutColumn {
    pub name: String,
    pub start: usize,
    pub end: usize,
    pub trim: Trim,
}

/// Where columns are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub unit: Unit,
    /// Bytes of a record where no line end parts them.
    pub record_length: Option<usize>,
    pub short: Short,
    /// In the order of the file.
    pub columns: Vec<LayoutColumn>,
}

/// Reads the text of a layout file, as a load would. `file` is its path, for error texts.
///
/// # Errors
/// What is wrong with it, with file, line and advice.
pub fn check_layout(yaml: &str, file: &str) -> Result<(), Error> {
    Layout::parse(yaml, file).map(drop)
}

impl Layout {
    /// Reads a layout file of the project.
    pub(crate) fn read(root: &Path, path: &Path) -> Result<Self, Error> {
        let full = root.join(path);
        let open_error = |source| Error::Open { path: full.clone(), source };
        let size = std::fs::metadata(&full).map_err(open_error)?.len();
        let file = path.display().to_string();
        if size > PROJECT_FILE_MAX_BYTES {
            let problem = format!("it is {size} bytes; project files have at most {PROJECT_FILE_MAX_BYTES} bytes");
            return Err(Error::Layout { file, line: 1, problem, advice: "write it shorter".to_owned() });
        }
        let bytes = std::fs::read(&full).map_err(open_error)?;
        let text = String::from_utf8(bytes).map_err(|_| Error::Layout {
            file: file.clone(),
            line: 1,
            problem: "it is not UTF-8".to_owned(),
            advice: "save it as UTF-8".to_owned(),
        })?;
        Self::parse(&text, &file)
    }

    /// Reads the text of a layout file.
    pub(crate) fn parse(yaml: &str, file: &str) -> Result<Self, Error> {
        let parsed: LayoutFile = serde_saphyr::from_str(yaml).map_err(|error| match yaml_error(file, &error) {
            Error::Connection { file, line, problem, advice } => Error::Layout { file, line, problem, advice },
            other => other,
        })?;
        let wrong =
            |line: u64, problem: String, advice: &str| Error::Layout { file: file.to_owned(), line, problem, advice: advice.to_owned() };
        if parsed.columns.is_empty() || parsed.columns.len() > COLUMNS_MAX {
            let problem = format!("it has {} columns", parsed.columns.len());
            return Err(wrong(1, problem, "name between 1 and 4096 columns"));
        }
        if let Some(length) = parsed.record_length
            && (length == 0 || length > RECORD_MAX_BYTES || parsed.unit == Unit::Characters)
        {
            return Err(wrong(1, "`record_length` does not fit".to_owned(), "write a number of bytes up to 16777216, with `unit: bytes`"));
        }
        let mut columns: Vec<LayoutColumn> = Vec::with_capacity(parsed.columns.len());
        for spanned in parsed.columns {
            let line = spanned.referenced.line().max(1);
            let column = built(spanned.value).map_err(|(problem, advice)| wrong(line, problem, advice))?;
            if parsed.record_length.is_some_and(|length| column.end > length) {
                return Err(wrong(line, format!("column {} ends behind the record", column.name), "correct its place, or `record_length`"));
            }
            if columns.iter().any(|other| other.name == column.name) {
                return Err(wrong(line, format!("column {} stands there twice", column.name), "rename one of them"));
            }
            if let Some(other) = columns.iter().find(|other| other.start < column.end && column.start < other.end) {
                let problem = format!("columns {} and {} overlap", other.name, column.name);
                return Err(wrong(line, problem, "correct their places, which count from 1"));
            }
            columns.push(column);
        }
        Ok(Self { unit: parsed.unit, record_length: parsed.record_length, short: parsed.short_lines, columns })
    }

    /// Just behind the last column.
    pub(crate) fn width(&self) -> usize {
        self.columns.iter().map(|column| column.end).max().unwrap_or(0)
    }
}

fn built(file: ColumnFile) -> Result<LayoutColumn, (String, &'static str)> {
    let ColumnFile { name, start, length, end, trim } = file;
    if name.is_empty() {
        return Err(("a column has no name".to_owned(), "name it"));
    }
    let first = start.checked_sub(1).ok_or_else(|| (format!("column {name} starts at 0"), "count positions from 1"))?;
    let end = match (length, end) {
        (Some(length), None) => first.checked_add(length),
        (None, Some(end)) => Some(end),
        _ => {
            return Err((
                format!("column {name} has not one of `length` and `end`"),
                "write one of them; `end` is the last position of the column",
            ));
        }
    };
    match end {
        Some(end) if end > first && end <= RECORD_MAX_BYTES => Ok(LayoutColumn { name, start: first, end, trim }),
        _ => Err((format!("column {name} is empty or ends too far away"), "correct `length` or `end`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_read() {
        let layout = Layout::parse(
            "unit: characters\nshort_lines: pad\ncolumns:\n  - {name: id, start: 1, length: 4}\n  - {name: who, start: 5, end: 9, trim: right}\n",
            "l.yaml",
        )
        .unwrap();
        assert_eq!((layout.unit, layout.short, layout.width()), (Unit::Characters, Short::Pad, 9));
        let places: Vec<_> = layout.columns.iter().map(|column| (column.name.as_str(), column.start, column.end, column.trim)).collect();
        assert_eq!(places, [("id", 0, 4, Trim::Both), ("who", 4, 9, Trim::Right)]);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_line() {
        let column = "unit: bytes\ncolumns:\n  - {name: a, start: 1, length: 4}\n";
        for (yaml, told) in [
            ("columns: [{name: a, start: 1, length: 1}]\n", "`unit` is missing; add `unit`"),
            ("unit: bites\ncolumns: [{name: a, start: 1, length: 1}]\n", "unknown word `bites`; did you mean bytes?"),
            ("unit: bytes\ncolumns: []\n", "line 1: it has 0 columns; name between 1 and 4096 columns"),
            ("unit: bytes\ncolums: []\n", "line 2: unknown key `colums`; did you mean columns?"),
            ("unit: bytes\ncolumns:\n  - {name: a, start: 0, length: 1}\n", "line 3: column a starts at 0; count positions from 1"),
            ("unit: bytes\ncolumns:\n  - {name: a, start: 1}\n", "column a has not one of `length` and `end`"),
            ("unit: bytes\ncolumns:\n  - {name: a, start: 1, length: 1, end: 1}\n", "column a has not one of `length` and `end`"),
            ("unit: bytes\ncolumns:\n  - {name: a, start: 5, end: 4}\n", "column a is empty or ends too far away"),
            ("unit: bytes\ncolumns:\n  - {name: a, start: 1, length: 99999999}\n", "column a is empty or ends too far away"),
            (&format!("{column}  - {{name: b, start: 4, length: 1}}\n"), "line 4: columns a and b overlap"),
            (&format!("{column}  - {{name: a, start: 5, length: 1}}\n"), "line 4: column a stands there twice"),
            (&column.replace("columns", "record_length: 3\ncolumns"), "line 4: column a ends behind the record"),
            (&column.replace("bytes", "characters\nrecord_length: 9"), "line 1: `record_length` does not fit"),
        ] {
            let error = Layout::parse(yaml, "layouts/l.yaml").unwrap_err();
            assert!(error.to_string().contains(told), "{yaml}: {error}");
            assert_eq!(error.kind(), polder_types::ErrorKind::Invalid);
        }
    }
}
