//! The keyring's plaintext, byte by byte (docs/format/keyring.md): names and states first, one block of keys last.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_types::{DatasetId, LineageId};
use zeroize::Zeroizing;

use crate::locked::{DatasetKey, Locked};

mod codec;

pub(crate) use codec::valid_name;

/// Longest name of a dataset or of a keyring copy, in bytes.
pub(crate) const NAME_MAX_BYTES: usize = 255;
/// Most datasets, and most key versions of one.
pub(crate) const ENTRIES_MAX: usize = 65_535;
/// Most recovery kits at a time.
pub(crate) const KITS_MAX: usize = 8;
/// Most keyring copies that are listed.
pub(crate) const COPIES_MAX: usize = 1024;

/// Where a key version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It opens what it sealed.
    Live,
    /// It is gone from this keyring, but a copy of an older keyring may still hold it.
    DestructionPending,
    /// It is gone everywhere. The version's number is never used again.
    Destroyed,
}

#[derive(Clone)]
pub(crate) enum Version {
    Live { created_ms: i64, key: DatasetKey },
    Gone(Tombstone),
}

/// What remains of a destroyed key version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tombstone {
    pub(crate) created_ms: i64,
    /// Whether every condition was met.
    pub(crate) complete: bool,
    /// The first keyring version without the key.
    pub(crate) gone_in: u64,
    /// The root that wrapped keyrings with the key.
    pub(crate) root: [u8; 16],
}

impl Version {
    pub(crate) fn created_ms(&self) -> i64 {
        match self {
            Self::Live { created_ms, .. } | Self::Gone(Tombstone { created_ms, .. }) => *created_ms,
        }
    }

    pub(crate) fn state(&self) -> KeyState {
        match self {
            Self::Live { .. } => KeyState::Live,
            Self::Gone(Tombstone { complete: false, .. }) => KeyState::DestructionPending,
            Self::Gone(Tombstone { complete: true, .. }) => KeyState::Destroyed,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Dataset {
    pub(crate) name: String,
    pub(crate) current: u32,
    pub(crate) versions: BTreeMap<u32, Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KitKind {
    Shares { needed: u8, total: u8 },
    KeyFile,
}

/// A recovery kit: a second root, which wraps each keyring beside the first. It adds no power to whoever reads the keyring.
#[derive(Clone)]
pub(crate) struct Kit {
    pub(crate) root: DatasetKey,
    pub(crate) kind: KitKind,
    /// The first keyring version that it opens.
    pub(crate) since: u64,
    pub(crate) written_ms: i64,
    pub(crate) tested_ms: Option<i64>,
}

/// A keyring, unwrapped. Its keys lie in locked memory; it has no `Debug`.
#[derive(Clone)]
pub struct Document {
    pub(crate) lineage: LineageId,
    pub(crate) created_ms: i64,
    pub(crate) changed_ms: i64,
    /// From which [`crate::Keys::derive`] derives.
    pub(crate) secret: DatasetKey,
    /// Seed of the journal's Ed25519 key.
    pub(crate) signing_seed: DatasetKey,
    pub(crate) kits: Vec<Kit>,
    /// Copies of the keyring outside the vault, with the keyring version that each holds.
    pub(crate) copies: BTreeMap<String, u64>,
    pub(crate) datasets: BTreeMap<DatasetId, Dataset>,
}

impl Document {
    /// Reads a keyring's plaintext.
    ///
    /// # Errors
    /// What is wrong with it, or that memory cannot be locked for its keys.
    pub fn parse(plain: &[u8]) -> Result<Self, crate::Error> {
        codec::parse(plain)
    }

    /// The keyring's plaintext. Of what [`Document::parse`] took, the same bytes.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        codec::encode(self)
    }

    /// The keys in the order of the key block.
    fn keys(&self) -> impl Iterator<Item = &DatasetKey> {
        let versions = self.datasets.values().flat_map(|dataset| dataset.versions.values());
        let live = versions.filter_map(|version| match version {
            Version::Live { key, .. } => Some(key),
            Version::Gone(_) => None,
        });
        [&self.secret, &self.signing_seed].into_iter().chain(self.kits.iter().map(|kit| &kit.root)).chain(live)
    }
}

/// Copies a key block into locked memory.
fn lock(block: &[[u8; 32]]) -> Result<Arc<Locked>, crate::Error> {
    let mut pages = Locked::new(block.len())?;
    for (slot, key) in block.iter().enumerate() {
        if let Some(place) = pages.get_mut(slot) {
            *place = *key;
        }
    }
    Ok(Arc::new(pages))
}
