//! Session tokens: given to those who signed in, and taken in place of a password or an API token on every wire. They live in the memory of this
//! process alone, so that its end ends all, and no copy of the store holds one. Each holds as long as the sign-in that it stands for: until
//! `session_hours` are over, the API token ends that was shown, or the account's sessions are revoked; and until its owner ends it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use polder_policy::identity::{Refusal, Register, SessionToken, SignedIn};
use polder_serve::{Fault, Origin, Ticket};
use polder_types::{ErrorKind, Event, EventKind, SessionId, TicketId};

use super::{Hall, arrivals, fault};
use crate::failure::Failure;

/// Most session tokens of an account that hold at once.
const OF_ACCOUNT_MAX: usize = 64;
/// Most of all accounts together.
const ALL_MAX: usize = 100_000;

/// The session tokens that hold, by the SHA-256 of each.
#[derive(Default)]
pub(super) struct Tickets(Mutex<HashMap<[u8; 32], Arc<Kept>>>);

/// What is kept of a session token.
pub(super) struct Kept {
    id: TicketId,
    /// What it stands for.
    signed_in: SignedIn,
    until_ms: i64,
    /// Its owner ended it.
    over: AtomicBool,
}

impl Kept {
    /// # Errors
    /// When it is over.
    pub(super) fn holds(&self, now_ms: i64) -> Result<(), Refusal> {
        if self.over.load(Ordering::SeqCst) {
            return Err(Refusal::Revoked);
        }
        if now_ms >= self.until_ms { Err(Refusal::Expired) } else { Ok(()) }
    }

    /// Its id in the log.
    pub(super) fn id(&self) -> TicketId {
        self.id
    }
}

impl Tickets {
    /// Finds the session token of a text, and says who comes with it.
    ///
    /// # Errors
    /// Why it is refused: for the record, never for who asked.
    pub(super) fn judge(&self, text: &str, register: &Register, wire: &str, now_ms: i64) -> Result<(SignedIn, Arc<Kept>), Refusal> {
        let token = SessionToken::parse(text).ok_or(Refusal::SessionToken)?;
        let kept = self.0.lock().get(&token.hash()).cloned().ok_or(Refusal::SessionToken)?;
        kept.holds(now_ms)?;
        let signed_in = register.resume(&kept.signed_in, wire, now_ms)?;
        Ok((signed_in, kept))
    }

    /// Keeps a place for a new one.
    fn keep(&self, hash: [u8; 32], kept: Kept, register: &Register, now_ms: i64) -> Result<(), Fault> {
        let name = kept.signed_in.name().to_owned();
        let mut all = self.0.lock();
        let room = |all: &HashMap<[u8; 32], Arc<Kept>>| {
            all.len() < ALL_MAX && all.values().filter(|other| other.signed_in.name() == name).count() < OF_ACCOUNT_MAX
        };
        if !room(&all) {
            // Those that are worth nothing any more take no place.
            all.retain(|_, other| other.holds(now_ms).is_ok() && register.still(&other.signed_in, now_ms).is_ok());
        }
        if !room(&all) {
            return Err(Fault::limit(format!(
                "make session token: {OF_ACCOUNT_MAX} of the account hold, or {ALL_MAX} of all accounts, which is the most; end one (DELETE /v1/sessions/current), or wait"
            )));
        }
        all.insert(hash, Arc::new(kept));
        Ok(())
    }

    fn forget(&self, id: TicketId) {
        self.0.lock().retain(|_, kept| {
            let is_it = kept.id == id;
            if is_it {
                kept.over.store(true, Ordering::SeqCst);
            }
            !is_it
        });
    }
}

impl Hall {
    /// Gives a session token to someone who signed in, in a session or by a sign-in that has none. It holds until `until_ms` at the latest, in
    /// milliseconds since 1970, and never longer than a session may. It is recorded before it is given.
    pub(super) async fn issue(
        &self,
        signed_in: &SignedIn,
        session: Option<SessionId>,
        origin: &Origin,
        until_ms: i64,
    ) -> Result<Ticket, Fault> {
        let now_ms = self.now_ms();
        let register = self.identities.current();
        register.still(signed_in, now_ms).map_err(|_| Fault::not_signed_in())?;
        let session_ms = i64::try_from(self.limits.session.as_millis()).unwrap_or(i64::MAX);
        let ends_ms = [signed_in.since_ms().saturating_add(session_ms), signed_in.expires_ms().unwrap_or(i64::MAX)];
        let until_ms = ends_ms.into_iter().fold(until_ms, i64::min);
        if now_ms >= until_ms {
            return Err(Fault::not_signed_in());
        }
        let rng = self.installation.rng.as_ref();
        let unmade = |error| fault::of_failure(&Failure::from(error));
        let token = SessionToken::new(rng).map_err(unmade)?;
        let id = TicketId::random(rng).map_err(unmade)?;
        let kept = Kept { id, signed_in: signed_in.clone(), until_ms, over: AtomicBool::new(false) };
        self.tickets.keep(token.hash(), kept, &register, now_ms)?;
        let kind = EventKind::SessionTokenMade {
            ticket: id,
            subject: self.identities.subject(signed_in.name()),
            wire: origin.wire.name().to_owned(),
            session,
            expires_ms: until_ms,
        };
        let event = arrivals::from(Event::new(signed_in.principal(), kind), origin).with("name", signed_in.name());
        if let Err(unrecorded) = self.record(event).await {
            self.tickets.forget(id);
            return Err(unrecorded);
        }
        Ok(Ticket { token: token.text(), name: signed_in.name().to_owned(), expires_ms: until_ms })
    }

    /// Ends a session token, with the sessions that came from it. It is over all the same where that cannot be recorded.
    pub(super) async fn end_ticket(&self, signed_in: &SignedIn, kept: &Kept) {
        let kind = EventKind::SessionTokenEnded { ticket: kept.id, reason: "closed".to_owned() };
        // First, since whoever hangs up ends what is waited for.
        self.tickets.forget(kept.id);
        self.ended(Event::new(signed_in.principal(), kind).with("name", signed_in.name())).await;
    }
}

/// A session that came from a session token makes no other: one would outlive the end of the first.
pub(super) fn no_second() -> Fault {
    Fault::new(ErrorKind::Invalid, "make session token: the request came with one already; use that, or sign in anew")
}

/// There is none to end.
pub(super) fn none_here() -> Fault {
    let text = "end session token: the request came with another credential; send the session token itself as bearer";
    Fault::new(ErrorKind::Invalid, text)
}
