//! `unique` and `primaryKey`: which admitted rows repeat a key, of this load or of the table.
//!
//! Keys of at most 16 bytes of fixed width are packed so that they compare as their columns do. While batches bring them strictly
//! increasing, which files sorted by key do, they are kept as differences of a few bits and nothing has to be compared. Other keys,
//! and packed ones once the order breaks, become 128-bit SipHash-1-3 values under a secret key, kept in memory up to the budget and
//! then partitioned into sealed temporary files. A false match of two different keys among a billion has a chance below 2 in 10^21,
//! and without the secret nobody can make one.
//!
//! However many rows repeat a key, what is kept of them stays small: at most two bytes each, and never more than 8 KiB for 65,536 rows
//! of the load (one bit a row), each with its chunk's entry in a map.

pub mod duplicates;
mod key;
mod partition;
pub(crate) mod places;
mod sorted;
mod store;

use std::sync::Arc;

use arrow::array::RecordBatch;
use parking_lot::Mutex;
use polder_types::Secret;

use crate::admitted::Rule;
use crate::contract::Contract;
use crate::error::Error;
use crate::spill::{KeyAccess, KeyLookup, SpillFiles};
use crate::unique::key::KeyPlan;
use crate::unique::places::Places;
use crate::unique::store::Store;

/// Rows that repeat a key of one constraint, all by one rule.
#[derive(Debug)]
pub(crate) struct Repeated {
    /// The key's columns, separated by commas.
    pub columns: Arc<str>,
    pub rule: Rule,
    /// Their places in the load.
    pub places: Places,
}

/// What keys need.
pub(crate) struct UniqueOptions<'a> {
    pub key: &'a Secret<Vec<u8>>,
    pub spill: Arc<dyn SpillFiles>,
    pub memory_bytes: usize,
}

/// The uniqueness rules of a contract, with the keys seen so far.
pub(crate) struct Unique {
    constraints: Vec<Constraint>,
}

struct Constraint {
    plan: KeyPlan,
    names: Arc<str>,
    primary: bool,
    store: Mutex<Store>,
}

impl Unique {
    /// No key seen yet.
    pub fn new(contract: &Contract, options: UniqueOptions<'_>) -> Result<Self, Error> {
        let Some(secret) = options.key.expose_secret().first_chunk::<16>() else { return Err(Error::Key) };
        let primary = contract.primary_key();
        let mut keys: Vec<(Vec<usize>, bool)> = Vec::new();
        if !primary.is_empty() {
            keys.push((primary.clone(), true));
        }
        let unique = contract.columns.iter().enumerate().filter(|(_, column)| column.unique).map(|(place, _)| place);
        // A column that is the whole primary key is unique already.
        keys.extend(unique.filter(|place| primary != [*place]).map(|place| (vec![place], false)));
        let memory_each = options.memory_bytes / keys.len().max(1);
        let constraints = keys
            .into_iter()
            .map(|(columns, is_primary)| Constraint {
                names: columns
                    .iter()
                    .filter_map(|place| contract.columns.get(*place))
                    .map(|column| column.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
                    .into(),
                plan: KeyPlan::new(contract, columns, *secret),
                primary: is_primary,
                store: Mutex::new(Store::new(Arc::clone(&options.spill), memory_each)),
            })
            .collect();
        Ok(Self { constraints })
    }

    /// Takes the keys of admitted rows. Only putting them away is under a lock.
    pub fn add(&self, batch: &RecordBatch, ordinals: &[std::ops::Range<u64>], first: u64) -> Result<(), Error> {
        for constraint in &self.constraints {
            let keys = constraint.plan.keys(batch, ordinals);
            constraint.store.lock().add(keys, first, &constraint.plan)?;
        }
        Ok(())
    }

    /// Every row that repeats a key; of rows with one key the first is kept, unless the table holds it. A row that breaks several of
    /// these rules is reported once, with the first.
    pub fn finish(&self, existing: Option<Box<dyn KeyLookup>>) -> Result<Vec<Repeated>, Error> {
        let mut repeated: Vec<Repeated> = Vec::new();
        if self.constraints.is_empty() {
            return Ok(repeated);
        }
        let mut stores: Vec<_> = self.constraints.iter().map(|constraint| constraint.store.lock()).collect();
        if let Some(mut lookup) = existing {
            let access = KeyAccess::of_the_gate();
            while let Some(batch) = lookup.next_keys(&access)? {
                for (constraint, store) in self.constraints.iter().zip(&mut stores) {
                    let keys = constraint.plan.keys_of_table(&batch)?;
                    store.add_table(keys, &constraint.plan)?;
                }
            }
        }
        for (constraint, store) in self.constraints.iter().zip(&mut stores) {
            let (mut of_load, mut of_table) = (Places::default(), Places::default());
            store.finish(&constraint.plan, &mut |ordinal, in_table| {
                if !repeated.iter().any(|earlier| earlier.places.contains(ordinal)) {
                    let places = if in_table { &mut of_table } else { &mut of_load };
                    places.insert(ordinal);
                }
            })?;
            let rules = if constraint.primary {
                [(Rule::PrimaryKey, of_load), (Rule::PrimaryKeyInTable, of_table)]
            } else {
                [(Rule::Unique, of_load), (Rule::UniqueInTable, of_table)]
            };
            let columns = &constraint.names;
            let found = rules.into_iter().filter(|(_, places)| places.len() > 0);
            repeated.extend(found.map(|(rule, places)| Repeated { columns: Arc::clone(columns), rule, places }));
        }
        Ok(repeated)
    }
}

#[cfg(test)]
mod tests;
