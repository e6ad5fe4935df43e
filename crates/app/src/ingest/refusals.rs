//! Rows that a load refused, counted by what they broke.

use std::collections::BTreeMap;

use polder_contract::{Rejection, Rule};

use super::RefusedBy;

/// Rows refused, as they are found.
#[derive(Default)]
pub(super) struct Refusals {
    /// By the rule's number and the column: how many, and where the first one is.
    by_rule: BTreeMap<u8, BTreeMap<String, RefusedBy>>,
    pub total: u64,
    pub malformed: u64,
}

impl Refusals {
    /// Adds rows that broke a rule, the first of which is this one.
    pub fn add(&mut self, rows: u64, column: Option<&str>, rule: Rule, file: &str, record: u64) {
        self.total += rows;
        self.malformed += if matches!(rule, Rule::Malformed(_)) { rows } else { 0 };
        let columns = self.by_rule.entry(rule.code()).or_default();
        let column = column.unwrap_or_default();
        match columns.get_mut(column) {
            Some(known) => known.rows += rows,
            None => {
                let named = Some(column.to_owned()).filter(|column| !column.is_empty());
                drop(columns.insert(column.to_owned(), RefusedBy::new(named, rule, rows, format!("{file}:{record}"))));
            }
        }
    }

    /// Notes what a finding of content inspection shows.
    pub fn show(&mut self, rejection: &Rejection) {
        let Some(finding) = &rejection.finding else { return };
        let columns = self.by_rule.get_mut(&rejection.rule.code());
        let Some(known) = columns.and_then(|columns| columns.get_mut(rejection.column.as_deref().unwrap_or_default())) else { return };
        known.masked = known.masked.take().or_else(|| finding.masked.clone());
        if let Some(pattern) = finding.pattern {
            *known.patterns.entry(pattern.to_owned()).or_default() += 1;
        }
    }

    pub fn report(&self) -> Vec<RefusedBy> {
        let mut report: Vec<RefusedBy> = self.by_rule.values().flat_map(BTreeMap::values).cloned().collect();
        report.sort_by(|a, b| (&a.column, &a.rule).cmp(&(&b.column, &b.rule)));
        report
    }
}
