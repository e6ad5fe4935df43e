//! What goes wrong between a server and this program, and what of it is told: a server's text may quote values of rows.

use std::io;

use polder_types::ErrorKind;
use polder_types::printable::printable;

use crate::error::Error;

/// Numbers of errors whose class says little and whose text quotes names at most: hosts that are shut out, waits that took too long,
/// servers that go down, tables that changed meanwhile, commands that are not there.
const PLAIN: [u16; 14] = [1040, 1053, 1129, 1130, 1193, 1203, 1205, 1213, 1317, 1356, 1412, 1969, 3024, 3159];

/// Why an answer of the server could not be had.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection failed, or ended where it must not.
    Io(io::Error),
    /// What came is not the protocol.
    Damaged(&'static str),
    /// The server says no.
    Refused(Refusal),
}

/// An error as the server words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub number: u16,
    /// SQLSTATE; `HY000` where the server gave none.
    pub state: String,
    pub text: String,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Refusal {
    /// The text, where its class cannot hold a value of a row: connection, authentication, catalog, syntax and access, intervention.
    fn shown(&self) -> Option<&str> {
        let plain = ["08", "28", "3D", "42", "70"].iter().any(|class| self.state.starts_with(class));
        (plain || PLAIN.contains(&self.number)).then_some(self.text.as_str())
    }

    fn kind(&self) -> ErrorKind {
        match (self.number, self.state.as_str()) {
            (1044 | 1045 | 1130 | 1142 | 1143 | 1227 | 1370 | 1698, _) => ErrorKind::Denied,
            (1040 | 1053 | 1158..=1161 | 1203 | 1205 | 1213 | 1317 | 1412 | 1969 | 3024, _) => ErrorKind::Unavailable,
            (1049 | 1146, _) => ErrorKind::NotFound,
            (_, state) if state.starts_with("08") || state.starts_with("70") => ErrorKind::Unavailable,
            (_, state) if state.starts_with("28") => ErrorKind::Denied,
            (_, state) if state.starts_with("42") => ErrorKind::Invalid,
            _ => ErrorKind::Rejected,
        }
    }
}

impl Fault {
    /// Whether the server refused with this number.
    pub(super) fn is(&self, numbers: &[u16]) -> bool {
        matches!(self, Self::Refused(refusal) if numbers.contains(&refusal.number))
    }

    /// What is said of it: the step that failed at a source, and what can be done.
    pub(super) fn told(self, source: &str, step: &str) -> Error {
        let (problem, advice, kind) = match self {
            Self::Io(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => (
                    "the connection ended before the answer did".to_owned(),
                    "run again; where it happens again, look at the server's log",
                    ErrorKind::Unavailable,
                ),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => (
                    "the server kept silent for too long, so nothing of it counts".to_owned(),
                    "run again; where a statement takes longer before its first row, raise `timeout` in the source",
                    ErrorKind::Unavailable,
                ),
                kind => {
                    (format!("the connection failed ({kind})"), "check the server and the network, and run again", ErrorKind::Unavailable)
                }
            },
            Self::Damaged(what) => (
                format!("what came is not the protocol of MySQL ({what})"),
                "check the host and the port, and what lies between",
                ErrorKind::Unavailable,
            ),
            Self::Refused(refusal) => {
                let Refusal { number, state, .. } = &refusal;
                let problem = match refusal.shown() {
                    Some(text) => format!("the server says: {} (error {number}, SQLSTATE {})", printable(text), printable(state)),
                    // Its text is not repeated: it may quote a value.
                    None => format!("the server refuses (error {number}, SQLSTATE {})", printable(state)),
                };
                let kind = refusal.kind();
                let advice = match kind {
                    ErrorKind::Denied => "check the account, its password and its rights",
                    ErrorKind::Unavailable => "run again",
                    ErrorKind::NotFound => "correct the name, or give the account the right to see it",
                    _ => "look the number up in the server's manual, and correct the source",
                };
                (problem, advice, kind)
            }
        };
        Error::Database { connection: source.to_owned(), step: step.to_owned(), problem, advice: advice.to_owned(), kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(number: u16, state: &str, text: &str) -> (String, ErrorKind) {
        let refusal = Refusal { number, state: state.to_owned(), text: text.to_owned() };
        let error = Fault::Refused(refusal).told("shop", "read the table");
        (error.to_string(), error.kind())
    }

    #[test]
    fn a_text_that_may_quote_a_row_is_not_repeated() {
        for (number, state) in [(1062, "23000"), (1264, "22003"), (1292, "22007"), (1690, "22003"), (1105, "HY000"), (3141, "22032")] {
            let (text, _) = told(number, state, "Duplicate entry 'Mrs Jones' for key");
            assert_eq!(
                text,
                format!(
                    "read the table of source shop: the server refuses (error {number}, SQLSTATE {state}); look the number up in the server's manual, and correct the source"
                )
            );
        }
    }

    #[test]
    fn what_speaks_of_names_is_told_on_one_line() {
        let (text, kind) = told(1146, "42S02", "Table 'd.x\n\u{1b}[2J' doesn't exist");
        assert_eq!(
            text,
            "read the table of source shop: the server says: Table 'd.x\\n\\u{1b}[2J' doesn't exist (error 1146, SQLSTATE 42S02); correct the name, or give the account the right to see it"
        );
        assert_eq!(kind, ErrorKind::NotFound);
        for (number, state, expected) in [
            (1045, "28000", ErrorKind::Denied),
            (1142, "42000", ErrorKind::Denied),
            (1227, "42000", ErrorKind::Denied),
            (1040, "08004", ErrorKind::Unavailable),
            (1053, "08S01", ErrorKind::Unavailable),
            (1317, "70100", ErrorKind::Unavailable),
            (1412, "HY000", ErrorKind::Unavailable),
            (1049, "42000", ErrorKind::NotFound),
            (1064, "42000", ErrorKind::Invalid),
            (1105, "HY000", ErrorKind::Rejected),
        ] {
            assert_eq!(told(number, state, "x").1, expected, "{number}");
        }
    }

    #[test]
    fn an_end_that_comes_too_early_may_be_tried_again() {
        let error = Fault::Io(io::ErrorKind::UnexpectedEof.into()).told("shop", "read the table");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("ended before the answer did"));
    }
}
