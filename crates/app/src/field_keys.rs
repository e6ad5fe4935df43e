//! The keys of domains of masked values: datasets `domain:NAME` of the keyring, whose first version masks for good.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_contract::{Approved, FieldKeys, Masking};
use polder_crypto::FieldKey;
use polder_keys::{DatasetKey, Keys};
use polder_types::{DatasetId, ErrorKind};

use crate::failure::{Failure, Outcome};
use crate::installation::Installation;

/// What the names of their datasets begin with.
pub const DOMAIN: &str = "domain:";
/// The version of a domain's key that masks. Another one would give other pseudonyms, which would not join with those that are stored.
pub const MASKING_VERSION: u32 = 1;

struct Domains(BTreeMap<String, Arc<FieldKey>>);

impl FieldKeys for Domains {
    fn field_key(&self, domain: &str) -> Option<Arc<FieldKey>> {
        self.0.get(domain).cloned()
    }
}

impl Installation {
    /// What masks the columns of a contract. The key of a domain that has none is made, which is recorded; a dry run makes none, and
    /// masks under a key that it forgets.
    ///
    /// # Errors
    /// When the keyring cannot be written, or a domain's key was destroyed.
    pub async fn masking(&self, approved: &Approved, dry_run: bool) -> Outcome<Option<Masking>> {
        let mut keys = BTreeMap::new();
        for domain in approved.domains() {
            let name = format!("{DOMAIN}{domain}");
            let key = match self.keys.find(&name) {
                Some(dataset) => self.domain_key(domain, dataset)?,
                None if dry_run => FieldKey::derive(DatasetKey::random(self.rng.as_ref())?.expose()),
                None => self.domain_key(domain, self.dataset(&name).await?)?,
            };
            keys.insert(domain.to_owned(), Arc::new(key));
        }
        let masking = || Masking { keys: Arc::new(Domains(keys)), rng: Arc::clone(&self.rng) };
        Ok(if approved.domains().is_empty() { None } else { Some(masking()) })
    }

    /// The key of a domain.
    ///
    /// # Errors
    /// When the lease is lost, or the key was destroyed.
    pub fn domain_key(&self, domain: &str, dataset: DatasetId) -> Outcome<FieldKey> {
        domain_key(&self.keys, domain, dataset)
    }
}

/// The key of a domain.
///
/// # Errors
/// When the lease is lost, or the key was destroyed.
pub fn domain_key(keys: &Keys, domain: &str, dataset: DatasetId) -> Outcome<FieldKey> {
    match keys.open_key(dataset, MASKING_VERSION) {
        Ok(key) => Ok(FieldKey::derive(key.expose())),
        Err(polder_keys::Error::Destroyed { .. }) => Err(Failure::new(
            ErrorKind::Rejected,
            format!(
                "mask under domain {domain}: its key was destroyed, so nobody can make or open what was masked under it; name another domain in the contracts, and load their tables anew"
            ),
        )),
        Err(error) => Err(error.into()),
    }
}
