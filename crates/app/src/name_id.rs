//! What stands in the log for names of the project that have no id of their own.

use polder_types::NameId;

use crate::failure::Outcome;
use crate::installation::Installation;

/// What is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A pipeline.
    Pipeline,
    /// A table or model, as a step of a run.
    Step,
}

impl Installation {
    /// The id of a name: the same whenever it is asked for, and nobody without this installation's keys can tell whose it is.
    ///
    /// # Errors
    /// When the keys are unavailable.
    pub fn name_id(&self, named: Named, name: &str) -> Outcome<NameId> {
        let sort = match named {
            Named::Pipeline => "pipeline",
            Named::Step => "step",
        };
        let key = self.keys.derive("names in the log")?;
        let hash = polder_crypto::hmac_sha256(key.expose_secret(), format!("{sort}:{name}").as_bytes());
        Ok(NameId(hash.first_chunk::<16>().copied().unwrap_or_default()))
    }
}
