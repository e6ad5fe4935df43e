//! What ends a command that goes on for long: a signal, or inside the process that serves, whoever may say so there.

use std::sync::Arc;

use polder_types::ErrorKind;
use polder_types::event::RunResult;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::failure::{Failure, Outcome};
use crate::hosted;

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

    /// One byte, for a caller of the serving process.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Terminate => 15,
            Self::Interrupt => 2,
        }
    }

    /// What [`Told::byte`] wrote.
    pub const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            15 => Some(Self::Terminate),
            2 => Some(Self::Interrupt),
            _ => None,
        }
    }
}

/// What was said to something that goes on inside this process.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    told: Option<Told>,
    /// Nothing is waited for any more.
    at_once: bool,
}

/// Ends something that goes on inside this process, as a signal ends a process of its own.
#[derive(Debug, Clone)]
pub struct StopHandle(Arc<watch::Sender<Said>>);

impl Default for StopHandle {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Said::default())))
    }
}

impl StopHandle {
    /// Asks it to end. What was said first counts.
    pub fn ask(&self, told: Told) {
        self.0.send_modify(|said| said.told = said.told.or(Some(told)));
    }

    /// Asks it to end, and not to wait for what it has begun.
    pub fn at_once(&self, told: Told) {
        self.0.send_modify(|said| *said = Said { told: said.told.or(Some(told)), at_once: true });
    }

    /// For whoever goes on.
    pub fn ends(&self) -> Ends {
        Ends(Way::Inside(self.0.subscribe()))
    }
}

/// Both signals, listened for since it was made; or what is said inside the process that serves.
pub struct Ends(Way);

enum Way {
    Signals { terminate: Signal, interrupt: Signal },
    Inside(watch::Receiver<Said>),
}

impl Ends {
    /// From now on they end the process no more by themselves. For a command that the serving process runs, no signal counts: those are the
    /// server's.
    ///
    /// # Errors
    /// When the operating system does not let them be listened for.
    pub fn new() -> Outcome<Self> {
        if let Some(host) = hosted::current() {
            return Ok(host.ends());
        }
        let listen = |kind| signal(kind).map_err(|error| Failure::because(ErrorKind::Internal, "listen for signals", &error));
        Ok(Self(Way::Signals { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? }))
    }

    /// Waits for one; one that came while nobody waited is not lost. What was said inside stays said.
    pub async fn told(&mut self) -> Told {
        match &mut self.0 {
            Way::Signals { terminate, interrupt } => {
                tokio::select! {
                    _ = terminate.recv() => Told::Terminate,
                    _ = interrupt.recv() => Told::Interrupt,
                }
            }
            Way::Inside(said) => heard(said, |said| said.told).await,
        }
    }

    /// Waits until it is said once more: what goes on is to end at once.
    pub async fn again(&mut self) {
        match &self.0 {
            Way::Signals { .. } => {
                self.told().await;
            }
            Way::Inside(_) => self.at_once().await,
        }
    }

    /// Waits until nothing is to be waited for. A signal never says that: systemd sends one to each process, and its parent another.
    pub async fn at_once(&mut self) {
        match &mut self.0 {
            Way::Signals { .. } => std::future::pending().await,
            Way::Inside(said) => heard(said, |said| said.at_once.then_some(())).await,
        }
    }
}

/// Waits for something to be said. Nothing more comes from who is gone.
async fn heard<T>(said: &mut watch::Receiver<Said>, what: impl Fn(&Said) -> Option<T>) -> T {
    let now = said.wait_for(|said| what(said).is_some()).await.ok().and_then(|said| what(&said));
    match now {
        Some(now) => now,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_said_inside_stays_said_and_the_first_counts() {
        let stop = StopHandle::default();
        let mut ends = stop.ends();
        assert_eq!(ends.told().now_or_never(), None);
        stop.ask(Told::Interrupt);
        stop.ask(Told::Terminate);
        assert_eq!(ends.told().await, Told::Interrupt);
        // Whoever listens later hears it too.
        assert_eq!((ends.told().await, stop.ends().told().await), (Told::Interrupt, Told::Interrupt));
        assert_eq!(ends.again().now_or_never(), None);
        stop.at_once(Told::Terminate);
        ends.at_once().await;
        ends.again().await;
        assert_eq!(ends.told().await, Told::Interrupt);
    }

    #[tokio::test]
    async fn who_is_gone_says_nothing_more() {
        let stop = StopHandle::default();
        let mut ends = stop.ends();
        drop(stop);
        assert_eq!(ends.told().now_or_never(), None);
        let stop = StopHandle::default();
        let mut ends = stop.ends();
        stop.ask(Told::Terminate);
        drop(stop);
        assert_eq!(ends.told().await, Told::Terminate);
    }

    #[test]
    fn a_signal_is_one_byte() {
        for told in [Told::Terminate, Told::Interrupt] {
            assert_eq!(Told::of_byte(told.byte()), Some(told));
        }
        assert_eq!(Told::of_byte(9), None);
    }
}
