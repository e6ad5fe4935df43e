//! The lease on an unwrapped keyring.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use parking_lot::RwLock;
use polder_crypto::hkdf_sha512;
use polder_types::{Clock, DatasetId, LineageId, Rng, Secret};
use tokio::sync::{Mutex, watch};

use crate::custody::{Custody, CustodyInfo};
use crate::document::{Document, Version};
use crate::envelope::{Envelope, Wrap, WrapKind, wrap_context};
use crate::error::Error;
use crate::locked::DatasetKey;
use crate::vault::KeyringVault;

pub(crate) mod change;
mod info;
mod lease;

use info::kit_info;
pub use info::{DatasetInfo, KeyVersionInfo, RecoveryKitInfo};
pub use lease::{LEASE_MS, LeaseState};

/// A lease on the unwrapped keyring: cheap to clone, all clones are one lease. It has no `Debug`.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    lineage: LineageId,
    verifying_key: [u8; 32],
    vault: Arc<dyn KeyringVault>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    state: RwLock<State>,
    lease: watch::Sender<LeaseState>,
    /// One change or renewal at a time.
    change: Mutex<()>,
}

struct State {
    custody: Arc<dyn Custody>,
    /// `None` once dropped.
    ring: Option<Arc<Ring>>,
    /// The newest version seen: an older one is a rollback.
    version: u64,
    /// When the custody last agreed.
    granted_ms: i64,
    denied: bool,
}

/// One keyring version, opened.
struct Ring {
    version: u64,
    document: Document,
    names: BTreeMap<String, DatasetId>,
    custody: Wrap,
}

impl Ring {
    fn new(version: u64, document: Document, custody: Wrap) -> Result<Self, Error> {
        let names: BTreeMap<String, DatasetId> = document.datasets.iter().map(|(id, dataset)| (dataset.name.clone(), *id)).collect();
        if names.len() != document.datasets.len() {
            return Err(Error::Keyring { version, problem: "two datasets in it have one name", source: None });
        }
        Ok(Self { version, document, names, custody })
    }
}

impl Keys {
    /// Makes the first keyring of an installation.
    ///
    /// # Errors
    /// When the vault holds one already, or custody, vault, randomness or locked memory fail.
    pub async fn create(
        lineage: LineageId,
        custody: Arc<dyn Custody>,
        vault: Arc<dyn KeyringVault>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, Error> {
        if let Some(version) = newest(vault.as_ref()).await? {
            return Err(Error::KeyringExists { version });
        }
        let now = clock.now_ms();
        let document = Document {
            lineage,
            created_ms: now,
            changed_ms: now,
            secret: DatasetKey::random(rng.as_ref())?,
            signing_seed: DatasetKey::random(rng.as_ref())?,
            kits: Vec::new(),
            copies: BTreeMap::new(),
            datasets: BTreeMap::new(),
        };
        let ring = change::write(1, &document, custody.as_ref(), vault.as_ref(), rng.as_ref()).await?;
        Self::lease_on(ring, now, custody, vault, clock, rng)
    }

    /// Opens the newest keyring. Follow with [`Keys::require_version`] once the journal says which one was in use.
    ///
    /// # Errors
    /// When there is none, the custody refuses or is silent, or the keyring is not as it was written.
    pub async fn open(
        custody: Arc<dyn Custody>,
        vault: Arc<dyn KeyringVault>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, Error> {
        Self::open_at_least(custody, vault, clock, rng, None).await
    }

    /// As [`Keys::open`], and refuses a keyring older than `min_version`, before the custody is asked.
    ///
    /// # Errors
    /// As [`Keys::open`], and [`Error::Rollback`].
    pub async fn open_at_least(
        custody: Arc<dyn Custody>,
        vault: Arc<dyn KeyringVault>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        min_version: Option<u64>,
    ) -> Result<Self, Error> {
        let now = clock.now_ms();
        let ring = load(vault.as_ref(), custody.as_ref(), min_version.unwrap_or(0)).await?;
        Self::lease_on(ring, now, custody, vault, clock, rng)
    }

    /// Takes up a keyring that a recovery kit opened: writes the next version under a new custody.
    pub(crate) async fn rewrap(
        version: u64,
        document: Document,
        custody: Arc<dyn Custody>,
        vault: Arc<dyn KeyringVault>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, Error> {
        let now = clock.now_ms();
        let document = Document { changed_ms: now, ..document };
        let ring = change::write(version.saturating_add(1), &document, custody.as_ref(), vault.as_ref(), rng.as_ref()).await?;
        Self::lease_on(ring, now, custody, vault, clock, rng)
    }

    fn lease_on(
        ring: Ring,
        granted_ms: i64,
        custody: Arc<dyn Custody>,
        vault: Arc<dyn KeyringVault>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, Error> {
        Ok(Self(Arc::new(Inner {
            lineage: ring.document.lineage,
            verifying_key: public_key(&signing_key(&ring.document.signing_seed)?)?,
            vault,
            clock,
            rng,
            state: RwLock::new(State { custody, version: ring.version, ring: Some(Arc::new(ring)), granted_ms, denied: false }),
            lease: watch::Sender::new(LeaseState::Held),
            change: Mutex::new(()),
        })))
    }

    /// Refuses a keyring older than one that was in use.
    ///
    /// # Errors
    /// [`Error::Rollback`].
    pub fn require_version(&self, min_version: u64) -> Result<(), Error> {
        let newest = self.keyring_version();
        if newest < min_version { Err(Error::Rollback { newest, floor: min_version }) } else { Ok(()) }
    }

    /// The installation.
    pub fn lineage(&self) -> LineageId {
        self.0.lineage
    }

    /// The keyring's version in use.
    pub fn keyring_version(&self) -> u64 {
        self.0.state.read().version
    }

    /// Who holds the root.
    pub fn custody(&self) -> CustodyInfo {
        self.0.state.read().custody.describe()
    }

    /// The datasets, by id. Empty once the keys are dropped.
    pub fn datasets(&self) -> Vec<DatasetInfo> {
        let Ok(ring) = self.ring() else { return Vec::new() };
        let info = |(id, dataset): (&DatasetId, &crate::document::Dataset)| DatasetInfo {
            id: *id,
            name: dataset.name.clone(),
            current_version: dataset.current,
            versions: dataset
                .versions
                .iter()
                .map(|(version, entry)| KeyVersionInfo { version: *version, state: entry.state(), created_ms: entry.created_ms() })
                .collect(),
        };
        ring.document.datasets.iter().map(info).collect()
    }

    /// The dataset of a name. `None` once the keys are dropped.
    pub fn find(&self, name: &str) -> Option<DatasetId> {
        self.ring().ok()?.names.get(name).copied()
    }

    /// The recovery kits that the keyring is wrapped for.
    pub fn recovery_kits(&self) -> Vec<RecoveryKitInfo> {
        self.ring().map(|ring| ring.document.kits.iter().map(kit_info).collect()).unwrap_or_default()
    }

    /// The key that seals a dataset's objects now, and its version.
    ///
    /// # Errors
    /// When the lease is lost or there is no such dataset.
    pub fn seal_key(&self, dataset: DatasetId) -> Result<(u32, DatasetKey), Error> {
        let ring = self.ring()?;
        let current = ring.document.datasets.get(&dataset).ok_or(Error::UnknownDataset(dataset))?.current;
        Ok((current, key_of(&ring.document, dataset, current)?))
    }

    /// The key that opens a dataset's objects of a version.
    ///
    /// # Errors
    /// When the lease is lost, there is no such dataset or version, or the version was destroyed.
    pub fn open_key(&self, dataset: DatasetId, version: u32) -> Result<DatasetKey, Error> {
        key_of(&self.ring()?.document, dataset, version)
    }

    /// Signs with the journal's Ed25519 key.
    ///
    /// # Errors
    /// When the lease is lost.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        let ring = self.ring()?;
        sign_with(&signing_key(&ring.document.signing_seed)?, message)
    }

    /// The journal's Ed25519 public key.
    pub fn verifying_key(&self) -> [u8; 32] {
        self.0.verifying_key
    }

    /// 32 bytes for one purpose (keyed hashes), from the keyring's own secret. The same for the installation's whole life.
    ///
    /// # Errors
    /// When the lease is lost.
    pub fn derive(&self, purpose: &'static str) -> Result<Secret<Vec<u8>>, Error> {
        let ring = self.ring()?;
        let info = [b"polder.derive.1:".as_slice(), purpose.as_bytes()].concat();
        Ok(Secret::new(hkdf_sha512(ring.document.secret.expose(), &self.0.lineage.0, &info).to_vec()))
    }

    /// Looks at the keyring, its version, and the root that wrapped it.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Document, u64, &[u8; 16]) -> Result<T, Error>) -> Result<T, Error> {
        let ring = self.ring()?;
        look(&ring.document, ring.version, &ring.custody.root)
    }

    pub(crate) fn vault(&self) -> &dyn KeyringVault {
        self.0.vault.as_ref()
    }
}

/// A dataset's key of a version.
fn key_of(document: &Document, dataset: DatasetId, key_version: u32) -> Result<DatasetKey, Error> {
    let entry = document.datasets.get(&dataset).ok_or(Error::UnknownDataset(dataset))?;
    match entry.versions.get(&key_version) {
        Some(Version::Live { key, .. }) => Ok(key.clone()),
        Some(Version::Gone(_)) => Err(Error::Destroyed { dataset, key_version }),
        None => Err(Error::UnknownKeyVersion { dataset, key_version }),
    }
}

/// The newest version in a vault.
pub(crate) async fn newest(vault: &dyn KeyringVault) -> Result<Option<u64>, Error> {
    Ok(vault.versions().await?.into_iter().max())
}

/// Opens the newest keyring with a custody.
async fn load(vault: &dyn KeyringVault, custody: &dyn Custody, floor: u64) -> Result<Ring, Error> {
    let version = newest(vault).await?.ok_or(Error::NoKeyring)?;
    if version < floor {
        return Err(Error::Rollback { newest: version, floor });
    }
    let envelope = Envelope::parse(version, &vault.read(version).await?)?;
    let missing = Error::Keyring { version, problem: "it was damaged", source: None };
    let wrap = envelope.wrap(WrapKind::Custody, None).ok_or(missing)?;
    let key = unwrap_key(custody, envelope.lineage, version, wrap).await?;
    Ring::new(version, envelope.open(key.expose())?, wrap.clone())
}

/// The keyring's own key, from its wrap.
async fn unwrap_key(custody: &dyn Custody, lineage: LineageId, version: u64, wrap: &Wrap) -> Result<DatasetKey, Error> {
    let context = wrap_context(lineage, version, wrap.kind, &wrap.root);
    let changed = |source| Error::Keyring { version, problem: "its wrapped key was changed", source };
    let plain = custody.unwrap(&wrap.bytes, &context).await.map_err(|error| match error {
        Error::Unwrap { .. } => changed(Some(Box::new(error) as _)),
        other => other,
    })?;
    DatasetKey::copied(plain.expose_secret().as_slice().try_into().map_err(|_| changed(None))?)
}

/// An Ed25519 key from its seed.
pub(crate) fn signing_key(seed: &DatasetKey) -> Result<Ed25519KeyPair, Error> {
    Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| Error::Signing)
}

pub(crate) fn public_key(key: &Ed25519KeyPair) -> Result<[u8; 32], Error> {
    key.public_key().as_ref().try_into().map_err(|_| Error::Signing)
}

pub(crate) fn sign_with(key: &Ed25519KeyPair, message: &[u8]) -> Result<[u8; 64], Error> {
    let signature = key.try_sign(message).map_err(|_| Error::Signing)?;
    signature.as_ref().try_into().map_err(|_| Error::Signing)
}
