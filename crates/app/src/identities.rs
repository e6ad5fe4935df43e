//! The register of accounts as this installation keeps it: one sealed object per version, of which the log names the one that counts.
//! `docs/format/identities.md` says what stands in it.

mod document;
pub mod password;

use std::sync::Arc;

use polder_contract::yaml::suggest;
use polder_policy::Action;
use polder_policy::identity::{Applied, Change, ChangeError, Kind, Register, Subject};
use polder_types::event::Phase;
use polder_types::{ErrorKind, EventKind, NameId, Private, Secret};
use tokio::sync::{Mutex, watch};

use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::name_id::Named;
use crate::print;

pub use document::verify;

/// The dataset under whose key the register is sealed.
pub const DATASET: &str = "system:identities";

/// The register that counts, and the one door through which it changes.
#[derive(Debug)]
pub struct Identities {
    current: watch::Sender<Arc<Register>>,
    /// One change at a time.
    changing: Mutex<()>,
    /// Of what is made up for names that no account has.
    made_up: Secret<Vec<u8>>,
    /// Of the ids that stand in the log for names.
    names: Secret<Vec<u8>>,
}

/// What a change came to.
#[derive(Debug)]
pub struct Changed {
    /// The version of the register from now on.
    pub version: u64,
    /// A new token: its id and its text, which nobody keeps.
    pub token: Option<(String, Secret<String>)>,
}

impl Identities {
    /// Reads the register that the log names; one without accounts where it names none.
    ///
    /// # Errors
    /// When it is gone, or not the one that the log names; or keys or store are unavailable.
    pub async fn open(installation: &Installation) -> Outcome<Self> {
        let register = document::read(installation).await?;
        Ok(Self {
            current: watch::Sender::new(Arc::new(register)),
            changing: Mutex::new(()),
            made_up: installation.keys.derive("made-up credentials")?,
            names: installation.names_key()?,
        })
    }

    /// The register of now.
    pub fn current(&self) -> Arc<Register> {
        Arc::clone(&self.current.borrow())
    }

    /// The register from now on: whoever holds a session open asks each new one whether it still holds.
    pub fn watch(&self) -> watch::Receiver<Arc<Register>> {
        self.current.subscribe()
    }

    /// The id that stands in the log for an account's name, or for what somebody gave as one.
    pub fn subject(&self, name: &str) -> NameId {
        Named::Account.id(self.names.expose_secret(), name)
    }

    /// The key of what is made up for names that no account has.
    pub fn made_up_key(&self) -> &[u8] {
        self.made_up.expose_secret()
    }

    /// Changes the register: decides, records the intent, writes the next version, records the outcome. From then on it counts, and who
    /// watches is told.
    ///
    /// # Errors
    /// When no policy permits it, the change cannot be made, or something cannot be recorded or written; then the register is as it was.
    pub async fn change(&self, installation: &Installation, change: Change) -> Outcome<Changed> {
        installation.require(Action::ManageIdentities).await?;
        let _one = self.changing.lock().await;
        settle(installation).await?;
        let before = self.current();
        let applied = before
            .apply(&change, installation.clock.now_ms(), installation.rng.as_ref())
            .map_err(|error| advised(error, &change, &before))?;
        let bytes = applied
            .register
            .to_json()
            .map_err(|error| Failure::because(ErrorKind::Internal, "write the register of accounts as JSON", &error))?;
        let event = self.event(&applied, hex::encode(polder_crypto::sha256(&bytes)));
        let private = named(&applied, &change);
        let dataset = installation.dataset(DATASET).await?;
        installation.record_with(event(Phase::Intent), private.clone()).await?;
        crate::failpoint::hit("identities-intent");
        if let Err(mut failure) = document::write(installation, dataset, applied.register.version(), bytes).await {
            installation.record_failure(&mut failure, event(Phase::Aborted)).await;
            return Err(failure);
        }
        crate::failpoint::hit("identities-written");
        installation.record_with(event(Phase::Outcome), private).await?;
        crate::failpoint::hit("identities-outcome");
        let Applied { register, token, .. } = applied;
        let version = register.version();
        self.current.send_replace(Arc::new(register));
        if let Err(failure) = document::delete_older(installation, dataset, version).await {
            print::warn("an older version of the register of accounts is still there; the next change deletes it", &failure);
        }
        Ok(Changed { version, token })
    }

    /// What is recorded of a change, in ids and hashes.
    fn event(&self, applied: &Applied, hash: String) -> impl Fn(Phase) -> EventKind + use<> {
        let subject = match &applied.subject {
            Subject::Account(name) => self.subject(name),
            Subject::Group(name) => Named::Group.id(self.names.expose_secret(), name),
        };
        let (change, version) = (applied.change, applied.register.version());
        move |phase| EventKind::IdentityChanged { change, phase, subject, version, hash: hash.clone() }
    }
}

/// Ends changes that were announced and not made, as when a process was killed: what the log does not name does not count.
async fn settle(installation: &Installation) -> Outcome {
    for open in installation.journal.state().open_identity_changes.clone() {
        let (change, subject, version, hash) = (open.change, open.subject, open.version, open.hash);
        installation.record(EventKind::IdentityChanged { change, phase: Phase::Aborted, subject, version, hash }).await?;
    }
    Ok(())
}

/// The names that a change is about, for the sealed side object. Nothing of a password or a token is among them but the token's id.
fn named(applied: &Applied, change: &Change) -> Private {
    let private = match &applied.subject {
        Subject::Account(name) => Private::default().with("account", name),
        Subject::Group(name) => Private::default().with("group", name),
    };
    let private = match change {
        Change::Join { group, .. } | Change::Leave { group, .. } => private.with("group", group),
        Change::AddAccount { groups, .. } if !groups.is_empty() => {
            private.with("groups", groups.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        Change::RevokeToken { id } => private.with("token", id),
        _ => private,
    };
    match &applied.token {
        Some((id, _)) => private.with("token", id),
        None => private,
    }
}

/// A refused change, with the name that may have been meant.
fn advised(error: ChangeError, change: &Change, register: &Register) -> Failure {
    let accounts = |kind: Option<Kind>| -> Vec<&str> {
        let fits = register.accounts().iter().filter(|(_, account)| kind.is_none_or(|kind| account.kind() == kind));
        fits.map(|(name, _)| name.as_str()).collect()
    };
    let (name, candidates) = match (&error, change) {
        (ChangeError::NoGroup { name }, _) => (name, register.groups().keys().map(String::as_str).collect()),
        (
            ChangeError::NoAccount { name, .. },
            Change::RemoveAccount { kind, .. } | Change::Disable { kind, .. } | Change::Enable { kind, .. } | Change::Revoke { kind, .. },
        ) => (name, accounts(Some(*kind))),
        (ChangeError::NoAccount { name, .. }, Change::SetPassword { .. }) => (name, accounts(Some(Kind::User))),
        (ChangeError::Nobody { name }, _) => (name, accounts(None)),
        _ => return Failure::from(error),
    };
    match suggest(name, &candidates) {
        near if near.starts_with("did you mean") => Failure::new(error.kind(), format!("{error}; {near}")),
        _ => Failure::from(error),
    }
}
