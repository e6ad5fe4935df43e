//! Changes to the keyring, each between a recorded intent and its outcome; and what is told when a destruction has ended.

use polder_keys::{KeyState, Keys};
use polder_types::event::{KeyChange, Phase};
use polder_types::{DatasetId, EventKind};

use crate::failure::{Failure, Outcome};
use crate::installation::Installation;

impl Installation {
    /// Ends key changes that a killed process had announced: the keyring says whether they happened. Deletes keyrings of
    /// withdrawn roots, and ends destructions that nothing holds up any more.
    pub(crate) async fn settle_keys(&self) -> Outcome {
        let open = self.journal.state().open_key_changes.clone();
        for change in open {
            let happened = match (change.change, change.dataset, change.key_version) {
                (KeyChange::DestructionPending, Some(dataset), Some(key_version)) => self.is_gone(dataset, key_version),
                // Broken off: objects may be under older keys still.
                (KeyChange::Reencrypted, ..) => false,
                _ => self.keys.keyring_version() >= change.keyring_version,
            };
            let phase = if happened { Phase::Outcome } else { Phase::Aborted };
            self.record(EventKind::KeysChanged {
                change: change.change,
                phase,
                dataset: change.dataset,
                key_version: change.key_version,
                keyring_version: change.keyring_version,
            })
            .await?;
        }
        self.keys.delete_withdrawn().await?;
        let pending = |state| state == KeyState::DestructionPending;
        if self.keys.datasets().iter().any(|dataset| dataset.versions.iter().any(|version| pending(version.state))) {
            match self.keys.settle_destructions().await {
                // It stays pending, and the next command that finds room ends it.
                Err(error) if polder_store::is_no_space(&error) => {}
                settled => drop(settled?),
            }
        }
        self.record_destructions().await.map(drop)
    }

    fn state_of(&self, dataset: DatasetId, key_version: u32) -> Option<KeyState> {
        let dataset = self.keys.datasets().into_iter().find(|info| info.id == dataset)?;
        dataset.versions.iter().find(|version| version.version == key_version).map(|version| version.state)
    }

    fn is_gone(&self, dataset: DatasetId, key_version: u32) -> bool {
        matches!(self.state_of(dataset, key_version), Some(KeyState::DestructionPending | KeyState::Destroyed))
    }

    /// Records the end of each destruction that has ended and is not recorded as ended yet. Returns the datasets' names and the
    /// versions.
    ///
    /// # Errors
    /// When it cannot be recorded; the next command that writes does it then.
    pub async fn record_destructions(&self) -> Outcome<Vec<(String, u32)>> {
        let state = self.journal.state();
        let mut ended = Vec::new();
        for info in self.keys.datasets() {
            let Some(begun) = state.destructions.get(&info.id) else { continue };
            for version in info.versions.iter().filter(|version| version.state == KeyState::Destroyed) {
                if begun.get(&version.version).is_some_and(|found| found.gone.is_some() && found.complete.is_none()) {
                    self.record(EventKind::KeysChanged {
                        change: KeyChange::Destroyed,
                        phase: Phase::Outcome,
                        dataset: Some(info.id),
                        key_version: Some(version.version),
                        keyring_version: self.keys.keyring_version(),
                    })
                    .await?;
                    ended.push((info.name.clone(), version.version));
                }
            }
        }
        Ok(ended)
    }

    /// Changes the keyring between a recorded intent and its outcome.
    ///
    /// # Errors
    /// When the change fails; its intent is then recorded as aborted.
    pub async fn change_keys<T, F>(&self, change: KeyChange, dataset: Option<DatasetId>, act: F) -> Outcome<T>
    where
        F: AsyncFnOnce(&Keys) -> Result<T, polder_keys::Error>,
    {
        self.change_key_version(change, dataset, None, act).await
    }

    /// [`Installation::change_keys`] for a change of one version of a dataset's key.
    ///
    /// # Errors
    /// When the change fails; its intent is then recorded as aborted, unless the keyring says that it happened all the same.
    pub async fn change_key_version<T, F>(
        &self,
        change: KeyChange,
        dataset: Option<DatasetId>,
        key_version: Option<u32>,
        act: F,
    ) -> Outcome<T>
    where
        F: AsyncFnOnce(&Keys) -> Result<T, polder_keys::Error>,
    {
        let keyring_version = self.keys.keyring_version() + 1;
        let record = async |phase, keyring_version| {
            self.record(EventKind::KeysChanged { change, phase, dataset, key_version, keyring_version }).await
        };
        record(Phase::Intent, keyring_version).await?;
        crate::failpoint::hit("keyring-intent");
        let acted = match self.still_writer().await {
            Ok(()) => act(&self.keys).await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        match acted {
            Ok(done) => {
                crate::failpoint::hit("keyring-written");
                record(Phase::Outcome, self.keys.keyring_version()).await?;
                Ok(done)
            }
            Err(mut failure) => {
                let gone = dataset.zip(key_version).is_some_and(|(dataset, version)| self.is_gone(dataset, version));
                let phase = if change == KeyChange::DestructionPending && gone { Phase::Outcome } else { Phase::Aborted };
                let ended = EventKind::KeysChanged { change, phase, dataset, key_version, keyring_version };
                self.record_failure(&mut failure, ended).await;
                Err(failure)
            }
        }
    }

    /// The dataset of a name; its keys are made when it has none.
    ///
    /// # Errors
    /// When the keyring cannot be written.
    pub async fn dataset(&self, name: &str) -> Outcome<DatasetId> {
        match self.keys.find(name) {
            Some(dataset) => Ok(dataset),
            None => self.change_keys(KeyChange::DatasetAdded, None, async |keys| keys.add_dataset(name).await).await,
        }
    }
}
