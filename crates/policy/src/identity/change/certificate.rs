//! Changes of client certificates.

use std::collections::BTreeSet;

use polder_types::ErrorKind;
use polder_types::event::IdentityChange;
use serde::{Deserialize, Serialize};

use super::{ChangeError, Subject};
use crate::identity::WIRES;
use crate::identity::account::{At, Kind};
use crate::identity::certificate::{StoredCertificate, is_fingerprint, is_hex, is_serial};
use crate::identity::register::Register;

/// Most certificates of a service that have not ended.
const CERTIFICATES_MAX: usize = 100;
/// As much of a fingerprint as must be named.
const NAMED_MIN: usize = 8;

/// What is to change of client certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CertificateChange {
    /// A service may come in by a certificate.
    Add {
        owner: String,
        /// SHA-256 of the certificate, in hexadecimal.
        fingerprint: String,
        serial: String,
        /// The ways in that it is for; none is all.
        #[serde(default)]
        wires: BTreeSet<String>,
        expires_ms: i64,
        /// Whether an authority of someone else signed it.
        #[serde(default)]
        foreign: bool,
    },
    /// A certificate is worth nothing any more. The beginning of its fingerprint is enough where no other begins so.
    Revoke { fingerprint: String },
}

/// Why a change of client certificates cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It is no fingerprint.
    #[error(
        "find the certificate {given}: a fingerprint is 64 hexadecimal digits, of which at least the first {NAMED_MIN} are to be given; see `polder service certificate list`"
    )]
    NoFingerprint {
        /// What was given.
        given: String,
    },
    /// It names no certificate, or more than one.
    #[error("there {what} begins with {given}; see `polder service certificate list`")]
    NotOne {
        /// What was given.
        given: String,
        /// Which of the two.
        what: &'static str,
    },
    /// It is there already.
    #[error("add the certificate: {owner} comes in by it already, or did; issue another one")]
    Taken {
        /// Whose it is.
        owner: String,
    },
    /// It has ended, or has no number.
    #[error("add the certificate: {what}; issue another one")]
    Unfit {
        /// What is wrong.
        what: &'static str,
    },
    /// For no way in that there is.
    #[error("bind a certificate for {wire}: the ways in are {}; say --wire for each, or none for all", WIRES.join(", "))]
    Wire {
        /// What was asked for.
        wire: String,
    },
    /// The service has too many.
    #[error(
        "bind a certificate to {name}: it has {CERTIFICATES_MAX} that have not ended, which is the most; revoke one (`polder service certificate list {name}`)"
    )]
    TooMany {
        /// The service.
        name: String,
    },
    /// It is revoked already.
    #[error("the certificate {given} is revoked already; nothing was changed")]
    Already {
        /// What was given.
        given: String,
    },
}

impl CertificateError {
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::NotOne { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Invalid,
        }
    }
}

impl CertificateChange {
    pub(super) fn sort(&self) -> IdentityChange {
        match self {
            Self::Add { .. } => IdentityChange::CertificateAdded,
            Self::Revoke { .. } => IdentityChange::CertificateRevoked,
        }
    }
}

impl Register {
    pub(super) fn change_certificate(&mut self, change: &CertificateChange, at: At) -> Result<Subject, ChangeError> {
        match change {
            CertificateChange::Add { owner, fingerprint, serial, wires, expires_ms, foreign } => {
                self.of_kind(Kind::Service, owner)?;
                if !is_fingerprint(fingerprint) {
                    return Err(CertificateError::NoFingerprint { given: fingerprint.clone() }.into());
                }
                if !is_serial(serial) {
                    return Err(CertificateError::Unfit { what: "its serial number is none" }.into());
                }
                if *expires_ms <= at.time_ms {
                    return Err(CertificateError::Unfit { what: "its time is over" }.into());
                }
                if let Some(wire) = wires.iter().find(|wire| !WIRES.contains(&wire.as_str())) {
                    return Err(CertificateError::Wire { wire: wire.clone() }.into());
                }
                if let Some(there) = self.certificates.get(fingerprint) {
                    return Err(CertificateError::Taken { owner: there.owner.clone() }.into());
                }
                let current = |stored: &&StoredCertificate| stored.owner == *owner && stored.holds(at.time_ms);
                if self.certificates.values().filter(current).count() >= CERTIFICATES_MAX {
                    return Err(CertificateError::TooMany { name: owner.clone() }.into());
                }
                let wires = if wires.is_empty() { WIRES.map(str::to_owned).into() } else { wires.clone() };
                let stored = StoredCertificate {
                    owner: owner.clone(),
                    serial: serial.clone(),
                    wires,
                    made: at,
                    expires_ms: *expires_ms,
                    foreign: *foreign,
                    revoked: None,
                };
                self.certificates.insert(fingerprint.clone(), stored);
                Ok(Subject::Account(owner.clone()))
            }
            CertificateChange::Revoke { fingerprint: given } => {
                let stored = self.named(given)?;
                if stored.revoked.is_some() {
                    return Err(CertificateError::Already { given: given.clone() }.into());
                }
                stored.revoked = Some(at);
                Ok(Subject::Account(stored.owner.clone()))
            }
        }
    }

    /// The certificate whose fingerprint begins so.
    fn named(&mut self, given: &str) -> Result<&mut StoredCertificate, CertificateError> {
        if given.len() < NAMED_MIN || !is_hex(given) {
            return Err(CertificateError::NoFingerprint { given: given.to_owned() });
        }
        let mut found = self.certificates.iter_mut().filter(|(fingerprint, _)| fingerprint.starts_with(given));
        match (found.next(), found.next()) {
            (Some((_, stored)), None) => Ok(stored),
            (None, _) => Err(CertificateError::NotOne { given: given.to_owned(), what: "is no certificate whose fingerprint" }),
            (Some(_), Some(_)) => {
                Err(CertificateError::NotOne { given: given.to_owned(), what: "is more than one certificate whose fingerprint" })
            }
        }
    }

    /// All of an account's certificates are worth nothing any more.
    pub(super) fn revoke_certificates(&mut self, owner: &str, at: At) {
        for stored in self.certificates.values_mut().filter(|stored| stored.owner == owner && stored.revoked.is_none()) {
            stored.revoked = Some(at);
        }
    }
}
