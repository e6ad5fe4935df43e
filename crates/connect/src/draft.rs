//! A first contract from a sample: the columns with the narrowest types that hold every value seen. What a contract cannot say is a
//! comment, so that a draft always reads.

use std::fmt::Write;

use polder_contract::{ColumnType, Contract};
use polder_types::TableName;

use crate::sample::{InferredKind, Sample, SampledColumn};

/// Most characters of a name in a comment.
const SHOWN_MAX: usize = 80;

/// What a draft is for.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The contract's id.
    pub id: &'a str,
    /// The source's name.
    pub source: &'a str,
    pub dataset: &'a str,
    pub table: &'a TableName,
    /// Whether every column is authorised; otherwise each is a comment.
    pub all: bool,
}

impl Sample {
    /// The text of a contract. With `all` it reads, provided that one column can stand in it, and it admits the rows of the sample.
    pub fn draft(&self, draft: &Draft<'_>) -> String {
        let mut text = head(draft, self.records);
        let mut taken: Vec<&str> = Vec::new();
        for (place, column) in self.columns.iter().enumerate() {
            let line = property(column);
            match problem(draft, column, &line, &taken) {
                None => {
                    taken.push(&column.name);
                    let mark = if draft.all { "" } else { "# " };
                    let _ = writeln!(text, "      {mark}- {line}");
                }
                Some(problem) => {
                    let shown: String = column.name.chars().take(SHOWN_MAX).collect();
                    let _ = writeln!(text, "      # column {}, {}, is left out: {problem}", place + 1, quoted(&shown));
                }
            }
        }
        text
    }
}

fn head(draft: &Draft<'_>, records: u64) -> String {
    let Draft { id, source, dataset, table, all } = draft;
    let advice = if *all { ": remove each that nobody needs" } else { ": take the # away from each that is needed" };
    format!(
        "# A first draft from column names and the kinds of {records} records. By default every column is forbidden{advice}.\napiVersion: v3.1.0\nkind: DataContract\nid: {id}\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {{property: polder.source, value: {}}}\n  - {{property: polder.onViolation, value: quarantine}}\nschema:\n  - name: {table}\n    physicalName: {}\n    properties:\n",
        quoted(source),
        quoted(dataset),
    )
}

fn property(column: &SampledColumn) -> String {
    let name = quoted(&column.name);
    let tokens: Vec<String> = column.null_tokens.iter().map(|token| quoted(token)).collect();
    let nulls = if tokens.is_empty() {
        String::new()
    } else {
        format!(", customProperties: [{{property: polder.nullTokens, value: [{}]}}]", tokens.join(", "))
    };
    let required = if column.always_present { ", required: true" } else { "" };
    format!("{{name: {name}, physicalName: {name}, {}{required}{nulls}}}", odcs_type(column.ty.unwrap_or(ColumnType::String)))
}

fn odcs_type(ty: ColumnType) -> String {
    match ty {
        ColumnType::String => "logicalType: string".to_owned(),
        ColumnType::Boolean => "logicalType: boolean".to_owned(),
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 => "logicalType: integer".to_owned(),
        ColumnType::Int64 => "logicalType: integer, logicalTypeOptions: {format: i64}".to_owned(),
        ColumnType::Float32 | ColumnType::Float64 => "logicalType: number".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("logicalType: number, physicalType: \"decimal({precision},{scale})\""),
        ColumnType::Date => "logicalType: date".to_owned(),
        ColumnType::Timestamp { zone: true } => "logicalType: timestamp".to_owned(),
        ColumnType::Timestamp { zone: false } => "logicalType: timestamp, logicalTypeOptions: {timezone: false}".to_owned(),
        ColumnType::Time => "logicalType: time".to_owned(),
    }
}

/// Why a column cannot stand in a contract.
fn problem(draft: &Draft<'_>, column: &SampledColumn, line: &str, taken: &[&str]) -> Option<&'static str> {
    let name = column.name.as_str();
    if column.kind == InferredKind::Nested {
        Some("it is nested; flatten it at the source")
    } else if column.ty.is_none() {
        Some("no type holds all of its values; correct it at the source")
    } else if name.is_empty() {
        Some("it has no name; name it at the source")
    } else if name.chars().any(char::is_control) {
        Some("its name holds control characters; rename it at the source")
    } else if name.contains(char::REPLACEMENT_CHARACTER) {
        Some("its name is not UTF-8; declare the `encoding`, or rename it at the source")
    } else if taken.iter().any(|other| other.eq_ignore_ascii_case(name)) {
        Some("another column has the same name but for its case; rename it at the source")
    } else if !reads(draft, name, line) {
        Some("its name cannot stand in a contract; rename it at the source")
    } else {
        None
    }
}

/// Whether a contract of this column alone is read, and means this column.
fn reads(draft: &Draft<'_>, name: &str, line: &str) -> bool {
    let text = format!("{}      - {line}\n", head(draft, 0));
    Contract::parse(&text, "draft")
        .is_ok_and(|contract| contract.columns.iter().all(|column| column.name == name && column.physical_name == name))
}

/// A YAML text in double quotes, in which only letters, digits and ASCII stand as they are.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        let code = u32::from(c);
        // Writing to a String does not fail.
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            ' '..='~' => write!(quoted, "{c}"),
            c if c.is_alphanumeric() => write!(quoted, "{c}"),
            _ if code <= 0xffff => write!(quoted, "\\u{code:04x}"),
            _ => write!(quoted, "\\U{code:08x}"),
        };
    }
    quoted.push('"');
    quoted
}
