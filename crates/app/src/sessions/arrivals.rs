//! Who comes in. Each success and each refusal is recorded before it is answered; refusals come late, and all look the same.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use polder_policy::identity::{Method, Refusal, Register, SessionToken, SignedIn};
use polder_serve::{Accounts, Challenge, Credential, Fault, Origin, PasskeyChallenge, Proved, Providers, ScramProof, Session};
use polder_types::{Event, EventKind, SessionId};

use super::Hall;
use super::factors::Asked;
use super::fault;
use super::session::Visit;
use super::tickets::Kept;
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
    pub(super) async fn wait(&self, name: &str, origin: &Origin) {
        let ms = self.0.delays.lock().before_ms(name, origin.address, self.0.now_ms());
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// Records that someone came in, and opens the session.
    pub(super) async fn let_in(&self, signed_in: SignedIn, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        self.let_in_by(signed_in, None, origin).await
    }

    /// The same of someone who came with a session token, or not.
    async fn let_in_by(&self, signed_in: SignedIn, ticket: Option<Arc<Kept>>, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        let hall = &self.0;
        let signed_in = match &origin.certificate {
            // Nobody comes in there without one, so that it holds for whatever else was shown.
            Some(shown) if shown.asked == polder_serve::Asked::Required && signed_in.method() != Method::Certificate => {
                let (name, register) = (signed_in.name().to_owned(), hall.identities.current());
                match register.bound(signed_in, &shown.fingerprint, origin.wire.name(), hall.now_ms()) {
                    Ok(signed_in) => signed_in,
                    Err(refusal) => return Err(self.refuse(Some(&name), refusal, origin).await),
                }
            }
            _ => signed_in,
        };
        // The account for emergencies comes in only while it is open, by those who are enrolled now.
        if let Err(refusal) = hall.membership(&signed_in) {
            return Err(self.refuse(Some(signed_in.name()), refusal, origin).await);
        }
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
        if let Some(fingerprint) = signed_in.certificate() {
            event = event.with("certificate", fingerprint);
        }
        if let Some(provider) = signed_in.provider() {
            event = event.with("provider", provider);
        }
        if let Some(ticket) = &ticket {
            event = event.with("ticket", ticket.id().to_string());
        }
        hall.record(event).await?;
        hall.delays.lock().let_in(signed_in.name(), origin.address, hall.now_ms());
        hall.metrics.let_in(origin.wire, signed_in.method().name());
        Ok(Arc::new(Visit::new(Arc::clone(hall), id, signed_in, ticket, origin.clone())))
    }

    /// Judges the certificate that a connection began with, whose account must be the one that was named.
    fn by_certificate(&self, name: Option<&str>, origin: &Origin) -> Result<SignedIn, Refusal> {
        let shown = origin.certificate.as_ref().ok_or(Refusal::Certificate)?;
        let judged = self.0.identities.current().by_certificate(&shown.fingerprint, origin.wire.name(), self.0.now_ms())?;
        match name {
            Some(name) if name != judged.name() => Err(Refusal::Owner),
            _ => Ok(judged),
        }
    }

    /// Judges a password: its hash takes a tenth of a second and some memory, so on a thread of its own, and few at once.
    pub(super) async fn hashed<T: Send + 'static>(&self, judge: impl FnOnce(&Register, i64) -> T + Send + 'static) -> Result<T, Fault> {
        let closed = || Fault::new(polder_types::ErrorKind::Internal, "sign in: the server is ending; connect again");
        let turn = Arc::clone(&self.0.hashing).acquire_owned().await.map_err(|_| closed())?;
        let (register, now_ms) = (self.0.identities.current(), self.0.now_ms());
        let judge = move || {
            let judged = judge(&register, now_ms);
            drop(turn);
            judged
        };
        tokio::task::spawn_blocking(judge).await.map_err(|_| closed())
    }

    /// Judges a session token, whose owner the name must be where one came with it.
    async fn by_ticket(&self, name: Option<&str>, text: &str, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        self.wait(name.unwrap_or_default(), origin).await;
        let hall = &self.0;
        let judged = hall.tickets.judge(text, &hall.identities.current(), origin.wire.name(), hall.now_ms());
        match judged {
            Ok((signed_in, _)) if name.is_some_and(|name| name != signed_in.name()) => Err(self.refuse(name, Refusal::Owner, origin).await),
            Ok((signed_in, kept)) => self.let_in_by(signed_in, Some(kept), origin).await,
            Err(refusal) => Err(self.refuse(name, refusal, origin).await),
        }
    }

    /// Records a refusal, and answers late. What it was is for the record alone.
    pub(super) async fn refuse(&self, name: Option<&str>, refusal: Refusal, origin: &Origin) -> Fault {
        self.refuse_with(name, refusal, &[], origin).await
    }

    /// The same with more private values of the record.
    pub(super) async fn refuse_with(
        &self,
        name: Option<&str>,
        refusal: Refusal,
        private: &[(&'static str, &str)],
        origin: &Origin,
    ) -> Fault {
        let hall = &self.0;
        let kind = EventKind::SignInRefused {
            wire: origin.wire.name().to_owned(),
            reason: refusal.name().to_owned(),
            subject: name.map(|name| hall.identities.subject(cut(name))),
        };
        hall.metrics.refused(origin.wire, refusal.name());
        // Nobody is known to have acted, so the record is of the server.
        let mut event = from(Event::new(&hall.installation.actor, kind), origin);
        if let Some(name) = name {
            event = event.with("name", cut(name));
        }
        if let Some(shown) = &origin.certificate {
            event = event.with("certificate", shown.fingerprint.as_str());
        }
        for (key, value) in private {
            event = event.with(key, *value);
        }
        let recorded = hall.record(event).await;
        // That a provider is out of reach is no fault of whoever asks, and no guess: they hear it at once.
        if !matches!(refusal, Refusal::ProviderUnreachable | Refusal::ProviderAnswer) {
            let ms = hall.delays.lock().refused(name.unwrap_or_default(), origin.address, hall.now_ms());
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
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
            Credential::Password { name, password } if SessionToken::resembles(password.expose_secret()) => {
                return self.by_ticket(Some(&name), password.expose_secret(), origin).await;
            }
            Credential::Token(token) if SessionToken::resembles(token.expose_secret()) => {
                return self.by_ticket(None, token.expose_secret(), origin).await;
            }
            Credential::Code { name, password, code } => return self.by_code(name, password, code, origin).await,
            Credential::Passkey(answer) => return self.by_passkey(answer, origin).await,
            Credential::Password { name, password } if self.is_voucher(password.expose_secret()) => {
                return self.by_bearer(Some(&name), password.expose_secret(), origin).await;
            }
            Credential::Token(token) if self.is_voucher(token.expose_secret()) => {
                return self.by_bearer(None, token.expose_secret(), origin).await;
            }
            Credential::Password { name, password } => {
                self.wait(&name, origin).await;
                let typed = name.clone();
                let judged = self.hashed(move |register, now_ms| register.by_password(&typed, password.expose_secret(), wire, now_ms));
                (Some(name), judged.await?)
            }
            Credential::Certificate { name } => {
                self.wait(name.as_deref().unwrap_or_default(), origin).await;
                let judged = self.by_certificate(name.as_deref(), origin);
                (name, judged)
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

    fn providers(&self) -> Option<&dyn Providers> {
        if self.0.providers.is_empty() { None } else { Some(self) }
    }

    async fn passkey_challenge(&self, origin: &Origin) -> Result<PasskeyChallenge, Fault> {
        let hall = &self.0;
        hall.factors.ask(Asked::SignIn, origin.address, hall.now_ms(), hall.installation.rng.as_ref())
    }

    async fn turned_away(&self, origin: &Origin, reason: &'static str) {
        let hall = &self.0;
        hall.metrics.refused(origin.wire, reason);
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
pub(super) fn from(event: Event, origin: &Origin) -> Event {
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
