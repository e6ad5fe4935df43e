//! Changes to the keyring: each is a new version, written create-only and read back before it counts.

use std::sync::Arc;

use polder_types::{DatasetId, Rng};

use super::{Keys, Ring, unwrap_key};
use crate::custody::Custody;
use crate::custody::root::{self, root_id};
use crate::document::{Dataset, Document, ENTRIES_MAX, NAME_MAX_BYTES, Version, valid_name};
use crate::envelope::{self, Envelope, Wrap, WrapKind, wrap_context};
use crate::error::Error;
use crate::locked::DatasetKey;
use crate::vault::KeyringVault;

/// How many versions stay after an ordinary change. Older ones are of no use: only the newest is ever opened.
const KEPT: usize = 3;

/// What becomes of older keyring versions after a change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Older {
    KeepSome,
    DeleteAll,
}

impl Keys {
    /// Makes a dataset with its first key, and returns its id. The id of an existing one of that name is returned as it is,
    /// so that what was interrupted can be run again.
    ///
    /// # Errors
    /// When the name is not one, or the keyring cannot be written.
    pub async fn add_dataset(&self, name: &str) -> Result<DatasetId, Error> {
        let ids = self.add_datasets(&[name]).await?;
        ids.first().copied().ok_or(Error::Name { what: "dataset", most: NAME_MAX_BYTES })
    }

    /// As [`Keys::add_dataset`] for several at once, in one keyring version.
    ///
    /// # Errors
    /// As [`Keys::add_dataset`]; none is added then.
    pub async fn add_datasets(&self, names: &[&str]) -> Result<Vec<DatasetId>, Error> {
        if !names.iter().all(|name| valid_name(name)) {
            return Err(Error::Name { what: "dataset", most: NAME_MAX_BYTES });
        }
        self.change(Older::KeepSome, |document, at| {
            let mut ids = Vec::with_capacity(names.len());
            let mut changed = false;
            for name in names {
                if let Some((id, _)) = document.datasets.iter().find(|(_, dataset)| dataset.name == *name) {
                    ids.push(*id);
                    continue;
                }
                if document.datasets.len() >= ENTRIES_MAX {
                    return Err(Error::Limit { what: "datasets", most: ENTRIES_MAX });
                }
                let id = DatasetId::random(at.rng)?;
                let version = Version::Live { created_ms: at.now_ms, key: DatasetKey::random(at.rng)? };
                let dataset = Dataset { name: (*name).to_owned(), current: 1, versions: [(1, version)].into() };
                document.datasets.insert(id, dataset);
                ids.push(id);
                changed = true;
            }
            Ok((ids, changed))
        })
        .await
    }

    /// Gives datasets other names, so that new ones can take theirs; their keys stay. Names that they have already are no error,
    /// so that what was interrupted can be run again.
    ///
    /// # Errors
    /// When there is no such dataset, a name is not one or is another's, or the keyring cannot be written.
    pub async fn rename_datasets(&self, names: &[(DatasetId, String)]) -> Result<(), Error> {
        if !names.iter().all(|(_, name)| valid_name(name)) {
            return Err(Error::Name { what: "dataset", most: NAME_MAX_BYTES });
        }
        self.change(Older::KeepSome, |document, _| {
            let mut changed = false;
            for (id, name) in names {
                if document.datasets.iter().any(|(other, dataset)| other != id && dataset.name == *name) {
                    return Err(Error::NameTaken { name: name.clone() });
                }
                let dataset = document.datasets.get_mut(id).ok_or(Error::UnknownDataset(*id))?;
                changed |= dataset.name != *name;
                dataset.name.clone_from(name);
            }
            Ok(((), changed))
        })
        .await
    }

    /// Adds a key version to a dataset and makes it the current one. What older versions sealed still opens.
    ///
    /// # Errors
    /// When there is no such dataset, or the keyring cannot be written.
    pub async fn rotate_dataset(&self, dataset: DatasetId) -> Result<u32, Error> {
        self.change(Older::KeepSome, |document, at| {
            let entry = document.datasets.get_mut(&dataset).ok_or(Error::UnknownDataset(dataset))?;
            if entry.versions.len() >= ENTRIES_MAX {
                return Err(Error::Limit { what: "key versions of a dataset", most: ENTRIES_MAX });
            }
            let next = entry.current.checked_add(1).ok_or(Error::Limit { what: "key versions of a dataset", most: ENTRIES_MAX })?;
            entry.versions.insert(next, Version::Live { created_ms: at.now_ms, key: DatasetKey::random(at.rng)? });
            entry.current = next;
            Ok((next, true))
        })
        .await
    }

    /// Wraps the keyring by another root: of `new`, or a new one in the same custody where that can make one. The old root then
    /// opens nothing that is in the vault. A crash at any moment leaves a keyring and a root that open each other.
    ///
    /// # Errors
    /// When either custody refuses or is silent, or the keyring cannot be written; the old root stays in use.
    pub async fn rotate_root(&self, new: Option<Arc<dyn Custody>>) -> Result<(), Error> {
        // A rotation whose answer was lost may have come to pass: its root, staged still, is then the only one that opens the keyring.
        self.renew().await?;
        {
            let _change = self.0.change.lock().await;
            let old = Arc::clone(&self.0.state.read().custody);
            let new = match new {
                Some(new) => new,
                None => old.stage(Arc::clone(&self.0.rng)).await?.unwrap_or(old),
            };
            self.change_locked(Older::DeleteAll, &new, |_, _| Ok(((), true))).await?;
            new.promote().await?;
        }
        self.settle_destructions().await?;
        Ok(())
    }

    /// Changes the keyring. `edit` returns its result and whether it changed anything; if not, nothing is written.
    pub(crate) async fn change<T>(
        &self,
        older: Older,
        edit: impl FnOnce(&mut Document, &At<'_>) -> Result<(T, bool), Error>,
    ) -> Result<T, Error> {
        let _change = self.0.change.lock().await;
        let custody = Arc::clone(&self.0.state.read().custody);
        self.change_locked(older, &custody, edit).await
    }

    async fn change_locked<T>(
        &self,
        older: Older,
        custody: &Arc<dyn Custody>,
        edit: impl FnOnce(&mut Document, &At<'_>) -> Result<(T, bool), Error>,
    ) -> Result<T, Error> {
        let inner = &self.0;
        let ring = self.ring()?;
        let mut document = ring.document.clone();
        let version = ring.version.saturating_add(1);
        let now_ms = inner.clock.now_ms();
        let at = At { rng: inner.rng.as_ref(), now_ms, version, root: ring.custody.root };
        let (result, changed) = edit(&mut document, &at)?;
        if !changed {
            return Ok(result);
        }
        document.changed_ms = now_ms;
        let written = write(version, &document, custody.as_ref(), inner.vault.as_ref(), inner.rng.as_ref()).await;
        let ring = match written {
            Ok(ring) => ring,
            Err(error @ Error::VersionExists { .. }) => {
                // Another process, or our own write whose answer was lost: take it up, so that the next try sees it.
                let custody = Arc::clone(&inner.state.read().custody);
                let ring = super::load(inner.vault.as_ref(), custody.as_ref(), version).await?;
                self.take_up(ring, &custody, now_ms);
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        self.take_up(ring, custody, now_ms);
        self.delete_older(version, older).await;
        Ok(result)
    }

    /// Deletes older keyrings that another root than the one in use wrapped, and tells which. A rotation does so by itself; a
    /// crash in it, or a recovery, leaves them, and who finds the old root could open them. Damaged ones stay to be found.
    ///
    /// # Errors
    /// When the lease is lost, or the vault cannot be read or written.
    pub async fn delete_withdrawn(&self) -> Result<Vec<u64>, Error> {
        let _change = self.0.change.lock().await;
        let (newest, root) = self.read(|_, version, root| Ok((version, *root)))?;
        let vault = &self.0.vault;
        let mut deleted = Vec::new();
        for version in vault.versions().await?.into_iter().filter(|version| *version < newest) {
            let Ok(envelope) = Envelope::parse(version, &vault.read(version).await?) else { continue };
            if envelope.wrap(WrapKind::Custody, Some(&root)).is_none() {
                vault.delete(version).await?;
                deleted.push(version);
            }
        }
        Ok(deleted)
    }

    fn take_up(&self, ring: Ring, custody: &Arc<dyn Custody>, now_ms: i64) {
        self.0.state.write().custody = Arc::clone(custody);
        self.granted(now_ms, Arc::new(ring));
    }

    /// Deletes versions that are of no use. A failure harms nothing: the next change tries again, and a destruction is not
    /// reported as done while they are there.
    async fn delete_older(&self, version: u64, older: Older) {
        let vault = &self.0.vault;
        let deleted = async {
            let mut versions = vault.versions().await?;
            versions.retain(|found| *found < version);
            versions.sort_unstable();
            let kept = if older == Older::KeepSome { KEPT - 1 } else { 0 };
            versions.truncate(versions.len().saturating_sub(kept));
            for old in versions {
                vault.delete(old).await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = deleted.await {
            tracing::warn!(%error, "older keyring versions were not deleted; the next change tries again");
        }
    }
}

/// What an edit may use.
pub(crate) struct At<'a> {
    pub(crate) rng: &'a dyn Rng,
    pub(crate) now_ms: i64,
    /// The version that the edit makes.
    pub(crate) version: u64,
    /// The root that wrapped the version before.
    pub(crate) root: [u8; 16],
}

/// Writes a keyring version. Before it is durable it has been opened the way a later process will.
pub(super) async fn write(
    version: u64,
    document: &Document,
    custody: &dyn Custody,
    vault: &dyn KeyringVault,
    rng: &dyn Rng,
) -> Result<Ring, Error> {
    let key = DatasetKey::random(rng)?;
    let lineage = document.lineage;
    let root = custody.describe().root;
    let context = wrap_context(lineage, version, WrapKind::Custody, &root);
    let mut wraps = vec![Wrap { kind: WrapKind::Custody, root, bytes: custody.wrap(key.expose(), &context).await? }];
    for kit in &document.kits {
        let root = root_id(&kit.root);
        let context = wrap_context(lineage, version, WrapKind::Recovery, &root);
        wraps.push(Wrap { kind: WrapKind::Recovery, root, bytes: root::wrap(&kit.root, key.expose(), &context, rng)? });
    }
    let bytes = envelope::write(version, document, &key, &wraps, rng)?;

    let envelope = Envelope::parse(version, &bytes)?;
    let failed = || Error::Wrap { custody: custody.describe().location };
    let wrap = envelope.wrap(WrapKind::Custody, Some(&root)).ok_or_else(failed)?;
    let unwrapped = unwrap_key(custody, lineage, version, wrap).await?;
    if !polder_crypto::constant_time_eq(unwrapped.expose(), key.expose()) {
        return Err(failed());
    }
    let ring = Ring::new(version, envelope.open(unwrapped.expose())?, wrap.clone())?;
    vault.create(version, bytes).await?;
    Ok(ring)
}
