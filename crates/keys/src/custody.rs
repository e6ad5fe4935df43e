//! Who holds the root: it wraps the keyring's key and never gives itself away.

use std::sync::Arc;

use async_trait::async_trait;
use polder_types::{Rng, Secret};

use crate::error::Error;

pub mod local;
pub(crate) mod private_file;
pub(crate) mod root;
mod root_file;

/// What a custody says of itself. Nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustodyInfo {
    /// `key-file`, `passphrase`, or a service's name.
    pub kind: &'static str,
    /// The id of the root that wraps now: another root has another id.
    pub root: [u8; 16],
    /// Where it is: a path or an address.
    pub location: String,
}

/// A root key somewhere, and what it does. Errors tell a refusal ([`Error::CustodyDenied`], kind Denied: keys are dropped at
/// once) from silence ([`Error::CustodyUnreachable`], kind Unavailable: keys work until their lease ends).
#[async_trait]
pub trait Custody: Send + Sync {
    /// What this custody is.
    fn describe(&self) -> CustodyInfo;

    /// Wraps a short secret. `context` must be given again to unwrap it.
    ///
    /// # Errors
    /// When the custody refuses or cannot be reached.
    async fn wrap(&self, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, Error>;

    /// Unwraps what [`Custody::wrap`] returned.
    ///
    /// # Errors
    /// When the custody refuses or cannot be reached, or the bytes or the context are not those of the wrap.
    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Secret<Vec<u8>>, Error>;

    /// A new root in the same place, not in use yet. `None` when the custody cannot make one.
    ///
    /// # Errors
    /// When it should be able to and is not.
    async fn stage(&self, rng: Arc<dyn Rng>) -> Result<Option<Arc<dyn Custody>>, Error> {
        drop(rng);
        Ok(None)
    }

    /// Makes a staged root the only one of its place and destroys its predecessor. Called once everything is wrapped by it;
    /// harmless when it is the only one already.
    ///
    /// # Errors
    /// When the predecessor is still there.
    async fn promote(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Writes a root into a key file: a kit's, for [`crate::recovery`].
pub(crate) fn create_root_file(path: &std::path::Path, root: &crate::DatasetKey) -> Result<(), Error> {
    root_file::create_key_file(path, root)
}

/// The root of a key file, for [`crate::recovery`].
pub(crate) fn read_root_file(path: &std::path::Path) -> Result<crate::DatasetKey, Error> {
    match root_file::RootFile::read(path)? {
        root_file::RootFile::Key { root, .. } => Ok(root),
        root_file::RootFile::Passphrase { .. } => Err(Error::RootKind { path: path.to_owned(), passphrase: true }),
    }
}
