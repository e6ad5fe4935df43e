//! Where a server is: names are resolved here, once, so that what was checked of an address holds of the one that is connected to.

use std::net::{SocketAddr, ToSocketAddrs};

use polder_types::{ErrorKind, printable::printable};

use crate::database::Access;
use crate::error::Error;

impl Access {
    /// An error at a step of this source.
    pub(crate) fn fails(&self, step: impl Into<String>, problem: impl Into<String>, advice: impl Into<String>, kind: ErrorKind) -> Error {
        Error::Database { connection: self.source.clone(), step: step.into(), problem: problem.into(), advice: advice.into(), kind }
    }

    /// The error of a server that kept silent for as long as the source lets it.
    pub(crate) fn silent(&self, step: &str) -> Error {
        let problem = format!("the server kept silent for {} seconds, so nothing of it counts", self.timeout.as_secs());
        let advice = "run again; where a statement takes longer before its first row, raise `timeout` in the source";
        self.fails(step, problem, advice, ErrorKind::Unavailable)
    }
}

/// The addresses of a server, in the order in which they are tried; one at least. Where the source says `plain_loopback` all of them are
/// of this machine: a caller that goes without TLS connects to these addresses, and never resolves the name again.
///
/// # Errors
/// When the name does not resolve (unavailable); when `plain_loopback` is said of another machine (invalid).
pub(crate) fn resolve(access: &Access, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let step = "find the server";
    let shown = printable(host);
    let found = (host, port).to_socket_addrs().map(Vec::from_iter);
    let Some(addresses) = found.ok().filter(|addresses| !addresses.is_empty()) else {
        let advice = "correct the host in its URL, or the name service of this machine";
        return Err(access.fails(step, format!("the host {shown} has no address"), advice, ErrorKind::Unavailable));
    };
    match access.plain_loopback && !addresses.iter().all(is_loopback) {
        true => Err(access.fails(
            step,
            format!("`plain_loopback` is set, and {shown} is not this machine alone"),
            "remove `plain_loopback`, so that the connection is encrypted; no other host is ever reached without TLS",
            ErrorKind::Invalid,
        )),
        false => Ok(addresses),
    }
}

fn is_loopback(address: &SocketAddr) -> bool {
    // `::ffff:127.0.0.1` is this machine, too; `0.0.0.0` is not said to be.
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::connection::SourceType;

    fn access(plain_loopback: bool) -> Access {
        Access {
            source: "adt".to_owned(),
            source_type: SourceType::Postgres,
            url: None,
            password: None,
            path: "".into(),
            ca: None,
            plain_loopback,
            timeout: crate::connection::database::TIMEOUT,
            driver: None::<(_, _, BTreeMap<_, _>)>,
        }
    }

    #[test]
    fn only_this_machine_may_be_reached_in_plain() {
        for host in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"] {
            let addresses = resolve(&access(true), host, 5432).unwrap();
            assert!(!addresses.is_empty() && addresses.iter().all(|address| address.port() == 5432), "{host}");
        }
        for host in ["10.0.0.1", "0.0.0.0", "::", "::ffff:10.0.0.1", "192.0.2.1", "fe80::1"] {
            let error = resolve(&access(true), host, 5432).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let told = format!("find the server of source adt: `plain_loopback` is set, and {host} is not this machine alone; remove ");
            assert!(error.to_string().starts_with(&told), "{error}");
            // With TLS any host will do.
            assert!(resolve(&access(false), host, 5432).is_ok());
        }
    }

    #[test]
    fn a_name_without_address_is_told() {
        for host in ["", "no such host", "a\u{1b}b"] {
            let error = resolve(&access(false), host, 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(!error.to_string().contains('\u{1b}'));
        }
    }
}
