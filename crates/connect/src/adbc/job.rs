//! What the process of a driver is told, and what it answers. Both are JSON, between two copies of one program.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// All that a process is told, once.
#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    /// The process that wants it: without that one there is nobody to work for.
    pub parent: u32,
    pub driver: PathBuf,
    pub sha256: String,
    /// The function with which the driver begins.
    pub entrypoint: String,
    /// What the driver is told, in this order; secrets among it.
    pub options: Vec<(String, String)>,
    pub work: Work,
}

/// What is asked of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Work {
    /// Its tables and views.
    Tables,
    /// The schema of a statement that gives no rows.
    Columns { select: String },
    /// The columns of a relation, how many rows it has, and the rows.
    Read { columns: String, count: Option<String>, select: String },
}

/// The last word of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    Tables(Vec<String>),
    Rows {
        rows: u64,
        /// By the database, in the same snapshot; none where there is no such thing.
        counted: Option<u64>,
    },
    Failed {
        step: Step,
        problem: Problem,
    },
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    Confine,
    Load,
    Connect,
    List,
    Prepare,
    Count,
    Read,
}

impl Step {
    /// For error texts.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Confine => "start the process of the driver",
            Self::Load => "load the driver",
            Self::Connect => "connect to the database",
            Self::List => "list the tables",
            Self::Prepare => "prepare the statement",
            Self::Count => "count the rows",
            Self::Read => "read rows",
        }
    }
}

/// What went wrong, without a word of the driver's: these may quote a row, or the URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Problem {
    /// There is no such library, or it cannot be read.
    NoDriver,
    /// The library is another one.
    OtherDriver,
    /// It is no library of an ADBC driver.
    NotADriver,
    /// The system refused what keeps the process apart.
    Confinement,
    /// What came is no Arrow.
    Arrow,
    Driver {
        class: Class,
        /// Five letters and digits; empty where there are none.
        sqlstate: String,
        vendor_code: i32,
    },
}

/// The classes of ADBC's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Class {
    Unknown,
    NotImplemented,
    NotFound,
    InvalidArguments,
    InvalidState,
    InvalidData,
    Integrity,
    Internal,
    Io,
    Cancelled,
    Timeout,
    Unauthenticated,
    Unauthorized,
}

/// The function with which a driver begins, by the rule of ADBC: of `libadbc_driver_sqlite.so` it is `AdbcDriverSqliteInit`.
pub(super) fn entrypoint(driver: &Path) -> String {
    let name = driver.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.split('.').next().unwrap_or_default();
    let name = name.strip_prefix("lib").unwrap_or(name);
    let words = name.split(['-', '_']).map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    let words: String = words.collect();
    if words.starts_with("Adbc") { format!("{words}Init") } else { format!("Adbc{words}Init") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_function_goes_by_the_librarys_name() {
        for (file, expected) in [
            ("/lib/libadbc_driver_sqlite.so", "AdbcDriverSqliteInit"),
            ("libadbc_driver_postgresql.so.1.2.0", "AdbcDriverPostgresqlInit"),
            ("proprietary-driver.so", "AdbcProprietaryDriverInit"),
        ] {
            assert_eq!(entrypoint(Path::new(file)), expected);
        }
    }

    #[test]
    fn an_outcome_is_read_as_it_was_written() {
        let failed = Outcome::Failed {
            step: Step::Read,
            problem: Problem::Driver { class: Class::Io, sqlstate: "08006".to_owned(), vendor_code: -7 },
        };
        for outcome in [Outcome::Tables(vec!["a.b".to_owned()]), Outcome::Rows { rows: 3, counted: None }, failed] {
            let written = serde_json::to_vec(&outcome).unwrap();
            assert_eq!(serde_json::from_slice::<Outcome>(&written).unwrap(), outcome);
        }
    }
}
