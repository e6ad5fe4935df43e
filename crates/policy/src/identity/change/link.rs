//! What an account is at identity providers.

use std::collections::BTreeSet;

use polder_types::event::IdentityChange;
use serde::{Deserialize, Serialize};

use super::super::account::{At, Kind};
use super::super::provider::{Link, PROVIDER_NAME_RULE, is_issuer, is_provider_name, is_subject};
use super::super::register::Register;
use super::{ChangeError, Subject};

/// What is to change. Users alone are linked: a service has tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LinkChange {
    /// A new user without a password, who signs in through a provider.
    Add {
        name: String,
        #[serde(default)]
        groups: BTreeSet<String>,
        provider: String,
        /// Who the provider is: links are with that one, whatever another of its name says later.
        issuer: String,
        subject: String,
    },
    /// A user is someone at a provider.
    Link { name: String, provider: String, issuer: String, subject: String },
    /// A user is nobody there any more, or at no provider; their sessions are over.
    Unlink {
        name: String,
        #[serde(default)]
        provider: Option<String>,
    },
}

/// Why an account cannot be linked so.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No provider can be called so.
    #[error("link with provider {provider}: {PROVIDER_NAME_RULE}; name one of `identity_providers` in polder.yaml")]
    Provider {
        /// What was given.
        provider: String,
    },
    /// Nobody is called so at a provider.
    #[error(
        "link {name} with its subject at {provider}: a subject is the claim `sub` of the provider's tokens, of 1 to 255 bytes; give that"
    )]
    Subject {
        /// The account.
        name: String,
        /// The provider.
        provider: String,
    },
    /// The account is someone there.
    #[error("link {name} with {provider}: it is linked there already; `polder user unlink {name}` first, or leave it as it is")]
    Linked {
        /// The account.
        name: String,
        /// The provider.
        provider: String,
    },
    /// Another account is that one.
    #[error("link {name} with {provider}: user {other} is linked with that subject; `polder user unlink {other}` first, or give another")]
    Taken {
        /// The account.
        name: String,
        /// The provider.
        provider: String,
        /// Who has the subject.
        other: String,
    },
    /// There is nothing to take away.
    #[error("unlink {name}: it is not linked{}; see `polder user show {name}`", .provider.as_ref().map(|name| format!(" with {name}")).unwrap_or_default())]
    NotLinked {
        /// The account.
        name: String,
        /// The provider, where one was named.
        provider: Option<String>,
    },
}

impl LinkChange {
    /// What it is called in the record.
    pub(super) fn sort(&self) -> IdentityChange {
        match self {
            Self::Add { .. } => IdentityChange::AccountAdded,
            Self::Link { .. } => IdentityChange::ProviderLinked,
            Self::Unlink { .. } => IdentityChange::ProviderUnlinked,
        }
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Add { name, .. } | Self::Link { name, .. } | Self::Unlink { name, .. } => name,
        }
    }

    /// The provider and who they are there, where someone is linked.
    pub fn linked(&self) -> Option<(&str, &str)> {
        match self {
            Self::Add { provider, subject, .. } | Self::Link { provider, subject, .. } => Some((provider, subject)),
            Self::Unlink { .. } => None,
        }
    }
}

impl Register {
    pub(super) fn link(&mut self, change: &LinkChange, at: At) -> Result<Subject, ChangeError> {
        match change {
            LinkChange::Add { name, groups, provider, issuer, subject } => {
                self.is_free(Kind::User, name)?;
                self.place(Kind::User, name, groups, None, at)?;
                self.link_with(name, provider, issuer, subject, at)?;
            }
            LinkChange::Link { name, provider, issuer, subject } => self.link_with(name, provider, issuer, subject, at)?,
            LinkChange::Unlink { name, provider } => {
                let links = &mut self.of_kind(Kind::User, name)?.links;
                let gone = match provider {
                    Some(provider) => links.remove(provider).is_some(),
                    None => !std::mem::take(links).is_empty(),
                };
                if !gone {
                    return Err(LinkError::NotLinked { name: name.clone(), provider: provider.clone() }.into());
                }
                self.of_kind(Kind::User, name)?.revoked_before = Some(at);
            }
        }
        Ok(Subject::Account(change.name().to_owned()))
    }

    fn link_with(&mut self, name: &str, provider: &str, issuer: &str, subject: &str, at: At) -> Result<(), ChangeError> {
        let (name, provider) = (name.to_owned(), provider.to_owned());
        if !is_provider_name(&provider) || !is_issuer(issuer) {
            return Err(LinkError::Provider { provider }.into());
        }
        if !is_subject(subject) {
            return Err(LinkError::Subject { name, provider }.into());
        }
        if self.of_kind(Kind::User, &name)?.links.contains_key(&provider) {
            return Err(LinkError::Linked { name, provider }.into());
        }
        let is_that = |link: &Link| link.subject() == subject;
        if let Some((other, _)) = self.accounts.iter().find(|(_, account)| account.links.get(&provider).is_some_and(is_that)) {
            return Err(LinkError::Taken { name, provider, other: other.clone() }.into());
        }
        self.of_kind(Kind::User, &name)?.links.insert(provider, Link { issuer: issuer.to_owned(), subject: subject.to_owned(), since: at });
        Ok(())
    }
}
