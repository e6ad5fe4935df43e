//! What browsers and authenticators write, read strictly: nothing is taken that is longer than it need be, or followed by anything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::value::Value;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Algorithm, CREDENTIAL_MAX_BYTES, same};

/// Longest `clientDataJSON`, in bytes.
const CLIENT_DATA_MAX_BYTES: usize = 4_096;
/// Longest `attestationObject`, in bytes: without an attestation it is little more than the key.
const ATTESTATION_MAX_BYTES: usize = 8_192;
/// Longest `authenticatorData`, in bytes.
const DATA_MAX_BYTES: usize = 4_096;
/// How deep CBOR may be nested.
const DEPTH_MAX: usize = 8;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENDED: u8 = 0x80;

/// Why something is no passkey, or no answer of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// `clientDataJSON` is none.
    #[error("what the browser says of itself cannot be read; try again with another browser")]
    ClientData,
    /// It was made for something else.
    #[error("it was made for something else; try again")]
    Type,
    /// It does not answer what was asked.
    #[error("it does not answer what was asked, or too late; begin again")]
    Challenge,
    /// A page of another site asked.
    #[error("a page of another address asked for it; open the page by the address that `public_url` names")]
    Origin,
    /// `authenticatorData` or `attestationObject` is none.
    #[error("what the authenticator made cannot be read; try another one")]
    Data,
    /// It is for another site.
    #[error("it is for another site; open the page by the address that `public_url` names")]
    Party,
    /// Nobody touched the authenticator.
    #[error("nobody was there when it was made; try again")]
    Presence,
    /// The authenticator did not verify its user.
    #[error("the authenticator did not ask who is there; set a PIN, a fingerprint or the like in it")]
    Verification,
    /// It brings an attestation.
    #[error("it brings an attestation, and only `none` is taken; try again with another browser")]
    Attestation,
    /// It brings no credential.
    #[error("it brings no key; try again")]
    Credential,
    /// The key is of another kind, or none.
    #[error("its key is none of ES256 or EdDSA; try another authenticator")]
    Key,
    /// The signature is another's.
    #[error("its signature is another's")]
    Signature,
}

/// `clientDataJSON`. Browsers may add to it what is not known here.
#[derive(Deserialize)]
pub(super) struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<IgnoredAny>,
}

impl ClientData {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PasskeyError> {
        if bytes.len() > CLIENT_DATA_MAX_BYTES {
            return Err(PasskeyError::ClientData);
        }
        serde_json::from_slice(bytes).map_err(|_| PasskeyError::ClientData)
    }

    fn challenge(&self) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(&self.challenge).ok()
    }

    pub(super) fn check(&self, kind: &str, challenge: &[u8], origin: &str) -> Result<(), PasskeyError> {
        if self.kind != kind {
            return Err(PasskeyError::Type);
        }
        if !self.challenge().is_some_and(|said| same(&said, challenge)) {
            return Err(PasskeyError::Challenge);
        }
        // A page within a page of another site is another's.
        if self.origin != origin || self.cross_origin || self.top_origin.is_some() {
            return Err(PasskeyError::Origin);
        }
        Ok(())
    }
}

/// The challenge that a `clientDataJSON` says it answers.
pub(super) fn challenge(client_data: &[u8]) -> Option<Vec<u8>> {
    ClientData::read(client_data).ok()?.challenge()
}

/// The authenticator's data of an `attestationObject` without an attestation.
pub(super) fn attested(bytes: &[u8]) -> Result<Vec<u8>, PasskeyError> {
    if bytes.len() > ATTESTATION_MAX_BYTES {
        return Err(PasskeyError::Data);
    }
    let (Value::Map(members), []) = cbor(bytes)? else { return Err(PasskeyError::Data) };
    let (mut format, mut statement, mut data) = (None, None, None);
    for (name, value) in members {
        let place = match name.as_text() {
            Some("fmt") => &mut format,
            Some("attStmt") => &mut statement,
            Some("authData") => &mut data,
            _ => return Err(PasskeyError::Data),
        };
        if place.replace(value).is_some() {
            return Err(PasskeyError::Data);
        }
    }
    match (format, statement, data) {
        (Some(Value::Text(format)), Some(Value::Map(statement)), Some(Value::Bytes(data))) => {
            if format == "none" && statement.is_empty() {
                Ok(data)
            } else {
                Err(PasskeyError::Attestation)
            }
        }
        _ => Err(PasskeyError::Data),
    }
}

/// A credential's id, how it signs, and its public key.
type Credential = (Vec<u8>, Algorithm, Vec<u8>);

/// What an authenticator says of itself and of what it did.
pub(super) struct AuthenticatorData<'a> {
    party: &'a [u8; 32],
    flags: u8,
    pub(super) counter: u32,
    pub(super) credential: Option<Credential>,
}

impl<'a> AuthenticatorData<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, PasskeyError> {
        let wrong = PasskeyError::Data;
        if bytes.len() > DATA_MAX_BYTES {
            return Err(wrong);
        }
        let (party, rest) = bytes.split_first_chunk::<32>().ok_or(wrong)?;
        let (&[flags], rest) = rest.split_first_chunk::<1>().ok_or(wrong)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(wrong)?;
        let mut credential = None;
        if flags & ATTESTED != 0 {
            let (_model, after) = rest.split_first_chunk::<16>().ok_or(wrong)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or(wrong)?;
            let length = usize::from(u16::from_be_bytes(*length));
            if !(1..=CREDENTIAL_MAX_BYTES).contains(&length) {
                return Err(wrong);
            }
            let (id, after) = after.split_at_checked(length).ok_or(wrong)?;
            let (key, after) = cbor(after)?;
            let (algorithm, key) = public_key(key)?;
            credential = Some((id.to_vec(), algorithm, key));
            rest = after;
        }
        if flags & EXTENDED != 0 {
            let (Value::Map(_), after) = cbor(rest)? else { return Err(wrong) };
            rest = after;
        }
        if !rest.is_empty() {
            return Err(wrong);
        }
        Ok(Self { party, flags, counter: u32::from_be_bytes(*counter), credential })
    }

    pub(super) fn check(&self, party: &[u8; 32]) -> Result<(), PasskeyError> {
        if !same(self.party, party) {
            return Err(PasskeyError::Party);
        }
        if self.flags & USER_PRESENT == 0 {
            return Err(PasskeyError::Presence);
        }
        if self.flags & USER_VERIFIED == 0 {
            return Err(PasskeyError::Verification);
        }
        // What cannot be backed up is not backed up.
        if self.flags & BACKED_UP != 0 && self.flags & BACKUP_ELIGIBLE == 0 {
            return Err(PasskeyError::Data);
        }
        Ok(())
    }
}

/// One value, and what follows it.
fn cbor(bytes: &[u8]) -> Result<(Value, &[u8]), PasskeyError> {
    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH_MAX).map_err(|_| PasskeyError::Data)?;
    Ok((value, rest))
}

/// A COSE key of one of the two kinds that are taken (RFC 9053): with exactly what such a key has.
fn public_key(key: Value) -> Result<(Algorithm, Vec<u8>), PasskeyError> {
    let Value::Map(members) = key else { return Err(PasskeyError::Key) };
    let (mut numbers, mut bytes) = (Vec::new(), Vec::new());
    for (name, value) in members {
        let name = i128::from(name.as_integer().ok_or(PasskeyError::Key)?);
        match value {
            Value::Integer(number) => numbers.push((name, i128::from(number))),
            Value::Bytes(part) => bytes.push((name, part)),
            _ => return Err(PasskeyError::Key),
        }
    }
    numbers.sort_unstable();
    // -2 before -3: x before y.
    bytes.sort_unstable_by_key(|part| std::cmp::Reverse(part.0));
    match (numbers.as_slice(), bytes.as_slice()) {
        // Curve P-256, kind EC2, algorithm ES256.
        ([(-1, 1), (1, 2), (3, -7)], [(-2, x), (-3, y)]) if x.len() == 32 && y.len() == 32 => {
            Ok((Algorithm::Es256, [&[4], x.as_slice(), y.as_slice()].concat()))
        }
        // Curve Ed25519, kind OKP, algorithm EdDSA.
        ([(-1, 6), (1, 1), (3, -8)], [(-2, x)]) if x.len() == 32 => Ok((Algorithm::Eddsa, x.clone())),
        _ => Err(PasskeyError::Key),
    }
}
