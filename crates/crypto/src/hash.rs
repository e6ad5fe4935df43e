//! Hashes and key derivation, infallible: HKDF's one block is written out, so that no caller has an error path that never runs.

use aws_lc_rs::{digest, hmac};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// SHA-256 of the whole of `data`.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(data);
    hash.finish()
}

/// SHA-256 in pieces.
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The hash of all bytes taken.
    pub fn finish(self) -> [u8; 32] {
        first_32(self.0.finish().as_ref())
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

/// HMAC-SHA-256 of `data` under `key`.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    first_32(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref())
}

/// HKDF-SHA-512 (RFC 5869) with 32 bytes of output.
pub fn hkdf_sha512(secret: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    hkdf(hmac::HMAC_SHA512, secret, salt, &[info])
}

/// Whether two byte strings are equal, in time that depends on their lengths only.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// RFC 5869 with at most one block of output: `T(1) = HMAC(PRK, info ‖ 0x01)`. `info` is the pieces one after another.
pub(crate) fn hkdf(algorithm: hmac::Algorithm, secret: &[u8], salt: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let extracted = hmac::sign(&hmac::Key::new(algorithm, salt), secret);
    let mut expand = hmac::Context::with_key(&hmac::Key::new(algorithm, extracted.as_ref()));
    for piece in info {
        expand.update(piece);
    }
    expand.update(&[1]);
    Zeroizing::new(first_32(expand.sign().as_ref()))
}

/// The first 32 of at least 32 bytes.
fn first_32(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hkdf as library;
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    struct Len32;
    impl library::KeyType for Len32 {
        fn len(&self) -> usize {
            32
        }
    }

    #[test]
    fn published_vectors() {
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        // RFC 4231, case 2.
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        // RFC 5869, case 1, first 32 of its 42 bytes.
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        assert_eq!(
            hex(hkdf(hmac::HMAC_SHA256, &[0x0b; 22], &salt, &[&info]).as_ref()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
        );
    }

    proptest! {
        #[test]
        fn equals_the_library(secret: Vec<u8>, salt: Vec<u8>, info: Vec<u8>) {
            let pieces = [info.as_slice()];
            let prk = library::Salt::new(library::HKDF_SHA512, &salt).extract(&secret);
            let mut want = [0; 32];
            prk.expand(&pieces, Len32).unwrap().fill(&mut want).unwrap();
            prop_assert_eq!(*hkdf_sha512(&secret, &salt, &info), want);
        }
    }
}
