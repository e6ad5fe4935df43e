//! The labelled columns of `tests/corpus/discover`: what was looked at while the recognisers were written, and what was not.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use super::{Format, Profile, Profiler};
use crate::ColumnType;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/discover")
}

/// What the labels say of a column.
#[derive(Debug, Clone)]
struct Label {
    table: String,
    column: String,
    /// Empty where it holds nothing personal.
    kind: String,
    ty: String,
}

const PARTS: [&str; 3] = ["shown", "held_out", "blind"];

fn labels(part: &str) -> Vec<Label> {
    let mut reader = csv::Reader::from_path(corpus().join(format!("{part}.csv"))).unwrap();
    let field = |record: &csv::StringRecord, at: usize| record.get(at).unwrap().to_owned();
    reader
        .records()
        .map(|record| record.unwrap())
        .map(|record| Label { table: field(&record, 0), column: field(&record, 1), kind: field(&record, 2), ty: field(&record, 3) })
        .collect()
}

/// The columns of one table with their values, empty ones as null.
fn table(part: &str, table: &str) -> BTreeMap<String, Vec<Option<String>>> {
    let mut reader = csv::Reader::from_path(corpus().join(part).join(format!("{table}.csv"))).unwrap();
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut columns: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for record in reader.records() {
        for (name, value) in names.iter().zip(record.unwrap().iter()) {
            columns.entry(name.clone()).or_default().push((!value.is_empty()).then(|| value.to_owned()));
        }
    }
    columns
}

/// The type that a draft would give: a format's, else the narrowest of those that a look at a source tries.
fn type_of(profile: &Profile, values: &[Option<String>]) -> String {
    const CANDIDATES: [(ColumnType, &str); 8] = [
        (ColumnType::Boolean, "boolean"),
        (ColumnType::Int32, "int32"),
        (ColumnType::Int64, "int64"),
        (ColumnType::Float64, "float64"),
        (ColumnType::Date, "date"),
        (ColumnType::Timestamp { zone: true }, "timestamp zone"),
        (ColumnType::Timestamp { zone: false }, "timestamp local"),
        (ColumnType::String, "string"),
    ];
    match &profile.format {
        Some(Format::Date(pattern)) => return format!("date {pattern}"),
        Some(Format::Timestamp(pattern)) => return format!("timestamp {pattern}"),
        Some(Format::Time(pattern)) => return format!("time {pattern}"),
        _ => {}
    }
    let holds = |ty: ColumnType| values.iter().flatten().all(|value| ty.holds(value.as_bytes()));
    CANDIDATES.into_iter().find(|(ty, _)| holds(*ty)).map(|(_, name)| name.to_owned()).unwrap_or_default()
}

#[derive(Debug, Default)]
struct Score {
    columns: u32,
    personal: u32,
    found: u32,
    /// Of those found, the ones whose kind is the label's.
    right_kind: u32,
    flagged_wrongly: u32,
    others: u32,
    right_type: u32,
    wrong: String,
}

impl Score {
    fn recall(&self) -> f64 {
        f64::from(self.found) / f64::from(self.personal)
    }

    fn precision(&self) -> f64 {
        f64::from(self.found) / f64::from(self.found + self.flagged_wrongly)
    }

    fn types(&self) -> f64 {
        f64::from(self.right_type) / f64::from(self.others)
    }
}

fn score(part: &str) -> Score {
    let mut score = Score::default();
    let mut tables: BTreeMap<String, BTreeMap<String, Vec<Option<String>>>> = BTreeMap::new();
    for label in labels(part) {
        let columns = tables.entry(label.table.clone()).or_insert_with(|| table(part, &label.table));
        let values = &columns[&label.column];
        let mut profiler = Profiler::new(&label.column);
        values.iter().for_each(|value| profiler.take(value.as_deref()));
        let profile = profiler.finish();
        let found = profile.personal.map_or("", |found| found.kind.name());
        let ty = type_of(&profile, values);
        let mut wrong =
            |what: &str| writeln!(score.wrong, "{}.{}: {what}, label {:?} {}", label.table, label.column, label.kind, label.ty).unwrap();
        score.columns += 1;
        if label.kind.is_empty() {
            score.others += 1;
            score.right_type += u32::from(ty == label.ty);
            score.flagged_wrongly += u32::from(!found.is_empty());
            if !found.is_empty() {
                wrong(&format!("taken for {:?}", profile.personal.unwrap()));
            }
            if ty != label.ty {
                wrong(&format!("given the type {ty}"));
            }
        } else {
            score.personal += 1;
            score.found += u32::from(!found.is_empty());
            score.right_kind += u32::from(found == label.kind);
            if found != label.kind {
                wrong(&format!("taken for {found:?}"));
            }
        }
    }
    println!(
        "{part}: {} columns, {} personal; recall {:.3}, precision {:.3}, right kind {} of {}; right type of others {:.3}\n{}",
        score.columns,
        score.personal,
        score.recall(),
        score.precision(),
        score.right_kind,
        score.found,
        score.types(),
        score.wrong
    );
    score
}

fn holds_to_the_bars(part: &str) {
    let score = score(part);
    assert!(score.recall() >= 0.95, "recall {:.3}\n{}", score.recall(), score.wrong);
    assert!(score.precision() >= 0.90, "precision {:.3}\n{}", score.precision(), score.wrong);
    assert!(score.types() >= 0.90, "right types {:.3}\n{}", score.types(), score.wrong);
    assert!(f64::from(score.right_kind) >= 0.95 * f64::from(score.found), "right kinds\n{}", score.wrong);
}

#[test]
fn personal_data_is_found_in_the_columns_that_were_looked_at() {
    holds_to_the_bars("shown");
}

#[test]
fn personal_data_is_found_in_the_columns_that_were_held_out() {
    holds_to_the_bars("held_out");
    holds_to_the_bars("blind");
}

#[test]
fn the_corpus_is_as_large_as_it_says_and_labels_every_column() {
    let kinds: Vec<&str> = super::PersonalKind::ALL.iter().map(|kind| kind.name()).collect();
    let mut all: Vec<Label> = Vec::new();
    for part in PARTS {
        let labels = labels(part);
        let mut labelled: BTreeMap<&str, usize> = BTreeMap::new();
        labels.iter().for_each(|label| *labelled.entry(&label.table).or_default() += 1);
        assert_eq!(labelled.len(), std::fs::read_dir(corpus().join(part)).unwrap().count(), "{part}");
        assert!(labelled.iter().all(|(name, columns)| table(part, name).len() == *columns), "{part}");
        all.extend(labels);
    }
    assert!(all.len() >= 260, "{} columns", all.len());
    assert!(all.iter().all(|label| label.kind.is_empty() || kinds.contains(&label.kind.as_str())));
    assert!(kinds.iter().all(|kind| all.iter().any(|label| label.kind == *kind)), "a kind without a column");
}
