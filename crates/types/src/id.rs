//! Ids are random, never names; names are checked before they are used.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limit::TABLE_NAME_MAX_BYTES;
use crate::random::{RandomError, Rng};

/// A text that is not an id or a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {rule}")]
pub struct IdError {
    what: &'static str,
    rule: &'static str,
}

fn parse_hex(text: &str, what: &'static str) -> Result<[u8; 16], IdError> {
    let error = IdError { what, rule: "is 32 lower-case hexadecimal digits" };
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return Err(error);
    }
    let mut id = [0u8; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(error),
            };
            *byte = (*byte << 4) | value;
        }
    }
    Ok(id)
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// A new random id.
            ///
            /// # Errors
            /// When the operating system gives no randomness.
            pub fn random(rng: &dyn Rng) -> Result<Self, RandomError> {
                let mut bytes = [0u8; 16];
                rng.fill(&mut bytes)?;
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text, $what).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

random_id!(
    /// Made by `init`; survives backup, restore and a change of environment.
    LineageId, "a lineage id"
);
random_id!(
    /// Whose key seals an object: a table, a table's quarantine, the journal.
    DatasetId, "a dataset id"
);
random_id!(
    /// One run of one or more batches.
    RunId, "a run id"
);
random_id!(
    /// Stands in the log for a name of the project that is no table's yet, or never: a pipeline, a step of a run. It is a hash under a key
    /// of the installation, so that equal names have equal ids and nobody without the key learns the name by trying.
    NameId, "a name's id"
);
random_id!(
    /// One request for a decision, which ties a query's decision to its outcome.
    RequestId, "a request id"
);
random_id!(
    /// One session of a signed-in principal, which ties what it asked to how it signed in.
    SessionId, "a session id"
);
random_id!(
    /// One session token: names it in the log, and tells nothing of it.
    TicketId, "a session token's id"
);

/// The name of a table or model: `[a-z_][a-z0-9_]*`, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TableName(String);

impl TableName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// When the name is empty, too long, or has a character outside the rule.
    pub fn new(name: &str) -> Result<Self, IdError> {
        let head = name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
        let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if head && rest && name.len() <= TABLE_NAME_MAX_BYTES {
            Ok(Self(name.to_owned()))
        } else {
            Err(IdError {
                what: "a table name",
                rule: "is lower-case letters, digits and _, begins with a letter or _, and has at most 63 characters",
            })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TableName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Who acts: `user:alice`, `model:delays`, `service:scheduler`. At most 128 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PrincipalId(String);

impl PrincipalId {
    /// A principal of a kind (`user`, `model`, `service`) with a name.
    ///
    /// # Errors
    /// When the name is empty, too long, or not printable ASCII without spaces.
    pub fn new(kind: &str, name: &str) -> Result<Self, IdError> {
        let ok = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        if ok(kind) && ok(name) && !kind.contains(':') && kind.len() + name.len() < 128 {
            Ok(Self(format!("{kind}:{name}")))
        } else {
            Err(IdError { what: "a principal", rule: "is kind:name in printable ASCII, at most 128 characters" })
        }
    }

    /// `user`, `model` or `service`.
    pub fn kind(&self) -> &str {
        self.0.split_once(':').map_or("", |(kind, _)| kind)
    }

    /// The name without its kind.
    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// `kind:name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PrincipalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (kind, name) = text.split_once(':').ok_or_else(|| serde::de::Error::custom("a principal is kind:name"))?;
        Self::new(kind, name).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRng;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = DatasetId::random(&SeededRng::new(7)).unwrap();
        assert_eq!(id.to_string().parse::<DatasetId>().unwrap(), id);
        assert!(id.to_string().to_uppercase().parse::<DatasetId>().is_err() || id.to_string().chars().all(|c| c.is_ascii_digit()));
        assert!("00".parse::<DatasetId>().is_err());
    }

    #[test]
    fn a_table_name_is_an_identifier() {
        assert!(TableName::new("flights_2013").is_ok());
        for bad in ["", "Flights", "2013", "a-b", "a b", "é", "../x", &"a".repeat(64)] {
            assert!(TableName::new(bad).is_err(), "{bad}");
        }
    }
}
