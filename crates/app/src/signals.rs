//! The signals that end a command which goes on for long.

use polder_types::ErrorKind;
use polder_types::event::RunResult;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Failure, Outcome};

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// SIGTERM: the host or a service manager ends what runs.
    Terminate,
    /// SIGINT: a person, or whoever speaks for one, wants this to end.
    Interrupt,
}

impl Told {
    /// How a run that ends for it ended.
    pub const fn result(self) -> RunResult {
        match self {
            Self::Terminate => RunResult::Interrupted,
            Self::Interrupt => RunResult::Cancelled,
        }
    }
}

/// Both of them, listened for since it was made.
pub struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    /// From now on they end the process no more by themselves.
    ///
    /// # Errors
    /// When the operating system does not let them be listened for.
    pub fn new() -> Outcome<Self> {
        let listen = |kind| signal(kind).map_err(|error| Failure::because(ErrorKind::Internal, "listen for signals", &error));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for one; one that came while nobody waited is not lost.
    pub async fn told(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Terminate,
            _ = self.interrupt.recv() => Told::Interrupt,
        }
    }
}
