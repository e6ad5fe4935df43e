//! The register of accounts as this installation keeps it: one sealed object per version, of which the log names the one that counts.
//! `docs/format/identities.md` says what stands in it.

mod approvers;
mod document;
pub mod password;
pub mod signing;

use std::sync::Arc;

use polder_contract::yaml::suggest;
use polder_policy::Action;
use polder_policy::identity::{
    Applied, BreakGlassChange, CertificateChange, Change, ChangeError, FactorChange, GrantChange, Kind, LinkChange, Register, SignedIn,
    Subject,
};
use polder_types::event::{GrantInfo, Phase};
use polder_types::{ErrorKind, EventKind, NameId, PrincipalId, Private, Secret};
use tokio::sync::{Mutex, watch};

use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::name_id::Named;
use crate::print;

pub use approvers::enrolled;
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
    /// The grant or the opening that it is about.
    pub grant: Option<String>,
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
        self.authorise(installation, &change).await?;
        self.make(installation, &installation.actor, change).await
    }

    /// Changes a second factor of whoever signed in, for themselves: that is theirs to do, and no policy is asked.
    ///
    /// # Errors
    /// When it is another's, or the sign-in does not hold any more; otherwise as [`Identities::change`].
    pub async fn change_own(&self, installation: &Installation, signed_in: &SignedIn, change: FactorChange) -> Outcome<Changed> {
        let holds = self.current().still(signed_in, installation.clock.now_ms()).is_ok();
        if !holds || change.name() != signed_in.name() {
            return Err(Failure::new(ErrorKind::Denied, "change second factors: they are another's, or the session is over; sign in anew"));
        }
        self.make(installation, signed_in.principal(), Change::Factor(change)).await
    }

    async fn make(&self, installation: &Installation, actor: &PrincipalId, change: Change) -> Outcome<Changed> {
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
        installation.record_by(actor, event(Phase::Intent), private.clone()).await?;
        crate::failpoint::hit("identities-intent");
        if let Err(mut failure) = document::write(installation, dataset, applied.register.version(), bytes).await {
            installation.record_failure(&mut failure, event(Phase::Aborted)).await;
            return Err(failure);
        }
        crate::failpoint::hit("identities-written");
        installation.record_by(actor, event(Phase::Outcome), private).await?;
        crate::failpoint::hit("identities-outcome");
        let Applied { register, token, grant, .. } = applied;
        let version = register.version();
        self.current.send_replace(Arc::new(register));
        if let Err(failure) = document::delete_older(installation, dataset, version).await {
            print::warn("an older version of the register of accounts is still there; the next change deletes it", &failure);
        }
        Ok(Changed { version, token, grant: grant.and_then(|grant| grant.id) })
    }

    /// Whether the change may be made, by who acts or who signed. What has another rule, the register's own, is judged as it is applied: that
    /// whoever signed is enrolled, and is not who asked.
    async fn authorise(&self, installation: &Installation, change: &Change) -> Outcome {
        let register = self.current();
        match change {
            // To ask gives nothing yet, and an opening is two approvers'.
            Change::Grant(GrantChange::Request { .. })
            | Change::BreakGlass(BreakGlassChange::Request { .. } | BreakGlassChange::Approve { .. } | BreakGlassChange::Open { .. }) => {
                Ok(())
            }
            Change::Grant(GrantChange::Approve { id, by, .. }) => {
                let Some(grant) = register.grants().get(id) else { return Ok(()) };
                let signer = PrincipalId::new("user", by).map_err(|error| Failure::of(ErrorKind::Invalid, &error))?;
                let mut groups = installation.project.environment().groups_of(signer.as_str());
                let account = register.account(by).filter(|account| account.kind() == Kind::User && !account.disabled());
                groups.extend(account.into_iter().flat_map(|account| account.groups().iter().cloned()));
                groups.sort();
                groups.dedup();
                installation.require_grant(&signer, &groups, grant.group()).await
            }
            Change::Grant(GrantChange::Deny { id, .. } | GrantChange::Revoke { id, .. }) => match register.grants().get(id) {
                // What one asked for, one may give back.
                Some(grant) if grant.requested_by() == installation.actor.as_str() => Ok(()),
                Some(grant) => installation.require_grant(&installation.actor, &installation.groups, grant.group()).await,
                None => Ok(()),
            },
            _ => installation.require(Action::ManageIdentities).await,
        }
    }

    /// What is recorded of a change, in ids and hashes.
    fn event(&self, applied: &Applied, hash: String) -> impl Fn(Phase) -> EventKind + use<> {
        let subject = match &applied.subject {
            Subject::Account(name) => self.subject(name),
            Subject::Group(name) => Named::Group.id(self.names.expose_secret(), name),
        };
        let (change, version) = (applied.change, applied.register.version());
        let grant = applied.grant.as_ref().map(|grant| GrantInfo {
            id: grant.id.clone(),
            group: grant.group.as_ref().map(|group| Named::Group.id(self.names.expose_secret(), group)),
            until_ms: grant.until_ms,
        });
        move |phase| EventKind::IdentityChanged { change, phase, subject, version, hash: hash.clone(), grant: grant.clone() }
    }
}

/// Ends changes that were announced and not made, as when a process was killed: what the log does not name does not count.
async fn settle(installation: &Installation) -> Outcome {
    for open in installation.journal.state().open_identity_changes.clone() {
        let (change, subject, version, hash) = (open.change, open.subject, open.version, open.hash);
        installation.record(EventKind::IdentityChanged { change, phase: Phase::Aborted, subject, version, hash, grant: None }).await?;
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
        Change::Grant(GrantChange::Approve { by, .. }) | Change::BreakGlass(BreakGlassChange::Approve { by, .. }) => {
            private.with("approver", by)
        }
        Change::Grant(GrantChange::Deny { reason, .. }) => private.with("why", reason),
        Change::Certificate(CertificateChange::Add { fingerprint, .. } | CertificateChange::Revoke { fingerprint }) => {
            private.with("certificate", fingerprint)
        }
        Change::Link(link) => of_link(private, link),
        Change::Factor(FactorChange::AddPasskey { passkey, .. }) => private.with("passkey", passkey.id()),
        Change::Factor(FactorChange::RemovePasskey { id, .. }) => private.with("passkey", id),
        _ => private,
    };
    let private = match &applied.grant {
        Some(grant) => {
            let words = [("group", &grant.group), ("reason", &grant.reason)];
            words
                .into_iter()
                .filter_map(|(word, value)| Some((word, value.as_ref()?)))
                .fold(private, |all, (word, value)| all.with(word, value))
        }
        None => private,
    };
    match &applied.token {
        Some((id, _)) => private.with("token", id),
        None => private,
    }
}

/// Who an account is, or was, at a provider.
fn of_link(private: Private, link: &LinkChange) -> Private {
    let private = match link.linked() {
        Some((provider, subject)) => private.with("provider", provider).with("provider_subject", subject),
        None => private,
    };
    match link {
        LinkChange::Add { groups, .. } if !groups.is_empty() => {
            private.with("groups", groups.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        LinkChange::Unlink { provider: Some(provider), .. } => private.with("provider", provider),
        _ => private,
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
        (ChangeError::NoAccount { name, .. }, Change::SetPassword { .. } | Change::Factor(_) | Change::Link(_)) => {
            (name, accounts(Some(Kind::User)))
        }
        (ChangeError::NoAccount { name, .. }, Change::Certificate(_)) => (name, accounts(Some(Kind::Service))),
        (ChangeError::Nobody { name }, _) => (name, accounts(None)),
        _ => return Failure::from(error),
    };
    match suggest(name, &candidates) {
        near if near.starts_with("did you mean") => Failure::new(error.kind(), format!("{error}; {near}")),
        _ => Failure::from(error),
    }
}
