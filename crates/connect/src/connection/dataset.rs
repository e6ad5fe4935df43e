//! What a dataset's keys say, once they were found to fit.

use std::path::PathBuf;

use serde::Deserialize;

use super::database::Cursor;
use crate::json::path::JsonPath;
use crate::xml::path::{ColumnPath, RecordPath};

/// How the bytes of text stand in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    Utf8,
    /// ISO 8859-1 as it is defined: 0x80 to 0x9f are control characters.
    Latin1,
    /// Any other that the WHATWG's standard names.
    Other(&'static encoding_rs::Encoding),
}

impl Encoding {
    /// The encoding of that label; none when nobody knows it.
    pub(crate) fn of_label(label: &str) -> Option<Self> {
        match label.to_ascii_lowercase().as_str() {
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" => return Some(Self::Latin1),
            _ => {}
        }
        let encoding = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes())?;
        // Its decoder makes nothing but one error of every file.
        Some(if encoding == encoding_rs::UTF_8 { Self::Utf8 } else { Self::Other(encoding) })
    }

    /// The word that a source file says for it.
    pub(crate) fn label(self) -> String {
        match self {
            Self::Utf8 => "utf-8".to_owned(),
            Self::Latin1 => "latin-1".to_owned(),
            Self::Other(encoding) => encoding.name().to_ascii_lowercase(),
        }
    }
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

/// A form in which rows are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushFormat {
    /// An object a line.
    Ndjson,
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// CloudEvents: a JSON array of events.
    Cloudevents,
}

impl PushFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ndjson, Self::Csv, Self::Arrow, Self::Cloudevents];

    /// The word in a source file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Arrow => "arrow",
            Self::Cloudevents => "cloudevents",
        }
    }
}

/// What a dataset takes that is pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushLimits {
    pub formats: Vec<PushFormat>,
    /// Longest body, in bytes.
    pub bytes_max: usize,
    /// Most rows of a body.
    pub rows_max: u64,
}

/// Which sheet of a workbook is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SheetChoice {
    /// The only one that holds anything to see; several are an error.
    Only,
    /// By its place, from 1, hidden ones counted.
    Number(usize),
    Name(String),
}

/// A rectangle of a sheet, in rows and columns from 0, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellRange {
    pub first_row: u32,
    pub last_row: u32,
    pub first_column: u32,
    pub last_column: u32,
}

impl CellRange {
    pub(crate) const ALL: Self = Self { first_row: 0, last_row: u32::MAX, first_column: 0, last_column: u32::MAX };

    pub(crate) const fn holds(self, row: u32, column: u32) -> bool {
        row >= self.first_row && row <= self.last_row && column >= self.first_column && column <= self.last_column
    }

    /// `B3:F200`, `B:F` or `3:200`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once(':')?;
        let ((first_column, first_row), (last_column, last_row)) = (corner(from)?, corner(to)?);
        if first_column.is_some() != last_column.is_some() || first_row.is_some() != last_row.is_some() {
            return None;
        }
        let range = Self {
            first_row: first_row.unwrap_or(0),
            last_row: last_row.unwrap_or(u32::MAX),
            first_column: first_column.unwrap_or(0),
            last_column: last_column.unwrap_or(u32::MAX),
        };
        (range.first_row <= range.last_row && range.first_column <= range.last_column).then_some(range)
    }
}

/// Column and row of a corner such as `B3`, `B` or `3`.
fn corner(text: &str) -> Option<(Option<u32>, Option<u32>)> {
    let split = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (letters, digits) = text.split_at_checked(split)?;
    if letters.len() > 3 || digits.len() > 7 || text.is_empty() {
        return None;
    }
    let column = letters.bytes().fold(0u32, |sum, letter| sum * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1).checked_sub(1);
    let row = if digits.is_empty() { None } else { Some(digits.parse::<u32>().ok()?.checked_sub(1)?) };
    Some((column, row))
}

/// Files of one shape, or a table or query of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Names, globs or directories under the connection's path. Empty: the path itself.
    pub files: Vec<String>,
    /// What stands for "no value" in an unquoted cell. `[""]` unless the source file says otherwise; none for formats that have nulls.
    pub null_tokens: Vec<String>,
    /// Numbers have a comma before their fraction, and groups of three digits may stand apart.
    pub decimal_comma: bool,
    /// CSV: one ASCII byte. `,` unless declared.
    pub delimiter: u8,
    /// CSV: one ASCII byte, or none. `"` unless declared.
    pub quote: Option<u8>,
    /// CSV: a byte that takes the next one's meaning away.
    pub(crate) escape: Option<u8>,
    /// CSV: a byte with which lines begin that are no records.
    pub(crate) comment: Option<u8>,
    /// CSV: each record ends with a delimiter that has no field behind it.
    pub(crate) trailing_delimiter: bool,
    /// CSV, Excel: whether the first record holds the names. Without, columns are `column_1`, `column_2` and so on.
    pub header: bool,
    /// CSV, fixed width, Excel: lines or rows at the beginning that are stepped over.
    pub(crate) skip_rows: u32,
    pub encoding: Encoding,
    pub compression: Compression,
    pub(crate) sheet: SheetChoice,
    pub(crate) range: CellRange,
    /// JSON: where the list of records stands; at the top when empty.
    pub(crate) records: JsonPath,
    /// JSON, NDJSON: a list in the record, each element of which becomes a row.
    pub(crate) explode: Option<JsonPath>,
    /// JSON, NDJSON: what of the record stands beside each of those rows, by the name of its column.
    pub(crate) parent: Vec<(String, JsonPath)>,
    /// XML: which elements are records.
    pub(crate) record: RecordPath,
    /// Fixed width: the file that says where the columns are, relative to the project.
    pub(crate) layout: Option<PathBuf>,
    /// Databases: how it is read in increments; whole without it.
    pub cursor: Option<Cursor>,
    /// Databases: the column by whose ranges several connections share the work; the key without it.
    pub(crate) split: Option<String>,
    /// What is taken of what programs send; of no meaning elsewhere.
    pub push: PushLimits,
}

impl Dataset {
    /// A table of a database, of which nothing is said.
    pub(super) fn of_database() -> Self {
        Self {
            files: Vec::new(),
            null_tokens: Vec::new(),
            decimal_comma: false,
            delimiter: b',',
            quote: None,
            escape: None,
            comment: None,
            trailing_delimiter: false,
            header: false,
            skip_rows: 0,
            encoding: Encoding::Utf8,
            compression: Compression::None,
            sheet: SheetChoice::Only,
            range: CellRange::ALL,
            records: JsonPath::default(),
            explode: None,
            parent: Vec::new(),
            record: RecordPath::default(),
            layout: None,
            cursor: None,
            split: None,
            push: PushLimits { formats: Vec::new(), bytes_max: 0, rows_max: 0 },
        }
    }

    /// The path that a wanted column of an XML record is.
    pub(crate) fn xml_column(name: &str) -> Option<ColumnPath> {
        ColumnPath::parse(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_spreadsheets_write_them() {
        let range = |text| CellRange::parse(text).map(|r| (r.first_row, r.last_row, r.first_column, r.last_column));
        assert_eq!(range("B3:F200"), Some((2, 199, 1, 5)));
        assert_eq!(range("b:aa"), Some((0, u32::MAX, 1, 26)));
        assert_eq!(range("3:4"), Some((2, 3, 0, u32::MAX)));
        assert_eq!(range("A1:XFD1048576"), Some((0, 1_048_575, 0, 16_383)));
        for wrong in ["", "A1", "A1:", "B1:A2", "A2:B1", "A0:B2", "A:B3", "ABCD1:ABCE2", "A1:B2:C3", "É1:B2", "1A:2B", "A-1:B2"] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn encodings_go_by_their_usual_labels() {
        let label = |text| Encoding::of_label(text).map(Encoding::label);
        for (text, known) in [
            ("utf-8", "utf-8"),
            ("UTF8", "utf-8"),
            ("latin-1", "latin-1"),
            ("ISO-8859-1", "latin-1"),
            ("iso-8859-15", "iso-8859-15"),
            ("windows-1252", "windows-1252"),
            ("cp1252", "windows-1252"),
            ("utf-16le", "utf-16le"),
            ("utf-16", "utf-16le"),
            ("shift_jis", "shift_jis"),
        ] {
            assert_eq!(label(text).as_deref(), Some(known), "{text}");
        }
        // What the standard replaces as a whole, since browsers were attacked with it.
        assert_eq!((label("iso-2022-kr"), label("utf-7"), label("")), (None, None, None));
    }
}
