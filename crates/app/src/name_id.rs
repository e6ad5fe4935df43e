//! What stands in the log for names of the project that have no id of their own.

use polder_types::{NameId, Secret};

use crate::failure::Outcome;
use crate::installation::Installation;

/// What is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A pipeline.
    Pipeline,
    /// A table or model, as a step of a run.
    Step,
    /// An account of the register, or a name that somebody who wanted to sign in gave.
    Account,
    /// A group of the register.
    Group,
}

impl Named {
    /// The id of a name under the key of such ids, [`Installation::names_key`].
    pub fn id(self, key: &[u8], name: &str) -> NameId {
        let sort = match self {
            Self::Pipeline => "pipeline",
            Self::Step => "step",
            Self::Account => "account",
            Self::Group => "group",
        };
        let hash = polder_crypto::hmac_sha256(key, format!("{sort}:{name}").as_bytes());
        NameId(hash.first_chunk::<16>().copied().unwrap_or_default())
    }
}

impl Installation {
    /// The id of a name: the same whenever it is asked for, and nobody without this installation's keys can tell whose it is.
    ///
    /// # Errors
    /// When the keys are unavailable.
    pub fn name_id(&self, named: Named, name: &str) -> Outcome<NameId> {
        Ok(named.id(self.names_key()?.expose_secret(), name))
    }

    /// The key of such ids.
    ///
    /// # Errors
    /// When the keys are unavailable.
    pub fn names_key(&self) -> Outcome<Secret<Vec<u8>>> {
        Ok(self.keys.derive("names in the log")?)
    }
}
