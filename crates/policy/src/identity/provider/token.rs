//! Judging a JSON Web Token of a provider (RFC 7515, 7519, 8725; OpenID Connect Core, 3.1.3.7).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use subtle::ConstantTimeEq as _;

use super::keys::{self, Keys, Sought};
use super::{Rules, Signing, is_subject};

/// Longest token, in bytes.
const TOKEN_MAX_BYTES: usize = 16 << 10;
/// How far the provider's clock may be ahead of ours, in seconds.
const SKEW_S: i64 = 60;
/// The last second of the year 9999: later ones are no time.
const LAST_S: i64 = 253_402_300_799;
/// What the type of a token that comes instead of a password may be (RFC 9068 has the second and third).
const BEARER_TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// Why a token is not believed. For the record alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenFault {
    /// It is not three parts of base64url, too long, or one of its parts is not JSON of this form.
    Form,
    /// Its signature is of a sort that the project's file does not name.
    Algorithm,
    /// It is of another sort than was asked for, such as a logout token.
    Type,
    /// It has an extension that must be understood.
    Critical,
    /// It names a key that the provider does not have.
    UnknownKey,
    /// It names no key, and there is not exactly one that fits.
    Key,
    /// The signature is not the provider's.
    Signature,
    /// Another one made it.
    Issuer,
    /// It is for others.
    Audience,
    /// It has come to its end.
    Expired,
    /// It holds from a later time on, or was made in the future.
    NotYet,
    /// It is not the answer to what was asked.
    Nonce,
    /// It does not belong to the access token that came with it.
    AccessToken,
    /// It says of nobody that it is theirs.
    Subject,
}

impl TokenFault {
    /// Its word in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Form => "jwt_form",
            Self::Algorithm => "jwt_algorithm",
            Self::Type => "jwt_type",
            Self::Critical => "jwt_critical",
            Self::UnknownKey => "jwt_unknown_key",
            Self::Key => "jwt_key",
            Self::Signature => "jwt_signature",
            Self::Issuer => "jwt_issuer",
            Self::Audience => "jwt_audience",
            Self::Expired => "jwt_expired",
            Self::NotYet => "jwt_not_yet",
            Self::Nonce => "jwt_nonce",
            Self::AccessToken => "jwt_access_token",
            Self::Subject => "jwt_subject",
        }
    }
}

/// What a token is to be.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// The answer to someone whom we sent there: an ID token.
    IdToken {
        /// What was sent with them, where they came by a browser.
        nonce: Option<&'a str>,
        /// The access token that came beside it.
        access_token: Option<&'a str>,
    },
    /// What comes instead of a password.
    Bearer,
}

/// Someone for whom a provider vouches. Only [`Rules::judge`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    provider: String,
    issuer: String,
    subject: String,
    expires_ms: i64,
}

impl Vouched {
    /// The provider's name here.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Who the provider is.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who it is there.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// When the token comes to its end, in milliseconds since 1970.
    pub fn expires_ms(&self) -> i64 {
        self.expires_ms
    }
}

/// What of a header is looked at. Keys and addresses that a token brings are not.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: serde_json::Number,
    nbf: Option<serde_json::Number>,
    iat: Option<serde_json::Number>,
    nonce: Option<String>,
    azp: Option<String>,
    at_hash: Option<String>,
    /// Those of logout and security event tokens (RFC 8417), which sign nobody in.
    events: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Whether a text has the form of such a token: three parts, of which the first begins as a JSON object does in base64.
pub fn resembles_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && parts(text).is_some()
}

/// Who a token says that made it, to choose by whose rules it is judged. It proves nothing.
pub fn issuer_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let (_, claims, _) = parts(text)?;
    read::<Issuer>(claims).map(|claims| claims.iss)
}

fn parts(text: &str) -> Option<(&str, &str, &str)> {
    if text.len() > TOKEN_MAX_BYTES {
        return None;
    }
    let mut parts = text.split('.');
    let three = (parts.next()?, parts.next()?, parts.next()?);
    let fits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let whole = parts.next().is_none() && fits(three.0) && fits(three.1) && fits(three.2);
    whole.then_some(three)
}

/// A part as JSON. A name that is looked at and stands twice makes it unreadable.
fn read<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

impl Rules {
    /// Judges a token by the provider's keys.
    ///
    /// # Errors
    /// Why it is not believed: for the record, never for whoever brought it. [`TokenFault::UnknownKey`] may be worth fetching the keys anew.
    pub fn judge(&self, text: &str, keys: &Keys, wanted: Wanted<'_>, now_ms: i64) -> Result<Vouched, TokenFault> {
        let (head, body, signature) = parts(text).ok_or(TokenFault::Form)?;
        let header: Header = read(head).ok_or(TokenFault::Form)?;
        // The project's file says how the provider signs; the token only which of these ways it took.
        let signing = Signing::named(&header.alg).filter(|signing| self.signing.contains(signing)).ok_or(TokenFault::Algorithm)?;
        if header.crit.is_some() {
            return Err(TokenFault::Critical);
        }
        let kind = header.typ.map(|kind| kind.to_ascii_lowercase());
        let of_kind = match (kind.as_deref(), wanted) {
            (None | Some("jwt"), _) => true,
            (Some(kind), Wanted::Bearer) => BEARER_TYPES.contains(&kind),
            (Some(_), Wanted::IdToken { .. }) => false,
        };
        if !of_kind {
            return Err(TokenFault::Type);
        }
        let key = match keys.find(header.kid.as_deref(), signing) {
            Sought::Found(key) => key,
            Sought::Unknown => return Err(TokenFault::UnknownKey),
            Sought::Unclear => return Err(TokenFault::Key),
        };
        let message = text.get(..head.len() + 1 + body.len()).ok_or(TokenFault::Form)?;
        if !keys::verifies(key, signing, message.as_bytes(), signature) {
            return Err(TokenFault::Signature);
        }
        let claims: Claims = read(body).ok_or(TokenFault::Form)?;
        self.hold(&claims, wanted, signing, now_ms)
    }

    fn hold(&self, claims: &Claims, wanted: Wanted<'_>, signing: Signing, now_ms: i64) -> Result<Vouched, TokenFault> {
        if claims.events.is_some() {
            return Err(TokenFault::Type);
        }
        if claims.iss != self.issuer {
            return Err(TokenFault::Issuer);
        }
        if !self.is_for_us(claims, wanted) {
            return Err(TokenFault::Audience);
        }
        let now_s = now_ms.div_euclid(1_000);
        let expires_s = seconds(&claims.exp).ok_or(TokenFault::Form)?;
        // The end is taken as it is: what it begins is over then, so that letting in later would be of no use.
        if now_s >= expires_s {
            return Err(TokenFault::Expired);
        }
        for (at, required) in [(&claims.nbf, false), (&claims.iat, matches!(wanted, Wanted::IdToken { .. }))] {
            match at {
                Some(at) if seconds(at).ok_or(TokenFault::Form)? > now_s.saturating_add(SKEW_S) => return Err(TokenFault::NotYet),
                None if required => return Err(TokenFault::Form),
                _ => {}
            }
        }
        if let Wanted::IdToken { nonce, access_token } = wanted {
            if let Some(nonce) = nonce {
                let given = claims.nonce.as_deref().unwrap_or_default();
                if !bool::from(given.as_bytes().ct_eq(nonce.as_bytes())) {
                    return Err(TokenFault::Nonce);
                }
            }
            if let (Some(access_token), Some(hash)) = (access_token, &claims.at_hash)
                && *hash != half_hash(access_token, signing)
            {
                return Err(TokenFault::AccessToken);
            }
        }
        if !is_subject(&claims.sub) {
            return Err(TokenFault::Subject);
        }
        let expires_ms = expires_s.saturating_mul(1_000);
        Ok(Vouched { provider: self.provider.clone(), issuer: self.issuer.clone(), subject: claims.sub.clone(), expires_ms })
    }

    /// An ID token is for the client that asked, and where it is for others too, it says that we asked. A bearer is for one of the audiences; one
    /// that is for us only as a client was given to us, and not to another client.
    fn is_for_us(&self, claims: &Claims, wanted: Wanted<'_>) -> bool {
        let audience = claims.aud.all();
        let names = |one: &String| audience.contains(one);
        let asked_by_us = claims.azp.as_ref().map_or(audience.len() == 1, |party| *party == self.client_id);
        match wanted {
            Wanted::IdToken { .. } => names(&self.client_id) && asked_by_us,
            Wanted::Bearer => {
                let matched: Vec<&String> = self.audiences.iter().filter(|one| names(one)).collect();
                let as_client_alone = matched.iter().all(|one| **one == self.client_id);
                !matched.is_empty() && (!as_client_alone || asked_by_us)
            }
        }
    }
}

/// A number of seconds since 1970, which may have decimals.
fn seconds(number: &serde_json::Number) -> Option<i64> {
    let whole = match number.as_i64() {
        Some(whole) => whole,
        // Decimals say nothing that is judged here.
        None => {
            number.to_string().split_once('.').filter(|(_, decimals)| decimals.bytes().all(|byte| byte.is_ascii_digit()))?.0.parse().ok()?
        }
    };
    (0..=LAST_S).contains(&whole).then_some(whole)
}

/// The left half of the hash that belongs to a signature, as `at_hash` has it (OpenID Connect Core, 3.1.3.6).
pub(super) fn half_hash(access_token: &str, signing: Signing) -> String {
    let algorithm = match signing {
        Signing::Rs256 | Signing::Ps256 | Signing::Es256 => &digest::SHA256,
        // Ed25519 hashes with this one.
        Signing::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(algorithm, access_token.as_bytes());
    let half = hash.as_ref().len() / 2;
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..half).unwrap_or_default())
}
