use async_trait::async_trait;

use crate::error::Error;

/// Where keyrings are kept: `store` implements it over its directory or bucket. What it holds is ciphertext.
#[async_trait]
pub trait KeyringVault: Send + Sync {
    /// The versions that exist, in any order.
    ///
    /// # Errors
    /// When the store cannot be reached.
    async fn versions(&self) -> Result<Vec<u64>, Error>;

    /// The bytes of one version.
    ///
    /// # Errors
    /// When it does not exist or the store cannot be reached.
    async fn read(&self, version: u64) -> Result<Vec<u8>, Error>;

    /// Writes a new version, durable when this returns.
    ///
    /// # Errors
    /// [`Error::VersionExists`] when that version exists, which leaves it as it was; [`Error::Vault`] otherwise.
    async fn create(&self, version: u64, bytes: Vec<u8>) -> Result<(), Error>;

    /// Removes an old version. One that is gone already is no error.
    ///
    /// # Errors
    /// When the store cannot be reached.
    async fn delete(&self, version: u64) -> Result<(), Error>;
}
