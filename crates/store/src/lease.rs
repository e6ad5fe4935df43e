//! One writer. An epoch is a file or object `lease/<epoch>`, created create-only; the next writer makes the next one. Who holds an older
//! epoch than the newest may write nothing more. In a directory the holder has it locked as long as it lives ([`locked`]); in a bucket it
//! writes a sign of life into it, under the condition that nobody else has written there since ([`conditional`]).

mod conditional;
mod locked;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use polder_types::Clock;
use rustix::fs::{FlockOperation, OFlags};
use serde::{Deserialize, Serialize};

use crate::backend::{Backend, Directory, Which};
use crate::error::Error;
use crate::layout::{LEASE, number};
use crate::sealed::blocking;
use conditional::Conditional;
use locked::Locked;

/// How often a holder shows that it lives, to hosts that do not see its lock.
pub const HEARTBEAT_MS: i64 = 30_000;
/// When a holder on another host counts as dead.
pub const STALE_AFTER_MS: i64 = 3 * HEARTBEAT_MS;
/// How often a holder on another host is looked at by one who waits.
const REMOTE_LOOK_MS: u64 = 1_000;
const HOLDER_MAX_BYTES: u64 = 4096;

/// Who holds an epoch: ids only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The process's number.
    pub pid: u32,
    /// Hash of the host's name, 16 hexadecimal digits.
    pub host: String,
    /// Hash of the host's boot id, 16 hexadecimal digits: containers of one machine share it, and its locks.
    pub boot: String,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: i64,
    /// In a bucket: the holder's last sign of life, in milliseconds since the epoch; 0 when it has gone of its own will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beat_ms: Option<i64>,
    /// In a bucket: the name of the file that the holder has locked on its machine, 32 hexadecimal digits; no two are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
}

impl Holder {
    fn here(since_ms: i64) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let host = rustix::system::uname();
        Self {
            pid: std::process::id(),
            host: short_hash(b"polder.host.1:", host.nodename().to_bytes()),
            boot: if boot.is_empty() { String::new() } else { short_hash(b"polder.boot.1:", boot.trim().as_bytes()) },
            since_ms,
            beat_ms: None,
            lock: None,
        }
    }

    /// Whether this process sees the holder's lock.
    fn shares_locks(&self) -> bool {
        let here = Self::here(0);
        self.host == here.host || (!here.boot.is_empty() && self.boot == here.boot)
    }

    /// Whether the process's number is one of here: of this host, not of another container of the same machine.
    pub fn is_here(&self) -> bool {
        self.host == Self::here(0).host
    }

    fn describe(&self) -> String {
        let place = if self.shares_locks() { "this host".to_owned() } else { format!("host {}", self.host) };
        let since = DateTime::<Utc>::from_timestamp_millis(self.since_ms).unwrap_or_default();
        format!("process {} on {place} holds it since {}", self.pid, since.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

fn short_hash(domain: &[u8], name: &[u8]) -> String {
    let hash = polder_crypto::sha256(&[domain, name].concat());
    hex::encode(hash.first_chunk::<8>().copied().unwrap_or_default())
}

/// The right to write, under a fencing epoch. Released when it is dropped.
#[derive(Debug)]
pub struct Lease {
    held: Arc<Held>,
    heartbeat: Option<tokio::task::AbortHandle>,
}

/// An epoch that is held, in one of the two ways.
#[derive(Debug)]
enum Held {
    Locked(Locked),
    Conditional(Conditional),
}

enum Attempt {
    Held(Held),
    Busy {
        holder: String,
        /// What the holder has locked, when that is seen from here and can be waited for.
        lock: Option<Lock>,
    },
}

/// A file that a holder has locked.
struct Lock {
    directory: Directory,
    path: String,
}

impl Lease {
    /// Takes the next epoch. While another holds the newest: fails at once, or waits as long as `wait` says.
    ///
    /// A holder whose lock is seen from here is dead when its lock is gone; another one when it gave no sign for 90 seconds.
    ///
    /// # Errors
    /// [`Error::Busy`], which names the holder; or when the store fails.
    pub async fn acquire(backend: &Backend, clock: Arc<dyn Clock>, wait: Option<Duration>) -> Result<Self, Error> {
        let (mut busy, mut lock) = match attempt(backend, &clock).await? {
            Attempt::Held(held) => return Ok(Self::new(held)),
            Attempt::Busy { holder, lock } => (holder, lock),
        };
        let Some(wait) = wait else { return Err(Error::Busy { holder: busy }) };
        let waiting = async {
            loop {
                match lock.take() {
                    Some(lock) => unlocked(lock).await,
                    None => tokio::time::sleep(Duration::from_millis(REMOTE_LOOK_MS)).await,
                }
                match attempt(backend, &clock).await? {
                    Attempt::Held(held) => return Ok(held),
                    Attempt::Busy { holder, lock: locked } => (busy, lock) = (holder, locked),
                }
            }
        };
        match tokio::time::timeout(wait, waiting).await {
            Ok(held) => held.map(Self::new),
            Err(_) => Err(Error::Busy { holder: busy }),
        }
    }

    /// Who holds it now: a process that lives, or one elsewhere that is not taken for dead by the age of its last sign of life alone. None
    /// when nobody does. Takes nothing from anyone.
    ///
    /// # Errors
    /// When the store fails.
    pub fn holder(backend: &Backend) -> Result<Option<Holder>, Error> {
        match backend.which() {
            Which::Directory(directory) => locked::holder(directory),
            Which::Bucket(bucket) => conditional::holder(bucket),
        }
    }

    fn new(held: Held) -> Self {
        let held = Arc::new(held);
        let weak = Arc::downgrade(&held);
        let beat = async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS.unsigned_abs()));
            ticks.tick().await; // the first one comes at once
            loop {
                ticks.tick().await;
                let Some(held) = weak.upgrade() else { return };
                // A beat that fails is not the end: `check` finds out who has taken over.
                let _ = blocking::<_, Error>("show life in", LEASE, move || held.beat()).await;
            }
        };
        let heartbeat = tokio::runtime::Handle::try_current().ok().map(|runtime| runtime.spawn(beat).abort_handle());
        Self { held, heartbeat }
    }

    /// The fencing epoch: what is written under a smaller one than the newest is refused.
    pub fn epoch(&self) -> u64 {
        match self.held.as_ref() {
            Held::Locked(held) => held.epoch(),
            Held::Conditional(held) => held.epoch(),
        }
    }

    /// Whether this is still the newest epoch. To be asked before each commit: a process that was paused may have been taken
    /// for dead.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when another took over; or when the store cannot be reached.
    pub async fn check(&self) -> Result<(), Error> {
        let held = Arc::clone(&self.held);
        let checked = blocking("check", LEASE, move || match held.as_ref() {
            Held::Locked(held) => held.check(),
            Held::Conditional(held) => held.check(),
        });
        checked.await
    }

    /// Shows life now. Every 30 seconds a task of the lease does it by itself.
    ///
    /// # Errors
    /// When the store cannot be reached; of a bucket also when another took over.
    pub async fn heartbeat(&self) -> Result<(), Error> {
        let held = Arc::clone(&self.held);
        blocking("show life in", LEASE, move || held.beat()).await
    }

    /// Gives the epoch back as if it had never been taken, for who finds that `lease/` was rolled back: epochs that are taken
    /// one after the other would reach the one that was rolled back from, and the rollback would show no more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn withdraw(self) -> Result<(), Error> {
        let held = Arc::clone(&self.held);
        let withdrawn = blocking("withdraw", LEASE, move || match held.as_ref() {
            Held::Locked(held) => held.withdraw(),
            Held::Conditional(held) => held.withdraw(),
        });
        withdrawn.await
    }

    /// Gives the right to write back: the next writer need not wait.
    ///
    /// # Errors
    /// When the store cannot be reached: the lease ends all the same, and others on other hosts wait until it is stale.
    pub async fn release(self) -> Result<(), Error> {
        let held = Arc::clone(&self.held);
        blocking("release", LEASE, move || held.end()).await
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(heartbeat) = &self.heartbeat {
            heartbeat.abort();
        }
        let _ = self.held.end(); // now, whoever else still knows `held`
    }
}

impl Drop for Held {
    /// Also for a lease that was taken when who asked for it had just given up.
    fn drop(&mut self) {
        let _ = self.end(); // what fails here, time heals: the lock goes with the file
    }
}

impl Held {
    fn beat(&self) -> Result<(), Error> {
        match self {
            Self::Locked(held) => held.beat(),
            Self::Conditional(held) => held.beat(),
        }
    }

    fn end(&self) -> Result<(), Error> {
        match self {
            Self::Locked(held) => held.end(),
            Self::Conditional(held) => held.end(),
        }
    }
}

/// Sorted. Other names are none of ours: `every_file` tells of them.
fn epochs(names: &[String]) -> Vec<u64> {
    let mut epochs: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
    epochs.sort_unstable();
    epochs
}

async fn attempt(backend: &Backend, clock: &Arc<dyn Clock>) -> Result<Attempt, Error> {
    let (backend, clock) = (backend.clone(), Arc::clone(clock));
    let attempted = blocking("take", LEASE, move || match backend.which() {
        Which::Directory(directory) => locked::attempt(directory, &clock),
        Which::Bucket(bucket) => conditional::attempt(bucket, &clock),
    });
    attempted.await
}

fn describe(holder: Option<&Holder>, epoch: u64) -> String {
    holder.map_or_else(|| format!("an unknown process holds epoch {epoch}"), Holder::describe)
}

/// Returns when the lock is free. A thread of its own waits for it: a blocking task would keep the runtime from ending when
/// the caller's patience has ended.
async fn unlocked(lock: Lock) {
    let (tell, told) = tokio::sync::oneshot::channel();
    let waiter = std::thread::Builder::new().name("lease".to_owned()).spawn(move || {
        if let Ok((file, _)) = lock.directory.open_plain(&lock.path, OFlags::RDWR) {
            let _ = rustix::fs::flock(&file, FlockOperation::LockExclusive);
        }
        let _ = tell.send(()); // who waited may have given up
    });
    match waiter {
        // An error means that the thread ended, which says the same.
        Ok(_) => drop(told.await),
        Err(_) => tokio::time::sleep(Duration::from_millis(REMOTE_LOOK_MS)).await,
    }
}
