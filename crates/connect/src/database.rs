//! Databases: what may be read of one, and readers of its tables and queries. Each kind of database is a module beside this one with
//! `tables`, `fields` and `read`; what they share lies below.

pub(crate) mod address;
mod increment;
pub(crate) mod tls;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use polder_types::Secret;

use crate::cells::Place;
use crate::connection::{Connection, Database, SourceType};
use crate::error::Error;
use crate::output::{Output, Stop};
use crate::reader::{FileReader, ReadOptions, SourceReader, WantedColumn};
use crate::typed::TypedField;
use crate::{adbc, mysql, postgres, sqlite};

pub use self::increment::{CursorState, Increment, IncrementOptions};
use self::increment::{IncrementReader, Plan};

/// Where a database is and what it takes to get in. Secrets were resolved for this one use.
#[derive(Debug)]
pub(crate) struct Access {
    /// The connection's name, for error texts.
    pub source: String,
    pub source_type: SourceType,
    /// None for SQLite.
    pub url: Option<Secret<String>>,
    /// Instead of the one in the URL.
    pub password: Option<Secret<String>>,
    /// SQLite: the database's file.
    pub path: PathBuf,
    /// PEM file of authorities, instead of those of the system.
    pub ca: Option<PathBuf>,
    /// Whether a connection to this machine itself may go without TLS. No other connection ever may.
    pub plain_loopback: bool,
    /// How long the server may keep silent while it is waited for.
    pub timeout: Duration,
    /// ADBC: the driver's library, its SHA-256 and its options, resolved.
    pub driver: Option<(PathBuf, String, BTreeMap<String, Secret<String>>)>,
}

impl Access {
    fn resolve(connection: &Connection, database: &Database, options: ReadOptions<'_>) -> Result<Self, Error> {
        let secret = |reference: &Option<String>| reference.as_deref().map(|reference| options.secrets.secret(reference)).transpose();
        let driver = database.driver.as_ref().map(|driver| {
            let value = |text: &String| match crate::connection::is_reference(text) {
                true => options.secrets.secret(text),
                false => Ok(Secret::new(text.clone())),
            };
            let told = driver.options.iter().map(|(key, text)| Ok((key.clone(), value(text)?))).collect::<Result<_, Error>>()?;
            Ok::<_, Error>((options.root.join(&driver.path), driver.sha256.clone(), told))
        });
        Ok(Self {
            source: connection.name.clone(),
            source_type: connection.source_type,
            url: secret(&database.url)?,
            password: secret(&database.password)?,
            path: options.root.join(&connection.path),
            ca: database.ca.as_ref().map(|ca| options.root.join(ca)),
            plain_loopback: database.plain_loopback,
            timeout: database.timeout,
            driver: driver.transpose()?,
        })
    }
}

/// What is read: a table by the name under which the database lists it, or a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Relation {
    Table(String),
    /// One SELECT, without a semicolon behind it.
    Query(String),
}

/// A value of a cursor's column, in a form that is written down and read again: whole numbers and decimals in digits, days as
/// `2026-01-31`, moments as `2026-01-31T23:59:59.123456`, with a `Z` behind them where they are points in time (UTC), texts as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CursorValue {
    pub kind: CursorKind,
    pub text: String,
}

/// What a cursor's column holds, and so how values of it are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CursorKind {
    Integer,
    Decimal,
    Date,
    /// What a wall clock showed.
    Timestamp,
    /// A point in time.
    Instant,
    Text,
}

/// Which rows of a relation are read, by a cursor: `from <= column`, and `column < until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub column: String,
    pub from: Option<CursorValue>,
    pub until: Option<CursorValue>,
    /// Whether rows without a value in the column are read too.
    pub nulls: bool,
}

/// How far an increment may be taken for complete, as the database tells it: a transaction that is still open may yet bring rows below
/// what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Whatever was open when the greatest value was looked up had ended before the rows were read: up to this value nothing can come
    /// any more. None where the table was empty.
    Upto(Option<CursorValue>),
    /// Transactions stayed open; nothing below this value can come any more (the oldest of them began then).
    Before(CursorValue),
    /// Transactions stayed open, and nothing says how far they reach: the next increment begins where this one did.
    Open,
    /// The database does not tell, or not this account: rows that come late are missed. The text says why.
    Unknown(&'static str),
    /// There is one writer at a time, or a snapshot of all: all is settled.
    All,
}

/// A reading of a relation.
#[derive(Debug, Clone)]
pub(crate) struct TableRead {
    /// The dataset's name, for error texts and as the place of rows.
    pub dataset: String,
    pub relation: Relation,
    /// Columns, in the order in which batches hold them; all that can be read when none is given.
    pub wanted: Option<Vec<WantedColumn>>,
    /// Most rows that are read, for a sample.
    pub limit: Option<u64>,
    pub window: Option<Window>,
    /// The column by whose ranges several connections share the work.
    pub split: Option<String>,
}

/// The datasets that a connection declares, or the one that is named: for a database its queries, and the tables that are there and match.
///
/// # Errors
/// When the database cannot be reached, or does not let its tables be listed.
pub fn datasets(connection: &Connection, only: Option<&str>, options: ReadOptions<'_>) -> Result<Vec<String>, Error> {
    if let Some(only) = only {
        connection.dataset(only)?;
        return Ok(vec![only.to_owned()]);
    }
    let Some(database) = &connection.database else { return Ok(connection.datasets.keys().cloned().collect()) };
    let mut found: Vec<String> = database.queries.keys().cloned().collect();
    if !database.tables.is_empty() {
        let access = Access::resolve(connection, database, options)?;
        let tables = apart(|| match connection.source_type {
            SourceType::Postgres => postgres::tables(&access),
            SourceType::Mysql => mysql::tables(&access),
            SourceType::Sqlite => sqlite::tables(&access),
            _ => adbc::tables(&access),
        })?;
        found.extend(tables.into_iter().filter(|table| database.declares(table)));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The columns of a relation, with the types in which they would be read.
fn fields(access: &Access, relation: &Relation, dataset: &str) -> Result<Vec<TypedField>, Error> {
    apart(|| match access.source_type {
        SourceType::Postgres => postgres::fields(access, relation, dataset),
        SourceType::Mysql => mysql::fields(access, relation, dataset),
        SourceType::Sqlite => sqlite::fields(access, relation, dataset),
        _ => adbc::fields(access, relation, dataset),
    })
}

/// Runs on a thread of its own: clients wait for their connections with runtimes of their own, and the caller may be in one.
fn apart<T: Send>(run: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    let ended = std::thread::scope(|scope| scope.spawn(run).join());
    ended.unwrap_or(Err(Error::Internal { step: "ask a database on a thread that ended without a word" }))
}

/// Reads a relation to its end, or to its limit: sends the columns that are left out, how far an increment is settled, the batches, and
/// at the end what was counted.
fn read(access: &Access, read: &TableRead, place: &mut Place, out: &Output) -> Result<(), Stop> {
    match access.source_type {
        SourceType::Postgres => postgres::read(access, read, place, out),
        SourceType::Mysql => mysql::read(access, read, place, out),
        SourceType::Sqlite => sqlite::read(access, read, place, out),
        _ => adbc::read(access, read, place, out),
    }
}

/// What a dataset of a database is there.
fn relation(database: &Database, dataset: &str) -> Relation {
    match database.queries.get(dataset) {
        Some(query) => Relation::Query(query.trim().trim_end_matches(';').trim_end().to_owned()),
        None => Relation::Table(dataset.to_owned()),
    }
}

/// What a sample needs: the columns, and a reader of the first rows of those that can be read.
pub(crate) fn sample(
    connection: &Connection,
    dataset: &str,
    options: ReadOptions<'_>,
    limit: u64,
) -> Result<(Vec<TypedField>, FileReader), Error> {
    let Some(database) = &connection.database else { return Err(Error::Internal { step: "look at files as at a database" }) };
    connection.dataset(dataset)?;
    let access = Access::resolve(connection, database, options)?;
    let relation = relation(database, dataset);
    let fields = fields(&access, &relation, dataset)?;
    let wanted = fields.iter().filter(|field| field.unread().is_none()).map(|field| WantedColumn::new(&field.name)).collect();
    let job = TableRead { dataset: dataset.to_owned(), relation, wanted: Some(wanted), limit: Some(limit), window: None, split: None };
    Ok((fields, start(access, job, String::new())?))
}

/// Opens a table or a query for the wanted columns: all its rows, or those of an increment, which a dataset with a cursor alone has.
/// `reading` names this reading apart from all others.
///
/// # Errors
/// When the dataset is not declared or has no cursor for the increment, a secret cannot be resolved, or no thread can be started. What
/// the database says comes with the first batch.
pub fn open_table(
    connection: &Connection,
    dataset: &str,
    columns: &[WantedColumn],
    reading: &str,
    increment: Option<IncrementOptions>,
    options: ReadOptions<'_>,
) -> Result<Box<dyn SourceReader>, Error> {
    let Some(database) = &connection.database else { return Err(Error::Internal { step: "read files as a database" }) };
    let declared = connection.dataset(dataset)?;
    let plan = match (increment, &declared.cursor) {
        (None, _) => None,
        (Some(increment), Some(cursor)) => Some(Plan::new(connection, dataset, cursor, columns, increment)?),
        (Some(_), None) => return Err(Error::Internal { step: "read an increment of a dataset without a cursor" }),
    };
    let access = Access::resolve(connection, database, options)?;
    let job = TableRead {
        dataset: dataset.to_owned(),
        relation: relation(database, dataset),
        wanted: Some(columns.to_vec()),
        limit: None,
        window: plan.as_ref().map(Plan::window),
        split: declared.split.clone(),
    };
    let reader = start(access, job, reading.to_owned())?;
    Ok(match plan {
        Some(plan) => Box::new(IncrementReader::new(reader, plan)),
        None => Box::new(reader),
    })
}

fn start(access: Access, job: TableRead, identity: String) -> Result<FileReader, Error> {
    FileReader::start(Vec::new(), identity, move |out| {
        let mut place = Place { file: Arc::from(job.dataset.as_str()), record: 1, ordinal: 0 };
        read(&access, &job, &mut place, out)?;
        Ok(Vec::new())
    })
}
