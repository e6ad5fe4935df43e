//! `polder user`: persons who sign in with a password or a token.

use polder_policy::identity::{Change, Credentials, Kind};
use polder_types::SystemRng;

use super::accounts;
use crate::cli::{Global, Output, PasswordArgs, UserCommand};
use crate::failure::Outcome;
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
        UserCommand::Add { name, groups, password } => {
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

fn credentials(name: &str, from: &PasswordArgs) -> Outcome<Credentials> {
    Ok(Credentials::new(&password::read(name, from)?, &SystemRng)?)
}
