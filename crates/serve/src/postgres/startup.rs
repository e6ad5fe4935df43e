//! The beginning of a connection: TLS, who asks, and the proof of it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey};
use polder_types::{ErrorKind, Rng, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::context::Context;
use crate::fault::Fault;
use crate::ports::{Credential, Origin, Session};
use crate::postgres::cancel::{Registered, Registry};
use crate::postgres::error::{self, Stop, put, violation};
use crate::postgres::line::{Reader, Writer};
use crate::postgres::message::{self, First, Message, STARTUP_BYTES, Startup};
use crate::postgres::scram;
use crate::tls;

/// The name under which one signs in with a token, which says whose it is.
const TOKEN_USER: &str = "token";
/// ALPN of the protocol.
const ALPN: &[u8] = b"postgresql";
/// The version of PostgreSQL whose protocol and types are spoken.
const SERVER_VERSION: &str = concat!("15.0 (Polder ", env!("CARGO_PKG_VERSION"), ")");

/// A connection of someone who is signed in.
pub struct Signed {
    pub session: Arc<dyn Session>,
    pub reader: Reader,
    pub writer: Writer,
    pub registered: Registered,
    /// What the client wants set from the beginning, as names and values.
    pub settings: Vec<(String, String)>,
}

/// Why nobody was signed in, as a word for records.
pub struct Turned {
    /// The word; none where `Accounts` recorded it, or there is nothing to record.
    pub reason: Option<&'static str>,
}

const GONE: Turned = Turned { reason: None };

/// Takes a connection from its first byte until someone is signed in; none where it only wanted to stop another's statement.
///
/// # Errors
/// When it is turned away. What there is to say was said.
pub async fn begin(mut stream: TcpStream, context: &Context, registry: &Registry, origin: &mut Origin) -> Result<Option<Signed>, Turned> {
    let (acceptor, end_point) = context.tls.acceptor();
    let direct = match in_clear(&mut stream, registry).await? {
        Opening::Done => return Ok(None),
        Opening::Tls { direct } => direct,
    };
    let stream = acceptor.accept(stream).await.map_err(|error| Turned { reason: Some(tls::word(&error, "tls")) })?;
    origin.certificate = context.tls.presented(stream.get_ref().1);
    // Without the handshake's word for it, direct TLS may be meant for another protocol, whose words someone has led here.
    let spoken = stream.get_ref().1.alpn_protocol() == Some(ALPN);
    let (read, write): (ReadHalf<TlsStream<TcpStream>>, WriteHalf<TlsStream<TcpStream>>) = tokio::io::split(stream);
    let mut reader = Reader::new(Box::new(read));
    let mut writer = Writer::new(Box::new(write), context.limits.stalled);
    if direct && !spoken {
        return Err(turn(&mut writer, violation("begin: TLS without SSLRequest needs the application protocol postgresql"), "alpn").await);
    }
    let first = async {
        let length = message::first_length(reader.exactly(4).await?.as_ref().try_into().unwrap_or_default())?;
        message::first(&reader.exactly(length).await?)
    };
    let startup = match first.await {
        Ok(First::Startup(startup)) => startup,
        Ok(First::Cancel { number, key }) => {
            registry.cancel(number, &key);
            // It waits for the end, and one that is not said could be anyone's.
            writer.close(None).await;
            return Ok(None);
        }
        Ok(First::Ssl | First::Gss) => {
            return Err(turn(&mut writer, violation("begin: the connection is encrypted already"), "startup").await);
        }
        Err(stop) => return Err(turn(&mut writer, stop, "startup").await),
    };
    let minor = match negotiate(&startup, &mut writer) {
        Ok(minor) => minor,
        Err(stop) => return Err(turn(&mut writer, stop, "startup").await),
    };
    let settings = match settings(&startup) {
        Ok(settings) => settings,
        Err(fault) => return Err(turn(&mut writer, Stop::Fatal(fault), "startup").await),
    };
    origin.client = startup.get("application_name").map(|name| cut(name, 128).to_owned()).filter(|name| !name.is_empty());
    let user = startup.get("user").unwrap_or_default();
    let mut door = Door { context, origin, reader: &mut reader, writer: &mut writer };
    let signed = match user {
        TOKEN_USER => door.token().await,
        name if door.origin.certificate.is_some() => door.certificate(name).await,
        name => door.scram(name, &end_point).await,
    };
    let session = match signed {
        Ok(session) => session,
        Err((stop, reason)) => {
            turn(&mut writer, stop, "").await;
            return Err(Turned { reason });
        }
    };
    // From here on nothing waits until the connection is handed on: a session must not be lost on the way.
    let registered = match registry.register(context.rng.as_ref(), if minor >= 2 { 32 } else { 4 }) {
        Ok(registered) => registered,
        Err(fault) => {
            session.close().await;
            return Err(turn(&mut writer, Stop::Fatal(fault), "").await);
        }
    };
    greet(&mut writer.buffer, &startup, session.as_ref(), &registered);
    Ok(Some(Signed { session, reader, writer, registered, settings }))
}

enum Opening {
    Done,
    Tls { direct: bool },
}

/// What may be said in the clear: that one wants TLS, or that a statement be stopped.
async fn in_clear(stream: &mut TcpStream, registry: &Registry) -> Result<Opening, Turned> {
    let mut first = [0];
    if !matches!(stream.peek(&mut first).await, Ok(1)) {
        return Err(GONE);
    }
    // A TLS handshake begins with this byte; a length of at most 10,000 does not.
    if first == [0x16] {
        return Ok(Opening::Tls { direct: true });
    }
    let mut gss_asked = false;
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.map_err(|_| GONE)?;
        let body = match message::first_length(length) {
            Ok(length) => {
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await.map_err(|_| GONE)?;
                message::first(&body)
            }
            Err(stop) => Err(stop),
        };
        match body {
            Ok(First::Cancel { number, key }) => {
                registry.cancel(number, &key);
                return Ok(Opening::Done);
            }
            Ok(asked @ (First::Ssl | First::Gss)) => {
                // What came with it came in the clear, from anyone: it must not be taken for what the encrypted side says.
                if stream.peek(&mut first).now_or_never().is_some_and(|peeked| peeked.is_ok_and(|count| count > 0)) {
                    let stop =
                        violation("begin: something was sent in the clear after the request for encryption; wait for the answer to it");
                    return Err(turn_in_clear(stream, &stop, "injected").await);
                }
                if asked == First::Ssl {
                    stream.write_all(b"S").await.map_err(|_| GONE)?;
                    return Ok(Opening::Tls { direct: false });
                }
                if gss_asked {
                    return Err(turn_in_clear(stream, &violation("begin: encryption by GSSAPI was refused already"), "startup").await);
                }
                gss_asked = true;
                stream.write_all(b"N").await.map_err(|_| GONE)?;
            }
            Ok(First::Startup(_)) => {
                let fault = Fault::new(ErrorKind::Denied, "this server speaks TLS alone; use sslmode=verify-full").with_sqlstate("28000");
                return Err(turn_in_clear(stream, &Stop::Fatal(fault), "clear").await);
            }
            Err(stop) => return Err(turn_in_clear(stream, &stop, "startup").await),
        }
    }
}

async fn turn_in_clear(stream: &mut TcpStream, stop: &Stop, reason: &'static str) -> Turned {
    if let Stop::Fatal(fault) | Stop::Failed(fault) = stop {
        let mut out = BytesMut::new();
        error::error(&mut out, fault, true, 0);
        // Whatever it sent beside is taken off, so that closing does not take the error back.
        let mut rest = [0; 4_096];
        let _ = stream.try_read(&mut rest);
        let _ = stream.write_all(&out).await;
        let _ = stream.shutdown().await;
    }
    Turned { reason: Some(reason) }
}

/// Says why, and closes.
async fn turn(writer: &mut Writer, stop: Stop, reason: &'static str) -> Turned {
    match stop {
        Stop::Fatal(fault) | Stop::Failed(fault) => writer.close(Some(&fault)).await,
        Stop::Gone => writer.close(None).await,
    }
    Turned { reason: Some(reason).filter(|reason| !reason.is_empty()) }
}

/// The minor version that is spoken: 0 or 2.
fn negotiate(startup: &Startup, writer: &mut Writer) -> Result<u16, Stop> {
    if startup.major != 3 {
        let message = format!("begin: version {}.{} of the protocol is not spoken; use 3.0 or 3.2", startup.major, startup.minor);
        return Err(Stop::Fatal(error::unsupported(message)));
    }
    let unknown: Vec<String> = startup.parameters.iter().map(|(name, _)| name).filter(|name| name.starts_with("_pq_.")).cloned().collect();
    let spoken = startup.minor.min(2);
    if startup.minor > 2 || !unknown.is_empty() {
        put(&mut writer.buffer, &NegotiateProtocolVersion::new((3 << 16) | i32::from(spoken), unknown));
    }
    Ok(spoken)
}

/// What is to be set from the beginning. Names that are not Polder's or the statement's are for output, of which there is one form.
fn settings(startup: &Startup) -> Result<Vec<(String, String)>, Fault> {
    let invalid = |message: &str| Fault::new(ErrorKind::Invalid, message).with_sqlstate("22023");
    if startup.get("user").is_none_or(str::is_empty) {
        return Err(Fault::new(ErrorKind::Denied, "sign in: the startup packet names no user; name one").with_sqlstate("28000"));
    }
    if startup.get("replication").is_some_and(|value| !matches!(value, "" | "false" | "off" | "no" | "0")) {
        return Err(error::unsupported("begin: there is no replication; connect without it"));
    }
    let mut given: Vec<(String, String)> = Vec::new();
    for (name, value) in &startup.parameters {
        if name == "options" {
            given.extend(options(value).ok_or_else(|| invalid("begin: the startup options are not of the form -c name=value"))?);
        } else {
            given.push((name.to_ascii_lowercase(), value.clone()));
        }
    }
    for (name, value) in &given {
        if name == "client_encoding" && encoding(value).is_none() {
            return Err(invalid("begin: that client_encoding is not spoken; use UTF8"));
        }
    }
    given.retain(|(name, _)| {
        name.starts_with("polder.") || matches!(name.as_str(), "statement_timeout" | "search_path" | "application_name")
    });
    Ok(given)
}

/// The name of an encoding that is spoken.
pub fn encoding(value: &str) -> Option<&'static str> {
    let letters: String = value.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    match letters.as_str() {
        "UTF8" | "UNICODE" | "" => Some("UTF8"),
        "SQLASCII" => Some("SQL_ASCII"),
        _ => None,
    }
}

/// `-c name=value` and `--name=value`, with spaces in values after a backslash.
fn options(text: &str) -> Option<Vec<(String, String)>> {
    let mut words: Vec<String> = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => words.last_mut()?.push(chars.next()?),
            c if c.is_ascii_whitespace() => words.push(String::new()),
            c => words.last_mut()?.push(c),
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut given = Vec::new();
    while let Some(word) = words.next() {
        let setting =
            if word == "-c" { words.next()? } else { word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).map(str::to_owned)? };
        let (name, value) = setting.split_once('=')?;
        given.push((name.replace('-', "_").to_ascii_lowercase(), value.to_owned()));
    }
    Some(given)
}

/// The beginning of a text, at most so many bytes of it.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or("")
}

/// Where one signs in.
struct Door<'a> {
    context: &'a Context,
    origin: &'a Origin,
    reader: &'a mut Reader,
    writer: &'a mut Writer,
}

/// An error and, where `Accounts` did not record it, a word for the record.
type Refused = (Stop, Option<&'static str>);

impl Door<'_> {
    /// Says what is wanted, and takes the answer.
    async fn answer(&mut self, asked: Authentication) -> Result<Bytes, Refused> {
        put(&mut self.writer.buffer, &asked);
        self.writer.flush().await.map_err(|stop| (stop, None))?;
        match self.reader.next(STARTUP_BYTES).await {
            Ok(Message::Password(body)) => Ok(body),
            Ok(Message::Terminate) | Err(Stop::Gone) => Err((Stop::Gone, None)),
            Ok(_) => Err((violation("sign in: the answer to what was asked is awaited, and nothing else"), Some("sign_in_message"))),
            Err(stop) => Err((stop, Some("sign_in_message"))),
        }
    }

    async fn token(&mut self) -> Result<Arc<dyn Session>, Refused> {
        let body = self.answer(Authentication::CleartextPassword).await?;
        let token = message::password(body).ok_or_else(|| (violation("sign in: the token is not well-formed"), Some("sign_in_message")))?;
        let credential = Credential::Token(Secret::new(token));
        let session = self.context.accounts.sign_in(credential, self.origin).await.map_err(|fault| (Stop::Fatal(fault), None))?;
        put(&mut self.writer.buffer, &Authentication::Ok);
        Ok(session)
    }

    /// By the certificate of the connection, which must be of the account that was named: nothing more is asked.
    async fn certificate(&mut self, user: &str) -> Result<Arc<dyn Session>, Refused> {
        let credential = Credential::Certificate { name: Some(user.to_owned()) };
        let session = self.context.accounts.sign_in(credential, self.origin).await.map_err(|fault| (Stop::Fatal(fault), None))?;
        put(&mut self.writer.buffer, &Authentication::Ok);
        Ok(session)
    }

    async fn scram(&mut self, user: &str, end_point: &[u8]) -> Result<Arc<dyn Session>, Refused> {
        let broken = |broken: scram::Broken| {
            let message = match broken {
                scram::Broken::Message => "sign in: a SCRAM message is not well-formed",
                scram::Broken::Downgrade => {
                    "sign in: the client was made to believe that this server cannot bind channels; something between them changes what is sent"
                }
                scram::Broken::Channel => "sign in: the proof is bound to another connection; something between client and server ends TLS",
            };
            let code = if broken == scram::Broken::Message { "08P01" } else { "28000" };
            (Stop::Fatal(Fault::new(ErrorKind::Denied, message).with_sqlstate(code)), Some(broken.word()))
        };
        // What cannot be prepared is no account's name, and is refused like one.
        let name = stringprep::saslprep(user).map_or_else(|_| user.to_owned(), std::borrow::Cow::into_owned);
        // Certificates that are signed without a hash of their own have none to bind to.
        let binds = !end_point.is_empty();
        let offered = [scram::PLUS, scram::PLAIN].into_iter().filter(|mechanism| binds || *mechanism != scram::PLUS);
        let body = self.answer(Authentication::SASL(offered.map(str::to_owned).collect())).await?;
        let (mechanism, data) = message::sasl_initial(body).ok_or_else(|| broken(scram::Broken::Message))?;
        let first = scram::client_first(&mechanism, &data, binds).map_err(broken)?;
        let challenge = self.context.accounts.challenge(&name, self.origin).await.map_err(|fault| (Stop::Fatal(fault), None))?;
        let random = random(self.context.rng.as_ref()).map_err(|fault| (Stop::Fatal(fault), None))?;
        let exchange = scram::Exchange::new(first, &random, &challenge);
        let data = self.answer(Authentication::SASLContinue(exchange.server_first.clone().into())).await?;
        let proof = exchange.client_final(&data, end_point, &name).map_err(broken)?;
        let proved = self.context.accounts.prove(proof, self.origin).await.map_err(|fault| (Stop::Fatal(fault), None))?;
        put(&mut self.writer.buffer, &Authentication::SASLFinal(scram::server_final(&proved.server_signature).into()));
        put(&mut self.writer.buffer, &Authentication::Ok);
        Ok(proved.session)
    }
}

fn random(rng: &dyn Rng) -> Result<[u8; 24], Fault> {
    let mut random = [0; 24];
    rng.fill(&mut random).map_err(|_| Fault::new(ErrorKind::Internal, "make a nonce: the system gives no randomness; try again later"))?;
    Ok(random)
}

/// What a client is told of the server before its first question.
fn greet(out: &mut BytesMut, startup: &Startup, session: &dyn Session, registered: &Registered) {
    let encoding = startup.get("client_encoding").and_then(encoding).unwrap_or("UTF8");
    let application = cut(startup.get("application_name").unwrap_or_default(), 128);
    for (name, value) in [
        ("server_version", SERVER_VERSION),
        ("server_encoding", "UTF8"),
        ("client_encoding", encoding),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("is_superuser", "off"),
        ("session_authorization", session.name()),
        ("application_name", application),
        ("default_transaction_read_only", "on"),
        ("in_hot_standby", "off"),
    ] {
        put(out, &ParameterStatus::new(name.to_owned(), value.to_owned()));
    }
    put(out, &BackendKeyData::new(registered.number, SecretKey::Bytes(registered.key.clone().into())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn startup_options_are_split_as_a_shell_would() {
        let given = options(r"-c polder.purpose=a\ b --statement-timeout=5s  -cx=y").unwrap();
        let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(given, [("polder.purpose", "a b"), ("statement_timeout", "5s"), ("x", "y")]);
        assert!(options("-c").is_none() && options("nonsense").is_none());
        assert_eq!((encoding("'utf-8'"), encoding("SQL_ASCII"), encoding("LATIN1")), (Some("UTF8"), Some("SQL_ASCII"), None));
        assert_eq!(cut("aé", 2), "a");
    }
}
