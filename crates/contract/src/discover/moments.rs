//! How the days and times of a column are written: every way in turn, until one reads all its values.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::column::{Column, ColumnType};
use crate::time::TimeReader;

/// A way of writing days or times.
#[derive(Debug, Clone)]
pub struct Way {
    pub ty: ColumnType,
    /// The contract's format; none for ISO 8601.
    pub pattern: Option<String>,
    reader: TimeReader,
}

const DAY_FIRST: [&str; 8] = ["dd/MM/yyyy", "d/M/yyyy", "dd-MM-yyyy", "d-M-yyyy", "dd.MM.yyyy", "d.M.yyyy", "dd MM yyyy", "ddMMyyyy"];
const MONTH_FIRST: [&str; 5] = ["MM/dd/yyyy", "M/d/yyyy", "MM-dd-yyyy", "M-d-yyyy", "MMddyyyy"];
const YEAR_FIRST: [&str; 5] = ["yyyy/MM/dd", "yyyy.MM.dd", "yyyy-M-d", "yyyy/M/d", "yyyyMMdd"];
const TIMES: [&str; 10] =
    [" HH:mm:ss", " HH:mm", " H:mm", " H:mm:ss", " HH:mm:ss.SSS", "'T'HH:mm:ss", "'T'HH:mm", "'T'HH:mm:ssX", " HH:mm:ssX", " HH'h'mm"];
const CLOCKS: [&str; 5] = ["HH:mm", "HH:mm:ss", "H:mm", "H:mm:ss", "HH'h'mm"];
/// Beside those that a day and a time make up.
const WHOLE: [&str; 7] = [
    "yyyy-MM-dd HH:mm",
    "yyyy-MM-dd'T'HH:mm",
    "yyyy-MM-dd'T'HH:mmX",
    "yyyy-MM-dd HH:mmX",
    "yyyyMMddHHmmss",
    "yyyyMMdd'T'HHmmss",
    "yyyyMMdd'T'HHmmssX",
];

static WAYS: LazyLock<Vec<Way>> = LazyLock::new(|| {
    let iso = [ColumnType::Date, ColumnType::Timestamp { zone: true }, ColumnType::Timestamp { zone: false }];
    let days = || YEAR_FIRST.iter().chain(&DAY_FIRST).chain(&MONTH_FIRST);
    let both = WHOLE.map(str::to_owned).into_iter().chain(days().flat_map(|day| TIMES.iter().map(move |time| format!("{day}{time}"))));
    let stamp = |pattern: String| Some((ColumnType::Timestamp { zone: pattern.ends_with('X') }, Some(pattern)));
    iso.into_iter()
        .map(|ty| Some((ty, None)))
        .chain(days().map(|day| Some((ColumnType::Date, Some((*day).to_owned())))))
        .chain(both.map(stamp))
        .chain(CLOCKS.iter().map(|clock| Some((ColumnType::Time, Some((*clock).to_owned())))))
        .flatten()
        .filter_map(|(ty, pattern)| Way::new(ty, pattern))
        .collect()
});

/// 1900-01-01 and 2100-12-31: eight digits beyond are a number.
const LIKELY_DAYS: std::ops::RangeInclusive<i64> = -25_567..=47_846;

impl Way {
    fn new(ty: ColumnType, pattern: Option<String>) -> Option<Self> {
        let mut column = Column::new("", ty);
        column.format.clone_from(&pattern);
        Some(Self { ty, pattern, reader: TimeReader::new(&column).ok()? })
    }

    /// The day of a value, since 1970-01-01; none where it is written otherwise, or for a time of day.
    pub fn day(&self, value: &str) -> Option<i64> {
        let read = self.reader.whole(value.as_bytes()).ok()?;
        match self.ty {
            ColumnType::Date => Some(read),
            ColumnType::Timestamp { .. } => Some(read.div_euclid(86_400_000_000)),
            _ => None,
        }
    }

    fn reads(&self, value: &str) -> bool {
        self.reader.whole(value.as_bytes()).is_ok()
    }

    /// No separator tells it from a number.
    fn is_compact(&self) -> bool {
        self.pattern.as_deref().is_some_and(|pattern| pattern.bytes().all(|byte| byte.is_ascii_alphabetic()))
    }

    /// Whether day and month stand before the year, the day first (`Some(true)`) or the month.
    fn day_first(&self) -> Option<bool> {
        let pattern = self.pattern.as_deref()?;
        let starts = |all: &[&str]| all.iter().any(|day| pattern.starts_with(day));
        if starts(&DAY_FIRST) { Some(true) } else { starts(&MONTH_FIRST).then_some(false) }
    }
}

/// The way in which all values are written. None where none is, and where day and month cannot be told apart: a wrong guess would load
/// wrong days without an error.
pub fn way<'a>(values: impl Iterator<Item = &'a str> + Clone) -> Option<&'static Way> {
    let first = values.clone().next().filter(|first| first.starts_with(|letter: char| letter.is_ascii_digit()) && first.len() <= 40)?;
    let mut left: Vec<&Way> = WAYS.iter().filter(|way| way.reads(first)).collect();
    for value in values.clone() {
        left.retain(|way| way.reads(value));
        if left.is_empty() {
            return None;
        }
    }
    let both = left.iter().any(|way| way.day_first() == Some(true)) && left.iter().any(|way| way.day_first() == Some(false));
    if both {
        let wanted = day_is_first(values.clone())?;
        left.retain(|way| way.day_first() == Some(wanted));
    }
    let found = *left.first()?;
    if found.is_compact() {
        let distinct = values.clone().take(3).count();
        let likely = values.clone().all(|value| found.day(value).is_some_and(|day| LIKELY_DAYS.contains(&day)));
        return (distinct == 3 && likely).then_some(found);
    }
    Some(found)
}

/// Whether the first of two numbers below 13 is the day: the first days of many months share one number, and it is the day's.
fn day_is_first<'a>(values: impl Iterator<Item = &'a str>) -> Option<bool> {
    let (mut firsts, mut seconds) = (BTreeSet::new(), BTreeSet::new());
    for value in values {
        let mut parts = value.split(|letter: char| !letter.is_ascii_digit());
        firsts.insert(parts.next()?);
        seconds.insert(parts.next()?);
    }
    match (firsts.len(), seconds.len()) {
        (1, 3..) => Some(true),
        (3.., 1) => Some(false),
        _ => None,
    }
}

/// The year of a day however it is written: with a month's name, or with two digits for the year.
pub fn year_of(value: &str) -> Option<u32> {
    let value = value.trim();
    if !(4..=40).contains(&value.len()) || !value.is_char_boundary(4) {
        return None;
    }
    let day = value.split(['T', ' ']).next().filter(|day| day.len() >= 6 && day.contains(['/', '-', '.'])).unwrap_or(value);
    let numbers: Vec<&str> = day.split(|letter: char| !letter.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    let letters = day.chars().filter(|letter| letter.is_alphabetic()).count();
    let year = |text: &str| text.parse::<u32>().ok().filter(|year| (1850..=2100).contains(year));
    let small = |text: &str, most: u32| text.len() <= 2 && text.parse::<u32>().is_ok_and(|number| (1..=most).contains(&number));
    let short_year = |text: &str| text.parse::<u32>().ok().map(|year| if year > 30 { 1900 + year } else { 2000 + year });
    match numbers.as_slice() {
        [y, m, d] if y.len() == 4 && small(m, 12) && small(d, 31) && letters == 0 => year(y),
        [a, b, y] if y.len() == 4 && small(a, 31) && small(b, 31) && letters == 0 => year(y),
        [a, b, y] if y.len() == 2 && small(a, 31) && small(b, 31) && letters == 0 => short_year(y),
        // With a time and nothing between, as HL7 writes it.
        [only] if matches!(only.len(), 12 | 14) && letters == 0 && day.len() == only.len() => {
            let part = |range: std::ops::Range<usize>, most| only.get(range).is_some_and(|part| small(part, most));
            year(only.get(..4)?).filter(|_| part(4..6, 12) && part(6..8, 31))
        }
        // `12 mars 1980`, `Wednesday, September 12, 1980`, and with a time behind.
        [d, y] | [d, y, _, _] | [d, y, _, _, _] if y.len() == 4 && small(d, 31) && (3..=20).contains(&letters) => year(y),
        [y, d] if y.len() == 4 && small(d, 31) && (3..=9).contains(&letters) => year(y),
        [d, y] if y.len() == 2 && small(d, 31) && (3..=9).contains(&letters) => short_year(y),
        [only] if only.len() == 8 && letters == 0 && day.len() == 8 => {
            let (front, back) = (only.get(..4)?, only.get(4..)?);
            let by_year =
                year(front).filter(|_| small(back.get(..2).unwrap_or_default(), 12) && small(back.get(2..).unwrap_or_default(), 31));
            by_year.or_else(|| {
                year(back).filter(|_| small(front.get(..2).unwrap_or_default(), 31) && small(front.get(2..).unwrap_or_default(), 12))
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(values: &[&str]) -> Option<String> {
        way(values.iter().copied()).map(|way| way.pattern.clone().unwrap_or_else(|| way.ty.to_string()))
    }

    #[test]
    fn every_way_compiles_for_its_type() {
        assert_eq!(WAYS.len(), 3 + 18 + 18 * 10 + 7 + 5);
    }

    #[test]
    fn days_and_times_are_found_as_they_are_written() {
        for (values, pattern) in [
            (&["2024-01-31", "1999-12-01"][..], "date"),
            (&["2024-01-31 10:00:00"], "timestamp without zone"),
            (&["2024-01-31T10:00:00Z", "2024-01-31T10:00:00.5+02:00"], "timestamp with zone"),
            (&["31/12/2024", "01/02/2023"], "dd/MM/yyyy"),
            (&["12/31/2024", "01/02/2023"], "MM/dd/yyyy"),
            (&["31/1/2024", "1/12/2023"], "d/M/yyyy"),
            (&["31-12-2024"], "dd-MM-yyyy"),
            (&["01.02.2024"], "dd.MM.yyyy"),
            (&["2024/01/31"], "yyyy/MM/dd"),
            (&["20240131", "20231201", "19991231"], "yyyyMMdd"),
            (&["31/12/2024 23:59"], "dd/MM/yyyy HH:mm"),
            (&["31/12/2024 23:59:01"], "dd/MM/yyyy HH:mm:ss"),
            (&["2024-01-31 10:00"], "yyyy-MM-dd HH:mm"),
            (&["2024-01-31T10:00"], "yyyy-MM-dd'T'HH:mm"),
            (&["20240131235900", "20240131235901", "20240131235902"], "yyyyMMddHHmmss"),
            (&["10:30", "23:59"], "HH:mm"),
            (&["01/01/2024", "01/02/2024", "01/03/2024"], "dd/MM/yyyy"),
            (&["01/01/2024", "02/01/2024", "03/01/2024"], "MM/dd/yyyy"),
        ] {
            assert_eq!(found(values).as_deref(), Some(pattern), "{values:?}");
        }
        for none in [
            &["01/02/2024"][..],
            &["01/02/2024", "03/04/2024"],
            &["31/12/2024", "12/31/2024"],
            &["31/02/2024"],
            &["31/12/24"],
            &["20240131"],
            &["20240131", "20241301", "20240101"],
            &["10000101", "10000102", "10000103"],
            &["2024-01-31", ""],
            &[""],
            &[],
            &["48.85"],
            &["é"],
        ] {
            assert_eq!(found(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_year_is_found_however_the_day_is_written() {
        for (value, year) in [
            ("1984-03-12", 1984),
            ("12/03/1984", 1984),
            ("12/03/84", 1984),
            ("12.03.04", 2004),
            ("12 mars 1984", 1984),
            ("Mar 12, 1984", 1984),
            ("19840312", 1984),
            ("12031984", 1984),
            ("1984-03-12 00:00:00", 1984),
            ("1984-03-12T00:00:00Z", 1984),
            ("12-Mar-84", 1984),
            ("1er janvier 1984", 1984),
            ("Wednesday, September 12, 1984", 1984),
            ("Mar 12 1984 12:00AM", 1984),
            ("1984 March 12", 1984),
            ("19840312000000", 1984),
            ("198403120930", 1984),
        ] {
            assert_eq!(year_of(value), Some(year), "{value}");
        }
        for wrong in
            ["1984", "84", "", "12/13", "1.2.3", "99999999", "日本語日本語", "1984-3-12-4", "32/01/1984", "19841312000000", "12 1984"]
        {
            assert_eq!(year_of(wrong), None, "{wrong}");
        }
    }
}
