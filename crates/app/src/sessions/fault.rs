//! What the errors of the engine and of the log are to clients: one table.

use std::error::Error as StdError;

use polder_engine::{CatalogError, Error};
use polder_policy::Denied;
use polder_serve::Fault;
use polder_types::{ErrorKind, RecordError};

use crate::failure::Failure;

/// The SQLSTATE of an error of the engine; none where that of its kind is right.
fn sqlstate(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Parse(_) => "42601",
        Error::TooLong { .. } => "54000",
        Error::Unsupported(_) => "0A000",
        Error::Refused(text) if text.starts_with("the function ") => "42883",
        Error::Refused(_) | Error::NoRowFilter { .. } | Error::NoColumn { .. } | Error::Denied(Denied::Known { .. }) => "42501",
        Error::Denied(Denied::Unknown { .. }) => "42P01",
        Error::Plan(text) => planning(text),
        Error::Parameter(_) => "22P02",
        Error::TooSlow { .. } => "57014",
        Error::Execute { message, kind: ErrorKind::Invalid } => computing(message),
        Error::Incomplete { source, .. } => return sqlstate(source),
        _ => return None,
    })
}

/// By the engine's texts, each with the class that PostgreSQL gives such an error.
const PLANNING: [(&str, &str); 7] = [
    ("No field named ", "42703"),
    ("no function takes the arguments of ", "42883"),
    ("Ambiguous reference ", "42702"),
    ("could not be resolved from available columns", "42803"),
    ("was not computed yet", "42P01"),
    ("is asked for of ", "42P01"),
    ("not supported", "0A000"),
];

fn planning(text: &str) -> &'static str {
    PLANNING.iter().find(|(part, _)| text.contains(part)).map_or("42804", |(_, code)| code)
}

/// By our own texts of `crates/engine/src/error.rs`.
const COMPUTING: [(&str, &str); 5] = [
    ("needs more memory", "53200"),
    ("division by zero", "22012"),
    ("too large for its type", "22003"),
    ("cannot be converted to the wanted type", "22018"),
    ("would make more than ", "54000"),
];

fn computing(message: &str) -> &'static str {
    COMPUTING.iter().find(|(part, _)| message.contains(part)).map_or("22000", |(_, code)| code)
}

/// An error of answering a question. With its text, a place that the error names is told too.
pub(super) fn of_engine(error: &Error, sql: Option<&str>) -> Fault {
    let text = text(error);
    let position = sql.and_then(|sql| position(sql, &text));
    if let Error::TooSlow { .. } = error {
        return Fault::too_long(text);
    }
    let fault = Fault::new(error.kind(), text).at(position);
    match sqlstate(error) {
        Some(code) => fault.with_sqlstate(code),
        None => fault,
    }
}

/// An error of a statement that asks nothing of tables.
pub(super) fn of_catalog(error: &CatalogError) -> Fault {
    Fault::new(error.kind(), error.to_string()).with_sqlstate(error.sqlstate())
}

/// Something cannot be recorded, and so does not happen.
pub(super) fn of_record(error: &RecordError) -> Fault {
    Fault::new(error.kind, error.to_string())
}

/// A failure of the program itself.
pub(super) fn of_failure(failure: &Failure) -> Fault {
    Fault::new(failure.kind(), failure.to_string())
}

/// An error's text with those of its causes, in one line.
fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = StdError::source(error);
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}

/// The character, from 1, that a text means by `Line: 2, Column: 5`.
fn position(sql: &str, text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("Line: ")?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let (line, column): (usize, usize) = (line.parse().ok()?, digits.parse().ok()?);
    let before: usize = sql.split_inclusive('\n').take(line.checked_sub(1)?).map(|line| line.chars().count()).sum();
    u32::try_from(before.checked_add(column)?).ok()
}

#[cfg(test)]
mod tests {
    use polder_types::TableName;

    use super::*;

    #[test]
    fn each_error_has_its_sqlstate() {
        let execute = |message: &str, kind| Error::Execute { message: message.to_owned(), kind };
        let known = Denied::Known {
            action: polder_policy::Action::Read,
            table: TableName::new("flights").unwrap(),
            policies: Vec::new(),
            erred: false,
        };
        let memory = "it needs more memory, or more sealed temporary space, than it may use; ask for less, or raise the limits";
        for (error, code, kind) in [
            (Error::Parse("unexpected x".to_owned()), "42601", ErrorKind::Invalid),
            (Error::Denied(Denied::no_such_table("planes")), "42P01", ErrorKind::NotFound),
            (Error::Denied(known), "42501", ErrorKind::Denied),
            (Error::Plan("No field named ward. Valid fields are flights.id".to_owned()), "42703", ErrorKind::Invalid),
            (Error::Plan("no function takes the arguments of sum(Utf8); cast them to other types".to_owned()), "42883", ErrorKind::Invalid),
            (Error::Plan("something else".to_owned()), "42804", ErrorKind::Invalid),
            (Error::Refused("the function random does not exist, or is not allowed".to_owned()), "42883", ErrorKind::Denied),
            (Error::Refused("drop begins no query".to_owned()), "42501", ErrorKind::Denied),
            (Error::Unsupported("FETCH is not supported; write LIMIT".to_owned()), "0A000", ErrorKind::Invalid),
            (Error::Parameter("the value of $1 is not exactly one of type Int64".to_owned()), "22P02", ErrorKind::Invalid),
            (Error::TooLong { max: 1, unit: "bytes" }, "54000", ErrorKind::Invalid),
            (Error::TooSlow { limit: std::time::Duration::from_secs(1) }, "57014", ErrorKind::Unavailable),
            (execute(memory, ErrorKind::Invalid), "53200", ErrorKind::Invalid),
            (execute("division by zero; guard the divisor with nullif(divisor, 0)", ErrorKind::Invalid), "22012", ErrorKind::Invalid),
            (execute("a function does not accept one of its values", ErrorKind::Invalid), "22000", ErrorKind::Invalid),
            (execute("a stored data file is not valid Parquet", ErrorKind::Corrupt), "XX001", ErrorKind::Corrupt),
            (execute("stored data cannot be read", ErrorKind::Unavailable), "57P03", ErrorKind::Unavailable),
            (Error::SetUp("x".to_owned()), "XX000", ErrorKind::Internal),
        ] {
            let fault = of_engine(&error, None);
            assert_eq!((fault.sqlstate(), fault.kind()), (code, kind), "{error}");
            assert!(!fault.is_unauthenticated() && fault.message().starts_with(&error.to_string()), "{error}");
        }
        let record = RecordError { kind: ErrorKind::Unavailable, message: "the disk is full".to_owned(), source: None };
        assert_eq!(of_record(&record).sqlstate(), "57P03");
    }

    #[test]
    fn a_place_is_a_character_of_the_text() {
        let at = |sql: &str, text: &str| of_engine(&Error::Parse(text.to_owned()), Some(sql)).position();
        assert_eq!(at("select 'a", "Unterminated string literal at Line: 1, Column: 8"), Some(8));
        assert_eq!(at("sélect\nx y z", "unexpected y at Line: 2, Column: 3"), Some(10));
        assert_eq!(at("select", "Expected: identifier, found: EOF"), None);
        assert_eq!(at("select", "at Line: x, Column: 3"), None);
        assert_eq!(of_engine(&Error::Parse("at Line: 1, Column: 8".to_owned()), None).position(), None);
    }
}
