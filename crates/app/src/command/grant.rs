//! `polder grant`: membership of a group for a limited time, which another person approves.

use std::path::Path;
use std::sync::Arc;

use polder_policy::Action;
use polder_policy::identity::{Approval, Approvers, Change, Ended, Grant, GrantChange, GrantState, Register};
use polder_types::{Clock, ErrorKind, SystemClock};
use serde_json::{Value, json};

use super::{accounts, reader, writer};
use crate::cli::{Global, GrantCommand, Output};
use crate::failure::{Failure, Outcome};
use crate::hosted;
use crate::identities::{Identities, enrolled, signing};
use crate::installation::Installation;
use crate::print::{self, Listing, time};

/// Runs a verb.
///
/// # Errors
/// When it is not permitted, or fails.
pub async fn run(global: &Global, command: &GrantCommand, output: Output) -> Outcome {
    match command {
        GrantCommand::Request { group, account, hours, minutes, until, reason } => {
            let until_ms = until_ms(*hours, *minutes, until.as_deref())?;
            let asked = |installation: &Installation, register: &Register| {
                let account = match account {
                    Some(account) => account.clone(),
                    None => own_account(installation, register)?,
                };
                let (by, hours_max) =
                    (installation.actor.as_str().to_owned(), installation.project.environment().serving.limits.grant_hours);
                Ok(GrantChange::Request { group: group.clone(), account, by, until_ms, reason: reason.clone(), hours_max })
            };
            let id = changed(global, asked).await?;
            let next = format!("another person approves it within 24 hours: polder grant approve {id} --key FILE");
            told(&id, "requested", &format!("asked for grant {id}; {next}"), output)
        }
        GrantCommand::Approve { id, key } => {
            let approved = |installation: &Installation, register: &Register| approval(installation, register, id, key.as_deref());
            changed(global, approved).await?;
            told(id, "approved", &format!("approved grant {id}; it counts from now on"), output)
        }
        GrantCommand::Deny { id, reason } => {
            let denied = |installation: &Installation, _: &Register| {
                Ok(GrantChange::Deny { id: id.clone(), by: installation.actor.as_str().to_owned(), reason: reason.clone() })
            };
            changed(global, denied).await?;
            told(id, "denied", &format!("denied grant {id}"), output)
        }
        GrantCommand::Revoke { id } => {
            let revoked = |installation: &Installation, _: &Register| {
                Ok(GrantChange::Revoke { id: id.clone(), by: installation.actor.as_str().to_owned() })
            };
            changed(global, revoked).await?;
            told(id, "revoked", &format!("revoked grant {id}; what is being read by it ends"), output)
        }
        GrantCommand::List { all } => list(&Seen::now(global).await?, *all, output),
        GrantCommand::Show { id } => show(&Seen::now(global).await?, id, output),
    }
}

/// When a grant is to end.
fn until_ms(hours: Option<u32>, minutes: Option<u32>, until: Option<&str>) -> Outcome<i64> {
    let after = |count: u32, each_ms: i64| SystemClock.now_ms().saturating_add(i64::from(count).saturating_mul(each_ms));
    match (hours, minutes, until) {
        (Some(hours), ..) => Ok(after(hours, 3_600_000)),
        (None, Some(minutes), _) => Ok(after(minutes, 60_000)),
        (None, None, until) => {
            let parsed = until.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
            let parsed = parsed.map(|at| at.timestamp_millis());
            parsed.ok_or_else(|| {
                let text = "ask for a grant: --until is no time with its zone, such as 2026-03-01T18:00:00Z; correct it, or say --hours";
                Failure::new(ErrorKind::Invalid, text)
            })
        }
    }
}

/// The account that has the name of who types.
fn own_account(installation: &Installation, register: &Register) -> Outcome<String> {
    let name = installation.actor.name();
    match register.account(name) {
        Some(account) if account.principal(name).is_ok_and(|principal| principal == installation.actor) => Ok(name.to_owned()),
        _ => {
            let text = format!("ask for a grant: there is no user {name} for whom it could be; say --for NAME");
            Err(Failure::new(ErrorKind::Invalid, text))
        }
    }
}

/// The signature of who approves, over what the register holds.
fn approval(installation: &Installation, register: &Register, id: &str, key: Option<&Path>) -> Outcome<GrantChange> {
    let approvers = enrolled(&installation.project, installation.keys.lineage())?;
    let request = register.grant_request(id, &approvers).ok_or_else(|| none(id))?;
    let (by, signature) = signing::signed(installation, &request, key)?;
    Ok(GrantChange::Approve { id: id.to_owned(), by, signature, approvers })
}

fn none(id: &str) -> Failure {
    Failure::new(ErrorKind::NotFound, format!("there is no grant {id} that you may see; see `polder grant list --all`"))
}

/// Makes the change that `of` makes of the register of now; the grant's id.
async fn changed(global: &Global, of: impl FnOnce(&Installation, &Register) -> Outcome<GrantChange>) -> Outcome<String> {
    let made = accounts::changed_by(global, |installation, register| of(installation, register).map(Change::Grant)).await?;
    made.grant.ok_or_else(|| Failure::new(ErrorKind::Internal, "change a grant: none was changed"))
}

fn told(id: &str, change: &str, done: &str, output: Output) -> Outcome {
    match output {
        Output::Table => print::line(done),
        _ => print::json(&json!({ "id": id, "change": change })),
    }
}

/// The register, as one who looks at grants sees it.
struct Seen {
    installation: Installation,
    register: Arc<Register>,
    approvers: Approvers,
    now_ms: i64,
}

impl Seen {
    async fn now(global: &Global) -> Outcome<Self> {
        let (installation, register) = register(global).await?;
        let approvers = enrolled(&installation.project, installation.keys.lineage())?;
        let now_ms = installation.clock.now_ms();
        Ok(Self { installation, register, approvers, now_ms })
    }

    /// Whether who looks may know of it: they asked for it, get it, may approve it or manage the accounts.
    fn may_see(&self, grant: &Grant) -> bool {
        let Installation { actor, groups, policies, .. } = &self.installation;
        grant.requested_by() == actor.as_str()
            || grant.subject() == actor.as_str()
            || policies.decide_grant(actor, groups, grant.group()).allowed
            || policies.decide_installation(actor, groups, Action::ManageIdentities).allowed
    }

    fn state(&self, id: &str, grant: &Grant) -> GrantState {
        grant.state(id, &self.approvers, self.now_ms)
    }
}

/// The register of now, for who acts, without waiting for another writer.
///
/// # Errors
/// When it cannot be read.
pub(super) async fn register(global: &Global) -> Outcome<(Installation, Arc<Register>)> {
    match hosted::current() {
        Some(host) => Ok((writer(global).await?, host.identities().current())),
        None => {
            let installation = reader(global).await?;
            let register = Identities::open(&installation).await?.current();
            Ok((installation, register))
        }
    }
}

fn list(seen: &Seen, all: bool, output: Output) -> Outcome {
    let mut listing = Listing::new(&["id", "group", "for", "state", "until", "requested_by", "approved_by", "reason"]);
    for (id, grant) in seen.register.grants().iter().filter(|(_, grant)| seen.may_see(grant)) {
        let state = seen.state(id, grant);
        let over = matches!(state, GrantState::Lapsed | GrantState::Denied | GrantState::Ended | GrantState::Revoked);
        if over && !all {
            continue;
        }
        listing.row([
            json!(id),
            json!(grant.group()),
            json!(grant.account()),
            json!(state.name()),
            json!(time(grant.until_ms())),
            json!(grant.requested_by()),
            json!(grant.approval().map(Approval::by)),
            json!(grant.reason()),
        ]);
    }
    listing.print(output)
}

fn show(seen: &Seen, id: &str, output: Output) -> Outcome {
    let grant = seen.register.grants().get(id).filter(|grant| seen.may_see(grant)).ok_or_else(|| none(id))?;
    let at = |at: Option<polder_policy::identity::At>| at.map_or(Value::Null, |at| json!(time(at.time_ms)));
    let facts = [
        ("id", json!(id)),
        ("group", json!(grant.group())),
        ("for", json!(grant.subject())),
        ("state", json!(seen.state(id, grant).name())),
        ("requested_by", json!(grant.requested_by())),
        ("requested", json!(time(grant.requested().time_ms))),
        ("until", json!(time(grant.until_ms()))),
        ("reason", json!(grant.reason())),
        ("approved_by", json!(grant.approval().map(Approval::by))),
        ("approved", at(grant.approval().map(Approval::at))),
        ("denied_by", json!(grant.denied().map(Ended::by))),
        ("denied", at(grant.denied().map(Ended::at))),
        ("why", json!(grant.denied().and_then(Ended::reason))),
        ("revoked_by", json!(grant.revoked().map(Ended::by))),
        ("revoked", at(grant.revoked().map(Ended::at))),
    ];
    print::facts(facts, output)
}
