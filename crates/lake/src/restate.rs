//! Versions that bring no rows of a source: the table with another memory of what was read, or as it was before.

use std::collections::{BTreeMap, BTreeSet};

use deltalake_core::kernel::Action;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use object_store::ObjectStoreExt as _;
use polder_types::event::TableOperation;
use polder_types::{DatasetId, PrincipalId};

use crate::commit::Commit;
use crate::error::Error;
use crate::lake::Lake;
use crate::log::data_path;
use crate::log_store::relative;
use crate::merge::named_again;
use crate::schema::table_actions;
use crate::snapshot::{DataFile, TableSnapshot, file_stats};
use crate::writer::remove;

/// A file with what is taken out of it: two of one are the same rows.
type Rows = (String, Option<String>);

fn rows(dataset: DatasetId, file: &DataFile) -> Rows {
    let vector = file.vector.as_ref().map(|vector| format!("{:?}", vector.descriptor));
    (relative(dataset, &file.path), vector)
}

impl Lake {
    /// Commits an empty version, so that `sequence` is the table's newest: what is remembered under it holds from now on.
    ///
    /// # Errors
    /// When the table does not verify, or the commit fails.
    pub async fn remember(&self, dataset: DatasetId, sequence: u64, actor: &PrincipalId) -> Result<u64, Error> {
        let permit = self.ready(dataset).await?;
        let head = self.snapshot(dataset, None).await?;
        let delta = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
        let (operation, actions) = (TableOperation::State, Vec::new());
        let commit = Commit { dataset, actor, operation, sequence, counts: None, base: Some(&head), actions, delta };
        self.commit(commit, &permit).await
    }

    /// Makes the table what it was in an older version: its rows and its columns. The versions between stay as they are.
    ///
    /// # Errors
    /// When the version does not verify or files of it are gone, or the commit fails.
    pub async fn restore(&self, dataset: DatasetId, to: u64, sequence: u64, actor: &PrincipalId) -> Result<u64, Error> {
        let permit = self.ready(dataset).await?;
        let head = self.snapshot(dataset, None).await?;
        let old = self.snapshot(dataset, Some(to)).await?;
        for object in old.files.iter().flat_map(DataFile::objects) {
            self.inner.store.head(object).await.map_err(|error| match error {
                object_store::Error::NotFound { .. } => Error::Vacuumed { dataset, version: to },
                error => Error::store("look for", object, error),
            })?;
        }
        let actions = self.back(&head, &old)?;
        let delta = DeltaOperation::Restore { version: Some(to), datetime: None };
        let operation = TableOperation::Restore;
        let commit = Commit { dataset, actor, operation, sequence, counts: None, base: Some(&head), actions, delta };
        self.commit(commit, &permit).await
    }

    fn back(&self, head: &TableSnapshot, old: &TableSnapshot) -> Result<Vec<Action>, Error> {
        let (dataset, now_ms) = (head.dataset, self.inner.clock.now_ms());
        let mut actions = Vec::new();
        if head.stored.fields() != old.stored.fields() {
            let (protocol, metadata) = table_actions(&old.stored, dataset, now_ms, head.vectors || old.vectors)?;
            actions.extend([Action::Protocol(protocol), Action::Metadata(metadata)]);
        }
        let stays: BTreeSet<Rows> = old.files.iter().map(|file| rows(dataset, file)).collect();
        let there: BTreeSet<Rows> = head.files.iter().map(|file| rows(dataset, file)).collect();
        let goes = head.files.iter().filter(|file| !stays.contains(&rows(dataset, file)));
        actions.extend(goes.map(|file| Action::Remove(remove(dataset, file, now_ms, true))));
        let comes: BTreeMap<_, _> =
            old.files.iter().filter(|file| !there.contains(&rows(dataset, file))).map(|file| (&file.path, file)).collect();
        for view in old.delta.log_data().iter() {
            if let Some(file) = comes.get(&data_path(dataset, &view.path())) {
                let vector = file.vector.as_ref().map(|vector| vector.descriptor.clone());
                actions.push(Action::Add(named_again(dataset, file, &file_stats(dataset, &view)?, vector, now_ms)?));
            }
        }
        Ok(actions)
    }
}
