//! What the journal needs of a store, so that a test can fail each step. The one implementation of the program is the sealed store.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{Cause, Error};

pub(crate) mod sealed;

/// Where an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Room {
    /// Batches and tiles.
    Journal,
    /// Side objects.
    Private,
    /// Snapshots.
    State,
}

/// Why the store did not do it.
#[derive(Debug)]
pub(crate) enum Fault {
    NotFound,
    Exists,
    /// No space; nothing was created.
    Full(Cause),
    /// The object does not authenticate.
    Corrupt(Cause),
    /// Whether it was done is unknown.
    Failed(Cause),
}

#[async_trait]
pub(crate) trait Shelf: Send + Sync {
    /// The object's path in the store, for error texts.
    fn path(&self, room: Room, rest: &str) -> String;
    /// Creates an object that does not exist; durable on return.
    async fn create(&self, room: Room, rest: &str, bytes: Bytes) -> Result<(), Fault>;
    async fn read(&self, room: Room, rest: &str) -> Result<Bytes, Fault>;
    async fn exists(&self, room: Room, rest: &str) -> Result<bool, Fault>;
    /// The names below the directory `under`, relative to it, sorted.
    async fn list(&self, room: Room, under: &str) -> Result<Vec<String>, Fault>;
    /// Deletes objects; one that is gone already is no error.
    async fn delete(&self, room: Room, rests: Vec<String>) -> Result<(), Fault>;
    /// The keyring version in use.
    fn keyring_version(&self) -> u64;
    /// The newest keyring version in the store.
    async fn newest_keyring(&self) -> Result<u64, Fault>;
    /// Frees a part of the preallocated space; `Full` when none is left.
    async fn release_reserve(&self) -> Result<(), Fault>;
    /// Preallocates it again; `Full` as long as there is no room for it.
    async fn restore_reserve(&self) -> Result<(), Fault>;
}

impl Fault {
    /// The error of a step with an object.
    pub(crate) fn at(self, step: &'static str, object: String) -> Error {
        match self {
            Self::NotFound => Error::Corrupt { step, object, what: "it is missing", source: None },
            Self::Exists => Error::Corrupt { step, object, what: "it exists already with other content", source: None },
            Self::Full(source) => Error::Full { object, source: Some(source) },
            Self::Corrupt(source) => Error::Corrupt { step, object, what: "it does not open", source: Some(source) },
            Self::Failed(source) => Error::Store { step, object, source },
        }
    }
}

/// Shorthands that name the object in the error.
pub(crate) async fn read(shelf: &dyn Shelf, room: Room, rest: &str) -> Result<Bytes, Error> {
    shelf.read(room, rest).await.map_err(|fault| fault.at("read", shelf.path(room, rest)))
}

pub(crate) async fn list(shelf: &dyn Shelf, room: Room, under: &str) -> Result<Vec<String>, Error> {
    shelf.list(room, under).await.map_err(|fault| fault.at("list", shelf.path(room, under)))
}

/// Creates an object, or finds it there with the same content.
pub(crate) async fn create_same(shelf: &dyn Shelf, room: Room, rest: &str, bytes: Bytes) -> Result<(), Error> {
    match shelf.create(room, rest, bytes.clone()).await {
        Ok(()) => Ok(()),
        Err(Fault::Exists) if read(shelf, room, rest).await? == bytes => Ok(()),
        Err(fault) => Err(fault.at("write", shelf.path(room, rest))),
    }
}
