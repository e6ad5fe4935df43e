//! What uniqueness found at the end of a load.

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;

use crate::admitted::{Rejection, Rule};
use crate::inspect::personal::Personal;
use crate::quality::Measured;
use crate::quarantine;
use crate::quarantine::row::StagedAs;
use crate::unique::{Repeated, places};

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
    /// Where the row is staged, column by column.
    pub(crate) layout: Arc<[StagedAs]>,
}

impl Duplicate {
    /// The rejection, with the row's values from the batch where it was staged.
    pub fn into_rejection(self, batch: &RecordBatch, row: usize) -> Rejection {
        let row = quarantine::row::encode_staged(&self.layout, batch.columns(), row);
        Rejection::new(self.file, self.record, self.ordinal, Some(self.columns), self.rule, row)
    }

    /// The rejection without the row's values, for rows that are dropped.
    pub fn into_dropped(self) -> Rejection {
        Rejection::new(self.file, self.record, self.ordinal, Some(self.columns), self.rule, Vec::new())
    }
}

/// The end of a load: which admitted rows must not become visible. Only `Gate::finish` makes one, and the counts close only with it.
/// However many they are, they take little memory: a [`Duplicate`] is made when it is asked for.
#[derive(Debug)]
pub struct Duplicates {
    repeated: Vec<Repeated>,
    origins: Vec<Origin>,
    checked: u64,
    admitted: u64,
    personal: Vec<Personal>,
    measured: Measured,
    layout: Arc<[StagedAs]>,
    all: OnceLock<Vec<Duplicate>>,
}

/// How many rows broke one rule of uniqueness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateCount {
    /// The first of them.
    pub first: Duplicate,
    /// How many there are.
    pub rows: u64,
}

impl Duplicates {
    pub(crate) fn new(
        repeated: Vec<Repeated>,
        origins: Vec<Origin>,
        checked: u64,
        admitted: u64,
        measured: Measured,
        layout: Arc<[StagedAs]>,
    ) -> Self {
        Self { repeated, origins, checked, admitted, measured, layout, personal: Vec::new(), all: OnceLock::new() }
    }

    pub(crate) fn with_personal(mut self, personal: Vec<Personal>) -> Self {
        self.personal = personal;
        self
    }

    /// Columns with personal data that their classification does not allow. With one that is not waived the counts do not close.
    pub fn personal(&self) -> &[Personal] {
        &self.personal
    }

    /// The rows by place in the run, one at a time.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Duplicate> + Send + '_ {
        Merged::new(&self.repeated).map(|(ordinal, repeated)| self.duplicate(ordinal, repeated))
    }

    /// The row at a place in the run, when it is one of them.
    pub fn find(&self, ordinal: u64) -> Option<Duplicate> {
        let repeated = self.repeated.iter().find(|repeated| repeated.places.contains(ordinal))?;
        Some(self.duplicate(ordinal, repeated))
    }

    /// The rules that were broken, each with its first row and how many there are.
    pub fn by_rule(&self) -> impl Iterator<Item = DuplicateCount> + '_ {
        self.repeated.iter().filter_map(|repeated| {
            let first = self.duplicate(repeated.places.iter().next()?, repeated);
            Some(DuplicateCount { first, rows: u64::try_from(repeated.places.len()).unwrap_or(u64::MAX) })
        })
    }

    fn duplicate(&self, ordinal: u64, repeated: &Repeated) -> Duplicate {
        let place = self.origins.partition_point(|origin| origin.first_ordinal <= ordinal);
        let origin = place.checked_sub(1).and_then(|place| self.origins.get(place));
        let inside = origin.filter(|origin| ordinal - origin.first_ordinal < origin.rows);
        let (file, record) = match inside {
            Some(origin) => (Arc::clone(&origin.file), origin.first_record + (ordinal - origin.first_ordinal)),
            None => (Arc::from(""), 0),
        };
        Duplicate { ordinal, file, record, columns: repeated.columns.to_string(), rule: repeated.rule, layout: Arc::clone(&self.layout) }
    }

    /// The rows by place in the run, all at once: a hundred bytes each. [`Duplicates::iter`] makes them one by one.
    pub fn rows(&self) -> &[Duplicate] {
        self.all.get_or_init(|| self.iter().collect())
    }

    /// Places in the run, ascending.
    pub fn ordinals(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        Merged::new(&self.repeated).map(|(ordinal, _)| ordinal)
    }

    /// Whether no row repeats a key.
    pub fn is_empty(&self) -> bool {
        self.repeated.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn memory_bytes(&self) -> usize {
        self.repeated.iter().map(|repeated| repeated.places.memory_bytes()).sum()
    }

    /// How many rows repeat a key.
    pub fn len(&self) -> usize {
        self.repeated.iter().map(|repeated| repeated.places.len()).sum()
    }

    /// Rows that the gate was given, malformed ones included.
    pub fn rows_checked(&self) -> u64 {
        self.checked
    }

    /// What the gate measured, duplicates included.
    pub(crate) fn measured(&self) -> &Measured {
        &self.measured
    }

    /// Rows that the gate admitted, duplicates included.
    pub fn rows_admitted(&self) -> u64 {
        self.admitted
    }
}

/// The places of several rules as one ascending row; no place is in two of them.
struct Merged<'a> {
    sources: Vec<(std::iter::Peekable<places::Iter<'a>>, &'a Repeated)>,
}

impl<'a> Merged<'a> {
    fn new(repeated: &'a [Repeated]) -> Self {
        Self { sources: repeated.iter().map(|repeated| (repeated.places.iter().peekable(), repeated)).collect() }
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = (u64, &'a Repeated);

    fn next(&mut self) -> Option<Self::Item> {
        let ahead = self.sources.iter_mut().filter_map(|(places, repeated)| Some((*places.peek()?, places, *repeated)));
        let (place, places, repeated) = ahead.min_by_key(|(place, ..)| *place)?;
        places.next();
        Some((place, repeated))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.sources.iter().map(|(places, _)| places.len()).sum();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Merged<'_> {}
