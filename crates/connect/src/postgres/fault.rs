//! What a server, or the connection to it, says went wrong. A server quotes values of rows in many of its errors; its own words are
//! repeated only where they cannot hold any.

use std::error::Error as _;

use polder_types::{ErrorKind, printable};
use tokio_postgres::error::{DbError, SqlState};

use crate::database::Access;
use crate::error::Error;

/// Classes of SQLSTATE whose words are about connections, transactions, names and limits, never about what a row holds.
const WITHOUT_VALUES: [&str; 8] = ["08", "25", "28", "3D", "42", "53", "55", "57"];
/// Longest text of a server that is repeated, in characters.
const WORDS_MAX: usize = 300;

/// What the client says of an answer that was not waited for any longer.
const SILENT: &str = "timeout waiting for server";

/// The error of a step that the client says failed.
pub(super) fn fault(access: &Access, step: &str, error: &tokio_postgres::Error) -> Error {
    if let Some(said) = error.as_db_error() {
        return told(access, step, said);
    }
    if error.to_string() == SILENT {
        return access.silent(step);
    }
    let problem = match error.source().map(ToString::to_string) {
        // From our own reading of the stream, in our own words.
        Some(words) if words.starts_with("the server sent ") => {
            return access.fails(step, words, "check what answers there; run again", ErrorKind::Rejected);
        }
        // The words of a library or of the operating system: of the connection, never of rows.
        Some(words) if error.source().is_some_and(|cause| cause.is::<std::io::Error>()) => {
            format!("the connection ended in the middle ({})", printable(&words))
        }
        _ if error.is_closed() => "the connection ended in the middle".to_owned(),
        _ => "the server answered what was not asked".to_owned(),
    };
    access.fails(step, format!("{problem}, so nothing of it counts"), "run again when the server can be reached", ErrorKind::Unavailable)
}

fn told(access: &Access, step: &str, said: &DbError) -> Error {
    let code = said.code().code();
    // Text of the server itself: a function or a trigger raises what its author likes, under any code, and says so in the context.
    let harmless = said.where_().is_none() && WITHOUT_VALUES.iter().any(|class| code.starts_with(class));
    let mut words: String = said.message().chars().take(WORDS_MAX).collect();
    if words.len() < said.message().len() {
        words.push_str("...");
    }
    // The severity is one of a few words, in the server's language.
    let severity: String = said.severity().chars().take(16).collect();
    let severity = printable(&severity);
    let problem = match harmless {
        true => format!("the server said {severity} {code}: {}", printable(&words)),
        false => format!("the server said {severity} {code}{}; its words are not repeated, since they may hold values", meaning(code)),
    };
    let (advice, kind) = advice(said.code());
    access.fails(step, problem, advice, kind)
}

/// What the class of a code is about, for those whose words are not repeated.
fn meaning(code: &str) -> &'static str {
    match code.get(..2) {
        Some("21" | "22") => " (a value that the query cannot take)",
        Some("23") => " (a constraint)",
        Some("38" | "39" | "P0") => " (a function of the database)",
        Some("40") => " (it gave way to another transaction)",
        Some("54") => " (a limit of the server)",
        Some("58") => " (the server's files)",
        Some("HV") => " (a server behind this one)",
        Some("XX") => " (damage or a defect of the server)",
        _ => "",
    }
}

fn advice(code: &SqlState) -> (&'static str, ErrorKind) {
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return ("grant the account SELECT on it, and USAGE on its schema", ErrorKind::Denied);
    }
    if *code == SqlState::TOO_MANY_CONNECTIONS {
        return ("let the account have three connections at once", ErrorKind::Unavailable);
    }
    if *code == SqlState::QUERY_CANCELED || *code == SqlState::ADMIN_SHUTDOWN {
        return ("run again; if it was ended on purpose, ask why", ErrorKind::Unavailable);
    }
    if *code == SqlState::LOCK_NOT_AVAILABLE {
        return ("run again when no transaction changes the table, or waits to", ErrorKind::Unavailable);
    }
    match code.code().get(..2) {
        Some("28") => ("check the user and the password, and what the server's pg_hba.conf lets in", ErrorKind::Denied),
        Some("3D") => ("correct the database in the URL", ErrorKind::NotFound),
        Some("08" | "53" | "57" | "58") => ("run again when the server can take it", ErrorKind::Unavailable),
        Some("40" | "55") => ("run again", ErrorKind::Unavailable),
        Some("25") => ("only what reads may stand in a query", ErrorKind::Invalid),
        Some("42" | "0A") => ("correct the source, or what it names at the server", ErrorKind::Invalid),
        Some("XX") => ("look into the server's log", ErrorKind::Unavailable),
        _ => ("run the same SELECT at the server to see what it is", ErrorKind::Rejected),
    }
}
