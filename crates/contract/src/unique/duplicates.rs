//! What uniqueness found at the end of a load.

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;

use crate::admitted::{Rejection, Rule};
use crate::inspect::personal::Personal;
use crate::quality::Measured;
use crate::quarantine;
use crate::quarantine::row::StagedAs;
use crate::unique::places::Places;
use crate::unique::{Found, Repeated, places};

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
///
/// Some of these rows broke a rule of uniqueness: they are refused, and [`Duplicates::iter`] and its like tell them. Others broke none and
/// another row of their key came after them, where loads merge: they are superseded, counted and not kept. [`Duplicates::ordinals`] is both.
#[derive(Debug)]
pub struct Duplicates {
    repeated: Vec<Repeated>,
    /// Admitted rows.
    superseded: Places,
    /// Rows that said that the row of their key is gone.
    undone: Places,
    /// All that said so.
    flagged: u64,
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
    /// `flagged` are the places of rows that hold the rules of their key and say that its row is gone.
    pub(crate) fn new(
        found: Found,
        flagged: &Places,
        origins: Vec<Origin>,
        checked: u64,
        admitted: u64,
        measured: Measured,
        layout: Arc<[StagedAs]>,
    ) -> Self {
        let (mut superseded, mut undone) = (Places::default(), Places::default());
        if flagged.len() == 0 {
            superseded = found.superseded;
        } else {
            for place in found.superseded.iter() {
                if flagged.contains(place) {
                    undone.insert(place)
                } else {
                    superseded.insert(place)
                };
            }
        }
        Self {
            repeated: found.repeated,
            superseded,
            undone,
            flagged: count(flagged.len()),
            origins,
            checked,
            admitted,
            measured,
            layout,
            personal: Vec::new(),
            all: OnceLock::new(),
        }
    }

    pub(crate) fn with_personal(mut self, personal: Vec<Personal>) -> Self {
        self.personal = personal;
        self
    }

    /// Columns with personal data that their classification does not allow. With one that is not waived the counts do not close.
    pub fn personal(&self) -> &[Personal] {
        &self.personal
    }

    /// The refused rows by place in the run, one at a time.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Duplicate> + Send + '_ {
        let sources = self.repeated.iter().map(|repeated| (&repeated.places, repeated));
        Merged::new(sources).map(|(ordinal, repeated)| self.duplicate(ordinal, repeated))
    }

    /// The refused row at a place in the run, when it is one.
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

    /// The refused rows by place in the run, all at once: a hundred bytes each. [`Duplicates::iter`] makes them one by one.
    pub fn rows(&self) -> &[Duplicate] {
        self.all.get_or_init(|| self.iter().collect())
    }

    /// Places in the run of all admitted rows that must not become visible, refused and superseded, ascending.
    pub fn ordinals(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        let refused = self.repeated.iter().map(|repeated| (&repeated.places, ()));
        Merged::new(refused.chain([(&self.superseded, ())])).map(|(ordinal, ())| ordinal)
    }

    /// Whether no row is refused.
    pub fn is_empty(&self) -> bool {
        self.repeated.is_empty()
    }

    /// How many rows are refused.
    pub fn len(&self) -> usize {
        self.repeated.iter().map(|repeated| repeated.places.len()).sum()
    }

    /// Rows that another row of their key came after, whether they were admitted or said that the row of their key is gone.
    pub fn superseded(&self) -> u64 {
        count(self.superseded.len()).saturating_add(count(self.undone.len()))
    }

    /// Rows that say that the row of their key is gone, and that no other row of their key came after.
    pub fn flagged(&self) -> u64 {
        self.flagged.saturating_sub(count(self.undone.len()))
    }

    /// Rows that are left of the admitted ones once refused and superseded ones are taken out: what a sink holds then.
    pub fn rows_left(&self) -> u64 {
        self.admitted.saturating_sub(count(self.ordinals().len()))
    }

    /// Whether a row at a place said that the row of its key is gone, and another row of its key came after it.
    pub(crate) fn undoes(&self, place: u64) -> bool {
        self.undone.contains(place)
    }

    #[cfg(test)]
    pub(crate) fn memory_bytes(&self) -> usize {
        let places = self.repeated.iter().map(|repeated| &repeated.places).chain([&self.superseded, &self.undone]);
        places.map(Places::memory_bytes).sum()
    }

    /// Rows that the gate was given, malformed ones included.
    pub fn rows_checked(&self) -> u64 {
        self.checked
    }

    /// What the gate measured, duplicates included.
    pub(crate) fn measured(&self) -> &Measured {
        &self.measured
    }

    /// Rows that the gate admitted, refused and superseded ones included; none that say that the row of their key is gone.
    pub fn rows_admitted(&self) -> u64 {
        self.admitted
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// Several sets of places as one ascending row, each place with what its set is of; no place is in two of them.
struct Merged<'a, T> {
    sources: Vec<(std::iter::Peekable<places::Iter<'a>>, T)>,
}

impl<'a, T: Copy> Merged<'a, T> {
    fn new(sources: impl Iterator<Item = (&'a Places, T)>) -> Self {
        Self { sources: sources.map(|(places, of)| (places.iter().peekable(), of)).collect() }
    }
}

impl<T: Copy> Iterator for Merged<'_, T> {
    type Item = (u64, T);

    fn next(&mut self) -> Option<Self::Item> {
        let ahead = self.sources.iter_mut().filter_map(|(places, of)| Some((*places.peek()?, places, *of)));
        let (place, places, of) = ahead.min_by_key(|(place, ..)| *place)?;
        places.next();
        Some((place, of))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.sources.iter().map(|(places, _)| places.len()).sum();
        (left, Some(left))
    }
}

impl<T: Copy> ExactSizeIterator for Merged<'_, T> {}
