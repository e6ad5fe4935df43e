//! What policies show of a column under a key: a hash, or a token. (What a contract masks before it is stored is another matter:
//! `crates/contract/src/mask.rs`.)

use std::sync::Arc;

use polder_contract::mask::reveal;
use polder_contract::{Column, Mask};
use polder_crypto::{FieldKey, PSEUDONYM_LEN, hmac_sha256};
use polder_engine::{KeyedMask, TableError};
use polder_keys::Keys;
use polder_types::{ErrorKind, Secret};

use crate::failure::Failure;
use crate::field_keys::{DOMAIN, domain_key};

/// What the key of hashes is derived for.
const PURPOSE: &str = "masks of reads";

/// The mask `hash`: HMAC-SHA-256 of a text, in lower hexadecimal digits.
///
/// # Errors
/// When the lease of the keys is lost.
pub fn hash(keys: &Keys) -> Result<Arc<dyn KeyedMask>, TableError> {
    let key = keys.derive(PURPOSE).map_err(|error| failed(error.into()))?;
    Ok(Arc::new(Hash(key)))
}

/// The mask `tokenise` of a column: the pseudonym that a value has under the domain that its contract masks it under.
///
/// # Errors
/// When its contract names no domain, or the domain's key is gone.
pub fn token(keys: &Keys, name: &str, column: Option<&Column>) -> Result<Arc<dyn KeyedMask>, TableError> {
    let mask = column.and_then(|column| column.mask.as_ref());
    let (Some(mask), Some(domain)) = (mask, mask.and_then(Mask::domain)) else {
        return Err(failed(Failure::new(
            ErrorKind::Invalid,
            format!(
                "tokenise column {name}: its contract masks it under no domain, whose key would make the tokens; let policies show it with @mask(\"hash\"), or give the column a mask in its contract"
            ),
        )));
    };
    let dataset = keys.find(&format!("{DOMAIN}{domain}")).ok_or_else(|| {
        failed(Failure::new(
            ErrorKind::Unavailable,
            format!("tokenise column {name}: domain {domain} has no key yet; load the table first, which makes it"),
        ))
    })?;
    let key = domain_key(keys, domain, dataset).map_err(failed)?;
    Ok(Arc::new(Token { key, is_pseudonym: matches!(mask, Mask::Pseudonymise { .. }) }))
}

/// What a mask that cannot be made says.
pub fn failed(failure: Failure) -> TableError {
    TableError { kind: failure.kind(), source: failure.to_string().into() }
}

struct Hash(Secret<Vec<u8>>);

impl KeyedMask for Hash {
    fn masked(&self, text: &str) -> Option<String> {
        Some(hex::encode(hmac_sha256(self.0.expose_secret(), text.as_bytes())))
    }
}

struct Token {
    key: FieldKey,
    /// Whether the contract stores the token itself.
    is_pseudonym: bool,
}

impl KeyedMask for Token {
    /// What is stored is the token, or opens to the text that has it, or was stored before its contract masked it: then it is that text. So
    /// nothing that is not a token, by its looks, is shown as it is.
    fn masked(&self, text: &str) -> Option<String> {
        let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        if self.is_pseudonym && text.len() == 2 * PSEUDONYM_LEN && text.as_bytes().iter().all(is_digit) {
            return Some(text.to_owned());
        }
        let opened = if self.is_pseudonym { None } else { reveal(&self.key, text).ok() };
        Some(hex::encode(self.key.pseudonym(opened.as_deref().unwrap_or(text).as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn a_hash_is_the_hmac_of_the_text() {
        // Computed by another implementation: `hmac.new(b"k" * 32, text, "sha256").hexdigest()` in Python.
        let hash = Hash(Secret::new(vec![b'k'; 32]));
        assert_eq!(hash.masked("").as_deref(), Some("a4ad8e340e32bf1d916005cb1dc92795148897965e36ae56c0adc357474b5372"));
        assert_eq!(hash.masked("Zoë 🦀").as_deref(), Some("92607debb7131e5c5b0c0185baeec36dad443628ebe385f93fcc25d65b4b1a18"));
    }

    #[test]
    fn a_token_is_the_pseudonym_of_the_text_whatever_is_stored() {
        let key = FieldKey::derive(&KEY);
        let pseudonym = hex::encode(key.pseudonym(b"4711"));
        let sealed = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut cipher = key.cipher().unwrap();
        let random = sealed(&cipher.encrypt(b"4711", &[1; polder_crypto::FIELD_NONCE_LEN]).unwrap());
        let alike = sealed(&cipher.encrypt_deterministic(b"4711").unwrap());
        let encrypted = Token { key: FieldKey::derive(&KEY), is_pseudonym: false };
        let stored = Token { key: FieldKey::derive(&KEY), is_pseudonym: true };
        for (token, text) in [(&encrypted, &random), (&encrypted, &alike), (&stored, &pseudonym)] {
            assert_eq!(token.masked(text), Some(pseudonym.clone()), "{text}");
        }
        // What was stored in clear before is not shown in clear.
        for token in [&encrypted, &stored] {
            assert_eq!(token.masked("4711"), Some(pseudonym.clone()));
            let masked = token.masked("").unwrap();
            assert_eq!(masked.len(), 2 * PSEUDONYM_LEN);
        }
        // A column that is encrypted holds no pseudonyms: what looks like one is a text.
        assert_ne!(encrypted.masked(&pseudonym), Some(pseudonym));
    }
}
