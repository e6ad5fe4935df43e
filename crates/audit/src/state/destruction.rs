//! Destructions of key versions: which objects each was to make unreadable, and how far it came.

use std::collections::BTreeSet;

use polder_types::DatasetId;
use polder_types::event::{KeyChange, Phase};
use serde::{Deserialize, Serialize};

use super::State;

/// Where something stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    pub index: u64,
    pub time_ms: i64,
}

/// The destruction of one version of a dataset's key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destruction {
    /// The objects that were sealed under it when it was destroyed: these cannot be read, and no others may be under it.
    pub objects: BTreeSet<String>,
    /// When it was out of the keyring.
    pub gone: Option<Recorded>,
    /// When nothing was left that could open it.
    pub complete: Option<Recorded>,
}

impl State {
    /// A new preparation takes the place of one that came to nothing. What is destroyed is destroyed: nothing is added to it.
    pub(super) fn destruction_prepared(&mut self, dataset: DatasetId, key_version: u32, part: u32, objects: &[String]) {
        let destruction = self.destructions.entry(dataset).or_default().entry(key_version).or_default();
        if destruction.gone.is_some() {
            return;
        }
        if part == 0 {
            destruction.objects.clear();
        }
        destruction.objects.extend(objects.iter().cloned());
    }

    pub(super) fn destruction_went_on(&mut self, change: KeyChange, phase: Phase, dataset: DatasetId, key_version: u32, at: Recorded) {
        match (change, phase) {
            (KeyChange::DestructionPending, Phase::Outcome) => {
                self.destructions.entry(dataset).or_default().entry(key_version).or_default().gone.get_or_insert(at);
            }
            (KeyChange::DestructionPending, Phase::Aborted) => {
                if let Some(versions) = self.destructions.get_mut(&dataset) {
                    versions.retain(|version, destruction| *version != key_version || destruction.gone.is_some());
                }
            }
            (KeyChange::Destroyed, Phase::Outcome) => {
                self.destructions.entry(dataset).or_default().entry(key_version).or_default().complete.get_or_insert(at);
            }
            _ => {}
        }
    }

    /// Where it is recorded that a key version was destroyed, and with it what it sealed: its outcome, or its intent when the
    /// process was killed in between.
    pub fn destruction(&self, dataset: DatasetId, key_version: u32) -> Option<Recorded> {
        let done = self.destructions.get(&dataset).and_then(|versions| versions.get(&key_version)).and_then(|found| found.gone);
        done.or_else(|| {
            let announced = self.open_key_changes.iter().find(|open| {
                (open.change, open.dataset, open.key_version) == (KeyChange::DestructionPending, Some(dataset), Some(key_version))
            });
            announced.map(|open| Recorded { index: open.index, time_ms: open.time_ms })
        })
    }

    /// Where it is recorded that this object went with its key; none when the log knows of no such thing.
    pub fn destroyed(&self, dataset: DatasetId, key_version: u32, object: &str) -> Option<Recorded> {
        let destruction = self.destructions.get(&dataset)?.get(&key_version)?;
        if destruction.objects.contains(object) { self.destruction(dataset, key_version) } else { None }
    }

    /// The objects of a dataset that went with a version of its key, that version, and where it is recorded.
    pub fn destroyed_objects(&self, dataset: DatasetId) -> impl Iterator<Item = (&str, u32, Recorded)> {
        let versions = self.destructions.get(&dataset).into_iter().flatten();
        versions
            .filter_map(move |(version, found)| Some((version, found, self.destruction(dataset, *version)?)))
            .flat_map(|(version, found, at)| found.objects.iter().map(move |object| (object.as_str(), *version, at)))
    }
}
