//! The text of a file of test cases.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use polder_contract::yaml::{self, Key, Node, Value as Yaml};
use polder_contract::{Problem, Problems};
use polder_policy::{ColumnKind, ColumnRef, TableRef};
use polder_types::PrincipalId;
use polder_types::predicate::Value;

use super::{CASE_KEYS, Case, ColumnCase, Expected, KEYS, PRINCIPAL_KINDS, ROW_KEYS, Row, SIGHTS};

/// Gathers what is wrong.
struct Reader<'a> {
    file: &'a str,
    tables: &'a [TableRef],
    problems: Vec<Problem>,
}

/// An entry of a mapping.
type Entry<'a> = (&'a Key, &'a Node);

pub(super) fn parse(text: &str, file: &str, tables: &[TableRef]) -> Result<Vec<Case>, Problems> {
    let document = yaml::parse(text, file)?;
    let mut reader = Reader { file, tables, problems: Vec::new() };
    let top = reader.map(&document, "the file", &KEYS);
    let cases = match find(&top, "cases") {
        Some(cases) => reader.list(cases, "cases", "write at least one case"),
        None => {
            reader.wrong(document.line, "the file has no `cases`", "add them: a list with `as`, `table` and what is expected");
            Vec::new()
        }
    };
    let cases: Vec<Case> = cases.into_iter().filter_map(|case| reader.case(case)).collect();
    if reader.problems.is_empty() { Ok(cases) } else { Err(Problems(reader.problems)) }
}

fn find<'a>(entries: &[Entry<'a>], name: &str) -> Option<&'a Node> {
    entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| *node)
}

impl<'a> Reader<'a> {
    fn wrong(&mut self, line: u64, problem: impl Into<String>, advice: impl Into<String>) {
        self.problems.push(Problem { file: self.file.to_owned(), line: line.max(1), problem: problem.into(), advice: advice.into() });
    }

    fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Vec<Entry<'n>> {
        let Yaml::Map(map) = &node.value else {
            self.wrong(node.line, format!("{what} is {}, not a mapping", node.value.kind()), "write keys and values");
            return Vec::new();
        };
        map.iter().map(|(key, value)| (key, value)).collect()
    }

    fn map<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Vec<Entry<'n>> {
        let entries = self.entries(node, what);
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
            self.wrong(key.line, format!("`{}` is not a key of {what}", key.name), yaml::suggest(&key.name, known));
        }
        entries
    }

    fn list<'n>(&mut self, node: &'n Node, what: &str, advice: &str) -> Vec<&'n Node> {
        match &node.value {
            Yaml::List(items) if items.is_empty() => {
                self.wrong(node.line, format!("`{what}` is empty"), advice);
                Vec::new()
            }
            Yaml::List(items) => items.iter().collect(),
            other => {
                self.wrong(node.line, format!("`{what}` is {}, not a list", other.kind()), advice);
                Vec::new()
            }
        }
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.value {
            Yaml::Text(text) if !text.is_empty() => Some(text.clone()),
            Yaml::Text(_) => {
                self.wrong(node.line, format!("`{what}` is empty"), "write a text, or remove the key if it may be absent");
                None
            }
            other => {
                self.wrong(node.line, format!("`{what}` is {}, not text", other.kind()), "write a text");
                None
            }
        }
    }

    /// A case; none when something is wrong with it, which is told.
    fn case(&mut self, node: &Node) -> Option<Case> {
        let before = self.problems.len();
        let map = self.map(node, "a case", &CASE_KEYS);
        let name = find(&map, "name").and_then(|name| self.text(name, "name"));
        let principal = self.needed(&map, node.line, "as").and_then(|principal| self.principal(principal));
        let groups = find(&map, "groups").map(|groups| self.groups(groups));
        let purpose = find(&map, "purpose").and_then(|purpose| self.text(purpose, "purpose"));
        let at_micros = find(&map, "at").and_then(|at| self.instant(at));
        let table = self.needed(&map, node.line, "table").and_then(|table| self.table(table));
        let expected = self.expected(&map, node.line, table);
        if self.problems.len() > before {
            return None;
        }
        let (principal, table) = (principal?, table?);
        let name = name.unwrap_or_else(|| format!("{principal} and {}", table.name));
        let file = self.file.to_owned();
        Some(Case { file, line: node.line, name, principal, groups, purpose, at_micros, table: table.name.clone(), expected: expected? })
    }

    fn needed<'n>(&mut self, map: &[Entry<'n>], line: u64, name: &str) -> Option<&'n Node> {
        let found = find(map, name);
        if found.is_none() {
            self.wrong(line, format!("a case has no `{name}`"), "add it");
        }
        found
    }

    fn principal(&mut self, node: &Node) -> Option<PrincipalId> {
        let text = self.text(node, "as")?;
        let principal = super::principal(&text);
        if principal.is_none() {
            let advice = format!("write one of {}, such as user:ann", PRINCIPAL_KINDS.map(|kind| format!("{kind}:NAME")).join(", "));
            self.wrong(node.line, format!("`{text}` is no principal"), advice);
        }
        principal
    }

    fn groups(&mut self, node: &Node) -> Vec<String> {
        // None at all is what a case may want: someone who is in no group.
        if matches!(&node.value, Yaml::List(items) if items.is_empty()) {
            return Vec::new();
        }
        let items = self.list(node, "groups", "write a list of groups' names");
        items.into_iter().filter_map(|item| self.text(item, "groups")).collect()
    }

    fn instant(&mut self, node: &Node) -> Option<i64> {
        let text = self.text(node, "at")?;
        let instant = super::instant(&text);
        if instant.is_none() {
            self.wrong(node.line, "`at` is no point in time", "write one such as 2026-01-31T08:00:00Z");
        }
        instant
    }

    fn table(&mut self, node: &Node) -> Option<&'a TableRef> {
        let name = self.text(node, "table")?;
        let tables = self.tables;
        let found = tables.iter().find(|table| table.name.as_str() == name);
        if found.is_none() {
            let known: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            self.wrong(node.line, format!("there is no contract or model for table {name}"), yaml::suggest(&name, &known));
        }
        found
    }

    fn expected(&mut self, map: &[Entry<'_>], line: u64, table: Option<&TableRef>) -> Option<Expected> {
        let (denied, rows, columns) = (find(map, "denied"), find(map, "rows"), find(map, "columns"));
        match denied {
            Some(Node { value: Yaml::Bool(true), .. }) if rows.is_none() && columns.is_none() => return Some(Expected::Denied),
            Some(Node { value: Yaml::Bool(true), line }) => {
                self.wrong(*line, "a case with `denied` expects rows or columns as well", "remove one of them");
                return None;
            }
            Some(node) => {
                self.wrong(node.line, "`denied` is not true", "write true, or `rows` and `columns` of what may be read");
                return None;
            }
            None if rows.is_none() && columns.is_none() => {
                self.wrong(line, "a case expects nothing", "add `rows`, `columns` or `denied: true`");
                return None;
            }
            None => {}
        }
        let rows = rows.map(|rows| self.list(rows, "rows", "write a list of {visible: true, row: {COLUMN: VALUE}}")).unwrap_or_default();
        let rows: Vec<Row> = rows.into_iter().filter_map(|row| self.row(row, table)).collect();
        let columns = columns.map(|columns| self.columns(columns, table)).unwrap_or_default();
        Some(Expected::Reads { rows, columns })
    }

    fn row(&mut self, node: &Node, table: Option<&TableRef>) -> Option<Row> {
        let map = self.map(node, "an item of `rows`", &ROW_KEYS);
        let visible = match find(&map, "visible") {
            Some(Node { value: Yaml::Bool(visible), .. }) => Some(*visible),
            Some(node) => {
                self.wrong(node.line, format!("`visible` is {}", node.value.kind()), "write true or false");
                None
            }
            None => {
                self.wrong(node.line, "an item of `rows` has no `visible`", "add it: true or false");
                None
            }
        };
        let mut values = BTreeMap::new();
        if let Some(row) = find(&map, "row") {
            for (key, value) in self.entries(row, "`row`") {
                if let Some(column) = table.and_then(|table| self.column(key, table))
                    && let Some(value) = self.value(value, column)
                {
                    values.insert(key.name.clone(), value);
                }
            }
        } else {
            self.wrong(node.line, "an item of `rows` has no `row`", "add it: columns and their values");
        }
        Some(Row { line: node.line, visible: visible?, values })
    }

    fn columns(&mut self, node: &Node, table: Option<&TableRef>) -> Vec<ColumnCase> {
        let entries = self.entries(node, "`columns`");
        if entries.is_empty() && matches!(node.value, Yaml::Map(_)) {
            self.wrong(node.line, "`columns` is empty", "name columns, each with clear, hidden or a mask");
        }
        let mut columns = Vec::new();
        for (key, value) in entries {
            let word = match &value.value {
                Yaml::Text(word) => word.clone(),
                // The mask has the name that YAML reads as nothing.
                Yaml::Null => "null".to_owned(),
                other => {
                    self.wrong(
                        value.line,
                        format!("what is expected of column {} is {}", key.name, other.kind()),
                        yaml::suggest("", &SIGHTS),
                    );
                    continue;
                }
            };
            if !SIGHTS.contains(&word.as_str()) {
                self.wrong(value.line, format!("`{word}` is nothing that can be expected of a column"), yaml::suggest(&word, &SIGHTS));
                continue;
            }
            if table.and_then(|table| self.column(key, table)).is_some() {
                columns.push(ColumnCase { name: key.name.clone(), line: key.line, sight: word });
            }
        }
        columns
    }

    fn column<'t>(&mut self, key: &Key, table: &'t TableRef) -> Option<&'t ColumnRef> {
        let found = table.columns.iter().find(|column| column.name == key.name);
        if found.is_none() {
            let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let advice = if known.is_empty() {
                "only tables with contracts have columns that policies know".to_owned()
            } else {
                yaml::suggest(&key.name, &known)
            };
            self.wrong(key.line, format!("table {} has no column {}", table.name, key.name), advice);
        }
        found
    }

    /// A value; the outer option is none when it is wrong, the inner one for NULL.
    fn value(&mut self, node: &Node, column: &ColumnRef) -> Option<Option<Value>> {
        let whole = |value: &i128| i64::try_from(*value).ok();
        let value = match (&node.value, column.kind) {
            (Yaml::Null, _) if column.nullable => return Some(None),
            (Yaml::Null, _) => {
                let advice = format!("give it a value, or leave it out: the contract requires column {}", column.name);
                self.wrong(node.line, format!("column {} is nothing", column.name), advice);
                return None;
            }
            // That there is one is all that policies can ask of it.
            (Yaml::Bool(_) | Yaml::Int(_) | Yaml::Float(_) | Yaml::Text(_), ColumnKind::Other) => Some(Value::Text(String::new())),
            (Yaml::Bool(value), ColumnKind::Boolean) => Some(Value::Boolean(*value)),
            (Yaml::Int(value), ColumnKind::Integer) => whole(value).map(Value::Integer),
            (Yaml::Text(text), ColumnKind::Text) => Some(Value::Text(text.clone())),
            (Yaml::Text(text), ColumnKind::Date) => date(text).map(Value::Date),
            (Yaml::Text(text), ColumnKind::Timestamp) => moment(text).map(Value::Timestamp),
            _ => None,
        };
        if value.is_none() {
            let (what, advice) = match column.kind {
                ColumnKind::Boolean => ("true or false", "write true or false"),
                ColumnKind::Integer => ("a whole number of 64 bits", "write one"),
                ColumnKind::Text => ("text", "put it into quotes"),
                ColumnKind::Date => ("a date", "write one such as 2026-01-31"),
                ColumnKind::Other => ("a value", "write a number or a text: policies can ask whether there is one, and no more"),
                ColumnKind::Timestamp => ("a point in time", "write one such as 2026-01-31T08:00:00Z"),
            };
            self.wrong(node.line, format!("column {} takes {what}, and this is none", column.name), advice);
        }
        value.map(Some)
    }
}

/// Days since 1970.
fn date(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Microseconds since 1970. Without a zone it is UTC, as policies see columns without zone.
fn moment(text: &str) -> Option<i64> {
    let zoned = DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros());
    zoned.or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|time| time.and_utc().timestamp_micros()))
}

/// The names that stand twice in a list of cases; a failure could be either's.
pub(super) fn repeated(cases: &[Case]) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let twice = cases.iter().filter(|case| !seen.insert((&case.file, &case.name)));
    let problem = |case: &Case| Problem {
        file: case.file.clone(),
        line: case.line,
        problem: format!("an earlier case of the file has the name {:?} too", case.name),
        advice: "give each a `name` of its own".to_owned(),
    };
    twice.map(problem).collect()
}
