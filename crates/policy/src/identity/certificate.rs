//! Client certificates: by one of them a service signs in without a secret that it sends. What is kept of a certificate is its fingerprint: that
//! some authority signed it lets nobody in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::account::At;
use super::register::Register;
use super::signed_in::{Method, Refusal, SignedIn};

/// Characters of a fingerprint: SHA-256 of the certificate's DER, in lower-case hexadecimal.
const FINGERPRINT_LEN: usize = 64;
/// Most bytes of a serial number (RFC 5280, section 4.1.2.2), and one for its sign.
const SERIAL_MAX_BYTES: usize = 21;

/// What is kept of a client certificate. Its fingerprint is the register's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredCertificate {
    pub(super) owner: String,
    pub(super) serial: String,
    pub(super) wires: BTreeSet<String>,
    pub(super) made: At,
    pub(super) expires_ms: i64,
    /// Whether an authority of someone else signed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) foreign: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<At>,
}

impl StoredCertificate {
    /// The service that it lets in.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The serial number that its authority gave it, in hexadecimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The ways in that it is for.
    pub fn wires(&self) -> &BTreeSet<String> {
        &self.wires
    }

    /// When it came into the register.
    pub fn made(&self) -> At {
        self.made
    }

    /// From when on it is worth nothing, in milliseconds since 1970.
    pub fn expires_ms(&self) -> i64 {
        self.expires_ms
    }

    /// Whether an authority of someone else signed it.
    pub fn foreign(&self) -> bool {
        self.foreign
    }

    /// When it was revoked.
    pub fn revoked(&self) -> Option<At> {
        self.revoked
    }

    /// Whether it lets its service in at a time, as far as the register says.
    pub fn holds(&self, now_ms: i64) -> bool {
        self.judged(now_ms).is_ok()
    }

    fn judged(&self, now_ms: i64) -> Result<(), Refusal> {
        if self.revoked.is_some() {
            return Err(Refusal::Revoked);
        }
        if now_ms < self.made.time_ms {
            return Err(Refusal::Clock);
        }
        if now_ms >= self.expires_ms { Err(Refusal::Expired) } else { Ok(()) }
    }
}

/// Whether a text may be the fingerprint of a certificate.
pub fn is_fingerprint(text: &str) -> bool {
    text.len() == FINGERPRINT_LEN && is_hex(text)
}

pub(super) fn is_serial(text: &str) -> bool {
    !text.is_empty() && text.len() <= 2 * SERIAL_MAX_BYTES && is_hex(text)
}

pub(super) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl Register {
    /// The client certificates by fingerprint.
    pub fn certificates(&self) -> &std::collections::BTreeMap<String, StoredCertificate> {
        &self.certificates
    }

    /// Judges a certificate whose key its bearer proved to have, by its fingerprint, for a way in (one of [`super::WIRES`]).
    ///
    /// # Errors
    /// Why it is refused: for the record, never for who asked.
    pub fn by_certificate(&self, fingerprint: &str, wire: &str, now_ms: i64) -> Result<SignedIn, Refusal> {
        let stored = self.certificates.get(fingerprint).ok_or(Refusal::Certificate)?;
        stored.judged(now_ms)?;
        if !stored.wires.contains(wire) {
            return Err(Refusal::Wire);
        }
        let account = self.accounts.get(&stored.owner).ok_or(Refusal::Unknown)?;
        let mut signed_in = self.signed_in(&stored.owner, account, Method::Certificate, None, now_ms)?;
        signed_in.certificate = Some((fingerprint.to_owned(), stored.expires_ms));
        Ok(signed_in)
    }

    /// The same proof, which from now on holds only as long as a certificate does, which must be of the same account: for whoever showed both.
    ///
    /// # Errors
    /// As [`Self::by_certificate`], and [`Refusal::Owner`] where it is another account's.
    pub fn bound(&self, signed_in: SignedIn, fingerprint: &str, wire: &str, now_ms: i64) -> Result<SignedIn, Refusal> {
        let by = self.by_certificate(fingerprint, wire, now_ms)?;
        if by.principal != signed_in.principal {
            return Err(Refusal::Owner);
        }
        // What rests on one certificate does not go on by another.
        if signed_in.certificate().is_some_and(|other| other != fingerprint) {
            return Err(Refusal::Certificate);
        }
        Ok(SignedIn { certificate: by.certificate, ..signed_in })
    }

    /// Whether the certificate that someone showed still holds.
    pub(super) fn certificate_holds(&self, signed_in: &SignedIn, now_ms: i64) -> Result<(), Refusal> {
        let Some(fingerprint) = signed_in.certificate() else { return Ok(()) };
        let stored = self.certificates.get(fingerprint).ok_or(Refusal::Revoked)?;
        // One that was taken away and came back for another account lets in that one.
        if stored.owner != signed_in.name { Err(Refusal::Revoked) } else { stored.judged(now_ms) }
    }

    /// What has ended long ago, and is of no use to anyone.
    pub(super) fn forget_certificates(&mut self, ended_before_ms: i64) {
        self.certificates.retain(|_, stored| {
            let ended_ms = stored.revoked.map_or(stored.expires_ms, |at| at.time_ms.min(stored.expires_ms));
            ended_ms >= ended_before_ms
        });
    }

    pub(super) fn certificates_sound(&self) -> bool {
        self.certificates.iter().all(|(fingerprint, stored)| {
            is_fingerprint(fingerprint) && is_serial(&stored.serial) && self.accounts.contains_key(&stored.owner)
        })
    }
}
