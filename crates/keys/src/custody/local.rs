//! Custody on this machine: a key file, or a file that a passphrase opens.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;
use polder_types::{Rng, Secret, SystemRng};

use super::root_file::{self, Kdf, PASSPHRASE_LEAST, RootFile, WHAT};
use super::{Custody, CustodyInfo, private_file, root};
use crate::error::Error;
use crate::locked::DatasetKey;

/// A root in a file, mode 0600.
///
/// A key file is read again at each use and its root is not kept, so taking the file away (a removable disk) ends the lease,
/// and closing or exchanging it drops the keys at the next renewal. A passphrase's root is kept in locked memory.
///
/// Rotation writes `FILE.next` first. As soon as a keyring that `FILE.next` wrapped is seen, it takes the place of `FILE`: so
/// a crash at any moment leaves a root that opens the newest keyring under the one name or the other.
pub struct LocalCustody {
    path: PathBuf,
    rng: Arc<dyn Rng>,
    /// The root that wraps.
    current: RwLock<[u8; 16]>,
    passphrase: Option<Unlocked>,
}

/// What a passphrase opened.
struct Unlocked {
    kdf: Kdf,
    key: DatasetKey,
    roots: Vec<([u8; 16], DatasetKey)>,
}

impl LocalCustody {
    /// Makes a key file with a new root.
    ///
    /// # Errors
    /// When the file exists or cannot be written, or there is no randomness.
    pub fn create_key_file(path: &Path, rng: Arc<dyn Rng>) -> Result<Self, Error> {
        let new = DatasetKey::random(rng.as_ref())?;
        root_file::create_key_file(path, &new)?;
        Ok(Self { path: path.to_owned(), rng, current: RwLock::new(root::root_id(&new)), passphrase: None })
    }

    /// Opens a key file.
    ///
    /// # Errors
    /// When it cannot be read, others may read it, or it was changed.
    pub fn open_key_file(path: &Path) -> Result<Self, Error> {
        match RootFile::read(path)? {
            RootFile::Key { id, .. } => {
                Ok(Self { path: path.to_owned(), rng: Arc::new(SystemRng), current: RwLock::new(id), passphrase: None })
            }
            RootFile::Passphrase { .. } => Err(Error::RootKind { path: path.to_owned(), passphrase: true }),
        }
    }

    /// Makes a root file that a passphrase opens: the root is random, argon2id gives the key that seals it.
    ///
    /// # Errors
    /// When the passphrase has fewer than 12 characters, the file exists or cannot be written, or there is no randomness.
    pub fn create_passphrase(path: &Path, passphrase: Secret<String>, rng: Arc<dyn Rng>) -> Result<Self, Error> {
        if passphrase.expose_secret().chars().count() < PASSPHRASE_LEAST {
            return Err(Error::PassphraseShort { least: PASSPHRASE_LEAST });
        }
        let kdf = Kdf::new(rng.as_ref())?;
        let key = kdf.derive(&passphrase)?;
        let new = DatasetKey::random(rng.as_ref())?;
        root_file::create_passphrase_file(path, &new, &kdf, &key, rng.as_ref())?;
        let id = root::root_id(&new);
        Ok(Self { path: path.to_owned(), rng, current: RwLock::new(id), passphrase: Some(Unlocked { kdf, key, roots: vec![(id, new)] }) })
    }

    /// Opens a root file with its passphrase. Takes a fraction of a second and 64 MiB.
    ///
    /// # Errors
    /// When the file cannot be read, others may read it, or the passphrase does not open it.
    pub fn open_passphrase(path: &Path, passphrase: Secret<String>) -> Result<Self, Error> {
        let RootFile::Passphrase { id, kdf, header, sealed } = RootFile::read(path)? else {
            return Err(Error::RootKind { path: path.to_owned(), passphrase: false });
        };
        let key = kdf.derive(&passphrase)?;
        let root = root_file::open_sealed(id, &header, &sealed, &key)?.ok_or_else(|| Error::PassphraseWrong { path: path.to_owned() })?;
        let mut roots = vec![(id, root)];
        // A rotation that did not come to its end: its file has the same passphrase and salt.
        let next = next_path(path);
        if private_file::exists(&next)
            && let RootFile::Passphrase { id, kdf: same, header, sealed } = RootFile::read(&next)?
            && same == kdf
            && let Some(root) = root_file::open_sealed(id, &header, &sealed, &key)?
        {
            roots.push((id, root));
        }
        let passphrase = Some(Unlocked { kdf, key, roots });
        Ok(Self { path: path.to_owned(), rng: Arc::new(SystemRng), current: RwLock::new(id), passphrase })
    }

    /// Takes randomness from elsewhere than the operating system: for golden vectors and seeded tests.
    pub fn with_rng(mut self, rng: Arc<dyn Rng>) -> Self {
        self.rng = rng;
        self
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn current(&self) -> [u8; 16] {
        *self.current.read()
    }

    /// The root of an id, and whether it is the one of `FILE.next`. The files are asked each time, whatever is in memory:
    /// a file that was taken away, opened to others or exchanged is a custody that is out of reach or refuses.
    fn root(&self, wanted: &[u8; 16]) -> Result<(DatasetKey, bool), Error> {
        let mut unreachable = None;
        for (path, next) in [(self.path.clone(), false), (next_path(&self.path), true)] {
            if next && !private_file::exists(&path) {
                continue;
            }
            match RootFile::read(&path) {
                Ok(file) if file.id() != *wanted => {}
                Ok(RootFile::Key { root, .. }) if self.passphrase.is_none() => return Ok((root, next)),
                Ok(RootFile::Passphrase { .. }) => {
                    let known = self.passphrase.iter().flat_map(|unlocked| &unlocked.roots).find(|(id, _)| id == wanted);
                    if let Some((_, root)) = known {
                        return Ok((root.clone(), next));
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == polder_types::ErrorKind::Unavailable => unreachable = Some(error),
                Err(error) => return Err(error),
            }
        }
        match unreachable {
            Some(error) => Err(Error::CustodyUnreachable { custody: self.name(), source: Some(Box::new(error)) }),
            None => Err(Error::OtherRoot { custody: self.name(), wanted: hex::encode(wanted) }),
        }
    }

    fn take_place(&self) -> Result<(), Error> {
        let next = next_path(&self.path);
        if private_file::exists(&next) && RootFile::read(&next)?.id() == self.current() {
            private_file::replace(&next, &self.path, WHAT)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Custody for LocalCustody {
    fn describe(&self) -> CustodyInfo {
        let kind = if self.passphrase.is_some() { "passphrase" } else { "key-file" };
        CustodyInfo { kind, root: self.current(), location: self.name() }
    }

    async fn wrap(&self, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, Error> {
        let (root, _) = self.root(&self.current())?;
        root::wrap(&root, plain, context, self.rng.as_ref())
    }

    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Secret<Vec<u8>>, Error> {
        let changed = || Error::Unwrap { custody: self.name() };
        let wanted = root::wrapped_by(wrapped).ok_or_else(changed)?;
        let (root, next) = self.root(&wanted)?;
        let plain = root::unwrap(&root, wrapped, context).map_err(|_| changed())?;
        if next && self.current() != wanted {
            // The rotation got as far as the keyring; only this was left to do.
            *self.current.write() = wanted;
            self.take_place()?;
        }
        Ok(plain)
    }

    async fn stage(&self, rng: Arc<dyn Rng>) -> Result<Option<Arc<dyn Custody>>, Error> {
        self.take_place()?;
        let next = next_path(&self.path);
        // What is left is of a rotation that never reached the keyring: nothing was wrapped by it.
        private_file::remove(&next, WHAT)?;
        let new = DatasetKey::random(rng.as_ref())?;
        let id = root::root_id(&new);
        let passphrase = match &self.passphrase {
            None => {
                root_file::create_key_file(&next, &new)?;
                None
            }
            Some(Unlocked { kdf, key, .. }) => {
                root_file::create_passphrase_file(&next, &new, kdf, key, rng.as_ref())?;
                Some(Unlocked { kdf: *kdf, key: key.clone(), roots: vec![(id, new)] })
            }
        };
        Ok(Some(Arc::new(Self { path: self.path.clone(), rng, current: RwLock::new(id), passphrase })))
    }

    async fn promote(&self) -> Result<(), Error> {
        self.take_place()
    }
}

fn next_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
