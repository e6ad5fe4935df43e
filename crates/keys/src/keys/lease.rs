//! The lease: keys work for five minutes at a time on the custody's word.

use std::sync::Arc;
use std::time::Duration;

use polder_types::ErrorKind;
use tokio::sync::watch;

use super::{Keys, Ring, load, newest, unwrap_key};
use crate::error::Error;

/// How long unwrapped keys work without the custody's word, in milliseconds.
pub const LEASE_MS: i64 = 300_000;
/// How far a clock may be set back before the lease is doubted, in milliseconds.
const CLOCK_BACK_MS_MAX: i64 = 60_000;
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// What became of the lease. Sessions end when it is `Ended` or `Denied`; an alarm is due when it is `Unreachable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// The custody agreed at the last renewal.
    Held,
    /// The custody or the store was silent at the last renewal. Keys work until the lease ends.
    Unreachable,
    /// It ended without the custody's word. Keys are dropped.
    Ended,
    /// The custody refused. Keys are dropped.
    Denied,
}

impl Keys {
    /// When the lease ends unless it is renewed, in milliseconds since the epoch.
    pub fn lease_ends_ms(&self) -> i64 {
        self.0.state.read().granted_ms.saturating_add(LEASE_MS)
    }

    /// Follows what becomes of the lease. Sessions that hold keys or plaintext end when it is lost.
    pub fn watch(&self) -> watch::Receiver<LeaseState> {
        self.0.lease.subscribe()
    }

    /// Renews the lease through the custody, and takes up a newer keyring if there is one.
    ///
    /// # Errors
    /// Kind Denied: the keys were dropped. Any other: they work until the lease ends (a renewal may still bring them back).
    pub async fn renew(&self) -> Result<(), Error> {
        let _change = self.0.change.lock().await;
        let (custody, ring, floor) = {
            let state = self.0.state.read();
            (Arc::clone(&state.custody), state.ring.clone(), state.version)
        };
        let asked_ms = self.0.clock.now_ms();
        let agreed = match &ring {
            Some(ring) => unwrap_key(custody.as_ref(), self.0.lineage, ring.version, &ring.custody).await.map(|_| ()),
            None => Ok(()),
        };
        if let Err(error) = agreed {
            self.lost(&error);
            return Err(error);
        }
        let held = ring.as_ref().map(|ring| ring.version);
        if let Some(ring) = ring {
            // Given back, since it may have been dropped at the lease's end while the custody was asked.
            self.granted(asked_ms, ring);
        }
        let newest = newest(self.0.vault.as_ref()).await?.ok_or(Error::NoKeyring)?;
        if newest < floor {
            return Err(Error::Rollback { newest, floor });
        }
        if held == Some(newest) {
            return Ok(());
        }
        match load(self.0.vault.as_ref(), custody.as_ref(), floor).await {
            Ok(ring) if ring.document.lineage == self.0.lineage => {
                self.granted(asked_ms, Arc::new(ring));
                Ok(())
            }
            Ok(ring) => Err(Error::Keyring { version: ring.version, problem: "it belongs to another installation", source: None }),
            Err(error) => {
                self.lost(&error);
                Err(error)
            }
        }
    }

    /// Renews every minute for as long as a clone of these keys lives. Needs a Tokio runtime.
    pub fn keep_renewed(&self) -> tokio::task::JoinHandle<()> {
        self.keep_renewed_every(RENEW_EVERY)
    }

    pub(crate) fn keep_renewed_every(&self, period: Duration) -> tokio::task::JoinHandle<()> {
        let weak = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                let Some(inner) = weak.upgrade() else { return };
                // What went wrong is in the lease's state and in the log.
                let _ = Self(inner).renew().await;
            }
        })
    }

    pub(super) fn granted(&self, granted_ms: i64, ring: Arc<Ring>) {
        let mut state = self.0.state.write();
        state.granted_ms = granted_ms;
        state.denied = false;
        state.version = ring.version;
        state.ring = Some(ring);
        drop(state);
        self.0.lease.send_replace(LeaseState::Held);
    }

    /// What a failed renewal means: a refusal drops the keys at once, silence is an alarm.
    fn lost(&self, error: &Error) {
        // A store that refuses is not the custody.
        if error.kind() == ErrorKind::Denied && !matches!(error, Error::Vault { .. }) {
            tracing::error!(%error, "the custody refused: keys are dropped");
            let mut state = self.0.state.write();
            state.ring = None;
            state.denied = true;
            drop(state);
            self.0.lease.send_replace(LeaseState::Denied);
        } else {
            tracing::error!(%error, ends_ms = self.lease_ends_ms(), "the keys' lease was not renewed");
            // Drops keys whose lease has ended, also when nobody asks for them.
            if self.ring().is_ok() {
                self.0.lease.send_replace(LeaseState::Unreachable);
            }
        }
    }

    /// The keyring, if the lease holds.
    pub(super) fn ring(&self) -> Result<Arc<Ring>, Error> {
        let now = self.0.clock.now_ms();
        {
            let state = self.0.state.read();
            let held = now < state.granted_ms.saturating_add(LEASE_MS) && now >= state.granted_ms.saturating_sub(CLOCK_BACK_MS_MAX);
            match &state.ring {
                Some(ring) if held => return Ok(Arc::clone(ring)),
                Some(_) => {}
                None => return Err(if state.denied { Error::LeaseDenied } else { Error::LeaseEnded }),
            }
        }
        let mut state = self.0.state.write();
        // A renewal may have come between the two locks; then the next call finds it.
        if now >= state.granted_ms.saturating_add(LEASE_MS) || now < state.granted_ms.saturating_sub(CLOCK_BACK_MS_MAX) {
            state.ring = None;
            drop(state);
            self.0.lease.send_replace(LeaseState::Ended);
        }
        Err(Error::LeaseEnded)
    }
}
