//! MySQL and MariaDB: one connection, one consistent snapshot. Rows come in the form of prepared statements: numbers and moments as they
//! are kept, without a way through text on which floats would lose digits.
//!
//! The client is this crate's own (`docs/adr/0011-own-mysql-client.md`): it speaks as much of the protocol as reading takes, it knows no
//! way to hand out a file of this machine, and nothing is sent before TLS is there.

mod catalog;
mod connect;
mod decode;
mod fault;
mod literal;
mod login;
mod read;
mod session;
mod settled;
mod types;
mod wire;

use self::connect::connect;
use crate::cells::Place;
use crate::database::{Access, Relation, TableRead};
use crate::error::Error;
use crate::output::{Output, Stop};
use crate::typed::TypedField;

/// The tables and views that the account may read, by the names under which datasets go.
pub(crate) fn tables(access: &Access) -> Result<Vec<String>, Error> {
    catalog::tables(&mut connect(access)?)
}

/// The columns of a relation, with the types in which they would be read.
pub(crate) fn fields(access: &Access, relation: &Relation, dataset: &str) -> Result<Vec<TypedField>, Error> {
    let mut connected = connect(access)?;
    let found = catalog::find(&mut connected, relation, dataset)?;
    read::fields(&mut connected, &found, dataset)
}

/// Reads a relation, as the module `database` says.
pub(crate) fn read(access: &Access, read: &TableRead, place: &mut Place, out: &Output) -> Result<(), Stop> {
    self::read::read(connect(access)?, read, place, out)
}
