//! The tables, policies and models of `tests/corpus/bypass`, as several doors see them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use crate::tests::bed::{Bed, BedBuilder, files};

/// Versions of `patients`.
const VERSIONS: usize = 3;

pub(super) fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/bypass")
}

/// A table's rows: values between commas, `\N` for NULL, under names with types.
fn rows(path: &Path) -> RecordBatch {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (place, column) in head.iter().enumerate() {
        let (name, kind) = column.split_once(':').unwrap();
        let data_type = match kind {
            "integer" => DataType::Int64,
            "text" => DataType::Utf8,
            "date" => DataType::Date32,
            "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "float" => DataType::Float64,
            "boolean" => DataType::Boolean,
            other => panic!("{}: no type is called {other}", path.display()),
        };
        let texts: StringArray = rows.iter().map(|row| Some(row[place]).filter(|value| *value != "\\N")).collect();
        let values = cast(&texts, &data_type).unwrap();
        assert_eq!(values.null_count(), texts.iter().filter(Option::is_none).count(), "{}: {name}", path.display());
        // What may be NULL is what a contract says, not what the values happen to be.
        fields.push(Field::new(name, data_type, name != "id"));
        columns.push(values);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn visits() -> BedBuilder {
    BedBuilder::new().table("visits", vec![rows(&corpus().join("tables/visits.csv"))])
}

fn secret(builder: BedBuilder) -> BedBuilder {
    builder.table("secret", vec![rows(&corpus().join("tables/secret.csv"))])
}

/// All versions, from the tables themselves or from those of `other`.
fn patients(builder: BedBuilder, name: &str, other: Option<&str>) -> BedBuilder {
    let dir = corpus().join("tables").join(other.unwrap_or_default());
    (0..VERSIONS).fold(builder, |builder, version| builder.table(name, vec![rows(&dir.join(format!("patients.{version}.csv")))]))
}

fn policies(builder: BedBuilder, names: &[&str]) -> BedBuilder {
    names.iter().fold(builder, |builder, name| builder.policy(&read(&corpus().join(format!("policies/{name}.cedar")))))
}

fn models(builder: BedBuilder, dir: &Path) -> BedBuilder {
    files(dir).iter().fold(builder, |builder, path| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        builder.model(name, &read(path))
    })
}

/// Whose hidden rows, columns and values the corpus has a second time, otherwise.
pub(super) fn has_other(who: &str) -> bool {
    corpus().join("tables").join(who).is_dir()
}

/// Whether the corpus says how one would keep from `who` what policies keep, without a barrier.
pub(super) fn has_naive(who: &str) -> bool {
    corpus().join("naive").join(who).is_dir()
}

/// The door that is tried.
pub(super) fn governed() -> Bed {
    let builder = models(patients(secret(visits()), "patients", None), &corpus().join("models"));
    policies(builder, &["shared", "nurse", "clerk", "researcher", "visitor", "outsiders"]).build()
}

/// The same to `who`, if nothing leaks: what `who` is not to see is not there, or is otherwise.
pub(super) fn governed_otherwise(who: &str) -> Bed {
    if !has_other(who) {
        return policies(visits(), &["shared"]).build();
    }
    let mut builder = patients(visits(), "patients", Some(who));
    if who == "visitor" {
        let view = |builder: BedBuilder, name: &str| builder.model(name, &read(&corpus().join(format!("models/{name}.sql"))));
        builder = ["open_wards", "roster"].into_iter().fold(builder, view);
    }
    policies(builder, &["shared", who]).build()
}

/// Row filter and masks as a view over the table, which `who` reads in place of it.
pub(super) fn naive(who: &str, otherwise: bool) -> Bed {
    let builder = patients(visits(), "patients_all", otherwise.then_some(who));
    let builder = policies(models(builder, &corpus().join("naive").join(who)), &["shared"]);
    // It may read the table too, though it does not ask for it: else the door would put the view behind a barrier.
    builder
        .policy(&format!("permit (principal == User::\"{who}\", action in [Action::\"Read\", Action::\"Describe\"], resource is Table);"))
        .build()
}

/// Neither filter nor masks: for one who is an owner, in place of `who`.
pub(super) fn open(who: &str, otherwise: bool) -> Bed {
    match (otherwise, has_other(who)) {
        (false, _) => models(patients(secret(visits()), "patients", None), &corpus().join("models")).build(),
        (true, true) => patients(visits(), "patients", Some(who)).build(),
        (true, false) => visits().build(),
    }
}
