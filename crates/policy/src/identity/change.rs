//! A change of the register, as one value: whoever may decide on it need not be the process that makes it.

mod certificate;
mod factor;
mod link;

use std::collections::{BTreeMap, BTreeSet};

use polder_types::event::IdentityChange;
use polder_types::random::{RandomError, Rng};
use polder_types::{ErrorKind, Secret};
use serde::{Deserialize, Serialize};

use super::WIRES;
use super::account::{Account, At, Credentials, Kind, NAME_RULE, is_name};
use super::register::Register;
use super::token::{StoredToken, Token};

mod grants;

pub use certificate::{CertificateChange, CertificateError};
pub use factor::FactorChange;
pub use grants::{BreakGlassChange, GrantChange, GrantError, GrantRecord};
pub use link::{LinkChange, LinkError};

/// How long a token lasts unless something else is said, in days.
pub const TOKEN_DAYS: u32 = 90;
/// How long a token may last, in days.
pub const TOKEN_DAYS_MAX: u32 = 365;
/// Most accounts, and most groups.
const ACCOUNTS_MAX: usize = 10_000;
/// Most tokens of an account that have not ended.
const TOKENS_MAX: usize = 100;
/// Longest note, in characters.
const NOTE_MAX_CHARS: usize = 200;
/// How long a token that has ended is still listed, in days.
const ENDED_KEPT_DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;

/// What is to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A new account. A user has credentials, a service has none.
    AddAccount {
        kind: Kind,
        name: String,
        #[serde(default)]
        groups: BTreeSet<String>,
        #[serde(default)]
        credentials: Option<Credentials>,
    },
    /// The account and its tokens are gone.
    RemoveAccount { kind: Kind, name: String },
    /// It may not sign in, and its sessions are over.
    Disable { kind: Kind, name: String },
    /// It may sign in again.
    Enable { kind: Kind, name: String },
    /// Another password. Sessions that began with the one before are over; tokens stay.
    SetPassword { name: String, credentials: Credentials },
    /// Its sessions are over, and its tokens revoked.
    Revoke { kind: Kind, name: String },
    /// A new group.
    AddGroup { name: String },
    /// The group is gone; its members are not.
    RemoveGroup { name: String },
    /// An account comes into a group.
    Join { group: String, name: String },
    /// An account leaves a group.
    Leave { group: String, name: String },
    /// A new token of an account for some ways in.
    MakeToken {
        owner: String,
        days: u32,
        wires: BTreeSet<String>,
        #[serde(default)]
        note: Option<String>,
    },
    /// A token is worth nothing any more.
    RevokeToken { id: String },
    /// A grant is asked for, approved, denied or revoked.
    Grant(GrantChange),
    /// The account for emergencies is sealed or opened.
    BreakGlass(BreakGlassChange),
    /// Client certificates.
    Certificate(CertificateChange),
    /// Of what an account is at identity providers.
    Link(LinkChange),
    /// Something about the codes or passkeys of a user.
    Factor(FactorChange),
}

/// Whom a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An account, by name.
    Account(String),
    /// A group, by name.
    Group(String),
}

/// What a change makes.
#[derive(Debug)]
pub struct Applied {
    /// The next version of the register.
    pub register: Register,
    /// What it is called in the record.
    pub change: IdentityChange,
    /// Whom it is about.
    pub subject: Subject,
    /// A new token: its id and its text, which is shown once.
    pub token: Option<(String, Secret<String>)>,
    /// The grant, or the opening, that it is about.
    pub grant: Option<GrantRecord>,
}

/// Why a change cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// No name.
    #[error("add {what} {name}: {NAME_RULE}; take another one")]
    Name {
        /// `user`, `service` or `group`.
        what: &'static str,
        /// What was given.
        name: String,
    },
    /// The name is taken.
    #[error("add {what} {name}: there is {there} {name} already; see `polder {there} show {name}`, or take another name")]
    Taken {
        /// What was to be added.
        what: &'static str,
        /// What is there.
        there: &'static str,
        /// The name.
        name: String,
    },
    /// The group's name is taken.
    #[error("add group {name}: it is there already; see `polder group list`")]
    GroupTaken {
        /// The name.
        name: String,
    },
    /// There are too many.
    #[error("add {what} {name}: there are {ACCOUNTS_MAX} already, which is the most; remove one")]
    TooMany {
        /// What was to be added.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Nobody has the name.
    #[error("there is no {what} {name}; see `polder {what} list`")]
    NoAccount {
        /// `user` or `service`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Nobody of either kind has the name.
    #[error("there is no user or service {name}; see `polder user list` and `polder service list`")]
    Nobody {
        /// The name.
        name: String,
    },
    /// The name is of the other kind.
    #[error("{name} is a {there}, and no {what}; say `polder {there}` instead of `polder {what}`")]
    OtherKind {
        /// What was said.
        what: &'static str,
        /// What it is.
        there: &'static str,
        /// The name.
        name: String,
    },
    /// There is no such group.
    #[error("there is no group {name}; see `polder group list`, or add it with `polder group add {name}`")]
    NoGroup {
        /// The name.
        name: String,
    },
    /// There is nothing to change.
    #[error("{name} is {state} already; nothing was changed")]
    Already {
        /// The account.
        name: String,
        /// What it is.
        state: String,
    },
    /// A user without a password, or a service with one.
    #[error("{kind} {name}: {rule}")]
    Credentials {
        /// What it is.
        kind: Kind,
        /// The name.
        name: String,
        /// What holds for it.
        rule: &'static str,
    },
    /// Not so long.
    #[error("make a token of {days} days: it lasts from 1 to {TOKEN_DAYS_MAX} days; say --days, {TOKEN_DAYS} unless you do")]
    Days {
        /// What was asked for.
        days: u32,
    },
    /// For no way in that there is.
    #[error("make a token for {wire}: the ways in are {}; say --wire for each, or none for all", WIRES.join(", "))]
    Wire {
        /// What was asked for.
        wire: String,
    },
    /// The note is no short line.
    #[error("make a token: its note is one line of at most {NOTE_MAX_CHARS} characters; shorten it")]
    Note,
    /// The account has too many tokens.
    #[error("make a token for {name}: it has {TOKENS_MAX} that have not ended, which is the most; revoke one (`polder token list {name}`)")]
    TooManyTokens {
        /// The account.
        name: String,
    },
    /// There is no such token.
    #[error("there is no token {id}; see `polder token list` for the ids: the eight characters behind `polder_`")]
    NoToken {
        /// What was given, unless it is a token.
        id: String,
    },
    /// A token is where its id belongs.
    #[error(
        "that is a whole token; name its id, the eight characters behind `polder_`, and take care: it may stand in the history of your shell"
    )]
    WholeToken,
    /// Of grants, and of the account for emergencies.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// It is about client certificates.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// An account cannot be linked so.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The user has no such second factor.
    #[error("user {name} has no {what}; see `polder user show {name}`")]
    NoFactor {
        /// Whose it would be.
        name: String,
        /// What there is none of.
        what: &'static str,
    },
    /// The second factor breaks a rule.
    #[error("second factor of user {name}: {rule}")]
    Factor {
        /// Whose it would be.
        name: String,
        /// The rule, and what to do.
        rule: &'static str,
    },
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// What it would make could not be read again.
    #[error("change the accounts: {what}")]
    Unsound {
        /// What is wrong.
        what: &'static str,
    },
    /// The last version.
    #[error("change the accounts: the register has had as many versions as can be counted")]
    Versions,
}

impl ChangeError {
    /// What it means to the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoAccount { .. } | Self::Nobody { .. } | Self::NoGroup { .. } | Self::NoToken { .. } | Self::NoFactor { .. } => {
                ErrorKind::NotFound
            }
            Self::Grant(error) => error.kind(),
            Self::Random(_) => ErrorKind::Unavailable,
            Self::Certificate(error) => error.kind(),
            Self::Versions => ErrorKind::Internal,
            _ => ErrorKind::Invalid,
        }
    }
}

impl Change {
    /// What it is called in the record.
    pub fn sort(&self) -> IdentityChange {
        match self {
            Self::AddAccount { .. } => IdentityChange::AccountAdded,
            Self::RemoveAccount { .. } => IdentityChange::AccountRemoved,
            Self::Disable { .. } => IdentityChange::AccountDisabled,
            Self::Enable { .. } => IdentityChange::AccountEnabled,
            Self::SetPassword { .. } => IdentityChange::PasswordSet,
            Self::Revoke { .. } => IdentityChange::SessionsRevoked,
            Self::AddGroup { .. } => IdentityChange::GroupAdded,
            Self::RemoveGroup { .. } => IdentityChange::GroupRemoved,
            Self::Join { .. } => IdentityChange::MemberAdded,
            Self::Leave { .. } => IdentityChange::MemberRemoved,
            Self::MakeToken { .. } => IdentityChange::TokenMade,
            Self::RevokeToken { .. } => IdentityChange::TokenRevoked,
            Self::Grant(change) => change.sort(),
            Self::BreakGlass(change) => change.sort(),
            Self::Certificate(change) => change.sort(),
            Self::Link(change) => change.sort(),
            Self::Factor(change) => change.sort(),
        }
    }
}

impl Register {
    /// The register that a change makes of this one.
    ///
    /// # Errors
    /// When it cannot be made, or there is no randomness for a token.
    pub fn apply(&self, change: &Change, now_ms: i64, rng: &dyn Rng) -> Result<Applied, ChangeError> {
        grants::reserved(change)?;
        let mut next = self.clone();
        next.version = self.version.checked_add(1).ok_or(ChangeError::Versions)?;
        next.forget_tokens(now_ms.saturating_sub(ENDED_KEPT_DAYS * DAY_MS));
        next.forget_certificates(now_ms.saturating_sub(ENDED_KEPT_DAYS * DAY_MS));
        let at = At { version: next.version, time_ms: now_ms };
        let mut made = None;
        let mut grant = None;
        let subject = match change {
            Change::AddAccount { kind, name, groups, credentials } => next.add(*kind, name, groups, credentials.as_ref(), at)?,
            Change::RemoveAccount { kind, name } => {
                next.of_kind(*kind, name)?;
                next.accounts.remove(name);
                next.tokens.retain(|_, token| token.owner != *name);
                next.certificates.retain(|_, certificate| certificate.owner != *name);
                Subject::Account(name.clone())
            }
            Change::Disable { kind, name } => {
                let account = next.of_kind(*kind, name)?;
                if account.disabled {
                    return Err(already(name, "disabled"));
                }
                account.disabled = true;
                account.revoked_before = Some(at);
                Subject::Account(name.clone())
            }
            Change::Enable { kind, name } => {
                let account = next.of_kind(*kind, name)?;
                if !account.disabled {
                    return Err(already(name, "enabled"));
                }
                account.disabled = false;
                Subject::Account(name.clone())
            }
            Change::SetPassword { name, credentials } => {
                let account = next.of_kind(Kind::User, name)?;
                account.credentials = Some(credentials.clone());
                account.password_set = Some(at);
                account.revoked_before = Some(at);
                Subject::Account(name.clone())
            }
            Change::Revoke { kind, name } => {
                let account = next.of_kind(*kind, name)?;
                account.revoked_before = Some(at);
                // One that was added by whoever had the password for a moment would go on.
                account.passkeys.clear();
                for token in next.tokens.values_mut().filter(|token| token.owner == *name && token.revoked.is_none()) {
                    token.revoked = Some(at);
                }
                next.revoke_certificates(name, at);
                Subject::Account(name.clone())
            }
            Change::AddGroup { name } => {
                if !is_name(name) {
                    return Err(ChangeError::Name { what: "group", name: name.clone() });
                }
                if next.groups.len() >= ACCOUNTS_MAX {
                    return Err(ChangeError::TooMany { what: "group", name: name.clone() });
                }
                if next.groups.insert(name.clone(), at).is_some() {
                    return Err(ChangeError::GroupTaken { name: name.clone() });
                }
                Subject::Group(name.clone())
            }
            Change::RemoveGroup { name } => {
                next.groups.remove(name).ok_or_else(|| ChangeError::NoGroup { name: name.clone() })?;
                for account in next.accounts.values_mut() {
                    account.groups.remove(name);
                }
                Subject::Group(name.clone())
            }
            Change::Join { group, name } => {
                next.group(group)?;
                if !next.of_any_kind(name)?.groups.insert(group.clone()) {
                    return Err(already(name, &format!("in group {group}")));
                }
                Subject::Account(name.clone())
            }
            Change::Leave { group, name } => {
                next.group(group)?;
                if !next.of_any_kind(name)?.groups.remove(group) {
                    return Err(already(name, &format!("out of group {group}")));
                }
                Subject::Account(name.clone())
            }
            Change::MakeToken { owner, days, wires, note } => {
                let token = next.make_token(owner, *days, wires, note.as_deref(), at, rng)?;
                made = Some((token.id().to_owned(), token.text()));
                Subject::Account(owner.clone())
            }
            Change::RevokeToken { id } => {
                if Token::parse(id).is_some() {
                    return Err(ChangeError::WholeToken);
                }
                let token = next.tokens.get_mut(id).ok_or_else(|| ChangeError::NoToken { id: id.clone() })?;
                if token.revoked.is_some() {
                    return Err(already(id, "revoked"));
                }
                token.revoked = Some(at);
                Subject::Account(token.owner.clone())
            }
            Change::Grant(change) => {
                let (subject, record, _) = next.change_grant(change, at, rng)?;
                grant = Some(record);
                subject
            }
            Change::BreakGlass(change) => {
                let (subject, record, token) = next.change_break_glass(change, at, rng)?;
                grant = Some(record);
                made = token.map(|token| (token.id().to_owned(), token.text()));
                subject
            }
            Change::Certificate(change) => next.change_certificate(change, at)?,
            Change::Link(change) => next.link(change, at)?,
            Change::Factor(change) => Subject::Account(next.factor(change, at)?),
        };
        next.forget_grants(now_ms);
        // A change may come from another process: nothing is made of it that could not be read again.
        next.sound().map_err(|what| ChangeError::Unsound { what })?;
        Ok(Applied { register: next, change: change.sort(), subject, token: made, grant })
    }

    fn add(
        &mut self,
        kind: Kind,
        name: &str,
        groups: &BTreeSet<String>,
        credentials: Option<&Credentials>,
        at: At,
    ) -> Result<Subject, ChangeError> {
        let rule = match (kind, credentials) {
            (Kind::User, None) => Some("a user has a password; give it one"),
            (Kind::Service, Some(_)) => Some("a service has tokens and certificates alone; make a token with `polder token create`"),
            _ => None,
        };
        self.is_free(kind, name)?;
        if let Some(rule) = rule {
            return Err(ChangeError::Credentials { kind, name: name.to_owned(), rule });
        }
        self.place(kind, name, groups, credentials, at)
    }

    fn is_free(&self, kind: Kind, name: &str) -> Result<(), ChangeError> {
        let what = kind.name();
        if !is_name(name) {
            return Err(ChangeError::Name { what, name: name.to_owned() });
        }
        if let Some(there) = self.accounts.get(name) {
            return Err(ChangeError::Taken { what, there: there.kind.name(), name: name.to_owned() });
        }
        if self.accounts.len() >= ACCOUNTS_MAX {
            return Err(ChangeError::TooMany { what, name: name.to_owned() });
        }
        Ok(())
    }

    /// Puts an account in, of a name that [`Self::is_free`].
    fn place(
        &mut self,
        kind: Kind,
        name: &str,
        groups: &BTreeSet<String>,
        credentials: Option<&Credentials>,
        at: At,
    ) -> Result<Subject, ChangeError> {
        if let Some(group) = self.unknown_groups(groups) {
            return Err(ChangeError::NoGroup { name: group.to_owned() });
        }
        let account = Account {
            kind,
            added: at,
            disabled: false,
            groups: groups.clone(),
            revoked_before: None,
            password_set: credentials.map(|_| at),
            credentials: credentials.cloned(),
            links: BTreeMap::new(),
            totp: None,
            passkeys: BTreeMap::new(),
        };
        self.accounts.insert(name.to_owned(), account);
        Ok(Subject::Account(name.to_owned()))
    }

    fn make_token(
        &mut self,
        owner: &str,
        days: u32,
        wires: &BTreeSet<String>,
        note: Option<&str>,
        at: At,
        rng: &dyn Rng,
    ) -> Result<Token, ChangeError> {
        self.of_any_kind(owner)?;
        if !(1..=TOKEN_DAYS_MAX).contains(&days) {
            return Err(ChangeError::Days { days });
        }
        if let Some(wire) = wires.iter().find(|wire| !WIRES.contains(&wire.as_str())) {
            return Err(ChangeError::Wire { wire: wire.clone() });
        }
        if note.is_some_and(|note| note.chars().count() > NOTE_MAX_CHARS || note.chars().any(char::is_control)) {
            return Err(ChangeError::Note);
        }
        let current = |token: &&StoredToken| token.owner == owner && token.revoked.is_none() && token.expires_ms > at.time_ms;
        if self.tokens.values().filter(current).count() >= TOKENS_MAX {
            return Err(ChangeError::TooManyTokens { name: owner.to_owned() });
        }
        let mut token = Token::new(rng)?;
        while self.tokens.contains_key(token.id()) {
            token = Token::new(rng)?;
        }
        let wires = if wires.is_empty() { WIRES.map(str::to_owned).into() } else { wires.clone() };
        let stored = StoredToken {
            owner: owner.to_owned(),
            hash: token.hash(),
            wires,
            made: at,
            expires_ms: at.time_ms.saturating_add(i64::from(days).saturating_mul(DAY_MS)),
            note: note.filter(|note| !note.is_empty()).map(str::to_owned),
            revoked: None,
        };
        self.tokens.insert(token.id().to_owned(), stored);
        Ok(token)
    }

    fn of_kind(&mut self, kind: Kind, name: &str) -> Result<&mut Account, ChangeError> {
        match self.accounts.get_mut(name) {
            Some(account) if account.kind == kind => Ok(account),
            Some(account) => Err(ChangeError::OtherKind { what: kind.name(), there: account.kind.name(), name: name.to_owned() }),
            None => Err(ChangeError::NoAccount { what: kind.name(), name: name.to_owned() }),
        }
    }

    fn of_any_kind(&mut self, name: &str) -> Result<&mut Account, ChangeError> {
        self.accounts.get_mut(name).ok_or_else(|| ChangeError::Nobody { name: name.to_owned() })
    }

    fn group(&self, name: &str) -> Result<(), ChangeError> {
        if self.groups.contains_key(name) { Ok(()) } else { Err(ChangeError::NoGroup { name: name.to_owned() }) }
    }
}

fn already(name: &str, state: &str) -> ChangeError {
    ChangeError::Already { name: name.to_owned(), state: state.to_owned() }
}
