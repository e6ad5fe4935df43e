//! `polder break-glass`: the account for emergencies, which two approvers open together. Nothing of it needs a network.

use polder_policy::identity::{Approval, BREAK_GLASS, BreakGlassChange, Change, OpeningState, Register};
use polder_types::event::Phase;
use polder_types::{ErrorKind, EventKind, Private};
use serde_json::json;

use super::grant::register;
use super::{accounts, writer};
use crate::cli::{BreakGlassCommand, Global, Output};
use crate::failure::{Failure, Outcome};
use crate::identities::{Changed, enrolled, signing};
use crate::installation::Installation;
use crate::name_id::Named;
use crate::notice::{self, Channels, Notice, NoticeKind};
use crate::print::{self, Listing, time};

/// Runs a verb.
///
/// # Errors
/// When it is not permitted, or fails.
pub async fn run(global: &Global, command: &BreakGlassCommand, output: Output) -> Outcome {
    match command {
        BreakGlassCommand::Seal => {
            let made = changed(global, |_, _| Ok(BreakGlassChange::Seal)).await?;
            match output {
                Output::Table => print::line("break-glass is sealed: nobody can sign in with it until two approvers open it"),
                _ => print::json(&json!({ "change": "sealed", "version": made.version })),
            }
        }
        BreakGlassCommand::Request { reason, hours } => {
            let asked = |installation: &Installation, _: &Register| {
                Ok(BreakGlassChange::Request { by: installation.actor.as_str().to_owned(), hours: *hours, reason: reason.clone() })
            };
            let id = id_of(&changed(global, asked).await?)?;
            match output {
                Output::Table => print::line(&format!(
                    "asked for opening {id}; two other persons approve it within 24 hours: polder break-glass approve {id} --key FILE"
                )),
                _ => print::json(&json!({ "id": id, "change": "requested" })),
            }
        }
        BreakGlassCommand::Approve { id, key } => {
            let approved = |installation: &Installation, register: &Register| {
                let approvers = enrolled(&installation.project, installation.keys.lineage())?;
                let request = register
                    .opening_request(id, &approvers)
                    .ok_or_else(|| Failure::new(ErrorKind::NotFound, format!("there is no opening {id}; see `polder break-glass show`")))?;
                let (by, signature) = signing::signed(installation, &request, key.as_deref())?;
                Ok(BreakGlassChange::Approve { id: id.clone(), by, signature, approvers })
            };
            changed(global, approved).await?;
            match output {
                Output::Table => print::line(&format!("approved opening {id}")),
                _ => print::json(&json!({ "id": id, "change": "approved" })),
            }
        }
        BreakGlassCommand::Open { id } => open(global, id, output).await,
        BreakGlassCommand::Show => show(global, output).await,
    }
}

async fn changed(global: &Global, of: impl FnOnce(&Installation, &Register) -> Outcome<BreakGlassChange>) -> Outcome<Changed> {
    accounts::changed_by(global, |installation, register| of(installation, register).map(Change::BreakGlass)).await
}

fn id_of(made: &Changed) -> Outcome<String> {
    made.grant.clone().ok_or_else(|| Failure::new(ErrorKind::Internal, "change break-glass: nothing was changed"))
}

/// Opens it, tells everyone, and only then shows the token.
async fn open(global: &Global, id: &str, output: Output) -> Outcome {
    let of = |installation: &Installation, _: &Register| {
        let approvers = enrolled(&installation.project, installation.keys.lineage())?;
        Ok(Change::BreakGlass(BreakGlassChange::Open { id: id.to_owned(), by: installation.actor.as_str().to_owned(), approvers }))
    };
    let installation = writer(global).await?;
    let opened = async {
        let made = accounts::change_of(&installation, of).await?;
        let until_ms = installation.journal.state().break_glass.and_then(|open| open.until_ms);
        tell(&installation, id, until_ms).await;
        Ok::<_, Failure>((made, until_ms))
    };
    let (made, until_ms) = match opened.await {
        Ok(opened) => {
            installation.close().await?;
            opened
        }
        Err(failure) => {
            installation.close_after(Err(failure.clone())).await?;
            return Err(failure);
        }
    };
    let (token_id, token) = made.token.ok_or_else(|| Failure::new(ErrorKind::Internal, "open break-glass: no token was made"))?;
    let until = until_ms.map(time);
    match output {
        Output::Json => print::json(&json!({ "id": id, "token_id": token_id, "token": token.expose_secret(), "until": until })),
        _ => {
            let until = until.unwrap_or_default();
            print::note(&format!(
                "break-glass is open until {until}; its token is shown this once; when the emergency is over: polder break-glass seal"
            ));
            print::line(token.expose_secret())
        }
    }
}

/// Tells every receiver of the project's notices, whatever each pipeline tells of. What cannot be told or recorded is said, and keeps nobody
/// from opening: in an emergency there may be no network.
async fn tell(installation: &Installation, id: &str, until_ms: Option<i64>) {
    let mut channels: Vec<Channels> = Vec::new();
    match installation.project.pipelines() {
        Ok(pipelines) => {
            for found in pipelines.into_iter().filter_map(|pipeline| pipeline.notify).map(|notify| notify.channels) {
                if !channels.contains(&found) {
                    channels.push(found);
                }
            }
        }
        Err(failure) => print::warn("nobody is told that break-glass is open: the pipelines' files cannot be used", &failure),
    }
    if channels.is_empty() {
        return;
    }
    let receivers = channels.iter().map(Channels::count).sum();
    let until = until_ms.map(time).unwrap_or_default();
    let notice = Notice {
        pipeline: BREAK_GLASS.to_owned(),
        kind: NoticeKind::BreakGlassOpened,
        run: None,
        at_ms: installation.clock.now_ms(),
        text: format!("the account break-glass was opened by {}, as two approvers agreed, until {until}", installation.actor),
        details: json!({ "opening": id, "opened_by": installation.actor.as_str(), "until": until }),
    };
    let record = async |phase, failed, private| {
        let account = installation.name_id(Named::Account, BREAK_GLASS)?;
        let kind = EventKind::NoticeSent { pipeline: account, run: None, notice: notice.kind.name().to_owned(), phase, receivers, failed };
        installation.record_with(kind, private).await
    };
    if let Err(failure) = record(Phase::Intent, 0, Private::default().with("notice", notice.text.clone())).await {
        print::warn("a notice could not be recorded, and is sent all the same", &failure);
    }
    let sent = futures::future::join_all(channels.iter().map(|channels| notice::send(&notice, channels, installation.project.dir()))).await;
    let failures: Vec<Failure> = sent.into_iter().flatten().collect();
    failures.iter().for_each(|failure| print::warn("a receiver could not be told that break-glass is open", failure));
    let failed = u32::try_from(failures.len()).unwrap_or(u32::MAX);
    let (phase, private) = match failures.as_slice() {
        [] => (Phase::Outcome, Private::default()),
        some => {
            let texts: Vec<String> = some.iter().map(ToString::to_string).collect();
            (Phase::Aborted, Private::default().with("failures", texts.join("\n")))
        }
    };
    if let Err(failure) = record(phase, failed, private).await {
        print::warn("what became of a notice could not be recorded", &failure);
    }
}

async fn show(global: &Global, output: Output) -> Outcome {
    let (installation, register) = register(global).await?;
    let approvers = enrolled(&installation.project, installation.keys.lineage())?;
    let now_ms = installation.clock.now_ms();
    let Some(account) = register.break_glass() else {
        let text = "show break-glass: there is no such account yet; whoever manages accounts makes it with `polder break-glass seal`";
        return Err(Failure::new(ErrorKind::NotFound, text));
    };
    let mut listing = Listing::new(&["id", "state", "requested_by", "requested", "hours", "approved_by", "opened", "until", "reason"]);
    for (id, opening) in account.openings() {
        let by: Vec<&str> = opening.approvals().iter().map(Approval::by).collect();
        listing.row([
            json!(id),
            json!(opening.state(id, &approvers, now_ms).name()),
            json!(opening.requested_by()),
            json!(time(opening.requested().time_ms)),
            json!(opening.length_ms() / 3_600_000),
            json!(by),
            json!(opening.opened().map(|at| time(at.time_ms))),
            json!(opening.until_ms().map(time)),
            json!(opening.reason()),
        ]);
    }
    let open = account.openings().iter().any(|(id, opening)| opening.state(id, &approvers, now_ms) == OpeningState::Open);
    if output == Output::Table {
        let sealed = time(account.sealed().time_ms);
        print::note(&if open {
            "break-glass is open".to_owned()
        } else {
            format!("break-glass is closed; it was last sealed on {sealed}")
        });
    }
    listing.print(output)
}
