//! A lease in a directory: a file that its holder has locked as long as it lives.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use polder_types::Clock;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::{Attempt, HEARTBEAT_MS, HOLDER_MAX_BYTES, Held, Holder, Lock, STALE_AFTER_MS, describe, epochs};
use crate::backend::{Directory, Stat, read_at};
use crate::error::Error;
use crate::layout::{LEASE, numbered};

#[derive(Debug)]
pub(super) struct Locked {
    directory: Directory,
    clock: Arc<dyn Clock>,
    epoch: u64,
    /// Locked as long as it is open.
    file: File,
    last_beat_ms: AtomicI64,
    ended: AtomicBool,
}

impl Locked {
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let newest = epochs(&self.directory.names(LEASE)?).pop().unwrap_or_default();
        if newest != self.epoch {
            return Err(Error::LeaseLost { epoch: self.epoch, newest });
        }
        if self.clock.now_ms().saturating_sub(self.last_beat_ms.load(Ordering::Acquire)) >= HEARTBEAT_MS {
            self.beat()?;
        }
        Ok(())
    }

    pub(super) fn beat(&self) -> Result<(), Error> {
        if self.ended.load(Ordering::Acquire) {
            return Ok(());
        }
        let now = self.clock.now_ms();
        self.touch(now)?;
        self.last_beat_ms.store(now, Ordering::Release);
        Ok(())
    }

    /// The time 0 says that the holder has gone of its own will.
    pub(super) fn end(&self) -> Result<(), Error> {
        self.ended.store(true, Ordering::Release);
        self.touch(0)?;
        rustix::fs::flock(&self.file, FlockOperation::Unlock).map_err(|errno| Error::errno("release", &self.path(), errno))
    }

    pub(super) fn withdraw(&self) -> Result<(), Error> {
        self.directory.delete(&self.path())?;
        self.directory.sync_parent(&self.path())
    }

    fn touch(&self, at_ms: i64) -> Result<(), Error> {
        let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(at_ms).unwrap_or_default());
        self.file.set_modified(at).map_err(|source| Error::io("show life in", &self.path(), source))
    }

    fn path(&self) -> String {
        numbered(LEASE, self.epoch)
    }
}

/// See [`super::Lease::holder`].
pub(super) fn holder(directory: &Directory) -> Result<Option<Holder>, Error> {
    let Some(newest) = epochs(&directory.names(LEASE)?).pop() else { return Ok(None) };
    let path = numbered(LEASE, newest);
    let file = match directory.open_plain(&path, OFlags::RDWR) {
        Err(Error::NotFound { .. }) => return Ok(None),
        opened => opened?.0,
    };
    let holder = read_holder(&file, &path)?;
    // One that went of its own will set its file's time to 0.
    let went = Stat::of(&file.metadata().map_err(|source| Error::io("read", &path, source))?).modified_ms == 0;
    if went || holder.as_ref().is_some_and(|holder| !holder.shares_locks()) {
        return Ok(holder.filter(|_| !went));
    }
    // Only for a moment, and shared: a holder that lives keeps it from being had at all.
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => Ok(holder),
        locked => locked.map(|()| None).map_err(|errno| Error::errno("lock", &path, errno)),
    }
}

pub(super) fn attempt(directory: &Directory, clock: &Arc<dyn Clock>) -> Result<Attempt, Error> {
    loop {
        let known = epochs(&directory.names(LEASE)?);
        // Locked while the next epoch is made, so that of two who find a dead holder one waits for the other.
        let mut _dead = None;
        if let Some(newest) = known.last() {
            let path = numbered(LEASE, *newest);
            let file = match directory.open_plain(&path, OFlags::RDWR) {
                Err(Error::NotFound { .. }) => continue, // a later epoch has come and swept it
                opened => opened?.0,
            };
            let holder = read_holder(&file, &path)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => {
                    let lock = Some(Lock { directory: directory.clone(), path });
                    return Ok(Attempt::Busy { holder: describe(holder.as_ref(), *newest), lock });
                }
                locked => locked.map_err(|errno| Error::errno("lock", &path, errno))?,
            }
            let beat_ms = Stat::of(&file.metadata().map_err(|source| Error::io("read", &path, source))?).modified_ms;
            let sees_lock = holder.as_ref().is_some_and(Holder::shares_locks);
            if !sees_lock && clock.now_ms() < beat_ms.saturating_add(STALE_AFTER_MS) {
                return Ok(Attempt::Busy { holder: describe(holder.as_ref(), *newest), lock: None });
            }
            _dead = Some(file);
        }
        let epoch = known.last().copied().unwrap_or_default().saturating_add(1);
        if let Some(held) = take(directory, clock, epoch)? {
            for older in known {
                // Only the newest counts; one that stays is harmless.
                let _ = directory.delete(&numbered(LEASE, older));
            }
            return Ok(Attempt::Held(Held::Locked(held)));
        }
    }
}

/// `None` when another was faster.
fn take(directory: &Directory, clock: &Arc<dyn Clock>, epoch: u64) -> Result<Option<Locked>, Error> {
    let now = clock.now_ms();
    let path = numbered(LEASE, epoch);
    let holder = serde_json::to_vec(&Holder::here(now)).map_err(|error| Error::io("write", &path, error.into()))?;
    let mut new = directory.new_file()?;
    new.write_all(&holder)?;
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(now).unwrap_or_default());
    new.file()?.set_modified(at).map_err(|source| Error::io("write", &path, source))?;
    match new.create_locked(&path) {
        Ok(file) => {
            let (directory, clock) = (directory.clone(), Arc::clone(clock));
            Ok(Some(Locked { directory, clock, epoch, file, last_beat_ms: AtomicI64::new(now), ended: AtomicBool::new(false) }))
        }
        Err(Error::Exists { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `None` when it is not one that a lease wrote: then its age alone counts.
fn read_holder(file: &File, path: &str) -> Result<Option<Holder>, Error> {
    Ok(serde_json::from_slice(&read_at(file, path, 0, HOLDER_MAX_BYTES)?).ok())
}
