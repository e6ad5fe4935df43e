//! Ports that the program wires: sealed temporary files for what does not fit memory, and the keys a table already holds.

use std::io::{Read, Result, Write};

use arrow::record_batch::RecordBatch;

use crate::error::Error;

/// Makes temporary files whose bytes never reach a disk in clear.
pub trait SpillFiles: Send + Sync {
    /// A new, empty file.
    ///
    /// # Errors
    /// When the quota is used up or the disk refuses.
    fn create(&self) -> Result<Box<dyn SpillSink>>;
}

/// A temporary file being written.
pub trait SpillSink: Write + Send {
    /// Ends the file.
    ///
    /// # Errors
    /// When its last bytes cannot be written.
    fn finish(self: Box<Self>) -> Result<Box<dyn SpillSource>>;
}

/// A temporary file that can be read, and is gone once dropped.
pub trait SpillSource: Send {
    /// Reads the file from its beginning; may be called again.
    ///
    /// # Errors
    /// When the file cannot be opened.
    fn open(&self) -> Result<Box<dyn Read + Send>>;
}

/// Proof that a gate asks. Only this crate makes one, so nobody else reads a table's keys.
#[derive(Debug)]
pub struct KeyAccess(());

impl KeyAccess {
    pub(crate) fn of_the_gate() -> Self {
        Self(())
    }
}

/// The keys that the table holds already, in any order.
pub trait KeyLookup: Send {
    /// The next batch with the key columns, named and typed as the contract says; none at the end.
    ///
    /// # Errors
    /// When the table cannot be read to its end.
    fn next_keys(&mut self, access: &KeyAccess) -> std::result::Result<Option<RecordBatch>, Error>;
}
