//! What tests of connections share: a context whose accounts only remember whom they sent away, and a client that trusts its authority.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use polder_types::{ManualClock, SeededRng};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::{Authority, Subject};
use crate::{
    Accounts, Challenge, Context, Credential, Drain, Fault, Limits, Listener, Origin, Proved, ScramProof, Session, Tls, Wire, http,
};

const NOW_MS: i64 = 1_800_000_000_000;

/// Nobody has an account here.
#[derive(Default)]
pub(crate) struct Nobody(pub(crate) Mutex<Vec<&'static str>>);

#[async_trait]
impl Accounts for Nobody {
    async fn challenge(&self, _name: &str, _origin: &Origin) -> Result<Challenge, Fault> {
        Err(Fault::not_signed_in())
    }

    async fn prove(&self, _proof: ScramProof, _origin: &Origin) -> Result<Proved, Fault> {
        Err(Fault::not_signed_in())
    }

    async fn sign_in(&self, _credential: Credential, _origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        Err(Fault::not_signed_in())
    }

    async fn turned_away(&self, _origin: &Origin, reason: &'static str) {
        self.0.lock().push(reason);
    }
}

/// A server's side and its client's.
pub(crate) struct Fixture {
    pub(crate) context: Arc<Context>,
    pub(crate) accounts: Arc<Nobody>,
    roots: Arc<RootCertStore>,
}

impl Fixture {
    pub(crate) fn new(wire: Wire, tls12: bool, limits: Limits) -> Self {
        let (clock, rng) = (Arc::new(ManualClock::new(NOW_MS)), Arc::new(SeededRng::new(7)));
        let subjects: Vec<Subject> = ["localhost", "127.0.0.1"].map(|text| text.parse().unwrap()).into();
        // What a client checks is the time of its own clock, so the certificates are of a time that is now: from 1970 on.
        let of = ManualClock::new(i64::try_from(rustls::pki_types::UnixTime::now().as_secs()).unwrap() * 1_000);
        let authority = Authority::make(&subjects, &of, rng.as_ref()).unwrap();
        let server = authority.issue(&subjects, &of, rng.as_ref()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.issued().certificate.clone()).unwrap();
        let tls = Tls::new(vec![server.certificate.clone()], server.private_key(), http::protocols(wire), tls12).unwrap();
        let accounts = Arc::new(Nobody::default());
        let context = Context {
            accounts: Arc::clone(&accounts) as Arc<dyn Accounts>,
            limits: Arc::new(limits),
            tls: Arc::new(tls),
            drain: Drain::default(),
            clock,
            rng,
            public_url: None,
        };
        Self { context: Arc::new(context), accounts, roots: Arc::new(roots) }
    }

    /// A client that offers these protocols in these versions of TLS.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        protocols: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = builder.with_root_certificates(Arc::clone(&self.roots)).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }
}

/// Limits that are reached while a test waits for what they do.
pub(crate) fn short() -> Limits {
    let short = Duration::from_millis(300);
    Limits { sign_in: short, stalled: short, idle: short, drain: short, ..Limits::default() }
}

/// Limits that no test reaches.
pub(crate) fn long() -> Limits {
    let long = Duration::from_secs(600);
    Limits { sign_in: long, stalled: long, idle: long, drain: long, ..Limits::default() }
}

pub(crate) async fn listen(fixture: &Fixture, wire: Wire, handler: Arc<dyn crate::Handler>) -> Listener {
    Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), wire, Arc::clone(&fixture.context), handler).await.unwrap()
}
