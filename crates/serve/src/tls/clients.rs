//! Client certificates: whose are taken at all, and what is said of those that are not. That one is taken lets nobody in.

use std::io;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error, RootCertStore};

use super::TlsError;
use crate::ports::Asked;

/// How a listener asks for client certificates.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Whether one must be shown.
    pub asked: Asked,
    /// The authorities whose certificates are taken.
    pub authorities: Vec<CertificateDer<'static>>,
}

#[derive(Clone)]
pub(super) struct Verifier {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    pub(super) asked: Asked,
}

impl Verifier {
    pub(super) fn new(clients: &Clients) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in &clients.authorities {
            roots.add(authority.clone()).map_err(|_| TlsError::Authority)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoAuthority);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match clients.asked {
            Asked::Accepted => builder.allow_unauthenticated(),
            Asked::Required => builder,
        };
        let verifier = builder.build().map_err(|_| TlsError::NoAuthority)?;
        Ok(Self { verifier, asked: clients.asked })
    }
}

/// SHA-256 of a certificate, in lower-case hexadecimal.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    hex::encode(digest::digest(&digest::SHA256, certificate))
}

/// Why a handshake failed, as a fixed word for records: `otherwise` where it was about no client certificate.
pub(crate) fn word(error: &io::Error, otherwise: &'static str) -> &'static str {
    match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
        Some(Error::NoCertificatesPresented) => "certificate_missing",
        Some(Error::InvalidCertificate(error)) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate_expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "certificate_not_yet_valid",
            CertificateError::UnknownIssuer => "certificate_issuer",
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "certificate_purpose",
            _ => "certificate_invalid",
        },
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests;
