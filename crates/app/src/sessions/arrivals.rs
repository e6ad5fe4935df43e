//! Who comes in. Each success and each refusal is recorded before it is answered; refusals come late, and all look the same.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use polder_policy::identity::{Refusal, SignedIn};
use polder_serve::{Accounts, Challenge, Credential, Fault, Origin, Proved, ScramProof, Session};
use polder_types::{Event, EventKind, SessionId};

use super::Hall;
use super::fault;
use super::session::Visit;
use crate::failure::Failure;

/// Most bytes of a name that is recorded: no account has a longer one.
const NAME_BYTES_MAX: usize = 64;
/// How many that were sent away from one address are recorded one by one in a minute: whoever opens connections for nothing shall not fill the
/// log. How many more there were stands in the first record of the next minute.
const TURNED_AWAY_A_MINUTE: u64 = 20;
const MINUTE_MS: i64 = 60_000;
/// Addresses that are told apart.
const ADDRESSES_MAX: usize = 10_000;

/// The way in.
pub(super) struct Arrivals(pub Arc<Hall>);

impl Arrivals {
    /// Waits where others were refused before under this name from there: who guesses tries one at a time.
    async fn wait(&self, name: &str, origin: &Origin) {
        let ms = self.0.delays.lock().before_ms(name, origin.address, self.0.now_ms());
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// Records that someone came in, and opens the session.
    async fn let_in(&self, signed_in: SignedIn, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        let hall = &self.0;
        let id = SessionId::random(hall.installation.rng.as_ref()).map_err(|error| fault::of_failure(&Failure::from(error)))?;
        let kind = EventKind::SignedIn {
            session: id,
            subject: hall.identities.subject(signed_in.name()),
            wire: origin.wire.name().to_owned(),
            method: signed_in.method().name().to_owned(),
        };
        let mut event = from(Event::new(signed_in.principal(), kind), origin).with("name", signed_in.name());
        if let Some(token) = signed_in.token_id() {
            event = event.with("token", token);
        }
        hall.record(event).await?;
        hall.delays.lock().let_in(signed_in.name(), origin.address);
        Ok(Arc::new(Visit::new(Arc::clone(hall), id, signed_in)))
    }

    /// Records a refusal, and answers late. What it was is for the record alone.
    async fn refuse(&self, name: Option<&str>, refusal: Refusal, origin: &Origin) -> Fault {
        let hall = &self.0;
        let kind = EventKind::SignInRefused {
            wire: origin.wire.name().to_owned(),
            reason: refusal.name().to_owned(),
            subject: name.map(|name| hall.identities.subject(cut(name))),
        };
        // Nobody is known to have acted, so the record is of the server.
        let mut event = from(Event::new(&hall.installation.actor, kind), origin);
        if let Some(name) = name {
            event = event.with("name", cut(name));
        }
        let recorded = hall.record(event).await;
        let ms = hall.delays.lock().refused(name.unwrap_or_default(), origin.address, hall.now_ms());
        tokio::time::sleep(Duration::from_millis(ms)).await;
        match recorded {
            Ok(()) => Fault::not_signed_in(),
            Err(unrecorded) => unrecorded,
        }
    }
}

#[async_trait]
impl Accounts for Arrivals {
    async fn challenge(&self, name: &str, _origin: &Origin) -> Result<Challenge, Fault> {
        let identities = &self.0.identities;
        let (salt, iterations) = identities.current().challenge(name, identities.made_up_key());
        Ok(Challenge { salt, iterations })
    }

    async fn prove(&self, proof: ScramProof, origin: &Origin) -> Result<Proved, Fault> {
        self.wait(&proof.name, origin).await;
        let identities = &self.0.identities;
        let key = identities.made_up_key();
        // The register of now: what was revoked while they waited counts.
        match identities.current().by_scram(&proof.name, &proof.auth_message, &proof.proof, key, self.0.now_ms()) {
            Ok((signed_in, server_signature)) => Ok(Proved { session: self.let_in(signed_in, origin).await?, server_signature }),
            Err(refusal) => Err(self.refuse(Some(&proof.name), refusal, origin).await),
        }
    }

    async fn sign_in(&self, credential: Credential, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        let wire = origin.wire.name();
        let (name, judged) = match credential {
            Credential::Password { name, password } => {
                self.wait(&name, origin).await;
                // A hash takes a tenth of a second and some memory: on a thread of its own, and few at once.
                let closed = || Fault::new(polder_types::ErrorKind::Internal, "sign in: the server is ending; connect again");
                let turn = Arc::clone(&self.0.hashing).acquire_owned().await.map_err(|_| closed())?;
                let (register, now_ms) = (self.0.identities.current(), self.0.now_ms());
                let typed = name.clone();
                let judge = move || {
                    let judged = register.by_password(&typed, password.expose_secret(), wire, now_ms);
                    drop(turn);
                    judged
                };
                (Some(name), tokio::task::spawn_blocking(judge).await.map_err(|_| closed())?)
            }
            Credential::Token(token) => {
                self.wait("", origin).await;
                (None, self.0.identities.current().by_token(token.expose_secret(), wire, self.0.now_ms()))
            }
        };
        match judged {
            Ok(signed_in) => self.let_in(signed_in, origin).await,
            Err(refusal) => Err(self.refuse(name.as_deref(), refusal, origin).await),
        }
    }

    async fn turned_away(&self, origin: &Origin, reason: &'static str) {
        let hall = &self.0;
        let Some(more) = hall.turned_away.lock().count(origin.address, hall.now_ms()) else { return };
        let kind = EventKind::SignInRefused { wire: origin.wire.name().to_owned(), reason: reason.to_owned(), subject: None };
        let mut event = from(Event::new(&hall.installation.actor, kind), origin);
        if more > 0 {
            event = event.with("more", more.to_string());
        }
        if let Err(unrecorded) = hall.record(event).await {
            tracing::error!(%unrecorded, "that someone was sent away was not recorded");
        }
    }
}

/// An event with where someone comes from.
fn from(event: Event, origin: &Origin) -> Event {
    let event = event.with("address", origin.address.to_string());
    match &origin.client {
        Some(client) => event.with("client", client.as_str()),
        None => event,
    }
}

/// What is recorded of a name that somebody gave.
fn cut(name: &str) -> &str {
    let end = (0..=NAME_BYTES_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    name.get(..end).unwrap_or_default()
}

/// Who was sent away in this minute before they said who they are.
#[derive(Debug, Default)]
pub(super) struct TurnedAway {
    since_ms: i64,
    counts: HashMap<IpAddr, u64>,
    /// Of the minute before, those that were not recorded one by one.
    more: u64,
}

impl TurnedAway {
    /// Counts one; says whether it is recorded, and how many others are told of with it.
    fn count(&mut self, address: IpAddr, now_ms: i64) -> Option<u64> {
        if now_ms.abs_diff(self.since_ms) >= MINUTE_MS.unsigned_abs() {
            self.since_ms = now_ms;
            self.counts.clear();
        }
        if self.counts.len() >= ADDRESSES_MAX && !self.counts.contains_key(&address) {
            self.more = self.more.saturating_add(1);
            return None;
        }
        let count = self.counts.entry(address).or_default();
        *count = count.saturating_add(1);
        if *count > TURNED_AWAY_A_MINUTE {
            self.more = self.more.saturating_add(1);
            return None;
        }
        Some(std::mem::take(&mut self.more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_a_few_records_that_tell_of_the_rest() {
        let mut away = TurnedAway::default();
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let at = 1_000_000;
        let recorded = (0..1_000).filter_map(|_| away.count(one, at)).collect::<Vec<_>>();
        assert_eq!(recorded, vec![0; 20]);
        assert_eq!(away.count(other, at + 1), Some(980), "another address is recorded, and tells of the rest");
        assert_eq!(away.count(one, at + 2), None);
        assert_eq!(away.count(one, at + MINUTE_MS), Some(1));
    }

    #[test]
    fn a_name_is_cut_at_a_character() {
        assert_eq!(cut("ann"), "ann");
        let long = "ü".repeat(100);
        assert_eq!(cut(&long), "ü".repeat(32));
        assert_eq!(cut(&format!("x{long}")), format!("x{}", "ü".repeat(31)));
    }
}
