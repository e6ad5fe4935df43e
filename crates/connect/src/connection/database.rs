//! What a source file says of a database: where it is, what of it may be read, and how far an increment goes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use super::bucket::{self, Bucket};
use super::dataset::Dataset;
use super::keys::{Wrong, wrong};
use super::{ConnectionFile, SourceType};

/// Prefixes of a reference to a secret.
const REFERENCES: [&str; 3] = ["env:", "file:", "credential:"];
/// How long a server may keep silent where the source says nothing of it: a query may take its time before its first row.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3_600);
const TIMEOUT_SECONDS_MAX: u64 = 7 * 86_400;

/// A database and what of it is declared.
#[derive(Debug, Clone)]
pub struct Database {
    /// Reference to its URL; none for SQLite.
    pub url: Option<String>,
    /// Reference to the password, where the URL holds none.
    pub password: Option<String>,
    /// PEM file of the authorities that may have signed the server's certificate, relative to the project. Those of the system without it.
    pub ca: Option<PathBuf>,
    /// Whether a connection to this machine itself may go without TLS.
    pub plain_loopback: bool,
    /// How long the server may keep silent while it is waited for.
    pub timeout: Duration,
    /// Names and globs of tables, as the database lists them: `schema.table`, or `table`.
    pub tables: Vec<String>,
    /// Queries, by the name of the dataset that each is.
    pub queries: BTreeMap<String, String>,
    /// ADBC: the driver.
    pub driver: Option<Driver>,
    matching: GlobSet,
    /// What a dataset is of which nothing is said.
    pub(super) plain: Dataset,
}

/// An ADBC driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Its shared library, relative to the project.
    pub path: PathBuf,
    /// SHA-256 of the library, in hexadecimal: no other one is loaded.
    pub sha256: String,
    /// What it is told beside the URL; values may be references to secrets.
    pub options: BTreeMap<String, String>,
}

impl PartialEq for Database {
    fn eq(&self, other: &Self) -> bool {
        let what = |one: &Self| {
            (
                one.url.clone(),
                one.password.clone(),
                one.ca.clone(),
                one.plain_loopback,
                one.timeout,
                one.tables.clone(),
                one.queries.clone(),
                one.driver.clone(),
            )
        };
        what(self) == what(other)
    }
}

impl Eq for Database {}

impl Database {
    /// Whether a dataset of that name is declared.
    pub fn declares(&self, dataset: &str) -> bool {
        self.queries.contains_key(dataset) || self.matching.is_match(dataset)
    }
}

/// How a dataset is read in increments: rows from where the last one ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The column that rises with each change.
    pub column: String,
    /// Where the first increment begins; at the least value without it.
    pub initial: Option<String>,
    /// How far before the last value an increment begins, in seconds: for rows that come late. For columns of moments and days.
    pub lag_s: u64,
    /// What becomes of rows without a value in the column.
    pub nulls: NullCursors,
}

/// What becomes of rows that have no value in the cursor's column: they belong to no increment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NullCursors {
    /// One such row fails the load.
    #[default]
    Refuse,
    /// They are read with each increment.
    Include,
    /// They are left at the source, and counted.
    Leave,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum CursorFile {
    Column(String),
    Said(CursorKeys),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CursorKeys {
    column: String,
    initial: Option<String>,
    lag: Option<String>,
    #[serde(default)]
    nulls: NullCursors,
}

impl CursorFile {
    pub(super) fn build(self) -> Result<Cursor, Wrong> {
        let said = match self {
            Self::Column(column) => CursorKeys { column, initial: None, lag: None, nulls: NullCursors::default() },
            Self::Said(said) => said,
        };
        if said.column.is_empty() {
            return wrong("`cursor` names no column", "write the column that rises with each change, such as updated_at");
        }
        let lag_s = match said.lag.as_deref() {
            None => 0,
            Some(text) => match seconds(text) {
                Some(seconds) => seconds,
                None => return wrong("`lag` is no span of time", "write a number and a unit: 30s, 5m, 2h or 1d"),
            },
        };
        Ok(Cursor { column: said.column, initial: said.initial, lag_s, nulls: said.nulls })
    }
}

/// The seconds of a span such as `90s`, `5m`, `2h` or `1d`.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let of_unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(of_unit)
}

/// What is wrong with a key of the file, and which.
pub(super) type WrongKey = (&'static str, Wrong);

pub(super) fn key<T>(key: &'static str, problem: impl Into<String>, advice: &'static str) -> Result<T, WrongKey> {
    wrong(problem, advice).map_err(|wrong| (key, wrong))
}

impl ConnectionFile {
    /// The path of a connection of files, and the bucket where it lies in one.
    pub(super) fn files(self, datasets: bool) -> Result<(PathBuf, Option<Bucket>), WrongKey> {
        self.without_meaning(&[
            "url",
            "password",
            "ca",
            "plain_loopback",
            "timeout",
            "tables",
            "queries",
            "driver",
            "driver_sha256",
            "options",
        ])?;
        let path = self.path.unwrap_or_default();
        if path.is_empty() {
            return key("path", "`path` is empty or missing", "name a directory or a file, relative to the project");
        }
        let bucket = match (bucket::is_of_bucket(&path), self.s3) {
            (true, s3) => Some(bucket::bucket(&path, s3)?),
            (false, Some(_)) => {
                return key("s3", "`s3` has no meaning for a path on this machine", "remove it, or write s3://BUCKET/PREFIX");
            }
            (false, None) if path.contains("://") => {
                return key("path", "`path` is a URL", "name a directory or a file on this machine, or s3://BUCKET/PREFIX");
            }
            (false, None) => None,
        };
        if !datasets {
            return key("datasets", "`datasets` is missing", "declare at least one, as in `flights: {file: flights*.csv}`");
        }
        let shown = bucket.as_ref().map_or(path, Bucket::location);
        Ok((PathBuf::from(shown), bucket))
    }

    /// That nothing but datasets is said of what is pushed to.
    pub(super) fn pushed(&self, datasets: bool) -> Result<(), WrongKey> {
        self.without_meaning(&[
            "path",
            "s3",
            "url",
            "password",
            "ca",
            "plain_loopback",
            "timeout",
            "tables",
            "queries",
            "driver",
            "driver_sha256",
            "options",
        ])?;
        if !datasets {
            return key("datasets", "`datasets` is missing", "declare at least one, as in `orders: {}`");
        }
        Ok(())
    }

    /// The path, where it is a file, and the rest of a database.
    pub(super) fn database(self) -> Result<(PathBuf, Option<Database>), WrongKey> {
        self.without_meaning(&["s3"])?;
        let sqlite = self.source_type == SourceType::Sqlite;
        let adbc = self.source_type == SourceType::Adbc;
        if sqlite {
            self.without_meaning(&["url", "password", "ca", "plain_loopback", "timeout"])?;
        } else {
            self.without_meaning(&["path"])?;
        }
        if adbc {
            self.without_meaning(&["password", "ca", "plain_loopback"])?;
        } else {
            self.without_meaning(&["driver", "driver_sha256", "options"])?;
        }
        let path = self.path.unwrap_or_default();
        if sqlite && (path.is_empty() || path.contains("://")) {
            return key("path", "`path` is missing or a URL", "name the database's file, relative to the project");
        }
        if !sqlite && !adbc && self.url.is_none() {
            return key("url", "`url` is missing", "write a reference to it: env:NAME, file:PATH or credential:NAME");
        }
        reference("url", self.url.as_deref())?;
        reference("password", self.password.as_deref())?;
        let timeout = match self.timeout.as_deref() {
            None => TIMEOUT,
            Some(text) => match seconds(text).filter(|seconds| (1..=TIMEOUT_SECONDS_MAX).contains(seconds)) {
                Some(seconds) => Duration::from_secs(seconds),
                None => return key("timeout", "`timeout` is no span of time from 1s to 7d", "write a number and a unit: 30s, 5m or 1h"),
            },
        };
        let tables = self.tables.unwrap_or_default();
        let queries = self.queries.unwrap_or_default();
        if tables.is_empty() && queries.is_empty() {
            return key("tables", "nothing may be read: there are neither `tables` nor `queries`", "name tables, as in `tables: [adt.*]`");
        }
        let mut matching = GlobSetBuilder::new();
        for table in &tables {
            match Glob::new(table) {
                Ok(glob) if !table.is_empty() => matching.add(glob),
                _ => return key("tables", format!("`{table}` is no glob"), "use *, ?, [..] and {a,b} as in file names"),
            };
        }
        let Ok(matching) = matching.build() else {
            return key("tables", "its globs are too large together", "name fewer tables, or use shorter globs");
        };
        for (name, query) in &queries {
            if name.is_empty() || query.trim().is_empty() {
                return key("queries", format!("query `{name}` has no name or no text"), "write a name and a SELECT");
            }
            if matching.is_match(name) {
                return key("queries", format!("query `{name}` has a name that `tables` matches"), "give it another name");
            }
        }
        let driver = match (self.driver, self.driver_sha256) {
            _ if !adbc => None,
            (Some(path), Some(sha256)) if sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Some(Driver { path: path.into(), sha256: sha256.to_ascii_lowercase(), options: self.options.unwrap_or_default() })
            }
            (Some(_), _) => {
                return key("driver_sha256", "`driver_sha256` is not there or no SHA-256", "write what `sha256sum` prints for the driver");
            }
            (None, _) => return key("driver", "`driver` is missing", "name the driver's shared library"),
        };
        let database = Database {
            url: self.url,
            password: self.password,
            ca: self.ca.map(PathBuf::from),
            plain_loopback: self.plain_loopback.unwrap_or(false),
            timeout,
            tables,
            queries,
            driver,
            matching,
            plain: Dataset::of_database(),
        };
        Ok((PathBuf::from(path), Some(database)))
    }

    /// A key without meaning for the type would be ignored, so it is refused.
    fn without_meaning(&self, keys: &[&'static str]) -> Result<(), WrongKey> {
        let present = |key: &str| match key {
            "path" => self.path.is_some(),
            "s3" => self.s3.is_some(),
            "url" => self.url.is_some(),
            "password" => self.password.is_some(),
            "ca" => self.ca.is_some(),
            "plain_loopback" => self.plain_loopback.is_some(),
            "timeout" => self.timeout.is_some(),
            "tables" => self.tables.is_some(),
            "queries" => self.queries.is_some(),
            "driver" => self.driver.is_some(),
            "driver_sha256" => self.driver_sha256.is_some(),
            _ => self.options.is_some(),
        };
        match keys.iter().find(|name| present(name)) {
            Some(name) => key(name, format!("`{name}` has no meaning for type {}", self.source_type.as_str()), "remove it"),
            None => Ok(()),
        }
    }
}

/// Whether a text is a reference to a secret.
pub(crate) fn is_reference(text: &str) -> bool {
    REFERENCES.iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()))
}

/// A secret must be a reference. What stands there instead is not repeated: it may be the secret.
pub(super) fn reference(name: &'static str, text: Option<&str>) -> Result<(), WrongKey> {
    match text {
        Some(text) if !is_reference(text) => key(
            name,
            format!("`{name}` is not a reference, and a secret must not stand in a file of the project"),
            "write env:NAME, file:PATH or credential:NAME, and change the secret if it was ever stored",
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::TIMEOUT;
    use crate::connection::Connection;

    fn timeout(of_type: &str, said: &str) -> Result<Duration, String> {
        let yaml = format!("type: {of_type}\n{said}tables: [a]\n");
        let read = Connection::parse(&yaml, "sources/s.yaml").map_err(|error| error.to_string())?;
        Ok(read.database.unwrap().timeout)
    }

    #[test]
    fn a_server_may_keep_silent_for_as_long_as_the_source_says() {
        let url = "url: env:U\n";
        assert_eq!(timeout("postgres", url), Ok(TIMEOUT));
        for (text, seconds) in [("1s", 1), ("90s", 90), ("5m", 300), ("2h", 7_200), ("7d", 604_800)] {
            assert_eq!(timeout("mysql", &format!("{url}timeout: {text}\n")), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["0s", "8d", "1", "s", "-1s", "1w", "soon", "99999999999999999999d"] {
            let error = timeout("postgres", &format!("{url}timeout: \"{text}\"\n")).unwrap_err();
            assert!(error.contains("line 3: `timeout` is no span of time from 1s to 7d"), "{error}");
        }
        let error = timeout("sqlite", "path: a.db\ntimeout: 5s\n").unwrap_err();
        assert!(error.contains("`timeout` has no meaning for type sqlite"), "{error}");
    }
}
