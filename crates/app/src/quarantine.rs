//! Refused rows in the sealed store: `quarantine/<dataset>/<sequence>/<run>/<number>`, written before the commit whose counts name them.
//! Of a batch that fails only the first object stays, a sample that shows why.

pub mod leftovers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use polder_contract::quarantine::Writer;
use polder_contract::{Approved, Rejection};
use polder_store::{Area, SealedStore};
use polder_types::{DatasetId, EventKind, RunId};

use crate::failure::Outcome;
use crate::ingest::{Offsets, store_failure};
use crate::installation::Installation;

/// A quarantine object is written when it has grown to this many bytes.
const OBJECT_BYTES: usize = 8 << 20;
/// The first object of a batch holds no more rows than this: it is what stays of a batch that fails.
const SAMPLE_ROWS: u64 = 1_000;

/// The quarantine of one batch, while it is filled.
pub struct Quarantine<'a> {
    installation: &'a Installation,
    approved: Arc<Approved>,
    run: RunId,
    sequence: u64,
    table: DatasetId,
    dataset: Option<DatasetId>,
    writer: Writer,
    objects: u64,
}

impl<'a> Quarantine<'a> {
    /// An empty quarantine. Nothing is stored, and no key is made, before the first row.
    pub fn new(installation: &'a Installation, approved: &Arc<Approved>, table: DatasetId, run: RunId, sequence: u64) -> Self {
        let writer = Writer::new(approved);
        Self { installation, approved: Arc::clone(approved), run, sequence, table, dataset: None, writer, objects: 0 }
    }

    /// Keeps a row.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn push(&mut self, rejection: &Rejection) -> Outcome {
        if self.add(rejection) { self.flush().await } else { Ok(()) }
    }

    /// The same for a caller that cannot wait; its thread does. Only for the runtime of several threads, as the program's is.
    ///
    /// # Errors
    /// When the store fails.
    pub fn push_here(&mut self, rejection: &Rejection) -> Outcome {
        if !self.add(rejection) {
            return Ok(());
        }
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.flush()))
    }

    /// Takes a row; whether the object is now full.
    fn add(&mut self, rejection: &Rejection) -> bool {
        self.writer.push(rejection);
        self.writer.len() >= OBJECT_BYTES || (self.objects == 0 && self.writer.rows() >= SAMPLE_ROWS)
    }

    /// How many more rows the sample takes that stays of a batch that fails.
    pub fn room_in_sample(&self) -> usize {
        let room = if self.objects == 0 { SAMPLE_ROWS.saturating_sub(self.writer.rows()) } else { 0 };
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// The batch failed: what its first object holds so far is written, the rest is dropped.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_sample(&mut self) -> Outcome {
        if self.objects == 0 { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Outcome {
        if self.writer.is_empty() {
            return Ok(());
        }
        let dataset = match self.dataset {
            Some(dataset) => dataset,
            None => *self.dataset.insert(self.installation.dataset(&format!("quarantine:{}", self.approved.table)).await?),
        };
        let writer = std::mem::replace(&mut self.writer, Writer::new(&self.approved));
        let rows = writer.rows();
        let path = SealedStore::path(Area::Quarantine, dataset, &format!("{:020}/{}/{:06}", self.sequence, self.run, self.objects));
        self.objects += 1;
        self.installation.store.create(&path, writer.finish().into()).await.map_err(|error| store_failure("keep refused rows", &error))?;
        let (run, dataset, sequence) = (self.run, self.table, self.sequence);
        let object = Some(path.to_string());
        // From here on the object is missed when it is gone.
        self.installation.record(EventKind::QuarantineWritten { run, dataset, sequence, rows, object }).await
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When the store or the log fails.
    pub async fn finish(&mut self) -> Outcome {
        self.flush().await
    }
}

/// A quarantine object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Where it lies.
    pub path: Path,
    /// The batch's sequence in its table.
    pub sequence: u64,
    /// The run.
    pub run: String,
    /// Whether it went with its key.
    pub gone: bool,
}

/// The objects of a dataset that went with a version of its key.
pub fn gone(installation: &Installation, dataset: DatasetId) -> BTreeSet<String> {
    installation.journal.state().destroyed_objects(dataset).map(|(object, ..)| object.to_owned()).collect()
}

/// The quarantine objects of a table, oldest first.
///
/// # Errors
/// When the store fails.
pub async fn objects(installation: &Installation, table: &str) -> Outcome<Vec<Object>> {
    let Some(dataset) = installation.keys.find(&format!("quarantine:{table}")) else { return Ok(Vec::new()) };
    let prefix = SealedStore::path(Area::Quarantine, dataset, "");
    let gone = gone(installation, dataset);
    let mut listed = installation.store.list(Some(&prefix));
    let mut objects = Vec::new();
    while let Some(object) = listed.try_next().await.map_err(|error| store_failure("list quarantine", &error))? {
        let parts: Vec<String> = object.location.parts().map(|part| part.as_ref().to_owned()).collect();
        if let [_, _, sequence, run, _] = parts.as_slice() {
            let (sequence, run) = (sequence.parse().unwrap_or(0), run.clone());
            let gone = gone.contains(object.location.as_ref());
            objects.push(Object { path: object.location, sequence, run, gone });
        }
    }
    Ok(objects)
}

/// Which run's batch each committed sequence of a table is. A failed batch leaves its refused rows under a sequence that a later
/// one takes, so the run tells them apart. Sequences whose offsets went with their key are left out.
///
/// # Errors
/// When the store fails.
pub async fn committed_runs(installation: &Installation, table: &str) -> Outcome<BTreeMap<u64, String>> {
    let Some(dataset) = installation.keys.find(&format!("table:{table}")) else { return Ok(BTreeMap::new()) };
    let versions = installation.journal.state().tables.get(&dataset).map(|head| head.versions.clone()).unwrap_or_default();
    let loads = versions.iter().filter(|version| version.operation.loads());
    let gone = gone(installation, dataset);
    let mut runs = BTreeMap::new();
    for version in loads {
        if gone.contains(Offsets::path(dataset, version.sequence).as_ref()) {
            continue;
        }
        if let Some(offsets) = Offsets::read(installation, dataset, version.sequence).await? {
            runs.insert(version.sequence, offsets.run);
        }
    }
    Ok(runs)
}
