//! The lease on an unwrapped keyring.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use parking_lot::RwLock;
use polder_crypto::hkdf_sha512;
use polder_types::{Clock, DatasetId, ErrorKind, LineageId, Rng, Secret};
use tokio::sync::{Mutex, watch};

use crate::custody::{Custody, CustodyInfo};
use crate::document::{Document, KeyState, Kit, KitKind, Version};
use crate::envelope::{Envelope, Wrap, WrapKind, wrap_context};
use crate::error::Error;
use crate::locked::DatasetKey;
use crate::vault::KeyringVault;

pub(crate) mod change;

/// How long unwrapped keys work without the custody's word, in milliseconds.
pub const LEASE_MS: i64 = 300_000;
/// How far a clock may be set back before the lease is doubted, in milliseconds.
const CLOCK_BACK_MS_MAX: i64 = 60_000;
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// What became of the lease. Sessions end when it is `Ended` or `Denied`; an alarm is due when it is `Unreachable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// The custody agreed at the last renewal.
    Held,
    /// The custody or the store was silent at the last renewal. Keys work until the lease ends.
    Unreachable,
    /// It ended without the custody's word. Keys are dropped.
    Ended,
    /// The custody refused. Keys are dropped.
    Denied,
}

/// A dataset of the keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetInfo {
    /// Its random id.
    pub id: DatasetId,
    /// `system:journal`, `table:flights`, ...
    pub name: String,
    /// The version that seals.
    pub current_version: u32,
    /// Every version there ever was, destroyed ones among them.
    pub versions: Vec<KeyVersionInfo>,
}

/// A version of a dataset's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyVersionInfo {
    /// Its number, from 1.
    pub version: u32,
    /// Where it stands.
    pub state: KeyState,
    /// When it was made, in milliseconds since the epoch.
    pub created_ms: i64,
}

/// A recovery kit that the keyring is wrapped for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryKitInfo {
    /// Its id, in hexadecimal, as its files name it.
    pub id: String,
    /// Needed and total number of shares; `None` for a second key file.
    pub shares: Option<(u8, u8)>,
    /// The first keyring version that it opens.
    pub since_keyring: u64,
    /// When it was written, in milliseconds since the epoch.
    pub written_ms: i64,
    /// When it was last tested; until then `doctor` is red.
    pub tested_ms: Option<i64>,
}

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

    /// When the lease ends unless it is renewed, in milliseconds since the epoch.
    pub fn lease_ends_ms(&self) -> i64 {
        self.0.state.read().granted_ms.saturating_add(LEASE_MS)
    }

    /// Follows what becomes of the lease. Sessions that hold keys or plaintext end when it is lost.
    pub fn watch(&self) -> watch::Receiver<LeaseState> {
        self.0.lease.subscribe()
    }

    /// Renews the lease through the custody, and takes up a newer keyring if there is one.
    ///
    /// # Errors
    /// Kind Denied: the keys were dropped. Any other: they work until the lease ends (a renewal may still bring them back).
    pub async fn renew(&self) -> Result<(), Error> {
        let _change = self.0.change.lock().await;
        let (custody, ring, floor) = {
            let state = self.0.state.read();
            (Arc::clone(&state.custody), state.ring.clone(), state.version)
        };
        let asked_ms = self.0.clock.now_ms();
        let agreed = match &ring {
            Some(ring) => unwrap_key(custody.as_ref(), self.0.lineage, ring.version, &ring.custody).await.map(|_| ()),
            None => Ok(()),
        };
        if let Err(error) = agreed {
            self.lost(&error);
            return Err(error);
        }
        let held = ring.as_ref().map(|ring| ring.version);
        if let Some(ring) = ring {
            // Given back, since it may have been dropped at the lease's end while the custody was asked.
            self.granted(asked_ms, ring);
        }
        let newest = newest(self.0.vault.as_ref()).await?.ok_or(Error::NoKeyring)?;
        if newest < floor {
            return Err(Error::Rollback { newest, floor });
        }
        if held == Some(newest) {
            return Ok(());
        }
        match load(self.0.vault.as_ref(), custody.as_ref(), floor).await {
            Ok(ring) if ring.document.lineage == self.0.lineage => {
                self.granted(asked_ms, Arc::new(ring));
                Ok(())
            }
            Ok(ring) => Err(Error::Keyring { version: ring.version, problem: "it belongs to another installation", source: None }),
            Err(error) => {
                self.lost(&error);
                Err(error)
            }
        }
    }

    /// Renews every minute for as long as a clone of these keys lives. Needs a Tokio runtime.
    pub fn keep_renewed(&self) -> tokio::task::JoinHandle<()> {
        self.keep_renewed_every(RENEW_EVERY)
    }

    pub(crate) fn keep_renewed_every(&self, period: Duration) -> tokio::task::JoinHandle<()> {
        let weak = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                let Some(inner) = weak.upgrade() else { return };
                // What went wrong is in the lease's state and in the log.
                let _ = Self(inner).renew().await;
            }
        })
    }

    /// Looks at the keyring, its version, and the root that wrapped it.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Document, u64, &[u8; 16]) -> Result<T, Error>) -> Result<T, Error> {
        let ring = self.ring()?;
        look(&ring.document, ring.version, &ring.custody.root)
    }

    pub(crate) fn vault(&self) -> &dyn KeyringVault {
        self.0.vault.as_ref()
    }

    fn granted(&self, granted_ms: i64, ring: Arc<Ring>) {
        let mut state = self.0.state.write();
        state.granted_ms = granted_ms;
        state.denied = false;
        state.version = ring.version;
        state.ring = Some(ring);
        drop(state);
        self.0.lease.send_replace(LeaseState::Held);
    }

    /// What a failed renewal means: a refusal drops the keys at once, silence is an alarm.
    fn lost(&self, error: &Error) {
        // A store that refuses is not the custody.
        if error.kind() == ErrorKind::Denied && !matches!(error, Error::Vault { .. }) {
            tracing::error!(%error, "the custody refused: keys are dropped");
            let mut state = self.0.state.write();
            state.ring = None;
            state.denied = true;
            drop(state);
            self.0.lease.send_replace(LeaseState::Denied);
        } else {
            tracing::error!(%error, ends_ms = self.lease_ends_ms(), "the keys' lease was not renewed");
            // Drops keys whose lease has ended, also when nobody asks for them.
            if self.ring().is_ok() {
                self.0.lease.send_replace(LeaseState::Unreachable);
            }
        }
    }

    /// The keyring, if the lease holds.
    fn ring(&self) -> Result<Arc<Ring>, Error> {
        let now = self.0.clock.now_ms();
        {
            let state = self.0.state.read();
            let held = now < state.granted_ms.saturating_add(LEASE_MS) && now >= state.granted_ms.saturating_sub(CLOCK_BACK_MS_MAX);
            match &state.ring {
                Some(ring) if held => return Ok(Arc::clone(ring)),
                Some(_) => {}
                None => return Err(if state.denied { Error::LeaseDenied } else { Error::LeaseEnded }),
            }
        }
        let mut state = self.0.state.write();
        // A renewal may have come between the two locks; then the next call finds it.
        if now >= state.granted_ms.saturating_add(LEASE_MS) || now < state.granted_ms.saturating_sub(CLOCK_BACK_MS_MAX) {
            state.ring = None;
            drop(state);
            self.0.lease.send_replace(LeaseState::Ended);
        }
        Err(Error::LeaseEnded)
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

fn kit_info(kit: &Kit) -> RecoveryKitInfo {
    RecoveryKitInfo {
        id: hex::encode(crate::custody::root::root_id(&kit.root)),
        shares: match kit.kind {
            KitKind::Shares { needed, total } => Some((needed, total)),
            KitKind::KeyFile => None,
        },
        since_keyring: kit.since,
        written_ms: kit.written_ms,
        tested_ms: kit.tested_ms,
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
