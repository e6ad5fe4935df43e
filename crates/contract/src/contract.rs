//! A contract, read and checked: one table, its source, its columns and what happens to rows that break it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use polder_types::TableName;

use crate::column::Column;
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

    /// The schema of the table and of every admitted batch.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().filter_map(Column::field).collect::<Vec<_>>()))
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
