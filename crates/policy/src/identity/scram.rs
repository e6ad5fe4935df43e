//! SCRAM-SHA-256 (RFC 5802, RFC 7677): what the server keeps of a password so that a client can prove to know it without sending it.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use polder_types::random::{RandomError, Rng};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::encoded;
use super::password::Password;

/// Iterations of PBKDF2 for passwords that are set now.
const ITERATIONS: u32 = 100_000;
/// Most that a stored secret may ask for: a client must do them all.
const ITERATIONS_MAX: u32 = 10_000_000;
/// Bytes of SHA-256.
const LEN: usize = 32;

/// Salt and keys of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScramSecret {
    #[serde(with = "encoded")]
    salt: [u8; 16],
    iterations: u32,
    #[serde(with = "encoded")]
    stored_key: [u8; LEN],
    #[serde(with = "encoded")]
    server_key: [u8; LEN],
}

impl ScramSecret {
    /// Of a password, with a new salt.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(password: &Password, rng: &dyn Rng) -> Result<Self, RandomError> {
        let mut salt = [0; 16];
        rng.fill(&mut salt)?;
        Ok(Self::derive(password.prepared().as_bytes(), salt, ITERATIONS))
    }

    pub(super) fn derive(prepared: &[u8], salt: [u8; 16], iterations: u32) -> Self {
        let mut salted = Zeroizing::new([0u8; LEN]);
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, prepared, salted.as_mut_slice());
        let client_key = Zeroizing::new(mac(salted.as_slice(), b"Client Key"));
        Self { salt, iterations: rounds.get(), stored_key: hash(client_key.as_slice()), server_key: mac(salted.as_slice(), b"Server Key") }
    }

    /// For a name that no account has: the same each time, and nobody without the key can tell it from one that is stored. No proof fits it.
    pub fn made_up(name: &str, key: &[u8]) -> Self {
        let of = |sort: &str| mac(key, format!("{sort}:{name}").as_bytes());
        let salt = of("salt").first_chunk::<16>().copied().unwrap_or_default();
        Self { salt, iterations: ITERATIONS, stored_key: of("stored"), server_key: of("server") }
    }

    /// The salt, which everyone who begins to sign in is told.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The iterations, which everyone is told too.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Whether it asks for as much work as is right.
    pub(super) fn sound(&self) -> bool {
        (4096..=ITERATIONS_MAX).contains(&self.iterations)
    }

    /// `ServerSignature`, when the proof is that of someone who knows the password. Takes the same time whatever the proof is.
    pub fn verify(&self, auth_message: &str, client_proof: &[u8]) -> Option<Vec<u8>> {
        let proof: &[u8; LEN] = client_proof.try_into().ok()?;
        let signature = mac(&self.stored_key, auth_message.as_bytes());
        let mut client_key = Zeroizing::new([0u8; LEN]);
        for (key, (proof, signature)) in client_key.iter_mut().zip(proof.iter().zip(signature)) {
            *key = proof ^ signature;
        }
        let server_signature = mac(&self.server_key, auth_message.as_bytes());
        bool::from(hash(client_key.as_slice()).ct_eq(&self.stored_key)).then(|| server_signature.to_vec())
    }
}

impl fmt::Debug for ScramSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramSecret(..)")
    }
}

fn mac(key: &[u8], data: &[u8]) -> [u8; LEN] {
    first(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref())
}

pub(super) fn hash(data: &[u8]) -> [u8; LEN] {
    first(digest::digest(&digest::SHA256, data).as_ref())
}

fn first(bytes: &[u8]) -> [u8; LEN] {
    bytes.first_chunk::<LEN>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// The exchange that RFC 7677 prints.
    #[test]
    fn the_published_exchange() {
        let salt: [u8; 16] = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let secret = ScramSecret::derive(b"pencil", salt, 4096);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                       r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                       c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let signature = secret.verify(message, &proof).unwrap();
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        for at in 0..proof.len() {
            let mut wrong = proof.clone();
            wrong[at] ^= 1;
            assert_eq!(secret.verify(message, &wrong), None, "{at}");
        }
        assert_eq!(secret.verify(message, &proof[1..]), None);
        assert_eq!(secret.verify(message, &[]), None);
        assert_eq!(secret.verify(&message.replace("i=4096", "i=4097"), &proof), None);
        assert_eq!(ScramSecret::made_up("user", b"key").verify(message, &proof), None);
    }

    #[test]
    fn what_is_made_up_stays_and_depends_on_name_and_key() {
        let salt = |name: &str, key: &[u8]| ScramSecret::made_up(name, key).salt().to_vec();
        assert_eq!(salt("ann", b"k"), salt("ann", b"k"));
        assert_ne!(salt("ann", b"k"), salt("bob", b"k"));
        assert_ne!(salt("ann", b"k"), salt("ann", b"l"));
        assert_eq!(ScramSecret::made_up("ann", b"k").iterations(), ITERATIONS);
        assert_eq!(format!("{:?}", ScramSecret::made_up("ann", b"k")), "ScramSecret(..)");
    }
}
