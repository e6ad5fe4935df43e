//! The account for emergencies: it is sealed, and two approvers open it together for some hours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::account::At;
use super::approval::{Approval, Approvers, Unapproved};
use super::grant::OPEN_MS;
use super::register::Register;

/// The account's name, which nobody else can have.
pub const BREAK_GLASS: &str = "break-glass";
/// How long it is open at most, in hours.
pub const BREAK_GLASS_HOURS_MAX: u32 = 4;

/// What is kept of the account besides its entry among the accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// When it was last sealed.
    pub(super) sealed: At,
    /// What was asked for, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) openings: BTreeMap<String, Opening>,
}

/// That someone asked for the account to be opened, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    pub(super) requested_by: String,
    pub(super) requested: At,
    /// How long it is open, from when it is opened on.
    pub(super) length_ms: i64,
    pub(super) reason: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) approvals: Vec<Approval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) opened: Option<At>,
    /// When it was sealed again, opened or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<At>,
}

/// How an opening stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpeningState {
    /// It waits for approvals, or for who asked to open.
    Requested,
    /// It was not opened in time.
    Lapsed,
    /// The account is open.
    Open,
    /// Its time is over, and it was not sealed since.
    Ended,
    /// It was sealed again.
    Sealed,
    /// It is not what two enrolled approvers signed.
    Unapproved,
    /// It was asked for, or opened, later than it is now.
    Clock,
}

impl OpeningState {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Lapsed => "lapsed",
            Self::Open => "open",
            Self::Ended => "ended",
            Self::Sealed => "sealed",
            Self::Unapproved => "unapproved",
            Self::Clock => "clock",
        }
    }
}

/// What of an opening is signed, in this order.
#[derive(Serialize)]
struct Request<'a> {
    format: &'static str,
    lineage: &'a str,
    id: &'a str,
    requested_by: &'a str,
    requested_ms: i64,
    length_ms: i64,
    reason: &'a str,
}

impl BreakGlass {
    /// When it was last sealed.
    pub fn sealed(&self) -> At {
        self.sealed
    }

    /// What was asked for, by id.
    pub fn openings(&self) -> &BTreeMap<String, Opening> {
        &self.openings
    }
}

impl Opening {
    /// Who asked.
    pub fn requested_by(&self) -> &str {
        &self.requested_by
    }

    /// When.
    pub fn requested(&self) -> At {
        self.requested
    }

    /// What for.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Who approved.
    pub fn approvals(&self) -> &[Approval] {
        &self.approvals
    }

    /// When it was opened.
    pub fn opened(&self) -> Option<At> {
        self.opened
    }

    /// How long it is open, in milliseconds.
    pub fn length_ms(&self) -> i64 {
        self.length_ms
    }

    /// When it ends by itself, in milliseconds since 1970, once it is opened.
    pub fn until_ms(&self) -> Option<i64> {
        Some(self.opened?.time_ms.saturating_add(self.length_ms))
    }

    pub(super) fn lapses_ms(&self) -> i64 {
        self.requested.time_ms.saturating_add(OPEN_MS)
    }

    pub(super) fn request(&self, id: &str, lineage: &str) -> Vec<u8> {
        let request = Request {
            format: "polder break-glass 1",
            lineage,
            id,
            requested_by: &self.requested_by,
            requested_ms: self.requested.time_ms,
            length_ms: self.length_ms,
            reason: &self.reason,
        };
        // Texts and numbers alone: it cannot fail, and of nothing there is no signature that counts.
        serde_json::to_vec(&request).unwrap_or_default()
    }

    /// The key whose signature approves it.
    pub(super) fn approved_by(&self, id: &str, by: &str, signature: &[u8], approvers: &Approvers) -> Result<[u8; 32], Unapproved> {
        approvers.verify(&self.request(id, approvers.lineage()), by, signature, &[&self.requested_by])
    }

    /// Whether two different persons signed it, neither of them who asked.
    pub(super) fn two_persons(&self, id: &str, approvers: &Approvers) -> bool {
        let signed = self.approvals.iter().filter_map(|approval| {
            let key = self.approved_by(id, &approval.by, &approval.signature, approvers).ok()?;
            Some((approval.by.as_str(), key))
        });
        let signed: Vec<(&str, [u8; 32])> = signed.collect();
        signed.iter().any(|(name, key)| signed.iter().any(|(other, its)| other != name && its != key))
    }

    /// Whether it is open by the clock alone. Whether it was approved is judged apart.
    fn is_open(&self, now_ms: i64) -> bool {
        let until_ms = self.until_ms();
        // Only its request is signed: one that was signed long ago is opened by nobody who changes what is not.
        let in_time = |at: &At| self.requested.time_ms <= at.time_ms && at.time_ms < self.lapses_ms();
        self.sealed.is_none()
            && self.opened.as_ref().is_some_and(|at| in_time(at) && at.time_ms <= now_ms)
            && until_ms.is_some_and(|until| now_ms < until)
    }

    /// How it stands, by the signatures that are kept with it.
    pub fn state(&self, id: &str, approvers: &Approvers, now_ms: i64) -> OpeningState {
        match (self.sealed, self.opened) {
            (Some(_), _) => OpeningState::Sealed,
            (None, None) if now_ms < self.requested.time_ms => OpeningState::Clock,
            (None, None) if now_ms >= self.lapses_ms() => OpeningState::Lapsed,
            (None, None) => OpeningState::Requested,
            (None, Some(at)) if now_ms < at.time_ms => OpeningState::Clock,
            (None, Some(_)) if !self.is_open(now_ms) => OpeningState::Ended,
            (None, Some(_)) if self.two_persons(id, approvers) => OpeningState::Open,
            (None, Some(_)) => OpeningState::Unapproved,
        }
    }
}

impl Register {
    /// The account for emergencies; none before it was sealed the first time.
    pub fn break_glass(&self) -> Option<&BreakGlass> {
        self.break_glass.as_ref()
    }

    /// What an approver of an opening signs the SHA-256 of; none when there is no such opening.
    pub fn opening_request(&self, id: &str, approvers: &Approvers) -> Option<Vec<u8>> {
        Some(self.break_glass.as_ref()?.openings.get(id)?.request(id, approvers.lineage()))
    }

    /// Whether the account is open by the clock.
    pub(super) fn is_open(&self, now_ms: i64) -> bool {
        self.break_glass.as_ref().is_some_and(|account| account.openings.values().any(|opening| opening.is_open(now_ms)))
    }

    /// The opening that holds now, by two signatures of those who are enrolled now.
    pub(super) fn open_by_signatures(&self, approvers: &Approvers, now_ms: i64) -> Option<&str> {
        let openings = &self.break_glass.as_ref()?.openings;
        let open = openings.iter().find(|(id, opening)| opening.state(id, approvers, now_ms) == OpeningState::Open);
        open.map(|(id, _)| id.as_str())
    }
}
