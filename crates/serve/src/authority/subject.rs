//! Whom a certificate is for: names of hosts and addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The longest name of a host, and of a part of it, in bytes.
const NAME_MAX_BYTES: usize = 253;
const LABEL_MAX_BYTES: usize = 63;

/// A name or an address by which clients reach a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A host's name, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// A text that is no host's name and no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no host's name and no address; write it as clients name the server")]
pub struct NoSubject;

impl FromStr for Subject {
    type Err = NoSubject;

    /// No wildcards: a certificate is for one server.
    fn from_str(text: &str) -> Result<Self, NoSubject> {
        if let Ok(address) = text.parse::<IpAddr>() {
            // What is everywhere is nowhere in particular.
            return if address.is_unspecified() || address.is_multicast() { Err(NoSubject) } else { Ok(Self::Address(address)) };
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let part = |part: &str| {
            (1..=LABEL_MAX_BYTES).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        // A last part of digits would be taken for an address.
        let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() <= NAME_MAX_BYTES && !numeric && name.split('.').all(part) { Ok(Self::Name(name)) } else { Err(NoSubject) }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Whether a certificate can be for this.
pub fn is_subject(text: &str) -> bool {
    text.parse::<Subject>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_from_everything_else() {
        for good in ["localhost", "Data.Example.org.", "db-1", "10.0.0.7", "::1", "2001:db8::7", "1.example"] {
            assert!(is_subject(good), "{good}");
        }
        assert_eq!("Data.Example.org.".parse(), Ok(Subject::Name("data.example.org".to_owned())));
        let long = "x".repeat(64);
        for wrong in
            ["", ".", "a..b", "*.example.org", "-a", "a-", "under_score", "1.2.3", "300.1.1.1", "0.0.0.0", "::", "é.org", &long, "a b"]
        {
            assert!(!is_subject(wrong), "{wrong}");
        }
    }
}
