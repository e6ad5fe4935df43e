//! What a crash left behind: intents without an outcome. A commit that stands is adopted when it is the intended one; an
//! intent without a commit is fenced off and closed; a version that nobody announced closes the table.

use deltalake_core::kernel::Action;
use deltalake_core::logstore::get_actions;
use polder_types::DatasetId;
use polder_types::event::{CommitResult, TableOperation};

use crate::commit::fence_lines;
use crate::error::Error;
use crate::lake::{CommitPermit, Lake};
use crate::log::{commit_path, listed_versions, read_commit, sha256};
use crate::log_store::{Intended, SealedLogStore};
use crate::ports::OpenIntent;

/// What recovery did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Versions that had been committed and are visible now.
    pub recovered: Vec<u64>,
    /// Intents closed because their commit does not exist and cannot appear any more.
    pub aborted: u64,
    /// Empty versions written against writers that lost their lease.
    pub fenced: Vec<u64>,
}

impl Lake {
    /// Closes the open intents of a table. Needs the writer's lease.
    ///
    /// # Errors
    /// `Integrity` naming the object when a version is foreign, replaced or missing: the table is closed then.
    pub async fn recover(&self, dataset: DatasetId) -> Result<Recovery, Error> {
        let permit = self.lock(dataset).await;
        self.recover_locked(dataset, &permit).await
    }

    pub(crate) async fn recover_locked(&self, dataset: DatasetId, _permit: &CommitPermit) -> Result<Recovery, Error> {
        let mut report = Recovery::default();
        // Each turn closes an intent or takes a version, so the turns are bounded by what is open now.
        let turns = self.inner.heads.open_intents(dataset).len().saturating_mul(2).saturating_add(2);
        for _ in 0..turns {
            let open = self.inner.heads.open_intents(dataset);
            let head = self.inner.heads.head(dataset);
            let next = head.as_ref().map_or(0, |head| head.version.saturating_add(1));
            let found = read_commit(self.inner.store.as_ref(), dataset, next).await;
            let found = self.close_on_integrity(dataset, found).await?;
            if let Some(bytes) = found {
                let hash = sha256(&bytes);
                let own = open.iter().find(|intent| intent.version == next && intent.log_hash == hash && announces(intent, next, &bytes));
                let Some(intent) = own else {
                    let foreign = Error::Integrity {
                        object: commit_path(dataset, next).to_string(),
                        finding: "no intent in the journal announced this version",
                    };
                    return self.close_on_integrity(dataset, Err(foreign)).await;
                };
                self.inner.failpoints.hit("lake.recover_intent");
                self.close_intent(dataset, intent, CommitResult::Recovered).await?;
                report.recovered.push(next);
                continue;
            }
            // A version beyond a gap belongs to no history that this journal could have written.
            let listed = listed_versions(self.inner.store.as_ref(), dataset).await?;
            if let Some(beyond) = listed.into_iter().find(|version| *version > next) {
                let foreign = Error::Integrity {
                    object: commit_path(dataset, beyond).to_string(),
                    finding: "the version before it does not exist, so no writer of this journal made it",
                };
                return self.close_on_integrity(dataset, Err(foreign)).await;
            }
            if open.is_empty() {
                break;
            }
            if open.iter().any(|intent| intent.version == next) {
                // The writer that announced this version may be paused, and would create it when it wakes.
                let sequence = head.map_or(0, |head| head.sequence);
                if self.write_fence(dataset, next, sequence).await? {
                    report.fenced.push(next);
                }
                continue;
            }
            for intent in &open {
                self.inner.failpoints.hit("lake.recover_intent");
                self.close_intent(dataset, intent, CommitResult::Aborted).await?;
                report.aborted = report.aborted.saturating_add(1);
            }
        }
        if self.inner.heads.open_intents(dataset).is_empty() {
            // Also verifies every version that is now visible.
            self.log(dataset).await?;
            self.mark_recovered(dataset);
            Ok(report)
        } else {
            Err(Error::Internal { step: "close the open intents", dataset })
        }
    }

    /// Closes the open intents of a table that is being dropped, whatever state it is in: nothing of it is to be read again.
    ///
    /// # Errors
    /// When the audit log refuses.
    pub async fn abandon(&self, dataset: DatasetId) -> Result<(), Error> {
        let _permit = self.lock(dataset).await;
        for intent in self.inner.heads.open_intents(dataset) {
            self.close_intent(dataset, &intent, CommitResult::Aborted).await?;
        }
        Ok(())
    }

    async fn close_intent(&self, dataset: DatasetId, intent: &OpenIntent, result: CommitResult) -> Result<(), Error> {
        let intended = Intended { version: intent.version, log_hash: intent.log_hash.clone() };
        self.outcome(dataset, &self.inner.service, intent.operation, intent.sequence, &intended, result, None).await
    }

    /// Writes an empty version; false when the paused writer was faster, so that its version stands.
    async fn write_fence(&self, dataset: DatasetId, version: u64, sequence: u64) -> Result<bool, Error> {
        let log = self.log(dataset).await?;
        let service = self.inner.service.clone();
        let store = SealedLogStore::new(dataset, &log, Some(self.commit_context(&service, TableOperation::Fence, sequence)))?;
        let bytes = fence_lines(dataset, self.inner.clock.now_ms(), self.inner.fence.epoch())?;
        let written = store.commit(version, bytes).await;
        self.inner.failpoints.hit("lake.fence_written");
        let result = match &written {
            Ok(()) => CommitResult::Committed,
            Err(Error::Conflict { .. }) => CommitResult::Aborted,
            Err(_) => return written.map(|()| false),
        };
        let intended = store.intended().ok_or(Error::Internal { step: "fence a version", dataset })?;
        self.outcome(dataset, &service, TableOperation::Fence, sequence, &intended, result, None).await?;
        Ok(result == CommitResult::Committed)
    }
}

/// Whether a commit's own record of its run agrees with the intent's.
fn announces(intent: &OpenIntent, version: u64, bytes: &bytes::Bytes) -> bool {
    let Ok(actions) = get_actions(version, bytes) else { return false };
    let sequences: Vec<i64> =
        actions.iter().filter_map(|action| if let Action::Txn(txn) = action { Some(txn.version) } else { None }).collect();
    match intent.operation {
        operation if operation.loads() || operation == TableOperation::Model => {
            sequences.len() == 1 && sequences.iter().all(|sequence| u64::try_from(*sequence).ok() == Some(intent.sequence))
        }
        // It repeats the newest of each source.
        TableOperation::Erase => true,
        _ => sequences.is_empty(),
    }
}
