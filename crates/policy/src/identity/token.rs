//! API tokens: `polder_<id:8>_<secret:32><checksum:6>`, in letters and digits. Whoever finds one in a log or a file can tell what it is
//! by how it begins, and that it is whole by its checksum, without asking anyone.

use std::collections::BTreeSet;
use std::fmt;

use polder_types::Secret;
use polder_types::random::{RandomError, Rng};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::account::At;
use super::encoded;
use super::scram;

/// How a token begins.
const PREFIX: &str = "polder_";
/// Characters of the id.
const ID_LEN: usize = 8;
/// Characters of the secret: 190 bits.
const SECRET_LEN: usize = 32;
/// Characters of the checksum: 62^6 is more than 2^32.
const SUM_LEN: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token, whole. It is shown when it is made, and kept by nobody here.
pub struct Token {
    id: String,
    secret: Secret<String>,
}

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(rng: &dyn Rng) -> Result<Self, RandomError> {
        Ok(Self { id: draw(rng, ID_LEN)?, secret: Secret::new(draw(rng, SECRET_LEN)?) })
    }

    /// Reads a token; none where the text is not a whole one.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.split_at_checked(text.len().checked_sub(SUM_LEN)?)?;
        let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
        let fits = |part: &str, len: usize| part.len() == len && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !fits(id, ID_LEN) || !fits(secret, SECRET_LEN) || checksum(body) != sum {
            return None;
        }
        Some(Self { id: id.to_owned(), secret: Secret::new(secret.to_owned()) })
    }

    /// Whether a text means to be a token, whole or not.
    pub fn resembles(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Whether a text may be the id of a token.
    pub fn is_id(text: &str) -> bool {
        text.len() == ID_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }

    /// What names it in lists.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole text.
    pub fn text(&self) -> Secret<String> {
        let mut text = String::with_capacity(PREFIX.len() + ID_LEN + 1 + SECRET_LEN + SUM_LEN);
        for part in [PREFIX, &self.id, "_", self.secret.expose_secret()] {
            text.push_str(part);
        }
        text.push_str(&checksum(&text));
        Secret::new(text)
    }

    /// What is kept of it. Its secret is random, so that no slow hash is needed.
    pub(super) fn hash(&self) -> [u8; 32] {
        scram::hash(self.secret.expose_secret().as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Letters and digits, each as likely as the others.
fn draw(rng: &dyn Rng, len: usize) -> Result<String, RandomError> {
    let mut text = String::with_capacity(len);
    while text.len() < len {
        let mut bytes = zeroize::Zeroizing::new([0u8; 64]);
        rng.fill(bytes.as_mut_slice())?;
        // 248 = 4 · 62: what is above would make some letters likelier.
        let fair = bytes.iter().filter(|byte| **byte < 248).filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
        for letter in fair.take(len - text.len()) {
            text.push(char::from(*letter));
        }
    }
    Ok(text)
}

/// CRC-32 in letters and digits, the highest first.
pub(super) fn checksum(body: &str) -> String {
    let mut left = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; SUM_LEN];
    for digit in digits.iter_mut().rev() {
        let at = usize::try_from(left % 62).unwrap_or_default();
        *digit = ALPHABET.get(at).copied().unwrap_or(b'0');
        left /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// What is kept of a token. Its id is the register's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredToken {
    pub(super) owner: String,
    #[serde(with = "encoded")]
    pub(super) hash: [u8; 32],
    pub(super) wires: BTreeSet<String>,
    pub(super) made: At,
    pub(super) expires_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<At>,
}

impl StoredToken {
    /// The account that it is of.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The ways in that it is for.
    pub fn wires(&self) -> &BTreeSet<String> {
        &self.wires
    }

    /// When it was made.
    pub fn made(&self) -> At {
        self.made
    }

    /// From when on it is worth nothing, in milliseconds since 1970.
    pub fn expires_ms(&self) -> i64 {
        self.expires_ms
    }

    /// What its maker said that it is for.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// When it was revoked.
    pub fn revoked(&self) -> Option<At> {
        self.revoked
    }

    /// Whether this is the token that was kept. Takes the same time whatever its secret is.
    pub fn verify(&self, token: &Token) -> bool {
        token.hash().ct_eq(&self.hash).into()
    }
}

#[cfg(test)]
mod tests {
    use polder_types::SeededRng;
    use proptest::prelude::*;

    use super::*;

    fn text(seed: u64) -> String {
        Token::new(&SeededRng::new(seed)).unwrap().text().expose_secret().clone()
    }

    #[test]
    fn a_token_is_known_by_how_it_looks() {
        let text = text(1);
        assert_eq!((text.len(), &text[..7], &text[15..16]), (54, "polder_", "_"));
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert!(Token::resembles(&text) && !Token::resembles("password"));
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.id(), &text[7..15]);
        assert!(Token::is_id(token.id()) && !Token::is_id("short") && !Token::is_id("with_a__"));
        assert!(!format!("{token:?}").contains(&text[16..48]));
    }

    /// The checksum of a text that anyone can compute: CRC-32 of `123456789` is 0xCBF43926, and `3,426,2…` in base 62 as below.
    #[test]
    fn the_checksum_is_crc_32() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
        let value = checksum("123456789")
            .bytes()
            .fold(0u64, |sum, digit| sum * 62 + ALPHABET.iter().position(|known| *known == digit).unwrap() as u64);
        assert_eq!(value, 0xCBF4_3926);
        assert_eq!(checksum("123456789").len(), 6);
    }

    #[test]
    fn no_changed_character_goes_unseen() {
        for seed in 0..4 {
            let text = text(seed);
            assert!(Token::parse(&text).is_some());
            for at in 0..text.len() {
                for other in ALPHABET.iter().chain(b"_- .").filter(|other| **other != text.as_bytes()[at]) {
                    let mut changed = text.clone().into_bytes();
                    changed[at] = *other;
                    assert!(Token::parse(std::str::from_utf8(&changed).unwrap()).is_none(), "{at} {other}");
                }
                assert!(Token::parse(&text[..at]).is_none() && Token::parse(&text[at + 1..]).is_none(), "{at}");
            }
            assert!(Token::parse(&format!("{text}0")).is_none() && Token::parse(&format!(" {text}")).is_none());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seed: u64) {
            let token = Token::new(&SeededRng::new(seed)).unwrap();
            let again = Token::parse(token.text().expose_secret()).unwrap();
            prop_assert_eq!(again.id(), token.id());
            prop_assert_eq!(again.hash(), token.hash());
        }

        #[test]
        fn nothing_else_is_a_token(text in ".{0,80}") {
            prop_assert!(Token::parse(&text).is_none());
        }

        #[test]
        fn nor_is_what_only_looks_like_one(text in "polder_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}") {
            // One in 2^32 by chance, or 62^6.
            prop_assert!(Token::parse(&text).is_none());
        }
    }
}
