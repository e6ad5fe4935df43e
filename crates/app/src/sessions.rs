//! Who comes in by the listeners of `polder serve`, and what they are answered: the register of accounts, the SQL door and the log, behind the
//! ports that the listeners know.

mod arrivals;
mod doors;
mod fault;
mod session;
mod stamp;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use polder_policy::identity::Delays;
use polder_types::{Event, Recorder as _, SessionId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::failure::Outcome;
use crate::identities::Identities;
use crate::installation::Installation;
use crate::settings::ServingLimits;

use arrivals::{Arrivals, TurnedAway};
use doors::Doors;
use session::Holding;
use turns::Turns;

/// Passwords that are hashed at once: each takes a thread, and 19 MiB.
const HASHED_AT_ONCE: usize = 4;

/// What all sessions share.
struct Hall {
    installation: Arc<Installation>,
    identities: Arc<Identities>,
    limits: Limits,
    doors: Arc<Doors>,
    turns: Turns,
    delays: Mutex<Delays>,
    hashing: Arc<Semaphore>,
    turned_away: Mutex<TurnedAway>,
    /// Sessions whose end was not recorded yet.
    open: Mutex<HashMap<SessionId, Weak<Holding>>>,
    /// Ends of sessions that are being recorded.
    endings: Mutex<JoinSet<()>>,
}

/// What limits sessions and questions.
#[derive(Debug, Clone, Copy)]
struct Limits {
    idle: Duration,
    session: Duration,
    statement: Duration,
}

impl Hall {
    fn now_ms(&self) -> i64 {
        self.installation.clock.now_ms()
    }

    async fn record(&self, event: Event) -> Result<(), polder_serve::Fault> {
        match self.installation.journal.record(event).await {
            Ok(_) => Ok(()),
            Err(error) => Err(fault::of_record(&error)),
        }
    }
}

/// All sessions of a server.
pub struct Sessions(Arc<Hall>);

impl Sessions {
    /// Lets accounts of the register in, and answers them through one SQL door that follows the project's files. The installation is open for
    /// writing: what cannot be recorded does not happen.
    ///
    /// # Errors
    /// When a contract, a model or a policy is wrong.
    pub fn open(installation: Arc<Installation>, identities: Arc<Identities>, limits: &ServingLimits) -> Outcome<Self> {
        let doors = Arc::new(Doors::open(Arc::clone(&installation), limits.memory_mib)?);
        Ok(Self(Arc::new(Hall {
            doors,
            turns: Turns::new(limits.statements_per_principal),
            limits: Limits {
                idle: Duration::from_secs(limits.idle_minutes.saturating_mul(60)),
                session: Duration::from_secs(limits.session_hours.saturating_mul(3_600)),
                statement: Duration::from_secs(limits.statement_seconds),
            },
            delays: Mutex::default(),
            hashing: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            turned_away: Mutex::default(),
            open: Mutex::default(),
            endings: Mutex::default(),
            installation,
            identities,
        })))
    }

    /// The way in, as the listeners know it.
    pub fn accounts(&self) -> Arc<dyn polder_serve::Accounts> {
        Arc::new(Arrivals(Arc::clone(&self.0)))
    }

    /// Ends all sessions, and waits until the ends of all that there were are recorded: for the end of serving.
    pub async fn close_all(&self) {
        let open: Vec<Arc<Holding>> = self.0.open.lock().values().filter_map(Weak::upgrade).collect();
        for session in open {
            if let Some(event) = session.end(Some("stopped")) {
                self.0.ended(event).await;
            }
        }
        let mut endings = std::mem::take(&mut *self.0.endings.lock());
        while endings.join_next().await.is_some() {}
    }
}

impl Hall {
    /// Records the end of a session. It is over all the same where that fails.
    async fn ended(&self, event: Event) {
        if let Err(unrecorded) = self.record(event).await {
            tracing::error!(%unrecorded, "the end of a session was not recorded");
        }
    }
}
