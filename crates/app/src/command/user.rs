//! `polder user`: persons who sign in with a password or a token.

use polder_contract::yaml::suggest;
use polder_policy::identity::{Change, Credentials, Kind, LinkChange};
use polder_types::{ErrorKind, SystemRng};

use super::{accounts, factors};
use crate::cli::{AddedProviderArgs, Global, Output, PasswordArgs, UserCommand};
use crate::failure::{Failure, Outcome};
use crate::identities::password;

/// Runs a verb. A password is asked for before anything is opened: nobody else waits for who types.
///
/// # Errors
/// When it is not permitted, or fails.
pub async fn run(global: &Global, command: &UserCommand, output: Output) -> Outcome {
    let kind = Kind::User;
    let (change, done, name) = match command {
        UserCommand::List => return accounts::list(global, kind, output).await,
        UserCommand::Show { name } => return accounts::show(global, kind, name, output).await,
        UserCommand::Totp(command) => return factors::totp(global, command, output).await,
        UserCommand::Passkeys(command) => return factors::passkeys(global, command, output).await,
        UserCommand::Add { name, groups, provider: AddedProviderArgs { provider: Some(provider), subject: Some(subject) }, .. } => {
            let (groups, (provider, issuer), subject) = (groups.iter().cloned().collect(), configured(global, provider)?, subject.clone());
            let done = format!("added user {name}, who signs in through {provider}");
            (Change::Link(LinkChange::Add { name: name.clone(), groups, provider, issuer, subject }), done, name)
        }
        UserCommand::Link { name, provider, subject } => {
            let ((provider, issuer), subject) = (configured(global, provider)?, subject.clone());
            let done = format!("linked user {name} with {provider}");
            (Change::Link(LinkChange::Link { name: name.clone(), provider, issuer, subject }), done, name)
        }
        UserCommand::Unlink { name, provider } => {
            let done = format!("unlinked user {name}; sessions are over");
            (Change::Link(LinkChange::Unlink { name: name.clone(), provider: provider.clone() }), done, name)
        }
        UserCommand::Add { name, groups, password, .. } => {
            let credentials = Some(credentials(name, password)?);
            let change = Change::AddAccount { kind, name: name.clone(), groups: groups.iter().cloned().collect(), credentials };
            (change, format!("added user {name}"), name)
        }
        UserCommand::Password { name, password } => {
            let change = Change::SetPassword { name: name.clone(), credentials: credentials(name, password)? };
            (change, format!("set the password of user {name}; sessions that began with the one before are over"), name)
        }
        UserCommand::Disable { name } => {
            (Change::Disable { kind, name: name.clone() }, format!("disabled user {name}; its sessions are over"), name)
        }
        UserCommand::Enable { name } => (Change::Enable { kind, name: name.clone() }, format!("enabled user {name}"), name),
        UserCommand::Remove { name } => {
            (Change::RemoveAccount { kind, name: name.clone() }, format!("removed user {name} with its tokens"), name)
        }
        UserCommand::Revoke { name } => {
            (Change::Revoke { kind, name: name.clone() }, format!("ended the sessions of user {name}, and revoked its tokens"), name)
        }
    };
    accounts::change(global, change, &done, name, output).await
}

/// The name of a provider, and who it is, if the environment has it: one that is misspelt would let nobody in.
fn configured(global: &Global, provider: &str) -> Outcome<(String, String)> {
    let project = super::project(global)?;
    let providers = &project.environment().serving.providers;
    if let Some(settings) = providers.get(provider) {
        return Ok((provider.to_owned(), settings.issuer.clone()));
    }
    let known: Vec<&str> = providers.keys().map(String::as_str).collect();
    let near = match suggest(provider, &known) {
        near if near.starts_with("did you mean") => near,
        _ => "add it to `identity_providers` of polder.yaml, or name one that stands there".to_owned(),
    };
    let text = format!("link with provider {provider}: environment {} has none of this name; {near}", project.name());
    Err(Failure::new(ErrorKind::NotFound, text))
}

fn credentials(name: &str, from: &PasswordArgs) -> Outcome<Credentials> {
    Ok(Credentials::new(&password::read(name, from)?, &SystemRng)?)
}
