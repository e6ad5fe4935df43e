//! Databases that an ADBC driver reads. A driver is a library that others wrote: it is loaded in a process of its own, which holds
//! nothing but what this one reading needs, and of what comes from there nothing is believed.

mod frames;
mod incoming;
mod job;
mod objects;
mod process;
mod sql;
mod worker;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::Bytes;
use polder_contract::{CellKind, Cells, ColumnType, RawBatch, TextColumnBuilder};
use polder_types::ErrorKind;

use crate::adbc::incoming::Incoming;
use crate::adbc::job::{Job, Work};
use crate::adbc::process::{Arrived, Process};
use crate::adbc::sql::{Dialect, transport};
use crate::cells::Place;
use crate::csv::BATCH_ROWS;
use crate::database::{Access, Relation, Settled, TableRead};
use crate::error::{Error, suggest};
use crate::output::{Message, Output, Stop};
use crate::typed::{self, TypedField};

pub use worker::worker;

/// The first argument of the program that makes it the process of a driver.
pub const WORKER: &str = "adbc-worker";

/// The tables and views that the account may read, by the names under which datasets go.
pub(crate) fn tables(access: &Access) -> Result<Vec<String>, Error> {
    let mut process = Process::start(access, &job(access, Work::Tables)?, None)?;
    match process.next().map_err(unread)? {
        Arrived::Tables(tables) => Ok(tables),
        _ => Err(process.damaged()),
    }
}

/// The columns of a relation, with the types in which they would be read.
pub(crate) fn fields(access: &Access, relation: &Relation, _dataset: &str) -> Result<Vec<TypedField>, Error> {
    let select = Dialect::of(access)?.columns(relation);
    let mut process = Process::start(access, &job(access, Work::Columns { select })?, None)?;
    let mut incoming = Incoming::default();
    loop {
        match process.next().map_err(unread)? {
            Arrived::Columns(_) => {}
            Arrived::Arrow(bytes) => {
                incoming.take(bytes).map_err(|_| process.damaged())?;
                if let Some(schema) = incoming.schema() {
                    return Ok(schema.fields().iter().map(|field| TypedField::new(field.name(), incoming::data_type(field))).collect());
                }
            }
            _ => return Err(process.damaged()),
        }
    }
}

/// Reads a relation, as the module `database` says. Rows are counted by `COUNT(*)` where the driver lets both questions see the same
/// rows, otherwise not.
pub(crate) fn read(access: &Access, read: &TableRead, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let dialect = Dialect::of(access)?;
    let named: Vec<String>;
    let wanted = match &read.wanted {
        Some(wanted) => wanted.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
        None => {
            named = fields(access, &read.relation, &read.dataset)?.into_iter().map(|field| field.name).collect();
            out.send(Message::Names(named.clone()))?;
            named.iter().map(String::as_str).collect()
        }
    };
    let filter = read.window.as_ref().map(|window| dialect.filter(window, &read.dataset)).transpose()?.unwrap_or_default();
    let work = Work::Read {
        columns: dialect.columns(&read.relation),
        count: read.limit.is_none().then(|| dialect.count(&read.relation, &filter)),
        select: dialect.select(&read.relation, &wanted, &filter),
    };
    let mut process = Process::start(access, &job(access, work)?, Some(out))?;
    let columns = match process.next()? {
        Arrived::Columns(columns) => columns,
        _ => return Err(process.damaged().into()),
    };
    for name in wanted.iter().copied().chain(read.window.iter().map(|window| window.column.as_str())) {
        if !columns.iter().any(|column| column == name) {
            return Err(column_error(read, name, "there is no such column", suggest(name, columns.iter().map(String::as_str))).into());
        }
    }
    out.send(Message::LeftOut(columns.into_iter().filter(|column| !wanted.contains(&column.as_str())).collect()))?;
    if read.window.is_some() {
        out.send(Message::Settled(Settled::Unknown("an ADBC driver does not tell which transactions are open")))?;
    }
    let most = read.limit.unwrap_or(u64::MAX);
    let types = match &read.wanted {
        Some(wanted) => wanted.iter().map(|column| column.ty).collect(),
        None => vec![None; wanted.len()],
    };
    let mut rows = Rows { read, wanted: &wanted, types, incoming: Incoming::default(), sent: 0 };
    loop {
        match process.next()? {
            Arrived::Arrow(bytes) => {
                rows.take(bytes, most, &process, place, out)?;
                if rows.sent >= most {
                    // The driver has no part in where a sample ends.
                    return out.send(Message::FileEnd { counted: None, sha256: None });
                }
            }
            Arrived::Rows { rows: told, counted } => {
                if !rows.incoming.ended() || told != rows.sent {
                    return Err(process.damaged().into());
                }
                return out.send(Message::FileEnd { counted, sha256: None });
            }
            _ => return Err(process.damaged().into()),
        }
    }
}

/// Rows on their way.
struct Rows<'a> {
    read: &'a TableRead,
    wanted: &'a [&'a str],
    types: Vec<Option<ColumnType>>,
    incoming: Incoming,
    sent: u64,
}

impl Rows<'_> {
    /// Takes a piece of the Arrow stream, and sends the rows that it completes.
    fn take(&mut self, bytes: Vec<u8>, most: u64, process: &Process<'_>, place: &mut Place, out: &Output) -> Result<(), Stop> {
        let known = self.incoming.schema().is_some();
        self.incoming.take(bytes).map_err(|_| process.damaged())?;
        if !known && self.incoming.schema().is_some() {
            self.check_schema(process)?;
        }
        while let Some(batch) = self.incoming.next().map_err(|_| process.damaged())? {
            let rows = usize::try_from(most - self.sent).unwrap_or(usize::MAX).min(batch.num_rows());
            self.sent = self.sent.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
            self.send(&batch.slice(0, rows), place, out)?;
        }
        Ok(())
    }

    /// Sends rows. Numbers in digits come as such, but for a contract that says string.
    fn send(&self, batch: &RecordBatch, place: &mut Place, out: &Output) -> Result<(), Stop> {
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = BATCH_ROWS.min(batch.num_rows() - start);
            let columns = batch.schema_ref().fields().iter().zip(batch.columns()).take(self.wanted.len()).zip(&self.types);
            let columns = columns.map(|((field, column), ty)| match ty {
                Some(ColumnType::String) => Cells::Typed(column.slice(start, rows)),
                _ if incoming::is_digits(field) => digits(&column.slice(start, rows)),
                _ => Cells::Typed(column.slice(start, rows)),
            });
            let raw = RawBatch {
                columns: columns.collect(),
                rows,
                first_record: place.record,
                first_ordinal: place.ordinal,
                file: place.file.clone(),
                malformed: Vec::new(),
            };
            place.advance(rows);
            out.send(Message::Batch(raw))?;
            start += rows;
        }
        Ok(())
    }

    /// What comes must be what was asked for, in types that are read.
    fn check_schema(&self, process: &Process<'_>) -> Result<(), Error> {
        let Some(schema) = self.incoming.schema() else { return Err(process.damaged()) };
        // Of no column at all one column comes that says nothing.
        if !self.wanted.is_empty() && !schema.fields().iter().map(|field| field.name().as_str()).eq(self.wanted.iter().copied()) {
            return Err(process.failed("the driver answers with other columns than it was asked for", "report it to the driver's makers"));
        }
        for field in schema.fields() {
            let meaningless = incoming::without_meaning(field).then_some("of which the driver passes on the database's own bytes");
            if let Some(kind) = meaningless.or_else(|| typed::unreadable(field.data_type())) {
                let what = incoming::named(field).map_or_else(|| kind.to_owned(), |name| format!("{name}, {kind}"));
                return Err(column_error(
                    self.read,
                    field.name(),
                    &format!("it is {what}, which is not read"),
                    "cast it to a plain type, or to text, in a query of the source".to_owned(),
                ));
            }
        }
        Ok(())
    }
}

/// Numbers in digits, and what stands among them, such as NaN, which the gate refuses where it is no number.
fn digits(texts: &ArrayRef) -> Cells {
    let mut cells = TextColumnBuilder::new(Bytes::new(), texts.len());
    let plain = cast(texts, &DataType::Utf8).ok();
    for row in 0..texts.len() {
        match plain.as_ref().and_then(|texts| texts.as_string_opt::<i32>()).filter(|texts| texts.is_valid(row)) {
            Some(texts) => cells.push_bytes(texts.value(row).as_bytes(), CellKind::Number),
            None => cells.push_null(),
        }
    }
    Cells::Text(cells.finish())
}

/// What a process needs to know.
fn job(access: &Access, work: Work) -> Result<Job, Error> {
    let Some((driver, sha256, options)) = &access.driver else { return Err(Error::Internal { step: "read a database without a driver" }) };
    transport(access)?;
    let driver = driver.canonicalize().map_err(|source| Error::Open { path: driver.clone(), source })?;
    let url = access.url.iter().map(|url| ("uri".to_owned(), url.expose_secret().clone()));
    let told = options.iter().filter(|(key, _)| !key.starts_with(sql::OWN_OPTIONS));
    let entrypoint = options.get(sql::ENTRYPOINT).map_or_else(|| job::entrypoint(&driver), |named| named.expose_secret().clone());
    let options = url.chain(told.map(|(key, value)| (key.clone(), value.expose_secret().clone()))).collect();
    Ok(Job { parent: std::process::id(), entrypoint, driver, sha256: sha256.clone(), options, work })
}

/// Where nobody reads there is nobody to close it.
fn unread(stop: Stop) -> Error {
    match stop {
        Stop::Failed(error) => error,
        Stop::Closed => Error::Internal { step: "read what nobody reads" },
    }
}

fn column_error(read: &TableRead, column: &str, problem: &str, advice: String) -> Error {
    Error::DatabaseColumn { dataset: read.dataset.clone(), column: column.to_owned(), problem: problem.to_owned(), advice }
}

/// An error of this connection.
fn failed(access: &Access, step: &str, problem: impl Into<String>, advice: &str, kind: ErrorKind) -> Error {
    Error::Database { connection: access.source.clone(), step: step.to_owned(), problem: problem.into(), advice: advice.to_owned(), kind }
}
