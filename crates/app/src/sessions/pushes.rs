//! What those who send rows share: how many load at once, and by what a request is known again.
//!
//! Rows for one table are loaded one request after another, those for different tables beside each other. A command that changes tables waits
//! until nothing is loaded, and nothing is loaded while it runs. The first request for a table under a contract runs alone too: it makes the keys
//! that all others find.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use polder_lake::Lake;
use polder_types::{DatasetId, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, RwLock, Semaphore};

use super::turns::Turns;
use crate::failure::{Failure, Outcome};
use crate::ingest::Offsets;
use crate::installation::Installation;
use crate::quarantine;

/// Requests at a time, those that wait for their turn among them.
const AT_ONCE: u32 = 64;
/// Of one principal.
const OF_ONE: usize = 32;
/// Loads at a time: each may take the memory of a gate and of a contract's questions.
const LOADS: usize = 4;
/// How long a request is known again.
pub(super) const KNOWN_FOR: Duration = Duration::from_secs(7 * 86_400);
/// Requests of one table that are known.
const KNOWN_MAX: usize = 1_000_000;

/// See the module.
pub(super) struct Pushes {
    /// Its locks are those of all who send.
    pub lake: Lake,
    changes: Arc<RwLock<()>>,
    room: Arc<Semaphore>,
    pub loads: Semaphore,
    pub turns: Turns,
    tables: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Memory>>>>,
}

impl Pushes {
    pub(super) fn open(installation: &Installation) -> Outcome<Self> {
        Ok(Self {
            lake: installation.lake(None)?,
            changes: Arc::default(),
            room: Arc::new(Semaphore::new(usize::try_from(AT_ONCE).unwrap_or(usize::MAX))),
            loads: Semaphore::new(LOADS),
            turns: Turns::new(OF_ONE),
            tables: Mutex::default(),
        })
    }

    pub(super) fn changes(&self) -> Arc<RwLock<()>> {
        Arc::clone(&self.changes)
    }

    /// A place for one request, as long as there is one.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Takes no request any more, and waits for those that are loaded.
    pub(super) async fn ended(&self) {
        let all = self.room.acquire_many(AT_ONCE).await;
        // Those that wait for a place get none.
        self.room.close();
        drop(all);
    }

    /// What is known of a table's requests. Whoever holds its lock is the only one who loads into the table.
    pub(super) fn of_table(&self, table: &str) -> Arc<tokio::sync::Mutex<Memory>> {
        Arc::clone(self.tables.lock().entry(table.to_owned()).or_default())
    }
}

/// The requests whose rows a table holds, found in what stands beside its commits.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Whose they are: a table that was dropped and made again has another id.
    pub dataset: Option<DatasetId>,
    /// The newest version that was looked at.
    seen: Option<u64>,
    known: HashMap<[u8; 32], Known>,
    /// The contract under which a load of this process went well.
    pub warm: Option<String>,
}

/// A request that was loaded.
#[derive(Debug, Clone, Copy)]
struct Known {
    sequence: u64,
    time_ms: i64,
}

impl Memory {
    /// Looks at what was committed since the last time. A commit of which nobody knows whether it happened is settled first.
    ///
    /// # Errors
    /// When what stands beside a commit cannot be read.
    pub(super) async fn refresh(&mut self, installation: &Installation, lake: &Lake, table: &str) -> Outcome {
        let Some(dataset) = installation.keys.find(&format!("table:{table}")) else {
            *self = Self::default();
            return Ok(());
        };
        if self.dataset != Some(dataset) {
            *self = Self { dataset: Some(dataset), ..Self::default() };
        }
        if installation.journal.state().open_intents.iter().any(|intent| intent.dataset == dataset) {
            lake.recover(dataset).await?;
        }
        let state = installation.journal.state();
        let versions = state.tables.get(&dataset).map(|head| head.versions.as_slice()).unwrap_or_default();
        let gone = quarantine::gone(installation, dataset);
        let now_ms = installation.clock.now_ms();
        let since = self.seen;
        for version in versions.iter().filter(|version| since.is_none_or(|seen| version.version > seen)) {
            let sequence = version.sequence;
            if !version.operation.loads() || !is_known(version.time_ms, now_ms) || gone.contains(Offsets::path(dataset, sequence).as_ref())
            {
                continue;
            }
            let noted = Offsets::read(installation, dataset, sequence).await?.and_then(|offsets| offsets.push);
            if let Some(noted) = noted {
                let mut key = [0; 32];
                let broken =
                    || Failure::new(ErrorKind::Corrupt, format!("read what was sent into table {table}: its key is none; restore it"));
                hex::decode_to_slice(&noted.key, &mut key).map_err(|_| broken())?;
                self.known.insert(key, Known { sequence, time_ms: version.time_ms });
            }
        }
        self.seen = versions.last().map(|version| version.version).or(since);
        Ok(())
    }

    /// The batch that a request was, while it is known.
    pub(super) fn find(&self, key: &[u8; 32], now_ms: i64) -> Option<u64> {
        self.known.get(key).filter(|known| is_known(known.time_ms, now_ms)).map(|known| known.sequence)
    }

    /// Whether one more request can be known.
    pub(super) fn has_room(&mut self, now_ms: i64) -> bool {
        if self.known.len() >= KNOWN_MAX {
            self.known.retain(|_, known| is_known(known.time_ms, now_ms));
        }
        self.known.len() < KNOWN_MAX
    }
}

/// A clock that went back forgets nothing.
fn is_known(then_ms: i64, now_ms: i64) -> bool {
    now_ms.checked_sub(then_ms).is_none_or(|since| i128::from(since) < i128::try_from(KNOWN_FOR.as_millis()).unwrap_or(i128::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_for_seven_days_and_no_longer() {
        let day_ms = 86_400_000;
        let mut memory = Memory::default();
        memory.known.insert([1; 32], Known { sequence: 5, time_ms: 0 });
        assert_eq!(memory.find(&[1; 32], 7 * day_ms - 1), Some(5));
        assert_eq!(memory.find(&[1; 32], 7 * day_ms), None);
        assert_eq!(memory.find(&[1; 32], -day_ms), Some(5), "the clock went back");
        assert_eq!(memory.find(&[2; 32], 0), None);
        assert!(memory.has_room(0));
    }
}
