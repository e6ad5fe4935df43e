//! `polder service`: programs that sign in with a token or a certificate.

use polder_policy::identity::{Change, Kind};

use super::{accounts, certificate};
use crate::cli::{Global, Output, ServiceCommand};
use crate::failure::Outcome;

/// Runs a verb.
///
/// # Errors
/// When it is not permitted, or fails.
pub async fn run(global: &Global, command: &ServiceCommand, output: Output) -> Outcome {
    let kind = Kind::Service;
    let (change, done, name) = match command {
        ServiceCommand::Certificate(command) => return certificate::run(global, command, output).await,
        ServiceCommand::List => return accounts::list(global, kind, output).await,
        ServiceCommand::Show { name } => return accounts::show(global, kind, name, output).await,
        ServiceCommand::Add { name, groups } => {
            let change = Change::AddAccount { kind, name: name.clone(), groups: groups.iter().cloned().collect(), credentials: None };
            (change, format!("added service {name}; make it a token with `polder token create {name}`"), name)
        }
        ServiceCommand::Disable { name } => {
            (Change::Disable { kind, name: name.clone() }, format!("disabled service {name}; its sessions are over"), name)
        }
        ServiceCommand::Enable { name } => (Change::Enable { kind, name: name.clone() }, format!("enabled service {name}"), name),
        ServiceCommand::Remove { name } => {
            (Change::RemoveAccount { kind, name: name.clone() }, format!("removed service {name} with its tokens and certificates"), name)
        }
        ServiceCommand::Revoke { name } => (
            Change::Revoke { kind, name: name.clone() },
            format!("ended the sessions of service {name}, and revoked its tokens and certificates"),
            name,
        ),
    };
    accounts::change(global, change, &done, name, output).await
}
