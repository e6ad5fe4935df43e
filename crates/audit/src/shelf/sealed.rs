//! The sealed store as a shelf.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use polder_store::{Area, SealedStore};
use polder_types::{DatasetId, ErrorKind};

use super::{Fault, Room, Shelf};
use crate::error::Error;

/// How much of the reserve is given back at a time, in bytes: some hundred groups.
const RELEASE_BYTES: u64 = 4 << 20;

pub(crate) struct SealedShelf {
    store: SealedStore,
    journal: DatasetId,
    private: DatasetId,
    state: DatasetId,
}

impl SealedShelf {
    /// # Errors
    /// When the keyring lacks one of the log's three datasets.
    pub(crate) fn new(store: SealedStore) -> Result<Self, Error> {
        let find = |name: &'static str| store.keys().find(name).ok_or(Error::NoDataset { name });
        let (journal, private, state) = (find("system:journal")?, find("system:private")?, find("system:state")?);
        Ok(Self { store, journal, private, state })
    }

    fn at(&self, room: Room, rest: &str) -> Path {
        let (area, dataset) = match room {
            Room::Journal => (Area::Journal, self.journal),
            Room::Private => (Area::Private, self.private),
            Room::State => (Area::State, self.state),
        };
        SealedStore::path(area, dataset, rest)
    }
}

fn fault(error: object_store::Error) -> Fault {
    match error {
        object_store::Error::NotFound { .. } => Fault::NotFound,
        object_store::Error::AlreadyExists { .. } => Fault::Exists,
        error if polder_store::is_no_space(&error) => Fault::Full(error.into()),
        error if polder_store::kind_of(&error) == ErrorKind::Corrupt => Fault::Corrupt(error.into()),
        error => Fault::Failed(error.into()),
    }
}

#[async_trait]
impl Shelf for SealedShelf {
    fn path(&self, room: Room, rest: &str) -> String {
        self.at(room, rest).to_string()
    }

    async fn create(&self, room: Room, rest: &str, bytes: Bytes) -> Result<(), Fault> {
        self.store.create(&self.at(room, rest), bytes).await.map_err(fault)
    }

    async fn read(&self, room: Room, rest: &str) -> Result<Bytes, Fault> {
        self.store.read(&self.at(room, rest)).await.map_err(fault)
    }

    async fn exists(&self, room: Room, rest: &str) -> Result<bool, Fault> {
        match self.store.head(&self.at(room, rest)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(fault(error)),
        }
    }

    async fn list(&self, room: Room, under: &str) -> Result<Vec<String>, Fault> {
        let prefix = self.at(room, under);
        let found: Vec<_> = self.store.list(Some(&prefix)).try_collect().await.map_err(fault)?;
        let inside = format!("{prefix}/");
        let mut names: Vec<String> =
            found.into_iter().filter_map(|meta| meta.location.as_ref().strip_prefix(&inside).map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn delete(&self, room: Room, rests: Vec<String>) -> Result<(), Fault> {
        let paths: Vec<_> = rests.iter().map(|rest| Ok(self.at(room, rest))).collect();
        let mut deleted = self.store.delete_stream(stream::iter(paths).boxed());
        let mut failed = None;
        while let Some(one) = deleted.next().await {
            match one {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), |error| Err(fault(error)))
    }

    fn keyring_version(&self) -> u64 {
        self.store.keys().keyring_version()
    }

    async fn newest_keyring(&self) -> Result<u64, Fault> {
        self.store.newest_keyring().await.map_err(|error| Fault::Failed(error.into()))
    }

    async fn release_reserve(&self) -> Result<(), Fault> {
        let store = self.store.clone();
        match blocking(move || store.backend().release_reserve(RELEASE_BYTES)).await? {
            0 => Err(Fault::Full("the reserve is used up".into())),
            _ => Ok(()),
        }
    }

    async fn restore_reserve(&self) -> Result<(), Fault> {
        let store = self.store.clone();
        blocking(move || store.backend().restore_reserve()).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, polder_store::Error> + Send + 'static) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if error.is_no_space() => Err(Fault::Full(error.into())),
        Ok(Err(error)) => Err(Fault::Failed(error.into())),
        Err(error) => Err(Fault::Failed(error.into())),
    }
}
