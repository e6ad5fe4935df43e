//! `polder token`: API tokens of users and services.

use polder_policy::identity::{Change, StoredToken};
use polder_types::{Clock, ErrorKind, SystemClock};
use serde_json::json;

use super::accounts;
use crate::cli::{Global, Output, TokenCommand};
use crate::failure::{Failure, Outcome};
use crate::print::{self, Listing, time};

/// Runs a verb.
///
/// # Errors
/// When it is not permitted, or fails.
pub async fn run(global: &Global, command: &TokenCommand, output: Output) -> Outcome {
    match command {
        TokenCommand::Create { name, days, wires, note } => {
            let change = Change::MakeToken { owner: name.clone(), days: *days, wires: wires.iter().cloned().collect(), note: note.clone() };
            create(global, change, name, *days, output).await
        }
        TokenCommand::List { name } => list(global, name.as_deref(), output).await,
        TokenCommand::Revoke { id } => {
            let change = Change::RevokeToken { id: id.clone() };
            accounts::change(global, change, &format!("revoked token {id}; the sessions that it began are over"), id, output).await
        }
    }
}

/// The token alone goes to standard output, so that it can be handed on without being seen.
async fn create(global: &Global, change: Change, owner: &str, days: u32, output: Output) -> Outcome {
    let made = accounts::changed(global, change).await?;
    let (id, token) = made.token.ok_or_else(|| Failure::new(ErrorKind::Internal, "make a token: none was made"))?;
    match output {
        Output::Json => print::json(&json!({ "id": id, "owner": owner, "token": token.expose_secret(), "version": made.version })),
        _ => {
            print::note(&format!("token {id} of {owner} lasts {days} days; it is shown this once, and is kept by nobody here"));
            print::line(token.expose_secret())
        }
    }
}

async fn list(global: &Global, owner: Option<&str>, output: Output) -> Outcome {
    let register = accounts::register(global).await?;
    if let Some(owner) = owner.filter(|owner| register.account(owner).is_none()) {
        let known: Vec<&str> = register.accounts().keys().map(String::as_str).collect();
        let near = match polder_contract::yaml::suggest(owner, &known) {
            near if near.starts_with("did you mean") => near,
            _ => "see `polder user list` and `polder service list`".to_owned(),
        };
        return Err(Failure::new(ErrorKind::NotFound, format!("there is no user or service {owner}; {near}")));
    }
    let now_ms = SystemClock.now_ms();
    let mut listing = Listing::new(&["id", "owner", "state", "wires", "made", "expires", "note"]);
    for (id, token) in register.tokens().iter().filter(|(_, token)| owner.is_none_or(|owner| token.owner() == owner)) {
        let (made, expires) = (time(token.made().time_ms), time(token.expires_ms()));
        let state = state(token, now_ms);
        listing.row([
            json!(id),
            json!(token.owner()),
            json!(state),
            json!(token.wires()),
            json!(made),
            json!(expires),
            json!(token.note()),
        ]);
    }
    listing.print(output)
}

fn state(token: &StoredToken, now_ms: i64) -> &'static str {
    match token.revoked() {
        Some(_) => "revoked",
        None if now_ms >= token.expires_ms() => "expired",
        None => "valid",
    }
}
