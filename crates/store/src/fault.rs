//! Faults, injected by constructor and in no other way: what happens when the n-th operation on the disk fails, finds no
//! space, or is the last one of the process.

use std::fmt::Debug;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the backend is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Make a file under `tmp/`.
    NewFile,
    /// Write to it.
    Write,
    /// Make its bytes durable.
    SyncFile,
    /// Make a directory.
    MakeDirectory,
    /// Make a directory's entries durable.
    SyncDirectory,
    /// Give a finished file its name, if that is free.
    Link,
    /// Give a finished file its name, in place of another.
    Replace,
    /// Remove the name under `tmp/`.
    Unlink,
    /// Remove an object.
    Delete,
    /// Open an object for reading.
    Open,
    /// Read from it.
    Read,
    /// List a directory.
    List,
    /// Shrink or grow the reserve.
    Reserve,
}

/// Called before each operation. An error is what the operation then returns.
pub trait Faults: Debug + Send + Sync {
    /// May fail, or not return at all.
    ///
    /// # Errors
    /// The operation's error.
    fn before(&self, operation: Operation, path: &str) -> io::Result<()>;
}

/// What the program uses.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn before(&self, _: Operation, _: &str) -> io::Result<()> {
        Ok(())
    }
}

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// An I/O error, once.
    Fail,
    /// No space, from then on.
    NoSpace,
    /// The process ends by SIGKILL.
    Kill,
}

/// One fault at the n-th operation (from 1) of a kind, or of any kind.
#[derive(Debug)]
pub struct FaultAt {
    operation: Option<Operation>,
    nth: u64,
    effect: Effect,
    seen: AtomicU64,
}

impl FaultAt {
    /// `operation: None` counts them all.
    pub fn new(operation: Option<Operation>, nth: u64, effect: Effect) -> Self {
        Self { operation, nth, effect, seen: AtomicU64::new(0) }
    }

    /// How many operations of the kind were begun.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Faults for FaultAt {
    fn before(&self, operation: Operation, _: &str) -> io::Result<()> {
        if self.operation.is_some_and(|wanted| wanted != operation) {
            return Ok(());
        }
        let now = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        match self.effect {
            Effect::Fail if now == self.nth => Err(rustix::io::Errno::IO.into()),
            Effect::NoSpace if now >= self.nth && !matches!(operation, Operation::Unlink | Operation::Delete | Operation::Reserve) => {
                Err(rustix::io::Errno::NOSPC.into())
            }
            Effect::Kill if now == self.nth => {
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
