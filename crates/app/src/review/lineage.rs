//! What breaks downstream: models planned over the columns that contracts give, before and after.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use polder_contract::{Change, ChangeKind};
use polder_engine::{ColumnRef, Models, Outline, OutputColumn, Unfit, outline};
use polder_types::TableName;

use crate::failure::Outcome;
use crate::review::snapshot::Snapshot;
use crate::review::{Level, Review};

/// Models by name, each with its outline or why it has none.
type Outlines = BTreeMap<TableName, Result<Outline, Unfit>>;

pub(super) async fn review(review: &mut Review, old: &Snapshot, new: &Snapshot) -> Outcome {
    let Some(models) = &new.models else { return Ok(()) };
    let (before, after) = (outlines(old).await?, outlines(new).await?);
    for model in models.in_order() {
        let earlier = before.get(&model.name).and_then(|outlined| outlined.as_ref().ok());
        match after.get(&model.name) {
            Some(Err(unfit)) => broken(review, &model.name, &model.file, unfit, earlier),
            Some(Ok(now)) => {
                if let Some(earlier) = earlier
                    && let Some(text) = difference(earlier, now)
                {
                    changed(review, &model.name, &model.file, &text, now);
                }
            }
            None => {}
        }
    }
    Ok(())
}

async fn outlines(snapshot: &Snapshot) -> Outcome<Outlines> {
    let tables: BTreeMap<TableName, SchemaRef> =
        snapshot.contracts.iter().map(|file| (file.contract.table.clone(), file.contract.table_schema())).collect();
    let none = Models::default();
    let models = snapshot.models.as_ref().unwrap_or(&none);
    Ok(outline(models, &tables).await?.into_iter().collect())
}

fn broken(review: &mut Review, model: &TableName, file: &str, unfit: &Unfit, earlier: Option<&Outline>) {
    let (line, why) = match unfit {
        Unfit::Query(error) => {
            let text = error.to_string();
            (line_of(&text), text)
        }
        Unfit::Input(input) => (1, format!("it reads {input}, which is no table with a contract, or a model that does not fit")),
    };
    let cause = earlier.map(|earlier| causes(review, &earlier.reads)).unwrap_or_default();
    // One that did not fit before is not broken by the change; it is no better for that.
    let (level, begin) =
        if earlier.is_some() { (Level::Error, "no longer fits what it reads") } else { (Level::Warning, "does not fit what it reads") };
    let cause = if cause.is_empty() { String::new() } else { format!(" (it reads {})", cause.join(", ")) };
    let message = format!("model {model} {begin}{cause}: {why}; correct its SQL in the same change");
    review.found("model-broken", level, format!("model {model}"), file, line, message);
}

fn changed(review: &mut Review, model: &TableName, file: &str, text: &str, now: &Outline) {
    let cause = causes(review, &now.reads);
    // Without one it is the model that changed.
    let level = if cause.is_empty() { Level::Note } else { Level::Warning };
    let cause = if cause.is_empty() { String::new() } else { format!(" (it reads {})", cause.join(", ")) };
    let message = format!("model {model} gives other columns{cause}: {text}");
    review.found("model-changed", level, format!("model {model}"), file, 1, message);
}

/// The changed columns among those that a model reads, in words.
fn causes(review: &Review, reads: &BTreeSet<ColumnRef>) -> Vec<String> {
    let mut causes = Vec::new();
    for table in &review.tables {
        for change in &table.changes {
            let Some((column, word)) = lost(change) else { continue };
            if reads.iter().any(|read| read.table == table.table && read.column == column) {
                causes.push(format!("{}.{column}, which {word}", table.table));
            }
        }
        let gone = table.changes.iter().any(|change| change.kind == ChangeKind::ContractRemoved);
        if gone && reads.iter().any(|read| read.table == table.table) {
            causes.push(format!("{}, which has no contract any more", table.table));
        }
    }
    causes
}

/// The column that readers know, and what became of it.
fn lost(change: &Change) -> Option<(&str, String)> {
    let column = change.before.as_deref().or(change.column.as_deref())?;
    Some(match change.kind {
        ChangeKind::ColumnRemoved => (column, "is gone".to_owned()),
        ChangeKind::ColumnRenamed => (column, format!("is called {} now", change.column.as_deref().unwrap_or_default())),
        ChangeKind::TypeChanged => (column, "has another type".to_owned()),
        _ => return None,
    })
}

/// What of a model's columns differs, in words.
fn difference(before: &Outline, after: &Outline) -> Option<String> {
    let named = |columns: &[OutputColumn], name: &str| columns.iter().find(|column| column.name == name).cloned();
    let mut told = Vec::new();
    for column in &before.columns {
        match named(&after.columns, &column.name) {
            None => told.push(format!("{} is gone", column.name)),
            Some(now) if now.data_type != column.data_type => {
                told.push(format!("{} was {} and is {}", column.name, column.data_type, now.data_type));
            }
            Some(_) => {}
        }
    }
    told.extend(
        after
            .columns
            .iter()
            .filter(|column| named(&before.columns, &column.name).is_none())
            .map(|column| format!("{} is new", column.name)),
    );
    (!told.is_empty()).then(|| told.join(", "))
}

/// The line that the query engine names in its error, from 1.
fn line_of(text: &str) -> u64 {
    let after = text.split_once("Line: ").map(|(_, rest)| rest).unwrap_or_default();
    after.split(|c: char| !c.is_ascii_digit()).next().and_then(|line| line.parse().ok()).unwrap_or(1)
}
