//! One session of Flight SQL, and what belongs to it alone: tickets, prepared statements, and questions that are being answered. None of them
//! can be reached from another session, whatever is sent.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::FutureExt as _;
use parking_lot::Mutex;
use polder_types::{ErrorKind, Rng};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::status;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::ports::{ClientCertificate, Ended, Question, Session};

/// A ticket, a prepared statement: 256 random bits, so that nobody finds one by trying.
pub(super) type Handle = [u8; 32];

/// A ticket that nobody takes is void after this.
pub(super) const TICKET_MS: i64 = 300_000;
/// What the tickets and prepared statements of a session may hold, in messages of the largest size.
const HELD_MESSAGES: usize = 4;

struct Ticket {
    question: Question,
    expires_ms: i64,
}

/// A prepared statement: its question, with its parameters once they are bound.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) question: Question,
    /// The types of its parameters.
    pub(super) parameters: Vec<arrow::datatypes::DataType>,
    /// The columns as they are sent; none where it has no rows to give.
    pub(super) columns: Option<SchemaRef>,
}

#[derive(Default)]
struct Held {
    tickets: HashMap<Handle, Ticket>,
    prepared: HashMap<Handle, Prepared>,
    running: HashMap<Handle, Stop>,
    options: BTreeMap<String, String>,
}

#[derive(Clone, Default)]
struct Stop {
    asked: CancellationToken,
    done: CancellationToken,
}

/// One session.
pub(super) struct Guest {
    session: Arc<dyn Session>,
    address: IpAddr,
    /// The fingerprint of the certificate that it signed in with, or beside.
    certificate: Option<String>,
    over: CancellationToken,
    why: OnceLock<Ended>,
    used_ms: AtomicI64,
    tasks: TaskTracker,
    held: Mutex<Held>,
}

/// A question that is being answered. It can be cancelled until this is dropped.
pub(super) struct Running {
    guest: Arc<Guest>,
    handle: Handle,
    stop: Stop,
}

impl Running {
    /// Waits until somebody cancels it.
    pub(super) async fn stopped(&self) {
        self.stop.asked.cancelled().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.guest.held.lock().running.remove(&self.handle);
        self.stop.done.cancel();
    }
}

impl Guest {
    pub(super) fn new(session: Arc<dyn Session>, address: IpAddr, certificate: Option<&ClientCertificate>, now_ms: i64) -> Self {
        Self {
            session,
            address,
            certificate: certificate.map(|certificate| certificate.fingerprint.clone()),
            over: CancellationToken::new(),
            why: OnceLock::new(),
            used_ms: AtomicI64::new(now_ms),
            tasks: TaskTracker::new(),
            held: Mutex::default(),
        }
    }

    pub(super) fn session(&self) -> &Arc<dyn Session> {
        &self.session
    }

    /// Where it signed in from.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// The fingerprint of the certificate that it signed in with, or beside.
    pub(super) fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// What it is being answered.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Ends it, once: everything that belongs to it stops at once.
    pub(super) fn end(&self, why: Option<Ended>) {
        if let Some(why) = why {
            let _ = self.why.set(why);
        }
        self.over.cancel();
        let mut held = self.held.lock();
        held.tickets.clear();
        held.prepared.clear();
    }

    /// Waits until it is over.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Why it is over, for its client.
    pub(super) fn why_over(&self) -> Status {
        status::over(self.why.get().copied())
    }

    /// Refuses when it is over, by what the session itself says now.
    pub(super) fn holds(&self) -> Result<(), Status> {
        if let Some(why) = self.session.ended().now_or_never() {
            self.end(Some(why));
        }
        if self.over.is_cancelled() { Err(self.why_over()) } else { Ok(()) }
    }

    /// It is used now.
    pub(super) fn touch(&self, now_ms: i64) {
        self.used_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// When it was used last, in milliseconds since the epoch.
    pub(super) fn used_ms(&self) -> i64 {
        self.used_ms.load(Ordering::Relaxed)
    }

    /// How long it may still be idle; zero when that is over. While something is answered it is not idle.
    pub(super) fn rest(&self, now_ms: i64, idle: Duration) -> Duration {
        let since = u64::try_from(now_ms.saturating_sub(self.used_ms())).unwrap_or(0);
        let rest = idle.saturating_sub(Duration::from_millis(since));
        if rest.is_zero() && !self.tasks.is_empty() { idle } else { rest }
    }

    /// Keeps a question for whoever brings the ticket.
    pub(super) fn issue(&self, question: Question, rng: &dyn Rng, now_ms: i64, limits: &Limits) -> Result<Handle, Status> {
        let handle = handle(rng)?;
        let mut held = self.held.lock();
        held.tickets.retain(|_, ticket| ticket.expires_ms > now_ms);
        if held.tickets.len() >= limits.prepared {
            return Err(full("tickets that nobody took", "take each with DoGet, or wait until they expire"));
        }
        held.takes(cost(&question), limits)?;
        held.tickets.insert(handle, Ticket { question, expires_ms: now_ms.saturating_add(TICKET_MS) });
        Ok(handle)
    }

    /// The question of a ticket, which is void from now on, whatever becomes of it.
    pub(super) fn begin(self: &Arc<Self>, handle: &[u8], now_ms: i64) -> Result<(Question, Running), Status> {
        let handle = Handle::try_from(handle).map_err(|_| no_ticket())?;
        let mut held = self.held.lock();
        let ticket = held.tickets.remove(&handle).filter(|ticket| ticket.expires_ms > now_ms).ok_or_else(no_ticket)?;
        let stop = Stop::default();
        held.running.insert(handle, stop.clone());
        Ok((ticket.question, Running { guest: Arc::clone(self), handle, stop }))
    }

    /// Cancels what a ticket stands for, and waits until it has stopped. False when there is no such thing here.
    pub(super) async fn cancel(&self, handle: &[u8]) -> bool {
        let Ok(handle) = Handle::try_from(handle) else {
            return false;
        };
        let stop = {
            let mut held = self.held.lock();
            if held.tickets.remove(&handle).is_some() {
                return true;
            }
            held.running.get(&handle).cloned()
        };
        let Some(stop) = stop else {
            return false;
        };
        stop.asked.cancel();
        stop.done.cancelled().await;
        true
    }

    /// Keeps a prepared statement.
    pub(super) fn prepare(&self, prepared: Prepared, rng: &dyn Rng, limits: &Limits) -> Result<Handle, Status> {
        let handle = handle(rng)?;
        let mut held = self.held.lock();
        if held.prepared.len() >= limits.prepared {
            return Err(full("prepared statements", "close some"));
        }
        held.takes(cost(&prepared.question), limits)?;
        held.prepared.insert(handle, prepared);
        Ok(handle)
    }

    /// A prepared statement.
    pub(super) fn prepared(&self, handle: &[u8]) -> Result<Prepared, Status> {
        let handle = Handle::try_from(handle).map_err(|_| no_statement())?;
        self.held.lock().prepared.get(&handle).cloned().ok_or_else(no_statement)
    }

    /// Binds one row of parameters to a prepared statement, in place of those before.
    pub(super) fn bind(&self, handle: &[u8], row: RecordBatch, limits: &Limits) -> Result<(), Status> {
        let handle = Handle::try_from(handle).map_err(|_| no_statement())?;
        let mut held = self.held.lock();
        held.takes(row.get_array_memory_size(), limits)?;
        held.prepared.get_mut(&handle).ok_or_else(no_statement)?.question.parameters = Some(row);
        Ok(())
    }

    /// Forgets a prepared statement. One that is not there is forgotten already.
    pub(super) fn forget(&self, handle: &[u8]) {
        if let Ok(handle) = Handle::try_from(handle) {
            self.held.lock().prepared.remove(&handle);
        }
    }

    /// What was set through session options.
    pub(super) fn options(&self) -> BTreeMap<String, String> {
        self.held.lock().options.clone()
    }

    /// Remembers what was set, or that it was taken back.
    pub(super) fn set_option(&self, name: &str, value: Option<String>) {
        let mut held = self.held.lock();
        match value {
            Some(value) => held.options.insert(name.to_owned(), value),
            None => held.options.remove(name),
        };
    }
}

impl Held {
    /// Refuses what would make the session hold too much.
    fn takes(&self, bytes: usize, limits: &Limits) -> Result<(), Status> {
        let tickets = self.tickets.values().map(|ticket| cost(&ticket.question));
        let held: usize = tickets.chain(self.prepared.values().map(|prepared| cost(&prepared.question))).sum();
        if held.saturating_add(bytes) > limits.message_bytes.saturating_mul(HELD_MESSAGES) {
            return Err(full("bytes of questions and parameters", "close prepared statements, and take tickets with DoGet"));
        }
        Ok(())
    }
}

/// Bytes that a kept question takes.
fn cost(question: &Question) -> usize {
    let parameters = question.parameters.as_ref().map_or(0, RecordBatch::get_array_memory_size);
    question.sql.len() + question.purpose.as_ref().map_or(0, String::len) + parameters
}

fn handle(rng: &dyn Rng) -> Result<Handle, Status> {
    let mut handle = [0; 32];
    rng.fill(&mut handle).map_err(|error| status::of(&Fault::new(ErrorKind::Unavailable, error.to_string())))?;
    Ok(handle)
}

fn no_ticket() -> Status {
    Status::not_found(
        "answer the ticket: it is of no use here: it was taken, has expired, or belongs to another session; ask GetFlightInfo anew",
    )
}

fn no_statement() -> Status {
    Status::not_found("find the prepared statement: there is none of this handle in this session; prepare it anew")
}

fn full(what: &str, then: &str) -> Status {
    Status::resource_exhausted(format!("keep one more: the session has as many {what} as it may; {then}"))
}
