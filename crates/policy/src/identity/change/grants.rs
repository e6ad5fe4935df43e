//! Changes of grants and of the account for emergencies.

use std::collections::{BTreeMap, BTreeSet};

use polder_types::ErrorKind;
use polder_types::event::IdentityChange;
use polder_types::random::Rng;
use serde::{Deserialize, Serialize};

use super::{Change, ChangeError, Subject};
use crate::identity::account::{Account, At, Kind};
use crate::identity::approval::{Approval, Approvers, Unapproved};
use crate::identity::break_glass::{BREAK_GLASS, BREAK_GLASS_HOURS_MAX, BreakGlass, Opening};
use crate::identity::encoded;
use crate::identity::grant::{Ended, GRANT_HOURS_MAX, Grant};
use crate::identity::register::Register;
use crate::identity::token::Token;

/// Most grants that are kept, ended ones among them.
const GRANTS_MAX: usize = 10_000;
/// Most openings that are kept, and most that wait for an approval.
const OPENINGS_MAX: usize = 1_000;
/// Longest reason, in characters.
const REASON_MAX_CHARS: usize = 500;
/// How long what has ended is still listed, in milliseconds.
const ENDED_KEPT_MS: i64 = 30 * 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// What is to change of the grants. `by` is a principal, but for an approval: that is by a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GrantChange {
    /// Someone asks that an account be in a group until a time, in milliseconds since 1970. It lasts at most `hours_max` hours.
    Request { group: String, account: String, by: String, until_ms: i64, reason: String, hours_max: u32 },
    /// An approver signed it.
    Approve {
        id: String,
        by: String,
        #[serde(with = "encoded")]
        signature: [u8; 64],
        approvers: Approvers,
    },
    /// Someone says no.
    Deny { id: String, by: String, reason: String },
    /// Someone ends it before its time.
    Revoke { id: String, by: String },
}

/// What is to change of the account for emergencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BreakGlassChange {
    /// Nobody can sign in with it: made so, or sealed again.
    Seal,
    /// Someone asks that it be opened for some hours.
    Request { by: String, hours: u32, reason: String },
    /// An approver signed that.
    Approve {
        id: String,
        by: String,
        #[serde(with = "encoded")]
        signature: [u8; 64],
        approvers: Approvers,
    },
    /// Who asked opens it, and gets its token.
    Open { id: String, by: String, approvers: Approvers },
}

/// Why a grant, or an opening, cannot be changed so.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is none.
    #[error("there is no {what} {id}; see `polder {list}`")]
    None {
        /// `grant` or `opening`.
        what: &'static str,
        /// What was given.
        id: String,
        /// What lists them.
        list: &'static str,
    },
    /// It is over before it begins.
    #[error("ask for a grant: it would end before it begins; say a time to come")]
    Past,
    /// It is longer than it may be.
    #[error("ask for a grant: it may last at most {hours_max} hours; ask for less, or raise `grant_hours` of limits in polder.yaml")]
    TooLong {
        /// The most.
        hours_max: u32,
    },
    /// The reason is no short line.
    #[error("give a reason: it is one line of 1 to {REASON_MAX_CHARS} characters; whoever approves reads it")]
    Reason,
    /// There are too many.
    #[error("ask for {what}: there are as many as are kept; they go 30 days after their end")]
    TooMany {
        /// `a grant` or `an opening`.
        what: &'static str,
    },
    /// It is not what this can be done with.
    #[error("{verb} {what} {id}: {state}")]
    State {
        /// What was to be done.
        verb: &'static str,
        /// `grant` or `opening`.
        what: &'static str,
        /// Which.
        id: String,
        /// Why not, and what to do.
        state: &'static str,
    },
    /// The clock is before what happened.
    #[error("{verb} {what} {id}: the clock says that it was not asked for yet; set the clock right")]
    Clock {
        /// What was to be done.
        verb: &'static str,
        /// `grant` or `opening`.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// Nobody enrolled has the name of the signer.
    #[error("approve {id}: {by} is not an approver of this environment; whoever keeps polder.yaml can enrol them (`polder keys approver`)")]
    NotEnrolled {
        /// Which.
        id: String,
        /// The signer.
        by: String,
    },
    /// The signature is of something else, or by another key.
    #[error("approve {id}: the signature is not one of this request by the enrolled key of {by}; sign what `show` shows, with that key")]
    Signature {
        /// Which.
        id: String,
        /// The signer.
        by: String,
    },
    /// Who signed asked for it, or gets it.
    #[error("approve {id}: {by} asked for it, or gets it, and nobody approves what is their own; another approver can")]
    SamePerson {
        /// Which.
        id: String,
        /// The signer.
        by: String,
    },
    /// The same person signed already.
    #[error("approve {id}: {by} approved it already; another approver is wanted")]
    Again {
        /// Which.
        id: String,
        /// The signer.
        by: String,
    },
    /// It takes two.
    #[error("open {id}: two enrolled approvers other than who asked must have signed it; see `polder break-glass show`")]
    TwoPersons {
        /// Which.
        id: String,
    },
    /// Someone else asked.
    #[error("open {id}: only who asked for it can; ask for an opening of your own with `polder break-glass request`")]
    NotRequester {
        /// Which.
        id: String,
    },
    /// It is no such length.
    #[error("ask for an opening: it lasts from 1 to {BREAK_GLASS_HOURS_MAX} hours; say --hours")]
    Hours,
    /// There is no such account yet.
    #[error("{verb} break-glass: there is no such account yet; whoever manages accounts makes it with `polder break-glass seal`")]
    NoAccount {
        /// What was to be done.
        verb: &'static str,
    },
    /// It was opened and not sealed since.
    #[error("{verb} break-glass: it was opened, and was not sealed since; seal it first with `polder break-glass seal`")]
    NotSealed {
        /// What was to be done.
        verb: &'static str,
    },
    /// The account is nobody else's to change.
    #[error("change break-glass: this name is of the account for emergencies, which only `polder break-glass` changes")]
    Reserved,
    /// Its name is taken.
    #[error("seal break-glass: there is an account of that name, which is not the one for emergencies; remove that one first")]
    Taken,
}

impl GrantError {
    /// What it means to the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::None { .. } => ErrorKind::NotFound,
            Self::NotEnrolled { .. }
            | Self::Signature { .. }
            | Self::SamePerson { .. }
            | Self::Again { .. }
            | Self::TwoPersons { .. }
            | Self::NotRequester { .. } => ErrorKind::Denied,
            _ => ErrorKind::Invalid,
        }
    }

    fn unapproved(why: Unapproved, id: &str, by: &str) -> Self {
        let (id, by) = (id.to_owned(), by.to_owned());
        match why {
            Unapproved::NotEnrolled => Self::NotEnrolled { id, by },
            Unapproved::Signature => Self::Signature { id, by },
            Unapproved::SamePerson => Self::SamePerson { id, by },
        }
    }
}

/// What a change is about, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRecord {
    /// Of the grant or the opening; none where the account for emergencies is sealed.
    pub id: Option<String>,
    /// The group of a grant.
    pub group: Option<String>,
    /// When it ends, in milliseconds since 1970, where that is known.
    pub until_ms: Option<i64>,
    /// What for.
    pub reason: Option<String>,
}

/// What a change of these made: whom it is about, what is recorded, and a token.
pub(super) type Made = (Subject, GrantRecord, Option<Token>);

impl GrantChange {
    pub(super) fn sort(&self) -> IdentityChange {
        match self {
            Self::Request { .. } => IdentityChange::GrantRequested,
            Self::Approve { .. } => IdentityChange::GrantApproved,
            Self::Deny { .. } => IdentityChange::GrantDenied,
            Self::Revoke { .. } => IdentityChange::GrantRevoked,
        }
    }

    /// The grant that is there already.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Request { .. } => None,
            Self::Approve { id, .. } | Self::Deny { id, .. } | Self::Revoke { id, .. } => Some(id),
        }
    }
}

impl BreakGlassChange {
    pub(super) fn sort(&self) -> IdentityChange {
        match self {
            Self::Seal => IdentityChange::BreakGlassSealed,
            Self::Request { .. } => IdentityChange::BreakGlassRequested,
            Self::Approve { .. } => IdentityChange::BreakGlassApproved,
            Self::Open { .. } => IdentityChange::BreakGlassOpened,
        }
    }
}

/// Whether a change is of the account for emergencies, and not made by its own command.
pub(super) fn reserved(change: &Change) -> Result<(), ChangeError> {
    let named = match change {
        Change::AddAccount { name, .. }
        | Change::RemoveAccount { name, .. }
        | Change::Disable { name, .. }
        | Change::Enable { name, .. }
        | Change::SetPassword { name, .. }
        | Change::Revoke { name, .. }
        | Change::Join { name, .. }
        | Change::Leave { name, .. } => Some(name),
        Change::MakeToken { owner, .. } => Some(owner),
        Change::Grant(GrantChange::Request { account, .. }) => Some(account),
        _ => None,
    };
    if named.is_some_and(|name| name == BREAK_GLASS) { Err(GrantError::Reserved.into()) } else { Ok(()) }
}

impl Register {
    pub(super) fn change_grant(&mut self, change: &GrantChange, at: At, rng: &dyn Rng) -> Result<Made, ChangeError> {
        let id = match change {
            GrantChange::Request { group, account, by, until_ms, reason, hours_max } => {
                self.group(group)?;
                let subject = match self.accounts.get(account) {
                    Some(found) => found.principal(account).map_err(|_| ChangeError::Nobody { name: account.clone() })?,
                    None => return Err(ChangeError::Nobody { name: account.clone() }),
                };
                let hours_max = (*hours_max).min(GRANT_HOURS_MAX);
                if *until_ms <= at.time_ms {
                    return Err(GrantError::Past.into());
                }
                if until_ms.saturating_sub(at.time_ms) > i64::from(hours_max).saturating_mul(HOUR_MS) {
                    return Err(GrantError::TooLong { hours_max }.into());
                }
                check_reason(reason)?;
                if self.grants.len() >= GRANTS_MAX {
                    return Err(GrantError::TooMany { what: "a grant" }.into());
                }
                let id = self.new_id(rng)?;
                let grant = Grant {
                    group: group.clone(),
                    account: account.clone(),
                    subject: subject.as_str().to_owned(),
                    requested_by: by.clone(),
                    requested: at,
                    until_ms: *until_ms,
                    reason: reason.clone(),
                    approval: None,
                    denied: None,
                    revoked: None,
                };
                self.grants.insert(id.clone(), grant);
                id
            }
            GrantChange::Approve { id, by, signature, approvers } => {
                let grant = self.waiting("approve", id, at)?;
                grant.approved_by(id, by, signature, approvers).map_err(|why| GrantError::unapproved(why, id, by))?;
                grant.approval = Some(Approval { by: by.clone(), signature: *signature, at });
                id.clone()
            }
            GrantChange::Deny { id, by, reason } => {
                check_reason(reason)?;
                self.waiting("deny", id, at)?.denied = Some(Ended { by: by.clone(), at, reason: Some(reason.clone()) });
                id.clone()
            }
            GrantChange::Revoke { id, by } => {
                let grant = self.grant_mut(id)?;
                let state = match (&grant.approval, &grant.revoked) {
                    (None, _) => Some("it is not approved; refuse it with `polder grant deny`"),
                    (Some(_), Some(_)) => Some("it is revoked already; nothing was changed"),
                    (Some(_), None) if at.time_ms >= grant.until_ms => Some("it has ended by itself; nothing was changed"),
                    (Some(_), None) => None,
                };
                if let Some(state) = state {
                    return Err(GrantError::State { verb: "revoke", what: "grant", id: id.clone(), state }.into());
                }
                grant.revoked = Some(Ended { by: by.clone(), at, reason: None });
                id.clone()
            }
        };
        let grant = self.grant_mut(&id)?;
        let record = GrantRecord {
            group: Some(grant.group.clone()),
            until_ms: Some(grant.until_ms),
            reason: Some(grant.reason.clone()),
            id: Some(id),
        };
        Ok((Subject::Account(grant.account.clone()), record, None))
    }

    pub(super) fn change_break_glass(&mut self, change: &BreakGlassChange, at: At, rng: &dyn Rng) -> Result<Made, ChangeError> {
        let mut token = None;
        let record = match change {
            BreakGlassChange::Seal => {
                self.seal(at)?;
                GrantRecord { id: None, group: None, until_ms: None, reason: None }
            }
            BreakGlassChange::Request { by, hours, reason } => {
                if !(1..=BREAK_GLASS_HOURS_MAX).contains(hours) {
                    return Err(GrantError::Hours.into());
                }
                check_reason(reason)?;
                let id = self.new_id(rng)?;
                let openings = &mut self.sealed("ask for an opening of")?.openings;
                if openings.len() >= OPENINGS_MAX {
                    return Err(GrantError::TooMany { what: "an opening" }.into());
                }
                let opening = Opening {
                    requested_by: by.clone(),
                    requested: at,
                    length_ms: i64::from(*hours).saturating_mul(HOUR_MS),
                    reason: reason.clone(),
                    approvals: Vec::new(),
                    opened: None,
                    sealed: None,
                };
                openings.insert(id.clone(), opening);
                GrantRecord { id: Some(id), group: None, until_ms: None, reason: Some(reason.clone()) }
            }
            BreakGlassChange::Approve { id, by, signature, approvers } => {
                let opening = self.unopened("approve", id, at)?;
                let key = opening.approved_by(id, by, signature, approvers).map_err(|why| GrantError::unapproved(why, id, by))?;
                let before = opening
                    .approvals
                    .iter()
                    .any(|approval| approval.by == *by || opening.approved_by(id, &approval.by, &approval.signature, approvers) == Ok(key));
                if before {
                    return Err(GrantError::Again { id: id.clone(), by: by.clone() }.into());
                }
                if opening.two_persons(id, approvers) {
                    let state = "two approvers signed it already; who asked opens it with `polder break-glass open`";
                    return Err(GrantError::State { verb: "approve", what: "opening", id: id.clone(), state }.into());
                }
                opening.approvals.push(Approval { by: by.clone(), signature: *signature, at });
                GrantRecord { id: Some(id.clone()), group: None, until_ms: None, reason: Some(opening.reason.clone()) }
            }
            BreakGlassChange::Open { id, by, approvers } => {
                self.sealed("open")?;
                let opening = self.unopened("open", id, at)?;
                if opening.requested_by != *by {
                    return Err(GrantError::NotRequester { id: id.clone() }.into());
                }
                if !opening.two_persons(id, approvers) {
                    return Err(GrantError::TwoPersons { id: id.clone() }.into());
                }
                opening.opened = Some(at);
                let (until_ms, reason) = (opening.until_ms(), opening.reason.clone());
                let made = self.make_token(BREAK_GLASS, 1, &BTreeSet::new(), Some(&format!("opening {id}")), at, rng)?;
                if let (Some(stored), Some(until_ms)) = (self.tokens.get_mut(made.id()), until_ms) {
                    stored.expires_ms = until_ms;
                }
                token = Some(made);
                GrantRecord { id: Some(id.clone()), group: None, until_ms, reason: Some(reason) }
            }
        };
        Ok((Subject::Account(BREAK_GLASS.to_owned()), record, token))
    }

    /// Makes the account, or ends whatever it was opened for, and whatever was asked for.
    fn seal(&mut self, at: At) -> Result<(), ChangeError> {
        match (self.accounts.get_mut(BREAK_GLASS), &mut self.break_glass) {
            (Some(account), Some(kept)) => {
                account.revoked_before = Some(at);
                kept.sealed = at;
                for opening in kept.openings.values_mut().filter(|opening| opening.sealed.is_none()) {
                    opening.sealed = Some(at);
                }
                for token in self.tokens.values_mut().filter(|token| token.owner == BREAK_GLASS && token.revoked.is_none()) {
                    token.revoked = Some(at);
                }
            }
            (None, none) => {
                let account = Account {
                    kind: Kind::User,
                    added: at,
                    disabled: false,
                    groups: BTreeSet::new(),
                    revoked_before: None,
                    password_set: None,
                    credentials: None,
                    links: BTreeMap::new(),
                    totp: None,
                    passkeys: BTreeMap::new(),
                };
                self.accounts.insert(BREAK_GLASS.to_owned(), account);
                *none = Some(BreakGlass { sealed: at, openings: BTreeMap::new() });
            }
            (Some(_), None) => return Err(GrantError::Taken.into()),
        }
        Ok(())
    }

    /// The account, where it is sealed.
    fn sealed(&mut self, verb: &'static str) -> Result<&mut BreakGlass, ChangeError> {
        let kept = self.break_glass.as_mut().ok_or(GrantError::NoAccount { verb })?;
        if kept.openings.values().any(|opening| opening.opened.is_some() && opening.sealed.is_none()) {
            return Err(GrantError::NotSealed { verb }.into());
        }
        Ok(kept)
    }

    /// An opening that was not opened, and may be.
    fn unopened(&mut self, verb: &'static str, id: &str, at: At) -> Result<&mut Opening, ChangeError> {
        let kept = self.break_glass.as_mut().ok_or(GrantError::NoAccount { verb })?;
        let none = || GrantError::None { what: "opening", id: id.to_owned(), list: "break-glass show" };
        let opening = kept.openings.get_mut(id).ok_or_else(none)?;
        let state = match (opening.sealed, opening.opened) {
            (Some(_), _) => Some("it was sealed since; ask anew with `polder break-glass request`"),
            (None, Some(_)) => Some("it was opened already, which can be done once"),
            (None, None) if at.time_ms >= opening.lapses_ms() => Some("it was asked for more than 24 hours ago; ask anew"),
            (None, None) => None,
        };
        if let Some(state) = state {
            return Err(GrantError::State { verb, what: "opening", id: id.to_owned(), state }.into());
        }
        if at.time_ms < opening.requested.time_ms {
            return Err(GrantError::Clock { verb, what: "opening", id: id.to_owned() }.into());
        }
        Ok(opening)
    }

    fn grant_mut(&mut self, id: &str) -> Result<&mut Grant, ChangeError> {
        let none = || GrantError::None { what: "grant", id: id.to_owned(), list: "grant list" };
        Ok(self.grants.get_mut(id).ok_or_else(none)?)
    }

    /// A grant that waits for an approval.
    fn waiting(&mut self, verb: &'static str, id: &str, at: At) -> Result<&mut Grant, ChangeError> {
        let grant = self.grant_mut(id)?;
        let state = match (&grant.denied, &grant.approval) {
            (Some(_), _) => Some("it was denied; ask anew with `polder grant request`"),
            (None, Some(_)) => Some("it is approved already; end it with `polder grant revoke`"),
            (None, None) if at.time_ms >= grant.lapses_ms() => {
                Some("its time is over, or it was asked for more than 24 hours ago; ask anew with `polder grant request`")
            }
            (None, None) => None,
        };
        if let Some(state) = state {
            return Err(GrantError::State { verb, what: "grant", id: id.to_owned(), state }.into());
        }
        if at.time_ms < grant.requested.time_ms {
            return Err(GrantError::Clock { verb, what: "grant", id: id.to_owned() }.into());
        }
        Ok(grant)
    }

    /// An id that nothing of these has.
    fn new_id(&self, rng: &dyn Rng) -> Result<String, ChangeError> {
        loop {
            let mut bytes = [0u8; 5];
            rng.fill(&mut bytes)?;
            let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let opened = self.break_glass.as_ref().is_some_and(|kept| kept.openings.contains_key(&id));
            if !opened && !self.grants.contains_key(&id) {
                return Ok(id);
            }
        }
    }

    /// What has ended long ago, or whose account or group is gone.
    pub(super) fn forget_grants(&mut self, now_ms: i64) {
        let before_ms = now_ms.saturating_sub(ENDED_KEPT_MS);
        let (accounts, groups) = (&self.accounts, &self.groups);
        self.grants
            .retain(|_, grant| grant.until_ms >= before_ms && accounts.contains_key(&grant.account) && groups.contains_key(&grant.group));
        if let Some(kept) = &mut self.break_glass {
            // What was opened is there until it is sealed.
            kept.openings.retain(|_, opening| {
                let over_ms = opening.sealed.map_or(opening.lapses_ms(), |at| at.time_ms);
                over_ms >= before_ms || (opening.opened.is_some() && opening.sealed.is_none())
            });
        }
    }
}

fn check_reason(reason: &str) -> Result<(), GrantError> {
    let fits = (1..=REASON_MAX_CHARS).contains(&reason.trim().chars().count()) && !reason.chars().any(char::is_control);
    if fits && reason.chars().count() <= REASON_MAX_CHARS { Ok(()) } else { Err(GrantError::Reason) }
}
