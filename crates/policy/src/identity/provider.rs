//! Identity providers: which account is whose there, and whether a token is one that the provider made for us. Pure: whoever fetches keys and
//! tokens gives them in; nothing that a token says of itself decides how it is judged.

mod keys;
mod token;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::account::At;

pub use keys::{Keys, KeysError};
pub use token::{TokenFault, Vouched, Wanted, issuer_of, resembles_jwt};

/// Longest subject, in bytes (OpenID Connect Core, 2).
const SUBJECT_MAX_BYTES: usize = 255;
/// Longest issuer, in bytes.
const ISSUER_MAX_BYTES: usize = 2_048;
/// Longest name of a provider, in bytes.
const NAME_MAX_BYTES: usize = 32;

/// What the name of a provider may be, for error texts.
pub const PROVIDER_NAME_RULE: &str =
    "a provider's name is lower-case letters, digits and `-`, begins with a letter, has at most 32 characters, and is not `providers`";

/// Whether a provider may have this name: it stands in addresses.
pub fn is_provider_name(name: &str) -> bool {
    let head = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    head && rest && name.len() <= NAME_MAX_BYTES && name != "providers"
}

/// Whether it can be who someone is at a provider.
pub(super) fn is_subject(subject: &str) -> bool {
    (1..=SUBJECT_MAX_BYTES).contains(&subject.len()) && !subject.chars().any(char::is_control)
}

/// Whether it can be who a provider is.
pub(super) fn is_issuer(issuer: &str) -> bool {
    issuer.starts_with("https://") && issuer.len() <= ISSUER_MAX_BYTES && !issuer.chars().any(char::is_control)
}

/// How a provider signs. None of them has a key that we share with it: whoever can judge a token could make it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signing {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Signing {
    /// All that there are.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// Its name (RFC 7518, RFC 8037), in settings and headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The one of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signing| signing.name() == name)
    }
}

/// What is asked of a provider's tokens, as the project's file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The provider's name here.
    pub provider: String,
    /// Who it says that it is, letter for letter.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// Whom tokens may be for that come instead of a password.
    pub audiences: Vec<String>,
    /// How it may sign.
    pub signing: Vec<Signing>,
}

/// Who an account is at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) since: At,
}

impl Link {
    /// Who the provider was that they were linked with: another one that comes to have its name vouches for nobody.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who it is there: the claim `sub`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// When it was linked.
    pub fn since(&self) -> At {
        self.since
    }
}
