//! How many questions of one principal are answered at once, over all of its sessions.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use polder_serve::Fault;
use polder_types::PrincipalId;

/// The questions that are being answered, by principal.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    most: usize,
    running: Arc<Mutex<HashMap<PrincipalId, usize>>>,
}

/// One question's place. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    principal: PrincipalId,
    running: Arc<Mutex<HashMap<PrincipalId, usize>>>,
}

impl Turns {
    pub(super) fn new(most: usize) -> Self {
        Self { most, running: Arc::default() }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// When all that the principal has are taken.
    pub(super) fn take(&self, principal: &PrincipalId) -> Result<Turn, Fault> {
        let mut running = self.running.lock();
        let taken = running.get(principal).copied().unwrap_or_default();
        if taken >= self.most {
            return Err(Fault::limit(format!(
                "answer query: {} of {principal} are being answered already, and no more may be at once; wait until one has ended",
                self.most
            )));
        }
        running.insert(principal.clone(), taken.saturating_add(1));
        Ok(Turn { principal: principal.clone(), running: Arc::clone(&self.running) })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        match running.get_mut(&self.principal) {
            Some(taken) if *taken > 1 => *taken = taken.saturating_sub(1),
            _ => {
                running.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_so_many_places_and_takes_none_of_others() {
        let turns = Turns::new(2);
        let [ann, bob] = ["ann", "bob"].map(|name| PrincipalId::new("user", name).unwrap());
        let (first, _second) = (turns.take(&ann).unwrap(), turns.take(&ann).unwrap());
        let refused = turns.take(&ann).unwrap_err();
        assert_eq!(refused.sqlstate(), "53400");
        assert_eq!(
            refused.message(),
            "answer query: 2 of user:ann are being answered already, and no more may be at once; wait until one has ended"
        );
        let other = turns.take(&bob).unwrap();
        drop(first);
        let third = turns.take(&ann).unwrap();
        assert!(turns.take(&ann).is_err());
        drop((third, other));
        assert_eq!(turns.running.lock().len(), 1, "who asks nothing is not remembered");
    }
}
