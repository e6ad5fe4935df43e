//! The port through which secrets come: the program resolves references, and no source file holds a secret itself.

use polder_types::{ErrorKind, Secret};

use crate::error::Error;

/// Resolves references to secrets, anew at each use: a secret that was changed is the new one.
pub trait Secrets: Send + Sync {
    /// What a reference such as `env:NAME` names.
    ///
    /// # Errors
    /// When it is no reference, or what it names is missing or empty. The text does not hold the secret.
    fn secret(&self, reference: &str) -> Result<Secret<String>, Error>;
}

/// For what needs none.
#[derive(Debug)]
pub(crate) struct NoSecrets;

impl Secrets for NoSecrets {
    fn secret(&self, _: &str) -> Result<Secret<String>, Error> {
        Err(Error::Elsewhere {
            text: "read a secret: nothing resolves references here; report this as a defect".to_owned(),
            kind: ErrorKind::Internal,
        })
    }
}
