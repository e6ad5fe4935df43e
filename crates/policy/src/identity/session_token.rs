//! Session tokens: `polders_<secret:43><checksum:6>`, the secret in Base64 for addresses. They are given to those who signed in, and stand for
//! that until it ends. Like API tokens they can be told by how they begin, and that they are whole by their checksum.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use polder_types::Secret;
use polder_types::random::{RandomError, Rng};

use super::scram;
use super::token::checksum;

/// How a session token begins; no API token does.
const PREFIX: &str = "polders_";
/// Characters of the secret: 256 bits.
const SECRET_LEN: usize = 43;
/// Characters of the checksum.
const SUM_LEN: usize = 6;

/// A session token, whole. It is shown when it is made, and kept by nobody here.
pub struct SessionToken(Secret<String>);

impl SessionToken {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(rng: &dyn Rng) -> Result<Self, RandomError> {
        let mut bytes = zeroize::Zeroizing::new([0u8; 32]);
        rng.fill(bytes.as_mut_slice())?;
        Ok(Self(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// Reads one; none where the text is not whole.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.split_at_checked(text.len().checked_sub(SUM_LEN)?)?;
        let secret = body.strip_prefix(PREFIX)?;
        let fits = secret.len() == SECRET_LEN && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        (fits && checksum(body) == sum).then(|| Self(Secret::new(secret.to_owned())))
    }

    /// Whether a text means to be one, whole or not.
    pub fn resembles(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The whole text.
    pub fn text(&self) -> Secret<String> {
        let mut text = String::with_capacity(PREFIX.len() + SECRET_LEN + SUM_LEN);
        for part in [PREFIX, self.0.expose_secret()] {
            text.push_str(part);
        }
        text.push_str(&checksum(&text));
        Secret::new(text)
    }

    /// What is kept of it: SHA-256. Its secret is random, so that no slow hash is needed.
    pub fn hash(&self) -> [u8; 32] {
        scram::hash(self.0.expose_secret().as_bytes())
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use polder_types::SeededRng;

    use super::super::Token;
    use super::*;

    #[test]
    fn a_session_token_is_known_by_how_it_looks() {
        for seed in 0..4 {
            let token = SessionToken::new(&SeededRng::new(seed)).unwrap();
            let text = token.text().expose_secret().clone();
            assert_eq!((text.len(), &text[..8]), (57, "polders_"));
            assert!(SessionToken::resembles(&text) && !Token::resembles(&text) && Token::parse(&text).is_none());
            assert_eq!(SessionToken::parse(&text).unwrap().hash(), token.hash());
            assert!(!format!("{token:?}").contains(&text[8..40]));
            for at in 0..text.len() {
                for other in b"0aZ_-.".iter().filter(|other| **other != text.as_bytes()[at]) {
                    let mut changed = text.clone().into_bytes();
                    changed[at] = *other;
                    assert!(SessionToken::parse(std::str::from_utf8(&changed).unwrap()).is_none(), "{at} {other}");
                }
                assert!(SessionToken::parse(&text[..at]).is_none(), "{at}");
            }
            assert!(SessionToken::parse(&format!("{text}0")).is_none());
        }
        let api = Token::new(&SeededRng::new(1)).unwrap().text();
        assert!(!SessionToken::resembles(api.expose_secret()) && SessionToken::parse(api.expose_secret()).is_none());
    }
}
