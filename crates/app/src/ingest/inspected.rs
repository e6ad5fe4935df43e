//! What content inspection found in a batch, as the report and the log tell it: counts and shapes, never a value.

use std::collections::BTreeMap;

use polder_contract::inspect::personal::Personal;
use polder_contract::{Kind, Waived};
use polder_types::{DatasetId, EventKind, RunId};
use serde::Serialize;

use crate::ingest::BatchReport;

/// What the names of rules of content inspection begin with.
const RULE_PREFIX: &str = "content:";

/// Rows with a finding that the contract lets through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaivedBy {
    /// The column.
    pub column: String,
    /// The kind of finding.
    pub kind: &'static str,
    /// How many rows.
    pub rows: u64,
}

/// A column with personal data that its classification does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonalIn {
    /// The column.
    pub column: String,
    /// Which kind of personal data.
    pub kind: &'static str,
    /// What the finding rests on.
    pub because: &'static str,
    /// Of the values looked at, how many bear it out, in hundredths.
    pub percent: u64,
    /// Whether the contract waives it.
    pub waived: bool,
}

impl From<&Personal> for PersonalIn {
    fn from(found: &Personal) -> Self {
        let (kind, because) = (found.kind.name(), found.because.label());
        Self { column: found.column.clone(), kind, because, percent: found.percent(), waived: found.waived }
    }
}

/// Findings that were waived, as they are found.
#[derive(Default)]
pub(super) struct Findings {
    waived: BTreeMap<(String, Kind), u64>,
}

impl Findings {
    /// Adds those of a batch.
    pub fn waive(&mut self, waived: &[Waived]) {
        for found in waived {
            *self.waived.entry((found.column.clone(), found.kind)).or_default() += found.rows;
        }
    }

    /// By column and kind.
    pub fn waived(&self) -> Vec<WaivedBy> {
        self.waived.iter().map(|((column, kind), rows)| WaivedBy { column: column.clone(), kind: kind.name(), rows: *rows }).collect()
    }
}

/// What is recorded of a batch in which something was found.
pub(super) fn event(run: RunId, dataset: DatasetId, report: &BatchReport) -> Option<EventKind> {
    let (mut found, mut waived): (BTreeMap<String, u64>, BTreeMap<String, u64>) = (BTreeMap::new(), BTreeMap::new());
    for refused in &report.refused {
        if let Some(kind) = refused.rule.strip_prefix(RULE_PREFIX) {
            *found.entry(kind.to_owned()).or_default() += refused.rows;
        }
    }
    for by in &report.waived {
        *waived.entry(by.kind.to_owned()).or_default() += by.rows;
    }
    for personal in &report.personal {
        let counts = if personal.waived { &mut waived } else { &mut found };
        *counts.entry(Kind::Personal.name().to_owned()).or_default() += 1;
    }
    (!found.is_empty() || !waived.is_empty()).then_some(EventKind::ContentInspected { run, dataset, found, waived })
}

/// What people are told besides the rows that were refused.
pub(super) fn lines(report: &BatchReport) -> Vec<String> {
    let waived = report.waived.iter().map(|by| {
        let rows = if by.rows == 1 { "1 row".to_owned() } else { format!("{} rows", by.rows) };
        format!("{:<12}   waived by the contract: {rows} with {} in {}", "", by.kind, by.column)
    });
    let personal = report.personal.iter().map(|found| {
        let what = if found.waived { "waived by the contract: personal data" } else { "personal data that may not be there" };
        format!(
            "{:<12}   {what} in {}: {}, because of {}, in {}% of the values looked at",
            "", found.column, found.kind, found.because, found.percent
        )
    });
    waived.chain(personal).collect()
}
