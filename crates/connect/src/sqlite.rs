//! SQLite: a file that is read where it lies, as one snapshot, by a connection that can do nothing but read.
//!
//! The file is not opened by anything but SQLite: to close another descriptor of it would drop the locks by which SQLite keeps a
//! snapshot whole.

mod catalog;
mod column;
mod guard;
mod snapshot;
mod types;
mod utf16;
mod window;

use polder_contract::RawBatch;
use polder_types::ErrorKind;
use rusqlite::types::{Value, ValueRef};

use crate::cells::Place;
use crate::csv::BATCH_ROWS;
use crate::database::{Access, Relation, Settled, TableRead};
use crate::error::{Error, suggest};
use crate::output::{Message, Output, Stop};
use crate::reader::WantedColumn;
use crate::sqlite::catalog::{Declared, Source, quoted};
use crate::sqlite::column::Column;
use crate::sqlite::snapshot::Snapshot;
use crate::sqlite::types::{decode, field};
use crate::sqlite::utf16::Utf16;
use crate::sqlite::window::Filter;
use crate::typed::TypedField;

/// About so many bytes of text go into one batch, unless one row holds more.
const BATCH_BYTES: usize = 32 << 20;

/// The tables and views of the file. Those of virtual tables' own are none, nor are SQLite's.
pub(crate) fn tables(access: &Access) -> Result<Vec<String>, Error> {
    let snapshot = Snapshot::open(access, None)?;
    Ok(catalog::relations(&snapshot)?.readable.into_iter().collect())
}

/// The columns of a relation, with the types in which they would be read.
pub(crate) fn fields(access: &Access, relation: &Relation, dataset: &str) -> Result<Vec<TypedField>, Error> {
    let mut snapshot = Snapshot::open(access, None)?;
    let source = Source::find(&mut snapshot, relation, dataset)?;
    Ok(source.columns.iter().map(field).collect())
}

/// Reads a relation, as the module `database` says. What it counts is `COUNT(*)` in the same snapshot.
pub(crate) fn read(access: &Access, read: &TableRead, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let mut snapshot = Snapshot::open(access, Some(out))?;
    let source = Source::find(&mut snapshot, &read.relation, &read.dataset)?;
    let all: Vec<WantedColumn>;
    let wanted = match &read.wanted {
        Some(wanted) => wanted,
        None => {
            all = source.columns.iter().map(|column| WantedColumn::new(&column.name)).collect();
            out.send(Message::Names(all.iter().map(|column| column.name.clone()).collect()))?;
            &all
        }
    };
    let mut columns = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        columns.push(Column::new(decode(found(&source, &wanted.name, &read.dataset)?, wanted.ty)));
    }
    let left_out = |column: &&Declared| !wanted.iter().any(|wanted| wanted.name == column.name);
    out.send(Message::LeftOut(source.columns.iter().filter(left_out).map(|column| column.name.clone()).collect()))?;
    if let Some(window) = &read.window {
        found(&source, &window.column, &read.dataset)?;
    }
    let names = wanted.iter().map(|wanted| wanted.name.as_str()).chain(read.window.iter().map(|window| window.column.as_str()));
    snapshot.admit(source.guard(names))?;
    let filter = match &read.window {
        None => Filter::default(),
        Some(window) => {
            let filter = Filter::new(window, snapshot.utf16.is_some(), &read.dataset)?;
            if let Some(odd) = &filter.odd {
                let sql = format!("SELECT EXISTS(SELECT 1 FROM {} WHERE {odd})", source.from);
                if snapshot.number("look at the cursor's column", &sql, &[])? != 0 {
                    return Err(filter.has_odd(window, &read.dataset).into());
                }
            }
            out.send(Message::Settled(Settled::All))?;
            filter
        }
    };
    let counted = match read.limit {
        Some(_) => None,
        None => Some(count(&snapshot, &source, &filter)?),
    };
    rows(&snapshot, &select(&snapshot, &source, wanted, &filter, read.limit), &filter.values, columns, place, out)?;
    out.send(Message::FileEnd { counted, sha256: None })
}

/// A column of a source by its name.
fn found<'a>(source: &'a Source, name: &str, dataset: &str) -> Result<&'a Declared, Error> {
    source.columns.iter().find(|column| column.name == name).ok_or_else(|| Error::DatabaseColumn {
        dataset: dataset.to_owned(),
        column: name.to_owned(),
        problem: "there is no such column".to_owned(),
        advice: suggest(name, source.columns.iter().map(|column| column.name.as_str())),
    })
}

/// Rows without a look at any value: over the smallest index, where the table has one.
fn count(snapshot: &Snapshot<'_>, source: &Source, filter: &Filter) -> Result<u64, Stop> {
    let sql = format!("SELECT COUNT(*) FROM {}{}", source.from, filter.sql);
    let counted = snapshot.number("count the rows", &sql, &filter.values)?;
    Ok(u64::try_from(counted).map_err(|_| Error::Internal { step: "count the rows of an SQLite table" })?)
}

/// The statement for the wanted columns; where texts are UTF-16, each once more as bytes.
fn select(snapshot: &Snapshot<'_>, source: &Source, wanted: &[WantedColumn], filter: &Filter, limit: Option<u64>) -> String {
    let mut list: Vec<String> = wanted.iter().map(|wanted| quoted(&wanted.name)).collect();
    if snapshot.utf16.is_some() {
        list.extend(wanted.iter().map(|wanted| {
            let name = quoted(&wanted.name);
            format!("CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) END")
        }));
    }
    if list.is_empty() {
        list.push("NULL".to_owned());
    }
    // Rows come from the table itself, so that the count, which may come from an index, says whether one of the two is damaged.
    let plain = if source.is_table && filter.sql.is_empty() { " NOT INDEXED" } else { "" };
    let limit = limit.map_or(String::new(), |limit| format!(" LIMIT {limit}"));
    format!("SELECT {} FROM {}{plain}{}{limit}", list.join(", "), source.from, filter.sql)
}

/// Reads the rows of a statement and sends them.
fn rows(
    snapshot: &Snapshot<'_>,
    sql: &str,
    values: &[Value],
    mut columns: Vec<Column>,
    place: &mut Place,
    out: &Output,
) -> Result<(), Stop> {
    const STEP: &str = "read rows";
    let mut statement = snapshot.prepare(STEP, sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(|error| snapshot.stopped(STEP, &error))?;
    let (mut batch, mut bytes) = (0usize, 0usize);
    let mut text = Vec::new();
    while let Some(row) = rows.next().map_err(|error| snapshot.stopped(STEP, &error))? {
        let width = columns.len();
        for (at, column) in columns.iter_mut().enumerate() {
            let mut value = row.get_ref(at).map_err(|error| snapshot.stopped(STEP, &error))?;
            if let (ValueRef::Text(_), Some(order)) = (&value, snapshot.utf16) {
                let stored = row.get_ref(width + at).map_err(|error| snapshot.stopped(STEP, &error))?;
                value = as_utf8(stored, order, &mut text);
            }
            bytes = bytes.saturating_add(column.take(batch, value));
        }
        batch += 1;
        if batch >= BATCH_ROWS || bytes >= BATCH_BYTES {
            send(&mut columns, batch, place, out)?;
            snapshot.sent();
            (batch, bytes) = (0, 0);
        }
    }
    if batch > 0 { send(&mut columns, batch, place, out) } else { Ok(()) }
}

/// A text by its bytes as they are stored: SQLite's own way from UTF-16 makes other characters of what is no UTF-16.
fn as_utf8<'a>(stored: ValueRef<'_>, order: Utf16, text: &'a mut Vec<u8>) -> ValueRef<'a> {
    text.clear();
    // An empty text has no bytes; of a text there is nothing else.
    if let ValueRef::Blob(stored) = stored {
        order.write_utf8(stored, text);
    }
    ValueRef::Text(text)
}

fn send(columns: &mut [Column], rows: usize, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let built = columns.iter_mut().map(|column| column.finish(rows)).collect::<Result<Vec<_>, _>>();
    let columns = built.map_err(|_| Error::Internal { step: "build the columns of an SQLite table" })?;
    let batch = RawBatch {
        columns,
        rows,
        first_record: place.record,
        first_ordinal: place.ordinal,
        file: place.file.clone(),
        malformed: Vec::new(),
    };
    place.advance(rows);
    out.send(Message::Batch(batch))
}

/// What there is no such thing of.
fn missing(access: &Access, what: &str, name: &str, problem: &str, advice: String) -> Error {
    Error::Database {
        connection: access.source.clone(),
        step: format!("find {what} {name}"),
        problem: problem.to_owned(),
        advice,
        kind: ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests;
