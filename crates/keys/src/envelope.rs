//! A keyring file, byte by byte (docs/format/keyring.md): who can unwrap its key, and the keyring sealed under that key.

use polder_crypto::{Label, ObjectParams, sha256};
use polder_types::{DatasetId, LineageId, Rng};
use zeroize::Zeroizing;

use crate::document::{Document, KITS_MAX};
use crate::error::Error;
use crate::locked::DatasetKey;

const MAGIC: &[u8; 8] = b"POLDERKR";
const FORMAT: u8 = 1;
const CONTEXT: &[u8; 16] = b"polder.keyring.1";
/// Longest wrapped key that a custody may return, in bytes.
pub(crate) const WRAPPED_MAX_BYTES: usize = 8192;

/// Whose root wrapped the keyring's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrapKind {
    /// The custody's. There is exactly one.
    Custody,
    /// A recovery kit's.
    Recovery,
}

impl WrapKind {
    const fn code(self) -> u8 {
        match self {
            Self::Custody => 1,
            Self::Recovery => 2,
        }
    }
}

/// The keyring's key, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrap {
    /// By whose root.
    pub kind: WrapKind,
    /// The root's id.
    pub root: [u8; 16],
    /// As the custody returned it.
    pub bytes: Vec<u8>,
}

/// A keyring file that was read and not opened. Nothing of it is secret; nothing of it is authentic before it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The keyring's version.
    pub version: u64,
    /// The installation.
    pub lineage: LineageId,
    /// Who can unwrap its key: the custody first.
    pub wraps: Vec<Wrap>,
    hash: [u8; 32],
    sealed: Vec<u8>,
}

/// What a wrap of a keyring's key is bound to.
pub(crate) fn wrap_context(lineage: LineageId, version: u64, kind: WrapKind, root: &[u8; 16]) -> Vec<u8> {
    let fields: [&[u8]; 5] = [CONTEXT, &lineage.0, &version.to_be_bytes(), &[kind.code()], root];
    fields.concat()
}

/// The header's hash is part of the sealed object's logical path, so nobody removes or adds a wrap.
fn path(version: u64, hash: &[u8; 32]) -> String {
    format!("keyring/{version:020}/{}", hex::encode(hash))
}

impl Envelope {
    /// Reads a keyring file of the version that was asked for.
    ///
    /// # Errors
    /// When it is not a keyring file, is one of another version, or was damaged.
    pub fn parse(version: u64, bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes)
            .and_then(|envelope| if envelope.version == version { Ok(envelope) } else { Err("it is another version, renamed") })
            .map_err(|problem| Error::Keyring { version, problem, source: None })
    }

    fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut rest = bytes;
        let rest = &mut rest;
        if &take::<8>(rest)? != MAGIC {
            return Err("it is not a keyring");
        }
        let [format, count, zero @ ..] = take::<8>(rest)?;
        if format != FORMAT || zero != [0; 6] {
            return Err("its format version is unknown to this program, or it was damaged");
        }
        let version = u64::from_be_bytes(take(rest)?);
        let lineage = LineageId(take(rest)?);
        let mut wraps = Vec::new();
        for at in 0..count {
            let [kind, zero] = take(rest)?;
            let kind = match (kind, zero) {
                (1, 0) if at == 0 => WrapKind::Custody,
                (2, 0) if at > 0 => WrapKind::Recovery,
                _ => return Err("it was damaged"),
            };
            let len = usize::from(u16::from_be_bytes(take(rest)?));
            let root = take(rest)?;
            let (wrapped, tail) = rest.split_at_checked(len).ok_or(CUT)?;
            *rest = tail;
            wraps.push(Wrap { kind, root, bytes: wrapped.to_vec() });
        }
        let header = bytes.get(..bytes.len().saturating_sub(rest.len())).ok_or(CUT)?;
        let hash = take(rest)?;
        if wraps.is_empty() || wraps.len() > KITS_MAX + 1 || hash != sha256(header) {
            return Err("it was damaged");
        }
        Ok(Self { version, lineage, wraps, hash, sealed: rest.to_vec() })
    }

    /// The wrap of a custody or kit.
    pub(crate) fn wrap(&self, kind: WrapKind, root: Option<&[u8; 16]>) -> Option<&Wrap> {
        self.wraps.iter().find(|wrap| wrap.kind == kind && root.is_none_or(|root| *root == wrap.root))
    }

    /// Opens it with its unwrapped key.
    ///
    /// # Errors
    /// When anything of it is not as it was written.
    pub(crate) fn open(&self, key: &[u8; 32]) -> Result<Document, Error> {
        let version = self.version;
        let failed = |problem, source| Error::Keyring { version, problem, source };
        let plain = polder_crypto::open(key, Label::Keyring, &path(version, &self.hash), &self.sealed)
            .map(Zeroizing::new)
            .map_err(|source| failed("it was changed", Some(Box::new(source) as _)))?;
        let document = Document::parse(&plain).map_err(|error| match error {
            Error::Keyring { problem, source, .. } => failed(problem, source),
            other => other,
        })?;
        if document.lineage != self.lineage {
            return Err(failed("it belongs to another installation", None));
        }
        Ok(document)
    }
}

/// The bytes of a keyring file.
///
/// # Errors
/// When there is no randomness, or a wrap is longer than the format holds.
pub(crate) fn write(version: u64, document: &Document, key: &DatasetKey, wraps: &[Wrap], rng: &dyn Rng) -> Result<Vec<u8>, Error> {
    let limit = |what, most| Error::Limit { what, most };
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&[FORMAT, u8::try_from(wraps.len()).map_err(|_| limit("recovery kits", KITS_MAX))?, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&document.lineage.0);
    for wrap in wraps {
        let len = u16::try_from(wrap.bytes.len()).ok().filter(|len| usize::from(*len) <= WRAPPED_MAX_BYTES);
        out.extend_from_slice(&[wrap.kind.code(), 0]);
        out.extend_from_slice(&len.ok_or_else(|| limit("bytes in a wrapped key", WRAPPED_MAX_BYTES))?.to_be_bytes());
        out.extend_from_slice(&wrap.root);
        out.extend_from_slice(&wrap.bytes);
    }
    let hash = sha256(&out);
    out.extend_from_slice(&hash);
    let path = path(version, &hash);
    let params = ObjectParams {
        label: Label::Keyring,
        lineage: document.lineage,
        dataset: DatasetId([0; 16]),
        key_version: 0,
        generation: version,
        path: &path,
    };
    out.extend_from_slice(&polder_crypto::seal(key.expose(), &params, rng, &document.encode()).map_err(Error::Seal)?);
    Ok(out)
}

const CUT: &str = "it was cut short";

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(CUT)?;
    *rest = tail;
    Ok(*head)
}
