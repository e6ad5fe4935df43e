//! The keys of one domain of masked values: pseudonyms (HMAC-SHA-256) and encrypted values (AES-SIV, RFC 5297).
//! Every byte is in `docs/format/masking.md`.

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::hash::hkdf_sha512;

/// Bytes of a pseudonym: two different values of one domain share one with a chance below 2^-64 among four thousand million.
pub const PSEUDONYM_LEN: usize = 16;
/// Bytes of the nonce of a value that is encrypted at random.
pub const FIELD_NONCE_LEN: usize = 16;

const RANDOM: u8 = 1;
const DETERMINISTIC: u8 = 2;
/// The first component of associated data: no other use of AES-SIV in Polder can be taken for this one.
const CONTEXT: &[u8] = b"polder.field.1";

/// What is derived from a domain's key. Wiped when it is dropped; it has no `Debug`.
pub struct FieldKey {
    pseudonym: hmac::Key,
    siv: Zeroizing<[u8; 64]>,
}

impl FieldKey {
    /// The keys of a domain. Each use has its own, so that a pseudonym says nothing of an encrypted value.
    pub fn derive(domain_key: &[u8; 32]) -> Self {
        let part = |info: &[u8]| hkdf_sha512(domain_key, b"", info);
        let mut siv = Zeroizing::new([0; 64]);
        let halves = [part(b"polder.field.1:siv mac"), part(b"polder.field.1:siv ctr")];
        for (to, from) in siv.iter_mut().zip(halves.iter().flat_map(|half| half.iter())) {
            *to = *from;
        }
        Self { pseudonym: hmac::Key::new(hmac::HMAC_SHA256, part(b"polder.field.1:pseudonym").as_ref()), siv }
    }

    /// The pseudonym of a text: the same for the same text under the same domain, and nobody without the key can compute it.
    pub fn pseudonym(&self, text: &[u8]) -> [u8; PSEUDONYM_LEN] {
        let mut pseudonym = [0; PSEUDONYM_LEN];
        for (to, from) in pseudonym.iter_mut().zip(hmac::sign(&self.pseudonym, text).as_ref()) {
            *to = *from;
        }
        pseudonym
    }

    /// A cipher for many values.
    ///
    /// # Errors
    /// Never for the key that it has.
    pub fn cipher(&self) -> Result<FieldCipher, Error> {
        Aes256Siv::new_from_slice(self.siv.as_ref()).map(FieldCipher).map_err(|_| Error::Cipher)
    }
}

/// Encrypts and opens values one after another.
pub struct FieldCipher(Aes256Siv);

impl FieldCipher {
    /// Encrypts a text so that equal texts do not look alike, as long as no nonce comes twice. Should one, nothing is lost but that
    /// equal texts under it look alike.
    ///
    /// # Errors
    /// Only when the cipher fails.
    pub fn encrypt(&mut self, text: &[u8], nonce: &[u8; FIELD_NONCE_LEN]) -> Result<Vec<u8>, Error> {
        let sealed = self.0.encrypt([CONTEXT, nonce.as_slice()], text).map_err(|_| Error::Cipher)?;
        Ok([&[RANDOM][..], nonce.as_slice(), sealed.as_slice()].concat())
    }

    /// Encrypts a text so that equal texts look alike, for columns that are joined or unique.
    ///
    /// # Errors
    /// Only when the cipher fails.
    pub fn encrypt_deterministic(&mut self, text: &[u8]) -> Result<Vec<u8>, Error> {
        let sealed = self.0.encrypt([CONTEXT], text).map_err(|_| Error::Cipher)?;
        Ok([&[DETERMINISTIC][..], sealed.as_slice()].concat())
    }

    /// The text again.
    ///
    /// # Errors
    /// When it was encrypted under another domain, changed or cut.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let opened = match sealed.split_first() {
            Some((&RANDOM, rest)) => match rest.split_first_chunk::<FIELD_NONCE_LEN>() {
                Some((nonce, sealed)) => self.0.decrypt([CONTEXT, nonce.as_slice()], sealed),
                None => return Err(Error::Field),
            },
            Some((&DETERMINISTIC, sealed)) => self.0.decrypt([CONTEXT], sealed),
            _ => return Err(Error::Field),
        };
        opened.map(Zeroizing::new).map_err(|_| Error::Field)
    }
}

#[cfg(test)]
mod tests;
