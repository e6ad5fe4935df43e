//! Where `keys` keeps its keyrings: `keyring/<version>`, create-only.

use async_trait::async_trait;
use polder_keys::{Error as KeysError, KeyringVault};

use super::Backend;
use crate::error::Error;
use crate::layout::{KEYRING, number, numbered};
use crate::sealed::blocking;

/// No keyring is larger: 65,536 datasets with a few versions each stay far below.
const KEYRING_MAX_BYTES: u64 = 64 << 20;

fn failed(step: &'static str, version: Option<u64>) -> impl FnOnce(Error) -> KeysError {
    move |error| KeysError::Vault { step, version, kind: error.kind(), source: Some(Box::new(error)) }
}

#[async_trait]
impl KeyringVault for Backend {
    async fn versions(&self) -> Result<Vec<u64>, KeysError> {
        let backend = self.clone();
        let listed = blocking("list", KEYRING, move || {
            // Other names are none of ours: `every_file` tells of them.
            Ok::<_, Error>(backend.names(KEYRING)?.iter().filter_map(|name| number(name)).collect())
        });
        listed.await.map_err(failed("list", None))
    }

    async fn read(&self, version: u64) -> Result<Vec<u8>, KeysError> {
        let backend = self.clone();
        let path = numbered(KEYRING, version);
        let read = blocking("read", path.clone(), move || backend.read_whole(&path, KEYRING_MAX_BYTES));
        read.await.map_err(failed("read", Some(version)))
    }

    async fn create(&self, version: u64, bytes: Vec<u8>) -> Result<(), KeysError> {
        let backend = self.clone();
        let path = numbered(KEYRING, version);
        let created = blocking("create", path.clone(), move || {
            let mut draft = backend.draft(&path)?;
            draft.write_all(&bytes)?;
            draft.create(&path)
        });
        match created.await {
            Err(Error::Exists { .. }) => Err(KeysError::VersionExists { version }),
            created => created.map(drop).map_err(failed("write", Some(version))),
        }
    }

    async fn delete(&self, version: u64) -> Result<(), KeysError> {
        let backend = self.clone();
        let path = numbered(KEYRING, version);
        let deleted = blocking("delete", path.clone(), move || match backend.delete(&path) {
            Err(Error::NotFound { .. }) => Ok(()),
            deleted => deleted,
        });
        deleted.await.map_err(failed("delete", Some(version)))
    }
}
