//! Results on standard output, as columns for people or as JSON or CSV for machines.

use std::io::Write;

use polder_types::ErrorKind;
use serde_json::{Map, Value};

use crate::cli::Output;
use crate::failure::{Failure, Outcome};

/// A small result: named columns and rows of JSON values.
#[derive(Debug, Default)]
pub struct Listing {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Listing {
    /// An empty listing with these columns.
    pub fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, a value for each column.
    pub fn row(&mut self, values: impl IntoIterator<Item = Value>) {
        self.rows.push(values.into_iter().collect());
    }

    /// Prints the listing.
    ///
    /// # Errors
    /// When standard output cannot be written, or the format is only for queries.
    pub fn print(&self, format: Output) -> Outcome {
        match format {
            Output::Table => self.print_table(),
            Output::Json => {
                let rows: Vec<Value> = self
                    .rows
                    .iter()
                    .map(|row| Value::Object(self.columns.iter().map(|c| (*c).to_owned()).zip(row.iter().cloned()).collect::<Map<_, _>>()))
                    .collect();
                json(&Value::Array(rows))
            }
            Output::Csv => self.print_csv(),
            Output::Arrow => Err(Failure::new(ErrorKind::Invalid, "print this result as Arrow; only queries have that format: take json")),
        }
    }

    fn print_table(&self) -> Outcome {
        let cells: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, name)| {
                cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).chain([name.chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let numeric: Vec<bool> = (0..self.columns.len())
            .map(|at| !self.rows.is_empty() && self.rows.iter().filter_map(|row| row.get(at)).all(Value::is_number))
            .collect();
        let line = |row: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for ((cell, width), right) in row.zip(&widths).zip(&numeric) {
                if !text.is_empty() {
                    text.push_str("  ");
                }
                if *right { text.push_str(&format!("{cell:>width$}")) } else { text.push_str(&format!("{cell:<width$}")) }
            }
            text.trim_end().to_owned()
        };
        text(&line(&mut self.columns.iter().copied()))?;
        for row in &cells {
            text(&line(&mut row.iter().map(String::as_str)))?;
        }
        Ok(())
    }

    fn print_csv(&self) -> Outcome {
        let quoted = |cell: &str| {
            if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
        };
        text(&self.columns.join(","))?;
        self.rows.iter().try_for_each(|row| text(&row.iter().map(|value| quoted(&shown(value))).collect::<Vec<_>>().join(",")))
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Prints one line.
///
/// # Errors
/// When standard output cannot be written.
pub fn text(line: &str) -> Outcome {
    writeln!(std::io::stdout().lock(), "{line}").map_err(written)
}

/// Prints a JSON document, indented.
///
/// # Errors
/// When standard output cannot be written.
pub fn json(value: &Value) -> Outcome {
    text(&serde_json::to_string_pretty(value).map_err(|error| Failure::because(ErrorKind::Internal, "write JSON", &error))?)
}

/// The failure to write a result.
#[allow(clippy::needless_pass_by_value, reason = "it is an argument of map_err")]
pub fn written(error: std::io::Error) -> Failure {
    Failure::because(ErrorKind::Unavailable, "write the result on standard output", &error)
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub fn time(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(time(-1), "1969-12-31T23:59:59Z");
    }
}
