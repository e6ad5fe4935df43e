//! A connection to a server: its URL, the way to it, TLS, and what the session is set to.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use polder_types::printable::printable;
use polder_types::{ErrorKind, Secret};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use url::{Host, Url};

use super::fault::Fault;
use super::login::{self, Login, NoWay};
use super::session::Session;
use super::wire::Link;
use crate::database::{Access, address, tls};
use crate::error::{Error, suggest};

const PORT: u16 = 3306;
/// How long an address may take to answer, and each step of the login.
const CONNECT_SECONDS: u64 = 10;
const LOGIN_SECONDS: u64 = 30;
/// After so long without a word the other end is asked whether it is still there. Queries may take long before their first row.
const KEEPALIVE_SECONDS: u64 = 60;
const STEP: &str = "connect to the database";
const STEP_URL: &str = "read the URL";
/// What else the URL may say.
const KEYS: [&str; 2] = ["socket", "ssl-mode"];

/// What the session is set to, whatever the server's defaults and `init_connect` are: what is read must not hang on them.
const SETTINGS: [&str; 5] = [
    "SET NAMES utf8mb4",
    "SET SESSION autocommit = 1, time_zone = '+00:00', sql_mode = '', sql_select_limit = 18446744073709551615",
    // Values of GROUP_CONCAT are cut at this length without a word; the server gives up on a reader that pauses for longer than this.
    "SET SESSION group_concat_max_len = 16777216, sql_big_selects = 1, net_write_timeout = 86400, lock_wait_timeout = 300",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION TRANSACTION READ ONLY",
];
/// The same of which each server knows some.
const SETTINGS_MYSQL: [&str; 1] = ["SET SESSION max_execution_time = 0"];
const SETTINGS_MARIADB: [&str; 3] = [
    "SET SESSION max_statement_time = 0",
    "SET SESSION idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0",
    "SET SESSION query_cache_type = OFF",
];
/// Errors of a server that does not know a setting, or was built or started without it.
const NO_SUCH_SETTING: [u16; 3] = [1193, 1231, 1651];

/// A connection that is ready to read.
pub(super) struct Connected {
    pub session: Session<Channel>,
    pub mariadb: bool,
    /// The database of the URL.
    pub database: Option<String>,
    pub source: String,
    pub hangup: Hangup,
}

impl Connected {
    /// An error at a step.
    pub(super) fn told(&self, step: &str) -> impl Fn(Fault) -> Error + use<> {
        let (source, step) = (self.source.clone(), step.to_owned());
        move |fault| fault.told(&source, &step)
    }
}

/// What packets go over.
pub(super) enum Channel {
    Tls(Box<StreamOwned<ClientConnection, Wide>>),
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Channel {
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tls(stream) => stream.read(into),
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tls(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush(),
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
        }
    }
}

/// A stream of which much is read at once: TLS asks for a few thousand bytes at a time.
pub(super) struct Wide(BufReader<TcpStream>);

impl Read for Wide {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Wide {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}

/// Ends a connection from beside it: whoever waits for the server waits no longer.
pub(super) enum Hangup {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Hangup {
    pub(super) fn now(&self) {
        // One that is down already is what was wanted.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

/// What a URL says.
struct Target {
    host: String,
    port: u16,
    socket: Option<PathBuf>,
    user: String,
    password: Option<Secret<String>>,
    database: Option<String>,
}

/// Connects, and sets the session up.
pub(super) fn connect(access: &Access) -> Result<Connected, Error> {
    let Some(url) = &access.url else { return Err(Error::Internal { step: "connect to a database without its URL" }) };
    let target = parse(url.expose_secret()).map_err(|wrong| access.fails(STEP_URL, wrong.problem, wrong.advice, ErrorKind::Invalid))?;
    let broken = |fault: Fault| fault.told(&access.source, STEP);
    let config = if access.plain_loopback { None } else { Some(tls::client_config(access)?) };
    let patience = Duration::from_secs(LOGIN_SECONDS).min(access.timeout);
    let (mut link, hangup, host) = match &target.socket {
        Some(path) => {
            if !access.plain_loopback {
                let advice = "set `plain_loopback: true`, which allows this machine's own sockets, or name the host instead";
                return Err(access.fails(STEP, "a socket has no TLS", advice, ErrorKind::Invalid));
            }
            let stream = UnixStream::connect(path).map_err(|error| broken(error.into()))?;
            let hangup = Hangup::Unix(stream.try_clone().map_err(|error| broken(error.into()))?);
            stream.set_read_timeout(Some(patience)).map_err(|error| broken(error.into()))?;
            (Link::new(Channel::Unix(stream), 0), hangup, "localhost".to_owned())
        }
        None => {
            let stream = reach(access, &target)?;
            let hangup = Hangup::Tcp(stream.try_clone().map_err(|error| broken(error.into()))?);
            (Link::new(Channel::Tcp(stream), 0), hangup, target.host.clone())
        }
    };
    let no_way = |why: NoWay| no_way(access, &host, why);
    let greeting = login::greeting(&mut link).map_err(|fault| no_way(fault.into()))?;
    if let Some(config) = &config {
        login::ask_tls(&mut link, &greeting, target.database.is_some()).map_err(no_way)?;
        link = secure(access, link, Arc::clone(config), &host)?;
    }
    let unix = target.socket.is_some();
    let login = Login {
        user: target.user,
        password: access
            .password
            .as_ref()
            .map(|password| Secret::new(password.expose_secret().clone()))
            .or(target.password)
            .unwrap_or_else(|| Secret::new(String::new())),
        database: target.database.clone(),
        private: config.is_some() || unix,
        tls: config.is_some(),
    };
    login::log_in(&mut link, &greeting, &login).map_err(no_way)?;
    wait_at_most(access.timeout, link.stream()).map_err(|error| broken(error.into()))?;
    let mariadb = greeting.version.contains("MariaDB");
    let mut session = Session::new(link);
    let told = |fault: Fault| fault.told(&access.source, "set the session up");
    for setting in SETTINGS {
        session.run(setting).map_err(told)?;
    }
    let more: &[&str] = if mariadb { &SETTINGS_MARIADB } else { &SETTINGS_MYSQL };
    for setting in more {
        match session.run(setting) {
            Err(fault) if !fault.is(&NO_SUCH_SETTING) => return Err(told(fault)),
            _ => {}
        }
    }
    Ok(Connected { session, mariadb, database: target.database, source: access.source.clone(), hangup })
}

/// A connection to the first address that answers.
fn reach(access: &Access, target: &Target) -> Result<TcpStream, Error> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let [connect, login] = [CONNECT_SECONDS, LOGIN_SECONDS].map(|seconds| Duration::from_secs(seconds).min(access.timeout));
    for address in address::resolve(access, &target.host, target.port)? {
        let stream = TcpStream::connect_timeout(&address, connect).and_then(|stream| {
            let kept = socket2::TcpKeepalive::new().with_time(Duration::from_secs(KEEPALIVE_SECONDS));
            socket2::SockRef::from(&stream).set_tcp_keepalive(&kept)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(login))?;
            stream.set_write_timeout(Some(login))?;
            Ok(stream)
        });
        match stream {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    let (host, port) = (printable(&target.host), target.port);
    Err(access.fails(
        STEP,
        format!("{host}, port {port}, does not answer ({})", last.kind()),
        "check the host and the port in its URL, and that the server runs and may be reached from here",
        ErrorKind::Unavailable,
    ))
}

/// The same link over TLS. The certificate is verified here, before a name or a password is sent.
fn secure(access: &Access, link: Link<Channel>, config: Arc<ClientConfig>, host: &str) -> Result<Link<Channel>, Error> {
    let broken = |fault: Fault| fault.told(&access.source, STEP);
    let (stream, sequence) = link.into_stream().map_err(broken)?;
    let Channel::Tcp(stream) = stream else { return Err(Error::Internal { step: "begin TLS over another stream than TCP" }) };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        let advice = "write a host name or an address into the URL";
        access.fails(STEP, format!("{} is no name that a certificate may hold", printable(host)), advice, ErrorKind::Invalid)
    })?;
    let refused = |error: &(dyn std::error::Error + 'static)| tls::refusal(access, host, error);
    let mut connection =
        ClientConnection::new(config, name).map_err(|error| refused(&error).unwrap_or(Error::Internal { step: "begin TLS" }))?;
    let mut stream = Wide(BufReader::with_capacity(128 << 10, stream));
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| refused(&error).unwrap_or_else(|| broken(error.into())))?;
    }
    Ok(Link::new(Channel::Tls(Box::new(StreamOwned::new(connection, stream))), sequence))
}

/// From here on a query may take its time, but not more than this without a word.
fn wait_at_most(most: Duration, channel: &Channel) -> io::Result<()> {
    match channel {
        Channel::Tls(stream) => stream.sock.0.get_ref().set_read_timeout(Some(most)),
        Channel::Tcp(stream) => stream.set_read_timeout(Some(most)),
        Channel::Unix(stream) => stream.set_read_timeout(Some(most)),
    }
}

fn no_way(access: &Access, host: &str, why: NoWay) -> Error {
    let host = printable(host);
    match why {
        NoWay::Fault(fault) => fault.told(&access.source, STEP),
        NoWay::WithoutTls => access.fails(
            STEP,
            format!("{host} does not offer TLS, and nothing is sent without it"),
            "give the server a certificate (ssl_cert, ssl_key); to this machine alone `plain_loopback: true` allows a connection without",
            ErrorKind::Denied,
        ),
        NoWay::Method(method) => access.fails(
            STEP,
            format!("the server wants the method {} to log in, which is not known here", printable(&method)),
            "let the account use caching_sha2_password or mysql_native_password",
            ErrorKind::Invalid,
        ),
    }
}

/// What is wrong with a URL. Nothing of it is repeated but the names of its keys: it may hold the password.
#[derive(Debug)]
struct WrongUrl {
    problem: String,
    advice: String,
}

fn wrong<T>(problem: impl Into<String>, advice: impl Into<String>) -> Result<T, WrongUrl> {
    Err(WrongUrl { problem: problem.into(), advice: advice.into() })
}

fn parse(text: &str) -> Result<Target, WrongUrl> {
    let advice = "write mysql://USER:PASSWORD@HOST:3306/DATABASE, with % and two hexadecimal digits for signs that have a meaning in URLs";
    let Ok(url) = Url::parse(text.trim()) else { return wrong("it is no URL", advice) };
    if !matches!(url.scheme(), "mysql" | "mariadb") {
        return wrong("it does not begin with mysql:// or mariadb://", advice);
    }
    let mut socket = None;
    for (key, value) in url.query_pairs() {
        match &*key {
            "socket" if value.starts_with('/') => socket = Some(PathBuf::from(&*value)),
            "socket" => return wrong("its `socket` is no absolute path", "write the path of the server's socket"),
            "ssl-mode" if value.eq_ignore_ascii_case("VERIFY_IDENTITY") => {}
            "ssl-mode" => {
                return wrong(
                    "its `ssl-mode` would not be kept: the server's certificate and name are always verified",
                    "remove it, or write VERIFY_IDENTITY; name the authority as `ca` in the source",
                );
            }
            other => return wrong(format!("its key `{}` has no meaning here", printable(other)), suggest(other, KEYS.into_iter())),
        }
    }
    if url.fragment().is_some() {
        return wrong("it has a fragment (#)", advice);
    }
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => decoded(name),
        Some(Host::Ipv4(address)) => Some(address.to_string()),
        Some(Host::Ipv6(address)) => Some(address.to_string()),
        _ if socket.is_some() => Some(String::new()),
        _ => return wrong("it names no host", advice),
    };
    let path = url.path().strip_prefix('/').unwrap_or_default();
    if path.contains('/') {
        return wrong("it names more than a database behind the host", advice);
    }
    let password = url.password().map(decoded);
    match (host, decoded(url.username()), password, decoded(path)) {
        (Some(host), Some(user), password @ (None | Some(Some(_))), Some(database)) => Ok(Target {
            host,
            port: url.port().unwrap_or(PORT),
            socket,
            user,
            password: password.flatten().map(Secret::new),
            database: Some(database).filter(|name| !name.is_empty()),
        }),
        _ => wrong("a part of it is not UTF-8, or holds a zero byte", advice),
    }
}

/// A part of a URL without its escapes; none where it is no text that a server takes.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        match escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let target = parse("mysql://an%40a:p%25w%2Fx@db.example.org/shop\n").unwrap_or_else(|wrong| panic!("{}", wrong.problem));
        assert_eq!((target.host.as_str(), target.port, target.user.as_str()), ("db.example.org", 3306, "an@a"));
        assert_eq!(target.password.unwrap().expose_secret(), "p%w/x");
        assert_eq!((target.database.as_deref(), target.socket), (Some("shop"), None));
        let target = parse("mariadb://ana@[::1]:3307?ssl-mode=verify_identity").unwrap_or_else(|wrong| panic!("{}", wrong.problem));
        assert_eq!((target.host.as_str(), target.port, target.password.is_none(), target.database), ("::1", 3307, true, None));
        let target = parse("mysql://ana@localhost/shop?socket=/run/m%20y/s.sock").unwrap_or_else(|wrong| panic!("{}", wrong.problem));
        assert_eq!(target.socket.unwrap().to_str(), Some("/run/m y/s.sock"));
        let target = parse("mysql://ana@127.0.0.1/%E9%83%A8%E5%B1%8B").unwrap_or_else(|wrong| panic!("{}", wrong.problem));
        assert_eq!((target.host.as_str(), target.database.as_deref()), ("127.0.0.1", Some("部屋")));
    }

    #[test]
    fn what_would_be_ignored_is_refused_and_nothing_is_repeated() {
        for (url, problem) in [
            ("mysql://ana:secret@h/d?ssl-mode=DISABLED", "its `ssl-mode` would not be kept"),
            ("mysql://ana:secret@h/d?ssl-mode=REQUIRED", "its `ssl-mode` would not be kept"),
            ("mysql://ana:secret@h/d?sslmode=disable", "its key `sslmode` has no meaning here"),
            ("mysql://ana:secret@h/d?allowLoadLocalInfile=true", "its key `allowLoadLocalInfile` has no meaning here"),
            ("mysql://ana:secret@h/d?socket=s.sock", "its `socket` is no absolute path"),
            ("mysql://ana:secret@h/d/e", "it names more than a database"),
            ("mysql://ana:secret@h/d#secret", "it has a fragment"),
            ("mysql://ana:secret@h:99999/d", "it is no URL"),
            ("mysql:///secret", "it names no host"),
            ("mysql://ana:secret%00@h/d", "a part of it is not UTF-8"),
            ("mysql://ana:secret%ff@h/d", "a part of it is not UTF-8"),
            ("postgres://ana:secret@h/d", "it does not begin with mysql://"),
            ("secret", "it is no URL"),
        ] {
            let Err(wrong) = parse(url) else { panic!("{url}") };
            assert!(wrong.problem.starts_with(problem), "{url}: {}", wrong.problem);
            assert!(!format!("{wrong:?}").contains("secret"), "{wrong:?}");
        }
    }
}
