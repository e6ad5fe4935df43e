//! Results on standard output, as columns for people or as JSON or CSV for machines. Whatever is printed for people goes through
//! [`polder_types::printable`] here: no name, value or path steers a terminal or forges a line.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use polder_types::{ErrorKind, printable, printable_json, printable_lines};
use serde_json::{Map, Value};

use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::hosted;

/// Widest column before its values stand out of line, in characters.
const WIDTH_MAX: usize = 80;

/// The exit code when whoever read standard output closed it before its end, as a shell tells it of a program that SIGPIPE ended.
pub const EXIT_CLOSED: u8 = 141;

/// Whether nobody reads standard output any more.
static CLOSED: AtomicBool = AtomicBool::new(false);

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
            Output::Markdown | Output::Junit | Output::Sarif => {
                Err(Failure::new(ErrorKind::Invalid, "print this result in a format of reviews; only `polder ci` has those: take json"))
            }
        }
    }

    fn print_table(&self) -> Outcome {
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|value| printable(&shown(value)).into_owned()).collect()).collect();
        let width = |at: usize, name: &str| {
            let widest = cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).chain([name.chars().count()]).max();
            widest.unwrap_or(0).min(WIDTH_MAX)
        };
        let widths: Vec<usize> = self.columns.iter().enumerate().map(|(at, name)| width(at, name)).collect();
        let numeric: Vec<bool> = (0..self.columns.len())
            .map(|at| !self.rows.is_empty() && self.rows.iter().filter_map(|row| row.get(at)).all(Value::is_number))
            .collect();
        let padded = |row: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for (at, ((cell, width), right)) in row.zip(&widths).zip(&numeric).enumerate() {
                if at > 0 {
                    text.push_str("  ");
                }
                // By hand: a format string's width ends at 65,535, and a longer one panics.
                let room = " ".repeat(width.saturating_sub(cell.chars().count()));
                let (before, after) = if *right { (room.as_str(), "") } else { ("", room.as_str()) };
                text.extend([before, cell, after]);
            }
            text.trim_end().to_owned()
        };
        line(&padded(&mut self.columns.iter().copied()))?;
        cells.iter().try_for_each(|row| line(&padded(&mut row.iter().map(String::as_str))))
    }

    fn print_csv(&self) -> Outcome {
        let quoted = |cell: &str| {
            if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
        };
        emit(&self.columns.join(","))?;
        self.rows.iter().try_for_each(|row| emit(&row.iter().map(|value| quoted(&shown(value))).collect::<Vec<_>>().join(",")))
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

/// Shows facts of one thing: as one object, or a line each.
///
/// # Errors
/// When the output cannot be written.
pub fn facts<const N: usize>(facts: [(&'static str, Value); N], output: Output) -> Outcome {
    if output == Output::Json {
        return json(&facts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into());
    }
    let mut listing = Listing::new(&["what", "value"]);
    for (key, value) in facts {
        listing.row([Value::from(key), value]);
    }
    listing.print(output)
}

/// Prints one line: a line end in the text is shown as an escape.
///
/// # Errors
/// When standard output cannot be written.
pub fn line(text: &str) -> Outcome {
    emit(&printable(text))
}

/// Prints a text, of several lines where it has line ends: nothing that someone else wrote may stand in it but where a line end
/// does no harm.
///
/// # Errors
/// When standard output cannot be written.
pub fn text(text: &str) -> Outcome {
    emit(&printable_lines(text))
}

/// Prints a JSON document, indented.
///
/// # Errors
/// When standard output cannot be written.
pub fn json(value: &Value) -> Outcome {
    let document = serde_json::to_string_pretty(value).map_err(|error| Failure::because(ErrorKind::Internal, "write JSON", &error))?;
    emit(&printable_json(&document))
}

/// Prints a document that is what it is in a format of its own, which has escaped all that someone else wrote.
///
/// # Errors
/// When standard output cannot be written.
pub fn document(text: &str) -> Outcome {
    emit(text.trim_end_matches('\n'))
}

fn emit(text: &str) -> Outcome {
    if stdout_closed() {
        return Ok(());
    }
    writeln!(hosted::output(), "{text}").or_else(|error| unwritten(error).map_or(Ok(()), Err))
}

/// A failure to write on standard output; none when it was closed, for then nobody waits for the rest.
pub fn unwritten(error: io::Error) -> Option<Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        // Of a caller's output its own side knows.
        if hosted::current().is_none() {
            CLOSED.store(true, Ordering::Relaxed);
        }
        return None;
    }
    Some(written(error))
}

/// Whether standard output was closed by whoever read it.
pub fn stdout_closed() -> bool {
    hosted::current().map_or_else(|| CLOSED.load(Ordering::Relaxed), |host| host.is_closed())
}

/// Tells what went wrong beside the command's own result, which it does not change.
pub fn warn(what: &str, failure: &Failure) {
    note(&format!("warning: {what}: {failure}"));
}

/// Says something on standard error: diagnostics and progress. Where it cannot be written nobody hears it, and the work goes on.
pub fn note(text: &str) {
    let _ = writeln!(hosted::notes(), "{}", printable_lines(text));
}

/// The same for a JSON document.
pub fn note_json(value: &Value) {
    let _ = writeln!(hosted::notes(), "{}", printable_json(&value.to_string()));
}

/// The failure to write a result.
#[allow(clippy::needless_pass_by_value, reason = "it is an argument of map_err")]
pub fn written(error: io::Error) -> Failure {
    Failure::because(ErrorKind::Unavailable, "write the result on standard output", &error)
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub fn time(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// A number of bytes for people, cut, not rounded.
pub fn bytes(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" }),
        |(unit, name)| format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_unit() {
        let shown = [0, 1, 999, 1_000, 3_149_999, 999_999_999, 64 << 30].map(bytes);
        assert_eq!(shown, ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "3.1 MB", "999.9 MB", "68.7 GB"]);
        assert_eq!(bytes(u64::MAX), "18446744.0 TB");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(time(-1), "1969-12-31T23:59:59Z");
    }
}
