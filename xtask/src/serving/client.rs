//! A client of the PostgreSQL protocol that trusts one authority, and takes no connection without TLS.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Error, Socket};
use tokio_rustls::TlsConnector;

/// The way to a server of this machine.
#[derive(Clone)]
pub struct Way {
    tls: Tls,
    port: u16,
}

/// Someone who is signed in.
pub struct Session {
    pub client: Client,
    connection: JoinHandle<Result<(), Error>>,
}

impl Way {
    /// To a port, where a certificate of this authority must be shown for `localhost`.
    pub fn new(authority: &Path, port: u16) -> Result<Self> {
        let certificate = CertificateDer::from_pem_file(authority).with_context(|| format!("read {}", authority.display()))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).context("trust the authority")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().context("choose TLS")?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: Tls(Arc::new(config)), port })
    }

    /// Signs in by SCRAM.
    pub async fn sign_in(&self, database: &str, name: &str, password: &str) -> Result<Session, Error> {
        let mut config = Config::new();
        config.host("localhost").hostaddr(IpAddr::V4(Ipv4Addr::LOCALHOST)).port(self.port).ssl_mode(SslMode::Require);
        config.dbname(database).user(name).password(password).application_name("xtask");
        let (client, connection) = config.connect(self.tls.clone()).await?;
        Ok(Session { client, connection: tokio::spawn(connection) })
    }

    /// Asks that what a session waits for be stopped.
    pub async fn stop(&self, session: &Session) -> Result<(), Error> {
        session.client.cancel_token().cancel_query(self.tls.clone()).await
    }
}

impl Session {
    /// Says good-bye, and waits until the connection is closed.
    pub async fn sign_out(self) -> Result<()> {
        drop(self.client);
        self.connection.await.context("close a connection")?.context("close a connection")
    }
}

/// Makes TLS of a socket.
#[derive(Clone)]
struct Tls(Arc<ClientConfig>);

/// The same, for a host.
struct TlsOf(Arc<ClientConfig>, ServerName<'static>);

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = TlsOf;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<TlsOf, Self::Error> {
        Ok(TlsOf(Arc::clone(&self.0), ServerName::try_from(host)?.to_owned()))
    }
}

impl TlsConnect<Socket> for TlsOf {
    type Stream = Encrypted;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Encrypted>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move { Ok(Encrypted(TlsConnector::from(self.0).connect(self.1, stream).await?)) })
    }
}

/// An encrypted connection.
struct Encrypted(tokio_rustls::client::TlsStream<Socket>);

impl TlsStream for Encrypted {
    /// The certificate is verified, which is all that is asked of this client.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(self: Pin<&mut Self>, task: &mut Task<'_>, out: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(task, out)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(task, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(task)
    }
}
