//! What `polder user` and `polder service` have in common, and how a change of the register is made and told.

use polder_policy::Action;
use polder_policy::identity::{Account, Change, Kind, Register};
use polder_types::ErrorKind;
use serde_json::{Value, json};

use super::{reader_who_may, writer};
use crate::cli::{Global, Output};
use crate::failure::{Failure, Outcome};
use crate::hosted;
use crate::identities::{Changed, Identities};
use crate::installation::Installation;
use crate::print::{self, Listing, time};

/// Makes a change, and gives what it came to.
///
/// # Errors
/// As [`Identities::change`].
pub(super) async fn changed(global: &Global, change: Change) -> Outcome<Changed> {
    changed_by(global, |_, _| Ok(change)).await
}

/// Makes the change that `of` makes of the register of now, for who acts.
///
/// # Errors
/// Those of `of`; otherwise as [`Identities::change`].
pub(super) async fn changed_by(global: &Global, of: impl FnOnce(&Installation, &Register) -> Outcome<Change>) -> Outcome<Changed> {
    let installation = writer(global).await?;
    let made = change_of(&installation, of).await;
    match made {
        Ok(changed) => installation.close().await.map(|()| changed),
        Err(failure) => {
            installation.close_after(Err(failure.clone())).await?;
            Err(failure)
        }
    }
}

/// [`changed_by`] in an installation that is open.
///
/// # Errors
/// As [`changed_by`].
pub(super) async fn change_of(
    installation: &Installation,
    of: impl FnOnce(&Installation, &Register) -> Outcome<Change>,
) -> Outcome<Changed> {
    match hosted::current() {
        // Open sessions follow this one.
        Some(host) => {
            let change = of(installation, &host.identities().current())?;
            host.identities().change(installation, change).await
        }
        None => {
            let identities = Identities::open(installation).await?;
            let change = of(installation, &identities.current())?;
            identities.change(installation, change).await
        }
    }
}

/// Makes a change, and says what was done to whom.
///
/// # Errors
/// As [`Identities::change`].
pub(super) async fn change(global: &Global, change: Change, done: &str, name: &str, output: Output) -> Outcome {
    let word = serde_json::to_value(change.sort()).map_err(|error| Failure::because(ErrorKind::Internal, "write JSON", &error))?;
    let version = changed(global, change).await?.version;
    match output {
        Output::Table => print::line(done),
        _ => print::json(&json!({ "change": word, "name": name, "version": version })),
    }
}

/// The register, for who may manage accounts.
///
/// # Errors
/// When no policy permits it, or the register cannot be read.
pub(super) async fn register(global: &Global) -> Outcome<std::sync::Arc<Register>> {
    let installation = reader_who_may(global, Action::ManageIdentities).await?;
    Ok(Identities::open(&installation).await?.current())
}

/// Lists the accounts of a kind.
///
/// # Errors
/// As [`register`].
pub(super) async fn list(global: &Global, kind: Kind, output: Output) -> Outcome {
    let register = register(global).await?;
    let mut listing = Listing::new(&["name", "state", "groups", "tokens", "added"]);
    for (name, account) in register.accounts().iter().filter(|(_, account)| account.kind() == kind) {
        let tokens = register.tokens().values().filter(|token| token.owner() == name).count();
        listing.row([json!(name), json!(state(account)), json!(account.groups()), json!(tokens), json!(time(account.added().time_ms))]);
    }
    listing.print(output)
}

/// Shows an account.
///
/// # Errors
/// When there is none; otherwise as [`register`].
pub(super) async fn show(global: &Global, kind: Kind, name: &str, output: Output) -> Outcome {
    let register = register(global).await?;
    let account = register.account(name).filter(|account| account.kind() == kind).ok_or_else(|| none(&register, kind, name))?;
    let tokens: Vec<&str> = register.tokens().iter().filter(|(_, token)| token.owner() == name).map(|(id, _)| id.as_str()).collect();
    let certificates: Vec<&str> =
        register.certificates().iter().filter(|(_, one)| one.owner() == name).map(|(id, _)| id.as_str()).collect();
    let at = |at: Option<polder_policy::identity::At>| at.map_or(Value::Null, |at| json!(time(at.time_ms)));
    let passkeys: Vec<&str> = account.passkeys().keys().map(String::as_str).collect();
    let facts = [
        ("name", json!(name)),
        ("kind", json!(kind.name())),
        ("state", json!(state(account))),
        ("groups", json!(account.groups())),
        ("tokens", json!(tokens)),
        ("certificates", json!(certificates)),
        ("added", json!(time(account.added().time_ms))),
        ("password_set", at(account.password_set())),
        ("providers", json!(account.links().iter().map(|(name, link)| format!("{name}: {}", link.subject())).collect::<Vec<_>>())),
        ("sessions_ended", at(account.revoked_before())),
        ("totp", at(account.totp().and_then(polder_policy::identity::StoredTotp::enrolled))),
        ("recovery_codes", account.totp().map_or(Value::Null, |totp| json!(totp.recovery_codes_left()))),
        ("passkeys", json!(passkeys)),
    ];
    print::facts(facts, output)
}

fn state(account: &Account) -> &'static str {
    if account.disabled() { "disabled" } else { "enabled" }
}

pub(super) fn none(register: &Register, kind: Kind, name: &str) -> Failure {
    let known: Vec<&str> =
        register.accounts().iter().filter(|(_, account)| account.kind() == kind).map(|(name, _)| name.as_str()).collect();
    let near = match polder_contract::yaml::suggest(name, &known) {
        near if near.starts_with("did you mean") => near,
        _ => format!("see `polder {kind} list`"),
    };
    Failure::new(ErrorKind::NotFound, format!("there is no {kind} {name}; {near}"))
}
