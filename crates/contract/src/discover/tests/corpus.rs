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

const PARTS: [&str; 6] = ["shown", "held_out", "blind", "exports", "registers", "systems"];

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
    personal: u32,
    /// Personal columns that are taken for their own kind.
    recognised: u32,
    /// Columns that are taken for any kind.
    flagged: u32,
    others: u32,
    right_type: u32,
    /// What is not as it is labelled.
    wrong: String,
}

impl Score {
    fn take(&mut self, label: &Label, values: &[Option<String>]) {
        let mut profiler = Profiler::new(&label.column);
        values.iter().for_each(|value| profiler.take(value.as_deref()));
        let profile = profiler.finish();
        let (found, ty) = (profile.personal.map_or("", |found| found.kind.name()), type_of(&profile, values));
        self.flagged += u32::from(!found.is_empty());
        if label.kind.is_empty() {
            self.others += 1;
            self.right_type += u32::from(ty == label.ty);
        } else {
            self.personal += 1;
            self.recognised += u32::from(found == label.kind);
        }
        if found != label.kind || (label.kind.is_empty() && ty != label.ty) {
            let Label { table, column, kind, ty: wanted } = label;
            writeln!(self.wrong, "  {table}.{column}: taken for {found:?}, type {ty}; labelled {kind:?}, type {wanted}").unwrap();
        }
    }

    /// Prints the figures, and what is wrong, and holds them to the bars.
    fn is_told_and_held(&self, part: &str) {
        let share = |some: u32, all: u32| f64::from(some) / f64::from(all);
        let Self { personal, recognised, flagged, others, right_type, wrong } = self;
        let (recall, precision, types) = (share(*recognised, *personal), share(*recognised, *flagged), share(*right_type, *others));
        let told = format!(
            "{part}: {} columns; recall {recall:.3} ({recognised} of {personal} personal ones), precision {precision:.3} ({recognised} of \
             {flagged} taken for personal), right type {types:.3} ({right_type} of {others} others)\n{wrong}",
            personal + others
        );
        print!("{told}");
        assert!(recall >= 0.95 && precision >= 0.9 && types >= 0.9, "{told}");
    }
}

fn score(part: &str) -> Score {
    let mut score = Score::default();
    let mut tables: BTreeMap<String, BTreeMap<String, Vec<Option<String>>>> = BTreeMap::new();
    for label in labels(part) {
        let columns = tables.entry(label.table.clone()).or_insert_with(|| table(part, &label.table));
        score.take(&label, &columns[&label.column]);
    }
    score
}

#[test]
fn personal_data_is_found_in_the_columns_that_were_looked_at() {
    score("shown").is_told_and_held("shown");
}

#[test]
fn personal_data_is_found_in_the_columns_that_were_held_out() {
    for part in ["held_out", "blind", "exports", "registers", "systems"] {
        score(part).is_told_and_held(part);
    }
}

#[test]
fn the_corpus_is_as_large_as_it_says_and_labels_every_column() {
    let kinds: Vec<&str> = super::PersonalKind::ALL.iter().map(|kind| kind.name()).collect();
    let readme = std::fs::read_to_string(corpus().join("README.md")).unwrap();
    let mut all: Vec<Label> = Vec::new();
    for part in PARTS {
        let labels = labels(part);
        let mut labelled: BTreeMap<&str, usize> = BTreeMap::new();
        labels.iter().for_each(|label| *labelled.entry(&label.table).or_default() += 1);
        assert_eq!(labelled.len(), std::fs::read_dir(corpus().join(part)).unwrap().count(), "{part}");
        assert!(labelled.iter().all(|(name, columns)| table(part, name).len() == *columns), "{part}");
        let personal = labels.iter().filter(|label| !label.kind.is_empty()).count();
        let told = format!("| `{part}` | {} | {personal} |", labels.len());
        assert!(readme.contains(&told), "the README does not say {told:?}");
        all.extend(labels);
    }
    assert!(all.len() >= 1_491, "{} columns", all.len());
    assert!(all.iter().all(|label| label.kind.is_empty() || kinds.contains(&label.kind.as_str())));
    assert!(kinds.iter().all(|kind| all.iter().any(|label| label.kind == *kind)), "a kind without a column");
}
