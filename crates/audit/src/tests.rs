//! The journal as a whole. `memory` injects a fault at each single step; `sealed` runs on the real store.

mod append;
mod crash;
mod export;
mod fence;
mod format;
mod full;
mod kill;
mod memory;
mod rollback;
mod sealed;
mod tamper;
mod texts;

use std::sync::Arc;

use polder_types::event::{CommitResult, EventKind, TableOperation};
use polder_types::{DatasetId, Event, LineageId, ManualClock, PrincipalId, Recorder, SeededRng};

use crate::note::tests::TestSigner;
use crate::shelf::Shelf;
use crate::{Anchor, Error, Journal};

pub(crate) const ORIGIN: &str = "polder/00112233445566778899aabbccddeeff";
pub(crate) const DATASET: DatasetId = DatasetId([1; 16]);

pub(crate) fn signer() -> Arc<TestSigner> {
    Arc::new(TestSigner::new(ORIGIN, 1))
}

pub(crate) async fn create(shelf: &Arc<dyn Shelf>, seed: u64, anchor: Option<Anchor>) -> Result<Arc<Journal>, Error> {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    Journal::create_on(Arc::clone(shelf), signer(), clock, Arc::new(SeededRng::new(seed)), anchor).await
}

pub(crate) async fn open(shelf: &Arc<dyn Shelf>, seed: u64, anchor: Option<Anchor>) -> Result<Arc<Journal>, Error> {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    Journal::open_on(Arc::clone(shelf), signer(), clock, Arc::new(SeededRng::new(seed)), anchor).await
}

pub(crate) async fn open_read_only(shelf: &Arc<dyn Shelf>, anchor: Option<Anchor>) -> Result<Arc<Journal>, Error> {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    Journal::open_read_only_on(Arc::clone(shelf), signer().as_ref(), clock, Arc::new(SeededRng::new(9)), anchor).await
}

pub(crate) fn actor() -> PrincipalId {
    PrincipalId::new("user", "ann").unwrap()
}

/// The n-th of a series of events: an installation, then pairs of intent and outcome, each with a private value.
pub(crate) fn event(n: u64) -> Event {
    let (dataset, operation, version) = (DATASET, TableOperation::Append, n.div_ceil(2));
    let log_hash = format!("{version:064x}");
    let kind = match n {
        0 => EventKind::InstallationCreated { lineage: LineageId([7; 16]) },
        n if n % 2 == 1 => EventKind::CommitIntent { dataset, operation, sequence: version, version, log_hash, epoch: 0 },
        _ => EventKind::CommitOutcome {
            dataset,
            operation,
            sequence: version,
            version,
            log_hash,
            result: CommitResult::Committed,
            counts: None,
        },
    };
    Event::new(&actor(), kind).with("sql", format!("select {n}"))
}

/// Records events `from..to` of the series, one after another.
pub(crate) async fn record(journal: &Journal, from: u64, to: u64) {
    for n in from..to {
        assert_eq!(journal.record(event(n)).await.unwrap().index, n);
    }
}

/// Records events `from..to` in their order, in groups as large as the writer makes them.
pub(crate) async fn record_grouped(journal: &Arc<Journal>, from: u64, to: u64) {
    for chunk in (from..to).collect::<Vec<_>>().chunks(300) {
        let mut calls: Vec<_> = chunk.iter().map(|n| (*n, Some(Box::pin(journal.record(event(*n)))))).collect();
        // Polled once in order, each puts its event into the queue; only then is any awaited.
        for (n, call) in &mut calls {
            if let Some(pending) = call
                && let std::task::Poll::Ready(done) = futures::poll!(pending.as_mut())
            {
                assert_eq!(done.unwrap().index, *n);
                *call = None;
            }
        }
        for (n, call) in calls {
            if let Some(call) = call {
                assert_eq!(call.await.unwrap().index, n);
            }
        }
    }
}

/// That the journal holds exactly events `0..size` of the series and the state that follows from them.
pub(crate) async fn check(journal: &Journal, size: u64) {
    assert_eq!(journal.size(), size);
    let entries = journal.entries(0..size).await.unwrap();
    assert_eq!(entries.len() as u64, size);
    for (n, entry) in (0u64..).zip(&entries) {
        assert_eq!((entry.index, &entry.event), (n, &event(n).kind));
    }
    let mut state = crate::State::default();
    for entry in &entries {
        state.apply(entry.index, entry.time_ms, &entry.event);
    }
    assert_eq!(*journal.state(), state);
}
