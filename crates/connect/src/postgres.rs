//! PostgreSQL: rows as the server's binary COPY sends them, over several connections that read from one snapshot.

mod binding;
mod catalog;
mod client;
mod connect;
mod copy;
mod cursor;
mod fault;
mod read;
mod settle;
mod split;
mod sql;
mod tap;
mod types;
mod url;

use crate::cells::Place;
use crate::database::{Access, Relation, TableRead};
use crate::error::Error;
use crate::output::{Output, Stop};
use crate::postgres::catalog::Readable;
use crate::postgres::connect::{Server, runtime};
use crate::postgres::read::begin;
use crate::typed::TypedField;

/// The tables and views that the account may read, by the names under which datasets go: `schema.table`.
pub(crate) fn tables(access: &Access) -> Result<Vec<String>, Error> {
    let server = Server::find(access)?;
    runtime()?.block_on(async {
        let session = server.connect().await?;
        begin(access, &session).await?;
        catalog::tables(access, &session).await
    })
}

/// The columns of a relation, with the types in which they would be read; those that this account may read.
pub(crate) fn fields(access: &Access, relation: &Relation, _dataset: &str) -> Result<Vec<TypedField>, Error> {
    let server = Server::find(access)?;
    runtime()?.block_on(async {
        let session = server.connect().await?;
        begin(access, &session).await?;
        let found = catalog::find(access, &session, relation).await?;
        let readable = found.columns.iter().filter(|known| known.readable == Readable::Yes);
        let names: Vec<&str> = readable.map(|known| known.name.as_str()).collect();
        let typed = catalog::typed(access, &session, &found, &names).await?;
        Ok(typed.iter().map(|known| types::field(&known.column)).collect())
    })
}

/// Reads a relation, as the module `database` says.
pub(crate) fn read(access: &Access, read: &TableRead, place: &mut Place, out: &Output) -> Result<(), Stop> {
    read::read(access, read, place, out)
}
