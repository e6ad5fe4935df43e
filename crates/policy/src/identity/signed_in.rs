//! The proof that someone is who they say.

use std::fmt;

use polder_types::PrincipalId;

/// How someone proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// The password, sent over TLS.
    Password,
    /// A SCRAM-SHA-256 exchange.
    Scram,
    /// An API token.
    Token,
}

impl Method {
    /// Its word in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Scram => "scram",
            Self::Token => "token",
        }
    }
}

/// Why someone was not let in, or is not any more. For the record alone: whoever is refused is never told which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No account has the name.
    Unknown,
    /// The account has no password: it is a program's.
    NoPassword,
    /// It is not the password, or the proof is not one of knowing it.
    Password,
    /// It is no token, or not one that was made here.
    Token,
    /// The token is not the account's whose name came with it.
    Owner,
    /// The token is not for this way in.
    Wire,
    /// The token has come to its end.
    Expired,
    /// Token, sessions or account were revoked.
    Revoked,
    /// The account is disabled.
    Disabled,
    /// It is earlier than when account or token was made: the clock went back, and no end can be trusted.
    Clock,
}

impl Refusal {
    /// Its word in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NoPassword => "no_password",
            Self::Password => "password",
            Self::Token => "token",
            Self::Owner => "owner",
            Self::Wire => "wire",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::Clock => "clock",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Someone who proved who they are. Only [`super::Register`] makes one.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub(super) principal: PrincipalId,
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    pub(super) method: Method,
    pub(super) token: Option<(String, i64)>,
    /// The version of the register that said so: what was revoked in a later one is over.
    pub(super) version: u64,
    pub(super) since_ms: i64,
}

impl SignedIn {
    /// `user:NAME` or `service:NAME`.
    pub fn principal(&self) -> &PrincipalId {
        &self.principal
    }

    /// The account's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The groups of the register that the account is in, sorted; those that polder.yaml gives the principal come on top.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// How it was proved.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The id of the token, where it was one.
    pub fn token_id(&self) -> Option<&str> {
        self.token.as_ref().map(|(id, _)| id.as_str())
    }

    /// When the token comes to its end, in milliseconds since 1970, where it was one.
    pub fn expires_ms(&self) -> Option<i64> {
        self.token.as_ref().map(|(_, expires_ms)| *expires_ms)
    }

    /// When it was proved, in milliseconds since 1970.
    pub fn since_ms(&self) -> i64 {
        self.since_ms
    }
}
