//! `unique` and `primaryKey`: which admitted rows repeat a key, of this load or of the table; and where loads merge, which rows another
//! one of their key came after.
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
pub(crate) mod rank;
mod sorted;
mod store;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use parking_lot::Mutex;
use polder_types::Secret;

use crate::admitted::Rule;
use crate::contract::Contract;
use crate::error::Error;
use crate::spill::{KeyAccess, KeyLookup, SpillFiles};
use crate::unique::key::KeyPlan;
pub(crate) use crate::unique::key::Rows;
use crate::unique::places::Places;
use crate::unique::rank::{Cursor, cursors};
use crate::unique::store::{Keep, Store};

/// Rows that repeat a key of one constraint, all by one rule.
#[derive(Debug)]
pub(crate) struct Repeated {
    /// The key's columns, separated by commas.
    pub columns: Arc<str>,
    pub rule: Rule,
    /// Their places in the load.
    pub places: Places,
}

/// What uniqueness found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Rows that break a rule.
    pub repeated: Vec<Repeated>,
    /// Places of rows that break none, and after which another row of their key came.
    pub superseded: Places,
}

/// What keys need.
pub(crate) struct UniqueOptions<'a> {
    pub key: &'a Secret<Vec<u8>>,
    pub spill: Arc<dyn SpillFiles>,
    pub memory_bytes: usize,
    /// Whether a column puts rows of one key in order, where loads merge; else their places do.
    pub ordered: bool,
}

/// The uniqueness rules of a contract, with the keys seen so far.
pub(crate) struct Unique {
    constraints: Vec<Constraint>,
    /// Where loads merge, of rows with one key the last is kept, and none of them is refused.
    merges: bool,
}

struct Constraint {
    plan: KeyPlan,
    names: Arc<str>,
    primary: bool,
    store: KeyStore,
}

/// The keys of one rule.
enum KeyStore {
    ByPlace(Mutex<Store<()>>),
    /// By a cursor first. There is no fast path for rows in key order, since each has its cursor to be kept.
    ByCursor(Mutex<Store<Cursor>>),
}

impl Constraint {
    fn add(&self, rows: Rows<'_>, first: u64, order: Option<&ArrayRef>) -> Result<(), Error> {
        match &self.store {
            KeyStore::ByPlace(store) => {
                let keys = self.plan.keys(rows, &vec![(); rows.count]);
                store.lock().add(keys, first, &self.plan)
            }
            KeyStore::ByCursor(store) => {
                let ranks = order.map_or_else(|| vec![Cursor::default(); rows.count], cursors);
                let keys = self.plan.keys(rows, &ranks);
                store.lock().add(keys, first, &self.plan)
            }
        }
    }

    fn add_table(&self, batch: &RecordBatch) -> Result<(), Error> {
        match &self.store {
            KeyStore::ByPlace(store) => store.lock().add_table(self.plan.keys_of_table(batch)?, &self.plan),
            // A merge asks nothing of the table.
            KeyStore::ByCursor(_) => Ok(()),
        }
    }

    fn finish(&self, report: &mut dyn FnMut(u64, bool)) -> Result<(), Error> {
        match &self.store {
            KeyStore::ByPlace(store) => store.lock().finish(&self.plan, report),
            KeyStore::ByCursor(store) => store.lock().finish(&self.plan, report),
        }
    }
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
        let merges = contract.disposition.merges();
        let store = || {
            let spill = Arc::clone(&options.spill);
            match (merges, options.ordered) {
                (true, true) => KeyStore::ByCursor(Mutex::new(Store::new(spill, memory_each, Keep::Last))),
                (true, false) => KeyStore::ByPlace(Mutex::new(Store::new(spill, memory_each, Keep::Last))),
                (false, _) => KeyStore::ByPlace(Mutex::new(Store::new(spill, memory_each, Keep::First))),
            }
        };
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
                store: store(),
            })
            .collect();
        Ok(Self { constraints, merges })
    }

    /// Takes the keys of rows that hold their rules, and what puts them in order. Only putting them away is under a lock. `first` is the
    /// place in the run of the batch's first record.
    pub fn add(&self, rows: Rows<'_>, first: u64, order: Option<&ArrayRef>) -> Result<(), Error> {
        self.constraints.iter().try_for_each(|constraint| constraint.add(rows, first, order))
    }

    /// Where loads merge, every row but the last of its key. Else every row that repeats a key: of rows with one key the first is kept,
    /// unless the table holds it. A row that breaks several of these rules is reported once, with the first.
    pub fn finish(&self, existing: Option<Box<dyn KeyLookup>>) -> Result<Found, Error> {
        let mut found = Found::default();
        if self.constraints.is_empty() {
            return Ok(found);
        }
        if let Some(mut lookup) = existing.filter(|_| !self.merges) {
            let access = KeyAccess::of_the_gate();
            while let Some(batch) = lookup.next_keys(&access)? {
                self.constraints.iter().try_for_each(|constraint| constraint.add_table(&batch))?;
            }
        }
        for constraint in &self.constraints {
            if self.merges {
                constraint.finish(&mut |ordinal, _| {
                    found.superseded.insert(ordinal);
                })?;
                continue;
            }
            let (mut of_load, mut of_table) = (Places::default(), Places::default());
            constraint.finish(&mut |ordinal, in_table| {
                if !found.repeated.iter().any(|earlier| earlier.places.contains(ordinal)) {
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
            let broken = rules.into_iter().filter(|(_, places)| places.len() > 0);
            found.repeated.extend(broken.map(|(rule, places)| Repeated { columns: Arc::clone(columns), rule, places }));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
