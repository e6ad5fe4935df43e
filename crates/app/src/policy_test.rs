//! Test cases of policies: files `policies/tests/*.yaml` of a project (`docs/format/policy.md`). A case puts a question as a read would
//! and compares what policies answer with what it expects.

mod evaluate;
mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use polder_contract::{Problem, Problems};
use polder_policy::{Circumstances, Explained, Policies, Sight, TableRef};
use polder_types::predicate::{Predicate, Value};
use polder_types::{PrincipalId, TableName};

use crate::failure::Outcome;
use crate::{project, reading};

/// The folder of the files.
pub const FOLDER: &str = "policies/tests";
/// What their names end with.
pub const SUFFIX: &str = ".yaml";
/// The keys of a file.
pub const KEYS: [&str; 1] = ["cases"];
/// The keys of a case.
pub const CASE_KEYS: [&str; 9] = ["name", "as", "groups", "purpose", "at", "table", "denied", "rows", "columns"];
/// The keys of an item of `rows`.
pub const ROW_KEYS: [&str; 2] = ["visible", "row"];
/// What can be expected of a column.
pub const SIGHTS: [&str; 9] = ["clear", "hidden", "null", "redact", "hash", "tokenise", "year", "first4", "last4"];
/// The kinds of principals.
pub const PRINCIPAL_KINDS: [&str; 3] = ["user", "model", "service"];

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The file, from the project's directory.
    pub file: String,
    /// The line that it begins in, from 1.
    pub line: u64,
    /// Its name, or who reads what.
    pub name: String,
    /// Who reads.
    pub principal: PrincipalId,
    /// Their groups and no others; none for those of `polder.yaml`.
    pub groups: Option<Vec<String>>,
    /// What for.
    pub purpose: Option<String>,
    /// When, in microseconds since 1970; none for now.
    pub at_micros: Option<i64>,
    /// The table.
    pub table: TableName,
    /// What is to come of it.
    pub expected: Expected,
}

/// What a case expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Nothing may be read.
    Denied,
    /// Something may be read.
    Reads {
        /// Which rows.
        rows: Vec<Row>,
        /// How columns are seen.
        columns: Vec<ColumnCase>,
    },
}

/// A row of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its line, from 1.
    pub line: u64,
    /// Whether it is to be seen.
    pub visible: bool,
    /// Its values by column, none for NULL. What is not there is NULL, or cannot be looked at where the contract requires the column.
    pub values: BTreeMap<String, Option<Value>>,
}

/// What a case expects of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnCase {
    /// Its name.
    pub name: String,
    /// Its line, from 1.
    pub line: u64,
    /// One of [`SIGHTS`].
    pub sight: String,
}

/// Something that is not as a case expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// Its line in the case's file, from 1.
    pub line: u64,
    /// What it is about: `row 2`, `column ssn` or `table people`.
    pub what: String,
    /// What the case expects.
    pub expected: String,
    /// What policies answer.
    pub got: String,
    /// Ids of the policies that decided it, sorted; none when it is that no policy permits it.
    pub policies: Vec<String>,
}

/// Reads a file of cases about these tables.
///
/// # Errors
/// All that is wrong with it, each with its line.
pub fn parse(text: &str, file: &str, tables: &[TableRef]) -> Result<Vec<Case>, Problems> {
    let cases = file::parse(text, file, tables)?;
    let repeated = file::repeated(&cases);
    if repeated.is_empty() { Ok(cases) } else { Err(Problems(repeated)) }
}

/// The cases of these files, or of all files of a project; what is wrong in any of them is told together.
///
/// # Errors
/// When a file cannot be read or is wrong.
pub fn read(dir: &Path, files: &[PathBuf], tables: &[TableRef]) -> Outcome<Vec<Case>> {
    let files = if files.is_empty() { project::files(&dir.join(FOLDER), SUFFIX)? } else { files.to_vec() };
    let (mut cases, mut problems): (Vec<Case>, Vec<Problem>) = (Vec::new(), Vec::new());
    for path in &files {
        let shown = path.strip_prefix(dir).unwrap_or(path).display().to_string();
        match parse(&project::read(path)?, &shown, tables) {
            Ok(found) => cases.extend(found),
            Err(Problems(found)) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(cases) } else { Err(Problems(problems).into()) }
}

/// A principal as it is written: `user:ann`, `model:delays`, `service:scheduler`.
pub fn principal(text: &str) -> Option<PrincipalId> {
    let (kind, name) = text.split_once(':')?;
    if PRINCIPAL_KINDS.contains(&kind) { PrincipalId::new(kind, name).ok() } else { None }
}

/// A point in time as RFC 3339 writes it, in microseconds since 1970.
pub fn instant(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros())
}

impl Case {
    /// Puts the question to the policies; what is not as expected. `groups` are those of `polder.yaml`, `now_micros` is now.
    pub fn run(&self, policies: &Policies, tables: &[TableRef], groups: &[String], now_micros: i64) -> Vec<Miss> {
        let miss = |expected: &str, got: String, policies: Vec<String>| Miss {
            line: self.line,
            what: format!("table {}", self.table),
            expected: expected.to_owned(),
            got,
            policies,
        };
        // It was there when the file was read.
        let Some(table) = tables.iter().find(|table| table.name == self.table) else {
            return vec![miss("a table", "no such table".to_owned(), Vec::new())];
        };
        let circumstances = Circumstances::at(self.at_micros.unwrap_or(now_micros)).with_purpose(self.purpose.clone());
        let groups = self.groups.as_deref().unwrap_or(groups);
        let explained = policies.explain(&self.principal, groups, table, &circumstances);
        match (&self.expected, &explained.denied) {
            (Expected::Denied, Some(_)) => Vec::new(),
            (Expected::Denied, None) => vec![miss("denied", reading::summary(&explained), reading::policies(&explained))],
            (Expected::Reads { .. }, Some(denied)) => {
                vec![miss("something of it may be read", "denied".to_owned(), denied.policies().to_vec())]
            }
            (Expected::Reads { rows, columns }, None) => {
                let rows = rows.iter().enumerate().filter_map(|(at, row)| row.miss(at + 1, table, &explained));
                rows.chain(columns.iter().filter_map(|column| column.miss(&explained))).collect()
            }
        }
    }
}

impl Row {
    fn miss(&self, number: usize, table: &TableRef, explained: &Explained) -> Option<Miss> {
        let said = |visible: bool| if visible { "visible" } else { "hidden" };
        let all = Predicate::TRUE;
        let filter = explained.filter.as_ref().unwrap_or(&all);
        let required = |name: &&str| !table.column(name).is_none_or(|column| column.nullable);
        let absent = filter.columns().into_iter().filter(required).find(|name| !self.values.contains_key(*name));
        let got = match absent {
            Some(column) => format!("no answer: policies look at column {column}, which the row does not give and the contract requires"),
            None => {
                let visible = evaluate::holds(filter, &self.values);
                if visible == self.visible {
                    return None;
                }
                said(visible).to_owned()
            }
        };
        let policies = reading::rows_policies(explained);
        Some(Miss { line: self.line, what: format!("row {number}"), expected: said(self.visible).to_owned(), got, policies })
    }
}

impl ColumnCase {
    fn miss(&self, explained: &Explained) -> Option<Miss> {
        let column = explained.columns.iter().find(|column| column.name == self.name);
        let (sight, policies) = column.map_or((Sight::Hidden, Vec::new()), |column| (column.sight, column.policies.clone()));
        let got = reading::word(sight);
        let expected = self.sight.clone();
        (got != expected).then(|| Miss { line: self.line, what: format!("column {}", self.name), expected, got: got.to_owned(), policies })
    }
}
