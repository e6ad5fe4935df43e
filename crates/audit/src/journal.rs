//! The journal: the door to the log.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use polder_types::event::EventKind;
use polder_types::{Clock, Event, RecordError, RecordRef, Recorder, Rng};
use tokio::sync::{mpsc, oneshot};

use crate::anchor::{Anchor, off_thread};
use crate::batch::BATCHES;
use crate::error::Error;
use crate::leaf::{Commitments, Leaf, Prepared};
use crate::load::{Floor, Loaded, Opened, load};
use crate::merkle::{Hash, consistency_plan, empty_root, inclusion_plan, leaf_hash};
use crate::note::{Checkpoint, Head, Signer, Verifier};
use crate::shelf::{Room, Shelf, list};
use crate::snapshot::Base;
use crate::state::State;
use crate::tile::TILE_LEAVES;
use crate::view::View;
use crate::writer::{Answer, Core, Message, Writer};

/// Events that may wait for the writer; more wait at the door.
const QUEUE_MAX: usize = 4096;

/// The audit log, open. Dropping it lets the writer finish what is queued. Before the process ends, call
/// [`Journal::snapshot`]: it makes the next opening fast, and is evidence of how far the log had come.
pub struct Journal {
    pub(crate) core: Arc<Core>,
    queue: Option<mpsc::Sender<Message>>,
    opened: Mutex<Opened>,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub index: u64,
    /// When it was recorded, in milliseconds since the epoch.
    pub time_ms: i64,
    pub event: EventKind,
    /// What stands for the actor and the private values.
    pub commitments: Commitments,
    /// The side object that opens the commitments.
    pub side: String,
    /// The leaf's bytes.
    pub leaf: Bytes,
    pub leaf_hash: Hash,
}

/// Shows that an entry is in the log. [`crate::verify_inclusion`] checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    pub index: u64,
    pub leaf_hash: Hash,
    pub size: u64,
    pub root: Hash,
    pub path: Vec<Hash>,
    /// The signed note with `size` and `root`.
    pub checkpoint: String,
}

/// Shows that an older log is a beginning of this one. [`crate::verify_consistency`] checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    pub old_size: u64,
    pub old_root: Hash,
    pub size: u64,
    pub root: Hash,
    pub path: Vec<Hash>,
    /// The signed note with `size` and `root`.
    pub checkpoint: String,
}

impl Journal {
    pub(crate) async fn create_on(
        shelf: Arc<dyn Shelf>,
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        anchor: Option<Anchor>,
    ) -> Result<Arc<Self>, Error> {
        let verifier = Verifier::new(signer.name(), signer.verifying_key())?;
        if let Some(anchor) = anchor.clone() {
            let verifier = verifier.clone();
            let path = anchor.path().to_owned();
            if off_thread(move || anchor.read(&verifier)).await?.is_some_and(|known| known.head.size > 0) {
                return Err(Error::AnchorInUse { path });
            }
        }
        for (room, under) in [(Room::Journal, BATCHES), (Room::Journal, "tile"), (Room::State, crate::snapshot::SNAPSHOTS)] {
            if !list(shelf.as_ref(), room, under).await?.is_empty() {
                return Err(Error::Exists);
            }
        }
        let head = Head { size: 0, root: empty_root(), epoch: 0, keyring: shelf.keyring_version() };
        let view = View::empty(Checkpoint::sign(head, &verifier, signer.as_ref())?);
        let opened = Opened { size: 0, replayed: 0, snapshot: None, refused: Vec::new() };
        let core = Core { shelf, verifier, anchor, clock, rng, view: RwLock::new(view), epoch: AtomicU64::new(0) };
        Ok(Self::start(core, signer, Vec::new(), opened))
    }

    pub(crate) async fn open_on(
        shelf: Arc<dyn Shelf>,
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        anchor: Option<Anchor>,
    ) -> Result<Arc<Self>, Error> {
        let verifier = Verifier::new(signer.name(), signer.verifying_key())?;
        let floor = floor(anchor.as_ref(), &verifier).await?;
        let Loaded { view, opened, batches } = load(shelf.as_ref(), &verifier, &floor, None).await?;
        if let (Some(anchor), None) = (anchor.clone(), &floor.anchor) {
            let (checkpoint, verifier) = (Arc::clone(&view.checkpoint), verifier.clone());
            off_thread(move || anchor.advance(&checkpoint, &verifier)).await?;
        }
        let epoch = AtomicU64::new(view.checkpoint.head.epoch);
        let core = Core { shelf, verifier, anchor, clock, rng, view: RwLock::new(view), epoch };
        Ok(Self::start(core, signer, batches, opened))
    }

    pub(crate) async fn open_read_only_on(
        shelf: Arc<dyn Shelf>,
        signer: &dyn Signer,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        anchor: Option<Anchor>,
    ) -> Result<Arc<Self>, Error> {
        let verifier = Verifier::new(signer.name(), signer.verifying_key())?;
        // The anchor first: what is read after it can only be newer.
        let floor = floor(anchor.as_ref(), &verifier).await?;
        let Loaded { view, opened, .. } = load(shelf.as_ref(), &verifier, &floor, None).await?;
        let epoch = AtomicU64::new(view.checkpoint.head.epoch);
        let core = Core { shelf, verifier, anchor, clock, rng, view: RwLock::new(view), epoch };
        Ok(Arc::new(Self { core: Arc::new(core), queue: None, opened: Mutex::new(opened) }))
    }

    fn start(core: Core, signer: Arc<dyn Signer>, batches: Vec<u64>, opened: Opened) -> Arc<Self> {
        let core = Arc::new(core);
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let writer = Writer::new(Arc::clone(&core), signer, batches, opened.snapshot.unwrap_or(0));
        tokio::spawn(writer.run(requests));
        Arc::new(Self { core, queue: Some(queue), opened: Mutex::new(opened) })
    }

    /// How the log was opened: what was replayed, and which snapshots did not verify.
    pub fn opened(&self) -> Opened {
        self.opened.lock().clone()
    }

    /// Entries in the log.
    pub fn size(&self) -> u64 {
        self.core.view.read().size()
    }

    /// The newest checkpoint, a signed note.
    pub fn checkpoint(&self) -> String {
        self.core.view.read().checkpoint.note.clone()
    }

    /// The log's public key as text, as other implementations take it.
    pub fn vkey(&self) -> String {
        self.core.verifier.vkey()
    }

    /// What the log says is so now.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.core.view.read().state)
    }

    /// The fencing epoch of the writer's lease. Every checkpoint carries it; after a larger one has appeared in the log,
    /// recording fails with kind Busy. A smaller one than before is not taken.
    pub fn set_epoch(&self, epoch: u64) {
        self.core.epoch.fetch_max(epoch, Ordering::SeqCst);
    }

    /// Writes a snapshot of the projection, if anything was recorded since the last one.
    ///
    /// # Errors
    /// When it cannot be written, the writer was stopped, or the log is open for reading only.
    pub async fn snapshot(&self) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.ask(Message::Snapshot(answer), answered).await
    }

    /// For a reader: takes up what the writer has appended since, and returns how many entries that is.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub async fn refresh(&self) -> Result<u64, Error> {
        if self.queue.is_some() {
            return Ok(0);
        }
        let view = self.core.view();
        let floor = floor(self.core.anchor.as_ref(), &self.core.verifier).await?;
        // A view that is ahead of the stored tiles cannot be read on from: the entries of those tiles are where they were.
        let onward = view.stored == view.size() / TILE_LEAVES;
        let base = onward.then(|| Base::of(&view));
        let loaded = load(self.core.shelf.as_ref(), &self.core.verifier, &floor, base).await?;
        let more = loaded.view.size().saturating_sub(view.size());
        *self.core.view.write() = loaded.view;
        Ok(more)
    }

    /// Entries of the log, in order.
    ///
    /// # Errors
    /// When the range reaches beyond the log, or an object of it is missing or changed.
    pub async fn entries(&self, range: Range<u64>) -> Result<Vec<Entry>, Error> {
        let view = self.core.view();
        if range.end > view.size() {
            return Err(Error::OutOfRange { index: range.end.saturating_sub(1), size: view.size() });
        }
        let mut entries = Vec::new();
        for tile in (range.start / TILE_LEAVES)..range.end.div_ceil(TILE_LEAVES) {
            let bundle = view.bundle(self.core.shelf.as_ref(), tile).await?;
            for (index, leaf) in (tile * TILE_LEAVES..).zip(bundle).filter(|(index, _)| range.contains(index)) {
                entries.push(self.entry(index, leaf)?);
            }
        }
        Ok(entries)
    }

    pub(crate) fn entry(&self, index: u64, bytes: Bytes) -> Result<Entry, Error> {
        let leaf = Leaf::parse(&bytes).map_err(|what| Error::corrupt(format!("entry {index}"), what))?;
        Ok(Entry {
            index,
            time_ms: leaf.time,
            event: leaf.event().clone(),
            commitments: leaf.commitments().clone(),
            side: leaf.side().to_owned(),
            leaf_hash: leaf_hash(&bytes),
            leaf: bytes,
        })
    }

    /// The proof that entry `index` is in the log.
    ///
    /// # Errors
    /// When there is no such entry, or a tile is missing or changed.
    pub async fn inclusion_proof(&self, index: u64) -> Result<InclusionProof, Error> {
        let view = self.core.view();
        let size = view.size();
        if index >= size {
            return Err(Error::OutOfRange { index, size });
        }
        let shelf = self.core.shelf.as_ref();
        let leaf = view.spans(shelf, &[crate::merkle::Span { start: index, end: index + 1 }]).await?;
        let path = view.spans(shelf, &inclusion_plan(index, size)).await?;
        let (leaf_hash, root) = (leaf.first().copied().unwrap_or_else(empty_root), view.edge.root());
        if !crate::merkle::verify_inclusion(leaf_hash, index, size, &path, root) {
            return Err(Error::corrupt(shelf.path(Room::Journal, "tile"), "its tiles do not lead to the signed root"));
        }
        Ok(InclusionProof { index, leaf_hash, size, root, path, checkpoint: view.checkpoint.note.clone() })
    }

    /// The proof that the log as it was with `old_size` entries is a beginning of the log as it is.
    ///
    /// # Errors
    /// When the log has fewer entries, or a tile is missing or changed.
    pub async fn consistency_proof(&self, old_size: u64) -> Result<ConsistencyProof, Error> {
        let view = self.core.view();
        let size = view.size();
        if old_size > size {
            return Err(Error::OutOfRange { index: old_size.saturating_sub(1), size });
        }
        let shelf = self.core.shelf.as_ref();
        let old = view.spans(shelf, &[crate::merkle::Span { start: 0, end: old_size }]).await?;
        let path = view.spans(shelf, &consistency_plan(old_size, size)).await?;
        let (old_root, root) = (old.first().copied().unwrap_or_else(empty_root), view.edge.root());
        if !crate::merkle::verify_consistency(old_size, old_root, size, root, &path) {
            return Err(Error::corrupt(shelf.path(Room::Journal, "tile"), "its tiles do not lead to the signed root"));
        }
        Ok(ConsistencyProof { old_size, old_root, size, root, path, checkpoint: view.checkpoint.note.clone() })
    }

    async fn ask<T>(&self, message: Message, answered: oneshot::Receiver<Answer<T>>) -> Result<T, Error> {
        let queue = self.queue.as_ref().ok_or(Error::ReadOnly)?;
        queue.send(message).await.map_err(|_| Error::Stopped)?;
        answered.await.map_err(|_| Error::Stopped)?.map_err(Error::Shared)
    }

    async fn append(&self, event: Event) -> Result<u64, Error> {
        // A kind holds ids, counts and hashes, and nothing else: it becomes a leaf that third parties see.
        tracing::info!(event = %serde_json::to_string(&event.kind).unwrap_or_default(), "record");
        let prepared = Prepared::new(event, self.core.rng.as_ref())?;
        let (answer, answered) = oneshot::channel();
        self.ask(Message::Record(Box::new(prepared), answer), answered).await
    }
}

/// What the log must at least hold, from the anchor.
pub(crate) async fn floor(anchor: Option<&Anchor>, verifier: &Verifier) -> Result<Floor, Error> {
    let Some(anchor) = anchor.cloned() else { return Ok(Floor::default()) };
    let verifier = verifier.clone();
    let anchor = off_thread(move || anchor.require(&verifier)).await?;
    Ok(Floor { anchor })
}

#[async_trait]
impl Recorder for Journal {
    async fn record(&self, event: Event) -> Result<RecordRef, RecordError> {
        match self.append(event).await {
            Ok(index) => Ok(RecordRef { index }),
            Err(error) => {
                let (kind, message) = (error.kind(), error.to_string());
                let caused = std::error::Error::source(&error).is_some();
                Err(RecordError { kind, message, source: caused.then(|| Box::new(Because(error)) as _) })
            }
        }
    }
}

/// The cause of an error whose own text was told already.
#[derive(Debug)]
struct Because(Error);

impl std::fmt::Display for Because {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match std::error::Error::source(&self.0) {
            Some(cause) => write!(f, "{cause}"),
            None => write!(f, "no further cause"),
        }
    }
}

impl std::error::Error for Because {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0).and_then(std::error::Error::source)
    }
}
