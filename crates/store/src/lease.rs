//! One writer. An epoch is a file `lease/<epoch>`, created create-only and locked as long as its holder lives; the next
//! writer makes the next one. Who holds an older epoch than the newest may write nothing more.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use polder_types::Clock;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::backend::{Backend, Stat, read_at};
use crate::error::Error;
use crate::layout::{LEASE, number, numbered};
use crate::sealed::blocking;

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
        }
    }

    /// Whether this process sees the holder's lock.
    fn shares_locks(&self) -> bool {
        let here = Self::here(0);
        self.host == here.host || (!here.boot.is_empty() && self.boot == here.boot)
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

#[derive(Debug)]
struct Held {
    backend: Backend,
    clock: Arc<dyn Clock>,
    epoch: u64,
    /// Locked as long as it is open.
    file: File,
    last_beat_ms: AtomicI64,
    ended: AtomicBool,
}

enum Attempt {
    Held(Held),
    /// `path` is locked, when the holder is one whose lock can be waited for.
    Busy {
        holder: String,
        path: Option<String>,
    },
}

impl Lease {
    /// Takes the next epoch. While another holds the newest: fails at once, or waits as long as `wait` says.
    ///
    /// A holder on this host is dead when its lock is gone; one elsewhere when it gave no sign for 90 seconds.
    ///
    /// # Errors
    /// [`Error::Busy`], which names the holder; or when the store fails.
    pub async fn acquire(backend: &Backend, clock: Arc<dyn Clock>, wait: Option<Duration>) -> Result<Self, Error> {
        let (mut busy, mut path) = match attempt_blocking(backend, &clock).await? {
            Attempt::Held(held) => return Ok(Self::new(held)),
            Attempt::Busy { holder, path } => (holder, path),
        };
        let Some(wait) = wait else { return Err(Error::Busy { holder: busy }) };
        let waiting = async {
            loop {
                match path.take() {
                    Some(path) => unlocked(backend.clone(), path).await,
                    None => tokio::time::sleep(Duration::from_millis(REMOTE_LOOK_MS)).await,
                }
                match attempt_blocking(backend, &clock).await? {
                    Attempt::Held(held) => return Ok(held),
                    Attempt::Busy { holder, path: locked } => (busy, path) = (holder, locked),
                }
            }
        };
        match tokio::time::timeout(wait, waiting).await {
            Ok(held) => held.map(Self::new),
            Err(_) => Err(Error::Busy { holder: busy }),
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
        self.held.epoch
    }

    /// Whether this is still the newest epoch. To be asked before each commit: a process that was paused may have been taken
    /// for dead.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when another took over; or when the store cannot be reached.
    pub async fn check(&self) -> Result<(), Error> {
        let held = Arc::clone(&self.held);
        let checked = blocking("check", LEASE, move || {
            let newest = epochs(&held.backend)?.pop().unwrap_or_default();
            if newest != held.epoch {
                return Err(Error::LeaseLost { epoch: held.epoch, newest });
            }
            if held.clock.now_ms().saturating_sub(held.last_beat_ms.load(Ordering::Acquire)) >= HEARTBEAT_MS {
                held.beat()?;
            }
            Ok(())
        });
        checked.await
    }

    /// Shows life now. Every 30 seconds a task of the lease does it by itself.
    ///
    /// # Errors
    /// When the store cannot be reached.
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
        let withdrawn = blocking("withdraw", LEASE, move || {
            held.backend.delete(&held.path())?;
            held.backend.sync_parent(&held.path())
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
        if self.ended.load(Ordering::Acquire) {
            return Ok(());
        }
        let now = self.clock.now_ms();
        self.touch(now)?;
        self.last_beat_ms.store(now, Ordering::Release);
        Ok(())
    }

    /// The time 0 says that the holder has gone of its own will.
    fn end(&self) -> Result<(), Error> {
        self.ended.store(true, Ordering::Release);
        self.touch(0)?;
        rustix::fs::flock(&self.file, FlockOperation::Unlock).map_err(|errno| Error::errno("release", &self.path(), errno))
    }

    fn touch(&self, at_ms: i64) -> Result<(), Error> {
        let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(at_ms).unwrap_or_default());
        self.file.set_modified(at).map_err(|source| Error::io("show life in", &self.path(), source))
    }

    fn path(&self) -> String {
        numbered(LEASE, self.epoch)
    }
}

/// Sorted. Other names are none of ours: `every_file` tells of them.
fn epochs(backend: &Backend) -> Result<Vec<u64>, Error> {
    Ok(backend.names(LEASE)?.iter().filter_map(|name| number(name)).collect())
}

async fn attempt_blocking(backend: &Backend, clock: &Arc<dyn Clock>) -> Result<Attempt, Error> {
    let (backend, clock) = (backend.clone(), Arc::clone(clock));
    blocking("take", LEASE, move || attempt(&backend, &clock)).await
}

fn attempt(backend: &Backend, clock: &Arc<dyn Clock>) -> Result<Attempt, Error> {
    loop {
        let known = epochs(backend)?;
        // Locked while the next epoch is made, so that of two who find a dead holder one waits for the other.
        let mut _dead = None;
        if let Some(newest) = known.last() {
            let path = numbered(LEASE, *newest);
            let file = match backend.open_plain(&path, OFlags::RDWR) {
                Err(Error::NotFound { .. }) => continue, // a later epoch has come and swept it
                opened => opened?.0,
            };
            let holder = read_holder(backend, &file, &path)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => {
                    return Ok(Attempt::Busy { holder: describe(holder.as_ref(), *newest), path: Some(path) });
                }
                locked => locked.map_err(|errno| Error::errno("lock", &path, errno))?,
            }
            let beat_ms = Stat::of(&file.metadata().map_err(|source| Error::io("read", &path, source))?).modified_ms;
            let sees_lock = holder.as_ref().is_some_and(Holder::shares_locks);
            if !sees_lock && clock.now_ms() < beat_ms.saturating_add(STALE_AFTER_MS) {
                return Ok(Attempt::Busy { holder: describe(holder.as_ref(), *newest), path: None });
            }
            _dead = Some(file);
        }
        let epoch = known.last().copied().unwrap_or_default().saturating_add(1);
        if let Some(held) = take(backend, clock, epoch)? {
            for older in known {
                // Only the newest counts; one that stays is harmless.
                let _ = backend.delete(&numbered(LEASE, older));
            }
            return Ok(Attempt::Held(held));
        }
    }
}

/// `None` when another was faster.
fn take(backend: &Backend, clock: &Arc<dyn Clock>, epoch: u64) -> Result<Option<Held>, Error> {
    let now = clock.now_ms();
    let path = numbered(LEASE, epoch);
    let holder = serde_json::to_vec(&Holder::here(now)).map_err(|error| Error::io("write", &path, error.into()))?;
    let mut new = backend.new_file()?;
    new.write_all(&holder)?;
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(now).unwrap_or_default());
    new.file()?.set_modified(at).map_err(|source| Error::io("write", &path, source))?;
    match new.create_locked(&path) {
        Ok(file) => {
            let (backend, clock) = (backend.clone(), Arc::clone(clock));
            Ok(Some(Held { backend, clock, epoch, file, last_beat_ms: AtomicI64::new(now), ended: AtomicBool::new(false) }))
        }
        Err(Error::Exists { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `None` when it is not one that a lease wrote: then its age alone counts.
fn read_holder(backend: &Backend, file: &File, path: &str) -> Result<Option<Holder>, Error> {
    Ok(serde_json::from_slice(&read_at(backend, file, path, 0, HOLDER_MAX_BYTES)?).ok())
}

fn describe(holder: Option<&Holder>, epoch: u64) -> String {
    holder.map_or_else(|| format!("an unknown process holds epoch {epoch}"), Holder::describe)
}

/// Returns when the lock is free. A thread of its own waits for it: a blocking task would keep the runtime from ending when
/// the caller's patience has ended.
async fn unlocked(backend: Backend, path: String) {
    let (tell, told) = tokio::sync::oneshot::channel();
    let waiter = std::thread::Builder::new().name("lease".to_owned()).spawn(move || {
        if let Ok((file, _)) = backend.open_plain(&path, OFlags::RDWR) {
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
