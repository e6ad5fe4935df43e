//! Who may stop whose statement: keys that each connection is given, and that another connection shows.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use polder_types::{ErrorKind, Rng};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use crate::fault::Fault;

/// The connections of a listener. Clones are one.
#[derive(Clone, Default)]
pub struct Registry {
    entries: Arc<Mutex<HashMap<i32, Entry>>>,
}

struct Entry {
    key: Vec<u8>,
    cancel: watch::Sender<u64>,
}

/// A place in the registry, left when it is dropped.
pub struct Registered {
    registry: Registry,
    /// The number by which the connection is named: random, and says nothing of a process.
    pub number: i32,
    /// What must be shown.
    pub key: Vec<u8>,
    /// Changes when the statement is to be stopped.
    pub cancel: watch::Receiver<u64>,
}

impl Registry {
    /// Gives a connection a number and a key of `length` bytes.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn register(&self, rng: &dyn Rng, length: usize) -> Result<Registered, Fault> {
        let random = |buffer: &mut [u8]| {
            rng.fill(buffer).map_err(|_| Fault::new(ErrorKind::Internal, "make a key: the system gives no randomness; try again later"))
        };
        let mut key = vec![0; length];
        random(&mut key)?;
        let sender = watch::Sender::new(0);
        let cancel = sender.subscribe();
        loop {
            let mut bytes = [0; 4];
            random(&mut bytes)?;
            let number = i32::from_be_bytes(bytes) & i32::MAX;
            let mut entries = self.entries.lock();
            if number != 0
                && let std::collections::hash_map::Entry::Vacant(place) = entries.entry(number)
            {
                place.insert(Entry { key: key.clone(), cancel: sender });
                drop(entries);
                return Ok(Registered { registry: self.clone(), number, key, cancel });
            }
        }
    }

    /// Stops what runs on a connection, where the key is its own. Nobody is told whether it was.
    pub fn cancel(&self, number: i32, key: &[u8]) {
        let entries = self.entries.lock();
        if let Some(entry) = entries.get(&number)
            && bool::from(entry.key.ct_eq(key))
        {
            entry.cancel.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.entries.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use polder_types::SeededRng;

    use super::*;

    #[test]
    fn only_the_key_of_a_connection_stops_it_and_only_while_it_is_there() {
        let registry = Registry::default();
        let rng = SeededRng::new(5);
        let mut one = registry.register(&rng, 4).unwrap();
        let other = registry.register(&rng, 32).unwrap();
        let mut wrong = one.key.clone();
        wrong[3] ^= 1;
        for (number, key) in [(one.number, &wrong), (one.number, &other.key), (other.number, &one.key), (one.number ^ 1, &one.key)] {
            registry.cancel(number, key);
        }
        registry.cancel(one.number, &one.key[..3]);
        assert!(!one.cancel.has_changed().unwrap());
        registry.cancel(one.number, &one.key.clone());
        assert!(one.cancel.has_changed().unwrap());
        one.cancel.mark_unchanged();
        let (number, key) = (one.number, one.key.clone());
        drop(one);
        registry.cancel(number, &key);
        assert_eq!(registry.entries.lock().len(), 1);
    }
}
