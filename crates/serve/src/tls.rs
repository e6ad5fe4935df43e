//! Who the listeners are: a certificate chain and its key, taken anew when they change.

mod clients;
mod end_point;

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::ports::{Asked, ClientCertificate};
use clients::Verifier;

pub use clients::Clients;
pub(crate) use clients::{fingerprint, word};

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is none.
    #[error("serve a certificate: the chain holds none; give a file with the server's certificate first, then those that signed it")]
    Empty,
    /// The first certificate is none.
    #[error("serve a certificate: the first one of the chain cannot be read; give one of X.509 in PEM")]
    Unreadable,
    /// Key and certificate do not go together, or are of no kind that is served.
    #[error(
        "serve a certificate: its key does not fit it, or is of a kind that is not served; give the key that the certificate was made for"
    )]
    Unfit(#[source] rustls::Error),
    /// An authority for client certificates is none.
    #[error("ask for client certificates: one of the authorities cannot be read; give certificates of authorities in PEM")]
    Authority,
    /// There is no authority for client certificates.
    #[error("ask for client certificates: there is no authority whose certificates are taken; give `client_ca` of tls one")]
    NoAuthority,
}

struct Identity {
    config: Arc<ServerConfig>,
    end_point: Vec<u8>,
    verifier: Option<Verifier>,
}

/// The TLS side of one listener. TLS 1.3, and 1.2 with forward secrecy alone where a listener's clients need it.
pub struct Tls {
    identity: RwLock<Identity>,
    protocols: Vec<Vec<u8>>,
    tls12: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Serves a chain, the server's own certificate first. `protocols` are those of ALPN; with some, a client must name one of them or none.
    ///
    /// # Errors
    /// When there is no certificate, or the key does not fit.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        protocols: &[&[u8]],
        tls12: bool,
    ) -> Result<Self, TlsError> {
        Self::asking(chain, key, protocols, tls12, None)
    }

    /// The same, which asks for client certificates.
    ///
    /// # Errors
    /// As [`Tls::new`], or when an authority cannot be read.
    pub fn asking(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        protocols: &[&[u8]],
        tls12: bool,
        clients: Option<&Clients>,
    ) -> Result<Self, TlsError> {
        let verifier = clients.map(Verifier::new).transpose()?;
        let protocols: Vec<Vec<u8>> = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let identity = identity(chain, key, &protocols, tls12, verifier)?;
        Ok(Self { identity: RwLock::new(identity), protocols, tls12 })
    }

    /// Serves another chain from now on; open connections keep theirs.
    ///
    /// # Errors
    /// As [`Tls::new`]; the former one stays.
    pub fn replace(&self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<(), TlsError> {
        let verifier = self.identity.read().verifier.clone();
        let identity = identity(chain, key, &self.protocols, self.tls12, verifier)?;
        *self.identity.write() = identity;
        Ok(())
    }

    /// The same, with other authorities for client certificates too.
    ///
    /// # Errors
    /// As [`Tls::asking`]; what was served stays.
    pub fn replace_asking(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        clients: Option<&Clients>,
    ) -> Result<(), TlsError> {
        let verifier = clients.map(Verifier::new).transpose()?;
        let identity = identity(chain, key, &self.protocols, self.tls12, verifier)?;
        *self.identity.write() = identity;
        Ok(())
    }

    /// Whether it asks for client certificates.
    pub fn asked(&self) -> Option<Asked> {
        self.identity.read().verifier.as_ref().map(|verifier| verifier.asked)
    }

    /// The certificate that a connection began with, where it was asked for.
    pub(crate) fn presented(&self, connection: &rustls::ServerConnection) -> Option<ClientCertificate> {
        let certificate = connection.peer_certificates()?.first()?;
        Some(ClientCertificate { fingerprint: fingerprint(certificate), asked: self.asked()? })
    }

    /// What takes the next connection, and the hash of the certificate that it shows: `tls-server-end-point` of RFC 5929. It is empty where the
    /// certificate's signature has no hash of its own, as that by Ed25519: then no channel can be bound to it.
    pub fn acceptor(&self) -> (TlsAcceptor, Vec<u8>) {
        let identity = self.identity.read();
        (TlsAcceptor::from(Arc::clone(&identity.config)), identity.end_point.clone())
    }
}

fn identity(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    protocols: &[Vec<u8>],
    tls12: bool,
    verifier: Option<Verifier>,
) -> Result<Identity, TlsError> {
    let first = chain.first().ok_or(TlsError::Empty)?;
    let end_point = end_point::of(first).ok_or(TlsError::Unreadable)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] =
        if tls12 { &[&rustls::version::TLS13, &rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).map_err(TlsError::Unfit)?;
    let builder = match &verifier {
        Some(verifier) => builder.with_client_cert_verifier(Arc::clone(&verifier.verifier)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Unfit)?;
    if verifier.is_some() {
        // A connection that went on from an older one would not be asked again.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = protocols.to_vec();
    // Nothing that was sent before the handshake ended is taken: it could be sent again by someone else.
    config.max_early_data_size = 0;
    Ok(Identity { config: Arc::new(config), end_point, verifier })
}

#[cfg(test)]
mod tests;
