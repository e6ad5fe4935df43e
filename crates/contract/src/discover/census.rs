//! The different values of a column and how often each occurs, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::SipHasher13;

/// Different values that are counted: more than a sample of 10,000 rows can hold, and what a table of 16,384 places takes.
const DISTINCT_MAX: usize = 14_336;
/// Bytes of values that are kept. A longer value, and what no longer fits, is counted and not looked at.
const KEPT_MAX_BYTES: usize = 384 * 1024;
/// Bytes of one value that is kept.
const VALUE_MAX_BYTES: usize = 256;
/// Lengths that are counted one by one; longer ones by powers of two.
const LENGTHS: usize = 256;
/// Marks an entry whose text is not kept.
const NOT_KEPT: u32 = u32::MAX;

/// A hash is spread already: it is its own place in the table.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    count: u64,
    at: u32,
    bytes: u32,
}

/// What was counted.
#[derive(Debug)]
pub struct Census {
    places: HashMap<u64, u32, BuildHasherDefault<AsIs>>,
    entries: Vec<Entry>,
    kept: String,
    /// Every different value is counted.
    exact: bool,
    /// Some value was too long to be kept.
    long: bool,
    /// Rows by length in characters.
    lengths: Vec<u64>,
    length: Option<(u64, u64)>,
}

impl Default for Census {
    fn default() -> Self {
        Self {
            places: HashMap::default(),
            entries: Vec::new(),
            kept: String::new(),
            exact: true,
            long: false,
            lengths: Vec::new(),
            length: None,
        }
    }
}

impl Census {
    /// Counts one value.
    pub fn take(&mut self, value: &str) {
        self.measure(value);
        let mut hasher = SipHasher13::new();
        hasher.write(value.as_bytes());
        let hash = hasher.finish();
        if let Some(place) = self.places.get(&hash).copied() {
            let kept = &self.kept;
            if let Some(entry) = usize::try_from(place).ok().and_then(|place| self.entries.get_mut(place)) {
                // Where texts are kept, two values of one hash are told apart: a count that is shown is that of its value.
                match text(kept, entry) {
                    Some(same) if same != value => self.exact = false,
                    _ => entry.count += 1,
                }
            }
            return;
        }
        let place = u32::try_from(self.entries.len()).unwrap_or(NOT_KEPT);
        if self.entries.len() >= DISTINCT_MAX {
            self.exact = false;
            return;
        }
        let at = self.keep(value);
        self.places.insert(hash, place);
        self.entries.push(Entry { count: 1, at, bytes: u32::try_from(value.len()).unwrap_or(NOT_KEPT) });
    }

    fn keep(&mut self, value: &str) -> u32 {
        self.long |= value.len() > VALUE_MAX_BYTES;
        if value.len() > VALUE_MAX_BYTES || self.kept.len() + value.len() > KEPT_MAX_BYTES {
            return NOT_KEPT;
        }
        // In steps, for a text that doubles would take twice as much as it may.
        const STEP_BYTES: usize = 64 * 1024;
        if self.kept.capacity() - self.kept.len() < value.len() {
            self.kept.reserve_exact(if self.kept.is_empty() { 4096 } else { STEP_BYTES });
        }
        let at = u32::try_from(self.kept.len()).unwrap_or(NOT_KEPT);
        self.kept.push_str(value);
        at
    }

    fn measure(&mut self, value: &str) {
        let chars = if value.is_ascii() { value.len() } else { value.chars().count() };
        let length = u64::try_from(chars).unwrap_or(u64::MAX);
        self.length = Some(self.length.map_or((length, length), |(min, max)| (min.min(length), max.max(length))));
        let place = if chars < LENGTHS { chars } else { LENGTHS + usize::try_from(length.ilog2()).unwrap_or(0) };
        if self.lengths.len() <= place {
            self.lengths.resize(place + 1, 0);
        }
        if let Some(count) = self.lengths.get_mut(place) {
            *count += 1;
        }
    }

    /// How many different values were counted, and whether those are all.
    pub fn distinct(&self) -> (u64, bool) {
        (u64::try_from(self.entries.len()).unwrap_or(u64::MAX), self.exact)
    }

    /// The shortest and the longest length, in characters.
    pub fn length(&self) -> Option<(u64, u64)> {
        self.length
    }

    /// Lengths in characters and rows that have them; from 256 on the power of two below.
    pub fn lengths(&self) -> impl Iterator<Item = (u64, u64)> {
        self.lengths.iter().enumerate().filter(|(_, count)| **count > 0).map(|(place, count)| {
            let exact = u64::try_from(place).unwrap_or(u64::MAX);
            let length =
                place.checked_sub(LENGTHS).map_or(exact, |power| 1u64.checked_shl(u32::try_from(power).unwrap_or(63)).unwrap_or(u64::MAX));
            (length, *count)
        })
    }

    /// Whether every value that came is among [`Census::values`], but for those after the most that are counted.
    pub fn holds_all(&self) -> bool {
        !self.long
    }

    /// The values that are kept, each once, in the order in which they came, and their counts.
    pub fn values(&self) -> impl Iterator<Item = (&str, u64)> + Clone {
        self.entries.iter().filter_map(|entry| Some((text(&self.kept, entry)?, entry.count)))
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.places.capacity() * 8 / 7 * 17 + self.entries.capacity() * 16 + self.kept.capacity() + self.lengths.capacity() * 8
    }
}

fn text<'a>(kept: &'a str, entry: &Entry) -> Option<&'a str> {
    let at = usize::try_from(entry.at).ok().filter(|_| entry.at != NOT_KEPT)?;
    kept.get(at..at.checked_add(usize::try_from(entry.bytes).ok()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_values_are_counted_exactly() {
        let mut census = Census::default();
        for round in 0..2 {
            for number in 0..10_000 {
                census.take(&format!("value {number}"));
            }
            assert_eq!(census.distinct(), (10_000, true), "{round}");
        }
        assert!(census.values().all(|(_, count)| count == 2));
        assert_eq!(census.length(), Some((7, 10)));
        assert_eq!(census.lengths().collect::<Vec<_>>(), [(7, 20), (8, 180), (9, 1800), (10, 18_000)]);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut census = Census::default();
        let long = "é".repeat(200_000);
        for number in 0..60_000 {
            census.take(&format!("{number} {}", "x".repeat(number % 300)));
            if number % 1000 == 0 {
                census.take(&long);
            }
        }
        assert!(census.bytes() <= 1024 * 1024, "{} bytes", census.bytes());
        assert_eq!(census.distinct(), (14_336, false));
        assert!(!census.holds_all());
        assert_eq!(census.length(), Some((2, 200_000)));
        assert_eq!(census.lengths().last(), Some((131_072, 60)));
        assert!(census.values().count() > 1000);
    }
}
