//! The sealed object store: plaintext on this side, ciphertext on the storage's.

mod multipart;
mod object_store_impl;
mod open;
mod ranges;
mod seal;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutOptions};
use parking_lot::{Mutex, RwLock};
use polder_crypto::{Header, LengthProof};
use polder_keys::{KeyringVault, Keys};
use polder_types::{DatasetId, Rng};

use crate::backend::{Backend, Identity};
use crate::error::Error;
use crate::layout::{Area, ObjectPath, object_path};

/// Most lengths that are remembered as authenticated. When there are more, all are forgotten: each costs one segment to learn.
const PROOFS_MAX: usize = 16_384;

/// Objects sealed under their dataset's key, bound to their path. Cheap to clone. Implements [`object_store::ObjectStore`]:
/// paths are `<area>/<dataset id>/<rest>`, sizes are those of the plaintext, and bytes are given out only when the object's
/// length and the segments that hold them are authenticated.
#[derive(Clone)]
pub struct SealedStore(Arc<Inner>);

struct Inner {
    backend: Backend,
    keys: Keys,
    rng: Arc<dyn Rng>,
    proofs: Mutex<HashMap<String, (Identity, LengthProof)>>,
    /// The highest generation seen of each object that was ever replaced.
    generations: Mutex<HashMap<String, u64>>,
    /// The oldest key version that objects of a dataset may be under, where all of them were sealed again.
    oldest: RwLock<HashMap<DatasetId, u32>>,
}

/// What [`SealedStore::verify`] authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The object's header.
    pub header: Header,
    /// Plaintext bytes.
    pub plain_bytes: u64,
}

/// What [`SealedStore::reencrypt`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reencrypted {
    /// Whether the object was under an older key version, and so was sealed anew.
    pub changed: bool,
    /// The key version that it is under now.
    pub key_version: u32,
    /// Its generation now.
    pub generation: u64,
    /// Plaintext bytes.
    pub plain_bytes: u64,
}

impl SealedStore {
    /// A store over a directory or a bucket, under a keyring.
    pub fn new(backend: Backend, keys: Keys, rng: Arc<dyn Rng>) -> Self {
        Self(Arc::new(Inner { backend, keys, rng, proofs: Mutex::default(), generations: Mutex::default(), oldest: RwLock::default() }))
    }

    /// Where the ciphertext lies.
    pub fn backend(&self) -> &Backend {
        &self.0.backend
    }

    /// The keyring.
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// From now on an object of a dataset under an older version of its key than this is refused: all of them were sealed again
    /// under this one or a newer one, so that it can only be an older copy, put back. Who keeps the record of that says so.
    pub fn refuse_older_keys(&self, dataset: DatasetId, oldest: u32) {
        let mut known = self.0.oldest.write();
        let version = known.entry(dataset).or_default();
        *version = oldest.max(*version);
    }

    /// The newest version of the keyring in the store, 0 when there is none: what the store holds, whatever was opened.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub async fn newest_keyring(&self) -> Result<u64, polder_keys::Error> {
        Ok(self.0.backend.versions().await?.into_iter().max().unwrap_or(0))
    }

    /// The path of an object: `<area>/<dataset id>/<rest>`.
    pub fn path(area: Area, dataset: DatasetId, rest: &str) -> Path {
        object_path(area, dataset, rest)
    }

    /// Creates an object that does not exist yet. When this returns, it is durable.
    ///
    /// # Errors
    /// `AlreadyExists` when it exists; otherwise see [`crate::kind_of`].
    pub async fn create(&self, path: &Path, bytes: Bytes) -> Result<(), object_store::Error> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.put_opts(path, bytes.into(), options).await.map(drop)
    }

    /// A whole object. For what is read in one piece anyway: snapshots, entries, reports.
    ///
    /// # Errors
    /// `NotFound` when there is none; otherwise see [`crate::kind_of`].
    pub async fn read(&self, path: &Path) -> Result<Bytes, object_store::Error> {
        let (this, path) = (self.clone(), path.as_ref().to_owned());
        let read = blocking("read", path.clone(), move || {
            let object = this.0.open(&path)?;
            object.read(0..object.plain_len())
        });
        read.await
    }

    /// The authenticated header of an object.
    ///
    /// # Errors
    /// When there is no such object, or it is not as it was sealed.
    pub async fn inspect(&self, path: &Path) -> Result<Header, Error> {
        let (this, path) = (self.clone(), path.as_ref().to_owned());
        blocking("open", path.clone(), move || Ok(this.0.open(&path)?.header().clone())).await
    }

    /// Authenticates every segment of an object.
    ///
    /// # Errors
    /// When there is no such object, or any bit of it is not as it was sealed.
    pub async fn verify(&self, path: &Path) -> Result<Verified, Error> {
        let (this, path) = (self.clone(), path.as_ref().to_owned());
        let verified = blocking("open", path.clone(), move || {
            let object = this.0.open(&path)?;
            object.read_all(|_| Ok(()))?;
            Ok(Verified { header: object.header().clone(), plain_bytes: object.plain_len() })
        });
        verified.await
    }

    /// Seals an object anew when it is under an older version of its dataset's key. The object is whole at every moment,
    /// under the old version or the new one: after a crash, run it again.
    ///
    /// # Errors
    /// When there is no such object, it is not as it was sealed, or it was changed or removed meanwhile.
    pub async fn reencrypt(&self, path: &Path) -> Result<Reencrypted, Error> {
        let (this, path) = (self.clone(), path.as_ref().to_owned());
        blocking("reencrypt", path.clone(), move || this.0.reencrypt(&path)).await
    }
}

impl Inner {
    fn reencrypt(&self, path: &str) -> Result<Reencrypted, Error> {
        let object = self.open(path)?;
        let dataset = ObjectPath::parse(path)?.dataset;
        let (current, _) = self.keys.seal_key(dataset).map_err(|source| Error::Key { path: path.to_owned(), source })?;
        let Header { key_version, generation, .. } = *object.header();
        let plain_bytes = object.plain_len();
        if key_version >= current {
            return Ok(Reencrypted { changed: false, key_version, generation, plain_bytes });
        }
        let generation = self.generation_after(path, generation)?;
        let mut sealing = self.begin(path, generation)?;
        object.read_all(|plaintext| sealing.write(plaintext))?;
        let key_version = sealing.key_version();
        let draft = sealing.finish()?;
        // What was read must still be what is replaced: an object deleted meanwhile must not come back.
        match self.backend.stat(path) {
            Ok(stat) if stat.identity == object.stat().identity => drop(draft.replace(path, object.stat())?),
            Ok(_) | Err(Error::NotFound { .. }) => return Err(Error::Changed { path: path.to_owned() }),
            Err(error) => return Err(error),
        }
        self.saw(path, generation);
        Ok(Reencrypted { changed: true, key_version, generation, plain_bytes })
    }

    /// Remembers a generation. Objects that were never replaced take no room: anything but their first is newer.
    fn saw(&self, path: &str, generation: u64) {
        if generation > 1 {
            let mut generations = self.generations.lock();
            match generations.get_mut(path) {
                Some(seen) => *seen = generation.max(*seen),
                None => drop(generations.insert(path.to_owned(), generation)),
            }
        }
    }

    fn seen(&self, path: &str) -> u64 {
        self.generations.lock().get(path).copied().unwrap_or_default()
    }

    fn generation_after(&self, path: &str, generation: u64) -> Result<u64, Error> {
        let newest = generation.max(self.seen(path));
        newest.checked_add(1).ok_or_else(|| Error::Unsupported { what: "replace for the 2^64th time", path: path.to_owned() })
    }

    /// The oldest key version that an object of a dataset may be under.
    fn oldest(&self, dataset: DatasetId) -> u32 {
        self.oldest.read().get(&dataset).copied().unwrap_or_default()
    }

    fn forget(&self, path: &str) {
        self.generations.lock().remove(path);
        self.proofs.lock().remove(path);
    }

    fn proof(&self, path: &str, identity: Identity) -> Option<LengthProof> {
        self.proofs.lock().get(path).filter(|(known, _)| *known == identity).map(|(_, proof)| *proof)
    }

    fn keep_proof(&self, path: &str, identity: Identity, proof: LengthProof) {
        let mut proofs = self.proofs.lock();
        if proofs.len() >= PROOFS_MAX {
            proofs.clear();
        }
        proofs.insert(path.to_owned(), (identity, proof));
    }
}

impl fmt::Debug for SealedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStore").field("name", &self.0.backend.name()).finish_non_exhaustive()
    }
}

impl fmt::Display for SealedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedStore({})", self.0.backend.name())
    }
}

/// Runs what blocks away from the tasks that must not, or in place where there is no runtime.
pub(crate) async fn blocking<T, E>(
    step: &'static str,
    path: impl Into<String>,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error>,
{
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return work().map_err(E::from) };
    match runtime.spawn_blocking(work).await {
        Ok(done) => done.map_err(E::from),
        Err(lost) => match lost.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(E::from(Error::Cancelled { step, path: path.into() })),
        },
    }
}
