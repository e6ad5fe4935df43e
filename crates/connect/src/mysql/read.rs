//! A relation's rows: in one snapshot, over one connection, read by one thread and decoded by another.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use polder_contract::{ColumnType, RawBatch};
use polder_types::ErrorKind;

use super::catalog::{self, Found};
use super::connect::{Channel, Connected};
use super::decode::{Decoded, Decoder};
use super::fault::Fault;
use super::session::{Next, Rows, Session};
use super::types::{self, Fetch, ServerColumn};
use super::{literal, settled};
use crate::cells::Place;
use crate::csv::BATCH_ROWS;
use crate::database::TableRead;
use crate::error::{Error, suggest};
use crate::output::{Message, Output, Stop};
use crate::reader::WantedColumn;
use crate::typed::TypedField;

/// Bytes of rows that go to the decoder at once, and how many of these may wait.
const PIECE_BYTES: usize = 1 << 20;
const PIECES_AHEAD: usize = 4;
/// How often it is looked whether anybody waits for rows that do not come.
const LISTENING_MS: u64 = 500;
const STEP: &str = "read the rows";
/// All rows of one statement are seen as they were at one moment.
const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
/// How many rows the server sent for the statement before it, by its own count.
const SENT: &str = "SELECT FOUND_ROWS()";

/// The columns of a relation, as they would be read.
pub(super) fn fields(connected: &mut Connected, found: &Found, dataset: &str) -> Result<Vec<TypedField>, Error> {
    let all: Vec<WantedColumn> = found.names.iter().map(WantedColumn::new).collect();
    let selected = Selected::of(connected, found, &all, dataset)?;
    Ok(selected.columns.into_iter().map(|fetch| TypedField::new(fetch.name, fetch.data_type)).collect())
}

/// What is asked of the server.
struct Selected {
    /// SELECT and FROM.
    sql: String,
    columns: Vec<Fetch>,
}

impl Selected {
    fn of(connected: &mut Connected, found: &Found, wanted: &[WantedColumn], dataset: &str) -> Result<Self, Error> {
        for column in wanted {
            if !found.names.contains(&column.name) {
                return Err(Error::DatabaseColumn {
                    dataset: dataset.to_owned(),
                    column: column.name.clone(),
                    problem: "there is no such column that this account may read".to_owned(),
                    advice: suggest(&column.name, found.names.iter().map(String::as_str)),
                });
            }
        }
        if wanted.is_empty() {
            return Err(Error::Internal { step: "read a table without a column" });
        }
        let plain: Vec<String> = wanted.iter().map(|column| literal::name(&column.name)).collect();
        let sql = format!("SELECT {} FROM {}", plain.join(", "), found.from);
        let told = connected.told("look at the columns");
        let prepared = connected.session.prepare(&sql).map_err(&told)?;
        connected.session.close(&prepared).map_err(&told)?;
        // Shapes come as text, which only the statement can say.
        let as_text = |wanted: &WantedColumn| wanted.ty.is_none_or(|ty| ty == ColumnType::String);
        let shapes = prepared.columns.iter().zip(wanted).any(|(column, wanted)| column.is_geometry() && as_text(wanted));
        let (sql, described) = if shapes {
            let chosen = prepared.columns.iter().zip(wanted).zip(&plain).map(|((column, wanted), name)| {
                if column.is_geometry() && as_text(wanted) { format!("ST_AsText({name}) AS {name}") } else { name.clone() }
            });
            let sql = format!("SELECT {} FROM {}", chosen.collect::<Vec<_>>().join(", "), found.from);
            let prepared = connected.session.prepare(&sql).map_err(&told)?;
            connected.session.close(&prepared).map_err(&told)?;
            (sql, prepared.columns)
        } else {
            (sql, prepared.columns)
        };
        if described.len() != wanted.len() {
            return Err(told(Fault::Damaged("a statement has other columns than it asks for")));
        }
        let columns = described.iter().zip(wanted).map(|(column, wanted)| {
            let fetch = types::plan(column, wanted.ty, dataset)?;
            // What it is called is ours to say: servers shorten names that are expressions.
            Ok(Fetch { name: wanted.name.clone(), ..fetch })
        });
        Ok(Self { sql, columns: columns.collect::<Result<_, Error>>()? })
    }
}

/// Reads a relation to its end, or to its limit.
pub(super) fn read(mut connected: Connected, read: &TableRead, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let found = catalog::find(&mut connected, &read.relation, &read.dataset)?;
    let wanted = match &read.wanted {
        Some(wanted) => wanted.clone(),
        None => found.names.iter().map(WantedColumn::new).collect(),
    };
    let left_out = found.names.iter().filter(|name| !wanted.iter().any(|column| column.name == **name)).cloned().collect();
    out.send(Message::LeftOut(left_out))?;
    let selected = Selected::of(&mut connected, &found, &wanted, &read.dataset)?;
    let mut sql = selected.sql;
    if let Some(window) = &read.window {
        out.send(Message::Settled(settled::settle(&mut connected, &found, window, &read.dataset)?))?;
        let Some(condition) = literal::condition(window) else {
            return Err(Stop::Failed(Error::DatabaseColumn {
                dataset: read.dataset.clone(),
                column: window.column.clone(),
                problem: "the place from which or to which it is to be read is no value of a cursor".to_owned(),
                advice: "correct `initial` of the cursor, or set the state anew".to_owned(),
            }));
        };
        sql.push_str(&condition);
    }
    if let Some(limit) = read.limit {
        sql.push_str(&format!(" LIMIT {limit}"));
    }
    connected.session.run(BEGIN).map_err(connected.told(STEP))?;
    let Connected { session, source, hangup, .. } = connected;
    let told = |fault: Fault| fault.told(&source, STEP);
    let expected = Expected { columns: &selected.columns, wanted: &wanted, dataset: &read.dataset };
    let mut session = std::thread::scope(|scope| {
        let (sender, receiver) = crossbeam_channel::bounded(PIECES_AHEAD);
        let reader = std::thread::Builder::new().name("polder-mysql".to_owned()).spawn_scoped(scope, move || pump(session, &sql, &sender));
        let reader = reader.map_err(|_| Error::Internal { step: "start the thread that reads from the database" })?;
        let decoded = decode(&receiver, &expected, &source, place, out);
        if decoded.is_err() {
            // Nobody waits for the rest: the thread must not, either.
            hangup.now();
            drop(receiver);
        }
        let read = reader.join();
        decoded?;
        let read = read.map_err(|_| Error::Internal { step: "read from the database on a thread that ended without a word" })?;
        Ok::<_, Stop>(read.map_err(told)?)
    })?;
    let counted = sent(&mut session).map_err(|fault| fault.told(&source, "count the rows"))?;
    out.send(Message::FileEnd { counted, sha256: None })?;
    session.quit();
    Ok(())
}

/// What comes of a statement.
enum Piece {
    /// What its columns are, first.
    Columns(Vec<ServerColumn>),
    Rows(Rows),
}

/// Carries a statement out and hands on what comes, to its end. A connection that ends before is an error, whatever came before.
fn pump(mut session: Session<Channel>, sql: &str, sender: &Sender<Piece>) -> Result<Session<Channel>, Fault> {
    let closed = |_| Fault::Io(std::io::ErrorKind::BrokenPipe.into());
    let statement = session.prepare(sql)?;
    sender.send(Piece::Columns(session.execute(&statement)?)).map_err(closed)?;
    loop {
        let mut rows = Rows { bytes: Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8), ends: Vec::with_capacity(BATCH_ROWS) };
        let mut ended = false;
        while rows.bytes.len() < PIECE_BYTES && rows.ends.len() < BATCH_ROWS && !ended {
            match session.next(&mut rows.bytes)? {
                Next::Row => rows.ends.push(Some(rows.bytes.len())),
                Next::TooLong => rows.ends.push(None),
                Next::End => ended = true,
            }
        }
        sender.send(Piece::Rows(rows)).map_err(closed)?;
        if ended {
            return Ok(session);
        }
    }
}

/// What the rows are expected to hold.
struct Expected<'a> {
    columns: &'a [Fetch],
    wanted: &'a [WantedColumn],
    dataset: &'a str,
}

impl Expected<'_> {
    /// A table may have been changed since it was looked at.
    fn check(&self, described: &[ServerColumn], source: &str) -> Result<(), Error> {
        let kinds = described.iter().zip(self.wanted).map(|(column, wanted)| types::plan(column, wanted.ty, self.dataset));
        let kinds = kinds.map(|fetch| fetch.map(|fetch| fetch.kind)).collect::<Result<Vec<_>, _>>()?;
        if described.len() == self.columns.len() && kinds.iter().eq(self.columns.iter().map(|fetch| &fetch.kind)) {
            return Ok(());
        }
        Err(Error::Database {
            connection: source.to_owned(),
            step: STEP.to_owned(),
            problem: "the types of its columns changed while it was being opened".to_owned(),
            advice: "run again".to_owned(),
            kind: ErrorKind::Unavailable,
        })
    }
}

/// Decodes what comes until nothing more does.
fn decode(receiver: &Receiver<Piece>, expected: &Expected<'_>, source: &str, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let mut decoder = Decoder::new(expected.columns);
    loop {
        match receiver.recv_timeout(Duration::from_millis(LISTENING_MS)) {
            Ok(Piece::Columns(described)) => expected.check(&described, source)?,
            Ok(Piece::Rows(rows)) => {
                for row in rows.iter() {
                    decoder.row(row).map_err(|fault| fault.told(source, STEP))?;
                    if decoder.is_full() {
                        send(&mut decoder, place, out)?;
                    }
                }
            }
            // Says nothing, but only to somebody.
            Err(RecvTimeoutError::Timeout) => out.send(Message::LeftOut(Vec::new()))?,
            Err(RecvTimeoutError::Disconnected) => return send(&mut decoder, place, out),
        }
    }
}

/// Sends the rows so far.
fn send(decoder: &mut Decoder, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let decoded = decoder.take().map_err(|_| Error::Internal { step: "build columns of what a database sent" })?;
    let Some(Decoded { columns, rows, malformed }) = decoded else { return Ok(()) };
    let (first_record, first_ordinal, file) = (place.record, place.ordinal, place.file.clone());
    place.advance(rows);
    out.send(Message::Batch(RawBatch { columns, rows, first_record, first_ordinal, file, malformed }))
}

/// How many rows the server says that it sent; none of a server that does not say.
fn sent(session: &mut Session<Channel>) -> Result<Option<u64>, Fault> {
    match session.value(SENT) {
        Ok(count) => Ok(count.and_then(|count| count.parse().ok())),
        Err(Fault::Refused(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}
