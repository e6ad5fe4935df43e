//! Grants: membership of a group for a limited time, which another person approved.

use serde::{Deserialize, Serialize};

use super::account::At;
use super::approval::{Approval, Approvers, Unapproved};
use super::break_glass::BREAK_GLASS;
use super::register::Register;
use super::signed_in::{Refusal, SignedIn};

/// How long someone may be in a group by a grant unless polder.yaml says otherwise, in hours.
pub const GRANT_HOURS: u32 = 24;
/// The most that polder.yaml may say, in hours.
pub const GRANT_HOURS_MAX: u32 = 720;
/// How long what is asked for can be approved, in milliseconds.
pub(super) const OPEN_MS: i64 = 86_400_000;

/// A grant, or what was asked for. Its id is the register's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub(super) group: String,
    pub(super) account: String,
    /// The account's principal.
    pub(super) subject: String,
    pub(super) requested_by: String,
    pub(super) requested: At,
    pub(super) until_ms: i64,
    pub(super) reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) approval: Option<Approval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) denied: Option<Ended>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<Ended>,
}

/// Who ended something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    pub(super) by: String,
    pub(super) at: At,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Ended {
    /// Who did.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// When.
    pub fn at(&self) -> At {
        self.at
    }

    /// What they said.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

/// How a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantState {
    /// It waits for an approval.
    Requested,
    /// Nobody approved it in time.
    Lapsed,
    /// Someone said no.
    Denied,
    /// It is in force.
    Active,
    /// It was approved later than it is now, so that nobody can tell when it ends.
    Clock,
    /// It is not what an enrolled approver signed.
    Unapproved,
    /// Its time is over.
    Ended,
    /// Someone ended it before its time.
    Revoked,
}

impl GrantState {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Lapsed => "lapsed",
            Self::Denied => "denied",
            Self::Active => "active",
            Self::Clock => "clock",
            Self::Unapproved => "unapproved",
            Self::Ended => "ended",
            Self::Revoked => "revoked",
        }
    }
}

/// What of a grant is signed, in this order.
#[derive(Serialize)]
struct Request<'a> {
    format: &'static str,
    lineage: &'a str,
    id: &'a str,
    group: &'a str,
    subject: &'a str,
    requested_by: &'a str,
    requested_ms: i64,
    until_ms: i64,
    reason: &'a str,
}

impl Grant {
    /// The group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Who gets it: an account's name.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Who gets it, as a principal.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Who asked for it.
    pub fn requested_by(&self) -> &str {
        &self.requested_by
    }

    /// When it was asked for.
    pub fn requested(&self) -> At {
        self.requested
    }

    /// When it ends, in milliseconds since 1970.
    pub fn until_ms(&self) -> i64 {
        self.until_ms
    }

    /// What for.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The approval.
    pub fn approval(&self) -> Option<&Approval> {
        self.approval.as_ref()
    }

    /// That someone said no.
    pub fn denied(&self) -> Option<&Ended> {
        self.denied.as_ref()
    }

    /// That someone ended it.
    pub fn revoked(&self) -> Option<&Ended> {
        self.revoked.as_ref()
    }

    /// What an approver signs.
    pub(super) fn request(&self, id: &str, lineage: &str) -> Vec<u8> {
        let request = Request {
            format: "polder grant 1",
            lineage,
            id,
            group: &self.group,
            subject: &self.subject,
            requested_by: &self.requested_by,
            requested_ms: self.requested.time_ms,
            until_ms: self.until_ms,
            reason: &self.reason,
        };
        // Texts and numbers alone: it cannot fail, and of nothing there is no signature that counts.
        serde_json::to_vec(&request).unwrap_or_default()
    }

    /// Whether a signature approves it.
    pub(super) fn approved_by(&self, id: &str, by: &str, signature: &[u8], approvers: &Approvers) -> Result<(), Unapproved> {
        let persons = [self.requested_by.as_str(), self.subject.as_str()];
        approvers.verify(&self.request(id, approvers.lineage()), by, signature, &persons).map(|_| ())
    }

    /// From when on nobody can approve it any more.
    pub(super) fn lapses_ms(&self) -> i64 {
        self.requested.time_ms.saturating_add(OPEN_MS).min(self.until_ms)
    }

    /// How it stands, by the signature that is kept with it.
    pub fn state(&self, id: &str, approvers: &Approvers, now_ms: i64) -> GrantState {
        match (&self.denied, &self.approval, &self.revoked) {
            (Some(_), ..) => GrantState::Denied,
            (None, None, _) if now_ms < self.requested.time_ms => GrantState::Clock,
            (None, None, _) if now_ms >= self.lapses_ms() => GrantState::Lapsed,
            (None, None, _) => GrantState::Requested,
            (None, Some(_), Some(_)) => GrantState::Revoked,
            (None, Some(_), None) if now_ms >= self.until_ms => GrantState::Ended,
            (None, Some(approval), None) if now_ms < approval.at.time_ms => GrantState::Clock,
            (None, Some(approval), None) => match self.approved_by(id, &approval.by, &approval.signature, approvers) {
                Ok(()) => GrantState::Active,
                Err(_) => GrantState::Unapproved,
            },
        }
    }
}

/// What a session rests on at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The groups of the account, those by grants among them, sorted.
    pub groups: Vec<String>,
    /// The ids of the grants in force, or of the opening that let the account in, sorted.
    pub grants: Vec<String>,
}

impl Register {
    /// The grants by id, and what was asked for.
    pub fn grants(&self) -> &std::collections::BTreeMap<String, Grant> {
        &self.grants
    }

    /// What an approver of a grant signs the SHA-256 of; none when there is no such grant.
    pub fn grant_request(&self, id: &str, approvers: &Approvers) -> Option<Vec<u8>> {
        Some(self.grants.get(id)?.request(id, approvers.lineage()))
    }

    /// As [`Self::still`], with the groups that grants give now. The account for emergencies holds only while it is open, by the signatures
    /// of two approvers who are enrolled now.
    ///
    /// # Errors
    /// Why the session is over.
    pub fn membership(&self, signed_in: &SignedIn, approvers: &Approvers, now_ms: i64) -> Result<Membership, Refusal> {
        let mut groups = self.still(signed_in, now_ms)?;
        if signed_in.name() == BREAK_GLASS {
            let opening = self.open_by_signatures(approvers, now_ms).ok_or(Refusal::Sealed)?;
            return Ok(Membership { groups, grants: vec![opening.to_owned()] });
        }
        let active = |(id, grant): &(&String, &Grant)| {
            grant.account == signed_in.name()
                && grant.subject == signed_in.principal().as_str()
                && grant.state(id, approvers, now_ms) == GrantState::Active
        };
        let mut grants = Vec::new();
        for (id, grant) in self.grants.iter().filter(active) {
            grants.push(id.clone());
            groups.push(grant.group.clone());
        }
        groups.sort();
        groups.dedup();
        Ok(Membership { groups, grants })
    }
}
