//! Side objects: the values behind a group's commitments, with the keys that open them. Erasing one erases the values; every
//! proof over the leaves still holds, and the commitments tell nothing without their keys.

use std::collections::BTreeMap;

use polder_types::Rng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::error::Error;

const FORMAT: u32 = 1;

/// A value and the random key of its commitment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opening {
    /// 32 bytes, hexadecimal.
    key: String,
    pub(crate) value: String,
}

impl Opening {
    pub(crate) fn draw(value: String, rng: &dyn Rng) -> Result<Self, Error> {
        let mut key = [0; 32];
        rng.fill(&mut key)?;
        let opening = Self { key: hex::encode(key), value };
        key.zeroize();
        Ok(opening)
    }

    /// Hexadecimal HMAC-SHA-256 of the value under the key. A key that is not hexadecimal opens nothing.
    pub(crate) fn commitment(&self) -> String {
        match hex::decode(&self.key) {
            Ok(key) if key.len() == 32 => hex::encode(polder_crypto::hmac_sha256(&key, self.value.as_bytes())),
            _ => String::new(),
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.key.zeroize();
        self.value.zeroize();
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening(..)")
    }
}

/// What one leaf's commitments hide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SideEntry {
    pub(crate) actor: Opening,
    pub(crate) values: BTreeMap<String, Opening>,
}

/// What one group's commitments hide, entry by entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Side {
    format: u32,
    pub(crate) first: u64,
    pub(crate) entries: Vec<SideEntry>,
}

impl Side {
    pub(crate) fn new(first: u64, entries: Vec<SideEntry>) -> Self {
        Self { format: FORMAT, first, entries }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(Error::Encode)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|side: &Self| side.format == FORMAT)
    }

    /// What leaf `index` hides.
    pub(crate) fn entry(&self, index: u64) -> Option<&SideEntry> {
        self.entries.get(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }
}

/// A side object's name: the group's first index, and random digits, because a group that failed may be tried again.
pub(crate) fn name(first: u64, random: [u8; 8]) -> String {
    format!("{first:020}-{}", hex::encode(random))
}

/// The directory of the side objects of 65,536 entries, so that none grows without end.
pub(crate) fn directory(first: u64) -> String {
    format!("{:010}", first >> 16)
}

/// Where a side object lies below the private area's dataset; `None` for what is not a side object's name.
pub(crate) fn path(name: &str) -> Option<String> {
    first_of(name).map(|first| format!("{}/{name}", directory(first)))
}

/// The first index in a side object's name.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    let (first, random) = name.split_once('-')?;
    let right = first.len() == 20 && random.len() == 16 && random.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if right { first.parse().ok() } else { None }
}
