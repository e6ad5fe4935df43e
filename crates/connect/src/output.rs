//! From the decoding thread to the reader: a bounded channel of batches.

use crossbeam_channel::Sender;
use polder_contract::RawBatch;

use crate::database::Settled;
use crate::error::Error;

/// What a decoder reports.
pub(crate) enum Message {
    Batch(RawBatch),
    /// All columns of a file, when all are wanted.
    Names(Vec<String>),
    /// Columns of a file that nobody wants.
    LeftOut(Vec<String>),
    /// A file was read to its end.
    FileEnd {
        counted: Option<u64>,
        /// Of all its bytes, when that was asked for.
        sha256: Option<[u8; 32]>,
    },
    /// How far an increment of a database may go.
    Settled(Settled),
    Failed(Error),
    End {
        never_seen: Vec<String>,
    },
}

/// Why a decoder stops early.
pub(crate) enum Stop {
    /// Nobody reads any more.
    Closed,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Where a decoder sends.
pub(crate) struct Output {
    pub sender: Sender<Message>,
}

impl Output {
    /// Waits until the reader took enough of what came before.
    pub(crate) fn send(&self, message: Message) -> Result<(), Stop> {
        self.sender.send(message).map_err(|_| Stop::Closed)
    }
}
