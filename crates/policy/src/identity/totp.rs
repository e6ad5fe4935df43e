//! Codes that change every thirty seconds (TOTP, RFC 6238): the second factor beside a password, and the recovery codes for when it is lost.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use polder_types::Secret;
use polder_types::random::{RandomError, Rng};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use super::account::At;
use super::encoded;
use super::scram;

/// Seconds of a step.
const STEP_SECONDS: i64 = 30;
/// Digits of a code.
const DIGITS: u8 = 6;
/// Steps before and after the one of now whose codes are taken, since clocks differ (RFC 6238, 5.2).
const SKEW: u16 = 1;
/// Bytes of a secret: as many as SHA-1 gives, as RFC 4226 recommends. SHA-1 since some apps ignore what else an address asks for; HMAC does not
/// need what SHA-1 has lost.
const SECRET_LEN: usize = 20;
/// Recovery codes that are made at once.
pub const RECOVERY_CODES: usize = 10;
/// Letters of a recovery code, each of five bits: none that is taken for another.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of a recovery code: 80 bits, so that no slow hash is needed, and nobody guesses one.
const RECOVERY_LEN: usize = 16;

/// The step of a moment, in milliseconds since 1970.
pub fn step_of(now_ms: i64) -> u64 {
    u64::try_from(now_ms.div_euclid(1_000 * STEP_SECONDS)).unwrap_or(0)
}

/// What is to be kept, and the recovery codes, which are shown this once.
pub type Confirmed = (StoredTotp, Vec<Secret<String>>);

/// A new secret, before someone has shown that they have it.
pub struct NewTotp {
    secret: [u8; SECRET_LEN],
    name: String,
}

impl Drop for NewTotp {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.secret);
    }
}

impl NewTotp {
    /// For an account.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(name: &str, rng: &dyn Rng) -> Result<Self, RandomError> {
        let mut secret = [0; SECRET_LEN];
        rng.fill(&mut secret)?;
        Ok(Self { secret, name: name.to_owned() })
    }

    /// The `otpauth` address that an app reads; the secret stands in it. None where the name cannot stand in one.
    pub fn address(&self) -> Option<Secret<String>> {
        let builder = Builder::new().with_issuer(Some("Polder")).with_account_name(self.name.as_str());
        built(builder, self.secret)?.to_url().ok().map(Secret::new)
    }

    /// What is to be kept, when the code shows that the app has the secret; with it the recovery codes, which are shown this once.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn confirmed(&self, code: &str, now_ms: i64, rng: &dyn Rng) -> Result<Option<Confirmed>, RandomError> {
        let Some(step) = matching(self.secret, code, now_ms) else { return Ok(None) };
        let codes = (0..RECOVERY_CODES).map(|_| recovery_code(rng)).collect::<Result<Vec<_>, _>>()?;
        let recovery = codes.iter().filter_map(|code| RecoveryHash::of(code.expose_secret())).collect();
        Ok(Some((StoredTotp { secret: self.secret, step, recovery, enrolled: None }, codes)))
    }
}

impl fmt::Debug for NewTotp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewTotp(..)")
    }
}

/// What is kept of a second factor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredTotp {
    #[serde(with = "encoded")]
    secret: [u8; SECRET_LEN],
    /// The step of the code that showed that the app has the secret: that code is spent.
    step: u64,
    /// SHA-256 of the recovery codes that were not used.
    pub(super) recovery: Vec<RecoveryHash>,
    /// When it was enrolled; none before it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enrolled: Option<At>,
}

impl StoredTotp {
    /// The step whose code this is, of those around now that come after `spent_step`.
    pub(super) fn verify(&self, code: &str, spent_step: u64, now_ms: i64) -> Option<u64> {
        matching(self.secret, code, now_ms).filter(|step| *step > spent_step.max(self.step))
    }

    /// The recovery code that this is, if it is one that was not used.
    pub(super) fn recovery(&self, code: &str) -> Option<RecoveryHash> {
        let hash = RecoveryHash::of(code)?;
        // All are compared, each in the same time.
        let found = self.recovery.iter().fold(false, |found, other| found | bool::from(other.0.ct_eq(&hash.0)));
        found.then_some(hash)
    }

    /// The same, as it is kept from now on.
    pub(super) fn enrolled_at(&self, at: At) -> Self {
        Self { enrolled: Some(at), ..self.clone() }
    }

    /// When it was enrolled.
    pub fn enrolled(&self) -> Option<At> {
        self.enrolled
    }

    /// Recovery codes that were not used.
    pub fn recovery_codes_left(&self) -> usize {
        self.recovery.len()
    }

    pub(super) fn sound(&self) -> bool {
        self.recovery.len() <= RECOVERY_CODES
    }
}

impl fmt::Debug for StoredTotp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredTotp(..)")
    }
}

/// What a sign-in used up, and nobody can use again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// The codes of this step, and of all before it.
    Step(u64),
    /// A recovery code.
    Recovery(RecoveryHash),
}

/// SHA-256 of a recovery code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecoveryHash([u8; 32]);

impl RecoveryHash {
    /// Of a code as somebody types it: hyphens and blanks mean nothing, nor does case. None where it cannot be one.
    fn of(code: &str) -> Option<Self> {
        let letters: Zeroizing<String> =
            Zeroizing::new(code.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect());
        let fits = letters.len() == RECOVERY_LEN && letters.bytes().all(|letter| LETTERS.contains(&letter));
        fits.then(|| Self(scram::hash(letters.as_bytes())))
    }
}

impl fmt::Debug for RecoveryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryHash(..)")
    }
}

impl Serialize for RecoveryHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for RecoveryHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        encoded::deserialize(deserializer).map(Self)
    }
}

fn recovery_code(rng: &dyn Rng) -> Result<Secret<String>, RandomError> {
    let mut bytes = Zeroizing::new([0u8; RECOVERY_LEN]);
    rng.fill(bytes.as_mut_slice())?;
    let mut code = String::with_capacity(RECOVERY_LEN + 3);
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            code.push('-');
        }
        // 256 is a multiple of 32: each letter is as likely as the others.
        code.push(LETTERS.get(usize::from(byte % 32)).copied().map_or('0', char::from));
    }
    Ok(Secret::new(code))
}

fn built(builder: Builder, secret: [u8; SECRET_LEN]) -> Option<Totp> {
    let builder = builder.with_algorithm(Algorithm::SHA1).with_digits(DIGITS).with_skew(SKEW);
    builder.with_step_duration(STEP_SECONDS.unsigned_abs()).with_secret(totp_rs::Secret::new_stack(secret)).build().ok()
}

/// The step around now whose code this is.
fn matching(secret: [u8; SECRET_LEN], code: &str, now_ms: i64) -> Option<u64> {
    let fits = code.len() == usize::from(DIGITS) && code.bytes().all(|digit| digit.is_ascii_digit());
    let seconds = u64::try_from(now_ms.div_euclid(1_000)).ok()?;
    if !fits {
        return None;
    }
    built(Builder::new(), secret)?.check(code, seconds)
}

#[cfg(test)]
mod tests {
    use polder_types::SeededRng;

    use super::*;

    const SECRET: [u8; 20] = *b"12345678901234567890";

    fn stored() -> StoredTotp {
        StoredTotp { secret: SECRET, step: 0, recovery: Vec::new(), enrolled: None }
    }

    /// The table of RFC 6238, appendix B, for SHA-1: the last six of its eight digits.
    #[test]
    fn the_published_codes() {
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924"), (2_000_000_000, "279037")]
        {
            let now_ms = seconds * 1_000;
            assert_eq!(stored().verify(code, 0, now_ms), Some(step_of(now_ms)), "{seconds}");
        }
        assert_eq!(stored().verify("353130", 0, 20_000_000_000_000), Some(step_of(20_000_000_000_000)));
    }

    #[test]
    fn a_code_is_taken_a_step_early_or_late_and_no_more() {
        let at_ms = 1_111_111_111_000;
        let step = step_of(at_ms);
        for (steps, taken) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = stored().verify("050471", 0, at_ms + steps * 30_000);
            assert_eq!(found, taken.then_some(step), "{steps}");
        }
    }

    #[test]
    fn a_code_is_spent_with_all_before_it() {
        let at_ms = 1_111_111_111_000;
        let step = step_of(at_ms);
        assert_eq!(stored().verify("050471", step - 1, at_ms), Some(step));
        assert_eq!(stored().verify("050471", step, at_ms), None);
        assert_eq!(stored().verify("050471", step + 1, at_ms), None);
        // So is the code that showed that the app has the secret.
        assert_eq!(StoredTotp { step, ..stored() }.verify("050471", 0, at_ms), None);
    }

    #[test]
    fn nothing_else_is_a_code() {
        for code in ["", "50471", "0504710", "050472", " 50471", "+50471", "٠٥٠٤٧١", "05047a", "050 471"] {
            assert_eq!(stored().verify(code, 0, 1_111_111_111_000), None, "{code}");
        }
        // A clock before 1970 knows no step.
        assert_eq!(stored().verify("287082", 0, -1), None);
    }

    #[test]
    fn recovery_codes_are_told_once_and_kept_as_hashes() {
        let rng = SeededRng::new(7);
        let new = NewTotp { secret: SECRET, name: "ann".to_owned() };
        assert!(new.confirmed("050472", 1_111_111_111_000, &rng).unwrap().is_none());
        let (stored, codes) = new.confirmed("050471", 1_111_111_111_000, &rng).unwrap().unwrap();
        assert_eq!((codes.len(), stored.recovery_codes_left()), (10, 10));
        let text = serde_json::to_string(&stored).unwrap();
        for code in &codes {
            let code = code.expose_secret();
            assert_eq!(code.len(), 19);
            assert!(!text.contains(code.as_str()));
            assert!(stored.recovery(code).is_some());
            assert!(stored.recovery(&code.replace('-', " ").to_uppercase()).is_some());
            assert!(stored.recovery(&code[1..]).is_none());
        }
        assert!(stored.recovery("0000-0000-0000-0000").is_none() && stored.recovery("").is_none());
        assert_eq!(serde_json::from_str::<StoredTotp>(&text).unwrap(), stored);
        assert_eq!(format!("{stored:?} {new:?}"), "StoredTotp(..) NewTotp(..)");
    }

    #[test]
    fn an_app_reads_the_address() {
        let address = NewTotp { secret: SECRET, name: "ann".to_owned() }.address().unwrap();
        let address = url::Url::parse(address.expose_secret()).unwrap();
        assert_eq!((address.scheme(), address.host_str(), address.path()), ("otpauth", Some("totp"), "/Polder:ann"));
        let asked: std::collections::HashMap<_, _> = address.query_pairs().into_owned().collect();
        // Base32 of the secret, as RFC 4648 has it.
        assert_eq!(asked["secret"], "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(asked["issuer"], "Polder");
        for (key, value) in [("digits", "6"), ("algorithm", "SHA1"), ("period", "30")] {
            assert!(asked.get(key).is_none_or(|said| said == value), "{key}");
        }
    }
}
