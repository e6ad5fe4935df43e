//! A reading, from one snapshot. One connection holds the relation as it is, and exports the snapshot; the others read from it, each some
//! ranges of the rows, and their batches are taken in turns, so that the same snapshot gives the same rows in the same order.

use std::collections::VecDeque;

use crossbeam_channel::{Receiver, Sender};
use polder_contract::{Cells, RawBatch};
use tokio::sync::watch;

use super::catalog::{self, Found, Typed};
use super::connect::{Server, Session, runtime};
use super::copy::CopyDecoder;
use super::cursor::CursorColumn;
use super::fault::fault;
use super::settle::settle;
use super::split;
use super::sql::{all, literal, name};
use super::tap::Copying;
use super::types::{Fetch, plan};
use crate::cells::Place;
use crate::database::{Access, Settled, TableRead};
use crate::error::Error;
use crate::output::{Message, Output, Stop};

/// Batches of a connection that wait for their turn.
const BATCHES_AHEAD: usize = 2;
/// The version from which a range of blocks is read without the others.
const MAJOR_OF_BLOCKS: u32 = 14;
const STEP: &str = "read the rows";

/// What each transaction says first: who reads must not be cut off for being slow, values come in one form, and rows in the order in
/// which they lie. All of it ends with the transaction. What a version does not know is left out. A lock is not waited for without end:
/// whoever wants to change the table stands before us and waits for a connection of ours, which waits for us.
const SETTINGS: &str = "SELECT pg_catalog.set_config(s.name, s.value, true) FROM (VALUES \
    ('standard_conforming_strings', 'on'), ('client_encoding', 'UTF8'), ('TimeZone', 'UTC'), ('DateStyle', 'ISO, DMY'), \
    ('IntervalStyle', 'iso_8601'), ('extra_float_digits', '1'), ('bytea_output', 'hex'), ('synchronize_seqscans', 'off'), \
    ('statement_timeout', '0'), ('lock_timeout', '30s'), ('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'), \
    ('jit', 'off'), ('client_connection_check_interval', '10s')) AS s (name, value) \
    WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL \
    AND (s.name <> 'client_connection_check_interval' OR pg_catalog.version() ~ 'linux')";

/// Begins a transaction in which each statement sees what was committed before it.
pub(super) async fn begin(access: &Access, session: &Session) -> Result<(), Error> {
    let sql = format!("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY; {SETTINGS}");
    session.client.batch_execute(&sql).await.map_err(|error| fault(access, "begin a transaction", &error))
}

/// Ends it. That this works shows that the transaction held until here.
pub(super) async fn commit(access: &Access, session: &Session, step: &str) -> Result<(), Error> {
    session.client.batch_execute("COMMIT").await.map_err(|error| fault(access, step, &error))
}

/// All that is known of a reading before its rows are read.
struct Plan {
    columns: Vec<Fetch>,
    /// The SELECT, up to the conditions.
    select: String,
    condition: Option<String>,
    limit: String,
    ranges: Vec<String>,
    snapshot: String,
}

/// Reads a relation, as the module `database` says.
pub(super) fn read(access: &Access, read: &TableRead, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let server = Server::find(access)?;
    let runtime = runtime()?;
    let (session, plan) = runtime.block_on(async {
        let session = server.connect().await?;
        let settled = match &read.window {
            Some(window) => Some(settled(access, &session, read, &window.column).await?),
            None => None,
        };
        let (plan, left_out) = prepare(access, &session, read).await?;
        out.send(Message::LeftOut(left_out))?;
        if let Some(settled) = settled {
            out.send(Message::Settled(settled))?;
        }
        Ok::<_, Stop>((session, plan))
    })?;
    let counted = share(&server, read, &plan, place, out)?;
    runtime.block_on(commit(access, &session, STEP))?;
    out.send(Message::FileEnd { counted: Some(counted), sha256: None })
}

/// Waits for what may still come below an increment's end. This comes before the transaction that reads: its snapshot must be younger.
async fn settled(access: &Access, session: &Session, read: &TableRead, cursor: &str) -> Result<Settled, Error> {
    begin(access, session).await?;
    let found = catalog::find(access, session, &read.relation).await?;
    let column = cursor_column(access, session, &found, read, cursor).await?;
    hold(access, session, &found, &[]).await?;
    let kinds = catalog::locked_kinds(access, session).await?;
    commit(access, session, STEP).await?;
    settle(access, session, &found, &kinds, &column).await
}

async fn cursor_column(access: &Access, session: &Session, found: &Found, read: &TableRead, cursor: &str) -> Result<CursorColumn, Error> {
    let known = found.column(&read.dataset, cursor)?;
    let typed = catalog::typed(access, session, found, &[&known.name]).await?;
    let typed = typed.first().ok_or(Error::Internal { step: "look up the cursor's type" })?;
    CursorColumn::of(&read.dataset, typed)
}

/// Reads no row, and so keeps what lies under the relation from being emptied, rewritten or changed until the transaction ends. The
/// snapshot is taken after this: one that is older would show a table that was emptied in between as empty.
async fn hold(access: &Access, session: &Session, found: &Found, columns: &[Fetch]) -> Result<(), Error> {
    let sql = format!("{} LIMIT 0", select(found, columns));
    session.client.query_typed(&sql, &[]).await.map(|_| ()).map_err(|error| fault(access, "look at the relation", &error))
}

fn select(found: &Found, columns: &[Fetch]) -> String {
    let list = columns.iter().map(|column| format!("{}{}", name(&column.name), column.select.unwrap_or_default()));
    format!("SELECT {} FROM {}", list.collect::<Vec<_>>().join(", "), found.from)
}

/// Plans a reading, in a transaction that stays open: what is read, in which ranges, and from which snapshot. With the names of the
/// columns that are left out.
async fn prepare(access: &Access, session: &Session, read: &TableRead) -> Result<(Plan, Vec<String>), Error> {
    begin(access, session).await?;
    let found = catalog::find(access, session, &read.relation).await?;
    let readable = || found.columns.iter().filter(|known| known.readable == catalog::Readable::Yes);
    let mut names = Vec::new();
    match &read.wanted {
        Some(wanted) => {
            for column in wanted {
                names.push(found.column(&read.dataset, &column.name)?.name.as_str());
            }
        }
        None => names.extend(readable().map(|known| known.name.as_str())),
    }
    let left_out = found.columns.iter().filter(|known| !names.contains(&known.name.as_str())).map(|known| known.name.clone()).collect();
    let typed = catalog::typed(access, session, &found, &names).await?;
    let mut columns = Vec::with_capacity(typed.len());
    for (place, known) in typed.iter().enumerate() {
        let wanted = read.wanted.as_ref().and_then(|wanted| wanted.get(place)).and_then(|wanted| wanted.ty);
        columns.push(plan(&known.column, wanted, &read.dataset)?);
    }
    let condition = match &read.window {
        Some(window) => cursor_column(access, session, &found, read, &window.column).await?.condition(&read.dataset, window)?,
        None => None,
    };
    hold(access, session, &found, &columns).await?;
    let ranges = ranges(access, session, read, &found, &typed).await?;
    let row = session.client.query_typed_one("SELECT pg_catalog.pg_export_snapshot()", &[]).await;
    let snapshot = row.and_then(|row| row.try_get(0)).map_err(|error| fault(access, "take a snapshot", &error))?;
    let limit = read.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
    Ok((Plan { select: select(&found, &columns), columns, condition, limit, ranges, snapshot }, left_out))
}

/// The ranges in which a relation is read.
async fn ranges(access: &Access, session: &Session, read: &TableRead, found: &Found, typed: &[Typed]) -> Result<Vec<String>, Error> {
    let whole = || Ok(vec!["true".to_owned()]);
    if read.limit.is_some() {
        return whole();
    }
    // A table's blocks are asked for only where they mean something.
    let table = found.table.as_ref().filter(|table| matches!(table.kind.as_str(), "r" | "m" | "p"));
    let blocks = match table {
        Some(table) => catalog::blocks(access, session, table).await?,
        None => catalog::Blocks::default(),
    };
    let count = split::ranges_of(blocks.all);
    if let Some(column) = &read.split {
        let column = &found.column(&read.dataset, column)?.name;
        // Of a view's size nothing is known; who says how it is split means that it is. Each range is a query of its own.
        let count = if table.is_some() { count } else { split::RANGES_OF_QUERY };
        if count < 2 {
            return whole();
        }
        let typed = catalog::typed(access, session, found, &[column]).await?;
        return by_column(access, session, found, typed.first(), count).await;
    }
    // An increment is a part of the table, which its own index finds.
    let increment = read.window.as_ref().is_some_and(|window| window.from.is_some());
    let (Some(table), false, 2..) = (table, increment, count) else { return whole() };
    if blocks.numbered && session.major >= MAJOR_OF_BLOCKS {
        return Ok(split::by_blocks(count, blocks.most));
    }
    // The key must be authorised: its values come into the statement.
    let key = catalog::key(access, session, table).await?;
    let key = typed.iter().find(|known| Some(&known.column.name) == key.as_ref()).filter(|known| known.is_integer());
    by_column(access, session, found, key, count).await
}

/// Ranges of a column's values; one range where nothing is known of them.
async fn by_column(access: &Access, session: &Session, found: &Found, column: Option<&Typed>, count: u64) -> Result<Vec<String>, Error> {
    let Some(column) = column else { return Ok(vec!["true".to_owned()]) };
    let name = &column.column.name;
    if let Some(table) = &found.table {
        let bounds = catalog::histogram(access, session, table, name).await?;
        if bounds.len() > 2 {
            return Ok(split::by_bounds(name, count, &bounds));
        }
    }
    let ends = match column.is_integer() {
        true => catalog::ends(access, session, found, name).await?,
        false => None,
    };
    Ok(ends.map_or_else(|| vec!["true".to_owned()], |(least, greatest)| split::by_ends(name, count, least, greatest)))
}

/// What a connection reports.
enum Piece {
    Batch(Vec<Cells>, usize),
    /// Its ranges were read to their ends; so many rows did the server count.
    End(u64),
    Failed(Error),
}

/// Lets connections read their shares, and sends their batches in turns. How many rows the server counted.
fn share(server: &Server<'_>, read: &TableRead, plan: &Plan, place: &mut Place, out: &Output) -> Result<u64, Stop> {
    // Each connection listens whether this is still there: when it is not, nobody waits for rows.
    let (alive, _) = watch::channel(());
    std::thread::scope(|scope| {
        let alive = alive;
        let mut turns: VecDeque<Receiver<Piece>> = VecDeque::new();
        for ranges in split::shares(&plan.ranges) {
            let (sender, receiver) = crossbeam_channel::bounded(BATCHES_AHEAD);
            let listening = alive.subscribe();
            let work = move || {
                let last = match work(server, read, plan, &ranges, listening, &sender) {
                    Ok(counted) => Piece::End(counted),
                    Err(Stop::Failed(error)) => Piece::Failed(error),
                    Err(Stop::Closed) => return,
                };
                // Nobody may be left to hear it.
                let _ = sender.send(last);
            };
            let started = std::thread::Builder::new().name("polder-copy".to_owned()).spawn_scoped(scope, work);
            started.map_err(|_| Error::Internal { step: "start a thread that reads" })?;
            turns.push_back(receiver);
        }
        let mut counted = 0u64;
        while let Some(turn) = turns.pop_front() {
            match turn.recv() {
                Ok(Piece::Batch(columns, rows)) => {
                    out.send(Message::Batch(RawBatch {
                        columns,
                        rows,
                        first_record: place.record,
                        first_ordinal: place.ordinal,
                        file: place.file.clone(),
                        malformed: Vec::new(),
                    }))?;
                    place.advance(rows);
                    turns.push_back(turn);
                }
                Ok(Piece::End(rows)) => counted = counted.saturating_add(rows),
                Ok(Piece::Failed(error)) => return Err(error.into()),
                Err(_) => return Err(Error::Internal { step: "read on a thread that ended without a word" }.into()),
            }
        }
        Ok(counted)
    })
}

/// Reads ranges over a connection of its own. How many rows the server counted.
fn work(
    server: &Server<'_>,
    read: &TableRead,
    plan: &Plan,
    ranges: &[&str],
    mut listening: watch::Receiver<()>,
    sender: &Sender<Piece>,
) -> Result<u64, Stop> {
    runtime()?.block_on(async {
        tokio::select! {
            done = copy(server, read, plan, ranges, sender) => done,
            // Nothing is ever sent: this ends when the other side goes.
            _ = listening.changed() => Err(Stop::Closed),
        }
    })
}

async fn copy(server: &Server<'_>, read: &TableRead, plan: &Plan, ranges: &[&str], sender: &Sender<Piece>) -> Result<u64, Stop> {
    let access = server.access;
    let failed = |error: tokio_postgres::Error| fault(access, STEP, &error);
    let session = server.connect().await?;
    let (client, tapped) = (&session.client, &session.tapped);
    let begin = format!(
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}; {SETTINGS}",
        literal(&plan.snapshot)
    );
    client.batch_execute(&begin).await.map_err(failed)?;
    let mut piece = Vec::new();
    let mut emit = |columns: Vec<Cells>, rows: usize| sender.send(Piece::Batch(columns, rows)).map_err(|_| Stop::Closed);
    for range in ranges {
        let mut decoder = CopyDecoder::new(&plan.columns, &access.source, &read.dataset);
        let conditions = plan.condition.as_deref().into_iter().chain(Some(*range).filter(|range| *range != "true"));
        let sql = format!("COPY ({}{}{}) TO STDOUT (FORMAT binary)", plan.select, all(conditions), plan.limit);
        tapped.clear();
        let stream = client.copy_out(&sql).await.map_err(failed)?;
        let mut copying = Copying::new(tapped, stream);
        while client.heard(copying.next(&mut piece)).await.map_err(failed)? {
            decoder.push(&piece, &mut emit)?;
        }
        decoder.finish(&mut emit)?;
    }
    // Behind the answer to this stand the counts of all that came before.
    client.batch_execute("COMMIT").await.map_err(failed)?;
    Ok(tapped.counted())
}
