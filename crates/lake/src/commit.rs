//! One commit: intent (durable), create-only put, outcome (durable). One at a time per table.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use deltalake_core::kernel::transaction::{CommitBuilder, TableReference};
use deltalake_core::kernel::{Action, CommitInfo};
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::protocol::DeltaOperation;
use polder_types::event::{CommitResult, Counts, TableOperation};
use polder_types::{DatasetId, Event, EventKind, PrincipalId};

use crate::error::Error;
use crate::lake::{CommitPermit, Lake};
use crate::log_store::{CommitContext, Intended, SealedLogStore};
use crate::snapshot::TableSnapshot;

/// What is to be committed on top of `base`, which must be the table's head.
pub(crate) struct Commit<'a> {
    pub dataset: DatasetId,
    pub actor: &'a PrincipalId,
    pub operation: TableOperation,
    pub sequence: u64,
    pub counts: Option<Counts>,
    pub base: Option<&'a TableSnapshot>,
    pub actions: Vec<Action>,
    pub delta: DeltaOperation,
}

impl Lake {
    /// Commits; the caller holds the table's commit lock, which `_permit` proves.
    pub(crate) async fn commit(&self, commit: Commit<'_>, _permit: &CommitPermit) -> Result<u64, Error> {
        let Commit { dataset, actor, operation, sequence, counts, base, actions, delta } = commit;
        let log = self.log(dataset).await?;
        if base.map(|base| base.version) != log.head() && base.is_some() {
            return Err(Error::Internal { step: "commit on an old version", dataset });
        }
        let next = match log.head() {
            Some(head) => head.checked_add(1).ok_or(Error::Internal { step: "count the versions", dataset })?,
            None => 0,
        };
        let store = SealedLogStore::new(dataset, &log, Some(self.commit_context(actor, operation, sequence)))?;
        let mut info = delta.get_commit_info();
        info.timestamp = Some(self.inner.clock.now_ms());
        info.engine_info = Some(concat!("polder/", env!("CARGO_PKG_VERSION")).to_owned());
        let mut all = vec![Action::CommitInfo(info)];
        all.extend(actions);
        let done = match base {
            Some(base) => {
                let reference: &dyn TableReference = &base.delta;
                let builder = CommitBuilder::default().with_actions(all).with_max_retries(0);
                let prepared = builder.build(Some(reference), Arc::clone(&store) as LogStoreRef, delta).into_prepared_commit_future().await;
                match prepared {
                    // What would follow (checkpoints, clean-up) reads the new version before its outcome: it is dropped.
                    Ok(prepared) => prepared.await.map(drop),
                    Err(error) => Err(error),
                }
                .map_err(|error| store.take_error().unwrap_or_else(|| Error::delta("commit a version", dataset, error)))
            }
            None => match lines(&all, dataset) {
                Ok(bytes) => store.commit(next, bytes).await,
                Err(error) => Err(error),
            },
        };
        let intended = store.intended();
        match (done, intended) {
            (Ok(()), Some(intended)) => {
                self.inner.failpoints.hit("lake.before_outcome");
                self.outcome(dataset, actor, operation, sequence, &intended, CommitResult::Committed, counts).await?;
                self.inner.failpoints.hit("lake.after_outcome");
                Ok(intended.version)
            }
            (Ok(()), None) => Err(Error::Internal { step: "commit without an intent", dataset }),
            (Err(error @ Error::Conflict { .. }), Some(intended)) => {
                // Another object holds the version, so this commit cannot appear any more. What `recover` finds out about
                // that object comes later; here the first error is the one to report.
                let closed = self.outcome(dataset, actor, operation, sequence, &intended, CommitResult::Aborted, None).await;
                if let Err(unrecorded) = closed {
                    tracing::warn!(%dataset, error = %unrecorded, "the aborted commit stays open until the table is opened again");
                }
                Err(error)
            }
            // Whether the commit stands is not known: the intent stays open, and `recover` decides.
            (Err(error), _) => Err(error),
        }
    }

    pub(crate) fn commit_context(&self, actor: &PrincipalId, operation: TableOperation, sequence: u64) -> CommitContext {
        let inner = &self.inner;
        CommitContext {
            store: Arc::clone(&inner.store),
            recorder: Arc::clone(&inner.recorder),
            fence: Arc::clone(&inner.fence),
            failpoints: Arc::clone(&inner.failpoints),
            actor: actor.clone(),
            operation,
            sequence,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "these are the fields of the recorded event")]
    pub(crate) async fn outcome(
        &self,
        dataset: DatasetId,
        actor: &PrincipalId,
        operation: TableOperation,
        sequence: u64,
        intended: &Intended,
        result: CommitResult,
        counts: Option<Counts>,
    ) -> Result<(), Error> {
        let kind = EventKind::CommitOutcome {
            dataset,
            operation,
            sequence,
            version: intended.version,
            log_hash: intended.log_hash.clone(),
            result,
            counts,
        };
        self.record(dataset, Event::new(actor, kind)).await
    }

    pub(crate) async fn record(&self, dataset: DatasetId, event: Event) -> Result<(), Error> {
        self.inner.recorder.record(event).await.map(drop).map_err(|source| Error::Record { dataset, source })
    }
}

/// A commit's bytes, one action a line.
pub(crate) fn lines(actions: &[Action], dataset: DatasetId) -> Result<Bytes, Error> {
    let lines: Vec<String> = actions
        .iter()
        .map(|action| serde_json::to_string(action).map_err(|_| Error::Internal { step: "encode the log", dataset }))
        .collect::<Result<_, _>>()?;
    Ok(Bytes::from(lines.join("\n")))
}

/// The bytes of an empty version that takes a version number from a writer that lost its lease.
pub(crate) fn fence_lines(dataset: DatasetId, now_ms: i64, epoch: u64) -> Result<Bytes, Error> {
    let info = CommitInfo {
        timestamp: Some(now_ms),
        operation: Some("FENCE".to_owned()),
        engine_info: Some(concat!("polder/", env!("CARGO_PKG_VERSION")).to_owned()),
        info: HashMap::from([("polder.epoch".to_owned(), serde_json::Value::from(epoch))]),
        ..CommitInfo::default()
    };
    lines(&[Action::CommitInfo(info)], dataset)
}
