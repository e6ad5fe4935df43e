//! Who comes in by the listeners of `polder serve`, and what they are answered: the register of accounts, the SQL door and the log, behind the
//! ports that the listeners know.

mod arrivals;
mod doors;
mod factors;
mod fault;
mod measures;
mod providers;
mod pushes;
mod session;
mod stamp;
#[cfg(test)]
mod tests;
mod tickets;
mod turns;
mod works;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use polder_policy::identity::{Approvers, Delays, Membership, Refusal, SignedIn};
use polder_types::{Event, Recorder as _, SessionId};
use tokio::sync::{RwLock, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::failure::Outcome;
use crate::identities::{Identities, enrolled};
use crate::installation::Installation;
use crate::metrics::Metrics;
use crate::providers::{Flows, Providers};
use crate::settings::ServingLimits;

use arrivals::{Arrivals, TurnedAway};
use doors::Doors;
use factors::Factors;
use pushes::Pushes;
use session::Holding;
use tickets::Tickets;
use turns::Turns;
use works::Runs;

/// Passwords that are hashed at once: each takes a thread, and 19 MiB.
const HASHED_AT_ONCE: usize = 4;

/// What all sessions share.
struct Hall {
    installation: Arc<Installation>,
    identities: Arc<Identities>,
    limits: Limits,
    doors: Arc<Doors>,
    turns: Turns,
    pushes: Pushes,
    runs: Arc<Runs>,
    delays: Mutex<Delays>,
    hashing: Arc<Semaphore>,
    turned_away: Mutex<TurnedAway>,
    /// Whose signatures on grants count, by the project's files as they were last read.
    approvers: Mutex<Arc<Approvers>>,
    metrics: Arc<Metrics>,
    /// Session tokens that were given.
    tickets: Tickets,
    /// The identity providers, and who is on the way through them.
    providers: Providers,
    flows: Flows,
    /// What was asked of and used up by second factors.
    factors: Factors,
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

    /// What someone who signed in is a member of now.
    ///
    /// # Errors
    /// Why they are not who they were any more.
    fn membership(&self, signed_in: &SignedIn) -> Result<Membership, Refusal> {
        let approvers = Arc::clone(&self.approvers.lock());
        self.identities.current().membership(signed_in, &approvers, self.now_ms())
    }

    async fn record(&self, event: Event) -> Result<(), polder_serve::Fault> {
        let since = Instant::now();
        let recorded = self.installation.journal.record(event).await;
        self.metrics.recorded(since.elapsed(), recorded.is_ok());
        match recorded {
            Ok(_) => Ok(()),
            Err(error) => Err(fault::of_record(&error)),
        }
    }
}

/// All sessions of a server.
pub struct Sessions(Arc<Hall>);

impl Sessions {
    /// Lets accounts of the register in, and answers them through one SQL door that follows the project's files. The installation is open for
    /// writing: what cannot be recorded does not happen. Passkeys are those of the origin `public_url`; there are none without one.
    ///
    /// # Errors
    /// When a contract, a model, a policy or an identity provider is wrong.
    pub fn open(
        installation: Arc<Installation>,
        identities: Arc<Identities>,
        limits: &ServingLimits,
        public_url: Option<&str>,
    ) -> Outcome<Self> {
        let providers = Providers::open(&installation.project)?;
        let doors = Arc::new(Doors::open(Arc::clone(&installation), limits.memory_mib)?);
        let pushes = Pushes::open(&installation)?;
        Ok(Self(Arc::new(Hall {
            doors,
            runs: Arc::new(Runs::new(limits.memory_mib, Arc::clone(&installation.ordered), pushes.changes())),
            pushes,
            turns: Turns::new(limits.statements_per_principal),
            limits: Limits {
                idle: Duration::from_secs(limits.idle_minutes.saturating_mul(60)),
                session: Duration::from_secs(limits.session_hours.saturating_mul(3_600)),
                statement: Duration::from_secs(limits.statement_seconds),
            },
            delays: Mutex::default(),
            hashing: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            turned_away: Mutex::default(),
            approvers: Mutex::new(Arc::new(enrolled(&installation.project, installation.keys.lineage())?)),
            metrics: Arc::default(),
            tickets: Tickets::default(),
            providers,
            flows: Flows::default(),
            factors: Factors::new(public_url, installation.clock.now_ms()),
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

    /// What those who send rows share, and whoever changes tables otherwise has alone: those go one after another, whoever asks.
    pub fn changes(&self) -> Arc<RwLock<()>> {
        self.0.pushes.changes()
    }

    /// Records the end of runs of no pipeline that a killed process left: whoever serves is the only writer, so that nobody works on them.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub async fn settle(&self) -> Outcome {
        works::settle(&self.0.installation).await
    }

    /// What is counted of them.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.0.metrics)
    }

    /// Runs that sessions began finish the step that they are at, and begin no other: the end of serving has begun.
    pub async fn close_runs(&self) {
        self.0.runs.close().await;
    }

    /// Ends all sessions, and waits until the ends of all that there were are recorded, and for a while until what was sent is loaded or
    /// not: for the end of serving. What is left then goes with this process, and the next one settles it.
    pub async fn close_all(&self, patience: Duration) {
        let working = async {
            self.0.runs.end().await;
            self.0.pushes.ended().await;
        };
        if tokio::time::timeout(patience, working).await.is_err() {
            crate::print::note(
                "loads and runs of sessions do not end; they are broken off, and whoever writes next settles what they left",
            );
        }
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
