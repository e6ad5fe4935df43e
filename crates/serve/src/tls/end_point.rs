//! `tls-server-end-point`: the hash of the server's certificate, to which SCRAM binds a channel (RFC 5929, section 4.1).

use aws_lc_rs::digest::{self, Algorithm};
use x509_parser::asn1_rs::Oid;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// What is hashed with the function of the certificate's own signature, SHA-256 in place of MD5 and SHA-1. None where these bytes are no
/// certificate; empty where its signature names no hash function that is known here.
pub(super) fn of(certificate: &[u8]) -> Option<Vec<u8>> {
    let (rest, parsed) = X509Certificate::from_der(certificate).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let algorithm = &parsed.signature_algorithm;
    let hash = match SignatureAlgorithm::try_from(algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => by_hash(parameters.hash_algorithm_oid()),
        _ => by_signature(&algorithm.algorithm),
    };
    Some(hash.map(|hash| digest::digest(hash, certificate).as_ref().to_vec()).unwrap_or_default())
}

fn by_signature(signature: &Oid<'_>) -> Option<&'static Algorithm> {
    let sha256 = [
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_SIG_ECDSA_WITH_SHA256,
        // These two are never taken as they are.
        oid::OID_PKCS1_SHA1WITHRSA,
        oid::OID_PKCS1_MD5WITHRSAENC,
    ];
    let sha384 = [oid::OID_PKCS1_SHA384WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA384];
    let sha512 = [oid::OID_PKCS1_SHA512WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA512];
    let by = [(&sha256[..], &digest::SHA256), (&sha384[..], &digest::SHA384), (&sha512[..], &digest::SHA512)];
    by.into_iter().find(|(signatures, _)| signatures.contains(signature)).map(|(_, hash)| hash)
}

fn by_hash(hash: &Oid<'_>) -> Option<&'static Algorithm> {
    let by = [
        (oid::OID_NIST_HASH_SHA256, &digest::SHA256),
        (oid::OID_HASH_SHA1, &digest::SHA256),
        (oid::OID_NIST_HASH_SHA384, &digest::SHA384),
        (oid::OID_NIST_HASH_SHA512, &digest::SHA512),
    ];
    by.into_iter().find(|(known, _)| known == hash).map(|(_, hash)| hash)
}
