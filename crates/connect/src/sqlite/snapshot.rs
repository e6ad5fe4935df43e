//! A connection that can only read, in a transaction whose first look makes a snapshot: what others write meanwhile is not in it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::TrySendError;
use polder_types::ErrorKind;
use polder_types::limit::SQL_MAX_BYTES;
use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode;
use rusqlite::limits::Limit;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Statement};

use crate::database::Access;
use crate::error::Error;
use crate::output::{Message, Output, Stop};
use crate::sqlite::guard::Guard;
use crate::sqlite::utf16::Utf16;

/// Longest value that SQLite puts together, stored or computed. A row that holds a longer one ends the reading.
const VALUE_MAX_BYTES: i32 = 64 << 20;
/// What all of SQLite may take of memory: queries and views sort and group there, never in files.
const MEMORY_MAX_BYTES: i64 = 1 << 30;
/// How long a writer's lock is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Steps of SQLite's machine between two looks at whether anybody still reads: some tenths of a second.
const STEPS_BETWEEN_LOOKS: i32 = 20_000_000;

/// A snapshot of a database.
pub(super) struct Snapshot<'a> {
    pub access: &'a Access,
    pub connection: Connection,
    /// How texts are stored, where not as UTF-8.
    pub utf16: Option<Utf16>,
    sent: Arc<AtomicBool>,
}

impl<'a> Snapshot<'a> {
    /// Opens the file. A reading that nobody waits for any more is broken off, where it has an output.
    ///
    /// # Errors
    /// When there is no regular file, it is no database, or it is locked for too long.
    pub(super) fn open(access: &'a Access, out: Option<&Output>) -> Result<Self, Error> {
        const STEP: &str = "open the database";
        let failed = |error: rusqlite::Error| failure(access, STEP, &error, true);
        let path = regular(&access.path)?;
        // SQLite takes one byte for none, and a file of none for an empty database.
        if path.metadata().is_ok_and(|metadata| metadata.len() == 1) {
            return Err(no_database(access, STEP));
        }
        let mut connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE,
        )
        .map_err(failed)?;
        restrict(&connection).map_err(failed)?;
        let sent = Arc::new(AtomicBool::new(true));
        if let Some(out) = out {
            break_off(&mut connection, out, Arc::clone(&sent)).map_err(failed)?;
        }
        connection.execute_batch("BEGIN").map_err(failed)?;
        // The first look, with which the snapshot begins.
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(())).map_err(failed)?;
        let encoding: String = connection.pragma_query_value(None, "encoding", |row| row.get(0)).map_err(failed)?;
        Ok(Self { access, connection, utf16: Utf16::of_encoding(&encoding), sent })
    }

    /// From now on statements read what the guard lets through, and do nothing else.
    pub(super) fn admit(&mut self, guard: Guard) -> Result<(), Error> {
        let set = self.connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| guard.decide(&context)));
        set.map_err(|error| self.failed("guard the database", &error))
    }

    /// A statement.
    ///
    /// # Errors
    /// In SQLite's words, which are about its text and about names.
    pub(super) fn prepare(&self, step: &str, sql: &str) -> Result<Statement<'_>, Error> {
        self.connection.prepare(sql).map_err(|error| self.failed(step, &error))
    }

    /// The one number that a statement gives.
    pub(super) fn number(&self, step: &str, sql: &str, values: &[Value]) -> Result<i64, Stop> {
        let mut statement = self.prepare(step, sql)?;
        statement.query_row(rusqlite::params_from_iter(values), |row| row.get(0)).map_err(|error| self.stopped(step, &error))
    }

    /// A batch was sent: there is no need to ask whether anybody reads.
    pub(super) fn sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// Why a statement could not be prepared.
    pub(super) fn failed(&self, step: &str, error: &rusqlite::Error) -> Error {
        failure(self.access, step, error, true)
    }

    /// Why rows could not be read. What SQLite says then may quote a value.
    pub(super) fn stopped(&self, step: &str, error: &rusqlite::Error) -> Stop {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Stop::Closed,
            _ => failure(self.access, step, error, false).into(),
        }
    }
}

/// The file's one name; a directory, a pipe or a device is refused before it is opened.
fn regular(path: &Path) -> Result<std::path::PathBuf, Error> {
    let open = |source| Error::Open { path: path.to_owned(), source };
    // An absolute path is never taken for a URI, which could ask for other ways of opening.
    let path = path.canonicalize().map_err(open)?;
    match path.metadata().map_err(open)?.is_file() {
        true => Ok(path),
        false => Err(Error::NotAFile { path }),
    }
}

/// Takes everything away that reading does not need.
fn restrict(connection: &Connection) -> rusqlite::Result<()> {
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        // Views and generated columns call no function that does more than compute.
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        // A name in quotes that no column has is an error, not a text.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        // The source is left as it is, its log too.
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
    ] {
        connection.set_db_config(config, on)?;
    }
    let sql_max = i32::try_from(SQL_MAX_BYTES).unwrap_or(i32::MAX);
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_MAX_BYTES),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, sql_max),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 500),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 500),
        (Limit::SQLITE_LIMIT_VDBE_OP, 1_000_000),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 16),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    connection.busy_timeout(BUSY_WAIT)?;
    connection.execute_batch(&format!(
        "PRAGMA query_only = 1; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cell_size_check = 1; \
         PRAGMA hard_heap_limit = {MEMORY_MAX_BYTES};"
    ))
}

/// Interrupts a statement that gives no rows, once nobody reads any more: it could go on for ever.
fn break_off(connection: &mut Connection, out: &Output, sent: Arc<AtomicBool>) -> rusqlite::Result<()> {
    let sender = out.sender.clone();
    connection.progress_handler(
        STEPS_BETWEEN_LOOKS,
        Some(move || {
            // An empty message says nothing, but for whether it can be sent.
            !sent.swap(false, Ordering::Relaxed)
                && matches!(sender.try_send(Message::LeftOut(Vec::new())), Err(TrySendError::Disconnected(_)))
        }),
    )
}

fn no_database(access: &Access, step: &str) -> Error {
    Error::Database {
        connection: access.source.clone(),
        step: step.to_owned(),
        problem: "the file is no SQLite database, or it is encrypted".to_owned(),
        advice: "correct `path`, or hand over a copy in plain SQLite".to_owned(),
        kind: ErrorKind::Rejected,
    }
}

/// An error in our words; in SQLite's too where these are about the statement and names, and not about values.
fn failure(access: &Access, step: &str, error: &rusqlite::Error, prepared: bool) -> Error {
    let told = |problem: String, advice: &str, kind| Error::Database {
        connection: access.source.clone(),
        step: step.to_owned(),
        problem,
        advice: advice.to_owned(),
        kind,
    };
    let say = |problem: &str, advice: &str, kind| told(problem.to_owned(), advice, kind);
    let words = match error {
        rusqlite::Error::SqlInputError { msg, .. } => Some(msg.as_str()),
        rusqlite::Error::SqliteFailure(_, text) => text.as_deref(),
        _ => None,
    };
    let (code, extended) = match error {
        rusqlite::Error::SqlInputError { error, .. } | rusqlite::Error::SqliteFailure(error, _) => (error.code, error.extended_code),
        rusqlite::Error::MultipleStatement => {
            return say("there is more than one statement", "write one SELECT", ErrorKind::Invalid);
        }
        rusqlite::Error::Empty => return say("there is no statement", "write a SELECT", ErrorKind::Invalid),
        rusqlite::Error::Utf8Error(..) | rusqlite::Error::FromSqlConversionFailure(..) => {
            return say("a name or type in its schema is not UTF-8", "rename it at the source", ErrorKind::Rejected);
        }
        _ => return Error::Internal { step: "call SQLite" },
    };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => say(
            "another program keeps it locked",
            "run again when its transaction is done; in WAL mode (PRAGMA journal_mode=WAL) readers and writers do not wait for each other",
            ErrorKind::Unavailable,
        ),
        ErrorCode::NotADatabase => no_database(access, step),
        ErrorCode::DatabaseCorrupt => say(
            "the database is damaged",
            "see what `PRAGMA integrity_check` says of it, and restore it from a backup",
            ErrorKind::Rejected,
        ),
        ErrorCode::ReadOnly if extended == rusqlite::ffi::SQLITE_READONLY_ROLLBACK => say(
            "a writer stopped in the middle of a transaction, which must be rolled back first",
            "let a program that may write to the database open it once",
            ErrorKind::Unavailable,
        ),
        ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => say(
            "SQLite cannot open the file, or those beside it (-wal, -shm, -journal)",
            "let this account read it; a database in WAL mode needs a directory in which the account may also write: grant that, or hand \
             over a copy that `VACUUM INTO` makes",
            ErrorKind::Unavailable,
        ),
        ErrorCode::SystemIoFailure | ErrorCode::NoLargeFileSupport | ErrorCode::DiskFull => {
            say("the file cannot be read", "run again when its disk can be read", ErrorKind::Unavailable)
        }
        ErrorCode::OutOfMemory => told(
            format!("it takes more than the {} MiB of memory that SQLite may have here", MEMORY_MAX_BYTES >> 20),
            "sort, group and join less in the query or view",
            ErrorKind::Rejected,
        ),
        ErrorCode::TooBig => told(
            format!("a value or the statement is longer than may be: {} MiB for a value", VALUE_MAX_BYTES >> 20),
            "leave the column out of the contract, or shorten it in a query",
            ErrorKind::Rejected,
        ),
        // A function that is refused has no code of its own.
        _ if code == ErrorCode::AuthorizationForStatementDenied
            || words.is_some_and(|words| prepared && words.starts_with("not authorized")) =>
        {
            told(
                words.unwrap_or("not authorized").to_owned(),
                "a query reads tables and views with functions that compute from their arguments alone, and nothing else",
                ErrorKind::Rejected,
            )
        }
        _ if prepared => {
            let problem = words.unwrap_or("SQLite refuses it").to_owned();
            told(problem, "correct the query, or the view at the source", ErrorKind::Invalid)
        }
        _ => say(
            "a function of the query or view cannot take what a row holds",
            "correct the query, or the row at the source",
            ErrorKind::Rejected,
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rusqlite::ffi;

    use super::*;

    #[test]
    fn what_sqlite_reports_is_said_without_a_value() {
        let access = Access {
            source: "s".to_owned(),
            source_type: crate::SourceType::Sqlite,
            url: None,
            password: None,
            path: PathBuf::from("d.db"),
            ca: None,
            plain_loopback: false,
            timeout: crate::connection::database::TIMEOUT,
            driver: None,
        };
        let words = "a value of a row";
        let codes = [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_READONLY_ROLLBACK,
            ffi::SQLITE_READONLY_CANTINIT,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_TOOBIG,
            ffi::SQLITE_ERROR,
        ];
        let texts: Vec<String> = codes
            .into_iter()
            .map(|code| {
                let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(words.to_owned()));
                let told = failure(&access, "read rows", &error, false);
                assert!(!told.to_string().contains(words), "{told}");
                format!("{code} {:?}: {told}", told.kind())
            })
            .collect();
        insta::assert_snapshot!(texts.join("\n"));
        // Before there are rows the words are about the statement.
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some("no such table: t".to_owned()));
        assert!(failure(&access, "prepare", &error, true).to_string().contains("no such table: t"));
    }
}
