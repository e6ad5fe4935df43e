//! The projection: what the log says is so now. It is rebuilt from the leaves alone, in order; a snapshot only saves time.

use std::collections::{BTreeMap, BTreeSet};

use polder_types::event::{CommitResult, Counts, EventKind, IdentityChange, KeyChange, Phase, TableOperation};
use polder_types::{DatasetId, LineageId, NameId, RunId};
use serde::{Deserialize, Serialize};

/// Objects with failed integrity that are remembered, the newest.
const INTEGRITY_FAILURES_MAX: usize = 1000;

/// What the log says is so, after its first `size` entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Entries that it is the projection of.
    pub size: u64,
    /// From `InstallationCreated`.
    pub lineage: Option<LineageId>,
    /// The visible head of each table.
    pub tables: BTreeMap<DatasetId, TableHead>,
    /// Commits that were announced and have no outcome yet, oldest first.
    pub open_intents: Vec<OpenIntent>,
    /// Key changes that were announced and have no outcome yet, oldest first.
    pub open_key_changes: Vec<OpenKeyChange>,
    /// Maintenance that was announced and has no outcome yet, oldest first.
    pub open_maintenance: Vec<OpenMaintenance>,
    /// Erasures that were announced and have no outcome yet, by table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open_erasures: BTreeMap<DatasetId, OpenErasure>,
    /// What was erased.
    #[serde(default)]
    pub erased: ErasedCounters,
    /// Semantic hashes of approved contracts (hexadecimal SHA-256).
    pub approvals: BTreeSet<String>,
    /// How sensitive each table is, as the newest entry that says so.
    #[serde(default)]
    pub classifications: BTreeMap<DatasetId, Option<String>>,
    /// The newest 1,000 finished runs, and the newest 1,000 that have not finished.
    pub runs: BTreeMap<RunId, RunInfo>,
    /// Pipelines of which a run was triggered, or skipped.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pipelines: BTreeMap<NameId, PipelineInfo>,
    /// What became of notices.
    #[serde(default)]
    pub notices: NoticeCounters,
    /// Decisions about reads.
    pub reads: ReadCounters,
    /// What content inspection found.
    #[serde(default)]
    pub inspected: InspectedCounters,
    /// Refusals that were recorded.
    pub refused: u64,
    /// The register of accounts that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<IdentityHead>,
    /// Changes of the register that were announced and have no outcome yet, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_identity_changes: Vec<OpenIdentityChange>,
    /// The account for emergencies, where it was opened and not sealed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlassOpen>,
    /// Since when the installation is served; it stays where the serving process was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Recorded>,
    /// Sign-ins.
    #[serde(default)]
    pub sign_ins: SignInCounters,
    /// Session tokens that were given and ended.
    #[serde(default)]
    pub session_tokens: SessionTokenCounters,
    /// Requests to send rows that were permitted.
    #[serde(default)]
    pub pushes: u64,
    /// The certificates of serving that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<CertificateHead>,
    /// Objects whose integrity failed since everything was last verified, with the entry that says so; the newest 1,000.
    pub integrity_failures: Vec<IntegrityFailure>,
    /// When everything was last verified, recorded, and found as it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Recorded>,
    /// Destructions of key versions, by dataset and version, and what they make unreadable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub destructions: BTreeMap<DatasetId, BTreeMap<u32, Destruction>>,
    /// The quarantine objects of each table, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantine: BTreeMap<DatasetId, BTreeMap<String, QuarantineObject>>,
    /// The newest profile of each dataset that was looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profiles: BTreeMap<DatasetId, ProfileObject>,
    /// The version of a dataset's key under which everything of it was sealed again: nothing may be under an older one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub oldest_keys: BTreeMap<DatasetId, u32>,
    /// When an anchor was last put beside a log that had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor_begun: Option<Recorded>,
    /// The largest keyring version that an outcome names: an older keyring was rolled back.
    pub keyring_version: u64,
    /// The largest epoch that a lease or a commit names.
    pub epoch: u64,
}

/// A table as the newest outcome left it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableHead {
    /// The visible version.
    pub version: u64,
    /// SHA-256 of that version's table log entry, hexadecimal.
    pub log_hash: String,
    /// The last committed run sequence.
    pub sequence: u64,
    /// All versions that an outcome names, oldest first.
    pub versions: Vec<VersionInfo>,
}

/// One committed version of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionInfo {
    pub version: u64,
    pub log_hash: String,
    pub operation: TableOperation,
    pub sequence: u64,
    /// The entry of its outcome.
    pub index: u64,
    pub time_ms: i64,
    pub counts: Option<Counts>,
    /// Whether the outcome was written after a crash.
    pub recovered: bool,
}

/// A commit that was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenIntent {
    pub dataset: DatasetId,
    pub operation: TableOperation,
    pub sequence: u64,
    pub version: u64,
    pub log_hash: String,
    pub epoch: u64,
    pub index: u64,
    pub time_ms: i64,
}

/// A key change that was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenKeyChange {
    pub change: KeyChange,
    pub dataset: Option<DatasetId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    pub keyring_version: u64,
    pub index: u64,
    pub time_ms: i64,
}

/// Refused rows that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantineObject {
    /// The sequence of the batch that they were refused in.
    pub sequence: u64,
    pub rows: u64,
    pub index: u64,
}

/// A profile that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileObject {
    pub object: String,
    pub index: u64,
}

/// Maintenance that was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenMaintenance {
    pub dataset: DatasetId,
    pub operation: TableOperation,
    pub index: u64,
    pub time_ms: i64,
}

/// An erasure that was announced, with what there was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenErasure {
    /// Rows of the table that go.
    pub rows: u64,
    /// Refused rows that go.
    pub refused: u64,
    /// Refused rows of which nobody can tell.
    pub undecided: u64,
    /// Rows of each model.
    pub models: BTreeMap<DatasetId, u64>,
    /// The table's newest version.
    pub version: u64,
    /// Objects in the store.
    pub objects: u64,
    /// The entry that announced it; its private values say which rows are meant.
    pub index: u64,
    pub time_ms: i64,
}

/// What erasures came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasedCounters {
    /// Erasures that are done.
    pub done: u64,
    /// Rows of tables.
    pub rows: u64,
    /// Refused rows that were kept.
    pub refused: u64,
}

/// How many reads were decided and how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadCounters {
    pub allowed: u64,
    pub denied: u64,
    pub finished: u64,
    /// Finished before the last row.
    pub incomplete: u64,
    pub rows: u64,
}

/// How many session tokens were given, and how many of them ended before their time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionTokenCounters {
    pub made: u64,
    pub ended: u64,
}

/// The newest register of accounts that an outcome names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityHead {
    pub version: u64,
    /// SHA-256 of its plaintext, hexadecimal.
    pub hash: String,
    pub index: u64,
}

/// The account for emergencies was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlassOpen {
    pub index: u64,
    pub time_ms: i64,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
}

/// A change of the register that was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenIdentityChange {
    pub change: IdentityChange,
    pub subject: NameId,
    pub version: u64,
    pub hash: String,
    pub index: u64,
}

/// The newest certificates that an outcome names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateHead {
    pub version: u64,
    /// SHA-256 of the plaintext of their object, hexadecimal.
    pub hash: String,
    pub index: u64,
}

/// Who came in, and who did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInCounters {
    pub let_in: u64,
    pub refused: u64,
    /// Sessions that are over.
    pub ended: u64,
}

/// What content inspection found, in batches of which it found something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InspectedCounters {
    pub batches: u64,
    /// Rows and columns that were refused for it.
    pub found: u64,
    /// Those that a waiver let through.
    pub waived: u64,
}

/// An object that did not authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntegrityFailure {
    pub object: String,
    pub index: u64,
    pub time_ms: i64,
}

impl State {
    /// Takes the next entry.
    pub(crate) fn apply(&mut self, index: u64, time_ms: i64, event: &EventKind) {
        self.size = index.saturating_add(1);
        match event {
            EventKind::InstallationCreated { lineage } => {
                self.lineage.get_or_insert(*lineage);
            }
            EventKind::LeaseTaken { epoch } => self.epoch = self.epoch.max(*epoch),
            EventKind::ContractApproved { contract_hash, .. } => {
                self.approvals.insert(contract_hash.clone());
            }
            EventKind::RunTriggered { .. }
            | EventKind::RunStarted { .. }
            | EventKind::StepFinished { .. }
            | EventKind::RunFinished { .. }
            | EventKind::RunConcluded { .. }
            | EventKind::DueSkipped { .. }
            | EventKind::FreshnessJudged { .. }
            | EventKind::NoticeSent { .. } => self.apply_run(index, time_ms, event),
            EventKind::TableClassified { dataset, classification, .. } => {
                self.classifications.insert(*dataset, classification.clone());
            }
            EventKind::BatchStarted { run, .. } => self.in_run(run, |info| info.batches_started = info.batches_started.saturating_add(1)),
            EventKind::BatchFailed { run, dataset, .. } => {
                self.in_run(run, |info| info.batches_failed = info.batches_failed.saturating_add(1));
                // Of its refused rows a sample stays for a while; nobody misses them.
                let batch = format!("/{run}/");
                if let Some(objects) = self.quarantine.get_mut(dataset) {
                    objects.retain(|object, _| !object.contains(&batch));
                }
            }
            EventKind::QuarantineWritten { run, dataset, sequence, rows, object } => {
                self.in_run(run, |info| info.rows_quarantined = info.rows_quarantined.saturating_add(*rows));
                if let Some(object) = object {
                    let kept = QuarantineObject { sequence: *sequence, rows: *rows, index };
                    self.quarantine.entry(*dataset).or_default().insert(object.clone(), kept);
                }
            }
            EventKind::ProfileWritten { dataset, object, .. } => {
                // It takes the place of the one before.
                self.profiles.insert(*dataset, ProfileObject { object: object.clone(), index });
            }
            EventKind::ContentInspected { found, waived, .. } => {
                self.inspected.batches += 1;
                self.inspected.found += found.values().sum::<u64>();
                self.inspected.waived += waived.values().sum::<u64>();
            }
            EventKind::CommitIntent { dataset, operation, sequence, version, log_hash, epoch } => {
                self.epoch = self.epoch.max(*epoch);
                self.open_intents.push(OpenIntent {
                    dataset: *dataset,
                    operation: *operation,
                    sequence: *sequence,
                    version: *version,
                    log_hash: log_hash.clone(),
                    epoch: *epoch,
                    index,
                    time_ms,
                });
            }
            EventKind::CommitOutcome { dataset, operation, sequence, version, log_hash, result, counts } => {
                self.open_intents.retain(|intent| intent.dataset != *dataset || intent.version != *version || intent.log_hash != *log_hash);
                if *result != CommitResult::Aborted {
                    let info = VersionInfo {
                        version: *version,
                        log_hash: log_hash.clone(),
                        operation: *operation,
                        sequence: *sequence,
                        index,
                        time_ms,
                        counts: *counts,
                        recovered: *result == CommitResult::Recovered,
                    };
                    self.tables.entry(*dataset).or_default().advance(info);
                }
            }
            EventKind::ReadDecided { allowed, .. } => {
                let counter = if *allowed { &mut self.reads.allowed } else { &mut self.reads.denied };
                *counter = counter.saturating_add(1);
            }
            // What comes of it is told by its run.
            EventKind::PushDecided { .. } => self.pushes = self.pushes.saturating_add(1),
            EventKind::ReadFinished { rows, complete, .. } => {
                self.reads.finished = self.reads.finished.saturating_add(1);
                self.reads.incomplete = self.reads.incomplete.saturating_add(u64::from(!complete));
                self.reads.rows = self.reads.rows.saturating_add(*rows);
            }
            EventKind::KeysChanged { change, phase, dataset, key_version, keyring_version } => match phase {
                Phase::Intent => self.open_key_changes.push(OpenKeyChange {
                    change: *change,
                    dataset: *dataset,
                    key_version: *key_version,
                    keyring_version: *keyring_version,
                    index,
                    time_ms,
                }),
                Phase::Outcome | Phase::Aborted => {
                    self.open_key_changes.retain(|open| open.change != *change || open.dataset != *dataset);
                    if let (Some(dataset), Some(key_version)) = (dataset, key_version) {
                        if (*change, *phase) == (KeyChange::Reencrypted, Phase::Outcome) {
                            let oldest = self.oldest_keys.entry(*dataset).or_default();
                            *oldest = (*oldest).max(*key_version);
                        }
                        self.destruction_went_on(*change, *phase, *dataset, *key_version, Recorded { index, time_ms });
                    }
                    if *phase == Phase::Outcome {
                        self.keyring_version = self.keyring_version.max(*keyring_version);
                    }
                }
            },
            EventKind::TableMaintained { dataset, operation, phase, .. } => match phase {
                Phase::Intent => {
                    let open = OpenMaintenance { dataset: *dataset, operation: *operation, index, time_ms };
                    self.open_maintenance.push(open);
                }
                Phase::Outcome | Phase::Aborted => {
                    self.open_maintenance.retain(|open| open.dataset != *dataset || open.operation != *operation);
                    if (*operation, *phase) == (TableOperation::Drop, Phase::Outcome) {
                        self.forget_table(*dataset);
                    }
                }
            },
            EventKind::RowsErased { dataset, phase: Phase::Intent, rows, refused, undecided, models, version, objects } => {
                let (rows, refused, undecided, version, objects) = (*rows, *refused, *undecided, *version, *objects);
                let open = OpenErasure { rows, refused, undecided, models: models.clone(), version, objects, index, time_ms };
                self.open_erasures.insert(*dataset, open);
            }
            EventKind::RowsErased { dataset, phase, rows, .. } => {
                self.open_erasures.remove(dataset);
                if *phase == Phase::Outcome {
                    self.erased.done = self.erased.done.saturating_add(1);
                    self.erased.rows = self.erased.rows.saturating_add(*rows);
                }
            }
            EventKind::QuarantineErased { dataset, object, rows, left } => {
                self.erased.refused = self.erased.refused.saturating_add(*rows);
                if let Some(objects) = self.quarantine.get_mut(dataset) {
                    if *left == 0 {
                        objects.remove(object);
                    } else if let Some(kept) = objects.get_mut(object) {
                        kept.rows = *left;
                    }
                }
            }
            EventKind::DestructionPrepared { dataset, key_version, part, objects } => {
                self.destruction_prepared(*dataset, *key_version, *part, objects);
            }
            EventKind::AnchorBegun { .. } => self.anchor_begun = Some(Recorded { index, time_ms }),
            EventKind::IntegrityFailed { object } => {
                self.integrity_failures.retain(|failure| failure.object != *object);
                self.integrity_failures.push(IntegrityFailure { object: object.clone(), index, time_ms });
                let surplus = self.integrity_failures.len().saturating_sub(INTEGRITY_FAILURES_MAX);
                self.integrity_failures.drain(..surplus);
            }
            EventKind::IntegrityVerified { entries, .. } => {
                // What was recorded while the verification ran may lie where it had looked already.
                self.integrity_failures.retain(|failure| failure.index >= *entries);
                self.verified = Some(Recorded { index, time_ms });
            }
            EventKind::Refused { .. } => self.refused = self.refused.saturating_add(1),
            EventKind::IdentityChanged { change, phase: Phase::Intent, subject, version, hash, .. } => {
                let open = OpenIdentityChange { change: *change, subject: *subject, version: *version, hash: hash.clone(), index };
                self.open_identity_changes.push(open);
            }
            EventKind::IdentityChanged { change, phase, version, hash, grant, .. } => {
                self.open_identity_changes.retain(|open| open.version != *version || open.hash != *hash);
                if *phase == Phase::Outcome && self.identities.as_ref().is_none_or(|head| head.version < *version) {
                    self.identities = Some(IdentityHead { version: *version, hash: hash.clone(), index });
                    match change {
                        IdentityChange::BreakGlassOpened => {
                            let until_ms = grant.as_ref().and_then(|grant| grant.until_ms);
                            self.break_glass = Some(BreakGlassOpen { index, time_ms, until_ms });
                        }
                        IdentityChange::BreakGlassSealed => self.break_glass = None,
                        _ => {}
                    }
                }
            }
            EventKind::SignedIn { .. } => self.sign_ins.let_in = self.sign_ins.let_in.saturating_add(1),
            EventKind::SignInRefused { .. } => self.sign_ins.refused = self.sign_ins.refused.saturating_add(1),
            EventKind::SessionEnded { .. } => self.sign_ins.ended = self.sign_ins.ended.saturating_add(1),
            // The tokens themselves live in the memory of the serving process alone.
            EventKind::SessionTokenMade { .. } => self.session_tokens.made = self.session_tokens.made.saturating_add(1),
            EventKind::SessionTokenEnded { .. } => self.session_tokens.ended = self.session_tokens.ended.saturating_add(1),
            EventKind::CertificateChanged { phase, version, hash, .. } => {
                if *phase == Phase::Outcome && self.certificates.as_ref().is_none_or(|head| head.version < *version) {
                    self.certificates = Some(CertificateHead { version: *version, hash: hash.clone(), index });
                }
            }
            EventKind::ServiceChanged { phase, .. } => {
                self.serving = (*phase == Phase::Intent).then_some(Recorded { index, time_ms });
            }
        }
    }

    /// What belonged to a dropped table. Its dataset is never used again.
    fn forget_table(&mut self, dataset: DatasetId) {
        self.tables.remove(&dataset);
        self.quarantine.remove(&dataset);
        self.classifications.remove(&dataset);
        self.open_erasures.remove(&dataset);
        self.open_intents.retain(|intent| intent.dataset != dataset);
        if let Some(versions) = self.destructions.get_mut(&dataset) {
            versions.values_mut().for_each(|destruction| destruction.objects.clear());
        }
    }

    /// Whether the removal of a table was announced: from then on it is there for nobody.
    pub fn dropping(&self, dataset: DatasetId) -> bool {
        self.open_maintenance.iter().any(|open| open.dataset == dataset && open.operation == TableOperation::Drop)
    }
}

impl TableHead {
    /// The oldest version that can be read as far as erasures are concerned: those before it held rows that were erased.
    pub fn oldest_readable(&self) -> u64 {
        let erased = self.versions.iter().rev().find(|version| version.operation == TableOperation::Erase);
        erased.map_or(0, |version| version.version)
    }

    /// A version that is not newer than the head stays out: an outcome is told once, and never takes a table back.
    fn advance(&mut self, info: VersionInfo) {
        if self.versions.last().is_some_and(|last| last.version >= info.version) {
            return;
        }
        self.version = info.version;
        self.log_hash.clone_from(&info.log_hash);
        self.sequence = self.sequence.max(info.sequence);
        self.versions.push(info);
    }
}

mod destruction;
mod runs;

pub use destruction::{Destruction, Recorded};
pub use runs::{Concluded, NoticeCounters, PipelineInfo, RunEnd, RunInfo, Triggered};

#[cfg(test)]
mod tests;
