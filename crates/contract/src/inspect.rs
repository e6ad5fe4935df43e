//! Content inspection: values that fit their column's type and rules, and are a risk in themselves. Every text column of every
//! contract is inspected; nothing switches it off. `polder.waive` silences one kind on one column, and what it silences is counted.
//!
//! Values are looked at many at once first ([`Facts`]): most hold nothing that any kind of finding could begin with, and no more is done
//! for them than to look at the first byte of each. [`of_text`] is the definition that the fast way must agree with.

mod characters;
mod formula;
mod homoglyph;
mod literals;
mod markup;
mod mask;
mod patterns;
pub mod personal;
mod search;
pub mod waiver;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, StringArray};

use crate::admitted::Rule;
use crate::column::{Column, ColumnType};
use crate::contract::Contract;
use crate::error::Error;
use crate::gate::faults::Faults;
pub use mask::masked;
pub use patterns::{Patterns, RuleFile};

/// A kind of risk. Its word never changes: contracts, reports and the log hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A pattern that is known to be bad: a rule of YARA.
    Pattern,
    /// Script or markup that does something where it is shown.
    Markup,
    /// What a spreadsheet runs.
    Formula,
    /// Control characters other than tab, line feed and carriage return.
    Control,
    /// Characters that turn the direction of a text or hide in it.
    Bidi,
    /// Letters that look like others, in identifiers.
    Homoglyph,
    /// A row whose texts are longer together than the contract lets.
    Oversized,
    /// Personal data in a column whose classification does not allow it. Judged for a column, at the end of a load.
    Personal,
}

impl Kind {
    /// All of them; of several in one value the first is told.
    pub const ALL: [Self; 8] =
        [Self::Pattern, Self::Markup, Self::Formula, Self::Control, Self::Bidi, Self::Homoglyph, Self::Oversized, Self::Personal];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pattern => "pattern",
            Self::Markup => "markup",
            Self::Formula => "formula",
            Self::Control => "control",
            Self::Bidi => "bidi",
            Self::Homoglyph => "homoglyph",
            Self::Oversized => "oversized",
            Self::Personal => "personal",
        }
    }

    /// The kind with a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u8);

impl Kinds {
    /// With a kind, when `there` says so.
    #[inline]
    #[must_use]
    pub fn with(self, kind: Kind, there: bool) -> Self {
        Self(self.0 | (u8::from(there) << kind as u8))
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, the one that is told first.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.0 & (1 << *kind as u8) != 0)
    }
}

/// Rows of a batch with a finding that the contract waives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waived {
    /// The column.
    pub column: String,
    /// What is waived.
    pub kind: Kind,
    /// In how many rows.
    pub rows: u64,
}

/// What a text holds, by the definitions alone: every kind that is judged for a value, but patterns.
pub fn of_text(text: &str) -> Kinds {
    let bytes = text.as_bytes();
    Kinds::default()
        .with(Kind::Formula, formula::value(bytes))
        .with(Kind::Control, text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')))
        .with(Kind::Bidi, characters::hidden(text))
        .with(Kind::Homoglyph, homoglyph::value(text))
        .with(Kind::Markup, markup::value(bytes))
}

/// The shape of a value that is a risk by any kind that is judged for a value; none of one that may be shown as it is.
///
/// # Errors
/// When the search for patterns fails.
pub fn mask_of_risk(patterns: Patterns, value: &[u8]) -> Result<Option<String>, Error> {
    let text = String::from_utf8_lossy(value);
    let risk = !of_text(&text).is_empty() || patterns.judge(value)?.is_some();
    Ok(risk.then(|| masked(&text)))
}

/// What the bytes of many values, one after the other, say of each of them.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    /// A control character of ASCII is there.
    control: bool,
    /// One of Latin-1 is.
    high_control: bool,
    /// Two signs are there together that markup may be about.
    markup: bool,
    /// A sign is there that stands in formulas.
    acts: bool,
    /// A character is there that is not merely seen.
    hide: bool,
    /// A letter is there that may pass for a Latin one.
    mix: bool,
}

impl Facts {
    /// One pass, or two where there is more than ASCII, which the compiler makes of many bytes at a time.
    fn of(text: &[u8]) -> Self {
        let (mut control, mut high, mut markup, mut acts) = (0u8, 0u8, 0u8, 0u8);
        let mut see = |a: u8, b: u8| {
            control |= u8::from(characters::is_control_byte(a));
            high |= a & 0x80;
            markup |= u8::from(markup::may_begin_at(a, b));
            acts |= u8::from(formula::may_act(a));
        };
        for (a, b) in text.iter().zip(text.get(1..).unwrap_or_default()) {
            see(*a, *b);
        }
        // The last, which the loop does not begin at.
        text.last().into_iter().for_each(|last| see(*last, 0));
        let facts = Self { control: control != 0, markup: markup != 0, acts: acts != 0, ..Self::default() };
        if high == 0 { facts } else { facts.with_high(text) }
    }

    fn with_high(self, text: &[u8]) -> Self {
        let (mut control, mut hide, mut mix) = (0u8, 0u8, 0u8);
        let mut see = |a: u8, b: u8, c: u8| {
            control |= u8::from(characters::is_high_control(a, b));
            hide |= u8::from(characters::may_hide_at(a, b, c));
            mix |= u8::from(homoglyph::may_mix_at(a, b, c));
        };
        let (second, third) = (text.get(1..).unwrap_or_default(), text.get(2..).unwrap_or_default());
        for ((a, b), c) in text.iter().zip(second).zip(third) {
            see(*a, *b, *c);
        }
        // The last two, which the loop does not begin at.
        match text {
            [.., a, b] => (see(*a, *b, 0), see(*b, 0, 0)).0,
            [a] => see(*a, 0, 0),
            [] => (),
        }
        Self { high_control: control != 0, hide: hide != 0, mix: mix != 0, ..self }
    }

    /// Whether no value can hold anything but a formula.
    fn is_plain(self) -> bool {
        !(self.control || self.high_control || self.markup || self.hide || self.mix)
    }

    /// What a value holds.
    fn judge(self, text: &str) -> Kinds {
        let value = text.as_bytes();
        let mut kinds = Kinds::default().with(Kind::Formula, self.is_formula(value));
        kinds = kinds.with(Kind::Markup, self.markup && markup::value(value));
        kinds = kinds.with(Kind::Control, self.control && value.iter().any(|byte| characters::is_control_byte(*byte)));
        kinds = kinds.with(Kind::Control, self.high_control && characters::high_control(value));
        kinds = kinds.with(Kind::Bidi, self.hide && characters::hidden(text));
        kinds.with(Kind::Homoglyph, self.mix && homoglyph::may_mix(value) && homoglyph::value(text))
    }

    #[inline]
    fn is_formula(self, value: &[u8]) -> bool {
        value.first().is_some_and(|first| formula::may_lead(*first)) && formula::value_among(value, self.acts)
    }
}

/// Values that are looked at together: enough that the look costs little, and few enough that a single sign makes few be looked at alone.
const TOGETHER: usize = 128;

/// The kinds in the values of a column, for every row that has any.
fn of_column(array: &StringArray, mut found: impl FnMut(usize, Kinds)) {
    let (offsets, text) = (array.value_offsets(), array.value_data());
    for first in (0..array.len()).step_by(TOGETHER) {
        let rows = first..array.len().min(first + TOGETHER);
        let Some([start, .., end]) = offsets.get(rows.start..=rows.end) else { continue };
        let facts = Facts::of(slice(text, *start, *end));
        if facts.is_plain() {
            let ends = offsets.iter().skip(rows.start);
            for (row, (start, end)) in rows.clone().zip(ends.clone().zip(ends.skip(1))) {
                if facts.is_formula(slice(text, *start, *end)) && array.is_valid(row) {
                    found(row, Kinds::default().with(Kind::Formula, true));
                }
            }
        } else {
            for row in rows.filter(|row| array.is_valid(*row)) {
                let kinds = facts.judge(array.value(row));
                if !kinds.is_empty() {
                    found(row, kinds);
                }
            }
        }
    }
}

#[inline]
fn slice(text: &[u8], start: i32, end: i32) -> &[u8] {
    let (start, end) = (usize::try_from(start).unwrap_or(0), usize::try_from(end).unwrap_or(0));
    text.get(start..end).unwrap_or_default()
}

/// Inspects the batches of one load.
#[derive(Debug)]
pub struct Inspection {
    /// The text columns: place in the contract, and what is waived.
    columns: Vec<(usize, Kinds)>,
    patterns: Patterns,
    row_bytes_max: usize,
    watch: personal::Watch,
}

/// A text column of a batch.
struct Inspected<'a> {
    place: usize,
    waived: Kinds,
    array: &'a StringArray,
}

impl Inspection {
    /// For a contract's columns.
    pub fn new(contract: &Contract, patterns: Patterns) -> Self {
        let texts = contract.columns.iter().enumerate().filter(|(_, column)| column.ty == ColumnType::String);
        let waived = |column: &Column| column.waivers.iter().fold(Kinds::default(), |kinds, waiver| kinds.with(waiver.kind, true));
        Self {
            columns: texts.map(|(place, column)| (place, waived(column))).collect(),
            patterns,
            row_bytes_max: contract.max_row_bytes,
            watch: personal::Watch::new(contract),
        }
    }

    /// Marks the rows of a batch that are a risk; how many findings were waived, by column and kind.
    ///
    /// # Errors
    /// When the search for patterns fails.
    pub(crate) fn check(&self, arrays: &[ArrayRef], first_ordinal: u64, faults: &mut Faults) -> Result<Vec<(usize, Kind, u64)>, Error> {
        self.watch.take(arrays, first_ordinal);
        let columns = self.columns.iter().filter_map(|(place, waived)| {
            let array = arrays.get(*place)?.as_string_opt::<i32>()?;
            Some(Inspected { place: *place, waived: *waived, array })
        });
        let columns: Vec<Inspected<'_>> = columns.collect();
        let mut tally = Tally::default();
        for hit in search::hits(self.patterns, &columns)? {
            let Some(column) = columns.get(hit.column) else { continue };
            tally.take(column, hit.row, Kinds::default().with(Kind::Pattern, true), Some(hit.rule), faults);
        }
        for column in &columns {
            of_column(column.array, |row, kinds| tally.take(column, row, kinds, None, faults));
        }
        self.oversized(&columns, faults);
        Ok(tally.waived)
    }

    /// Ends the load: columns with personal data that they must not hold.
    pub(crate) fn finish(&self) -> Vec<personal::Personal> {
        self.watch.finish()
    }

    /// Rows whose texts are too long together; told of the column with the longest.
    fn oversized(&self, columns: &[Inspected<'_>], faults: &mut Faults) {
        let length = |array: &StringArray| {
            let offsets = array.value_offsets();
            offsets.last().zip(offsets.first()).map_or(0, |(last, first)| usize::try_from(last.wrapping_sub(*first)).unwrap_or(usize::MAX))
        };
        let whole = columns.iter().fold(0usize, |sum, column| sum.saturating_add(length(column.array)));
        // No row is longer than all together.
        if whole <= self.row_bytes_max {
            return;
        }
        let rows = columns.first().map_or(0, |column| column.array.len());
        for row in 0..rows {
            let lengths = columns.iter().map(|column| usize::try_from(column.array.value_length(row)).unwrap_or(0));
            if lengths.clone().fold(0usize, usize::saturating_add) > self.row_bytes_max {
                let longest = lengths.zip(columns).max_by_key(|(length, _)| *length);
                if let Some((_, column)) = longest {
                    faults.add_risk(row, column.place, Rule::Content(Kind::Oversized), None);
                }
            }
        }
    }
}

/// Findings that were waived, as they are counted.
#[derive(Default)]
struct Tally {
    waived: Vec<(usize, Kind, u64)>,
}

impl Tally {
    #[cold]
    fn take(&mut self, column: &Inspected<'_>, row: usize, kinds: Kinds, pattern: Option<&'static str>, faults: &mut Faults) {
        for kind in kinds.and(column.waived).iter() {
            match self.waived.iter_mut().find(|(place, known, _)| *place == column.place && *known == kind) {
                Some((_, _, rows)) => *rows += 1,
                None => self.waived.push((column.place, kind, 1)),
            }
        }
        if let Some(kind) = kinds.without(column.waived).iter().next() {
            faults.add_risk(row, column.place, Rule::Content(kind), pattern);
        }
    }
}

#[cfg(test)]
mod tests;
