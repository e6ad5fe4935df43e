//! What uniqueness found at the end of a load.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::admitted::{Rejection, Rule};
use crate::quarantine;
use crate::unique::Found;

/// Where a batch came from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub first_ordinal: u64,
    pub rows: u64,
    pub file: Arc<str>,
    pub first_record: u64,
}

/// A row that was admitted and repeats a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The row's place in the run.
    pub ordinal: u64,
    /// The file as the user knows it.
    pub file: Arc<str>,
    /// The record's number in the file, counted from 1.
    pub record: u64,
    /// The key's columns, separated by commas.
    pub columns: String,
    /// `unique` or `primaryKey`, within the load or against the table.
    pub rule: Rule,
}

impl Duplicate {
    /// The rejection, with the row's values from the batch where it was staged.
    pub fn into_rejection(self, batch: &RecordBatch, row: usize) -> Rejection {
        let row = quarantine::row::encode_typed(batch.columns(), row);
        Rejection::new(self.file, self.record, self.ordinal, Some(self.columns), self.rule, row)
    }

    /// The rejection without the row's values, for rows that are dropped.
    pub fn into_dropped(self) -> Rejection {
        Rejection::new(self.file, self.record, self.ordinal, Some(self.columns), self.rule, Vec::new())
    }
}

/// The end of a load: which admitted rows must not become visible. Only `Gate::finish` makes one, and the counts close only with it.
#[derive(Debug)]
pub struct Duplicates {
    rows: Vec<Duplicate>,
    checked: u64,
    admitted: u64,
}

impl Duplicates {
    pub(crate) fn new(found: Vec<(Found, &str)>, origins: Vec<Origin>, checked: u64, admitted: u64) -> Self {
        let rows = found
            .into_iter()
            .map(|(found, columns)| {
                let place = origins.partition_point(|origin| origin.first_ordinal <= found.ordinal);
                let origin = place.checked_sub(1).and_then(|place| origins.get(place));
                let inside = origin.filter(|origin| found.ordinal - origin.first_ordinal < origin.rows);
                let (file, record) = match inside {
                    Some(origin) => (Arc::clone(&origin.file), origin.first_record + (found.ordinal - origin.first_ordinal)),
                    None => (Arc::from(""), 0),
                };
                Duplicate { ordinal: found.ordinal, file, record, columns: columns.to_owned(), rule: found.rule }
            })
            .collect();
        Self { rows, checked, admitted }
    }

    /// The rows by place in the run.
    pub fn rows(&self) -> &[Duplicate] {
        &self.rows
    }

    /// Places in the run, ascending.
    pub fn ordinals(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.rows.iter().map(|row| row.ordinal)
    }

    /// Whether no row repeats a key.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows repeat a key.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Rows that the gate was given, malformed ones included.
    pub fn rows_checked(&self) -> u64 {
        self.checked
    }

    /// Rows that the gate admitted, duplicates included.
    pub fn rows_admitted(&self) -> u64 {
        self.admitted
    }
}
