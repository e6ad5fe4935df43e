//! Certificates for clients: for programs that sign in by a key, which never leaves them.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use polder_types::{Clock, Rng};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, PublicKeyData, SignatureAlgorithm};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer as _;
use zeroize::Zeroizing;

use super::{Authority, AuthorityError, EcKey, distinguished_name, parameters, pem_of};

/// A new key and the request for a certificate that it signed.
pub struct Requested {
    /// The request, PKCS #10 in PEM.
    pub request: String,
    /// The key, PKCS #8 in PEM.
    pub key: Zeroizing<String>,
}

impl std::fmt::Debug for Requested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requested").finish_non_exhaustive()
    }
}

/// Makes an ECDSA P-256 key and a request for it.
///
/// # Errors
/// When a key cannot be made.
pub fn request(name: &str) -> Result<Requested, AuthorityError> {
    let (key, secret) = EcKey::make()?;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = distinguished_name(name);
    let request = parameters.serialize_request(&key).map_err(AuthorityError::Unwritten)?;
    Ok(Requested { request: pem_of("CERTIFICATE REQUEST", request.der()), key: Zeroizing::new(pem_of("PRIVATE KEY", &secret)) })
}

/// A key of someone else, of which only the public half is known here.
struct Theirs {
    key: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl PublicKeyData for Theirs {
    fn der_bytes(&self) -> &[u8] {
        &self.key
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl Authority {
    /// A certificate for a client's key, which the request proves that whoever asks has. It holds for some days, but not longer than the
    /// authority's. Of the request nothing but the key is taken: the name is the one that is given here.
    ///
    /// # Errors
    /// [`AuthorityError::Request`] where it is no request that its own key signed, of a kind that is taken; or when there is no randomness.
    pub fn issue_client(
        &self,
        name: &str,
        request: &CertificateSigningRequestDer<'_>,
        days: u32,
        clock: &dyn Clock,
        rng: &dyn Rng,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let key = proved(request)?;
        let left = Duration::from_millis(u64::try_from(self.details.not_after_ms.saturating_sub(clock.now_ms())).unwrap_or_default());
        let lasts = Duration::from_secs(u64::from(days) * 86_400);
        let mut parameters = parameters(name, lasts.min(left), clock, rng)?;
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let mut of_authority = CertificateParams::default();
        of_authority.distinguished_name = distinguished_name(&self.details.name);
        let issuer = Issuer::new(of_authority, &self.key);
        Ok(parameters.signed_by(&key, &issuer).map_err(AuthorityError::Unwritten)?.into())
    }
}

/// The key of a request, which signed it.
fn proved(request: &[u8]) -> Result<Theirs, AuthorityError> {
    let (rest, request) = X509CertificationRequest::from_der(request).map_err(|_| AuthorityError::Request("it is not PKCS #10"))?;
    if !rest.is_empty() {
        return Err(AuthorityError::Request("something stands behind it"));
    }
    let information = &request.certification_request_info;
    let public = &information.subject_pki;
    let curve = public.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    let signed_by = &request.signature_algorithm.algorithm;
    let kind: Option<(&'static SignatureAlgorithm, &'static dyn VerificationAlgorithm)> =
        if public.algorithm.algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
            match curve {
                Some(curve) if curve == oid::OID_EC_P256 && *signed_by == oid::OID_SIG_ECDSA_WITH_SHA256 => {
                    Some((&rcgen::PKCS_ECDSA_P256_SHA256, &ECDSA_P256_SHA256_ASN1))
                }
                Some(curve) if curve == oid::OID_NIST_EC_P384 && *signed_by == oid::OID_SIG_ECDSA_WITH_SHA384 => {
                    Some((&rcgen::PKCS_ECDSA_P384_SHA384, &ECDSA_P384_SHA384_ASN1))
                }
                _ => None,
            }
        } else if public.algorithm.algorithm == oid::OID_SIG_ED25519 && *signed_by == oid::OID_SIG_ED25519 {
            Some((&rcgen::PKCS_ED25519, &ED25519))
        } else {
            None
        };
    let Some((algorithm, verification)) = kind else {
        return Err(AuthorityError::Request("its key is none of ECDSA P-256, P-384 or Ed25519 that signed with its own hash"));
    };
    let key = public.subject_public_key.data.to_vec();
    UnparsedPublicKey::new(verification, &key)
        .verify(information.raw, &request.signature_value.data)
        .map_err(|_| AuthorityError::Request("its signature is not by its key"))?;
    Ok(Theirs { key, algorithm })
}

#[cfg(test)]
mod tests {
    use polder_types::{ManualClock, SeededRng};
    use rustls::pki_types::pem::PemObject as _;

    use super::*;
    use crate::authority::Details;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn authority() -> Authority {
        Authority::make(&["localhost".parse().unwrap()], &ManualClock::new(NOW_MS), &SeededRng::new(7)).unwrap()
    }

    fn issued(request: &str, days: u32) -> Result<CertificateDer<'static>, AuthorityError> {
        let request = CertificateSigningRequestDer::from_pem_slice(request.as_bytes()).unwrap();
        authority().issue_client("reports", &request, days, &ManualClock::new(NOW_MS), &SeededRng::new(8))
    }

    #[test]
    fn a_certificate_is_for_the_key_that_asked_and_for_clients_alone() {
        let requested = request("whatever it says").unwrap();
        let certificate = issued(&requested.request, 30).unwrap();
        let details = Details::of(&certificate).unwrap();
        assert_eq!((details.name.as_str(), details.authority, details.subjects.len()), ("reports", false, 0));
        assert_eq!(details.not_after_ms, NOW_MS + 30 * 86_400_000);
        assert!(details.for_clients && details.serial.len() == 32, "{details:?}");
        let key = rcgen::KeyPair::from_pem(&requested.key).unwrap();
        assert_eq!(details.public_key, key.der_bytes());
    }

    #[test]
    fn it_ends_no_later_than_its_authority() {
        let requested = request("reports").unwrap();
        let days_of_the_authority = 3_650;
        let details = Details::of(&issued(&requested.request, days_of_the_authority + 100).unwrap()).unwrap();
        assert_eq!(details.not_after_ms, authority().details().not_after_ms);
    }

    #[test]
    fn other_kinds_of_keys_are_taken_or_refused() {
        for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let request = CertificateParams::default().serialize_request(&key).unwrap();
            let details = Details::of(&issued(&request.pem().unwrap(), 1).unwrap()).unwrap();
            assert_eq!(details.public_key, key.der_bytes());
        }
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        assert!(matches!(issued(&request, 1), Err(AuthorityError::Request(_))));
    }

    #[test]
    fn a_request_that_its_key_did_not_sign_gets_nothing() {
        let requested = request("reports").unwrap();
        let whole = CertificateSigningRequestDer::from_pem_slice(requested.request.as_bytes()).unwrap();
        let clock = ManualClock::new(NOW_MS);
        let with = |bytes: Vec<u8>| authority().issue_client("reports", &bytes.into(), 1, &clock, &SeededRng::new(8));
        assert!(with(whole.to_vec()).is_ok());
        // A bit of the last byte, which is the signature's.
        let mut changed = whole.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(matches!(with(changed), Err(AuthorityError::Request(_))));
        // Its name, which the signature holds.
        let mut renamed = whole.to_vec();
        let at = renamed.windows(7).position(|window| window == b"reports").unwrap();
        renamed[at] = b'R';
        assert!(matches!(with(renamed), Err(AuthorityError::Request(_))));
        let mut longer = whole.to_vec();
        longer.push(0);
        assert!(matches!(with(longer), Err(AuthorityError::Request(_))));
        assert!(matches!(with(vec![1, 2, 3]), Err(AuthorityError::Request(_))));
    }
}
