//! Which files a store has. `docs/format/store-layout.md` says the same in words.

use object_store::path::Path;
use polder_types::DatasetId;

use crate::error::Error;

pub(crate) const KEYRING: &str = "keyring";
pub(crate) const LEASE: &str = "lease";
pub(crate) const TMP: &str = "tmp";
/// Where commands reach the process that serves.
pub(crate) const SOCKET: &str = "tmp/socket";
pub(crate) const RESERVE: &str = "reserve";
/// Longest name of one file or directory, in bytes: what every file system of Linux takes.
const COMPONENT_MAX_BYTES: usize = 255;

/// The areas that hold sealed objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// The audit log.
    Journal,
    /// What the audit log commits to and does not show.
    Private,
    /// Snapshots of the projection.
    State,
    /// Delta tables.
    Tables,
    /// Rows that a contract refused, with the reason.
    Quarantine,
    /// How far a source was read.
    Offsets,
    /// What the columns of a source's dataset are like.
    Profiles,
    /// The register of accounts.
    Identities,
    /// The internal certificate authority and the server's certificate, with their keys.
    Authority,
}

impl Area {
    /// All of them, sorted by name.
    pub const ALL: [Self; 9] = [
        Self::Authority,
        Self::Identities,
        Self::Journal,
        Self::Offsets,
        Self::Private,
        Self::Profiles,
        Self::Quarantine,
        Self::State,
        Self::Tables,
    ];

    /// The area's directory.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Private => "private",
            Self::State => "state",
            Self::Tables => "tables",
            Self::Quarantine => "quarantine",
            Self::Offsets => "offsets",
            Self::Profiles => "profiles",
            Self::Identities => "identities",
            Self::Authority => "authority",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|area| area.as_str() == text)
    }
}

/// What a physical file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A version of the keyring, sealed by `keys`.
    Keyring(u64),
    /// An epoch of the writer's lease: process number, hash of the host's name, a time.
    Lease(u64),
    /// A sealed object.
    Object(Area, DatasetId),
    /// A sealed temporary, or a sealed object that is being written.
    Temporary,
    /// Room for what must be recorded when the disk is full.
    Reserve,
    /// Where commands reach the process that serves; no bytes are kept in it.
    Socket,
    /// None of the store's: it was put there by something else.
    Unknown,
}

impl FileKind {
    /// What a file is, by its path below the store's directory.
    pub fn of(path: &str) -> Self {
        if path == RESERVE {
            return Self::Reserve;
        }
        match path.split_once('/') {
            Some((KEYRING, name)) => number(name).map_or(Self::Unknown, Self::Keyring),
            Some((LEASE, name)) => number(name).map_or(Self::Unknown, Self::Lease),
            Some((TMP, name)) if is_temporary_name(name) => Self::Temporary,
            _ => ObjectPath::parse(path).map_or(Self::Unknown, |object| Self::Object(object.area, object.dataset)),
        }
    }
}

/// `00000000000000000017`
pub(crate) fn numbered(directory: &str, number: u64) -> String {
    format!("{directory}/{number:020}")
}

/// The number of a name as [`numbered`] writes it, and of no other.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    if digits { name.parse().ok() } else { None }
}

pub(crate) fn is_temporary_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An object's path, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectPath<'p> {
    /// Its first segment.
    pub area: Area,
    /// Its second segment: whose key seals the object.
    pub dataset: DatasetId,
    /// What follows.
    pub rest: &'p str,
}

impl<'p> ObjectPath<'p> {
    /// Takes `<area>/<dataset id>/<rest>` apart.
    ///
    /// # Errors
    /// When it is not of that form.
    pub fn parse(path: &'p str) -> Result<Self, Error> {
        let wrong = |problem| Error::Name { path: path.to_owned(), problem };
        let (area, below) = path.split_once('/').ok_or_else(|| wrong("it has no area"))?;
        let area = Area::parse(area).ok_or_else(|| wrong("its area is unknown"))?;
        let (dataset, rest) = below.split_once('/').ok_or_else(|| wrong("it has no name below its dataset"))?;
        let dataset = dataset.parse().map_err(|_| wrong("its second segment is not a dataset id"))?;
        for component in rest.split('/') {
            if matches!(component, "" | "." | "..") || component.bytes().any(|byte| byte == 0) {
                return Err(wrong("a segment of it is empty, a dot or not a file name"));
            }
            if component.len() > COMPONENT_MAX_BYTES {
                return Err(wrong("a segment of it is longer than 255 bytes"));
            }
        }
        Ok(Self { area, dataset, rest })
    }
}

/// The path of an object.
pub(crate) fn object_path(area: Area, dataset: DatasetId, rest: &str) -> Path {
    Path::from(format!("{}/{dataset}/{rest}", area.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_kind() {
        let dataset = DatasetId([0xab; 16]);
        let hex = dataset.to_string();
        let known = [
            ("keyring/00000000000000000001".to_owned(), FileKind::Keyring(1)),
            ("lease/00000000000000000012".to_owned(), FileKind::Lease(12)),
            (format!("tmp/{hex}"), FileKind::Temporary),
            ("reserve".to_owned(), FileKind::Reserve),
            (format!("tables/{hex}/_delta_log/00000000000000000000.json"), FileKind::Object(Area::Tables, dataset)),
            (format!("journal/{hex}/x"), FileKind::Object(Area::Journal, dataset)),
        ];
        for (path, kind) in known {
            assert_eq!(FileKind::of(&path), kind, "{path}");
        }
        let unknown = [
            "keyring/1".to_owned(),
            "keyring/+0000000000000000001".to_owned(),
            "lease/x".to_owned(),
            "tmp/plain.csv".to_owned(),
            // A file of that name is none.
            "tmp/socket".to_owned(),
            format!("tmp/{}", hex.to_uppercase()),
            "reserve/x".to_owned(),
            "notes.txt".to_owned(),
            format!("tables/{hex}"),
            format!("tables/{hex}/"),
            format!("tables/{hex}/a//b"),
            format!("tables/{hex}/../x"),
            "tables/flights/part-0.parquet".to_owned(),
            format!("other/{hex}/x"),
            String::new(),
        ];
        for path in unknown {
            assert_eq!(FileKind::of(&path), FileKind::Unknown, "{path}");
        }
    }

    #[test]
    fn a_path_reads_back() {
        let path = object_path(Area::Offsets, DatasetId([1; 16]), "a/b c");
        let object = ObjectPath::parse(path.as_ref()).unwrap();
        assert_eq!((object.area, object.dataset, object.rest), (Area::Offsets, DatasetId([1; 16]), "a/b c"));
        assert!(ObjectPath::parse(&format!("tables/{}/{}", object.dataset, "x".repeat(256))).is_err());
    }
}
