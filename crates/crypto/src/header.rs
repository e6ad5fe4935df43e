//! The 128 bytes before Tink's ciphertext. Every bit of them is fixed, checked or bound into the object's key.

use polder_types::{DatasetId, LineageId};

use crate::error::Error;
use crate::geometry::HEADER_LEN;

/// `POLDER`, format version 1, algorithm 1 (AES-256-GCM-HKDF-SHA-256 streaming, 64 KiB, key from HKDF-SHA-512).
const MAGIC: [u8; 6] = *b"POLDER";
pub(crate) const VERSION: u8 = 1;
pub(crate) const ALGORITHM: u8 = 1;
const PADDING: usize = 12;

/// Keeps kinds of objects apart: one sealed as a temporary never opens as a keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// An object of the store.
    Object,
    /// A keyring.
    Keyring,
    /// A temporary file, under a key that dies with the process.
    Temporary,
    /// A key wrapped by a root of local custody.
    Wrap,
}

impl Label {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Object => 1,
            Self::Keyring => 2,
            Self::Temporary => 3,
            Self::Wrap => 4,
        }
    }
}

/// What an object is sealed as.
#[derive(Debug, Clone, Copy)]
pub struct ObjectParams<'a> {
    /// The kind of object.
    pub label: Label,
    /// The installation's lineage.
    pub lineage: LineageId,
    /// Whose key it is.
    pub dataset: DatasetId,
    /// Which version of that key.
    pub key_version: u32,
    /// The writer's generation of the object.
    pub generation: u64,
    /// The logical path under which it will be asked for.
    pub path: &'a str,
}

/// The header's fields. Not secret; not to be believed before an [`crate::Opener`] took them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The installation's lineage.
    pub lineage: LineageId,
    /// Whose key sealed it.
    pub dataset: DatasetId,
    /// Which version of that key.
    pub key_version: u32,
    /// The writer's generation of the object.
    pub generation: u64,
    /// Random; salt of the object's key.
    pub message_id: [u8; 32],
    /// Binds the ciphertext to one key and one context.
    pub commitment: [u8; 32],
}

impl Header {
    /// Reads a header from an object's first 128 bytes; more may follow.
    ///
    /// # Errors
    /// When the bytes are too few, or magic, version, algorithm or padding are not as written.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut rest = bytes.get(..HEADER_LEN).ok_or(Error::NotSealed)?;
        if take::<6>(&mut rest)? != MAGIC {
            return Err(Error::NotSealed);
        }
        if take::<2>(&mut rest)? != [VERSION, ALGORITHM] {
            return Err(Error::UnknownFormat);
        }
        let header = Self {
            lineage: LineageId(take(&mut rest)?),
            dataset: DatasetId(take(&mut rest)?),
            key_version: u32::from_be_bytes(take(&mut rest)?),
            generation: u64::from_be_bytes(take(&mut rest)?),
            message_id: take(&mut rest)?,
            commitment: take(&mut rest)?,
        };
        if take::<PADDING>(&mut rest)? != [0; PADDING] {
            return Err(Error::Reserved);
        }
        Ok(header)
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let fields: [&[u8]; 8] = [
            &MAGIC,
            &[VERSION, ALGORITHM],
            &self.lineage.0,
            &self.dataset.0,
            &self.key_version.to_be_bytes(),
            &self.generation.to_be_bytes(),
            &self.message_id,
            &self.commitment,
        ];
        let mut out = [0; HEADER_LEN];
        for (to, from) in out.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        out
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(Error::NotSealed)?;
    *rest = tail;
    Ok(*head)
}
