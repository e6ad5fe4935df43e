//! The keys of a provider, from its JSON Web Key Set (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::Signing;

/// Most keys of a set; more are a defect of the provider, or an attack.
const KEYS_MAX: usize = 64;
/// Bytes of a number on P-256, and of a key of Ed25519.
const CURVE_BYTES: usize = 32;

/// Why a document is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It is not JSON of this form.
    #[error("it is no JSON Web Key Set")]
    Json,
    /// It has too many keys.
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
    /// None is for signatures that are looked at here.
    #[error("no key of it is for signatures by RS256, PS256, ES256 or EdDSA")]
    None,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Written>,
}

#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Which signatures a key can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    Ed25519,
}

struct Key {
    id: Option<String>,
    family: Family,
    /// The one signature that it is for, where it says so.
    signing: Option<Signing>,
    decoding: DecodingKey,
}

/// A provider's public keys. Those that cannot verify what is looked at here are left out, shared secrets above all.
pub struct Keys(Vec<Key>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Keys").field(&self.0.len()).finish()
    }
}

/// What looking for a key came to.
pub(super) enum Sought<'a> {
    Found(&'a DecodingKey),
    /// There is none of this id: the provider may have a newer one.
    Unknown,
    /// The token names none, and there is not exactly one that fits.
    Unclear,
}

impl Keys {
    /// Reads a set.
    ///
    /// # Errors
    /// When it is none, or none of its keys is of use.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeysError> {
        let document: Document = serde_json::from_slice(bytes).map_err(|_| KeysError::Json)?;
        if document.keys.len() > KEYS_MAX {
            return Err(KeysError::TooMany);
        }
        let keys: Vec<Key> = document.keys.into_iter().filter_map(read).collect();
        if keys.is_empty() { Err(KeysError::None) } else { Ok(Self(keys)) }
    }

    /// The key for a signature, by the id that the token names.
    pub(super) fn find(&self, id: Option<&str>, signing: Signing) -> Sought<'_> {
        let family = match signing {
            Signing::Rs256 | Signing::Ps256 => Family::Rsa,
            Signing::Es256 => Family::P256,
            Signing::EdDsa => Family::Ed25519,
        };
        let fits = |key: &&Key| key.family == family && key.signing.is_none_or(|only| only == signing);
        match id {
            Some(id) => {
                let mut of_id = self.0.iter().filter(|key| key.id.as_deref() == Some(id)).filter(fits);
                match (of_id.next(), of_id.next()) {
                    (Some(key), None) => Sought::Found(&key.decoding),
                    (None, _) => Sought::Unknown,
                    (Some(_), Some(_)) => Sought::Unclear,
                }
            }
            None => {
                let mut all = self.0.iter().filter(fits);
                match (all.next(), all.next()) {
                    (Some(key), None) => Sought::Found(&key.decoding),
                    _ => Sought::Unclear,
                }
            }
        }
    }
}

/// A key, unless it is for something else.
fn read(written: Written) -> Option<Key> {
    if written.purpose.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    if written.key_ops.is_some_and(|uses| !uses.iter().any(|one| one == "verify")) {
        return None;
    }
    let signing = match written.alg {
        Some(name) => Some(Signing::named(&name)?),
        None => None,
    };
    let (family, decoding) = match (written.kty.as_str(), written.crv.as_deref()) {
        ("RSA", _) => (Family::Rsa, DecodingKey::from_rsa_components(&written.n?, &written.e?).ok()?),
        ("EC", Some("P-256")) => {
            let (x, y) = (on_curve(&written.x?)?, on_curve(&written.y?)?);
            // An uncompressed point (SEC 1, 2.3.3).
            let point: Vec<u8> = std::iter::once(4).chain(x).chain(y).collect();
            (Family::P256, DecodingKey::from_ec_der(&point))
        }
        ("OKP", Some("Ed25519")) => (Family::Ed25519, DecodingKey::from_ed_der(&on_curve(&written.x?)?)),
        _ => return None,
    };
    Some(Key { id: written.kid, family, signing, decoding })
}

fn on_curve(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == CURVE_BYTES)
}

/// Whether a signature is one of the key's over these bytes.
pub(super) fn verifies(key: &DecodingKey, signing: Signing, message: &[u8], signature: &str) -> bool {
    let algorithm = match signing {
        Signing::Rs256 => Algorithm::RS256,
        Signing::Ps256 => Algorithm::PS256,
        Signing::Es256 => Algorithm::ES256,
        Signing::EdDsa => Algorithm::EdDSA,
    };
    jsonwebtoken::crypto::verify(signature, message, key, algorithm).unwrap_or(false)
}
