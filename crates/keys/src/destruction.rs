//! Crypto-shredding: a key version is destroyed when no keyring copy that could be opened holds it any more, and not before.

use polder_types::{DatasetId, PrincipalId};

use crate::approver::TwoPersons;
use crate::document::{COPIES_MAX, Document, ENTRIES_MAX, NAME_MAX_BYTES, Tombstone, Version, valid_name};
use crate::error::Error;
use crate::keys::Keys;
use crate::keys::change::Older;
use crate::locked::DatasetKey;

/// What the name of a dataset begins with whose key masks values and seals nothing.
const DOMAIN: &str = "domain:";

/// What a destruction would do. Its hash is what two persons approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestructionPlan {
    /// Whose key.
    pub dataset: DatasetId,
    /// The dataset's name.
    pub name: String,
    /// Which version.
    pub key_version: u32,
    /// Who asks. May not approve.
    pub requester: PrincipalId,
    /// SHA-256 of the request, for [`crate::approver::ApproverKey::approve`].
    pub request_hash: [u8; 32],
    /// Copies of the keyring outside the store that hold the key until they are rewritten.
    pub copies: Vec<String>,
    /// Recovery kits that must be retired, since they open old copies.
    pub kits: Vec<String>,
}

/// Why a destroyed key version may still exist somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending {
    /// The store still holds this older keyring version.
    OldVersion(u64),
    /// A listed copy holds an older keyring.
    Copy(String),
    /// The root that opens older keyrings is still in use.
    Root,
    /// A recovery kit (its id) that opens older keyrings is still valid.
    RecoveryKit(String),
}

/// Where a destruction stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestructionReport {
    /// Whose key.
    pub dataset: DatasetId,
    /// Which version.
    pub key_version: u32,
    /// What is left to do. Empty: destroyed.
    pub pending: Vec<Pending>,
}

impl DestructionReport {
    /// Whether the key is gone everywhere.
    pub fn destroyed(&self) -> bool {
        self.pending.is_empty()
    }

    /// `pending` or `destroyed`.
    pub fn state(&self) -> &'static str {
        if self.destroyed() { "destroyed" } else { "pending" }
    }
}

impl Keys {
    /// What destroying a key version would do. Changes nothing.
    ///
    /// # Errors
    /// When there is no such version, it is the current one, or it was destroyed.
    pub async fn plan_destroy(&self, dataset: DatasetId, key_version: u32, requester: &PrincipalId) -> Result<DestructionPlan, Error> {
        self.read(|document, _, _| {
            let entry = document.datasets.get(&dataset).ok_or(Error::UnknownDataset(dataset))?;
            check(document, dataset, key_version)?;
            let hash = request_hash(self, dataset, key_version, requester);
            Ok(DestructionPlan {
                dataset,
                name: entry.name.clone(),
                key_version,
                requester: requester.clone(),
                request_hash: hash,
                copies: document.copies.keys().cloned().collect(),
                kits: self.recovery_kits().into_iter().map(|kit| kit.id).collect(),
            })
        })
    }

    /// Takes a key version out of the keyring, with the approval of two persons. What it sealed does not open from now on. The
    /// report says `pending` until every older keyring is gone or cannot be opened.
    ///
    /// # Errors
    /// When the approval is of another request, the version cannot be destroyed, or the keyring cannot be written.
    pub async fn destroy(&self, plan: &DestructionPlan, approval: &TwoPersons) -> Result<DestructionReport, Error> {
        let (dataset, key_version) = (plan.dataset, plan.key_version);
        let hash = request_hash(self, dataset, key_version, &plan.requester);
        if hash != plan.request_hash || *approval.request() != hash || approval.requester() != &plan.requester {
            return Err(Error::Approval { problem: "what was approved is another request" });
        }
        self.change(Older::DeleteAll, |document, at| {
            check(document, dataset, key_version)?;
            let entry = document.datasets.get_mut(&dataset).ok_or(Error::UnknownDataset(dataset))?;
            if entry.current == key_version {
                // The last version of a dataset lives: the one that takes this one's place masks nothing.
                let next = key_version.checked_add(1).ok_or(Error::Limit { what: "key versions of a dataset", most: ENTRIES_MAX })?;
                entry.versions.insert(next, Version::Live { created_ms: at.now_ms, key: DatasetKey::random(at.rng)? });
                entry.current = next;
            }
            if let Some(version) = entry.versions.get_mut(&key_version) {
                let created_ms = version.created_ms();
                *version = Version::Gone(Tombstone { created_ms, complete: false, gone_in: at.version, root: at.root });
            }
            Ok(((), true))
        })
        .await?;
        let reports = self.settle_destructions().await?;
        let found = reports.into_iter().find(|report| report.dataset == dataset && report.key_version == key_version);
        found.ok_or(Error::UnknownKeyVersion { dataset, key_version })
    }

    /// Where every destruction stands that is or was begun. Changes nothing.
    ///
    /// # Errors
    /// When the lease is lost or the vault cannot be reached.
    pub async fn destructions(&self) -> Result<Vec<DestructionReport>, Error> {
        let versions = self.vault().versions().await?;
        self.read(|document, _, root| Ok(reports(document, &versions, root)))
    }

    /// Marks as destroyed what is gone everywhere. [`Keys::rotate_root`] and [`Keys::destroy`] do this by themselves; call it
    /// after a copy was rewritten or a kit retired.
    ///
    /// # Errors
    /// When the lease is lost, or the keyring cannot be read or written.
    pub async fn settle_destructions(&self) -> Result<Vec<DestructionReport>, Error> {
        let reports = self.destructions().await?;
        self.change(Older::KeepSome, |document, _| {
            let mut changed = false;
            for report in reports.iter().filter(|report| report.destroyed()) {
                let entry = document.datasets.get_mut(&report.dataset).and_then(|d| d.versions.get_mut(&report.key_version));
                if let Some(Version::Gone(tombstone)) = entry {
                    changed |= !tombstone.complete;
                    tombstone.complete = true;
                }
            }
            Ok(((), changed))
        })
        .await?;
        Ok(reports)
    }

    /// Lists a copy of the keyring outside the store (a backup), or says that a listed one was rewritten. It holds the keyring
    /// `version`.
    ///
    /// # Errors
    /// When the name is not one, there are too many, or the keyring cannot be written.
    pub async fn list_copy(&self, name: &str, version: u64) -> Result<(), Error> {
        if !valid_name(name) {
            return Err(Error::Name { what: "keyring copy", most: NAME_MAX_BYTES });
        }
        self.change(Older::KeepSome, |document, _| {
            if document.copies.len() >= COPIES_MAX && !document.copies.contains_key(name) {
                return Err(Error::Limit { what: "keyring copies", most: COPIES_MAX });
            }
            Ok(((), document.copies.insert(name.to_owned(), version) != Some(version)))
        })
        .await
    }

    /// Takes a copy off the list: it was erased.
    ///
    /// # Errors
    /// When the keyring cannot be written.
    pub async fn forget_copy(&self, name: &str) -> Result<(), Error> {
        self.change(Older::KeepSome, |document, _| Ok(((), document.copies.remove(name).is_some()))).await
    }

    /// The listed copies, with the keyring version that each holds.
    ///
    /// # Errors
    /// When the lease is lost.
    pub fn copies(&self) -> Result<Vec<(String, u64)>, Error> {
        self.read(|document, _, _| Ok(document.copies.iter().map(|(name, version)| (name.clone(), *version)).collect()))
    }
}

/// What two persons sign: fixed lengths, so that no two requests have the same bytes.
fn request_hash(keys: &Keys, dataset: DatasetId, key_version: u32, requester: &PrincipalId) -> [u8; 32] {
    let fields: [&[u8]; 5] =
        [b"polder.destroy.1", &keys.lineage().0, &dataset.0, &key_version.to_be_bytes(), requester.as_str().as_bytes()];
    polder_crypto::sha256(&fields.concat())
}

fn check(document: &Document, dataset: DatasetId, key_version: u32) -> Result<(), Error> {
    let entry = document.datasets.get(&dataset).ok_or(Error::UnknownDataset(dataset))?;
    match entry.versions.get(&key_version) {
        None => Err(Error::UnknownKeyVersion { dataset, key_version }),
        Some(Version::Gone(_)) => Err(Error::Destroyed { dataset, key_version }),
        // Nothing is sealed under a domain's key, so there is nothing to bring along first.
        Some(Version::Live { .. }) if entry.current == key_version && !entry.name.starts_with(DOMAIN) => {
            Err(Error::StillCurrent { dataset, key_version })
        }
        Some(Version::Live { .. }) => Ok(()),
    }
}

fn reports(document: &Document, versions: &[u64], root: &[u8; 16]) -> Vec<DestructionReport> {
    let mut reports = Vec::new();
    for (dataset, entry) in &document.datasets {
        for (key_version, version) in &entry.versions {
            if let Version::Gone(tombstone) = version {
                let pending = if tombstone.complete { Vec::new() } else { pending(document, tombstone, versions, root) };
                reports.push(DestructionReport { dataset: *dataset, key_version: *key_version, pending });
            }
        }
    }
    reports
}

fn pending(document: &Document, tombstone: &Tombstone, versions: &[u64], root: &[u8; 16]) -> Vec<Pending> {
    let old = |version: &u64| *version < tombstone.gone_in;
    let mut pending: Vec<Pending> = versions.iter().copied().filter(|version| old(version)).map(Pending::OldVersion).collect();
    pending.extend(document.copies.iter().filter(|(_, version)| old(version)).map(|(name, _)| Pending::Copy(name.clone())));
    if tombstone.root == *root {
        pending.push(Pending::Root);
    }
    let kits = document.kits.iter().filter(|kit| old(&kit.since));
    pending.extend(kits.map(|kit| Pending::RecoveryKit(hex::encode(crate::custody::root::root_id(&kit.root)))));
    pending
}
