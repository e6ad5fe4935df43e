//! Rows of a batch that are picked: which, how many, and their places in the run.

use std::ops::Range;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter;
use arrow::error::ArrowError;

use crate::raw::RawBatch;

/// Some rows of a batch, or all.
pub(crate) struct Picked {
    /// None when all are.
    keep: Option<BooleanArray>,
    pub rows: usize,
    /// As runs without gaps, ascending.
    pub ordinals: Vec<Range<u64>>,
}

impl Picked {
    /// All of them.
    pub fn all(raw: &RawBatch) -> Self {
        let end = raw.first_ordinal.saturating_add(u64::try_from(raw.rows).unwrap_or(u64::MAX));
        let ordinals = std::iter::once(raw.first_ordinal..end).filter(|places| !places.is_empty()).collect();
        Self { keep: None, rows: raw.rows, ordinals }
    }

    /// Those of which `picks` says so.
    pub fn of(raw: &RawBatch, picks: impl Fn(usize) -> bool) -> Self {
        let keep = BooleanBuffer::collect_bool(raw.rows, picks);
        let mut ordinals: Vec<Range<u64>> = Vec::new();
        for row in keep.set_indices() {
            let ordinal = raw.first_ordinal.saturating_add(u64::try_from(row).unwrap_or(u64::MAX));
            match ordinals.last_mut() {
                Some(last) if last.end == ordinal => last.end = ordinal.saturating_add(1),
                _ => ordinals.push(ordinal..ordinal.saturating_add(1)),
            }
        }
        let rows = keep.count_set_bits();
        Self { keep: Some(BooleanArray::new(keep, None)), rows, ordinals }
    }

    /// None of them.
    pub fn none(raw: &RawBatch) -> Self {
        Self { keep: Some(BooleanArray::new(BooleanBuffer::new_unset(raw.rows), None)), rows: 0, ordinals: Vec::new() }
    }

    /// The picked cells of a column.
    pub fn from(&self, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        match &self.keep {
            None => Ok(ArrayRef::clone(array)),
            Some(keep) => filter(array, keep),
        }
    }
}
