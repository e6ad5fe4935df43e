//! The URL of a server of PostgreSQL: what of it is used, and what is refused since it would be ignored or mean less than it says.
//! A URL is a secret, so no error repeats what stands in it but the host, and words that everybody knows.

use std::path::PathBuf;
use std::time::Duration;

use polder_types::ErrorKind;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::database::Access;
use crate::error::Error;

const STEP: &str = "read the URL";
const FORM: &str = "write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE";
/// How long the server may take to answer at all, unless the URL says `connect_timeout`.
const ANSWER_S: u64 = 10;
/// What libpq takes and is not taken here, and why.
const REFUSED: [(&str, &str); 24] = [
    ("gssencmode", "the connection is encrypted by TLS alone"),
    ("hostaddr", "write the host alone; its name is what the certificate is held to"),
    ("keepalives", "a connection is always watched"),
    ("keepalives_count", "a connection is always watched"),
    ("keepalives_idle", "a connection is always watched"),
    ("keepalives_interval", "a connection is always watched"),
    ("keepalives_retries", "a connection is always watched"),
    ("krbsrvname", "write a password, by a reference"),
    ("load_balance_hosts", "write one host"),
    ("passfile", "write `password` in the source, as a reference"),
    ("replication", "tables are read, not the log"),
    ("require_auth", "TLS verifies the server"),
    ("requirepeer", "TLS verifies the server"),
    ("service", "write what it holds into the URL"),
    ("sslcert", "a client's certificate is not sent; write a password, by a reference"),
    ("sslcrl", "revocation is not looked up"),
    ("sslcompression", "TLS is never compressed"),
    ("sslkey", "a client's certificate is not sent; write a password, by a reference"),
    ("sslnegotiation", "TLS is negotiated as every server can"),
    ("sslpassword", "a client's certificate is not sent; write a password, by a reference"),
    ("sslrootcert", "write `ca` in the source"),
    ("sslsni", "the host's name is always sent"),
    ("target_session_attrs", "write the one server that is meant"),
    ("tcp_user_timeout", "a connection is always watched"),
];

/// Where a server is, and who asks.
#[derive(Debug)]
pub(super) struct Target {
    pub host: Place,
    pub port: u16,
    /// User, password, database and options; neither host nor TLS.
    pub config: Config,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Name(String),
    /// The directory of a socket of this machine.
    Socket(PathBuf),
}

impl Target {
    /// Reads the source's URL.
    ///
    /// # Errors
    /// When it is none of PostgreSQL, says less than TLS that is verified, or something that would be ignored.
    pub(super) fn read(access: &Access) -> Result<Self, Error> {
        let invalid = |problem: String, advice: &str| access.fails(STEP, problem, advice, ErrorKind::Invalid);
        let Some(url) = &access.url else { return Err(Error::Internal { step: "read a source without its URL" }) };
        let url = url.expose_secret().as_str();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(invalid("it is none of PostgreSQL".to_owned(), FORM));
        }
        // What stands behind a stray @ would be taken for the host, and be shown.
        if url.matches('@').count() > 1 {
            return Err(invalid("it holds more than one @".to_owned(), "write %40 for each @ in a user, password or database"));
        }
        let (plain, parameters) = parameters(access, url)?;
        let read: Result<Config, _> = plain.parse();
        let Ok(mut config) = read else {
            return Err(invalid("it cannot be read".to_owned(), "write %XX for signs in it that part a URL, such as %2F for /"));
        };
        let (host, port) = match (config.get_hosts(), config.get_ports()) {
            ([one], [] | [_]) => (place(access, one)?, config.get_ports().first().copied().unwrap_or(5432)),
            ([], _) => return Err(invalid("it names no host".to_owned(), FORM)),
            _ => return Err(invalid("it names several hosts".to_owned(), "write the one that is meant")),
        };
        if config.get_user().is_none_or(str::is_empty) {
            return Err(invalid("it names no user".to_owned(), FORM));
        }
        if access.plain_loopback && parameters.tls {
            return Err(invalid(
                "its `sslmode` asks for TLS, and `plain_loopback` in the source for none".to_owned(),
                "remove one of them",
            ));
        }
        if matches!(host, Place::Socket(_)) && !access.plain_loopback {
            return Err(invalid(
                "a socket of this machine has no TLS".to_owned(),
                "say `plain_loopback: true` in the source if that is meant",
            ));
        }
        if let Some(password) = &access.password {
            config.password(password.expose_secret());
        }
        if config.get_application_name().is_none() {
            config.application_name("polder");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(ANSWER_S));
        }
        Ok(Self { host, port, config })
    }
}

/// What the URL's parameters say beside what is kept in it.
struct Parameters {
    tls: bool,
}

/// The URL without what only this program understands.
fn parameters(access: &Access, url: &str) -> Result<(String, Parameters), Error> {
    let invalid = |problem: String, advice: &str| access.fails(STEP, problem, advice, ErrorKind::Invalid);
    // A question mark in a user or password belongs to it.
    let from = url.find('@').unwrap_or(0);
    let Some((head, query)) = url.split_at_checked(from).and_then(|(user, rest)| {
        let (rest, query) = rest.split_once('?')?;
        Some((format!("{user}{rest}"), query))
    }) else {
        return Ok((url.to_owned(), Parameters { tls: false }));
    };
    let (mut kept, mut tls) = (Vec::new(), false);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (key, value) {
            ("application_name" | "connect_timeout" | "host" | "options", _) | ("channel_binding", "prefer" | "require") => {
                kept.push(parameter);
            }
            ("sslmode", "verify-full" | "require") => tls = true,
            ("sslmode", "disable" | "allow" | "prefer" | "verify-ca") => {
                return Err(invalid(
                    format!("`sslmode={value}` in it would be ignored"),
                    "remove it: the server is always verified, by its name too; `plain_loopback` in the source is for this machine alone",
                ));
            }
            ("sslmode", _) => return Err(invalid("its `sslmode` is none that there is".to_owned(), "write verify-full, or nothing")),
            ("channel_binding", _) => {
                return Err(invalid("its `channel_binding` would be ignored".to_owned(), "write prefer or require, or nothing"));
            }
            _ => {
                let known = REFUSED.iter().find(|(known, _)| *known == key);
                return Err(match known {
                    Some((key, advice)) => invalid(format!("`{key}` in it would be ignored"), advice),
                    None => invalid(
                        "a parameter in it is not known".to_owned(),
                        "there are application_name, connect_timeout, options, channel_binding and sslmode; write %3F for a ? elsewhere",
                    ),
                });
            }
        }
    }
    let plain = if kept.is_empty() { head } else { format!("{head}?{}", kept.join("&")) };
    Ok((plain, Parameters { tls }))
}

fn place(access: &Access, host: &Host) -> Result<Place, Error> {
    match host {
        Host::Tcp(name) if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._:%".contains(c)) => {
            Ok(Place::Name(name.clone()))
        }
        // It may be a piece of a password.
        Host::Tcp(_) => Err(access.fails(STEP, "its host is no name and no address", FORM, ErrorKind::Invalid)),
        Host::Unix(directory) => Ok(Place::Socket(directory.clone())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use polder_types::Secret;

    use super::*;
    use crate::connection::SourceType;

    fn access(url: &str, plain_loopback: bool) -> Access {
        Access {
            source: "adt".to_owned(),
            source_type: SourceType::Postgres,
            url: Some(Secret::new(url.to_owned())),
            password: None,
            path: PathBuf::new(),
            ca: None,
            plain_loopback,
            timeout: crate::connection::database::TIMEOUT,
            driver: None::<(_, _, BTreeMap<_, _>)>,
        }
    }

    fn told(url: &str, plain_loopback: bool) -> String {
        let error = Target::read(&access(url, plain_loopback)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = error.to_string();
        assert!(!text.contains("secr") && !text.contains("tail"), "{text}");
        text.strip_prefix("read the URL of source adt: ").unwrap().split("; ").next().unwrap().to_owned()
    }

    #[test]
    fn a_url_says_where_and_who() {
        let read = |url| Target::read(&access(url, false)).unwrap();
        let target = read("postgres://ann:p%40ss%2F%3F@db.example.org:6432/wards?application_name=n&connect_timeout=3&sslmode=verify-full");
        assert_eq!((target.host, target.port), (Place::Name("db.example.org".to_owned()), 6432));
        let config = target.config;
        assert_eq!((config.get_user(), config.get_dbname(), config.get_application_name()), (Some("ann"), Some("wards"), Some("n")));
        assert_eq!(config.get_password(), Some(b"p@ss/?".as_slice()));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        let target = read("postgresql://ann:a?b=c@[::1]");
        assert_eq!((target.host, target.port), (Place::Name("::1".to_owned()), 5432));
        assert_eq!(target.config.get_password(), Some(b"a?b=c".as_slice()));
        assert_eq!(target.config.get_application_name(), Some("polder"));
        // The source's password is the one that counts.
        let with = Access { password: Some(Secret::new("other".to_owned())), ..access("postgres://ann:one@h", false) };
        assert_eq!(Target::read(&with).unwrap().config.get_password(), Some(b"other".as_slice()));
        let socket = Target::read(&access("postgres://ann@/wards?host=%2Fvar%2Frun%2Fpostgresql", true)).unwrap();
        assert_eq!(socket.host, Place::Socket("/var/run/postgresql".into()));
    }

    #[test]
    fn what_would_be_ignored_is_refused_and_nothing_is_shown() {
        for (url, problem) in [
            ("mysql://ann:secret@h/db", "it is none of PostgreSQL"),
            ("host=h user=ann password=secret", "it is none of PostgreSQL"),
            ("postgres://ann:secr@et@h/db", "it holds more than one @"),
            ("postgres://ann:secr@et/t@h/db", "it holds more than one @"),
            ("postgres://ann:p@secr et/db", "its host is no name and no address"),
            ("postgres://ann:p@h:secret/db", "it cannot be read"),
            ("postgres://ann:p@/db", "it names no host"),
            ("postgres://h/db", "it names no user"),
            ("postgres://ann:p@a,b/db", "it names several hosts"),
            ("postgres://ann:p@a/db?host=%2Ftmp", "it names several hosts"),
            ("postgres://ann@h/db?sslmode=disable", "`sslmode=disable` in it would be ignored"),
            ("postgres://ann@h/db?sslmode=prefer", "`sslmode=prefer` in it would be ignored"),
            ("postgres://ann@h/db?sslmode=verify-ca", "`sslmode=verify-ca` in it would be ignored"),
            ("postgres://ann@h/db?sslmode=secret", "its `sslmode` is none that there is"),
            ("postgres://ann@h/db?hostaddr=127.0.0.1", "`hostaddr` in it would be ignored"),
            ("postgres://ann@h/db?sslrootcert=secret", "`sslrootcert` in it would be ignored"),
            ("postgres://ann@h/db?channel_binding=disable", "its `channel_binding` would be ignored"),
            ("postgres://ann@h/db?secret=tail", "a parameter in it is not known"),
            ("postgres://ann@h/db?SSLMODE=disable", "a parameter in it is not known"),
            ("postgres://ann@h/db?%73slmode=disable", "a parameter in it is not known"),
            ("postgres://ann@%2Ftmp/db", "a socket of this machine has no TLS"),
        ] {
            assert_eq!(told(url, false), problem, "{url}");
        }
        let both = "its `sslmode` asks for TLS, and `plain_loopback` in the source for none";
        assert_eq!(told("postgres://ann@localhost/db?sslmode=require", true), both);
    }
}
