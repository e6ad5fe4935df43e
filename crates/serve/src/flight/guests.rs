//! Who is signed in. A client shows a credential with every call; who has shown it before, on the same connection, goes on with the same
//! session. Credentials are kept as hashes under a key of this process, and only while their session lives.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use polder_types::{ErrorKind, Secret};
use tokio::sync::Mutex as AsyncMutex;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Extensions, Status};
use zeroize::Zeroizing;

use super::guest::Guest;
use super::status;
use crate::context::Context;
use crate::fault::Fault;
use crate::http::{Peer, Presented};
use crate::ports::{Credential, Ended, Origin, Wire};

/// Sessions of one account; the one that was used longest ago makes room.
const PER_ACCOUNT: usize = 64;
/// A credential is not longer than this, nor is a header that holds one.
const HEADER_MAX_BYTES: usize = 4_096;
/// What a client says of itself is cut to this.
const CLIENT_MAX_BYTES: usize = 128;

/// What a name and a password come in; some clients leave the padding out.
const BASIC: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// A hash of a credential, and of the connection where it is bound to one.
type Key = [u8; 32];

/// All sessions of a listener.
pub(super) struct Guests {
    context: Arc<Context>,
    /// Made when first needed: randomness may fail.
    secret: Mutex<Option<hmac::Key>>,
    known: Mutex<HashMap<Key, Arc<Guest>>>,
    /// Who is signing in just now, so that calls that come together make one session.
    pending: Mutex<HashMap<Key, Arc<AsyncMutex<()>>>>,
}

/// A caller who is signed in.
pub(super) struct Entry {
    pub(super) guest: Arc<Guest>,
    /// The bearer that stands for the session from now on, where one was made for this call.
    pub(super) bearer: Option<AsciiMetadataValue>,
}

/// What a call shows.
enum Shown {
    Bearer(Zeroizing<String>),
    Basic {
        name: String,
        password: Zeroizing<String>,
    },
    /// Nothing but the connection's certificate.
    Certificate,
}

impl Guests {
    pub(super) fn new(context: Arc<Context>) -> Arc<Self> {
        Arc::new(Self { context, secret: Mutex::default(), known: Mutex::default(), pending: Mutex::default() })
    }

    /// The session of a call. `fresh` asks for one of its own even when there is one.
    pub(super) async fn admit(self: &Arc<Self>, metadata: &MetadataMap, extensions: &Extensions, fresh: bool) -> Result<Entry, Status> {
        if self.context.drain.has_begun() {
            return Err(status::draining());
        }
        let Some(Peer(peer)) = extensions.get::<Peer>().copied() else {
            return Err(Status::internal("sign in: the connection is not known; tell whoever runs the server"));
        };
        let origin = origin(metadata, extensions, peer);
        let certificate = origin.certificate.as_ref().map(|certificate| certificate.fingerprint.clone());
        // Whatever else is shown, what was found out by it is of use with the same certificate alone.
        let by = certificate.as_deref().unwrap_or_default().as_bytes();
        let shown = match shown(metadata) {
            Ok(shown) => shown,
            Err("no_credential") if certificate.is_some() => Shown::Certificate,
            Err(reason) => {
                self.context.accounts.turned_away(&origin, reason).await;
                return Err(status::not_signed_in());
            }
        };
        let now = self.context.clock.now_ms();
        self.end_idle(now);
        match shown {
            Shown::Bearer(bearer) => {
                let key = self.key(&[b"session", bearer.as_bytes()])?;
                // A bearer is of use where its session signed in, and nowhere else.
                let found = self
                    .known
                    .lock()
                    .get(&key)
                    .filter(|guest| guest.address() == peer.ip() && guest.certificate() == certificate.as_deref())
                    .cloned();
                if let Some(guest) = found {
                    return admitted(guest, now);
                }
                // A token of an identity provider has three parts.
                let is_provided = bearer.starts_with("eyJ") && bearer.split('.').count() == 3;
                if !bearer.starts_with("polder_") && !bearer.starts_with("polders_") && !is_provided {
                    self.context.accounts.turned_away(&origin, "unknown_bearer").await;
                    return Err(status::not_signed_in());
                }
                let key = self.key(&[b"token", peer.to_string().as_bytes(), by, bearer.as_bytes()])?;
                let credential = || Credential::Token(Secret::new(bearer.as_str().to_owned()));
                self.signed_in(key, credential, &origin, peer, false).await
            }
            Shown::Certificate => {
                let key = if fresh { self.random()? } else { self.key(&[b"certificate", peer.to_string().as_bytes(), by])? };
                self.signed_in(key, || Credential::Certificate { name: None }, &origin, peer, fresh).await
            }
            Shown::Basic { name, password } => {
                let key = if fresh {
                    self.random()?
                } else {
                    self.key(&[b"basic", peer.to_string().as_bytes(), by, name.as_bytes(), password.as_bytes()])?
                };
                let credential = || Credential::Password { name: name.clone(), password: Secret::new(password.as_str().to_owned()) };
                self.signed_in(key, credential, &origin, peer, true).await
            }
        }
    }

    async fn signed_in(
        self: &Arc<Self>,
        key: Key,
        credential: impl FnOnce() -> Credential,
        origin: &Origin,
        peer: SocketAddr,
        with_bearer: bool,
    ) -> Result<Entry, Status> {
        let turn = Arc::clone(self.pending.lock().entry(key).or_default());
        let result = {
            let _turn = turn.lock().await;
            let found = self.known.lock().get(&key).cloned();
            match found {
                Some(guest) => admitted(guest, self.context.clock.now_ms()),
                None => self.sign_in(key, credential(), origin, peer, with_bearer).await,
            }
        };
        let mut pending = self.pending.lock();
        // Two: the map's and this call's. Whoever waits has one too.
        if pending.get(&key).is_some_and(|turn| Arc::strong_count(turn) <= 2) {
            pending.remove(&key);
        }
        result
    }

    async fn sign_in(
        self: &Arc<Self>,
        key: Key,
        credential: Credential,
        origin: &Origin,
        peer: SocketAddr,
        with_bearer: bool,
    ) -> Result<Entry, Status> {
        let session = self.context.accounts.sign_in(credential, origin).await.map_err(|fault| status::of(&fault))?;
        let guest = Arc::new(Guest::new(session, peer.ip(), origin.certificate.as_ref(), self.context.clock.now_ms()));
        match self.take_in(key, &guest, with_bearer).await {
            Ok(bearer) => Ok(Entry { guest, bearer }),
            Err(status) => {
                guest.session().close().await;
                Err(status)
            }
        }
    }

    /// Makes a session known under its keys, and watches over its end.
    async fn take_in(self: &Arc<Self>, key: Key, guest: &Arc<Guest>, with_bearer: bool) -> Result<Option<AsciiMetadataValue>, Status> {
        let bearer = if with_bearer { Some(self.bearer()?) } else { None };
        let crowded = {
            let mut known = self.known.lock();
            let mut of_account: Vec<&Arc<Guest>> = Vec::new();
            for other in known.values().filter(|other| other.session().name() == guest.session().name()) {
                if !of_account.iter().any(|seen| Arc::ptr_eq(seen, other)) {
                    of_account.push(other);
                }
            }
            let crowded = if of_account.len() >= PER_ACCOUNT {
                let longest = of_account.into_iter().filter(|other| other.tasks().is_empty()).min_by_key(|other| other.used_ms());
                Some(longest.cloned().ok_or_else(|| {
                    Status::resource_exhausted("sign in: all sessions of the account are being answered; wait for one, or close some")
                })?)
            } else {
                None
            };
            known.insert(key, Arc::clone(guest));
            if let Some((key, _)) = &bearer {
                known.insert(*key, Arc::clone(guest));
            }
            crowded
        };
        self.watch(guest);
        if let Some(crowded) = crowded {
            self.retire(&crowded, None).await;
        }
        Ok(bearer.map(|(_, bearer)| bearer))
    }

    /// Ends a session and forgets it.
    pub(super) async fn retire(&self, guest: &Arc<Guest>, why: Option<Ended>) {
        self.known.lock().retain(|_, other| !Arc::ptr_eq(other, guest));
        guest.end(why);
        guest.session().close().await;
    }

    /// Waits for whatever ends a session, and ends it.
    fn watch(self: &Arc<Self>, guest: &Arc<Guest>) {
        let (guests, guest) = (Arc::clone(self), Arc::clone(guest));
        tokio::spawn(async move {
            let idle = guests.context.limits.idle;
            let why = loop {
                let rest = guest.rest(guests.context.clock.now_ms(), idle);
                if rest.is_zero() {
                    break Some(Ended::Idle);
                }
                tokio::select! {
                    why = guest.session().ended() => break Some(why),
                    () = guest.over() => break None,
                    () = guests.context.drain.begins() => {
                        // Nothing new is let in; what is being answered comes to its end.
                        guest.tasks().close();
                        tokio::select! {
                            why = guest.session().ended() => break Some(why),
                            () = guest.over() => break None,
                            () = guest.tasks().wait() => break None,
                        }
                    }
                    () = tokio::time::sleep(rest) => {}
                }
            };
            guests.retire(&guest, why).await;
        });
    }

    /// Ends those that were not used for too long; their watchers do the rest.
    fn end_idle(&self, now_ms: i64) {
        let idle = self.context.limits.idle;
        let mut known = self.known.lock();
        known.retain(|_, guest| {
            let rests = guest.rest(now_ms, idle).is_zero();
            if rests {
                guest.end(Some(Ended::Idle));
            }
            !rests
        });
    }

    /// A new bearer, and the key under which its session is known.
    fn bearer(&self) -> Result<(Key, AsciiMetadataValue), Status> {
        let bearer = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(Zeroizing::new(self.random()?)));
        let header = Zeroizing::new(format!("Bearer {}", bearer.as_str()));
        let mut value = AsciiMetadataValue::try_from(header.as_str())
            .map_err(|_| Status::internal("sign in: the session's bearer is no header; tell whoever runs the server"))?;
        value.set_sensitive(true);
        Ok((self.key(&[b"session", bearer.as_bytes()])?, value))
    }

    fn random(&self) -> Result<Key, Status> {
        let mut bytes = [0; 32];
        self.context.rng.fill(&mut bytes).map_err(|error| status::of(&Fault::new(ErrorKind::Unavailable, error.to_string())))?;
        Ok(bytes)
    }

    /// A keyed hash of parts, each with its length before it.
    fn key(&self, parts: &[&[u8]]) -> Result<Key, Status> {
        let secret = {
            let mut secret = self.secret.lock();
            match &*secret {
                Some(secret) => secret.clone(),
                None => secret.insert(hmac::Key::new(hmac::HMAC_SHA256, &*Zeroizing::new(self.random()?))).clone(),
            }
        };
        let mut hash = hmac::Context::with_key(&secret);
        for part in parts {
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
        Key::try_from(hash.sign().as_ref()).map_err(|_| Status::internal("sign in: a hash has another length than it has"))
    }
}

fn admitted(guest: Arc<Guest>, now_ms: i64) -> Result<Entry, Status> {
    guest.holds()?;
    guest.touch(now_ms);
    Ok(Entry { guest, bearer: None })
}

fn origin(metadata: &MetadataMap, extensions: &Extensions, peer: SocketAddr) -> Origin {
    let client = metadata.get("user-agent").and_then(|client| client.to_str().ok());
    // A header's text is ASCII, so that it may be cut anywhere.
    let client = client.map(|client| client.get(..CLIENT_MAX_BYTES).unwrap_or(client).to_owned());
    let certificate = extensions.get::<Presented>().map(|Presented(certificate)| certificate.clone());
    Origin { wire: Wire::Flight, address: peer.ip(), client, certificate }
}

/// What a call shows; else a word for the record that says what was wrong.
fn shown(metadata: &MetadataMap) -> Result<Shown, &'static str> {
    let mut headers = metadata.get_all("authorization").iter();
    let header = headers.next().ok_or("no_credential")?;
    if headers.next().is_some() || header.len() > HEADER_MAX_BYTES {
        return Err("malformed_credential");
    }
    let header = header.to_str().map_err(|_| "malformed_credential")?;
    let (scheme, value) = header.split_once(' ').ok_or("malformed_credential")?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Shown::Bearer(Zeroizing::new(value.to_owned())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err("unknown_scheme");
    }
    let decoded = Zeroizing::new(BASIC.decode(value).map_err(|_| "malformed_credential")?);
    let text = std::str::from_utf8(&decoded).map_err(|_| "malformed_credential")?;
    let (name, password) = text.split_once(':').ok_or("malformed_credential")?;
    Ok(Shown::Basic { name: name.to_owned(), password: Zeroizing::new(password.to_owned()) })
}
