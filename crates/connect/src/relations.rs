//! Keys and joins of samples, from which values stand in which column. Values are compared as hashes under a key that lives as long
//! as the samples do: what is kept of them says nothing to anyone else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use polder_contract::ColumnType;
use siphasher::sip::SipHasher13;
use unicode_normalization::UnicodeNormalization;

use crate::sample::{InferredKind, Sample, SampledColumn};

/// Columns of a dataset that are compared, at most: their hashes take 80 kB each.
const COLUMNS_COMPARED_MAX: usize = 400;
/// Columns of which pairs are tried as a key, at most.
const PAIRED_MAX: usize = 12;
/// Fewer records say nothing of a key that only its place, or a second column, speaks for.
const RECORDS_FOR_KEY_MIN: u64 = 20;
/// Different values that a column must hold before it is compared with others.
const DISTINCT_MIN: usize = 20;
/// Share of a column's different values that another one must hold.
const INCLUDED_MIN: f64 = 0.95;
/// The same where no name speaks for a join.
const INCLUDED_UNNAMED_MIN: f64 = 0.99;

/// Under what the values of samples that belong together are hashed. From a secure generator, and for one look only.
#[derive(Clone, Copy)]
pub struct SampleKey([u8; 16]);

impl SampleKey {
    /// A key of these random bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SampleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SampleKey")
    }
}

/// The values of a column in the order of the records, as hashes; 0 where there is none.
#[derive(Debug)]
pub(crate) struct Rows {
    hashes: Vec<u64>,
    key: Option<SampleKey>,
}

impl Rows {
    /// Without a key nothing is kept.
    pub(crate) fn new(place: usize, key: Option<SampleKey>) -> Self {
        Self { hashes: Vec::new(), key: key.filter(|_| place < COLUMNS_COMPARED_MAX) }
    }

    pub(crate) fn push(&mut self, value: Option<&[u8]>) {
        if let Some(SampleKey(key)) = &self.key {
            self.hashes.push(value.map_or(0, |value| SipHasher13::new_with_key(key).hash(value).max(1)));
        }
    }

    pub(crate) fn finish(self) -> Distinct {
        let (rows, mut values) = (self.hashes.len(), self.hashes);
        values.retain(|hash| *hash != 0);
        let never_null = rows > 0 && values.len() == rows;
        values.sort_unstable();
        values.dedup();
        Distinct { unique: never_null && values.len() == rows, never_null, values }
    }

    fn never_null(&self) -> bool {
        !self.hashes.is_empty() && !self.hashes.contains(&0)
    }
}

/// The different values of a column, as hashes in ascending order.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Distinct {
    values: Vec<u64>,
    /// No value stands twice and none is missing.
    pub unique: bool,
    pub never_null: bool,
}

impl fmt::Debug for Distinct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.values.len())
    }
}

impl Distinct {
    /// Which share of its values the other one holds.
    fn included_in(&self, other: &Self) -> f64 {
        let mut rest = other.values.iter().peekable();
        let mut held = 0u32;
        for value in &self.values {
            while rest.next_if(|next| *next < value).is_some() {}
            held += u32::from(rest.peek() == Some(&value));
        }
        f64::from(held) / f64::from(u32::try_from(self.values.len()).unwrap_or(u32::MAX)).max(1.0)
    }
}

/// What a column is to a table's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// The key's column at this position, from 1.
    Primary(u32),
    /// Another column that tells each record from all others.
    Unique,
}

impl Sample {
    /// The columns that make a key; of those that `excluded` names none is one.
    pub fn keys(&self, excluded: impl Fn(usize) -> bool) -> BTreeMap<usize, KeyRole> {
        let mut unique: Vec<(u8, usize)> = Vec::new();
        for (place, column) in self.columns.iter().enumerate().filter(|(place, column)| self.may_be_key(*place, column)) {
            if !excluded(place) {
                unique.push((key_rank(&column.name), place));
            }
        }
        unique.sort_by_key(|(rank, place)| (std::cmp::Reverse(*rank), *place));
        let mut keys: BTreeMap<usize, KeyRole> = unique.iter().skip(1).map(|(_, place)| (*place, KeyRole::Unique)).collect();
        if let Some((_, first)) = unique.first() {
            keys.insert(*first, KeyRole::Primary(1));
            return keys;
        }
        let of_key_type = |place: &usize| self.columns.get(*place).is_some_and(|column| in_key(column, true)) && !excluded(*place);
        if let Some((one, other)) = self.pairs.iter().find(|(one, other)| of_key_type(one) && of_key_type(other)) {
            keys.insert(*one, KeyRole::Primary(1));
            keys.insert(*other, KeyRole::Primary(2));
        }
        keys
    }

    /// Whether a column looks like a key by itself: its values, and its name or its place.
    pub fn is_key_like(&self, place: usize) -> bool {
        self.columns.get(place).is_some_and(|column| self.may_be_key(place, column))
    }

    fn may_be_key(&self, place: usize, column: &SampledColumn) -> bool {
        let named = key_rank(&column.name) > 0;
        let first = place == 0 && self.records >= RECORDS_FOR_KEY_MIN;
        column.distinct.unique && self.records > 1 && in_key(column, false) && (named || first)
    }
}

/// Whether values of the type make a key: alone, or with another column.
fn in_key(column: &SampledColumn, with_another: bool) -> bool {
    match column.kind {
        InferredKind::Integer | InferredKind::Text => column.ty.is_some(),
        InferredKind::Date | InferredKind::Timestamp => with_another,
        _ => false,
    }
}

/// Pairs of columns that together tell each record from all others, the likeliest first. Where one column does alone, none.
pub(crate) fn unique_pairs<'a>(names: &[String], rows: impl Iterator<Item = &'a Rows>) -> Vec<(usize, usize)> {
    let all: Vec<(usize, u8, &Rows)> =
        names.iter().zip(rows).enumerate().map(|(place, (name, rows))| (place, key_rank(name), rows)).collect();
    let records = all.iter().map(|(.., rows)| rows.hashes.len()).max().unwrap_or(0);
    if u64::try_from(records).is_ok_and(|records| records < RECORDS_FOR_KEY_MIN) {
        return Vec::new();
    }
    let mut candidates: Vec<&(usize, u8, &Rows)> =
        all.iter().filter(|(place, rank, rows)| (*rank > 0 || *place < 2) && rows.hashes.len() == records && rows.never_null()).collect();
    candidates.truncate(PAIRED_MAX);
    // A key with a column too much is none: what such a column alone does not say by its name and type, the pair does not either.
    candidates.retain(|(.., rows)| {
        let mut seen = BTreeSet::new();
        !rows.hashes.iter().all(|hash| seen.insert(hash))
    });
    let mut pairs: Vec<(u8, usize, usize)> = Vec::new();
    for (at, (one, one_rank, left)) in candidates.iter().enumerate() {
        for (other, other_rank, right) in candidates.iter().skip(at + 1) {
            let named = *one_rank > 0 && *other_rank > 0;
            let mut seen = BTreeSet::new();
            if (named || (*one == 0 && *other == 1)) && left.hashes.iter().zip(&right.hashes).all(|pair| seen.insert(pair)) {
                pairs.push((one_rank + other_rank, *one, *other));
            }
        }
    }
    pairs.sort_by_key(|(rank, one, other)| (std::cmp::Reverse(*rank), *one, *other));
    pairs.into_iter().map(|(_, one, other)| (one, other)).collect()
}

/// Words that say that a column identifies something; the first ones say nothing else.
const KEY_WORDS: [&str; 26] = [
    "id",
    "key",
    "uuid",
    "guid",
    "identifiant",
    "identifier",
    "pk",
    "cle",
    "clef",
    "code",
    "no",
    "nr",
    "num",
    "number",
    "numero",
    "ref",
    "reference",
    "matricule",
    "sku",
    "isbn",
    "ean",
    "oid",
    "fk",
    "ident",
    "rowid",
    "immatriculation",
];
/// How many of them say nothing else.
const KEY_WORDS_SURE: usize = 9;

/// How much a name speaks for a key: 0 nothing, 2 surely.
fn key_rank(name: &str) -> u8 {
    let words = words(name);
    let is = |known: &[&str]| {
        words.iter().any(|word| known.contains(&word.as_str()) || known.iter().any(|known| *known == "id" && stem_of_id(word).is_some()))
    };
    if is(KEY_WORDS.get(..KEY_WORDS_SURE).unwrap_or_default()) { 2 } else { u8::from(is(&KEY_WORDS)) }
}

/// `customer` of `customerid`.
fn stem_of_id(word: &str) -> Option<&str> {
    word.strip_suffix("id").filter(|stem| stem.len() >= 4)
}

/// The words of a name, without accents and in lower case: `orderId`, `ORDER_ID` and `order id` have the same.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in name.nfd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)) {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower) {
            words.push(String::new());
        }
        lower = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The words of a name that say of what it is the key, without plural.
fn subject(name: &str) -> Vec<String> {
    let own = words(name).into_iter().filter(|word| !KEY_WORDS.contains(&word.as_str()));
    own.map(|word| singular(stem_of_id(&word).unwrap_or(&word)).to_owned()).collect()
}

fn singular(word: &str) -> &str {
    word.strip_suffix(['s', 'x']).filter(|stem| stem.len() >= 3).unwrap_or(word)
}

/// A column whose values another dataset's column holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    pub dataset: String,
    /// Its place in its dataset.
    pub column: usize,
    /// The dataset and column in which each of its values stands once.
    pub to_dataset: String,
    pub to_column: usize,
    /// Share of its different values that stand there, from 0 to 1.
    pub included: f64,
}

/// The joins between samples that were taken under one key, each with the dataset's name: a column joins at most one other.
pub fn joins(samples: &[(&str, &Sample)]) -> Vec<Join> {
    let mut joins: Vec<Join> = Vec::new();
    for (dataset, sample) in samples {
        for (place, column) in sample.columns.iter().enumerate().filter(|(_, column)| joinable(column)) {
            let mut best: Option<(bool, Join)> = None;
            for (to_dataset, to_sample) in samples.iter().filter(|(other, _)| other != dataset) {
                for (to_place, to_column) in to_sample.columns.iter().enumerate().filter(|(_, to)| to.distinct.unique && joinable(to)) {
                    let related = related(&column.name, to_dataset, &to_column.name);
                    let texts = column.kind == InferredKind::Text;
                    // Numbers count from 1 everywhere, so that inclusion alone says nothing of them.
                    if !same_type(column, to_column) || !(related || texts) {
                        continue;
                    }
                    let included = column.distinct.included_in(&to_column.distinct);
                    let better = best.as_ref().is_none_or(|(known, join)| (related, included) > (*known, join.included));
                    let least = if related { INCLUDED_MIN } else { INCLUDED_UNNAMED_MIN };
                    if included >= least && better {
                        let (dataset, to_dataset) = ((*dataset).to_owned(), (*to_dataset).to_owned());
                        best = Some((related, Join { dataset, column: place, to_dataset, to_column: to_place, included }));
                    }
                }
            }
            joins.extend(best.map(|(_, join)| join));
        }
    }
    // Of two columns that hold much the same values, each of them once, one joins the other.
    let known = joins.clone();
    joins.retain(|join| {
        !known.iter().any(|other| {
            let reversed = other.dataset == join.to_dataset
                && other.column == join.to_column
                && other.to_dataset == join.dataset
                && other.to_column == join.column;
            reversed && (other.included, &join.dataset) > (join.included, &other.dataset)
        })
    });
    joins
}

fn joinable(column: &SampledColumn) -> bool {
    matches!(column.kind, InferredKind::Integer | InferredKind::Text) && column.ty.is_some() && column.distinct.values.len() >= DISTINCT_MIN
}

fn same_type(one: &SampledColumn, other: &SampledColumn) -> bool {
    let text = |column: &SampledColumn| column.ty == Some(ColumnType::String);
    text(one) == text(other)
}

/// Whether names say that a column holds the other's values: one subject, or the other dataset's name.
fn related(name: &str, to_dataset: &str, to_name: &str) -> bool {
    let (own, to) = (subject(name), subject(to_name));
    if own.is_empty() {
        return false;
    }
    let dataset = subject(to_dataset);
    own == to || (!dataset.is_empty() && (own == dataset || own.last() == dataset.last()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys_are_known_in_any_spelling() {
        for (name, rank) in
            [("id", 2), ("orderId", 2), ("ORDER_ID", 2), ("customerid", 2), ("Clé", 2), ("N° client", 0), ("Numéro client", 1)]
        {
            assert_eq!(key_rank(name), rank, "{name}");
        }
        for name in ["amount", "paid", "ville", "date", "valid", "identity"] {
            assert_eq!(key_rank(name), 0, "{name}");
        }
        assert_eq!(words("orderId Été-2026_x"), ["order", "id", "ete", "2026", "x"]);
    }

    #[test]
    fn names_are_related_by_their_subject_and_never_by_the_word_id() {
        for (name, dataset, to) in [
            ("customer_id", "customers", "id"),
            ("customerId", "customers", "customer_no"),
            ("clientid", "clients", "id"),
            ("tailnum", "planes", "tailnum"),
            ("origin_airport", "airports", "faa"),
            ("Numéro client", "clients", "Code"),
        ] {
            assert!(related(name, dataset, to), "{name} {dataset}.{to}");
        }
        for (name, dataset, to) in
            [("id", "customers", "id"), ("code", "towns", "code"), ("year", "planes", "seats"), ("age", "people", "id")]
        {
            assert!(!related(name, dataset, to), "{name} {dataset}.{to}");
        }
    }

    #[test]
    fn nothing_of_a_value_shows() {
        let mut rows = Rows::new(0, Some(SampleKey::new([7; 16])));
        rows.push(Some(b"secret"));
        rows.push(None);
        let distinct = rows.finish();
        assert_eq!(format!("{distinct:?} {:?}", SampleKey::new([7; 16])), "1 values SampleKey");
        assert!(!distinct.unique && !distinct.never_null);
    }
}
