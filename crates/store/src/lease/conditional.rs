//! A lease in a bucket. There are no locks there, but each write can be bound to a condition, which the storage looks at in one step with
//! the write. The holder writes its signs of life into `lease/<epoch>` on condition that nobody has written there since (`If-Match`).
//! Who takes over writes there first, under the same condition: a holder that showed life meanwhile is left alone, and one that is taken
//! over learns it with its next sign of life. Only then is the next epoch created, where there must be none (`If-None-Match`).
//!
//! Signs of life are times by the holder's clock, and are compared with the clock of who looks. When clocks differ, a living holder may be
//! taken over early, or a dead one late. Neither lets two write: the epoch decides, not the time.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use polder_types::Clock;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::{Attempt, HEARTBEAT_MS, HOLDER_MAX_BYTES, Held, Holder, Lock, STALE_AFTER_MS, describe, epochs};
use crate::backend::{Bucket, Directory, Put};
use crate::error::Error;
use crate::layout::{LEASE, is_temporary_name, numbered};

/// Where files lie that holders on this machine have locked, beside the temporary files.
const LOCKS: &str = "lock";
/// How long the end of a lease is tried to be written. When it cannot be, others wait until the lease is stale.
const END_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked again at who holds it, when each time another one was faster.
const LOOKS_MAX: usize = 64;
/// A tag that no object has.
const NO_TAG: &str = "\"00000000000000000000000000000000\"";

#[derive(Debug)]
pub(super) struct Conditional {
    bucket: Bucket,
    clock: Arc<dyn Clock>,
    epoch: u64,
    holder: Holder,
    /// The tag of what we wrote last; none when another has written since.
    tag: Mutex<Option<String>>,
    last_beat_ms: AtomicI64,
    ended: AtomicBool,
    mark: Mark,
}

/// A file on this machine that is locked as long as its holder lives: who looks from here need not wait until the lease is stale.
#[derive(Debug)]
struct Mark {
    directory: Directory,
    name: String,
    _file: File,
}

impl Mark {
    fn new(bucket: &Bucket) -> Result<Self, Error> {
        let directory = bucket.scratch()?;
        let name = bucket.random_name()?;
        let file = directory.new_file()?.create_locked(&format!("{LOCKS}/{name}"))?;
        Ok(Self { directory, name, _file: file })
    }

    /// Removes files of holders that are dead.
    fn sweep_others(&self) {
        for name in self.directory.names(LOCKS).unwrap_or_default() {
            let path = format!("{LOCKS}/{name}");
            if name == self.name || !is_temporary_name(&name) {
                continue;
            }
            if let Ok((file, _)) = self.directory.open_plain(&path, OFlags::RDWR)
                && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            {
                // One that stays is a file of no bytes.
                let _ = self.directory.delete(&path);
            }
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // One that stays is not locked, and goes with the next holder's sweep.
        let _ = self.directory.delete(&format!("{LOCKS}/{}", self.name));
    }
}

impl Conditional {
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    fn path(&self) -> String {
        numbered(LEASE, self.epoch)
    }

    fn lost(&self, newest: u64) -> Error {
        Error::LeaseLost { epoch: self.epoch, newest: newest.max(self.epoch.saturating_add(1)) }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        {
            // Held on, so that no sign of life of our own comes between.
            let tag = self.tag.lock();
            let entries = self.bucket.list_one(LEASE)?;
            let names: Vec<String> = entries.iter().filter_map(|entry| entry.path.rsplit('/').next().map(str::to_owned)).collect();
            let newest = epochs(&names).pop().unwrap_or_default();
            let path = self.path();
            let ours = entries.iter().find(|entry| entry.path == path).and_then(|entry| entry.stat.condition.as_ref());
            if newest != self.epoch || tag.is_none() || ours != tag.as_ref() {
                return Err(self.lost(newest));
            }
        }
        if self.clock.now_ms().saturating_sub(self.last_beat_ms.load(Ordering::Acquire)) >= HEARTBEAT_MS {
            self.beat()?;
        }
        Ok(())
    }

    pub(super) fn beat(&self) -> Result<(), Error> {
        let mut tag = self.tag.lock();
        if self.ended.load(Ordering::Acquire) {
            return Ok(());
        }
        let Some(before) = tag.as_deref() else { return Err(self.lost(0)) };
        let now = self.clock.now_ms();
        let beat = content(&self.holder, now)?;
        *tag = match self.bucket.put(&self.path(), beat, Some(before), None)? {
            Put::Done(tag) => Some(tag),
            Put::Refused => None,
        };
        if tag.is_none() {
            return Err(self.lost(0));
        }
        self.last_beat_ms.store(now, Ordering::Release);
        Ok(())
    }

    /// The time 0 says that the holder has gone of its own will.
    pub(super) fn end(&self) -> Result<(), Error> {
        let tag = self.tag.lock();
        if self.ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // Whoever has taken over has nothing more to hear.
        let Some(before) = tag.as_deref() else { return Ok(()) };
        self.bucket.put(&self.path(), content(&self.holder, 0)?, Some(before), Some(END_WITHIN)).map(drop)
    }

    pub(super) fn withdraw(&self) -> Result<(), Error> {
        let _no_beat = self.tag.lock();
        self.ended.store(true, Ordering::Release);
        self.bucket.delete(&self.path())
    }
}

fn content(holder: &Holder, beat_ms: i64) -> Result<Bytes, Error> {
    let holder = Holder { beat_ms: Some(beat_ms), ..holder.clone() };
    serde_json::to_vec(&holder).map(Bytes::from).map_err(|error| Error::io("write", LEASE, error.into()))
}

/// See [`super::Lease::holder`].
pub(super) fn holder(bucket: &Bucket) -> Result<Option<Holder>, Error> {
    let Some(newest) = epochs(&names(bucket)?).pop() else { return Ok(None) };
    let file = match bucket.open_file(&numbered(LEASE, newest)) {
        Err(Error::NotFound { .. }) => return Ok(None),
        opened => opened?,
    };
    let holder: Option<Holder> = serde_json::from_slice(&file.read_at(0, HOLDER_MAX_BYTES)?).ok();
    // At a time when no sign of life is old.
    match life(bucket, holder.as_ref(), file.stat().modified_ms, i64::MIN)? {
        Life::Lives(_) => Ok(holder),
        Life::Dead | Life::Gone => Ok(None),
    }
}

/// Whether a holder lives.
enum Life {
    Lives(Option<Lock>),
    /// It gave no sign for too long, or its lock is gone.
    Dead,
    /// It has gone of its own will.
    Gone,
}

pub(super) fn attempt(bucket: &Bucket, clock: &Arc<dyn Clock>) -> Result<Attempt, Error> {
    let mut busy = String::new();
    for _ in 0..LOOKS_MAX {
        let known = epochs(&names(bucket)?);
        let now = clock.now_ms();
        let newest = known.last().copied().unwrap_or_default();
        let seen = match newest {
            0 => None,
            newest => {
                let path = numbered(LEASE, newest);
                let file = match bucket.open_file(&path) {
                    Err(Error::NotFound { .. }) => continue, // a later epoch has come and swept it
                    opened => opened?,
                };
                let holder: Option<Holder> = serde_json::from_slice(&file.read_at(0, HOLDER_MAX_BYTES)?).ok();
                busy = describe(holder.as_ref(), newest);
                match life(bucket, holder.as_ref(), file.stat().modified_ms, now)? {
                    Life::Lives(lock) => return Ok(Attempt::Busy { holder: busy, lock }),
                    Life::Dead => Some((path, file.stat().condition.clone().unwrap_or_default())),
                    Life::Gone => None,
                }
            }
        };
        let mark = Mark::new(bucket)?;
        let holder = Holder { lock: Some(mark.name.clone()), ..Holder::here(now) };
        if let Some((path, tag)) = seen
            && bucket.put(&path, content(&holder, 0)?, Some(&tag), None)? == Put::Refused
        {
            continue; // it showed life, or another was faster
        }
        if let Some(held) = take(bucket, clock, newest.saturating_add(1), holder, mark, now)? {
            held.mark.sweep_others();
            for older in known {
                // Only the newest counts; one that stays is harmless.
                let _ = bucket.delete(&numbered(LEASE, older));
            }
            return Ok(Attempt::Held(Held::Conditional(held)));
        }
    }
    Ok(Attempt::Busy { holder: busy, lock: None })
}

fn names(bucket: &Bucket) -> Result<Vec<String>, Error> {
    let entries = bucket.list_one(LEASE)?;
    Ok(entries.iter().filter_map(|entry| entry.path.rsplit('/').next().map(str::to_owned)).collect())
}

/// An object that no holder wrote counts by its own time alone.
fn life(bucket: &Bucket, holder: Option<&Holder>, modified_ms: i64, now_ms: i64) -> Result<Life, Error> {
    let beat_ms = holder.and_then(|holder| holder.beat_ms).unwrap_or(modified_ms);
    if beat_ms == 0 {
        return Ok(Life::Gone);
    }
    let mark =
        holder.filter(|holder| holder.shares_locks()).and_then(|holder| holder.lock.as_deref()).filter(|name| is_temporary_name(name));
    if let (Some(name), Some(directory)) = (mark, bucket.scratch_that_is_there()?) {
        let path = format!("{LOCKS}/{name}");
        // Without the file nothing is known: the holder keeps its files elsewhere.
        match directory.open_plain(&path, OFlags::RDWR) {
            // Shared: who looks keeps nobody else from looking.
            Ok((file, _)) => match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
                Err(Errno::WOULDBLOCK) => return Ok(Life::Lives(Some(Lock { directory, path }))),
                locked => return locked.map(|()| Life::Dead).map_err(|errno| Error::errno("lock", &path, errno)),
            },
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(if now_ms < beat_ms.saturating_add(STALE_AFTER_MS) { Life::Lives(None) } else { Life::Dead })
}

/// `None` when another was faster.
fn take(bucket: &Bucket, clock: &Arc<dyn Clock>, epoch: u64, holder: Holder, mark: Mark, now: i64) -> Result<Option<Conditional>, Error> {
    let path = numbered(LEASE, epoch);
    let Put::Done(tag) = bucket.put(&path, content(&holder, now)?, None, None)? else { return Ok(None) };
    let (bucket, clock) = (bucket.clone(), Arc::clone(clock));
    let held = Conditional {
        bucket,
        clock,
        epoch,
        holder,
        tag: Mutex::new(Some(tag)),
        last_beat_ms: AtomicI64::new(now),
        ended: AtomicBool::new(false),
        mark,
    };
    // All rests on conditions that the storage keeps, so it is seen to refuse what does not hold.
    for (condition, before) in [("If-None-Match", None), ("If-Match", Some(NO_TAG))] {
        if let Put::Done(_) = held.bucket.put_to_be_refused(&path, Bytes::from_static(b"{}"), before)? {
            held.withdraw()?;
            return Err(Error::Unconditional { place: held.bucket.name(), condition });
        }
    }
    Ok(Some(held))
}
