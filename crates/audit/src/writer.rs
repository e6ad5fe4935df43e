//! The one task that appends: whoever is queued while a group is being written goes into the next group. What is tidied in the meantime is
//! tidied beside it: nobody waits for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use polder_types::{Clock, Rng};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::anchor::{Anchor, off_thread};
use crate::batch::{self, Batch};
use crate::error::Error;
use crate::fold::{Fold, Folded};
use crate::leaf::Prepared;
use crate::load::{Floor, load};
use crate::note::{Checkpoint, Head, Signer, Verifier};
use crate::shelf::{Fault, Room, Shelf, create_same, read};
use crate::side::{self, Side};
use crate::snapshot::Base;
use crate::tile::{TILE_LEAVES, TILE_WIDTH, bundle_path};
use crate::view::View;

/// Most entries of one group.
pub(crate) const GROUP_MAX: usize = 512;
/// A snapshot is taken after this many entries.
const SNAPSHOT_EVERY: u64 = 4096;
/// How often a writer with the larger epoch reads on after one that it has replaced wrote once more.
const CATCH_UP_MAX: usize = 64;

/// What all parts of an open journal share.
pub(crate) struct Core {
    pub(crate) shelf: Arc<dyn Shelf>,
    pub(crate) verifier: Verifier,
    pub(crate) anchor: Option<Anchor>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) view: RwLock<View>,
    pub(crate) epoch: AtomicU64,
}

impl Core {
    pub(crate) fn view(&self) -> View {
        self.view.read().clone()
    }
}

pub(crate) type Answer<T> = Result<T, Arc<Error>>;

pub(crate) enum Message {
    Record(Box<Prepared>, oneshot::Sender<Answer<u64>>),
    Snapshot(oneshot::Sender<Answer<()>>),
}

type Request = (Box<Prepared>, oneshot::Sender<Answer<u64>>);

pub(crate) struct Writer {
    core: Arc<Core>,
    signer: Arc<dyn Signer>,
    /// First and end of each batch in the store, the newest last.
    batches: Vec<(u64, u64)>,
    /// A side object of entries that are in the log already.
    owed: Option<(String, Bytes)>,
    /// The disk was full, and a part of the reserve is in use.
    full: bool,
    /// Why nothing more is appended.
    stopped: Option<Arc<Error>>,
    snapshot_size: u64,
    /// What is being tidied.
    folding: Option<JoinHandle<Result<Folded, Error>>>,
    /// What a crash left behind is still to be removed.
    swept: bool,
}

/// What became of a group.
enum Written {
    Done,
    /// Another writer has been there; the view was brought up to date.
    Again,
}

impl Writer {
    pub(crate) fn new(core: Arc<Core>, signer: Arc<dyn Signer>, batches: Vec<u64>, snapshot_size: u64) -> Self {
        let end = core.view().size();
        let ends = batches.iter().skip(1).copied().chain([end]);
        let batches = batches.iter().copied().zip(ends).collect();
        Self { core, signer, batches, owed: None, full: false, stopped: None, snapshot_size, folding: None, swept: false }
    }

    /// Runs until the journal is dropped and what is queued is written.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut messages = Vec::new();
        while queue.recv_many(&mut messages, GROUP_MAX).await > 0 {
            let mut group = Vec::new();
            let mut snapshots = Vec::new();
            for message in messages.drain(..) {
                match message {
                    Message::Record(prepared, answer) => group.push((prepared, answer)),
                    Message::Snapshot(answer) => snapshots.push(answer),
                }
            }
            if !group.is_empty() {
                self.group(group).await;
                if self.stopped.is_none() {
                    self.tidy().await;
                }
            }
            for answer in snapshots {
                // The caller may have gone; the snapshot is there all the same.
                drop(answer.send(self.snapshot().await.map_err(Arc::new)));
            }
        }
        // The log is closed: what is being tidied is not left half done, though it could be.
        drop(self.settle().await);
    }

    async fn group(&mut self, mut group: Vec<Request>) {
        if let Some(stopped) = &self.stopped {
            return answer_all(group, &Err(Arc::clone(stopped)));
        }
        if self.full && group.iter().any(|(prepared, _)| !prepared.allowed_when_full()) {
            self.full = self.core.shelf.restore_reserve().await.is_err();
        }
        let mut rounds = 0;
        loop {
            if self.full {
                group = refuse_when_full(group, &self.core);
            }
            if group.is_empty() {
                return;
            }
            let first = self.core.view().size();
            match self.write(&group).await {
                Ok(Written::Done) => {
                    for (index, (_, answer)) in (first..).zip(group) {
                        drop(answer.send(Ok(index)));
                    }
                    return;
                }
                Ok(Written::Again) if rounds < CATCH_UP_MAX => rounds += 1,
                Ok(Written::Again) => return answer_all(group, &Err(Arc::new(Error::Moved))),
                Err(Error::Full { object, source }) => {
                    self.full = true;
                    let allowed = group.iter().any(|(prepared, _)| prepared.allowed_when_full());
                    if allowed && self.core.shelf.release_reserve().await.is_err() {
                        return answer_all(group, &Err(Arc::new(Error::Full { object, source })));
                    }
                }
                Err(error) => {
                    let error = Arc::new(error);
                    if matches!(*error, Error::Fenced { .. } | Error::Unknown { .. } | Error::Corrupt { .. }) {
                        self.stopped = Some(Arc::clone(&error));
                    }
                    return answer_all(group, &Err(error));
                }
            }
        }
    }

    /// Writes one group: side object and batch at the same time, then the anchor.
    async fn write(&mut self, group: &[Request]) -> Result<Written, Error> {
        self.pay_owed().await?;
        let view = self.core.view();
        let first = view.size();
        let ours = self.core.epoch.load(Ordering::SeqCst);
        let before = view.checkpoint.head;
        if ours < before.epoch {
            return Err(Error::Fenced { index: first, ours, theirs: before.epoch });
        }
        let mut random = [0; 8];
        self.core.rng.fill(&mut random)?;
        let side_name = side::name(first, random);
        let time = self.core.clock.now_ms();
        // The projection follows when the entries are durable: it is changed in place where nobody else holds it.
        let mut next = View { state: Arc::default(), ..view };
        let mut entries = Vec::with_capacity(group.len());
        for (prepared, _) in group {
            let entry = Bytes::from(prepared.encode(time, &side_name)?);
            next.push_entry(entry.clone());
            entries.push(entry);
        }
        let keyring = self.core.shelf.keyring_version().max(before.keyring);
        let head = Head { size: next.size(), root: next.edge.root(), epoch: ours, keyring };
        let checkpoint = Checkpoint::sign(head, &self.core.verifier, self.signer.as_ref())?;
        next.checkpoint = Arc::new(checkpoint.clone());
        let batch =
            Batch { first, entries, checkpoint }.encode().ok_or(Error::EventTooLarge { what: "an entry has more than 65,535 bytes" })?;
        let side = Side::new(first, group.iter().map(|(prepared, _)| prepared.opening.clone()).collect()).encode()?;
        let side_rest = side::path(&side_name).unwrap_or_default();
        let batch_rest = batch::path(first);
        let side_bytes = Bytes::from(side);
        let shelf = Arc::clone(&self.core.shelf);
        let (batch_done, side_done) = tokio::join!(
            shelf.create(Room::Journal, &batch_rest, batch.clone()),
            shelf.create(Room::Private, &side_rest, side_bytes.clone())
        );
        match batch_done {
            Ok(()) => {}
            Err(fault) => {
                let outcome = self.not_written(fault, first, &batch, ours).await;
                if !matches!(outcome, Err(Error::Unknown { .. })) {
                    self.remove_side(&side_rest).await;
                }
                return outcome;
            }
        }
        // The name was free because it was never used, or because a later writer has folded it into a tile.
        let bundle = bundle_path(first / TILE_LEAVES, TILE_WIDTH);
        let unknown = |fault: Fault| Error::Unknown { object: shelf.path(Room::Journal, &batch_rest), source: cause(fault) };
        if shelf.exists(Room::Journal, &bundle).await.map_err(unknown)? {
            self.remove_batch(&batch_rest).await;
            self.remove_side(&side_rest).await;
            return Err(Error::Fenced { index: first, ours, theirs: ours.saturating_add(1) });
        }
        self.batches.push((first, next.size()));
        let new_checkpoint = Arc::clone(&next.checkpoint);
        self.publish(next, group, time);
        if let Err(fault) = side_done {
            self.owed = Some((side_rest, side_bytes));
            if matches!(fault, Fault::Full(_)) {
                self.full = true;
                // The entries are in the log: what belongs to them is written from the reserve.
                let freed = shelf.release_reserve().await.map_err(|fault| fault.at("free", "the reserve".to_owned()));
                if freed.is_ok() && self.pay_owed().await.is_ok() {
                    return self.advance_anchor(&new_checkpoint).await;
                }
            }
            let path = self.owed.as_ref().map(|(rest, _)| shelf.path(Room::Private, rest)).unwrap_or_default();
            return Err(Error::Incomplete { what: "its side object", source: Box::new(fault.at("write", path)) });
        }
        if !self.swept
            && let Err(error) = self.sweep(&side_name, first).await
        {
            tracing::warn!(error = %error, "what a crash left of the audit log could not be removed; the next group tries again");
        }
        self.advance_anchor(&new_checkpoint).await
    }

    fn publish(&self, mut next: View, group: &[Request], time: i64) {
        let mut view = self.core.view.write();
        next.state = std::mem::take(&mut view.state);
        let state = Arc::make_mut(&mut next.state);
        for (prepared, _) in group {
            state.apply(state.size, time, &prepared.kind);
        }
        *view = next;
    }

    async fn advance_anchor(&self, checkpoint: &Arc<Checkpoint>) -> Result<Written, Error> {
        if let Some(anchor) = self.core.anchor.clone() {
            let (checkpoint, verifier) = (Arc::clone(checkpoint), self.core.verifier.clone());
            off_thread(move || anchor.advance(&checkpoint, &verifier))
                .await
                .map_err(|source| Error::Incomplete { what: "the anchor", source: Box::new(source) })?;
        }
        Ok(Written::Done)
    }

    /// What a failed create of a batch means: nothing was written, someone else was first, or nobody knows.
    async fn not_written(&mut self, fault: Fault, first: u64, batch: &Bytes, ours: u64) -> Result<Written, Error> {
        let rest = batch::path(first);
        let path = self.core.shelf.path(Room::Journal, &rest);
        match fault {
            Fault::Exists => {
                let theirs = read(self.core.shelf.as_ref(), Room::Journal, &rest).await?;
                if theirs == *batch {
                    return Err(Error::Unknown { object: path, source: None });
                }
                let theirs = Batch::decode(first, &theirs, &self.core.verifier).map_err(|what| Error::corrupt(path, what))?;
                let epoch = theirs.checkpoint.head.epoch;
                if epoch >= ours {
                    return Err(Error::Fenced { index: first, ours, theirs: epoch });
                }
                self.catch_up().await?;
                Ok(Written::Again)
            }
            fault => match self.core.shelf.read(Room::Journal, &rest).await {
                Err(Fault::NotFound) => Err(fault.at("write", path)),
                _ => Err(Error::Unknown { object: path, source: cause(fault) }),
            },
        }
    }

    /// Reads on what a writer with a smaller epoch has appended since.
    async fn catch_up(&mut self) -> Result<(), Error> {
        drop(self.settle().await);
        let folded = self.fold(u64::MAX).run().await?;
        self.take_over(&folded);
        let base = Base::of(&self.core.view());
        let loaded = load(self.core.shelf.as_ref(), &self.core.verifier, &Floor::default(), Some(base)).await?;
        let ends = loaded.batches.iter().skip(1).copied().chain([loaded.view.size()]);
        self.batches = loaded.batches.iter().copied().zip(ends).collect();
        *self.core.view.write() = loaded.view;
        Ok(())
    }

    async fn pay_owed(&mut self) -> Result<(), Error> {
        if let Some((rest, bytes)) = &self.owed {
            create_same(self.core.shelf.as_ref(), Room::Private, rest, bytes.clone()).await?;
            self.owed = None;
        }
        Ok(())
    }

    async fn remove_side(&self, rest: &str) {
        self.remove(Room::Private, rest).await;
    }

    async fn remove_batch(&self, rest: &str) {
        self.remove(Room::Journal, rest).await;
    }

    /// Removes what no entry names. When that fails, it stays unread: verifying counts it.
    async fn remove(&self, room: Room, rest: &str) {
        if self.core.shelf.delete(room, vec![rest.to_owned()]).await.is_err() {
            tracing::warn!(object = self.core.shelf.path(room, rest), "an object that belongs to no entry could not be removed");
        }
    }

    /// After a group was acknowledged: full tiles are written, and now and then a snapshot. Neither can lose an entry, and the next group does
    /// not wait for it: its entries are beyond those that are folded. One of it goes on at a time.
    async fn tidy(&mut self) {
        if self.folding.as_ref().is_some_and(|folding| !folding.is_finished()) {
            return;
        }
        // What failed is tried again with what came since.
        if self.settle().await.is_err() {
            return;
        }
        let fold = self.fold(SNAPSHOT_EVERY);
        if fold.has_work() {
            self.folding = Some(tokio::spawn(fold.run()));
        }
    }

    /// Of the log as it is, with a snapshot where there were so many entries since the last one.
    fn fold(&self, snapshot_after: u64) -> Fold {
        let view = self.core.view();
        let snapshot = view.size().saturating_sub(self.snapshot_size) >= snapshot_after;
        Fold::new(Arc::clone(&self.core.shelf), view, &self.batches, snapshot)
    }

    /// Waits for what is being tidied, and takes over what became of it.
    async fn settle(&mut self) -> Result<(), Error> {
        let Some(folding) = self.folding.take() else { return Ok(()) };
        let folded = match folding.await {
            Ok(folded) => folded,
            // Nobody ends it but the runtime with its own end.
            Err(_) => return Err(Error::Stopped),
        };
        let folded = folded.inspect_err(|error| {
            tracing::warn!(error = %error, "the audit log could not be tidied; the entries stay in their batches");
        });
        self.take_over(&folded?);
        Ok(())
    }

    fn take_over(&mut self, folded: &Folded) {
        folded.forget_in(&mut self.core.view.write());
        self.batches.retain(|(first, _)| !folded.removed(*first));
        self.snapshot_size = self.snapshot_size.max(folded.snapshot_size());
    }

    async fn snapshot(&mut self) -> Result<(), Error> {
        if let Some(stopped) = &self.stopped {
            return Err(Error::Shared(Arc::clone(stopped)));
        }
        // What failed on its way is done here, and fails again where it must.
        drop(self.settle().await);
        let folded = self.fold(1).run().await?;
        self.take_over(&folded);
        Ok(())
    }

    /// Removes what a crash left behind: side objects of a group that never was, batches that tiles hold already. Only after the
    /// first group: from then on no writer that this one replaced can still append what such a side object belongs to.
    async fn sweep(&mut self, ours: &str, first: u64) -> Result<(), Error> {
        let shelf = self.core.shelf.as_ref();
        let directory = side::directory(first);
        let names = crate::shelf::list(shelf, Room::Private, &directory).await?;
        let orphan = |name: &&String| name.as_str() != ours && side::first_of(name).is_some_and(|other| other >= first);
        let orphans: Vec<String> = names.iter().filter(orphan).map(|name| format!("{directory}/{name}")).collect();
        if !orphans.is_empty() {
            shelf.delete(Room::Private, orphans).await.map_err(|fault| fault.at("remove", shelf.path(Room::Private, &directory)))?;
        }
        self.swept = true;
        Ok(())
    }
}

fn answer_all(group: Vec<Request>, answer: &Answer<u64>) {
    for (_, sender) in group {
        // Whoever asked may have gone; nothing follows from an answer that nobody hears.
        drop(sender.send(answer.clone()));
    }
}

/// Answers what is not recorded on a full disk; gives back the rest.
fn refuse_when_full(group: Vec<Request>, core: &Core) -> Vec<Request> {
    let (allowed, refused): (Vec<Request>, Vec<Request>) = group.into_iter().partition(|(prepared, _)| prepared.allowed_when_full());
    if !refused.is_empty() {
        let object = core.shelf.path(Room::Journal, batch::BATCHES);
        answer_all(refused, &Err(Arc::new(Error::Full { object, source: None })));
    }
    allowed
}

fn cause(fault: Fault) -> Option<crate::error::Cause> {
    match fault {
        Fault::Full(cause) | Fault::Corrupt(cause) | Fault::Failed(cause) => Some(cause),
        Fault::NotFound | Fault::Exists => None,
    }
}
