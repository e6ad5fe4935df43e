//! A contract, read and checked: one table, its source, its columns and what happens to rows that break it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use polder_types::TableName;

use crate::column::{Column, ColumnType};
use crate::quality::Measure;
use crate::question::Question;

/// What happens when a row breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnViolation {
    /// The batch fails and nothing becomes visible.
    #[default]
    Fail,
    /// The row is kept, sealed, with its reason, up to the reject limit.
    Quarantine,
    /// The row is counted and dropped, up to the reject limit.
    Drop,
}

/// What a load does to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disposition {
    /// Adds rows.
    #[default]
    Append,
    /// Puts the rows in place of all there were.
    Replace,
    /// Puts each row in place of the one of its primary key, and adds those whose key is new.
    Merge,
    /// As [`Disposition::Merge`], and keeps every earlier version of a row, with the time from which and until which it held.
    Scd2,
}

impl Disposition {
    /// As a contract writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Merge => "merge",
            Self::Scd2 => "scd2",
        }
    }

    /// The one with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Append, Self::Replace, Self::Merge, Self::Scd2].into_iter().find(|disposition| disposition.name() == name)
    }

    /// Whether rows of a key that is there take the place of what there is: of several in a load the last one wins.
    pub const fn merges(self) -> bool {
        matches!(self, Self::Merge | Self::Scd2)
    }

    /// Whether rows of earlier loads stay.
    pub const fn keeps_rows(self) -> bool {
        !matches!(self, Self::Replace)
    }
}

/// What tells that a row is gone at the source (`polder.deletes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletes {
    /// A column says so of each row. A row of which it does is not loaded: the row of its key is deleted.
    Flag {
        /// The column's place in the contract. It has no mask, or is dropped.
        column: usize,
        /// What it holds then.
        gone: Gone,
    },
    /// All keys of the source are read on each run: rows whose key is not among them are deleted.
    KeySnapshot,
}

/// What a column holds when the row is gone. Null says never so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// Any value: of a date or a timestamp.
    Any,
    /// This one, of a boolean.
    Flag(bool),
    /// This one, of a string.
    Text(String),
    /// This one, of an integer or a decimal, in the column's unit.
    Whole(i128),
}

/// The two columns that a table of versions has besides the contract's: timestamps with zone, which may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    /// From when the row held; null where that is not known, since the table held it before it kept versions.
    pub from: String,
    /// Until when it held; null in a row that holds now.
    pub to: String,
}

impl Validity {
    /// The name of the first, unless the contract says another.
    pub const FROM: &'static str = "valid_from";
    /// The name of the second, unless the contract says another.
    pub const TO: &'static str = "valid_to";
}

/// How old a table may become before that is told (`slaProperties`, `freshness` or `latency`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// The age, in seconds, at least one.
    pub max_age_seconds: u64,
    /// The place of the column whose newest value has the age: a date, which begins at midnight UTC, or a timestamp with zone, both stored as
    /// they come. None where it is the newest successful load of the table.
    pub column: Option<usize>,
    /// Line of the contract file, from 1.
    pub line: u64,
}

/// A key that the contract holds and that promises nothing about rows: read, checked for its form, told, not enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Line of the file, from 1.
    pub line: u64,
    /// The key, as a path.
    pub key: String,
    /// What it means here.
    pub text: &'static str,
}

/// A contract that was read without an error. It lets nothing in until it is approved.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// `id`
    pub id: String,
    /// `name`, or the table's.
    pub name: String,
    /// `version`
    pub version: String,
    /// `status`
    pub status: String,
    /// The file it was read from.
    pub file: String,
    /// `schema[0].name`
    pub table: TableName,
    /// `schema[0].physicalName`, or the table's name.
    pub dataset: String,
    /// `polder.source`
    pub source: String,
    /// In the order of the file.
    pub columns: Vec<Column>,
    /// Rules over the number of rows of a load.
    pub quality: Vec<Measure>,
    /// What is asked of the table as a load would leave it.
    pub questions: Vec<Question>,
    /// `polder.onViolation`
    pub on_violation: OnViolation,
    /// `polder.disposition`
    pub disposition: Disposition,
    /// `polder.deletes`; only where loads merge.
    pub deletes: Option<Deletes>,
    /// `polder.scd2`, or what it says where it is left out; none unless the table keeps versions.
    pub validity: Option<Validity>,
    /// Of `slaProperties` those that are measured.
    pub freshness: Vec<Freshness>,
    /// `polder.rejectLimit`: share of the rows read, 0 to 1.
    pub reject_limit: f64,
    /// `polder.maxRowBytes`: what the texts of one row may hold together.
    pub max_row_bytes: usize,
    /// `polder.nullTokens`
    pub null_tokens: Vec<String>,
    /// What the contract says and Polder does not enforce.
    pub notes: Vec<Note>,
    pub(crate) semantic: [u8; 32],
    /// Whether it is a model's, whose rows other contracts let in.
    pub(crate) derived: bool,
}

impl Contract {
    /// SHA-256 of what the contract means. Descriptions, comments and the order of keys do not change it; anything else does.
    pub fn semantic_hash(&self) -> [u8; 32] {
        self.semantic
    }

    /// The schema of every admitted batch, and of the table unless it keeps versions.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().filter_map(Column::field).collect::<Vec<_>>()))
    }

    /// The schema of the table: that of the batches, and behind it the columns of its validity.
    pub fn table_schema(&self) -> SchemaRef {
        let moment = ColumnType::Timestamp { zone: true }.arrow();
        let added = self.validity.iter().flat_map(|validity| [&validity.from, &validity.to]);
        let added = added.map(|name| Field::new(name, moment.clone(), true));
        Arc::new(Schema::new(self.columns.iter().filter_map(Column::field).chain(added).collect::<Vec<_>>()))
    }

    /// The schema of the primary key's columns as they are stored, in the key's order.
    pub fn key_schema(&self) -> SchemaRef {
        let columns = self.primary_key().into_iter().filter_map(|place| self.columns.get(place)?.field());
        Arc::new(Schema::new(columns.collect::<Vec<_>>()))
    }

    /// The place in the table of a column of the contract; none when nothing of it is stored.
    pub(crate) fn stored_place(&self, place: usize) -> Option<usize> {
        self.columns.get(place)?.stored()?;
        Some(self.columns.iter().take(place).filter(|column| column.stored().is_some()).count())
    }

    /// The domains under which columns are masked, each once.
    pub fn domains(&self) -> BTreeSet<&str> {
        self.columns.iter().filter_map(|column| column.mask.as_ref()?.domain()).collect()
    }

    /// Places of the primary key's columns, in the key's order. Empty without a primary key.
    pub fn primary_key(&self) -> Vec<usize> {
        let mut key: Vec<(u32, usize)> =
            self.columns.iter().enumerate().filter_map(|(place, column)| column.primary_key.map(|order| (order, place))).collect();
        key.sort_unstable();
        key.into_iter().map(|(_, place)| place).collect()
    }

    /// Places of all columns that a uniqueness rule looks at, ascending: what a `KeyLookup` must give.
    pub fn key_columns(&self) -> Vec<usize> {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.unique || column.primary_key.is_some())
            .map(|(place, _)| place)
            .collect()
    }
}
