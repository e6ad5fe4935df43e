//! Sessions of those who sign in with every request. Judging a password is slow on purpose, so that a session is kept for whoever comes again
//! with the same credential from the same address; the credential itself is not: what is looked for is a hash under a key of this process.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use futures::FutureExt as _;
use parking_lot::Mutex;
use polder_types::ErrorKind;
use polder_types::random::RandomError;
use tokio::sync::{OnceCell, Semaphore, watch};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::drain::Drain;
use crate::fault::Fault;
use crate::ports::{Credential, Origin, Session};

/// HMAC-SHA-256 of a credential and an address.
type Key = [u8; 32];

pub(super) struct Sessions {
    context: Arc<Context>,
    key: OnceCell<hmac::Key>,
    held: Mutex<HashMap<Key, Arc<Held>>>,
    /// One judges a credential while others with the same wait: it is judged once.
    turns: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
    /// A place for each who is being judged, also when they have hung up meanwhile.
    judging: Arc<Semaphore>,
    clock: AtomicU64,
}

struct Held {
    session: Arc<dyn Session>,
    uses: watch::Sender<Uses>,
    /// Larger than that of each which was used before.
    last: AtomicU64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    requests: usize,
    /// Nobody finds it any more, and it ends when nobody uses it.
    retired: bool,
}

/// Someone who is signed in, for one request and its answer.
pub(super) struct Signed {
    held: Arc<Held>,
}

impl Signed {
    fn new(held: &Arc<Held>) -> Self {
        held.uses.send_modify(|uses| uses.requests = uses.requests.saturating_add(1));
        Self { held: Arc::clone(held) }
    }

    pub(super) fn session(&self) -> &Arc<dyn Session> {
        &self.held.session
    }
}

impl Drop for Signed {
    fn drop(&mut self) {
        self.held.uses.send_modify(|uses| uses.requests = uses.requests.saturating_sub(1));
    }
}

impl Sessions {
    pub(super) fn new(context: Arc<Context>) -> Self {
        let judging = Arc::new(Semaphore::new(context.limits.connections.min(Semaphore::MAX_PERMITS)));
        Self { context, key: OnceCell::new(), held: Mutex::default(), turns: Mutex::default(), judging, clock: AtomicU64::new(0) }
    }

    /// The session of a credential: one that is held, or a new one. `anew` is said where who asks must prove now who they are, and of what lets
    /// in once: then nobody finds the session by it again.
    ///
    /// # Errors
    /// [`Fault::not_signed_in`], a limit, or what kept it from being recorded.
    pub(super) async fn enter(self: &Arc<Self>, credential: Credential, origin: Origin, anew: bool) -> Result<Signed, Fault> {
        let once = anew || matches!(credential, Credential::Code { .. } | Credential::Passkey(_));
        let key = if once { self.key_of_none()? } else { self.key_of(&credential, &origin).await? };
        if let Some(signed) = self.find(&key) {
            return Ok(signed);
        }
        let Ok(place) = Arc::clone(&self.judging).try_acquire_owned() else {
            return Err(Fault::limit("sign in: too many others do at the moment; try again"));
        };
        let sessions = Arc::clone(self);
        // A task of its own: whoever hangs up before the refusal comes has tried all the same.
        let judged = tokio::spawn(async move {
            let _place = place;
            let turn = Turn::new(&sessions, key);
            let _mine = turn.lock.lock().await;
            match sessions.find(&key) {
                Some(signed) => Ok(signed),
                None => {
                    let session = sessions.context.accounts.sign_in(credential, &origin).await?;
                    sessions.hold(key, session).await
                }
            }
        });
        match tokio::time::timeout(self.context.limits.sign_in, judged).await {
            Ok(Ok(signed)) => signed,
            Ok(Err(_)) => Err(Fault::new(ErrorKind::Internal, "sign in: the judgement broke off; this is a defect of the program")),
            Err(_) => Err(Fault::limit("sign in: it took too long; try again later")),
        }
    }

    /// Nobody finds the session any more: what was set in it would be there for the next request.
    pub(super) fn forget(&self, signed: &Signed) {
        self.held.lock().retain(|_, held| !Arc::ptr_eq(held, &signed.held));
        signed.held.uses.send_modify(|uses| uses.retired = true);
    }

    /// A key that no credential has.
    fn key_of_none(&self) -> Result<Key, Fault> {
        let mut key = Key::default();
        let filled = self.context.rng.fill(&mut key);
        filled.map_err(|_| Fault::new(ErrorKind::Unavailable, "sign in: the operating system gives no randomness; try again later"))?;
        Ok(key)
    }

    async fn key_of(&self, credential: &Credential, origin: &Origin) -> Result<Key, Fault> {
        let made = self.key.get_or_try_init(async || {
            let mut bytes = Zeroizing::new([0u8; 32]);
            self.context.rng.fill(bytes.as_mut_slice())?;
            Ok::<_, RandomError>(hmac::Key::new(hmac::HMAC_SHA256, bytes.as_slice()))
        });
        let key = made
            .await
            .map_err(|_| Fault::new(ErrorKind::Unavailable, "sign in: the operating system gives no randomness; try again later"))?;
        let mut context = hmac::Context::with_key(key);
        // Each part with its length, so that no two lists of parts are the same bytes.
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        part(origin.address.to_string().as_bytes());
        // What was found out beside one certificate says nothing about another.
        part(origin.certificate.as_ref().map(|certificate| certificate.fingerprint.as_bytes()).unwrap_or_default());
        match credential {
            Credential::Password { name, password } => {
                part(b"password");
                part(name.as_bytes());
                part(password.expose_secret().as_bytes());
            }
            Credential::Token(token) => {
                part(b"token");
                part(token.expose_secret().as_bytes());
            }
            Credential::Certificate { name } => {
                part(b"certificate");
                part(name.as_deref().unwrap_or_default().as_bytes());
            }
            Credential::Code { .. } | Credential::Passkey(_) => {
                return Err(Fault::new(
                    ErrorKind::Internal,
                    "sign in: what lets in once was to be looked for; this is a defect of the program",
                ));
            }
        }
        let mut hash = Key::default();
        for (to, from) in hash.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        Ok(hash)
    }

    fn find(&self, key: &Key) -> Option<Signed> {
        let mut all = self.held.lock();
        let held = all.get(key)?;
        if held.session.ended().now_or_never().is_some() {
            all.remove(key);
            return None;
        }
        held.last.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(Signed::new(held))
    }

    /// Holds a new session, in place of the one that was used least lately where there is no room.
    async fn hold(self: &Arc<Self>, key: Key, session: Arc<dyn Session>) -> Result<Signed, Fault> {
        let last = AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed));
        let held = Arc::new(Held { session, uses: watch::Sender::new(Uses::default()), last });
        let room = {
            let mut all = self.held.lock();
            let room = all.len() < self.context.limits.connections || retire_one(&mut all);
            room.then(|| {
                all.insert(key, Arc::clone(&held));
                Signed::new(&held)
            })
        };
        let Some(signed) = room else {
            held.session.close().await;
            return Err(Fault::limit("sign in: as many sessions as may be are in use; try again when some have ended"));
        };
        tokio::spawn(keep(Arc::clone(self), key, held));
        Ok(signed)
    }

    /// Takes a session out that nobody uses; says whether it did.
    fn remove_unused(&self, key: &Key, held: &Arc<Held>) -> bool {
        let mut all = self.held.lock();
        // Uses begin under this lock, so that none begins between the look and the removal.
        if held.uses.borrow().requests > 0 {
            return false;
        }
        if all.get(key).is_some_and(|other| Arc::ptr_eq(other, held)) {
            all.remove(key);
        }
        true
    }
}

fn retire_one(all: &mut HashMap<Key, Arc<Held>>) -> bool {
    let unused = all.iter().filter(|(_, held)| held.uses.borrow().requests == 0);
    let Some(key) = unused.min_by_key(|(_, held)| held.last.load(Ordering::Relaxed)).map(|(key, _)| *key) else {
        return false;
    };
    if let Some(held) = all.remove(&key) {
        held.uses.send_modify(|uses| uses.retired = true);
    }
    true
}

/// Ends a session that nobody uses: after a while, when serving ends, or when it was retired. Drops one that has ended by itself.
async fn keep(sessions: Arc<Sessions>, key: Key, held: Arc<Held>) {
    let mut uses = held.uses.subscribe();
    loop {
        tokio::select! {
            biased;
            _ = held.session.ended() => {
                sessions.held.lock().retain(|_, other| !Arc::ptr_eq(other, &held));
                return;
            }
            () = spare(&mut uses, sessions.context.limits.idle, &sessions.context.drain) => {}
        }
        if sessions.remove_unused(&key, &held) {
            held.session.close().await;
            return;
        }
    }
}

async fn spare(uses: &mut watch::Receiver<Uses>, idle: Duration, drain: &Drain) {
    loop {
        // The sender lives as long as whoever waits here.
        let Ok(retired) = uses.wait_for(|uses| uses.requests == 0).await.map(|uses| uses.retired) else { return };
        if retired {
            return;
        }
        tokio::select! {
            changed = tokio::time::timeout(idle, uses.changed()) => if changed.is_err() { return },
            () = drain.begins() => return,
        }
    }
}

/// A place in the line of those who come with the same credential. The last one takes the line away.
struct Turn {
    sessions: Arc<Sessions>,
    key: Key,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Turn {
    fn new(sessions: &Arc<Sessions>, key: Key) -> Self {
        let lock = Arc::clone(sessions.turns.lock().entry(key).or_default());
        Self { sessions: Arc::clone(sessions), key, lock }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = self.sessions.turns.lock();
        // The map's and this one's.
        if Arc::strong_count(&self.lock) <= 2 {
            turns.remove(&self.key);
        }
    }
}
