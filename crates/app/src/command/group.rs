//! `polder group`: groups of users and services, as policies name them.

use polder_policy::identity::Change;
use serde_json::json;

use super::accounts;
use crate::cli::{Global, GroupCommand, Output};
use crate::failure::Outcome;
use crate::print::{Listing, time};

/// Runs a verb.
///
/// # Errors
/// When it is not permitted, or fails.
pub async fn run(global: &Global, command: &GroupCommand, output: Output) -> Outcome {
    let (change, done, name) = match command {
        GroupCommand::List => return list(global, output).await,
        GroupCommand::Add { name } => (Change::AddGroup { name: name.clone() }, format!("added group {name}"), name),
        GroupCommand::Remove { name } => (Change::RemoveGroup { name: name.clone() }, format!("removed group {name}"), name),
        GroupCommand::Join { group, name } => {
            (Change::Join { group: group.clone(), name: name.clone() }, format!("{name} is in group {group}"), name)
        }
        GroupCommand::Leave { group, name } => {
            (Change::Leave { group: group.clone(), name: name.clone() }, format!("{name} is in group {group} no more"), name)
        }
    };
    accounts::change(global, change, &done, name, output).await
}

async fn list(global: &Global, output: Output) -> Outcome {
    let register = accounts::register(global).await?;
    let mut listing = Listing::new(&["group", "members", "added"]);
    for (name, added) in register.groups() {
        let members: Vec<&str> = register.members(name).collect();
        listing.row([json!(name), json!(members), json!(time(added.time_ms))]);
    }
    listing.print(output)
}
