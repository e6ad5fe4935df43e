//! The two root files, byte by byte (docs/format/keyring.md).

use std::path::Path;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use polder_types::{Rng, Secret};
use zeroize::{Zeroize, Zeroizing};

use super::{private_file, root};
use crate::error::Error;
use crate::locked::DatasetKey;

pub(crate) const WHAT: &str = "root file";
const MAGIC: &[u8; 8] = b"POLDERRK";
const VERSION: u8 = 1;
const KIND_KEY_FILE: u8 = 1;
const KIND_PASSPHRASE: u8 = 2;
const KEY_FILE_LEN: usize = 64;
const PASSPHRASE_HEADER_LEN: usize = 80;
/// Fewest characters of a passphrase.
pub(crate) const PASSPHRASE_LEAST: usize = 12;

/// How a passphrase becomes a key. What is written follows RFC 9106's second recommendation; what is read may be costlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kdf {
    pub(crate) memory_kib: u32,
    pub(crate) iterations: u32,
    pub(crate) lanes: u32,
    pub(crate) salt: [u8; 32],
}

impl Kdf {
    pub(crate) fn new(rng: &dyn Rng) -> Result<Self, Error> {
        let mut salt = [0; 32];
        rng.fill(&mut salt)?;
        Ok(Self { memory_kib: 65_536, iterations: 3, lanes: 4, salt })
    }

    /// A file that was changed must not make this process take all memory or run for days.
    fn sane(&self) -> bool {
        (64..=1 << 20).contains(&self.memory_kib) && (1..=64).contains(&self.iterations) && (1..=16).contains(&self.lanes)
    }

    /// argon2id, version 0x13, 32 bytes.
    pub(crate) fn derive(&self, passphrase: &Secret<String>) -> Result<DatasetKey, Error> {
        let failed = || Error::Derivation { memory_kib: self.memory_kib };
        let params = Params::new(self.memory_kib, self.iterations, self.lanes, Some(32)).map_err(|_| failed())?;
        let mut memory = Vec::new();
        memory.try_reserve_exact(params.block_count()).map_err(|_| failed())?;
        memory.resize(params.block_count(), Block::default());
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let key = DatasetKey::filled(|key| {
            let passphrase = passphrase.expose_secret().as_bytes();
            argon.hash_password_into_with_memory(passphrase, &self.salt, key, &mut memory).map_err(|_| failed())
        });
        memory.iter_mut().for_each(Zeroize::zeroize);
        key
    }
}

/// A root file as read. A key file's root is in locked memory already; a passphrase's is still sealed.
pub(crate) enum RootFile {
    Key { id: [u8; 16], root: DatasetKey },
    Passphrase { id: [u8; 16], kdf: Kdf, header: [u8; PASSPHRASE_HEADER_LEN], sealed: Vec<u8> },
}

impl RootFile {
    pub(crate) fn id(&self) -> [u8; 16] {
        match self {
            Self::Key { id, .. } | Self::Passphrase { id, .. } => *id,
        }
    }

    /// # Errors
    /// When the file cannot be read, others may read it, or it is not as written.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let damaged = || Error::FileDamaged { what: WHAT, path: path.to_owned() };
        let bytes = private_file::read(path, WHAT)?;
        let mut rest = bytes.as_slice();
        let magic: [u8; 8] = take(&mut rest).ok_or_else(damaged)?;
        let [version, kind]: [u8; 2] = take(&mut rest).ok_or_else(damaged)?;
        let zero: [u8; 6] = take(&mut rest).ok_or_else(damaged)?;
        if magic != *MAGIC || version != VERSION || zero != [0; 6] {
            return Err(damaged());
        }
        let id: [u8; 16] = take(&mut rest).ok_or_else(damaged)?;
        match kind {
            KIND_KEY_FILE if bytes.len() == KEY_FILE_LEN => {
                let root = DatasetKey::copied(rest.first_chunk().ok_or_else(damaged)?)?;
                if root::root_id(&root) != id {
                    return Err(damaged());
                }
                Ok(Self::Key { id, root })
            }
            KIND_PASSPHRASE => {
                let [memory_kib, iterations, lanes, zero] = [(); 4].map(|()| take(&mut rest).map(u32::from_be_bytes));
                let (Some(memory_kib), Some(iterations), Some(lanes), Some(0)) = (memory_kib, iterations, lanes, zero) else {
                    return Err(damaged());
                };
                let kdf = Kdf { memory_kib, iterations, lanes, salt: take(&mut rest).ok_or_else(damaged)? };
                if !kdf.sane() {
                    return Err(damaged());
                }
                let header = *bytes.first_chunk().ok_or_else(damaged)?;
                Ok(Self::Passphrase { id, kdf, header, sealed: rest.to_vec() })
            }
            _ => Err(damaged()),
        }
    }
}

/// Writes a key file.
pub(crate) fn create_key_file(path: &Path, root: &DatasetKey) -> Result<(), Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_FILE_LEN));
    bytes.extend_from_slice(&head(KIND_KEY_FILE, &root::root_id(root)));
    bytes.extend_from_slice(root.expose());
    private_file::create(path, WHAT, &bytes)
}

/// Writes a passphrase file: the root is random and sealed under the passphrase's key, so that the two change apart.
pub(crate) fn create_passphrase_file(path: &Path, root: &DatasetKey, kdf: &Kdf, key: &DatasetKey, rng: &dyn Rng) -> Result<(), Error> {
    let mut bytes = head(KIND_PASSPHRASE, &root::root_id(root)).to_vec();
    for number in [kdf.memory_kib, kdf.iterations, kdf.lanes, 0] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&kdf.salt);
    let sealed = root::wrap(key, root.expose(), &bytes, rng)?;
    bytes.extend_from_slice(&sealed);
    private_file::create(path, WHAT, &bytes)
}

/// The root of a passphrase file. `None` when the key is not that of the passphrase, or the file was changed: nobody can tell.
pub(crate) fn open_sealed(id: [u8; 16], header: &[u8], sealed: &[u8], key: &DatasetKey) -> Result<Option<DatasetKey>, Error> {
    let Ok(plain) = root::unwrap(key, sealed, header) else { return Ok(None) };
    let Ok(bytes) = plain.expose_secret().as_slice().try_into() else { return Ok(None) };
    let root = DatasetKey::copied(bytes)?;
    Ok((root::root_id(&root) == id).then_some(root))
}

fn head(kind: u8, id: &[u8; 16]) -> [u8; 32] {
    let mut head = [0; 32];
    for (to, from) in head.iter_mut().zip(MAGIC.iter().chain(&[VERSION, kind, 0, 0, 0, 0, 0, 0]).chain(id)) {
        *to = *from;
    }
    head
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}
