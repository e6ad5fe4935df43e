//! The internal certificate authority: makes the certificates that the listeners show, where nobody gave another, and those by which services
//! sign in. It is told what time it is, and stores nothing.

mod client;
mod read;
mod subject;

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use polder_types::{Clock, Rng};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyUsagePurpose, NameConstraints, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

pub use client::{Requested, request};
pub use read::Details;
pub use subject::{Subject, is_subject};

/// How long an authority's certificate holds.
const AUTHORITY: Duration = Duration::from_secs(3_650 * 86_400);
/// How long a server's certificate holds.
const SERVER: Duration = Duration::from_secs(90 * 86_400);
/// Clocks of clients may be behind by this much.
const BEHIND: Duration = Duration::from_secs(3_600);
const ORGANIZATION: &str = "Polder";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A name that the authority's certificate does not let it sign.
    #[error(
        "make a certificate for {0}: the internal authority was made for other names; `polder cert rotate --authority` makes one for these"
    )]
    NotPermitted(Subject),
    /// The stored certificate or key is not one of an authority.
    #[error("open the internal authority: its {0} cannot be read; `polder cert rotate --authority` makes another")]
    Unreadable(&'static str),
    /// A request for a client's certificate that is none.
    #[error(
        "sign a request for a certificate: {0}; make another, such as by `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256`"
    )]
    Request(&'static str),
    /// No key, or no signature.
    #[error("make a key for a certificate: the cryptographic library refused; try again")]
    Refused,
    /// No randomness.
    #[error(transparent)]
    Random(#[from] polder_types::random::RandomError),
    /// The certificate could not be written.
    #[error("write a certificate")]
    Unwritten(#[source] rcgen::Error),
}

/// A certificate and its key.
pub struct Issued {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its key, PKCS #8 in DER.
    pub key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

impl Issued {
    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        pem(&self.certificate)
    }

    /// The key as TLS takes it.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.to_vec()).into()
    }
}

/// A certificate in PEM.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    pem_of("CERTIFICATE", certificate)
}

fn pem_of(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(der));
    // It may be a key: it must not grow, and leave a copy behind.
    let mut pem = String::with_capacity(text.len() + text.len() / 64 + 2 * label.len() + 40);
    pem.push_str("-----BEGIN ");
    pem.push_str(label);
    pem.push_str("-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END ");
    pem.push_str(label);
    pem.push_str("-----\n");
    pem
}

/// What signs the server's certificates.
pub struct Authority {
    issued: Issued,
    details: Details,
    key: EcKey,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("name", &self.details.name).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority, which may sign for these subjects alone: whoever trusts it trusts it for nothing else, whatever becomes of its key.
    /// Its certificate holds for ten years, its key is ECDSA P-256.
    ///
    /// # Errors
    /// When there is no randomness, or a key cannot be made.
    pub fn make(subjects: &[Subject], clock: &dyn Clock, rng: &dyn Rng) -> Result<Self, AuthorityError> {
        let (key, secret) = EcKey::make()?;
        let mut mark = [0; 4];
        rng.fill(&mut mark)?;
        // Two authorities of one machine are told apart by their names.
        let mut parameters = parameters(&format!("Polder authority {}", hex::encode(mark)), AUTHORITY, clock, rng)?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.name_constraints =
            Some(NameConstraints { permitted_subtrees: subjects.iter().map(permitted).collect(), excluded_subtrees: Vec::new() });
        let certificate = parameters.self_signed(&key).map_err(AuthorityError::Unwritten)?.into();
        let issued = Issued { certificate, key: secret };
        Self::open(issued)
    }

    /// The authority of a stored certificate and key.
    ///
    /// # Errors
    /// When one of them cannot be read, or they do not go together.
    pub fn open(issued: Issued) -> Result<Self, AuthorityError> {
        let details = Details::of(&issued.certificate).ok_or(AuthorityError::Unreadable("certificate"))?;
        let key = EcKey::open(&issued.key).ok_or(AuthorityError::Unreadable("key"))?;
        if !details.authority || details.public_key != key.der_bytes() {
            return Err(AuthorityError::Unreadable("certificate"));
        }
        Ok(Self { issued, details, key })
    }

    /// Its certificate and key, for whoever stores them.
    pub fn issued(&self) -> &Issued {
        &self.issued
    }

    /// What its certificate says.
    pub fn details(&self) -> &Details {
        &self.details
    }

    /// Whether it may sign for a subject.
    pub fn permits(&self, subject: &Subject) -> bool {
        self.details.subjects.contains(subject)
    }

    /// A certificate for a server of these names and addresses, which holds for 90 days but not longer than the authority's, and its key.
    ///
    /// # Errors
    /// [`AuthorityError::NotPermitted`], when there is no randomness, or a key cannot be made.
    pub fn issue(&self, subjects: &[Subject], clock: &dyn Clock, rng: &dyn Rng) -> Result<Issued, AuthorityError> {
        if let Some(other) = subjects.iter().find(|subject| !self.permits(subject)) {
            return Err(AuthorityError::NotPermitted(other.clone()));
        }
        let left = Duration::from_millis(u64::try_from(self.details.not_after_ms.saturating_sub(clock.now_ms())).unwrap_or_default());
        let (key, secret) = EcKey::make()?;
        let mut parameters = parameters("Polder server", SERVER.min(left), clock, rng)?;
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.subject_alt_names = subjects.iter().map(alternative).collect::<Result<_, _>>()?;
        let mut of_authority = CertificateParams::default();
        of_authority.distinguished_name = distinguished_name(&self.details.name);
        let issuer = Issuer::new(of_authority, &self.key);
        let certificate = parameters.signed_by(&key, &issuer).map_err(AuthorityError::Unwritten)?.into();
        Ok(Issued { certificate, key: secret })
    }
}

fn parameters(name: &str, lasts: Duration, clock: &dyn Clock, rng: &dyn Rng) -> Result<CertificateParams, AuthorityError> {
    let now = Duration::from_millis(u64::try_from(clock.now_ms()).unwrap_or_default());
    // Certificates count whole seconds.
    let at = |since: Duration| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(since.as_secs());
    let mut serial = [0; 16];
    rng.fill(&mut serial)?;
    if let Some(first) = serial.first_mut() {
        // Positive, and of one length.
        *first = (*first & 0x7f) | 0x40;
    }
    let mut parameters = CertificateParams::default();
    parameters.not_before = at(now.saturating_sub(BEHIND));
    parameters.not_after = at(now.saturating_add(lasts));
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    parameters.distinguished_name = distinguished_name(name);
    Ok(parameters)
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, ORGANIZATION);
    name.push(DnType::CommonName, common_name);
    name
}

fn permitted(subject: &Subject) -> GeneralSubtree {
    match subject {
        Subject::Name(name) => GeneralSubtree::DnsName(name.clone()),
        Subject::Address(IpAddr::V4(address)) => GeneralSubtree::IpAddress(CidrSubnet::V4(address.octets(), [0xff; 4])),
        Subject::Address(IpAddr::V6(address)) => GeneralSubtree::IpAddress(CidrSubnet::V6(address.octets(), [0xff; 16])),
    }
}

fn alternative(subject: &Subject) -> Result<SanType, AuthorityError> {
    Ok(match subject {
        Subject::Name(name) => SanType::DnsName(name.as_str().try_into().map_err(AuthorityError::Unwritten)?),
        Subject::Address(address) => SanType::IpAddress(*address),
    })
}

/// A key whose bytes lie in memory only in what is wiped.
struct EcKey(EcdsaKeyPair);

impl EcKey {
    fn make() -> Result<(Self, Zeroizing<Vec<u8>>), AuthorityError> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).map_err(|_| AuthorityError::Refused)?;
        let secret = Zeroizing::new(document.as_ref().to_vec());
        let key = Self::open(&secret).ok_or(AuthorityError::Refused)?;
        Ok((key, secret))
    }

    fn open(pkcs8: &[u8]) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).ok().map(Self)
    }
}

impl PublicKeyData for EcKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for EcKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests;
