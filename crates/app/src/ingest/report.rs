//! What became of a batch: for machines as it stands, for people as lines.

use std::collections::BTreeMap;

use polder_contract::{Anomaly, Rule};
use polder_lake::Storage;
use polder_store::Asked;
use polder_types::event::Counts;
use serde::Serialize;
use serde_json::json;

use super::inspected::{self, PersonalIn, WaivedBy};
use super::offsets::AlreadyLoaded;
use super::tables::IncrementTold;
use super::upkeep::OptimizedTold;
use crate::failure::Failure;
use crate::print;

/// What became of a batch.
#[derive(Debug, Clone, Serialize)]
pub struct BatchReport {
    /// The table.
    pub table: String,
    /// `committed`, `migrated` (the columns changed and nothing was to be loaded), `unchanged`, `checked` (a dry run), `pushed` (nothing is read: programs send its
    /// rows) or `failed`.
    pub status: &'static str,
    /// The table's new version.
    pub version: Option<u64>,
    /// What was done to rows that are there because the contract's columns changed, or in a dry run would be.
    pub migrated: Vec<String>,
    /// The counts, as far as they are known.
    pub counts: Option<Counts>,
    /// Of the quarantined rows, those of which nothing but the reason is kept: records that could not be split into cells.
    pub not_kept: u64,
    /// Rows refused, by column and rule.
    pub refused: Vec<RefusedBy>,
    /// What content inspection found and the contract waives.
    pub waived: Vec<WaivedBy>,
    /// Columns with personal data that their classification does not allow.
    pub personal: Vec<PersonalIn>,
    /// Columns of the source that no contract authorises: not decoded, not stored.
    pub left_out: Vec<String>,
    /// Of them, those that were not there when the table was last loaded.
    pub new_outside: Vec<String>,
    /// Authorised columns that no record held.
    pub never_seen: Vec<String>,
    /// What is unusual about the load, beside those before it.
    pub anomalies: Vec<Anomaly>,
    /// Files read.
    pub files: usize,
    /// Files that hold what was loaded before under another name or date, and were not loaded again.
    pub already_loaded: Vec<AlreadyLoaded>,
    /// Rules over the whole table that a dry run does not ask, since it stores nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<String>,
    /// How far an increment of a database went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub increment: Option<IncrementTold>,
    /// What the load made of its table in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// What is advised for the table, by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// What was done about it, where a pipeline asks for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimized: Option<OptimizedTold>,
    /// What was asked of the store while the batch was under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Asked>,
    /// Why it failed: `kind`, `exit_code`, `message` and `causes`, as a command that fails says it.
    pub error: Option<serde_json::Value>,
    #[serde(skip)]
    pub(crate) failure: Option<Failure>,
    /// Which of the table's batches it is, once it is to be committed.
    #[serde(skip)]
    pub(crate) sequence: Option<u64>,
}

/// Rows refused by one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedBy {
    /// The column, or none when the record as a whole is wrong.
    pub column: Option<String>,
    /// The rule.
    pub rule: String,
    /// How many rows.
    pub rows: u64,
    /// Where the first one is: file and record.
    pub first: String,
    /// The shape of the first value in which content inspection found a risk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked: Option<String>,
    /// The rules of YARA that were found, and in how many rows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub patterns: BTreeMap<String, u64>,
}

impl RefusedBy {
    pub(super) fn new(column: Option<String>, rule: Rule, rows: u64, first: String) -> Self {
        Self { column, rule: rule.name().to_owned(), rows, first, masked: None, patterns: BTreeMap::new() }
    }
}

/// A report as lines for people.
pub fn lines(report: &BatchReport) -> Vec<String> {
    let mut lines = Vec::new();
    let counts = report.counts.map(|counts| {
        let refused = if counts.quarantined > 0 {
            quarantined_text(counts.quarantined, report.not_kept)
        } else {
            format!("{} rejected", counts.rejected)
        };
        match report.status {
            // What the gate let through of it is in no table.
            "failed" => format!("{} read, {} admitted, {refused}; none of them loaded", counts.read, counts.loaded),
            _ => {
                let repeated = if counts.repeated > 0 { format!(" + {} read again", counts.repeated) } else { String::new() };
                format!("{} read = {} loaded + {refused}{repeated}", counts.read, counts.loaded)
            }
        }
    });
    // One that a migration made before the load failed is told with it.
    let version = report.version.filter(|_| report.status != "failed").map(|version| format!(", version {version}")).unwrap_or_default();
    lines.push(format!(
        "{:<12} {}{version}{}",
        report.table,
        report.status,
        counts.map(|counts| format!(": {counts}")).unwrap_or_default()
    ));
    if report.status == "pushed" {
        lines.push(format!("{:<12}   nothing is read: programs send its rows to POST /v1/ingest/SOURCE/DATASET", ""));
    }
    if let Some(merged) = report.counts.as_ref().filter(|_| report.status == "committed").and_then(merged_text) {
        lines.push(format!("{:<12}   {merged}", ""));
    }
    if !report.unasked.is_empty() {
        lines.push(format!("{:<12}   not asked, since nothing is stored: {}", "", report.unasked.join("; ")));
    }
    if !report.migrated.is_empty() {
        let word = if report.status == "checked" { "would be migrated" } else { "migrated" };
        lines.push(format!("{:<12}   {word}: {}", "", report.migrated.join("; ")));
    }
    if let Some(failure) = &report.failure {
        lines.extend(failure.to_string().lines().map(|line| format!("{:<12}   {}", "", line.trim_start())));
    }
    for refused in &report.refused {
        let column = refused.column.as_deref().unwrap_or("the record");
        let rows = if refused.rows == 1 { "1 row breaks".to_owned() } else { format!("{} rows break", refused.rows) };
        let shown = refused.masked.as_ref().map(|masked| format!(", shaped {masked}")).unwrap_or_default();
        let patterns: Vec<&str> = refused.patterns.keys().map(String::as_str).collect();
        let found = if patterns.is_empty() { String::new() } else { format!(" ({})", patterns.join(", ")) };
        lines.push(format!("{:<12}   {rows} {}{found} of {column}, first {}{shown}", "", refused.rule, refused.first));
    }
    lines.extend(inspected::lines(report));
    if !report.left_out.is_empty() {
        lines.push(format!("{:<12}   left outside, since no contract authorises them: {}", "", report.left_out.join(", ")));
    }
    if !report.new_outside.is_empty() {
        lines.push(format!("{:<12}   new in the source since the last load, and outside: {}", "", report.new_outside.join(", ")));
    }
    lines.extend(report.anomalies.iter().map(|anomaly| format!("{:<12}   unusual {anomaly}", "")));
    if !report.already_loaded.is_empty() {
        let known = report.already_loaded.iter().map(|known| match known.file == known.loaded_as {
            true => format!("{} (touched since)", known.file),
            false => format!("{} (as {})", known.file, known.loaded_as),
        });
        let known: Vec<String> = known.collect();
        lines.push(format!("{:<12}   not loaded again, since their bytes were loaded before: {}", "", known.join(", ")));
    }
    lines.extend(report.increment.iter().flat_map(IncrementTold::lines));
    if let Some(OptimizedTold { version, files_before, files_after }) = &report.optimized {
        lines.push(format!("{:<12}   optimised: {files_before} files became {files_after}, version {version}", ""));
    }
    lines.extend(report.advice.iter().map(|advice| format!("{:<12}   {advice}", "")));
    if !report.never_seen.is_empty() {
        lines.push(format!("{:<12}   authorised and in no record: {}", "", report.never_seen.join(", ")));
    }
    lines
}

/// What was asked of the store, as a line for people.
pub fn store_line(asked: Asked) -> String {
    let Asked { gets, puts, lists, deletes, heads, bytes_read, bytes_written } = asked;
    let kinds = [(gets, "get"), (puts, "put"), (lists, "list"), (deletes, "delete"), (heads, "head")];
    let kinds: Vec<String> = kinds.iter().filter(|(times, _)| *times > 0).map(|(times, kind)| format!("{times} {kind}")).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let requests = asked.requests();
    let plural = if requests == 1 { "" } else { "s" };
    format!("store: {requests} request{plural}{kinds}, {} written, {} read", print::bytes(bytes_written), print::bytes(bytes_read))
}

/// A report for machines.
pub fn to_json(report: &BatchReport) -> serde_json::Value {
    serde_json::to_value(report).unwrap_or_else(|_| json!({ "table": report.table, "status": report.status }))
}

/// What became of the rows of a merge; none of another load.
fn merged_text(counts: &Counts) -> Option<String> {
    let all = [
        (counts.inserted, "inserted"),
        (counts.updated, "updated"),
        (counts.unchanged, "unchanged"),
        (counts.superseded, "superseded by a later row of their key"),
        (counts.flagged, "said to be gone"),
    ];
    let told: Vec<String> = all.iter().filter(|(rows, _)| *rows > 0).map(|(rows, what)| format!("{rows} {what}")).collect();
    match (told.is_empty(), counts.deleted) {
        (true, 0) => None,
        (true, deleted) => Some(format!("{deleted} rows of the table deleted")),
        (false, 0) => Some(format!("of these {}", told.join(", "))),
        (false, deleted) => Some(format!("of these {}; {deleted} rows of the table deleted", told.join(", "))),
    }
}

/// How many rows were quarantined, and of how many of them there is nothing but the reason.
pub(super) fn quarantined_text(rows: u64, not_kept: u64) -> String {
    match not_kept {
        0 => format!("{rows} quarantined"),
        not_kept if not_kept == rows => format!("{rows} quarantined, all of them malformed and not kept"),
        not_kept => format!("{rows} quarantined, {not_kept} of them malformed and not kept"),
    }
}

impl BatchReport {
    /// The report of a batch that begins.
    pub fn new(table: String) -> Self {
        Self {
            table,
            status: "failed",
            version: None,
            migrated: Vec::new(),
            unasked: Vec::new(),
            counts: None,
            not_kept: 0,
            refused: Vec::new(),
            waived: Vec::new(),
            personal: Vec::new(),
            left_out: Vec::new(),
            new_outside: Vec::new(),
            never_seen: Vec::new(),
            anomalies: Vec::new(),
            files: 0,
            already_loaded: Vec::new(),
            increment: None,
            storage: None,
            advice: None,
            optimized: None,
            store: None,
            error: None,
            failure: None,
            sequence: None,
        }
    }

    /// The report of a batch that could not begin.
    pub fn refused(table: String, failure: Failure) -> Self {
        let mut report = Self::new(table);
        report.fail(failure);
        report
    }

    /// The batch failed.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.status = "failed";
        self.failed_after(failure);
    }

    /// Something failed after the batch had come to its end.
    pub(crate) fn failed_after(&mut self, failure: Failure) {
        self.error = failure.to_json().get_mut("error").map(serde_json::Value::take);
        self.failure = Some(failure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_of_the_store_is_a_line() {
        let asked = Asked { gets: 20, puts: 12, lists: 9, bytes_read: 1_049_999, bytes_written: 3_149_000, ..Asked::default() };
        assert_eq!(store_line(asked), "store: 41 requests (20 get, 12 put, 9 list), 3.1 MB written, 1.0 MB read");
        assert_eq!(store_line(Asked { heads: 1, ..Asked::default() }), "store: 1 request (1 head), 0 bytes written, 0 bytes read");
        assert_eq!(store_line(Asked::default()), "store: 0 requests, 0 bytes written, 0 bytes read");
    }
}
