//! Passkeys: keys that an authenticator keeps for one site, and uses when its user was verified (WebAuthn level 2). What is checked here, and
//! why it is our own code, says `docs/adr/0015-own-webauthn-verification.md`.

mod webauthn;

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, VerificationAlgorithm};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::account::At;
use super::scram;

pub use webauthn::PasskeyError;
use webauthn::{AuthenticatorData, ClientData, attested};

/// Most passkeys of an account.
pub(super) const PASSKEYS_MAX: usize = 20;
/// Longest label, in characters.
const LABEL_MAX_CHARS: usize = 64;
/// Longest id of a credential, in bytes, as WebAuthn has it.
pub(super) const CREDENTIAL_MAX_BYTES: usize = 1_023;
/// Digits of a passkey's id in lists.
const ID_LEN: usize = 16;

/// The site that passkeys are for, by the origin through which browsers reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    origin: String,
    id: String,
}

impl RelyingParty {
    /// Of an origin such as `https://polder.example:8443`; none of anything else.
    pub fn of(origin: &str) -> Option<Self> {
        let authority = origin.strip_prefix("https://")?;
        let host = authority.split_once(':').map_or(authority, |(host, _)| host);
        let named = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        named.then(|| Self { origin: origin.to_owned(), id: host.to_owned() })
    }

    /// The name that passkeys are bound to: its host.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn hash(&self) -> [u8; 32] {
        scram::hash(self.id.as_bytes())
    }
}

/// How a passkey signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Algorithm {
    /// ECDSA over P-256 with SHA-256, -7 in COSE. The key is an uncompressed point.
    Es256,
    /// Ed25519, -8 in COSE.
    Eddsa,
}

impl Algorithm {
    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es256 => &ECDSA_P256_SHA256_ASN1,
            Self::Eddsa => &ED25519,
        }
    }
}

/// What an authenticator made of the wish to add a passkey.
#[derive(Debug, Clone)]
pub struct Registration {
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `attestationObject`.
    pub attestation: Vec<u8>,
    /// What its user calls it.
    pub label: Option<String>,
}

impl Registration {
    /// The challenge that it says it answers; nothing is checked yet.
    pub fn challenge(&self) -> Option<Vec<u8>> {
        webauthn::challenge(&self.client_data)
    }

    /// The passkey, when it is one for this party and answers this challenge.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(self, party: &RelyingParty, challenge: &[u8]) -> Result<NewPasskey, PasskeyError> {
        ClientData::read(&self.client_data)?.check("webauthn.create", challenge, &party.origin)?;
        let data = attested(&self.attestation)?;
        let data = AuthenticatorData::read(&data)?;
        data.check(&party.hash())?;
        let (credential, algorithm, key) = data.credential.ok_or(PasskeyError::Credential)?;
        ParsedPublicKey::new(algorithm.verification(), &key).map_err(|_| PasskeyError::Key)?;
        Ok(NewPasskey { credential, algorithm, key, counter: data.counter, label: self.label.filter(|label| !label.is_empty()) })
    }
}

/// What an authenticator signed to sign its user in.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// The id of the credential.
    pub credential: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// `signature`.
    pub signature: Vec<u8>,
    /// `userHandle`, which a discoverable credential brings.
    pub user_handle: Vec<u8>,
}

impl Assertion {
    /// The challenge that it says it answers; nothing is checked yet.
    pub fn challenge(&self) -> Option<Vec<u8>> {
        webauthn::challenge(&self.client_data)
    }
}

/// A passkey that was verified and is not stored yet.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPasskey {
    #[serde(with = "bytes")]
    credential: Vec<u8>,
    algorithm: Algorithm,
    #[serde(with = "bytes")]
    key: Vec<u8>,
    counter: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

impl NewPasskey {
    pub(super) fn credential(&self) -> &[u8] {
        &self.credential
    }

    /// What names it in lists.
    pub fn id(&self) -> String {
        id_of(&self.credential)
    }

    pub(super) fn is_labelled(&self) -> bool {
        is_label(self.label.as_deref())
    }

    pub(super) fn stored(&self, added: At) -> StoredPasskey {
        let Self { credential, algorithm, key, counter, label } = self.clone();
        StoredPasskey { credential, algorithm, key, counter, label, added }
    }
}

impl fmt::Debug for NewPasskey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPasskey").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// What is kept of a passkey: nothing of it is secret. Its id is the account's key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredPasskey {
    #[serde(with = "bytes")]
    credential: Vec<u8>,
    algorithm: Algorithm,
    #[serde(with = "bytes")]
    key: Vec<u8>,
    /// As it was when it was added.
    counter: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    added: At,
}

impl StoredPasskey {
    /// The credential's id, which an authenticator is asked for.
    pub fn credential(&self) -> &[u8] {
        &self.credential
    }

    /// What names it in lists.
    pub fn id(&self) -> String {
        id_of(&self.credential)
    }

    /// What its user calls it.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// When it was added.
    pub fn added(&self) -> At {
        self.added
    }

    /// How often it had signed when it was added; 0 of those that do not count.
    pub fn counter(&self) -> u32 {
        self.counter
    }

    pub(super) fn sound(&self, id: &str) -> bool {
        let length = match self.algorithm {
            Algorithm::Es256 => 65,
            Algorithm::Eddsa => 32,
        };
        self.key.len() == length
            && (1..=CREDENTIAL_MAX_BYTES).contains(&self.credential.len())
            && id == id_of(&self.credential)
            && is_label(self.label.as_deref())
    }

    /// The counter of what it signed, when it is for this party, answers this challenge, and its user was verified.
    pub(super) fn verify(&self, party: &RelyingParty, challenge: &[u8], assertion: &Assertion) -> Result<u32, PasskeyError> {
        ClientData::read(&assertion.client_data)?.check("webauthn.get", challenge, &party.origin)?;
        let data = AuthenticatorData::read(&assertion.authenticator_data)?;
        data.check(&party.hash())?;
        if data.credential.is_some() {
            return Err(PasskeyError::Data);
        }
        let mut signed = assertion.authenticator_data.clone();
        signed.extend_from_slice(&scram::hash(&assertion.client_data));
        let key = ParsedPublicKey::new(self.algorithm.verification(), &self.key).map_err(|_| PasskeyError::Key)?;
        key.verify_sig(&signed, &assertion.signature).map_err(|_| PasskeyError::Signature)?;
        Ok(data.counter)
    }
}

impl fmt::Debug for StoredPasskey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredPasskey").field("id", &id_of(&self.credential)).finish_non_exhaustive()
    }
}

fn id_of(credential: &[u8]) -> String {
    let hash = scram::hash(credential);
    hash.iter().take(ID_LEN / 2).map(|byte| format!("{byte:02x}")).collect()
}

fn is_label(label: Option<&str>) -> bool {
    label.is_none_or(|label| label.chars().count() <= LABEL_MAX_CHARS && !label.chars().any(char::is_control))
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// Bytes of any length as Base64.
mod bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(|_| serde::de::Error::custom("bytes as Base64 are wanted"))
    }
}

#[cfg(test)]
mod tests;
