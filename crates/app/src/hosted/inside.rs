//! What goes on inside the process that serves: commands of others and runs of the scheduler. Those that change tables or keys have a turn,
//! one after another, as processes of their own have the lease; and each can be asked to end.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use polder_types::{ErrorKind, RunId};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedRwLockWriteGuard, RwLock};

use super::{Host, with};
use crate::failure::{Failure, Outcome};
use crate::identities::Identities;
use crate::installation::Installation;
use crate::scheduler::Standing;
use crate::signals::{StopHandle, Told};

/// Of the thread of a command or a run: plans are deep.
pub(super) const STACK_BYTES: usize = 16 << 20;

/// Whoever has it may change tables and keys, and rows that someone sends are not loaded meanwhile.
pub type Turn = OwnedRwLockWriteGuard<()>;

/// All that goes on inside.
pub struct Inside {
    pub(super) installation: Arc<Installation>,
    pub(super) identities: Arc<Identities>,
    turn: Arc<RwLock<()>>,
    /// How each that goes on is ended, by its number.
    going: Mutex<BTreeMap<u64, StopHandle>>,
    number: AtomicU64,
    /// The same by the run that it is at.
    runs: Mutex<BTreeMap<RunId, StopHandle>>,
    /// How the pipelines stand; none where the scheduler does not run here.
    scheduler: Mutex<Option<Vec<Standing>>>,
    /// Another certificate lies in the store.
    certificate: Notify,
}

/// Goes on as long as this lives.
pub(super) struct Going {
    inside: Arc<Inside>,
    number: u64,
}

impl Drop for Going {
    fn drop(&mut self) {
        self.inside.going.lock().remove(&self.number);
    }
}

impl Inside {
    /// Nothing goes on yet. `turn` is shared with the sessions, which load and run too.
    pub fn new(installation: Arc<Installation>, identities: Arc<Identities>, turn: Arc<RwLock<()>>) -> Arc<Self> {
        Arc::new(Self {
            installation,
            identities,
            turn,
            going: Mutex::default(),
            number: AtomicU64::new(0),
            runs: Mutex::default(),
            scheduler: Mutex::default(),
            certificate: Notify::new(),
        })
    }

    /// The installation, acting for the account that serves; the project's files as they are now.
    ///
    /// # Errors
    /// When they do not load, or speak of another store than is served.
    pub fn installation(&self) -> Outcome<Installation> {
        self.installation.acting_as(&self.installation.actor)
    }

    /// Waits for the turn, so many seconds where that is said.
    ///
    /// # Errors
    /// `Busy` when others took longer.
    pub async fn turn(&self, wait_s: Option<u64>) -> Outcome<Turn> {
        let turn = Arc::clone(&self.turn).write_owned();
        let Some(seconds) = wait_s else { return Ok(turn.await) };
        tokio::time::timeout(Duration::from_secs(seconds), turn).await.map_err(|_| {
            let text = format!(
                "wait for the turn inside `polder serve`: others that change tables took longer than {seconds} s; try again, or wait longer (--wait)"
            );
            Failure::new(ErrorKind::Busy, text)
        })
    }

    /// Something goes on that can be asked to end.
    pub(super) fn goes_on(self: &Arc<Self>, stop: StopHandle) -> Going {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.going.lock().insert(number, stop);
        Going { inside: Arc::clone(self), number }
    }

    /// Works on a thread of its own, for the account that serves; `done` hears what came of it, none where it panicked: that ends nothing
    /// else.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn begin<T>(
        self: &Arc<Self>,
        stop: StopHandle,
        work: impl FnOnce(&Handle) -> T + Send + 'static,
        done: impl FnOnce(Option<T>) + Send + 'static,
    ) -> io::Result<()> {
        let (inside, runtime) = (Arc::clone(self), Handle::current());
        let thread = move || {
            let going = inside.goes_on(stop.clone());
            let host = Arc::new(Host { actor: inside.installation.actor.clone(), caller: None, stop, inside });
            // What it had taken is given back as it unwinds; what it left half done in the store is for whoever hears of it.
            let came = catch_unwind(AssertUnwindSafe(|| with(&host, || work(&runtime)))).ok();
            drop((host, going));
            done(came);
        };
        std::thread::Builder::new().name("run".to_owned()).stack_size(STACK_BYTES).spawn(thread).map(|_| ())
    }

    /// Asks a run to end. False: it does not go on here.
    pub fn cancel(&self, run: RunId) -> bool {
        let stop = self.runs.lock().get(&run).cloned();
        if let Some(stop) = &stop {
            stop.ask(Told::Interrupt);
        }
        stop.is_some()
    }

    pub(super) fn at(&self, run: RunId, stop: StopHandle) {
        self.runs.lock().insert(run, stop);
    }

    pub(super) fn ended(&self, run: RunId) {
        self.runs.lock().remove(&run);
    }

    /// Asks all that goes on to end: since this process does.
    pub fn ask_all(&self) {
        self.going.lock().values().for_each(|stop| stop.ask(Told::Terminate));
    }

    /// The same, and nothing that was begun is waited for.
    pub fn at_once_all(&self) {
        self.going.lock().values().for_each(|stop| stop.at_once(Told::Terminate));
    }

    /// How the pipelines stand, as the scheduler said last; none where it does not run here.
    pub fn scheduler(&self) -> Option<Vec<Standing>> {
        self.scheduler.lock().clone()
    }

    /// The scheduler says how the pipelines stand.
    pub fn stands(&self, standing: Option<Vec<Standing>>) {
        *self.scheduler.lock() = standing;
    }

    /// The listeners are to show the certificate that lies in the store now.
    pub fn show_certificate(&self) {
        self.certificate.notify_one();
    }

    /// Waits for that.
    pub async fn certificate(&self) {
        self.certificate.notified().await;
    }
}

#[cfg(test)]
mod tests;
