//! The register's versions as sealed objects: `identities/<dataset>/<version>`.

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use polder_audit::IdentityHead;
use polder_policy::identity::Register;
use polder_store::{Area, SealedStore};
use polder_types::{DatasetId, ErrorKind};

use super::DATASET;
use crate::failure::{Failure, Outcome};
use crate::ingest::store_failure;
use crate::installation::Installation;

fn path(dataset: DatasetId, version: u64) -> Path {
    SealedStore::path(Area::Identities, dataset, &format!("{version:020}"))
}

/// The register that the log names; one without accounts where it names none.
///
/// # Errors
/// When it is gone, or not the one that the log names.
pub(super) async fn read(installation: &Installation) -> Outcome<Register> {
    loop {
        let state = installation.journal.state();
        let Some(head) = &state.identities else { return Ok(Register::default()) };
        let read = read_version(installation, head).await;
        match read {
            Ok(register) => return Ok(register),
            Err(failure) if failure.kind() != ErrorKind::Corrupt => return Err(failure),
            Err(failure) => {
                // A writer beside us may have gone on, and deleted what we know of.
                installation.journal.refresh().await?;
                if installation.journal.state().identities == state.identities {
                    return Err(failure);
                }
            }
        }
    }
}

async fn read_version(installation: &Installation, head: &IdentityHead) -> Outcome<Register> {
    let IdentityHead { version, hash, index } = head;
    if installation.keys.find(DATASET).is_none() {
        // A writer beside us may have made the key since we read the keyring.
        installation.keys.renew().await?;
    }
    let dataset = installation.keys.find(DATASET).ok_or_else(|| {
        let text = format!(
            "read the register of accounts: entry {index} of the log names it, and the keyring has no key {DATASET}; restore the keyring from a backup"
        );
        Failure::new(ErrorKind::Corrupt, text)
    })?;
    let path = path(dataset, *version);
    let bytes = match installation.store.read(&path).await {
        Ok(bytes) => bytes,
        Err(object_store::Error::NotFound { .. }) => {
            let text = format!(
                "read the register of accounts: {path} is gone, which entry {index} of the log names; restore it from a backup, and find out who removed it"
            );
            return Err(Failure::new(ErrorKind::Corrupt, text));
        }
        Err(error) => return Err(installation.store_failure("read the register of accounts", &error)),
    };
    if hex::encode(polder_crypto::sha256(&bytes)) != *hash {
        let text = format!(
            "read the register of accounts: {path} is not the one that entry {index} of the log names; restore it from a backup, and find out who put this one there"
        );
        return Err(Failure::new(ErrorKind::Corrupt, text));
    }
    let register = Register::from_json(&bytes).map_err(|error| Failure::of(error.kind(), &error))?;
    if register.version() == *version {
        Ok(register)
    } else {
        let text = format!("read the register of accounts: {path} says of itself that it is version {}", register.version());
        Err(Failure::new(ErrorKind::Corrupt, text))
    }
}

/// What is wrong with the register that the log names, with its object; nothing where it names none.
///
/// # Errors
/// When it cannot be read now.
pub async fn verify(installation: &Installation) -> Outcome<Option<(String, String)>> {
    match read(installation).await {
        Ok(_) => Ok(None),
        Err(failure) if failure.kind() == ErrorKind::Corrupt => {
            let state = installation.journal.state();
            let object = installation.keys.find(DATASET).zip(state.identities.as_ref()).map(|(dataset, head)| path(dataset, head.version));
            Ok(Some((object.map_or_else(|| "identities".to_owned(), |object| object.to_string()), failure.to_string())))
        }
        // It went with its key, as the log says.
        Err(failure) if failure.kind() == ErrorKind::Rejected => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Writes a version that the log does not name yet. What lies there or beyond was announced and never counted.
///
/// # Errors
/// When another writer took over, or the store cannot be written.
pub(super) async fn write(installation: &Installation, dataset: DatasetId, version: u64, bytes: Vec<u8>) -> Outcome {
    installation.still_writer().await?;
    delete(installation, dataset, |found| found >= version).await?;
    let written = installation.store.create(&path(dataset, version), Bytes::from(bytes)).await;
    written.map_err(|error| store_failure("write the register of accounts", &error))
}

/// Deletes the versions before the one that `version` followed: a reader beside us may be at that one.
///
/// # Errors
/// When another writer took over, or the store cannot be written.
pub(super) async fn delete_older(installation: &Installation, dataset: DatasetId, version: u64) -> Outcome {
    delete(installation, dataset, |found| found.saturating_add(1) < version).await
}

async fn delete(installation: &Installation, dataset: DatasetId, which: impl Fn(u64) -> bool) -> Outcome {
    let failed = |error: &object_store::Error| store_failure("list the versions of the register of accounts", error);
    let prefix = SealedStore::path(Area::Identities, dataset, "");
    let found: Vec<Path> =
        installation.store.list(Some(&prefix)).map_ok(|object| object.location).try_collect().await.map_err(|error| failed(&error))?;
    for object in found {
        if !object.filename().and_then(|name| name.parse().ok()).is_some_and(&which) {
            continue;
        }
        installation.still_writer().await?;
        match installation.store.delete(&object).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(store_failure("delete a version of the register of accounts", &error)),
        }
    }
    Ok(())
}
