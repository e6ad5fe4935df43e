//! Adapters between the crates' ports: the journal's projection for the lake, the lease for its fence, sealed temporary
//! files for the gate, and the faults that tests inject.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use async_trait::async_trait;
use polder_audit::Journal;
use polder_contract::{GateFaults, SpillFiles, SpillSink, SpillSource};
use polder_lake::ports::{DestroyedKey, Failpoints, Faults, Fence, FenceError, Head, Heads, KnownVersion, OpenIntent};
use polder_lake::{Lake, LakeOptions, LakePorts};
use polder_store::{Lease, TempFile, TempSpace, TempWriter};
use polder_types::{DatasetId, ErrorKind, PrincipalId};

use crate::failure::{Failure, Outcome};
use crate::installation::Installation;

/// The journal's projection, as the lake asks for it.
struct Projection(Arc<Journal>);

impl std::fmt::Debug for Projection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Projection")
    }
}

impl Heads for Projection {
    fn head(&self, dataset: DatasetId) -> Option<Head> {
        let state = self.0.state();
        let head = state.tables.get(&dataset)?;
        Some(Head { version: head.version, log_hash: head.log_hash.clone(), sequence: head.sequence })
    }

    fn versions(&self, dataset: DatasetId) -> Vec<KnownVersion> {
        let state = self.0.state();
        let versions = state.tables.get(&dataset).map(|head| head.versions.as_slice()).unwrap_or_default();
        versions
            .iter()
            .map(|version| KnownVersion {
                version: version.version,
                log_hash: version.log_hash.clone(),
                operation: version.operation,
                time_ms: version.time_ms,
                index: version.index,
            })
            .collect()
    }

    fn open_intents(&self, dataset: DatasetId) -> Vec<OpenIntent> {
        let state = self.0.state();
        let of_table = state.open_intents.iter().filter(|intent| intent.dataset == dataset);
        of_table
            .map(|intent| OpenIntent {
                operation: intent.operation,
                sequence: intent.sequence,
                version: intent.version,
                log_hash: intent.log_hash.clone(),
                epoch: intent.epoch,
            })
            .collect()
    }

    fn destroyed(&self, dataset: DatasetId) -> BTreeMap<String, DestroyedKey> {
        let state = self.0.state();
        let objects = state.destroyed_objects(dataset);
        objects.map(|(object, key_version, at)| (object.to_owned(), DestroyedKey { key_version, time_ms: at.time_ms })).collect()
    }
}

/// The writer's lease; a reader has none and may commit nothing.
#[derive(Debug)]
struct LeaseFence(Option<Arc<Lease>>);

#[async_trait]
impl Fence for LeaseFence {
    fn epoch(&self) -> u64 {
        self.0.as_ref().map_or(0, |lease| lease.epoch())
    }

    async fn check(&self) -> Result<(), FenceError> {
        match &self.0 {
            Some(lease) => {
                crate::failpoint::hit("pause");
                lease.check().await.map_err(|error| FenceError { kind: error.kind(), message: error.to_string() })
            }
            None => Err(FenceError { kind: ErrorKind::Busy, message: "the installation is open for reading only".to_owned() }),
        }
    }
}

/// Points of the lake, ended by the same signal as the program's own.
#[derive(Debug)]
struct Points;

impl Failpoints for Points {
    fn hit(&self, name: &str) {
        crate::failpoint::hit(name);
    }
}

/// A batch that a test makes the program lose: `reader:SEED`, `keys:SEED`, `gate:SEED` or `writer:SEED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    place: LossPlace,
    seed: u64,
}

/// Where it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LossPlace {
    /// Between the source and the gate.
    Reader,
    /// Between the source and those who compare its keys with the table's.
    Keys,
    Gate,
    Writer,
}

impl Loss {
    /// Reads the hidden option.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Outcome<Self> {
        let parsed = text.split_once(':').and_then(|(place, seed)| {
            let place = match place {
                "reader" => LossPlace::Reader,
                "keys" => LossPlace::Keys,
                "gate" => LossPlace::Gate,
                "writer" => LossPlace::Writer,
                _ => return None,
            };
            Some(Self { place, seed: seed.parse().ok()? })
        });
        let words = "lose a batch: write reader:SEED, keys:SEED, gate:SEED or writer:SEED";
        parsed.ok_or_else(|| Failure::new(ErrorKind::Invalid, words))
    }

    /// The batch that is lost: one of the first three, so that small sources have it too.
    fn batch(self) -> u64 {
        self.seed % 3
    }

    /// The batch that is lost before it comes to the gate.
    pub fn in_reader(self) -> Option<u64> {
        (self.place == LossPlace::Reader).then(|| self.batch())
    }

    /// The batch of keys that is lost.
    pub fn in_keys(self) -> Option<u64> {
        (self.place == LossPlace::Keys).then(|| self.batch())
    }

    /// The fault for the gate, when the batch is lost there.
    pub fn in_gate(self) -> Option<Arc<dyn GateFaults>> {
        (self.place == LossPlace::Gate).then(|| Arc::new(GateLoss(self.batch())) as Arc<dyn GateFaults>)
    }
}

/// The gate loses the batch that the seed chooses among the first few.
struct GateLoss(u64);

impl GateFaults for GateLoss {
    fn lose_batch(&self, batch: u64) -> bool {
        batch == self.0
    }
}

/// The writer loses the batch that the seed chooses among the first few.
#[derive(Debug)]
struct WriterLoss(u64);

impl Faults for WriterLoss {
    fn lose_batch(&self, batch: u64) -> bool {
        batch == self.0
    }
}

impl Installation {
    /// The lake on this installation's store, with what it needs.
    ///
    /// # Errors
    /// Only a defect of the program.
    pub fn lake(&self, loss: Option<Loss>) -> Outcome<Lake> {
        let service = PrincipalId::new("service", "lake").map_err(|error| Failure::of(ErrorKind::Internal, &error))?;
        let ports = LakePorts {
            recorder: Arc::clone(&self.journal) as Arc<dyn polder_types::Recorder>,
            heads: Arc::new(Projection(Arc::clone(&self.journal))),
            fence: Arc::new(LeaseFence(self.lease.clone())),
            clock: Arc::clone(&self.clock),
            rng: Arc::clone(&self.rng),
            service,
        };
        let mut options = LakeOptions { failpoints: Arc::new(Points), ..LakeOptions::default() };
        if let Some(loss) = loss.filter(|loss| loss.place == LossPlace::Writer) {
            options.faults = Arc::new(WriterLoss(loss.batch()));
        }
        Ok(Lake::new(self.store.clone(), ports, options))
    }

    /// Sealed temporary files for the gate.
    pub fn spill(&self) -> Arc<dyn SpillFiles> {
        Arc::new(Spill(self.temp.clone()))
    }
}

struct Spill(TempSpace);

impl SpillFiles for Spill {
    fn create(&self) -> io::Result<Box<dyn SpillSink>> {
        Ok(Box::new(Sink(self.0.create().map_err(io::Error::other)?)))
    }
}

struct Sink(TempWriter);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl SpillSink for Sink {
    fn finish(self: Box<Self>) -> io::Result<Box<dyn SpillSource>> {
        Ok(Box::new(Source(self.0.finish().map_err(io::Error::other)?)))
    }
}

struct Source(TempFile);

impl SpillSource for Source {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.0.reader()))
    }
}
