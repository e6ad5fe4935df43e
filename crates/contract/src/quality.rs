//! Metrics of ODCS's library over a whole load: counted by the gate, judged when the counts close.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::cast::AsArray;
use arrow::array::{Array, RecordBatch};

use crate::contract::Contract;
use crate::error::Error;

/// What is counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// `nullValues`: rows in which the column is null.
    Null,
    /// `missingValues`: rows in which it is one of these.
    Missing {
        /// Whether null is one of them.
        null: bool,
        /// Texts that stand for no value.
        texts: Vec<String>,
    },
    /// `invalidValues`: rows in which it is none of these, and not null.
    Invalid {
        /// The only valid texts.
        valid: Vec<String>,
    },
    /// `rowCount`: rows that are loaded.
    Rows,
}

impl Metric {
    /// As a contract writes it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Null => "nullValues",
            Self::Missing { .. } => "missingValues",
            Self::Invalid { .. } => "invalidValues",
            Self::Rows => "rowCount",
        }
    }
}

/// What a count must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Holds {
    Is(f64),
    IsNot(f64),
    Over(f64),
    AtLeast(f64),
    Under(f64),
    AtMost(f64),
    /// Both ends belong.
    Between(f64, f64),
    NotBetween(f64, f64),
}

impl Holds {
    pub(crate) fn for_count(self, count: f64) -> bool {
        match self {
            Self::Is(wanted) => count == wanted,
            Self::IsNot(wanted) => count != wanted,
            Self::Over(wanted) => count > wanted,
            Self::AtLeast(wanted) => count >= wanted,
            Self::Under(wanted) => count < wanted,
            Self::AtMost(wanted) => count <= wanted,
            Self::Between(least, most) => (least..=most).contains(&count),
            Self::NotBetween(least, most) => !(least..=most).contains(&count),
        }
    }
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(wanted) => write!(f, "{wanted}"),
            Self::IsNot(wanted) => write!(f, "not {wanted}"),
            Self::Over(wanted) => write!(f, "more than {wanted}"),
            Self::AtLeast(wanted) => write!(f, "at least {wanted}"),
            Self::Under(wanted) => write!(f, "less than {wanted}"),
            Self::AtMost(wanted) => write!(f, "at most {wanted}"),
            Self::Between(least, most) => write!(f, "{least} to {most}"),
            Self::NotBetween(least, most) => write!(f, "outside {least} to {most}"),
        }
    }
}

/// A rule over a whole load.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    pub metric: Metric,
    pub holds: Holds,
    /// Whether the count is a percentage of the rows, not a number of them.
    pub percent: bool,
}

/// The counts of a load, one for each rule of a column, in the order of the contract.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<AtomicU64>);

impl Tally {
    pub fn of(contract: &Contract) -> Self {
        Self(of_columns(contract).map(|_| AtomicU64::new(0)).collect())
    }

    /// Counts the rows of an admitted batch, which holds the contract's stored columns.
    pub fn add(&self, contract: &Contract, batch: &RecordBatch) {
        for ((place, measure), count) in of_columns(contract).zip(&self.0) {
            let Some(array) = contract.stored_place(place).and_then(|place| batch.columns().get(place)) else { continue };
            let found = match &measure.metric {
                Metric::Null => array.null_count(),
                Metric::Missing { null, texts } => {
                    let nulls = if *null { array.null_count() } else { 0 };
                    let strings = array.as_string_opt::<i32>().filter(|_| !texts.is_empty());
                    nulls
                        + strings.map_or(0, |strings| {
                            strings.iter().flatten().filter(|text| texts.iter().any(|missing| missing == text)).count()
                        })
                }
                Metric::Invalid { valid } => array
                    .as_string_opt::<i32>()
                    .map_or(0, |strings| strings.iter().flatten().filter(|text| !valid.iter().any(|valid| valid == text)).count()),
                Metric::Rows => 0,
            };
            count.fetch_add(u64::try_from(found).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> Vec<u64> {
        self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

/// What a gate measured of its load.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub counts: Vec<u64>,
    pub whole_load: bool,
}

fn of_columns(contract: &Contract) -> impl Iterator<Item = (usize, &Measure)> {
    contract.columns.iter().enumerate().flat_map(|(place, column)| column.quality.iter().map(move |measure| (place, measure)))
}

/// Holds what was measured over `admitted` rows, of which `loaded` are no repetitions, to the contract's rules.
pub(crate) fn judge(contract: &Contract, measured: &Measured, admitted: u64, loaded: u64) -> Result<(), Error> {
    for ((place, measure), count) in of_columns(contract).zip(&measured.counts) {
        let column = contract.columns.get(place).map_or("", |column| column.name.as_str());
        held(measure, format!(" of column {column}"), *count, admitted)?;
    }
    let mut of_table = contract.quality.iter().filter(|_| measured.whole_load);
    of_table.try_for_each(|measure| held(measure, String::new(), loaded, loaded))
}

#[allow(clippy::cast_precision_loss, reason = "a count of more than 2^53 rows needs no more exactness")]
fn held(measure: &Measure, of: String, count: u64, rows: u64) -> Result<(), Error> {
    let percent = if rows == 0 { 0.0 } else { count as f64 * 100.0 / rows as f64 };
    let (found, unit) = if measure.percent { (percent, " percent") } else { (count as f64, "") };
    if measure.holds.for_count(found) {
        return Ok(());
    }
    Err(Error::Quality { metric: measure.metric.name(), of, count, rows, wanted: format!("{}{unit}", measure.holds) })
}

#[cfg(test)]
mod tests;
