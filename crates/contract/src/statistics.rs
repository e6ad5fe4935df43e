//! What a load's values are like, in counts: no value can be read from them. One load is compared with those before it by them.
//!
//! Each column has a count of nulls, which is exact, and counts in fixed buckets, of a part of the rows: numbers by sign and size, eight
//! buckets an octave; booleans as they are; texts by length, and by a hash with 16 results. Dates, times and keys have none: they move
//! from load to load.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use crate::contract::Contract;

/// Of larger batches one row in this many is looked at.
const STRIDE: usize = 8;
/// Rows of a batch up to which all are looked at.
const WHOLE_ROWS: usize = 1024;
/// Buckets for each doubling of a number or a length.
const BUCKETS_AN_OCTAVE: f64 = 8.0;
/// Results of the hash of a text.
const HASHES: u64 = 16;
/// Of what was before, a load leaves this share in the reference.
const KEPT: f64 = 0.8;

/// Counts by bucket. A bucket's number says nothing to people; buckets that lie together have numbers that do.
pub type Buckets = BTreeMap<i32, f64>;

/// What one column's values were like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnStatistics {
    /// Rows.
    pub rows: u64,
    /// Of them, those without a value.
    pub nulls: u64,
    /// Numbers by size, booleans, texts by length: about how many rows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sizes: Buckets,
    /// Texts by hash: about how many rows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hashes: Buckets,
}

/// What a load's columns were like, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Statistics {
    pub columns: BTreeMap<String, ColumnStatistics>,
    /// Columns of which only nulls are counted.
    #[serde(skip)]
    keys: BTreeSet<String>,
}

impl Statistics {
    /// None yet, for rows of a contract.
    pub fn of(contract: &Contract) -> Self {
        let keys = contract.key_columns().into_iter().filter_map(|place| contract.columns.get(place));
        Self { columns: BTreeMap::new(), keys: keys.map(|column| column.name.clone()).collect() }
    }

    /// Takes admitted rows.
    pub fn take(&mut self, batch: &RecordBatch) {
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let column = match self.columns.get_mut(field.name()) {
                Some(column) => column,
                None => self.columns.entry(field.name().clone()).or_default(),
            };
            column.rows += array.len() as u64;
            column.nulls += array.null_count() as u64;
            if !self.keys.contains(field.name()) {
                column.take(array);
            }
        }
    }

    /// Brings a load into the reference that later ones are compared with: it weighs most, and what was before ever less.
    pub fn follow(&mut self, load: &Self) {
        self.columns.retain(|name, _| load.columns.contains_key(name));
        for (name, now) in &load.columns {
            let known = self.columns.entry(name.clone()).or_default();
            (known.rows, known.nulls) = (faded(known.rows, now.rows), faded(known.nulls, now.nulls));
            blend(&mut known.sizes, &now.sizes);
            blend(&mut known.hashes, &now.hashes);
        }
    }
}

impl ColumnStatistics {
    fn take(&mut self, array: &ArrayRef) {
        let stride = if array.len() > WHOLE_ROWS { STRIDE } else { 1 };
        let weight = if stride == 1 { 1.0 } else { 8.0 };
        let places = (0..array.len()).step_by(stride).filter(|place| array.is_valid(*place));
        match array.data_type() {
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                for text in places.map(|place| texts.value(place)) {
                    *self.sizes.entry(bucket(length(text.len()))).or_default() += weight;
                    let mut hasher = SipHasher13::new();
                    hasher.write(text.as_bytes());
                    *self.hashes.entry(i32::try_from(hasher.finish() % HASHES).unwrap_or(0)).or_default() += weight;
                }
            }
            DataType::Boolean => {
                let flags = array.as_boolean();
                for place in places {
                    *self.sizes.entry(i32::from(flags.value(place))).or_default() += weight;
                }
            }
            kind if kind.is_numeric() => {
                let picked: Vec<usize> = places.collect();
                // A cast of a part of the rows; a number that has no double has no bucket either.
                let Ok(numbers) = cast(array, &DataType::Float64) else { return };
                let numbers = numbers.as_primitive::<Float64Type>();
                for number in picked.into_iter().filter(|place| numbers.is_valid(*place)).map(|place| numbers.value(place)) {
                    *self.sizes.entry(bucket(number)).or_default() += weight;
                }
            }
            _ => {}
        }
    }

    /// The share of rows without a value.
    pub fn null_share(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { ratio(self.nulls, self.rows) }
    }
}

fn length(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX))
}

fn ratio(part: u64, whole: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a share need not be exact")]
    let share = part as f64 / whole as f64;
    share
}

fn faded(before: u64, now: u64) -> u64 {
    before.saturating_mul(4) / 5 + now
}

fn blend(known: &mut Buckets, now: &Buckets) {
    for count in known.values_mut() {
        *count *= KEPT;
    }
    for (bucket, count) in now {
        *known.entry(*bucket).or_default() += count;
    }
    // What has faded is not worth its place.
    known.retain(|_, count| *count >= 0.5);
}

/// The bucket of a number: 0 for zero, beyond it by eighths of an octave in either direction.
fn bucket(number: f64) -> i32 {
    if number == 0.0 {
        return 0;
    }
    if number.is_nan() {
        return i32::MAX;
    }
    // From the smallest double up: 1075 octaves below one, so that a larger number always has the larger bucket.
    let octave = (number.abs().log2().clamp(-1074.0, 1024.0) + 1075.0) * BUCKETS_AN_OCTAVE;
    #[allow(clippy::cast_possible_truncation, reason = "between 8 and 16,792")]
    let place = octave.floor() as i32;
    if number < 0.0 { -place } else { place }
}
