//! Rows that a contract once refused, read again from quarantine as a source: what the contract admits now becomes part of the
//! table, what it still refuses is kept again.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use object_store::path::Path;
use polder_connect::{FileSeen, SourceReader};
use polder_contract::{Approved, RawBatch, quarantine};
use polder_store::SealedStore;
use polder_types::event::TableOperation;
use polder_types::{DatasetId, ErrorKind};

use crate::failure::{Failure, Outcome};
use crate::ingest::store_failure;
use crate::installation::Installation;
use crate::quarantine::{committed_runs, objects};

/// Quarantine objects of committed batches that were not replayed yet, oldest first.
pub struct Waiting {
    /// Where they lie.
    pub objects: Vec<Path>,
    /// Rows in them, as the audit log counted them when they were refused. None when it has no count of one of them.
    rows: Option<u64>,
}

/// What waits in a table's quarantine. Of what a load replaced nothing does: it was read again, and refused again.
///
/// # Errors
/// When the store fails.
pub async fn waiting(installation: &Installation, approved: &Approved, dataset: DatasetId, replayed: &[String]) -> Outcome<Waiting> {
    let versions = installation.journal.state().tables.get(&dataset).map(|head| head.versions.clone()).unwrap_or_default();
    // What a load replaced it read again, whatever the contract says by now: a refresh replaces a table whose rows stay otherwise.
    let replaced = versions.iter().rev().find(|version| version.operation == TableOperation::Replace);
    let since = replaced.map_or(0, |version| version.sequence);
    let mut waiting = Waiting { objects: Vec::new(), rows: Some(0) };
    let state = installation.journal.state();
    let recorded = state.quarantine.get(&dataset);
    let mut found = BTreeSet::new();
    let table = approved.table.to_string();
    let runs = committed_runs(installation, &table).await?;
    for object in objects(installation, &table).await? {
        found.insert(object.path.to_string());
        if runs.get(&object.sequence) != Some(&object.run) {
            continue;
        }
        if !versions.iter().any(|version| version.sequence == object.sequence && version.operation.loads()) {
            continue;
        }
        if object.gone || object.sequence < since || replayed.contains(&object.path.to_string()) {
            continue;
        }
        let rows = recorded.and_then(|recorded| recorded.get(object.path.as_ref())).map(|kept| kept.rows);
        waiting.rows = waiting.rows.zip(rows).map(|(all, rows)| all + rows);
        waiting.objects.push(object.path);
    }
    let gone = recorded.into_iter().flatten().find(|(path, _)| !found.contains(*path) && !replayed.contains(path));
    if let Some((path, kept)) = gone {
        let text = format!(
            "replay the quarantine of table {table}: {path} is gone, in which the log knows of {} refused rows; restore it from a backup, and see `polder audit verify`",
            kept.rows
        );
        return Err(Failure::new(ErrorKind::Corrupt, text));
    }
    Ok(waiting)
}

impl Waiting {
    /// Whether the contract can take them at all: asked before anything is changed for it.
    ///
    /// # Errors
    /// When it wants a column that was not kept, or the store fails.
    pub async fn fit(&self, installation: &Installation, approved: &Approved) -> Outcome {
        for path in &self.objects {
            let read = installation.store.read(path).await.map_err(|error| store_failure("read refused rows", &error))?;
            quarantine::can_replay(&read, approved).map_err(|error| Failure::of(ErrorKind::Rejected, &error))?;
        }
        Ok(())
    }

    /// Reads them through the gate.
    pub fn into_reader(self, installation: &Installation, approved: &Arc<Approved>) -> impl SourceReader + use<> {
        Reader {
            runtime: tokio::runtime::Handle::current(),
            store: installation.store.clone(),
            approved: Arc::clone(approved),
            objects: self.objects.into(),
            ordinal: 0,
            counted: self.rows,
        }
    }
}

struct Reader {
    runtime: tokio::runtime::Handle,
    store: SealedStore,
    approved: Arc<Approved>,
    objects: VecDeque<Path>,
    ordinal: u64,
    counted: Option<u64>,
}

impl SourceReader for Reader {
    fn next(&mut self) -> Result<Option<RawBatch>, polder_connect::Error> {
        let Some(path) = self.objects.pop_front() else { return Ok(None) };
        let failed = |failure: Failure| polder_connect::Error::Elsewhere { text: failure.to_string(), kind: failure.kind() };
        let read = self.runtime.block_on(self.store.read(&path)).map_err(|error| failed(store_failure("read refused rows", &error)))?;
        let replay = quarantine::replay(&read, &self.approved, Arc::from(path.as_ref()), self.ordinal)
            .map_err(|error| failed(Failure::of(ErrorKind::Rejected, &error)))?;
        self.ordinal += replay.batch.rows as u64;
        Ok(Some(replay.batch))
    }

    fn left_out(&self) -> &[String] {
        &[]
    }

    fn never_seen(&self) -> &[String] {
        &[]
    }

    fn counted(&self) -> Option<u64> {
        self.counted
    }

    fn files(&self) -> Vec<FileSeen> {
        Vec::new()
    }

    fn source_identity(&self) -> &str {
        ""
    }
}
