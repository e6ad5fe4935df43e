//! The keyring's life on a real directory: lease, rotation, destruction, recovery, attacks, kills.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use polder_types::{Clock, ErrorKind, LineageId, ManualClock, Rng, SeededRng, SystemRng};

use crate::*;

mod attack;
mod error_texts;
mod golden;
mod kill;
mod life;
mod recover;
mod shred;

const LINEAGE: LineageId = LineageId([0x11; 16]);
const NOW_MS: i64 = 1_780_000_000_000;

/// A vault as a directory of files, written as `store` does: create-only, file and directory synced.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn file(&self, version: u64) -> PathBuf {
        self.0.join(format!("{version:020}"))
    }

    fn failed(step: &'static str, version: Option<u64>, source: std::io::Error) -> Error {
        Error::Vault { step, version, kind: ErrorKind::Unavailable, source: Some(Box::new(source)) }
    }
}

#[async_trait]
impl KeyringVault for Directory {
    async fn versions(&self) -> Result<Vec<u64>, Error> {
        let entries = std::fs::read_dir(&self.0).map_err(|e| Self::failed("list", None, e))?;
        Ok(entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect())
    }

    async fn read(&self, version: u64) -> Result<Vec<u8>, Error> {
        std::fs::read(self.file(version)).map_err(|e| Self::failed("read", Some(version), e))
    }

    async fn create(&self, version: u64, bytes: Vec<u8>) -> Result<(), Error> {
        use std::io::Write;
        let mut file = match std::fs::File::create_new(self.file(version)) {
            Err(exists) if exists.kind() == std::io::ErrorKind::AlreadyExists => return Err(Error::VersionExists { version }),
            other => other.map_err(|e| Self::failed("write", Some(version), e))?,
        };
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(|e| Self::failed("write", Some(version), e))?;
        std::fs::File::open(&self.0).and_then(|directory| directory.sync_all()).map_err(|e| Self::failed("write", Some(version), e))
    }

    async fn delete(&self, version: u64) -> Result<(), Error> {
        std::fs::remove_file(self.file(version)).map_err(|e| Self::failed("delete", Some(version), e))
    }
}

/// An installation in a directory of its own.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) rng: Arc<dyn Rng>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(Arc::new(SystemRng))
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        Self::with(Arc::new(SeededRng::new(seed)))
    }

    fn with(rng: Arc<dyn Rng>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("keyring")).unwrap();
        Self { directory, clock: Arc::new(ManualClock::new(NOW_MS)), rng }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn vault(&self) -> Arc<Directory> {
        Arc::new(Directory(self.path("keyring")))
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as _
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.path("root.key")
    }

    pub(crate) fn custody(&self) -> Arc<LocalCustody> {
        Arc::new(LocalCustody::open_key_file(&self.key_file()).unwrap())
    }

    pub(crate) async fn create(&self) -> Keys {
        let custody = LocalCustody::create_key_file(&self.key_file(), Arc::clone(&self.rng)).unwrap();
        let keys = Keys::create(LINEAGE, Arc::new(custody), self.vault(), self.clock(), Arc::clone(&self.rng)).await.unwrap();
        keys.add_datasets(&["system:journal", "table:flights"]).await.unwrap();
        keys
    }

    pub(crate) async fn open(&self) -> Result<Keys, Error> {
        Keys::open(self.custody(), self.vault(), self.clock(), Arc::clone(&self.rng)).await
    }
}

/// Everything that two leases on one keyring must agree on.
pub(crate) fn everything(keys: &Keys) -> Vec<String> {
    let mut all = vec![hex::encode(keys.verifying_key()), hex::encode(keys.derive("test").unwrap().expose_secret())];
    for info in keys.datasets() {
        all.push(format!("{info:?}"));
        for version in info.versions.iter().filter(|version| version.state == KeyState::Live) {
            all.push(hex::encode(keys.open_key(info.id, version.version).unwrap().expose()));
        }
    }
    all
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// How many cases a property has: as many as `PROPTEST_CASES` says, else as many as suffice for every day.
pub(crate) fn cases(usual: u32) -> proptest::test_runner::Config {
    let config = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => proptest::test_runner::Config::default(),
        None => proptest::test_runner::Config::with_cases(usual),
    };
    // What a property assumes, it may find wanting in proportion.
    proptest::test_runner::Config { max_global_rejects: config.cases.saturating_mul(4), ..config }
}
