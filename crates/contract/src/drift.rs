//! How far a load is from those before it. What is found is told, and stops nothing: a contract's rules do that.
//!
//! - **Volume**: the rows read differ from the median of up to 20 earlier loads by more than four times the median absolute deviation
//!   (times 1.4826, which makes it a standard deviation for normal counts), and by more than 30% of the median.
//! - **Nulls**: a column's share of rows without a value differs from the median of theirs by more than four such deviations, and by more
//!   than five percentage points.
//! - **Distribution**: the population stability index between the load and those before it, newer ones weighing more, is above 0.25, over
//!   ten parts that held a tenth each. Of texts both lengths and values are compared. Columns with fewer than 1,000 values on either side, and
//!   dates, times and keys, are not judged. A load that moved is not among those that later ones are compared with, until three in a row
//!   did: then it is as they are that is usual.
//!
//! Nothing is judged before five loads.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::statistics::{Buckets, Statistics};

/// Loads that are remembered.
const LOADS_MAX: usize = 20;
/// Loads before anything is judged.
const LOADS_MIN: usize = 5;
/// Deviations from the median that are usual.
const DEVIATIONS: f64 = 4.0;
/// Makes a median absolute deviation a standard deviation, for normal counts.
const TO_SIGMA: f64 = 1.4826;
/// Share of the median by which rows may differ whatever the deviation.
const VOLUME_SHARE: f64 = 0.3;
/// By how much the share of nulls may differ whatever the deviation.
const NULL_SHARE: f64 = 0.05;
/// The stability index above which a distribution has moved.
const PSI_MAX: f64 = 0.25;
/// Values on either side below which no distribution is judged.
const VALUES_MIN: f64 = 1_000.0;
/// Parts that are compared.
const PARTS: f64 = 10.0;
/// What a part counts as at least, so that an empty one can be compared.
const SHARE_MIN: f64 = 0.0005;
/// Loads in a row that moved, after which they are what is usual.
const MOVED_MAX: u32 = 3;
/// How many times the usual time between loads may pass before a table is stale.
const STALE_TIMES: i64 = 3;

/// What earlier loads were like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    loads: VecDeque<Load>,
    reference: Statistics,
    /// How many of the last loads moved, by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    moved: BTreeMap<String, u32>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Load {
    read: u64,
    nulls: BTreeMap<String, f64>,
}

/// Something unusual about a load. It holds counts and shares, and no value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Anomaly {
    /// More or fewer rows than usual.
    Volume { read: u64, usual: u64 },
    /// More or fewer nulls than usual.
    Nulls { column: String, share: f64, usual: f64 },
    /// Numbers or lengths lie elsewhere, or values have other frequencies.
    Distribution { column: String, of: Of, stability_index: f64 },
}

/// What moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// How large numbers are, how often a flag is set, how long texts are.
    Sizes,
    /// How often each text occurs.
    Values,
}

impl std::fmt::Display for Anomaly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Volume { read, usual } => write!(f, "volume: {read} rows read, usually about {usual}"),
            Self::Nulls { column, share, usual } => {
                write!(f, "nulls: {:.1}% of {column}, usually about {:.1}%", share * 100.0, usual * 100.0)
            }
            Self::Distribution { column, of, stability_index } => {
                let of = match of {
                    Of::Sizes => "sizes",
                    Of::Values => "values",
                };
                write!(f, "distribution: the {of} of {column} moved (stability index {stability_index:.2}, at most {PSI_MAX} is usual)")
            }
        }
    }
}

impl History {
    /// What is unusual about a load.
    pub fn judge(&self, read: u64, load: &Statistics) -> Vec<Anomaly> {
        let mut found = Vec::new();
        if self.loads.len() < LOADS_MIN {
            return found;
        }
        found.extend(self.volume(read));
        for (name, column) in &load.columns {
            let shares: Vec<f64> = self.loads.iter().filter_map(|load| load.nulls.get(name).copied()).collect();
            // A column that came later has too short a past of its own.
            if shares.len() < LOADS_MIN || column.rows == 0 {
                continue;
            }
            let share = column.null_share();
            if let Some(usual) = unusual(&shares, share, |_| NULL_SHARE) {
                found.push(Anomaly::Nulls { column: name.clone(), share, usual });
            }
            let Some(known) = self.reference.columns.get(name) else { continue };
            for (of, before, now) in [(Of::Sizes, &known.sizes, &column.sizes), (Of::Values, &known.hashes, &column.hashes)] {
                if let Some(stability_index) = stability(before, now).filter(|index| *index > PSI_MAX) {
                    found.push(Anomaly::Distribution { column: name.clone(), of, stability_index });
                }
            }
        }
        found
    }

    /// Remembers a load that was committed, and what was found about it.
    pub fn follow(&mut self, read: u64, load: &Statistics, found: &[Anomaly]) {
        let mut followed = load.clone();
        for name in load.columns.keys() {
            if !found.iter().any(|anomaly| matches!(anomaly, Anomaly::Distribution { column, .. } if column == name)) {
                self.moved.remove(name);
                continue;
            }
            let times = self.moved.entry(name.clone()).or_default();
            *times += 1;
            if *times < MOVED_MAX {
                // As it was, so that one strange load does not make the next one strange.
                if let Some(known) = self.reference.columns.get(name) {
                    followed.columns.insert(name.clone(), known.clone());
                }
            } else {
                self.moved.remove(name);
                self.reference.columns.remove(name);
            }
        }
        self.reference.follow(&followed);
        self.loads.push_back(Load { read, nulls: load.columns.iter().map(|(name, column)| (name.clone(), column.null_share())).collect() });
        while self.loads.len() > LOADS_MAX {
            self.loads.pop_front();
        }
    }

    fn volume(&self, read: u64) -> Option<Anomaly> {
        let counts: Vec<f64> = self.loads.iter().map(|load| number(load.read)).collect();
        let usual = unusual(&counts, number(read), |usual| VOLUME_SHARE * usual)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the median of counts")]
        let usual = usual.round() as u64;
        Some(Anomaly::Volume { read, usual })
    }
}

/// The median of what was before, when a number is unusually far from it, and by more than what is `allowed` anyhow.
fn unusual(before: &[f64], now: f64, allowed: impl Fn(f64) -> f64) -> Option<f64> {
    let usual = median(before.to_vec())?;
    let deviation = median(before.iter().map(|number| (number - usual).abs()).collect())?;
    let off = (now - usual).abs();
    (off > DEVIATIONS * TO_SIGMA * deviation && off > allowed(usual)).then_some(usual)
}

/// How long the table has had no load, in milliseconds, and how long it usually takes, when that is unusual: more than three times
/// the median of the times between its last 21 loads, of which there are at least five. `loads` are their times, oldest first.
pub fn stale(loads: &[i64], now_ms: i64) -> Option<(i64, i64)> {
    let last = *loads.last()?;
    let recent = loads.get(loads.len().saturating_sub(LOADS_MAX + 1)..)?;
    let mut gaps: Vec<i64> = recent.iter().zip(recent.iter().skip(1)).map(|(before, after)| after.saturating_sub(*before)).collect();
    if recent.len() < LOADS_MIN {
        return None;
    }
    gaps.sort_unstable();
    let usual = *gaps.get(gaps.len() / 2)?;
    let since = now_ms.saturating_sub(last);
    (usual > 0 && since > usual.saturating_mul(STALE_TIMES)).then_some((since, usual))
}

fn number(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "counts of rows are compared roughly")]
    let number = count as f64;
    number
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = *numbers.get(middle)?;
    if numbers.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*numbers.get(middle.checked_sub(1)?)?, upper))
}

/// The population stability index over parts that held about a tenth each before; none where there is too little to compare.
fn stability(before: &Buckets, now: &Buckets) -> Option<f64> {
    let (all_before, all_now) = (before.values().sum::<f64>(), now.values().sum::<f64>());
    if all_before < VALUES_MIN || all_now < VALUES_MIN {
        return None;
    }
    let mut buckets: Vec<i32> = before.keys().chain(now.keys()).copied().collect();
    buckets.sort_unstable();
    buckets.dedup();
    let (mut index, mut part_before, mut part_now) = (0.0, 0.0, 0.0);
    let close = |part_before: f64, part_now: f64| {
        let (p, q) = ((part_before / all_before).max(SHARE_MIN), (part_now / all_now).max(SHARE_MIN));
        (q - p) * (q / p).ln()
    };
    for bucket in buckets {
        part_before += before.get(&bucket).copied().unwrap_or_default();
        part_now += now.get(&bucket).copied().unwrap_or_default();
        if part_before >= all_before / PARTS {
            index += close(part_before, part_now);
            (part_before, part_now) = (0.0, 0.0);
        }
    }
    Some(index + close(part_before, part_now))
}

#[cfg(test)]
mod tests;
