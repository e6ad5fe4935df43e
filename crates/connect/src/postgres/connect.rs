//! A connection to a server: over TLS that is verified, or on this machine itself in plain where the source says so. A server that does
//! not speak TLS is refused; there is no second try without.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use polder_types::ErrorKind;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, NoTls, TlsConnect, TlsStream};
use tokio_postgres::{Config, Connection, Socket};
use tokio_rustls::TlsConnector;

use super::client::Client;
use super::fault::fault;
use super::tap::{Tap, Tapped};
use super::url::{Place, Target};
use crate::database::{Access, address, tls};
use crate::error::Error;

const STEP: &str = "connect to the server";
/// How often a silent connection is tried, and how often in vain before it is given up: about a minute and a half.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 6);
/// The oldest version that is read.
const MAJOR_MIN: u32 = 12;

/// A server that connections are opened to.
#[derive(Debug)]
pub(super) struct Server<'a> {
    pub access: &'a Access,
    /// For error texts.
    host: String,
    port: u16,
    config: Config,
    route: Route,
}

#[derive(Debug)]
enum Route {
    Tls(Arc<ClientConfig>),
    /// Addresses of this machine.
    Plain(Vec<SocketAddr>),
    Socket(PathBuf),
}

/// An open connection. It ends when this is dropped, whatever it is at.
pub(super) struct Session {
    pub client: Client,
    pub tapped: Arc<Tapped>,
    /// The server's version: 15 of 15.4.
    pub major: u32,
    task: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What drives connections on the thread that asks for it.
pub(super) fn runtime() -> Result<Runtime, Error> {
    Builder::new_current_thread().enable_all().build().map_err(|_| Error::Internal { step: "start what drives a connection" })
}

impl<'a> Server<'a> {
    /// Finds the server: reads the URL, resolves the host, and reads the authorities.
    ///
    /// # Errors
    /// When one of these is not as it must be.
    pub(super) fn find(access: &'a Access) -> Result<Self, Error> {
        let Target { host, port, mut config } = Target::read(access)?;
        let (host, route) = match host {
            Place::Socket(directory) => (directory.display().to_string(), Route::Socket(directory)),
            Place::Name(host) if access.plain_loopback => {
                let addresses = address::resolve(access, &host, port)?;
                (host, Route::Plain(addresses))
            }
            Place::Name(host) => {
                let addresses = address::resolve(access, &host, port)?;
                let authorities = tls::client_config(access)?;
                config = of_addresses(&config, &host, &addresses);
                (host, Route::Tls(authorities))
            }
        };
        Ok(Self { access, host, port, config, route })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When the server cannot be reached, is not the one that it should be, or does not let this account in.
    pub(super) async fn connect(&self) -> Result<Session, Error> {
        let tapped = Arc::new(Tapped::default());
        let most = self.config.get_connect_timeout().copied().unwrap_or(KEEPALIVE.0);
        // The way through TLS and the password takes some answers more than the first.
        let opened = tokio::time::timeout(most.saturating_mul(3).min(self.access.timeout), self.open(tapped.clone()));
        let (client, task, version) = opened.await.map_err(|_| {
            let problem = format!("{}:{} does not answer in time", self.host, self.port);
            self.access.fails(STEP, problem, "check the host, the port and what lies between", ErrorKind::Unavailable)
        })??;
        let client = Client::new(client, self.access.timeout);
        let session = Session { client, tapped, major: major(&version), task };
        match session.major {
            major if major < MAJOR_MIN => Err(self.access.fails(
                STEP,
                format!("{} is no server of PostgreSQL {MAJOR_MIN} or newer", self.host),
                "read it through another one, or an ADBC driver of its own",
                ErrorKind::Invalid,
            )),
            _ => Ok(session),
        }
    }

    async fn open(&self, tapped: Arc<Tapped>) -> Result<(tokio_postgres::Client, JoinHandle<()>, String), Error> {
        match &self.route {
            Route::Tls(config) => {
                let tls = Tls { config: config.clone(), tapped };
                self.opened(self.config.connect(tls).await)
            }
            Route::Plain(addresses) => {
                let stream = TcpStream::connect(addresses.as_slice()).await.map_err(|error| self.unreachable(&error))?;
                stream.set_nodelay(true).map_err(|error| self.unreachable(&error))?;
                self.opened(self.plain().connect_raw(Tap::new(stream, tapped), NoTls).await)
            }
            Route::Socket(directory) => {
                let path = directory.join(format!(".s.PGSQL.{}", self.port));
                let stream = UnixStream::connect(path).await.map_err(|error| self.unreachable(&error))?;
                self.opened(self.plain().connect_raw(Tap::new(stream, tapped), NoTls).await)
            }
        }
    }

    fn plain(&self) -> Config {
        let mut config = self.config.clone();
        config.ssl_mode(SslMode::Disable);
        config
    }

    fn opened<S, T>(
        &self,
        opened: Result<(tokio_postgres::Client, Connection<S, T>), tokio_postgres::Error>,
    ) -> Result<(tokio_postgres::Client, JoinHandle<()>, String), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (client, connection) = opened.map_err(|error| self.refused(&error))?;
        let version = connection.parameter("server_version").unwrap_or_default().to_owned();
        // What goes wrong on it, the client says.
        let task = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok((client, task, version))
    }

    fn refused(&self, error: &tokio_postgres::Error) -> Error {
        if let Some(refusal) = tls::refusal(self.access, &self.host, error) {
            return refusal;
        }
        let cause = std::error::Error::source(error);
        match (error.to_string().as_str(), cause.map(ToString::to_string).as_deref()) {
            (_, Some("server does not support TLS")) => self.access.fails(
                "verify the server",
                format!("{} says that it does not speak TLS, or something between does", self.host),
                "switch `ssl` on at the server; no connection is made without TLS",
                ErrorKind::Denied,
            ),
            ("error connecting to server", _) => {
                let cause = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
                cause.map_or_else(|| self.unreachable(&std::io::ErrorKind::Other.into()), |cause| self.unreachable(cause))
            }
            ("invalid configuration", _) => self.access.fails(
                STEP,
                format!("{} asks for a password, and there is none", self.host),
                "write `password` in the source, as a reference",
                ErrorKind::Denied,
            ),
            ("authentication error", _) => self.access.fails(
                STEP,
                format!(
                    "{} and this program know no common way to prove who they are, or it did not prove that it knows the password",
                    self.host
                ),
                "let the account log in by scram-sha-256, and check who answers there",
                ErrorKind::Denied,
            ),
            _ => fault(self.access, STEP, error),
        }
    }

    fn unreachable(&self, error: &std::io::Error) -> Error {
        let problem = format!("{}:{} cannot be reached ({})", self.host, self.port, error.kind());
        let advice = "check that the server runs and listens there, and what lies between";
        self.access.fails(STEP, problem, advice, ErrorKind::Unavailable)
    }
}

/// The same, of these addresses: each is tried, and each must be the host by its certificate.
fn of_addresses(config: &Config, host: &str, addresses: &[SocketAddr]) -> Config {
    // Host and port of the URL stand in the configuration, so it is written anew.
    let mut new = Config::new();
    config.get_user().map(|user| new.user(user));
    config.get_password().map(|password| new.password(password));
    config.get_dbname().map(|name| new.dbname(name));
    config.get_options().map(|options| new.options(options));
    config.get_application_name().map(|name| new.application_name(name));
    config.get_connect_timeout().map(|most| new.connect_timeout(*most));
    new.channel_binding(config.get_channel_binding()).ssl_mode(SslMode::Require);
    let (idle, interval, retries) = KEEPALIVE;
    new.keepalives(true).keepalives_idle(idle).keepalives_interval(interval).keepalives_retries(retries);
    for address in addresses {
        new.host(host).hostaddr(address.ip()).port(address.port());
    }
    new
}

/// The first number of a version: 15 of `15.4 (Debian)`, 18 of `18beta1`; 0 where there is none.
fn major(version: &str) -> u32 {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Makes TLS of a socket, and taps it.
struct Tls {
    config: Arc<ClientConfig>,
    tapped: Arc<Tapped>,
}

/// The same, for a host.
struct TlsOf {
    config: Arc<ClientConfig>,
    tapped: Arc<Tapped>,
    host: ServerName<'static>,
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = TlsOf;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<TlsOf, Self::Error> {
        let host = ServerName::try_from(host)?.to_owned();
        Ok(TlsOf { config: self.config.clone(), tapped: self.tapped.clone(), host })
    }
}

impl TlsConnect<Socket> for TlsOf {
    type Stream = Encrypted;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted, std::io::Error>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move {
            let stream = TlsConnector::from(self.config).connect(self.host, stream).await?;
            Ok(Encrypted(Tap::new(stream, self.tapped)))
        })
    }
}

/// An encrypted connection.
struct Encrypted(Tap<tokio_rustls::client::TlsStream<Socket>>);

impl TlsStream for Encrypted {
    /// Ties the password's proof to this very certificate: whoever passes the talk on to the server cannot pass on the proof.
    fn channel_binding(&self) -> ChannelBinding {
        let (_, connection) = self.0.stream().get_ref();
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        match certificate.and_then(|certificate| super::binding::end_point(certificate)) {
            Some(hash) => ChannelBinding::tls_server_end_point(hash),
            None => ChannelBinding::none(),
        }
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, out)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
