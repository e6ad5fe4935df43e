//! Passwords: what one may be, and what is kept of it.

use std::borrow::Cow;
use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use polder_types::random::{RandomError, Rng};
use polder_types::{ErrorKind, Secret};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::encoded;
use super::guessed::is_common;

/// Fewest characters.
const CHARACTERS_MIN: usize = 12;
/// Most characters.
const CHARACTERS_MAX: usize = 256;
/// How many characters must be left without the account's name.
const BESIDE_NAME_MIN: usize = 8;
/// Most bytes of a password that someone signs in with; what is longer is none.
const BYTES_MAX: usize = 4 * CHARACTERS_MAX;

/// Memory of Argon2id, in KiB, for passwords that are set now.
const MEMORY_KIB: u32 = 19 * 1024;
/// Most memory that a stored hash may ask for, in KiB.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Most passes that a stored hash may ask for.
const PASSES_MAX: u32 = 64;

/// Why a text may not be a password. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("set the password: it has fewer than {CHARACTERS_MIN} characters; take a longer one, such as four or five words")]
    Short,
    /// Too long.
    #[error("set the password: it has more than {CHARACTERS_MAX} characters; take a shorter one")]
    Long,
    /// Characters that clients send in different ways.
    #[error(
        "set the password: it holds a character that clients send in different ways, such as a control character; take letters, digits, spaces and signs"
    )]
    Character,
    /// The account's name and little else.
    #[error("set the password: it is little more than the account's name; take one that nobody who knows the name would try")]
    Name,
    /// One of the first that an attacker tries.
    #[error("set the password: it is one of the first that an attacker tries; take another one, such as four or five words")]
    Common,
}

impl PasswordError {
    /// What it means to the caller.
    pub const fn kind(self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// Why nothing could be made of a password.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// There is no randomness for a salt.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// There is not the memory that its hash takes.
    #[error("hash the password: {} MiB of memory are needed for it; free some, and try again", MEMORY_KIB / 1024)]
    Memory,
}

impl CredentialsError {
    /// What it means to the caller.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}

/// A password as RFC 4013 prepares it, that keeps the rules. Wiped when it is dropped.
pub struct Password(Secret<String>);

impl Password {
    /// Checks a new password of an account.
    ///
    /// # Errors
    /// When it breaks a rule.
    pub fn new(name: &str, text: &str) -> Result<Self, PasswordError> {
        if text.chars().count() > CHARACTERS_MAX {
            return Err(PasswordError::Long);
        }
        let prepared = Zeroizing::new(stringprep::saslprep(text).map_err(|_| PasswordError::Character)?.into_owned());
        let characters = prepared.chars().count();
        if characters < CHARACTERS_MIN {
            return Err(PasswordError::Short);
        }
        if characters > CHARACTERS_MAX {
            return Err(PasswordError::Long);
        }
        let lower = Zeroizing::new(prepared.to_lowercase());
        if !name.is_empty() && lower.contains(name) && Zeroizing::new(lower.replace(name, "")).chars().count() < BESIDE_NAME_MIN {
            return Err(PasswordError::Name);
        }
        if is_common(&lower) {
            return Err(PasswordError::Common);
        }
        Ok(Self(Secret::new(prepared.to_string())))
    }

    pub(super) fn prepared(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A password that someone signs in with, prepared where that is possible, and as it is where not: so do clients.
fn typed(text: &str) -> Zeroizing<String> {
    // No password is empty.
    let text = if text.len() > BYTES_MAX { "" } else { text };
    Zeroizing::new(stringprep::saslprep(text).map_or_else(|_| text.to_owned(), Cow::into_owned))
}

/// Argon2id of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordHash {
    memory_kib: u32,
    passes: u32,
    #[serde(with = "encoded")]
    salt: [u8; 16],
    #[serde(with = "encoded")]
    hash: [u8; 32],
}

impl PasswordHash {
    /// Of a password, with a new salt.
    ///
    /// # Errors
    /// When there is no randomness, or not the memory.
    pub fn new(password: &Password, rng: &dyn Rng) -> Result<Self, CredentialsError> {
        let mut salt = [0; 16];
        rng.fill(&mut salt)?;
        let mut made = Self { memory_kib: MEMORY_KIB, passes: PASSES, salt, hash: [0; 32] };
        made.hash = made.compute(password.prepared().as_bytes()).ok_or(CredentialsError::Memory)?;
        Ok(made)
    }

    /// For an account that there is none of, or that has no password: it costs as much to verify, and nothing fits.
    pub fn made_up() -> Self {
        Self { memory_kib: MEMORY_KIB, passes: PASSES, salt: [0; 16], hash: [0; 32] }
    }

    /// Whether it asks for as much work as is right.
    pub(super) fn sound(&self) -> bool {
        (MEMORY_KIB..=MEMORY_KIB_MAX).contains(&self.memory_kib) && (1..=PASSES_MAX).contains(&self.passes)
    }

    /// Whether a text is the password. Takes the same time whatever the text is.
    pub fn verify(&self, text: &str) -> bool {
        let typed = typed(text);
        let computed = self.compute(typed.as_bytes()).map(Zeroizing::new);
        computed.is_some_and(|computed| bool::from(computed.ct_eq(&self.hash)))
    }

    fn compute(&self, prepared: &[u8]) -> Option<[u8; 32]> {
        let params = Params::new(self.memory_kib, self.passes, 1, Some(32)).ok()?;
        let mut out = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(prepared, &self.salt, &mut out).ok()?;
        Some(out)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use polder_types::SeededRng;

    use super::*;

    #[test]
    fn the_password_fits_and_nothing_else_does() {
        let password = Password::new("ann", "four words and a half").unwrap();
        let hash = PasswordHash::new(&password, &SeededRng::new(1)).unwrap();
        assert!(hash.verify("four words and a half"));
        for wrong in ["four words and a hal", "four words and a half ", "Four words and a half", ""] {
            assert!(!hash.verify(wrong), "{wrong}");
        }
        assert!(!PasswordHash::made_up().verify("four words and a half"));
        assert!(hash.sound() && PasswordHash::made_up().sound());
        let again: PasswordHash = serde_json::from_str(&serde_json::to_string(&hash).unwrap()).unwrap();
        assert!(again == hash && again.verify("four words and a half"));
        assert_ne!(hash, PasswordHash::new(&password, &SeededRng::new(2)).unwrap());
        assert!(!format!("{hash:?} {password:?}").contains("four"));
    }

    /// RFC 4013: a soft hyphen is left out, other spaces are spaces, a ligature is its letters.
    #[test]
    fn one_password_has_several_spellings() {
        let rng = SeededRng::new(1);
        for (set, typed) in [
            ("I\u{ad}X four words", "IX four words"),
            ("ﬃ four words too", "ffi four words too"),
            ("non\u{a0}breaking space", "non breaking space"),
        ] {
            let hash = PasswordHash::new(&Password::new("ann", set).unwrap(), &rng).unwrap();
            assert!(hash.verify(typed) && hash.verify(set), "{set}");
        }
    }

    #[test]
    fn a_password_keeps_the_rules() {
        let refused = |text: &str| Password::new("marianne", text).err();
        assert_eq!(refused("eleven char"), Some(PasswordError::Short));
        assert_eq!(refused(""), Some(PasswordError::Short));
        assert_eq!(refused("twelve chars"), None);
        // Twelve as they are typed, eleven as they count.
        assert_eq!(refused("eleven char\u{ad}"), Some(PasswordError::Short));
        let counted: String = (100..200).map(|number| format!("{number} ")).collect();
        assert_eq!(refused(&counted[..256]), None);
        assert_eq!(refused(&counted[..257]), Some(PasswordError::Long));
        assert_eq!(refused("control\u{7}character"), Some(PasswordError::Character));
        assert_eq!(refused("a line end\nin it"), Some(PasswordError::Character));
        for named in ["Marianne1234", "marianne-2026!", "MARIANNEmarianne", "12marianne34"] {
            assert_eq!(refused(named), Some(PasswordError::Name), "{named}");
        }
        assert_eq!(refused("marianne likes long words"), None);
        for common in ["password1234", "Password123!", "123456789012", "qwertyuiop123", "aaaaaaaaaaaa", "abcabcabcabc", "letmein-letmein"] {
            assert_eq!(refused(common), Some(PasswordError::Common), "{common}");
        }
    }

    #[test]
    fn error_texts() {
        use PasswordError::{Character, Common, Long, Name, Short};
        let texts = [Short, Long, Character, Name, Common].map(|error| error.to_string());
        insta::assert_snapshot!(texts.join("\n"));
    }
}
