//! One account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use polder_types::PrincipalId;
use polder_types::random::Rng;
use serde::{Deserialize, Serialize};

use super::passkey::StoredPasskey;
use super::password::{CredentialsError, Password, PasswordHash};
use super::provider::Link;
use super::scram::ScramSecret;
use super::totp::StoredTotp;

/// Longest name of an account or group, in bytes.
const NAME_MAX_BYTES: usize = 63;

/// What a name may be, for error texts.
pub const NAME_RULE: &str =
    "a name is lower-case letters, digits, `_`, `.` and `-`, begins with a letter or `_`, and has at most 63 characters";

/// Whether an account or group may have this name.
pub fn is_name(name: &str) -> bool {
    let head = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let rest = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-'));
    head && rest && name.len() <= NAME_MAX_BYTES
}

/// When something of the register happened. Its version tells before from after, whatever the clock did; the time is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// The version of the register that says so first.
    pub version: u64,
    /// Milliseconds since 1970.
    pub time_ms: i64,
}

/// What sort of account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person, who has a password and may have tokens.
    User,
    /// A program, which has tokens and certificates alone.
    Service,
}

impl Kind {
    /// Its word, which is also the command that manages it, and the kind of its principal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a password became: no way leads back to it but guessing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    pub(super) scram: ScramSecret,
    pub(super) hash: PasswordHash,
}

impl Credentials {
    /// Both forms of a password, each with a salt of its own. Takes a tenth of a second, and 19 MiB.
    ///
    /// # Errors
    /// When there is no randomness, or not the memory.
    pub fn new(password: &Password, rng: &dyn Rng) -> Result<Self, CredentialsError> {
        Ok(Self { scram: ScramSecret::new(password, rng)?, hash: PasswordHash::new(password, rng)? })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// An account. Its name is the register's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub(super) kind: Kind,
    pub(super) added: At,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) disabled: bool,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) groups: BTreeSet<String>,
    /// Sessions that began before are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked_before: Option<At>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) password_set: Option<At>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) credentials: Option<Credentials>,
    /// Who it is at identity providers, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) links: BTreeMap<String, Link>,
    /// The codes that it signs in with beside the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) totp: Option<StoredTotp>,
    /// Its passkeys by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) passkeys: BTreeMap<String, StoredPasskey>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Account {
    /// A person or a program.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// When it was added.
    pub fn added(&self) -> At {
        self.added
    }

    /// Whether it may not sign in.
    pub fn disabled(&self) -> bool {
        self.disabled
    }

    /// The groups of the register that it is in; those that polder.yaml gives its principal come on top.
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// When its sessions were last ended.
    pub fn revoked_before(&self) -> Option<At> {
        self.revoked_before
    }

    /// When its password was set; none without one.
    pub fn password_set(&self) -> Option<At> {
        self.password_set
    }

    /// Who it is at identity providers, by their names.
    pub fn links(&self) -> &BTreeMap<String, Link> {
        &self.links
    }

    /// The codes that it signs in with beside the password; with them, the password alone is not enough.
    pub fn totp(&self) -> Option<&StoredTotp> {
        self.totp.as_ref()
    }

    /// Its passkeys by id.
    pub fn passkeys(&self) -> &BTreeMap<String, StoredPasskey> {
        &self.passkeys
    }

    /// Its principal, `user:NAME` or `service:NAME`.
    ///
    /// # Errors
    /// When the name is none of a principal, which [`is_name`] rules out.
    pub fn principal(&self, name: &str) -> Result<PrincipalId, polder_types::id::IdError> {
        PrincipalId::new(self.kind.name(), name)
    }
}
