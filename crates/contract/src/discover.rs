//! Recognises what a column holds: its format, its distribution, and whether it is personal data. Pure: sees texts one by one, keeps a
//! bounded part of them in memory, and gives out no value that occurs fewer than 20 times.
//!
//! How a column is judged stands in `verdict.rs`; what that misses, in the guide's page on discovery.

mod address;
mod bank;
mod census;
mod contact;
mod digits;
mod evidence;
mod format;
mod health;
mod histogram;
mod kind;
mod mask;
mod moments;
mod name;
mod national;
mod network;
mod people;
mod verdict;
mod vocabulary;
mod words;

pub use format::Format;
pub use kind::{Because, Finding, PersonalKind};
pub use mask::mask;
pub use words::fold;

use crate::column::ColumnType;
use census::Census;
use evidence::Evidence;
use moments::Way;
use name::Name;

/// How often a value must occur before it may be written or shown.
pub const REPEATED_MIN: u64 = 20;
/// Values that are given out, at most.
const REPEATED_MAX: usize = 50;
/// Different values that the checks look at, spread over all: more would change no verdict.
const JUDGED_MAX: usize = 2_000;

/// Looks at one column, value by value. Takes at most about 1 MiB, whatever comes.
#[derive(Debug)]
pub struct Profiler {
    name: String,
    rows: u64,
    nulls: u64,
    census: Census,
}

impl Profiler {
    /// For a column of this name.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rows: 0, nulls: 0, census: Census::default() }
    }

    /// Takes the next row's value: none for null, for an absent one and for a text that stands for null.
    pub fn take(&mut self, value: Option<&str>) {
        self.rows += 1;
        match value {
            Some(value) => self.census.take(value),
            None => self.nulls += 1,
        }
    }

    /// What was seen.
    pub fn finish(self) -> Profile {
        let census = &self.census;
        let step = census.values().count().div_ceil(JUDGED_MAX).max(1);
        let personal = verdict::judge(&Name::read(&self.name), &Evidence::of(census.values().map(|(value, _)| value).step_by(step)));
        let texts = census.values().map(|(value, _)| value);
        let way = if census.holds_all() { moments::way(texts.clone()) } else { None };
        let (distinct, distinct_exact) = census.distinct();
        // What is personal is left out or pseudonymised: nothing of it may reach a file or a page.
        let shown = personal.is_none();
        Profile {
            format: if census.holds_all() { Format::find(texts, way) } else { None },
            histogram: if shown { distribution(census, way) } else { Vec::new() },
            repeated: if shown { repeated(census) } else { Vec::new() },
            length: census.length(),
            name: self.name,
            rows: self.rows,
            nulls: self.nulls,
            distinct,
            distinct_exact,
            personal,
        }
    }
}

/// One bar of a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    pub label: String,
    pub count: u64,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub name: String,
    pub rows: u64,
    pub nulls: u64,
    /// Different values: exact for up to 10,000 rows, at least as many beyond.
    pub distinct: u64,
    pub distinct_exact: bool,
    /// Values that occur at least [`REPEATED_MIN`] times, the most frequent first, at most 50: the only ones that may ever be written
    /// or shown. None of a personal column.
    pub repeated: Vec<(String, u64)>,
    /// The shortest and the longest value, in characters.
    pub length: Option<(u64, u64)>,
    /// The distribution: of numbers by equal steps, of dates by month, year or decade, of other texts by length. No bar stands for
    /// fewer than [`REPEATED_MIN`] rows. None of a personal column.
    pub histogram: Vec<Bar>,
    /// How its texts are written, where every value seen is written so.
    pub format: Option<Format>,
    pub personal: Option<Finding>,
}

/// What a column holds by its name alone, for a column whose values are not looked at.
pub fn by_name(name: &str) -> Option<PersonalKind> {
    Name::read(name).kind()
}

fn repeated(census: &Census) -> Vec<(String, u64)> {
    let mut repeated: Vec<(&str, u64)> = census.values().filter(|(_, count)| *count >= REPEATED_MIN).collect();
    repeated.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    repeated.truncate(REPEATED_MAX);
    repeated.into_iter().map(|(value, count)| (value.to_owned(), count)).collect()
}

fn distribution(census: &Census, way: Option<&Way>) -> Vec<Bar> {
    let all = |ty: ColumnType| census.values().next().is_some() && census.values().all(|(value, _)| ty.holds(value.as_bytes()));
    if let Some(way) = way.filter(|way| way.ty != ColumnType::Time) {
        return histogram::of_days(census.values().filter_map(|(value, count)| Some((way.day(value)?, count))));
    }
    if census.holds_all() && all(ColumnType::Float64) {
        let numbers = census.values().filter_map(|(value, count)| Some((value.parse::<f64>().ok()?, count)));
        return histogram::of_numbers(numbers, all(ColumnType::Int64));
    }
    let lengths = census.lengths().map(|(length, count)| (f64::from(u32::try_from(length).unwrap_or(u32::MAX)), count));
    let mut bars = histogram::of_numbers(lengths, true);
    for bar in &mut bars {
        bar.label.push_str(" characters");
    }
    bars
}

/// Whether a text standing alone is without doubt about somebody: what has a check digit or a form of its own.
pub fn identifies(text: &str) -> bool {
    contact::is_email(text)
        || bank::is_iban(text)
        || bank::is_card(text)
        || national::is_nir(text)
        || national::is_machine_readable_zone(text)
        || national::is_spanish_dni(text)
        || national::is_italian_fiscal_code(text)
        || network::is_mac(text)
}

#[cfg(test)]
mod tests;
