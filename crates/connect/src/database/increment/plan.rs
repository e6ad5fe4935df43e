//! Which rows an increment asks for.

use polder_types::ErrorKind;

use super::IncrementOptions;
use super::mark::{Mark, Scale};
use crate::connection::{Connection, Cursor};
use crate::database::{CursorValue, Window};
use crate::error::Error;
use crate::reader::WantedColumn;

/// An increment that is to be read: which rows, and how they are told apart.
pub(in crate::database) struct Plan {
    /// Source and dataset, for error texts.
    names: (String, String),
    pub(super) cursor: Cursor,
    /// The cursor's place among the columns.
    pub(super) place: usize,
    pub(super) scale: Scale,
    pub(super) columns: Vec<WantedColumn>,
    pub(super) options: IncrementOptions,
    pub(super) from: Option<Mark>,
    until: Option<Mark>,
}

impl Plan {
    pub fn new(
        connection: &Connection,
        dataset: &str,
        cursor: &Cursor,
        columns: &[WantedColumn],
        options: IncrementOptions,
    ) -> Result<Self, Error> {
        let names = (connection.name.clone(), dataset.to_owned());
        let invalid = |problem: String, advice: &str| failed(&names, cursor, problem, advice, ErrorKind::Invalid);
        let Some((place, column)) = columns.iter().enumerate().find(|(_, column)| column.name == cursor.column) else {
            let advice = "authorise it (`polder contract admit`), or choose another `cursor`";
            return Err(invalid("the contract does not authorise the column, so it is not read".to_owned(), advice));
        };
        let Some(scale) = column.ty.and_then(Scale::of) else {
            let advice = "choose a column of whole numbers, exact decimals, days, moments or texts";
            return Err(invalid("values of the column's type have no order that can be relied on".to_owned(), advice));
        };
        if cursor.lag_s > 0 && scale.lag(cursor.lag_s).is_none() {
            return Err(invalid("`lag` is a span of time, and the column counts none".to_owned(), "remove `lag`"));
        }
        let parsed = |text: &Option<String>, what: &str| match text {
            None => Ok(None),
            Some(text) => scale.parse(text).map(Some).ok_or_else(|| {
                let advice = "write one as the column's type has it, such as 42, 2026-01-31 or 2026-01-31T12:00:00Z";
                invalid(format!("{what} is no value of the type {}", scale.name()), advice)
            }),
        };
        let initial = parsed(&cursor.initial, "`initial`")?;
        let (asked_from, until) = (parsed(&options.from, "the beginning of the window")?, parsed(&options.until, "the end of the window")?);
        if asked_from.is_some() && until.is_some() && asked_from >= until {
            return Err(invalid("the window ends before it begins".to_owned(), "give --from a lesser value than --to"));
        }
        let remembered = options.state.as_ref().filter(|_| asked_from.is_none() && until.is_none());
        let mut from = asked_from.or(initial);
        if let Some(state) = remembered {
            let reset = "forget it with `polder state reset`, or load all anew with `polder run --full-refresh`";
            if (state.column.as_str(), state.kind.as_str()) != (cursor.column.as_str(), scale.name()) {
                return Err(invalid(format!("the last increment went by {}, of type {}", state.column, state.kind), reset));
            }
            if !state.of.is_empty() && state.of != of(&names) {
                return Err(invalid(format!("the last increment was read from {}", state.of), reset));
            }
            if options.known_again && state.reached.is_some() && state.known_from.is_none() {
                let problem = "the last increment was merged, and its rows cannot be told from new ones where rows are added";
                return Err(invalid(problem.to_owned(), reset));
            }
            if options.known_again && !state.known.is_empty() && state.columns != described(columns) {
                let problem =
                    "the contract's columns changed since the last increment, and rows that come again cannot be told from new ones";
                return Err(invalid(problem.to_owned(), reset));
            }
            let what = "what is remembered of the last increment";
            let begin = parsed(&state.reached, what)?.map(|reached| scale.less(&reached, cursor.lag_s));
            // A lag that was made longer would reach rows of which nothing is known: they would be doubled.
            let known_from = if options.known_again { parsed(&state.known_from, what)? } else { None };
            from = begin.max(known_from).or(from);
        }
        Ok(Self { names, cursor: cursor.clone(), place, scale, columns: columns.to_vec(), options, from, until })
    }

    /// Whether a window was asked for, not what comes next.
    pub(super) fn is_window(&self) -> bool {
        self.options.from.is_some() || self.options.until.is_some()
    }

    /// The rows that are asked for.
    pub fn window(&self) -> Window {
        let value = |mark: &Option<Mark>| mark.as_ref().map(|mark| CursorValue { kind: self.scale.kind(), text: self.scale.text(mark) });
        // Rows without a value belong to no window that someone asks for.
        Window { column: self.cursor.column.clone(), from: value(&self.from), until: value(&self.until), nulls: !self.is_window() }
    }

    pub(super) fn of(&self) -> String {
        of(&self.names)
    }

    pub(super) fn described(&self) -> Vec<String> {
        described(&self.columns)
    }

    pub(super) fn failed(&self, problem: String, advice: &str, kind: ErrorKind) -> Error {
        failed(&self.names, &self.cursor, problem, advice, kind)
    }
}

/// What is read, as it is written down.
fn of(names: &(String, String)) -> String {
    format!("{}.{}", names.0, names.1)
}

fn failed(names: &(String, String), cursor: &Cursor, problem: String, advice: &str, kind: ErrorKind) -> Error {
    Error::Database {
        connection: names.0.clone(),
        step: format!("read dataset {} by its cursor {}", names.1, cursor.column),
        problem,
        advice: advice.to_owned(),
        kind,
    }
}

/// The columns over which rows are compared, with their types: written down beside the hashes.
fn described(columns: &[WantedColumn]) -> Vec<String> {
    columns.iter().map(|column| format!("{}: {:?}", column.name, column.ty)).collect()
}
