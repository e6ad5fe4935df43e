//! A leaf: one event as OCSF, in the canonical JSON of RFC 8785. It holds ids, counts, hashes and commitments, no value.

use std::collections::BTreeMap;

use polder_types::event::{CommitResult, Event, EventKind, IdentityChange, KeyChange, Phase, RunResult, TableOperation};
use polder_types::limit::LEAF_MAX_BYTES;
use polder_types::{ErrorKind, PrincipalId, Rng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::side::{Opening, SideEntry};

/// The version of OCSF whose classes the leaves use.
const OCSF_VERSION: &str = "1.5.0";
/// The largest integer that a double, and so RFC 8785, holds exactly.
const INTEGER_MAX: u64 = 9_007_199_254_740_991;
/// More than a leaf has beside its event and its private words, in bytes.
const FIXED_MAX_BYTES: usize = 1024;
/// Most bytes of one event's private values together.
const PRIVATE_MAX_BYTES: usize = 4 << 20;

/// What stands in the log for values that only the sealed side object holds: hexadecimal HMAC-SHA-256 under random keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitments {
    /// Of the actor.
    pub actor: String,
    /// Of each private value, by its word.
    pub values: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leaf {
    activity_id: u32,
    category_uid: u32,
    class_uid: u32,
    metadata: Metadata,
    severity_id: u32,
    /// Milliseconds since the epoch.
    pub(crate) time: i64,
    type_uid: u32,
    unmapped: Unmapped,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    product: Product,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Product {
    name: String,
    vendor_name: String,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unmapped {
    polder: Polder,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Polder {
    commitments: Commitments,
    event: EventKind,
    /// The name of the side object that opens the commitments.
    side: String,
}

impl Leaf {
    pub(crate) fn event(&self) -> &EventKind {
        &self.unmapped.polder.event
    }

    pub(crate) fn side(&self) -> &str {
        &self.unmapped.polder.side
    }

    pub(crate) fn commitments(&self) -> &Commitments {
        &self.unmapped.polder.commitments
    }

    /// Reads an entry.
    pub(crate) fn parse(entry: &[u8]) -> Result<Self, &'static str> {
        // Through `Value`: numbers of any precision do not pass serde's buffer for tagged enums.
        let value: Value = serde_json::from_slice(entry).map_err(|_| "an entry is not JSON")?;
        serde_json::from_value(value).map_err(|_| "an entry is not one of Polder's events")
    }

    /// Reads an entry, and takes it only when it is exactly what [`Prepared::encode`] writes.
    pub(crate) fn parse_canonical(entry: &[u8]) -> Result<Self, &'static str> {
        let leaf = Self::parse(entry)?;
        let canonical = serde_json_canonicalizer::to_vec(&leaf).map_err(|_| "an entry is not one of Polder's events")?;
        if canonical == entry { Ok(leaf) } else { Err("an entry is not in canonical form") }
    }
}

/// An event made ready by its caller's task: its commitments are drawn, its place in the log is still open.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) kind: EventKind,
    commitments: Commitments,
    pub(crate) opening: SideEntry,
}

impl Prepared {
    pub(crate) fn new(event: Event, rng: &dyn Rng) -> Result<Self, Error> {
        let Event { kind, actor, private } = event;
        let json = serde_json::to_value(&kind).map_err(Error::Encode)?;
        if !exact(&json) {
            return Err(Error::NumberTooLarge);
        }
        if private.0.values().map(String::len).sum::<usize>() > PRIVATE_MAX_BYTES {
            return Err(Error::EventTooLarge { what: "its private values have more than 4 MiB" });
        }
        let opening = SideEntry::draw(&actor, private, rng)?;
        let commitments = opening.commitments();
        let prepared = Self { kind, commitments, opening };
        // Sized here with the longest time and a side name of the right length, so that the writer's group cannot fail on it.
        // Canonical JSON is never longer than this one plus the fixed parts; only what comes near the limit is written out.
        let words: usize = prepared.commitments.values.keys().map(|word| word.len() * 6 + 80).sum();
        let rough = json.to_string().len() + words + FIXED_MAX_BYTES;
        if rough > LEAF_MAX_BYTES && prepared.encode(i64::from(i32::MIN) << 20, &crate::side::name(0, [0; 8]))?.len() > LEAF_MAX_BYTES {
            return Err(Error::EventTooLarge { what: "its leaf has more than 65,535 bytes" });
        }
        Ok(prepared)
    }

    /// The entry. `side` names the object that will hold the opening.
    pub(crate) fn encode(&self, time: i64, side: &str) -> Result<Vec<u8>, Error> {
        let class = classify(&self.kind);
        let leaf = Leaf {
            activity_id: class.activity,
            category_uid: class.class / 1000,
            class_uid: class.class,
            metadata: Metadata {
                product: Product {
                    name: "Polder".to_owned(),
                    vendor_name: "Polder".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                },
                version: OCSF_VERSION.to_owned(),
            },
            severity_id: class.severity,
            time,
            type_uid: class.class * 100 + class.activity,
            unmapped: Unmapped {
                polder: Polder { commitments: self.commitments.clone(), event: self.kind.clone(), side: side.to_owned() },
            },
        };
        serde_json_canonicalizer::to_vec(&leaf).map_err(Error::Encode)
    }

    /// Whether the event is still recorded, from the reserve, when the disk is full: what was refused or failed, the end of what
    /// was announced while there was room, and what frees space (before it can, a writer must take the lease and fence what a
    /// killed one announced).
    pub(crate) fn allowed_when_full(&self) -> bool {
        match &self.kind {
            EventKind::CommitOutcome { .. } => true,
            EventKind::TableMaintained { phase, operation, .. } => {
                *phase != Phase::Intent || matches!(operation, TableOperation::Vacuum | TableOperation::Drop | TableOperation::Erase)
            }
            EventKind::KeysChanged { phase, change, .. } => {
                // What is revealed is shown after its record, which is the only one.
                let reveals = matches!(change, KeyChange::ObjectKeyRevealed | KeyChange::ValuesRevealed);
                (*phase != Phase::Intent && !reveals) || *change == KeyChange::DatasetDropped
            }
            EventKind::RowsErased { phase, .. } | EventKind::CertificateChanged { phase, .. } => *phase != Phase::Intent,
            // What takes something away from an account contains an attack.
            EventKind::IdentityChanged { change, phase, .. } => {
                *phase != Phase::Intent
                    || matches!(
                        change,
                        IdentityChange::AccountRemoved
                            | IdentityChange::AccountDisabled
                            | IdentityChange::TokenRevoked
                            | IdentityChange::CertificateRevoked
                            | IdentityChange::SessionsRevoked
                            | IdentityChange::MemberRemoved
                            | IdentityChange::GrantDenied
                            | IdentityChange::GrantRevoked
                            | IdentityChange::BreakGlassSealed
                            | IdentityChange::ProviderUnlinked
                            | IdentityChange::PasskeyRemoved
                    )
            }
            kind => matches!(
                kind,
                EventKind::Refused { .. }
                    | EventKind::QuarantineErased { .. }
                    | EventKind::BatchFailed { .. }
                    | EventKind::RunFinished { failed: 1.., .. }
                    | EventKind::StepFinished { .. }
                    | EventKind::RunConcluded { .. }
                    | EventKind::NoticeSent { .. }
                    | EventKind::IntegrityFailed { .. }
                    | EventKind::LeaseTaken { .. }
                    | EventKind::CommitIntent { operation: TableOperation::Vacuum | TableOperation::Fence, .. }
                    | EventKind::ReadDecided { allowed: false, .. }
                    | EventKind::SignInRefused { .. }
                    | EventKind::SessionEnded { .. }
                    | EventKind::SessionTokenEnded { .. }
                    | EventKind::ServiceChanged { .. }
            ),
        }
    }
}

impl SideEntry {
    fn draw(actor: &PrincipalId, private: polder_types::Private, rng: &dyn Rng) -> Result<Self, Error> {
        let values = private.0.into_iter().map(|(word, value)| Ok((word, Opening::draw(value, rng)?))).collect::<Result<_, Error>>()?;
        Ok(Self { actor: Opening::draw(actor.as_str().to_owned(), rng)?, values })
    }

    pub(crate) fn commitments(&self) -> Commitments {
        Commitments {
            actor: self.actor.commitment(),
            values: self.values.iter().map(|(word, opening)| (word.clone(), opening.commitment())).collect(),
        }
    }
}

/// Whether every number survives as a double.
fn exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_u64().is_some_and(|number| number <= INTEGER_MAX),
        Value::Array(items) => items.iter().all(exact),
        Value::Object(fields) => fields.values().all(exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// An event's place in OCSF.
struct Class {
    class: u32,
    activity: u32,
    severity: u32,
}

const APPLICATION_LIFECYCLE: u32 = 6002;
const API_ACTIVITY: u32 = 6003;
const DATASTORE_ACTIVITY: u32 = 6005;
const SCHEDULED_JOB_ACTIVITY: u32 = 1006;
const DATA_SECURITY_FINDING: u32 = 2006;
const ENTITY_MANAGEMENT: u32 = 3004;
const ACCOUNT_CHANGE: u32 = 3001;
const AUTHENTICATION: u32 = 3002;

const INFORMATIONAL: u32 = 1;
const LOW: u32 = 2;
const MEDIUM: u32 = 3;
const HIGH: u32 = 4;
const CRITICAL: u32 = 5;

fn classify(kind: &EventKind) -> Class {
    let class = |class, activity, severity| Class { class, activity, severity };
    match kind {
        EventKind::InstallationCreated { .. } => class(APPLICATION_LIFECYCLE, 1, INFORMATIONAL),
        EventKind::LeaseTaken { .. } => class(APPLICATION_LIFECYCLE, 3, INFORMATIONAL),
        EventKind::ContractApproved { .. } | EventKind::TableClassified { .. } => class(ENTITY_MANAGEMENT, 3, LOW),
        EventKind::RunStarted { .. } | EventKind::BatchStarted { .. } => class(SCHEDULED_JOB_ACTIVITY, 6, INFORMATIONAL),
        EventKind::RunFinished { failed, .. } => class(SCHEDULED_JOB_ACTIVITY, 99, if *failed == 0 { INFORMATIONAL } else { MEDIUM }),
        EventKind::BatchFailed { .. } => class(SCHEDULED_JOB_ACTIVITY, 99, MEDIUM),
        EventKind::RunTriggered { .. } => class(SCHEDULED_JOB_ACTIVITY, 6, INFORMATIONAL),
        EventKind::StepFinished { error, .. } => class(SCHEDULED_JOB_ACTIVITY, 99, if error.is_none() { INFORMATIONAL } else { MEDIUM }),
        EventKind::RunConcluded { result, .. } => {
            class(SCHEDULED_JOB_ACTIVITY, 99, if *result == RunResult::Succeeded { INFORMATIONAL } else { MEDIUM })
        }
        EventKind::DueSkipped { .. } => class(SCHEDULED_JOB_ACTIVITY, 99, LOW),
        EventKind::FreshnessJudged { missed, .. } => class(SCHEDULED_JOB_ACTIVITY, 99, if *missed { MEDIUM } else { INFORMATIONAL }),
        EventKind::NoticeSent { failed, .. } => class(API_ACTIVITY, 1, if *failed == 0 { INFORMATIONAL } else { MEDIUM }),
        EventKind::CommitIntent { operation, .. } => class(DATASTORE_ACTIVITY, table_activity(*operation), INFORMATIONAL),
        EventKind::CommitOutcome { operation, result, .. } => {
            let severity = if *result == CommitResult::Aborted { MEDIUM } else { INFORMATIONAL };
            class(DATASTORE_ACTIVITY, table_activity(*operation), severity)
        }
        EventKind::TableMaintained { operation, phase, .. } => {
            let severity = if *phase == Phase::Aborted { MEDIUM } else { INFORMATIONAL };
            class(DATASTORE_ACTIVITY, table_activity(*operation), severity)
        }
        EventKind::QuarantineWritten { .. } => class(DATASTORE_ACTIVITY, 5, LOW),
        EventKind::ProfileWritten { .. } => class(DATASTORE_ACTIVITY, 5, INFORMATIONAL),
        EventKind::RowsErased { .. } | EventKind::QuarantineErased { .. } => class(DATASTORE_ACTIVITY, 7, MEDIUM),
        EventKind::ContentInspected { found, .. } => class(DATA_SECURITY_FINDING, 1, if found.is_empty() { LOW } else { MEDIUM }),
        EventKind::ReadDecided { allowed, .. } => class(DATASTORE_ACTIVITY, 4, if *allowed { INFORMATIONAL } else { MEDIUM }),
        EventKind::ReadFinished { .. } => class(DATASTORE_ACTIVITY, 1, INFORMATIONAL),
        EventKind::PushDecided { .. } => class(DATASTORE_ACTIVITY, 4, INFORMATIONAL),
        EventKind::KeysChanged { .. } => class(ENTITY_MANAGEMENT, 3, MEDIUM),
        EventKind::ServiceChanged { phase, .. } => class(APPLICATION_LIFECYCLE, if *phase == Phase::Intent { 3 } else { 4 }, INFORMATIONAL),
        EventKind::CertificateChanged { .. } => class(ENTITY_MANAGEMENT, 3, MEDIUM),
        EventKind::IdentityChanged { change, .. } => class(ACCOUNT_CHANGE, account_activity(*change), account_severity(*change)),
        EventKind::SignedIn { .. } => class(AUTHENTICATION, 1, INFORMATIONAL),
        EventKind::SignInRefused { .. } => class(AUTHENTICATION, 1, MEDIUM),
        EventKind::SessionEnded { .. } => class(AUTHENTICATION, 2, INFORMATIONAL),
        EventKind::SessionTokenMade { .. } => class(AUTHENTICATION, 3, INFORMATIONAL),
        EventKind::SessionTokenEnded { .. } => class(AUTHENTICATION, 2, INFORMATIONAL),
        EventKind::DestructionPrepared { .. } => class(ENTITY_MANAGEMENT, 3, HIGH),
        EventKind::AnchorBegun { .. } => class(APPLICATION_LIFECYCLE, 3, HIGH),
        EventKind::IntegrityFailed { .. } => class(DATA_SECURITY_FINDING, 1, CRITICAL),
        EventKind::IntegrityVerified { .. } => class(DATA_SECURITY_FINDING, 3, INFORMATIONAL),
        // What cannot be read or has no answer is nobody's attempt.
        EventKind::Refused { error, .. } => class(API_ACTIVITY, 99, if error == ErrorKind::Denied.name() { HIGH } else { LOW }),
    }
}

/// OCSF's datastore activities: 2 update, 5 write, 6 create, 7 delete.
fn table_activity(operation: TableOperation) -> u32 {
    match operation {
        TableOperation::Create => 6,
        TableOperation::Append | TableOperation::Replace | TableOperation::Merge | TableOperation::Scd2 | TableOperation::Model => 5,
        TableOperation::Migrate | TableOperation::State | TableOperation::Restore | TableOperation::Optimize | TableOperation::Fence => 2,
        TableOperation::Vacuum | TableOperation::Drop | TableOperation::Erase => 7,
    }
}

/// OCSF's account changes: 1 create, 2 enable, 3 password change, 5 disable, 6 delete, 99 other.
fn account_activity(change: IdentityChange) -> u32 {
    match change {
        IdentityChange::AccountAdded | IdentityChange::GroupAdded => 1,
        IdentityChange::AccountEnabled => 2,
        IdentityChange::PasswordSet => 3,
        IdentityChange::AccountDisabled => 5,
        IdentityChange::AccountRemoved | IdentityChange::GroupRemoved => 6,
        IdentityChange::TokenMade
        | IdentityChange::TokenRevoked
        | IdentityChange::CertificateAdded
        | IdentityChange::CertificateRevoked
        | IdentityChange::SessionsRevoked
        | IdentityChange::MemberAdded
        | IdentityChange::MemberRemoved
        | IdentityChange::GrantRequested
        | IdentityChange::GrantApproved
        | IdentityChange::GrantDenied
        | IdentityChange::GrantRevoked
        | IdentityChange::BreakGlassSealed
        | IdentityChange::BreakGlassRequested
        | IdentityChange::BreakGlassApproved
        | IdentityChange::BreakGlassOpened
        | IdentityChange::ProviderLinked
        | IdentityChange::ProviderUnlinked
        | IdentityChange::RecoveryCodeUsed => 99,
        // A factor of signing in came, or went.
        IdentityChange::TotpEnrolled | IdentityChange::PasskeyAdded => 10,
        IdentityChange::TotpRemoved | IdentityChange::PasskeyRemoved => 11,
    }
}

/// The account for emergencies is never opened in passing.
fn account_severity(change: IdentityChange) -> u32 {
    match change {
        IdentityChange::BreakGlassRequested | IdentityChange::BreakGlassApproved => HIGH,
        IdentityChange::BreakGlassOpened => CRITICAL,
        _ => MEDIUM,
    }
}

#[cfg(test)]
pub(crate) mod tests;
