//! What a certificate says.

use std::net::IpAddr;

use aws_lc_rs::digest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::authority::subject::Subject;

/// What of a certificate a person or a program goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The common name of its subject; empty where it has none.
    pub name: String,
    /// SHA-256 of the certificate, in hexadecimal.
    pub fingerprint: String,
    /// From when on it holds, in milliseconds since the epoch.
    pub not_before_ms: i64,
    /// Until when it holds, in milliseconds since the epoch.
    pub not_after_ms: i64,
    /// Whom it is for; of an authority, for whom it may sign.
    pub subjects: Vec<Subject>,
    /// Whether it may sign others.
    pub authority: bool,
    /// Whether it says that it is for clients, or not what it is for.
    pub for_clients: bool,
    /// The number that its authority gave it, in lower-case hexadecimal.
    pub serial: String,
    /// The key as it stands there.
    pub(crate) public_key: Vec<u8>,
}

impl Details {
    /// What the bytes of a certificate say; none where they are none.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(certificate).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let authority = parsed.is_ca();
        let mut subjects = Vec::new();
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) if !authority => {
                    subjects.extend(names.general_names.iter().filter_map(subject));
                }
                ParsedExtension::NameConstraints(constraints) if authority => {
                    let permitted = constraints.permitted_subtrees.iter().flatten();
                    subjects.extend(permitted.filter_map(|tree| subject(&tree.base)));
                }
                _ => {}
            }
        }
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default().to_owned();
        Some(Self {
            name,
            fingerprint: hex::encode(digest::digest(&digest::SHA256, certificate)),
            not_before_ms: parsed.validity().not_before.timestamp().saturating_mul(1_000),
            not_after_ms: parsed.validity().not_after.timestamp().saturating_mul(1_000),
            subjects,
            authority,
            for_clients: parsed.extended_key_usage().ok().flatten().is_none_or(|usage| usage.value.client_auth || usage.value.any),
            serial: hex::encode(parsed.raw_serial()),
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
        })
    }

    /// When it is to be made anew: when a third of its time is left.
    pub fn renew_at_ms(&self) -> i64 {
        let lasts = self.not_after_ms.saturating_sub(self.not_before_ms);
        self.not_after_ms.saturating_sub(lasts / 3)
    }

    /// Whether it holds at a time.
    pub fn holds(&self, now_ms: i64) -> bool {
        (self.not_before_ms..=self.not_after_ms).contains(&now_ms)
    }
}

/// An address of an authority's constraint has its mask behind it, which is that of one address.
fn subject(name: &GeneralName<'_>) -> Option<Subject> {
    match name {
        GeneralName::DNSName(name) => name.parse().ok(),
        GeneralName::IPAddress(bytes) => {
            let address = |bytes: &[u8]| {
                let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
                v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
            };
            match bytes.len() {
                4 => address(bytes),
                16 => address(bytes),
                8 | 32 => {
                    let (address_bytes, mask) = bytes.split_at(bytes.len() / 2);
                    mask.iter().all(|byte| *byte == 0xff).then(|| address(address_bytes)).flatten()
                }
                _ => None,
            }
            .map(Subject::Address)
        }
        _ => None,
    }
}
